package server

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// remove is the delete interaction (R4 http.html, delete). Deleting what is not there is no error: after it, it is not there.
func remove(c *Config, from references) Preparation {
	return func(tx *storage.Tx, r *Request) (Plan, error) {
		if err := r.known("_cascade"); err != nil {
			return Plan{}, err
		}
		cascade, err := cascades(c, r)
		if err != nil {
			return Plan{}, err
		}
		if err := tx.May(storage.Delete, r.Type); err != nil { // also of what is not there
			return Plan{}, err
		}
		head, err := tx.Head(r.Key())
		if err != nil && !errors.Is(err, driver.ErrNotFound) {
			return Plan{}, err
		}
		if err := matched(r.Header, r.Key(), head); err != nil {
			return Plan{}, err
		}
		if head.Version == 0 || head.Deleted {
			return nothingThere(head, r.Key(), r), nil
		}
		return Plan{Confirm: func(tx *storage.Tx, r *Request) (*Response, error) {
			if cascade {
				if err := from.sweep(tx, head.Key, c.Limits); err != nil {
					return nil, err
				}
			}
			if c.Policy.Referential { // asked at the end, since a transaction may delete what refers to it too, and a cascade only what its caller may
				r.finally(func(tx *storage.Tx) error { return from.free(tx, head.Key, c.Limits) })
			}
			now, err := tx.Head(head.Key)
			if err != nil {
				return nil, err
			}
			if now.Deleted && blind(r.Header) { // by another, or by the cascade of one that is deleted with it
				return absent(now, r), nil
			}
			if now.Version != head.Version {
				return nil, fmt.Errorf("%s was version %d, and is now %d: %w", head.Key, head.Version, now.Version, driver.ErrConflict)
			}
			rec, err := tx.Delete(head.Key, head.Version)
			if err != nil {
				return nil, err
			}
			return written(http.StatusNoContent, rec, r), nil
		}}, nil
	}
}

// nothingThere plans the deletion of what is not there, and sees to it that it is not there when that is said.
func nothingThere(head driver.Record, k driver.Key, r *Request) Plan {
	return Plan{
		Confirm: func(tx *storage.Tx, r *Request) (*Response, error) {
			now, err := tx.Head(k)
			switch {
			case errors.Is(err, driver.ErrNotFound):
			case err != nil:
				return nil, err
			case !now.Deleted:
				return nil, fmt.Errorf("%s was not there, and is now version %d: %w", k, now.Version, driver.ErrConflict)
			}
			return absent(now, r), nil
		},
		Answer: absent(head, r),
	}
}

// cascades reads _cascade=delete, by parameter or by header, and asks whether the server allows it.
func cascades(c *Config, r *Request) (bool, error) {
	v, err := r.one("_cascade")
	if err != nil {
		return false, err
	}
	if v == "" {
		return false, nil
	}
	if v != "delete" {
		return false, fhirmap.Errorf(fhirmap.CodeValue, "", "_cascade=%s is not known; delete is", clip(v))
	}
	if !c.Policy.Cascade {
		return false, refuse(http.StatusForbidden, fhirmap.CodeForbidden,
			"_cascade=delete is not allowed on this server; its operator can allow it")
	}
	return true, nil
}

// absent answers the deletion of what is not there.
func absent(head driver.Record, r *Request) *Response {
	res := &Response{Status: http.StatusNoContent, Key: r.Key(), Version: head.Version, Modified: head.Time}
	if preferred(r.Header, "return") == "OperationOutcome" {
		res.Status, res.Body = http.StatusOK, inform("%s was not there", name(r)).JSON()
	}
	return res
}

// referring is a field of a type that may refer to another.
type referring struct{ typ, field string }

// references are the fields by which resources refer to others, as the search parameters name them.
type references struct {
	to  map[string][]referring // by the type referred to
	any []referring            // to whatever type
}

