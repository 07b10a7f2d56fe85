package server

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// parse reads a search whose modifiers may ask for value sets and code systems: those that are stored, that the caller may search,
// and as they are at a snapshot ("" is now). asked tells that one was needed.
func (c *Config) parse(tx *storage.Tx, typ string, pairs []search.Pair, lenient bool, at driver.Snapshot) (s *search.Search, asked bool, err error) {
	searches, asked, err := c.parseTypes(tx, []string{typ}, pairs, lenient, at)
	if err != nil {
		return nil, asked, err
	}
	return searches[0], asked, nil
}

// parseTypes is parse of a search over several types.
func (c *Config) parseTypes(tx *storage.Tx, types []string, pairs []search.Pair, lenient bool, at driver.Snapshot) ([]*search.Search, bool, error) {
	t := &terms{Config: c, tx: tx, at: at}
	searches, err := c.Catalog.ParseTypes(types, pairs, search.ParseOptions{Lenient: lenient, Terms: t.bound()})
	if t.err != nil {
		return nil, true, t.err
	}
	return searches, t.asked, err
}

// terms reads stored ValueSets and CodeSystems for one search.
type terms struct {
	*Config
	tx      *storage.Tx
	at      driver.Snapshot
	asked   bool
	err     error // of the store; what the search was told instead is of no account
	sets    map[string][]search.Concept
	systems map[string]*codeSystem
	open    []string // the value sets that are being worked out, outermost first
}

func (t *terms) bound() search.Terms {
	return search.Terms{
		Codes: func(name string) ([]search.Concept, *fhirmap.Outcome) {
			return told(t, func() ([]search.Concept, error) { return t.codes(name) })
		},
		Below: func(c search.Concept) ([]search.Concept, *fhirmap.Outcome) {
			return told(t, func() ([]search.Concept, error) { return t.related(c, (*codeSystem).below) })
		},
		Above: func(c search.Concept) ([]search.Concept, *fhirmap.Outcome) {
			return told(t, func() ([]search.Concept, error) { return t.related(c, (*codeSystem).above) })
		},
		Parts: func(k driver.Key) ([]driver.Key, *fhirmap.Outcome) {
			return told(t, func() ([]driver.Key, error) { return t.parts(k, false) })
		},
		Wholes: func(k driver.Key) ([]driver.Key, *fhirmap.Outcome) {
			return told(t, func() ([]driver.Key, error) { return t.parts(k, true) })
		},
	}
}

// told keeps an error of the store for parse, and gives what the client did wrong to the search.
func told[T any](t *terms, read func() (T, error)) (none T, _ *fhirmap.Outcome) {
	t.asked = true
	if t.err != nil {
		return none, &fhirmap.Outcome{}
	}
	found, err := read()
	var o *fhirmap.Outcome
	switch {
	case err == nil:
		return found, nil
	case errors.As(err, &o):
		return none, o
	}
	t.err = err
	return none, &fhirmap.Outcome{}
}

// The elements of a ValueSet and a CodeSystem that are read (R4 sections 4.9 and 4.8).
type (
	valueSet struct {
		URL, Version string
		Compose      *struct{ Include, Exclude []valueSetPart }
		Expansion    *struct {
			Total, Offset int
			Contains      []valueSetItem
		}
	}
	valueSetPart struct {
		System, Version string
		Concept         []struct{ Code string }
		Filter          []valueSetFilter
		ValueSet        []string
	}
	valueSetFilter struct{ Property, Op, Value string }
	valueSetItem   struct {
		System, Code string
		Abstract     bool
		Contains     []valueSetItem
	}
	codeSystem struct {
		URL, Version, Content, HierarchyMeaning string
		Concept                                 []codeSystemConcept

		all     []*codeSystemConcept // in the order of the document
		byCode  map[string]*codeSystemConcept
		parents map[string][]string
		kinds   map[string][]string // code to the codes just below it
	}
	codeSystemConcept struct {
		Code, Display string
		Property      []map[string]any
		Concept       []codeSystemConcept
	}
)

// codes works out the codes of a value set.
func (t *terms) codes(name string) ([]search.Concept, error) {
	if list, ok := t.sets[name]; ok {
		return list, nil
	}
	if slices.Contains(t.open, name) {
		return nil, fhirmap.Errorf(fhirmap.CodeValue, "", "the value set %s includes itself, by way of %s",
			clip(name), clip(strings.Join(append(t.open, name), " → ")))
	}
	if len(t.open) == maxNested {
		return nil, fhirmap.Errorf(fhirmap.CodeValue, "", "the value set %s includes others more than %d deep", clip(t.open[0]), maxNested)
	}
	body, err := t.one("ValueSet", name)
	if err != nil {
		return nil, err
	}
	if body == nil {
		return nil, fhirmap.Errorf(fhirmap.CodeValue, "", "the value set %s is not stored here; store it first, or write its url or ValueSet/id", clip(name))
	}
	var vs valueSet
	if err := json.Unmarshal(body, &vs); err != nil {
		return nil, err
	}
	t.open = append(t.open, name)
	defer func() { t.open = t.open[:len(t.open)-1] }()
	list, err := t.expand(name, &vs)
	if err != nil {
		return nil, err
	}
	if t.sets == nil {
		t.sets = map[string][]search.Concept{}
	}
	t.sets[name] = list
	return list, nil
}

