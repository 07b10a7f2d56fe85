package fhirmap

import (
	"encoding/base64"
	"strings"
)

// Visit is one visit of a patient to a doctor, as a medical-records application knows it. It is several resources:
//
//	ID, At, Doctor                        Encounter that is finished, of the class AMB
//	Height, Weight, HeartRate             Observation
//	Systolic, Diastolic                   Observation of a blood pressure panel, with a component each
//	                                      Observation of the body mass index, derived from height and weight
//	Diagnosis                             Condition of the category encounter-diagnosis, to which Encounter.diagnosis refers
//	Treatment                             CarePlan with one activity, in words
//	Notes                                 DocumentReference with a progress note in plain text
//
// What was prescribed is free text. It need not be a medication, so it is no MedicationRequest.
type Visit struct {
	ID      string
	Patient string // id
	Doctor  string // id of a Practitioner
	At      string // a dateTime

	Height, Weight, HeartRate, Systolic, Diastolic Measure
	MassIndex                                      Measure // not written: it follows from height and weight

	Diagnosis, Treatment, Notes string
}

const progressNote = "11506-3" // LOINC

// Resources makes the Encounter, and after it the others. Their ids follow from the Encounter's.
func (v Visit) Resources() ([]*Resource, error) {
	var out []*Resource
	add := adding(&out)
	type participant struct {
		Individual *referred `json:"individual"`
	}
	type diagnosis struct {
		Condition *referred `json:"condition"`
	}
	type period struct {
		Start string `json:"start,omitempty"`
		End   string `json:"end,omitempty"`
	}
	var by []participant
	if v.Doctor != "" {
		by = []participant{{to("Practitioner", v.Doctor)}}
	}
	var found []diagnosis
	if v.Diagnosis != "" {
		found = []diagnosis{{to("Condition", v.ID+"-diagnosis")}}
	}
	err := add(build(struct {
		ResourceType string        `json:"resourceType"`
		ID           string        `json:"id"`
		Status       string        `json:"status"`
		Class        coding        `json:"class"`
		Subject      *referred     `json:"subject"`
		Participant  []participant `json:"participant,omitempty"`
		Period       period        `json:"period"`
		Diagnosis    []diagnosis   `json:"diagnosis,omitempty"`
	}{
		"Encounter", v.ID, "finished", coding{"http://terminology.hl7.org/CodeSystem/v3-ActCode", "AMB", "ambulatory"}, to("Patient", v.Patient), by,
		period{v.At, v.At}, found,
	}))
	for _, s := range v.vitals() {
		if err == nil {
			err = add(s.Resource())
		}
	}
	if err == nil && v.Diagnosis != "" {
		err = add(build(struct {
			ResourceType string    `json:"resourceType"`
			ID           string    `json:"id"`
			Verification concept   `json:"verificationStatus"`
			Category     []concept `json:"category"`
			Code         concept   `json:"code"`
			Subject      *referred `json:"subject"`
			Encounter    *referred `json:"encounter"`
			Recorded     string    `json:"recordedDate,omitempty"`
		}{
			"Condition", v.ID + "-diagnosis", coded("http://terminology.hl7.org/CodeSystem/condition-ver-status", "confirmed", ""),
			[]concept{coded(category, "encounter-diagnosis", "")}, concept{Text: v.Diagnosis}, to("Patient", v.Patient), to("Encounter", v.ID), v.At,
		}))
	}
	if err == nil && v.Treatment != "" {
		type detail struct {
			Status      string `json:"status"`
			Description string `json:"description"`
		}
		type activity struct {
			Detail detail `json:"detail"`
		}
		err = add(build(struct {
			ResourceType string     `json:"resourceType"`
			ID           string     `json:"id"`
			Status       string     `json:"status"`
			Intent       string     `json:"intent"`
			Subject      *referred  `json:"subject"`
			Encounter    *referred  `json:"encounter"`
			Created      string     `json:"created,omitempty"`
			Author       *referred  `json:"author,omitempty"`
			Activity     []activity `json:"activity"`
		}{
			"CarePlan", v.ID + "-treatment", "unknown", "plan", to("Patient", v.Patient), to("Encounter", v.ID), v.At, to("Practitioner", v.Doctor),
			[]activity{{detail{"unknown", v.Treatment}}},
		}))
	}
	if err == nil && v.Notes != "" {
		type attachment struct {
			ContentType string `json:"contentType"`
			Data        string `json:"data"`
		}
		type content struct {
			Attachment attachment `json:"attachment"`
		}
		type context struct {
			Encounter []referred `json:"encounter"`
		}
		instant := v.At
		if !strings.Contains(instant, "T") { // DocumentReference.date is an instant
			instant = ""
		}
		err = add(build(struct {
			ResourceType string     `json:"resourceType"`
			ID           string     `json:"id"`
			Status       string     `json:"status"`
			Type         concept    `json:"type"`
			Subject      *referred  `json:"subject"`
			Date         string     `json:"date,omitempty"`
			Author       []referred `json:"author,omitempty"`
			Content      []content  `json:"content"`
			Context      context    `json:"context"`
		}{
			"DocumentReference", v.ID + "-notes", "current", coded(LOINC, progressNote, "Progress note"), to("Patient", v.Patient), instant, all(to("Practitioner", v.Doctor)),
			[]content{{attachment{"text/plain; charset=utf-8", base64.StdEncoding.EncodeToString([]byte(v.Notes))}}}, context{all(to("Encounter", v.ID))},
		}))
	}
	return out, err
}

