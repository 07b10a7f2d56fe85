package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
)

// recordsFile reads the store of a medical-records application: {EntityClass: {IndexName: {key: entity}}}, where an entity stands under each of
// its indexes and a history holds its visits. The first group is the doctors; of each patient there is one with all that is his.
//
// Ids are those of the entities, so that reading the file again makes the same resources.
func recordsFile(data []byte) ([][]*fhirmap.Resource, error) {
	var classes map[string]map[string]map[string]json.RawMessage
	if err := json.Unmarshal(data, &classes); err != nil {
		return nil, fmt.Errorf("it is no store of medical records, {class: {index: {key: entity}}}: %w", err)
	}
	for class := range classes {
		if !slices.Contains([]string{"Doctor", "Patient", "PatientHistory"}, class) {
			return nil, fmt.Errorf("%s: is no class of a store of medical records; Doctor, Patient and PatientHistory are", class)
		}
	}
	doctors, err := entities(classes, "Doctor")
	if err != nil {
		return nil, err
	}
	patients, err := entities(classes, "Patient")
	if err != nil {
		return nil, err
	}
	histories, err := entities(classes, "PatientHistory")
	if err != nil {
		return nil, err
	}
	var groups [][]*fhirmap.Resource
	known := map[string]bool{}
	for _, e := range doctors {
		d := e.doctor()
		if e.err != nil {
			return nil, e.err
		}
		r, err := d.Resource()
		if err != nil {
			return nil, e.wrong("", err)
		}
		known[d.ID] = true
		if len(groups) == 0 {
			groups = append(groups, nil)
		}
		groups[0] = append(groups[0], r)
	}
	of := map[string]int{} // patient to group
	doctor := map[string]string{}
	for _, e := range patients {
		c := e.chart()
		if c.Doctor != "" && !known[c.Doctor] {
			e.bad("DoctorId", "%q is no Doctor of this file", c.Doctor)
		}
		if e.err != nil {
			return nil, e.err
		}
		list, err := c.Resources()
		if err != nil {
			return nil, e.wrong("", err)
		}
		of[c.ID], doctor[c.ID] = len(groups), c.Doctor
		groups = append(groups, list)
	}
	seen := map[string]string{} // visit to where it stands
	for _, e := range histories {
		patient := e.id("PatientId")
		group, ok := of[patient]
		if e.err == nil && !ok {
			e.bad("PatientId", "%q is no Patient of this file", patient)
		}
		for _, visit := range e.visits() {
			v := visit.visit(patient, doctor[patient])
			if visit.err != nil {
				return nil, visit.err
			}
			if at := seen[v.ID]; at != "" {
				return nil, visit.wrong("Id", fmt.Errorf("%q is that of %s too; each visit has its own", v.ID, at))
			}
			seen[v.ID] = visit.at
			list, err := v.Resources()
			if err != nil {
				return nil, visit.wrong("", err)
			}
			groups[group] = append(groups[group], list...)
		}
		if e.err != nil {
			return nil, e.err
		}
	}
	return groups, nil
}

// record is one entity, with the path at which it stands, and the first thing that is wrong with it.
type record struct {
	at     string
	fields map[string]any
	err    error
}

// entities lists those of a class, by id. Those that stand under several indexes must be equal.
func entities(classes map[string]map[string]map[string]json.RawMessage, class string) ([]*record, error) {
	byID := map[string]*record{}
	text := map[string]string{}
	for _, index := range sorted(classes[class]) {
		for _, key := range sorted(classes[class][index]) {
			at := fmt.Sprintf("%s.%s[%q]", class, index, key)
			e, err := readRecord(at, classes[class][index][key])
			if err != nil {
				return nil, err
			}
			id := e.id("Id")
			if typ := e.text("__type__"); e.err == nil && typ != class && !strings.HasSuffix(typ, "."+class) {
				e.bad("__type__", "%q is not the type of a %s", typ, class)
			}
			if e.err != nil {
				return nil, e.err
			}
			same, _ := json.Marshal(e.fields) // of what was read from JSON
			if other := byID[id]; other != nil && text[id] != string(same) {
				return nil, fmt.Errorf("%s: is not what stands at %s; an entity must be the same under each index", at, other.at)
			} else if other == nil {
				byID[id], text[id] = e, string(same)
			}
		}
	}
	var out []*record
	for _, id := range sorted(byID) {
		out = append(out, byID[id])
	}
	return out, nil
}

func sorted[T any](m map[string]T) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func readRecord(at string, raw json.RawMessage) (*record, error) {
	e := &record{at: at}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	if err := d.Decode(&e.fields); err != nil || e.fields == nil {
		return nil, fmt.Errorf("%s: is no object; an entity is one", at)
	}
	return e, nil
}

func (e *record) bad(field, format string, args ...any) {
	if e.err == nil {
		e.err = e.wrong(field, fmt.Errorf(format, args...))
	}
}

func (e *record) wrong(field string, err error) error {
	if field != "" {
		field = "." + field
	}
	return fmt.Errorf("%s%s: %w", e.at, field, err)
}

func (e *record) doctor() fhirmap.Doctor {
	return fhirmap.Doctor{ID: e.id("Id"), Name: e.text("Name"), Title: e.text("Title"), BirthDate: e.date("DateOfBirth"), Gender: e.gender()}
}

