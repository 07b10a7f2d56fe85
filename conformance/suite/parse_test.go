package suite

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestParseErrors: what is wrong with a script is named with its file and line.
func TestParseErrors(t *testing.T) {
	const head = "script x: x\nspec SHALL http.html#create\n"
	for text, want := range map[string]string{
		"GET Patient":                         "x.test:1: \"GET\" stands before the first script",
		"script X: x":                         "x.test:1: \"X: x\" is not name: title",
		"script x":                            "x.test:1: \"x\" is not name: title",
		"script x: x\nGET Patient":            "x.test:2: x/x has steps but no spec line",
		"script x: x\n":                       "x.test:1: x/x has no spec line",
		"script x: x\n\nscript y: y":          "x.test:1: x/x has no spec line",
		"script x: x\nspec MUST http.html":    "x.test:2: spec MUST: the level is one of SHALL, SHOULD, MAY",
		"script x: x\nspec SHALL":             "x.test:2: spec SHALL: \"\" is no page",
		head + "spec SHALL http.html":         "x.test:3: x/x has two spec lines",
		head + "needs search Patient":         "x.test:3: needs search: a type and codes",
		head + "needs":                        "x.test:3: needs : write an interaction",
		head + "GET":                          "x.test:3: GET: a target must follow",
		head + "GET Patient":                  "x.test:1: x/x expects nothing",
		head + "get Patient":                  "x.test:3: \"get\" begins no line; script, spec, needs, offered if, DELETE, GET",
		head + "status 200":                   "x.test:3: status stands before the first request",
		head + "GET Patient/${p}\nstatus 200": "x.test:3: ${p} is set nowhere above",
		head + "POST Patient as p\n\t{}\nGET Patient/${p.id}\nstatus 200":  "x.test:5: ${p.id} is set nowhere above",
		head + "POST Patient as P\nstatus 200":                             "x.test:3: \"P\" is no name of a variable",
		head + "POST Patient\n\t{\"id\":\"${q}\"}\nstatus 201":             "x.test:3: ${q} is set nowhere above",
		head + "GET Patient\n\tAccept: ${q}\nstatus 201":                   "x.test:3: ${q} is set nowhere above",
		head + "GET Patient\nstatus":                                       "x.test:4: an HTTP status must follow",
		head + "GET Patient\nstatus 20":                                    "x.test:4: \"20\" is no HTTP status",
		head + "GET Patient\nstatus 7xx":                                   "x.test:4: \"7xx\" is no HTTP status",
		head + "GET Patient\nstatus 200 or not offered 404":                "x.test:1: x/x is SHALL; only an option, MAY, may be not offered",
		head + "GET Patient\noffered if status 200":                        "x.test:1: x/x is SHALL; only an option",
		head + "GET Patient\noffered if GET Patient":                       "x.test:4: offered if GET: an expectation must follow",
		"script x: x\nspec MAY http.html\nGET Patient\nstatus 200":         "x.test:1: x/x is an option; say what counts as not offered",
		head + "GET Patient\nassert Patient.":                              "x.test:4: path \"Patient.\"",
		head + "GET Patient\nassert Patient.id = '${q}'":                   "x.test:4: ${q} is set nowhere above",
		head + "GET Patient\nheader ETag ~":                                "x.test:4: header ETag ~: write a name",
		head + "GET Patient\nheader ETag ~ (":                              "x.test:4: error parsing regexp",
		head + "GET Patient\nheader ETag absent x":                         "x.test:4: header ETag absent x",
		head + "GET Patient\nbody full":                                    "x.test:4: body full: write empty",
		head + "GET Patient\nbody ~":                                       "x.test:4: an expression must follow",
		head + "GET Patient\njson a..b = 1":                                "x.test:4: \"a..b\" is no path into JSON",
		head + "GET Patient\njson a":                                       "x.test:4: json a: write a path",
		head + "GET Patient\njson a = {":                                   "x.test:4: json a: { is no JSON",
		head + "GET Patient\njson a = 1 2":                                 "x.test:4: json a: 1 2 is no JSON",
		head + "GET Patient\nkept p":                                       "x.test:4: kept p: a name must follow",
		head + "GET Patient\nvalid x":                                      "x.test:4: valid x: nothing may follow",
		head + "GET Patient\nids p":                                        "x.test:4: \"p\" is the name of nothing",
		head + "GET Patient\nids":                                          "x.test:4: names must follow, or none",
		head + "search Patient":                                            "x.test:3: search Patient: write TYPE?QUERY -> names",
		head + "search Patient -> p":                                       "x.test:3: \"p\" is the name of nothing",
		head + "GET Patient\nlet x":                                        "x.test:4: let x: write a name",
		head + "GET Patient\nlet X = Patient.id":                           "x.test:4: \"X\" is no name of a variable",
		head + "GET Patient\nlet x = Patient..id":                          "x.test:4: path",
		head + "parallel POST Patient":                                     "x.test:3: parallel POST Patient: write a number of 2 to 64",
		head + "parallel 65 POST Patient":                                  "x.test:3: parallel 65 POST Patient: write a number",
		head + "parallel 2 POST":                                           "x.test:3: POST: a target must follow",
		head + "parallel 2 MERGE Patient":                                  "x.test:3: parallel 2 MERGE Patient: write a number",
		head + "POST Patient\n\t{\"id\":\"${n}\"}":                         "x.test:3: ${n} is set nowhere above",
		head + "parallel 2 GET Patient/${n}\nGET Patient/${n}\nstatus 200": "x.test:4: ${n} is set nowhere above",
		head + "GET Patient\ntally 201":                                    "x.test:4: an HTTP status must follow",
		head + "GET Patient\ntally one 201":                                "x.test:4: tally one 201: write a number and statuses",
		head + "GET Patient\ntally 1 201":                                  "x.test:4: tally 1 201: it follows a parallel",
		head + "GET Patient\nentries":                                      "x.test:4: entries: a name must follow",
		head + "GET Patient\nentries p -- q":                               "x.test:4: \"--\" is no name of a variable",
		head + "await":                                                     "x.test:3: GET: a target must follow",
		head + "needs operation Patient x y":                               "x.test:3: needs operation Patient x y: write an interaction",
		head + "pause 1h":                                                  "x.test:3: pause 1h: write a time up to 10s",
		head + "GET a\nstatus 200\n" + head + "GET a\nstatus 200":          "x.test:5: the name x/x stands at x.test:1 already",
	} {
		if _, err := parse("x.test", text); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q:\n     %v\nwant %s", text, err, want)
		}
	}
}

