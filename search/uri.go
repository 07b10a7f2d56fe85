package search

import (
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// uris are compared whole and by every character (R4 3.1.1.4.13). A canonical is stored with its |version; a search without
// one finds every version. :below and :above go by how they begin, and a canonical's version by its parts.
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
		{finds: "the whole URI, to the letter; a canonical in any version if none is given", example: "http://example.org/vs", query: each(uriIs)},
		missing,
		{name: "below", finds: "a URL: it and all that begin with it; with a version, those whose numbers begin so", example: "http://example.org/",
			query: each(uriBelow)},
		{name: "above", finds: "a URL: it and all of which it is a part further down", example: "http://example.org/vs", query: each(uriAbove)},
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

// uriBelow reads a URL with which others begin. With a version it finds that version of a canonical and those whose numbers begin so:
// below 1.2 are 1.2 and 1.2.3, and not 1.20.
func uriBelow(a *ask, src source, value string) (anyOf, *fhirmap.Outcome) {
	v, versioned, err := a.hierarchical(value)
	if err != nil {
		return nil, err
	}
	if versioned {
		return versionBelow(src.field, v, nil), nil
	}
	return anyOf{one(src.field, driver.EQUAL, driver.Prefix([]byte(exact(v))))}, nil
}

// uriAbove reads a URL and finds those of which it is a part further down: the URL itself, and what is left of it where it has a
// slash, a question mark, a number sign or a bar, with the slash or without.
func uriAbove(a *ask, src source, value string) (anyOf, *fhirmap.Outcome) {
	v, _, err := a.hierarchical(value)
	if err != nil {
		return nil, err
	}
	some := anyOf{one(src.field, driver.EQUAL, driver.Point([]byte(exact(v))))}
	start := strings.Index(v, "://") + len("://")
	for i := start; i < len(v); i++ {
		switch v[i] {
		case '/':
			some = append(some, one(src.field, driver.EQUAL, driver.Point([]byte(exact(v[:i+1])))))
			fallthrough
		case '?', '#', '|':
			if i > start {
				some = append(some, one(src.field, driver.EQUAL, driver.Point([]byte(exact(v[:i])))))
			}
		}
	}
	return some, nil
}

// versionBelow asks for a canonical of a version and of those below it; end is what follows a canonical in a row.
func versionBelow(field, canonical string, end []byte) anyOf {
	return anyOf{
		one(field, driver.EQUAL, driver.Point(append([]byte(exact(canonical)), end...))),
		one(field, driver.EQUAL, driver.Prefix([]byte(canonical+"."))),
	}
}

// hierarchical reads a URL that others may be above or below. URNs have no such order.
func (a *ask) hierarchical(value string) (url string, versioned bool, _ *fhirmap.Outcome) {
	v := unescape(value)
	if !strings.Contains(v, "://") {
		return "", false, a.bad("%q is no URL such as http://example.org/fhir; only of a URL others are above or below", v)
	}
	return v, strings.Contains(v, "|"), nil
}
