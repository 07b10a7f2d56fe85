package badger

import (
	"bytes"
	"errors"
	"slices"

	"github.com/hob-fhir/hob/storage/driver"
)

// errLong says that a walk met values which keys do not hold in full, so that their order is not that of the keys.
var errLong = errors.New("long values")

// walker fills a page in the order of one sort field. What is equal by it is put in the order of the fields after it.
type walker struct {
	f      *finder
	where  node
	first  []lookupNode // parts of where that a key answers, which costs less than to read a record
	among  []uint64     // no other records match; nil: any may
	orders []driver.Order
	fields []fieldNo
	after  *spot // with a key for each of orders; nil: from the beginning
	room   int   // hits wanted
	effort *effort
	low    []byte // the first key of the sort field's that can match
	high   []byte // and the first beyond; nil: the field's ends
	bound  bool   // only records with a row of the field can match
	page   []spot
	run    []spot // hits that are equal by the first order, if there are several
	c      candidate
}

// effort is what a walk may still cost.
type effort struct {
	asks  int // records that are asked
	steps int // keys that are passed
}

// stepsOfAsk is how many keys are passed in the time that one record is asked.
const stepsOfAsk = 16

func newEffort(asks int) *effort { return &effort{asks, asks * stepsOfAsk} }

// walkSorted fills a page by walking the sort field and asking the records that are among those given, or all if they are nil. It
// reports false if that would cost more than the effort, or cannot be done.
func (f *finder) walkSorted(where node, among []uint64, e *effort) ([]spot, bool, error) {
	m := f.mark()
	fields, err := f.sortFields()
	if err != nil {
		return nil, false, err
	}
	w := &walker{f: f, where: where, among: among, orders: f.f.Sort, fields: fields, after: f.after, room: f.f.Limit, effort: e}
	if among == nil {
		w.first = points(where)
	}
	w.low, w.high, w.bound = f.stretch(where, fields[0])
	err = w.fill()
	f.step(m, len(w.page), "walk sort field", w)
	switch {
	case errors.Is(err, errLong), errors.Is(err, errEffort):
		return nil, false, nil
	case errors.Is(err, errDone):
		err = nil
	}
	return w.page, true, err
}

// stretch returns where on the sort field the records lie for which a node holds. bound is false if they may lie anywhere, or nowhere.
func (f *finder) stretch(n node, field fieldNo) (low, high []byte, bound bool) {
	if and, ok := n.(andNode); ok {
		for _, part := range and.parts {
			if low, high, bound = f.stretch(part, field); bound {
				return low, high, true
			}
		}
		return nil, nil, false
	}
	one, ok := n.(rowNode)
	if clause := clauseOf(n); clause != nil {
		one, ok = rowNode{field: clause[0].field, clauses: [][]lookupNode{clause}, facts: f.v.factsOf(clause[0].field)}, true
	}
	if k := one.facts; !ok || one.field != field || !k.known || k.several || k.openLow || k.openHigh {
		return nil, nil, false
	}
	low, high = one.bounds()
	return low, high, true
}

// beyond reports whether a key of the sort field, and so all after it, can match nothing.
func (w *walker) beyond(key []byte, down bool) bool {
	if down {
		return w.low != nil && bytes.Compare(key, w.low) < 0
	}
	return w.high != nil && bytes.Compare(key, w.high) >= 0
}

// points are the lookups of one point that must hold for a node to hold.
func points(n node) (out []lookupNode) {
	switch n := n.(type) {
	case lookupNode:
		if n.exactPoint() {
			return []lookupNode{n}
		}
	case andNode:
		for _, part := range n.parts {
			out = append(out, points(part)...)
		}
	}
	return out
}

var errEffort = errors.New("too much effort")

// fill walks until the page is full, which is errDone, or nothing is left.
func (w *walker) fill() error {
	err := w.walk()
	if err == nil {
		err = w.endRun()
	}
	return err
}

func (w *walker) walk() error {
	if w.orders[0].Field == "" {
		return w.ids()
	}
	missing := w.after != nil && !w.after.keys[0].present // the cursor stands among those without a value
	if !w.f.f.Reverse {
		if !missing && w.fields[0] != 0 {
			if err := w.values(); err != nil {
				return err
			}
		}
		return w.missing(missing)
	}
	if w.after == nil || missing {
		if err := w.missing(missing); err != nil {
			return err
		}
	}
	if w.fields[0] == 0 {
		return nil
	}
	return w.values()
}

