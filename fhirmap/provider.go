package fhirmap

import "time"

// Provider is one who gives care, as a flat record: see Patient for how its fields stand in a Practitioner.
type Provider struct {
	ID          string
	Name        string
	Location    string
	Active      bool
	Identifiers []Identifier
	Updated     time.Time // meta.lastUpdated; not written
}

// ProviderOf reads a Practitioner.
func ProviderOf(r *Resource) (Provider, error) {
	if err := isType(r, "Practitioner"); err != nil {
		return Provider{}, err
	}
	root := r.Root()
	return Provider{
		ID: r.ID(), Name: nameOf(root), Location: placeOf(root), Active: root.String("active") != "false",
		Identifiers: identifiersOf(root), Updated: updatedOf(r),
	}, nil
}

// Resource makes a Practitioner. Where he works is an extension of it, as of a Patient, and no PractitionerRole: a record is one resource, so
// that one request reads, changes or finds it.
func (p Provider) Resource() (*Resource, error) {
	return build(struct {
		ResourceType string       `json:"resourceType"`
		ID           string       `json:"id,omitempty"`
		Extension    []extended   `json:"extension,omitempty"`
		Identifier   []Identifier `json:"identifier,omitempty"`
		Active       bool         `json:"active"`
		Name         []humanName  `json:"name,omitempty"`
	}{"Practitioner", p.ID, place(p.Location), p.Identifiers, p.Active, named(p.Name)})
}
