package fhirmap

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// The schema from google/fhir's descriptors is compared with the StructureDefinitions that R4 publishes.
func TestSchemaIsR4(t *testing.T) {
	files := examples(t)
	resources, elements := 0, 0
	for name, data := range files {
		if !strings.HasPrefix(name, "StructureDefinition-") {
			continue
		}
		var d struct {
			Kind, Type, Derivation string
			Abstract               bool
			Snapshot               struct {
				Element []struct {
					Path             string
					Min              int
					Max              string
					ContentReference string
					Type             []struct {
						Code          string
						TargetProfile []string
					}
				}
			}
		}
		if err := json.Unmarshal(data, &d); err != nil {
			t.Fatal(err)
		}
		if d.Kind != "resource" && d.Kind != "complex-type" || d.Derivation != "specialization" || d.Abstract || len(d.Snapshot.Element) == 0 {
			continue
		}
		if d.Kind == "resource" {
			resources++
			if !IsResource(d.Type) {
				t.Errorf("%s is not a resource", d.Type)
			}
		}
		published := map[string]bool{}
		for _, e := range d.Snapshot.Element[1:] {
			elements++
			path := strings.TrimSuffix(e.Path, "[x]")
			published[path] = true
			dot := strings.LastIndexByte(path, '.')
			got, ok := Define(path[:dot], path[dot+1:])
			if !ok {
				t.Errorf("%s is not in the schema", e.Path)
				continue
			}
			if e.Max == "0" {
				continue
			}
			if got.Repeats != (e.Max != "1") || got.Required != (e.Min > 0) {
				t.Errorf("%s: repeats %v, required %v; R4 says %d..%s", e.Path, got.Repeats, got.Required, e.Min, e.Max)
			}
			var types, targets []string
			for _, typ := range e.Type {
				code := strings.TrimPrefix(typ.Code, "http://hl7.org/fhirpath/System.")
				types = append(types, strings.ToLower(code[:1])+code[1:])
				for _, target := range typ.TargetProfile {
					if code != "Reference" {
						continue
					}
					targets = append(targets, strings.TrimPrefix(target, "http://hl7.org/fhir/StructureDefinition/"))
				}
			}
			switch {
			case e.ContentReference != "":
				types = []string{strings.ToLower(got.Type[:1]) + got.Type[1:]} // its type is that of another element
			case d.Kind == "resource" && path == d.Type+".id":
				types = []string{"id"} // published as a string, with the id's rules
			case path == "Extension.url":
				types = []string{"uri"} // the same
			}
			ours := slices.Clone(got.Types)
			for i := range ours {
				ours[i] = lowerFirst(ours[i])
			}
			slices.Sort(types)
			slices.Sort(ours)
			if types = slices.Compact(types); !slices.Equal(types, ours) {
				t.Errorf("%s has the types %v; R4 says %v", e.Path, ours, types)
			}
			slices.Sort(targets)
			if targets = slices.Compact(targets); slices.Contains(got.Types, "Reference") && !slices.Equal(got.Targets, targets) {
				t.Errorf("%s refers to %v; R4 says %v", e.Path, got.Targets, targets)
			}
		}
		for path, typ := range schema().byPath {
			if path != d.Type && !strings.HasPrefix(path, d.Type+".") {
				continue
			}
			for _, e := range typ.elements {
				if !published[path+"."+e.Name] {
					t.Errorf("%s.%s is not an element of R4", path, e.Name)
				}
			}
		}
	}
	if resources != 146 || elements < 6000 {
		t.Errorf("%d resources with %d elements were compared; R4 has 146", resources, elements)
	}
}

// The codes of enumerated value sets are compared with the published expansions.
func TestCodesAreR4(t *testing.T) {
	files := examples(t)
	type concept struct {
		Code     string
		Abstract bool
		Contains []json.RawMessage
	}
	var bundle struct {
		Entry []struct {
			Resource struct {
				URL       string
				Expansion struct{ Contains []json.RawMessage }
			}
		}
	}
	if err := json.Unmarshal(files["Bundle-valueset-expansions.json"], &bundle); err != nil {
		t.Fatal(err)
	}
	sets := map[string]map[string]bool{}
	var add func(set map[string]bool, contains []json.RawMessage)
	add = func(set map[string]bool, contains []json.RawMessage) {
		for _, raw := range contains {
			var c concept
			if err := json.Unmarshal(raw, &c); err != nil {
				t.Fatal(err)
			}
			if c.Code != "" && !c.Abstract {
				set[c.Code] = true
			}
			add(set, c.Contains)
		}
	}
	for _, e := range bundle.Entry {
		set := map[string]bool{}
		add(set, e.Resource.Expansion.Contains)
		sets[e.Resource.URL] = set
	}
	compared := 0
	seen := map[string]bool{}
	for _, typ := range schema().types {
		if typ.codes == nil || seen[typ.set] {
			continue
		}
		seen[typ.set] = true
		set := sets[typ.set]
		if len(set) == 0 {
			continue // not expanded, or too large to be
		}
		compared++
		for code := range set {
			if !typ.codes[code] {
				t.Errorf("%s lacks %q", typ.set, code)
			}
		}
		for code := range typ.codes {
			if !set[code] && typ.set+" "+code != "http://hl7.org/fhir/ValueSet/item-type question" { // which R4 calls abstract
				t.Errorf("%s has %q, which R4 has not", typ.set, code)
			}
		}
	}
	if compared < 200 {
		t.Errorf("%d value sets were compared; R4 requires more", compared)
	}
}
