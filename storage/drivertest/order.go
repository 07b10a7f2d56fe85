package drivertest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hob-fhir/hob/storage/driver"
)

// by sorts by fields; "-f" is descending, "" by id. The id always decides at last, so that a test knows the whole sequence.
func by(fields ...string) []driver.Order {
	var sort []driver.Order
	for _, f := range fields {
		if f != "" && f[0] == '-' {
			sort = append(sort, driver.Order{Field: f[1:], Desc: true})
		} else {
			sort = append(sort, driver.Order{Field: f})
		}
	}
	return sort
}

var orderTests = []test{
	{"by value, both ways", func(s *store) {
		for _, id := range []string{"b", "a", "c"} {
			s.save("T", id, row("f", id+"1"))
		}
		s.walks(driver.Find{Type: "T", Sort: by("f")}, "a b c")
		s.walks(driver.Find{Type: "T", Sort: by("-f")}, "c b a")
		s.walks(driver.Find{Type: "T", Sort: by("f"), Reverse: true}, "c b a")
		s.walks(driver.Find{Type: "T", Sort: by("-f"), Reverse: true}, "a b c")
		s.walks(driver.Find{Type: "T", Sort: by("f"), Limit: 2}, "a b")
		s.walks(driver.Find{Type: "T", Sort: by("f"), Limit: 2, Reverse: true}, "c b")
		s.walks(driver.Find{Type: "T", Where: look("f", driver.GT, "b"), Sort: by("-f")}, "c b")
	}},
	{"by id, bytewise", func(s *store) {
		for _, id := range []string{"b", "B", "a", "10", "9", "a-1", "a.1", "é"} {
			s.save("T", id)
		}
		s.walks(driver.Find{Type: "T", Sort: by("")}, "10 9 B a a-1 a.1 b é")
		s.walks(driver.Find{Type: "T", Sort: []driver.Order{{Desc: true}}}, "é b a.1 a-1 a B 9 10")
	}},
	{"what has no row of the field comes last both ways", func(s *store) {
		s.save("T", "none")
		s.save("T", "low", row("f", "1"))
		s.save("T", "other", row("g", "0"))
		s.save("T", "high", row("f", "2"))
		s.walks(driver.Find{Type: "T", Sort: by("f", "")}, "low high none other")
		s.walks(driver.Find{Type: "T", Sort: by("-f", "")}, "high low none other")
		s.walks(driver.Find{Type: "T", Sort: by("-f", ""), Reverse: true}, "other none low high")
		s.walks(driver.Find{Type: "T", Sort: by("f", ""), Reverse: true}, "other none high low")
		s.walks(driver.Find{Type: "T", Sort: by("-g", "f", "")}, "other low high none")
	}},
	{"several rows: the smallest, or the largest if descending", func(s *store) {
		s.save("T", "wide", row("f", "1"), row("f", "9"))
		s.save("T", "mid", row("f", "5"))
		s.save("T", "two", row("f", "3"), row("f", "4"))
		s.walks(driver.Find{Type: "T", Sort: by("f")}, "wide two mid")
		s.walks(driver.Find{Type: "T", Sort: by("-f")}, "wide mid two")
	}},
	{"an interval sorts by its low, an open one first", func(s *store) {
		s.save("T", "open", spanRow("f", "", "5"))
		s.save("T", "march", spanRow("f", "3", "4"))
		s.save("T", "point", row("f", "2"))
		s.save("T", "both", spanRow("f", "1", ""), row("f", "9"))
		s.save("T", "none")
		s.walks(driver.Find{Type: "T", Sort: by("f")}, "open both point march none")
		s.walks(driver.Find{Type: "T", Sort: by("-f")}, "both march point open none")
	}},
	{"by several fields, each its own way", func(s *store) {
		for _, r := range [][3]string{{"a", "1", "x"}, {"b", "1", "y"}, {"c", "2", "x"}, {"d", "2", "y"}, {"e", "1", "x"}, {"f", "2", ""}} {
			rows := []driver.Row{row("f", r[1])}
			if r[2] != "" {
				rows = append(rows, row("g", r[2]))
			}
			s.save("T", r[0], rows...)
		}
		s.walks(driver.Find{Type: "T", Sort: by("f", "g", "")}, "a e b c d f")
		s.walks(driver.Find{Type: "T", Sort: by("f", "-g", "")}, "b a e d c f")
		s.walks(driver.Find{Type: "T", Sort: by("-f", "g", "")}, "c d f a e b")
		s.walks(driver.Find{Type: "T", Sort: by("-g", "-f", "")}, "d b c a e f")
		s.walks(driver.Find{Type: "T", Sort: by("-g", "-f", ""), Reverse: true}, "f e a c b d")
	}},
	{"values with zero bytes and ends sort as bytes do", func(s *store) {
		want := []string{"\x00", "\x00\x00", "\x00\x01", "\x00\xff", "\x01", "a", "a\x00", "a\x00\x00", "a\x00\x01", "a\x01", "aa", "\xfe\xff", "\xff", "\xff\x00", "\xff\xff"}
		for i := range want {
			j := (i*7 + 3) % len(want)
			s.save("T", want[j], row("f", want[j]))
		}
		if got := idsOf(s.hits(driver.Find{Type: "T", Sort: by("f")})); !slices.Equal(got, want) {
			s.Errorf("sorted: %q; want %q", got, want)
		}
		if got := idsOf(s.hits(driver.Find{Type: "T", Sort: by("")})); !slices.Equal(got, want) {
			s.Errorf("sorted by id: %q; want %q", got, want)
		}
		slices.Reverse(want)
		if got := idsOf(s.hits(driver.Find{Type: "T", Sort: by("-f")})); !slices.Equal(got, want) {
			s.Errorf("sorted descending: %q; want %q", got, want)
		}
	}},
	{"the backend's own order is one order, and never changes for a key", ownOrder},
	{"count counts what find yields without limit and after", func(s *store) {
		for i := range 10 {
			s.save("T", fmt.Sprint("r", i), row("f", fmt.Sprint(i%2)))
		}
		s.view(func(r driver.Reader) {
			f := driver.Find{Type: "T", Where: look("f", driver.EQUAL, "1"), Sort: by("f"), Limit: 2}
			hits, err := find(r, f)
			if err != nil || len(hits) != 2 {
				s.Errorf("find with limit 2: %q, %v", idsOf(hits), err)
				return
			}
			f.After = hits[1].Cursor
			for _, f.Reverse = range []bool{false, true} {
				if n, err := r.Count(f); err != nil || n != 5 {
					s.Errorf("count: %d, %v; want 5", n, err)
				}
			}
		})
	}},
	{"a limit beyond the end and a walk that is broken off", func(s *store) {
		for i := range 5 {
			s.save("T", fmt.Sprint("r", i), row("f", "1"))
		}
		for _, sort := range [][]driver.Order{nil, by("f"), by("-f"), by("")} {
			if n := len(s.hits(driver.Find{Type: "T", Sort: sort, Limit: 99})); n != 5 {
				s.Errorf("find with limit 99: %d hits; want 5", n)
			}
			s.view(func(r driver.Reader) {
				n := 0
				for _, err := range r.Find(driver.Find{Type: "T", Sort: sort}) {
					if n++; err != nil || n == 2 {
						break
					}
				}
				s.findsIn(r, "T", look("f", driver.EQUAL, "1"), "r0 r1 r2 r3 r4")
			})
		}
	}},
	{"a bare search gives the record without its body", func(s *store) {
		put := s.save("T", "a", row("f", "1"))
		for _, bare := range []bool{false, true} {
			want := put
			if bare {
				want.Body = nil
			}
			hits := s.hits(driver.Find{Type: "T", Sort: by("f"), Bare: bare})
			if len(hits) != 1 {
				s.Fatalf("%d hits; want 1", len(hits))
			}
			if d := differs(hits[0].Record, want); d != "" {
				s.Errorf("hit: %s", d)
			}
		}
	}},
	{"a trace does not change the result", func(s *store) {
		s.save("T", "a", row("f", "1"))
		s.save("T", "b", row("f", "2"))
		s.walks(driver.Find{Type: "T", Where: look("f", driver.GTE, "1"), Sort: by("-f"), Trace: new(driver.Trace)}, "b a")
	}},
	{"a snapshot that is not known is an error", func(s *store) {
		s.save("T", "a")
		s.view(func(r driver.Reader) {
			if hits, err := find(r, driver.Find{Type: "T", At: "not a snapshot"}); !errors.Is(err, driver.ErrExpired) && !errors.Is(err, driver.ErrInvalid) {
				s.Errorf("find: %d hits, %v; want %v or %v", len(hits), err, driver.ErrExpired, driver.ErrInvalid)
			}
		})
	}},
}

