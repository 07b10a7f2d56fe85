package drivertest

import (
	"fmt"
	"slices"

	"github.com/hob-fhir/hob/storage/driver"
)

// compareFind runs a search as it was at some moment, whole or page by page, forward or backward, and compares.
func (w *walk) compareFind(f driver.Find, m moment) {
	w.Helper()
	newest := w.past[len(w.past)-1]
	exact := m.s == newest.s || w.whole
	if m.s != newest.s && (!w.whole || len(w.erased) > 0) && joins(f.Where) {
		return // what was changed or erased since may decide about records that have not
	}
	places, err := m.s.search(f)
	if err != nil {
		w.Fatalf("%s on the model: %v", search(f), err)
	}
	want := map[string]place{}
	for _, p := range places {
		if !w.since(m, p.entry.current.Key) {
			want[p.entry.current.ID] = p
		}
	}
	f.At = m.at
	hits := w.collect(f)
	if f.Reverse {
		slices.Reverse(hits)
	}
	hits = slices.DeleteFunc(hits, func(h driver.Hit) bool { return w.since(m, h.Key) })
	w.once(f, hits)
	if !exact {
		hits = w.unchanged(f, m, hits, want)
	}
	w.equal(f, hits, want)
	w.ordered(f, hits, want)
	if !exact {
		return
	}
	if m.s == newest.s {
		w.counted(f, len(want))
		w.fromMiddle(f, hits)
		if len(f.Sort) == 0 {
			w.ownOrder(f, hits)
		}
	}
}

// collect runs a search, half of the time page by page with a view for each.
func (w *walk) collect(f driver.Find) []driver.Hit {
	w.Helper()
	if w.IntN(2) == 0 {
		return w.hits(f)
	}
	f.Limit = w.IntN(5) + 1
	return w.pages(f, f.At)
}

func (w *walk) once(f driver.Find, hits []driver.Hit) {
	w.Helper()
	seen := map[string]bool{}
	for _, h := range hits {
		if seen[h.ID] {
			w.Fatalf("%s yields %q twice", search(f), h.ID)
		}
		seen[h.ID] = true
	}
}

// unchanged keeps of a search at an old snapshot what the paging promise speaks of: records that have not changed since. Those that
// came later must not be there at all.
func (w *walk) unchanged(f driver.Find, m moment, hits []driver.Hit, want map[string]place) []driver.Hit {
	w.Helper()
	newest := w.past[len(w.past)-1].s
	stays := func(id string) bool {
		k := driver.Key{Type: f.Type, ID: id}
		then, now := m.s.get(k), newest.get(k)
		if then == nil || then.current.Deleted {
			w.Fatalf("%s at an old snapshot yields %q, which came later", search(f), id)
		}
		return then == now
	}
	for id := range want {
		if !stays(id) {
			delete(want, id)
		}
	}
	return slices.DeleteFunc(hits, func(h driver.Hit) bool { return !stays(h.ID) })
}

// equal requires the records that the model has, as it has them.
func (w *walk) equal(f driver.Find, hits []driver.Hit, want map[string]place) {
	w.Helper()
	for _, h := range hits {
		p, ok := want[h.ID]
		if !ok {
			w.explain(f, h.ID)
			w.Fatalf("%s yields %q; the model does not", search(f), h.ID)
		}
		rec := p.entry.current
		if f.Bare {
			rec.Body = nil
		}
		if got, want := describe(h.Record), describe(rec); got != want {
			w.Fatalf("%s yields %s; want %s", search(f), got, want)
		}
	}
	if len(hits) == len(want) {
		return
	}
	got := idsOf(hits)
	for id := range want {
		if !slices.Contains(got, id) {
			w.explain(f, id)
			w.Fatalf("%s does not yield %q; the model does", search(f), id)
		}
	}
}

// explain logs the rows of a record in dispute.
func (w *walk) explain(f driver.Find, id string) {
	if e := w.past[len(w.past)-1].s.get(driver.Key{Type: f.Type, ID: id}); e != nil {
		w.Logf("%q has %s", id, rowsText(e.rows))
	}
}

// ordered requires the order asked for, and where the sort leaves the choice, the order of an unsorted search.
func (w *walk) ordered(f driver.Find, hits []driver.Hit, want map[string]place) {
	w.Helper()
	rank := map[string]int{}
	for i, h := range w.hits(driver.Find{Type: f.Type, At: f.At, Bare: true}) {
		rank[h.ID] = i
	}
	for i := 1; i < len(hits); i++ {
		a, b := want[hits[i-1].ID], want[hits[i].ID]
		ra, aok := rank[hits[i-1].ID]
		rb, bok := rank[hits[i].ID]
		if !aok || !bok {
			w.Fatalf("%q or %q is in %s and not in a search for all", hits[i-1].ID, hits[i].ID, search(f))
		}
		a.Order, b.Order = uint64(ra), uint64(rb)
		if a.compare(b, f.Sort) >= 0 {
			w.Fatalf("%s yields %q (%v, place %d) before %q (%v, place %d)", search(f), hits[i-1].ID, a.Keys, ra, hits[i].ID, b.Keys, rb)
		}
	}
}

func (w *walk) counted(f driver.Find, want int) {
	w.Helper()
	w.view(func(r driver.Reader) {
		f.Limit = w.IntN(3)
		if n, err := r.Count(f); err != nil || n != want {
			w.Errorf("count of %s: %d, %v; want %d", search(f), n, err, want)
		}
	})
}

// fromMiddle goes on from some hit, in either direction.
func (w *walk) fromMiddle(f driver.Find, hits []driver.Hit) {
	w.Helper()
	if len(hits) == 0 {
		return
	}
	i := w.IntN(len(hits))
	f.After, f.Reverse = hits[i].Cursor, w.IntN(2) == 0
	want := idsOf(hits[i+1:])
	if f.Reverse {
		want = idsOf(hits[:i])
		slices.Reverse(want)
	}
	if got := idsOf(w.hits(f)); !slices.Equal(got, want) {
		w.Fatalf("%s after %q: %q; want %q", search(f), hits[i].ID, got, want)
	}
}

// ownOrder requires that two keys come in the same order in every unsorted search, but after an erasure.
func (w *walk) ownOrder(f driver.Find, hits []driver.Hit) {
	w.Helper()
	last := ""
	for _, h := range hits {
		name := fmt.Sprintf("%s/%s", h.Type, h.ID)
		if w.erased[h.Key] > 0 || h.Private() {
			continue // a backend may have forgotten its place
		}
		if _, ok := w.first[name+" "+last]; ok {
			w.Fatalf("%s yields %q before %q; it was the other way at step %d", search(f), last, name, w.first[name+" "+last])
		}
		if last != "" {
			if _, ok := w.first[last+" "+name]; !ok {
				w.first[last+" "+name] = w.step
			}
		}
		last = name
	}
}

// joins reports whether a query asks about other records too.
func joins(q driver.Query) bool {
	switch q := q.(type) {
	case driver.And:
		return slices.ContainsFunc(q, joins)
	case driver.Or:
		return slices.ContainsFunc(q, joins)
	case driver.Not:
		return joins(q.Of)
	case driver.Refers, driver.Referred:
		return true
	}
	return false
}
