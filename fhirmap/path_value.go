package fhirmap

import (
	"strconv"
	"strings"
	"unicode"
)

// pathKind is how a FHIR type compares and computes: FHIR primitives convert to FHIRPath's own types (R4 section 2.9.2).
type pathKind uint8

const (
	pathObject pathKind = iota
	pathBoolean
	pathText
	pathInteger
	pathDecimal
	pathDate
	pathDateTime
	pathTime
	pathQuantity
)

var pathKinds = map[string]pathKind{
	"boolean": pathBoolean,
	"string":  pathText, "code": pathText, "id": pathText, "markdown": pathText,
	"uri": pathText, "canonical": pathText, "oid": pathText, "url": pathText, "uuid": pathText, "base64Binary": pathText, "xhtml": pathText,
	"integer": pathInteger, "positiveInt": pathInteger, "unsignedInt": pathInteger, "decimal": pathDecimal,
	"date": pathDate, "dateTime": pathDateTime, "instant": pathDateTime, "time": pathTime,
	"Quantity": pathQuantity, "Age": pathQuantity, "Count": pathQuantity, "Distance": pathQuantity,
	"Duration": pathQuantity, "MoneyQuantity": pathQuantity,
	"SimpleQuantity": pathQuantity,
}

func kindOf(typ string) pathKind { return pathKinds[typ] }

func (k pathKind) numeric() bool   { return k == pathInteger || k == pathDecimal }
func (k pathKind) temporal() bool  { return k == pathDate || k == pathDateTime }
func (k pathKind) primitive() bool { return k != pathObject && k != pathQuantity }

// tristate is a truth value of FHIRPath's logic; unknown is the empty collection.
type tristate uint8

const (
	unknown tristate = iota
	yes
	no
)

func truthOf(b bool) tristate {
	if b {
		return yes
	}
	return no
}

func (t tristate) not() tristate {
	switch t {
	case yes:
		return no
	case no:
		return yes
	}
	return unknown
}

var trueElement, falseElement = computedElement("boolean", "true"), computedElement("boolean", "false")

// element returns the boolean; nil for unknown. The Elements are shared by all results.
func (t tristate) element() *Element {
	switch t {
	case yes:
		return trueElement
	case no:
		return falseElement
	}
	return nil
}

// computedElement makes a value that stands in no tree.
func computedElement(typ, text string) *Element {
	return &Element{Type: typ, Index: -1, Text: text, Value: true}
}

func integerElement(i int) *Element { return computedElement("integer", strconv.Itoa(i)) }

// answer puts a truth value, or nothing for unknown, in the place of all from base up.
func (ev *evaluation) answer(base int, t tristate) error {
	ev.stack = ev.stack[:base]
	if t != unknown {
		ev.push(t.element())
	}
	return nil
}

// plainKind tells a primitive that has a value, and a quantity, from what compares by its children.
func plainKind(e *Element) (pathKind, bool) {
	k := kindOf(e.Type)
	return k, k == pathQuantity || k != pathObject && e.Value
}

// equalElements is = of two items (FHIRPath section 6.1.1).
func (ev *evaluation) equalElements(a, b *Element) (tristate, error) {
	if err := ev.spend(1 + (len(a.Text)+len(b.Text))/64); err != nil || a == b {
		return yes, err
	}
	ka, plainA := plainKind(a)
	kb, plainB := plainKind(b)
	switch {
	case plainA != plainB:
		return no, nil
	case !plainA:
		return ev.equalObjects(a, b)
	case ka == pathText || ka == pathBoolean:
		return truthOf(ka == kb && a.Text == b.Text), nil
	case ka.temporal() && kb.temporal(), ka == pathTime && kb == pathTime:
		c, known := compareMoments(a, b)
		return known.when(c == 0), nil
	case ka.numeric() && kb.numeric() && a.Text == b.Text:
		return yes, nil
	case ka.measure() && kb.measure():
		c, known := compareQuantities(a, b, false)
		return known.when(c == 0), nil
	}
	return no, nil
}

// measure tells what compares as a number with a unit.
func (k pathKind) measure() bool { return k.numeric() || k == pathQuantity }

// when is a result that holds only where it is known.
func (t tristate) when(holds bool) tristate {
	if t == yes {
		return truthOf(holds)
	}
	return unknown
}

// equalObjects compares by children, name by name; JSON gives no meaning to the order of names.
func (ev *evaluation) equalObjects(a, b *Element) (tristate, error) {
	if len(a.Children) != len(b.Children) || len(a.Children) == 0 && a.Type != b.Type {
		return no, nil
	}
	for i, c := range a.Children {
		at := 0 // how many of this name come before
		for _, earlier := range a.Children[:i] {
			if earlier.Name == c.Name {
				at++
			}
		}
		if err := ev.spend(i + len(b.Children)); err != nil {
			return no, err
		}
		other := b.nth(c.Name, at)
		if other == nil {
			return no, nil
		}
		if eq, err := ev.equalElements(c, other); err != nil || eq != yes {
			return eq, err
		}
	}
	return yes, nil
}

// nth returns the child of a name with n of it before, or nil.
func (e *Element) nth(name string, n int) *Element {
	for c := range e.Each(name) {
		if n == 0 {
			return c
		}
		n--
	}
	return nil
}

