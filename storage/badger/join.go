package badger

import (
	"bytes"

	"github.com/hob-fhir/hob/storage/driver"
)

// list of a chain resolves the inner query first, then walks the postings of a reference to each of its hits. A chain to any
// record of a type walks the whole field instead and asks of each reference where it leads.
func (n *refersNode) list(f *finder) (source, bool, error) {
	if _, any := n.where.(allNode); any {
		return n.walk(f), true, nil
	}
	nums, err := n.to.resolve(n.where)
	if err != nil {
		return nil, false, err
	}
	return &chain{f: f, n: n, nums: nums}, true, nil
}

// chain yields the records that refer to given ones.
type chain struct {
	f    *finder
	n    *refersNode
	nums []uint64 // of the type referred to
	src  *postingSource
}

func (s *chain) next() (uint64, state, error) {
	if s.src != nil {
		num, st, err := s.src.next()
		if st != ended || err != nil {
			return num, st, err
		}
		s.src.close()
		s.src = nil
	}
	if len(s.nums) == 0 {
		return 0, ended, nil
	}
	to := s.n.to
	num := s.nums[0]
	s.nums = s.nums[1:]
	if erased, err := to.erasedSince(num); err != nil || erased {
		return 0, nothing, err
	}
	h, ok, err := to.v.head(to.typ, num)
	if err != nil || !ok {
		return 0, nothing, err
	}
	ref := driver.Key{Type: to.name, ID: h.id}.Ref()
	s.src = lookupNode{Lookup: driver.Lookup{Field: s.n.name, Op: driver.EQUAL, Values: []driver.Value{driver.Point(ref)}}, field: s.n.field}.postings(s.f)
	return 0, nothing, nil
}

func (s *chain) close() {
	if s.src != nil {
		s.src.close()
	}
}

// walk lists the records of which a row of the field is a Ref that the inner query admits.
func (n *refersNode) walk(f *finder) source {
	has := lookupNode{Lookup: driver.Has(n.name), field: n.field}
	return &refWalk{src: has.postings(f), admit: func(num uint64, ref []byte) (uint64, bool, error) {
		ok, err := n.matches(ref)
		return num, ok, err
	}}
}

// list of a reverse chain resolves the inner query and reads off the forward rows of its hits where they refer to. If any record of
// the inner type will do, it walks the whole field.
func (n *referredNode) list(f *finder) (source, bool, error) {
	target := func(ref []byte) (uint64, bool, error) {
		k, ok := driver.ParseRef(ref)
		if !ok || k.Type != f.name {
			return 0, false, nil
		}
		return f.v.number(f.typ, k.ID)
	}
	if _, any := n.where.(allNode); any && !n.from.private {
		has := lookupNode{Lookup: driver.Has(n.name), field: n.field}
		return &refWalk{src: has.postings(n.from), admit: func(num uint64, ref []byte) (uint64, bool, error) {
			if erased, err := n.from.erasedSince(num); err != nil || erased {
				return 0, false, err
			}
			return target(ref)
		}}, false, nil
	}
	nums, err := n.from.resolve(n.where)
	if err != nil {
		return nil, false, err
	}
	return &targets{n: n, nums: nums, target: target}, false, nil
}

// refWalk reads the references of a whole field, in order of what they refer to, and yields what admit makes of each.
type refWalk struct {
	src   *postingSource
	admit func(num uint64, ref []byte) (uint64, bool, error)
}

func (s *refWalk) next() (uint64, state, error) {
	num, st, err := s.src.next()
	if st != found || err != nil {
		return 0, st, err
	}
	key := s.src.scan.key()
	p, err := parsePosting(key)
	if err != nil {
		return 0, nothing, damaged(key, err)
	}
	b, err := s.src.scan.value()
	if err != nil {
		return 0, nothing, err
	}
	if point, err := hasPoint(key, b); err != nil || !point {
		return 0, nothing, err
	}
	ref := p.value
	if p.long {
		return s.long(num, p)
	}
	num, ok, err := s.admit(num, ref)
	if err != nil || !ok {
		return 0, nothing, err
	}
	return num, found, nil
}

// long reads a reference that the key does not hold in full off the forward rows.
func (s *refWalk) long(num uint64, p posting) (uint64, state, error) {
	c := candidate{num: num}
	if err := c.load(s.src.f); err != nil {
		return 0, nothing, err
	}
	for _, r := range c.rows {
		if r.field != p.field || r.value.Interval || !bytes.HasPrefix(r.value.Low, p.value) || len(r.value.Low) <= maxPlain {
			continue
		}
		if num, ok, err := s.admit(num, r.value.Low); err != nil || ok {
			return num, found, err
		}
	}
	return 0, nothing, nil
}

func (s *refWalk) close() { s.src.close() }

// targets yields the records that given ones refer to.
type targets struct {
	n      *referredNode
	nums   []uint64 // of the type that refers
	ready  []uint64
	target func(ref []byte) (uint64, bool, error)
}

func (s *targets) next() (uint64, state, error) {
	if n := len(s.ready); n > 0 {
		num := s.ready[n-1]
		s.ready = s.ready[:n-1]
		return num, found, nil
	}
	if len(s.nums) == 0 {
		return 0, ended, nil
	}
	c := candidate{num: s.nums[0]}
	s.nums = s.nums[1:]
	if erased, err := s.n.from.erasedSince(c.num); err != nil || erased {
		return 0, nothing, err
	}
	if err := c.load(s.n.from); err != nil {
		return 0, nothing, err
	}
	for _, r := range c.rows {
		if r.field != s.n.field || r.value.Interval {
			continue
		}
		num, ok, err := s.target(r.value.Low)
		if err != nil {
			return 0, nothing, err
		}
		if ok {
			s.ready = append(s.ready, num)
		}
	}
	return 0, nothing, nil
}

func (s *targets) close() {}
