package report_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hob-fhir/hob/auth"
	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/server/report"
)

// patientScopes let a patient see his record and change what is his to say: who he is, and his problems, allergies and medications. Visits are not.
const patientScopes = "patient/*.rs patient/Patient.u patient/Condition.cu?category=problem-list-item patient/AllergyIntolerance.cu patient/MedicationStatement.cu"

// callers of the matrix: mara is a patient of ada, ben of cal.
var callers = map[string]auth.Grant{
	"own patient":   {Scopes: auth.ParseScopes(patientScopes), Patient: "mara", FHIRUser: "Patient/mara"},
	"other patient": {Scopes: auth.ParseScopes(patientScopes), Patient: "ben", FHIRUser: "Patient/ben"},
	"own doctor":    {Scopes: auth.ParseScopes("user/*.cruds"), FHIRUser: "Practitioner/ada"},
	"other doctor":  {Scopes: auth.ParseScopes("user/*.cruds"), FHIRUser: "Practitioner/cal"},
}

func (c *clinic) neighbours() {
	c.Helper()
	d, err := fhirmap.Doctor{ID: "cal", Name: "Cal Ohm", Title: "MD"}.Resource()
	c.made([]*fhirmap.Resource{d}, err)
	c.made(fhirmap.Chart{ID: "ben", Name: "Ben Ito", Doctor: "cal"}.Resources())
}

const (
	maraByAda = `{"resourceType":"Patient","id":"mara","active":true,"name":[{"text":"Mara Q."}],"generalPractitioner":[{"reference":"Practitioner/ada"}]}`
	visitOf   = `{"resourceType":"Encounter","status":"finished","class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"},"subject":{"reference":"Patient/mara"},"period":{"start":"2022-04-01","end":"2022-04-01"}}`
)

// newPatient is one that a doctor would create for himself, or for a colleague.
func newPatient(doctor string) string {
	return `{"resourceType":"Patient","name":[{"text":"Nia New"}],"generalPractitioner":[{"reference":"Practitioner/` + doctor + `"}]}`
}

// TestB2 asserts each cell of who may do what with a patient's record. What may not be seen is not there: 404, and no hits.
func TestB2(t *testing.T) {
	for _, row := range []struct {
		who                                                                  string
		read, found, visits, versions, summary, create, update, visit, stats int
	}{
		{"own patient", 200, 1, 3, 200, 200, 403, 200, 403, 3},
		{"other patient", 404, 0, 0, 404, 404, 403, 404, 403, 0},
		{"own doctor", 200, 1, 3, 200, 200, 201, 200, 201, 3},
		{"other doctor", 404, 0, 0, 404, 404, 403, 404, 403, 0},
		{"nobody", 401, -1, -1, 401, 401, 401, 401, 401, -1},
	} {
		c := open(t, callers, report.Options{})
		c.treat()
		c.neighbours()
		total := func(path string) int {
			w := c.as(row.who, "GET", path, "")
			if w.Code != 200 {
				if w.Code != 401 {
					t.Errorf("%s: GET %s: %d", row.who, path, w.Code)
				}
				return -1
			}
			return strings.Count(w.Body.String(), `"fullUrl"`)
		}
		got := []int{
			c.as(row.who, "GET", "/Patient/mara", "").Code, total("/Patient?name=mara"), total("/Encounter?patient=mara"),
			c.as(row.who, "GET", "/Patient/mara/_history", "").Code, c.as(row.who, "GET", "/Patient/mara/$health-summary", "").Code,
			c.as(row.who, "POST", "/Patient", newPatient("ada")).Code, c.as(row.who, "PUT", "/Patient/mara", maraByAda).Code,
			c.as(row.who, "POST", "/Encounter", visitOf).Code,
		}
		want := []int{row.read, row.found, row.visits, row.versions, row.summary, row.create, row.update, row.visit}
		for i, cell := range []string{"read", "search", "visits", "history", "summary", "create", "update", "visit write"} {
			if got[i] != want[i] {
				t.Errorf("%s, %s: %d, want %d", row.who, cell, got[i], want[i])
			}
		}
		w := c.as(row.who, "GET", "/Observation/$stats?subject=Patient/mara&code=8867-4&statistic=count", "")
		if row.stats >= 0 && (w.Code != 200 || statistics(t, w.Body.String())["8867-4 count"] != string(rune('0'+row.stats))+" 1") || row.stats < 0 && w.Code != 401 {
			t.Errorf("%s: $stats: %d %s", row.who, w.Code, w.Body)
		}
		for _, format := range []string{"text", "html"} { // no form of the summary says more
			if w := c.as(row.who, "GET", "/Patient/mara/$health-summary?_format="+format, ""); w.Code != row.summary || row.summary != 200 && strings.Contains(w.Body.String(), "Quist") {
				t.Errorf("%s, summary as %s: %d %s", row.who, format, w.Code, w.Body)
			}
		}
	}
}

