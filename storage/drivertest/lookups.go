package drivertest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hob-fhir/hob/storage/driver"
)

var lookupTests = []test{
	{"every operator over points", func(s *store) {
		s.save("T", "a", row("f", "a"))
		s.save("T", "ab", row("f", "ab"))
		s.save("T", "b", row("f", "b"))
		s.save("T", "none", row("g", "b"))
		for _, c := range []struct {
			l    driver.Lookup
			want string
		}{
			{look("f", driver.EQUAL, "ab"), "ab"},
			{look("f", driver.EQUAL, "abc"), ""},
			{lookIn("f", driver.EQUAL, span("a", "b")), "a ab"},
			{lookIn("f", driver.EQUAL, span("ab", "")), "ab b"},
			{lookIn("f", driver.EQUAL, span("", "ab")), "a"},
			{lookIn("f", driver.EQUAL, span("b", "a")), ""},
			{lookIn("f", driver.EQUAL, span("ab", "ab")), ""},
			{lookIn("f", driver.EQUAL, driver.Prefix([]byte("a"))), "a ab"},
			{driver.Has("f"), "a ab b"},
			{look("f", driver.IN), ""},
			{look("f", driver.IN, "b", "a", "b", "zz"), "a b"},
			{look("f", driver.LT, "ab"), "a"},
			{look("f", driver.LTE, "ab"), "a ab"},
			{look("f", driver.GT, "ab"), "b"},
			{look("f", driver.GTE, "ab"), "ab b"},
			{look("f", driver.LT, "a"), ""},
			{look("f", driver.GT, "b"), ""},
			{look("f", driver.LIKE, "b"), "ab b"},
			{look("f", driver.LIKE, "ab"), "ab"},
			{look("h", driver.EQUAL, "a"), ""},
		} {
			s.finds("T", c.l, c.want)
		}
	}},
	{"every operator over intervals", func(s *store) {
		s.save("T", "march", spanRow("f", "03", "04"))
		s.save("T", "spring", spanRow("f", "03", "06"))
		s.save("T", "since", spanRow("f", "03", ""))
		s.save("T", "until", spanRow("f", "", "04"))
		s.save("T", "ever", spanRow("f", "", ""))
		for _, c := range []struct {
			l    driver.Lookup
			want string
		}{
			{look("f", driver.EQUAL, "03"), ""},
			{lookIn("f", driver.EQUAL, span("03", "04")), "march"},
			{lookIn("f", driver.EQUAL, span("02", "06")), "march spring"},
			{lookIn("f", driver.EQUAL, span("02", "")), "march spring since"},
			{lookIn("f", driver.EQUAL, span("", "06")), "march spring until"},
			{driver.Has("f"), "march spring since until ever"},
			{driver.Lookup{Field: "f", Op: driver.IN, Values: []driver.Value{span("03", "04"), span("", "04")}}, "march until"},
			{look("f", driver.LT, "03"), "until ever"},
			{look("f", driver.LTE, "03"), "march spring since until ever"},
			{look("f", driver.GT, "04"), "spring since ever"},
			{look("f", driver.GTE, "04"), "spring since ever"},
			{look("f", driver.GTE, "03"), "march spring since until ever"},
			{look("f", driver.GT, "06"), "since ever"},
			{look("f", driver.LIKE, "3"), "march spring since"},
		} {
			s.finds("T", c.l, c.want)
		}
	}},
	{"every operator over every row agrees with Holds", everyLookup},
	{"a row of several is enough", func(s *store) {
		s.save("T", "a", row("f", "1"), row("f", "5"), spanRow("f", "7", "8"))
		s.save("T", "b", row("f", "3"))
		s.finds("T", look("f", driver.LT, "2"), "a")
		s.finds("T", look("f", driver.GT, "4"), "a")
		s.finds("T", driver.And{look("f", driver.LT, "2"), look("f", driver.GT, "4")}, "a")
		s.finds("T", driver.And{look("f", driver.GTE, "3"), look("f", driver.LTE, "3")}, "a b")
		s.finds("T", driver.Not{Of: look("f", driver.GT, "4")}, "b")
	}},
	{"points and intervals of one field are found together", func(s *store) {
		s.save("T", "day", row("date", "2026-03-08"))
		s.save("T", "month", spanRow("date", "2026-03", "2026-04"))
		s.save("T", "year", spanRow("date", "2026", "2027"))
		s.finds("T", lookIn("date", driver.EQUAL, span("2026-03", "2026-04")), "day month")
		s.finds("T", look("date", driver.LT, "2026-03"), "year")
		s.finds("T", look("date", driver.GTE, "2026-04"), "year")
		s.finds("T", look("date", driver.GT, "2026-03-08"), "month year")
		s.finds("T", driver.Has("date"), "day month year")
	}},
	{"like takes every byte literally", func(s *store) {
		for _, v := range []string{"a%b", "a_b", "axb", `a\b`, `a\%b`, "a\x00b", "ab", "a\xffb", "\xff\xff", "Äb", "äb", "a*b", "a'b", "a[b"} {
			s.save("T", v, row("f", v))
		}
		for part, want := range map[string][]string{
			"%": {"a%b", `a\%b`}, "_": {"a_b"}, `\`: {`a\b`, `a\%b`}, `\%`: {`a\%b`}, "\x00": {"a\x00b"}, "\xff": {"a\xffb", "\xff\xff"},
			"a%": {"a%b"}, "\xffb": {"a\xffb"}, "\xff\xff\xff": nil, "ä": {"äb"}, "\xa4": {"äb"}, "\x84b": {"Äb"}, "*": {"a*b"}, "'": {"a'b"},
			"[b": {"a[b"}, "ab": {"ab"}, "AB": nil,
		} {
			got := idsOf(s.hits(driver.Find{Type: "T", Where: look("f", driver.LIKE, part)}))
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				s.Errorf("LIKE %q finds %q; want %q", part, got, want)
			}
		}
	}},
	{"long values are told apart to their last byte", func(s *store) {
		for _, n := range []int{1000, 1024, 1025, 4096, driver.MaxValue - 1} {
			long := strings.Repeat("x", n)
			a, b, c := fmt.Sprint(n, "a"), fmt.Sprint(n, "b"), fmt.Sprint(n, "c")
			field := fmt.Sprint("f", n)
			s.save("T", a, row(field, long+"a"))
			s.save("T", b, row(field, long+"b"))
			s.save("T", c, spanRow(field, long+"a", long+"c"))
			for _, t := range []struct {
				l    driver.Lookup
				want string
			}{
				{look(field, driver.EQUAL, long+"a"), a},
				{look(field, driver.EQUAL, long), ""},
				{look(field, driver.EQUAL, long+"aa"), ""},
				{look(field, driver.IN, long+"b", long+"a"), a + " " + b},
				{look(field, driver.LT, long+"b"), a + " " + c},
				{look(field, driver.LT, long+"a"), ""},
				{look(field, driver.LTE, long+"a"), a + " " + c},
				{look(field, driver.GT, long+"a"), b + " " + c},
				{look(field, driver.GTE, long+"c"), ""},
				{look(field, driver.GTE, long+"b"), b + " " + c},
				{look(field, driver.LIKE, "xa"), a + " " + c},
				{lookIn(field, driver.EQUAL, span(long+"b", "")), b},
				{lookIn(field, driver.EQUAL, span(long, long+"b")), a},
				{lookIn(field, driver.EQUAL, span(long+"a", long+"c")), strings.Join([]string{a, b, c}, " ")},
				{driver.Has(field), strings.Join([]string{a, b, c}, " ")},
			} {
				s.finds("T", t.l, t.want)
			}
			want := []string{a, c, b}
			if got := idsOf(s.hits(driver.Find{Type: "T", Where: driver.Has(field), Sort: []driver.Order{{Field: field}, {}}})); !slices.Equal(got, want) {
				s.Errorf("sorted by values of %d bytes: %q; want %q", n+1, got, want)
			}
		}
	}},
	{"fields that begin alike are apart", func(s *store) {
		s.save("T", "a", row("name", "x"))
		s.save("T", "b", row("name:exact", "x"))
		s.save("T", "c", row("nam", "ex"))
		s.finds("T", look("name", driver.EQUAL, "x"), "a")
		s.finds("T", driver.Has("name"), "a")
		s.finds("T", look("nam", driver.GT, "a"), "c")
		s.finds("T", look("name:exact", driver.LIKE, "x"), "b")
	}},
}

// everyLookup stores one record for every point and interval over a few awkward ends, and asks every question over the same ends.
func everyLookup(s *store) {
	ends := []string{"", "\x00", "\x00\x00", "\x00\xff", "a", "a\x00", "a\x00\x00", "a\x01", "ab", "b", "\xfe\xff", "\xff", "\xff\x00", "\xff\xff"}
	var values []driver.Value
	for _, low := range ends {
		if low != "" {
			values = append(values, driver.Point([]byte(low)))
		}
		for _, high := range ends {
			values = append(values, span(low, high))
		}
	}
	rows := map[string]driver.Row{}
	s.update(func(tx driver.Tx) error {
		for i, v := range values {
			r := driver.Row{Field: "f", Value: v}
			k := key("T", fmt.Sprint("r", i))
			if driver.ValidateRows(k, []driver.Row{r}) != nil {
				continue // an interval that holds nothing
			}
			rows[k.ID] = r
			if _, err := s.put(tx, k, r, row("g", "a")); err != nil {
				return err
			}
		}
		return nil
	})
	for _, op := range []driver.Op{driver.EQUAL, driver.IN, driver.LT, driver.LTE, driver.GT, driver.GTE, driver.LIKE} {
		for i, v := range values {
			l := lookIn("f", op, v)
			if op == driver.IN {
				l.Values = append(l.Values, values[(i*7+3)%len(values)])
			}
			if driver.Validate(l) != nil {
				continue // operators that take no interval
			}
			var want []string
			for id, r := range rows {
				if driver.Holds(r, l) {
					want = append(want, id)
				}
			}
			s.finds("T", l, strings.Join(want, " "))
		}
	}
}
