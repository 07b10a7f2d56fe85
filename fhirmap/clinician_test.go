package fhirmap

import (
	"reflect"
	"testing"
)

func TestClinicianMapping(t *testing.T) {
	known := Identifier{"urn:source:partner", "north side"}
	full := Clinician{
		ID: "c1", Given: "Zoë", Family: "Ōtsuka", Title: "Dr.", Clinic: "North Side", Active: true,
		Identifiers: []Identifier{{"urn:source:partner", "7"}}, Source: "https://partner.example/providers",
	}
	for name, c := range map[string]Clinician{
		"clinician": full, "clinician-assistant": {Given: "Ann", Family: "Lee", Title: "PA", Clinic: "North Side"}, "clinician-bare": {Family: "Lee"},
	} {
		r, err := c.Resource()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, r)
		clinic := c
		clinic.Clinic = ""
		if back, err := ClinicianOf(r, nil); err != nil || !reflect.DeepEqual(back, clinic) {
			t.Errorf("%s comes back as %+v (%v), want %+v", name, back, err, clinic)
		}
		if c.Clinic == "" {
			continue
		}
		org, err := c.Organization(known)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+"-organization", org)
		if back, err := ClinicianOf(r, org); err != nil || !reflect.DeepEqual(back, c) {
			t.Errorf("%s with a clinic comes back as %+v (%v), want %+v", name, back, err, c)
		}
		role, err := c.Role(known, "Practitioner/c1", "Organization/o1")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+"-role", role)
		if _, err := ClinicianOf(role, nil); err == nil {
			t.Error("a PractitionerRole is read as a clinician")
		}
		if _, err := ClinicianOf(r, r); err == nil {
			t.Error("a Practitioner is read as a clinic")
		}
	}
	r, err := Parse([]byte(`{"resourceType":"Practitioner","active":false,"name":[{"given":["A.","B."],"prefix":["Prof.","Dr."]}],"qualification":[{"code":{"text":"MD"}}]}`), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ClinicianOf(r, nil); err != nil || !reflect.DeepEqual(got, Clinician{Given: "A. B.", Title: "Prof. Dr."}) {
		t.Errorf("it is read as %+v (%v)", got, err)
	}
	if _, err := (Clinician{ID: "not an id", Family: "x"}).Resource(); err == nil {
		t.Error("a bad id became a resource")
	}
}
