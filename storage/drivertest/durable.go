package drivertest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hob-fhir/hob/storage/driver"
)

// named is a store that can be closed and opened again under its name.
type named struct {
	*store
	name string
	open func(testing.TB, string) driver.Backend
}

// restart closes the store, opens it again, and lets it check itself.
func (n *named) restart() {
	n.Helper()
	if err := n.Close(); err != nil {
		n.Fatalf("close: %v", err)
	}
	n.Backend = n.open(n.T, n.name)
	n.sound()
}

var durableTests = []struct {
	name string
	run  func(*testing.T, func(testing.TB, string) driver.Backend)
}{
	{"X12 state survives a restart", reopening(func(s *named) {
		first := s.save("T", "a", row("f", "1"), spanRow("h", "1", "2"), unique(row("u", "1")))
		second := s.save("T", "a", row("f", "2"), spanRow("h", "3", "4"), unique(row("u", "2")))
		gone := s.save("T", "gone", row("f", "2"))
		mark := s.delete("T", "gone")
		s.save("T", "erased", row("f", "2"))
		s.erase("T", "erased")
		job := s.save("_job", "j", row("f", "2"))
		s.update(func(tx driver.Tx) error {
			return tx.Index(second.Key, 2, []driver.Row{row("f", "3"), unique(row("u", "2"))})
		})
		want := s.history(driver.Log{})
		for range 2 {
			s.restart()
			for _, rec := range []driver.Record{second, mark, job} {
				s.reads(rec)
			}
			for _, rec := range []driver.Record{first, second, gone, mark, job} {
				s.version(rec)
			}
			s.absent(key("T", "erased"))
			s.finds("T", nil, "a")
			s.finds("T", look("f", driver.GTE, "1"), "a")
			s.finds("T", look("f", driver.EQUAL, "3"), "a")
			s.finds("T", driver.Has("h"), "")
			s.finds("_job", look("f", driver.EQUAL, "2"), "j")
			s.refused(driver.ErrTaken, s.putting("T", "b", unique(row("u", "2"))))
			got := s.history(driver.Log{})
			if words(got) != words(want) {
				s.Fatalf("log after a restart: %s; want %s", words(got), words(want))
			}
			for i := range got {
				if got[i].Position != want[i].Position {
					s.Errorf("position of %s after a restart: %q; want %q", got[i].Key, got[i].Position, want[i].Position)
				}
			}
		}
	})},
	{"an empty store can be opened again", reopening(func(s *named) {
		s.restart()
		s.finds("T", nil, "")
		s.logs(driver.Log{}, "")
		s.save("T", "a")
		s.finds("T", nil, "a")
	})},
	{"numbers, positions and the own order go on after a restart", reopening(func(s *named) {
		var ids []string
		last := driver.Position("")
		for round := range 4 {
			for i := range 3 {
				s.save("T", fmt.Sprint("r", i), row("f", "1"))
				ids = append(ids, fmt.Sprintf("T/r%d:%d", i, round+1))
				pos := s.update(s.putting("T", fmt.Sprintf("new%d%d", round, i), row("f", "1")))
				ids = append(ids, fmt.Sprintf("T/new%d%d:1", round, i))
				if pos <= last {
					s.Errorf("position %q follows %q", pos, last)
				}
				last = pos
			}
			order := idsOf(s.hits(driver.Find{Type: "T"}))
			s.restart()
			if got := idsOf(s.hits(driver.Find{Type: "T"})); !slices.Equal(got, order) {
				s.Errorf("order after a restart: %q; want %q", got, order)
			}
		}
		got := s.history(driver.Log{})
		for i, rec := range got {
			if word := fmt.Sprintf("%s:%d", rec.Key, rec.Version); i >= len(ids) || word != ids[i] {
				s.Fatalf("log has %s at %d; want %q", word, i, ids)
			}
		}
	})},
	{"what a refused update wrote is not there after a restart", reopening(func(s *named) {
		before := s.save("Patient", "a", row("name", "old"), unique(row("id", "1")))
		s.refused(errChanged, func(tx driver.Tx) error {
			s.scramble(tx)
			return errChanged
		})
		s.restart()
		s.unscrambled(before)
	})},
	{"closing among writers loses nothing that was acknowledged", reopening(func(s *named) {
		const writers = 8
		var acknowledged [writers]atomic.Int64
		var wg sync.WaitGroup
		begun := make(chan struct{}, 2*writers)
		for w := range writers {
			wg.Go(func() {
				defer func() { begun <- struct{}{} }()
				for i := 1; ; i++ {
					_, err := s.Update(s.Context(), func(tx driver.Tx) error {
						for _, part := range []string{"one", "two"} {
							if _, err := s.put(tx, key("T", fmt.Sprint(part, w, "-", i)), row("f", fmt.Sprint(w))); err != nil {
								return err
							}
						}
						return nil
					})
					if err != nil {
						if !errors.Is(err, driver.ErrUnavailable) {
							s.Errorf("update while the store closes: %v; want none or %v", err, driver.ErrUnavailable)
						}
						return
					}
					acknowledged[w].Store(int64(i))
					if i == 3 {
						begun <- struct{}{}
					}
				}
			})
		}
		for range writers {
			<-begun
		}
		if err := s.Close(); err != nil {
			s.Errorf("close: %v", err)
		}
		wg.Wait()
		s.restart()
		for w := range writers {
			want := int(acknowledged[w].Load()) * 2
			if n := len(s.hits(driver.Find{Type: "T", Where: look("f", driver.EQUAL, fmt.Sprint(w)), Bare: true})); n != want {
				s.Errorf("writer %d finds %d records after a restart; %d were acknowledged", w, n, want)
			}
		}
	})},
	{"random changes with restarts between", reopening(func(s *named) {
		w := newWalk(s.store, 8, 200)
		for range 3 {
			w.run()
			s.restart()
			w.past = nil // a restart may forget old snapshots
		}
		w.run()
	})},
}

// reopening makes a test of a store with a name.
func reopening(run func(*named)) func(*testing.T, func(testing.TB, string) driver.Backend) {
	return func(t *testing.T, open func(testing.TB, string) driver.Backend) {
		name := t.TempDir()
		s := &named{store: &store{T: t, Backend: open(t, name)}, name: name, open: open}
		defer func() {
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}()
		run(s)
		s.sound()
	}
}
