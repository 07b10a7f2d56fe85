package search

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:generate go run ./gen ucumvert-0.3.2-py3-none-any.whl

// isUCUM reports whether a system is the Unified Code for Units of Measure (R4 section 2.24.0.10).
func isUCUM(system string) bool {
	return system == "http://unitsofmeasure.org" || system == "urn:oid:2.16.840.1.113883.6.8"
}

// ucumAtom is a unit of UCUM that is no base unit: so many of another unit, which is an expression.
type ucumAtom struct {
	value, unit string
	metric      bool // takes prefixes
	special     bool // is a function of its unit, not a multiple
	arbitrary   bool // commensurable with nothing but itself
}

// unit is a unit of measure in terms of base units: number x of it is (x + offset) × factor of its canonical unit. Two numbers can be
// compared if their canonical units are equal.
type unit struct {
	factor *big.Rat
	offset *big.Rat       // nil: none
	powers map[string]int // of base units, of arbitrary units, and of special ones that only compare with themselves; none is 0
}

// The bounds of what is taken for a unit.
const (
	maxUnit      = 200  // bytes
	maxNesting   = 8    // parentheses
	maxPower     = 100  // of a base unit, and of any written exponent
	maxUnitBits  = 4096 // of the numerator and the denominator of a factor
	maxUnitNames = 16   // units in an expression
)

// ucumOffsets are the special units that are a straight line over kelvin, so that they convert exactly: what is added before the
// multiplication (UCUM section 22: degree Celsius, Fahrenheit, Réaumur). All others (pH, bel, neper, ...) compare with themselves only.
var ucumOffsets = map[string]string{"Cel": "273.15", "[degF]": "459.67", "[degRe]": "218.52"}

// parseUnit reads a UCUM expression in the case-sensitive form: units with prefixes and exponents, numbers, products, quotients,
// parentheses and annotations, which count for nothing: mm[Hg], 10*3/uL, mg/(kg.d), {score}.
func parseUnit(s string) (unit, error) {
	if s == "" || len(s) > maxUnit {
		return unit{}, fmt.Errorf("%d bytes are no unit of 1 to %d", len(s), maxUnit)
	}
	p := unitParser{text: s}
	if u, ok := p.special(); ok {
		return u, nil
	}
	u, err := p.main()
	if err == nil && p.at < len(p.text) {
		err = p.bad()
	}
	return u, err
}

// unitCache keeps units that were read: most resources use a few.
type unitCache struct {
	sync.RWMutex
	known map[string]*unit
}

const maxCachedUnits = 2000

// unit reads a unit; nil if it is none of UCUM. What it returns is shared.
func (c *unitCache) unit(code string) *unit {
	c.RLock()
	u, ok := c.known[code]
	c.RUnlock()
	if ok {
		return u
	}
	if read, err := parseUnit(code); err == nil {
		u = &read
	}
	if len(code) <= maxUnit {
		c.Lock()
		if len(c.known) < maxCachedUnits {
			c.known[code] = u
		}
		c.Unlock()
	}
	return u
}

type unitParser struct {
	text  string
	at    int
	names int
	depth int
}

func (p *unitParser) bad() error {
	return fmt.Errorf("%q is no unit of UCUM, from its byte %d on", p.text, p.at+1)
}

func (p *unitParser) next() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

// special reads a special unit, which stands alone: it may have a prefix and an annotation, and nothing else.
func (p *unitParser) special() (unit, bool) {
	name, _, _ := strings.Cut(p.text, "{")
	if rest := p.text[len(name):]; rest != "" && (strings.IndexByte(rest, '}') != len(rest)-1 || strings.Count(rest, "{") > 1) {
		return unit{}, false
	}
	scale, code, atom := ucumName(name)
	if !atom.special {
		return unit{}, false
	}
	offset, line := ucumOffsets[code]
	if !line {
		return unit{factor: scale, powers: map[string]int{code: 1}}, true
	}
	of, err := ofAtom(atom)
	if err != nil {
		return unit{}, false
	}
	// (x × scale + offset) × factor is (x + offset/scale) × scale × factor.
	o := rational(offset)
	return unit{factor: of.factor.Mul(of.factor, scale), offset: o.Quo(o, scale), powers: of.powers}, true
}

