package server_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// keysOf lists the hits of a page as type and id.
func (p page) keysOf() (out []string) {
	for _, e := range p.Entry {
		if e.Search.Mode == "match" {
			out = append(out, e.Resource.ResourceType+"/"+e.Resource.ID)
		}
	}
	return out
}

// ward fills a store with several types, whose hits have ids, times and dates across each other.
func ward(f *fixture) {
	for i := range 23 {
		id := fmt.Sprintf("r%02d", (i*7)%23)
		subject, date := fmt.Sprintf(`"subject":{"reference":"Patient/p%d"}`, i%3), fmt.Sprintf("2024-01-%02d", (i*5)%13+1)
		switch i % 4 {
		case 0:
			f.do("PUT", "/fhir/Observation/"+id, `{"resourceType":"Observation","id":"`+id+`","status":"final","code":{"coding":[{"code":"x"}]},"effectiveDateTime":"`+date+`",`+subject+`}`).is(201)
		case 1:
			f.do("PUT", "/fhir/Condition/"+id, `{"resourceType":"Condition","id":"`+id+`","code":{"coding":[{"code":"x"}]},`+subject+`}`).is(201)
		case 2:
			f.do("PUT", "/fhir/Procedure/"+id, `{"resourceType":"Procedure","id":"`+id+`","status":"completed","code":{"coding":[{"code":"y"}]},"performedDateTime":"`+date+`",`+subject+`}`).is(201)
		default:
			f.put(id, "Smith").is(201)
		}
	}
	for i := range 3 {
		f.put(fmt.Sprint("p", i), "Jones").is(201)
	}
}

// TestWalkOverTypes: the pages of a search over several types are the one long page cut up, there and back, whatever is written meanwhile.
func TestWalkOverTypes(t *testing.T) {
	f := open(t, nil)
	ward(f)
	for _, query := range []string{
		"?",
		"?_type=Patient,Observation",
		"?_type=Observation,Patient,Condition,Practitioner",
		"?_type=Procedure",
		"?_sort=_id",
		"?_sort=-_id",
		"?_sort=-_lastUpdated",
		"?_type=Observation,Procedure&_sort=date,-_id",
		"?_type=Observation,Procedure&_sort=-date",
		"?_type=Observation,Procedure&_sort=-subject,date",
		"?_type=Observation,Condition,Procedure&code=x&_sort=subject,_id",
		"?_type=Observation,Condition&_sort=_tag",
		"/Patient/p1/*?",
		"/Patient/p1/*?_sort=_id",
		"/Patient/p1/Observation?_sort=-date",
		"/Patient/p1/Observation?",
	} {
		first := "/fhir" + query
		whole := f.do("GET", first+"&_count=100", "").is(200).set()
		all := whole.keysOf()
		if len(all) == 0 || whole.link("next") != "" || whole.link("previous") != "" || whole.Total == nil || *whole.Total != len(all) {
			t.Fatalf("%s gives %v, total %v", query, all, whole.Total)
		}
		for _, count := range []int{1, 2, 5, 7} {
			var there, back [][]string
			p := f.do("GET", fmt.Sprint(first, "&_total=accurate&_count=", count), "").is(200).set()
			f.put(fmt.Sprint("later", count), "Later").is(201)
			for {
				if p.Total == nil || *p.Total != len(all) {
					t.Errorf("%s: total %v, want %d", query, p.Total, len(all))
				}
				there = append(there, p.keysOf())
				next := p.link("next")
				if next == "" {
					break
				}
				p = f.do("GET", next, "").is(200).set()
			}
			if got := slices.Concat(there...); !slices.Equal(got, all) {
				t.Errorf("%s by %d:\n     %v\nwant %v", query, count, got, all)
			}
			for {
				back = append(back, p.keysOf())
				previous := p.link("previous")
				if previous == "" {
					break
				}
				p = f.do("GET", previous, "").is(200).set()
			}
			slices.Reverse(back)
			if !slices.EqualFunc(there, back, slices.Equal) {
				t.Errorf("%s by %d: there\n%v\nback\n%v", query, count, there, back)
			}
			f.do("DELETE", fmt.Sprint("/fhir/Patient/later", count), "").is(204)
		}
	}
}

