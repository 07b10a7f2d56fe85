package search

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// Lookup is a lookup on the raw values of a field: those that the resource itself holds, without folding, normal forms or precision.
// The field is the code of a search parameter, or _created. The values are text, nothing in them is special: EQUAL, LIKE and the
// inequalities take one, IN any number from one.
//
// What the raw values of a field are, and how they compare, follows from the type of the parameter:
//
//	string      each text that the element has, by its bytes; of a text longer than 4,096 bytes the beginning
//	token       each code, or value of an identifier or contact point, by its bytes; EQUAL and IN take system|code too
//	reference   Type/id, or the URL of what is elsewhere, by its bytes
//	uri         the whole, by its bytes
//	date        times: a value stands for all of its day, month or year; LIKE looks at the text
//	number      numbers: 5.40 is 5.4; LIKE looks at the text
//	quantity    the number, in the unit of number|system|code or number||unit if one is given; LIKE looks at the number's text
//	_id         by its bytes
//	_created    the time of version 1, as a date
//
// A field without a value stands in no relation to anything.
type Lookup struct {
	Field  string
	Op     driver.Op
	Values []string
}

// createdField is the field that only lookups have: when version 1 of a resource was written.
const createdField = "_created"

// RawQuery is lookups, translated; all of them must hold.
type RawQuery struct {
	Where  driver.Query // holds for every record for which the lookups hold; nil: all
	checks []check
}

// check is what the index cannot tell of a lookup. created is when version 1 was written, nil if that is not known.
type check struct {
	holds func(*fhirmap.Resource) (bool, error)
	time  func(created time.Time) bool // instead, of _created
}

// Exact reports whether Where holds for nothing else.
func (q *RawQuery) Exact() bool { return len(q.checks) == 0 }

