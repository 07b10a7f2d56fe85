package server

import (
	"net/http"

	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// create is the create interaction (R4 http.html, create): the server chooses the id, whatever id the body has. With If-None-Exist it
// is conditional (the same, conditional create): what matches already is the answer, and nothing is created.
func create(c *Config) Preparation {
	plain := createPlain(c)
	return func(tx *storage.Tx, r *Request) (Plan, error) {
		cr, err := c.ifNoneExist(tx, r)
		if err != nil {
			return Plan{}, err
		}
		if cr == nil {
			return plain(tx, r)
		}
		k, err := cr.one(tx, nil)
		if err != nil {
			return Plan{}, err
		}
		if k == (driver.Key{}) {
			plan, err := plain(tx, r)
			return cr.guard(plan), err
		}
		if err := r.createsOnly(); err != nil {
			return Plan{}, err
		}
		plan, err := existing(tx, k, r)
		return cr.guard(plan), err
	}
}

// createsOnly refuses what is wrong with a create even where there is nothing to create.
func (r *Request) createsOnly() error {
	if err := r.known(); err != nil {
		return err
	}
	_, err := r.Resource(r.Type)
	return err
}

// existing answers a conditional create with the resource that is there.
func existing(tx *storage.Tx, k driver.Key, r *Request) (Plan, error) {
	give := func(tx *storage.Tx, r *Request) (*Response, error) {
		rec, err := tx.Get(k)
		if err != nil {
			return nil, err
		}
		return about(http.StatusOK, rec, r, "%s exists as version %d, and nothing was created"), nil
	}
	answer, err := give(tx, r)
	return Plan{Confirm: give, Answer: answer}, err
}

// createPlain creates, whatever there is.
func createPlain(c *Config) Preparation {
	return func(_ *storage.Tx, r *Request) (Plan, error) {
		if err := r.createsOnly(); err != nil {
			return Plan{}, err
		}
		res, err := r.Resource(r.Type)
		if err != nil {
			return Plan{}, err
		}
		id := r.ID
		if id == "" {
			if id, err = c.Store.NewID(); err != nil {
				return Plan{}, err
			}
		}
		draft, err := c.Store.Prepare(id, res)
		if err != nil {
			return Plan{}, err
		}
		return Plan{Confirm: func(tx *storage.Tx, r *Request) (*Response, error) {
			rec, err := tx.Put(draft, 0)
			if err != nil {
				return nil, err
			}
			return written(http.StatusCreated, rec, r), nil
		}}, nil
	}
}
