package search

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/fhirmap"
)

// Custom is a search parameter of one's own: what a stored SearchParameter defines.
type Custom struct {
	r4.SearchParameter
	ID       string        // of the resource
	Indexed  string        // the Mark by which every stored resource was indexed; "": not yet
	Failed   string        // why it is given up; "": it is not
	Progress func() string // how far it is indexed, and where more is told: the end of a sentence; nil: nothing is told
}

// Standing is what became of a Custom in an edition.
type Standing struct {
	Mark  string // which rows are written for it; "": none, for it reads those of others, or does nothing
	Ready bool   // searches are answered as far as Uses says; else the resources that are stored have to be indexed first
	Uses  []Use  // by type
}

// Use is what a Custom does for one resource type.
type Use struct {
	Type string
	As   Role
	Of   string // the canonical URL of the other parameter that As is about, "" if there is none
	Why  string // of Refused and Waiting
}

// Role is what a Custom is for a type.
type Role string

// The roles.
const (
	Own     Role = "own"     // it has rows of its own
	Shared  Role = "shared"  // it selects what published parameters select, and reads their rows
	Joined  Role = "joined"  // a composite, which reads the rows of its components
	Alias   Role = "alias"   // a parameter of the same code is there that finds all that this one would: that one answers
	Refused Role = "refused" // it does nothing
	Waiting Role = "waiting" // a composite one of whose components is not known yet
)

// custom is a Custom in an edition.
type custom struct {
	*Custom
	standing *Standing
	own      map[string]*parameter // by type, where it is not refused
}

// Replace makes the next edition: the published parameters, and these, in the order in which they came. Of two with one code for one type
// the first counts. It returns what becomes of each. A published parameter never reads a field of a custom one, nor one custom parameter
// that of another, so whoever comes or goes moves no rows but its own.
func (c *Catalog) Replace(customs []Custom) []Standing {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.now()
	e := &edition{
		options: was.options, types: maps.Clone(c.published.types), number: was.number + 1, generations: maps.Clone(was.generations), rebuilding: was.rebuilding, sources: was.sources,
	}
	standings := make([]Standing, len(customs))
	paths := pathCache{}
	for i := range customs {
		e.customs = append(e.customs, custom{&customs[i], &standings[i], map[string]*parameter{}})
	}
	for _, composite := range []bool{false, true} {
		for _, x := range e.customs {
			if (x.Type == "composite") == composite {
				c.take(e, x, paths)
			}
		}
	}
	for typ, s := range e.types {
		if s.marks() != was.types[typ].marks() {
			e.generations[typ] = e.number
		}
		slices.Sort(s.codes)
	}
	c.edition.Store(e)
	return standings
}

// Rebuild makes every search wait while all rows are being made anew; nil ends it. progress is as that of a Custom.
func (c *Catalog) Rebuild(progress func() string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := *c.now()
	e.number++
	e.rebuilding = progress
	c.edition.Store(&e)
}

// complete refuses what needs rows that are not there yet.
func (c *edition) complete() error {
	if c.rebuilding == nil {
		return nil
	}
	return fhirmap.Errorf(fhirmap.CodeTransient, "", "everything is being indexed anew, and searches are answered when that is done: %s", c.rebuilding())
}

// Edition counts the changes of a catalog.
func (c *Catalog) Edition() uint64 { return c.now().number }

// Generation counts the changes of what Rows makes of the resources of a type.
func (c *Catalog) Generation(typ string) uint64 { return c.now().generations[typ] }

// Published reports whether a canonical URL is that of a parameter that R4 defines.
func (c *Catalog) Published(url string) bool { return c.published.urls[url] }

// Blame tells which of the custom parameters that are being indexed keep a resource from being indexed, by the ids of their SearchParameters:
// all that concern its type where it is not theirs alone, for its values are missing then for all. nil if it can be indexed.
func (c *Catalog) Blame(id string, r *fhirmap.Resource) []string {
	e := c.now()
	s := e.types[r.Type()]
	if s == nil {
		return nil
	}
	fails := func(left func(*parameter) bool) bool {
		_, err := e.indexed(id, r, func(p *parameter) bool { return s.awaited[p.code] != p || left(p) })
		return err != nil
	}
	if !fails(func(*parameter) bool { return true }) {
		return nil
	}
	var all, own []string
	alone := !fails(func(*parameter) bool { return false })
	for _, p := range s.awaited {
		if p.kind == composites || !p.writes() {
			continue
		}
		all = append(all, p.custom.ID)
		if alone && fails(func(q *parameter) bool { return q == p }) {
			own = append(own, p.custom.ID)
		}
	}
	if own != nil {
		all = own
	}
	slices.Sort(all)
	return all
}

