package oracle

import (
	"math/big"
	"strings"
	"time"
)

// What the elements of a parameter are, by its type; each function reads one element.

type token struct {
	code, system string
	implied      string  // the system of what is a code alone
	ofType       []token // the codings of Identifier.type
}

func tokens(n node) (found []token, texts []string) {
	add := func(code, system string) {
		if code != "" || system != "" {
			found = append(found, token{code: code, system: system})
		}
	}
	say := func(s string) {
		if normal(s) != "" {
			texts = append(texts, normal(s))
		}
	}
	coding := func(c node) {
		add(c.member("code"), c.member("system"))
		say(c.member("display"))
	}
	m, complex := n.value.(map[string]any)
	switch {
	case !complex:
		add(n.text(), "")
	case n.has("url"): // an Extension is its value
		return tokens(n.child("value"))
	case n.name == "telecom":
		add(n.member("value"), "")
	case n.has("coding") || n.has("text"):
		for _, c := range children([]node{n}, "coding") {
			coding(c)
		}
		say(n.member("text"))
	case n.has("code") || n.has("display"):
		coding(n)
	case m != nil:
		add(n.member("value"), n.member("system"))
		typ := n.child("type")
		say(typ.member("text"))
		for _, c := range children([]node{typ}, "coding") {
			if len(found) > 0 && n.member("value") != "" && c.member("code") != "" {
				found[0].ofType = append(found[0].ofType, token{code: c.member("code"), system: c.member("system")})
			}
		}
	}
	return found, texts
}

// implied are the systems of some elements of type code, by parameter: those of the value sets to which R4 binds them.
var implied = map[string]string{
	"Patient.gender":              "http://hl7.org/fhir/administrative-gender",
	"Practitioner.gender":         "http://hl7.org/fhir/administrative-gender",
	"Patient.address-use":         "http://hl7.org/fhir/address-use",
	"Observation.status":          "http://hl7.org/fhir/observation-status",
	"Encounter.status":            "http://hl7.org/fhir/encounter-status",
	"DocumentReference.status":    "http://hl7.org/fhir/document-reference-status",
	"AllergyIntolerance.category": "http://hl7.org/fhir/allergy-intolerance-category",
	"Location.status":             "http://hl7.org/fhir/location-status",
	"Group.type":                  "http://hl7.org/fhir/group-type",
	"ServiceRequest.intent":       "http://hl7.org/fhir/request-intent",
	"Patient.active":              "http://terminology.hl7.org/CodeSystem/special-values",
}

// caseCounts tells of a few code systems that their codes differ by case.
func caseCounts(system string) bool {
	return system == ucum || system == "urn:iso:std:iso:11073:10101"
}

func sameCode(a, b, system string) bool {
	return a == b || !caseCounts(system) && foldCode(a) == foldCode(b)
}

// is tells whether a token is what [system]|[code] asks for (R4 3.1.1.4.11).
func (t token) is(value string) bool {
	parts := split(value, '|')
	code := plain(parts[len(parts)-1])
	if len(parts) == 1 {
		return t.code != "" && sameCode(t.code, code, t.system)
	}
	system := plain(parts[0])
	return (t.system == system || system != "" && t.implied == system) && (code == "" || t.code != "" && sameCode(t.code, code, system))
}

func (t token) isOfType(value string) bool {
	parts := split(value, '|')
	for _, typ := range t.ofType {
		if typ.system == plain(parts[0]) && sameCode(typ.code, plain(parts[1]), typ.system) && foldCode(t.code) == foldCode(plain(parts[2])) {
			return true
		}
	}
	return false
}

// phrase is a text that a string parameter searches.
type phrase struct {
	text string
	name bool // of a person: each of its words may be what is asked for
}

func phrases(n node) (all []phrase) {
	parts := func(person bool, names ...string) {
		for _, name := range names {
			for _, c := range children([]node{n}, name) {
				all = append(all, phrase{c.text(), person})
			}
		}
	}
	switch {
	case n.has("url"):
		return phrases(n.child("value"))
	case n.text() != "":
		return []phrase{{n.text(), n.name == "family" || n.name == "given"}}
	case n.name == "name":
		parts(true, "family", "given", "prefix", "suffix", "text")
	case n.name == "address":
		parts(false, "line", "city", "district", "state", "postalCode", "country", "text")
	case n.has("coding") || n.has("text"):
		parts(false, "text")
		for _, c := range children([]node{n}, "coding") {
			if d := c.member("display"); d != "" {
				all = append(all, phrase{d, false})
			}
		}
	}
	return all
}

func (p phrase) is(modifier, value string) bool {
	value = plain(value)
	switch modifier {
	case "exact":
		return p.text == value
	case "contains":
		return strings.Contains(normal(p.text), normal(value))
	}
	have := words(p.text)
	for i := range have {
		if (i == 0 || p.name) && strings.HasPrefix(strings.Join(have[i:], " "), normal(value)) {
			return true
		}
	}
	return false
}

