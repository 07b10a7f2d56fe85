package suite

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// setting makes what the assertions below are about.
const setting = `script x: x
spec MAY http.html#create
POST Patient as a
	{"resourceType":"Patient","meta":${meta},"name":[{"family":"Able","given":["Ann","Bea"]}],"birthDate":"1970-01-01"}
POST Patient as b
	{"resourceType":"Patient","meta":${meta},"name":[{"family":"Baker"}],"multipleBirthInteger":2}
POST Observation as o
	{"resourceType":"Observation","meta":${meta},"status":"final","code":{"text":"x"},"valueQuantity":{"value":1.50}}
DELETE Patient/${run}-none
status 204 or not offered 405
`

// batchOfTwo makes a Patient, and reads what is not there.
const batchOfTwo = `POST ${base}
	{"resourceType":"Bundle","type":"batch","entry":[
	 {"resource":{"resourceType":"Patient","gender":"female"},"request":{"method":"POST","url":"Patient"}},
	 {"request":{"method":"GET","url":"Patient/${run}-none"}}]}`

// TestFalse: each expectation passes where it holds and fails where it does not, with a detail that says what was wrong. So a script
// that passes says something.
func TestFalse(t *testing.T) {
	target, err := newTarget(t.Context(), Config{Base: serve(t, "badger::memory:")})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ request, holds, fails, says string }{
		{"GET Patient/${a}", "status 200", "status 201", "the status is 200; it should be 201"},
		{"GET Patient/${a}", "status 2xx 404", "status 404 5xx", "the status is 200; it should be 404 or 5xx"},
		{"GET Patient/${run}", "status 404", "", "the status is 404; it should be 2xx"},
		{"GET Patient/${run}", "refused 404", "refused 410", "the status is 404; it should be 410"},
		{"GET Patient/${a}", "status 200", "refused 200", "the answer is a Patient; an error should be explained by an OperationOutcome"},
		{"GET Patient/${a}", "header ETag", "header X-None", "no header X-None"},
		{"GET Patient/${a}", "header X-None absent", "header ETag absent", `the header ETag: W/"1"`},
		{"GET Patient/${a}", `header ETag = W/"1"`, `header ETag = W/"2"`, `is "W/\"1\""; it should be "W/\"2\""`},
		{"GET Patient/${a}", "header ETag = ${a.etag}", "header ETag = ${a}", `the header ETag is`},
		{"GET Patient/${a}", "header Content-Type ~ ^application/fhir", "header Content-Type ~ xml", "has no match of xml"},
		{"HEAD Patient/${a}", "body empty", "body ~ .", "the body is"},
		{"GET Patient/${a}", "body ~ Able", "body empty", "has a body of"},
		{"GET Patient/${a}", "body !~ Baker", "body !~ Ab[l]e", `has a match of Ab[l]e: "Able"`},
		{"GET Patient/${a}", "assert Patient.name.family = 'Able'", "assert Patient.name.family = 'Abel'", `the path gives false; it should give true; Patient.name.family is "Able"`},
		{"GET Patient/${a}", "assert Patient.id = '${a}'", "assert Patient.id = '${b}'", "Patient.id is"},
		{"GET Patient/${a}", "assert Patient.deceased.empty()", "assert Patient.deceased", "the path gives nothing"},
		{"GET Patient/${a}", "assert Patient.name.exists()", "assert Patient.name", "the path gives a HumanName"},
		{"GET Patient/${a}", "assert Patient.name.given.count() = 2", "assert Patient.name.given = 'Ann'", "Patient.name.given"},
		{"GET Patient/${a}", "assert Patient.birthDate < @1980-01-01", "assert Patient.birthDate > @1980-01-01", `Patient.birthDate is "1970-01-01"`},
		{"GET Observation/${o}", "json valueQuantity.value = 1.50", "json valueQuantity.value = 1.5", "valueQuantity.value is 1.50; it should be 1.5"},
		{"GET Patient/${a}", `json name[0].given[1] = "Bea"`, `json name[0].given[1] = "Ann"`, `name[0].given[1] is "Bea"; it should be "Ann"`},
		{"GET Patient/${a}", `json name = [{"given":["Ann","Bea"],"family":"Able"}]`, `json name = [{"given":["Bea","Ann"],"family":"Able"}]`, "name is"},
		{"GET Patient/${a}", "json name[1] absent", "json name[0] absent", "it should be absent"},
		{"GET Patient/${a}", `json birthDate = "1970-01-01"`, `json gender = "male"`, `gender is absent; it should be "male"`},
		{"GET Patient/${a}", "kept a", "kept b", `birthDate is new: "1970-01-01"; multipleBirthInteger is gone; name is`},
		{"GET Patient/${a}", "valid", "kept o", "status is gone"},
		{"GET Patient/${a}", "status 200", "ids a", "the answer is a Patient, and no Bundle"},
		{"GET Patient/${a}/_history", "status 200", "ids a", `the Bundle.type is "history", and not searchset`},
		{"GET Patient?_tag=${tag}", "ids a b", "ids a", "found are a b; they should be a"},
		{"GET Patient?_tag=${tag}", "ids b a", "ids none", "found are a b; they should be none"},
		{"GET Patient?_tag=${tag}&_sort=family", "order a b", "order b a", "found are a b; they should be b a"},
		{"GET Patient?_tag=${tag}&_sort=family&_count=1", "ids a", "ids a b", "found are a; they should be a b"},
		{"GET Patient?_id=${run}", "ids none", "ids a", "found are none; they should be a"},
		{"", "search Patient?_tag=${tag} -> a b", "search Patient?_tag=${tag} -> a b o", "found are a b; they should be a b o"},
		{"", "search Patient?_tag=${tag}&_count=1 -> a b", "search Patient?_tag=${tag}&_count=1 -> a", "found are a b; they should be a"},
		{"", "search Patient?_tag=${tag}&_sort=-family -> in order b a", "search Patient?_tag=${tag}&_sort=-family -> in order a b", "found are b a"},
		{"", "search Patient?_tag=${tag}&family=Abel -> none", "search Patient?_tag=${tag}&family=able -> none", "found are a; they should be none"},
		{"", "search Patient?_id=${a} -> a", "search Patient?nonsense=1 -> a", "the status is 400; it should be 200"},
		{"GET Patient/${a}", "let x = Patient.birthDate", "let x = Patient.gender", "the path gives nothing; it should give one value"},
		{"GET Patient/${a}", "let x = header ETag", "let x = Patient.name.given", `the path gives "Ann", "Bea"; it should give one value`},
		{"parallel 3 GET Patient/${a}", "tally 3 200", "tally 2 200", "3 of 3 answers are 200; it should be 2 (200: 3 times)"},
		{"parallel 3 PUT Patient/${a}\n\tIf-Match: ${a.etag}\n\t{\"resourceType\":\"Patient\",\"id\":\"${a}\",\"multipleBirthInteger\":${n}}", "tally 2 412", "tally 3 2xx", "1 of 3 answers are 2xx"},
		{"parallel 2 GET Patient/${run}${n}", "tally 2 404", "", "the status is 404; it should be 2xx"},
		{"await Patient/${a}", "kept a", "kept b", "name is"},
		{batchOfTwo, "entries c -", "entries c", "the answer has 2 entries; it should have 1"},
		{batchOfTwo, "entries c -", "entries c d e", "entry 1 has neither a location nor a resource with an id"},
		{batchOfTwo + "\nentries c -\nGET Patient/${c}", "kept c", "kept a", "gender is new"},
		{batchOfTwo + "\nentries c -\nGET Patient/${c}", "header ETag = ${c.etag}", "header ETag = x${c.etag}", "the header ETag is"},
		{"GET Patient/${a}", "status 200", "entries c", "the answer is a Patient, and no Bundle"},
		{"GET Patient?_tag=${tag}", "status 200", "entries c d", `the Bundle.type is "searchset"; it should be batch-response`},
		{"GET metadata", "valid", "let x = header X-None", "the answer has no header X-None"},
	} {
		head := setting
		if x.request != "" {
			head += x.request + "\n"
		}
		if r := one(t, target, head+x.holds); r.Verdict != Pass {
			t.Errorf("%s: %s %s", x.holds, r.Verdict, r.Detail)
		}
		last := strings.Count(head, "\n") + 1
		if x.fails == "" {
			last--
			x.fails = "pause 0s"
		}
		r := one(t, target, head+x.fails)
		if r.Verdict != Fail {
			t.Errorf("%s: %s, and it is false", x.fails, r.Verdict)
		}
		if !strings.Contains(r.Detail, x.says) || !strings.HasPrefix(r.Detail, place{"x.test", last}.String()+": ") || !strings.Contains(r.Detail, " answered ") {
			t.Errorf("%s: the detail is\n%s\nand does not say %q", x.fails, r.Detail, x.says)
		}
	}
}

