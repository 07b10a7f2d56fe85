package server_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/server"
)

// TestHostileBodies sends what no client should. Each is refused with an OperationOutcome, and none is stored.
func TestHostileBodies(t *testing.T) {
	f := open(t, func(c *server.Config) { c.Limits.Body, c.Limits.Depth = 1<<20, 50 })
	deep := strings.Repeat(`{"extension":[`, 40) + `{"url":"x"}` + strings.Repeat(`]}`, 40)
	for name, body := range map[string]string{
		"no JSON":              "hello",
		"no object":            `"Patient"`,
		"null":                 "null",
		"cut off":              `{"resourceType":"Patient","active":`,
		"trailing garbage":     `{"resourceType":"Patient","active":true}x`,
		"two resources":        `{"resourceType":"Patient","active":true}{"resourceType":"Patient","active":true}`,
		"duplicate keys":       `{"resourceType":"Patient","active":true,"active":false}`,
		"duplicate type":       `{"resourceType":"Patient","resourceType":"Group","active":true}`,
		"unknown type":         `{"resourceType":"Pacient"}`,
		"no type":              `{"active":true}`,
		"type of wrong type":   `{"resourceType":1}`,
		"unknown element":      `{"resourceType":"Patient","nmae":[]}`,
		"empty array":          `{"resourceType":"Patient","name":[]}`,
		"empty object":         `{"resourceType":"Patient","name":[{}]}`,
		"empty string":         `{"resourceType":"Patient","language":""}`,
		"null member":          `{"resourceType":"Patient","active":null}`,
		"number as string":     `{"resourceType":"Patient","language":5}`,
		"string as boolean":    `{"resourceType":"Patient","active":"true"}`,
		"object as array":      `{"resourceType":"Patient","name":{"family":"x"}}`,
		"no date":              `{"resourceType":"Patient","birthDate":"2024-13-45"}`,
		"no code":              `{"resourceType":"Patient","gender":"robot"}`,
		"no UTF-8":             "{\"resourceType\":\"Patient\",\"language\":\"\xff\xfe\"}",
		"lone surrogate":       `{"resourceType":"Patient","name":[{"family":"\ud800"}]}`,
		"too deep":             `{"resourceType":"Patient","contact":[` + deep + `]}`,
		"deep arrays":          `{"resourceType":"Patient","name":` + strings.Repeat("[", 100000),
		"script":               `{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><script>x</script></div>"},"active":true}`,
		"too long":             `{"resourceType":"Patient","language":"` + strings.Repeat("x", 2<<20) + `"}`,
		"a bad id inside":      `{"resourceType":"Patient","contained":[{"resourceType":"Patient","id":"a b"}],"active":true}`,
		"a number that is big": `{"resourceType":"Patient","multipleBirthInteger":99999999999999999999}`,
	} {
		for _, path := range []string{"/fhir/Patient", "/fhir/Patient/x"} {
			method := http.MethodPost
			if strings.HasSuffix(path, "x") {
				method = http.MethodPut
			}
			a := f.do(method, path, body)
			if a.status != 400 && a.status != 413 && a.status != 422 {
				t.Errorf("%s by %s: %d %.300s", name, method, a.status, a.body)
				continue
			}
			var o struct {
				ResourceType string
				Issue        []struct{ Code, Diagnostics string }
			}
			if err := json.Unmarshal([]byte(a.body), &o); err != nil || o.ResourceType != "OperationOutcome" || len(o.Issue) == 0 || o.Issue[0].Diagnostics == "" {
				t.Errorf("%s: %v %.300s", name, err, a.body)
			}
			if len(a.body) > 100_000 {
				t.Errorf("%s: the answer has %d bytes", name, len(a.body))
			}
		}
	}
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	z.Write(bytes.Repeat([]byte(" "), 50<<20))
	z.Close()
	f.do("POST", "/fhir/Patient", bomb.String(), "Content-Encoding: gzip").fails(413, "too-long", "1048576 bytes")
	f.do("POST", "/fhir/Patient", bomb.String()[:1000], "Content-Encoding: gzip").fails(400, "structure", "broke off")
	if p := f.do("GET", "/fhir/_history", "").is(200).set(); len(p.Entry) != 0 {
		t.Errorf("%d versions were stored by refused requests", len(p.Entry))
	}
}

