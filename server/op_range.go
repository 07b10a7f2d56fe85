package server

import (
	"time"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
)

// Range reads the two ends of a time, each a date or a dateTime of any precision, or "". Both belong to it whole: from 2024-01 to 2024-02-03 is what
// begins with January and ends with the third of February. to is the first moment that does not belong to it; an end that is "" is zero.
func Range(startName, start, endName, end string, zone *time.Location) (from, to time.Time, err error) {
	if start != "" {
		if from, _, err = moment(startName, start, zone); err != nil {
			return from, to, err
		}
	}
	if end != "" {
		if _, to, err = moment(endName, end, zone); err != nil {
			return from, to, err
		}
	}
	if start != "" && end != "" && !from.Before(to) {
		return from, to, fhirmap.Errorf(fhirmap.CodeValue, "", "%s=%s lies after %s=%s; the start comes first", startName, clip(start), endName, clip(end))
	}
	return from, to, nil
}

// Dated are the parameters of a search for what happened from one moment on and before another; a zero one is no bound.
func Dated(name string, from, to time.Time) []search.Pair {
	var out []search.Pair
	if !from.IsZero() {
		out = append(out, search.Pair{Name: name, Value: "ge" + from.UTC().Format(exact)})
	}
	if !to.IsZero() {
		out = append(out, search.Pair{Name: name, Value: "lt" + to.UTC().Format(exact)})
	}
	return out
}

const exact = "2006-01-02T15:04:05.000Z07:00"
