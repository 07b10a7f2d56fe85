package fhirmap

import (
	"encoding/xml"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The XHTML that a Narrative may have (R4 section 2.4.0, rule txt-1): the elements of HTML 4 chapters 7 to 11 without
// section 9.4 and of chapter 15, links and images, without those that HTML 4 deprecates; the attributes of those elements.
var (
	narrativeElements = setOf(`a abbr acronym address b bdo big blockquote br caption cite code col colgroup dd dfn div dl dt em
		h1 h2 h3 h4 h5 h6 hr i img kbd li ol p pre q samp small span strong sub sup table tbody td tfoot th thead tr tt ul var`)
	narrativeAttributes = setOf(`abbr accesskey align alt axis bgcolor border cellpadding cellspacing char charoff charset cite class
		clear color colspan compact coords dir frame headers height href hreflang hspace id lang longdesc name nowrap rel rev rowspan
		rules scope shape span src start style summary tabindex title type valign value vspace width xml:lang xml:space xmlns`)
	linkAttributes = setOf(`cite href longdesc src`)
	linkSchemes    = setOf(`cid ftp ftps http https mailto sftp tel urn`)
)

const xhtmlNamespace = "http://www.w3.org/1999/xhtml"

func setOf(words string) map[string]bool {
	set := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		set[w] = true
	}
	return set
}

// checkNarrative says what is wrong with the div of a Narrative, "" if nothing is.
//
// A browser may well be given the div as HTML, not XML. So what is harmless XML but something else to an HTML parser is refused
// too: CDATA sections, comments that HTML ends early, addresses with a scheme that could run, styles that could.
//
// A div without content is let pass, though txt-2 forbids it: R4's own examples have some, and it does no harm.
func checkNarrative(s string) string {
	x := &xhtml{rest: strings.Trim(s, " \t\r\n")}
	x.size = len(x.rest)
	if !strings.HasPrefix(x.rest, "<div") {
		return `does not begin with <div; the narrative is one div element, <div xmlns="` + xhtmlNamespace + `">`
	}
	for len(x.rest) > 0 && x.wrong == "" {
		x.next()
	}
	switch {
	case x.wrong != "":
		return x.wrong
	case len(x.open) > 0:
		return fmt.Sprintf("ends before the element %s is closed; it must be well-formed XML", x.open[len(x.open)-1])
	}
	return ""
}

// xhtml reads a div.
type xhtml struct {
	rest  string
	size  int
	open  []string
	ended bool // the root was closed
	wrong string
}

func (x *xhtml) fail(format string, args ...any) {
	x.wrong = fmt.Sprintf(format, args...) + fmt.Sprintf(", at byte %d of it", x.size-len(x.rest))
}

// next reads text up to markup, or markup.
func (x *xhtml) next() {
	if x.ended {
		x.fail("has more after its end; the narrative is one div element")
		return
	}
	if text := x.rest[:until(x.rest, '<')]; text != "" {
		if strings.Contains(text, "]]>") {
			x.fail("has ]]> in text; write ]]&gt;")
			return
		}
		if _, ok := x.text(text); ok {
			x.rest = x.rest[len(text):]
		}
		return
	}
	switch {
	case strings.HasPrefix(x.rest, "<!--"):
		x.comment()
	case strings.HasPrefix(x.rest, "<!"), strings.HasPrefix(x.rest, "<?"):
		x.fail("has %s; it may have elements, text and comments only", quote(x.rest[:min(9, len(x.rest))]))
	case strings.HasPrefix(x.rest, "</"):
		x.end()
	default:
		x.start()
	}
}

func until(s string, c byte) int {
	if i := strings.IndexByte(s, c); i >= 0 {
		return i
	}
	return len(s)
}

