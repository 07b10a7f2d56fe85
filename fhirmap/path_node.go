package fhirmap

// The nodes that select. Those that compute are in path_operator.go, functions in path_function.go and after.

// selfNode is $this, from where a path without receiver starts.
type selfNode struct{}

func (selfNode) eval(ev *evaluation) error { ev.push(ev.this); return nil }

// emptyNode is {}.
type emptyNode struct{}

func (emptyNode) eval(*evaluation) error { return nil }

// literalNode is a value in the expression. Its Element is shared by all results.
type literalNode struct{ value *Element }

func (n *literalNode) eval(ev *evaluation) error { ev.push(n.value); return nil }

// dynamicNode is a variable whose collection the evaluation has.
type dynamicNode func(ev *evaluation)

func (n dynamicNode) eval(ev *evaluation) error {
	base := len(ev.stack)
	n(ev)
	return ev.spend(1 + len(ev.stack) - base)
}

var pathSpecials = map[string]pathNode{
	"this":  selfNode{},
	"index": dynamicNode(func(ev *evaluation) { ev.push(integerElement(ev.index)) }),
	"total": dynamicNode(func(ev *evaluation) { ev.stack = append(ev.stack, ev.total...) }),
}

// pathVariables are those of FHIRPath section 9.1 and of R4 section 2.9.1.
var pathVariables = map[string]pathNode{
	"context":      dynamicNode(func(ev *evaluation) { ev.push(ev.focus.Element) }),
	"resource":     dynamicNode(func(ev *evaluation) { ev.push(ev.resource()) }),
	"rootResource": dynamicNode(func(ev *evaluation) { ev.push(ev.resource()) }),
	"ucum":         &literalNode{computedElement("string", systemUCUM)},
	"sct":          &literalNode{computedElement("string", "http://snomed.info/sct")},
	"loinc":        &literalNode{computedElement("string", "http://loinc.org")},
}

// resource is %resource; a lone element is its own.
func (ev *evaluation) resource() *Element {
	if ev.focus.Resource == nil {
		return ev.focus.Element
	}
	return ev.focus.Resource
}

// rootNode is a type that begins a path, as in Patient.name: $this if it is of that type.
type rootNode struct{ test typeTest }

func (n *rootNode) eval(ev *evaluation) error {
	if n.test.holds(ev.this) {
		ev.push(ev.this)
	}
	return nil
}

// stepNode is a chain of children, a.b.c.
type stepNode struct {
	of    pathNode
	names []string
}

func (n *stepNode) eval(ev *evaluation) error {
	base := len(ev.stack)
	if err := n.of.eval(ev); err != nil {
		return err
	}
	end := len(ev.stack)
	for i := base; i < end; i++ {
		if err := ev.walk(ev.stack[i], n.names); err != nil {
			return err
		}
	}
	ev.close(base, end)
	return nil
}

// walk pushes what a chain of names leads to, depth first, which is document order.
func (ev *evaluation) walk(e *Element, names []string) error {
	if err := ev.spend(1 + len(e.Children)); err != nil {
		return err
	}
	for _, c := range e.Children {
		if c.Name != names[0] {
			continue
		}
		if len(names) == 1 {
			ev.push(c)
		} else if err := ev.walk(c, names[1:]); err != nil {
			return err
		}
	}
	return nil
}

// close drops the stretch [base:end) below the top.
func (ev *evaluation) close(base, end int) {
	ev.stack = ev.stack[:base+copy(ev.stack[base:], ev.stack[end:])]
}

// indexNode is a[i].
type indexNode struct{ of, at pathNode }

func (n *indexNode) eval(ev *evaluation) error {
	base := len(ev.stack)
	if err := n.of.eval(ev); err != nil {
		return err
	}
	i, ok, err := ev.integer(n.at)
	if err != nil {
		return err
	}
	if !ok || i < 0 || i >= len(ev.stack)-base {
		return ev.replace(base)
	}
	return ev.replace(base, ev.stack[base+i])
}

// typeNode is "is", or "as" and ofType(), which filter.
type typeNode struct {
	of   pathNode
	test typeTest
	is   bool
}

func (n *typeNode) eval(ev *evaluation) error {
	base := len(ev.stack)
	if err := n.of.eval(ev); err != nil {
		return err
	}
	if n.is {
		e, err := ev.single(base)
		if err == nil && e != nil {
			ev.push(truthOf(n.test.holds(e)).element())
		}
		return err
	}
	kept := base
	for _, e := range ev.stack[base:] {
		if n.test.holds(e) {
			ev.stack[kept] = e
			kept++
		}
	}
	ev.stack = ev.stack[:kept]
	return ev.spend(1)
}

// unionNode is a | b. With places, only the same node twice is dropped.
type unionNode struct {
	left, right pathNode
	places      bool
}

func (n *unionNode) eval(ev *evaluation) error {
	base := len(ev.stack)
	if err := n.left.eval(ev); err != nil {
		return err
	}
	if err := n.right.eval(ev); err != nil {
		return err
	}
	return ev.distinct(base, n.places)
}

// keepPlaces marks the unions that are the whole expression.
func keepPlaces(n pathNode) {
	if u, ok := n.(*unionNode); ok {
		u.places = true
		keepPlaces(u.left)
		keepPlaces(u.right)
	}
}

// callNode is a function on what stands before it.
type callNode struct {
	of      pathNode
	fn      pathFunction
	args    []pathNode
	pattern *pattern // of matches and its like, if it is a literal
}

func (n *callNode) eval(ev *evaluation) error {
	base := len(ev.stack)
	if err := n.of.eval(ev); err != nil {
		return err
	}
	if err := ev.spend(1); err != nil {
		return err
	}
	return n.fn.do(ev, n, base)
}
