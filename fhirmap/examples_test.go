package fhirmap

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// examples returns the official R4 examples (npm hl7.fhir.r4.examples 4.0.1) by file name. HOB_R4_EXAMPLES says where they are: the
// .tgz of the package or a folder with its files. Without it the test is skipped, or fails if HOB_REQUIRE_EXAMPLES is 1.
func examples(t testing.TB) map[string][]byte {
	t.Helper()
	where := os.Getenv("HOB_R4_EXAMPLES")
	if where == "" {
		if os.Getenv("HOB_REQUIRE_EXAMPLES") == "1" {
			t.Fatal("HOB_R4_EXAMPLES is not set; it must name the package hl7.fhir.r4.examples 4.0.1 (.tgz or folder)")
		}
		t.Skip("HOB_R4_EXAMPLES is not set")
	}
	files := map[string][]byte{}
	keep := func(name string, data []byte) {
		if base := path.Base(name); strings.HasSuffix(base, ".json") && base != "package.json" && !strings.HasPrefix(base, ".") {
			files[base] = data
		}
	}
	if !strings.HasSuffix(where, ".tgz") {
		names, err := filepath.Glob(filepath.Join(where, "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			keep(name, data)
		}
		return files
	}
	f, err := os.Open(where)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for archive := tar.NewReader(unzipped); ; {
		h, err := archive.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		keep(h.Name, data)
	}
}

// refused are the examples that break the specification, each with the expression of its first issue.
var refused = map[string]string{
	// references to a type that may not stand there
	"DeviceMetric-example.json":        "DeviceMetric.parent",
	"DeviceUseStatement-example.json":  "DeviceUseStatement.reasonReference[0]",
	"MedicationRequest-medrx0301.json": "MedicationRequest.dispenseRequest.performer",
	"Observation-clinical-gender.json": "Observation.performer[0]",
	// required elements that are missing
	"ImplementationGuide-fhir.json": "ImplementationGuide.name",
	"ig-r4.json":                    "ImplementationGuide.name",
	"Questionnaire-qs1.json":        "Questionnaire.item[0].item[0].linkId",
	"SearchParameter-codesystem-extensions-CodeSystem-author.json":    "SearchParameter.base",
	"SearchParameter-codesystem-extensions-CodeSystem-effective.json": "SearchParameter.base",
	"SearchParameter-codesystem-extensions-CodeSystem-end.json":       "SearchParameter.base",
	"SearchParameter-codesystem-extensions-CodeSystem-keyword.json":   "SearchParameter.base",
	"SearchParameter-codesystem-extensions-CodeSystem-workflow.json":  "SearchParameter.base",
	"SearchParameter-valueset-extensions-ValueSet-author.json":        "SearchParameter.base",
	"SearchParameter-valueset-extensions-ValueSet-effective.json":     "SearchParameter.base",
	"SearchParameter-valueset-extensions-ValueSet-end.json":           "SearchParameter.base",
	"SearchParameter-valueset-extensions-ValueSet-keyword.json":       "SearchParameter.base",
	"SearchParameter-valueset-extensions-ValueSet-workflow.json":      "SearchParameter.base",
	// an id of 69 characters
	"SearchParameter-questionnaireresponse-extensions-QuestionnaireResponse-item-subject.json": "SearchParameter.id",
}

// Every official example loads and reads back to the letter, but those that break the specification.
func TestExamples(t *testing.T) {
	files := examples(t)
	var all, good, allConformance, goodConformance int // conformance resources are counted apart
	for _, name := range slices.Sorted(maps.Keys(files)) {
		typ, _, _ := strings.Cut(name, "-")
		conformance := slices.Contains([]string{"SearchParameter", "ValueSet", "CodeSystem", "StructureDefinition"}, typ)
		r, err := Parse(files[name], Limits{})
		if want := refused[name]; err != nil || want != "" {
			var o *Outcome
			if !errors.As(err, &o) || o.Issues[0].Expression != want {
				t.Errorf("%s: got %v, want an *Outcome about %q", name, err, want)
			}
		} else {
			checkKept(t, name, files[name], r)
		}
		ok := 0
		if err == nil {
			ok = 1
		}
		if conformance {
			allConformance, goodConformance = allConformance+1, goodConformance+ok
		} else {
			all, good = all+1, good+ok
		}
	}
	if all != 873 || good != 866 || allConformance != 4433 || goodConformance != 4422 {
		t.Errorf("%d of %d instances and %d of %d conformance resources are valid; want 866 of 873 and 4422 of 4433", good, all, goodConformance, allConformance)
	}
}

func checkKept(t *testing.T, name string, data []byte, r *Resource) {
	t.Helper()
	var compact bytes.Buffer
	if err := json.Compact(&compact, data); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(r.JSON(), compact.Bytes()) {
		t.Errorf("%s does not come back to the letter", name)
	}
	trusted, err := Trusted(r.JSON())
	if err != nil {
		t.Errorf("%s: Trusted: %v", name, err)
	} else if !sameTree(r.Root(), trusted.Root()) {
		t.Errorf("%s: Trusted reads another tree", name)
	}
	stamped, err := Trusted(r.Stamp("x", 1, time.Unix(0, 0)))
	if err != nil || stamped.ID() != "x" || stamped.Meta().String("versionId") != "1" || stamped.Type() != r.Type() {
		t.Errorf("%s: stamped it is not read again: %v", name, err)
	}
}

func sameTree(a, b *Element) bool {
	return a.Name == b.Name && a.Key == b.Key && a.Type == b.Type && a.Index == b.Index && a.Group == b.Group && a.Text == b.Text &&
		a.Value == b.Value && slices.EqualFunc(a.Children, b.Children, sameTree)
}
