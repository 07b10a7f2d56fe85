package auth

import (
	"fmt"
	"strings"

	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage/driver"
)

// Path is one way by which a clinician comes to see a patient: a resource names both.
type Path struct {
	Type    string `yaml:"type"`    // of the resource; Patient: the patient's own record
	Patient string `yaml:"patient"` // the search parameter by which it names the patient; "" for Patient
	Names   string `yaml:"names"`   // the search parameter by which it names the clinician, or a PractitionerRole of his
	Where   string `yaml:"where"`   // a search that must hold for it too; "": none
}

// Treats are the paths of a Policy that names none: he is the patient's general practitioner, in a care team that is not over, or takes
// part in an encounter.
var Treats = []Path{
	{Type: "Patient", Names: "general-practitioner"},
	{Type: "CareTeam", Patient: "patient", Names: "participant", Where: "status:not=proposed,inactive,entered-in-error"},
	{Type: "Encounter", Patient: "patient", Names: "participant", Where: "status:not=cancelled,entered-in-error"},
}

// way is a Path made ready.
type way struct {
	Path
	patient []string // the fields of the parameters
	names   []string
	where   driver.Query
}

func ways(c *search.Catalog, paths []Path) ([]way, error) {
	if len(paths) == 0 {
		paths = Treats
	}
	var out []way
	for _, p := range paths {
		w := way{Path: p}
		var err error
		if w.names, err = fields(c, p.Type, p.Names); err != nil {
			return nil, err
		}
		if p.Type != "Patient" {
			if w.patient, err = fields(c, p.Type, p.Patient); err != nil {
				return nil, err
			}
		}
		if w.where, err = condition(c, p.Type, p.Where); err != nil {
			return nil, fmt.Errorf("the path by %s: %w", p.Type, err)
		}
		out = append(out, w)
	}
	return out, nil
}

// fields are those that a reference parameter reads.
func fields(c *search.Catalog, typ, code string) ([]string, error) {
	for _, p := range c.For(typ) {
		if p.Code == code && p.Type == "reference" {
			return p.Fields, nil
		}
	}
	return nil, fmt.Errorf("the path by %s: %q is no search parameter of it that is a reference", typ, code)
}

// treated holds for the patients of a clinician, who is a Practitioner or a PractitionerRole.
func treated(ways []way, user string) driver.Query {
	typ, id, _ := strings.Cut(user, "/")
	ref := driver.Key{Type: typ, ID: id}.Ref()
	var patients driver.Or
	for _, w := range ways {
		var named driver.Or
		for _, field := range w.names {
			named = append(named, equal(field, ref))
			if typ == "Practitioner" {
				named = append(named, driver.Refers{Field: field, Type: "PractitionerRole", Where: equal("practitioner", ref)})
			}
		}
		var q driver.Query = named
		if w.where != nil {
			q = driver.And{named, w.where}
		}
		if w.Type == "Patient" {
			patients = append(patients, q)
			continue
		}
		for _, field := range w.patient {
			patients = append(patients, driver.Referred{Type: w.Type, Field: field, Where: q})
		}
	}
	return patients
}

// related holds for the patient to whom a RelatedPerson relates, as long as that is said to be so.
func related(id string) driver.Query {
	active := driver.Not{Of: driver.Lookup{Field: "active", Op: driver.EQUAL, Values: []driver.Value{driver.Prefix([]byte("false\x00"))}}}
	return driver.Referred{Type: "RelatedPerson", Field: "patient", Where: driver.And{driver.IDs{id}, active}}
}
