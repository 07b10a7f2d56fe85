package server_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/server"
)

func transaction(entries ...string) string { return ofType("transaction", entries...) }

func batch(entries ...string) string { return ofType("batch", entries...) }

func ofType(kind string, entries ...string) string {
	b := `{"resourceType":"Bundle","type":"` + kind + `"`
	if len(entries) > 0 {
		b += `,"entry":[` + strings.Join(entries, ",") + `]`
	}
	return b + `}`
}

// ask is an entry; more are further members of its request.
func ask(fullURL, resource, method, url string, more ...string) string {
	var b strings.Builder
	b.WriteString("{")
	if fullURL != "" {
		fmt.Fprintf(&b, `"fullUrl":%q,`, fullURL)
	}
	if resource != "" {
		b.WriteString(`"resource":` + resource + `,`)
	}
	fmt.Fprintf(&b, `"request":{"method":%q,"url":%q`, method, url)
	for _, m := range more {
		b.WriteString("," + m)
	}
	return b.String() + "}}"
}

// post creates a resource of whatever type.
func post(fullURL, resource string, more ...string) string {
	var typ struct{ ResourceType string }
	json.Unmarshal([]byte(resource), &typ)
	return ask(fullURL, resource, "POST", typ.ResourceType, more...)
}

func put(resource string, more ...string) string {
	var key struct{ ResourceType, ID string }
	json.Unmarshal([]byte(resource), &key)
	return ask("", resource, "PUT", key.ResourceType+"/"+key.ID, more...)
}

func observed(subject string) string {
	return `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"` + subject + `"}}`
}

// response is an answer Bundle.
type response struct {
	ResourceType, Type string
	Entry              []struct {
		FullURL  string `json:"fullUrl"`
		Resource json.RawMessage
		Response struct {
			Status, Location, Etag, LastModified string
			Outcome                              *struct {
				Issue []struct {
					Code, Diagnostics string
					Expression        []string
				}
			}
		}
	}
}

func (a *answer) response(kind string) response {
	a.Helper()
	var r response
	if err := json.Unmarshal([]byte(a.is(200).body), &r); err != nil {
		a.Fatalf("%v: %s", err, a.body)
	}
	if r.ResourceType != "Bundle" || r.Type != kind {
		a.Fatalf("the answer is a %s of type %s, want %s", r.ResourceType, r.Type, kind)
	}
	return r
}

func (r response) statuses() string {
	var s []string
	for _, e := range r.Entry {
		s = append(s, strings.Fields(e.Response.Status)[0])
	}
	return strings.Join(s, " ")
}

// id is that of the resource an entry wrote.
func (r response) id(i int) string {
	parts := strings.Split(r.Entry[i].Response.Location, "/")
	if len(parts) < 2 {
		return ""
	}
	return parts[1]
}

// blames asserts an OperationOutcome whose issue is about an element.
func (a *answer) blames(status int, code, expression, text string) *answer {
	a.Helper()
	a.fails(status, code, text)
	if !strings.Contains(a.body, `"expression":["`+expression+`"]`) {
		a.Errorf("%s is not blamed: %s", expression, a.body)
	}
	return a
}

// empty asserts that nothing was ever written.
func (f *fixture) empty() {
	f.Helper()
	if p := f.do("GET", "/fhir/_history", "").is(200).set(); len(p.Entry) != 0 {
		f.Errorf("%v were written", p.versions())
	}
}

