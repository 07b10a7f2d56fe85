package r4

import (
	"slices"
	"strings"
	"testing"
)

func TestSearchParameters(t *testing.T) {
	expressions, pairs := 0, 0
	byURL := map[string]SearchParameter{}
	byPair := map[[2]string]string{}
	var examples []string
	for _, p := range SearchParameters {
		if _, ok := byURL[p.URL]; ok {
			t.Errorf("%s: twice", p.URL)
		}
		byURL[p.URL] = p
		if p.Expression != "" {
			expressions++
		}
		pairs += len(p.Base)
		if p.Example {
			examples = append(examples, p.Code)
			continue
		}
		for _, b := range p.Base {
			pair := [2]string{b, p.Code}
			if other := byPair[pair]; other != "" {
				t.Errorf("%v: by %s and %s", pair, other, p.URL)
			}
			byPair[pair] = p.URL
		}
	}
	if len(SearchParameters) != 1400 || expressions != 1384 || pairs != 1721 {
		t.Errorf("%d parameters, %d with an expression, %d pairs; want 1400, 1384, 1721", len(SearchParameters), expressions, pairs)
	}
	if want := []string{"_id", "part-agree", "subject"}; !slices.Equal(examples, want) {
		t.Errorf("examples %v, want %v", examples, want)
	}
	for _, p := range SearchParameters {
		if (p.Type == "composite") != (len(p.Components) > 0) {
			t.Errorf("%s: type %s with %d components", p.URL, p.Type, len(p.Components))
		}
		for _, c := range p.Components {
			if byURL[c.Definition].URL == "" {
				t.Errorf("%s: component %s is not published", p.URL, c.Definition)
			}
		}
		if !slices.IsSorted(p.Target) {
			t.Errorf("%s: targets are not sorted", p.URL)
		}
	}
	patient := byURL["http://hl7.org/fhir/SearchParameter/Account-patient"]
	if patient.Expression != "Account.subject.where(resolve() is Patient)" || patient.Type != "reference" {
		t.Errorf("Account-patient is %+v", patient)
	}
}

func TestCompartments(t *testing.T) {
	known := map[[2]string]bool{}
	for _, p := range SearchParameters {
		for _, b := range p.Base {
			known[[2]string{b, p.Code}] = true
		}
	}
	want := map[string]int{"Device": 32, "Encounter": 25, "Patient": 66, "Practitioner": 59, "RelatedPerson": 32}
	for _, c := range Compartments {
		if len(c.Resources) != want[c.Code] {
			t.Errorf("%s: %d types, want %d", c.Code, len(c.Resources), want[c.Code])
		}
		delete(want, c.Code)
		for typ, codes := range c.Resources {
			for _, code := range codes {
				if code != "{def}" && !known[[2]string{typ, code}] {
					t.Errorf("%s: %s has no parameter %q", c.Code, typ, code)
				}
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("no compartment for %v", want)
	}
}

func TestElements(t *testing.T) {
	var summary, modifier int
	for path, f := range Elements {
		if f == 0 || !strings.Contains(path, ".") || strings.Contains(path, "[") {
			t.Errorf("%s has the flags %d", path, f)
		}
		if f&Summary != 0 {
			summary++
		}
		if f&Modifier != 0 {
			modifier++
		}
	}
	if summary != 3259 || modifier != 899 {
		t.Errorf("%d elements of a summary and %d modifiers; want 3259 and 899", summary, modifier)
	}
	for _, c := range []struct {
		path              string
		summary, modifier bool
	}{
		{"Patient.name", true, false}, {"Patient.active", true, true}, {"Patient.photo", false, false}, {"Patient.deceased", true, true},
		{"Patient.modifierExtension", false, true}, {"Observation.value", true, false}, {"Observation.component.code", true, false},
		{"HumanName.family", true, false}, {"Attachment.data", false, false}, {"Extension.url", false, false}, {"Nobody.home", false, false},
	} {
		if s, m := FlagsOf(c.path); s != c.summary || m != c.modifier {
			t.Errorf("%s: summary %t, modifier %t; want %t, %t", c.path, s, m, c.summary, c.modifier)
		}
	}
}
