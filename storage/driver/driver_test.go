package driver

import (
	"bytes"
	"strings"
	"testing"
)

func TestRef(t *testing.T) {
	for k, want := range map[Key]string{
		{"Patient", "a"}:      "a\x00Patient",
		{"Patient", "a\x00b"}: "a\x00b\x00Patient",
		{"_job", "\xff"}:      "\xff\x00_job",
		{"T", "http://x/y"}:   "http://x/y\x00T",
	} {
		if got := string(k.Ref()); got != want {
			t.Errorf("ref of %s: %q; want %q", k, got, want)
		}
		if got, ok := ParseRef([]byte(want)); !ok || got != k {
			t.Errorf("parse of %q: %v, %t; want %v", want, got, ok, k)
		}
	}
	for _, bad := range []string{"", "a", "\x00", "a\x00", "\x00Patient", "http://x/Patient/a\x00"} {
		if k, ok := ParseRef([]byte(bad)); ok {
			t.Errorf("parse of %q gives %v; it names no key", bad, k)
		}
	}
}

// A reference of known id and unknown type is a range: every Ref of the id begins with id 00.
func TestRefOfUnknownType(t *testing.T) {
	q := Lookup{Field: "f", Op: EQUAL, Values: []Value{Prefix([]byte("a\x00"))}}
	for k, want := range map[Key]bool{{"Patient", "a"}: true, {"_x", "a"}: true, {"Patient", "ab"}: false, {"a", "b"}: false, {"Patient", "A"}: false} {
		if got := Holds(Row{Field: "f", Value: Point(k.Ref())}, q); got != want {
			t.Errorf("%s: %t; want %t", k, got, want)
		}
	}
}

func FuzzRef(f *testing.F) {
	f.Add("Patient", "a")
	f.Add("T", "a\x00b")
	f.Add("_", "\x00")
	f.Fuzz(func(t *testing.T, typ, id string) {
		k := Key{Type: typ, ID: id}
		if k.Validate() != nil {
			return
		}
		if got, ok := ParseRef(k.Ref()); !ok || got != k {
			t.Errorf("%q %q comes back as %q %q, %t", typ, id, got.Type, got.ID, ok)
		}
	})
}

func TestPrefix(t *testing.T) {
	for in, high := range map[string]string{"a": "b", "ab": "ac", "a\xff": "b", "a\xff\xff": "b", "\xff": "", "\xff\xff": "", "": "", "\x00": "\x01"} {
		v := Prefix([]byte(in))
		if !v.Interval || string(v.Low) != in || string(v.High) != high {
			t.Errorf("prefix of %q: [%q, %q); want [%q, %q)", in, v.Low, v.High, in, high)
		}
	}
	given := []byte("a\xff")
	Prefix(given)
	if string(given) != "a\xff" {
		t.Errorf("prefix has changed what it was given to %q", given)
	}
}

func FuzzPrefix(f *testing.F) {
	f.Add([]byte("a"), []byte("ab"))
	f.Add([]byte("a\xff"), []byte("b"))
	f.Add([]byte{0xff}, []byte{0xff, 0})
	f.Fuzz(func(t *testing.T, prefix, value []byte) {
		if len(value) == 0 {
			return
		}
		got := Holds(Row{Field: "f", Value: Point(value)}, Lookup{Field: "f", Op: EQUAL, Values: []Value{Prefix(prefix)}})
		if want := bytes.HasPrefix(value, prefix); got != want {
			t.Errorf("%q within the prefix %q: %t; want %t", value, prefix, got, want)
		}
	})
}

func TestValueEqual(t *testing.T) {
	values := []Value{point("a"), point("b"), span("a", ""), span("a", "b"), span("", "a"), span("", ""), span("a\x00", "")}
	for i, v := range values {
		for j, w := range values {
			if v.Equal(w) != (i == j) {
				t.Errorf("%v equal to %v: %t", v, w, v.Equal(w))
			}
		}
	}
	if !(Value{Low: []byte{}, Interval: true}).Equal(Value{Interval: true}) {
		t.Error("an open end is open whether nil or empty")
	}
}

func TestKey(t *testing.T) {
	if !(Key{"_job", "a"}).Private() || (Key{"Job", "_a"}).Private() {
		t.Error("a key is private if its type begins with _")
	}
	if got := (Key{"Patient", "a"}).String(); got != "Patient/a" {
		t.Errorf("a key reads %q", got)
	}
}

func TestProblem(t *testing.T) {
	if got := (Problem{Where: "T/a", What: "is broken"}).String(); got != "T/a: is broken" {
		t.Errorf("a problem reads %q", got)
	}
}

func TestTrace(t *testing.T) {
	var none *Trace
	none.Add(Step{Do: "nothing"})
	var tr Trace
	tr.Add(Step{Do: "one"})
	tr.Add(Step{Do: "two"})
	var did []string
	for _, s := range tr.Steps {
		did = append(did, s.Do)
	}
	if got := strings.Join(did, " "); got != "one two" {
		t.Errorf("trace has %q; want one two", got)
	}
}
