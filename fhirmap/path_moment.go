package fhirmap

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// moment is a date, dateTime or time with the precision it was written in (FHIRPath section 4.1.5).
type moment struct {
	part   [7]int // year, month, day, hour, minute, second, nanosecond; a time has no date
	known  int    // how many parts are known; a second knows its nanoseconds
	clock  bool   // a time of day
	dotted bool   // written with T: a dateTime even if it is a date only
	zoned  bool
	offset int // minutes east of UTC
}

const (
	partYear, partMonth, partDay, partHour, partMinute, partSecond = 0, 1, 2, 3, 4, 5
)

// parseMoment reads YYYY[-MM[-DD]][T[hh[:mm[:ss[.fff]]][Z|±hh:mm]]] or Thh[:mm[:ss[.fff]]], each part within its bounds.
func parseMoment(s string) (m moment, ok bool) {
	day, rest, timed := strings.Cut(s, "T")
	if day == "" && timed {
		m.clock = true
	} else {
		m.dotted = timed
		for i, p := range strings.SplitN(day, "-", 3) {
			width, low, high := 2, 1, 12
			switch i {
			case partYear:
				width, high = 4, 9999
			case partDay:
				high = daysIn(m.part[partYear], m.part[partMonth])
			}
			if m.part[i], ok = digitsWithin(p, width, low, high); !ok {
				return m, false
			}
			m.known = i + 1
		}
	}
	if !timed || rest == "" && !m.clock {
		return m, true
	}
	if !m.clock && m.known < partHour {
		return m, false
	}
	if at := strings.IndexAny(rest, "Z+-"); at >= 0 {
		if m.clock || !m.zone(rest[at:]) {
			return m, false
		}
		rest = rest[:at]
	}
	whole, fraction, dotted := strings.Cut(rest, ".")
	for i, p := range strings.SplitN(whole, ":", 3) {
		high := 59
		switch i + partHour {
		case partHour:
			high = 23
		case partSecond:
			high = 60 // a leap second
		}
		if m.part[i+partHour], ok = digitsWithin(p, 2, 0, high); !ok {
			return m, false
		}
		m.known = i + partHour + 1
	}
	if !dotted {
		return m, true
	}
	if len(fraction) > 9 {
		fraction = fraction[:9]
	}
	n, ok := digitsWithin(fraction, len(fraction), 0, 999_999_999)
	for range 9 - len(fraction) {
		n *= 10
	}
	m.part[6] = n
	return m, ok && m.known == partSecond+1
}

// zone reads Z or ±hh:mm.
func (m *moment) zone(s string) bool {
	m.zoned = true
	if s == "Z" {
		return true
	}
	if len(s) != 6 || s[3] != ':' || s[0] == 'Z' {
		return false
	}
	h, okH := digitsWithin(s[1:3], 2, 0, 14)
	min, okM := digitsWithin(s[4:], 2, 0, 59)
	m.offset = h*60 + min
	if s[0] == '-' {
		m.offset = -m.offset
	}
	return okH && okM
}

