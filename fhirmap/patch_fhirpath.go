package fhirmap

import (
	"fmt"
	"slices"
	"strconv"
)

// FHIRPathPatch applies a FHIRPath Patch (R4 fhirpatch.html) to a resource, and validates the outcome as Parse does. All operations count
// or none. Each sees what those before it did.
//
//   - add appends to a list, or adds an element that is not there yet, under the element of the path
//   - insert puts a value into the list of the path, which may be empty still, at an index from 0 to its length
//   - delete takes one element away, or nothing where the path selects nothing; an object or list that is left empty goes with it
//   - replace puts another value, of any type of a choice, in the place of one
//   - move takes the item at source out of the list of the path and puts it back so that it stands at destination
//
// The paths of insert and move must select a whole list, all others one element. An element is one of the resource itself: resolve()
// may lead into contained resources, no further. The value is of the type of the element or of one that specializes it; what has no
// value[x] is given by parts, one for each element; a narrative's div is a string. What no operation reaches stays to the letter.
//
// The error is an *Outcome with the parameter as expression. Its code is CodeStructure for Parameters that are no patch, CodeValue
// for a value of a wrong type, CodeProcessing for a path that does not select what it must, for an element that is there already, and
// for a patch that changes the id, CodeTooLong and CodeTooCostly beyond a limit, and those of CompilePath, Path.Select and Parse.
func FHIRPathPatch(r, parameters *Resource, l Limits) (*Resource, error) {
	l = l.withDefaults()
	if parameters.Type() != "Parameters" {
		return nil, Errorf(CodeStructure, "", "the patch is a %s; a FHIRPath Patch is a Parameters resource", parameters.Type())
	}
	steps := slices.Collect(parameters.root.Each("parameter"))
	if len(steps) > maxOperations {
		return nil, Errorf(CodeTooLong, "", "the patch has %d operations; it may have %d", len(steps), maxOperations)
	}
	p := &pathPatch{tree: r.root, root: &node{json: r.json}, limits: l}
	source := &node{json: parameters.json}
	json := r.json
	for i, parameter := range steps {
		op, err := readPathOperation(parameter, source.get("parameter").open()[i].value)
		if err == nil {
			err = p.apply(op)
		}
		if err == nil {
			json, err = p.settle(i == len(steps)-1)
		}
		if err != nil {
			return nil, ofOperation(i, op.kind, err)
		}
	}
	return patched(r, json, l)
}

// ofOperation says in an error which operation it is about.
func ofOperation(i int, kind string, err error) error {
	outcome, ok := err.(*Outcome)
	if !ok {
		return err
	}
	named := &Outcome{Issues: slices.Clone(outcome.Issues)}
	for n := range named.Issues {
		is := &named.Issues[n]
		if is.Expression != "" { // of the resource
			is.Diagnostics = is.Expression + ": " + is.Diagnostics
		}
		is.Expression = fmt.Sprintf("Parameters.parameter[%d]", i)
		if kind != "" {
			is.Diagnostics = clip(kind) + ": " + is.Diagnostics
		}
	}
	return named
}

// pathPatch is the resource on its way: the same as a tree, in which paths select, and as JSON, which operations change.
type pathPatch struct {
	effort
	tree   *Element
	root   *node
	limits Limits
}

// settle makes the tree anew after an operation, or only the JSON after the last.
func (p *pathPatch) settle(last bool) ([]byte, error) {
	json := p.root.appendTo(nil)
	if len(json) > p.limits.Bytes {
		return nil, Errorf(CodeTooLong, "", "the resource grows to %d bytes; it may have %d", len(json), p.limits.Bytes)
	}
	if last {
		return json, nil
	}
	if err := p.spend(len(json) / 16); err != nil {
		return nil, err
	}
	r, err := Trusted(json)
	if err != nil {
		return nil, err
	}
	p.tree, p.root = r.root, &node{json: json}
	return json, nil
}

// A pathOperation is one parameter.
type pathOperation struct {
	kind               string
	path               *Path
	name               string
	value              patchValue
	index, source, end *Element // of insert and move
}

// pathNeeds are the parts that an operation has besides type and path. Other parts of these names are let pass.
var pathNeeds = map[string][]string{
	"add": {"name", "value"}, "insert": {"index", "value"}, "delete": {}, "replace": {"value"}, "move": {"source", "destination"},
}

func readPathOperation(parameter *Element, source *node) (op pathOperation, err error) {
	if name := parameter.String("name"); name != "operation" {
		return op, Errorf(CodeStructure, "", "the parameter is named %s; each parameter of a patch is an operation", quote(name))
	}
	parts := map[string]*Element{}
	text := func(name string) string { return parts[name].String("value") }
	for i, part := range slices.Collect(parameter.Each("part")) {
		name := part.String("name")
		switch {
		case !slices.Contains([]string{"type", "path", "name", "value", "index", "source", "destination"}, name):
			return op, Errorf(CodeStructure, "", "there is a part %s; parts are type, path, name, value, index, source and destination", quote(name))
		case parts[name] != nil:
			return op, Errorf(CodeStructure, "", "the part %s stands twice", name)
		}
		parts[name] = part
		if name == "value" {
			op.value = patchValue{part, source.get("part").open()[i].value}
		}
	}
	op.kind = text("type")
	need, ok := pathNeeds[op.kind]
	if !ok {
		return op, Errorf(CodeStructure, "", "its type is %s; it may be add, insert, delete, replace or move", quote(op.kind))
	}
	for _, name := range append([]string{"path"}, need...) {
		if parts[name] == nil || name != "value" && text(name) == "" {
			return op, Errorf(CodeStructure, "", "it has no %s; %s needs one", name, op.kind)
		}
	}
	op.name = text("name")
	op.index, op.source, op.end = parts["index"].First("value"), parts["source"].First("value"), parts["destination"].First("value")
	op.path, err = CompilePath(text("path"))
	return op, err
}

