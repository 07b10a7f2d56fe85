package report_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/server/report"
)

// TestStats converts units, leaves out what does not count, and keeps apart what cannot be added.
func TestStats(t *testing.T) {
	c := open(t, nil, report.Options{})
	for i, o := range []struct{ status, value string }{
		{"final", `"valueQuantity":{"value":50,"system":"http://unitsofmeasure.org","code":"kg"}`},
		{"final", `"valueQuantity":{"value":60000,"system":"http://unitsofmeasure.org","code":"g"}`},
		{"final", `"valueQuantity":{"value":7,"unit":"stone"}`},
		{"final", `"valueString":"heavy"`},
		{"entered-in-error", `"valueQuantity":{"value":9000,"system":"http://unitsofmeasure.org","code":"kg"}`},
		{"cancelled", `"valueQuantity":{"value":9000,"system":"http://unitsofmeasure.org","code":"kg"}`},
	} {
		body := fmt.Sprintf(`{"resourceType":"Observation","status":"%s","subject":{"reference":"Patient/p"},"code":{"coding":[{"system":"http://loinc.org","code":"29463-7"}]},"effectiveDateTime":"2022-01-0%d",%s}`, o.status, i+1, o.value)
		if w := c.as("", "POST", "/Observation", body); w.Code != 201 {
			t.Fatal(w.Body)
		}
	}
	body := c.get("/Observation/$stats?subject=Patient/p&coding=http://loinc.org%7C29463-7&statistic=avg,count,total-count,std-dev,sum&include=true&limit=2", 200)
	for _, want := range []string{`{"value":55,"unit":"kg"`, `{"value":110,"unit":"kg"`, `{"value":5,"unit":"kg"`, `{"value":7,"unit":"stone"}`, `{"value":3,"unit":"1"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the statistics lack %s: %s", want, body)
		}
	}
	if n := strings.Count(body, `"name":"source"`); n != 2 {
		t.Errorf("%d sources come, want 2", n)
	}
}
