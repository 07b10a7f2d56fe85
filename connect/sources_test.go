package connect

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/storage"
)

func TestRefusedSources(t *testing.T) {
	for text, say := range map[string]string{
		"":                                  "names no sources",
		"source: []":                        "line 1: source is no key",
		"sources:\n- 1":                     "2: a source is a mapping",
		"sources:\n- name: a":               "2: a source needs a kind; known are noteworth, fhir, csv, sql",
		"sources:\n- name: a\n  kind: soap": "3: \"soap\" is no kind of source; known are noteworth",
		"sources:\n- name: a\n  kind: noteworth\n  url: http://a\n  query: x":                                          "5: query is no key of a source of kind noteworth",
		"sources:\n- name: a\n  kind: noteworth\n  ulr: http://a":                                                      "4: ulr is no key",
		"sources:\n- {name: a, kind: noteworth}":                                                                       "2: source a: url is missing",
		"sources:\n- {name: a b, kind: noteworth, url: 'http://a'}":                                                    "a name is",
		"sources:\n- {name: a, kind: noteworth, url: 'ftp://a'}":                                                       "url must be one as",
		"sources:\n- {name: a, kind: noteworth, url: 'http://me:pw@a'}":                                                "without a login",
		"sources:\n- {name: a, kind: noteworth, url: 'http://a', timeout: soon}":                                       "soon",
		"sources:\n- {name: a, kind: noteworth, url: 'http://a', timeout: -1s}":                                        "timeout must not be negative",
		"sources:\n- {name: a, kind: noteworth, url: 'http://a', max-api-retry: 21}":                                   "0 to 20",
		"sources:\n- {name: a, kind: noteworth, url: 'http://a', import-every: 1ms}":                                   "at least 1s",
		"sources:\n- {name: a, kind: csv, file: x, url: 'http://a'}":                                                   "either file or url",
		"sources:\n- {name: a, kind: csv, file: x, columns: {surname: y}}":                                             "surname is no field of clinicians",
		"sources:\n- {name: a, kind: sql, query: q, key: k, url: 'postgres://h/d'}":                                    "cursor is missing",
		"sources:\n- {name: a, kind: csv, file: x}\n- {name: a, kind: csv, file: x}":                                   "3: there are two sources named a",
		"sources:\n- {name: a, kind: csv, file: x, system: 'urn:s'}\n- {name: b, kind: csv, file: x, system: 'urn:s'}": "another has the system",
	} {
		if _, err := Read([]byte(text), "."); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%q is answered %v, want %q", text, err, say)
		}
	}
}

func TestCSV(t *testing.T) {
	path := filepath.Join(t.TempDir(), "people.csv")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t, "", fmt.Sprintf("- {name: list, kind: csv, file: %s, max-bytes: 1000, columns: {id: nr, family: surname}}", path))
	write("\ufeffnr,surname,given,clinic\n1,\"Lee, Jr\",Ann,Harbour\n2,,Bo,Harbour\n3,Öz,Cy,\n1,Twin,T,Harbour\n")
	r := w.good("list")
	if r.Created != 2 || len(r.Skipped) != 1 || !strings.Contains(r.Skipped[0], "record 2: family is missing") || len(r.Collisions) != 1 {
		t.Errorf("%+v", r)
	}
	if p, roles := len(w.all("Practitioner")), len(w.all("PractitionerRole")); p != 2 || roles != 1 {
		t.Errorf("%d people, %d roles; want 2 and 1", p, roles)
	}
	write("nr,surname,given,clinic\n1,Lee,Ann,Harbour Street\n")
	if r := w.good("list"); r.Updated != 1 { // the id stays: a new name and a new clinic
		t.Errorf("%+v", r)
	}
	if o := len(w.all("Organization")); o != 2 {
		t.Errorf("%d clinics", o)
	}
	for text, say := range map[string]string{
		"": "no line of column names", "nr,family\n": `no column "surname"`, "nr,surname\n1\n": "broken CSV", "nr,surname\n\"1,x\n": "broken CSV",
		"nr,surname\n" + strings.Repeat("1,abcdefghij\n", 100): "max-bytes",
	} {
		write(text)
		if _, err := w.run("list"); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%.30q is answered %v, want %q", text, err, say)
		}
	}
}

