package badger

import (
	"slices"
	"time"

	"github.com/hob-fhir/hob/storage/driver"
)

// How a query is answered with all its records:
//
// The parts of a conjunction race: each lists its records for 64 steps, then 256, and so on until one has listed all of its own.
// That one drives. What it listed is then looked up in the postings of each part that asks for one point (stride.go), which leaves
// fewer to the rest. A part of another kind goes on listing while that is cheaper than asking its question of every record left
// (probeRatio), and is merged if it comes to its end; else the question is asked of the forward rows.
const (
	firstLap        = 64
	lapGrowth       = 4
	probeRatio      = 16   // listing a record costs about 0.3 us, reading forward rows by key 4 to 15 us as the store grows
	nearRatio       = 3    // and one after another 1 us
	fewToMerge      = 1024 // a list without an end seldom comes to its own in the time that fewer records are asked
	lapsBeforeJoins = 1024 // steps before chains, whose inner query costs something, join the race
)

// runner is a part of a conjunction in the race.
type runner struct {
	node   node
	src    source // nil if the part cannot list its records
	exact  bool
	later  bool // a chain, whose inner query must be answered before it can run: it starts when the others are slow
	negate bool // the records listed are those to be left out
	needed bool // holds of itself where another part does, and need not be asked
	nums   []uint64
	steps  int
	ended  bool
	read   int // keys, not yet told to the trace
	took   time.Duration
}

// advance goes on until the runner has made so many steps or is at its end.
func (r *runner) advance(f *finder, steps int) error {
	m := f.mark()
	defer func() {
		r.read += f.v.read - m.read
		r.took += m.since()
		f.listed += f.v.read - m.read
	}()
	for !r.ended && r.steps < steps {
		n, st, err := r.src.next()
		if err != nil {
			return err
		}
		switch st {
		case ended:
			r.ended = true
			if !slices.IsSorted(r.nums) {
				slices.Sort(r.nums)
			}
			r.nums = slices.Compact(r.nums)
		case found:
			r.nums = append(r.nums, n)
		}
		r.steps++
		if r.steps%64 == 0 {
			if err := f.check("list", r.node); err != nil {
				return err
			}
		}
	}
	return f.check("list", r.node)
}

// among lists on, for so many steps at most, and says which of some numbers, which must be sorted and not none, the runner lists. It reports
// false if it did not come to its end.
func (r *runner) among(f *finder, nums []uint64, steps int) (numSet, bool, error) {
	last := nums[len(nums)-1]
	has := make(numSet, last/64+1)
	for _, n := range r.nums {
		has.set(n)
	}
	if r.ended {
		return has, true, nil
	}
	r.nums = nil
	for steps -= r.steps; steps > 0; {
		lap := min(steps, lapOfMerge)
		steps -= lap
		if err := r.advance(f, r.steps+lap); err != nil {
			return nil, false, err
		}
		for _, n := range r.nums {
			has.set(n)
		}
		r.nums = r.nums[:0]
		if r.ended {
			return has, true, nil
		}
	}
	return nil, false, nil
}

// lapOfMerge is how many records a runner holds while it is merged: there may be more than are worth being kept.
const lapOfMerge = 4096

// numSet is a set of numbers below a limit; others are left out.
type numSet []uint64

func (b numSet) set(n uint64) {
	if i := n / 64; i < uint64(len(b)) {
		b[i] |= 1 << (n % 64)
	}
}

func (b numSet) has(n uint64) bool { return n/64 < uint64(len(b)) && b[n/64]>>(n%64)&1 != 0 }

// pace is how many steps of a lap a runner makes: what has no upper or lower end is seldom the first to come to its own.
func (r *runner) pace(lap int) int {
	if r.node.rank() == rankMost {
		return lap / lapGrowth
	}
	return lap
}

// race is a conjunction being answered.
type race struct {
	f       *finder
	runners []*runner
	winner  *runner
	lap     int
}

func (f *finder) newRace(n node) (*race, error) {
	r := &race{f: f, lap: firstLap}
	parts := []node{n}
	if and, ok := n.(andNode); ok {
		parts = and.parts
	}
	own := len(parts)
	for _, part := range parts {
		if same, ok := part.(sameNode); ok { // holds only where its parts do, each of which lists what it can
			parts = slices.Clone(parts)
			for _, p := range same.parts {
				parts = append(parts, p)
			}
		}
	}
	swift := slices.ContainsFunc(parts, func(n node) bool { return n.rank() < rankJoin })
	for i, part := range parts {
		run := &runner{node: part, needed: i >= own}
		r.runners = append(r.runners, run)
		if _, ok := part.(sameNode); ok {
			continue // asked
		}
		if not, ok := part.(notNode); ok {
			run.negate = true
			if not.of.rank() > rankSpan {
				continue // asked
			}
		}
		if part.rank() == rankJoin && swift {
			run.later = true
			continue
		}
		if err := run.start(f); err != nil {
			r.close()
			return nil, err
		}
	}
	return r, nil
}

// start opens the list of a runner.
func (r *runner) start(f *finder) (err error) {
	of := r.node
	if not, ok := of.(notNode); ok {
		of = not.of
	}
	r.later = false
	r.src, r.exact, err = of.list(f)
	if err == nil && r.src != nil && r.negate && !r.exact {
		r.src.close()
		r.src = nil
	}
	return err
}

func (r *race) close() {
	for _, run := range r.runners {
		if run.src != nil {
			run.src.close()
		}
	}
}

