package auth_test

import (
	"fmt"
	"strings"
)

// ask is one way to ask for what is bob's: a request, or several of which each may use what the one before was answered.
type askingWay struct {
	name   string
	asks   []asked
	claims bool // it needs that bob has records, or claims an id of theirs: that one is taken is told, as by every server that lets clients choose ids
}

// targets are bob's resources that the ways ask for.
var bobs = []string{
	"Patient/bob", "Encounter/visit-bob", "Observation/lab-bob", "Observation/gone-bob", "Condition/problem-bob", "AllergyIntolerance/allergy-bob",
	"MedicationRequest/drug-bob", "Device/device-bob", "Task/task-bob", "Provenance/from-bob", "DocumentReference/letter-bob", "Binary/scan-bob", "Binary/photo-bob",
	"List/list-bob", "CareTeam/team-bob", "Basic/basic-bob", "Communication/word-bob", "QuestionnaireResponse/answers-bob", "Coverage/cover-bob",
	"RelatedPerson/kin-bob", "Group/group-bob", "AuditEvent/audit-bob", "Subscription/sub-bob", "Bundle/bundle-bob",
}

func get(paths ...string) (out []asked) {
	for _, p := range paths {
		out = append(out, asked{method: "GET", path: p})
	}
	return out
}

func form(path, body string) asked {
	return asked{method: "POST", path: path, body: body, header: []string{"Content-Type: application/x-www-form-urlencoded"}}
}

func bundleOf(kind string, entries ...string) asked {
	return asked{method: "POST", body: `{"resourceType":"Bundle","type":"` + kind + `","entry":[` + strings.Join(entries, ",") + `]}`}
}

func entryOf(method, url, body string, more ...string) string {
	resource := ""
	if body != "" {
		resource = `"resource":` + body + `,`
	}
	return `{` + resource + `"request":{"method":"` + method + `","url":"` + url + `"` + strings.Join(more, "") + `}}`
}

