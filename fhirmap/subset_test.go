package fhirmap

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hob-fhir/hob/conformance/r4"
)

func TestSubset(t *testing.T) {
	s := NewSubsets(r4.FlagsOf)
	tag := func(meta string) string { return `"meta":{` + meta + `"tag":[` + subsetted + `]}` }
	const (
		meta    = `"versionId":"3","profile":["http://x.org/p"],`
		text    = `"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">\u00e9 } ] \\\"</div>"}`
		code    = `"code":{"coding":[{"system":"http://loinc.org","code":"1"}]}`
		patient = `"resourceType":"Patient","id":"p"`
	)
	for _, c := range []struct {
		name, body string
		summary    Summary
		elements   []string
		want       string
	}{
		{"neither", `{` + patient + `,` + text + `}`, "", nil, `{` + patient + `,` + text + `}`},

		{"data", `{` + patient + `,"meta":{"versionId":"3","profile":["http://x.org/p"]},` + text + `,"active":true}`, SummaryData, nil,
			`{` + patient + `,` + tag(meta) + `,"active":true}`},
		{"data without text", `{` + patient + `,"active":true}`, SummaryData, nil, `{` + patient + `,` + tag("") + `,"active":true}`},
		{"data without id", `{"active":true,"resourceType":"Patient","gender":"male"}`, SummaryData, nil, `{"active":true,"resourceType":"Patient",` + tag("") + `,"gender":"male"}`},
		{"data of nothing", `{"resourceType":"Patient"}`, SummaryData, nil, `{"resourceType":"Patient",` + tag("") + `}`},
		{"an empty meta of tags", `{` + patient + `,"meta":{"tag":[{"code":"a"}],"source":"http://x.org"}}`, SummaryData, nil,
			`{` + patient + `,"meta":{"tag":[{"code":"a"},` + subsetted + `],"source":"http://x.org"}}`},
		{"tagged already", `{` + patient + `,"meta":{"tag":[{"code":"a"},{"code":"SUBSETTED"}]}}`, SummaryData, nil, `{` + patient + `,"meta":{"tag":[{"code":"a"},{"code":"SUBSETTED"}]}}`},

		{"text", `{` + patient + `,"meta":{"versionId":"3","profile":["http://x.org/p"]},` + text + `,"active":true}`, SummaryText, nil, `{` + patient + `,` + tag(meta) + `,` + text + `}`},
		{"text keeps what is mandatory, whole", `{"resourceType":"Observation",` + text + `,"status":"final",` + code + `,"valueQuantity":{"value":1.50}}`, SummaryText, nil,
			`{"resourceType":"Observation",` + tag("") + `,` + text + `,"status":"final",` + code + `}`},

		{"true", `{` + patient + `,` + text + `,"active":true,"photo":[{"title":"x"}],"birthDate":"2000","maritalStatus":{"text":"m"}}`, SummaryTrue, nil,
			`{` + patient + `,` + tag("") + `,"active":true,"birthDate":"2000"}`},
		{"true within elements", `{"resourceType":"Observation","status":"final",` + code + `,"valueQuantity":{"value":1.50,"extension":[{"url":"u","valueCode":"c"}]},` +
			`"component":[{"code":{"text":"a"},"valueInteger":1,"referenceRange":[{"text":"r"}]},{"id":"2","code":{"extension":[{"url":"u","valueCode":"c"}]},"interpretation":[{"text":"i"}]}],"note":[{"text":"n"}]}`,
			SummaryTrue, nil,
			`{"resourceType":"Observation",` + tag("") + `,"status":"final",` + code + `,"valueQuantity":{"value":1.50},` +
				`"component":[{"code":{"text":"a"},"valueInteger":1},{"id":"2","code":{"extension":[{"url":"u","valueCode":"c"}]}}]}`},
		{"true keeps what stands beside a primitive", `{` + patient + `,"_birthDate":{"extension":[{"url":"u","valueCode":"c"}]},"name":[{"given":["a",null],"_given":[null,{"extension":[{"url":"u","valueCode":"c"}]}]}]}`,
			SummaryTrue, nil,
			`{` + patient + `,` + tag("") + `,"_birthDate":{"extension":[{"url":"u","valueCode":"c"}]},"name":[{"given":["a",null],"_given":[null,{"extension":[{"url":"u","valueCode":"c"}]}]}]}`},
		{"true leaves nothing empty", `{` + patient + `,"name":[{"extension":[{"url":"u","valueCode":"c"}]},{"family":"f"},{"id":"x","extension":[{"url":"u","valueCode":"c"}]}],"address":[{"extension":[{"url":"u","valueCode":"c"}]}]}`,
			SummaryTrue, nil, `{` + patient + `,` + tag("") + `,"name":[{"family":"f"}]}`},
		{"true keeps modifiers", `{` + patient + `,"modifierExtension":[{"url":"u","valueCode":"c"}],"extension":[{"url":"u","valueCode":"c"}],"contact":[{"gender":"male","modifierExtension":[{"url":"u","valueCode":"c"}]}]}`,
			SummaryTrue, nil, `{` + patient + `,` + tag("") + `,"modifierExtension":[{"url":"u","valueCode":"c"}]}`},
		{"true keeps resources in a resource whole", `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{` + patient + `,` + text + `}}]}`, SummaryTrue, nil,
			`{"resourceType":"Bundle",` + tag("") + `,"type":"collection","entry":[{"resource":{` + patient + `,` + text + `}}]}`},

		{"elements", `{` + patient + `,"meta":{"versionId":"3","profile":["http://x.org/p"]},` + text + `,"implicitRules":"http://x.org/r","active":true,"name":[{"family":"f"}],"photo":[{"title":"x"}],"birthDate":"2000","_birthDate":{"id":"b"}}`,
			"", []string{"photo", "birthDate", "value"},
			`{` + patient + `,` + tag(meta) + `,"implicitRules":"http://x.org/r","active":true,"photo":[{"title":"x"}],"birthDate":"2000","_birthDate":{"id":"b"}}`},
		{"elements that are choices", `{"resourceType":"Observation","status":"final",` + code + `,"valueQuantity":{"value":1.50},"issued":"2020-01-01T00:00:00Z"}`, "", []string{"value"},
			`{"resourceType":"Observation",` + tag("") + `,"status":"final",` + code + `,"valueQuantity":{"value":1.50}}`},
		{"elements before summary", `{` + patient + `,` + text + `,"birthDate":"2000"}`, SummaryText, []string{"birthDate"}, `{` + patient + `,` + tag("") + `,"birthDate":"2000"}`},
	} {
		got, err := s.Subset([]byte(c.body), c.summary, c.elements)
		if err != nil || string(got) != c.want {
			t.Errorf("%s gave\n%s (%v), want\n%s", c.name, got, err, c.want)
		}
	}
	for _, c := range []struct {
		body    string
		summary Summary
		code    Code
	}{
		{`{"resourceType":"Patient"}`, "count", CodeNotSupported},
		{`{"resourceType":"Nobody"}`, SummaryTrue, CodeException},
		{`{}`, SummaryTrue, CodeException}, {``, SummaryTrue, CodeException}, {`{"resourceType`, SummaryTrue, CodeException},
	} {
		got, err := s.Subset([]byte(c.body), c.summary, nil)
		var o *Outcome
		if !errors.As(err, &o) || o.Issues[0].Code != c.code {
			t.Errorf("%s of %s gave %s, %v; want %s", c.summary, c.body, got, err, c.code)
		}
	}
}

