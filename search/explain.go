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
		out := inShort(parts, func(p driver.Query) string { return c.explain(typ, p) }, more)
		return node + "(" + strings.Join(out, ", ") + ")"
	}
	switch q := q.(type) {
	case nil, driver.All:
		return "All"
	case driver.IDs:
		return "IDs(" + strings.Join(inShort(q, asItIs, more), ", ") + ")"
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

// Node is a query as a tree for JSON: a node of package driver, and of a lookup the field, the operator and the values as Explain
// shows them.
type Node struct {
	Node     string   `json:"node"`
	IDs      []string `json:"ids,omitempty"`
	Type     string   `json:"type,omitempty"` // of Refers and Referred: the type that the inner query asks
	Field    string   `json:"field,omitempty"`
	Operator string   `json:"operator,omitempty"`
	Values   []string `json:"values,omitempty"`
	Of       []Node   `json:"of,omitempty"`
}

// tree is Catalog.Tree.
func (c *edition) tree(typ string, q driver.Query) Node {
	all := func(node string, parts []driver.Query) Node {
		return Node{Node: node, Of: inShort(parts, func(p driver.Query) Node { return c.tree(typ, p) }, func(n int) Node { return Node{Node: more(n)} })}
	}
	switch q := q.(type) {
	case nil, driver.All:
		return Node{Node: "All"}
	case driver.IDs:
		return Node{Node: "IDs", IDs: inShort(q, asItIs, more)}
	case driver.And:
		return all("And", q)
	case driver.Or:
		return all("Or", q)
	case driver.Not:
		return all("Not", []driver.Query{q.Of})
	case driver.Lookup:
		return Node{Node: "Lookup", Field: q.Field, Operator: string(q.Op), Values: c.explainValues(typ, q)}
	case driver.Same:
		n := Node{Node: "Same"}
		for _, l := range q {
			n.Of = append(n.Of, c.tree(typ, l))
		}
		return n
	case driver.Refers:
		return Node{Node: "Refers", Field: q.Field, Type: q.Type, Of: []Node{c.tree(q.Type, q.Where)}}
	case driver.Referred:
		return Node{Node: "Referred", Field: q.Field, Type: q.Type, Of: []Node{c.tree(q.Type, q.Where)}}
	}
	return Node{Node: fmt.Sprintf("%T", q)}
}

// mostShown is how many parts of a node, or values of a lookup, an explanation has: a value set may be ten thousand.
const mostShown = 200

// inShort makes of each of some things what is shown of it, and of those beyond mostShown their number.
func inShort[T, S any](some []T, show func(T) S, rest func(int) S) []S {
	var out []S
	for _, one := range some[:min(len(some), mostShown)] {
		out = append(out, show(one))
	}
	if n := len(some) - mostShown; n > 0 {
		out = append(out, rest(n))
	}
	return out
}

func asItIs(s string) string { return s }

func more(n int) string { return fmt.Sprintf("… %d more", n) }

func (c *edition) explainValues(typ string, l driver.Lookup) []string {
	return inShort(l.Values, func(v driver.Value) string { return c.explainValue(typ, l.Field, v) }, more)
}

func (c *edition) explainLookup(typ string, l driver.Lookup) string {
	text := strings.Join(c.explainValues(typ, l), ", ")
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
	if suffix == ucumField[1:] {
		head = unit
	} else if head == unit {
		head = 0
	}
	if unit == 0 || head == 0 || head == len(b) {
		return showText(b)
	}
	return showText(b[:head]) + " " + showNumber("", b[head:])
}
