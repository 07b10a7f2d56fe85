package fhirmap

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func parse(t testing.TB, body string) *Resource {
	t.Helper()
	r, err := Parse([]byte(body), Limits{})
	if err != nil {
		t.Fatalf("Parse(%s): %v", body, err)
	}
	return r
}

// What is legal comes back to the letter, and Trusted reads the same tree. The bodies have no white space between tokens.
func TestParseKeepsTheLetter(t *testing.T) {
	in := func(typ, members string) string { return `{"resourceType":"` + typ + `"` + members + `}` }
	ext := `{"extension":[{"url":"http://example.org/why","valueCode":"unknown"}]}`
	for _, c := range []struct{ name, body string }{
		{"alone", in("Patient", ``)},
		{"observation", bodyWeight},
		{"patient", patient},
		{"decimals", in("Parameters", `,"parameter":[{"name":"a","valueDecimal":1.50},{"name":"b","valueDecimal":1e2},{"name":"c","valueDecimal":`+
			`-0.10E-07},{"name":"d","valueDecimal":12345678901234567890.123456789012},{"name":"e","valueDecimal":0.0000000000000000000000000000001},`+
			`{"name":"f","valueDecimal":1e400},{"name":"g","valueDecimal":-0},{"name":"h","valueDecimal":100000000000000000000000000000000}]`)},
		{"escapes", in("Patient", `,"name":[{"text":"a\u00e4\/\"\\\n\ud83d\ude00ä😀"}],"active":true,"\u005factive":`+ext)},
		{"escaped names", `{"resource\u0054ype":"Patient","id":"1","m\u0065ta":{"version\u0049d":"7","tag":[{"code":"x"}]},"active":true}`},
		{"type last", `{"name":[{"text":"x"}],"meta":{"tag":[{"code":"x"}]},"id":"1","resourceType":"Patient"}`},
		{"type last, escaped", `{"name":[{"text":"x"}],"resourceType":"P\u0061tient"}`},
		{"primitives without value", in("Observation", `,"_status":`+ext+`,"code":{"text":"x"},"_issued":`+ext+`,"_valueInteger":`+ext+`,"_language":`+ext)},
		{"required in extensions only", in("Observation", `,"_status":`+ext+`,"code":{"_text":`+ext+`}`)},
		{"extension before value", in("Patient", `,"_birthDate":{"id":"a"},"birthDate":"1951-05-12"`)},
		{"id and regex types without value", in("Parameters", `,"parameter":[{"name":"a","_valueId":`+ext+`},{"name":"b","_valueOid":`+ext+`},`+
			`{"name":"c","_valueUuid":`+ext+`},{"name":"d","_valueCode":`+ext+`},{"name":"e","_valueBase64Binary":`+ext+`},{"name":"f","_valueDecimal":`+ext+
			`},{"name":"g","_valuePositiveInt":`+ext+`},{"name":"h","_valueTime":`+ext+`},{"name":"i","_valueBoolean":`+ext+`},{"name":"j","_valueUri":`+ext+`}]`)},
		{"nulls", in("Patient", `,"name":[{"given":["Anna",null,"Maria"],"_given":[null,`+ext+`,{"id":"m"}]},{"_prefix":[`+ext+`,`+ext+`]},`+
			`{"_given":[null,`+ext+`],"given":["x",null]}]`)},
		{"nulls among dates, codes and numbers", in("Observation", `,"status":"final","code":{"text":"x"},"effectiveTiming":{"event":[null,"2012-01-01"],"_event":[`+ext+`,null],`+
			`"repeat":{"dayOfWeek":[null,"mon"],"_dayOfWeek":[`+ext+`,null],"timeOfDay":["08:00:00",null],"_timeOfDay":[null,`+ext+`]}}`)},
		{"nulls among numbers", in("Claim", `,"status":"active","type":{"text":"x"},"use":"claim","patient":{"reference":"Patient/1"},"created":"2020","provider":{"reference":`+
			`"Organization/1"},"priority":{"text":"x"},"insurance":[{"sequence":1,"focal":true,"coverage":{"reference":"Coverage/1"}}],"item":[{"sequence":1,`+
			`"productOrService":{"text":"x"},"diagnosisSequence":[null,2],"_diagnosisSequence":[`+ext+`,null]}]`)},
		{"leap second", in("Observation", `,"status":"final","code":{"text":"x"},"effectiveDateTime":"2016-12-31T23:59:60Z","issued":"2016-12-31T23:59:60.5+00:00","valueTime":"23:59:60"`)},
		{"times", in("Observation", `,"status":"final","code":{"text":"x"},"effectiveDateTime":"2016-02-29T23:59:59.123456789012-14:00","issued":"9999-12-31T00:00:00Z"`)},
		{"base64 with white space", in("Binary", `,"contentType":"text/plain","data":" YWJj ZGVm\nZ2hp\r\n\tamts YQ== "`)},
		{"base64 escaped", in("Binary", `,"contentType":"text/plain","data":"YWJj\/+\/\/"`)},
		{"base64, long", in("Binary", `,"contentType":"text/plain","data":"`+strings.Repeat("YWJj", 1000)+`"`)},
		{"codes of all kinds", in("Bundle", `,"type":"batch","entry":[{"request":{"method":"POST","url":"Patient"}}]`)},
		{"comparators", in("Observation", `,"status":"final","code":{"text":"x"},"valueQuantity":{"comparator":"<=","value":5}`)},
		{"references", in("Observation", `,"status":"final","code":{"text":"x"},"subject":{"reference":"#"},"encounter":{"reference":"http://example.org/fhir/Encounter/1"},`+
			`"performer":[{"reference":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520"},{"reference":"Patient/1/_history/2"},{"type":"Organization","identifier":{"value":"x"}},{"display":"x"}]`)},
		{"contained", in("Observation", `,"contained":[{"resourceType":"Patient","id":"p","_gender":`+ext+`,"photo":[{"data":"YQ== "}]},{"id":"q","resourceType":"Device"}],`+
			`"status":"final","code":{"text":"x"},"subject":{"reference":"#p"},"device":{"reference":"#q"}`)},
		{"entries", in("Bundle", `,"type":"collection","entry":[{"fullUrl":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520","resource":{"resourceType":"Patient","active":true}},`+
			`{"resource":{"name":[{"text":"x"}],"resourceType":"Patient","contained":[{"resourceType":"Patient","id":"a"}]}}]`)},
		{"content references", in("Questionnaire", `,"status":"draft","item":[{"linkId":"1","type":"group","item":[{"linkId":"1.1","type":"group","item":[{"linkId":"1.1.1","type":"string","maxLength":7}]}]}]`)},
		{"meta in an extension", in("Patient", `,"extension":[{"url":"a:b","valueMeta":{"tag":[{"code":"x","_display":`+ext+`}],"profile":[null],"_profile":[`+ext+`]}}],"active":true`)},
		{"white space only", in("Patient", `,"name":[{"text":" "}]`)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !json.Valid([]byte(c.body)) {
				t.Fatal("the test's body is not JSON")
			}
			r := parse(t, c.body)
			if got := string(r.JSON()); got != c.body {
				t.Errorf("JSON()\n got %s\nwant %s", got, c.body)
			}
			var indented bytes.Buffer
			if err := json.Indent(&indented, []byte(c.body), "\r\n", "\t "); err != nil {
				t.Fatal(err)
			}
			if got := string(parse(t, " "+indented.String()+"\n").JSON()); got != c.body {
				t.Errorf("JSON() of the body with white space\n got %s\nwant %s", got, c.body)
			}
			trusted, err := Trusted([]byte(c.body))
			if err != nil {
				t.Fatalf("Trusted: %v", err)
			}
			if diff := cmp.Diff(r.Root(), trusted.Root()); diff != "" {
				t.Errorf("Trusted reads another tree (-Parse +Trusted):\n%s", diff)
			}
			for _, stamped := range [][]byte{r.Stamp("a.B-1", 12, time.Unix(0, 0)), trusted.Stamp("a.B-1", 12, time.Unix(0, 0))} {
				checkStamped(t, c.body, string(stamped))
			}
		})
	}
}