func (w *walker) String() string { return orders(w.orders[:1]).String() }

// passes reports whether a record need not be asked.
func (w *walker) passes(num uint64) (bool, error) {
	if w.effort.steps--; w.effort.steps < 0 {
		return false, errEffort
	}
	if err := w.f.check("walk sort field", w); err != nil || w.among == nil {
		return false, err
	}
	_, found := slices.BinarySearch(w.among, num)
	return !found, nil
}

// offer asks a record and puts it on the page. key is the value at which the walk met it; a record of several values has its place
// at one of them only.
func (w *walker) offer(num uint64, key sortKey) error {
	if w.c.num != num || !w.c.loaded {
		w.c.reset(num)
	}
	if len(w.run) > 0 {
		if k := w.run[0].keys[0]; k.present != key.present || !bytes.Equal(k.low, key.low) {
			if err := w.endRun(); err != nil {
				return err
			}
		}
	}
	if !w.c.loaded {
		if ok, err := w.f.probeAll(w.first, &w.c); err != nil || !ok {
			w.effort.steps -= stepsOfAsk / probesOfAsk
			return err
		}
	}
	if w.effort.asks--; w.effort.asks < 0 {
		return errEffort
	}
	if ok, err := w.f.exists(&w.c); err != nil || !ok {
		return err
	}
	if w.orders[0].Field != "" {
		own := keyOf(w.c.rows, w.fields[0], w.orders[0].Desc)
		if own.present != key.present || !bytes.Equal(own.low, key.low) {
			return nil
		}
	}
	if ok, err := w.where.test(w.f, &w.c); err != nil || !ok {
		return err
	}
	if erased, err := w.f.erasedSince(num); err != nil || erased {
		return err
	}
	hit := spot{num: num, keys: []sortKey{{bytes.Clone(key.low), key.present}}}
	for i, o := range w.orders[1:] {
		k, err := w.f.sortKey(&w.c, w.fields[i+1], o)
		if err != nil {
			return err
		}
		hit.keys = append(hit.keys, sortKey{bytes.Clone(k.low), k.present})
	}
	if len(w.orders) == 1 || w.orders[0].Field == "" { // no two ids are equal
		return w.take(hit)
	}
	w.run = append(w.run, hit)
	return nil
}

// take puts a hit on the page.
func (w *walker) take(hit spot) error {
	w.page = append(w.page, hit)
	if len(w.page) == w.room {
		return errDone
	}
	return nil
}

// endRun puts the hits that are equal by the first order on the page, in that of the others.
func (w *walker) endRun() error {
	run := w.run
	w.run = nil
	w.f.arrange(run, w.orders)
	for _, hit := range run {
		if w.after != nil && !w.f.follows(hit, *w.after, w.orders) {
			continue
		}
		if err := w.take(hit); err != nil {
			return err
		}
	}
	return nil
}

// ids walks the ids of the type.
func (w *walker) ids() error {
	down := w.orders[0].Desc != w.f.f.Reverse
	prefix := typeKey(famIDs, w.f.typ, 0)
	var from []byte
	if w.after != nil {
		from = append(slices.Clone(prefix), w.after.keys[0].low...)
	}
	s := w.f.v.scan(prefix, from, down)
	defer s.close()
	for s.next() {
		key := s.key()
		if w.after != nil && bytes.Equal(key, from) {
			continue
		}
		b, err := s.value()
		if err != nil {
			return err
		}
		if len(b) != numLen {
			return damaged(key, errCut)
		}
		num := parseNum(b)
		if passed, err := w.passes(num); err != nil {
			return err
		} else if passed {
			continue
		}
		id := bytes.Clone(key[len(prefix):])
		if err := w.offer(num, sortKey{id, true}); err != nil {
			return err
		}
	}
	return nil
}

