package fhirmap

import (
	"encoding/json"
	"time"
)

// The mappings between FHIR and other shapes stand in one file each: a plain struct, an XOf that reads it from a Resource, and a Resource
// that makes one of it. What they have in common is here.

// build makes a resource of a value that encodes as its JSON.
func build(v any) (*Resource, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return Parse(body, Limits{})
}

// isType refuses a resource of another type.
func isType(r *Resource, typ string) error {
	if r.Type() != typ {
		return Errorf(CodeInvalid, r.Type(), "%s is given; it must be %s", r.Type(), typ)
	}
	return nil
}

// updatedOf is meta.lastUpdated, zero if there is none.
func updatedOf(r *Resource) time.Time {
	t, _ := time.Parse(time.RFC3339, r.Meta().String("lastUpdated"))
	return t
}
