package search

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// Pair is one parameter of a search URL or form, decoded.
type Pair struct{ Name, Value string }

// Decode reads a query string or a form body (application/x-www-form-urlencoded) in its order. With an error comes the part that is not
// encoded as it must be.
func Decode(raw string) (ps []Pair, bad string, err error) {
	if raw == "" {
		return nil, "", nil
	}
	ps = make([]Pair, 0, strings.Count(raw, "&")+1)
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		n, err := url.QueryUnescape(name)
		if err == nil {
			value, err = url.QueryUnescape(value)
		}
		if err != nil {
			return nil, part, err
		}
		ps = append(ps, Pair{n, value})
	}
	return ps, "", nil
}

// ParseOptions is what a request says beside its parameters.
type ParseOptions struct {
	Lenient bool  // unknown parameters are ignored and named in Search.Ignored: Prefer: handling=lenient
	Terms   Terms // what :in, :not-in, :above and :below of tokens ask

	peers []string // the types that are searched together; nil: one alone
	cost  *cost    // of all of them
}

// Clause is what one parameter asks for.
type Clause struct {
	Pair
	Query driver.Query
}

// Search is a search on one resource type, translated.
type Search struct {
	Type     string
	Where    driver.Query // nil: every record of the type
	Sort     []driver.Order
	Count    int // hits of a page; 0: only the total is asked for
	Total    Total
	Summary  string   // _summary: true, text, data or false; "" if not given. count is Count 0
	Elements []string // _elements
	Include  []Include
	Clauses  []Clause // of Where, in the order given
	Self     []Pair   // what was understood, in the order given: the parameters of the self link
	Ignored  []string // names of unknown parameters that were ignored
}

// Narrow adds what must hold besides the parameters.
func (s *Search) Narrow(by Clause) {
	s.Clauses = append([]Clause{by}, s.Clauses...)
	if s.Where == nil {
		s.Where = by.Query
	} else {
		s.Where = driver.And{by.Query, s.Where}
	}
}

// parse is Catalog.Parse.
func (c *edition) parse(typ string, pairs []Pair, o ParseOptions) (*Search, error) {
	schema := c.types[typ]
	if schema == nil {
		return nil, fhirmap.Errorf(fhirmap.CodeNotSupported, "", "%q is no resource type of FHIR R4", typ)
	}
	if o.peers == nil {
		o.peers, o.cost = []string{typ}, &cost{}
	}
	s := &Search{Type: typ, Count: c.options.DefaultCount}
	var where driver.And
	wrong := &fhirmap.Outcome{}
	seen := map[string]bool{}
	for _, p := range pairs {
		a := &ask{edition: c, schema: schema, name: p.Name, terms: o.Terms, peers: o.peers, cost: o.cost}
		code, _, modified := strings.Cut(p.Name, ":")
		if control := controlOf(code); control != nil {
			if modified && !control.iterate {
				wrong.Issues = append(wrong.Issues, a.fail(fhirmap.CodeNotSupported, "%s takes no modifier", code).Issues...)
				continue
			}
			if seen[code] && !control.repeats {
				wrong.Issues = append(wrong.Issues, a.bad("given twice; give it once").Issues...)
				continue
			}
			seen[code] = true
			value, err := control.read(s, a, p.Value, o)
			if err != nil {
				wrong.Issues = append(wrong.Issues, err.Issues...)
			} else if value != "" {
				s.Self = append(s.Self, Pair{p.Name, value})
			}
			continue
		}
		q, err := a.clause(p)
		switch {
		case err == nil:
			where = append(where, q)
			s.Clauses = append(s.Clauses, Clause{p, q})
			s.Self = append(s.Self, p)
		case a.absent && o.Lenient:
			s.Ignored = append(s.Ignored, p.Name)
		default:
			wrong.Issues = append(wrong.Issues, err.Issues...)
		}
	}
	if len(where) > c.options.MaxAnd {
		wrong.Issues = append(wrong.Issues, fhirmap.Errorf(fhirmap.CodeTooLong, "",
			"%d parameters are more than the %d that one search may have", len(where), c.options.MaxAnd).Issues...)
	}
	if len(wrong.Issues) > 0 {
		return nil, wrong
	}
	switch len(where) {
	case 0:
	case 1:
		s.Where = where[0]
	default:
		s.Where = where
	}
	return s, nil
}

