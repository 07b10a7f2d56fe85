package oracle

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/search"
)

// asker writes random queries. Most of their values are those of some resource, so that most find something.
type asker struct {
	*generator
	*facts
	types   []string // of what there is
	offered map[string][]search.Parameter
	wish    string // the prefix that values shall have; "": any
	source  object // the resource that values are taken from if it has any
}

// donor returns a resource of a type and the elements that a parameter selects in it, for a composite those that have all its parts, if some
// resource that is looked at has any.
func (a *asker) donor(typ string, p *r4.SearchParameter) (object, []node) {
	all := a.of(typ)
	for range 40 {
		if len(all) == 0 {
			break
		}
		r := pick(a.generator, all)
		if a.source != nil && a.source["resourceType"] == typ && a.one(2) {
			r = a.source
		}
		elements := slices.DeleteFunc(selected(p.Expression, r, node{value: r}), func(e node) bool {
			return slices.ContainsFunc(p.Components, func(c r4.Component) bool {
				below, _ := a.facts.component(c, r, e)
				return len(below) == 0
			})
		})
		if len(elements) > 0 {
			return r, elements
		}
	}
	return nil, nil
}

// plain chooses a parameter of a type, and perhaps a modifier, and writes it with a value.
func (a *asker) plain(typ string) clause {
	offered := pick(a.generator, a.offered[typ])
	modifier := ""
	if len(offered.Modifiers) > 0 && a.one(2) {
		modifier = pick(a.generator, offered.Modifiers)
	}
	return a.clause(a.param(typ, offered.Code), typ, modifier)
}

// clause writes a parameter with a modifier and a value.
func (a *asker) clause(p *r4.SearchParameter, typ, modifier string) clause {
	if modifier == "[type]" {
		modifier = pick(a.generator, append(slices.Clone(p.Target), a.types...)) // published without targets: any
		if len(p.Target) > 0 && !slices.Contains(p.Target, modifier) {
			modifier = p.Target[0]
		}
	}
	name := p.Code
	if modifier != "" {
		name += ":" + modifier
	}
	return clause{name, a.value(p, typ, modifier)}
}

// reaching writes a clause that goes from a type by the given steps to others, > a chain and < a _has, by what the resources refer to. It
// is false if it found no way.
func (a *asker) reaching(typ, steps string) (clause, bool) {
	if steps == "" {
		c := a.plain(typ)
		a.source = nil
		return c, true
	}
	from := typ
	if steps[0] == '<' {
		from = pick(a.generator, a.types)
	}
	for range 60 {
		p := pick(a.generator, a.offered[from])
		all := a.of(from)
		if p.Type != "reference" || len(all) == 0 {
			continue
		}
		r := pick(a.generator, all)
		if a.source != nil && steps[0] == '>' {
			r = a.source
		}
		for _, l := range a.links(r, p.Code) {
			to := a.resources[l.typ+"/"+l.id]
			if to == nil || steps[0] == '<' && l.typ != typ || a.offered[l.typ] == nil {
				continue
			}
			step, next := p.Code, l.typ
			a.source = to
			switch {
			case steps[0] == '<':
				step, next = "_has:"+from+":"+p.Code+":", from
				a.source = r
			case a.one(2):
				step += ":" + l.typ + "."
			default:
				step += "."
			}
			c, ok := a.reaching(next, steps[1:])
			return clause{step + c.name, c.value}, ok
		}
	}
	a.source = nil
	return clause{}, false
}

// value writes a value for a parameter of a type with a modifier.
func (a *asker) value(p *r4.SearchParameter, typ, modifier string) string {
	if modifier == "missing" {
		return fmt.Sprint(a.one(2))
	}
	var values []string
	for range 1 + a.IntN(3)*a.IntN(2)*a.IntN(2) {
		r, elements := a.donor(typ, p)
		if elements == nil || a.one(8) {
			r, elements = nil, []node{{}}
		}
		values = append(values, a.single(p, pick(a.generator, elements), modifier, r))
	}
	return strings.Join(values, ",")
}

