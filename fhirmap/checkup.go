package fhirmap

import "strings"

// Checkup is one result of a health check as a device-report uploader keeps it: a flat record. As FHIR it is four resources that refer to
// each other (Resources), of which the DiagnosticReport is the Checkup itself:
//
//	Type      code.text of the DiagnosticReport, and of its result
//	Report    conclusion, and valueString of the result: "ALL FINE. 20.90"
//	For       subject: a Patient with the identifier CheckupUser|For
//	Machine   device of the result: a Device with the identifier CheckupMachine|Machine and that deviceName
//	TakenBy   performer of the report and of the result, by its display
//	Disease   conclusionCode.text
//	ID        identifier CheckupNumber|ID; the number that the uploader or the device gave
//	Time      effectiveDateTime; issued if it tells the time to the second
type Checkup struct {
	ID      string `json:"id,omitempty"`
	Type    string `json:"checkup_type"`
	Report  string `json:"checkup_report"`
	For     string `json:"checkup_for"`
	Machine string `json:"machine"`
	TakenBy string `json:"taken_by"`
	Disease string `json:"disease"`
	Time    string `json:"created_on,omitempty"` // a dateTime of FHIR
}

// The identifier systems of checkups: user names, machines, and the numbers of reports.
const (
	CheckupUser    = "urn:hob:checkup:username"
	CheckupMachine = "urn:hob:checkup:machine"
	CheckupNumber  = "urn:hob:checkup:number"
)

// CheckupLinks are the references by which the DiagnosticReport of a Checkup and its result name the others; "" leaves one out.
type CheckupLinks struct {
	Patient, Device, Result string
}

// CheckupOfRow reads a Checkup from a row of the table in which the uploader kept it, by the names of its columns. A patient may be named by
// checkup_for or by username.
func CheckupOfRow(row map[string]string) Checkup {
	c := Checkup{
		ID: row["id"], Type: row["checkup_type"], Report: row["checkup_report"], For: row["username"], Machine: row["machine"], TakenBy: row["taken_by"],
		Disease: row["disease"], Time: row["created_on"],
	}
	if c.For == "" {
		c.For = row["checkup_for"]
	}
	return c
}

// CheckupOf reads a DiagnosticReport and its result, which may be nil.
func CheckupOf(report, result *Resource) (Checkup, error) {
	if err := isType(report, "DiagnosticReport"); err != nil {
		return Checkup{}, err
	}
	root := report.Root()
	c := Checkup{
		Type: root.First("code").String("text"), Report: root.String("conclusion"), Disease: root.First("conclusionCode").String("text"),
		TakenBy: root.First("performer").String("display"), For: valueOf(root.First("subject")),
	}
	for _, id := range identifiersOf(root) {
		if id.System == CheckupNumber {
			c.ID = id.Value
		}
	}
	if e := root.First("effective"); e != nil && e.Type == "dateTime" {
		c.Time = e.Text
	}
	if result == nil {
		return c, nil
	}
	if err := isType(result, "Observation"); err != nil {
		return Checkup{}, err
	}
	c.Machine = valueOf(result.Root().First("device"))
	return c, nil
}

// valueOf is the value of the identifier of a Reference.
func valueOf(reference *Element) string { return reference.First("identifier").String("value") }

// textual is a CodeableConcept in words.
type textual struct {
	Text string `json:"text,omitempty"`
}

// Resource makes the DiagnosticReport. The error is an Outcome that names what is missing or no value of FHIR's.
func (c Checkup) Resource(to CheckupLinks) (*Resource, error) {
	for _, need := range []struct{ name, value string }{
		{"checkup_type", c.Type}, {"checkup_report", c.Report}, {"checkup_for", c.For}, {"disease", c.Disease},
	} {
		if strings.TrimSpace(need.value) == "" {
			return nil, Errorf(CodeRequired, "", "%s is missing; a checkup needs checkup_type, checkup_report, checkup_for and disease", need.name)
		}
	}
	r := struct {
		ResourceType   string       `json:"resourceType"`
		Identifier     []Identifier `json:"identifier,omitempty"`
		Status         string       `json:"status"`
		Code           textual      `json:"code"`
		Subject        referred     `json:"subject"`
		Effective      string       `json:"effectiveDateTime,omitempty"`
		Issued         string       `json:"issued,omitempty"`
		Performer      []referred   `json:"performer,omitempty"`
		Result         []referred   `json:"result,omitempty"`
		Conclusion     string       `json:"conclusion,omitempty"`
		ConclusionCode []textual    `json:"conclusionCode,omitempty"`
	}{
		ResourceType: "DiagnosticReport", Identifier: c.numbered(), Status: "final", Code: textual{c.Type}, Subject: c.subject(to),
		Effective: c.Time, Performer: c.performer(), Conclusion: c.Report, ConclusionCode: []textual{{c.Disease}},
	}
	if strings.Contains(c.Time, "T") {
		r.Issued = c.Time
	}
	if to.Result != "" {
		r.Result = []referred{{Reference: to.Result}}
	}
	return build(r)
}

// Observation makes the result.
func (c Checkup) Observation(to CheckupLinks) (*Resource, error) {
	r := struct {
		ResourceType string       `json:"resourceType"`
		Identifier   []Identifier `json:"identifier,omitempty"`
		Status       string       `json:"status"`
		Code         textual      `json:"code"`
		Subject      referred     `json:"subject"`
		Effective    string       `json:"effectiveDateTime,omitempty"`
		Performer    []referred   `json:"performer,omitempty"`
		Value        string       `json:"valueString,omitempty"`
		Device       *referred    `json:"device,omitempty"`
	}{
		ResourceType: "Observation", Identifier: c.numbered(), Status: "final", Code: textual{c.Type}, Subject: c.subject(to),
		Effective: c.Time, Performer: c.performer(), Value: c.Report,
	}
	if c.Machine != "" {
		r.Device = &referred{Reference: to.Device, Identifier: &Identifier{CheckupMachine, c.Machine}, Display: c.Machine}
	}
	return build(r)
}

// Device makes the machine; nil if there is none.
func (c Checkup) Device() (*Resource, error) {
	if c.Machine == "" {
		return nil, nil
	}
	type named struct {
		Name string `json:"name"`
		Type string `json:"type"`
	}
	return build(struct {
		ResourceType string       `json:"resourceType"`
		Identifier   []Identifier `json:"identifier"`
		DeviceName   []named      `json:"deviceName"`
	}{"Device", []Identifier{{CheckupMachine, c.Machine}}, []named{{c.Machine, "user-friendly-name"}}})
}

// Patient makes the one whose checkup it is.
func (c Checkup) Patient() (*Resource, error) {
	return Patient{Name: c.For, Active: true, Identifiers: []Identifier{{CheckupUser, c.For}}}.Resource()
}

func (c Checkup) numbered() []Identifier {
	if c.ID == "" {
		return nil
	}
	return []Identifier{{CheckupNumber, c.ID}}
}

func (c Checkup) subject(to CheckupLinks) referred {
	return referred{Reference: to.Patient, Identifier: &Identifier{CheckupUser, c.For}, Display: c.For}
}

func (c Checkup) performer() []referred {
	if c.TakenBy == "" {
		return nil
	}
	return []referred{{Display: c.TakenBy}}
}
