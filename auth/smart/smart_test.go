package smart_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/net/html"

	"github.com/hob-fhir/hob/auth"
	"github.com/hob-fhir/hob/auth/smart"
	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/backends"
)

var catalog = sync.OnceValue(func() *search.Catalog {
	c, err := search.NewCatalog(r4.SearchParameters, search.Options{})
	if err != nil {
		panic(err)
	}
	return c
})

// fixture is an authorization server with the people and apps of a small clinic.
type fixture struct {
	testing.TB
	store  *storage.Store
	server *smart.Server
	base   string

	mu    sync.Mutex
	ahead time.Duration // of the server's clock
	log   bytes.Buffer
}

const (
	callback = "https://app.example/callback"
	secret   = "a-secret-of-the-confidential-app"
	password = "correct horse battery"
)

// open starts a server; change may be nil.
func open(tb testing.TB, change func(*smart.Config)) *fixture {
	tb.Helper()
	b, err := backends.Open("badger::memory:", backends.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { b.Close() })
	f := &fixture{TB: tb}
	if f.store, err = storage.New(storage.Config{Backend: b, Index: catalog().Rows}); err != nil {
		tb.Fatal(err)
	}
	f.put(`{"resourceType":"Patient","id":"ada","name":[{"family":"Lovelace","given":["Ada"]}],"birthDate":"1815-12-10","gender":"female","generalPractitioner":[{"reference":"Practitioner/grace"}]}`)
	f.put(`{"resourceType":"Patient","id":"bob","name":[{"family":"Babbage","given":["Bob"]}],"generalPractitioner":[{"reference":"Practitioner/grace"}]}`)
	f.put(`{"resourceType":"Patient","id":"eve","name":[{"family":"Else","given":["Eve"]}]}`)
	f.put(`{"resourceType":"Practitioner","id":"grace","name":[{"family":"Hopper"}]}`)
	f.put(`{"resourceType":"RelatedPerson","id":"annabella","patient":{"reference":"Patient/ada"}}`)
	f.put(`{"resourceType":"Encounter","id":"visit","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/ada"}}`)
	for _, u := range []smart.User{
		{Name: "ada", Display: "Ada Lovelace", FHIRUser: "Patient/ada"}, {Name: "grace", FHIRUser: "Practitioner/grace"},
		{Name: "annabella", FHIRUser: "RelatedPerson/annabella"},
	} {
		if err := smart.AddUser(tb.Context(), f.store, u, password, bcrypt.MinCost); err != nil {
			tb.Fatal(err)
		}
	}
	for _, c := range []smart.Client{
		{ID: "app", Name: "Growth chart", RedirectURIs: []string{callback, "https://app.example/other"}, Scope: smart.AppScope},
		{ID: "other", RedirectURIs: []string{callback}, Scope: smart.AppScope},
		{ID: "reader", RedirectURIs: []string{callback}, Scope: "launch/patient patient/*.rs"},
		{ID: "confidential", Secret: secret, RedirectURIs: []string{callback}, Scope: smart.AppScope},
		{ID: "ehr", Secret: secret, Scope: "system/*.rs hob/launch"},
		{ID: "mpi", Secret: secret, Scope: "system/Patient.cruds system/Observation.rs"},
		{ID: "resource-server", Secret: secret, Scope: "system/Binary.r", Introspects: true},
	} {
		if err := smart.SaveClient(tb.Context(), f.store, c); err != nil {
			tb.Fatal(err)
		}
	}

	var handler http.Handler
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	tb.Cleanup(web.Close)
	f.base = web.URL + "/fhir"
	base, err := url.Parse(f.base)
	if err != nil {
		tb.Fatal(err)
	}
	policy, err := auth.NewPolicy(catalog(), auth.Rules{})
	if err != nil {
		tb.Fatal(err)
	}
	config := smart.Config{
		Store: f.store, Catalog: catalog(), Base: base, Policy: policy, Cost: bcrypt.MinCost, Clock: f.now,
		Log: slog.New(slog.NewTextHandler(writing{f}, nil)),
	}
	if change != nil {
		change(&config)
	}
	if f.server, err = smart.New(tb.Context(), config); err != nil {
		tb.Fatal(err)
	}
	handler = f.server
	return f
}

type writing struct{ *fixture }

func (w writing) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(b)
}

func (f *fixture) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return time.Now().Add(f.ahead)
}

func (f *fixture) wait(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ahead += d
}

func (f *fixture) put(body string) {
	f.Helper()
	r, err := fhirmap.Parse([]byte(body), fhirmap.Limits{})
	if err != nil {
		f.Fatal(err)
	}
	d, err := f.store.Prepare(r.ID(), r)
	if err != nil {
		f.Fatal(err)
	}
	err = f.store.Update(context.Background(), storage.System, func(tx *storage.Tx) error {
		_, err := tx.Put(d, 0)
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
}

// browser is a person's browser: it keeps cookies, follows redirects within the server, and fills in forms.
type browser struct {
	*fixture
	http.Client
	at     *url.URL
	status int
	header http.Header
	body   string
}

func (f *fixture) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		f.Fatal(err)
	}
	b := &browser{fixture: f}
	b.Jar = jar
	b.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if !strings.HasPrefix(r.URL.String(), f.base) {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return b
}

func (b *browser) do(r *http.Request) *browser {
	b.Helper()
	res, err := b.Client.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.Fatal(err)
	}
	b.at, b.status, b.header, b.body = res.Request.URL, res.StatusCode, res.Header, string(body)
	return b
}

func (b *browser) open(url string) *browser {
	b.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		b.Fatal(err)
	}
	return b.do(r)
}