// single writes one value, one that the element has or is near to if it can.
func (a *asker) single(p *r4.SearchParameter, e node, modifier string, r object) string {
	typ, _ := r["resourceType"].(string)
	switch p.Type {
	case "token":
		return a.token(p, e, modifier, typ)
	case "string":
		return a.text(e, modifier)
	case "date":
		return a.prefix() + a.date(e)
	case "number":
		return a.prefix() + escaped(a.number(e))
	case "quantity":
		return a.quantity(e)
	case "reference":
		return a.reference(e, modifier)
	case "uri":
		s := e.text()
		if s == "" {
			s = pick(a.generator, urls)
		}
		if modifier == "below" || modifier == "above" {
			s = a.hierarchical()
		} else if a.one(3) {
			s, _, _ = strings.Cut(s, "|")
		}
		return strings.ReplaceAll(escaped(s), `\|`, "|")
	case "composite":
		var parts []string
		for _, c := range p.Components {
			below, part := a.facts.component(c, r, e)
			if len(below) == 0 {
				below = []node{{}}
			}
			parts = append(parts, a.single(part, pick(a.generator, below), "", r))
		}
		return strings.Join(parts, "$")
	}
	panic("no values for " + p.Type)
}

func (a *asker) prefix() string {
	switch {
	case a.wish != "":
		return a.wish
	case a.one(3):
		return ""
	}
	return pick(a.generator, prefixes)
}

// recased changes the case of some letters.
func (a *asker) recased(s string) string {
	switch a.IntN(4) {
	case 0:
		return strings.ToUpper(s)
	case 1:
		return strings.ToLower(s)
	case 2:
		return strings.Map(func(r rune) rune {
			if a.one(2) {
				return unicode.ToUpper(r)
			}
			return r
		}, s)
	}
	return s
}

func (a *asker) token(p *r4.SearchParameter, e node, modifier, typ string) string {
	if p.Code == "_id" {
		if s := e.text(); s != "" {
			return s
		}
		return pick(a.generator, ids)
	}
	found, said := tokens(e)
	if modifier == "text" {
		if len(said) == 0 {
			return a.begin(pick(a.generator, texts))
		}
		return a.begin(pick(a.generator, said))
	}
	t := token{code: pick(a.generator, codes), system: pick(a.generator, systems)}
	if len(found) > 0 {
		t = pick(a.generator, found)
	}
	if modifier == "of-type" {
		typ := token{code: pick(a.generator, codes), system: pick(a.generator, systems)}
		if t.ofType != nil {
			typ = pick(a.generator, t.ofType)
		}
		if t.code == "" {
			t.code = "a"
		}
		return escaped(typ.system) + "|" + escaped(a.recased(typ.code)) + "|" + escaped(a.recased(t.code))
	}
	switch modifier {
	case "in", "not-in":
		return pick(a.generator, []string{"ValueSet/vs-listed", "http://oracle.test/listed|1", "http://oracle.test/below", "http://oracle.test/all", "http://oracle.test/both"})
	case "below", "above":
		return `http://snomed.info/sct|` + pick(a.generator, []string{"a", "b", "ab", "8867-4", "true", "mg"})
	}
	code := a.recased(t.code)
	if _, complex := e.value.(object); !complex && e.value != nil { // a code bears no system that can be seen
		if system := implied[typ+"."+p.Code]; system != "" && a.one(2) {
			return system + "|" + pick(a.generator, []string{"", escaped(code)})
		}
		return escaped(code)
	}
	switch {
	case t.system == "" && a.one(2):
		return "|" + escaped(code)
	case t.system == "" || a.one(3) && code != "":
		return escaped(code)
	case code == "" || a.one(4):
		return escaped(t.system) + "|"
	}
	return escaped(t.system) + "|" + escaped(code)
}

// begin writes the beginning of a text that has a letter.
func (a *asker) begin(s string) string {
	s = a.recased(s)
	runes := []rune(s)
	if begin := string(runes[:1+a.IntN(len(runes))]); normal(begin) != "" {
		s = begin
	}
	if normal(s) == "" {
		s = "a"
	}
	return escaped(s)
}

func (a *asker) text(e node, modifier string) string {
	s := pick(a.generator, texts)
	if all := phrases(e); len(all) > 0 {
		s = pick(a.generator, all).text
	}
	switch modifier {
	case "exact":
		if a.one(3) {
			s = a.recased(s)
		}
		return escaped(s)
	case "contains":
		s = normal(s)
		if runes := []rune(s); len(runes) > 1 {
			if middle := string(runes[a.IntN(len(runes)-1):]); normal(middle) == middle {
				s = middle
			}
		}
		if s == "" {
			s = "a"
		}
		return a.begin(s)
	}
	if a.one(3) {
		if w := words(s); len(w) > 1 {
			s = w[len(w)-1]
		}
	}
	return a.begin(s)
}

