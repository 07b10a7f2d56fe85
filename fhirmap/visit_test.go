package fhirmap

import (
	"errors"
	"reflect"
	"testing"
)

// written is all resources of a mapping in one Bundle, for a golden file.
func written(t *testing.T, list []*Resource) *Resource {
	t.Helper()
	body := []byte(`{"resourceType":"Bundle","type":"collection","entry":[`)
	for i, r := range list {
		if i > 0 {
			body = append(body, ",\n"...)
		}
		body = append(append(append(body, `{"resource":`...), r.JSON()...), '}')
	}
	b, err := Parse(append(body, "]}"...), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestVisitMapping(t *testing.T) {
	v := Visit{
		ID: "v1", Patient: "p1", Doctor: "d1", At: "2022-03-04T09:30:00Z", Height: Measure{"70.5", "[in_i]"}, Weight: Measure{"160", "[lb_av]"},
		HeartRate: Measure{"72", "/min"}, Systolic: Measure{"120", "mm[Hg]"}, Diastolic: Measure{"80", "mm[Hg]"},
		Diagnosis: "Sprained ankle", Treatment: "Rest & ice, two weeks", Notes: "Fell from a ladder.\nNo fracture.",
	}
	for name, v := range map[string]Visit{"visit": v, "visit-bare": {ID: "v2", Patient: "p1", At: "2022-03-05", Systolic: Measure{"120", "mm[Hg]"}, Notes: "x"}} {
		list, err := v.Resources()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, written(t, list))
		back, err := VisitOf(list[0], list[1:])
		want := v
		if name == "visit" {
			want.MassIndex = Measure{"22.6329", "kg/m2"}
		} else {
			want.Systolic = Measure{} // half a blood pressure is none
		}
		if err != nil || !reflect.DeepEqual(back, want) {
			t.Errorf("%s comes back as %+v (%v), want %+v", name, back, err, want)
		}
		if _, err := VisitOf(list[0], nil); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []Visit{
		{ID: "v", At: "yesterday"}, {ID: "no id"}, {ID: "v", Weight: Measure{"heavy", "kg"}}, {ID: "v", Patient: "p", Height: Measure{"1", "\x01"}},
	} {
		if list, err := bad.Resources(); err == nil {
			t.Errorf("%+v became %d resources", bad, len(list))
		}
	}
}

func TestChartMapping(t *testing.T) {
	c := Chart{
		ID: "p1", Name: "Mara Quist", BirthDate: "1980-02-03", Gender: "female", Doctor: "d1", At: "2022-01-02T08:00:00Z",
		Height: Measure{"70", "[in_i]"}, Weight: Measure{"150.5", "[lb_av]"},
		Preconditions: []string{"Asthma", "Migraine"}, Allergies: []string{"Penicillin"}, Medications: []string{"Salbutamol"},
	}
	for name, c := range map[string]Chart{"chart": c, "chart-bare": {ID: "p2"}} {
		list, err := c.Resources()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, written(t, list))
		if back, err := ChartOf(list[0], list[1:]); err != nil || !reflect.DeepEqual(back, c) {
			t.Errorf("%s comes back as %+v (%v), want %+v", name, back, err, c)
		}
		if again, err := ChartOf(list[0], []*Resource{mustParse(t, `{"resourceType":"AllergyIntolerance","code":{"text":"x"},"patient":{"reference":"Patient/other"}}`)}); err != nil || again.Allergies != nil {
			t.Errorf("an allergy of another patient is read: %+v (%v)", again, err)
		}
	}
	if _, err := (Chart{ID: "p", Gender: "M"}).Resources(); err == nil {
		t.Error("M is taken for a gender of FHIR")
	}
}

func TestDoctorMapping(t *testing.T) {
	for name, d := range map[string]Doctor{
		"doctor":        {ID: "d1", Name: "Ada Finch", Title: "MD", BirthDate: "1970-05-06", Gender: "female"},
		"doctor-prefix": {ID: "d2", Name: "Bo Lind", Title: "Dr."},
	} {
		r, err := d.Resource()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, r)
		if back, err := DoctorOf(r); err != nil || back != d {
			t.Errorf("%s comes back as %+v (%v), want %+v", name, back, err, d)
		}
		if _, err := VitalOf(r); err == nil {
			t.Error("a Practitioner is read as a vital sign")
		}
	}
}

func TestVitalMapping(t *testing.T) {
	for _, c := range []struct {
		body string
		want Vital
	}{
		{`{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"subject":{"reference":"http://x/fhir/Patient/p/_history/2"},"effectivePeriod":{"start":"2022"},"valueQuantity":{"value":70,"unit":"bpm"}}`,
			Vital{Patient: "p", At: "2022", Code: HeartRate, Measure: Measure{"70", "bpm"}}},
		{`{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"valueQuantity":{"value":70,"comparator":">"}}`, Vital{Code: HeartRate}},
		{`{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"valueString":"fast"}`, Vital{Code: HeartRate}},
	} {
		if got, err := VitalOf(mustParse(t, c.body)); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s is read as %+v (%v), want %+v", c.body, got, err, c.want)
		}
	}
	var o *Outcome
	if _, err := VitalOf(mustParse(t, `{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"x","code":"8867-4"}]}}`)); !errors.As(err, &o) {
		t.Errorf("a code of another system is read as a vital sign (%v)", err)
	}
	if _, err := (Vital{Code: "1-1"}).Resource(); !errors.As(err, &o) {
		t.Errorf("an unknown vital sign is made (%v)", err)
	}
	if MassIndex(Pounds("160"), Inches("0")) != "" || MassIndex(Pounds("x"), Inches("1")) != "" {
		t.Error("there is a body mass index without a height or a weight")
	}
}

func mustParse(t *testing.T, body string) *Resource {
	t.Helper()
	r, err := Parse([]byte(body), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
