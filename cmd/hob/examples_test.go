package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path"
	"reflect"
	"strings"
	"testing"
)

// conformanceTypes are those of the official examples that define FHIR itself.
var conformanceTypes = map[string]bool{"SearchParameter": true, "ValueSet": true, "CodeSystem": true, "StructureDefinition": true}

// broken are the official examples that break R4, by what is wrong with them: the package was published before its own rules were
// checked by machine.
var broken = map[string]string{
	"DeviceMetric-example.json":        "parent refers to DeviceDefinition",
	"DeviceUseStatement-example.json":  "reasonReference refers to Procedure",
	"MedicationRequest-medrx0301.json": "performer refers to Practitioner",
	"Observation-clinical-gender.json": "performer refers to Encounter",
	"Questionnaire-qs1.json":           "linkId is missing",
	"ImplementationGuide-fhir.json":    "name is missing",
	"ig-r4.json":                       "name is missing",
	"SearchParameter-questionnaireresponse-extensions-QuestionnaireResponse-item-subject.json": "is not an id",
}

// TestOfficialExamples loads the whole package of official R4 examples into a server, ends it by kill -9, and reads every resource
// back from the next: equal, numbers to the letter. The path of the package stands in HOB_R4_EXAMPLES.
func TestOfficialExamples(t *testing.T) {
	pkg := os.Getenv("HOB_R4_EXAMPLES")
	if pkg == "" || !strings.HasSuffix(pkg, ".tgz") {
		if os.Getenv("HOB_REQUIRE_EXAMPLES") == "1" {
			t.Fatal("HOB_R4_EXAMPLES must name the .tgz of npm hl7.fhir.r4.examples 4.0.1")
		}
		t.Skip("HOB_R4_EXAMPLES does not name the .tgz of npm hl7.fhir.r4.examples 4.0.1")
	}
	store := "badger:" + t.TempDir()
	s := serving(t, store, "--deadline", "10m")
	claims := s.claims()
	report := path.Join(t.TempDir(), "refused.ndjson")
	r := hob(t, nil, nil, "load", "--url", s.base, "--report", report, pkg)
	if !strings.Contains(r.out+r.err, "loaded 5288, refused 18") {
		t.Fatalf("hob load: exit code %d\n%s%s", r.code, r.out, r.err)
	}
	if now := s.claims(); !reflect.DeepEqual(now, claims) {
		t.Error("the published SearchParameters, stored as resources, changed what /metadata claims")
	}
	s.kill()
	sound(t, store)
	s = serving(t, store)

	data, conformance, refused := 0, 0, map[string]bool{}
	eachJSON(t, pkg, func(name string, body []byte) {
		want := decoded(t, body)
		typ, _ := want["resourceType"].(string)
		id, _ := want["id"].(string)
		if typ == "" {
			return
		}
		// A Binary comes as it is unless it is asked for as a resource.
		status, answer, err := call(http.MethodGet, s.base+"/"+typ+"/"+id+"?_format=json", "")
		if err != nil {
			t.Fatal(err)
		}
		if status != http.StatusOK {
			refused[name] = true
			return
		}
		got := decoded(t, answer)
		for _, r := range []map[string]any{want, got} {
			meta, _ := r["meta"].(map[string]any)
			delete(meta, "versionId")
			delete(meta, "lastUpdated")
			if len(meta) == 0 {
				delete(r, "meta")
			}
			if typ == "Subscription" { // the server says of one that was requested what became of it
				delete(r, "status")
				delete(r, "error")
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s does not read back as it was loaded", name)
		}
		if conformanceTypes[typ] {
			conformance++
		} else {
			data++
		}
	})
	if data != 866 || conformance != 4422 {
		t.Errorf("%d and %d conformance resources are there, want 866 and 4422", data, conformance)
	}

	lines, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[string]string{}
	for line := range strings.Lines(string(lines)) {
		var l struct{ Source string }
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		reasons[path.Base(strings.ReplaceAll(l.Source, "!", "/"))] = line
	}
	for name := range refused {
		why := reasons[name]
		switch want := broken[name]; {
		case want != "" && strings.Contains(why, want):
		case want == "" && strings.HasPrefix(name, "SearchParameter-") && strings.Contains(why, "base is missing"):
		default:
			t.Errorf("%s is refused for an unexpected reason: %q", name, why)
		}
	}
}

// claims is what /metadata says of every type.
func (s *running) claims() any {
	s.Helper()
	return decoded(s.TB, s.get("/metadata", http.StatusOK))["rest"]
}

// decoded is JSON with its numbers as they are written.
func decoded(t testing.TB, data []byte) map[string]any {
	t.Helper()
	var v map[string]any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// eachJSON calls fn for every resource file of an npm package.
func eachJSON(t testing.TB, pkg string, fn func(name string, body []byte)) {
	t.Helper()
	f, err := os.Open(pkg)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for entries := tar.NewReader(unzipped); ; {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(h.Name, ".json") {
			continue
		}
		body, err := io.ReadAll(entries)
		if err != nil {
			t.Fatal(err)
		}
		fn(path.Base(h.Name), body)
	}
}
