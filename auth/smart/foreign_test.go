package smart_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/hob-fhir/hob/auth"
	"github.com/hob-fhir/hob/auth/smart"
	"github.com/hob-fhir/hob/server"
)

// TestSecondHob lets callers of one server into another, which knows the first by its discovery and its published keys alone: across a
// change of the signing key, but not with an ID token, nor with a token for another audience.
func TestSecondHob(t *testing.T) {
	first := open(t, func(c *smart.Config) { c.Lifetimes.Key = 2 * time.Hour })
	second := open(t, nil)
	policy, err := auth.NewPolicy(catalog(), auth.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	serve := func(i auth.Issuer) string {
		t.Helper()
		v, err := auth.NewVerifier([]auth.Issuer{i}, auth.Options{Clock: first.now})
		if err != nil {
			t.Fatal(err)
		}
		h := server.New(server.Config{
			Store: second.store, Catalog: catalog(),
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
		})
		web := httptest.NewServer(h)
		t.Cleanup(web.Close)
		return web.URL + "/fhir"
	}
	base := serve(auth.Issuer{URL: first.base, Audiences: []string{first.base}})
	strict := serve(auth.Issuer{URL: first.base, Audiences: []string{"https://third.example/fhir"}})
	read := func(base, path, token string) int {
		t.Helper()
		r, err := http.NewRequest(http.MethodGet, base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return first.send(r, "Authorization: Bearer "+token).status
	}

	a := first.tokens("ada", "app", "openid offline_access launch/patient patient/*.rs")
	for path, want := range map[string]int{"/Patient/ada": http.StatusOK, "/Patient/bob": http.StatusNotFound, "/Patient": http.StatusOK} {
		if got := read(base, path, a.str("access_token")); got != want {
			t.Errorf("%s by the second server: %d, want %d", path, got, want)
		}
	}
	for name, token := range map[string]string{"ID token": a.str("id_token"), "refresh token": a.str("refresh_token"), "nonsense": "nonsense", "of its own": second.tokens("ada", "app", "patient/*.rs").str("access_token")} {
		if got := read(base, "/Patient/ada", token); got != http.StatusUnauthorized {
			t.Errorf("%s: %d, want 401", name, got)
		}
	}
	if got := read(strict, "/Patient/ada", a.str("access_token")); got != http.StatusUnauthorized {
		t.Errorf("for another audience: %d, want 401", got)
	}

	// A new key, which the second server has not seen.
	first.wait(130 * time.Minute)
	a = first.post("/auth/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {"app"}, "refresh_token": {a.str("refresh_token")}}).want(http.StatusOK)
	if got := read(base, "/Patient/ada", a.str("access_token")); got != http.StatusOK {
		t.Errorf("after a change of the key: %d", got)
	}
}