// clause translates one parameter, over whatever steps its name has.
func (a *ask) clause(p Pair) (driver.Query, *fhirmap.Outcome) {
	if len(p.Value) > a.options.MaxValue {
		return nil, a.fail(fhirmap.CodeTooLong, "the value has %d bytes; %d are the most", len(p.Value), a.options.MaxValue)
	}
	if strings.IndexByte(p.Value, 0) >= 0 {
		return nil, a.bad("a zero byte; FHIR has none in any value")
	}
	return a.reach(p.Name, func(a *ask, name string) (driver.Query, *fhirmap.Outcome) { return a.plain(name, p.Value) })
}

// special is a parameter that every type has and that no definition's expression tells the meaning of. It takes no modifier.
type special struct {
	name    string
	finds   string // in the page docs/search.md
	example string
	query   func(*ask, string) (driver.Query, *fhirmap.Outcome)
}

func specials() []special {
	return []special{
		{contentField, "words of all text of the resource: all of them, OR and NOT between them, parentheses, word* for a beginning; where words are indexed",
			"liver (bone OR lung*)", contains(contentField)},
		{"_filter", "an expression of comparisons and and, or, not (R4 search_filter.html)", `name co "pet" and not (birthdate lt 2000)`, filterIs},
		{"_list", "what the entries of a stored List refer to, by the List's id", "current-patients", listIs},
		{narrativeField, "the same as _content, of the narrative", "liver", contains(narrativeField)},
	}
}

func specialOf(name string) *special {
	all := specials()
	i := slices.IndexFunc(all, func(s special) bool { return s.name == name })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// plain translates a parameter of the type that was reached. If the type does not have it the ask is marked absent.
func (a *ask) plain(written, value string) (driver.Query, *fhirmap.Outcome) {
	code, name, modified := strings.Cut(written, ":")
	a.param = a.schema.params[code]
	if a.param == nil {
		if special := specialOf(code); special != nil {
			if modified {
				return nil, a.fail(fhirmap.CodeNotSupported, "%s takes no modifier", code)
			}
			return special.query(a, value)
		}
		return nil, a.unknown(code)
	}
	m := a.param.modifier(name)
	if m == nil && fhirmap.IsResource(name) {
		if m = a.param.modifier(anyType); m != nil {
			if a.target = name; !a.param.targets(name) {
				return nil, a.fail(fhirmap.CodeNotSupported, "%s does not refer to a %s; it refers to %s",
					code, name, strings.Join(a.param.def.Target, ", "))
			}
		}
	}
	if m == nil || modified && (name == "" || name == anyType) {
		return nil, a.fail(fhirmap.CodeNotSupported, "a %s parameter has no modifier %q; %s", a.param.kind.name, ":"+name, a.param.modifiers())
	}
	return m.query(a, value)
}

func (p *parameter) modifier(name string) *modifier {
	i := slices.IndexFunc(p.kind.modifiers, func(m modifier) bool { return m.name == name && (m.when == nil || m.when(p)) })
	if i < 0 {
		return nil
	}
	return &p.kind.modifiers[i]
}

// modifiers says which there are.
func (p *parameter) modifiers() string {
	names := p.claim().Modifiers
	if len(names) == 0 {
		return "it takes none"
	}
	return "it takes :" + strings.Join(names, ", :")
}

// nobodys is the error of a type that others stand beside, which is never shown: to list what each type has would cost more than to look.
var nobodys = fhirmap.Errorf(fhirmap.CodeNotSupported, "", "unknown")

// unknown is the error of a parameter that the type does not have; it lists those that it has.
func (a *ask) unknown(code string) *fhirmap.Outcome {
	if p := a.schema.awaited[code]; p != nil {
		return a.wait(p)
	}
	a.absent = true
	if a.quiet {
		return nobodys
	}
	why := fmt.Sprintf("%s has no search parameter %q", a.schema.typ, code)
	switch {
	case a.schema.idle[code] != "":
		why = fmt.Sprintf("the search parameter %q of %s does not work: %s", code, a.schema.typ, a.schema.idle[code])
	case a.schema.mute[code]:
		why = fmt.Sprintf("the search parameter %q of %s is published, but not answered here", code, a.schema.typ)
	case code == "_has":
		why = "_has is written _has:[type]:[reference]:[parameter]"
	}
	if len(a.peers) > 1 {
		why += fmt.Sprintf(", and a parameter must be known for each of the %d types that are searched", len(a.peers))
	}
	known := append(a.common(known), "_has")
	for _, c := range controls {
		known = append(known, c.name)
	}
	for _, s := range specials() {
		if a.options.Text || s.name != narrativeField && s.name != contentField {
			known = append(known, s.name)
		}
	}
	slices.Sort(known)
	return fhirmap.Errorf(fhirmap.CodeNotSupported, "http."+a.name, "%s; known are %s", why, strings.Join(known, ", "))
}
