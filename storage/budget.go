package storage

import (
	"fmt"
	"iter"

	"github.com/hob-fhir/hob/storage/driver"
)

// budget is what the searches within it may still read, together.
type budget struct {
	rows  int
	outer *budget
}

// Within runs fn, in which all searches and counts of the transaction read together at most about so many index rows; one that would read
// more fails with driver.ErrTooCostly. Find.Budget bounds each of them besides. What is read within another budget counts for both.
func (tx *Tx) Within(rows int, fn func() error) error {
	if rows <= 0 {
		return fn()
	}
	tx.budget = &budget{rows, tx.budget}
	defer func() { tx.budget = tx.budget.outer }()
	return fn()
}

// spend bounds a search by what is left. done must be called when it is over.
func (tx *Tx) spend(f driver.Find) (_ driver.Find, done func(), _ error) {
	if tx.budget == nil {
		return f, func() {}, nil
	}
	for b := tx.budget; b != nil; b = b.outer {
		if b.rows <= 0 {
			return f, nil, fmt.Errorf("the searches up to that of %s read all the rows that they may together; ask for less at once: %w", f.Type, driver.ErrTooCostly)
		}
		if f.Budget == 0 || b.rows < f.Budget {
			f.Budget = b.rows
		}
	}
	told, from := f.Trace, tx.budget
	f.Trace = &driver.Trace{}
	return f, func() {
		for _, step := range f.Trace.Steps {
			told.Add(step)
			for b := from; b != nil; b = b.outer {
				b.rows -= step.Rows
			}
		}
	}, nil
}

// search is the Find of the backend, within the budget.
func (tx *Tx) search(f driver.Find) iter.Seq2[driver.Hit, error] {
	return func(yield func(driver.Hit, error) bool) {
		f, done, err := tx.spend(f)
		if err != nil {
			yield(driver.Hit{}, err)
			return
		}
		defer done()
		for hit, err := range tx.r.Find(f) {
			if !yield(hit, err) {
				return
			}
		}
	}
}
