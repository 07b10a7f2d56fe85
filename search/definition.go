package search

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/fhirmap"
)

// Definition reads a SearchParameter resource under an id, and its status. Versions behind canonical URLs are left out.
func Definition(id string, r *fhirmap.Resource) (c Custom, status string) {
	e := r.Root()
	texts := func(name string) (out []string) {
		for v := range e.Each(name) {
			out = append(out, v.Text)
		}
		return out
	}
	def := r4.SearchParameter{
		URL: e.String("url"), Name: e.String("name"), Code: e.String("code"), Type: e.String("type"), Expression: e.String("expression"),
		Base: texts("base"), Target: texts("target"), Comparators: texts("comparator"), Modifiers: texts("modifier"),
		MultipleOr: e.String("multipleOr") != "false", MultipleAnd: e.String("multipleAnd") != "false",
	}
	for c := range e.Each("component") {
		url, _, _ := strings.Cut(c.String("definition"), "|")
		def.Components = append(def.Components, r4.Component{Definition: url, Expression: c.String("expression")})
	}
	return Custom{SearchParameter: def, ID: id}, e.String("status")
}

// Admit judges a SearchParameter that is to be written under an id; every other type is admitted. One that is active must be such that it can
// work, since whoever writes it means to search by it; one that is not, or that R4 itself publishes, is only kept. The error is an Outcome.
func (c *Catalog) Admit(id string, r *fhirmap.Resource) error {
	if r.Type() != "SearchParameter" {
		return nil
	}
	def, status := Definition(id, r)
	if status != "active" || c.Published(def.URL) {
		return nil
	}
	if wrong := c.check(&def.SearchParameter); wrong != nil {
		return wrong
	}
	return c.now().clash(id, &def.SearchParameter)
}

// codes are those that a URL can ask for, and that are not taken for a modifier, a chain or a control.
var codes = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// check says what is wrong with a definition by itself; nil if nothing is.
func (c *Catalog) check(def *r4.SearchParameter) error {
	o := &fhirmap.Outcome{}
	wrong := func(code fhirmap.Code, element, format string, args ...any) {
		o.Issues = append(o.Issues, fhirmap.Errorf(code, "SearchParameter."+element, format, args...).Issues...)
	}
	k := kindOf(def)
	switch {
	case k == nil && def.Type == "special":
		wrong(fhirmap.CodeBusinessRule, "type", "a special parameter has a meaning that only its own server knows; choose another type")
	case k == nil:
		wrong(fhirmap.CodeValue, "type", "%q is no type of search parameters", def.Type)
	}
	if !codes.MatchString(def.Code) && !c.published.answers(def) {
		wrong(fhirmap.CodeBusinessRule, "code",
			"%q cannot be a parameter's code here: 1 to 64 letters, digits, - and _ can, and what begins with _ belongs to FHIR itself", clip(def.Code))
	}
	if len(def.Base) == 0 {
		wrong(fhirmap.CodeRequired, "base", "no resource type is named that has the parameter")
	}
	for i, b := range def.Base {
		if !fhirmap.IsResource(b) && b != "Resource" && b != "DomainResource" {
			wrong(fhirmap.CodeValue, fmt.Sprintf("base[%d]", i), "%q is no resource type of FHIR R4", clip(b))
		}
	}
	for i, target := range def.Target {
		if !fhirmap.IsResource(target) && target != "Resource" {
			wrong(fhirmap.CodeValue, fmt.Sprintf("target[%d]", i), "%q is no resource type of FHIR R4", clip(target))
		}
	}
	if k == composites && len(def.Components) == 0 {
		wrong(fhirmap.CodeRequired, "component", "a composite parameter has no components; name at least one")
	}
	for i, part := range def.Components {
		if k == composites && part.Expression == "" {
			wrong(fhirmap.CodeRequired, fmt.Sprintf("component[%d].expression", i), "no expression; it says what of the composite's element the component is")
		}
	}
	if def.Expression == "" {
		wrong(fhirmap.CodeRequired, "expression", "no FHIRPath expression; without one the parameter selects nothing")
	} else if k != nil {
		if err := selects(def, k); err != nil {
			o.Issues = append(o.Issues, fhirmap.Errorf(fhirmap.CodeBusinessRule, "SearchParameter.expression", "%v", err).Issues...)
		}
	}
	if len(o.Issues) == 0 {
		return nil
	}
	return o
}

