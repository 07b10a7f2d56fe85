package server_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage"
)

// The searches that US Core 6.1.0 asks for (hl7.org/fhir/us/core/STU6.1/CapabilityStatement-us-core-server.html), on data of our own in that
// shape. What a resource was made of is kept beside it as facts, and what a search must find is read from the facts alone: they share
// nothing with the index.

// usCoreOwn are the search parameters that US Core has beside those of R4.
var usCoreOwn = []r4.SearchParameter{
	{Code: "role", Type: "token", Base: []string{"CareTeam"}, Expression: "CareTeam.participant.role"},
	{Code: "asserted-date", Type: "date", Base: []string{"Condition"},
		Expression: "Condition.extension.where(url = 'http://hl7.org/fhir/StructureDefinition/condition-assertedDate').valueDateTime"},
	{Code: "discharge-disposition", Type: "token", Base: []string{"Encounter"}, Expression: "Encounter.hospitalization.dischargeDisposition"},
	{Code: "description", Type: "token", Base: []string{"Goal"}, Expression: "Goal.description"},
}

// usCoreRow is one row of the table: a profile, the searches it must and should have, and what is asked of them.
type usCoreRow struct {
	profile     string
	typ         string
	must        string // searches apart by blanks, the parameters of each by +
	should      string
	comparators string // dates that take gt, lt, ge and le
	or          string // parameters that take several values
	include     string
	provenance  bool // _revinclude=Provenance:target
}

func usCoreRows() []usCoreRow {
	rows := []usCoreRow{
		{"allergyintolerance", "AllergyIntolerance", "patient", "patient+clinical-status", "", "", "", true},
		{"careplan", "CarePlan", "patient+category", "patient+category+status patient+category+status+date patient+category+date", "date", "status", "", true},
		{"careteam", "CareTeam", "patient+status", "role patient+role", "", "",
			"CareTeam:participant:PractitionerRole CareTeam:participant:Practitioner CareTeam:participant:Patient CareTeam:participant:RelatedPerson", true},
		{"coverage", "Coverage", "patient", "", "", "", "", true},
		{"implantable_device", "Device", "patient", "patient+type patient+status", "", "status", "", true},
		{"documentreference", "DocumentReference", "patient _id patient+type patient+category+date patient+category", "patient+status patient+type+period", "period date", "status", "", true},
		{"encounter", "Encounter", "patient _id date+patient", "identifier patient+type class+patient patient+status patient+location patient+discharge-disposition", "date", "", "", true},
		{"goal", "Goal", "patient", "patient+target-date patient+description patient+lifecycle-status", "target-date", "", "", true},
		{"immunization", "Immunization", "patient", "patient+date patient+status", "date", "", "", true},
		{"location", "Location", "name address", "address-city address-state address-postalcode", "", "", "", false},
		{"medicationdispense", "MedicationDispense", "patient", "patient+status+type patient+status", "", "status type", "MedicationDispense:medication", true},
		{"medicationrequest", "MedicationRequest", "patient+intent patient+intent+status", "patient+intent+encounter patient+intent+authoredon", "authoredon", "intent status", "MedicationRequest:medication", true},
		{"organization", "Organization", "name address", "", "", "", "", false},
		{"patient", "Patient", "_id identifier name birthdate+name gender+name", "birthdate+family family+gender death-date+family", "", "", "", true},
		{"practitioner", "Practitioner", "name identifier", "_id", "", "", "", false},
		{"practitionerrole", "PractitionerRole", "specialty practitioner", "", "", "", "PractitionerRole:endpoint PractitionerRole:practitioner", false},
		{"procedure", "Procedure", "patient patient+date", "patient+code+date patient+status", "date", "status", "", true},
		{"questionnaireresponse", "QuestionnaireResponse", "patient _id", "patient+questionnaire patient+authored patient+status", "authored", "status", "", true},
		{"relatedperson", "RelatedPerson", "_id", "patient name patient+name", "", "", "", true},
		{"servicerequest", "ServiceRequest", "patient _id patient+category+authored patient+category patient+code", "patient+status patient+code+authored", "authored", "status", "", true},
		{"specimen", "Specimen", "_id", "patient", "", "", "", false},
	}
	for _, p := range []string{"encounter_diagnosis", "problems_health_concerns"} {
		rows = append(rows, usCoreRow{"condition_" + p, "Condition", "patient+category patient",
			"patient+recorded-date patient+asserted-date patient+category+clinical-status patient+onset-date patient+abatement-date patient+clinical-status patient+category+encounter patient+code",
			"recorded-date asserted-date onset-date abatement-date", "", "", true})
	}
	for _, p := range []string{"note", "lab"} {
		rows = append(rows, usCoreRow{"diagnosticreport_" + p, "DiagnosticReport", "patient+category patient patient+category+date patient+code", "patient+code+date patient+status", "date", "status", "", true})
	}
	for _, p := range strings.Fields("observation_lab observation_pregnancystatus observation_pregnancyintent observation_occupation respiratory_rate simple_observation heart_rate " +
		"body_temperature pediatric_weight_for_height pulse_oximetry smokingstatus observation_sexual_orientation head_circumference body_height bmi observation_screening_assessment " +
		"blood_pressure observation_clinical_result pediatric_bmi_for_age head_occipital_frontal_circumference_percentile body_weight") {
		rows = append(rows, usCoreRow{p, "Observation", "patient+category patient+category+date patient+code", "patient+code+date patient+category+status", "date", "status", "", true})
	}
	return rows
}

