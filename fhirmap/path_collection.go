package fhirmap

// keep leaves n of the items from base up, from the given one on.
func (ev *evaluation) keep(base, from, n int) error {
	items := ev.stack[base:]
	from = min(max(from, 0), len(items))
	n = min(max(n, 0), len(items)-from)
	ev.stack = append(ev.stack[:base], items[from:from+n]...)
	return nil
}

func fnSingle(ev *evaluation, _ *callNode, base int) error {
	e, err := ev.single(base)
	if e != nil {
		ev.push(e)
	}
	return err
}

func fnSkip(ev *evaluation, c *callNode, base int) error {
	n, ok, err := ev.integer(c.args[0])
	if err != nil || !ok {
		return err
	}
	return ev.keep(base, n, len(ev.stack))
}

func fnTake(ev *evaluation, c *callNode, base int) error {
	n, ok, err := ev.integer(c.args[0])
	if err != nil {
		return err
	}
	if !ok {
		n = 0
	}
	return ev.keep(base, 0, n)
}

func fnUnion(ev *evaluation, c *callNode, base int) error {
	if err := c.args[0].eval(ev); err != nil {
		return err
	}
	return ev.distinct(base, false)
}

// fnIntersect leaves the items that are in both collections, once.
func fnIntersect(ev *evaluation, c *callNode, base int) error {
	if err := ev.among(c.args[0], base, true); err != nil {
		return err
	}
	return ev.distinct(base, false)
}

// fnExclude leaves the items that are not in the other collection, as often as they come.
func fnExclude(ev *evaluation, c *callNode, base int) error { return ev.among(c.args[0], base, false) }

// among keeps the items from base up that are, or are not, in the collection of an expression.
func (ev *evaluation) among(n pathNode, base int, in bool) error {
	middle := len(ev.stack)
	if err := n.eval(ev); err != nil {
		return err
	}
	s, err := ev.setOf(ev.stack[middle:])
	if err != nil {
		return err
	}
	kept := base
	for _, e := range ev.stack[base:middle] {
		has, err := s.has(e)
		if err != nil {
			return err
		}
		if has == in {
			ev.stack[kept] = e
			kept++
		}
	}
	ev.stack = ev.stack[:kept]
	return nil
}

func fnChildren(ev *evaluation, _ *callNode, base int) error {
	end := len(ev.stack)
	for i := base; i < end; i++ {
		ev.stack = append(ev.stack, ev.stack[i].Children...)
		if err := ev.spend(len(ev.stack[i].Children)); err != nil {
			return err
		}
	}
	ev.close(base, end)
	return nil
}

// fnDescendants are the children, their children and so on, in document order.
func fnDescendants(ev *evaluation, _ *callNode, base int) error {
	end := len(ev.stack)
	for i := base; i < end; i++ {
		if err := ev.below(ev.stack[i]); err != nil {
			return err
		}
	}
	ev.close(base, end)
	return nil
}

func (ev *evaluation) below(e *Element) error {
	if err := ev.spend(len(e.Children)); err != nil {
		return err
	}
	for _, c := range e.Children {
		ev.push(c)
		if err := ev.below(c); err != nil {
			return err
		}
	}
	return nil
}
