package search

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/fhirmap"
)

// TestIncludeAddresses: what holds nothing but URLs leads to nothing that could be included, and that is told.
func TestIncludeAddresses(t *testing.T) {
	c := newCatalog(t)
	for typ, code := range map[string]string{"PlanDefinition": "definition", "ConceptMap": "source-uri", "QuestionnaireResponse": "questionnaire", "Bundle": "message"} {
		for _, p := range []Pair{{"_include", typ + ":" + code}, {"_revinclude", typ + ":" + code}, {code + "._id", "x"}} {
			_, err := c.Parse(typ, []Pair{p}, ParseOptions{})
			var o *fhirmap.Outcome
			if !errors.As(err, &o) || o.Issues[0].Code != fhirmap.CodeNotSupported || !strings.Contains(err.Error(), "canonical URLs") {
				t.Errorf("%s?%s=%s: %v", typ, p.Name, p.Value, err)
			}
		}
		if slices.Contains(c.Includes(typ), typ+":"+code) {
			t.Errorf("%s:%s is said to be includable", typ, code)
		}
	}
	if _, err := c.Parse("PlanDefinition", []Pair{{"_include", "PlanDefinition:definition"}}, ParseOptions{}); !strings.HasSuffix(err.Error(), "these do: none") {
		t.Error(err)
	}
	for typ, code := range map[string]string{"Consent": "source-reference", "DiagnosticReport": "assessed-condition"} { // a choice, and an extension
		if !slices.Contains(c.Includes(typ), typ+":"+code) {
			t.Errorf("%s:%s is not includable", typ, code)
		}
	}
}

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
