package fhirmap

import (
	"fmt"
	"strings"
)

// Limits keep an input from costing more than its size suggests. A zero field stands for its default.
type Limits struct {
	Depth int // of objects and arrays within each other: 100
	Bytes int // of the JSON: 64 MiB
	Nodes int // elements of the tree, each of some 130 bytes in memory: 500,000
}

func (l Limits) withDefaults() Limits {
	if l.Depth <= 0 {
		l.Depth = 100
	}
	if l.Bytes <= 0 {
		l.Bytes = 64 << 20
	}
	if l.Nodes <= 0 {
		l.Nodes = 500_000
	}
	return l
}

// maxIssues is where the reader stops looking for more that is wrong.
const maxIssues = 100

// Parse reads and validates a resource in FHIR's JSON (R4 section 2.6.2). The bytes may be changed afterwards.
//
// The error is an *Outcome. It names all that is wrong with syntax and types at once; if nothing is, all required elements that
// are missing and all references to a type that may not stand there.
//
// Strings, numbers and the order of members stay as they came, and what Hob serves is this JSON, less white space between tokens:
// google/fhir is asked whether the resource is valid, but its own writing of it is never used.
func Parse(data []byte, l Limits) (*Resource, error) {
	l = l.withDefaults()
	if len(data) > l.Bytes {
		return nil, Errorf(CodeTooLong, "", "the resource has %d bytes; it may have %d", len(data), l.Bytes)
	}
	r := newReader(data, l)
	defer r.release()
	r.strict = true
	res := r.resource()
	if len(r.issues) > 0 {
		return nil, &Outcome{Issues: r.issues}
	}
	if issues := r.confirm(res); len(issues) > 0 {
		return nil, &Outcome{Issues: issues}
	}
	return res, nil
}

// Trusted reads a resource that Parse has accepted before, such as one from the store: the tree is the same, the values of
// primitives are not checked again. The error is an *Outcome; it means that the store is damaged.
func Trusted(data []byte) (*Resource, error) {
	r := newReader(data, Limits{Depth: 10_000, Bytes: len(data), Nodes: len(data)})
	defer r.release()
	res := r.resource()
	if len(r.issues) > 0 {
		return nil, &Outcome{Issues: r.issues}
	}
	return res, nil
}

// issue notes what is wrong with the element at hand.
func (r *reader) issue(code Code, format string, args ...any) {
	if len(r.issues) == maxIssues {
		r.stop(CodeTooLong, "", "there is more; the first %d issues are listed", maxIssues)
	}
	r.issues = append(r.issues, Issue{Code: code, Expression: r.expression(), Diagnostics: fmt.Sprintf(format, args...)})
}

// expression is the FHIRPath of the element at hand: Patient.name[0].given[1].
func (r *reader) expression() string {
	var b strings.Builder
	for i, s := range r.path {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(s.name)
		if s.index >= 0 {
			fmt.Fprintf(&b, "[%d]", s.index)
		}
	}
	return b.String()
}