func TestBatch(t *testing.T) {
	f := open(t, nil)
	f.put("a", "Ann").is(201)
	f.do("POST", "/fhir", batch()).response("batch-response")
	a := f.do("POST", "/fhir", batch(
		post("", patient("ignored", "One")),
		put(patient("b", "Two")),
		ask("", "", "GET", "Patient/a"),
		ask("", "", "HEAD", "/Patient/a"),
		ask("", "", "GET", "Patient?family=ann"),
		ask("", "", "GET", "Patient/nobody"),
		ask("", "", "GET", "Patient/a/_history/1"),
		ask("", "", "GET", "Patient/a", `"ifNoneMatch":"W/\"1\""`),
		put(patient("a", "x"), `"ifMatch":"W/\"7\""`),
		post("", `{"resourceType":"Patient","nmae":[]}`),
		ask("", "", "DELETE", "Patient/nobody"),
		ask("", "", "GET", "http://hob.test/fhir/Patient/a"),
		ask("", "", "GET", "metadata"),
		ask("", "", "GET", "Patient/a/_history"),
		ask("", "", "GET", "Patient?bogus=1"),
		ask("", patient("", "x"), "POST", "Observation"),
	))
	r := a.response("batch-response")
	if got, want := r.statuses(), "201 201 200 200 200 404 200 304 412 400 204 200 200 200 400 400"; got != want {
		t.Errorf("the statuses are %s, want %s: %s", got, want, a.body)
	}
	if e := r.Entry[0]; e.Resource != nil || e.Response.Etag != `W/"1"` || e.Response.LastModified == "" ||
		!strings.HasPrefix(e.Response.Location, "Patient/") || !strings.HasSuffix(e.Response.Location, "/_history/1") || r.id(0) == "ignored" {
		t.Errorf("a create is answered by %+v", e)
	}
	if e := r.Entry[2]; e.FullURL != "http://hob.test/fhir/Patient/a" || !strings.Contains(string(e.Resource), "Ann") || e.Response.Etag != `W/"1"` {
		t.Errorf("a read is answered by %+v", e)
	}
	if e := r.Entry[3]; e.Resource != nil || e.Response.Etag != `W/"1"` {
		t.Errorf("a HEAD is answered by %+v", e)
	}
	if e := r.Entry[4]; !strings.Contains(string(e.Resource), `"type":"searchset"`) {
		t.Errorf("a search is answered by %+v", e)
	}
	if e := r.Entry[9]; e.Response.Outcome == nil || e.Response.Outcome.Issue[0].Expression[0] != "Bundle.entry[9].resource" && !strings.HasPrefix(e.Response.Outcome.Issue[0].Expression[0], "Bundle.entry[9].resource.") {
		t.Errorf("a bad resource is answered by %+v", e)
	}
	if e := r.Entry[14]; e.Response.Outcome == nil || e.Response.Outcome.Issue[0].Expression[0] != "Bundle.entry[14].request.url" {
		t.Errorf("a bad search is answered by %+v", e)
	}

	r = f.do("POST", "/fhir", batch(post("", patient("", "One"))), "Prefer: return=representation").response("batch-response")
	if !strings.Contains(string(r.Entry[0].Resource), "One") || r.Entry[0].FullURL == "" {
		t.Errorf("with return=representation: %+v", r.Entry[0])
	}
	r = f.do("POST", "/fhir", batch(post("", patient("", "One"))), "Prefer: return=OperationOutcome").response("batch-response")
	if r.Entry[0].Resource != nil || r.Entry[0].Response.Outcome == nil {
		t.Errorf("with return=OperationOutcome: %+v", r.Entry[0])
	}
}

func TestTransaction(t *testing.T) {
	f := open(t, nil)
	f.put("old", "Old").is(201)
	f.put("gone", "Gone").is(201)
	f.do("POST", "/fhir", transaction()).response("transaction-response")
	a := f.do("POST", "/fhir", transaction(
		ask("", "", "GET", "Patient?family=new"), // sees what is written
		put(patient("old", "New")),
		post("urn:uuid:1", known("", "7", "New")),
		post("urn:uuid:2", strings.Replace(observed("urn:uuid:1"), `"status"`,
			`"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"urn:uuid:1\">p</a></div>"},"derivedFrom":[{"reference":"urn:uuid:3"}],"status"`, 1)),
		post("urn:uuid:3", observed("urn:uuid:1")),
		ask("", "", "DELETE", "Patient/gone"),
		ask("", "", "GET", "Patient/old"),
		ask("", "", "HEAD", "Patient/old"),
		post("", observed("Patient?"+by+"7")),
	))
	r := a.response("transaction-response")
	if got, want := r.statuses(), "200 200 201 201 201 204 200 200 201"; got != want {
		t.Fatalf("the statuses are %s, want %s: %s", got, want, a.body)
	}
	if !strings.Contains(string(r.Entry[0].Resource), `"total":2`) || !strings.Contains(string(r.Entry[6].Resource), `"New"`) {
		t.Errorf("the reads show %s and %s", r.Entry[0].Resource, r.Entry[6].Resource)
	}
	p := r.id(2)
	o := f.do("GET", "/fhir/Observation/"+r.id(3), "").is(200)
	o.says(`"subject":{"reference":"Patient/` + p + `"}`).says(`href=\"Patient/` + p + `\"`).says(`"derivedFrom":[{"reference":"Observation/` + r.id(4) + `"}]`)
	f.do("GET", "/fhir/Observation/"+r.id(8), "").is(200).says(`"Patient/` + p + `"`)
	if s := f.do("GET", "/fhir/Observation?subject=Patient/"+p, "").is(200).set(); *s.Total != 3 {
		t.Errorf("%d Observations are found by their subject, want 3", *s.Total)
	}
	f.do("GET", "/fhir/Patient/gone", "").is(410)
}

