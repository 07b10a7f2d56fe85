package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// openLinking is a server on a backend with a catalog of its own, for its sources change.
func openLinking(t *testing.T, b driver.Backend, sources []string, change func(*server.Config)) (*fixture, error) {
	t.Helper()
	c, err := search.NewCatalog(r4.SearchParameters, search.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := storage.New(storage.Config{Backend: b, Index: c.Rows, Generation: c.Generation})
	if err != nil {
		t.Fatal(err)
	}
	known, err := server.OpenSources(t.Context(), s, c, sources)
	if err != nil {
		return nil, err
	}
	return openOn(t, b, func(cfg *server.Config) {
		cfg.Store, cfg.Catalog, cfg.Sources = s, c, known
		if change != nil {
			change(cfg)
		}
	}), nil
}

func linking(source, value string) string {
	return `{"resourceType":"Parameters","parameter":[{"name":"source","valueString":"` + source + `"},{"name":"value","valueString":"` + value + `"}]}`
}

// links asks for an operation and wants true or false.
func (f *fixture) links(op, of, source, value string, want bool) {
	f.Helper()
	a := f.do("POST", "/fhir/"+of+"/$"+op+"-identifier", linking(source, value))
	if a.status != 200 || !strings.Contains(a.body, fmt.Sprintf(`"valueBoolean":%v`, want)) {
		f.Errorf("$%s-identifier of %s from %s on %s: %d %s, want %v", op, value, source, of, a.status, a.body, want)
	}
}

func (f *fixture) patients(ids ...string) {
	f.Helper()
	for _, id := range ids {
		f.do("PUT", "/fhir/Patient/"+id, `{"resourceType":"Patient","id":"`+id+`","name":[{"text":"`+id+`"}]}`).is(201)
	}
}

func TestLinkIdentifier(t *testing.T) {
	f, err := openLinking(t, backend(t), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.patients("a", "b", "gone")
	f.do("PUT", "/fhir/Practitioner/p", `{"resourceType":"Practitioner","id":"p"}`).is(201)
	f.do("DELETE", "/fhir/Patient/gone", "").is(204)
	f.links("link", "Patient/a", "BAR", "FOO", true)
	f.links("link", "Patient/a", "BAR", "FOO", false) // only what was added is true
	f.links("link", "Patient/b", "BAR", "FOO", false) // another's
	f.links("link", "Practitioner/p", "BAR", "FOO", true)
	f.links("link", "Patient/b", "BAR", "foo", true) // by the letter
	f.links("link", "Patient/b", "BAZ", "FOO", true)
	f.links("link", "Patient/a", "B-C", "A", true)
	f.links("link", "Patient/b", "C", "A-B", true)
	f.links("link", "Patient/b", "https://clinic.example/mrn", "1", true)
	found := f.do("GET", "/fhir/Patient?identifier=urn:x-hob:source:BAR%7CFOO", "")
	if found.is(200); !strings.Contains(found.body, `"total":2`) { // search folds case, sources do not
		t.Errorf("the identifier finds %s", found.body)
	}
	f.links("unlink", "Patient/b", "BAR", "FOO", false) // it is a's
	f.links("unlink", "Patient/a", "BAR", "XXX", false)
	f.links("unlink", "Patient/a", "BAR", "FOO", true)
	f.links("unlink", "Patient/a", "BAR", "FOO", false)
	f.links("unlink", "Patient/a", "B-C", "A", true)
	if a := f.do("GET", "/fhir/Patient/a", "").is(200); strings.Contains(a.body, "identifier") {
		t.Errorf("all is unlinked, and it is %s", a.body)
	}
	f.links("link", "Patient/b", "BAR", "FOO", true)
	f.do("DELETE", "/fhir/Patient/b", "").is(204) // which frees what it had
	f.links("link", "Patient/a", "BAR", "FOO", true)

	for name, c := range map[string]struct {
		path, body string
		status     int
		say        string
	}{
		"missing":       {"Patient/nobody", linking("S", "v"), 404, "Patient/nobody"},
		"deleted":       {"Patient/gone", linking("S", "v"), 410, "deleted"},
		"no body":       {"Patient/a", "", 400, "a parameter named source"},
		"no value":      {"Patient/a", linking("S", ""), 400, ""},
		"blank":         {"Patient/a", linking(" ", "v"), 400, "a parameter named source"},
		"long source":   {"Patient/a", linking(strings.Repeat("s", 1025), "v"), 413, "1024 are the most"},
		"long value":    {"Patient/a", linking("S", strings.Repeat("v", 1025)), 413, "1024 are the most"},
		"only a source": {"Patient/a", `{"resourceType":"Parameters","parameter":[{"name":"source","valueString":"S"}]}`, 400, "a parameter named value"},
		"twice":         {"Patient/a", `{"resourceType":"Parameters","parameter":[{"name":"source","valueString":"S"},{"name":"source","valueString":"T"}]}`, 400, "given twice"},
		"unknown":       {"Patient/a", `{"resourceType":"Parameters","parameter":[{"name":"sauce","valueString":"S"}]}`, 400, "known are source and value"},
		"other type":    {"Device/a", linking("S", "v"), 404, "Device"},
	} {
		if a := f.do("POST", "/fhir/"+c.path+"/$link-identifier", c.body); a.status != c.status || !strings.Contains(a.body, c.say) {
			t.Errorf("%s: %d %s, want %d and %q", name, a.status, a.body, c.status, c.say)
		}
	}
}

// TestSourceNames: the system of a source is what its NamingSystem says.
func TestSourceNames(t *testing.T) {
	f, err := openLinking(t, backend(t), nil, func(c *server.Config) { c.SourceBase = "https://ehr.example/source/" })
	if err != nil {
		t.Fatal(err)
	}
	naming := func(id, name, status, ids string) {
		f.do("PUT", "/fhir/NamingSystem/"+id, `{"resourceType":"NamingSystem","id":"`+id+`","name":"`+name+`","status":"`+status+`","kind":"identifier","date":"2026","uniqueId":[`+ids+`]}`).is(201)
	}
	naming("1", "Clinic, North", "active", `{"type":"oid","value":"1.2.3"},{"type":"uri","value":"https://north.example/old"},{"type":"uri","value":"https://north.example/id","preferred":true}`)
	naming("2", "Gone", "retired", `{"type":"uri","value":"https://gone.example/id"}`)
	naming("3", "Two", "active", `{"type":"uri","value":"https://two.example/1"}`)
	naming("4", "Two", "active", `{"type":"uri","value":"https://two.example/2"}`)
	f.patients("a")
	for name, want := range map[string]string{
		"Clinic, North": "https://north.example/id", "Gone": "https://ehr.example/source/Gone", "clinic, north": "https://ehr.example/source/clinic,+north", "oid:1.2": "oid:1.2",
	} {
		f.links("link", "Patient/a", name, "1", true)
		if a := f.do("GET", "/fhir/Patient/a", ""); !strings.Contains(a.body, `{"system":"`+want+`","value":"1"}`) {
			t.Errorf("linked from %s it is %s, want the system %s", name, a.body, want)
		}
	}
	if a := f.do("POST", "/fhir/Patient/a/$link-identifier", linking("Two", "1")); a.status != 412 || !strings.Contains(a.body, "https://two.example/1, https://two.example/2") {
		t.Errorf("of two NamingSystems: %d %s", a.status, a.body)
	}
}

// TestSourceUnique: every way to write is held to it (A4), and it outlives a restart.
func TestSourceUnique(t *testing.T) {
	b := backend(t)
	f, err := openLinking(t, b, []string{"https://configured.example"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.patients("a", "b")
	f.links("link", "Patient/a", "BAR", "FOO", true)
	refused := func(f *fixture, system, value string) {
		t.Helper()
		id := `"identifier":[{"system":"` + system + `","value":"` + value + `"}]`
		entry := func(method, url, body string) string {
			return `{"resource":` + body + `,"request":{"method":"` + method + `","url":"` + url + `"}}`
		}
		for name, a := range map[string]*answer{
			"POST":        f.do("POST", "/fhir/Patient", `{"resourceType":"Patient",`+id+`}`),
			"PUT":         f.do("PUT", "/fhir/Patient/b", `{"resourceType":"Patient","id":"b",`+id+`}`),
			"PUT new":     f.do("PUT", "/fhir/Patient/new", `{"resourceType":"Patient","id":"new",`+id+`}`),
			"PATCH":       f.do("PATCH", "/fhir/Patient/b", `[{"op":"add","path":"/identifier","value":[{"system":"`+system+`","value":"`+value+`"}]}]`, "Content-Type: application/json-patch+json"),
			"transaction": f.do("POST", "/fhir", `{"resourceType":"Bundle","type":"transaction","entry":[`+entry("POST", "Patient", `{"resourceType":"Patient",`+id+`}`)+`]}`),
			"two at once": f.do("POST", "/fhir", `{"resourceType":"Bundle","type":"transaction","entry":[`+entry("POST", "Patient", `{"resourceType":"Patient","identifier":[{"system":"`+system+`","value":"same"}]}`)+","+entry("POST", "Patient", `{"resourceType":"Patient","identifier":[{"system":"`+system+`","value":"same"}]}`)+`]}`),
		} {
			if a.status != 409 || !strings.Contains(a.body, `"duplicate"`) || strings.Contains(a.body, "Patient/a") {
				t.Errorf("%s of a value that is taken: %d %s", name, a.status, a.body)
			}
		}
		if a := f.do("POST", "/fhir", `{"resourceType":"Bundle","type":"batch","entry":[`+entry("POST", "Patient", `{"resourceType":"Patient",`+id+`}`)+`]}`); !strings.Contains(a.body, `"status":"409`) {
			t.Errorf("in a batch: %s", a.body)
		}
	}
	refused(f, "urn:x-hob:source:BAR", "FOO")
	f.do("PUT", "/fhir/Patient/c", `{"resourceType":"Patient","id":"c","identifier":[{"system":"https://configured.example","value":"1"},{"system":"https://free.example","value":"1"}]}`).is(201)
	refused(f, "https://configured.example", "1")
	f.do("POST", "/fhir/Patient", `{"resourceType":"Patient","identifier":[{"system":"https://free.example","value":"1"}]}`).is(201)
	f.do("PUT", "/fhir/Practitioner/p", `{"resourceType":"Practitioner","id":"p","identifier":[{"system":"https://configured.example","value":"1"}]}`).is(201)

	again, err := openLinking(t, b, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	refused(again, "urn:x-hob:source:BAR", "FOO")
	refused(again, "https://configured.example", "1")
	again.links("unlink", "Patient/a", "BAR", "FOO", true)
	again.links("link", "Patient/b", "BAR", "FOO", true)
}

// TestSourceFromBefore makes a system a source of which identifiers are stored already.
func TestSourceFromBefore(t *testing.T) {
	b := backend(t)
	f, err := openLinking(t, b, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	put := func(id, value string) {
		f.do("PUT", "/fhir/Patient/"+id, `{"resourceType":"Patient","id":"`+id+`","identifier":[{"system":"urn:old","value":"`+value+`"}]}`)
	}
	put("a", "1")
	put("b", "2")
	put("c", "2")
	if a := f.do("POST", "/fhir/Patient/a/$link-identifier", linking("urn:old", "3")); a.status != 409 || !strings.Contains(a.body, "Patient/c") {
		t.Errorf("of a system of which two have one value: %d %s", a.status, a.body)
	}
	put("d", "1") // it is none, so nothing is unique
	f.do("GET", "/fhir/Patient/d", "").is(200)
	if _, err := openLinking(t, b, []string{"urn:old"}, nil); err == nil || !strings.Contains(err.Error(), "held twice") {
		t.Errorf("configured, it is %v", err)
	}
	put("c", "3")
	put("d", "4")
	f.links("link", "Patient/a", "urn:old", "2", false)
	f.links("link", "Patient/a", "urn:old", "5", true)
	if a := f.do("PUT", "/fhir/Patient/e", `{"resourceType":"Patient","id":"e","identifier":[{"system":"urn:old","value":"4"}]}`); a.status != 409 {
		t.Errorf("a value that was stored before: %d %s", a.status, a.body)
	}
}

// TestSourceByOthers: one who may not see all cannot make a system a source, and is not told whose a value is.
func TestSourceByOthers(t *testing.T) {
	b := backend(t)
	f, err := openLinking(t, b, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.patients("a", "b")
	f.links("link", "Patient/a", "BAR", "FOO", true)
	mine, err := openLinking(t, b, nil, func(c *server.Config) {
		c.Caller = as(func(storage.Action, string) (driver.Query, error) { return driver.IDs{"b"}, nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	mine.links("link", "Patient/b", "BAR", "FOO", false)
	mine.links("link", "Patient/b", "BAR", "B", true)
	if a := mine.do("POST", "/fhir/Patient/b/$link-identifier", linking("NEW", "1")); a.status != http.StatusForbidden {
		t.Errorf("a new source: %d %s", a.status, a.body)
	}
	if a := mine.do("POST", "/fhir/Patient/a/$unlink-identifier", linking("BAR", "FOO")); a.status != http.StatusNotFound {
		t.Errorf("another's patient: %d %s", a.status, a.body)
	}
}

// TestA4 links one pair fifty times at once, a source that is new included: it is true once.
func TestA4(t *testing.T) {
	f, err := openLinking(t, backend(t), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	const n = 50
	for i := range n {
		f.patients(fmt.Sprint("p", i))
	}
	for _, source := range []string{"BAR", "BAR2"} {
		var all sync.WaitGroup
		results := make([]string, n)
		for i := range n {
			all.Go(func() {
				results[i] = f.do("POST", fmt.Sprintf("/fhir/Patient/p%d/$link-identifier", i), linking(source, "FOO")).body
			})
		}
		all.Wait()
		yes, no := 0, 0
		for _, r := range results {
			switch {
			case strings.Contains(r, `"valueBoolean":true`):
				yes++
			case strings.Contains(r, `"valueBoolean":false`):
				no++
			default:
				t.Errorf("answered %s", r)
			}
		}
		if yes != 1 || no != n-1 {
			t.Errorf("%d times true and %d times false, want once and %d", yes, no, n-1)
		}
	}
}

// TestA5: a source's number resolves to its patient, to nobody once it is taken back, and is free when he is deleted.
func TestA5(t *testing.T) {
	f, err := openLinking(t, backend(t), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.patients("a", "b")
	resolves := func(want string) {
		t.Helper()
		a := f.do("GET", "/fhir/Patient?identifier=urn:x-hob:source:BAR%7CFOO", "").is(200)
		if got := strings.Count(a.body, `"fullUrl"`); want == "" && got != 0 || want != "" && (got != 1 || !strings.Contains(a.body, `/fhir/Patient/`+want+`"`)) {
			t.Errorf("it resolves to %s, want %q", a.body, want)
		}
	}
	resolves("")
	f.links("link", "Patient/a", "BAR", "FOO", true)
	resolves("a")
	f.links("unlink", "Patient/a", "BAR", "FOO", true)
	resolves("")
	f.links("link", "Patient/a", "BAR", "FOO", true)
	f.do("DELETE", "/fhir/Patient/a", "").is(204)
	resolves("")
	f.links("link", "Patient/b", "BAR", "FOO", true)
	resolves("b")
}

// TestA6: an inactive patient is found by that, and a writer can ask that the patient be active: his report is refused otherwise, whole.
func TestA6(t *testing.T) {
	f := open(t, nil)
	for id, active := range map[string]string{"on": `"active":true,`, "off": `"active":false,`} {
		f.do("PUT", "/fhir/Patient/"+id, `{"resourceType":"Patient","id":"`+id+`",`+active+`"identifier":[{"system":"urn:s","value":"`+id+`"}]}`).is(201)
	}
	for active, want := range map[string]string{"true": "on", "false": "off"} {
		if a := f.do("GET", "/fhir/Patient?active="+active, "").is(200); strings.Count(a.body, `"fullUrl"`) != 1 || !strings.Contains(a.body, `"id":"`+want+`"`) {
			t.Errorf("active=%s finds %s", active, a.body)
		}
	}
	report := func(of string) *answer {
		return f.do("POST", "/fhir", `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"POST","url":"Observation"},"resource":{"resourceType":"Observation","status":"final","code":{"text":"x"},`+
			`"subject":{"reference":"Patient?identifier=urn:s|`+of+`&active=true"}}}]}`)
	}
	if a := report("on"); a.status != 200 {
		t.Errorf("a report of an active patient: %d %s", a.status, a.body)
	}
	if a := report("off"); a.status != 412 {
		t.Errorf("a report of an inactive patient: %d %s", a.status, a.body)
	}
	if a := f.do("GET", "/fhir/Observation", "").is(200); strings.Count(a.body, `"fullUrl"`) != 1 {
		t.Errorf("stored are %s", a.body)
	}
}
