package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const deviceReports = "../../examples/device-reports"

// free is an address on which nothing listens for the moment.
func free(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// soon waits until something holds.
func soon(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came to be that %s", what)
		}
	}
}

// answers asks for a status.
func (s *running) answers(path string, want int) bool {
	status, _, err := call(http.MethodGet, s.base+path, "")
	return err == nil && status == want
}

// TestD5: the primary is killed between the commit of reports and their delivery. Nothing is lost; an update and a deletion of what was
// delivered before the crash, made before and after it, reach the read side.
func TestD5(t *testing.T) {
	there := free(t)
	forward := file(t, "forward.yaml", "destinations:\n  - name: reports\n    url: http://"+there+"/fhir\n    criteria: [DiagnosticReport]\n")
	store, side := "badger:"+t.TempDir(), "badger:"+t.TempDir()
	primary := func() *running {
		return serving(t, store, "--auth", "off", "--forward", forward, "--pause", "50ms", "--grace", "1s", "--drain", "0s")
	}
	readSide := func() *running {
		return started(t, command(t, nil, "serve", "--auth", "off", "--listen", there, "--store", side, "--log-format", "json", "--min-free", "1MiB", "--drain", "0s"))
	}
	b, a := readSide(), primary()
	put := func(id, conclusion string) {
		t.Helper()
		status, answer, err := call(http.MethodPut, a.base+"/DiagnosticReport/"+id, fmt.Sprintf(`{"resourceType":"DiagnosticReport","id":%q,
			"status":"final","code":{"text":"x"},"conclusion":%q,"subject":{"reference":"Patient/ann"}}`, id, conclusion))
		if err != nil || status/100 != 2 {
			t.Fatalf("PUT %s: %d %v: %s", id, status, err, answer)
		}
	}
	if status, _, err := call(http.MethodPut, a.base+"/Patient/ann", `{"resourceType":"Patient","id":"ann"}`); err != nil || status != 201 {
		t.Fatal(status, err)
	}
	put("changed", "before")
	put("deleted", "before")
	soon(t, "the first are there", func() bool { return b.answers("/DiagnosticReport/deleted", 200) && b.answers("/Patient/ann", 200) })
	b.stop()
	for n := range 50 {
		put(fmt.Sprint("r", n), "new")
	}
	put("changed", "after")
	call(http.MethodDelete, a.base+"/DiagnosticReport/deleted", "")
	a.kill()
	a = primary()
	put("r49", "newer")
	a.kill()
	b, a = readSide(), primary()
	for n := range 50 {
		soon(t, fmt.Sprint("r", n, " is there"), func() bool { return b.answers(fmt.Sprint("/DiagnosticReport/r", n), 200) })
	}
	soon(t, "the deletion is there", func() bool { return b.answers("/DiagnosticReport/deleted", 410) })
	for path, want := range map[string]string{"/DiagnosticReport/changed": "after", "/DiagnosticReport/r49": "newer"} {
		soon(t, path+" is "+want, func() bool {
			_, answer, _ := call(http.MethodGet, b.base+path, "")
			return strings.Contains(string(answer), `"`+want+`"`)
		})
	}
	if n := len(b.find("/DiagnosticReport?patient=ann&_count=100").Entry); n != 51 {
		t.Errorf("%d reports are there under the patient, want 51", n)
	}
	r := hob(t, nil, nil, "forward", "--url", a.base)
	if r.code != 0 || !strings.Contains(r.out, "reports") || !strings.Contains(r.out, "0 dead letters") {
		t.Errorf("hob forward: exit code %d: %s%s", r.code, r.out, r.err)
	}
	if r := hob(t, nil, nil, "forward", "--url", a.base, "--replay"); r.code != 0 || !strings.Contains(r.out, "0 dead letters are sent again") {
		t.Errorf("hob forward --replay: exit code %d: %s%s", r.code, r.out, r.err)
	}
	a.stop()
	b.stop()
	sound(t, store)
}

