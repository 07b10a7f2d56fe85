package server_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/server"
)

// TestFaults has a test for each fault that FHIR servers are known for. docs/faults.md lists the same names.
func TestFaults(t *testing.T) {
	faults := []struct {
		name string
		test func(*testing.T)
	}{
		{"parallel conditional creates make duplicates", TestConditionalCreateStorm},
		{"a conditional update inside a transaction is lost", conditionalUpdatesInTransactions},
		{"identifiers are told apart by a 32-bit hash", collidingHashes},
		{"numbers are cut to two digits", smallNumbers},
		{"dates without a zone are read as UTC whatever the zone of the site", siteZone},
		{"a search finds what was true a minute ago", readYourWrite},
		{"an unknown parameter is ignored and everything returned", unknownParameters},
		{"indexing anew hides old data", func(t *testing.T) {
			t.Run("for a new parameter", TestParameterLife)
			t.Run("by other rules", TestOtherRules)
		}},
		{"totals are missing, estimated or wrong while paging", totalsWhilePaging},
		{"only one sort key", severalSortKeys},
		{"includes above a limit are dropped", manyIncludes},
		{"a long list of values abandons the index", longLists},
		{"a caller of one patient reads others by include, history, chain or count", narrowedToOnePatient},
		{"a compartment takes what refers to no patient, or misses the second of several", compartmentMembers},
		{"JSON Patch reads, then writes without a version check", TestPatchStorm},
		{"a transaction runs as a batch", transactionIsWhole},
	}
	page, err := os.ReadFile("../docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed, tested []string
	for _, m := range regexp.MustCompile(`(?m)^\| (\D.*?) \| .* \|$`).FindAllStringSubmatch(string(page), -1) {
		if m[1] != "fault" && m[1] != "---" {
			listed = append(listed, m[1])
		}
	}
	for _, f := range faults {
		tested = append(tested, f.name)
		t.Run(f.name, f.test)
	}
	if !slices.Equal(listed, tested) {
		t.Errorf("docs/faults.md lists\n%s\nand the tests are\n%s", strings.Join(listed, "\n"), strings.Join(tested, "\n"))
	}
}

func conditionalUpdatesInTransactions(t *testing.T) {
	f := open(t, nil)
	id := f.do("POST", "/fhir/Patient", known("", "1", "First")).created()
	a := f.do("POST", "/fhir", transaction(
		ask("", known("", "1", "Second"), "PUT", "Patient?"+by+"1"),
		ask("", known("", "2", "New"), "PUT", "Patient?"+by+"2"),
		post("", observed("Patient?"+by+"1")))).response("transaction-response")
	if a.statuses() != "200 201 201" || a.id(0) != id {
		t.Errorf("the answers are %s, the first of %s", a.statuses(), a.id(0))
	}
	f.do("GET", "/fhir/Patient/"+id, "").says("Second").has("ETag", `W/"2"`)
	f.has(by+"2", 1)

	got := f.storm(32, func(i int) *answer {
		return f.do("POST", "/fhir", transaction(ask("", known("", "1", fmt.Sprint("F", i)), "PUT", "Patient?"+by+"1"),
			ask("", known("", "3", fmt.Sprint("F", i)), "PUT", "Patient?"+by+"3")))
	})
	if got[200] != 32 {
		t.Errorf("the transactions are answered by %v", got)
	}
	for query, versions := range map[string]int{by + "1": 34, by + "3": 32} {
		ids := f.do("GET", "/fhir/Patient?"+query, "").set().ids()
		if len(ids) != 1 {
			t.Fatalf("%s finds %v", query, ids)
		}
		if n := len(f.do("GET", "/fhir/Patient/"+ids[0]+"/_history?_count=1000", "").set().Entry); n != versions {
			t.Errorf("%s has %d versions, not %d", query, n, versions)
		}
	}
}

func readYourWrite(t *testing.T) {
	f := open(t, nil)
	for i := range 100 {
		id, old, new := fmt.Sprint("p", i), fmt.Sprint("Old", i, "x"), fmt.Sprint("New", i, "x")
		f.put(id, old).is(201)
		f.has("family="+old, 1)
		f.put(id, new).is(200)
		f.has("family="+old, 0)
		f.has("family="+new, 1)
		f.do("DELETE", "/fhir/Patient/"+id, "").is(204)
		f.has("family="+new, 0)
	}
}

func unknownParameters(t *testing.T) {
	f := open(t, nil)
	f.put("a", "Smith").is(201)
	for _, query := range []string{"nmae=x", "name=smith&nmae=x", "name:exakt=x", "general-practitioner.nmae=x", "_has:Observation:patient:cod=x", "_sort=nmae", "_include=Patient:nmae"} {
		f.do("GET", "/fhir/Patient?"+query, "").is(400)
		f.do("POST", "/fhir/Patient/_search", query, "Content-Type: application/x-www-form-urlencoded").is(400)
		f.do("POST", "/fhir/Patient", patient("", "x"), "If-None-Exist: "+query).is(400)
		f.do("DELETE", "/fhir/Patient?"+query, "").is(400)
	}
	f.do("GET", "/fhir/Patient?nmae=x", "").fails(400, "not-supported", "birthdate")
	f.has("", 1)
}

func totalsWhilePaging(t *testing.T) {
	f := open(t, nil)
	const n = 60
	for i := range n {
		f.put(fmt.Sprint("p", i), "Smith").is(201)
	}
	for _, sort := range []string{"", "&_sort=name", "&_sort=-_lastUpdated"} {
		next, seen := "/fhir/Patient?name=smith&_total=accurate&_count=7"+sort, map[string]bool{}
		f.has("name=smith", n)
		for i := 0; next != ""; i++ {
			p := f.do("GET", next, "").is(200).set()
			if p.Total == nil || *p.Total != n {
				t.Errorf("%s: the total of page %d is not %d: %v", sort, i, n, p.Total)
			}
			for _, id := range p.ids() {
				if seen[id] {
					t.Errorf("%s: %s is on two pages", sort, id)
				}
				seen[id] = true
			}
			next = p.link("next")
			if i < 5 { // between two pages some are added, some go, some change what they are called
				f.put(fmt.Sprint("new", i), "Smith").is(201)
				f.put(fmt.Sprint("p", i*11), "Jones").is(200)
				f.do("DELETE", fmt.Sprintf("/fhir/Patient/p%d", i*11+3), "").is(204)
			}
		}
		if len(seen) != n {
			t.Errorf("%s: the pages show %d of %d", sort, len(seen), n)
		}
		f.has("name=smith", n-5)
		for i := range 5 {
			f.do("DELETE", fmt.Sprint("/fhir/Patient/new", i), "").is(204)
			f.put(fmt.Sprint("p", i*11), "Smith").is(200)
			f.put(fmt.Sprint("p", i*11+3), "Smith").is(201)
		}
	}
}

func severalSortKeys(t *testing.T) {
	f := open(t, nil)
	for id, p := range map[string][3]string{
		"a": {"Smith", "2000", "male"}, "b": {"Smith", "2000", "female"}, "c": {"Smith", "1990", "male"}, "d": {"Jones", "2000", "male"},
		"e": {"", "1980", "female"}, "f": {"Smith", "", "male"},
	} {
		body := `{"resourceType":"Patient","id":"` + id + `","gender":"` + p[2] + `"`
		if p[0] != "" {
			body += `,"name":[{"family":"` + p[0] + `"}]`
		}
		if p[1] != "" {
			body += `,"birthDate":"` + p[1] + `"`
		}
		f.do("PUT", "/fhir/Patient/"+id, body+"}").is(201)
	}
	for sort, want := range map[string]string{
		"family,-birthdate,gender":      "d b a c f e",
		"-family,birthdate,-gender":     "c a b f d e",
		"gender,family,birthdate,-_id":  "b e d c a f",
		"birthdate,-family,gender,_id":  "e c b a d f",
		"-_lastUpdated,family,-gender":  "",
		"family,family,-_id,birthdate":  "d f c b a e",
		"active,-deceased,-_id,-family": "f e d c b a",
	} {
		for _, count := range []string{"100", "1"} { // on one page, and page by page
			next, got := "/fhir/Patient?_sort="+sort+"&_count="+count, []string{}
			for next != "" {
				p := f.do("GET", next, "").is(200).set()
				got, next = append(got, p.ids()...), p.link("next")
			}
			if want != "" && strings.Join(got, " ") != want || len(got) != 6 {
				t.Errorf("_sort=%s gives %v, not %s", sort, got, want)
			}
		}
	}
}

func manyIncludes(t *testing.T) {
	const n = 700
	f := open(t, func(c *server.Config) { c.Limits.Included = n })
	list := func(id string, n int) string {
		var entries []string
		for i := range n {
			entries = append(entries, fmt.Sprintf(`{"item":{"reference":"Patient/p%d"}}`, i))
		}
		return `{"resourceType":"List","id":"` + id + `","status":"current","mode":"working","entry":[` + strings.Join(entries, ",") + `]}`
	}
	for i := range n + 1 {
		f.put(fmt.Sprint("p", i), "Smith").is(201)
	}
	f.do("PUT", "/fhir/List/all", list("all", n)).is(201)
	f.do("PUT", "/fhir/List/more", list("more", n+1)).is(201)
	for _, query := range []string{"_id=all&_include=List:item", "_id=all&_include=List:item:Patient"} {
		p := f.do("GET", "/fhir/List?"+query, "").is(200).set()
		seen := map[string]bool{}
		for _, e := range p.Entry {
			seen[e.Resource.ID] = true
		}
		if len(p.Entry) != n+1 || len(seen) != n+1 || *p.Total != 1 {
			t.Errorf("%s gives %d entries", query, len(p.Entry))
		}
	}
	f.do("GET", "/fhir/List?_id=more&_include=List:item", "").fails(422, "too-costly", fmt.Sprint("more than ", n))
	f.do("GET", "/fhir/Patient?_revinclude=List:item&_count=1000", "").is(200).says(`"id":"more"`).says(`"id":"all"`)
}

func longLists(t *testing.T) {
	f := open(t, nil)
	var few, values []string
	for i := range 2000 {
		f.put(fmt.Sprintf("p%04d", i), "Smith")
		if i%4 == 0 {
			values = append(values, fmt.Sprint("http://s|v", i))
		}
	}
	for i := 0; i < 2000; i += 40 {
		f.do("PUT", fmt.Sprintf("/fhir/Patient/p%04d", i), known(fmt.Sprintf("p%04d", i), fmt.Sprint("v", i), "x")).is(200)
		few = append(few, fmt.Sprint("v", i))
	}
	form := "Content-Type: application/x-www-form-urlencoded"
	list := "identifier=" + strings.Join(values, ",")
	p := f.do("POST", "/fhir/Patient/_search", list+"&_count=1000", form).is(200).set()
	if len(p.Entry) != len(few) {
		t.Errorf("%d values find %d, not %d", len(values), len(p.Entry), len(few))
	}
	e := f.do("POST", "/fhir/Patient/_search?__explain=true", list+"&_count=1000", form).explained()
	if e.Tree.Node != "Lookup" && !strings.Contains(e.Query, "IN (") || strings.Contains(e.Query, "Or(") {
		t.Errorf("a list is translated into %.200s", e.Query)
	}
	if e.Rows > 3*len(values) || e.Stopped != "" {
		t.Errorf("a list of %d values reads %d rows of a store of 2000 resources: %+v", len(values), e.Rows, e.Plan)
	}
}

func compartmentMembers(t *testing.T) {
	f := open(t, nil)
	for _, body := range []string{
		`{"resourceType":"Observation","id":"group","status":"final","code":{"text":"x"},"subject":{"reference":"Group/1"}}`,
		`{"resourceType":"Observation","id":"device","status":"final","code":{"text":"x"},"subject":{"reference":"Device/1"},"performer":[{"reference":"Practitioner/1"}]}`,
		`{"resourceType":"Observation","id":"other","status":"final","code":{"text":"x"},"subject":{"reference":"http://other.test/fhir/Patient/1"}}`,
		`{"resourceType":"Observation","id":"focus","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/2"},"focus":[{"reference":"Patient/1"}]}`,
		`{"resourceType":"Observation","id":"subject","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/1"}}`,
		`{"resourceType":"Observation","id":"performer","status":"final","code":{"text":"x"},"subject":{"reference":"Group/1"},"performer":[{"reference":"Patient/2"},{"reference":"Patient/1"}]}`,
		`{"resourceType":"Appointment","id":"both","status":"booked","participant":[{"actor":{"reference":"Location/1"},"status":"accepted"},{"actor":{"reference":"Patient/2"},"status":"accepted"},{"actor":{"reference":"Patient/1"},"status":"accepted"}]}`,
		`{"resourceType":"Appointment","id":"room","status":"booked","participant":[{"actor":{"reference":"Location/1"},"status":"accepted"}]}`,
		`{"resourceType":"Group","id":"two","type":"person","actual":true,"member":[{"entity":{"reference":"Patient/2"}},{"entity":{"reference":"Patient/1"}}]}`,
	} {
		key := strings.Split(body, `"`)
		f.do("PUT", "/fhir/"+key[3]+"/"+key[7], body).is(201)
	}
	f.put("1", "Ann").is(201)
	f.put("2", "Bob").is(201)
	for path, want := range map[string]string{
		"Patient/1/Observation": "performer subject",
		"Patient/2/Observation": "focus performer",
		"Patient/1/Appointment": "both",
		"Patient/2/Appointment": "both",
		"Patient/1/Group":       "two",
		"Patient/2/Group":       "two",
	} {
		if got := strings.Join(f.do("GET", "/fhir/"+path+"?_sort=_id", "").is(200).set().ids(), " "); got != want {
			t.Errorf("%s finds %q, not %q", path, got, want)
		}
	}
	for id, want := range map[string]int{"1": 5, "2": 5} { // the patient, two observations, an appointment and a group
		if n := len(f.do("GET", "/fhir/Patient/"+id+"/$everything?_count=100", "").is(200).set().Entry); n < want {
			t.Errorf("$everything of %s has %d entries, fewer than %d", id, n, want)
		}
	}
}

func transactionIsWhole(t *testing.T) {
	f := open(t, nil)
	for name, entries := range map[string][]string{
		"a resource that is not valid": {post("", patient("", "a")), post("", `{"resourceType":"Patient","gender":"x"}`)},
		"a version that is not there":  {put(patient("a", "x")), put(patient("b", "x"), `"ifMatch":"W/\"3\""`)},
		"a read of nothing":            {ask("", "", "GET", "Patient/x"), post("", patient("", "a"))},
		"a delete of a wrong url":      {post("", patient("", "a")), ask("", "", "DELETE", "Nothing/1")},
		"one identity twice":           {put(patient("a", "x")), put(patient("a", "y"))},
	} {
		if a := f.do("POST", "/fhir", transaction(entries...)); a.status < 400 || a.status > 499 {
			t.Errorf("a transaction with %s is answered by %d %s", name, a.status, a.body)
		}
		f.empty()
	}
	if got := f.do("POST", "/fhir", batch(post("", patient("", "a")), post("", `{"resourceType":"Patient","gender":"x"}`))).response("batch-response").statuses(); got != "201 400" {
		t.Errorf("a batch is answered by %s", got)
	}
	f.has("", 1)
}
