// Package clients tests Hob with clients that others wrote: it installs each from its registry and runs its example on hob serve.
package clients

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// example is a program in a directory of its own that gets the FHIR base as its last argument.
type example struct {
	dir   string
	tools []string   // that must be installed
	make  [][]string // commands that install what it needs into the directory
	run   []string
	soak  bool // only with HOB_SOAK: its libraries are hundreds of files
}

var examples = []example{
	{
		dir:   "fhir-kit-client",
		tools: []string{"node", "npm"},
		make:  [][]string{{"npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"}},
		run:   []string{"node", "main.mjs"},
	},
	{
		dir:   "fhirpy",
		tools: []string{"python3"},
		make: [][]string{
			{"python3", "-m", "venv", "venv"},
			{"venv/bin/pip", "install", "--quiet", "--no-compile", "--only-binary", ":all:", "--disable-pip-version-check", "-r", "requirements.txt"},
		},
		run: []string{"venv/bin/python", "main.py"},
	},
	{
		dir:   "hapi",
		tools: []string{"java", "mvn"},
		make:  [][]string{{"mvn", "--batch-mode", "--quiet", "compile"}},
		run:   []string{"mvn", "--batch-mode", "--quiet", "exec:java"},
		soak:  true,
	},
}

// steps is how many things every example does; it says ok after each.
const steps = 7

// TestClients runs every example on one server, each in a copy of its directory.
func TestClients(t *testing.T) {
	if testing.Short() {
		t.Skip("the clients are installed from their registries; not with -short")
	}
	base := serve(t)
	for _, e := range examples {
		t.Run(e.dir, func(t *testing.T) {
			if e.soak && os.Getenv("HOB_SOAK") == "" {
				t.Skip("only with HOB_SOAK=1")
			}
			for _, tool := range e.tools {
				if _, err := exec.LookPath(tool); err != nil {
					if os.Getenv("CI") == "true" {
						t.Fatalf("%v; CI must run this test", err)
					}
					t.Skipf("NOT TESTED: %s, because there is no %s", e.dir, tool)
				}
			}
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(e.dir)); err != nil {
				t.Fatal(err)
			}
			for _, words := range e.make {
				run(t, dir, words)
			}
			words := append(e.run, base)
			if e.run[0] == "mvn" {
				words = append(e.run, "-Dexec.args="+base)
			}
			if out := run(t, dir, words); strings.Count("\n"+out, "\nok ") < steps {
				t.Errorf("it does less than its %d steps:\n%s", steps, out)
			}
		})
	}
}

// TestPinned: what an example needs is named with its exact version, and no file tells an address to load it from.
func TestPinned(t *testing.T) {
	for file, pins := range map[string][]string{
		"fhir-kit-client/package.json": {`"fhir-kit-client": "2.0.3"`},
		"fhirpy/requirements.txt":      {"fhirpy==2.3.1", "fhir.resources==8.3.0"},
		"hapi/pom.xml":                 {"<hapi.version>8.8.0</hapi.version>"},
	} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, pin := range pins {
			if !strings.Contains(string(b), pin) {
				t.Errorf("%s does not have %s", file, pin)
			}
		}
	}
	for _, pattern := range []string{"*/package-lock.json", "*/node_modules", "*/venv", "*/target"} {
		if found, err := filepath.Glob(pattern); err != nil || len(found) > 0 {
			t.Errorf("%q is no part of an example (%v)", found, err)
		}
	}
}

// run runs a command in a directory and returns what it wrote.
func run(t *testing.T, dir string, words []string) string {
	t.Helper()
	if strings.Contains(words[0], "/") {
		words = append([]string{filepath.Join(dir, words[0])}, words[1:]...)
	}
	c := exec.CommandContext(t.Context(), words[0], words[1:]...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", words, err, out)
	}
	return string(out)
}

// serve builds hob, starts it on an empty store, for everyone, and returns its FHIR base.
func serve(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "hob")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/hob-fhir/hob/cmd/hob").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	c := exec.Command(binary, "serve", "--listen", "127.0.0.1:0", "--store", "badger::memory:", "--log-format", "json", "--drain", "0s", "--auth", "off")
	c.Dir = t.TempDir()
	log, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(log)
	ended := make(chan struct{})
	t.Cleanup(func() {
		if err := c.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		<-ended
		if err := c.Wait(); err != nil {
			t.Errorf("hob serve: %v", err)
		}
	})
	var told []string
	for lines.Scan() {
		told = append(told, lines.Text())
		var line struct{ Msg, Base string }
		if err := json.Unmarshal(lines.Bytes(), &line); err == nil && line.Msg == "listening" {
			go func() {
				defer close(ended)
				for lines.Scan() { // a log that nobody reads would stop the server
				}
			}()
			return line.Base
		}
	}
	close(ended)
	t.Fatalf("hob serve ended: %s", strings.Join(told, "\n"))
	return ""
}
