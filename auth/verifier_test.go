package auth_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hob-fhir/hob/auth"
	"github.com/hob-fhir/hob/fhirmap"
)

const audience = "https://ehr.example/fhir"

// foreign is an issuer of another make, as far as a resource server sees it.
type foreign struct {
	testing.TB
	*httptest.Server
	now atomic.Int64 // seconds added to the time

	mu      sync.Mutex
	signers map[string]crypto.Signer // by key id
	opaque  map[string]map[string]any
	fetched int
	down    bool
}

func newForeign(t testing.TB, ids ...string) *foreign {
	f := &foreign{TB: t, signers: map[string]crypto.Signer{}, opaque: map[string]map[string]any{}}
	for _, id := range ids {
		f.add(id)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]string{"issuer": f.URL, "jwks_uri": f.URL + "/keys", "introspection_endpoint": f.URL + "/introspect"})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.fetched++
		json.NewEncoder(w).Encode(f.set())
	})
	mux.HandleFunc("POST /introspect", func(w http.ResponseWriter, r *http.Request) {
		if user, secret, _ := r.BasicAuth(); user != "hob" || secret != "s%2B1" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		c := f.opaque[r.FormValue("token")]
		if c == nil {
			c = map[string]any{"active": false}
		}
		json.NewEncoder(w).Encode(c)
	})
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		down := f.down
		f.mu.Unlock()
		if down {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *foreign) lock(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// add makes a key: an RSA key if its id begins with r, else one on P-256.
func (f *foreign) add(id string) {
	var s crypto.Signer
	var err error
	if id[0] == 'r' {
		s, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		s, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		f.Fatal(err)
	}
	f.lock(func() { f.signers[id] = s })
}

func (f *foreign) set() jose.JSONWebKeySet {
	var s jose.JSONWebKeySet
	for id, k := range f.signers {
		s.Keys = append(s.Keys, jose.JSONWebKey{Key: k.Public(), KeyID: id, Use: "sig"})
	}
	return s
}

func (f *foreign) clock() time.Time { return time.Now().Add(time.Duration(f.now.Load()) * time.Second) }

// claims are those of a good token, with changes; nil takes a claim away.
func (f *foreign) claims(change map[string]any) map[string]any {
	now := f.clock().Unix()
	c := map[string]any{"iss": f.URL, "sub": "ann", "aud": audience, "iat": now, "exp": now + 600, "client_id": "app",
		"scope": "openid patient/*.read", "patient": "p1", "fhirUser": audience + "/Patient/p1", "jti": "t1"}
	maps.Copy(c, change)
	for k, v := range c {
		if v == nil {
			delete(c, k)
		}
	}
	return c
}

func (f *foreign) token(id string, change map[string]any) string {
	f.Helper()
	alg := jose.ES256
	if id[0] == 'r' {
		alg = jose.RS256
	}
	return sign(f, alg, f.signers[id], id, f.claims(change))
}

func sign(t testing.TB, alg jose.SignatureAlgorithm, key any, id string, claims map[string]any) string {
	t.Helper()
	o := (&jose.SignerOptions{}).WithType("at+jwt")
	if id != "" {
		o = o.WithHeader("kid", id)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, o)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := s.Sign(b)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (f *foreign) verifier(change func(*auth.Issuer)) *auth.Verifier {
	f.Helper()
	i := auth.Issuer{URL: f.URL, Audiences: []string{audience}}
	if change != nil {
		change(&i)
	}
	v, err := auth.NewVerifier([]auth.Issuer{i}, auth.Options{Clock: f.clock})
	if err != nil {
		f.Fatal(err)
	}
	return v
}

func (f *foreign) good(v *auth.Verifier, token string) auth.Grant {
	f.Helper()
	g, err := v.Verify(context.Background(), token)
	if err != nil {
		f.Error(err)
	}
	return g
}

// bad wants a token to be refused for a reason.
func (f *foreign) bad(v *auth.Verifier, token, say string) {
	f.Helper()
	g, err := v.Verify(context.Background(), token)
	var r *auth.Refusal
	if !errors.As(err, &r) || r.Code != "invalid_token" || !strings.Contains(err.Error(), say) {
		f.Errorf("a token that must be refused because %q gives %+v, %v", say, g, err)
		return
	}
	if strings.Contains(err.Error(), token) || !strings.HasPrefix(r.Challenge(), `Bearer realm="fhir", error="invalid_token", error_description="`) {
		f.Errorf("the refusal is %v, %s", err, r.Challenge())
	}
}

func TestVerify(t *testing.T) {
	f := newForeign(t, "r1", "e1")
	v := f.verifier(nil)
	for _, id := range []string{"r1", "e1"} {
		g := f.good(v, f.token(id, nil))
		if g.Issuer != f.URL || g.Subject != "ann" || g.Client != "app" || g.Patient != "p1" || g.FHIRUser != "Patient/p1" || g.ID != "t1" ||
			g.Scopes.String() != "openid patient/*.read" || g.Expires.Before(time.Now()) {
			t.Errorf("%s grants %+v", id, g)
		}
	}
	for name, c := range map[string]struct {
		change map[string]any
		ok     func(auth.Grant) bool
	}{
		"scp":                   {map[string]any{"scope": nil, "scp": []string{"openid", "user/*.rs"}}, func(g auth.Grant) bool { return g.Scopes.String() == "openid user/*.rs" }},
		"azp":                   {map[string]any{"client_id": nil, "azp": "other"}, func(g auth.Grant) bool { return g.Client == "other" }},
		"several audiences":     {map[string]any{"aud": []string{"https://x.example", audience}}, func(g auth.Grant) bool { return true }},
		"a user elsewhere":      {map[string]any{"fhirUser": "https://other.example/fhir/Practitioner/1"}, func(g auth.Grant) bool { return g.FHIRUser == "" }},
		"a relative user":       {map[string]any{"fhirUser": "Practitioner/1"}, func(g auth.Grant) bool { return g.FHIRUser == "Practitioner/1" }},
		"a user of no type":     {map[string]any{"fhirUser": "Device/1"}, func(g auth.Grant) bool { return g.FHIRUser == "" }},
		"a patient reference":   {map[string]any{"patient": "Patient/p2"}, func(g auth.Grant) bool { return g.Patient == "p2" }},
		"a patient that is odd": {map[string]any{"patient": "../p2"}, func(g auth.Grant) bool { return g.Patient == "" }},
		"a patient as a list":   {map[string]any{"patient": []string{"p1", "p2"}}, func(g auth.Grant) bool { return g.Patient == "" }},
		"a client alone":        {map[string]any{"sub": nil}, func(g auth.Grant) bool { return g.Subject == "app" }},
		"clocks that differ":    {map[string]any{"iat": time.Now().Unix() + 20, "nbf": time.Now().Unix() + 20}, func(g auth.Grant) bool { return true }},
	} {
		if g := f.good(v, f.token("e1", c.change)); !c.ok(g) {
			t.Errorf("%s: %+v", name, g)
		}
	}
	v = f.verifier(func(i *auth.Issuer) {
		i.Claims = auth.Claims{Scope: "x.scopes", Patient: "https://claims.example/patient", Roles: "realm_access.roles"}
	})
	g := f.good(v, f.token("e1", map[string]any{"x": map[string]any{"scopes": "user/*.rs"}, "https://claims.example/patient": "p7",
		"realm_access": map[string]any{"roles": []string{"admin"}}}))
	if g.Scopes.String() != "user/*.rs" || g.Patient != "p7" || len(g.Roles) != 1 || g.Roles[0] != "admin" {
		t.Errorf("claims of other names give %+v", g)
	}
}

// TestAttacks has the tokens that an attacker makes.
func TestAttacks(t *testing.T) {
	f := newForeign(t, "r1", "e1")
	v := f.verifier(nil)
	evil := newForeign(t, "e1", "e9", "r1")
	b64 := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	good := f.token("e1", nil)
	part := strings.Split(good, ".")
	public := f.signers["r1"].Public()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	now := f.clock().Unix()
	own := func(id string, header map[jose.HeaderKey]any) string { // signed by a key of the attacker, in the issuer's name
		o := &jose.SignerOptions{ExtraHeaders: header}
		s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: evil.signers["e9"], KeyID: id}}, o)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := json.Marshal(f.claims(nil))
		jws, err := s.Sign(b)
		if err != nil {
			t.Fatal(err)
		}
		out, err := jws.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for name, c := range map[string]struct{ token, say string }{
		"alg none":                      {b64(map[string]string{"alg": "none"}) + "." + part[1] + ".", "signed once"},
		"alg None":                      {b64(map[string]string{"alg": "None"}) + "." + part[1] + ".", "signed once"},
		"alg none, a signature":         {b64(map[string]string{"alg": "none"}) + "." + part[1] + "." + part[2], "signed once"},
		"HS256 with the public key":     {sign(t, jose.HS256, der, "r1", f.claims(nil)), "signed once"},
		"no signature":                  {part[0] + "." + part[1] + ".", "no key"},
		"a signature of another":        {part[0] + "." + part[1] + "." + strings.Split(evil.token("e1", nil), ".")[2], "no key"},
		"other claims":                  {part[0] + "." + b64(f.claims(map[string]any{"patient": "p2"})) + "." + part[2], "no key"},
		"another issuer":                {evil.token("e1", nil), "none that this server believes"},
		"another issuer's key":          {evil.token("e1", map[string]any{"iss": f.URL}), "no key"},
		"no issuer":                     {f.token("e1", map[string]any{"iss": nil}), "none that this server believes"},
		"an issuer with a slash":        {f.token("e1", map[string]any{"iss": f.URL + "/"}), "none that this server believes"},
		"another audience":              {f.token("e1", map[string]any{"aud": "https://other.example"}), "another server"},
		"an audience that begins alike": {f.token("e1", map[string]any{"aud": audience + "2"}), "another server"},
		"no audience":                   {f.token("e1", map[string]any{"aud": nil}), "another server"},
		"an id token":                   {f.token("e1", map[string]any{"aud": "app", "nonce": "n"}), "another server"},
		"a logout token":                {f.token("e1", map[string]any{"events": map[string]any{}}), "no access token"},
		"expired":                       {f.token("e1", map[string]any{"exp": now - 60}), "expired"},
		"no expiry":                     {f.token("e1", map[string]any{"exp": nil}), "when it expires"},
		"an expiry in words":            {f.token("e1", map[string]any{"exp": "never"}), ""},
		"an expiry beyond all":          {f.token("e1", map[string]any{"exp": 1e300}), ""},
		"not valid yet":                 {f.token("e1", map[string]any{"nbf": now + 60}), "not valid yet"},
		"issued in the future":          {f.token("e1", map[string]any{"iat": now + 600}), "not valid yet"},
		"of nobody":                     {f.token("e1", map[string]any{"sub": nil, "client_id": nil}), "of whom"},
		"kid of a file":                 {own("../../../dev/null", nil), "no key"},
		"kid of SQL":                    {own("e1' OR '1'='1", nil), "no key"},
		"kid of another key":            {own("e1", nil), "no key"},
		"no kid":                        {own("", nil), "no key"},
		"jku":                           {own("e9", map[jose.HeaderKey]any{"jku": evil.URL + "/keys"}), "no key"},
		"jwk":                           {own("e9", map[jose.HeaderKey]any{"jwk": evil.set().Keys[0]}), "no key"},
		"RS256 by a key on a curve":     {sign(t, jose.RS256, f.signers["r1"], "e1", f.claims(nil)), "no key"},
		"an unsigned header":            {"e30." + part[1] + "." + part[2], "signed once"},
		"three words":                   {"a.b.c", "no issuer that this server believes knows it"},
		"a word":                        {"secret", "no issuer that this server believes knows it"},
		"JSON serialisation":            {`{"payload":"` + part[1] + `"}`, "knows it"},
		"encrypted":                     {"a.b.c.d.e", "knows it"},
		"deep JSON":                     {part[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat(`{"a":`, 5000))) + "." + part[2], ""},
	} {
		t.Run(name, func(t *testing.T) {
			f.TB = t
			f.bad(v, c.token, c.say)
		})
	}
	f.TB = t
	f.good(v, good)
	// A signature that is good except for its spelling.
	f.bad(v, strings.TrimRight(good, "=")+"=", "")
}

