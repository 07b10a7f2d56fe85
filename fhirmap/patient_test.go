package fhirmap

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

var update = flag.Bool("update", false, "write golden files anew")

// golden compares a resource with a file of testdata.
func golden(t *testing.T, name string, r *Resource) {
	t.Helper()
	path := filepath.Join("testdata", "mapping", name+".json")
	got := append(r.JSON(), '\n')
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s is\n%s, want\n%s", name, got, want)
	}
}

func TestPatientMapping(t *testing.T) {
	full := Patient{
		ID: "1", Name: "Zoë Ōtsuka", Sex: "F", BirthDate: "1971-02", DeathDate: "2020-05-06", Location: "Ward 7", Active: true,
		Identifiers: []Identifier{{"urn:source:clinic", "FOO"}, {"", "x"}},
	}
	for name, p := range map[string]Patient{"patient": full, "patient-bare": {Name: "Joe"}} {
		r, err := p.Resource()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, r)
		if back, err := PatientOf(r); err != nil || !reflect.DeepEqual(back, p) {
			t.Errorf("%s comes back as %+v (%v), want %+v", name, back, err, p)
		}
	}
	for _, c := range []struct {
		body string
		want Patient
	}{
		{`{"resourceType":"Patient"}`, Patient{Active: true}},
		{`{"resourceType":"Patient","name":[{"given":["Ada","B."],"family":"Lovelace","prefix":["Dr."],"suffix":["III"]},{"text":"other"}],"gender":"other","deceasedBoolean":true}`,
			Patient{Name: "Dr. Ada B. Lovelace III", Active: true}},
		{`{"resourceType":"Patient","active":false,"extension":[{"url":"x","valueReference":{"display":"no"}},{"url":"` + PlaceURL + `","valueReference":{"identifier":{"value":"77"}}}]}`,
			Patient{Location: "77"}},
	} {
		r, err := Parse([]byte(c.body), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := PatientOf(r); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s is read as %+v (%v), want %+v", c.body, got, err, c.want)
		}
		if _, err := ProviderOf(r); err == nil {
			t.Errorf("%s is read as a provider", c.body)
		}
	}
	for _, bad := range []Patient{{Sex: "X"}, {BirthDate: "yesterday"}, {ID: "not an id"}} {
		var o *Outcome
		if _, err := bad.Resource(); !errors.As(err, &o) {
			t.Errorf("%+v became a resource (%v)", bad, err)
		}
	}
}

func TestProviderMapping(t *testing.T) {
	p := Provider{ID: "2", Name: "Dr. Who", Location: "Ward 7", Active: true, Identifiers: []Identifier{{"urn:source:clinic", "D1"}}}
	r, err := p.Resource()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "provider", r)
	if back, err := ProviderOf(r); err != nil || !reflect.DeepEqual(back, p) {
		t.Errorf("it comes back as %+v (%v)", back, err)
	}
	if _, err := PatientOf(r); err == nil {
		t.Error("a Practitioner is read as a patient")
	}
}