// take gives a custom parameter its place in every type that has it.
func (c *Catalog) take(e *edition, x custom, paths pathCache) {
	refuse := func(why string) {
		for _, b := range x.Base {
			x.standing.Uses = append(x.standing.Uses, Use{Type: b, As: Refused, Why: why})
		}
		x.standing.Ready = true
	}
	if x.Failed != "" {
		refuse(x.Failed)
		x.idle(e, x.Failed)
		return
	}
	if err := c.check(&x.SearchParameter); err != nil {
		refuse(err.Error())
		x.idle(e, err.Error())
		return
	}
	for _, y := range e.customs {
		if y.Custom == x.Custom {
			break
		}
		if y.URL == x.URL {
			refuse("SearchParameter/" + y.ID + " defines " + x.URL + " already")
			return
		}
	}
	var marks []string
	for _, typ := range fhirmap.ResourceTypes() {
		if !appliesTo(&x.SearchParameter, typ) {
			continue
		}
		p := &parameter{code: x.Code, def: &x.SearchParameter, kind: kindOf(&x.SearchParameter), atoms: customAtoms(x.Expression, typ), custom: x.Custom}
		if len(p.atoms) == 0 {
			continue // of a parameter for every Resource that selects nothing of this one
		}
		s := e.own(typ)
		use := s.take(p)
		use.Type = typ
		x.standing.Uses = append(x.standing.Uses, use)
		switch use.As {
		case Alias:
			s.alias[x.URL] = x.Code
		case Own, Shared, Joined:
			x.own[typ] = p
		case Refused, Waiting:
			if s.params[x.Code] == nil && s.awaited[x.Code] == nil {
				s.idle[x.Code] = use.Why
			}
		}
		if use.As == Own {
			marks = append(marks, typ+" "+p.mark())
		}
	}
	if marks != nil {
		sum := sha256.Sum256([]byte(strings.Join(marks, "\n")))
		x.standing.Mark = hex.EncodeToString(sum[:12])
	}
	x.standing.Ready = x.standing.Mark == "" || x.standing.Mark == x.Indexed
	for typ, p := range x.own {
		for _, j := range p.joins {
			for _, part := range j {
				x.standing.Ready = x.standing.Ready && e.types[typ].awaited[part.param.code] != part.param
			}
		}
	}
	for typ, p := range x.own {
		s := e.types[typ]
		if !x.standing.Ready {
			s.awaited[p.code] = p
		} else {
			s.params[p.code] = p
			s.codes = append(s.codes, p.code)
		}
		if p.kind != composites && p.writes() {
			for _, a := range p.atoms {
				path, err := paths.compile(a.text)
				if err != nil { // check has compiled it
					panic(err)
				}
				s.evaluate(a, selector{p, path})
			}
		}
	}
}

// idle has the code of a parameter that does nothing tell why.
func (x custom) idle(e *edition, why string) {
	for _, typ := range fhirmap.ResourceTypes() {
		if !appliesTo(&x.SearchParameter, typ) {
			continue
		}
		if s := e.own(typ); s.params[x.Code] == nil && s.awaited[x.Code] == nil {
			s.idle[x.Code] = why
		}
	}
}

// own returns the schema of a type for an edition that is being made: one that may be changed.
func (c *edition) own(typ string) *schema {
	s := c.types[typ]
	if s.published == nil {
		s = s.clone()
		c.types[typ] = s
	}
	return s
}

// clone copies what taking custom parameters changes.
func (s *schema) clone() *schema {
	own := *s
	own.params, own.codes, own.byElement = maps.Clone(s.params), slices.Clone(s.codes), maps.Clone(s.byElement)
	own.awaited, own.idle, own.alias = map[string]*parameter{}, map[string]string{}, map[string]string{}
	own.published = s
	return &own
}

