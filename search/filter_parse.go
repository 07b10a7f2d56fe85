package search

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// filter is a node of a _filter expression (R4 search_filter.html): a comparison, or and, or, not over parts.
//
//	filter     = operand *(("and" / "or") operand)           from left to right: neither binds closer
//	operand    = "(" filter ")" / "not" "(" filter ")" / comparison
//	comparison = path SP operator SP value
//	path       = name *("[" filter "]" "." name)             a name may be a chain, a.b.c
//	value      = JSON string / any characters but space, ")" and "]"
type filter struct {
	at    int // the character that it begins with, from 1
	word  string
	parts []*filter

	path      []filterStep
	op, value string
}

// filterStep is a name of a path, and what must hold of the resource that it leads to before the path goes on.
type filterStep struct {
	name  string
	where *filter // nil of the last
}

// maxFilterDepth is how deep parentheses and brackets of a _filter may stand in each other.
const maxFilterDepth = 50

// parseFilter reads an expression with at most so many comparisons. The error says where it is wrong.
func parseFilter(text string, most int) (*filter, error) {
	p := &filterParser{text: text, left: most}
	f, err := p.expression(0)
	if err != nil {
		return nil, err
	}
	if p.space(); p.pos < len(p.text) {
		return nil, p.wrong("there is more; write and, or or between two conditions")
	}
	return f, nil
}

type filterParser struct {
	text string
	pos  int
	left int // comparisons
}

// character is where the parser is, for a reader.
func (p *filterParser) character() int { return utf8.RuneCountInString(p.text[:p.pos]) + 1 }

func (p *filterParser) wrong(format string, args ...any) error {
	return fmt.Errorf("at character %d: %s", p.character(), fmt.Sprintf(format, args...))
}

func (p *filterParser) space() {
	p.pos += len(p.text[p.pos:]) - len(strings.TrimLeftFunc(p.text[p.pos:], unicode.IsSpace))
}

// word reads up to a space or one of the stops.
func (p *filterParser) word(stops string) string {
	rest := p.text[p.pos:]
	if i := strings.IndexFunc(rest, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(stops, r) }); i >= 0 {
		rest = rest[:i]
	}
	p.pos += len(rest)
	return rest
}

// next reports whether the next character is this one, and takes it.
func (p *filterParser) next(c byte) bool {
	if p.pos < len(p.text) && p.text[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

func (p *filterParser) expression(depth int) (*filter, error) {
	if depth > maxFilterDepth {
		return nil, p.wrong("parentheses and brackets stand more than %d deep", maxFilterDepth)
	}
	f, err := p.operand(depth)
	if err != nil {
		return nil, err
	}
	for {
		p.space()
		before := p.pos
		word := p.word("()[]")
		if word != "and" && word != "or" {
			p.pos = before
			return f, nil
		}
		right, err := p.operand(depth)
		if err != nil {
			return nil, err
		}
		if f.word == word {
			f.parts = append(f.parts, right)
		} else {
			f = &filter{at: f.at, word: word, parts: []*filter{f, right}}
		}
	}
}

func (p *filterParser) operand(depth int) (*filter, error) {
	p.space()
	at := p.character()
	if p.next('(') {
		return p.group(at, depth)
	}
	before := p.pos
	if p.word("()[]") == "not" {
		if p.space(); p.next('(') {
			f, err := p.group(at, depth)
			return &filter{at: at, word: "not", parts: []*filter{f}}, err
		}
	}
	p.pos = before
	return p.comparison(at, depth)
}

// group reads what stands in parentheses, after the first.
func (p *filterParser) group(at, depth int) (*filter, error) {
	f, err := p.expression(depth + 1)
	if err != nil {
		return nil, err
	}
	if p.space(); !p.next(')') {
		return nil, p.wrong("the parenthesis of character %d is not closed", at)
	}
	return f, nil
}

func (p *filterParser) comparison(at, depth int) (*filter, error) {
	if p.left--; p.left < 0 {
		return nil, p.wrong("there are more comparisons than are allowed")
	}
	f := &filter{at: at}
	for {
		step := filterStep{name: p.word("()[]")}
		if step.name == "" {
			return nil, p.wrong("a parameter is missing; write one, an operator and a value, as in name co \"pet\"")
		}
		open := p.character()
		if !p.next('[') {
			f.path = append(f.path, step)
			break
		}
		var err error
		if step.where, err = p.expression(depth + 1); err != nil {
			return nil, err
		}
		if p.space(); !p.next(']') {
			return nil, p.wrong("the bracket of character %d is not closed", open)
		}
		if !p.next('.') {
			return nil, p.wrong("after ] a . and the parameter of what %s leads to must follow", step.name)
		}
		f.path = append(f.path, step)
	}
	p.space()
	at = p.character()
	f.op = p.word("()[]")
	if filterOpOf(f.op) == nil {
		return nil, fmt.Errorf("at character %d: %q is no operator; known are %s", at, f.op, strings.Join(filterOpNames(), ", "))
	}
	p.space()
	var err error
	f.value, err = p.value()
	return f, err
}

func (p *filterParser) value() (string, error) {
	if p.pos == len(p.text) || p.text[p.pos] != '"' {
		value := p.word(")]")
		if value == "" {
			return "", p.wrong("a value is missing")
		}
		return value, nil
	}
	d := json.NewDecoder(strings.NewReader(p.text[p.pos:]))
	var value string
	if err := d.Decode(&value); err != nil {
		return "", p.wrong("the text is no JSON string; it ends with a quotation mark, and \\ escapes")
	}
	if value == "" {
		return "", p.wrong("the text is empty")
	}
	p.pos += int(d.InputOffset())
	if rest := p.text[p.pos:]; rest != "" && !strings.ContainsRune(")]", rune(rest[0])) {
		if r, _ := utf8.DecodeRuneInString(rest); !unicode.IsSpace(r) {
			return "", p.wrong("a space is missing after the text")
		}
	}
	return value, nil
}