// TestD7: the token of a customer shows him his own reports alone, newest first, in pages, with their results; a bad one is a 401.
func TestD7(t *testing.T) {
	i := newIssuer(t)
	const here = "https://reports.example/fhir"
	s := serving(t, "badger::memory:", "--base="+here, "--auth="+file(t, "auth.yaml", "issuers:\n  - url: "+i.URL+"\n    algorithms: [ES256]\n"))
	ask := func(method, path, body, token string, want int) string {
		t.Helper()
		res, answer := bearing(t, client, method, s.base+path, body, token)
		if res.StatusCode != want {
			t.Fatalf("%s %s: %d, want %d: %s", method, path, res.StatusCode, want, answer)
		}
		return answer
	}
	system := i.token(here, map[string]any{"scope": "system/*.cruds"})
	for _, p := range []string{"ann", "bob"} {
		ask("PUT", "/Patient/"+p, `{"resourceType":"Patient","id":"`+p+`"}`, system, 201)
		for n := 1; n <= 3; n++ {
			about := fmt.Sprintf(`"status":"final","code":{"text":"x"},"subject":{"reference":"Patient/%s"},"effectiveDateTime":"2026-11-0%d"`, p, n)
			ask("PUT", fmt.Sprintf("/Observation/%s-o%d", p, n), fmt.Sprintf(`{"resourceType":"Observation","id":"%s-o%d",%s}`, p, n, about), system, 201)
			ask("PUT", fmt.Sprintf("/DiagnosticReport/%s-r%d", p, n), fmt.Sprintf(`{"resourceType":"DiagnosticReport","id":"%s-r%d",%s,"result":[{"reference":"Observation/%s-o%d"}]}`, p, n, about, p, n), system, 201)
		}
	}
	ann := i.token(here, map[string]any{"scope": "patient/*.rs", "patient": "ann"})
	for _, query := range []string{"patient=ann&", ""} {
		page := ask("GET", "/DiagnosticReport?"+query+"_sort=-date&_count=2&_include=DiagnosticReport:result", "", ann, 200)
		at := []int{strings.Index(page, `"id":"ann-r3"`), strings.Index(page, `"id":"ann-r2"`)}
		if at[0] < 0 || at[1] < at[0] || strings.Contains(page, `"id":"ann-r1"`) || !strings.Contains(page, `"id":"ann-o3"`) || !strings.Contains(page, `"next"`) || strings.Contains(page, "bob") {
			t.Errorf("the first page is %s", page)
		}
		_, next, _ := strings.Cut(page, `"next","url":"`)
		next, _, _ = strings.Cut(next, `"`)
		if page = ask("GET", strings.TrimPrefix(next, here), "", ann, 200); !strings.Contains(page, `"id":"ann-r1"`) || strings.Contains(page, "bob") {
			t.Errorf("the second page is %s", page)
		}
	}
	if page := ask("GET", "/DiagnosticReport?patient=bob", "", ann, 200); strings.Contains(page, "bob-r") {
		t.Errorf("ann sees what is bob's: %s", page)
	}
	ask("GET", "/DiagnosticReport/bob-r1", "", ann, 404)
	ask("GET", "/DiagnosticReport?patient=ann", "", ann[:len(ann)-4]+"AAAA", 401)
	ask("GET", "/DiagnosticReport?patient=ann", "", "", 401)
	ask("GET", "/$forwarding", "", ann, 403)
	ask("POST", "/$forwarding-replay", "", ann, 403)
	ask("GET", "/$forwarding", "", system, 200)
	s.stop()
}