// selects says why an expression cannot give values for a kind; nil if it can, or if that depends on the resource.
func selects(def *r4.SearchParameter, k *kind) error {
	if len(def.Expression) > 16<<10 {
		return fmt.Errorf("the expression has %d bytes; %d are the most", len(def.Expression), 16<<10)
	}
	if _, err := fhirmap.CompilePath(def.Expression); err != nil {
		return err
	}
	some := false
	checked := map[string]bool{}
	for _, typ := range fhirmap.ResourceTypes() {
		if !appliesTo(def, typ) {
			continue
		}
		atoms := customAtoms(def.Expression, typ)
		some = some || len(atoms) > 0
		if len(atoms) == 0 && slices.Contains(def.Base, typ) {
			return fmt.Errorf("the expression selects nothing of %s, which base names", typ)
		}
		for _, a := range atoms {
			if checked[a.text] {
				continue
			}
			checked[a.text] = true
			if _, err := fhirmap.CompilePath(a.text); err != nil {
				return err
			}
			types, _, err := reached(typ, a.text)
			if err != nil {
				return err
			}
			if k.rows == nil || types == nil || slices.ContainsFunc(types, k.reads) {
				continue
			}
			return fmt.Errorf("%s is %s, of which a %s parameter has no value", a.text, strings.Join(types, " or "), def.Type)
		}
	}
	if !some {
		return fmt.Errorf("the expression selects nothing of what base names")
	}
	return nil
}

// reads reports whether an element of a FHIR type gives rows. An extension counts as its value.
func (k *kind) reads(typ string) bool {
	return k.rows[typ] != nil || typ == "Extension" || k.rows[anyResource] != nil && (typ == "Resource" || fhirmap.IsResource(typ))
}

var (
	step   = regexp.MustCompile(`^\.?([A-Za-z_][A-Za-z0-9_]*)`)
	indexN = regexp.MustCompile(`^\[\d+\]`)
)

// passing are the functions that leave the type of their input as it is.
var passing = []string{"where", "first", "last", "tail", "skip", "take", "single", "distinct"}

// reached follows a path through the definitions of R4 and returns the FHIR types of what it selects, nil if that cannot be told from the
// path alone, and how many repeating elements it goes through. The error names the step that leads nowhere.
func reached(typ, path string) (types []string, repeats int, err error) {
	at := []string{typ} // as Define takes them
	types = []string{typ}
	rest, first := path, true
	for rest != "" {
		if m := indexN.FindString(rest); m != "" {
			rest = rest[len(m):]
			continue
		}
		m := step.FindStringSubmatch(rest)
		if m == nil {
			return nil, 0, nil
		}
		name := m[1]
		rest = rest[len(m[0]):]
		if strings.HasPrefix(rest, "(") {
			end := closing(rest)
			if end < 0 {
				return nil, 0, nil
			}
			argument := strings.TrimSpace(rest[1:end])
			rest = rest[end+1:]
			switch {
			case name == "as" || name == "ofType":
				argument = strings.TrimPrefix(argument, "FHIR.")
				if !slices.Contains(types, argument) && !slices.Contains(types, "Resource") {
					return nil, 0, fmt.Errorf("%s: what stands before %s(%s) is %s", path, name, argument, strings.Join(types, " or "))
				}
				at, types = []string{argument}, []string{argument}
			case name == "extension":
				at, types = []string{"Extension"}, []string{"Extension"}
				repeats++
			case !slices.Contains(passing, name):
				return nil, 0, nil
			}
			first = false
			continue
		}
		if first && (name == typ || name == "Resource" || name == "DomainResource") {
			first = false
			continue
		}
		first = false
		var next, found []string
		repeating := false
		for _, t := range at {
			if t == "Resource" || t == "" {
				return nil, 0, nil
			}
			d, ok := fhirmap.Define(t, name)
			if !ok {
				continue
			}
			repeating = repeating || d.Repeats
			for _, one := range d.Types {
				if !slices.Contains(found, one) {
					found = append(found, one)
				}
			}
			if d.Path != "" {
				next = append(next, d.Path)
			} else {
				next = append(next, d.Types...)
			}
		}
		if found == nil {
			return nil, 0, fmt.Errorf("%s: %s has no element %s", path, strings.Join(at, " or "), name)
		}
		at, types = next, found
		if repeating {
			repeats++
		}
	}
	return types, repeats, nil
}

// clip shortens what somebody sent before it is told back.
func clip(s string) string {
	if len(s) > 100 {
		s = s[:100] + "…"
	}
	return strings.ToValidUTF8(s, "�")
}

// choiceName finds elements that are written as JSON writes them, value and type in one word, where FHIRPath writes value.ofType(type).
var choiceName = regexp.MustCompile(`\.value([A-Z][A-Za-z0-9]*)`)

// unchosen rewrites such names of extensions' values: published guides have them. Other choices are not written so there.
func unchosen(text string) string {
	value, ok := fhirmap.Define("Extension", "value")
	if !ok {
		return text
	}
	return choiceName.ReplaceAllStringFunc(text, func(name string) string {
		typ := name[len(".value"):]
		for _, t := range value.Types {
			if strings.EqualFold(t, typ) {
				return ".value.as(" + t + ")"
			}
		}
		return name
	})
}
