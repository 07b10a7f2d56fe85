package drivertest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/hob-fhir/hob/storage/driver"
)

var errChanged = errors.New("the caller has changed its mind")

var updateTests = []test{
	{"an error from fn comes back and writes nothing", func(s *store) {
		before := s.save("Patient", "a", row("name", "old"), unique(row("id", "1")))
		s.refused(errChanged, func(tx driver.Tx) error {
			s.scramble(tx)
			return errChanged
		})
		s.unscrambled(before)
	}},
	{"a panic in fn goes on and writes nothing", func(s *store) {
		before := s.save("Patient", "a", row("name", "old"), unique(row("id", "1")))
		func() {
			defer func() {
				if got := recover(); got != errChanged {
					s.Errorf("panic %v comes out of the update; want %v", got, errChanged)
				}
			}()
			_, err := s.Update(s.Context(), func(tx driver.Tx) error {
				s.scramble(tx)
				panic(errChanged)
			})
			s.Errorf("update returns %v after a panic", err)
		}()
		s.unscrambled(before)
	}},
	{"an error from a view comes back", func(s *store) {
		if err := s.View(s.Context(), func(driver.Reader) error { return errChanged }); !errors.Is(err, errChanged) {
			s.Errorf("view: %v; want %v", err, errChanged)
		}
	}},
	{"a refused put has no effect and the update goes on", func(s *store) {
		s.save("Patient", "a", row("name", "old"), unique(row("id", "1")))
		s.save("Patient", "b", row("name", "old"), unique(row("id", "2")))
		a, b, c := key("Patient", "a"), key("Patient", "b"), key("Patient", "c")
		s.update(func(tx driver.Tx) error {
			rec := func(k driver.Key, v uint64) driver.Record {
				return driver.Record{Key: k, Version: v, Time: s.clock.next(), Body: body(k, v)}
			}
			taken := []driver.Row{row("name", "new"), unique(row("id", "3")), unique(row("id", "2"))}
			for _, refused := range []struct {
				want error
				got  error
			}{
				{driver.ErrTaken, tx.Put(rec(a, 2), taken)},
				{driver.ErrTaken, tx.Put(rec(c, 1), taken)},
				{driver.ErrTaken, tx.Index(a, 1, taken)},
				{driver.ErrConflict, tx.Put(rec(a, 3), []driver.Row{row("name", "new")})},
				{driver.ErrConflict, tx.Put(rec(c, 2), []driver.Row{row("name", "new")})},
				{driver.ErrConflict, tx.Index(a, 2, []driver.Row{row("name", "new")})},
				{driver.ErrInvalid, tx.Put(rec(a, 2), []driver.Row{row("name", "new"), row("name", "")})},
				{driver.ErrNotFound, tx.Index(c, 1, []driver.Row{row("name", "new")})},
				{driver.ErrNotFound, tx.Erase(c, s.clock.next())},
			} {
				if !errors.Is(refused.got, refused.want) {
					s.Errorf("refused with %v; want %v", refused.got, refused.want)
				}
			}
			s.findsIn(tx, "Patient", look("name", driver.EQUAL, "old"), "a b")
			s.findsIn(tx, "Patient", driver.Has("name"), "a b")
			return tx.Put(rec(b, 2), []driver.Row{row("name", "next"), unique(row("id", "3"))})
		})
		s.finds("Patient", look("name", driver.EQUAL, "old"), "a")
		s.finds("Patient", look("name", driver.EQUAL, "new"), "")
		s.finds("Patient", look("id", driver.EQUAL, "1"), "a")
		s.finds("Patient", look("id", driver.EQUAL, "3"), "b")
		s.absent(c)
		s.logs(driver.Log{}, "Patient/a:1 Patient/b:1 Patient/b:2")
	}},
	{"an update sees its own writes", func(s *store) {
		old := s.save("Patient", "old", row("name", "Joe"))
		gone := s.save("Patient", "gone", row("name", "Joe"))
		wiped := s.save("Patient", "wiped", row("name", "Joe"))
		s.save("Patient", "stays", row("name", "Joe"))
		s.update(func(tx driver.Tx) error { return s.ownWrites(tx, old, gone, wiped) })
		s.finds("Patient", look("name", driver.EQUAL, "Joe"), "stays new")
		s.logs(driver.Log{}, "Patient/old:1 Patient/gone:1 Patient/stays:1 Patient/old:2 Patient/gone:2- Patient/wiped:2! Patient/new:1")
	}},
	{"many versions of one key in one update", func(s *store) {
		s.update(func(tx driver.Tx) error {
			for i := range 5 {
				if _, err := s.put(tx, key("Patient", "a"), row("n", strconv.Itoa(i)), spanRow("to", "", strconv.Itoa(i))); err != nil {
					return err
				}
			}
			if _, err := s.remove(tx, key("Patient", "a")); err != nil {
				return err
			}
			_, err := s.put(tx, key("Patient", "a"), row("n", "last"))
			return err
		})
		s.finds("Patient", driver.Has("n"), "a")
		s.finds("Patient", look("n", driver.LT, "a"), "")
		s.finds("Patient", driver.Has("to"), "")
		s.logs(driver.Log{}, "Patient/a:1 Patient/a:2 Patient/a:3 Patient/a:4 Patient/a:5 Patient/a:6- Patient/a:7")
	}},
	{"an update's position is that of its last public record", func(s *store) {
		first := s.update(func(tx driver.Tx) error {
			if _, err := s.put(tx, key("Patient", "a")); err != nil {
				return err
			}
			_, err := s.put(tx, key("Patient", "b"))
			return err
		})
		second := s.update(func(tx driver.Tx) error {
			if _, err := s.remove(tx, key("Patient", "a")); err != nil {
				return err
			}
			_, err := s.put(tx, key("_job", "a"))
			return err
		})
		third := s.update(func(tx driver.Tx) error { return tx.Erase(key("Patient", "b"), s.clock.next()) })
		recs := s.history(driver.Log{})
		if words(recs) != "Patient/a:1 Patient/a:2- Patient/b:2!" {
			s.Fatalf("log: %s", words(recs))
		}
		if first >= second || recs[1].Position != second || recs[2].Position != third {
			s.Errorf("positions %q, %q, %q of updates; the log has %q, %q, %q", first, second, third,
				recs[0].Position, recs[1].Position, recs[2].Position)
		}
		for what, fn := range map[string]func(driver.Tx) error{
			"reads":             func(tx driver.Tx) error { _, err := tx.Get(key("Patient", "a")); return err },
			"puts private":      func(tx driver.Tx) error { _, err := s.put(tx, key("_job", "a")); return err },
			"has nothing to do": func(driver.Tx) error { return nil },
		} {
			if pos := s.update(fn); pos != "" {
				s.Errorf("position of an update that %s is %q; want none", what, pos)
			}
		}
	}},
	{"a view does not see what comes after it", func(s *store) {
		s.save("Patient", "a", row("name", "Joe"))
		s.view(func(r driver.Reader) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				if _, err := s.Update(s.Context(), func(tx driver.Tx) error {
					if _, err := s.put(tx, key("Patient", "a"), row("name", "Jim")); err != nil {
						return err
					}
					_, err := s.put(tx, key("Patient", "b"), row("name", "Joe"))
					return err
				}); err != nil {
					s.Errorf("update during a view: %v", err)
				}
			}()
			<-done
			s.findsIn(r, "Patient", look("name", driver.EQUAL, "Joe"), "a")
			s.findsIn(r, "Patient", nil, "a")
			if rec, err := r.Get(key("Patient", "a")); err != nil || rec.Version != 1 {
				s.Errorf("get in an older view: version %d, %v; want 1", rec.Version, err)
			}
			if _, err := r.Version(key("Patient", "a"), 2); !errors.Is(err, driver.ErrNotFound) {
				s.Errorf("version 2 in an older view: %v; want %v", err, driver.ErrNotFound)
			}
			if got := words(s.loggedOf(r, driver.Log{})); got != "Patient/a:1" {
				s.Errorf("log in an older view: %s; want Patient/a:1", got)
			}
		})
		s.finds("Patient", look("name", driver.EQUAL, "Joe"), "b")
	}},
	{"a view does not wait for a running update, nor see it", func(s *store) {
		s.save("Patient", "a", row("name", "Joe"))
		s.update(func(tx driver.Tx) error {
			if _, err := s.put(tx, key("Patient", "b"), row("name", "Joe")); err != nil {
				return err
			}
			done := make(chan error, 1)
			go func() {
				done <- s.View(s.Context(), func(r driver.Reader) error {
					s.findsIn(r, "Patient", nil, "a")
					return nil
				})
			}()
			select {
			case err := <-done:
				return err
			case <-time.After(time.Minute): // never, but in a backend that would wait for ever
				return errors.New("the view waits for the running update")
			}
		})
		s.finds("Patient", nil, "a b")
	}},
	{"what an update has returned is seen by every later view", func(s *store) {
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 10 {
					k := key("Patient", fmt.Sprint(g, "-", i))
					if _, err := s.Update(s.Context(), func(tx driver.Tx) error {
						_, err := s.put(tx, k, row("of", strconv.Itoa(g)))
						return err
					}); err != nil {
						s.Errorf("update: %v", err)
					}
					s.view(func(r driver.Reader) {
						if _, err := r.Get(k); err != nil {
							s.Errorf("get of what was just put: %v", err)
						}
						if n, err := r.Count(driver.Find{Type: "Patient", Where: look("of", driver.EQUAL, strconv.Itoa(g))}); err != nil || n != i+1 {
							s.Errorf("count after %d puts: %d, %v", i+1, n, err)
						}
					})
				}
			})
		}
		wg.Wait()
	}},
	{"updates run as if one after another", func(s *store) {
		// Each adds one to a number it reads; and each takes the only place left, if it finds it free.
		k := key("Basic", "counter")
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for range 10 {
					if _, err := s.Update(s.Context(), func(tx driver.Tx) error {
						v, err := next(tx, k)
						if err != nil {
							return err
						}
						n, err := tx.Count(driver.Find{Type: "Basic", Where: driver.Has("place")})
						if err != nil {
							return err
						}
						if n == 0 {
							if _, err := s.put(tx, key("Basic", fmt.Sprint("g", g)), row("place", "taken")); err != nil {
								return err
							}
						}
						return tx.Put(driver.Record{Key: k, Version: v, Time: dawn, Body: body(k, v)}, nil)
					}); err != nil {
						s.Errorf("update: %v", err)
					}
				}
			})
		}
		wg.Wait()
		s.reads(driver.Record{Key: k, Version: 80, Time: dawn, Body: body(k, 80)})
		if n := len(s.hits(driver.Find{Type: "Basic", Where: driver.Has("place")})); n != 1 {
			s.Errorf("%d took the one place", n)
		}
	}},
	{"a context that has ended ends the call and writes nothing", func(s *store) {
		ctx, cancel := context.WithCancel(s.Context())
		cancel()
		if _, err := s.Update(ctx, func(tx driver.Tx) error {
			_, err := s.put(tx, key("Patient", "a"))
			return err
		}); !errors.Is(err, context.Canceled) {
			s.Errorf("update: %v; want %v", err, context.Canceled)
		}
		if err := s.View(ctx, func(driver.Reader) error { return nil }); !errors.Is(err, context.Canceled) {
			s.Errorf("view: %v; want %v", err, context.Canceled)
		}
		s.absent(key("Patient", "a"))
	}},
	{"a context that ends within an update leaves all or nothing, as it says", func(s *store) {
		ctx, cancel := context.WithCancel(s.Context())
		defer cancel()
		_, err := s.Update(ctx, func(tx driver.Tx) error {
			if _, err := s.put(tx, key("Patient", "a")); err != nil {
				return err
			}
			cancel()
			_, err := s.put(tx, key("Patient", "b"))
			return err
		})
		switch {
		case err == nil:
			s.finds("Patient", nil, "a b")
		case errors.Is(err, context.Canceled):
			s.finds("Patient", nil, "")
			s.logs(driver.Log{}, "")
		default:
			s.Errorf("update: %v; want none or %v", err, context.Canceled)
		}
	}},
	{"close may be called twice, and every call after it fails", func(s *store) {
		s.save("Patient", "a")
		s.sound()
		s.closed = true
		for range 2 {
			if err := s.Close(); err != nil {
				s.Errorf("close: %v", err)
			}
		}
		if err := s.View(s.Context(), func(driver.Reader) error { return nil }); !errors.Is(err, driver.ErrUnavailable) {
			s.Errorf("view of a closed store: %v; want %v", err, driver.ErrUnavailable)
		}
		if _, err := s.Update(s.Context(), func(driver.Tx) error { return nil }); !errors.Is(err, driver.ErrUnavailable) {
			s.Errorf("update of a closed store: %v; want %v", err, driver.ErrUnavailable)
		}
	}},
}

