package search

import (
	"slices"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// Total is what _total asks for.
type Total string

// The values of _total; "" if it is not given.
const (
	TotalNone     Total = "none"
	TotalEstimate Total = "estimate"
	TotalAccurate Total = "accurate"
)

// control is a parameter that shapes the result rather than choosing it (R4 3.1.1.5).
type control struct {
	name    string
	does    string // in the page docs/search.md
	example string
	repeats bool // it may be given more than once
	iterate bool // it takes the modifier :iterate
	// read returns the value that it understood, "" if nothing of it.
	read func(s *Search, a *ask, value string, o ParseOptions) (string, *fhirmap.Outcome)
}

var controls = []control{
	{name: "_count", does: "hits of a page; a larger number than allowed is the largest allowed; 0 asks for the total alone", example: "10", read: countControl},
	{name: "_sort", does: "codes of parameters that stand in one field, the later ones for what the earlier leave equal, descending after a -; what has no value is last",
		example: "-date,_id", repeats: true, read: sortControl},
	{name: "_total", does: "accurate: counted exactly, whatever it costs; estimate and nothing: told exactly where it costs little; none: left out", example: "accurate", read: totalControl},
	{name: "_summary", does: "true, text, data: parts of each resource; count: the total alone; false", example: "true", read: summaryControl},
	{name: "_elements", does: "the elements of each hit that are shown, beside those that must be", example: "status,code", read: elementsControl},
	{name: "_include", does: "what the hits refer to: type:parameter, type:parameter:target, type:* or *; with :iterate also of what was included",
		example: "Observation:subject", repeats: true, iterate: true, read: includeControl},
	{name: "_revinclude", does: "what refers to the hits, written as in _include", example: "Provenance:target", repeats: true, iterate: true, read: includeControl},
	{name: "_format", does: "the media type of the answer, as the header Accept", example: "json", read: acceptControl},
	{name: "_pretty", does: "true: the answer is indented", example: "true", read: acceptControl},
}

// controlOf returns the control of a name, nil if it is none.
func controlOf(name string) *control {
	i := slices.IndexFunc(controls, func(c control) bool { return c.name == name })
	if i < 0 {
		return nil
	}
	return &controls[i]
}

// acceptControl takes what the server itself answers to.
func acceptControl(_ *Search, _ *ask, value string, _ ParseOptions) (string, *fhirmap.Outcome) {
	return value, nil
}

// countControl reads the page size; a larger one than allowed is the largest allowed.
func countControl(s *Search, a *ask, value string, _ ParseOptions) (string, *fhirmap.Outcome) {
	n, ok := number(value)
	if !ok {
		return "", a.bad("%q is no number of hits; write 0 or more", value)
	}
	if s.Summary != "count" {
		s.Count = min(n, a.options.MaxCount)
	}
	return value, nil
}

func totalControl(s *Search, a *ask, value string, _ ParseOptions) (string, *fhirmap.Outcome) {
	switch t := Total(value); t {
	case TotalNone, TotalEstimate, TotalAccurate:
		s.Total = t
		return value, nil
	}
	return "", a.bad("%q is none of none, estimate, accurate", value)
}

func summaryControl(s *Search, a *ask, value string, _ ParseOptions) (string, *fhirmap.Outcome) {
	switch value {
	case "true", "text", "data", "false":
	case "count":
		s.Count = 0
	default:
		return "", a.bad("%q is none of true, text, data, count, false", value)
	}
	s.Summary = value
	return value, nil
}

func elementsControl(s *Search, a *ask, value string, _ ParseOptions) (string, *fhirmap.Outcome) {
	for e := range strings.SplitSeq(value, ",") {
		if e = strings.TrimSpace(e); e != "" {
			s.Elements = append(s.Elements, e)
		}
	}
	if len(s.Elements) == 0 {
		return "", a.bad("no element named; write names with commas between")
	}
	return value, nil
}

// sortControl reads the sort keys: codes of parameters, the later ones for what the earlier leave equal, descending after a -.
func sortControl(s *Search, a *ask, value string, o ParseOptions) (string, *fhirmap.Outcome) {
	var understood, keys []string
	for key := range strings.SplitSeq(value, ",") {
		code, desc := strings.CutPrefix(strings.TrimSpace(key), "-")
		p := a.schema.params[code]
		switch {
		case p == nil && a.schema.awaited[code] != nil:
			return "", a.wait(a.schema.awaited[code])
		case o.Lenient && !a.everywhere(code, known):
			s.Ignored = append(s.Ignored, "_sort="+key)
			continue
		case !a.everywhere(code, (*parameter).sortable):
			return "", a.fail(fhirmap.CodeNotSupported, "%s cannot be sorted by %q; it can by %s",
				strings.Join(a.peers, ", "), code, strings.Join(a.common((*parameter).sortable), ", "))
		}
		understood = append(understood, key)
		order := driver.Order{Desc: desc}
		if p.kind != ids {
			order.Field = p.sources[0].field
		}
		if !slices.Contains(keys, key) { // not by the field: several types may have one for two codes, or two
			keys = append(keys, key)
			s.Sort = append(s.Sort, order)
		}
	}
	if len(s.Sort) > a.options.MaxSort {
		return "", a.fail(fhirmap.CodeTooLong, "%d sort keys are more than the %d allowed", len(s.Sort), a.options.MaxSort)
	}
	return strings.Join(understood, ","), nil
}