// checkStamped compares a stamped body with the one before, as maps of raw values.
func checkStamped(t testing.TB, before, after string) {
	t.Helper()
	members := func(body string) (m, meta map[string]json.RawMessage) {
		if err := json.Unmarshal([]byte(body), &m); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if m["meta"] != nil {
			if err := json.Unmarshal(m["meta"], &meta); err != nil {
				t.Fatal(err)
			}
		}
		delete(m, "resourceType")
		delete(m, "meta")
		delete(m, "id")
		delete(meta, "versionId")
		delete(meta, "lastUpdated")
		return m, meta
	}
	m, meta := members(before)
	gotM, gotMeta := members(after)
	if !reflect.DeepEqual(m, gotM) || !(reflect.DeepEqual(meta, gotMeta) || len(meta) == 0 && len(gotMeta) == 0) {
		t.Errorf("Stamp changes more than id, versionId and lastUpdated:\nbefore %s\n after %s", before, after)
	}
	if _, err := Parse([]byte(after), Limits{}); err != nil {
		t.Errorf("Stamp makes %s, which is refused: %v", after, err)
	}
}

func TestStamp(t *testing.T) {
	at := time.Date(2026, 11, 21, 8, 55, 0, 123_999_999, time.FixedZone("", 3600))
	const stamp = `{"resourceType":"Patient","id":"7","meta":{"versionId":"3","lastUpdated":"2026-11-21T07:55:00.123Z"`
	for _, c := range []struct{ body, want string }{
		{`{"resourceType":"Patient"}`, stamp + `}}`},
		{`{"resourceType":"Patient","active":true}`, stamp + `},"active":true}`},
		{`{"resourceType":"Patient","id":"old","active":true}`, stamp + `},"active":true}`},
		{`{"active":true,"id":"old","gender":"other","resourceType":"Patient"}`, stamp + `},"active":true,"gender":"other"}`},
		{`{"active":true,"meta":{"tag":[{"code":"a"}]},"gender":"other","resourceType":"Patient"}`, stamp + `,"tag":[{"code":"a"}]},"active":true,"gender":"other"}`},
		{`{"resourceType":"Patient","meta":{"versionId":"1"}}`, stamp + `}}`},
		{`{"resourceType":"Patient","meta":{"lastUpdated":"2020-01-01T00:00:00Z","versionId":"1"}}`, stamp + `}}`},
		{`{"resourceType":"Patient","meta":{"source":"a:b","versionId":"1","tag":[{"code":"a"}],"lastUpdated":"2020-01-01T00:00:00Z","profile":["c:d"]},"active":true}`,
			stamp + `,"source":"a:b","tag":[{"code":"a"}],"profile":["c:d"]},"active":true}`},
		{`{"resourceType":"Patient","meta":{"id":"x","extension":[{"url":"a:b","valueMeta":{"versionId":"9","source":"a:b"}}]}}`,
			stamp + `,"id":"x","extension":[{"url":"a:b","valueMeta":{"versionId":"9","source":"a:b"}}]}}`},
		{`{"resourceType":"Patient","contained":[{"resourceType":"Patient","id":"c","meta":{"source":"a:b"}}]}`,
			stamp + `},"contained":[{"resourceType":"Patient","id":"c","meta":{"source":"a:b"}}]}`},
	} {
		if got := string(parse(t, c.body).Stamp("7", 3, at)); got != c.want {
			t.Errorf("Stamp of %s\n got %s\nwant %s", c.body, got, c.want)
		}
	}
}

