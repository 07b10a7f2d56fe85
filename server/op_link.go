package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// linked is what $link-identifier and $unlink-identifier are about: an identifier of a source.
type linked struct {
	System string `json:"system"`
	Value  string `json:"value"`
}

// linkIdentifier is $link-identifier: a Patient or Practitioner is known by a source under a value from now on. The body is Parameters with source,
// which is the name of a source or the URI of an identifier system, and value. It answers Parameters with result: true if the identifier was
// added, false if it was there already, or is another's.
//
// A system becomes a source, and its values unique, when the first is linked. For that a caller must see all of the type, since it is told
// whether two have one value; and whoever can write may find out, from then on, that a value of a source is taken.
func linkIdentifier(c *Config) Preparation {
	return func(tx *storage.Tx, r *Request) (Plan, error) {
		l, err := c.linkOf(tx, r)
		if err != nil {
			return Plan{}, err
		}
		if err := c.sourced(tx, r, l.System); err != nil {
			return Plan{}, err
		}
		plan, err := edit(c, func(r *Request, before *fhirmap.Resource) (*fhirmap.Resource, error) {
			if l.at(before) >= 0 {
				return before, nil
			}
			where, value := "/identifier/-", any(l)
			if before.Root().First("identifier") == nil {
				where, value = "/identifier", []any{l}
			}
			return l.patched(before, r, "add", where, value)
		}, result(false))(tx, r)
		return changed(plan), err
	}
}

// unlinkIdentifier is $unlink-identifier: it takes back what $link-identifier did. It answers false if that resource has no such identifier.
func unlinkIdentifier(c *Config) Preparation {
	return func(tx *storage.Tx, r *Request) (Plan, error) {
		l, err := c.linkOf(tx, r)
		if err != nil {
			return Plan{}, err
		}
		plan, err := edit(c, func(r *Request, before *fhirmap.Resource) (*fhirmap.Resource, error) {
			after := before
			for at := l.at(after); at >= 0 && err == nil; at = l.at(after) {
				where := "/identifier/" + strconv.Itoa(at)
				if countOf(after, "identifier") == 1 { // FHIR has no empty lists
					where = "/identifier"
				}
				after, err = l.patched(after, r, "remove", where, nil)
			}
			return after, err
		}, result(false))(tx, r)
		return changed(plan), err
	}
}

// changed makes a plan answer true if it changes something, and false if that is another's.
func changed(p Plan) Plan {
	if p.Answer != nil || p.Confirm == nil {
		return p
	}
	confirm := p.Confirm
	p.Confirm = func(tx *storage.Tx, r *Request) (*Response, error) {
		_, err := confirm(tx, r)
		if err != nil && !errors.Is(err, driver.ErrTaken) {
			return nil, err
		}
		return result(err == nil)(driver.Record{}, r)
	}
	return p
}

// result answers Parameters with a boolean.
func result(is bool) func(driver.Record, *Request) (*Response, error) {
	return func(driver.Record, *Request) (*Response, error) {
		body := `{"resourceType":"Parameters","parameter":[{"name":"result","valueBoolean":` + strconv.FormatBool(is) + `}]}`
		return &Response{Status: http.StatusOK, Body: []byte(body)}, nil
	}
}

// mostLinked is how long the name of a source and a value may be, in bytes: a source is kept for good.
const mostLinked = 1024

// linkOf reads the body.
func (c *Config) linkOf(tx *storage.Tx, r *Request) (linked, error) {
	simple, parts, err := input(r)
	if err != nil {
		return linked{}, err
	}
	if len(parts) > 0 {
		return linked{}, unknownPart(parts[0], "source, value")
	}
	given := map[string]string{}
	for _, p := range simple {
		if p.Name != "source" && p.Name != "value" || given[p.Name] != "" {
			return linked{}, fhirmap.Errorf(fhirmap.CodeNotSupported, "Parameters.parameter", "the parameter %q is not known here, or given twice; known are source and value", clip(p.Name))
		}
		given[p.Name] = p.Value
	}
	for _, name := range []string{"source", "value"} {
		if strings.TrimSpace(given[name]) == "" {
			return linked{}, fhirmap.Errorf(fhirmap.CodeRequired, "Parameters.parameter", "the Parameters must have a parameter named %s with a valueString", name)
		}
		if n := len(given[name]); n > mostLinked {
			return linked{}, fhirmap.Errorf(fhirmap.CodeTooLong, "Parameters.parameter", "%s has %d bytes; %d are the most", name, n, mostLinked)
		}
	}
	system, err := c.systemOf(tx, given["source"])
	return linked{System: system, Value: given["value"]}, err
}

// sourced makes sure that a system is a source. If it was none before, what this request has read is from before: it is prepared again.
func (c *Config) sourced(tx *storage.Tx, r *Request, system string) error {
	ready, err := c.Sources.ready(tx, system)
	if ready || err != nil {
		return err
	}
	narrowed, err := tx.Narrowed(driver.Find{Type: r.Type})
	if err != nil {
		return err
	}
	if narrowed {
		return fhirmap.Errorf(fhirmap.CodeForbidden, "Parameters.parameter", "%s is no source yet; one who may see every %s can make it one", clip(system), r.Type)
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.Limits.Deadline)
	defer cancel()
	if err := c.Sources.add(ctx, system); err != nil {
		return err
	}
	return storage.ErrStale
}

// at is where a resource has the identifier, -1 if it has not.
func (l linked) at(r *fhirmap.Resource) int {
	n := 0
	for i := range r.Root().Each("identifier") {
		if i.String("system") == l.System && i.String("value") == l.Value {
			return n
		}
		n++
	}
	return -1
}

func countOf(r *fhirmap.Resource, name string) (n int) {
	for range r.Root().Each(name) {
		n++
	}
	return n
}

func (l linked) patched(before *fhirmap.Resource, r *Request, op, path string, value any) (*fhirmap.Resource, error) {
	p := patchOperation{Op: op, Path: path}
	var err error
	if value != nil {
		if p.Value, err = json.Marshal(value); err != nil {
			return nil, err
		}
	}
	document, err := json.Marshal([]patchOperation{p})
	if err != nil {
		return nil, err
	}
	return fhirmap.JSONPatch(before, document, r.Limits)
}
