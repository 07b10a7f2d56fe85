package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// TestInclude: each resource that a page's hits refer to comes once, after them, and none that a hit is itself.
func TestInclude(t *testing.T) {
	f := open(t, nil)
	put := func(path, body string) {
		typ, id, _ := strings.Cut(path, "/")
		f.do("PUT", "/fhir/"+path, `{"resourceType":"`+typ+`","id":"`+id+`",`+body+`}`).is(201)
	}
	put("Patient/p", `"generalPractitioner":[{"reference":"Practitioner/d"}]`)
	put("Practitioner/d", `"active":true`)
	put("Observation/a", `"status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p"},"performer":[{"reference":"Practitioner/d"}],"hasMember":[{"reference":"Observation/b"}]`)
	put("Observation/b", `"status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p"},"hasMember":[{"reference":"Observation/c"}]`)
	put("Observation/c", `"status":"amended","code":{"text":"x"},"subject":{"reference":"Patient/gone"},"performer":[{"display":"nobody"}]`)
	for query, want := range map[string]string{
		"_include=Observation:subject":                                "match a, match b, match c, include p",
		"_include=Observation:patient":                                "match a, match b, match c, include p",
		"_include=Observation:performer&_include=Observation:subject": "match a, match b, match c, include d, include p",
		"_include=Observation:performer:Patient":                      "match a, match b, match c",
		"_include=Observation:has-member&status=final":                "match a, match b, include c",
		"_include=Observation:subject&_sort=_id&_count=1":             "match a, include p",
		"_include=Observation:subject&status=amended":                 "match c",
		"_include=Observation:subject&_elements=status":               "match a, match b, match c, include p",
		"_include=Observation:code":                                   "400",
		"_include=Patient:general-practitioner":                       "400",
		"_include=Observation":                                        "400",
		"_include=Observation:subject:Practitioner":                   "400",
		"_include=": "400",
	} {
		a := f.do("GET", "/fhir/Observation?"+query, "")
		if want == "400" {
			a.is(http.StatusBadRequest)
			continue
		}
		var got []string
		for _, e := range a.is(200).set().Entry {
			got = append(got, e.Search.Mode+" "+e.Resource.ID)
		}
		slices.Sort(got)
		right := strings.Split(want, ", ")
		slices.Sort(right)
		if !slices.Equal(got, right) {
			t.Errorf("%s gives %s, want %s", query, strings.Join(got, ", "), want)
		}
	}
}

// TestIncludeIsNarrowed: what the caller may not search is not included.
func TestIncludeIsNarrowed(t *testing.T) {
	for name, rule := range map[string]func() (driver.Query, error){
		"none of the type": func() (driver.Query, error) { return nil, fmt.Errorf("Patient: %w", storage.ErrForbidden) },
		"another one":      func() (driver.Query, error) { return driver.IDs{"q"}, nil },
	} {
		t.Run(name, func(t *testing.T) {
			narrow := false
			f := open(t, func(c *server.Config) {
				c.Caller = as(func(a storage.Action, typ string) (driver.Query, error) {
					if narrow && typ == "Patient" {
						return rule()
					}
					return nil, nil
				})
			})
			f.do("PUT", "/fhir/Patient/p", `{"resourceType":"Patient","id":"p"}`).is(201)
			f.do("PUT", "/fhir/Observation/a", `{"resourceType":"Observation","id":"a","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p"}}`).is(201)
			if n := len(f.do("GET", "/fhir/Observation?_include=Observation:subject", "").is(200).set().Entry); n != 2 {
				t.Fatalf("%d entries for one who may see all, want 2", n)
			}
			narrow = true
			if n := len(f.do("GET", "/fhir/Observation?_include=Observation:subject", "").is(200).set().Entry); n != 1 {
				t.Errorf("%d entries for one who may not see the patient, want 1", n)
			}
		})
	}
}