// TestOrderOverTypes: a sort that all types share is one order over them.
func TestOrderOverTypes(t *testing.T) {
	f := open(t, nil)
	ward(f)
	var ids []string
	for _, k := range f.do("GET", "/fhir?_sort=_id&_count=100", "").is(200).set().keysOf() {
		_, id, _ := strings.Cut(k, "/")
		ids = append(ids, id)
	}
	if len(ids) != 26 || !slices.IsSorted(ids) {
		t.Errorf("by _id: %v", ids)
	}
	dates := map[string]string{}
	p := f.do("GET", "/fhir?_type=Procedure,Observation&_sort=-date&_count=100", "").is(200)
	for _, e := range p.set().Entry {
		body := f.do("GET", "/fhir/"+e.Resource.ResourceType+"/"+e.Resource.ID, "").body
		at := strings.Index(body, "2024-01-")
		dates[e.Resource.ResourceType+"/"+e.Resource.ID] = body[at : at+10]
	}
	keys := p.set().keysOf()
	if len(keys) < 10 || !slices.IsSortedFunc(keys, func(a, b string) int { return cmp.Compare(dates[b], dates[a]) }) {
		t.Errorf("by date: %v of %v", keys, dates)
	}
}

func TestSearchSystem(t *testing.T) {
	f := open(t, nil)
	ward(f)
	form := "Content-Type: application/x-www-form-urlencoded"
	get := f.do("GET", "/fhir?_type=Observation,Condition&code=x", "").is(200).set()
	post := f.do("POST", "/fhir/_search", "_type=Observation,Condition&code=x", form).is(200).set()
	if len(get.Entry) != 12 || !slices.Equal(get.keysOf(), post.keysOf()) || get.link("self") != post.link("self") {
		t.Errorf("GET gives %v at %s, POST %v at %s", get.keysOf(), get.link("self"), post.keysOf(), post.link("self"))
	}
	if got := get.link("self"); got != "/fhir?_type=Observation,Condition&code=x" {
		t.Errorf("self is %s", got)
	}
	if e := get.Entry[0]; e.FullURL != "http://hob.test/fhir/Observation/"+e.Resource.ID {
		t.Errorf("the first is %s", e.FullURL)
	}
	if p := f.do("GET", "/fhir?_summary=count", "").is(200).set(); *p.Total != 26 || len(p.Entry) != 0 {
		t.Errorf("_summary=count gives %+v", p)
	}
	if p := f.do("GET", "/fhir?_total=none&_count=100", "").is(200).set(); p.Total != nil || len(p.Entry) != 26 {
		t.Errorf("_total=none gives %v and %d", p.Total, len(p.Entry))
	}
	if p := f.do("GET", "/fhir?_lastUpdated=lt2000-01-01", "").is(200).set(); *p.Total != 0 || len(p.Entry) != 0 {
		t.Errorf("before all: %+v", p)
	}
	if p := f.do("GET", "/fhir?_type=Condition,Procedure&patient.family=jones&_include=Condition:patient&_count=2", "").is(200).set(); len(p.Entry) != 4 || p.Entry[3].Search.Mode != "include" {
		t.Errorf("chain and include: %+v", p)
	}
	f.do("GET", "/fhir?_type=Observation,Condition&_elements=effective", "").is(200)
	for _, c := range []struct{ path, code, saying string }{
		{"/fhir?_type=Observation,Nothing", "value", `"Nothing" is not a resource type of FHIR R4`},
		{"/fhir?_type=", "value", `"" is not a resource type`},
		{"/fhir?_type=Patient&_type=Patient", "value", "given twice"},
		{"/fhir?_type:not=Patient", "not-supported", "no modifier"},
		{"/fhir?_type=Patient,Observation&code=x", "not-supported", "must be known for each of the 2 types"},
		{"/fhir?name=x", "not-supported", "must be known for each"},
		{"/fhir?_type=Patient,Observation&_sort=code", "not-supported", "it can by _id, _lastUpdated"},
		{"/fhir?_type=Patient,Observation&_include=Condition:patient", "not-supported", "not the type that is searched"},
		{"/fhir?_type=Patient,Observation&_elements=nothing", "value", "none of the types"},
		{"/fhir?_type=Patient,Observation&_id=a/b", "value", "no id"},
		{"/fhir/Patient?_type=Patient", "not-supported", "_type"},
		{"/fhir?_page=AAAA", "value", "_page"},
	} {
		f.do("GET", c.path, "").fails(400, c.code, c.saying)
	}
	f.do("GET", "/fhir?_type=Patient&_id=p1&__explain=true", "").is(200).says("IDs(p1)")
	f.do("GET", "/fhir?_type=Patient,Observation&_id=p1&__explain=true", "").is(200).says(`{"types":[{"search":"Patient?_id=p1"`).says(`"search":"Observation?_id=p1"`)
	f.do("GET", "/fhir?_type=Patient,Observation&_id=p1&__explain=true&_format=text", "").is(200).says("Patient?_id=p1\n").says("Observation?_id=p1\n")
	lenient := f.do("GET", "/fhir?_type=Patient,Observation&code=x&_sort=code,_id&_count=100", "", "Prefer: handling=lenient").is(200).says("parameter code was ignored").set()
	if got := lenient.link("self"); len(lenient.keysOf()) != 14 || strings.Contains(got, "code") {
		t.Errorf("a lenient search gives %v at %s", lenient.keysOf(), got)
	}
	f.do("GET", "/fhir/Patient/p1/Observation/_search", "").is(405)
	a := f.do("POST", "/fhir", batch(ask("", "", "GET", "?_type=Patient,Condition&_count=3"), ask("", "", "GET", "Patient/p1/Observation"), ask("", "", "GET", "Patient/p1/*"))).is(200)
	if strings.Count(a.body, `"status":"200 OK"`) < 3 {
		t.Errorf("in a batch: %s", a.body)
	}
}

