package server_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/backends"
	"github.com/hob-fhir/hob/storage/driver"
)

// catalog is made once: it never changes.
var catalog = sync.OnceValue(func() *search.Catalog {
	c, err := search.NewCatalog(r4.SearchParameters, search.Options{Zone: time.UTC})
	if err != nil {
		panic(err)
	}
	return c
})

// clock ticks a millisecond at each reading, so that no two things of a test happen at one time.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(time.Millisecond)
	return c.at
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// fixture is a server with an empty store.
type fixture struct {
	testing.TB
	handler http.Handler
	backend driver.Backend
	key     []byte // seals page links
	store   *storage.Store
	clock   *clock
	log     *buffer
}

// buffer is a log that many goroutines may write.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// as makes every caller one of this access.
func as(a storage.Access) func(*http.Request) (server.Caller, error) {
	return func(*http.Request) (server.Caller, error) { return server.Caller{Access: a}, nil }
}

// open makes a server; change may be nil.
func open(tb testing.TB, change func(*server.Config)) *fixture {
	return openOn(tb, backend(tb), change)
}

func openOn(tb testing.TB, b driver.Backend, change func(*server.Config)) *fixture {
	tb.Helper()
	f := &fixture{TB: tb, backend: b, key: bytes.Repeat([]byte{1}, 32), clock: &clock{at: time.Date(2026, 11, 21, 7, 55, 0, 0, time.UTC)}, log: &buffer{}}
	var err error
	f.store, err = storage.New(storage.Config{Backend: b, Index: catalog().Rows, Clock: f.clock.now})
	if err != nil {
		tb.Fatal(err)
	}
	c := server.Config{
		Store: f.store, Catalog: catalog(), Caller: server.Everyone, Version: "1.2.3", Clock: f.clock.now, Key: f.key,
		Log: slog.New(slog.NewTextHandler(f.log, nil)),
	}
	if change != nil {
		change(&c)
	}
	f.handler = server.New(c)
	return f
}

func backend(tb testing.TB) driver.Backend {
	tb.Helper()
	b, err := backends.Open("badger::memory:", backends.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := b.Close(); err != nil {
			tb.Error(err)
		}
	})
	return b
}

// answer is what came back.
type answer struct {
	testing.TB
	status int
	header http.Header
	body   string
	log    *buffer
}

// do sends a request; headers are written as "Name: value".
func (f *fixture) do(method, path, body string, headers ...string) *answer {
	f.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "hob.test"
	if body != "" {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if r.Header.Set(name, value); value == "" {
			r.Header.Del(name)
		}
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	a := &answer{f.TB, w.Code, w.Header(), w.Body.String(), f.log}
	if a.header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(strings.NewReader(a.body))
		if err != nil {
			f.Fatal(err)
		}
		b, err := io.ReadAll(z)
		if err != nil {
			f.Fatal(err)
		}
		a.body = string(b)
	}
	if method == http.MethodHead && a.body != "" {
		f.Errorf("HEAD %s was answered with a body", path)
	}
	return a
}

// is asserts the status.
func (a *answer) is(status int) *answer {
	a.Helper()
	if a.status != status {
		a.Fatalf("status %d, want %d: %s\n%s", a.status, status, a.body, a.log)
	}
	return a
}

// has asserts a header.
func (a *answer) has(name, value string) *answer {
	a.Helper()
	if got := a.header.Get(name); got != value {
		a.Errorf("%s is %q, want %q", name, got, value)
	}
	return a
}

// says asserts that the body holds a text.
func (a *answer) says(text string) *answer {
	a.Helper()
	if !strings.Contains(a.body, text) {
		a.Errorf("the body lacks %q: %s", text, a.body)
	}
	return a
}

// fails asserts an OperationOutcome with a status, an issue code and part of a sentence.
func (a *answer) fails(status int, code, text string) *answer {
	a.Helper()
	a.is(status)
	var o struct {
		ResourceType string
		Issue        []struct{ Severity, Code, Diagnostics string }
	}
	if err := json.Unmarshal([]byte(a.body), &o); err != nil {
		a.Fatalf("%v: %s", err, a.body)
	}
	if o.ResourceType != "OperationOutcome" || len(o.Issue) == 0 {
		a.Fatalf("no OperationOutcome: %s", a.body)
	}
	for _, is := range o.Issue {
		if is.Code == code && strings.Contains(is.Diagnostics, text) {
			return a
		}
	}
	a.Errorf("no issue %s that says %q: %s", code, text, a.body)
	return a
}

// set reads the body as a Bundle.
func (a *answer) set() page {
	a.Helper()
	var p page
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		a.Fatalf("%v: %s", err, a.body)
	}
	if p.ResourceType != "Bundle" {
		a.Fatalf("no Bundle: %s", a.body)
	}
	return p
}

// page is a Bundle.
type page struct {
	ResourceType, Type string
	Total              *int
	Link               []struct{ Relation, URL string }
	Entry              []struct {
		FullURL  string `json:"fullUrl"`
		Resource *struct {
			ResourceType, ID string

			Meta struct{ VersionID, LastUpdated string }
		}
		Search   struct{ Mode string }
		Request  *struct{ Method, URL string }
		Response *struct{ Status, Etag, LastModified string }
	}
}

// link returns the path and query of a link, "" if there is none.
func (p page) link(relation string) string {
	for _, l := range p.Link {
		if l.Relation == relation {
			return strings.TrimPrefix(l.URL, "http://hob.test")
		}
	}
	return ""
}

func (p page) ids() []string {
	var out []string
	for _, e := range p.Entry {
		out = append(out, e.Resource.ID)
	}
	return out
}

// versions names the entries of a history: POST Patient 201 1.
func (p page) versions() []string {
	var out []string
	for _, e := range p.Entry {
		out = append(out, e.Request.Method+" "+e.Request.URL+" "+e.Response.Status+" "+e.Response.Etag)
	}
	return out
}

func patient(id, family string) string {
	if id != "" {
		id = `"id":"` + id + `",`
	}
	return `{"resourceType":"Patient",` + id + `"name":[{"family":"` + family + `"}]}`
}

// put stores a Patient under an id.
func (f *fixture) put(id, family string) *answer {
	f.Helper()
	return f.do("PUT", "/fhir/Patient/"+id, patient(id, family))
}

var location = regexp.MustCompile(`^http://hob\.test/fhir/(\w+)/([A-Za-z0-9.-]+)/_history/(\d+)$`)

// created returns the id in a Location.
func (a *answer) created() string {
	a.Helper()
	m := location.FindStringSubmatch(a.is(201).header.Get("Location"))
	if m == nil {
		a.Fatalf("Location is %q", a.header.Get("Location"))
	}
	return m[2]
}

func background() context.Context { return context.Background() }
