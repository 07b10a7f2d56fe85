package search

import (
	"strings"
	"testing"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// TestRawOfCustom: a place of residence, which a parameter of one's own finds: the display of a reference in an extension.
func TestRawOfCustom(t *testing.T) {
	c, err := NewCatalog(append([]r4.SearchParameter{{
		URL: "http://hob.example/SearchParameter/location", Code: "location", Name: "location", Type: "string", Base: []string{"Patient"},
		Expression: "Patient.extension('http://hob.example/location').value.display",
	}}, r4.SearchParameters...), Options{})
	if err != nil {
		t.Fatal(err)
	}
	res, err := fhirmap.Parse([]byte(`{"resourceType":"Patient","extension":[{"url":"http://hob.example/location","valueReference":{"display":"Upper Town"}}]}`), fhirmap.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := c.Rows("x", res)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		op    driver.Op
		value string
		want  bool
	}{
		{driver.EQUAL, "Upper Town", true}, {driver.EQUAL, "upper town", false}, {driver.LIKE, "per T", true}, {driver.LIKE, "per t", false},
		{driver.IN, "Upper Town", true}, {driver.LT, "V", true}, {driver.LTE, "Upper", false}, {driver.GT, "Upper", true}, {driver.GTE, "Upper Town", true},
	} {
		q, err := c.Lookups("Patient", []Lookup{{"location", x.op, []string{x.value}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := driver.Validate(q.Where); err != nil {
			t.Errorf("%s %s: %v", x.op, x.value, err)
		}
		if got := driver.Match(driver.Key{Type: "Patient", ID: "x"}, rows, q.Where, alone{}); got != x.want || !q.Exact() {
			t.Errorf("location %s %s holds %v, want %v by the index alone", x.op, x.value, got, x.want)
		}
	}
}

// TestRawAddresses: a canonical is compared as it is written, though it be the address of a resource here.
func TestRawAddresses(t *testing.T) {
	c := newCatalog(t)
	rows := rowsOf(t, c, resource(t, `{'resourceType':'QuestionnaireResponse','status':'completed','questionnaire':'Questionnaire/q'}`))
	for value, want := range map[string]bool{"Questionnaire/q": true, "https://hob.example/fhir/Questionnaire/q": false, "Questionnaire/r": false} {
		q, err := c.Lookups("QuestionnaireResponse", []Lookup{{"questionnaire", driver.EQUAL, []string{value}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := driver.Match(driver.Key{Type: "QuestionnaireResponse", ID: "x"}, rows, q.Where, alone{}); got != want {
			t.Errorf("questionnaire EQUAL %s holds %v", value, got)
		}
	}
}

func TestRawLimits(t *testing.T) {
	c, err := NewCatalog(r4.SearchParameters, Options{MaxAnd: 2, MaxOr: 3, MaxValue: 10})
	if err != nil {
		t.Fatal(err)
	}
	l := Lookup{"name", driver.EQUAL, []string{"x"}}
	for _, x := range []struct {
		lookups []Lookup
		text    string
	}{
		{[]Lookup{l, l, l}, "3 lookups are more than the 2"},
		{[]Lookup{{"name", driver.IN, []string{"a", "b", "c", "d"}}}, "4 values are more than the 3"},
		{[]Lookup{{"name", driver.EQUAL, []string{strings.Repeat("x", 11)}}}, "the value has 11 bytes; 10 are the most"},
		{[]Lookup{{"name", driver.EQUAL, []string{"a\x00"}}}, "zero byte"},
		{[]Lookup{{"name", driver.EQUAL, nil}}, "no value"},
		{[]Lookup{{"near", driver.EQUAL, []string{"x"}}}, "no field"},
		{[]Lookup{{"probability", driver.EQUAL, []string{"x"}}}, "no field"},
		{[]Lookup{{"birthdate", driver.LT, []string{"x"}}, {"nmae", driver.LT, []string{"x"}}}, "is no date"},
	} {
		if _, err := c.Lookups("Patient", x.lookups); err == nil || !strings.Contains(err.Error(), x.text) {
			t.Errorf("%v: %v, want %q", x.lookups, err, x.text)
		}
	}
	for _, value := range []string{"x", "1|mg", "1|a|", "1|a|b|c"} {
		if _, err := c.Lookups("Observation", []Lookup{{"value-quantity", driver.GT, []string{value}}}); err == nil {
			t.Errorf("value-quantity GT %s is taken", value)
		}
	}
	if _, err := c.Lookups("Pacient", nil); err == nil {
		t.Error("a type that is none is taken")
	}
	if q, err := c.Lookups("Patient", nil); err != nil || q.Where != nil || !q.Exact() {
		t.Errorf("no lookups are %v (%v)", q, err)
	}
}
