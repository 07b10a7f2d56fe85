package drivertest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hob-fhir/hob/storage/driver"
)

// clock gives moments a millisecond apart, each later than the one before: no test depends on the time of day.
type clock struct{ ticks atomic.Int64 }

var dawn = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

func (c *clock) next() time.Time { return dawn.Add(time.Duration(c.ticks.Add(1)) * time.Millisecond) }

func key(typ, id string) driver.Key { return driver.Key{Type: typ, ID: id} }

// row makes a row that is a point.
func row(field, value string) driver.Row {
	return driver.Row{Field: field, Value: driver.Point([]byte(value))}
}

// spanRow makes a row that is the interval [low, high); an empty end is open.
func spanRow(field, low, high string) driver.Row {
	return driver.Row{Field: field, Value: span(low, high)}
}

func span(low, high string) driver.Value { return driver.Span([]byte(low), []byte(high)) }

// in puts rows into a group.
func in(group uint32, rows ...driver.Row) []driver.Row {
	for i := range rows {
		rows[i].Group = group
	}
	return rows
}

func unique(r driver.Row) driver.Row {
	r.Unique = true
	return r
}

// refRow makes a row that refers to a key.
func refRow(field string, to driver.Key) driver.Row {
	return driver.Row{Field: field, Value: driver.Point(to.Ref())}
}

// look makes a lookup of points.
func look(field string, op driver.Op, points ...string) driver.Lookup {
	l := driver.Lookup{Field: field, Op: op}
	for _, p := range points {
		l.Values = append(l.Values, driver.Point([]byte(p)))
	}
	return l
}

// lookIn makes a lookup of one value, mostly an interval.
func lookIn(field string, op driver.Op, v driver.Value) driver.Lookup {
	return driver.Lookup{Field: field, Op: op, Values: []driver.Value{v}}
}

// next returns the version that a Put of the key must have, also after a deletion or an erasure.
func next(r driver.Reader, k driver.Key) (uint64, error) {
	rec, err := r.Head(k)
	if err == nil {
		return rec.Version + 1, nil
	}
	if !errors.Is(err, driver.ErrNotFound) {
		return 0, err
	}
	if !k.Private() {
		for rec, err := range r.Log(driver.Log{Type: k.Type, ID: k.ID, Reverse: true, Limit: 1, Bare: true}) {
			return rec.Version + 1, err
		}
	}
	return 1, nil
}

// body is the body of a version as the suite writes it.
func body(k driver.Key, version uint64) []byte {
	return fmt.Appendf(nil, `{"resourceType":%q,"id":%q,"version":%d}`, k.Type, k.ID, version)
}

// put stores the next version of a key inside an update.
func (s *store) put(tx driver.Tx, k driver.Key, rows ...driver.Row) (driver.Record, error) {
	v, err := next(tx, k)
	if err != nil {
		return driver.Record{}, err
	}
	rec := driver.Record{Key: k, Version: v, Time: s.clock.next(), Body: body(k, v)}
	return rec, tx.Put(rec, rows)
}

// remove stores the next version of a key as deleted, inside an update.
func (s *store) remove(tx driver.Tx, k driver.Key) (driver.Record, error) {
	v, err := next(tx, k)
	if err != nil {
		return driver.Record{}, err
	}
	rec := driver.Record{Key: k, Version: v, Time: s.clock.next(), Deleted: true}
	return rec, tx.Put(rec, nil)
}

// update runs fn in an update that must succeed.
func (s *store) update(fn func(driver.Tx) error) driver.Position {
	s.Helper()
	pos, err := s.Update(s.Context(), fn)
	if err != nil {
		s.Fatalf("update: %v", err)
	}
	return pos
}

// refused runs fn in an update that must fail with the error.
func (s *store) refused(want error, fn func(driver.Tx) error) {
	s.Helper()
	if pos, err := s.Update(s.Context(), fn); !errors.Is(err, want) || pos != "" {
		s.Fatalf("update gives position %q and error %v; want none and %v", pos, err, want)
	}
}

