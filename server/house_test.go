package server_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

func TestPaths(t *testing.T) {
	f := open(t, nil)
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/", 404, ""},
		{"GET", "/fhir/Patient/1/2/3/4", 404, ""},
		{"GET", "/fhir/Patient/a%2Fb/_history/1/2", 404, ""},
		{"GET", "/other", 404, ""},
		{"POST", "/fhir/Patient/1", 405, "DELETE GET HEAD PATCH PUT"},
		{"TRACE", "/fhir/Patient/1", 405, "DELETE GET HEAD PATCH PUT"},
		{"BREW", "/fhir/Patient", 405, "DELETE GET HEAD PATCH POST PUT"},
	} {
		a := f.do(c.method, c.path, "")
		allow := strings.Split(a.header.Get("Allow"), ", ")
		if slices.Sort(allow); strings.Join(allow, " ") != c.allow {
			t.Errorf("%s %s: Allow is %v, want %s", c.method, c.path, allow, c.allow)
		}
		code := map[int]string{404: "not-found", 405: "not-supported"}[c.status]
		a.fails(c.status, code, "").has("Content-Type", "application/fhir+json; charset=utf-8")
	}
}

func TestGzip(t *testing.T) {
	f := open(t, nil)
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	io.WriteString(w, patient("", strings.Repeat("Smith", 1000)))
	w.Close()
	id := f.do("POST", "/fhir/Patient", z.String(), "Content-Encoding: gzip").created()
	a := f.do("GET", "/fhir/Patient/"+id, "", "Accept-Encoding: gzip").is(200).has("Content-Encoding", "gzip").has("ETag", `W/"1"`).says("SmithSmith")
	if !strings.Contains(a.header.Get("Vary"), "Accept-Encoding") {
		t.Errorf("Vary is %q", a.header.Get("Vary"))
	}
	f.do("GET", "/fhir/Patient/"+id, "").is(200).has("Content-Encoding", "").says("SmithSmith")
	f.do("GET", "/fhir/Patient/none", "", "Accept-Encoding: gzip").is(404).has("Content-Encoding", "") // too small to be worth it

	f = open(t, func(c *server.Config) { c.Limits.Body = 1000 })
	f.do("POST", "/fhir/Patient", z.String(), "Content-Encoding: gzip").fails(413, "too-long", "1000 bytes")
	f.do("POST", "/fhir/Patient", patient("", strings.Repeat("x", 1000))).fails(413, "too-long", "1000 bytes")
	r := httptest.NewRequest("POST", "/fhir/Patient", io.MultiReader(strings.NewReader(patient("", strings.Repeat("x", 1000))))) // of unknown length
	r.Header.Set("Content-Type", "application/fhir+json")
	rec := httptest.NewRecorder()
	f.handler.ServeHTTP(rec, r)
	if rec.Code != 413 {
		t.Errorf("a long body of unknown length: %d", rec.Code)
	}
}

func TestLimits(t *testing.T) {
	f := open(t, func(c *server.Config) { c.Limits.URL, c.Limits.Depth = 200, 20 })
	f.do("GET", "/fhir/Patient?name="+strings.Repeat("x", 300), "").fails(414, "too-long", "200 bytes")
	deep := strings.Repeat(`{"extension":[`, 30) + strings.Repeat(`]}`, 30)
	a := f.do("POST", "/fhir/Patient", `{"resourceType":"Patient","contact":[`+deep+`]}`)
	if a.status != 400 && a.status != 413 {
		t.Errorf("a deep body: %d %s", a.status, a.body)
	}
}

// TestSlowBody has a client that promises a body and never sends it.
func TestSlowBody(t *testing.T) {
	f := open(t, func(c *server.Config) { c.Limits.Deadline = 50 * time.Millisecond })
	s := httptest.NewServer(f.handler)
	defer s.Close()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "POST /fhir/Patient HTTP/1.1\r\nHost: hob.test\r\nContent-Type: application/fhir+json\r\nContent-Length: 100\r\n\r\n{")
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 408 || !strings.Contains(string(body), "too slowly") {
		t.Errorf("%d %s (%v)", res.StatusCode, body, err)
	}
}