// The tree, written out: name (key) type [index] group = text.
func TestTree(t *testing.T) {
	r := parse(t, `{"resourceType":"Observation","id":"o","contained":[{"resourceType":"Patient","id":"p"}],"status":"final","code":{"coding":[{"code":"a"},{"code":"b"}]},`+
		`"_issued":{"extension":[{"url":"a:b","valueString":"w"}]},"issued":"2020-01-01T00:00:00Z","note":[{"authorReference":{"reference":"#p"},"text":"n"}],`+
		`"component":[{"code":{"text":"x"},"valueQuantity":{"value":1.50},"referenceRange":[{"low":{"value":1},"age":{"low":{"value":1}}}]},`+
		`{"code":{"text":"y"},"valueBoolean":false}],"effectiveTiming":{"event":["2020",null],"_event":[{"id":"e"},{"extension":[{"url":"a:b","valueAge":{"value":2}}]}],"repeat":{"boundsDuration":{"value":1}}}}`)
	want := `
Observation () Observation [-1] 0
  id (id) id [-1] 0 = "o"
  contained (contained) Patient [0] 1
    id (id) id [-1] 1 = "p"
  status (status) code [-1] 0 = "final"
  code (code) CodeableConcept [-1] 0
    coding (coding) Coding [0] 2
      code (code) code [-1] 2 = "a"
    coding (coding) Coding [1] 3
      code (code) code [-1] 3 = "b"
  issued (issued) instant [-1] 0 = "2020-01-01T00:00:00Z"
    extension (extension) Extension [0] 4
      url (url) uri [-1] 4 = "a:b"
      value (valueString) string [-1] 4 = "w"
  note (note) Annotation [0] 5
    author (authorReference) Reference [-1] 5
      reference (reference) string [-1] 5 = "#p"
    text (text) markdown [-1] 5 = "n"
  component (component) BackboneElement [0] 6
    code (code) CodeableConcept [-1] 6
      text (text) string [-1] 6 = "x"
    value (valueQuantity) Quantity [-1] 6
      value (value) decimal [-1] 6 = "1.50"
    referenceRange (referenceRange) BackboneElement [0] 7
      low (low) Quantity [-1] 7
        value (value) decimal [-1] 7 = "1"
      age (age) Range [-1] 7
        low (low) Quantity [-1] 7
          value (value) decimal [-1] 7 = "1"
  component (component) BackboneElement [1] 8
    code (code) CodeableConcept [-1] 8
      text (text) string [-1] 8 = "y"
    value (valueBoolean) boolean [-1] 8 = "false"
  effective (effectiveTiming) Timing [-1] 0
    event (event) dateTime [0] 9 = "2020"
      id (id) string [-1] 9 = "e"
    event (event) dateTime [1] 10
      extension (extension) Extension [0] 11
        url (url) uri [-1] 11 = "a:b"
        value (valueAge) Age [-1] 11
          value (value) decimal [-1] 11 = "2"
    repeat (repeat) Element [-1] 0
      bounds (boundsDuration) Duration [-1] 0
        value (value) decimal [-1] 0 = "1"
`
	var b strings.Builder
	var write func(e *Element, indent string)
	write = func(e *Element, indent string) {
		fmt.Fprintf(&b, "%s%s (%s) %s [%d] %d", indent, e.Name, e.Key, e.Type, e.Index, e.Group)
		if e.Value {
			fmt.Fprintf(&b, " = %q", e.Text)
		}
		b.WriteByte('\n')
		for _, c := range e.Children {
			write(c, indent+"  ")
		}
	}
	write(r.Root(), "")
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), b.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if r.Type() != "Observation" || r.ID() != "o" || r.Meta() != nil {
		t.Errorf("Type %q, ID %q, Meta %v", r.Type(), r.ID(), r.Meta())
	}
}

