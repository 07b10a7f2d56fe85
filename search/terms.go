package search

import (
	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// Terms answers what a search asks of terminology, so that Parse itself needs no database: whoever has the value sets and code
// systems binds it, to one transaction. Each is called only where a modifier asks for it, and may be called more than once with the
// same. What is not set answers that it is not supported. An Outcome tells what could not be found or is too large; Parse adds
// which parameter asked.
type Terms struct {
	// Codes returns the codes of a value set (:in and :not-in of tokens), named by its canonical URL, with |version or without, or
	// as a reference, ValueSet/id.
	Codes func(valueSet string) ([]Concept, *fhirmap.Outcome)
	// Below returns a concept and all that its code system says are kinds of it (:below of tokens).
	Below func(Concept) ([]Concept, *fhirmap.Outcome)
	// Above returns a concept and all that it is a kind of (:above of tokens).
	Above func(Concept) ([]Concept, *fhirmap.Outcome)

	// Parts returns a resource and all that are parts of it, Wholes it and all that it is a part of: by the references of its type to
	// its own kind, Location.partOf (:below and :above of references, where their SearchParameter lists them).
	Parts, Wholes func(driver.Key) ([]driver.Key, *fhirmap.Outcome)
}

// Concept is a code of a system. With an empty Code it stands for every code of the system.
type Concept struct{ System, Code string }

// tokenIn reads a value set: its codes, with their systems.
func tokenIn(a *ask, src source, value string) (anyOf, *fhirmap.Outcome) {
	if a.terms.Codes == nil {
		return nil, a.fail(fhirmap.CodeNotSupported, "value sets are not to be had here")
	}
	concepts, err := a.terms.Codes(unescape(value))
	if err != nil {
		return nil, a.passed(err)
	}
	return a.concepts(src, concepts), nil
}

// tokenBelow and tokenAbove read system|code.
func tokenBelow(a *ask, src source, value string) (anyOf, *fhirmap.Outcome) {
	return a.related(src, value, a.terms.Below)
}

func tokenAbove(a *ask, src source, value string) (anyOf, *fhirmap.Outcome) {
	return a.related(src, value, a.terms.Above)
}

func (a *ask) related(src source, value string, of func(Concept) ([]Concept, *fhirmap.Outcome)) (anyOf, *fhirmap.Outcome) {
	if of == nil {
		return nil, a.fail(fhirmap.CodeNotSupported, "code systems are not to be had here")
	}
	parts := splitEscaped(value, '|')
	if len(parts) != 2 || parts[0] == "" || parts[1] == "" {
		return nil, a.bad("%q is not system|code; which codes are above or below it is known of a code of a system only", value)
	}
	concepts, err := of(Concept{unescape(parts[0]), unescape(parts[1])})
	if err != nil {
		return nil, a.passed(err)
	}
	return a.concepts(src, concepts), nil
}

// passed names the parameter in an error from elsewhere.
func (a *ask) passed(err *fhirmap.Outcome) *fhirmap.Outcome {
	out := &fhirmap.Outcome{}
	for _, is := range err.Issues {
		out.Issues = append(out.Issues, a.fail(is.Code, "%s", is.Diagnostics).Issues...)
	}
	return out
}

// concepts asks for any of the concepts.
func (a *ask) concepts(src source, concepts []Concept) anyOf {
	some := make(anyOf, 0, len(concepts))
	for _, c := range concepts {
		if c.Code == "" {
			some = append(some, a.systemIs(src, c.System)...)
		} else {
			some = append(some, a.conceptIs(src, c)...)
		}
	}
	return some
}