// TestTransactionLinks has links of every form that leads to an entry, and of some that do not.
func TestTransactionLinks(t *testing.T) {
	f := open(t, nil)
	f.do("PUT", "/fhir/Organization/there", `{"resourceType":"Organization","id":"there","identifier":[{"value":"o"}],"name":"x"}`).is(201)
	r := f.do("POST", "/fhir", transaction(
		ask("http://other/fhir/Patient/1", patient("1", "One"), "POST", "Patient"),
		ask("http://other/fhir/Observation/2", observed("Patient/1"), "POST", "Observation"),
		post("urn:uuid:3", observed("http://other/fhir/Patient/1#x")),
		post("urn:uuid:4", observed("Patient/1")), // relative to this server
		post("urn:oid:1.2", `{"resourceType":"Organization","name":"x"}`, `"ifNoneExist":"identifier=o"`),
		post("", `{"resourceType":"Patient","managingOrganization":{"reference":"urn:oid:1.2"}}`),
		ask("urn:uuid:5", patient("mine", "x"), "PUT", "Patient/mine"),
		post("", observed("urn:uuid:5")),
		ask("http://hob.test/fhir/Patient/keep", patient("keep", "x"), "PUT", "Patient/keep"),
		post("", observed("http://hob.test/fhir/Patient/keep")),
		ask("urn:uuid:6", known("", "6", "x"), "PUT", "Patient?"+by+"6"),
		post("", observed("urn:uuid:6")),
	)).response("transaction-response")
	for i, want := range map[int]string{
		1: "Patient/" + r.id(0), 2: "Patient/" + r.id(0) + "#x", 3: "Patient/1", 5: "Organization/there",
		7: "Patient/mine", 9: "http://hob.test/fhir/Patient/keep", 11: "Patient/" + r.id(10),
	} {
		at := strings.TrimSuffix(r.Entry[i].Response.Location, "/_history/1")
		if body := f.do("GET", "/fhir/"+at, "").is(200).body; !strings.Contains(body, `{"reference":"`+want+`"}`) {
			t.Errorf("entry %d should refer to %s: %s", i, want, body)
		}
	}
	if got := r.statuses(); got != "201 201 201 201 200 201 201 201 201 201 201 201" {
		t.Errorf("the statuses are %s", got)
	}
	// What is nothing but a name, and what is canonical, stays.
	r = f.do("POST", "/fhir", transaction(
		ask("http://d/ValueSet/v", `{"resourceType":"ValueSet","url":"http://d/ValueSet/v","status":"draft"}`, "POST", "ValueSet"),
		post("", `{"resourceType":"ValueSet","status":"draft","compose":{"include":[{"valueSet":["http://d/ValueSet/v"]}]}}`),
	)).response("transaction-response")
	f.do("GET", "/fhir/ValueSet/"+r.id(0), "").is(200).says(`"url":"http://d/ValueSet/v"`)
	f.do("GET", "/fhir/ValueSet/"+r.id(1), "").is(200).says(`"http://d/ValueSet/v"`)
}

