package fhirmap

import (
	"strings"

	"github.com/cockroachdb/apd/v3"
)

// The conversions (FHIRPath section 5.5) give nil where there is none. toX is empty there, convertsToX false.
type conversion func(*Element) *Element

func convert(to conversion) func(*evaluation, *callNode, int) error {
	return func(ev *evaluation, _ *callNode, base int) error {
		e, err := ev.single(base)
		if err != nil || e == nil {
			return err
		}
		if e = to(e); e != nil {
			ev.push(e)
		}
		return ev.spend(4 * valueSteps)
	}
}

func converts(to conversion) func(*evaluation, *callNode, int) error {
	return func(ev *evaluation, _ *callNode, base int) error {
		e, err := ev.single(base)
		if err != nil || e == nil {
			return err
		}
		return ev.answer(base, truthOf(to(e) != nil))
	}
}

func toBoolean(e *Element) *Element {
	switch strings.ToLower(e.Text) {
	case "true", "t", "yes", "y", "1", "1.0":
		return trueElement
	case "false", "f", "no", "n", "0", "0.0":
		return falseElement
	}
	return nil
}

func toInteger(e *Element) *Element {
	switch kindOf(e.Type) {
	case pathBoolean:
		return map[string]*Element{"true": integerElement(1), "false": integerElement(0)}[e.Text]
	case pathInteger, pathText:
		s := strings.TrimPrefix(e.Text, "+")
		digits := strings.TrimPrefix(s, "-")
		if digits == "" || len(digits) > 18 || strings.Trim(digits, "0123456789") != "" {
			return nil
		}
		return computedElement("integer", s)
	}
	return nil
}

func toDecimal(e *Element) *Element {
	switch kindOf(e.Type) {
	case pathBoolean:
		return map[string]*Element{"true": computedElement("decimal", "1.0"), "false": computedElement("decimal", "0.0")}[e.Text]
	case pathInteger, pathDecimal, pathText:
		if d, ok := numberOf(e.Text); ok && strings.Trim(e.Text, "+-.0123456789eE") == "" {
			return computedElement("decimal", d.Text('f'))
		}
	}
	return nil
}

func toString(e *Element) *Element {
	k, plain := plainKind(e)
	switch {
	case k == pathQuantity:
		d, _, ok := measureOf(e)
		if !ok {
			return nil
		}
		unit := e.String("unit")
		if code := e.String("code"); code != "" && e.String("system") == systemUCUM {
			unit = "'" + code + "'"
		}
		return computedElement("string", strings.TrimSpace(d.Text('f')+" "+unit))
	case plain:
		return computedElement("string", e.Text)
	}
	return nil
}

// toMoment reads text as a moment and makes of it what fit allows.
func toMoment(e *Element, fit func(*moment) bool) *Element {
	k := kindOf(e.Type)
	if k != pathText && !k.temporal() && k != pathTime {
		return nil
	}
	s := e.Text
	if k == pathTime {
		s = "T" + s
	}
	m, ok := parseMoment(s)
	if !ok || !fit(&m) {
		return nil
	}
	return m.element()
}

func toDate(e *Element) *Element {
	return toMoment(e, func(m *moment) bool {
		m.known, m.dotted = min(m.known, partDay+1), false
		return !m.clock
	})
}

func toDateTime(e *Element) *Element {
	return toMoment(e, func(m *moment) bool {
		m.dotted = true
		return !m.clock
	})
}

func toTime(e *Element) *Element {
	if kindOf(e.Type) == pathText && !strings.HasPrefix(e.Text, "T") {
		e = computedElement("string", "T"+e.Text)
	}
	return toMoment(e, func(m *moment) bool { return m.clock })
}

// toQuantity reads a number, a Quantity, or text such as 5 'mg' and 3 days.
func toQuantity(e *Element) *Element {
	switch kindOf(e.Type) {
	case pathQuantity:
		return e
	case pathInteger, pathDecimal:
		return quantityElement(e.Text, "1", true)
	case pathBoolean:
		return quantityElement(map[string]string{"true": "1.0", "false": "0.0"}[e.Text], "1", true)
	case pathText:
		number, unit, _ := strings.Cut(strings.TrimSpace(e.Text), " ")
		if toDecimal(computedElement("string", number)) == nil {
			return nil
		}
		unit = strings.TrimSpace(unit)
		if _, calendar := calendarUnits[unit]; calendar {
			return quantityElement(number, unit, false)
		}
		if unit == "" {
			return quantityElement(number, "1", true)
		}
		if len(unit) > 2 && unit[0] == '\'' && unit[len(unit)-1] == '\'' {
			return quantityElement(number, unit[1:len(unit)-1], true)
		}
	}
	return nil
}

// onNumber makes a function of one number (FHIRPath section 5.7); of returns the kind of its result, and nil for none.
func onNumber(of func(d *apd.Decimal, k pathKind) (*apd.Decimal, pathKind)) func(*evaluation, *callNode, int) error {
	return func(ev *evaluation, _ *callNode, base int) error {
		e, err := ev.single(base)
		if err != nil || e == nil {
			return err
		}
		return ev.pushMath(e, of)
	}
}

func (ev *evaluation) pushMath(e *Element, of func(d *apd.Decimal, k pathKind) (*apd.Decimal, pathKind)) error {
	k, plain := plainKind(e)
	if !k.numeric() {
		return ev.errorf("%s is of type %s; want a number", e.describe(), e.Type)
	}
	d, ok := numberOf(e.Text)
	if !ok || !plain {
		return nil
	}
	// Logarithms and powers take some hundred times as long as a sum.
	if err := ev.spend(100); err != nil {
		return err
	}
	if d, k = of(d, k); d != nil {
		return ev.pushNumber(d, k)
	}
	return nil
}