// scramble writes all kinds of changes over a store that has Patient/a, for an update that will come to nothing.
func (s *store) scramble(tx driver.Tx) {
	for _, step := range []func() error{
		func() error {
			_, err := s.put(tx, key("Patient", "a"), row("name", "new"), unique(row("id", "2")))
			return err
		},
		func() error { _, err := s.put(tx, key("Patient", "b"), row("name", "new")); return err },
		func() error { return tx.Index(key("Patient", "b"), 1, []driver.Row{row("name", "indexed")}) },
		func() error { _, err := s.remove(tx, key("Patient", "a")); return err },
		func() error { return tx.Erase(key("Patient", "a"), s.clock.next()) },
		func() error { _, err := s.put(tx, key("_job", "j")); return err },
	} {
		if err := step(); err != nil {
			s.Errorf("scramble: %v", err)
		}
	}
}

// unscrambled requires that nothing of scramble is there.
func (s *store) unscrambled(before driver.Record) {
	s.Helper()
	s.reads(before)
	s.version(before)
	s.noVersion(before.Key, 2)
	s.absent(key("Patient", "b"))
	s.absent(key("_job", "j"))
	s.finds("Patient", nil, "a")
	s.finds("Patient", look("name", driver.EQUAL, "old"), "a")
	s.finds("Patient", look("name", driver.IN, "new", "indexed"), "")
	s.logs(driver.Log{}, "Patient/a:1")
	s.save("Patient", "c", unique(row("id", "2")))
	s.refused(driver.ErrTaken, func(tx driver.Tx) error {
		_, err := s.put(tx, key("Patient", "d"), unique(row("id", "1")))
		return err
	})
	s.save("Patient", "a", row("name", "next"))
	s.logs(driver.Log{}, "Patient/a:1 Patient/c:1 Patient/a:2")
}

