package report_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hob-fhir/hob/auth"
	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/server/report"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/backends"
)

var update = flag.Bool("update", false, "write golden files anew")

var catalog = sync.OnceValue(func() *search.Catalog {
	c, err := search.NewCatalog(r4.SearchParameters, search.Options{})
	if err != nil {
		panic(err)
	}
	return c
})

var now = time.Date(2023, 2, 3, 4, 5, 6, 0, time.UTC)

// clinic is a server with an empty store. Who asks says so by the name of a role, of those that it knows; "" is the system.
type clinic struct {
	testing.TB
	handler http.Handler
}

func open(t testing.TB, roles map[string]auth.Grant, o report.Options) *clinic {
	t.Helper()
	b, err := backends.Open("badger::memory:", backends.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	at := now
	clock := func() time.Time { at = at.Add(time.Millisecond); return at }
	store, err := storage.New(storage.Config{Backend: b, Index: catalog().Rows, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	policy, err := auth.NewPolicy(catalog(), auth.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	audit := server.NewAudit(store, "all", make([]byte, 32), clock, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { audit.Close(t.Context()) })
	o.Catalog, o.Clock = catalog(), func() time.Time { return now }
	return &clinic{t, server.New(server.Config{
		Store: store, Catalog: catalog(), Operations: report.Operations(o), Clock: func() time.Time { return now }, Audit: audit,
		Caller: func(r *http.Request) (server.Caller, error) {
			role := r.Header.Get("Role")
			if role == "" {
				return server.Caller{Access: storage.System}, nil
			}
			g, ok := roles[role]
			if !ok {
				return server.Caller{}, &auth.Refusal{Outcome: fhirmap.Errorf(fhirmap.CodeLogin, "", "a token is needed")}
			}
			a, err := policy.Access(g)
			return server.Caller{Access: a, Subject: role, User: g.FHIRUser, Grant: g}, err
		},
	})}
}

// as sends a request; headers are written as Name: value.
func (c *clinic) as(role, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	c.Helper()
	r := httptest.NewRequest(method, "http://hob.test/fhir"+path, strings.NewReader(body))
	r.Header.Set("Role", role)
	if body != "" {
		r.Header.Set("Content-Type", server.FHIR)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, r)
	return w
}

func (c *clinic) get(path string, want int, headers ...string) string {
	c.Helper()
	w := c.as("", "GET", path, "", headers...)
	if w.Code != want {
		c.Fatalf("GET %s: %d, want %d: %s", path, w.Code, want, w.Body)
	}
	return w.Body.String()
}

func (c *clinic) put(list ...*fhirmap.Resource) {
	c.Helper()
	for _, r := range list {
		if w := c.as("", "PUT", "/"+r.Type()+"/"+r.ID(), string(r.JSON())); w.Code != 201 {
			c.Fatalf("%s/%s: %d %s", r.Type(), r.ID(), w.Code, w.Body)
		}
	}
}

func (c *clinic) made(list []*fhirmap.Resource, err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
	c.put(list...)
}

// visits are the visits of the golden numbers: systolic, diastolic, heart rate, pounds, inches.
var visits = [][5]string{{"120", "80", "80", "60", "80"}, {"140", "90", "99", "79", "82"}, {"115", "75", "90", "65", "81"}}

// treat makes a doctor, a patient and the visits of the golden numbers, on the first three days of March 2022 at noon.
func (c *clinic) treat() {
	c.Helper()
	d, err := fhirmap.Doctor{ID: "ada", Name: "Ada Finch", Title: "Dr."}.Resource()
	c.made([]*fhirmap.Resource{d}, err)
	c.made(fhirmap.Chart{ID: "mara", Name: "Mara <Quist>", BirthDate: "1984-03-17", Gender: "female", Doctor: "ada", Preconditions: []string{"Asthma & more"},
		Allergies: []string{"Penicillin"}, Medications: []string{"Salbutamol"}}.Resources())
	for i, v := range visits {
		c.made(fhirmap.Visit{
			ID: fmt.Sprintf("v%d", i+1), Patient: "mara", Doctor: "ada", At: fmt.Sprintf("2022-03-0%dT12:00:00Z", i+1),
			Systolic: fhirmap.Measure{Value: v[0], Unit: "mm[Hg]"}, Diastolic: fhirmap.Measure{Value: v[1], Unit: "mm[Hg]"}, HeartRate: fhirmap.Measure{Value: v[2], Unit: "/min"},
			Weight: fhirmap.Measure{Value: v[3], Unit: "[lb_av]"}, Height: fhirmap.Measure{Value: v[4], Unit: "[in_i]"},
			Diagnosis: "Cold", Treatment: "Tea & rest", Notes: "Line one\nline <two>",
		}.Resources())
	}
}

// statistics of a Bundle or of Parameters, by code of what was measured and statistic.
func statistics(t testing.TB, body string) map[string]string {
	t.Helper()
	type observation struct {
		ResourceType string
		ID           string
		Code         struct{ Coding []struct{ Code string } }
		Component    []struct {
			Code struct {
				Coding []struct{ System, Code string }
			}
			ValueQuantity struct {
				Value json.Number
				Code  string
			}
		}
	}
	var all struct {
		Entry []struct{ Resource observation }
		Para  []struct{ Resource observation } `json:"parameter"`
	}
	if err := json.Unmarshal([]byte(body), &all); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	out := map[string]string{}
	for _, o := range append(all.Entry, all.Para...) {
		for _, c := range o.Resource.Component {
			if strings.HasSuffix(c.Code.Coding[0].System, "observation-statistics") {
				out[o.Resource.Code.Coding[0].Code+" "+c.Code.Coding[0].Code] = strings.TrimSpace(string(c.ValueQuantity.Value) + " " + c.ValueQuantity.Code)
			}
		}
	}
	return out
}

// TestB1 wants the golden numbers of three visits from $stats and from $health-summary. The body mass index is that of exact SI conversion, to two
// decimals: the factor 703, which the original used, gives the median 6.96 for it.
func TestB1(t *testing.T) {
	c := open(t, nil, report.Options{})
	c.treat()
	want := map[string]string{
		"8480-6 average": "125 mm[Hg]", "8480-6 median": "120 mm[Hg]", "8480-6 maximum": "140 mm[Hg]", "8480-6 minimum": "115 mm[Hg]", "8480-6 count": "3 1",
		"8462-4 average": "81.6667 mm[Hg]", "8462-4 median": "80 mm[Hg]", "8462-4 maximum": "90 mm[Hg]", "8462-4 minimum": "75 mm[Hg]", "8462-4 count": "3 1",
		"8867-4 average": "89.6667 /min", "8867-4 median": "90 /min", "8867-4 maximum": "99 /min", "8867-4 minimum": "80 /min", "8867-4 count": "3 1",
		"39156-5 average": "7.27 kg/m2", "39156-5 median": "6.97 kg/m2", "39156-5 maximum": "8.26 kg/m2", "39156-5 minimum": "6.59 kg/m2", "39156-5 count": "3 1",
		"29463-7 average": "68 [lb_av]", "29463-7 median": "65 [lb_av]", "29463-7 maximum": "79 [lb_av]", "29463-7 minimum": "60 [lb_av]", "29463-7 count": "3 1",
	}
	const stats = "/Observation/$stats?subject=Patient/mara&code=85354-9,8867-4,39156-5,29463-7&system=http://loinc.org&statistic=average,median,max,minimum,count&period="
	for _, span := range []struct{ start, end string }{
		{"2022-03-01T12:00:00Z", "2022-03-03T12:00:00Z"}, {"2022-03-01", "2022-03-03"}, {"2022-03", "2022-03"}, {"2022", ""}, {"", "2022-03-03"},
	} {
		for from, body := range map[string]string{
			"$stats":          c.get(stats+span.start+"/"+span.end, 200),
			"$health-summary": c.get("/Patient/mara/$health-summary?"+query(span.start, span.end), 200),
		} {
			got := statistics(t, body)
			for name, value := range got {
				if strings.HasPrefix(name, "39156-5") && strings.HasSuffix(value, "kg/m2") {
					var f float64
					fmt.Sscan(value, &f)
					got[name] = fmt.Sprintf("%.2f kg/m2", f)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s of %v gives %v, want %v", from, span, got, want)
			}
		}
	}
	// An end leaves out what is a second beyond it.
	for _, span := range []struct{ start, end, want string }{
		{"2022-03-01T12:00:01Z", "2022-03-03T12:00:00Z", "2 1"}, {"2022-03-01T12:00:00Z", "2022-03-03T11:59:59Z", "2 1"}, {"2022-03-02", "2022-03-02", "1 1"},
		{"2021", "2021", "0 1"},
	} {
		for from, body := range map[string]string{
			"$stats":          c.get(stats+span.start+"/"+span.end, 200),
			"$health-summary": c.get("/Patient/mara/$health-summary?"+query(span.start, span.end), 200),
		} {
			if got := statistics(t, body)["8867-4 count"]; got != span.want {
				t.Errorf("%s of %v counts %s, want %s", from, span, got, span.want)
			}
		}
	}
	if text := c.get("/Patient/mara/$health-summary?start=2021&end=2021&_format=text", 200); !strings.Contains(text, "Visits: 0") || !strings.Contains(text, "–") {
		t.Errorf("an empty range is told as %s", text)
	}
	if page := c.get("/Patient/mara/$health-summary?start=2021&end=2021&_format=html", 200); !strings.Contains(page, "Not measured in this time") {
		t.Errorf("an empty range is shown as %s", page)
	}
}

func query(start, end string) string {
	var out []string
	if start != "" {
		out = append(out, "start="+start)
	}
	if end != "" {
		out = append(out, "end="+end)
	}
	return strings.Join(out, "&")
}

// TestForms compares the document, the text and the page with golden files; the document is valid R4 and holds all that it refers to.
func TestForms(t *testing.T) {
	c := open(t, nil, report.Options{})
	c.treat()
	const path = "/Patient/mara/$health-summary?start=2022-01&end=2022-12"
	for name, body := range map[string]string{
		"summary.json": c.get(path+"&_pretty=true", 200), "summary.txt": c.get(path, 200, "Accept: text/plain"), "summary.html": c.get(path, 200, "Accept: text/html,*/*;q=0.8"),
	} {
		file := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(file, []byte(body), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if body != string(want) {
			t.Errorf("%s is\n%s\nwant\n%s", name, body, want)
		}
	}
	w := c.as("", "GET", path, "", "Accept: text/html")
	if csp := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; style-src 'sha256-") || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("the page comes with %v", w.Header())
	}
	for _, no := range []string{"<script", " style=", "<Quist>", "<two>", "onload"} {
		if strings.Contains(w.Body.String(), no) {
			t.Errorf("the page holds %s", no)
		}
	}
	document := c.get(path, 200)
	res, err := fhirmap.Parse([]byte(document), fhirmap.Limits{})
	if err != nil {
		t.Fatalf("the document is not valid: %v", err)
	}
	there := map[string]bool{}
	first := ""
	for e := range res.Root().Each("entry") {
		url := e.String("fullUrl")
		there[strings.TrimPrefix(url, "http://hob.test/fhir/")] = true
		if first == "" {
			first = url
		}
	}
	if !strings.Contains(first, "/Composition/") {
		t.Errorf("the document begins with %s", first)
	}
	var refs func(e *fhirmap.Element)
	refs = func(e *fhirmap.Element) {
		if link := e.String("reference"); e.Type == "Reference" && link != "" && !there[link] {
			t.Errorf("the document lacks %s", link)
		}
		for _, x := range e.Children {
			refs(x)
		}
	}
	refs(res.Root())
}

func TestFaults(t *testing.T) {
	c := open(t, nil, report.Options{Most: 40})
	c.treat()
	for _, x := range []struct {
		path string
		want int
		text string
	}{
		{"/Patient/nobody/$health-summary", 404, "not-found"},
		{"/Patient/mara/$health-summary?start=yesterday", 400, "start=yesterday"},
		{"/Patient/mara/$health-summary?start=2022-03-02&end=2022-03-01", 400, "the start comes first"},
		{"/Patient/mara/$health-summary?start=2022&start=2021", 400, "give start once"},
		{"/Patient/mara/$health-summary?start=", 400, "give start once"},
		{"/Patient/mara/$health-summary?from=2022", 400, "known are start and end"},
		{"/Patient/mara/$health-summary?_format=xml", 406, "not-supported"},
		{"/Observation/$stats", 400, "give subject"},
		{"/Observation/$stats?subject=Patient/mara", 400, "asked of codes"},
		{"/Observation/$stats?subject=Patient/mara&code=1", 400, "no statistic"},
		{"/Observation/$stats?subject=Patient/mara&code=1&statistic=kurtosis", 400, "average, maximum"},
		{"/Observation/$stats?subject=Patient/mara&code=1&statistic=count&limit=0", 400, "limit=0"},
		{"/Observation/$stats?subject=Patient/mara&code=1&statistic=count&include=yes", 400, "no boolean"},
		{"/Observation/$stats?subject=Patient/mara&code=1&statistic=count&duration=-1", 400, "no number of hours"},
		{"/Observation/$stats?subject=Patient/mara&code=1&statistic=count&duration=NaN", 400, "no number of hours"},
		{"/Observation/$stats?subject=Patient/mara&code=1&statistic=count&duration=1&period=2022/", 400, "exclude each other"},
		{"/Observation/$stats?subject=Patient/mara&code=1&statistic=count&period=2022", 400, "write start/end"},
		{"/Observation/$stats?subject=Patient/mara&coding=1&statistic=count", 400, "no coding"},
		{"/Observation/$stats?subject=Patient/mara&code=1&statistic=count&color=red", 400, "not known here"},
		{"/Observation/$stats?subject=Patient/mara&subject=Patient/x&code=1&statistic=count", 400, "more than once"},
	} {
		if w := c.as("", "GET", x.path, ""); w.Code != x.want || !strings.Contains(w.Body.String(), x.text) {
			t.Errorf("%s: %d %s, want %d %s", x.path, w.Code, w.Body, x.want, x.text)
		}
	}
	small := open(t, nil, report.Options{Most: 5})
	small.treat()
	if w := small.as("", "GET", "/Patient/mara/$health-summary", ""); w.Code != 422 || !strings.Contains(w.Body.String(), "more than the 5 resources") {
		t.Errorf("a report beyond its limit: %d %s", w.Code, w.Body)
	}
	c.as("", "DELETE", "/Patient/mara", "")
	if w := c.as("", "GET", "/Patient/mara/$health-summary", ""); w.Code != 410 {
		t.Errorf("of a deleted patient: %d", w.Code)
	}
}
