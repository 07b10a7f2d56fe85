package fhirmap

import (
	"iter"
	"slices"
	"strconv"
	"strings"
)

// References yields the literal references of a resource and of what it contains, in document order: the FHIRPath expression of each
// Reference.reference and its text, which is a URL, a fragment, or a search such as Patient?identifier=1 (a conditional reference).
func References(r *Resource) iter.Seq2[string, string] {
	return func(yield func(expression, reference string) bool) {
		path := []*Element{r.root}
		var visit func(e *Element) bool
		visit = func(e *Element) bool {
			for _, c := range e.Children {
				path = append(path, c)
				if e.Type == "Reference" && c.Key == "reference" && c.Value && !yield(expressionOf(path), c.Text) || !visit(c) {
					return false
				}
				path = path[:len(path)-1]
			}
			return true
		}
		visit(r.root)
	}
}

// expressionOf writes the elements that lead from a root as FHIRPath: Patient.contact[0].organization.
func expressionOf(path []*Element) string {
	var b strings.Builder
	for i, e := range path {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(e.Name)
		if e.Index >= 0 {
			b.WriteString("[" + strconv.Itoa(e.Index) + "]")
		}
	}
	return b.String()
}

// Rewrite replaces links, as a transaction does once it knows the ids of what it creates (R4 section 3.1.0.11.2). link gives the new
// text of one, and whether there is one; it is asked with whole values. Links stand in
//
//   - Reference.reference
//   - elements of the types uri, url, oid and uuid, but for those that name and do not link, see names. An oid or uuid that becomes
//     something else is written as a uri: such an element is always a choice
//   - a href and img src in narratives
//
// both in the resource and in what it contains; never in a canonical. All else stays to the letter. Where no link is replaced the
// result is r itself.
func Rewrite(r *Resource, link func(string) (string, bool)) *Resource {
	w := &rewriter{link: link, texts: map[*Element]string{}, narratives: map[*Element][]splice{}, around: map[*Element]bool{}}
	if !w.look(r.root) {
		return r
	}
	json, _ := w.value(make([]byte, 0, len(r.json)), r.json, 0, r.root)
	res, err := Trusted(json)
	if err != nil {
		return r // cannot be: members were renamed and strings replaced
	}
	return res
}

// names tells the elements of type uri that say what something is, not where it can be found: were they replaced, a code or a canonical
// would mean something else, or nothing. Many Bundles of definitions have the canonical url of each as its fullUrl.
func (e *Element) names(parent *Element) bool {
	switch e.Name {
	case "system", "implicitRules":
		return true
	case "url":
		return parent.Type == "Extension" || IsResource(parent.Type)
	case "type", "code": // Reference.type, StructureDefinition.type, ElementDefinition.type.code
		return true
	case "source", "target":
		return parent.Name == "group" // ConceptMap.group
	}
	return false
}

// rewriter holds what look found.
type rewriter struct {
	link       func(string) (string, bool)
	texts      map[*Element]string
	narratives map[*Element][]splice
	around     map[*Element]bool // elements with one of those below
}

// look finds the elements below e that change.
func (w *rewriter) look(e *Element) bool {
	found := false
	for _, c := range e.Children {
		if w.changes(c, e) {
			found = true
		}
		if len(c.Children) > 0 && w.look(c) {
			found = true
		}
	}
	if found {
		w.around[e] = true
	}
	return found
}

func (w *rewriter) changes(e, parent *Element) bool {
	if !e.Value {
		return false
	}
	switch e.Type {
	case "uri", "url", "oid", "uuid":
		if e.names(parent) {
			return false
		}
	case "xhtml":
		splices := narrativeLinks(e.Text, w.link)
		if len(splices) > 0 {
			w.narratives[e] = splices
		}
		return len(splices) > 0
	default:
		if parent.Type != "Reference" || e.Key != "reference" {
			return false
		}
	}
	text, ok := w.link(e.Text)
	if ok = ok && text != e.Text; ok {
		w.texts[e] = text
	}
	return ok
}

// value writes the JSON value that begins at a place, which belongs to e, and returns where it ends.
func (w *rewriter) value(b, json []byte, at int, e *Element) ([]byte, int) {
	end := endOfValue(json, at)
	if json[at] == '"' {
		if text, ok := w.texts[e]; ok {
			return appendText(b, text), end
		}
		return appendSpliced(b, json[at:end], w.narratives[e]), end
	}
	if !w.around[e] || json[at] != '{' {
		return append(b, json[at:end]...), end
	}
	b = append(b, '{')
	for m := range eachMember(json, at) {
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		name := unquoted(json[m.key:m.keyEnd])
		key := strings.TrimPrefix(name, "_")
		// Element.Children have the items of a list in order.
		first := slices.IndexFunc(e.Children, func(c *Element) bool { return c.Key == key })
		if first < 0 {
			b = append(b, json[m.key:m.end]...)
			continue
		}
		c := e.Children[first]
		if text, ok := w.texts[c]; ok && (c.Type == "oid" || c.Type == "uuid") && primitives[c.Type].check(text) != "" {
			b = appendText(b, strings.TrimSuffix(name, key)+c.Name+"Uri")
			b = append(b, ':')
		} else {
			b = append(b, json[m.key:m.value]...)
		}
		if c.Index < 0 {
			b, _ = w.value(b, json, m.value, c)
			continue
		}
		b = append(b, '[')
		for item := range eachMember(json, m.value) {
			if b[len(b)-1] != '[' {
				b = append(b, ',')
			}
			if first < len(e.Children) && e.Children[first].Key == key {
				c = e.Children[first]
				first++
			}
			b, _ = w.value(b, json, item.value, c)
		}
		b = append(b, ']')
	}
	return append(b, '}'), end
}