// fact is what a search may know of one value.
type fact struct {
	system, code string
	text         string
	ref          string // Type/id
	from, to     time.Time
	at           string // a date as it is written
}

// value is one way to fill an element: its JSON, and what that says, by parameter.
type value struct {
	json  string
	facts map[string][]fact
}

func coding(param, system, code string) value {
	return value{fmt.Sprintf(`{"system":"%s","code":"%s"}`, system, code), map[string][]fact{param: {{system: system, code: code}}}}
}

func code(param, code string) value {
	return value{`"` + code + `"`, map[string][]fact{param: {{code: code}}}}
}

func ref(param, to string) value {
	return value{`{"reference":"` + to + `"}`, map[string][]fact{param: {{ref: to}}}}
}

func day(param, at string) value {
	from, to := covers(at)
	return value{`"` + at + `"`, map[string][]fact{param: {{from: from, to: to, at: at}}}}
}

// period is a Period; an end that is "" is open.
func period(param, start, end string) value {
	from, _ := covers(start)
	f := fact{from: from, to: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), at: start}
	json := `{"start":"` + start + `"`
	if end != "" {
		_, f.to = covers(end)
		json += `,"end":"` + end + `"`
	}
	return value{json + "}", map[string][]fact{param: {f}}}
}

// covers is the time that a date covers.
func covers(at string) (from, to time.Time) {
	if t, err := time.Parse(time.RFC3339, at); err == nil {
		return t, t.Add(time.Second)
	}
	for form, next := range map[string][3]int{"2006": {1, 0, 0}, "2006-01": {0, 1, 0}, "2006-01-02": {0, 0, 1}} {
		if t, err := time.Parse(form, at); err == nil {
			return t, t.AddDate(next[0], next[1], next[2])
		}
	}
	panic(at)
}

func texts(json string, params string, all ...string) value {
	v := value{json, map[string][]fact{}}
	for _, p := range strings.Fields(params) {
		for _, t := range all {
			v.facts[p] = append(v.facts[p], fact{text: t})
		}
	}
	return v
}

// human is a HumanName.
func human(family, given string) value {
	v := texts(`{"family":"`+family+`","given":["`+given+`"]}`, "name", family, given)
	v.facts["family"] = []fact{{text: family}}
	return v
}

func identifier(value_ string) value {
	return value{`{"system":"http://hob.example/mrn","value":"` + value_ + `"}`, map[string][]fact{"identifier": {{system: "http://hob.example/mrn", code: value_}}}}
}

func address(line, city, state, postal string) value {
	v := texts(fmt.Sprintf(`{"line":["%s"],"city":"%s","state":"%s","postalCode":"%s"}`, line, city, state, postal), "address", line, city, state, postal)
	v.facts["address-city"], v.facts["address-state"], v.facts["address-postalcode"] = []fact{{text: city}}, []fact{{text: state}}, []fact{{text: postal}}
	return v
}