func TestTransactionRefused(t *testing.T) {
	for name, c := range map[string]struct {
		body       string
		status     int
		code       string
		expression string
		text       string
	}{
		"bad resource":      {transaction(post("", patient("", "a")), post("", `{"resourceType":"Patient","gender":"x"}`)), 400, "value", "Bundle.entry[1].resource.gender", ""},
		"type and url":      {transaction(ask("", patient("", "a"), "POST", "Observation")), 400, "invalid", "Bundle.entry[0].resource", "must be Observation"},
		"no resource":       {transaction(ask("", "", "POST", "Patient")), 400, "structure", "Bundle.entry[0]", "no body"},
		"read of nothing":   {transaction(post("", patient("", "a")), ask("", "", "GET", "Patient/x")), 404, "not-found", "Bundle.entry[1]", "Patient/x"},
		"bad search":        {transaction(post("", patient("", "a")), ask("", "", "GET", "Patient?x=1")), 400, "not-supported", "Bundle.entry[1].request.url", "no search parameter"},
		"stale":             {transaction(put(patient("a", "x"), `"ifMatch":"W/\"3\""`)), 412, "conflict", "Bundle.entry[0]", "does not exist"},
		"twice":             {transaction(put(patient("a", "x")), ask("", "", "DELETE", "Patient/a")), 400, "invalid", "Bundle.entry[0]", "entry 1 writes Patient/a too"},
		"same criteria":     {transaction(post("", known("", "1", "x"), `"ifNoneExist":"`+by+`1"`), post("", known("", "1", "x"), `"ifNoneExist":"`+by+`1"`)), 400, "invalid", "Bundle.entry[1]", "entry 0 creates"},
		"its own match":     {transaction(post("", known("", "1", "x")), post("", known("", "1", "y"), `"ifNoneExist":"`+by+`1"`)), 412, "multiple-matches", "Bundle.entry[1]", "entry 0"},
		"fullUrl twice":     {transaction(post("urn:uuid:1", patient("", "a")), post("urn:uuid:1", patient("", "b"))), 422, "invariant", "Bundle.entry[1].fullUrl", "entry 0 has"},
		"fullUrl versioned": {transaction(post("http://x/Patient/1/_history/1", patient("", "a"))), 422, "invariant", "Bundle.entry[0].fullUrl", "names a version"},
		"dangling":          {transaction(post("", observed("urn:uuid:9"))), 404, "not-found", "Bundle.entry[0].resource.subject.reference", "urn:uuid:9"},
		"no match":          {transaction(post("", observed("Patient?"+by+"1"))), 412, "not-found", "Bundle.entry[0].resource.subject.reference", "no Patient matches"},
		"matches":           {transaction(post("", known("", "1", "x")), post("", known("", "1", "y")), post("", observed("Patient?"+by+"1"))), 412, "multiple-matches", "Bundle.entry[2].resource.subject.reference", "several"},
		"bad criteria":      {transaction(post("", observed("Patient?x=1"))), 400, "not-supported", "Bundle.entry[0].resource.subject.reference", "no search parameter"},
		"no criteria":       {transaction(post("", observed("Patient?"))), 412, "required", "Bundle.entry[0].resource.subject.reference", "no criteria"},
		"ifNoneExist":       {transaction(post("", patient("", "x"), `"ifNoneExist":"x=1"`)), 400, "not-supported", "Bundle.entry[0].request.ifNoneExist", "no search parameter"},
		"elsewhere":         {transaction(ask("", "", "GET", "http://evil/Patient/1")), 400, "value", "Bundle.entry[0].request.url", "not below this server"},
		"almost here":       {transaction(ask("", "", "GET", "http://hob.test/fhirx/Patient/1")), 400, "value", "Bundle.entry[0].request.url", "not below this server"},
		"no scheme":         {transaction(ask("", "", "GET", "//evil/Patient/1")), 400, "value", "Bundle.entry[0].request.url", "not below this server"},
		"file":              {transaction(ask("", "", "GET", "file:///etc/passwd")), 400, "value", "Bundle.entry[0].request.url", "not below this server"},
		"dots":              {transaction(ask("", "", "GET", "../metrics")), 404, "", "Bundle.entry[0]", ""},
		"private":           {transaction(ask("", "", "GET", "_key/page")), 404, "", "Bundle.entry[0]", ""},
		"method":            {transaction(ask("", patient("", "x"), "FETCH", "Patient")), 400, "value", "Bundle.entry[0].request.method", ""},
		"wrong method":      {transaction(ask("", patient("", "x"), "POST", "Patient/1")), 405, "not-supported", "Bundle.entry[0]", "POST is not answered"},
		"no request":        {transaction(`{"resource":` + patient("", "x") + `}`), 400, "required", "Bundle.entry[0].request", "no request"},
		"no method":         {transaction(`{"request":{"url":"Patient"}}`), 400, "required", "", ""},
		"nested":            {transaction(ask("", transaction(), "POST", "")), 400, "", "", ""},
		"nested by slash":   {transaction(ask("", transaction(), "POST", "/")), 400, "not-supported", "Bundle.entry[0].request.url", "within a Bundle"},
		"form":              {transaction(ask("", "", "POST", "Patient/_search")), 400, "not-supported", "Bundle.entry[0].request.url", "asked for by GET"},
		"delete with body":  {transaction(ask("", patient("a", "x"), "DELETE", "Patient/a")), 400, "invalid", "Bundle.entry[0].resource", "takes no resource"},
		"type":              {ofType("collection"), 400, "value", "Bundle.type", "batch or transaction"},
		"history":           {ofType("history"), 400, "value", "Bundle.type", "batch or transaction"},
		"unknown type":      {ofType("x"), 400, "value", "Bundle.type", ""},
		"no type":           {`{"resourceType":"Bundle"}`, 400, "required", "", ""},
		"no Bundle":         {patient("", "x"), 400, "invalid", "Patient", "POST /fhir/Patient"},
		"no entries":        {`{"resourceType":"Bundle","type":"batch","entry":[]}`, 400, "", "", ""},
		"null entry":        {`{"resourceType":"Bundle","type":"batch","entry":[null]}`, 400, "", "", ""},
		"entry object":      {`{"resourceType":"Bundle","type":"batch","entry":{}}`, 400, "", "", ""},
		"unknown member":    {`{"resourceType":"Bundle","type":"batch","entri":[]}`, 400, "", "", ""},
		"unknown in entry":  {`{"resourceType":"Bundle","type":"batch","entry":[{"reqest":1,"request":{"method":"GET","url":"Patient/a"}}]}`, 400, "", "", ""},
		"null resource":     {`{"resourceType":"Bundle","type":"transaction","entry":[{"resource":null,"request":{"method":"POST","url":"Patient"}}]}`, 400, "", "", ""},
		"twice a resource":  {`{"resourceType":"Bundle","type":"batch","entry":[{"resource":` + patient("", "x") + `,"resource":` + patient("", "x") + `,"request":{"method":"POST","url":"Patient"}}]}`, 400, "", "", ""},
		"cut off":           {`{"resourceType":"Bundle","type":"batch","entry":[{"resource":{`, 400, "", "", ""},
		"trailing":          {batch() + "x", 400, "", "", ""},
		"array":             {`[]`, 400, "", "", ""},
		"text":              {`"Bundle"`, 400, "", "", ""},
		"deep":              {`{"resourceType":"Bundle","type":"batch","entry":[{"resource":` + strings.Repeat(`{"a":[`, 5000), 400, "", "", ""},
		"nothing":           {``, 400, "structure", "", "no body"},
	} {
		t.Run(name, func(t *testing.T) {
			f := open(t, nil)
			a := f.do("POST", "/fhir", c.body)
			if c.code == "" {
				a.is(c.status).says("OperationOutcome")
			} else {
				a.fails(c.status, c.code, c.text)
			}
			if c.expression != "" {
				a.says(`"expression":["` + c.expression)
			}
			f.empty()
		})
	}
}

