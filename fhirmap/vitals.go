package fhirmap

import (
	"math/big"
	"slices"
	"strings"
)

// LOINC and UCUM are the code systems of what is measured and of its units.
const (
	LOINC = "http://loinc.org"
	UCUM  = "http://unitsofmeasure.org"
)

// The vital signs that Hob maps, by their LOINC codes in R4's vital signs profiles (observation-vitalsigns.html).
const (
	BodyHeight    = "8302-2"
	BodyWeight    = "29463-7"
	BodyMassIndex = "39156-5"
	HeartRate     = "8867-4"
	BloodPressure = "85354-9" // a panel of the two that follow
	Systolic      = "8480-6"
	Diastolic     = "8462-4"
)

// signs names each of them, with the end of the ids that the mappings give.
var signs = map[string]struct{ name, end string }{
	BodyHeight:    {"Body height", "height"},
	BodyWeight:    {"Body weight", "weight"},
	BodyMassIndex: {"Body mass index (BMI) [Ratio]", "bmi"},
	HeartRate:     {"Heart rate", "heart-rate"},
	BloodPressure: {"Blood pressure panel with all children optional", "blood-pressure"},
	Systolic:      {"Systolic blood pressure", ""},
	Diastolic:     {"Diastolic blood pressure", ""},
}

// Measure is a number as it is written, and its unit of UCUM. Without a Value it is none.
type Measure struct{ Value, Unit string }

// Vital is a vital sign of a patient: an Observation. Patient, Encounter, Performer and From are ids; the last are Observations from which it
// was calculated.
type Vital struct {
	ID        string
	Patient   string
	Encounter string
	Performer string
	At        string // effectiveDateTime
	Code      string // of LOINC
	Measure   Measure
	Parts     []Part // components, of a panel
	From      []string
}

// Part is a component of a panel.
type Part struct {
	Code    string
	Measure Measure
}

// VitalOf reads an Observation of a vital sign that Hob maps. What has no number is read without its Measure.
func VitalOf(r *Resource) (Vital, error) {
	if err := isType(r, "Observation"); err != nil {
		return Vital{}, err
	}
	root := r.Root()
	v := Vital{
		ID: r.ID(), Patient: idIn(root, "subject", "Patient"), Encounter: idIn(root, "encounter", "Encounter"), Performer: idIn(root, "performer", "Practitioner"),
		Code: signOf(root), Measure: measured(root),
	}
	if v.Code == "" {
		return Vital{}, Errorf(CodeValue, "Observation.code", "the Observation is of no vital sign that is mapped")
	}
	if at := root.First("effective"); at != nil && at.Value {
		v.At = at.Text
	} else if at != nil {
		v.At = at.String("start")
	}
	for c := range root.Each("component") {
		if code := signOf(c); code != "" {
			v.Parts = append(v.Parts, Part{code, measured(c)})
		}
	}
	for d := range root.Each("derivedFrom") {
		if id, ok := strings.CutPrefix(d.String("reference"), "Observation/"); ok {
			v.From = append(v.From, id)
		}
	}
	return v, nil
}

// Part returns a component's number, none if the panel lacks it.
func (v Vital) Part(code string) Measure {
	for _, p := range v.Parts {
		if p.Code == code {
			return p.Measure
		}
	}
	return Measure{}
}

// Resource makes an Observation that is final.
func (v Vital) Resource() (*Resource, error) {
	if signs[v.Code].name == "" {
		return nil, Errorf(CodeValue, "Observation.code", "%q is the code of no vital sign that is mapped", v.Code)
	}
	type component struct {
		Code  concept   `json:"code"`
		Value *quantity `json:"valueQuantity"`
	}
	var parts []component
	for _, p := range v.Parts {
		parts = append(parts, component{signed(p.Code), p.Measure.quantity()})
	}
	var from []referred
	for _, id := range v.From {
		from = append(from, referred{Reference: "Observation/" + id})
	}
	return build(struct {
		ResourceType string      `json:"resourceType"`
		ID           string      `json:"id,omitempty"`
		Status       string      `json:"status"`
		Category     []concept   `json:"category"`
		Code         concept     `json:"code"`
		Subject      *referred   `json:"subject,omitempty"`
		Encounter    *referred   `json:"encounter,omitempty"`
		Effective    string      `json:"effectiveDateTime,omitempty"`
		Performer    []referred  `json:"performer,omitempty"`
		Value        *quantity   `json:"valueQuantity,omitempty"`
		DerivedFrom  []referred  `json:"derivedFrom,omitempty"`
		Component    []component `json:"component,omitempty"`
	}{
		"Observation", v.ID, "final", []concept{coded("http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs", "")},
		signed(v.Code), to("Patient", v.Patient), to("Encounter", v.Encounter), v.At, all(to("Practitioner", v.Performer)), v.Measure.quantity(), from, parts,
	})
}

