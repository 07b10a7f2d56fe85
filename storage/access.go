package storage

import (
	"errors"
	"fmt"

	"github.com/hob-fhir/hob/storage/driver"
)

// Action is what a caller wants to do with resources of a type: the letters of SMART v2's .cruds, and erasure.
type Action string

// The actions. Vread and instance history are reads; type and system history are reads of each record they show.
const (
	Create Action = "create"
	Read   Action = "read"
	Update Action = "update"
	Delete Action = "delete"
	Search Action = "search"
	Erase  Action = "erase"
)

// Access says on which records of a type a caller may act: those for which the query holds (nil: all). An error means none, and
// is what the caller is told; it should be or wrap ErrForbidden. An Access must answer the same for the length of a transaction.
type Access func(Action, string) (driver.Query, error)

// System is the Access of Hob itself: everything.
func System(Action, string) (driver.Query, error) { return nil, nil }

// ErrForbidden says that the caller may see a thing but not do this with it, or may never do this with the type.
var ErrForbidden = errors.New("forbidden")

var errNoAccess = errors.New("storage: no access was given; say storage.System where Hob itself is asking")

// narrower remembers the answers of an Access for one transaction.
type narrower struct {
	access  Access
	answers map[asked]answer
	applied int // queries that were narrowed so far
}

type asked struct {
	action Action
	typ    string
}

type answer struct {
	where driver.Query
	err   error
}

// of returns the query that narrows an action on a type, nil for everything.
func (n *narrower) of(action Action, typ string) (driver.Query, error) {
	k := asked{action, typ}
	if a, ok := n.answers[k]; ok {
		return a.where, a.err
	}
	where, err := n.access(action, typ)
	if _, all := where.(driver.All); all {
		where = nil
	}
	if n.answers == nil {
		n.answers = map[asked]answer{}
	}
	n.answers[k] = answer{where, err}
	return where, err
}

// query narrows a query on a type: the whole of it, and at each Refers and Referred the inner query by the inner type's access. What
// the caller may not search at all holds for nothing.
func (n *narrower) query(typ string, q driver.Query) (driver.Query, error) {
	own, err := n.of(Search, typ)
	if err != nil {
		return nil, err
	}
	q, err = n.inner(q)
	if err != nil {
		return nil, err
	}
	if own != nil {
		n.applied++
	}
	return and(q, own), nil
}

// inner narrows the joins below q.
func (n *narrower) inner(q driver.Query) (driver.Query, error) {
	switch q := q.(type) {
	case driver.And:
		parts, err := n.parts(q)
		return driver.And(parts), err
	case driver.Or:
		parts, err := n.parts(q)
		return driver.Or(parts), err
	case driver.Not:
		of, err := n.inner(q.Of)
		return driver.Not{Of: of}, err
	case driver.Refers:
		where, err := n.joined(q.Type, q.Where)
		return driver.Refers{Field: q.Field, Type: q.Type, Where: where}, err
	case driver.Referred:
		where, err := n.joined(q.Type, q.Where)
		return driver.Referred{Type: q.Type, Field: q.Field, Where: where}, err
	case nil, driver.All, driver.IDs, driver.Lookup, driver.Same:
		return q, nil
	}
	return nil, fmt.Errorf("storage: a query node %T that no access rule knows", q)
}

func (n *narrower) parts(qs []driver.Query) ([]driver.Query, error) {
	out := make([]driver.Query, len(qs))
	for i, q := range qs {
		var err error
		if out[i], err = n.inner(q); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (n *narrower) joined(typ string, where driver.Query) (driver.Query, error) {
	narrowed, err := n.query(typ, where)
	if errors.Is(err, ErrForbidden) {
		n.applied++
		return driver.Or{}, nil // joined with nothing: a join must not tell what a search may not
	}
	return narrowed, err
}

func and(a, b driver.Query) driver.Query {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return driver.And{a, b}
}
