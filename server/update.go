package server

import (
	"errors"
	"net/http"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// update is the update interaction (R4 http.html, update): a new version of the resource, or its first under an id that the client
// chose. Tags, security labels and profiles of the version before stay, as fhirmap.CarryMeta has it.
func update(c *Config) Preparation {
	return func(tx *storage.Tx, r *Request) (Plan, error) {
		if err := r.known(); err != nil {
			return Plan{}, err
		}
		sent, err := r.Resource(r.Type)
		if err != nil {
			return Plan{}, err
		}
		switch sent.ID() {
		case r.ID:
		case "":
			return Plan{}, fhirmap.Errorf(fhirmap.CodeRequired, r.Type+".id", "the body has no id; it must be %s, as in the URL", r.ID)
		default:
			return Plan{}, fhirmap.Errorf(fhirmap.CodeInvalid, r.Type+".id",
				"the body has the id %s and the URL %s; they must be the same", clip(sent.ID()), r.ID)
		}
		return replace(c, tx, r, sent)
	}
}

// updateWhere is the conditional update (R4 http.html, conditional update): what matches the criteria is updated; if nothing does, the
// resource is created, under the id of the body if it has one.
func updateWhere(c *Config) Preparation {
	return func(tx *storage.Tx, r *Request) (Plan, error) {
		cr, err := c.criteriaOf(tx, r.Type, r.Query)
		if err != nil {
			return Plan{}, err
		}
		if _, err := r.Resource(r.Type); err != nil {
			return Plan{}, err
		}
		k, err := cr.one(tx, nil)
		if err != nil {
			return Plan{}, err
		}
		one, err := c.updateOne(tx, r, k)
		if err != nil {
			return Plan{}, err
		}
		plan, err := replace(c, tx, one, one.resource)
		return cr.guard(plan), err
	}
}

// updateOne makes a conditional update, whose body was read, one of the resource that was found, or of a new one.
func (c *Config) updateOne(tx *storage.Tx, r *Request, found driver.Key) (*Request, error) {
	one := *r
	one.Query = nil
	sent := r.resource.ID()
	switch {
	case found.ID != "" && sent != "" && sent != found.ID:
		return nil, fhirmap.Errorf(fhirmap.CodeInvalid, r.Type+".id",
			"the body has the id %s, and %s matches the criteria; leave the id out, or give that one", clip(sent), found)
	case found.ID != "":
		one.ID = found.ID
	case sent != "":
		one.ID = sent
		switch head, err := tx.Head(one.Key()); {
		case err == nil && !head.Deleted:
			return nil, refuse(http.StatusConflict, fhirmap.CodeConflict,
				"%s exists, and does not match the criteria; leave the id out to create another, or update it by PUT %s", one.Key(), one.Key())
		case err != nil && !errors.Is(err, driver.ErrNotFound):
			return nil, err
		}
	case one.ID == "":
		id, err := c.Store.NewID()
		if err != nil {
			return nil, err
		}
		one.ID = id
	}
	return &one, nil
}

// replace plans the next version of the resource that a Request names, or its first.
func replace(c *Config, tx *storage.Tx, r *Request, sent *fhirmap.Resource) (Plan, error) {
	k := r.Key()
	before, err := tx.Get(k)
	if err != nil && !errors.Is(err, driver.ErrNotFound) {
		return Plan{}, err
	}
	if err := matched(r.Header, k, before); err != nil {
		return Plan{}, err
	}
	if before.Version == 0 && c.Policy.NoClientIDs && sent.ID() != "" {
		return Plan{}, refuse(http.StatusMethodNotAllowed, fhirmap.CodeNotSupported,
			"%s does not exist, and ids are given by this server; create it by POST %s", k, r.Type).with("Allow", "GET, HEAD")
	}
	res, err := carried(before, sent)
	if err != nil {
		return Plan{}, err
	}
	draft, err := c.Store.Prepare(r.ID, res)
	if err != nil {
		return Plan{}, err
	}
	return Plan{Confirm: func(tx *storage.Tx, r *Request) (*Response, error) {
		base := before
		rec, err := tx.Put(draft, base.Version)
		if errors.Is(err, driver.ErrConflict) && blind(r.Header) {
			var fits bool
			if base, fits, err = fitsOn(tx, k, sent, res, err); fits {
				rec, err = tx.Put(draft, base.Version)
			}
		}
		if err != nil {
			return nil, err
		}
		if base.Version == 0 || base.Deleted {
			return written(http.StatusCreated, rec, r), nil
		}
		return written(http.StatusOK, rec, r), nil
	}}, nil
}

// carried is what an update makes of the version before.
func carried(before driver.Record, sent *fhirmap.Resource) (*fhirmap.Resource, error) {
	if before.Version == 0 || before.Deleted {
		return sent, nil
	}
	old, err := fhirmap.Trusted(before.Body)
	if err != nil {
		return nil, err
	}
	return fhirmap.CarryMeta(old, sent), nil
}

// blind reports whether the client did not say which version it means to replace.
func blind(h http.Header) bool { return len(h["If-Match"]) == 0 && len(h["If-None-Match"]) == 0 }

// fitsOn reports whether an update whose base has moved is as good on the version that is current now: nothing of the versions before
// is carried into it. Many clients that update one resource at once then need not prepare again. moved is returned if not.
func fitsOn(tx *storage.Tx, k driver.Key, sent, res *fhirmap.Resource, moved error) (driver.Record, bool, error) {
	now, err := tx.Get(k)
	if err != nil || sent != res {
		return now, false, moved
	}
	again, err := carried(now, sent)
	return now, err == nil && again == res, moved
}
