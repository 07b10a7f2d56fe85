package search

import (
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// composites join parameters that must hold in one place (R4 3.1.1.4.15): values a$b. They have no rows; their components'
// rows are joined by Group.
var composites = &kind{
	name: "composite",
	modifiers: []modifier{
		{finds: "a value for each component, all in one place", example: "http://loinc.org|8480-6$gt140", query: compositeIs},
	},
}

// join is one way in which a composite holds: the fields of its components below one anchor of its expression.
type join []component

// component is a parameter read at an anchor.
type component struct {
	param   *parameter
	sources []source
	outside bool // anchored at the whole resource: it need not be in the same group
}

// joins works out how a composite is read, one join per anchor; nil if a component is not to be had for this type.
func (s *schema) joins(p *parameter) []join {
	var out []join
	for _, anchor := range p.atoms {
		var j join
		for _, c := range p.def.Components {
			q := s.byDefinition(c.Definition)
			if q == nil || q.kind.rows == nil {
				return nil
			}
			if strings.Contains(c.Expression, "%resource") {
				j = append(j, component{q, q.sources, true})
				continue
			}
			var below []source
			for _, src := range q.sources {
				if s.anchorOf(src.field, p.atoms) == anchor.text {
					below = append(below, src)
				}
			}
			if below == nil {
				break
			}
			j = append(j, component{q, below, false})
		}
		if len(j) > 0 && len(j) == len(p.def.Components) {
			out = append(out, j)
		}
	}
	return out
}

func (s *schema) byDefinition(url string) *parameter {
	for _, p := range s.params {
		if p.def.URL == url {
			return p
		}
	}
	for _, p := range s.awaited {
		if p.def.URL == url {
			return p
		}
	}
	if code, ok := s.alias[url]; ok {
		return s.params[code]
	}
	return nil
}

// anchorOf returns the longest anchor below which all that writes a field lies, "" if there is none.
func (s *schema) anchorOf(field string, anchors []atom) string {
	p := s.params[field]
	if p == nil {
		p = s.awaited[field]
	}
	if p == nil {
		return ""
	}
	best := ""
	for _, anchor := range anchors {
		below := len(p.atoms) > 0
		for _, a := range p.atoms {
			below = below && (strings.HasPrefix(a.text, anchor.text+".") || a.text == anchor.text)
		}
		if below && len(anchor.text) > len(best) {
			best = anchor.text
		}
	}
	return best
}

func compositeIs(a *ask, value string) (driver.Query, *fhirmap.Outcome) {
	values, err := a.list(value)
	if err != nil {
		return nil, err
	}
	var out driver.Or
	for _, v := range values {
		parts := splitEscaped(v, '$')
		if want := len(a.param.def.Components); len(parts) != want {
			return nil, a.bad("%q has %d parts; write %d, with $ between them", v, len(parts), want)
		}
		for _, j := range a.param.joins {
			some, err := a.join(j, parts)
			if err != nil {
				return nil, err
			}
			out = append(out, some...)
		}
	}
	if len(out) == 1 {
		return out[0], nil
	}
	return out, nil
}

// join translates one value: every combination of what its parts may be, in one group.
func (a *ask) join(j join, parts []string) (driver.Or, *fhirmap.Outcome) {
	inside := anyOf{nil}
	var outside driver.And
	for i, c := range j {
		if parts[i] == "" {
			return nil, a.bad("an empty part; write a value for each of the %d components", len(j))
		}
		part := &ask{edition: a.edition, schema: a.schema, param: c.param, name: a.name, terms: a.terms, cost: a.cost}
		var some anyOf
		for _, src := range c.sources {
			alternatives, err := c.param.kind.read(part, src, parts[i])
			if err != nil {
				return nil, err
			}
			some = append(some, alternatives...)
		}
		if c.outside {
			outside = append(outside, some.query())
			continue
		}
		if err := a.count(len(inside) * len(some)); err != nil {
			return nil, err
		}
		var next anyOf
		for _, left := range inside {
			for _, right := range some {
				next = append(next, append(left[:len(left):len(left)], right...))
			}
		}
		inside = next
	}
	var out driver.Or
	for _, same := range inside {
		if len(outside) == 0 {
			out = append(out, same)
		} else {
			out = append(out, append(outside[:len(outside):len(outside)], same))
		}
	}
	return out, nil
}
