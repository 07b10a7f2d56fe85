package server

import (
	"encoding/base64"
	"mime"
	"net/http"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// JSONPatch is the media type of JSON Patch (RFC 6902).
const JSONPatch = "application/json-patch+json"

// patchTypes is what the Accept-Patch header says.
const patchTypes = JSONPatch + ", " + FHIR

// patch is the patch interaction (R4 http.html, patch): a JSON Patch, or a FHIRPath Patch in Parameters.
func patch(c *Config) Preparation {
	return edit(c, func(r *Request, before *fhirmap.Resource) (*fhirmap.Resource, error) {
		if r.Patch != nil {
			return fhirmap.JSONPatch(before, r.Patch, r.Limits)
		}
		parameters, err := r.Resource("Parameters")
		if err != nil {
			return nil, err
		}
		return fhirmap.FHIRPathPatch(before, parameters, r.Limits)
	}, updated)
}

// patchWhere is the conditional patch (R4 http.html, patch).
func patchWhere(c *Config, plain Preparation) Preparation {
	return func(tx *storage.Tx, r *Request) (Plan, error) {
		cr, err := c.criteriaOf(tx, r.Type, r.Query)
		if err != nil {
			return Plan{}, err
		}
		k, err := cr.one(tx, nil)
		if err != nil {
			return Plan{}, err
		}
		one, err := patchOne(r, cr, k)
		if err != nil {
			return Plan{}, err
		}
		plan, err := plain(tx, one)
		return cr.guard(plan), err
	}
}

// patchOne makes a conditional patch one of the resource that was found.
func patchOne(r *Request, cr *criteria, found driver.Key) (*Request, error) {
	if found.ID == "" {
		return nil, refuse(http.StatusNotFound, fhirmap.CodeNotFound, "no %s matches %s; there is nothing to patch", r.Type, clip(cr.query))
	}
	one := *r
	one.ID, one.Query = found.ID, nil
	return &one, nil
}

// isJSONPatch reads a Content-Type.
func isJSONPatch(contentType string) bool {
	kind, params, err := mime.ParseMediaType(contentType)
	cs := params["charset"]
	return err == nil && kind == JSONPatch && (cs == "" || strings.EqualFold(cs, "utf-8"))
}

// unwrapPatch takes a JSON Patch out of the Binary in which an entry of a Bundle holds it (R4 http.html, patch).
func (e *entry) unwrapPatch() error {
	if e.parsed == nil || e.parsed.Type() != "Binary" {
		return nil
	}
	root := e.parsed.Root()
	if kind := root.String("contentType"); !isJSONPatch(kind) {
		return fhirmap.Errorf(fhirmap.CodeNotSupported, "Binary.contentType",
			"the contentType %s is no patch; a Binary holds %s, and a FHIRPath Patch is a Parameters resource", clip(kind), JSONPatch)
	}
	body, err := base64.StdEncoding.DecodeString(unbroken(root.String("data")))
	if err != nil {
		return fhirmap.Errorf(fhirmap.CodeValue, "Binary.data", "the data is no base64: %v", err)
	}
	e.req.Patch = body
	return nil
}
