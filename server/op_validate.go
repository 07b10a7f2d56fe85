package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// validation is what $validate was asked.
type validation struct {
	mode     string
	profile  string
	resource *fhirmap.Resource // nil: none was given, or one that is not valid
	given    bool
	wrong    *fhirmap.Outcome // with the structure of the resource
}

// validate is $validate (R4 resource-operation-validate.html): whether a resource is valid, and whether the interaction that mode names would
// take it. What is wrong with the resource is a 200, with an OperationOutcome that tells; what is wrong with the request is none.
// Nothing is written.
func validate(c *Config, from references) Interaction {
	return func(tx *storage.Tx, r *Request) (*Response, error) {
		v, err := validationOf(r)
		if err != nil {
			return nil, err
		}
		if v.profile != "" {
			return nil, refuse(http.StatusUnprocessableEntity, fhirmap.CodeNotSupported,
				"resources are not validated against profiles here; leave %s out, and the structure of R4 is checked", clip(v.profile))
		}
		found := v.wrong
		if found == nil {
			if err = v.would(c, from, tx, r); err != nil {
				refused, unknown := explain(err)
				if unknown {
					return nil, err
				}
				found = refused.outcome
			}
		}
		if found == nil {
			found = inform("the resource is valid")
			if v.mode == "delete" {
				found = inform("%s may be deleted", r.Key())
			}
		}
		return &Response{Status: http.StatusOK, Body: found.JSON()}, nil
	}
}

// would judges what the interaction of the mode would, without its body.
func (v *validation) would(c *Config, from references, tx *storage.Tx, r *Request) error {
	if v.resource != nil && v.resource.Type() != r.Type {
		return fhirmap.Errorf(fhirmap.CodeInvalid, v.resource.Type(), "the resource is of type %s; it must be %s", v.resource.Type(), r.Type)
	}
	if v.mode == "" || v.mode == "create" {
		return nil
	}
	if r.ID == "" {
		return refuse(http.StatusBadRequest, fhirmap.CodeRequired, "mode %s is asked for on a resource: %s/[id]/$validate", v.mode, r.Type)
	}
	head, err := tx.Head(r.Key())
	if err != nil && !errors.Is(err, driver.ErrNotFound) {
		return err
	}
	there := head.Version > 0 && !head.Deleted
	switch {
	case v.mode == "delete" && !there:
		return fmt.Errorf("%s: %w", r.Key(), driver.ErrNotFound)
	case v.mode == "delete" && c.Policy.Referential:
		return from.seen(tx, r.Key(), c.Limits)
	case v.mode == "delete":
		return nil
	case v.resource.ID() != r.ID:
		return fhirmap.Errorf(fhirmap.CodeInvalid, r.Type+".id", "the resource has the id %q; it must be %s, as in the URL", clip(v.resource.ID()), r.ID)
	case head.Version == 0 && c.Policy.NoClientIDs:
		return fhirmap.Errorf(fhirmap.CodeNotSupported, r.Type+".id", "%s does not exist, and ids are given by this server", r.Key())
	}
	return nil
}

// validationOf reads the request: a bare resource with mode and profile in the query, or Parameters with all three.
func validationOf(r *Request) (*validation, error) {
	if err := r.known("mode", "profile"); err != nil {
		return nil, err
	}
	v := &validation{}
	var err error
	if v.mode, err = r.one("mode"); err == nil {
		v.profile, err = r.one("profile")
	}
	if err != nil {
		return nil, err
	}
	if err := v.read(r); err != nil {
		return nil, err
	}
	switch v.mode {
	case "", "create", "update", "delete":
	case "profile":
		if v.profile == "" {
			return nil, fhirmap.Errorf(fhirmap.CodeRequired, "", "mode profile needs a profile")
		}
	default:
		return nil, fhirmap.Errorf(fhirmap.CodeValue, "", "mode %s is not known; create, update, delete and profile are", clip(v.mode))
	}
	if !v.given && v.mode != "delete" {
		return nil, fhirmap.Errorf(fhirmap.CodeRequired, "", "there is no resource to validate; send one, alone or in Parameters as resource")
	}
	return v, nil
}

// read parses the body.
func (v *validation) read(r *Request) error {
	if len(r.Body) == 0 {
		return nil
	}
	res, err := fhirmap.Parse(r.Body, r.Limits)
	var wrong *fhirmap.Outcome
	if err != nil && !errors.As(err, &wrong) {
		return err
	}
	var head struct {
		ResourceType string
		Parameter    []struct{ Name string }
	}
	if err := json.Unmarshal(r.Body, &head); err != nil && wrong != nil {
		return wrong // no JSON, or none that says what it is
	}
	if head.ResourceType != "Parameters" || r.Type == "Parameters" && !isValidation(head.Parameter) {
		v.given, v.resource, v.wrong = true, res, wrong
		return nil
	}
	if wrong != nil {
		return v.within(wrong, r.Type)
	}
	for p := range res.Root().Each("parameter") {
		switch name := p.String("name"); name {
		case "resource":
			if e := p.First("resource"); e != nil {
				v.given, v.resource = true, res.Inner(e)
			}
		case "mode":
			v.mode = p.String("value")
		case "profile":
			v.profile = p.String("value")
		default:
			return fhirmap.Errorf(fhirmap.CodeNotSupported, "Parameters.parameter", "the parameter %s is not known; resource, mode and profile are", clip(name))
		}
	}
	return nil
}

// isValidation tells Parameters of the operation from Parameters to be validated.
func isValidation(parameters []struct{ Name string }) bool {
	for _, p := range parameters {
		if p.Name == "resource" {
			return true
		}
	}
	return false
}

// within takes what is wrong with Parameters for what is wrong with the resource in them, if it is.
func (v *validation) within(wrong *fhirmap.Outcome, typ string) error {
	v.given, v.wrong = true, &fhirmap.Outcome{}
	for _, is := range wrong.Issues {
		_, rest, inside := strings.Cut(is.Expression, "].resource")
		if !inside || !strings.HasPrefix(is.Expression, "Parameters.parameter[") {
			return wrong
		}
		is.Expression = typ + rest
		v.wrong.Issues = append(v.wrong.Issues, is)
	}
	return nil
}
