package search

import (
	"slices"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/fhirmap"
)

// TestRows holds all the rows of resources of ours against lists written by hand.
func TestRows(t *testing.T) {
	c := newCatalog(t)
	for _, x := range []struct{ name, json, want string }{
		{"patient", `{'resourceType':'Patient','id':'p1','meta':{'profile':['http://p|1'],'tag':[{'system':'http://t','code':'Tag'}]},
			'active':true,'identifier':[{'type':{'coding':[{'system':'http://v2','code':'MR'}],'text':'Record No.'},'system':'http://MRN','value':'A-1'}],
			'name':[{'family':'van der Berg','given':['Anna']}],'telecom':[{'system':'phone','value':'555 1234'},{'system':'email','value':'A@x.org'}],
			'gender':'female','birthDate':'1990-05','deceasedBoolean':false,'address':[{'city':'Köln','use':'home'}],
			'managingOrganization':{'reference':'https://hob.example/fhir/Organization/o1/_history/3'}}`, `
			_patient "own|Patient"
			_profile #1 "http://p|1"
			_tag #2 "tag|http://t|"
			active "true|"
			address #9 "koln"
			address-city #9 "koln"
			address-city:exact #9 "Köln"
			address-use #9 "home|"
			address:exact #9 "Köln"
			birthdate [1990-04-30T22:00:00Z, 1990-05-31T22:00:00Z)
			deceased "false|"
			email #8 "a@x.org|"
			family #5 "van der berg"
			family:exact #5 "van der Berg"
			family:part #5 "berg"
			family:part #5 "der berg"
			gender "female|"
			given #6 "anna"
			given:exact #6 "Anna"
			identifier #3 "a-1|http://MRN|"
			identifier:of-type #3 "mr|http://v2|a-1"
			identifier:text #3 "record no"
			name #5 "anna"
			name #5 "van der berg"
			name:exact #5 "Anna"
			name:exact #5 "van der Berg"
			name:part #5 "berg"
			name:part #5 "der berg"
			organization "o1|Organization"
			phone #7 "555 1234|"
			telecom #7 "555 1234|"
			telecom #8 "a@x.org|"`},
		{"observation", `{'resourceType':'Observation','status':'final','code':{'coding':[{'system':'http://loinc.org','code':'85354-9','display':'Blood pressure'}]},
			'subject':{'reference':'Patient/p1'},'encounter':{'reference':'urn:uuid:9'},'performer':[{'identifier':{'system':'http://n','value':'7'}},{'reference':'Patient/p2'}],
			'effectiveDateTime':'2024-01-31T10:00:00+01:00','component':[
			{'code':{'text':'Systolic'},'valueQuantity':{'value':120.50,'unit':'mm Hg','system':'http://unitsofmeasure.org','code':'mm[Hg]'}},
			{'code':{'coding':[{'code':'D'}]},'valueQuantity':{'value':80,'comparator':'<','unit':'mm[Hg]','code':'mm[Hg]'}}]}`, `
			_patient "p1|Patient"
			_patient "p2|Patient"
			code "85354-9|http://loinc.org|"
			code:text "blood pressure"
			component-code #5 "d|"
			component-code:text #4 "systolic"
			component-value-quantity #4 120.5
			component-value-quantity #5 [, 80)
			component-value-quantity:ucum #4 "g.m-1.s-2|" 16065301
			component-value-quantity:unit #4 "mm Hg||" 120.5
			component-value-quantity:unit #4 "mm[Hg]|http://unitsofmeasure.org|" 120.5
			component-value-quantity:unit #5 ["mm[Hg]||", "mm[Hg]||" 80)
			date 2024-01-31T09:00:00Z
			encounter "urn:uuid:9|"
			performer #3 "p2|Patient"
			performer:identifier #2 "7|http://n|"
			status "final|"
			subject "p1|Patient"`},
		{"encounter", `{'resourceType':'Encounter','status':'in-progress','class':{'system':'http://act','code':'AMB'},
			'subject':{'reference':'Group/g'},'period':{'start':'2024-01-31'},'length':{'value':1.5,'unit':'h'}}`, `
			class "amb|http://act|"
			date [2024-01-30T22:00:00Z, )
			length 1.5
			length:unit "h||" 1.5
			status "in-progress|"
			subject "g|Group"`},
		{"references", `{'resourceType':'Observation','subject':{'reference':'https://other.example/fhir/Patient/9/_history/2'},
			'basedOn':[{'reference':'#c'},{'reference':'ServiceRequest/s/_history/1'},{'display':'nothing'}],'hasMember':[{'reference':'Nonsense/1'}]}`, `
			based-on #1 "#c|"
			based-on #2 "s|ServiceRequest"
			has-member #4 "Nonsense/1|"
			patient "https://other.example/fhir/Patient/9|"
			subject "https://other.example/fhir/Patient/9|"`},
		{"timing and ranges", `{'resourceType':'ServiceRequest','occurrenceTiming':{'event':['2024-03-01','2024-01-01T00:00:00Z'],
			'repeat':{'boundsPeriod':{'end':'2024-02'}}}}`, `
			occurrence [, 2024-03-01T22:00:00Z)`},
		{"age range", `{'resourceType':'Condition','onsetRange':{'low':{'value':3,'unit':'a'},'high':{'value':5,'unit':'a'}},
			'abatementAge':{'value':-0.5,'system':'http://unitsofmeasure.org','code':'a'}}`, `
			abatement-age -0.5
			abatement-age:ucum "s|" -15778800
			abatement-age:unit "a|http://unitsofmeasure.org|" -0.5
			onset-age [3, 5+)
			onset-age:unit ["a||" 3, "a||" 5+)`},
		{"samples", `{'resourceType':'Observation','valueSampledData':{'origin':{'value':2048,'unit':'mV'},'period':10,'factor':1.5,'dimensions':1,'data':'-4 0 E 2 U'}}`, `
			value-quantity [2042, 2051+)
			value-quantity:unit ["mV||" 2042, "mV||" 2051+)`},
		{"money", `{'resourceType':'Invoice','totalNet':{'value':12.30,'currency':'EUR'}}`, `
			totalnet 12.3
			totalnet:unit "EUR|urn:iso:std:iso:4217|" 12.3`},
		{"period backwards", `{'resourceType':'Encounter','period':{'start':'2024-01-31T10:00:00Z','end':'2023-01-01'}}`, `
			date [2024-01-31T10:00:00Z, 2024-01-31T10:00:01Z)`},
		{"extension", `{'resourceType':'Patient','extension':[{'url':'http://hl7.org/fhir/StructureDefinition/patient-extensions-Patient-mothersMaidenName','valueString':'Lopez'}]}`, `
			_patient "own|Patient"
			deceased "false|"
			mothersMaidenName #1 "lopez"
			mothersMaidenName:exact #1 "Lopez"`},
		{"several patients", `{'resourceType':'AuditEvent','agent':[{'who':{'reference':'Patient/a'}},{'who':{'reference':'Practitioner/p'}}],'entity':[{'what':{'reference':'Patient/b/_history/2'}},{'what':{'reference':'Patient/a'}}]}`, `
			_patient "a|Patient"
			_patient "b|Patient"
			agent #1 "a|Patient"
			agent #2 "p|Practitioner"
			entity #3 "b|Patient"
			entity #4 "a|Patient"`},
		{"linked patients", `{'resourceType':'Patient','id':'posted','link':[{'other':{'reference':'Patient/q'},'type':'refer'}]}`, `
			_patient "own|Patient"
			_patient "q|Patient"
			deceased "false|"
			link #1 "q|Patient"`},
		{"in a bundle", `{'resourceType':'Bundle','type':'document','entry':[{'resource':{'resourceType':'Composition','id':'c1'}},{'resource':{'resourceType':'Patient','id':'p'}}]}`, `
			composition #1 "c1|Composition"
			type "document|"`},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := resource(t, x.json)
			got := show(c, r.Type(), rowsOf(t, c, r))
			var want []string
			for line := range strings.Lines(x.want) {
				if line = strings.TrimSpace(line); line != "" {
					want = append(want, line)
				}
			}
			slices.Sort(want)
			for _, g := range got {
				if !slices.Contains(want, g) {
					t.Errorf("unexpected %s", g)
				}
			}
			for _, w := range want {
				if !slices.Contains(got, w) {
					t.Errorf("missing    %s", w)
				}
			}
			if len(got) > len(want) {
				t.Errorf("%d rows, want %d: some are there twice", len(got), len(want))
			}
		})
	}
}