// element is a part of a resource: a template for the JSON of one of the values. One that may be absent is so now and then.
type element struct {
	template string
	absent   bool
	values   []value
}

const hl7Codes = "http://terminology.hl7.org/CodeSystem/"

// shapes are the resources by type: fixed parts, and elements that vary.
func usCoreShapes() map[string][]element {
	of := func(template string, values ...value) element { return element{template, false, values} }
	perhaps := func(template string, values ...value) element { return element{template, true, values} }
	fixed := func(json string) element { return element{"%s", false, []value{{json: json}}} }
	subject := func(name string) element {
		return of(`"`+name+`":%s`, ref("patient", "Patient/patient-0"), ref("patient", "Patient/patient-1"), ref("patient", "Patient/patient-2"))
	}
	codes := func(param string, all ...string) (out []value) {
		for _, c := range all {
			out = append(out, code(param, c))
		}
		return out
	}
	codings := func(param, system string, all ...string) (out []value) {
		for _, c := range all {
			out = append(out, coding(param, system, c))
		}
		return out
	}
	days := func(param string) []value {
		return []value{day(param, "2024-02-28"), day(param, "2024-02-28T23:30:00-05:00"), day(param, "2024-03"), day(param, "2024-02-29T09:00:00Z"), day(param, "2023"), day(param, "2024-03-01T00:00:00+02:00")}
	}
	plain := func(param string) []value {
		return []value{day(param, "2024-02-28"), day(param, "2024-02-29"), day(param, "2024-03-01"), day(param, "2023-06-30")}
	}
	periods := func(param string) []value {
		return []value{period(param, "2024-02-27", "2024-02-29"), period(param, "2024-02-28T10:00:00Z", "2024-02-28T11:00:00Z"), period(param, "2024-03-01", ""), period(param, "2023-01", "2023-12")}
	}
	loinc := "http://loinc.org"
	snomed := "http://snomed.info/sct"
	encounters := []value{ref("encounter", "Encounter/encounter-0"), ref("encounter", "Encounter/encounter-1")}
	medications := []value{
		{`"medicationReference":{"reference":"Medication/medication-0"}`, map[string][]fact{"medication": {{ref: "Medication/medication-0"}}}},
		{`"medicationReference":{"reference":"Medication/medication-1"}`, map[string][]fact{"medication": {{ref: "Medication/medication-1"}}}},
		{json: `"medicationCodeableConcept":{"text":"aspirin"}`},
	}
	condition := []element{subject("subject"), of(`"clinicalStatus":{"coding":[%s]}`, codings("clinical-status", hl7Codes+"condition-clinical", "active", "resolved", "inactive")...),
		of(`"category":[{"coding":[%s]}]`, codings("category", hl7Codes+"condition-category", "problem-list-item", "encounter-diagnosis", "health-concern")...),
		of(`"code":{"coding":[%s]}`, codings("code", snomed, "38341003", "44054006", "195967001")...), perhaps(`"encounter":%s`, encounters...),
		perhaps(`"onsetDateTime":%s`, days("onset-date")...), perhaps(`"recordedDate":%s`, days("recorded-date")...), perhaps(`"abatementDateTime":%s`, plain("abatement-date")...),
		perhaps(`"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/condition-assertedDate","valueDateTime":%s}]`, days("asserted-date")...)}
	report := []element{subject("subject"), of(`"status":%s`, codes("status", "final", "amended", "preliminary")...),
		of(`"category":[{"coding":[%s]}]`, append(codings("category", hl7Codes+"v2-0074", "LAB"), codings("category", loinc, "LP29684-5", "LP29708-2", "LP7839-6")...)...),
		of(`"code":{"coding":[%s]}`, codings("code", loinc, "58410-2", "24323-8", "34117-2")...), perhaps(`"effectiveDateTime":%s`, days("date")...)}
	return map[string][]element{
		"Patient": {of(`"name":[%s]`, human("Shaw", "Amy"), human("Shawcross", "Bill"), human("Óx", "Ámy")), of(`"identifier":[%s]`, identifier("A-1"), identifier("A-2"), identifier("b,3"), identifier("B4")),
			of(`"gender":%s`, codes("gender", "female", "male")...), of(`"birthDate":%s`, plain("birthdate")...), perhaps(`"deceasedDateTime":%s`, days("death-date")...)},
		"AllergyIntolerance": {subject("patient"), of(`"clinicalStatus":{"coding":[%s]}`, codings("clinical-status", hl7Codes+"allergyintolerance-clinical", "active", "inactive", "resolved")...)},
		"CarePlan": {fixed(`"intent":"plan"`), subject("subject"), of(`"status":%s`, codes("status", "active", "completed", "draft")...),
			of(`"category":[{"coding":[%s]}]`, append(codings("category", "http://hl7.org/fhir/us/core/CodeSystem/careplan-category", "assess-plan"), coding("category", snomed, "734163000"))...), perhaps(`"period":%s`, periods("date")...)},
		"CareTeam":         {subject("subject"), of(`"status":%s`, codes("status", "active", "inactive", "proposed")...), of(`"participant":[%s]`, participants(snomed)...)},
		"Condition":        condition,
		"Coverage":         {fixed(`"status":"active","payor":[{"reference":"Organization/organization-0"}]`), subject("beneficiary")},
		"Device":           {subject("patient"), of(`"type":{"coding":[%s]}`, codings("type", snomed, "14106009", "72506001")...), perhaps(`"status":%s`, codes("status", "active", "inactive", "unknown")...)},
		"DiagnosticReport": report,
		"DocumentReference": {fixed(`"content":[{"attachment":{"contentType":"text/plain","data":"aGk="}}]`), subject("subject"), of(`"status":%s`, codes("status", "current", "superseded")...),
			of(`"type":{"coding":[%s]}`, codings("type", loinc, "11488-4", "18842-5", "34117-2")...), of(`"category":[{"coding":[%s]}]`, codings("category", "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category", "clinical-note", "imaging")...),
			perhaps(`"date":%s`, day("date", "2024-02-28T23:30:00-05:00"), day("date", "2024-02-29T09:00:00Z"), day("date", "2023-01-01T00:00:00Z")), perhaps(`"context":{"period":%s}`, periods("period")...)},
		"Encounter": {subject("subject"), of(`"status":%s`, codes("status", "finished", "in-progress", "planned")...), of(`"class":%s`, codings("class", hl7Codes+"v3-ActCode", "AMB", "IMP", "EMER")...),
			of(`"type":[{"coding":[%s]}]`, codings("type", snomed, "185349003", "50849002")...), perhaps(`"period":%s`, periods("date")...), perhaps(`"identifier":[%s]`, identifier("V-1"), identifier("V-2")),
			perhaps(`"location":[{"location":%s}]`, ref("location", "Location/location-0"), ref("location", "Location/location-1")),
			perhaps(`"hospitalization":{"dischargeDisposition":{"coding":[%s]}}`, codings("discharge-disposition", hl7Codes+"discharge-disposition", "home", "snf")...)},
		"Goal": {subject("subject"), of(`"lifecycleStatus":%s`, codes("lifecycle-status", "active", "proposed", "completed")...), of(`"description":{"coding":[%s]}`, codings("description", snomed, "281004000", "289169006")...),
			perhaps(`"target":[{"dueDate":%s}]`, plain("target-date")...)},
		"Immunization": {fixed(`"vaccineCode":{"text":"flu"}`), subject("patient"), of(`"status":%s`, codes("status", "completed", "not-done")...), of(`"occurrenceDateTime":%s`, days("date")...)},
		"Location": {of(`"name":%s`, texts(`"West Ward"`, "name", "West Ward"), texts(`"Western Clinic"`, "name", "Western Clinic"), texts(`"East"`, "name", "East")),
			of(`"address":%s`, address("1 Main Street", "Springfield", "IL", "62701"), address("2 Elm", "Springdale", "OH", "45246"))},
		"Medication": {fixed(`"code":{"text":"aspirin"}`)},
		"MedicationDispense": {subject("subject"), of(`"status":%s`, codes("status", "completed", "in-progress", "declined")...), of(`%s`, medications...),
			of(`"type":{"coding":[%s]}`, codings("type", hl7Codes+"v3-ActCode", "FF", "RF", "DF")...)},
		"MedicationRequest": {subject("subject"), of(`"status":%s`, codes("status", "active", "completed", "stopped", "on-hold")...), of(`"intent":%s`, codes("intent", "order", "plan", "proposal", "reflex-order")...), of(`%s`, medications...),
			perhaps(`"encounter":%s`, encounters...), perhaps(`"authoredOn":%s`, days("authoredon")...)},
		"Observation": {subject("subject"), of(`"status":%s`, codes("status", "final", "amended", "preliminary")...),
			of(`"category":[{"coding":[%s]}]`, append(codings("category", hl7Codes+"observation-category", "laboratory", "vital-signs", "social-history", "survey"), coding("category", "http://hl7.org/fhir/us/core/CodeSystem/us-core-category", "sdoh"))...),
			of(`"code":{"coding":[%s]}`, codings("code", loinc, "8867-4", "9279-1", "8310-5", "2708-6", "72166-2", "82810-3", "39156-5", "8302-2", "29463-7")...), perhaps(`"effectiveDateTime":%s`, days("date")...)},
		"Organization": {of(`"name":%s`, texts(`"Acme Health"`, "name", "Acme Health"), texts(`"Acme Labs"`, "name", "Acme Labs"), texts(`"Zenith"`, "name", "Zenith")),
			of(`"address":[%s]`, address("1 Main Street", "Springfield", "IL", "62701"), address("9 Oak", "Dayton", "OH", "45246"))},
		"Practitioner": {of(`"name":[%s]`, human("Brone", "Ronald"), human("Brown", "Rona"), human("Carlson", "John")), of(`"identifier":[%s]`, identifier("N1"), identifier("N2"), identifier("N3"))},
		"PractitionerRole": {of(`"specialty":[{"coding":[%s]}]`, codings("specialty", "http://nucc.org/provider-taxonomy", "208D00000X", "207Q00000X")...),
			of(`"practitioner":%s`, ref("practitioner", "Practitioner/practitioner-0"), ref("practitioner", "Practitioner/practitioner-1")), perhaps(`"endpoint":[%s]`, ref("endpoint", "Endpoint/endpoint-0"))},
		"Procedure": {subject("subject"), of(`"status":%s`, codes("status", "completed", "in-progress", "not-done")...), of(`"code":{"coding":[%s]}`, codings("code", snomed, "35637008", "80146002")...), perhaps(`"performedDateTime":%s`, days("date")...)},
		"QuestionnaireResponse": {subject("subject"), of(`"status":%s`, codes("status", "completed", "amended", "in-progress")...), perhaps(`"authored":%s`, days("authored")...),
			of(`"questionnaire":%s`, value{`"http://hob.example/q/1"`, map[string][]fact{"questionnaire": {{ref: "http://hob.example/q/1"}}}}, value{`"http://hob.example/q/2"`, map[string][]fact{"questionnaire": {{ref: "http://hob.example/q/2"}}}})},
		"RelatedPerson": {subject("patient"), of(`"name":[%s]`, human("Brone", "Cece"), human("Shaw", "Dana"))},
		"ServiceRequest": {fixed(`"intent":"order"`), subject("subject"), of(`"status":%s`, codes("status", "active", "completed", "draft")...), of(`"category":[{"coding":[%s]}]`, codings("category", snomed, "108252007", "386053000")...),
			of(`"code":{"coding":[%s]}`, codings("code", loinc, "24357-6", "58410-2")...), perhaps(`"authoredOn":%s`, days("authored")...)},
		"Specimen": {subject("subject")},
		"Endpoint": {fixed(`"status":"active","connectionType":{"code":"x"},"payloadType":[{"text":"x"}],"address":"http://x"`)},
	}
}

