package server_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/server"
)

// terminology is a small world: a code system with kinds, one without, and value sets of every make.
func terminology(f *fixture) {
	put := func(typ, id, rest string) {
		f.do("PUT", "/fhir/"+typ+"/"+id, strings.ReplaceAll(`{'resourceType':'`+typ+`','id':'`+id+`','status':'active',`+rest+`}`, "'", `"`)).is(201)
	}
	put("CodeSystem", "animals", `'url':'http://cs/animals','content':'complete','caseSensitive':true,'property':[{'code':'parent','type':'code'},{'code':'legs','type':'integer'},{'code':'tame','type':'boolean'}],
		'concept':[{'code':'animal','concept':[
			{'code':'dog','property':[{'code':'legs','valueInteger':4},{'code':'tame','valueBoolean':true}],'concept':[{'code':'poodle'}]},
			{'code':'bird','property':[{'code':'legs','valueInteger':2}]}]},
			{'code':'parrot','property':[{'code':'parent','valueCode':'bird'},{'code':'parent','valueCode':'pet'}]},
			{'code':'pet','display':'Pet'},{'code':'stone'}]`)
	put("CodeSystem", "parts", `'url':'http://cs/parts','content':'complete','hierarchyMeaning':'part-of','concept':[{'code':'hand','concept':[{'code':'finger'}]}]`)
	put("CodeSystem", "circle", `'url':'http://cs/circle','content':'complete','concept':[{'code':'a','property':[{'code':'parent','valueCode':'b'}]},{'code':'b','property':[{'code':'parent','valueCode':'a'}]}]`)
	set := func(id, rest string) { put("ValueSet", id, `'url':'http://vs/`+id+`',`+rest) }
	set("listed", `'compose':{'include':[{'system':'http://cs/animals','concept':[{'code':'dog'},{'code':'pet'}]},{'system':'http://other','concept':[{'code':'dog'}]}]}`)
	set("whole", `'compose':{'include':[{'system':'http://cs/animals'}]}`)
	set("unknown-system", `'compose':{'include':[{'system':'http://other'}]}`)
	set("kinds", `'compose':{'include':[{'system':'http://cs/animals','filter':[{'property':'concept','op':'is-a','value':'animal'}]}]}`)
	set("descendants", `'compose':{'include':[{'system':'http://cs/animals','filter':[{'property':'concept','op':'descendent-of','value':'bird'}]}]}`)
	set("others", `'compose':{'include':[{'system':'http://cs/animals','filter':[{'property':'concept','op':'is-not-a','value':'animal'}]}]}`)
	set("four-legs", `'compose':{'include':[{'system':'http://cs/animals','filter':[{'property':'legs','op':'=','value':'4'},{'property':'tame','op':'exists','value':'true'}]}]}`)
	set("but", `'compose':{'include':[{'system':'http://cs/animals'}],'exclude':[{'system':'http://cs/animals','filter':[{'property':'concept','op':'is-a','value':'dog'}]}]}`)
	set("of-sets", `'compose':{'include':[{'valueSet':['http://vs/kinds','http://vs/listed']},{'valueSet':['http://vs/descendants']}]}`)
	set("expanded", `'expansion':{'timestamp':'2024-01-01','total':2,'contains':[{'system':'http://cs/animals','code':'dog','contains':[{'system':'http://other','code':'x'}]},{'abstract':true,'system':'http://cs/animals','code':'stone'}]}`)
	set("round", `'compose':{'include':[{'valueSet':['http://vs/about']}]}`)
	set("about", `'compose':{'include':[{'valueSet':['http://vs/round']}]}`)
	set("pattern", `'compose':{'include':[{'system':'http://cs/animals','filter':[{'property':'code','op':'regex','value':'.*'}]}]}`)
	set("snomed", `'compose':{'include':[{'system':'http://snomed.info/sct','filter':[{'property':'concept','op':'is-a','value':'1'}]}]}`)
	set("empty", `'name':'Empty'`)
	set("hole", `'compose':{'include':[{'system':'http://other'}],'exclude':[{'system':'http://other','concept':[{'code':'dog'}]}]}`)
	put("ValueSet", "v1", `'url':'http://vs/versions','version':'1.9','compose':{'include':[{'system':'http://cs/animals','concept':[{'code':'dog'}]}]}`)
	put("ValueSet", "v2", `'url':'http://vs/versions','version':'1.10','compose':{'include':[{'system':'http://cs/animals','concept':[{'code':'pet'}]}]}`)
	for _, c := range []string{"dog", "poodle", "bird", "parrot", "pet", "stone"} {
		f.do("PUT", "/fhir/Observation/"+c, `{"resourceType":"Observation","id":"`+c+`","status":"final","code":{"coding":[{"system":"http://cs/animals","code":"`+c+`"}]}}`).is(201)
	}
	f.do("PUT", "/fhir/Observation/other-dog", `{"resourceType":"Observation","id":"other-dog","status":"final","code":{"coding":[{"system":"http://other","code":"dog"}]}}`).is(201)
}

