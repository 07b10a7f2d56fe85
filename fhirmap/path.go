package fhirmap

import (
	"time"
	"unicode/utf8"
)

// Path is a compiled FHIRPath expression (FHIRPath N1, with the functions of R4 section 2.9 that FHIR adds). It does not change and
// may be used by several goroutines at once.
//
// Two rules of ours where FHIRPath leaves room or FHIR's own expressions demand it:
//
//   - A union that is the whole expression keeps every place: nodes of equal value at two places stay two, since an index needs both
//     with their Groups. Unions inside an expression drop equal values, as FHIRPath says.
//   - "as" on several items filters them, as ofType does: the published (Observation.component.value as Quantity) relies on it.
//
// resolve() asks no database: it gives the contained resource, the resource in the same Bundle, or a stub that knows only its type.
type Path struct {
	text string
	root pathNode
}

// Limits that keep an expression from running away. Paths come from clients too: FHIRPath Patch has them in the request body.
const (
	maxPathBytes   = 16 << 10  // of an expression; the longest published one has about 3,000
	maxPathNesting = 200       // of parentheses, arguments and unary operators
	maxPathSteps   = 2_000_000 // of one evaluation: elements looked at, values made
	maxPathText    = 1 << 20   // bytes of a computed string

	valueSteps = 8 // what a computed value costs, which takes memory where an element of the tree does not
)

// CompilePath compiles an expression. The error is an *Outcome that names the position (the byte, from 1), what stands there, and what
// would be right.
func CompilePath(expr string) (*Path, error) {
	if len(expr) > maxPathBytes {
		return nil, Errorf(CodeTooLong, "", "a path of %d bytes is too long; it may have %d", len(expr), maxPathBytes)
	}
	if !utf8.ValidString(expr) {
		return nil, Errorf(CodeValue, "", "path %q is not UTF-8", expr)
	}
	p := &pathParser{text: expr}
	root, err := p.whole()
	if err != nil {
		return nil, err
	}
	keepPlaces(root)
	return &Path{text: expr, root: root}, nil
}

// String returns the expression as it was compiled.
func (p *Path) String() string { return p.text }

// Focus is what an expression is evaluated on.
type Focus struct {
	Resource *Element  // %resource and %rootResource alike, and where resolve() looks for what is contained
	Element  *Element  // where the expression starts, %context; nil: at Resource
	Now      time.Time // of now(), today() and timeOfDay(); zero: the present
}

// Select evaluates the expression on a resource. The collection holds nodes of the tree; for values that were computed, Elements
// without Name (their Type is that of a FHIR primitive, or Quantity), which must not be changed; and for what resolve() knows only
// the type of, Elements with that as Name and Type and nothing else. The error is an *Outcome: several items where one is needed,
// values that do not compare, or too many steps.
func (p *Path) Select(root *Element) ([]*Element, error) {
	return p.Evaluate(Focus{Resource: root})
}

// Evaluate is Select for an expression about an element within a resource: a composite's component, a constraint.
func (p *Path) Evaluate(f Focus) ([]*Element, error) {
	if f.Element == nil {
		f.Element = f.Resource
	}
	if f.Element == nil {
		return nil, nil
	}
	ev := evaluation{path: p, focus: f, this: f.Element}
	ev.stack = ev.room[:0]
	if err := p.root.eval(&ev); err != nil {
		return nil, err
	}
	return ev.stack, nil
}

// evaluation is the state of one Evaluate. Every collection, of every subexpression, is a stretch at the top of one stack: a node
// pushes its result, a function replaces the stretch of its input by that of its output. So a plain path allocates the stack and
// nothing else.
type evaluation struct {
	path  *Path
	focus Focus
	stack []*Element
	room  [6]*Element // where the stack begins: enough for most paths
	steps int

	this  *Element   // $this, where a path without receiver starts
	index int        // $index
	total []*Element // $total
}

// pathNode is a compiled expression: eval pushes its collection.
type pathNode interface {
	eval(ev *evaluation) error
}

func (ev *evaluation) push(e *Element) { ev.stack = append(ev.stack, e) }

// replace puts elements in the place of all from base up.
func (ev *evaluation) replace(base int, es ...*Element) error {
	ev.stack = append(ev.stack[:base], es...)
	return nil
}

// spend counts steps and refuses those beyond the limit.
func (ev *evaluation) spend(steps int) error {
	ev.steps += steps
	if ev.steps > maxPathSteps {
		return Errorf(CodeTooCostly, "", "path %q takes more than %d steps on this resource", ev.path.text, maxPathSteps)
	}
	return nil
}

func (ev *evaluation) errorf(format string, args ...any) error {
	return Errorf(CodeProcessing, "", "path %q: "+format, append([]any{ev.path.text}, args...)...)
}

// on evaluates an expression with $this and $index set to an item.
func (ev *evaluation) on(item *Element, index int, n pathNode) error {
	this, at := ev.this, ev.index
	ev.this, ev.index = item, index
	err := n.eval(ev)
	ev.this, ev.index = this, at
	return err
}

// truth pops the collection from base up as a condition: empty is unknown, one boolean its value, one item of another type true
// (singleton evaluation of collections, FHIRPath section 4.5).
func (ev *evaluation) truth(base int) (tristate, error) {
	items := ev.stack[base:]
	ev.stack = ev.stack[:base]
	switch {
	case len(items) == 0:
		return unknown, nil
	case len(items) > 1:
		return unknown, ev.errorf("a condition has %d items; it may have one", len(items))
	case items[0].Type != "boolean":
		return yes, nil
	case !items[0].Value:
		return unknown, nil
	}
	return truthOf(items[0].Text == "true"), nil
}

// condition evaluates an expression as a condition.
func (ev *evaluation) condition(n pathNode) (tristate, error) {
	base := len(ev.stack)
	if err := n.eval(ev); err != nil {
		return unknown, err
	}
	return ev.truth(base)
}

// argument evaluates an expression that gives one item or none; nil is none.
func (ev *evaluation) argument(n pathNode) (*Element, error) {
	base := len(ev.stack)
	if err := n.eval(ev); err != nil {
		return nil, err
	}
	return ev.single(base)
}

// single pops the collection from base up, of one item or none; nil is none.
func (ev *evaluation) single(base int) (*Element, error) {
	items := ev.stack[base:]
	ev.stack = ev.stack[:base]
	switch len(items) {
	case 0:
		return nil, nil
	case 1:
		return items[0], nil
	}
	return nil, ev.errorf("%d items stand where one is needed; write first() or single() after %s", len(items), items[0].describe())
}

// describe names an element in an error.
func (e *Element) describe() string {
	if e.Name != "" {
		return e.Name
	}
	return e.Type
}