// participants are those of a care team, with their roles.
func participants(system string) (out []value) {
	for i, member := range []string{"Practitioner/practitioner-0", "PractitionerRole/practitionerrole-0", "Patient/patient-1", "RelatedPerson/relatedperson-0", "Practitioner/practitioner-1"} {
		role := []string{"446050000", "223366009", "116154003"}[i%3]
		out = append(out, value{fmt.Sprintf(`{"role":[{"coding":[{"system":"%s","code":"%s"}]}],"member":{"reference":"%s"}}`, system, role, member),
			map[string][]fact{"role": {{system: system, code: role}}, "participant": {{ref: member}}}})
	}
	return out
}

// kept is a stored resource with its facts.
type kept struct {
	id    string
	facts map[string][]fact
}

// clinic is a server with data in the shape of US Core.
type clinic struct {
	*fixture
	rnd  *rand.Rand
	all  map[string][]kept
	prov map[string]string // Provenance by its target
}

func newClinic(t *testing.T) *clinic {
	params, err := search.NewCatalog(r4.SearchParameters, search.Options{Zone: time.UTC, Base: "http://hob.test/fhir"})
	if err != nil {
		t.Fatal(err)
	}
	var own []search.Custom
	for i, p := range usCoreOwn {
		p.Name, p.URL = p.Code, "http://hl7.org/fhir/us/core/SearchParameter/us-core-"+strings.ToLower(p.Base[0])+"-"+p.Code
		own = append(own, search.Custom{SearchParameter: p, ID: fmt.Sprint(i)})
	}
	for i, s := range params.Replace(own) {
		own[i].Indexed = s.Mark // nothing is stored yet
	}
	for i, s := range params.Replace(own) {
		if !s.Ready {
			t.Fatalf("%s is not ready: %+v", own[i].Code, s)
		}
	}
	b := backend(t)
	f := openOn(t, b, func(c *server.Config) {
		if c.Store, err = storage.New(storage.Config{Backend: b, Index: params.Rows}); err != nil {
			t.Fatal(err)
		}
		c.Catalog = params
	})
	c := &clinic{f, seedOf(t), map[string][]kept{}, map[string]string{}}
	const each = 24
	var entries []string
	shapes := usCoreShapes()
	for _, typ := range slices.Sorted(maps.Keys(shapes)) {
		shape := shapes[typ]
		for i := range each {
			id := strings.ToLower(typ) + fmt.Sprintf("-%d", i)
			k := kept{id, map[string][]fact{"_id": {{code: id}}}}
			body := []string{`"resourceType":"` + typ + `"`, `"id":"` + id + `"`}
			for _, e := range shape {
				if e.absent && c.rnd.IntN(4) == 0 {
					continue
				}
				v := e.values[c.rnd.IntN(len(e.values))]
				body = append(body, strings.Replace(e.template, "%s", v.json, 1))
				for param, facts := range v.facts {
					k.facts[param] = facts
				}
			}
			c.all[typ] = append(c.all[typ], k)
			entries = append(entries, ask("", "{"+strings.Join(body, ",")+"}", "PUT", typ+"/"+id))
			if i%2 == 0 {
				at := fmt.Sprintf("prov-%d", len(entries))
				c.prov[typ+"/"+id] = at
				entries = append(entries, ask("", `{"resourceType":"Provenance","id":"`+at+`","target":[{"reference":"`+typ+"/"+id+`"}],"recorded":"2024-03-01T00:00:00Z","agent":[{"who":{"display":"x"}}]}`, "PUT", "Provenance/"+at))
			}
		}
	}
	c.do("POST", "/fhir", transaction(entries...)).is(200)
	return c
}

