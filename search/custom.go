package search

import "github.com/hob-fhir/hob/fhirmap"

// wait is the error of a parameter that is being indexed: an answer now would be without what was stored before it came.
func (a *ask) wait(p *parameter) *fhirmap.Outcome {
	return a.fail(fhirmap.CodeTransient, "%s of %s is being indexed and cannot be answered yet; try again later", p.code, a.schema.typ)
}
