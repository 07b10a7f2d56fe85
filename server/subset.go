package server

import (
	"slices"
	"strings"

	"github.com/hob-fhir/hob/conformance"
	"github.com/hob-fhir/hob/fhirmap"
)

// subset is what of each resource an answer is to show (R4 search.html, _summary and _elements). The zero value is all.
type subset struct {
	summary  fhirmap.Summary
	elements []string
}

// subset takes _summary and _elements out of the query.
func (r *Request) subset() (s subset, err error) {
	summary, err := r.one("_summary")
	if err != nil {
		return s, err
	}
	elements, err := r.one("_elements")
	if err != nil {
		return s, err
	}
	switch s.summary = fhirmap.Summary(summary); summary {
	case "", string(fhirmap.SummaryTrue), string(fhirmap.SummaryText), string(fhirmap.SummaryData):
	case "false":
		s.summary = ""
	case "count":
		return s, fhirmap.Errorf(fhirmap.CodeNotSupported, "http._summary", "_summary=count is known for searches only; true, text, data and false are known here")
	default:
		return s, fhirmap.Errorf(fhirmap.CodeValue, "http._summary", "_summary=%s is not known; true, text, data and false are", clip(summary))
	}
	for name := range strings.SplitSeq(elements, ",") {
		if name = strings.TrimSpace(name); name != "" {
			s.elements = append(s.elements, name)
		}
	}
	return s, s.known(r.Type)
}

// shapes reports whether less than all is asked for, without judging it.
func (r *Request) shaped() bool {
	for _, p := range r.Query {
		if p.Name == "_summary" || p.Name == "_elements" {
			return true
		}
	}
	return false
}

// known refuses elements that the type does not have: one who mistyped a name would think that it is absent.
func (s subset) known(typ string) error {
	for _, name := range s.elements {
		if name == "resourceType" { // no element, but a member that JSON always has, and clients name it
			continue
		}
		if _, ok := fhirmap.Define(typ, name); !ok && typ != "" {
			return fhirmap.Errorf(fhirmap.CodeValue, "http._elements", "%s has no element %s; name elements of the resource itself, such as id", typ, clip(name))
		}
	}
	return nil
}

// of returns what a body shows.
func (s subset) of(body []byte) ([]byte, error) {
	if s.summary == "" && len(s.elements) == 0 || len(body) == 0 {
		return body, nil
	}
	return conformance.Subsets().Subset(body, s.summary, slices.Clip(s.elements))
}
