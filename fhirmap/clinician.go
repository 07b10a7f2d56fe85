package fhirmap

import (
	"slices"
	"strings"
)

// Clinician is one who gives care at a clinic, as partner APIs list them. FHIR says it by three resources: a Practitioner, an Organization
// for the clinic, and a PractitionerRole that joins them.
//
//	Given, Family  Practitioner.name[0]
//	Title          Practitioner.name[0].prefix if it is said before a name (Dr.), else qualification[0].code.text (PA); PractitionerRole.code.text
//	Clinic         Organization.name
//	Identifiers    of the Practitioner
//	Source         meta.source of the Practitioner: the URL where this was read
type Clinician struct {
	ID          string // of the Practitioner
	Given       string
	Family      string
	Title       string
	Clinic      string
	Active      bool
	Identifiers []Identifier
	Source      string
}

// ClinicianOf reads a Practitioner, with the Organization where he works, if any. A title is the prefix of his name, else his first
// qualification.
func ClinicianOf(practitioner, clinic *Resource) (Clinician, error) {
	if err := isType(practitioner, "Practitioner"); err != nil {
		return Clinician{}, err
	}
	root := practitioner.Root()
	name := root.First("name")
	c := Clinician{
		ID: practitioner.ID(), Given: joined(name, "given"), Family: name.String("family"), Title: joined(name, "prefix"),
		Active: root.String("active") != "false", Identifiers: identifiersOf(root), Source: practitioner.Meta().String("source"),
	}
	if c.Title == "" {
		c.Title = root.First("qualification").First("code").String("text")
	}
	if clinic != nil {
		if err := isType(clinic, "Organization"); err != nil {
			return Clinician{}, err
		}
		c.Clinic = clinic.Root().String("name")
	}
	return c, nil
}

// joined are the values of a repeated element with spaces between them.
func joined(e *Element, name string) string {
	var parts []string
	for p := range e.Each(name) {
		if p.Text != "" {
			parts = append(parts, p.Text)
		}
	}
	return strings.Join(parts, " ")
}

// prefixes are the titles that are said before a name; any other is what somebody is qualified as.
var prefixes = []string{"dr", "prof", "mr", "mrs", "ms", "mx", "miss", "sir", "dame", "rev", "sr", "herr", "frau"}

// isPrefix reports whether a title stands before a name. Several are one if the first is: Prof. Dr.
func isPrefix(title string) bool {
	first, _, _ := strings.Cut(title, " ")
	return slices.Contains(prefixes, strings.ToLower(strings.TrimSuffix(first, ".")))
}

// Resource makes the Practitioner.
func (c Clinician) Resource() (*Resource, error) {
	name := partedName{Family: c.Family}
	if c.Given != "" {
		name.Given = []string{c.Given}
	}
	var qualified []qualification
	if isPrefix(c.Title) {
		name.Prefix = []string{c.Title}
	} else if c.Title != "" {
		qualified = []qualification{{Code: concept{Text: c.Title}}}
	}
	return build(struct {
		ResourceType  string          `json:"resourceType"`
		ID            string          `json:"id,omitempty"`
		Meta          *sourced        `json:"meta,omitempty"`
		Identifier    []Identifier    `json:"identifier,omitempty"`
		Active        bool            `json:"active"`
		Name          []partedName    `json:"name"`
		Qualification []qualification `json:"qualification,omitempty"`
	}{"Practitioner", c.ID, readAt(c.Source), c.Identifiers, c.Active, []partedName{name}, qualified})
}

// Organization makes the clinic, which is known by an identifier.
func (c Clinician) Organization(known Identifier) (*Resource, error) {
	return build(struct {
		ResourceType string       `json:"resourceType"`
		Meta         *sourced     `json:"meta,omitempty"`
		Identifier   []Identifier `json:"identifier,omitempty"`
		Active       bool         `json:"active"`
		Name         string       `json:"name"`
	}{"Organization", readAt(c.Source), []Identifier{known}, true, c.Clinic})
}

// Role makes the PractitionerRole that joins a Practitioner and an Organization, given as references, and is known by an identifier.
func (c Clinician) Role(known Identifier, practitioner, organization string) (*Resource, error) {
	var code []concept
	if c.Title != "" {
		code = []concept{{Text: c.Title}}
	}
	return build(struct {
		ResourceType string       `json:"resourceType"`
		Meta         *sourced     `json:"meta,omitempty"`
		Identifier   []Identifier `json:"identifier,omitempty"`
		Active       bool         `json:"active"`
		Practitioner referred     `json:"practitioner"`
		Organization referred     `json:"organization"`
		Code         []concept    `json:"code,omitempty"`
	}{"PractitionerRole", readAt(c.Source), []Identifier{known}, true, referred{Reference: practitioner}, referred{Reference: organization}, code})
}

type partedName struct {
	Family string   `json:"family,omitempty"`
	Given  []string `json:"given,omitempty"`
	Prefix []string `json:"prefix,omitempty"`
}

type qualification struct {
	Code concept `json:"code"`
}

type sourced struct {
	Source string `json:"source"`
}

func readAt(url string) *sourced {
	if url == "" {
		return nil
	}
	return &sourced{url}
}
