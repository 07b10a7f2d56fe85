package search

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/fhirmap"
)

// schema is what a catalog knows of one resource type.
type schema struct {
	typ    string
	params map[string]*parameter // by code; only those that work
	codes  []string              // sorted
	mute   map[string]bool       // codes that are published for the type, but that nothing here answers

	// Of custom parameters, see custom.go; nil where the type has none.
	published *schema
	awaited   map[string]*parameter // by code: being indexed. Their rows are written, and nothing reads them yet
	idle      map[string]string     // by code: why it does nothing
	alias     map[string]string     // by canonical URL: the code of the parameter that answers for it

	byElement map[string][]selector // what to evaluate if the resource has an element of this name
	always    []selector            // what to evaluate in any case
	patients  map[string]bool       // fields whose references to a Patient put the resource into that Patient's compartment
}

// parameter is a search parameter as it is for one resource type.
type parameter struct {
	code    string
	def     *r4.SearchParameter
	kind    *kind
	atoms   []atom      // the parts of the expression that concern the type
	sources []source    // the fields to be read
	joins   []join      // of a composite
	fields  []fieldName // the fields that are written, by suffix
	custom  *Custom     // nil: it is published
}

type fieldName struct{ suffix, field string }

// source is a field that a parameter reads.
type source struct {
	field string
	only  string // only references to this type: the field belongs to a wider parameter
	rest  bool   // the field holds only what the sources with only cannot tell: references that are no Ref
}

// selector is a path whose elements become rows of a parameter.
type selector struct {
	param *parameter
	path  *fhirmap.Path
}

// sortable reports whether _sort takes the parameter: its values must stand in one field, and nothing else in that.
func (p *parameter) sortable() bool {
	if !p.kind.sortable {
		return false
	}
	n := 0
	for _, s := range p.sources {
		if s.only != "" {
			return false
		}
		if !s.rest {
			n++
		}
	}
	return n == 1
}

// field returns the name of a field that the parameter writes.
func (p *parameter) field(suffix string) string {
	for _, f := range p.fields {
		if f.suffix == suffix {
			return f.field
		}
	}
	return p.code + suffix
}

func newSchema(typ string, defs []r4.SearchParameter, paths pathCache, patientCodes []string) (*schema, error) {
	s := &schema{
		typ: typ, params: map[string]*parameter{}, mute: map[string]bool{},
		byElement: map[string][]selector{}, patients: map[string]bool{},
	}
	var all []*parameter
	for i := range defs {
		def := &defs[i]
		if def.Example || !appliesTo(def, typ) || s.params[def.Code] != nil {
			continue
		}
		p := &parameter{code: def.Code, def: def, kind: kindOf(def), atoms: atomsFor(def.Expression, typ)}
		if p.kind == nil || len(p.atoms) == 0 {
			s.mute[def.Code] = true
			continue
		}
		delete(s.mute, def.Code)
		for _, suffix := range p.kind.suffixes {
			p.fields = append(p.fields, fieldName{suffix, p.code + suffix})
		}
		s.params[p.code] = p
		all = append(all, p)
	}
	share(all)
	for _, p := range all {
		if p.kind == composites {
			if p.joins = s.joins(p); p.joins == nil {
				delete(s.params, p.code)
				s.mute[p.code] = true
			}
			continue
		}
		if p.kind.rows == nil || !p.writes() {
			continue
		}
		for _, a := range p.atoms {
			path, err := paths.compile(a.text)
			if err != nil {
				return nil, fmt.Errorf("search parameter %s (%s): %w", p.def.URL, p.code, err)
			}
			s.evaluate(a, selector{p, path})
		}
	}
	for code := range s.params {
		s.codes = append(s.codes, code)
	}
	slices.Sort(s.codes)
	for _, code := range patientCodes {
		if p := s.params[code]; p != nil {
			for _, src := range p.sources {
				s.patients[src.field] = true
			}
		}
	}
	return s, nil
}