func (e *record) chart() fhirmap.Chart {
	c := fhirmap.Chart{
		ID: e.id("Id"), Name: e.text("Name"), BirthDate: e.date("DateOfBirth"), Gender: e.gender(), At: e.time("CreationTime"),
		Height: e.measure("Height", "[in_i]"), Weight: e.measure("Weight", "[lb_av]"),
		Preconditions: e.texts("Preconditions"), Allergies: e.texts("Allergies"), Medications: e.texts("Medications"),
	}
	if e.fields["DoctorId"] != nil && e.fields["DoctorId"] != "" {
		c.Doctor = e.id("DoctorId")
	}
	return c
}

func (e *record) visit(patient, doctor string) fhirmap.Visit {
	v := fhirmap.Visit{
		ID: e.id("Id"), Patient: patient, Doctor: doctor, At: e.time("CreationTime"), Height: e.measure("Height", "[in_i]"), Weight: e.measure("Weight", "[lb_av]"),
		HeartRate: e.measure("HeartRate", "/min"), Diagnosis: e.text("Diagnosis"), Treatment: e.text("Treatment"), Notes: e.text("Notes"),
	}
	if of := e.text("PatientId"); of != "" && of != patient {
		e.bad("PatientId", "%q is not the patient of the history, %q", of, patient)
	}
	if v.At == "" {
		e.bad("CreationTime", "is missing; a visit has a time")
	}
	switch pressure := e.fields["BloodPressure"].(type) {
	case nil:
	case []any:
		if len(pressure) != 2 {
			e.bad("BloodPressure", "has %d numbers; it has two, systolic and diastolic", len(pressure))
			break
		}
		two := &record{at: e.at, fields: map[string]any{"BloodPressure[0]": pressure[0], "BloodPressure[1]": pressure[1]}}
		v.Systolic, v.Diastolic = two.measure("BloodPressure[0]", "mm[Hg]"), two.measure("BloodPressure[1]", "mm[Hg]")
		if two.err != nil && e.err == nil {
			e.err = two.err
		}
	default:
		e.bad("BloodPressure", "is no list of two numbers, systolic and diastolic")
	}
	return v
}

// visits are those of a history.
func (e *record) visits() []*record {
	list, ok := e.fields["Visits"].([]any)
	if !ok && e.fields["Visits"] != nil {
		e.bad("Visits", "is no list")
	}
	var out []*record
	for i, v := range list {
		fields, ok := v.(map[string]any)
		if !ok {
			e.bad(fmt.Sprintf("Visits[%d]", i), "is no object; a visit is one")
			return nil
		}
		out = append(out, &record{at: fmt.Sprintf("%s.Visits[%d]", e.at, i), fields: fields})
	}
	if e.err != nil {
		return nil
	}
	return out
}

func (e *record) text(field string) string {
	switch v := e.fields[field].(type) {
	case nil:
		return ""
	case string:
		return strings.TrimSpace(v)
	}
	e.bad(field, "is no text")
	return ""
}

// id is a uuid as a rule. With what the mappings append it must be an id of FHIR still.
func (e *record) id(field string) string {
	s := strings.ToLower(e.text(field))
	if e.err == nil && (!fhirmap.IsID(s) || len(s) > 36) {
		e.bad(field, "%q is no id; a uuid is one", s)
	}
	return s
}

func (e *record) texts(field string) []string {
	switch list := e.fields[field].(type) {
	case nil:
		return nil
	case []any:
		var out []string
		for i, v := range list {
			s, ok := v.(string)
			if !ok {
				e.bad(fmt.Sprintf("%s[%d]", field, i), "is no text")
			} else if s = strings.TrimSpace(s); s != "" && !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
		return out
	}
	e.bad(field, "is no list of texts")
	return nil
}

// measure is a number above zero; zero says in the original that nothing was measured.
func (e *record) measure(field, unit string) fhirmap.Measure {
	switch n := e.fields[field].(type) {
	case nil:
		return fhirmap.Measure{}
	case json.Number:
		f, err := n.Float64()
		if err != nil || f < 0 || f > 10_000 {
			e.bad(field, "%s is no measure; one lies between 0 and 10000", n)
		}
		if f == 0 {
			return fhirmap.Measure{}
		}
		return fhirmap.Measure{Value: n.String(), Unit: unit}
	}
	e.bad(field, "is no number")
	return fhirmap.Measure{}
}

var genders = map[string]string{"": "", "m": "male", "male": "male", "f": "female", "female": "female", "o": "other", "other": "other", "u": "unknown", "unknown": "unknown"}

func (e *record) gender() string {
	s := e.text("Gender")
	g, ok := genders[strings.ToLower(s)]
	if !ok {
		e.bad("Gender", "%q is not known; male, female, other and unknown are", s)
	}
	return g
}

// A time without a zone is UTC.
var times = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999"}

func (e *record) moment(field string) (time.Time, string) {
	s := e.text(field)
	for _, form := range append(slices.Clone(times), time.DateOnly) {
		if t, err := time.Parse(form, s); err == nil {
			return t, s
		}
	}
	if s != "" {
		e.bad(field, "%q is no time; write it like 2021-07-04T10:15:00", s)
	}
	return time.Time{}, ""
}

// time is a dateTime, to the millisecond.
func (e *record) time(field string) string {
	t, s := e.moment(field)
	switch {
	case s == "":
		return ""
	case day.MatchString(s):
		return s
	}
	return t.UTC().Truncate(time.Millisecond).Format("2006-01-02T15:04:05.999Z07:00")
}

var day = regexp.MustCompile(`^\d{4}-\d\d-\d\d$`)

func (e *record) date(field string) string {
	t, s := e.moment(field)
	if s == "" {
		return ""
	}
	return t.Format(time.DateOnly)
}