// drivers returns the runners that can win.
func (r *race) drivers() []*runner {
	var out []*runner
	for _, run := range r.runners {
		if run.src != nil && !run.negate {
			out = append(out, run)
		}
	}
	return out
}

// run lets the runners run until one is at its end, or has made as many steps as given (0: no limit). It reports whether one is.
func (r *race) run(steps int) (bool, error) {
	for r.winner == nil && (steps == 0 || r.lap <= steps) {
		if r.lap > lapsBeforeJoins {
			if err := r.startJoins(); err != nil { // they begin with the first lap, and the others wait
				return false, err
			}
		}
		drivers := r.drivers()
		if len(drivers) == 0 {
			return false, nil
		}
		least := rankMost
		for _, run := range drivers {
			least = min(least, run.node.rank())
		}
		for _, run := range drivers {
			if r.lap == firstLap && run.node.rank() == rankMost && least < rankMost {
				continue // to begin a list costs something, and others are likely to end soon
			}
			if err := run.advance(r.f, run.pace(r.lap)); err != nil {
				return false, err
			}
			if run.ended {
				r.winner = run
				break
			}
		}
		r.lap *= lapGrowth
	}
	return r.winner != nil, nil
}

// tell says in the trace what each runner has listed since it was last told.
func (r *race) tell() {
	if r.f.trace == nil {
		return
	}
	for _, run := range r.runners {
		if run.read == 0 {
			continue
		}
		verb := "list the first of"
		switch {
		case run == r.winner:
			verb = "drive by"
		case run.ended:
			verb = "list"
		}
		r.f.trace.Add(driver.Step{Do: r.f.stepName(verb, run.node), Rows: run.read, Hits: len(run.nums), Time: run.took})
		run.read, run.took = 0, 0
	}
}

// startJoins lets the chains start too, as nothing else has come to its end soon.
func (r *race) startJoins() error {
	for _, run := range r.runners {
		if run.later {
			if err := run.start(r.f); err != nil {
				return err
			}
			r.lap = firstLap
		}
	}
	return nil
}

// resolve returns the numbers of all records for which a node holds, in order.
func (f *finder) resolve(n node) ([]uint64, error) {
	r, err := f.newRace(n)
	if err != nil {
		return nil, err
	}
	defer r.close()
	return r.resolve()
}

func (r *race) resolve() ([]uint64, error) {
	f := r.f
	won, err := r.run(0)
	if err != nil {
		return nil, err
	}
	if !won {
		r.tell()
		return f.sift(r.runners)
	}
	w := r.winner
	nums := w.nums
	r.tell()
	slices.SortStableFunc(r.runners, func(a, b *runner) int { return a.cost() - b.cost() })
	var asked all
	for _, run := range r.runners {
		if run == w && (run.exact || run.needed) {
			continue
		}
		merged := false
		if run != w {
			if nums, merged, err = r.merge(run, nums); err != nil {
				return nil, err
			}
		}
		if !merged && !run.needed {
			asked = append(asked, run.node)
		}
	}
	r.tell() // what was listed in vain
	_, ids := w.node.(idsNode)
	if len(asked) == 0 && !f.private && w.exact || len(nums) == 0 {
		return nums, nil
	}
	return f.ask(nums, asked, f.private || ids || !w.exact)
}

// cost orders the parts that are not the driver: first those that are merged for little, as they leave fewer records to the others.
func (r *runner) cost() int {
	_, point := r.point()
	switch {
	case r.ended:
		return 0
	case point:
		return 1
	}
	return 2
}

// point returns the lookup of a runner that lists the postings of one point, in order of number.
func (r *runner) point() (lookupNode, bool) {
	of := r.node
	if not, ok := of.(notNode); ok {
		of = not.of
	}
	l, ok := of.(lookupNode)
	return l, ok && l.exactPoint()
}

// merge keeps of the numbers those that a runner has, or has not. The postings of one point are looked up; other lists are run to
// their end while that is cheaper than asking, and if they do not come to it nothing is merged.
func (r *race) merge(run *runner, nums []uint64) ([]uint64, bool, error) {
	m := r.f.mark()
	out := make([]uint64, 0, len(nums))
	if l, ok := run.point(); ok && !run.ended {
		value := keyValue(l.field, l.Values[0].Low)
		s := r.f.v.stride(value, len(nums) > strideFew)
		defer s.close()
		var key []byte
		for _, n := range nums {
			key = appendNum(append(key[:0], value...), n)
			b, has, err := s.get(key)
			if has {
				has, err = hasPoint(key, b)
			}
			if err == nil {
				err = r.f.check("look up", run.node)
			}
			if err != nil {
				return nil, false, err
			}
			if has != run.negate {
				out = append(out, n)
			}
		}
		r.f.step(m, len(out), "look up", run.node)
		return out, true, nil
	}
	if run.src == nil || !run.exact || len(nums) == 0 {
		return nums, false, nil
	}
	if run.node.rank() == rankMost && !run.negate && !run.ended && len(nums) < fewToMerge {
		return nums, false, nil
	}
	ratio := probeRatio
	if near(nums) {
		ratio = nearRatio
	}
	has, ended, err := run.among(r.f, nums, ratio*len(nums))
	if err != nil || !ended {
		return nums, false, err
	}
	for _, n := range nums {
		if has.has(n) != run.negate {
			out = append(out, n)
		}
	}
	run.read, run.took = 0, 0 // told as this step
	r.f.step(m, len(out), "merge", run.node)
	return out, true, nil
}
