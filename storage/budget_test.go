package storage_test

import (
	"fmt"
	"testing"

	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/badger"
	"github.com/hob-fhir/hob/storage/driver"
)

// TestWithin: searches in one budget stop where they have read as much together, and those after it begin anew.
func TestWithin(t *testing.T) {
	b, err := badger.Open("", badger.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	s, err := storage.New(storage.Config{Backend: b, Index: index})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	f := fixture{t: t, store: s}
	for i := range 100 {
		f.must(f.put(storage.System, fmt.Sprint("o", i), 0, observation("Patient/p", "final")))
	}
	for name, access := range map[string]storage.Access{"all": storage.System, "narrowed": only("p")} {
		f.view(access, func(tx *storage.Tx) error {
			count := func() error {
				n, err := tx.Count(driver.Find{Type: "Observation", Where: driver.Has("subject")})
				if err == nil && n != 100 {
					t.Errorf("%s: %d found", name, n)
				}
				return err
			}
			f.must(count())
			f.must(tx.Within(2000, func() error {
				f.must(count())
				f.must(tx.Within(0, count)) // no bound of its own
				f.is(tx.Within(50, count), driver.ErrTooCostly)
				n := 0
				for count() == nil {
					if n++; n > 20 {
						t.Fatalf("%s: %d searches of 100 rows within 2000", name, n)
					}
				}
				_, err := find(tx, "Observation", driver.IDs{"o1"})
				f.is(err, driver.ErrTooCostly)
				return nil
			}))
			return count()
		})
	}
}
