package drivertest

import (
	"fmt"
	"slices"

	"github.com/hob-fhir/hob/storage/driver"
)

var snapshotTests = []test{
	{"an old snapshot reads as it did", func(s *store) {
		s.save("T", "a", row("f", "1"), refRow("to", key("T", "b")))
		s.save("T", "b", row("f", "2"))
		s.save("T", "c", row("f", "1"))
		at := s.now()
		s.save("T", "a", row("f", "2"))
		s.delete("T", "c")
		s.save("T", "d", row("f", "1"))
		s.update(func(tx driver.Tx) error { return tx.Index(key("T", "b"), 1, []driver.Row{row("f", "1")}) })
		s.walks(driver.Find{Type: "T", Where: look("f", driver.EQUAL, "1"), Sort: by(""), At: at}, "a c")
		s.walks(driver.Find{Type: "T", Where: look("f", driver.EQUAL, "2"), Sort: by(""), At: at}, "b")
		s.walks(driver.Find{Type: "T", Sort: by("-f", ""), At: at}, "b a c")
		s.walks(driver.Find{Type: "T", Where: driver.Refers{Field: "to", Type: "T"}, At: at}, "a")
		s.walks(driver.Find{Type: "T", Where: driver.Referred{Field: "to", Type: "T"}, At: at}, "b")
		for _, h := range s.hits(driver.Find{Type: "T", At: at}) {
			if h.Version != 1 || string(h.Body) != string(body(h.Key, 1)) {
				s.Errorf("%s at the old snapshot: version %d, %s; want the first", h.Key, h.Version, h.Body)
			}
		}
		s.view(func(r driver.Reader) {
			if n, err := r.Count(driver.Find{Type: "T", Where: look("f", driver.EQUAL, "1"), At: at}); err != nil || n != 2 {
				s.Errorf("count at the old snapshot: %d, %v; want 2", n, err)
			}
		})
		s.logs(driver.Log{At: at}, "T/a:1 T/b:1 T/c:1")
		s.walks(driver.Find{Type: "T", Where: look("f", driver.EQUAL, "1"), Sort: by("")}, "b d")
	}},
	{"an update reads an old snapshot without its own writes", func(s *store) {
		s.save("T", "a", row("f", "1"))
		s.update(func(tx driver.Tx) error {
			at := tx.Now()
			if _, err := s.put(tx, key("T", "b"), row("f", "1")); err != nil {
				return err
			}
			hits, err := find(tx, driver.Find{Type: "T", At: at})
			if got := idsOf(hits); !slices.Equal(got, []string{"a"}) {
				s.Errorf("find at the snapshot of the update's beginning: %q, %v; want a", got, err)
			}
			s.findsIn(tx, "T", nil, "a b")
			return err
		})
	}},
	{"many snapshots in turn", func(s *store) {
		var at []driver.Snapshot
		for i := range 20 {
			s.save("T", fmt.Sprint("r", i%7), row("f", fmt.Sprint(i)))
			at = append(at, s.now())
		}
		for i, at := range at {
			last := fmt.Sprint("r", i%7)
			s.walks(driver.Find{Type: "T", Sort: by("-f", ""), Where: look("f", driver.EQUAL, fmt.Sprint(i)), At: at}, last)
			s.walks(driver.Find{Type: "T", Where: look("f", driver.EQUAL, fmt.Sprint(i+1)), At: at}, "")
			if n := len(s.hits(driver.Find{Type: "T", At: at})); n != min(i+1, 7) {
				s.Errorf("%d records at snapshot %d; want %d", n, i, min(i+1, 7))
			}
		}
	}},
	{"random changes, read at old snapshots", func(s *store) {
		w := newWalk(s, 8, 600)
		w.whole = true
		w.run()
	}},
}
