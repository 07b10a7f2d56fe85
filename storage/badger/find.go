package badger

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"slices"

	"github.com/hob-fhir/hob/storage/driver"
)

// finder answers one search on one type.
type finder struct {
	ctx     context.Context
	v       *view
	typ     typeNo
	name    string
	private bool
	budget  int // keys that may be read, 0: no limit
	trace   *driver.Trace
	joined  bool // it answers the inner query of a chain
	f       driver.Find
	after   *spot // nil: from the beginning
	matched int   // how many match, -1 if that was not found out
	listed  int   // keys that the parts of the query have listed
}

// Find implements driver.Reader.
func (r *reader) Find(f driver.Find) iter.Seq2[driver.Hit, error] {
	return func(yield func(driver.Hit, error) bool) {
		stopped := false
		err := r.search(f, func(hit driver.Hit) bool {
			stopped = !yield(hit, nil)
			return !stopped
		})
		if err != nil && !stopped {
			yield(driver.Hit{}, err)
		}
	}
}

// Count implements driver.Reader.
func (r *reader) Count(f driver.Find) (int, error) {
	n := 0
	err := r.with(f, func(fi *finder, where node) error {
		if r.last != nil && r.last.same(f) {
			switch m := fi.mark(); {
			case r.last.n >= 0:
				n = r.last.n
				fi.step(m, n, "count what was found", nil)
				return nil
			case f.Budget > 0 && r.last.cost > f.Budget:
				fi.v.read += r.last.cost // they would be read again, and more
				return fi.check("list", where)
			}
		}
		_, all := where.(allNode)
		if all && !fi.private && fi.v.now == nil {
			m := fi.mark()
			c, err := fi.v.counter(fi.typ)
			n = int(c.count)
			fi.step(m, n, "read the counter of all", nil)
			return err
		}
		nums, err := fi.resolve(where)
		for _, num := range nums {
			erased, err := fi.erasedSince(num)
			if err != nil {
				return err
			}
			if !erased {
				n++
			}
		}
		return err
	})
	return n, err
}

// with calls fn with what is needed to answer a search, unless nothing was ever written of its type.
func (r *reader) with(f driver.Find, fn func(*finder, node) error) error {
	if err := f.Validate(); err != nil {
		return err
	}
	var after *spot
	if f.After != "" {
		s, err := parseCursor(f.After, len(f.Sort))
		if err != nil {
			return err
		}
		after = &s
	}
	v, done, err := r.at(f.At)
	if err != nil {
		return err
	}
	defer done()
	t, ok, err := v.typeNo(f.Type)
	if err != nil || !ok {
		return err
	}
	fi := &finder{
		ctx: r.ctx, v: v, typ: t, name: f.Type, private: driver.Key{Type: f.Type}.Private(),
		budget: f.Budget, trace: f.Trace, f: f, after: after, matched: -1,
	}
	where, err := fi.compile(f.Where)
	if err != nil {
		return err
	}
	if _, never := where.(neverNode); never {
		fi.trace.Add(driver.Step{Do: "nothing can match: no record ever had what is asked for"})
		return nil
	}
	err = fn(fi, where)
	if err != nil && fi.trace != nil {
		told := 0
		for _, s := range fi.trace.Steps {
			told += s.Rows
		}
		fi.trace.Add(driver.Step{Do: "stop before the end", Rows: max(0, v.read-told)})
	}
	return err
}

func (r *reader) search(f driver.Find, yield func(driver.Hit) bool) error {
	return r.with(f, func(fi *finder, where node) error {
		if fi.v.over == nil {
			err := fi.run(where, yield)
			if fi.v.now == nil && !fi.private {
				r.last = &answered{f, fi.matched, fi.listed}
			}
			return err
		}
		// In an update the caller may write between two hits: first collect.
		var hits []driver.Hit
		err := fi.run(where, func(h driver.Hit) bool {
			hits = append(hits, h)
			return true
		})
		for _, h := range hits {
			if !yield(h) {
				return nil
			}
		}
		return err
	})
}

// answered is what a search found out about the number of records that match: whoever shows a page of them often asks for it next.
type answered struct {
	f    driver.Find
	n    int // -1: not known
	cost int // keys that counting them reads at least
}

// same reports whether a search is for the same records of the same moment.
func (a *answered) same(f driver.Find) bool {
	return a.f.Type == f.Type && a.f.At == f.At && reflect.DeepEqual(a.f.Where, f.Where)
}

// run finds the hits in order and hands them out.
func (f *finder) run(where node, yield func(driver.Hit) bool) error {
	if len(f.f.Sort) > 0 {
		return f.runSorted(where, yield)
	}
	if f.inOrder(where) {
		h := f.hits(!f.f.Reverse && f.f.Limit != 1, yield)
		defer h.close()
		m := f.mark()
		_, err := f.stream(where, 0, 0, h.emit)
		m.at = m.at.Add(h.took) // which is told by itself
		f.step(m, h.n, "list in order", where)
		h.step()
		return ignoreDone(err)
	}
	r, err := f.newRace(where)
	if err != nil {
		return err
	}
	defer r.close()
	if f.f.Limit > 0 {
		won, err := r.run(lapsBeforeStream)
		if err != nil {
			return err
		}
		if !won {
			r.tell()
			page, ok, err := f.page(where, r.sparsest())
			if err != nil {
				return err
			}
			if ok {
				return f.hand(page, yield)
			}
		}
	}
	nums, err := r.resolve()
	if err != nil {
		return err
	}
	f.matched = len(nums)
	return f.hand(spots(f.beyond(nums)), yield)
}