// maxNested is how deep value sets may include others.
const maxNested = 20

// expand works out a value set: its own expansion if it has all of one, else what it is composed of.
func (t *terms) expand(name string, vs *valueSet) ([]search.Concept, error) {
	found := concepts{most: t.Limits.Codes, of: name, seen: map[search.Concept]bool{}}
	if e := vs.Expansion; e != nil {
		found.items(e.Contains)
		if e.Offset == 0 && e.Total <= len(found.list) && len(found.list) > 0 {
			return found.list, found.err()
		}
		found = concepts{most: found.most, of: name, seen: map[search.Concept]bool{}}
	}
	if vs.Compose == nil {
		return nil, fhirmap.Errorf(fhirmap.CodeValue, "", "the value set %s neither says what it is composed of nor holds a whole expansion", clip(name))
	}
	for _, part := range vs.Compose.Include {
		list, err := t.part(name, part)
		if err != nil {
			return nil, err
		}
		found.add(list...)
	}
	for _, part := range vs.Compose.Exclude {
		list, err := t.part(name, part)
		if err != nil {
			return nil, err
		}
		if err := found.remove(list); err != nil {
			return nil, err
		}
	}
	return found.list, found.err()
}

// part works out one include or exclude: what is in its system by enumeration or by all its filters, and in each of its value sets.
func (t *terms) part(name string, p valueSetPart) ([]search.Concept, error) {
	var list []search.Concept
	begun := false
	if p.System != "" {
		var err error
		if list, err = t.ofSystem(name, p); err != nil {
			return nil, err
		}
		begun = true
	}
	for _, other := range p.ValueSet {
		codes, err := t.codes(other)
		if err != nil {
			return nil, err
		}
		if !begun {
			list, begun = codes, true
			continue
		}
		list = both(list, codes)
	}
	return list, nil
}

// both keeps what is in two lists; a whole system of one keeps its codes of the other.
func both(a, b []search.Concept) []search.Concept {
	in := func(list []search.Concept) map[search.Concept]bool {
		m := make(map[search.Concept]bool, len(list))
		for _, c := range list {
			m[c] = true
		}
		return m
	}
	inA, inB := in(a), in(b)
	out := slices.DeleteFunc(slices.Clone(a), func(c search.Concept) bool { return !inB[c] && !inB[search.Concept{System: c.System}] })
	for _, c := range b {
		if c.Code != "" && !inA[c] && inA[search.Concept{System: c.System}] {
			out = append(out, c)
		}
	}
	return out
}

func (t *terms) ofSystem(name string, p valueSetPart) ([]search.Concept, error) {
	var list []search.Concept
	if len(p.Concept) > 0 {
		for _, c := range p.Concept {
			list = append(list, search.Concept{System: p.System, Code: c.Code})
		}
		return list, nil
	}
	system := p.System
	if p.Version != "" {
		system += "|" + p.Version
	}
	cs, err := t.system(system)
	if err != nil {
		return nil, err
	}
	if len(p.Filter) == 0 && (cs == nil || cs.Content != "complete") {
		return []search.Concept{{System: p.System}}, nil // all there are, whether known or not
	}
	if cs == nil {
		return nil, fhirmap.Errorf(fhirmap.CodeValue, "", "the value set %s selects from the code system %s, which is not stored here", clip(name), clip(system))
	}
	if err := cs.whole(); err != nil {
		return nil, err
	}
	codes := cs.codes()
	for _, f := range p.Filter {
		kept, err := cs.filter(f)
		if err != nil {
			return nil, fhirmap.Errorf(fhirmap.CodeNotSupported, "", "the value set %s selects from %s by what is not known here: %v", clip(name), clip(system), err)
		}
		codes = slices.DeleteFunc(codes, func(c string) bool { return !kept(c) })
	}
	for _, c := range codes {
		list = append(list, search.Concept{System: p.System, Code: c})
	}
	return list, nil
}