// ways are about all that Hob can be asked. Those that read come first: they leave both worlds as they are.
func ways() []askingWay {
	types := map[string]bool{}
	var out []askingWay
	add := func(name string, asks ...asked) { out = append(out, askingWay{name: name, asks: asks}) }
	for _, target := range bobs {
		typ, id, _ := strings.Cut(target, "/")
		add("read "+target, get("/"+target, "/"+target+"?_summary=text", "/"+target+"?_elements=id")...)
		add("head "+target, asked{method: "HEAD", path: "/" + target})
		add("vread "+target, get("/"+target+"/_history/1", "/"+target+"/_history/2", "/"+target+"/_history/9")...)
		add("instance history "+target, get("/"+target+"/_history", "/"+target+"/_history?_count=1")...)
		add("conditional read "+target, asked{method: "GET", path: "/" + target, header: []string{`If-None-Match: W/"1"`}},
			asked{method: "GET", path: "/" + target, header: []string{"If-Modified-Since: Sat, 21 Nov 2026 07:55:00 GMT"}})
		add("$meta "+target, get("/"+target+"/$meta")...)
		add("raw "+target, asked{method: "GET", path: "/" + target, header: []string{"Accept: */*"}})
		add("search by id "+target, get("/"+typ+"?_id="+id, "/"+typ+"?_id="+id+"&_summary=count")...)
		if types[typ] {
			continue
		}
		types[typ] = true
		add("type history "+typ, get("/"+typ+"/_history", "/"+typ+"/_history?_since=2026-01-01T00:00:00Z", "/"+typ+"/_history?_count=2")...)
		add("search all "+typ, get("/"+typ, "/"+typ+"?_count=1", "/"+typ+"?_count=0", "/"+typ+"?_summary=count", "/"+typ+"?_total=accurate&_count=1", "/"+typ+"?_total=estimate&_count=1",
			"/"+typ+"?_lastUpdated=ge2020", "/"+typ+"?_sort=_lastUpdated", "/"+typ+"?_sort=-_id", "/"+typ+"?_tag=http://tags|secretbob-0", "/"+typ+"?_tag:not=http://tags|secretbob-0",
			"/"+typ+"?_source=http://source/secretbob", "/"+typ+"?__explain=true", "/"+typ+"?_revinclude=*", "/"+typ+"?_include=*", "/"+typ+"?_list=list-bob", "/"+typ+"?_list=mixed",
			"/"+typ+"?_filter=_id eq "+id, "/"+typ+"?_id:not="+id)...)
		add("post search "+typ, form("/"+typ+"/_search", "_id="+id), form("/"+typ+"/_search?_summary=count", "_lastUpdated=ge2020"))
		add("$filter "+typ, asked{method: "POST", path: "/" + typ + "/$filter", body: `{"resourceType":"Parameters","parameter":[{"name":"lookup","part":[{"name":"field","valueString":"_id"},{"name":"operator","valueCode":"EQUAL"},{"name":"value","valueString":"` + id + `"}]}]}`},
			asked{method: "POST", path: "/" + typ + "/$filter", body: `{"resourceType":"Parameters"}`})
		add("compartment of bob "+typ, get("/Patient/bob/"+typ, "/Patient/bob/"+typ+"?_summary=count", "/Practitioner/hal/"+typ, "/Encounter/visit-bob/"+typ, "/RelatedPerson/kin-bob/"+typ, "/Device/device-bob/"+typ)...)
	}
	add("system history", get("/_history", "/_history?_count=3", "/_history?_since=2026-01-01T00:00:00Z")...)
	add("system search", get("/?_type=Patient,Observation", "/?_type=Observation&_summary=count", "/?_id=lab-bob", "/?_lastUpdated=ge2020&_count=5", "/?_type=Patient,Encounter&_sort=-_lastUpdated")...)
	add("compartment", get("/Patient/bob/*", "/Patient/ann/*", "/Practitioner/hal/*")...)
	add("by value", get("/Observation?patient=bob", "/Observation?patient=Patient/bob&_summary=count", "/Observation?subject=bob", "/Observation?code=1-8", "/Observation?value-quantity=gt0", "/Observation?value-quantity=1",
		"/Observation?date=ge2000", "/Observation?code-value-quantity=1-8$1", "/Patient?name=secretbob", "/Patient?family:contains=secret", "/Patient?identifier=http://mrn|secretbob%200", "/Patient?birthdate=lt2100",
		"/Patient?gender=male", "/Patient?gender:not=male&_summary=count", "/Patient?general-practitioner=Practitioner/hal", "/Patient?name:missing=true", "/Device?patient=bob", "/Task?patient=bob", "/Provenance?target=Observation/lab-bob",
		"/Condition?code:text=secret", "/DocumentReference?description=secretbob", "/List?item=Observation/lab-bob", "/Group?member=Patient/bob", "/AuditEvent?entity=Patient/bob", "/Subscription?criteria=Observation")...)
	add("sort", get("/Patient?_sort=family", "/Patient?_sort=-birthdate&_count=1", "/Observation?_sort=-date", "/Observation?_sort=value-quantity,-date&_count=2", "/Observation?_sort=code&_total=accurate")...)
	add("include", get("/Observation?_id=mixed&_include=Observation:has-member", "/Observation?_id=mixed&_include=Observation:performer", "/Observation?_id=mixed&_include=Observation:encounter", "/Observation?_id=mixed&_include=*",
		"/List?_id=mixed&_include=List:item", "/Patient?_id=ann&_include=Patient:link", "/DocumentReference?_id=mixed&_include=DocumentReference:relatesto")...)
	add("include iterate", get("/List?_id=mixed&_include=List:item&_include:iterate=Observation:subject", "/Patient?_id=ann&_include=Patient:link&_include:iterate=Patient:general-practitioner",
		"/List?_id=mixed&_include=List:item&_revinclude:iterate=Provenance:target")...)
	add("revinclude", get("/Practitioner?_id=hal&_revinclude=Patient:general-practitioner", "/Practitioner?_id=hal&_revinclude=Encounter:participant", "/Medication?_revinclude=MedicationRequest:medication", "/Patient?_revinclude=Observation:subject",
		"/Practitioner?_revinclude=*")...)
	add("chain", get("/Observation?subject.name=secretbob", "/Observation?subject:Patient.name=secretbob&_summary=count", "/Observation?patient.birthdate=lt2100", "/Observation?has-member:Observation.code=1-8", "/Observation?encounter.status=finished",
		"/List?item:Observation.code=1-8", "/Patient?link:Patient.name=secretbob", "/Observation?performer:Patient.name=secretbob", "/Observation?has-member.subject:Patient.name=secretbob", "/Observation?encounter.participant:Practitioner.name=hal")...)
	add("has", get("/Practitioner?_has:Patient:general-practitioner:name=secretbob", "/Practitioner?_has:Encounter:participant:status=finished", "/Medication?_has:MedicationRequest:medication:status=active",
		"/Patient?_has:Observation:patient:code=1-8", "/Practitioner?_has:Patient:general-practitioner:_has:Observation:patient:code=1-8&_summary=count", "/Patient?_has:Group:member:_id=group-bob", "/Observation?_has:Provenance:target:agent=x",
		"/Practitioner?_has:Patient:general-practitioner:family:missing=false", "/Practitioner?_has:Patient:general-practitioner:gender:not=male")...)
	add("filter", get("/Patient?_filter=name co \"secret\"", "/Observation?_filter=code eq 1-8 and value-quantity gt 0", "/Observation?_filter=subject.name sw \"secretbob\"", "/Patient?_filter=not (gender eq male)")...)
	add("everything", get("/Patient/bob/$everything", "/Patient/ann/$everything", "/Patient/ann/$everything?_count=3", "/Patient/ann/$everything?_type=Patient,Observation", "/Patient/$everything", "/Encounter/visit-bob/$everything", "/Encounter/visit-fay/$everything",
		"/Patient/ann/$everything?_since=2020-01-01T00:00:00Z")...)
	add("lastn", get("/Observation/$lastn?patient=bob", "/Observation/$lastn?patient=ann", "/Observation/$lastn?subject=Patient/ann,Patient/bob", "/Observation/$lastn?patient=ann&max=9&category=laboratory", "/Observation/$lastn?patient.name=secretbob")...)
	add("explain", get("/Observation?patient=bob&__explain=true", "/Patient?name=secretbob&__explain=true", "/Observation?subject.name=secretbob&__explain=true&_total=accurate", "/Practitioner?_has:Patient:general-practitioner:name=secretbob&__explain=true",
		"/Observation?code=1-8&_sort=-date&__explain=true")...)
	add("batch of reads", bundleOf("batch", entryOf("GET", "Patient/bob", ""), entryOf("GET", "Observation?patient=bob", ""), entryOf("GET", "Observation/lab-bob/_history", ""), entryOf("GET", "Patient/bob/$everything", ""), entryOf("GET", "Patient/bob", "", `,"ifNoneMatch":"W/\"1\""`)))
	add("transaction of reads", bundleOf("transaction", entryOf("GET", "Patient?_id=bob", ""), entryOf("GET", "Observation?patient=bob&_summary=count", "")))
	add("validate", asked{method: "POST", path: "/Patient/bob/$validate", body: `{"resourceType":"Parameters","parameter":[{"name":"mode","valueCode":"delete"}]}`},
		asked{method: "POST", path: "/Patient/bob/$validate", body: `{"resourceType":"Parameters","parameter":[{"name":"mode","valueCode":"update"},{"name":"resource","resource":{"resourceType":"Patient","id":"bob"}}]}`})
	add("errors", get("/Patient/bob/Observation/lab-bob", "/Observation/lab-bob/_history/x", "/Observation?patient=bob&nonsense=1", "/Observation?patient:Device=bob", "/Patient/bob/$nothing")...)

	// Writes.
	obs := observation("new", "ann", "laboratory", "x", "2026-01-01", 1, "")
	named := func(id string) string { return strings.Replace(obs, `"id":"new"`, `"id":"`+id+`"`, 1) }
	add("conditional create", asked{method: "POST", path: "/Observation", body: obs, header: []string{"If-None-Exist: subject=Patient/bob"}}, asked{method: "POST", path: "/Observation", body: obs, header: []string{"If-None-Exist: subject.name=secretbob"}},
		asked{method: "POST", path: "/Observation", body: obs, header: []string{"If-None-Exist: _tag=http://tags|secretbob-0"}})
	add("conditional update", asked{method: "PUT", path: "/Observation?subject=Patient/bob", body: strings.Replace(obs, `"id":"new",`, "", 1)}, asked{method: "PUT", path: "/Patient?family=secretbob", body: `{"resourceType":"Patient","name":[{"family":"x"}]}`})
	add("conditional patch", asked{method: "PATCH", path: "/Observation?subject=Patient/bob", body: `[{"op":"test","path":"/status","value":"final"}]`, header: []string{"Content-Type: application/json-patch+json"}})
	add("conditional delete", asked{method: "DELETE", path: "/Observation?subject=Patient/bob"}, asked{method: "DELETE", path: "/Observation?subject.name=secretbob"}, asked{method: "DELETE", path: "/Condition?code:text=secretbob"})
	add("patch", asked{method: "PATCH", path: "/Observation/lab-bob", body: `[{"op":"test","path":"/status","value":"final"}]`, header: []string{"Content-Type: application/json-patch+json"}},
		asked{method: "PATCH", path: "/Patient/bob", body: `[{"op":"replace","path":"/active","value":false}]`, header: []string{"Content-Type: application/json-patch+json", `If-Match: W/"1"`}},
		asked{method: "PATCH", path: "/Patient/bob", body: `not a patch`, header: []string{"Content-Type: application/json-patch+json"}})
	add("etag probe", asked{method: "PATCH", path: "/Patient/bob", body: `[{"op":"add","path":"/active","value":false}]`, header: []string{"Content-Type: application/json-patch+json", `If-Match: W/"7"`}},
		asked{method: "DELETE", path: "/Patient/bob", header: []string{`If-Match: W/"7"`}})
	add("meta", asked{method: "POST", path: "/Patient/bob/$meta-add", body: `{"resourceType":"Parameters","parameter":[{"name":"meta","valueMeta":{"tag":[{"code":"x"}]}}]}`},
		asked{method: "POST", path: "/Observation/lab-bob/$meta-delete", body: `{"resourceType":"Parameters","parameter":[{"name":"meta","valueMeta":{"tag":[{"code":"x"}]}}]}`})
	add("delete", asked{method: "DELETE", path: "/Observation/lab-bob"}, asked{method: "DELETE", path: "/Patient/bob"}, asked{method: "DELETE", path: "/Patient/bob?_cascade=delete"}, asked{method: "DELETE", path: "/Observation/gone-bob"}, asked{method: "DELETE", path: "/Encounter/visit-bob?_cascade=delete"})
	add("about bob", asked{method: "POST", path: "/Observation", body: strings.ReplaceAll(obs, "Patient/ann", "Patient/bob")}, asked{method: "POST", path: "/Provenance", body: `{"resourceType":"Provenance","recorded":"2026-01-01T00:00:00Z","target":[{"reference":"Observation/lab-bob"}],"agent":[{"who":{"display":"x"}}]}`})
	add("conditional reference", bundleOf("transaction", entryOf("POST", "Observation", strings.Replace(obs, "Patient/ann", "Patient?identifier=http://mrn|secretbob 0", 1))),
		bundleOf("transaction", entryOf("POST", "Observation", strings.Replace(obs, `"encounter":{"reference":"Encounter/visit-ann"}`, `"encounter":{"reference":"Encounter?status=finished&subject=Patient/bob"}`, 1))))
	add("transaction of writes", bundleOf("transaction", entryOf("POST", "Observation", obs, `,"ifNoneExist":"subject=Patient/bob"`), entryOf("DELETE", "Observation?subject=Patient/bob", "")),
		bundleOf("transaction", entryOf("PATCH", "Observation/lab-bob", `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"delete"},{"name":"path","valueString":"Observation.note"}]}]}`)))
	out = append(out,
		askingWay{name: "claiming an id", claims: true, asks: []asked{
			{method: "PUT", path: "/Observation/lab-bob", body: named("lab-bob")}, {method: "PUT", path: "/Observation/lab-bob", body: named("lab-bob"), header: []string{`If-Match: W/"1"`}},
			{method: "PUT", path: "/Observation/lab-bob", body: named("lab-bob"), header: []string{`If-None-Match: *`}}, {method: "PUT", path: "/Observation/gone-bob", body: named("gone-bob")},
			{method: "PUT", path: "/Patient/bob", body: `{"resourceType":"Patient","id":"bob","generalPractitioner":[{"reference":"Practitioner/dan"}]}`},
			bundleOf("transaction", entryOf("PUT", "Observation/vital-bob", named("vital-bob"))), bundleOf("batch", entryOf("PUT", "Condition/problem-bob", `{"resourceType":"Condition","id":"problem-bob","subject":{"reference":"Patient/ann"}}`)),
		}},
		askingWay{name: "attaching by an id", claims: true, asks: []asked{asked{method: "POST", path: "/DocumentReference", body: `{"resourceType":"DocumentReference","status":"current","subject":{"reference":"Patient/ann"},"content":[{"attachment":{"url":"Binary/scan-bob"}}]}`},
			asked{method: "POST", path: "/DocumentReference", body: `{"resourceType":"DocumentReference","status":"current","subject":{"reference":"Patient/ann"},"content":[{"attachment":{"url":"` + base + `/Binary/scan-bob"}}]}`}}},
	)
	for i, page := range []string{"/Observation?patient=bob&_count=1", "/Observation/_history?_count=1", "/_history?_count=1", "/Patient/bob/$everything?_count=2", "/Observation?_count=1&_sort=date"} {
		out = append(out, askingWay{name: fmt.Sprintf("bob's page link %d", i), claims: true, asks: []asked{{method: "GET", path: page, header: []string{"Steal: patient bob"}}}})
	}
	return out
}