// date writes a date of some precision in some zone, often one that the element begins or ends with.
func (a *asker) date(e node) string {
	s := a.moment()
	var at time.Time
	if x, ok := span(e, a.zone); ok && !a.one(4) {
		end := x.low
		if end == nil || x.high != nil && a.one(2) {
			end = x.high
		}
		n := end.Num()
		at = time.Unix(0, n.Int64()).UTC()
	} else if t, _, _, ok := moment(s, a.zone); ok {
		at = t.UTC()
	}
	zone := pick(a.generator, []*time.Location{time.UTC, time.FixedZone("", 2*3600), time.FixedZone("", -5*3600), time.FixedZone("", 13*3600+45*60)})
	switch a.IntN(8) {
	case 0:
		return at.Format("2006")
	case 1:
		return at.Format("2006-01")
	case 2:
		return at.Format("2006-01-02")
	case 3:
		return at.In(zone).Format("2006-01-02T15:04Z07:00")
	case 4:
		return at.In(a.zone).Format("2006-01-02T15:04")
	case 5:
		return at.In(a.zone).Format("2006-01-02T15:04:05")
	case 6:
		return at.In(zone).Format("2006-01-02T15:04:05.000Z07:00")
	}
	return at.In(zone).Format("2006-01-02T15:04:05Z07:00")
}

func (a *asker) number(e node) string {
	if s := e.text(); s != "" && a.one(2) {
		if a.one(3) && !strings.Contains(s, "e") {
			return s + "e0"
		}
		return s
	}
	return pick(a.generator, numbers)
}

func (a *asker) quantity(e node) string {
	s := a.prefix()
	if v := e.child("value"); a.one(2) && v.text() != "" {
		s += v.text()
	} else {
		s += pick(a.generator, numbers)
	}
	q, _ := quantityOf(e)
	if a.one(3) || q.code == "" && q.unit == "" {
		q = quantity{code: pick(a.generator, []string{"mg", "g", "milligram", "a", "EUR", "min", "kg", "[lb_av]", "h", "cm"}), system: pick(a.generator, append(systems, ucum))}
	}
	switch {
	case a.one(3):
		return s
	case a.one(2) && q.unit != "":
		return s + "||" + escaped(q.unit)
	case q.code == "":
		return s + "||mg"
	case a.one(2):
		return s + "||" + escaped(q.code)
	}
	return s + "|" + escaped(q.system) + "|" + escaped(q.code)
}

// hierarchical writes a URL that others are above or below.
func (a *asker) hierarchical() string {
	return pick(a.generator, []string{
		"http://example.org/a", "http://example.org/a/b", "http://example.org/a/b/c", "http://example.org/", "http://example.org/a|1.0", "http://example.org/a|1",
		"http://example.org/a?x=y", "http://example.org/A#b",
	})
}

func (a *asker) reference(e node, modifier string) string {
	l, _ := linkOf(e, base)
	if modifier == "below" || modifier == "above" {
		return "http://example.org/a|" + pick(a.generator, []string{"1", "1.0", "2.0", "1.0.1", "2.0.0", "10"})
	}
	if modifier == "identifier" {
		t := token{code: pick(a.generator, codes), system: pick(a.generator, systems)}
		if len(l.identifier) > 0 {
			t = l.identifier[0]
		}
		if t.system != "" && (t.code == "" || a.one(3)) {
			return escaped(t.system) + "|"
		}
		if a.one(2) {
			return escaped(a.recased(t.code))
		}
		return escaped(t.system) + "|" + escaped(t.code)
	}
	switch {
	case l.canonical != "" && modifier == "" && a.one(3):
		return strings.ReplaceAll(escaped(l.canonical), `\|`, "|")
	case l.url != "" && modifier == "" && !strings.HasPrefix(l.url, "#"):
		if a.one(2) {
			l.url, _, _ = strings.Cut(l.url, "|")
		}
		return strings.ReplaceAll(escaped(l.url), `\|`, "|")
	case l.id == "":
		return pick(a.generator, ids)
	case modifier != "" && l.typ != modifier:
		return l.id
	}
	switch a.IntN(4) {
	case 0:
		return base + "/" + l.typ + "/" + l.id
	case 1:
		return l.id
	case 2:
		return l.typ + "/" + l.id + "/_history/3"
	}
	return l.typ + "/" + l.id
}
