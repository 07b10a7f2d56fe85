package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// suite runs the tests of the backend in ./backend, which is a module of its own and sees what is exported, as any other module does.
func suite(t *testing.T, env ...string) (string, error) {
	t.Helper()
	c := exec.Command("go", "test", "-short", "-count=1", "./...")
	c.Dir = "backend"
	c.Env = append(append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod"), env...)
	out, err := c.CombinedOutput()
	return string(out), err
}

// TestA2: a backend that was written outside of the module passes the suite, and a broken one fails and is told why.
func TestA2(t *testing.T) {
	if out, err := suite(t); err != nil {
		t.Errorf("the backend does not pass: %v\n%s", err, out)
	}
	out, err := suite(t, "BROKEN=1")
	if err == nil {
		t.Fatal("the broken backend passes")
	}
	for _, want := range []string{"TestBackend/seeds/test_filter_patients_by_name", `filter [{name EQUAL`, `["Jane" "Joe"]; want ["Joe"]`} {
		if !strings.Contains(out, want) {
			t.Errorf("the suite does not say %s of the broken backend:\n%.2000s", want, out)
		}
	}
}
