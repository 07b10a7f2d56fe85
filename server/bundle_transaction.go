package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// transaction performs all entries or none (R4 http.html, transaction processing rules). Ids are given and links rewritten before
// anything is prepared; all entries are prepared at once, outside the writer, and confirmed in one closure, in the order that the
// specification wants. What was looked up on the snapshot is looked up again there; if others were faster, all is prepared again.
func (b *bundles) transaction(ctx context.Context, r *Request, entries []*entry) (*Response, error) {
	r.parts = entries
	errs := make([]error, len(entries))
	each(len(entries), procs(), func(i int) {
		e := entries[i]
		err := e.route(b.routes, r)
		if err == nil {
			err = e.parse()
		}
		if err != nil {
			errs[i] = e.fault(err)
		}
	})
	if err := worst(errs); err != nil {
		return nil, err
	}
	err := again(func() error { return b.attempt(ctx, r, entries) }, "what the transaction is about")
	if err != nil {
		return nil, err
	}
	bodies := make([][]byte, len(entries))
	for i, e := range entries {
		bodies[i] = e.answer(r.Base)
	}
	return b.bundle("transaction-response", bodies), nil
}

// attempt prepares and confirms a transaction once.
func (b *bundles) attempt(ctx context.Context, r *Request, entries []*entry) error {
	a, err := r.Renew(ctx)
	if err != nil {
		return err
	}
	ordered := slices.Clone(entries)
	slices.SortStableFunc(ordered, func(x, y *entry) int { return x.step() - y.step() })
	if len(ordered) == 0 || ordered[0].step() == stepRead {
		return b.Store.View(ctx, a, func(tx *storage.Tx) error { return b.run(tx, ordered, &resolution{}) })
	}
	res := &resolution{bundles: b, entries: entries, ended: ctx.Err}
	if err := b.Store.View(ctx, a, res.resolve); err != nil {
		return err
	}
	errs := make([]error, len(entries))
	each(len(entries), procs(), func(i int) {
		e := entries[i]
		if e.prepare == nil || ctx.Err() != nil {
			errs[i] = ctx.Err()
			return
		}
		errs[i] = b.Store.View(ctx, a, func(tx *storage.Tx) (err error) {
			e.one.resource, err = res.rewritten(e)
			if err == nil {
				e.plan, err = e.prepare(tx, e.one)
			}
			return err
		})
		if errs[i] != nil && !errors.Is(errs[i], driver.ErrConflict) {
			errs[i] = e.fault(errs[i])
		}
	})
	if err := worst(errs); err != nil {
		return err
	}
	if a, err = r.Renew(ctx); err != nil {
		return err
	}
	return b.Store.Update(ctx, a, func(tx *storage.Tx) error {
		if err := b.run(tx, ordered, res); err != nil {
			return err
		}
		if err := r.seen(tx); err != nil {
			return err
		}
		return b.Audit.note(tx, r, nil, entries)
	})
}

// The steps of a transaction (R4 http.html, transaction processing rules). Reads see what was written before them.
const (
	stepDelete = iota
	stepCreate
	stepUpdate
	stepRead
)

func (e *entry) step() int {
	switch {
	case e.rt.prepare == nil:
		return stepRead
	case e.req.Method == http.MethodDelete:
		return stepDelete
	case e.req.Method == http.MethodPost:
		return stepCreate
	}
	return stepUpdate
}

// run performs the entries, in their order, inside a transaction.
func (b *bundles) run(tx *storage.Tx, ordered []*entry, res *resolution) error {
	begun := time.Now()
	var last []check
	for _, e := range ordered {
		r := e.one
		if r == nil {
			r = e.req
		}
		r.inside, r.last = res.written != nil, &last
		do, n := e.rt.do, len(last)
		if e.rt.prepare != nil {
			do = e.plan.Confirm
		}
		var err error
		if e.res, err = do(tx, r); err != nil {
			return res.fault(e, err)
		}
		for i, c := range last[n:] {
			last[n+i] = func(tx *storage.Tx) error {
				if err := c(tx); err != nil {
					return res.fault(e, err)
				}
				return nil
			}
		}
		if took := time.Since(begun); r.inside && took > b.Limits.Hold {
			return fhirmap.Errorf(fhirmap.CodeTooCostly, at(e.index, ""),
				"the transaction takes longer than the %v for which one may keep others waiting; send several smaller ones", b.Limits.Hold)
		}
	}
	if err := finish(tx, last); err != nil {
		return err
	}
	return res.still(tx)
}

// fault is entry.fault but for what is to be tried again. Criteria that match what the transaction itself writes never will be good.
func (res *resolution) fault(e *entry, err error) error {
	if !errors.Is(err, driver.ErrConflict) {
		return e.fault(err)
	}
	var m *moved
	if errors.As(err, &m) {
		for _, k := range m.now {
			if other, ours := res.written[k]; ours && !slices.Contains(m.found, k) && other != e.index {
				return e.fault(refuse(http.StatusPreconditionFailed, fhirmap.CodeMultiple,
					"%s matches what entry %d writes; a transaction may write a resource once", clip(m.typ+"?"+m.query), other))
			}
		}
	}
	return fmt.Errorf("%s: %w", at(e.index, ""), err)
}
