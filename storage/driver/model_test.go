package driver

import (
	"bytes"
	"slices"
	"testing"
)

// point and span write values short; "" is an open end.
func point(s string) Value        { return Point([]byte(s)) }
func span(low, high string) Value { return Span([]byte(low), []byte(high)) }

// TestHolds is the table of the lookup contract, worked out by hand: m stands in the middle.
func TestHolds(t *testing.T) {
	for _, c := range []struct {
		op    Op
		q     Value
		holds []Value
		not   []Value
	}{
		{EQUAL, point("m"),
			[]Value{point("m")},
			[]Value{point("l"), point("mm"), point("m\x00"), span("m", "n"), span("m", "m\x00"), span("", ""), span("m", ""), span("", "m")}},
		{EQUAL, span("f", "m"),
			[]Value{point("f"), point("g"), point("lzz"), point("f\x00"), span("f", "m"), span("f", "g"), span("l", "m"), span("g", "h")},
			[]Value{point("e\xff"), point("m"), point("m\x00"), span("e", "m"), span("f", "n"), span("f", "m\x00"), span("e", "n"),
				span("m", "n"), span("a", "f"), span("f", ""), span("", "m"), span("", "")}},
		{EQUAL, span("f", ""),
			[]Value{point("f"), point("\xff\xff"), span("f", "g"), span("f", ""), span("x", "")},
			[]Value{point("e"), span("e", "g"), span("e", ""), span("", "g"), span("", "")}},
		{EQUAL, span("", "m"),
			[]Value{point("a"), point("\x00"), point("l\xff"), span("a", "m"), span("", "m"), span("", "b")},
			[]Value{point("m"), span("a", "n"), span("", "n"), span("a", ""), span("", "")}},
		{EQUAL, span("", ""),
			[]Value{point("\x00"), point("\xff"), span("a", "b"), span("", "b"), span("a", ""), span("", "")},
			nil},
		{EQUAL, span("m", "m"), nil, []Value{point("m"), span("m", "n"), span("", "")}},
		{EQUAL, span("m", "f"), nil, []Value{point("g"), point("m"), point("f"), span("f", "m"), span("", "")}},
		{LT, point("m"),
			[]Value{point("a"), point("l\xff\xff"), span("a", "b"), span("l", "z"), span("", "a"), span("", "z"), span("", ""), span("l", "")},
			[]Value{point("m"), point("m\x00"), point("n"), span("m", "n"), span("n", "o"), span("m", "")}},
		{LTE, point("m"),
			[]Value{point("a"), point("m"), span("m", "n"), span("m", ""), span("l", "m"), span("", "a"), span("", "")},
			[]Value{point("m\x00"), point("n"), span("m\x00", "n"), span("n", "")}},
		{GT, point("m"),
			[]Value{point("m\x00"), point("n"), span("m", "n"), span("a", "n"), span("n", "o"), span("a", "m\x00"), span("", "z"), span("a", ""), span("", "")},
			[]Value{point("m"), point("l"), span("a", "m"), span("", "m"), span("a", "b"), span("", "a")}},
		{GTE, point("m"),
			[]Value{point("m"), point("n"), span("m", "n"), span("a", "m\x00"), span("n", ""), span("", "")},
			[]Value{point("l\xff"), span("a", "m"), span("", "m"), span("l", "m"), span("", "b")}},
		{LIKE, point("m"),
			[]Value{point("m"), point("ama"), point("\x00m\xff"), span("m", "n"), span("am", "")},
			[]Value{point("M"), point("l"), span("l", "m"), span("", "m"), span("", "")}},
		{LIKE, point("%_"), []Value{point("a%_b")}, []Value{point("%"), point("%a_"), point("ab")}},
	} {
		for _, v := range c.holds {
			if !Holds(Row{Field: "f", Value: v}, Lookup{Field: "f", Op: c.op, Values: []Value{c.q}}) {
				t.Errorf("%v %s %v does not hold", v, c.op, c.q)
			}
		}
		for _, v := range c.not {
			if Holds(Row{Field: "f", Value: v}, Lookup{Field: "f", Op: c.op, Values: []Value{c.q}}) {
				t.Errorf("%v %s %v holds", v, c.op, c.q)
			}
		}
		if c.op == EQUAL {
			for _, v := range slices.Concat(c.holds, c.not) {
				in := Lookup{Field: "f", Op: IN, Values: []Value{point("none"), c.q, point("other")}}
				if got, want := Holds(Row{Field: "f", Value: v}, in), slices.ContainsFunc(c.holds, v.Equal); got != want {
					t.Errorf("%v IN a list with %v: %t; want %t", v, c.q, got, want)
				}
			}
		}
	}
	for name, l := range map[string]Lookup{
		"another field": {Field: "g", Op: EQUAL, Values: []Value{point("m")}},
		"IN of nothing": {Field: "f", Op: IN},
		"no operator":   {Field: "f", Values: []Value{point("m")}},
	} {
		if Holds(Row{Field: "f", Value: point("m")}, l) {
			t.Errorf("%s holds", name)
		}
	}
}

