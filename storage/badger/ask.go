package badger

import (
	"fmt"
	"time"

	"github.com/hob-fhir/hob/storage/driver"
)

// sift looks at every record of the type.
func (f *finder) sift(runners []*runner) ([]uint64, error) {
	var nodes []node
	for _, run := range runners {
		if run.needed {
			continue
		}
		nodes = append(nodes, run.node)
	}
	return f.askAll(nodes)
}

func (f *finder) askAll(nodes []node) ([]uint64, error) {
	m := f.mark()
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
	f.step(m, len(out), "read every record, ask", all(nodes))
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
func (f *finder) ask(nums []uint64, nodes all, exist bool) ([]uint64, error) {
	m := f.mark()
	out := make([]uint64, 0, len(nums))
	var what fmt.Stringer = nodes
	err := f.each(nums, func(c *candidate) error {
		ok, err := true, f.check("ask", what)
		if exist && err == nil {
			ok, err = f.exists(c)
		}
		for i := 0; i < len(nodes) && ok && err == nil; i++ {
			ok, err = nodes[i].test(f, c)
		}
		if ok && err == nil {
			out = append(out, c.num)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	f.step(m, len(out), "ask", what)
	return out, nil
}

// each calls fn with the candidates of these numbers, which must be sorted.
func (f *finder) each(nums []uint64, fn func(*candidate) error) error {
	c := candidate{by: f.v.stride(typeKey(famRows, f.typ, 0), near(nums))}
	defer c.by.close()
	for _, n := range nums {
		c.reset(n)
		if err := fn(&c); err != nil {
			return err
		}
	}
	return nil
}

// check ends a search whose budget is used up or whose context is done.
func (f *finder) check(verb string, of fmt.Stringer) error {
	if f.budget > 0 && f.v.read > f.budget {
		return fmt.Errorf("the search of %s read more rows than the %d it may, at the step: %s; add a parameter that fewer records match: %w",
			f.f.Type, f.budget, f.stepName(verb, of), driver.ErrTooCostly)
	}
	return f.ctx.Err()
}

// mark is where a step begins.
type mark struct {
	at   time.Time // zero if there is no trace
	read int
}

func (f *finder) mark() mark {
	m := mark{read: f.v.read}
	if f.trace != nil {
		m.at = time.Now()
	}
	return m
}

func (m mark) since() time.Duration {
	if m.at.IsZero() {
		return 0
	}
	return time.Since(m.at)
}

// step tells the trace, if there is one, what was done since a mark. Steps do not overlap, so that their rows and times add up.
func (f *finder) step(m mark, hits int, verb string, of fmt.Stringer) {
	if f.trace != nil {
		f.trace.Add(driver.Step{Do: f.stepName(verb, of), Rows: f.v.read - m.read, Hits: hits, Time: m.since()})
	}
}

// stepName names a step; one of an inner query begins with the type that it looks at.
func (f *finder) stepName(verb string, of fmt.Stringer) string {
	if of != nil {
		verb += " " + of.String()
	}
	if f.joined {
		verb = f.name + ": " + verb
	}
	return verb
}

// all is several nodes that must all hold.
type all []node

func (a all) String() string { return join("and", a) }
