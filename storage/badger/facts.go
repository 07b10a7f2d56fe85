package badger

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/hob-fhir/hob/storage/driver"
)

// facts are what has been true of a field since its first row, so that a planner may rely on it: they only ever get wider, and are
// written in the transaction that made them wider. Of a field that is older than the facts nothing is known.
//
// They are kept under M 's' f: flags (1) · reach (8).
type facts struct {
	several  bool // some record has had two rows of the field
	openLow  bool // some interval has had an open Low
	openHigh bool // some interval has had an open High
	known    bool

	// reach bounds how far the closed intervals reach: the largest distance of High from Low, of their first eight bytes as numbers,
	// rounded up to one less than a power of two. 0: there were none.
	reach uint64
}

const (
	factSeveral = 1 << iota
	factOpenLow
	factOpenHigh
)

const factsLen = 9

func keyFacts(f fieldNo) []byte { return []byte{famNames, 's', byte(f >> 8), byte(f)} }

func (k facts) encode() []byte {
	b := make([]byte, 1, factsLen)
	for i, is := range []bool{k.several, k.openLow, k.openHigh} {
		if is {
			b[0] |= 1 << i
		}
	}
	return binary.BigEndian.AppendUint64(b, k.reach)
}

func parseFacts(b []byte) (facts, error) {
	if len(b) != factsLen || b[0] > factSeveral|factOpenLow|factOpenHigh {
		return facts{}, fmt.Errorf("% x are no facts of a field", b)
	}
	return facts{
		several: b[0]&factSeveral != 0, openLow: b[0]&factOpenLow != 0, openHigh: b[0]&factOpenHigh != 0, known: true,
		reach: binary.BigEndian.Uint64(b[1:]),
	}, nil
}

// with widens facts by the rows of one field of a record.
func (k facts) with(rows []row) facts {
	k.several = k.several || len(rows) > 1
	for _, r := range rows {
		if !r.value.Interval {
			continue
		}
		low, high := r.value.Low, r.value.High
		k.openLow = k.openLow || len(low) == 0
		k.openHigh = k.openHigh || len(high) == 0
		if len(low) > 0 && len(high) > 0 {
			d := max(first8(high)-first8(low), 1) // High is above Low
			k.reach = max(k.reach, 1<<bits.Len64(d)-1)
		}
	}
	return k
}

// covers reports whether nothing in rows would widen the facts.
func (k facts) covers(rows []row) bool { return !k.known || k.with(rows) == k }

// first8 are the first eight bytes of a value as a number; shorter values are filled up with zeros. It is in the order of the values, but
// for those that it makes equal.
func first8(v []byte) uint64 {
	var b [8]byte
	copy(b[:], v)
	return binary.BigEndian.Uint64(b[:])
}

// below is the least value that an interval which reaches over v may begin with.
func (k facts) below(v []byte) []byte {
	n := first8(v)
	if k.reach >= n {
		return nil
	}
	b := binary.BigEndian.AppendUint64(nil, n-k.reach)
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1] // what begins with a shorter value sorts before what is filled up
	}
	return b
}

// factsOf returns what is known of a field.
func (v *view) factsOf(f fieldNo) facts {
	if v.over != nil {
		if p, ok := v.over.get(string(keyFacts(f))); ok {
			k, err := parseFacts(p.value)
			if err != nil {
				return facts{}
			}
			return k
		}
	}
	v.s.names.mu.RLock()
	defer v.s.names.mu.RUnlock()
	return v.s.names.facts[f]
}

// widen keeps the facts true of a record's rows, which must be in the order of compareRows.
func (t *tx) widen(rows []row) {
	for i := 0; i < len(rows); {
		j := i + 1
		for j < len(rows) && rows[j].field == rows[i].field {
			j++
		}
		of := rows[i:j]
		i = j
		if len(of) == 1 && !of[0].value.Interval {
			continue // nothing can be wider
		}
		if k := t.factsOf(of[0].field); !k.covers(of) {
			t.set(keyFacts(of[0].field), k.with(of).encode())
		}
	}
}

// rowNode holds for records of which one row of a field satisfies all clauses, each of which is satisfied by one of its lookups. It
// stands for a conjunction where no record has two rows of the field, and lists just the stretch that the clauses leave.
type rowNode struct {
	field   fieldNo
	clauses [][]lookupNode
	facts   facts
}

func (n rowNode) String() string {
	parts := make([]node, len(n.clauses))
	for i, c := range n.clauses {
		or := orNode{}
		for _, l := range c {
			or.parts = append(or.parts, l)
		}
		if parts[i] = or; len(c) == 1 {
			parts[i] = c[0]
		}
	}
	return join("one row", parts)
}

