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
		{"", each(referenceIs)},
		missing,
		{"identifier", each(referenceIdentifier)},
		{anyType, each(referenceIs)},
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
	k, local := a.local(v)
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
