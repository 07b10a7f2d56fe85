package fhirmap

import (
	"strings"
	"testing"
)

// patchTargets are resources in which fuzzed patches find something to do.
var patchTargets = []string{
	patchPatient,
	`{"resourceType":"Observation","id":"o","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"1"}],"text":"c"},` +
		`"valueQuantity":{"value":1.50e1,"unit":"mg"},"component":[{"code":{"text":"x"},"valueString":"y"},{"code":{"text":"z"},"_valueString":{"id":"v","extension":[{"url":"u","valueBoolean":true}]}}],` +
		`"contained":[{"resourceType":"Patient","id":"c","name":[{"given":["a",null],"_given":[null,{"extension":[{"url":"u","valueCode":"c"}]}]}]}],"subject":{"reference":"#c"}}`,
}

// checkPatched holds for every patch: an outcome with a sentence, or a valid resource of the same type and id.
func checkPatched(t *testing.T, r, got *Resource, err error) {
	if err != nil {
		wantOutcome(t, err)
		return
	}
	again, err := Parse(got.JSON(), Limits{})
	if err != nil {
		t.Fatalf("the result does not parse: %v\n%s", err, got.JSON())
	}
	if string(again.JSON()) != string(got.JSON()) || got.Type() != r.Type() || got.ID() != r.ID() {
		t.Errorf("%s/%s became %s", r.Type(), r.ID(), got.JSON())
	}
}

func FuzzJSONPatch(f *testing.F) {
	for _, patch := range []string{
		`[]`, `[{"op":"test","path":"/id","value":"p"},{"op":"add","path":"/name/0/given/-","value":"C"}]`,
		`[{"op":"copy","from":"/name/0","path":"/name/1"},{"op":"remove","path":"/name/2/family"}]`,
		`[{"op":"move","from":"/contained/0/name","path":"/contained/0/contact"},{"op":"replace","path":"","value":{}}]`,
		`[{"op":"replace","path":"/valueQuantity/value","value":-0.10E+2}]`, `[{"op":"test","path":"/~0~1","value":[1,{"a":null}]}]`,
		`[{"op":"copy","from":"","path":"/contained/-"},{"op":"copy","from":"/contained","path":"/contained/0/contained"}]`,
	} {
		f.Add(patch, false)
		f.Add(patch, true)
	}
	f.Fuzz(func(t *testing.T, patch string, second bool) {
		target := patchTargets[0]
		if second {
			target = patchTargets[1]
		}
		r := parse(t, target)
		got, err := JSONPatch(r, []byte(patch), Limits{Bytes: 1 << 20})
		checkPatched(t, r, got, err)
		if string(r.JSON()) != target {
			t.Errorf("%q changed the resource that it was given", patch)
		}
	})
}

func FuzzFHIRPathPatch(f *testing.F) {
	for _, patch := range [][]string{
		{change("add", "Patient", called("contact"), `"part":[{"name":"name","valueHumanName":{"text":"n"}}]`)},
		{change("add", "Observation.component[1].value", called("extension"), `"part":[{"name":"url","valueUri":"v"},{"name":"value","valueDecimal":0.10}]`)},
		{change("insert", "Patient.name[0].given", counting("index", "1"), `"_valueString":{"extension":[{"url":"u","valueId":"x"}]}`), change("delete", "Patient.name[0].given[1]")},
		{change("delete", "Observation.component[1].value.extension"), change("delete", "Observation.contained[0].name.given[1].extension")},
		{change("replace", "Observation.value", `"valueString":"x"`), change("replace", "Observation.component[0].value", `"valueCodeableConcept":{"text":"x"}`)},
		{change("move", "Observation.contained.name.given", counting("source", "1"), counting("destination", "0"))},
		{change("add", "subject.resolve()", called("contained"), `"resource":{"resourceType":"Patient"}`)},
		{change("replace", "descendants().where($this is code)", `"valueCode":"amended"`)},
	} {
		f.Add(string(changes(f, patch...).JSON()), false)
		f.Add(string(changes(f, patch...).JSON()), true)
	}
	f.Fuzz(func(t *testing.T, patch string, second bool) {
		target := patchTargets[0]
		if second {
			target = patchTargets[1]
		}
		parameters, err := Parse([]byte(patch), Limits{})
		if err != nil || strings.Contains(patch, "now()") {
			return
		}
		r := parse(t, target)
		got, err := FHIRPathPatch(r, parameters, Limits{Bytes: 1 << 20})
		checkPatched(t, r, got, err)
		if string(r.JSON()) != target || string(parameters.JSON()) != string(mustJSON(t, patch)) {
			t.Errorf("%q changed what it was given", patch)
		}
	})
}

func mustJSON(t *testing.T, body string) []byte {
	t.Helper()
	return parse(t, body).JSON()
}

// FuzzFHIRPathPatchOperation fuzzes one operation by its parts, which bytes alone would seldom make.
func FuzzFHIRPathPatchOperation(f *testing.F) {
	for kind := range pathNeeds {
		for _, path := range []string{"Patient.name[0].given", "Observation.component[1].value.extension", "contained.name.given[1]", "name", "Observation.value", "code.coding[0].system"} {
			f.Add(kind, path, "extension", `"valueString":"x"`, "1", "0", true)
			f.Add(kind, path, "given", `"_valueString":{"id":"y","extension":[{"url":"u","valueString":"s"}]}`, "0", "1", false)
			f.Add(kind, path, "name", `"part":[{"name":"given","valueString":"a"},{"name":"given","valueString":"b"},{"name":"period","part":[{"name":"start","valueDateTime":"2020"}]}]`, "2", "1", false)
		}
	}
	f.Fuzz(func(t *testing.T, kind, path, name, value, from, to string, second bool) {
		target := patchTargets[0]
		if second {
			target = patchTargets[1]
		}
		texts := []string{kind, name}
		for i := range texts {
			texts[i] = strings.Trim(string(appendText(nil, texts[i])), `"`)
		}
		operation := change(texts[0], path, called(texts[1]), `{"name":"value",`+value+`}`, counting("index", from), counting("source", from), counting("destination", to))
		parameters, err := Parse([]byte(`{"resourceType":"Parameters","parameter":[`+operation+`,`+operation+`]}`), Limits{})
		if err != nil {
			return
		}
		r := parse(t, target)
		got, err := FHIRPathPatch(r, parameters, Limits{Bytes: 1 << 20})
		checkPatched(t, r, got, err)
	})
}