// MassIndex is the body mass index in kg/m2, to four decimals, of a weight in kg and a height in m; "" if one is not positive.
func MassIndex(weight, height *big.Rat) string {
	if weight == nil || height == nil || weight.Sign() <= 0 || height.Sign() <= 0 {
		return ""
	}
	square := new(big.Rat).Mul(height, height)
	return square.Quo(weight, square).FloatString(4)
}

// Pounds and Inches turn a number into kg and m, by the exact definitions of both units; nil if it is none.
func Pounds(s string) *big.Rat { return times(s, big.NewRat(45359237, 100000000)) }

// Inches is to heights what Pounds is to weights.
func Inches(s string) *big.Rat { return times(s, big.NewRat(254, 10000)) }

func times(s string, factor *big.Rat) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return nil
	}
	return r.Mul(r, factor)
}

// The shapes of JSON that several mappings write.

type coding struct {
	System  string `json:"system,omitempty"`
	Code    string `json:"code,omitempty"`
	Display string `json:"display,omitempty"`
}

type concept struct {
	Coding []coding `json:"coding,omitempty"`
	Text   string   `json:"text,omitempty"`
}

func coded(system, code, display string) concept {
	return concept{Coding: []coding{{system, code, display}}}
}

func signed(code string) concept { return coded(LOINC, code, signs[code].name) }

type number string

func (n number) MarshalJSON() ([]byte, error) { return []byte(n), nil } // as it is written, or an error of the encoder if it is none

type quantity struct {
	Value  number `json:"value"`
	Unit   string `json:"unit,omitempty"`
	System string `json:"system,omitempty"`
	Code   string `json:"code,omitempty"`
}

func (m Measure) quantity() *quantity {
	if m.Value == "" {
		return nil
	}
	unit := m.Unit
	if plain := plainUnits[unit]; plain != "" {
		unit = plain
	}
	return &quantity{number(m.Value), unit, UCUM, m.Unit}
}

// plainUnits are units as people write them, where UCUM's code is another.
var plainUnits = map[string]string{"[in_i]": "in", "[lb_av]": "lb", "mm[Hg]": "mmHg", "/min": "beats/minute", "kg/m2": "kg/m²"}

// to is a reference to a resource by its id, nil if that is "".
func to(typ, id string) *referred {
	if id == "" {
		return nil
	}
	return &referred{Reference: typ + "/" + id}
}

func all(r *referred) []referred {
	if r == nil {
		return nil
	}
	return []referred{*r}
}

// idIn is the id of the first of the resources of a type to which an element refers.
func idIn(e *Element, name, typ string) string {
	for c := range e.Each(name) {
		if id := idOf(c, typ); id != "" {
			return id
		}
	}
	return ""
}

// idOf is the id of the resource of a type to which a reference leads, relative or absolute, with a version or without; "" if it leads elsewhere.
func idOf(ref *Element, typ string) string {
	link, _, _ := strings.Cut(ref.String("reference"), "/_history/")
	if i := strings.LastIndex(link, "/"); i >= 0 && strings.HasSuffix("/"+link[:i], "/"+typ) && IsID(link[i+1:]) {
		return link[i+1:]
	}
	return ""
}

// signOf is the first code of an element's code that is a vital sign's.
func signOf(e *Element) string {
	for c := range e.First("code").Each("coding") {
		if code := c.String("code"); c.String("system") == LOINC && signs[code].name != "" {
			return code
		}
	}
	return ""
}

// measured reads valueQuantity.
func measured(e *Element) Measure {
	q := e.First("value")
	if q == nil || q.Type != "Quantity" || q.String("value") == "" || slices.Contains([]string{"<", "<=", ">", ">="}, q.String("comparator")) {
		return Measure{}
	}
	m := Measure{Value: q.String("value"), Unit: q.String("code")}
	if q.String("system") != UCUM {
		m.Unit = q.String("unit")
	}
	return m
}
