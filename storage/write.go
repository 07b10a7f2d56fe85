package storage

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// Draft is a resource made ready to be written under an id: parsed, validated, indexed.
type Draft struct {
	driver.Key
	Resource *fhirmap.Resource
	rows     []driver.Row
	edition  uint64 // of the index that made the rows
}

// ErrStale is the driver.ErrConflict of a Draft whose rows are not those that the index makes by now. Prepare it again: nobody else has
// changed the resource.
var ErrStale = fmt.Errorf("the index has changed since the resource was prepared: %w", driver.ErrConflict)

// Prepare asks whether a resource is admitted and indexes it under the id that it will have, whatever id its body has. It is the costly
// part of a write and belongs outside the transaction.
func (s *Store) Prepare(id string, r *fhirmap.Resource) (Draft, error) {
	if err := s.admit(id, r); err != nil {
		return Draft{}, err
	}
	return s.indexed(id, r)
}

// Stored makes a Draft of a stored version, for Tx.Index.
func (s *Store) Stored(rec driver.Record) (Draft, error) {
	r, err := fhirmap.Trusted(rec.Body)
	if err != nil {
		return Draft{}, fmt.Errorf("%s version %d: %w", rec.Key, rec.Version, err)
	}
	return s.indexed(rec.ID, r)
}

func (s *Store) indexed(id string, r *fhirmap.Resource) (Draft, error) {
	edition := s.edition(r.Type()) // before the index is asked: a change in between makes the Draft stale, not wrong
	rows, err := s.index(id, r)
	return Draft{Key: driver.Key{Type: r.Type(), ID: id}, Resource: r, rows: rows, edition: edition}, err
}

// fresh refuses a Draft whose rows are out of date. It is asked inside the writer: once an Update that began after the index had changed
// is committed, no Draft of before can be written any more, and a View sees all those that were.
func (tx *Tx) fresh(d Draft) error {
	if d.edition != tx.store.edition(d.Type) {
		return fmt.Errorf("%s: %w", d.Key, ErrStale)
	}
	return nil
}

// written is a record that must lie within the access when the closure is done.
type written struct {
	Change
	rows []driver.Row
}

// Change is one write of a transaction.
type Change struct {
	Key     driver.Key
	Version uint64 // that it made
	Action  Action // Create, Update, Delete or Erase
}

// Wrote lists what the transaction has written so far, in order, but for what Note wrote.
func (tx *Tx) Wrote() []Change {
	out := make([]Change, len(tx.wrote))
	for i, w := range tx.wrote {
		out[i] = w.Change
	}
	return out
}

// Note writes a new resource that Hob itself has to say about the change, whatever the Access of its caller: it is there if and only if
// the change is. Errors are those of Put.
func (tx *Tx) Note(d Draft) error {
	if err := tx.fresh(d); err != nil {
		return err
	}
	rec := driver.Record{Key: d.Key, Version: 1, Time: tx.after(driver.Record{})}
	rec.Body = d.Resource.Stamp(d.ID, rec.Version, rec.Time)
	return tx.w.Put(rec, append(slices.Clip(d.rows), lastUpdated(rec.Time)))
}

// Put writes the next version of a resource: the Draft, stamped with its id, the version and the time of the change. base is the
// version that the caller prepared it from, 0 if the id was never used.
//
// Errors: driver.ErrConflict if base is not the current version, ErrStale if the Draft is out of date; driver.ErrNotFound if the current version is none that the caller
// may read; ErrForbidden if it may be read but not updated; driver.ErrTaken if a unique value belongs to another. Whether the new
// version lies within the access is confirmed at the end of the transaction.
func (tx *Tx) Put(d Draft, base uint64) (driver.Record, error) {
	head, action, err := tx.replaces(d.Key, base)
	if err != nil {
		return driver.Record{}, err
	}
	if err := tx.fresh(d); err != nil {
		return driver.Record{}, err
	}
	rec := driver.Record{Key: d.Key, Version: base + 1, Time: tx.after(head)}
	rec.Body = d.Resource.Stamp(d.ID, rec.Version, rec.Time)
	rows := append(slices.Clip(d.rows), lastUpdated(rec.Time))
	if err := tx.w.Put(rec, rows); err != nil {
		return driver.Record{}, taken(d, err)
	}
	tx.wrote = append(tx.wrote, written{Change{d.Key, rec.Version, action}, rows})
	tx.touch(d.Key)
	return rec, nil
}

// taken says which values another has, but not who: the caller may not be allowed to know of him.
func taken(d Draft, err error) error {
	if !errors.Is(err, driver.ErrTaken) {
		return err
	}
	var values []string
	for _, r := range d.rows {
		if r.Unique {
			values = append(values, strings.ReplaceAll(string(r.Value.Low), "\x00", " of "))
		}
	}
	return fmt.Errorf("another %s has this already, which only one may have: %s: %w", d.Type, strings.Join(values, ", "), driver.ErrTaken)
}

