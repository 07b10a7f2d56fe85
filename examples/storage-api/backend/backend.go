// Package backend is a database for Hob that was written outside of it: everything in maps, in memory, one change at a time. It is as short as
// the contract lets it be, and shows what a backend has to do; what a query means it asks driver.Match.
package backend

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/hob-fhir/hob/storage/driver"
)

// Toy is the backend. The zero value is an empty store.
type Toy struct {
	Broken bool // filters leave out nothing: to see the suite find a fault

	writing sync.Mutex
	mu      sync.Mutex // guards what follows
	closed  bool
	states  []*state // one for each commit; none ever changes
}

// state is the whole store at one moment.
type state struct {
	toy     *Toy
	records map[driver.Key]*record
	log     []driver.Record
	made    int // keys
	logged  int
}

// record is what is known of one key.
type record struct {
	order    int // in which keys were made: the order of hits that no sort tells apart
	versions []driver.Record
	rows     []driver.Row
}

func (r *record) current() driver.Record { return r.versions[len(r.versions)-1] }

func (t *Toy) newest() (*state, driver.Snapshot, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, "", fmt.Errorf("the toy is closed: %w", driver.ErrUnavailable)
	}
	if len(t.states) == 0 {
		t.states = []*state{{toy: t, records: map[driver.Key]*record{}}}
	}
	n := len(t.states) - 1
	return t.states[n], driver.Snapshot(strconv.Itoa(n)), nil
}

// View implements driver.Backend.
func (t *Toy) View(ctx context.Context, fn func(driver.Reader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s, now, err := t.newest()
	if err != nil {
		return err
	}
	return fn(&reader{ctx, s, now})
}

// Update implements driver.Backend.
func (t *Toy) Update(ctx context.Context, fn func(driver.Tx) error) (driver.Position, error) {
	t.writing.Lock()
	defer t.writing.Unlock()
	s, now, err := t.newest()
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return "", err
	}
	next := &state{t, maps.Clone(s.records), slices.Clone(s.log), s.made, s.logged}
	if err := fn(&tx{reader{ctx, next, now}}); err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	t.mu.Lock()
	t.states = append(t.states, next)
	t.mu.Unlock()
	if next.logged == s.logged {
		return "", nil
	}
	return place(next.logged), nil
}

func place(n int) driver.Position { return driver.Position(fmt.Sprintf("%012d", n)) }

// Check implements driver.Backend: there is nothing that could be broken.
func (t *Toy) Check(ctx context.Context) iter.Seq2[driver.Problem, error] {
	return func(yield func(driver.Problem, error) bool) {
		if _, _, err := t.newest(); err != nil || ctx.Err() != nil {
			yield(driver.Problem{}, cmp.Or(err, ctx.Err()))
		}
	}
}

// Close implements driver.Backend.
func (t *Toy) Close() error {
	t.writing.Lock()
	defer t.writing.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	return nil
}

type reader struct {
	ctx context.Context
	*state
	now driver.Snapshot
}

func (r *reader) Now() driver.Snapshot { return r.now }

func (r *reader) at(s driver.Snapshot) (*state, error) {
	if err := r.ctx.Err(); err != nil || s == "" {
		return r.state, err
	}
	r.toy.mu.Lock()
	defer r.toy.mu.Unlock()
	n, err := strconv.Atoi(string(s))
	if err != nil || n < 0 || n >= len(r.toy.states) {
		return nil, fmt.Errorf("there is no snapshot %q: %w", s, driver.ErrExpired)
	}
	return r.toy.states[n], nil
}

// get returns a key's record, nil if it never was or has expired.
func (s *state) get(k driver.Key) *record {
	r := s.records[k]
	if r == nil || expired(r.current()) {
		return nil
	}
	return r
}

func expired(r driver.Record) bool { return !r.Expires.IsZero() && !time.Now().Before(r.Expires) }

func copied(r driver.Record, bare bool) driver.Record {
	if r.Body = bytes.Clone(r.Body); bare {
		r.Body = nil
	}
	return r
}

func (r *reader) Get(k driver.Key) (driver.Record, error) {
	rec := r.get(k)
	if rec == nil || rec.current().Erased {
		return driver.Record{}, fmt.Errorf("%s: %w", k, driver.ErrNotFound)
	}
	return copied(rec.current(), false), nil
}