func (x *xhtml) comment() {
	body, after, ok := strings.Cut(x.rest[len("<!--"):], "--")
	if !ok || !strings.HasPrefix(after, ">") {
		x.fail("has a comment that does not end with -->, or has -- within; it must be well-formed XML")
		return
	}
	if strings.HasPrefix(body, ">") || strings.HasPrefix(body, "->") || strings.HasSuffix(body, "-") {
		x.fail("has a comment that begins with > or ends with a dash, where HTML and XML disagree; leave it out")
		return
	}
	if x.checkCharacters(body) {
		x.rest = after[1:]
	}
}

// name takes an XML name off the front; only names of the lists matter.
func (x *xhtml) name() string {
	i := 0
	for i < len(x.rest) && !strings.ContainsRune(" \t\r\n/>=<\"'&", rune(x.rest[i])) {
		i++
	}
	name := x.rest[:i]
	x.rest = x.rest[i:]
	return name
}

func (x *xhtml) space() bool {
	trimmed := strings.TrimLeft(x.rest, " \t\r\n")
	some := len(trimmed) < len(x.rest)
	x.rest = trimmed
	return some
}

func (x *xhtml) end() {
	x.rest = x.rest[len("</"):]
	name := x.name()
	x.space()
	if !strings.HasPrefix(x.rest, ">") || len(x.open) == 0 || x.open[len(x.open)-1] != name {
		x.fail("closes %s where %s is open; it must be well-formed XML", quote(name), strings.Join(x.open[max(0, len(x.open)-1):], ""))
		return
	}
	x.rest = x.rest[1:]
	x.close()
}

func (x *xhtml) close() {
	x.open = x.open[:len(x.open)-1]
	x.ended = len(x.open) == 0
}

func (x *xhtml) start() {
	x.rest = x.rest[1:]
	element := x.name()
	if !narrativeElements[element] {
		x.fail("has the element %s; a narrative may have basic formatting, lists, tables, links and images only (txt-1)", quote(element))
		return
	}
	var seen []string
	namespace := false
	for {
		spaced := x.space()
		if strings.HasPrefix(x.rest, ">") || strings.HasPrefix(x.rest, "/>") {
			break
		}
		if !spaced || x.rest == "" {
			x.fail("has a tag of %s that is not well formed", element)
			return
		}
		attribute := x.name()
		value, ok := x.attributeValue(element, attribute)
		if !ok {
			return
		}
		if slices.Contains(seen, attribute) {
			x.fail("has the attribute %s of %s twice", attribute, element)
			return
		}
		seen = append(seen, attribute)
		if x.attribute(element, attribute, value); x.wrong != "" {
			return
		}
		namespace = namespace || attribute == "xmlns"
	}
	if len(x.open) == 0 && !(element == "div" && namespace) {
		x.fail(`begins with another element, or without its namespace; the narrative is one <div xmlns="%s">`, xhtmlNamespace)
		return
	}
	x.open = append(x.open, element)
	if x.rest[0] == '/' {
		x.rest = x.rest[1:]
		x.close()
	}
	x.rest = x.rest[1:]
}

// attributeValue reads ="value" and decodes it.
func (x *xhtml) attributeValue(element, attribute string) (string, bool) {
	x.space()
	after, ok := strings.CutPrefix(x.rest, "=")
	after = strings.TrimLeft(after, " \t\r\n")
	if !ok || after == "" || after[0] != '"' && after[0] != '\'' {
		x.fail("has the attribute %s of %s without a quoted value; it must be well-formed XML", quote(attribute), element)
		return "", false
	}
	value, rest, ok := strings.Cut(after[1:], after[:1])
	if !ok || strings.Contains(value, "<") {
		x.fail("has a value of %s that is not closed, or has < within; it must be well-formed XML", quote(attribute))
		return "", false
	}
	decoded, ok := x.text(value)
	if ok {
		x.rest = rest
	}
	return decoded, ok
}

