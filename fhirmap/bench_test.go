package fhirmap

import (
	"strings"
	"testing"
	"time"

	"github.com/google/fhir/go/jsonformat/errorreporter"
)

const (
	// bodyWeight is an Observation of 0.55 KB.
	bodyWeight = `{"resourceType":"Observation","status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/` +
		`observation-category","code":"vital-signs","display":"Vital signs"}]}],"code":{"coding":[{"system":"http://loinc.org","code":` +
		`"29463-7","display":"Body weight"}],"text":"Weight"},"subject":{"reference":"Patient/4711"},"encounter":{"reference":` +
		`"Encounter/0815"},"effectiveDateTime":"2026-03-02T08:15:00+01:00","issued":"2026-03-02T08:16:21.042+01:00","valueQuantity":` +
		`{"value":71.50,"unit":"kg","system":"http://unitsofmeasure.org","code":"kg"}}`

	// patient is one of 1.8 KB.
	patient = `{"resourceType":"Patient","meta":{"profile":["http://example.org/fhir/StructureDefinition/resident"]},"text":{"status":` +
		`"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>Klara <b>Ahlers</b>, born 12 May 1951, Bremen</p></div>"},` +
		`"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthPlace","valueAddress":{"city":"Leer","country":"DE"}},` +
		`{"url":"http://hl7.org/fhir/StructureDefinition/patient-religion","valueCodeableConcept":{"coding":[{"system":` +
		`"http://terminology.hl7.org/CodeSystem/v3-ReligiousAffiliation","code":"1077"}]}}],"identifier":[{"use":"official","type":` +
		`{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"}]},"system":"https://ward.example.org/mrn",` +
		`"value":"000471100","period":{"start":"2011-02-01"},"assigner":{"display":"Ward for inner medicine"}},{"system":` +
		`"http://fhir.de/sid/gkv/kvid-10","value":"A123456789"}],"active":true,"name":[{"use":"official","text":"Klara Ahlers","family":` +
		`"Ahlers","given":["Klara","Maria"],"_given":[null,{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/` +
		`iso21090-EN-qualifier","valueCode":"MID"}]}],"prefix":["Dr."]},{"use":"maiden","family":"Boysen","given":["Klara"]}],"telecom":` +
		`[{"system":"phone","value":"+49 421 555 0199","use":"home","rank":1},{"system":"email","value":"klara@example.org"}],"gender":` +
		`"female","birthDate":"1951-05-12","_birthDate":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthTime",` +
		`"valueDateTime":"1951-05-12T03:40:00+01:00"}]},"deceasedBoolean":false,"address":[{"use":"home","type":"both","line":` +
		`["Am Deich 7"],"city":"Bremen","postalCode":"28199","country":"DE","period":{"start":"1988-04"}}],"maritalStatus":{"coding":` +
		`[{"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus","code":"M"}],"text":"married"},"contact":[{"relationship":` +
		`[{"text":"son"}],"name":{"family":"Ahlers","given":["Jan"]},"telecom":[{"system":"phone","value":"+49 421 555 0142"}]}],` +
		`"communication":[{"language":{"coding":[{"system":"urn:ietf:bcp:47","code":"de"}]},"preferred":true}],"generalPractitioner":` +
		`[{"reference":"Practitioner/77","display":"Dr. Lüders"}],"managingOrganization":{"reference":"Organization/3"}}`
)

var benchBodies = []struct{ name, body string }{{"Observation", bodyWeight}, {"Patient", patient}}

func BenchmarkParse(b *testing.B) {
	for _, bm := range benchBodies {
		b.Run(bm.name, func(b *testing.B) {
			b.SetBytes(int64(len(bm.body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse([]byte(bm.body), Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkParseOurs is Parse without google/fhir: reading with all checks.
func BenchmarkParseOurs(b *testing.B) {
	for _, bm := range benchBodies {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := newReader([]byte(bm.body), Limits{}.withDefaults())
				r.strict = true
				if r.resource() == nil {
					b.Fatal(r.issues)
				}
				r.release()
			}
		})
	}
}

// BenchmarkGoogle is the share of google/fhir, of what it reads: it would refuse the null among the patient's names.
func BenchmarkGoogle(b *testing.B) {
	for _, bm := range benchBodies {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			body := strings.Replace(bm.body, "[null,", "[{},", 1)
			for b.Loop() {
				if _, err := unmarshaller().UnmarshalWithErrorReporter([]byte(body), errorreporter.NewBasicErrorReporter()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkTrusted(b *testing.B) {
	for _, bm := range benchBodies {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			data := []byte(bm.body)
			for b.Loop() {
				if _, err := Trusted(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkStamp(b *testing.B) {
	at := time.Date(2026, 11, 21, 7, 55, 0, 123e6, time.UTC)
	for _, bm := range benchBodies {
		b.Run(bm.name, func(b *testing.B) {
			r, err := Parse([]byte(bm.body), Limits{})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				r.Stamp("5b2ad1b0-73ca-4e6c-8e3b-14f7d0b5a1c2", 3, at)
			}
		})
	}
}
