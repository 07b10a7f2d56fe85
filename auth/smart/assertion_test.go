package smart_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/hob-fhir/hob/auth/smart"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// TestAssertions authenticates backend services by RS384 and ES384, and refuses what attackers have tried elsewhere.
func TestAssertions(t *testing.T) {
	f := open(t, nil)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	keys := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: &rsaKey.PublicKey, KeyID: "rsa", Algorithm: "RS384", Use: "sig"}, {Key: &ecKey.PublicKey, KeyID: "ec", Algorithm: "ES384", Use: "sig"},
	}}
	var fetches atomic.Int32
	jwks := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetches.Add(1)
		json.NewEncoder(w).Encode(keys)
	}))
	defer jwks.Close()
	for _, c := range []smart.Client{
		{ID: "by-value", JWKS: &keys, Scope: "system/*.rs"}, {ID: "by-url", JWKSURI: jwks.URL, Scope: "system/*.rs"},
	} {
		if err := smart.SaveClient(t.Context(), f.store, c); err != nil {
			t.Fatal(err)
		}
	}
	jti := 0
	sign := func(alg jose.SignatureAlgorithm, key any, kid string, change func(map[string]any)) string {
		t.Helper()
		jti++
		claims := map[string]any{"iss": "by-value", "sub": "by-value", "aud": f.base + "/auth/token", "exp": time.Now().Add(4 * time.Minute).Unix(), "jti": jti}
		claims["jti"] = "jti-" + strings.Repeat("x", jti)
		if change != nil {
			change(claims)
		}
		s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", kid))
		if err != nil {
			t.Fatal(err)
		}
		token, err := jwt.Signed(s).Claims(claims).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	send := func(assertion string, set ...string) reply {
		q := url.Values{"grant_type": {"client_credentials"}, "scope": {"system/Patient.rs"}, "client_assertion_type": {assertionType}, "client_assertion": {assertion}}
		for i := 0; i < len(set); i += 2 {
			q.Set(set[i], set[i+1])
		}
		return f.post("/auth/token", q)
	}
	put := func(name string, value any) func(map[string]any) { return func(c map[string]any) { c[name] = value } }
	as := func(id string) func(map[string]any) {
		return func(c map[string]any) { c["iss"], c["sub"] = id, id }
	}
	for _, a := range []string{
		sign(jose.RS384, rsaKey, "rsa", nil), sign(jose.ES384, ecKey, "ec", nil), sign(jose.RS384, rsaKey, "rsa", as("by-url")), sign(jose.ES384, ecKey, "ec", as("by-url")),
		sign(jose.RS384, rsaKey, "rsa", put("aud", []string{"https://x.example", f.base + "/auth/token"})),
	} {
		if r := send(a).want(http.StatusOK); r.str("scope") != "system/Patient.rs" {
			t.Errorf("token response %s", r.text)
		}
	}
	if n := fetches.Load(); n != 1 {
		t.Errorf("the keys were fetched %d times, want once", n)
	}

	once := sign(jose.RS384, rsaKey, "rsa", nil)
	send(once).want(http.StatusOK)
	for name, r := range map[string]reply{
		"replayed":            send(once),
		"RS256":               send(sign(jose.RS256, rsaKey, "rsa", nil)),
		"HS384 by the public": send(sign(jose.HS384, rsaKey.PublicKey.N.Bytes(), "rsa", nil)),
		"none":                send("eyJhbGciOiJub25lIn0.eyJpc3MiOiJieS12YWx1ZSIsInN1YiI6ImJ5LXZhbHVlIn0."),
		"key of a stranger":   send(sign(jose.RS384, stranger, "rsa", nil)),
		"unknown kid":         send(sign(jose.RS384, rsaKey, "none", nil)),
		"no kid":              send(sign(jose.RS384, rsaKey, "", nil)),
		"kid of another key":  send(sign(jose.RS384, rsaKey, "ec", nil)),
		"wrong aud":           send(sign(jose.RS384, rsaKey, "rsa", put("aud", f.base))),
		"expired":             send(sign(jose.RS384, rsaKey, "rsa", put("exp", time.Now().Add(-time.Minute).Unix()))),
		"exp too far":         send(sign(jose.RS384, rsaKey, "rsa", put("exp", time.Now().Add(time.Hour).Unix()))),
		"no exp":              send(sign(jose.RS384, rsaKey, "rsa", func(c map[string]any) { delete(c, "exp") })),
		"not yet":             send(sign(jose.RS384, rsaKey, "rsa", put("nbf", time.Now().Add(2*time.Minute).Unix()))),
		"no jti":              send(sign(jose.RS384, rsaKey, "rsa", func(c map[string]any) { delete(c, "jti") })),
		"huge jti":            send(sign(jose.RS384, rsaKey, "rsa", put("jti", strings.Repeat("j", 300)))),
		"sub of another":      send(sign(jose.RS384, rsaKey, "rsa", put("sub", "mpi"))),
		"client_id beside":    send(sign(jose.RS384, rsaKey, "rsa", nil), "client_id", "mpi"),
		"unknown client":      send(sign(jose.RS384, rsaKey, "rsa", as("nobody"))),
		"client with secret":  send(sign(jose.RS384, rsaKey, "rsa", as("mpi"))),
	} {
		if r.status != http.StatusUnauthorized || r.str("error") != "invalid_client" {
			t.Errorf("%s: %d %s", name, r.status, r.text)
		}
	}
	if r := f.post("/auth/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"by-value"}}); r.status != http.StatusUnauthorized {
		t.Errorf("no assertion: %d %s", r.status, r.text)
	}
	for range 20 {
		send(sign(jose.RS384, rsaKey, "flood", as("by-url")))
	}
	if n := fetches.Load(); n > 2 {
		t.Errorf("unknown kids had the keys fetched %d times", n)
	}
}
