package badger

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/storage/driver"
)

// TestReach: an interval that reaches over a value begins no earlier than facts say which have seen it.
func TestReach(t *testing.T) {
	r := seeded(t)
	random := func() []byte {
		b := make([]byte, 1+r.IntN(10))
		for i := range b {
			b[i] = byte(r.IntN(3)) * 127
		}
		return b
	}
	for range 2000 {
		low, high, over := random(), random(), random()
		if bytes.Compare(low, over) >= 0 || bytes.Compare(over, high) >= 0 {
			continue
		}
		k := facts{known: true}.with([]row{{value: driver.Span(low, high)}})
		if b := k.below(over); bytes.Compare(b, low) > 0 {
			t.Errorf("an interval [% x, % x) over % x begins before % x", low, high, over, b)
		}
		if back, err := parseFacts(k.encode()); err != nil || back != k {
			t.Errorf("%+v comes back as %+v, %v", k, back, err)
		}
	}
	for _, bad := range [][]byte{nil, {0}, make([]byte, 10), {8, 0, 0, 0, 0, 0, 0, 0, 0}} {
		if k, err := parseFacts(bad); err == nil {
			t.Errorf("% x are taken for facts: %+v", bad, k)
		}
	}
}

// TestTwoRowsOfOneField: two clauses on a field may hold for two rows of a record, and from the first such record on they are asked apart,
// in the transaction that writes it as in those after.
func TestTwoRowsOfOneField(t *testing.T) {
	s := memory(t)
	at := func(v string) driver.Row { return driver.Row{Field: "at", Value: driver.Point([]byte(v))} }
	clause := func(op driver.Op, v string) driver.Lookup {
		return driver.Lookup{Field: "at", Op: op, Values: []driver.Value{driver.Point([]byte(v))}}
	}
	ask := func(r driver.Reader, want string, oneRow bool) {
		t.Helper()
		f := driver.Find{Type: "T", Where: driver.And{clause(driver.GT, "m"), clause(driver.LT, "n")}, Trace: &driver.Trace{}}
		got := ""
		for hit, err := range r.Find(f) {
			if err != nil {
				t.Fatal(err)
			}
			got += hit.ID
		}
		if got != want || strings.Contains(f.Trace.Steps[0].Do, "one row") != oneRow {
			t.Errorf("found %q, want %q; steps %+v", got, want, f.Trace.Steps)
		}
	}
	put := func(id string, check func(driver.Tx), rows ...driver.Row) {
		t.Helper()
		if _, err := s.Update(context.Background(), func(tx driver.Tx) error {
			err := tx.Put(record("T", id, []byte("{}")), rows)
			check(tx)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	put("a", func(tx driver.Tx) { ask(tx, "a", true) }, at("mm"))
	put("b", func(tx driver.Tx) { ask(tx, "a", true) }, at("z"))
	put("c", func(tx driver.Tx) { ask(tx, "ac", false) }, at("a"), at("z"))
	if err := s.View(context.Background(), func(r driver.Reader) error { ask(r, "ac", false); return nil }); err != nil {
		t.Fatal(err)
	}
	sound(t, s)
}
