package drivertest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hob-fhir/hob/storage/driver"
)

var logTests = []test{
	{"all versions in the order of their commits", func(s *store) {
		first := s.save("Patient", "b", row("f", "1"))
		second := s.save("Patient", "a")
		third := s.save("Patient", "b")
		fourth := s.delete("Patient", "b")
		fifth := s.save("T", "a")
		s.logs(driver.Log{}, "Patient/b:1 Patient/a:1 Patient/b:2 Patient/b:3- T/a:1")
		recs := s.history(driver.Log{})
		for i, put := range []driver.Record{first, second, third, fourth, fifth} {
			if i == len(recs) {
				break
			}
			if d := differs(recs[i], put); d != "" {
				s.Errorf("log: %s", d)
			}
			if i > 0 && recs[i-1].Position >= recs[i].Position {
				s.Errorf("position %q comes before %q", recs[i-1].Position, recs[i].Position)
			}
		}
	}},
	{"records of one update stand in the order they were put", func(s *store) {
		s.update(func(tx driver.Tx) error {
			for _, id := range []string{"c", "a", "b", "a"} {
				if _, err := s.put(tx, key("T", id)); err != nil {
					return err
				}
			}
			return nil
		})
		s.logs(driver.Log{}, "T/c:1 T/a:1 T/b:1 T/a:2")
	}},
	{"by type and by key", func(s *store) {
		s.chronicle()
		s.logs(driver.Log{Type: "T"}, "T/a:1 T/b:1 T/a:2 T/b:2-")
		s.logs(driver.Log{Type: "U"}, "U/a:1 U/a:2")
		s.logs(driver.Log{Type: "V"}, "")
		s.logs(driver.Log{Type: "T", ID: "a"}, "T/a:1 T/a:2")
		s.logs(driver.Log{Type: "T", ID: "b"}, "T/b:1 T/b:2-")
		s.logs(driver.Log{Type: "T", ID: "c"}, "")
	}},
	{"backwards and limited", func(s *store) {
		s.chronicle()
		s.logs(driver.Log{Reverse: true}, "U/a:2 T/b:2- T/a:2 U/a:1 T/b:1 T/a:1")
		s.logs(driver.Log{Reverse: true, Limit: 2}, "U/a:2 T/b:2-")
		s.logs(driver.Log{Limit: 2}, "T/a:1 T/b:1")
		s.logs(driver.Log{Limit: 99}, "T/a:1 T/b:1 U/a:1 T/a:2 T/b:2- U/a:2")
		s.logs(driver.Log{Type: "T", Reverse: true}, "T/b:2- T/a:2 T/b:1 T/a:1")
		s.logs(driver.Log{Type: "T", ID: "a", Reverse: true, Limit: 1}, "T/a:2")
		s.logs(driver.Log{Type: "U", Limit: 1}, "U/a:1")
	}},
	{"after a position, both ways, in every form of the log", func(s *store) {
		s.chronicle()
		places := append([]driver.Record{{}}, s.history(driver.Log{})...)
		for _, l := range []driver.Log{{}, {Type: "T"}, {Type: "U"}, {Type: "T", ID: "a"}, {Type: "T", ID: "b"}} {
			for _, l.Reverse = range []bool{false, true} {
				whole := s.history(l)
				for _, place := range places {
					l.After = place.Position
					want := slices.DeleteFunc(slices.Clone(whole), func(rec driver.Record) bool {
						return l.After != "" && (!l.Reverse && rec.Position <= l.After || l.Reverse && rec.Position >= l.After)
					})
					s.logs(l, words(want))
				}
				l.After = ""
			}
		}
	}},
	{"since a time", func(s *store) {
		at := []time.Time{dawn, dawn.Add(time.Hour), dawn.Add(time.Hour), dawn.Add(time.Minute), dawn.Add(2 * time.Hour)}
		for i, t := range at { // of different keys, so that times need not rise along the log
			k := key("T", fmt.Sprint("r", i))
			s.update(func(tx driver.Tx) error {
				return tx.Put(driver.Record{Key: k, Version: 1, Time: t, Body: body(k, 1)}, nil)
			})
		}
		s.logs(driver.Log{Since: dawn}, "T/r0:1 T/r1:1 T/r2:1 T/r3:1 T/r4:1")
		s.logs(driver.Log{Since: dawn.Add(time.Millisecond)}, "T/r1:1 T/r2:1 T/r3:1 T/r4:1")
		s.logs(driver.Log{Since: dawn.Add(time.Hour)}, "T/r1:1 T/r2:1 T/r4:1")
		s.logs(driver.Log{Since: dawn.Add(time.Hour), Type: "T", Reverse: true, Limit: 2}, "T/r4:1 T/r2:1")
		s.logs(driver.Log{Since: dawn.Add(time.Hour), Type: "T", ID: "r3"}, "")
		s.logs(driver.Log{Since: dawn.Add(3 * time.Hour)}, "")
	}},
	{"bare records have no bodies", func(s *store) {
		s.chronicle()
		for _, l := range []driver.Log{{Bare: true}, {Bare: true, Type: "T"}, {Bare: true, Type: "T", ID: "a"}} {
			for _, rec := range s.history(l) {
				if len(rec.Body) != 0 || rec.Position == "" || rec.Version == 0 {
					s.Errorf("bare %+v; want all but the body", rec)
				}
			}
		}
	}},
	{"an older snapshot has no later records", func(s *store) {
		s.chronicle()
		at := s.now()
		want := words(s.history(driver.Log{}))
		s.save("T", "a")
		s.save("T", "new")
		s.delete("U", "a")
		s.logs(driver.Log{At: at}, want)
		s.logs(driver.Log{At: at, Type: "T"}, "T/a:1 T/b:1 T/a:2 T/b:2-")
		s.logs(driver.Log{At: at, Type: "T", ID: "new"}, "")
		s.logs(driver.Log{At: at, Reverse: true, Limit: 1}, "U/a:2")
		s.logs(driver.Log{At: s.now(), Type: "T", ID: "a"}, "T/a:1 T/a:2 T/a:3")
	}},
	{"an id without a type is refused", func(s *store) {
		s.chronicle()
		s.view(func(r driver.Reader) {
			if recs, err := logged(r, driver.Log{ID: "a"}); !errors.Is(err, driver.ErrInvalid) {
				s.Errorf("log: %d records, %v; want %v", len(recs), err, driver.ErrInvalid)
			}
		})
	}},
	{"under many writers each record stands once, and followers miss none", followed},
}