// clause is a parameter of a search, and what it asks of a fact.
type clause struct {
	name, value string
	holds       func(fact) bool
}

// clauses are the ways of asking for a fact by a parameter.
func (c *clinic) clauses(row usCoreRow, param string, f fact) []clause {
	has := func(list string) bool { return slices.Contains(strings.Fields(list), param) }
	is := func(code, system string) func(fact) bool {
		return func(g fact) bool { return strings.EqualFold(g.code, code) && (system == "" || g.system == system) }
	}
	escaped := strings.NewReplacer(",", `\,`, "|", `\|`)
	var out []clause
	switch {
	case f.ref != "":
		same := func(g fact) bool { return g.ref == f.ref }
		out = append(out, clause{param, f.ref, same})
		if typ, id, _ := strings.Cut(f.ref, "/"); !strings.Contains(f.ref, ":") {
			out = append(out, clause{param, id, same}, clause{param, "http://hob.test/fhir/" + f.ref, same})
			if param == "patient" {
				out = append(out, clause{param + ":" + typ, id, same})
			}
		}
	case f.at != "":
		from, to := covers(f.at) // of a Period the start
		eq := func(g fact) bool { return !g.from.Before(from) && !g.to.After(to) }
		out = append(out, clause{param, f.at, eq})
		if !has(row.comparators) {
			return out
		}
		zone := time.FixedZone("", -5*3600)
		for _, at := range []time.Time{f.from.AddDate(0, 0, -1), f.from, f.from.AddDate(0, 0, 1)} {
			a := at.In(zone).Truncate(time.Second)
			b := a.Add(time.Second)
			text := a.Format(time.RFC3339)
			within := func(g fact) bool { return !g.from.Before(a) && !g.to.After(b) }
			out = append(out,
				clause{param, "gt" + text, func(g fact) bool { return g.to.After(b) }},
				clause{param, "lt" + text, func(g fact) bool { return g.from.Before(a) }},
				clause{param, "ge" + text, func(g fact) bool { return g.to.After(b) || within(g) }},
				clause{param, "le" + text, func(g fact) bool { return g.from.Before(a) || within(g) }})
		}
		// Of a part of a date only what is wholly after it is greater.
		month := f.from.Format("2006-01")
		_, after := covers(month)
		out = append(out, clause{param, "gt" + month, func(g fact) bool { return g.to.After(after) }})
	case f.text != "":
		begin := strings.ToLower(plainLetters(f.text))
		begin = begin[:min(3, len(begin))]
		starts := func(g fact) bool { return strings.HasPrefix(strings.ToLower(plainLetters(g.text)), begin) }
		out = append(out, clause{param, begin, starts}, clause{param, strings.ToUpper(begin), starts})
		out = append(out, clause{param + ":exact", f.text, func(g fact) bool { return g.text == f.text }})
	case f.code != "":
		if param == "_id" {
			return []clause{{param, f.code, func(g fact) bool { return g.code == f.code }}}
		}
		out = append(out, clause{param, escaped.Replace(f.code), is(f.code, "")}, clause{param, strings.ToUpper(escaped.Replace(f.code)), is(f.code, "")})
		if f.system != "" {
			out = append(out, clause{param, escaped.Replace(f.system) + "|" + escaped.Replace(f.code), is(f.code, f.system)})
		}
		if has(row.or) {
			var all []string
			for _, k := range c.all[row.typ] {
				for _, g := range k.facts[param] {
					if !slices.Contains(all, g.code) {
						all = append(all, g.code)
					}
				}
			}
			out = append(out, clause{param, strings.Join(all, ","), func(g fact) bool { return slices.Contains(all, g.code) }},
				clause{param, f.code + "," + all[0], func(g fact) bool { return g.code == f.code || g.code == all[0] }})
		}
	}
	return out
}