// span is a time as an extent in nanoseconds; false of what names none.
func span(n node, zone *time.Location) (extent, bool) {
	one := func(s string) (extent, bool) {
		from, to, timed, ok := moment(s, zone)
		switch {
		case !ok:
			return extent{}, false
		case timed:
			return point(nanos(from)), true
		}
		return extent{low: nanos(from), high: nanos(to), noHigh: true}, true
	}
	period := func(p node) (extent, bool) {
		from, startsAtEnd, _, starts := moment(p.member("start"), zone)
		_, to, _, ends := moment(p.member("end"), zone)
		e := extent{noHigh: true}
		switch {
		case starts && ends && !to.After(from): // it ends before it starts: only its start is believed
			e.low, e.high = nanos(from), nanos(startsAtEnd)
		case starts && ends:
			e.low, e.high = nanos(from), nanos(to)
		case starts:
			e.low = nanos(from)
		case ends:
			e.high = nanos(to)
		}
		return e, starts || ends
	}
	if n.text() != "" {
		return one(n.text())
	}
	if n.has("start") || n.has("end") {
		return period(n)
	}
	var all []extent
	for _, event := range children([]node{n}, "event") {
		if from, to, _, ok := moment(event.text(), zone); ok {
			all = append(all, extent{low: nanos(from), high: nanos(to), noHigh: true})
		}
	}
	if bounds := n.child("repeat").child("bounds"); bounds.typ == "Period" {
		if e, ok := period(bounds); ok {
			all = append(all, e)
		}
	}
	if len(all) == 0 {
		return extent{}, false
	}
	outer := all[0]
	for _, e := range all[1:] { // of a Timing the outer limits count
		if outer.low != nil && (e.low == nil || e.low.Cmp(outer.low) < 0) {
			outer.low = e.low
		}
		if outer.high != nil && (e.high == nil || e.high.Cmp(outer.high) > 0) {
			outer.high = e.high
		}
	}
	return outer, true
}

func numberOf(n node) (extent, bool) {
	if n.has("low") || n.has("high") {
		low, okLow := parseNumber(n.child("low").child("value").text())
		high, okHigh := parseNumber(n.child("high").child("value").text())
		if okLow && okHigh && low.value.Cmp(high.value) > 0 { // the wrong way round
			low, high = high, low
		}
		return extent{low: low.value, high: high.value}, okLow || okHigh
	}
	v, ok := parseNumber(n.text())
	return point(v.value), ok
}

// quantity is a number or range of numbers with the units that it bears.
type quantity struct {
	extent
	unit, code, system string
}

func quantityOf(n node) (quantity, bool) {
	with := func(e extent, unit node) quantity {
		return quantity{e, unit.member("unit"), unit.member("code"), unit.member("system")}
	}
	switch {
	case n.has("origin"):
		origin, _ := parseNumber(n.child("origin").child("value").text())
		factor, ok := parseNumber(n.child("factor").text())
		if !ok {
			factor.value = big.NewRat(1, 1)
		}
		var e extent
		for s := range strings.FieldsSeq(n.member("data")) {
			v, ok := parseNumber(s)
			if !ok || origin.value == nil {
				continue // E, L and U
			}
			at := new(big.Rat).Mul(v.value, factor.value)
			at.Add(at, origin.value)
			if e.low == nil || at.Cmp(e.low) < 0 {
				e.low = at
			}
			if e.high == nil || at.Cmp(e.high) > 0 {
				e.high = at
			}
		}
		return with(e, n.child("origin")), e.low != nil
	case n.has("low") || n.has("high"):
		e, ok := numberOf(n)
		unit := n.child("low")
		if !unit.has("value") {
			unit = n.child("high")
		}
		return with(e, unit), ok
	}
	v, ok := parseNumber(n.child("value").text())
	e := point(v.value)
	switch n.member("comparator") {
	case "<":
		e = extent{high: v.value, noHigh: true}
	case "<=":
		e = extent{high: v.value}
	case ">=":
		e = extent{low: v.value}
	case ">":
		e = extent{low: v.value, noLow: true}
	}
	q := with(e, n)
	if currency := n.member("currency"); currency != "" {
		q.code, q.system = currency, "urn:iso:std:iso:4217"
	}
	return q, ok
}

const ucum = "http://unitsofmeasure.org"

// units are those of UCUM that the resources have, in base units: gram, second, metre.
var units = map[string]struct {
	base string
	size *big.Rat
}{
	"g": {"g", big.NewRat(1, 1)}, "mg": {"g", big.NewRat(1, 1000)}, "kg": {"g", big.NewRat(1000, 1)}, "[lb_av]": {"g", big.NewRat(45359237, 100000)},
	"s": {"s", big.NewRat(1, 1)}, "min": {"s", big.NewRat(60, 1)}, "h": {"s", big.NewRat(3600, 1)}, "a": {"s", big.NewRat(31557600, 1)},
	"cm": {"m", big.NewRat(1, 100)},
}

// times is the extent in another unit.
func (e extent) times(size *big.Rat) extent {
	if e.low != nil {
		e.low = new(big.Rat).Mul(e.low, size)
	}
	if e.high != nil {
		e.high = new(big.Rat).Mul(e.high, size)
	}
	return e
}

// is tells whether number, number|system|code or number||code holds (R4 3.1.1.4.14).
func (q quantity) is(value string) bool {
	parts := split(value, '|')
	prefix, text := prefixOf(plain(parts[0]))
	n, ok := parseNumber(text)
	if !ok {
		return false
	}
	if len(parts) < 3 || parts[2] == "" {
		return q.compare(prefix, n)
	}
	system, code := plain(parts[1]), plain(parts[2])
	have, known := units[q.code]
	want, asked := units[code]
	switch {
	case system == "":
		return (q.code == code || q.unit == code) && q.compare(prefix, n)
	case system == ucum && q.system == ucum && known && asked && have.base == want.base: // in the unit that is asked for
		return q.times(new(big.Rat).Quo(have.size, want.size)).compare(prefix, n)
	}
	return q.code == code && q.system == system && q.compare(prefix, n)
}

var prefixes = []string{"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"}

func prefixOf(value string) (prefix, rest string) {
	for _, p := range prefixes {
		if rest, ok := strings.CutPrefix(value, p); ok {
			return p, rest
		}
	}
	return "eq", value
}
