package fhirmap

import (
	"strings"
	"time"
)

// Patient is a patient as a flat record: how storage APIs that are no FHIR know one. A FHIR Patient holds much more; PatientOf takes what
// has a place here, and Resource makes a Patient of that alone.
//
//	Name       name[0].text, else its parts in the order prefix, given, family, suffix
//	Sex        gender: M male, F female, else "" and no gender
//	BirthDate  birthDate, with the precision it has
//	DeathDate  deceasedDateTime
//	Location   extension PlaceURL: a name of a place, or its identifier in a registry
//	Active     active; a Patient that does not say is active
type Patient struct {
	ID          string
	Name        string
	Sex         string
	BirthDate   string
	DeathDate   string
	Location    string
	Active      bool
	Identifiers []Identifier
	Updated     time.Time // meta.lastUpdated; not written
}

// Identifier is a number by which a system knows somebody.
type Identifier struct {
	System string `json:"system,omitempty"`
	Value  string `json:"value,omitempty"`
}

// PlaceURL is the extension of a Patient or a Practitioner that says where he is, as a Reference to a Location: by its display if it is a
// name, by its identifier if it is a number of a registry.
const PlaceURL = "https://github.com/hob-fhir/hob/StructureDefinition/place"

// PatientOf reads a Patient.
func PatientOf(r *Resource) (Patient, error) {
	if err := isType(r, "Patient"); err != nil {
		return Patient{}, err
	}
	root := r.Root()
	p := Patient{
		ID: r.ID(), Name: nameOf(root), Sex: sexes[root.String("gender")], BirthDate: root.String("birthDate"), Location: placeOf(root),
		Active: root.String("active") != "false", Identifiers: identifiersOf(root), Updated: updatedOf(r),
	}
	if d := root.First("deceased"); d != nil && d.Type == "dateTime" {
		p.DeathDate = d.Text
	}
	return p, nil
}

var sexes = map[string]string{"male": "M", "female": "F"}

// Resource makes a Patient. The error is an Outcome that names what is no value of FHIR's.
func (p Patient) Resource() (*Resource, error) {
	gender := map[string]string{"M": "male", "F": "female", "": ""}
	if _, ok := gender[p.Sex]; !ok {
		return nil, Errorf(CodeValue, "Patient.gender", "sex %q is neither M nor F nor empty", p.Sex)
	}
	return build(struct {
		ResourceType string       `json:"resourceType"`
		ID           string       `json:"id,omitempty"`
		Extension    []extended   `json:"extension,omitempty"`
		Identifier   []Identifier `json:"identifier,omitempty"`
		Active       bool         `json:"active"`
		Name         []humanName  `json:"name,omitempty"`
		Gender       string       `json:"gender,omitempty"`
		BirthDate    string       `json:"birthDate,omitempty"`
		Deceased     string       `json:"deceasedDateTime,omitempty"`
	}{"Patient", p.ID, place(p.Location), p.Identifiers, p.Active, named(p.Name), gender[p.Sex], p.BirthDate, p.DeathDate})
}

// extended, humanName and their like are the shapes of JSON that the mappings write.
type extended struct {
	URL            string    `json:"url"`
	ValueReference *referred `json:"valueReference,omitempty"`
}

type referred struct {
	Reference  string      `json:"reference,omitempty"`
	Type       string      `json:"type,omitempty"`
	Identifier *Identifier `json:"identifier,omitempty"`
	Display    string      `json:"display,omitempty"`
}

type humanName struct {
	Text string `json:"text,omitempty"`
}

func named(text string) []humanName {
	if text == "" {
		return nil
	}
	return []humanName{{Text: text}}
}

func place(text string) []extended {
	if text == "" {
		return nil
	}
	return []extended{{URL: PlaceURL, ValueReference: &referred{Type: "Location", Display: text}}}
}

// nameOf is the text of the first name, or its parts.
func nameOf(e *Element) string {
	n := e.First("name")
	if text := n.String("text"); text != "" || n == nil {
		return text
	}
	var parts []string
	for _, kind := range []string{"prefix", "given", "family", "suffix"} {
		for p := range n.Each(kind) {
			if p.Text != "" {
				parts = append(parts, p.Text)
			}
		}
	}
	return strings.Join(parts, " ")
}

func placeOf(e *Element) string {
	for x := range e.Each("extension") {
		if x.String("url") != PlaceURL {
			continue
		}
		v := x.First("value")
		if display := v.String("display"); display != "" {
			return display
		}
		return v.First("identifier").String("value")
	}
	return ""
}

func identifiersOf(e *Element) []Identifier {
	var out []Identifier
	for i := range e.Each("identifier") {
		out = append(out, Identifier{System: i.String("system"), Value: i.String("value")})
	}
	return out
}
