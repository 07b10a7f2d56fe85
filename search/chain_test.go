package search

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// TestChains shows what becomes of steps before a parameter.
func TestChains(t *testing.T) {
	c := newCatalog(t)
	for _, x := range []struct{ typ, query, want string }{
		{"Observation", "subject:Patient.gender=male", `Refers(subject to Patient: gender EQUAL "male|"…)`},
		{"Observation", "patient.gender=male", `Refers(subject to Patient: gender EQUAL "male|"…)`},
		{"Observation", "subject.gender=male", `Refers(subject to Patient: gender EQUAL "male|"…)`},
		{"Observation", "subject.identifier=u|a", `Or(Refers(subject to Device: identifier EQUAL "a|u|"), Refers(subject to Group: identifier EQUAL "a|u|"), ` +
			`Refers(subject to Location: identifier EQUAL "a|u|"), Refers(subject to Patient: identifier EQUAL "a|u|"))`},
		{"Observation", "subject:Patient.name:exact=Ann", `Refers(subject to Patient: name:exact EQUAL "Ann")`},
		{"Observation", "subject:Patient.gender:not=male", `Refers(subject to Patient: Not(gender EQUAL "male|"…))`},
		{"Observation", "subject:Patient.birthdate:missing=true", `Refers(subject to Patient: Not(birthdate EQUAL any))`},
		{"Observation", "subject:Patient._id=a,b", `Refers(subject to Patient: IDs(a, b))`},
		{"Observation", "subject:Patient._tag=x", `Refers(subject to Patient: _tag EQUAL "x|"…)`},
		{"Observation", "subject:Patient._profile=http://p", `Refers(subject to Patient: _profile IN ("http://p", "http://p|"…))`},
		{"Observation", "subject:Patient._lastUpdated=gt2024-01-01T00:00:00Z", `Refers(subject to Patient: _lastUpdated GTE 2024-01-01T00:00:01Z)`},
		{"Observation", "subject:Patient.general-practitioner:Practitioner=d", `Refers(subject to Patient: general-practitioner EQUAL "d|Practitioner")`},
		{"Observation", "encounter.service-provider.name=x", `Refers(encounter to Encounter: Refers(service-provider to Organization: name EQUAL "x"…))`},
		{"Observation", "patient.organization.partof.name:contains=x",
			`Refers(subject to Patient: Refers(organization to Organization: Refers(partof to Organization: name LIKE "x")))`},
		{"Encounter", "practitioner.family=x", `Refers(practitioner to Practitioner: Or(family EQUAL "x"…, family:part EQUAL "x"…))`},
		{"Patient", "_has:Observation:patient:code=x", `Referred(Observation.subject: code EQUAL "x|"…)`},
		{"Patient", "_has:Observation:patient:code=x,y&_has:Observation:patient:status=final",
			`And(Referred(Observation.subject: code IN ("x|"…, "y|"…)), Referred(Observation.subject: status EQUAL "final|"…))`},
		{"Patient", "_has:Observation:subject:code:not=x", `Referred(Observation.subject: Not(code EQUAL "x|"…))`},
		{"Patient", "_has:Observation:patient:date:missing=true", `Referred(Observation.subject: Not(date EQUAL any))`},
		{"Patient", "_has:Observation:patient:_has:AuditEvent:entity:type=t", `Referred(Observation.subject: Referred(AuditEvent.entity: type EQUAL "t|"…))`},
		{"Patient", "_has:Observation:patient:encounter.type=t", `Referred(Observation.subject: Or(Refers(encounter to Encounter: type EQUAL "t|"…), Refers(encounter to EpisodeOfCare: type EQUAL "t|"…)))`},
		{"Observation", "patient._has:Group:member:_id=g", `Refers(subject to Patient: Referred(Group.member: IDs(g)))`},
		{"Observation", "patient._has:Group:member:code=g", `Refers(subject to Patient: Referred(Group.member: code EQUAL "g|"…))`},
		{"Practitioner", "_has:Encounter:practitioner:status=planned", `Referred(Encounter.practitioner: status EQUAL "planned|"…)`},
		{"Device", "_has:Observation:patient:code=x", `error not-supported`},
		{"Observation", "_list=l", `Referred(List.item: IDs(l))`},
		{"Observation", "_list=l,List/m", `Referred(List.item: IDs(l, m))`},
		{"Observation", "patient._list=l", `Refers(subject to Patient: Referred(List.item: IDs(l)))`},
		{"Observation", "_list=$current-problems", `error not-supported`},
		{"Observation", "_list=a/b/c", `error value`},
		{"Observation", "_list=", `error value`},
		{"Observation", "_list:not=a", `error not-supported`},

		{"Observation", "subject.nmae=x", `error not-supported`},
		{"Observation", "subject:Patient.nmae=x", `error not-supported`},
		{"Observation", "sbject.name=x", `error not-supported`},
		{"Observation", "subject:Practitioner.name=x", `error not-supported`},
		{"Observation", "patient:Group.identifier=x", `error not-supported`},
		{"Observation", "subject:exact.name=x", `error not-supported`},
		{"Observation", "subject:Patient:Group.name=x", `error not-supported`},
		{"Observation", "subject:.name=x", `error not-supported`},
		{"Observation", "subject..name=x", `error not-supported`},
		{"Observation", "subject.=x", `error not-supported`},
		{"Observation", ".name=x", `error not-supported`},
		{"Observation", "code.name=x", `error not-supported`},
		{"Observation", "subject:Patient.birthdate=x", `error value`},
		{"Observation", "subject.birthdate=x", `error value`},
		{"QuestionnaireResponse", "questionnaire.title=x", `error not-supported`},
		{"Bundle", "composition.type=x", `error not-supported`},
		{"Patient", "_has:Observation:patient=x", `error not-supported`},
		{"Patient", "_has=x", `error not-supported`},
		{"Patient", "_has:=x", `error not-supported`},
		{"Patient", "_has:::=x", `error not-supported`},
		{"Patient", "_has:Nothing:patient:code=x", `error not-supported`},
		{"Patient", "_has:Observation:code:code=x", `error not-supported`},
		{"Patient", "_has:Observation:nobody:code=x", `error not-supported`},
		{"Patient", "_has:Observation:patient:nothing=x", `error not-supported`},
		{"Patient", "_has:Observation:patient:code:bogus=x", `error not-supported`},
		{"Patient", "_has:Observation:patient:date=x", `error value`},
		{"Organization", strings.Repeat("partof.", 8) + "name=x", strings.Repeat("Refers(partof to Organization: ", 8) + `name EQUAL "x"…` + strings.Repeat(")", 8)},
		{"Organization", strings.Repeat("partof.", 9) + "name=x", `error not-supported`},
		{"Organization", strings.Repeat("_has:Organization:partof:", 9) + "name=x", `error not-supported`},
		{"Provenance", "target" + strings.Repeat(".subject", 7) + ".identifier=x", `error not-supported`},
		{"Provenance", "target" + strings.Repeat(".subject", 7) + ".nothing=x", `error not-supported`},
	} {
		s, err := c.Parse(x.typ, query(x.query), ParseOptions{})
		got := ""
		if err == nil {
			got = c.Explain(x.typ, s.Where)
			if err := driver.Validate(s.Where); err != nil {
				t.Errorf("%s?%s: %v", x.typ, x.query, err)
			}
		} else {
			got = "error " + string(err.(*fhirmap.Outcome).Issues[0].Code)
		}
		if got != x.want {
			t.Errorf("%s?%s\n     %s\nwant %s", x.typ, x.query, got, x.want)
		}
	}
}