// equalCollections is = of the collections [left:right) and from right up: unknown if one is empty, order matters.
func equalCollections(ev *evaluation, left, right int) (tristate, error) {
	a, b := ev.stack[left:right], ev.stack[right:]
	if len(a) == 0 || len(b) == 0 {
		return unknown, nil
	}
	if len(a) != len(b) {
		return no, nil
	}
	for i := range a {
		if eq, err := ev.equalElements(a[i], b[i]); err != nil || eq != yes {
			return eq, err
		}
	}
	return yes, nil
}

// equivalentElements is ~ of two items: case and white space of text do not matter, nor digits beyond the shorter number, nor order
// (FHIRPath section 6.1.2).
func (ev *evaluation) equivalentElements(a, b *Element) (bool, error) {
	if err := ev.spend(1 + (len(a.Text)+len(b.Text))/32); err != nil || a == b {
		return true, err
	}
	ka, plainA := plainKind(a)
	kb, plainB := plainKind(b)
	switch {
	case plainA != plainB:
		return false, nil
	case !plainA:
		return ev.equivalentLists(a.Children, b.Children, func(x, y *Element) bool { return x.Name == y.Name })
	case ka == pathText && kb == pathText:
		return strings.EqualFold(foldSpace(a.Text), foldSpace(b.Text)), nil
	case ka == pathBoolean:
		return kb == pathBoolean && a.Text == b.Text, nil
	case ka.temporal() && kb.temporal(), ka == pathTime && kb == pathTime:
		c, known := compareMoments(a, b)
		return known == yes && c == 0, nil
	case ka.measure() && kb.measure():
		c, known := compareQuantities(a, b, true)
		return known == yes && c == 0, nil
	}
	return false, nil
}

// equivalentLists finds for each of a one of b that no other has taken.
func (ev *evaluation) equivalentLists(a, b []*Element, may func(x, y *Element) bool) (bool, error) {
	if len(a) != len(b) {
		return false, nil
	}
	taken := make([]bool, len(b))
next:
	for _, x := range a {
		if err := ev.spend(len(b)); err != nil {
			return false, err
		}
		for i, y := range b {
			if taken[i] || !may(x, y) {
				continue
			}
			eq, err := ev.equivalentElements(x, y)
			if err != nil {
				return false, err
			}
			if eq {
				taken[i] = true
				continue next
			}
		}
		return false, nil
	}
	return true, nil
}

// equivalentCollections is ~ of the collections [left:right) and from right up: two empty ones are equivalent.
func equivalentCollections(ev *evaluation, left, right int) (tristate, error) {
	eq, err := ev.equivalentLists(ev.stack[left:right], ev.stack[right:], func(x, y *Element) bool { return true })
	return truthOf(eq), err
}

// foldSpace makes each run of white space one space.
func foldSpace(s string) string { return strings.Join(strings.FieldsFunc(s, unicode.IsSpace), " ") }

// distinct drops from base up what is there before: the same node, or with places off an equal value.
func (ev *evaluation) distinct(base int, places bool) error {
	items := ev.stack[base:]
	if len(items) < 2 {
		return nil
	}
	seen := newElementSet(ev, places, len(items))
	kept := base
	for _, e := range items {
		fresh, err := seen.add(e)
		if err != nil {
			return err
		}
		if fresh {
			ev.stack[kept] = e
			kept++
		}
	}
	ev.stack = ev.stack[:kept]
	return nil
}

// elementSet holds distinct items. Values fall into buckets that equal values share, so that long lists stay cheap.
type elementSet struct {
	ev      *evaluation
	places  bool
	nodes   map[*Element]bool
	buckets map[string][]*Element
	few     []*Element // instead of both maps while there are few
}

const fewItems = 8

func newElementSet(ev *evaluation, places bool, size int) *elementSet {
	s := &elementSet{ev: ev, places: places}
	if size > fewItems {
		s.nodes, s.buckets = make(map[*Element]bool, size), map[string][]*Element{}
	}
	return s
}

// add reports whether the item was not in the set, and puts it there.
func (s *elementSet) add(e *Element) (bool, error) {
	if in, err := s.has(e); in || err != nil {
		return false, err
	}
	if s.nodes == nil {
		s.few = append(s.few, e)
		return true, nil
	}
	s.nodes[e] = true
	if !s.places || e.Name == "" {
		key := equalityClass(e)
		s.buckets[key] = append(s.buckets[key], e)
	}
	return true, nil
}

func (s *elementSet) has(e *Element) (bool, error) {
	among := s.few
	if s.nodes != nil {
		if s.nodes[e] {
			return true, s.ev.spend(1)
		}
		among = s.buckets[equalityClass(e)]
	}
	for _, other := range among {
		if e == other {
			return true, nil
		}
		if s.places && (e.Name != "" || other.Name != "") {
			continue
		}
		if eq, err := s.ev.equalElements(e, other); err != nil || eq == yes {
			return true, err
		}
	}
	return false, s.ev.spend(1)
}

// equalityClass is equal for equal items.
func equalityClass(e *Element) string {
	k, plain := plainKind(e)
	switch {
	case plain && k == pathText:
		return e.Text
	case plain && (k == pathBoolean):
		return "\x01" + e.Text
	case plain:
		return "\x02" // numbers, quantities and times have several spellings
	}
	return "\x03" + strconv.Itoa(len(e.Children))
}
