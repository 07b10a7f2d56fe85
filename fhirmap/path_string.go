package fhirmap

import (
	"strings"
	"unicode/utf8"
)

// The functions on strings (FHIRPath section 5.6). Their input is one string or empty; lengths and positions count characters.

// input pops the collection from base up as a string; ok is false if it is empty or has no value.
func (ev *evaluation) input(base int) (s string, ok bool, err error) {
	e, err := ev.single(base)
	if err != nil || e == nil {
		return "", false, err
	}
	return ev.textOf(e)
}

func (ev *evaluation) textOf(e *Element) (string, bool, error) {
	if kindOf(e.Type) != pathText {
		return "", false, ev.errorf("%s is of type %s; want a string (toString() makes one)", e.describe(), e.Type)
	}
	return e.Text, e.Value, ev.spend(1 + len(e.Text)/16)
}

// text evaluates an argument as a string.
func (ev *evaluation) text(n pathNode) (s string, ok bool, err error) {
	e, err := ev.argument(n)
	if err != nil || e == nil {
		return "", false, err
	}
	return ev.textOf(e)
}

// integer evaluates an argument as an integer.
func (ev *evaluation) integer(n pathNode) (i int, ok bool, err error) {
	e, err := ev.argument(n)
	if err != nil || e == nil {
		return 0, false, err
	}
	if kindOf(e.Type) != pathInteger {
		return 0, false, ev.errorf("%s is of type %s; want an integer", e.describe(), e.Type)
	}
	d, ok := numberOf(e.Text)
	if !ok {
		return 0, false, nil
	}
	i64, err := d.Int64()
	return int(i64), err == nil, nil
}

// onTexts makes a function of the input and one argument; both must be there.
func onTexts(of func(ev *evaluation, s, arg string) error) func(*evaluation, *callNode, int) error {
	return func(ev *evaluation, c *callNode, base int) error {
		s, okS, err := ev.input(base)
		if err != nil {
			return err
		}
		arg, ok, err := ev.text(c.args[0])
		if err != nil || !ok || !okS {
			return err
		}
		return of(ev, s, arg)
	}
}

func onText(of func(ev *evaluation, s string) error) func(*evaluation, *callNode, int) error {
	return func(ev *evaluation, _ *callNode, base int) error {
		s, ok, err := ev.input(base)
		if err != nil || !ok {
			return err
		}
		return of(ev, s)
	}
}

// testText makes a function of the input and one argument that answers yes or no.
func testText(of func(s, arg string) bool) func(*evaluation, *callNode, int) error {
	return onTexts(func(ev *evaluation, s, arg string) error { return ev.answer(len(ev.stack), truthOf(of(s, arg))) })
}

func mapText(of func(string) string) func(*evaluation, *callNode, int) error {
	return onText(func(ev *evaluation, s string) error { return ev.pushText(of(s)) })
}

var (
	fnStartsWith = testText(strings.HasPrefix)
	fnEndsWith   = testText(strings.HasSuffix)
	fnContains   = testText(strings.Contains)
	fnUpper      = mapText(strings.ToUpper)
	fnLower      = mapText(strings.ToLower)
	fnTrim       = mapText(strings.TrimSpace)
	fnLength     = onText(func(ev *evaluation, s string) error {
		ev.push(integerElement(utf8.RuneCountInString(s)))
		return nil
	})
	fnIndexOf = onTexts(func(ev *evaluation, s, arg string) error {
		at := strings.Index(s, arg)
		if at > 0 {
			at = utf8.RuneCountInString(s[:at])
		}
		ev.push(integerElement(at))
		return nil
	})
	fnToChars = onText(func(ev *evaluation, s string) error {
		if err := ev.spend(valueSteps * len(s)); err != nil {
			return err
		}
		for _, r := range s {
			ev.push(computedElement("string", string(r)))
		}
		return nil
	})
	fnSplit = onTexts(func(ev *evaluation, s, separator string) error {
		if err := ev.spend(valueSteps * (1 + strings.Count(s, separator))); err != nil {
			return err
		}
		for _, part := range strings.Split(s, separator) {
			ev.push(computedElement("string", part))
		}
		return nil
	})
)

// fnSubstring is substring(start[, length]); a start beyond the string is empty.
func fnSubstring(ev *evaluation, c *callNode, base int) error {
	s, okS, err := ev.input(base)
	if err != nil {
		return err
	}
	start, ok, err := ev.integer(c.args[0])
	if err != nil {
		return err
	}
	n := len(s)
	if len(c.args) > 1 {
		m, given, err := ev.integer(c.args[1])
		if err != nil {
			return err
		}
		if given {
			n = max(m, 0)
		}
	}
	runes := []rune(s)
	if !okS || !ok || start < 0 || start >= len(runes) {
		return nil
	}
	return ev.pushText(string(runes[start : start+min(n, len(runes)-start)]))
}

// fnJoin makes one string of the input's strings.
func fnJoin(ev *evaluation, c *callNode, base int) error {
	separator := ""
	if len(c.args) > 0 {
		var err error
		if separator, _, err = ev.text(c.args[0]); err != nil {
			return err
		}
	}
	items := ev.stack[base:]
	if len(items) == 0 {
		return nil
	}
	parts := make([]string, 0, len(items))
	size := 0
	for _, e := range items {
		s, _, err := ev.textOf(e)
		if err != nil {
			return err
		}
		parts = append(parts, s)
		if size += len(s) + len(separator); size > maxPathText+len(separator) {
			return ev.tooLong(size)
		}
	}
	ev.stack = ev.stack[:base]
	return ev.pushText(strings.Join(parts, separator))
}

// fnReplace replaces plain text.
func fnReplace(ev *evaluation, c *callNode, base int) error {
	s, substitution, pattern, ok, err := ev.replacement(c, base)
	if err != nil || !ok {
		return err
	}
	if size := len(s) + strings.Count(s, pattern)*len(substitution); size > maxPathText {
		return ev.tooLong(size)
	}
	return ev.pushText(strings.ReplaceAll(s, pattern, substitution))
}

// replacement evaluates input and arguments of replace and replaceMatches.
func (ev *evaluation) replacement(c *callNode, base int) (s, substitution, pattern string, ok bool, err error) {
	s, okS, err := ev.input(base)
	if err != nil {
		return
	}
	pattern, okP, err := ev.text(c.args[0])
	if err != nil {
		return
	}
	substitution, okT, err := ev.text(c.args[1])
	return s, substitution, pattern, okS && okP && okT, err
}
