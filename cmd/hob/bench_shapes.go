package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// shape is one form of search, from those that name a single resource to those that match half the store. What is right follows from
// the set.
type shape struct {
	name string
	ask  func(v *variant) sought
}

// sought is a search and what it must find. Of patient, encounter and observation one is set, by what is searched for: it says whether
// the one of that number matches. order says which comes first, nil if the search leaves it open.
type sought struct {
	query       string // below the base
	form        string // sent by POST, for what is too long for a URL
	patient     func(i int) bool
	encounter   func(i int) bool
	observation func(k int) bool
	order       func(a, b int) int
	page        int // how many pages are turned before the one that is measured; -1: to the last
	count       bool
}

// variant is what one request of a shape asks about: a shape is asked of several, so that no answer is at hand already.
type variant struct {
	*dataset
	people []person
	n      int
}

const variants = 4

func (v *variant) code() uint8    { return uint8((v.n*5 + 1) % min(len(codes), v.each)) }
func (v *variant) token() string  { return loinc(v.code()) }
func (v *variant) who() int       { return (v.n*7919 + 17) % v.patients }
func (v *variant) ref() string    { return v.id('p', v.who(), 0) }
func (v *variant) family() string { return v.people[v.who()].family }

func (v *variant) is(k int) bool { return v.observations[k].code == v.code() }
func (v *variant) of(k int) bool { return k/v.each == v.who() }

// high is a value that about one in so many of a code lie above, between two that a resource may have.
func (v *variant) high(one int32) (over int32, written string) {
	c := codes[v.code()]
	over = c.high - max(1, (c.high-c.low)/one)
	return over, decimal(over) + "5"
}

// from is a moment after which so much of the set's five years is left, and until the end of a span from there on.
func (v *variant) span(length time.Duration) (from, until int64) {
	from = setBegins + (setLasts/variants)*int64(v.n) + 86400*40
	from -= from % 3600
	return from, from + int64(length/time.Second)
}

func (v *variant) within(from, until int64) func(k int) bool {
	return func(k int) bool { return v.observations[k].at >= from && v.observations[k].at < until }
}

func between(from, until int64) string {
	return "date=ge" + instant(from) + "&date=lt" + instant(until)
}

func (v *variant) newestFirst(a, b int) int {
	return cmp.Compare(v.observations[b].at, v.observations[a].at)
}
func (v *variant) oldestFirst(a, b int) int { return v.newestFirst(b, a) }

func both(a, b func(int) bool) func(int) bool { return func(i int) bool { return a(i) && b(i) } }
func not(a func(int) bool) func(int) bool     { return func(i int) bool { return !a(i) } }
func each(int) bool                           { return true }

// list writes something of as many patients, or of all.
func (v *variant) list(n int, of func(i int) string) (values string, in func(i int) bool) {
	n = min(n, v.patients)
	all := make([]string, n)
	first := v.n * (v.patients - n) / variants
	for i := range n {
		all[i] = of(first + i)
	}
	return strings.Join(all, ","), func(i int) bool { return i >= first && i < first+n }
}