// Parse does not keep the caller's bytes.
func TestParseCopies(t *testing.T) {
	data := []byte(patient)
	r, err := Parse(data, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	clear(data)
	if string(r.JSON()) != patient || r.Root().First("name").String("family") != "Ahlers" {
		t.Error("the resource changes with the bytes it was read from")
	}
}

// Readers are pooled and the schema is shared; under the race detector this finds what goroutines must not.
func TestParseConcurrently(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 20 {
				body := benchBodies[i%2].body
				r, err := Parse([]byte(body), Limits{})
				if err != nil || string(r.JSON()) != body {
					t.Errorf("Parse beside others: %v", err)
				}
				if _, err := Parse([]byte(body[:len(body)/2]), Limits{}); err == nil {
					t.Error("half a body is taken")
				}
			}
		})
	}
	wg.Wait()
}

func TestInner(t *testing.T) {
	r := parse(t, `{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"a:b"},{"resource":{"id":"1", "resourceType":"Patient","name":[{"text":"x"}]}}]}`)
	entry := r.Root().Children[2]
	inner := r.Inner(entry.First("resource"))
	if inner == nil || inner.ID() != "1" || string(inner.JSON()) != `{"id":"1","resourceType":"Patient","name":[{"text":"x"}]}` || inner.Root().Name != "Patient" {
		t.Errorf("Inner gives %+v", inner)
	}
	if r.Inner(entry) != nil || r.Inner(nil) != nil {
		t.Error("Inner gives a resource for an element that is none")
	}
}

