package server

import (
	"net/http"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// resolution is what a transaction finds out before it prepares its entries: which resource each is about, and what links become.
type resolution struct {
	*bundles
	entries []*entry
	written map[driver.Key]int // which entry writes a resource
	deleted map[driver.Key]int
	links   map[string]string    // by fullUrl
	asked   map[string]*criteria // by conditional reference, each of which was found to mean one resource
	rows    map[*entry][]driver.Row
	ended   func() error // of the request
}

// resolve looks everything up on one snapshot. Deletions come first, since what they delete matches nothing after them.
func (res *resolution) resolve(tx *storage.Tx) error {
	res.written, res.deleted = map[driver.Key]int{}, map[driver.Key]int{}
	res.links, res.asked = map[string]string{}, map[string]*criteria{}
	res.rows = map[*entry][]driver.Row{}
	created := map[string]int{}
	for _, deletions := range []bool{true, false} {
		for _, e := range res.entries {
			if e.rt.prepare == nil || (e.step() == stepDelete) != deletions {
				continue
			}
			one := *e.req
			e.one, e.cr, e.keys, e.links = &one, nil, nil, ""
			if err := res.target(tx, e); err != nil {
				return e.fault(err)
			}
			if e.cr != nil && e.rt.code == "create" && len(e.cr.found) == 0 {
				same := e.cr.typ + "?" + e.cr.query
				if other, twice := created[same]; twice {
					return e.fault(fhirmap.Errorf(fhirmap.CodeInvalid, "", "entry %d creates what matches %s too; one entry may", other, clip(same)))
				}
				created[same] = e.index
			}
			for _, k := range e.keys {
				if other, twice := res.written[k]; twice {
					return e.fault(fhirmap.Errorf(fhirmap.CodeInvalid, "",
						"entry %d writes %s too; a transaction may write a resource once", other, k))
				}
				res.written[k] = e.index
				if deletions {
					res.deleted[k] = e.index
				}
			}
			if e.fullURL != "" && e.links != "" && e.fullURL != e.req.Base+"/"+e.links {
				res.links[e.fullURL] = e.links
			}
		}
	}
	return res.conditionalReferences(tx)
}

// target finds out which resources an entry is about, and makes it a request of them.
func (res *resolution) target(tx *storage.Tx, e *entry) (err error) {
	e.prepare = e.rt.prepare
	conditional := e.rt.level == Type
	switch {
	case e.rt.code == "create":
		return res.creates(tx, e)
	case e.rt.code == "update" && conditional:
		if e.parsed == nil {
			_, err := e.req.Resource(e.req.Type) // says that there is none
			return err
		}
		if e.cr, err = res.criteriaOf(tx, e.one.Type, e.one.Query); err != nil {
			return err
		}
		k, err := e.cr.one(tx, res.deleted)
		if err != nil {
			return err
		}
		e.one.ID = e.newID
		if e.one, err = res.updateOne(tx, e.one, k); err != nil {
			return err
		}
		if k.ID == "" && e.parsed.ID() == "" {
			e.newID = e.one.ID
		}
		e.guarded(func(tx *storage.Tx, r *Request) (Plan, error) {
			sent, err := r.Resource(r.Type)
			if err != nil {
				return Plan{}, err
			}
			return replace(res.Config, tx, r, sent)
		})
	case e.rt.code == "patch" && conditional:
		if e.cr, err = res.criteriaOf(tx, e.one.Type, e.one.Query); err != nil {
			return err
		}
		k, err := e.cr.one(tx, res.deleted)
		if err != nil {
			return err
		}
		if e.one, err = patchOne(e.one, e.cr, k); err != nil {
			return err
		}
		e.guarded(res.patch)
	case e.rt.code == "delete" && conditional:
		var rest = e.one.Query
		if e.cr, rest, err = res.doomed(tx, e.one, nil); err != nil {
			return err
		}
		e.keys = e.cr.found
		e.guarded(func(tx *storage.Tx, r *Request) (Plan, error) { return removeEach(tx, res.remove, r, e.cr.found, rest) })
		return nil
	case e.rt.level != Instance:
		return nil // an operation
	}
	e.keys = []driver.Key{e.one.Key()}
	e.links = e.one.Key().String()
	return nil
}

// creates gives a create its id, or finds what is there already.
func (res *resolution) creates(tx *storage.Tx, e *entry) (err error) {
	if e.cr, err = res.ifNoneExist(tx, e.req); err != nil {
		return err
	}
	if e.cr != nil {
		k, err := e.cr.one(tx, res.deleted)
		if err != nil {
			return err
		}
		if k.ID != "" {
			e.links = k.String()
			e.guarded(func(tx *storage.Tx, r *Request) (Plan, error) {
				if err := r.createsOnly(); err != nil {
					return Plan{}, err
				}
				return existing(tx, k, r)
			})
			return nil
		}
	}
	if e.newID == "" {
		if e.newID, err = res.Store.NewID(); err != nil {
			return err
		}
	}
	e.one.ID = e.newID
	e.keys = []driver.Key{e.one.Key()}
	e.links = e.one.Key().String()
	e.guarded(createPlain(res.Config))
	return nil
}

// guarded makes the entry's criteria, if it has some, be looked up again when it is confirmed.
func (e *entry) guarded(p Preparation) {
	cr := e.cr
	if e.prepare = p; cr == nil {
		return
	}
	e.prepare = func(tx *storage.Tx, r *Request) (Plan, error) {
		plan, err := p(tx, r)
		return cr.guard(plan), err
	}
}

// conditionalReferences finds the one resource that each reference with criteria means (R4 http.html, transaction processing rules):
// among those that are there and stay, and those that the transaction writes.
func (res *resolution) conditionalReferences(tx *storage.Tx) error {
	without := res.replaced()
	for _, e := range res.entries {
		if e.parsed == nil || e.rt.prepare == nil {
			continue
		}
		for expression, ref := range fhirmap.References(e.parsed) {
			typ, query, ok := strings.Cut(ref, "?")
			if !ok || res.asked[ref] != nil || !fhirmap.IsResource(typ) {
				continue
			}
			cr, err := res.means(tx, typ, query, without)
			if err != nil {
				r, unknown := explain(err)
				if unknown {
					return err
				}
				o := &fhirmap.Outcome{Issues: append([]fhirmap.Issue(nil), r.outcome.Issues...)}
				for i := range o.Issues {
					o.Issues[i].Expression = e.place(expression)
				}
				return &refusal{status: r.status, outcome: o}
			}
			res.asked[ref] = cr
		}
	}
	return nil
}

// means finds the resource that criteria name. without are those that will not be what they are.
func (res *resolution) means(tx *storage.Tx, typ, query string, without map[driver.Key]int) (*criteria, error) {
	ps, err := pairs(query)
	if err != nil {
		return nil, err
	}
	cr, err := res.criteriaOf(tx, typ, ps)
	if err != nil {
		return nil, err
	}
	if err := res.ended(); err != nil {
		return nil, err
	}
	if cr.found, err = cr.find(tx, 2, without); err != nil {
		return nil, err
	}
	for _, e := range res.entries {
		if e.parsed == nil || e.parsed.Type() != typ || len(e.keys) != 1 {
			continue
		}
		if res.rows[e] == nil {
			if res.rows[e], err = res.Catalog.Rows(e.keys[0].ID, e.parsed); err != nil {
				return nil, err
			}
		}
		if driver.Match(e.keys[0], res.rows[e], cr.where, joins{tx}) {
			cr.found = append(cr.found, e.keys[0])
		}
	}
	switch {
	case len(cr.found) == 0:
		return nil, refuse(http.StatusPreconditionFailed, fhirmap.CodeNotFound,
			"no %s matches the reference %s; one must", typ, clip(typ+"?"+query))
	case len(cr.found) > 1:
		return nil, cr.several()
	}
	return cr, nil
}

// replaced are the resources that after the transaction are not what they are on the snapshot, but what an entry says. What is patched
// is taken for what it was.
func (res *resolution) replaced() map[driver.Key]int {
	out := map[driver.Key]int{}
	for k, i := range res.written {
		if code := res.entries[i].rt.code; code == "create" || code == "update" || code == "delete" {
			out[k] = i
		}
	}
	return out
}

// joins follows references from what is not stored yet to what is.
type joins struct{ tx *storage.Tx }

func (j joins) Matches(typ, id string, q driver.Query) bool {
	where := driver.And{driver.IDs{id}}
	if q != nil {
		where = append(where, q)
	}
	n, err := j.tx.Count(driver.Find{Type: typ, Where: where})
	return err == nil && n > 0
}

func (j joins) Referring(typ, field string, ref []byte, q driver.Query) bool {
	where := driver.And{driver.Lookup{Field: field, Op: driver.EQUAL, Values: []driver.Value{driver.Point(ref)}}}
	if q != nil {
		where = append(where, q)
	}
	n, err := j.tx.Count(driver.Find{Type: typ, Where: where})
	return err == nil && n > 0
}

// still looks up, when all is written, what the conditional references were found to mean.
func (res *resolution) still(tx *storage.Tx) error {
	for _, cr := range res.asked {
		if err := cr.still(tx); err != nil {
			return err
		}
	}
	return nil
}
