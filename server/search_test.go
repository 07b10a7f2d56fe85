package server_test

import (
	"context"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage/driver"
)

func TestSearch(t *testing.T) {
	f := open(t, nil)
	for _, id := range []string{"a", "b", "c"} {
		f.put(id, "Smith"+id).is(201)
	}
	f.put("d", "Jones").is(201)

	p := f.do("GET", "/fhir/Patient?name=smith", "").is(200).has("Content-Type", "application/fhir+json; charset=utf-8").set()
	if p.Type != "searchset" || *p.Total != 3 || len(p.Entry) != 3 {
		t.Errorf("searchset is %+v", p)
	}
	for _, e := range p.Entry {
		if e.FullURL != "http://hob.test/fhir/Patient/"+e.Resource.ID || e.Search.Mode != "match" || e.Request != nil {
			t.Errorf("entry is %+v", e)
		}
	}
	if got := p.link("self"); got != "/fhir/Patient?name=smith" {
		t.Errorf("self is %s", got)
	}
	read := f.do("GET", "/fhir/Patient/a", "").body
	f.do("GET", "/fhir/Patient?name=smith", "").says(`"resource":` + read + `,"search"`)
	f.do("HEAD", "/fhir/Patient?name=smith", "").is(200)

	if p := f.do("GET", "/fhir/Patient?name=nobody", "").is(200); strings.Contains(p.body, "entry") || *p.set().Total != 0 {
		t.Errorf("an empty searchset: %s", p.body)
	}
	if p := f.do("GET", "/fhir/Patient?name=smith&_count=0", "").is(200).set(); *p.Total != 3 || len(p.Entry) != 0 || p.link("next") != "" {
		t.Errorf("_count=0 gives %+v", p)
	}
	for _, c := range []struct{ path, code, saying string }{
		{"/fhir/Patient?nmae=smith", "not-supported", "nmae"},
		{"/fhir/Patient?_page=AAAA", "value", "_page"},
		{"/fhir/Patient?_page=!", "value", "_page"},
		{"/fhir/Patient?name=%zz", "invalid", "percent-encoded"},
	} {
		f.do("GET", c.path, "").fails(400, c.code, c.saying)
	}
	f.do("GET", "/fhir/Pacient?name=x", "").fails(404, "not-supported", "Pacient")
}

func TestSearchByPost(t *testing.T) {
	f := open(t, nil)
	f.put("a", "Smith").is(201)
	f.put("b", "Smithers").is(201)
	form := "Content-Type: application/x-www-form-urlencoded"
	p := f.do("POST", "/fhir/Patient/_search", "name=smith", form).is(200).set()
	if q := f.do("GET", "/fhir/Patient?name=smith", "").set(); !slices.Equal(p.ids(), q.ids()) || p.link("self") != q.link("self") {
		t.Errorf("POST gives %v, GET %v", p, q)
	}
	if p := f.do("POST", "/fhir/Patient/_search?_count=1", "name=smith&_pretty=true", form).is(200).says("\n").set(); len(p.Entry) != 1 || p.link("next") == "" {
		t.Errorf("URL and form together give %+v", p)
	}
	if p := f.do("POST", "/fhir/Patient/_search?name=smith", "").is(200).set(); len(p.Entry) != 2 {
		t.Errorf("no body gives %+v", p)
	}
	f.do("POST", "/fhir/Patient/_search", "{}", "Content-Type: application/json").fails(415, "not-supported", "x-www-form-urlencoded is")
	f.do("POST", "/fhir/Patient/_search", "name=%zz", form).fails(400, "invalid", "percent-encoded")
	f.do("POST", "/fhir/Patient/_search", "_format=xml", form).fails(406, "not-supported", "xml")
	f.do("PUT", "/fhir/Patient/_search", patient("a", "x")).fails(400, "value", "_search is no id")
	f.do("PUT", "/fhir/Patient/a/_history", patient("a", "x")).fails(405, "not-supported", "").has("Allow", "GET, HEAD")
}

func TestLenient(t *testing.T) {
	f := open(t, nil)
	f.put("a", "Smith").is(201)
	check := func(a *answer) {
		t.Helper()
		p := a.is(200).says("the parameter bogus was ignored").set()
		if len(p.Entry) != 2 || p.Entry[1].Search.Mode != "outcome" || strings.Contains(p.link("self"), "bogus") || *p.Total != 1 {
			t.Errorf("a lenient search gives %+v", p)
		}
	}
	check(f.do("GET", "/fhir/Patient?name=smith&bogus=1", "", "Prefer: handling=lenient"))
	f = open(t, func(c *server.Config) { c.Policy.Lenient = true })
	f.put("a", "Smith").is(201)
	check(f.do("GET", "/fhir/Patient?name=smith&bogus=1", ""))
	f.do("GET", "/fhir/Patient?name=smith&bogus=1", "", "Prefer: handling=strict").fails(400, "not-supported", "bogus")
}

func TestTotal(t *testing.T) {
	f := open(t, func(c *server.Config) { c.Limits.Total = 10 })
	for i := range 20 {
		f.put(fmt.Sprintf("s%02d", i), "Smith").is(201)
	}
	f.put("j", "Jones").is(201)
	for _, c := range []struct {
		query string
		total int // -1: not told
	}{
		{"name=jones", 1},
		{"name=smith", 20}, // all on one page
		{"family:exact=Smith&_count=2", -1},
		{"family:exact=Smith&_count=2&_total=estimate", -1},
		{"family:exact=Smith&_count=2&_total=accurate", 20},
		{"name=smith&_count=2", 20}, // to find the page all were found
		{"name=smith&_count=2&_total=accurate", 20},
		{"name=smith&_count=0", 20},
		{"name=smith&_total=none", -1},
	} {
		p := f.do("GET", "/fhir/Patient?"+c.query, "").is(200).set()
		for { // every page tells the same
			if got := p.Total; c.total < 0 && got != nil || c.total >= 0 && (got == nil || *got != c.total) {
				t.Errorf("%s: total %v, want %d", c.query, got, c.total)
			}
			next := p.link("next")
			if next == "" {
				break
			}
			p = f.do("GET", next, "").is(200).set()
		}
	}
}

