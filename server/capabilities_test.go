package server_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/server"
)

// statement is what a test reads of a CapabilityStatement.
type statement struct {
	ResourceType, Status, Kind, FHIRVersion string
	Format                                  []string
	Implementation                          *struct{ URL string }
	Rest                                    []struct {
		Mode        string
		Interaction []struct{ Code string }
		Resource    []struct {
			Type         string
			Interaction  []struct{ Code string }
			UpdateCreate bool

			ConditionalCreate, ConditionalUpdate bool
			ConditionalDelete                    string
			Operation                            []struct{ Name, Definition string }
			SearchParam                          []struct{ Name, Type, Definition string }
		}
	}
}

func capabilities(t *testing.T, f *fixture) statement {
	t.Helper()
	var s statement
	if err := json.Unmarshal([]byte(f.do("GET", "/fhir/metadata", "").is(200).body), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCapabilities(t *testing.T) {
	f := open(t, nil)
	a := f.do("GET", "/fhir/metadata", "").is(200).says(`"version":"1.2.3"`)
	if _, err := fhirmap.Parse([]byte(a.body), fhirmap.Limits{}); err != nil {
		t.Errorf("the statement is no valid resource: %v", err)
	}
	f.do("GET", "/fhir/metadata", "", "If-None-Match: "+a.header.Get("ETag")).is(304)
	f.do("HEAD", "/fhir/metadata", "").is(200).has("ETag", a.header.Get("ETag"))
	f.do("GET", "/fhir/metadata?mode=full", "").is(200)
	f.do("GET", "/fhir/metadata?mode=normative&_pretty=true", "").is(200)
	f.do("GET", "/fhir/metadata?mode=terminology", "").fails(404, "not-supported", "TerminologyCapabilities")
	f.do("GET", "/fhir/metadata?mode=x", "").fails(400, "value", "mode=x")

	s := capabilities(t, f)
	if s.FHIRVersion != "4.0.1" || s.Kind != "instance" || !slices.Contains(s.Format, "application/fhir+json") || s.Implementation != nil {
		t.Errorf("the statement is %+v", s)
	}
	if len(s.Rest) != 1 || len(s.Rest[0].Resource) != len(fhirmap.ResourceTypes()) || !s.Rest[0].Resource[0].UpdateCreate {
		t.Errorf("%d types are claimed", len(s.Rest[0].Resource))
	}
	if r := s.Rest[0].Resource[0]; !r.ConditionalCreate || !r.ConditionalUpdate || r.ConditionalDelete != "single" || len(r.Operation) < 5 {
		t.Errorf("the conditional interactions and operations claimed are %+v", r)
	}
	f = open(t, func(c *server.Config) {
		c.Policy.NoClientIDs = true
		c.Policy.ConditionalDelete = server.DeleteMultiple
		c.Base = &url.URL{Scheme: "https", Host: "ehr.example", Path: "/fhir"}
	})
	if s := capabilities(t, f); s.Rest[0].Resource[0].UpdateCreate || s.Rest[0].Resource[0].ConditionalDelete != "multiple" || s.Implementation.URL != "https://ehr.example/fhir" {
		t.Errorf("the statement of another policy is %+v", s.Implementation)
	}
}

// TestClaims asks for every interaction that is claimed. None may be unknown; what they answer is for other tests.
func TestClaims(t *testing.T) {
	f := open(t, nil)
	requests := map[string][2]string{ // interaction code: method, path below the type
		"read": {"GET", "/x"}, "vread": {"GET", "/x/_history/1"}, "update": {"PUT", "/x"}, "delete": {"DELETE", "/x"},
		"create": {"POST", ""}, "search-type": {"GET", "?_count=0"}, "history-instance": {"GET", "/x/_history"}, "history-type": {"GET", "/_history"},
		"history-system": {"GET", "/_history"}, "search-system": {"GET", "?_count=0"}, "transaction": {"POST", ""}, "batch": {"POST", ""}, "patch": {"PATCH", "/x"},
	}
	ask := func(base, code string) {
		r, ok := requests[code]
		if !ok {
			t.Fatalf("%s is claimed, and no test knows it", code)
		}
		a := f.do(r[0], "/fhir"+base+r[1], "")
		if a.status == 405 || a.status >= 500 || a.status == 404 && !strings.Contains(a.body, "/x: not found") {
			t.Errorf("%s of %s is claimed and answers %d %s", code, base, a.status, a.body)
		}
	}
	rest := capabilities(t, f).Rest[0]
	for _, i := range rest.Interaction {
		ask("", i.Code)
	}
	if len(rest.Interaction) == 0 {
		t.Error("nothing is claimed at system level")
	}
	values := map[string]string{
		"number": "1", "date": "2024", "string": "x", "token": "x", "reference": "Patient/x", "composite": "x$x", "quantity": "1", "uri": "http://x", "special": "x",
	}
	for _, r := range rest.Resource {
		for _, i := range r.Interaction {
			ask("/"+r.Type, i.Code)
		}
		for _, p := range r.SearchParam {
			if values[p.Type] == "" || p.Definition == "" {
				t.Errorf("%s.%s is claimed as a %q, defined by %q", r.Type, p.Name, p.Type, p.Definition)
			}
			if a := f.do("GET", "/fhir/"+r.Type+"?_count=0&"+p.Name+"="+values[p.Type], ""); a.status != 200 && strings.Contains(a.body, "not-supported") || a.status >= 500 {
				t.Errorf("%s.%s is claimed and answers %d %s", r.Type, p.Name, a.status, a.body)
			}
		}
	}
}
