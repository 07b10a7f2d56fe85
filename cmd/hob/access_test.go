package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hob-fhir/hob/auth"
	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/search"
)

// issuer is one of another make.
type issuer struct {
	testing.TB
	*httptest.Server
	key *ecdsa.PrivateKey
}

func newIssuer(t testing.TB) *issuer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{TB: t, key: key}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]string{"issuer": i.URL, "jwks_uri": i.URL + "/keys"})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1"}}})
	})
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) token(audience string, claims map[string]any) string {
	i.Helper()
	all := map[string]any{"iss": i.URL, "sub": "u1", "aud": audience, "exp": time.Now().Add(time.Hour).Unix(), "client_id": "app"}
	for k, v := range claims {
		all[k] = v
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: i.key, KeyID: "1"}}, nil)
	if err != nil {
		i.Fatal(err)
	}
	b, err := json.Marshal(all)
	if err != nil {
		i.Fatal(err)
	}
	jws, err := s.Sign(b)
	if err != nil {
		i.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		i.Fatal(err)
	}
	return token
}

// bearing sends a request with a token.
func bearing(t testing.TB, c *http.Client, method, url, body, token string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

// TestAccess serves to callers with tokens of an issuer of another make.
func TestAccess(t *testing.T) {
	i := newIssuer(t)
	const here = "https://ehr.example/fhir"
	s := serving(t, "badger::memory:", "--base="+here, "--auth="+file(t, "auth.yaml", `
issuers:
  - url: `+i.URL+`
    algorithms: [ES256]
    claims: {roles: groups}
policy:
  everything: [admin]
skew: 5s
`))
	ask := func(method, path, body, token string, want int, challenge string) string {
		t.Helper()
		res, answer := bearing(t, client, method, s.base+path, body, token)
		if res.StatusCode != want || !strings.Contains(res.Header.Get("WWW-Authenticate"), challenge) || challenge == "" && res.Header.Get("WWW-Authenticate") != "" {
			t.Errorf("%s %s: %d %q, want %d %q: %s", method, path, res.StatusCode, res.Header.Get("WWW-Authenticate"), want, challenge, answer)
		}
		if token != "" && strings.Contains(s.logged(), token) {
			t.Error("a token is in the log")
		}
		return answer
	}
	admin := i.token(here, map[string]any{"scope": "user/*.cruds", "groups": []string{"admin"}})
	for _, id := range []string{"ann", "bob"} {
		ask("PUT", "/Patient/"+id, `{"resourceType":"Patient","id":"`+id+`"}`, admin, 201, "")
	}
	ann := i.token(here, map[string]any{"scope": "patient/*.rs", "patient": "ann"})
	ask("GET", "/Patient/ann", "", ann, 200, "")
	ask("GET", "/Patient/bob", "", ann, 404, "")
	ask("PUT", "/Patient/ann", `{"resourceType":"Patient","id":"ann"}`, ann, 403, `error="insufficient_scope"`)
	ask("GET", "/Subscription", "", ann, 403, `error="insufficient_scope"`)
	ask("GET", "/Patient/ann", "", "", 401, `Bearer realm="fhir"`)
	ask("GET", "/Patient/ann", "", i.token("https://other.example", map[string]any{"scope": "patient/*.rs", "patient": "ann"}), 401, `error="invalid_token"`)
	if answer := ask("GET", "/Patient/ann", "", i.token(here, map[string]any{"exp": 1}), 401, `error="invalid_token"`); !strings.Contains(answer, `"expired"`) {
		t.Errorf("an expired token gives %s", answer)
	}
	ask("GET", "/Patient/ann", "", strings.Repeat("a", 20<<10), 401, `error="invalid_token"`)
	ask("GET", "/Patient/ann?access_token="+ann, "", "", 401, `error="invalid_request"`)
	ask("GET", "/Patient/ann", "", i.token(here, map[string]any{"scope": "openid"}), 403, `error="insufficient_scope"`)
	ask("GET", "/metadata", "", "", 200, "")
	if strings.Contains(s.logged(), ann) {
		t.Error("a token is in the log")
	}
	s.stop()
}

func TestAccessFile(t *testing.T) {
	for name, c := range map[string]struct{ text, say string }{
		"unknown key":      {"issuers:\n  - url: https://x.example\n    audience: [a]\n", "line 3: audience is no key"},
		"unknown rule":     {"issuers: [{url: https://x.example}]\npolicy:\n  all: [a]\n", "line 3: all is no key"},
		"no issuers":       {"skew: 5s\n", "names no issuers"},
		"nothing":          {"", "names no issuers"},
		"not YAML":         {"issuers: [", "line 1"},
		"bad issuer":       {"issuers: [{url: http://x.example}]\n", "not https"},
		"bad algorithm":    {"issuers: [{url: https://x.example, algorithms: [HS256]}]\n", "HS256 is not one of"},
		"bad path":         {"issuers: [{url: https://x.example}]\npolicy: {treats: [{type: Patient, names: doctor}]}\n", `"doctor" is no search parameter`},
		"bad duration":     {"issuers: [{url: https://x.example}]\nskew: soon\n", "soon"},
		"no secret":        {"issuers: [{url: https://x.example, introspection: {client: a, secret-file: /absent}}]\n", "/absent"},
		"several mistakes": {"a: 1\nb: 2\n", "line 1: a is no key; line 2: b is no key"},
	} {
		t.Run(name, func(t *testing.T) {
			r := hob(t, nil, nil, "serve", "--listen=127.0.0.1:0", "--store=badger::memory:", "--log-level=error", "--auth="+file(t, "auth.yaml", c.text))
			if r.code != 1 || !strings.Contains(r.err, c.say) || strings.Contains(r.err, "main.") || strings.Count(r.err, "\n") > 1 {
				t.Errorf("exit code %d, want 1 and one line with %q: %s", r.code, c.say, r.err)
			}
		})
	}
	page, err := os.ReadFile("../../docs/access.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(page), "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	f, err := readAccess(file(t, "auth.yaml", strings.Replace(example, "/run/secrets/introspection", file(t, "secret", "s\n"), 1)))
	if err != nil {
		t.Fatalf("the example of the page: %v", err)
	}
	issuers, err := f.issuers("https://ehr.example/fhir")
	if err != nil || len(issuers) != 1 || issuers[0].Introspection.Secret != "s" || issuers[0].Claims.Roles != "realm_access.roles" || len(f.Policy.Treats) != len(auth.Treats) || f.Policy.Treats[2] != auth.Treats[2] {
		t.Errorf("the example of the page is read as %+v, %+v, %v", issuers, f.Policy, err)
	}
}

// TestAudit sees that what was asked is kept over a restart, reads that came just before the end too.
func TestAudit(t *testing.T) {
	i := newIssuer(t)
	const here = "https://ehr.example/fhir"
	rules := file(t, "auth.yaml", "issuers:\n  - url: "+i.URL+"\n")
	store := "badger:" + t.TempDir()
	s := serving(t, store, "--base="+here, "--auth="+rules)
	admin := i.token(here, map[string]any{"scope": "system/*.cruds system/AuditEvent.rs"})
	if res, answer := bearing(t, client, "PUT", s.base+"/Patient/ann", `{"resourceType":"Patient","id":"ann"}`, admin); res.StatusCode != 201 {
		t.Fatal(answer)
	}
	for range 50 {
		bearing(t, client, "GET", s.base+"/Patient/ann", "", admin)
	}
	s.stop()
	s = serving(t, store, "--base="+here, "--auth="+rules)
	for query, want := range map[string]int{"subtype=update": 1, "subtype=read": 50, "entity=Patient/ann": 51, "action=R&outcome=0": 50} {
		_, answer := bearing(t, client, "GET", s.base+"/AuditEvent?_summary=count&"+query, "", admin)
		var b bundle
		if err := json.Unmarshal([]byte(answer), &b); err != nil || b.Total == nil || *b.Total != want {
			t.Errorf("%s: %s, want %d", query, answer, want)
		}
	}
	other := i.token(here, map[string]any{"scope": "system/*.cruds"})
	if res, _ := bearing(t, client, "GET", s.base+"/AuditEvent", "", other); res.StatusCode != 403 {
		t.Errorf("a scope of everything shows the audit: %d", res.StatusCode)
	}
	s.stop()
}

// TestRenew makes the Access of a kept grant anew, until the grant is revoked or its time is over.
func TestRenew(t *testing.T) {
	i := newIssuer(t)
	catalog, err := search.NewCatalog(r4.SearchParameters, search.Options{})
	if err != nil {
		t.Fatal(err)
	}
	policy, err := auth.NewPolicy(catalog, auth.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	var revoked bool
	now := time.Now()
	caller, anew, err := callers(policy, []auth.Issuer{{
		URL: i.URL, Audiences: []string{"here"}, Algorithms: []string{"ES256"},
		Revoked: func(context.Context, auth.Grant) (bool, error) { return revoked, nil },
	}}, auth.Options{Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/fhir/Patient", nil)
	r.Header.Set("Authorization", "Bearer "+i.token("here", map[string]any{"scope": "system/*.rs"}))
	who, err := caller(r)
	if err != nil {
		t.Fatal(err)
	}
	renew := func(grant any) error {
		_, err := anew.renew(t.Context(), grant)
		return err
	}
	if err := renew(who.Grant); err != nil {
		t.Errorf("a grant that stands: %v", err)
	}
	revoked = true
	if err := renew(who.Grant); err == nil || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("a grant that was revoked: %v", err)
	}
	revoked, now = false, now.Add(2*time.Hour)
	if err := renew(who.Grant); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("a grant whose time is over: %v", err)
	}
	if err := renew("a word"); err == nil {
		t.Error("a word is taken for a grant")
	}
}
