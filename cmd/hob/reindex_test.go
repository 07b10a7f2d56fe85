package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const marriage = `{"resourceType":"SearchParameter","id":"marriage","url":"https://hob.example/SearchParameter/marriage","name":"N","status":"active",
	"description":"d","code":"marriage","base":["Patient"],"type":"string","expression":"Patient.maritalStatus.text"}`

// patients writes a file of patients, each with a marital status.
func patients(t *testing.T, n int) string {
	t.Helper()
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"resourceType":"Patient","id":"p%d","maritalStatus":{"text":"s%d"}}`+"\n", i, i%10)
	}
	file := filepath.Join(t.TempDir(), "patients.ndjson")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// answered waits until a search is answered rather than told to wait, and returns the total.
func (s *running) answered(path string) int {
	s.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		status, body, err := call(http.MethodGet, s.base+path, "")
		if err != nil {
			s.Fatal(err)
		}
		if status == http.StatusServiceUnavailable && time.Now().Before(deadline) {
			continue
		}
		var b bundle
		if status != http.StatusOK || json.Unmarshal(body, &b) != nil || b.Total == nil {
			s.Fatalf("GET %s: %d: %s", path, status, body)
		}
		return *b.Total
	}
}

// TestKillNineWhileIndexing kills the server again and again while a parameter is indexed under writers. It goes on after each start, is never
// answered before it is whole, and then misses nothing that was acknowledged.
func TestKillNineWhileIndexing(t *testing.T) {
	const before = 3000
	store := "badger:" + t.TempDir() + "/store"
	if r := hob(t, nil, nil, "load", "--store", store, patients(t, before)); r.code != 0 {
		t.Fatalf("load: %d: %s%s", r.code, r.out, r.err)
	}
	var acked []string
	early := 0
	for round := 0; ; round++ {
		s := serving(t, store)
		if round == 0 {
			if status, body, err := call(http.MethodPut, s.base+"/SearchParameter/marriage", marriage); err != nil || status != http.StatusCreated {
				t.Fatalf("%d: %s, %v", status, body, err)
			}
		}
		status, body, err := call(http.MethodGet, s.base+"/Patient?marriage:missing=false&_summary=count", "")
		if err != nil {
			t.Fatal(err)
		}
		if status == http.StatusServiceUnavailable {
			early++
		}
		if status == http.StatusOK || round == 5 {
			if n := s.answered("/Patient?marriage:missing=false&_summary=count"); n != before+len(acked) {
				t.Errorf("%d are found, want %d", n, before+len(acked))
			}
			if n := s.answered("/Patient?marriage:missing=true&_summary=count"); n != 0 {
				t.Errorf("%d are without the value that all have", n)
			}
			s.stop()
			break
		}
		if status != http.StatusServiceUnavailable {
			t.Fatalf("%d: %s", status, body)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		var writing sync.WaitGroup
		for w := range 4 {
			writing.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					id := fmt.Sprintf("r%dw%dn%d", round, w, n)
					status, _, err := call(http.MethodPut, s.base+"/Patient/"+id, `{"resourceType":"Patient","id":"`+id+`","maritalStatus":{"text":"new"}}`)
					if err != nil {
						return // the server is gone, and whether it has written that is not known: it is looked for below
					}
					if status == http.StatusCreated {
						mu.Lock()
						acked = append(acked, id)
						mu.Unlock()
					}
				}
			})
		}
		time.Sleep(150 * time.Millisecond)
		s.kill()
		cancel()
		writing.Wait()
		// What was under way at the kill may be there or not. It is put once more, so that its number is known.
		s = serving(t, store)
		known := map[string]bool{}
		for _, id := range acked {
			known[id] = true
		}
		for w := range 4 {
			for n := 0; ; n++ {
				id := fmt.Sprintf("r%dw%dn%d", round, w, n)
				if known[id] {
					continue
				}
				status, _, err := call(http.MethodPut, s.base+"/Patient/"+id, `{"resourceType":"Patient","id":"`+id+`","maritalStatus":{"text":"new"}}`)
				if err != nil || status > 201 {
					t.Fatalf("%d, %v", status, err)
				}
				acked = append(acked, id)
				break
			}
		}
		s.kill()
	}
	t.Logf("%d starts found it unfinished, %d were written meanwhile", early, len(acked))
	if early < 2 {
		t.Error("it was not killed in the middle: this proves nothing")
	}
	sound(t, store)
}

// TestReindex indexes a store that no server has open.
func TestReindex(t *testing.T) {
	dir := t.TempDir()
	store := "badger:" + dir + "/store"
	parameter := filepath.Join(dir, "parameter.json")
	if err := os.WriteFile(parameter, []byte(marriage), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := hob(t, nil, nil, "load", "--store", store, patients(t, 500), parameter); r.code != 0 {
		t.Fatalf("load: %d: %s%s", r.code, r.out, r.err)
	}
	for _, x := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--wait"}, 0, "0 could not be"},
		{[]string{"--type", "Patient,SearchParameter"}, 0, "501 resources indexed"},
		{nil, 0, "501 resources indexed"},
		{[]string{"--type", "Pacient"}, 1, "Pacient is no resource type"},
		{[]string{"--type", "Patient", "--wait"}, 1, "leave --type or --wait out"},
	} {
		r := hob(t, nil, nil, append([]string{"reindex", "--store", store}, x.args...)...)
		if r.code != x.code || !strings.Contains(r.out+r.err, x.want) {
			t.Errorf("reindex %v: %d: %s%s", x.args, r.code, r.out, r.err)
		}
	}
	if r := hob(t, nil, nil, "reindex", "--store", "badger:"+dir+"/nowhere"); r.code != 1 {
		t.Errorf("a store that is not there: %d: %s%s", r.code, r.out, r.err)
	}
	s := serving(t, store)
	if status, body, _ := call(http.MethodGet, s.base+"/Patient?marriage=s1&_summary=count", ""); status != 200 || !strings.Contains(string(body), `"total":50`) {
		t.Errorf("%d: %s", status, body)
	}
	s.stop()
	sound(t, store)
}

// TestUSCore loads the packages of US Core, all versions one after the other, and asks each of its search parameters: its own and those of
// FHIR that it publishes again under other URLs. HOB_US_CORE names the directory.
func TestUSCore(t *testing.T) {
	dir := os.Getenv("HOB_US_CORE")
	if dir == "" {
		t.Skip("HOB_US_CORE does not name the directory of the packages us_core_*.tgz")
	}
	packages, err := filepath.Glob(filepath.Join(dir, "us_core_*.tgz"))
	if err != nil || len(packages) == 0 {
		t.Fatalf("%s: no us_core_*.tgz there", dir)
	}
	if os.Getenv("HOB_SOAK") == "" { // the oldest and the one that most are certified by
		packages = slices.DeleteFunc(packages, func(file string) bool {
			return !strings.Contains(file, "us_core_311") && !strings.Contains(file, "us_core_610")
		})
	}
	for _, file := range packages {
		t.Run(filepath.Base(file), func(t *testing.T) {
			s := serving(t, "badger::memory:")
			report := filepath.Join(t.TempDir(), "refused")
			if r := hob(t, nil, nil, "load", "--url", s.base, "--report", report, file); r.code != 0 && r.code != 2 {
				t.Fatalf("load: %d: %s%s", r.code, r.out, r.err)
			}
			refused, err := os.ReadFile(report)
			if err != nil {
				t.Fatal(err)
			}
			// One example of 3.1.1 has a hash that is no base64.
			if n := strings.Count(string(refused), "\n"); n > 1 || n == 1 && !strings.Contains(string(refused), "presentedForm[0].hash") {
				t.Errorf("refused: %s", refused)
			}
			var set struct {
				Entry []struct {
					Resource struct {
						ID, Code, Type string
						Base           []string
					}
				}
			}
			if err := json.Unmarshal(s.get("/SearchParameter?_count=1000", http.StatusOK), &set); err != nil {
				t.Fatal(err)
			}
			if len(set.Entry) < 50 {
				t.Fatalf("only %d search parameters", len(set.Entry))
			}
			values := map[string]string{"token": "a", "string": "a", "date": "2024", "reference": "a", "quantity": "1", "number": "1", "uri": "a"}
			own, mine := 0, " "
			for _, e := range set.Entry {
				p := e.Resource
				for _, base := range p.Base {
					s.answered("/" + base + "?" + p.Code + "=" + values[p.Type] + "&_summary=count")
					s.answered("/" + base + "?" + p.Code + "=" + values[p.Type] + "&_total=accurate")
				}
				status := string(s.get("/SearchParameter/"+p.ID+"/$status", http.StatusOK))
				if !strings.Contains(status, `"valueCode":"ready"`) {
					t.Errorf("%s: %s", p.ID, status)
				}
				if strings.Contains(status, `"valueCode":"own"`) {
					own++
					mine += p.Code + " "
				}
			}
			t.Logf("%d search parameters, %d with rows of their own", len(set.Entry), own)
			// One resource of ours for each parameter of its own that US Core defines, in the versions that have it.
			for code, x := range map[string]struct{ body, find, miss string }{
				"race": {`{"resourceType":"Patient","id":"own","extension":[{"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-race","extension":[
					{"url":"ombCategory","valueCoding":{"system":"urn:oid:2.16.840.1.113883.6.238","code":"2106-3"}}]}]}`, "race=2106-3", "race=2106-4"},
				"ethnicity": {`{"resourceType":"Patient","id":"own","extension":[{"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity","extension":[
					{"url":"ombCategory","valueCoding":{"code":"2135-2"}}]}]}`, "ethnicity=2135-2", "ethnicity=2135-3"},
				"gender-identity": {`{"resourceType":"Patient","id":"own","extension":[{"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-genderIdentity",
					"valueCodeableConcept":{"coding":[{"code":"446151000124109"}]}}]}`, "gender-identity=446151000124109", "gender-identity=1"},
				"role": {`{"resourceType":"CareTeam","id":"own","participant":[{"role":[{"coding":[{"system":"http://snomed.info/sct","code":"17561000"}]}]}]}`,
					"role=http://snomed.info/sct%7C17561000", "role=17561001"},
				"asserted-date": {`{"resourceType":"Condition","id":"own","subject":{"reference":"Patient/own"},"extension":[
					{"url":"http://hl7.org/fhir/StructureDefinition/condition-assertedDate","valueDateTime":"2016-08-10"}]}`,
					"asserted-date=ge2016-08&asserted-date=lt2016-09", "asserted-date=2015"},
				"discharge-disposition": {`{"resourceType":"Encounter","id":"own","status":"finished","class":{"code":"IMP"},
					"hospitalization":{"dischargeDisposition":{"coding":[{"code":"01"}]}}}`, "discharge-disposition=01", "discharge-disposition=02"},
				"description": {`{"resourceType":"Goal","id":"own","lifecycleStatus":"active","description":{"coding":[{"code":"281004"}]},"subject":{"reference":"Patient/own"}}`,
					"description=281004", "description=281005"},
			} {
				if !strings.Contains(mine, " "+code+" ") {
					continue
				}
				own--
				var r resource
				if err := json.Unmarshal([]byte(x.body), &r); err != nil {
					t.Fatal(err)
				}
				if status, body, err := call(http.MethodPut, s.base+"/"+r.ResourceType+"/own", x.body); err != nil || status > 201 {
					t.Fatalf("%d: %s, %v", status, body, err)
				}
				if s.answered("/"+r.ResourceType+"?"+x.find+"&_id=own&_summary=count") != 1 || s.answered("/"+r.ResourceType+"?"+x.miss+"&_id=own&_summary=count") != 0 {
					t.Errorf("%s finds wrongly", code)
				}
			}
			if own != 0 {
				t.Errorf("of those with rows of their own (%s) %d were not tried", mine, own)
			}
			s.stop()
		})
	}
}