func plainLetters(s string) string { return strings.NewReplacer("Ó", "O", "Á", "A").Replace(s) }

// find says what some clauses find.
func (c *clinic) find(typ string, clauses []clause) []string {
	out := []string{}
	for _, k := range c.all[typ] {
		if !slices.ContainsFunc(clauses, func(cl clause) bool {
			param, _, _ := strings.Cut(cl.name, ":")
			return !slices.ContainsFunc(k.facts[param], cl.holds)
		}) {
			out = append(out, k.id)
		}
	}
	slices.Sort(out)
	return out
}

// ask follows a search that finds so many through at most 20 pages, and asks the same by POST; it returns the ids that match and what is included, sorted.
func (c *clinic) ask(typ string, query url.Values, n int) (found, with []string) {
	c.Helper()
	read := func(p page) {
		for _, e := range p.Entry {
			if e.Search.Mode == "match" {
				found = append(found, e.Resource.ID)
			} else if key := strings.TrimPrefix(e.FullURL, "http://hob.test/fhir/"); !slices.Contains(with, key) {
				with = append(with, key)
			}
		}
	}
	p := c.do("GET", fmt.Sprintf("/fhir/%s?_count=%d&%s", typ, 1+n/20, query.Encode()), "").is(200).set()
	for n := 0; ; n++ {
		read(p)
		next := p.link("next")
		if next == "" {
			break
		}
		if n == 20 {
			c.Errorf("%s?%s: more than 20 pages", typ, query.Encode())
			break
		}
		p = c.do("GET", next, "").is(200).set()
	}
	slices.Sort(found)
	slices.Sort(with)
	found, with, got, gotWith := []string{}, nil, slices.Clone(found), slices.Clone(with)
	read(c.do("POST", "/fhir/"+typ+"/_search", query.Encode(), "Content-Type: application/x-www-form-urlencoded").is(200).set())
	slices.Sort(found)
	slices.Sort(with)
	if !slices.Equal(found, got) || !slices.Equal(with, gotWith) {
		c.Errorf("%s?%s: GET finds %v with %v, POST %v with %v", typ, query.Encode(), got, gotWith, found, with)
	}
	return got, gotWith
}

