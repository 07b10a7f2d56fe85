package search

import (
	"slices"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// Include asks for what the hits refer to by one reference parameter (R4 search.html, _include).
type Include struct {
	sources []source
	target  string // only resources of this type; "" for any
}

// includeControl reads [type]:[parameter] or [type]:[parameter]:[target type].
func includeControl(s *Search, a *ask, value string, _ ParseOptions) (string, *fhirmap.Outcome) {
	if len(s.Include) == a.options.MaxAnd {
		return "", a.fail(fhirmap.CodeTooLong, "given more than %d times, which is the most", a.options.MaxAnd)
	}
	parts := strings.Split(value, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return "", a.bad("%q is not type:parameter or type:parameter:target, like %s", value, a.schema.includes())
	}
	if parts[0] != a.schema.typ {
		return "", a.fail(fhirmap.CodeNotSupported, "%s is not the type that is searched; write %s", parts[0], a.schema.includes())
	}
	p := a.schema.params[parts[1]]
	if p == nil && a.schema.awaited[parts[1]] != nil {
		return "", a.wait(a.schema.awaited[parts[1]])
	}
	if p == nil || p.kind != references {
		return "", a.fail(fhirmap.CodeNotSupported, "%s has no reference parameter %q; known are %s", parts[0], parts[1], a.schema.includes())
	}
	in := Include{sources: p.sources}
	if len(parts) == 3 {
		if in.target = parts[2]; !p.targets(in.target) {
			return "", a.fail(fhirmap.CodeNotSupported, "%s does not refer to a %s; it refers to %s", parts[1], parts[2], strings.Join(p.def.Target, ", "))
		}
	}
	s.Include = append(s.Include, in)
	return value, nil
}

// includes lists what may be included.
func (s *schema) includes() string {
	var out []string
	for _, code := range s.codes {
		if s.params[code].kind == references {
			out = append(out, s.typ+":"+code)
		}
	}
	return strings.Join(out, ", ")
}

// included is Catalog.Included.
func (c *edition) included(hit *fhirmap.Resource, includes []Include) ([]driver.Key, error) {
	x := &indexer{edition: c}
	if err := x.only(hit, func(field string) bool {
		return slices.ContainsFunc(includes, func(in Include) bool {
			return slices.ContainsFunc(in.sources, func(s source) bool { return s.field == field })
		})
	}); err != nil {
		return nil, err
	}
	var out []driver.Key
	for _, row := range x.rows {
		k, ok := driver.ParseRef(row.Value.Low)
		if !ok || !fhirmap.IsResource(k.Type) {
			continue
		}
		wanted := slices.ContainsFunc(includes, func(in Include) bool {
			return (in.target == "" || in.target == k.Type) && slices.ContainsFunc(in.sources, func(s source) bool {
				return s.field == row.Field && (s.only == "" || s.only == k.Type)
			})
		})
		if wanted && !slices.Contains(out, k) {
			out = append(out, k)
		}
	}
	return out, nil
}
