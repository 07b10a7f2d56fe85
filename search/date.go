package search

import (
	"time"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// dates are moments and periods (R4 3.1.1.4.9): a point from seconds on, else the interval that the precision implies; an
// interval for a Period, with an open end where none is given; of a Timing the outer limits.
var dates = &kind{
	name: "date",
	rows: map[string]extractor{
		"date":     dateMoment,
		"dateTime": dateMoment,
		"instant":  dateMoment,
		"Period":   datePeriod,
		"Timing":   dateTiming,
	},
	suffixes:    []string{""},
	present:     []string{""},
	read:        dateIs,
	modifiers:   dateModifiers,
	comparators: prefixNames(),
	sortable:    true,
	show:        showInstant,
}

// lastUpdatedField holds when a resource was written.
const lastUpdatedField = "_lastUpdated"

// lastUpdated is _lastUpdated: storage writes its row, for it sets the time.
var lastUpdated = &kind{
	name:        dates.name,
	present:     dates.present,
	modifiers:   dateModifiers,
	comparators: prefixNames(),
	sortable:    true,
	show:        showInstant,
}

var dateModifiers = []modifier{
	{finds: "a date or time of any precision: all within it", example: "2024-03", query: each(dateIs)},
	missing,
}

func dateMoment(x *indexer, e *fhirmap.Element) {
	m, err := parseMoment(e.Text, x.options.Zone)
	switch {
	case err != nil:
	case m.exact:
		x.point("", driver.Instant(m.from))
	default:
		x.value("", driver.Span(driver.Instant(m.from), driver.Instant(m.to)))
	}
}

func datePeriod(x *indexer, e *fhirmap.Element) {
	var s span
	s.period(x, e)
	s.add(x)
}

func dateTiming(x *indexer, e *fhirmap.Element) {
	var s span
	for event := range e.Each("event") {
		if m, err := parseMoment(event.Text, x.options.Zone); err == nil {
			s.cover(m.from, m.to)
		}
	}
	if bounds := e.First("repeat").First("bounds"); bounds != nil && bounds.Type == "Period" {
		s.period(x, bounds)
	}
	s.add(x)
}

// span is the smallest interval over what it was told of; an end may be open.
type span struct {
	from, to          time.Time
	some              bool
	noStart, noFinish bool
}

func (s *span) cover(from, to time.Time) {
	if !s.some || from.Before(s.from) {
		s.from = from
	}
	if !s.some || to.After(s.to) {
		s.to = to
	}
	s.some = true
}

// period widens the span by a Period: its end includes the whole of what its precision implies.
func (s *span) period(x *indexer, e *fhirmap.Element) {
	start, errStart := parseMoment(e.String("start"), x.options.Zone)
	end, errEnd := parseMoment(e.String("end"), x.options.Zone)
	switch {
	case errStart == nil && errEnd == nil:
		// A Period that ends before it starts is taken as its start alone.
		if end.to.After(start.from) {
			s.cover(start.from, end.to)
		} else {
			s.cover(start.from, start.to)
		}
	case errStart == nil:
		s.cover(start.from, start.to)
		s.noFinish = true
	case errEnd == nil:
		s.cover(end.from, end.to)
		s.noStart = true
	}
}

func (s *span) add(x *indexer) {
	if !s.some {
		return
	}
	low, high := driver.Instant(s.from), driver.Instant(s.to)
	if s.noStart {
		low = nil
	}
	if s.noFinish {
		high = nil
	}
	x.value("", driver.Span(low, high))
}

// dateIs reads a prefix and a date.
func dateIs(a *ask, src source, value string) (anyOf, *fhirmap.Outcome) {
	p, text := cutPrefix(unescape(value))
	m, err := parseMoment(text, a.options.Zone)
	if err != nil {
		return nil, a.bad("%v", err)
	}
	if p.name == "ap" {
		// A tenth of the time between then and now, to either side.
		slack := a.options.Clock().Sub(m.from).Abs() / 10
		m.from, m.to = m.from.Add(-slack), m.to.Add(slack)
	}
	return p.span(axis{field: src.field}, driver.Instant(m.from), driver.Instant(m.to)), nil
}