func TestRequestID(t *testing.T) {
	f := open(t, nil)
	f.do("GET", "/livez", "", "X-Request-Id: abc-123_x.y").is(200).has("X-Request-Id", "abc-123_x.y")
	seen := map[string]bool{}
	for _, bad := range []string{"", "a b", strings.Repeat("x", 65), "a\nb", `"`, "é"} {
		id := f.do("GET", "/livez", "", "X-Request-Id: "+bad).header.Get("X-Request-Id")
		if len(id) != 16 || seen[id] {
			t.Errorf("for %q the id is %q", bad, id)
		}
		seen[id] = true
	}
}

func TestLog(t *testing.T) {
	f := open(t, nil)
	f.put("a", "Secretname").is(201)
	f.do("GET", "/fhir/Patient?name=secretname&%3Cscript%3E=1", "", "X-Request-Id: req-1", "Authorization: Bearer secrettoken")
	f.do("GET", "/fhir/Patient/a", "", "X-Request-Id: req-2")
	f.do("SECRET", "/fhir/secretpath", "")
	log := f.log.String()
	for _, want := range []string{
		"method=PUT route=/fhir/:type/:id status=201",
		`id=req-1 method=GET route=/fhir/:type status=400`, `parameters="name ?"`,
		"id=req-2 method=GET route=/fhir/:type/:id status=200",
		"method=other route=none status=405",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	for _, word := range []string{"secret", "Secret", "Patient/a", "script"} {
		if strings.Contains(log, word) {
			t.Errorf("the log tells %q:\n%s", word, log)
		}
	}
	if n := strings.Count(log, "\n"); n != 4 {
		t.Errorf("%d lines for 4 requests", n)
	}
}

func TestMetrics(t *testing.T) {
	f := open(t, nil)
	f.put("a", "x").is(201)
	f.do("GET", "/fhir/Patient/a", "").is(200)
	f.do("GET", "/fhir/Patient/b", "").is(404)
	f.do("GET", "/nowhere", "").is(404)
	f.do("GET", "/metrics", "").is(200).
		says(`hob_http_requests_total{method="GET",route="/fhir/:type/:id",status="2xx"} 1`).
		says(`hob_http_requests_total{method="GET",route="/fhir/:type/:id",status="4xx"} 1`).
		says(`hob_http_requests_total{method="GET",route="none",status="4xx"} 1`).
		says(`hob_http_request_duration_seconds_count{method="PUT",route="/fhir/:type/:id"} 1`).
		says("hob_http_requests_in_flight 1").
		says(`version="1.2.3"`)
}

func TestHealth(t *testing.T) {
	done := make(chan struct{})
	b := &faulty{Backend: backend(t)}
	f := openOn(t, b, func(c *server.Config) { c.Done = done })
	f.do("GET", "/livez", "").is(200)
	f.do("GET", "/readyz", "").is(200)
	b.err = driver.ErrUnavailable
	f.do("GET", "/readyz", "").is(503).says("cannot be read")
	f.do("GET", "/livez", "").is(200)
	b.err = nil
	close(done)
	f.do("GET", "/readyz", "").is(503).says("shutting down")
}

// faulty is a backend whose transactions fail with err, or panic.
type faulty struct {
	driver.Backend
	err   error
	panic any
}

func (b *faulty) View(ctx context.Context, fn func(driver.Reader) error) error {
	if b.panic != nil {
		panic(b.panic)
	}
	if b.err != nil {
		return b.err
	}
	return b.Backend.View(ctx, fn)
}

func TestErrors(t *testing.T) {
	b := &faulty{Backend: backend(t)}
	f := openOn(t, b, nil)
	for _, c := range []struct {
		err          error
		status       int
		code, saying string
		retry        string
	}{
		{driver.ErrFull, 507, "no-store", "full", ""},
		{driver.ErrUnavailable, 503, "transient", "try again", "1"},
		{driver.ErrTooLarge, 413, "too-long", "too large", ""},
		{driver.ErrTooCostly, 422, "too-costly", "costly", ""},
		{driver.ErrTaken, 409, "duplicate", "unique", ""},
		{driver.ErrExpired, 410, "deleted", "begin again", ""},
		{storage.ErrForbidden, 403, "forbidden", "forbidden", ""},
		{context.DeadlineExceeded, 504, "timeout", "longer than the server allows", ""},
		{fhirmap.Errorf(fhirmap.CodeThrottled, "", "too many"), 429, "throttled", "too many", "1"},
		{fhirmap.Errorf(fhirmap.CodeMultiple, "", "two"), 412, "multiple-matches", "two", ""},
		{errors.New("a secret thing broke"), 500, "exception", "X-Request-Id", ""},
	} {
		b.err = fmt.Errorf("Patient/a: %w", c.err)
		a := f.do("GET", "/fhir/Patient/a", "").has("Retry-After", c.retry).fails(c.status, c.code, c.saying)
		if strings.Contains(a.body, "secret") {
			t.Errorf("an answer tells an inner error: %s", a.body)
		}
	}
	if !strings.Contains(f.log.String(), "a secret thing broke") {
		t.Error("the log does not tell an inner error")
	}
	b.err, b.panic = nil, errors.New("secret value")
	f.do("GET", "/fhir/Patient/a", "", "X-Request-Id: req-9").fails(500, "exception", "req-9")
	if log := f.log.String(); !strings.Contains(log, "msg=panic id=req-9") || !strings.Contains(log, "server_test.go") || strings.Contains(log, "secret value") {
		t.Errorf("the log of a panic: %s", log)
	}
	b.panic = nil
	f.do("GET", "/fhir/Patient/a", "").is(404)
	b.Backend = nil
	f.do("GET", "/fhir/Patient/a", "").fails(500, "exception", "")
	if log := f.log.String(); !strings.Contains(log, "nil pointer dereference") {
		t.Errorf("the log of a run time panic: %s", log)
	}
}

func TestDeadline(t *testing.T) {
	f := open(t, func(c *server.Config) { c.Limits.Deadline = 1 }) // a nanosecond
	f.put("a", "x").fails(504, "timeout", "nothing was changed")
	if err := f.store.View(background(), storage.System, func(tx *storage.Tx) error {
		_, err := tx.Head(driver.Key{Type: "Patient", ID: "a"})
		return err
	}); !errors.Is(err, driver.ErrNotFound) {
		t.Errorf("a request beyond its deadline was committed (%v)", err)
	}
}

func TestAccess(t *testing.T) {
	f := open(t, func(c *server.Config) { c.Caller = nil })
	f.do("GET", "/fhir/Patient/a", "").fails(401, "login", "lets nobody in").has("WWW-Authenticate", "Bearer")
	f.do("POST", "/fhir/Patient", patient("", "a")).fails(401, "login", "")
	f.do("GET", "/metrics", "").fails(401, "login", "") // from another machine
	f.do("GET", "/fhir/metadata", "").is(200)           // the statement says how to log in, so it must be open

	f = open(t, func(c *server.Config) {
		c.Caller = as(func(action storage.Action, typ string) (driver.Query, error) {
			if typ != "Patient" || action == storage.Delete {
				return nil, fmt.Errorf("%s of %s: %w", action, typ, storage.ErrForbidden)
			}
			return driver.Not{Of: driver.IDs{"hidden"}}, nil
		})
	})
	f.put("a", "Ann").is(201)
	f.do("GET", "/fhir/Patient/a", "").is(200)
	f.put("hidden", "Eve").fails(403, "forbidden", "")
	f.do("DELETE", "/fhir/Patient/a", "").fails(403, "forbidden", "delete of Patient")
	f.do("GET", "/fhir/Observation", "").fails(403, "forbidden", "search of Observation")
	f.do("GET", "/fhir/Observation/1", "").fails(403, "forbidden", "")
	if err := f.store.Update(background(), storage.System, func(tx *storage.Tx) error {
		r, err := fhirmap.Parse([]byte(patient("hidden", "Eve")), fhirmap.Limits{})
		if err != nil {
			return err
		}
		d, err := f.store.Prepare("hidden", r)
		if err != nil {
			return err
		}
		_, err = tx.Put(d, 0)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	f.do("GET", "/fhir/Patient/hidden", "").fails(404, "not-found", "")
	f.put("hidden", "Eve").is(404)
	if p := f.do("GET", "/fhir/Patient", "").is(200).set(); len(p.Entry) != 1 || *p.Total != 1 {
		t.Errorf("a narrowed search gives %+v", p)
	}
	if p := f.do("GET", "/fhir/Patient/_history", "").is(200).set(); len(p.Entry) != 1 {
		t.Errorf("a narrowed history gives %+v", p)
	}
}

func TestOrigin(t *testing.T) {
	request := func(f *fixture, change func(*http.Request)) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/fhir/Patient", strings.NewReader(patient("", "x")))
		r.Header.Set("Content-Type", "application/fhir+json")
		r.Host, r.RemoteAddr = "inner:8080", "10.0.0.7:1234"
		change(r)
		w := httptest.NewRecorder()
		f.handler.ServeHTTP(w, r)
		return w
	}
	proxied := func(r *http.Request) {
		r.Header.Set("X-Forwarded-Proto", "https")
		r.Header.Set("X-Forwarded-Host", "forged.example, ehr.example")
	}
	plain := func(*http.Request) {}
	behind := func(c *server.Config) { c.Proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} }
	for _, c := range []struct {
		name   string
		config func(*server.Config)
		change func(*http.Request)
		want   string
	}{
		{"the host of the request", nil, plain, "http://inner:8080/fhir/"},
		{"TLS", nil, func(r *http.Request) { r.TLS = &tls.ConnectionState{} }, "https://inner:8080/fhir/"},
		{"a proxy that is not trusted", nil, proxied, "http://inner:8080/fhir/"},
		{"a trusted proxy", behind, proxied, "https://ehr.example/fhir/"},
		{"somebody else", behind, func(r *http.Request) { proxied(r); r.RemoteAddr = "192.0.2.1:9" }, "http://inner:8080/fhir/"},
		{"configured", func(c *server.Config) { c.Base = &url.URL{Scheme: "https", Host: "x.example", Path: "/fhir/"} }, proxied, "https://x.example/fhir/"},
	} {
		if got := request(open(t, c.config), c.change).Header().Get("Location"); !strings.HasPrefix(got, c.want+"Patient/") {
			t.Errorf("%s: Location %q, want %s", c.name, got, c.want)
		}
	}
	if w := request(open(t, nil), func(r *http.Request) { r.Host = `a"b` }); w.Code != 400 {
		t.Errorf("a host that is none: %d", w.Code)
	}
}

func TestOperations(t *testing.T) {
	echo := func(_ *storage.Tx, r *server.Request) (*server.Response, error) {
		return &server.Response{Status: 200, Body: []byte(`"` + r.Method + " " + r.Type + "/" + r.ID + `"`)}, nil
	}
	f := open(t, func(c *server.Config) {
		c.Operations = []server.Operation{
			{Name: "echo", On: server.System | server.Type | server.Instance, Types: []string{"Patient"}, Do: echo},
			{Name: "echo", On: server.Instance, Types: []string{"Observation"}, Do: echo},
			{Name: "touch", On: server.Type, Prepare: func(*storage.Tx, *server.Request) (server.Plan, error) { return server.Plan{Confirm: echo}, nil }},
		}
	})
	f.do("GET", "/fhir/$echo", "").is(200).says("GET /")
	f.do("GET", "/fhir/Patient/$echo", "").is(200).says("GET Patient/")
	f.do("POST", "/fhir/Patient/1/$echo", "").is(200).says("POST Patient/1")
	f.do("GET", "/fhir/Observation/1/$echo", "").is(200).says("GET Observation/1")
	f.do("GET", "/fhir/Observation/$echo", "").fails(404, "not-supported", "Observation has no $echo")
	f.do("POST", "/fhir/Observation/$touch", "").is(200).says("POST Observation/")
	f.do("GET", "/fhir/Patient/1/$nothing", "").fails(404, "not-found", "")
	f.do("GET", "/fhir/Patient/$nothing", "").fails(404, "not-supported", "$nothing is no operation")
	f.do("GET", "/fhir/$nothing", "").fails(404, "not-supported", "$nothing is no operation")
	f.do("GET", "/fhir/metadata", "").is(200).says(`"operation":[{"name":"echo"`)
}
