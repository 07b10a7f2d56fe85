package fhirmap

import (
	"slices"
	"strings"
)

// pathParser is a Pratt parser: each infix operator has a power, and an operand is parsed up to the next weaker one.
type pathParser struct {
	text    string
	pos     int // after tok
	tok     pathToken
	nesting int
}

// pathOperators are the operators of FHIRPath section 6.8 by power; is and as stand between + and |.
var pathOperators = map[string]struct {
	power int
	make  func(left, right pathNode) pathNode
}{
	"implies":  {1, logicOperator(tristate.implies)},
	"or":       {2, logicOperator(tristate.or)},
	"xor":      {2, logicOperator(tristate.xor)},
	"and":      {3, logicOperator(tristate.and)},
	"in":       {4, func(l, r pathNode) pathNode { return &memberNode{item: l, list: r} }},
	"contains": {4, func(l, r pathNode) pathNode { return &memberNode{item: r, list: l} }},
	"=":        {5, equalOperator(equalCollections, false)},
	"!=":       {5, equalOperator(equalCollections, true)},
	"~":        {5, equalOperator(equivalentCollections, false)},
	"!~":       {5, equalOperator(equivalentCollections, true)},
	"<":        {6, orderOperator(func(c int) bool { return c < 0 })},
	"<=":       {6, orderOperator(func(c int) bool { return c <= 0 })},
	">":        {6, orderOperator(func(c int) bool { return c > 0 })},
	">=":       {6, orderOperator(func(c int) bool { return c >= 0 })},
	"|":        {7, func(l, r pathNode) pathNode { return &unionNode{left: l, right: r} }},
	"is":       {8, nil},
	"as":       {8, nil},
	"+":        {9, mathOperator('+')},
	"-":        {9, mathOperator('-')},
	"&":        {9, func(l, r pathNode) pathNode { return &joinNode{l, r} }},
	"*":        {10, mathOperator('*')},
	"/":        {10, mathOperator('/')},
	"div":      {10, mathOperator('d')},
	"mod":      {10, mathOperator('m')},
}

const unaryPower = 11

// whole parses the whole text.
func (p *pathParser) whole() (pathNode, error) {
	if err := p.next(); err != nil {
		return nil, err
	}
	n, err := p.expression(0)
	if err != nil {
		return nil, err
	}
	if p.tok.kind != tokenEnd {
		return nil, p.want("an operator, a dot or the end")
	}
	return n, nil
}

// want is the error at the current token.
func (p *pathParser) want(what string) error {
	return p.errorAt(p.tok.at, "found %v, want %s", p.tok, what)
}

// expect steps over a symbol.
func (p *pathParser) expect(symbol string) error {
	if !p.tok.is(symbol) {
		return p.want(symbol)
	}
	return p.next()
}

// expression parses operators stronger than power.
func (p *pathParser) expression(power int) (pathNode, error) {
	if p.nesting++; p.nesting > maxPathNesting {
		return nil, p.errorAt(p.tok.at, "nested more than %d deep", maxPathNesting)
	}
	defer func() { p.nesting-- }()
	left, err := p.operand()
	for err == nil {
		op, ok := pathOperators[p.tok.text]
		if !ok || p.tok.kind != tokenSymbol && p.tok.kind != tokenName || op.power <= power {
			return left, nil
		}
		word := p.tok.text
		if err = p.next(); err != nil {
			break
		}
		if op.make == nil {
			var test typeTest
			if test, err = p.typeName(); err == nil {
				left = &typeNode{of: left, test: test, is: word == "is"}
			}
			continue
		}
		var right pathNode
		if right, err = p.expression(op.power); err == nil {
			left = op.make(left, right)
		}
	}
	return nil, err
}

// operand parses a term with its signs, members, calls and indexes.
func (p *pathParser) operand() (pathNode, error) {
	if p.tok.is("+") || p.tok.is("-") {
		minus := p.tok.is("-")
		if err := p.next(); err != nil {
			return nil, err
		}
		n, err := p.expression(unaryPower)
		return &signNode{of: n, minus: minus}, err
	}
	n, err := p.term()
	for err == nil {
		switch {
		case p.tok.is("."):
			if err = p.next(); err == nil {
				if p.tok.kind != tokenName && p.tok.kind != tokenQuoted {
					return nil, p.want("the name of an element or function")
				}
				n, err = p.member(n)
			}
		case p.tok.is("["):
			if err = p.next(); err != nil {
				break
			}
			var at pathNode
			if at, err = p.expression(0); err == nil {
				n = &indexNode{of: n, at: at}
				err = p.expect("]")
			}
		default:
			return n, nil
		}
	}
	return nil, err
}