// TestRowsLimit: a resource of too many values is refused, not cut.
func TestRowsLimit(t *testing.T) {
	c, err := NewCatalog(r4.SearchParameters, Options{MaxRows: 5})
	if err != nil {
		t.Fatal(err)
	}
	few := resource(t, `{'resourceType':'Patient','name':[{'text':'A'}]}`)
	if _, err := c.Rows(few.ID(), few); err != nil {
		t.Errorf("few rows: %v", err)
	}
	many := resource(t, `{'resourceType':'Patient','name':[{'text':'A B C D E F G'}]}`)
	_, err = c.Rows(many.ID(), many)
	if o, ok := err.(*fhirmap.Outcome); !ok || o.Issues[0].Code != fhirmap.CodeTooLong {
		t.Errorf("many rows: %v", err)
	}
}

// TestRowsLongText: a text longer than the index holds is still found by its beginning and exactly.
func TestRowsLongText(t *testing.T) {
	c := newCatalog(t)
	long := strings.Repeat("heart failure ", 2000)
	rows := rowsOf(t, c, resource(t, `{'resourceType':'Questionnaire','title':'`+long+`'}`))
	for q, want := range map[string]bool{
		"title=heart fail": true, "title:contains=art failure heart": true, "title=failure": false,
		"title:exact=" + long: true, "title:exact=" + long[:len(long)-1]: false, "title:exact=" + long[:maxString]: false,
	} {
		if got := matches(t, c, "Questionnaire", rows, q); got != want {
			t.Errorf("%.40s: %v", q, got)
		}
	}
}

