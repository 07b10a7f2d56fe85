package fhirmap

import (
	"strings"

	"github.com/cockroachdb/apd/v3"
)

// numberContext computes with 34 digits. Exponents are bounded, so that 1e999999999 costs nothing.
var numberContext = apd.Context{Precision: 34, MaxExponent: maxExponent, MinExponent: -maxExponent, Rounding: apd.RoundHalfUp}

const (
	maxExponent = 300
	maxDigits   = 400 // of a number that computes; a longer one is no number here
)

// numberOf reads a number's text.
func numberOf(s string) (*apd.Decimal, bool) {
	if len(s) > maxDigits {
		return nil, false
	}
	d, _, err := apd.NewFromString(s)
	if err != nil || d.Form != apd.Finite {
		return nil, false
	}
	exponent := int64(d.Exponent) + d.NumDigits() - 1
	return d, d.IsZero() && d.Exponent > -maxDigits && d.Exponent < maxDigits || exponent > -maxExponent && exponent < maxExponent
}

// pushNumber pushes a computed number; one that is no number of its type (too large, not whole) is empty, as FHIRPath has it.
func (ev *evaluation) pushNumber(d *apd.Decimal, k pathKind) error {
	if d.Form != apd.Finite {
		return nil
	}
	if k == pathInteger {
		i, err := d.Int64()
		if err == nil {
			ev.push(integerElement(int(i)))
		}
		return ev.spend(valueSteps)
	}
	ev.push(computedElement("decimal", d.Text('f')))
	return ev.spend(valueSteps)
}

// mathNode is + - * / div mod.
type mathNode struct {
	left, right pathNode
	op          byte // d is div, m is mod
}

func mathOperator(op byte) func(left, right pathNode) pathNode {
	return func(left, right pathNode) pathNode { return &mathNode{left, right, op} }
}

func (n *mathNode) eval(ev *evaluation) error {
	a, b, err := ev.operands(n.left, n.right)
	if err != nil || a == nil || b == nil {
		return err
	}
	ka, plainA := plainKind(a)
	kb, plainB := plainKind(b)
	switch {
	case ka.primitive() && !plainA || kb.primitive() && !plainB:
		return nil
	case ka == pathText && kb == pathText && n.op == '+':
		return ev.pushText(a.Text + b.Text)
	case ka.numeric() && kb.numeric():
		x, okX := numberOf(a.Text)
		y, okY := numberOf(b.Text)
		if !okX || !okY {
			return nil
		}
		k := pathDecimal
		if n.op == 'd' || n.op != '/' && ka == pathInteger && kb == pathInteger {
			k = pathInteger
		}
		if d := calculateNumber(n.op, x, y); d != nil {
			return ev.pushNumber(d, k)
		}
		return nil
	case (ka.temporal() || ka == pathTime) && kb == pathQuantity && (n.op == '+' || n.op == '-'):
		return ev.shift(a, b, n.op == '-')
	case ka.measure() && kb.measure():
		if e := calculateQuantity(n.op, a, b); e != nil {
			ev.push(e)
		}
		return ev.spend(4 * valueSteps)
	}
	name := map[byte]string{'d': "div", 'm': "mod"}[n.op]
	if name == "" {
		name = string(n.op)
	}
	return ev.errorf("%s of %s (%s) and %s (%s) is not defined", name, a.describe(), a.Type, b.describe(), b.Type)
}

// calculateNumber returns nil where there is no result: division by zero, overflow.
func calculateNumber(op byte, x, y *apd.Decimal) *apd.Decimal {
	var d apd.Decimal
	var err error
	switch op {
	case '+':
		_, err = numberContext.Add(&d, x, y)
	case '-':
		_, err = numberContext.Sub(&d, x, y)
	case '*':
		_, err = numberContext.Mul(&d, x, y)
	case '/':
		if _, err = numberContext.Quo(&d, x, y); err == nil {
			d.Reduce(&d)
		}
	case 'd':
		_, err = numberContext.QuoInteger(&d, x, y)
	case 'm':
		_, err = numberContext.Rem(&d, x, y)
	}
	if err != nil || d.Form != apd.Finite {
		return nil
	}
	return &d
}

// signNode is a unary plus or minus.
type signNode struct {
	of    pathNode
	minus bool
}

func (n *signNode) eval(ev *evaluation) error {
	e, err := ev.argument(n.of)
	if err != nil || e == nil {
		return err
	}
	k, plain := plainKind(e)
	if !k.measure() {
		return ev.errorf("%s is of type %s and has no sign; want a number or quantity", e.describe(), e.Type)
	}
	switch {
	case !plain:
		return nil
	case !n.minus:
		ev.push(e)
	case k == pathQuantity:
		if negated := calculateQuantity('*', e, computedElement("integer", "-1")); negated != nil {
			ev.push(negated)
		}
	case strings.HasPrefix(e.Text, "-"):
		ev.push(computedElement(e.Type, e.Text[1:]))
	default:
		ev.push(computedElement(e.Type, "-"+e.Text))
	}
	return ev.spend(valueSteps)
}

