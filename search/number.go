package search

import (
	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// numbers are plain numbers (R4 3.1.1.4.7), stored as written: a point, or the interval of a Range.
var numbers = &kind{
	name: "number",
	rows: map[string]extractor{
		"decimal":     numberPrimitive,
		"integer":     numberPrimitive,
		"positiveInt": numberPrimitive,
		"unsignedInt": numberPrimitive,
		"Range": func(x *indexer, e *fhirmap.Element) {
			if v, ok := rangeValue(e); ok {
				x.value("", v)
			}
		},
	},
	suffixes: []string{""},
	present:  []string{""},
	read:     numberIs,
	modifiers: []modifier{
		{finds: "a number: all that round to it as it is written", example: "0.30", query: each(numberIs)},
		missing,
	},
	comparators: prefixNames(),
	sortable:    true,
	show:        showNumber,
}

func numberPrimitive(x *indexer, e *fhirmap.Element) {
	if b, err := encodeNumber(e.Text); err == nil {
		x.point("", b)
	}
}

// rangeValue is the interval of a Range, both ends in; an end that is missing is open.
func rangeValue(e *fhirmap.Element) (driver.Value, bool) {
	low, errLow := encodeNumber(e.First("low").String("value"))
	high, errHigh := encodeNumber(e.First("high").String("value"))
	switch {
	case errLow != nil && errHigh != nil:
		return driver.Value{}, false
	case errHigh != nil:
		return driver.Span(low, nil), true
	case errLow != nil:
		return driver.Span(nil, after(high)), true
	case string(low) > string(high): // written the wrong way round
		low, high = high, low
	}
	return driver.Span(low, after(high)), true
}

// numberIs reads a prefix and a number.
func numberIs(a *ask, src source, value string) (anyOf, *fhirmap.Outcome) {
	return a.compare(axis{field: src.field}, unescape(value))
}

// compare translates a prefix and a number on an axis: for eq and ne the number is the interval of its precision, for ap that
// widened, for the others a point.
func (a *ask) compare(x axis, value string) (anyOf, *fhirmap.Outcome) {
	return a.compareIn(x, value, func(d decimal) ([]byte, bool) { return d.encode(), true })
}

// compareIn is compare where the numbers of the axis are something else than those of the value: a measure in another unit.
func (a *ask) compareIn(x axis, value string, encode func(decimal) ([]byte, bool)) (anyOf, *fhirmap.Outcome) {
	p, text := cutPrefix(value)
	d, err := parseDecimal(text)
	if err != nil {
		return nil, a.bad("%v", err)
	}
	low, high := d, d
	switch {
	case p.name == "ap":
		low, high = d.approximate()
	case p.point == nil:
		low, high = d.precision()
	}
	from, okFrom := encode(low)
	to, okTo := encode(high)
	switch {
	case !okFrom || !okTo:
		return nil, a.bad("%s lies beyond what is compared in other units", text)
	case p.point != nil:
		return p.point(x, from), nil
	}
	return p.span(x, from, to), nil
}
