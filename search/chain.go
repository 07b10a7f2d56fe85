package search

import (
	"regexp"
	"slices"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// leaf translates what stands at the end of a chain: name is a parameter of the type that the ask has come to, with its modifier.
type leaf func(a *ask, name string) (driver.Query, *fhirmap.Outcome)

// reach follows the steps that a name has before its parameter (R4 3.1.1.5.0.1 and 3.1.1.5.0.2), and asks the leaf where they end:
//
//	subject:Patient.name              Refers(subject to Patient: name)
//	subject.name                      the same, or for each type that subject may refer to and that has a name
//	_has:Observation:patient:code     Referred(Observation.subject: code)
//
// Steps of both sorts may follow each other. With a modifier or a negation at the end it is the last resource of which it must hold:
// subject:Patient.gender:not=male finds what has a patient who is not male, and not what has none.
func (a *ask) reach(name string, end leaf) (driver.Query, *fhirmap.Outcome) {
	if steps := a.depth + strings.Count(name, ".") + strings.Count(name, hasStep); steps > a.options.MaxChain {
		return nil, a.fail(fhirmap.CodeNotSupported, "reaches through %d resources; %d are the most", steps, a.options.MaxChain)
	}
	if rest, ok := strings.CutPrefix(name, hasStep); ok {
		return a.has(rest, end)
	}
	step, rest, chained := strings.Cut(name, ".")
	if !chained {
		return end(a, name)
	}
	code, target, typed := strings.Cut(step, ":")
	if typed && !fhirmap.IsResource(target) {
		return nil, a.fail(fhirmap.CodeNotSupported, "%q is no resource type; of a parameter that is chained only the type may be said, as in %s:Patient.%s",
			target, code, rest)
	}
	return a.follow(code, target, func(to *ask) (driver.Query, *fhirmap.Outcome) { return to.reach(rest, end) })
}

// at is the ask moved one step on, to another type.
func (a *ask) at(typ string) (*ask, *fhirmap.Outcome) {
	if a.cost.steps++; a.cost.steps > a.options.MaxSteps {
		return nil, a.fail(fhirmap.CodeNotSupported, "there are more than %d ways through the types that it may reach; name them, as in subject:Patient.name",
			a.options.MaxSteps)
	}
	return &ask{edition: a.edition, schema: a.types[typ], name: a.name, terms: a.terms, depth: a.depth + 1, cost: a.cost}, nil
}

// follow asks of what a reference parameter refers to. Without a type all count that the parameter may refer to and that have what is
// asked: a value that one of them cannot have is none of its.
func (a *ask) follow(code, target string, of func(*ask) (driver.Query, *fhirmap.Outcome)) (driver.Query, *fhirmap.Outcome) {
	p, err := a.pointer(code)
	if err != nil {
		return nil, err
	}
	types := p.leadsTo()
	if target != "" {
		if !slices.Contains(types, target) {
			return nil, a.fail(fhirmap.CodeNotSupported, "%s of %s does not refer to a %s; it refers to %s", code, a.schema.typ, target, listed(types))
		}
		types = []string{target}
	}
	var out driver.Or
	var wrong *fhirmap.Outcome // what is wrong with the value, of a type that has the parameter
	var unknown *fhirmap.Outcome
	for _, typ := range types {
		to, err := a.at(typ)
		if err != nil {
			return nil, err
		}
		to.quiet = a.quiet || len(types) > 1
		where, err := of(to)
		switch {
		case err != nil && (a.cost.over(a.options) || len(err.Issues) == 0 || err.Issues[0].Code == fhirmap.CodeTransient):
			return nil, err
		case err != nil && to.absent:
			unknown = err
		case err != nil:
			wrong = err
		default:
			for _, field := range p.refersBy(typ) {
				out = append(out, driver.Refers{Field: field, Type: typ, Where: where})
			}
		}
	}
	switch {
	case len(out) == 1:
		return out[0], nil
	case len(out) > 1:
		return out, nil
	case wrong != nil:
		return nil, wrong
	}
	a.absent = true
	if a.quiet {
		return nil, nobodys
	}
	if len(types) > 1 {
		unknown = a.fail(fhirmap.CodeNotSupported, "none of the types that %s of %s refers to has such a parameter; they are %s, with %s",
			code, a.schema.typ, listed(types), listed(a.codesOf(types)))
	}
	return nil, unknown
}

// pointer returns a reference parameter that can be followed.
func (a *ask) pointer(code string) (*parameter, *fhirmap.Outcome) {
	p := a.schema.params[code]
	switch {
	case p == nil:
		return nil, a.unknown(code)
	case p.kind != references:
		return nil, a.fail(fhirmap.CodeNotSupported, "%s of %s is a %s and leads to no resource; these do: %s",
			code, a.schema.typ, p.kind.name, listed(a.schema.pointers()))
	case !p.followed():
		return nil, a.fail(fhirmap.CodeNotSupported, "%s of %s cannot be followed: it holds canonical URLs or resources within the resource; these can: %s",
			code, a.schema.typ, listed(a.schema.pointers()))
	}
	return p, nil
}

// pointers lists the reference parameters that can be followed.
func (s *schema) pointers() []string {
	var out []string
	for _, code := range s.codes {
		if p := s.params[code]; p.kind == references && p.followed() {
			out = append(out, code)
		}
	}
	return out
}

// codesOf lists the parameters that any of several types has.
func (c *edition) codesOf(types []string) []string {
	var out []string
	for _, typ := range types {
		out = append(out, c.types[typ].codes...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// listed writes a list that is told to a client: not all of a long one.
func listed(names []string) string {
	const most = 60
	if len(names) == 0 {
		return "none"
	}
	if len(names) > most {
		return strings.Join(names[:most], ", ") + " and others"
	}
	return strings.Join(names, ", ")
}

// leadsTo lists the types of what the parameter may refer to.
func (p *parameter) leadsTo() []string {
	types := p.def.Target
	if len(types) == 0 || slices.Contains(types, "Resource") {
		types = fhirmap.ResourceTypes()
	}
	if _, only := p.restriction(); only != "" && only != mixed {
		return []string{only}
	}
	return types
}

// refersBy lists the fields in which a reference to a type stands as its Ref.
func (p *parameter) refersBy(typ string) []string {
	var out []string
	for _, src := range p.sources {
		if !src.rest && (src.only == "" || src.only == typ) {
			out = append(out, src.field)
		}
	}
	return out
}

// followed reports whether some element that the parameter selects is a Reference. A canonical names what it means by a URL, and a
// resource within a Bundle is not stored by itself: neither leads to a stored resource.
func (p *parameter) followed() bool {
	return slices.ContainsFunc(p.atoms, func(a atom) bool {
		types := a.types()
		return types == nil || slices.Contains(types, "Reference") || slices.Contains(types, "Extension")
	})
}

// types lists the FHIR types that an atom may select, several of a choice; nil if that is not plain to see.
func (a atom) types() []string {
	if typ := a.selects(); typ != "" {
		return []string{typ}
	}
	if m := leadingName.FindStringSubmatch(a.text); m != nil {
		types, _, _ := reached(m[1], a.text) // what leads nowhere selects nothing
		return types
	}
	return nil
}

// selects returns the FHIR type of what an atom selects, "" if that is not plain to see.
func (a atom) selects() string {
	text := nth.ReplaceAllString(a.base, "")
	if i := strings.LastIndex(text, ".as("); i >= 0 && strings.HasSuffix(text, ")") {
		return text[i+len(".as(") : len(text)-1]
	}
	for {
		from := strings.Index(text, ".where(")
		if from < 0 {
			break
		}
		to := closing(text[from+len(".where"):])
		if to < 0 {
			return ""
		}
		text = text[:from] + text[from+len(".where")+to+1:]
	}
	_, typ := atom{text: text}.target()
	return typ
}

// nth picks one of the instances of a repeating element.
var nth = regexp.MustCompile(`\[\d+\]`)
