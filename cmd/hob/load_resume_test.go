package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// input makes n lines; every third resource has no id.
func input(n int) string {
	var b strings.Builder
	for i := range n {
		id := fmt.Sprintf(`"id":"i%d",`, i)
		if i%3 == 0 {
			id = ""
		}
		fmt.Fprintf(&b, `{"resourceType":"Patient",%s"identifier":[{"system":"urn:n","value":"%d"}]}`+"\n", id, i)
		if i%100 == 99 {
			b.WriteString(`{"resourceType":"Patient","gender":"wrong"}` + "\n")
		}
	}
	return b.String()
}

// TestResume kills a load in the middle and goes on with it: nothing is missing, nothing is there twice.
func TestResume(t *testing.T) {
	const n = 3000
	text := input(n)
	half := strings.Index(text, `"i1801"`) // in the middle of a line
	dir := t.TempDir()
	store := "badger:" + filepath.Join(dir, "straight")
	s := serving(t, "badger:"+filepath.Join(dir, "served"))
	for _, into := range [][]string{{"--url", s.base}, {"--store", store}} {
		t.Run(into[0], func(t *testing.T) {
			journal, report := filepath.Join(t.TempDir(), "journal"), filepath.Join(t.TempDir(), "report")
			args := append([]string{"load", "--resume", journal, "--report", report, "--parallel", "4", "-"}, into...)
			c := command(t, nil, args...)
			stdin, err := c.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(stdin, text[:half]); err != nil {
				t.Fatal(err)
			}
			var marked int64
			for end := time.Now().Add(time.Minute); marked < 500; time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("the journal does not grow")
				}
				b, _ := os.ReadFile(journal)
				lines := strings.Split(string(b), "\n")
				var m mark
				if len(lines) > 2 && json.Unmarshal([]byte(lines[len(lines)-2]), &m) == nil {
					marked = m.Entry
				}
			}
			c.Process.Kill()
			c.Wait()

			// Another input is not gone on with, nor another target.
			r := hob(t, strings.NewReader(strings.Replace(text, `"1"`, `"one"`, 1)), nil, args...)
			if r.code != 1 || !strings.Contains(r.err, "is not what the journal was written about") {
				t.Errorf("another input: exit code %d: %s", r.code, r.err)
			}
			r = hob(t, strings.NewReader(text[:half/10]), nil, args...)
			if r.code != 1 || !strings.Contains(r.err, "the input ends at entry") {
				t.Errorf("a shorter input: exit code %d: %s", r.code, r.err)
			}
			if r := hob(t, nil, nil, "load", "--resume", journal, "--store", "badger::memory:", "-"); r.code != 1 || !strings.Contains(r.err, "it is of a load into") {
				t.Errorf("another target: exit code %d: %s", r.code, r.err)
			}

			r = hob(t, strings.NewReader(text), nil, args...)
			if want := fmt.Sprintf("loaded %d, refused %d, skipped 0 in", n, n/100); r.code != 2 || !strings.Contains(r.out, want) {
				t.Errorf("resumed: exit code %d, want 2 and %s: %s%s", r.code, want, r.out, r.err)
			}
			r = hob(t, strings.NewReader(text), nil, args...)
			if want := fmt.Sprintf("loaded %d, refused %d, skipped 0 in", n, n/100); r.code != 2 || !strings.Contains(r.out, want) {
				t.Errorf("once more: exit code %d, want 2 and %s: %s%s", r.code, want, r.out, r.err)
			}
			if b, err := os.ReadFile(report); err != nil || bytes.Count(b, []byte("\n")) != n/100 {
				t.Errorf("the report has %d lines, want %d (%v)", bytes.Count(b, []byte("\n")), n/100, err)
			}
			s := s
			if into[0] == "--store" {
				sound(t, store)
				s = serving(t, store)
			}
			if total := *s.find("/Patient?_total=accurate&_count=1").Total; total != n {
				t.Errorf("%d patients are there, want %d", total, n)
			}
			seen := map[string]bool{}
			for _, e := range all(s, "/Patient?_count=1000") {
				if e.Meta.VersionID != "1" {
					t.Errorf("%s was written %s times", e.ID, e.Meta.VersionID)
				}
				seen[e.Identifier[0].Value] = true
			}
			if len(seen) != n {
				t.Errorf("%d different patients are there, want %d", len(seen), n)
			}
		})
	}
}