// lapsBeforeStream is how many steps the parts of a query race before it is held to be unselective.
const lapsBeforeStream = 1024

// inOrder reports whether a node lists exactly its records in order of number, so that there is nothing to plan.
func (f *finder) inOrder(n node) bool {
	switch n := n.(type) {
	case allNode:
		return true
	case lookupNode:
		return n.exactPoint()
	}
	return false
}

// errDone says that enough was found.
var errDone = errors.New("done")

func ignoreDone(err error) error {
	if errors.Is(err, errDone) {
		return nil
	}
	return err
}

// erasedSince reports whether a record of an old snapshot was erased after it. What was erased is not shown any more, and nothing is
// found by it.
func (f *finder) erasedSince(num uint64) (bool, error) {
	if f.v.now == nil || f.private {
		return false, nil
	}
	h, ok, err := f.v.head(f.typ, num)
	if err != nil || !ok {
		return false, err
	}
	return f.v.erasedSince(f.typ, num, h.version)
}

func spots(nums []uint64) []spot {
	out := make([]spot, len(nums))
	for i, n := range nums {
		out[i].num = n
	}
	return out
}

// beyond returns the numbers that lie beyond the cursor, in the direction of the walk.
func (f *finder) beyond(nums []uint64) []uint64 {
	if f.after != nil {
		i, at := slices.BinarySearch(nums, f.after.num)
		switch {
		case f.f.Reverse:
			nums = nums[:i]
		case at:
			nums = nums[i+1:]
		default:
			nums = nums[i:]
		}
	}
	if f.f.Reverse {
		slices.Reverse(nums)
	}
	return nums
}

// page fills a page by walking records in order and asking each, which is cheap if many match. It gives up, and reports false, after
// reading much more than a page should need.
func (f *finder) page(where node, lead int) ([]spot, bool, error) {
	m := f.mark()
	var page []spot
	over, err := f.stream(where, lead, pageEffort+64*f.f.Limit, func(s spot) error {
		erased, err := f.erasedSince(s.num)
		if err != nil || erased {
			return err
		}
		page = append(page, s)
		if len(page) == f.f.Limit {
			return errDone
		}
		return nil
	})
	done := errors.Is(err, errDone)
	if err := ignoreDone(err); err != nil {
		return nil, false, err
	}
	f.step(m, len(page), "walk in order, ask", where)
	return page, done || over, nil
}

// pageEffort is how many keys a page may cost beyond what its size explains.
const pageEffort = 4096

// stream walks the records beyond the cursor in order of number, asks each, and gives those that match to fn. It stops after about
// effort keys (0: never) and reports whether it came to the end.
func (f *finder) stream(where node, lead, effort int, fn func(spot) error) (bool, error) {
	limit := 0
	if effort > 0 {
		limit = f.v.read + effort
	}
	src, asked := f.ordered(where, lead)
	defer src.close()
	all, _ := src.(*allSource)
	var first []lookupNode // of asked, that a key answers
	if all == nil {
		first = points(andNode{asked})
	}
	var c candidate
	for {
		n, st, err := src.next()
		if err != nil {
			return false, err
		}
		if st == ended {
			return true, nil
		}
		if err := f.check("walk in order", nil); err != nil {
			return false, err
		}
		if limit > 0 && f.v.read > limit {
			return false, nil
		}
		if st == nothing || f.after != nil && n == f.after.num {
			continue
		}
		c.reset(n)
		if ok, err := f.probeAll(first, &c); err != nil {
			return false, err
		} else if !ok {
			continue
		}
		if len(asked) > 0 || f.private {
			if all != nil {
				if err := all.load(&c); err != nil {
					return false, err
				}
			}
			if ok, err := f.holds(&c, asked); err != nil {
				return false, err
			} else if !ok {
				continue
			}
		}
		if err := fn(spot{num: n}); err != nil {
			return false, err
		}
	}
}

// ordered returns a source in order of number that begins at the cursor, and what is still to be asked of what it yields. Of several parts
// that could be the source, lead is the one to take, if it can be one.
func (f *finder) ordered(where node, lead int) (source, []node) {
	parts := []node{where}
	if and, ok := where.(andNode); ok {
		parts = and.parts
	}
	for at := range parts {
		i := (lead + at) % len(parts)
		if l, ok := parts[i].(lookupNode); ok && l.exactPoint() {
			key := keyValue(l.field, l.Values[0].Low)
			var from []byte
			if f.after != nil {
				from = appendNum(slices.Clone(key), f.after.num)
			}
			return &runSource{f.v.scan(key, from, f.f.Reverse)}, slices.Delete(slices.Clone(parts), i, i+1)
		}
	}
	if _, all := where.(allNode); all {
		parts = nil
	}
	from := uint64(0)
	if f.after != nil {
		from = f.after.num
	}
	return f.all(from, f.f.Reverse), parts
}

// probeAll looks up points of a record.
func (f *finder) probeAll(points []lookupNode, c *candidate) (bool, error) {
	for _, l := range points {
		if ok, err := l.probe(f, c); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// runSource yields the postings of one point.
type runSource struct{ scan *scan }

func (s *runSource) next() (uint64, state, error) {
	if !s.scan.next() {
		return 0, ended, nil
	}
	key := s.scan.key()
	b, err := s.scan.value()
	if err != nil {
		return 0, nothing, err
	}
	ok, err := hasPoint(key, b)
	if err != nil || !ok {
		return 0, nothing, err
	}
	return lastNum(key), found, nil
}

func (s *runSource) close() { s.scan.close() }
