package badger

import (
	"bytes"
	"slices"

	"github.com/hob-fhir/hob/storage/driver"
)

// source yields numbers of records one step at a time, so that several can race. A step is one key read, more or less.
type source interface {
	next() (uint64, state, error)
	close()
}

// state says what a step came to.
type state int

const (
	ended   state = iota
	found         // a number; it may come again
	nothing       // this step found none, the next may
)

func (allNode) list(f *finder) (source, bool, error) { return f.all(0, false), true, nil }
func (neverNode) list(*finder) (source, bool, error) { return &numbers{}, true, nil }
func (n idsNode) list(f *finder) (source, bool, error) {
	return &idSource{f: f, ids: n.ids}, false, nil
}
func (n notNode) list(*finder) (source, bool, error)      { return nil, false, nil }
func (n lookupNode) list(f *finder) (source, bool, error) { return n.postings(f), true, nil }

func (n sameNode) list(f *finder) (source, bool, error) { return n.parts[0].postings(f), false, nil }

// list of a conjunction is that of its part that looks smallest. (Where the conjunction is the whole query its parts race instead.)
func (n andNode) list(f *finder) (source, bool, error) {
	parts := slices.Clone(n.parts)
	slices.SortStableFunc(parts, func(a, b node) int { return a.rank() - b.rank() })
	for _, part := range parts {
		if src, _, err := part.list(f); src != nil || err != nil {
			return src, false, err
		}
	}
	return nil, false, nil
}

func (n orNode) list(f *finder) (source, bool, error) {
	u := &union{}
	exact := true
	for _, part := range n.parts {
		src, e, err := part.list(f)
		if src == nil || err != nil {
			u.close()
			return nil, false, err
		}
		u.sources = append(u.sources, src)
		exact = exact && e
	}
	return u, exact, nil
}

func (allNode) rank() int    { return rankMost }
func (neverNode) rank() int  { return rankOne }
func (n idsNode) rank() int  { return rankOne }
func (n notNode) rank() int  { return rankMost }
func (n sameNode) rank() int { return n.parts[0].rank() }

func (n lookupNode) rank() int {
	switch {
	case n.Op != driver.EQUAL && n.Op != driver.IN:
		return rankMost
	case slices.ContainsFunc(n.Values, func(v driver.Value) bool { return v.Interval }):
		return rankSpan
	}
	return rankPoint
}

func (n andNode) rank() int {
	least := rankMost
	for _, part := range n.parts {
		least = min(least, part.rank())
	}
	return least
}

func (n orNode) rank() int {
	most := rankOne
	for _, part := range n.parts {
		most = max(most, part.rank())
	}
	return most
}

func (n *refersNode) rank() int   { return rankJoin }
func (n *referredNode) rank() int { return rankJoin }

// numbers is a source of numbers that are known already.
type numbers struct{ nums []uint64 }

func (s *numbers) next() (uint64, state, error) {
	if len(s.nums) == 0 {
		return 0, ended, nil
	}
	n := s.nums[0]
	s.nums = s.nums[1:]
	return n, found, nil
}

func (s *numbers) close() {}

// idSource looks up ids.
type idSource struct {
	f   *finder
	ids []string
}

func (s *idSource) next() (uint64, state, error) {
	if len(s.ids) == 0 {
		return 0, ended, nil
	}
	n, ok, err := s.f.v.number(s.f.typ, s.ids[0])
	s.ids = s.ids[1:]
	if err != nil || !ok {
		return 0, nothing, err
	}
	return n, found, nil
}

func (s *idSource) close() {}

// union yields what its sources yield, one after another.
type union struct{ sources []source }

func (u *union) next() (uint64, state, error) {
	if len(u.sources) == 0 {
		return 0, ended, nil
	}
	n, st, err := u.sources[0].next()
	if st != ended || err != nil {
		return n, st, err
	}
	u.sources[0].close()
	u.sources = u.sources[1:]
	return 0, nothing, nil
}

func (u *union) close() {
	for _, s := range u.sources {
		s.close()
	}
	u.sources = nil
}

// allSource walks the forward rows of all current records of a type, in order of number.
type allSource struct {
	f    *finder
	scan *scan
}

