package search

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/fhirmap"
)

var update = flag.Bool("update", false, "write docs/search.md anew")

// pictured are the parameters by which the page shows each kind, and a value that prefixes can stand before.
var pictured = []struct{ typ, code, value string }{
	{"Observation", "code", ""},
	{"Patient", "name", ""},
	{"Observation", "date", "2024-03-31"},
	{"RiskAssessment", "probability", "0.3"},
	{"Observation", "value-quantity", "5.4||mg"},
	{"Observation", "subject", ""},
	{"QuestionnaireResponse", "questionnaire", ""},
	{"ValueSet", "url", ""},
	{"Observation", "code-value-quantity", ""},
	{"Location", "near", ""},
	{"Patient", "_id", ""},
}

// TestTable holds docs/search.md against the tables of kinds and prefixes: each line of it is an entry, translated.
func TestTable(t *testing.T) {
	c, err := NewCatalog(r4.SearchParameters, Options{Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	b.WriteString("# What a search value may ask\n\nWritten by `go test ./search -run TestTable -update` from the tables that the parser reads. The last column is the example's " +
		"translation into lookups (package storage/driver), as `__explain=true` shows it. `|` in a value of an index stands for the end of a part.\n")
	cell := func(s string) string { return strings.ReplaceAll(s, "|", "\\|") }
	asks := func(typ, name, value string) string {
		s, err := c.Parse(typ, []Pair{{name, value}}, ParseOptions{Terms: itself})
		if err != nil {
			t.Fatalf("%s?%s=%s: %v", typ, name, value, err)
		}
		out := c.Explain(typ, s.Where)
		if len(out) > 300 {
			out = out[:150] + "…" // an area of many cells
		}
		return strings.ToValidUTF8(out, "")
	}
	described := map[string]bool{}
	for _, x := range pictured {
		p := c.now().types[x.typ].params[x.code]
		k := p.kind
		fmt.Fprintf(&b, "\n## %s: %s?%s\n\n", k.name, x.typ, x.code)
		if k.rows != nil && !described[k.name] {
			types := slices.Sorted(maps.Keys(k.rows))
			fmt.Fprintf(&b, "Of elements of the types %s. Fields: %s.\n\n", strings.Join(types, ", "), "`"+x.code+strings.Join(k.suffixes, "`, `"+x.code)+"`")
		}
		described[k.name] = true
		b.WriteString("| modifier | finds | example | asks |\n| --- | --- | --- | --- |\n")
		for _, m := range k.modifiers {
			if m.when != nil && !m.when(p) {
				continue
			}
			if m.finds == "" || m.example == "" {
				t.Errorf("%s:%s says not what it finds, or has no example", k.name, m.name)
			}
			name, example := x.code, m.example
			switch m.name {
			case "":
			case anyType:
				name += ":" + p.def.Target[0]
			default:
				name += ":" + m.name
			}
			if k == references && p.canonical() {
				if m.name == anyType {
					continue
				}
				if m.name == "" {
					example = "http://example.org/q"
				}
			}
			label := ""
			if m.name != "" {
				label = "`:" + m.name + "`"
			}
			fmt.Fprintf(&b, "| %s | %s | `%s=%s` | `%s` |\n", label, cell(m.finds), name, cell(example), cell(asks(x.typ, name, example)))
		}
		if x.value == "" || len(k.comparators) == 0 {
			continue
		}
		b.WriteString("\n| prefix | finds | example | asks |\n| --- | --- | --- | --- |\n")
		for _, p := range prefixes {
			if p.finds == "" {
				t.Errorf("the prefix %s says not what it finds", p.name)
			}
			fmt.Fprintf(&b, "| `%s` | %s | `%s=%s` | `%s` |\n", p.name, p.finds, x.code, cell(p.name+x.value), cell(asks(x.typ, x.code, p.name+x.value)))
		}
	}
	const file = "../docs/search.md"
	if *update {
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, b.Bytes()) {
		t.Errorf("%s is not what the tables say; go test ./search -run TestTable -update writes it anew", file)
	}
	for _, typ := range fhirmap.ResourceTypes() {
		for _, p := range c.For(typ) {
			if !described[p.Type] {
				t.Errorf("the page has no %s parameter", p.Type)
			}
		}
	}
}
