package badger

import (
	"fmt"
	"slices"
	"time"

	"github.com/hob-fhir/hob/storage/driver"
)

// How a query is answered with all its records:
//
// The parts of a conjunction race: each lists its records for 64 steps, then 256, and so on until one has listed all of its own.
// That one drives. Each other part goes on listing while that is cheaper than asking its question of every record left
// (probeRatio), and is merged if it comes to its end; else the question is asked, of one exact posting or of the forward rows.
const (
	firstLap        = 64
	lapGrowth       = 4
	probeRatio      = 8    // listing a record costs about 0.2 us, probing a posting 1.6 us
	lapsBeforeJoins = 1024 // steps before chains, whose inner query costs something, join the race
	scanRatio       = 7    // reading forward rows by key costs about 6 us, in a row 0.85 us
)

// runner is a part of a conjunction in the race.
type runner struct {
	node   node
	src    source // nil if the part cannot list its records
	exact  bool
	later  bool // a chain, whose inner query must be answered before it can run: it starts when the others are slow
	negate bool // the records listed are those to be left out
	nums   []uint64
	steps  int
	ended  bool
}

// advance goes on until the runner has made so many steps or is at its end.
func (r *runner) advance(f *finder, steps int) error {
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
			if err := f.check("list " + r.node.String()); err != nil {
				return err
			}
		}
	}
	return f.check("list " + r.node.String())
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
	swift := slices.ContainsFunc(parts, func(n node) bool { return n.rank() < rankJoin })
	for _, part := range parts {
		run := &runner{node: part}
		r.runners = append(r.runners, run)
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
		for _, run := range drivers {
			if err := run.advance(r.f, r.lap); err != nil {
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
	start, read := time.Now(), f.v.read
	won, err := r.run(0)
	if err != nil {
		return nil, err
	}
	if !won {
		return f.sift(r.runners)
	}
	w := r.winner
	nums := w.nums
	f.trace.Add(driver.Step{Do: "drive " + w.node.String(), Rows: f.v.read - read, Hits: len(nums), Time: time.Since(start)})
	var asked []node
	for _, run := range r.runners {
		if run == w && run.exact {
			continue
		}
		merged := false
		if run != w && run.src != nil && run.exact {
			if nums, merged, err = r.merge(run, nums); err != nil {
				return nil, err
			}
		}
		if !merged {
			asked = append(asked, run.node)
		}
	}
	_, ids := w.node.(idsNode)
	if len(asked) == 0 && !f.private && w.exact || len(nums) == 0 {
		return nums, nil
	}
	return f.ask(nums, asked, f.private || ids || !w.exact)
}

// merge lets a runner go on while that is cheaper than asking, and if it comes to its end keeps the numbers it has, or has not.
func (r *race) merge(run *runner, nums []uint64) ([]uint64, bool, error) {
	start, read := time.Now(), r.f.v.read
	if err := run.advance(r.f, firstLap+probeRatio*len(nums)); err != nil || !run.ended {
		return nums, false, err
	}
	out := make([]uint64, 0, len(nums))
	i := 0
	for _, n := range nums {
		for i < len(run.nums) && run.nums[i] < n {
			i++
		}
		if (i < len(run.nums) && run.nums[i] == n) != run.negate {
			out = append(out, n)
		}
	}
	r.f.trace.Add(driver.Step{Do: "merge " + run.node.String(), Rows: r.f.v.read - read, Hits: len(out), Time: time.Since(start)})
	return out, true, nil
}

// sift looks at every record of the type.
func (f *finder) sift(runners []*runner) ([]uint64, error) {
	var nodes []node
	for _, run := range runners {
		nodes = append(nodes, run.node)
	}
	return f.askAll(nodes)
}

func (f *finder) askAll(nodes []node) ([]uint64, error) {
	start, read := time.Now(), f.v.read
	src := f.all(0, false)
	defer src.close()
	var out []uint64
	var c candidate
	for {
		n, st, err := src.next()
		if err != nil {
			return nil, err
		}
		if st == ended {
			break
		}
		if st == nothing {
			continue
		}
		c.reset(n)
		if err := src.load(&c); err != nil {
			return nil, err
		}
		ok, err := f.holds(&c, nodes)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, n)
		}
	}
	f.trace.Add(driver.Step{Do: "look at every record: " + join("and", nodes), Rows: f.v.read - read, Hits: len(out), Time: time.Since(start)})
	return out, nil
}

// holds asks a candidate, whether it exists included.
func (f *finder) holds(c *candidate, nodes []node) (bool, error) {
	if ok, err := f.exists(c); err != nil || !ok {
		return false, err
	}
	for _, n := range nodes {
		if ok, err := n.test(f, c); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// ask keeps the numbers of the records for which all nodes hold. If exist, some may not be current.
func (f *finder) ask(nums []uint64, nodes []node, exist bool) ([]uint64, error) {
	start, read := time.Now(), f.v.read
	postings := !exist && !slices.ContainsFunc(nodes, func(n node) bool {
		l, ok := n.(lookupNode)
		return !ok || !l.exactPoint()
	})
	word := "probe "
	out := make([]uint64, 0, len(nums))
	keep := func(c *candidate) error {
		ok, err := true, f.check("probe "+join("and", nodes))
		if !postings && err == nil {
			ok, err = f.exists(c) // reads the forward rows, which the nodes need anyway
		}
		for i := 0; i < len(nodes) && ok && err == nil; i++ {
			ok, err = nodes[i].test(f, c)
		}
		if ok && err == nil {
			out = append(out, c.num)
		}
		return err
	}
	inOrder, err := f.each(nums, !postings, keep)
	if err != nil {
		return nil, err
	}
	if inOrder {
		word = "read rows in order, ask "
	}
	f.trace.Add(driver.Step{Do: word + join("and", nodes), Rows: f.v.read - read, Hits: len(out), Time: time.Since(start)})
	return out, nil
}

// each calls fn with the candidates of these numbers, which must be sorted. If their rows are needed and they are a good part of
// the type, it reads the rows of the whole type in order, which is cheaper, leaves out what is not current, and is reported.
func (f *finder) each(nums []uint64, rows bool, fn func(*candidate) error) (inOrder bool, err error) {
	var c candidate
	if rows && len(nums) > firstLap {
		n, err := f.v.counter(f.typ)
		if err != nil {
			return false, err
		}
		inOrder = uint64(len(nums))*scanRatio > n.count
	}
	if !inOrder {
		for _, n := range nums {
			c.reset(n)
			if err := fn(&c); err != nil {
				return false, err
			}
		}
		return false, nil
	}
	src := f.all(nums[0], false)
	defer src.close()
	for i := 0; i < len(nums); {
		n, st, err := src.next()
		if err != nil || st == ended {
			return true, err
		}
		for i < len(nums) && nums[i] < n {
			i++
		}
		if st == nothing || i == len(nums) || nums[i] != n {
			continue
		}
		c.reset(n)
		if err := src.load(&c); err != nil {
			return true, err
		}
		if err := fn(&c); err != nil {
			return true, err
		}
	}
	return true, nil
}

// check ends a search whose budget is used up or whose context is done.
func (f *finder) check(step string) error {
	if f.budget > 0 && f.v.read > f.budget {
		return fmt.Errorf("search of %s read more than %d rows, at the step: %s; ask for less at once: %w", f.name, f.budget, step, driver.ErrTooCostly)
	}
	return f.ctx.Err()
}
