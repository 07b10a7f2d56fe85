package subscribe

import (
	"fmt"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage/driver"
)

// criterion is a search that says what is to be sent: Observation?code=..., or DiagnosticReport? for all of a type.
type criterion struct {
	typ   string
	pairs []search.Pair
}

// parseCriterion reads a criterion. Whether the search is one is asked of the catalog each time, since its parameters come and go.
func parseCriterion(text string) (criterion, error) {
	typ, query, _ := strings.Cut(strings.TrimPrefix(text, "/"), "?")
	if !fhirmap.IsResource(typ) {
		return criterion{}, fmt.Errorf("the criteria %q begin with no resource type; they are a search as Observation?code=1234-5", clip(text))
	}
	ps, _, err := search.Decode(query)
	if err != nil {
		return criterion{}, fmt.Errorf("the criteria %q are not percent-encoded as URLs are", clip(text))
	}
	return criterion{typ, ps}, nil
}

// query translates the criterion; nil is all of the type.
func (c criterion) query(catalog *search.Catalog) (driver.Query, error) {
	if len(c.pairs) == 0 {
		return nil, nil
	}
	s, err := catalog.Parse(c.typ, c.pairs, search.ParseOptions{})
	if err != nil {
		return nil, err
	}
	if s.Where == nil {
		return nil, fmt.Errorf("the criteria of %s choose nothing: they only shape an answer", c.typ)
	}
	return s.Where, nil
}

// of narrows the criterion to some ids.
func of(ids driver.IDs, where driver.Query) driver.Query {
	if where == nil {
		return ids
	}
	return driver.And{ids, where}
}
