package conformance_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/hob-fhir/hob/conformance"
	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
)

func TestCapabilityStatement(t *testing.T) {
	catalog, err := search.NewCatalog(r4.SearchParameters, search.Options{})
	if err != nil {
		t.Fatal(err)
	}
	body, err := conformance.CapabilityStatement(conformance.Server{
		Version: "1.2.3", Date: time.Date(2026, 11, 21, 7, 55, 0, 0, time.UTC), Base: "https://ehr.example/fhir", Catalog: catalog,
		Formats: []string{"json"}, System: []string{"history-system"}, Types: []string{"read", "create"}, NoUpdate: true, Compartments: []string{"Patient", "RelatedPerson"},
		Operations: []conformance.Operation{
			{Name: "export", Definition: "http://d/export", System: true, On: []string{"Group"}},
			{Name: "everything", Definition: "http://d/everything", On: []string{"Patient"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fhirmap.Parse(body, fhirmap.Limits{}); err != nil {
		t.Errorf("the statement is no valid resource: %v", err)
	}
	type operation struct{ Name, Definition string }
	var s struct {
		Date           string
		Implementation struct{ URL string }
		Rest           []struct {
			Operation   []operation
			Compartment []string
			SearchParam []struct{ Name, Type, Documentation string }
			Resource    []struct {
				Type, Profile string
				UpdateCreate  bool
				Interaction   []struct{ Code string }
				SearchParam   []struct{ Name, Type, Definition, Documentation string }

				SearchInclude, SearchRevInclude []string
				Operation                       []operation
			}
		}
	}
	if err := json.Unmarshal(body, &s); err != nil {
		t.Fatal(err)
	}
	if s.Date != "2026-11-21T07:55:00Z" || s.Implementation.URL != "https://ehr.example/fhir" {
		t.Errorf("the statement is of %s, at %s", s.Date, s.Implementation.URL)
	}
	rest := s.Rest[0]
	if !slices.Equal(rest.Operation, []operation{{"export", "http://d/export"}}) {
		t.Errorf("operations of the system are %v", rest.Operation)
	}
	const definition = "http://hl7.org/fhir/CompartmentDefinition/"
	if !slices.Equal(rest.Compartment, []string{definition + "patient", definition + "relatedPerson"}) {
		t.Errorf("compartments are %v", rest.Compartment)
	}
	var everywhere []string
	for _, p := range rest.SearchParam {
		if everywhere = append(everywhere, p.Name); p.Type != "special" || p.Documentation == "" {
			t.Errorf("%+v is claimed of all types", p)
		}
	}
	if !slices.Equal(everywhere, []string{"_has", "_filter", "_list"}) {
		t.Errorf("of all types %v are claimed", everywhere)
	}
	types := fhirmap.ResourceTypes()
	if len(rest.Resource) != len(types) {
		t.Fatalf("%d types, want %d", len(rest.Resource), len(types))
	}
	for i, r := range rest.Resource {
		if r.Type != types[i] || r.Profile != "http://hl7.org/fhir/StructureDefinition/"+types[i] || r.UpdateCreate || len(r.Interaction) != 2 {
			t.Errorf("%s is %+v", types[i], r)
		}
		var want []operation
		switch r.Type {
		case "Group":
			want = []operation{{"export", "http://d/export"}}
		case "Patient":
			want = []operation{{"everything", "http://d/everything"}}
		}
		if !slices.Equal(r.Operation, want) {
			t.Errorf("operations of %s are %v, want %v", r.Type, r.Operation, want)
		}
		if r.Type == "Encounter" {
			if in := r.SearchInclude; in[0] != "*" || !slices.Contains(in, "Encounter:subject") || slices.Contains(in, "Encounter:type") {
				t.Errorf("%s includes %v", r.Type, in)
			}
			if in := r.SearchRevInclude; in[0] != "*" || !slices.Contains(in, "Observation:encounter") || slices.Contains(in, "Provenance:target") {
				t.Errorf("%s is included by %v", r.Type, in)
			}
		}
		claims := catalog.For(r.Type)
		if len(r.SearchParam) != len(claims) {
			t.Fatalf("%s: %d parameters are claimed and %d known", r.Type, len(r.SearchParam), len(claims))
		}
		for j, p := range r.SearchParam {
			if p.Name != claims[j].Code || p.Type != claims[j].Type || p.Definition != claims[j].Definition {
				t.Errorf("%s: %+v is claimed, %+v known", r.Type, p, claims[j])
			}
			if r.Type == "Encounter" && p.Name == "date" && p.Documentation != "prefixes eq ne gt lt ge le sa eb ap; modifiers :missing" {
				t.Errorf("of Encounter.date it is said %q", p.Documentation)
			}
		}
	}
}