// view runs fn on a snapshot. As in every fn given to a backend, which may run it on a goroutine of its own, Fatal is not for it.
func (s *store) view(fn func(driver.Reader)) {
	s.Helper()
	if err := s.View(s.Context(), func(r driver.Reader) error { fn(r); return nil }); err != nil {
		s.Fatalf("view: %v", err)
	}
}

// save stores the next version of a key in an update of its own, and returns it as it was put.
func (s *store) save(typ, id string, rows ...driver.Row) driver.Record {
	s.Helper()
	var rec driver.Record
	s.update(func(tx driver.Tx) (err error) { rec, err = s.put(tx, key(typ, id), rows...); return err })
	return rec
}

// delete deletes a key in an update of its own.
func (s *store) delete(typ, id string) driver.Record {
	s.Helper()
	var rec driver.Record
	s.update(func(tx driver.Tx) (err error) { rec, err = s.remove(tx, key(typ, id)); return err })
	return rec
}

// erase erases a key in an update of its own.
func (s *store) erase(typ, id string) {
	s.Helper()
	s.update(func(tx driver.Tx) error { return tx.Erase(key(typ, id), s.clock.next()) })
}

// now names the newest snapshot.
func (s *store) now() driver.Snapshot {
	s.Helper()
	var at driver.Snapshot
	s.view(func(r driver.Reader) { at = r.Now() })
	return at
}

// find collects what a search yields.
func find(r driver.Reader, f driver.Find) ([]driver.Hit, error) {
	var hits []driver.Hit
	for hit, err := range r.Find(f) {
		if err != nil {
			return hits, err
		}
		hits = append(hits, hit)
	}
	return hits, nil
}

// logged collects what a reading of the log yields.
func logged(r driver.Reader, l driver.Log) ([]driver.Record, error) {
	var recs []driver.Record
	for rec, err := range r.Log(l) {
		if err != nil {
			return recs, err
		}
		recs = append(recs, rec)
	}
	return recs, nil
}

// hits runs a search on a snapshot of its own; it must not fail.
func (s *store) hits(f driver.Find) []driver.Hit {
	s.Helper()
	var hits []driver.Hit
	var err error
	s.view(func(r driver.Reader) { hits, err = find(r, f) })
	if err != nil {
		s.Fatalf("find %+v: %v", f, err)
	}
	return hits
}

func idsOf(hits []driver.Hit) []string {
	ids := make([]string, 0, len(hits))
	for _, h := range hits {
		ids = append(ids, h.ID)
	}
	return ids
}

// finds requires that a search yields just these ids (one word each, in any order), and that Count agrees.
func (s *store) finds(typ string, where driver.Query, ids string) {
	s.Helper()
	s.view(func(r driver.Reader) { s.findsIn(r, typ, where, ids) })
}

func (s *store) findsIn(r driver.Reader, typ string, where driver.Query, ids string) {
	s.Helper()
	f := driver.Find{Type: typ, Where: where}
	hits, err := find(r, f)
	got, want := idsOf(hits), strings.Fields(ids)
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		s.Errorf("find %s where %#v: %q, %v; want %q", typ, where, got, err, want)
	}
	if n, err := r.Count(f); err != nil || n != len(want) {
		s.Errorf("count %s where %#v: %d, %v; want %d", typ, where, n, err, len(want))
	}
}

// walks requires that a search yields just these ids, in this order.
func (s *store) walks(f driver.Find, ids string) {
	s.Helper()
	if got, want := idsOf(s.hits(f)), strings.Fields(ids); !slices.Equal(got, want) {
		s.Errorf("find %+v: %q; want %q", f, got, want)
	}
}

// history reads the log on a snapshot of its own; it must not fail.
func (s *store) history(l driver.Log) []driver.Record {
	s.Helper()
	var recs []driver.Record
	var err error
	s.view(func(r driver.Reader) { recs, err = logged(r, l) })
	if err != nil {
		s.Fatalf("log %+v: %v", l, err)
	}
	return recs
}

// logs requires that a reading of the log yields just these, written as "Type/id:version", with "-" after a deletion and "!"
// after an erasure.
func (s *store) logs(l driver.Log, want string) {
	s.Helper()
	if got := words(s.history(l)); got != want {
		s.Errorf("log %+v:\n%s; want\n%s", l, got, want)
	}
}