// main reads a whole expression, or one in parentheses: it may begin with a stroke.
func (p *unitParser) main() (unit, error) {
	if p.depth++; p.depth > maxNesting {
		return unit{}, fmt.Errorf("%q nests more than %d deep", p.text, maxNesting)
	}
	defer func() { p.depth-- }()
	u := unit{factor: big.NewRat(1, 1), powers: map[string]int{}}
	sign := 1
	if p.next() == '/' {
		p.at++
		sign = -1
	}
	for {
		c, err := p.component()
		if err != nil {
			return unit{}, err
		}
		if err := u.times(c, sign); err != nil {
			return unit{}, err
		}
		switch p.next() {
		case '.':
			sign = 1
		case '/':
			sign = -1
		default:
			return u, nil
		}
		p.at++
	}
}

// component reads a number, a unit with its exponent, or an expression in parentheses, each with an annotation or without; or an
// annotation alone.
func (p *unitParser) component() (unit, error) {
	one := unit{factor: big.NewRat(1, 1), powers: map[string]int{}}
	var u unit
	var err error
	switch c := p.next(); {
	case c == '{':
		return one, p.annotation()
	case c == '(':
		p.at++
		if u, err = p.main(); err == nil && p.next() != ')' {
			err = p.bad()
		}
		p.at++
	default:
		u, err = p.simple()
	}
	if err == nil && p.next() == '{' {
		err = p.annotation()
	}
	return u, err
}

func (p *unitParser) annotation() error {
	end := strings.IndexByte(p.text[p.at:], '}')
	if end < 0 || strings.IndexByte(p.text[p.at+1:p.at+end], '{') >= 0 {
		return p.bad()
	}
	p.at += end + 1
	return nil
}

// simple reads a number or a unit with its exponent.
func (p *unitParser) simple() (unit, error) {
	if p.names++; p.names > maxUnitNames {
		return unit{}, fmt.Errorf("%q has more than %d units", p.text, maxUnitNames)
	}
	start, bracket := p.at, false
scan:
	for ; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == '[':
			bracket = true
		case c == ']':
			bracket = false
		case bracket:
		case c == '.' || c == '/' || c == '(' || c == ')' || c == '{' || c == '}':
			break scan
		}
	}
	word := p.text[start:p.at]
	name := strings.TrimRight(word, "0123456789")
	if name == "" {
		if word == "" || len(word) > 9 || strings.Trim(word, "0") == "" {
			p.at = start
			return unit{}, p.bad()
		}
		return unit{factor: rational(word), powers: map[string]int{}}, nil
	}
	power := 1
	if digits := word[len(name):]; digits != "" {
		n, err := strconv.Atoi(digits)
		if err != nil || n > maxPower {
			p.at = start
			return unit{}, p.bad()
		}
		power = n
		if trimmed := strings.TrimRight(name, "+-"); len(trimmed) == len(name)-1 {
			if name[len(trimmed)] == '-' {
				power = -power
			}
			name = trimmed
		}
	}
	scale, code, atom := ucumName(name)
	if scale == nil || atom.special {
		p.at = start
		return unit{}, p.bad()
	}
	u := unit{factor: scale, powers: map[string]int{code: 1}}
	if atom.unit != "" && (!atom.arbitrary || atom.unit != "1") {
		of, err := ofAtom(atom)
		if err != nil {
			return unit{}, err
		}
		u = unit{factor: scale.Mul(scale, of.factor), powers: of.powers}
	}
	out := unit{factor: big.NewRat(1, 1), powers: map[string]int{}}
	return out, out.times(u, power)
}

// ucumName finds the unit that a name means, whole or with a prefix before it: its scale, and its code and atom, which is zero for a
// base unit. The scale is nil if there is none.
func ucumName(name string) (scale *big.Rat, code string, atom ucumAtom) {
	if slices.Contains(ucumBases, name) {
		return big.NewRat(1, 1), name, atom
	}
	if atom, ok := ucumAtoms[name]; ok {
		return big.NewRat(1, 1), name, atom
	}
	for _, n := range []int{1, 2} { // no name has two readings: a test holds that
		if len(name) <= n {
			break
		}
		value, ok := ucumPrefixes[name[:n]]
		if !ok {
			continue
		}
		if slices.Contains(ucumBases, name[n:]) {
			return rational(value), name[n:], ucumAtom{}
		}
		if atom, ok := ucumAtoms[name[n:]]; ok && atom.metric {
			return rational(value), name[n:], atom
		}
	}
	return nil, "", ucumAtom{}
}

