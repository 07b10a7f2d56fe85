package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// narrowedToOnePatient: a caller of Patient/1 sees nothing of Patient/2, whatever the way it is asked for. All that is not the caller's says
// SECRET, and every guess of what it holds is answered as a wrong guess is.
func narrowedToOnePatient(t *testing.T) {
	narrow := false
	f := open(t, func(c *server.Config) {
		c.Caller = as(func(storage.Action, string) (driver.Query, error) {
			if !narrow {
				return nil, nil
			}
			return driver.Lookup{Field: "_patient", Op: driver.EQUAL, Values: []driver.Value{driver.Point(driver.Key{Type: "Patient", ID: "1"}.Ref())}}, nil
		})
	})
	identified := func(id, name string) string {
		return fmt.Sprintf(`{"resourceType":"Patient","id":"%s","identifier":[{"system":"urn:s","value":"%s"}],"name":[{"family":"%s"}],"generalPractitioner":[{"reference":"Practitioner/dr"}]}`,
			id, id, name)
	}
	observation := func(id, subject, text, more string) string {
		return fmt.Sprintf(`{"resourceType":"Observation","id":"%s","status":"final","code":{"coding":[{"code":"%s"}],"text":"%s"},"subject":{"reference":"Patient/%s"}%s}`,
			id, strings.ToLower(text), text, subject, more)
	}
	for _, body := range []string{
		identified("1", "Mine"), identified("2", "SECRET"),
		observation("o1", "1", "MINE", `,"hasMember":[{"reference":"Observation/o2"}],"encounter":{"reference":"Encounter/e2"}`),
		observation("o2", "2", "SECRET", `,"hasMember":[{"reference":"Observation/o1"}]`),
		observation("moved", "2", "SECRET", ""), observation("gone", "2", "SECRET", ""),
		`{"resourceType":"Encounter","id":"e2","status":"finished","class":{"code":"AMB","display":"SECRET"},"subject":{"reference":"Patient/2"}}`,
		`{"resourceType":"Condition","id":"c2","code":{"text":"SECRET"},"subject":{"reference":"Patient/2"},"encounter":{"reference":"Encounter/e2"}}`,
		`{"resourceType":"List","id":"l2","status":"current","mode":"working","title":"SECRET","subject":{"reference":"Patient/2"},"entry":[{"item":{"reference":"Observation/o1"}},{"item":{"reference":"Observation/o2"}}]}`,
		`{"resourceType":"Practitioner","id":"dr","name":[{"family":"SECRET"}]}`,
	} {
		key := strings.Split(body, `"`)
		f.do("PUT", "/fhir/"+key[3]+"/"+key[7], body).is(201)
	}
	f.do("PUT", "/fhir/Observation/moved", observation("moved", "1", "MINE", "")).is(200) // version 1 was of the other
	f.do("DELETE", "/fhir/Observation/gone", "").is(204)
	narrow = true

	for _, path := range []string{
		"Patient", "Patient/2", "Patient/2/_history", "Patient/2/_history/1", "Patient/_history", "_history", "Patient?_id=2", "Patient?_id=1,2", "Patient?family=secret",
		"Patient?identifier=urn:s|2", "Patient?_include=Patient:link", "Patient?_include=*", "Patient?_include:iterate=*", "Patient?_revinclude=*", "Patient?_revinclude:iterate=*",
		"Patient?_revinclude=Patient:link", "Patient?_has:Patient:link:family=secret", "Patient?link.family=secret", "Patient?link:Patient.family=secret",
		"Observation", "Observation/o2", "Observation/o2/_history", "Observation/o2/_history/1", "Observation/moved/_history", "Observation/moved/_history/1",
		"Observation/gone", "Observation/gone/_history", "Observation/gone/_history/1", "Observation/_history", "Observation?_include=*", "Observation?_include:iterate=*",
		"Observation?_include=Observation:has-member", "Observation?_include=Observation:encounter", "Observation?_revinclude=*", "Observation?_revinclude=List:item",
		"Observation?_revinclude=Observation:has-member", "Observation?subject=Patient/2", "Observation?subject=2", "Observation?code:not=mine", "Observation?code:missing=true",
		"Observation?_list=l2", "Observation?_sort=-code", "Observation?_filter=" + url.QueryEscape(`code eq secret`), "Encounter", "Encounter/e2", "Encounter/e2/$everything",
		"Patient/2/$everything", "Patient/$everything", "Patient/1/$everything", "Patient/2/Observation", "Patient/2/*", "Patient/1/*", "Encounter/e2/Condition", "Condition", "List", "List/l2",
		"Practitioner", "Practitioner/dr", "Observation/$lastn?patient=2", "Observation/$lastn?code=secret", "?_type=Observation,Patient", "?_id=o2&_type=Observation",
		"Observation?_summary=true", "Observation?_elements=code", "Patient/2/$meta", "Patient/$meta", "$meta", "Patient?_text=secret", "Observation?_content=secret",
		"Observation?code=secret&__explain=true", "Observation?_include=*&__explain=true",
	} {
		for _, a := range []*answer{f.do("GET", "/fhir/"+path, ""), f.do("HEAD", "/fhir/"+path, "")} {
			if strings.Contains(strings.ReplaceAll(a.body, "code=secret", ""), "SECRET") || a.status >= 500 {
				t.Errorf("GET %s answers %d %s", path, a.status, a.body)
			}
		}
		a := f.do("POST", "/fhir", batch(ask("", "", "GET", path)))
		if strings.Contains(a.body, "SECRET") || a.status >= 500 {
			t.Errorf("GET %s in a batch answers %d %s", path, a.status, a.body)
		}
	}
	for _, path := range []string{"Patient/2", "Observation/o2", "Observation/o2/_history/1", "Observation/moved/_history/1", "Observation/gone", "Encounter/e2", "Patient/2/$everything"} {
		if a := f.do("GET", "/fhir/"+path, ""); a.status != 404 {
			t.Errorf("GET %s answers %d, not as what never was", path, a.status)
		}
	}
	f.do("GET", "/fhir/Observation/moved", "").is(200).says("MINE")

	// A right guess and a wrong one are told apart by nothing: neither by hits nor by totals.
	for _, guess := range []string{
		"Observation?code=%s", "Observation?has-member.code=%s", "Observation?has-member:Observation.code=%s", "Observation?encounter.class=%s", "Observation?_has:List:item:title=%s",
		"Observation?_has:Observation:has-member:code=%s", "Patient?general-practitioner.family=%s", "Encounter?subject.family=%s", "Patient?_has:Observation:subject:code=%s", "Patient?_has:Condition:subject:code:text=%s", "Patient?family=%s",
	} {
		for _, how := range []string{"", "&_summary=count", "&_count=0", "&_total=accurate", "&_total=accurate&_count=1"} {
			var got [2]string
			for i, word := range []string{"secret", "wrong1"} {
				a := f.do("GET", "/fhir/"+fmt.Sprintf(guess, word)+how, "")
				if a.status != 200 {
					got[i] = fmt.Sprint(a.status)
					continue
				}
				p := a.set()
				got[i] = fmt.Sprint(p.ids(), *p.Total)
			}
			if got[0] != got[1] {
				t.Errorf("%s%s: the right guess is answered by %s, a wrong one by %s", guess, how, got[0], got[1])
			}
		}
	}

	// Nor can it be written, or found by trying to write.
	for i, a := range []*answer{
		f.do("PUT", "/fhir/Observation/o2", observation("o2", "1", "MINE", "")),
		f.do("PUT", "/fhir/Patient/2", identified("2", "Mine")),
		f.do("PATCH", "/fhir/Observation/o2", `[{"op":"remove","path":"/status"}]`, jsonPatch),
		f.do("DELETE", "/fhir/Observation/o2", ""),
		f.do("POST", "/fhir", transaction(ask("", "", "DELETE", "Observation/o2"))),
		f.do("POST", "/fhir/Observation/o2/$meta-add", `{"resourceType":"Parameters","parameter":[{"name":"meta","valueMeta":{"tag":[{"code":"x"}]}}]}`),
	} {
		refused := a.status == 404 || a.status == 403 || a.status == 204 || strings.Contains(a.body, `"204 No Content"`) // to delete nothing is no error
		if !refused || strings.Contains(a.body, "SECRET") {
			t.Errorf("write %d is answered by %d %s", i, a.status, a.body)
		}
	}
	narrow = false
	f.do("GET", "/fhir/Observation/o2", "").is(http.StatusOK).says("SECRET").has("ETag", `W/"1"`)
	f.do("GET", "/fhir/Patient/2", "").is(http.StatusOK).says("SECRET").has("ETag", `W/"1"`)
}
