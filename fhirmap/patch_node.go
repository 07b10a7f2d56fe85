package fhirmap

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// A node is a JSON value that a patch may change. It stays a piece of compact JSON until something within it is asked for; then it is
// opened, one level. What was not opened is written back as it came.
type node struct {
	json    []byte // of an opened node only the first byte has a meaning
	opened  bool
	members []nodeMember // of an opened object or array
}

// A nodeMember is a member of an object or an item of an array, which has no name and key.
type nodeMember struct {
	name  string
	key   []byte // the name as it was written, with quotes
	value *node
}

func newMember(name string, value *node) nodeMember {
	return nodeMember{name, appendText(nil, name), value}
}

func newObject() *node { return &node{json: []byte("{}"), opened: true} }
func newArray() *node  { return &node{json: []byte("[]"), opened: true} }
func newNull() *node   { return &node{json: []byte("null")} }

func (n *node) isObject() bool { return n.json[0] == '{' }
func (n *node) isArray() bool  { return n.json[0] == '[' }
func (n *node) isNull() bool   { return n.json[0] == 'n' }

// open returns the members, for reading.
func (n *node) open() []nodeMember {
	if !n.opened && (n.isObject() || n.isArray()) {
		for m := range eachMember(n.json, 0) {
			key := n.json[m.key:m.keyEnd]
			n.members = append(n.members, nodeMember{unquoted(key), key, &node{json: n.json[m.value:m.end]}})
		}
	}
	n.opened = true
	return n.members
}

// unquoted decodes a JSON string, "" for no bytes.
func unquoted(json []byte) string {
	if len(json) < 2 {
		return ""
	}
	if bytes.IndexByte(json, '\\') < 0 {
		return view(json[1 : len(json)-1])
	}
	decoded, _ := jsontext.AppendUnquote(nil, json) // fails on what is no JSON only
	return view(decoded)
}

// find returns the place of a member of an object, -1 if there is none.
func (n *node) find(name string) int {
	return slices.IndexFunc(n.open(), func(m nodeMember) bool { return m.name == name })
}

// get returns the value of a member of an object, nil if there is none.
func (n *node) get(name string) *node {
	if i := n.find(name); i >= 0 {
		return n.members[i].value
	}
	return nil
}

func (n *node) insert(at int, m nodeMember) { n.members = slices.Insert(n.open(), at, m) }
func (n *node) remove(at int)               { n.members = slices.Delete(n.open(), at, at+1) }

// drop removes a member of an object if it is there.
func (n *node) drop(name string) {
	if i := n.find(name); i >= 0 {
		n.remove(i)
	}
}

// appendTo writes the JSON.
func (n *node) appendTo(b []byte) []byte {
	if !n.opened || !n.isObject() && !n.isArray() {
		return append(b, n.json...)
	}
	b = append(b, n.json[0])
	for i, m := range n.members {
		if i > 0 {
			b = append(b, ',')
		}
		if n.isObject() {
			b = append(append(b, m.key...), ':')
		}
		b = m.value.appendTo(b)
	}
	return append(b, n.json[0]+2) // } and ] follow { and [ by two
}

// equal compares as RFC 6902 section 4.6 has it: strings by their characters, numbers by value, objects whatever the order.
func (n *node) equal(other *node) bool {
	switch {
	case !n.opened && !other.opened && bytes.Equal(n.json, other.json):
		return true
	case n.isObject() && other.isObject():
		if len(n.open()) != len(other.open()) {
			return false
		}
		theirs := make(map[string]*node, len(other.members))
		for _, m := range other.members {
			theirs[m.name] = m.value
		}
		for _, m := range n.members {
			if v := theirs[m.name]; v == nil || !m.value.equal(v) {
				return false
			}
		}
		return true
	case n.isArray() && other.isArray():
		return slices.EqualFunc(n.open(), other.open(), func(a, b nodeMember) bool { return a.value.equal(b.value) })
	case n.json[0] == '"' && other.json[0] == '"':
		return unquoted(n.json) == unquoted(other.json)
	case isJSONNumber(n.json) && isJSONNumber(other.json):
		return sameNumber(n.json, other.json)
	}
	return bytes.Equal(n.json, other.json) && !n.isObject() && !n.isArray()
}

func isJSONNumber(json []byte) bool { return json[0] == '-' || isDigit(json[0]) }

// sameNumber compares two JSON numbers by value, exactly.
func sameNumber(a, b []byte) bool {
	digitsA, pointA := significant(a)
	digitsB, pointB := significant(b)
	return digitsA == digitsB && pointA == pointB
}

// significant takes a number apart into its digits, without zeros at either end and with its sign, and the power of ten of what stands
// before the first digit, as text: 1200, 1.2e3 and 12E2 are all "12" at 4.
func significant(number []byte) (digits string, power int64) {
	mantissa, exponent := number, []byte(nil)
	if i := bytes.IndexAny(number, "eE"); i >= 0 {
		mantissa, exponent = number[:i], number[i+1:]
	}
	sign := ""
	if mantissa[0] == '-' {
		sign, mantissa = "-", mantissa[1:]
	}
	whole, fraction, _ := bytes.Cut(mantissa, []byte("."))
	all := string(whole) + string(fraction)
	trimmed := trimZeros(all)
	if trimmed == "" {
		return "0", 0
	}
	leading := 0
	for all[leading] == '0' {
		leading++
	}
	return sign + trimmed, int64(len(whole)-leading) + exponentOf(exponent)
}

func trimZeros(digits string) string {
	return string(bytes.Trim([]byte(digits), "0"))
}

// exponentOf reads an exponent; one beyond all reason is as large as it gets.
func exponentOf(exponent []byte) (n int64) {
	const most = 1 << 60
	for _, c := range bytes.TrimLeft(exponent, "+-") {
		if n = n*10 + int64(c-'0'); n > most {
			n = most
			break
		}
	}
	if bytes.HasPrefix(exponent, []byte("-")) {
		return -n
	}
	return n
}

// readJSON reads what a client sent as one compact value, with numbers and strings to the letter and no name twice in an object. what
// names it in errors.
func readJSON(data []byte, what string, l Limits) (*node, error) {
	if len(data) > l.Bytes {
		return nil, Errorf(CodeTooLong, "", "the %s has %d bytes; it may have %d", what, len(data), l.Bytes)
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(data))
	v, err := dec.ReadValue()
	if err == nil {
		v = v.Clone()
		if _, more := dec.ReadToken(); more != io.EOF {
			return nil, Errorf(CodeStructure, "", "there is more after the %s, from byte %d", what, dec.InputOffset())
		}
		err = v.Compact()
	}
	if err != nil {
		at, why := dec.InputOffset(), err
		var syntax *jsontext.SyntacticError
		if errors.As(err, &syntax) && syntax.Err != nil {
			at, why = syntax.ByteOffset, syntax.Err
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, Errorf(CodeStructure, "", "the JSON of the %s ends too early", what)
		}
		return nil, Errorf(CodeStructure, "", "the JSON of the %s is not well formed at byte %d: %v", what, at, why)
	}
	if depth := jsonDepth(v); depth > l.Depth+2 { // the patch and its operation stand around the values
		return nil, Errorf(CodeTooLong, "", "objects and arrays of the %s are nested %d deep; they may be %d", what, depth, l.Depth+2)
	}
	return &node{json: v}, nil
}
