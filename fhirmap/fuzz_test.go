package fhirmap

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"
)

// FuzzParse: what Parse takes comes back to the letter and is read the same by Trusted; what it refuses has a valid outcome; and
// google/fhir never finds wrong syntax or types that the reader let pass.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		bodyWeight, patient, `{"resourceType":"Patient"}`, `{}`, ` [null] `, `{"resourceType":"Patient","name":[{"given":["a",null],"_given":[null,{"id":"x"}]}]}`,
		`{"id":"1","meta":{"versionId":"1","tag":[{"code":"a"}]},"resourceType":"Patient","_active":{"extension":[{"url":"a:b","valueMeta":{"source":"c:d"}}]}}`,
		`{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","contained":[{"resourceType":"Binary","contentType":"a/b","data":"YQ== "}]}}]}`,
		`{"resourceType":"Parameters","parameter":[{"name":"a","valueDecimal":1e400},{"name":"b","valueTime":"23:59:60"},{"name":"c","valueUuid":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520"},` +
			`{"name":"d","valueOid":"urn:oid:1.2"},{"name":"e","valueInteger":-1},{"name":"f","valueUnsignedInt":0},{"name":"g","valueInstant":"2020-01-01T00:00:00Z"},{"name":"h","valueUrl":"http://a"}]}`,
		`{"resourceType":"Observation","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p class='a'>&amp;<!-- b --><br/></p></div>"},"status":"final","code":{"text":"\u00e4\/"},` +
			`"subject":{"reference":"Patient/1/_history/2"},"effectiveTiming":{"event":["2020-02-29",null],"_event":[null,{"extension":[{"url":"a:b","valueCode":"c"}]}]}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Parse(data, Limits{Depth: 50, Nodes: 2000})
		if err != nil {
			var o *Outcome
			if !errors.As(err, &o) || len(o.Issues) == 0 {
				t.Fatalf("error %T %v, want an *Outcome with issues", err, err)
			}
			for _, is := range o.Issues {
				if is.Code == CodeInvalid {
					t.Errorf("only google/fhir finds this: %+v", is)
				}
			}
			if _, err := Parse(o.JSON(), Limits{}); err != nil {
				t.Errorf("the outcome is not valid: %v", err)
			}
			return
		}
		body := r.JSON()
		if !json.Valid(data) || !json.Valid(body) {
			t.Fatalf("what is not JSON was taken, or made: %s", body)
		}
		again, err := Parse(body, Limits{})
		if err != nil {
			t.Fatalf("the second time it is refused: %v\n%s", err, body)
		}
		if string(again.JSON()) != string(body) || !reflect.DeepEqual(r.Root(), again.Root()) {
			t.Errorf("the second time it is another resource:\n%s\n%s", body, again.JSON())
		}
		trusted, err := Trusted(body)
		if err != nil {
			t.Fatalf("Trusted: %v\n%s", err, body)
		}
		if string(trusted.JSON()) != string(body) || !reflect.DeepEqual(r.Root(), trusted.Root()) {
			t.Errorf("Trusted reads another resource:\n%s\n%s", body, trusted.JSON())
		}
		checkStamped(t, string(body), string(r.Stamp("7", 1, time.Unix(1e9, 0))))
		if carried := CarryMeta(r, trusted); string(carried.JSON()) != string(body) && len(splitArray(r.head.whole)) == 0 {
			t.Errorf("CarryMeta of the same resource changes it:\n%s\n%s", body, carried.JSON())
		}
	})
}

// FuzzNarrative: no panic, and what is taken has no way to run.
func FuzzNarrative(f *testing.F) {
	for _, s := range []string{div(`<p class="a">x<br/>&nbsp;</p><!-- y --><a href='#a'>b</a><img src="data:image/png;base64,AA"/>`), div(`<p style="a: url(data:image/png)">x</p>`)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if checkNarrative(s) == "" {
			checkAsHTML(t, s)
		}
	})
}
