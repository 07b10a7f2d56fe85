package storage_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/backends"
	"github.com/hob-fhir/hob/storage/driver"
)

// turning is an index that writes the number of its edition into the field "edition" of every resource.
type turning struct{ edition atomic.Uint64 }

func (x *turning) rows(_ string, r *fhirmap.Resource) ([]driver.Row, error) {
	return []driver.Row{{Field: "edition", Value: driver.Point(fmt.Appendf(nil, "%d", x.edition.Load()))}}, nil
}

func openTurning(t *testing.T) (*storage.Store, *turning) {
	t.Helper()
	b, err := backends.Open("badger::memory:", backends.Options{})
	if err != nil {
		t.Fatal(err)
	}
	x := &turning{}
	s, err := storage.New(storage.Config{
		Backend: b, Index: x.rows, Generation: func(string) uint64 { return x.edition.Load() },
		Admit: func(id string, r *fhirmap.Resource) error {
			if id == "no" {
				return fhirmap.Errorf(fhirmap.CodeBusinessRule, "", "no is no id here")
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, x
}

// TestStale: what was prepared before the index changed is not written after it, neither as a version nor as rows.
func TestStale(t *testing.T) {
	s, x := openTurning(t)
	put := func(d storage.Draft) error {
		return s.Update(t.Context(), storage.System, func(tx *storage.Tx) error {
			_, err := tx.Put(d, 0)
			return err
		})
	}
	r := parse(t, `{"resourceType":"Patient"}`)
	before, err := s.Prepare("a", r)
	if err != nil {
		t.Fatal(err)
	}
	x.edition.Add(1)
	if err := put(before); !errors.Is(err, storage.ErrStale) || !errors.Is(err, driver.ErrConflict) {
		t.Errorf("a draft of before was put: %v", err)
	}
	after, err := s.Prepare("a", r)
	if err != nil {
		t.Fatal(err)
	}
	if err := put(after); err != nil {
		t.Fatal(err)
	}
	x.edition.Add(1)
	err = s.Update(t.Context(), storage.System, func(tx *storage.Tx) error { return tx.Index(after, 1) })
	if !errors.Is(err, storage.ErrStale) {
		t.Errorf("a draft of before was indexed: %v", err)
	}
	if _, err := s.Prepare("no", r); err == nil {
		t.Error("what is not admitted was prepared")
	}
}

// TestStaleUnderWriters changes the index again and again under writers. After each change an Update is the barrier: what a View finds
// behind it and was not rewritten has rows of this edition or of an older one, and what is written from then on never of an older one.
func TestStaleUnderWriters(t *testing.T) {
	s, x := openTurning(t)
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	var wrote, stale atomic.Int64
	for w := range 8 {
		writing.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				id := fmt.Sprintf("w%dn%d", w, n)
				for {
					d, err := s.Prepare(id, parse(t, `{"resourceType":"Patient"}`))
					if err != nil {
						t.Error(err)
						return
					}
					time.Sleep(time.Millisecond) // so that there are always some between the two
					err = s.Update(context.Background(), storage.System, func(tx *storage.Tx) error {
						_, err := tx.Put(d, 0)
						return err
					})
					if err == nil {
						wrote.Add(1)
						break
					}
					if !errors.Is(err, storage.ErrStale) {
						t.Error(err)
						return
					}
					stale.Add(1)
				}
			}
		})
	}
	for edition := uint64(1); edition <= 50; edition++ {
		x.edition.Store(edition)
		barrier := func(tx *storage.Tx) error {
			_, err := (storage.Private[int]{Type: "_barrier"}).Save(tx, "b", edition-1, int(edition))
			return err
		}
		if err := s.Update(t.Context(), storage.System, barrier); err != nil {
			t.Fatal(err)
		}
		old := func() (keys map[driver.Key]bool) {
			keys = map[driver.Key]bool{}
			older := driver.Not{Of: driver.Lookup{Field: "edition", Op: driver.EQUAL, Values: []driver.Value{driver.Point(fmt.Appendf(nil, "%d", edition))}}}
			if err := s.View(t.Context(), storage.System, func(tx *storage.Tx) error {
				for hit, err := range tx.Find(driver.Find{Type: "Patient", Where: older, Bare: true}) {
					if err != nil {
						return err
					}
					keys[hit.Key] = true
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			return keys
		}
		seen := old()
		time.Sleep(2 * time.Millisecond)
		for k := range old() {
			if !seen[k] {
				t.Fatalf("%s was written by an older edition behind the barrier of edition %d", k, edition)
			}
		}
	}
	stop()
	writing.Wait()
	t.Logf("%d written, %d stale drafts prepared again", wrote.Load(), stale.Load())
	if wrote.Load() < 50 {
		t.Errorf("only %d were written: too little to prove anything", wrote.Load())
	}
}

// TestSettle: it waits for every View that was under way, those of an earlier wait that was given up too, and for none that began later.
func TestSettle(t *testing.T) {
	s, _ := openTurning(t)
	begun, end := make(chan bool), make(chan bool)
	var reading sync.WaitGroup
	reading.Go(func() {
		if err := s.View(context.Background(), storage.System, func(*storage.Tx) error {
			close(begun)
			<-end
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
	<-begun
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		if err := s.Settle(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a View is under way and Settle gave %v", err)
		}
		cancel()
	}
	settled := make(chan error)
	go func() { settled <- s.Settle(context.Background()) }()
	if err := s.View(t.Context(), storage.System, func(*storage.Tx) error { return nil }); err != nil { // it does not wait for Settle
		t.Error(err)
	}
	close(end)
	if err := <-settled; err != nil {
		t.Error(err)
	}
	reading.Wait()
	if err := s.Settle(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestWatch: the watch is called for puts, deletions and erasures of its type that were committed, and for nothing else.
func TestWatch(t *testing.T) {
	s, _ := openTurning(t)
	calls := 0
	s.Watch("Patient", func(context.Context) { calls++ })
	change := func(want int, fn func(*storage.Tx) error) {
		t.Helper()
		before := calls
		err := s.Update(t.Context(), storage.System, fn)
		if err != nil && !errors.Is(err, errGivenUp) {
			t.Fatal(err)
		}
		if calls-before != want {
			t.Errorf("%d calls, want %d", calls-before, want)
		}
	}
	draft := func(typ, id string) storage.Draft {
		d, err := s.Prepare(id, parse(t, `{"resourceType":"`+typ+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	patient, basic := driver.Key{Type: "Patient", ID: "a"}, draft("Organization", "a")
	put := func(d storage.Draft) func(*storage.Tx) error {
		return func(tx *storage.Tx) error {
			_, err := tx.Put(d, 0)
			return err
		}
	}
	change(0, put(basic))
	change(0, func(tx *storage.Tx) error { return errors.Join(put(draft("Patient", "a"))(tx), errGivenUp) })
	change(1, put(draft("Patient", "a")))
	change(1, func(tx *storage.Tx) error {
		_, err := tx.Delete(patient, 1)
		return err
	})
	change(1, func(tx *storage.Tx) error { return tx.Erase(patient) })
}

var errGivenUp = errors.New("given up")

func parse(t *testing.T, json string) *fhirmap.Resource {
	t.Helper()
	r, err := fhirmap.Parse([]byte(json), fhirmap.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
