package server

import (
	"errors"
	"fmt"
	"iter"
	"net/http"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// searchType is the search interaction on a type, by GET and by POST _search (R4 section 3.1.1).
//
// The total: _total=accurate counts exactly, whatever it costs within the row budget; _total=none leaves it out. Else it is told
// where it costs little: when the page holds every match or was found by finding all, or when counting reads no more than Limits.Total
// rows. A total that is told is always exact. Later pages repeat that of the first, since they read the same snapshot.
func searchType(c *Config, p *pages) Interaction {
	return func(tx *storage.Tx, r *Request) (*Response, error) {
		s, walk, err := asked(tx, c, p, r, r.Query, func(s *search.Search) walk { return newWalk(r, "/"+r.Type, encode(s.Self)) })
		if err != nil {
			return nil, err
		}
		return results(tx, c, p, r, s, walk, nil)
	}
}

// asked reads the parameters of a search, and makes the walk that its pages are of. A later page asks for what the value sets in them held
// at the time of the first.
func asked(tx *storage.Tx, c *Config, p *pages, r *Request, query []search.Pair, walkOf func(*search.Search) walk) (*search.Search, walk, error) {
	s, terms, err := c.parse(tx, r.Type, query, lenient(c, r), "")
	if err != nil {
		return nil, walk{}, err
	}
	w := walkOf(s)
	if !terms || r.Page == "" {
		return s, w, nil
	}
	at, err := p.open(w.scope, r.Page)
	if err != nil {
		return nil, w, err
	}
	s, _, err = c.parse(tx, r.Type, query, lenient(c, r), at.at)
	return s, w, err
}

// results answers with a page of a search. is, if it is not nil, tells which of the records that the search finds are hits.
func results(tx *storage.Tx, c *Config, p *pages, r *Request, s *search.Search, walk walk, is verdict) (*Response, error) {
	part, err := subsetOf(r, s)
	if err != nil {
		return nil, err
	}
	at, err := p.open(walk.scope, r.Page)
	if err != nil {
		return nil, err
	}
	find := driver.Find{
		Type: s.Type, Where: s.Where, Sort: s.Sort, At: at.at, After: driver.Cursor(at.after), Reverse: at.reverse,
		Limit: s.Count + 1, Budget: c.Limits.rows(r),
	}
	if r.explain {
		return explained(c, tx, r, s, find, at, is)
	}
	var hits []driver.Hit
	size := 0
	if s.Count > 0 {
		for hit, err := range is.find(tx, find) {
			if errors.Is(err, driver.ErrExpired) {
				return nil, walk.expired(r)
			}
			if err != nil {
				return nil, err
			}
			hits = append(hits, hit)
			size += len(hit.Body) + 200
		}
	}
	hits, before, after := cut(hits, s.Count, at)
	total, err := totalOf(tx, c, s, find, at, len(hits), s.Count > 0 && !before && !after, is)
	if err != nil {
		return nil, err
	}
	if n := len(walk.url(r, "")) + roomOfPage; (before || after) && n > c.Limits.URL {
		return nil, fhirmap.Errorf(fhirmap.CodeTooLong, "", "the links to other pages would have %d bytes, and URLs may have %d; give a larger _count or shorter lists", n, c.Limits.URL)
	}
	var back, on string
	if len(hits) > 0 {
		if at.at == "" && !r.inside { // no snapshot holds what a transaction is about to write
			at.at = tx.Now()
		}
		if before {
			back = p.seal(walk.scope, place{at: at.at, after: string(hits[0].Cursor), reverse: true, total: total})
		}
		if after {
			on = p.seal(walk.scope, place{at: at.at, after: string(hits[len(hits)-1].Cursor), total: total})
		}
	}
	more, err := c.included(tx, s.Include, hits, find.At, find.Budget)
	if err != nil {
		return nil, err
	}
	b := newBundle("searchset", c.Clock(), total, walk.links(r, back, on), size)
	if err := b.found(r, part, s, hits, more); err != nil {
		return nil, err
	}
	return &Response{Status: http.StatusOK, Body: b.bytes()}, nil
}

// subsetOf is what of each resource a search is to show.
func subsetOf(r *Request, s *search.Search) (subset, error) {
	part := shapeOf(s)
	return part, part.known(r.Type)
}

func shapeOf(s *search.Search) subset {
	part := subset{fhirmap.Summary(s.Summary), s.Elements}
	if s.Summary == "count" || s.Summary == "false" {
		part.summary = ""
	}
	return part
}

// found appends the entries of a page of a search: the hits, what they include, and what was ignored.
func (b *bundle) found(r *Request, part subset, s *search.Search, hits, more []driver.Hit) error {
	for _, hit := range hits {
		body, err := part.of(hit.Body)
		if err != nil {
			return err
		}
		b.match(r.Base+"/"+hit.Type+"/"+hit.ID, body, "match")
	}
	part.elements = nil // which name those of the type that is searched
	for _, hit := range more {
		body, err := part.of(hit.Body)
		if err != nil {
			return err
		}
		b.match(r.Base+"/"+hit.Type+"/"+hit.ID, body, "include")
	}
	if o := ignored(s); o != nil {
		b.match("", o.JSON(), "outcome")
	}
	return nil
}

// roomOfPage is about how many bytes a sealed place takes in a link, more than that only where sort keys are long.
const roomOfPage = 512

// verdict tells whether a record that a search found is a hit: what the index alone cannot tell. nil: each is.
type verdict func(tx *storage.Tx, found driver.Hit) (bool, error)

// find is tx.Find without the records that are no hits. They count for the budget too, each as one row.
func (is verdict) find(tx *storage.Tx, f driver.Find) iter.Seq2[driver.Hit, error] {
	if is == nil {
		return tx.Find(f)
	}
	return func(yield func(driver.Hit, error) bool) {
		limit, looked, n := f.Limit, 0, 0
		f.Limit = 0
		for hit, err := range tx.Find(f) {
			ok := err == nil
			if ok {
				ok, err = is(tx, hit)
			}
			if looked++; err == nil && f.Budget > 0 && looked > f.Budget {
				err = fmt.Errorf("%d records of type %s were looked at: %w", f.Budget, f.Type, driver.ErrTooCostly)
			}
			if err != nil {
				yield(driver.Hit{}, err)
				return
			}
			if !ok {
				continue
			}
			if !yield(hit, nil) {
				return
			}
			if n++; n == limit {
				return
			}
		}
	}
}

// count is tx.Count of the hits.
func (is verdict) count(tx *storage.Tx, f driver.Find) (int, error) {
	if is == nil {
		return tx.Count(f)
	}
	n := 0
	for _, err := range is.find(tx, f) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// expired is the answer to a link whose snapshot is gone.
func (w walk) expired(r *Request) error {
	return refuse(http.StatusGone, fhirmap.CodeDeleted,
		"the state of the store that this link reads is no longer kept; begin again at %s", w.url(r, ""))
}

// totalOf counts the matches as far as the client and the budget want it; negative: not told.
func totalOf(tx *storage.Tx, c *Config, s *search.Search, find driver.Find, at place, shown int, all bool, is verdict) (int, error) {
	switch {
	case s.Total == search.TotalNone && s.Count > 0:
		return -1, nil
	case all:
		return shown, nil
	case at.total >= 0:
		return at.total, nil
	}
	find.After, find.Reverse, find.Limit, find.Sort = "", false, 0, nil
	if !accurate(s) {
		find.Budget = min(find.Budget, c.Limits.Total)
	}
	n, err := is.count(tx, find)
	if errors.Is(err, driver.ErrTooCostly) && !accurate(s) {
		return -1, nil
	}
	return n, err
}

// accurate reports whether the total must be told, whatever it costs.
func accurate(s *search.Search) bool { return s.Total == search.TotalAccurate || s.Count == 0 }

// lenient reports whether unknown parameters are to be ignored.
func lenient(c *Config, r *Request) bool {
	switch preferred(r.Header, "handling") {
	case "lenient":
		return true
	case "strict":
		return false
	}
	return c.Policy.Lenient
}

// ignored names the parameters that a lenient search did not understand, nil if there are none.
func ignored(s *search.Search) *fhirmap.Outcome {
	if len(s.Ignored) == 0 {
		return nil
	}
	o := &fhirmap.Outcome{}
	for _, name := range s.Ignored {
		o.Issues = append(o.Issues, fhirmap.Issue{Severity: "warning", Code: fhirmap.CodeNotSupported,
			Diagnostics: "the parameter " + clip(name) + " was ignored: it is not known here"})
	}
	return o
}