// TestUSCoreSearches runs every search of the table.
func TestUSCoreSearches(t *testing.T) {
	c := newClinic(t)
	asked, hits := 0, 0
	for _, row := range usCoreRows() {
		for n, combination := range append(strings.Fields(row.must), strings.Fields(row.should)...) {
			params := strings.Split(combination, "+")
			tried := 0
			for _, i := range c.rnd.Perm(len(c.all[row.typ])) {
				k := c.all[row.typ][i]
				if slices.ContainsFunc(params, func(p string) bool { return len(k.facts[p]) == 0 }) {
					continue
				}
				var ways [][]clause
				most := 0
				for _, p := range params {
					w := c.clauses(row, p, k.facts[p][c.rnd.IntN(len(k.facts[p]))])
					c.rnd.Shuffle(len(w), func(i, j int) { w[i], w[j] = w[j], w[i] })
					ways, most = append(ways, w), max(most, len(w))
				}
				for way := range most {
					var clauses []clause
					query := url.Values{}
					for _, w := range ways {
						cl := w[way%len(w)]
						clauses = append(clauses, cl)
						query.Add(cl.name, cl.value)
					}
					want := c.find(row.typ, clauses)
					var included []string
					if n == 0 && row.provenance {
						query.Add("_revinclude", "Provenance:target")
					}
					for _, id := range want {
						if p := c.prov[row.typ+"/"+id]; n == 0 && row.provenance && p != "" {
							included = append(included, "Provenance/"+p)
						}
					}
					if n == 0 {
						included = append(included, c.include(row, query, want)...)
					}
					slices.Sort(included)
					got, with := c.ask(row.typ, query, len(want))
					if !slices.Equal(got, want) {
						t.Errorf("%s: %s?%s finds %v, want %v", row.profile, row.typ, query.Encode(), got, want)
					}
					if !slices.Equal(with, slices.Compact(included)) {
						t.Errorf("%s: %s?%s includes %v, want %v", row.profile, row.typ, query.Encode(), with, included)
					}
					asked++
					hits += len(want)
				}
				if tried++; tried == 2 {
					break
				}
			}
			if tried == 0 {
				t.Errorf("%s: nothing has all of %s", row.profile, combination)
			}
		}
	}
	if t.Logf("%d searches, each by GET and POST, %d hits", asked, hits); asked < 500 || hits < asked {
		t.Error("that is too little to tell anything")
	}
}

// include adds the _include of a row to a query, and says what comes of it beside the matches.
func (c *clinic) include(row usCoreRow, query url.Values, found []string) (out []string) {
	for _, in := range strings.Fields(row.include) {
		query.Add("_include", in)
		parts := strings.Split(in, ":")
		for _, k := range c.all[row.typ] {
			for _, f := range k.facts[parts[1]] {
				if typ, _, _ := strings.Cut(f.ref, "/"); slices.Contains(found, k.id) && (len(parts) == 2 || parts[2] == typ) && !slices.Contains(out, f.ref) {
					out = append(out, f.ref)
				}
			}
		}
	}
	return out
}
