package fhirmap

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// object reads a JSON object as the children of an element of a type; for a primitive, the object beside it.
func (r *reader) object(e *Element, t *typeDef) {
	r.open()
	base, seen, besides, issues := len(r.stack), len(r.seen), r.besides, len(r.issues)
	for r.peek() != '}' {
		r.member(e, t, base, seen)
	}
	empty := r.out[len(r.out)-1] == '{'
	r.close()
	r.seen = r.seen[:seen]
	e.Children = r.children(base)
	switch {
	case t.kind == kindResource:
	case empty:
		r.issue(CodeStructure, "the object is empty; leave it out")
	case !t.primitive() && len(r.issues) == issues && !e.hasContent():
		r.issue(CodeInvariant, "the object has an id only; it must have other members (ele-1)")
	}
	if besides != r.besides && len(r.issues) == issues {
		r.checkBesides(e)
	}
}

// hasContent tells whether an element has a value or children other than its id.
func (e *Element) hasContent() bool {
	return e.Value || slices.ContainsFunc(e.Children, func(c *Element) bool { return c.Key != "id" })
}

// checkBesides checks the primitives of an object once their values and what stands beside them are both read.
func (r *reader) checkBesides(e *Element) {
	for _, c := range e.Children {
		if primitives[c.Type].kind == kindObject || c.hasContent() {
			continue
		}
		r.push(c.Name, c.Index)
		if len(c.Children) > 0 {
			r.issue(CodeInvariant, "%s has an id only; it must have a value or extensions (ele-1)", c.Key)
		} else {
			r.issue(CodeStructure, "null in %s stands for a value that is left out, and then _%s must have an id or extension at its place", c.Key, c.Key)
		}
		r.pop()
	}
}

// member reads one member of an object. The object's children begin at base on the stack, its members at seen.
func (r *reader) member(e *Element, t *typeDef, base, seen int) {
	r.comma()
	start := len(r.out)
	raw := r.raw()
	r.out = append(r.out, ':')
	value := len(r.out)
	var m *member
	if bytes.IndexByte(raw, '\\') < 0 {
		m = t.members[string(raw[1:len(raw)-1])]
	} else {
		m = t.members[r.text(raw)]
	}
	if m == nil {
		r.unknown(t, r.text(raw))
		return
	}
	second := false
	for _, other := range r.seen[seen:] {
		if other == m {
			r.issue(CodeStructure, "%s stands twice; a member stands once", m.json())
			r.skip()
			return
		}
		if m.choice && other.name == m.name && other.key != m.key {
			r.issue(CodeStructure, "%s and %s are both there; %s has one type", other.json(), m.json(), m.name)
			r.skip()
			return
		}
		second = second || other.key == m.key
	}
	r.seen = append(r.seen, m)
	switch {
	case m.typ == nil:
		r.typeName()
	case m.repeats:
		r.array(e, m, base, second)
	default:
		r.push(m.name, -1)
		r.item(r.half(e, m, base, -1, second), m)
		r.pop()
	}
	r.cut(t, m, start, value)
	if m.foreign {
		r.respell(start, `"id":"x"`)
	}
}

// json is the member's name in JSON.
func (m *member) json() string {
	if m.beside {
		return "_" + m.key
	}
	return m.key
}

func (r *reader) unknown(t *typeDef, name string) {
	why := ""
	switch {
	case name == "resourceType":
		why = "; it stands in resources only"
	case t.members[strings.TrimPrefix(name, "_")] != nil:
		why = "; only primitives have a member with an underscore"
	case t.byName != nil && name != "":
		for key := range t.members {
			if strings.EqualFold(key, name) {
				why = "; " + key + " is"
			}
		}
		if i, ok := t.byName[name]; ok {
			var keys []string
			for _, key := range slices.Sorted(maps.Keys(t.members)) {
				if m := t.members[key]; m.choice && !m.beside && m.name == t.elements[i].Name {
					keys = append(keys, key)
				}
			}
			why = "; it is written with its type: " + list(keys, 8)
		}
	}
	r.issue(CodeStructure, "%s is not an element of %s%s", quote(name), t.path, why)
	r.skip()
}

