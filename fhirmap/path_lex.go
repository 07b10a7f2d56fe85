package fhirmap

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// tokenKind is what a token is; as a string it is how errors call it.
type tokenKind string

const (
	tokenEnd      tokenKind = "end of expression"
	tokenName     tokenKind = "name"     // a word, keywords too: as, contains and others are also elements
	tokenQuoted   tokenKind = "`name`"   // a delimited identifier
	tokenString   tokenKind = "string"   //
	tokenNumber   tokenKind = "number"   //
	tokenMoment   tokenKind = "date"     // @2012-04, @2012-04-01T10:00, @T10:00: the text after @
	tokenVariable tokenKind = "variable" // %resource: the name
	tokenSpecial  tokenKind = "$"        // $this: the name
	tokenSymbol   tokenKind = "symbol"   //
)

type pathToken struct {
	kind tokenKind
	text string // decoded
	at   int    // byte from 0
}

func (t pathToken) is(symbol string) bool { return t.kind == tokenSymbol && t.text == symbol }

func (t pathToken) String() string {
	switch t.kind {
	case tokenEnd:
		return string(t.kind)
	case tokenString:
		return "'" + t.text + "'"
	case tokenMoment:
		return "@" + t.text
	case tokenVariable:
		return "%" + t.text
	case tokenSpecial:
		return "$" + t.text
	}
	return strconv.Quote(t.text)
}

// pathSymbols are the symbols, the longer ones first.
var pathSymbols = strings.Fields("!= !~ <= >= . , ( ) [ ] { } | & = ~ < > + - * /")

// next reads the next token into p.tok.
func (p *pathParser) next() error {
	if err := p.skipSpace(); err != nil {
		return err
	}
	p.tok = pathToken{at: p.pos}
	if p.pos == len(p.text) {
		p.tok.kind = tokenEnd
		return nil
	}
	switch c := p.text[p.pos]; {
	case isLetter(c):
		p.take(tokenName, p.while(p.pos, isWord))
	case isDigit(c):
		end := p.while(p.pos, isDigit)
		// 1.5 is a number, the point of 1.toString() is not part of one.
		if end+1 < len(p.text) && p.text[end] == '.' && isDigit(p.text[end+1]) {
			end = p.while(end+1, isDigit)
		}
		p.take(tokenNumber, end)
	case c == '\'':
		return p.quoted(tokenString)
	case c == '`' || c == '"':
		return p.quoted(tokenQuoted)
	case c == '@':
		p.pos++
		p.take(tokenMoment, p.momentEnd())
	case c == '%':
		p.pos++
		if p.pos < len(p.text) && (p.text[p.pos] == '`' || p.text[p.pos] == '\'' || p.text[p.pos] == '"') {
			return p.quoted(tokenVariable)
		}
		p.take(tokenVariable, p.while(p.pos, isWord))
	case c == '$':
		p.pos++
		p.take(tokenSpecial, p.while(p.pos, isWord))
	default:
		for _, s := range pathSymbols {
			if strings.HasPrefix(p.text[p.pos:], s) {
				p.take(tokenSymbol, p.pos+len(s))
				return nil
			}
		}
		r, _ := utf8.DecodeRuneInString(p.text[p.pos:])
		return p.errorAt(p.pos, "found %q, which begins nothing in FHIRPath", r)
	}
	return nil
}

// take makes the text from p.pos to end the token.
func (p *pathParser) take(kind tokenKind, end int) {
	p.tok.kind, p.tok.text = kind, p.text[p.pos:end]
	p.pos = end
}

func (p *pathParser) while(from int, in func(byte) bool) int {
	for from < len(p.text) && in(p.text[from]) {
		from++
	}
	return from
}

// momentEnd finds the end of a date or time. A dot belongs to it only before digits and after seconds, and a sign only after T.
func (p *pathParser) momentEnd() int {
	end := p.while(p.pos, func(c byte) bool { return isDigit(c) || c == '-' })
	if end == len(p.text) || p.text[end] != 'T' {
		return end
	}
	end = p.while(end+1, func(c byte) bool { return isDigit(c) || c == ':' })
	if end+1 < len(p.text) && p.text[end] == '.' && isDigit(p.text[end+1]) {
		end = p.while(end+1, isDigit)
	}
	switch {
	case end < len(p.text) && p.text[end] == 'Z':
		end++
	case end+5 < len(p.text) && (p.text[end] == '+' || p.text[end] == '-') && p.text[end+3] == ':':
		end += 6
	}
	return end
}

// skipSpace skips white space and comments.
func (p *pathParser) skipSpace() error {
	for p.pos < len(p.text) {
		rest := p.text[p.pos:]
		switch {
		case strings.IndexByte(" \t\r\n", rest[0]) >= 0:
			p.pos++
		case strings.HasPrefix(rest, "//"):
			n := strings.IndexByte(rest, '\n')
			if n < 0 {
				n = len(rest)
			}
			p.pos += n
		case strings.HasPrefix(rest, "/*"):
			n := strings.Index(rest[2:], "*/")
			if n < 0 {
				return p.errorAt(p.pos, "found a comment without its end, want */")
			}
			p.pos += n + 4
		default:
			return nil
		}
	}
	return nil
}

// escapes are the letters after a backslash and what they mean.
const escapes, escaped = "rntf'\"`\\/", "\r\n\t\f'\"`\\/"

// quoted reads a string or delimited name and decodes its escapes.
func (p *pathParser) quoted(kind tokenKind) error {
	start, quote := p.pos, p.text[p.pos]
	var b strings.Builder
	for p.pos++; p.pos < len(p.text); p.pos++ {
		switch c := p.text[p.pos]; c {
		case quote:
			p.pos++
			p.tok.kind, p.tok.text = kind, b.String()
			return nil
		case '\\':
			p.pos++
			if p.pos == len(p.text) {
				continue
			}
			if i := strings.IndexByte(escapes, p.text[p.pos]); i >= 0 {
				b.WriteByte(escaped[i])
				continue
			}
			if p.text[p.pos] == 'u' && p.pos+4 < len(p.text) {
				if r, err := strconv.ParseUint(p.text[p.pos+1:p.pos+5], 16, 16); err == nil {
					b.WriteRune(rune(r))
					p.pos += 4
					continue
				}
			}
			return p.errorAt(p.pos-1, "found an escape that is none, want \\' \\\" \\` \\\\ \\/ \\f \\n \\r \\t or \\u and four hex digits")
		default:
			b.WriteByte(c)
		}
	}
	return p.errorAt(start, "found text without its closing quote, want %c", quote)
}

func (p *pathParser) errorAt(at int, format string, args ...any) error {
	return Errorf(CodeInvalid, "", "path %q at %d: "+format, append([]any{p.text, at + 1}, args...)...)
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isWord(c byte) bool   { return isLetter(c) || isDigit(c) }
