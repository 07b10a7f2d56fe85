package oracle

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// node is a JSON value and what is known of the element that it is.
type node struct {
	value any    // a string, json.Number, bool or map, never an array
	name  string // of the element, without the type of a choice
	typ   string // of a choice, as its name has it: "Quantity", "DateTime"; else ""
	path  string // where it stands in the resource: "component[1].value[0]"
}

// datatypes are the endings of the names of choices.
var datatypes = []string{
	"Address", "Age", "Annotation", "Attachment", "Base64Binary", "Boolean", "Canonical", "Code", "CodeableConcept", "Coding",
	"ContactDetail", "ContactPoint", "Count", "DataRequirement", "Date", "DateTime", "Decimal", "Distance", "Duration", "Expression",
	"HumanName", "Id", "Identifier", "Instant", "Integer", "Markdown", "Money", "Oid", "Period", "PositiveInt", "Quantity", "Range",
	"Ratio", "Reference", "SampledData", "Signature", "String", "Time", "Timing", "UnsignedInt", "Uri", "Url", "UsageContext", "Uuid",
}

// selected reads an expression of a SearchParameter (the subset of FHIRPath that those of the types here are written in) from one
// element of a resource.
func selected(expression string, resource map[string]any, at node) []node {
	expression = strings.TrimSpace(expression)
	if parts := outside(expression, "|"); len(parts) > 1 {
		var all []node
		for _, p := range parts {
			all = append(all, selected(p, resource, at)...)
		}
		return all
	}
	if parts := outside(expression, " and "); len(parts) > 1 {
		all := true
		for _, p := range parts {
			all = all && truth(p, resource, at)
		}
		return []node{{value: all}}
	}
	if parts := outside(expression, " as "); len(parts) == 2 {
		return cast(selected(parts[0], resource, at), strings.TrimSpace(parts[1]))
	}
	steps := outside(expression, ".")
	nodes := first(steps[0], resource, at)
	for _, s := range steps[1:] {
		nodes = step(nodes, s, resource)
	}
	return nodes
}

// outside splits at a text that stands outside of parentheses and quotes.
func outside(s, sep string) []string {
	var parts []string
	depth, quoted, start := 0, false, 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\'':
			quoted = !quoted
		case quoted:
		case s[i] == '(':
			depth++
		case s[i] == ')':
			depth--
		case depth == 0 && strings.HasPrefix(s[i:], sep):
			parts = append(parts, s[start:i])
			i += len(sep) - 1
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

func first(s string, resource map[string]any, at node) []node {
	switch {
	case s[0] == '(':
		return selected(s[1:len(s)-1], resource, at)
	case s == "%resource":
		return []node{{value: resource}}
	case s[0] < 'A' || s[0] > 'Z':
		return step([]node{at}, s, resource)
	case s == "Resource" || s == "DomainResource" || s == resource["resourceType"]:
		return []node{at}
	}
	return nil // of another resource type
}

func step(nodes []node, s string, resource map[string]any) []node {
	name, argument, call := strings.Cut(strings.TrimSuffix(s, ")"), "(")
	switch {
	case !call:
		name, index, indexed := strings.Cut(strings.TrimSuffix(s, "]"), "[")
		all := children(nodes, name)
		if n, err := strconv.Atoi(index); indexed && err == nil {
			all = all[min(n, len(all)):min(n+1, len(all))]
		}
		return all
	case name == "as" || name == "ofType":
		return cast(nodes, argument)
	case name == "extension":
		var all []node
		for _, x := range children(nodes, "extension") {
			if x.member("url") == strings.Trim(argument, "'") {
				all = append(all, x)
			}
		}
		return all
	case name == "where":
		var all []node
		for _, n := range nodes {
			if truth(argument, resource, n) {
				all = append(all, n)
			}
		}
		return all
	}
	panic("the oracle cannot read " + s)
}

// truth reads a condition.
func truth(s string, resource map[string]any, at node) bool {
	if typ, ok := strings.CutPrefix(s, "resolve() is "); ok {
		return pointsTo(at, resource) == typ
	}
	if url, ok := strings.CutPrefix(s, "hasExtension("); ok {
		return slices.ContainsFunc(children([]node{at}, "extension"), func(x node) bool { return x.member("url") == strings.Trim(url, "')") })
	}
	if path, ok := strings.CutSuffix(strings.TrimSpace(s), ".exists()"); ok {
		return len(selected(path, resource, at)) > 0
	}
	if path, ok := strings.CutSuffix(s, " != false"); ok {
		found := selected(path, resource, at)
		return len(found) == 1 && found[0].value != false
	}
	if parts := outside(s, "="); len(parts) == 2 {
		found := selected(parts[0], resource, at)
		return len(found) == 1 && found[0].value == strings.Trim(strings.TrimSpace(parts[1]), "'")
	}
	panic("the oracle cannot read the condition " + s)
}

func children(nodes []node, name string) []node {
	var all []node
	add := func(v any, typ, at string) {
		list, ok := v.([]any)
		if !ok {
			list = []any{v}
		}
		for i, v := range list {
			if v != nil {
				all = append(all, node{v, name, typ, fmt.Sprintf("%s.%s[%d]", at, name, i)})
			}
		}
	}
	for _, n := range nodes {
		m, ok := n.value.(map[string]any)
		if !ok {
			continue
		}
		if v := m[name]; v != nil {
			add(v, "", n.path)
			continue
		}
		for _, typ := range datatypes {
			if v := m[name+typ]; v != nil {
				add(v, typ, n.path)
			}
		}
	}
	return all
}

func cast(nodes []node, typ string) []node {
	var all []node
	for _, n := range nodes {
		if strings.EqualFold(n.typ, typ) {
			all = append(all, n)
		}
	}
	return all
}

// member is a member that is a string.
func (n node) member(name string) string {
	m, _ := n.value.(map[string]any)
	s, _ := m[name].(string)
	return s
}

func (n node) has(name string) bool {
	m, _ := n.value.(map[string]any)
	return m[name] != nil
}

func (n node) child(name string) node {
	if c := children([]node{n}, name); len(c) > 0 {
		return c[0]
	}
	return node{}
}

// text is a primitive as text, "" of what is none.
func (n node) text() string {
	switch v := n.value.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case interface{ String() string }: // json.Number
		return v.String()
	}
	return ""
}

// pointsTo is the type of the resource that a Reference points to, as far as it says so itself.
func pointsTo(n node, resource map[string]any) string {
	s := n.member("reference")
	if id, ok := strings.CutPrefix(s, "#"); ok {
		for _, c := range children([]node{{value: resource}}, "contained") {
			if c.member("id") == id {
				return c.member("resourceType")
			}
		}
	}
	s, _, _ = strings.Cut(s, "/_history/")
	parts := strings.Split(s, "/")
	if len(parts) >= 2 {
		return parts[len(parts)-2]
	}
	return n.member("type")
}
