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
		"_include=":                                                          "400",
		"_include=Nothing:x":                                                 "400",
		"_include=Observation:subject:Patient:x":                             "400",
		"_include:iterat=Observation:subject":                                "400",
		"_include:iterate=Observation:nothing":                               "400",
		"_include:iterate=Nothing:x":                                         "400",
		"_include=Observation:*:Nothing":                                     "400",
		"_revinclude=Observation:subject":                                    "400",
		"_revinclude=Observation":                                            "400",
		"_revinclude=Observation:code":                                       "400",
		"_revinclude=Nothing:x":                                              "400",
		"_revinclude=Observation:has-member:Nothing":                         "400",
		"_include=*&_id=a":                                                   "match a, include b, include d, include p",
		"_include=Observation:*&_id=a":                                       "match a, include b, include d, include p",
		"_include=Observation:*:Patient&_id=a":                               "match a, include p",
		"_include=*&_include:iterate=Observation:has-member&_id=a":           "match a, include b, include c, include d, include p",
		"_include:iterate=Observation:has-member&_id=a":                      "match a, include b, include c",
		"_include:recurse=Observation:has-member&_id=a":                      "match a, include b, include c",
		"_include=Observation:has-member&_id=a":                              "match a, include b",
		"_include=Observation:has-member&_include=Observation:subject&_id=a": "match a, include b, include p",
		"_include=Observation:subject&_include:iterate=Patient:general-practitioner&_id=b": "match b, include d, include p",
		"_include=Observation:subject&_include:iterate=Patient:organization&_id=b":         "match b, include p",
		"_include:iterate=*&_id=a":                                                   "match a, include b, include c, include d, include p",
		"_revinclude=Observation:has-member&_id=b":                                   "match b, include a",
		"_revinclude=Observation:has-member:Observation&_id=b":                       "match b, include a",
		"_revinclude=Observation:has-member&_id=a":                                   "match a",
		"_revinclude:iterate=Observation:has-member&_id=c":                           "match c, include a, include b",
		"_revinclude=*&_id=c":                                                        "match c, include b",
		"_revinclude=Observation:*&_id=c":                                            "match c, include b",
		"_revinclude:iterate=*&_id=c":                                                "match c, include a, include b",
		"_include=*&_revinclude=*&_id=b":                                             "match b, include a, include c, include p",
		"_include=Observation:subject&_revinclude:iterate=Observation:subject&_id=a": "match a, include b, include p",
		"_revinclude=Observation:has-member&_count=0":                                "",
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
		right := strings.FieldsFunc(want, func(r rune) bool { return r == ',' })
		for i := range right {
			right[i] = strings.TrimSpace(right[i])
		}
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

// TestIncludeOrder: round by round, and the same each time.
func TestIncludeOrder(t *testing.T) {
	f := open(t, nil)
	for _, r := range []string{"Organization/z", "Organization/a", "Practitioner/d", "Patient/p", "Patient/q"} {
		typ, id, _ := strings.Cut(r, "/")
		refers := ""
		if typ == "Patient" {
			refers = `,"managingOrganization":{"reference":"Organization/a"},"generalPractitioner":[{"reference":"Practitioner/d"},{"reference":"Organization/z"}]`
		}
		f.do("PUT", "/fhir/"+r, `{"resourceType":"`+typ+`","id":"`+id+`"`+refers+`}`).is(201)
	}
	for range 3 {
		var got []string
		for _, e := range f.do("GET", "/fhir/Patient?_include=*&_sort=-_id", "").is(200).set().Entry {
			got = append(got, e.Resource.ID)
		}
		if want := "q p z a d"; strings.Join(got, " ") != want {
			t.Fatalf("entries are %v, want %s", got, want)
		}
	}
}

// TestIncludeLimits: too many are refused, not cut, and a circle ends.
func TestIncludeLimits(t *testing.T) {
	f := open(t, func(c *server.Config) { c.Limits.Included, c.Limits.Rounds = 5, 3 })
	org := func(id, of string) {
		f.do("PUT", "/fhir/Organization/"+id, `{"resourceType":"Organization","id":"`+id+`","name":"x","partOf":{"reference":"Organization/`+of+`"}}`).is(201)
	}
	count := func(query string) int { return len(f.do("GET", "/fhir/Organization?"+query, "").is(200).set().Entry) }
	org("a", "b")
	org("b", "c")
	org("c", "a")
	for _, query := range []string{"_id=a&_include:iterate=Organization:partof", "_id=b&_revinclude:iterate=Organization:partof", "_id=a&_include:iterate=*&_revinclude:iterate=*"} {
		if n := count(query); n != 3 {
			t.Errorf("%s gives %d of a circle of 3", query, n)
		}
	}
	for i := range 6 {
		org(fmt.Sprint("chain", i), fmt.Sprint("chain", i+1))
	}
	if n := count("_id=chain2&_include:iterate=Organization:partof"); n != 4 {
		t.Errorf("%d entries of a chain of 4", n)
	}
	f.do("GET", "/fhir/Organization?_id=chain0&_include:iterate=Organization:partof", "").fails(422, "too-costly", "more than 3 rounds")
	for i := range 5 {
		org(fmt.Sprint("child", i), "top")
	}
	org("top", "none")
	if n := count("_id=top&_revinclude=Organization:partof"); n != 6 {
		t.Errorf("%d entries, want one and the 5 allowed", n)
	}
	org("child5", "top")
	f.do("GET", "/fhir/Organization?_id=top&_revinclude=Organization:partof", "").fails(422, "too-costly", "more than 5 resources would be included; ask for smaller pages")
}

// TestRevincludeIsNarrowed: what refers to a hit and may not be searched by the caller is not included.
func TestRevincludeIsNarrowed(t *testing.T) {
	narrow := false
	f := open(t, func(c *server.Config) {
		c.Caller = as(func(a storage.Action, typ string) (driver.Query, error) {
			switch {
			case narrow && typ == "Encounter":
				return nil, fmt.Errorf("Encounter: %w", storage.ErrForbidden)
			case narrow && typ == "Observation":
				return driver.IDs{"mine"}, nil
			}
			return nil, nil
		})
	})
	f.do("PUT", "/fhir/Patient/p", `{"resourceType":"Patient","id":"p"}`).is(201)
	for _, id := range []string{"mine", "other"} {
		f.do("PUT", "/fhir/Observation/"+id, `{"resourceType":"Observation","id":"`+id+`","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p"}}`).is(201)
	}
	f.do("PUT", "/fhir/Encounter/e", `{"resourceType":"Encounter","id":"e","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/p"}}`).is(201)
	for _, query := range []string{"_revinclude=*", "_revinclude=Observation:subject&_revinclude=Encounter:patient"} {
		narrow = false
		if n := len(f.do("GET", "/fhir/Patient?"+query, "").is(200).set().Entry); n != 4 {
			t.Errorf("%s: %d entries for one who may see all, want 4", query, n)
		}
		narrow = true
		if n := len(f.do("GET", "/fhir/Patient?"+query, "").is(200).set().Entry); n != 2 {
			t.Errorf("%s: %d entries for one who may see one Observation, want 2", query, n)
		}
	}
}