func (p *pathPatch) apply(op pathOperation) error {
	selected, err := p.evaluate(op.path, op.path.root)
	if err != nil {
		return err
	}
	switch op.kind {
	case "insert", "move":
		return p.list(op, selected)
	case "delete":
		if len(selected) == 0 {
			return nil
		}
	}
	if len(selected) != 1 {
		return Errorf(CodeProcessing, "", "path %s selects %d elements; it must select one", quote(op.path.text), len(selected))
	}
	trail, err := p.trail(op.path, selected[0])
	if err != nil {
		return err
	}
	if op.kind == "add" {
		t := typeAt(trail)
		m, json, beside, err := op.value.element(t, op.name)
		if err != nil {
			return err
		}
		return p.object(trail).add(t, m, json, beside)
	}
	if len(trail) == 1 {
		return Errorf(CodeProcessing, "", "path %s selects the whole resource; it must select an element within", quote(op.path.text))
	}
	if op.kind == "delete" {
		p.delete(trail)
		return nil
	}
	e := selected[0]
	m, json, beside, err := op.value.element(typeAt(trail[:len(trail)-1]), e.Name)
	if err != nil {
		return err
	}
	p.object(trail[:len(trail)-1]).replace(e, m, json, beside)
	return nil
}

// evaluate runs a path, or the part of it before the last step, on the tree.
func (p *pathPatch) evaluate(path *Path, n pathNode) ([]*Element, error) {
	ev := evaluation{path: path, focus: Focus{Resource: p.tree, Element: p.tree}, this: p.tree}
	ev.stack = ev.room[:0]
	err := n.eval(&ev)
	if err == nil {
		err = p.spend(ev.steps)
	}
	return ev.stack, err
}

// trail returns the elements that lead from the root to one, both included.
func (p *pathPatch) trail(path *Path, to *Element) ([]*Element, error) {
	if to.Name == "" {
		return nil, Errorf(CodeProcessing, "", "path %s computes a value; it must select an element of the resource", quote(path.text))
	}
	var trail []*Element
	looked := 0
	var lead func(e *Element) bool
	lead = func(e *Element) bool {
		looked++
		trail = append(trail, e)
		if e == to || slices.ContainsFunc(e.Children, lead) {
			return true
		}
		trail = trail[:len(trail)-1]
		return false
	}
	found := lead(p.tree)
	if err := p.spend(looked); err != nil {
		return nil, err
	}
	if !found {
		return nil, Errorf(CodeProcessing, "", "path %s leads out of the resource; a patch changes one resource and what it contains", quote(path.text))
	}
	return trail, nil
}

// typeAt returns the type of the last element of a trail.
func typeAt(trail []*Element) *typeDef {
	t := schema().resources[trail[0].Type]
	for _, e := range trail[1:] {
		if t = t.members[e.Key].typ; t.kind == kindResource {
			t = schema().resources[e.Type]
		}
	}
	return t
}

// list is insert and move.
func (p *pathPatch) list(op pathOperation, selected []*Element) error {
	var trail []*Element
	var name string
	var err error
	if len(selected) > 0 {
		if trail, err = p.trail(op.path, selected[0]); err != nil {
			return err
		}
		if len(trail) > 1 {
			name, trail = selected[0].Name, trail[:len(trail)-1]
		}
	} else if step, ok := op.path.root.(*stepNode); ok {
		// Nothing is in the list yet: its name is the last step of the path, its owner what the steps before it select.
		last := len(step.names) - 1
		owner := step.of
		if last > 0 {
			owner = &stepNode{step.of, step.names[:last]}
		}
		owners, err := p.evaluate(op.path, owner)
		if err != nil {
			return err
		}
		if len(owners) == 1 {
			if trail, err = p.trail(op.path, owners[0]); err != nil {
				return err
			}
			name = step.names[last]
		}
	}
	if name == "" {
		return Errorf(CodeProcessing, "", "path %s selects no list; it must lead to a repeating element of one element", quote(op.path.text))
	}
	owner := trail[len(trail)-1]
	t := typeAt(trail)
	if i, ok := t.byName[name]; !ok || !t.elements[i].Repeats {
		return Errorf(CodeProcessing, "", "path %s leads to %s of %s, which is no list", quote(op.path.text), quote(name), t.path)
	}
	if !slices.Equal(selected, slices.Collect(owner.Each(name))) {
		return Errorf(CodeProcessing, "", "path %s does not select the items of one whole list, in order; it must", quote(op.path.text))
	}
	place := func(part string, e *Element, most int) (int, error) {
		n, err := strconv.Atoi(e.Text)
		if err != nil || n < 0 || !kindOf(e.Type).numeric() {
			return 0, Errorf(CodeStructure, "", "%s is %s; it must be an integer from 0 up", part, quote(e.Text))
		}
		if n > most {
			return 0, Errorf(CodeProcessing, "", "%s is %d; the list has %d items, so it may be 0 to %d", part, n, len(selected), most)
		}
		return n, nil
	}
	if op.kind == "insert" {
		at, err := place("index", op.index, len(selected))
		if err != nil {
			return err
		}
		m, json, beside, err := op.value.element(t, name)
		if err != nil {
			return err
		}
		p.object(trail).insertItem(m, at, json, beside)
		return nil
	}
	from, err := place("source", op.source, len(selected)-1)
	if err != nil {
		return err
	}
	to, err := place("destination", op.end, len(selected)-1)
	if err != nil {
		return err
	}
	p.object(trail).moveItem(name, from, to)
	return nil
}
