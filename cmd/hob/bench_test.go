package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// measuredBy runs hob bench and reads what it wrote.
func measuredBy(t *testing.T, base string, args ...string) (ran, benchReport) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "bench.json")
	r := hob(t, nil, nil, append([]string{"bench", "--url", base, "--json", out}, args...)...)
	return r, written(t, out, r)
}

func written(t *testing.T, path string, r ran) (report benchReport) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: %s%s", err, r.out, r.err)
	}
	if err := json.Unmarshal(b, &report); err != nil {
		t.Fatal(err)
	}
	return report
}

// TestBench measures a server with numbers as small as can be, by both ways to load the set.
func TestBench(t *testing.T) {
	s := serving(t, "badger::memory:")
	for n, by := range []string{"transaction", "rest"} {
		r, report := measuredBy(t, s.base, "--pid", strconv.Itoa(s.Process.Pid), "--data=12x33", "--load="+by, "--requests=20", "--runs=2", "--clients=1,3")
		if report.Load.By != by || report.Load.Resources != 12*35 || report.Load.CPU <= 0 || report.Interrupted {
			t.Errorf("loaded by %s: %+v", by, report.Load)
		}
		code := 0
		var ids []string
		for _, w := range report.Workloads {
			ids = append(ids, w.ID+"/"+strconv.Itoa(w.Clients))
			m := w.Median
			if w.Fault != "" || m.Requests != 40 || m.Errors != 0 || len(m.Faults) != 0 || len(w.Runs) != 2 || w.Warmup == nil || w.Warmup.Requests != 20 {
				t.Errorf("%s: two runs of 20 requests without an error are right: %+v", w.ID, w)
			}
			if m.Rate <= 0 || m.P50 <= 0 || m.P50 > m.P90 || m.P90 > m.P99 || m.P99 > m.Max || m.Bytes <= 0 || m.Anon <= 0 {
				t.Errorf("%s: these figures cannot be: %+v", w.ID, m)
			}
			if i := slices.IndexFunc(workloads, func(x workload) bool { return x.id == w.ID }); workloads[i].writes != (m.ReadBack > 0) {
				t.Errorf("%s: %d writes were read back", w.ID, m.ReadBack)
			}
			if !strings.Contains(r.out, w.ID+" ") {
				t.Errorf("the table lacks %s: %s", w.ID, r.out)
			}
		}
		if want := "W3/1 W3/3 W4/1 W4/3 W7/1 W7/3 W8/1 W8/3 W9/1 W9/3 W1/1 W1/3 W2/1 W2/3 W5/1 W5/3 W6/1 W6/3"; strings.Join(ids, " ") != want {
			t.Errorf("measured are %v; %s is right", ids, want)
		}
		if r.code != code {
			t.Errorf("exit code %d, want %d: %s%s", r.code, code, r.out, r.err)
		}
		// A set that is loaded again has the same ids. What the workloads create comes on top: of W1 and W5, (1 probe + 3 runs of 20) by 2.
		if b := s.find("/Patient?_summary=count"); b.Total == nil || *b.Total != 12+(n+1)*2*2*61 {
			t.Errorf("after %d benches there are %d Patients; %d are right", n+1, *b.Total, 12+(n+1)*2*2*61)
		}
	}
}

// lie changes what a server answers. It gets the body of an answer with 2xx and gives another one.
type lie struct {
	name, workload, says string
	from                 int64 // how many answers are true before
	method               string
	change               func(t *testing.T, req *http.Request, body []byte) []byte
}

// entries changes the entries of a Bundle, and its total to match.
func entries(change func([]any) []any) func(*testing.T, *http.Request, []byte) []byte {
	return func(t *testing.T, _ *http.Request, body []byte) []byte {
		var b map[string]any
		if err := json.Unmarshal(body, &b); err != nil {
			t.Error(err)
		}
		list, _ := b["entry"].([]any)
		b["entry"] = change(list)
		if _, ok := b["total"]; ok {
			b["total"] = len(list)
		}
		out, err := json.Marshal(b)
		if err != nil {
			t.Error(err)
		}
		return out
	}
}

