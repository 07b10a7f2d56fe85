package search

import (
	"slices"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// Suffixes of the fields that tokens write.
const (
	textField   = ":text"
	ofTypeField = ":of-type"
)

// tokens are codes, identifiers, flags and contact points (R4 3.1.1.4.11). A row is code · 00 · system · 00, or code · 00 if
// there is no system: the last 00 lets a search for a system alone end where the system does.
var tokens = &kind{
	name: "token",
	rows: map[string]extractor{
		"Coding":          func(x *indexer, e *fhirmap.Element) { x.coding(e) },
		"CodeableConcept": tokenConcept,
		"Identifier":      tokenIdentifier,
		"ContactPoint":    func(x *indexer, e *fhirmap.Element) { x.token("", e.String("value"), "") },
		"Quantity":        func(x *indexer, e *fhirmap.Element) { x.token("", e.String("code"), e.String("system")) },
		"code":            tokenPrimitive,
		"boolean":         tokenPrimitive,
		"string":          tokenPrimitive,
		"markdown":        tokenPrimitive,
		"id":              tokenPrimitive,
		"uri":             tokenPrimitive,
		"url":             tokenPrimitive,
		"oid":             tokenPrimitive,
		"uuid":            tokenPrimitive,
		"canonical":       tokenPrimitive,
		"integer":         tokenPrimitive,
		"positiveInt":     tokenPrimitive,
		"unsignedInt":     tokenPrimitive,
	},
	suffixes: []string{"", textField, ofTypeField},
	present:  []string{"", textField},
	read:     tokenIs,
	modifiers: []modifier{
		{finds: "code: in any system; |code: in none; system|: any code of it; system|code", example: "http://loinc.org|8867-4", query: each(tokenIs)},
		missing,
		{name: "not", finds: "resources none of whose values is one of these, and those without a value", example: "http://loinc.org|8867-4", query: not(tokenIs)},
		{name: "text", finds: "how a display or text begins, as a string", example: "heart", query: each(tokenText)},
		{name: "of-type", finds: "system|code|value: an identifier by its type and value", example: "http://terminology.hl7.org/CodeSystem/v2-0203|MR|1",
			query: each(tokenOfType)},
		{name: "in", finds: "a stored value set, by its url, url|version or ValueSet/id: any of its codes", example: "http://example.org/vs", query: each(tokenIn)},
		{name: "not-in", finds: "resources none of whose values is in the value set, and those without a value", example: "http://example.org/vs", query: not(tokenIn)},
		{name: "below", finds: "system|code of a stored code system: it and what is a kind of it", example: "http://example.org/cs|a", query: each(tokenBelow)},
		{name: "above", finds: "system|code of a stored code system: it and what it is a kind of", example: "http://example.org/cs|a", query: each(tokenAbove)},
	},
	sortable: true,
}

func tokenPrimitive(x *indexer, e *fhirmap.Element) { x.token("", e.Text, "") }

func tokenConcept(x *indexer, e *fhirmap.Element) {
	for c := range e.Each("coding") {
		x.coding(c)
	}
	x.text(e.String("text"))
}

func tokenIdentifier(x *indexer, e *fhirmap.Element) {
	system, value := e.String("system"), e.String("value")
	x.token("", value, system)
	kind := e.First("type")
	if kind == nil {
		return
	}
	x.text(kind.String("text"))
	for c := range kind.Each("coding") {
		if code := c.String("code"); code != "" && value != "" {
			x.point(ofTypeField, ofTypeBytes(x.edition, c.String("system"), code, value))
		}
	}
}

func (x *indexer) coding(e *fhirmap.Element) {
	x.token("", e.String("code"), e.String("system"))
	x.text(e.String("display"))
}

// text adds what :text finds.
func (x *indexer) text(s string) {
	if s = normalise(s); s != "" {
		x.point(textField, []byte(s))
	}
}

// token adds a code with its system; either may be empty.
func (x *indexer) token(suffix, code, system string) {
	if code == "" && system == "" {
		return
	}
	if x.raw {
		x.point(suffix, []byte(code+"\x00"+system+"\x00"))
		return
	}
	x.point(suffix, tokenBytes(x.options.CaseSensitive, code, system))
}

func tokenBytes(sensitive []string, code, system string) []byte {
	b := make([]byte, 0, len(code)+len(system)+2)
	if !slices.Contains(sensitive, system) {
		code = fold(code)
	}
	b = append(append(b, exact(code)...), 0)
	if system != "" {
		b = append(append(b, exact(system)...), 0)
	}
	return b
}

func ofTypeBytes(c *edition, system, code, value string) []byte {
	return append(tokenBytes(c.options.CaseSensitive, code, system), exact(fold(value))...)
}

// caseSensitive lists the widely used systems in which case tells codes apart. R4 asks for codes to be compared without case
// when in doubt: too much is found rather than too little.
func caseSensitive() []string {
	return []string{"http://unitsofmeasure.org", "urn:iso:std:iso:11073:10101"}
}

// tokenIs reads [system]|[code]: code in any system, |code in none, system| for any code of it.
func tokenIs(a *ask, src source, value string) (anyOf, *fhirmap.Outcome) {
	parts := splitEscaped(value, '|')
	switch {
	case len(parts) > 2:
		return nil, a.bad("%q has more than one |; write system|code, and \\| for a | within either", value)
	case len(parts) == 1:
		return a.codeAnywhere(src, unescape(value)), nil
	}
	system, code := unescape(parts[0]), unescape(parts[1])
	switch {
	case system == "" && code == "":
		return nil, a.bad("| has neither a system nor a code")
	case code == "":
		return a.systemIs(src, system), nil
	}
	if system == "" {
		return a.codeIs(src, code), nil
	}
	return a.conceptIs(src, Concept{system, code}), nil
}

// codeAnywhere asks for a code of any system or none: in those in which case counts as it stands, in all others folded. Their rows stand
// among each other, so what is asked for folded are the spans between those systems.
func (a *ask) codeAnywhere(src source, code string) anyOf {
	folded := tokenBytes(nil, code, "")
	all := driver.Prefix(folded)
	if code == fold(code) || a.schema.implied(src.field) != nil { // code elements have no system
		return anyOf{one(src.field, driver.EQUAL, all)}
	}
	var some anyOf
	for _, system := range a.options.CaseSensitive {
		at := append(append(slices.Clip(folded), exact(system)...), 0)
		some = append(some, one(src.field, driver.EQUAL, driver.Span(all.Low, at)),
			one(src.field, driver.EQUAL, driver.Point(tokenBytes(a.options.CaseSensitive, code, system))))
		all.Low = after(at)
	}
	return append(some, one(src.field, driver.EQUAL, all))
}

// tokenText reads the beginning of a display or text.
func tokenText(a *ask, src source, value string) (anyOf, *fhirmap.Outcome) {
	text, err := a.normalised(value)
	if err != nil {
		return nil, err
	}
	return anyOf{one(src.field+textField, driver.EQUAL, driver.Prefix([]byte(text)))}, nil
}

// tokenOfType reads system|code|value, the first two those of Identifier.type.
func tokenOfType(a *ask, src source, value string) (anyOf, *fhirmap.Outcome) {
	parts := splitEscaped(value, '|')
	if len(parts) != 3 || parts[1] == "" || parts[2] == "" {
		return nil, a.bad("%q is not system|code|value, the type of the identifier and its value", value)
	}
	b := ofTypeBytes(a.edition, unescape(parts[0]), unescape(parts[1]), unescape(parts[2]))
	return anyOf{one(src.field+ofTypeField, driver.EQUAL, driver.Point(b))}, nil
}

// ids is _id: no rows, for a record knows its own id. Ids differ by case.
var ids = &kind{
	name:     "token",
	sortable: true,
	modifiers: []modifier{
		{finds: "ids, to the letter", example: "p1", query: idIs},
		{name: "not", finds: "all but these ids", example: "p1", query: func(a *ask, value string) (driver.Query, *fhirmap.Outcome) {
			q, err := idIs(a, value)
			if err != nil {
				return nil, err
			}
			return driver.Not{Of: q}, nil
		}},
	},
}

func idIs(a *ask, value string) (driver.Query, *fhirmap.Outcome) {
	values, err := a.list(value)
	if err != nil {
		return nil, err
	}
	out := make(driver.IDs, 0, len(values))
	for _, v := range values {
		v = unescape(v)
		if !fhirmap.IsID(v) {
			return nil, a.bad("%q is no id; an id has 1 to 64 letters, digits, hyphens and dots", v)
		}
		out = append(out, v)
	}
	return out, nil
}
