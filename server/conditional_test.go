package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// known is a Patient with an identifier of the system http://s.
func known(id, value, family string) string {
	return strings.Replace(patient(id, family), `"name"`, `"identifier":[{"system":"http://s","value":"`+value+`"}],"name"`, 1)
}

const (
	by       = "identifier=http://s%7C"
	byHeader = "If-None-Exist: identifier=http://s|"
)

func TestConditionalCreate(t *testing.T) {
	f := open(t, nil)
	id := f.do("POST", "/fhir/Patient", known("", "1", "One"), byHeader+"1").created()
	at := "http://hob.test/fhir/Patient/" + id + "/_history/1"
	f.do("POST", "/fhir/Patient", known("", "1", "Two"), byHeader+"1").is(200).has("Location", at).has("ETag", `W/"1"`).says("One")
	f.do("POST", "/fhir/Patient", known("", "1", "Two"), byHeader+"1", "Prefer: return=minimal").is(200).has("Location", at)
	f.do("POST", "/fhir/Patient", known("", "1", "Two"), byHeader+"1", "Prefer: return=OperationOutcome").is(200).says("nothing was created")
	for _, query := range []string{"Patient?" + by + "1", "?" + by + "1", "http://hob.test/fhir/Patient?" + by + "1", by + "1&family=one"} {
		f.do("POST", "/fhir/Patient", known("", "1", "Two"), "If-None-Exist: "+query).is(200)
	}
	f.do("POST", "/fhir/Patient", known("", "1", "Two")).created()
	f.do("POST", "/fhir/Patient", known("", "1", "Two"), byHeader+"1").fails(412, "multiple-matches", "several Patient match identifier=")
	f.do("POST", "/fhir/Patient", `{"resourceType":"Patient","nmae":1}`, byHeader+"1").is(412)
	f.do("POST", "/fhir/Patient", known("", "3", "Two"), byHeader+"3&_count=1").fails(400, "not-supported", "_count is no criterion")
	for _, query := range []string{"", "?", "Patient?", "&", "_format=json"} {
		f.do("POST", "/fhir/Patient", known("", "3", "Two"), "If-None-Exist: "+query+"&").fails(412, "required", "no criteria")
	}
	for _, query := range []string{"bogus=1", "identifier=", "identifier=|", "_has:Observation:subject:bogus=1", "general-practitioner.bogus=1", "name= ", "name=.", "%zz=1", "identifier:bogus=1"} {
		if a := f.do("POST", "/fhir/Patient", known("", "3", "Two"), "If-None-Exist: "+query); a.status != 400 {
			t.Errorf("If-None-Exist: %s is answered by %d %s", query, a.status, a.body)
		}
	}
	f.do("DELETE", "/fhir/Patient/"+id, "").is(204)
	f.do("POST", "/fhir/Patient", known("", "1", "Two"), byHeader+"1").is(200)
	f.do("POST", "/fhir/Patient", `{"resourceType":"Patient","nmae":1}`, byHeader+"1").is(400)
}

// TestConditionalReach: criteria may reach into other resources, within what one search inside the writer may read.
func TestConditionalReach(t *testing.T) {
	f := open(t, func(c *server.Config) { c.Limits.Within = 200 })
	f.put("p", "Ann").is(201)
	observed := func(id, code string) string {
		return `{"resourceType":"Observation","id":"` + id + `","status":"final","code":{"coding":[{"code":"` + code + `"}]},"subject":{"reference":"Patient/p"}}`
	}
	f.do("PUT", "/fhir/Observation/o", observed("o", "x")).is(201)
	f.do("POST", "/fhir/Patient", patient("", "Two"), "If-None-Exist: _has:Observation:patient:code=x").is(200).says("Ann")
	f.do("POST", "/fhir/Patient", patient("", "Two"), "If-None-Exist: _has:Observation:patient:code=y").is(201)
	f.do("PUT", "/fhir/Observation?patient.family=ann", observed("o", "z")).is(200)
	f.do("DELETE", "/fhir/Observation?patient:Patient.family=nobody", "").is(204)
	f.do("GET", "/fhir/Observation/o", "").is(200).says(`"z"`)
	for i := range 300 {
		id := fmt.Sprintf("o%03d", i)
		f.do("PUT", "/fhir/Observation/"+id, observed(id, "many")).is(201)
	}
	f.do("POST", "/fhir/Patient", patient("", "Two"), "If-None-Exist: _has:Observation:patient:status:not=final").fails(422, "too-costly", "add a parameter")
}

