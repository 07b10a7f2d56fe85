package drivertest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/tidwall/btree"

	"github.com/hob-fhir/hob/storage/driver"
)

// NewModel returns the contract as a plain program in memory: every search reads every record of its type and asks driver.Match,
// every update works on a copy of the whole store. It is what the suite compares other backends with, and it passes the suite
// itself. It keeps the last keptStates snapshots.
func NewModel() driver.Backend {
	return &model{writer: make(chan struct{}, 1), states: []*state{{}}}
}

const keptStates = 4096

// model is a list of states, one per commit. A state never changes once it is in the list.
type model struct {
	writer chan struct{} // full while an update runs

	mu     sync.Mutex // guards what follows, for moments only
	states []*state   // the newest last
	closed bool
}

// state is the whole store after one commit. Its trees share what has not changed with those of the states before.
type state struct {
	number  uint64                                    // commits so far
	made    uint64                                    // keys made so far
	logged  uint64                                    // log entries made so far
	entries btree.Map[string, *entry]                 // by type 00 id
	log     btree.Map[driver.Position, driver.Record] // public records in commit order
}

// entry is all that is known of one key. It never changes; a write puts a new one in its place.
type entry struct {
	order    uint64          // the order of records that no sort tells apart
	current  driver.Record   // the newest version; Erased if the key was
	rows     []driver.Row    // of the current version
	versions []driver.Record // all versions since the last erasure, oldest first; of a private key just the current one
}

func (m *model) newest() (*state, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, fmt.Errorf("model: store is closed: %w", driver.ErrUnavailable)
	}
	return m.states[len(m.states)-1], nil
}

func (m *model) state(at driver.Snapshot) (*state, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := strconv.ParseUint(string(at), 10, 64)
	first := m.states[0].number
	if err != nil || n < first || n-first >= uint64(len(m.states)) {
		return nil, fmt.Errorf("model: snapshot %q is none of %d to %d: %w", at, first, m.states[len(m.states)-1].number, driver.ErrExpired)
	}
	return m.states[n-first], nil
}

func (m *model) publish(s *state) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.states = append(m.states, s)
	if len(m.states) > keptStates {
		m.states = slices.Delete(m.states, 0, len(m.states)-keptStates)
	}
}

