package fhirmap

import (
	"errors"
	"strings"
	"testing"
)

// patchPatient has digits, escapes and an order of members that nothing but a copy keeps.
const patchPatient = `{"resourceType":"Patient","id":"p","name":[{"family":"Re\u00edd","given":["A","B"]},{"family":"X/Y~Z"}],` +
	`"extension":[{"url":"http://x.org/dose","valueDecimal":1.50}],"active":true}`

func TestJSONPatch(t *testing.T) {
	for _, c := range []struct{ name, patch, want string }{
		{"nothing", `[]`, patchPatient},
		{"white space", " [ ]\n", patchPatient},
		{"add a member comes last", `[{"op":"add","path":"/gender","value":"female"}]`,
			strings.Replace(patchPatient, `"active":true`, `"active":true,"gender":"female"`, 1)},
		{"add replaces in place", `[{"op":"add","path":"/name/0/family","value":"Q"}]`, strings.Replace(patchPatient, `Re\u00edd`, `Q`, 1)},
		{"add into an array", `[{"op":"add","path":"/name/0/given/1","value":"C"}]`, strings.Replace(patchPatient, `"A","B"`, `"A","C","B"`, 1)},
		{"add at the end", `[{"op":"add","path":"/name/0/given/2","value":"C"}]`, strings.Replace(patchPatient, `"A","B"`, `"A","B","C"`, 1)},
		{"add at -", `[{"op":"add","path":"/name/0/given/-","value":"C"}]`, strings.Replace(patchPatient, `"A","B"`, `"A","B","C"`, 1)},
		{"add keeps digits", `[{"op":"add","path":"/extension/-","value": {"url" : "u", "valueDecimal":-0.00100e1}}]`,
			strings.Replace(patchPatient, `1.50}]`, `1.50},{"url":"u","valueDecimal":-0.00100e1}]`, 1)},
		{"remove a member", `[{"op":"remove","path":"/extension"}]`,
			strings.Replace(patchPatient, `"extension":[{"url":"http://x.org/dose","valueDecimal":1.50}],`, ``, 1)},
		{"remove an item", `[{"op":"remove","path":"/name/0/given/0"}]`, strings.Replace(patchPatient, `"A",`, ``, 1)},
		{"remove twice shifts", `[{"op":"remove","path":"/name/0/given/0"},{"op":"remove","path":"/name/1"}]`,
			strings.Replace(strings.Replace(patchPatient, `"A",`, ``, 1), `,{"family":"X/Y~Z"}`, ``, 1)},
		{"replace", `[{"op":"replace","path":"/active","value":false}]`, strings.Replace(patchPatient, `true`, `false`, 1)},
		{"replace an item", `[{"op":"replace","path":"/name/1","value":{"text":"T"}}]`, strings.Replace(patchPatient, `"family":"X/Y~Z"`, `"text":"T"`, 1)},
		{"replace all", `[{"op":"replace","path":"","value":{"resourceType":"Patient","id":"p"}}]`, `{"resourceType":"Patient","id":"p"}`},
		{"add all", `[{"op":"add","path":"","value":{"id":"p","resourceType":"Patient"}}]`, `{"id":"p","resourceType":"Patient"}`},
		{"move a member", `[{"op":"move","from":"/name/1/family","path":"/name/1/text"}]`, strings.Replace(patchPatient, `"family":"X/Y~Z"`, `"text":"X/Y~Z"`, 1)},
		{"move in an array", `[{"op":"move","from":"/name/0/given/1","path":"/name/0/given/0"}]`, strings.Replace(patchPatient, `"A","B"`, `"B","A"`, 1)},
		{"move to where it is", `[{"op":"move","from":"/name/0","path":"/name/0"}]`, patchPatient},
		{"move what was changed", `[{"op":"add","path":"/name/1/given","value":["N"]},{"op":"move","from":"/name/1","path":"/name/0"}]`,
			strings.Replace(strings.Replace(patchPatient, `,{"family":"X/Y~Z"}`, ``, 1), `"name":[`, `"name":[{"family":"X/Y~Z","given":["N"]},`, 1)},
		{"copy", `[{"op":"copy","from":"/name/0/given/0","path":"/name/1/text"}]`, strings.Replace(patchPatient, `"X/Y~Z"`, `"X/Y~Z","text":"A"`, 1)},
		{"a copy is its own", `[{"op":"copy","from":"/name/0","path":"/name/2"},{"op":"remove","path":"/name/2/given"}]`,
			strings.Replace(patchPatient, `"X/Y~Z"}`, `"X/Y~Z"},{"family":"Re\u00edd"}`, 1)},
		{"test a string whatever its escapes", `[{"op":"test","path":"/name/0/family","value":"Re\u00ed\u0064"}]`, patchPatient},
		{"test a number by value", `[{"op":"test","path":"/extension/0/valueDecimal","value":15E-1}]`, patchPatient},
		{"test an object in any order", `[{"op":"test","path":"/extension/0","value":{"valueDecimal":1.5,"url":"http://x.org/dose"}}]`, patchPatient},
		{"test an array", `[{"op":"test","path":"/name/0/given","value":["A","B"]}]`, patchPatient},
		{"test all", `[{"op":"test","path":"","value":` + patchPatient + `}]`, patchPatient},
		{"other members of an operation", `[{"op":"replace","path":"/active","value":false,"from":7,"comment":"x"}]`, strings.Replace(patchPatient, `true`, `false`, 1)},
		{"an escaped member of the patch", `[{"\u006fp":"test","path":"/active","value":true}]`, patchPatient},
		{"the id goes and comes back", `[{"op":"move","from":"/id","path":"/language"},{"op":"move","from":"/language","path":"/id"}]`,
			strings.Replace(patchPatient, `"id":"p",`, ``, 1)[:len(patchPatient)-len(`"id":"p",}`)] + `,"id":"p"}`},
	} {
		r := parse(t, patchPatient)
		got, err := JSONPatch(r, []byte(c.patch), Limits{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if string(got.JSON()) != c.want {
			t.Errorf("%s gave\n%s, want\n%s", c.name, got.JSON(), c.want)
		}
		if string(r.JSON()) != patchPatient {
			t.Fatalf("%s changed the resource it began with: %s", c.name, r.JSON())
		}
	}
}

// Names with / and ~ do not occur in FHIR, but RFC 6901 has them, so they are tried on a node itself.
func TestJSONPointer(t *testing.T) {
	doc := `{"a/b":1,"m~n":2,"~1":3,"":{"":4},"k\"l":5,"é":6}`
	for _, c := range []struct{ path, value string }{
		{"/a~1b", "1"}, {"/m~0n", "2"}, {"/~01", "3"}, {"/", `{"":4}`}, {"//", "4"}, {`/k\"l`, "5"}, {"/\u00e9", "6"},
	} {
		for value, holds := range map[string]bool{c.value: true, "7": false} {
			l := Limits{}.withDefaults()
			patch, err := readJSON([]byte(`{"op":"test","path":"`+c.path+`","value":`+value+`}`), "patch", l)
			if err != nil {
				t.Fatal(err)
			}
			op, err := readOperation(0, patch, l)
			if err != nil {
				t.Fatal(err)
			}
			p := &jsonPatch{root: &node{json: []byte(doc)}, limits: l}
			if err := p.apply(op); (err == nil) != holds {
				t.Errorf("%s against %s: %v", c.path, value, err)
			}
		}
	}
}

func TestJSONPatchRefuses(t *testing.T) {
	deep := strings.Repeat("/a", 101)
	nested := strings.Repeat("[", 110) + strings.Repeat("]", 110)
	for _, c := range []struct {
		patch string
		code  Code
		says  string // a part of the message
	}{
		{``, CodeStructure, "ends too early"},
		{`[`, CodeStructure, "ends too early"},
		{`[}`, CodeStructure, "not well formed at byte 1"},
		{`[] []`, CodeStructure, "more after the patch"},
		{`{"op":"add"}`, CodeStructure, "an array of operations"},
		{`[1]`, CodeStructure, "operation 0: it is no object"},
		{`[{"op":"test","op":"add","path":"/active","value":1}]`, CodeStructure, "duplicate"},
		{`[{"op":"test","path":"/active","value":true},{}]`, CodeStructure, "operation 1: it has no op"},
		{`[{"op":"add","value":1}]`, CodeStructure, "it has no path"},
		{`[{"op":"add","path":null,"value":1}]`, CodeStructure, "it has no path"},
		{`[{"op":"spam","path":"/active","value":1}]`, CodeStructure, `operation 0 (spam "/active"): there is no such operation`},
		{`[{"op":"add","path":"/active"}]`, CodeStructure, "it has no value"},
		{`[{"op":"copy","path":"/active"}]`, CodeStructure, "it has no from"},
		{`[{"op":"move","path":"/active","from":1}]`, CodeStructure, "it has no from"},
		{`[{"op":"remove","path":"active"}]`, CodeStructure, "no JSON Pointer"},
		{`[{"op":"remove","path":"/a~2"}]`, CodeStructure, "a ~ that is not ~0"},
		{`[{"op":"remove","path":"/a~"}]`, CodeStructure, "a ~ that is not ~0"},
		{`[{"op":"remove","path":"` + deep + `"}]`, CodeTooLong, "101 steps"},
		{`[{"op":"add","path":"/a","value":` + nested + `}]`, CodeTooLong, "nested"},
		{`[{"op":"remove","path":"/gender"}]`, CodeProcessing, `the resource has no member "gender"`},
		{`[{"op":"remove","path":"/name/2"}]`, CodeProcessing, "/name has 2 items, and none at 2"},
		{`[{"op":"remove","path":"/name/-"}]`, CodeProcessing, "only an add may"},
		{`[{"op":"remove","path":"/name/00"}]`, CodeProcessing, "no place in it"},
		{`[{"op":"remove","path":"/name/1e0"}]`, CodeProcessing, "no place in it"},
		{`[{"op":"remove","path":"/name/+1"}]`, CodeProcessing, "no place in it"},
		{`[{"op":"remove","path":"/name/-1"}]`, CodeProcessing, "no place in it"},
		{`[{"op":"remove","path":"/name/99999999999999999999"}]`, CodeProcessing, "no place in it"},
		{`[{"op":"remove","path":"/active/x"}]`, CodeProcessing, "neither object nor array"},
		{`[{"op":"remove","path":""}]`, CodeProcessing, "the whole resource"},
		{`[{"op":"move","from":"","path":"/a"}]`, CodeProcessing, "into itself"},
		{`[{"op":"replace","path":"/gender","value":"male"}]`, CodeProcessing, "no member"},
		{`[{"op":"add","path":"/name/3","value":{}}]`, CodeProcessing, "may stand at 0 to 2"},
		{`[{"op":"add","path":"/contact/name","value":{}}]`, CodeProcessing, `no member "contact"`},
		{`[{"op":"add","path":"/active/x","value":{}}]`, CodeProcessing, "nothing can be added"},
		{`[{"op":"move","from":"/name/0","path":"/name/0/given"}]`, CodeProcessing, "into itself"},
		{`[{"op":"move","from":"/gender","path":"/gender"}]`, CodeProcessing, "no member"},
		{`[{"op":"copy","from":"/gender","path":"/active"}]`, CodeProcessing, "which from names"},
		{`[{"op":"test","path":"/active","value":false}]`, CodeBusinessRule, `operation 0 (test "/active"): the test does not hold: the resource has true`},
		{`[{"op":"test","path":"/active","value":"true"}]`, CodeBusinessRule, "does not hold"},
		{`[{"op":"test","path":"/gender","value":null}]`, CodeBusinessRule, "no member"},
		{`[{"op":"test","path":"/name/0/given","value":["B","A"]}]`, CodeBusinessRule, "does not hold"},
		{`[{"op":"test","path":"/name/0","value":{"family":"Reíd"}}]`, CodeBusinessRule, "does not hold"},
		{`[{"op":"test","path":"/extension/0/valueDecimal","value":1.51}]`, CodeBusinessRule, "does not hold"},
		{`[{"op":"replace","path":"/id","value":"q"}]`, CodeProcessing, `the id from "p" to "q"`},
		{`[{"op":"remove","path":"/id"}]`, CodeProcessing, "the id"},
		{`[{"op":"replace","path":"","value":{"resourceType":"Group","id":"p","type":"person","actual":true}}]`, CodeProcessing, "resourceType from Patient to Group"},
		{`[{"op":"remove","path":"/resourceType"}]`, CodeStructure, "resourceType"},
		{`[{"op":"replace","path":"","value":[]}]`, CodeStructure, "a resource is a JSON object"},
		{`[{"op":"add","path":"/color","value":"red"}]`, CodeStructure, "not an element of Patient"},
		{`[{"op":"remove","path":"/name/1/family"}]`, CodeStructure, "empty"},
		{`[{"op":"remove","path":"/extension/0"}]`, CodeStructure, "empty array"},
		{`[{"op":"add","path":"/gender","value":"red"}]`, CodeValue, "not a code"},
		{"[{\"op\":\"add\",\"path\":\"/language\",\"value\":\"\xff\"}]", CodeStructure, "UTF-8"},
	} {
		_, err := JSONPatch(parse(t, patchPatient), []byte(c.patch), Limits{})
		wantPatchError(t, c.patch, err, c.code, c.says)
	}
}

// wantPatchError checks an error's code and that its text has a part.
func wantPatchError(t *testing.T, patch string, err error, code Code, says string) {
	t.Helper()
	var o *Outcome
	if !errors.As(err, &o) || len(o.Issues) == 0 {
		t.Errorf("%s gave %v; want an outcome", clip(patch), err)
		return
	}
	if o.Issues[0].Code != code || !strings.Contains(o.Error(), says) {
		t.Errorf("%s gave %s: %s; want %s and %q", clip(patch), o.Issues[0].Code, o, code, says)
	}
}

func TestJSONPatchLimits(t *testing.T) {
	r := parse(t, patchPatient)
	op := `{"op":"test","path":"/active","value":true}`
	_, err := JSONPatch(r, []byte("["+strings.Repeat(op+",", maxOperations-1)+op+"]"), Limits{})
	if err != nil {
		t.Errorf("%d operations: %v", maxOperations, err)
	}
	_, err = JSONPatch(r, []byte("["+strings.Repeat(op+",", maxOperations)+op+"]"), Limits{})
	wantPatchError(t, "one more", err, CodeTooLong, "10001 operations")

	double := `{"op":"copy","from":"/extension","path":"/extension/-"}`
	_, err = JSONPatch(r, []byte("["+strings.Repeat(double+",", 59)+double+"]"), Limits{Bytes: 1 << 20})
	wantPatchError(t, "doubling", err, CodeTooLong, "more than 1048576 bytes")

	_, err = JSONPatch(r, []byte(`[{"op":"add","path":"/language","value":"`+strings.Repeat("x", 300)+`"}]`), Limits{Bytes: 400})
	wantPatchError(t, "growing", err, CodeTooLong, "more than 400 bytes")
	_, err = JSONPatch(r, []byte(`[{"op":"add","path":"/language","value":"`+strings.Repeat("x", 600)+`"}]`), Limits{Bytes: 600})
	wantPatchError(t, "long", err, CodeTooLong, "the patch has")

	wide := `{"op":"add","path":"/x","value":[` + strings.Repeat("0,", 9_999) + `0]}`
	insert := strings.Repeat(`,{"op":"add","path":"/x/0","value":0}`, maxOperations-1)
	_, err = JSONPatch(r, []byte("["+wide+insert+"]"), Limits{})
	wantPatchError(t, "a wide array", err, CodeTooCostly, "steps")
}

func TestSameNumber(t *testing.T) {
	same := [][]string{
		{"0", "-0", "0.00", "0e9", "-0.0E-7"},
		{"12", "12.0", "1.2e1", "120e-1", "0.012E3", "12e0", "1.20e+01"},
		{"-1.5", "-15e-1", "-0.15e1"},
		{"0.001", "1e-3", "0.1e-2"},
		{"100", "1e2", "1E+2"},
		{"123456789012345678901234567890.1", "1234567890123456789012345678901e-1"},
		{"1e99999999999999999999"},
		{"1e-99999999999999999999"},
		{"123456789012345678901234567890.2"},
		{"-12"},
	}
	for i, a := range same {
		for j, b := range same {
			for _, x := range a {
				for _, y := range b {
					if got := sameNumber([]byte(x), []byte(y)); got != (i == j) {
						t.Errorf("%s and %s: %v", x, y, got)
					}
				}
			}
		}
	}
}
