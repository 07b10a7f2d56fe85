package main

import (
	"bufio"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hob-fhir/hob/connect"
	"github.com/hob-fhir/hob/connect/noteworthtest"
)

// partner is a partner API, and a file of sources that names it.
func partner(t *testing.T, more string) (*noteworthtest.Partner, string) {
	t.Helper()
	p := &noteworthtest.Partner{List: noteworthtest.Clinicians()[:3], Rand: rand.New(rand.NewPCG(1, 1))}
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	return p, file(t, "sources.yaml", "sources:\n- {name: partner, kind: noteworth, url: '"+s.URL+"', backoff: 1ms, max-wait: 2ms"+more+"}\n- {name: later, kind: csv, file: later.csv}\n")
}

// TestImportLocal imports into a store: C2 and C6 as the command line shows them.
func TestImportLocal(t *testing.T) {
	p, sources := partner(t, "")
	store := "badger:" + filepath.Join(t.TempDir(), "store")
	run := func(code int, args ...string) ran {
		t.Helper()
		r := hob(t, nil, nil, append([]string{"import", "--store", store, "--imports", sources}, args...)...)
		if r.code != code {
			t.Fatalf("hob import %q: exit code %d, want %d\n%s%s", args, r.code, code, r.out, r.err)
		}
		return r
	}
	said := func(r ran, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(r.out+r.err, w) {
				t.Errorf("it lacks %q: %s%s", w, r.out, r.err)
			}
		}
	}
	five := noteworthtest.Status500
	p.Script(nil, []noteworthtest.Outcome{five, noteworthtest.HalfBody, five})
	r := run(1, "partner", "--json")
	var report connect.Report
	if err := json.Unmarshal([]byte(r.out), &report); err != nil || len(report.Attempts) != 4 || report.Attempts[2].Outcome == "ok" || report.Error == "" || report.Created != 0 {
		t.Errorf("the report is %s (%v)", r.out, err)
	}
	if n := p.Calls("/providers"); n != 3 {
		t.Errorf("%d calls, want 3", n)
	}
	said(run(0, "--list"), "partner", "later", "csv", "failed: GET /providers failed 3 times")
	said(run(0, "partner", "--dry-run"), "would be 3 created", "Dr. Ada Okafor (Harbour Street Clinic)")
	said(run(0, "partner"), "3 created, 0 updated, 0 unchanged", "GET /providers")
	p.List[1].Title = "NP"
	said(run(0, "partner"), "0 created, 1 updated, 2 unchanged", `Practitioner.qualification: [{"code":{"text":"PA"}}] -> [{"code":{"text":"NP"}}]`)
	said(run(80, "partners"), `no source is named "partners"; known are partner, later`)
	said(run(1, "later"), "later.csv")
	said(run(80), "either the name of a source")
	sound(t, store)
	if r := hob(t, nil, nil, "import", "x", "--store", store, "--imports", file(t, "bad.yaml", "sources:\n- name: x\n  kind: csv\n  fil: x.csv\n")); r.code != 80 || !strings.Contains(r.err, ":4: fil is no key") {
		t.Errorf("a bad file: %d %s", r.code, r.err)
	}
}