// all lists the records from a number on (0: from the end the direction begins at).
func (f *finder) all(from uint64, reverse bool) *allSource {
	var key []byte
	if from != 0 {
		key = keyRows(f.typ, from)
	}
	return &allSource{f, f.v.scan(typeKey(famRows, f.typ, 0), key, reverse)}
}

func (s *allSource) next() (uint64, state, error) {
	if !s.scan.next() {
		return 0, ended, nil
	}
	key := s.scan.key()
	if len(key) != 3+numLen {
		return 0, nothing, nil // a further part
	}
	return lastNum(key), found, nil
}

// load gives a candidate, which must be the record just yielded, its rows.
func (s *allSource) load(c *candidate) error {
	first, err := s.scan.value()
	if err != nil {
		return err
	}
	return c.decode(s.f.v, s.scan.key(), first)
}

func (s *allSource) close() { s.scan.close() }

// span is a run of keys of one field, from inclusive to exclusive; nil goes on to the field's end.
type span struct {
	family   byte
	from, to []byte
	point    bool // the run of one point, in order of number
}

// postingSource walks the postings that can satisfy a lookup.
type postingSource struct {
	f     *finder
	n     lookupNode
	spans []span
	scan  *scan
	at    byte     // family of scan
	open  bool     // scan stands in spans[0]
	row   *rowNode // what a row must satisfy, if that is not n

	value []byte // of LIKE: the present one, as in the keys
	holds bool   // and whether it holds the bytes
	run   int    // postings of it so far
}

func (n lookupNode) postings(f *finder) *postingSource {
	return &postingSource{f: f, n: n, spans: n.spans()}
}

// spans says where the rows lie for which a lookup holds. Points in the spans satisfy the lookup; intervals and long values may not.
func (n lookupNode) spans() []span {
	low := func(v []byte) []byte { return boundKey(keyField(famPosting, n.field), v, true) }
	var out []span
	switch n.Op {
	case driver.EQUAL, driver.IN:
		for _, v := range n.Values {
			if !v.Interval {
				key := keyValue(n.field, v.Low)
				out = append(out, span{family: famPosting, from: key, to: after(key), point: true})
				continue
			}
			s := span{family: famPosting, from: low(v.Low)}
			if len(v.High) > 0 {
				s.to = boundKey(keyField(famPosting, n.field), v.High, false)
			}
			if s.to == nil || bytes.Compare(s.from, s.to) < 0 {
				out = append(out, s)
			}
		}
		slices.SortFunc(out, func(a, b span) int { return bytes.Compare(a.from, b.from) }) // one sweep over the field
	case driver.LT:
		out = []span{{family: famPosting, to: boundKey(keyField(famPosting, n.field), n.Values[0].Low, false)}}
	case driver.LTE:
		out = []span{{family: famPosting, to: after(keyValue(n.field, n.Values[0].Low))}}
		if len(n.Values[0].Low) > maxPlain {
			out[0].to = boundKey(keyField(famPosting, n.field), n.Values[0].Low, false)
		}
	case driver.GT, driver.GTE:
		v := n.Values[0].Low
		from := low(v)
		if n.Op == driver.GT && len(v) <= maxPlain {
			from = after(from)
		}
		high := boundKey(append(keyField(famHigh, n.field), highEnd), v, true)
		if len(v) <= maxPlain {
			high = after(high)
		}
		out = []span{{family: famPosting, from: from}, {family: famHigh, from: high}}
	case driver.LIKE:
		out = []span{{family: famPosting}}
	}
	return out
}

// boundKey is the first key of a value, as the first of what is to be walked; or as the first beyond it. Of a long value all keys
// that begin alike are let in at either end.
func boundKey(prefix, value []byte, first bool) []byte {
	if len(value) <= maxPlain {
		return appendEscaped(prefix, value)
	}
	key := append(appendPlain(prefix, value[:maxPlain]), longMark...)
	if first {
		return key
	}
	return after(key)
}

