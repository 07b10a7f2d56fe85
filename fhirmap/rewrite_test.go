package fhirmap

import (
	"slices"
	"strings"
	"testing"
)

// links maps as a transaction would.
func links(pairs ...string) func(string) (string, bool) {
	return func(s string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == s {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

const (
	linkU = "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"
	linkO = "urn:oid:1.2.3"
	linkH = "http://x.org/fhir/Patient/7"
)

func TestRewrite(t *testing.T) {
	all := links(linkU, "Organization/1", linkO, "Group/2", linkH, "Organization/3", "Patient?identifier=a|b&active=true", "Organization/4", "a&b", "c<d")
	div := func(content string) string {
		return `"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">` + content + `</div>"}`
	}
	for _, c := range []struct{ name, before, after string }{
		{"a reference", `"managingOrganization":{"reference":"` + linkU + `","display":"` + linkU + `"}`, `"managingOrganization":{"reference":"Organization/1","display":"` + linkU + `"}`},
		{"a search", `"managingOrganization":{"reference":"Patient?identifier=a|b&active=true"}`, `"managingOrganization":{"reference":"Organization/4"}`},
		{"references in lists", `"generalPractitioner":[{"reference":"` + linkU + `"},{"reference":"#x"},{"reference":"` + linkH + `"}]`,
			`"generalPractitioner":[{"reference":"Organization/1"},{"reference":"#x"},{"reference":"Organization/3"}]`},
		{"only whole links", `"managingOrganization":{"reference":"` + linkU + `#a"}`, ""},
		{"an escaped link", `"managingOrganization":{"reference":"urn\u003auuid:c757873d-ec9a-4326-a141-556f43239520"}`, `"managingOrganization":{"reference":"Organization/1"}`},
		{"a contained resource", `"contained":[{"resourceType":"Group","id":"x","type":"person","actual":true,"managingEntity":{"reference":"` + linkU + `"}}]`,
			`"contained":[{"resourceType":"Group","id":"x","type":"person","actual":true,"managingEntity":{"reference":"Organization/1"}}]`},
		{"digits and spelling around it", `"extension":[{"url":"u","valueDecimal":1.50},{"url":"u","valueString":"\u00e9\/"},{"url":"u","valueReference":{"reference":"` + linkO + `"}}]`,
			`"extension":[{"url":"u","valueDecimal":1.50},{"url":"u","valueString":"\u00e9\/"},{"url":"u","valueReference":{"reference":"Group/2"}}]`},
		{"uri and url", `"extension":[{"url":"u","valueUri":"` + linkU + `"},{"url":"u","valueUrl":"` + linkH + `"}]`, `"extension":[{"url":"u","valueUri":"Organization/1"},{"url":"u","valueUrl":"Organization/3"}]`},
		{"oid and uuid become uris", `"extension":[{"url":"u","valueOid":"` + linkO + `"},{"url":"u","valueUuid":"` + linkU + `","_valueUuid":{"extension":[{"url":"v","valueCode":"c"}]}}]`,
			`"extension":[{"url":"u","valueUri":"Group/2"},{"url":"u","valueUri":"Organization/1","_valueUri":{"extension":[{"url":"v","valueCode":"c"}]}}]`},
		{"never a canonical", `"extension":[{"url":"u","valueCanonical":"` + linkU + `"}],"meta":{"profile":["` + linkH + `"]}`, ""},
		{"no names", `"extension":[{"url":"` + linkU + `","valueCoding":{"system":"` + linkU + `","code":"c"}}],"identifier":[{"system":"` + linkU + `","value":"` + linkU + `"}],"implicitRules":"` + linkU + `"`, ""},
		{"the extensions of a primitive", `"_birthDate":{"extension":[{"url":"u","valueReference":{"reference":"` + linkU + `"}}]},"birthDate":"2000"`,
			`"_birthDate":{"extension":[{"url":"u","valueReference":{"reference":"Organization/1"}}]},"birthDate":"2000"`},
		{"the extensions in a list", `"name":[{"given":["a","b"],"_given":[null,{"extension":[{"url":"u","valueUri":"` + linkU + `"}]}]}]`,
			`"name":[{"given":["a","b"],"_given":[null,{"extension":[{"url":"u","valueUri":"Organization/1"}]}]}]`},
		{"a href", div(`\u00e9<a href=\"` + linkU + `\">x<\/a><a href='` + linkH + `' title=\"` + linkU + `\">y</a>`),
			div(`\u00e9<a href=\"Organization/1\">x<\/a><a href='Organization/3' title=\"` + linkU + `\">y</a>`)},
		{"img src", div(`<p>\ud83d\ude00<img alt=\"x\" src = \"` + linkU + `\"/> &amp; é</p>`), div(`<p>\ud83d\ude00<img alt=\"x\" src = \"Organization/1\"/> &amp; é</p>`)},
		{"an address with references", div(`<a href=\"a&amp;b\">x</a>`), div(`<a href=\"c&lt;d\">x</a>`)},
		{"no other attribute, element or text", div(`<!-- <a href=\"` + linkU + `\"/> --><p title=\"` + linkU + `\">href ` + linkU + `</p><a name=\"` + linkU + `\"/><q cite=\"` + linkU + `\">q</q><a>src</a>`), ""},
	} {
		before := `{"resourceType":"Patient","id":"p",` + c.before + `,"active":true}`
		r := parse(t, before)
		got := Rewrite(r, all)
		if c.after == "" {
			if got != r {
				t.Errorf("%s: rewritten to %s", c.name, got.JSON())
			}
			continue
		}
		if want := `{"resourceType":"Patient","id":"p",` + c.after + `,"active":true}`; string(got.JSON()) != want {
			t.Errorf("%s gave\n%s, want\n%s", c.name, got.JSON(), want)
		}
		if _, err := Parse(got.JSON(), Limits{}); err != nil {
			t.Errorf("%s: the result is not valid: %v", c.name, err)
		}
		if string(r.JSON()) != before {
			t.Fatalf("%s changed the resource that it was given", c.name)
		}
	}
	definition := parse(t, `{"resourceType":"ValueSet","url":"`+linkU+`","status":"draft","compose":{"include":[{"system":"`+linkU+`"}]}}`)
	if Rewrite(definition, all) != definition {
		t.Error("the canonical url of a definition was rewritten")
	}
}

func TestReferences(t *testing.T) {
	r := parse(t, `{"resourceType":"Patient","contained":[{"resourceType":"Group","id":"x","type":"person","actual":true,"managingEntity":{"reference":"#y"}}],`+
		`"_birthDate":{"extension":[{"url":"u","valueReference":{"reference":"A/1"}}]},"generalPractitioner":[{"reference":"Practitioner?identifier=s|v"},{"display":"nobody"},{"reference":"`+linkU+`"}]}`)
	var got []string
	for expression, reference := range References(r) {
		got = append(got, expression+" "+reference)
	}
	want := []string{
		"Patient.contained[0].managingEntity.reference #y",
		"Patient.birthDate.extension[0].value.reference A/1",
		"Patient.generalPractitioner[0].reference Practitioner?identifier=s|v",
		"Patient.generalPractitioner[2].reference " + linkU,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for range References(r) {
		break // must not go on
	}
}

// Rewriting all links to others and back gives what there was, in every published example.
func TestRewriteExamples(t *testing.T) {
	there := func(s string) (string, bool) { return "urn:uuid:" + s, !strings.HasPrefix(s, "urn:") }
	back := func(s string) (string, bool) { return strings.CutPrefix(s, "urn:uuid:") }
	changed := 0
	for name, data := range examples(t) {
		r, err := Trusted(data)
		if err != nil || strings.Contains(string(data), "urn:uuid:") {
			continue
		}
		moved := Rewrite(r, there)
		if moved == r {
			continue
		}
		changed++
		if got := Rewrite(moved, back); string(got.JSON()) != string(r.JSON()) && !strings.Contains(string(data), "valueOid") && !sameButEscapes(got.JSON(), r.JSON()) {
			t.Errorf("%s came back as\n%s, was\n%s", name, got.JSON(), r.JSON())
		}
	}
	if changed < 1000 {
		t.Errorf("%d examples have links; there are more", changed)
	}
}

// sameButEscapes allows for links that were spelled with escapes.
func sameButEscapes(a, b []byte) bool { return (&node{json: a}).equal(&node{json: b}) }

func BenchmarkRewrite(b *testing.B) {
	r := parse(b, `{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},`+
		`"subject":{"reference":"`+linkU+`"},"encounter":{"reference":"Encounter/1"},"valueQuantity":{"value":1.5,"system":"http://unitsofmeasure.org","code":"mg"}}`)
	for name, link := range map[string]func(string) (string, bool){"none": links(), "one": links(linkU, "Organization/1")} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Rewrite(r, link)
			}
		})
	}
}
