package server_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestNegotiation(t *testing.T) {
	f := open(t, nil)
	f.put("a", "Ann").is(201)
	for _, c := range []struct {
		query, accept string
		want          string // media type, "" for 406
	}{
		{"", "", "application/fhir+json"},
		{"", "*/*", "application/fhir+json"},
		{"", "application/fhir+json", "application/fhir+json"},
		{"", "application/json", "application/json"},
		{"", "text/json", "text/json"},
		{"", "APPLICATION/JSON", "application/json"},
		{"", "application/fhir+json;q=0.9, application/json;q=0.1", "application/fhir+json"},
		{"", "application/json;q=0.1, application/fhir+json;q=0.9", "application/fhir+json"},
		{"", "application/fhir+xml;q=1.0, application/fhir+json;q=0.5", "application/fhir+json"},
		{"", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/fhir+json"},
		{"", "application/*", "application/fhir+json"},
		{"", "application/fhir+json; fhirVersion=4.0", "application/fhir+json"},
		{"", "application/fhir+json; fhirVersion=5.0", ""},
		{"", "application/fhir+xml", ""},
		{"", "application/json;q=0", ""},
		{"", "text/turtle, image/png", ""},
		{"_format=json", "application/fhir+xml", "application/fhir+json"},
		{"_format=application/json", "", "application/json"},
		{"_format=application/fhir%2Bjson", "", "application/fhir+json"},
		{"_format=application/fhir+json", "", "application/fhir+json"},
		{"_format=text/json", "", "text/json"},
		{"_format=xml", "", ""},
		{"_format=application/fhir%2Bxml", "", ""},
		{"_format=ttl", "application/fhir+json", ""},
	} {
		a := f.do("GET", "/fhir/Patient/a?"+c.query, "", "Accept: "+c.accept)
		if c.want == "" {
			a.fails(406, "not-supported", "application/fhir+json")
			continue
		}
		a.is(200).has("Content-Type", c.want+"; charset=utf-8")
	}
	one := f.do("GET", "/fhir/Patient/a", "").body
	pretty := f.do("GET", "/fhir/Patient/a?_pretty=true", "").is(200).says("\n  \"resourceType\"")
	if strings.Join(strings.Fields(pretty.body), "") != strings.Join(strings.Fields(one), "") {
		t.Error("_pretty changes more than white space")
	}
	f.do("GET", "/fhir/Patient/a?_pretty=maybe", "").fails(400, "value", "_pretty=maybe")
	f.do("GET", "/fhir/Patient/b?_pretty=true", "").fails(404, "not-found", "").says("\n")
}

func TestBinary(t *testing.T) {
	f := open(t, nil)
	content := "\x00\x01PNG\xff"
	id := f.do("POST", "/fhir/Binary", content, "Content-Type: image/png", "X-Security-Context: Patient/a").created()
	for _, accept := range []string{"", "*/*", "image/png", "text/html,*/*;q=0.8"} {
		a := f.do("GET", "/fhir/Binary/"+id, "", "Accept: "+accept).is(200).
			has("Content-Type", "image/png").has("ETag", `W/"1"`).has("Content-Disposition", "attachment").has("X-Content-Type-Options", "nosniff")
		if a.body != content {
			t.Errorf("Accept %q gives %q", accept, a.body)
		}
	}
	for _, accept := range []string{"application/fhir+json", "application/json"} {
		f.do("GET", "/fhir/Binary/"+id, "", "Accept: "+accept).is(200).says(`"contentType":"image/png"`).says(`"data":"AAFQTkf/"`).says(`"reference":"Patient/a"`)
	}
	f.do("GET", "/fhir/Binary/"+id+"?_format=json", "").is(200).says(`"resourceType":"Binary"`)
	f.do("HEAD", "/fhir/Binary/"+id, "").is(200).has("Content-Type", "image/png").has("Content-Length", fmt.Sprint(len(content)))
	f.do("GET", "/fhir/Binary/"+id, "", `If-None-Match: W/"1"`).is(304)

	f.do("PUT", "/fhir/Binary/b", "hello", "Content-Type: text/plain; charset=utf-8").is(201)
	f.do("GET", "/fhir/Binary/b", "").is(200).has("Content-Type", "text/plain; charset=utf-8").says("hello")
	f.do("PUT", "/fhir/Binary/b", `{"resourceType":"Binary","id":"b","contentType":"text/html","data":"PGI+"}`).is(200)
	f.do("GET", "/fhir/Binary/b/_history/1", "").is(200).says("hello")
	f.do("GET", "/fhir/Binary/b/_history/2", "").is(200).has("Content-Type", "text/html").says("<b>")
	f.do("GET", "/fhir/Binary/b/_history", "", "Accept: */*").is(200).says(`"type":"history"`)
	f.do("POST", "/fhir/Binary", "x", "Content-Type: nonsense;;").fails(400, "value", "no media type")
	f.do("GET", "/fhir/Binary/none", "", "Accept: image/png").fails(404, "not-found", "")
}
