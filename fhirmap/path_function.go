package fhirmap

import (
	"fmt"
	"slices"
	"time"
)

// pathFunction is a function of FHIRPath. do finds its input in the stack from base up and puts its output in that place.
type pathFunction struct {
	min, max int    // arguments
	typed    bool   // the argument is a type
	regexp   string // the first argument is a regular expression, in the place of %s here
	do       func(ev *evaluation, c *callNode, base int) error
}

func (f pathFunction) arity() string {
	if f.min == f.max {
		return fmt.Sprint(f.min)
	}
	return fmt.Sprintf("%d to %d", f.min, f.max)
}

// pathFunctions are those of FHIRPath N1 section 5 and those that FHIR adds (R4 section 2.9.1.5). memberOf, conformsTo and subsumes,
// which need other resources, are not among them.
var pathFunctions = map[string]pathFunction{
	"empty": {do: func(ev *evaluation, _ *callNode, base int) error {
		return ev.answer(base, truthOf(len(ev.stack) == base))
	}},
	"exists":     {max: 1, do: fnExists},
	"all":        {min: 1, max: 1, do: fnAll},
	"allTrue":    {do: everyBoolean("true", true)},
	"allFalse":   {do: everyBoolean("false", true)},
	"anyTrue":    {do: everyBoolean("false", false)},
	"anyFalse":   {do: everyBoolean("true", false)},
	"subsetOf":   {min: 1, max: 1, do: fnSubsetOf(false)},
	"supersetOf": {min: 1, max: 1, do: fnSubsetOf(true)},
	"count": {do: func(ev *evaluation, _ *callNode, base int) error {
		return ev.replace(base, integerElement(len(ev.stack)-base))
	}},
	"distinct":   {do: func(ev *evaluation, _ *callNode, base int) error { return ev.distinct(base, false) }},
	"isDistinct": {do: fnIsDistinct},
	"not":        {do: fnNot},

	"where":     {min: 1, max: 1, do: fnWhere},
	"select":    {min: 1, max: 1, do: fnSelect},
	"repeat":    {min: 1, max: 1, do: fnRepeat},
	"aggregate": {min: 1, max: 2, do: fnAggregate},
	"ofType":    {min: 1, max: 1, typed: true},
	"as":        {min: 1, max: 1, typed: true},
	"is":        {min: 1, max: 1, typed: true},
	"type":      {do: fnType},

	"single":    {do: fnSingle},
	"first":     {do: func(ev *evaluation, _ *callNode, base int) error { return ev.keep(base, 0, 1) }},
	"last":      {do: func(ev *evaluation, _ *callNode, base int) error { return ev.keep(base, len(ev.stack)-base-1, 1) }},
	"tail":      {do: func(ev *evaluation, _ *callNode, base int) error { return ev.keep(base, 1, len(ev.stack)) }},
	"skip":      {min: 1, max: 1, do: fnSkip},
	"take":      {min: 1, max: 1, do: fnTake},
	"intersect": {min: 1, max: 1, do: fnIntersect},
	"exclude":   {min: 1, max: 1, do: fnExclude},
	"union":     {min: 1, max: 1, do: fnUnion},
	"combine":   {min: 1, max: 1, do: func(ev *evaluation, c *callNode, _ int) error { return c.args[0].eval(ev) }},

	"children":    {do: fnChildren},
	"descendants": {do: fnDescendants},

	"iif":        {min: 2, max: 3, do: fnIif},
	"trace":      {min: 1, max: 2, do: func(*evaluation, *callNode, int) error { return nil }},
	"now":        {do: clockFunction(func(t time.Time) moment { return momentFrom(t.Truncate(time.Millisecond), partSecond+1) })},
	"today":      {do: clockFunction(func(t time.Time) moment { return momentFrom(t, partDay+1) })},
	"timeOfDay":  {do: clockFunction(timeOfDay)},
	"extension":  {min: 1, max: 1, do: fnExtension},
	"hasValue":   {do: fnHasValue},
	"getValue":   {do: fnGetValue},
	"resolve":    {do: fnResolve},
	"htmlChecks": {do: func(ev *evaluation, _ *callNode, base int) error { return ev.answer(base, yes) }}, // Parse has checked it

	// Not in FHIRPath, but in the published parameter item-subject of QuestionnaireResponse.
	"hasExtension": {min: 1, max: 1, do: fnHasExtension},

	"startsWith":     {min: 1, max: 1, do: fnStartsWith},
	"endsWith":       {min: 1, max: 1, do: fnEndsWith},
	"contains":       {min: 1, max: 1, do: fnContains},
	"indexOf":        {min: 1, max: 1, do: fnIndexOf},
	"substring":      {min: 1, max: 2, do: fnSubstring},
	"upper":          {do: fnUpper},
	"lower":          {do: fnLower},
	"trim":           {do: fnTrim},
	"length":         {do: fnLength},
	"toChars":        {do: fnToChars},
	"split":          {min: 1, max: 1, do: fnSplit},
	"join":           {max: 1, do: fnJoin},
	"replace":        {min: 2, max: 2, do: fnReplace},
	"matches":        {min: 1, max: 1, regexp: partly, do: fnMatches},
	"matchesFull":    {min: 1, max: 1, regexp: wholly, do: fnMatches},
	"replaceMatches": {min: 2, max: 2, regexp: partly, do: fnReplaceMatches},

	"toBoolean": {do: convert(toBoolean)}, "convertsToBoolean": {do: converts(toBoolean)},
	"toInteger": {do: convert(toInteger)}, "convertsToInteger": {do: converts(toInteger)},
	"toDecimal": {do: convert(toDecimal)}, "convertsToDecimal": {do: converts(toDecimal)},
	"toString": {do: convert(toString)}, "convertsToString": {do: converts(toString)},
	"toDate": {do: convert(toDate)}, "convertsToDate": {do: converts(toDate)},
	"toDateTime": {do: convert(toDateTime)}, "convertsToDateTime": {do: converts(toDateTime)},
	"toTime": {do: convert(toTime)}, "convertsToTime": {do: converts(toTime)},
	"toQuantity": {max: 1, do: convert(toQuantity)}, "convertsToQuantity": {max: 1, do: converts(toQuantity)},

	"abs": {do: fnAbs}, "ceiling": {do: onNumber(ceiling)}, "floor": {do: onNumber(floor)}, "truncate": {do: onNumber(truncate)},
	"sqrt": {do: onNumber(squareRoot)}, "exp": {do: onNumber(exponential)}, "ln": {do: onNumber(naturalLog)},
	"round": {max: 1, do: fnRound}, "power": {min: 1, max: 1, do: fnPower}, "log": {min: 1, max: 1, do: fnLog},
}