// TestPages walks to the end and back while others write: each page shows the same again, and what came later is on none.
func TestPages(t *testing.T) {
	f := open(t, nil)
	const n = 25
	var all []string
	for i := range n {
		id := fmt.Sprintf("p%02d", (i*7)%n)
		f.put(id, "Smith").is(201)
		all = append(all, id)
	}
	slices.Sort(all)
	for _, sort := range []string{"", "&_sort=-_lastUpdated", "&_sort=name"} {
		first := f.do("GET", "/fhir/Patient?name=smith&_count=4&_total=accurate"+sort, "").is(200).set()
		var forward, back [][]string
		urls := []string{"first"}
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
						f.put(fmt.Sprintf("new-%d-%d", w, i), "Smith")
					}
				}
			})
		}
		p := first
		for {
			if p.Total == nil || *p.Total != n && sort == "" {
				t.Errorf("total is %v", p.Total)
			}
			forward = append(forward, p.ids())
			next := p.link("next")
			if next == "" {
				break
			}
			urls = append(urls, next)
			p = f.do("GET", next, "").is(200).set()
		}
		for {
			back = append(back, p.ids())
			previous := p.link("previous")
			if previous == "" {
				break
			}
			p = f.do("GET", previous, "").is(200).set()
		}
		close(stop)
		wg.Wait()
		slices.Reverse(back)
		if !slices.EqualFunc(forward, back, slices.Equal) {
			t.Errorf("%s: there\n%v\nand back\n%v", sort, forward, back)
		}
		if sort == "" {
			got := slices.Concat(forward...)
			slices.Sort(got)
			if !slices.Equal(got, all) {
				t.Errorf("the pages show %v", got)
			}
		}
		for i, u := range urls[1:] { // a link may be followed twice
			if ids := f.do("GET", u, "").is(200).set().ids(); !slices.Equal(ids, forward[i+1]) {
				t.Errorf("again %v, before %v", ids, forward[i+1])
			}
		}
		for _, e := range f.do("GET", "/fhir/Patient?_count=1000", "").set().Entry {
			if strings.HasPrefix(e.Resource.ID, "new-") {
				f.do("DELETE", "/fhir/Patient/"+e.Resource.ID, "").is(204)
			}
		}
	}
}

func TestPageLinks(t *testing.T) {
	f := open(t, nil)
	for _, id := range []string{"a", "b", "c"} {
		f.put(id, "Smith").is(201)
	}
	next := f.do("GET", "/fhir/Patient?name=smith&_count=1&_format=json&_pretty=false", "").set().link("next")
	u, err := url.Parse(next)
	if err != nil {
		t.Fatal(err)
	}
	token := u.Query().Get("_page")
	if token == "" || u.Query().Get("_format") != "json" || u.Query().Get("_pretty") != "false" {
		t.Fatalf("next is %s", next)
	}
	f.do("GET", next, "").is(200)
	second := f.do("GET", next, "").set()
	if second.link("self") != next || second.link("first") != "/fhir/Patient?name=smith&_count=1&_format=json&_pretty=false" {
		t.Errorf("links are %+v", second.Link)
	}
	// A token opens only for the search it was made for, and only as it was made.
	for _, path := range []string{
		"/fhir/Patient?name=smyth&_count=1&_page=" + token,
		"/fhir/Patient?name=smith&_count=2&_page=" + token,
		"/fhir/Patient?_count=1&_page=" + token,
		"/fhir/Patient/_history?_count=1&_page=" + token,
		"/fhir/Patient?name=smith&_count=1&_page=" + token[:len(token)-2],
		"/fhir/Patient?name=smith&_count=1&_page=A" + token[1:],
	} {
		f.do("GET", path, "").fails(400, "value", "begin again without it")
	}
	expired := openOn(t, forgetful{f.backend}, func(c *server.Config) { c.Key = f.key })
	expired.do("GET", next, "").fails(410, "deleted", "begin again at http://hob.test/fhir/Patient?name=smith&_count=1&_format=json&_pretty=false")
	if g := open(t, func(c *server.Config) { c.Key = nil }); g.do("GET", next, "").status != 400 {
		t.Error("another server's key opens the link")
	}
	key, err := server.PageKey(background(), f.store)
	if err != nil {
		t.Fatal(err)
	}
	again, err := server.PageKey(background(), f.store)
	if err != nil || len(key) != 32 || !slices.Equal(key, again) {
		t.Errorf("the key is %x, then %x (%v)", key, again, err)
	}
}

// forgetful is a backend that keeps no old snapshots.
type forgetful struct{ driver.Backend }

func (b forgetful) View(ctx context.Context, fn func(driver.Reader) error) error {
	return b.Backend.View(ctx, func(r driver.Reader) error { return fn(forgetfulReader{r}) })
}

type forgetfulReader struct{ driver.Reader }

func (r forgetfulReader) Find(f driver.Find) iter.Seq2[driver.Hit, error] {
	if f.At == "" {
		return r.Reader.Find(f)
	}
	return func(yield func(driver.Hit, error) bool) { yield(driver.Hit{}, driver.ErrExpired) }
}
