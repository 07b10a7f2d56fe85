package search

import "math/big"

// Number reads a FHIR decimal exactly, with how many digits stand after its point. What is no decimal, or lies beyond what is reckoned, is none.
func Number(s string) (n *big.Rat, places int, ok bool) {
	d, err := parseDecimal(s)
	if err != nil || d.exp > maxShift || d.exp < -maxShift || d.digits.BitLen() > 4*maxShift {
		return nil, 0, false
	}
	n = new(big.Rat).SetInt(d.digits)
	if d.exp >= 0 {
		return n.Mul(n, new(big.Rat).SetInt(ten(d.exp))), 0, true
	}
	return n.Quo(n, new(big.Rat).SetInt(ten(-d.exp))), -d.exp, true
}

// Convert turns a number of one unit of UCUM into one of another, exactly. It cannot be done between units of different kinds, or if one is none
// of UCUM and they are not the same.
func Convert(n *big.Rat, from, to string) (*big.Rat, bool) {
	if from == to {
		return n, true
	}
	a, err := parseUnit(from)
	if err != nil {
		return nil, false
	}
	b, err := parseUnit(to)
	if err != nil || a.canonical() != b.canonical() || b.factor.Sign() == 0 {
		return nil, false
	}
	out := new(big.Rat).Set(n)
	if a.offset != nil {
		out.Add(out, a.offset)
	}
	out.Quo(out.Mul(out, a.factor), b.factor)
	if b.offset != nil {
		out.Sub(out, b.offset)
	}
	return out, true
}
