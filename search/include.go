package search

import (
	"slices"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// Include asks for what goes with the hits by a reference parameter (R4 3.1.1.5.3): what they refer to, or, in reverse, what refers to
// them.
type Include struct {
	Reverse bool // _revinclude
	Iterate bool // of what was included too, and so on

	from   string // the type that has the parameter; "" any
	code   string // the parameter; "" every reference
	target string // only references to this type; "" any
}

// includeControl reads [type]:[parameter], [type]:[parameter]:[target type], [type]:* or *.
func includeControl(s *Search, a *ask, value string, _ ParseOptions) (string, *fhirmap.Outcome) {
	name, modifier, modified := strings.Cut(a.name, ":")
	in := Include{Reverse: name == "_revinclude", Iterate: modified}
	if modified && modifier != "iterate" && modifier != "recurse" {
		return "", a.fail(fhirmap.CodeNotSupported, "%s has no modifier %q; it takes :iterate", name, ":"+modifier)
	}
	if len(s.Include) == a.options.MaxAnd {
		return "", a.fail(fhirmap.CodeTooLong, "given more than %d times, which is the most", a.options.MaxAnd)
	}
	if value != "*" {
		if err := in.read(a, value); err != nil {
			return "", err
		}
	}
	s.Include = append(s.Include, in)
	return value, nil
}

// read takes in a value that names a type.
func (in *Include) read(a *ask, value string) *fhirmap.Outcome {
	parts := strings.Split(value, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return a.bad("%q is not type:parameter or type:parameter:target; write *, or one of %s", value, a.includes(in))
	}
	from := a.types[parts[0]]
	switch {
	case from == nil:
		return a.fail(fhirmap.CodeNotSupported, "%q is no resource type of FHIR R4; write one of %s", parts[0], a.includes(in))
	case !in.Reverse && !in.Iterate && !slices.Contains(a.peers, from.typ):
		return a.fail(fhirmap.CodeNotSupported, "%s is not the type that is searched; write one of %s, or :iterate if what is included refers on",
			from.typ, a.includes(in))
	}
	in.from = from.typ
	targets := a.peers // what a reverse include must lead to
	if len(parts) == 3 {
		in.target = parts[2]
		targets = parts[2:]
	}
	if parts[1] == "*" {
		if in.target != "" && !fhirmap.IsResource(in.target) {
			return a.fail(fhirmap.CodeNotSupported, "%q is no resource type of FHIR R4", in.target)
		}
		return nil
	}
	in.code = parts[1]
	p := from.params[in.code]
	switch {
	case p == nil && from.awaited[in.code] != nil:
		return (&ask{edition: a.edition, schema: from, name: a.name}).wait(from.awaited[in.code])
	case p == nil || p.kind != references:
		return a.fail(fhirmap.CodeNotSupported, "%s has no reference parameter %q; known are %s", from.typ, in.code, listed(from.pointers()))
	case !p.followed():
		return a.fail(fhirmap.CodeNotSupported, "%s of %s holds canonical URLs or resources within the resource, which lead to nothing that could be included; these do: %s",
			in.code, from.typ, listed(from.pointers()))
	}
	leads := func(typ string) bool { return slices.Contains(p.leadsTo(), typ) }
	if (in.target != "" || in.Reverse && !in.Iterate) && !slices.ContainsFunc(targets, leads) {
		return a.fail(fhirmap.CodeNotSupported, "%s of %s does not refer to a %s; it refers to %s", in.code, from.typ, strings.Join(targets, ", "), listed(p.leadsTo()))
	}
	return nil
}

// includes lists what may be included.
func (a *ask) includes(in *Include) string {
	var out []string
	if in.Reverse {
		out = a.referrers(a.schema.typ)
	} else {
		out = a.schema.includes()
	}
	return listed(out)
}

// includes lists what the type's resources may bring with them.
func (s *schema) includes() []string {
	var out []string
	for _, code := range s.pointers() {
		out = append(out, s.typ+":"+code)
	}
	return out
}

// anywhere is from how many types on a parameter is held to lead to any: definitions list nearly all of them.
const anywhere = 100

// referrers lists the parameters that may lead to a type, as _revinclude names them, but for those that may lead anywhere.
func (c *edition) referrers(typ string) []string {
	var out []string
	for _, from := range fhirmap.ResourceTypes() {
		for _, code := range c.types[from].pointersTo(typ) {
			if len(c.types[from].params[code].leadsTo()) < anywhere {
				out = append(out, from+":"+code)
			}
		}
	}
	return out
}

// of lists the parameters of a type that the include is about.
func (in Include) of(s *schema) []*parameter {
	if in.from != "" && in.from != s.typ {
		return nil
	}
	var out []*parameter
	for _, code := range s.codes {
		if p := s.params[code]; p.kind == references && (in.code == "" || in.code == code) && p.followed() {
			out = append(out, p)
		}
	}
	return out
}

// Onward tells which resources are to be included with a record of one type, by the type's JSON body: each once, in the order of the
// references in it.
type Onward func(body []byte) ([]driver.Key, error)

// onward makes an Onward for a type, nil if no include goes on from it. Only what it needs of a body is read.
func (c *edition) onward(typ string, includes []Include) Onward {
	s := c.types[typ]
	if s == nil {
		return nil
	}
	type way struct{ only, target string } // "" any
	ways := map[string][]way{}
	for _, in := range includes {
		if in.Reverse {
			continue
		}
		for _, p := range in.of(s) {
			for _, src := range p.sources {
				if !src.rest {
					ways[src.field] = append(ways[src.field], way{src.only, in.target})
				}
			}
		}
	}
	if len(ways) == 0 {
		return nil
	}
	read := fhirmap.Trusted
	if elements, some := s.elements(func(field string) bool { return ways[field] != nil }); some {
		read = func(body []byte) (*fhirmap.Resource, error) { return fhirmap.TrustedPart(body, elements) }
	}
	return func(body []byte) ([]driver.Key, error) {
		res, err := read(body)
		if err != nil {
			return nil, err
		}
		x := &indexer{edition: c}
		if err := x.only(res, func(field string) bool { return ways[field] != nil }); err != nil {
			return nil, err
		}
		var out []driver.Key
		for _, row := range x.rows {
			k, ok := driver.ParseRef(row.Value.Low)
			if !ok || !fhirmap.IsResource(k.Type) || slices.Contains(out, k) {
				continue
			}
			if slices.ContainsFunc(ways[row.Field], func(w way) bool {
				return (w.only == "" || w.only == k.Type) && (w.target == "" || w.target == k.Type)
			}) {
				out = append(out, k)
			}
		}
		return out, nil
	}
}

// elements lists the elements of the resource without which some fields have no rows; false if that cannot be told.
func (s *schema) elements(wanted func(field string) bool) ([]string, bool) {
	writes := func(sel selector) bool { return wanted(sel.param.field("")) }
	if slices.ContainsFunc(s.always, writes) {
		return nil, false
	}
	var out []string
	for name, selectors := range s.byElement {
		if slices.ContainsFunc(selectors, writes) {
			out = append(out, name)
		}
	}
	return out, true
}

// back makes the query for what of a type refers to any of some records as reverse includes ask; nil if none does.
func (c *edition) back(typ string, includes []Include, to []driver.Key) driver.Query {
	s := c.types[typ]
	if s == nil {
		return nil
	}
	asked := map[string]map[driver.Key]bool{}
	var out driver.Or
	for _, in := range includes {
		if !in.Reverse {
			continue
		}
		for _, p := range in.of(s) {
			leads := p.leadsTo()
			for _, src := range p.sources {
				if src.rest {
					continue
				}
				l := driver.Lookup{Field: src.field, Op: driver.IN}
				for _, k := range to {
					if (in.target == "" || in.target == k.Type) && (src.only == "" || src.only == k.Type) && !asked[src.field][k] && slices.Contains(leads, k.Type) {
						if asked[src.field] == nil {
							asked[src.field] = map[driver.Key]bool{}
						}
						asked[src.field][k] = true
						l.Values = append(l.Values, driver.Point(k.Ref()))
					}
				}
				if len(l.Values) > 0 {
					out = append(out, l)
				}
			}
		}
	}
	switch len(out) {
	case 0:
		return nil
	case 1:
		return out[0]
	}
	return out
}

// backFrom lists the types that reverse includes may find something of, sorted.
func backFrom(includes []Include) []string {
	var out []string
	for _, in := range includes {
		switch {
		case !in.Reverse:
		case in.from == "":
			return fhirmap.ResourceTypes()
		default:
			out = append(out, in.from)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
