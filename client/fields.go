package client

import (
	"fmt"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
)

// field is one field of a flat record: where it stands in FHIR.
type field[T any] struct {
	param  string                             // the search parameter that finds it, and the field of $filter
	kind   kind                               // how plain searches ask for it
	values map[string]string                  // its values in FHIR; nil: the same
	get    func(T) string                     // "" if it has no value
	set    func(map[string]any, string) error // nil: it is the server's
}

// kind is how plain searches ask for a field.
type kind uint8

const (
	text   kind = iota // :exact and :contains
	code               // as a token
	moment             // with prefixes
	number             // an id
)

// patients are the fields of a patient: the names are those of the records that such applications have.
var patients = mapping[Patient]{
	typ: "Patient", missing: ErrPatientDoesNotExist,
	of: func(r *fhirmap.Resource) (Patient, error) {
		p, err := fhirmap.PatientOf(r)
		return Patient{Patient: p}, err
	},
	resource: func(p Patient) (*fhirmap.Resource, error) { return p.Resource() },
	created:  func(p *Patient) *time.Time { return &p.Created },
	id:       func(p Patient) string { return p.ID },
	fields: map[string]field[Patient]{
		"id":           {param: "_id", kind: number, get: func(p Patient) string { return p.ID }},
		"name":         {param: "name", get: func(p Patient) string { return p.Name }, set: setName},
		"sex":          {param: "gender", kind: code, values: map[string]string{"M": "male", "F": "female"}, get: func(p Patient) string { return p.Sex }, set: coded("gender", map[string]string{"M": "male", "F": "female"})},
		"birth_date":   {param: "birthdate", kind: moment, get: func(p Patient) string { return p.BirthDate }, set: plain("birthDate")},
		"death_date":   {param: "death-date", kind: moment, get: func(p Patient) string { return p.DeathDate }, set: setDeath},
		"location":     {param: "place", get: func(p Patient) string { return p.Location }, set: setPlace},
		"status":       {param: "active", kind: code, values: statuses, get: func(p Patient) string { return statusOf(p.Active) }, set: setStatus},
		"created_date": {param: "_created", kind: moment, get: func(p Patient) string { return stamp(p.Created) }},
		"updated_date": {param: "_lastUpdated", kind: moment, get: func(p Patient) string { return stamp(p.Updated) }},
	},
}

var providers = mapping[Provider]{
	typ: "Practitioner", missing: ErrProviderDoesNotExist,
	of: func(r *fhirmap.Resource) (Provider, error) {
		p, err := fhirmap.ProviderOf(r)
		return Provider{Provider: p}, err
	},
	resource: func(p Provider) (*fhirmap.Resource, error) { return p.Resource() },
	created:  func(p *Provider) *time.Time { return &p.Created },
	id:       func(p Provider) string { return p.ID },
	fields: map[string]field[Provider]{
		"id":           {param: "_id", kind: number, get: func(p Provider) string { return p.ID }},
		"name":         {param: "name", get: func(p Provider) string { return p.Name }, set: setName},
		"location":     {param: "place", get: func(p Provider) string { return p.Location }, set: setPlace},
		"status":       {param: "active", kind: code, values: statuses, get: func(p Provider) string { return statusOf(p.Active) }, set: setStatus},
		"created_date": {param: "_created", kind: moment, get: func(p Provider) string { return stamp(p.Created) }},
		"updated_date": {param: "_lastUpdated", kind: moment, get: func(p Provider) string { return stamp(p.Updated) }},
	},
}

var statuses = map[string]string{"A": "true", "I": "false"}

func statusOf(active bool) string {
	if active {
		return "A"
	}
	return "I"
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// plain sets a member of the resource.
func plain(member string) func(map[string]any, string) error {
	return func(body map[string]any, value string) error {
		delete(body, "_"+member)
		if body[member] = value; value == "" {
			delete(body, member)
		}
		return nil
	}
}

// coded sets a member to what a value stands for.
func coded(member string, codes map[string]string) func(map[string]any, string) error {
	return func(body map[string]any, value string) error {
		c, ok := codes[value]
		if !ok && value != "" {
			return fmt.Errorf("%q is no value of it", value)
		}
		return plain(member)(body, c)
	}
}

func setStatus(body map[string]any, value string) error {
	if statuses[value] == "" {
		return fmt.Errorf("status %q is neither A nor I", value)
	}
	body["active"] = value == "A"
	return nil
}

// setName sets the text of the first name. What it was made up of before is not its parts any more.
func setName(body map[string]any, value string) error {
	if value == "" {
		return fmt.Errorf("a name is required")
	}
	list, _ := body["name"].([]any)
	rest := []any{}
	if len(list) > 1 {
		rest = list[1:]
	}
	body["name"] = append([]any{map[string]any{"text": value}}, rest...)
	return nil
}

func setDeath(body map[string]any, value string) error {
	delete(body, "deceasedBoolean")
	return plain("deceasedDateTime")(body, value)
}

func setPlace(body map[string]any, value string) error {
	list, _ := body["extension"].([]any)
	var left []any
	for _, v := range list {
		if m, _ := v.(map[string]any); m["url"] != fhirmap.PlaceURL {
			left = append(left, v)
		}
	}
	if value != "" {
		left = append(left, map[string]any{"url": fhirmap.PlaceURL, "valueReference": map[string]any{"type": "Location", "display": value}})
	}
	if body["extension"] = left; len(left) == 0 {
		delete(body, "extension")
	}
	return nil
}
