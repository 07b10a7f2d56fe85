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

// rules is what the page says before its tables.
const rules = "# What a search may ask\n\nWritten by `go test ./search -run TestTable -update` from the tables that the parser reads. The last column is the example's " +
	"translation into lookups (package storage/driver), as `__explain=true` shows it. `|` in a value of an index stands for the end of a part.\n" + `
- All parameters of a search must hold, also several of one name; the values of a list with commas are alternatives. A backslash before a comma, dollar, bar or
  backslash takes its meaning. What a definition says of ` + "`multipleOr` and `multipleAnd`" + ` is not heeded: both mean something for every parameter.
- An unknown parameter is refused with 400, and the known ones are told; with ` + "`Prefer: handling=lenient`" + ` it is ignored, left out of the self link, and named in
  an OperationOutcome. What is wrong with a known one is always refused.
- Codes are compared without case, but for those of the systems of ` + "`search.Options.CaseSensitive`" + `: UCUM and ISO 11073-10101. ` + "`CodeSystem.caseSensitive`" + ` of what is
  stored is not heeded: the rows of all resources would change with it, and R4 would rather find too much where it is in doubt.
- ` + "`GET [base]?_type=Patient,Practitioner&...`" + ` searches several types, ` + "`GET Patient/1/Observation?...` and `GET Patient/1/*?...`" + ` a compartment, and any of them may be a POST
  to ` + "`_search`" + ` with the parameters in a form.
- Parameters of one's own are SearchParameters that are stored, see decision 0017.
`

// reaching are chains in the page.
var reaching = []struct{ typ, name, value, finds string }{
	{"Observation", "subject:Patient.name", "peter", "what refers to a patient of this name"},
	{"Observation", "patient.birthdate", "lt1950", "the same where a parameter leads to one type"},
	{"Encounter", "service-provider.partof.name", "north", "two steps"},
	{"Patient", "_has:Observation:patient:code", "http://loinc.org|8867-4", "what such an observation refers to as its patient"},
	{"Patient", "_has:Observation:patient:encounter.status", "planned", "a step back and one on"},
	{"Encounter", "subject:Patient._has:Group:member:_id", "study", "a step on and one back"},
}

// TestTable holds docs/search.md against the tables of kinds and prefixes: each line of it is an entry, translated.
func TestTable(t *testing.T) {
	c, err := NewCatalog(r4.SearchParameters, Options{Text: true, Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	b.WriteString(rules)
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
	b.WriteString("\n## Parameters of every type\n\n| parameter | finds | example | asks |\n| --- | --- | --- | --- |\n")
	for _, s := range specials() {
		fmt.Fprintf(&b, "| `%s` | %s | `%s=%s` | `%s` |\n", s.name, cell(s.finds), s.name, cell(s.example), cell(asks("Patient", s.name, s.example)))
	}
	b.WriteString("\n## Through references: chains and _has\n\nSteps of both sorts may follow each other. A modifier or a prefix counts for the parameter at the end.\n\n" +
		"| search | finds | asks |\n| --- | --- | --- |\n")
	for _, x := range reaching {
		fmt.Fprintf(&b, "| `%s?%s=%s` | %s | `%s` |\n", x.typ, x.name, cell(x.value), x.finds, cell(asks(x.typ, x.name, x.value)))
	}
	fmt.Fprintf(&b, "\n## The operators of _filter\n\nA comparison is `parameter operator value`, where the parameter may be a chain, and the value a JSON string. `and`, `or`, `not (...)` and "+
		"parentheses join comparisons, from left to right: neither binds closer. `organization[name eq x].partof.name co y` asks two things of one organization.\n\n"+
		"| operator | holds if | example | asks |\n| --- | --- | --- | --- |\n")
	for _, o := range filterOps() {
		example, asked := "", ""
		if typ, comparison, ok := strings.Cut(o.example, " "); ok {
			example, asked = fmt.Sprintf("`%s?_filter=%s`", typ, cell(comparison)), fmt.Sprintf("`%s`", cell(asks(typ, "_filter", comparison)))
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", o.name, o.holds, example, asked)
	}
	b.WriteString("\n## What shapes the answer\n\n| parameter | does | example |\n| --- | --- | --- |\n")
	for _, o := range controls {
		if _, err := c.Parse("Observation", []Pair{{o.name, o.example}}, ParseOptions{}); err != nil {
			t.Errorf("%s=%s: %v", o.name, o.example, err)
		}
		fmt.Fprintf(&b, "| `%s` | %s | `%s=%s` |\n", o.name, cell(o.does), o.name, o.example)
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
