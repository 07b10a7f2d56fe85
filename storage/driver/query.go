package driver

// Query is a condition on a record of a known type. The nodes are closed: All, IDs, And, Or, Not, Lookup, Same, Refers, Referred.
type Query interface{ query() }

// All holds for every record.
type All struct{}

// IDs holds for the records with one of these ids. Empty: for none.
type IDs []string

// And holds when every part does. Empty: always.
type And []Query

// Or holds when some part does. Empty: never.
type Or []Query

// Not holds when its part does not.
type Not struct{ Of Query }

// Op is one of the seven operators of a lookup. There are no others.
type Op string

// The operators. For a row that covers Low <= x < High (a point has no High, an open end is empty) and a value q:
const (
	EQUAL Op = "EQUAL" // the row lies within q
	LIKE  Op = "LIKE"  // q's Low occurs in the row's Low
	IN    Op = "IN"    // EQUAL to one of the values
	LT    Op = "LT"    // Low < q
	LTE   Op = "LTE"   // Low <= q
	GT    Op = "GT"    // some x of the row is > q
	GTE   Op = "GTE"   // some x of the row is >= q
)

// Lookup holds when some row of the field stands in the operator's relation to the value. EQUAL and IN take points or intervals;
// LT, LTE, GT and GTE take a point; LIKE takes the bytes to be found as a point. All but IN take exactly one value; IN takes any
// number, and none holds for nothing. EQUAL of the interval with both ends open asks whether the field has any row.
type Lookup struct {
	Field  string
	Op     Op
	Values []Value
}

// Same holds when there is one Group in which every lookup holds; lookups of one field must hold on one and the same row.
// Group 0 is a group like any other: it joins rows of group 0 only. Empty: always.
type Same []Lookup

// Refers holds when some row of Field is the Ref of a current record of Type for which Where holds: a chain.
type Refers struct {
	Field string
	Type  string
	Where Query // nil: All
}

// Referred holds when some current record of Type for which Where holds has a row of Field that is this record's Ref: _has.
type Referred struct {
	Type  string
	Field string
	Where Query // nil: All
}

func (All) query()      {}
func (IDs) query()      {}
func (And) query()      {}
func (Or) query()       {}
func (Not) query()      {}
func (Lookup) query()   {}
func (Same) query()     {}
func (Refers) query()   {}
func (Referred) query() {}

// Has asks whether the field has any row.
func Has(field string) Lookup {
	return Lookup{Field: field, Op: EQUAL, Values: []Value{{Interval: true}}}
}
