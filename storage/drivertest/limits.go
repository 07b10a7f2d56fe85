package drivertest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hob-fhir/hob/storage/driver"
)

var limitTests = []test{
	{"values up to MaxValue are stored, longer ones refused", func(s *store) {
		longest := strings.Repeat("x", driver.MaxValue)
		s.save("T", "a", row("f", longest), spanRow("g", longest[1:], longest), unique(row("u", longest)))
		s.finds("T", look("f", driver.EQUAL, longest), "a")
		s.finds("T", lookIn("g", driver.EQUAL, span(longest[2:], longest)), "a")
		s.refused(driver.ErrTaken, s.putting("T", "b", unique(row("u", longest))))
		for _, rows := range [][]driver.Row{{row("f", longest+"x")}, {spanRow("f", "a", longest+"x")}, {row("f", "short"), spanRow("g", "", longest+"x")}} {
			s.refused(driver.ErrTooLarge, s.putting("T", "b", rows...))
			s.refused(driver.ErrTooLarge, func(tx driver.Tx) error { return tx.Index(key("T", "a"), 1, rows) })
		}
		s.finds("T", nil, "a")
		s.finds("T", look("f", driver.EQUAL, longest+"x"), "")
		s.finds("T", look("f", driver.GT, longest), "")
	}},
	{"malformed records and rows are refused", func(s *store) {
		s.save("T", "a", row("f", "1"))
		b := driver.Record{Key: key("T", "b"), Version: 1, Time: dawn, Body: []byte("{}")}
		change := func(fn func(*driver.Record)) driver.Record {
			rec := b
			fn(&rec)
			return rec
		}
		for name, c := range map[string]struct {
			rec  driver.Record
			rows []driver.Row
		}{
			"no type":                 {rec: change(func(r *driver.Record) { r.Type = "" })},
			"zero byte in the type":   {rec: change(func(r *driver.Record) { r.Type = "T\x00" })},
			"no id":                   {rec: change(func(r *driver.Record) { r.ID = "" })},
			"version 0":               {rec: change(func(r *driver.Record) { r.Version = 0 })},
			"erased":                  {rec: change(func(r *driver.Record) { r.Deleted, r.Erased, r.Body = true, true, nil })},
			"deleted with a body":     {rec: change(func(r *driver.Record) { r.Deleted = true })},
			"deleted with rows":       {rec: change(func(r *driver.Record) { r.Deleted, r.Body = true, nil }), rows: []driver.Row{row("f", "1")}},
			"public with an expiry":   {rec: change(func(r *driver.Record) { r.Expires = dawn.AddDate(100, 0, 0) })},
			"row without a field":     {rec: b, rows: []driver.Row{row("", "1")}},
			"zero byte in a field":    {rec: b, rows: []driver.Row{row("f\x00", "1")}},
			"empty point":             {rec: b, rows: []driver.Row{row("f", "1"), row("f", "")}},
			"point with a high":       {rec: b, rows: []driver.Row{{Field: "f", Value: driver.Value{Low: []byte("1"), High: []byte("2")}}}},
			"interval of nothing":     {rec: b, rows: []driver.Row{spanRow("f", "1", "1")}},
			"interval upside down":    {rec: b, rows: []driver.Row{spanRow("f", "2", "1")}},
			"interval that is unique": {rec: b, rows: []driver.Row{unique(spanRow("f", "1", "2"))}},
		} {
			if _, err := s.Update(s.Context(), func(tx driver.Tx) error { return tx.Put(c.rec, c.rows) }); !errors.Is(err, driver.ErrInvalid) {
				s.Errorf("put with %s: %v; want %v", name, err, driver.ErrInvalid)
			}
			if driver.ValidateRows(key("T", "a"), c.rows) == nil {
				continue
			}
			if _, err := s.Update(s.Context(), func(tx driver.Tx) error { return tx.Index(key("T", "a"), 1, c.rows) }); !errors.Is(err, driver.ErrInvalid) {
				s.Errorf("index with %s: %v; want %v", name, err, driver.ErrInvalid)
			}
		}
		s.finds("T", nil, "a")
		s.finds("T", look("f", driver.EQUAL, "1"), "a")
		s.logs(driver.Log{}, "T/a:1")
	}},
	{"malformed searches are refused", func(s *store) {
		s.save("T", "a", row("f", "1"))
		one := driver.Point([]byte("1"))
		for name, q := range map[string]driver.Query{
			"unknown operator":      driver.Lookup{Field: "f", Op: "NE", Values: []driver.Value{one}},
			"no operator":           driver.Lookup{Field: "f", Values: []driver.Value{one}},
			"no field":              driver.Lookup{Op: driver.EQUAL, Values: []driver.Value{one}},
			"EQUAL of no value":     driver.Lookup{Field: "f", Op: driver.EQUAL},
			"EQUAL of two values":   driver.Lookup{Field: "f", Op: driver.EQUAL, Values: []driver.Value{one, one}},
			"LT of an interval":     lookIn("f", driver.LT, span("1", "2")),
			"LTE of an interval":    lookIn("f", driver.LTE, span("1", "2")),
			"GT of an interval":     lookIn("f", driver.GT, span("1", "2")),
			"GTE of an interval":    lookIn("f", driver.GTE, span("1", "2")),
			"LIKE of an interval":   lookIn("f", driver.LIKE, span("1", "2")),
			"LIKE of nothing":       look("f", driver.LIKE, ""),
			"EQUAL of nothing":      look("f", driver.EQUAL, ""),
			"IN of nothing":         look("f", driver.IN, "1", ""),
			"point with a high":     lookIn("f", driver.EQUAL, driver.Value{Low: []byte("1"), High: []byte("2")}),
			"deep in other nodes":   driver.And{driver.Or{driver.Not{Of: look("f", "NE", "1")}}},
			"in same":               driver.Same{look("f", driver.EQUAL, "1"), look("f", "NE", "1")},
			"in refers":             driver.Refers{Field: "f", Type: "T", Where: look("f", "NE", "1")},
			"in referred":           driver.Referred{Field: "f", Type: "T", Where: look("f", "NE", "1")},
			"refers without type":   driver.Refers{Field: "f"},
			"refers without field":  driver.Refers{Type: "T"},
			"referred without type": driver.Referred{Field: "f"},
		} {
			s.refuses(name, driver.Find{Type: "T", Where: q})
		}
		s.refuses("no type", driver.Find{})
		s.refuses("limit below 0", driver.Find{Type: "T", Limit: -1})
		s.refuses("budget below 0", driver.Find{Type: "T", Budget: -1})
	}},
	{"a search beyond its budget is too costly", func(s *store) {
		s.update(func(tx driver.Tx) error {
			for i := range 1000 {
				if _, err := s.put(tx, key("T", fmt.Sprint(i)), row("f", fmt.Sprint("value ", i))); err != nil {
					return err
				}
			}
			return nil
		})
		f := driver.Find{Type: "T", Where: look("f", driver.LIKE, "alu"), Bare: true, Budget: 20}
		s.view(func(r driver.Reader) {
			if hits, err := find(r, f); !errors.Is(err, driver.ErrTooCostly) || len(hits) > 100 {
				s.Errorf("find with a budget of 20: %d hits, %v; want %v", len(hits), err, driver.ErrTooCostly)
			}
			if n, err := r.Count(f); !errors.Is(err, driver.ErrTooCostly) {
				s.Errorf("count with a budget of 20: %d, %v; want %v", n, err, driver.ErrTooCostly)
			}
			f.Sort = by("f")
			if hits, err := find(r, f); !errors.Is(err, driver.ErrTooCostly) {
				s.Errorf("sorted find with a budget of 20: %d hits, %v; want %v", len(hits), err, driver.ErrTooCostly)
			}
			for _, f.Budget = range []int{0, 1 << 30} {
				if hits, err := find(r, f); err != nil || len(hits) != 1000 {
					s.Errorf("find with a budget of %d: %d hits, %v; want 1000", f.Budget, len(hits), err)
				}
			}
		})
	}},
	{"a change too large works or is refused, never by halves", func(s *store) {
		s.save("T", "before", row("f", "1"))
		const n = 2000
		noise := noise(n + 12<<10)
		_, err := s.Update(s.Context(), func(tx driver.Tx) error {
			for i := range n {
				rec := driver.Record{Key: key("T", fmt.Sprint("r", i)), Version: 1, Time: dawn, Body: noise[i : i+12<<10]}
				rows := []driver.Row{row("f", "1"), row("g", fmt.Sprint(i)), unique(row("u", fmt.Sprint(i)))}
				if err := tx.Put(rec, rows); err != nil {
					return err
				}
			}
			return nil
		})
		count, logged := 1, 1
		switch {
		case err == nil:
			count, logged = n+1, n+1
		case !errors.Is(err, driver.ErrTooLarge):
			s.Errorf("update: %v; want none or %v", err, driver.ErrTooLarge)
		}
		for _, q := range []driver.Query{nil, look("f", driver.EQUAL, "1")} {
			if got := len(s.hits(driver.Find{Type: "T", Where: q, Bare: true})); got != count {
				s.Errorf("%d records where %v after an update with error %v; want %d", got, q, err, count)
			}
		}
		if got := len(s.history(driver.Log{Bare: true})); got != logged {
			s.Errorf("%d records in the log after an update with error %v; want %d", got, err, logged)
		}
		s.save("T", "after", row("f", "1"), row("g", "1"))
		if _, err := s.Update(s.Context(), s.putting("T", "taker", unique(row("u", "7")))); (err == nil) != (count == 1) {
			s.Errorf("put of a unique value of the large update: %v", err)
		}
	}},
}

// refuses requires that Find and Count refuse a malformed search.
func (s *store) refuses(name string, f driver.Find) {
	s.Helper()
	s.view(func(r driver.Reader) {
		if hits, err := find(r, f); !errors.Is(err, driver.ErrInvalid) {
			s.Errorf("find with %s: %d hits, %v; want %v", name, len(hits), err, driver.ErrInvalid)
		}
		if n, err := r.Count(f); !errors.Is(err, driver.ErrInvalid) {
			s.Errorf("count with %s: %d, %v; want %v", name, n, err, driver.ErrInvalid)
		}
	})
}
