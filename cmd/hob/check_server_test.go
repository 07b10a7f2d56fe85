package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestCheckServer tests a server that is right, one that is wrong, and one that is none.
func TestCheckServer(t *testing.T) {
	s := serving(t, "badger::memory:")
	r := hob(t, nil, nil, "check", s.base, "--match=^(read|vread)/")
	if r.code != 0 || !strings.Contains(r.out, "VERDICT") || !strings.Contains(r.out, "vread/each") || !strings.Contains(r.out, " 0 failed") || strings.Contains(r.out, "create/") {
		t.Errorf("exit code %d: %s%s", r.code, r.out, r.err)
	}
	wrong := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/fhir+json")
		w.Write([]byte(`{"resourceType":"Patient","id":"always"}`))
	}))
	defer wrong.Close()
	r = hob(t, nil, []string{"HOB_TOKEN=secret"}, "check", wrong.URL, "--match=^read/")
	if r.code != 1 || !strings.Contains(r.out, "fail ") || strings.Contains(r.out, " 0 failed") || !strings.Contains(r.err, "as FHIR wants") || strings.Contains(r.out, "401") {
		t.Errorf("exit code %d: %s%s", r.code, r.out, r.err)
	}
	for _, c := range []struct {
		args []string
		code int
		say  string
	}{
		{nil, 80, "what to check is missing"},
		{[]string{s.base, "--store=badger:x"}, 80, "not both at once"},
		{[]string{"--store=badger:x", "--match=x"}, 80, "scripts for a server"},
		{[]string{"http://127.0.0.1:1/fhir"}, 1, "127.0.0.1:1"},
		{[]string{s.base, "--match=("}, 1, "expression"},
		{[]string{s.base, "--match=^nothing"}, 1, "no script has a name that matches"},
	} {
		r := hob(t, nil, nil, append([]string{"check"}, c.args...)...)
		if r.code != c.code || !strings.Contains(r.err, c.say) || strings.Count(r.err, "\n") > 1 {
			t.Errorf("hob check %s: exit code %d, want %d and one line with %q: %s", c.args, r.code, c.code, c.say, r.err)
		}
	}
}
