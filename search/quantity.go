package search

import (
	"bytes"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

const (
	unitField = ":unit"
	ucumField = ":ucum"
)

// quantities are numbers with a unit (R4 3.1.1.4.14). One writes, in one group, its number as written; unit · 00 · system · 00 ·
// number for its code and for the text of its unit if that differs; and, if the code is one of UCUM, canonical unit · 00 · number in
// that unit. A Quantity with a comparator is the interval that it stands for, a Range too; SampledData spans its samples.
var quantities = &kind{
	name: "quantity",
	rows: map[string]extractor{
		"Quantity":       quantityOne,
		"SimpleQuantity": quantityOne,
		"MoneyQuantity":  quantityOne,
		"Age":            quantityOne,
		"Count":          quantityOne,
		"Distance":       quantityOne,
		"Duration":       quantityOne,
		"Money": func(x *indexer, e *fhirmap.Element) {
			if b, err := encodeNumber(e.String("value")); err == nil {
				x.quantity(driver.Point(b), "", e.String("currency"), currencies)
			}
		},
		"Range": func(x *indexer, e *fhirmap.Element) {
			if v, ok := rangeValue(e); ok {
				q := e.First("low")
				if q.String("value") == "" {
					q = e.First("high")
				}
				x.quantity(v, q.String("unit"), q.String("code"), q.String("system"))
			}
		},
		"SampledData": func(x *indexer, e *fhirmap.Element) {
			if v, ok := sampled(e); ok {
				q := e.First("origin")
				x.quantity(v, q.String("unit"), q.String("code"), q.String("system"))
			}
		},
	},
	suffixes: []string{"", unitField, ucumField},
	present:  []string{""},
	read:     quantityIs,
	modifiers: []modifier{
		{finds: "number: the number as written, whatever the unit; number||unit: with this code or text as its unit; number|system|code: " +
			"a unit of UCUM with all that can be measured in it, another as written", example: "5.40|http://unitsofmeasure.org|mg", query: each(quantityIs)},
		missing,
	},
	comparators: prefixNames(),
	sortable:    true,
	show:        showQuantity,
}

// currencies is the system of the codes of Money.
const currencies = "urn:iso:std:iso:4217"

func quantityOne(x *indexer, e *fhirmap.Element) {
	b, err := encodeNumber(e.String("value"))
	if err != nil {
		return
	}
	v := driver.Point(b)
	switch e.String("comparator") {
	case "<":
		v = driver.Span(nil, b)
	case "<=":
		v = driver.Span(nil, after(b))
	case ">=":
		v = driver.Span(b, nil)
	case ">":
		v = driver.Span(after(b), nil)
	}
	x.quantity(v, e.String("unit"), e.String("code"), e.String("system"))
}

// quantity adds the rows of a number or an interval of numbers and its unit.
func (x *indexer) quantity(v driver.Value, unit, code, system string) {
	x.value("", v)
	if code != "" || system != "" {
		x.value(unitField, placed(unitHead(code, system), v))
	}
	if unit != "" && unit != code {
		x.value(unitField, placed(unitHead(unit, ""), v))
	}
	if isUCUM(system) && code != "" {
		if u := x.options.units.unit(code); u != nil {
			if v, ok := u.value(v); ok {
				x.value(ucumField, placed(u.head(), v))
			}
		}
	}
}

// head begins the rows of numbers of a unit.
func (u unit) head() []byte { return append([]byte(u.canonical()), 0) }

// value converts a number or an interval, as it is encoded.
func (u unit) value(v driver.Value) (driver.Value, bool) {
	low, okLow := u.end(v.Low)
	high, okHigh := u.end(v.High)
	v.Low, v.High = low, high
	return v, okLow && okHigh
}

// end converts an end of a value: nothing, a number, or what comes just after one.
func (u unit) end(b []byte) ([]byte, bool) {
	if len(b) == 0 {
		return b, true
	}
	number, isAfter := bytes.CutSuffix(b, []byte{0}) // no number ends so
	text, ok := decodeNumber(number)
	if !ok {
		return nil, false
	}
	d, err := parseDecimal(text)
	if err != nil {
		return nil, false
	}
	out, ok := u.convert(d)
	if isAfter {
		out = after(out)
	}
	return out, ok
}

func unitHead(unit, system string) []byte {
	unit, system = exact(unit), exact(system)
	b := make([]byte, 0, len(unit)+len(system)+2+8)
	b = append(append(b, unit...), 0)
	return append(append(b, system...), 0)
}

// placed puts a value behind a head, open ends at the ends of what begins so.
func placed(head []byte, v driver.Value) driver.Value {
	x := axis{head: head}
	if !v.Interval {
		return driver.Point(x.at(v.Low))
	}
	return x.within(v.Low, v.High)[0][0].Values[0]
}

// sampled is the interval from the lowest to the highest sample: sample × factor + origin (R4 2.24.0.9).
func sampled(e *fhirmap.Element) (driver.Value, bool) {
	origin, err := parseDecimal(e.First("origin").String("value"))
	if err != nil {
		return driver.Value{}, false
	}
	factor, err := parseDecimal(e.String("factor"))
	if err != nil {
		factor, _ = parseDecimal("1")
	}
	var low, high []byte
	for s := range strings.FieldsSeq(e.String("data")) {
		d, err := parseDecimal(s)
		if err != nil {
			continue // E, L and U: no value
		}
		d, ok := d.times(factor).plus(origin)
		if !ok {
			continue
		}
		b := d.encode()
		if low == nil || string(b) < string(low) {
			low = b
		}
		if high == nil || string(b) > string(high) {
			high = b
		}
	}
	if low == nil {
		return driver.Value{}, false
	}
	return driver.Span(low, after(high)), true
}

// quantityIs reads number, number|system|code or number||code, where code is also the text of a unit. Without a unit it is the
// number as written, whatever the unit; with one of UCUM it is compared with all that can be measured in it.
func quantityIs(a *ask, src source, value string) (anyOf, *fhirmap.Outcome) {
	parts := splitEscaped(value, '|')
	if len(parts) != 1 && len(parts) != 3 {
		return nil, a.bad("%q is neither number, number|system|code nor number||code", value)
	}
	number := axis{field: src.field}
	text := unescape(parts[0])
	if len(parts) == 1 {
		return a.compare(number, text)
	}
	system, code := unescape(parts[1]), unescape(parts[2])
	switch {
	case system != "" && code == "":
		return nil, a.bad("%q has a system but no code; write number|system|code", value)
	case code == "":
		return a.compare(number, text)
	case isUCUM(system):
		if u := a.options.units.unit(code); u != nil {
			return a.compareIn(axis{field: src.field + ucumField, head: u.head()}, text, u.convert)
		}
		fallthrough // a unit that UCUM does not have is compared as it is written
	case system != "":
		return a.compare(axis{field: src.field + unitField, head: unitHead(code, system)}, text)
	}
	some, err := a.compare(number, text)
	if err != nil {
		return nil, err
	}
	unit := one(src.field+unitField, driver.EQUAL, driver.Prefix(append([]byte(exact(code)), 0)))
	for i := range some {
		some[i] = append(some[i], unit...)
	}
	return some, nil
}
