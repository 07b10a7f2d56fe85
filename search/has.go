package search

import (
	"slices"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// hasStep begins a reverse chain, _has:Observation:patient:code: what some Observation refers to as its patient and whose code is that
// (R4 3.1.1.5.0.2). What follows the reference is a parameter of the type that refers, or more steps.
const hasStep = "_has:"

// has translates what follows hasStep.
func (a *ask) has(rest string, end leaf) (driver.Query, *fhirmap.Outcome) {
	typ, rest, _ := strings.Cut(rest, ":")
	code, inner, ok := strings.Cut(rest, ":")
	switch {
	case !ok || inner == "":
		return nil, a.fail(fhirmap.CodeNotSupported, "_has is written _has:[type]:[reference]:[parameter], like _has:Observation:patient:code")
	case !fhirmap.IsResource(typ):
		return nil, a.fail(fhirmap.CodeNotSupported, "%q is no resource type; write _has:[type]:[reference]:[parameter]", typ)
	}
	from, err := a.at(typ)
	if err != nil {
		return nil, err
	}
	p, err := from.pointer(code)
	if err == nil && !slices.Contains(p.leadsTo(), a.schema.typ) {
		err = a.fail(fhirmap.CodeNotSupported, "%s of %s does not refer to a %s; these do: %s", code, typ, a.schema.typ, listed(from.schema.pointersTo(a.schema.typ)))
	}
	var where driver.Query
	if err == nil {
		where, err = from.reach(inner, end)
	}
	if err != nil {
		a.absent = from.absent
		return nil, err
	}
	var out driver.Or
	for _, field := range p.refersBy(a.schema.typ) {
		out = append(out, driver.Referred{Type: typ, Field: field, Where: where})
	}
	if len(out) == 1 {
		return out[0], nil
	}
	return out, nil
}

// pointersTo lists the reference parameters that may lead to a type.
func (s *schema) pointersTo(typ string) []string {
	return slices.DeleteFunc(s.pointers(), func(code string) bool { return !slices.Contains(s.params[code].leadsTo(), typ) })
}