// attribute checks one attribute.
func (x *xhtml) attribute(element, name, value string) {
	switch {
	case !narrativeAttributes[name]:
		x.fail("has the attribute %s of %s; a narrative has no scripts, events, forms or frames (txt-1)", quote(name), element)
	case name == "xmlns" && value != xhtmlNamespace:
		x.fail("has the namespace %s; it must be %s", quote(value), xhtmlNamespace)
	case linkAttributes[name]:
		if wrong := checkLink(name, value); wrong != "" {
			x.fail("has %s %s of %s, %s", name, quote(value), element, wrong)
		}
	case name == "style":
		if wrong := checkStyle(value); wrong != "" {
			x.fail("has the style %s of %s, %s", quote(value), element, wrong)
		}
	}
}

// checkLink refuses addresses that could run: those of a scheme that is not listed. Images may be data.
func checkLink(attribute, value string) string {
	address := strings.Map(func(r rune) rune { // browsers skip these
		if r <= ' ' {
			return -1
		}
		return r
	}, value)
	scheme, rest, ok := strings.Cut(address, ":")
	if !ok || strings.ContainsAny(scheme, "/?#") {
		return "" // relative
	}
	scheme = strings.ToLower(scheme)
	if linkSchemes[scheme] || attribute == "src" && scheme == "data" && strings.HasPrefix(strings.ToLower(rest), "image/") {
		return ""
	}
	return "which may be relative, #fragment, http(s), ftp, mailto, tel, urn or, for an image, data"
}

// besideImage is the name of an image in the same place as the page that shows the narrative: it asks no other host. The narratives of all
// published implementation guides have such.
var besideImage = regexp.MustCompile(`^[a-z0-9_-]+\.(png|gif|jpg)["']?\)`)

// checkStyle refuses what a style could run or fetch.
func checkStyle(value string) string {
	style := strings.ToLower(strings.Map(func(r rune) rune {
		if r <= ' ' {
			return -1
		}
		return r
	}, value))
	for _, bad := range []string{`\`, "/*", "expression(", "javascript:", "vbscript:", "behavior:", "-moz-binding", "@import", "<"} {
		if strings.Contains(style, bad) {
			return "with " + bad + "; a style may only format"
		}
	}
	for rest := style; ; {
		_, after, ok := strings.Cut(rest, "url(")
		if !ok {
			return ""
		}
		address := strings.TrimLeft(after, `"'`)
		if !strings.HasPrefix(address, "data:image/") && !besideImage.MatchString(address) {
			return "with an address; a style may have data: images only, or an image beside the page"
		}
		rest = after
	}
}

// text decodes the references of a text or attribute value.
func (x *xhtml) text(s string) (string, bool) {
	if !x.checkCharacters(s) {
		return "", false
	}
	if !strings.Contains(s, "&") {
		return s, true
	}
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(s, "&")
		b.WriteString(before)
		if !ok {
			return b.String(), true
		}
		name, rest, ok := strings.Cut(after, ";")
		r := reference(name)
		if !ok || r == "" {
			x.fail("has %s; write & as &amp;, or name a character of HTML 4", quote("&"+after[:min(len(after), 10)]))
			return "", false
		}
		b.WriteString(r)
		s = rest
	}
}

// reference returns the character of &name;, "" if there is none.
func reference(name string) string {
	digits, numeric := strings.CutPrefix(name, "#")
	if !numeric {
		switch name {
		case "amp":
			return "&"
		case "lt":
			return "<"
		case "gt":
			return ">"
		case "quot":
			return `"`
		case "apos":
			return "'"
		}
		return xml.HTMLEntity[name]
	}
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil || !isXMLCharacter(rune(n)) {
		return ""
	}
	return string(rune(n))
}

// isXMLCharacter is production 2 of XML 1.0.
func isXMLCharacter(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= ' ' && utf8.ValidRune(r) && r != 0xFFFE && r != 0xFFFF
}

func (x *xhtml) checkCharacters(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0xEF && (s[i:min(i+3, len(s))] == "\uFFFE" || s[i:min(i+3, len(s))] == "\uFFFF") {
			x.fail("has a character that XML has not")
			return false
		}
	}
	return true
}