// Every subset of every published example is valid, says that it is one, and has nothing that the whole had not.
func TestSubsetExamples(t *testing.T) {
	s := NewSubsets(r4.FlagsOf)
	checked := 0
	for name, data := range examples(t) {
		switch typ, _, _ := strings.Cut(name, "-"); typ {
		case "ValueSet", "CodeSystem", "SearchParameter", "StructureDefinition":
			continue // thousands, all alike
		}
		r, err := Parse(data, Limits{})
		if err != nil {
			continue
		}
		body := r.Stamp("x", 1, time.Unix(0, 0))
		for _, c := range []struct {
			summary  Summary
			elements []string
		}{{SummaryTrue, nil}, {SummaryText, nil}, {SummaryData, nil}, {"", []string{"name", "code"}}} {
			got, err := s.Subset(body, c.summary, c.elements)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			sub, err := Parse(got, Limits{})
			if err != nil {
				t.Errorf("%s %s: %v in %s", name, c.summary, err, clip(string(got)))
				continue
			}
			tagged := 0
			for tag := range sub.Meta().Each("tag") {
				if tag.String("code") == "SUBSETTED" {
					tagged++
				}
			}
			if tagged != 1 || c.summary != SummaryText && c.summary != "" && sub.root.First("text") != nil {
				t.Errorf("%s %s: %d tags in %s", name, c.summary, tagged, clip(string(got)))
			}
			if !partOf(sub.root, trust(t, body).root) {
				t.Errorf("%s %s has what the whole has not", name, c.summary)
			}
			checked++
		}
	}
	if checked < 3_000 {
		t.Errorf("%d subsets were checked", checked)
	}
}

// trust reads a body again.
func trust(t *testing.T, body []byte) *Resource {
	t.Helper()
	r, err := Trusted(body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// partOf tells whether each element of a is one of b too, in order; the tags aside.
func partOf(a, b *Element) bool {
	at := 0
	for _, c := range a.Children {
		if c.Name == "meta" {
			continue
		}
		i := slices.IndexFunc(b.Children[at:], func(d *Element) bool { return d.Key == c.Key && d.Text == c.Text && partOf(c, d) })
		if i < 0 {
			return false
		}
		at += i + 1
	}
	return true
}

func BenchmarkSubset(b *testing.B) {
	s := NewSubsets(r4.FlagsOf)
	r := parse(b, `{"resourceType":"Observation","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">`+strings.Repeat("x ", 300)+`</div>"},"status":"final",`+
		`"code":{"coding":[{"system":"http://loinc.org","code":"8867-4","display":"Heart rate"}]},"subject":{"reference":"Patient/1"},"effectiveDateTime":"2024-01-01T10:00:00Z",`+
		`"valueQuantity":{"value":72.0,"unit":"/min","system":"http://unitsofmeasure.org","code":"/min"},"note":[{"text":"n"}]}`)
	body := r.Stamp("x", 1, time.Unix(0, 0))
	for _, c := range []struct {
		summary  Summary
		elements []string
	}{{SummaryTrue, nil}, {SummaryText, nil}, {SummaryData, nil}, {"", []string{"code", "value"}}} {
		b.Run(string(c.summary)+strings.Join(c.elements, ","), func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Subset(body, c.summary, c.elements); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("prepare", func(b *testing.B) {
		for b.Loop() {
			NewSubsets(r4.FlagsOf)
		}
	})
}
