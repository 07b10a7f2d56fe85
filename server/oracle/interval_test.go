package oracle

import (
	"fmt"
	"math/big"
	"strings"
	"time"
)

// number is an exact decimal and the place value of its last written digit.
type number struct {
	value, place *big.Rat
}

func tenTo(n int) *big.Rat {
	p := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(n, -n))), nil)
	if n < 0 {
		return new(big.Rat).SetFrac(big.NewInt(1), p)
	}
	return new(big.Rat).SetInt(p)
}

func parseNumber(s string) (number, bool) {
	v, ok := new(big.Rat).SetString(s)
	if !ok {
		return number{}, false
	}
	mantissa, exponent, scientific := strings.Cut(strings.ToLower(s), "e")
	place := 0
	fmt.Sscanf(exponent, "%d", &place)
	_, fraction, _ := strings.Cut(mantissa, ".")
	place -= len(fraction)
	if scientific && place > 0 && len(strings.TrimLeft(mantissa, "+-")) == 1 {
		place-- // R4 3.1.1.4.7: 1e2 is from 95 to 105
	}
	return number{v, tenTo(place)}, true
}

// around is the interval of what rounds to the number, its upper end not in it.
func (n number) around() (low, high *big.Rat) {
	half := new(big.Rat).Mul(n.place, big.NewRat(1, 2))
	return new(big.Rat).Sub(n.value, half), new(big.Rat).Add(n.value, half)
}

// near is a tenth to either side, or what rounds to the number if that is wider.
func (n number) near() (low, high *big.Rat) {
	tenth := new(big.Rat).Abs(n.value)
	tenth.Mul(tenth, big.NewRat(1, 10))
	if half := new(big.Rat).Mul(n.place, big.NewRat(1, 2)); half.Cmp(tenth) > 0 {
		tenth = half
	}
	return new(big.Rat).Sub(n.value, tenth), new(big.Rat).Add(n.value, tenth)
}

// extent is what a stored value covers: from low to high; nil is without end. Both ends are in it unless said otherwise.
type extent struct {
	low, high     *big.Rat
	noLow, noHigh bool // the end itself is not in it
	isPoint       bool
}

func point(v *big.Rat) extent { return extent{low: v, high: v, isPoint: true} }

func (e extent) above(v *big.Rat) bool { return e.high == nil || e.high.Cmp(v) > 0 } // something of it is greater
func (e extent) below(v *big.Rat) bool { return e.low == nil || e.low.Cmp(v) < 0 }
func (e extent) from(v *big.Rat) bool  { return e.above(v) || e.high.Cmp(v) == 0 && !e.noHigh }
func (e extent) to(v *big.Rat) bool    { return e.below(v) || e.low.Cmp(v) == 0 && !e.noLow }

// within tells whether all of it lies in [a, b).
func (e extent) within(a, b *big.Rat) bool {
	return !e.below(a) && e.high != nil && (e.high.Cmp(b) < 0 || e.high.Cmp(b) == 0 && e.noHigh)
}

// compare applies a prefix to a number (R4 3.1.1.4.7 and 3.1.1.4.6): eq, ne and ap heed its precision, the others do not.
func (e extent) compare(prefix string, n number) bool {
	v := n.value
	switch prefix {
	case "ne":
		return !e.within(n.around())
	case "gt":
		return e.above(v)
	case "ge":
		return e.from(v)
	case "lt":
		return e.below(v)
	case "le":
		return e.to(v)
	case "sa":
		return !e.to(v)
	case "eb":
		return !e.from(v)
	case "ap":
		low, high := n.near()
		return e.from(low) && e.below(high)
	}
	return e.within(n.around())
}

// during applies a prefix to the time [a, b) that a date of some precision stands for (R4 3.1.1.4.9).
func (e extent) during(prefix string, a, b, now *big.Rat) bool {
	after := e.above(b) || e.isPoint && e.high.Cmp(b) == 0 // some of it is after the whole of [a, b)
	switch prefix {
	case "ne":
		return !e.within(a, b)
	case "gt":
		return after
	case "ge":
		return after || e.within(a, b)
	case "lt":
		return e.below(a)
	case "le":
		return e.below(a) || e.within(a, b)
	case "sa":
		return !e.below(b)
	case "eb":
		return e.high != nil && (e.high.Cmp(a) < 0 || e.high.Cmp(a) == 0 && e.noHigh)
	case "ap": // a tenth of the time between then and now
		gap := new(big.Rat).Sub(now, a)
		gap.Quo(gap.Abs(gap), big.NewRat(10, 1))
		gap.SetInt(new(big.Int).Quo(gap.Num(), gap.Denom())) // whole nanoseconds
		a, b = new(big.Rat).Sub(a, gap), new(big.Rat).Add(b, gap)
		return e.from(a) && e.below(b)
	}
	return e.within(a, b)
}

func nanos(t time.Time) *big.Rat {
	s := new(big.Int).Mul(big.NewInt(t.Unix()), big.NewInt(1e9))
	return new(big.Rat).SetInt(s.Add(s, big.NewInt(int64(t.Nanosecond()))))
}

// layouts are the ways to write a date, with the time that each covers beyond its beginning.
var layouts = []struct {
	layout              string
	years, months, days int
	exact               time.Duration
}{
	{"2006", 1, 0, 0, 0},
	{"2006-01", 0, 1, 0, 0},
	{"2006-01-02", 0, 0, 1, 0},
	{"2006-01-02T15:04Z07:00", 0, 0, 0, time.Minute},
	{"2006-01-02T15:04", 0, 0, 0, time.Minute},
	{"2006-01-02T15:04:05Z07:00", 0, 0, 0, time.Second},
	{"2006-01-02T15:04:05", 0, 0, 0, time.Second},
}

// moment is the time [from, to) that a date or dateTime stands for; timed tells whether it names its second.
func moment(s string, zone *time.Location) (from, to time.Time, timed, ok bool) {
	for _, l := range layouts {
		t, err := time.ParseInLocation(l.layout, s, zone) // takes fractions of a second too
		if err != nil {
			continue
		}
		end := t.AddDate(l.years, l.months, l.days).Add(l.exact)
		if _, fraction, found := strings.Cut(s, "."); found {
			digits := len(fraction) - len(strings.TrimLeft(fraction, "0123456789"))
			end = t.Add(time.Duration(1e9 / pow10(digits)))
		}
		return t, end, strings.Contains(l.layout, ":05"), true
	}
	return from, to, false, false
}

func pow10(n int) int64 {
	p := int64(1)
	for range n {
		p *= 10
	}
	return p
}
