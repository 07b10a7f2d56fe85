package search

import (
	"bytes"
	"slices"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// filterIs is _filter (R4 search_filter.html). A comparison holds if some value of the parameter stands in the relation, ne too: it asks
// for a value that is unequal, not for the absence of an equal one, which is not (... eq ...).
func filterIs(a *ask, value string) (driver.Query, *fhirmap.Outcome) {
	f, err := parseFilter(value, a.options.MaxAnd)
	if err != nil {
		return nil, a.bad("%v", err)
	}
	q, wrong := a.filter(f)
	a.absent = false // not even a lenient search goes without the rest
	return q, wrong
}

// filter translates an expression for the type of the ask.
func (a *ask) filter(f *filter) (driver.Query, *fhirmap.Outcome) {
	if f.word == "" {
		return a.along(f, f.path)
	}
	parts := make([]driver.Query, len(f.parts))
	for i, p := range f.parts {
		var err *fhirmap.Outcome
		if parts[i], err = a.filter(p); err != nil {
			return nil, err
		}
	}
	switch f.word {
	case "and":
		return driver.And(parts), nil
	case "or":
		return driver.Or(parts), nil
	}
	return driver.Not{Of: parts[0]}, nil
}

// along translates a comparison from a step of its path on.
func (a *ask) along(f *filter, path []filterStep) (driver.Query, *fhirmap.Outcome) {
	step := path[0]
	return a.reach(step.name, func(a *ask, name string) (driver.Query, *fhirmap.Outcome) {
		if step.where == nil {
			return a.comparison(f, name)
		}
		code, target, typed := strings.Cut(name, ":")
		if typed && !fhirmap.IsResource(target) {
			return nil, a.fail(fhirmap.CodeNotSupported, "at character %d: %q is no resource type", f.at, target)
		}
		return a.follow(code, target, func(to *ask) (driver.Query, *fhirmap.Outcome) {
			where, err := to.filter(step.where)
			if err != nil {
				return nil, err
			}
			rest, err := to.along(f, path[1:])
			return driver.And{where, rest}, err
		})
	})
}

// comparison translates the end of a path.
func (a *ask) comparison(f *filter, name string) (driver.Query, *fhirmap.Outcome) {
	q, err := a.relation(f, name)
	if err != nil && err != nobodys && len(err.Issues) > 0 { // Terms that failed leave none
		prefix := "parameter " + a.name + ": "
		is := &err.Issues[0]
		is.Diagnostics = a.fail(is.Code, "at character %d: %s", f.at, strings.TrimPrefix(is.Diagnostics, prefix)).Issues[0].Diagnostics
	}
	return q, err
}

func (a *ask) relation(f *filter, name string) (driver.Query, *fhirmap.Outcome) {
	if strings.Contains(name, ":") {
		return nil, a.fail(fhirmap.CodeNotSupported, "%s: a path has no modifiers; the operator says how to compare", name)
	}
	a.param = a.schema.params[name]
	if a.param == nil {
		switch {
		case name == "_list" && f.op == "eq":
			return listIs(a, Escape(f.value))
		case name == "_list":
			return nil, a.fail(fhirmap.CodeNotSupported, "_list is compared by eq only")
		case name == "_filter":
			return nil, a.fail(fhirmap.CodeNotSupported, "no _filter stands within another; write parentheses")
		}
		return nil, a.unknown(name)
	}
	if strings.IndexByte(f.value, 0) >= 0 {
		return nil, a.bad("a zero byte; FHIR has none in any value")
	}
	return filterOpOf(f.op).query(a, f.value)
}

// filterOp is an operator of _filter.
type filterOp struct {
	name    string
	holds   string // when some value stands in the relation, in the page docs/search.md
	example string // a comparison of a type, after its name and a blank
	query   func(*ask, string) (driver.Query, *fhirmap.Outcome)
}

// filterOps is the table of operators (R4 search_filter.html, operations).
func filterOps() []filterOp {
	return []filterOp{
		{"ap", "it has something in common with the value, widened by a tenth", "Observation value-quantity ap 5.4", filterOrder("ap")},
		{"co", "the text contains the value", `Patient name co "pet"`,
			filterText("co", func(b []byte) (driver.Op, driver.Value) { return driver.LIKE, driver.Point(b) })},
		{"eb", "it lies wholly below the value", "Patient birthdate eb 2000", filterOrder("eb")},
		{"eq", "it is the value: within its precision if it is ordered, the whole text whatever its case", `Patient family eq "peter"`, filterEqual},
		{"ew", "not answered: how a value ends cannot be asked", "", func(a *ask, _ string) (driver.Query, *fhirmap.Outcome) {
			return nil, a.fail(fhirmap.CodeNotSupported, "how a value ends cannot be asked; co asks what it contains")
		}},
		{"ge", "it has a part above the value, or lies within it", "Patient birthdate ge 2000", filterOrder("ge")},
		{"gt", "it has a part above the value", "Patient birthdate gt 2000", filterOrder("gt")},
		{"in", "it is in a stored value set", "Observation code in http://example.org/vs", filterModifier("in", "in")},
		{"le", "it has a part below the value, or lies within it", "Patient birthdate le 2000", filterOrder("le")},
		{"lt", "it has a part below the value", "Patient birthdate lt 2000", filterOrder("lt")},
		{"ne", "it is another than the value; not (… eq …) asks that none is the value", "Observation code ne http://loinc.org|8867-4", filterUnequal},
		{"ni", "no value is in a stored value set", "Observation code ni http://example.org/vs", filterModifier("ni", "not-in")},
		{"po", "the time has something in common with the value", "Encounter date po 2024-03", filterOverlaps},
		{"pr", "true: there is a value; false: there is none", "Patient birthdate pr false", filterPresent},
		{"re", "it refers to the resource", "Observation subject re Patient/p1", func(a *ask, value string) (driver.Query, *fhirmap.Outcome) {
			if a.param.kind != references {
				return nil, a.unrelated("re")
			}
			return a.param.modifier("").query(a, escapeFilter(value))
		}},
		{"sa", "it lies wholly above the value", "Patient birthdate sa 2000", filterOrder("sa")},
		{"sb", "it is what the code or URL is a kind or a part of, or itself", "Observation code sb http://example.org/cs|a", filterModifier("sb", "above")},
		{"ss", "it is a kind or a part of the code or URL, or itself", "Observation code ss http://example.org/cs|a", filterModifier("ss", "below")},
		{"sw", "the text starts with the value", `Patient name sw "pet"`,
			filterText("sw", func(b []byte) (driver.Op, driver.Value) { return driver.EQUAL, driver.Prefix(b) })},
	}
}

// filterOpOf returns the operator of a name, nil if there is none.
func filterOpOf(name string) *filterOp {
	all := filterOps()
	i := slices.IndexFunc(all, func(o filterOp) bool { return o.name == name })
	if i < 0 {
		return nil
	}
	return &all[i]
}

func filterOpNames() []string {
	var out []string
	for _, o := range filterOps() {
		out = append(out, o.name)
	}
	return out
}

// filterModifier is an operator that is a modifier in other searches.
func filterModifier(op, modifier string) func(*ask, string) (driver.Query, *fhirmap.Outcome) {
	return func(a *ask, value string) (driver.Query, *fhirmap.Outcome) {
		m := a.param.modifier(modifier)
		if m == nil {
			return nil, a.unrelated(op)
		}
		return m.query(a, escapeFilter(value))
	}
}

// unrelated is the error of an operator that a parameter does not have.
func (a *ask) unrelated(op string) *fhirmap.Outcome {
	return a.fail(fhirmap.CodeNotSupported, "%s of %s is a %s, which %s does not compare", a.param.code, a.schema.typ, a.param.kind.name, op)
}

// escapeFilter makes one value of what may hold commas. Bars and dollars keep their meaning within tokens, quantities and composites.
func escapeFilter(value string) string {
	return strings.NewReplacer(`\`, `\\`, ",", `\,`).Replace(value)
}

// filterEqual is eq: within the precision of the value for what is ordered, the whole text whatever its case for a string.
func filterEqual(a *ask, value string) (driver.Query, *fhirmap.Outcome) {
	switch {
	case a.param.kind == texts:
		return filterText("eq", func(b []byte) (driver.Op, driver.Value) { return driver.EQUAL, driver.Point(b) })(a, value)
	case len(a.param.kind.comparators) > 0:
		return filterOrder("eq")(a, value)
	}
	return a.param.modifier("").query(a, escapeFilter(value))
}

// filterOrder is an operator that is a prefix in other searches.
func filterOrder(op string) func(*ask, string) (driver.Query, *fhirmap.Outcome) {
	return func(a *ask, value string) (driver.Query, *fhirmap.Outcome) {
		if !slices.Contains(a.param.kind.comparators, op) {
			return nil, a.unrelated(op)
		}
		return a.param.modifier("").query(a, op+escapeFilter(value))
	}
}

// filterText asks something of the normal form of strings, or of uris as they are.
func filterText(op string, lookup func([]byte) (driver.Op, driver.Value)) func(*ask, string) (driver.Query, *fhirmap.Outcome) {
	return func(a *ask, value string) (driver.Query, *fhirmap.Outcome) {
		switch a.param.kind {
		case texts:
			var err *fhirmap.Outcome
			if value, err = a.normalised(escapeFilter(value)); err != nil {
				return nil, err
			}
		case uris:
		default:
			return nil, a.unrelated(op)
		}
		var some anyOf
		for _, src := range a.param.sources {
			operator, v := lookup([]byte(value))
			some = append(some, one(src.field, operator, v))
		}
		return some.query(), nil
	}
}

// filterUnequal is ne: some value is another.
func filterUnequal(a *ask, value string) (driver.Query, *fhirmap.Outcome) {
	kind := a.param.kind
	switch {
	case len(kind.comparators) > 0:
		return filterOrder("ne")(a, value)
	case kind == ids:
		q, err := idIs(a, escapeFilter(value))
		return driver.Not{Of: q}, err
	case kind.read == nil:
		return nil, a.unrelated("ne")
	}
	var some anyOf
	for _, src := range a.param.sources {
		var equal anyOf
		var err *fhirmap.Outcome
		if kind == texts {
			var n string
			if n, err = a.normalised(escapeFilter(value)); err == nil {
				equal = anyOf{one(src.field, driver.EQUAL, driver.Point([]byte(n)))}
			}
		} else {
			equal, err = kind.read(a, src, escapeFilter(value))
		}
		if err != nil {
			return nil, err
		}
		others, ok := outside(src, equal)
		if !ok {
			return nil, a.bad("%q names more than one value, and ne asks for one that is none of it; write not (%s eq %s)", value, a.param.code, value)
		}
		some = append(some, others...)
	}
	return some.query(), nil
}

// outside makes the condition of a row of a field that is in none of several values: below the first, between two, or above the last. It
// reports false where they are asked for by more than their place.
func outside(src source, equal anyOf) (anyOf, bool) {
	values := make([]driver.Value, 0, len(equal))
	for _, same := range equal {
		if len(same) != 1 || same[0].Op != driver.EQUAL || same[0].Field != src.field {
			return nil, false
		}
		values = append(values, same[0].Values[0])
	}
	slices.SortFunc(values, func(v, w driver.Value) int { return bytes.Compare(v.Low, w.Low) })
	gaps, above := anyOf{}, driver.Same{driver.Has(src.field)}
	var reached []byte // up to where nothing is left to tell
	for _, v := range values {
		switch {
		case reached == nil && len(v.Low) > 0:
			gaps = append(gaps, one(src.field, driver.LT, driver.Point(v.Low)))
		case bytes.Compare(reached, v.Low) < 0:
			gaps = append(gaps, one(src.field, driver.EQUAL, driver.Span(reached, v.Low)))
		}
		end, beyond := after(v.Low), one(src.field, driver.GT, driver.Point(v.Low))
		if v.Interval {
			end, beyond = v.High, one(src.field, driver.GTE, driver.Point(v.High))
		}
		if len(end) == 0 { // open: nothing lies above
			above = nil
			break
		}
		if bytes.Compare(end, reached) > 0 {
			reached, above = end, beyond
		}
	}
	if above != nil {
		gaps = append(gaps, above)
	}
	if src.only != "" {
		for i := range gaps {
			gaps[i] = append(gaps[i], one(src.field, driver.LIKE, driver.Point(append([]byte{0}, src.only...)))...)
		}
	}
	return gaps, true
}

// filterPresent is pr: whether there is a value.
func filterPresent(a *ask, value string) (driver.Query, *fhirmap.Outcome) {
	missing := map[string]string{"true": "false", "false": "true"}[value]
	m := a.param.modifier("missing")
	switch {
	case missing == "":
		return nil, a.bad("%q is neither true nor false", value)
	case m != nil:
		return m.query(a, missing)
	case a.param.kind != ids:
		return nil, a.unrelated("pr")
	case value == "true":
		return driver.All{}, nil
	}
	return driver.Or{}, nil
}

// filterOverlaps is po: a period in the set has something in common with that of the value.
func filterOverlaps(a *ask, value string) (driver.Query, *fhirmap.Outcome) {
	if a.param.kind != dates && a.param.kind != lastUpdated {
		return nil, a.unrelated("po")
	}
	m, err := parseMoment(value, a.options.Zone)
	if err != nil {
		return nil, a.bad("%v", err)
	}
	var some anyOf
	for _, src := range a.param.sources {
		some = append(some, axis{field: src.field}.touching(driver.Instant(m.from), driver.Instant(m.to))...)
	}
	return some.query(), nil
}
