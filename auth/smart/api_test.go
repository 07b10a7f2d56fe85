package smart_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/hob-fhir/hob/auth"
	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage"
)

// api serves the FHIR API of a store to callers with tokens of an issuer, and returns its base.
func (f *fixture) api(store *storage.Store, i auth.Issuer) string {
	f.Helper()
	policy, err := auth.NewPolicy(catalog(), auth.Rules{})
	if err != nil {
		f.Fatal(err)
	}
	v, err := auth.NewVerifier([]auth.Issuer{i}, auth.Options{Clock: f.now})
	if err != nil {
		f.Fatal(err)
	}
	web := httptest.NewServer(server.New(server.Config{
		Store: store, Catalog: catalog(),
		Caller: func(r *http.Request) (server.Caller, error) {
			token, err := auth.Bearer(r)
			if err != nil {
				return server.Caller{}, err
			}
			g, err := v.Verify(r.Context(), token)
			if err != nil {
				return server.Caller{}, err
			}
			a, err := policy.Access(g)
			return server.Caller{Access: a, Subject: g.Caller(), Grant: g}, err
		},
	}))
	f.Cleanup(web.Close)
	return web.URL + "/fhir"
}

// ask reads from an API with a token.
func (f *fixture) ask(base, path, token string) reply {
	f.Helper()
	r, err := http.NewRequest(http.MethodGet, base+path, nil)
	if err != nil {
		f.Fatal(err)
	}
	return f.send(r, "Authorization: Bearer "+token)
}

// TestGrantedScopes uses what was granted: granular scopes show a part of what whole ones do, and a token that was revoked shows nothing, at
// once, though it was good a moment before.
func TestGrantedScopes(t *testing.T) {
	f := open(t, nil)
	const category = "http://terminology.hl7.org/CodeSystem/observation-category"
	for id, code := range map[string]string{"lab": "laboratory", "vital": "vital-signs"} {
		f.put(`{"resourceType":"Observation","id":"` + id + `","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/ada"},
			"category":[{"coding":[{"system":"` + category + `","code":"` + code + `"}]}]}`)
	}
	base := f.api(f.store, f.server.Issuer())
	total := func(path, token string) any {
		t.Helper()
		return f.ask(base, path, token).want(http.StatusOK).body["total"]
	}
	whole := f.tokens("ada", "app", "launch/patient patient/Observation.rs").str("access_token")
	part := f.tokens("ada", "app", "launch/patient patient/Observation.rs?category="+category+"|laboratory").str("access_token")
	old := f.tokens("ada", "app", "launch/patient patient/Observation.read").str("access_token")
	for _, path := range []string{"/Observation?patient=ada", "/Observation?patient=Patient/ada&category=" + url.QueryEscape(category+"|laboratory,"+category+"|vital-signs")} {
		if a, b, c := total(path, whole), total(path, part), total(path, old); a != 2.0 || b != 1.0 || c != 2.0 {
			t.Errorf("%s finds %v by the whole scope, %v by a granular one, %v by one of v1; want 2, 1, 2", path, a, b, c)
		}
	}
	for path, want := range map[string]int{"/Observation/lab": http.StatusOK, "/Observation/vital": http.StatusNotFound, "/Condition?patient=ada": http.StatusForbidden} {
		if got := f.ask(base, path, part).status; got != want {
			t.Errorf("%s by a granular scope: %d, want %d", path, got, want)
		}
	}
	f.post("/auth/revoke", url.Values{"token": {whole}, "client_id": {"app"}}).want(http.StatusOK)
	f.ask(base, "/Observation/lab", whole).want(http.StatusUnauthorized)
	f.ask(base, "/Observation/lab", part).want(http.StatusOK)
}