// related finds the codes above or below a concept.
func (t *terms) related(c search.Concept, of func(*codeSystem, string) []string) ([]search.Concept, error) {
	cs, err := t.system(c.System)
	if err != nil {
		return nil, err
	}
	if cs == nil {
		return nil, fhirmap.Errorf(fhirmap.CodeValue, "", "the code system %s is not stored here, so what is above or below a code of it is not known", clip(c.System))
	}
	if err := cs.whole(); err != nil {
		return nil, err
	}
	if cs.byCode[c.Code] == nil {
		return nil, fhirmap.Errorf(fhirmap.CodeValue, "", "the code system %s has no code %q", clip(c.System), clip(c.Code))
	}
	found := concepts{most: t.Limits.Codes, of: c.System + "|" + c.Code, seen: map[search.Concept]bool{}}
	for _, code := range of(cs, c.Code) {
		found.add(search.Concept{System: c.System, Code: code})
	}
	return found.list, found.err()
}

// concepts is a set in the order in which it was told, up to a limit.
type concepts struct {
	most int
	of   string
	list []search.Concept
	seen map[search.Concept]bool
	over bool
}

func (s *concepts) add(list ...search.Concept) {
	for _, c := range list {
		if s.seen[c] {
			continue
		}
		if len(s.list) == s.most {
			s.over = true
			return
		}
		s.seen[c] = true
		s.list = append(s.list, c)
	}
}

func (s *concepts) items(list []valueSetItem) {
	for _, i := range list {
		if i.Code != "" && !i.Abstract {
			s.add(search.Concept{System: i.System, Code: i.Code})
		}
		s.items(i.Contains)
	}
}

func (s *concepts) remove(list []search.Concept) error {
	not := make(map[search.Concept]bool, len(list))
	for _, c := range list {
		if whole := (search.Concept{System: c.System}); c.Code != "" && s.seen[whole] {
			return fhirmap.Errorf(fhirmap.CodeNotSupported, "",
				"the value set %s excludes codes from the whole of %s, which is not stored here; store the code system", clip(s.of), clip(c.System))
		}
		not[c] = true
	}
	s.list = slices.DeleteFunc(s.list, func(c search.Concept) bool { return not[c] || not[search.Concept{System: c.System}] })
	return nil
}

func (s *concepts) err() error {
	if s.over {
		return fhirmap.Errorf(fhirmap.CodeValue, "", "%s has more than %d codes, the most that a search takes; use one with fewer", clip(s.of), s.most)
	}
	return nil
}

// system reads a code system by its url, with |version or without; nil if it is not stored.
func (t *terms) system(name string) (*codeSystem, error) {
	if cs, ok := t.systems[name]; ok {
		return cs, nil
	}
	body, err := t.one("CodeSystem", name)
	if err != nil {
		return nil, err
	}
	var cs *codeSystem
	if body != nil {
		cs = &codeSystem{byCode: map[string]*codeSystemConcept{}, parents: map[string][]string{}, kinds: map[string][]string{}}
		if err := json.Unmarshal(body, cs); err != nil {
			return nil, err
		}
		cs.read(cs.Concept, "")
	}
	if t.systems == nil {
		t.systems = map[string]*codeSystem{}
	}
	t.systems[name] = cs
	return cs, nil
}

// one reads the resource that a canonical URL or a reference names, nil if there is none. Of several versions the newest counts, as
// their numbers compare, and of equal ones that which was changed last.
func (t *terms) one(typ, name string) ([]byte, error) {
	var where driver.Query
	if k, ok := t.Catalog.Local(name); ok && k.Type == typ {
		where = driver.IDs{k.ID}
	} else {
		url, version, _ := strings.Cut(name, "|")
		pairs := []search.Pair{{Name: "url", Value: search.Escape(url)}}
		if version != "" {
			pairs = append(pairs, search.Pair{Name: "version", Value: search.Escape(version)})
		}
		s, err := t.Catalog.Parse(typ, pairs, search.ParseOptions{})
		if err != nil {
			return nil, err
		}
		where = s.Where
	}
	var best []byte
	var version, changed string
	for hit, err := range t.tx.Find(driver.Find{Type: typ, Where: where, At: t.at, Limit: 1000, Budget: t.Limits.Within}) {
		if err != nil {
			return nil, err
		}
		var head struct {
			Version string
			Meta    struct{ LastUpdated string }
		}
		if err := json.Unmarshal(hit.Body, &head); err != nil {
			return nil, err
		}
		if n := compareVersions(head.Version, version); best == nil || n > 0 || n == 0 && head.Meta.LastUpdated > changed {
			best, version, changed = hit.Body, head.Version, head.Meta.LastUpdated
		}
	}
	return best, nil
}

// compareVersions orders versions part by part, numbers as numbers: 4.0.1 is before 4.0.10, and none before any.
func compareVersions(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := 0; i < len(as) && i < len(bs); i++ {
		n, errA := strconv.Atoi(as[i])
		m, errB := strconv.Atoi(bs[i])
		c := cmp.Compare(as[i], bs[i])
		if errA == nil && errB == nil {
			c = cmp.Compare(n, m)
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(len(as), len(bs))
}