// TestTerminology: the token modifiers that ask stored value sets and code systems, by GET and by POST.
func TestTerminology(t *testing.T) {
	f := open(t, nil)
	terminology(f)
	for _, x := range []struct{ query, want string }{
		{"code:in=http://vs/listed", "dog other-dog pet"},
		{"code:not-in=http://vs/listed", "bird parrot poodle stone"},
		{"code:in=ValueSet/listed", "dog other-dog pet"},
		{"code:in=http://vs/whole", "bird dog parrot pet poodle stone"},
		{"code:in=http://vs/unknown-system", "other-dog"},
		{"code:in=http://vs/kinds", "bird dog parrot poodle"},
		{"code:in=http://vs/descendants", "parrot"},
		{"code:in=http://vs/others", "pet stone"},
		{"code:in=http://vs/four-legs", "dog"},
		{"code:in=http://vs/but", "bird parrot pet stone"},
		{"code:in=http://vs/of-sets", "dog parrot"},
		{"code:in=http://vs/expanded", "dog"},
		{"code:in=http://vs/versions", "pet"},
		{"code:in=http://vs/versions|1.9", "dog"},
		{"code:in=http://vs/descendants,http://vs/four-legs", "dog parrot"},
		{"code:in=http://vs/kinds&code:not-in=http://vs/four-legs", "bird parrot poodle"},
		{"code:below=http://cs/animals|dog", "dog poodle"},
		{"code:below=http://cs/animals|pet", "parrot pet"},
		{"code:above=http://cs/animals|parrot", "bird parrot pet"},
		{"code:above=http://cs/animals|stone", "stone"},
		{"code:below=http://cs/circle|a", ""},
		{"code:below=http://cs/parts|hand", ""},
	} {
		t.Run(x.query, func(t *testing.T) {
			f := *f
			f.TB = t
			for _, ask := range []func() *answer{
				func() *answer { return f.do("GET", "/fhir/Observation?"+escaped(x.query), "") },
				func() *answer {
					return f.do("POST", "/fhir/Observation/_search", escaped(x.query), "Content-Type: application/x-www-form-urlencoded")
				},
			} {
				var got []string
				for _, e := range ask().is(200).set().Entry {
					got = append(got, e.Resource.ID)
				}
				slices.Sort(got)
				if strings.Join(got, " ") != x.want {
					t.Errorf("found %q, want %q", strings.Join(got, " "), x.want)
				}
			}
		})
	}
	for _, x := range []struct{ query, code, says string }{
		{"code:in=http://vs/none", "value", "http://vs/none is not stored"},
		{"code:in=ValueSet/none", "value", "ValueSet/none is not stored"},
		{"code:in=http://vs/versions|2", "value", "http://vs/versions|2 is not stored"},
		{"code:in=http://vs/round", "value", "includes itself"},
		{"code:not-in=http://vs/about", "value", "includes itself"},
		{"code:in=http://vs/pattern", "not-supported", "regex"},
		{"code:in=http://vs/snomed", "value", "http://snomed.info/sct, which is not stored"},
		{"code:in=http://vs/empty", "value", "neither says what it is composed of"},
		{"code:in=http://vs/hole", "not-supported", "store the code system"},
		{"code:below=http://cs/none|x", "value", "http://cs/none is not stored"},
		{"code:above=http://cs/animals|cat", "value", `no code "cat"`},
		{"code:below=dog", "value", "is not system|code"},
	} {
		f.do("GET", "/fhir/Observation?"+escaped(x.query), "").fails(400, x.code, x.says)
	}

	// Criteria of a write ask too.
	f.do("POST", "/fhir/Observation", `{"resourceType":"Observation","status":"final","code":{"text":"x"}}`, "If-None-Exist: code:in=http://vs/descendants").is(200)
	f.do("DELETE", "/fhir/Observation?"+escaped("code:below=http://cs/animals|parrot"), "").is(204)
	f.do("GET", "/fhir/Observation/parrot", "").is(410)
	f.do("POST", "/fhir", `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Observation?code:in=http://vs/four-legs"}}]}`).
		is(200).says(`"id":"dog"`)
}

