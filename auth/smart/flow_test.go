package smart_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestStandalone goes the whole way of a standalone launch, as SMART's test kits look at it.
func TestStandalone(t *testing.T) {
	f := open(t, nil)
	const scope = "launch/patient openid fhirUser offline_access patient/Patient.read patient/Observation.rs"
	b := f.browser().open(f.request("app", scope))
	if b.status != http.StatusOK || !strings.Contains(b.body, "Growth chart") {
		t.Fatalf("no sign-in page: %d %s", b.status, b.body)
	}
	b.signIn("ada")
	if !strings.Contains(b.body, "Ada Lovelace") || !strings.Contains(b.body, "app.example") {
		t.Fatalf("no consent page: %d %s", b.status, b.body)
	}
	sent := b.submit(0, "decision", "allow").sent()
	if sent.Get("state") != "some-state" || sent.Get("iss") != f.base || sent.Get("code") == "" || sent.Get("error") != "" {
		t.Fatalf("the app is sent %v", sent)
	}
	a := f.post("/auth/token", exchange("app", sent.Get("code"))).want(http.StatusOK)
	if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Pragma") != "no-cache" || !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") {
		t.Errorf("headers %v", a.header)
	}
	if a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("CORS without an Origin")
	}
	if a.str("token_type") != "Bearer" || a.str("patient") != "ada" || a.str("scope") != scope || a.body["expires_in"] != 3600.0 || a.body["need_patient_banner"] != true {
		t.Errorf("token response %s", a.text)
	}
	f.get(strings.TrimPrefix(a.str("smart_style_url"), f.base)).want(http.StatusOK)
	id := f.claims(a.str("id_token"))
	if id["iss"] != f.base || id["aud"] != "app" || id["fhirUser"] != f.base+"/Patient/ada" || id["sub"] == "" {
		t.Errorf("ID token %v", id)
	}
	info := f.get("/auth/userinfo", "Authorization: Bearer "+a.str("access_token")).want(http.StatusOK)
	if info.str("sub") != id["sub"] || info.str("fhirUser") != f.base+"/Patient/ada" {
		t.Errorf("userinfo %s", info.text)
	}

	// Refreshed, with and without a scope.
	refresh := func(token, scope string) reply {
		q := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {"app"}}
		if scope != "" {
			q.Set("scope", scope)
		}
		return f.post("/auth/token", q)
	}
	second := refresh(a.str("refresh_token"), "").want(http.StatusOK)
	if second.str("scope") != scope || second.str("patient") != "ada" || second.str("refresh_token") == a.str("refresh_token") {
		t.Errorf("refreshed: %s", second.text)
	}
	third := refresh(second.str("refresh_token"), "patient/Patient.r").want(http.StatusOK)
	if third.str("scope") != "patient/Patient.r" || third.header.Get("Cache-Control") != "no-store" {
		t.Errorf("refreshed for less: %s", third.text)
	}
	// As libraries do that name no client.
	third = f.post("/auth/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {third.str("refresh_token")}}).want(http.StatusOK)
	if e := refresh(third.str("refresh_token"), "patient/*.rs"); e.status != http.StatusBadRequest || e.str("error") != "invalid_scope" {
		t.Errorf("refreshed for more: %d %s", e.status, e.text)
	}

	// Revoked by the user.
	b.open(f.base + "/auth/grants")
	if !strings.Contains(b.body, "Growth chart") {
		t.Fatalf("no page of grants: %s", b.body)
	}
	b.submit(0)
	if strings.Contains(b.body, "Growth chart") {
		t.Errorf("the grant is still there: %s", b.body)
	}
	f.get("/auth/userinfo", "Authorization: Bearer "+third.str("access_token")).want(http.StatusUnauthorized)
	if e := refresh(third.str("refresh_token"), ""); e.status != http.StatusBadRequest || e.str("error") != "invalid_grant" {
		t.Errorf("refreshed what was revoked: %d %s", e.status, e.text)
	}
}
