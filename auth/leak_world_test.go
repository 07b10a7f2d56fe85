package auth_test

import (
	"fmt"
	"strings"
)

// record is what a world of the leak tests holds: a resource, and to whom it belongs.
type record struct {
	owner string // the patient; "": nobody, it is shared
	body  string
	deed  string // delete: it was deleted afterwards
}

// secret marks what only those may read who may see the patient. It stands in every text of his records, in his identifiers and ids of
// others' systems; what may be known of him by those who may not, ids and references to them, does not hold it.
func secret(owner string) string { return "secret" + owner }

// file is all that is kept about a patient: a resource of each sort, all with his secret, tied to each other and to what is shared. salt
// makes another file of the same ids: other texts, values, dates and numbers.
func patientFile(id, doctor string, salt int) []record {
	s := fmt.Sprintf("%s %d", secret(id), salt)
	day := fmt.Sprintf("20%02d-0%d-1%d", 10+salt, 1+salt, salt)
	subject := `"subject":{"reference":"Patient/` + id + `"}`
	patient := `"patient":{"reference":"Patient/` + id + `"}`
	text := `{"text":"` + s + `"}`
	meta := `"meta":{"tag":[{"system":"http://tags","code":"` + secret(id) + "-" + fmt.Sprint(salt) + `"}],"source":"http://source/` + secret(id) + `"}`
	bodies := []string{
		`{"resourceType":"Patient","id":"` + id + `",` + meta + `,"active":true,"identifier":[{"system":"http://mrn","value":"` + s + `"}],"name":[{"family":"` + s + `","given":["` + s + `"]}],"gender":"` +
			[]string{"male", "female"}[salt%2] + `","birthDate":"` + day + `","generalPractitioner":[{"reference":"Practitioner/` + doctor + `"}],"photo":[{"url":"` + base + `/Binary/photo-` + id + `"}]}`,
		`{"resourceType":"Binary","id":"photo-` + id + `","contentType":"text/plain","securityContext":{"reference":"Patient/` + id + `"},"data":"c2VjcmV0` + strings.Repeat("QUJD", salt+1) + `"}`,
		`{"resourceType":"Encounter","id":"visit-` + id + `",` + meta + `,"status":"finished","class":{"code":"AMB"},` + subject + `,"reasonCode":[` + text + `],"period":{"start":"` + day + `"},"participant":[{"individual":{"reference":"Practitioner/` + doctor + `"}}]}`,
		observation("lab-"+id, id, "laboratory", s, day, float64(salt+1), meta),
		observation("vital-"+id, id, "vital-signs", s, day, float64(salt+2), meta),
		`{"resourceType":"Condition","id":"problem-` + id + `",` + meta + `,` + subject + `,"code":` + text + `,"onsetDateTime":"` + day + `","encounter":{"reference":"Encounter/visit-` + id + `"}}`,
		`{"resourceType":"AllergyIntolerance","id":"allergy-` + id + `",` + patient + `,"code":` + text + `}`,
		`{"resourceType":"MedicationRequest","id":"drug-` + id + `","status":"active","intent":"order",` + subject + `,"medicationReference":{"reference":"Medication/pill"},"note":[` + text + `]}`,
		`{"resourceType":"Device","id":"device-` + id + `",` + patient + `,"serialNumber":"` + s + `"}`,
		`{"resourceType":"Task","id":"task-` + id + `","status":"ready","intent":"order","for":{"reference":"Patient/` + id + `"},"description":"` + s + `"}`,
		`{"resourceType":"Provenance","id":"from-` + id + `","recorded":"` + day + `T00:00:00Z","target":[{"reference":"Observation/lab-` + id + `"}],"agent":[{"who":{"display":"` + s + `"}}]}`,
		`{"resourceType":"DocumentReference","id":"letter-` + id + `","status":"current",` + subject + `,"description":"` + s + `","content":[{"attachment":{"url":"Binary/scan-` + id + `","title":"` + s + `"}}]}`,
		`{"resourceType":"Binary","id":"scan-` + id + `","contentType":"text/plain","data":"c2VjcmV0` + strings.Repeat("QUJD", salt+1) + `"}`,
		`{"resourceType":"List","id":"list-` + id + `","status":"current","mode":"working",` + subject + `,"title":"` + s + `","entry":[{"item":{"reference":"Observation/lab-` + id + `"}}]}`,
		`{"resourceType":"CareTeam","id":"team-` + id + `","status":"active",` + subject + `,"name":"` + s + `","participant":[{"member":{"reference":"Practitioner/` + doctor + `"}}]}`,
		`{"resourceType":"Basic","id":"basic-` + id + `",` + subject + `,"code":` + text + `}`,
		`{"resourceType":"Communication","id":"word-` + id + `","status":"completed",` + subject + `,"payload":[{"contentString":"` + s + `"}]}`,
		`{"resourceType":"QuestionnaireResponse","id":"answers-` + id + `","status":"completed",` + subject + `,"authored":"` + day + `","item":[{"linkId":"1","text":"` + s + `"}]}`,
		`{"resourceType":"Coverage","id":"cover-` + id + `","status":"active","beneficiary":{"reference":"Patient/` + id + `"},"payor":[{"display":"` + s + `"}]}`,
		`{"resourceType":"RelatedPerson","id":"kin-` + id + `",` + patient + `,"name":[{"family":"` + s + `"}]}`,
		`{"resourceType":"Group","id":"group-` + id + `","type":"person","actual":true,"name":"` + s + `","member":[{"entity":{"reference":"Patient/` + id + `"}}]}`,
		`{"resourceType":"AuditEvent","id":"audit-` + id + `","type":{"code":"rest"},"recorded":"` + day + `T00:00:00Z","agent":[{"requestor":true}],"source":{"observer":{"display":"` + s + `"}},"entity":[{"what":{"reference":"Patient/` + id + `"}}]}`,
		`{"resourceType":"Subscription","id":"sub-` + id + `","status":"off","criteria":"Observation?patient=` + id + `","reason":"` + s + `","channel":{"type":"rest-hook"}}`,
		`{"resourceType":"Bundle","id":"bundle-` + id + `","type":"collection","entry":[{"resource":` + observation("in-"+id, id, "laboratory", s, day, 1, "") + `}]}`,
		observation("last-"+id, id, "laboratory", s, day, 4, ""),
	}
	var out []record
	for _, b := range bodies {
		out = append(out, record{owner: id, body: b})
	}
	out = append(out, record{owner: id, body: observation("gone-"+id, id, "laboratory", s, day, 3, ""), deed: "delete"})
	// What the other file does not have at all.
	for i := range salt * 3 {
		out = append(out, record{owner: id, body: observation(fmt.Sprintf("more-%s-%d", id, i), id, "laboratory", s, day, float64(i), meta)})
	}
	return out
}

