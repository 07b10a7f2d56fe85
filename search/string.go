package search

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// Suffixes of the fields that strings write.
const (
	partField  = ":part"
	exactField = ":exact"
)

// texts are texts, and names and addresses by each of their texts (R4 3.1.1.4.8): found by how they begin, whatever the
// case, the accents and the punctuation. A person's name is found by how any of its words begins.
var texts = &kind{
	name: "string",
	rows: map[string]extractor{
		"string":          stringPrimitive,
		"markdown":        stringPrimitive,
		"code":            stringPrimitive,
		"id":              stringPrimitive,
		"uri":             stringPrimitive,
		"HumanName":       stringHumanName,
		"Address":         stringAddress,
		"CodeableConcept": stringConcept,
		"Annotation":      func(x *indexer, e *fhirmap.Element) { x.string(e.String("text"), false) },
	},
	suffixes: []string{"", partField, exactField},
	present:  []string{exactField},
	read:     stringBegins,
	modifiers: []modifier{
		{finds: "how a text begins, whatever its case, accents and punctuation; of a person's name any of its words", example: "Müller-L",
			query: each(stringBegins)},
		missing,
		{name: "exact", finds: "the whole text, to the letter", example: "Müller", query: each(stringIs)},
		{name: "contains", finds: "a part of the text, whatever its case, accents and punctuation", example: "üll", query: each(stringContains)},
	},
	sortable: true,
}

// stringPrimitive indexes a text; the words of a family or given name count, for families are searched by any of their names.
func stringPrimitive(x *indexer, e *fhirmap.Element) {
	x.string(e.Text, e.Name == "family" || e.Name == "given")
}

func stringHumanName(x *indexer, e *fhirmap.Element) {
	for _, c := range e.Children {
		switch c.Name {
		case "family", "given", "prefix", "suffix", "text":
			x.string(c.Text, true)
		}
	}
}

func stringAddress(x *indexer, e *fhirmap.Element) {
	for _, c := range e.Children {
		switch c.Name {
		case "line", "city", "district", "state", "postalCode", "country", "text":
			x.string(c.Text, false)
		}
	}
}

func stringConcept(x *indexer, e *fhirmap.Element) {
	x.string(e.String("text"), false)
	for c := range e.Each("coding") {
		x.string(c.String("display"), false)
	}
}

// string adds the rows of a text.
func (x *indexer) string(s string, words bool) {
	if s == "" {
		return
	}
	x.point(exactField, []byte(exact(s)))
	n := normalise(s)
	if n == "" {
		return
	}
	x.point("", []byte(n))
	if words {
		for i := strings.IndexByte(n, ' '); i >= 0; i = strings.IndexByte(n, ' ') {
			n = n[i+1:]
			x.point(partField, []byte(n))
		}
	}
}

// exact is a text as it is; of one too long for the index its beginning and a SHA-256 of the whole.
func exact(s string) string {
	if len(s) <= maxString {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return s[:maxString] + hex.EncodeToString(sum[:])
}

// normalised is the normal form of a value, which must not be empty: it would find every text.
func (a *ask) normalised(value string) (string, *fhirmap.Outcome) {
	n := normalise(unescape(value))
	if n == "" {
		return "", a.bad("%q has no letter, digit or symbol to look for", value)
	}
	return n, nil
}

func stringBegins(a *ask, src source, value string) (anyOf, *fhirmap.Outcome) {
	n, err := a.normalised(value)
	if err != nil {
		return nil, err
	}
	begins := driver.Prefix([]byte(n))
	some := anyOf{one(src.field, driver.EQUAL, begins)}
	if a.schema.hasWords(src.field) {
		some = append(some, one(src.field+partField, driver.EQUAL, begins))
	}
	return some, nil
}

func stringIs(a *ask, src source, value string) (anyOf, *fhirmap.Outcome) {
	return anyOf{one(src.field+exactField, driver.EQUAL, driver.Point([]byte(exact(unescape(value)))))}, nil
}

func stringContains(a *ask, src source, value string) (anyOf, *fhirmap.Outcome) {
	n, err := a.normalised(value)
	if err != nil {
		return nil, err
	}
	return anyOf{one(src.field, driver.LIKE, driver.Point([]byte(n)))}, nil
}

// hasWords reports whether a field of strings may hold persons' names, so that its words are rows too.
func (s *schema) hasWords(field string) bool {
	p := s.params[field]
	return p != nil && slices.ContainsFunc(p.atoms, func(a atom) bool {
		name, typ := a.target()
		return typ == "" || typ == "HumanName" || name == "family" || name == "given"
	})
}
