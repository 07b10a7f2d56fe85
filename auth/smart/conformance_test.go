package smart_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hob-fhir/hob/auth/smart"
)

// list is a list of words in JSON.
func (a reply) list(name string) (words []string) {
	items, _ := a.body[name].([]any)
	for _, i := range items {
		w, _ := i.(string)
		words = append(words, w)
	}
	return words
}

// TestDiscovery looks at both documents as SMART's test kits do.
func TestDiscovery(t *testing.T) {
	f := open(t, nil)
	for _, path := range []string{"/.well-known/smart-configuration", "/.well-known/openid-configuration"} {
		a := f.get(path, "Origin: https://kit.example").want(http.StatusOK)
		if a.header.Get("Content-Type") != "application/json" || a.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: headers %v", path, a.header)
		}
		if a.str("issuer") != f.base {
			t.Errorf("%s: issuer %s, want %s", path, a.str("issuer"), f.base)
		}
		for _, name := range []string{"authorization_endpoint", "token_endpoint", "introspection_endpoint", "revocation_endpoint", "userinfo_endpoint", "jwks_uri"} {
			if !strings.HasPrefix(a.str(name), f.base+"/auth/") {
				t.Errorf("%s: %s is %q", path, name, a.str(name))
			}
		}
		if got := a.list("code_challenge_methods_supported"); !slices.Equal(got, []string{"S256"}) {
			t.Errorf("%s: PKCE by %v", path, got)
		}
		for name, want := range map[string][]string{
			"grant_types_supported":                            {"authorization_code", "refresh_token", "client_credentials"},
			"response_types_supported":                         {"code"},
			"scopes_supported":                                 {"openid", "fhirUser", "launch", "launch/patient", "offline_access", "patient/*.rs", "patient/*.read"},
			"token_endpoint_auth_methods_supported":            {"client_secret_basic", "client_secret_post", "private_key_jwt"},
			"token_endpoint_auth_signing_alg_values_supported": {"RS384", "ES384"},
		} {
			for _, w := range want {
				if !slices.Contains(a.list(name), w) {
					t.Errorf("%s: %s lacks %s: %v", path, name, w, a.list(name))
				}
			}
		}
	}
	capabilities := f.get("/.well-known/smart-configuration").list("capabilities")
	for _, c := range []string{ // of the g10 lists, standalone and EHR
		"launch-standalone", "client-public", "client-confidential-symmetric", "client-confidential-asymmetric", "sso-openid-connect",
		"context-standalone-patient", "permission-offline", "permission-patient", "authorize-post", "permission-v2", "permission-v1",
		"launch-ehr", "context-banner", "context-style", "context-ehr-patient", "context-ehr-encounter", "permission-user",
	} {
		if !slices.Contains(capabilities, c) {
			t.Errorf("the capability %s is missing", c)
		}
	}
	o := f.get("/.well-known/openid-configuration")
	if !slices.Contains(o.list("id_token_signing_alg_values_supported"), "RS256") || !slices.Contains(o.list("subject_types_supported"), "public") {
		t.Errorf("openid-configuration: %s", o.text)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(f.get("/auth/jwks", "Origin: https://kit.example").want(http.StatusOK).text), &set); err != nil || len(set.Keys) != 1 || !set.Keys[0].IsPublic() {
		t.Errorf("JWKS: %v %v", set, err)
	}
}