// TestRotation has an issuer that changes its keys, and one that floods with unknown ones.
func TestRotation(t *testing.T) {
	f := newForeign(t, "e1")
	v := f.verifier(nil)
	f.good(v, f.token("e1", nil))
	f.add("e2")
	first := f.token("e2", map[string]any{"jti": "2"})
	f.bad(v, first, "no key") // the keys came a moment ago
	f.now.Add(11)
	f.good(v, first)
	old := f.token("e1", map[string]any{"jti": "3"})
	f.lock(func() { delete(f.signers, "e1"); f.fetched = 0 })
	f.good(v, old) // until the keys are fetched again
	for n := range 200 {
		f.now.Add(int64(n % 10 / 9)) // ten a second
		f.add("e9")
		evil := f.token("e9", map[string]any{"jti": fmt.Sprint(n)})
		f.lock(func() { delete(f.signers, "e9") })
		f.bad(v, evil, "no key")
	}
	if f.fetched > 3 {
		t.Errorf("a flood of unknown keys over twenty seconds fetches %d times", f.fetched)
	}
	f.lock(func() { f.fetched = 0 })
	f.now.Add(700)
	f.good(v, f.token("e2", map[string]any{"jti": "4"})) // sets off a fetch in the background, for the keys are old
	for range 200 {
		if _, err := v.Verify(context.Background(), f.token("e2", map[string]any{"jti": "5"})); err != nil {
			t.Fatal(err)
		}
		f.mu.Lock()
		n := f.fetched
		f.mu.Unlock()
		if n > 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("old keys are not fetched again")
}

func TestIssuerDown(t *testing.T) {
	f := newForeign(t, "e1")
	f.down = true
	v := f.verifier(nil) // starts all the same
	token := f.token("e1", nil)
	_, err := v.Verify(context.Background(), token)
	var o *fhirmap.Outcome
	if !errors.As(err, &o) || o.Issues[0].Code != fhirmap.CodeTransient {
		t.Fatalf("an issuer that is down gives %v", err)
	}
	f.lock(func() { f.down = false })
	f.now.Add(60)
	f.good(v, token)
	f.lock(func() { f.down = true })
	f.now.Add(60)
	f.good(v, f.token("e1", map[string]any{"jti": "2"})) // its key is known
	f.add("e2")
	f.bad(v, f.token("e2", nil), "no key")
	f.now.Add(400)
	f.good(v, f.token("e1", map[string]any{"jti": "3"}))
}

func TestRemember(t *testing.T) {
	f := newForeign(t, "e1")
	revoked, asked := false, 0
	v := f.verifier(func(i *auth.Issuer) {
		i.Keys = func(context.Context) (jose.JSONWebKeySet, error) { asked++; return f.set(), nil }
		i.Revoked = func(_ context.Context, g auth.Grant) (bool, error) { return revoked && g.ID == "t1", nil }
	})
	token := f.token("e1", nil)
	g := f.good(v, token)
	n := asked
	f.good(v, token)
	if asked != n {
		t.Error("a token that was verified is verified again at once")
	}
	f.now.Add(301)
	f.good(v, token)
	if asked == n {
		t.Error("a token is remembered for more than five minutes")
	}
	revoked = true
	f.bad(v, token, "revoked")
	if err := v.Live(context.Background(), g); err == nil {
		t.Error("a grant that was revoked is live")
	}
	revoked = false
	if err := v.Live(context.Background(), g); err != nil {
		t.Error(err)
	}
	f.now.Add(400)
	f.bad(v, token, "expired")
	if err := v.Live(context.Background(), g); err == nil {
		t.Error("a grant that has expired is live")
	}
	if err := v.Live(context.Background(), auth.Grant{Issuer: "https://gone.example"}); err == nil {
		t.Error("a grant of an issuer that is believed no more is live")
	}
	short := f.token("e1", map[string]any{"exp": f.clock().Unix() + 5})
	f.good(v, short)
	f.now.Add(40)
	f.bad(v, short, "expired")
}

func TestIntrospection(t *testing.T) {
	f := newForeign(t, "e1")
	v := f.verifier(func(i *auth.Issuer) { i.Introspection = &auth.Introspection{Client: "hob", Secret: "s+1"} })
	f.opaque["good"] = f.claims(map[string]any{"active": true})
	f.opaque["elsewhere"] = f.claims(map[string]any{"active": true, "aud": "https://other.example"})
	f.opaque["foreign"] = f.claims(map[string]any{"active": true, "iss": "https://other.example"})
	f.opaque["old"] = f.claims(map[string]any{"active": true, "exp": 1})
	f.opaque["ended"] = f.claims(map[string]any{"active": false})
	f.opaque["word"] = f.claims(map[string]any{"active": "true"})
	f.opaque["short"] = map[string]any{"active": true, "client_id": "app", "scope": "system/*.rs"}
	if g := f.good(v, "good"); g.Patient != "p1" {
		t.Errorf("introspection grants %+v", g)
	}
	if g := f.good(v, "short"); g.Subject != "app" {
		t.Errorf("introspection grants %+v", g)
	}
	f.bad(v, "unknown", "knows it")
	f.bad(v, "elsewhere", "another server")
	f.bad(v, "foreign", "another issuer")
	f.bad(v, "old", "expired")
	f.bad(v, "ended", "knows it")
	f.bad(v, "word", "knows it")
	f.good(v, f.token("e1", nil)) // a JWT needs no introspection
	f.lock(func() { f.down = true })
	f.good(v, "good")
	_, err := v.Verify(context.Background(), "other")
	var o *fhirmap.Outcome
	if !errors.As(err, &o) || o.Issues[0].Code != fhirmap.CodeTransient {
		t.Errorf("introspection of an issuer that is down gives %v", err)
	}
}

func TestBearer(t *testing.T) {
	for name, c := range map[string]struct {
		lines       []string
		target      string
		token, code string
		say         string
	}{
		"one":             {[]string{"Bearer abc.def"}, "/", "abc.def", "", ""},
		"lower case":      {[]string{"bearer  abc"}, "/", "abc", "", ""},
		"none":            {nil, "/", "", "", "a token is needed"},
		"in the URL":      {nil, "/?access_token=abc", "", "invalid_request", "never into a URL"},
		"in both":         {[]string{"Bearer abc"}, "/?access_token=def", "abc", "", ""},
		"twice":           {[]string{"Bearer abc", "Bearer def"}, "/", "", "invalid_request", "2 times"},
		"two in one line": {[]string{"Bearer abc, Bearer def"}, "/", "", "invalid_request", "no token"},
		"Basic":           {[]string{"Basic YWJj"}, "/", "", "", "another scheme"},
		"empty":           {[]string{"Bearer "}, "/", "", "invalid_request", "no token"},
		"huge":            {[]string{"Bearer " + strings.Repeat("a", 17<<10)}, "/", "", "invalid_token", "more than"},
		"odd letters":     {[]string{"Bearer a\"b"}, "/", "", "invalid_request", "no token"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", c.target, nil)
			for _, l := range c.lines {
				r.Header.Add("Authorization", l)
			}
			token, err := auth.Bearer(r)
			if token != c.token || (err == nil) != (c.token != "") {
				t.Fatalf("gives %q, %v", token, err)
			}
			if err == nil {
				return
			}
			var refused *auth.Refusal
			if !errors.As(err, &refused) || refused.Code != c.code || !strings.Contains(err.Error(), c.say) {
				t.Errorf("refused by %v", err)
			}
			if want := `Bearer realm="fhir"`; c.code == "" && refused.Challenge() != want {
				t.Errorf("the challenge is %s, want %s", refused.Challenge(), want)
			}
		})
	}
}

