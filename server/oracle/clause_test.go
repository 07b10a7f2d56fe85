package oracle

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hob-fhir/hob/conformance/r4"
)

// facts are all that the oracle knows: the resources as the server served them, and what is published of R4.
type facts struct {
	resources map[string]map[string]any   // by Type/id
	sorted    map[string][]map[string]any // by type, in the order of the ids; forgotten when a resource changes
	params    []r4.SearchParameter
	found     map[string]*r4.SearchParameter // what param found
	base      string                         // of the server
	zone      *time.Location
	now       time.Time
}

// of lists the resources of a type.
func (f *facts) of(typ string) []map[string]any {
	if f.sorted == nil {
		f.sorted = map[string][]map[string]any{}
		for _, k := range slices.Sorted(maps.Keys(f.resources)) {
			typ, _, _ := strings.Cut(k, "/")
			f.sorted[typ] = append(f.sorted[typ], f.resources[k])
		}
	}
	return f.sorted[typ]
}

// param finds the definition of a code for a type; nil if there is none that an element answers.
func (f *facts) param(typ, code string) *r4.SearchParameter {
	key := typ + "." + code
	if p, ok := f.found[key]; ok {
		return p
	}
	var p *r4.SearchParameter
	i := slices.IndexFunc(f.params, func(p r4.SearchParameter) bool {
		return p.Code == code && !p.Example && p.Expression != "" &&
			(slices.Contains(p.Base, typ) || slices.Contains(p.Base, "Resource") || slices.Contains(p.Base, "DomainResource"))
	})
	if i >= 0 {
		p = &f.params[i]
	}
	f.found[key] = p
	return p
}

func (f *facts) defined(url string) *r4.SearchParameter {
	i := slices.IndexFunc(f.params, func(p r4.SearchParameter) bool { return p.URL == url })
	return &f.params[i]
}

// any tells whether some element is some value of the list.
func (f *facts) any(p *r4.SearchParameter, elements []node, resource map[string]any, modifier, value string) bool {
	for _, v := range split(value, ',') {
		for _, e := range elements {
			if f.is(p, e, resource, modifier, v) {
				return true
			}
		}
	}
	return false
}

// is tells whether one element is one value.
func (f *facts) is(p *r4.SearchParameter, e node, resource map[string]any, modifier, value string) bool {
	switch p.Type {
	case "token":
		if p.Code == "_id" {
			return e.text() == plain(value)
		}
		found, texts := tokens(e)
		if e.text() != "" && len(found) == 1 { // a code, which is from the system that its element is bound to
			found[0].implied = implied[fmt.Sprint(resource["resourceType"], ".", p.Code)]
		}
		switch modifier {
		case "text":
			return slices.ContainsFunc(texts, func(s string) bool { return strings.HasPrefix(s, normal(plain(value))) })
		case "in":
			return f.anyConcept(found, f.expansion(plain(value)))
		case "below":
			return f.anyConcept(found, f.below(value))
		case "above":
			return f.anyConcept(found, f.above(value))
		case "of-type":
			return slices.ContainsFunc(found, func(t token) bool { return t.isOfType(value) })
		}
		return slices.ContainsFunc(found, func(t token) bool { return t.is(value) })
	case "string":
		return slices.ContainsFunc(phrases(e), func(s phrase) bool { return s.is(modifier, value) })
	case "date":
		s, ok := span(e, f.zone)
		prefix, text := prefixOf(plain(value))
		from, to, _, good := moment(text, f.zone)
		return ok && good && s.during(prefix, nanos(from), nanos(to), nanos(f.now))
	case "number":
		v, ok := numberOf(e)
		prefix, text := prefixOf(plain(value))
		n, good := parseNumber(text)
		return ok && good && v.compare(prefix, n)
	case "quantity":
		q, ok := quantityOf(e)
		return ok && q.is(value)
	case "reference":
		l, ok := linkOf(e, f.base)
		if modifier == "identifier" {
			return slices.ContainsFunc(l.identifier, func(t token) bool { return t.is(value) })
		}
		if want := plain(value); modifier == "below" || modifier == "above" { // by the number of the version
			return l.canonical == want || modifier == "below" && strings.HasPrefix(l.canonical, want+".") ||
				modifier == "above" && l.version != "" && strings.HasPrefix(want, l.canonical+".")
		}
		return ok && l.is(value, modifier, f.base)
	case "uri":
		return uriIs(e.text(), modifier, plain(value))
	case "composite":
		for i, part := range split(value, '$') {
			below, q := f.component(p.Components[i], resource, e)
			if !f.any(q, below, resource, "", part) {
				return false
			}
		}
		return true
	}
	panic("the oracle does not know " + p.Type)
}

var castAway = regexp.MustCompile(`\.as\(\w+\)`)

// component returns what a part of a composite is compared with: of all that its parameter selects what stands where the part's own
// expression leads from one element of the composite (docs/decisions/0019).
func (f *facts) component(c r4.Component, resource map[string]any, at node) (elements []node, p *r4.SearchParameter) {
	p = f.defined(c.Definition)
	switch c.Definition { // published the wrong way round
	case "http://hl7.org/fhir/SearchParameter/DocumentReference-relatesto":
		c.Expression = "target"
	case "http://hl7.org/fhir/SearchParameter/DocumentReference-relation":
		c.Expression = "code"
	}
	path, _, _ := strings.Cut(castAway.ReplaceAllString(c.Expression, ""), " | ") // its alternatives differ in their types alone
	places := selected(path, resource, at)
	for _, e := range selected(p.Expression, resource, node{value: resource}) {
		if slices.ContainsFunc(places, func(n node) bool { return e.path == n.path || strings.HasPrefix(e.path, n.path+".") }) {
			elements = append(elements, e)
		}
	}
	return elements, p
}

// present tells whether a parameter has any value (R4 3.1.1.4.5).
func (f *facts) present(p *r4.SearchParameter, elements []node) bool {
	return slices.ContainsFunc(elements, func(e node) bool {
		ok := false
		switch p.Type {
		case "token":
			found, texts := tokens(e)
			ok = len(found)+len(texts) > 0
		case "string":
			ok = len(phrases(e)) > 0
		case "date":
			_, ok = span(e, f.zone)
		case "number":
			_, ok = numberOf(e)
		case "quantity":
			_, ok = quantityOf(e)
		case "reference":
			_, ok = linkOf(e, f.base)
		case "uri":
			ok = e.text() != ""
		}
		return ok
	})
}
