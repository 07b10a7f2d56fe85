package search

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hob-fhir/hob/storage/driver"
)

// explain is Catalog.Explain.
func (c *edition) explain(typ string, q driver.Query) string {
	all := func(node string, parts []driver.Query) string {
		out := make([]string, len(parts))
		for i, p := range parts {
			out[i] = c.explain(typ, p)
		}
		return node + "(" + strings.Join(out, ", ") + ")"
	}
	switch q := q.(type) {
	case nil, driver.All:
		return "All"
	case driver.IDs:
		return "IDs(" + strings.Join(q, ", ") + ")"
	case driver.And:
		return all("And", q)
	case driver.Or:
		return all("Or", q)
	case driver.Not:
		return "Not(" + c.explain(typ, q.Of) + ")"
	case driver.Lookup:
		return c.explainLookup(typ, q)
	case driver.Same:
		out := make([]string, len(q))
		for i, l := range q {
			out[i] = c.explainLookup(typ, l)
		}
		return "Same(" + strings.Join(out, ", ") + ")"
	case driver.Refers:
		return fmt.Sprintf("Refers(%s to %s: %s)", q.Field, q.Type, c.explain(q.Type, q.Where))
	case driver.Referred:
		return fmt.Sprintf("Referred(%s.%s: %s)", q.Type, q.Field, c.explain(q.Type, q.Where))
	}
	return fmt.Sprintf("%T", q)
}

func (c *edition) explainLookup(typ string, l driver.Lookup) string {
	values := make([]string, len(l.Values))
	for i, v := range l.Values {
		values[i] = c.explainValue(typ, l.Field, v)
	}
	text := strings.Join(values, ", ")
	if l.Op == driver.IN {
		text = "(" + text + ")"
	}
	return l.Field + " " + string(l.Op) + " " + text
}

// explainValue is Catalog.ExplainValue.
func (c *edition) explainValue(typ, field string, v driver.Value) string {
	show := showText
	code, suffix, _ := strings.Cut(field, ":")
	if s := c.types[typ]; s != nil && s.params[code] != nil && s.params[code].kind.show != nil {
		show = func(b []byte) string { return s.params[code].kind.show(suffix, b) }
	}
	end := func(b []byte) string {
		if len(b) == 0 {
			return ""
		}
		return show(b)
	}
	switch {
	case !v.Interval:
		return end(v.Low)
	case len(v.Low) == 0 && len(v.High) == 0:
		return "any"
	case v.Equal(driver.Prefix(v.Low)) && strings.HasPrefix(show(v.Low), `"`):
		return show(v.Low) + "…"
	}
	return "[" + end(v.Low) + ", " + end(v.High) + ")"
}

// showText shows text, or bytes that are none in hexadecimal.
func showText(b []byte) string {
	if !utf8.Valid(b) || strings.ContainsFunc(string(b), func(r rune) bool { return r != 0 && !strconv.IsPrint(r) }) {
		return hex.EncodeToString(b)
	}
	return strconv.Quote(strings.ReplaceAll(string(b), "\x00", "|"))
}

func showInstant(_ string, b []byte) string {
	if t, ok := driver.ParseInstant(b); ok {
		return t.Format(time.RFC3339Nano)
	}
	return showText(b)
}

// showNumber shows a number, after the text before it if there is any; a plus stands for what comes just after it.
func showNumber(_ string, b []byte) string {
	if n, ok := decodeNumber(b); ok {
		return n
	}
	if n := len(b) - 1; n > 0 && b[n] == 0 {
		if d, ok := decodeNumber(b[:n]); ok {
			return d + "+"
		}
	}
	return showText(b)
}

func showQuantity(suffix string, b []byte) string {
	if suffix == "" {
		return showNumber("", b)
	}
	unit := strings.IndexByte(string(b), 0) + 1
	head := unit + strings.IndexByte(string(b[unit:]), 0) + 1
	if unit == 0 || head == unit || head == len(b) {
		return showText(b)
	}
	return showText(b[:head]) + " " + showNumber("", b[head:])
}