func referrers(c *search.Catalog) references {
	refs := references{to: map[string][]referring{}}
	for _, typ := range fhirmap.ResourceTypes() {
		if typ == "AuditEvent" { // it tells what was done to a resource, and outlives it
			continue
		}
		for _, p := range c.For(typ) {
			if p.Type != "reference" {
				continue
			}
			for _, field := range p.Fields { // parameters share fields: patient reads subject's
				at := referring{typ, field}
				if len(p.Targets) == 0 {
					refs.any = append(refs.any, at)
				}
				for _, target := range p.Targets {
					if !slices.Contains(refs.to[target], at) {
						refs.to[target] = append(refs.to[target], at)
					}
				}
			}
		}
	}
	return refs
}

// each calls fn with the search for the records that refer to k by each field in turn, which may read so many rows.
func (refs references) each(k driver.Key, budget int, fn func(driver.Find) error) error {
	for _, at := range slices.Concat(refs.to[k.Type], refs.any) {
		where := driver.Query(driver.Lookup{Field: at.field, Op: driver.EQUAL, Values: []driver.Value{driver.Point(k.Ref())}})
		if at.typ == k.Type { // a resource may refer to itself
			where = driver.And{where, driver.Not{Of: driver.IDs{k.ID}}}
		}
		if err := fn(driver.Find{Type: at.typ, Where: where, Bare: true, Budget: budget}); err != nil && !errors.Is(err, storage.ErrForbidden) {
			return err
		}
	}
	return nil
}

// free refuses the deletion of what others refer to, whoever may see them. Of those that the caller may not see it says only that there are.
func (refs references) free(tx *storage.Tx, k driver.Key, l Limits) error {
	if err := refs.seen(tx, k, l); err != nil {
		return err
	}
	return refs.each(k, l.Within, func(f driver.Find) error {
		if narrowed, err := tx.Narrowed(f); err == nil && !narrowed {
			return nil // all was seen
		}
		held, err := tx.Holds(f)
		if err == nil && held {
			err = fhirmap.Errorf(fhirmap.CodeConflict, "", "%s is referred to by what you may not see; it cannot be deleted before that is changed", k)
		}
		return err
	})
}

// seen refuses the deletion of what others refer to that the caller may see, and names how many of each type do.
func (refs references) seen(tx *storage.Tx, k driver.Key, l Limits) error {
	found := map[driver.Key]bool{}
	err := refs.each(k, l.Within, func(f driver.Find) error {
		for hit, err := range tx.Find(f) {
			if err != nil {
				return err
			}
			if found[hit.Key] = true; len(found) > 1000 {
				break
			}
		}
		return nil
	})
	if err != nil || len(found) == 0 {
		return err
	}
	by := map[string]int{}
	for key := range found {
		by[key.Type]++
	}
	var names []string
	for typ, n := range by {
		names = append(names, fmt.Sprintf("%d %s", n, typ))
	}
	slices.Sort(names)
	return fhirmap.Errorf(fhirmap.CodeConflict, "", "%s is referred to by %s; change or delete these first", k, strings.Join(names, ", "))
}

// sweep deletes all that refers to k, and what refers to that, but not k itself.
func (refs references) sweep(tx *storage.Tx, k driver.Key, l Limits) error {
	doomed, heads := map[driver.Key]bool{k: true}, []driver.Record(nil)
	for queue := []driver.Key{k}; len(queue) > 0; queue = queue[1:] {
		err := refs.each(queue[0], l.Within, func(f driver.Find) error {
			for hit, err := range tx.Find(f) {
				if err != nil {
					return err
				}
				if doomed[hit.Key] {
					continue
				}
				if len(heads) == l.Cascade {
					return fhirmap.Errorf(fhirmap.CodeTooCostly, "",
						"_cascade=delete of %s would delete more than %d resources; delete some of them first", k, l.Cascade)
				}
				doomed[hit.Key] = true
				heads = append(heads, hit.Record)
				queue = append(queue, hit.Key)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, head := range heads {
		if _, err := tx.Delete(head.Key, head.Version); err != nil {
			return err
		}
	}
	return nil
}