// TestTerminologyLimits: what is too large or too deep is refused, whatever it takes to see it.
func TestTerminologyLimits(t *testing.T) {
	f := open(t, func(c *server.Config) { c.Limits.Codes = 5 })
	terminology(f)
	for query, ok := range map[string]bool{
		"code:in=http://vs/whole":                false, // six
		"code:in=http://vs/kinds":                true,
		"code:in=http://vs/but":                  false, // before what it excludes
		"code:below=http://cs/animals|animal":    true,
		"code:in=http://vs/unknown-system":       true,
		"code:not-in=http://vs/whole":            false,
		"code:in=http://vs/listed,http://vs/but": false,
	} {
		a := f.do("GET", "/fhir/Observation?"+escaped(query), "")
		if ok {
			a.is(200)
		} else {
			a.fails(400, "value", "more than 5 codes")
		}
	}
	for i := range 30 {
		f.do("PUT", fmt.Sprintf("/fhir/ValueSet/n%d", i), fmt.Sprintf(
			`{"resourceType":"ValueSet","id":"n%d","url":"http://n/%d","status":"active","compose":{"include":[{"valueSet":["http://n/%d"]}]}}`, i, i, i+1)).is(201)
	}
	f.do("GET", "/fhir/Observation?code:in=http://n/0", "").fails(400, "value", "20 deep")
}

// TestTerminologyOfPages: a later page asks for what the value set held when the first was made.
func TestTerminologyOfPages(t *testing.T) {
	f := open(t, nil)
	terminology(f)
	p := f.do("GET", "/fhir/Observation?code:in=http://vs/listed&_count=1&_sort=_id", "").is(200).set()
	f.do("PUT", "/fhir/ValueSet/listed", `{"resourceType":"ValueSet","id":"listed","url":"http://vs/listed","status":"active","compose":{"include":[{"system":"http://none"}]}}`).is(200)
	var got []string
	for {
		for _, e := range p.Entry {
			got = append(got, e.Resource.ID)
		}
		if p.link("next") == "" {
			break
		}
		p = f.do("GET", p.link("next"), "").is(200).set()
	}
	if strings.Join(got, " ") != "dog other-dog pet" {
		t.Errorf("the pages show %q", got)
	}
}

// escaped makes a query of names and values as they are meant.
func escaped(query string) string {
	var out []string
	for p := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(p, "=")
		out = append(out, name+"="+url.QueryEscape(value))
	}
	return strings.Join(out, "&")
}

// TestParts: :below and :above of references, where the SearchParameter lists them, follow what is a part of what.
func TestParts(t *testing.T) {
	own := r4.SearchParameter{URL: "http://hob.test/place", Code: "place", Type: "reference", Expression: "Encounter.location.location",
		Base: []string{"Encounter"}, Target: []string{"Location"}, Modifiers: []string{"below", "above"}}
	c, err := search.NewCatalog(append(slices.Clone(r4.SearchParameters), own), search.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := open(t, func(config *server.Config) { config.Catalog = c; config.Limits.Codes = 4 })
	for _, l := range []struct{ id, of string }{{"house", "ward"}, {"site", ""}, {"house", "site"}, {"ward", "house"}, {"bed", "ward"}, {"other", ""}, {"a", "b"}, {"b", "a"}} {
		f.do("PUT", "/fhir/Location/"+l.id, `{"resourceType":"Location","id":"`+l.id+`"`+strings.Repeat(`,"partOf":{"reference":"Location/`+l.of+`"}`, min(1, len(l.of)))+`}`)
		f.do("PUT", "/fhir/Encounter/in-"+l.id, `{"resourceType":"Encounter","id":"in-`+l.id+`","status":"planned","class":{"code":"AMB"},"location":[{"location":{"reference":"Location/`+l.id+`"}}]}`)
	}
	for query, want := range map[string]string{
		"place:below=house":            "in-bed in-house in-ward",
		"place:below=Location/bed":     "in-bed",
		"place:above=bed":              "in-bed in-house in-site in-ward",
		"place:above=site":             "in-site",
		"place:below=a":                "in-a in-b",
		"place:above=a":                "in-a in-b",
		"place:below=other,bed":        "in-bed in-other",
		"place:below=none":             "",
		"place=house":                  "in-house",
		"place:below=house&_id=in-bed": "in-bed",
	} {
		var got []string
		for _, e := range f.do("GET", "/fhir/Encounter?"+escaped(query), "").is(200).set().Entry {
			got = append(got, e.Resource.ID)
		}
		slices.Sort(got)
		if strings.Join(got, " ") != want {
			t.Errorf("%s finds %q, want %q", query, got, want)
		}
	}
	f.do("PUT", "/fhir/Location/more", `{"resourceType":"Location","id":"more","partOf":{"reference":"Location/bed"}}`).is(201)
	f.do("GET", "/fhir/Encounter?place:below=site", "").fails(400, "value", "more than 4 resources")
	f.do("GET", "/fhir/Encounter?location:below=site", "").fails(400, "not-supported", `no modifier ":below"`)
	f.do("GET", "/fhir/Encounter?place:below=http://x", "").fails(400, "value", "is no reference")
}