// TestSystemNarrowed: types that the caller may not search are left out, unless he names one.
func TestSystemNarrowed(t *testing.T) {
	narrow := 0
	f := open(t, func(c *server.Config) {
		c.Caller = as(func(a storage.Action, typ string) (driver.Query, error) {
			switch {
			case narrow == 1 && typ != "Patient" && typ != "Observation", narrow == 2:
				return nil, fmt.Errorf("%s: %w", typ, storage.ErrForbidden)
			case narrow == 1 && typ == "Patient":
				return driver.IDs{"p1"}, nil
			}
			return nil, nil
		})
	})
	ward(f)
	narrow = 1
	for _, path := range []string{"/fhir?_count=100", "/fhir?_sort=_id&_count=100", "/fhir/Patient/p1/*?_count=100"} {
		p := f.do("GET", path, "").is(200).set()
		if len(p.Entry) == 0 || *p.Total != len(p.Entry) {
			t.Errorf("%s: total %v of %v", path, p.Total, p.keysOf())
		}
		for _, k := range p.keysOf() {
			if k != "Patient/p1" && !strings.HasPrefix(k, "Observation/") {
				t.Errorf("%s shows %s", path, k)
			}
		}
	}
	f.do("GET", "/fhir?_type=Patient,Condition", "").fails(403, "forbidden", "Condition")
	f.do("GET", "/fhir/Patient/p1/Condition", "").fails(403, "forbidden", "Condition")
	narrow = 2
	f.do("GET", "/fhir", "").fails(403, "forbidden", "")
	f.do("GET", "/fhir/Patient/p1/*", "").fails(403, "forbidden", "")
}

func TestCompartment(t *testing.T) {
	f := open(t, nil)
	f.put("p", "Ann").is(201)
	f.put("q", "Bob").is(201)
	put := func(path, rest string) {
		typ, id, _ := strings.Cut(path, "/")
		f.do("PUT", "/fhir/"+path, `{"resourceType":"`+typ+`","id":"`+id+`",`+rest+`}`).is(201)
	}
	put("Encounter/e", `"status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/p"},"participant":[{"individual":{"reference":"Practitioner/d"}}]`)
	put("Observation/o", `"status":"final","code":{"coding":[{"code":"x"}]},"subject":{"reference":"Patient/p"},"encounter":{"reference":"Encounter/e"},"performer":[{"reference":"Practitioner/d"}]`)
	put("Observation/by", `"status":"final","code":{"coding":[{"code":"y"}]},"subject":{"reference":"Device/v"},"performer":[{"reference":"Patient/p"}]`)
	put("Observation/other", `"status":"final","code":{"coding":[{"code":"x"}]},"subject":{"reference":"Patient/q"}`)
	put("Observation/gone", `"status":"final","code":{"coding":[{"code":"x"}]},"subject":{"reference":"Patient/gone"}`)
	for path, want := range map[string]string{
		"Patient/p/Observation":                   "Observation/by Observation/o",
		"Patient/p/Observation?code=x":            "Observation/o",
		"Patient/p/Observation?code=z":            "",
		"Patient/q/Observation":                   "Observation/other",
		"Patient/gone/Observation":                "Observation/gone",
		"Patient/nobody/Observation":              "",
		"Patient/p/Patient":                       "Patient/p",
		"Patient/p/*":                             "Encounter/e Observation/by Observation/o Patient/p",
		"Patient/p/*?_type=Observation,Encounter": "Encounter/e Observation/by Observation/o",
		"Patient/p/*?_lastUpdated=lt2000-01-01":   "",
		"Encounter/e/Observation":                 "Observation/o",
		"Encounter/e/*":                           "Encounter/e Observation/o",
		"Device/v/Observation":                    "Observation/by",
		"Practitioner/d/*":                        "Encounter/e Observation/o",
		"RelatedPerson/r/*":                       "",
	} {
		p := f.do("GET", "/fhir/"+path, "").is(200).set()
		got := p.keysOf()
		slices.Sort(got)
		if strings.Join(got, " ") != want {
			t.Errorf("%s gives %v, want %s", path, got, want)
		}
		if path, _, _ = strings.Cut(path, "?"); !strings.HasPrefix(p.link("self"), "/fhir/"+path) {
			t.Errorf("%s calls itself %s", path, p.link("self"))
		}
	}
	form := "Content-Type: application/x-www-form-urlencoded"
	if got := f.do("POST", "/fhir/Patient/p/Observation/_search", "code=x", form).is(200).set().keysOf(); len(got) != 1 {
		t.Errorf("POST gives %v", got)
	}
	if got := f.do("POST", "/fhir/Patient/p/*/_search", "_type=Observation", form).is(200).set().keysOf(); len(got) != 2 {
		t.Errorf("POST gives %v", got)
	}
	for _, c := range []struct {
		path   string
		status int
		code   string
		saying string
	}{
		{"Organization/o/Patient", 404, "not-supported", "Organization has no compartment"},
		{"Patient/p/Organization", 404, "not-supported", "never in the compartment of a Patient"},
		{"Patient/p/Nothing", 404, "not-supported", "no resource type"},
		{"Patient/p/$nothing", 404, "not-found", "$nothing is no operation of a Patient"},
		{"Nothing/p/Observation", 404, "not-supported", "no resource type"},
		{"Patient/_/Observation", 400, "value", "no id"},
		{"Patient/p/Observation?nothing=x", 400, "not-supported", "nothing"},
		{"Patient/p/Observation?_type=Observation", 400, "not-supported", "_type"},
		{"Patient/p/*?code=x", 400, "not-supported", "code"},
		{"Patient/p/*?_type=Organization", 400, "value", "not a type in the compartment of a Patient"},
		{"Patient/p/Observation/x", 404, "not-found", ""},
	} {
		f.do("GET", "/fhir/"+c.path, "").fails(c.status, c.code, c.saying)
	}
	f.do("DELETE", "/fhir/Patient/p/Observation", "").fails(405, "not-supported", "").has("Allow", "GET, HEAD")
	f.do("GET", "/fhir/Patient/p/Observation?__explain=true", "").is(200).says("_patient EQUAL")
}