func TestCSVOverHTTP(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer sesame" || r.URL.Path != "/people.csv" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, "family\nLee\n")
	}))
	defer s.Close()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, "", fmt.Sprintf("- {name: list, kind: csv, url: '%s/people.csv', token-file: %s}", s.URL, token), fmt.Sprintf("- {name: open, kind: csv, url: '%s/people.csv'}", s.URL))
	if r := w.good("list"); r.Created != 1 {
		t.Errorf("%+v", r)
	}
	if r, err := w.run("open"); err == nil || len(r.Attempts) != 3 || r.Attempts[0].Status != 401 {
		t.Errorf("%+v (%v)", r, err)
	}
	if strings.Contains(w.log.String(), "sesame") {
		t.Error("the log tells the token")
	}
}

func TestFHIR(t *testing.T) {
	pages := map[string]string{
		"": `{"resourceType":"Bundle","type":"searchset","link":[{"relation":"self","url":"x"},{"relation":"next","url":"?_count=100&page=2"}],"entry":[
			{"resource":{"resourceType":"Practitioner","id":"1","name":[{"use":"old","family":"Before"},{"use":"official","family":"Lee","given":["Ann","B."],"prefix":["Dr."]}]}},
			{"resource":{"resourceType":"OperationOutcome"}},
			{"resource":{"resourceType":"Practitioner","id":"2","name":[{"text":"Somebody"}],"qualification":[{"code":{"coding":[{"code":"MD"}]}}]}}]}`,
		"2": `{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"Practitioner","id":"3"}},{"resource":{"resourceType":"Practitioner","id":"4","name":[{"family":"Öz"}]}}]}`,
	}
	broken := 2
	next := ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if broken > 0 {
			broken--
			fmt.Fprint(w, `{"resourceType":"OperationOutcome"}`)
			return
		}
		page := pages[r.URL.Query().Get("page")]
		if next != "" {
			page = strings.Replace(page, `?_count=100&page=2`, next, 1)
		}
		fmt.Fprint(w, page)
	}))
	defer s.Close()
	w := newWorld(t, "", "- {name: other, kind: fhir, url: '"+s.URL+"/fhir'}", "- {name: short, kind: fhir, url: '"+s.URL+"/fhir', max-pages: 1}")
	r := w.good("other")
	if r.Created != 3 || len(r.Skipped) != 1 || len(r.Attempts) != 4 || !strings.Contains(r.Attempts[0].Outcome, "no Bundle") {
		t.Errorf("%+v", r)
	}
	var named []string
	for _, hit := range w.all("Practitioner") {
		var p struct {
			Name []struct {
				Family string
				Given  []string
			}
			Identifier []struct{ Value string }
		}
		if err := json.Unmarshal(hit.Body, &p); err != nil {
			t.Fatal(err)
		}
		named = append(named, p.Identifier[0].Value+p.Name[0].Family)
	}
	for _, want := range []string{"1Lee", "2Somebody", "4Öz"} {
		if !strings.Contains(strings.Join(named, " "), want) {
			t.Errorf("%v lacks %s", named, want)
		}
	}
	at := w.position()
	if r := w.good("other"); r.Unchanged != 3 || w.position() != at {
		t.Errorf("%+v", r)
	}
	if _, err := w.run("short"); err == nil || !strings.Contains(err.Error(), "max-pages") {
		t.Errorf("too many pages: %v", err)
	}
	next = "http://elsewhere.invalid/fhir/Practitioner" // where no token and no question goes
	if r, err := w.run("other"); err == nil || !strings.Contains(err.Error(), "elsewhere.invalid, which is not the host") {
		t.Errorf("%+v (%v)", r, err)
	}
}

// FuzzNoteworth reads bodies: none panics, and what is taken has every field.
func FuzzNoteworth(f *testing.F) {
	for _, s := range []string{`{"providers":[]}`, `{"providers":[{"name_given":"a","name_family":"b","title":"c","clinic":"d"}]}`, `{"providers":null}`, `[]`, `Error`, `{"providers":[{}]}`, "{}{}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		rows, err := noteworthRows(body)
		for _, r := range rows {
			if err == nil && len(r) != 4 {
				t.Errorf("%q is read as %v", body, r)
			}
		}
		fhirRows(body)
		csvRows(&Source{kind: kindOf("csv")}, body)
	})
}

// TestNobody imports without an access, and without sources.
func TestNobody(t *testing.T) {
	w := newWorld(t, "")
	if _, err := w.im.Import(context.Background(), nil, "noteworth", Run{}); err == nil {
		t.Error("an import without an access was let in")
	}
	if _, err := (&Importer{Store: w.store, Catalog: w.im.Catalog}).Import(context.Background(), storage.System, "x", Run{}); !IsUnknown(err) || !strings.Contains(err.Error(), "known are none") {
		t.Errorf("without sources: %v", err)
	}
}
