package badger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hob-fhir/hob/storage/driver"
	"github.com/hob-fhir/hob/storage/drivertest"
)

// The suite's random test has few records, so that they change often. The plans of a search differ only when there are thousands:
// whether parts are merged or probed, pages walked, sort fields walked. TestPlans compares those with the model.

const planRecords = 6000

var errRollback = errors.New("rolled back")

// planWorld makes the same random records in any backend.
type planWorld struct{ r *rand.Rand }

func seeded(t testing.TB) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("HOB_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	t.Logf("HOB_SEED=%d repeats this run", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

func (w planWorld) bytes(n int) []byte { return fmt.Appendf(nil, "v%04d", w.r.IntN(n)) }

func (w planWorld) instant() []byte {
	return driver.Instant(time.Unix(1_600_000_000+int64(w.r.IntN(2000))*3600, 0))
}

func (w planWorld) rows(typ string) []driver.Row {
	var rows []driver.Row
	add := func(field string, group int, v driver.Value) {
		rows = append(rows, driver.Row{Field: field, Group: uint32(group), Value: v})
	}
	if typ == "P" {
		add("name", 0, driver.Point(w.bytes(100)))
		add("city", 0, driver.Point(w.bytes(3)))
		return rows
	}
	status := "final"
	if w.r.IntN(50) == 0 {
		status = "draft"
	}
	add("status", 0, driver.Point([]byte(status)))
	add("code", 0, driver.Point(w.bytes(200)))
	if w.r.IntN(2) == 0 {
		add("half", 0, driver.Point([]byte("yes")))
	}
	if w.r.IntN(10) > 0 {
		to := driver.Key{Type: "P", ID: fmt.Sprint(w.r.IntN(320))} // some are not there
		add("subject", 0, driver.Point(to.Ref()))
	}
	if w.r.IntN(4) > 0 {
		low := w.instant()
		if high := w.instant(); w.r.IntN(2) == 0 && bytes.Compare(low, high) < 0 {
			add("date", 0, driver.Span(low, high))
		} else if w.r.IntN(20) == 0 {
			add("date", 0, driver.Span(nil, low))
		} else if w.r.IntN(20) == 0 {
			add("date", 0, driver.Span(low, nil))
		} else {
			add("date", 0, driver.Point(low))
		}
	}
	if w.r.IntN(5) > 0 {
		add("at", 0, driver.Point(w.instant()))
	}
	if low, ok := driver.ParseInstant(w.instant()); ok && w.r.IntN(5) > 0 { // short, and never open
		if add("when", 0, driver.Point(driver.Instant(low))); w.r.IntN(2) == 0 {
			rows[len(rows)-1].Value = driver.Span(driver.Instant(low), driver.Instant(low.Add(time.Duration(1+w.r.IntN(30*24))*time.Hour)))
		}
	}
	for g := range w.r.IntN(4) {
		add("part", g, driver.Point(w.bytes(20)))
		add("size", g, driver.Point(w.bytes(30)))
	}
	if w.r.IntN(20) == 0 {
		long := bytes.Repeat([]byte{'l', 0}, maxPlain/2)
		add("note", 0, driver.Point(append(long, w.bytes(3)...)))
	} else if w.r.IntN(3) == 0 {
		add("note", 0, driver.Point(w.bytes(50)))
	}
	return rows
}

func (w planWorld) fill(t testing.TB, s driver.Backend) {
	t.Helper()
	at := time.UnixMilli(1_700_000_000_000)
	versions := map[driver.Key]uint64{}
	put := func(tx driver.Tx, typ string, i int) error {
		k := driver.Key{Type: typ, ID: fmt.Sprint(i)}
		versions[k]++
		rec := driver.Record{Key: k, Version: versions[k], Time: at, Body: []byte(`{}`)}
		rows := w.rows(typ)
		if versions[k] > 1 && w.r.IntN(4) == 0 {
			rec.Deleted, rec.Body, rows = true, nil, nil
		}
		return tx.Put(rec, rows)
	}
	for i := 0; i < planRecords; {
		if _, err := s.Update(context.Background(), func(tx driver.Tx) error {
			for range 300 {
				if i < 300 {
					if err := put(tx, "P", i); err != nil {
						return err
					}
				}
				if err := put(tx, "O", i); err != nil {
					return err
				}
				if i++; w.r.IntN(10) == 0 {
					if err := put(tx, "O", w.r.IntN(i)); err != nil {
						return err
					}
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func (w planWorld) lookup() driver.Lookup {
	l := func(field string, op driver.Op, vs ...driver.Value) driver.Lookup {
		return driver.Lookup{Field: field, Op: op, Values: vs}
	}
	p := driver.Point
	compare := []driver.Op{driver.LT, driver.LTE, driver.GT, driver.GTE}[w.r.IntN(4)]
	switch w.r.IntN(16) {
	case 0, 1:
		return l("status", driver.EQUAL, p([]byte("final")))
	case 2:
		return l("status", driver.EQUAL, p([]byte("draft")))
	case 3, 4:
		return l("code", driver.EQUAL, p(w.bytes(200)))
	case 5:
		return l("code", driver.IN, p(w.bytes(200)), p(w.bytes(200)), driver.Prefix([]byte("v001")))
	case 6:
		if w.r.IntN(2) == 0 {
			in := l("code", driver.IN)
			for range 30 { // more than are compared one by one, and seldom any that overlap
				in.Values = append(in.Values, []driver.Value{p(w.bytes(200)), driver.Prefix(w.bytes(200))}[w.r.IntN(50)/49])
			}
			return in
		}
		return l("half", driver.EQUAL, p([]byte("yes")))
	case 7:
		return l("date", compare, p(w.instant()))
	case 8:
		return l("date", driver.EQUAL, driver.Span(w.instant(), w.instant()))
	case 9:
		return l("date", driver.EQUAL, driver.Span(nil, w.instant()))
	case 10:
		return l("part", driver.EQUAL, p(w.bytes(20)))
	case 11:
		return l("note", driver.LIKE, p([]byte("v000")))
	case 12:
		long := bytes.Repeat([]byte{'l', 0}, maxPlain/2)
		ops := []driver.Op{driver.EQUAL, compare, driver.LIKE}
		return l("note", ops[w.r.IntN(3)], p(append(long, w.bytes(3)...)))
	case 13:
		return driver.Has([]string{"date", "note", "part", "nothing", "when"}[w.r.IntN(5)])
	case 14:
		return l("size", compare, p(w.bytes(30)))
	}
	return l("subject", driver.EQUAL, p(driver.Key{Type: "P", ID: fmt.Sprint(w.r.IntN(300))}.Ref()))
}

// span asks for a stretch of one field by two clauses, as ge and lt do, and sometimes by one more.
func (w planWorld) span() driver.Query {
	field := []string{"date", "when", "when", "at", "at", "size"}[w.r.IntN(6)]
	value := w.instant
	if field == "size" {
		value = func() []byte { return w.bytes(30) }
	}
	low, high := value(), value()
	if bytes.Compare(high, low) < 0 && w.r.IntN(8) > 0 {
		low, high = high, low
	}
	clause := func(op driver.Op, v []byte) driver.Query {
		l := driver.Lookup{Field: field, Op: op, Values: []driver.Value{driver.Point(v)}}
		if w.r.IntN(3) > 0 {
			return l
		}
		near := append(bytes.Clone(v), 1)
		return driver.Or{l, driver.Lookup{Field: field, Op: driver.EQUAL, Values: []driver.Value{driver.Span(v, near)}}}
	}
	and := driver.And{
		clause([]driver.Op{driver.GT, driver.GTE}[w.r.IntN(2)], low),
		clause([]driver.Op{driver.LT, driver.LTE}[w.r.IntN(2)], high),
	}
	switch w.r.IntN(6) {
	case 0:
		and = append(and, driver.Lookup{Field: field, Op: driver.EQUAL, Values: []driver.Value{driver.Span(value(), value())}})
	case 1:
		return driver.And{driver.Not{Of: and}, w.lookup()}
	case 2:
		return driver.And{and, w.lookup()}
	}
	return and
}

func (w planWorld) query(depth int) driver.Query {
	if w.r.IntN(8) == 0 {
		return w.span()
	}
	if depth == 0 || w.r.IntN(4) == 0 {
		return w.lookup()
	}
	switch w.r.IntN(12) {
	case 0, 1, 2, 3:
		return driver.And{w.query(depth - 1), w.query(depth - 1)}
	case 4:
		return driver.And{w.query(depth - 1), w.query(depth - 1), driver.Not{Of: w.lookup()}}
	case 5, 6:
		return driver.Or{w.query(depth - 1), w.query(depth - 1)}
	case 7:
		return driver.Not{Of: w.query(depth - 1)}
	case 8:
		return driver.Same{
			{Field: "part", Op: driver.EQUAL, Values: []driver.Value{driver.Point(w.bytes(20))}},
			{Field: "size", Op: driver.GTE, Values: []driver.Value{driver.Point(w.bytes(30))}},
		}
	case 9:
		var where driver.Query = driver.Lookup{Field: "city", Op: driver.EQUAL, Values: []driver.Value{driver.Point(w.bytes(3))}}
		switch w.r.IntN(4) {
		case 0:
			where = nil
		case 1:
			where = driver.Lookup{Field: "name", Op: driver.EQUAL, Values: []driver.Value{driver.Point(w.bytes(100))}}
		case 2:
			if os.Getenv("HOB_SOAK") != "" { // the model takes seconds for one
				where = driver.Referred{Type: "O", Field: "subject", Where: w.lookup()}
			}
		}
		return driver.Refers{Field: "subject", Type: "P", Where: where}
	case 10:
		ids := driver.IDs{"no such"}
		for range w.r.IntN(40) {
			ids = append(ids, fmt.Sprint(w.r.IntN(planRecords)))
		}
		return ids
	}
	return driver.All{}
}

func (w planWorld) find() driver.Find {
	f := driver.Find{Type: "O", Where: w.query(3), Bare: true}
	if w.r.IntN(25) == 0 { // the model is slow at these
		f.Type = "P"
		f.Where = driver.Referred{Type: "O", Field: "subject", Where: w.query(2)}
		if w.r.IntN(4) == 0 {
			f.Where = driver.Referred{Type: "O", Field: "subject"}
		}
	}
	fields := []string{"", "status", "code", "date", "part", "note", "half", "nothing", "city", "when", "at", "at"}
	for range []int{0, 0, 1, 1, 1, 2}[w.r.IntN(6)] {
		f.Sort = append(f.Sort, driver.Order{Field: fields[w.r.IntN(len(fields))], Desc: w.r.IntN(2) == 0})
	}
	f.Reverse = w.r.IntN(3) == 0
	f.Limit = []int{0, 1, 7, 50}[w.r.IntN(4)]
	return f
}

// pages walks up to five pages and returns their ids.
func pages(r driver.Reader, f driver.Find) (ids []string, err error) {
	for range 5 {
		n := 0
		for hit, err := range r.Find(f) {
			if err != nil {
				return ids, err
			}
			ids = append(ids, hit.ID)
			f.After = hit.Cursor
			n++
		}
		if n == 0 || f.Limit == 0 || n < f.Limit {
			break
		}
	}
	return ids, nil
}

func TestPlans(t *testing.T) {
	r := seeded(t)
	worldSeed := r.Uint64()
	model, s := drivertest.NewModel(), memory(t)
	planWorld{rand.New(rand.NewPCG(worldSeed, 2))}.fill(t, model)
	planWorld{rand.New(rand.NewPCG(worldSeed, 2))}.fill(t, s)
	sound(t, s)
	searches := 80
	switch {
	case os.Getenv("HOB_SOAK") != "":
		searches = 5000
	case testing.Short():
		searches = 30
	}
	w := planWorld{r}
	steps := map[string]int{}
	compare := func(want, got driver.Reader, f driver.Find) {
		t.Helper()
		wantIDs, err := pages(want, f)
		if err != nil {
			t.Fatal(err)
		}
		trace := &driver.Trace{}
		f.Trace = trace
		gotIDs, err := pages(got, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range trace.Steps {
			steps[strings.Fields(s.Do)[0]]++
			if strings.Contains(s.Do, "one row") {
				steps["one row"]++
			}
		}
		if !slices.Equal(gotIDs, wantIDs) {
			t.Fatalf("search %#v\nfinds %d: %.300q\n want %d: %.300q\n steps %+v", f, len(gotIDs), gotIDs, len(wantIDs), wantIDs, trace.Steps)
		}
		f.Limit, f.After = 0, ""
		wantN, err := want.Count(f)
		if err != nil {
			t.Fatal(err)
		}
		if gotN, err := got.Count(f); err != nil || gotN != wantN {
			t.Fatalf("search %#v\ncounts %d, want %d, %v", f, gotN, wantN, err)
		}
	}
	for range searches {
		f := w.find()
		err := model.View(context.Background(), func(want driver.Reader) error {
			return s.View(context.Background(), func(got driver.Reader) error { compare(want, got, f); return nil })
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// The same within an update that has changed much and committed nothing.
	change := func(tx driver.Tx, seed uint64) error {
		w := planWorld{rand.New(rand.NewPCG(seed, 3))}
		for i := range 1500 {
			id := fmt.Sprint(w.r.IntN(planRecords + 500))
			head, err := tx.Head(driver.Key{Type: "O", ID: id})
			if err != nil && !errors.Is(err, driver.ErrNotFound) {
				return err
			}
			rec := driver.Record{Key: driver.Key{Type: "O", ID: id}, Version: head.Version + 1, Time: time.UnixMilli(1_700_000_000_000), Body: []byte("{}")}
			rows := w.rows("O")
			if i%5 == 0 {
				rec.Deleted, rec.Body, rows = true, nil, nil
			}
			if err := tx.Put(rec, rows); err != nil {
				return err
			}
		}
		return nil
	}
	seed := r.Uint64()
	_, err := model.Update(context.Background(), func(want driver.Tx) error {
		if err := change(want, seed); err != nil {
			return err
		}
		_, err := s.Update(context.Background(), func(got driver.Tx) error {
			if err := change(got, seed); err != nil {
				return err
			}
			for range searches / 2 {
				compare(want, got, w.find())
			}
			return errRollback
		})
		return err
	})
	if !errors.Is(err, errRollback) {
		t.Fatal(err)
	}
	sound(t, s)
	t.Logf("steps taken: %v", steps)
	for _, step := range []string{"drive", "merge", "look", "ask", "read", "walk", "sort", "one row"} {
		if steps[step] == 0 && searches >= 80 {
			t.Errorf("no search took the step %q", step)
		}
	}
}

// TestLongIDs: an id too long for a key is followed through chains all the same.
func TestLongIDs(t *testing.T) {
	model, s := drivertest.NewModel(), memory(t)
	ids := []string{strings.Repeat("a", 2000), strings.Repeat("a", 2000) + "\x00b", strings.Repeat("a", 1100), "short"}
	for _, b := range []driver.Backend{model, s} {
		_, err := b.Update(context.Background(), func(tx driver.Tx) error {
			for i, id := range ids {
				row := driver.Row{Field: "name", Value: driver.Point(fmt.Append(nil, i))}
				if err := tx.Put(record("P", id, []byte("{}")), []driver.Row{row}); err != nil {
					return err
				}
				ref := driver.Row{Field: "subject", Value: driver.Point(driver.Key{Type: "P", ID: id}.Ref())}
				if err := tx.Put(record("O", fmt.Sprint(i), []byte("{}")), []driver.Row{ref}); err != nil {
					return err
				}
			}
			return tx.Put(record("P", "alone", []byte("{}")), nil)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	sound(t, s)
	named := driver.Lookup{Field: "name", Op: driver.IN, Values: []driver.Value{driver.Point([]byte("1")), driver.Point([]byte("3"))}}
	for _, f := range []driver.Find{
		{Type: "O", Where: driver.Refers{Field: "subject", Type: "P"}},
		{Type: "O", Where: driver.Refers{Field: "subject", Type: "P", Where: named}},
		{Type: "P", Where: driver.Referred{Type: "O", Field: "subject"}},
		{Type: "P", Where: driver.Referred{Type: "O", Field: "subject", Where: driver.IDs{"0", "2"}}},
		{Type: "P", Where: driver.Not{Of: driver.Referred{Type: "O", Field: "subject"}}},
		{Type: "O", Sort: []driver.Order{{Field: "subject"}}, Limit: 2},
		{Type: "O", Sort: []driver.Order{{Field: "subject", Desc: true}}, Limit: 1},
		{Type: "P", Sort: []driver.Order{{Desc: true}}, Limit: 2, Reverse: true},
	} {
		err := model.View(context.Background(), func(want driver.Reader) error {
			return s.View(context.Background(), func(got driver.Reader) error {
				wantIDs, err := pages(want, f)
				if err != nil {
					return err
				}
				gotIDs, err := pages(got, f)
				if err == nil && !slices.Equal(gotIDs, wantIDs) {
					t.Errorf("%+v finds %.40q, want %.40q", f, gotIDs, wantIDs)
				}
				return err
			})
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestJoinDrives: a chain that names few records is not answered by asking it of the many that another part lists.
func TestJoinDrives(t *testing.T) {
	s := memory(t)
	w := planWorld{seeded(t)}
	w.fill(t, s)
	trace := &driver.Trace{}
	f := driver.Find{Type: "O", Bare: true, Trace: trace, Where: driver.And{
		driver.Lookup{Field: "status", Op: driver.EQUAL, Values: []driver.Value{driver.Point([]byte("final"))}},
		driver.Refers{Field: "subject", Type: "P", Where: driver.Lookup{Field: "name", Op: driver.EQUAL, Values: []driver.Value{driver.Point([]byte("v0007"))}}},
	}}
	if err := s.View(context.Background(), func(r driver.Reader) error {
		_, err := r.Count(f)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	rows := 0
	for _, step := range trace.Steps {
		rows += step.Rows
	}
	if rows > 3000 {
		t.Errorf("%d rows read of %d records: %+v", rows, planRecords, trace.Steps)
	}
}

// TestErasedInChains: nothing is found by a record that was erased, through a page link from before either.
func TestErasedInChains(t *testing.T) {
	s := memory(t)
	at := time.UnixMilli(1000)
	name := driver.Lookup{Field: "name", Op: driver.EQUAL, Values: []driver.Value{driver.Point([]byte("secret"))}}
	var before driver.Snapshot
	_, err := s.Update(context.Background(), func(tx driver.Tx) error {
		for i, id := range []string{"a", "b"} {
			rows := []driver.Row{{Field: "name", Value: driver.Point([]byte("secret"))}, {Field: "of", Value: driver.Point(driver.Key{Type: "O", ID: fmt.Sprint(i)}.Ref())}}
			if err := tx.Put(record("P", id, []byte("{}")), rows); err != nil {
				return err
			}
			rows = []driver.Row{{Field: "subject", Value: driver.Point(driver.Key{Type: "P", ID: id}.Ref())}, {Field: "all", Value: driver.Point([]byte("x"))}}
			if err := tx.Put(record("O", fmt.Sprint(i), []byte("{}")), rows); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = s.View(context.Background(), func(r driver.Reader) error { before = r.Now(); return nil })
	}
	if err == nil {
		_, err = s.Update(context.Background(), func(tx driver.Tx) error { return tx.Erase(driver.Key{Type: "P", ID: "a"}, at) })
	}
	if err != nil {
		t.Fatal(err)
	}
	others := driver.Lookup{Field: "all", Op: driver.EQUAL, Values: []driver.Value{driver.Point([]byte("x"))}}
	for _, where := range []driver.Query{
		driver.Refers{Field: "subject", Type: "P", Where: name},
		driver.Refers{Field: "subject", Type: "P"},
		driver.Referred{Type: "P", Field: "of", Where: name},
		driver.Referred{Type: "P", Field: "of"},
	} {
		for _, q := range []driver.Query{where, driver.And{others, where}, driver.Or{where, driver.Not{Of: others}}} {
			err := s.View(context.Background(), func(r driver.Reader) error {
				ids, err := pages(r, driver.Find{Type: "O", Where: q, At: before, Bare: true})
				if !slices.Equal(ids, []string{"1"}) {
					t.Errorf("%+v finds %q, want only the one of the patient that is left", q, ids)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
}
