package server

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// Interaction answers a Request in a transaction. The Response must not hold on to the transaction.
type Interaction func(*storage.Tx, *Request) (*Response, error)

// Preparation is the first half of a write. On a snapshot it parses, validates and indexes, and judges what must be judged by
// what is stored.
type Preparation func(*storage.Tx, *Request) (Plan, error)

// Plan is a write made ready.
type Plan struct {
	// Confirm checks inside the writer that what the plan was made from still stands, and puts. If it does not, it returns an error
	// that is driver.ErrConflict, and the Request is prepared again. It may run more than once.
	Confirm Interaction

	// Answer is not nil if nothing is to be written: what Confirm would answer, as of the snapshot. A Request on its own is answered
	// with it and never waits for the writer; in a transaction Confirm is asked all the same.
	Answer *Response
}

// Request is one interaction as it was asked for, by HTTP or by an entry of a Bundle.
type Request struct {
	Method  string // GET also for HEAD
	Type    string // "" at system level
	ID      string // "" at system and type level; a create may be given the id it is to use
	Version string // of a vread, as written
	Member  string // of a search in a compartment: the type that is searched, or *
	Query   []search.Pair
	Form    string      // _format and _pretty as they were given, for the links
	Page    string      // the sealed place of a page link, "" for the first page
	Header  http.Header // the conditional headers and Prefer
	Body    []byte      // FHIR JSON
	Patch   []byte      // JSON Patch, if that is what came instead
	Base    string      // the FHIR base of every URL in the answer, without a slash at the end
	Caller  Caller
	Limits  fhirmap.Limits
	Media   string // of Operation.Formats, if the client asks for one; "": FHIR JSON

	explain  bool // a search says how it is answered, see explain.go
	asText   bool // and does so for a terminal
	resource *fhirmap.Resource
	route    *route
	audit    *Audit
	witness  func(*storage.Tx, Caller) error
	from     string                                             // the address of the client
	noted    bool                                               // the audit has an event of it
	parts    []*entry                                           // of a transaction
	inside   bool                                               // the Request is part of a transaction, and its Interaction runs in the writer
	renew    func(context.Context, any) (storage.Access, error) // Config.Renew of a Request that outlives its HTTP request; else nil
	last     *[]check
}

// check is what must hold once all of a transaction is written.
type check func(*storage.Tx) error

// finally asks for a check at the end of the transaction, when all of its entries have been written. Only a Plan's Confirm may ask.
func (r *Request) finally(c check) { *r.last = append(*r.last, c) }

// Renew returns what the caller may see and do now. What is done in the background asks anew before each transaction, since a grant may be
// revoked or end meanwhile; the error says so. While a client waits for the answer it is what his request began with.
func (r *Request) Renew(ctx context.Context) (storage.Access, error) {
	if r.renew == nil || r.Caller.Grant == nil {
		return r.Caller.Access, nil
	}
	return r.renew(ctx, r.Caller.Grant)
}

// Key is the key of the resource that an instance level request names.
func (r *Request) Key() driver.Key { return driver.Key{Type: r.Type, ID: r.ID} }

// Resource parses and validates the body, once. It must be of this type: that which the URL names, or Parameters.
func (r *Request) Resource(typ string) (*fhirmap.Resource, error) {
	res := r.resource
	if res == nil {
		if len(r.Body) == 0 {
			return nil, fhirmap.Errorf(fhirmap.CodeStructure, "",
				"the request has no body; %s needs a %s resource in JSON", r.Method, typ)
		}
		var err error
		if res, err = fhirmap.Parse(r.Body, r.Limits); err != nil {
			return nil, err
		}
	}
	if res.Type() != typ {
		return nil, fhirmap.Errorf(fhirmap.CodeInvalid, res.Type(), "the body is of type %s; it must be %s", res.Type(), typ)
	}
	r.resource = res
	return res, nil
}

// one returns the value of a parameter that may be given once, "" if it is absent.
func (r *Request) one(name string) (string, error) {
	value, n := "", 0
	for _, p := range r.Query {
		if p.Name == name {
			value = p.Value
			n++
		}
	}
	if n > 1 {
		return "", fhirmap.Errorf(fhirmap.CodeInvalid, "", "the parameter %s is given %d times; give it once", name, n)
	}
	return value, nil
}

// known refuses parameters that are not among these.
func (r *Request) known(names ...string) error {
next:
	for _, p := range r.Query {
		for _, n := range names {
			if p.Name == n {
				continue next
			}
		}
		if len(names) == 0 {
			return fhirmap.Errorf(fhirmap.CodeNotSupported, "",
				"the parameter %q is not known here; this interaction takes none", clip(p.Name))
		}
		return fhirmap.Errorf(fhirmap.CodeNotSupported, "",
			"the parameter %q is not known here; known are %s", clip(p.Name), strings.Join(names, ", "))
	}
	return nil
}

// count is the page size asked for by _count, or absent if it is not.
func (r *Request) count(absent, most int) (int, error) {
	s, err := r.one("_count")
	if err != nil || s == "" {
		return absent, err
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, fhirmap.Errorf(fhirmap.CodeValue, "", "_count=%s is no page size; give a whole number from 0", clip(s))
	}
	return min(int(n), most), nil
}

// pairs reads a query string or a form body in its order.
func pairs(raw string) ([]search.Pair, error) {
	ps, part, err := search.Decode(raw)
	if err != nil {
		return nil, fhirmap.Errorf(fhirmap.CodeInvalid, "", "the query %q is not percent-encoded as URLs are: %v", clip(part), err)
	}
	return ps, nil
}

// encode writes pairs as a query string.
func encode(ps []search.Pair) string {
	var b strings.Builder
	for i, p := range ps {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(queryEscape(p.Name))
		b.WriteByte('=')
		b.WriteString(queryEscape(p.Value))
	}
	return b.String()
}

// queryEscape leaves the characters readable that FHIR uses in names and values and that a query may hold as they are.
func queryEscape(s string) string {
	return readable.Replace(url.QueryEscape(s))
}

var readable = strings.NewReplacer("%3A", ":", "%2C", ",", "%2F", "/", "%24", "$")

// clip shortens what a client sent before it is told back.
func clip(s string) string {
	if len(s) > 100 {
		return strings.ToValidUTF8(s[:100], "") + "…"
	}
	return strings.ToValidUTF8(s, "�")
}