// filter keeps the items from base up for which the expression holds.
func (ev *evaluation) filter(base int, n pathNode) error {
	end, kept := len(ev.stack), base
	for i := base; i < end; i++ {
		holds, err := ev.conditionOn(ev.stack[i], i-base, n)
		if err != nil {
			return err
		}
		if holds == yes {
			ev.stack[kept] = ev.stack[i]
			kept++
		}
	}
	ev.stack = ev.stack[:kept]
	return ev.spend(end - base)
}

func (ev *evaluation) conditionOn(item *Element, index int, n pathNode) (tristate, error) {
	base := len(ev.stack)
	if err := ev.on(item, index, n); err != nil {
		return unknown, err
	}
	return ev.truth(base)
}

func fnWhere(ev *evaluation, c *callNode, base int) error { return ev.filter(base, c.args[0]) }

func fnExists(ev *evaluation, c *callNode, base int) error {
	if len(c.args) > 0 {
		if err := ev.filter(base, c.args[0]); err != nil {
			return err
		}
	}
	return ev.answer(base, truthOf(len(ev.stack) > base))
}

func fnAll(ev *evaluation, c *callNode, base int) error {
	for i := base; i < len(ev.stack); i++ {
		holds, err := ev.conditionOn(ev.stack[i], i-base, c.args[0])
		if err != nil {
			return err
		}
		if holds != yes {
			return ev.answer(base, no)
		}
	}
	return ev.answer(base, yes)
}

// everyBoolean answers whether every boolean of the input has the text, or with of false, whether not.
func everyBoolean(text string, of bool) func(*evaluation, *callNode, int) error {
	return func(ev *evaluation, _ *callNode, base int) error {
		every := true
		for _, e := range ev.stack[base:] {
			if e.Type != "boolean" {
				return ev.errorf("%s is of type %s; want booleans", e.describe(), e.Type)
			}
			every = every && e.Text == text
		}
		return ev.answer(base, truthOf(every == of))
	}
}

func fnNot(ev *evaluation, _ *callNode, base int) error {
	t, err := ev.truth(base)
	if err != nil {
		return err
	}
	return ev.answer(base, t.not())
}

