package badger

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"github.com/hob-fhir/hob/storage/driver"
)

// A sorted search collects its records and sorts them by their forward rows, unless there are many and only a page is wanted: then
// the postings of the field are walked in their own order and each record is asked, until the page is full.
const (
	lapsBeforeWalk = 4096 // steps the parts race before the result is held to be large
	walkEffort     = 8192 // keys a walked page may cost, beyond what its size explains
)

func (f *finder) runSorted(where node, yield func(driver.Hit) bool) error {
	r, err := f.newRace(where)
	if err != nil {
		return err
	}
	defer r.close()
	if f.f.Limit > 0 && len(f.f.Sort) == 1 {
		small := false
		if _, all := where.(allNode); !all {
			if small, err = r.run(lapsBeforeWalk); err != nil {
				return err
			}
		}
		if !small {
			page, ok, err := f.walkSorted(where)
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
	sorted, err := f.sorted(nums)
	if err != nil {
		return err
	}
	return f.hand(sorted, yield)
}

// sorted returns the spots of records that lie beyond the cursor, in order.
func (f *finder) sorted(nums []uint64) ([]spot, error) {
	start, read := time.Now(), f.v.read
	fields, err := f.sortFields()
	if err != nil {
		return nil, err
	}
	out := make([]spot, 0, len(nums))
	keep := func(c *candidate) error {
		s, err := f.spot(c, fields)
		if err != nil {
			return err
		}
		if f.after != nil {
			if d := s.compare(*f.after, f.f.Sort); d == 0 || d < 0 != f.f.Reverse {
				return nil
			}
		}
		for i := range s.keys {
			s.keys[i].low = bytes.Clone(s.keys[i].low)
		}
		out = append(out, s)
		return f.check("read sort keys")
	}
	rows := slices.ContainsFunc(f.f.Sort, func(o driver.Order) bool { return o.Field != "" })
	if _, err := f.each(nums, rows, keep); err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b spot) int {
		if f.f.Reverse {
			a, b = b, a
		}
		return a.compare(b, f.f.Sort)
	})
	f.trace.Add(driver.Step{Do: "sort", Rows: f.v.read - read, Hits: len(out), Time: time.Since(start)})
	return out, nil
}

// sortFields returns the numbers of the fields of Find.Sort, 0 for the id and for fields that no record has.
func (f *finder) sortFields() ([]fieldNo, error) {
	fields := make([]fieldNo, len(f.f.Sort))
	for i, o := range f.f.Sort {
		if o.Field == "" {
			continue
		}
		no, _, err := f.v.fieldNo(f.typ, o.Field)
		if err != nil {
			return nil, err
		}
		fields[i] = no
	}
	return fields, nil
}

// spot finds where a candidate stands. The keys point into its rows.
func (f *finder) spot(c *candidate, fields []fieldNo) (spot, error) {
	s := spot{num: c.num, keys: make([]sortKey, len(fields))}
	for i, o := range f.f.Sort {
		if o.Field == "" {
			h, _, err := f.v.head(f.typ, c.num)
			if err != nil {
				return s, err
			}
			s.keys[i] = sortKey{[]byte(h.id), true}
			continue
		}
		if err := c.load(f); err != nil {
			return s, err
		}
		s.keys[i] = keyOf(c.rows, fields[i], o.Desc)
	}
	return s, nil
}

// keyOf is the sort key of a record: driver.SortKey on numbered fields. Rows are in order of field and Low, so it is the first or
// the last of the field.
func keyOf(rows []row, field fieldNo, desc bool) (k sortKey) {
	for _, r := range rows {
		if r.field != field {
			continue
		}
		k = sortKey{r.value.Low, true}
		if !desc {
			return k
		}
	}
	return k
}

// errLong says that a walk met values which keys do not hold in full, so that their order is not that of the keys.
var errLong = errors.New("long values")

// walker fills a page in the order of one sort field.
type walker struct {
	f     *finder
	where node
	order driver.Order
	field fieldNo
	limit int // of keys read
	page  []spot
	c     candidate
}

// walkSorted fills a page by walking the sort field. It reports false if that would cost too much, or cannot be done.
func (f *finder) walkSorted(where node) ([]spot, bool, error) {
	start, read := time.Now(), f.v.read
	fields, err := f.sortFields()
	if err != nil {
		return nil, false, err
	}
	w := &walker{f: f, where: where, order: f.f.Sort[0], field: fields[0], limit: f.v.read + walkEffort + 64*f.f.Limit}
	err = w.walk()
	f.trace.Add(driver.Step{Do: "walk sort field " + w.order.Field, Rows: f.v.read - read, Hits: len(w.page), Time: time.Since(start)})
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

func (w *walker) spend() error {
	if w.f.v.read > w.limit {
		return errEffort
	}
	return w.f.check("walk sort field " + w.order.Field)
}

// offer asks a record and puts it on the page. key is the value at which the walk met it; a record of several values has its place
// at one of them only.
func (w *walker) offer(num uint64, key sortKey) error {
	if err := w.spend(); err != nil {
		return err
	}
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
		id := bytes.Clone(key[len(prefix):])
		if err := w.offer(parseNum(b), sortKey{id, true}); err != nil {
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
// Where both go the same way that is the order of the keys; else the walk hops from value to value.
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
	for s.next() {
		key := s.key()
		if isLong(key) {
			return errLong
		}
		value := bytes.Clone(key[:len(key)-numLen])
		if err := w.run(value, nil, w.f.f.Reverse); err != nil {
			return err
		}
		w.hop(s, value, down)
	}
	return nil
}

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