// finite is d unless the computation had no result.
func finite(d *apd.Decimal, _ apd.Condition, err error) *apd.Decimal {
	if err != nil || d.Form != apd.Finite {
		return nil
	}
	return d
}

// fnAbs is abs, the one of these functions that takes quantities too.
func fnAbs(ev *evaluation, _ *callNode, base int) error {
	e, err := ev.single(base)
	if err != nil || e == nil {
		return err
	}
	if kindOf(e.Type) == pathQuantity {
		if d, _, ok := measureOf(e); ok && d.Negative {
			if e = calculateQuantity('*', e, computedElement("integer", "-1")); e == nil {
				return nil
			}
		}
		ev.push(e)
		return ev.spend(1)
	}
	return ev.pushMath(e, func(d *apd.Decimal, k pathKind) (*apd.Decimal, pathKind) { return d.Abs(d), k })
}

func ceiling(d *apd.Decimal, _ pathKind) (*apd.Decimal, pathKind) {
	c, err := numberContext.Ceil(d, d)
	return finite(d, c, err), pathInteger
}

func floor(d *apd.Decimal, _ pathKind) (*apd.Decimal, pathKind) {
	c, err := numberContext.Floor(d, d)
	return finite(d, c, err), pathInteger
}

func truncate(d *apd.Decimal, k pathKind) (*apd.Decimal, pathKind) {
	if d.Negative {
		return ceiling(d, k)
	}
	return floor(d, k)
}

func squareRoot(d *apd.Decimal, _ pathKind) (*apd.Decimal, pathKind) {
	return shortest(numberContext.Sqrt, d), pathDecimal
}

func exponential(d *apd.Decimal, _ pathKind) (*apd.Decimal, pathKind) {
	return shortest(numberContext.Exp, d), pathDecimal
}

func naturalLog(d *apd.Decimal, _ pathKind) (*apd.Decimal, pathKind) {
	return shortest(numberContext.Ln, d), pathDecimal
}

// shortest computes without the zeros that fill up the precision.
func shortest(of func(d, x *apd.Decimal) (apd.Condition, error), d *apd.Decimal) *apd.Decimal {
	c, err := of(d, d)
	if finite(d, c, err) == nil {
		return nil
	}
	d.Reduce(d)
	return d
}

// number evaluates an argument as a number; nil is none.
func (ev *evaluation) number(n pathNode) (*apd.Decimal, pathKind, error) {
	e, err := ev.argument(n)
	if err != nil || e == nil {
		return nil, 0, err
	}
	k := kindOf(e.Type)
	if !k.numeric() {
		return nil, 0, ev.errorf("%s is of type %s; want a number", e.describe(), e.Type)
	}
	d, ok := numberOf(e.Text)
	if !ok {
		return nil, 0, nil
	}
	return d, k, nil
}

// fnRound is round(places): it rounds half away from zero.
func fnRound(ev *evaluation, c *callNode, base int) error {
	e, err := ev.single(base)
	if err != nil || e == nil {
		return err
	}
	places := 0
	if len(c.args) > 0 {
		n, ok, err := ev.integer(c.args[0])
		if err != nil || !ok {
			return err
		}
		if n < 0 || n > maxExponent {
			return ev.errorf("round(%d): want places from 0 to %d", n, maxExponent)
		}
		places = n
	}
	return ev.pushMath(e, func(d *apd.Decimal, k pathKind) (*apd.Decimal, pathKind) {
		if d.Exponent >= -int32(places) {
			return d, pathDecimal
		}
		c, err := numberContext.Quantize(d, d, -int32(places))
		return finite(d, c, err), pathDecimal
	})
}

func fnPower(ev *evaluation, c *callNode, base int) error {
	return ev.withNumber(c, base, func(d, exponent *apd.Decimal, k pathKind) (*apd.Decimal, pathKind) {
		return shortest(func(d, x *apd.Decimal) (apd.Condition, error) { return numberContext.Pow(d, x, exponent) }, d), k
	})
}

func fnLog(ev *evaluation, c *callNode, base int) error {
	return ev.withNumber(c, base, func(d, of *apd.Decimal, _ pathKind) (*apd.Decimal, pathKind) {
		var denominator apd.Decimal
		if c, err := numberContext.Ln(d, d); finite(d, c, err) == nil {
			return nil, 0
		}
		if c, err := numberContext.Ln(&denominator, of); finite(&denominator, c, err) == nil {
			return nil, 0
		}
		quotient := calculateNumber('/', d, &denominator)
		if quotient != nil {
			// Both logarithms are rounded in the last of 34 digits; 30 of the quotient are sure, and 16.log(2) is 4.
			rounded := numberContext
			rounded.Precision = 30
			c, err := rounded.Round(quotient, quotient)
			quotient.Reduce(quotient)
			return finite(quotient, c, err), pathDecimal
		}
		return nil, 0
	})
}

// withNumber computes from the input and an argument, both numbers.
func (ev *evaluation) withNumber(c *callNode, base int, of func(d, arg *apd.Decimal, k pathKind) (*apd.Decimal, pathKind)) error {
	e, err := ev.single(base)
	if err != nil || e == nil {
		return err
	}
	arg, argKind, err := ev.number(c.args[0])
	if err != nil || arg == nil {
		return err
	}
	return ev.pushMath(e, func(d *apd.Decimal, k pathKind) (*apd.Decimal, pathKind) {
		if argKind == pathDecimal || arg.Negative {
			k = pathDecimal
		}
		return of(d, arg, k)
	})
}
