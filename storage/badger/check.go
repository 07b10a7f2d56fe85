package badger

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"iter"

	"github.com/hob-fhir/hob/storage/driver"
)

// Check implements driver.Backend. It reads every key once, in order of family, and for each the keys that must go with it.
func (s *store) Check(ctx context.Context) iter.Seq2[driver.Problem, error] {
	return func(yield func(driver.Problem, error) bool) {
		c := &checker{ctx: ctx, yield: yield}
		if err := c.check(s); err != nil && err != errDone {
			yield(driver.Problem{}, err)
		}
	}
}

// checker compares the families with one another.
type checker struct {
	*view
	ctx   context.Context
	yield func(driver.Problem, error) bool

	types  map[typeNo]string
	fields map[fieldNo]field
	counts map[typeNo]*tally
	keys   map[fieldNo]*[2]int // keys of R and H that the forward rows call for
}

// tally is what was counted of a type.
type tally struct {
	counter
	current  uint64
	versions int // of public types
}

// problem reports a broken invariant; errDone if no more are wanted.
func (c *checker) problem(where, format string, args ...any) error {
	if !c.yield(driver.Problem{Where: where, What: fmt.Sprintf(format, args...)}, nil) {
		return errDone
	}
	return c.ctx.Err()
}

func (c *checker) check(s *store) error {
	v, done, err := s.open(newest) // which also keeps the tables from being closed
	if err != nil {
		return err
	}
	defer done()
	if err := verifyTables(s); err != nil {
		if err := c.problem("table files", "a checksum is wrong: %v", err); err != nil {
			return err
		}
	}
	c.view = v
	c.types, c.fields = map[typeNo]string{}, map[fieldNo]field{}
	c.counts, c.keys = map[typeNo]*tally{}, map[fieldNo]*[2]int{}
	for _, pass := range []func() error{
		c.families, c.checkNames, c.numbers, c.ids, c.current, c.versions, c.forward,
		func() error { return c.index(famPosting) },
		func() error { return c.index(famHigh) },
		c.log, c.order, c.expiries, c.tallies,
	} {
		if err := pass(); err != nil {
			return err
		}
	}
	return nil
}

// verifyTables compares every block of the tables with its checksum. Badger's own check panics on a block that it cannot read.
func verifyTables(s *store) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("a block cannot be read: %v", r)
		}
	}()
	return s.db.VerifyChecksum()
}

