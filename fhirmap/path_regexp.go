package fhirmap

import (
	"fmt"
	"regexp"
	"regexp/syntax"
)

// pattern is a regular expression of Go's: without look-around, and its time grows with its size and the text only.
type pattern struct {
	*regexp.Regexp
	size int // about how many instructions it takes
}

const maxPatternSize = 5000 // a{1000} counts as a thousand

// How a function uses its pattern. FHIRPath's dot matches line ends too.
const partly, wholly = "(?s)%s", `(?s)\A(?:%s)\z`

func (f pathFunction) pattern(s string) (*pattern, error) {
	s = fmt.Sprintf(f.regexp, s)
	tree, err := syntax.Parse(s, syntax.Perl)
	if err != nil {
		return nil, err
	}
	size := patternSize(tree)
	if size > maxPatternSize {
		return nil, fmt.Errorf("the regular expression takes some %d instructions; it may take %d", size, maxPatternSize)
	}
	re, err := regexp.Compile(s)
	if err != nil {
		return nil, err
	}
	return &pattern{re, size}, nil
}

// patternSize estimates the size before compiling, which is what a large repeat makes dear.
func patternSize(re *syntax.Regexp) int {
	size := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		size += patternSize(sub)
	}
	if re.Op == syntax.OpRepeat {
		size *= max(re.Max, re.Min+1)
	}
	return min(size, 1<<30)
}

// regexp returns the compiled pattern of a call and pays for its use on a text.
func (ev *evaluation) regexp(c *callNode, source, on string) (*regexp.Regexp, error) {
	p := c.pattern
	if p == nil {
		var err error
		if p, err = c.fn.pattern(source); err != nil {
			return nil, ev.errorf("%v", err)
		}
		if err := ev.spend(100 * (len(source) + p.size)); err != nil {
			return nil, err
		}
	}
	return p.Regexp, ev.spend(1 + len(on)*p.size/8)
}

// fnMatches answers whether a part of the input, and matchesFull whether the whole, is as the regular expression says.
func fnMatches(ev *evaluation, c *callNode, base int) error {
	return onTexts(func(ev *evaluation, s, source string) error {
		re, err := ev.regexp(c, source, s)
		if err != nil {
			return err
		}
		return ev.answer(len(ev.stack), truthOf(re.MatchString(s)))
	})(ev, c, base)
}

// groupNumber finds $1, which Go wants as ${1} before a letter.
var groupNumber = regexp.MustCompile(`\$([0-9]+)`)

// fnReplaceMatches replaces what a regular expression matches; $1 stands for its first group.
func fnReplaceMatches(ev *evaluation, c *callNode, base int) error {
	s, substitution, pattern, ok, err := ev.replacement(c, base)
	if err != nil || !ok {
		return err
	}
	re, err := ev.regexp(c, pattern, s)
	if err != nil {
		return err
	}
	if size := (len(s) + 1) * (len(substitution) + 1); size > 16*maxPathText {
		return ev.tooLong(size)
	}
	return ev.pushText(re.ReplaceAllString(s, groupNumber.ReplaceAllString(substitution, "$${$1}")))
}