// TestLies puts a proxy before a server that changes its answers: every lie is found and said.
func TestLies(t *testing.T) {
	s := serving(t, "badger::memory:")
	if r, _ := measuredBy(t, s.base, "--data=12x33", "--workloads=W3", "--requests=1", "--runs=1"); r.code != 0 {
		t.Fatalf("loading: %s%s", r.out, r.err)
	}
	set, err := parseDataset("12x33", 1)
	if err != nil {
		t.Fatal(err)
	}
	other := s.get("/Patient/"+set.id('p', 0, 0), http.StatusOK)
	for _, l := range []lie{
		{"another patient", "W3", "and not Patient/", 0, "GET", func(*testing.T, *http.Request, []byte) []byte { return other }},
		{"another patient now and then", "W3", "and not Patient/", 10, "GET", func(*testing.T, *http.Request, []byte) []byte { return other }},
		{"another person under the id", "W3", "the identifiers of Patient/", 0, "GET", func(_ *testing.T, _ *http.Request, b []byte) []byte {
			return bytes.Replace(b, []byte(`"value":"H`), []byte(`"value":"h`), 1)
		}},
		{"no JSON", "W3", "no resource in JSON", 0, "GET", func(_ *testing.T, _ *http.Request, b []byte) []byte { return b[:len(b)-1] }},
		{"a match is missing", "W4", "found are ", 5, "GET", entries(func(e []any) []any { return e[1:] })},
		{"a match twice", "W4", "is found twice", 5, "GET", entries(func(e []any) []any { return append([]any{e[1]}, e[1:]...) })},
		{"of another patient", "W4", "is of Patient/nobody", 0, "GET", func(_ *testing.T, _ *http.Request, b []byte) []byte {
			return bytes.ReplaceAll(b, []byte(`"reference":"Patient/`), []byte(`"reference":"Patient/nobody`))
		}},
		{"a total too high", "W4", "the total is", 0, "GET", func(_ *testing.T, _ *http.Request, b []byte) []byte {
			return bytes.Replace(b, []byte(`"total":`), []byte(`"total":1`), 1)
		}},
		{"none of the family", "W7", "found are 0", 0, "GET", entries(func([]any) []any { return []any{} })},
		{"out of order", "W8", "in this order", 0, "GET", entries(func(e []any) []any { slices.Reverse(e); return e })},
		{"an entry less", "W5", "entries; transaction-response with 35", 0, "POST", entries(func(e []any) []any { return e[1:] })},
		{"a write that is not there", "W1", "after POST /Patient", 0, "GET", func(_ *testing.T, _ *http.Request, b []byte) []byte {
			return []byte(`{"resourceType":"Bundle","type":"searchset","total":0}`)
		}},
		{"an old version", "W6", "the telecom of Patient/", 0, "GET", func(t *testing.T, _ *http.Request, b []byte) []byte {
			return bytes.Replace(b, []byte(`"value":"555-`), []byte(`"value":"556-`), 1)
		}},
		{"another subject", "W2", "and not of Patient/", 0, "POST", func(_ *testing.T, _ *http.Request, b []byte) []byte {
			return bytes.Replace(b, []byte(`"reference":"Patient/`), []byte(`"reference":"Patient/x`), 1)
		}},
	} {
		t.Run(l.name, func(t *testing.T) {
			r, report := measuredBy(t, liar(t, s.root, l)+"/fhir", "--data=12x33", "--load=none", "--workloads="+l.workload, "--clients=2", "--requests=40", "--runs=1", "--no-warmup")
			if r.code != 1 || len(report.Workloads) != 1 {
				t.Fatalf("exit code %d, want 1: %+v %s%s", r.code, report, r.out, r.err)
			}
			w := report.Workloads[0]
			if told := w.Fault + strings.Join(w.Median.Faults, "\n"); !strings.Contains(told, l.says) || !strings.Contains(r.out, l.says) {
				t.Errorf("it should be told that %q: %q\n%s", l.says, told, r.out)
			}
			if (w.Fault == "") != (w.Median.Errors > 0) || l.from > 0 && w.Median.Errors == 0 {
				t.Errorf("%d errors in %d requests; %q", w.Median.Errors, w.Median.Requests, w.Fault)
			}
		})
	}
}

// liar is a proxy before a server that tells a lie.
func liar(t *testing.T, root string, l lie) string {
	to, err := url.Parse(root)
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	p := httputil.NewSingleHostReverseProxy(to)
	p.ModifyResponse = func(res *http.Response) error {
		if res.Request.Method != l.method || res.Request.URL.Path == "/fhir/metadata" || n.Add(1) <= l.from {
			return nil
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			return err
		}
		body = l.change(t, res.Request, body)
		res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		res.Header.Set("Content-Length", strconv.Itoa(len(body)))
		return nil
	}
	web := httptest.NewServer(p)
	t.Cleanup(web.Close)
	return web.URL
}

