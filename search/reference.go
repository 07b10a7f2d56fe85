package search

import (
	"slices"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

const identifierField = ":identifier"

// references point to resources (R4 3.1.1.4.12). A row is the Ref of a resource of this server, id · 00 · type, whatever
// version it names and however it is written; anything else, a canonical with its version too, is url · 00.
var references = &kind{
	name: "reference",
	rows: map[string]extractor{
		"Reference": func(x *indexer, e *fhirmap.Element) {
			if s := e.String("reference"); s != "" {
				x.point("", x.reference(s, e.String("type")))
			}
			if id := e.First("identifier"); id != nil {
				x.token(identifierField, id.String("value"), id.String("system"))
			}
		},
		"canonical": referenceURL,
		"uri":       referenceURL,
		"url":       referenceURL,
		"oid":       referenceURL,
		"uuid":      referenceURL,
		anyResource: func(x *indexer, e *fhirmap.Element) { // a resource within a Bundle is a reference to itself
			if id := e.String("id"); id != "" {
				x.point("", driver.Key{Type: e.Type, ID: id}.Ref())
			}
		},
	},
	suffixes: []string{"", identifierField},
	present:  []string{"", identifierField},
	read:     referenceIs,
	modifiers: []modifier{
		{finds: "an id, Type/id or a URL: what refers to it, whatever version it names; a canonical in any version if none is given",
			example: "Patient/p1", query: each(referenceIs)},
		missing,
		{name: "identifier", finds: "system|value of Reference.identifier", example: "http://mrn.example|1", query: each(referenceIdentifier)},
		{name: anyType, finds: "an id: references to it as this type", example: "p1", query: each(referenceIs)},
		{name: "below", finds: "a canonical: this version and those whose numbers begin so; where the parameter says so, Type/id: what refers to it " +
			"or to a part of it", example: "http://example.org/q|1.2", query: each(referenceBelow), when: (*parameter).hierarchical},
		{name: "above", finds: "a canonical: this version and those with which its number begins; where the parameter says so, Type/id: what refers to " +
			"it or to what it is a part of", example: "http://example.org/q|1.2", query: each(referenceAbove), when: (*parameter).hierarchical},
	},
	sortable: true,
}

// anyType stands, as the name of a modifier, for every resource type.
const anyType = "[type]"

func referenceURL(x *indexer, e *fhirmap.Element) {
	if e.Text != "" {
		x.point("", urlBytes(e.Text))
	}
}

func urlBytes(url string) []byte { return append([]byte(exact(url)), 0) }

// reference makes the bytes of a literal reference; typ is Reference.type, of use if the reference is only an id.
func (c *edition) reference(s, typ string) []byte {
	if k, ok := c.local(s); ok {
		return k.Ref()
	}
	if fhirmap.IsResource(typ) && fhirmap.IsID(s) {
		return driver.Key{Type: typ, ID: s}.Ref()
	}
	if i := strings.LastIndex(s, "/_history/"); i >= 0 {
		s = s[:i]
	}
	return urlBytes(s)
}

// local reads a reference to a resource of this server: relative, or absolute below its base.
func (c *edition) local(s string) (driver.Key, bool) {
	if base := c.options.Base; base != "" && len(s) > len(base) && s[len(base)] == '/' && s[:len(base)] == base {
		s = s[len(base)+1:]
	}
	typ, id, ok := strings.Cut(s, "/")
	if !ok {
		return driver.Key{}, false
	}
	if i := strings.Index(id, "/_history/"); i >= 0 {
		id = id[:i]
	}
	if !fhirmap.IsResource(typ) || !fhirmap.IsID(id) {
		return driver.Key{}, false
	}
	return driver.Key{Type: typ, ID: id}, true
}

// referenceIs reads an id, type/id or a URL; with a type as modifier an id or URL.
func referenceIs(a *ask, src source, value string) (anyOf, *fhirmap.Outcome) {
	v := unescape(value)
	at, version := v, ""
	if a.param.addresses() {
		at, version, _ = strings.Cut(v, "|")
	}
	k, local := a.local(at)
	switch {
	case local && a.target != "" && k.Type != a.target:
		return nil, a.bad("%q is no reference to a %s", v, a.target)
	case local:
	case fhirmap.IsID(v):
		k = driver.Key{Type: a.targetType(src), ID: v}
		local = true
	case !strings.ContainsAny(v, ":/#|"):
		return nil, a.bad("%q is no reference; write an id, Type/id or a URL", v)
	case !strings.Contains(v, ":") && strings.Count(v, "/") == 1:
		return nil, a.bad("%q names no resource type of FHIR R4", v)
	}
	if local && a.param.addresses() {
		return a.canonicalOf(src, k, version), nil
	}
	if local {
		switch {
		case src.rest, src.only != "" && k.Type != src.only:
			return nil, nil
		case k.Type == "":
			return anyOf{one(src.field, driver.EQUAL, driver.Prefix(append([]byte(k.ID), 0)))}, nil
		}
		return anyOf{one(src.field, driver.EQUAL, driver.Point(k.Ref()))}, nil
	}
	if src.only != "" {
		return nil, nil
	}
	some := anyOf{one(src.field, driver.EQUAL, driver.Point(a.reference(v, "")))}
	if !strings.Contains(v, "|") && !strings.HasPrefix(v, "#") {
		some = append(some, one(src.field, driver.EQUAL, driver.Prefix([]byte(v+"|")))) // a canonical of any version
	}
	return some, nil
}

// canonicalOf asks for canonicals or uris that are the address of a resource of this server, in a version or in any. A row has a canonical as it was
// written: relative, or absolute below the base.
func (a *ask) canonicalOf(src source, k driver.Key, version string) anyOf {
	var some anyOf
	for _, typ := range a.param.leadsTo() {
		if k.Type != "" && k.Type != typ {
			continue
		}
		for _, url := range []string{typ + "/" + k.ID, a.options.Base + "/" + typ + "/" + k.ID} {
			if version != "" {
				some = append(some, one(src.field, driver.EQUAL, driver.Point(urlBytes(url+"|"+version))))
				continue
			}
			some = append(some, one(src.field, driver.EQUAL, driver.Point(urlBytes(url))), one(src.field, driver.EQUAL, driver.Prefix([]byte(url+"|"))))
		}
	}
	return some
}

// targetType is the type that an id alone refers to, "" if it may be several.
func (a *ask) targetType(src source) string {
	switch {
	case a.target != "":
		return a.target
	case src.only != "":
		return src.only
	case src.rest:
		return a.param.atoms[0].only
	case len(a.param.def.Target) == 1:
		return a.param.def.Target[0]
	}
	return ""
}

// referenceIdentifier reads system|value of Reference.identifier.
func referenceIdentifier(a *ask, src source, value string) (anyOf, *fhirmap.Outcome) {
	if src.only != "" {
		return nil, nil // its own field has the identifiers
	}
	return tokenIs(a, source{field: src.field + identifierField}, value)
}

// targets reports whether a type may stand as a modifier.
func (p *parameter) targets(typ string) bool {
	return slices.Contains(p.def.Target, typ) || slices.Contains(p.def.Target, "Resource") || len(p.def.Target) == 0
}

// hierarchical reports whether :below and :above mean something: of canonicals, which have versions, and where the SearchParameter lists
// the modifiers (R4 3.1.1.4.12).
func (p *parameter) hierarchical() bool {
	return p.canonical() || slices.Contains(p.def.Modifiers, "below") || slices.Contains(p.def.Modifiers, "above")
}

// canonical reports whether all that the parameter selects are canonicals.
func (p *parameter) canonical() bool {
	return len(p.atoms) > 0 && !slices.ContainsFunc(p.atoms, func(a atom) bool { return a.selects() != "canonical" })
}

// addresses reports whether all that the parameter selects are URLs: a canonical or uri that is the address of a resource here is not the
// reference to it, and its row is the URL.
func (p *parameter) addresses() bool {
	return len(p.atoms) > 0 && !slices.ContainsFunc(p.atoms, func(a atom) bool {
		types := a.types()
		return types == nil || slices.ContainsFunc(types, func(typ string) bool { return uris.rows[typ] == nil })
	})
}

func referenceBelow(a *ask, src source, value string) (anyOf, *fhirmap.Outcome) {
	if a.param.canonical() {
		v, _, err := a.hierarchical(value)
		if err != nil {
			return nil, err
		}
		if !strings.Contains(v, "|") {
			return referenceIs(a, src, value)
		}
		return versionBelow(src.field, v, []byte{0}), nil
	}
	return a.parts(src, value, a.terms.Parts)
}

func referenceAbove(a *ask, src source, value string) (anyOf, *fhirmap.Outcome) {
	if a.param.canonical() {
		v, _, err := a.hierarchical(value)
		if err != nil {
			return nil, err
		}
		some := anyOf{one(src.field, driver.EQUAL, driver.Point(urlBytes(v)))}
		for i := strings.IndexByte(v, '|') + 1; i > 0 && i < len(v); i++ {
			if v[i] == '.' {
				some = append(some, one(src.field, driver.EQUAL, driver.Point(urlBytes(v[:i]))))
			}
		}
		return some, nil
	}
	return a.parts(src, value, a.terms.Wholes)
}

// parts asks for references to any of the resources below or above one.
func (a *ask) parts(src source, value string, of func(driver.Key) ([]driver.Key, *fhirmap.Outcome)) (anyOf, *fhirmap.Outcome) {
	v := unescape(value)
	k, local := a.local(v)
	switch {
	case of == nil:
		return nil, a.fail(fhirmap.CodeNotSupported, "what resources are parts of is not to be had here")
	case !local && fhirmap.IsID(v) && a.targetType(src) != "":
		k = driver.Key{Type: a.targetType(src), ID: v}
	case !local:
		return nil, a.bad("%q is no reference to a resource of this server, Type/id", v)
	}
	if src.rest || src.only != "" && src.only != k.Type {
		return nil, nil
	}
	keys, err := of(k)
	if err != nil {
		return nil, a.passed(err)
	}
	var some anyOf
	for _, k := range keys {
		some = append(some, one(src.field, driver.EQUAL, driver.Point(k.Ref())))
	}
	return some, nil
}

// partOf finds the parameter by which resources of a type are parts of others of it, and its field; "" if there is none.
func (c *edition) partOf(typ string) (code, field string) {
	for _, code := range []string{"partof", "part-of"} {
		if p := c.types[typ].params[code]; p != nil && p.kind == references && slices.Contains(p.def.Target, typ) && len(p.sources) == 1 {
			return code, p.sources[0].field
		}
	}
	return "", ""
}
