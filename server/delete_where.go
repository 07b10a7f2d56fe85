package server

import (
	"net/http"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// removeWhere is the conditional delete (R4 http.html, delete): of the one resource that matches, or, where the policy says so, of all
// that do. Deleting nothing is no error.
func removeWhere(c *Config, plain Preparation) Preparation {
	return func(tx *storage.Tx, r *Request) (Plan, error) {
		cr, rest, err := c.doomed(tx, r, nil)
		if err != nil {
			return Plan{}, err
		}
		if len(cr.found) == 0 {
			answer := absent(driver.Record{}, r)
			return cr.guard(Plan{
				Confirm: func(_ *storage.Tx, r *Request) (*Response, error) { return absent(driver.Record{}, r), nil },
				Answer:  answer,
			}), nil
		}
		plan, err := removeEach(tx, plain, r, cr.found, rest)
		return cr.guard(plan), err
	}
}

// doomed finds what a conditional delete is to delete. rest are the parameters that are no criteria.
func (c *Config) doomed(tx *storage.Tx, r *Request, without map[driver.Key]int) (cr *criteria, rest []search.Pair, err error) {
	if c.Policy.ConditionalDelete == DeleteNone {
		return nil, nil, refuse(http.StatusMethodNotAllowed, fhirmap.CodeNotSupported,
			"this server deletes by id only: DELETE %s/[id]; its operator can allow more", r.Type).with("Allow", "GET, HEAD, POST, PUT, PATCH")
	}
	var query []search.Pair
	for _, p := range r.Query {
		if p.Name == "_cascade" {
			rest = append(rest, p)
		} else {
			query = append(query, p)
		}
	}
	if cr, err = c.criteriaOf(tx, r.Type, query); err != nil {
		return nil, nil, err
	}
	if c.Policy.ConditionalDelete != DeleteMultiple {
		_, err = cr.one(tx, without)
		return cr, rest, err
	}
	most := c.Limits.Cascade
	if cr.found, err = cr.find(tx, most+1, without); err == nil && len(cr.found) > most {
		err = fhirmap.Errorf(fhirmap.CodeTooCostly, "",
			"more than %d %s match %s; delete some of them first, by criteria that match fewer", most, r.Type, clip(cr.query))
	}
	return cr, rest, err
}

// removeEach plans the deletion of several resources as one.
func removeEach(tx *storage.Tx, plain Preparation, r *Request, keys []driver.Key, rest []search.Pair) (Plan, error) {
	confirms := make([]Interaction, len(keys))
	for i, k := range keys {
		one := *r
		one.ID, one.Query = k.ID, rest
		plan, err := plain(tx, &one)
		if err != nil {
			return Plan{}, err
		}
		confirms[i] = plan.Confirm
	}
	return Plan{Confirm: func(tx *storage.Tx, r *Request) (res *Response, err error) {
		for _, confirm := range confirms {
			if res, err = confirm(tx, r); err != nil {
				return nil, err
			}
		}
		if len(keys) == 1 {
			return res, nil
		}
		res = &Response{Status: http.StatusNoContent}
		if preferred(r.Header, "return") == "OperationOutcome" {
			res.Status, res.Body = http.StatusOK, inform("%d %s were deleted", len(keys), r.Type).JSON()
		}
		return res, nil
	}}, nil
}
