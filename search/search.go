// Package search turns resources into index rows, and search URLs into queries over those rows. It touches no database.
//
// A Catalog is made from SearchParameter definitions: nothing here knows a resource type, and what a parameter does follows
// from its type (a kind: token, string, date, number, quantity, reference, uri, composite), its expression, and the FHIR type
// of the elements which that selects. Each kind stands in one file as one table: which rows an element gives, which modifiers
// there are and what each means. The parser, the CapabilityStatement and the error texts all read that table.
//
//	Resource ── Catalog.Rows ──▶ rows ──┐
//	                                    ├── driver.Match, or a backend
//	URL ── Catalog.Parse ──▶ Search.Where ┘
//
// # Fields
//
// A field bears the code of its parameter; what else is known of a value stands in fields with a suffix.
//
//	field            bytes of a row
//	code             token: code, case folded · 00 · system · 00 (no system: code · 00)
//	code:text        display and text, normalised
//	identifier:of-type  type code · 00 · type system · 00 · value, the codes folded
//	name             string, normalised
//	name:part        what is left of a person's name from each later word on
//	name:exact       string as it is
//	date             driver.Instant: a point from seconds on, else an interval
//	probability      number (see number.go)
//	value-quantity   number as written; quantity:unit is unit · 00 · system · 00 · number
//	subject          reference: id · 00 · type; what is no resource of this server: url · 00
//	subject:identifier  as a token
//	url              uri as it is
//	_patient         reference: every Patient in whose compartment the resource lies (its own: storage)
//	_lastUpdated     driver.Instant (storage)
//
// A parameter that selects what others select already (patient and subject, phonetic and name, combo-code and code) reads their
// fields; a composite joins those of its components by Group.
package search

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/fhirmap"
)

// Options is what a Catalog needs to know of its server. The zero value is useful.
type Options struct {
	Zone  *time.Location   // of dates and times that name none; nil: UTC
	Base  string           // this server's FHIR base, "https://host/fhir": references below it are local
	Clock func() time.Time // for the prefix ap on dates; nil: time.Now

	CaseSensitive func(system string) bool // whether the codes of a system differ by case; nil: the few known ones

	DefaultCount int // page size if none is asked for; 0: 50
	MaxCount     int // largest page size; 0: 1,000
	MaxValue     int // bytes of one parameter's value; 0: 64 KiB
	MaxOr        int // values in one list; 0: 2,000
	MaxAnd       int // parameters in one search; 0: 100
	MaxSort      int // sort keys; 0: 10
	MaxRows      int // index rows of one resource; 0: 50,000
}

func (o Options) withDefaults() Options {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.CaseSensitive == nil {
		o.CaseSensitive = caseSensitive
	}
	o.Base = strings.TrimRight(o.Base, "/")
	for _, d := range []struct {
		n     *int
		value int
	}{
		{&o.DefaultCount, 50}, {&o.MaxCount, 1000}, {&o.MaxValue, 64 << 10}, {&o.MaxOr, 2000}, {&o.MaxAnd, 100},
		{&o.MaxSort, 10}, {&o.MaxRows, 50_000},
	} {
		if *d.n <= 0 {
			*d.n = d.value
		}
	}
	o.DefaultCount = min(o.DefaultCount, o.MaxCount)
	return o
}

// Catalog knows every search parameter of every resource type. It does not change and may be used from many goroutines.
type Catalog struct {
	options Options
	types   map[string]*schema
}

// NewCatalog compiles search parameters. Of two definitions with one code for one type the first counts. The error names a
// definition that cannot be compiled.
func NewCatalog(params []r4.SearchParameter, o Options) (*Catalog, error) {
	c := &Catalog{options: o.withDefaults(), types: map[string]*schema{}}
	paths := pathCache{}
	patients := patientCompartment()
	for _, typ := range fhirmap.ResourceTypes() {
		s, err := newSchema(typ, params, paths, patients[typ])
		if err != nil {
			return nil, err
		}
		c.types[typ] = s
	}
	return c, nil
}

// patientCompartment returns, by resource type, the codes of the parameters that put a resource into a Patient's compartment.
func patientCompartment() map[string][]string {
	i := slices.IndexFunc(r4.Compartments, func(c r4.Compartment) bool { return c.Code == "Patient" })
	if i < 0 {
		return nil
	}
	return r4.Compartments[i].Resources
}

// Parameter is what the catalog can do with one search parameter of one type: what a CapabilityStatement may claim. Its slices
// are shared and must not be changed.
type Parameter struct {
	Code        string
	Definition  string // canonical URL of the SearchParameter
	Type        string // number, date, string, token, reference, composite, quantity or uri
	Modifiers   []string
	Comparators []string
	Targets     []string // resource types a reference may point to
	Sortable    bool
	Fields      []string // the fields it reads, without suffixes; none of a composite and of _id
}

// For lists the search parameters that work for a resource type, by code. It is empty for what is no resource type.
func (c *Catalog) For(typ string) []Parameter {
	s := c.types[typ]
	if s == nil {
		return nil
	}
	out := make([]Parameter, 0, len(s.codes))
	for _, code := range s.codes {
		out = append(out, s.params[code].claim())
	}
	return out
}

func (p *parameter) claim() Parameter {
	out := Parameter{
		Code: p.code, Definition: p.def.URL, Type: p.kind.name, Targets: p.def.Target,
		Comparators: p.kind.comparators, Sortable: p.sortable(),
	}
	for _, src := range p.sources {
		if p.kind != ids && p.kind != composites {
			out.Fields = append(out.Fields, src.field)
		}
	}
	for _, m := range p.kind.modifiers {
		if m.name != "" {
			out.Modifiers = append(out.Modifiers, m.name)
		}
	}
	return out
}

// pathCache compiles each expression once.
type pathCache map[string]*fhirmap.Path

func (c pathCache) compile(expr string) (*fhirmap.Path, error) {
	if p := c[expr]; p != nil {
		return p, nil
	}
	p, err := fhirmap.CompilePath(expr)
	if err != nil {
		return nil, fmt.Errorf("expression %q: %w", expr, err)
	}
	c[expr] = p
	return p, nil
}