// vitals are the measures of the visit, with the body mass index that follows from them.
func (v Visit) vitals() []Vital {
	list := []Vital{
		{Code: BodyHeight, Measure: v.Height},
		{Code: BodyWeight, Measure: v.Weight},
		{Code: HeartRate, Measure: v.HeartRate},
		{Code: BloodPressure, Parts: []Part{{Systolic, v.Systolic}, {Diastolic, v.Diastolic}}},
	}
	if v.Weight.Unit == "[lb_av]" && v.Height.Unit == "[in_i]" {
		index := MassIndex(Pounds(v.Weight.Value), Inches(v.Height.Value))
		list = append(list, Vital{Code: BodyMassIndex, Measure: Measure{index, "kg/m2"}, From: []string{v.ID + "-height", v.ID + "-weight"}})
	}
	out := list[:0]
	for _, s := range list {
		s.ID, s.Patient, s.Encounter, s.Performer, s.At = v.ID+"-"+signs[s.Code].end, v.Patient, v.ID, v.Doctor, v.At
		if s.Measure.Value != "" || s.Part(Systolic).Value != "" && s.Part(Diastolic).Value != "" {
			out = append(out, s)
		}
	}
	return out
}

// VisitOf reads an Encounter, and of the others what is of it. Texts of several diagnoses, treatments or notes are joined.
func VisitOf(encounter *Resource, others []*Resource) (Visit, error) {
	if err := isType(encounter, "Encounter"); err != nil {
		return Visit{}, err
	}
	root := encounter.Root()
	v := Visit{ID: encounter.ID(), Patient: idIn(root, "subject", "Patient"), At: root.First("period").String("start")}
	for p := range root.Each("participant") {
		if v.Doctor == "" {
			v.Doctor = idIn(p, "individual", "Practitioner")
		}
	}
	diagnosed := map[string]bool{}
	for d := range root.Each("diagnosis") {
		diagnosed[idIn(d, "condition", "Condition")] = true
	}
	for _, r := range others {
		o := r.Root()
		mine := idIn(o, "encounter", "Encounter") == v.ID || idIn(o.First("context"), "encounter", "Encounter") == v.ID
		switch {
		case r.Type() == "Condition" && (diagnosed[r.ID()] || mine):
			v.Diagnosis = both(v.Diagnosis, TextOf(o.First("code")))
		case !mine:
		case r.Type() == "Observation":
			if s, err := VitalOf(r); err == nil {
				v.take(s)
			}
		case r.Type() == "CarePlan":
			for a := range o.Each("activity") {
				v.Treatment = both(v.Treatment, a.First("detail").String("description"))
			}
		case r.Type() == "MedicationRequest":
			v.Treatment = both(v.Treatment, medicationOf(o))
		case r.Type() == "DocumentReference":
			for c := range o.Each("content") {
				a := c.First("attachment")
				if text, err := base64.StdEncoding.DecodeString(a.String("data")); err == nil && strings.HasPrefix(a.String("contentType"), "text/plain") {
					v.Notes = both(v.Notes, strings.ToValidUTF8(string(text), "\uFFFD"))
				}
			}
		}
	}
	return v, nil
}

// take puts a vital sign where the visit has a place for it.
func (v *Visit) take(s Vital) {
	switch s.Code {
	case BodyHeight:
		v.Height = s.Measure
	case BodyWeight:
		v.Weight = s.Measure
	case HeartRate:
		v.HeartRate = s.Measure
	case BodyMassIndex:
		v.MassIndex = s.Measure
	case BloodPressure:
		v.Systolic, v.Diastolic = s.Part(Systolic), s.Part(Diastolic)
	}
}

func both(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}
