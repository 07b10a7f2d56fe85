package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// TestKeeping keeps users and clients in a store that no server has open, and then serves it: what is made by the verbs is good.
func TestKeeping(t *testing.T) {
	dir := t.TempDir()
	store := "--store=badger:" + filepath.Join(dir, "store")
	password := strings.NewReader
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private := jose.JSONWebKey{Key: key, KeyID: "k1", Algorithm: "ES384", Use: "sig"}
	write := func(name string, v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return file(t, name, string(b))
	}
	privateFile, publicFile := write("private.jwk", private), write("public.jwks", jose.JSONWebKeySet{Keys: []jose.JSONWebKey{private.Public()}})

	secret := ""
	for _, c := range []struct {
		stdin string
		args  []string
		code  int
		say   string // of what is told
	}{
		{"", []string{"user", "list"}, 1, "no such file"},
		{"", []string{"token", "--scope=system/*.rs"}, 1, "no such file"},
		{"correct horse battery\n", []string{"user", "add", "ada", "Patient/1", "--display=Ada Lovelace"}, 0, "added ada"},
		{"correct horse battery\n", []string{"user", "add", "ada", "Patient/1"}, 1, "there is one already"},
		{"correct horse battery\n", []string{"user", "add", "bob", "Device/1"}, 1, "must be a Patient, Practitioner or RelatedPerson"},
		{"short\n", []string{"user", "add", "bob", "Patient/2"}, 1, "10 to 72 bytes"},
		{"", []string{"user", "add", "bob", "Patient/2"}, 1, "standard input is empty"},
		{"", []string{"user", "list"}, 0, "Ada Lovelace"},
		{"another password\n", []string{"user", "passwd", "ada"}, 0, ""},
		{"another password\n", []string{"user", "passwd", "eve"}, 1, "no such user"},
		{"", []string{"user", "remove", "eve"}, 1, "no such user"},
		{"", []string{"client", "add", "app", "--redirect-uri=https://app.example/cb,x"}, 0, "launch/patient"},
		{"", []string{"client", "add", "app", "--redirect-uri=http://app.example/cb"}, 1, "use https"},
		{"", []string{"client", "add", "mpi", "--secret", "--scope=system/Patient.cruds"}, 0, "client_secret"},
		{"", []string{"client", "add", "warehouse", "--jwks=" + publicFile}, 0, "system/*.rs"},
		{"", []string{"client", "add", "warehouse", "--jwks=" + privateFile}, 1, "its jwks has no keys"},
		{"", []string{"client", "add", "gone", "--secret"}, 0, ""},
		{"", []string{"client", "remove", "gone"}, 0, ""},
		{"", []string{"client", "remove", "gone"}, 1, "not found"},
		{"", []string{"client", "list"}, 0, "https://app.example/cb,x"},
	} {
		r := hob(t, password(c.stdin), nil, append(c.args, store)...)
		if r.code != c.code || !strings.Contains(r.out+r.err, c.say) {
			t.Errorf("hob %s: exit code %d, want %d and %q: %s%s", c.args, r.code, c.code, c.say, r.out, r.err)
		}
		if _, after, ok := strings.Cut(r.out, "client_secret"); ok && c.args[2] == "mpi" {
			secret, _, _ = strings.Cut(strings.TrimSpace(after), "\n")
		}
	}

	auth := file(t, "auth.yaml", "embedded:\n  clients: "+file(t, "clients.yaml", "- client_id: listed\n  client_secret: a-secret-that-is-long-enough\n  scope: system/Patient.r\n")+"\n")
	s := serving(t, "badger:"+filepath.Join(dir, "store"), "--auth", auth)
	base := s.base
	s.stop()
	r := hob(t, nil, nil, "token", store, "--url="+base, "--scope=system/Patient.rs", "--life=10m")
	if r.code != 0 {
		t.Fatalf("hob token: %s", r.err)
	}
	minted := strings.TrimSpace(r.out)
	s = serving(t, "badger:"+filepath.Join(dir, "store"), "--auth", auth, "--listen", strings.TrimSuffix(strings.TrimPrefix(base, "http://"), "/fhir"))
	tokens := map[string]string{"minted": minted}
	for name, c := range map[string]struct{ env, args []string }{
		"by secret":      {[]string{"HOB_CLIENT_SECRET=" + secret}, []string{"--client=mpi", "--scope=system/Patient.rs"}},
		"by key":         {nil, []string{"--client=warehouse", "--key=" + privateFile, "--scope=system/Patient.rs"}},
		"from the file":  {[]string{"HOB_CLIENT_SECRET=a-secret-that-is-long-enough"}, []string{"--client=listed", "--scope=system/Patient.r"}},
		"wrong secret":   {[]string{"HOB_CLIENT_SECRET=wrong"}, []string{"--client=mpi"}},
		"nothing at all": {nil, []string{"--client=mpi"}},
	} {
		r := hob(t, nil, c.env, append([]string{"token", "--url=" + s.base}, c.args...)...)
		bad := name == "wrong secret" || name == "nothing at all"
		if (r.code != 0) != bad {
			t.Errorf("hob token, %s: exit code %d: %s", name, r.code, r.err)
		}
		if !bad {
			tokens[name] = strings.TrimSpace(r.out)
		}
	}
	for name, token := range tokens {
		res, body := bearing(t, http.DefaultClient, http.MethodGet, s.base+"/Patient/none", "", token)
		if res.StatusCode != http.StatusNotFound {
			t.Errorf("with the token %s: %d %s", name, res.StatusCode, body)
		}
	}
	if strings.Contains(s.logged(), secret) || strings.Contains(s.logged(), minted) {
		t.Error("a secret is in the log")
	}
	s.stop()
}

