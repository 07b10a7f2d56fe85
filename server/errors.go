package server

import (
	"context"
	"errors"
	"net/http"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// statuses is the table of HTTP statuses by issue code (R4 http.html, HTTP status codes and what servers have made custom).
var statuses = map[fhirmap.Code]int{
	fhirmap.CodeInvalid:      http.StatusBadRequest,
	fhirmap.CodeStructure:    http.StatusBadRequest,
	fhirmap.CodeRequired:     http.StatusBadRequest,
	fhirmap.CodeValue:        http.StatusBadRequest,
	fhirmap.CodeNotSupported: http.StatusBadRequest,
	fhirmap.CodeInvariant:    http.StatusUnprocessableEntity,
	fhirmap.CodeBusinessRule: http.StatusUnprocessableEntity,
	fhirmap.CodeProcessing:   http.StatusUnprocessableEntity,
	fhirmap.CodeTooCostly:    http.StatusUnprocessableEntity,
	fhirmap.CodeLogin:        http.StatusUnauthorized,
	fhirmap.CodeExpired:      http.StatusUnauthorized,
	fhirmap.CodeSecurity:     http.StatusForbidden,
	fhirmap.CodeForbidden:    http.StatusForbidden,
	fhirmap.CodeNotFound:     http.StatusNotFound,
	fhirmap.CodeDuplicate:    http.StatusConflict,
	fhirmap.CodeConflict:     http.StatusConflict,
	fhirmap.CodeDeleted:      http.StatusGone,
	fhirmap.CodeMultiple:     http.StatusPreconditionFailed,
	fhirmap.CodeTooLong:      http.StatusRequestEntityTooLarge,
	fhirmap.CodeThrottled:    http.StatusTooManyRequests,
	fhirmap.CodeException:    http.StatusInternalServerError,
	fhirmap.CodeTransient:    http.StatusServiceUnavailable,
	fhirmap.CodeTimeout:      http.StatusGatewayTimeout,
	fhirmap.CodeNoStore:      http.StatusInsufficientStorage,
}

// sentinels are the errors of the rooms below, as issues. The text of the error itself is told where it only names keys, versions
// and limits; the others get a sentence of their own.
var sentinels = []struct {
	err  error
	code fhirmap.Code
	say  string // "": the error's own text
}{
	{storage.ErrForbidden, fhirmap.CodeForbidden, ""},
	{driver.ErrNotFound, fhirmap.CodeNotFound, ""},
	{driver.ErrConflict, fhirmap.CodeConflict, ""},
	{driver.ErrTaken, fhirmap.CodeDuplicate, ""},
	{driver.ErrTooLarge, fhirmap.CodeTooLong, ""},
	{driver.ErrTooCostly, fhirmap.CodeTooCostly, ""},
	{driver.ErrExpired, fhirmap.CodeDeleted, "the state of the store that this link reads is no longer kept; begin again"},
	{driver.ErrFull, fhirmap.CodeNoStore, ""},
	{driver.ErrUnavailable, fhirmap.CodeTransient, "the store cannot be reached at the moment; try again"},
	{context.DeadlineExceeded, fhirmap.CodeTimeout, "the request took longer than the server allows; nothing was changed"},
	{context.Canceled, fhirmap.CodeTimeout, "the client went away; nothing was changed"},
}

// statusGone is what the log says of a client that did not wait; nobody reads the answer.
const statusGone = 499

var errNobody = fhirmap.Errorf(fhirmap.CodeLogin, "", "this server lets nobody in: no access was configured")

// refusal is an Outcome whose status its issue code does not name: 405, 406, 412, 414, 415, or that carries headers.
type refusal struct {
	status  int
	header  [][2]string
	outcome *fhirmap.Outcome
}

func (r *refusal) Error() string { return r.outcome.Error() }

func refuse(status int, code fhirmap.Code, format string, args ...any) *refusal {
	return &refusal{status: status, outcome: fhirmap.Errorf(code, "", format, args...)}
}

// with adds a header to the answer.
func (r *refusal) with(name, value string) *refusal {
	r.header = append(r.header, [2]string{name, value})
	return r
}

// explain turns any error into an answer. unknown means that the error is no one's fault but ours: its text is for the log alone.
func explain(err error) (r *refusal, unknown bool) {
	if errors.As(err, &r) {
		return r, false
	}
	var o *fhirmap.Outcome
	if errors.As(err, &o) {
		r = outcome(o)
		var c challenger
		if errors.As(err, &c) {
			r.with("WWW-Authenticate", c.Challenge())
		}
		return r, false
	}
	for _, s := range sentinels {
		if !errors.Is(err, s.err) {
			continue
		}
		say := s.say
		if say == "" {
			say = err.Error()
		}
		r = outcome(fhirmap.Errorf(s.code, "", "%s", say))
		if s.err == context.Canceled {
			r.status = statusGone
		}
		return r, false
	}
	return ownFault(), true
}

// challenger is an error that says what a client must do to be let in (RFC 6750 section 3).
type challenger interface{ Challenge() string }

func ownFault() *refusal {
	return refuse(http.StatusInternalServerError, fhirmap.CodeException,
		"the server met an error of its own; tell its operator the request id in the X-Request-Id header")
}

// outcome chooses the status by the first issue that is an error.
func outcome(o *fhirmap.Outcome) *refusal {
	r := &refusal{status: http.StatusInternalServerError, outcome: o}
	for _, is := range o.Issues {
		if is.Severity == "warning" || is.Severity == "information" {
			continue
		}
		if s, ok := statuses[is.Code]; ok {
			r.status = s
		}
		break
	}
	switch r.status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		r.with("Retry-After", "1")
	case http.StatusUnauthorized:
		r.with("WWW-Authenticate", "Bearer")
	}
	return r
}
