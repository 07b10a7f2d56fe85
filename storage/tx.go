package storage

import (
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// Tx is one transaction under one Access. It shows nothing beyond it: what the caller may not see is driver.ErrNotFound, absent
// from searches, counts and the log. A Tx must not be used after its closure has returned, nor from several goroutines.
type Tx struct {
	store  *Store
	r      driver.Reader
	w      driver.Tx // nil in a View
	narrow narrower
	now    time.Time
	wrote  []written

	budget *budget // nil: each search has its own alone

	watch   *watch
	touched bool // something of the type that is watched was written
}

// Now names the snapshot that a View reads.
func (tx *Tx) Now() driver.Snapshot { return tx.r.Now() }

// May tells whether the caller may do something with any record of a type at all: nil, or the error that he is told.
func (tx *Tx) May(action Action, typ string) error {
	_, err := tx.narrow.of(action, typ)
	return err
}

// Get returns the current version of a resource. One that was deleted comes with Deleted set, if the version before it was
// visible. driver.ErrNotFound if there is none, or none that the caller may read.
func (tx *Tx) Get(k driver.Key) (driver.Record, error) {
	return tx.visible(k, k.String(), func() (driver.Record, error) { return tx.r.Get(k) })
}

// Head is Get without the body.
func (tx *Tx) Head(k driver.Key) (driver.Record, error) {
	return tx.visible(k, k.String(), func() (driver.Record, error) { return tx.r.Head(k) })
}

// Version returns one version, as Get does. An old version is visible if its own rows are within the access.
func (tx *Tx) Version(k driver.Key, version uint64) (driver.Record, error) {
	return tx.visible(k, fmt.Sprintf("version %d of %s", version, k), func() (driver.Record, error) { return tx.r.Version(k, version) })
}

// visible reads a record, called what in the error that says alike that there is none and that the caller may not know of it.
func (tx *Tx) visible(k driver.Key, what string, get func() (driver.Record, error)) (driver.Record, error) {
	if k.Private() {
		return driver.Record{}, absent(what)
	}
	if _, err := tx.narrow.of(Read, k.Type); err != nil {
		return driver.Record{}, err
	}
	rec, err := get()
	if errors.Is(err, driver.ErrNotFound) {
		err = absent(what)
	}
	if err != nil {
		return driver.Record{}, err
	}
	ok, err := tx.within(Read, rec)
	if err != nil {
		return driver.Record{}, err
	}
	if !ok {
		return driver.Record{}, absent(what)
	}
	return rec, nil
}

func absent(what string) error { return fmt.Errorf("%s: %w", what, driver.ErrNotFound) }

// within reports whether a stored version is one that the caller may act on. The current version is asked of the index; an old
// one is indexed on the way out; a deletion is judged by the version before it.
func (tx *Tx) within(action Action, rec driver.Record) (bool, error) {
	where, err := tx.narrow.of(action, rec.Type)
	if err != nil {
		if errors.Is(err, ErrForbidden) {
			err = nil
		}
		return false, err
	}
	if where == nil {
		return true, nil
	}
	if rec.Erased {
		return false, nil // nothing is left to judge by
	}
	if !rec.Deleted {
		current, err := tx.r.Head(rec.Key)
		if err != nil {
			return false, err
		}
		if current.Version == rec.Version {
			return tx.matches(rec.Type, rec.ID, where)
		}
	}
	body := rec.Body
	if rec.Deleted || body == nil {
		version := rec.Version
		if rec.Deleted {
			version--
		}
		before, err := tx.r.Version(rec.Key, version)
		if errors.Is(err, driver.ErrNotFound) || err == nil && before.Deleted {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		body = before.Body
	}
	res, err := fhirmap.Trusted(body)
	if err != nil {
		return false, fmt.Errorf("%s version %d: %w", rec.Key, rec.Version, err)
	}
	rows, err := tx.store.index(rec.ID, res)
	if err != nil {
		return false, fmt.Errorf("%s version %d: %w", rec.Key, rec.Version, err)
	}
	g := graph{tx: tx}
	ok := driver.Match(rec.Key, rows, where, &g)
	return ok, g.err
}

// matches asks the index whether a current record satisfies a query of the caller's Access; the query is not narrowed again.
func (tx *Tx) matches(typ, id string, where driver.Query) (bool, error) {
	n, err := tx.r.Count(driver.Find{Type: typ, Where: driver.And{driver.IDs{id}, where}})
	return n > 0, err
}

// graph answers the joins of an Access query about an old version.
type graph struct {
	tx  *Tx
	err error
}

func (g *graph) Matches(typ, id string, q driver.Query) bool {
	if q == nil {
		q = driver.All{}
	}
	ok, err := g.tx.matches(typ, id, q)
	g.err = errors.Join(g.err, err)
	return ok
}

func (g *graph) Referring(typ, field string, ref []byte, q driver.Query) bool {
	at := driver.Lookup{Field: field, Op: driver.EQUAL, Values: []driver.Value{driver.Point(ref)}}
	n, err := g.tx.r.Count(driver.Find{Type: typ, Where: and(at, q)})
	g.err = errors.Join(g.err, err)
	return n > 0
}

// earlier answers the joins of an Access query about what a transaction writes, as if it had written nothing but what is new: what was
// there when the transaction began is judged by how it was.
type earlier struct{ graph }

func (g *earlier) Matches(typ, id string, q driver.Query) bool {
	if !g.was(driver.Key{Type: typ, ID: id}) {
		return g.graph.Matches(typ, id, q)
	}
	n, err := g.tx.r.Count(driver.Find{Type: typ, Where: and(driver.IDs{id}, q), At: g.tx.r.Now()})
	g.err = errors.Join(g.err, err)
	return n > 0
}

func (g *earlier) Referring(typ, field string, ref []byte, q driver.Query) bool {
	if k, ok := driver.ParseRef(ref); !ok || !g.was(k) {
		return g.graph.Referring(typ, field, ref, q)
	}
	at := driver.Lookup{Field: field, Op: driver.EQUAL, Values: []driver.Value{driver.Point(ref)}}
	n, err := g.tx.r.Count(driver.Find{Type: typ, Where: and(at, q), At: g.tx.r.Now()})
	g.err = errors.Join(g.err, err)
	return n > 0
}

// was reports whether a record was there when the transaction began.
func (g *earlier) was(k driver.Key) bool {
	n, err := g.tx.r.Count(driver.Find{Type: k.Type, Where: driver.IDs{k.ID}, At: g.tx.r.Now()})
	g.err = errors.Join(g.err, err)
	return n > 0
}

// Find searches the current records of a type, narrowed. See driver.Reader. A narrowed search tells its Trace nothing, nor at which
// step it became too costly: how it is answered depends on records that the caller may not see.
func (tx *Tx) Find(f driver.Find) iter.Seq2[driver.Hit, error] {
	f, narrowed, err := tx.find(f)
	if err != nil {
		return func(yield func(driver.Hit, error) bool) { yield(driver.Hit{}, err) }
	}
	if !narrowed {
		return tx.search(f)
	}
	return func(yield func(driver.Hit, error) bool) {
		for hit, err := range tx.search(f) {
			if !yield(hit, silent(f.Type, err)) {
				return
			}
		}
	}
}

// Count counts what Find would yield without a limit.
func (tx *Tx) Count(f driver.Find) (int, error) {
	f, narrowed, err := tx.find(f)
	if err != nil {
		return 0, err
	}
	f, done, err := tx.spend(f)
	if err != nil {
		return 0, err
	}
	defer done()
	n, err := tx.r.Count(f)
	if narrowed {
		err = silent(f.Type, err)
	}
	return n, err
}

// silent leaves out of an error what it tells of the steps of a search.
func silent(typ string, err error) error {
	if !errors.Is(err, driver.ErrTooCostly) {
		return err
	}
	return fmt.Errorf("the search of %s reads more rows than one may; add a parameter that fewer records match: %w", typ, driver.ErrTooCostly)
}

// Narrowed reports whether the access leaves a caller less than all of what a search reads: of its own type or of one it joins.
func (tx *Tx) Narrowed(f driver.Find) (bool, error) {
	_, narrowed, err := tx.find(f)
	return narrowed, err
}

// find narrows a search, and reports whether there was need to.
func (tx *Tx) find(f driver.Find) (driver.Find, bool, error) {
	if (driver.Key{Type: f.Type}).Private() {
		return f, false, fmt.Errorf("type %s: %w", f.Type, driver.ErrNotFound)
	}
	before := tx.narrow.applied
	where, err := tx.narrow.query(f.Type, f.Where)
	f.Where = where
	narrowed := tx.narrow.applied > before
	if narrowed {
		f.Trace = nil
	}
	return f, narrowed, err
}

// Holds reports whether any record at all matches a search, also one beyond the access. It is for rules of the house that must not depend on
// who is asking; what it answers may be told to nobody but by the rule.
func (tx *Tx) Holds(f driver.Find) (bool, error) {
	if (driver.Key{Type: f.Type}).Private() {
		return false, fmt.Errorf("type %s: %w", f.Type, driver.ErrNotFound)
	}
	f.Limit, f.Trace = 1, nil
	for _, err := range tx.search(f) {
		return err == nil, silent(f.Type, err)
	}
	return false, nil
}

// Log yields the records of the log that the caller may read, in commit order. Limit counts what is yielded.
func (tx *Tx) Log(l driver.Log) iter.Seq2[driver.Record, error] {
	if l.Type != "" {
		where, err := tx.narrow.of(Read, l.Type)
		if err != nil {
			return func(yield func(driver.Record, error) bool) { yield(driver.Record{}, err) }
		}
		if where == nil {
			return tx.r.Log(l)
		}
	}
	return func(yield func(driver.Record, error) bool) {
		limit := l.Limit
		l.Limit = 0
		n := 0
		for rec, err := range tx.r.Log(l) {
			var ok bool
			if err == nil {
				ok, err = tx.within(Read, rec)
			}
			if err != nil {
				yield(driver.Record{}, err)
				return
			}
			if !ok {
				continue
			}
			if !yield(rec, nil) {
				return
			}
			if n++; n == limit {
				return
			}
		}
	}
}