func (s *postingSource) next() (uint64, state, error) {
	for !s.open {
		if len(s.spans) == 0 {
			return 0, ended, nil
		}
		s.start()
	}
	if !s.scan.next() {
		s.end()
		return 0, nothing, nil
	}
	key := s.scan.key()
	if to := s.spans[0].to; to != nil && bytes.Compare(key, to) >= 0 {
		s.end()
		return 0, nothing, nil
	}
	ok, err := s.accept(key)
	if err != nil || !ok {
		return 0, nothing, err
	}
	return lastNum(key), found, nil
}

func (s *postingSource) start() {
	sp := s.spans[0]
	if s.scan != nil && s.at == sp.family {
		s.scan.seek(sp.from)
	} else {
		s.close()
		prefix := keyField(sp.family, s.n.field)
		if sp.point && len(s.spans) == 1 {
			prefix = sp.from
		}
		s.scan, s.at = s.f.v.scan(prefix, sp.from, false), sp.family
	}
	s.open = true
}

func (s *postingSource) end() {
	s.open = false
	s.spans = s.spans[1:]
}

// accept reports whether a posting within the spans satisfies the lookup.
func (s *postingSource) accept(key []byte) (bool, error) {
	if len(key) < 3+numLen {
		return false, damaged(key, errCut)
	}
	if s.row != nil {
		return s.acceptRow(key)
	}
	sp := s.spans[0]
	if sp.point {
		if isLong(key) {
			return s.verify(key)
		}
		b, err := s.scan.value()
		if err != nil {
			return false, err
		}
		return hasPoint(key, b)
	}
	if isLong(key) {
		return s.verify(key)
	}
	switch s.n.Op {
	case driver.LT, driver.LTE, driver.GT, driver.GTE:
		return true, nil
	case driver.LIKE:
		return s.like(key)
	}
	b, err := s.scan.value()
	if err != nil || len(b) == 0 {
		return err == nil, err
	}
	p, err := parsePosting(key)
	if err != nil {
		return false, damaged(key, err)
	}
	entries, err := decodeEntries(b)
	if err != nil {
		return false, damaged(key, err)
	}
	for _, e := range entries {
		e.value.Low = p.value
		if s.n.admits(e.value) {
			return true, nil
		}
	}
	return false, nil
}

// like looks for the bytes in a value, once for all postings of one. Values that do not hold them are left behind when there are many.
func (s *postingSource) like(key []byte) (bool, error) {
	value := key[:len(key)-numLen]
	if !bytes.Equal(value, s.value) {
		p, err := parsePosting(key)
		if err != nil {
			return false, damaged(key, err)
		}
		s.value, s.run = append(s.value[:0], value...), 0
		s.holds = bytes.Contains(p.value, s.n.Values[0].Low)
	}
	if s.run++; !s.holds && s.run > likeRun {
		s.scan.seek(after(s.value))
		s.run = 0
	}
	return s.holds, nil
}

// likeRun is how many postings of a value without the bytes are stepped over; a seek costs as much as some twenty steps.
const likeRun = 20

// acceptRow is accept for a rowNode. A key of the family H has no Low, so the forward rows are asked.
func (s *postingSource) acceptRow(key []byte) (bool, error) {
	if key[0] == famHigh || isLong(key) {
		c := candidate{num: lastNum(key)}
		return s.row.test(s.f, &c)
	}
	p, err := parsePosting(key)
	if err != nil {
		return false, damaged(key, err)
	}
	b, err := s.scan.value()
	if err != nil {
		return false, err
	}
	entries, err := decodeEntries(b)
	if err != nil {
		return false, damaged(key, err)
	}
	for _, e := range entries {
		e.value.Low = p.value
		if s.row.holds(e.value) {
			return true, nil
		}
	}
	return false, nil
}

// isLong reports whether a key holds only the first KiB of its value. Only keys longer than that need to be parsed to know.
func isLong(key []byte) bool {
	if len(key) <= maxPlain {
		return false
	}
	p, err := parsePosting(key)
	return err == nil && p.long
}

// verify asks the forward rows, which hold long values in full.
func (s *postingSource) verify(key []byte) (bool, error) {
	c := candidate{num: lastNum(key)}
	if err := c.load(s.f); err != nil {
		return false, err
	}
	return s.n.holds(c.rows), nil
}

func (s *postingSource) close() {
	if s.scan != nil {
		s.scan.close()
		s.scan = nil
	}
}
