package fhirmap

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// issuesOf parses what must be refused.
func issuesOf(t *testing.T, body string, l Limits) []Issue {
	t.Helper()
	r, err := Parse([]byte(body), l)
	var o *Outcome
	if !errors.As(err, &o) {
		t.Fatalf("Parse(%s) = %v, %v; want an *Outcome", body, r, err)
	}
	if r != nil {
		t.Errorf("Parse(%s) gives a resource beside an error", body)
	}
	if len(o.Issues) == 0 {
		t.Fatalf("Parse(%s): an outcome without issues", body)
	}
	if _, err := Parse(o.JSON(), Limits{}); err != nil {
		t.Errorf("the outcome of %s is no valid OperationOutcome: %v", body, err)
	}
	return o.Issues
}

func TestParseRefuses(t *testing.T) {
	observation := func(members string) string {
		return `{"resourceType":"Observation","status":"final","code":{"text":"x"}` + members + `}`
	}
	patient := func(members string) string { return `{"resourceType":"Patient"` + members + `}` }
	for _, c := range []struct {
		name, body string
		code       Code
		expression string
		says       string
	}{
		// JSON
		{"nothing", ``, CodeStructure, "", "ends too early"},
		{"white space", "  \n", CodeStructure, "", "ends too early"},
		{"an array", `[]`, CodeStructure, "", "a resource is a JSON object"},
		{"a string", `"Patient"`, CodeStructure, "", "the input is a string"},
		{"cut off", `{"resourceType":"Patient","active":tr`, CodeStructure, "", "ends too early"},
		{"cut off between members", `{"resourceType":"Patient"`, CodeStructure, "", "ends too early"},
		{"no comma", `{"resourceType":"Patient" "active":true}`, CodeStructure, "", "line 1, byte 27"},
		{"second line", "{\"resourceType\":\"Patient\",\n\"active\":yes}", CodeStructure, "", "line 2, byte 10"},
		{"trailing comma", `{"resourceType":"Patient","active":true,}`, CodeStructure, "", "not well formed"},
		{"trailing garbage", `{"resourceType":"Patient"}x`, CodeStructure, "", "not well formed"},
		{"second resource", `{"resourceType":"Patient"} {"resourceType":"Patient"}`, CodeStructure, "", "more after the resource"},
		{"trailing brace", `{"resourceType":"Patient"}}`, CodeStructure, "", "not well formed"},
		{"leading zeros", observation(`,"valueInteger":007`), CodeStructure, "", "not well formed"},
		{"not a number", observation(`,"valueQuantity":{"value":NaN}`), CodeStructure, "", "not well formed"},
		{"invalid UTF-8", patient(`,"name":[{"text":"` + "\xff" + `"}]`), CodeStructure, "", "UTF-8"},
		{"half a surrogate pair", patient(`,"name":[{"text":"\ud800"}]`), CodeStructure, "", "surrogate"},
		{"raw control character", patient(",\"name\":[{\"text\":\"a\x01\"}]"), CodeStructure, "", "not well formed"},
		{"byte order mark", "\ufeff" + `{"resourceType":"Patient"}`, CodeStructure, "", "not well formed"},

		// resource types
		{"no resourceType", `{"active":true}`, CodeStructure, "", "has no resourceType"},
		{"resourceType of another kind", `{"resourceType":7}`, CodeStructure, "", "has no resourceType"},
		{"unknown resourceType", `{"resourceType":"Pateint"}`, CodeStructure, "", `"Pateint" is not a resource type`},
		{"a data type", `{"resourceType":"HumanName","family":"x"}`, CodeStructure, "", "not a resource type"},
		{"abstract type", `{"resourceType":"DomainResource"}`, CodeStructure, "", "not a resource type"},
		{"resourceType in lower case", `{"resourceType":"patient"}`, CodeStructure, "", "not a resource type"},
		{"resourceType twice", `{"resourceType":"Patient","resourceType":"Patient"}`, CodeStructure, "Patient", "resourceType stands twice"},
		{"resourceType inside", patient(`,"name":[{"resourceType":"Patient","text":"x"}]`), CodeStructure, "Patient.name[0]", "stands in resources only"},

		// members
		{"unknown member", patient(`,"nmae":[{"text":"x"}]`), CodeStructure, "Patient", `"nmae" is not an element of Patient`},
		{"wrong case", patient(`,"Active":true`), CodeStructure, "Patient", "; active is"},
		{"member of another type", patient(`,"valueString":"x"`), CodeStructure, "Patient", "not an element of Patient"},
		{"comments", patient(`,"fhir_comments":["x"]`), CodeStructure, "Patient", "not an element"},
		{"taken apart by google", observation(`,"subject":{"patientId":"7"}`), CodeStructure, "Observation.subject", `"patientId" is not an element of Reference`},
		{"choice without type", observation(`,"value":"x"`), CodeStructure, "Observation", "valueBoolean"},
		{"choice of a wrong type", observation(`,"valueDecimal":1.5`), CodeStructure, "Observation", `"valueDecimal" is not an element`},
		{"choice twice", observation(`,"valueString":"x","valueInteger":1`), CodeStructure, "Observation", "valueString and valueInteger are both there"},
		{"choice twice, beside", observation(`,"valueString":"x","_valueInteger":{"id":"a"}`), CodeStructure, "Observation", "are both there"},
		{"underscore of an object", patient(`,"_name":[{"id":"a"}]`), CodeStructure, "Patient", "only primitives have"},
		{"duplicate", patient(`,"active":true,"active":true`), CodeStructure, "Patient", "active stands twice"},
		{"duplicate by escape", patient(`,"active":true,"\u0061ctive":false`), CodeStructure, "Patient", "active stands twice"},
		{"duplicate inside", patient(`,"name":[{"given":["a"],"given":["b"]}]`), CodeStructure, "Patient.name[0]", "given stands twice"},
		{"duplicate beside", patient(`,"_active":{"extension":[{"url":"a:b","valueCode":"c"}]},"_active":{"id":"b"}`), CodeStructure, "Patient", "_active stands twice"},
		{"value of a primitive", patient(`,"_active":{"value":true}`), CodeStructure, "Patient.active", `"value" is not an element of boolean`},

		// shapes
		{"empty array", patient(`,"name":[]`), CodeStructure, "Patient.name", "empty array"},
		{"empty array of primitives", patient(`,"name":[{"given":[]}]`), CodeStructure, "Patient.name[0].given", "empty array"},
		{"empty object", patient(`,"maritalStatus":{}`), CodeStructure, "Patient.maritalStatus", "empty; leave it out"},
		{"empty object in array", patient(`,"name":[{"text":"x"},{}]`), CodeStructure, "Patient.name[1]", "empty; leave it out"},
		{"empty object beside", patient(`,"_active":{}`), CodeStructure, "Patient.active", "empty; leave it out"},
		{"empty meta", patient(`,"meta":{}`), CodeStructure, "Patient.meta", "empty; leave it out"},
		{"empty string", patient(`,"name":[{"family":""}]`), CodeStructure, "Patient.name[0].family", "empty string"},
		{"empty id", patient(`,"id":""`), CodeStructure, "Patient.id", "empty string"},
		{"empty name", patient(`,"":1`), CodeStructure, "Patient", `"" is not an element`},
		{"null", patient(`,"active":null`), CodeStructure, "Patient.active", "null; leave it out"},
		{"null object", patient(`,"maritalStatus":null`), CodeStructure, "Patient.maritalStatus", "null"},
		{"null array", patient(`,"name":null`), CodeStructure, "Patient.name", "must be an array"},
		{"null among objects", patient(`,"name":[{"text":"x"},null]`), CodeStructure, "Patient.name[1]", "null"},
		{"null among primitives", patient(`,"name":[{"given":["a",null]}]`), CodeStructure, "Patient.name[0].given[1]", "_given must have an id or extension"},
		{"null in both", patient(`,"name":[{"given":["a",null],"_given":[{"id":"x"},null]}]`), CodeStructure, "Patient.name[0].given[1]", "left out"},
		{"null beside alone", patient(`,"name":[{"_given":[null]}]`), CodeStructure, "Patient.name[0].given[0]", "left out"},
		{"null beside", patient(`,"active":true,"_active":null`), CodeStructure, "Patient.active", "null"},
		{"lengths differ", patient(`,"name":[{"given":["a","b"],"_given":[{"extension":[{"url":"a:b","valueCode":"c"}]}]}]`), CodeStructure, "Patient.name[0].given", "differ in length"},
		{"lengths differ the other way", patient(`,"name":[{"given":["a"],"_given":[null,{"extension":[{"url":"a:b","valueCode":"c"}]}]}]`), CodeStructure, "Patient.name[0].given", "differ in length"},
		{"object for array", patient(`,"name":{"text":"x"}`), CodeStructure, "Patient.name", "must be an array, with one item too"},
		{"array for object", patient(`,"maritalStatus":[{"text":"x"}]`), CodeStructure, "Patient.maritalStatus", "does not repeat"},
		{"array for primitive", patient(`,"active":[true]`), CodeStructure, "Patient.active", "does not repeat"},
		{"array in array", patient(`,"name":[[{"text":"x"}]]`), CodeStructure, "Patient.name[0]", "is an array"},
		{"string for object", patient(`,"name":["x"]`), CodeStructure, "Patient.name[0]", "must be an object, HumanName"},
		{"string for boolean", patient(`,"active":"true"`), CodeStructure, "Patient.active", "is a string; it must be a boolean"},
		{"number for string", patient(`,"name":[{"family":7}]`), CodeStructure, "Patient.name[0].family", "is a number; it must be a string, since its type is string"},
		{"string for number", observation(`,"valueQuantity":{"value":"7"}`), CodeStructure, "Observation.value.value", "must be a number, since its type is decimal"},
		{"object for primitive", patient(`,"birthDate":{"id":"x"}`), CodeStructure, "Patient.birthDate", "is an object; it must be a string"},
		{"string beside", patient(`,"_active":"x"`), CodeStructure, "Patient.active", "must be an object with the id or extensions"},
		{"id only", patient(`,"maritalStatus":{"id":"x"}`), CodeInvariant, "Patient.maritalStatus", "ele-1"},
		{"id only beside", patient(`,"name":[{"_given":[{"id":"x"}]}]`), CodeInvariant, "Patient.name[0].given[0]", "ele-1"},

		// values
		{"id with underscore", patient(`,"id":"a_b"`), CodeValue, "Patient.id", `"a_b" is not an id`},
		{"id too long", patient(`,"id":"` + strings.Repeat("a", 65) + `"`), CodeValue, "Patient.id", "1 to 64"},
		{"code out of its set", patient(`,"gender":"femal"`), CodeValue, "Patient.gender", `"femal" is not a code of http://hl7.org/fhir/ValueSet/administrative-gender; it may be female, male, other, unknown`},
		{"code in upper case", patient(`,"gender":"FEMALE"`), CodeValue, "Patient.gender", "is not a code of"},
		{"code with underscore", observation(`,"component":[{"code":{"text":"x"},"dataAbsentReason":{"coding":[{"code":"a  b"}]}}]`), CodeValue, "Observation.component[0].dataAbsentReason.coding[0].code", "single spaces"},
		{"code with space around", patient(`,"language":" de"`), CodeValue, "Patient.language", "single spaces"},
		{"date that is none", patient(`,"birthDate":"1951-02-29"`), CodeValue, "Patient.birthDate", "is not a date such as"},
		{"date with time", patient(`,"birthDate":"1951-02-01T00:00:00Z"`), CodeValue, "Patient.birthDate", "is not a date"},
		{"date of year 0", patient(`,"birthDate":"0000"`), CodeValue, "Patient.birthDate", "is not a date"},
		{"date otherwise", patient(`,"birthDate":"1.2.1951"`), CodeValue, "Patient.birthDate", "is not a date"},
		{"dateTime without zone", observation(`,"effectiveDateTime":"2026-03-02T08:15:00"`), CodeValue, "Observation.effective", "with seconds and zone"},
		{"dateTime without seconds", observation(`,"effectiveDateTime":"2026-03-02T08:15Z"`), CodeValue, "Observation.effective", "with seconds"},
		{"dateTime of hour 24", observation(`,"effectiveDateTime":"2026-03-02T24:00:00Z"`), CodeValue, "Observation.effective", "is not a dateTime"},
		{"dateTime of month and time", observation(`,"effectiveDateTime":"2026-03T08:15:00Z"`), CodeValue, "Observation.effective", "is not a dateTime"},
		{"dateTime of zone 15", observation(`,"effectiveDateTime":"2026-03-02T08:15:00+15:00"`), CodeValue, "Observation.effective", "is not a dateTime"},
		{"instant without time", observation(`,"issued":"2026-03-02"`), CodeValue, "Observation.issued", "is not an instant"},
		{"time without seconds", observation(`,"valueTime":"08:15"`), CodeValue, "Observation.value", "is not a time such as"},
		{"integer with fraction", observation(`,"valueInteger":1.0`), CodeValue, "Observation.value", "is not an integer"},
		{"integer with exponent", observation(`,"valueInteger":1e2`), CodeValue, "Observation.value", "is not an integer"},
		{"integer too large", observation(`,"valueInteger":2147483648`), CodeValue, "Observation.value", "is not an integer"},
		{"positiveInt 0", patient(`,"telecom":[{"rank":0}]`), CodeValue, "Patient.telecom[0].rank", "from 1 to"},
		{"unsignedInt below 0", `{"resourceType":"Bundle","type":"searchset","total":-1}`, CodeValue, "Bundle.total", "from 0 to"},
		{"uri with space", patient(`,"implicitRules":"a b"`), CodeValue, "Patient.implicitRules", "a uri has none"},
		{"uri that is none", patient(`,"implicitRules":"http://[x"`), CodeValue, "Patient.implicitRules", "is not a valid uri"},
		{"oid", patient(`,"extension":[{"url":"a:b","valueOid":"1.2.3"}]`), CodeValue, "Patient.extension[0].value", "urn:oid:"},
		{"uuid in upper case", patient(`,"extension":[{"url":"a:b","valueUuid":"urn:uuid:C757873D-EC9A-4326-A141-556F43239520"}]`), CodeValue, "Patient.extension[0].value", "in lower case"},
		{"base64 with a dash", patient(`,"photo":[{"data":"ab-d"}]`), CodeValue, "Patient.photo[0].data", "base64"},
		{"base64 cut", patient(`,"photo":[{"data":"YWJ"}]`), CodeValue, "Patient.photo[0].data", "groups of four"},
		{"base64 with padding inside", patient(`,"photo":[{"data":"YQ==YQ=="}]`), CodeValue, "Patient.photo[0].data", "after the padding"},
		{"escaped control character", patient(`,"name":[{"text":"a\u0001"}]`), CodeValue, "Patient.name[0].text", "U+0001"},
		{"string too long", patient(`,"name":[{"text":"` + strings.Repeat("a", 1<<20+1) + `"}]`), CodeValue, "Patient.name[0].text", "1048577 bytes"},

		// resources in resources
		{"contained without type", patient(`,"contained":[{"id":"a"}]`), CodeStructure, "Patient.contained[0]", "has no resourceType"},
		{"contained of an unknown type", patient(`,"contained":[{"resourceType":"Foo","id":"a"}]`), CodeStructure, "Patient.contained[0]", `"Foo" is not a resource type`},
		{"contained string", patient(`,"contained":["#a"]`), CodeStructure, "Patient.contained[0]", "must be a resource"},
		{"contained null", patient(`,"contained":[null]`), CodeStructure, "Patient.contained[0]", "null"},
		{"contained in contained", patient(`,"contained":[{"resourceType":"Patient","id":"a","contained":[{"resourceType":"Patient","id":"b"}]}]`), CodeInvariant, "Patient.contained[0].contained[0]", "dom-2"},
		{"contained with version", patient(`,"contained":[{"resourceType":"Patient","id":"a","meta":{"versionId":"1"}}]`), CodeInvariant, "Patient.contained[0]", "dom-4"},
		{"contained with label", patient(`,"contained":[{"resourceType":"Patient","id":"a","meta":{"security":[{"code":"R"}]}}]`), CodeInvariant, "Patient.contained[0]", "dom-5"},
		{"value in contained", patient(`,"contained":[{"resourceType":"Patient","id":"a","gender":"x"}]`), CodeValue, "Patient.contained[0].gender", "is not a code"},
		{"missing in contained", patient(`,"contained":[{"resourceType":"Observation","id":"a","code":{"text":"x"}}]`), CodeRequired, "Patient.contained[0].status", "status is missing"},
		{"reference in contained", patient(`,"contained":[{"resourceType":"Patient","id":"a","managingOrganization":{"reference":"Patient/1"}}]`), CodeValue, "Patient.contained[0].managingOrganization", "may refer to Organization"},
		{"entry", `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","gender":"x"}}]}`, CodeValue, "Bundle.entry[0].resource.gender", "is not a code"},
		{"missing in entry", `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Observation","code":{"text":"x"}}}]}`, CodeRequired, "Bundle.entry[0].resource.status", "Observation must have status"},
		{"missing in contained of entry", `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","contained":[{"resourceType":"Observation","id":"a","code":{"text":"x"}}]}}]}`, CodeRequired, "Bundle.entry[0].resource.contained[0].status", "status is missing"},
		{"missing in parameter", `{"resourceType":"Parameters","parameter":[{"name":"a","resource":{"resourceType":"Observation","code":{"text":"x"}}}]}`, CodeRequired, "Parameters.parameter[0].resource.status", "status is missing"},
		{"missing in parameter of parameter", `{"resourceType":"Parameters","parameter":[{"name":"a","part":[{"name":"b","resource":{"resourceType":"Parameters","parameter":[{"resource":{"resourceType":"Patient"}}]}}]}]}`,
			CodeRequired, "Parameters.parameter[0].part[0].resource.parameter[0].name", "Parameters.parameter must have name"},
		{"parameter", `{"resourceType":"Parameters","parameter":[{"name":"a","resource":{"resourceType":"Patient","name":"x"}}]}`, CodeStructure, "Parameters.parameter[0].resource.name", "must be an array"},

		// elements that must be there, types of references
		{"missing element", `{"resourceType":"Observation","code":{"text":"x"}}`, CodeRequired, "Observation.status", "status is missing; Observation must have status"},
		{"missing choice", `{"resourceType":"MedicationRequest","status":"active","intent":"order","subject":{"reference":"Patient/1"}}`, CodeRequired, "MedicationRequest.medication", "medicationCodeableConcept, medicationReference"},
		{"missing in backbone", observation(`,"component":[{"valueString":"x"}]`), CodeRequired, "Observation.component[0].code", "Observation.component must have code"},
		{"missing in extension", patient(`,"extension":[{"valueString":"x"}]`), CodeRequired, "Patient.extension[0].url", "Extension must have url"},
		{"missing in extension of a primitive", patient(`,"name":[{"given":["a","b"],"_given":[null,{"extension":[{"valueString":"x"}]}]}]`), CodeRequired, "Patient.name[0].given[1].extension[0].url", "url is missing"},
		{"reference to another type", observation(`,"subject":{"reference":"Observation/1"}`), CodeValue, "Observation.subject", "subject refers to Observation; it may refer to Patient"},
		{"reference in a choice", `{"resourceType":"MedicationRequest","status":"active","intent":"order","subject":{"reference":"Patient/1"},"medicationReference":{"reference":"Patient/1"}}`, CodeValue, "MedicationRequest.medication", "may refer to Medication"},
	} {
		t.Run(c.name, func(t *testing.T) {
			issues := issuesOf(t, c.body, Limits{})
			if len(issues) != 1 {
				t.Errorf("%d issues, want 1: %+v", len(issues), issues)
			}
			is := issues[0]
			if is.Code != c.code || is.Expression != c.expression || !strings.Contains(is.Diagnostics, c.says) {
				t.Errorf("got %s at %q: %q\nwant %s at %q: ...%s...", is.Code, is.Expression, is.Diagnostics, c.code, c.expression, c.says)
			}
		})
	}
}

