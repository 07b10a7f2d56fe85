package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hob-fhir/hob/server"
)

func TestCreate(t *testing.T) {
	f := open(t, nil)
	a := f.do("POST", "/fhir/Patient", patient("mine", "Ann"))
	id := a.created()
	if id == "mine" {
		t.Error("the client's id was taken for a create")
	}
	a.has("ETag", `W/"1"`).has("Content-Type", "application/fhir+json; charset=utf-8").says(`"id":"` + id + `"`).says(`"versionId":"1"`)
	if _, err := http.ParseTime(a.header.Get("Last-Modified")); err != nil {
		t.Error(err)
	}
	got := f.do("GET", "/fhir/Patient/"+id, "").is(200)
	if got.body != a.body {
		t.Errorf("read %s, created %s", got.body, a.body)
	}
	other := f.do("POST", "/fhir/Patient", patient("", "Ann")).created()
	if other == id {
		t.Error("two creates have one id")
	}
}

func TestCreateRefused(t *testing.T) {
	f := open(t, nil)
	for _, c := range []struct {
		path, body   string
		status       int
		code, saying string
		headers      []string
	}{
		{"/fhir/Patient", "", 400, "structure", "no body", nil},
		{"/fhir/Patient", "{", 400, "structure", "", nil},
		{"/fhir/Patient", "[]", 400, "structure", "", nil},
		{"/fhir/Patient", `{"resourceType":"Observation","status":"final","code":{"text":"x"}}`, 400, "invalid", "of type Observation; it must be Patient", nil},
		{"/fhir/Patient?x=1", patient("", "a"), 400, "not-supported", `"x" is not known here`, nil},
		{"/fhir/Pacient", patient("", "a"), 404, "not-supported", "Pacient is no resource type", nil},
		{"/fhir/patient", patient("", "a"), 404, "not-supported", "begin with a capital letter", nil},
		{"/fhir/Patient", patient("", "a"), 415, "not-supported", "no Content-Type", []string{"Content-Type: "}},
		{"/fhir/Patient", patient("", "a"), 415, "not-supported", "text/plain", []string{"Content-Type: text/plain"}},
		{"/fhir/Patient", patient("", "a"), 415, "not-supported", "application/fhir+xml", []string{"Content-Type: application/fhir+xml"}},
		{"/fhir/Patient", patient("", "a"), 415, "not-supported", "latin1", []string{"Content-Type: application/json; charset=latin1"}},
		{"/fhir/Patient", patient("", "a"), 415, "not-supported", "FHIR 4.0", []string{"Content-Type: application/fhir+json; fhirVersion=5.0"}},
		{"/fhir/Patient", patient("", "a"), 415, "not-supported", "gzip is", []string{"Content-Encoding: br"}},
		{"/fhir/Patient", patient("", "a"), 400, "structure", "not gzip", []string{"Content-Encoding: gzip"}},
		{"/fhir/Patient", patient("", "a"), 400, "not-supported", "no search parameter", []string{"If-None-Exist: bogus=x"}},
		{"/fhir/Patient?_format=xml", patient("", "a"), 406, "not-supported", "_format=xml", nil},
		{"/fhir/Patient?%zz=1", patient("", "a"), 400, "invalid", "percent-encoded", nil},
	} {
		f.do("POST", c.path, c.body, c.headers...).fails(c.status, c.code, c.saying)
	}
	if p := f.do("GET", "/fhir/Patient?_total=accurate", "").is(200).set(); *p.Total != 0 {
		t.Errorf("%d patients were stored by refused requests", *p.Total)
	}
	for _, kind := range []string{"application/json", "text/json", "application/fhir+json; charset=UTF-8", "application/fhir+json; fhirVersion=4.0"} {
		f.do("POST", "/fhir/Patient", patient("", "a"), "Content-Type: "+kind).is(201)
	}
}