// TestExample: the worked example of the documentation is a script that passes.
func TestExample(t *testing.T) {
	_, doc, ok := strings.Cut(source(t, "doc.go"), "# A worked example\n//\n")
	example, _, end := strings.Cut(doc, "\n//\n")
	if !ok || !end {
		t.Fatal("doc.go has no worked example")
	}
	var text strings.Builder
	for line := range strings.SplitSeq(example, "\n") {
		text.WriteString(strings.TrimPrefix(line, "//\t") + "\n")
	}
	target, err := newTarget(t.Context(), Config{Base: serve(t, "badger::memory:")})
	if err != nil {
		t.Fatal(err)
	}
	if r := one(t, target, text.String()); r.Verdict != Pass {
		t.Errorf("%s\n%s", r.Detail, text.String())
	}
}

func source(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestWords: every word that may begin a line is documented.
func TestWords(t *testing.T) {
	doc := source(t, "doc.go")
	for word := range words {
		if !strings.Contains(doc, "//\t"+word) && !strings.Contains(doc, "|"+word) {
			t.Errorf("doc.go does not tell of %s", word)
		}
	}
}

func TestAddress(t *testing.T) {
	target := &target{base: "http://x/fhir"}
	for from, want := range map[string]string{
		"Patient?identifier=a|b":                  "http://x/fhir/Patient?identifier=a%7Cb",
		"Observation?date=2024-01-01T10:00+02:00": "http://x/fhir/Observation?date=2024-01-01T10:00%2B02:00",
		"Patient?name=a b\\,c%26":                 "http://x/fhir/Patient?name=a%20b%5C,c%26",
		"Patient?name=é":                          "http://x/fhir/Patient?name=%C3%A9",
		"_history?_since=x":                       "http://x/fhir/_history?_since=x",
		"?_type=Patient":                          "http://x/fhir?_type=Patient",
		"http://y/z?a=b+c|d":                      "http://y/z?a=b+c|d",
	} {
		if got := target.address(from); got != want {
			t.Errorf("%s: %s, want %s", from, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	results := []Result{
		{Script: "a/x", Title: "one", Section: "http.html#read", Level: Shall, Verdict: Pass, Time: 2 * time.Millisecond},
		{Script: "a/y", Title: "two", Section: "http.html#read", Level: Should, Verdict: Fail, Detail: "a.test:3: status 200\n\tit is 500"},
		{Script: "a/z", Title: "three", Section: "http.html#read", Level: May, Verdict: NotOffered, Detail: "not claimed"},
		{Script: "b/x", Title: "four", Section: "http.html#read", Level: May, Verdict: Fail, Detail: "wrong"},
	}
	var b strings.Builder
	if err := Table(&b, results); err != nil {
		t.Fatal(err)
	}
	const want = `VERDICT      LEVEL   SCRIPT  TITLE  SECTION         TIME
pass         SHALL   a/x     one    http.html#read  2ms
fail         SHOULD  a/y     two    http.html#read  0s
not offered  MAY     a/z     three  http.html#read  0s
fail         MAY     b/x     four   http.html#read  0s

a/y: fail (http://hl7.org/fhir/R4/http.html#read)
	a.test:3: status 200
		it is 500

a/z: not offered (http://hl7.org/fhir/R4/http.html#read)
	not claimed

b/x: fail (http://hl7.org/fhir/R4/http.html#read)
	wrong

1 passed, 1 failed, 1 recommended failed, 1 not offered
`
	if b.String() != want {
		t.Errorf("%s\nwant\n%s", b.String(), want)
	}
}

// FuzzParse: no text makes the parser panic, and what it takes has names, sections and steps.
func FuzzParse(f *testing.F) {
	f.Add("script x: x\nspec SHALL http.html#create\nPOST Patient as p\n\tAccept: x\n\n\t{\n\t}\nstatus 201\nlet y = Patient.id\nsearch Patient?_id=${y} -> p\n")
	f.Add("# x\n\nscript a: b\nspec MAY a.html\nneeds search A b\nGET x\noffered if header A ~ b\n")
	f.Fuzz(func(t *testing.T, text string) {
		scripts, err := parse("x.test", text)
		if err != nil && !strings.HasPrefix(err.Error(), "x.test:") {
			t.Errorf("the error %q has no place", err)
		}
		for _, s := range scripts {
			if err == nil && (s.name == "" || s.title == "" || s.section == "" || len(s.steps) == 0) {
				t.Errorf("%+v", s)
			}
		}
	})
}
