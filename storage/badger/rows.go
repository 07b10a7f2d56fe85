package badger

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/hob-fhir/hob/storage/driver"
)

// row is a driver.Row whose field is a number.
type row struct {
	field  fieldNo
	group  uint32
	value  driver.Value
	unique bool
}

func compareRows(a, b row) int {
	switch {
	case a.field != b.field:
		return int(a.field) - int(b.field)
	}
	if c := bytes.Compare(a.value.Low, b.value.Low); c != 0 {
		return c
	}
	switch {
	case a.value.Interval != b.value.Interval && b.value.Interval:
		return -1
	case a.value.Interval != b.value.Interval:
		return 1
	}
	if c := bytes.Compare(a.value.High, b.value.High); c != 0 {
		return c
	}
	switch {
	case a.group < b.group:
		return -1
	case a.group > b.group:
		return 1
	}
	return 0
}

// rowsOf numbers the fields of rows, sorts them, and makes rows one that are equal in field, group and value.
func (t *tx) rowsOf(typ typeNo, rows []driver.Row) ([]row, error) {
	out := make([]row, len(rows))
	for i, r := range rows {
		f, err := t.makeFieldNo(typ, r.Field)
		if err != nil {
			return nil, err
		}
		out[i] = row{field: f, group: r.Group, value: r.Value, unique: r.Unique}
	}
	slices.SortFunc(out, compareRows)
	n := 0
	for i, r := range out {
		if i > 0 && compareRows(out[n-1], r) == 0 {
			out[n-1].unique = out[n-1].unique || r.unique
			continue
		}
		out[n] = r
		n++
	}
	t.widen(out[:n])
	return out[:n], nil
}

// The forward rows of a record: for each, in the order of compareRows, the field's distance from that of the row before, group
// and flags (group*4 + 2 for an interval + 1 if unique) and Low, all as varints or after a varint of their length; then High, for
// intervals only.
const (
	rowUnique   = 1
	rowInterval = 2
)

func rowHead(r row) uint64 {
	h := uint64(r.group) << 2
	if r.value.Interval {
		h |= rowInterval
	}
	if r.unique {
		h |= rowUnique
	}
	return h
}

func encodeRows(rows []row) []byte {
	size := 0
	for _, r := range rows {
		size += 6 + len(r.value.Low) + len(r.value.High)
	}
	b := make([]byte, 0, size)
	var last fieldNo
	for _, r := range rows {
		b = binary.AppendUvarint(b, uint64(r.field-last))
		b = binary.AppendUvarint(b, rowHead(r))
		b = appendBytes(b, r.value.Low)
		if r.value.Interval {
			b = appendBytes(b, r.value.High)
		}
		last = r.field
	}
	return b
}

// decodeRows is the reverse of encodeRows; it appends to rows. The values point into b.
func decodeRows(rows []row, b []byte) ([]row, error) {
	d := decoder{b: b}
	var last fieldNo
	for d.err == nil && len(d.b) > 0 {
		last += fieldNo(d.uint())
		r := row{field: last}
		h := d.uint()
		r.group, r.unique, r.value.Interval = uint32(h>>2), h&rowUnique != 0, h&rowInterval != 0
		r.value.Low = d.bytes()
		if r.value.Interval {
			r.value.High = d.bytes()
		}
		rows = append(rows, r)
	}
	return rows, d.err
}

// appendEntry writes one row of a posting: rowHead and, for an interval, High. A posting of one point of group 0 that is not unique,
// which most are, is written as nothing at all.
func appendEntry(b []byte, r row) []byte {
	b = binary.AppendUvarint(b, rowHead(r))
	if r.value.Interval {
		b = appendBytes(b, r.value.High)
	}
	return b
}

// decodeEntries returns the rows of a posting without field and Low.
func decodeEntries(b []byte) ([]row, error) {
	if len(b) == 0 {
		return []row{{}}, nil
	}
	d := decoder{b: b}
	var rows []row
	for d.err == nil && len(d.b) > 0 {
		h := d.uint()
		r := row{group: uint32(h >> 2), unique: h&rowUnique != 0}
		if r.value.Interval = h&rowInterval != 0; r.value.Interval {
			r.value.High = d.bytes()
		}
		rows = append(rows, r)
	}
	return rows, d.err
}

// entry is a key and its value.
type entry struct{ key, value []byte }

// postings returns the keys of the families R and H that a record's rows make: those of equal Low share one R key, and of equal
// High one H key. The rows must be in the order of compareRows.
func postings(rows []row, n uint64) []entry {
	out := make([]entry, 0, len(rows))
	var highs map[string]bool
	for i := 0; i < len(rows); {
		first := rows[i]
		e := entry{key: keyPosting(first.field, first.value.Low, n)}
		j := i
		for ; j < len(rows) && rows[j].field == first.field && bytes.Equal(rows[j].value.Low, first.value.Low); j++ {
			if r := rows[j]; r.value.Interval {
				high := keyHigh(r.field, r.value.High, n)
				if highs == nil {
					highs = map[string]bool{}
				}
				if !highs[string(high)] {
					highs[string(high)] = true
					out = append(out, entry{key: high})
				}
			}
		}
		if j > i+1 || rowHead(first) != 0 {
			for _, r := range rows[i:j] {
				e.value = appendEntry(e.value, r)
			}
		}
		out = append(out, e)
		i = j
	}
	return out
}

// reindex writes the keys by which the postings of two sets of rows differ, and the forward rows if they do. now is nil when the
// record ceases to be current; was is nil when it was not. more is how many further parts the old forward rows have.
func (t *tx) reindex(typ typeNo, n uint64, was []row, wasData []byte, more int, now []row, keep bool) error {
	key := keyRows(typ, n)
	if !keep {
		t.deleteBlob(key, more)
	} else if data := encodeRows(now); wasData == nil || !bytes.Equal(data, wasData) {
		if err := t.setBlob(key, data, more); err != nil {
			return err
		}
	} else {
		return nil // the same rows
	}
	want := postings(now, n)
	for _, e := range want {
		if len(e.value) > partSize {
			return fmt.Errorf("too many rows with one value: %d bytes of groups, at most %d are allowed: %w", len(e.value), partSize, driver.ErrTooLarge)
		}
	}
	if len(was) == 0 {
		for _, e := range want {
			t.set(e.key, e.value)
		}
		return nil
	}
	old := make(map[string][]byte, len(was))
	for _, e := range postings(was, n) {
		old[string(e.key)] = e.value
	}
	for _, e := range want {
		value, had := old[string(e.key)]
		if !had || !bytes.Equal(value, e.value) {
			t.set(e.key, e.value)
		}
		delete(old, string(e.key))
	}
	for key := range old {
		t.delete([]byte(key))
	}
	return nil
}
