package fhirmap

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestResourceTypes(t *testing.T) {
	names := ResourceTypes()
	if len(names) != 146 || !slices.IsSorted(names) || names[0] != "Account" || names[145] != "VisionPrescription" {
		t.Errorf("%d types: %v; want the 146 of R4, sorted", len(names), names)
	}
	for _, name := range names {
		if !IsResource(name) {
			t.Errorf("IsResource(%q) is false", name)
		}
	}
	for _, name := range []string{"", "patient", "Resource", "DomainResource", "HumanName", "ContainedResource", "Element"} {
		if IsResource(name) {
			t.Errorf("IsResource(%q) is true", name)
		}
	}
	names[0] = "x"
	if ResourceTypes()[0] != "Account" {
		t.Error("ResourceTypes gives its own slice away")
	}
}

func TestDefine(t *testing.T) {
	for _, c := range []struct {
		typ, element string
		want         ElementDef
	}{
		{"Patient", "birthDate", ElementDef{Name: "birthDate", Type: "date", Types: []string{"date"}, Path: "date"}},
		{"Patient", "name", ElementDef{Name: "name", Type: "HumanName", Types: []string{"HumanName"}, Path: "HumanName", Repeats: true}},
		{"Patient", "gender", ElementDef{Name: "gender", Type: "code", Types: []string{"code"}, Path: "code"}},
		{"Patient", "contained", ElementDef{Name: "contained", Type: "Resource", Types: []string{"Resource"}, Path: "Resource", Repeats: true}},
		{"Patient", "deceased", ElementDef{Name: "deceased", Types: []string{"boolean", "dateTime"}}},
		{"Patient", "managingOrganization", ElementDef{Name: "managingOrganization", Type: "Reference", Types: []string{"Reference"}, Path: "Reference", Targets: []string{"Organization"}}},
		{"Observation", "status", ElementDef{Name: "status", Type: "code", Types: []string{"code"}, Path: "code", Required: true}},
		{"Observation", "component", ElementDef{Name: "component", Type: "BackboneElement", Types: []string{"BackboneElement"}, Path: "Observation.component", Repeats: true}},
		{"Observation.component", "referenceRange", ElementDef{Name: "referenceRange", Type: "BackboneElement", Types: []string{"BackboneElement"}, Path: "Observation.referenceRange", Repeats: true}},
		{"Observation.referenceRange", "low", ElementDef{Name: "low", Type: "Quantity", Types: []string{"Quantity"}, Path: "SimpleQuantity"}},
		{"Questionnaire.item", "item", ElementDef{Name: "item", Type: "BackboneElement", Types: []string{"BackboneElement"}, Path: "Questionnaire.item", Repeats: true}},
		{"Timing", "repeat", ElementDef{Name: "repeat", Type: "Element", Types: []string{"Element"}, Path: "Timing.repeat"}},
		{"Timing.repeat", "bounds", ElementDef{Name: "bounds", Types: []string{"Duration", "Range", "Period"}}},
		{"Reference", "reference", ElementDef{Name: "reference", Type: "string", Types: []string{"string"}, Path: "string"}},
		{"Bundle.entry", "resource", ElementDef{Name: "resource", Type: "Resource", Types: []string{"Resource"}, Path: "Resource"}},
		{"Invoice", "totalNet", ElementDef{Name: "totalNet", Type: "Money", Types: []string{"Money"}, Path: "Money"}},
		{"string", "extension", ElementDef{Name: "extension", Type: "Extension", Types: []string{"Extension"}, Path: "Extension", Repeats: true}},
		{"Condition", "onset", ElementDef{Name: "onset", Types: []string{"dateTime", "Age", "Period", "Range", "string"}}},
	} {
		got, ok := Define(c.typ, c.element)
		if !ok {
			t.Errorf("Define(%q, %q) knows nothing", c.typ, c.element)
		} else if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("Define(%q, %q) -want +got:\n%s", c.typ, c.element, diff)
		}
	}
	for _, c := range [][2]string{{"Patient", "valueString"}, {"Patient", "resourceType"}, {"Reference", "patientId"}, {"Foo", "id"}, {"Patient", ""}, {"string", "value"}} {
		if d, ok := Define(c[0], c[1]); ok {
			t.Errorf("Define(%q, %q) = %+v", c[0], c[1], d)
		}
	}
}

// Every type that an element leads to can be asked about, and every required element can be written.
func TestSchemaIsClosed(t *testing.T) {
	elements := 0
	for path, typ := range schema().byPath {
		for _, d := range Elements(path) {
			elements++
			if d.Type == "" != (len(d.Types) > 1) || d.Name == "" {
				t.Errorf("%s.%s has the types %q and %q", path, d.Name, d.Type, d.Types)
			}
			if d.Path != "" && d.Path != "Resource" && len(Elements(d.Path)) == 0 {
				t.Errorf("%s.%s leads to %q, which has no elements", path, d.Name, d.Path)
			}
		}
		if len(typ.elements) == 0 {
			t.Errorf("%s has no elements", path)
		}
		if typ.primitive() != (primitives[typ.name].kind != kindObject) {
			t.Errorf("%s: the tables disagree on whether it is primitive", path)
		}
	}
	if elements < 6000 {
		t.Errorf("%d elements; R4 has more", elements)
	}
}