// All that is wrong with syntax and types comes at once; what is missing comes after it, all at once.
func TestParseReportsAll(t *testing.T) {
	got := issuesOf(t, `{"resourceType":"Observation","id":"a b","foo":1,"valueString":"","component":[{"valueQuantity":{"value":"1","code":7}},null],`+
		`"issued":"now","effectiveDateTime":"2026-13"}`, Limits{})
	want := []string{"Observation.id", "Observation", "Observation.value", "Observation.component[0].value.value",
		"Observation.component[0].value.code", "Observation.component[1]", "Observation.issued", "Observation.effective"}
	if g := expressions(got); g != fmt.Sprint(want) {
		t.Errorf("types:\n got %s\nwant %s", g, want)
	}
	var components []string
	want = nil
	for i := range 12 {
		components = append(components, `{"valueString":"x"}`)
		want = append(want, fmt.Sprintf("Observation.component[%d].code", i))
	}
	got = issuesOf(t, `{"resourceType":"Observation","component":[`+strings.Join(components, ",")+`],"code":{"text":"x"},"subject":{"reference":"Slot/1"}}`, Limits{})
	want = append(want, "Observation.status", "Observation.subject")
	if g := expressions(got); g != fmt.Sprint(want) {
		t.Errorf("missing:\n got %s\nwant %s", g, want)
	}
}

