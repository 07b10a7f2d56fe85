package oracle

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hob-fhir/hob/conformance/r4"
)

// holds tells whether one parameter of a search URL, name and value, holds for a resource. The name may lead to other resources, forward
// by a chain (subject:Patient.name, R4 3.1.1.5.0.1) and backward by _has (_has:Observation:patient:code, R4 3.1.1.5.0.2): then of one of them
// what follows must hold.
func (f *facts) holds(resource map[string]any, name, value string) bool {
	if rest, ok := strings.CutPrefix(name, "_has:"); ok {
		parts := strings.SplitN(rest, ":", 3)
		for _, from := range f.of(parts[0]) {
			to := func(l link) bool { return l.typ == resource["resourceType"] && l.id == resource["id"] }
			if slices.ContainsFunc(f.links(from, parts[1]), to) && f.holds(from, parts[2], value) {
				return true
			}
		}
		return false
	}
	if step, rest, ok := strings.Cut(name, "."); ok {
		code, typ, _ := strings.Cut(step, ":")
		for _, l := range f.links(resource, code) {
			to := f.resources[l.typ+"/"+l.id]
			if to != nil && (typ == "" || l.typ == typ) && f.takes(l.typ, rest) && f.holds(to, rest, value) {
				return true
			}
		}
		return false
	}
	code, modifier, _ := strings.Cut(name, ":")
	p := f.param(resource["resourceType"].(string), code)
	elements := selected(p.Expression, resource, node{value: resource})
	switch modifier {
	case "missing":
		return value == fmt.Sprint(!f.present(p, elements))
	case "not":
		return !f.any(p, elements, resource, "", value)
	case "not-in":
		return !f.any(p, elements, resource, "in", value)
	}
	return f.any(p, elements, resource, modifier, value)
}

// links are the resources of this server that a parameter points to, of the types that it may point to.
func (f *facts) links(resource map[string]any, code string) (all []link) {
	p := f.param(resource["resourceType"].(string), code)
	for _, e := range selected(p.Expression, resource, node{value: resource}) {
		if l, ok := linkOf(e, f.base); ok && l.id != "" && l.canonical == "" && !e.has("resourceType") && slices.Contains(p.Target, l.typ) {
			all = append(all, l)
		}
	}
	return all
}

// compartment lists the resources of a type that the published definition of a compartment puts into that of one owner; nil if the type is
// never in it.
func (f *facts) compartment(typ, owner, id string) []map[string]any {
	i := slices.IndexFunc(r4.Compartments, func(c r4.Compartment) bool { return c.Code == owner })
	codes := r4.Compartments[i].Resources[typ]
	if codes == nil {
		return nil
	}
	members := []map[string]any{}
	for _, r := range f.of(typ) {
		in := typ == owner && r["id"] == id
		for _, code := range codes {
			in = in || code != "{def}" && slices.ContainsFunc(f.links(r, code), func(l link) bool { return l.typ == owner && l.id == id })
		}
		if in {
			members = append(members, r)
		}
	}
	return members
}

// ways are the modifiers of each type of parameter.
var ways = map[string][]string{
	"token":     {"missing", "text", "not", "of-type", "in", "not-in", "below", "above"},
	"string":    {"missing", "exact", "contains"},
	"reference": {"missing", "identifier", "below", "above", "[type]"},
	"uri":       {"missing", "below", "above"},
	"date":      {"missing"},
	"number":    {"missing"},
	"quantity":  {"missing"},
	"composite": {},
}

// takes tells whether a type has what a chain without a type goes on with.
func (f *facts) takes(typ, name string) bool {
	if strings.HasPrefix(name, "_has:") {
		return true
	}
	step, _, chained := strings.Cut(name, ".")
	code, modifier, _ := strings.Cut(step, ":")
	p := f.param(typ, code)
	switch {
	case p == nil:
		return false
	case chained:
		return p.Type == "reference"
	case modifier == "" || modifier == "missing" && p.Type != "composite" && code != "_id":
		return true
	case modifier[0] >= 'A' && modifier[0] <= 'Z':
		return p.Type == "reference" && slices.Contains(p.Target, modifier)
	}
	return slices.Contains(ways[p.Type], modifier)
}