// Delete writes a deletion on top of version base. Errors are those of Put, and driver.ErrNotFound if there is nothing to delete.
func (tx *Tx) Delete(k driver.Key, base uint64) (driver.Record, error) {
	head, err := tx.acts(Delete, k)
	if err != nil {
		return driver.Record{}, err
	}
	if head.Version != base {
		return driver.Record{}, conflict(k, base, head.Version)
	}
	rec := driver.Record{Key: k, Version: base + 1, Time: tx.after(head), Deleted: true}
	if err := tx.w.Put(rec, nil); err != nil {
		return driver.Record{}, err
	}
	tx.wrote = append(tx.wrote, written{Change: Change{k, rec.Version, Delete}})
	tx.touch(k)
	return rec, nil
}

// Erase removes every version of a resource, deleted or not; only the fact that there was something stays in the log.
func (tx *Tx) Erase(k driver.Key) error {
	if where, err := tx.narrow.of(Erase, k.Type); err != nil {
		return err
	} else if where != nil {
		return fmt.Errorf("%s: an erasure needs access to the whole type: %w", k, ErrForbidden)
	}
	if k.Private() {
		return fmt.Errorf("%s: %w", k, driver.ErrNotFound)
	}
	head, err := tx.r.Head(k)
	if err != nil {
		return err
	}
	tx.touch(k)
	return tx.w.Erase(k, tx.after(head))
}

// Index replaces the rows of the current version by those of its body as it would be indexed now, without making a version: what a
// reindex does. driver.ErrConflict if version is no longer the current one; ErrStale, which is a driver.ErrConflict too, if the Draft is
// out of date.
func (tx *Tx) Index(d Draft, version uint64) error {
	if err := tx.fresh(d); err != nil {
		return err
	}
	head, err := tx.r.Head(d.Key)
	if err != nil {
		return err
	}
	return tx.w.Index(d.Key, version, append(slices.Clip(d.rows), lastUpdated(head.Time)))
}

// replaces judges a Put against what is stored: a create if nothing is, or only a deletion, else an update.
func (tx *Tx) replaces(k driver.Key, base uint64) (driver.Record, Action, error) {
	if k.Private() {
		return driver.Record{}, "", fmt.Errorf("%s: a private type is written by its Private: %w", k, driver.ErrNotFound)
	}
	head, err := tx.r.Head(k)
	action := Update
	switch {
	case errors.Is(err, driver.ErrNotFound):
		head, action, err = driver.Record{}, Create, nil
	case err == nil && head.Deleted:
		action = Create
		_, err = tx.Head(k) // by its id nobody takes over what was not his, nor what still refers to it
	case err == nil:
		head, err = tx.acts(Update, k)
	}
	if err != nil {
		return head, action, err
	}
	if head.Version != base {
		return head, action, conflict(k, base, head.Version)
	}
	if action == Create {
		_, err = tx.narrow.of(Create, k.Type)
	}
	return head, action, err
}

// acts returns the head of a current record on which the caller may act.
func (tx *Tx) acts(action Action, k driver.Key) (driver.Record, error) {
	head, err := tx.Head(k)
	if err != nil {
		return driver.Record{}, err
	}
	if head.Deleted {
		return driver.Record{}, fmt.Errorf("%s: deleted: %w", k, driver.ErrNotFound)
	}
	where, err := tx.narrow.of(action, k.Type)
	if err != nil || where == nil {
		return head, err
	}
	ok, err := tx.within(action, head)
	if err == nil && !ok {
		err = fmt.Errorf("%s: %s: %w", k, action, ErrForbidden)
	}
	return head, err
}

// confirm asks whether all that was written lies within the access. It is asked last, since one record of a transaction may be what
// lets the caller see another. But it may only be another that is new as well: of what was there before, a record lies within the
// access only if it would without the transaction. Else a caller who writes that he treats a patient could see that patient from then on.
func (tx *Tx) confirm() error {
	for _, w := range tx.wrote {
		if w.Action == Delete { // which was asked about what it deleted
			continue
		}
		where, err := tx.narrow.of(w.Action, w.Key.Type)
		if err != nil {
			return err
		}
		if where == nil {
			continue
		}
		head, err := tx.r.Head(w.Key)
		if err != nil {
			return err
		}
		if head.Deleted {
			continue
		}
		ok, err := tx.matches(w.Key.Type, w.Key.ID, where)
		if ok && err == nil {
			g := earlier{graph{tx: tx}}
			ok = driver.Match(w.Key, w.rows, where, &g)
			err = g.err
		}
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("%s: %s would leave it outside what the caller may %s: %w", w.Key, w.Action, w.Action, ErrForbidden)
		}
	}
	return nil
}

// after is the time of the version that follows head: the change's own, but always later than head's, since clients order the
// versions of a resource by lastUpdated.
func (tx *Tx) after(head driver.Record) time.Time {
	t := tx.now
	if head.Version > 0 && !t.After(head.Time) {
		t = head.Time.Add(time.Millisecond)
	}
	tx.store.spent(t)
	return t
}

func lastUpdated(t time.Time) driver.Row {
	return driver.Row{Field: LastUpdated, Value: driver.Point(driver.Instant(t))}
}

func conflict(k driver.Key, want, have uint64) error {
	return fmt.Errorf("%s: version %d was expected, %d is current: %w", k, want, have, driver.ErrConflict)
}
