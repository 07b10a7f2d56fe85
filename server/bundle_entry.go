package server

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
)

// at is the FHIRPath of an element of an entry; "" stands for the entry.
func at(index int, element string) string {
	path := "Bundle.entry[" + strconv.Itoa(index) + "]"
	if element != "" {
		path += "." + element
	}
	return path
}

// wrong is an error in an element of the entry.
func (e *entry) wrong(code fhirmap.Code, element, format string, args ...any) error {
	return fhirmap.Errorf(code, at(e.index, element), format, args...)
}

// fault puts the entry before what an error says of one of its elements. driver.ErrConflict and what is no one's fault stay as they are.
func (e *entry) fault(err error) error {
	r, unknown := explain(err)
	if unknown {
		return fmt.Errorf("%s: %w", at(e.index, ""), err)
	}
	o := &fhirmap.Outcome{Issues: slices.Clone(r.outcome.Issues)}
	for i := range o.Issues {
		o.Issues[i].Expression = e.place(o.Issues[i].Expression)
	}
	return &refusal{status: r.status, outcome: o}
}

// place turns the expression of an issue of a request by itself into that of the Bundle: Patient.name becomes
// Bundle.entry[3].resource.name, and what is about a search is about the url.
func (e *entry) place(expression string) string {
	root, rest, _ := strings.Cut(expression, ".")
	switch {
	case root == "Bundle" && strings.HasPrefix(rest, "entry["+strconv.Itoa(e.index)+"]") && e.req == nil:
		return expression
	case expression == "":
		return at(e.index, "")
	case root == "http":
		if e.req != nil && len(e.req.Header["If-None-Exist"]) > 0 {
			return at(e.index, "request.ifNoneExist")
		}
		return at(e.index, "request.url")
	case rest == "":
		return at(e.index, "resource")
	case fhirmap.IsResource(root):
		return at(e.index, "resource."+rest)
	}
	return at(e.index, "")
}

// conditions are the headers that stand in an entry as elements.
var conditions = []struct{ element, header string }{
	{"ifNoneMatch", "If-None-Match"},
	{"ifModifiedSince", "If-Modified-Since"},
	{"ifMatch", "If-Match"},
	{"ifNoneExist", "If-None-Exist"},
}

// route makes a Request of an entry, as if it had come by itself with the headers of the Bundle.
func (e *entry) route(routes []route, whole *Request) error {
	r := &Request{audit: whole.audit, witness: whole.witness, from: whole.from, Method: e.asks.String("method"), Base: whole.Base, Caller: whole.Caller, Limits: whole.Limits, Body: e.body, Header: http.Header{}}
	if e.head = r.Method == http.MethodHead; e.head {
		r.Method = http.MethodGet
	}
	for _, c := range conditions {
		if v := e.asks.String(c.element); v != "" {
			if c.header == "If-Modified-Since" {
				v = httpTime(v)
			}
			r.Header[c.header] = []string{v}
		}
	}
	if p := whole.Header["Prefer"]; len(p) > 0 {
		r.Header["Prefer"] = p
	}
	if r.Method != http.MethodGet && preferred(whole.Header, "return") == "" {
		r.Header["Prefer"] = append(slices.Clip(r.Header["Prefer"]), "return=minimal") // the client has what it sent
	}
	path, query, err := e.target(whole.Base)
	if err != nil {
		return err
	}
	found, err := lookup(routes, r.Method, path, r)
	if err != nil {
		return err
	}
	if e.rt, err = on(found, r.Type); err != nil {
		return err
	}
	ps, err := pairs(query)
	if err != nil {
		return err
	}
	if err := r.ask(ps, &media{}); err != nil {
		return err
	}
	if err := r.named(e.rt.level); err != nil {
		return err
	}
	switch {
	case e.rt.exchange != nil:
		return e.wrong(fhirmap.CodeNotSupported, "request.url", "%s %s is not processed within a Bundle; to store a Bundle, POST it to Bundle", r.Method, clip(e.asks.String("url")))
	case e.rt.content == form:
		return e.wrong(fhirmap.CodeNotSupported, "request.url", "a search in a Bundle is asked for by GET and %s?...", r.Type)
	case e.rt.content == nothing && e.body != nil:
		return e.wrong(fhirmap.CodeInvalid, "resource", "%s takes no resource; leave it out", r.Method)
	}
	e.req = r
	r.route = e.rt
	return nil
}

// target splits the url of an entry, which is relative to the FHIR base, into a path that begins with a slash and a query.
func (e *entry) target(base string) (path, query string, err error) {
	full := e.asks.String("url")
	raw := full
	if rest, ok := strings.CutPrefix(raw, base); ok && (rest == "" || rest[0] == '/' || rest[0] == '?') {
		raw = rest
	}
	raw = strings.TrimPrefix(raw, "/")
	if u, err := url.Parse(raw); err != nil || u.IsAbs() || u.Host != "" || strings.HasPrefix(raw, "/") {
		return "", "", e.wrong(fhirmap.CodeValue, "request.url", "the url %s is not below this server; write it relative to the FHIR base, as in Patient/1", clip(full))
	}
	if strings.Contains(raw, "#") {
		return "", "", e.wrong(fhirmap.CodeValue, "request.url", "the url %s has a fragment; leave it out", clip(full))
	}
	path, query, _ = strings.Cut(raw, "?")
	path, err = url.PathUnescape(strings.TrimRight(path, "/"))
	if err != nil {
		return "", "", e.wrong(fhirmap.CodeValue, "request.url", "the url %s is not percent-encoded as URLs are", clip(full))
	}
	if path == "" {
		return "", query, nil
	}
	return "/" + path, query, nil
}

// httpTime turns a FHIR instant into the form of an HTTP header.
func httpTime(instant string) string {
	if t, err := time.Parse(time.RFC3339Nano, instant); err == nil {
		return t.UTC().Format(http.TimeFormat)
	}
	return instant
}

// parse validates the resource of an entry.
func (e *entry) parse() error {
	if e.body == nil || e.rt.content == nothing {
		return nil
	}
	res, err := fhirmap.Parse(e.body, e.req.Limits)
	if err != nil {
		return err
	}
	e.parsed, e.req.resource = res, res
	if e.rt.content == document {
		return e.unwrapPatch()
	}
	return nil
}

// worst joins the errors of several entries, the first of which decides on the status; nil if there is none.
func worst(errs []error) error {
	var first *refusal
	for _, err := range errs {
		if err == nil {
			continue
		}
		var r *refusal
		if !errors.As(err, &r) {
			if first == nil {
				return err
			}
			continue
		}
		if first == nil {
			first = &refusal{status: r.status, header: r.header, outcome: &fhirmap.Outcome{}}
		}
		if n := maxIssues - len(first.outcome.Issues); n > 0 {
			first.outcome.Issues = append(first.outcome.Issues, r.outcome.Issues[:min(n, len(r.outcome.Issues))]...)
		}
	}
	if first == nil {
		return nil
	}
	return first
}

// maxIssues is how many issues an answer lists.
const maxIssues = 100
