package drivertest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hob-fhir/hob/storage/driver"
)

// X1 to X17: what the 27 cases left open. X12, a restart, is in Durable.
var extraCases = []test{
	{"X1 one of many concurrent links of one pair succeeds", func(s *store) {
		c := newClinic(s, "Patient")
		var people []person
		for i := range 24 {
			people = append(people, c.create(person{Name: fmt.Sprint("P", i)}))
		}
		var linked atomic.Int64
		var wg sync.WaitGroup
		for _, p := range people {
			wg.Go(func() {
				if c.link(p.ID, "FOO", "BAR") {
					linked.Add(1)
				}
			})
		}
		wg.Wait()
		if linked.Load() != 1 {
			s.Errorf("%d links of one pair succeeded; want 1", linked.Load())
		}
		if found := c.filter(look("identifier", driver.EQUAL, link{"FOO", "BAR"}.row())); len(found) != 1 {
			s.Errorf("%d people hold the pair; want 1", len(found))
		}
	}},
	{"X2 unlink by the wrong patient changes nothing", func(s *store) {
		c := newClinic(s, "Patient")
		joe, jane := c.create(person{Name: "Joe"}), c.create(person{Name: "Jane"})
		s.is(c.link(joe.ID, "FOO", "BAR"), true, "link of Joe")
		s.is(c.unlink(jane.ID, "FOO", "BAR"), false, "unlink by Jane")
		got, _ := c.bySource("FOO", "BAR")
		s.is(got.ID == joe.ID, true, "Joe keeps it")
	}},
	{"X3 after a deletion the pair can be linked again", func(s *store) {
		c := newClinic(s, "Patient")
		joe, jane := c.create(person{Name: "Joe"}), c.create(person{Name: "Jane"})
		s.is(c.link(joe.ID, "FOO", "BAR"), true, "link of Joe")
		s.is(c.discard(joe.ID), true, "delete of Joe")
		s.is(c.link(jane.ID, "FOO", "BAR"), true, "link of Jane")
		got, _ := c.bySource("FOO", "BAR")
		s.is(got.ID == jane.ID, true, "Jane has it")
	}},
	{"X4 A-B of C is not A of B-C", func(s *store) {
		c := newClinic(s, "Patient")
		joe, jane := c.create(person{Name: "Joe"}), c.create(person{Name: "Jane"})
		s.is(c.link(joe.ID, "A-B", "C"), true, "link of Joe")
		s.is(c.link(jane.ID, "A", "B-C"), true, "link of Jane")
		one, _ := c.bySource("A-B", "C")
		two, _ := c.bySource("A", "B-C")
		s.is(one.ID == joe.ID && two.ID == jane.ID, true, "each has its own")
	}},
	{"X5 an unset field matches no operator", func(s *store) {
		c := newClinic(s, "Patient")
		c.create(person{Name: "Joe"})
		for _, op := range []driver.Op{driver.EQUAL, driver.LIKE, driver.IN, driver.LT, driver.LTE, driver.GT, driver.GTE} {
			c.names("", look("sex", op, "M"))
			c.names("", look("birth_date", op, "\x01"))
			c.names("", look("birth_date", op, "\xff"))
		}
		c.names("", driver.Has("sex"))
		c.names("Joe", driver.Not{Of: driver.Has("sex")})
	}},
	{"X6 no lookups give all, across pages", func(s *store) {
		c := newClinic(s, "Patient")
		for i := range 25 {
			c.create(person{Name: fmt.Sprint("P", i)})
		}
		seen := map[string]bool{}
		for _, h := range s.pages(driver.Find{Type: "Patient", Limit: 7}, s.now()) {
			s.is(seen[h.ID], false, "%s is on two pages", h.ID)
			seen[h.ID] = true
		}
		if len(seen) != 25 {
			s.Errorf("%d people on all pages; want 25", len(seen))
		}
	}},
	{"X7 all of several lookups must hold", func(s *store) {
		c := newClinic(s, "Patient")
		c.create(person{Name: "Joe", Sex: "M", Birth: "1980-01-01"})
		c.create(person{Name: "Jane", Sex: "F", Birth: "1980-01-01"})
		c.create(person{Name: "Jim", Sex: "M", Birth: "1990-01-01"})
		c.names("Joe", look("sex", driver.EQUAL, "M"), look("birth_date", driver.LT, "1985"))
		c.names("", look("sex", driver.EQUAL, "F"), look("birth_date", driver.GT, "1985"))
		c.names("Jim", look("sex", driver.EQUAL, "M"), look("name", driver.LIKE, "J"), look("birth_date", driver.GT, "1985"))
	}},
	{"X8 an unknown operator is an error, not an empty list", func(s *store) {
		newClinic(s, "Patient").create(person{Name: "Joe"})
		s.view(func(r driver.Reader) {
			f := driver.Find{Type: "Patient", Where: look("name", "BETWEEN", "A")}
			if hits, err := find(r, f); !errors.Is(err, driver.ErrInvalid) {
				s.Errorf("find: %d hits, %v; want %v", len(hits), err, driver.ErrInvalid)
			}
			if n, err := r.Count(f); !errors.Is(err, driver.ErrInvalid) {
				s.Errorf("count: %d, %v; want %v", n, err, driver.ErrInvalid)
			}
		})
	}},
	{"X9 what is returned is a copy", returnedIsCopy},
	{"X10 id and creation stay under update", func(s *store) {
		c := newClinic(s, "Patient")
		joe := c.create(person{Name: "Joe"})
		s.is(c.change(joe.ID, func(p *person) bool {
			p.ID, p.Created, p.Name = "other", time.Time{}, "Jim"
			return true
		}), true, "update")
		if got, ok := c.get(joe.ID); !ok || got.ID != joe.ID || !got.Created.Equal(joe.Created) || got.Name != "Jim" {
			s.Errorf("get: %+v, %t; want Jim with the id and creation of %+v", got, ok, joe)
		}
		_, ok := c.get("other")
		s.is(ok, false, "another id")
		c.names("Jim", lookIn("created_date", driver.EQUAL, driver.Point(driver.Instant(joe.Created))))
	}},
	{"X11 wildcards, commas, backslashes and unicode are literal in LIKE", func(s *store) {
		c := newClinic(s, "Patient")
		for _, name := range []string{"100%", "1000", "a_b", "axb", "c,d", `e\f`, "ef", "Zoë", "Zoe", "李雷", "*", "J.e", "Joe", "[x]"} {
			c.create(person{Name: name})
		}
		for part, want := range map[string]string{
			"%": "100%", "0%": "100%", "_": "a_b", "a_": "a_b", ",": "c,d", `\`: `e\f`, "ë": "Zoë", "李": "李雷", "*": "*",
			"J.": "J.e", "zo": "", "Zo": "Zoe Zoë", "[x": "[x]", "00": "100% 1000", "雷李": "",
		} {
			c.names(want, look("name", driver.LIKE, part))
		}
	}},
	{"X13 quick updates keep their order", func(s *store) {
		c := newClinic(s, "Patient")
		joe := c.create(person{Name: "Joe"})
		last := joe.Updated
		for i := range 50 {
			s.is(c.change(joe.ID, func(p *person) bool { p.Name = fmt.Sprint("Joe", i); return true }), true, "update %d", i)
			got, _ := c.get(joe.ID)
			s.is(got.Updated.After(last), true, "update %d is later than the one before", i)
			last = got.Updated
		}
		var want []string
		for v := range 51 {
			want = append(want, fmt.Sprintf("Patient/%s:%d", joe.ID, v+1))
		}
		s.logs(driver.Log{Type: "Patient", ID: joe.ID}, strings.Join(want, " "))
	}},
	{"X14 the status is A unless set, and can be filtered by", func(s *store) {
		c := newClinic(s, "Patient")
		c.create(person{Name: "Joe"})
		jane := c.create(person{Name: "Jane"})
		c.names("Jane Joe", look("status", driver.EQUAL, "A"))
		s.is(c.change(jane.ID, func(p *person) bool { p.Status = "I"; return true }), true, "update")
		c.names("Joe", look("status", driver.EQUAL, "A"))
		c.names("Jane", look("status", driver.EQUAL, "I"))
	}},
	{"X15 one patient may be known to two sources", func(s *store) {
		c := newClinic(s, "Patient")
		joe := c.create(person{Name: "Joe"})
		s.is(c.link(joe.ID, "FOO", "BAR"), true, "first link")
		s.is(c.link(joe.ID, "FOO", "BAZ"), true, "second link")
		one, _ := c.bySource("FOO", "BAR")
		two, _ := c.bySource("FOO", "BAZ")
		s.is(one.ID == joe.ID && two.ID == joe.ID, true, "both lead to Joe")
		s.is(c.unlink(joe.ID, "FOO", "BAR"), true, "unlink of one")
		_, ok := c.bySource("FOO", "BAR")
		s.is(ok, false, "the one leads nowhere")
		two, _ = c.bySource("FOO", "BAZ")
		s.is(two.ID == joe.ID, true, "the other still leads to Joe")
	}},
	{"X16 creation and update can be filtered by", func(s *store) {
		c := newClinic(s, "Patient")
		joe := c.create(person{Name: "Joe"})
		jane := c.create(person{Name: "Jane"})
		at := func(field string, op driver.Op, t time.Time) driver.Query {
			return lookIn(field, op, driver.Point(driver.Instant(t)))
		}
		c.names("Joe", at("created_date", driver.LT, jane.Created))
		c.names("Jane", at("updated_date", driver.GT, joe.Updated))
		s.is(c.change(joe.ID, func(p *person) bool { p.Sex = "M"; return true }), true, "update")
		c.names("Joe", at("updated_date", driver.GT, jane.Updated))
		c.names("Joe", at("created_date", driver.LTE, joe.Created))
		c.names("", at("updated_date", driver.LTE, joe.Created))
	}},
	{"X17 one moment is the same in every time zone", func(s *store) {
		c := newClinic(s, "Patient")
		midnight := time.Date(2026, 3, 8, 0, 0, 0, 0, time.FixedZone("east", 2*60*60))
		day := driver.Span(driver.Instant(midnight), driver.Instant(midnight.AddDate(0, 0, 1)))
		for name, t := range map[string]time.Time{
			"Before": time.Date(2026, 3, 7, 21, 59, 59, 999e6, time.UTC),
			"First":  time.Date(2026, 3, 7, 22, 0, 0, 0, time.UTC),
			"Last":   time.Date(2026, 3, 8, 10, 59, 59, 999e6, time.FixedZone("west", -11*60*60)),
			"After":  time.Date(2026, 3, 8, 22, 0, 0, 0, time.UTC),
		} {
			c.create(person{Name: name, Birth: string(driver.Instant(t))})
		}
		c.names("First Last", lookIn("birth_date", driver.EQUAL, day))
		c.names("First", lookIn("birth_date", driver.EQUAL, driver.Point(driver.Instant(midnight))))
		c.names("Before", look("birth_date", driver.LT, string(driver.Instant(midnight))))
	}},
}

func returnedIsCopy(s *store) {
	spoil := func(b []byte) {
		for i := range b {
			b[i] = 'x'
		}
	}
	k := key("Patient", "a")
	want := driver.Record{Key: k, Version: 1, Time: s.clock.next(), Body: body(k, 1)}
	given, value := want, []byte("Joe")
	given.Body = body(k, 1)
	s.update(func(tx driver.Tx) error {
		if err := tx.Put(given, []driver.Row{{Field: "name", Value: driver.Point(value)}}); err != nil {
			return err
		}
		own, err := tx.Get(k)
		spoil(own.Body)
		return err
	})
	spoil(given.Body) // when the update is done, what was given to it is the caller's again
	spoil(value)
	s.view(func(r driver.Reader) {
		for range 2 {
			rec, err := r.Get(k)
			if err != nil || string(rec.Body) != string(want.Body) {
				s.Errorf("get: %q, %v; want %q", rec.Body, err, want.Body)
			}
			spoil(rec.Body)
			rec, err = r.Version(k, 1)
			if err != nil || string(rec.Body) != string(want.Body) {
				s.Errorf("version: %q, %v; want %q", rec.Body, err, want.Body)
			}
			spoil(rec.Body)
			hits, err := find(r, driver.Find{Type: "Patient", Where: look("name", driver.EQUAL, "Joe")})
			if err != nil || len(hits) != 1 || string(hits[0].Body) != string(want.Body) {
				s.Errorf("find: %v, %v; want body %q", hits, err, want.Body)
			}
			for _, h := range hits {
				spoil(h.Body)
			}
			recs, err := logged(r, driver.Log{})
			if err != nil || len(recs) != 1 || string(recs[0].Body) != string(want.Body) {
				s.Errorf("log: %v, %v; want body %q", recs, err, want.Body)
			}
			for _, l := range recs {
				spoil(l.Body)
			}
		}
	})
	s.reads(want)
}
