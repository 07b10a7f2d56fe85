package search

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxString is how many bytes of a string are indexed, normalised or not. What lies beyond is found by no search; an exact
// match compares the length too.
const maxString = 4096

// normalise makes the form in which strings are compared: compatibility decomposition without marks, case folded, every run of
// punctuation, spaces and controls one space, none at the ends; at most maxString bytes, cut between characters (R4 3.1.1.4.8).
func normalise(s string) string {
	if !ascii(s) {
		s = norm.NFKD.String(strings.ToValidUTF8(s, "\ufffd"))
	}
	b := make([]byte, 0, min(len(s), maxString))
	gap := false
	for _, r := range s {
		if blank(r) {
			gap = len(b) > 0
			continue
		}
		if r >= utf8.RuneSelf && unicode.Is(unicode.M, r) {
			continue
		}
		if len(b)+1+utf8.UTFMax > maxString {
			break
		}
		if gap {
			b = append(b, ' ')
			gap = false
		}
		if r = foldRune(r); r == 'ß' {
			b = append(b, "ss"...)
		} else {
			b = utf8.AppendRune(b, r)
		}
	}
	return string(b)
}

// blank reports whether a character counts as a space.
func blank(r rune) bool {
	if r < utf8.RuneSelf {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return false
		}
		return strings.IndexByte("$+<=>^`|~", byte(r)) < 0
	}
	return unicode.IsPunct(r) || unicode.IsSpace(r) || unicode.IsControl(r)
}

// fold makes the form in which codes are compared that do not differ by case.
func fold(s string) string {
	if ascii(s) {
		return strings.ToLower(s)
	}
	return strings.Map(foldRune, s)
}

// foldRune maps the letters that differ by case alone to one of them: by way of the capital, since some capitals have several
// small letters (sigma).
func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}
	return unicode.ToLower(unicode.ToUpper(r))
}

func ascii(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