func (m *model) View(ctx context.Context, fn func(driver.Reader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s, err := m.newest()
	if err != nil {
		return err
	}
	return fn(&reader{ctx: ctx, m: m, s: s, now: driver.Snapshot(strconv.FormatUint(s.number, 10))})
}

func (m *model) Update(ctx context.Context, fn func(driver.Tx) error) (driver.Position, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	select {
	case m.writer <- struct{}{}:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	defer func() { <-m.writer }()
	s, err := m.newest()
	if err != nil {
		return "", err
	}
	work := &state{number: s.number + 1, made: s.made, logged: s.logged, entries: *s.entries.Copy(), log: *s.log.Copy()}
	t := &tx{reader: reader{ctx: ctx, m: m, s: work, now: driver.Snapshot(strconv.FormatUint(s.number, 10))}}
	if err := fn(t); err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	m.publish(work)
	if work.logged == s.logged {
		return "", nil
	}
	return position(work.logged), nil
}

// position writes the n-th place of the log so that strings sort as numbers do.
func position(n uint64) driver.Position { return driver.Position(fmt.Sprintf("%016x", n)) }

func (m *model) Close() error {
	m.writer <- struct{}{} // wait for a running update
	defer func() { <-m.writer }()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

// reader reads one state. A tx embeds it over its working copy.
type reader struct {
	ctx context.Context
	m   *model
	s   *state
	now driver.Snapshot
}

func (r *reader) Now() driver.Snapshot { return r.now }

// at is the state that a search or a reading of the log asks for.
func (r *reader) at(s driver.Snapshot) (*state, error) {
	if err := r.ctx.Err(); err != nil {
		return nil, err
	}
	if s == "" {
		return r.s, nil
	}
	return r.m.state(s)
}

func (r *reader) Get(k driver.Key) (driver.Record, error) {
	e := r.s.get(k)
	if e == nil || e.current.Erased {
		return driver.Record{}, fmt.Errorf("model: %s: %w", k, driver.ErrNotFound)
	}
	return clone(e.current), nil
}

func (r *reader) Head(k driver.Key) (driver.Record, error) {
	rec, err := r.Get(k)
	rec.Body = nil
	return rec, err
}

func (r *reader) Version(k driver.Key, version uint64) (driver.Record, error) {
	if e := r.s.get(k); e != nil {
		for _, rec := range e.versions {
			if rec.Version == version {
				return clone(rec), nil
			}
		}
	}
	return driver.Record{}, fmt.Errorf("model: version %d of %s: %w", version, k, driver.ErrNotFound)
}

func (r *reader) Find(f driver.Find) iter.Seq2[driver.Hit, error] {
	return func(yield func(driver.Hit, error) bool) {
		s, err := r.find(f)
		if err != nil {
			yield(driver.Hit{}, err)
			return
		}
		places, err := s.search(f)
		if err != nil {
			yield(driver.Hit{}, err)
			return
		}
		var after place
		if f.After != "" {
			if err := json.Unmarshal([]byte(f.After), &after); err != nil || len(after.Keys) != len(f.Sort) {
				yield(driver.Hit{}, fmt.Errorf("model: cursor %q is none of this search: %w", f.After, driver.ErrInvalid))
				return
			}
		}
		if f.Reverse {
			slices.Reverse(places)
		}
		n := 0
		for _, p := range places {
			if f.After != "" {
				if c := p.compare(after, f.Sort); c == 0 || c > 0 == f.Reverse {
					continue
				}
			}
			cursor, err := json.Marshal(p)
			if err != nil {
				yield(driver.Hit{}, err)
				return
			}
			hit := driver.Hit{Record: clone(p.entry.current), Cursor: driver.Cursor(cursor)}
			if f.Bare {
				hit.Body = nil
			}
			if n++; !yield(hit, nil) || n == f.Limit {
				return
			}
		}
	}
}

func (r *reader) Count(f driver.Find) (int, error) {
	s, err := r.find(f)
	if err != nil {
		return 0, err
	}
	places, err := s.search(f)
	return len(places), err
}

func (r *reader) find(f driver.Find) (*state, error) {
	if err := f.Validate(); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	return r.at(f.At)
}

func (r *reader) Log(l driver.Log) iter.Seq2[driver.Record, error] {
	return func(yield func(driver.Record, error) bool) {
		s, err := r.at(l.At)
		if err == nil {
			err = l.Validate()
		}
		if err != nil {
			yield(driver.Record{}, fmt.Errorf("model: %w", err))
			return
		}
		var found []driver.Record // first collected, as the caller of an update may write while it walks
		step := func(p driver.Position, rec driver.Record) bool {
			switch {
			case l.Type != "" && rec.Type != l.Type, l.ID != "" && rec.ID != l.ID, rec.Time.Before(l.Since):
				return true
			case l.After != "" && (p == l.After || p > l.After == l.Reverse):
				return true
			}
			rec = clone(rec)
			if l.Bare {
				rec.Body = nil
			}
			found = append(found, rec)
			return len(found) != l.Limit
		}
		if l.Reverse {
			s.log.Reverse(step)
		} else {
			s.log.Ascend(l.After, step)
		}
		for _, rec := range found {
			if !yield(rec, nil) {
				return
			}
		}
	}
}

// place is where a record stands in the sequence of a search; as JSON it is the cursor.
type place struct {
	entry *entry
	Keys  []sortKey
	Order uint64
}

type sortKey struct {
	Low     []byte
	Present bool
}

func (p place) compare(q place, sort []driver.Order) int {
	for i, o := range sort {
		a, b := p.Keys[i], q.Keys[i]
		if c := driver.CompareSortKeys(o, a.Low, a.Present, b.Low, b.Present); c != 0 {
			return c
		}
	}
	switch {
	case p.Order < q.Order:
		return -1
	case p.Order > q.Order:
		return 1
	}
	return 0
}

// search returns all that the search finds, without After, Limit and Reverse.
func (s *state) search(f driver.Find) ([]place, error) {
	var places []place
	budget := f.Budget
	for _, e := range s.of(f.Type) {
		if budget -= max(1, len(e.rows)); f.Budget > 0 && budget < 0 {
			return nil, fmt.Errorf("model: search of %s reads more than %d rows: %w", f.Type, f.Budget, driver.ErrTooCostly)
		}
		if !driver.Match(e.current.Key, e.rows, f.Where, s) {
			continue
		}
		p := place{entry: e, Order: e.order}
		for _, o := range f.Sort {
			low, ok := driver.SortKey(e.current.Key, e.rows, o)
			p.Keys = append(p.Keys, sortKey{Low: low, Present: ok})
		}
		places = append(places, p)
	}
	slices.SortFunc(places, func(p, q place) int { return p.compare(q, f.Sort) })
	return places, nil
}

func index(k driver.Key) string { return k.Type + "\x00" + k.ID }

// get returns the entry of a key, nil if there is none or it has expired.
func (s *state) get(k driver.Key) *entry {
	e, _ := s.entries.Get(index(k))
	if e == nil || expired(e.current) {
		return nil
	}
	return e
}

func expired(rec driver.Record) bool {
	return !rec.Expires.IsZero() && !time.Now().Before(rec.Expires)
}

// of returns the entries of a type whose current version is there to be found.
func (s *state) of(typ string) []*entry {
	var all []*entry
	s.entries.Ascend(typ+"\x00", func(_ string, e *entry) bool {
		if e.current.Type != typ {
			return false
		}
		if !e.current.Deleted && !expired(e.current) {
			all = append(all, e)
		}
		return true
	})
	return all
}

// Matches makes a state the Graph of its own queries.
func (s *state) Matches(typ, id string, q driver.Query) bool {
	e := s.get(driver.Key{Type: typ, ID: id})
	return e != nil && !e.current.Deleted && driver.Match(e.current.Key, e.rows, q, s)
}

func (s *state) Referring(typ, field string, ref []byte, q driver.Query) bool {
	for _, e := range s.of(typ) {
		for _, r := range e.rows {
			if r.Field == field && !r.Value.Interval && bytes.Equal(r.Value.Low, ref) && driver.Match(e.current.Key, e.rows, q, s) {
				return true
			}
		}
	}
	return false
}

func clone(rec driver.Record) driver.Record {
	rec.Body = bytes.Clone(rec.Body)
	return rec
}