func TestCarryMeta(t *testing.T) {
	with := func(meta string) string { return `{"resourceType":"Patient","id":"1"` + meta + `,"active":true}` }
	for _, c := range []struct{ name, old, update, want string }{
		{"nothing to keep", ``, `,"meta":{"tag":[{"code":"n"}]}`, `,"meta":{"tag":[{"code":"n"}]}`},
		{"version and time are not kept", `,"meta":{"versionId":"1","lastUpdated":"2020-01-01T00:00:00Z","source":"a:b"}`, ``, ``},
		{"all", `,"meta":{"profile":["a:p"],"security":[{"code":"R"}],"tag":[{"system":"a:s","code":"t","display":"T"}]}`, ``,
			`,"meta":{"security":[{"code":"R"}],"tag":[{"system":"a:s","code":"t","display":"T"}],"profile":["a:p"]}`},
		{"merged", `,"meta":{"tag":[{"code":"a"},{"system":"a:s","code":"b"},{"display":"only"}]}`, `,"meta":{"tag":[{"system":"a:s","code":"b","display":"B"},{"code":"c"}],"source":"a:b"}`,
			`,"meta":{"tag":[{"system":"a:s","code":"b","display":"B"},{"code":"c"},{"code":"a"},{"display":"only"}],"source":"a:b"}`},
		{"system matters", `,"meta":{"security":[{"system":"a:s","code":"R"}]}`, `,"meta":{"security":[{"code":"R"}]}`, `,"meta":{"security":[{"code":"R"},{"system":"a:s","code":"R"}]}`},
		{"profiles are replaced", `,"meta":{"profile":["a:p","a:q"]}`, `,"meta":{"profile":["a:r"]}`, `,"meta":{"profile":["a:r"]}`},
		{"profiles with extensions", `,"meta":{"profile":["a:p"],"_profile":[{"id":"x"}]}`, `,"meta":{"source":"a:b"}`, `,"meta":{"source":"a:b","profile":["a:p"],"_profile":[{"id":"x"}]}`},
		{"escaped names", `,"meta":{"t\u0061g":[{"code":"a"}]}`, `,"m\u0065ta":{"tag":[{"code":"b"}]}`, `,"meta":{"tag":[{"code":"b"},{"code":"a"}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			old, update := parse(t, with(c.old)), parse(t, with(c.update))
			got := CarryMeta(old, update)
			if string(got.JSON()) != with(c.want) {
				t.Errorf("got  %s\nwant %s", got.JSON(), with(c.want))
			}
			if again := CarryMeta(old, got); again != got {
				t.Errorf("carrying twice changes it again: %s", again.JSON())
			}
		})
	}
}

func TestBinary(t *testing.T) {
	for _, data := range [][]byte{nil, {0}, []byte("%PDF-1.7 \xff\x00"), bytes.Repeat([]byte{0xA5}, 100_000)} {
		r, err := BinaryOf(`application/x; name="a"`, data)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(r.JSON(), Limits{}); err != nil {
			t.Errorf("BinaryOf makes what Parse refuses: %v", err)
		}
		contentType, got, ok := r.RawBinary()
		if !ok || contentType != `application/x; name="a"` || !bytes.Equal(got, data) {
			t.Errorf("%d bytes come back as %q, %d bytes, %v", len(data), contentType, len(got), ok)
		}
	}
	for _, contentType := range []string{"", " text/plain", "text/plain\n"} {
		if r, err := BinaryOf(contentType, []byte("x")); err == nil {
			t.Errorf("BinaryOf(%q) = %s, want an error", contentType, r.JSON())
		}
	}
	if _, data, ok := parse(t, `{"resourceType":"Binary","contentType":"a/b","data":" YWJj\nZGVm "}`).RawBinary(); !ok || string(data) != "abcdef" {
		t.Errorf("RawBinary with white space = %q, %v", data, ok)
	}
	for _, body := range []string{`{"resourceType":"Patient"}`, `{"resourceType":"Binary","contentType":"a/b","_data":{"extension":[{"url":"a:b","valueCode":"c"}]}}`} {
		if _, _, ok := parse(t, body).RawBinary(); ok {
			t.Errorf("RawBinary of %s is ok", body)
		}
	}
}

// TestTrustedPart: of a resource some elements, as they are in the whole.
func TestTrustedPart(t *testing.T) {
	body := []byte(`{"resourceType":"Observation","id":"a","status":"final","code":{"text":"sub\"ject"},"subject":{"reference":"Patient/p"},` +
		`"performer":[{"reference":"Practitioner/d"},{"display":"x"}],"valueReference":{"x":1},"_status":{"id":"s"}}`)
	part, err := TrustedPart(body, []string{"subject", "performer", "status", "nothing"})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"resourceType":"Observation","status":"final","subject":{"reference":"Patient/p"},"performer":[{"reference":"Practitioner/d"},{"display":"x"}],"_status":{"id":"s"}}`
	if got := string(part.JSON()); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if res, err := TrustedPart([]byte(`{"resourceType":"Observation","status":"final"}`), []string{"subject"}); err != nil || len(res.Root().Children) != 0 {
		t.Errorf("of what is not there: %v", err)
	}
	for _, body := range []string{`{}`, `{"resourceType":"Nothing"}`, `{"resourceType":1}`, ``} {
		if _, err := TrustedPart([]byte(body), []string{"subject"}); err == nil {
			t.Errorf("%s is read", body)
		}
	}
}