func TestConditionalUpdate(t *testing.T) {
	f := open(t, nil)
	id := f.do("PUT", "/fhir/Patient?"+by+"1", known("", "1", "One")).created()
	f.do("PUT", "/fhir/Patient?"+by+"1", known("", "1", "Two")).is(200).has("ETag", `W/"2"`).has("Content-Location", "http://hob.test/fhir/Patient/"+id+"/_history/2")
	f.do("PUT", "/fhir/Patient?"+by+"1", known(id, "1", "Three"), `If-Match: W/"2"`).is(200).has("ETag", `W/"3"`)
	f.do("PUT", "/fhir/Patient?"+by+"1", known(id, "1", "Four"), `If-Match: W/"2"`).fails(412, "conflict", "version 3")
	f.do("PUT", "/fhir/Patient?"+by+"1", known("other", "1", "x")).fails(400, "invalid", "the body has the id other")
	f.do("PUT", "/fhir/Patient?"+by+"2", known("mine", "2", "x")).is(201).has("Location", "http://hob.test/fhir/Patient/mine/_history/1")
	f.do("PUT", "/fhir/Patient?"+by+"3", known("mine", "3", "x")).fails(409, "conflict", "Patient/mine exists")
	f.put("twin", "One").is(201)
	f.put("tween", "One").is(201)
	f.do("PUT", "/fhir/Patient?family=one", patient("", "x")).fails(412, "multiple-matches", "several")
	f.do("PUT", "/fhir/Patient?famly=one", patient("", "x")).fails(400, "not-supported", "famly")
	f.do("PUT", "/fhir/Patient?_sort=family", patient("", "x")).fails(400, "not-supported", "no criterion")
	f.do("PUT", "/fhir/Patient?"+by+"1", "").fails(400, "structure", "no body")
	f = open(t, func(c *server.Config) { c.Policy.NoClientIDs = true })
	f.do("PUT", "/fhir/Patient?"+by+"1", known("mine", "1", "x")).is(405)
	f.do("PUT", "/fhir/Patient?"+by+"1", known("", "1", "x")).is(201)
}

func TestConditionalDelete(t *testing.T) {
	f := open(t, nil)
	f.put("a", "Ann").is(201)
	f.put("b", "Bob").is(201)
	f.put("b2", "Bob").is(201)
	f.do("DELETE", "/fhir/Patient?family=zed", "").is(204)
	f.do("DELETE", "/fhir/Patient?family=ann", "", `If-Match: W/"2"`).is(412)
	f.do("DELETE", "/fhir/Patient?family=ann", "").is(204).has("ETag", `W/"2"`)
	f.do("GET", "/fhir/Patient/a", "").is(410)
	f.do("DELETE", "/fhir/Patient?family=bob", "").fails(412, "multiple-matches", "several")
	f.do("DELETE", "/fhir/Patient?famly=bob", "").fails(400, "not-supported", "famly")
	f.do("DELETE", "/fhir/Patient?_count=1", "").fails(400, "not-supported", "no criterion")
	f.do("DELETE", "/fhir/Patient?_cascade=delete", "").is(412)

	f = open(t, func(c *server.Config) {
		c.Policy.ConditionalDelete, c.Limits.Cascade = server.DeleteMultiple, 3
	})
	for i := range 7 {
		f.put(fmt.Sprint("p", i), []string{"Few", "Many"}[i%2*i/2%2|i/4]).is(201)
	}
	n := *f.do("GET", "/fhir/Patient?family=many", "").is(200).set().Total
	if n <= 3 {
		t.Fatalf("%d are many", n)
	}
	f.do("DELETE", "/fhir/Patient?family=many", "").fails(422, "too-costly", "more than 3")
	few := *f.do("GET", "/fhir/Patient?family=few", "").is(200).set().Total
	f.do("DELETE", "/fhir/Patient?family=few", "", "Prefer: return=OperationOutcome").is(200).says(fmt.Sprint(few, " Patient were deleted"))
	if p := f.do("GET", "/fhir/Patient", "").is(200).set(); *p.Total != n {
		t.Errorf("%d are left, want %d", *p.Total, n)
	}
	f.do("DELETE", "/fhir/Patient", "").fails(412, "required", "no criteria")

	f = open(t, func(c *server.Config) { c.Policy.ConditionalDelete = server.DeleteNone })
	f.do("DELETE", "/fhir/Patient?family=few", "").is(405)
}

