package search

import (
	"slices"

	"github.com/hob-fhir/hob/storage/driver"
)

// prefix is a comparator before a value (R4 3.1.1.4.6): what it asks of a row, given the value as an interval [a, b), or as a
// point v where the precision of the value does not count.
type prefix struct {
	name  string
	finds string // of a value, in the page docs/search.md
	span  func(x axis, a, b []byte) anyOf
	point func(x axis, v []byte) anyOf // nil: the value is always its interval
}

var prefixes = []prefix{
	{"eq", "what lies within the value, as precise as it is written; without a prefix the same", axis.within, nil},
	{"ne", "what does not lie wholly within it", func(x axis, a, b []byte) anyOf { return slices.Concat(x.lookup(driver.LT, a), x.lookup(driver.GTE, b)) }, nil},
	{"gt", "what has a part above it", func(x axis, a, b []byte) anyOf { return x.lookup(driver.GTE, b) },
		func(x axis, v []byte) anyOf { return x.lookup(driver.GTE, after(v)) }}, // not GT: a Range that ends with v has nothing above it
	{"lt", "what has a part below it", func(x axis, a, b []byte) anyOf { return x.lookup(driver.LT, a) },
		func(x axis, v []byte) anyOf { return x.lookup(driver.LT, v) }},
	{"ge", "what has a part above it, or lies within it", func(x axis, a, b []byte) anyOf { return slices.Concat(x.lookup(driver.GTE, b), x.within(a, b)) },
		func(x axis, v []byte) anyOf { return x.lookup(driver.GTE, v) }},
	{"le", "what has a part below it, or lies within it", func(x axis, a, b []byte) anyOf { return slices.Concat(x.lookup(driver.LT, a), x.within(a, b)) },
		func(x axis, v []byte) anyOf { return x.lookup(driver.LTE, v) }},
	{"sa", "what lies wholly above it", func(x axis, a, b []byte) anyOf { return x.within(b, nil) },
		func(x axis, v []byte) anyOf { return x.within(after(v), nil) }},
	{"eb", "what lies wholly below it", func(x axis, a, b []byte) anyOf { return x.within(nil, a) },
		func(x axis, v []byte) anyOf { return x.within(nil, v) }},
	{"ap", "what has something in common with it, widened by a tenth", axis.touching, nil}, // of the value widened
}

func prefixNames() []string {
	var out []string
	for _, p := range prefixes {
		out = append(out, p.name)
	}
	return out
}

// cutPrefix takes the prefix off a value; without one it is eq.
func cutPrefix(value string) (prefix, string) {
	if len(value) > 2 {
		for _, p := range prefixes {
			if value[:2] == p.name {
				return p, value[2:]
			}
		}
	}
	return prefixes[0], value
}

// axis is where ordered values of one sort lie: a whole field, or the part of it that begins with some bytes (a unit).
type axis struct {
	field string
	head  []byte
}

// at places a value on the axis.
func (x axis) at(v []byte) []byte { return slices.Concat(x.head, v) }

// within asks for rows inside [a, b); an empty end is the end of the axis.
func (x axis) within(a, b []byte) anyOf {
	all := driver.Prefix(x.head)
	low, high := x.at(a), all.High
	if len(b) > 0 {
		high = x.at(b)
	}
	return anyOf{one(x.field, driver.EQUAL, driver.Span(low, high))}
}

// touching asks for rows that have something in common with [a, b).
func (x axis) touching(a, b []byte) anyOf {
	return x.bounded(
		driver.Lookup{Field: x.field, Op: driver.LT, Values: []driver.Value{driver.Point(x.at(b))}},
		driver.Lookup{Field: x.field, Op: driver.GTE, Values: []driver.Value{driver.Point(x.at(a))}})
}

// lookup asks for rows that stand in a relation to a point.
func (x axis) lookup(op driver.Op, v []byte) anyOf {
	return x.bounded(driver.Lookup{Field: x.field, Op: op, Values: []driver.Value{driver.Point(x.at(v))}})
}

// bounded keeps lookups on the axis if that is a part of a field.
func (x axis) bounded(l ...driver.Lookup) anyOf {
	if len(x.head) > 0 {
		l = append(l, driver.Lookup{Field: x.field, Op: driver.EQUAL, Values: []driver.Value{driver.Prefix(x.head)}})
	}
	return anyOf{driver.Same(l)}
}

// after returns the bytes that come next after v.
func after(v []byte) []byte { return append(slices.Clip(v), 0) }
