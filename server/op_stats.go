package server

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// stats is Observation/$stats (R4 observation-operation-stats.html): statistics of what was measured of a subject, by code.
//
//	subject            1..1  Patient/[id], or another subject
//	code, system       0..*  codes, of the system if one is given; coding is both, as system|code in a URL
//	duration | period        the last so many hours, or a Period, as start/end in a URL; both ends belong to it. Neither: all there is
//	statistic          1..*  average maximum minimum count total-count median sum variance std-dev; avg, max and min are taken too
//	include, limit           the Observations come too, as source, no more than limit
//
// It answers Parameters with one Observation of statistics for each code. Of a panel there is one for each of its components, and for each of
// the Observations that are its members. Numbers of other units are converted to that of the first, as far as UCUM can; those that cannot make
// an Observation of their own. What is entered in error or cancelled is left out; what has no number counts in total-count alone.
func stats(c *Config) Interaction {
	return func(tx *storage.Tx, r *Request) (*Response, error) {
		q, err := statsOf(r, c.Clock())
		if err != nil {
			return nil, err
		}
		s, err := c.Catalog.Parse("Observation", q.search(), search.ParseOptions{})
		if err != nil {
			return nil, err
		}
		bodies, n := c.Limits.rows(r)/bodyCost, 0
		var sources []json.RawMessage
		for hit, err := range tx.Find(driver.Find{Type: s.Type, Where: s.Where, Sort: s.Sort, Budget: c.Limits.rows(r)}) {
			if err != nil {
				return nil, err
			}
			if n++; n > bodies {
				return nil, fhirmap.Errorf(fhirmap.CodeTooCostly, "", "more than the %d observations that one request may read are of this subject and time; ask for a shorter period", bodies)
			}
			res, err := fhirmap.Trusted(hit.Body)
			if err != nil {
				return nil, err
			}
			if void(res.Root()) {
				continue
			}
			err = q.take(res.Root(), func(link string) (*fhirmap.Resource, error) {
				if n++; n > bodies {
					return nil, fhirmap.Errorf(fhirmap.CodeTooCostly, "", "the members of panels are more than the %d observations that one request may read; ask for a shorter period", bodies)
				}
				return member(c, tx, link)
			})
			if err != nil {
				return nil, err
			}
			if q.include && (q.limit == 0 || len(sources) < q.limit) {
				sources = append(sources, hit.Body)
			}
		}
		return q.answer(sources)
	}
}

// void reports whether an Observation says of itself that it does not count.
func void(root *fhirmap.Element) bool {
	return slices.Contains([]string{"entered-in-error", "cancelled"}, root.String("status"))
}