// TestHostileLinks has Bundles that look bad and are none: what refers to itself, in circles, and to very much.
func TestHostileLinks(t *testing.T) {
	f := open(t, nil)
	list := func(refs ...string) string {
		var items []string
		for _, r := range refs {
			items = append(items, `{"item":{"reference":"`+r+`"}}`)
		}
		return `{"resourceType":"List","status":"current","mode":"working","entry":[` + strings.Join(items, ",") + `]}`
	}
	r := f.do("POST", "/fhir", transaction(post("urn:uuid:1", list("urn:uuid:1")))).response("transaction-response")
	f.do("GET", "/fhir/List/"+r.id(0), "").says(`"reference":"List/` + r.id(0) + `"`)
	r = f.do("POST", "/fhir", transaction(post("urn:uuid:1", list("urn:uuid:2")), post("urn:uuid:2", list("urn:uuid:1")))).response("transaction-response")
	f.do("GET", "/fhir/List/"+r.id(0), "").says(`"reference":"List/` + r.id(1) + `"`)
	f.do("GET", "/fhir/List/"+r.id(1), "").says(`"reference":"List/` + r.id(0) + `"`)

	many := make([]string, 10_000)
	for i := range many {
		many[i] = "urn:uuid:1"
	}
	r = f.do("POST", "/fhir", transaction(post("urn:uuid:1", list(many...)))).response("transaction-response")
	if n := strings.Count(f.do("GET", "/fhir/List/"+r.id(0), "").is(200).body, `"List/`+r.id(0)+`"`); n != 10_000 {
		t.Errorf("%d of 10,000 links were rewritten", n)
	}

	// A Bundle as a resource is a resource, whatever its type, and so it is in a transaction.
	inner := transaction(post("urn:uuid:9", patient("", "Inner")))
	f.do("POST", "/fhir/Bundle", inner).is(201)
	f.do("POST", "/fhir", transaction(post("", inner))).response("transaction-response")
	f.has("family=inner", 0)
}

