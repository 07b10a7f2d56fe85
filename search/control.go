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

// control reads a parameter that shapes the result rather than choosing it (R4 3.1.1.5). It returns the value that it
// understood, "" if nothing of it.
type control func(s *Search, a *ask, value string, o ParseOptions) (string, *fhirmap.Outcome)

var controls = map[string]control{
	"_count":      countControl,
	"_sort":       sortControl,
	"_total":      totalControl,
	"_summary":    summaryControl,
	"_elements":   elementsControl,
	"_include":    includeControl,
	"_revinclude": includeControl,
	"_format":     acceptControl,
	"_pretty":     acceptControl,
}

// repeats are the controls that may be given more than once.
var repeats = []string{"_sort", "_include", "_revinclude"}

// iterates are the controls that take a modifier.
var iterates = []string{"_include", "_revinclude"}

func controlNames() []string {
	return []string{"_count", "_sort", "_total", "_summary", "_elements", "_include", "_revinclude", "_format", "_pretty"}
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