// TestTokenErrors are the refusals of the token endpoint with the statuses that the kits want.
func TestTokenErrors(t *testing.T) {
	f := open(t, nil)
	good := func() url.Values { return exchange("app", f.code("ada", "app", "patient/*.rs")) }
	set := func(name, value string) func() url.Values {
		return func() url.Values {
			q := good()
			if q.Set(name, value); value == "" {
				q.Del(name)
			}
			return q
		}
	}
	only := func(pairs ...string) func() url.Values {
		q := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			q.Set(pairs[i], pairs[i+1])
		}
		return func() url.Values { return q }
	}
	for _, c := range []struct {
		name    string
		form    func() url.Values
		headers []string
		status  int
		code    string
	}{
		{"bad code", set("code", "wrong"), nil, 400, "invalid_grant"},
		{"no code", set("code", ""), nil, 400, "invalid_request"},
		{"unknown client", set("client_id", "nobody"), nil, 401, "invalid_client"},
		{"no client", set("client_id", ""), nil, 400, "invalid_request"},
		{"another client", set("client_id", "other"), nil, 400, "invalid_grant"},
		{"secret of a public client", set("client_secret", secret), nil, 401, "invalid_client"},
		{"wrong verifier", set("code_verifier", strings.Repeat("x", 43)), nil, 400, "invalid_grant"},
		{"no verifier", set("code_verifier", ""), nil, 400, "invalid_grant"},
		{"challenge as verifier", set("code_verifier", challenge()), nil, 400, "invalid_grant"},
		{"another redirect", set("redirect_uri", "https://app.example/other"), nil, 400, "invalid_grant"},
		{"no redirect", set("redirect_uri", ""), nil, 400, "invalid_request"},
		{"unknown grant type", set("grant_type", "password"), nil, 400, "unsupported_grant_type"},
		{"no grant type", set("grant_type", ""), nil, 400, "invalid_request"},
		{"bad refresh token", only("grant_type", "refresh_token", "refresh_token", "a.b", "client_id", "app"), nil, 400, "invalid_grant"},
		{"bad refresh token, no client", only("grant_type", "refresh_token", "refresh_token", "a.b"), nil, 400, "invalid_grant"},
		{"service without authentication", only("grant_type", "client_credentials", "client_id", "app"), nil, 400, "unauthorized_client"},
		{"wrong secret", only("grant_type", "client_credentials", "scope", "system/Patient.r"), []string{basic("mpi", secret+"x")}, 401, "invalid_client"},
		{"wrong secret in the body", only("grant_type", "client_credentials", "client_id", "mpi", "client_secret", "x"), nil, 401, "invalid_client"},
		{"secret twice", only("grant_type", "client_credentials", "client_id", "mpi", "client_secret", secret), []string{basic("mpi", secret)}, 400, "invalid_request"},
		{"scope beyond", only("grant_type", "client_credentials", "scope", "system/Encounter.rs"), []string{basic("mpi", secret)}, 400, "invalid_scope"},
		{"scope of users", only("grant_type", "client_credentials", "scope", "patient/*.rs"), []string{basic("mpi", secret)}, 400, "invalid_scope"},
		{"wrong assertion type", only("grant_type", "client_credentials", "client_assertion_type", "urn:x", "client_assertion", "a.b.c"), nil, 400, "invalid_request"},
		{"no JWT", only("grant_type", "client_credentials", "client_assertion_type", assertionType, "client_assertion", "a.b.c"), nil, 401, "invalid_client"},
		{"huge assertion", only("grant_type", "client_credentials", "client_assertion_type", assertionType, "client_assertion", strings.Repeat("a", 40<<10)), nil, 401, "invalid_client"},
		{"huge body", only("grant_type", strings.Repeat("a", 100<<10)), nil, 400, "invalid_request"},
		{"no form", good, []string{"Content-Type: application/json"}, 400, "invalid_request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := f.post("/auth/token", c.form(), c.headers...)
			if a.status != c.status || a.str("error") != c.code {
				t.Errorf("answer %d %s, want %d %s", a.status, a.text, c.status, c.code)
			}
			if a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("the answer may be cached: %v", a.header)
			}
			if (a.status == 401) != (a.header.Get("WWW-Authenticate") != "") {
				t.Errorf("WWW-Authenticate: %q with %d", a.header.Get("WWW-Authenticate"), a.status)
			}
		})
	}
	t.Run("parameters in the URL", func(t *testing.T) {
		if a := f.post("/auth/token?"+good().Encode(), url.Values{}); a.status != 400 || a.str("error") != "invalid_request" {
			t.Errorf("answer %d %s", a.status, a.text)
		}
	})
	t.Run("parameter twice", func(t *testing.T) {
		q := good()
		q.Add("code", "other")
		if a := f.post("/auth/token", q); a.status != 400 || a.str("error") != "invalid_request" {
			t.Errorf("answer %d %s", a.status, a.text)
		}
	})
	t.Run("GET", func(t *testing.T) { f.get("/auth/token").want(http.StatusMethodNotAllowed) })
	if strings.Contains(f.log.String(), secret) {
		t.Error("a secret is in the log")
	}
}