func TestBundleLimits(t *testing.T) {
	f := open(t, func(c *server.Config) { c.Limits.Entries, c.Limits.Within = 3, 5 })
	one := post("", patient("", "x"))
	f.do("POST", "/fhir", transaction(one, one, one)).response("transaction-response")
	f.do("POST", "/fhir", transaction(one, one, one, one)).blames(413, "too-long", "Bundle.entry", "more than the 3 entries")
	f.do("POST", "/fhir", transaction(one, one, one)).response("transaction-response")
	f.do("POST", "/fhir", batch(ask("", "", "GET", "Patient?family=x"))).response("batch-response")
	f.do("POST", "/fhir", transaction(one, ask("", "", "GET", "Patient?family:contains=x"))).fails(422, "too-costly", "more rows")
	f.do("POST", "/fhir/Patient", patient("", "x"), "If-None-Exist: family:contains=y").fails(422, "too-costly", "more rows")
	f.has("family=x", 6)
}

func TestTransactionDeletes(t *testing.T) {
	f := open(t, func(c *server.Config) { c.Policy.Referential = true })
	f.put("a", "Ann").is(201)
	f.do("PUT", "/fhir/Observation/o", strings.Replace(observed("Patient/a"), `"status"`, `"id":"o","status"`, 1)).is(201)
	f.do("POST", "/fhir", transaction(ask("", "", "DELETE", "Patient/a"))).blames(409, "conflict", "Bundle.entry[0]", "referred to by 1 Observation")
	f.do("POST", "/fhir", transaction(ask("", "", "DELETE", "Patient/a"), ask("", "", "DELETE", "Observation/o"))).response("transaction-response")
	f.do("GET", "/fhir/Patient/a", "").is(410)

	f.do("POST", "/fhir/Patient", known("", "1", "Old")).is(201)
	r := f.do("POST", "/fhir", transaction( // what is deleted matches nothing any more
		post("", known("", "1", "New"), `"ifNoneExist":"`+by+`1"`),
		ask("", "", "DELETE", "Patient?"+by+"1"),
		post("", observed("Patient?"+by+"1")),
	)).response("transaction-response")
	if r.statuses() != "201 204 201" {
		t.Errorf("the statuses are %s", r.statuses())
	}
	f.do("GET", "/fhir/Observation/"+r.id(2), "").is(200).says("Patient/" + r.id(0))
	f.has(by+"1", 1)
}
