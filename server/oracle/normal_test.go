package oracle

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// words are what a text says without accents, case and punctuation (R4 3.1.1.4.8).
func words(s string) []string {
	s = norm.NFKD.String(s)
	s = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.M, r) {
			return -1
		}
		return r
	}, s)
	s = norm.NFKD.String(cases.Fold().String(s))
	return strings.FieldsFunc(s, func(r rune) bool { return unicode.IsPunct(r) || unicode.IsSpace(r) || unicode.IsControl(r) })
}

func normal(s string) string { return strings.Join(words(s), " ") }

// foldCode makes one of all that differ by the case of single letters alone.
func foldCode(s string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
			least = min(least, o)
		}
		return unicode.ToLower(least)
	}, s)
}

// split cuts at a separator before which no backslash stands; the parts keep their backslashes (R4 3.1.1.4.0.1).
func split(s string, sep rune) []string {
	var parts []string
	var part strings.Builder
	escaped := false
	for _, r := range s {
		if r == sep && !escaped {
			parts = append(parts, part.String())
			part.Reset()
			continue
		}
		escaped = r == '\\' && !escaped
		part.WriteRune(r)
	}
	return append(parts, part.String())
}

var escapes = []string{`\\`, `\`, `\,`, `,`, `\$`, `$`, `\|`, `|`}

func plain(s string) string { return strings.NewReplacer(escapes...).Replace(s) }

// escaped is what to write in a URL for a text that is to be taken as it is.
func escaped(s string) string {
	return strings.NewReplacer(`\`, `\\`, `,`, `\,`, `$`, `\$`, `|`, `\|`).Replace(s)
}
