package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// record stores two patients and what belongs to them.
func record(f *fixture) {
	f.Helper()
	for _, r := range []string{
		`Organization/o {"name":"Clinic"}`,
		`Organization/far {"name":"What the clinic belongs to is one step too far"}`,
		`Practitioner/p {"active":true}`,
		`Practitioner/nobody {"active":true}`,
		`Location/l {"name":"Ward"}`,
		`Medication/m {"manufacturer":{"reference":"Organization/far"}}`,
		`Binary/x {"contentType":"text/plain","data":"aGk="}`,
		`Patient/a {"managingOrganization":{"reference":"Organization/o"}}`,
		`Patient/b {"link":[{"other":{"reference":"Patient/a"},"type":"seealso"}]}`,
		`Encounter/e1 {"status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/a"},"period":{"start":"2024-01-30","end":"2024-02-02"},"location":[{"location":{"reference":"Location/l"}}]}`,
		`Encounter/e2 {"status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/a"},"period":{"start":"2023-01-30","end":"2023-02-02"}}`,
		`Observation/o1 {"status":"final","code":{"text":"x"},"subject":{"reference":"Patient/a"},"effectiveDateTime":"2024-02-01","performer":[{"reference":"Practitioner/p"}],"encounter":{"reference":"Encounter/e1"}}`,
		`Observation/o2 {"status":"final","code":{"text":"x"},"subject":{"reference":"Patient/a"},"effectiveDateTime":"2023-02-01","performer":[{"reference":"Practitioner/p"}]}`,
		`Observation/o3 {"status":"final","code":{"text":"x"},"subject":{"reference":"Patient/b"},"effectiveDateTime":"2024-02-01"}`,
		`Observation/o4 {"status":"final","code":{"text":"x"},"subject":{"reference":"Patient/a"}}`,
		`Observation/loose {"status":"final","code":{"text":"x"}}`,
		`DiagnosticReport/d {"status":"final","code":{"text":"x"},"subject":{"reference":"Patient/a"},"effectiveDateTime":"2024-02-01T08:00:00Z","result":[{"reference":"Observation/o2"},{"reference":"Observation/loose"},{"reference":"Observation/o3"}]}`,
		`Device/v {"patient":{"reference":"Patient/a"}}`,
		`Device/other {"patient":{"reference":"Patient/b"}}`,
		`AllergyIntolerance/i {"patient":{"reference":"Patient/a"}}`,
		`DocumentReference/r {"status":"current","subject":{"reference":"Patient/a"},"date":"2024-02-01T00:00:00Z","content":[{"attachment":{"url":"Binary/x"}}]}`,
		`MedicationRequest/q {"status":"active","intent":"order","subject":{"reference":"Patient/a"},"authoredOn":"2023-02-01","medicationReference":{"reference":"Medication/m"},"requester":{"reference":"Practitioner/gone"}}`,
	} {
		key, body, _ := strings.Cut(r, " ")
		typ, id, _ := strings.Cut(key, "/")
		f.do("PUT", "/fhir/"+key, `{"resourceType":"`+typ+`","id":"`+id+`",`+body[1:]).is(201)
	}
}

// keys walks to the end and returns what is shown: Type/id, with a + before what is included.
func (f *fixture) keys(path string) []string {
	f.Helper()
	var out []string
	for path != "" {
		p := f.do("GET", path, "").is(200).set()
		for _, e := range p.Entry {
			mark := map[string]string{"match": "", "include": "+"}[e.Search.Mode]
			out = append(out, mark+strings.TrimPrefix(e.FullURL, "http://hob.test/fhir/"))
		}
		path = p.link("next")
	}
	return out
}

