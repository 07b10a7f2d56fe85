package badger

import (
	"bytes"
	"slices"

	"github.com/hob-fhir/hob/storage/driver"
)

func (allNode) test(*finder, *candidate) (bool, error)   { return true, nil }
func (neverNode) test(*finder, *candidate) (bool, error) { return false, nil }

func (n idsNode) test(f *finder, c *candidate) (bool, error) {
	h, ok, err := f.v.head(f.typ, c.num)
	return ok && slices.Contains(n.ids, h.id), err
}

func (n andNode) test(f *finder, c *candidate) (bool, error) {
	probed := !c.loaded
	if probed {
		for _, l := range points(n) { // a key answers these, the others need the record's rows
			if ok, err := l.probe(f, c); err != nil || !ok {
				return false, err
			}
		}
	}
	for _, part := range n.parts {
		if l, ok := part.(lookupNode); ok && probed && l.exactPoint() {
			continue
		}
		if ok, err := part.test(f, c); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

func (n orNode) test(f *finder, c *candidate) (bool, error) {
	for _, part := range n.parts {
		if ok, err := part.test(f, c); err != nil || ok {
			return ok, err
		}
	}
	return false, nil
}

func (n notNode) test(f *finder, c *candidate) (bool, error) {
	ok, err := n.of.test(f, c)
	return !ok && err == nil, err
}

func (n lookupNode) test(f *finder, c *candidate) (bool, error) {
	if !c.loaded && n.exactPoint() {
		return n.probe(f, c)
	}
	if err := c.load(f); err != nil {
		return false, err
	}
	return n.holds(c.rows), nil
}

func (n lookupNode) holds(rows []row) bool {
	for _, r := range rows {
		if r.field == n.field && n.admits(r.value) {
			return true
		}
	}
	return false
}

// admits reports whether the lookup holds for a row of its field.
func (n lookupNode) admits(v driver.Value) bool {
	if n.many != nil {
		i, at := slices.BinarySearchFunc(n.many, v.Low, func(q driver.Value, low []byte) int { return bytes.Compare(q.Low, low) })
		if !at {
			i--
		}
		return i >= 0 && driver.Holds(driver.Row{Field: n.Field, Value: v}, driver.Lookup{Field: n.Field, Op: driver.EQUAL, Values: n.many[i : i+1]})
	}
	return driver.Holds(driver.Row{Field: n.Field, Value: v}, n.Lookup)
}

// exactPoint reports whether the lookup is for one point that a key holds in full.
func (n lookupNode) exactPoint() bool {
	return len(n.Values) == 1 && (n.Op == driver.EQUAL || n.Op == driver.IN) &&
		!n.Values[0].Interval && len(n.Values[0].Low) <= maxPlain
}

// probe asks for the very posting of a record, which is cheaper than its forward rows.
func (n lookupNode) probe(f *finder, c *candidate) (bool, error) {
	key := keyPosting(n.field, n.Values[0].Low, c.num)
	b, ok, err := f.v.get(key)
	if err != nil || !ok {
		return false, err
	}
	return hasPoint(key, b)
}

// hasPoint reports whether one of a posting's rows is a point.
func hasPoint(key, b []byte) (bool, error) {
	if len(b) == 0 {
		return true, nil
	}
	entries, err := decodeEntries(b)
	if err != nil {
		return false, damaged(key, err)
	}
	return slices.ContainsFunc(entries, func(r row) bool { return !r.value.Interval }), nil
}

func (n sameNode) test(f *finder, c *candidate) (bool, error) {
	if err := c.load(f); err != nil {
		return false, err
	}
	var rows []driver.Row
	for _, r := range c.rows {
		for _, part := range n.parts {
			if part.field == r.field {
				rows = append(rows, driver.Row{Field: part.Field, Group: r.group, Value: r.value})
				break
			}
		}
	}
	return driver.Match(driver.Key{}, rows, n.lookups, nil), nil
}

// test of a chain follows each reference of the record.
func (n *refersNode) test(f *finder, c *candidate) (bool, error) {
	if err := c.load(f); err != nil {
		return false, err
	}
	for _, r := range c.rows {
		if r.field != n.field || r.value.Interval {
			continue
		}
		ok, err := n.matches(r.value.Low)
		if err != nil || ok {
			return ok, err
		}
	}
	return false, nil
}

// matches reports whether a Ref names a current record of the type for which the inner query holds.
func (n *refersNode) matches(ref []byte) (bool, error) {
	k, ok := driver.ParseRef(ref)
	if !ok || k.Type != n.to.name {
		return false, nil
	}
	if known, ok := n.known[k.ID]; ok {
		return known, nil
	}
	num, ok, err := n.to.v.number(n.to.typ, k.ID)
	if err != nil {
		return false, err
	}
	if ok {
		ok, err = n.to.matches(num, n.where)
	}
	if err == nil && len(n.known) < 1<<16 {
		n.known[k.ID] = ok
	}
	return ok, err
}

// test of a reverse chain looks at each record that refers here.
func (n *referredNode) test(f *finder, c *candidate) (bool, error) {
	h, ok, err := f.v.head(f.typ, c.num)
	if err != nil || !ok {
		return false, err
	}
	ref := driver.Key{Type: f.name, ID: h.id}.Ref()
	refer := lookupNode{Lookup: driver.Lookup{Field: n.name, Op: driver.EQUAL, Values: []driver.Value{driver.Point(ref)}}, field: n.field}
	src, _, err := refer.list(n.from)
	if err != nil {
		return false, err
	}
	defer src.close()
	for {
		num, state, err := src.next()
		if err != nil || state == ended {
			return false, err
		}
		if err := f.check("follow", n); err != nil {
			return false, err
		}
		if state != found {
			continue
		}
		if ok, err := n.from.matches(num, n.where); err != nil || ok {
			return ok, err
		}
	}
}

// matches reports whether a number is that of a current record for which a node holds.
func (f *finder) matches(num uint64, n node) (bool, error) {
	c := candidate{num: num}
	if ok, err := f.exists(&c); err != nil || !ok {
		return false, err
	}
	if ok, err := n.test(f, &c); err != nil || !ok {
		return false, err
	}
	erased, err := f.erasedSince(num)
	return !erased && err == nil, err
}

// exists reports whether a candidate is current, undeleted and not expired.
func (f *finder) exists(c *candidate) (bool, error) {
	if err := f.check("look at records", nil); err != nil {
		return false, err
	}
	if err := c.load(f); err != nil || c.gone {
		return false, err
	}
	if !f.private {
		return true, nil
	}
	h, ok, err := f.v.head(f.typ, c.num)
	return ok && !h.expired(), err
}