func (p *pathParser) term() (pathNode, error) {
	tok := p.tok
	switch {
	case tok.kind == tokenName && pathOperators[tok.text].power > 0 && !slices.Contains([]string{"is", "as", "in", "contains"}, tok.text):
		return nil, p.want("a term before this operator")
	case tok.kind == tokenName && (tok.text == "true" || tok.text == "false"):
		return &literalNode{truthOf(tok.text == "true").element()}, p.next()
	case tok.kind == tokenName || tok.kind == tokenQuoted:
		return p.member(selfNode{})
	case tok.kind == tokenString:
		return &literalNode{computedElement("string", tok.text)}, p.next()
	case tok.kind == tokenNumber:
		return p.number()
	case tok.kind == tokenMoment:
		m, ok := parseMoment(tok.text)
		if !ok {
			return nil, p.want("a date such as @2012, @2012-04-01, @2012-04-01T10:00:00Z or @T10:00")
		}
		return &literalNode{m.element()}, p.next()
	case tok.kind == tokenVariable:
		v, ok := pathVariables[tok.text]
		if !ok && (strings.HasPrefix(tok.text, "vs-") || strings.HasPrefix(tok.text, "ext-")) {
			base := map[string]string{"vs-": "http://hl7.org/fhir/ValueSet/", "ext-": "http://hl7.org/fhir/StructureDefinition/"}
			prefix := tok.text[:strings.IndexByte(tok.text, '-')+1]
			v, ok = &literalNode{computedElement("string", base[prefix]+tok.text[len(prefix):])}, true
		}
		if !ok {
			return nil, p.want("one of " + listKeys("%", pathVariables))
		}
		return v, p.next()
	case tok.kind == tokenSpecial:
		v, ok := pathSpecials[tok.text]
		if !ok {
			return nil, p.want("one of " + listKeys("$", pathSpecials))
		}
		return v, p.next()
	case tok.is("("):
		if err := p.next(); err != nil {
			return nil, err
		}
		n, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		return n, p.expect(")")
	case tok.is("{"):
		if err := p.next(); err != nil {
			return nil, err
		}
		return emptyNode{}, p.expect("}")
	}
	return nil, p.want("an element, function, value or (")
}

// number parses a number or, with a unit after it, a quantity.
func (p *pathParser) number() (pathNode, error) {
	text := p.tok.text
	if err := p.next(); err != nil {
		return nil, err
	}
	if _, calendar := calendarUnits[p.tok.text]; p.tok.kind == tokenString || p.tok.kind == tokenName && calendar {
		unit := p.tok.text
		return &literalNode{quantityElement(text, unit, p.tok.kind == tokenString)}, p.next()
	}
	if strings.Contains(text, ".") {
		return &literalNode{computedElement("decimal", text)}, nil
	}
	return &literalNode{computedElement("integer", text)}, nil
}

// member parses the name at hand as a child or a call on what stands before it.
func (p *pathParser) member(of pathNode) (pathNode, error) {
	name := p.tok
	if err := p.next(); err != nil {
		return nil, err
	}
	if p.tok.is("(") {
		return p.call(of, name)
	}
	// No element of FHIR begins with a capital, and types that may begin a path do.
	if _, leads := of.(selfNode); leads && name.text != "" && name.text[0] >= 'A' && name.text[0] <= 'Z' {
		test, ok := testFor("", name.text)
		if !ok {
			p.tok = name
			return nil, p.want("an element, or a FHIR type, to begin with")
		}
		return &rootNode{test}, nil
	}
	if s, ok := of.(*stepNode); ok {
		return &stepNode{of: s.of, names: append(slices.Clip(s.names), name.text)}, nil
	}
	return &stepNode{of: of, names: []string{name.text}}, nil
}

// call parses the arguments of a function; the current token is its opening parenthesis.
func (p *pathParser) call(of pathNode, name pathToken) (pathNode, error) {
	fn, ok := pathFunctions[name.text]
	if !ok {
		p.tok = name
		return nil, p.want("a function: one of " + listKeys("", pathFunctions))
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	c := &callNode{of: of, fn: fn}
	if fn.typed {
		test, err := p.typeName()
		if err != nil {
			return nil, err
		}
		if name.text == "is" {
			return &typeNode{of: of, test: test, is: true}, p.expect(")")
		}
		return &typeNode{of: of, test: test}, p.expect(")")
	}
	for !p.tok.is(")") {
		if len(c.args) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
		arg, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		c.args = append(c.args, arg)
	}
	if n := len(c.args); n < fn.min || n > fn.max {
		return nil, p.errorAt(name.at, "%s() has %d arguments, want %s", name.text, n, fn.arity())
	}
	if fn.regexp != "" {
		if l, ok := c.args[0].(*literalNode); ok {
			var err error
			if c.pattern, err = fn.pattern(l.value.Text); err != nil {
				return nil, p.errorAt(name.at, "%v", err)
			}
		}
	}
	return c, p.next()
}

// typeName parses a type: Quantity, FHIR.Quantity, System.String.
func (p *pathParser) typeName() (typeTest, error) {
	name := p.tok
	namespace := ""
	if name.kind != tokenName && name.kind != tokenQuoted {
		return typeTest{}, p.want("the name of a type")
	}
	if err := p.next(); err != nil {
		return typeTest{}, err
	}
	if (name.text == "FHIR" || name.text == "System") && p.tok.is(".") {
		if err := p.next(); err != nil {
			return typeTest{}, err
		}
		namespace, name = name.text, p.tok
		if name.kind != tokenName && name.kind != tokenQuoted {
			return typeTest{}, p.want("the name of a type")
		}
		if err := p.next(); err != nil {
			return typeTest{}, err
		}
	}
	test, ok := testFor(namespace, name.text)
	if !ok {
		p.tok = name
		return test, p.want("a type of FHIR R4 or of FHIRPath")
	}
	return test, nil
}

// listKeys lists the keys of a table for an error.
func listKeys[V any](prefix string, table map[string]V) string {
	names := make([]string, 0, len(table))
	for name := range table {
		names = append(names, prefix+name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
