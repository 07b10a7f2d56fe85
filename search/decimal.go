package search

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// decimal is an exact decimal number and the place of its last written digit: digits × 10^exp. 1.50 and 1.5 are equal numbers
// written with different precision.
type decimal struct {
	digits *big.Int
	exp    int // within ±maxExponent
	sci    bool
}

// The bounds of what is taken for a number.
const (
	maxDigits   = 4096
	maxExponent = 1 << 30
)

// written is the text of a number taken apart.
type written struct {
	negative bool
	digits   string // without the point; may begin and end with zeros
	exp      int    // of the last digit
	sci      bool   // with an exponent
}

// scan takes a number apart: an optional sign, digits with or without a point, an optional exponent.
func scan(s string) (written, error) {
	bad := func() (written, error) {
		if len(s) > 64 {
			s = s[:64] + "..."
		}
		return written{}, fmt.Errorf("%q is no number such as 5.40 or -1.2e3", s)
	}
	var w written
	rest := s
	if rest != "" && (rest[0] == '-' || rest[0] == '+') {
		w.negative = rest[0] == '-'
		rest = rest[1:]
	}
	mantissa := rest
	if i := strings.IndexAny(rest, "eE"); i >= 0 {
		mantissa, w.sci = rest[:i], true
		exp, err := strconv.Atoi(rest[i+1:])
		if err != nil || exp > maxExponent || exp < -maxExponent {
			return bad()
		}
		w.exp = exp
	}
	whole, fraction, point := strings.Cut(mantissa, ".")
	if whole == "" || point && fraction == "" || len(mantissa) > maxDigits {
		return bad()
	}
	w.digits = whole
	if point {
		w.digits += fraction
		w.exp -= len(fraction)
	}
	for i := 0; i < len(w.digits); i++ {
		if w.digits[i] < '0' || w.digits[i] > '9' {
			return bad()
		}
	}
	return w, nil
}

// Numbers are encoded so that bytes sort as numbers do and equal numbers, however written, are equal bytes. With the number as
// ±0.d1d2d3… × 10^e, d1 not zero, and its digits taken in pairs, the last filled up with a zero:
//
//	positive  lead · d1d2+1 · d3d4+1 · …          the pairs are 1 to 100, so no byte is 0
//	zero      80
//	negative  the complement of the positive's bytes · ff
//
// The lead is 82 + (e+61) for e from -61 to 62; 81 for less and fe for more, each followed by e + 2^31 in four bytes.
// Worked example: 72.5 is e = 2, pairs 72 and 50: c1 49 33. 0.725 is bf 49 33, and -72.5 is 3e b6 cc ff.
const (
	leadSmall = 0x81
	leadFirst = 0x82
	leadLarge = 0xfe
	leadZero  = 0x80
	minPlain  = -61
	maxPlain  = 62
)

// encodeNumber encodes a number as it is written in JSON or a URL.
func encodeNumber(s string) ([]byte, error) {
	w, err := scan(s)
	if err != nil {
		return nil, err
	}
	return w.encode(), nil
}

func (w written) encode() []byte {
	digits := strings.TrimLeft(w.digits, "0")
	e := w.exp + len(digits)
	digits = strings.TrimRight(digits, "0")
	if digits == "" {
		return []byte{leadZero}
	}
	b := make([]byte, 0, 7+len(digits)/2)
	switch {
	case e < minPlain:
		b = binary.BigEndian.AppendUint32(append(b, leadSmall), uint32(int64(e)+1<<31))
	case e > maxPlain:
		b = binary.BigEndian.AppendUint32(append(b, leadLarge), uint32(int64(e)+1<<31))
	default:
		b = append(b, byte(leadFirst+e-minPlain))
	}
	for i := 0; i < len(digits); i += 2 {
		pair := (digits[i] - '0') * 10
		if i+1 < len(digits) {
			pair += digits[i+1] - '0'
		}
		b = append(b, pair+1)
	}
	if w.negative {
		for i := range b {
			b[i] = ^b[i]
		}
		b = append(b, 0xff)
	}
	return b
}