// TestHostileRequests sends bad paths, queries and headers. None is our own error, and all are answered in JSON.
func TestHostileRequests(t *testing.T) {
	f := open(t, nil)
	f.put("a", "Ann").is(201)
	long := strings.Repeat("x,", 20_000)
	for _, c := range []struct {
		method, path, header string
		status               int
	}{
		{"GET", "/fhir/../fhir/Patient/a", "", 404},
		{"GET", "/fhir//Patient//a", "", 404},
		{"GET", "/fhir/Patient/..", "", 404},
		{"GET", "/fhir/Patient/a%00b", "", 400},
		{"GET", "/fhir/Patient/a%0d%0aSet-Cookie:x", "", 400},
		{"GET", "/fhir/%ff%fe/1", "", 404},
		{"GET", "/fhir/Patient/_history/1", "", 400},
		{"GET", "/fhir/_key/page", "", 404},
		{"GET", "/fhir/_key", "", 404},
		{"GET", "/fhir/_key/_history", "", 404},
		{"GET", "/fhir/Patient?_count=99999999999999999999", "", 400},
		{"GET", "/fhir/Patient?_count=-1", "", 400},
		{"GET", "/fhir/Patient?_count=", "", 400},
		{"GET", "/fhir/Patient?_sort=", "", 400},
		{"GET", "/fhir/Patient?_sort=bogus", "", 400},
		{"GET", "/fhir/Patient?_total=most", "", 400},
		{"GET", "/fhir/Patient?_summary=most", "", 400},
		{"GET", "/fhir/Patient?_elements=nmae", "", 400},
		{"GET", "/fhir/Patient/a?_elements=nmae", "", 400},
		{"GET", "/fhir/Patient/a?_summary=count", "", 400},
		{"GET", "/fhir/Patient/a?_summary=true&_summary=text", "", 400},
		{"GET", "/fhir/_history?_summary=TRUE", "", 400},
		{"GET", "/fhir/Patient?name=%00", "", 400},
		{"GET", "/fhir/Patient?=x", "", 400},
		{"GET", "/fhir/Patient?&&&", "", 200},
		{"GET", "/fhir/Patient?" + strings.Repeat("name=x&", 2000), "", 400},
		{"GET", "/fhir/Patient?name=" + strings.Repeat("x,", 5000), "", 400},
		{"GET", "/fhir/Patient/a", "Accept: " + long, 406},
		{"GET", "/fhir/Patient/a", "Accept: ;;;,q=,/", 406},
		{"GET", "/fhir/Patient/a", "If-None-Match: " + long, 200},
		{"GET", "/fhir/Patient/a", "Prefer: " + long, 200},
		{"GET", "/fhir/Patient/a", "Prefer: =;=,return", 200},
		{"PUT", "/fhir/Patient/a", "If-Match: " + long, 400},
		{"DELETE", "/fhir/Patient/a", "If-Match: \"", 400},
		{"POST", "/fhir/Patient/_search", "Content-Type: application/x-www-form-urlencoded; boundary=" + long, 200},
	} {
		body := ""
		if c.method == "PUT" {
			body = patient("a", "x")
		}
		a := f.do(c.method, c.path, body, c.header)
		if a.status != c.status && !(c.status == 400 && (a.status == 413 || a.status == 414)) {
			t.Errorf("%s %.100s %.50s: %d %.300s, want %d", c.method, c.path, c.header, a.status, a.body, c.status)
		}
		if !json.Valid([]byte(a.body)) || len(a.body) > 20_000 {
			t.Errorf("%s %.100s: %d bytes: %.300s", c.method, c.path, len(a.body), a.body)
		}
	}
}

// FuzzRequest asks for anything. Whatever comes, the answer is JSON, no error of our own, and soon there.
func FuzzRequest(f *testing.F) {
	for _, s := range [][4]string{
		{"GET", "/fhir/Patient?name=x&_count=1&_sort=-name", "Accept", "application/json;q=0.5"},
		{"GET", "/fhir/Patient/a/_history?_at=2024-01&_since=2024-01-01T00:00:00Z", "If-None-Match", `W/"1", *`},
		{"POST", "/fhir/Patient/_search?birthdate=ge2024", "Content-Type", "application/x-www-form-urlencoded"},
		{"PUT", "/fhir/Patient/a?_pretty=true&_format=application/fhir%2Bjson", "If-Match", `W/"1"`},
		{"DELETE", "/fhir/Observation/a?_cascade=delete", "Prefer", "return=OperationOutcome; handling=lenient"},
	} {
		f.Add(s[0], s[1], s[2], s[3], patient("a", "Ann"))
	}
	fix := open(f, nil)
	fix.put("a", "Ann").is(201)
	f.Fuzz(func(t *testing.T, method, target, name, value, body string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || method == "" || strings.ContainsAny(method, " \r\n") {
			t.Skip()
		}
		r := httptest.NewRequest("GET", "/", strings.NewReader(body))
		r.Method, r.URL, r.RequestURI = method, u, target
		r.Header.Set("Content-Type", "application/fhir+json")
		r.Header.Set(name, value)
		w := httptest.NewRecorder()
		fix.handler.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%s %q: %d %s", method, target, w.Code, w.Body)
		}
		raw := strings.HasPrefix(target, "/fhir/Binary/") || !strings.HasPrefix(w.Header().Get("Content-Type"), "application/")
		if b := w.Body.Bytes(); len(b) > 0 && !raw && w.Header().Get("Content-Encoding") == "" && !json.Valid(b) {
			t.Errorf("%s %q: no JSON: %s", method, target, b)
		}
	})
}