func TestRead(t *testing.T) {
	f := open(t, nil)
	f.put("a", "Ann").is(201)
	f.put("gone", "Bob").is(201)
	f.do("DELETE", "/fhir/Patient/gone", "").is(204)

	a := f.do("GET", "/fhir/Patient/a", "").is(200).has("ETag", `W/"1"`).has("Cache-Control", "no-store").has("X-Content-Type-Options", "nosniff")
	modified := a.header.Get("Last-Modified")
	f.do("GET", "/fhir/Patient/a/", "").is(200)
	head := f.do("HEAD", "/fhir/Patient/a", "").is(200).has("ETag", `W/"1"`).has("Last-Modified", modified)
	if head.header.Get("Content-Length") != fmt.Sprint(len(a.body)) {
		t.Errorf("HEAD tells %s bytes, GET gives %d", head.header.Get("Content-Length"), len(a.body))
	}
	f.do("GET", "/fhir/Patient/none", "").fails(404, "not-found", "Patient/none")
	f.do("HEAD", "/fhir/Patient/none", "").is(404)
	f.do("GET", "/fhir/Patient/gone", "").fails(410, "deleted", "was deleted as version 2").has("ETag", `W/"2"`)
	f.do("GET", "/fhir/Patient/a_b", "").fails(400, "value", "is no id")
	f.do("GET", "/fhir/Patient/"+strings.Repeat("a", 65), "").fails(400, "value", "is no id")
	f.do("GET", "/fhir/Nothing/1", "").fails(404, "not-supported", "Nothing is no resource type")
	f.do("GET", "/fhir/Patient/a?x=1", "").fails(400, "not-supported", `"x"`)

	early := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).Format(http.TimeFormat)
	for _, c := range []struct {
		header string
		status int
	}{
		{`If-None-Match: W/"1"`, 304}, {`If-None-Match: "1"`, 304}, {`If-None-Match: W/"7", W/"1"`, 304}, {`If-None-Match: *`, 304},
		{`If-None-Match: W/"2"`, 200}, {`If-None-Match: nonsense`, 200},
		{"If-Modified-Since: " + modified, 304}, {"If-Modified-Since: " + early, 200}, {"If-Modified-Since: nonsense", 200},
	} {
		for _, path := range []string{"/fhir/Patient/a", "/fhir/Patient/a/_history/1"} {
			a := f.do("GET", path, "", c.header)
			if a.status != c.status {
				t.Errorf("%s with %s: %d, want %d", path, c.header, a.status, c.status)
			}
			if a.has("ETag", `W/"1"`); a.status == 304 && a.body != "" {
				t.Error("a 304 has a body")
			}
		}
	}
	f.do("GET", "/fhir/Patient/a", "", `If-None-Match: W/"2"`, "If-Modified-Since: "+modified).is(200)
}

func TestVread(t *testing.T) {
	f := open(t, nil)
	f.put("a", "One").is(201)
	f.put("a", "Two").is(200)
	f.do("DELETE", "/fhir/Patient/a", "").is(204)
	f.put("a", "Four").is(201).has("ETag", `W/"4"`)
	f.do("GET", "/fhir/Patient/a/_history/1", "").is(200).says("One").has("ETag", `W/"1"`)
	f.do("GET", "/fhir/Patient/a/_history/2", "").is(200).says("Two").says(`"versionId":"2"`)
	f.do("GET", "/fhir/Patient/a/_history/3", "").fails(410, "deleted", "version 3")
	f.do("HEAD", "/fhir/Patient/a/_history/4", "").is(200)
	for _, v := range []string{"0", "5", "x", "-1", "99999999999999999999"} {
		f.do("GET", "/fhir/Patient/a/_history/"+v, "").fails(404, "not-found", "")
	}
}