// TestRowsLongValues: whatever is in a resource, no row is longer than the contract allows, and a long value is found whole.
func TestRowsLongValues(t *testing.T) {
	c := newCatalog(t)
	long, other := strings.Repeat("a", 20_000), strings.Repeat("a", 20_001)
	rows := rowsOf(t, c, resource(t, `{'resourceType':'Observation','meta':{'source':'urn:`+long+`'},'identifier':[{'system':'urn:`+long+`','value':'`+long+`','type':{'coding':[{'system':'`+long+`','code':'`+long+`'}]}}],
		'subject':{'reference':'urn:`+long+`'},'valueQuantity':{'value':1.`+strings.Repeat("1", 4000)+`,'unit':'`+long+`','system':'`+other+`','code':'`+other+`'}}`))
	for q, want := range map[string]bool{
		"identifier=" + long: true, "identifier=" + other: false, "identifier=urn:" + long + "|": true, "identifier=urn:" + other + "|": false,
		"identifier=urn:" + long + "|" + long: true, "subject=urn:" + long: true, "subject=urn:" + other: false, "_source=urn:" + long: true,
		"value-quantity=1.1||" + long: true, "value-quantity=1.1|" + other + "|" + other: true, "value-quantity=1.1|" + other + "|" + long: false,
	} {
		if got := matches(t, c, "Observation", rows, q); got != want {
			t.Errorf("%.30s (%d bytes): %v", q, len(q), got)
		}
	}
}
