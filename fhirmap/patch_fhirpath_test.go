package fhirmap

import (
	"strings"
	"testing"
)

// change writes one operation of a FHIRPath Patch: its type, its path, and the JSON of further parts. A part that begins with a quote
// is the content of the part value.
func change(kind, path string, parts ...string) string {
	b := `{"name":"operation","part":[{"name":"type","valueCode":"` + kind + `"},{"name":"path","valueString":` + string(appendText(nil, path)) + `}`
	for _, p := range parts {
		if p[0] == '"' {
			p = `{"name":"value",` + p + `}`
		}
		b += "," + p
	}
	return b + "]}"
}

func called(name string) string      { return `{"name":"name","valueString":"` + name + `"}` }
func counting(part, n string) string { return `{"name":"` + part + `","valueInteger":` + n + `}` }

func changes(t testing.TB, operations ...string) *Resource {
	t.Helper()
	if len(operations) == 0 {
		return parse(t, `{"resourceType":"Parameters"}`)
	}
	return parse(t, `{"resourceType":"Parameters","parameter":[`+strings.Join(operations, ",")+`]}`)
}

func TestFHIRPathPatch(t *testing.T) {
	patient := func(members string) string {
		if members != "" {
			members = "," + members
		}
		return `{"resourceType":"Patient","id":"p"` + members + "}"
	}
	four := func(order string) string {
		var items []string
		for _, n := range order {
			items = append(items, `{"system":"http://x.org/s","value":"`+string(n)+`"}`)
		}
		return patient(`"identifier":[` + strings.Join(items, ",") + "]")
	}
	const beside = `{"extension":[{"url":"http://x.org/e","valueDecimal":0.10}]}`
	observation := func(value string) string {
		return `{"resourceType":"Observation","status":"final","code":{"text":"c"}` + value + "}"
	}
	for _, c := range []struct {
		name, before string
		changes      []string
		after        string
	}{
		{"nothing", four("12"), nil, four("12")},
		{"replace a primitive", patient(`"birthDate":"1920-01-01","active":true`),
			[]string{change("replace", "Patient.birthDate", `"valueDate":"1930-01-01"`)}, patient(`"birthDate":"1930-01-01","active":true`)},
		{"replace takes extensions away", patient(`"_birthDate":` + beside + `,"birthDate":"1920-01-01","active":true`),
			[]string{change("replace", "Patient.birthDate", `"valueDate":"1930-01-01"`)}, patient(`"birthDate":"1930-01-01","active":true`)},
		{"replace brings extensions", patient(`"birthDate":"1920-01-01","active":true`),
			[]string{change("replace", "Patient.birthDate", `"valueDate":"1930-01-01","_valueDate":`+beside)},
			patient(`"birthDate":"1930-01-01","_birthDate":` + beside + `,"active":true`)},
		{"replace within a list", four("12"), []string{change("replace", "Patient.identifier[1].value", `"valueString":"3"`)}, four("13")},
		{"replace what a filter selects", four("12"), []string{change("replace", "Patient.identifier.where(value = '1').value", `"valueString":"3"`)}, four("32")},
		{"replace an item of a list of primitives", patient(`"name":[{"given":["a","b"],"_given":[null,` + beside + `]}]`),
			[]string{change("replace", "Patient.name.given[1]", `"valueString":"c"`)}, patient(`"name":[{"given":["a","c"]}]`)},
		{"replace an item by one with extensions", patient(`"name":[{"given":["a","b"]}]`),
			[]string{change("replace", "Patient.name.given[1]", `"_valueString":`+beside)}, patient(`"name":[{"given":["a",null],"_given":[null,` + beside + `]}]`)},
		{"replace a value that is extensions only", patient(`"name":[{"_given":[` + beside + `]}]`),
			[]string{change("replace", "Patient.name.given", `"valueString":"c"`)}, patient(`"name":[{"given":["c"]}]`)},
		{"replace an object with its id", patient(`"maritalStatus":{"id":"1","text":"married"}`),
			[]string{change("replace", "Patient.maritalStatus", `"valueCodeableConcept":{"id":"2","text":"not married"}`)}, patient(`"maritalStatus":{"id":"2","text":"not married"}`)},
		{"replace by another type", observation(`,"valueQuantity":{"value":1.0},"issued":"2024-01-01T00:00:00Z"`),
			[]string{change("replace", "Observation.value", `"valueString":"high"`)}, observation(`,"valueString":"high","issued":"2024-01-01T00:00:00Z"`)},
		{"replace a narrative by a string", patient(`"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>"}`),
			[]string{change("replace", "Patient.text.div", `"valueString":"<div xmlns=\"http://www.w3.org/1999/xhtml\">b</div>"`)},
			patient(`"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">b</div>"}`)},
		{"digits stay", observation(`,"valueQuantity":{"value":1.50e1}`),
			[]string{change("add", "Observation.value", called("extension"), `"part":[{"name":"url","valueUri":"http://x.org/e"},{"name":"value","valueDecimal":0.0100}]`)},
			observation(`,"valueQuantity":{"value":1.50e1,"extension":[{"url":"http://x.org/e","valueDecimal":0.0100}]}`)},

		{"add a primitive", patient(""), []string{change("add", "Patient", called("birthDate"), `"valueDate":"1930-01-01"`)}, patient(`"birthDate":"1930-01-01"`)},
		{"add a choice", patient(""), []string{change("add", "Patient", called("deceased"), `"valueBoolean":false`)}, patient(`"deceasedBoolean":false`)},
		{"add a nested primitive", patient(`"contact":[{"name":{"text":"n"}}]`),
			[]string{change("add", "Patient.contact[0]", called("gender"), `"valueCode":"male"`)}, patient(`"contact":[{"name":{"text":"n"},"gender":"male"}]`)},
		{"add an object", patient(""), []string{change("add", "Patient", called("maritalStatus"), `"valueCodeableConcept":{"text":"m"}`)}, patient(`"maritalStatus":{"text":"m"}`)},
		{"add makes a list", patient(""), []string{change("add", "Patient", called("identifier"), `"valueIdentifier":{"system":"http://x.org/s","value":"1"}`)}, four("1")},
		{"add appends to a list", four("1"), []string{change("add", "Patient", called("identifier"), `"valueIdentifier":{"system":"http://x.org/s","value":"2"}`)}, four("12")},
		{"add by parts", patient(""),
			[]string{change("add", "Patient", called("contact"), `"part":[{"name":"name","valueHumanName":{"text":"n"}},`+
				`{"name":"relationship","valueCodeableConcept":{"text":"a"}},{"name":"relationship","valueCodeableConcept":{"text":"b"}}]`)},
			patient(`"contact":[{"name":{"text":"n"},"relationship":[{"text":"a"},{"text":"b"}]}]`)},
		{"add by parts within parts", observation(""),
			[]string{change("add", "Observation", called("component"), `"part":[{"name":"code","valueCodeableConcept":{"text":"x"}},`+
				`{"name":"value","valueQuantity":{"value":7.0}},{"name":"referenceRange","part":[{"name":"low","valueQuantity":{"value":1}},{"name":"text","_valueString":`+beside+`}]}]`)},
			observation(`,"component":[{"code":{"text":"x"},"valueQuantity":{"value":7.0},"referenceRange":[{"low":{"value":1},"_text":` + beside + `}]}]`)},
		{"add a primitive to a list with extensions", patient(`"name":[{"given":["a"],"_given":[` + beside + `]}]`),
			[]string{change("add", "Patient.name", called("given"), `"valueString":"b"`)}, patient(`"name":[{"given":["a","b"],"_given":[` + beside + `,null]}]`)},
		{"add extensions to a list of primitives", patient(`"name":[{"given":["a"],"family":"f"}]`),
			[]string{change("add", "Patient.name", called("given"), `"_valueString":`+beside)}, patient(`"name":[{"given":["a",null],"_given":[null,` + beside + `],"family":"f"}]`)},
		{"add an extension to a primitive", patient(`"birthDate":"1920","active":true`),
			[]string{change("add", "Patient.birthDate", called("extension"), `"part":[{"name":"url","valueUri":"http://x.org/e"},{"name":"value","valueDecimal":0.10}]`)},
			patient(`"birthDate":"1920","_birthDate":` + beside + `,"active":true`)},
		{"add an extension to an item", patient(`"name":[{"given":["a","b","c"]}]`),
			[]string{change("add", "Patient.name.given[1]", called("extension"), `"part":[{"name":"url","valueUri":"http://x.org/e"},{"name":"value","valueDecimal":0.10}]`)},
			patient(`"name":[{"given":["a","b","c"],"_given":[null,` + beside + `,null]}]`)},
		{"add a contained resource", patient(""), []string{change("add", "Patient", called("contained"), `"resource":{"resourceType":"Organization","id":"o","name":"N"}`)},
			patient(`"contained":[{"resourceType":"Organization","id":"o","name":"N"}]`)},
		{"add to a contained resource", patient(`"contained":[{"resourceType":"Organization","id":"o","name":"N"}],"managingOrganization":{"reference":"#o"}`),
			[]string{change("add", "Patient.managingOrganization.resolve()", called("active"), `"valueBoolean":true`)},
			patient(`"contained":[{"resourceType":"Organization","id":"o","name":"N","active":true}],"managingOrganization":{"reference":"#o"}`)},
		{"add what the operation before made room for", patient(""),
			[]string{change("add", "Patient", called("name"), `"valueHumanName":{"family":"f"}`), change("add", "Patient.name[0]", called("given"), `"valueString":"g"`)},
			patient(`"name":[{"family":"f","given":["g"]}]`)},

		{"insert", four("12"), []string{change("insert", "Patient.identifier", counting("index", "1"), `"valueIdentifier":{"system":"http://x.org/s","value":"3"}`)}, four("132")},
		{"insert first", four("12"), []string{change("insert", "Patient.identifier", counting("index", "0"), `"valueIdentifier":{"system":"http://x.org/s","value":"3"}`)}, four("312")},
		{"insert last", four("12"), []string{change("insert", "Patient.identifier", counting("index", "2"), `"valueIdentifier":{"system":"http://x.org/s","value":"3"}`)}, four("123")},
		{"insert into no list yet", patient(""), []string{change("insert", "Patient.identifier", counting("index", "0"), `"valueIdentifier":{"system":"http://x.org/s","value":"3"}`)}, four("3")},
		{"insert without a type", patient(`"name":[{"family":"f"}]`), []string{change("insert", "name[0].given", counting("index", "0"), `"valueString":"g"`)}, patient(`"name":[{"family":"f","given":["g"]}]`)},
		{"insert between extensions", patient(`"name":[{"given":["a","b"],"_given":[null,` + beside + `]}]`),
			[]string{change("insert", "Patient.name.given", counting("index", "1"), `"valueString":"c"`)}, patient(`"name":[{"given":["a","c","b"],"_given":[null,null,` + beside + `]}]`)},

		{"delete a primitive", patient(`"birthDate":"1920","_birthDate":` + beside + `,"active":true`), []string{change("delete", "Patient.birthDate")}, patient(`"active":true`)},
		{"delete nothing", four("12"), []string{change("delete", "Patient.birthDate"), change("delete", "Patient.identifier[7]")}, four("12")},
		{"delete an item", four("123"), []string{change("delete", "Patient.identifier[1]")}, four("13")},
		{"delete the last item", patient(`"name":[{"family":"f"}],"active":true`), []string{change("delete", "Patient.name[0]")}, patient(`"active":true`)},
		{"delete what leaves an object empty", patient(`"contact":[{"name":{"text":"n"},"gender":"male"}]`),
			[]string{change("delete", "Patient.contact[0].name.text")}, patient(`"contact":[{"gender":"male"}]`)},
		{"delete what leaves all around it empty", patient(`"contact":[{"name":{"given":["n"]}}]`), []string{change("delete", "Patient.contact.name.given")}, patient("")},
		{"delete an item between extensions", patient(`"name":[{"given":["a","b"],"_given":[null,` + beside + `]}]`),
			[]string{change("delete", "Patient.name.given[1]")}, patient(`"name":[{"given":["a"]}]`)},
		{"delete the extension of a primitive", patient(`"birthDate":"1920","_birthDate":` + beside), []string{change("delete", "Patient.birthDate.extension")}, patient(`"birthDate":"1920"`)},
		{"delete all that a primitive has", patient(`"_birthDate":` + beside + `,"active":true`), []string{change("delete", "Patient.birthDate.extension")}, patient(`"active":true`)},
		{"delete the extension of an item", patient(`"name":[{"given":["a","b"],"_given":[null,` + beside + `]}]`),
			[]string{change("delete", "Patient.name.given[1].extension[0]")}, patient(`"name":[{"given":["a","b"]}]`)},
		{"delete, then another operation", four("123"), []string{change("delete", "Patient.identifier[0]"), change("delete", "Patient.identifier[0]")}, four("3")},

		{"move to the left", four("1234"), []string{change("move", "Patient.identifier", counting("source", "3"), counting("destination", "1"))}, four("1423")},
		{"move to the front", four("1234"), []string{change("move", "Patient.identifier", counting("source", "3"), counting("destination", "0"))}, four("4123")},
		{"move to the end", four("1234"), []string{change("move", "Patient.identifier", counting("source", "0"), counting("destination", "3"))}, four("2341")},
		{"move to the right", four("1234"), []string{change("move", "Patient.identifier", counting("source", "0"), counting("destination", "2"))}, four("2314")},
		{"move nowhere", four("12"), []string{change("move", "Patient.identifier", counting("source", "1"), counting("destination", "1"))}, four("12")},
		{"move twice", four("1234"), []string{change("move", "Patient.identifier", counting("source", "1"), counting("destination", "0")),
			change("move", "Patient.identifier", counting("source", "2"), counting("destination", "1"))}, four("2314")},
		{"move with extensions", patient(`"name":[{"given":["a","b"],"_given":[null,` + beside + `]}]`),
			[]string{change("move", "Patient.name.given", counting("source", "1"), counting("destination", "0"))}, patient(`"name":[{"given":["b","a"],"_given":[` + beside + `,null]}]`)},
	} {
		before := parse(t, c.before)
		got, err := FHIRPathPatch(before, changes(t, c.changes...), Limits{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if string(got.JSON()) != c.after {
			t.Errorf("%s gave\n%s, want\n%s", c.name, got.JSON(), c.after)
		}
		if string(before.JSON()) != c.before {
			t.Fatalf("%s changed the resource it began with: %s", c.name, before.JSON())
		}
	}
}

func TestFHIRPathPatchRefuses(t *testing.T) {
	const before = `{"resourceType":"Patient","id":"p","active":true,"name":[{"family":"f","given":["a","b"]},{"family":"g","given":["c"]}],` +
		`"deceasedBoolean":false,"generalPractitioner":[{"reference":"Practitioner/1"}]}`
	name := `"valueHumanName":{"text":"n"}`
	for _, c := range []struct {
		change string
		code   Code
		says   string
	}{
		{`{"name":"op","valueString":"x"}`, CodeStructure, `Parameters.parameter[0]: the parameter is named "op"`},
		{`{"name":"operation","part":[{"name":"type","valueCode":"delete"}]}`, CodeStructure, "delete: it has no path"},
		{`{"name":"operation","part":[{"name":"path","valueString":"Patient"}]}`, CodeStructure, `its type is ""`},
		{change("upsert", "Patient"), CodeStructure, `its type is "upsert"`},
		{change("add", "Patient", name), CodeStructure, "add: it has no name"},
		{change("add", "Patient", called("name")), CodeStructure, "add: it has no value"},
		{change("insert", "Patient.name", name), CodeStructure, "insert: it has no index"},
		{change("move", "Patient.name", counting("source", "0")), CodeStructure, "move: it has no destination"},
		{change("move", "Patient.name", counting("destination", "0")), CodeStructure, "move: it has no source"},
		{change("delete", "Patient.name", called("x"), called("y")), CodeStructure, "the part name stands twice"},
		{change("delete", "Patient.name", `{"name":"idnex","valueInteger":1}`), CodeStructure, `there is a part "idnex"`},
		{change("add", "Patient", called("name"), `"id":"x"`), CodeStructure, "is empty"},
		{change("delete", "Patient.name["), CodeInvalid, "path"},
		{change("delete", "Patient.name"), CodeProcessing, "selects 2 elements"},
		{change("delete", "Patient"), CodeProcessing, "the whole resource"},
		{change("replace", "Patient", name), CodeProcessing, "the whole resource"},
		{change("replace", "Patient.gender", `"valueCode":"male"`), CodeProcessing, "selects 0 elements"},
		{change("add", "Patient.name.period", called("start"), `"valueDateTime":"2020"`), CodeProcessing, "selects 0 elements"},
		{change("add", "Patient.name", called("suffix"), `"valueString":"x"`), CodeProcessing, "selects 2 elements"},
		{change("replace", "Patient.name.count()", `"valueInteger":1`), CodeProcessing, "computes a value"},
		{change("replace", "Patient.name[0].family + 'x'", `"valueString":"x"`), CodeProcessing, "computes a value"},
		{change("add", "Patient.generalPractitioner.resolve()", called("active"), `"valueBoolean":true`), CodeProcessing, "leads out of the resource"},
		{change("delete", "Patient.name.single()"), CodeProcessing, "2 items"},
		{change("add", "Patient", called("active"), `"valueBoolean":true`), CodeProcessing, "is there already"},
		{change("add", "Patient", called("deceased"), `"valueDateTime":"2020"`), CodeProcessing, "is there already"},
		{change("add", "Patient", called("color"), `"valueString":"x"`), CodeStructure, "not an element of Patient"},
		{change("add", "Patient", called("multipleBirthInteger"), `"valueInteger":1`), CodeStructure, "named without its type"},
		{change("add", "Patient", called("gender"), `"valueString":"male"`), CodeValue, "the value is a string; gender of Patient may be code"},
		{change("add", "Patient", called("multipleBirth"), `"valueDecimal":1.0`), CodeValue, "may be boolean, integer"},
		{change("add", "Patient", called("contact"), `"valueDosage":{"text":"x"}`), CodeValue, "the value is a Dosage"},
		{change("add", "Patient", called("photo"), `"resource":{"resourceType":"Binary","contentType":"a/b"}`), CodeValue, "the value is a resource"},
		{change("add", "Patient", called("gender"), `"part":[{"name":"x","valueCode":"y"}]`), CodeValue, "has parts"},
		{change("add", "Patient", called("contact"), `"part":[{"name":"name","valueString":"y"}]`), CodeValue, "in the value for contact, the value is a string"},
		{change("add", "Patient", called("contact"), `"part":[{"name":"gender","valueCode":"male"},{"name":"gender","valueCode":"male"}]`), CodeProcessing, "gender is there already"},
		{change("add", "Patient", called("gender"), `"valueCode":"red"`), CodeValue, "not a code"},
		{change("insert", "Patient.name", counting("index", "3"), name), CodeProcessing, "index is 3; the list has 2 items, so it may be 0 to 2"},
		{change("insert", "Patient.name", counting("index", "-1"), name), CodeStructure, "from 0 up"},
		{change("insert", "Patient.name", `{"name":"index","valueString":"1"}`, name), CodeStructure, "from 0 up"},
		{change("insert", "Patient.photo", counting("index", "1"), name), CodeProcessing, "may be 0 to 0"},
		{change("insert", "Patient.photo", counting("index", "0"), name), CodeValue, "may be Attachment"},
		{change("insert", "Patient.gender", counting("index", "0"), `"valueCode":"male"`), CodeProcessing, "which is no list"},
		{change("insert", "Patient.active", counting("index", "0"), `"valueBoolean":true`), CodeProcessing, "which is no list"},
		{change("insert", "Patient", counting("index", "0"), name), CodeProcessing, "selects no list"},
		{change("insert", "Patient.contact.name", counting("index", "0"), name), CodeProcessing, "selects no list"},
		{change("insert", "Patient.name.given", counting("index", "0"), `"valueString":"x"`), CodeProcessing, "one whole list"},
		{change("insert", "Patient.name.where(family = 'f')", counting("index", "0"), name), CodeProcessing, "one whole list"},
		{change("move", "Patient.name", counting("source", "2"), counting("destination", "0")), CodeProcessing, "source is 2"},
		{change("move", "Patient.name", counting("source", "0"), counting("destination", "2")), CodeProcessing, "destination is 2"},
		{change("move", "Patient.photo", counting("source", "0"), counting("destination", "0")), CodeProcessing, "source is 0"},
		{change("replace", "Patient.id", `"valueId":"q"`), CodeProcessing, `the id from "p" to "q"`},
		{change("delete", "Patient.id"), CodeProcessing, "the id"},
		{change("delete", "Patient.active") + "," + change("spam", "Patient"), CodeStructure, "Parameters.parameter[1]: spam: its type"},
	} {
		_, err := FHIRPathPatch(parse(t, before), changes(t, c.change), Limits{})
		wantPatchError(t, c.change, err, c.code, c.says)
	}
	_, err := FHIRPathPatch(parse(t, before), parse(t, before), Limits{})
	wantPatchError(t, "a Patient", err, CodeStructure, "is a Parameters resource")
}

func TestFHIRPathPatchLimits(t *testing.T) {
	r := parse(t, `{"resourceType":"Patient","active":true}`)
	op := change("delete", "Patient.name")
	_, err := FHIRPathPatch(r, changes(t, strings.Repeat(op+",", maxOperations)+op), Limits{})
	wantPatchError(t, "many", err, CodeTooLong, "10001 operations")

	long := strings.Repeat("x", 200)
	_, err = FHIRPathPatch(r, changes(t, change("add", "Patient", called("language"), `"valueCode":"`+long+`"`)), Limits{Bytes: 200})
	wantPatchError(t, "growing", err, CodeTooLong, "it may have 200")

	big := parse(t, `{"resourceType":"Patient","name":[{"text":"`+strings.Repeat("y", 1<<19)+`"}],"active":true}`)
	op = change("replace", "Patient.active", `"valueBoolean":true`)
	_, err = FHIRPathPatch(big, changes(t, strings.Repeat(op+",", 999)+op), Limits{})
	wantPatchError(t, "costly", err, CodeTooCostly, "steps")
}

func BenchmarkPatch(b *testing.B) {
	r := parse(b, patchPatient)
	parameters := changes(b, change("replace", "Patient.active", `"valueBoolean":false`), change("add", "Patient.name[1]", called("given"), `"valueString":"g"`))
	patch := []byte(`[{"op":"replace","path":"/active","value":false},{"op":"add","path":"/name/1/given","value":["g"]}]`)
	for name, do := range map[string]func() (*Resource, error){
		"parse":    func() (*Resource, error) { return Parse(r.JSON(), Limits{}) }, // the floor
		"json":     func() (*Resource, error) { return JSONPatch(r, patch, Limits{}) },
		"fhirpath": func() (*Resource, error) { return FHIRPathPatch(r, parameters, Limits{}) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := do(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
