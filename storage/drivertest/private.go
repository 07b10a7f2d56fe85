package drivertest

import (
	"time"

	"github.com/hob-fhir/hob/storage/driver"
)

var privateTests = []test{
	{"a private record is read, changed and found like any other", func(s *store) {
		s.save("_job", "a", row("state", "waiting"), row("state", "new"))
		rec := s.save("_job", "a", row("state", "running"))
		s.save("_job", "b", row("state", "waiting"))
		s.reads(rec)
		s.finds("_job", look("state", driver.EQUAL, "running"), "a")
		s.finds("_job", look("state", driver.EQUAL, "waiting"), "b")
		s.finds("_job", nil, "a b")
		s.finds("job", nil, "")
	}},
	{"private types are not in the log", func(s *store) {
		s.save("_job", "a")
		s.save("Patient", "a")
		s.save("_job", "a")
		s.delete("_job", "a")
		s.save("_job", "b")
		s.erase("_job", "b")
		s.logs(driver.Log{}, "Patient/a:1")
		s.logs(driver.Log{Reverse: true}, "Patient/a:1")
		s.logs(driver.Log{Type: "_job"}, "")
		s.logs(driver.Log{Type: "_job", ID: "a"}, "")
	}},
	{"only the newest version is kept", func(s *store) {
		s.save("_job", "a")
		s.save("_job", "a")
		rec := s.save("_job", "a")
		s.version(rec)
		s.noVersion(rec.Key, 1)
		s.noVersion(rec.Key, 2)
		s.noVersion(rec.Key, 4)
	}},
	{"put checks the version", func(s *store) {
		rec := s.save("_job", "a")
		for _, wrong := range []uint64{1, 3} {
			rec.Version = wrong
			s.refused(driver.ErrConflict, func(tx driver.Tx) error { return tx.Put(rec, nil) })
		}
	}},
	{"a deletion keeps the number, an erasure does not", func(s *store) {
		k := key("_job", "a")
		s.save("_job", "a", row("state", "new"))
		gone := s.delete("_job", "a")
		s.reads(gone)
		s.finds("_job", nil, "")
		if rec := s.save("_job", "a"); rec.Version != 3 {
			s.Errorf("version after a deletion is %d; want 3", rec.Version)
		}
		s.erase("_job", "a")
		s.absent(k)
		s.noVersion(k, 3)
		s.finds("_job", nil, "")
		s.refused(driver.ErrNotFound, func(tx driver.Tx) error { return tx.Erase(k, s.clock.next()) })
		rec := driver.Record{Key: k, Version: 1, Time: dawn, Body: body(k, 1)} // earlier than what was erased
		s.update(func(tx driver.Tx) error { return tx.Put(rec, nil) })
		s.reads(rec)
	}},
	{"a record that has expired is absent", func(s *store) {
		past := time.Now().Add(-time.Hour).UTC().Truncate(time.Millisecond)
		k := key("_token", "old")
		s.update(func(tx driver.Tx) error {
			return tx.Put(driver.Record{Key: k, Version: 1, Time: dawn, Expires: past, Body: body(k, 1)},
				[]driver.Row{row("user", "joe"), unique(row("hash", "1"))})
		})
		s.save("_token", "fresh", row("user", "joe"), refRow("after", k))
		s.absent(k)
		s.noVersion(k, 1)
		s.finds("_token", nil, "fresh")
		s.finds("_token", driver.IDs{"old"}, "")
		s.finds("_token", look("user", driver.EQUAL, "joe"), "fresh")
		s.finds("_token", driver.Refers{Field: "after", Type: "_token"}, "")
		s.walks(driver.Find{Type: "_token", Sort: []driver.Order{{Field: "user"}}}, "fresh")
		s.refused(driver.ErrNotFound, func(tx driver.Tx) error { return tx.Erase(k, s.clock.next()) })
		s.refused(driver.ErrNotFound, func(tx driver.Tx) error { return tx.Index(k, 1, nil) })
	}},
	{"what an expired record held is free", func(s *store) {
		past := time.Now().Add(-time.Hour).UTC().Truncate(time.Millisecond)
		k := key("_token", "old")
		put := func(k driver.Key, expires time.Time) driver.Record {
			rec := driver.Record{Key: k, Version: 1, Time: dawn, Expires: expires, Body: body(k, 1)}
			s.update(func(tx driver.Tx) error {
				return tx.Put(rec, []driver.Row{unique(row("hash", "1")), row("user", "joe")})
			})
			return rec
		}
		put(k, past)
		put(k, past) // version 1 again
		other := put(key("_token", "new"), time.Time{})
		s.reads(other)
		s.finds("_token", look("hash", driver.EQUAL, "1"), "new")
		s.erase("_token", "new")
		again := put(k, time.Time{})
		s.reads(again)
		s.finds("_token", look("hash", driver.EQUAL, "1"), "old")
		s.finds("_token", look("user", driver.EQUAL, "joe"), "old")
	}},
	{"a record that has not expired yet is there", func(s *store) {
		k := key("_token", "a")
		rec := driver.Record{Key: k, Version: 1, Time: dawn, Body: body(k, 1),
			Expires: time.Now().Add(100 * 24 * time.Hour).UTC().Truncate(time.Millisecond)}
		s.update(func(tx driver.Tx) error { return tx.Put(rec, []driver.Row{row("user", "joe")}) })
		s.reads(rec)
		s.version(rec)
		s.finds("_token", look("user", driver.EQUAL, "joe"), "a")
		rec.Version, rec.Expires, rec.Body = 2, time.Time{}, body(k, 2)
		s.update(func(tx driver.Tx) error { return tx.Put(rec, nil) })
		s.reads(rec)
	}},
	{"a public record refers to private ones and back", func(s *store) {
		s.save("Patient", "a", row("name", "Joe"))
		s.save("_session", "x", refRow("patient", key("Patient", "a")))
		s.save("Patient", "b", refRow("session", key("_session", "x")))
		s.finds("_session", driver.Refers{Field: "patient", Type: "Patient", Where: look("name", driver.EQUAL, "Joe")}, "x")
		s.finds("Patient", driver.Referred{Type: "_session", Field: "patient"}, "a")
		s.finds("Patient", driver.Refers{Field: "session", Type: "_session"}, "b")
	}},
}
