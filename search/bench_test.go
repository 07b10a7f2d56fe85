package search

import (
	"testing"
)

const smallObservation = `{'resourceType':'Observation','id':'o1','status':'final','category':[{'coding':[{'system':'http://terminology.hl7.org/CodeSystem/observation-category','code':'vital-signs'}]}],
	'code':{'coding':[{'system':'http://loinc.org','code':'8867-4','display':'Heart rate'}]},'subject':{'reference':'Patient/p1'},'encounter':{'reference':'Encounter/e1'},
	'effectiveDateTime':'2024-01-31T10:00:00+01:00','valueQuantity':{'value':72.5,'unit':'beats/minute','system':'http://unitsofmeasure.org','code':'/min'}}`

const smallPatient = `{'resourceType':'Patient','id':'p1','active':true,'identifier':[{'type':{'coding':[{'system':'http://terminology.hl7.org/CodeSystem/v2-0203','code':'MR'}]},'system':'http://mrn.example','value':'12345'}],
	'name':[{'use':'official','family':'Chalmers','given':['Peter','James']}],'telecom':[{'system':'phone','value':'(03) 5555 6473','use':'work'}],'gender':'male','birthDate':'1974-12-25',
	'address':[{'use':'home','line':['534 Erewhon St'],'city':'PleasantVille','state':'Vic','postalCode':'3999'}],'managingOrganization':{'reference':'Organization/1'}}`

func BenchmarkRows(b *testing.B) {
	c := newCatalog(b)
	for name, json := range map[string]string{"Observation": smallObservation, "Patient": smallPatient} {
		b.Run(name, func(b *testing.B) {
			r := resource(b, json)
			rows := rowsOf(b, c, r)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Rows(r.ID(), r); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(rows)), "rows")
			b.ReportMetric(float64(len(r.JSON())), "bytes")
		})
	}
}

func BenchmarkParse(b *testing.B) {
	c := newCatalog(b)
	for name, q := range map[string]string{
		"chart":     "patient=p1&code=http://loinc.org|8867-4&date=ge2024-01-01&_sort=-date&_count=20",
		"name":      "name=chal&birthdate=1974-12-25&gender=male",
		"composite": "component-code-value-quantity=http://loinc.org|8480-6$gt120||mmHg",
	} {
		typ := "Observation"
		if name == "name" {
			typ = "Patient"
		}
		pairs := query(q)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Parse(typ, pairs, ParseOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
