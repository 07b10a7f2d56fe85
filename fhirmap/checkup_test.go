package fhirmap

import (
	"errors"
	"testing"
)

func TestCheckupMapping(t *testing.T) {
	full := Checkup{ID: "HM-77-4", Type: "Blood sugar", Report: "ALL FINE. 5.20", For: "ann", Machine: "HM-77", TakenBy: "Dr. Dan", Disease: "Diabetes", Time: "2026-11-21T09:30:00Z"}
	bare := Checkup{Type: "Eyes", Report: "well", For: "bob", Disease: "none"}
	for name, c := range map[string]Checkup{"checkup": full, "checkup-bare": bare} {
		to := CheckupLinks{Patient: "Patient/1", Device: "Device/2", Result: "Observation/3"}
		report, err := c.Resource(to)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+"-report", report)
		result, err := c.Observation(to)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+"-result", result)
		patient, err := c.Patient()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+"-patient", patient)
		device, err := c.Device()
		if err != nil {
			t.Fatal(err)
		}
		if device != nil {
			golden(t, name+"-device", device)
		}
		if back, err := CheckupOf(report, result); err != nil || back != c {
			t.Errorf("%s comes back as %+v (%v), want %+v", name, back, err, c)
		}
	}
	row := map[string]string{"id": "7", "checkup_type": "Eyes", "checkup_report": "well", "checkup_for": "12", "username": "bob", "disease": "none"}
	if got, want := CheckupOfRow(row), (Checkup{ID: "7", Type: "Eyes", Report: "well", For: "bob", Disease: "none"}); got != want {
		t.Errorf("the row is %+v, want %+v", got, want)
	}
	for _, c := range []Checkup{{}, {Type: "a", Report: "b", Disease: "c"}, {Type: "a", Report: "b", For: "d", Disease: " "}, {Type: "a", Report: "b", For: "d", Disease: "c", Time: "yesterday"}} {
		var o *Outcome
		if _, err := c.Resource(CheckupLinks{}); !errors.As(err, &o) {
			t.Errorf("%+v gives %v, want an Outcome", c, err)
		}
	}
}