// TestChainErrors: each says what would be right.
func TestChainErrors(t *testing.T) {
	c := newCatalog(t)
	for _, x := range []struct{ typ, query, saying string }{
		{"Observation", "subject.nmae=x", "none of the types that subject of Observation refers to has such a parameter; they are Device, Group, Location, Patient, with"},
		{"Observation", "subject:Patient.nmae=x", `Patient has no search parameter "nmae"; known are _`},
		{"Observation", "subject:Practitioner.name=x", "subject of Observation does not refer to a Practitioner; it refers to Device, Group, Location, Patient"},
		{"Observation", "code.name=x", "code of Observation is a token and leads to no resource; these do: based-on, "},
		{"QuestionnaireResponse", "questionnaire.title=x", "holds canonical URLs or resources within the resource"},
		{"Organization", strings.Repeat("partof.", 9) + "name=x", "reaches through 9 resources; 8 are the most"},
		{"Device", "_has:Observation:patient:code=x", "patient of Observation does not refer to a Device; these do: device, focus, subject"},
		{"Provenance", "target" + strings.Repeat(".subject", 7) + ".identifier=x", "name them, as in subject:Patient.name"},
	} {
		_, err := c.Parse(x.typ, query(x.query), ParseOptions{})
		if err == nil || !strings.Contains(err.Error(), x.saying) {
			t.Errorf("%s?%s: %v\nwant %s", x.typ, x.query, err, x.saying)
		}
	}
}

