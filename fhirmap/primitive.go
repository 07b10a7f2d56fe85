package fhirmap

import (
	"fmt"
	"strconv"
	"strings"
)

// A primitive is a primitive type of R4 (section 2.24.0.1): how JSON writes it, and a check of its text that says what would be
// right, "" if it is. A check sees no empty text.
type primitive struct {
	kind  kind
	check func(text string) string
}

var primitives = map[string]primitive{
	"base64Binary": {kindString, checkBase64},
	"boolean":      {kindBoolean, nil},
	"canonical":    {kindString, checkURI},
	"code":         {kindString, checkCode},
	"date":         {kindString, checkDate},
	"dateTime":     {kindString, checkDateTime},
	"decimal":      {kindNumber, nil},
	"id":           {kindString, checkID},
	"instant":      {kindString, checkInstant},
	"integer":      {kindNumber, checkInteger},
	"markdown":     {kindString, checkString},
	"oid":          {kindString, checkOID},
	"positiveInt":  {kindNumber, checkPositiveInt},
	"string":       {kindString, checkString},
	"time":         {kindString, checkTime},
	"unsignedInt":  {kindNumber, checkUnsignedInt},
	"uri":          {kindString, checkURI},
	"url":          {kindString, checkURI},
	"uuid":         {kindString, checkUUID},
	"xhtml":        {kindString, checkNarrative},
}

// maxString is the size of a string in bytes: "strings SHALL NOT exceed 1MB".
const maxString = 1 << 20

func checkString(s string) string {
	if len(s) > maxString {
		return fmt.Sprintf("is %d bytes long; a string may have %d", len(s), maxString)
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' && c != '\r' && c != '\n' {
			return fmt.Sprintf("has the control character U+%04X; only tab, carriage return and line feed may be in a string", c)
		}
	}
	return ""
}

func checkURI(s string) string {
	for i := range len(s) {
		if s[i] <= ' ' {
			return fmt.Sprintf("%s has white space or a control character; a uri has none", quote(s))
		}
	}
	return ""
}

func checkCode(s string) string {
	space := true // so that the first may not be one
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ':
			return fmt.Sprintf("%s has a control character; a code has none", quote(s))
		case c == ' ' && (space || i == len(s)-1):
			return fmt.Sprintf("%s is not a code; a code has single spaces only, and none around it", quote(s))
		default:
			space = c == ' '
		}
	}
	return ""
}

// IsID tells whether a string is an id: 1 to 64 ASCII letters, digits, - and . (R4 section 2.24.0.1).
func IsID(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || isDigit(c) || c == '-' || c == '.') {
			return false
		}
	}
	return true
}

func checkID(s string) string {
	if !IsID(s) {
		return fmt.Sprintf("%s is not an id; an id is 1 to 64 letters, digits, - and .", quote(s))
	}
	return ""
}

func checkOID(s string) string {
	rest, ok := strings.CutPrefix(s, "urn:oid:")
	arcs := strings.Split(rest, ".")
	ok = ok && len(arcs) > 1 && len(arcs[0]) == 1 && arcs[0][0] >= '0' && arcs[0][0] <= '2'
	for _, arc := range arcs {
		ok = ok && allDigits(arc) && (arc == "0" || arc[0] != '0')
	}
	if !ok {
		return fmt.Sprintf("%s is not an oid such as urn:oid:2.16.840.1", quote(s))
	}
	return ""
}

func checkUUID(s string) string {
	rest, ok := strings.CutPrefix(s, "urn:uuid:")
	ok = ok && len(rest) == 36
	for i := 0; ok && i < len(rest); i++ {
		switch c := rest[i]; i {
		case 8, 13, 18, 23:
			ok = c == '-'
		default:
			ok = isDigit(c) || c >= 'a' && c <= 'f'
		}
	}
	if !ok {
		return fmt.Sprintf("%s is not a uuid such as urn:uuid:c757873d-ec9a-4326-a141-556f43239520, in lower case", quote(s))
	}
	return ""
}

// checkBase64 takes white space anywhere, as R4's regular expression does around every four characters.
func checkBase64(s string) string {
	n, pad := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || isDigit(c) || c == '+' || c == '/':
			if pad > 0 {
				return "has data after the padding =; base64 ends with it"
			}
			n++
		case c == '=':
			pad++
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
		default:
			return fmt.Sprintf("has %q at byte %d; base64 has letters, digits, +, / and = only", c, i)
		}
	}
	if pad > 2 || (n+pad)%4 != 0 || n == 0 {
		return fmt.Sprintf("has %d characters and %d of padding; base64 comes in groups of four, padded with one or two =", n, pad)
	}
	return ""
}

