package badger

import (
	"bytes"
	"errors"
	"slices"

	"github.com/hob-fhir/hob/storage/driver"
)

// errLong says that a walk met values which keys do not hold in full, so that their order is not that of the keys.
var errLong = errors.New("long values")

// walker fills a page in the order of one sort field.
type walker struct {
	f     *finder
	where node
	among []uint64 // no other records match; nil: any may
	order driver.Order
	field fieldNo
	limit int // of keys read
	page  []spot
	c     candidate
}

// walkSorted fills a page by walking the sort field and asking the records that are among those given, or all if they are nil. It
// reports false if that would cost too much, or cannot be done.
func (f *finder) walkSorted(where node, among []uint64) ([]spot, bool, error) {
	m := f.mark()
	fields, err := f.sortFields()
	if err != nil {
		return nil, false, err
	}
	w := &walker{f: f, where: where, among: among, order: f.f.Sort[0], field: fields[0], limit: f.v.read + walkEffort + 64*f.f.Limit}
	err = w.walk()
	f.step(m, len(w.page), "walk sort field", w)
	switch {
	case errors.Is(err, errLong), errors.Is(err, errEffort):
		return nil, false, nil
	case errors.Is(err, errDone):
		err = nil
	}
	return w.page, true, err
}

var errEffort = errors.New("too much effort")

func (w *walker) walk() error {
	if w.order.Field == "" {
		return w.ids()
	}
	after := w.f.after
	missing := after != nil && !after.keys[0].present // the cursor stands among those without a value
	if !w.f.f.Reverse {
		if !missing && w.field != 0 {
			if err := w.values(); err != nil {
				return err
			}
		}
		return w.missing(missing)
	}
	if after == nil || missing {
		if err := w.missing(missing); err != nil {
			return err
		}
	}
	if w.field == 0 {
		return nil
	}
	return w.values()
}

func (w *walker) String() string { return orders{w.order}.String() }

// passes reports whether a record need not be asked.
func (w *walker) passes(num uint64) (bool, error) {
	if err := w.spend(); err != nil || w.among == nil {
		return false, err
	}
	_, found := slices.BinarySearch(w.among, num)
	return !found, nil
}

func (w *walker) spend() error {
	if w.f.v.read > w.limit {
		return errEffort
	}
	return w.f.check("walk sort field", w)
}

// offer asks a record and puts it on the page. key is the value at which the walk met it; a record of several values has its place
// at one of them only.
func (w *walker) offer(num uint64, key sortKey) error {
	if w.c.num != num || !w.c.loaded {
		w.c.reset(num)
	}
	if ok, err := w.f.exists(&w.c); err != nil || !ok {
		return err
	}
	if w.order.Field != "" {
		own := keyOf(w.c.rows, w.field, w.order.Desc)
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
	w.page = append(w.page, spot{num: num, keys: []sortKey{{bytes.Clone(key.low), key.present}}})
	if len(w.page) == w.f.f.Limit {
		return errDone
	}
	return nil
}

// ids walks the ids of the type.
func (w *walker) ids() error {
	down := w.order.Desc != w.f.f.Reverse
	prefix := typeKey(famIDs, w.f.typ, 0)
	var from []byte
	if w.f.after != nil {
		from = append(slices.Clone(prefix), w.f.after.keys[0].low...)
	}
	s := w.f.v.scan(prefix, from, down)
	defer s.close()
	for s.next() {
		key := s.key()
		if w.f.after != nil && bytes.Equal(key, from) {
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
	from := uint64(0)
	if resume {
		from = w.f.after.num
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
	down := w.order.Desc != w.f.f.Reverse
	prefix := keyField(famPosting, w.field)
	var from []byte
	if a := w.f.after; a != nil && a.keys[0].present {
		if len(a.keys[0].low) > maxPlain {
			return errLong
		}
		from = appendNum(keyValue(w.field, a.keys[0].low), a.num)
	}
	if down == w.f.f.Reverse {
		return w.run(prefix, from, down)
	}
	s := w.f.v.scan(prefix, nil, down)
	defer s.close()
	if from != nil {
		// First the rest of the cursor's own value, then the values beyond it.
		value := from[:len(from)-numLen]
		if err := w.run(value, from, w.f.f.Reverse); err != nil {
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
			if err := w.run(value, nil, w.f.f.Reverse); err != nil {
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

// run offers the records of a run of postings, from a place on that is itself left out.
func (w *walker) run(prefix, from []byte, down bool) error {
	s := w.f.v.scan(prefix, from, down)
	defer s.close()
	for s.next() {
		key := s.key()
		if from != nil && bytes.Equal(key, from) {
			continue
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