// TestConditionalNarrowed has two callers who may each see their own: the criteria of one never find what belongs to the other.
func TestConditionalNarrowed(t *testing.T) {
	f := open(t, func(c *server.Config) {
		c.Caller = func(r *http.Request) (server.Caller, error) {
			id := r.Header.Get("Caller")
			return server.Caller{Access: func(storage.Action, string) (driver.Query, error) {
				return driver.Lookup{Field: "family", Op: driver.EQUAL, Values: []driver.Value{driver.Prefix([]byte(id))}}, nil
			}}, nil
		}
	})
	ann := f.do("POST", "/fhir/Patient", known("", "1", "Ann"), byHeader+"1", "Caller: ann").created()
	f.do("POST", "/fhir/Patient", known("", "1", "Bob"), byHeader+"1", "Caller: bob").is(201)
	f.do("PUT", "/fhir/Patient?"+by+"1", known("", "1", "Bobby"), "Caller: bob").is(200).says("Bobby")
	f.do("DELETE", "/fhir/Patient?"+by+"1", "", "Caller: bob").is(204)
	f.do("DELETE", "/fhir/Patient?"+by+"1", "", "Caller: bob").is(204)
	f.do("GET", "/fhir/Patient/"+ann, "", "Caller: ann").is(200).has("ETag", `W/"1"`)
}

// storm sends n requests at once and counts the answers by status.
func (f *fixture) storm(n int, send func(i int) *answer) map[int]int {
	var (
		mu    sync.Mutex
		wait  sync.WaitGroup
		count = map[int]int{}
		start = make(chan struct{})
	)
	for i := range n {
		wait.Go(func() {
			<-start
			a := send(i)
			mu.Lock()
			defer mu.Unlock()
			count[a.status]++
			if a.status >= 500 {
				f.Errorf("request %d: %d %s", i, a.status, a.body)
			}
		})
	}
	close(start)
	wait.Wait()
	return count
}

// TestConditionalCreateStorm is the fault of many servers: clients that create one identifier at once make several resources.
func TestConditionalCreateStorm(t *testing.T) {
	f := open(t, nil)
	alone := func(int) *answer { return f.do("POST", "/fhir/Patient", known("", "1", "x"), byHeader+"1") }
	if got := f.storm(64, alone); got[201] != 1 || got[200] != 63 {
		t.Errorf("the answers are %v, want one 201 and 63 of 200", got)
	}
	f.has(by+"1", 1)

	within := func(i int) *answer {
		return f.do("POST", "/fhir", transaction(
			post("urn:uuid:p", known("", "2", "x"), `"ifNoneExist":"`+by+`2"`),
			post("", `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"urn:uuid:p"}}`)))
	}
	if got := f.storm(64, within); got[200] != 64 {
		t.Errorf("the transactions are answered by %v, want 64 of 200", got)
	}
	f.has(by+"2", 1)
	one := f.do("GET", "/fhir/Patient?"+by+"2", "").is(200).set().ids()[0]
	if p := f.do("GET", "/fhir/Observation?subject=Patient/"+one, "").is(200).set(); *p.Total != 64 {
		t.Errorf("%d Observations are of the one Patient, want 64", *p.Total)
	}

	mixed := func(i int) *answer {
		if i%2 == 0 {
			return within3(f)
		}
		return f.do("POST", "/fhir/Patient", known("", "3", "x"), byHeader+"3")
	}
	if got := f.storm(64, mixed); got[201] > 1 || got[201]+got[200] != 64 {
		t.Errorf("the mixed requests are answered by %v", got)
	}
	f.has(by+"3", 1)

	plain := func(i int) *answer {
		if i%8 == 0 {
			return f.do("POST", "/fhir/Patient", known("", "4", "x"))
		}
		return f.do("POST", "/fhir/Patient", known("", "4", "x"), byHeader+"4")
	}
	got := f.storm(64, plain) // eight create whatever there is; of the others at most the first may
	if got[201] < 8 || got[201] > 9 || got[201]+got[200]+got[412] != 64 {
		t.Errorf("with plain creates between the answers are %v", got)
	}
	f.has(by+"4", got[201])
}