func checkInteger(s string) string {
	if _, err := strconv.ParseInt(s, 10, 32); err != nil || s == "-0" {
		return fmt.Sprintf("%s is not an integer from -2147483648 to 2147483647, without fraction or exponent", clip(s))
	}
	return ""
}

func checkUnsignedInt(s string) string {
	if n, err := strconv.ParseInt(s, 10, 32); err != nil || n < 0 || s == "-0" {
		return fmt.Sprintf("%s is not an integer from 0 to 2147483647, without fraction or exponent", clip(s))
	}
	return ""
}

func checkPositiveInt(s string) string {
	if n, err := strconv.ParseInt(s, 10, 32); err != nil || n < 1 {
		return fmt.Sprintf("%s is not an integer from 1 to 2147483647, without fraction or exponent", clip(s))
	}
	return ""
}

func checkDate(s string) string {
	if rest, ok := scanDate(s); !ok || rest != "" {
		return fmt.Sprintf("%s is not a date such as 2012, 2012-04 or 2012-04-01", quote(s))
	}
	return ""
}

func checkDateTime(s string) string {
	rest, ok := scanDate(s)
	if ok && rest != "" {
		ok = len(s)-len(rest) == len("2012-04-01") && scanMoment(rest)
	}
	if !ok {
		return fmt.Sprintf("%s is not a dateTime such as 2012, 2012-04, 2012-04-01 or, with seconds and zone, 2012-04-01T10:30:00+02:00", quote(s))
	}
	return ""
}

func checkInstant(s string) string {
	rest, ok := scanDate(s)
	if !ok || len(s)-len(rest) != len("2012-04-01") || !scanMoment(rest) {
		return fmt.Sprintf("%s is not an instant with seconds and zone such as 2012-04-01T10:30:00.123Z", quote(s))
	}
	return ""
}

func checkTime(s string) string {
	if rest, ok := scanClock(s); !ok || rest != "" {
		return fmt.Sprintf("%s is not a time such as 10:30:00", quote(s))
	}
	return ""
}

// scanDate reads YYYY, YYYY-MM or YYYY-MM-DD, a day that exists, and returns what follows.
func scanDate(s string) (rest string, ok bool) {
	year, s, ok := scanNumber(s, 4)
	if !ok || year == 0 {
		return s, false
	}
	if s == "" || s[0] != '-' {
		return s, true
	}
	month, s, ok := scanNumber(s[1:], 2)
	if !ok || month < 1 || month > 12 {
		return s, false
	}
	if s == "" || s[0] != '-' {
		return s, true
	}
	day, s, ok := scanNumber(s[1:], 2)
	days := [...]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}[month-1]
	if month == 2 && year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		days = 29
	}
	return s, ok && day >= 1 && day <= days
}

// scanMoment reads Thh:mm:ss[.fff]zone.
func scanMoment(s string) bool {
	if s == "" || s[0] != 'T' {
		return false
	}
	zone, ok := scanClock(s[1:])
	if !ok || zone == "Z" {
		return ok
	}
	if zone == "" || zone[0] != '+' && zone[0] != '-' {
		return false
	}
	hours, zone, ok := scanNumber(zone[1:], 2)
	if !ok || zone == "" || zone[0] != ':' {
		return false
	}
	minutes, zone, ok := scanNumber(zone[1:], 2)
	return ok && zone == "" && minutes < 60 && hours*60+minutes <= 14*60
}

// scanClock reads hh:mm:ss[.fff]; a leap second is 60.
func scanClock(s string) (rest string, ok bool) {
	for i, limit := range [...]int{23, 59, 60} {
		if i > 0 {
			if s == "" || s[0] != ':' {
				return s, false
			}
			s = s[1:]
		}
		var n int
		if n, s, ok = scanNumber(s, 2); !ok || n > limit {
			return s, false
		}
	}
	if s == "" || s[0] != '.' {
		return s, true
	}
	digits := 1
	for digits < len(s) && isDigit(s[digits]) {
		digits++
	}
	return s[digits:], digits > 1
}

func scanNumber(s string, digits int) (n int, rest string, ok bool) {
	if len(s) < digits {
		return 0, s, false
	}
	for i := range digits {
		if !isDigit(s[i]) {
			return 0, s, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, s[digits:], true
}

func allDigits(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

// clip shortens a value that an error repeats.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

func quote(s string) string { return strconv.Quote(clip(s)) }
