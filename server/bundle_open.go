package server

import (
	"bytes"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// entry is one entry of a batch or transaction on its way to its answer.
type entry struct {
	index   int
	fullURL string
	body    []byte // of its resource, nil if it has none
	asks    *fhirmap.Element
	head    bool // it asked by HEAD

	rt  *route
	req *Request

	res *Response

	// of a transaction
	parsed  *fhirmap.Resource // before links are rewritten
	newID   string            // of what it creates
	one     *Request          // req, made one of the resource that criteria were found to mean
	cr      *criteria         // of a conditional interaction
	keys    []driver.Key      // what it writes
	links   string            // what links to its fullUrl become, "" if they stay
	prepare Preparation
	plan    Plan
}

// openBundle reads a Bundle to be processed: its type and its entries. What is around the resources is validated as a Bundle without
// them; the resources are left to be parsed each on its own, by whoever takes the entry.
func openBundle(r *Request, l Limits) (kind string, entries []*entry, err error) {
	if len(r.Body) == 0 {
		return "", nil, fhirmap.Errorf(fhirmap.CodeStructure, "", "the request has no body; the FHIR base takes a Bundle of type batch or transaction")
	}
	s := &scan{in: r.Body, dec: jsontext.NewDecoder(bytes.NewBuffer(r.Body)), limit: l.Entries}
	if s.object(s.member); s.err != nil {
		return "", nil, s.err
	}
	if _, err := s.dec.ReadToken(); err != io.EOF {
		s.broken = true
	}
	envelope := s.out
	if s.broken {
		envelope = r.Body // for the sentence that says what is wrong
	}
	b, err := fhirmap.Parse(envelope, r.Limits)
	if err != nil {
		return "", nil, err
	}
	if b.Type() != "Bundle" {
		return "", nil, fhirmap.Errorf(fhirmap.CodeInvalid, b.Type(),
			"the FHIR base takes a Bundle of type batch or transaction; a %s is created by POST %s/%s", b.Type(), Prefix, b.Type())
	}
	if s.broken {
		return "", nil, fhirmap.Errorf(fhirmap.CodeStructure, "Bundle", "the body is no JSON object")
	}
	kind = b.Root().String("type")
	if kind != "batch" && kind != "transaction" {
		return "", nil, fhirmap.Errorf(fhirmap.CodeValue, "Bundle.type",
			"a Bundle of type %s is not processed; the type must be batch or transaction. To store the Bundle itself, POST it to %s/Bundle", clip(kind), Prefix)
	}
	i := 0
	for e := range b.Root().Each("entry") {
		entries = append(entries, &entry{index: i, fullURL: e.String("fullUrl"), body: s.bodies[i], asks: e.First("request")})
		i++
	}
	return kind, entries, distinctURLs(entries)
}

// distinctURLs refuses fullUrls by which an entry could not be told from another (R4 bundle.html, bdl-7 and bdl-8).
func distinctURLs(entries []*entry) error {
	by := map[string]int{}
	for i, e := range entries {
		if e.fullURL == "" {
			continue
		}
		if strings.Contains(e.fullURL, "/_history/") {
			return e.wrong(fhirmap.CodeInvariant, "fullUrl", "the fullUrl %s names a version; it must name the resource (bdl-8)", clip(e.fullURL))
		}
		if first, twice := by[e.fullURL]; twice {
			return e.wrong(fhirmap.CodeInvariant, "fullUrl", "entry %d has the fullUrl %s too; each must have its own (bdl-7)", first, clip(e.fullURL))
		}
		by[e.fullURL] = i
	}
	return nil
}

// scan takes a Bundle apart: the resources of its entries, and the JSON without them.
type scan struct {
	in     []byte
	dec    *jsontext.Decoder
	out    []byte
	bodies [][]byte // of each entry's resource, nil if it has none
	limit  int
	broken bool // this is no JSON object
	err    error
}

// object copies an object whose members are each copied, or not, by a function.
func (s *scan) object(member func(name string) (copied bool)) {
	s.token()
	s.out = append(s.out, '{')
	for !s.broken && s.err == nil && s.dec.PeekKind() != '}' {
		start := len(s.out)
		if s.out[start-1] != '{' {
			s.out = append(s.out, ',')
		}
		name := s.token()
		s.out, _ = jsontext.AppendQuote(s.out, name)
		s.out = append(s.out, ':')
		if s.broken || !member(name) {
			s.out = s.out[:start]
		}
	}
	s.token()
	s.out = append(s.out, '}')
}

// token reads one and returns its text.
func (s *scan) token() string {
	if s.broken {
		return ""
	}
	t, err := s.dec.ReadToken()
	s.broken = err != nil
	return t.String()
}

// value reads one.
func (s *scan) value() []byte {
	v, err := s.dec.ReadValue()
	s.broken = s.broken || err != nil
	return v
}

// member copies a member of the Bundle.
func (s *scan) member(name string) bool {
	if name != "entry" || s.dec.PeekKind() != '[' {
		s.out = append(s.out, s.value()...)
		return true
	}
	s.token()
	s.out = append(s.out, '[')
	for !s.broken && s.err == nil && s.dec.PeekKind() == '{' {
		if s.out[len(s.out)-1] != '[' {
			s.out = append(s.out, ',')
		}
		if s.limit > 0 && len(s.bodies) == s.limit {
			s.err = fhirmap.Errorf(fhirmap.CodeTooLong, "Bundle.entry", "the Bundle has more than the %d entries that one request may have; send several", s.limit)
			return true
		}
		s.entry()
	}
	if !s.broken && s.err == nil && s.dec.PeekKind() != ']' {
		s.out = append(s.out, s.value()...) // no object: the validation says so
		s.broken = true
		return true
	}
	s.token()
	s.out = append(s.out, ']')
	return true
}

// entry copies an entry without its resource.
func (s *scan) entry() {
	var body []byte
	asks := false
	s.object(func(name string) bool {
		switch name {
		case "resource":
			n := len(s.value())
			end := int(s.dec.InputOffset())
			body = s.in[end-n : end : end]
			return false
		case "request":
			asks = true
		}
		s.out = append(s.out, s.value()...)
		return true
	})
	if !asks && !s.broken && s.err == nil {
		s.err = fhirmap.Errorf(fhirmap.CodeRequired, at(len(s.bodies), "request"),
			"the entry has no request; it must have one with a method and a url, as in POST and Patient")
	}
	s.bodies = append(s.bodies, body)
}
