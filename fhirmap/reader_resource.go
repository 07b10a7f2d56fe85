package fhirmap

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// nestedResource reads a resource as the element e: the root, a contained resource, the resource of an entry or parameter.
func (r *reader) nestedResource(e *Element, m *member) {
	root := len(r.path) == 0
	if r.peek() != '{' {
		r.issue(CodeStructure, "%s is %s; it must be a resource, an object with a resourceType", e.Key, kindName(r.peek()))
		r.skip()
		return
	}
	name, found, err := r.findType()
	if err != nil {
		r.skip() // stops there, unless the depth of the JSON was the trouble
		r.malformed(err)
	}
	t := schema().resources[name]
	if t == nil {
		if found {
			r.issue(CodeStructure, "resourceType %s is not a resource type of FHIR R4", quote(name))
		} else {
			r.issue(CodeStructure, "the resource has no resourceType; it must be a string such as Patient")
		}
		r.skip()
		return
	}
	e.Type = name
	if root {
		e.Name = name
		r.push(name, -1)
		r.object(e, t)
		r.pop()
		return
	}
	contained := e.Key == "contained"
	if contained {
		if r.within > 0 {
			r.issue(CodeInvariant, "a contained resource contains another; contained resources stand side by side (dom-2)")
		}
		r.within++
	}
	start := len(r.out)
	at := len(r.nested)
	r.nested = append(r.nested, span{element: e, start: start, apart: contained || m.foreign})
	r.object(e, t)
	r.nested[at].end = len(r.out)
	if r.nested[at].apart {
		r.nested[at].expression = r.expression()
	}
	if contained {
		r.within--
		meta := e.First("meta")
		for _, name := range []string{"versionId", "lastUpdated", "security"} {
			if meta.First(name) != nil {
				r.issue(CodeInvariant, "meta.%s is in a contained resource; it has none of its own (dom-4, dom-5)", name)
			}
		}
	}
}

// findType looks for the resourceType of the object that comes next, which may stand anywhere in it. The error is that of JSON which
// is not well formed.
func (r *reader) findType() (name string, found bool, err error) {
	rest := bytes.TrimLeft(r.src[r.dec.InputOffset():], " \t\r\n,:")
	if fast := bytes.TrimLeft(rest[1:], " \t\r\n"); bytes.HasPrefix(fast, []byte(`"resourceType"`)) {
		fast = bytes.TrimLeft(fast[len(`"resourceType"`):], " \t\r\n:")
		if len(fast) > 0 && fast[0] == '"' {
			if end := bytes.IndexAny(fast[1:], `"\`); end >= 0 && fast[1+end] == '"' {
				return string(fast[1 : 1+end]), true, nil
			}
		}
	}
	ahead := jsontext.NewDecoder(bytes.NewBuffer(rest), jsontext.AllowDuplicateNames(true))
	for _, err = ahead.ReadToken(); err == nil && ahead.PeekKind() != '}'; err = ahead.SkipValue() {
		var key jsontext.Token
		if key, err = ahead.ReadToken(); err != nil {
			break
		}
		if key.String() != "resourceType" || ahead.PeekKind() != '"' {
			continue
		}
		value, err := ahead.ReadToken()
		if err != nil {
			return "", false, err
		}
		return value.String(), true, nil
	}
	return "", false, err
}

// typeName reads the resourceType itself, which findType has found before.
func (r *reader) typeName() {
	if r.peek() != '"' {
		r.issue(CodeStructure, "resourceType is %s; it must be a string such as Patient", kindName(r.peek()))
		r.skip()
		return
	}
	r.raw()
}

// cut notes a member that was read and that Stamp will replace: resourceType, id and meta of the root, versionId and lastUpdated of
// its meta. Its value begins at value.
func (r *reader) cut(t *typeDef, m *member, start, value int) {
	if !m.beside && (r.depth == 1 && (m.typ == nil || m.name == "id" || m.name == "meta") ||
		r.depth == 2 && t.name == "Meta" && (m.name == "versionId" || m.name == "lastUpdated")) {
		r.cuts = append(r.cuts, cut{name: m.name, start: start, value: value, end: len(r.out)})
	}
}