func TestUpdate(t *testing.T) {
	f := open(t, nil)
	f.put("a", "One").is(201).has("ETag", `W/"1"`).has("Location", "http://hob.test/fhir/Patient/a/_history/1")
	f.put("a", "Two").is(200).has("ETag", `W/"2"`).has("Content-Location", "http://hob.test/fhir/Patient/a/_history/2").has("Location", "").says("Two")
	for _, c := range []struct {
		body, header string
		status       int
		code, saying string
	}{
		{patient("", "x"), "", 400, "required", "no id"},
		{patient("b", "x"), "", 400, "invalid", "the id b and the URL a"},
		{patient("a", "x"), `If-Match: W/"1"`, 412, "conflict", "version 2 of Patient/a is current"},
		{patient("a", "x"), `If-Match: 2`, 400, "invalid", "is no ETag"},
		{patient("a", "x"), `If-Match: W/""`, 400, "invalid", "is no ETag"},
		{patient("a", "x"), `If-Match: W/"abc"`, 412, "conflict", "version 2"},
		{patient("a", "x"), `If-None-Match: *`, 412, "conflict", "exists as version 2"},
	} {
		f.do("PUT", "/fhir/Patient/a", c.body, c.header).fails(c.status, c.code, c.saying)
	}
	f.do("GET", "/fhir/Patient/a", "").is(200).has("ETag", `W/"2"`).says("Two")
	f.do("PUT", "/fhir/Patient/a", patient("a", "Three"), `If-Match: W/"2"`).is(200).has("ETag", `W/"3"`)
	f.do("PUT", "/fhir/Patient/a", patient("a", "Four"), `If-Match: "1", "3"`).is(200).has("ETag", `W/"4"`)
	f.do("PUT", "/fhir/Patient/a", patient("a", "Five"), `If-Match: *`).is(200).has("ETag", `W/"5"`)
	f.do("PUT", "/fhir/Patient/new", patient("new", "x"), `If-Match: W/"1"`).fails(412, "conflict", "does not exist")
	f.do("PUT", "/fhir/Patient/new", patient("new", "x"), `If-None-Match: *`).is(201)
	f.do("PUT", "/fhir/Patient", patient("a", "x")).fails(412, "required", "no criteria")

	f = open(t, func(c *server.Config) { c.Policy.NoClientIDs = true })
	f.put("a", "One").fails(405, "not-supported", "ids are given by this server")
	id := f.do("POST", "/fhir/Patient", patient("", "One")).created()
	f.put(id, "Two").is(200)
}

func TestUpdateKeepsTags(t *testing.T) {
	f := open(t, nil)
	tagged := `{"resourceType":"Patient","id":"a","meta":{"tag":[{"system":"http://tags","code":"red"}],"profile":["http://p"]},"active":true}`
	f.do("PUT", "/fhir/Patient/a", tagged).is(201)
	f.put("a", "Two").is(200).says(`"code":"red"`).says("http://p").says(`"versionId":"2"`)
	f.do("GET", "/fhir/Patient?_tag=red", "").is(200).says("Two")
}

func TestDelete(t *testing.T) {
	f := open(t, nil)
	f.put("a", "One").is(201)
	f.do("DELETE", "/fhir/Patient/a", "", `If-Match: W/"2"`).fails(412, "conflict", "version 1")
	f.do("DELETE", "/fhir/Patient/a", "", `If-Match: x`).fails(400, "invalid", "ETag")
	if a := f.do("DELETE", "/fhir/Patient/a", "", `If-Match: W/"1"`).is(204).has("ETag", `W/"2"`); a.body != "" {
		t.Errorf("a 204 has a body: %s", a.body)
	}
	f.do("DELETE", "/fhir/Patient/a", "").is(204)
	f.do("DELETE", "/fhir/Patient/never", "").is(204)
	f.do("DELETE", "/fhir/Patient/never", "", "Prefer: return=OperationOutcome").is(200).says("was not there")
	f.do("DELETE", "/fhir/Patient/never", "", `If-Match: W/"1"`).fails(412, "conflict", "does not exist")
	f.do("GET", "/fhir/Patient/a", "").fails(410, "deleted", "")
	if p := f.do("GET", "/fhir/Patient", "").is(200).set(); len(p.Entry) != 0 || *p.Total != 0 {
		t.Error("a deleted patient is found")
	}
	f.put("a", "Again").is(201).has("ETag", `W/"3"`)
	f.do("DELETE", "/fhir/Patient/a", "", "Prefer: return=OperationOutcome").is(200).says("deleted as version 4")
	f.do("DELETE", "/fhir/Patient/a?_cascade=delete", "").fails(403, "forbidden", "not allowed")
	f.do("DELETE", "/fhir/Patient/a?x=y", "").fails(400, "not-supported", `"x"`)
	f.do("DELETE", "/fhir/Patient", "").fails(412, "required", "no criteria")
}

func observation(id, patient string) string {
	return `{"resourceType":"Observation","id":"` + id + `","status":"final","code":{"text":"pulse"},"subject":{"reference":"Patient/` + patient + `"}}`
}