// take decides what a custom parameter is for the type.
func (s *schema) take(p *parameter) Use {
	other := s.params[p.code]
	if other == nil {
		other = s.awaited[p.code]
	}
	switch {
	case other != nil && p.within(other):
		return Use{As: Alias, Of: other.def.URL}
	case other != nil:
		return Use{As: Refused, Of: other.def.URL, Why: fmt.Sprintf("%s is %s already, and selects something else; choose another code", p.code, other.def.URL)}
	case s.mute[p.code]:
		return Use{As: Refused, Why: fmt.Sprintf("%s is a published parameter of %s; choose another code", p.code, s.typ)}
	case p.kind == composites:
		return s.takeComposite(p)
	}
	for _, suffix := range p.kind.suffixes {
		p.fields = append(p.fields, fieldName{suffix, p.code + suffix})
	}
	var published []*parameter
	for _, code := range s.published.codes {
		published = append(published, s.published.params[code])
	}
	p.sources = []source{{field: p.code}}
	p.cover(published)
	p.settle(s.published)
	if p.writes() {
		return Use{As: Own}
	}
	return Use{As: Shared, Of: s.params[p.sources[0].field].def.URL}
}

// settle replaces sources that are published parameters by what those read.
func (p *parameter) settle(s *schema) {
	var out []source
	for _, src := range p.sources {
		q := s.params[src.field]
		if src.field == p.code || q == nil {
			out = append(out, src)
			continue
		}
		for _, t := range q.sources {
			out = append(out, source{field: t.field, only: src.only})
		}
	}
	p.sources = out
}

// takeComposite works out how a composite is read. Unlike the published ones it may name components that are not there, or expressions that
// are not those of the components' rows.
func (s *schema) takeComposite(p *parameter) Use {
	for i, c := range p.def.Components {
		q := s.byDefinition(c.Definition)
		switch {
		case q == nil:
			return Use{As: Waiting, Of: c.Definition, Why: fmt.Sprintf("its component %s is not known for %s", c.Definition, s.typ)}
		case q.kind.rows == nil:
			return Use{As: Refused, Of: c.Definition, Why: fmt.Sprintf("its component %s has no rows that could be joined", c.Definition)}
		case !s.joinable(p, c, q):
			return Use{As: Refused, Of: c.Definition, Why: fmt.Sprintf(
				"component %d selects %s: that must be just what %s selects, and no list of its own", i, c.Expression, c.Definition)}
		}
	}
	if p.joins = s.joins(p); p.joins == nil {
		return Use{As: Refused, Why: "its components do not lie together below what its expression selects"}
	}
	return Use{As: Joined}
}

// joinable reports whether a component's expression selects, below some anchor, just what the rows of its parameter are made of.
func (s *schema) joinable(p *parameter, c r4.Component, q *parameter) bool {
	expression := strings.ReplaceAll(c.Expression, "%resource.", s.typ+".")
	for _, anchor := range p.atoms {
		var want []string
		for _, a := range customAtoms(expression, s.typ) {
			if strings.Contains(c.Expression, "%resource") {
				want = append(want, a.text)
			} else {
				want = append(want, anchor.text+"."+a.text)
			}
		}
		for _, src := range q.sources {
			if src.only != "" || src.rest {
				continue
			}
			writer := s.params[src.field]
			if writer == nil {
				writer = s.awaited[src.field]
			}
			if writer == nil || !same(want, writer.texts()) {
				continue
			}
			if strings.Contains(c.Expression, "%resource") || !slices.ContainsFunc(want, func(text string) bool { return !together(s.typ, anchor.text, text) }) {
				return true
			}
		}
	}
	return false
}

// together reports whether what a path selects bears the Group of the anchor that it begins with: nothing repeats in between.
func together(typ, anchor, path string) bool {
	at, before, err := reached(typ, anchor)
	to, after, err2 := reached(typ, path)
	return err == nil && err2 == nil && at != nil && to != nil && before == after
}