// setOf makes a set of a collection.
func (ev *evaluation) setOf(items []*Element) (*elementSet, error) {
	s := newElementSet(ev, false, len(items))
	for _, e := range items {
		if _, err := s.add(e); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// fnSubsetOf is subsetOf, and with super supersetOf, which exchanges input and argument.
func fnSubsetOf(super bool) func(*evaluation, *callNode, int) error {
	return func(ev *evaluation, c *callNode, base int) error {
		middle := len(ev.stack)
		if err := c.args[0].eval(ev); err != nil {
			return err
		}
		parts, whole := ev.stack[base:middle], ev.stack[middle:]
		if super {
			parts, whole = whole, parts
		}
		s, err := ev.setOf(whole)
		if err != nil {
			return err
		}
		for _, e := range parts {
			in, err := s.has(e)
			if err != nil {
				return err
			}
			if !in {
				return ev.answer(base, no)
			}
		}
		return ev.answer(base, yes)
	}
}

func fnIsDistinct(ev *evaluation, _ *callNode, base int) error {
	n := len(ev.stack)
	if err := ev.distinct(base, false); err != nil {
		return err
	}
	return ev.answer(base, truthOf(len(ev.stack) == n))
}

// fnSelect replaces each item from base up by what the expression gives for it.
func fnSelect(ev *evaluation, c *callNode, base int) error {
	end := len(ev.stack)
	for i := base; i < end; i++ {
		if err := ev.on(ev.stack[i], i-base, c.args[0]); err != nil {
			return err
		}
		if err := ev.spend(1 + len(ev.stack) - end); err != nil {
			return err
		}
	}
	ev.close(base, end)
	return nil
}

// fnRepeat follows the expression from the input on as long as it gives something new.
func fnRepeat(ev *evaluation, c *callNode, base int) error {
	end := len(ev.stack)
	seen := newElementSet(ev, false, fewItems+1)
	// The stretch from end up is both output and queue: what is read there is followed too.
	for i := base; i < len(ev.stack); i++ {
		from := len(ev.stack)
		if err := ev.on(ev.stack[i], 0, c.args[0]); err != nil {
			return err
		}
		kept := from
		for _, e := range ev.stack[from:] {
			fresh, err := seen.add(e)
			if err != nil {
				return err
			}
			if fresh {
				ev.stack[kept] = e
				kept++
			}
		}
		ev.stack = ev.stack[:kept]
		if err := ev.spend(1); err != nil {
			return err
		}
	}
	ev.close(base, end)
	return nil
}

// fnAggregate folds the input with $total.
func fnAggregate(ev *evaluation, c *callNode, base int) error {
	outer := ev.total
	defer func() { ev.total = outer }()
	total := []*Element(nil)
	takeTotal := func(from int) { total, ev.stack = slices.Clone(ev.stack[from:]), ev.stack[:from] }
	end := len(ev.stack)
	if len(c.args) > 1 {
		if err := c.args[1].eval(ev); err != nil {
			return err
		}
		takeTotal(end)
	}
	for i := base; i < end; i++ {
		ev.total = total
		if err := ev.on(ev.stack[i], i-base, c.args[0]); err != nil {
			return err
		}
		takeTotal(end)
		if err := ev.spend(1 + len(total)); err != nil {
			return err
		}
	}
	return ev.replace(base, total...)
}

// fnType gives for each item its namespace and name.
func fnType(ev *evaluation, _ *callNode, base int) error {
	for i, e := range ev.stack[base:] {
		namespace, name := "FHIR", e.Type
		if e.Name == "" {
			namespace = "System"
			for system, k := range systemTypes {
				if k == kindOf(e.Type) && k != pathObject {
					name = system
				}
			}
		}
		ev.stack[base+i] = &Element{Type: "ClassInfo", Index: -1, Children: []*Element{
			{Name: "namespace", Type: "string", Index: -1, Text: namespace, Value: true},
			{Name: "name", Type: "string", Index: -1, Text: name, Value: true},
		}}
	}
	return ev.spend(4 * valueSteps * (len(ev.stack) - base))
}

func fnIif(ev *evaluation, c *callNode, base int) error {
	item := ev.this
	if _, leads := c.of.(selfNode); !leads {
		e, err := ev.single(base)
		if err != nil {
			return err
		}
		if e != nil {
			item = e
		}
	}
	ev.stack = ev.stack[:base]
	holds, err := ev.conditionOn(item, 0, c.args[0])
	switch {
	case err != nil:
		return err
	case holds == yes:
		return ev.on(item, 0, c.args[1])
	case len(c.args) > 2:
		return ev.on(item, 0, c.args[2])
	}
	return nil
}

// clockFunction makes now and its like from the time of the evaluation, which does not move while it lasts.
func clockFunction(of func(time.Time) moment) func(*evaluation, *callNode, int) error {
	return func(ev *evaluation, _ *callNode, base int) error {
		if ev.focus.Now.IsZero() {
			ev.focus.Now = time.Now()
		}
		m := of(ev.focus.Now)
		return ev.replace(base, m.element())
	}
}

func timeOfDay(t time.Time) moment {
	m := momentFrom(t.Truncate(time.Millisecond), partSecond+1)
	m.part[partYear], m.part[partMonth], m.part[partDay] = 0, 0, 0
	m.clock, m.zoned, m.offset = true, false, 0
	return m
}