func (r *reader) Head(k driver.Key) (driver.Record, error) {
	rec, err := r.Get(k)
	return copied(rec, true), err
}

func (r *reader) Version(k driver.Key, n uint64) (driver.Record, error) {
	if rec := r.get(k); rec != nil {
		for _, v := range rec.versions {
			if v.Version == n && !v.Erased {
				return copied(v, false), nil
			}
		}
	}
	return driver.Record{}, fmt.Errorf("version %d of %s: %w", n, k, driver.ErrNotFound)
}

// alive yields what there is to be found of a type.
func (s *state) alive(typ string) (out []*record) {
	for k, r := range s.records {
		if k.Type == typ && !r.current().Deleted && !expired(r.current()) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *record) int { return a.order - b.order })
	return out
}

// Matches and Referring make a state the driver.Graph of its own queries.
func (s *state) Matches(typ, id string, q driver.Query) bool {
	r := s.get(driver.Key{Type: typ, ID: id})
	return r != nil && !r.current().Deleted && driver.Match(r.current().Key, r.rows, q, s)
}

func (s *state) Referring(typ, field string, ref []byte, q driver.Query) bool {
	at := driver.Lookup{Field: field, Op: driver.EQUAL, Values: []driver.Value{driver.Point(ref)}}
	return slices.ContainsFunc(s.alive(typ), func(r *record) bool {
		return driver.Match(r.current().Key, r.rows, at, s) && driver.Match(r.current().Key, r.rows, q, s)
	})
}

func (r *reader) found(f driver.Find) ([]*record, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	s, err := r.at(f.At)
	if err != nil {
		return nil, err
	}
	all, read := s.alive(f.Type), 0
	for _, rec := range all {
		read += max(1, len(rec.rows))
	}
	if f.Budget > 0 && read > f.Budget {
		return nil, fmt.Errorf("%d rows are more than %d: %w", read, f.Budget, driver.ErrTooCostly)
	}
	if !r.toy.Broken {
		all = slices.DeleteFunc(all, func(rec *record) bool { return !driver.Match(rec.current().Key, rec.rows, f.Where, s) })
	}
	slices.SortFunc(all, func(a, b *record) int { return placed(a, f.Sort).compare(placed(b, f.Sort), f.Sort) })
	if f.Reverse {
		slices.Reverse(all)
	}
	return all, nil
}

// spot is where a hit stands in the order of a search. Its JSON is the cursor.
type spot struct {
	Keys    [][]byte
	Present []bool
	Order   int
}

func placed(r *record, sort []driver.Order) spot {
	p := spot{Order: r.order}
	for _, o := range sort {
		low, ok := driver.SortKey(r.current().Key, r.rows, o)
		p.Keys, p.Present = append(p.Keys, low), append(p.Present, ok)
	}
	return p
}

func (p spot) compare(q spot, sort []driver.Order) int {
	for i, o := range sort {
		if c := driver.CompareSortKeys(o, p.Keys[i], p.Present[i], q.Keys[i], q.Present[i]); c != 0 {
			return c
		}
	}
	return p.Order - q.Order
}

// Find implements driver.Reader.
func (r *reader) Find(f driver.Find) iter.Seq2[driver.Hit, error] {
	return func(yield func(driver.Hit, error) bool) {
		all, err := r.found(f)
		var after spot
		if err == nil && f.After != "" && (json.Unmarshal([]byte(f.After), &after) != nil || len(after.Keys) != len(f.Sort)) {
			err = fmt.Errorf("cursor %q is none of this search: %w", f.After, driver.ErrInvalid)
		}
		if err != nil {
			yield(driver.Hit{}, err)
			return
		}
		given := 0
		for _, rec := range all {
			here := placed(rec, f.Sort)
			if f.After != "" {
				if c := here.compare(after, f.Sort); c == 0 || c > 0 == f.Reverse {
					continue
				}
			}
			cursor, err := json.Marshal(here)
			hit := driver.Hit{Record: copied(rec.current(), f.Bare), Cursor: driver.Cursor(cursor)}
			if given++; !yield(hit, err) || given == f.Limit {
				return
			}
		}
	}
}

func (r *reader) Count(f driver.Find) (int, error) {
	all, err := r.found(f)
	return len(all), err
}

