package oracle

import (
	"math/big"
	"strings"
)

// key is what a resource is sorted by; absent stands for nothing.
type key struct {
	absent bool
	text   string
	number *big.Rat // nil before every number: a value without beginning
	date   bool     // or another kind that is sorted by number
}

func (k key) compare(o key) int {
	switch {
	case k.absent && o.absent:
		return 0
	case !k.date:
		return strings.Compare(k.text, o.text)
	case k.number == nil && o.number == nil:
		return 0
	case k.number == nil:
		return -1
	case o.number == nil:
		return 1
	}
	return k.number.Cmp(o.number)
}

// keyOf is the smallest value of a parameter, or the largest; an interval counts by its beginning.
func (f *facts) keyOf(resource map[string]any, code string, largest bool) key {
	p := f.param(resource["resourceType"].(string), code)
	best := key{absent: true}
	add := func(k key) {
		if c := k.compare(best); best.absent || c < 0 && !largest || c > 0 && largest {
			best = k
		}
	}
	for _, e := range selected(p.Expression, resource, node{value: resource}) {
		switch p.Type {
		case "token":
			found, _ := tokens(e)
			for _, t := range found {
				code := t.code
				if !caseCounts(t.system) {
					code = foldCode(code)
				}
				add(key{text: code + "\x00" + t.system})
			}
			if p.Code == "_id" {
				best = key{text: e.text()}
			}
		case "string":
			for _, s := range phrases(e) {
				if n := normal(s.text); n != "" {
					add(key{text: n})
				}
			}
		case "date":
			if s, ok := span(e, f.zone); ok {
				add(key{date: true, number: s.low})
			}
		case "number":
			if v, ok := numberOf(e); ok {
				add(key{date: true, number: v.low})
			}
		case "quantity":
			if q, ok := quantityOf(e); ok {
				add(key{date: true, number: q.low})
			}
		case "reference":
			if l, ok := linkOf(e, f.base); ok && l.canonical != "" {
				add(key{text: l.canonical + "\x00"})
			} else if ok && l.id != "" {
				add(key{text: l.id + "\x00" + l.typ})
			} else if ok && l.url != "" {
				add(key{text: l.url + "\x00"})
			}
		case "uri":
			add(key{text: e.text()})
		}
	}
	return best
}

// ordered tells whether a may stand before b: what is absent comes last whichever the direction.
func (f *facts) ordered(a, b map[string]any, sort []string) bool {
	for _, s := range sort {
		code, largest := strings.CutPrefix(s, "-")
		x, y := f.keyOf(a, code, largest), f.keyOf(b, code, largest)
		if x.absent != y.absent {
			return y.absent
		}
		if c := x.compare(y); c != 0 {
			return c < 0 != largest
		}
	}
	return true
}
