package server

import (
	"fmt"
	"net/http"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// edit plans the next version of a resource as a change of the one that is current. If another comes first, the change is made again, to
// that: it is atomic with the version it read.
func edit(c *Config, change func(r *Request, before *fhirmap.Resource) (*fhirmap.Resource, error), answer func(driver.Record, *Request) (*Response, error)) Preparation {
	return func(tx *storage.Tx, r *Request) (Plan, error) {
		if err := r.known(); err != nil {
			return Plan{}, err
		}
		rec, err := tx.Get(r.Key())
		if err != nil {
			return Plan{}, err
		}
		if rec.Deleted {
			return Plan{}, gone(rec)
		}
		if err := matched(r.Header, r.Key(), rec); err != nil {
			return Plan{}, err
		}
		before, err := fhirmap.Trusted(rec.Body)
		if err != nil {
			return Plan{}, err
		}
		after, err := change(r, before)
		if err != nil {
			return Plan{}, err
		}
		if after == before {
			res, err := answer(rec, r)
			return Plan{Confirm: stays(rec, answer), Answer: res}, err
		}
		draft, err := c.Store.Prepare(r.ID, after)
		if err != nil {
			return Plan{}, err
		}
		return Plan{Confirm: func(tx *storage.Tx, r *Request) (*Response, error) {
			rec, err := tx.Put(draft, rec.Version)
			if err != nil {
				return nil, err
			}
			return answer(rec, r)
		}}, nil
	}
}

// stays confirms that a version is still the current one.
func stays(rec driver.Record, answer func(driver.Record, *Request) (*Response, error)) Interaction {
	return func(tx *storage.Tx, r *Request) (*Response, error) {
		now, err := tx.Head(rec.Key)
		if err != nil {
			return nil, err
		}
		if now.Version != rec.Version {
			return nil, fmt.Errorf("%s was version %d, and is now %d: %w", rec.Key, rec.Version, now.Version, driver.ErrConflict)
		}
		return answer(rec, r)
	}
}

// updated answers with what the client prefers of a new version.
func updated(rec driver.Record, r *Request) (*Response, error) {
	return written(http.StatusOK, rec, r), nil
}