// decodeNumber is the reverse of encodeNumber, in scientific notation; false for bytes that no number has.
func decodeNumber(b []byte) (string, bool) {
	if len(b) == 1 && b[0] == leadZero {
		return "0", true
	}
	if len(b) < 2 {
		return "", false
	}
	sign := ""
	if b[0] < leadZero {
		if b[len(b)-1] != 0xff {
			return "", false
		}
		sign = "-"
		pos := make([]byte, len(b)-1)
		for i := range pos {
			pos[i] = ^b[i]
		}
		b = pos
	}
	var e int
	switch lead := b[0]; {
	case (lead == leadSmall || lead == leadLarge) && len(b) > 5:
		e, b = int(int64(binary.BigEndian.Uint32(b[1:5]))-1<<31), b[5:]
	case lead >= leadFirst && lead < leadLarge:
		e, b = int(lead)-leadFirst+minPlain, b[1:]
	default:
		return "", false
	}
	var digits strings.Builder
	for _, p := range b {
		if p < 1 || p > 100 {
			return "", false
		}
		fmt.Fprintf(&digits, "%02d", p-1)
	}
	d := strings.TrimRight(digits.String(), "0")
	if d == "" || d[0] == '0' {
		return "", false
	}
	switch {
	case e > 0 && e <= 20 && len(d) <= e:
		return sign + d + strings.Repeat("0", e-len(d)), true
	case e > 0 && e <= 20:
		return sign + d[:e] + "." + d[e:], true
	case e <= 0 && e > -10:
		return sign + "0." + strings.Repeat("0", -e) + d, true
	}
	return sign + "0." + d + "e" + strconv.Itoa(e), true
}

// parseDecimal reads a number for reckoning with it.
func parseDecimal(s string) (decimal, error) {
	w, err := scan(s)
	if err != nil {
		return decimal{}, err
	}
	n, _ := new(big.Int).SetString(w.digits, 10)
	if w.negative {
		n.Neg(n)
	}
	return decimal{n, w.exp, w.sci}, nil
}

func (d decimal) encode() []byte {
	w := written{negative: d.digits.Sign() < 0, digits: new(big.Int).Abs(d.digits).String(), exp: d.exp}
	return w.encode()
}

// precision returns the interval of the numbers that round to d as it is written: half a unit of its last digit to either side,
// the lower end in, the upper out (R4 3.1.1.4.7). A single digit with an exponent counts as two, so that 1e2 is [95, 105) as
// the specification has it.
func (d decimal) precision() (low, high decimal) {
	shift := 1
	if d.sci && d.exp > 0 && len(new(big.Int).Abs(d.digits).String()) == 1 {
		shift = 2
	}
	return d.spread(shift, big.NewInt(5))
}

// spread returns d less and plus n units of the place that lies so many digits below its last.
func (d decimal) spread(places int, n *big.Int) (low, high decimal) {
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(places)), nil)
	mid := new(big.Int).Mul(d.digits, scale)
	exp := d.exp - places
	return decimal{new(big.Int).Sub(mid, n), exp, false}, decimal{new(big.Int).Add(mid, n), exp, false}
}

// approximate returns the interval from a tenth below to a tenth above d, or that of its precision if it is wider.
func (d decimal) approximate() (low, high decimal) {
	tenth := new(big.Int).Mul(new(big.Int).Abs(d.digits), big.NewInt(10)) // in units two places below
	if half := big.NewInt(50); tenth.Cmp(half) < 0 {
		tenth = half
	}
	return d.spread(2, tenth)
}

// times and plus reckon exactly; plus reports false if the exponents lie too far apart to be worth it.
func (d decimal) times(o decimal) decimal {
	return decimal{new(big.Int).Mul(d.digits, o.digits), d.exp + o.exp, false}
}

func (d decimal) plus(o decimal) (decimal, bool) {
	if d.exp < o.exp {
		d, o = o, d
	}
	if d.exp-o.exp > maxDigits {
		return decimal{}, false
	}
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(d.exp-o.exp)), nil)
	return decimal{scale.Add(scale.Mul(scale, d.digits), o.digits), o.exp, false}, true
}
