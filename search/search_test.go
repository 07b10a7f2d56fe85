package search

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// now is the moment of every test.
var now = time.Date(2024, 6, 1, 12, 0, 0, 0, time.UTC)

func newCatalog(t testing.TB) *Catalog {
	t.Helper()
	c, err := NewCatalog(r4.SearchParameters, Options{
		Base: "https://hob.example/fhir", Zone: time.FixedZone("", 2*3600), Clock: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// resource makes a resource of JSON in which ' stands for ".
func resource(t testing.TB, json string) *fhirmap.Resource {
	t.Helper()
	r, err := fhirmap.Trusted([]byte(strings.ReplaceAll(json, "'", `"`)))
	if err != nil {
		t.Fatalf("%s: %v", json, err)
	}
	return r
}

func rowsOf(t testing.TB, c *Catalog, r *fhirmap.Resource) []driver.Row {
	t.Helper()
	rows, err := c.Rows("own", r)
	if err != nil {
		t.Fatalf("%s: %v", r.JSON(), err)
	}
	if err := driver.ValidateRows(driver.Key{Type: r.Type(), ID: "x"}, rows); err != nil {
		t.Fatalf("%s: %v", r.JSON(), err)
	}
	return rows
}

// show writes rows one a line, sorted: field, group if any, value.
func show(c *Catalog, typ string, rows []driver.Row) []string {
	var out []string
	for _, r := range rows {
		group := ""
		if r.Group > 0 {
			group = fmt.Sprintf(" #%d", r.Group)
		}
		out = append(out, r.Field+group+" "+c.ExplainValue(typ, r.Field, r.Value))
	}
	slices.Sort(out)
	return out
}

// query reads "name=value&name=value", not percent-encoded.
func query(s string) []Pair {
	var out []Pair
	for p := range strings.SplitSeq(s, "&") {
		name, value, _ := strings.Cut(p, "=")
		out = append(out, Pair{name, value})
	}
	return out
}

// alone is a graph without other records.
type alone struct{}

func (alone) Matches(string, string, driver.Query) bool           { return false }
func (alone) Referring(string, string, []byte, driver.Query) bool { return false }

// TestExplainMany: what a value set or a long list comes to is told in short.
func TestExplainMany(t *testing.T) {
	c := newCatalog(t)
	for _, x := range []struct{ name, value string }{{"code", "a%d"}, {"_id", "a%d"}, {"code-value-quantity", "a%d$1"}} {
		var values []string
		for i := range 1500 {
			values = append(values, fmt.Sprintf(x.value, i))
		}
		s, err := c.Parse("Observation", []Pair{{x.name, strings.Join(values, ",")}}, ParseOptions{})
		if err != nil {
			t.Fatal(err)
		}
		text := c.Explain("Observation", s.Where)
		tree, err := json.Marshal(c.Tree("Observation", s.Where))
		if err != nil || len(text) > 30_000 || len(tree) > 100_000 || !strings.Contains(text, "… 1300 more") || !strings.Contains(string(tree), "… 1300 more") {
			t.Errorf("%s: %d bytes of text, %d of the tree, %v", x.name, len(text), len(tree), err)
		}
	}
}

// TestRules: a store must be indexed anew where an option makes other rows, and only there.
func TestRules(t *testing.T) {
	rules := func(o Options) string {
		c, err := NewCatalog(nil, o)
		if err != nil {
			t.Fatal(err)
		}
		return c.Rules()
	}
	for name, o := range map[string]Options{
		"zone": {Zone: time.FixedZone("CET", 3600)}, "text": {Text: true}, "case": {CaseSensitive: []string{"http://s"}}, "no case": {CaseSensitive: []string{}},
	} {
		if rules(o) == rules(Options{}) {
			t.Errorf("%s: the rules are those without: %s", name, rules(o))
		}
	}
	if same := rules(Options{Base: "http://b", MaxCount: 1, CaseSensitive: append(caseSensitive(), caseSensitive()...)}); same != rules(Options{}) {
		t.Errorf("the rules are %s", same)
	}
}

// itself are terms of which each value set and each concept is one code.
var itself = Terms{
	Codes: func(name string) ([]Concept, *fhirmap.Outcome) { return []Concept{{name, "x"}}, nil },
	Below: func(c Concept) ([]Concept, *fhirmap.Outcome) { return []Concept{c}, nil },
	Above: func(c Concept) ([]Concept, *fhirmap.Outcome) { return []Concept{c}, nil },
}

// TestFor holds what the catalog claims against what it does: each claim must be usable as claimed.
func TestFor(t *testing.T) {
	c := newCatalog(t)
	values := map[string]string{"token": "a", "string": "a", "date": "2024", "number": "1", "quantity": "1", "reference": "a", "uri": "a", "special": "1|2"}
	claims := 0
	for _, typ := range fhirmap.ResourceTypes() {
		for _, p := range c.For(typ) {
			claims++
			s := c.now().types[typ]
			value := values[p.Type]
			if p.Type == "composite" {
				var parts []string
				for _, part := range s.params[p.Code].joins[0] {
					parts = append(parts, values[part.param.kind.name])
				}
				value = strings.Join(parts, "$")
			}
			try := func(name, value string) {
				got, err := c.Parse(typ, []Pair{{name, value}}, ParseOptions{Terms: itself})
				if err != nil {
					t.Errorf("%s?%s=%s: %v", typ, name, value, err)
				} else if err := driver.Validate(got.Where); err != nil {
					t.Errorf("%s?%s=%s: %v", typ, name, value, err)
				}
			}
			try(p.Code, value)
			for _, prefix := range p.Comparators {
				try(p.Code, prefix+value)
			}
			for _, m := range p.Modifiers {
				name, example := ":"+m, s.params[p.Code].modifier(m).example
				if m == anyType {
					if len(p.Targets) == 0 {
						continue
					}
					name = ":" + p.Targets[0]
				}
				try(p.Code+name, example)
			}
			if p.Sortable {
				try("_sort", "-"+p.Code)
			}
			if p.Definition == "" || p.Type == "special" && p.Code != "near" {
				t.Errorf("%s.%s: claimed as %+v", typ, p.Code, p)
			}
		}
	}
	if claims < 2300 {
		t.Errorf("%d claims over all types; the common parameters alone are six of each", claims)
	}
	for _, code := range []string{"_text", "_content", "_filter", "_query", "part-agree"} {
		for _, typ := range []string{"Location", "Patient", "DocumentReference"} {
			if slices.ContainsFunc(c.For(typ), func(p Parameter) bool { return p.Code == code }) {
				t.Errorf("%s.%s is claimed, but nothing answers it", typ, code)
			}
		}
	}
	if c.For("Nonsense") != nil {
		t.Error("parameters of what is no resource type")
	}
}

// TestSharing lists which fields are read where a parameter selects what others do.
func TestSharing(t *testing.T) {
	c := newCatalog(t)
	for _, x := range []struct{ typ, code, want string }{
		{"Patient", "phonetic", "name"},
		{"Patient", "name", "name"},
		{"Observation", "patient", "subject>Patient patient*"},
		{"Observation", "combo-code", "component-code code"},
		{"Observation", "combo-value-quantity", "component-value-quantity value-quantity"},
		{"Observation", "combo-value-concept", "component-value-concept value-concept"},
		{"Observation", "code", "code"},
		{"AuditEvent", "patient", "agent>Patient entity>Patient patient*"},
		{"Person", "practitioner", "practitioner"}, // 00 Practitioner begins 00 PractitionerRole too
		{"Person", "patient", "link>Patient patient*"},
		{"AllergyIntolerance", "patient", "patient"},
		{"Patient", "email", "email"},
	} {
		p := c.now().types[x.typ].params[x.code]
		if p == nil {
			t.Errorf("%s.%s does not exist", x.typ, x.code)
			continue
		}
		var got []string
		for _, s := range p.sources {
			text := s.field
			if s.only != "" {
				text += ">" + s.only
			}
			if s.rest {
				text += "*"
			}
			got = append(got, text)
		}
		if strings.Join(got, " ") != x.want {
			t.Errorf("%s.%s reads %q, want %q", x.typ, x.code, strings.Join(got, " "), x.want)
		}
	}
}

func TestExplain(t *testing.T) {
	c := newCatalog(t)
	for _, x := range []struct {
		q    driver.Query
		want string
	}{
		{nil, "All"},
		{driver.All{}, "All"},
		{driver.IDs{"a", "b"}, "IDs(a, b)"},
		{driver.Has("code"), "code EQUAL any"},
		{driver.Lookup{Field: "x", Op: driver.IN}, "x IN ()"},
		{driver.Or{driver.Not{Of: driver.Has("a")}, driver.Same{driver.Has("b"), driver.Has("c")}}, "Or(Not(a EQUAL any), Same(b EQUAL any, c EQUAL any))"},
		{driver.Refers{Field: "subject", Type: "Patient", Where: one("birthdate", driver.GT, driver.Point(driver.Instant(now)))},
			"Refers(subject to Patient: Same(birthdate GT 2024-06-01T12:00:00Z))"},
		{driver.Referred{Type: "Observation", Field: "subject"}, "Referred(Observation.subject: All)"},
		{one("x", driver.EQUAL, driver.Point([]byte{1, 2, 0xff})), "Same(x EQUAL 0102ff)"},
		{one("date", driver.GT, driver.Point([]byte("odd"))), `Same(date GT "odd")`},
		{one("code", driver.EQUAL, driver.Point([]byte("a\x00http://s\x00"))), `Same(code EQUAL "a|http://s|")`},
		{one("code", driver.EQUAL, driver.Prefix([]byte("a\x00"))), `Same(code EQUAL "a|"…)`},
		{one("value-quantity", driver.EQUAL, driver.Span([]byte{leadZero}, after([]byte{leadZero}))), `Same(value-quantity EQUAL [0, 0+))`},
	} {
		if got := c.Explain("Observation", x.q); got != x.want {
			t.Errorf("%s\nwant %s", got, x.want)
		}
	}
}
