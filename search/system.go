package search

import (
	"slices"
	"strings"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// An element of type code holds no system: its required binding says which one it is from, and a search may name it (R4 3.1.1.4.11,
// "gender=http://hl7.org/fhir/administrative-gender|male"). The rows of such elements are codes without a system, so what a search says
// of systems is answered from the table of bindings; no row is larger for it.

// booleans is the system of true and false.
var booleans = []r4.System{{URL: "http://terminology.hl7.org/CodeSystem/special-values"}}

// implied returns the systems that the codes of a field are from, if all its elements hold codes without a system, and of the same
// systems; else nil.
func (s *schema) implied(field string) []r4.System {
	p := s.params[field]
	if p == nil || len(p.atoms) == 0 {
		return nil
	}
	var systems []r4.System
	for i, a := range p.atoms {
		path, typ := a.selected()
		var of []r4.System
		switch typ {
		case "code":
			of = r4.Systems[path]
		case "boolean":
			of = booleans
		}
		if len(of) == 0 || i > 0 && !slices.EqualFunc(of, systems, func(a, b r4.System) bool { return a.URL == b.URL }) {
			return nil
		}
		systems = of
	}
	return systems
}

// selected returns the path by which the specification defines what an atom selects, and its FHIR type; "" if that is not plain to see.
func (a atom) selected() (path, typ string) {
	steps := splitTop(nth.ReplaceAllString(a.text, ""), '.')
	at := steps[0] // where Define finds the next
	path = at
	for _, step := range steps[1:] {
		switch cast, ok := strings.CutPrefix(step, "as("); {
		case strings.HasPrefix(step, "where(") && closing(step[len("where"):]) == len(step)-len("where")-1:
		case ok:
			typ = strings.TrimSuffix(cast, ")")
			at = typ
		default:
			d, ok := fhirmap.Define(at, step)
			if !ok {
				return "", ""
			}
			path, at, typ = at+"."+step, d.Path, d.Type
		}
	}
	return path, typ
}

// conceptIs asks for a code of a system.
func (a *ask) conceptIs(src source, c Concept) anyOf {
	systems := a.schema.implied(src.field)
	if systems == nil {
		return anyOf{one(src.field, driver.EQUAL, driver.Point(tokenBytes(a.options.CaseSensitive, c.Code, c.System)))}
	}
	for _, s := range systems {
		if s.URL == c.System && (s.Codes == nil || slices.ContainsFunc(s.Codes, func(code string) bool { return fold(code) == fold(c.Code) })) {
			return a.codeIs(src, c.Code)
		}
	}
	return nil
}

// codeIs asks for a code without a system.
func (a *ask) codeIs(src source, code string) anyOf {
	return anyOf{one(src.field, driver.EQUAL, driver.Point(tokenBytes(a.options.CaseSensitive, code, "")))}
}

// systemIs asks for any code of a system.
func (a *ask) systemIs(src source, system string) (some anyOf) {
	systems := a.schema.implied(src.field)
	if systems == nil {
		return anyOf{one(src.field, driver.LIKE, driver.Point([]byte("\x00"+exact(system)+"\x00")))}
	}
	for _, s := range systems {
		switch {
		case s.URL != system:
		case s.Codes == nil:
			return anyOf{driver.Same{driver.Has(src.field)}}
		default:
			for _, code := range s.Codes {
				some = append(some, a.codeIs(src, code)...)
			}
		}
	}
	return some
}