// shapes are what bench --shapes asks.
var shapes = []shape{
	{"identifier", func(v *variant) sought {
		return sought{query: "Patient?identifier=" + mrnSystem + "%7C" + v.people[v.who()].mrn, patient: func(i int) bool { return i == v.who() }}
	}},
	{"identifier, no system", func(v *variant) sought {
		return sought{query: "Patient?identifier=" + v.people[v.who()].mrn, patient: func(i int) bool { return i == v.who() }}
	}},
	{"string, begins with", func(v *variant) sought {
		return sought{query: "Patient?family=" + v.family()[:3], patient: func(i int) bool { return strings.HasPrefix(v.people[i].family, v.family()[:3]) }}
	}},
	{"string:exact and date", func(v *variant) sought {
		return sought{query: "Patient?family:exact=" + v.family() + "&birthdate=ge1970",
			patient: func(i int) bool { return v.people[i].family == v.family() && v.people[i].born >= "1970" }}
	}},
	{"string:contains", func(v *variant) sought {
		part := strings.ToLower(v.family()[2:6])
		return sought{query: "Patient?family:contains=" + part, patient: func(i int) bool { return strings.Contains(strings.ToLower(v.people[i].family), part) }}
	}},
	{"string:contains, nothing", func(v *variant) sought {
		return sought{query: "Patient?name:contains=xyz", patient: not(each)}
	}},
	{"token of half, one sort key", func(v *variant) sought {
		return sought{query: "Patient?gender=male&_sort=birthdate,_id", patient: func(i int) bool { return v.people[i].male }, order: func(a, b int) int {
			return cmp.Or(cmp.Compare(v.people[a].born, v.people[b].born), cmp.Compare(v.id('p', a, 0), v.id('p', b, 0)))
		}}
	}},
	{"500 identifiers", func(v *variant) sought {
		values, in := v.list(500, func(i int) string { return v.people[i].mrn })
		return sought{query: "Patient/_search", form: "_count=20&identifier=" + values, patient: in}
	}},
	{"400 ids", func(v *variant) sought {
		values, in := v.list(400, func(i int) string { return v.id('p', i, 0) })
		return sought{query: "Patient/_search", form: "_count=20&_id=" + values, patient: in}
	}},
	{"patient", func(v *variant) sought {
		return sought{query: "Observation?patient=" + v.ref(), observation: v.of}
	}},
	{"patient and token", func(v *variant) sought {
		return sought{query: "Observation?patient=" + v.ref() + "&code=" + v.token(), observation: both(v.of, v.is)}
	}},
	{"patient, newest first", func(v *variant) sought {
		return sought{query: "Observation?patient=" + v.ref() + "&_sort=-date", observation: v.of, order: v.newestFirst}
	}},
	{"patient and token:not", func(v *variant) sought {
		return sought{query: "Observation?patient=" + v.ref() + "&code:not=" + v.token(), observation: both(v.of, not(v.is))}
	}},
	{"400 patients and token", func(v *variant) sought {
		values, in := v.list(400, func(i int) string { return v.id('p', i, 0) })
		return sought{query: "Observation/_search", form: "_count=20&patient=" + values + "&code=" + v.token(),
			observation: both(v.is, func(k int) bool { return in(k / v.each) })}
	}},
	{"token", func(v *variant) sought {
		return sought{query: "Observation?code=" + v.token(), observation: v.is}
	}},
	{"token, no system", func(v *variant) sought {
		return sought{query: "Observation?code=" + codes[v.code()].code, observation: v.is}
	}},
	{"system of all", func(v *variant) sought {
		return sought{query: "Observation?code=http://loinc.org%7C", observation: each}
	}},
	{"system of none", func(v *variant) sought {
		return sought{query: "Observation?code=http://snomed.info/sct%7C", observation: not(each)}
	}},
	{"token:not", func(v *variant) sought {
		return sought{query: "Observation?code:not=" + v.token(), observation: not(v.is)}
	}},
	{"token:not, newest first", func(v *variant) sought {
		return sought{query: "Observation?code:not=" + v.token() + "&_sort=-date", observation: not(v.is), order: v.newestFirst}
	}},
	{"missing", func(v *variant) sought {
		return sought{query: "Observation?encounter:missing=true", observation: not(each)}
	}},
	{"not missing", func(v *variant) sought {
		return sought{query: "Observation?encounter:missing=false", observation: each}
	}},
	{"day", func(v *variant) sought {
		from, _ := v.span(0)
		from -= from % 86400
		return sought{query: "Observation?date=" + instant(from)[:10], observation: v.within(from, from+86400)}
	}},
	{"hour, by two clauses", func(v *variant) sought {
		from, until := v.span(time.Hour)
		return sought{query: "Observation?" + between(from, until), observation: v.within(from, until)}
	}},
	{"month, by two clauses, and token", func(v *variant) sought {
		from, until := v.span(30 * 24 * time.Hour)
		return sought{query: "Observation?code=" + v.token() + "&" + between(from, until), observation: both(v.is, v.within(from, until))}
	}},
	{"year, by two clauses, oldest first", func(v *variant) sought {
		from, until := v.span(365 * 24 * time.Hour)
		return sought{query: "Observation?" + between(from, until) + "&_sort=date", observation: v.within(from, until), order: v.oldestFirst}
	}},
	{"quantity with unit", func(v *variant) sought {
		c := codes[v.code()]
		value := (c.low + c.high) / 2
		return sought{query: "Observation?value-quantity=" + decimal(value) + "%7Chttp://unitsofmeasure.org%7C" + strings.ReplaceAll(c.unit, "%", "%25"),
			observation: func(k int) bool {
				return codes[v.observations[k].code].unit == c.unit && v.observations[k].value == value
			}}
	}},
	{"token and quantity", func(v *variant) sought {
		over, x := v.high(100)
		return sought{query: "Observation?code=" + v.token() + "&value-quantity=gt" + x,
			observation: both(v.is, func(k int) bool { return v.observations[k].value > over })}
	}},
	{"token and quantity, newest first", func(v *variant) sought {
		over, x := v.high(4)
		return sought{query: "Observation?code=" + v.token() + "&value-quantity=gt" + x + "&_sort=-date",
			observation: both(v.is, func(k int) bool { return v.observations[k].value > over }), order: v.newestFirst}
	}},
	{"composite", func(v *variant) sought {
		over, x := v.high(100)
		return sought{query: "Observation?code-value-quantity=" + v.token() + "$gt" + x,
			observation: both(v.is, func(k int) bool { return v.observations[k].value > over })}
	}},
	{"all, newest first", func(v *variant) sought {
		return sought{query: "Observation?_sort=-date", observation: each, order: v.newestFirst}
	}},
	{"token, newest first", func(v *variant) sought {
		return sought{query: "Observation?code=" + v.token() + "&_sort=-date", observation: v.is, order: v.newestFirst}
	}},
	{"token, two sort keys", func(v *variant) sought {
		return sought{query: "Observation?code=" + v.token() + "&_sort=-date,_id", observation: v.is, order: v.newestFirst}
	}},
	{"all, two sort keys, first of few values", func(v *variant) sought {
		return sought{query: "Observation?_sort=code,-date", observation: each, order: func(a, b int) int {
			x, y := codes[v.observations[a].code].code, codes[v.observations[b].code].code
			return cmp.Or(cmp.Compare(x, y), v.newestFirst(a, b))
		}}
	}},
	{"token, newest first, page 101", func(v *variant) sought {
		return sought{query: "Observation?code=" + v.token() + "&_sort=-date", observation: v.is, order: v.newestFirst, page: 100}
	}},
	{"token, page 101", func(v *variant) sought {
		return sought{query: "Observation?code=" + v.token(), observation: v.is, page: 100}
	}},
	{"token and month, last page", func(v *variant) sought {
		from, until := v.span(30 * 24 * time.Hour)
		return sought{query: "Observation?code=" + v.token() + "&" + between(from, until) + "&_sort=-date", order: v.newestFirst, page: -1,
			observation: both(v.is, v.within(from, until))}
	}},
	{"changed since the set began", func(v *variant) sought {
		return sought{query: "Observation?_lastUpdated=ge2020-01-01", observation: each}
	}},
	{"changed before the set began", func(v *variant) sought {
		return sought{query: "Observation?_lastUpdated=lt2020-01-01", observation: not(each)}
	}},
	{"token of all, and date", func(v *variant) sought {
		from, until := v.span(6 * time.Hour)
		return sought{query: "Observation?status=final&" + between(from, until), observation: v.within(from, until)}
	}},
	{"chain from one", func(v *variant) sought {
		return sought{query: "Observation?patient.identifier=" + mrnSystem + "%7C" + v.people[v.who()].mrn, observation: v.of}
	}},
	{"chain from some, and token", func(v *variant) sought {
		return sought{query: "Observation?patient.family=" + v.family() + "&code=" + v.token(),
			observation: both(v.is, func(k int) bool { return v.people[k/v.each].family == v.family() })}
	}},
	{"chain from half", func(v *variant) sought {
		return sought{query: "Observation?patient.gender=male", observation: func(k int) bool { return v.people[k/v.each].male }}
	}},
	{"chain from half, and hour", func(v *variant) sought {
		from, until := v.span(6 * time.Hour)
		return sought{query: "Observation?patient.gender=male&" + between(from, until),
			observation: both(v.within(from, until), func(k int) bool { return v.people[k/v.each].male })}
	}},
	{"_has of some, and string", func(v *variant) sought {
		return sought{query: "Patient?family=" + v.family() + "&_has:Observation:patient:code=" + v.token(),
			patient: func(i int) bool { return v.people[i].family == v.family() }}
	}},
	{"_has of few", func(v *variant) sought {
		from, until := v.span(time.Hour)
		from -= from % 3600
		return sought{query: "Patient?_has:Observation:patient:date=" + instant(from)[:13] + ":00", patient: v.having(func(k int) bool {
			return v.observations[k].at >= from && v.observations[k].at < from+60 && until > 0
		})}
	}},
	{"_has of many", func(v *variant) sought {
		return sought{query: "Patient?_has:Observation:patient:code=" + v.token(), patient: v.having(v.is)}
	}},
	{"count of all", func(v *variant) sought {
		return sought{query: "Observation?_summary=count", observation: each, count: true}
	}},
	{"count of token", func(v *variant) sought {
		return sought{query: "Observation?_summary=count&code=" + v.token(), observation: v.is, count: true}
	}},
	{"count of token and quantity", func(v *variant) sought {
		over, x := v.high(4)
		return sought{query: "Observation?_summary=count&code=" + v.token() + "&value-quantity=gt" + x, count: true,
			observation: both(v.is, func(k int) bool { return v.observations[k].value > over })}
	}},
	{"patient, with include", func(v *variant) sought {
		return sought{query: "Observation?patient=" + v.ref() + "&_include=Observation:subject", observation: v.of}
	}},
}

// having says which patients have an Observation that matches.
func (v *variant) having(match func(k int) bool) func(i int) bool {
	return func(i int) bool {
		for k := i * v.each; k < (i+1)*v.each; k++ {
			if match(k) {
				return true
			}
		}
		return false
	}
}

// matches lists the numbers of what a search must find, in order if it has one, and how their ids are made.
func (s *sought) matches(d *dataset) (typ string, nums []int, id func(n int) string) {
	n, match := d.patients, s.patient
	typ, id = "Patient", func(i int) string { return d.id('p', i, 0) }
	switch {
	case s.encounter != nil:
		typ, match, id = "Encounter", s.encounter, func(i int) string { return d.id('e', i, 0) }
	case s.observation != nil:
		n, typ, match, id = len(d.observations), "Observation", s.observation, d.observationID
	}
	for i := range n {
		if match(i) {
			nums = append(nums, i)
		}
	}
	if s.order != nil {
		slices.SortFunc(nums, s.order)
	}
	return typ, nums, id
}

func (s *sought) String() string {
	if s.form != "" {
		return fmt.Sprintf("POST %s %.60s...", s.query, s.form)
	}
	return s.query
}
