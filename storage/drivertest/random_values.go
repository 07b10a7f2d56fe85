package drivertest

import (
	"fmt"
	"strings"
	"time"

	"github.com/hob-fhir/hob/storage/driver"
)

// types of a random walk: two public ones that refer to each other, a private one.
var types = []string{"Patient", "T", "_p"}

// letters make all values: few, and the bytes that an encoding may stumble over among them.
var letters = []string{"\x00", "a", "b", "\xff"}

// fields of random rows: f and g hold points, h mostly intervals, r references, u unique values.
var fields = []string{"f", "g", "h", "r", "u"}

func (w *walk) one(of []string) string { return of[w.IntN(len(of))] }

func (w *walk) allIDs() []string {
	ids := []string{"a\x00", "a\xff"}
	for i := range w.ids - len(ids) {
		ids = append(ids, fmt.Sprint("a", i))
	}
	return ids
}

func (w *walk) key() driver.Key { return driver.Key{Type: w.one(types), ID: w.one(w.allIDs())} }

// bytes are one to three letters.
func (w *walk) bytes() string {
	var b strings.Builder
	for range w.IntN(3) + 1 {
		b.WriteString(w.one(letters))
	}
	return b.String()
}

// end of an interval, open now and then.
func (w *walk) bound() string {
	if w.IntN(4) == 0 {
		return ""
	}
	return w.bytes()
}

func (w *walk) point(field string) string {
	switch {
	case field == "r" && w.IntN(5) > 0:
		return string(w.key().Ref())
	case field == "u":
		return w.one([]string{"1", "2", "3", "3\x00"})
	}
	return w.bytes()
}

func (w *walk) row() driver.Row {
	r := driver.Row{Field: w.one(fields)}
	if w.IntN(3) > 0 {
		r.Group = uint32(w.IntN(3))
	}
	if r.Field == "h" && w.IntN(4) > 0 || w.IntN(20) == 0 {
		r.Value = span(w.bound(), w.bound())
		if driver.ValidateRows(driver.Key{}, []driver.Row{r}) == nil {
			return r
		}
	}
	r.Value = driver.Point([]byte(w.point(r.Field)))
	r.Unique = r.Field == "u" && w.IntN(4) > 0
	return r
}

func (w *walk) rows() []driver.Row {
	rows := make([]driver.Row, w.IntN(7))
	for i := range rows {
		rows[i] = w.row()
	}
	return rows
}

// script makes the steps of one update.
func (w *walk) script() []op {
	n := w.IntN(4) + 1
	if w.IntN(25) == 0 {
		n = 40
	}
	ops := make([]op, n)
	for i := range ops {
		ops[i] = w.op()
	}
	return ops
}

// op makes one step. At most one thing is wrong with it, so that there is one error it can give.
func (w *walk) op() op {
	o := op{rec: driver.Record{Key: w.key(), Time: w.clock.next()}}
	switch n := w.IntN(20); {
	case n < 9:
		o.do, o.rows = "put", w.rows()
		if o.rec.Private() && w.IntN(4) == 0 {
			o.rec.Expires = dawn.AddDate([]int{-30, 300}[w.IntN(2)], 0, 0)
		}
	case n < 12:
		o.do, o.rec.Deleted = "put", true
	case n < 13:
		o.do = "put" // a wrong version, time or row
		switch w.IntN(3) {
		case 0:
			o.rec.Version = uint64(w.IntN(3) - 1)
		case 1:
			o.rec.Time = dawn.Add(-time.Hour)
		case 2:
			o.rows = []driver.Row{row("f", "a"), row("f", "")}
		}
	case n < 15:
		o.do, o.rows = "index", w.rows()
	case n == 15:
		o.do, o.rec.Version = "index", uint64(w.IntN(3)-1)
	case n == 16 && w.IntN(2) == 0:
		o.do = "erase"
	case n == 17:
		o.do, o.find = "find", w.find()
		o.find.Sort = append(o.find.Sort, driver.Order{}) // as the own order differs
	case n == 18:
		o.do, o.find = "count", w.find()
	case n == 19:
		o.do, o.log = "log", w.log()
		if w.step > 1000 {
			o.log.Limit = 20 // or a long walk would read nothing else
		}
	default:
		o.do = "get"
	}
	return o
}

func (w *walk) log() driver.Log {
	l := driver.Log{Reverse: w.IntN(2) == 0, Bare: w.IntN(4) == 0}
	if w.IntN(2) == 0 {
		l.Type = w.one(types)
		if w.IntN(2) == 0 {
			l.ID = w.one(w.allIDs())
		}
	}
	if w.IntN(4) == 0 {
		l.Since = dawn.Add(time.Duration(w.Int64N(w.clock.ticks.Load()+1)) * time.Millisecond)
	}
	if w.IntN(2) == 0 {
		l.Limit = w.IntN(10) + 1
	}
	return l
}

func (w *walk) find() driver.Find {
	f := driver.Find{Type: w.one(types), Where: w.query(3), Reverse: w.IntN(2) == 0, Bare: w.IntN(4) == 0}
	for range w.IntN(3) {
		f.Sort = append(f.Sort, driver.Order{Field: w.one([]string{"f", "g", "h", "h", "r", "u", "none", ""}), Desc: w.IntN(2) == 0})
	}
	return f
}

