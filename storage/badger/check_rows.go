package badger

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/hob-fhir/hob/storage/driver"
)

// forward compares the forward rows with the postings they call for.
func (c *checker) forward() error {
	return c.each(famRows, func(key, value []byte) error {
		t, n, rest, ok := parseTypeKey(key)
		if !ok || len(rest) != 0 && len(rest) != 2 {
			return c.problem(keyName(key), "is no set of rows")
		}
		if len(rest) == 2 {
			return c.part(keyRows(t, n), rest)
		}
		h, ok, err := c.head(t, n)
		if err != nil || !ok {
			return c.problem(keyName(key), "has rows of number %d, which no record has", n)
		}
		where := c.record(t, h.id)
		data, _, err := c.blob(key, value)
		if err != nil {
			return c.problem(where, "%v", err)
		}
		rows, err := decodeRows(nil, data)
		if err != nil {
			return c.problem(where, "its rows cannot be read: %v", err)
		}
		if !slices.IsSortedFunc(rows, compareRows) {
			if err := c.problem(where, "its rows are not in order"); err != nil {
				return err
			}
		}
		for i, r := range rows {
			if err := c.row(t, n, where, r); err != nil {
				return err
			}
			if i > 0 && rows[i-1].field == r.field {
				continue
			}
			j := i + 1
			for j < len(rows) && rows[j].field == r.field {
				j++
			}
			if k := c.factsOf(r.field); !k.covers(rows[i:j]) {
				if err := c.problem(where, "its rows of field %s are not such as all were said to be: %+v", c.fields[r.field].name, k); err != nil {
					return err
				}
			}
		}
		for _, e := range postings(rows, n) {
			f := fieldNo(binary.BigEndian.Uint16(e.key[1:]))
			counted := c.keys[f]
			if counted == nil {
				counted = new([2]int)
				c.keys[f] = counted
			}
			counted[which(e.key[0])]++
			have, ok, err := c.get(e.key)
			if err != nil {
				return err
			}
			if !ok || !bytes.Equal(have, e.value) {
				err := c.problem(where, "row of field %s: %s holds % x (there: %v), % x would be right", c.fields[f].name, keyName(e.key), have, ok, e.value)
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func which(family byte) int {
	if family == famPosting {
		return 0
	}
	return 1
}

// row checks one forward row: that its field is one of the type's, and that its claim is the only one.
func (c *checker) row(t typeNo, n uint64, where string, r row) error {
	f, ok := c.fields[r.field]
	if !ok || f.t != t {
		return c.problem(where, "has a row of field number %d, which its type does not have", r.field)
	}
	row := driver.Row{Field: f.name, Group: r.group, Value: r.value, Unique: r.unique}
	if err := driver.ValidateRows(driver.Key{Type: c.types[t], ID: "?"}, []driver.Row{row}); err != nil {
		return c.problem(where, "%v", err)
	}
	if !r.unique {
		return nil
	}
	own := tx{reader: reader{view: *c.view}}
	other, err := own.holder(t, n, r)
	if err != nil {
		return err
	}
	if other.n != 0 {
		return c.problem(where, "its unique value %q of %s is held by %s too", r.value.Low, f.name, c.record(t, other.h.id))
	}
	return nil
}

// part checks that a further part of a blob belongs to one.
func (c *checker) part(key, number []byte) error {
	first, ok, err := c.get(key)
	if err != nil {
		return err
	}
	d := decoder{b: first}
	if i := uint64(binary.BigEndian.Uint16(number)); !ok || i == 0 || i > d.uint() {
		return c.problem(keyName(key), "part %d belongs to nothing", i)
	}
	return nil
}

// index looks for postings that no forward row calls for. forward has seen that all are there which rows call for, so if a field
// has as many there are no others; only if not is each looked at.
func (c *checker) index(family byte) error {
	have := map[fieldNo]int{}
	err := c.each(family, func(key, _ []byte) error {
		p, err := parsePosting(key)
		if err != nil {
			return c.problem(keyName(key), "%v", err)
		}
		have[p.field]++
		return nil
	})
	if err != nil {
		return err
	}
	for f, n := range have {
		want := 0
		if counted := c.keys[f]; counted != nil {
			want = counted[which(family)]
		}
		if n == want {
			continue
		}
		if err := c.orphans(family, f); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) orphans(family byte, f fieldNo) error {
	scan := c.scan(keyField(family, f), nil, false)
	defer scan.close()
	for scan.next() {
		key := bytes.Clone(scan.key())
		p, err := parsePosting(key)
		if err != nil {
			continue // reported already
		}
		rows, _, _, _, err := c.rows(c.fields[f].t, p.num)
		if err != nil {
			continue // reported with the rows
		}
		called := slices.ContainsFunc(postings(rows, p.num), func(e entry) bool { return bytes.Equal(e.key, key) })
		if !called {
			if err := c.problem(keyName(key), "posting of field %s, value %q, that number %d has no row for", c.fields[f].name, p.value, p.num); err != nil {
				return err
			}
		}
	}
	return nil
}
