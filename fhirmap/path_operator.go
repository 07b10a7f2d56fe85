package fhirmap

// logicNode is and, or, xor, implies, in three-valued logic (FHIRPath section 6.5).
type logicNode struct {
	left, right pathNode
	table       func(a, b tristate) tristate
}

func logicOperator(table func(a, b tristate) tristate) func(left, right pathNode) pathNode {
	return func(left, right pathNode) pathNode { return &logicNode{left, right, table} }
}

func (n *logicNode) eval(ev *evaluation) error {
	a, err := ev.condition(n.left)
	if err != nil {
		return err
	}
	// What the right side cannot change is settled without it.
	if t := n.table(a, yes); t != unknown && t == n.table(a, no) && t == n.table(a, unknown) {
		return ev.answer(len(ev.stack), t)
	}
	b, err := ev.condition(n.right)
	if err != nil {
		return err
	}
	return ev.answer(len(ev.stack), n.table(a, b))
}

func (a tristate) and(b tristate) tristate {
	switch {
	case a == no || b == no:
		return no
	case a == yes && b == yes:
		return yes
	}
	return unknown
}

func (a tristate) or(b tristate) tristate      { return a.not().and(b.not()).not() }
func (a tristate) implies(b tristate) tristate { return a.not().or(b) }

func (a tristate) xor(b tristate) tristate {
	if a == unknown || b == unknown {
		return unknown
	}
	return truthOf(a != b)
}

// equalNode is =, ~ and their negations, of collections.
type equalNode struct {
	left, right pathNode
	holds       func(ev *evaluation, left, right int) (tristate, error)
	not         bool
}

func equalOperator(holds func(*evaluation, int, int) (tristate, error), not bool) func(left, right pathNode) pathNode {
	return func(left, right pathNode) pathNode { return &equalNode{left, right, holds, not} }
}

func (n *equalNode) eval(ev *evaluation) error {
	left, right, err := ev.both(n.left, n.right)
	if err != nil {
		return err
	}
	t, err := n.holds(ev, left, right)
	if n.not {
		t = t.not()
	}
	if err != nil {
		return err
	}
	return ev.answer(left, t)
}

// both evaluates two expressions and returns where their collections begin.
func (ev *evaluation) both(a, b pathNode) (left, right int, err error) {
	left = len(ev.stack)
	if err = a.eval(ev); err != nil {
		return 0, 0, err
	}
	right = len(ev.stack)
	if err = b.eval(ev); err != nil {
		return 0, 0, err
	}
	return left, right, ev.spend(1)
}

// orderNode is <, <=, >, >= of two items.
type orderNode struct {
	left, right pathNode
	holds       func(compared int) bool
}

func orderOperator(holds func(int) bool) func(left, right pathNode) pathNode {
	return func(left, right pathNode) pathNode { return &orderNode{left, right, holds} }
}

func (n *orderNode) eval(ev *evaluation) error {
	a, b, err := ev.operands(n.left, n.right)
	if err != nil || a == nil || b == nil {
		return err
	}
	c, known, err := ev.compare(a, b)
	if err != nil {
		return err
	}
	return ev.answer(len(ev.stack), known.when(n.holds(c)))
}

// operands evaluates two expressions of one item or none each.
func (ev *evaluation) operands(left, right pathNode) (a, b *Element, err error) {
	if a, err = ev.argument(left); err == nil {
		b, err = ev.argument(right)
	}
	if err == nil {
		err = ev.spend(1)
	}
	return a, b, err
}

// compare orders two items; known is yes if they can be ordered, unknown if their precision, zone or unit leaves it open.
func (ev *evaluation) compare(a, b *Element) (c int, known tristate, err error) {
	ka, plainA := plainKind(a)
	kb, plainB := plainKind(b)
	switch {
	case ka.primitive() && !plainA || kb.primitive() && !plainB:
		return 0, unknown, nil // a primitive without a value
	case ka == pathText && kb == pathText:
		return compareText(a.Text, b.Text), yes, nil
	case ka.temporal() && kb.temporal(), ka == pathTime && kb == pathTime:
		c, known = compareMoments(a, b)
		return c, known, nil
	case ka.measure() && kb.measure():
		c, known = compareQuantities(a, b, false)
		return c, known, nil
	}
	return 0, unknown, ev.errorf("%s (%s) and %s (%s) have no order", a.describe(), a.Type, b.describe(), b.Type)
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// memberNode is in and contains: whether an item is in a list.
type memberNode struct{ item, list pathNode }

func (n *memberNode) eval(ev *evaluation) error {
	item, err := ev.argument(n.item)
	if err != nil {
		return err
	}
	base := len(ev.stack)
	if err := n.list.eval(ev); err != nil || item == nil {
		ev.stack = ev.stack[:base]
		return err
	}
	for _, e := range ev.stack[base:] {
		if eq, err := ev.equalElements(item, e); err != nil {
			return err
		} else if eq == yes {
			return ev.answer(base, yes)
		}
	}
	return ev.answer(base, no)
}

// joinNode is &, for which nothing is "".
type joinNode struct{ left, right pathNode }

func (n *joinNode) eval(ev *evaluation) error {
	a, b, err := ev.operands(n.left, n.right)
	if err != nil {
		return err
	}
	s := ""
	for _, e := range []*Element{a, b} {
		if e == nil {
			continue
		}
		if kindOf(e.Type) != pathText {
			return ev.errorf("& joins strings, and %s is of type %s; write toString() after it", e.describe(), e.Type)
		}
		s += e.Text
	}
	return ev.pushText(s)
}

// pushText pushes a computed string, within the limits.
func (ev *evaluation) pushText(s string) error {
	if len(s) > maxPathText {
		return ev.tooLong(len(s))
	}
	ev.push(computedElement("string", s))
	return ev.spend(valueSteps + len(s)/16)
}

func (ev *evaluation) tooLong(size int) error {
	return Errorf(CodeTooCostly, "", "path %q computes a string of %d bytes; it may have %d", ev.path.text, size, maxPathText)
}
