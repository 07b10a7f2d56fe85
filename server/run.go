package server

import (
	"context"
	"errors"
	"net/http"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// attempts is how often a write is prepared before it is given up as a conflict: once, and three times again.
const attempts = 4

// perform takes a Request through the interaction of its route.
func (rt *route) perform(ctx context.Context, s *storage.Store, a storage.Access, r *Request) (*Response, error) {
	switch {
	case rt.exchange != nil:
		return rt.exchange(ctx, a, r)
	case rt.prepare != nil:
		return change(ctx, s, a, rt.prepare, r)
	}
	return read(ctx, s, a, rt.do, r)
}

// read answers a Request on one snapshot.
func read(ctx context.Context, s *storage.Store, a storage.Access, do Interaction, r *Request) (res *Response, err error) {
	err = s.View(ctx, a, func(tx *storage.Tx) error {
		res, err = do(tx, r)
		return err
	})
	return res, err
}

// change prepares a Request on a snapshot and confirms it in the writer. When what it was prepared from has moved meanwhile, it is
// prepared again.
func change(ctx context.Context, s *storage.Store, a storage.Access, prepare Preparation, r *Request) (res *Response, err error) {
	err = again(func() error {
		var plan Plan
		err := s.View(ctx, a, func(tx *storage.Tx) (err error) {
			plan, err = prepare(tx, r)
			return err
		})
		if err != nil {
			return err
		}
		if res = plan.Answer; res != nil {
			return nil
		}
		return s.Update(ctx, a, func(tx *storage.Tx) error {
			var last []check
			r.last = &last
			if res, err = plan.Confirm(tx, r); err != nil {
				return err
			}
			if err := finish(tx, last); err != nil {
				return err
			}
			if err := r.seen(tx); err != nil {
				return err
			}
			return r.audit.note(tx, r, res, nil)
		})
	}, name(r))
	return res, err
}

// seen tells the witness of a change that is made.
func (r *Request) seen(tx *storage.Tx) error {
	if r.witness == nil {
		return nil
	}
	return r.witness(tx, r.Caller)
}

// again tries to make a change to what a text names until it meets nobody else's. That the index has changed meanwhile is nobody's change of
// the same thing, and does not count: search parameters may come in by the hundred.
func again(try func() error, what string) error {
	for n := 0; n < attempts; {
		err := try()
		if !errors.Is(err, driver.ErrConflict) {
			return err
		}
		if !errors.Is(err, storage.ErrStale) {
			n++
		}
	}
	return refuse(http.StatusConflict, fhirmap.CodeConflict,
		"others changed %s while this request was made, %d times over; read it again and repeat the request", what, attempts)
}

// finish makes the checks that were asked for.
func finish(tx *storage.Tx, last []check) error {
	for _, c := range last {
		if err := c(tx); err != nil {
			return err
		}
	}
	return nil
}

// name is how a message names what a request is about.
func name(r *Request) string {
	switch {
	case r.ID != "":
		return r.Key().String()
	case r.Type != "":
		return "a " + r.Type
	}
	return "the store"
}
