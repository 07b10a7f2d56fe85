package server_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

const jsonPatch = "Content-Type: application/json-patch+json"

func replaceFamily(name string) string {
	return `[{"op":"replace","path":"/name/0/family","value":"` + name + `"}]`
}

func fhirPatch(operation, path, value string) string {
	return `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"` + operation +
		`"},{"name":"path","valueString":"` + path + `"},{"name":"value","valueString":"` + value + `"}]}]}`
}

func TestPatch(t *testing.T) {
	f := open(t, nil)
	f.put("a", "Ann").is(201)
	f.do("PATCH", "/fhir/Patient/a", replaceFamily("Beth"), jsonPatch).is(200).has("ETag", `W/"2"`).says("Beth").
		has("Content-Location", "http://hob.test/fhir/Patient/a/_history/2")
	f.do("PATCH", "/fhir/Patient/a", fhirPatch("replace", "Patient.name[0].family", "Cleo")).is(200).has("ETag", `W/"3"`).says("Cleo")
	f.do("PATCH", "/fhir/Patient/a", replaceFamily("Dora"), jsonPatch, `If-Match: W/"3"`, "Prefer: return=minimal").is(200)
	f.do("PATCH", "/fhir/Patient/a", replaceFamily("Eve"), jsonPatch, `If-Match: W/"3"`).fails(412, "conflict", "version 4")
	f.do("PATCH", "/fhir/Patient/a", `[{"op":"test","path":"/name/0/family","value":"Eve"}]`, jsonPatch).fails(422, "business-rule", "")
	f.do("PATCH", "/fhir/Patient/a", `[{"op":"add","path":"/gender","value":"robot"}]`, jsonPatch).fails(400, "value", "")
	f.do("PATCH", "/fhir/Patient/a", `[{"op":"remove","path":"/nothing"}]`, jsonPatch).is(422)
	f.do("PATCH", "/fhir/Patient/a", `[{"op":"replace","path":"/id","value":"b"}]`, jsonPatch).is(422)
	f.do("PATCH", "/fhir/Patient/a", `[{"op":"replace","path":"/resourceType","value":"Group"}]`, jsonPatch).is(400)
	f.do("PATCH", "/fhir/Patient/a", `{}`, jsonPatch).fails(400, "structure", "no array")
	f.do("PATCH", "/fhir/Patient/a", ``, jsonPatch).is(400)
	f.do("PATCH", "/fhir/Patient/a", ``).is(400)
	f.do("PATCH", "/fhir/Patient/a", patient("a", "x")).fails(400, "invalid", "must be Parameters")
	f.do("PATCH", "/fhir/Patient/a", `<diff/>`, "Content-Type: application/xml-patch+xml").fails(415, "not-supported", "").
		has("Accept-Patch", "application/json-patch+json, application/fhir+json")
	f.do("PATCH", "/fhir/Patient/nobody", replaceFamily("x"), jsonPatch).is(404)
	f.do("PATCH", "/fhir/Patient/a?x=1", replaceFamily("x"), jsonPatch).is(400)
	f.do("GET", "/fhir/Patient/a", "").is(200).has("ETag", `W/"4"`).says("Dora")
	f.do("DELETE", "/fhir/Patient/a", "").is(204)
	f.do("PATCH", "/fhir/Patient/a", replaceFamily("x"), jsonPatch).is(410)
}

func TestConditionalPatch(t *testing.T) {
	f := open(t, nil)
	f.put("a", "Ann").is(201)
	f.put("b", "Bob").is(201)
	f.put("b2", "Bob").is(201)
	f.do("PATCH", "/fhir/Patient?family=ann", replaceFamily("Beth"), jsonPatch).is(200).says("Beth")
	f.do("PATCH", "/fhir/Patient?family=ann", replaceFamily("x"), jsonPatch).fails(404, "not-found", "nothing to patch")
	f.do("PATCH", "/fhir/Patient?family=bob", replaceFamily("x"), jsonPatch).fails(412, "multiple-matches", "several")
	f.do("PATCH", "/fhir/Patient?famly=bob", replaceFamily("x"), jsonPatch).fails(400, "not-supported", "famly")
	f.do("PATCH", "/fhir/Patient", replaceFamily("x"), jsonPatch).fails(412, "required", "no criteria")
}

