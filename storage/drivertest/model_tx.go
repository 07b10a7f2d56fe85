package drivertest

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/hob-fhir/hob/storage/driver"
)

// tx writes to the working copy that its reader reads.
type tx struct{ reader }

func (t *tx) Put(rec driver.Record, rows []driver.Row) error {
	if err := driver.ValidatePut(rec, rows); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	old := t.s.get(rec.Key)
	next := uint64(1)
	if old != nil {
		next = old.current.Version + 1
	}
	switch {
	case rec.Version != next:
		return fmt.Errorf("model: %s is put as version %d, %d is next: %w", rec.Key, rec.Version, next, driver.ErrConflict)
	case old != nil && rec.Time.Before(old.current.Time):
		return fmt.Errorf("model: %s is put with a time before that of version %d: %w", rec.Key, next-1, driver.ErrInvalid)
	}
	if err := t.free(rec.Key, rows); err != nil {
		return err
	}
	e := &entry{rows: cloneRows(rows)}
	if old != nil {
		e.order, e.versions = old.order, old.versions
	} else {
		t.s.made++
		e.order = t.s.made
	}
	rec = clone(rec)
	rec.Time, rec.Expires = millis(rec.Time), millis(rec.Expires)
	if rec.Private() {
		rec.Position, e.versions = "", nil
	} else {
		rec = t.append(rec)
	}
	e.current = rec
	e.versions = append(slices.Clone(e.versions), rec)
	t.s.entries.Set(index(rec.Key), e)
	return nil
}

// append gives a record its place in the log.
func (t *tx) append(rec driver.Record) driver.Record {
	t.s.logged++
	rec.Position = position(t.s.logged)
	t.s.log.Set(rec.Position, rec)
	return rec
}

// free reports ErrTaken if another key of the type holds a unique value of rows.
func (t *tx) free(k driver.Key, rows []driver.Row) error {
	for _, e := range t.s.of(k.Type) {
		if e.current.Key == k {
			continue
		}
		for _, held := range e.rows {
			for _, r := range rows {
				if r.Unique && held.Unique && r.Field == held.Field && r.Value.Equal(held.Value) {
					return fmt.Errorf("model: %s %q of %s is held by %s: %w", r.Field, r.Value.Low, k, e.current.Key, driver.ErrTaken)
				}
			}
		}
	}
	return nil
}

func (t *tx) Index(k driver.Key, version uint64, rows []driver.Row) error {
	if err := driver.ValidateRows(k, rows); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	old := t.s.get(k)
	switch {
	case old == nil || old.current.Deleted:
		return fmt.Errorf("model: %s to be indexed: %w", k, driver.ErrNotFound)
	case old.current.Version != version:
		return fmt.Errorf("model: version %d of %s to be indexed, %d is current: %w", version, k, old.current.Version, driver.ErrConflict)
	}
	if err := t.free(k, rows); err != nil {
		return err
	}
	e := *old
	e.rows = cloneRows(rows)
	t.s.entries.Set(index(k), &e)
	return nil
}

func (t *tx) Erase(k driver.Key, at time.Time) error {
	old := t.s.get(k)
	switch {
	case old == nil || old.current.Erased:
		return fmt.Errorf("model: %s to be erased: %w", k, driver.ErrNotFound)
	case k.Private():
		t.s.entries.Delete(index(k))
		return nil
	case at.Before(old.current.Time):
		return fmt.Errorf("model: %s is erased at a time before that of version %d: %w", k, old.current.Version, driver.ErrInvalid)
	}
	var gone []driver.Position
	t.s.log.Scan(func(p driver.Position, rec driver.Record) bool {
		if rec.Key == k {
			gone = append(gone, p)
		}
		return true
	})
	for _, p := range gone {
		t.s.log.Delete(p)
	}
	last := t.append(driver.Record{Key: k, Version: old.current.Version + 1, Time: millis(at), Deleted: true, Erased: true})
	t.s.entries.Set(index(k), &entry{order: old.order, current: last})
	return nil
}

func millis(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

func cloneRows(rows []driver.Row) []driver.Row {
	rows = slices.Clone(rows)
	for i := range rows {
		v := &rows[i].Value
		v.Low, v.High = bytes.Clone(v.Low), bytes.Clone(v.High)
	}
	return rows
}

// Check compares the parts of the newest state with one another.
func (m *model) Check(ctx context.Context) iter.Seq2[driver.Problem, error] {
	return func(yield func(driver.Problem, error) bool) {
		s, err := m.newest()
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			yield(driver.Problem{}, err)
			return
		}
		for _, p := range s.problems() {
			if !yield(p, nil) {
				return
			}
		}
	}
}

func (s *state) problems() []driver.Problem {
	var found []driver.Problem
	problem := func(k driver.Key, format string, args ...any) {
		found = append(found, driver.Problem{Where: k.String(), What: fmt.Sprintf(format, args...)})
	}
	logged := 0
	s.entries.Scan(func(_ string, e *entry) bool {
		k := e.current.Key
		if e.current.Deleted && len(e.rows) > 0 {
			problem(k, "is deleted and has %d rows; a deleted record has none", len(e.rows))
		}
		if err := driver.ValidateRows(k, e.rows); err != nil {
			problem(k, "%v", err)
		}
		for i, rec := range e.versions {
			if want := e.current.Version - uint64(len(e.versions)-1-i); rec.Version != want {
				problem(k, "has version %d where %d would be right", rec.Version, want)
			}
			if i > 0 && rec.Time.Before(e.versions[i-1].Time) {
				problem(k, "has version %d with a time before that of the version it follows", rec.Version)
			}
		}
		if k.Private() {
			return true
		}
		in := e.versions
		if e.current.Erased {
			in = []driver.Record{e.current}
		}
		for _, rec := range in {
			logged++
			if l, ok := s.log.Get(rec.Position); !ok || l.Key != k || l.Version != rec.Version {
				problem(k, "has version %d at position %s, where the log has %s version %d", rec.Version, rec.Position, l.Key, l.Version)
			}
		}
		return true
	})
	s.log.Scan(func(p driver.Position, rec driver.Record) bool {
		if rec.Private() {
			problem(rec.Key, "is private and in the log at %s", p)
		}
		if rec.Erased {
			if e, ok := s.entries.Get(index(rec.Key)); ok && !e.current.Erased {
				logged++ // the mark of an erasure stays when the key is put again
			}
		}
		return true
	})
	if logged != s.log.Len() {
		found = append(found, driver.Problem{Where: "log", What: fmt.Sprintf("has %d records; the keys account for %d", s.log.Len(), logged)})
	}
	return found
}