func TestPatientEverything(t *testing.T) {
	f := open(t, nil)
	record(f)
	for _, c := range []struct{ query, want string }{
		{"a/$everything", "Patient/a AllergyIntolerance/i Device/v DiagnosticReport/d DocumentReference/r Encounter/e1 Encounter/e2 MedicationRequest/q Observation/o1 Observation/o2 Observation/o4 Patient/b " +
			"+Binary/x +Location/l +Medication/m +Observation/loose +Organization/o +Practitioner/p"},
		{"b/$everything", "Patient/b Device/other Observation/o3"},
		// Of another time is what ended before and what began after; what has no date stays, and so does the patient.
		{"a/$everything?start=2024-01-01", "Patient/a AllergyIntolerance/i Device/v DiagnosticReport/d DocumentReference/r Encounter/e1 Observation/o1 Observation/o4 Patient/b " +
			"+Binary/x +Location/l +Observation/loose +Organization/o +Practitioner/p"},
		{"a/$everything?end=2023-12-31", "Patient/a AllergyIntolerance/i Device/v Encounter/e2 MedicationRequest/q Observation/o2 Observation/o4 Patient/b " +
			"+Medication/m +Organization/o +Practitioner/p"},
		{"a/$everything?start=2024-02-02&end=2024-02-02&_type=Encounter,Observation", "Encounter/e1 Observation/o4"},
		{"a/$everything?start=2024-02-03&end=2024-12-31&_type=Encounter,Observation", "Observation/o4"},
		{"a/$everything?_type=Observation&_type=Practitioner", "Observation/o1 Observation/o2 Observation/o4 +Observation/loose +Practitioner/p"},
		{"a/$everything?_type=Practitioner", "+Practitioner/p"},
		{"a/$everything?_type=Patient", "Patient/a Patient/b"},
		{"a/$everything?_type=Slot", ""},
		{"$everything", "Patient/a Patient/b AllergyIntolerance/i Device/v Device/other DiagnosticReport/d DocumentReference/r Encounter/e1 Encounter/e2 MedicationRequest/q Observation/o1 Observation/o2 Observation/o3 Observation/o4 " +
			"+Binary/x +Location/l +Medication/m +Observation/loose +Organization/o +Practitioner/p"},
		{"$everything?_type=Practitioner,Patient", "Patient/a Patient/b +Practitioner/p"},
	} {
		want := strings.Fields(c.want)
		sep := "?"
		if strings.Contains(c.query, "?") {
			sep = "&"
		}
		for _, count := range []int{1, 2, 3, 7, 100} {
			if got := f.keys(fmt.Sprintf("/fhir/Patient/%s%s_count=%d", c.query, sep, count)); !sameSteps(got, want) {
				t.Errorf("%s by %d shows\n%v\nwant\n%v", c.query, count, got, want)
			}
		}
	}
	p := f.do("GET", "/fhir/Patient/a/$everything", "").is(200).set()
	if p.Type != "searchset" || p.Total == nil || *p.Total != 12 || p.link("self") != "/fhir/Patient/a/$everything" {
		t.Errorf("one page is %+v", p)
	}
	post := f.do("POST", "/fhir/Patient/a/$everything", lookups(`{"name":"_type","valueCode":"Observation"}`, `{"name":"_type","valueCode":"Encounter"}`, `{"name":"start","valueDate":"2024-01-01"}`, `{"name":"_count","valueInteger":2}`)).is(200).set()
	if len(post.Entry) != 2 || post.Total != nil {
		t.Errorf("by POST: %+v", post)
	}
	if got := f.keys(post.link("next")); fmt.Sprint(got) != "[Observation/o4 +Observation/loose]" && len(got) != 2 {
		t.Errorf("the rest of a POST is %v", got)
	}
}

// sameSteps compares the order of types and the set of keys: within a type the order is the store's own.
func sameSteps(a, b []string) bool {
	types := func(keys []string) (out []string) {
		for _, k := range keys {
			typ, _, _ := strings.Cut(k, "/")
			out = append(out, typ)
		}
		return out
	}
	return slices.Equal(types(a), types(b)) && slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))) && (len(a) == 0 || a[0] == b[0])
}

func TestEncounterEverything(t *testing.T) {
	f := open(t, nil)
	record(f)
	for query, want := range map[string]string{
		"e1/$everything":                    "Encounter/e1 Observation/o1 +Location/l +Patient/a +Practitioner/p",
		"e2/$everything":                    "Encounter/e2 +Patient/a",
		"e1/$everything?_type=Patient":      "+Patient/a",
		"e1/$everything?_since=2999":        "",
		"e1/$everything?_since=2020-01-01Z": "400",
	} {
		if want == "400" {
			f.do("GET", "/fhir/Encounter/"+query, "").fails(400, "value", "_since")
			continue
		}
		if got := f.keys("/fhir/Encounter/" + query); !sameSteps(got, strings.Fields(want)) {
			t.Errorf("%s shows %v, want %s", query, got, want)
		}
	}
	f.do("GET", "/fhir/Encounter/e1/$everything?start=2024", "").fails(400, "not-supported", "known are _since, _type, _count")
	f.do("GET", "/fhir/Encounter/$everything", "").is(404)
}

// TestEverythingSince: what was not written since is left out, the patient too; what is referred to counts by its own time.
func TestEverythingSince(t *testing.T) {
	f := open(t, nil)
	record(f)
	f.clock.forward(time.Hour)
	since := "_since=" + f.clock.now().UTC().Format("2006-01-02T15:04:05.000Z")
	f.do("PUT", "/fhir/Practitioner/p", `{"resourceType":"Practitioner","id":"p","active":false}`).is(200)
	f.do("PUT", "/fhir/Practitioner/nobody", `{"resourceType":"Practitioner","id":"nobody","active":false}`).is(200)
	f.do("PUT", "/fhir/AllergyIntolerance/i", `{"resourceType":"AllergyIntolerance","id":"i","patient":{"reference":"Patient/a"},"code":{"text":"x"}}`).is(200)
	if got := fmt.Sprint(f.keys("/fhir/Patient/a/$everything?_count=1&" + since)); got != "[AllergyIntolerance/i +Practitioner/p]" {
		t.Errorf("since then there is %s", got)
	}
}