// TestLenientChains: what some type on the way does not know is ignored, what is wrong is not.
func TestLenientChains(t *testing.T) {
	c := newCatalog(t)
	for name, ignored := range map[string]bool{
		"subject.nmae": true, "subject:Patient.nmae": true, "sbject.name": true, "_has:Observation:patient:nothing": true, "_has:Observation:nobody:code": true,
		"subject:Practitioner.name": false, "code.name": false, "subject:Patient.name:bogus": false, "_has:Nothing:patient:code": false,
	} {
		typ := "Observation"
		if strings.HasPrefix(name, "_has") {
			typ = "Patient"
		}
		s, err := c.Parse(typ, []Pair{{name, "x"}}, ParseOptions{Lenient: true})
		if ignored != (err == nil) || ignored && (len(s.Ignored) != 1 || s.Where != nil) {
			t.Errorf("%s: %v, want ignored %v", name, err, ignored)
		}
	}
}

// TestLookupBounds: what a short request multiplies to a great search is refused while it is read.
func TestLookupBounds(t *testing.T) {
	c := newCatalog(t)
	many := make([]Concept, 10_000)
	for i := range many {
		many[i] = Concept{"http://s", strconv.Itoa(i)}
	}
	terms := Terms{Codes: func(string) ([]Concept, *fhirmap.Outcome) { return many, nil }}
	for _, x := range []struct {
		types []string
		pair  Pair
	}{
		{[]string{"PlanDefinition"}, Pair{"depends-on", "a" + strings.Repeat(",a", 1999)}}, // an id of 145 types
		{[]string{"Observation"}, Pair{"code:in", "v" + strings.Repeat(",v", 99)}},
		{[]string{"Observation"}, Pair{"code:not-in", "v" + strings.Repeat(",v", 99)}},
		{[]string{"Observation"}, Pair{"focus.identifier:in", "v"}}, // of any type
		{fhirmap.ResourceTypes(), Pair{"_tag:in", "v"}},
	} {
		_, err := c.ParseTypes(x.types, []Pair{x.pair}, ParseOptions{Terms: terms, Lenient: true})
		var o *fhirmap.Outcome
		if !errors.As(err, &o) || o.Issues[0].Code != fhirmap.CodeTooLong || !strings.Contains(err.Error(), "500000 values") {
			t.Errorf("%s of %d types: %v", x.pair.Name, len(x.types), err)
		}
	}
	for range 3 { // each search has its own
		if _, err := c.Parse("Observation", []Pair{{"code:in", "v" + strings.Repeat(",v", 29)}}, ParseOptions{Terms: terms}); err != nil {
			t.Error(err)
		}
	}
}

func TestCompartments(t *testing.T) {
	c := newCatalog(t)
	for _, x := range []struct{ owner, typ, want string }{
		{"Patient", "Observation", `_patient EQUAL "1|Patient"`},
		{"Patient", "Patient", `_patient EQUAL "1|Patient"`},
		{"Encounter", "Observation", `encounter EQUAL "1|Encounter"`},
		{"Encounter", "Encounter", `IDs(1)`},
		{"Device", "Observation", `Or(device EQUAL "1|Device", subject EQUAL "1|Device")`},
		{"Practitioner", "Encounter", `Or(participant EQUAL "1|Practitioner", practitioner EQUAL "1|Practitioner")`},
		{"RelatedPerson", "RelatedPerson", `IDs(1)`},
		{"Patient", "Organization", ``},
		{"Organization", "Patient", ``},
	} {
		q, ok := c.Compartment(driver.Key{Type: x.owner, ID: "1"}, x.typ)
		got := ""
		if ok {
			got = c.Explain(x.typ, q)
		}
		if got != x.want {
			t.Errorf("%s in the compartment of %s: %s, want %s", x.typ, x.owner, got, x.want)
		}
	}
	for _, d := range r4.Compartments {
		for _, typ := range Members(d.Code) {
			if q, ok := c.Compartment(driver.Key{Type: d.Code, ID: "1"}, typ); !ok || driver.Validate(q) != nil {
				t.Errorf("%s in the compartment of %s: %v", typ, d.Code, q)
			} else if or, some := q.(driver.Or); some && len(or) == 0 {
				t.Errorf("nothing puts a %s into the compartment of a %s", typ, d.Code)
			}
		}
	}
}

// TestChainTerms: Terms that could not be read leave an Outcome without issues, which whoever bound them replaces: a chain hands it on.
func TestChainTerms(t *testing.T) {
	c := newCatalog(t)
	broken := func(Concept) ([]Concept, *fhirmap.Outcome) { return nil, &fhirmap.Outcome{} }
	terms := Terms{Codes: func(string) ([]Concept, *fhirmap.Outcome) { return nil, &fhirmap.Outcome{} }, Below: broken, Above: broken}
	for name, value := range map[string]string{"subject.identifier:in": "http://v", "subject.type:below": "s|c", "_filter": "subject.identifier in http://v"} {
		s, err := c.Parse("Observation", []Pair{{name, value}}, ParseOptions{Terms: terms})
		if err != nil || s.Where != nil {
			t.Errorf("%s: %v, want nothing", name, err)
		}
	}
}
