package search

import (
	"fmt"
	"strings"
	"time"
)

// moment is a date or time as written: the interval [from, to) of its precision.
type moment struct {
	from, to time.Time
	exact    bool // to the second or finer
}

// parseMoment reads a FHIR date, dateTime or instant, with minutes as the smallest part too (R4 3.1.1.4.9). A time that names no
// zone is in the zone given, and so is a date. A blank before the offset is a plus sign that a URL lost.
func parseMoment(s string, zone *time.Location) (moment, error) {
	bad := func() (moment, error) {
		return moment{}, fmt.Errorf("%q is no date such as 2024, 2024-03, 2024-03-31 or 2024-03-31T10:00:00Z", s)
	}
	date, clock, timed := strings.Cut(s, "T")
	year, month, day, parts := 0, 1, 1, 0
	for i, f := range strings.SplitN(date, "-", 4) {
		n, ok := number(f)
		switch {
		case !ok:
			return bad()
		case i == 0 && len(f) == 4 && n > 0:
			year = n
		case i == 1 && len(f) == 2 && n >= 1 && n <= 12:
			month = n
		case i == 2 && len(f) == 2 && n >= 1 && n <= time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day():
			day = n
		default:
			return bad()
		}
		parts = i + 1
	}
	at := func(y, m, d int) time.Time { return time.Date(y, time.Month(m), d, 0, 0, 0, 0, zone) }
	if !timed {
		switch parts {
		case 1:
			return moment{from: at(year, 1, 1), to: at(year+1, 1, 1)}, nil
		case 2:
			return moment{from: at(year, month, 1), to: at(year, month+1, 1)}, nil
		}
		return moment{from: at(year, month, day), to: at(year, month, day+1)}, nil
	}
	if parts != 3 {
		return bad()
	}
	clock, zone, ok := cutZone(clock, zone)
	if !ok {
		return bad()
	}
	hms, fraction, fractional := strings.Cut(clock, ".")
	var v [3]int
	fields := strings.SplitN(hms, ":", 4)
	if len(fields) < 2 || len(fields) > 3 || fractional && (len(fields) < 3 || fraction == "") {
		return bad()
	}
	for i, f := range fields {
		n, ok := number(f)
		if !ok || len(f) != 2 || n > [3]int{23, 59, 60}[i] {
			return bad()
		}
		v[i] = n
	}
	unit := time.Second
	nanos := 0
	if len(fields) == 2 {
		unit = time.Minute
	}
	if fractional {
		// A nanosecond is the finest that is told apart.
		nine := (fraction + "000000000")[:9]
		n, ok := number(nine)
		if !ok || strings.Trim(fraction, "0123456789") != "" {
			return bad()
		}
		nanos, unit = n, time.Nanosecond
		for i := len(fraction); i < 9; i++ {
			unit *= 10
		}
	}
	from := time.Date(year, time.Month(month), day, v[0], v[1], v[2], nanos, zone)
	return moment{from: from, to: from.Add(unit), exact: len(fields) == 3}, nil
}

// cutZone takes Z or an offset off a time of day.
func cutZone(clock string, zone *time.Location) (string, *time.Location, bool) {
	if rest, ok := strings.CutSuffix(clock, "Z"); ok {
		return rest, time.UTC, true
	}
	i := strings.LastIndexAny(clock, "+- ")
	if i < 0 {
		return clock, zone, true
	}
	off := clock[i+1:]
	if len(off) != 5 || off[2] != ':' {
		return "", nil, false
	}
	h, ok1 := number(off[:2])
	m, ok2 := number(off[3:])
	if !ok1 || !ok2 || h > 14 || m > 59 {
		return "", nil, false
	}
	seconds := h*3600 + m*60
	if clock[i] == '-' {
		seconds = -seconds
	}
	return clock[:i], time.FixedZone("", seconds), true
}

// number reads a run of decimal digits.
func number(s string) (int, bool) {
	if s == "" || len(s) > 18 {
		return 0, false
	}
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}