func same(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

func (p *parameter) texts() (out []string) {
	for _, a := range p.atoms {
		out = append(out, a.text)
	}
	return out
}

// within reports whether another parameter of the same code finds all that this one would.
func (p *parameter) within(other *parameter) bool {
	if p.def.Type != other.def.Type {
		return false
	}
	if p.kind == composites {
		return same(p.texts(), other.texts()) && slices.EqualFunc(p.def.Components, other.def.Components, func(a, b r4.Component) bool {
			return a.Expression == b.Expression
		})
	}
	theirs := other.texts()
	return !slices.ContainsFunc(p.texts(), func(t string) bool {
		return !slices.ContainsFunc(theirs, func(o string) bool { return t == o || ofAny(t) == ofAny(o) })
	})
}

// ofAny is a path without the name of the type that it begins with: Patient.id and Resource.id are one.
func ofAny(text string) string {
	if i := strings.IndexByte(text, '.'); i > 0 && text[0] >= 'A' && text[0] <= 'Z' {
		return text[i:]
	}
	return text
}

// mark tells which rows a parameter writes.
func (p *parameter) mark() string {
	return fmt.Sprintf("%s %s %t %q", p.code, p.kind.name, p.residual(), p.texts())
}

// marks tells which rows custom parameters write for the type.
func (s *schema) marks() string {
	var out []string
	for _, ps := range []map[string]*parameter{s.params, s.awaited} {
		for _, p := range ps {
			if p.custom != nil && p.kind != composites && p.writes() {
				out = append(out, p.mark())
			}
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// evaluate adds a selector where resources are asked for it.
func (s *schema) evaluate(a atom, sel selector) {
	if name := a.element(); name != "" {
		s.byElement[name] = append(slices.Clip(s.byElement[name]), sel)
	} else {
		s.always = append(slices.Clip(s.always), sel)
	}
}

// answers reports whether the published parameters of the same code answer for a custom one in all its types.
func (p *published) answers(def *r4.SearchParameter) bool {
	some := false
	for typ, s := range p.types {
		if !appliesTo(def, typ) {
			continue
		}
		mine := &parameter{code: def.Code, def: def, kind: kindOf(def), atoms: customAtoms(def.Expression, typ)}
		if len(mine.atoms) == 0 {
			continue
		}
		if other := s.params[def.Code]; other == nil || !mine.within(other) {
			return false
		}
		some = true
	}
	return some
}

// clash says which parameter of an edition keeps a definition, which is well by itself, from working; nil if none does.
func (c *edition) clash(id string, def *r4.SearchParameter) error {
	for _, x := range c.customs {
		if x.ID != id && x.URL == def.URL {
			return fhirmap.Errorf(fhirmap.CodeBusinessRule, "SearchParameter.url", "SearchParameter/%s defines %s already; update that one", x.ID, clip(def.URL))
		}
	}
	for _, typ := range fhirmap.ResourceTypes() {
		if !appliesTo(def, typ) {
			continue
		}
		p := &parameter{code: def.Code, def: def, kind: kindOf(def), atoms: customAtoms(def.Expression, typ)}
		s := c.types[typ]
		other := s.params[def.Code]
		if other == nil {
			other = s.awaited[def.Code]
		}
		mute := other == nil && s.mute[def.Code]
		if len(p.atoms) == 0 || other == nil && !mute || other != nil && (other.custom != nil && other.custom.ID == id || p.within(other)) {
			continue
		}
		if mute {
			return fhirmap.Errorf(fhirmap.CodeBusinessRule, "SearchParameter.code", "%s is a published parameter of %s; choose another code", def.Code, typ)
		}
		return fhirmap.Errorf(fhirmap.CodeBusinessRule, "SearchParameter.code",
			"%s of %s is %s already, which selects something else (%s); choose another code", def.Code, typ, other.def.URL, strings.Join(other.texts(), " | "))
	}
	return nil
}

// customAtoms is atomsFor of a definition that nobody has put right before it was published.
func customAtoms(expression, typ string) []atom { return atomsFor(unchosen(expression), typ) }

// wait is the error of a parameter that is being indexed: an answer now would be without what was stored before it came.
func (a *ask) wait(p *parameter) *fhirmap.Outcome {
	how := ""
	if p.custom != nil && p.custom.Progress != nil {
		how = ": " + p.custom.Progress()
	}
	return a.fail(fhirmap.CodeTransient, "%s of %s is being indexed and is answered when that is done%s", p.code, a.schema.typ, how)
}
