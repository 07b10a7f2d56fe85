package auth

import (
	"slices"

	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage/driver"
)

// circle is the patients whose records somebody may see.
//
// What he may see of a type follows from it: what belongs to one of them. What he writes must belong to them alone, else he could, with
// one record that names a patient of his and one that is none, draw the other into his circle.
type circle struct {
	types    byType
	one      string       // the id of the only patient; "": where says which
	patients driver.Query // on Patient
	treats   []way        // by which a patient comes into it
}

// only is the circle of one patient.
func only(types byType, id string) *circle {
	return &circle{types: types, one: id, patients: driver.IDs{id}}
}

func (c *circle) ref() []byte { return driver.Key{Type: "Patient", ID: c.one}.Ref() }

// sees holds for the resources of a type that the circle may see; nil if there are none.
func (c *circle) sees(typ string) driver.Query {
	switch {
	case typ == "Binary":
		return driver.Or{c.given(), c.attached()}
	case typ == "Basic":
		return c.some()
	case typ == "Provenance":
		return c.targets()
	case c.types.of(typ) != compartment:
		return nil
	case slices.Contains(membersOnly, typ):
		return driver.And{c.some(), driver.Not{Of: c.others()}}
	case typ == "Patient" && c.one == "":
		return c.patients
	}
	return c.some()
}

// writes holds for the resources of a type that somebody of the circle may have written; nil if there are none.
func (c *circle) writes(typ string) driver.Query {
	var q driver.Query
	switch {
	case typ == "Binary":
		return c.given()
	case typ == "Provenance":
		return c.targets()
	case typ == "Patient":
		return c.patients
	case typ != "Basic" && c.types.of(typ) != compartment:
		return nil
	default:
		q = driver.And{c.some(), driver.Not{Of: c.others()}}
	}
	for _, w := range c.treats { // who names a patient that is not there yet, beside one of his, could see that one from the first day on
		if w.Type != typ {
			continue
		}
		for _, field := range w.patient {
			q = driver.And{q, driver.Or{driver.Not{Of: driver.Has(field)}, driver.Refers{Field: field, Type: "Patient", Where: c.patients}}}
		}
	}
	if slices.Contains(search.Attaching, typ) { // who attaches a Binary that he may not see could see it from then on
		q = driver.And{q, driver.Not{Of: driver.Refers{Field: search.BinaryField, Type: "Binary", Where: driver.Not{Of: c.sees("Binary")}}}}
	}
	return q
}

// some holds for what belongs to a patient of the circle.
func (c *circle) some() driver.Query {
	if c.one != "" {
		return equal(search.PatientField, c.ref())
	}
	return driver.Refers{Field: search.PatientField, Type: "Patient", Where: c.patients}
}

// others holds for what belongs to a patient beyond the circle.
func (c *circle) others() driver.Query {
	if c.one != "" {
		return driver.Or{
			driver.Lookup{Field: search.PatientField, Op: driver.LT, Values: []driver.Value{driver.Point(c.ref())}},
			driver.Lookup{Field: search.PatientField, Op: driver.GT, Values: []driver.Value{driver.Point(c.ref())}},
		}
	}
	return driver.Refers{Field: search.PatientField, Type: "Patient", Where: driver.Not{Of: c.patients}}
}

// given holds for a Binary whose securityContext is a patient of the circle, or a resource of one.
func (c *circle) given() driver.Query {
	q := driver.Or{c.some()}
	for _, typ := range c.types.list(compartment) {
		if typ != "Provenance" && typ != "Patient" {
			q = append(q, driver.Refers{Field: search.OwnerField, Type: typ, Where: c.sees(typ)})
		}
	}
	return q
}

// attached holds for a Binary without a securityContext to which a resource of the circle refers.
func (c *circle) attached() driver.Query {
	var by driver.Or
	for _, typ := range search.Attaching {
		by = append(by, driver.Referred{Type: typ, Field: search.BinaryField, Where: c.sees(typ)})
	}
	return driver.And{driver.Not{Of: driver.Has(search.PatientField)}, driver.Not{Of: driver.Has(search.OwnerField)}, by}
}

// targets holds for a Provenance that is about something of the circle, and about nothing beyond it.
func (c *circle) targets() driver.Query {
	var some driver.Or
	var foreign driver.Or
	for _, typ := range c.types.list(compartment) {
		if typ == "Provenance" {
			continue
		}
		some = append(some, driver.Refers{Field: "target", Type: typ, Where: c.sees(typ)})
		foreign = append(foreign, driver.Refers{Field: "target", Type: typ, Where: driver.Not{Of: c.sees(typ)}})
	}
	return driver.And{some, driver.Not{Of: foreign}}
}

func equal(field string, b []byte) driver.Query {
	return driver.Lookup{Field: field, Op: driver.EQUAL, Values: []driver.Value{driver.Point(b)}}
}
