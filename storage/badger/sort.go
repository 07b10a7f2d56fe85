package badger

import (
	"bytes"
	"slices"
	"strings"

	"github.com/hob-fhir/hob/storage/driver"
)

// A sorted search collects its records and sorts them by their forward rows, unless there are many and only a page is wanted: then
// the postings of the first field are walked in their own order and each record is asked, until the page is full.
const (
	lapsBeforeWalk = 1024 // steps the parts race before the result is held to be large
	askRatio       = 32   // how many postings are listed in the time that one record is read and asked
	walkRatio      = 10   // and how many keys of a walk are passed in the time that one of many records is read
)

func (f *finder) runSorted(where node, yield func(driver.Hit) bool) error {
	r, err := f.newRace(where)
	if err != nil {
		return err
	}
	defer r.close()
	page, ok, err := f.walkPage(r, where)
	if err != nil {
		return err
	}
	if ok {
		return f.hand(page, yield)
	}
	nums, err := r.resolve()
	if err != nil {
		return err
	}
	f.matched = len(nums)
	sorted, err := f.sorted(nums)
	if err != nil {
		return err
	}
	return f.hand(sorted, yield)
}

// walkPage fills a page by walking the sort field if that is held to be cheaper than to collect and sort. Before all records that a part
// lists are known, the walk may cost as much as to list them; after, as much as to sort them.
func (f *finder) walkPage(r *race, where node) ([]spot, bool, error) {
	if f.f.Limit == 0 {
		return nil, false, nil
	}
	if _, all := where.(allNode); all {
		return f.walkSorted(where, nil, newEffort(r.f.total()))
	}
	won, err := r.run(lapsBeforeWalk)
	if err != nil {
		return nil, false, err
	}
	if !won {
		r.tell()
		if asks := r.asksBeforeEnd(); asks > 0 {
			page, ok, err := f.walkSorted(where, nil, newEffort(asks))
			if ok || err != nil {
				return page, ok, err
			}
		}
		if won, err = r.run(0); err != nil || !won {
			return nil, false, err
		}
	}
	among := r.winner.nums
	if !f.worthWalk(len(among)) {
		return nil, false, nil
	}
	r.tell()
	return f.walkSorted(where, among, newEffort(len(among)))
}

// asksBeforeEnd estimates how many records can be asked in the time that it takes until a part of the query has listed all of its own; 0
// if they will not fill a page. A part that lists postings of one point meets them in order of number, so that the last number tells how
// densely they lie; of others nothing is known.
func (r *race) asksBeforeEnd() int {
	least, densest := 0, 1.0
	for _, run := range r.drivers() {
		if _, point := run.point(); !point || len(run.nums) == 0 {
			continue
		}
		share := float64(len(run.nums)) / float64(run.nums[len(run.nums)-1])
		if n := int(share * float64(r.f.total())); least == 0 || n < least {
			least, densest = n, share
		}
	}
	switch {
	case least == 0:
		return r.f.total() / askRatio
	case float64(r.f.f.Limit)/densest > float64(least)/askRatio*probesOfAsk:
		return 0
	}
	return least / askRatio
}

// probesOfAsk is how many single keys are looked up in the time that one record is asked.
const probesOfAsk = 3

// sparsest returns which part lists postings of one point that lie farthest apart, 0 if none does.
func (r *race) sparsest() (part int) {
	least := 2.0
	for i, run := range r.runners {
		if _, point := run.point(); !point || run.negate || run.needed || len(run.nums) == 0 {
			continue
		}
		if share := float64(len(run.nums)) / float64(run.nums[len(run.nums)-1]); share < least {
			part, least = i, share
		}
	}
	return part
}

// total is the number of current records of the type, 0 if it cannot be read.
func (f *finder) total() int {
	c, err := f.v.counter(f.typ)
	if err != nil {
		return 0 // whoever needs it meets the error too
	}
	return int(c.count)
}

// worthWalk reports whether a page is filled sooner by walking the sort field than by sorting so many records: the walk meets one
// of them every so many keys and reads it, the sort must read them all.
func (f *finder) worthWalk(found int) bool {
	if found == 0 {
		return false
	}
	keys := f.f.Limit * f.total() / found
	return found > 4*(f.f.Limit+keys/walkRatio)
}

// sorted returns the spots of records that lie beyond the cursor, in order.
func (f *finder) sorted(nums []uint64) ([]spot, error) {
	m := f.mark()
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
		if f.after != nil && !f.follows(s, *f.after, f.f.Sort) {
			return nil
		}
		for i := range s.keys {
			s.keys[i].low = bytes.Clone(s.keys[i].low)
		}
		out = append(out, s)
		return f.check("read sort keys", nil)
	}
	if err := f.each(nums, keep); err != nil {
		return nil, err
	}
	f.arrange(out, f.f.Sort)
	f.step(m, len(out), "sort by", orders(f.f.Sort))
	return out, nil
}

// arrange sorts spots in the direction of the walk.
func (f *finder) arrange(spots []spot, order []driver.Order) {
	slices.SortFunc(spots, func(a, b spot) int {
		if f.f.Reverse {
			a, b = b, a
		}
		return a.compare(b, order)
	})
}

// follows reports whether a spot lies beyond another in the direction of the walk.
func (f *finder) follows(s, t spot, order []driver.Order) bool {
	d := s.compare(t, order)
	return d != 0 && d < 0 == f.f.Reverse
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
		var err error
		if s.keys[i], err = f.sortKey(c, fields[i], o); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (f *finder) sortKey(c *candidate, field fieldNo, o driver.Order) (sortKey, error) {
	if o.Field == "" {
		h, _, err := f.v.head(f.typ, c.num)
		return sortKey{[]byte(h.id), true}, err
	}
	if err := c.load(f); err != nil {
		return sortKey{}, err
	}
	return keyOf(c.rows, field, o.Desc), nil
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

// orders names the fields of a sort.
type orders []driver.Order

func (o orders) String() string {
	names := make([]string, len(o))
	for i, key := range o {
		if names[i] = key.Field; key.Field == "" {
			names[i] = "id"
		}
		if key.Desc {
			names[i] += " downward"
		}
	}
	return strings.Join(names, ", ")
}