// TestImportRemote has a server import: when it is asked, and on its schedule.
func TestImportRemote(t *testing.T) {
	p, sources := partner(t, ", timeout: 20s, import-every: 1h")
	asked := make(chan string, 100)
	p.Hook = func(path string, o noteworthtest.Outcome) {
		if o == noteworthtest.Hang {
			asked <- path
		}
	}
	p.Script([]noteworthtest.Outcome{noteworthtest.Hang}, nil)
	s := serving(t, "badger::memory:", "--imports", sources)
	run := func(code int, args ...string) ran {
		t.Helper()
		r := hob(t, nil, nil, append([]string{"import", "--url", s.base}, args...)...)
		if r.code != code {
			t.Fatalf("hob import %q: exit code %d, want %d\n%s%s", args, r.code, code, r.out, r.err)
		}
		return r
	}
	post := func(body string) (int, string, string) {
		t.Helper()
		res, err := http.Post(s.base+"/$import-clinicians", "application/fhir+json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var o struct {
			Issue []struct{ Diagnostics string }
		}
		json.NewDecoder(res.Body).Decode(&o)
		says := ""
		if len(o.Issue) > 0 {
			says = o.Issue[0].Diagnostics
		}
		return res.StatusCode, res.Header.Get("Content-Location"), says
	}
	of := func(source string) string {
		return `{"resourceType":"Parameters","parameter":[{"name":"source","valueString":"` + source + `"}]}`
	}
	// One that hangs is cancelled by deleting its place; while it goes on no other of its source begins.
	status, place, says := post(of("partner"))
	if status != 202 || !strings.HasPrefix(place, s.base+"/_async/") {
		t.Fatalf("%d %s %s", status, place, says)
	}
	<-asked
	if status, _, says := post(of("partner")); status != 409 || !strings.Contains(says, "already") {
		t.Errorf("a second import of it: %d %s", status, says)
	}
	if status, _, _ := call("DELETE", place, ""); status != 202 {
		t.Errorf("cancelled: %d", status)
	}
	s.until("the import has stopped", func() bool {
		_, body, _ := call("GET", s.base+"/$import-sources", "")
		return strings.Contains(string(body), "valueCode\":\"failed") && !strings.Contains(string(body), `"running","valueBoolean":true`)
	})
	r := run(0, "partner", "--json")
	var report connect.Report
	if err := json.Unmarshal([]byte(r.out), &report); err != nil || report.Created != 3 || len(report.People) != 3 || len(report.Attempts) != 2 || report.Attempts[1].Status != 200 {
		t.Errorf("the report is %s (%v)", r.out, err)
	}
	if b := s.find("/Practitioner?family=okafor"); len(b.Entry) != 3 {
		t.Errorf("%d people", len(b.Entry))
	}
	p.List[0].Title = "NP"
	if r := run(0, "partner", "--dry-run"); !strings.Contains(r.out, "would be 0 created, 1 updated") || !strings.Contains(r.out, "Practitioner.name") {
		t.Errorf("%s", r.out)
	}
	p.Script(nil, []noteworthtest.Outcome{noteworthtest.Reset, noteworthtest.Text200, noteworthtest.Status500})
	if r := run(1, "partner"); !strings.Contains(r.out, "failed 3 times") || !strings.Contains(r.out, "a text, not JSON") {
		t.Errorf("%s", r.out)
	}
	if r := run(0, "--list"); !strings.Contains(r.out, "1h0m0s") || !strings.Contains(r.out, "failed") || !strings.Contains(r.out, "never") {
		t.Errorf("%s", r.out)
	}
	if r := run(80, "nobody"); !strings.Contains(r.err, "known are partner, later") {
		t.Errorf("%s", r.err)
	}
	for body, want := range map[string]string{
		``: "", `{"resourceType":"Parameters"}`: "source is missing", `{"resourceType":"Patient"}`: "Parameters",
		`{"resourceType":"Parameters","parameter":[{"name":"source","valueString":"partner"},{"name":"force","valueBoolean":true}]}`: "not known",
		`{"resourceType":"Parameters","parameter":[{"name":"source","valueBoolean":true}]}`:                                          "another type",
	} {
		if status, _, says := post(body); status != 400 || !strings.Contains(says, want) {
			t.Errorf("%s is answered %d %s", body, status, says)
		}
	}
	for _, token := range p.Tokens() {
		if strings.Contains(s.logged(), token) {
			t.Errorf("the log tells a token")
		}
	}
	s.stop()

	bare := serving(t, "badger::memory:")
	if r := hob(t, nil, nil, "import", "--url", bare.base, "partner"); r.code != 1 || !strings.Contains(r.err, "without --imports") {
		t.Errorf("a server without sources: %d %s", r.code, r.err)
	}
}

// TestImportScheduled waits for a server to import by itself.
func TestImportScheduled(t *testing.T) {
	_, sources := partner(t, ", import-every: 1s")
	s := serving(t, "badger::memory:", "--imports", sources)
	s.until("people are there", func() bool { return len(s.find("/Practitioner").Entry) == 3 })
	s.stop()
}

const clinicianImport = "../../examples/clinician-import"

// TestClinicianImportExample runs the commands of examples/clinician-import/README.md as they are written, but for the addresses, against the
// partner API beside it.
func TestClinicianImportExample(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(clinicianImport, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	sources, err := os.ReadFile(filepath.Join(clinicianImport, "sources.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	binary := filepath.Join(dir, "partner")
	if out, err := exec.Command("go", "build", "-o", binary, clinicianImport).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	api := exec.Command(binary, "--listen", "127.0.0.1:0", "--seed", "6")
	pipe, err := api.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := api.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		api.Process.Kill()
		api.Wait()
	}()
	line, err := bufio.NewReader(pipe).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address := strings.TrimSpace(line[strings.Index(line, "http://")+len("http://"):])
	file := filepath.Join(dir, "sources.yaml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(sources), "127.0.0.1:18090", address)), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serving(t, "badger::memory:", "--imports", file)
	shim := command(t, nil, "version")
	env := append(shim.Env, "HOB_URL="+s.base, "PATH="+dir+":"+os.Getenv("PATH"))
	if err := os.Symlink(program, filepath.Join(dir, "hob")); err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 6 {
		t.Fatalf("the page has only %d blocks of commands", len(blocks))
	}
	for i, b := range blocks[2:] { // the first two start what is started above
		text := strings.ReplaceAll(b[1], "http://127.0.0.1:8080/fhir", s.base)
		text = strings.ReplaceAll(text, "examples/clinician-import/sources.yaml", file)
		c := exec.Command("bash", "-euo", "pipefail", "-c", text)
		c.Env, c.Dir = env, dir
		begun := time.Now()
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("block %d, after %s: %v\n%s\n%s", i+3, time.Since(begun), err, text, out)
		}
		t.Logf("block %d\n%s", i+3, out)
	}
	if b := s.find("/Practitioner?_count=100"); len(b.Entry) != 20 {
		t.Errorf("in the end there are %d people, want 20", len(b.Entry))
	}
	s.stop()
}
