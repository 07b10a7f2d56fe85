package fhirmap

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// JSONPatch applies a JSON Patch (RFC 6902) to a resource as its JSON is, and validates the outcome as Parse does. All operations
// count or none. What no operation reaches stays to the letter: digits, escapes and the order of members; a value that replaces
// another takes its place, a new member comes last.
//
// The error is an *Outcome that names the operation by its place in the patch, from 0. Its code is
//
//   - CodeStructure for what is no JSON Patch, a path that is no JSON Pointer (RFC 6901), a missing member
//   - CodeProcessing for a path that leads nowhere in this resource, and for a patch that changes resourceType or id
//   - CodeBusinessRule for a test that does not hold
//   - CodeTooLong, CodeTooCostly beyond a limit: Limits.Bytes hold for the patch, and for the resource with all that is added to it
//   - that of Parse for an outcome that is no valid resource: an array that lost its last item must be removed itself
func JSONPatch(r *Resource, patch []byte, l Limits) (*Resource, error) {
	l = l.withDefaults()
	doc, err := readJSON(patch, "patch", l)
	if err != nil {
		return nil, err
	}
	if !doc.isArray() {
		return nil, Errorf(CodeStructure, "", "the patch is no array; a JSON Patch is an array of operations")
	}
	if n := len(doc.open()); n > maxOperations {
		return nil, Errorf(CodeTooLong, "", "the patch has %d operations; it may have %d", n, maxOperations)
	}
	p := &jsonPatch{root: &node{json: r.json}, limits: l, size: len(r.json)}
	for i, m := range doc.members {
		op, err := readOperation(i, m.value, l)
		if err != nil {
			return nil, err
		}
		if err := p.apply(op); err != nil {
			return nil, err
		}
	}
	return patched(r, p.root.appendTo(make([]byte, 0, p.size)), l)
}

// jsonPatch is the resource on its way.
type jsonPatch struct {
	effort
	root   *node
	limits Limits
	size   int // of the resource and all that was added so far
}

// An operation is one of RFC 6902.
type operation struct {
	index      int
	op         string
	path, from string
	to, source []string // the tokens of path and from
	value      *node
}

// needs are the members that an operation has besides op and path.
var needs = map[string]string{"add": "value", "remove": "", "replace": "value", "move": "from", "copy": "from", "test": "value"}

func (o *operation) errorf(code Code, format string, args ...any) error {
	where := fmt.Sprintf("operation %d", o.index)
	if o.op != "" {
		where += fmt.Sprintf(" (%s %s)", clip(o.op), quote(o.path))
	}
	return Errorf(code, "", "%s: %s", where, fmt.Sprintf(format, args...))
}

func readOperation(i int, n *node, l Limits) (*operation, error) {
	o := &operation{index: i}
	if !n.isObject() {
		return nil, o.errorf(CodeStructure, `it is no object; an operation is one such as {"op":"replace","path":"/active","value":true}`)
	}
	texts := map[string]*string{"op": &o.op, "path": &o.path}
	for _, name := range []string{"op", "path", "from"} {
		if name == "from" {
			need, known := needs[o.op]
			if !known {
				return nil, o.errorf(CodeStructure, "there is no such operation; it may be add, remove, replace, move, copy or test")
			}
			if need != "from" {
				break
			}
			texts["from"] = &o.from
		}
		v := n.get(name)
		if v == nil || v.json[0] != '"' {
			return nil, o.errorf(CodeStructure, "it has no %s; it must be a string", name)
		}
		*texts[name] = unquoted(v.json)
	}
	if needs[o.op] == "value" {
		if o.value = n.get("value"); o.value == nil {
			return nil, o.errorf(CodeStructure, "it has no value; %s needs one", o.op)
		}
	}
	var err error
	if o.to, err = o.pointer("path", o.path, l); err == nil && texts["from"] != nil {
		o.source, err = o.pointer("from", o.from, l)
	}
	return o, err
}

// pointer reads a JSON Pointer.
func (o *operation) pointer(member, text string, l Limits) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	if text[0] != '/' {
		return nil, o.errorf(CodeStructure, "the %s %s is no JSON Pointer; it must be empty or begin with /, as /name/0/family", member, quote(text))
	}
	tokens := strings.Split(text[1:], "/")
	if len(tokens) > l.Depth {
		return nil, o.errorf(CodeTooLong, "the %s has %d steps; it may have %d", member, len(tokens), l.Depth)
	}
	for i, t := range tokens {
		if !strings.Contains(t, "~") {
			continue
		}
		if rest := strings.NewReplacer("~0", "", "~1", "").Replace(t); strings.Contains(rest, "~") {
			return nil, o.errorf(CodeStructure, "the %s %s has a ~ that is not ~0, for ~, or ~1, for /", member, quote(text))
		}
		tokens[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(t)
	}
	return tokens, nil
}

func (p *jsonPatch) apply(o *operation) error {
	switch o.op {
	case "add":
		if err := p.grow(o, o.value); err != nil {
			return err
		}
		return p.add(o, o.value)
	case "remove":
		_, err := p.remove(o, "path", o.to)
		return err
	case "replace":
		return p.replace(o)
	case "move":
		if len(o.to) > len(o.source) && slices.Equal(o.source, o.to[:len(o.source)]) {
			return o.errorf(CodeProcessing, "it would move %s into itself", quote(o.from))
		}
		if slices.Equal(o.source, o.to) {
			_, err := p.locate(o, "from", o.source)
			return err
		}
		v, err := p.remove(o, "from", o.source)
		if err != nil {
			return err
		}
		return p.add(o, v)
	case "copy":
		v, err := p.locate(o, "from", o.source)
		if err != nil {
			return err
		}
		v = &node{json: v.appendTo(nil)}
		if err := p.grow(o, v); err != nil {
			return err
		}
		return p.add(o, v)
	}
	return p.test(o)
}

