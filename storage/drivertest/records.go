package drivertest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hob-fhir/hob/storage/driver"
)

var recordTests = []test{
	{"an empty store has nothing", func(s *store) {
		s.absent(key("Patient", "a"))
		s.noVersion(key("Patient", "a"), 1)
		s.finds("Patient", nil, "")
		s.logs(driver.Log{}, "")
	}},
	{"get and head give the current version", func(s *store) {
		s.save("Patient", "a", row("name", "Joe"))
		second := s.save("Patient", "a", row("name", "Jim"))
		other := s.save("Patient", "b")
		s.reads(second)
		s.reads(other)
		s.absent(key("Patient", "c"))
		s.absent(key("Practitioner", "a"))
	}},
	{"version gives each version as it was put", func(s *store) {
		first := s.save("Patient", "a")
		second := s.save("Patient", "a")
		third := s.delete("Patient", "a")
		fourth := s.save("Patient", "a")
		for _, rec := range []driver.Record{first, second, third, fourth} {
			s.version(rec)
		}
		s.noVersion(first.Key, 0)
		s.noVersion(first.Key, 5)
	}},
	{"a deleted record is got as deleted, without a body", func(s *store) {
		s.save("Patient", "a", row("name", "Joe"))
		gone := s.delete("Patient", "a")
		s.reads(gone)
		s.version(gone)
	}},
	{"a deleted record is not found by any search", func(s *store) {
		s.save("Patient", "a", row("name", "Joe"))
		s.save("Patient", "b", row("name", "Joe"))
		s.delete("Patient", "a")
		s.finds("Patient", nil, "b")
		s.finds("Patient", driver.IDs{"a", "b"}, "b")
		s.finds("Patient", look("name", driver.EQUAL, "Joe"), "b")
		s.finds("Patient", driver.Not{Of: look("name", driver.EQUAL, "Jim")}, "b")
	}},
	{"a deleted record put again has only its new rows", func(s *store) {
		s.save("Patient", "a", row("name", "Joe"), row("sex", "M"))
		s.delete("Patient", "a")
		rec := s.save("Patient", "a", row("name", "Jim"))
		s.reads(rec)
		s.finds("Patient", look("name", driver.EQUAL, "Joe"), "")
		s.finds("Patient", driver.Has("sex"), "")
		s.finds("Patient", look("name", driver.EQUAL, "Jim"), "a")
	}},
	{"an update replaces all rows", func(s *store) {
		s.save("Patient", "a", row("name", "Joe"), row("name", "Joseph"), spanRow("born", "1980", "1981"), row("sex", "M"))
		s.save("Patient", "a", row("name", "Joe"), spanRow("born", "1980-05", "1980-06"))
		s.finds("Patient", look("name", driver.EQUAL, "Joe"), "a")
		s.finds("Patient", look("name", driver.EQUAL, "Joseph"), "")
		s.finds("Patient", driver.Has("sex"), "")
		s.finds("Patient", look("born", driver.LT, "1980-02"), "")
		s.finds("Patient", look("born", driver.GT, "1980-11"), "")
		s.finds("Patient", look("born", driver.GT, "1980-05"), "a")
	}},
	{"equal rows are one row", func(s *store) {
		s.save("Patient", "a", row("name", "Joe"), row("name", "Joe"), spanRow("born", "1", "2"), spanRow("born", "1", "2"))
		s.finds("Patient", look("name", driver.EQUAL, "Joe"), "a")
		s.save("Patient", "a", row("name", "Joe"))
		s.finds("Patient", driver.Has("born"), "")
		s.finds("Patient", look("name", driver.EQUAL, "Joe"), "a")
		s.save("Patient", "a")
		s.finds("Patient", driver.Has("name"), "")
	}},
	{"put refuses every version but the next", func(s *store) {
		k := key("Patient", "a")
		try := func(version uint64) error {
			_, err := s.Update(s.Context(), func(tx driver.Tx) error {
				return tx.Put(driver.Record{Key: k, Version: version, Time: s.clock.next(), Body: body(k, version)}, nil)
			})
			return err
		}
		for next := uint64(1); next <= 4; next++ {
			for _, wrong := range []uint64{next - 1, next + 1, next + 7, 1 << 40} {
				if wrong == 0 {
					continue
				}
				if err := try(wrong); !errors.Is(err, driver.ErrConflict) {
					s.Errorf("put of version %d when %d is next: %v; want %v", wrong, next, err, driver.ErrConflict)
				}
			}
			if err := try(next); err != nil {
				s.Errorf("put of version %d: %v", next, err)
			}
		}
		s.logs(driver.Log{}, "Patient/a:1 Patient/a:2 Patient/a:3 Patient/a:4")
	}},
	{"numbering goes on after a deletion", func(s *store) {
		k := key("Patient", "a")
		s.save("Patient", "a")
		s.delete("Patient", "a")
		s.refused(driver.ErrConflict, func(tx driver.Tx) error {
			return tx.Put(driver.Record{Key: k, Version: 1, Time: s.clock.next(), Body: body(k, 1)}, nil)
		})
		if rec := s.save("Patient", "a"); rec.Version != 3 {
			s.Errorf("version after a deletion is %d; want 3", rec.Version)
		}
		s.logs(driver.Log{}, "Patient/a:1 Patient/a:2- Patient/a:3")
	}},
	{"numbering goes on after an erasure", func(s *store) {
		k := key("Patient", "a")
		s.save("Patient", "a")
		s.save("Patient", "a")
		s.erase("Patient", "a")
		for _, wrong := range []uint64{1, 2, 3, 5} {
			s.refused(driver.ErrConflict, func(tx driver.Tx) error {
				return tx.Put(driver.Record{Key: k, Version: wrong, Time: s.clock.next(), Body: body(k, wrong)}, nil)
			})
		}
		rec := driver.Record{Key: k, Version: 4, Time: s.clock.next(), Body: body(k, 4)}
		s.update(func(tx driver.Tx) error { return tx.Put(rec, nil) })
		s.reads(rec)
		s.version(rec)
		s.logs(driver.Log{}, "Patient/a:3! Patient/a:4")
	}},
	{"an erased record is gone in every reading but the log", func(s *store) {
		k := key("Patient", "a")
		first := s.save("Patient", "a", row("name", "Joe"), spanRow("born", "1", "2"))
		s.save("Patient", "b", row("name", "Joe"), refRow("friend", k))
		s.save("Patient", "a", row("name", "Joe"))
		s.erase("Patient", "a")
		s.absent(k)
		for v := first.Version; v <= 3; v++ {
			s.noVersion(k, v)
		}
		s.finds("Patient", nil, "b")
		s.finds("Patient", look("name", driver.EQUAL, "Joe"), "b")
		s.finds("Patient", driver.Has("born"), "")
		s.finds("Patient", driver.Refers{Field: "friend", Type: "Patient"}, "")
		s.logs(driver.Log{}, "Patient/b:1 Patient/a:3!")
		for _, rec := range s.history(driver.Log{Type: "Patient", ID: "a"}) {
			if !rec.Deleted || !rec.Erased || len(rec.Body) != 0 {
				s.Errorf("the log has %+v of an erased record; want it deleted, erased, without a body", rec)
			}
		}
	}},
	{"a deleted record can be erased, an erased one cannot", func(s *store) {
		k := key("Patient", "a")
		s.save("Patient", "a")
		s.delete("Patient", "a")
		s.erase("Patient", "a")
		s.absent(k)
		s.logs(driver.Log{}, "Patient/a:3!")
		s.refused(driver.ErrNotFound, func(tx driver.Tx) error { return tx.Erase(k, s.clock.next()) })
		s.refused(driver.ErrNotFound, func(tx driver.Tx) error { return tx.Erase(key("Patient", "none"), s.clock.next()) })
		s.logs(driver.Log{}, "Patient/a:3!")
	}},
	{"the second erasure replaces the first in the log", func(s *store) {
		s.save("Patient", "a")
		s.erase("Patient", "a")
		s.save("Patient", "a")
		s.save("Patient", "b")
		s.erase("Patient", "a")
		s.logs(driver.Log{}, "Patient/b:1 Patient/a:4!")
		s.logs(driver.Log{Type: "Patient", ID: "a"}, "Patient/a:4!")
	}},
	{"an erasure has the time given", func(s *store) {
		s.save("Patient", "a")
		at := s.clock.next()
		s.update(func(tx driver.Tx) error { return tx.Erase(key("Patient", "a"), at) })
		if recs := s.history(driver.Log{}); len(recs) != 1 || !recs[0].Time.Equal(at) {
			s.Errorf("log: %+v; want one record of %v", recs, at)
		}
	}},
	{"a version is not earlier than the one before", func(s *store) {
		k := key("Patient", "a")
		first := s.save("Patient", "a")
		early := first.Time.Add(-1e6)
		s.refused(driver.ErrInvalid, func(tx driver.Tx) error {
			return tx.Put(driver.Record{Key: k, Version: 2, Time: early, Body: body(k, 2)}, nil)
		})
		s.refused(driver.ErrInvalid, func(tx driver.Tx) error { return tx.Erase(k, early) })
		same := driver.Record{Key: k, Version: 2, Time: first.Time, Body: body(k, 2)}
		s.update(func(tx driver.Tx) error { return tx.Put(same, nil) })
		s.reads(same)
	}},
	{"times keep their milliseconds, in UTC", func(s *store) {
		k := key("Patient", "a")
		rec := driver.Record{Key: k, Version: 1, Time: dawn.Add(123e6), Body: body(k, 1)}
		given := rec
		given.Time = rec.Time.In(time.FixedZone("east", 2*60*60))
		s.update(func(tx driver.Tx) error { return tx.Put(given, nil) })
		s.reads(rec)
	}},
	{"index replaces the rows and makes no version", func(s *store) {
		s.save("Patient", "a", row("name", "Joe"), spanRow("born", "1", "2"))
		rec := s.save("Patient", "a", row("name", "Joe"), row("sex", "M"))
		pos := s.update(func(tx driver.Tx) error {
			return tx.Index(rec.Key, 2, []driver.Row{row("name", "joe"), spanRow("born", "3", "4")})
		})
		if pos != "" {
			s.Errorf("position of an update that only indexes is %q; want none", pos)
		}
		s.reads(rec)
		s.finds("Patient", look("name", driver.EQUAL, "Joe"), "")
		s.finds("Patient", look("name", driver.EQUAL, "joe"), "a")
		s.finds("Patient", driver.Has("sex"), "")
		s.finds("Patient", look("born", driver.GT, "3"), "a")
		s.logs(driver.Log{}, "Patient/a:1 Patient/a:2")
	}},
	{"index refuses every version but the current, and what is not there", func(s *store) {
		k := key("Patient", "a")
		index := func(k driver.Key, version uint64) func(driver.Tx) error {
			return func(tx driver.Tx) error { return tx.Index(k, version, []driver.Row{row("name", "new")}) }
		}
		s.save("Patient", "a", row("name", "old"))
		s.save("Patient", "a", row("name", "old"))
		s.refused(driver.ErrConflict, index(k, 1))
		s.refused(driver.ErrConflict, index(k, 3))
		s.refused(driver.ErrNotFound, index(key("Patient", "b"), 1))
		s.finds("Patient", look("name", driver.EQUAL, "old"), "a")
		s.delete("Patient", "a")
		s.refused(driver.ErrNotFound, index(k, 3))
		s.erase("Patient", "a")
		s.refused(driver.ErrNotFound, index(k, 4))
		s.finds("Patient", driver.Has("name"), "")
	}},
	{"ids, types and values may hold any bytes", func(s *store) {
		ids := []string{"a", "a\x00", "a\x00b", "a\x00\x01", "a\x01", "a\xff", "a\xff\xff", "\x00", "\x00\x00", "\xff", "A", "a ", "é", "a/b", "a%", "b"}
		for _, id := range ids {
			s.save("Patient", id, row("name", id), refRow("self", key("Patient", id)), spanRow("to", id, id+"\x00"))
			s.save("Patient\xff", id, row("name", id))
		}
		for _, id := range ids {
			s.view(func(r driver.Reader) {
				rec, err := r.Get(key("Patient", id))
				if err != nil || rec.ID != id {
					s.Errorf("get %q: %q, %v", id, rec.ID, err)
				}
				for _, q := range []driver.Query{
					look("name", driver.EQUAL, id), driver.IDs{id}, lookIn("to", driver.EQUAL, span(id, id+"\x00")),
					driver.Refers{Field: "self", Type: "Patient", Where: look("name", driver.EQUAL, id)},
					driver.Referred{Type: "Patient", Field: "self", Where: look("name", driver.EQUAL, id)},
				} {
					hits, err := find(r, driver.Find{Type: "Patient", Where: q})
					if err != nil || len(hits) != 1 || hits[0].ID != id {
						s.Errorf("find %#v: %q, %v; want %q", q, idsOf(hits), err, id)
					}
				}
				if n := len(s.loggedOf(r, driver.Log{Type: "Patient", ID: id})); n != 1 {
					s.Errorf("log of %q has %d records; want 1", id, n)
				}
			})
		}
		if n := len(s.hits(driver.Find{Type: "Patient"})); n != len(ids) {
			s.Errorf("%d records of one type; want %d", n, len(ids))
		}
	}},
	{"types that begin alike are apart", func(s *store) {
		s.save("Patient", "a", row("name", "x"))
		s.save("PatientX", "b", row("name", "x"))
		s.save("Pat", "ient", row("name", "x"))
		s.save("P", "a", row("names", "x"))
		s.finds("Patient", look("name", driver.EQUAL, "x"), "a")
		s.finds("Pat", nil, "ient")
		s.finds("P", look("name", driver.EQUAL, "x"), "")
		s.finds("P", driver.Has("names"), "a")
		s.logs(driver.Log{Type: "Patient"}, "Patient/a:1")
		s.logs(driver.Log{Type: "Pat", ID: "ient"}, "Pat/ient:1")
	}},
	{"large bodies come back whole", func(s *store) {
		for _, n := range []int{0, 1, 1 << 10, 1<<20 - 1, 1 << 20, 3<<20 + 7} {
			k := key("Binary", fmt.Sprint("b", n))
			rec := driver.Record{Key: k, Version: 1, Time: s.clock.next(), Body: noise(n)}
			s.update(func(tx driver.Tx) error { return tx.Put(rec, nil) })
			s.reads(rec)
			s.version(rec)
		}
		hits := s.hits(driver.Find{Type: "Binary", Sort: []driver.Order{{}}, Bare: true})
		for _, h := range hits {
			if len(h.Body) != 0 {
				s.Errorf("bare hit %s has a body of %d bytes", h.ID, len(h.Body))
			}
		}
		if got := strings.Join(idsOf(hits), " "); got != "b0 b1 b1024 b1048575 b1048576 b3145735" {
			s.Errorf("hits by id: %s", got)
		}
	}},
}