func expressions(issues []Issue) string {
	var all []string
	for _, is := range issues {
		all = append(all, is.Expression)
	}
	return fmt.Sprint(all)
}

func TestParseCapsIssues(t *testing.T) {
	names := strings.Repeat(`{"x":1},`, 5000)
	for _, body := range []string{
		`{"resourceType":"Patient","name":[` + names + `{"text":"x"}]}`,
		`{"resourceType":"Patient","contact":[` + strings.Repeat(`{"extension":[{"valueCode":"x"}]},`, 5000) + `{"name":{"text":"x"}}]}`,
	} {
		issues := issuesOf(t, body, Limits{})
		if len(issues) != maxIssues+1 || issues[maxIssues].Code != CodeTooLong {
			t.Errorf("%d issues, the last %+v; want %d and one that says that there is more", len(issues), issues[len(issues)-1], maxIssues)
		}
	}
}

func TestParseLimits(t *testing.T) {
	deep := `{"resourceType":"Patient","extension":` + strings.Repeat(`[{"url":"a:b","extension":`, 20) + `[{"url":"a:b","valueCode":"c"}]` + strings.Repeat(`}]`, 20) + `}`
	wide := `{"resourceType":"Patient","name":[{"given":["a"` + strings.Repeat(`,"a"`, 98) + `]}]}`
	for _, c := range []struct {
		name, body string
		exact      Limits // the least that lets the body pass
		less       Limits
	}{
		{"depth", deep, Limits{Depth: 43}, Limits{Depth: 42}},
		{"bytes", deep, Limits{Bytes: len(deep)}, Limits{Bytes: len(deep) - 1}},
		{"nodes", wide, Limits{Nodes: 101}, Limits{Nodes: 100}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Parse([]byte(c.body), c.exact); err != nil {
				t.Errorf("at the limit: %v", err)
			}
			if issues := issuesOf(t, c.body, c.less); len(issues) != 1 || issues[0].Code != CodeTooLong {
				t.Errorf("beyond the limit: %+v, want one issue, %s", issues, CodeTooLong)
			}
		})
	}
	// Unknown members are read by others; they must not be a way around.
	for _, body := range []string{
		`{"resourceType":"Patient","x":` + strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000) + `}`,
		strings.Repeat(`{"resourceType":"Bundle","type":"collection","entry":[{"resource":`, 10_000),
		strings.Repeat(`{"type":"collection","entry":[{"resource":`, 10_000),
	} {
		issuesOf(t, body, Limits{})
	}
}
