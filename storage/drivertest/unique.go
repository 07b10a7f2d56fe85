package drivertest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/hob-fhir/hob/storage/driver"
)

var uniqueTests = []test{
	{"a unique value that another key holds is refused", func(s *store) {
		s.save("Patient", "a", unique(row("id", "1")), row("name", "Joe"))
		s.refused(driver.ErrTaken, s.putting("Patient", "b", row("name", "Jane"), unique(row("id", "1"))))
		s.save("Patient", "b", unique(row("id", "2")))
		s.refused(driver.ErrTaken, s.putting("Patient", "b", unique(row("id", "2")), unique(row("id", "1"))))
		s.finds("Patient", look("id", driver.EQUAL, "1"), "a")
		s.finds("Patient", look("id", driver.EQUAL, "2"), "b")
	}},
	{"a key keeps its own unique value when put again", func(s *store) {
		s.save("Patient", "a", unique(row("id", "1")))
		s.save("Patient", "a", unique(row("id", "1")), unique(row("id", "2")))
		s.update(func(tx driver.Tx) error {
			return tx.Index(key("Patient", "a"), 2, []driver.Row{unique(row("id", "2")), unique(row("id", "1"))})
		})
		s.refused(driver.ErrTaken, s.putting("Patient", "b", unique(row("id", "1"))))
		s.refused(driver.ErrTaken, s.putting("Patient", "b", unique(row("id", "2"))))
	}},
	{"an update that drops the value frees it", func(s *store) {
		s.save("Patient", "a", unique(row("id", "1")), unique(row("id", "2")))
		s.save("Patient", "a", unique(row("id", "2")))
		s.save("Patient", "b", unique(row("id", "1")))
		s.refused(driver.ErrTaken, s.putting("Patient", "a", unique(row("id", "1"))))
		s.finds("Patient", look("id", driver.EQUAL, "1"), "b")
	}},
	{"a deletion frees the value", func(s *store) {
		s.save("Patient", "a", unique(row("id", "1")))
		s.delete("Patient", "a")
		s.save("Patient", "b", unique(row("id", "1")))
		s.refused(driver.ErrTaken, s.putting("Patient", "a", unique(row("id", "1"))))
	}},
	{"an erasure frees the value", func(s *store) {
		s.save("Patient", "a", unique(row("id", "1")))
		s.erase("Patient", "a")
		s.save("Patient", "b", unique(row("id", "1")))
		s.refused(driver.ErrTaken, s.putting("Patient", "a", unique(row("id", "1"))))
	}},
	{"index takes and frees values", func(s *store) {
		s.save("Patient", "a", unique(row("id", "1")))
		s.save("Patient", "b", unique(row("id", "2")))
		index := func(rows ...driver.Row) func(driver.Tx) error {
			return func(tx driver.Tx) error { return tx.Index(key("Patient", "a"), 1, rows) }
		}
		s.refused(driver.ErrTaken, index(unique(row("id", "2"))))
		s.update(index(unique(row("id", "3"))))
		s.save("Patient", "b", unique(row("id", "1")))
		s.refused(driver.ErrTaken, s.putting("Patient", "c", unique(row("id", "3"))))
	}},
	{"a refused update frees nothing", func(s *store) {
		s.save("Patient", "a", unique(row("id", "1")))
		s.refused(errChanged, func(tx driver.Tx) error {
			if _, err := s.remove(tx, key("Patient", "a")); err != nil {
				return err
			}
			return errChanged
		})
		s.refused(driver.ErrTaken, s.putting("Patient", "b", unique(row("id", "1"))))
	}},
	{"two keys exchange a value within one update", func(s *store) {
		s.save("Patient", "a", unique(row("id", "1")))
		s.save("Patient", "b", unique(row("id", "2")))
		s.update(func(tx driver.Tx) error {
			if _, err := s.put(tx, key("Patient", "b"), unique(row("id", "1"))); !errors.Is(err, driver.ErrTaken) {
				s.Errorf("put of a value before it is freed: %v; want %v", err, driver.ErrTaken)
			}
			if _, err := s.put(tx, key("Patient", "a")); err != nil {
				return err
			}
			if _, err := s.put(tx, key("Patient", "b"), unique(row("id", "1"))); err != nil {
				return err
			}
			_, err := s.put(tx, key("Patient", "a"), unique(row("id", "2")))
			return err
		})
		s.finds("Patient", look("id", driver.EQUAL, "1"), "b")
		s.finds("Patient", look("id", driver.EQUAL, "2"), "a")
		s.refused(driver.ErrTaken, s.putting("Patient", "c", unique(row("id", "1"))))
	}},
	{"two keys of one update cannot both take a value", func(s *store) {
		s.update(func(tx driver.Tx) error {
			if _, err := s.put(tx, key("Patient", "a"), unique(row("id", "1"))); err != nil {
				return err
			}
			if _, err := s.put(tx, key("Patient", "b"), unique(row("id", "1"))); !errors.Is(err, driver.ErrTaken) {
				s.Errorf("put of a value taken in the same update: %v; want %v", err, driver.ErrTaken)
			}
			return nil
		})
		s.finds("Patient", look("id", driver.EQUAL, "1"), "a")
	}},
	{"values are unique by type and field, and only where marked", func(s *store) {
		s.save("Patient", "a", unique(row("id", "1")), row("name", "Joe"))
		s.save("Practitioner", "a", unique(row("id", "1")))
		s.save("Patient", "b", unique(row("number", "1")), row("id", "1"), row("name", "Joe"))
		s.save("Patient", "c", unique(row("id", "1\x00")), unique(row("id", "1 ")))
		s.save("Patient", "d", unique(row("name", "Joe")))
		s.finds("Patient", look("id", driver.EQUAL, "1"), "a b")
		s.refused(driver.ErrTaken, s.putting("Patient", "e", unique(row("name", "Joe"))))
	}},
	{"a unique value may be held in any group", func(s *store) {
		s.save("Patient", "a", in(1, unique(row("id", "1")))...)
		s.refused(driver.ErrTaken, s.putting("Patient", "b", in(2, unique(row("id", "1")))...))
		s.save("Patient", "a", in(3, unique(row("id", "1")))...)
		s.refused(driver.ErrTaken, s.putting("Patient", "b", unique(row("id", "1"))))
	}},
	{"long unique values that differ at the end are not the same", func(s *store) {
		long := string(make([]byte, 5000))
		s.save("Patient", "a", unique(row("id", long+"a")))
		s.save("Patient", "b", unique(row("id", long+"b")))
		s.refused(driver.ErrTaken, s.putting("Patient", "c", unique(row("id", long+"a"))))
	}},
	{"of many who take a value at once one gets it", func(s *store) {
		var took, refused atomic.Int64
		var wg sync.WaitGroup
		for g := range 32 {
			wg.Go(func() {
				_, err := s.Update(s.Context(), s.putting("Patient", fmt.Sprint("p", g), unique(row("id", "1"))))
				switch {
				case err == nil:
					took.Add(1)
				case errors.Is(err, driver.ErrTaken):
					refused.Add(1)
				default:
					s.Errorf("put: %v", err)
				}
			})
		}
		wg.Wait()
		if took.Load() != 1 || refused.Load() != 31 {
			s.Errorf("%d took the value, %d were refused; want 1 and 31", took.Load(), refused.Load())
		}
		if n := len(s.hits(driver.Find{Type: "Patient"})); n != 1 {
			s.Errorf("%d records; want 1", n)
		}
	}},
}

// putting is an update that puts the next version of one key.
func (s *store) putting(typ, id string, rows ...driver.Row) func(driver.Tx) error {
	return func(tx driver.Tx) error { _, err := s.put(tx, key(typ, id), rows...); return err }
}