// one runs the text of one script.
func one(t *testing.T, target *target, text string) Result {
	t.Helper()
	scripts, err := parse("x.test", text)
	if err != nil {
		t.Fatal(err)
	}
	return target.run(t.Context(), &scripts[0])
}

// TestNotOffered: an option that is refused as its script says, or not claimed, is neither passed nor failed.
func TestNotOffered(t *testing.T) {
	target, err := newTarget(t.Context(), Config{Base: serve(t, "badger::memory:")})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		text, says string
		want       Verdict
	}{
		{"spec MAY a.html\nGET Pacient\nstatus 200 or not offered 404", "answered 404", NotOffered},
		{"spec MAY a.html\nGET Pacient\nstatus 200 or not offered 405", "the status is 404; it should be 200", Fail},
		{"spec MAY a.html\nGET Pacient\nrefused 404 or not offered 405", "", Pass},
		{"spec MAY a.html\nsearch Patient?nonsense=1 -> none or not offered 4xx", "answered 400", NotOffered},
		{"spec MAY a.html\nGET metadata\noffered if header X-None\nstatus 404", "no header X-None", NotOffered},
		{"spec MAY a.html\nGET metadata\noffered if header ETag\nstatus 404", "the status is 200", Fail},
		{"spec SHALL a.html\nneeds search Patient name nonsense\nGET Pacient\nstatus 200", "does not claim search Patient nonsense", NotOffered},
		{"spec SHALL a.html\nneeds operation Patient nonsense\nGET Pacient\nstatus 200", "does not claim operation Patient nonsense", NotOffered},
		{"spec SHALL a.html\nneeds conditionalDelete Patient multiple\nGET Pacient\nstatus 200", "does not claim conditionalDelete Patient multiple", NotOffered},
		{"spec SHALL a.html\nneeds conditionalDelete Patient single\nneeds conditionalDelete Patient\nneeds conditionalCreate Patient\nneeds conditionalUpdate Basic\nneeds operation Basic validate\nneeds batch\nGET metadata\nstatus 200", "", Pass},
		{"spec SHALL a.html\nneeds nonsense\nGET Pacient\nstatus 200", "does not claim nonsense", NotOffered},
		{"spec SHALL a.html\nneeds history-system\nneeds vread Basic\nneeds updateCreate Basic\nneeds search Patient name _id\nGET metadata\nstatus 200", "", Pass},
	} {
		r := one(t, target, "script x: x\n"+x.text)
		if r.Verdict != x.want || !strings.Contains(r.Detail, x.says) {
			t.Errorf("%s\n%s: %s", x.text, r.Verdict, r.Detail)
		}
	}
}