func within3(f *fixture) *answer {
	return f.do("POST", "/fhir", transaction(post("", known("", "3", "x"), `"ifNoneExist":"`+by+`3"`)))
}

// has asserts how many Patients a search finds.
func (f *fixture) has(query string, n int) {
	f.Helper()
	if p := f.do("GET", "/fhir/Patient?_summary=count&"+query, "").is(200).set(); *p.Total != n {
		f.Errorf("%s finds %d, want %d", query, *p.Total, n)
	}
}

// TestUpdateStorm counts: every update that was said to be done is a version, and no version is of another.
func TestUpdateStorm(t *testing.T) {
	f := open(t, nil)
	f.do("PUT", "/fhir/Patient/a", known("a", "1", "x")).is(201)
	versions := func() int { return len(f.do("GET", "/fhir/Patient/a/_history?_count=1000", "").is(200).set().Entry) }

	got := f.storm(64, func(i int) *answer { return f.do("PUT", "/fhir/Patient/a", known("a", "1", fmt.Sprint("f", i))) })
	if got[200] != 64 || versions() != 65 {
		t.Errorf("64 plain updates are answered by %v and left %d versions", got, versions())
	}
	got = f.storm(64, func(i int) *answer { return f.do("PUT", "/fhir/Patient?"+by+"1", known("", "1", fmt.Sprint("g", i))) })
	if got[200] != 64 || versions() != 129 {
		t.Errorf("64 conditional updates are answered by %v and left %d versions", got, versions())
	}
	got = f.storm(64, func(i int) *answer {
		return f.do("PUT", "/fhir/Patient/a", known("a", "1", fmt.Sprint("h", i)), `If-Match: W/"129"`)
	})
	if got[200] != 1 || got[412] != 63 || versions() != 130 {
		t.Errorf("64 updates of one version are answered by %v and left %d versions", got, versions())
	}
	got = f.storm(64, func(i int) *answer { return f.do("PUT", "/fhir/Patient?"+by+"9", known("", "9", "x")) })
	if got[201] != 1 || got[200] != 63 {
		t.Errorf("64 conditional updates of nothing are answered by %v, want one creation", got)
	}
	f.has(by+"9", 1)
	got = f.storm(64, func(i int) *answer { return f.do("DELETE", "/fhir/Patient?"+by+"9", "") })
	if got[204] != 64 {
		t.Errorf("64 conditional deletions are answered by %v", got)
	}
	f.has(by+"9", 0)
	got = f.storm(64, func(i int) *answer { return f.do("DELETE", "/fhir/Patient/a", "") })
	if got[204] != 64 || versions() != 131 {
		t.Errorf("64 deletions are answered by %v and left %d versions", got, versions())
	}
}

// TestCarriedStorm updates a resource whose tags must be carried from each version to the next.
func TestCarriedStorm(t *testing.T) {
	f := open(t, nil)
	tagged := func(i int) string {
		return strings.Replace(patient("a", fmt.Sprint("f", i)), `"name"`, fmt.Sprintf(`"meta":{"tag":[{"code":"t%d"}]},"name"`, i), 1)
	}
	f.do("PUT", "/fhir/Patient/a", tagged(0)).is(201)
	var mu sync.Mutex
	var done []int
	f.storm(16, func(i int) *answer {
		a := f.do("PUT", "/fhir/Patient/a", tagged(i+1))
		if a.status == 200 {
			mu.Lock()
			done = append(done, i+1)
			mu.Unlock()
		}
		return a
	})
	body := f.do("GET", "/fhir/Patient/a", "").is(200).body
	for _, i := range done {
		if !strings.Contains(body, fmt.Sprintf(`{"code":"t%d"}`, i)) {
			t.Errorf("the tag of update %d is lost: %s", i, body)
		}
	}
	if len(done) == 0 {
		t.Error("no update came through")
	}
}
