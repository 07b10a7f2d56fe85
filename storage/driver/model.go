package driver

import "bytes"

// Holds says what a lookup means: whether one row satisfies it. The row's field must be the lookup's.
//
// Values are read as places on a line without gaps: between two different byte strings there is always another value. So an
// interval is never a point, not even [v, v 00), and it reaches above v exactly if its High does. With open ends as empty bytes:
//
//	operator   point row p       interval row [low, high)
//	EQUAL v    p = v             never
//	EQUAL q    q holds p         q.Low <= low and high <= q.High, an open end only within an open end
//	IN         EQUAL to one      EQUAL to one
//	LT  v      p < v             low < v, or low open
//	LTE v      p <= v            low <= v, or low open
//	GT  v      p > v             high > v, or high open
//	GTE v      p >= v            high > v, or high open
//	LIKE s     s occurs in p     s occurs in low
func Holds(r Row, l Lookup) bool {
	if r.Field != l.Field {
		return false
	}
	for _, q := range l.Values { // only IN has more than one
		if holds(r.Value, l.Op, q) {
			return true
		}
	}
	return false
}

func holds(r Value, op Op, q Value) bool {
	switch op {
	case EQUAL, IN:
		return within(r, q)
	case LT:
		return bytes.Compare(r.Low, q.Low) < 0 // an open Low is empty, and empty is below every point
	case LTE:
		return bytes.Compare(r.Low, q.Low) <= 0
	case GT:
		if r.Interval {
			return reaches(r, q.Low)
		}
		return bytes.Compare(r.Low, q.Low) > 0
	case GTE:
		if r.Interval {
			return reaches(r, q.Low)
		}
		return bytes.Compare(r.Low, q.Low) >= 0
	case LIKE:
		return bytes.Contains(r.Low, q.Low)
	}
	return false
}

// within reports whether all of r lies in q.
func within(r, q Value) bool {
	switch {
	case !q.Interval:
		return !r.Interval && bytes.Equal(r.Low, q.Low)
	case !r.Interval:
		return bytes.Compare(q.Low, r.Low) <= 0 && (len(q.High) == 0 || bytes.Compare(r.Low, q.High) < 0)
	}
	return bytes.Compare(q.Low, r.Low) <= 0 && // an open r.Low is within an open q.Low only
		(len(q.High) == 0 || len(r.High) > 0 && bytes.Compare(r.High, q.High) <= 0)
}

// reaches reports whether something of the interval r lies above v; as nothing is below its Low, that is a question to its High.
func reaches(r Value, v []byte) bool {
	return len(r.High) == 0 || bytes.Compare(r.High, v) > 0
}

// Graph answers what Match cannot see from one record: the records it refers to, and those that refer to it.
type Graph interface {
	// Matches reports whether id is a current, undeleted record of typ for which q holds.
	Matches(typ, id string, q Query) bool
	// Referring reports whether some current, undeleted record of typ for which q holds has a point row of field equal to ref.
	Referring(typ, field string, ref []byte, q Query) bool
}

// Match says what a query means: whether it holds for the current, undeleted record k with these rows. A nil query holds.
// The query must be well-formed, see Validate.
func Match(k Key, rows []Row, q Query, g Graph) bool {
	switch q := q.(type) {
	case nil, All:
		return true
	case IDs:
		for _, id := range q {
			if id == k.ID {
				return true
			}
		}
		return false
	case And:
		for _, part := range q {
			if !Match(k, rows, part, g) {
				return false
			}
		}
		return true
	case Or:
		for _, part := range q {
			if Match(k, rows, part, g) {
				return true
			}
		}
		return false
	case Not:
		return !Match(k, rows, q.Of, g)
	case Lookup:
		for _, r := range rows {
			if Holds(r, q) {
				return true
			}
		}
		return false
	case Same:
		return same(rows, q)
	case Refers:
		for _, r := range rows {
			if r.Field != q.Field || r.Value.Interval {
				continue
			}
			if to, ok := ParseRef(r.Value.Low); ok && to.Type == q.Type && g.Matches(to.Type, to.ID, q.Where) {
				return true
			}
		}
		return false
	case Referred:
		return g.Referring(q.Type, q.Field, k.Ref(), q.Where)
	}
	return false
}

// same reports whether in some group every field that is asked for has one row on which all lookups of that field hold.
func same(rows []Row, lookups Same) bool {
	if len(lookups) == 0 {
		return true
	}
	for _, first := range rows {
		if inGroup(rows, lookups, first.Group) {
			return true
		}
	}
	return false
}

func inGroup(rows []Row, lookups Same, group uint32) bool {
	for _, asked := range lookups {
		if !oneRow(rows, lookups, asked.Field, group) {
			return false
		}
	}
	return true
}

func oneRow(rows []Row, lookups Same, field string, group uint32) bool {
	for _, r := range rows {
		if r.Field == field && r.Group == group && allHold(r, lookups) {
			return true
		}
	}
	return false
}

// allHold reports whether all lookups of the row's own field hold on it.
func allHold(r Row, lookups Same) bool {
	for _, l := range lookups {
		if l.Field == r.Field && !Holds(r, l) {
			return false
		}
	}
	return true
}

// SortKey says by which bytes an order places a record: the smallest Low of the field's rows, the largest if Desc, the id if the
// order names no field. It reports false if the record has no row of the field; such a record comes last in both directions. The
// Low of a row that is open below is empty, and so smaller than any other.
func SortKey(k Key, rows []Row, o Order) (low []byte, ok bool) {
	if o.Field == "" {
		return []byte(k.ID), true
	}
	for _, r := range rows {
		if r.Field != o.Field {
			continue
		}
		c := bytes.Compare(r.Value.Low, low)
		if !ok || o.Desc && c > 0 || !o.Desc && c < 0 {
			low, ok = r.Value.Low, true
		}
	}
	return low, ok
}

// CompareSortKeys orders two results of SortKey: negative if a comes before b, 0 if the order leaves them to the next one.
func CompareSortKeys(o Order, a []byte, aok bool, b []byte, bok bool) int {
	switch {
	case aok && !bok:
		return -1
	case !aok && bok:
		return 1
	case o.Desc:
		return bytes.Compare(b, a)
	}
	return bytes.Compare(a, b)
}
