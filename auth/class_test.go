package auth

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
)

// TestClasses wants every resource type in one class, on purpose.
func TestClasses(t *testing.T) {
	in := map[string][]class{}
	for c, names := range classes {
		for typ := range strings.FieldsSeq(names) {
			in[typ] = append(in[typ], c)
		}
	}
	for _, typ := range fhirmap.ResourceTypes() {
		if len(in[typ]) != 1 {
			t.Errorf("%s is of the classes %q; it must be of one", typ, in[typ])
		}
		delete(in, typ)
	}
	if len(in) > 0 {
		t.Errorf("%q are classes of no resource type", slices.Collect(maps.Keys(in)))
	}
	types := newClasses()
	if types.of("Nothing") != administrative {
		t.Error("what is not listed is not administrative")
	}
	beyond := []string{"AuditEvent", "Basic"} // of the definition, and of other classes here
	for _, typ := range search.Members("Patient") {
		if types.of(typ) != compartment && !slices.Contains(beyond, typ) {
			t.Errorf("%s is in the patient compartment of R4, and here %s", typ, types.of(typ))
		}
	}
	for _, typ := range search.Attaching {
		if types.of(typ) != compartment {
			t.Errorf("%s attaches Binaries and is %s", typ, types.of(typ))
		}
	}
}

// TestClassesInDocs compares the table with the page that tells it.
func TestClassesInDocs(t *testing.T) {
	page, err := os.ReadFile("../docs/access.md")
	if err != nil {
		t.Fatal(err)
	}
	types := newClasses()
	for c := range classes {
		row := "| " + strings.Join(types.list(c), ", ") + " |\n"
		begin := "\n| " + string(c) + " | "
		at := strings.Index(string(page), begin)
		if at < 0 {
			t.Fatalf("the page has no row for %s", c)
		}
		line, _, _ := strings.Cut(string(page)[at+1:], "\n")
		if !strings.HasSuffix(line+"\n", row) {
			t.Errorf("the row of %s must end in\n%s", c, row)
		}
	}
}
