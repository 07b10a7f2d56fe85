package server

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// filter is $filter on a type: a search by lookups on raw values, all of which must hold; none finds everything. The body is Parameters:
//
//	{"resourceType": "Parameters", "parameter": [{"name": "lookup", "part": [
//	  {"name": "field", "valueString": "name"},
//	  {"name": "operator", "valueCode": "IN"},
//	  {"name": "value", "valueString": "Joe"},
//	  {"name": "value", "valueString": "Jane"}]}]}
//
// By GET, as in the links to other pages, a lookup is written lookup=name|IN|Joe,Jane with a backslash before a comma or a backslash
// within a value. Beside the lookups stand all parameters of a search on the type, which must hold too, and _sort, _count and so on.
//
// What the rows cannot tell, such as the case of a code, is looked up in each record that they narrow to: within the walk, so that pages
// are full, and totals those of the hits.
func filter(c *Config, p *pages) Interaction {
	return func(tx *storage.Tx, r *Request) (*Response, error) {
		lookups, rest, err := lookupsOf(r)
		if err != nil {
			return nil, err
		}
		raw, err := c.Catalog.Lookups(r.Type, lookups)
		if err != nil {
			return nil, err
		}
		s, walk, err := asked(tx, c, p, r, rest, func(s *search.Search) walk {
			self := make([]search.Pair, 0, len(lookups)+len(s.Self))
			for _, l := range lookups {
				self = append(self, lookupPair(l))
			}
			return newWalk(r, "/"+r.Type+"/$filter", encode(append(self, s.Self...)))
		})
		if err != nil {
			return nil, err
		}
		switch {
		case s.Where == nil:
			s.Where = raw.Where
		case raw.Where != nil:
			s.Where = driver.And{raw.Where, s.Where}
		}
		var is verdict
		if !raw.Exact() {
			is = func(tx *storage.Tx, found driver.Hit) (bool, error) {
				return raw.Holds(found.Body, func() (time.Time, bool, error) { return created(tx, found.Key) })
			}
		}
		return results(tx, c, p, r, s, walk, is)
	}
}

// created is when version 1 was written, false if it is not there any more or not for the caller.
func created(tx *storage.Tx, k driver.Key) (time.Time, bool, error) {
	rec, err := tx.Version(k, 1)
	if errors.Is(err, driver.ErrNotFound) {
		return time.Time{}, false, nil
	}
	return rec.Time, err == nil, err
}

// lookupsOf reads the lookups of a request, and what else it says.
func lookupsOf(r *Request) (lookups []search.Lookup, rest []search.Pair, err error) {
	simple, parts, err := input(r)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range simple {
		if p.Name != "lookup" {
			rest = append(rest, p)
			continue
		}
		l, err := lookupOf(p.Value)
		if err != nil {
			return nil, nil, err
		}
		lookups = append(lookups, l)
	}
	for _, p := range parts {
		if p.String("name") != "lookup" {
			return nil, nil, unknownPart(p, "lookup, and the parameters of a search")
		}
		var l search.Lookup
		for part := range p.Each("part") {
			v := part.First("value")
			if v == nil || !v.Value {
				return nil, nil, fhirmap.Errorf(fhirmap.CodeValue, "Parameters.parameter.part", "the part %q of a lookup has no simple value; write it as valueString",
					clip(part.String("name")))
			}
			switch name := part.String("name"); {
			case name == "field" && l.Field == "":
				l.Field = v.Text
			case name == "operator" && l.Op == "":
				l.Op = driver.Op(v.Text)
			case name == "value":
				l.Values = append(l.Values, v.Text)
			case name == "field" || name == "operator":
				return nil, nil, fhirmap.Errorf(fhirmap.CodeValue, "Parameters.parameter.part", "a lookup has two parts named %s; give one", name)
			default:
				return nil, nil, fhirmap.Errorf(fhirmap.CodeNotSupported, "Parameters.parameter.part", "a lookup has no part %q; its parts are field, operator and value",
					clip(name))
			}
		}
		lookups = append(lookups, l)
	}
	return lookups, rest, nil
}

// lookupPair writes a lookup as the parameter of a URL.
func lookupPair(l search.Lookup) search.Pair {
	values := slices.Clone(l.Values)
	for i, v := range values {
		values[i] = escapeValue.Replace(v)
	}
	return search.Pair{Name: "lookup", Value: l.Field + "|" + string(l.Op) + "|" + strings.Join(values, ",")}
}

var escapeValue = strings.NewReplacer(`\`, `\\`, `,`, `\,`)

// lookupOf reads what lookupPair writes. A backslash before anything else stands for itself.
func lookupOf(s string) (search.Lookup, error) {
	field, rest, _ := strings.Cut(s, "|")
	op, values, whole := strings.Cut(rest, "|")
	if !whole {
		return search.Lookup{}, fhirmap.Errorf(fhirmap.CodeValue, "http.lookup",
			"lookup=%s is not field|operator|value, as in lookup=name|IN|Joe,Jane", clip(s))
	}
	l := search.Lookup{Field: field, Op: driver.Op(op)}
	var b strings.Builder
	for i := 0; i < len(values); i++ {
		switch {
		case values[i] == '\\' && i+1 < len(values) && (values[i+1] == ',' || values[i+1] == '\\'):
			i++
			b.WriteByte(values[i])
		case values[i] == ',':
			l.Values = append(l.Values, b.String())
			b.Reset()
		default:
			b.WriteByte(values[i])
		}
	}
	l.Values = append(l.Values, b.String())
	return l, nil
}