// ofAtom works out what an atom is so many of. The table has no circles: a test resolves all of it.
func ofAtom(atom ucumAtom) (unit, error) {
	u, err := parseUnit(atom.unit)
	if err != nil {
		return unit{}, err
	}
	u.factor.Mul(u.factor, rational(atom.value))
	return u, nil
}

// rational reads a number of the table, or of a unit.
func rational(s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return new(big.Rat)
	}
	return r
}

// times multiplies u with another unit, so many times over.
func (u *unit) times(o unit, power int) error {
	n := max(power, -power)
	if (o.factor.Num().BitLen()+o.factor.Denom().BitLen())*n > maxUnitBits {
		return fmt.Errorf("a unit is more than anything measures")
	}
	num := new(big.Int).Exp(o.factor.Num(), big.NewInt(int64(n)), nil)
	den := new(big.Int).Exp(o.factor.Denom(), big.NewInt(int64(n)), nil)
	if power < 0 {
		num, den = den, num
	}
	if den.Sign() == 0 {
		return fmt.Errorf("a unit divides by zero")
	}
	u.factor.Mul(u.factor, new(big.Rat).SetFrac(num, den))
	if u.factor.Num().BitLen()+u.factor.Denom().BitLen() > maxUnitBits {
		return fmt.Errorf("a unit is more than anything measures")
	}
	for code, p := range o.powers {
		if u.powers[code] += p * power; u.powers[code] == 0 {
			delete(u.powers, code)
		} else if max(u.powers[code], -u.powers[code]) > maxPower {
			return fmt.Errorf("a unit has a power beyond %d", maxPower)
		}
	}
	return nil
}

// canonical writes the canonical unit: base units with their powers, sorted, as in g.m-1.s-2; 1 if there are none.
func (u unit) canonical() string {
	if len(u.powers) == 0 {
		return "1"
	}
	var b strings.Builder
	for i, code := range slices.Sorted(maps.Keys(u.powers)) {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(code)
		if p := u.powers[code]; p != 1 {
			b.WriteString(strconv.Itoa(p))
		}
	}
	return b.String()
}

// maxShift is how far from 1 a number may lie, in powers of ten, to be reckoned in another unit.
const maxShift = 400

// canonicalDigits is how many digits of a number in its canonical unit count. One that has more, as all of a third have, is cut towards
// zero, which keeps the order of any two.
const canonicalDigits = 36

// convert encodes a number of the unit as a number of its canonical one; false if it lies beyond what is reckoned.
func (u unit) convert(d decimal) ([]byte, bool) {
	if d.exp > maxShift || d.exp < -maxShift || d.digits.BitLen() > 4*maxShift {
		return nil, false
	}
	num, den, exp := new(big.Int).Set(d.digits), u.factor.Denom(), d.exp
	if u.offset != nil { // the sum of two fractions: digits × 10^exp and the offset
		if exp > 0 {
			num.Mul(num, ten(exp))
			exp = 0
		}
		num.Mul(num, u.offset.Denom())
		num.Add(num, new(big.Int).Mul(u.offset.Num(), ten(-exp)))
		den = new(big.Int).Mul(den, u.offset.Denom())
	}
	num.Mul(num, u.factor.Num())
	negative := num.Sign() < 0
	num.Abs(num)
	if den.BitLen() > 1 { // not 1
		if shift := canonicalDigits + 2 - (num.BitLen()-den.BitLen())*30103/100000; shift > 0 {
			num.Mul(num, ten(shift))
			exp -= shift
		}
		num.Quo(num, den)
	}
	digits := num.Text(10)
	if over := len(digits) - canonicalDigits; over > 0 {
		digits, exp = digits[:canonicalDigits], exp+over
	}
	return written{negative: negative, digits: digits, exp: exp}.encode(), true
}

func ten(power int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(power)), nil) }