// Holds tells of a record for which Where holds whether the lookups do. created is asked for the time of version 1 if that counts;
// it returns false if that is not known.
func (q *RawQuery) Holds(body []byte, created func() (time.Time, bool, error)) (bool, error) {
	var res *fhirmap.Resource
	for _, c := range q.checks {
		if c.time != nil {
			t, known, err := created()
			if err != nil || !known || !c.time(t) {
				return false, err
			}
			continue
		}
		if res == nil {
			var err error
			if res, err = fhirmap.Trusted(body); err != nil {
				return false, err
			}
		}
		if ok, err := c.holds(res); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// operators are the seven.
var operators = []driver.Op{driver.EQUAL, driver.LIKE, driver.IN, driver.LT, driver.LTE, driver.GT, driver.GTE}

func (c *edition) lookups(typ string, lookups []Lookup) (*RawQuery, error) {
	schema := c.types[typ]
	if schema == nil {
		return nil, fhirmap.Errorf(fhirmap.CodeNotSupported, "", "%q is no resource type of FHIR R4", typ)
	}
	if len(lookups) > c.options.MaxAnd {
		return nil, fhirmap.Errorf(fhirmap.CodeTooLong, "", "%d lookups are more than the %d that one request may have", len(lookups), c.options.MaxAnd)
	}
	f := &RawQuery{}
	var where driver.And
	wrong := &fhirmap.Outcome{}
	for _, l := range lookups {
		a := &rawAsk{ask: &ask{edition: c, schema: schema, name: clip(l.Field)}, Lookup: l}
		q, err := a.translate()
		if err != nil {
			wrong.Issues = append(wrong.Issues, err.Issues...)
			continue
		}
		if q != nil {
			where = append(where, q)
		}
		if a.check.holds != nil || a.check.time != nil {
			f.checks = append(f.checks, a.check)
		}
	}
	if len(wrong.Issues) > 0 {
		return nil, wrong
	}
	if len(where) > 0 {
		f.Where = where
	}
	return f, nil
}

// rawAsk is a lookup while it is translated.
type rawAsk struct {
	*ask
	Lookup
	check check
}

// rawKinds tell, by kind of parameter, how a lookup on its raw values is translated.
func rawKinds() map[*kind]func(*rawAsk) (driver.Query, *fhirmap.Outcome) {
	return map[*kind]func(*rawAsk) (driver.Query, *fhirmap.Outcome){
		ids:         (*rawAsk).id,
		texts:       func(a *rawAsk) (driver.Query, *fhirmap.Outcome) { return a.indexed(exactField), nil },
		uris:        func(a *rawAsk) (driver.Query, *fhirmap.Outcome) { return a.indexed(""), nil },
		tokens:      (*rawAsk).token,
		references:  (*rawAsk).reference,
		dates:       (*rawAsk).date,
		lastUpdated: (*rawAsk).date,
		numbers:     (*rawAsk).number,
		quantities:  (*rawAsk).quantity,
	}
}

// translate returns what of the lookup the index tells, and sets the check for the rest.
func (a *rawAsk) translate() (driver.Query, *fhirmap.Outcome) {
	if !slices.Contains(operators, a.Op) {
		var names []string
		for _, o := range operators {
			names = append(names, string(o))
		}
		return nil, a.fail(fhirmap.CodeNotSupported, "%q is no operator; known are %s", clip(string(a.Op)), strings.Join(names, ", "))
	}
	kinds := rawKinds()
	if a.param = a.schema.params[a.Field]; a.param == nil && a.Field != createdField || a.param != nil && kinds[a.param.kind] == nil {
		if w := a.schema.awaited[a.Field]; w != nil {
			return nil, a.wait(w)
		}
		known := []string{createdField}
		for _, code := range a.schema.codes {
			if kinds[a.schema.params[code].kind] != nil {
				known = append(known, code)
			}
		}
		slices.Sort(known)
		return nil, a.fail(fhirmap.CodeNotSupported, "%s has no field of this name; known are %s", a.schema.typ, strings.Join(known, ", "))
	}
	switch n := len(a.Values); {
	case n == 0:
		return nil, a.bad("no value; give one")
	case n > 1 && a.Op != driver.IN:
		return nil, a.bad("%d values; %s takes one, and IN takes several", n, a.Op)
	case n > a.options.MaxOr:
		return nil, a.fail(fhirmap.CodeTooLong, "%d values are more than the %d that one list may have", n, a.options.MaxOr)
	}
	for _, v := range a.Values {
		switch {
		case v == "":
			return nil, a.bad("an empty value; give a value, or leave the lookup out")
		case len(v) > a.options.MaxValue:
			return nil, a.fail(fhirmap.CodeTooLong, "the value has %d bytes; %d are the most", len(v), a.options.MaxValue)
		case strings.IndexByte(v, 0) >= 0:
			return nil, a.bad("a zero byte; FHIR has none in any value")
		}
	}
	if a.param == nil {
		return a.created()
	}
	return kinds[a.param.kind](a)
}

// indexed is a lookup on rows that hold the raw values.
func (a *rawAsk) indexed(suffix string) driver.Query {
	var some driver.Or
	for _, src := range a.param.sources {
		l := driver.Lookup{Field: src.field + suffix, Op: a.Op}
		for _, v := range a.Values {
			l.Values = append(l.Values, driver.Point([]byte(exact(v))))
		}
		some = append(some, l)
	}
	return some
}

// present holds for what has any value of the parameter.
func (a *rawAsk) present() driver.Query {
	q, _ := missing.query(a.ask, "false") // false is always taken
	return q
}

// equal reports whether the operator asks for whole values.
func (a *rawAsk) equal() bool { return a.Op == driver.EQUAL || a.Op == driver.IN }

// text compares a raw text by its bytes. EQUAL and IN look at every value.
func (a *rawAsk) text(s string) bool {
	if a.equal() {
		return slices.Contains(a.Values, s)
	}
	v := a.Values[0]
	switch a.Op {
	case driver.LIKE:
		return strings.Contains(s, v)
	case driver.LT:
		return s < v
	case driver.LTE:
		return s <= v
	case driver.GT:
		return s > v
	default:
		return s >= v
	}
}

// elements makes the check that some element that the parameter selects passes a test. An extension counts as its value.
func (a *rawAsk) elements(test func(*fhirmap.Element) bool) *fhirmap.Outcome {
	var paths []*fhirmap.Path
	for _, atom := range a.param.atoms {
		p, err := fhirmap.CompilePath(atom.text)
		if err != nil {
			return a.fail(fhirmap.CodeProcessing, "its expression: %v", err)
		}
		paths = append(paths, p)
	}
	a.check.holds = func(r *fhirmap.Resource) (bool, error) {
		for _, p := range paths {
			found, err := p.Select(r.Root())
			if err != nil {
				return false, err
			}
			for _, e := range found {
				for e != nil && e.Type == "Extension" {
					e = e.First("value")
				}
				if e != nil && test(e) {
					return true, nil
				}
			}
		}
		return false, nil
	}
	return nil
}

// rows returns the rows of an element that bear no suffix, codes as they are written.
func (a *rawAsk) rows(e *fhirmap.Element) []driver.Row {
	p := *a.param
	p.sources = []source{{field: p.code}} // all of them are wanted, those too that a wider parameter has
	p.fields = nil
	x := &indexer{edition: a.edition, param: &p, raw: true}
	x.element(e)
	return slices.DeleteFunc(x.rows, func(r driver.Row) bool { return r.Field != p.code })
}

func (a *rawAsk) id() (driver.Query, *fhirmap.Outcome) {
	if a.equal() {
		return driver.IDs(slices.DeleteFunc(slices.Clone(a.Values), func(v string) bool { return !fhirmap.IsID(v) })), nil
	}
	a.check.holds = func(r *fhirmap.Resource) (bool, error) { return a.text(r.ID()), nil }
	return nil, nil
}

// token narrows by the folded rows where that is possible: whatever holds of a code as written holds of both folded. A system in which
// case counts has its codes as written.
func (a *rawAsk) token() (driver.Query, *fhirmap.Outcome) {
	err := a.elements(func(e *fhirmap.Element) bool {
		return slices.ContainsFunc(a.rows(e), func(r driver.Row) bool {
			code, system, _ := bytes.Cut(r.Value.Low, []byte{0})
			system = bytes.TrimSuffix(system, []byte{0})
			if len(code) > 0 && a.text(string(code)) {
				return true
			}
			return a.equal() && len(system) > 0 && a.text(string(system)+"|"+string(code))
		})
	})
	if err != nil {
		return nil, err
	}
	if !a.equal() && a.Op != driver.LIKE {
		return a.present(), nil
	}
	var some anyOf
	for _, src := range a.param.sources {
		for _, v := range a.Values {
			if a.Op == driver.LIKE {
				some = append(some, one(src.field, driver.LIKE, driver.Point([]byte(fold(v)))))
				if fold(v) != v {
					some = append(some, one(src.field, driver.LIKE, driver.Point([]byte(v))))
				}
				continue
			}
			for _, code := range codesOf(v) {
				for _, form := range distinctTexts(fold(code), code) {
					some = append(some, one(src.field, driver.EQUAL, driver.Prefix(append([]byte(exact(form)), 0))))
				}
			}
		}
	}
	return some.query(), nil
}

// codesOf lists the codes that a value may name: all of it, or what stands after a bar.
func codesOf(v string) []string {
	out := []string{v}
	for i := 0; i < len(v) && len(out) < 20; i++ {
		if v[i] == '|' && i+1 < len(v) {
			out = append(out, v[i+1:])
		}
	}
	return out
}

func distinctTexts(s, t string) []string {
	if s == t {
		return []string{s}
	}
	return []string{s, t}
}

// reference compares the form that the index has: what a reference names, not how it is written.
func (a *rawAsk) reference() (driver.Query, *fhirmap.Outcome) {
	if !a.equal() {
		return a.present(), a.elements(func(e *fhirmap.Element) bool {
			return slices.ContainsFunc(a.rows(e), func(r driver.Row) bool {
				if k, ok := driver.ParseRef(r.Value.Low); ok {
					return a.text(k.String())
				}
				return a.text(string(bytes.TrimSuffix(r.Value.Low, []byte{0})))
			})
		})
	}
	var some anyOf
	for _, src := range a.param.sources {
		for _, v := range a.Values {
			k, local := a.local(v)
			switch {
			case a.param.addresses():
				some = append(some, one(src.field, driver.EQUAL, driver.Point(urlBytes(v))))
			case local && !src.rest && (src.only == "" || src.only == k.Type):
				some = append(some, one(src.field, driver.EQUAL, driver.Point(k.Ref())))
			case !local && src.only == "":
				some = append(some, one(src.field, driver.EQUAL, driver.Point(a.edition.reference(v, ""))))
			}
		}
	}
	return some.query(), nil
}

// prefixOf is the comparator that an operator is: of EQUAL and IN the first, which is eq.
func prefixOf(op driver.Op) prefix {
	name := map[driver.Op]string{driver.LT: "lt", driver.LTE: "le", driver.GT: "gt", driver.GTE: "ge"}[op]
	return prefixes[max(0, slices.IndexFunc(prefixes, func(p prefix) bool { return p.name == name }))]
}

// date compares as the search with a prefix does, by the times that the index has.
func (a *rawAsk) date() (driver.Query, *fhirmap.Outcome) {
	if a.Op == driver.LIKE {
		if a.param.kind == lastUpdated {
			a.check.holds = func(r *fhirmap.Resource) (bool, error) { return a.text(r.Meta().String("lastUpdated")), nil }
			return nil, nil
		}
		return a.written()
	}
	var some anyOf
	for _, src := range a.param.sources {
		for _, v := range a.Values {
			m, err := parseMoment(v, a.options.Zone)
			if err != nil {
				return nil, a.bad("%v", err)
			}
			some = append(some, prefixOf(a.Op).span(axis{field: src.field}, driver.Instant(m.from), driver.Instant(m.to))...)
		}
	}
	return some.query(), nil
}

// created compares the time of version 1, which no row has; it lies not after the time of the current version, which has one.
func (a *rawAsk) created() (driver.Query, *fhirmap.Outcome) {
	if a.Op == driver.LIKE {
		a.check.time = func(t time.Time) bool { return a.text(t.UTC().Format("2006-01-02T15:04:05.000Z")) }
		return nil, nil
	}
	var some []moment
	for _, v := range a.Values {
		m, err := parseMoment(v, a.options.Zone)
		if err != nil {
			return nil, a.bad("%v", err)
		}
		some = append(some, m)
	}
	a.check.time = func(t time.Time) bool {
		return slices.ContainsFunc(some, func(m moment) bool {
			switch a.Op {
			case driver.LT:
				return t.Before(m.from)
			case driver.LTE:
				return t.Before(m.to)
			case driver.GT:
				return !t.Before(m.to)
			case driver.GTE:
				return !t.Before(m.from)
			}
			return !t.Before(m.from) && t.Before(m.to)
		})
	}
	if a.Op == driver.LT || a.Op == driver.LTE {
		return nil, nil
	}
	first := slices.MinFunc(some, func(m, n moment) int { return m.from.Compare(n.from) })
	return driver.Lookup{Field: "_lastUpdated", Op: driver.GTE, Values: []driver.Value{driver.Point(driver.Instant(first.from))}}, nil
}

// written checks the text of a date or number as it is written.
func (a *rawAsk) written() (driver.Query, *fhirmap.Outcome) {
	var has func(e *fhirmap.Element) bool
	has = func(e *fhirmap.Element) bool {
		if e.Value {
			return a.text(e.Text)
		}
		return slices.ContainsFunc(e.Children, func(c *fhirmap.Element) bool {
			switch c.Name {
			case "value", "start", "end", "event", "low", "high", "repeat", "bounds", "origin":
				return has(c)
			}
			return false
		})
	}
	return a.present(), a.elements(has)
}

func (a *rawAsk) number() (driver.Query, *fhirmap.Outcome) {
	if a.Op == driver.LIKE {
		return a.written()
	}
	return a.numbers(a.Values)
}

// numbers looks up plain numbers on the field itself.
func (a *rawAsk) numbers(values []string) (driver.Query, *fhirmap.Outcome) {
	var some driver.Or
	for _, src := range a.param.sources {
		l := driver.Lookup{Field: src.field, Op: a.Op}
		for _, v := range values {
			b, err := encodeNumber(v)
			if err != nil {
				return nil, a.bad("%v", err)
			}
			l.Values = append(l.Values, driver.Point(b))
		}
		some = append(some, l)
	}
	return some, nil
}

// quantity looks up the number, and checks the unit where one is given.
func (a *rawAsk) quantity() (driver.Query, *fhirmap.Outcome) {
	if a.Op == driver.LIKE {
		return a.written()
	}
	type amount struct {
		number       driver.Lookup
		system, unit string
	}
	var numbers []string
	var amounts []amount
	units := false
	for _, v := range a.Values {
		parts := strings.Split(v, "|")
		if len(parts) != 1 && len(parts) != 3 || len(parts) == 3 && parts[2] == "" {
			return nil, a.bad("%q is neither number, number|system|code nor number||unit", v)
		}
		b, err := encodeNumber(parts[0])
		if err != nil {
			return nil, a.bad("%v", err)
		}
		op := a.Op
		if op == driver.IN {
			op = driver.EQUAL
		}
		it := amount{number: driver.Lookup{Field: a.param.code, Op: op, Values: []driver.Value{driver.Point(b)}}}
		if len(parts) == 3 {
			it.system, it.unit, units = parts[1], parts[2], true
		}
		numbers, amounts = append(numbers, parts[0]), append(amounts, it)
	}
	q, err := a.numbers(numbers)
	if err != nil || !units {
		return q, err
	}
	return q, a.elements(func(e *fhirmap.Element) bool {
		rows := a.rows(e)
		return slices.ContainsFunc(amounts, func(it amount) bool {
			return (it.unit == "" || inUnit(e, it.system, it.unit)) &&
				slices.ContainsFunc(rows, func(r driver.Row) bool { return driver.Holds(r, it.number) })
		})
	})
}

// inUnit reports whether an amount is measured in a unit: its code, or where no system is given also its text.
func inUnit(e *fhirmap.Element, system, unit string) bool {
	q := e
	switch e.Type {
	case "Money":
		return e.String("currency") == unit && (system == "" || system == currencies)
	case "Range":
		if q = e.First("low"); q == nil {
			q = e.First("high")
		}
	case "SampledData":
		q = e.First("origin")
	}
	if system == "" {
		return q.String("code") == unit || q.String("unit") == unit
	}
	return q.String("code") == unit && q.String("system") == system
}