// village is a Graph of a few records, written out.
type village map[Key][]Row

func (v village) Matches(typ, id string, q Query) bool {
	rows, ok := v[Key{typ, id}]
	return ok && Match(Key{typ, id}, rows, q, v)
}

func (v village) Referring(typ, field string, ref []byte, q Query) bool {
	for k, rows := range v {
		for _, r := range rows {
			if k.Type == typ && r.Field == field && !r.Value.Interval && bytes.Equal(r.Value.Low, ref) && Match(k, rows, q, v) {
				return true
			}
		}
	}
	return false
}

func TestMatch(t *testing.T) {
	eq := func(field, v string) Lookup { return Lookup{Field: field, Op: EQUAL, Values: []Value{point(v)}} }
	op := func(field string, op Op, v string) Lookup {
		return Lookup{Field: field, Op: op, Values: []Value{point(v)}}
	}
	r := func(field, v string) Row { return Row{Field: field, Value: point(v)} }
	in := func(group uint32, field, v string) Row { return Row{Field: field, Group: group, Value: point(v)} }
	ref := func(field string, k Key) Row { return Row{Field: field, Value: Point(k.Ref())} }
	joe, ann, obs, odd := Key{"Patient", "joe"}, Key{"Patient", "ann"}, Key{"Observation", "o"}, Key{"Observation", "odd"}
	v := village{
		joe: {r("name", "Joe"), r("name", "Joseph"), r("sex", "M")},
		ann: {r("name", "Ann")},
		obs: {ref("subject", joe), r("status", "final"),
			in(1, "code", "systolic"), in(1, "value", "150"), in(2, "code", "diastolic"), in(2, "value", "090"), in(2, "value", "170")},
		odd: {ref("subject", Key{"Patient", "gone"}), {Field: "subject", Value: Span(ann.Ref(), nil)}, r("code", "systolic"), in(1, "value", "150")},
	}
	for name, c := range map[string]struct {
		k    Key
		q    Query
		want bool
	}{
		"nil":                        {joe, nil, true},
		"all":                        {joe, All{}, true},
		"ids":                        {joe, IDs{"ann", "joe"}, true},
		"other ids":                  {joe, IDs{"ann"}, false},
		"no ids":                     {joe, IDs{}, false},
		"and":                        {joe, And{eq("name", "Joe"), eq("sex", "M")}, true},
		"and of different rows":      {joe, And{eq("name", "Joe"), eq("name", "Joseph")}, true},
		"and with a miss":            {joe, And{eq("name", "Joe"), eq("sex", "F")}, false},
		"and of nothing":             {joe, And{}, true},
		"or":                         {joe, Or{eq("name", "Ann"), eq("sex", "M")}, true},
		"or of misses":               {joe, Or{eq("name", "Ann"), eq("sex", "F")}, false},
		"or of nothing":              {joe, Or{}, false},
		"not":                        {joe, Not{eq("name", "Ann")}, true},
		"not of one of two rows":     {joe, Not{eq("name", "Joe")}, false},
		"not of nil":                 {joe, Not{}, false},
		"in of nothing":              {joe, Lookup{Field: "name", Op: IN}, false},
		"has":                        {joe, Has("sex"), true},
		"has not":                    {ann, Has("sex"), false},
		"unset field":                {ann, op("sex", LTE, "\xff"), false},
		"same of nothing":            {joe, Same{}, true},
		"same of nothing, no rows":   {Key{"Patient", "bare"}, Same{}, true},
		"same of a missing field":    {joe, Same{eq("none", "1")}, false},
		"same in one group":          {obs, Same{eq("code", "systolic"), op("value", GT, "140")}, true},
		"same in two groups":         {obs, Same{eq("code", "systolic"), op("value", LT, "100")}, false},
		"same, one field, two rows":  {obs, Same{op("value", GT, "100"), op("value", LT, "120")}, false},
		"same, one row, two lookups": {obs, Same{op("value", GT, "140"), op("value", LT, "160")}, true},
		"same, group and field":      {obs, Same{eq("code", "diastolic"), op("value", GT, "160"), op("value", LT, "180")}, true},
		"same, not over two rows":    {obs, Same{eq("code", "diastolic"), op("value", GT, "100"), op("value", LT, "160")}, false},
		"same with group 0":          {obs, Same{eq("status", "final"), eq("code", "systolic")}, false},
		"same within group 0":        {joe, Same{eq("name", "Joe"), eq("sex", "M")}, true},
		"same, 0 does not join 1":    {odd, Same{eq("code", "systolic"), eq("value", "150")}, false},
		"refers":                     {obs, Refers{"subject", "Patient", eq("name", "Joe")}, true},
		"refers to any":              {obs, Refers{"subject", "Patient", nil}, true},
		"refers, condition fails":    {obs, Refers{"subject", "Patient", eq("name", "Ann")}, false},
		"refers to another type":     {obs, Refers{"subject", "Group", nil}, false},
		"refers by another field":    {obs, Refers{"focus", "Patient", nil}, false},
		"refers to who is gone":      {odd, Refers{"subject", "Patient", nil}, false},
		"referred":                   {joe, Referred{"Observation", "subject", eq("status", "final")}, true},
		"referred by any":            {joe, Referred{"Observation", "subject", nil}, true},
		"referred, condition fails":  {joe, Referred{"Observation", "subject", eq("status", "draft")}, false},
		"referred by another type":   {joe, Referred{"Encounter", "subject", nil}, false},
		"an interval is no ref":      {ann, Referred{"Observation", "subject", nil}, false},
		"chain there and back":       {joe, Referred{"Observation", "subject", Refers{"subject", "Patient", eq("sex", "M")}}, true},
		"not of a chain":             {odd, Not{Refers{"subject", "Patient", nil}}, true},
	} {
		if got := Match(c.k, v[c.k], c.q, v); got != c.want {
			t.Errorf("%s: %t; want %t", name, got, c.want)
		}
		if err := Validate(c.q); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSortKey(t *testing.T) {
	rows := []Row{
		{Field: "f", Value: point("m")}, {Field: "f", Value: point("c")}, {Field: "f", Value: span("d", "z")},
		{Field: "g", Value: span("", "z")}, {Field: "g", Value: point("a")}, {Field: "h", Value: span("", "")},
	}
	for _, c := range []struct {
		o    Order
		want string
		ok   bool
	}{
		{Order{Field: "f"}, "c", true},
		{Order{Field: "f", Desc: true}, "m", true},
		{Order{Field: "g"}, "", true},
		{Order{Field: "g", Desc: true}, "a", true},
		{Order{Field: "h", Desc: true}, "", true},
		{Order{Field: "none"}, "", false},
		{Order{}, "the id", true},
		{Order{Desc: true}, "the id", true},
	} {
		low, ok := SortKey(Key{"T", "the id"}, rows, c.o)
		if string(low) != c.want || ok != c.ok {
			t.Errorf("%+v: %q, %t; want %q, %t", c.o, low, ok, c.want, c.ok)
		}
	}
	for _, c := range []struct {
		a, b     string // "-" is missing
		asc, dsc int
	}{
		{"a", "b", -1, 1}, {"a", "a", 0, 0}, {"", "a", -1, 1}, {"a", "-", -1, -1}, {"", "-", -1, -1}, {"-", "-", 0, 0},
	} {
		key := func(s string) ([]byte, bool) { return []byte(s), s != "-" }
		a, aok := key(c.a)
		b, bok := key(c.b)
		if !aok {
			a = nil
		}
		if !bok {
			b = nil
		}
		if got := CompareSortKeys(Order{}, a, aok, b, bok); got != c.asc {
			t.Errorf("%q and %q ascending: %d; want %d", c.a, c.b, got, c.asc)
		}
		if got := CompareSortKeys(Order{Desc: true}, a, aok, b, bok); got != c.dsc {
			t.Errorf("%q and %q descending: %d; want %d", c.a, c.b, got, c.dsc)
		}
		if got := CompareSortKeys(Order{}, b, bok, a, aok); got != -c.asc {
			t.Errorf("%q and %q ascending: %d; want %d", c.b, c.a, got, -c.asc)
		}
	}
}