// TestDevelopment starts a server as hob serve does by itself.
func TestDevelopment(t *testing.T) {
	store := "badger:" + filepath.Join(t.TempDir(), "store")
	s := serving(t, store, "--auth", "dev")
	r := hob(t, nil, nil, "token", "--url", s.base)
	if r.code != 0 {
		t.Fatalf("hob token: %s", r.err)
	}
	token := strings.TrimSpace(r.out)
	ask := func(path, token string) (int, string) {
		res, body := bearing(t, http.DefaultClient, http.MethodGet, s.base+path, "", token)
		return res.StatusCode, body
	}
	if status, body := ask("/Patient", token); status != http.StatusOK || !strings.Contains(body, "Lovelace") || !strings.Contains(body, `"total":2`) {
		t.Errorf("with the token: %d %s", status, body)
	}
	if status, _ := ask("/Patient", ""); status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", status)
	}
	for path, want := range map[string]string{
		"/metadata": "SMART-on-FHIR", "/.well-known/smart-configuration": "launch-standalone", "/.well-known/openid-configuration": s.base + "/auth/jwks",
		"/auth/grants": "Sign in",
	} {
		if status, body := ask(path, ""); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if path, err := readyFile(s.base); err != nil {
		t.Error(err)
	} else if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file with the token: %v (%v)", info.Mode(), err)
	}
	if strings.Contains(s.logged(), token) {
		t.Error("the token is in the log")
	}
	if load := hob(t, strings.NewReader(`{"resourceType":"Patient","id":"more"}`), nil, "load", "--url", s.base, "--token", token, "-"); load.code != 0 {
		t.Errorf("hob load: %d %s", load.code, load.err)
	}
	if load := hob(t, strings.NewReader(`{"resourceType":"Patient"}`), nil, "load", "--url", s.base, "-"); load.code != 1 || !strings.Contains(load.err, "who is asking") {
		t.Errorf("hob load without a token: %d %s", load.code, load.err)
	}
	base := s.base
	s.stop()

	// In earnest, on the same store and at the same place: the token of development is none.
	s = serving(t, store, "--auth", file(t, "auth.yaml", "embedded: {}\n"), "--listen", strings.TrimSuffix(strings.TrimPrefix(base, "http://"), "/fhir"))
	if status, body := ask("/Patient", token); s.base != base || status != http.StatusUnauthorized {
		t.Errorf("the token of development, in earnest: %d %s", status, body)
	}
	s.stop()
	if r := hob(t, nil, nil, "token", "--url", "http://127.0.0.1:1/fhir"); r.code != 1 || !strings.Contains(r.err, "hob serve") {
		t.Errorf("a token of no server: %d %s", r.code, r.err)
	}
}