// half returns the element that a value belongs to: a new one, or, for the second of name and _name, the one that the first made.
func (r *reader) half(e *Element, m *member, base, index int, second bool) *Element {
	if second {
		for _, c := range r.stack[base:] {
			if c.Key == m.key && c.Index == index {
				return c
			}
		}
	}
	c := r.element(e, m, index)
	r.stack = append(r.stack, c)
	return c
}

// array reads the items of a repeating element.
func (r *reader) array(e *Element, m *member, base int, second bool) {
	if r.peek() != '[' {
		r.push(m.name, -1)
		r.issue(CodeStructure, "%s is %s; it repeats, so it must be an array, with one item too", m.json(), kindName(r.peek()))
		r.skip()
		r.pop()
		return
	}
	first, made := -1, 0 // where the elements are that the other half made, and how many
	if second {
		for i, c := range r.stack[base:] {
			if c.Key == m.key {
				if made++; made == 1 {
					first = base + i
				}
			}
		}
	}
	r.open()
	n := 0
	for ; r.peek() != ']'; n++ {
		r.comma()
		r.push(m.name, n)
		if n < made {
			r.item(r.stack[first+n], m)
		} else {
			r.item(r.half(e, m, base, n, false), m)
		}
		r.pop()
	}
	r.close()
	r.push(m.name, -1)
	defer r.pop()
	if n == 0 {
		r.issue(CodeStructure, "%s is an empty array; leave it out", m.json())
	} else if second && n != made {
		r.issue(CodeStructure, "%s and _%s differ in length; both must have as many items, with null where one has nothing", m.key, m.key)
	}
}

// item reads the value of one element.
func (r *reader) item(e *Element, m *member) {
	k := r.peek()
	switch {
	case k == 'n' && m.repeats && m.typ.primitive():
		r.besides++
		start := len(r.out)
		r.raw()
		r.respell(start, "{}") // what google/fhir takes for a value left out, in an array of any primitive
	case k == 'n':
		r.issue(CodeStructure, "%s is null; leave it out", m.json())
		r.skip()
	case m.typ.kind == kindResource:
		r.nestedResource(e, m)
	case m.beside:
		if k != '{' {
			r.issue(CodeStructure, "%s is %s; it must be an object with the id or extensions of %s", m.json(), kindName(k), m.key)
			r.skip()
			return
		}
		r.besides++
		r.object(e, m.typ)
	case m.typ.primitive():
		r.primitive(e, m, k)
	case k != '{':
		wrong := kindName(k)
		if k == '[' {
			wrong += ", but does not repeat"
		}
		r.issue(CodeStructure, "%s is %s; it must be an object, %s", m.key, wrong, m.typ.path)
		r.skip()
	default:
		r.object(e, m.typ)
	}
}

// primitive reads the value of a primitive.
func (r *reader) primitive(e *Element, m *member, k jsontext.Kind) {
	want := m.typ.kind
	if !(k == '"' && want == kindString || k == '0' && want == kindNumber || (k == 't' || k == 'f') && want == kindBoolean) {
		wrong := kindName(k)
		if k == '[' {
			wrong += ", but does not repeat"
		}
		r.issue(CodeStructure, "%s is %s; it must be %s, since its type is %s", m.key, wrong, kindName(want.json()), m.typ.name)
		r.skip()
		return
	}
	start := len(r.out)
	raw := r.raw()
	e.Text, e.Value = r.text(raw), true
	if !r.strict {
		return
	}
	if e.Text == "" {
		r.issue(CodeStructure, "%s is an empty string; leave it out", m.key)
		return
	}
	if t := m.typ; t.codes != nil {
		if !t.codes[e.Text] {
			r.issue(CodeValue, "%s %s is not a code of %s; it may be %s", m.key, quote(e.Text), t.set, list(slices.Sorted(maps.Keys(t.codes)), 12))
		}
	} else if t.check != nil {
		if wrong := t.check(e.Text); wrong != "" {
			r.issue(CodeValue, "%s %s", m.key, wrong)
			return
		}
	}
	r.respellPrimitive(e, start)
}

func (k kind) json() jsontext.Kind {
	return map[kind]jsontext.Kind{kindString: '"', kindNumber: '0', kindBoolean: 't'}[k]
}

// list writes names with commas, the first most of them.
func list(names []string, most int) string {
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}
