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
//	value-quantity   number as written; value-quantity:unit is unit · 00 · system · 00 · number
//	value-quantity:ucum  canonical unit · 00 · number in it
//	subject          reference: id · 00 · type; what is no resource of this server: url · 00
//	subject:identifier  as a token
//	url              uri as it is
//	_text, _content  a word, normalised, if Options.Text asks for words
//	_patient         reference: every Patient in whose compartment the resource lies (its own: storage)
//	_lastUpdated     driver.Instant (storage)
//
// A parameter that selects what others select already (patient and subject, phonetic and name, combo-code and code) reads their
// fields; a composite joins those of its components by Group.
package search

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// Rules is the version of the rules by which resources become rows. A store that was indexed by others must be indexed anew.
const Rules = 2

// Options is what a Catalog needs to know of its server. The zero value is useful.
type Options struct {
	Zone  *time.Location   // of dates and times that name none; nil: UTC
	Text  bool             // words of narratives and of all text are rows, and _text and _content search them
	Base  string           // this server's FHIR base, "https://host/fhir": references below it are local
	Clock func() time.Time // for the prefix ap on dates; nil: time.Now

	// CaseSensitive are the systems whose codes differ by case; nil: UCUM and ISO 11073-10101. CodeSystem.caseSensitive of what is stored is
	// not heeded: rows of any resource would depend on another. The list is part of the rules of a store, which is indexed anew with another.
	CaseSensitive []string

	DefaultCount int // page size if none is asked for; 0: 50
	MaxCount     int // largest page size; 0: 1,000
	MaxValue     int // bytes of one parameter's value; 0: 64 KiB
	MaxOr        int // values in one list; 0: 2,000
	MaxAnd       int // parameters in one search; 0: 100
	MaxSort      int // sort keys; 0: 10
	MaxRows      int // index rows of one resource; 0: 50,000
	MaxChain     int // resources that one parameter reaches through by chains and _has; 0: 8
	MaxSteps     int // ways through the types that the chains of one search may take; 0: 5,000
	MaxLookups   int // alternatives that one search may come to, by lists, value sets, chains and types; 0: 500,000

	units *unitCache
}

func (o Options) withDefaults() Options {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.CaseSensitive == nil {
		o.CaseSensitive = caseSensitive()
	}
	o.CaseSensitive = slices.Compact(slices.Sorted(slices.Values(o.CaseSensitive)))
	o.Base = strings.TrimRight(o.Base, "/")
	o.units = &unitCache{known: map[string]*unit{}}
	for _, d := range []struct {
		n     *int
		value int
	}{
		{&o.DefaultCount, 50}, {&o.MaxCount, 1000}, {&o.MaxValue, 64 << 10}, {&o.MaxOr, 2000}, {&o.MaxAnd, 100},
		{&o.MaxSort, 10}, {&o.MaxRows, 50_000}, {&o.MaxChain, 8}, {&o.MaxSteps, 5000}, {&o.MaxLookups, 500_000},
	} {
		if *d.n <= 0 {
			*d.n = d.value
		}
	}
	o.DefaultCount = min(o.DefaultCount, o.MaxCount)
	return o
}

// Catalog knows every search parameter of every resource type. It changes from one edition to the next while it is used, see
// custom.go; each method sees one edition. It may be used from many goroutines.
type Catalog struct {
	edition   atomic.Pointer[edition]
	published published
	mu        sync.Mutex // one change at a time
}

// published is what R4 defines: of it every edition is made.
type published struct {
	types map[string]*schema
	urls  map[string]bool // of all definitions, those that nothing answers too
}

// edition is what a catalog knows at one moment. It does not change: the methods of Catalog are those of its edition of the moment, and
// what is begun with one edition, a search or the rows of a resource, is finished with it.
type edition struct {
	options Options
	types   map[string]*schema

	customs     []custom
	number      uint64
	generations map[string]uint64 // by type: the number of the edition that last changed what rows are written
	rebuilding  func() string     // not nil: all rows are being made anew
	sources     map[string]bool   // identifier systems whose values are unique, see sourced.go
}

func (c *Catalog) now() *edition { return c.edition.Load() }

// Rules names the rules by which resources become rows: their version, and the options that rows depend on. A store that was indexed by
// others must be indexed anew. The base is not among them: it may come from the port that is listened on.
func (c *Catalog) Rules() string {
	o := c.now().options
	rules := fmt.Sprintf("%d zone=%s text=%t", Rules, o.Zone, o.Text)
	if !slices.Equal(o.CaseSensitive, caseSensitive()) {
		rules += " case=" + strings.Join(o.CaseSensitive, ",")
	}
	return rules
}

// Local reads a reference to a resource of this server: relative, or absolute below its base.
func (c *Catalog) Local(s string) (driver.Key, bool) { return c.now().local(s) }

// PartOf returns the reference parameter by which resources of a type are parts of others of it (Location.partOf), and its field; "" if
// there is none.
func (c *Catalog) PartOf(typ string) (code, field string) { return c.now().partOf(typ) }

// Parse translates the parameters of a search on a type; all of them must hold. It touches no database. The error is an
// Outcome with an issue for each parameter that is wrong: not-supported for what is unknown, value for a bad value, too-long
// beyond a limit.
func (c *Catalog) Parse(typ string, pairs []Pair, o ParseOptions) (*Search, error) {
	e := c.now()
	if err := e.complete(); err != nil {
		return nil, err
	}
	return e.parse(typ, pairs, o)
}

