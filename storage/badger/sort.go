package badger

import (
	"bytes"
	"slices"
	"strings"

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
		walk := true
		var among []uint64
		if _, all := where.(allNode); !all {
			won, err := r.run(lapsBeforeWalk)
			if err != nil {
				return err
			}
			if won {
				among = r.winner.nums
				if walk, err = f.worthWalk(len(among)); err != nil {
					return err
				}
			}
		}
		if walk {
			r.tell()
			page, ok, err := f.walkSorted(where, among)
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

// worthWalk reports whether a page is filled sooner by walking the sort field than by sorting so many records: the walk meets one
// of them every so many keys and reads it, the sort must read them all.
func (f *finder) worthWalk(found int) (bool, error) {
	c, err := f.v.counter(f.typ)
	if err != nil || found == 0 {
		return false, err
	}
	keys := f.f.Limit * int(c.count) / found
	return found > 4*(f.f.Limit+keys/walkRatio), nil
}

// walkRatio is how many keys are walked in the time that the forward rows of one record are read.
const walkRatio = 10

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
		if f.after != nil {
			if d := s.compare(*f.after, f.f.Sort); d == 0 || d < 0 != f.f.Reverse {
				return nil
			}
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
	slices.SortFunc(out, func(a, b spot) int {
		if f.f.Reverse {
			a, b = b, a
		}
		return a.compare(b, f.f.Sort)
	})
	f.step(m, len(out), "sort by", orders(f.f.Sort))
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