func observation(id, patient, category, text, day string, value float64, meta string) string {
	if meta != "" {
		meta += ","
	}
	return `{"resourceType":"Observation","id":"` + id + `",` + meta + `"status":"final","category":[{"coding":[{"code":"` + category + `"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"1-8"}],"text":"` + text +
		`"},"subject":{"reference":"Patient/` + patient + `"},"effectiveDateTime":"` + day + `","valueQuantity":{"value":` + fmt.Sprint(value) + `,"unit":"kg","system":"http://unitsofmeasure.org","code":"kg"},"encounter":{"reference":"Encounter/visit-` + patient + `"}}`
}

// commons are what belongs to nobody, and what of ann's refers to bob's, as careless or hostile writers leave it behind.
func commons() []record {
	var out []record
	for _, id := range []string{"dan", "eve", "fay", "gil", "hal", "ivy"} {
		out = append(out, record{body: `{"resourceType":"Practitioner","id":"` + id + `","name":[{"family":"` + id + `"}]}`})
	}
	return append(out,
		record{body: `{"resourceType":"PractitionerRole","id":"gilrole","practitioner":{"reference":"Practitioner/gil"}}`},
		record{body: `{"resourceType":"Medication","id":"pill","code":{"text":"pill"}}`},
		record{body: `{"resourceType":"Organization","id":"org","name":"org"}`},
		record{owner: "ann", body: `{"resourceType":"RelatedPerson","id":"rita","active":true,"patient":{"reference":"Patient/ann"}}`},
		record{owner: "ann", body: `{"resourceType":"CareTeam","id":"team-eve","status":"active","subject":{"reference":"Patient/ann"},"participant":[{"member":{"reference":"Practitioner/eve"}}]}`},
		record{owner: "ann", body: `{"resourceType":"Encounter","id":"visit-fay","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/ann"},"participant":[{"individual":{"reference":"Practitioner/fay"}}]}`},
		record{owner: "ann", body: `{"resourceType":"Patient","id":"ann","generalPractitioner":[{"reference":"Practitioner/dan"},{"reference":"PractitionerRole/gilrole"}],"link":[{"other":{"reference":"Patient/bob"},"type":"seealso"}],"name":[{"family":"Ann"}]}`},
		record{owner: "ann", body: `{"resourceType":"List","id":"mixed","status":"current","mode":"working","subject":{"reference":"Patient/ann"},"entry":[{"item":{"reference":"Observation/lab-bob"}},{"item":{"reference":"Patient/bob"}},{"item":{"reference":"Observation/lab-ann"}}]}`},
		record{owner: "ann", body: `{"resourceType":"Observation","id":"mixed","status":"final","code":{"text":"mixed"},"subject":{"reference":"Patient/ann"},"hasMember":[{"reference":"Observation/vital-bob"}],"performer":[{"reference":"Patient/bob"}],"encounter":{"reference":"Encounter/visit-bob"}}`},
		record{owner: "ann", body: `{"resourceType":"DocumentReference","id":"mixed","status":"current","subject":{"reference":"Patient/ann"},"content":[{"attachment":{"title":"x"}}],"relatesTo":[{"code":"appends","target":{"reference":"DocumentReference/letter-bob"}}]}`},
	)
}

// leakWorld stores what is shared, ann's file, and bob's of a salt; negative: bob has none. Bob's comes last, so that what is told of the others'
// is of the same time in every world.
func (w *world) leakWorld(salt int) {
	w.Helper()
	records := append(commons(), withoutPatient(patientFile("ann", "dan", 1))...)
	for n := salt; n >= 0; n-- { // what was written last has as many versions before it
		records = append(records, patientFile("bob", "hal", n)...)
	}
	for _, r := range records {
		if out := w.ask("", asked{method: "PUT", path: pathOf(r.body), body: r.body}); out.Code > 201 {
			w.Fatalf("%s is not taken: %d %s", r.body, out.Code, out.Body)
		}
		if r.deed == "delete" {
			w.ask("", asked{method: "DELETE", path: pathOf(r.body)})
		}
	}
}

// withoutPatient leaves the Patient itself out: commons has a richer one.
func withoutPatient(records []record) []record {
	var out []record
	for _, r := range records {
		if !strings.HasPrefix(r.body, `{"resourceType":"Patient",`) {
			out = append(out, r)
		}
	}
	return out
}

func pathOf(body string) string {
	typ := cutBetween(body, `"resourceType":"`, `"`)
	return "/" + typ + "/" + cutBetween(body, `"id":"`, `"`)
}

func cutBetween(s, before, after string) string {
	_, s, _ = strings.Cut(s, before)
	s, _, _ = strings.Cut(s, after)
	return s
}
