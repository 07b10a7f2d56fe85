package fhirmap

import (
	"bytes"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"strconv"
)

// A splice replaces the bytes from start to end of a text.
type splice struct {
	start, end int
	text       string
}

var xmlEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", `"`, "&quot;", "'", "&#39;")

// narrativeLinks finds what link replaces in a href and img src of a div that checkNarrative accepts, in order.
func narrativeLinks(div string, link func(string) (string, bool)) (splices []splice) {
	if !strings.Contains(div, "href") && !strings.Contains(div, "src") {
		return nil
	}
	x := &xhtml{rest: div}
	for {
		_, after, ok := strings.Cut(x.rest, "<")
		if !ok {
			return splices
		}
		x.rest = after
		if strings.HasPrefix(after, "!--") {
			_, x.rest, _ = strings.Cut(after, "-->")
			continue
		}
		element := x.name()
		for {
			x.space()
			attribute := x.name()
			x.space()
			value, ok := strings.CutPrefix(x.rest, "=")
			value = strings.TrimLeft(value, " \t\r\n")
			if attribute == "" || !ok || len(value) < 2 {
				break
			}
			start := len(div) - len(value) + 1
			value, x.rest, _ = strings.Cut(value[1:], value[:1])
			if !(element == "a" && attribute == "href" || element == "img" && attribute == "src") {
				continue
			}
			address, _ := new(xhtml).text(value)
			if text, ok := link(address); ok && text != address {
				splices = append(splices, splice{start, start + len(value), xmlEscapes.Replace(text)})
			}
		}
	}
}

// appendSpliced appends a JSON string in which splices of its text are made; what lies around them keeps its spelling.
func appendSpliced(b, json []byte, splices []splice) []byte {
	at, decoded := 1, 0
	skip := func(to int) { // steps over the text before a place
		for decoded < to && at < len(json)-1 {
			if json[at] != '\\' {
				at++
				decoded++
				continue
			}
			spelled, size := escapeSizes(json[at:])
			at += spelled
			decoded += size
		}
	}
	from := 0
	for _, s := range splices {
		skip(s.start)
		b = append(b, json[from:at]...)
		quoted := appendText(nil, s.text)
		b = append(b, quoted[1:len(quoted)-1]...)
		skip(s.end)
		from = at
	}
	return append(b, json[from:]...)
}

// escapeSizes returns how many bytes the escape at the beginning takes, and how many the character that it stands for.
func escapeSizes(json []byte) (spelled, decoded int) {
	unit := func(at int) rune {
		if len(json) < at+6 || !bytes.HasPrefix(json[at:], []byte(`\u`)) {
			return -1
		}
		n, err := strconv.ParseUint(string(json[at+2:at+6]), 16, 16)
		if err != nil {
			return -1
		}
		return rune(n)
	}
	r := unit(0)
	switch {
	case r < 0:
		return 2, 1
	case utf16.IsSurrogate(r):
		if pair := utf16.DecodeRune(r, unit(6)); pair != utf8.RuneError {
			return 12, utf8.RuneLen(pair)
		}
		r = utf8.RuneError
	}
	return 6, utf8.RuneLen(r)
}
