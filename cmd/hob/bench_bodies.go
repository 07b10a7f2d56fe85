package main

import (
	"fmt"
	"strconv"
	"time"
)

// The systems of what bench makes.
const (
	mrnSystem  = "https://hob.example/bench/mrn"
	usCore     = "http://hl7.org/fhir/us/core/StructureDefinition/"
	typeSystem = "http://terminology.hl7.org/CodeSystem/v2-0203"
)

// patient writes a Patient of about 1.8 KB; an id of "" is left out.
func (p person) patient(b []byte, id string) []byte {
	b = opening(b, "Patient", id)
	ethnicity, display := "2186-5", "Not Hispanic or Latino"
	if p.hispanic {
		ethnicity, display = "2135-2", "Hispanic or Latino"
	}
	sex, gender, marital := "F", "female", "S"
	if p.male {
		sex, gender, marital = "M", "male", "M"
	}
	b = fmt.Appendf(b, `"meta":{"profile":["%sus-core-patient"]},"extension":[`, usCore)
	b = group(b, "race", races[p.race].code, races[p.race].display)
	b = group(b, "ethnicity", ethnicity, display)
	b = fmt.Appendf(b, `{"url":"%sus-core-birthsex","valueCode":"%s"}],"identifier":[`, usCore, sex)
	b = identifier(b, "MR", mrnSystem, p.mrn)
	b = identifier(append(b, ','), "SS", "http://hl7.org/fhir/sid/us-ssn", p.ssn)
	b = identifier(append(b, ','), "DL", "https://hob.example/bench/license", p.license)
	return fmt.Appendf(b, `],"active":true,"name":[{"use":"official","family":"%s","given":["%s","%s"]}],`+
		`"telecom":[{"system":"phone","value":"%s","use":"home"}],"gender":"%s","birthDate":"%s",`+
		`"address":[{"use":"home","line":["%s"],"city":"%s","state":"%s","postalCode":"%s","country":"US"}],`+
		`"maritalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus","code":"%s"}]},`+
		`"communication":[{"language":{"coding":[{"system":"urn:ietf:bcp:47","code":"en-US"}]}}]}`,
		p.family, p.given, p.middle, p.phone, gender, p.born, p.street, towns[p.town].city, towns[p.town].state, p.zip, marital)
}

func opening(b []byte, typ, id string) []byte {
	b = append(b, `{"resourceType":"`+typ+`",`...)
	if id != "" {
		b = append(b, `"id":"`+id+`",`...)
	}
	return b
}

// group writes one of the two extensions of US Core that name a group of people.
func group(b []byte, name, code, display string) []byte {
	return fmt.Appendf(b, `{"url":"%sus-core-%s","extension":[{"url":"ombCategory","valueCoding":{"system":"urn:oid:2.16.840.1.113883.6.238",`+
		`"code":"%s","display":"%s"}},{"url":"text","valueString":"%s"}]},`, usCore, name, code, display, display)
}

func identifier(b []byte, code, system, value string) []byte {
	return fmt.Appendf(b, `{"type":{"coding":[{"system":"%s","code":"%s"}]},"system":"%s","value":"%s"}`, typeSystem, code, system, value)
}

func encounter(b []byte, id, subject string, at int64) []byte {
	return fmt.Appendf(opening(b, "Encounter", id), `"status":"finished","class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB","display":"ambulatory"},`+
		`"subject":{"reference":"%s"},"period":{"start":"%s","end":"%s"}}`, subject, instant(at), instant(at+1800))
}

// observation writes an Observation of about 0.55 KB; visit, a reference to an Encounter, may be "".
func observation(b []byte, id, subject, visit string, o observed) []byte {
	c := codes[o.code]
	b = fmt.Appendf(opening(b, "Observation", id), `"status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"exam"}]}],`+
		`"code":{"coding":[{"system":"http://loinc.org","code":"%s","display":"%s"}]},"subject":{"reference":"%s"},`, c.code, c.display, subject)
	if visit != "" {
		b = append(b, `"encounter":{"reference":"`+visit+`"},`...)
	}
	return fmt.Appendf(b, `"effectiveDateTime":"%s","valueQuantity":{"value":%s,"unit":"%s","system":"http://unitsofmeasure.org","code":"%s"}}`,
		instant(o.at), decimal(o.value), c.unit, c.unit)
}

// decimal writes tenths.
func decimal(tenths int32) string {
	return strconv.Itoa(int(tenths/10)) + "." + strconv.Itoa(int(tenths%10))
}

func instant(at int64) string { return time.Unix(at, 0).UTC().Format(time.RFC3339) }

// bundled writes a transaction, entry by entry. Its resources refer to each other by urn:uuid.
type bundled struct {
	b []byte
	n int
}

// add writes an entry: a PUT of an id, or a POST if it is "". body writes the resource.
func (t *bundled) add(typ, id, urn string, body func(b []byte) []byte) {
	if t.n++; t.n == 1 {
		t.b = append(t.b, `{"resourceType":"Bundle","type":"transaction","entry":[`...)
	} else {
		t.b = append(t.b, ',')
	}
	method, url := "POST", typ
	if id != "" {
		method, url = "PUT", typ+"/"+id
	}
	t.b = append(t.b, `{"fullUrl":"`+urn+`","resource":`...)
	t.b = body(t.b)
	t.b = append(t.b, `,"request":{"method":"`+method+`","url":"`+url+`"}}`...)
}

func (t *bundled) end() []byte { return append(t.b, "]}"...) }

// transaction writes patient i of the set, the Encounter and the Observations, under their ids.
func (d *dataset) transaction(b []byte, i int) []byte {
	t := bundled{b: b}
	pid, eid := d.id('p', i, 0), d.id('e', i, 0)
	p, e := "urn:uuid:"+pid, "urn:uuid:"+eid
	t.add("Patient", pid, p, func(b []byte) []byte { return d.person(i).patient(b, pid) })
	t.add("Encounter", eid, e, func(b []byte) []byte { return encounter(b, eid, p, d.observations[i*d.each].at) })
	for j := range d.each {
		id := d.id('b', i, j)
		t.add("Observation", id, "urn:uuid:"+id, func(b []byte) []byte { return observation(b, id, p, e, d.observations[i*d.each+j]) })
	}
	return t.end()
}

// placed is one resource of the set, to be put under its id.
type placed struct {
	typ, id string
	body    []byte
}

// puts gives patient i, the Encounter and the Observations one by one.
func (d *dataset) puts(i int) (all []placed) {
	pid, eid := d.id('p', i, 0), d.id('e', i, 0)
	p, e := "Patient/"+pid, "Encounter/"+eid
	all = append(all, placed{"Patient", pid, d.person(i).patient(nil, pid)}, placed{"Encounter", eid, encounter(nil, eid, p, d.observations[i*d.each].at)})
	for j := range d.each {
		id := d.id('b', i, j)
		all = append(all, placed{"Observation", id, observation(nil, id, p, e, d.observations[i*d.each+j])})
	}
	return all
}
