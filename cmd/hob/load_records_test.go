package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const recordsExample = "../../examples/medical-records/store.json"

// TestB5 loads the store of a medical-records application, over HTTP and into a store, twice each: 1 Practitioner, 2 Patients, 2 Encounters and
// what belongs to them, once.
func TestB5(t *testing.T) {
	example, err := filepath.Abs(recordsExample)
	if err != nil {
		t.Fatal(err)
	}
	loads := func(into ...string) {
		t.Helper()
		for _, want := range []string{"31 resources, 31 written, 0 already", "31 resources, 0 written, 31 already"} {
			if r := hob(t, nil, nil, append([]string{"load", "--format", "medical-records", example}, into...)...); r.code != 0 || !strings.Contains(r.out, want) {
				t.Fatalf("hob load: exit code %d, want %q: %s%s", r.code, want, r.out, r.err)
			}
		}
	}
	there := func(s *running) {
		t.Helper()
		const mara = "1c9a4e70-6b1d-4a58-8c2f-52d0e7a9b311"
		for path, want := range map[string]int{
			"/Practitioner": 1, "/Patient": 2, "/Encounter": 2, "/Observation": 14, "/Condition": 5, "/AllergyIntolerance": 1, "/MedicationStatement": 2,
			"/CarePlan": 2, "/DocumentReference": 2,
			"/Patient?general-practitioner.name=Ada":        2,
			"/Encounter?patient=" + mara:                    1,
			"/Observation?encounter.patient=" + mara:        5,
			"/Observation?code=http://loinc.org%7C39156-5":  2,
			"/Observation?component-code=8480-6":            2,
			"/Encounter?diagnosis:Condition.code:text=seas": 1,
		} {
			if b := s.find(path + addTotal(path)); b.Total == nil || *b.Total != want {
				t.Errorf("%s finds %v, want %d", path, b.Total, want)
			}
		}
		var o struct{ Meta struct{ VersionID string } }
		if err := json.Unmarshal(s.get("/Patient/"+mara, 200), &o); err != nil || o.Meta.VersionID != "1" {
			t.Errorf("the patient has version %s (%v), want 1", o.Meta.VersionID, err)
		}
	}
	s := serving(t, "badger::memory:", "--auth", "off")
	loads("--url", s.base)
	there(s)
	s.stop()

	store := "badger:" + t.TempDir()
	loads("--store", store)
	s = serving(t, store, "--auth", "off")
	there(s)
	s.stop()
}

func addTotal(path string) string {
	if strings.Contains(path, "?") {
		return "&_total=accurate&_count=0"
	}
	return "?_total=accurate&_count=0"
}

// TestRecordsFaults wants every fault of a file named by its path.
func TestRecordsFaults(t *testing.T) {
	good, err := os.ReadFile(recordsExample)
	if err != nil {
		t.Fatal(err)
	}
	if groups, err := recordsFile(good); err != nil || len(groups) != 3 {
		t.Fatalf("%d groups (%v), want 3", len(groups), err)
	}
	for _, c := range []struct{ old, new, want string }{
		{`{`, `[`, "no store of medical records"},
		{`"Doctor": {`, `"Nurse": {`, "Nurse: is no class"},
		{`"Height": 66`, `"Height": "tall"`, `Patient.Id["1c9a4e70-6b1d-4a58-8c2f-52d0e7a9b311"].Height: is no number`},
		{`"Height": 66`, `"Height": -66`, "-66 is no measure"},
		{`"Gender": "M"`, `"Gender": "X"`, `.Gender: "X" is not known`},
		{`"DateOfBirth": "1958-08-30"`, `"DateOfBirth": "30/08/1958"`, `.DateOfBirth: "30/08/1958" is no time`},
		{`"Penicillin"`, `7`, ".Allergies[0]: is no text"},
		{`"Allergies": []`, `"Allergies": {}`, ".Allergies: is no list"},
		{`"BloodPressure": [`, `"BloodPressure": [1,`, `PatientHistory.Id["5e2b7a94-1f3c-4d86-a0b5-c7d9e1f2a333"].Visits[0].BloodPressure: has 3 numbers`},
		{`118,`, `"118",`, ".Visits[0].BloodPressure[0]: is no number"},
		{`"CreationTime": "2022-03-05 14:00:00"`, `"CreationTime": null`, ".Visits[0].CreationTime: is missing"},
		{`"CreationTime": "2022-03-05 14:00:00"`, `"CreationTime": "noon"`, `.Visits[0].CreationTime: "noon" is no time`},
		{`"Id": "0a9b8c7d-6e5f-4a3b-8c2d-1e0f9a8b7c66"`, `"Id": "f1a2b3c4-d5e6-4789-9abc-def012345655"`, "is that of PatientHistory.Id"},
		{`"Id": "0a9b8c7d-6e5f-4a3b-8c2d-1e0f9a8b7c66"`, `"Id": "../etc"`, `"../etc" is no id`},
		{`"DoctorId": "7d1f3b52-0c5e-4f0a-9a36-3f6a5b8c1d01"`, `"DoctorId": "nobody"`, `.DoctorId: "nobody" is no Doctor`},
		{`entities.patient.Patient`, `entities.Cat`, `.__type__: "entities.Cat" is not the type of a Patient`},
	} {
		if _, err := recordsFile([]byte(strings.ReplaceAll(string(good), c.old, c.new))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s for %s gives %v, want %q", c.new, c.old, err, c.want)
		}
	}
	if _, err := recordsFile([]byte(strings.Replace(string(good), `"Height": 66`, `"Height": 67`, 1))); err == nil || !strings.Contains(err.Error(), "must be the same under each index") {
		t.Errorf("an entity that differs between its indexes gives %v", err)
	}
	if groups, err := recordsFile([]byte(`{}`)); err != nil || len(groups) != 0 {
		t.Errorf("an empty store gives %v (%v)", groups, err)
	}
}

func FuzzRecords(f *testing.F) {
	good, err := os.ReadFile(recordsExample)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"PatientHistory":{"Id":{"x":{"Id":"x","Visits":[null]}}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		groups, err := recordsFile(data)
		for _, g := range groups {
			if err == nil && len(g) == 0 {
				t.Error("an empty group")
			}
		}
	})
}