func binary(patch string) string {
	return `{"resourceType":"Binary","contentType":"application/json-patch+json","data":"` + base64.StdEncoding.EncodeToString([]byte(patch)) + `"}`
}

func TestPatchInBundle(t *testing.T) {
	f := open(t, nil)
	for _, id := range []string{"a", "b", "c"} {
		f.put(id, id).is(201)
	}
	for _, bundle := range []func(...string) string{batch, transaction} {
		a := f.do("POST", "/fhir", bundle(
			ask("", binary(replaceFamily("Ann")), "PATCH", "Patient/a"),
			ask("", fhirPatch("replace", "Patient.name[0].family", "Bob"), "PATCH", "Patient?_id=b"),
		)).is(200)
		if got := a.response(a.set().Type).statuses(); got != "200 200" {
			t.Errorf("the statuses are %s: %s", got, a.body)
		}
	}
	f.do("GET", "/fhir/Patient/a", "").has("ETag", `W/"3"`).says("Ann")
	f.do("GET", "/fhir/Patient/b", "").has("ETag", `W/"3"`).says("Bob")

	r := f.do("POST", "/fhir", transaction(
		post("urn:uuid:o", `{"resourceType":"Organization","name":"x"}`),
		ask("", `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"add"},{"name":"path","valueString":"Patient"},{"name":"name","valueString":"managingOrganization"},{"name":"value","valueReference":{"reference":"urn:uuid:o"}}]}]}`,
			"PATCH", "Patient/c"),
		post("", observed("Patient?_id=c")),
	)).response("transaction-response")
	f.do("GET", "/fhir/Patient/c", "").says(`"managingOrganization":{"reference":"Organization/` + r.id(0) + `"}`)
	r = f.do("POST", "/fhir", transaction(
		ask("", binary(`[{"op":"add","path":"/generalPractitioner","value":[ {"reference":"urn:uuid:o"},{"reference":"urn:\u0075uid:o" }]}]`), "PATCH", "Patient/c"),
		post("urn:uuid:o", `{"resourceType":"Organization","name":"x"}`),
	)).response("transaction-response")
	to := `{"reference":"Organization/` + r.id(1) + `"}`
	f.do("GET", "/fhir/Patient/c", "").says(`"generalPractitioner":[` + to + "," + to + `]`)

	f.do("POST", "/fhir", transaction(ask("", binary(replaceFamily("x")), "PATCH", "Patient/a"), ask("", binary(`[{"op":"remove","path":"/gender"}]`), "PATCH", "Patient/b"))).
		blames(422, "processing", "Bundle.entry[1]", "/gender")
	for _, broken := range []string{`["x`, `[`, `"`, `{"op":"add","op":"add"}`, `]`} {
		f.do("POST", "/fhir", transaction(ask("", binary(broken), "PATCH", "Patient/a"))).is(400).says("Bundle.entry[0]")
	}
	f.do("POST", "/fhir", transaction(ask("", strings.Replace(binary("[]"), "json-patch+json", "pdf", 1), "PATCH", "Patient/a"))).
		blames(400, "not-supported", "Bundle.entry[0].resource.contentType", "application/pdf")
	f.do("POST", "/fhir", transaction(ask("", patient("a", "x"), "PATCH", "Patient/a"))).blames(400, "invalid", "Bundle.entry[0].resource", "must be Parameters")
	f.do("POST", "/fhir", transaction(ask("", binary("[]"), "PATCH", "Patient/a", `"ifMatch":"W/\"1\""`))).blames(412, "conflict", "Bundle.entry[0]", "version 3")
	f.do("GET", "/fhir/Patient/a", "").has("ETag", `W/"3"`)
}

// TestPatchStorm adds a name by each patch: none that was said to be done may be lost.
func TestPatchStorm(t *testing.T) {
	f := open(t, nil)
	f.put("a", "Ann").is(201)
	done := f.storm(32, func(i int) *answer {
		return f.do("PATCH", "/fhir/Patient/a", fmt.Sprintf(`[{"op":"add","path":"/name/-","value":{"family":"N%dN"}}]`, i), jsonPatch)
	})
	a := f.do("GET", "/fhir/Patient/a", "").is(200)
	if done[200] == 0 || done[200]+done[409] != 32 || strings.Count(a.body, `"N`) != done[200] {
		t.Errorf("the patches are answered by %v and left %s", done, a.body)
	}
}