func (r *reader) Log(l driver.Log) iter.Seq2[driver.Record, error] {
	return func(yield func(driver.Record, error) bool) {
		s, err := r.at(l.At)
		if err == nil {
			err = l.Validate()
		}
		if err != nil {
			yield(driver.Record{}, err)
			return
		}
		log := slices.Clone(s.log)
		if l.Reverse {
			slices.Reverse(log)
		}
		n := 0
		for _, rec := range log {
			p := rec.Position
			if l.Type != "" && rec.Type != l.Type || l.ID != "" && rec.ID != l.ID || rec.Time.Before(l.Since) ||
				l.After != "" && (!l.Reverse && p <= l.After || l.Reverse && p >= l.After) {
				continue
			}
			if n++; !yield(copied(rec, l.Bare), nil) || n == l.Limit {
				return
			}
		}
	}
}

// tx is a reader whose state is not shared yet.
type tx struct{ reader }

func (t *tx) Put(rec driver.Record, rows []driver.Row) error {
	if err := driver.ValidatePut(rec, rows); err != nil {
		return err
	}
	old, want := t.get(rec.Key), uint64(1)
	next := &record{rows: clone(rows)}
	if old != nil {
		want = old.current().Version + 1
		if next.order, next.versions = old.order, slices.Clone(old.versions); rec.Private() || old.current().Erased {
			next.versions = nil
		}
	} else {
		t.made++
		next.order = t.made
	}
	switch {
	case rec.Version != want:
		return fmt.Errorf("%s: version %d follows, not %d: %w", rec.Key, want, rec.Version, driver.ErrConflict)
	case old != nil && rec.Time.Before(old.current().Time):
		return fmt.Errorf("%s: its time lies before that of the version before: %w", rec.Key, driver.ErrInvalid)
	}
	if err := t.taken(rec.Key, rows); err != nil {
		return err
	}
	rec.Body, rec.Time, rec.Expires, rec.Position = bytes.Clone(rec.Body), millis(rec.Time), millis(rec.Expires), ""
	if !rec.Private() {
		t.logged++
		rec.Position = place(t.logged)
		t.log = append(t.log, rec)
	}
	next.versions = append(next.versions, rec)
	t.records[rec.Key] = next
	return nil
}

func (t *tx) taken(k driver.Key, rows []driver.Row) error {
	for _, other := range t.alive(k.Type) {
		for _, held := range other.rows {
			if other.current().Key != k && held.Unique && slices.ContainsFunc(rows, func(r driver.Row) bool {
				return r.Unique && r.Field == held.Field && r.Value.Equal(held.Value)
			}) {
				return fmt.Errorf("%s: %s %q: %w", k, held.Field, held.Value.Low, driver.ErrTaken)
			}
		}
	}
	return nil
}

func (t *tx) Index(k driver.Key, version uint64, rows []driver.Row) error {
	if err := driver.ValidateRows(k, rows); err != nil {
		return err
	}
	old := t.get(k)
	if old == nil || old.current().Deleted {
		return fmt.Errorf("%s: %w", k, driver.ErrNotFound)
	}
	if old.current().Version != version {
		return fmt.Errorf("%s: version %d is current: %w", k, old.current().Version, driver.ErrConflict)
	}
	if err := t.taken(k, rows); err != nil {
		return err
	}
	t.records[k] = &record{old.order, old.versions, clone(rows)}
	return nil
}

func (t *tx) Erase(k driver.Key, at time.Time) error {
	old := t.get(k)
	switch {
	case old == nil || old.current().Erased:
		return fmt.Errorf("%s: %w", k, driver.ErrNotFound)
	case k.Private():
		delete(t.records, k)
		return nil
	case at.Before(old.current().Time):
		return fmt.Errorf("%s: its time lies before that of the version before: %w", k, driver.ErrInvalid)
	}
	t.logged++
	last := driver.Record{Key: k, Version: old.current().Version + 1, Time: millis(at), Position: place(t.logged), Deleted: true, Erased: true}
	t.log = append(slices.DeleteFunc(t.log, func(r driver.Record) bool { return r.Key == k }), last)
	t.records[k] = &record{order: old.order, versions: []driver.Record{last}}
	return nil
}

func millis(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

func clone(rows []driver.Row) []driver.Row {
	rows = slices.Clone(rows)
	for i := range rows {
		v := &rows[i].Value
		v.Low, v.High = bytes.Clone(v.Low), bytes.Clone(v.High)
	}
	return rows
}