// TestBenchInterrupted ends a bench that would go on for ever: what was measured is told.
func TestBenchInterrupted(t *testing.T) {
	s := serving(t, "badger::memory:")
	out := filepath.Join(t.TempDir(), "bench.json")
	c := command(t, nil, "bench", "--url", s.base, "--data=4x4", "--clients=2", "--workloads=W3,W6", "--requests=10", "--runs=1000000", "--json", out)
	var stdout bytes.Buffer
	c.Stdout = &stdout
	stderr, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var last string
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		if last = lines.Text(); strings.Contains(last, "run 3 of") {
			if err := c.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
		}
	}
	c.Wait()
	r := ran{c.ProcessState.ExitCode(), stdout.String(), last}
	if report := written(t, out, r); r.code != 1 || !report.Interrupted || len(report.Workloads) != 1 || len(report.Workloads[0].Runs) < 2 {
		t.Errorf("exit code %d, want 1, and W3 with the runs that were made: %+v", r.code, report)
	}
	if !strings.Contains(r.out, "interrupted") || !strings.Contains(r.out, "W3 ") || !strings.HasSuffix(last, "interrupted") {
		t.Errorf("it should be told that the bench was interrupted: %s%s", r.out, last)
	}
}

// TestBenchRefused gives bench what it cannot measure. Each says why in one line.
func TestBenchRefused(t *testing.T) {
	nobody := "--url=http://127.0.0.1:1/fhir"
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }))
	defer page.Close()
	for _, c := range []struct {
		args []string
		code int
		say  string
	}{
		{[]string{nobody}, 1, "no server answers"},
		{[]string{"--url=" + page.URL}, 1, "no CapabilityStatement"},
		{[]string{"--url=ehr.example"}, 80, "a FHIR base is needed"},
		{[]string{nobody, "--pid=999999999"}, 1, "pid 999999999: there is no such process"},
		{[]string{nobody, "--data=1x1"}, 1, "two patients are the least"},
		{[]string{nobody, "--data=L"}, 1, "write S, M, or"},
		{[]string{nobody, "--data=4x4", "--clients=8"}, 1, "8 clients need one each"},
		{[]string{nobody, "--workloads=W12"}, 1, "there are W1 to W9"},
		{[]string{"--clients=0"}, 80, "at least one is needed"},
		{[]string{"--runs=0"}, 80, "at least one run"},
	} {
		r := hob(t, nil, nil, append([]string{"bench"}, c.args...)...)
		if r.code != c.code || !strings.Contains(r.err, c.say) || strings.Count(r.err, "\n") > 1 {
			t.Errorf("hob bench %s: exit code %d, want %d and one line with %q: %s", c.args, r.code, c.code, c.say, r.err)
		}
	}
}

// TestBenchShapes measures every shape of search on a small set: all answers are right, and the server tells the rows it read.
func TestBenchShapes(t *testing.T) {
	s := serving(t, "badger::memory:")
	r, report := measuredBy(t, s.base, "--pid", strconv.Itoa(s.Process.Pid), "--data=40x33", "--shapes", "--duration=1ms")
	if len(report.Shapes) != len(shapes) || len(report.Workloads) != 0 {
		t.Errorf("%d shapes and %d workloads were measured; %d and none are right", len(report.Shapes), len(report.Workloads), len(shapes))
	}
	for _, m := range report.Shapes {
		if m.Fault != "" || m.Rows < 0 || len(m.Plan) == 0 || m.Requests < variants || !strings.Contains(r.out, m.Name) {
			t.Errorf("%+v", m)
		}
	}
	if _, report := measuredBy(t, s.base, "--data=40x33", "--shapes", "--load=none", "--duration=1ms", "--workloads=patient,count of all"); len(report.Shapes) != 2 {
		t.Errorf("two shapes were named; %d were measured", len(report.Shapes))
	}
	// What is wrong is told: another seed expects other answers.
	if r, report := measuredBy(t, s.base, "--data=40x33", "--seed=2", "--shapes", "--load=none", "--duration=1ms", "--workloads=patient"); r.code != 1 || report.Shapes[0].Fault == "" {
		t.Errorf("exit code %d of wrong answers: %+v", r.code, report.Shapes)
	}
}