// TestEverythingPages: the pages are of one snapshot.
func TestEverythingPages(t *testing.T) {
	f := open(t, nil)
	record(f)
	want := f.keys("/fhir/Patient/a/$everything")
	p := f.do("GET", "/fhir/Patient/a/$everything?_count=4", "").is(200).set()
	f.do("DELETE", "/fhir/Observation/o1", "").is(204)
	f.do("DELETE", "/fhir/Practitioner/p", "").is(204)
	f.do("DELETE", "/fhir/Patient/a", "").is(204)
	f.do("PUT", "/fhir/Condition/new", `{"resourceType":"Condition","id":"new","subject":{"reference":"Patient/a"}}`).is(201)
	var got []string
	for _, e := range p.Entry {
		got = append(got, strings.TrimPrefix(e.FullURL, "http://hob.test/fhir/"))
	}
	next := p.link("next")
	if got = append(got, f.keys(next)...); !slices.Equal(got, want) {
		t.Errorf("the pages show\n%v\nof\n%v", got, want)
	}
	expired := openOn(t, forgetful{f.backend}, func(c *server.Config) { c.Key = f.key })
	expired.do("GET", next, "").fails(410, "deleted", "begin again at http://hob.test/fhir/Patient/a/$everything?_count=4")
	f.do("GET", strings.Replace(next, "/a/", "/b/", 1), "").fails(400, "value", "_page")
}

func TestEverythingRefused(t *testing.T) {
	f := open(t, func(c *server.Config) { c.Limits.Rows = 50 * 8 })
	f.put("a", "Smith").is(201)
	f.do("GET", "/fhir/Patient/x/$everything", "").fails(404, "not-found", "Patient/x")
	for _, c := range []struct{ query, code, text string }{
		{"_type=Pacient", "value", "Pacient"}, {"_type=Patient,", "value", "_type"}, {"start=x", "value", "start"}, {"end=2024-13", "value", "end"}, {"_since=now", "value", "_since"},
		{"_count=0", "value", "_count"}, {"_count=-1", "value", "_count"}, {"start=2024&start=2025", "invalid", "2 times"}, {"code=x", "not-supported", "start, end"}, {"_page=AAAA", "value", "_page"},
	} {
		f.do("GET", "/fhir/Patient/a/$everything?"+c.query, "").fails(400, c.code, c.text)
	}
	f.do("POST", "/fhir/Patient/a/$everything", lookups(`{"name":"_type","part":[{"name":"x","valueCode":"y"}]}`)).fails(400, "not-supported", "_type")
	f.do("POST", "/fhir/Patient/a/$everything", patient("a", "x")).fails(400, "invalid", "Parameters")
	for i := range 9 {
		f.do("PUT", fmt.Sprintf("/fhir/Observation/o%d", i), observation(fmt.Sprintf("o%d", i), "a")).is(201)
	}
	f.do("GET", "/fhir/Patient/$everything", "").fails(422, "too-costly", "the 8 resources")
	p := f.do("GET", "/fhir/Patient/a/$everything?_count=6", "").is(200).set()
	f.do("GET", p.link("next"), "").fails(422, "too-costly", "Patient/a/$everything refers to")
	if got := f.keys("/fhir/Patient/a/$everything"); len(got) != 10 {
		t.Errorf("one page shows %v", got)
	}
	f.do("DELETE", "/fhir/Patient/a", "").is(204)
	f.do("GET", "/fhir/Patient/a/$everything", "").fails(410, "deleted", "Patient/a")
}

// TestEverythingNarrowed: what the caller may not see is not there, whoever refers to it.
func TestEverythingNarrowed(t *testing.T) {
	f := open(t, nil)
	record(f)
	g := openOn(t, f.backend, func(c *server.Config) {
		c.Caller = func(*http.Request) (server.Caller, error) {
			return server.Caller{Access: func(_ storage.Action, typ string) (driver.Query, error) {
				switch typ {
				case "Practitioner", "Encounter":
					return nil, fmt.Errorf("%s: %w", typ, storage.ErrForbidden)
				case "Observation":
					return driver.IDs{"o1"}, nil
				case "Patient":
					return driver.IDs{"a"}, nil
				}
				return driver.All{}, nil
			}}, nil
		}
	})
	want := strings.Fields("Patient/a AllergyIntolerance/i Device/v DiagnosticReport/d DocumentReference/r MedicationRequest/q Observation/o1 +Binary/x +Medication/m +Organization/o")
	for _, count := range []int{2, 100} {
		if got := g.keys(fmt.Sprintf("/fhir/Patient/a/$everything?_count=%d", count)); !sameSteps(got, want) {
			t.Errorf("by %d it shows %v", count, got)
		}
	}
	g.do("GET", "/fhir/Patient/b/$everything", "").is(404)
	g.do("GET", "/fhir/Encounter/e1/$everything", "").is(403)
}
