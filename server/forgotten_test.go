package server_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage"
)

// TestForgotten has a test for each detail of R4's search that servers forget.
func TestForgotten(t *testing.T) {
	observation := func(id, rest string) string {
		return `{'resourceType':'Observation','id':'` + id + `','status':'final',` + rest + `}`
	}
	coded := func(id, system, code string) string {
		return observation(id, `'code':{'coding':[{'system':'`+system+`','code':'`+code+`'}]}`)
	}
	amount := func(id, value, unit string) string {
		return observation(id, `'code':{'text':'x'},'valueQuantity':{'value':`+value+`,'unit':'`+unit+`','system':'http://unitsofmeasure.org','code':'`+unit+`'}`)
	}
	place := func(id, partOf string) string {
		return `{'resourceType':'Location','id':'` + id + `','partOf':{'reference':'Location/` + partOf + `'}}`
	}
	stay := func(id, at string) string {
		return `{'resourceType':'Encounter','id':'` + id + `','status':'finished','class':{'code':'IMP'},'location':[{'location':{'reference':'` + at + `'}}]}`
	}
	for _, x := range []struct {
		name    string
		stored  []string
		asked   map[string]string // search to the ids that it finds, in order
		refused map[string]string // to a part of what is said about it
		served  map[string]string // a resource to a part of its body
	}{
		{
			name: "codes fold case unless their system says otherwise",
			stored: []string{
				coded("plain", "http://s", "Mg"), observation("none", `'code':{'coding':[{'code':'MG'}]}`),
				coded("milli", "http://unitsofmeasure.org", "mg"), coded("mega", "http://unitsofmeasure.org", "Mg"),
			},
			asked: map[string]string{
				"Observation?code=mg": "milli none plain", "Observation?code=Mg": "mega none plain", "Observation?code=MG": "none plain",
				"Observation?code=http://s|MG": "plain", "Observation?code=|mG": "none", "Observation?status=FINAL": "mega milli none plain",
				"Observation?code=http://unitsofmeasure.org|Mg": "mega", "Observation?code=http://unitsofmeasure.org|MG": "",
				"Observation?code:not=MG": "mega milli",
			},
		},
		{
			name:   "ids and the systems of identifiers do not fold case",
			stored: []string{`{'resourceType':'Patient','id':'A','identifier':[{'system':'http://MRN','value':'Ab1'}]}`, patient("a", "x")},
			asked: map[string]string{
				"Patient?_id=A": "A", "Patient?_id=a": "a", "Patient?identifier=http://MRN|aB1": "A", "Patient?identifier=http://mrn|Ab1": "",
				"Patient?identifier=http://MRN|": "A", "Patient?identifier=http://mrn|": "",
			},
		},
		{
			name:   ":text is a string search of how a display or text begins",
			stored: []string{observation("o", `'code':{'coding':[{'system':'http://s','code':'c','display':'Heart Rate'}],'text':'Pulse, résting'}`)},
			asked: map[string]string{
				"Observation?code:text=HEART": "o", "Observation?code:text=heart-rate": "o", "Observation?code:text=pulse rest": "o", "Observation?code:text=rate": "",
				"Observation?code:text=c": "",
			},
		},
		{
			name:   "the parts of a family name are found on their own",
			stored: []string{patient("p", "von der Heide-Müller")},
			asked: map[string]string{
				"Patient?family=heide": "p", "Patient?family=Muller": "p", "Patient?family=der": "p", "Patient?name=von der": "p", "Patient?family=eide": "",
				"Patient?family:exact=Heide": "", "Patient?family:exact=von der Heide-Müller": "p",
			},
		},
		{
			name: "what has no value comes last in both directions",
			stored: []string{
				`{'resourceType':'Patient','id':'old','birthDate':'1940'}`, `{'resourceType':'Patient','id':'none'}`, `{'resourceType':'Patient','id':'young','birthDate':'2020'}`,
			},
			asked: map[string]string{"Patient?_sort=birthdate": "old young none", "Patient?_sort=-birthdate": "young old none"},
		},
		{
			name:   "a number without a unit is the number as written, whatever the unit",
			stored: []string{amount("milli", "5.4", "mg"), amount("gram", "5.40", "g"), amount("other", "0.0054", "g")},
			asked: map[string]string{
				"Observation?value-quantity=5.4": "gram milli", "Observation?value-quantity=5.4||mg": "milli",
				"Observation?value-quantity=5.4|http://unitsofmeasure.org|mg": "milli other",
			},
		},
		{
			name:    "references are above and below others only where the parameter says so",
			stored:  []string{`{'resourceType':'Location','id':'house'}`, place("floor", "house"), place("room", "floor"), stay("e", "Location/room")},
			asked:   map[string]string{"Encounter?location=Location/house": "", "Encounter?location=Location/room": "e"}, // where one does: TestParts
			refused: map[string]string{"Encounter?location:below=Location/house": "has no modifier", "Location?partof:below=Location/house": "has no modifier", "Encounter?subject:above=Patient/a": "has no modifier"},
		},
		{
			name: "a code is in a stored value set, and a kind of one of a stored code system",
			stored: []string{
				`{'resourceType':'CodeSystem','id':'cs','status':'active','url':'http://cs','content':'complete','concept':[{'code':'a','concept':[{'code':'b','concept':[{'code':'c'}]}]}]}`,
				`{'resourceType':'CodeSystem','id':'part','status':'active','url':'http://part','content':'fragment','concept':[{'code':'a','concept':[{'code':'b'}]}]}`,
				`{'resourceType':'ValueSet','id':'listed','status':'active','url':'http://listed','compose':{'include':[{'system':'http://cs','concept':[{'code':'a'},{'code':'c'}]}]}}`,
				`{'resourceType':'ValueSet','id':'kinds','status':'active','url':'http://kinds','compose':{'include':[{'system':'http://cs','filter':[{'property':'concept','op':'is-a','value':'b'}]}]}}`,
				`{'resourceType':'ValueSet','id':'some','status':'active','url':'http://some','compose':{'include':[{'system':'http://part','filter':[{'property':'concept','op':'is-a','value':'a'}]}]}}`,
				`{'resourceType':'ValueSet','id':'many','status':'active','url':'http://many','compose':{'include':[{'system':'http://cs','concept':[` +
					strings.TrimSuffix(strings.Repeat(`{'code':'a'},{'code':'b'},{'code':'c'},`, 2), ",") + `]}]}}`,
				`{'resourceType':'ValueSet','id':'large','status':'active','url':'http://large','compose':{'include':[{'system':'http://x','concept':[{'code':'1'},{'code':'2'},{'code':'3'},{'code':'4'},{'code':'5'},{'code':'6'}]}]}}`,
				coded("a", "http://cs", "a"), coded("b", "http://cs", "b"), coded("c", "http://cs", "c"), coded("d", "http://cs", "d"),
			},
			asked: map[string]string{
				"Observation?code:in=http://listed": "a c", "Observation?code:not-in=http://listed": "b d", "Observation?code:in=http://kinds": "b c",
				"Observation?code:below=http://cs|b": "b c", "Observation?code:above=http://cs|b": "a b", "Observation?code:in=http://many": "a b c",
			},
			refused: map[string]string{
				"Observation?code:in=http://nowhere": "not stored here", "Observation?code:below=http://nowhere|a": "not stored here",
				"Observation?code:in=http://large": "more than 5 codes", "Observation?code:in=http://some": "not the whole", "Observation?code:below=http://part|a": "not the whole",
			},
		},
		{
			name: "a list finds what its entries name, one of changes what was taken away too",
			stored: []string{
				patient("p", "x"), patient("q", "x"), patient("r", "x"),
				`{'resourceType':'List','id':'l','status':'current','mode':'changes','entry':[{'item':{'reference':'Patient/p'}},{'deleted':true,'item':{'reference':'Patient/q'}}]}`,
			},
			asked: map[string]string{"Patient?_list=l": "p q", "Patient?_list=none": "", "Observation?_list=l": ""},
		},
		{
			name: "the index is in normal form, the body never",
			stored: []string{
				observation("o", `'code':{'text':'x'},'subject':{'reference':'http://hob.test/fhir/Patient/p'},'valueQuantity':{'value':1.50,'unit':'KG'}`), patient("p", "MÜLLER"),
			},
			asked: map[string]string{
				"Observation?subject=Patient/p": "o", "Observation?subject=http://hob.test/fhir/Patient/p": "o", "Observation?subject.family=muller": "o",
				"Patient?_has:Observation:subject:status=final": "p", "Observation?value-quantity=1.5": "o",
			},
			served: map[string]string{"Observation/o": `"http://hob.test/fhir/Patient/p"},"valueQuantity":{"value":1.50,"unit":"KG"}`, "Patient/p": "MÜLLER"},
		},
	} {
		t.Run(x.name, func(t *testing.T) {
			known, err := search.NewCatalog(r4.SearchParameters, search.Options{Base: "http://hob.test/fhir"})
			if err != nil {
				t.Fatal(err)
			}
			f := openOn(t, backend(t), func(c *server.Config) {
				c.Catalog, c.Limits.Codes = known, 5
				if c.Store, err = storage.New(storage.Config{Backend: backend(t), Index: known.Rows}); err != nil {
					t.Fatal(err)
				}
			})
			for _, body := range x.stored {
				var key struct{ ResourceType, ID string }
				body = strings.ReplaceAll(body, "'", `"`)
				if err := json.Unmarshal([]byte(body), &key); err != nil {
					t.Fatal(err)
				}
				f.do("PUT", "/fhir/"+key.ResourceType+"/"+key.ID, body).is(201)
			}
			for key, part := range x.served {
				f.do("GET", "/fhir/"+key, "").is(200).says(part)
			}
			for query, want := range x.asked {
				got := f.do("GET", "/fhir/"+escaped(query), "").is(200).set().ids()
				if !strings.Contains(query, "_sort") {
					slices.Sort(got)
				}
				if strings.Join(got, " ") != want {
					t.Errorf("%s finds %q, want %q", query, got, want)
				}
			}
			for query, want := range x.refused {
				if a := f.do("GET", "/fhir/"+escaped(query), ""); a.status != 400 || !strings.Contains(a.body, want) {
					t.Errorf("%s is answered by %d, %s", query, a.status, a.body)
				}
			}
		})
	}
}
