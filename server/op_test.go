package server_test

import (
	"strings"
	"testing"

	"github.com/hob-fhir/hob/server"
)

func parameters(name, value string) string {
	return `{"resourceType":"Parameters","parameter":[{"name":"` + name + `",` + value + `}]}`
}

func TestMetaOperations(t *testing.T) {
	f := open(t, nil)
	f.put("a", "Ann").is(201)
	given := parameters("meta", `"valueMeta":{"profile":["http://p"],"tag":[{"system":"http://t","code":"1","display":"\u0041 tag"},{"system":"http://t","code":"2"}],"security":[{"code":"R"}]}`)
	f.do("GET", "/fhir/Patient/a/$meta", "").is(200).has("ETag", `W/"1"`).says(`"valueMeta":{"versionId":"1"`)
	f.do("POST", "/fhir/Patient/a/$meta-add", given).is(200).has("ETag", `W/"2"`).says(`"profile":["http://p"]`).says(`\u0041 tag`)
	f.do("POST", "/fhir/Patient/a/$meta-add", given).is(200).has("ETag", `W/"2"`)
	f.do("POST", "/fhir/Patient/a/$meta-add", parameters("meta", `"valueMeta":{"tag":[{"system":"http://t","code":"3"},{"system":"http://t","code":"3"},{"system":"http://t","code":"1"}]}`)).is(200).has("ETag", `W/"3"`)
	body := f.do("GET", "/fhir/Patient/a", "").is(200).says(`"family":"Ann"`).body
	if n := strings.Count(body, `"http://t"`); n != 3 {
		t.Errorf("there are %d tags, want 3: %s", n, body)
	}
	if p := f.do("GET", "/fhir/Patient?_tag=http://t%7C3", "").is(200).set(); *p.Total != 1 {
		t.Errorf("the new tag finds %d", *p.Total)
	}
	f.do("POST", "/fhir/Patient/a/$meta-delete", parameters("meta", `"valueMeta":{"tag":[{"system":"http://t","code":"2"},{"code":"1"}],"security":[{"code":"R"}],"profile":["http://q"]}`)).is(200).has("ETag", `W/"4"`)
	m := f.do("POST", "/fhir/Patient/a/$meta", "").is(200).says(`"code":"1"`).says(`"code":"3"`).says("http://p")
	if strings.Contains(m.body, `"code":"2"`) || strings.Contains(m.body, "security") {
		t.Errorf("what was deleted is there: %s", m.body)
	}
	f.do("POST", "/fhir/Patient/a/$meta-delete", parameters("meta", `"valueMeta":{"security":[{"code":"R"}]}`)).is(200).has("ETag", `W/"4"`)
	f.do("POST", "/fhir/Patient/a/$meta-add", parameters("meta", `"valueMeta":{"tag":[{"code":"x"}]}`), `If-Match: W/"1"`).is(412)
	f.do("POST", "/fhir/Patient/a/$meta-add", parameters("mota", `"valueMeta":{"tag":[{"code":"x"}]}`)).fails(400, "required", "named meta")
	f.do("POST", "/fhir/Patient/a/$meta-add", parameters("meta", `"valueString":"x"`)).fails(400, "required", "named meta")
	f.do("POST", "/fhir/Patient/a/$meta-add", "").is(400)
	f.do("POST", "/fhir/Patient/x/$meta-add", given).is(404)
	f.do("GET", "/fhir/Patient/x/$meta", "").is(404)
	f.do("GET", "/fhir/Patient/a/$meta-add", "").is(405)
	r := f.do("POST", "/fhir", transaction(
		ask("", parameters("meta", `"valueMeta":{"tag":[{"code":"y"}]}`), "POST", "Patient/a/$meta-add"),
		ask("", "", "GET", "Patient/a/$meta"),
	)).response("transaction-response")
	if !strings.Contains(string(r.Entry[1].Resource), `"code":"y"`) {
		t.Errorf("a transaction reads %s", r.Entry[1].Resource)
	}
	f.do("DELETE", "/fhir/Patient/a", "").is(204)
	f.do("GET", "/fhir/Patient/a/$meta", "").is(410)
}

