// Package smartapp tests the embedded authorization server with a SMART app on npm's fhirclient, in a headless Chromium that signs in,
// consents and takes back as people do.
package smartapp

import (
	"bufio"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// steps are what drive.mjs says ok to.
const steps = 8

const password = "correct horse battery"

// TestApp launches the app standalone as a patient and as a clinician, and from an EHR. HOB_TEST_SCREENSHOTS names a directory for pictures of
// every page.
func TestApp(t *testing.T) {
	if testing.Short() {
		t.Skip("the app is installed from its registry; not with -short")
	}
	browser := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			browser = path
			break
		}
	}
	_, nodeErr := exec.LookPath("npm")
	if browser == "" || nodeErr != nil {
		if os.Getenv("CI") == "true" || os.Getenv("HOB_REQUIRE_BROWSER") != "" {
			t.Fatalf("a browser (%q) and npm (%v) are needed; CI must run this test", browser, nodeErr)
		}
		t.Skipf("NOT TESTED: there is no browser (%q) or no npm (%v)", browser, nodeErr)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "", "npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts")
	hob := filepath.Join(dir, "hob")
	run(t, ".", "", "go", "build", "-o", hob, "github.com/hob-fhir/hob/cmd/hob")

	store := "badger:" + filepath.Join(dir, "store")
	port := free(t)
	redirect := "http://127.0.0.1:" + strconv.Itoa(port) + "/"
	run(t, dir, "", hob, "load", "--store", store, filepath.Join("..", "..", "cmd", "hob", "demo.ndjson"))
	for name, who := range map[string]string{"ada": "Patient/demo-ada", "grace": "Practitioner/demo-grace"} {
		run(t, dir, password, hob, "user", "add", "--store", store, name, who)
	}
	run(t, dir, "", hob, "client", "add", "--store", store, "weights", "--name", "Weights", "--redirect-uri", redirect)
	made := run(t, dir, "", hob, "client", "add", "--store", store, "ehr", "--secret", "--scope", "system/*.rs hob/launch")
	_, secret, _ := strings.Cut(made, "client_secret")
	secret, _, _ = strings.Cut(strings.TrimSpace(secret), "\n")

	auth := filepath.Join(dir, "auth.yaml")
	if err := os.WriteFile(auth, []byte("embedded: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	base := serve(t, hob, "--store", store, "--auth", auth, "--origins", strings.TrimSuffix(redirect, "/"))
	told, err := json.Marshal(map[string]any{
		"base": base, "port": port, "chromium": browser, "client": "weights", "password": password, "ehr": "ehr", "secret": secret,
		"shots": os.Getenv("HOB_TEST_SCREENSHOTS"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if out := run(t, dir, "", "node", "drive.mjs", string(told)); strings.Count("\n"+out, "\nok ") != steps {
		t.Errorf("it does other than its %d steps:\n%s", steps, out)
	}
}

// TestPinned: what the app needs is named with its exact version.
func TestPinned(t *testing.T) {
	b, err := os.ReadFile("package.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, pin := range []string{`"fhirclient": "2.6.3"`, `"puppeteer-core": "25.16.0"`} {
		if !strings.Contains(string(b), pin) {
			t.Errorf("package.json does not have %s", pin)
		}
	}
}

// free is a port that nobody listens on.
func free(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func run(t *testing.T, dir, stdin string, words ...string) string {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range words {
		if strings.HasPrefix(w, "..") {
			words[i] = filepath.Join(here, w)
		}
	}
	c := exec.CommandContext(t.Context(), words[0], words[1:]...)
	c.Dir, c.Stdin = dir, strings.NewReader(stdin)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", words, err, out)
	}
	return string(out)
}

// serve starts hob and returns its FHIR base.
func serve(t *testing.T, hob string, args ...string) string {
	t.Helper()
	c := exec.Command(hob, append([]string{"serve", "--listen", "127.0.0.1:0", "--log-format", "json", "--drain", "0s", "--min-free", "1MiB"}, args...)...)
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