// TestOneBudget: what a search over types, its total and what it includes read counts together, as it does in a search of one type.
func TestOneBudget(t *testing.T) {
	const n = 100
	for _, x := range []struct {
		rows, total int
		query       string
		status      int
		told        bool
	}{
		{rows: n * 6, query: "/Patient?name:contains=e&_sort=name", status: 200, told: true},
		{rows: n * 6, query: "?_type=Patient,Person&name:contains=e&_sort=name&_total=none", status: 200},
		{rows: n * 6, query: "?_type=Patient,Person,Practitioner,RelatedPerson&name:contains=e&_sort=name", status: 422},
		{rows: n * 6, query: "/Patient?_id=p0&_revinclude=RelatedPerson:patient", status: 200, told: true},
		{rows: n, query: "/Patient?_id=p0,p1&_revinclude=RelatedPerson:patient&_revinclude=*", status: 422},
		{rows: n * 3, query: "?_type=Patient,Person,Practitioner,RelatedPerson&name:contains=e&_summary=count", status: 422},
		{rows: n * 3, query: "?_type=Patient,Person&name:contains=e&_summary=count", status: 200, told: true},
		{rows: n * 30, total: n * 3 / 2, query: "?_type=Patient,Person,Practitioner&name:contains=e&_count=1", status: 200},
		{rows: n * 30, total: n * 3 / 2, query: "?_type=Patient&name:contains=e&_count=1", status: 200, told: true},
		{rows: n * 30, total: n * 5, query: "?_type=Patient,Person,Practitioner&name:contains=e&_count=1", status: 200, told: true},
	} {
		f := open(t, func(c *server.Config) {
			c.Limits.Rows = x.rows
			if x.total > 0 {
				c.Limits.Total = x.total
			}
		})
		for i := range n {
			for _, typ := range []string{"Patient", "Person", "Practitioner", "RelatedPerson"} {
				rest := ""
				if typ == "RelatedPerson" {
					rest = `,"patient":{"reference":"Patient/p0"}`
				}
				f.do("PUT", fmt.Sprintf("/fhir/%s/p%d", typ, i), fmt.Sprintf(`{"resourceType":"%s","id":"p%d","name":[{"family":"Peter %d"}]%s}`, typ, i, i, rest)).is(201)
			}
		}
		a := f.do("GET", "/fhir"+x.query, "")
		if a.status != x.status || x.status == 422 && !strings.Contains(a.body, "too-costly") {
			t.Errorf("%s within %d rows: %d %.300s", x.query, x.rows, a.status, a.body)
		}
		if x.status == 200 && (a.set().Total != nil) != x.told {
			t.Errorf("%s within %d rows, the total within %d: total %v", x.query, x.rows, x.total, a.set().Total)
		}
	}
}
