package server

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// searchSystem is the search over several types (R4 section 3.1.1.3): those that _type names, in its order, else all. A parameter must be
// known for each of them. Hits come type after type, or by _sort merged. What the caller may not search is left out unless he named it.
func searchSystem(c *Config, p *pages) Interaction {
	return func(tx *storage.Tx, r *Request) (*Response, error) {
		w := wide{path: "", types: fhirmap.ResourceTypes()}
		if err := w.choose(r.Query, "a resource type of FHIR R4"); err != nil {
			return nil, err
		}
		return c.wideSearch(tx, p, r, w)
	}
}

// wide is a search over several types.
type wide struct {
	path   string
	types  []string
	named  []search.Pair // _type, if it was given
	query  []search.Pair // the rest
	within func(typ string) search.Clause
}

// choose reads _type: some of the types, which are each said to be something.
func (w *wide) choose(query []search.Pair, something string) error {
	var wrong *fhirmap.Outcome
	for _, p := range query {
		switch code, _, modified := strings.Cut(p.Name, ":"); {
		case code != "_type":
			w.query = append(w.query, p)
			continue
		case modified:
			return fhirmap.Errorf(fhirmap.CodeNotSupported, "http."+p.Name, "_type takes no modifier")
		case w.named != nil:
			return fhirmap.Errorf(fhirmap.CodeValue, "http._type", "_type is given twice; give it once, with commas between the types")
		}
		w.named = []search.Pair{p}
		var types []string
		for typ := range strings.SplitSeq(p.Value, ",") {
			switch typ = strings.TrimSpace(typ); {
			case !slices.Contains(w.types, typ):
				wrong = fhirmap.Errorf(fhirmap.CodeValue, "http._type", "_type: %q is not %s", clip(typ), something)
			case !slices.Contains(types, typ):
				types = append(types, typ)
			}
		}
		if wrong != nil {
			return wrong
		}
		w.types = types
	}
	return nil
}

// parse translates the search for each type.
func (w *wide) parse(tx *storage.Tx, c *Config, r *Request, at driver.Snapshot) ([]*search.Search, bool, error) {
	searches, asked, err := c.parseTypes(tx, w.types, w.query, lenient(c, r), at)
	if err != nil || w.within == nil {
		return searches, asked, err
	}
	for _, s := range searches {
		s.Narrow(w.within(s.Type))
	}
	return searches, asked, nil
}

// wideSearch answers with a page. All types together have the budget of one search.
func (c *Config) wideSearch(tx *storage.Tx, p *pages, r *Request, w wide) (res *Response, err error) {
	err = tx.Within(c.Limits.rows(r), func() (err error) {
		res, err = c.widePage(tx, p, r, w)
		return err
	})
	return res, err
}

func (c *Config) widePage(tx *storage.Tx, p *pages, r *Request, w wide) (*Response, error) {
	searches, asked, err := w.parse(tx, c, r, "")
	if err != nil {
		return nil, err
	}
	s := searches[0]
	if err := knownFor(shapeOf(s), w.types); err != nil {
		return nil, err
	}
	walk := newWalk(r, w.path, encode(slices.Concat(w.named, s.Self)))
	at, err := p.open(walk.scope, r.Page)
	if err != nil {
		return nil, err
	}
	if asked && r.Page != "" { // a later page asks for what its value sets held then
		if searches, _, err = w.parse(tx, c, r, at.at); err != nil {
			return nil, err
		}
		s = searches[0]
	}
	marks, ok := decodeMarks(at.after, len(w.types))
	if !ok {
		return nil, walk.expired(r)
	}
	if err := w.allowed(tx); err != nil {
		return nil, err
	}
	if r.explain {
		find := func(s *search.Search) driver.Find { return w.find(c, r, s, at) }
		if len(searches) > 1 {
			return explainedEach(c, tx, r, searches, find)
		}
		one := find(s)
		one.Limit = s.Count + 1
		return explained(c, tx, r, s, one, start, nil)
	}
	m := w.merge(tx, c, r, searches, marks, at)
	var hits []driver.Hit
	more := false
	if s.Count > 0 {
		if hits, more, err = m.page(s.Count); errors.Is(err, driver.ErrExpired) {
			return nil, walk.expired(r)
		} else if err != nil {
			return nil, err
		}
	}
	if hits, err = filled(tx, hits, at.at, c.Limits.rows(r)); err != nil {
		return nil, err
	}
	before, after := at.after != "", more
	if at.reverse {
		slices.Reverse(hits)
		before, after = more, true
	}
	total, err := c.wideTotal(tx, r, w, searches, at, len(hits), s.Count > 0 && !before && !after)
	if err != nil {
		return nil, err
	}
	var back, on string
	if len(hits) > 0 && (before || after) {
		beyond, err := m.marks()
		if err != nil {
			return nil, err
		}
		if at.at == "" && !r.inside { // no snapshot holds what a transaction is about to write
			at.at = tx.Now()
		}
		from, to := marks, beyond
		if at.reverse {
			from, to = beyond, marks
		}
		if before {
			back = p.seal(walk.scope, place{at: at.at, after: encodeMarks(from), reverse: true, total: total})
		}
		if after {
			on = p.seal(walk.scope, place{at: at.at, after: encodeMarks(to), total: total})
		}
		if n := len(walk.url(r, "")) + len("&_page=") + max(len(back), len(on)); n > c.Limits.URL {
			return nil, fhirmap.Errorf(fhirmap.CodeTooLong, "",
				"the links to other pages would have %d bytes, and URLs may have %d; name fewer types by _type, or give a larger _count", n, c.Limits.URL)
		}
	}
	included, err := c.included(tx, s.Include, hits, at.at, c.Limits.rows(r))
	if err != nil {
		return nil, err
	}
	size := 0
	for _, hit := range slices.Concat(hits, included) {
		size += len(hit.Body) + 200
	}
	b := newBundle("searchset", c.Clock(), total, walk.links(r, back, on), size)
	if err := b.found(r, shapeOf(s), s, hits, included); err != nil {
		return nil, err
	}
	return &Response{Status: http.StatusOK, Body: b.bytes()}, nil
}