func words(recs []driver.Record) string {
	var b strings.Builder
	for i, rec := range recs {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s:%d", rec.Key, rec.Version)
		switch {
		case rec.Erased:
			b.WriteByte('!')
		case rec.Deleted:
			b.WriteByte('-')
		}
	}
	return b.String()
}

// differs reports how a record that was read differs from the one that was put; "" if it does not. The place in the log is the
// backend's: a public record has one, a private one has none.
func differs(got, put driver.Record) string {
	switch {
	case got.Key != put.Key || got.Version != put.Version:
		return fmt.Sprintf("%s version %d instead of %s version %d", got.Key, got.Version, put.Key, put.Version)
	case !got.Time.Equal(put.Time) || got.Time.Location() != time.UTC:
		return fmt.Sprintf("%s: time %v instead of %v", got.Key, got.Time, put.Time)
	case got.Deleted != put.Deleted || got.Erased != put.Erased:
		return fmt.Sprintf("%s: deleted %t, erased %t instead of %t, %t", got.Key, got.Deleted, got.Erased, put.Deleted, put.Erased)
	case !got.Expires.Equal(put.Expires):
		return fmt.Sprintf("%s: expires %v instead of %v", got.Key, got.Expires, put.Expires)
	case string(got.Body) != string(put.Body):
		return fmt.Sprintf("%s: body %q instead of %q", got.Key, got.Body, put.Body)
	case (got.Position == "") != got.Private():
		return fmt.Sprintf("%s: position %q; a public record has one, a private one none", got.Key, got.Position)
	}
	return ""
}

// reads requires what Get and Head give: the record as it was put.
func (s *store) reads(put driver.Record) {
	s.Helper()
	s.view(func(r driver.Reader) {
		if got, err := r.Get(put.Key); err != nil {
			s.Errorf("get %s: %v", put.Key, err)
		} else if d := differs(got, put); d != "" {
			s.Errorf("get: %s", d)
		}
		put.Body = nil
		if got, err := r.Head(put.Key); err != nil {
			s.Errorf("head %s: %v", put.Key, err)
		} else if d := differs(got, put); d != "" {
			s.Errorf("head: %s", d)
		}
	})
}

// absent requires that Get and Head find nothing.
func (s *store) absent(k driver.Key) {
	s.Helper()
	s.view(func(r driver.Reader) {
		if rec, err := r.Get(k); !errors.Is(err, driver.ErrNotFound) {
			s.Errorf("get %s: %+v, %v; want %v", k, rec, err, driver.ErrNotFound)
		}
		if rec, err := r.Head(k); !errors.Is(err, driver.ErrNotFound) {
			s.Errorf("head %s: %+v, %v; want %v", k, rec, err, driver.ErrNotFound)
		}
	})
}

// version requires what Version gives.
func (s *store) version(put driver.Record) {
	s.Helper()
	s.view(func(r driver.Reader) {
		if got, err := r.Version(put.Key, put.Version); err != nil {
			s.Errorf("version %d of %s: %v", put.Version, put.Key, err)
		} else if d := differs(got, put); d != "" {
			s.Errorf("version: %s", d)
		}
	})
}

// noVersion requires that there is no such version.
func (s *store) noVersion(k driver.Key, version uint64) {
	s.Helper()
	s.view(func(r driver.Reader) {
		if rec, err := r.Version(k, version); !errors.Is(err, driver.ErrNotFound) {
			s.Errorf("version %d of %s: %+v, %v; want %v", version, k, rec, err, driver.ErrNotFound)
		}
	})
}

// loggedOf reads the log inside a view.
func (s *store) loggedOf(r driver.Reader, l driver.Log) []driver.Record {
	s.Helper()
	recs, err := logged(r, l)
	if err != nil {
		s.Errorf("log %+v: %v", l, err)
	}
	return recs
}

// noise makes n bytes that do not compress, always the same.
func noise(n int) []byte {
	r := rand.New(rand.NewPCG(uint64(n), 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}