// TestServices gets tokens without a user.
func TestServices(t *testing.T) {
	f := open(t, nil)
	for _, c := range []struct{ name, scope, granted string }{
		{"in part", "system/Patient.rs system/Encounter.rs", "system/Patient.rs"},
		{"star", "*", "system/Patient.cruds system/Observation.rs"},
		{"nothing said", "", "system/Patient.cruds system/Observation.rs"},
		{"narrowed", "system/*.rs", "system/Patient.rs system/Observation.rs"},
		{"v1", "system/Observation.read", "system/Observation.read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := url.Values{"grant_type": {"client_credentials"}, "client_id": {"mpi"}, "client_secret": {secret}}
			if c.scope != "" {
				q.Set("scope", c.scope)
			}
			a := f.post("/auth/token", q).want(http.StatusOK)
			if a.str("scope") != c.granted || a.body["expires_in"] != 300.0 || a.str("token_type") != "Bearer" || a.body["refresh_token"] != nil || a.body["id_token"] != nil {
				t.Errorf("token response %s, want the scope %s", a.text, c.granted)
			}
			if claims := f.claims(a.str("access_token")); claims["sub"] != "mpi" || claims["client_id"] != "mpi" {
				t.Errorf("claims %v", claims)
			}
		})
	}
}

// TestIntrospection tells those who may know.
func TestIntrospection(t *testing.T) {
	f := open(t, nil)
	q := exchange("confidential", f.code("ada", "confidential", "launch/patient openid fhirUser offline_access patient/*.rs"))
	q.Del("client_id")
	a := f.post("/auth/token", q, basic("confidential", secret)).want(http.StatusOK)
	id := f.claims(a.str("id_token"))
	if r := f.post("/auth/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.str("refresh_token")}}); r.status != http.StatusUnauthorized {
		t.Errorf("a refresh of a confidential client that does not authenticate: %d %s", r.status, r.text)
	}
	ask := func(token string, headers ...string) reply {
		return f.post("/auth/introspect", url.Values{"token": {token}}, headers...)
	}
	for _, who := range []string{"confidential", "resource-server"} {
		for _, token := range []string{"access_token", "refresh_token"} {
			r := ask(a.str(token), basic(who, secret)).want(http.StatusOK)
			if r.body["active"] != true || r.str("client_id") != "confidential" || r.str("scope") != a.str("scope") || r.str("patient") != "ada" ||
				r.str("iss") != id["iss"] || r.str("sub") != id["sub"] || r.str("fhirUser") != f.base+"/Patient/ada" {
				t.Errorf("%s asks about the %s: %s", who, token, r.text)
			}
			if exp, ok := r.body["exp"].(float64); !ok || exp < float64(time.Now().Unix()) {
				t.Errorf("exp %v", r.body["exp"])
			}
		}
	}
	for _, c := range []struct{ name, token, as string }{
		{"nonsense", "nonsense", "confidential"}, {"two parts", "a.b", "confidential"}, {"ID token", a.str("id_token"), "confidential"},
		{"of another", a.str("access_token"), "mpi"}, {"refresh of another", a.str("refresh_token"), "mpi"}, {"tampered", a.str("access_token") + "x", "confidential"},
	} {
		if r := ask(c.token, basic(c.as, secret)).want(http.StatusOK); r.text != `{"active":false}` && r.text != "{\"active\":false}\n" {
			t.Errorf("%s: %s", c.name, r.text)
		}
	}
	ask(a.str("access_token")).want(http.StatusBadRequest)
	ask(a.str("access_token"), basic("confidential", "wrong")).want(http.StatusUnauthorized)
	if r := f.post("/auth/introspect", url.Values{"token": {a.str("access_token")}, "client_id": {"app"}}); r.str("error") != "invalid_client" {
		t.Errorf("a public client asks: %d %s", r.status, r.text)
	}

	// Revoked: an access token alone, then all by the refresh token.
	revoke := func(token, client string) {
		f.post("/auth/revoke", url.Values{"token": {token}}, basic(client, secret)).want(http.StatusOK)
	}
	active := func(token string) bool {
		return ask(a.str(token), basic("confidential", secret)).body["active"] == true
	}
	revoke(a.str("access_token"), "mpi")
	revoke(a.str("refresh_token"), "mpi")
	if !active("access_token") || !active("refresh_token") {
		t.Error("another client has revoked the tokens")
	}
	revoke(a.str("access_token"), "confidential")
	revoke(a.str("access_token"), "confidential")
	if active("access_token") || !active("refresh_token") {
		t.Error("the access token, and it alone, should be revoked")
	}
	revoke(a.str("refresh_token"), "confidential")
	if active("refresh_token") {
		t.Error("the refresh token should be revoked")
	}
}

