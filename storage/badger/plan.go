package badger

import (
	"bytes"
	"slices"

	"github.com/hob-fhir/hob/storage/driver"
)

// node is a compiled query: a condition on the records of one type. Its test is the meaning of the query, its list a way to find
// the records without looking at all of them.
type node interface {
	// test reports whether the node holds for a record.
	test(*finder, *candidate) (bool, error)

	// list returns a source of the records for which the node holds, nil if it knows none. If exact is false the source may
	// yield other records as well, but misses none.
	list(*finder) (src source, exact bool, err error)

	// rank says how many records list is likely to yield, from what the node looks like: lower is fewer.
	rank() int

	String() string
}

// candidate is a record that is asked whether it matches. What is read of it is kept until the next.
type candidate struct {
	num    uint64
	rows   []row
	loaded bool
	gone   bool    // it has no rows because it is not current
	by     *stride // over the forward rows of many candidates; or nil
}

func (c *candidate) reset(n uint64) { *c = candidate{num: n, rows: c.rows[:0], by: c.by} }

// load reads the forward rows.
func (c *candidate) load(f *finder) error {
	if c.loaded {
		return nil
	}
	key := keyRows(f.typ, c.num)
	var first []byte
	var ok bool
	var err error
	if c.by != nil {
		first, ok, err = c.by.get(key)
	} else {
		first, ok, err = f.v.get(key)
	}
	if err != nil {
		return err
	}
	if !ok {
		c.loaded, c.gone = true, true
		return nil
	}
	return c.decode(f.v, key, first)
}

// decode reads the forward rows off the value of their key.
func (c *candidate) decode(v *view, key, first []byte) error {
	data, _, err := v.blob(key, first)
	if err != nil {
		return err
	}
	c.loaded = true
	if c.rows, err = decodeRows(c.rows[:0], data); err != nil {
		return damaged(key, err)
	}
	return nil
}

const (
	rankOne = iota
	rankPoint
	rankSpan
	rankJoin
	rankMost
)

type (
	allNode    struct{}
	neverNode  struct{}
	idsNode    struct{ ids driver.IDs }
	andNode    struct{ parts []node }
	orNode     struct{ parts []node }
	notNode    struct{ of node }
	lookupNode struct {
		driver.Lookup
		field fieldNo
		many  []driver.Value // the values of a long IN in order, if no two overlap
	}
	sameNode struct {
		lookups driver.Same
		parts   []lookupNode
	}
	refersNode struct {
		field fieldNo
		name  string
		to    *finder // searches the type referred to
		where node
		known map[string]bool // answers given, by Ref
	}
	referredNode struct {
		from  *finder // searches the type that refers
		field fieldNo
		name  string
		where node
	}
)

// fewValues are compared one by one.
const fewValues = 8

// disjoint returns the values of a lookup in order if there are many and no two overlap, so that one of them alone can hold for a row.
func disjoint(l driver.Lookup) []driver.Value {
	if len(l.Values) <= fewValues {
		return nil
	}
	out := slices.Clone(l.Values)
	slices.SortFunc(out, func(a, b driver.Value) int { return bytes.Compare(a.Low, b.Low) })
	out = slices.CompactFunc(out, driver.Value.Equal)
	for i, v := range out[1:] {
		before := out[i]
		end := bytes.Compare(before.Low, v.Low) < 0
		if before.Interval {
			end = len(before.High) > 0 && bytes.Compare(before.High, v.Low) <= 0
		}
		if !end {
			return nil
		}
	}
	return out
}

