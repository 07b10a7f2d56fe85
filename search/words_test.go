package search

import (
	"slices"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/fhirmap"
)

func TestWords(t *testing.T) {
	c, err := NewCatalog(r4.SearchParameters, Options{Text: true})
	if err != nil {
		t.Fatal(err)
	}
	rows := rowsOf(t, c, resource(t, `{'resourceType':'Observation','text':{'status':'generated','div':'<div xmlns=\'http://www.w3.org/1999/xhtml\'><p class=\'note\'>Métastases&nbsp;in the <b>liver</b>&amp;bone</p><!-- hidden --></div>'},
		'status':'final','code':{'text':'X-ray finding','coding':[{'code':'secret','system':'http://invisible','display':'Bone scan'}]},'note':[{'text':'No fracture. #42'}]}`))
	for q, want := range map[string]bool{
		"_text=liver": true, "_text=LIVER": true, "_text=metastases": true, "_text=métastases liver": true, "_text=liver kidney": false, "_text=liver OR kidney": true,
		"_text=liver NOT kidney": true, "_text=NOT liver": false, "_text=(bone OR kidney) and liver": true, "_text=(kidney OR lung) liver": false, "_text=liv": false,
		"_text=liv*": true, "_text=kid*": false, "_text=kidney,bone": true, "_text=note": false, "_text=hidden": false, "_text=ray": false, "_text=in the": true,
		"_content=x-ray": true, "_content=ray": true, "_content=bone scan fracture 42": true, "_content=liver": true, "_content=secret": false, "_content=final": false,
		"_content=invisible": false, "_content=not (fracture or x)": false, "_content=not not fracture": true, "_content=finding&_text=bone": true, "_text=bone&_text=kidney": false,
	} {
		if got := matches(t, c, "Observation", rows, q); got != want {
			t.Errorf("%s: %v", q, got)
		}
	}
	for _, bad := range []string{"", "a,", "OR", "a OR", "OR a", "NOT", "a NOT", "(", "(a", "a)", "()", `"a b"`, "a AND OR b", "...", "*", strings.Repeat("(", 20) + "a" + strings.Repeat(")", 20),
		strings.Repeat("a ", 51), strings.Repeat("not ", 60) + "a", "AND"} {
		s, err := c.Parse("Observation", []Pair{{"_text", bad}}, ParseOptions{})
		if bad == "AND" {
			if err != nil { // a word, where nothing stands before it
				t.Error(err)
			}
			continue
		}
		if o, ok := err.(*fhirmap.Outcome); !ok || o.Issues[0].Code != fhirmap.CodeValue {
			t.Errorf("_text=%s: %v, %v", bad, s, err)
		}
	}
	claimed := func(c *Catalog, typ, code string) bool {
		return slices.ContainsFunc(c.For(typ), func(p Parameter) bool { return p.Code == code })
	}
	off := newCatalog(t)
	if !claimed(c, "Patient", "_text") || !claimed(c, "Bundle", "_content") || claimed(c, "Bundle", "_text") || claimed(off, "Patient", "_text") {
		t.Error("words are claimed where they are not answered, or the reverse")
	}
	for _, r := range rowsOf(t, off, resource(t, `{'resourceType':'Patient','text':{'status':'generated','div':'<div>a</div>'}}`)) {
		if r.Field == "_text" || r.Field == "_content" {
			t.Errorf("a row of words without Options.Text: %s", r.Value.Low)
		}
	}
	_, err = off.Parse("Patient", query("_text=a"), ParseOptions{})
	if err == nil || !strings.Contains(err.Error(), "text-search") {
		t.Errorf("_text where it is off: %v", err)
	}
}

// TestWordsLong: words beyond what is indexed of one are cut, in the index and in the search alike, and their number is limited.
func TestWordsLong(t *testing.T) {
	c, err := NewCatalog(r4.SearchParameters, Options{Text: true, MaxRows: 20})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("é", 300)
	rows := rowsOf(t, c, resource(t, `{'resourceType':'Basic','text':{'status':'generated','div':'<div>`+long+`</div>'}}`))
	if !matches(t, c, "Basic", rows, "_text="+long) || matches(t, c, "Basic", rows, "_text=e") {
		t.Error("a long word is not found")
	}
	_, err = c.Rows("x", resource(t, `{'resourceType':'Basic','text':{'status':'generated','div':'<div>`+strings.Join(strings.Split("abcdefghijk", ""), " ")+`</div>'}}`))
	if o, ok := err.(*fhirmap.Outcome); !ok || o.Issues[0].Code != fhirmap.CodeTooLong {
		t.Errorf("many words: %v", err)
	}
}

// FuzzWords: no search for words panics, and what is read is well-formed.
func FuzzWords(f *testing.F) {
	for _, s := range []string{"a b", "(a OR b) NOT c*", "x-ray", "a,b", `"`, ")("} {
		f.Add(s)
	}
	c, err := NewCatalog(r4.SearchParameters, Options{Text: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := c.Parse("Patient", []Pair{{"_content", s}}, ParseOptions{})
		if err == nil && got.Where == nil {
			t.Errorf("%q asks for nothing", s)
		}
	})
}