// each calls fn with every key of a family and its value.
func (c *checker) each(family byte, fn func(key, value []byte) error) error {
	scan := c.scan([]byte{family}, nil, false)
	defer scan.close()
	for scan.next() {
		value, err := scan.value()
		if err != nil {
			return err
		}
		if err := fn(bytes.Clone(scan.key()), value); err != nil {
			return err
		}
		if err := c.ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

func keyName(key []byte) string { return fmt.Sprintf("key %q", key) }

// families looks for keys of no family.
func (c *checker) families() error {
	known := []byte{famNames, famNumbers, famIDs, famCurrent, famVersion, famRows, famPosting, famHigh, famLog, famExpiry}
	scan := c.scan(nil, nil, false)
	defer scan.close()
	for scan.next() {
		key := bytes.Clone(scan.key())
		if bytes.IndexByte(known, key[0]) < 0 {
			if err := c.problem(keyName(key), "is of no family; only %q are", known); err != nil {
				return err
			}
			continue
		}
		scan.seek(after(key[:1]))
	}
	return nil
}

func (c *checker) checkNames() error {
	var lastType typeNo
	var lastField fieldNo
	err := c.each(famNames, func(key, value []byte) error {
		if err := newNames().learn(key, value); err != nil {
			return c.problem(keyName(key), "%v", err)
		}
		switch key[1] {
		case 't':
			t := typeNo(binary.BigEndian.Uint16(value))
			if other, ok := c.types[t]; ok {
				return c.problem("type "+string(key[2:]), "has the number of type %s, %d", other, t)
			}
			c.types[t] = string(key[2:])
			lastType = max(lastType, t)
		case 'f':
			f := fieldNo(binary.BigEndian.Uint16(value))
			if other, ok := c.fields[f]; ok {
				return c.problem("field "+string(key[4:]), "has the number of field %s, %d", other.name, f)
			}
			c.fields[f] = field{typeNo(binary.BigEndian.Uint16(key[2:])), string(key[4:])}
			lastField = max(lastField, f)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, f := range c.fields {
		if _, ok := c.types[f.t]; !ok {
			if err := c.problem("field "+f.name, "is of type number %d, which no type has", f.t); err != nil {
				return err
			}
		}
	}
	b, ok, err := c.get(keyNames())
	if err != nil {
		return err
	}
	want := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, uint16(lastType)), uint16(lastField))
	if (ok || lastType > 0) && !bytes.Equal(b, want) {
		return c.problem("names", "the last numbers given out are % x, % x would be right", b, want)
	}
	return nil
}

func (c *checker) numbers() error {
	return c.each(famNumbers, func(key, value []byte) error {
		n, err := decodeCounter(value)
		if err != nil || len(key) != 3 {
			return c.problem(keyName(key), "is no counter")
		}
		t := typeNo(binary.BigEndian.Uint16(key[1:]))
		if _, ok := c.types[t]; !ok && t != 0 {
			return c.problem(keyName(key), "counts type number %d, which no type has", t)
		}
		c.counts[t] = &tally{counter: n}
		return nil
	})
}

// tally returns what is counted of a type; where says for what.
func (c *checker) tally(t typeNo, where string) (*tally, error) {
	if n, ok := c.counts[t]; ok && t != 0 {
		return n, nil
	}
	c.counts[t] = &tally{}
	return c.counts[t], c.problem(where, "is of type number %d, which has no counter", t)
}

// record names a record in words.
func (c *checker) record(t typeNo, id string) string {
	return driver.Key{Type: c.types[t], ID: id}.String()
}

func (c *checker) ids() error {
	return c.each(famIDs, func(key, value []byte) error {
		if len(key) < 4 || len(value) != numLen {
			return c.problem(keyName(key), "does not give an id its number")
		}
		t, id, n := typeNo(binary.BigEndian.Uint16(key[1:])), string(key[3:]), parseNum(value)
		count, err := c.tally(t, keyName(key))
		if err != nil {
			return err
		}
		if n == 0 || n > count.last {
			if err := c.problem(c.record(t, id), "has number %d, the last given out is %d", n, count.last); err != nil {
				return err
			}
		}
		h, ok, err := c.head(t, n)
		switch {
		case err != nil:
			return c.problem(c.record(t, id), "%v", err)
		case !ok:
			return c.problem(c.record(t, id), "has number %d and no current version", n)
		case h.id != id:
			return c.problem(c.record(t, id), "has number %d, which is that of %s", n, h.id)
		}
		return nil
	})
}

func (c *checker) current() error {
	return c.each(famCurrent, func(key, value []byte) error {
		t, n, rest, ok := parseTypeKey(key)
		h, err := decodeHead(value)
		if !ok || len(rest) > 0 || err != nil {
			return c.problem(keyName(key), "is no current version")
		}
		where := c.record(t, h.id)
		count, err := c.tally(t, where)
		if err != nil {
			return err
		}
		if !h.deleted() {
			count.current++
		}
		b, _, err := c.get(keyID(t, h.id))
		if err != nil {
			return err
		}
		if !bytes.Equal(b, appendNum(nil, n)) {
			if err := c.problem(where, "is kept under number %d, its id leads to % x", n, b); err != nil {
				return err
			}
		}
		if _, rows, err := c.get(keyRows(t, n)); err != nil {
			return err
		} else if rows == h.deleted() {
			if err := c.problem(where, "deleted: %v, and has forward rows: %v; only current records have them", h.deleted(), rows); err != nil {
				return err
			}
		}
		if _, ok, err := c.get(keyVersion(t, n, h.version)); err != nil {
			return err
		} else if !ok {
			if err := c.problem(where, "its current version %d is not there", h.version); err != nil {
				return err
			}
		}
		if private := (driver.Key{Type: c.types[t]}).Private(); private != (h.pos == 0) {
			if err := c.problem(where, "private: %v, and its place in the log is %d; only public records have one", private, h.pos); err != nil {
				return err
			}
		}
		if h.flags&flagExpires != 0 {
			if _, ok, err := c.get(keyExpiry(h.expires.UnixMilli(), t, n)); err != nil || !ok {
				return c.problem(where, "expires and is not in the list of those that do")
			}
		}
		return nil
	})
}

func (c *checker) expiries() error {
	return c.each(famExpiry, func(key, _ []byte) error {
		ms, t, n, ok := parseExpiry(key)
		if !ok {
			return c.problem(keyName(key), "is no expiry")
		}
		h, ok, err := c.head(t, n)
		if err != nil || !ok || h.flags&flagExpires == 0 || h.expires.UnixMilli() != ms {
			return c.problem(keyName(key), "is the expiry of no record")
		}
		return nil
	})
}

// tallies compares the counters with what was counted.
func (c *checker) tallies() error {
	all := counter{}
	if n, ok := c.counts[0]; ok {
		all = n.counter
	}
	for t, n := range c.counts {
		if t == 0 {
			continue
		}
		if n.counter.count != n.current {
			if err := c.problem("type "+c.types[t], "its counter says %d current records, there are %d", n.counter.count, n.current); err != nil {
				return err
			}
		}
		if n.pos > all.pos {
			if err := c.problem("type "+c.types[t], "its log ends at %d, the store's at %d", n.pos, all.pos); err != nil {
				return err
			}
		}
	}
	return nil
}
