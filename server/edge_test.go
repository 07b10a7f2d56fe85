package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage"
)

// sendTo asks a server, from an address and to a host.
func sendTo(h http.Handler, method, path, host, from string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Host, r.RemoteAddr = host, from
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestHost asks by names that are this server's and by others, as a page would whose name was pointed to this machine.
func TestHost(t *testing.T) {
	h := open(t, func(c *server.Config) { c.Hosts = []string{"localhost", "127.0.0.1", "::1", "ehr.example"} }).handler
	for host, want := range map[string]int{
		"localhost": 200, "LOCALHOST:8080": 200, "127.0.0.1:8080": 200, "[::1]:8080": 200, "[::1]": 200, "ehr.example": 200, "ehr.example:443": 200,
		"evil.example": 421, "evil.example:8080": 421, "127.0.0.1.evil.example": 421, "localhost.evil.example": 421, "": 421, "10.0.0.1:8080": 421,
	} {
		if got := sendTo(h, "GET", "/fhir/Patient", host, "127.0.0.1:1", nil); got.Code != want {
			t.Errorf("asked as %q the server answers %d, want %d: %s", host, got.Code, want, got.Body)
		}
	}
	if got := sendTo(h, "GET", "/readyz", "10.0.0.1:8080", "127.0.0.1:1", nil); got.Code != 200 {
		t.Errorf("a probe by address is answered %d", got.Code)
	}
}

// TestOrigins asks as pages of several origins do.
func TestOrigins(t *testing.T) {
	ask := func(h http.Handler, method, origin string) http.Header {
		header := http.Header{"Origin": {origin}}
		if method == "OPTIONS" {
			header["Access-Control-Request-Method"] = []string{"PUT"}
			header["Access-Control-Request-Headers"] = []string{"authorization,content-type,if-match"}
		}
		return sendTo(h, method, "/fhir/Patient/1", "localhost", "127.0.0.1:1", header).Header()
	}
	closed := open(t, nil).handler
	some := open(t, func(c *server.Config) { c.Origins = []string{"https://app.example", "http://127.0.0.1:*"} }).handler
	all := open(t, func(c *server.Config) { c.Origins = []string{"*"} }).handler
	for _, c := range []struct {
		name   string
		h      http.Handler
		origin string
		want   string // Access-Control-Allow-Origin
	}{
		{"none configured", closed, "https://app.example", ""},
		{"listed", some, "https://app.example", "https://app.example"},
		{"any port", some, "http://127.0.0.1:4711", "http://127.0.0.1:4711"},
		{"not listed", some, "https://app.example.evil", ""},
		{"other scheme", some, "http://app.example", ""},
		{"null", some, "null", ""},
		{"all", all, "https://any.example", "*"},
	} {
		for _, method := range []string{"GET", "OPTIONS"} {
			got := ask(c.h, method, c.origin)
			if got.Get("Access-Control-Allow-Origin") != c.want {
				t.Errorf("%s: %s from %s is allowed to %q, want %q", c.name, method, c.origin, got.Get("Access-Control-Allow-Origin"), c.want)
			}
			if got.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s: %s allows credentials", c.name, method)
			}
			if c.want != "" && method == "OPTIONS" && got.Get("Access-Control-Allow-Methods") != "PUT" {
				t.Errorf("%s: a preflight allows %q", c.name, got["Access-Control-Allow-Methods"])
			}
			if c.want != "" && method == "GET" && !strings.Contains(got.Get("Access-Control-Expose-Headers"), "Location") {
				t.Errorf("%s: %q are exposed", c.name, got.Get("Access-Control-Expose-Headers"))
			}
		}
	}
}

// TestThrottle holds callers to a rate, each by himself, and who lets nobody be known by his address.
func TestThrottle(t *testing.T) {
	now := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	h := open(t, func(c *server.Config) {
		c.Limits.Rate, c.Limits.Burst = 0.5, 3
		c.Clock = func() time.Time { return now }
		c.Proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		c.Caller = func(r *http.Request) (server.Caller, error) {
			who := r.Header.Get("Authorization")
			if who == "bad" {
				return server.Caller{}, fhirmap.Errorf(fhirmap.CodeLogin, "", "no")
			}
			return server.Caller{Access: storage.System, Subject: who}, nil
		}
	}).handler
	ask := func(who, from, forwarded string) *httptest.ResponseRecorder {
		header := http.Header{"X-Forwarded-For": {forwarded}}
		if who != "" {
			header["Authorization"] = []string{who}
		}
		return sendTo(h, "GET", "/fhir/Patient", "localhost", from, header)
	}
	expect := func(what string, want int, w *httptest.ResponseRecorder) {
		t.Helper()
		if w.Code != want {
			t.Fatalf("%s: %d, want %d: %s", what, w.Code, want, w.Body)
		}
	}
	for range 3 {
		expect("a within his burst", 200, ask("a", "192.0.2.1:1", ""))
	}
	w := ask("a", "192.0.2.2:1", "")
	expect("a beyond it, from elsewhere", 429, w)
	if w.Header().Get("Retry-After") != "3" && w.Header().Get("Retry-After") != "2" || !strings.Contains(w.Body.String(), `"throttled"`) {
		t.Errorf("refused with Retry-After %q: %s", w.Header().Get("Retry-After"), w.Body)
	}
	expect("b, from there too", 200, ask("b", "192.0.2.1:1", ""))
	now = now.Add(2 * time.Second)
	expect("a after two seconds", 200, ask("a", "192.0.2.1:1", ""))
	expect("a once more", 429, ask("a", "192.0.2.1:1", ""))

	for range 3 {
		expect("a bad token", 401, ask("bad", "192.0.2.9:1", ""))
	}
	expect("bad tokens from one address", 429, ask("bad", "192.0.2.9:2", ""))
	expect("a good one from there", 200, ask("c", "192.0.2.9:3", ""))
	expect("a bad one from another", 401, ask("bad", "192.0.2.10:1", ""))

	for i := range 3 {
		expect("nobody, of one network", 200, ask("", fmt.Sprintf("[2001:db8::%d]:1", i), ""))
	}
	expect("nobody, of one network, again", 429, ask("", "[2001:db8::ffff]:1", ""))
	expect("nobody, of the next network", 200, ask("", "[2001:db8:0:1::1]:1", ""))
	for range 3 {
		expect("nobody behind a proxy", 200, ask("", "10.0.0.1:1", "192.0.2.50, 192.0.2.51"))
	}
	expect("nobody behind a proxy, again", 429, ask("", "10.0.0.2:1", "192.0.2.51"))
	expect("what no proxy wrote is not believed", 200, ask("", "192.0.2.60:1", "192.0.2.51"))
}
