package drivertest

import (
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/hob-fhir/hob/storage/driver"
)

var pagingTests = []test{
	{"pages of every size make the whole sequence", func(s *store) {
		s.people(23)
		for _, f := range s.searches() {
			whole := s.hits(f)
			for _, size := range []int{1, 2, 5, 22, 23, 24} {
				f.Limit = size
				if got := s.pages(f, s.now()); !slices.Equal(idsOf(got), idsOf(whole)) {
					s.Errorf("pages of %d of %+v: %q; want %q", size, f, idsOf(got), idsOf(whole))
				}
			}
		}
	}},
	{"backwards is the very same sequence backwards", func(s *store) {
		s.people(23)
		for _, f := range s.searches() {
			want := idsOf(s.hits(f))
			slices.Reverse(want)
			f.Reverse = true
			if got := idsOf(s.hits(f)); !slices.Equal(got, want) {
				s.Errorf("find %+v: %q; want %q", f, got, want)
			}
			f.Limit = 4
			if got := idsOf(s.pages(f, s.now())); !slices.Equal(got, want) {
				s.Errorf("pages of %+v: %q; want %q", f, got, want)
			}
		}
	}},
	{"from any hit both ways", func(s *store) {
		s.people(12)
		for _, f := range s.searches() {
			f.At = s.now()
			whole := s.hits(f)
			ids := idsOf(whole)
			for i, from := range whole {
				f.After, f.Reverse = from.Cursor, false
				if got := idsOf(s.hits(f)); !slices.Equal(got, ids[i+1:]) {
					s.Errorf("after %s of %+v: %q; want %q", from.ID, f, got, ids[i+1:])
				}
				want := slices.Clone(ids[:i])
				slices.Reverse(want)
				f.Reverse = true
				back := s.hits(f)
				if got := idsOf(back); !slices.Equal(got, want) {
					s.Errorf("before %s of %+v: %q; want %q", from.ID, f, got, want)
				}
				if len(back) > 0 { // a cursor of a backward walk serves the forward one
					f.After, f.Reverse = back[0].Cursor, false
					if got := idsOf(s.hits(f)); !slices.Equal(got, ids[i:]) {
						s.Errorf("after %s, reached backwards, of %+v: %q; want %q", back[0].ID, f, got, ids[i:])
					}
				}
			}
		}
	}},
	{"without a snapshot a page goes on from the place of its cursor", func(s *store) {
		s.people(20)
		f := driver.Find{Type: "T", Sort: by("f", ""), Limit: 5}
		first := s.hits(f)
		if len(first) != 5 {
			s.Fatalf("%d hits; want 5", len(first))
		}
		last := first[4]
		s.delete("T", last.ID) // the cursor's own record is gone
		s.save("T", "behind")  // without a value, so at the end
		f.After, f.Limit = last.Cursor, 0
		rest := idsOf(s.hits(f))
		for _, h := range first {
			if slices.Contains(rest, h.ID) {
				s.Errorf("%s is on the second page too", h.ID)
			}
		}
		if len(rest) != 16 {
			s.Errorf("%d hits after the first page of 5, one more being made; want 16: %q", len(rest), rest)
		}
	}},
	{"a walk over a changing store keeps the paging promise", func(s *store) { s.changingWalk(nil, nil, false) }},
	{"a sorted walk over a changing store keeps the paging promise", func(s *store) { s.changingWalk(nil, by("f", "-g"), false) }},
	{"a backward walk over a changing store keeps the paging promise", func(s *store) { s.changingWalk(driver.Has("f"), by("-g", ""), true) }},
	{"a narrowed walk over a changing store keeps the paging promise", func(s *store) {
		s.changingWalk(driver.And{look("f", driver.GTE, "1"), driver.Not{Of: look("g", driver.EQUAL, "9")}}, by("f"), false)
	}},
}

// people stores n records of type T with values that collide: f is 0 to 4, g 0 to 2 or missing, h an interval or missing.
func (s *store) people(n int) {
	s.Helper()
	s.update(func(tx driver.Tx) error {
		for i := range n {
			rows := []driver.Row{row("f", strconv.Itoa(i%5)), row("f", strconv.Itoa((i*3+1)%5))}
			if i%4 > 0 {
				rows = append(rows, row("g", strconv.Itoa(i%3)))
			}
			if i%3 > 0 {
				rows = append(rows, spanRow("h", strconv.Itoa(i%4), strconv.Itoa(5+i%2)))
			}
			if _, err := s.put(tx, key("T", fmt.Sprintf("p%02d", i*7%n)), rows...); err != nil {
				return err
			}
		}
		return nil
	})
}

