package smart_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hob-fhir/hob/auth/smart"
)

// TestAuthorizeRefused are the requests that give no code. Where the app or its address is in doubt the user is shown a page, and
// nobody is redirected; else the app is told.
func TestAuthorizeRefused(t *testing.T) {
	f := open(t, nil)
	const page = ""
	for _, c := range []struct {
		name string
		set  []string
		code string // that the app is told; page: none is
	}{
		{"unknown client", []string{"client_id", "nobody"}, page},
		{"no client", []string{"client_id", ""}, page},
		{"client of services", []string{"client_id", "mpi"}, page},
		{"no redirect", []string{"redirect_uri", ""}, page},
		{"open redirect", []string{"redirect_uri", "https://evil.example/callback"}, page},
		{"prefix", []string{"redirect_uri", callback + ".evil.example"}, page},
		{"deeper", []string{"redirect_uri", callback + "/x"}, page},
		{"dots", []string{"redirect_uri", callback + "/../callback"}, page},
		{"fragment", []string{"redirect_uri", callback + "#x"}, page},
		{"user in it", []string{"redirect_uri", "https://app.example@evil.example/callback"}, page},
		{"another scheme", []string{"redirect_uri", "http://app.example/callback"}, page},
		{"query added", []string{"redirect_uri", callback + "?x=1"}, page},
		{"case", []string{"redirect_uri", "https://APP.example/callback"}, page},
		{"script", []string{"redirect_uri", "javascript:alert(1)"}, page},
		{"huge", []string{"nonce", strings.Repeat("n", 13<<10)}, page},
		{"huge state", []string{"state", strings.Repeat("s", 3<<10)}, "invalid_request"},
		{"implicit", []string{"response_type", "token"}, "unsupported_response_type"},
		{"no response type", []string{"response_type", ""}, "unsupported_response_type"},
		{"fragment mode", []string{"response_mode", "fragment"}, "invalid_request"},
		{"no PKCE", []string{"code_challenge", "", "code_challenge_method", ""}, "invalid_request"},
		{"plain PKCE", []string{"code_challenge_method", "plain"}, "invalid_request"},
		{"PKCE without its method", []string{"code_challenge_method", ""}, "invalid_request"},
		{"short challenge", []string{"code_challenge", "abc"}, "invalid_request"},
		{"no aud", []string{"aud", ""}, "invalid_request"},
		{"aud of another", []string{"aud", "https://evil.example/fhir"}, "invalid_request"},
		{"aud below", []string{"aud", f.base + "/x"}, "invalid_request"},
		{"request object", []string{"request", "a.b.c"}, "request_not_supported"},
		{"request by reference", []string{"request_uri", "https://evil.example/r"}, "request_not_supported"},
		{"no scope", []string{"scope", ""}, "invalid_scope"},
		{"nothing that may be", []string{"scope", "system/*.rs"}, "invalid_scope"},
		{"made-up launch", []string{"launch", "made-up"}, "invalid_request"},
		{"not signed in, silently", []string{"prompt", "none"}, "login_required"},
		{"bad age", []string{"max_age", "old"}, "invalid_request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := f.browser().open(f.request("app", "patient/*.rs", c.set...))
			if c.code == page {
				if b.status != http.StatusBadRequest || b.header.Get("Location") != "" || !strings.Contains(b.header.Get("Content-Type"), "text/html") {
					t.Errorf("answer %d to %q, want a page", b.status, b.header.Get("Location"))
				}
				return
			}
			e := b.sent()
			if e.Get("error") != c.code || e.Get("code") != "" || e.Get("iss") != f.base {
				t.Errorf("the app is told %v, want %s", e, c.code)
			}
			if c.name != "huge state" && e.Get("state") != "some-state" {
				t.Errorf("state %q", e.Get("state"))
			}
			if !strings.HasPrefix(b.header.Get("Location"), callback+"?") {
				t.Errorf("redirected to %s", b.header.Get("Location"))
			}
		})
	}
	t.Run("parameter twice", func(t *testing.T) {
		if e := f.browser().open(f.request("app", "patient/*.rs") + "&aud=https://evil.example").sent(); e.Get("error") != "invalid_request" {
			t.Errorf("the app is told %v", e)
		}
		for _, name := range []string{"client_id=other", "redirect_uri=https://evil.example"} {
			if b := f.browser().open(f.request("app", "patient/*.rs") + "&" + name); b.status != http.StatusBadRequest {
				t.Errorf("%s: %d", name, b.status)
			}
		}
	})
}

// TestReplay uses codes and refresh tokens twice: what was granted ends.
func TestReplay(t *testing.T) {
	f := open(t, nil)
	const scope = "openid offline_access patient/*.rs"
	alive := func(a reply) bool {
		return f.get("/auth/userinfo", "Authorization: Bearer "+a.str("access_token")).status == http.StatusOK
	}
	refresh := func(token, client string) reply {
		return f.post("/auth/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {client}})
	}
	refused := func(a reply) {
		t.Helper()
		if a.status != http.StatusBadRequest || a.str("error") != "invalid_grant" {
			t.Errorf("answer %d %s, want invalid_grant", a.status, a.text)
		}
	}

	code := f.code("ada", "app", scope)
	refused(f.post("/auth/token", exchange("other", code))) // code of another client
	a := f.post("/auth/token", exchange("app", code)).want(http.StatusOK)
	if !alive(a) {
		t.Fatal("the token is not good")
	}
	refused(f.post("/auth/token", exchange("app", code)))
	if alive(a) {
		t.Error("the code was used twice and its token is good")
	}
	refused(refresh(a.str("refresh_token"), "app"))

	a = f.tokens("ada", "app", scope)
	refused(refresh(a.str("refresh_token"), "other")) // refresh token of another client
	second := refresh(a.str("refresh_token"), "app").want(http.StatusOK)
	refused(refresh(a.str("refresh_token"), "app"))
	if alive(second) || alive(a) {
		t.Error("a refresh token was used twice and the family is good")
	}
	refused(refresh(second.str("refresh_token"), "app"))

	// All at once: one wins, and then none is good.
	code = f.code("ada", "app", scope)
	var wg sync.WaitGroup
	answers := make([]reply, 8)
	for i := range answers {
		wg.Go(func() { answers[i] = f.post("/auth/token", exchange("app", code)) })
	}
	wg.Wait()
	won := 0
	for _, a := range answers {
		if a.status == http.StatusOK {
			won++
			if alive(a) {
				t.Error("a code was used eight times at once and its token is good")
			}
		}
	}
	if won != 1 {
		t.Errorf("a code gave tokens %d times", won)
	}

	late := f.code("ada", "app", scope)
	f.wait(61 * time.Second)
	refused(f.post("/auth/token", exchange("app", late)))
	a = f.tokens("ada", "app", scope)
	f.wait(91 * 24 * time.Hour)
	refused(refresh(a.str("refresh_token"), "app"))
}

// TestForms sends the forms of the pages as other sites would make a browser do.
func TestForms(t *testing.T) {
	f := open(t, nil)
	request := f.request("app", "patient/*.rs")
	send := func(b *browser, path string, values url.Values, headers ...string) *browser {
		t.Helper()
		r, err := http.NewRequest(http.MethodPost, f.base+path, strings.NewReader(values.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			r.Header.Set(name, value)
		}
		return b.do(r)
	}
	foreign := []string{"Origin: https://evil.example", "Sec-Fetch-Site: cross-site"}

	// Sign-in: not without the cookie of the form, not with the token of another browser, not from another site.
	b := f.browser().open(request)
	_, login := b.form(0)
	login.Set("name", "ada")
	login.Set("password", password)
	for name, got := range map[string]*browser{
		"no cookie":                send(f.browser(), "/auth/login", login),
		"cookie of another":        send(f.browser().open(request), "/auth/login", login),
		"another site":             send(b, "/auth/login", login, foreign...),
		"another site, old window": send(b, "/auth/login", login, "Origin: https://evil.example"),
	} {
		if got.status != http.StatusForbidden {
			t.Errorf("sign-in, %s: %d", name, got.status)
		}
	}

	// The session is another than any that was there before.
	jar := f.browser()
	u, err := url.Parse(f.base + "/auth/")
	if err != nil {
		t.Fatal(err)
	}
	jar.Jar.SetCookies(u, []*http.Cookie{{Name: "hob_session", Value: "fixed-by-an-attacker", Path: "/fhir/auth"}})
	jar.open(request).signIn("ada")
	for _, c := range jar.Jar.Cookies(u) {
		if c.Name == "hob_session" && c.Value == "fixed-by-an-attacker" {
			t.Error("the session was fixed before the user signed in")
		}
	}

	// Consent, choice, revocation, signing out: not without the token of the form, not from another site.
	_, consent := jar.form(0)
	consent.Set("decision", "allow")
	without := url.Values{}
	for name, v := range consent {
		if name != "token" {
			without[name] = v
		}
	}
	for _, path := range []string{"/auth/consent", "/auth/patient", "/auth/grants", "/auth/logout"} {
		for name, got := range map[string]*browser{
			"no token": send(jar, path, without), "another site": send(jar, path, consent, foreign...), "nobody is signed in": send(f.browser(), path, consent),
		} {
			if want := http.StatusForbidden; got.status != want && !(path == "/auth/logout" && name == "nobody is signed in") {
				t.Errorf("%s, %s: %d, want %d", path, name, got.status, want)
			}
			if got.header.Get("Location") != "" {
				t.Errorf("%s, %s: redirected to %s", path, name, got.header.Get("Location"))
			}
		}
	}
	// What the form brings back is looked at again.
	consent.Set("query", strings.Replace(consent.Get("query"), url.QueryEscape(callback), url.QueryEscape("https://evil.example/"), 1))
	if got := send(jar, "/auth/consent", consent); got.status != http.StatusBadRequest || got.header.Get("Location") != "" {
		t.Errorf("a redirect_uri put in the form: %d %s", got.status, got.header.Get("Location"))
	}
	// The grant of another is not revoked.
	a := f.tokens("grace", "app", "openid user/*.rs")
	jti, _ := f.claims(a.str("access_token"))["jti"].(string)
	id, _, _ := strings.Cut(jti, ".")
	send(jar, "/auth/grants", url.Values{"token": consent["token"], "grant": {id}})
	f.get("/auth/userinfo", "Authorization: Bearer "+a.str("access_token")).want(http.StatusOK)
}

// TestPages looks at what keeps pages from being framed, scripted, cached or read by others.
func TestPages(t *testing.T) {
	f := open(t, func(c *smart.Config) {
		https := *c.Base
		https.Scheme = "https"
		c.Base = &https
	})
	b := f.browser()
	// The server believes that it is reached by https, so the request is for that.
	request := strings.Replace(f.request("app", "patient/*.rs"), url.QueryEscape(f.base), url.QueryEscape("https"+strings.TrimPrefix(f.base, "http")), 1)
	b.open(request)
	if b.status != http.StatusOK {
		t.Fatalf("answer %d %s", b.status, b.body)
	}
	for _, c := range b.header["Set-Cookie"] {
		for _, want := range []string{"HttpOnly", "Secure", "SameSite=Lax", "Path=/fhir/auth", "Max-Age="} {
			if !strings.Contains(c, want) {
				t.Errorf("the cookie lacks %s: %s", want, c)
			}
		}
	}
	csp := b.header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self' https://app.example;"} {
		if !strings.Contains(csp, want) {
			t.Errorf("the policy lacks %s: %s", want, csp)
		}
	}
	for name, want := range map[string]string{"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Strict-Transport-Security": "max-age=31536000"} {
		if got := b.header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, never := range []string{"<script", "style=", "onclick", "javascript:"} {
		if strings.Contains(b.body, never) {
			t.Errorf("the page has %s", never)
		}
	}
	b.open(f.base + "/auth/authorize?client_id=" + url.QueryEscape(`"><script>alert(1)</script>`))
	if strings.Contains(b.body, "<script") {
		t.Errorf("the page is scripted: %s", b.body)
	}
}

// TestLockOut tries passwords.
func TestLockOut(t *testing.T) {
	f := open(t, nil)
	try := func(name, password string) int {
		return f.browser().open(f.base+"/auth/grants").submit(0, "name", name, "password", password).status
	}
	for _, name := range []string{"ada", "nobody"} { // nothing tells which of them there is
		for i := range 5 {
			if status := try(name, "wrong"); status != http.StatusUnauthorized {
				t.Errorf("%s, attempt %d: %d", name, i, status)
			}
		}
		if status := try(name, password); status != http.StatusTooManyRequests {
			t.Errorf("%s is not locked: %d", name, status)
		}
	}
	if status := try("grace", password); status != http.StatusOK {
		t.Errorf("another user is locked too: %d", status)
	}
	f.wait(16 * time.Second)
	if status := try("ada", "wrong"); status != http.StatusUnauthorized {
		t.Errorf("after the wait: %d", status)
	}
	f.wait(16 * time.Second)
	if status := try("ada", password); status != http.StatusTooManyRequests {
		t.Errorf("the wait does not grow: %d", status)
	}
	f.wait(30 * time.Second)
	if status := try("ada", password); status != http.StatusOK {
		t.Errorf("the right password after the wait: %d", status)
	}
	if status := try("ada", "wrong"); status != http.StatusUnauthorized {
		t.Errorf("the count does not begin anew: %d", status)
	}
	if status := try("ada", strings.Repeat("p", 10<<10)); status != http.StatusUnauthorized {
		t.Errorf("a huge password: %d", status)
	}
	// Many at once count as many.
	var wg sync.WaitGroup
	var mu sync.Mutex
	tried := 0
	for range 20 {
		wg.Go(func() {
			if try("annabella", "wrong") == http.StatusUnauthorized {
				mu.Lock()
				tried++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if tried > 5 {
		t.Errorf("of 20 attempts at once %d were looked at, want 5", tried)
	}
	if strings.Contains(f.log.String(), password) {
		t.Error("a password is in the log")
	}
}

// TestSignInAgain asks for it by prompt=login and max_age, and is not asked twice.
func TestSignInAgain(t *testing.T) {
	f := open(t, nil)
	b := f.browser().open(f.request("app", "patient/*.rs")).signIn("ada")
	if b.open(f.request("app", "patient/*.rs")); strings.Contains(b.body, `type="password"`) {
		t.Error("who is signed in is asked again")
	}
	if e := b.open(f.request("app", "patient/*.rs", "prompt", "none")).sent(); e.Get("error") != "consent_required" {
		t.Errorf("silently: %v", e)
	}
	for _, set := range [][]string{{"prompt", "login"}, {"max_age", "60"}} {
		f.wait(2 * time.Minute)
		if b.open(f.request("app", "patient/*.rs", set...)); !strings.Contains(b.body, `type="password"`) {
			t.Errorf("%v: not asked", set)
			continue
		}
		if b.signIn("ada"); !strings.Contains(b.body, "Ada Lovelace") || strings.Contains(b.body, `type="password"`) {
			t.Errorf("%v: asked twice: %s", set, b.body)
		}
	}
	// Another signs in instead, and goes on with the same request.
	if b.submit(-1).signIn("annabella"); !strings.Contains(b.body, "annabella") || !strings.Contains(b.body, "Allow Growth chart") {
		t.Errorf("another signs in: %s", b.body)
	}
	f.wait(9 * time.Hour)
	if b.open(f.request("app", "patient/*.rs")); !strings.Contains(b.body, `type="password"`) {
		t.Error("the session has no end")
	}
}

// TestRemoved ends what was granted by, or to, those who are gone.
func TestRemoved(t *testing.T) {
	f := open(t, nil)
	const scope = "openid offline_access patient/*.rs"
	alive := func(a reply) bool {
		return f.get("/auth/userinfo", "Authorization: Bearer "+a.str("access_token")).status == http.StatusOK
	}
	for name, end := range map[string]func() error{
		"user":     func() error { return smart.RemoveUser(t.Context(), f.store, "ada") },
		"password": func() error { return smart.SetPassword(t.Context(), f.store, "annabella", "another password", 4) },
		"client":   func() error { return smart.RemoveClient(t.Context(), f.store, "other") },
	} {
		user, client := map[string]string{"user": "ada", "password": "annabella", "client": "annabella"}[name], "app"
		if name == "client" {
			if err := smart.SetPassword(t.Context(), f.store, user, password, 4); err != nil {
				t.Fatal(err)
			}
			client = "other"
		}
		a := f.tokens(user, client, scope)
		if !alive(a) {
			t.Fatalf("%s: the token is not good", name)
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if alive(a) {
			t.Errorf("%s: the token is still good", name)
		}
		if name == "password" {
			if err := smart.SetPassword(t.Context(), f.store, user, password, 4); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestRegistration refuses clients and users that must not be.
func TestRegistration(t *testing.T) {
	f := open(t, nil)
	for _, c := range []smart.Client{
		{ID: "", RedirectURIs: []string{callback}},
		{ID: "a:b", RedirectURIs: []string{callback}},
		{ID: "x"},
		{ID: "x", Secret: "short"},
		{ID: "x", RedirectURIs: []string{"http://app.example/"}},
		{ID: "x", RedirectURIs: []string{"https://app.example/#x"}},
		{ID: "x", RedirectURIs: []string{"https://user@app.example/"}},
		{ID: "x", RedirectURIs: []string{"https://*.example/"}},
		{ID: "x", RedirectURIs: []string{"https://app.example/a/../b"}},
		{ID: "x", RedirectURIs: []string{"javascript:alert(1)"}},
		{ID: "x", RedirectURIs: []string{"/callback"}},
		{ID: "x", RedirectURIs: []string{callback}, Scope: "patient/Nonsense.rs"},
		{ID: "x", RedirectURIs: []string{callback}, Lifetime: 1 << 20},
		{ID: "x", JWKSURI: "http://keys.example/"},
		{ID: "x", Secret: secret, JWKSURI: "https://keys.example/"},
	} {
		if err := smart.SaveClient(t.Context(), f.store, c); err == nil {
			t.Errorf("%+v is registered", c)
		}
	}
	for _, r := range []string{"http://127.0.0.1:1234/cb", "http://localhost/cb", "org.example.app:/cb", "https://app.example/cb?x=1"} {
		if err := smart.SaveClient(t.Context(), f.store, smart.Client{ID: "x", RedirectURIs: []string{r}}); err != nil {
			t.Error(err)
		}
	}
	for _, u := range []smart.User{{Name: "", FHIRUser: "Patient/1"}, {Name: "x", FHIRUser: "Patient"}, {Name: "x", FHIRUser: "Device/1"}, {Name: "x", FHIRUser: "Patient/a b"}, {Name: "ada", FHIRUser: "Patient/1"}} {
		if err := smart.AddUser(t.Context(), f.store, u, password, 4); err == nil {
			t.Errorf("%+v is added", u)
		}
	}
	for _, p := range []string{"short", strings.Repeat("p", 73)} {
		if err := smart.AddUser(t.Context(), f.store, smart.User{Name: "new", FHIRUser: "Patient/1"}, p, 4); err == nil {
			t.Errorf("the password %q is taken", p)
		}
	}
}
