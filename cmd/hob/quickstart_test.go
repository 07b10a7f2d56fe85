package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const quickstart = "../../examples/quickstart"

// TestQuickstart runs the scripts and the client of examples/quickstart as they are written, in their order, against one server.
func TestQuickstart(t *testing.T) {
	s := serving(t, "badger::memory:", "--auth", "dev")
	ready := hob(t, nil, nil, "token", "--url", s.base)
	if ready.code != 0 {
		t.Fatalf("hob token: %s", ready.err)
	}
	scripts, err := filepath.Glob(filepath.Join(quickstart, "*.sh"))
	if err != nil || len(scripts) != 4 {
		t.Fatalf("there are %d scripts, want 4 (%v)", len(scripts), err)
	}
	try := func(c *exec.Cmd, want []string) {
		t.Helper()
		c.Env = append(os.Environ(), "HOB_URL="+s.base, "HOB_TOKEN="+strings.TrimSpace(ready.out))
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", c.Args, err, out)
		}
		for _, w := range want {
			if !strings.Contains(string(out), w) {
				t.Errorf("%s lacks %q in what it tells: %s", c.Args, w, out)
			}
		}
	}
	for i, want := range [][]string{
		{"created Patient/", "Observation/quickstart-weight"},
		{`"family": "Quickstart"`, `"code": "29463-7"`, `"value": 61.50`},
		{"is answered 412", `"value": 62.5`, `"value": 61.50`, `"status": "amended"`},
		{"reading it is answered 410", `"value": 61.50`},
	} {
		path, err := filepath.Abs(scripts[i])
		if err != nil {
			t.Fatal(err)
		}
		c := exec.Command(path)
		c.Dir = t.TempDir()
		try(c, want)
		if left, err := os.ReadDir(c.Dir); err != nil || len(left) > 0 {
			t.Errorf("%s leaves files behind: %v (%v)", path, left, err)
		}
	}
	c := exec.Command("go", "run", ".")
	c.Dir = quickstart
	try(c, []string{"created Patient/", "found 1 with her identifier", "paged through 4 patients"})
	s.stop()
}
