package server

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// lastn is Observation/$lastn (R4 observation-operation-lastn.html): of each sort of observation of a subject the newest, one or as many as
// max says. All parameters of a search on Observation narrow what is looked at, whatever its status; patient or subject must be among them.
//
// Observations are of one sort if they have a coding of code in common, or are linked by others that have; those without any coding if the
// text is the same; those without either are of one sort too. The newest is by effective, of equal ones that which was written last; one
// without a time is older than all. The answer has the sorts by their codings, each newest first, and max is the most that it has of any.
//
// All of it comes on one page unless _count is given. What is found is read whole, once for each page: that is bounded.
func lastn(c *Config, p *pages) Interaction {
	return func(tx *storage.Tx, r *Request) (*Response, error) {
		query, most, err := lastnOf(r)
		if err != nil {
			return nil, err
		}
		s, walk, err := asked(tx, c, p, r, query, func(s *search.Search) walk {
			self := []search.Pair{{Name: "max", Value: strconv.Itoa(most)}}
			return newWalk(r, "/Observation/$lastn", encode(append(self, s.Self...)))
		})
		if err != nil {
			return nil, err
		}
		part, err := subsetOf(r, s)
		if err != nil {
			return nil, err
		}
		if s.Count > 0 && !slices.ContainsFunc(query, func(p search.Pair) bool { return p.Name == "_count" }) {
			s.Count = c.Limits.MaxCount
		}
		at, err := p.open(walk.scope, r.Page)
		if err != nil {
			return nil, err
		}
		all, err := newest(tx, c, r, s, at.at, most)
		if errors.Is(err, driver.ErrExpired) {
			return nil, walk.expired(r)
		}
		if err != nil {
			return nil, err
		}
		from, _ := strconv.Atoi(at.after) // "" is the first
		from = min(from, len(all))
		to := min(from+s.Count, len(all))
		more, err := c.included(tx, s.Include, all[from:to], at.at, c.Limits.rows(r))
		if err != nil {
			return nil, err
		}
		if at.at == "" && !r.inside { // no snapshot holds what a transaction is about to write
			at.at = tx.Now()
		}
		link := func(from int) string {
			return p.seal(walk.scope, place{at: at.at, after: strconv.Itoa(from), total: -1})
		}
		var back, on string
		if from > 0 {
			back = link(max(0, from-s.Count))
		}
		if to < len(all) && s.Count > 0 {
			on = link(to)
		}
		b := newBundle("searchset", c.Clock(), len(all), walk.links(r, back, on), 0)
		if err := b.found(r, part, s, all[from:to], more); err != nil {
			return nil, err
		}
		return &Response{Status: http.StatusOK, Body: b.bytes()}, nil
	}
}

// lastnOf takes max out of the parameters, and looks whose observations are asked for.
func lastnOf(r *Request) (query []search.Pair, most int, err error) {
	simple, parts, err := input(r)
	if err != nil {
		return nil, 0, err
	}
	if len(parts) > 0 {
		return nil, 0, unknownPart(parts[0], "max, and the parameters of a search on Observation")
	}
	subject := false
	for _, p := range simple {
		name := p.Name
		if i := strings.IndexAny(name, ":."); i >= 0 {
			name = name[:i]
		}
		switch name {
		case "max":
			n, err := strconv.ParseUint(p.Value, 10, 31)
			if err != nil || n == 0 || most > 0 {
				return nil, 0, fhirmap.Errorf(fhirmap.CodeValue, "http.max", "max=%s: give it once, as a whole number from 1", clip(p.Value))
			}
			most = int(n)
			continue
		case "_sort":
			return nil, 0, fhirmap.Errorf(fhirmap.CodeNotSupported, "http._sort", "$lastn has an order of its own, by code and then the newest first; leave _sort out")
		case "patient", "subject":
			subject = true
		}
		query = append(query, p)
	}
	if !subject {
		return nil, 0, fhirmap.Errorf(fhirmap.CodeRequired, "http.patient", "$lastn is asked of a patient or subject; give patient=[id]")
	}
	return query, max(most, 1), nil
}