func TestNewVerifier(t *testing.T) {
	good := auth.Issuer{URL: "https://login.example", Audiences: []string{audience}}
	for name, c := range map[string]struct {
		issuers []auth.Issuer
		say     string
	}{
		"good":              {[]auth.Issuer{good}, ""},
		"twice":             {[]auth.Issuer{good, good}, "twice"},
		"no URL":            {[]auth.Issuer{{Audiences: []string{audience}}}, "an issuer is a URL"},
		"no audience":       {[]auth.Issuer{{URL: "https://login.example"}}, "audiences are missing"},
		"http":              {[]auth.Issuer{{URL: "http://login.example", Audiences: []string{audience}}}, "not https"},
		"http here":         {[]auth.Issuer{{URL: "http://127.0.0.1:1", Audiences: []string{audience}}}, ""},
		"keys by http":      {[]auth.Issuer{{URL: "https://login.example", JWKS: "http://login.example/keys", Audiences: []string{audience}}}, "not https"},
		"a shared secret":   {[]auth.Issuer{{URL: "https://login.example", Audiences: []string{audience}, Algorithms: []string{"HS256"}}}, "HS256 is not one of"},
		"none":              {[]auth.Issuer{{URL: "https://login.example", Audiences: []string{audience}, Algorithms: []string{"none"}}}, "none is not one of"},
		"fewer of the good": {[]auth.Issuer{{URL: "https://login.example", Audiences: []string{audience}, Algorithms: []string{"ES256"}}}, ""},
	} {
		_, err := auth.NewVerifier(c.issuers, auth.Options{})
		if (err == nil) != (c.say == "") || err != nil && !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v, want %q", name, err, c.say)
		}
	}
}
