package badger

import (
	"errors"
	"slices"
	"time"

	"github.com/hob-fhir/hob/storage/driver"
)

// hits hands out the records that were found. It must be closed.
type hits struct {
	f      *finder
	out    *view // reading hits does not count as searching
	heads  *stride
	bodies *stride
	yield  func(driver.Hit) bool
	n      int
	took   time.Duration // reading, if there is a trace
}

// hits makes one; near says whether their numbers are ascending and close.
func (f *finder) hits(near bool, yield func(driver.Hit) bool) *hits {
	out := *f.v
	out.read = 0
	return &hits{
		f: f, out: &out, yield: yield,
		heads:  out.stride(typeKey(famCurrent, f.typ, 0), near),
		bodies: out.stride(typeKey(famVersion, f.typ, 0), near),
	}
}

func (h *hits) close() {
	h.heads.close()
	h.bodies.close()
}

// read returns a record that was found; false if it was erased since.
func (h *hits) read(num uint64) (driver.Record, bool, error) {
	f := h.f
	if f.trace != nil {
		begun := time.Now()
		defer func() { h.took += time.Since(begun) }()
	}
	erased, err := f.erasedSince(num)
	if err != nil || erased {
		return driver.Record{}, false, err
	}
	now, ok, err := headOf(h.heads, keyCurrent(f.typ, num))
	if err == nil && !ok {
		err = damaged(keyRows(f.typ, num), errors.New("rows of a record that is not there"))
	}
	switch {
	case err != nil:
		return driver.Record{}, false, err
	case f.f.Bare:
		return now.record(f.name), true, nil
	}
	rec, err := h.out.fullOf(h.bodies, f.name, place{f.typ, num, now})
	return rec, err == nil, err
}

// step tells the trace what the hits cost.
func (h *hits) step() {
	if h.f.trace != nil && h.out.read > 0 {
		what := "read hits"
		if h.f.f.Bare {
			what = "read hits without bodies"
		}
		h.f.trace.Add(driver.Step{Do: what, Rows: h.out.read, Hits: h.n, Time: h.took})
	}
}

// emit hands out the hit of a number, and ends the search at its limit.
func (h *hits) emit(s spot) error {
	rec, ok, err := h.read(s.num)
	if err != nil || !ok {
		return err
	}
	return h.give(s, rec)
}

func (h *hits) give(s spot, rec driver.Record) error {
	if !h.yield(driver.Hit{Record: rec, Cursor: s.cursor()}) {
		return errDone
	}
	if h.n++; h.n == h.f.f.Limit {
		return errDone
	}
	return h.f.ctx.Err()
}

// hand hands out the hits of these spots, some at a time: if their numbers are close they are read in order of number.
func (f *finder) hand(spots []spot, yield func(driver.Hit) bool) error {
	given := 0
	for len(spots) > 0 {
		n := min(len(spots), batch)
		if f.f.Limit > 0 {
			n = min(n, f.f.Limit-given)
		}
		if err := f.handBatch(spots[:n], &given, yield); err != nil {
			return ignoreDone(err)
		}
		spots = spots[n:]
	}
	return nil
}

const (
	batch      = 64
	batchBytes = 1 << 20 // of bodies that are read ahead
)

func (f *finder) handBatch(spots []spot, given *int, yield func(driver.Hit) bool) error {
	nums := make([]uint64, len(spots))
	for i, s := range spots {
		nums[i] = s.num
	}
	slices.Sort(nums)
	dense := near(nums)
	h := f.hits(dense, yield)
	h.n = *given
	defer func() {
		h.step()
		*given = h.n
		h.close()
	}()
	ahead := map[uint64]driver.Record{}
	if dense {
		size := 0
		for _, num := range nums {
			rec, ok, err := h.read(num)
			if err != nil {
				return err
			}
			if ok {
				ahead[num] = rec
			}
			if size += len(rec.Body); size > batchBytes {
				break
			}
		}
	}
	for _, s := range spots {
		rec, ok := ahead[s.num]
		var err error
		if ok {
			err = h.give(s, rec)
		} else {
			err = h.emit(s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