// writes reports whether the parameter has rows of its own: it reads its own field.
func (p *parameter) writes() bool {
	return slices.ContainsFunc(p.sources, func(s source) bool { return s.field == p.code })
}

// residual reports whether the parameter writes only what the wider parameter's rows cannot tell.
func (p *parameter) residual() bool {
	return slices.ContainsFunc(p.sources, func(s source) bool { return s.rest })
}

// appliesTo reports whether a definition is for a type, by its own name or that of a type it is derived from (R4 2.26).
func appliesTo(def *r4.SearchParameter, typ string) bool {
	for _, b := range def.Base {
		switch b {
		case typ, "Resource":
			return true
		case "DomainResource":
			if typ != "Binary" && typ != "Bundle" && typ != "Parameters" {
				return true
			}
		}
	}
	return false
}

// atom is one operand of the unions that make up an expression.
type atom struct {
	text string // in the canonical form: casts are written as .as(T)
	base string // text without a closing where(resolve() is T)
	only string // that T
}

var (
	castOperator = regexp.MustCompile(`^\((.+) as ([A-Za-z]+)\)`)
	castFunction = regexp.MustCompile(`\.ofType\(([A-Za-z]+)\)`)
	typeFilter   = regexp.MustCompile(`^(.+)\.where\(resolve\(\) is ([A-Za-z]+)\)$`)
	leadingName  = regexp.MustCompile(`^\(*([A-Za-z]+)`)
	elementPath  = regexp.MustCompile(`^[A-Z][A-Za-z]*\.([a-z][A-Za-z]*)(\[\d+\])?((\.[a-z][A-Za-z]*(\[\d+\])?)|\.as\([A-Za-z]+\)|\.where\([^()]*\)|\.where\(resolve\(\) is [A-Za-z]+\)|\.extension\('[^']*'\))*$`)
)

// atomsFor splits an expression at its unions and keeps what concerns a type: a definition for several types names them all.
func atomsFor(expr, typ string) []atom {
	var out []atom
	for _, text := range splitTop(expr, '|') {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		for len(text) > 1 && text[0] == '(' && closing(text) == len(text)-1 && castOperator.FindString(text) == "" {
			text = strings.TrimSpace(text[1 : len(text)-1])
		}
		lead := ""
		if m := leadingName.FindStringSubmatch(text); m != nil {
			lead = m[1]
		}
		if lead != typ && fhirmap.IsResource(lead) {
			continue
		}
		for {
			m := castOperator.FindStringSubmatch(text)
			if m == nil || closing(text) != len(m[0])-1 {
				break
			}
			text = strings.TrimSpace(m[1]) + ".as(" + m[2] + ")" + text[len(m[0]):]
		}
		text = castFunction.ReplaceAllString(text, ".as($1)")
		a := atom{text: text, base: text}
		if m := typeFilter.FindStringSubmatch(text); m != nil {
			a.base, a.only = m[1], m[2]
		}
		if !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

// element returns the name of the element of the resource without which the atom selects nothing, "" if it must always be
// evaluated.
func (a atom) element() string {
	if m := elementPath.FindStringSubmatch(a.text); m != nil && m[1] != "extension" {
		return m[1]
	}
	return ""
}

// target returns the name and FHIR type of what the atom selects, if it is a plain path; else "".
func (a atom) target() (name, typ string) {
	if strings.ContainsAny(a.text, "([' ") {
		return "", ""
	}
	steps := strings.Split(a.text, ".")
	path := steps[0]
	for _, name = range steps[1:] {
		d, ok := fhirmap.Define(path, name)
		if !ok {
			return "", ""
		}
		path, typ = d.Path, d.Type
	}
	return name, typ
}

// splitTop splits at a byte that stands outside of parentheses and strings.
func splitTop(s string, sep byte) []string {
	var out []string
	depth, start, quoted := 0, 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == sep && depth == 0:
			out = append(out, s[start:i])
			start = i + 1
		}
	}
	return append(out, s[start:])
}

// closing returns where the parenthesis closes that a text begins with, or -1.
func closing(s string) int {
	depth, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}