// locate follows a pointer to the value that it names.
func (p *jsonPatch) locate(o *operation, member string, tokens []string) (*node, error) {
	n := p.root
	for i, t := range tokens {
		at, err := p.step(o, member, n, tokens[:i], t)
		if err != nil {
			return nil, err
		}
		n = n.members[at].value
	}
	return n, nil
}

// step finds a member or item; done are the tokens that led to n.
func (p *jsonPatch) step(o *operation, member string, n *node, done []string, token string) (int, error) {
	if err := p.spend(1 + len(n.open())); err != nil {
		return 0, err
	}
	switch {
	case n.isObject():
		if at := n.find(token); at >= 0 {
			return at, nil
		}
		return 0, o.errorf(CodeProcessing, "%s has no member %s, which %s names", where(done), quote(token), member)
	case n.isArray():
		at, err := o.indexIn(member, token, done)
		if err == nil && at >= len(n.members) {
			err = o.errorf(CodeProcessing, "%s has %d items, and none at %d, which %s names", where(done), len(n.members), at, member)
		}
		return at, err
	}
	return 0, o.errorf(CodeProcessing, "%s is neither object nor array, so it has no %s, which %s names", where(done), quote(token), member)
}

// where names a value in an error.
func where(tokens []string) string {
	if len(tokens) == 0 {
		return "the resource"
	}
	return clip("/" + strings.Join(tokens, "/"))
}

// indexIn reads a place in an array, from 0.
func (o *operation) indexIn(member, token string, done []string) (int, error) {
	if token == "-" {
		return 0, o.errorf(CodeProcessing, "%s names the place after the last item of %s with -, where nothing is; only an add may", member, where(done))
	}
	at, err := strconv.Atoi(token)
	if err != nil || !allDigits(token) || len(token) > 1 && token[0] == '0' {
		return 0, o.errorf(CodeProcessing, "%s is an array, and %s, which %s names, is no place in it; that is a number from 0, without zeros before it",
			where(done), quote(token), member)
	}
	return at, nil
}

// holder follows a pointer to what holds the value that it names. There is none for the whole resource.
func (p *jsonPatch) holder(o *operation, member string, tokens []string) (*node, string, error) {
	last := len(tokens) - 1
	n, err := p.locate(o, member, tokens[:last])
	return n, tokens[last], err
}

// grow counts a value that is to be added.
func (p *jsonPatch) grow(o *operation, v *node) error {
	if p.size += len(v.json); p.size > p.limits.Bytes {
		return o.errorf(CodeTooLong, "the resource and what is added to it come to more than %d bytes", p.limits.Bytes)
	}
	return p.spend(len(v.json) / 16)
}

func (p *jsonPatch) add(o *operation, v *node) error {
	if len(o.to) == 0 {
		p.root = v
		return nil
	}
	n, token, err := p.holder(o, "path", o.to)
	if err != nil {
		return err
	}
	if err := p.spend(1 + len(n.open())); err != nil {
		return err
	}
	done := o.to[:len(o.to)-1]
	switch {
	case n.isObject():
		if at := n.find(token); at >= 0 {
			n.members[at].value = v
		} else {
			n.insert(len(n.members), newMember(token, v))
		}
		return nil
	case n.isArray():
		at := len(n.members)
		if token != "-" {
			if at, err = o.indexIn("path", token, done); err != nil {
				return err
			}
		}
		if at > len(n.members) {
			return o.errorf(CodeProcessing, "%s has %d items; a new one may stand at 0 to %d, or at -", where(done), len(n.members), len(n.members))
		}
		n.insert(at, nodeMember{value: v})
		return nil
	}
	return o.errorf(CodeProcessing, "%s is neither object nor array; nothing can be added to it", where(done))
}

func (p *jsonPatch) remove(o *operation, member string, tokens []string) (*node, error) {
	if len(tokens) == 0 {
		return nil, o.errorf(CodeProcessing, "it would take the whole resource away; DELETE does")
	}
	n, token, err := p.holder(o, member, tokens)
	if err != nil {
		return nil, err
	}
	at, err := p.step(o, member, n, tokens[:len(tokens)-1], token)
	if err != nil {
		return nil, err
	}
	v := n.members[at].value
	n.remove(at)
	return v, nil
}

func (p *jsonPatch) replace(o *operation) error {
	if err := p.grow(o, o.value); err != nil {
		return err
	}
	if len(o.to) == 0 {
		p.root = o.value
		return nil
	}
	n, token, err := p.holder(o, "path", o.to)
	if err != nil {
		return err
	}
	at, err := p.step(o, "path", n, o.to[:len(o.to)-1], token)
	if err != nil {
		return err
	}
	n.members[at].value = o.value
	return nil
}

func (p *jsonPatch) test(o *operation) error {
	v, err := p.locate(o, "path", o.to)
	if err != nil {
		// A value that is not there is no other than one that differs: the test fails.
		var outcome *Outcome
		if errors.As(err, &outcome) && outcome.Issues[0].Code == CodeProcessing {
			outcome.Issues[0].Code = CodeBusinessRule
		}
		return err
	}
	if err := p.spend(len(o.value.json) / 16); err != nil {
		return err
	}
	if !v.equal(o.value) {
		return o.errorf(CodeBusinessRule, "the test does not hold: the resource has %s there", clip(string(v.appendTo(nil))))
	}
	return nil
}