// searches are of many plans: all, one value, ranges, exclusions; by nothing, id, values, and missing ones.
func (s *store) searches() []driver.Find {
	var finds []driver.Find
	for _, where := range []driver.Query{
		nil, look("f", driver.EQUAL, "1"), look("f", driver.GTE, "1"), look("f", driver.IN, "1", "3", "4"),
		driver.Not{Of: look("g", driver.EQUAL, "1")}, driver.And{look("f", driver.LT, "4"), driver.Has("h")},
		driver.Or{look("g", driver.EQUAL, "2"), look("h", driver.GT, "5")}, look("f", driver.EQUAL, "no such"),
	} {
		for _, sort := range [][]driver.Order{nil, by(""), by("f"), by("-f"), by("g"), by("-g", "f"), by("h", ""), by("-h", "-f"), by("none")} {
			finds = append(finds, driver.Find{Type: "T", Where: where, Sort: sort})
		}
	}
	return finds
}

// pages walks a search page by page, each on a view of its own, until a page is not full; between pages it calls what is given.
func (s *store) pages(f driver.Find, at driver.Snapshot, between ...func()) []driver.Hit {
	s.Helper()
	var all []driver.Hit
	f.At, f.After = at, ""
	for {
		page := s.hits(f)
		if len(page) > f.Limit {
			s.Fatalf("a page of %d hits; the limit is %d", len(page), f.Limit)
		}
		all = append(all, page...)
		if len(page) < f.Limit {
			return all
		}
		if len(all) > 10000 {
			s.Fatalf("a walk does not end: page after page of %+v", f)
		}
		f.After = page[len(page)-1].Cursor
		for _, fn := range between {
			fn()
		}
	}
}

// changingWalk walks pages while others create, change, delete and index, and requires of the walk what every backend promises: each
// record that matched at its snapshot and has not changed since just once, in the order of the snapshot; none twice; none that
// came later.
func (s *store) changingWalk(where driver.Query, sort []driver.Order, reverse bool) {
	const n = 120
	s.people(n)
	f := driver.Find{Type: "T", Where: where, Sort: sort, Reverse: reverse}
	var at driver.Snapshot
	var before []driver.Hit
	var err error
	s.view(func(r driver.Reader) {
		at = r.Now()
		before, err = find(r, f)
	})
	if err != nil {
		s.Fatalf("find: %v", err)
	}
	stop, changed := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	for g := range 3 {
		wg.Go(func() {
			for i := 0; ; i++ {
				if _, err := s.Update(s.Context(), s.disturb(g, i, n)); err != nil {
					s.Errorf("update: %v", err)
				}
				select {
				case <-stop:
					return
				case changed <- struct{}{}:
				}
			}
		})
	}
	f.Limit = 3
	done := sync.OnceFunc(func() { close(stop); wg.Wait() })
	defer done() // also when the walk fails
	walk := s.pages(f, at, func() {
		for range 5 {
			<-changed // so each page is read from a store that has changed
		}
	})
	done()

	seen := map[string]int{}
	for _, h := range walk {
		if seen[h.ID]++; seen[h.ID] > 1 {
			s.Errorf("%s is shown %d times", h.ID, seen[h.ID])
		}
		if h.ID[0] != 'p' {
			s.Errorf("%s is shown; it came after the snapshot", h.ID)
		}
	}
	unchanged := map[string]bool{}
	for i := range n {
		unchanged[fmt.Sprintf("p%02d", i)] = i%4 == 0
	}
	stays := func(hits []driver.Hit) []string {
		return slices.DeleteFunc(idsOf(hits), func(id string) bool { return !unchanged[id] })
	}
	if got, want := stays(walk), stays(before); !slices.Equal(got, want) {
		s.Errorf("of what did not change the walk shows %q; want %q", got, want)
	}
}

// disturb changes one of the records whose number no 4 divides, or makes a new one.
func (s *store) disturb(g, i, n int) func(driver.Tx) error {
	k := key("T", fmt.Sprintf("p%02d", (i*13+g*5)%n))
	if ((i*13+g*5)%n)%4 == 0 {
		k.ID = fmt.Sprint("new", g, "-", i)
	}
	return func(tx driver.Tx) error {
		rec, err := tx.Head(k)
		switch {
		case err == nil && !rec.Deleted && i%3 == 0:
			_, err := s.remove(tx, k)
			return err
		case err == nil && !rec.Deleted && i%3 == 1:
			return tx.Index(k, rec.Version, []driver.Row{row("f", strconv.Itoa(i%5)), row("g", strconv.Itoa(i%3))})
		}
		_, err = s.put(tx, k, row("f", strconv.Itoa(i%7)), row("g", strconv.Itoa(i%2)), spanRow("h", "", strconv.Itoa(i%9)))
		return err
	}
}
