package oracle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // a machine may have no time zones

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/backends"
)

// trial is one server, what the oracle knows of it, and what was asked so far.
type trial struct {
	testing.TB
	asker
	catalog *search.Catalog
	handler http.Handler
	wanted  []string        // what is to be asked with a hit and a miss: parameters, modifiers, prefixes and steps
	seen    map[string]bool // of that
	asked   int
	wrong   int
}

func newTrial(t testing.TB, seed uint64, types []string) *trial {
	random := rand.New(rand.NewPCG(seed, 0))
	zone, err := time.LoadLocation([]string{"UTC", "Europe/Berlin", "America/New_York"}[random.IntN(3)])
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	catalog, err := search.NewCatalog(r4.SearchParameters, search.Options{Zone: zone, Base: base, Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	b, err := backends.Open("badger::memory:", backends.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	ticks := now
	tick := func() time.Time {
		ticks = ticks.Add(time.Duration(1+random.IntN(1e6)) * time.Millisecond)
		return ticks
	} // all of a trial is in one goroutine
	store, err := storage.New(storage.Config{Backend: b, Index: catalog.Rows, Clock: tick})
	if err != nil {
		t.Fatal(err)
	}
	g := newGenerator(random)
	f := &facts{resources: map[string]map[string]any{}, params: r4.SearchParameters, found: map[string]*r4.SearchParameter{}, base: base, zone: zone, now: now}
	base, _ := url.Parse(base)
	r := &trial{
		TB: t, asker: asker{generator: g, facts: f, types: types, offered: map[string][]search.Parameter{}}, catalog: catalog, seen: map[string]bool{},
		handler: server.New(server.Config{
			Store: store, Catalog: catalog, Base: base, Clock: tick, Caller: server.Everyone,
			Limits: server.Limits{Deadline: 10 * time.Minute}, // a machine may be busy
		}),
	}
	unknown := map[string]bool{}
	for _, typ := range types {
		for _, p := range catalog.For(typ) {
			d := f.param(typ, p.Code)
			if d == nil || ways[d.Type] == nil {
				unknown[p.Code] = p.Code != "near" // by place and distance: search/near_test.go
				continue
			}
			p.Modifiers = slices.DeleteFunc(slices.Clone(p.Modifiers), func(m string) bool {
				if !slices.Contains(ways[d.Type], m) {
					unknown[d.Type+":"+m] = true
				}
				return !slices.Contains(ways[d.Type], m)
			})
			r.offered[typ] = append(r.offered[typ], p)
			r.wanted = append(r.wanted, typ+"."+p.Code)
			for _, m := range p.Modifiers {
				r.wanted = append(r.wanted, d.Type+":"+m)
			}
			for _, c := range p.Comparators {
				r.wanted = append(r.wanted, d.Type+" "+c)
			}
		}
	}
	slices.Sort(r.wanted)
	r.wanted = append(slices.Compact(r.wanted), reaches...)
	for what, wrong := range unknown {
		if wrong {
			t.Errorf("%s is offered, but the oracle cannot tell what is right", what)
		}
	}
	return r
}

func (r *trial) do(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/fhir+json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, req)
	return w
}

// write creates or updates a resource, or deletes it.
func (r *trial) write(typ, id string) {
	path := "/fhir/" + typ + "/" + id
	if _, there := r.resources[typ+"/"+id]; there && r.one(3) {
		if w := r.do("DELETE", path, ""); w.Code != 204 {
			r.Fatalf("DELETE %s: %d %s", path, w.Code, w.Body)
		}
		delete(r.resources, typ+"/"+id)
		r.sorted = nil
		return
	}
	if body := r.generator.resource(typ, id); !r.put(typ, id, body) {
		r.Fatalf("PUT %s: not valid: %s", path, body)
	}
}

// put creates or updates a resource; it is false if the server found it not valid.
func (r *trial) put(typ, id string, body []byte) bool {
	path := "/fhir/" + typ + "/" + id
	switch w := r.do("PUT", path, string(body)); w.Code {
	case 200, 201:
		r.resources[typ+"/"+id] = decoded(r, w.Body.Bytes())
		r.sorted = nil
		return true
	case 400, 422:
		return false
	default:
		r.Fatalf("PUT %s: %d %.500s\n%.2000s", path, w.Code, w.Body, body)
		return false
	}
}

func decoded(t testing.TB, body []byte) object {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var m object
	if err := d.Decode(&m); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return m
}

// clause is one parameter of a query, as it stands in the URL.
type clause struct{ name, value string }

// compare asks at a path for all pages and compares them with the ids that are to be on them.
func (r *trial) compare(path, typ string, query url.Values, sort, want []string) {
	fail := func(format string, args ...any) {
		r.wrong++
		r.Errorf("GET %s?%s\n%s", path, query.Encode(), fmt.Sprintf(format, args...))
	}
	count := 1000
	if r.one(3) {
		count = 1 + r.IntN(6) + len(want)/20
	}
	query.Set("_count", strconv.Itoa(count))
	query.Set("_total", "accurate")
	next := path + "?" + query.Encode()
	var got []string
	for pages := 0; next != ""; pages++ {
		w := r.do("GET", next, "")
		if w.Code != 200 || pages > 100 {
			fail("page %d: %d %s", pages, w.Code, w.Body)
			return
		}
		p := pageOf(r, w.Body.Bytes())
		if p.Total == nil || *p.Total != len(want) {
			fail("page %d: the total is %v, not %d", pages, show(p.Total), len(want))
		}
		if len(p.Entry) > count {
			fail("%d entries on a page of %d", len(p.Entry), count)
		}
		got = append(got, p.ids()...)
		next = p.next()
	}
	sorted := slices.Sorted(slices.Values(got))
	if !slices.Equal(sorted, slices.Sorted(slices.Values(want))) {
		for _, id := range sorted {
			if !slices.Contains(want, id) {
				fail("finds %s\n%s", id, r.show(typ, id, query, sort))
				return
			}
		}
		for _, id := range want {
			if !slices.Contains(got, id) {
				fail("does not find %s\n%s", id, r.show(typ, id, query, sort))
				return
			}
		}
		fail("finds some twice: %v", sorted)
		return
	}
	for i := range len(got) - 1 {
		if a, b := got[i], got[i+1]; !r.ordered(r.resources[typ+"/"+a], r.resources[typ+"/"+b], sort) {
			fail("%s must not stand before %s\n%s\n%s", a, b, r.show(typ, a, query, sort), r.show(typ, b, query, sort))
			return
		}
	}
	if r.one(3) {
		w := r.do("POST", path+"/_search", query.Encode(), "Content-Type", "application/x-www-form-urlencoded")
		if w.Code != 200 || !slices.Equal(pageOf(r, w.Body.Bytes()).ids(), got[:min(count, len(got))]) {
			fail("POST answers %d %.500s, not %v", w.Code, w.Body, got)
		}
	}
	if r.one(3) {
		query.Del("_total")
		query.Del("_count")
		query.Set("_summary", "count")
		w := r.do("GET", path+"?"+query.Encode(), "")
		if p := pageOf(r, w.Body.Bytes()); p.Total == nil || *p.Total != len(want) || len(p.Entry) > 0 {
			fail("is %s, not %d", w.Body, len(want))
		}
	}
}

// show writes what the parameters of a query select in a resource.
func (r *trial) show(typ, id string, query url.Values, sort []string) string {
	resource := r.resources[typ+"/"+id]
	out := id
	for _, name := range append(slices.Sorted(maps.Keys(query)), sort...) {
		code, _, _ := strings.Cut(strings.TrimPrefix(name, "-"), ":")
		if p := r.param(typ, code); p != nil {
			var values []any
			for _, e := range selected(p.Expression, resource, node{value: resource}) {
				values = append(values, e.value)
			}
			b, _ := json.Marshal(values)
			out += fmt.Sprintf("\n  %s: %s", code, b)
		}
	}
	return out
}

func show(n *int) string {
	if n == nil {
		return "missing"
	}
	return strconv.Itoa(*n)
}

// page is a searchset.
type page struct {
	Total *int
	Link  []struct{ Relation, URL string }
	Entry []struct {
		Resource struct{ ID string }
	}
}

func pageOf(t testing.TB, body []byte) page {
	var p page
	if err := json.Unmarshal(body, &p); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return p
}

func (p page) ids() []string {
	var all []string
	for _, e := range p.Entry {
		all = append(all, e.Resource.ID)
	}
	return all
}

func (p page) next() string {
	for _, l := range p.Link {
		if l.Relation == "next" {
			return strings.TrimPrefix(l.URL, "http://hob.test")
		}
	}
	return ""
}