// TestSummaryNarrows wants a caller who may see only some types to be told of those alone.
func TestSummaryNarrows(t *testing.T) {
	c := open(t, map[string]auth.Grant{"some": {Scopes: auth.ParseScopes("patient/Patient.r patient/Encounter.rs"), Patient: "mara", FHIRUser: "Patient/mara"}}, report.Options{})
	c.treat()
	w := c.as("some", "GET", "/Patient/mara/$health-summary", "")
	for _, no := range []string{"Asthma", "Penicillin", "Salbutamol", "Cold", "85354-9"} {
		if w.Code != 200 || strings.Contains(w.Body.String(), no) {
			t.Errorf("the summary holds %s: %d", no, w.Code)
		}
	}
	if got := statistics(t, w.Body.String())["8867-4 count"]; got != "0 1" || strings.Count(w.Body.String(), `"resourceType":"Encounter"`) != 3 {
		t.Errorf("it counts %s measurements, and the visits are not all there", got)
	}
}

// TestB3 lets strangers submit a copy of a patient that names them as the doctor: it is refused, nothing changes, and the audit has an event.
func TestB3(t *testing.T) {
	c := open(t, callers, report.Options{})
	c.treat()
	c.neighbours()
	before := c.get("/Patient/mara", 200)
	for who, self := range map[string]string{"other doctor": "Practitioner/cal", "other patient": "Practitioner/cal"} {
		stolen := strings.Replace(maraByAda, "Practitioner/ada", self, 1)
		for _, try := range [][3]string{
			{"PUT", "/Patient/mara", stolen},
			{"PUT", "/Patient?_id=mara", stolen},
			{"POST", "", `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":` + stolen + `,"request":{"method":"PUT","url":"Patient/mara"}}]}`},
		} {
			if w := c.as(who, try[0], try[1], try[2]); w.Code != 403 && w.Code != 404 && w.Code != 409 {
				t.Errorf("%s: %s %s: %d %s", who, try[0], try[1], w.Code, w.Body)
			}
		}
		w := c.as(who, "PATCH", "/Patient/mara", `[{"op":"replace","path":"/generalPractitioner/0/reference","value":"`+self+`"}]`, "Content-Type: application/json-patch+json")
		if w.Code != 404 {
			t.Errorf("%s: PATCH: %d %s", who, w.Code, w.Body)
		}
		if w := c.as(who, "GET", "/Patient/mara", ""); w.Code != 404 {
			t.Errorf("%s reads her afterwards: %d", who, w.Code)
		}
	}
	if now := c.get("/Patient/mara", 200); now != before {
		t.Errorf("the stored copy is now %s, was %s", now, before)
	}
	refused := 0
	for range 50 { // the audit writes of what was refused a little later
		if refused = strings.Count(c.get("/AuditEvent?action=U&outcome=4&_count=100", 200), `"fullUrl"`); refused >= 6 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if refused < 6 {
		t.Errorf("the audit has %d events of refused updates, want at least 6: %s", refused, c.get("/AuditEvent?action=U&_count=20", 200))
	}
	// Her own doctor may hand her over, and that is written down.
	handed := strings.Replace(maraByAda, "Practitioner/ada", "Practitioner/cal", 1)
	if w := c.as("own doctor", "PUT", "/Patient/mara", handed); w.Code != 200 {
		t.Errorf("handing a patient over: %d %s", w.Code, w.Body)
	}
	if trail := c.get("/AuditEvent?action=U&outcome=0&entity=Patient/mara", 200); strings.Count(trail, `"fullUrl"`) != 2 || !strings.Contains(trail, "Practitioner/ada") { // the other made her
		t.Errorf("that ada handed her over is told as %s", trail)
	}
}

// TestB4 has two who write from one version: the second is told 412. Two patients of one name are both found.
func TestB4(t *testing.T) {
	c := open(t, callers, report.Options{})
	c.treat()
	tag := c.as("own doctor", "GET", "/Patient/mara", "").Header().Get("ETag")
	if w := c.as("own patient", "PUT", "/Patient/mara", maraByAda, "If-Match: "+tag); w.Code != 200 {
		t.Fatalf("the first writer: %d %s", w.Code, w.Body)
	}
	if w := c.as("own doctor", "PUT", "/Patient/mara", maraByAda, "If-Match: "+tag); w.Code != 412 {
		t.Errorf("the second writer: %d %s", w.Code, w.Body)
	}
	for range 2 {
		if w := c.as("own doctor", "POST", "/Patient", newPatient("ada")); w.Code != 201 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	if n := strings.Count(c.as("own doctor", "GET", "/Patient?name=Nia%20New", "").Body.String(), `"fullUrl"`); n != 2 {
		t.Errorf("%d patients of one name are found, want 2", n)
	}
}