// chronicle writes six public records, and private ones between them.
func (s *store) chronicle() {
	s.Helper()
	s.save("T", "a")
	s.save("_job", "j")
	s.save("T", "b")
	s.save("U", "a")
	s.save("T", "a")
	s.save("_job", "j")
	s.delete("T", "b")
	s.save("U", "a")
}

// followed lets writers write, some with several records at once, while followers read on from the last position they have seen. At
// the end each follower must have seen the log as it is: what is committed later must never stand before what has been read.
func followed(s *store) {
	const writers, each = 8, 25
	done := make(chan struct{})
	var wg, reading sync.WaitGroup
	seen := make([][]driver.Record, 4)
	for f := range seen {
		reading.Go(func() {
			l := driver.Log{Bare: true}
			if f == 1 {
				l.Limit = 3
			}
			for last := false; ; {
				var recs []driver.Record
				var err error
				s.view(func(r driver.Reader) { recs, err = logged(r, l) })
				if err != nil {
					s.Errorf("log: %v", err)
					return
				}
				seen[f] = append(seen[f], recs...)
				if len(recs) > 0 {
					l.After = recs[len(recs)-1].Position
					continue
				}
				if last {
					return
				}
				select {
				case <-done:
					last = true // one more reading, begun after all writers have returned
				default:
				}
			}
		})
	}
	positions := make([][]driver.Position, writers)
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				pos, err := s.Update(s.Context(), func(tx driver.Tx) error {
					for n := range i%3 + 1 {
						if _, err := s.put(tx, key("T", fmt.Sprint(w, "-", (i+n)%7))); err != nil {
							return err
						}
					}
					if i%5 == 4 {
						return errChanged
					}
					_, err := s.put(tx, key("_seen", fmt.Sprint(w)))
					return err
				})
				if i%5 == 4 {
					if !errors.Is(err, errChanged) {
						s.Errorf("update: %v; want %v", err, errChanged)
					}
					continue
				}
				if err != nil {
					s.Errorf("update: %v", err)
					return
				}
				positions[w] = append(positions[w], pos)
			}
		})
	}
	wg.Wait()
	close(done)
	reading.Wait()

	whole := s.history(driver.Log{})
	versions := map[driver.Key]uint64{}
	places := map[driver.Position]bool{}
	for i, rec := range whole {
		if i > 0 && whole[i-1].Position >= rec.Position {
			s.Errorf("position %q comes before %q", whole[i-1].Position, rec.Position)
		}
		if versions[rec.Key]++; versions[rec.Key] != rec.Version {
			s.Errorf("the log has %s version %d where %d is next", rec.Key, rec.Version, versions[rec.Key])
		}
		places[rec.Position] = true
	}
	if want := writers * 40; len(whole) != want { // of each writer, in those of its 25 updates that did not end in an error
		s.Errorf("the log has %d records; want %d", len(whole), want)
	}
	for w, mine := range positions {
		if !slices.IsSorted(mine) {
			s.Errorf("positions of writer %d do not rise: %q", w, mine)
		}
		for _, pos := range mine {
			if !places[pos] {
				s.Errorf("position %q of an update is not in the log", pos)
			}
		}
	}
	for f, recs := range seen {
		if got, want := words(recs), words(whole); got != want {
			s.Errorf("follower %d has seen %d records, the log has %d: %s", f, len(recs), len(whole), firstDifference(got, want))
		}
	}
}

// firstDifference shows where two lists of words part.
func firstDifference(got, want string) string {
	g, w := strings.Fields(got), strings.Fields(want)
	for i := 0; i < len(g) && i < len(w); i++ {
		if g[i] != w[i] {
			return fmt.Sprintf("%s in place of %s at %d", g[i], w[i], i)
		}
	}
	return "one ends before the other"
}