// all walks the pages of a search.
func all(s *running, path string) (out []resource) {
	s.Helper()
	for next := s.base + path; next != ""; {
		_, answer, err := call(http.MethodGet, next, "")
		if err != nil {
			s.Fatal(err)
		}
		var page struct {
			bundle
			Link []struct{ Relation, URL string }
		}
		if err := json.Unmarshal(answer, &page); err != nil {
			s.Fatal(err)
		}
		for _, e := range page.Entry {
			out = append(out, e.Resource)
		}
		next = ""
		for _, l := range page.Link {
			if l.Relation == "next" {
				next = l.URL
			}
		}
	}
	return out
}

// TestLoadStops loads into servers that are not there, go away, or are none.
func TestLoadStops(t *testing.T) {
	path := file(t, "p.json", patient("p"))
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for _, c := range []struct {
		args []string
		code int
		say  string
	}{
		{[]string{"--url", gone.URL + "/fhir", path}, 1, "no server answers"},
		{[]string{"--url", other.URL + "/fhir", path}, 1, "must be a FHIR base"},
		{[]string{"--url", "localhost:8080", path}, 1, "a FHIR base is needed"},
		{[]string{"--url", gone.URL, "--store", "badger::memory:", path}, 80, "can't be used together"},
		{[]string{"--store", "badger::memory:", "absent.json"}, 1, "absent.json"},
		{[]string{"--store", "badger::memory:", "--resume", path, path}, 1, "another kind of file"},
	} {
		r := hob(t, nil, nil, append([]string{"load"}, c.args...)...)
		if r.code != c.code || !strings.Contains(r.err, c.say) || strings.Contains(r.err, "goroutine") {
			t.Errorf("hob load %s: exit code %d, want %d and %q: %s", c.args, r.code, c.code, c.say, r.err)
		}
	}
	s := serving(t, "badger::memory:")
	c := command(t, nil, "load", "--url", s.base, "-")
	stdin, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	c.Stderr = &stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	io.WriteString(stdin, input(300))
	s.until("the server has something", func() bool { return len(s.find("/Patient?_count=1").Entry) > 0 })
	s.kill()
	go func() { // until the load has stopped
		for {
			if _, err := io.WriteString(stdin, input(300)); err != nil {
				return
			}
		}
	}()
	c.Wait()
	if c.ProcessState.ExitCode() != 1 || !strings.Contains(stderr.String(), "the connection is lost") || !strings.Contains(stderr.String(), "--resume FILE") {
		t.Errorf("a server that goes away: exit code %d: %s", c.ProcessState.ExitCode(), stderr.String())
	}
}

// TestPatience answers a load with statuses that ask for patience, and with others.
func TestPatience(t *testing.T) {
	var answers []int
	var asked atomic.Int64
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metadata" {
			io.WriteString(w, `{"resourceType":"CapabilityStatement"}`)
			return
		}
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(answers[min(int(asked.Add(1))-1, len(answers)-1)])
		io.WriteString(w, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"throttled","diagnostics":"later"}]}`)
	}))
	defer h.Close()
	for _, c := range []struct {
		answers []int
		asked   int64
		waits   int
		refused bool
		stops   string
	}{
		{[]int{429, 503, 201}, 3, 2, false, ""},
		{[]int{200}, 1, 0, false, ""},
		{[]int{422}, 1, 0, true, ""},
		{[]int{409}, 1, 0, true, ""},
		{[]int{500}, 1, 0, true, ""},
		{[]int{504}, 4, 3, true, ""},
		{[]int{503}, patience + 1, patience, false, "no time"},
		{[]int{507}, 1, 0, false, "full"},
		{[]int{401}, 1, 0, false, "who is asking"},
	} {
		answers = c.answers
		asked.Store(0)
		r, err := openRemote(context.Background(), h.URL, "", 1)
		if err != nil {
			t.Fatal(err)
		}
		waits := 0
		r.wait = func(_ context.Context, d time.Duration) error {
			waits++
			if d != 7*time.Second {
				t.Errorf("waits %s where the server asked for 7 s", d)
			}
			return nil
		}
		it := &item{data: []byte(patient("p")), typ: "Patient", id: "p"}
		err = r.load(context.Background(), []*item{it})
		if (err == nil) != (c.stops == "") || err != nil && !strings.Contains(err.Error(), c.stops) {
			t.Errorf("%v: stops with %v, want %q", c.answers, err, c.stops)
		}
		if asked.Load() != c.asked || waits != c.waits || (it.refused != nil) != c.refused {
			t.Errorf("%v: asked %d times, waited %d times, refused %v; want %d, %d, %v", c.answers, asked.Load(), waits, it.refused, c.asked, c.waits, c.refused)
		}
	}
}
