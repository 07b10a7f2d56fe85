package fhirmap

import (
	"crypto/sha256"
	"encoding/hex"
)

// Chart is what a medical-records application keeps of a patient beside the visits. It is several resources:
//
//	ID, Name, BirthDate, Gender, Doctor   Patient, with generalPractitioner
//	Height, Weight                        Observation, of the time the chart was begun
//	Preconditions                         Condition of the category problem-list-item, by its text
//	Allergies                             AllergyIntolerance, by the text of its code
//	Medications                           MedicationStatement, by the text of its medicationCodeableConcept
type Chart struct {
	ID        string
	Name      string
	BirthDate string
	Gender    string // FHIR's
	Doctor    string // id of a Practitioner
	At        string // when it was begun, a dateTime

	Height, Weight Measure

	Preconditions, Allergies, Medications []string
}

const (
	clinical     = "http://terminology.hl7.org/CodeSystem/condition-clinical"
	category     = "http://terminology.hl7.org/CodeSystem/condition-category"
	allergyState = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
)

// Resources makes the Patient, and after it the others. Their ids follow from the Patient's and from what they say, so that making them
// again makes the same.
func (c Chart) Resources() ([]*Resource, error) {
	var out []*Resource
	add := adding(&out)
	var names []humanName
	if c.Name != "" {
		names = named(c.Name)
	}
	err := add(build(struct {
		ResourceType        string      `json:"resourceType"`
		ID                  string      `json:"id,omitempty"`
		Active              bool        `json:"active"`
		Name                []humanName `json:"name,omitempty"`
		Gender              string      `json:"gender,omitempty"`
		BirthDate           string      `json:"birthDate,omitempty"`
		GeneralPractitioner []referred  `json:"generalPractitioner,omitempty"`
	}{"Patient", c.ID, true, names, c.Gender, c.BirthDate, all(to("Practitioner", c.Doctor))}))
	if err != nil {
		return nil, err
	}
	for _, v := range []Vital{{Code: BodyHeight, Measure: c.Height}, {Code: BodyWeight, Measure: c.Weight}} {
		if v.Measure.Value == "" {
			continue
		}
		v.ID, v.Patient, v.At = c.ID+"-"+signs[v.Code].end, c.ID, c.At
		if err := add(v.Resource()); err != nil {
			return nil, err
		}
	}
	type stated struct {
		ResourceType   string    `json:"resourceType"`
		ID             string    `json:"id"`
		Status         string    `json:"status,omitempty"`
		ClinicalStatus *concept  `json:"clinicalStatus,omitempty"`
		Category       []concept `json:"category,omitempty"`
		Code           *concept  `json:"code,omitempty"`
		Medication     *concept  `json:"medicationCodeableConcept,omitempty"`
		Subject        *referred `json:"subject,omitempty"`
		Patient        *referred `json:"patient,omitempty"`
		Recorded       string    `json:"recordedDate,omitempty"`
		Asserted       string    `json:"dateAsserted,omitempty"`
	}
	active := func(system string) *concept { c := coded(system, "active", ""); return &c }
	for _, l := range []struct {
		texts []string
		make  func(text string) stated
	}{
		{c.Preconditions, func(text string) stated {
			return stated{ResourceType: "Condition", ID: saidID(c.ID, "problem", text), ClinicalStatus: active(clinical),
				Category: []concept{coded(category, "problem-list-item", "")}, Code: &concept{Text: text}, Subject: to("Patient", c.ID), Recorded: c.At}
		}},
		{c.Allergies, func(text string) stated {
			return stated{ResourceType: "AllergyIntolerance", ID: saidID(c.ID, "allergy", text), ClinicalStatus: active(allergyState), Code: &concept{Text: text},
				Patient: to("Patient", c.ID), Recorded: c.At}
		}},
		{c.Medications, func(text string) stated {
			return stated{ResourceType: "MedicationStatement", ID: saidID(c.ID, "medication", text), Status: "active", Medication: &concept{Text: text},
				Subject: to("Patient", c.ID), Asserted: c.At}
		}},
	} {
		for _, text := range l.texts {
			if err := add(build(l.make(text))); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// ChartOf reads a Patient and of the others what is of this patient, in their order. Of a vital sign that is there more than once the last
// counts; those of a visit do not.
func ChartOf(patient *Resource, others []*Resource) (Chart, error) {
	if err := isType(patient, "Patient"); err != nil {
		return Chart{}, err
	}
	root := patient.Root()
	c := Chart{
		ID: patient.ID(), Name: nameOf(root), BirthDate: root.String("birthDate"), Gender: root.String("gender"), Doctor: idIn(root, "generalPractitioner", "Practitioner"),
	}
	for _, r := range others {
		o := r.Root()
		if idIn(o, "subject", "Patient") != c.ID && idIn(o, "patient", "Patient") != c.ID {
			continue
		}
		switch r.Type() {
		case "Observation":
			v, err := VitalOf(r)
			switch {
			case err != nil || v.Encounter != "":
				continue
			case v.Code == BodyHeight:
				c.Height, c.At = v.Measure, v.At
			case v.Code == BodyWeight:
				c.Weight, c.At = v.Measure, v.At
			}
		case "Condition":
			if inCategory(o, "problem-list-item") {
				c.Preconditions = append(c.Preconditions, TextOf(o.First("code")))
			}
		case "AllergyIntolerance":
			c.Allergies = append(c.Allergies, TextOf(o.First("code")))
		case "MedicationStatement":
			c.Medications = append(c.Medications, medicationOf(o))
		}
	}
	return c, nil
}

// medicationOf names the medication of a statement or an order: what the concept says, else the reference's display.
func medicationOf(e *Element) string {
	m := e.First("medication")
	if text := TextOf(m); text != "" || m == nil {
		return text
	}
	return m.String("display")
}

// adding collects resources.
func adding(out *[]*Resource) func(*Resource, error) error {
	return func(r *Resource, err error) error {
		if err == nil {
			*out = append(*out, r)
		}
		return err
	}
}

// saidID makes the id of one of several statements about a patient, from what it says.
func saidID(patient, kind, text string) string {
	sum := sha256.Sum256([]byte(text))
	return patient + "-" + kind + "-" + hex.EncodeToString(sum[:6])
}

func inCategory(e *Element, code string) bool {
	for c := range e.Each("category") {
		for k := range c.Each("coding") {
			if k.String("code") == code {
				return true
			}
		}
	}
	return false
}
