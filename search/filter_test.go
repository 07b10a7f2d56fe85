package search

import (
	"errors"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

func TestFilter(t *testing.T) {
	c := newCatalog(t)
	for _, x := range []struct{ typ, filter, want string }{
		{"Patient", `name co "pet"`, `name LIKE "pet"`},
		{"Patient", `name co Pét`, `name LIKE "pet"`},
		{"Patient", `name sw "pet er"`, `name EQUAL "pet er"…`},
		{"Patient", `family eq "Peter"`, `family EQUAL "peter"`},
		{"Patient", `family ne Peter`, `Or(family LT "peter", family GT "peter")`},
		{"Patient", `given eq "peter" and birthdate ge 2014-10-10`,
			`And(given EQUAL "peter", Or(birthdate GTE 2014-10-10T22:00:00Z, birthdate EQUAL [2014-10-09T22:00:00Z, 2014-10-10T22:00:00Z)))`},
		{"Patient", `birthdate eq 2000`, `birthdate EQUAL [1999-12-31T22:00:00Z, 2000-12-31T22:00:00Z)`},
		{"Patient", `birthdate ne 2000`, `Or(birthdate LT 1999-12-31T22:00:00Z, birthdate GTE 2000-12-31T22:00:00Z)`},
		{"Patient", `birthdate po 2000`, `Same(birthdate LT 2000-12-31T22:00:00Z, birthdate GTE 1999-12-31T22:00:00Z)`},
		{"Patient", `birthdate gt 2000`, `birthdate GTE 2000-12-31T22:00:00Z`},
		{"Patient", `_lastUpdated lt 2000-01-01T00:00:00Z`, `_lastUpdated LT 2000-01-01T00:00:00Z`},
		{"Patient", `birthdate pr true`, `birthdate EQUAL any`},
		{"Patient", `birthdate pr false`, `Not(birthdate EQUAL any)`},
		{"Patient", `_id eq a`, `IDs(a)`},
		{"Patient", `_id ne a`, `Not(IDs(a))`},
		{"Patient", `_id pr false`, `Or()`},
		{"Patient", `_id pr true`, `All`},
		{"Observation", `code eq http://loinc.org|1234-5`, `code EQUAL "1234-5|http://loinc.org|"`},
		{"Observation", `code ne http://loinc.org|1234-5`, `Or(code LT "1234-5|http://loinc.org|", code GT "1234-5|http://loinc.org|")`},
		{"Observation", `code eq a,b`, `code EQUAL "a,b|"…`},
		{"Observation", `code pr true`, `Or(code EQUAL any, code:text EQUAL any)`},
		{"Observation", `value-quantity lt 5.4`, `value-quantity LT 5.4`},
		{"Observation", `code-value-quantity eq a$5`, `Same(code EQUAL "a|"…, value-quantity EQUAL [4.5, 5.5))`},
		{"Observation", `subject re Patient/4`, `subject EQUAL "4|Patient"`},
		{"Observation", `subject eq Patient/4`, `subject EQUAL "4|Patient"`},
		{"Observation", `patient ne Patient/4`, `Or(Same(subject LT "4|Patient", subject LIKE "|Patient"), Same(subject GT "4|Patient", subject LIKE "|Patient"), patient EQUAL any)`},
		{"Observation", `patient.name co "pet"`, `Refers(subject to Patient: name LIKE "pet")`},
		{"Observation", `subject:Patient.birthdate pr false`, `Refers(subject to Patient: Not(birthdate EQUAL any))`},
		{"Observation", `subject[family eq x].gender eq male`, `Refers(subject to Patient: And(family EQUAL "x", gender EQUAL "male|"…))`},
		{"Observation", `encounter[status eq planned].service-provider[name co x].partof.name eq y`,
			`Refers(encounter to Encounter: And(status EQUAL "planned|"…, Refers(service-provider to Organization: And(name LIKE "x", Refers(partof to Organization: name EQUAL "y")))))`},
		{"Patient", `_has:Observation:patient:code eq x`, `Referred(Observation.subject: code EQUAL "x|"…)`},
		{"Patient", `_list eq l`, `Referred(List.item: IDs(l))`},
		{"Patient", `family eq a or family eq b and gender eq male`, `And(Or(family EQUAL "a", family EQUAL "b"), gender EQUAL "male|"…)`},
		{"Patient", `family eq a or (family eq b and gender eq male)`, `Or(family EQUAL "a", And(family EQUAL "b", gender EQUAL "male|"…))`},
		{"Patient", `family eq a or family eq b or family eq c`, `Or(family EQUAL "a", family EQUAL "b", family EQUAL "c")`},
		{"Patient", `not (family eq a)`, `Not(family EQUAL "a")`},
		{"Patient", `not(family eq a)and(gender eq male)`, `And(Not(family EQUAL "a"), gender EQUAL "male|"…)`},
		{"Patient", ` ( ( family eq "a \" ) ] b" ) ) `, `family EQUAL "a b"`},
		{"Patient", `family eq not`, `family EQUAL "not"`},
		{"ValueSet", `url sw http://x`, `url EQUAL "http://x"…`},
		{"ValueSet", `url co "//"`, `url LIKE "//"`},
		{"ValueSet", `url eq http://x`, `url IN ("http://x", "http://x|"…)`},
		{"ValueSet", `url ne http://x`, `Or(url LT "http://x", url GTE "http://x}", url EQUAL ["http://x|", "http://x|"))`},
		{"ValueSet", `url ne http://x|1`, `Or(url LT "http://x|1", url GT "http://x|1")`},
		{"Observation", `code in http://example.org/vs`, `code EQUAL "x|http://example.org/vs|"`},
		{"Observation", `code in http://example.org/a,b`, `code EQUAL "x|http://example.org/a,b|"`},
		{"Observation", `code ni http://example.org/vs`, `Not(code EQUAL "x|http://example.org/vs|")`},
		{"Observation", `subject:Patient.gender ni ValueSet/v`, `Refers(subject to Patient: Not(Or()))`},
		{"Observation", `code ss http://example.org/cs|a`, `code EQUAL "a|http://example.org/cs|"`},
		{"Observation", `code sb http://example.org/cs|a`, `code EQUAL "a|http://example.org/cs|"`},
		{"ValueSet", `url ss http://x/y`, `url EQUAL "http://x/y"…`},
		{"ValueSet", `url sb http://x/y`, `url IN ("http://x/y", "http://x/", "http://x")`},
		{"QuestionnaireResponse", `questionnaire ss http://x|1`, `questionnaire IN ("http://x|1|", "http://x|1."…)`},
	} {
		s, err := c.Parse(x.typ, []Pair{{"_filter", x.filter}}, ParseOptions{Terms: itself})
		got := ""
		if err == nil {
			got = c.Explain(x.typ, s.Where)
			if err := driver.Validate(s.Where); err != nil {
				t.Errorf("%s: %v", x.filter, err)
			}
		} else {
			got = err.Error()
		}
		if got != x.want {
			t.Errorf("%s %s\n     %s\nwant %s", x.typ, x.filter, got, x.want)
		}
	}
}

// TestFilterUnequal: a value that may be written in many ways is left out in one walk along the field. An id alone may be a canonical of each
// of the types that it may name.
func TestFilterUnequal(t *testing.T) {
	c := newCatalog(t)
	s, err := c.Parse("PlanDefinition", []Pair{{"_filter", "depends-on ne x"}}, ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := driver.Validate(s.Where); err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]bool{"Library/x": false, "Library/x|1": false, "ValueSet/x": false, "Library/y": true, "Library/xx": true, "A/a": true, "http://z": true} {
		rows := []driver.Row{{Field: "depends-on", Value: driver.Point(urlBytes(url))}}
		if got := driver.Match(driver.Key{Type: "PlanDefinition", ID: "p"}, rows, s.Where, nil); got != want {
			t.Errorf("%s: %t, want %t", url, got, want)
		}
	}
}

func TestFilterRefused(t *testing.T) {
	c := newCatalog(t)
	for _, x := range []struct {
		filter string
		code   fhirmap.Code
		says   string
	}{
		{``, fhirmap.CodeValue, "at character 1: a parameter is missing"},
		{`family`, fhirmap.CodeValue, `at character 7: "" is no operator; known are ap, co, eb`},
		{`family is x`, fhirmap.CodeValue, `at character 8: "is" is no operator`},
		{`family EQ x`, fhirmap.CodeValue, `"EQ" is no operator`},
		{`family eq`, fhirmap.CodeValue, "at character 10: a value is missing"},
		{`family eq ""`, fhirmap.CodeValue, "the text is empty"},
		{`family eq "x`, fhirmap.CodeValue, "at character 11: the text is no JSON string"},
		{`family eq "x"y`, fhirmap.CodeValue, "a space is missing"},
		{`family eq x y`, fhirmap.CodeValue, "at character 13: there is more"},
		{`family eq x and`, fhirmap.CodeValue, "at character 16: a parameter is missing"},
		{`family eq x xor family eq y`, fhirmap.CodeValue, "there is more"},
		{`(family eq x`, fhirmap.CodeValue, "the parenthesis of character 1 is not closed"},
		{`family eq x)`, fhirmap.CodeValue, "there is more"},
		{`organization[name eq x].name`, fhirmap.CodeValue, "no operator"},
		{`organization[name eq x] eq y`, fhirmap.CodeValue, "after ] a . and the parameter"},
		{`organization[name eq x`, fhirmap.CodeValue, "the bracket of character 13 is not closed"},
		{`not family eq x`, fhirmap.CodeValue, `"family" is no operator`},
		{`nmae eq x`, fhirmap.CodeNotSupported, `at character 1: Patient has no search parameter "nmae"`},
		{`family eq ü and nmae eq x`, fhirmap.CodeNotSupported, `at character 17: Patient has no search parameter "nmae"`},
		{`organization.nmae eq x`, fhirmap.CodeNotSupported, "no search parameter"},
		{`organization[nmae eq x].name eq y`, fhirmap.CodeNotSupported, "no search parameter"},
		{`gender[name eq x].name eq y`, fhirmap.CodeNotSupported, "leads to no resource"},
		{`organization:bogus[name eq x].name eq y`, fhirmap.CodeNotSupported, "no resource type"},
		{`family:exact eq x`, fhirmap.CodeNotSupported, "a path has no modifiers"},
		{`family ew x`, fhirmap.CodeNotSupported, "co asks what it contains"},
		{`family gt x`, fhirmap.CodeNotSupported, "family of Patient is a string, which gt does not compare"},
		{`gender co x`, fhirmap.CodeNotSupported, "token"},
		{`gender re x`, fhirmap.CodeNotSupported, "token"},
		{`gender po 2000`, fhirmap.CodeNotSupported, "token"},
		{`birthdate ss x`, fhirmap.CodeNotSupported, "date"},
		{`birthdate sb x`, fhirmap.CodeNotSupported, "date"},
		{`family in x`, fhirmap.CodeNotSupported, "family of Patient is a string, which in does not compare"},
		{`family ni x`, fhirmap.CodeNotSupported, "which ni does not compare"},
		{`general-practitioner ss Practitioner/x`, fhirmap.CodeNotSupported, "which ss does not compare"},
		{`gender in x`, fhirmap.CodeNotSupported, "value sets are not to be had here"},
		{`gender ss male`, fhirmap.CodeNotSupported, "code systems are not to be had here"},
		{`_id co x`, fhirmap.CodeNotSupported, "token"},
		{`birthdate eq x`, fhirmap.CodeValue, "no date such as"},
		{`birthdate eq gt2000`, fhirmap.CodeValue, "no date such as"},
		{`birthdate po x`, fhirmap.CodeValue, "no date such as"},
		{`birthdate pr maybe`, fhirmap.CodeValue, "neither true nor false"},
		{`identifier ne s|`, fhirmap.CodeValue, "write not (identifier eq s|)"},
		{`family eq ...`, fhirmap.CodeValue, "no letter"},
		{`family eq "\u0000"`, fhirmap.CodeValue, "zero byte"},
		{`_filter eq x`, fhirmap.CodeNotSupported, "no _filter stands within another"},
		{`_list ne x`, fhirmap.CodeNotSupported, "by eq only"},
		{strings.Repeat("(", 60) + "family eq x" + strings.Repeat(")", 60), fhirmap.CodeValue, "more than 50 deep"},
		{"family eq x" + strings.Repeat(" or family eq x", 100), fhirmap.CodeValue, "more comparisons than are allowed"},
		{strings.Repeat("link.", 9) + "_id eq x", fhirmap.CodeNotSupported, "reaches through 9"},
	} {
		for _, lenient := range []bool{false, true} {
			_, err := c.Parse("Patient", []Pair{{"_filter", x.filter}}, ParseOptions{Lenient: lenient})
			var o *fhirmap.Outcome
			if !errors.As(err, &o) || o.Issues[0].Code != x.code || !strings.Contains(o.Issues[0].Diagnostics, x.says) {
				t.Errorf("%.80s: %v, want %s with %q", x.filter, err, x.code, x.says)
			}
		}
	}
}

// FuzzFilter: whatever is written is refused or becomes a well-formed query.
func FuzzFilter(f *testing.F) {
	for _, s := range []string{`name co "pet" and (birthdate ge 2014 or not (gender eq male))`, `organization[name eq x].partof.name ne "y\""`, `_has:Observation:patient:code pr true`,
		`link:Patient[_id eq a].link.name sw x`, `((((`, `a eq "`, `a[b[c[`, "\xff eq \xff", `_list eq a or _id ne b`, `general-practitioner.name eq x`} {
		f.Add(s)
	}
	c := newCatalog(f)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := c.Parse("Patient", []Pair{{"_filter", text}}, ParseOptions{})
		if err != nil {
			var o *fhirmap.Outcome
			if !errors.As(err, &o) || o.Issues[0].Code == fhirmap.CodeException {
				t.Fatal(err)
			}
			return
		}
		if err := driver.Validate(s.Where); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		c.Explain("Patient", s.Where)
	})
}

// FuzzNames: so are the names of parameters.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"general-practitioner:Practitioner.name:exact", "_has:Observation:patient:encounter.type", "link.link.link.name", "a..b", "_has::::", "_include:iterate", "..", "_list", "_has:Patient:link:_has:Patient:link:_id"} {
		f.Add(s, "x")
	}
	c := newCatalog(f)
	f.Fuzz(func(t *testing.T, name, value string) {
		s, err := c.Parse("Patient", []Pair{{name, value}}, ParseOptions{})
		if err != nil {
			return
		}
		if err := driver.Validate(s.Where); err != nil {
			t.Errorf("%q=%q: %v", name, value, err)
		}
	})
}