// ownWrites changes, deletes, erases and creates, and reads all of it back within the update.
func (s *store) ownWrites(tx driver.Tx, old, gone, wiped driver.Record) error {
	if _, err := s.put(tx, old.Key, row("name", "Jim")); err != nil {
		return err
	}
	if _, err := s.remove(tx, gone.Key); err != nil {
		return err
	}
	if err := tx.Erase(wiped.Key, s.clock.next()); err != nil {
		return err
	}
	if _, err := s.put(tx, key("Patient", "new"), row("name", "Joe"), refRow("friend", old.Key)); err != nil {
		return err
	}
	if rec, err := tx.Get(old.Key); err != nil || rec.Version != 2 || string(rec.Body) != string(body(old.Key, 2)) {
		s.Errorf("get of an own write: %+v, %v", rec, err)
	}
	if rec, err := tx.Version(old.Key, 1); err != nil || string(rec.Body) != string(body(old.Key, 1)) {
		s.Errorf("version before an own write: %+v, %v", rec, err)
	}
	if rec, err := tx.Head(gone.Key); err != nil || !rec.Deleted || rec.Version != 2 {
		s.Errorf("head of an own deletion: %+v, %v", rec, err)
	}
	if _, err := tx.Get(wiped.Key); !errors.Is(err, driver.ErrNotFound) {
		s.Errorf("get of an own erasure: %v; want %v", err, driver.ErrNotFound)
	}
	s.findsIn(tx, "Patient", look("name", driver.EQUAL, "Joe"), "stays new")
	s.findsIn(tx, "Patient", look("name", driver.EQUAL, "Jim"), "old")
	s.findsIn(tx, "Patient", nil, "stays new old")
	s.findsIn(tx, "Patient", driver.Refers{Field: "friend", Type: "Patient", Where: look("name", driver.EQUAL, "Jim")}, "new")
	s.findsIn(tx, "Patient", driver.Referred{Type: "Patient", Field: "friend"}, "old")
	for _, desc := range []bool{false, true} {
		want := "[old new stays]" // by name, then by id
		if desc {
			want = "[new stays old]"
		}
		hits, err := find(tx, driver.Find{Type: "Patient", Sort: []driver.Order{{Field: "name", Desc: desc}, {}}})
		if got := fmt.Sprint(idsOf(hits)); err != nil || got != want {
			s.Errorf("sorted find with own writes: %s, %v; want %s", got, err, want)
		}
	}
	const all = "Patient/old:1 Patient/gone:1 Patient/stays:1 Patient/old:2 Patient/gone:2- Patient/wiped:2! Patient/new:1"
	if got := words(s.loggedOf(tx, driver.Log{})); got != all {
		s.Errorf("log with own writes:\n%s; want\n%s", got, all)
	}
	if got := words(s.loggedOf(tx, driver.Log{Type: "Patient", ID: "old", Reverse: true})); got != "Patient/old:2 Patient/old:1" {
		s.Errorf("log of a key with own writes, backwards: %s", got)
	}
	return nil
}
