package search

import (
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
)

// list splits a value at its commas, still escaped, and holds it to the limits.
func (a *ask) list(value string) ([]string, *fhirmap.Outcome) {
	values := splitEscaped(value, ',')
	if len(values) > a.options.MaxOr {
		return nil, a.fail(fhirmap.CodeTooLong, "%d values are more than the %d that one list may have", len(values), a.options.MaxOr)
	}
	for _, v := range values {
		if v == "" {
			return nil, a.bad("an empty value; give a value, or leave the parameter out")
		}
	}
	return values, nil
}

// splitEscaped splits at a separator that no backslash escapes (R4 3.1.1.4.0.1). The parts keep their escapes.
func splitEscaped(s string, sep byte) []string {
	if strings.IndexByte(s, sep) < 0 {
		return []string{s}
	}
	var out []string
	start := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case sep:
			out = append(out, s[start:i])
			start = i + 1
		}
	}
	return append(out, s[start:])
}

// unescape takes the backslashes from \, \$ \| and \\; before anything else a backslash stands for itself.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && strings.IndexByte(`,$|\`, s[i+1]) >= 0 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// Escape makes of a text one value that is that text.
func Escape(s string) string { return escaper.Replace(s) }

var escaper = strings.NewReplacer(`\`, `\\`, ",", `\,`, "$", `\$`, "|", `\|`)
