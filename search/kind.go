package search

import (
	"slices"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// kind is a type of search parameter: everything Hob knows of it. To add a modifier, add an entry to modifiers.
type kind struct {
	name        string               // as in SearchParameter.type
	rows        map[string]extractor // by the FHIR type of a selected element; nil: the kind writes no rows
	suffixes    []string             // of the fields that the extractors write, "" first
	present     []string             // those of which a row shows that the parameter has a value
	read        reading              // one value of the plain search; nil if a value concerns no single field
	modifiers   []modifier           // the first has no name: the plain search
	comparators []string             // the prefixes a value may begin with
	sortable    bool
	show        func(suffix string, b []byte) string // an end of a value for a reader; nil: text
}

// modifier is one way of asking: what a parameter's whole value, commas and all, means. The parser, the CapabilityStatement, the error
// texts and the page docs/search.md all read these entries.
type modifier struct {
	name    string // "exact"; "[type]" stands for every resource type; "" for none
	finds   string // what a value finds
	example string // a value, of which the page shows the translation
	query   func(a *ask, value string) (driver.Query, *fhirmap.Outcome)
	when    func(p *parameter) bool // of which parameters of the kind it is; nil: all
}

// ask is one parameter of a search while it is translated.
type ask struct {
	*edition
	schema *schema
	param  *parameter
	name   string // as written: code:modifier, with the steps before it
	target string // the resource type that stands as modifier
	terms  Terms
	peers  []string // the types that are searched together
	depth  int      // steps taken to other types
	cost   *cost    // of all of the search
	quiet  bool     // others may have what this type has not: its error is not told
	absent bool     // the type reached has no such parameter: a lenient search may ignore it
}

// cost is what a search has come to so far. Both grow by multiplication: types reached by chains, and values of each of them.
type cost struct {
	steps   int // ways tried through the types
	lookups int // alternatives
}

func (c *cost) over(o Options) bool { return c.steps > o.MaxSteps || c.lookups > o.MaxLookups }

// count adds alternatives to the cost.
func (a *ask) count(lookups int) *fhirmap.Outcome {
	if a.cost.lookups += lookups; a.cost.over(a.options) {
		return a.fail(fhirmap.CodeTooLong, "the search comes to more than %d values to look up; give fewer, or smaller value sets, and name the types of what is referred to",
			a.options.MaxLookups)
	}
	return nil
}

// bad is the error of a value; it names the parameter as it was written.
func (a *ask) bad(format string, args ...any) *fhirmap.Outcome {
	return a.fail(fhirmap.CodeValue, format, args...)
}

func (a *ask) fail(code fhirmap.Code, format string, args ...any) *fhirmap.Outcome {
	o := fhirmap.Errorf(code, "http."+a.name, format, args...)
	o.Issues[0].Diagnostics = "parameter " + a.name + ": " + o.Issues[0].Diagnostics
	return o
}

// kinds are the types of search parameters. Special ones have a kind each (positions) or are in the table of specials.
func kinds() []*kind {
	return []*kind{tokens, texts, dates, numbers, quantities, references, uris, composites}
}

// kindOf returns what a definition is, or nil if Hob cannot do anything with it.
func kindOf(def *r4.SearchParameter) *kind {
	switch def.Code {
	case "_id":
		return ids
	case lastUpdatedField:
		return lastUpdated
	}
	if isNear(def) {
		return positions
	}
	for _, k := range kinds() {
		if k.name == def.Type {
			return k
		}
	}
	return nil
}

// reading tells what one value means on one field: the rows that it asks for.
type reading func(a *ask, src source, value string) (anyOf, *fhirmap.Outcome)

// anyOf is a condition in disjunctive form: some of these must hold. None: never.
type anyOf []driver.Same

// one is the condition of a single lookup.
func one(field string, op driver.Op, v driver.Value) driver.Same {
	return driver.Same{{Field: field, Op: op, Values: []driver.Value{v}}}
}

// each makes a modifier of a reading: the values of the list are alternatives, and so are the fields.
func each(read reading) func(*ask, string) (driver.Query, *fhirmap.Outcome) {
	return func(a *ask, value string) (driver.Query, *fhirmap.Outcome) {
		values, err := a.list(value)
		if err != nil {
			return nil, err
		}
		var all anyOf
		for _, src := range a.param.sources {
			for _, v := range values {
				some, err := read(a, src, v)
				if err == nil {
					err = a.count(len(some))
				}
				if err != nil {
					return nil, err
				}
				all = append(all, some...)
			}
		}
		return all.query(), nil
	}
}

// not makes a modifier of a reading: the records for which none of the values holds.
func not(read reading) func(*ask, string) (driver.Query, *fhirmap.Outcome) {
	return func(a *ask, value string) (driver.Query, *fhirmap.Outcome) {
		q, err := each(read)(a, value)
		if err != nil {
			return nil, err
		}
		return driver.Not{Of: q}, nil
	}
}

// missing asks whether the parameter has any value (R4 3.1.1.4.5).
var missing = modifier{name: "missing", finds: "true: those without a value; false: those with one", example: "true", query: missingIs}

func missingIs(a *ask, value string) (driver.Query, *fhirmap.Outcome) {
	if value != "true" && value != "false" {
		return nil, a.bad("%q is neither true nor false", value)
	}
	var has anyOf
	for _, src := range a.param.sources {
		if src.only != "" {
			has = append(has, one(src.field, driver.LIKE, driver.Point(append([]byte{0}, src.only...))))
			continue
		}
		for _, suffix := range a.param.kind.present {
			has = append(has, driver.Same{driver.Has(src.field + suffix)})
		}
	}
	if value == "true" {
		return driver.Not{Of: has.query()}, nil
	}
	return has.query(), nil
}

// query makes the query: alternatives of one field that are all EQUAL become one IN, so that a long list is one walk.
func (some anyOf) query() driver.Query {
	var out driver.Or
	var fields []string
	equal := map[string][]driver.Value{}
	for _, same := range some {
		switch l := same[0]; {
		case len(same) > 1:
			out = append(out, same)
		case l.Op != driver.EQUAL:
			out = append(out, l)
		default:
			if equal[l.Field] == nil {
				fields = append(fields, l.Field)
			}
			equal[l.Field] = append(equal[l.Field], l.Values[0])
		}
	}
	for _, f := range fields {
		l := driver.Lookup{Field: f, Op: driver.EQUAL, Values: distinct(equal[f])}
		if len(l.Values) > 1 {
			l.Op = driver.IN
		}
		out = append(out, l)
	}
	if len(out) == 1 {
		return out[0]
	}
	return out
}

// distinct drops values that are there already, in place.
func distinct(values []driver.Value) []driver.Value {
	if len(values) == 1 {
		return values
	}
	seen := make(map[string]bool, len(values))
	return slices.DeleteFunc(values, func(v driver.Value) bool {
		k := string(v.Low)
		if v.Interval {
			k += "\x00\x00" + string(v.High)
		}
		was := seen[k]
		seen[k] = true
		return was
	})
}
