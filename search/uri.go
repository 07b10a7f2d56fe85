package search

import (
	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// uris are compared whole and by every character (R4 3.1.1.4.13). A canonical is stored with its |version; a search without
// one finds every version.
var uris = &kind{
	name: "uri",
	rows: map[string]extractor{
		"uri":       uriPrimitive,
		"url":       uriPrimitive,
		"canonical": uriPrimitive,
		"oid":       uriPrimitive,
		"uuid":      uriPrimitive,
	},
	suffixes: []string{""},
	present:  []string{""},
	read:     uriIs,
	modifiers: []modifier{
		{"", each(uriIs)},
		missing,
	},
	sortable: true,
}

func uriPrimitive(x *indexer, e *fhirmap.Element) {
	if e.Text != "" {
		x.point("", []byte(exact(e.Text)))
	}
}

func uriIs(a *ask, src source, value string) (anyOf, *fhirmap.Outcome) {
	v := unescape(value)
	some := anyOf{one(src.field, driver.EQUAL, driver.Point([]byte(exact(v))))}
	if len(splitEscaped(value, '|')) == 1 {
		some = append(some, one(src.field, driver.EQUAL, driver.Prefix([]byte(v+"|"))))
	}
	return some, nil
}
