package search

import (
	"strings"
	"testing"

	"github.com/hob-fhir/hob/storage/driver"
)

// matches tells whether a search finds a resource of these rows.
func matches(t testing.TB, c *Catalog, typ string, rows []driver.Row, q string) bool {
	t.Helper()
	s, err := c.Parse(typ, query(q), ParseOptions{})
	if err != nil {
		t.Fatalf("%s?%s: %v", typ, q, err)
	}
	if err := driver.Validate(s.Where); err != nil {
		t.Fatalf("%s?%s: %v", typ, q, err)
	}
	return driver.Match(driver.Key{Type: typ, ID: "x"}, rows, s.Where, alone{})
}

// TestMatch asks of resources, end to end, what finds them (+) and what does not (-).
func TestMatch(t *testing.T) {
	c := newCatalog(t)
	for _, x := range []struct{ name, json, queries string }{
		{"date with seconds", `{'resourceType':'Observation','effectiveDateTime':'2024-01-31T10:00:00Z'}`, `
			+ date=2024 date=2024-01 date=2024-01-31 date=2024-01-31T10:00Z date=2024-01-31T10:00:00Z date=2024-01-31T12:00:00+02:00
			- date=2023 date=2024-01-30 date=2024-02 date=2024-01-31T10:01Z date=2024-01-31T10:00:01Z
			+ date=ge2024-01-31T10:00:00Z date=le2024-01-31T10:00:00Z date=ge2024 date=le2024 date=gt2023 date=lt2025 date=sa2023 date=eb2025
			- date=gt2024-01-31T10:00:00Z date=lt2024-01-31T10:00:00Z date=gt2024 date=lt2024 date=sa2024 date=eb2024
			+ date=gt2024-01-31T09:59:59Z date=lt2024-01-31T10:00:01Z date=ne2023 date=ne2024-02
			- date=ne2024 date=ne2024-01-31T10:00:00Z
			+ date=ap2024-02 date=2023,2024 date=gt2023&date=lt2025
			- date=ap2020 date=2022,2023 date=gt2023&date=lt2024`},
		{"milliseconds", `{'resourceType':'Observation','effectiveInstant':'2024-01-31T10:00:00.500Z'}`, `
			+ date=2024-01-31T10:00:00Z date=2024-01-31T10:00:00.5Z date=2024-01-31T10:00:00.500Z date=le2024-01-31T10:00:00Z
			- date=2024-01-31T10:00:00.501Z date=gt2024-01-31T10:00:00Z date=2024-01-31T10:00:01Z date=2024-01-31T10:00:00.50000Z&date=ne2024-01-31T10:00:00.5Z`},
		{"day in the site's zone", `{'resourceType':'Patient','birthDate':'2000-01-01'}`, `
			+ birthdate=2000-01-01 birthdate=2000 birthdate=eq2000-01 birthdate=ge2000-01-01 birthdate=le2000-01-01
			- birthdate=2000-01-01T10:00 birthdate=1999-12-31 birthdate=gt2000-01-01 birthdate=lt2000-01-01 birthdate=2000-01-02
			+ birthdate=lt2000-01-01T10:00 birthdate=gt2000-01-01T10:00 birthdate=gt1999-12-31T21:59:59Z birthdate=lt2000-01-01T22:00:00Z
			+ birthdate=eb2000-01-01T22:00:00Z birthdate=sa1999-12-31T21:59:59Z
			- birthdate=eb2000-01-01T21:59:59Z birthdate=sa1999-12-31T22:00:00Z`},
		{"period", `{'resourceType':'Encounter','period':{'start':'2024-01-30T22:00:00Z','end':'2024-02-02'}}`, `
			+ date=2024 date=ge2024-02-01 date=gt2024-02-01 date=lt2024-01-31T12:00:00Z date=le2024-02-01
			- date=2024-01 date=2024-02 date=gt2024-02-02 date=ge2024-02-02 date=lt2024-01-31 date=le2024-01-31 date=sa2024-01-31 date=eb2024-02-02
			+ date=sa2024-01-30 date=eb2024-02-03 date=ap2024-02-01 date=ne2024-01
			- date=ne2024`},
		{"open period", `{'resourceType':'Encounter','period':{'start':'2024-01-31'}}`, `
			+ date=gt2030 date=ge2024 date=sa2023 date=lt2025
			- date=2024 date=eb2030 date=lt2024-01-31 date=sa2024-01-31
			+ date:missing=false
			- date:missing=true`},
		{"token with a system", `{'resourceType':'Observation','code':{'coding':[{'system':'http://loinc.org','code':'8867-4X','display':'Heart Rate'}],'text':'Pulse (beats)'}}`, `
			+ code=8867-4X code=8867-4x code=http://loinc.org|8867-4X code=http://loinc.org|8867-4x code=http://loinc.org| code=a,8867-4x
			- code=8867-4 code=8867 code=|8867-4x code=http://loinc|8867-4X code=http://loinc.org/vs| code=http://loinc| code=http://LOINC.org|8867-4X
			+ code:not=8867 code:not=|8867-4x code:text=heart code:text=PULSE-beats code:text=x,Heart%20 code:missing=false
			- code:not=8867-4x code:not=a,8867-4x code:text=rate code:missing=true code=8867-4x&code=a`},
		{"token without a system", `{'resourceType':'Observation','status':'final','valueCodeableConcept':{'coding':[{'code':'a|b,c$d\\e'}]}}`, `
			+ status=final status=FINAL status=|final value-concept=a\|b\,c\$d\\e value-concept=|a\|b\,c\$d\\e
			- status=http://s|final status=fina status:not=final`},
		{"one unit and another", `{'resourceType':'Observation','valueQuantity':{'value':600,'unit':'mg','system':'http://unitsofmeasure.org','code':'mg'}}`, `
			+ value-quantity=gt0.5|http://unitsofmeasure.org|g value-quantity=0.6|http://unitsofmeasure.org|g value-quantity=0.600|http://unitsofmeasure.org|g
			+ value-quantity=600000|http://unitsofmeasure.org|ug value-quantity=le0.6|http://unitsofmeasure.org|g value-quantity=ge0.0006|http://unitsofmeasure.org|kg
			- value-quantity=0.7|http://unitsofmeasure.org|g value-quantity=gt0.6|http://unitsofmeasure.org|g value-quantity=lt0.6|http://unitsofmeasure.org|g
			+ value-quantity=0.5995|http://unitsofmeasure.org|g,0.6|urn:oid:2.16.840.1.113883.6.8|g value-quantity=ne0.5|http://unitsofmeasure.org|g value-quantity=ap0.65|http://unitsofmeasure.org|g
			- value-quantity=0.6|http://unitsofmeasure.org|m value-quantity=gt0|http://unitsofmeasure.org|mmol value-quantity=600||g value-quantity=600||ug value-quantity=ne0.6|http://unitsofmeasure.org|g
			- value-quantity=0.6001|http://unitsofmeasure.org|g value-quantity=600|http://other|mg`},
		{"precision goes with the unit", `{'resourceType':'Observation','valueQuantity':{'value':1.04,'system':'http://unitsofmeasure.org','code':'kg'}}`, `
			+ value-quantity=1.0|http://unitsofmeasure.org|kg value-quantity=1|http://unitsofmeasure.org|kg value-quantity=1040|http://unitsofmeasure.org|g
			- value-quantity=1000|http://unitsofmeasure.org|g value-quantity=1.1|http://unitsofmeasure.org|kg value-quantity=1040.6|http://unitsofmeasure.org|g`},
		{"a third", `{'resourceType':'Observation','valueQuantity':{'value':61,'unit':'beats/minute','system':'http://unitsofmeasure.org','code':'/min'}}`, `
			+ value-quantity=61|http://unitsofmeasure.org|/min value-quantity=61|http://unitsofmeasure.org|{beats}/min value-quantity=1.02|http://unitsofmeasure.org|Hz value-quantity=le61|http://unitsofmeasure.org|1/min
			- value-quantity=gt61|http://unitsofmeasure.org|/min value-quantity=lt61|http://unitsofmeasure.org|/min value-quantity=60|http://unitsofmeasure.org|/min`},
		{"temperature", `{'resourceType':'Observation','valueQuantity':{'value':37.0,'system':'http://unitsofmeasure.org','code':'Cel'}}`, `
			+ value-quantity=98.6|http://unitsofmeasure.org|[degF] value-quantity=310.15|http://unitsofmeasure.org|K value-quantity=gt98|http://unitsofmeasure.org|[degF] value-quantity=37.0|http://unitsofmeasure.org|Cel
			- value-quantity=gt98.6|http://unitsofmeasure.org|[degF] value-quantity=37|http://unitsofmeasure.org|[degF] value-quantity=37|http://unitsofmeasure.org|K`},
		{"special units", `{'resourceType':'Observation','valueQuantity':{'value':7.4,'system':'http://unitsofmeasure.org','code':'[pH]'}}`, `
			+ value-quantity=7.4|http://unitsofmeasure.org|[pH] value-quantity=gt7|http://unitsofmeasure.org|[pH]
			- value-quantity=gt0|http://unitsofmeasure.org|mol/L`},
		{"units that UCUM has not", `{'resourceType':'Observation','valueQuantity':{'value':5,'system':'http://unitsofmeasure.org','code':'drops'}}`, `
			+ value-quantity=5|http://unitsofmeasure.org|drops value-quantity=gt4|http://unitsofmeasure.org|drops
			- value-quantity=5|http://unitsofmeasure.org|dropz value-quantity=gt5|http://unitsofmeasure.org|drops`},
		{"less than", `{'resourceType':'Observation','valueQuantity':{'value':5,'comparator':'<','system':'http://unitsofmeasure.org','code':'mg'}}`, `
			+ value-quantity=lt0.005|http://unitsofmeasure.org|g value-quantity=lt1|http://unitsofmeasure.org|g value-quantity=eb0.005|http://unitsofmeasure.org|g
			- value-quantity=gt0.005|http://unitsofmeasure.org|g value-quantity=0.005|http://unitsofmeasure.org|g`},
		{"a range with units", `{'resourceType':'Condition','onsetRange':{'low':{'value':1,'system':'http://unitsofmeasure.org','code':'a'},'high':{'value':2,'system':'http://unitsofmeasure.org','code':'a'}}}`, `
			+ onset-age=gt12|http://unitsofmeasure.org|mo onset-age=lt20|http://unitsofmeasure.org|mo onset-age=le12|http://unitsofmeasure.org|mo
			- onset-age=gt24|http://unitsofmeasure.org|mo onset-age=lt11|http://unitsofmeasure.org|mo`},
		{"implied systems", `{'resourceType':'Patient','gender':'female','active':true,'address':[{'use':'home'}],'telecom':[{'system':'phone','value':'1'}]}`, `
			+ gender=http://hl7.org/fhir/administrative-gender|female gender=http://hl7.org/fhir/administrative-gender|FEMALE gender=http://hl7.org/fhir/administrative-gender| gender=|female
			- gender=http://hl7.org/fhir/administrative-gender|male gender=http://hl7.org/fhir/address-use|female gender=http://hl7.org/fhir/address-use| gender=http://hl7.org/fhir/Administrative-gender|female
			+ gender:not=http://hl7.org/fhir/administrative-gender|male gender:not=http://hl7.org/fhir/address-use|female address-use=http://hl7.org/fhir/address-use|home
			- gender:not=http://hl7.org/fhir/administrative-gender|female address-use=http://hl7.org/fhir/contact-point-use|home
			+ active=http://terminology.hl7.org/CodeSystem/special-values|true
			- active=http://terminology.hl7.org/CodeSystem/special-values|false active=http://x|true phone=http://hl7.org/fhir/contact-point-system|1`},
		{"an element with codes of two systems", `{'resourceType':'Task','intent':'order'}`, `
			+ intent=http://hl7.org/fhir/request-intent|order intent=http://hl7.org/fhir/request-intent| intent=order
			- intent=http://hl7.org/fhir/task-intent|order intent=http://hl7.org/fhir/task-intent| intent=http://hl7.org/fhir/request-intent|plan`},
		{"the other", `{'resourceType':'Task','intent':'unknown'}`, `
			+ intent=http://hl7.org/fhir/task-intent|unknown intent=http://hl7.org/fhir/task-intent|
			- intent=http://hl7.org/fhir/request-intent|unknown intent=http://hl7.org/fhir/request-intent|`},
		{"urls above and below", `{'resourceType':'ValueSet','url':'http://acme.org/fhir/ValueSet/123'}`, `
			+ url:below=http://acme.org/fhir/ url:below=http://acme.org/fhir url:below=http://acme.org/fhir/ValueSet/123 url:above=http://acme.org/fhir/ValueSet/123/_history/5
			+ url:above=http://acme.org/fhir/ValueSet/123 url:above=http://acme.org/fhir/ValueSet/123?x url:above=http://acme.org/fhir/ValueSet/123\|2 url:below=http://x,http://acme.org
			- url:below=http://acme.org/fhir/ValueSet/1234 url:below=http://ACME.org/fhir url:above=http://acme.org/fhir/ValueSet/1234 url:above=http://acme.org/fhir/ValueSet url:below=http://acme.org/fhir/x`},
		{"a directory", `{'resourceType':'ValueSet','url':'http://acme.org/'}`, `
			+ url:above=http://acme.org/fhir/ValueSet/123 url:above=http://acme.org/
			- url:above=http://acme.com/fhir url:above=http://acme.org`},
		{"versions of a profile", `{'resourceType':'Patient','meta':{'profile':['http://p|1.2.3'],'source':'http://s/feed#42'}}`, `
			+ _profile:below=http://p _profile:below=http://p|1 _profile:below=http://p|1.2 _profile:below=http://p|1.2.3 _profile=http://p _profile:above=http://p|1.2.3
			- _profile:below=http://p|1.20 _profile:below=http://p|2 _profile:below=http://p|1.2.3.4 _profile=http://p|1.2
			+ _source=http://s/feed#42 _source:below=http://s/feed _source:below=http://s _source:missing=false _source:above=http://s/feed#42
			- _source=http://s/feed _source:below=http://t _source=http://s/feed#4`},
		{"versions of a canonical", `{'resourceType':'QuestionnaireResponse','questionnaire':'http://q/a|1.2.3'}`, `
			+ questionnaire:below=http://q/a|1.2 questionnaire:below=http://q/a|1.2.3 questionnaire:below=http://q/a questionnaire:above=http://q/a|1.2.3.4 questionnaire:above=http://q/a|1.2.3
			- questionnaire:below=http://q/a|1.20 questionnaire:below=http://q/a|1.2.30 questionnaire:above=http://q/a|1.2 questionnaire:below=http://q/b questionnaire:above=http://q/a|1.2.34`},
		{"case that counts", `{'resourceType':'Observation','code':{'coding':[{'system':'http://unitsofmeasure.org','code':'Mg'}]}}`, `
			+ code=Mg code=http://unitsofmeasure.org|Mg
			- code=http://unitsofmeasure.org|mg code=MG code=mg`},
		{"identifier", `{'resourceType':'Patient','identifier':[{'system':'urn:a','value':'1'},{'type':{'coding':[{'system':'http://v2','code':'MR'}]},'system':'urn:b','value':'2'}]}`, `
			+ identifier=1 identifier=urn:a|1 identifier=urn:b| identifier=urn:a|1&identifier=urn:b|2 identifier:of-type=http://v2|MR|2
			- identifier=urn:a|2 identifier=urn:b|1 identifier=urn:A|1 identifier:of-type=http://v2|MR|1 identifier:of-type=http://v2|XX|2 identifier=urn:|1`},
		{"flags", `{'resourceType':'Patient','active':false,'deceasedDateTime':'2024-01-01'}`, `
			+ active=false deceased=true death-date=2024 active:not=true gender:missing=true gender:not=male
			- active=true deceased=false gender=male`},
		{"names", `{'resourceType':'Patient','name':[{'family':'Carreño  Quiñones-Díaz','given':['María José','Ana'],'prefix':['Dr.']}]}`, `
			+ family=car family=carreno family=CARREÑO%20quin family=quin family=diaz family=quinones%20diaz name=maria name=jose name=dr name=ana given=jose
			- family=iaz family=ana name=ose family=diaz%20carreno given=carreno
			+ name:contains=rreno family:contains=ES-D family:exact=Carreño  Quiñones-Díaz given:exact=Ana phonetic=mar
			- family:exact=Carreno%20%20Quinones-Diaz family:exact=Carreño given:exact=ana family:contains=ana
			+ name=zzz,ana name:contains=zzz,rren
			- name=zzz name=ana&name=zzz`},
		{"address", `{'resourceType':'Patient','address':[{'line':['12 Main St.'],'city':'Sankt Gallen','postalCode':'9000','country':'CH'}]}`, `
			+ address=12-main address=sankt address=9000 address-city=sankt%20gall address-country=ch address:contains=main
			- address=main address-city=gallen address-city=9000`},
		{"reference", `{'resourceType':'Observation','subject':{'reference':'Patient/p1'},'performer':[{'identifier':{'system':'urn:n','value':'7'}}]}`, `
			+ subject=p1 subject=Patient/p1 subject:Patient=p1 subject=https://hob.example/fhir/Patient/p1 subject=Patient/p1/_history/4 patient=p1 patient=Patient/p1
			- subject=p subject=p11 subject=Group/p1 subject:Group=p1 subject=http://hob.example/fhir/Patient/p1 subject=P1 patient=p2 subject=Device/p1
			+ subject=p0,Patient/p1 performer:identifier=urn:n|7 performer:identifier=7 performer:missing=false patient:missing=false encounter:missing=true
			- performer:identifier=urn:m|7 patient:missing=true subject:missing=true subject:identifier=7 patient:identifier=7`},
		{"subject that is no patient", `{'resourceType':'Observation','subject':{'reference':'Group/p1'}}`, `
			+ subject=p1 subject=Group/p1 patient:missing=true
			- patient=p1 patient=Patient/p1 patient:missing=false`},
		{"reference elsewhere", `{'resourceType':'Observation','subject':{'reference':'https://other.example/Patient/p1/_history/1'},'focus':[{'reference':'urn:uuid:5'}]}`, `
			+ subject=https://other.example/Patient/p1 patient=https://other.example/Patient/p1 focus=urn:uuid:5 patient:missing=false subject:missing=false
			- subject=p1 patient=p1 patient=Patient/p1 patient=https://other.example/Patient/p2`},
		{"canonical that is an address here, of a choice", `{'resourceType':'PlanDefinition','status':'draft','action':[{'definitionCanonical':'ActivityDefinition/a|2'}]}`, `
			+ definition=ActivityDefinition/a definition=https://hob.example/fhir/ActivityDefinition/a\|2 definition:ActivityDefinition=a definition=a
			- definition=PlanDefinition/a definition=ActivityDefinition/a\|1 definition=ActivityDefinition/b`},
		{"uri that is an address here", `{'resourceType':'ConceptMap','status':'draft','sourceUri':'https://hob.example/fhir/ValueSet/v'}`, `
			+ source-uri=ValueSet/v source-uri=v source-uri=https://hob.example/fhir/ValueSet/v
			- source-uri=ValueSet/w source-uri=https://hob.example/fhir/ValueSet`},
		{"canonical", `{'resourceType':'CarePlan','instantiatesCanonical':['http://x.org/PlanDefinition/1|2.0'],'instantiatesUri':['http://u']}`, `
			+ instantiates-canonical=http://x.org/PlanDefinition/1 instantiates-canonical=http://x.org/PlanDefinition/1\|2.0 instantiates-uri=http://u
			- instantiates-canonical=http://x.org/PlanDefinition/1\|2 instantiates-canonical=http://x.org/PlanDefinition instantiates-uri=http://u/ instantiates-uri=http://U`},
		{"profile", `{'resourceType':'Patient','meta':{'profile':['http://p|1.0','http://q'],'source':'urn:s','security':[{'system':'http://c','code':'R'}]}}`, `
			+ _profile=http://p _profile=http://p|1.0 _profile=http://q _source=urn:s _security=http://c|R _profile=http://z,http://q
			- _profile=http://p|2.0 _profile=http://p| _profile=http://q|1 _source=urn _security=S`},
		{"number", `{'resourceType':'RiskAssessment','prediction':[{'probabilityDecimal':0.0040}]}`, `
			+ probability=0.004 probability=0.00400 probability=4e-3 probability=lt0.0041 probability=gt0.0039 probability=ge0.004 probability=le0.004 probability=0
			- probability=0.001 probability=gt0.004 probability=lt0.004 probability=ne0.004 probability=0.0041 probability=sa0.004 probability=eb0.004
			+ probability=ap0.0042 probability=ne0.0041 probability=sa0.003 probability=eb0.005
			- probability=ap0.005`},
		{"number precision", `{'resourceType':'MolecularSequence','variant':[{'start':96}],'referenceSeq':{'windowStart':100,'windowEnd':-3}}`, `
			+ variant-start=1e2 variant-start=96 variant-start=96.0 window-start=100 window-start=1e2 window-start=100.00 window-end=-3 window-end=lt0
			- variant-start=100 variant-start=95 window-start=99 window-start=100.1 window-end=3
			+ window-start=1.0e2 window-start=ge100.00 window-start=le1e2
			- window-start=gt99.99999&window-start=lt100.00 window-start=gt100`},
		{"range", `{'resourceType':'RiskAssessment','prediction':[{'probabilityRange':{'low':{'value':10},'high':{'value':20}}}]}`, `
			+ probability=gt15 probability=lt15 probability=ge20 probability=le10 probability=sa9 probability=eb21 probability=ap15
			- probability=15 probability=gt20 probability=lt10 probability=sa10 probability=eb20`},
		{"quantity", `{'resourceType':'Observation','valueQuantity':{'value':5.40,'unit':'milligram','system':'http://unitsofmeasure.org','code':'mg'}}`, `
			+ value-quantity=5.4 value-quantity=5.40 value-quantity=5 value-quantity=5.4|http://unitsofmeasure.org|mg value-quantity=5.4||mg value-quantity=5.4||milligram value-quantity=5.4||
			- value-quantity=5.5 value-quantity=5.39 value-quantity=5.4|http://unitsofmeasure.org|g value-quantity=5.4||g value-quantity=5.4|http://other|mg value-quantity=5.4||m
			+ value-quantity=gt5||mg value-quantity=lt6|http://unitsofmeasure.org|mg value-quantity=le5.4|http://unitsofmeasure.org|mg value-quantity=ap5.5||mg value-quantity=ne5||g,ne6||mg
			- value-quantity=gt5||g value-quantity=gt5|http://unitsofmeasure.org|g value-quantity=gt1|http://unitsofmeasure.org|lg value-quantity=lt9|http://unitsofmeasure.org|ng value-quantity=ne5.4||mg
			+ combo-value-quantity=5.4||mg value-quantity=ne7|http://unitsofmeasure.org|mg value-quantity:missing=false
			- component-value-quantity=5.4 value-quantity=sa5.4||mg value-quantity=ne7|http://unitsofmeasure.org|L`},
		{"quantity beyond", `{'resourceType':'Observation','valueQuantity':{'value':10,'comparator':'>','system':'s','code':'u'}}`, `
			+ value-quantity=gt10 value-quantity=gt1000000 value-quantity=sa10 value-quantity=sa10|s|u value-quantity=gt50|s|u
			- value-quantity=10 value-quantity=lt10 value-quantity=le10 value-quantity=eb100|s|u value-quantity=lt10|s|u value-quantity=gt50|s|v`},
		{"composite in components", `{'resourceType':'Observation','code':{'coding':[{'system':'http://l','code':'bp'}]},'component':[
			{'code':{'coding':[{'system':'http://l','code':'sys'}]},'valueQuantity':{'value':120,'unit':'mmHg'}},
			{'code':{'coding':[{'system':'http://l','code':'dia'}]},'valueQuantity':{'value':80,'unit':'mmHg'}}]}`, `
			+ component-code-value-quantity=sys$120 component-code-value-quantity=http://l|dia$lt90||mmHg combo-code-value-quantity=dia$80 component-code-value-quantity=sys$80,dia$80
			- component-code-value-quantity=sys$80 component-code-value-quantity=dia$120 combo-code-value-quantity=bp$80 combo-code-value-quantity=sys$lt100 code-value-quantity=bp$80
			+ component-code=sys&component-value-quantity=80 combo-code=bp combo-code=dia
			- component-code-value-quantity=sys$ne120 component-code-value-quantity=http://l|dia$80||mm`},
		{"composite of the whole", `{'resourceType':'Observation','code':{'coding':[{'code':'w'}]},'valueQuantity':{'value':70,'unit':'kg'},'effectiveDateTime':'2024-01-01',
			'component':[{'code':{'coding':[{'code':'h'}]},'valueQuantity':{'value':180,'unit':'cm'}}]}`, `
			+ code-value-quantity=w$70 code-value-quantity=w$ap71||kg combo-code-value-quantity=w$70 combo-code-value-quantity=h$gt170
			- code-value-quantity=h$180 code-value-quantity=w$180 combo-code-value-quantity=w$180 combo-code-value-quantity=h$70`},
		{"composite with a part anchored at the resource", `{'resourceType':'MolecularSequence','referenceSeq':{'chromosome':{'coding':[{'code':'1'}]}},'variant':[{'start':5,'end':9},{'start':20,'end':30}]}`, `
			+ chromosome-variant-coordinate=1$lt6$gt8 chromosome-variant-coordinate=1$20$30
			- chromosome-variant-coordinate=2$lt6$gt8 chromosome-variant-coordinate=1$5$30 chromosome-variant-coordinate=1$lt6$gt9`},
		{"ids", `{'resourceType':'Patient'}`, `
			+ _id=x _id=a,x _id:not=a _id=x&_id=x,a
			- _id=X _id=a _id:not=x _id=x&_id=a`},
	} {
		rows := rowsOf(t, c, resource(t, x.json))
		for line := range strings.Lines(x.queries) {
			sign, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
			if sign == "" {
				continue
			}
			for q := range strings.FieldsSeq(strings.ReplaceAll(rest, "Carreño  Q", "Carreño%20%20Q")) {
				q = strings.ReplaceAll(q, "%20", " ")
				typ := resource(t, x.json).Type()
				if got := matches(t, c, typ, rows, q); got != (sign == "+") {
					s, _ := c.Parse(typ, query(q), ParseOptions{})
					t.Errorf("%s: %s?%s: %v\n%s\n%s", x.name, typ, q, got, c.Explain(typ, s.Where), strings.Join(show(c, typ, rows), "\n"))
				}
			}
		}
	}
}

// TestMatchLastUpdated: storage writes the row, the search is ours.
func TestMatchLastUpdated(t *testing.T) {
	c := newCatalog(t)
	rows := []driver.Row{{Field: "_lastUpdated", Value: driver.Point(driver.Instant(now))}}
	for q, want := range map[string]bool{
		"_lastUpdated=2024-06-01": true, "_lastUpdated=gt2024-06-01": false, "_lastUpdated=ge2024-06-01T12:00:00.000Z": true,
		"_lastUpdated=lt2024-06-01T12:00:00Z": false, "_lastUpdated:missing=false": true,
	} {
		if got := matches(t, c, "Patient", rows, q); got != want {
			t.Errorf("%s: %v", q, got)
		}
	}
}
