package search

import (
	"errors"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// TestTranslation shows what becomes of each form of search.
func TestTranslation(t *testing.T) {
	c := newCatalog(t)
	for _, x := range []struct{ typ, query, want string }{
		{"Patient", "_id=a", `IDs(a)`},
		{"Patient", "_id=a,b&_id:not=c", `And(IDs(a, b), Not(IDs(c)))`},
		{"Patient", "gender=female", `gender EQUAL "female|"…`},
		{"Patient", "gender=female,male", `gender IN ("female|"…, "male|"…)`},
		{"Patient", "gender:not=Female", `Not(gender EQUAL "female|"…)`},
		{"Patient", "identifier=urn:x|A", `identifier EQUAL "a|urn:x|"`},
		{"Patient", "identifier=|A", `identifier EQUAL "a|"`},
		{"Patient", "identifier=urn:x|", `identifier LIKE "|urn:x|"`},
		{"Patient", "identifier:of-type=s|C|V", `identifier:of-type EQUAL "c|s|v"`},
		{"Patient", "name=Anna", `Or(name EQUAL "anna"…, name:part EQUAL "anna"…)`},
		{"Patient", "address-city=Köln", `address-city EQUAL "koln"…`},
		{"Organization", "name=a,b", `name IN ("a"…, "b"…)`},
		{"Patient", "name:exact=Anna", `name:exact EQUAL "Anna"`},
		{"Patient", "name:contains=nn", `name LIKE "nn"`},
		{"Patient", "phonetic=Anna", `Or(name EQUAL "anna"…, name:part EQUAL "anna"…)`},
		{"Patient", "birthdate=2000", `birthdate EQUAL [1999-12-31T22:00:00Z, 2000-12-31T22:00:00Z)`},
		{"Patient", "birthdate=lt2000Z", `error value`},
		{"Patient", "birthdate=ne2000-01-01", `Or(birthdate LT 1999-12-31T22:00:00Z, birthdate GTE 2000-01-01T22:00:00Z)`},
		{"Patient", "birthdate=le2000-01-01", `Or(birthdate LT 1999-12-31T22:00:00Z, birthdate EQUAL [1999-12-31T22:00:00Z, 2000-01-01T22:00:00Z))`},
		{"Patient", "birthdate=ge2000-01-01", `Or(birthdate GTE 2000-01-01T22:00:00Z, birthdate EQUAL [1999-12-31T22:00:00Z, 2000-01-01T22:00:00Z))`},
		{"Patient", "birthdate=gt2000-01-01", `birthdate GTE 2000-01-01T22:00:00Z`},
		{"Patient", "birthdate=sa2000-01-01", `birthdate EQUAL [2000-01-01T22:00:00Z, )`},
		{"Patient", "birthdate=eb2000-01-01", `birthdate EQUAL [, 1999-12-31T22:00:00Z)`},
		{"Patient", "birthdate=ap2024-06-01T11:58:20Z", `Same(birthdate LT 2024-06-01T11:58:31Z, birthdate GTE 2024-06-01T11:58:10Z)`},
		{"Patient", "birthdate:missing=true", `Not(birthdate EQUAL any)`},
		{"Observation", "subject=p1", `subject EQUAL "p1|"…`},
		{"QuestionnaireResponse", "questionnaire=Questionnaire/q|2", `questionnaire IN ("Questionnaire/q|2|", "https://hob.example/fhir/Questionnaire/q|2|")`},
		{"Observation", "subject=Patient/p1,Group/g", `subject IN ("p1|Patient", "g|Group")`},
		{"Observation", "patient=p1", `subject EQUAL "p1|Patient"`},
		{"Observation", "patient=Group/p1", `Or()`},
		{"Observation", "patient=http://x/y", `patient IN ("http://x/y|", "http://x/y|"…)`},
		{"Observation", "patient:missing=false", `Or(subject LIKE "|Patient", patient EQUAL any, patient:identifier EQUAL any)`},
		{"Observation", "combo-code=a", `Or(component-code EQUAL "a|"…, code EQUAL "a|"…)`},
		{"Observation", "value-quantity=5.4", `value-quantity EQUAL [5.35, 5.45)`},
		{"Observation", "value-quantity=gt5.4", `value-quantity GTE 5.4+`},
		{"Observation", "value-quantity=5.4||mg", `Same(value-quantity EQUAL [5.35, 5.45), value-quantity:unit EQUAL "mg|"…)`},
		{"Observation", "value-quantity=5.4|u|mg", `value-quantity:unit EQUAL ["mg|u|" 5.35, "mg|u|" 5.45)`},
		{"Observation", "value-quantity=lt5.4|u|mg", `Same(value-quantity:unit LT "mg|u|" 5.4, value-quantity:unit EQUAL "mg|u|"…)`},
		{"Observation", "code-value-quantity=a$gt5||mg", `Same(code EQUAL "a|"…, value-quantity GTE 5+, value-quantity:unit EQUAL "mg|"…)`},
		{"Observation", "combo-code-value-quantity=a$5", `Or(Same(code EQUAL "a|"…, value-quantity EQUAL [4.5, 5.5)), Same(component-code EQUAL "a|"…, component-value-quantity EQUAL [4.5, 5.5)))`},
		{"MolecularSequence", "chromosome-variant-coordinate=1$lt5$gt6", `And(chromosome EQUAL "1|"…, Same(variant-start LT 5, variant-end GTE 6+))`},
		{"ValueSet", "url=http://x", `url IN ("http://x", "http://x|"…)`},
		{"RiskAssessment", "probability=eb1e2", `probability EQUAL [, 100)`},
		{"RiskAssessment", "probability=sa1e2", `probability EQUAL [100+, )`},
		{"Patient", "_count=5&_pretty=true", `All`},
	} {
		s, err := c.Parse(x.typ, query(x.query), ParseOptions{})
		got := ""
		if err == nil {
			got = c.Explain(x.typ, s.Where)
		} else {
			got = "error " + string(err.(*fhirmap.Outcome).Issues[0].Code)
		}
		if got != x.want {
			t.Errorf("%s?%s\n     %s\nwant %s", x.typ, x.query, got, x.want)
		}
	}
}

func TestControls(t *testing.T) {
	c := newCatalog(t)
	asc, desc := driver.Order{Field: "birthdate"}, driver.Order{Field: "birthdate", Desc: true}
	for _, x := range []struct {
		query string
		want  Search
	}{
		{"_count=20", Search{Count: 20}},
		{"_count=0", Search{Count: 0}},
		{"_count=99999", Search{Count: 1000}},
		{"_sort=birthdate", Search{Count: 50, Sort: []driver.Order{asc}}},
		{"_sort=-birthdate,_id,-_lastUpdated,birthdate,_id", Search{Count: 50, Sort: []driver.Order{desc, {}, {Field: "_lastUpdated", Desc: true}, asc}}},
		{"_sort=family&_sort=-phonetic", Search{Count: 50, Sort: []driver.Order{{Field: "family"}, {Field: "name", Desc: true}}}},
		{"_total=accurate", Search{Count: 50, Total: TotalAccurate}},
		{"_summary=count&_count=7", Search{Summary: "count"}},
		{"_count=7&_summary=count", Search{Summary: "count"}},
		{"_summary=text&_elements=id,name", Search{Count: 50, Summary: "text", Elements: []string{"id", "name"}}},
		{"_format=json", Search{Count: 50}},
	} {
		got, err := c.Parse("Patient", query(x.query), ParseOptions{})
		if err != nil {
			t.Errorf("%s: %v", x.query, err)
			continue
		}
		x.want.Type, x.want.Self = "Patient", query(x.query)
		if !reflect.DeepEqual(*got, x.want) {
			t.Errorf("%s: %+v, want %+v", x.query, *got, x.want)
		}
	}
}

// TestRefused: what is wrong is refused with a code, the parameter's name, and what would be right.
func TestRefused(t *testing.T) {
	c := newCatalog(t)
	for _, x := range []struct {
		query string
		code  fhirmap.Code
		says  string
	}{
		{"nam=a", fhirmap.CodeNotSupported, "known are _count"},
		{"code:near=a", fhirmap.CodeNotSupported, "it takes :missing, :not, :text, :of-type"},
		{"code:=a", fhirmap.CodeNotSupported, "it takes :missing"},
		{"code:[type]=a", fhirmap.CodeNotSupported, "it takes :missing"},
		{"subject:Account=a", fhirmap.CodeNotSupported, "it refers to"},
		{"subject:[type]=a", fhirmap.CodeNotSupported, "it takes"},
		{"subject:Patient=Group/1", fhirmap.CodeValue, "no reference to a Patient"},
		{"subject=a_b", fhirmap.CodeValue, "an id, Type/id or a URL"},
		{"subject=Nonsense/1", fhirmap.CodeValue, "no resource type"},
		{"code:exact=a", fhirmap.CodeNotSupported, "it takes"},
		{"code-value-quantity:missing=true", fhirmap.CodeNotSupported, "it takes none"},
		{"code=", fhirmap.CodeValue, "empty value"},
		{"code=a,,b", fhirmap.CodeValue, "empty value"},
		{"code=|", fhirmap.CodeValue, "neither a system nor a code"},
		{"code=a|b|c", fhirmap.CodeValue, "more than one |"},
		{"code:missing=yes", fhirmap.CodeValue, "neither true nor false"},
		{"code:of-type=a|b", fhirmap.CodeValue, "system|code|value"},
		{"code:text=...", fhirmap.CodeValue, "no letter"},
		{"date=yesterday", fhirmap.CodeValue, "no date such as"},
		{"date=eq", fhirmap.CodeValue, "no date such as"},
		{"date=zz2024", fhirmap.CodeValue, "no date such as"},
		{"value-quantity=a", fhirmap.CodeValue, "no number such as"},
		{"value-quantity=1|mg", fhirmap.CodeValue, "number||code"},
		{"value-quantity=1|s|", fhirmap.CodeValue, "no code"},
		{"code-value-quantity=a", fhirmap.CodeValue, "write 2"},
		{"code-value-quantity=a$", fhirmap.CodeValue, "empty part"},
		{"_id=a/b", fhirmap.CodeValue, "no id"},
		{"_id:missing=true", fhirmap.CodeNotSupported, "it takes :not"},
		{"_count:exact=1", fhirmap.CodeNotSupported, "no modifier"},
		{"_text=a", fhirmap.CodeNotSupported, "text-search"},
		{"_count=-1", fhirmap.CodeValue, "0 or more"},
		{"_count=1&_count=2", fhirmap.CodeValue, "twice"},
		{"_total=some", fhirmap.CodeValue, "none, estimate, accurate"},
		{"_summary=some", fhirmap.CodeValue, "true, text, data, count, false"},
		{"_elements=", fhirmap.CodeValue, "no element"},
		{"_sort=nam", fhirmap.CodeNotSupported, "it can by _id"},
		{"_sort=code-value-quantity", fhirmap.CodeNotSupported, "it can by"},
		{"_sort=combo-code", fhirmap.CodeNotSupported, "it can by"},
		{"_sort=patient", fhirmap.CodeNotSupported, "it can by"}, // subject's field, which has groups and devices too
		{"_sort=", fhirmap.CodeNotSupported, "it can by"},
		{"code=" + strings.Repeat("a", 70_000), fhirmap.CodeTooLong, "bytes"},
		{"code=a" + strings.Repeat(",a", 2000), fhirmap.CodeTooLong, "2000"},
		{strings.Repeat("code=a&", 101) + "code=a", fhirmap.CodeTooLong, "100"},
		{"_sort=" + strings.Join(sortable(c, "Observation")[:11], ","), fhirmap.CodeTooLong, "10"},
		{"code=a\x00b", fhirmap.CodeValue, "zero byte"},
	} {
		for _, lenient := range []bool{false, true} {
			if lenient && (strings.HasPrefix(x.query, "nam") || strings.HasPrefix(x.query, "_sort=nam") || strings.HasPrefix(x.query, "_text") || x.query == "_sort=") {
				continue // unknown parameters are ignored
			}
			_, err := c.Parse("Observation", query(x.query), ParseOptions{Lenient: lenient})
			var o *fhirmap.Outcome
			if !errors.As(err, &o) {
				t.Errorf("%.60q: %v", x.query, err)
				continue
			}
			name, _, _ := strings.Cut(x.query, "=")
			is := o.Issues[0]
			if is.Code != x.code || !strings.Contains(is.Diagnostics, x.says) || is.Expression != "" && is.Expression != "http."+name {
				t.Errorf("%.60q: %+v, want %s with %q", x.query, is, x.code, x.says)
			}
		}
	}
	if _, err := c.Parse("Nonsense", nil, ParseOptions{}); err == nil {
		t.Error("a search on what is no resource type")
	}
	_, err := c.Parse("Patient", query("a=1&b=2&gender:x=3"), ParseOptions{})
	var o *fhirmap.Outcome
	if !errors.As(err, &o) || len(o.Issues) != 3 {
		t.Errorf("three faults: %v", err)
	}
}

func sortable(c *Catalog, typ string) []string {
	var out []string
	for _, p := range c.For(typ) {
		if p.Sortable {
			out = append(out, p.Code)
		}
	}
	return out
}

// TestLenient: unknown parameters are left out and named; nothing else is forgiven.
func TestLenient(t *testing.T) {
	c := newCatalog(t)
	s, err := c.Parse("Patient", query("nam=a&gender=male&_sort=x,birthdate&y.z=1"), ParseOptions{Lenient: true})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(s.Ignored, []string{"nam", "_sort=x", "y.z"}) || !slices.Equal(s.Self, query("gender=male&_sort=birthdate")) ||
		c.Explain("Patient", s.Where) != `gender EQUAL "male|"…` || !slices.Equal(s.Sort, []driver.Order{{Field: "birthdate"}}) {
		t.Errorf("%+v", s)
	}
}

// TestFirstDefinition: of two definitions for one code the first counts, and one that cannot be compiled is named.
func TestFirstDefinition(t *testing.T) {
	defs := []r4.SearchParameter{
		{URL: "http://1", Code: "x", Type: "token", Expression: "Patient.gender", Base: []string{"Patient"}},
		{URL: "http://2", Code: "x", Type: "date", Expression: "Patient.birthDate", Base: []string{"Patient"}},
	}
	c, err := NewCatalog(defs, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if p := c.For("Patient"); len(p) != 1 || p[0].Definition != "http://1" {
		t.Errorf("%+v", p)
	}
	defs[0].Expression = "Patient.gender("
	if _, err := NewCatalog(defs, Options{}); err == nil || !strings.Contains(err.Error(), "http://1") {
		t.Errorf("a broken expression: %v", err)
	}
}

// FuzzParseURL: no URL makes Parse panic, every error is an Outcome, every query is well-formed and can be explained and asked.
func FuzzParseURL(f *testing.F) {
	c := newCatalog(f)
	rows := rowsOf(f, c, resource(f, `{'resourceType':'Observation','status':'final','code':{'coding':[{'system':'http://l','code':'a'}]},
		'subject':{'reference':'Patient/1'},'effectiveDateTime':'2024','valueQuantity':{'value':5.4,'unit':'mg'}}`))
	for _, s := range []string{
		"code=http://l|a&date=ge2024-01-01T00:00:00%2B02:00", "value-quantity=5.4|http://u|mg,ap3||g", "combo-code-value-quantity=a$5.4||mg",
		`code=a\,b\|c,\$\\&code:text=x&code:of-type=a|b|c`, "subject:Patient=1&patient=http://x|1&_sort=-date,code&_count=3", "date:missing=true&code:not=a",
		"_id=a,b&_lastUpdated=lt2024-01-01T10:00Z&_profile=http://p|1", "value-quantity=1e999999999&value-quantity=-0.000e-5|a|b", "_total=none&_elements=a",
	} {
		f.Add("Observation", s)
	}
	f.Fuzz(func(t *testing.T, typ, raw string) {
		var pairs []Pair
		for p := range strings.SplitSeq(raw, "&") {
			name, value, _ := strings.Cut(p, "=")
			name, err1 := url.QueryUnescape(name)
			value, err2 := url.QueryUnescape(value)
			if err1 == nil && err2 == nil {
				pairs = append(pairs, Pair{name, value})
			}
		}
		for _, lenient := range []bool{false, true} {
			s, err := c.Parse(typ, pairs, ParseOptions{Lenient: lenient})
			if err != nil {
				if o, ok := err.(*fhirmap.Outcome); !ok || len(o.Issues) == 0 {
					t.Fatalf("an error that is no outcome: %v", err)
				}
				continue
			}
			if err := driver.Validate(s.Where); err != nil {
				t.Fatalf("%s: %v", c.Explain(typ, s.Where), err)
			}
			driver.Match(driver.Key{Type: typ, ID: "x"}, rows, s.Where, alone{})
			again, err := c.Parse(typ, s.Self, ParseOptions{})
			if err != nil || c.Explain(typ, again.Where) != c.Explain(typ, s.Where) || !slices.Equal(again.Sort, s.Sort) || again.Count != s.Count {
				t.Fatalf("the self link %v is another search: %v", s.Self, err)
			}
		}
	})
}