// query makes a tree of every node; depth bounds it.
func (w *walk) query(depth int) driver.Query {
	n := w.IntN(17)
	if depth == 0 {
		n = w.IntN(8)
	}
	switch n {
	case 0:
		return nil
	case 1:
		return driver.All{}
	case 2:
		ids := make(driver.IDs, w.IntN(5))
		for i := range ids {
			ids[i] = w.one(append(w.allIDs(), "none"))
		}
		return ids
	case 3, 4, 5, 6:
		return w.lookup(w.one(fields))
	case 7:
		return w.same()
	case 8, 9, 10:
		return driver.And(w.queries(depth))
	case 11, 12:
		return driver.Or(w.queries(depth))
	case 13:
		return driver.Not{Of: w.query(depth - 1)}
	case 14:
		return w.same()
	case 15:
		return driver.Refers{Field: w.one([]string{"r", "r", "r", "h", "f"}), Type: w.one(types), Where: w.query(depth - 1)}
	}
	return driver.Referred{Field: w.one([]string{"r", "r", "r", "h", "f"}), Type: w.one(types), Where: w.query(depth - 1)}
}

func (w *walk) queries(depth int) []driver.Query {
	parts := make([]driver.Query, w.IntN(4))
	for i := range parts {
		parts[i] = w.query(depth - 1)
	}
	return parts
}

func (w *walk) same() driver.Same {
	field := w.one(fields)
	if w.IntN(3) == 0 { // a row between two values, and perhaps more of the group
		between := driver.Same{look(field, driver.GTE, w.point(field)), look(field, driver.LT, w.point(field))}
		if w.IntN(2) == 0 {
			between = append(between, w.lookup(w.one(fields)))
		}
		return between
	}
	lookups := make(driver.Same, w.IntN(4))
	for i := range lookups {
		if w.IntN(3) == 0 {
			field = w.one(fields)
		}
		lookups[i] = w.lookup(field)
	}
	return lookups
}

func (w *walk) lookup(field string) driver.Lookup {
	l := driver.Lookup{Field: field}
	switch w.IntN(10) {
	case 0, 1:
		l.Op = driver.EQUAL
		l.Values = []driver.Value{driver.Point([]byte(w.point(field)))}
	case 2:
		l.Op = driver.EQUAL
		l.Values = []driver.Value{span(w.bound(), w.bound())}
	case 3:
		l.Op = driver.EQUAL
		l.Values = []driver.Value{driver.Prefix([]byte(w.bytes()))}
	case 4:
		l.Op = driver.IN
		for range w.IntN(4) {
			l.Values = append(l.Values, driver.Point([]byte(w.point(field))))
			if w.IntN(4) == 0 {
				l.Values = append(l.Values, span(w.bound(), w.bound()))
			}
		}
	case 5:
		return driver.Has(field)
	default:
		ops := []driver.Op{driver.LIKE, driver.LT, driver.LTE, driver.GT, driver.GTE}
		l.Op = ops[w.IntN(len(ops))]
		l.Values = []driver.Value{driver.Point([]byte(w.point(field)))}
	}
	return l
}

// search writes a search so that its bytes can be read.
func search(f driver.Find) string {
	text := fmt.Sprintf("find %s where %s", f.Type, queryText(f.Where))
	for _, o := range f.Sort {
		text += fmt.Sprintf(" by %q", o.Field)
		if o.Desc {
			text += " descending"
		}
	}
	if f.Reverse {
		text += " backwards"
	}
	if f.Bare {
		text += " bare"
	}
	return text
}

func queryText(q driver.Query) string {
	list := func(name string, parts []driver.Query) string {
		texts := make([]string, len(parts))
		for i, part := range parts {
			texts[i] = queryText(part)
		}
		return name + "(" + strings.Join(texts, ", ") + ")"
	}
	switch q := q.(type) {
	case nil:
		return "nil"
	case driver.IDs:
		return fmt.Sprintf("IDs%q", []string(q))
	case driver.And:
		return list("And", q)
	case driver.Or:
		return list("Or", q)
	case driver.Not:
		return "Not(" + queryText(q.Of) + ")"
	case driver.Lookup:
		values := make([]string, len(q.Values))
		for i, v := range q.Values {
			values[i] = valueText(v)
		}
		return fmt.Sprintf("%s %s %s", q.Field, q.Op, strings.Join(values, " "))
	case driver.Same:
		parts := make([]driver.Query, len(q))
		for i, l := range q {
			parts[i] = l
		}
		return list("Same", parts)
	case driver.Refers:
		return fmt.Sprintf("Refers(%s, %s, %s)", q.Field, q.Type, queryText(q.Where))
	case driver.Referred:
		return fmt.Sprintf("Referred(%s, %s, %s)", q.Type, q.Field, queryText(q.Where))
	}
	return fmt.Sprintf("%T", q)
}

func valueText(v driver.Value) string {
	if v.Interval {
		return fmt.Sprintf("[%q, %q)", v.Low, v.High)
	}
	return fmt.Sprintf("%q", v.Low)
}

func rowsText(rows []driver.Row) string {
	texts := make([]string, len(rows))
	for i, r := range rows {
		texts[i] = fmt.Sprintf("%s/%d %s", r.Field, r.Group, valueText(r.Value))
		if r.Unique {
			texts[i] += " unique"
		}
	}
	return "{" + strings.Join(texts, ", ") + "}"
}