// newest walks what the search finds, newest first, and keeps of each sort as many as asked for.
func newest(tx *storage.Tx, c *Config, r *Request, s *search.Search, at driver.Snapshot, most int) ([]driver.Hit, error) {
	order, err := c.Catalog.Parse(s.Type, []search.Pair{{Name: "_sort", Value: "-date,-_lastUpdated"}}, search.ParseOptions{})
	if err != nil {
		return nil, err
	}
	g := sorts{most: most, of: map[string]int{}}
	bodies := c.Limits.rows(r) / bodyCost
	n := 0
	for hit, err := range tx.Find(driver.Find{Type: s.Type, Where: s.Where, Sort: order.Sort, At: at, Budget: c.Limits.rows(r)}) {
		if err != nil {
			return nil, err
		}
		if n++; n > bodies {
			return nil, fhirmap.Errorf(fhirmap.CodeTooCostly, "", "more than the %d observations that one request may read are of this subject and category; add code or date", bodies)
		}
		res, err := fhirmap.Trusted(hit.Body)
		if err != nil {
			return nil, err
		}
		g.add(hit, marksOf(res.Root().First("code")))
	}
	return g.result(), nil
}

// marksOf names what tells the sort of a concept: its codings, or else its text.
func marksOf(concept *fhirmap.Element) []string {
	var marks []string
	for c := range concept.Each("coding") {
		if code := c.String("code"); code != "" {
			marks = append(marks, c.String("system")+"|"+code)
		}
	}
	if len(marks) == 0 {
		marks = append(marks, "\xff"+concept.String("text")) // after all codings
	}
	return marks
}

// sorts keeps the newest of each sort of observation, as they come from the newest on. A sort is a number; one that was found to be the
// same as another points to it.
type sorts struct {
	most  int
	of    map[string]int // mark to sort
	same  []int          // sort to another that is the same, or to itself
	first []string       // of each sort the least mark
	kept  [][]placed     // of each sort, in the order they came
	n     int
}

// placed is a hit with its place in the order of all.
type placed struct {
	driver.Hit
	n int
}

func (g *sorts) root(i int) int {
	for g.same[i] != i {
		g.same[i] = g.same[g.same[i]]
		i = g.same[i]
	}
	return i
}

func (g *sorts) add(hit driver.Hit, marks []string) {
	sort := -1
	for _, m := range marks {
		i, known := g.of[m]
		switch {
		case !known && sort < 0:
			i = len(g.same)
			g.same, g.first, g.kept = append(g.same, i), append(g.first, m), append(g.kept, nil)
		case !known:
			i = sort
		}
		g.of[m] = i
		i = g.root(i)
		g.first[i] = min(g.first[i], m)
		if sort >= 0 && i != sort { // this observation shows that they are one
			g.same[i] = sort
			g.first[sort] = min(g.first[sort], g.first[i])
			g.kept[sort] = newestOf(append(g.kept[sort], g.kept[i]...), g.most)
			g.kept[i] = nil
			i = sort
		}
		sort = i
	}
	if len(g.kept[sort]) < g.most {
		g.kept[sort] = append(g.kept[sort], placed{hit, g.n})
	}
	g.n++
}

func newestOf(some []placed, most int) []placed {
	slices.SortFunc(some, func(a, b placed) int { return cmp.Compare(a.n, b.n) })
	return some[:min(len(some), most)]
}

// result lists what was kept, by the least mark of each sort.
func (g *sorts) result() []driver.Hit {
	var order []int
	for i := range g.same {
		if g.same[i] == i {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(g.first[i], g.first[j]) })
	var out []driver.Hit
	for _, i := range order {
		for _, p := range g.kept[i] {
			out = append(out, p.Hit)
		}
	}
	return out
}