// TestRunOn: what cannot be run is an error that says why, and a server that is none fails what it is asked.
func TestRunOn(t *testing.T) {
	for base, says := range map[string]string{
		"":                       "write a URL",
		"localhost:8080":         "write a URL",
		"ftp://ehr.example/fhir": "write a URL",
		"http://127.0.0.1:1":     "base http://127.0.0.1:1: ",
	} {
		if _, err := Run(t.Context(), Config{Base: base}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", base, err)
		}
	}
	nothing := httptest.NewServer(http.NotFoundHandler())
	defer nothing.Close()
	results, err := Run(t.Context(), Config{Base: nothing.URL, Match: "^(create|search-date)/"})
	if err != nil {
		t.Fatal(err)
	}
	if s := Summarize(results); s.Passed > 0 || s.Failed < 20 || len(results) < 30 {
		t.Errorf("a server that is none: %v", s)
	}
	if _, err := Run(t.Context(), Config{Base: nothing.URL, Match: "("}); err == nil {
		t.Error("what is no expression")
	}
	if _, err := Run(t.Context(), Config{Base: nothing.URL, Match: "^nonsense$"}); err == nil || !strings.Contains(err.Error(), "async/") {
		t.Errorf("no script: %v", err)
	}
	if _, err := Run(t.Context(), Config{Base: nothing.URL, Run: "A B"}); err == nil {
		t.Error("what is no name of a run")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, Config{Base: nothing.URL}); err == nil {
		t.Error("a context that has ended")
	}
}

// TestHeader: the headers of a Config go to the server under test, and to no other that its answers name.
func TestHeader(t *testing.T) {
	var seen []string
	answer := func(next string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen = append(seen, r.Header.Get("Authorization"))
			w.Header().Set("X-Next", next)
		})
	}
	other := httptest.NewServer(answer("-"))
	defer other.Close()
	server := httptest.NewServer(answer(other.URL + "/x"))
	defer server.Close()
	target, err := newTarget(t.Context(), Config{Base: server.URL, Header: http.Header{"Authorization": {"Bearer t"}}})
	if err != nil {
		t.Fatal(err)
	}
	r := one(t, target, "script x: x\nspec SHALL a.html\nGET Patient\nlet next = header X-Next\nGET ${next}\nstatus 200")
	if r.Verdict != Pass || strings.Join(seen, ",") != "Bearer t,Bearer t," {
		t.Errorf("%v; Authorization was %q", r, seen)
	}
}
