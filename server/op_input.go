package server

import (
	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
)

// input is what an operation that only reads was given, by GET or by POST: the parameters of the query, and after them those of a
// Parameters body that have a primitive value. The others of the body, which have parts, come as they are.
func input(r *Request) (simple []search.Pair, parts []*fhirmap.Element, err error) {
	simple = r.Query
	if len(r.Body) == 0 {
		return simple, nil, nil
	}
	res, err := r.Resource("Parameters")
	if err != nil {
		return nil, nil, err
	}
	simple = append([]search.Pair(nil), simple...)
	for p := range res.Root().Each("parameter") {
		if v := p.First("value"); v != nil && v.Value {
			simple = append(simple, search.Pair{Name: p.String("name"), Value: v.Text})
			continue
		}
		parts = append(parts, p)
	}
	return simple, parts, nil
}

// unknownPart refuses a parameter of a body that the operation does not have.
func unknownPart(p *fhirmap.Element, known string) error {
	return fhirmap.Errorf(fhirmap.CodeNotSupported, "Parameters.parameter", "the parameter %q is not known here, or has no simple value; known are %s",
		clip(p.String("name")), known)
}
