package fhirmap

import (
	"cmp"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Code is an issue code of http://hl7.org/fhir/issue-type (R4).
type Code string

// The issue codes that Hob uses. The server chooses an HTTP status from them in one table.
const (
	CodeInvalid      Code = "invalid"       // content that no rule below names more closely
	CodeStructure    Code = "structure"     // JSON or FHIR structure
	CodeRequired     Code = "required"      // an element is missing
	CodeValue        Code = "value"         // a value is not of its type or range
	CodeInvariant    Code = "invariant"     // a rule between elements
	CodeProcessing   Code = "processing"    // cannot be processed as asked
	CodeNotSupported Code = "not-supported" // interaction, parameter, modifier, media type
	CodeDuplicate    Code = "duplicate"     // a unique value is taken
	CodeMultiple     Code = "multiple-matches"
	CodeNotFound     Code = "not-found"
	CodeDeleted      Code = "deleted"
	CodeTooLong      Code = "too-long"   // larger than a limit
	CodeTooCostly    Code = "too-costly" // beyond a budget of rows or time
	CodeConflict     Code = "conflict"   // version, reference
	CodeSecurity     Code = "security"
	CodeLogin        Code = "login"
	CodeExpired      Code = "expired" // of a login
	CodeForbidden    Code = "forbidden"
	CodeThrottled    Code = "throttled"
	CodeTransient    Code = "transient" // try again
	CodeTimeout      Code = "timeout"
	CodeNoStore      Code = "no-store" // the store is full
	CodeException    Code = "exception"
	CodeInfo         Code = "informational"
)

// Issue is one thing that is wrong: what, where, and what would be right.
type Issue struct {
	Severity    string // "error" if empty; else fatal, warning, information
	Code        Code
	Expression  string // FHIRPath of the element, "" if none
	Diagnostics string // a sentence: lower-case, names the thing, says what would be right
}

// Outcome is the error type of Hob: an OperationOutcome (R4 section 2.27) that is also an error.
type Outcome struct{ Issues []Issue }

// Errorf makes an Outcome of one issue; the expression may be empty.
func Errorf(code Code, expression, format string, args ...any) *Outcome {
	return &Outcome{Issues: []Issue{{Code: code, Expression: expression, Diagnostics: fmt.Sprintf(format, args...)}}}
}

func (o *Outcome) Error() string {
	var b strings.Builder
	for i, is := range o.Issues {
		if i > 0 {
			b.WriteString("; ")
		}
		if is.Expression != "" {
			b.WriteString(is.Expression)
			b.WriteString(": ")
		}
		b.WriteString(is.Diagnostics)
	}
	return b.String()
}

// JSON returns the OperationOutcome as FHIR's JSON. An Outcome without issues says that all is well, since an OperationOutcome must
// have one.
func (o *Outcome) JSON() []byte {
	issues := o.Issues
	if len(issues) == 0 {
		issues = []Issue{{Severity: "information", Code: CodeInfo, Diagnostics: "all is well"}}
	}
	b := []byte(`{"resourceType":"OperationOutcome","issue":[`)
	for i, is := range issues {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendMember(append(b, '{'), "severity", cmp.Or(is.Severity, "error"))
		b = appendMember(append(b, ','), "code", string(cmp.Or(is.Code, CodeInvalid)))
		if is.Diagnostics != "" {
			b = appendMember(append(b, ','), "diagnostics", is.Diagnostics)
		}
		if is.Expression != "" {
			b = append(appendText(append(b, `,"expression":[`...), is.Expression), ']')
		}
		b = append(b, '}')
	}
	return append(b, "]}"...)
}

func appendMember(b []byte, name, value string) []byte {
	b = append(append(append(b, '"'), name...), `":`...)
	return appendText(b, value)
}

// appendText appends a JSON string. What no FHIR string may have, control characters and broken UTF-8, becomes U+FFFD.
func appendText(b []byte, s string) []byte {
	s = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' {
			return utf8.RuneError
		}
		return r
	}, s) // which also replaces broken UTF-8
	b, _ = jsontext.AppendQuote(b, s) // fails on broken UTF-8 only
	return b
}
