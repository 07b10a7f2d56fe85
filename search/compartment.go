package search

import (
	"maps"
	"slices"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/storage/driver"
)

// Members lists the resource types that may lie in a compartment, sorted (R4 section 2.10). It is nil for a type that has none: only
// Device, Encounter, Patient, Practitioner and RelatedPerson have.
func Members(owner string) []string {
	c := compartmentOf(owner)
	if c == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(c.Resources))
}

// Owners lists the types that have a compartment, sorted.
func Owners() []string {
	var out []string
	for _, c := range r4.Compartments {
		out = append(out, c.Code)
	}
	slices.Sort(out)
	return out
}

func compartmentOf(owner string) *r4.Compartment {
	i := slices.IndexFunc(r4.Compartments, func(c r4.Compartment) bool { return c.Code == owner })
	if i < 0 {
		return nil
	}
	return &r4.Compartments[i]
}

// ownWord is the published word for the owner of a compartment where parameters are listed.
const ownWord = "{def}"

// compartment asks for what of a type lies in the compartment of a resource.
func (c *edition) compartment(owner driver.Key, typ string) (driver.Query, bool) {
	of := compartmentOf(owner.Type)
	if of == nil {
		return nil, false
	}
	codes, member := of.Resources[typ]
	s := c.types[typ]
	if !member || s == nil {
		return nil, false
	}
	here := driver.Point(owner.Ref())
	if owner.Type == "Patient" {
		return driver.Lookup{Field: patientField, Op: driver.EQUAL, Values: []driver.Value{here}}, true
	}
	var out driver.Or
	var fields []string
	for _, code := range codes {
		if code == ownWord {
			out = append(out, driver.IDs{owner.ID})
			continue
		}
		if p := s.params[code]; p != nil {
			fields = append(fields, p.refersBy(owner.Type)...)
		}
	}
	slices.Sort(fields)
	for _, field := range slices.Compact(fields) {
		out = append(out, driver.Lookup{Field: field, Op: driver.EQUAL, Values: []driver.Value{here}})
	}
	if len(out) == 1 {
		return out[0], true
	}
	return out, true
}