// ParseTypes is Parse of a search over several types (R4 3.1.1.3): one Search for each, in their order. Every parameter must be known for
// each of them; in a lenient search one that is unknown for any is ignored for all.
func (c *Catalog) ParseTypes(types []string, pairs []Pair, o ParseOptions) ([]*Search, error) {
	e := c.now()
	if err := e.complete(); err != nil {
		return nil, err
	}
	return e.several(types, pairs, o)
}

// Placed makes what tells where the hits of a search stand in its order, for merging those of several types. It tells
// whether it wants their bodies: not for a sort by _id and _lastUpdated.
func (c *Catalog) Placed(s *Search) (place func(driver.Hit) (Place, error), bodies bool) {
	return c.now().placed(s)
}

// Rows returns the index rows of a resource under the id that it has or will have, which need not be the one in its body: a posted
// body may name any. Storage adds the row of the time that it decides (_lastUpdated). The error is an Outcome: too-long if there
// are more than Options.MaxRows rows, not-supported if the type is no resource type.
func (c *Catalog) Rows(id string, r *fhirmap.Resource) ([]driver.Row, error) {
	return c.now().index(id, r)
}

// Onward tells what is to be included with records of a type; nil if no include goes on from it.
func (c *Catalog) Onward(typ string, includes []Include) Onward { return c.now().onward(typ, includes) }

// Back makes the query for what of a type is to be included because it refers to one of some records; nil if there is nothing to ask. The
// types it need be made for are BackFrom.
func (c *Catalog) Back(typ string, includes []Include, to []driver.Key) driver.Query {
	return c.now().back(typ, includes, to)
}

// Lookups translates lookups on the raw values of a type; all of them must hold. The error is an Outcome with an issue for each that is
// wrong: not-supported for a field or an operator that is not known.
func (c *Catalog) Lookups(typ string, lookups []Lookup) (*RawQuery, error) {
	e := c.now()
	if err := e.complete(); err != nil {
		return nil, err
	}
	return e.lookups(typ, lookups)
}

// BackFrom lists the resource types that reverse includes ask for, sorted.
func (c *Catalog) BackFrom(includes []Include) []string { return backFrom(includes) }

// Includes lists what _include may say of a type, and Referrers what _revinclude may say to find what refers to it, each as
// type:parameter. The referrers leave out what may refer to nearly any type, as Provenance:target does: it would be told of each.
func (c *Catalog) Includes(typ string) []string { return c.now().types[typ].includes() }

// Referrers is told with Includes.
func (c *Catalog) Referrers(typ string) []string { return c.now().referrers(typ) }

// Explain writes a query on a resource type as text, one line, the same for equal queries: the nodes as in package driver, each
// lookup as field, operator and values. A value shows as what its field holds: a time, a number, or text in quotes with a bar
// for each 00; an interval as [low, high) with an empty end where it is open, or as its common beginning and an ellipsis. Of more than 200 parts
// or values the rest is a number.
func (c *Catalog) Explain(typ string, q driver.Query) string { return c.now().explain(typ, q) }

// Tree is Explain as data.
func (c *Catalog) Tree(typ string, q driver.Query) Node { return c.now().tree(typ, q) }

// ExplainValue writes a value of a field, of a row or of a lookup.
func (c *Catalog) ExplainValue(typ, field string, v driver.Value) string {
	return c.now().explainValue(typ, field, v)
}

// Compartment asks for what of a type lies in the compartment of a resource (R4 section 2.10); false if the type is never in it. A Patient's
// is one lookup, for the patients of a resource are indexed; another's is whatever refers to it by the parameters of its definition.
func (c *Catalog) Compartment(owner driver.Key, typ string) (driver.Query, bool) {
	return c.now().compartment(owner, typ)
}

// For lists the search parameters that work for a resource type, by code. It is empty for what is no resource type.
func (c *Catalog) For(typ string) []Parameter { return c.now().claims(typ) }

// NewCatalog compiles search parameters. Of two definitions with one code for one type the first counts. The error names a
// definition that cannot be compiled.
func NewCatalog(params []r4.SearchParameter, o Options) (*Catalog, error) {
	e := &edition{options: o.withDefaults(), types: map[string]*schema{}, generations: map[string]uint64{}}
	paths := pathCache{}
	patients := patientCompartment()
	for _, typ := range fhirmap.ResourceTypes() {
		s, err := newSchema(typ, params, paths, patients[typ])
		if err != nil {
			return nil, err
		}
		e.types[typ] = s
	}
	c := &Catalog{published: published{types: e.types, urls: map[string]bool{}}}
	for _, p := range params {
		c.published.urls[p.URL] = true
	}
	c.edition.Store(e)
	return c, nil
}

// patientCompartment returns, by resource type, the codes of the parameters that put a resource into a Patient's compartment.
func patientCompartment() map[string][]string {
	all := maps.Clone(compartmentOf("Patient").Resources)
	maps.Copy(all, beyondDefinition)
	return all
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
	Finds       string   // of a parameter without a definition: what it finds
}

// Everywhere lists the parameters that every type has and that no SearchParameter of R4 defines.
func Everywhere() []Parameter {
	out := []Parameter{{Code: "_has", Type: "special", Finds: "_has:[type]:[reference]:[parameter]: what such a resource refers to"}}
	for _, s := range specials() {
		if s.name != narrativeField && s.name != contentField {
			out = append(out, Parameter{Code: s.name, Type: "special", Finds: s.finds})
		}
	}
	return out
}

func (c *edition) claims(typ string) []Parameter {
	s := c.types[typ]
	if s == nil {
		return nil
	}
	out := make([]Parameter, 0, len(s.codes))
	for _, code := range s.codes {
		out = append(out, s.params[code].claim())
	}
	return append(out, c.options.words(typ)...)
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
		if m.name != "" && (m.when == nil || m.when(p)) {
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