func TestValidate(t *testing.T) {
	f := open(t, func(c *server.Config) { c.Policy.Referential = true })
	f.put("a", "Ann").is(201)
	f.put("free", "Ann").is(201)
	f.do("PUT", "/fhir/Observation/o", observation("o", "a")).is(201)
	const bad = `{"resourceType":"Patient","gender":"robot","name":[{"family":5}]}`
	for _, c := range []struct{ path, body, severity, code, text string }{
		{"Patient/$validate", patient("", "x"), "information", "informational", "is valid"},
		{"Patient/$validate", parameters("resource", `"resource":`+patient("", "x")), "information", "informational", "is valid"},
		{"Patient/$validate?mode=create", patient("a", "x"), "information", "informational", "is valid"},
		{"Patient/$validate", bad, "error", "value", "robot"},
		{"Patient/$validate", parameters("resource", `"resource":`+bad), "error", "value", `"expression":["Patient.gender"]`},
		{"Patient/$validate", observation("o", "a"), "error", "invalid", "must be Patient"},
		{"Patient/$validate", `{"resourceType":"Pacient"}`, "error", "", ""},
		{"Patient/$validate", `{}`, "error", "", ""},
		{"Patient/a/$validate?mode=update", patient("a", "x"), "information", "informational", "is valid"},
		{"Patient/a/$validate?mode=update", patient("b", "x"), "error", "invalid", "must be a"},
		{"Patient/a/$validate?mode=update", patient("", "x"), "error", "invalid", "must be a"},
		{"Patient/a/$validate?mode=delete", "", "error", "conflict", "referred to by 1 Observation"},
		{"Patient/free/$validate?mode=delete", "", "information", "informational", "may be deleted"},
		{"Patient/nobody/$validate?mode=delete", "", "error", "not-found", "Patient/nobody"},
		{"Patient/free/$validate", parameters("mode", `"valueCode":"delete"`), "information", "informational", "may be deleted"},
		{"Patient/$validate?mode=update", patient("a", "x"), "error", "required", "on a resource"},
		{"Parameters/$validate", parameters("x", `"valueCode":"y"`), "information", "informational", "is valid"},
	} {
		a := f.do("POST", "/fhir/"+c.path, c.body).is(200).says(`"resourceType":"OperationOutcome"`).says(`"severity":"` + c.severity + `"`).says(c.text)
		if c.code != "" {
			a.says(`"code":"` + c.code + `"`)
		}
	}
	f.do("GET", "/fhir/Patient/free/$validate?mode=delete", "").is(200).says("may be deleted")
	f.do("POST", "/fhir/Patient/$validate", "").fails(400, "required", "no resource")
	f.do("POST", "/fhir/Patient/$validate", "{").is(400)
	f.do("POST", "/fhir/Patient/$validate?mode=x", patient("", "x")).fails(400, "value", "mode x")
	f.do("POST", "/fhir/Patient/$validate?mode=profile", patient("", "x")).fails(400, "required", "needs a profile")
	f.do("POST", "/fhir/Patient/$validate?profile=http://p", patient("", "x")).fails(422, "not-supported", "http://p")
	f.do("POST", "/fhir/Patient/$validate?x=1", patient("", "x")).is(400)
	f.do("POST", "/fhir/Patient/$validate", parameters("x", `"valueCode":"y"`)).fails(400, "not-supported", "parameter x")
	f.do("POST", "/fhir/Patient/$validate", `{"resourceType":"Parameters","parametr":[]}`).is(400)
	if p := f.do("GET", "/fhir/_history", "").is(200).set(); len(p.Entry) != 3 {
		t.Errorf("validation wrote: %v", p.versions())
	}
	r := f.do("POST", "/fhir", batch(ask("", bad, "POST", "Patient/$validate"), ask("", patient("", "x"), "POST", "Patient/$validate"))).response("batch-response")
	if !strings.Contains(string(r.Entry[1].Resource), "is valid") {
		t.Errorf("in a batch: %+v", r)
	}
}
