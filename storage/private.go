package storage

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/hob-fhir/hob/storage/driver"
)

// Private is a kind of record that Hob keeps for itself: clients, tokens, jobs, positions, keys. T is stored as JSON under a type
// that begins with "_". Such records are absent from REST, search, history and the log, are kept as one version, and may expire.
//
//	var jobs = storage.Private[Job]{Type: "_job"}
type Private[T any] struct {
	Type    string               // begins with "_"
	Rows    func(T) []driver.Row // what Find can ask for; nil: nothing
	Expires func(T) time.Time    // after this moment the record is absent; nil or zero: never
}

// Load returns a record and its version, which Save wants back. driver.ErrNotFound if there is none.
func (p Private[T]) Load(tx *Tx, id string) (T, uint64, error) {
	var v T
	if err := p.check(); err != nil {
		return v, 0, err
	}
	rec, err := tx.r.Get(driver.Key{Type: p.Type, ID: id})
	if err != nil {
		return v, 0, err
	}
	if err := json.Unmarshal(rec.Body, &v); err != nil {
		return v, 0, fmt.Errorf("%s/%s: stored as something else than %T: %w", p.Type, id, v, err)
	}
	return v, rec.Version, nil
}

// Save writes a record over the version that was loaded, 0 for a new one, and returns the new version. driver.ErrConflict if
// another was saved meanwhile.
func (p Private[T]) Save(tx *Tx, id string, version uint64, v T) (uint64, error) {
	if err := p.check(); err != nil {
		return 0, err
	}
	body, err := json.Marshal(v)
	if err != nil {
		return 0, fmt.Errorf("%s/%s: %w", p.Type, id, err)
	}
	k := driver.Key{Type: p.Type, ID: id}
	head, err := tx.r.Head(k)
	if err != nil && !errors.Is(err, driver.ErrNotFound) {
		return 0, err
	}
	if err == nil && head.Version != version || err != nil && version != 0 {
		return 0, conflict(k, version, head.Version)
	}
	rec := driver.Record{Key: k, Version: version + 1, Time: tx.now, Body: body}
	if rec.Time.Before(head.Time) {
		rec.Time = head.Time
	}
	if p.Expires != nil {
		rec.Expires = p.Expires(v)
	}
	var rows []driver.Row
	if p.Rows != nil {
		rows = p.Rows(v)
	}
	return rec.Version, tx.w.Put(rec, rows)
}

// Remove forgets a record; there is nothing to go back to. driver.ErrNotFound if there is none.
func (p Private[T]) Remove(tx *Tx, id string) error {
	if err := p.check(); err != nil {
		return err
	}
	return tx.w.Erase(driver.Key{Type: p.Type, ID: id}, tx.now)
}

// Find yields the records of the kind for which the query holds, by id. A nil query: all.
func (p Private[T]) Find(tx *Tx, where driver.Query) iter.Seq2[Saved[T], error] {
	return func(yield func(Saved[T], error) bool) {
		if err := p.check(); err != nil {
			yield(Saved[T]{}, err)
			return
		}
		for hit, err := range tx.r.Find(driver.Find{Type: p.Type, Where: where, Sort: []driver.Order{{}}}) {
			s := Saved[T]{ID: hit.ID, Version: hit.Version}
			if err == nil {
				err = json.Unmarshal(hit.Body, &s.Value)
			}
			if !yield(s, err) || err != nil {
				return
			}
		}
	}
}

// Saved is a private record as it was found.
type Saved[T any] struct {
	ID      string
	Version uint64
	Value   T
}

func (p Private[T]) check() error {
	if !(driver.Key{Type: p.Type}).Private() {
		return fmt.Errorf("storage: the type of a private record begins with _, not %q", p.Type)
	}
	return nil
}
