package smart_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/hob-fhir/hob/auth"
	"github.com/hob-fhir/hob/auth/smart"
)

// TestSecondHob lets callers of one server into another, which knows the first by its discovery and its published keys alone: across a
// change of the signing key, but not with an ID token, nor with a token for another audience.
func TestSecondHob(t *testing.T) {
	first := open(t, func(c *smart.Config) { c.Lifetimes.Key = 2 * time.Hour })
	second := open(t, nil)
	base := first.api(second.store, auth.Issuer{URL: first.base, Audiences: []string{first.base}})
	strict := first.api(second.store, auth.Issuer{URL: first.base, Audiences: []string{"https://third.example/fhir"}})
	read := func(base, path, token string) int { return first.ask(base, path, token).status }

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