func TestReferences(t *testing.T) {
	fill := func(f *fixture) *fixture {
		f.put("a", "Ann").is(201)
		f.put("b", "Bob").is(201)
		for _, id := range []string{"o1", "o2"} {
			f.do("PUT", "/fhir/Observation/"+id, observation(id, "a")).is(201)
		}
		return f
	}
	f := fill(open(t, nil))
	f.do("DELETE", "/fhir/Patient/a", "").is(204)
	f.do("GET", "/fhir/Observation/o1", "").is(200)

	f = fill(open(t, func(c *server.Config) { c.Policy.Referential = true }))
	f.do("DELETE", "/fhir/Patient/b", "").is(204)
	f.do("DELETE", "/fhir/Patient/a", "").fails(409, "conflict", "Patient/a is referred to by 2 Observation")
	f.do("GET", "/fhir/Patient/a", "").is(200)
	f.do("DELETE", "/fhir/Observation/o1", "").is(204)
	f.do("DELETE", "/fhir/Observation/o2", "").is(204)
	f.do("DELETE", "/fhir/Patient/a", "").is(204)

	f = fill(open(t, func(c *server.Config) { c.Policy.Cascade, c.Limits.Cascade = true, 2 }))
	f.do("DELETE", "/fhir/Patient/a?_cascade=all", "").fails(400, "value", "_cascade=all")
	f.do("PUT", "/fhir/Observation/o3", observation("o3", "a")).is(201)
	f.do("DELETE", "/fhir/Patient/a?_cascade=delete", "").fails(422, "too-costly", "more than 2 resources")
	f.do("DELETE", "/fhir/Observation/o3", "").is(204)
	f.do("DELETE", "/fhir/Patient/a?_cascade=delete", "").is(204)
	for _, path := range []string{"/fhir/Patient/a", "/fhir/Observation/o1", "/fhir/Observation/o2"} {
		f.do("GET", path, "").is(410)
	}
	f.do("GET", "/fhir/Patient/b", "").is(200)
}

func TestPrefer(t *testing.T) {
	f := open(t, nil)
	if a := f.do("POST", "/fhir/Patient", patient("", "a"), "Prefer: return=minimal").is(201); a.body != "" || a.created() == "" {
		t.Errorf("return=minimal gives %q", a.body)
	}
	f.do("POST", "/fhir/Patient", patient("", "a"), "Prefer: respond-async, return=representation").is(201).says(`"Patient"`)
	f.do("POST", "/fhir/Patient", patient("", "a"), "Prefer: return=OperationOutcome").is(201).says(`"OperationOutcome"`).says("created as version 1")
	f.put("p", "a").is(201)
	f.do("PUT", "/fhir/Patient/p", patient("p", "b"), `Prefer: handling=strict; return="OperationOutcome"`).is(200).says("updated as version 2")
}

// TestUpdateRace has clients that each add one to a count by read and If-Match; none of the counts may be lost.
func TestUpdateRace(t *testing.T) {
	f := open(t, nil)
	const clients, rounds = 8, 5
	f.put("a", "0").is(201)
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for done := 0; done < rounds; {
				a := f.do("GET", "/fhir/Patient/a", "")
				var p struct{ Name []struct{ Family string } }
				if err := json.Unmarshal([]byte(a.body), &p); err != nil {
					t.Error(err)
					return
				}
				var n int
				fmt.Sscan(p.Name[0].Family, &n)
				switch u := f.do("PUT", "/fhir/Patient/a", patient("a", fmt.Sprint(n+1)), "If-Match: "+a.header.Get("ETag")); u.status {
				case 200:
					done++
				case 412:
				default:
					t.Errorf("status %d: %s", u.status, u.body)
					return
				}
			}
		})
	}
	wg.Wait()
	want := fmt.Sprint(clients * rounds)
	f.do("GET", "/fhir/Patient/a", "").is(200).says(`"family":"` + want + `"`)
	h := f.do("GET", "/fhir/Patient/a/_history?_count=1000", "").set()
	if *h.Total != clients*rounds+1 {
		t.Errorf("%d versions, want %d", *h.Total, clients*rounds+1)
	}
}

// TestUpdateMoved has clients that update one resource without If-Match: each update is a version or a 409, and nothing between.
func TestUpdateMoved(t *testing.T) {
	f := open(t, nil)
	f.put("a", "0").is(201)
	var wg sync.WaitGroup
	var mu sync.Mutex
	versions := 1
	for i := range 8 {
		wg.Go(func() {
			for range 10 {
				a := f.put("a", fmt.Sprint(i))
				mu.Lock()
				switch a.status {
				case 200:
					versions++
				case 409:
					a.says("others changed Patient/a")
				default:
					t.Errorf("status %d: %s", a.status, a.body)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if h := f.do("GET", "/fhir/Patient/a/_history?_count=1000", "").set(); *h.Total != versions {
		t.Errorf("%d versions, want %d", *h.Total, versions)
	}
}