// TestEHRLaunch goes the way of a launch from an EHR.
func TestEHRLaunch(t *testing.T) {
	f := open(t, nil)
	ehr := f.post("/auth/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"system/*.rs hob/launch"}}, basic("ehr", secret)).want(http.StatusOK)
	weak := f.post("/auth/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"system/Patient.rs"}}, basic("ehr", secret)).want(http.StatusOK)
	launch := func(token, body string) reply {
		r, err := http.NewRequest(http.MethodPost, f.base+"/auth/launch", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		return f.send(r, "Authorization: Bearer "+token, "Content-Type: application/json")
	}
	for _, c := range []struct {
		name, token, body string
		status            int
	}{
		{"no token", "", `{"patient":"ada"}`, 401},
		{"scope is missing", weak.str("access_token"), `{"patient":"ada"}`, 403},
		{"unknown patient", ehr.str("access_token"), `{"patient":"nobody"}`, 400},
		{"unknown encounter", ehr.str("access_token"), `{"patient":"ada","encounter":"none"}`, 400},
		{"no JSON", ehr.str("access_token"), `patient=ada`, 400},
		{"unknown member", ehr.str("access_token"), `{"patinet":"ada"}`, 400},
		{"bad context", ehr.str("access_token"), `{"patient":"ada","fhirContext":["Patient/1"]}`, 400},
		{"huge", ehr.str("access_token"), `{"patient":"` + strings.Repeat("a", 100<<10) + `"}`, 400},
	} {
		if a := launch(c.token, c.body); a.status != c.status {
			t.Errorf("%s: %d %s, want %d", c.name, a.status, a.text, c.status)
		}
	}
	a := launch(ehr.str("access_token"), `{"patient":"Patient/ada","encounter":"visit","need_patient_banner":false,"intent":"summary",
		"fhirContext":[{"reference":"DiagnosticReport/1"}],"fhirUser":"Practitioner/grace","client_id":"app"}`).want(http.StatusCreated)
	const scope = "launch openid fhirUser online_access patient/*.rs user/*.rs"

	// For another app, and for another user, it is no good.
	b := f.browser().open(f.request("other", scope, "launch", a.str("launch")))
	if e := b.sent(); e.Get("error") != "invalid_request" || e.Get("code") != "" {
		t.Errorf("the launch of another app: %v", e)
	}
	b = f.browser().open(f.request("app", scope, "launch", a.str("launch"))).signIn("ada")
	if e := b.sent(); e.Get("error") != "access_denied" || e.Get("code") != "" {
		t.Errorf("the launch of another user: %v", e)
	}
	tokens := f.tokens("grace", "app", scope, "launch", a.str("launch"))
	if tokens.str("patient") != "ada" || tokens.str("encounter") != "visit" || tokens.body["need_patient_banner"] != false || tokens.str("intent") != "summary" ||
		tokens.str("refresh_token") == "" || tokens.str("smart_style_url") == "" {
		t.Errorf("token response %s", tokens.text)
	}
	if c, _ := tokens.body["fhirContext"].([]any); len(c) != 1 {
		t.Errorf("fhirContext %v", tokens.body["fhirContext"])
	}
	if id := f.claims(tokens.str("id_token")); id["fhirUser"] != f.base+"/Practitioner/grace" {
		t.Errorf("ID token %v", id)
	}
	b = f.browser().open(f.request("app", scope, "launch", a.str("launch")))
	if e := b.sent(); e.Get("error") != "invalid_request" {
		t.Errorf("a launch is used again: %v", e)
	}
	// A patient whom the user may not see.
	a = launch(ehr.str("access_token"), `{"patient":"eve"}`).want(http.StatusCreated)
	b = f.browser().open(f.request("app", scope, "launch", a.str("launch"))).signIn("grace")
	if e := b.sent(); e.Get("error") != "access_denied" {
		t.Errorf("a launch about a patient whom the user may not see: %v", e)
	}
	a = launch(ehr.str("access_token"), `{"patient":"ada"}`).want(http.StatusCreated)
	f.wait(6 * time.Minute)
	b = f.browser().open(f.request("app", scope, "launch", a.str("launch")))
	if e := b.sent(); e.Get("error") != "invalid_request" {
		t.Errorf("a launch of six minutes ago: %v", e)
	}
}

// TestPatientPicker lets a clinician choose among the patients he may see, and nobody else.
func TestPatientPicker(t *testing.T) {
	f := open(t, nil)
	b := f.browser().open(f.request("app", "launch/patient patient/*.rs")).signIn("grace")
	if !strings.Contains(b.body, "Ada Lovelace") || !strings.Contains(b.body, "Bob Babbage") || strings.Contains(b.body, "Eve Else") {
		t.Fatalf("the list of patients: %s", b.body)
	}
	b.submit(0, "search", "love")
	if !strings.Contains(b.body, "Ada Lovelace") || strings.Contains(b.body, "Bob Babbage") {
		t.Fatalf("the search: %s", b.body)
	}
	search := *b
	if b.submit(0, "search", "else"); strings.Contains(b.body, "Eve Else") {
		t.Fatalf("the search shows a patient of another: %s", b.body)
	}
	if e := search.submit(1, "patient", "eve").sent(); e.Get("error") != "access_denied" {
		t.Errorf("a patient of another is chosen: %v", e)
	}
	b = f.browser().open(f.request("app", "launch/patient patient/*.rs")).signIn("grace").submit(1, "patient", "ada")
	if !strings.Contains(b.body, "Ada Lovelace") {
		t.Fatalf("the consent page: %s", b.body)
	}
	forged := *b
	if e := forged.submit(0, "patient", "eve", "decision", "allow").sent(); e.Get("error") != "access_denied" || e.Get("code") != "" {
		t.Errorf("a patient of another is put in the form: %v", e)
	}
	a := f.post("/auth/token", exchange("app", b.submit(0, "decision", "allow").sent().Get("code"))).want(http.StatusOK)
	if a.str("patient") != "ada" {
		t.Errorf("token response %s", a.text)
	}
	// Who has one patient is not asked.
	for user, patient := range map[string]string{"ada": "ada", "annabella": "ada"} {
		if a := f.tokens(user, "app", "launch/patient patient/*.rs"); a.str("patient") != patient {
			t.Errorf("%s: %s", user, a.text)
		}
	}
}

// TestNarrowing takes scopes away on the consent page.
func TestNarrowing(t *testing.T) {
	f := open(t, nil)
	const (
		lab   = "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
		vital = "http://terminology.hl7.org/CodeSystem/observation-category|vital-signs"
	)
	for _, c := range []struct {
		name, client, scope string
		set                 []string
		granted             string
	}{
		{"as it is", "app", "patient/*.rs offline_access", nil, "patient/*.rs offline_access"},
		{"v1 as it is", "app", "patient/*.read", nil, "patient/*.read"},
		{"v1 read and write as it is", "app", "patient/Observation.*", nil, "patient/Observation.*"},
		{"beyond the client", "reader", "patient/*.cruds user/*.rs offline_access", nil, "patient/*.rs"},
		{"nothing unknown", "app", "patient/Nonsense.rs patient/Patient.sr patient/Patient.r nonsense", nil, "patient/Patient.r"},
		{"nothing of systems", "app", "system/*.rs hob/launch patient/Patient.r", nil, "patient/Patient.r"},
		{"not when away", "app", "patient/Patient.r offline_access", []string{"-", "offline_access"}, "patient/Patient.r"},
		{"one by one", "app", "patient/Patient.r patient/Goal.rs", []string{"-", "patient/Goal.rs"}, "patient/Patient.r"},
		{"granular one by one", "app", "patient/Observation.rs?category=" + lab + " patient/Observation.rs?category=" + vital,
			[]string{"-", "patient/Observation.rs?category=" + vital}, "patient/Observation.rs?category=" + lab},
		{"a category", "app", "patient/Observation.rs", []string{"scope", "patient/Observation.rs?category=" + lab}, "patient/Observation.rs?category=" + lab},
		{"a type", "app", "patient/*.rs", []string{"scope", "patient/Goal.rs"}, "patient/Goal.rs"},
		{"no writing", "app", "patient/Observation.cruds", []string{"-", "patient/Observation.cud"}, "patient/Observation.rs"},
		{"not more by hand", "app", "patient/Patient.r", []string{"scope", "patient/*.cruds", "scope", "user/*.rs", "scope", "offline_access"}, "patient/Patient.r"},
		{"no search that is none", "app", "patient/Observation.rs?nonsense=1 patient/Patient.r", nil, "patient/Patient.r"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := f.browser().open(f.request(c.client, c.scope)).signIn("ada")
			sent := b.submit(0, append([]string{"decision", "allow"}, c.set...)...).sent()
			a := f.post("/auth/token", exchange(c.client, sent.Get("code"))).want(http.StatusOK)
			if a.str("scope") != c.granted {
				t.Errorf("granted %s, want %s", a.str("scope"), c.granted)
			}
			if (a.str("refresh_token") != "") != strings.Contains(c.granted, "offline_access") {
				t.Errorf("refresh token with %s", c.granted)
			}
		})
	}
	b := f.browser().open(f.request("app", "patient/Patient.r")).signIn("ada")
	if e := b.submit(0, "decision", "allow", "-", "patient/Patient.r").sent(); e.Get("error") != "access_denied" {
		t.Errorf("nothing allowed: %v", e)
	}
	b = f.browser().open(f.request("app", "patient/Patient.r")).signIn("ada")
	if e := b.submit(0, "decision", "deny").sent(); e.Get("error") != "access_denied" || e.Get("state") != "some-state" || e.Get("iss") != f.base {
		t.Errorf("denied: %v", e)
	}
}

// TestOnlineAccess ends with the session.
func TestOnlineAccess(t *testing.T) {
	f := open(t, nil)
	b := f.browser().open(f.request("app", "online_access patient/*.rs")).signIn("ada")
	a := f.post("/auth/token", exchange("app", b.submit(0, "decision", "allow").sent().Get("code"))).want(http.StatusOK)
	q := url.Values{"grant_type": {"refresh_token"}, "client_id": {"app"}, "refresh_token": {a.str("refresh_token")}}
	a = f.post("/auth/token", q).want(http.StatusOK)
	b.open(f.base + "/auth/grants")
	_, form := b.form(-1)
	b.post("/fhir/auth/logout", form)
	q.Set("refresh_token", a.str("refresh_token"))
	if e := f.post("/auth/token", q); e.status != 400 || e.str("error") != "invalid_grant" {
		t.Errorf("refreshed after signing out: %d %s", e.status, e.text)
	}
	if b.open(f.base + "/auth/grants"); !strings.Contains(b.body, "Password") {
		t.Errorf("still signed in: %s", b.body)
	}
}

// TestKeys rotates the signing key: what the old one signed is good until it expires, what the new one signs too.
func TestKeys(t *testing.T) {
	f := open(t, func(c *smart.Config) { c.Lifetimes.Key = 2 * time.Hour })
	a := f.tokens("ada", "app", "openid offline_access patient/*.rs")
	f.wait(90 * time.Minute)
	q := url.Values{"grant_type": {"refresh_token"}, "client_id": {"app"}, "refresh_token": {a.str("refresh_token")}}
	old := f.post("/auth/token", q).want(http.StatusOK)
	f.wait(40 * time.Minute)
	q.Set("refresh_token", old.str("refresh_token"))
	fresh := f.post("/auth/token", q).want(http.StatusOK)
	if keys, _ := f.get("/auth/jwks").body["keys"].([]any); len(keys) != 2 {
		t.Errorf("%d keys, want 2", len(keys))
	}
	for _, a := range []reply{old, fresh} {
		f.get("/auth/userinfo", "Authorization: Bearer "+a.str("access_token")).want(http.StatusOK)
	}
	f.wait(7 * time.Hour)
	f.get("/auth/jwks")
	f.wait(7 * time.Hour)
	if keys, _ := f.get("/auth/jwks").body["keys"].([]any); len(keys) > 3 {
		t.Errorf("%d keys: the old ones are never dropped", len(keys))
	}
	f.get("/auth/userinfo", "Authorization: Bearer "+fresh.str("access_token")).want(http.StatusUnauthorized)
}

// TestAuthorizePost asks by POST from another site.
func TestAuthorizePost(t *testing.T) {
	f := open(t, nil)
	u, err := url.Parse(f.request("app", "patient/*.rs"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodPost, f.base+"/auth/authorize", strings.NewReader(u.RawQuery))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "https://app.example")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	b := f.browser().do(r).signIn("ada").submit(0, "decision", "allow")
	f.post("/auth/token", exchange("app", b.sent().Get("code"))).want(http.StatusOK)
}

// TestPreflight lets the pages of apps call what they call.
func TestPreflight(t *testing.T) {
	f := open(t, nil)
	for _, path := range []string{"/auth/token", "/auth/introspect", "/auth/revoke", "/auth/userinfo", "/.well-known/smart-configuration"} {
		r, err := http.NewRequest(http.MethodOptions, f.base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		a := f.send(r, "Origin: https://app.example", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization")
		if a.status >= 300 || a.header.Get("Access-Control-Allow-Origin") != "*" || a.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %d %v", path, a.status, a.header)
		}
	}
	if a := f.post("/auth/token", url.Values{"grant_type": {"x"}}, "Origin: https://app.example"); a.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("an error of the token endpoint: %v", a.header)
	}
	if a := f.get("/auth/grants", "Origin: https://app.example"); a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a page: %v", a.header)
	}
}
