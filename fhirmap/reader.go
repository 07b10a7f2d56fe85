package fhirmap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"
)

// reader reads JSON into a tree of Elements, in one pass, and writes it down again without white space as it goes. The text of an
// element is a piece of what was written down, unless escapes had to be undone.
type reader struct {
	dec    *jsontext.Decoder
	buf    bytes.Buffer // over src, for dec
	src    []byte
	out    []byte // the compact JSON; never outgrows its capacity, since the texts point into it
	strict bool   // values are checked too
	limits Limits

	path   []step
	issues []Issue
	depth  int
	nodes  int
	groups uint32

	elements []Element  // unused rest of a block
	pointers []*Element // the same for Children
	stack    []*Element // children of the objects that are open
	seen     []*member  // members of the objects that are open
	within   int        // contained resources that are open

	besides int       // ids and extensions of primitives, and nulls for their values, read so far
	nested  []span    // resources within the resource
	cuts    []cut     // what Stamp replaces
	respelt []respelt // what google/fhir wants in another spelling
}

// A step of a path that leads to an element.
type step struct {
	name  string
	index int // -1 if the element does not repeat
}

// A span of the compact JSON that is a resource.
type span struct {
	element    *Element
	start, end int
	expression string
	apart      bool // from what google/fhir validates with the resource around it
}

// stopped ends the reading: what follows cannot be read, or need not be.
type stopped struct{}

var readers = sync.Pool{New: func() any {
	return &reader{dec: jsontext.NewDecoder(new(bytes.Buffer))}
}}

func newReader(data []byte, l Limits) *reader {
	r := readers.Get().(*reader)
	r.src, r.limits = data, l
	r.out = make([]byte, 0, len(data))
	r.buf = *bytes.NewBuffer(data)
	// Duplicates are found by the reader itself, so that one does not hide what else is wrong.
	r.dec.Reset(&r.buf, jsontext.AllowDuplicateNames(true))
	return r
}

// release forgets all that the resource now owns and keeps the rest for the next, unless it is uncommonly large.
func (r *reader) release() {
	if cap(r.stack) > 1000 {
		r.stack = nil
	}
	clear(r.stack[:cap(r.stack)])
	*r = reader{dec: r.dec, path: r.path[:0], stack: r.stack[:0], seen: r.seen[:0], respelt: r.respelt[:0]}
	r.dec.Reset(&r.buf)
	readers.Put(r)
}

// stop notes an issue that ends the reading.
func (r *reader) stop(code Code, expression, format string, args ...any) {
	r.issues = append(r.issues, Issue{Code: code, Expression: expression, Diagnostics: fmt.Sprintf(format, args...)})
	panic(stopped{})
}

// malformed ends the reading at what is not JSON.
func (r *reader) malformed(err error) {
	at := int(r.dec.InputOffset())
	why := err
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		at, why = int(syntax.ByteOffset), syntax.Err
	}
	what := why.Error()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		what, at = "it ends too early", len(r.src)
	}
	at = min(at, len(r.src))
	line := 1 + bytes.Count(r.src[:at], []byte("\n"))
	column := at - bytes.LastIndexByte(r.src[:at], '\n')
	r.stop(CodeStructure, "", "the JSON is not well formed at line %d, byte %d of it: %s", line, column, what)
}

// resource reads the whole input.
func (r *reader) resource() (res *Resource) {
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(stopped); !ok {
				panic(p)
			}
			res = nil
		}
	}()
	if k := r.peek(); k != '{' {
		r.stop(CodeStructure, "", "the input is %s; a resource is a JSON object with a resourceType", kindName(k))
	}
	m := &member{}
	root := r.element(nil, m, -1)
	r.nestedResource(root, m)
	if _, err := r.dec.ReadToken(); err == nil {
		r.stop(CodeStructure, "", "there is more after the resource, from byte %d; one input is one resource", r.dec.InputOffset())
	} else if err != io.EOF {
		r.malformed(err)
	}
	if len(r.issues) > 0 {
		return nil
	}
	return &Resource{root: root, json: r.out, nested: r.nested, head: newHead(r.out, r.cuts)}
}

// peek returns the kind of what comes next, which is JSON.
func (r *reader) peek() jsontext.Kind {
	k := r.dec.PeekKind()
	if k == jsontext.KindInvalid {
		_, err := r.dec.ReadToken()
		r.malformed(err)
	}
	return k
}

// open steps into an object or array.
func (r *reader) open() {
	t, err := r.dec.ReadToken()
	if err != nil {
		r.malformed(err)
	}
	if r.depth++; r.depth > r.limits.Depth {
		r.stop(CodeTooLong, r.expression(), "objects and arrays are nested more than %d deep", r.limits.Depth)
	}
	r.out = append(r.out, byte(t.Kind()))
}

// close steps out of it.
func (r *reader) close() {
	t, err := r.dec.ReadToken()
	if err != nil {
		r.malformed(err)
	}
	r.depth--
	r.out = append(r.out, byte(t.Kind()))
}

// comma separates what follows from what was written before in the same object or array.
func (r *reader) comma() {
	if last := r.out[len(r.out)-1]; last != '{' && last != '[' {
		r.out = append(r.out, ',')
	}
}

// raw reads a value and writes it down; for a string or number, to the letter.
func (r *reader) raw() []byte {
	v, err := r.dec.ReadValue()
	if err != nil {
		r.malformed(err)
	}
	start := len(r.out)
	r.out = append(r.out, v...)
	return r.out[start:]
}

// skip reads a value of which the shape is wrong already. Nothing that is written down after it matters.
func (r *reader) skip() {
	if err := r.dec.SkipValue(); err != nil {
		r.malformed(err)
	}
	r.out = append(r.out, '0')
}

// text returns the string or number that was written down as raw.
func (r *reader) text(raw []byte) string {
	if raw[0] != '"' {
		return view(raw)
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return view(raw[1 : len(raw)-1])
	}
	decoded, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		r.malformed(err)
	}
	return view(decoded)
}

// view is a string over bytes that will not change.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// element makes the next element of a member, with the path of what follows unchanged.
func (r *reader) element(parent *Element, m *member, index int) *Element {
	if r.nodes++; r.nodes > r.limits.Nodes {
		r.stop(CodeTooLong, r.expression(), "the resource has more than %d elements", r.limits.Nodes)
	}
	if len(r.elements) == 0 {
		// An element takes some 25 bytes of JSON, so that most resources need one block.
		r.elements = make([]Element, max(8, min(len(r.src)/25, 1000)))
	}
	e := &r.elements[0]
	r.elements = r.elements[1:]
	e.Name, e.Key, e.Index = m.name, m.key, index
	if m.typ != nil {
		e.Type = m.typ.name
	}
	if parent != nil {
		e.Group = parent.Group
	}
	if m.repeats {
		r.groups++
		e.Group = r.groups
	}
	return e
}

// children takes the elements from base up off the stack.
func (r *reader) children(base int) []*Element {
	n := len(r.stack) - base
	if n == 0 {
		return nil
	}
	if n > len(r.pointers) {
		r.pointers = make([]*Element, max(n, min(len(r.src)/25, 1000)))
	}
	c := r.pointers[:n:n]
	r.pointers = r.pointers[n:]
	copy(c, r.stack[base:])
	r.stack = r.stack[:base]
	return c
}

func (r *reader) push(name string, index int) { r.path = append(r.path, step{name, index}) }
func (r *reader) pop()                        { r.path = r.path[:len(r.path)-1] }

func kindName(k jsontext.Kind) string {
	switch k {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "nothing"
}