// digitsWithin reads a number of so many digits within bounds.
func digitsWithin(s string, width, low, high int) (int, bool) {
	n := 0
	for i := range len(s) {
		if !isDigit(s[i]) {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, len(s) == width && width > 0 && n >= low && n <= high
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// momentOf reads an element's text.
func momentOf(e *Element) (moment, bool) {
	s := e.Text
	if kindOf(e.Type) == pathTime && !strings.HasPrefix(s, "T") {
		s = "T" + s
	}
	return parseMoment(s)
}

// String writes the moment as FHIR does.
func (m moment) String() string {
	var b strings.Builder
	for i := partYear; i < min(m.known, partHour) && !m.clock; i++ {
		fmt.Fprintf(&b, "%0*d", 2+2*btoi(i == partYear), m.part[i])
		if i+1 < min(m.known, partHour) {
			b.WriteByte('-')
		}
	}
	if m.known <= partHour {
		return b.String()
	}
	if !m.clock {
		b.WriteByte('T')
	}
	for i := partHour; i < m.known; i++ {
		if i > partHour {
			b.WriteByte(':')
		}
		fmt.Fprintf(&b, "%02d", m.part[i])
	}
	if m.part[6] != 0 {
		digits := fmt.Sprintf("%09d", m.part[6])
		for strings.HasSuffix(digits, "000") {
			digits = digits[:len(digits)-3]
		}
		b.WriteString("." + digits)
	}
	switch {
	case m.zoned && m.offset == 0:
		b.WriteByte('Z')
	case m.zoned:
		sign, offset := '+', m.offset
		if offset < 0 {
			sign, offset = '-', -offset
		}
		fmt.Fprintf(&b, "%c%02d:%02d", sign, offset/60, offset%60)
	}
	return b.String()
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// element makes the value, of the type it was written as.
func (m moment) element() *Element {
	typ := "date"
	switch {
	case m.clock:
		typ = "time"
	case m.dotted || m.known > partHour:
		typ = "dateTime"
	}
	return computedElement(typ, m.String())
}

// momentFrom makes a moment of the known parts of a time in its zone.
func momentFrom(t time.Time, known int) moment {
	_, offset := t.Zone()
	return moment{
		part:  [7]int{t.Year(), int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond()},
		known: known, zoned: known > partHour, offset: offset / 60,
	}
}

func (m moment) time() time.Time {
	return time.Date(m.part[0], time.Month(max(m.part[1], 1)), max(m.part[2], 1), m.part[3], m.part[4], m.part[5], m.part[6], time.UTC)
}

// compareMoments orders two dates, dateTimes or times part by part; unknown if they agree as far as the less precise one goes, or if
// only one of them has a zone.
func compareMoments(a, b *Element) (int, tristate) {
	x, okX := momentOf(a)
	y, okY := momentOf(b)
	if !okX || !okY {
		return 0, unknown
	}
	if x.known > partHour && y.known > partHour {
		if x.zoned != y.zoned {
			return 0, unknown
		}
		if x.offset != y.offset {
			x, y = x.utc(), y.utc()
		}
	}
	for i := range min(x.known, y.known) {
		if x.part[i] != y.part[i] {
			return 1 - 2*btoi(x.part[i] < y.part[i]), yes
		}
	}
	if x.known != y.known {
		return 0, unknown
	}
	if x.known > partSecond && x.part[6] != y.part[6] {
		return 1 - 2*btoi(x.part[6] < y.part[6]), yes
	}
	return 0, yes
}

// utc moves a dateTime to UTC and keeps its precision.
func (m moment) utc() moment {
	shifted := momentFrom(m.time().Add(-time.Duration(m.offset)*time.Minute), m.known)
	shifted.dotted = m.dotted
	return shifted
}

// fixedDurations are the units of fixed length that can be added to a moment.
var fixedDurations = map[string]time.Duration{
	"wk": 7 * 24 * time.Hour, "d": 24 * time.Hour, "h": time.Hour, "min": time.Minute, "s": time.Second, "ms": time.Millisecond,
}

// partLength is about how long one of a part lasts, for adding a finer unit than the moment knows: it counts in whole parts.
var partLength = [...]time.Duration{partYear: 365 * 24 * time.Hour, partMonth: 30 * 24 * time.Hour, partDay: 24 * time.Hour,
	partHour: time.Hour, partMinute: time.Minute, partSecond: 1}

// shift pushes a moment plus or minus a quantity (FHIRPath section 6.7): years and months keep the day, or the month's last.
func (ev *evaluation) shift(e, q *Element, minus bool) error {
	m, ok := momentOf(e)
	d, unit, okQ := measureOf(q)
	if !ok || !okQ || m.known == 0 {
		return nil
	}
	n, err := strconv.ParseFloat(d.Text('f'), 64)
	if err != nil || n > 1e12 || n < -1e12 {
		return nil
	}
	if minus {
		n = -n
	}
	code := definite(unit, true)
	length, fixed := fixedDurations[code]
	months := map[string]int{"a": 12, "mo": 1}[code]
	switch {
	case !fixed && months == 0:
		return ev.errorf("%s cannot be added to a %s; want a unit of time such as days or 'min'", unit, e.Type)
	case m.clock:
		if !fixed {
			return ev.errorf("%s cannot be added to a time; want hours or less", unit)
		}
		m.shiftFixed(n, length)
	case months > 0 && m.known == 1:
		m.shiftMonths(int(n) * months / 12 * 12)
	case months > 0:
		m.shiftMonths(int(n) * months)
	default:
		m.shiftFixed(n, length)
	}
	if !m.clock && (m.part[partYear] < 1 || m.part[partYear] > 9999) {
		return nil
	}
	ev.push(m.element())
	return ev.spend(valueSteps)
}

func (m *moment) shiftMonths(n int) {
	at := m.part[partYear]*12 + max(m.part[partMonth], 1) - 1 + n
	if at < 12 {
		m.part[partYear] = 0
		return
	}
	m.part[partYear] = at / 12
	if m.known > partMonth {
		m.part[partMonth] = at%12 + 1
	}
	if m.known > partDay {
		m.part[partDay] = min(m.part[partDay], daysIn(m.part[partYear], m.part[partMonth]))
	}
}

// maxDays is more than any two dates are apart.
const maxDays = 10_000 * 366

func (m *moment) shiftFixed(n float64, length time.Duration) {
	unit := partLength[m.known-1]
	switch {
	case length > time.Second && length >= unit:
		n, unit = float64(int64(n)), length
	case length >= unit:
		unit = length
	default:
		n = float64(int64(n * float64(length) / float64(unit)))
	}
	if unit == partLength[partYear] || unit == partLength[partMonth] {
		m.shiftMonths(int(n) * (1 + 11*btoi(unit == partLength[partYear])))
		return
	}
	// Days first: a Duration holds 292 years only.
	days := int(n * float64(unit) / float64(24*time.Hour))
	if days < -maxDays || days > maxDays {
		m.part[partYear] = 0
		return
	}
	rest := time.Duration(n*float64(unit) - float64(days)*float64(24*time.Hour))
	shifted := momentFrom(m.time().AddDate(0, 0, days).Add(rest), m.known)
	if m.part = shifted.part; m.clock {
		m.part[partYear], m.part[partMonth], m.part[partDay] = 0, 0, 0
	}
}