// form is the n-th form of the page, or, as -1, the one by which the user signs out, with the values it would send if no button were pressed.
func (b *browser) form(n int) (string, url.Values) {
	b.Helper()
	doc, err := html.Parse(strings.NewReader(b.body))
	if err != nil {
		b.Fatal(err)
	}
	action, values, at, next := "", url.Values{}, -2, 0
	var walk func(*html.Node)
	walk = func(e *html.Node) {
		attr := func(name string) (string, bool) {
			for _, a := range e.Attr {
				if a.Key == name {
					return a.Val, true
				}
			}
			return "", false
		}
		if e.Type == html.ElementNode && e.Data == "form" {
			at = next
			if class, _ := attr("class"); class == "who" {
				at = -1
			} else {
				next++
			}
			if at == n {
				action, _ = attr("action")
			}
		}
		if e.Type == html.ElementNode && e.Data == "input" && at == n {
			name, _ := attr("name")
			value, _ := attr("value")
			kind, _ := attr("type")
			if _, on := attr("checked"); kind != "checkbox" || on {
				values.Add(name, value)
			}
		}
		for c := e.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(doc)
	if action == "" {
		b.Fatalf("the page has no form %d: %d %s", n, b.status, b.body)
	}
	return action, values
}

// submit sends the n-th form of the page with some values set: "name", "value", ...; "-" as a name takes that scope away.
func (b *browser) submit(n int, set ...string) *browser {
	b.Helper()
	action, values := b.form(n)
	for i := 0; i < len(set); i += 2 {
		switch name, value := set[i], set[i+1]; name {
		case "scope":
			values.Add("scope", value)
		case "-":
			kept := values["scope"][:0]
			for _, v := range values["scope"] {
				if v != value {
					kept = append(kept, v)
				}
			}
			values["scope"] = kept
		default:
			values.Set(name, value)
		}
	}
	return b.post(action, values)
}

func (b *browser) post(path string, values url.Values) *browser {
	b.Helper()
	to := b.at.ResolveReference(&url.URL{Path: path})
	r, err := http.NewRequest(http.MethodPost, to.String(), strings.NewReader(values.Encode()))
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", b.at.Scheme+"://"+b.at.Host)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(r)
}

// sent is what the app is answered by the redirect.
func (b *browser) sent() url.Values {
	b.Helper()
	to, err := url.Parse(b.header.Get("Location"))
	if err != nil || b.status != http.StatusSeeOther {
		b.Fatalf("no redirect to the app: %d %s %s", b.status, b.header.Get("Location"), b.body)
	}
	return to.Query()
}

func (b *browser) signIn(name string) *browser {
	b.Helper()
	return b.submit(0, "name", name, "password", password)
}

const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// request is the URL of an authorization request; set changes its parameters, an empty value takes one away.
func (f *fixture) request(client, scope string, set ...string) string {
	q := url.Values{
		"response_type": {"code"}, "client_id": {client}, "redirect_uri": {callback}, "scope": {scope}, "state": {"some-state"},
		"aud": {f.base}, "code_challenge": {challenge()}, "code_challenge_method": {"S256"},
	}
	for i := 0; i < len(set); i += 2 {
		if q.Set(set[i], set[i+1]); set[i+1] == "" {
			q.Del(set[i])
		}
	}
	return f.base + "/auth/authorize?" + q.Encode()
}

// reply is an answer with JSON.
type reply struct {
	testing.TB
	status int
	header http.Header
	text   string
	body   map[string]any
}

// post sends a form as an app does; headers are written as "Name: value".
func (f *fixture) post(path string, values url.Values, headers ...string) reply {
	f.Helper()
	r, err := http.NewRequest(http.MethodPost, f.base+path, strings.NewReader(values.Encode()))
	if err != nil {
		f.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return f.send(r, headers...)
}

func (f *fixture) get(path string, headers ...string) reply {
	f.Helper()
	r, err := http.NewRequest(http.MethodGet, f.base+path, nil)
	if err != nil {
		f.Fatal(err)
	}
	return f.send(r, headers...)
}

func (f *fixture) send(r *http.Request, headers ...string) reply {
	f.Helper()
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		f.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		f.Fatal(err)
	}
	a := reply{TB: f.TB, status: res.StatusCode, header: res.Header, text: string(b)}
	_ = json.Unmarshal(b, &a.body)
	return a
}

func (a reply) want(status int) reply {
	a.Helper()
	if a.status != status {
		a.Fatalf("status %d, want %d: %s", a.status, status, a.text)
	}
	return a
}

func (a reply) str(name string) string {
	s, _ := a.body[name].(string)
	return s
}

// code goes through all pages and returns the code.
func (f *fixture) code(user, client, scope string, set ...string) string {
	f.Helper()
	b := f.browser().open(f.request(client, scope, set...)).signIn(user)
	code := b.submit(0, "decision", "allow").sent().Get("code")
	if code == "" {
		f.Fatalf("no code: %s", b.header.Get("Location"))
	}
	return code
}

func exchange(client, code string) url.Values {
	return url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "client_id": {client}, "code_verifier": {verifier},
	}
}

// tokens goes through all pages as a public app and gets the tokens.
func (f *fixture) tokens(user, client, scope string, set ...string) reply {
	f.Helper()
	return f.post("/auth/token", exchange(client, f.code(user, client, scope, set...))).want(http.StatusOK)
}

func basic(client, secret string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(client+":"+secret))
}

// claims of a JWT, unverified.
func (f *fixture) claims(token string) map[string]any {
	f.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		f.Fatalf("no JWT: %s", token)
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	var m map[string]any
	if err != nil || json.Unmarshal(b, &m) != nil {
		f.Fatalf("no JWT: %s", token)
	}
	return m
}