const systemUCUM = "http://unitsofmeasure.org"

// calendarUnits are the words for durations and the UCUM unit of each. Years and months of the calendar are not UCUM's, which have
// a fixed length: they are equivalent (~), not equal.
var calendarUnits = map[string]string{
	"year": "a", "years": "a", "month": "mo", "months": "mo", "week": "wk", "weeks": "wk", "day": "d", "days": "d", "hour": "h",
	"hours": "h", "minute": "min", "minutes": "min", "second": "s", "seconds": "s", "millisecond": "ms", "milliseconds": "ms",
}

// quantityElement makes a Quantity; in quotes its unit is UCUM.
func quantityElement(number, unit string, quoted bool) *Element {
	e := &Element{Type: "Quantity", Index: -1}
	child := func(name, typ, text string) {
		e.Children = append(e.Children, &Element{Name: name, Type: typ, Index: -1, Text: text, Value: true})
	}
	child("value", "decimal", number)
	child("unit", "string", unit)
	if quoted {
		child("system", "uri", systemUCUM)
		child("code", "code", unit)
	}
	return e
}

// measureOf reads a quantity or number: value and unit, which is the code if there is one. A quantity with a comparator (<, >=) has no
// value to compute with.
func measureOf(e *Element) (d *apd.Decimal, unit string, ok bool) {
	if kindOf(e.Type) != pathQuantity {
		d, ok = numberOf(e.Text)
		return d, "1", ok
	}
	if unit = e.String("code"); unit == "" {
		unit = e.String("unit")
	}
	if unit == "" {
		unit = "1"
	}
	if e.First("comparator") != nil {
		return nil, unit, false
	}
	d, ok = numberOf(e.String("value"))
	return d, unit, ok
}

// commonUnit makes two values comparable: of one unit by name, or of two times of fixed length. Others are left open, not wrong:
// 1 g is 1000 mg, but that takes a table of UCUM.
func commonUnit(x *apd.Decimal, a string, y *apd.Decimal, b string, equivalent bool) bool {
	a, b = definite(a, equivalent), definite(b, equivalent)
	if a == b {
		return true
	}
	for _, v := range []struct {
		d    *apd.Decimal
		unit string
	}{{x, a}, {y, b}} {
		length, ok := fixedDurations[v.unit]
		if !ok {
			return false
		}
		if _, err := numberContext.Mul(v.d, v.d, apd.New(length.Milliseconds(), 0)); err != nil {
			return false
		}
	}
	return true
}

// definite turns a word of the calendar into its UCUM unit; years and months only for equivalence.
func definite(unit string, equivalent bool) string {
	code, ok := calendarUnits[unit]
	if !ok {
		return unit
	}
	if !equivalent && (code == "a" || code == "mo") {
		return strings.TrimSuffix(unit, "s")
	}
	return code
}

// compareQuantities orders two numbers or quantities; unknown if their units differ. Equivalence rounds to the fewer digits.
func compareQuantities(a, b *Element, equivalent bool) (int, tristate) {
	x, unitX, okX := measureOf(a)
	y, unitY, okY := measureOf(b)
	if !okX || !okY || !commonUnit(x, unitX, y, unitY, equivalent) {
		return 0, unknown
	}
	if equivalent {
		places := max(x.Exponent, y.Exponent)
		if _, err := numberContext.Quantize(x, x, places); err != nil {
			return 0, unknown
		}
		if _, err := numberContext.Quantize(y, y, places); err != nil {
			return 0, unknown
		}
	}
	return x.Cmp(y), yes
}

// calculateQuantity computes with quantities: sums of one unit, and multiples by a number. Other products need units of their own,
// and are empty.
func calculateQuantity(op byte, a, b *Element) *Element {
	x, unitX, okX := measureOf(a)
	y, unitY, okY := measureOf(b)
	if !okX || !okY {
		return nil
	}
	like := a
	switch {
	case op == '+' || op == '-':
		if definite(unitX, false) != definite(unitY, false) {
			return nil
		}
	case op == '*' && unitX == "1":
		like = b
	case op == '/' && unitX == unitY:
		if d := calculateNumber(op, x, y); d != nil {
			return quantityElement(d.Text('f'), "1", true)
		}
		return nil
	case (op == '*' || op == '/') && unitY == "1":
	default:
		return nil
	}
	d := calculateNumber(op, x, y)
	if d == nil {
		return nil
	}
	product := &Element{Type: "Quantity", Index: -1}
	for _, c := range like.Children {
		if c.Name == "value" {
			c = &Element{Name: "value", Type: "decimal", Index: -1, Text: d.Text('f'), Value: true}
		}
		product.Children = append(product.Children, c)
	}
	if kindOf(like.Type) != pathQuantity {
		return quantityElement(d.Text('f'), "1", true)
	}
	return product
}
