package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/server"
)

func zipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, text)
	z.Close()
	return b.String()
}

// tarred makes an archive of members, in the order given: name, text, name, text.
func tarred(t testing.TB, members ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(members); i += 2 {
		if err := w.WriteHeader(&tar.Header{Name: members[i], Mode: 0o600, Size: int64(len(members[i+1])), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, members[i+1])
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func patient(id string) string { return `{"resourceType":"Patient","id":"` + id + `","active":true}` }

const (
	urnBundle = `{"resourceType":"Bundle","type":"transaction","entry":[
 {"fullUrl":"urn:uuid:0c3a7d52-6f0e-4c1c-8f6e-2f6a1b7d0001","resource":{"resourceType":"Observation","status":"final","code":{"text":"x"},
   "subject":{"reference":"urn:uuid:0c3a7d52-6f0e-4c1c-8f6e-2f6a1b7d0002"},
   "identifier":[{"system":"urn:ietf:rfc:3986","value":"urn:uuid:0c3a7d52-6f0e-4c1c-8f6e-2f6a1b7d0002"}]},"request":{"method":"POST","url":"Observation"}},
 {"fullUrl":"urn:uuid:0c3a7d52-6f0e-4c1c-8f6e-2f6a1b7d0002","resource":{"resourceType":"Patient","id":"linked"},"request":{"method":"PUT","url":"Patient/linked"}},
 {"request":{"method":"DELETE","url":"Patient/other"}},
 {"resource":{"id":"b0"},"request":{"method":"POST","url":"Patient"}}]}`
	historyBundle = `{"type":"history","entry":[
 {"fullUrl":"http://x.example/fhir/Patient/gone","request":{"method":"DELETE","url":"Patient/gone"}},
 {"fullUrl":"http://x.example/fhir/Patient/h1","resource":{"resourceType":"Patient","id":"h1","birthDate":"2002-02-02"},"request":{"method":"PUT","url":"Patient/h1"}},
 {"fullUrl":"http://x.example/fhir/Patient/gone","resource":{"resourceType":"Patient","id":"gone"},"request":{"method":"PUT","url":"Patient/gone"}},
 {"fullUrl":"http://x.example/fhir/Patient/h1","resource":{"resourceType":"Patient","id":"h1","birthDate":"2001-01-01"},"request":{"method":"POST","url":"Patient"}}],"resourceType":"Bundle"}`
	searchBundle = `{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"Patient","id":"s1"},"search":{"mode":"match"}},
 {"resource":{"resourceType":"OperationOutcome","issue":[{"severity":"warning","code":"informational"}]},"search":{"mode":"outcome"}}]}`
	documentBundle = `{"resourceType":"Bundle","id":"doc","type":"document","identifier":{"system":"urn:x","value":"1"},"timestamp":"2026-11-21T10:00:00Z",
 "entry":[{"fullUrl":"http://x.example/fhir/Composition/c","resource":{"resourceType":"Composition","id":"c","status":"final","type":{"text":"t"},"date":"2026","author":[{"display":"a"}],"title":"t"}}]}`
)

// formats are inputs of every kind and what is to become of them.
func formats(t testing.TB) []struct {
	name, text string
	loaded     []string
	refused    int
	skipped    int
} {
	return []struct {
		name, text string
		loaded     []string
		refused    int
		skipped    int
	}{
		{"one.json", patient("json"), []string{"Patient/json"}, 0, 0},
		{"bom.json", "\xef\xbb\xbf" + patient("bom"), []string{"Patient/bom"}, 0, 0},
		{"several.json", patient("s-a") + "\n\n" + patient("s-b") + patient("s-c"), []string{"Patient/s-a", "Patient/s-b", "Patient/s-c"}, 0, 0},
		{"wrong.json", `{"resourceType":"Patient","id":"wrong","gender":"sometimes","birthDate":"yesterday"}`, nil, 1, 0},
		{"broken.json", patient("before") + `{"resourceType":`, []string{"Patient/before"}, 1, 0},
		{"none.json", `{"name":"no resource"}`, nil, 1, 0},
		{"list.json", `[1,2]`, nil, 1, 0},
		{"number.json", `{"resourceType":"Observation","id":"digits","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.50}}`, []string{"Observation/digits"}, 0, 0},
		{"zip.json.gz", zipped(patient("zip")), []string{"Patient/zip"}, 0, 0},
		{"cut.json.gz", zipped(patient("cut"))[:30], nil, 1, 0},
		{"lines.ndjson", patient("l-a") + "\r\n" + `{"resourceType":"Patient",` + "\n\n" + patient("l-b") + "\n" + patient("l-c") + patient("l-d") + "\n" + patient("l-e"),
			[]string{"Patient/l-a", "Patient/l-b", "Patient/l-c", "Patient/l-d", "Patient/l-e"}, 1, 0},
		{"lines-by-look.json", patient("k-a") + "\n" + `nonsense` + "\n" + patient("k-b") + "\n", []string{"Patient/k-a", "Patient/k-b"}, 1, 0},
		{"lines.ndjson.gz", zipped(patient("z-a") + "\n" + patient("z-b") + "\n"), []string{"Patient/z-a", "Patient/z-b"}, 0, 0},
		{"newest-last.ndjson", patient("n") + "\n" + strings.Replace(patient("n"), "true", "false", 1) + "\n", []string{"Patient/n"}, 0, 0},
		{"transaction.json", urnBundle, []string{"Observation/0c3a7d52-6f0e-4c1c-8f6e-2f6a1b7d0001", "Patient/linked"}, 1, 1},
		{"history.json", historyBundle, []string{"Patient/h1"}, 0, 3},
		{"searchset.json", searchBundle, []string{"Patient/s1"}, 0, 1},
		{"document.json", documentBundle, []string{"Bundle/doc"}, 0, 0},
		{"empty.json", "", nil, 0, 0},
		{"package.tgz", zipped(tarred(t,
			"package/package.json", `{"name":"some.package"}`, "package/.index.json", `{"files":[]}`,
			"package/Patient-p1.json", patient("p1"), "package/example/Patient-p2.json", patient("p2"),
			"package/Bundle-kept.json", strings.Replace(searchBundle, `"type"`, `"id":"kept","type"`, 1),
			"package/other/spec.json", patient("other"), "package/openapi/Patient.json", `{"openapi":"3.0"}`,
			"package/Patient-p1.schema.json", `{"$schema":"x"}`, "package/readme.md", "# text")),
			[]string{"Patient/p1", "Patient/p2", "Bundle/kept"}, 0, 1},
		{"plain.tar", tarred(t, "a/lines.ndjson.gz", zipped(patient("t-a")+"\n"+patient("t-b")), "a/b.json", patient("t-c")), []string{"Patient/t-a", "Patient/t-b", "Patient/t-c"}, 0, 0},
	}
}

// TestFormats loads each kind of input into a server, then all of them as a directory straight into a store.
func TestFormats(t *testing.T) {
	s := serving(t, "badger::memory:")
	dir := t.TempDir()
	var all []string
	refused := 0
	for _, f := range formats(t) {
		path := filepath.Join(dir, "in", f.name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(f.text), 0o600); err != nil {
			t.Fatal(err)
		}
		all = append(all, f.loaded...)
		refused += f.refused
		for _, stdin := range []bool{false, true} {
			r := hob(t, nil, nil, "load", "--url", s.base, path)
			if stdin {
				if strings.Contains(f.name, "ndjson") || strings.Contains(f.name, "tgz") { // what only its name tells
					continue
				}
				r = hob(t, strings.NewReader(f.text), nil, "load", "--url", s.base, "-")
			}
			want := fmt.Sprintf("refused %d, skipped %d in", f.refused, f.skipped)
			code := map[bool]int{true: 2}[f.refused > 0]
			if r.code != code || !strings.Contains(r.out, want) || !strings.Contains(r.out, fmt.Sprintf("loaded %d, ", loads(f.name, f.loaded))) {
				t.Errorf("%s (stdin %v): exit code %d, want %d, %d loaded, %s: %s%s", f.name, stdin, r.code, code, len(f.loaded), want, r.out, r.err)
			}
		}
		for _, key := range f.loaded {
			s.get("/"+key, http.StatusOK)
		}
	}
	contents(s)
	s.stop()

	store := "badger:" + filepath.Join(dir, "store")
	for name, text := range map[string]string{".hidden.json": patient("hidden"), "notes.txt": patient("notes"), "package.json": `{}`, ".git/x.json": patient("hidden2")} {
		path := filepath.Join(dir, "in", name)
		os.MkdirAll(filepath.Dir(path), 0o700)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	report := filepath.Join(dir, "refused.ndjson")
	r := hob(t, nil, nil, "load", "--store", store, "--report", report, filepath.Join(dir, "in"))
	if want := fmt.Sprintf("loaded %d, refused %d, skipped 6 in", len(all)+1, refused); r.code != 2 || !strings.Contains(r.out, want) {
		t.Errorf("the directory: exit code %d, want 2, %s: %s%s", r.code, want, r.out, r.err)
	}
	lines, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(lines), "\n"); n != refused {
		t.Errorf("the report has %d lines, want %d: %s", n, refused, lines)
	}
	for _, want := range []string{`"id":"wrong"`, `"expression":"Patient.birthDate"`, `"expression":"Patient.gender"`, "lines.ndjson", "not JSON"} {
		if !strings.Contains(string(lines), want) {
			t.Errorf("the report lacks %s: %s", want, lines)
		}
	}
	sound(t, store)
	s = serving(t, store)
	for _, key := range all {
		s.get("/"+key, http.StatusOK)
	}
	for _, id := range []string{"hidden", "hidden2", "notes", "other", "gone", "cut", "wrong"} {
		s.get("/Patient/"+id, http.StatusNotFound)
	}
	contents(s)
	s.stop()
}

// loads is how many items are loaded from an input: a resource that is there twice is loaded twice.
func loads(name string, loaded []string) int {
	if name == "newest-last.ndjson" {
		return 2
	}
	return len(loaded)
}

// contents looks into what was loaded.
func contents(s *running) {
	s.Helper()
	for path, want := range map[string]string{
		"/Observation/0c3a7d52-6f0e-4c1c-8f6e-2f6a1b7d0001": `"subject":{"reference":"Patient/linked"}`,
		"/Observation?patient=linked&_elements=identifier":  `"value":"urn:uuid:0c3a7d52-6f0e-4c1c-8f6e-2f6a1b7d0002"`,
		"/Observation/digits":                               `1.50`,
		"/Patient/h1":                                       `2002-02-02`,
		"/Patient/n":                                        `"active":false`,
		"/Bundle/doc":                                       `Composition`,
	} {
		path, _, _ = strings.Cut(path, "&_elements")
		if got := s.get(path, http.StatusOK); !strings.Contains(string(got), want) {
			s.Errorf("%s lacks %s: %s", path, want, got)
		}
	}
}

// TestBounded cuts a value that never ends, and one that is too long: neither is kept whole.
func TestBounded(t *testing.T) {
	long := strings.Repeat("x", 3000)
	for name, text := range map[string]string{
		"one.json":     `{"resourceType":"Patient","id":"` + long + `"}`,
		"lines.ndjson": patient("a") + "\n" + `{"resourceType":"Patient","id":"` + long + `"}` + "\n" + patient("b"),
	} {
		var got []string
		s := &splitter{max: 1000, open: "auto", emit: func(it *item) error {
			switch {
			case it.refused != nil:
				got = append(got, it.refused.Error())
			default:
				got = append(got, it.id)
			}
			return nil
		}}
		in := &sources{each: s.stream, fault: func(string, error) error { return errors.New("fault") }}
		if err := in.open(name, strings.NewReader(text), false); err != nil {
			t.Fatal(err)
		}
		if i := slices.IndexFunc(got, func(s string) bool { return strings.Contains(s, "--max-value") }); i < 0 {
			t.Errorf("%s: %q does not tell of the limit", name, got)
		}
		if name == "lines.ndjson" && (len(got) != 3 || got[0] != "a" || got[2] != "b") {
			t.Errorf("the lines around the long one are lost: %q", got)
		}
	}
}

// TestOrder loads many versions of few resources in parallel: the last one in the input is the one that stays.
func TestOrder(t *testing.T) {
	var text strings.Builder
	for i := range 400 {
		fmt.Fprintf(&text, `{"resourceType":"Patient","id":"o%d","identifier":[{"value":"%d"}]}`+"\n", i%4, i)
	}
	o, err := defaultStore("badger::memory:").open(t.Context(), slog.New(slog.DiscardHandler), server.IndexingOptions{}, search.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l := &loading{
		target: &local{o.Store, 4, func() {}}, in: &sources{in: strings.NewReader(text.String())}, log: slog.New(slog.DiscardHandler),
		split: splitter{max: 1 << 20, open: "auto"}, report: &report{reasons: map[string]*reason{}}, progress: newProgress(os.Stderr, -1, slog.New(slog.DiscardHandler)),
	}
	if err := l.run(context.Background(), []string{"-"}); err != nil {
		t.Fatal(err)
	}
	if l.report.Loaded != 400 {
		t.Errorf("%d loaded, want 400", l.report.Loaded)
	}
	items := []*item{}
	for i := range 4 {
		items = append(items, &item{doubt: true, typ: "Patient", id: fmt.Sprint("o", i), data: []byte(fmt.Sprintf(`{"resourceType":"Patient","id":"o%d","identifier":[{"value":"%d"}]}`, i, 396+i))})
	}
	// In doubt, what is there already is not written again: so nothing is if the newest contents are there.
	parsed := make([]*fhirmap.Resource, len(items))
	for i, it := range items {
		if parsed[i], err = fhirmap.Parse(it.data, fhirmap.Limits{}); err != nil {
			t.Fatal(err)
		}
	}
	drafts, err := l.target.(*local).prepare(context.Background(), items, parsed)
	if err != nil || len(drafts) != 0 {
		t.Errorf("%d resources do not have the last content of the input (%v)", len(drafts), err)
	}
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
}

func TestSame(t *testing.T) {
	for _, c := range []struct {
		stored, given string
		want          bool
	}{
		{`{"a":1,"meta":{"versionId":"3","lastUpdated":"2026"}}`, `{"a":1}`, true},
		{`{"a":1.50}`, `{"a":1.5}`, false},
		{`{"meta":{"versionId":"1","tag":[{"code":"x"}]}}`, `{"meta":{"tag":[{"code":"x"}]}}`, true},
		{`{"meta":{"versionId":"1"}}`, `{"meta":{"tag":[{"code":"x"}]}}`, false},
		{`nonsense`, `nonsense`, false},
	} {
		if got := same([]byte(c.stored), []byte(c.given)); got != c.want {
			t.Errorf("same(%s, %s) is %v", c.stored, c.given, got)
		}
	}
}

func TestRelinked(t *testing.T) {
	known := map[string]string{"urn:uuid:a": "Patient/1", "urn:uuid:b\"": "Patient/2"}
	for in, want := range map[string]string{
		`{"reference":"urn:uuid:a","x":[{"reference" : "urn:uuid:a"}],"value":"urn:uuid:a"}`: `{"reference":"Patient/1","x":[{"reference" : "Patient/1"}],"value":"urn:uuid:a"}`,
		`{"url":"urn:uuid:a","n":1.0,"reference":"urn:uuid:c"}`:                              `{"url":"Patient/1","n":1.0,"reference":"urn:uuid:c"}`,
		`{"urn:uuid:a":"urn:uuid:a"}`:                                                        `{"urn:uuid:a":"urn:uuid:a"}`,
	} {
		if got := string(relinked([]byte(in), known)); got != want {
			t.Errorf("relinked(%s) is %s, want %s", in, got, want)
		}
	}
}