// knownFor wants each element of _elements to be known for one of the types.
func knownFor(part subset, types []string) error {
	for _, name := range part.elements {
		one := subset{elements: []string{name}}
		if !slices.ContainsFunc(types, func(typ string) bool { return one.known(typ) == nil }) {
			return fhirmap.Errorf(fhirmap.CodeValue, "http._elements", "none of the types that are searched has an element %s", clip(name))
		}
	}
	return nil
}

// allowed refuses a search of which the caller may search no type at all.
func (w *wide) allowed(tx *storage.Tx) error {
	var refused error
	for _, typ := range w.types {
		_, err := tx.Count(driver.Find{Type: typ, Where: driver.Or{}})
		if !errors.Is(err, storage.ErrForbidden) {
			return err
		}
		if w.named != nil {
			return err
		}
		refused = err
	}
	return refused
}

// find asks for the hits of one type.
func (w *wide) find(c *Config, r *Request, s *search.Search, at place) driver.Find {
	return driver.Find{Type: s.Type, Where: s.Where, Sort: s.Sort, At: at.at, Budget: c.Limits.rows(r)}
}

// merge makes the walk.
func (w *wide) merge(tx *storage.Tx, c *Config, r *Request, searches []*search.Search, marks []mark, at place) *merge {
	m := &merge{sorted: len(searches[0].Sort) > 0, reverse: at.reverse}
	for i, s := range searches {
		place, bodies := c.Catalog.Placed(s)
		find := w.find(c, r, s, at)
		find.Bare = m.sorted && !bodies // most of what is read ahead is not shown
		portion := s.Count + 1
		if m.sorted { // each gives some, and few much
			portion = min(portion, max(8, 2*portion/len(searches)))
		}
		m.streams = append(m.streams, &stream{
			tx: tx, find: find, place: place, mark: marks[i], reverse: at.reverse, portion: portion,
			mayBe: w.named == nil, searched: s,
		})
	}
	return m
}

// filled reads the bodies of hits that were found without, in one search for each type.
func filled(tx *storage.Tx, hits []driver.Hit, at driver.Snapshot, budget int) ([]driver.Hit, error) {
	ids := map[string]driver.IDs{}
	for _, hit := range hits {
		if hit.Body == nil {
			ids[hit.Type] = append(ids[hit.Type], hit.ID)
		}
	}
	bodies := map[driver.Key][]byte{}
	for typ, some := range ids {
		for hit, err := range tx.Find(driver.Find{Type: typ, Where: some, At: at, Budget: budget}) {
			if err != nil {
				return nil, err
			}
			bodies[hit.Key] = hit.Body
		}
	}
	for i := range hits {
		if hits[i].Body == nil {
			hits[i].Body = bodies[hits[i].Key]
		}
	}
	return slices.DeleteFunc(hits, func(hit driver.Hit) bool { return hit.Body == nil }), nil // erased meanwhile
}

// wideTotal counts as totalOf does, over all types, within one budget.
func (c *Config) wideTotal(tx *storage.Tx, r *Request, w wide, searches []*search.Search, at place, shown int, all bool) (total int, err error) {
	budget := c.Limits.Total
	if accurate(searches[0]) {
		budget = c.Limits.rows(r)
	}
	err = tx.Within(budget, func() (err error) {
		total, err = c.sum(tx, r, w, searches, at, shown, all)
		return err
	})
	return total, err
}

func (c *Config) sum(tx *storage.Tx, r *Request, w wide, searches []*search.Search, at place, shown int, all bool) (int, error) {
	if all && searches[0].Total != search.TotalNone {
		return shown, nil
	}
	sum := 0
	for _, s := range searches {
		n, err := totalOf(tx, c, s, w.find(c, r, s, at), at, 0, false, nil)
		switch {
		case errors.Is(err, storage.ErrForbidden) && w.named == nil:
			continue
		case errors.Is(err, driver.ErrTooCostly):
			return 0, fmt.Errorf("count %s: %w", s.Type, err)
		case err != nil || n < 0:
			return n, err
		case at.total >= 0:
			return at.total, nil
		}
		sum += n
	}
	return sum, nil
}