// missing walks the records without a row of the field, in order of number.
func (w *walker) missing(resume bool) error {
	if w.bound {
		return nil
	}
	from := uint64(0)
	if len(w.orders) > 1 {
		resume = false // they come in the order of other fields
	}
	if resume {
		from = w.after.num
	}
	src := w.f.all(from, w.f.f.Reverse)
	defer src.close()
	for {
		n, st, err := src.next()
		if err != nil || st == ended {
			return err
		}
		if st == nothing || resume && n == from {
			continue
		}
		if passed, err := w.passes(n); err != nil {
			return err
		} else if passed {
			continue
		}
		w.c.reset(n)
		if err := src.load(&w.c); err != nil {
			return err
		}
		if err := w.offer(n, sortKey{}); err != nil {
			return err
		}
	}
}

// values walks the postings of the field. Values go up or down, and the records of one value up or down, as Desc and Reverse say.
// Where both go the same way that is the order of the keys; else each run of one value is turned around.
func (w *walker) values() error {
	down := w.orders[0].Desc != w.f.f.Reverse
	prefix := keyField(famPosting, w.fields[0])
	var from []byte
	if a := w.after; a != nil && a.keys[0].present {
		if len(a.keys[0].low) > maxPlain {
			return errLong
		}
		from = keyValue(w.fields[0], a.keys[0].low)
		switch {
		case len(w.orders) == 1:
			from = appendNum(from, a.num)
		case down:
			from = after(from) // its run is walked as a whole
		}
	}
	begin := w.low
	if down {
		begin = w.high
	}
	if begin != nil && (from == nil || bytes.Compare(begin, from) > 0 != down) {
		from = begin
	} else {
		begin = nil
	}
	if down == w.f.f.Reverse || len(w.orders) > 1 {
		return w.walkRun(prefix, from, down)
	}
	s := w.f.v.scan(prefix, begin, down)
	defer s.close()
	if from != nil && begin == nil {
		// First the rest of the cursor's own value, then the values beyond it.
		value := from[:len(from)-numLen]
		if err := w.walkRun(value, from, w.f.f.Reverse); err != nil {
			return err
		}
		w.hop(s, value, down)
	}
	var value []byte // of the run the scan is in
	var run []uint64 // its records so far
	offer := func() error {
		if len(run) == 0 {
			return nil
		}
		p, err := parsePosting(appendNum(slices.Clone(value), 0))
		if err != nil {
			return damaged(value, err)
		}
		for i := len(run) - 1; i >= 0; i-- {
			if err := w.offer(run[i], sortKey{p.value, true}); err != nil {
				return err
			}
		}
		run = run[:0]
		return nil
	}
	for s.next() {
		key := s.key()
		if w.beyond(key, down) {
			break
		}
		if isLong(key) {
			return errLong
		}
		if v := key[:len(key)-numLen]; !bytes.Equal(v, value) {
			if err := offer(); err != nil {
				return err
			}
			value = append(value[:0], v...)
		}
		if passed, err := w.passes(lastNum(key)); err != nil {
			return err
		} else if passed {
			continue
		}
		if run = append(run, lastNum(key)); len(run) > longRun {
			run = run[:0]
			if err := w.walkRun(value, nil, w.f.f.Reverse); err != nil {
				return err
			}
			w.hop(s, value, down)
		}
	}
	return offer()
}

// longRun is how many records of one value are read against their order; more are read once again, in it.
const longRun = 64

// hop sets a scan beyond all postings of a value.
func (w *walker) hop(s *scan, value []byte, down bool) {
	if down {
		s.seek(value) // the value alone is no key, so the scan begins below its first posting
		return
	}
	s.seek(after(value))
}

// walkRun offers the records of a run of postings, from a place on that is itself left out.
func (w *walker) walkRun(prefix, from []byte, down bool) error {
	s := w.f.v.scan(prefix, from, down)
	defer s.close()
	for s.next() {
		key := s.key()
		if from != nil && bytes.Equal(key, from) {
			continue
		}
		if w.beyond(key, down) {
			return nil
		}
		if isLong(key) {
			return errLong
		}
		if passed, err := w.passes(lastNum(key)); err != nil {
			return err
		} else if passed {
			continue
		}
		p, err := parsePosting(key)
		if err != nil {
			return damaged(key, err)
		}
		if err := w.offer(p.num, sortKey{bytes.Clone(p.value), true}); err != nil {
			return err
		}
	}
	return nil
}