// ownOrder asks for hits that no sort tells apart: they must come in the order of an unsorted search, and stay in it whatever is
// changed, deleted and put again.
func ownOrder(s *store) {
	for i := range 40 {
		s.save("T", fmt.Sprint("r", i*7%40), row("f", fmt.Sprint(i%3)), row("g", fmt.Sprint(i%2)))
	}
	first := idsOf(s.hits(driver.Find{Type: "T"}))
	for i := range 40 {
		id := fmt.Sprint("r", i*11%40)
		switch i % 4 {
		case 0:
			s.delete("T", id)
			s.save("T", id, row("f", fmt.Sprint(i%3)))
		case 1:
			s.save("T", id, row("f", fmt.Sprint(i%2)), row("g", "2"))
		case 2:
			s.delete("T", id)
		}
	}
	rank := map[string]int{}
	for i, id := range first {
		rank[id] = i
	}
	for _, sort := range [][]driver.Order{nil, by("none"), by("-none"), by("f"), by("-f"), by("g", "-f")} {
		for _, where := range []driver.Query{nil, driver.Has("f"), driver.Or{look("f", driver.IN, "1", "2"), look("g", driver.EQUAL, "2")}} {
			f := driver.Find{Type: "T", Where: where, Sort: append(slices.Clone(sort), driver.Order{Field: "none", Desc: true})}
			if sort == nil {
				f.Sort = nil
			}
			hits := s.hits(f)
			if sort == nil || sort[0].Field == "none" {
				for i := 1; i < len(hits); i++ {
					if rank[hits[i-1].ID] > rank[hits[i].ID] {
						s.Errorf("find %+v yields %s before %s; it was the other way at first", f, hits[i-1].ID, hits[i].ID)
					}
				}
				continue
			}
			byValue := map[string][]string{}
			keys := s.sortKeys(f, hits)
			for i, h := range hits {
				byValue[keys[i]] = append(byValue[keys[i]], h.ID)
			}
			for value, ids := range byValue {
				if !slices.IsSortedFunc(ids, func(a, b string) int { return rank[a] - rank[b] }) {
					s.Errorf("find %+v yields %q with the same sort values %s; at first their order was another", f, ids, value)
				}
			}
		}
	}
}

// sortKeys finds out, by asking, which of the values 0, 1, 2 or none each hit has in the sorted fields.
func (s *store) sortKeys(f driver.Find, hits []driver.Hit) []string {
	keys := make([]string, len(hits))
	for _, o := range f.Sort {
		for _, value := range []string{"0", "1", "2"} {
			has := map[string]bool{}
			for _, h := range s.hits(driver.Find{Type: f.Type, Where: look(o.Field, driver.EQUAL, value)}) {
				has[h.ID] = true
			}
			for i, h := range hits {
				keys[i] += fmt.Sprint(has[h.ID])
			}
		}
	}
	return keys
}