// member reads a member of a panel; nil if it is not here, or not for this caller.
func member(c *Config, tx *storage.Tx, link string) (*fhirmap.Resource, error) {
	k, local := c.Catalog.Local(link)
	if !local || k.Type != "Observation" {
		return nil, nil
	}
	rec, err := tx.Get(k)
	if explained, unknown := explain(err); err != nil && !unknown && explained.status == http.StatusNotFound || err == nil && rec.Deleted {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return fhirmap.Trusted(rec.Body)
}

// statsQuery is what $stats was asked, and what it found so far.
type statsQuery struct {
	subject    string
	codes      []search.Concept
	from, to   time.Time // zero: open
	start, end string    // as they are told back
	which      []string
	include    bool
	limit      int // 0: none

	found map[string][]*statsSeries // by the code that was measured
	order []string
}

// statsSeries is a Series with what it is of.
type statsSeries struct {
	Series
	code json.RawMessage
}

func statsOf(r *Request, now time.Time) (*statsQuery, error) {
	simple, parts, err := input(r)
	if err != nil {
		return nil, err
	}
	q := &statsQuery{found: map[string][]*statsSeries{}}
	const known = "subject, code, system, coding, duration, period, statistic, include, limit"
	system, duration, codes := "", "", []string(nil)
	for _, p := range parts {
		v := p.First("value")
		switch name := p.String("name"); {
		case name == "coding" && v != nil && v.Type == "Coding":
			simple = append(simple, search.Pair{Name: name, Value: v.String("system") + "|" + v.String("code")})
		case name == "period" && v != nil && v.Type == "Period":
			simple = append(simple, search.Pair{Name: name, Value: v.String("start") + "/" + v.String("end")})
		case name == "duration" && v != nil:
			simple = append(simple, search.Pair{Name: name, Value: v.String("value")})
		default:
			return nil, unknownPart(p, known)
		}
	}
	seen := map[string]bool{}
	for _, p := range simple {
		if seen[p.Name] && !slices.Contains([]string{"code", "coding", "statistic"}, p.Name) {
			return nil, fhirmap.Errorf(fhirmap.CodeInvalid, "http."+p.Name, "the parameter %s is given more than once", clip(p.Name))
		}
		seen[p.Name] = true
		switch p.Name {
		case "subject":
			q.subject = p.Value
		case "system":
			system = p.Value
		case "code":
			codes = append(codes, strings.Split(p.Value, ",")...)
		case "coding":
			s, code, ok := strings.Cut(p.Value, "|")
			if !ok || code == "" {
				return nil, fhirmap.Errorf(fhirmap.CodeValue, "http.coding", "coding=%s is no coding; write system|code", clip(p.Value))
			}
			q.codes = append(q.codes, search.Concept{System: s, Code: code})
		case "duration":
			duration = p.Value
		case "period":
			err = q.period(p.Value, now.Location())
		case "statistic":
			err = q.statistic(p.Value)
		case "include":
			if q.include, err = strconv.ParseBool(p.Value); err != nil {
				err = fhirmap.Errorf(fhirmap.CodeValue, "http.include", "include=%s is no boolean; say true or false", clip(p.Value))
			}
		case "limit":
			n, bad := strconv.ParseUint(p.Value, 10, 31)
			if q.limit = int(n); bad != nil || n == 0 {
				err = fhirmap.Errorf(fhirmap.CodeValue, "http.limit", "limit=%s is no number of observations, from 1", clip(p.Value))
			}
		default:
			err = fhirmap.Errorf(fhirmap.CodeNotSupported, "http."+clip(p.Name), "the parameter %q is not known here; known are %s", clip(p.Name), known)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, code := range codes {
		q.codes = append(q.codes, search.Concept{System: system, Code: code})
	}
	switch {
	case q.subject == "":
		err = fhirmap.Errorf(fhirmap.CodeRequired, "http.subject", "$stats is asked of a subject; give subject=Patient/[id]")
	case len(q.codes) == 0:
		err = fhirmap.Errorf(fhirmap.CodeRequired, "http.code", "$stats is asked of codes; give code, with system, or coding=system|code")
	case len(q.codes) > maxStatCodes:
		err = fhirmap.Errorf(fhirmap.CodeTooCostly, "http.code", "%d codes are more than the %d that one request may ask for", len(q.codes), maxStatCodes)
	case len(q.which) == 0:
		err = fhirmap.Errorf(fhirmap.CodeRequired, "http.statistic", "no statistic is asked for; those that are known are %s", statisticNames())
	case duration != "" && seen["period"]:
		err = fhirmap.Errorf(fhirmap.CodeInvalid, "http.duration", "duration and period exclude each other; give one")
	case duration != "":
		err = q.last(duration, now)
	}
	return q, err
}

const maxStatCodes = 50

func statisticNames() string {
	var names []string
	for _, s := range statistics {
		names = append(names, s.code)
	}
	return strings.Join(names, ", ")
}

func (q *statsQuery) statistic(list string) error {
	for name := range strings.SplitSeq(list, ",") {
		if full := spellings[name]; full != "" {
			name = full
		}
		if !slices.ContainsFunc(statistics, func(s statistic) bool { return s.code == name }) {
			return fhirmap.Errorf(fhirmap.CodeNotSupported, "http.statistic", "the statistic %q is not known here; known are %s", clip(name), statisticNames())
		}
		if !slices.Contains(q.which, name) {
			q.which = append(q.which, name)
		}
	}
	return nil
}

func (q *statsQuery) period(value string, zone *time.Location) (err error) {
	start, end, ok := strings.Cut(value, "/")
	if !ok || start == "" && end == "" {
		return fhirmap.Errorf(fhirmap.CodeValue, "http.period", "period=%s is no period; write start/end, of which one may be left out", clip(value))
	}
	q.start, q.end = strings.ReplaceAll(start, " ", "+"), strings.ReplaceAll(end, " ", "+")
	q.from, q.to, err = Range("period.start", start, "period.end", end, zone)
	return err
}

// last asks for the last so many hours.
func (q *statsQuery) last(hours string, now time.Time) error {
	n, err := strconv.ParseFloat(hours, 64)
	if err != nil || !(n > 0 && n < 24*366*200) {
		return fhirmap.Errorf(fhirmap.CodeValue, "http.duration", "duration=%s is no number of hours", clip(hours))
	}
	q.from, q.to = now.Add(-time.Duration(n*float64(time.Hour))), now.Add(time.Millisecond)
	q.start, q.end = q.from.Format(time.RFC3339), now.Format(time.RFC3339)
	return nil
}

// search is the search for the Observations.
func (q *statsQuery) search() []search.Pair {
	var codes []string
	for _, c := range q.codes {
		token := search.Escape(c.Code)
		if c.System != "" {
			token = search.Escape(c.System) + "|" + token
		}
		codes = append(codes, token)
	}
	pairs := []search.Pair{{Name: "subject", Value: search.Escape(q.subject)}, {Name: "combo-code", Value: strings.Join(codes, ",")}, {Name: "_sort", Value: "date"}}
	return append(pairs, Dated("date", q.from, q.to)...)
}

// take takes in what an Observation has of the codes asked for.
func (q *statsQuery) take(root *fhirmap.Element, member func(link string) (*fhirmap.Resource, error)) error {
	if q.asks(root) {
		parts := false
		for c := range root.Each("component") {
			q.add(c)
			parts = true
		}
		for m := range root.Each("hasMember") {
			res, err := member(m.String("reference"))
			if err != nil {
				return err
			}
			if res != nil && !void(res.Root()) && !q.asks(res.Root()) { // which is found by itself
				q.add(res.Root())
				parts = true
			}
		}
		if !parts || root.First("value") != nil {
			q.add(root)
		}
		return nil
	}
	for c := range root.Each("component") {
		if q.asks(c) {
			q.add(c)
		}
	}
	return nil
}

// asks reports whether an element with a code has one of those asked for.
func (q *statsQuery) asks(e *fhirmap.Element) bool {
	for c := range e.First("code").Each("coding") {
		for _, is := range q.codes {
			if c.String("code") == is.Code && (is.System == "" || c.String("system") == is.System) {
				return true
			}
		}
	}
	return false
}

// add takes in the value of an Observation or a component, by its code.
func (q *statsQuery) add(e *fhirmap.Element) {
	code := e.First("code")
	mark := marksOf(code)[0]
	if q.found[mark] == nil {
		q.order = append(q.order, mark)
	}
	for _, s := range q.found[mark] {
		if _, fits := s.Add(e.First("value")); fits {
			return
		}
	}
	s := &statsSeries{code: conceptJSON(code)}
	s.Add(e.First("value"))
	q.found[mark] = append(q.found[mark], s)
}

// conceptJSON writes a concept anew: its codings and its text.
func conceptJSON(code *fhirmap.Element) json.RawMessage {
	var c struct {
		Coding []statCoding `json:"coding,omitempty"`
		Text   string       `json:"text,omitempty"`
	}
	for x := range code.Each("coding") {
		c.Coding = append(c.Coding, statCoding{x.String("system"), x.String("code"), x.String("display")})
	}
	c.Text = code.String("text")
	out, _ := json.Marshal(c)
	return out
}

// answer writes the Parameters. A code of which nothing was found has statistics all the same: counts of 0.
func (q *statsQuery) answer(sources []json.RawMessage) (*Response, error) {
	type parameter struct {
		Name     string          `json:"name"`
		Resource json.RawMessage `json:"resource"`
	}
	out := struct {
		Type      string      `json:"resourceType"`
		Parameter []parameter `json:"parameter"`
	}{Type: "Parameters"}
	tell := func(s *Series, code json.RawMessage) error {
		o, err := s.Observation("", q.subject, code, q.start, q.end, q.which)
		out.Parameter = append(out.Parameter, parameter{"statistics", o})
		return err
	}
	for _, mark := range q.order {
		for _, s := range q.found[mark] {
			if err := tell(&s.Series, s.code); err != nil {
				return nil, err
			}
		}
	}
	if len(q.order) == 0 {
		for _, c := range q.codes {
			code, err := json.Marshal(statConcept{[]statCoding{{c.System, c.Code, ""}}})
			if err != nil {
				return nil, err
			}
			if err := tell(&Series{}, code); err != nil {
				return nil, err
			}
		}
	}
	for _, s := range sources {
		out.Parameter = append(out.Parameter, parameter{"source", s})
	}
	body, err := json.Marshal(out)
	return &Response{Status: http.StatusOK, Body: body}, err
}