// compile makes a node of a well-formed query. Fields and types that nothing was ever written of become never.
func (f *finder) compile(q driver.Query) (node, error) {
	switch q := q.(type) {
	case nil, driver.All:
		return allNode{}, nil
	case driver.IDs:
		if len(q) == 0 {
			return neverNode{}, nil
		}
		return idsNode{q}, nil
	case driver.And:
		return f.compileAnd(q)
	case driver.Or:
		return f.compileOr(q)
	case driver.Not:
		of, err := f.compile(q.Of)
		if err != nil {
			return nil, err
		}
		switch of.(type) {
		case allNode:
			return neverNode{}, nil
		case neverNode:
			return allNode{}, nil
		}
		return notNode{of}, nil
	case driver.Lookup:
		no, ok, err := f.v.fieldNo(f.typ, q.Field)
		if err != nil {
			return nil, err
		}
		if !ok || len(q.Values) == 0 {
			return neverNode{}, nil
		}
		n := lookupNode{Lookup: q, field: no, many: disjoint(q)}
		return n, nil
	case driver.Same:
		return f.compileSame(q)
	case driver.Refers:
		no, ok, err := f.v.fieldNo(f.typ, q.Field)
		if err != nil || !ok {
			return neverNode{}, err
		}
		to, where, err := f.join(q.Type, q.Where)
		if _, never := where.(neverNode); err != nil || never {
			return neverNode{}, err
		}
		return &refersNode{field: no, name: q.Field, to: to, where: where, known: map[string]bool{}}, nil
	case driver.Referred:
		from, where, err := f.join(q.Type, q.Where)
		if _, never := where.(neverNode); err != nil || never {
			return neverNode{}, err
		}
		no, ok, err := f.v.fieldNo(from.typ, q.Field)
		if err != nil || !ok {
			return neverNode{}, err
		}
		return &referredNode{from: from, field: no, name: q.Field, where: where}, nil
	}
	return nil, driver.Validate(q) // an unknown node
}

func (f *finder) compileAnd(parts []driver.Query) (node, error) {
	var out []node
	for _, q := range parts {
		n, err := f.compile(q)
		if err != nil {
			return nil, err
		}
		switch n := n.(type) {
		case allNode:
		case neverNode:
			return n, nil
		case andNode:
			out = append(out, n.parts...)
		default:
			out = append(out, n)
		}
	}
	switch out = f.oneRow(out); len(out) {
	case 0:
		return allNode{}, nil
	case 1:
		return out[0], nil
	}
	return andNode{out}, nil
}

func (f *finder) compileOr(parts []driver.Query) (node, error) {
	var out []node
	for _, q := range parts {
		n, err := f.compile(q)
		if err != nil {
			return nil, err
		}
		switch n := n.(type) {
		case neverNode:
		case allNode:
			return n, nil
		case orNode:
			out = append(out, n.parts...)
		default:
			out = append(out, n)
		}
	}
	switch len(out) {
	case 0:
		return neverNode{}, nil
	case 1:
		return out[0], nil
	}
	return orNode{out}, nil
}

func (f *finder) compileSame(q driver.Same) (node, error) {
	if len(q) == 0 {
		return allNode{}, nil
	}
	s := sameNode{lookups: q}
	for _, l := range q {
		n, err := f.compile(l)
		if err != nil {
			return nil, err
		}
		part, ok := n.(lookupNode)
		if !ok {
			return neverNode{}, nil
		}
		s.parts = append(s.parts, part)
	}
	if len(q) == 1 {
		return s.parts[0], nil
	}
	slices.SortStableFunc(s.parts, func(a, b lookupNode) int { return a.rank() - b.rank() })
	return s, nil
}

// join compiles a query on another type, to be asked of the same view.
func (f *finder) join(typ string, where driver.Query) (*finder, node, error) {
	t, ok, err := f.v.typeNo(typ)
	if err != nil || !ok {
		return nil, neverNode{}, err
	}
	to := *f
	to.typ, to.name, to.private, to.joined = t, typ, driver.Key{Type: typ}.Private(), true
	n, err := to.compile(where)
	return &to, n, err
}

func (allNode) String() string      { return "all" }
func (neverNode) String() string    { return "never" }
func (idsNode) String() string      { return "ids" }
func (n andNode) String() string    { return join("and", n.parts) }
func (n orNode) String() string     { return join("or", n.parts) }
func (n notNode) String() string    { return "not " + n.of.String() }
func (n lookupNode) String() string { return n.Field + " " + string(n.Op) }
func (n *refersNode) String() string {
	return n.name + " refers to " + n.to.name + " where " + n.where.String()
}
func (n *referredNode) String() string {
	return "referred to by " + n.from.name + " " + n.name + " where " + n.where.String()
}

func (n sameNode) String() string {
	parts := make([]node, len(n.parts))
	for i, p := range n.parts {
		parts[i] = p
	}
	return join("same", parts)
}

func join(word string, parts []node) string {
	var b bytes.Buffer
	b.WriteString(word + "(")
	for i, p := range parts {
		if i > 0 {
			b.WriteString(", ")
		}
		if i == 8 {
			b.WriteString("...")
			break
		}
		b.WriteString(p.String())
	}
	b.WriteString(")")
	return b.String()
}
