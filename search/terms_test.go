package search

import (
	"strings"
	"testing"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// TestTerms asks with terms of the test: what they answer is what is looked for, and what they cannot answer is told of the parameter.
func TestTerms(t *testing.T) {
	c := newCatalog(t)
	terms := Terms{
		Codes: func(name string) ([]Concept, *fhirmap.Outcome) {
			switch name {
			case "http://vs,1":
				return []Concept{{"http://loinc.org", "8867-4"}, {"http://s", ""}}, nil
			case "http://none":
				return nil, nil
			}
			return nil, fhirmap.Errorf(fhirmap.CodeValue, "", "no value set %s", name)
		},
		Below: func(c Concept) ([]Concept, *fhirmap.Outcome) {
			return []Concept{c, {c.System, c.Code + "1"}, {c.System, c.Code + "2"}}, nil
		},
		Above: func(c Concept) ([]Concept, *fhirmap.Outcome) { return []Concept{c, {c.System, c.Code[:1]}}, nil },
	}
	found := map[string]string{
		"loinc": `{'resourceType':'Observation','code':{'coding':[{'system':'http://loinc.org','code':'8867-4'}]},'component':[{'code':{'coding':[{'system':'http://c','code':'A1'}]},'valueQuantity':{'value':1}}]}`,
		"other": `{'resourceType':'Observation','code':{'coding':[{'system':'http://s','code':'anything'},{'system':'http://c','code':'A'}]}}`,
		"alone": `{'resourceType':'Observation','code':{'coding':[{'code':'8867-4'}]}}`,
		"none":  `{'resourceType':'Observation','status':'final'}`,
	}
	for _, x := range []struct{ q, want string }{
		{`code:in=http://vs\,1`, "loinc other"},
		{`code:not-in=http://vs\,1`, "alone none"},
		{"code:in=http://none", ""},
		{"code:not-in=http://none", "alone loinc none other"},
		{`code:in=http://none,http://vs\,1`, "loinc other"},
		{"code:below=http://c|A", "other"},
		{"combo-code:below=http://c|A", "loinc other"},
		{"component-code:below=http://c|A", "loinc"},
		{"component-code:below=http://c|a", "loinc"},
		{"component-code:below=http://c|A1", "loinc"},
		{"code:above=http://c|A1", "other"},
		{"component-code:above=http://c|A1", "loinc"},
		{`code:in=http://vs\,1&code:not-in=http://none`, "loinc other"},
	} {
		s, err := c.Parse("Observation", query(x.q), ParseOptions{Terms: terms})
		if err != nil {
			t.Errorf("%s: %v", x.q, err)
			continue
		}
		var got []string
		for _, name := range []string{"alone", "loinc", "none", "other"} {
			if driver.Match(driver.Key{Type: "Observation", ID: "x"}, rowsOf(t, c, resource(t, found[name])), s.Where, alone{}) {
				got = append(got, name)
			}
		}
		if strings.Join(got, " ") != x.want {
			t.Errorf("%s finds %q, want %q", x.q, strings.Join(got, " "), x.want)
		}
	}
	for q, says := range map[string]string{
		"code:in=http://gone":     "parameter code:in: no value set http://gone",
		"code:not-in=a,http://b":  "parameter code:not-in: no value set a",
		"code:below=A":            "is not system|code",
		"code:below=|A":           "is not system|code",
		"code:above=http://c|":    "is not system|code",
		"code:above=http://c|a|b": "is not system|code",
		"code:in=":                "an empty value",
	} {
		_, err := c.Parse("Observation", query(q), ParseOptions{Terms: terms})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", q, err, says)
		}
	}
	for _, q := range []string{"code:in=http://vs", "code:not-in=http://vs", "code:below=http://c|a", "code:above=http://c|a"} {
		_, err := c.Parse("Observation", query(q), ParseOptions{})
		if o, ok := err.(*fhirmap.Outcome); !ok || o.Issues[0].Code != fhirmap.CodeNotSupported {
			t.Errorf("%s without terms: %v", q, err)
		}
	}
}
