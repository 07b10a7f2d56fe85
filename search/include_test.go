package search

import (
	"errors"
	"slices"
	"testing"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/fhirmap"
)

// TestIncludeLimit: a form may hold many thousand includes, and every hit is asked for each.
func TestIncludeLimit(t *testing.T) {
	c, err := NewCatalog(r4.SearchParameters, Options{MaxAnd: 3})
	if err != nil {
		t.Fatal(err)
	}
	pairs := slices.Repeat([]Pair{{"_include", "Observation:subject"}}, 3)
	if s, err := c.Parse("Observation", pairs, ParseOptions{}); err != nil || len(s.Include) != 3 {
		t.Errorf("three includes: %v", err)
	}
	_, err = c.Parse("Observation", append(pairs, pairs[0]), ParseOptions{})
	var o *fhirmap.Outcome
	if !errors.As(err, &o) || o.Issues[0].Code != fhirmap.CodeTooLong {
		t.Errorf("four includes: %v, want too-long", err)
	}
}