// TestCheckups loads what an uploader of device reports has, over HTTP and into a store, twice each. What a Patient says beside his name stays.
func TestCheckups(t *testing.T) {
	example, err := filepath.Abs(filepath.Join(deviceReports, "reports.json"))
	if err != nil {
		t.Fatal(err)
	}
	loads := func(into ...string) {
		t.Helper()
		for _, want := range []string{"10 resources, 10 written, 0 already", "10 resources, 0 written, 10 already"} {
			if r := hob(t, nil, nil, append([]string{"load", "--format", "checkups", example}, into...)...); r.code != 0 || !strings.Contains(r.out, want) {
				t.Fatalf("hob load: exit code %d, want %q: %s%s", r.code, want, r.out, r.err)
			}
		}
	}
	s := serving(t, "badger::memory:", "--auth", "off")
	loads("--url", s.base)
	for path, want := range map[string]int{
		"/Patient": 2, "/Device": 2, "/Observation": 3, "/DiagnosticReport": 3,
		"/DiagnosticReport?patient.identifier=urn:hob:checkup:username%7Cnora": 2, "/Observation?device.identifier=HC-411": 1,
	} {
		if n := len(s.find(path).Entry); n != want {
			t.Errorf("%s finds %d, want %d", path, n, want)
		}
	}
	id := s.find("/Patient?identifier=nora").Entry[0].Resource.ID
	if status, answer, err := call(http.MethodPut, s.base+"/Patient/"+id, `{"resourceType":"Patient","id":"`+id+`","birthDate":"1980-01-01"}`); err != nil || status != 200 {
		t.Fatal(status, string(answer), err)
	}
	if r := hob(t, nil, nil, "load", "--format", "checkups", "--url", s.base, example); r.code != 0 || !strings.Contains(r.out, " 0 written") {
		t.Errorf("a patient of whom more is known: %s%s", r.out, r.err)
	}
	for text, say := range map[string]string{
		`[{"checkup_type":"a","checkup_report":"b","checkup_for":"c","disease":"d"},{"checkup_type":"a","checkup_report":"b","disease":"d"}]`: "checkup 2: checkup_for is missing",
		`[{"checkup_typ":"a"}]`: "checkup 1: checkup_typ is no field of a checkup; the nearest is checkup_type",
		`[7]`:                   "checkup 1 is no object",
		`[`:                     "not JSON",
		`{"checkup_type":"a","checkup_report":["b"],"checkup_for":"c","disease":"d"}`: "checkup_report is neither",
		`[{"id":1,"machine":"m","checkup_type":"a","checkup_report":"b","checkup_for":"c","disease":"d"},{"id":1,"machine":"m","checkup_type":"a","checkup_report":"x","checkup_for":"c","disease":"d"}]`: "checkup 2: another",
	} {
		if r := hob(t, nil, nil, "load", "--format", "checkups", "--url", s.base, file(t, "bad.json", text)); r.code != 1 || !strings.Contains(r.err, say) {
			t.Errorf("%s: exit code %d, want %q: %s", text, r.code, say, r.err)
		}
	}
	if n := len(s.find("/DiagnosticReport").Entry); n != 3 {
		t.Errorf("%d reports are there after what was refused, want 3", n)
	}
	s.stop()
	loads("--store", "badger:"+t.TempDir())
}

// TestForwardFile reads files that must not be taken.
func TestForwardFile(t *testing.T) {
	for name, c := range map[string]struct{ text, say string }{
		"unknown key": {"destinations:\n  - name: a\n    uri: http://x\n", "line 3: uri is no key"},
		"nothing":     {"", "names no destinations"},
		"no criteria": {"destinations: [{name: a, url: http://127.0.0.1/fhir}]\n", "it has no criteria"},
		"twice":       {"destinations: [{name: a, url: http://127.0.0.1/fhir, criteria: [Patient]}, {name: a, url: http://127.0.0.1/b, criteria: [Patient]}]\n", "there twice"},
	} {
		r := hob(t, nil, nil, "serve", "--auth=off", "--listen=127.0.0.1:0", "--store=badger::memory:", "--log-level=error", "--forward="+file(t, "forward.yaml", c.text))
		if r.code != 1 || !strings.Contains(r.err, c.say) {
			t.Errorf("%s: exit code %d, want %q: %s", name, r.code, c.say, r.err)
		}
	}
	if r := hob(t, nil, nil, "serve", "--auth=off", "--listen=127.0.0.1:0", "--store=badger::memory:", "--log-level=error", "--destinations=http://x"); r.code != 1 || !strings.Contains(r.err, "is no destination") {
		t.Errorf("destinations: exit code %d: %s", r.code, r.err)
	}
}

// TestDeviceReports runs the commands of examples/device-reports/README.md as they are written, but for the ports.
func TestDeviceReports(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(deviceReports, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	script := "set -eu\ntrap 'kill ${primary:-} ${reports:-} 2>/dev/null || true' EXIT\n"
	for i, block := range strings.Split(string(page), "```sh\n") {
		if i > 0 {
			block, _, _ = strings.Cut(block, "```\n")
			script += block + "\n"
		}
	}
	script = strings.NewReplacer("127.0.0.1:8091", free(t), "127.0.0.1:8092", free(t)).Replace(script)
	dir := t.TempDir()
	reports, err := os.ReadFile(filepath.Join(deviceReports, "reports.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "reports.json"), reports, 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("timeout", "120", "bash", "-c", script)
	c.Dir = dir
	c.Env = append(os.Environ(), "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"))
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"10 resources, 10 written", "10 resources, 0 written", "zoe", "201 Created\n", "200 OK\n", "DiagnosticReport: Blood pressure, ALL FINE. 120/80\nDiagnosticReport: Eye pressure, RAISED. 24.5",
		"Observation: Eye pressure, RAISED. 24.5", "0 dead letters", "DiagnosticReport: Hearing, ALL FINE",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the walk-through lacks %q in what it tells:\n%s", want, out)
		}
	}
}