func (n rowNode) rank() int { return rankSpan }

func (n rowNode) test(f *finder, c *candidate) (bool, error) {
	if err := c.load(f); err != nil {
		return false, err
	}
	for _, r := range c.rows {
		if r.field == n.field && n.holds(r.value) {
			return true, nil
		}
	}
	return false, nil
}

func (n rowNode) holds(v driver.Value) bool {
next:
	for _, clause := range n.clauses {
		for _, l := range clause {
			if l.admits(v) {
				continue next
			}
		}
		return false
	}
	return true
}

// bounds are the first key of the field's postings that can satisfy all clauses, and the first beyond; nil where there is no end.
// Intervals that are open at either end may lie outside.
func (n rowNode) bounds() (from, to []byte) {
	for _, clause := range n.clauses {
		var low, high []byte
		for i, l := range clause {
			a, b := l.stretch(n.facts)
			if i == 0 || a == nil || low != nil && string(a) < string(low) {
				low = a
			}
			if i == 0 || b == nil || high != nil && string(b) > string(high) {
				high = b
			}
		}
		if low != nil && (from == nil || string(low) > string(from)) {
			from = low
		}
		if high != nil && (to == nil || string(high) < string(to)) {
			to = high
		}
	}
	return from, to
}

// stretch is bounds for one lookup.
func (n lookupNode) stretch(k facts) (from, to []byte) {
	for i, s := range n.spans() {
		if s.family == famHigh {
			continue // intervals, which may begin earlier
		}
		low := s.from
		if (n.Op == driver.GT || n.Op == driver.GTE) && k.reach > 0 {
			low = boundKey(keyField(famPosting, n.field), k.below(n.Values[0].Low), true)
			if string(s.from) < string(low) {
				low = s.from
			}
		}
		if i == 0 || low == nil || from != nil && string(low) < string(from) {
			from = low
		}
		if i == 0 || s.to == nil || to != nil && string(s.to) > string(to) {
			to = s.to
		}
	}
	return from, to
}

func (n rowNode) list(f *finder) (source, bool, error) {
	s := &postingSource{f: f, n: lookupNode{Lookup: driver.Lookup{Field: n.clauses[0][0].Field}, field: n.field}, row: &n}
	from, to := n.bounds()
	if n.facts.openLow {
		key := keyValue(n.field, nil)
		s.spans = append(s.spans, span{family: famPosting, from: key, to: after(key)})
	}
	if from == nil || to == nil || string(from) < string(to) {
		s.spans = append(s.spans, span{family: famPosting, from: from, to: to})
	}
	if n.facts.openHigh {
		s.spans = append(s.spans, span{family: famHigh, from: keyHighValue(n.field, nil)})
	}
	return s, true, nil
}

// oneRow puts the parts of a conjunction that ask for a stretch of one field together, where no record has two rows of it: what one
// row leaves open at one end another closes, so that neither has to be listed to its end.
func (f *finder) oneRow(parts []node) []node {
	at := map[fieldNo]int{} // in out
	var out []node
	for _, part := range parts {
		clause := clauseOf(part)
		if clause == nil {
			out = append(out, part)
			continue
		}
		no := clause[0].field
		i, met := at[no]
		if !met {
			at[no] = len(out)
			out = append(out, part)
			continue
		}
		if one, ok := out[i].(rowNode); ok {
			one.clauses = append(one.clauses, clause)
			out[i] = one
			continue
		}
		k := f.v.factsOf(no)
		if !k.known || k.several {
			out = append(out, part)
			continue
		}
		out[i] = rowNode{field: no, clauses: [][]lookupNode{clauseOf(out[i]), clause}, facts: k}
	}
	return out
}

// clauseOf returns the lookups of a part that asks one field for a stretch of values, nil if it is of another kind. What asks for points
// lists few records as it is.
func clauseOf(n node) []lookupNode {
	switch n := n.(type) {
	case lookupNode:
		if n.Op != driver.LIKE && n.rank() > rankPoint {
			return []lookupNode{n}
		}
	case orNode:
		if n.rank() <= rankPoint {
			return nil
		}
		var out []lookupNode
		for _, part := range n.parts {
			l, ok := part.(lookupNode)
			if !ok || l.Op == driver.LIKE || len(out) > 0 && out[0].field != l.field {
				return nil
			}
			out = append(out, l)
		}
		return out
	}
	return nil
}
