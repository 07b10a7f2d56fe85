package server_test

import (
	"encoding/json"
	"testing"
)

// FuzzBundle sends anything as a Bundle. Whatever comes is answered in JSON and is no error of our own; a transaction that is refused
// leaves nothing, and one that is not has an answer for each entry.
func FuzzBundle(f *testing.F) {
	for _, s := range []string{
		batch(),
		batch(post("urn:uuid:1", patient("", "x")), ask("", "", "GET", "Patient?name=x&_sort=-name"), ask("", "", "DELETE", "Patient/a")),
		transaction(post("urn:uuid:1", patient("", "x")), post("urn:uuid:2", observed("urn:uuid:1")), ask("", "", "GET", "Patient/_history")),
		transaction(post("", known("", "1", "x"), `"ifNoneExist":"identifier=http://s|1"`), post("", observed("Patient?identifier=http://s|1"))),
		transaction(ask("", known("", "1", "x"), "PUT", "Patient?identifier=1"), ask("", "", "DELETE", "Patient?_id=a"), ask("", "", "HEAD", "metadata")),
		transaction(ask("", binary(replaceFamily("x")), "PATCH", "Patient/a", `"ifMatch":"W/\"1\""`), ask("", fhirPatch("replace", "Patient.name[0].family", "Bob"), "PATCH", "Patient?_id=b")),
		transaction(ask("http://x/fhir/Patient/1", patient("1", "x"), "PUT", "Patient/1"), ask("http://x/fhir/Observation/1", observed("Patient/1"), "POST", "Observation")),
		transaction(ask("", parameters("meta", `"valueMeta":{"tag":[{"code":"y"}]}`), "POST", "Patient/a/$meta-add"), ask("", patient("", "x"), "POST", "Patient/$validate")),
	} {
		f.Add(s)
	}
	fix := open(f, nil)
	fix.put("a", "Ann").is(201)
	newest := func(f *fixture) string {
		return f.do("GET", "/fhir/_history?_count=1&_elements=id", "").is(200).set().Entry[0].Response.LastModified
	}
	f.Fuzz(func(t *testing.T, body string) {
		on := *fix
		on.TB = t
		before := newest(&on)
		a := on.do("POST", "/fhir", body)
		if a.status >= 500 || !json.Valid([]byte(a.body)) {
			t.Fatalf("%d %s", a.status, a.body)
		}
		if a.status != 200 {
			if after := newest(&on); after != before {
				t.Errorf("a Bundle that was refused wrote something: %s", a.body)
			}
			return
		}
		var in struct{ Entry []json.RawMessage }
		var out response
		if json.Unmarshal([]byte(a.body), &out) != nil || json.Unmarshal([]byte(body), &in) == nil && len(in.Entry) != len(out.Entry) {
			t.Errorf("%d entries are answered by %s", len(in.Entry), a.body)
		}
		for _, e := range out.Entry {
			if len(e.Response.Status) < 3 || e.Response.Status[0] == '5' {
				t.Errorf("an entry is answered by %q", e.Response.Status)
			}
		}
	})
}
