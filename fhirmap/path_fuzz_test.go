package fhirmap

import (
	"errors"
	"testing"

	"github.com/hob-fhir/hob/conformance/r4"
)

// FuzzCompilePath compiles what comes and evaluates it: no panic, an end, outcomes as errors, and the same twice.
func FuzzCompilePath(f *testing.F) {
	for i, p := range r4.SearchParameters {
		if i%40 == 0 {
			f.Add(p.Expression)
		}
	}
	for _, expr := range []string{
		"(Observation.value as Quantity) | (Observation.component.value as SampledData)",
		"Patient.deceased.exists() and Patient.deceased != false",
		"name.where(use = 'official' or $index > 1 and given.first().matches('^P.*')).given[0] & 'x'",
		"repeat(children()).where($this is Extension).url.distinct() in ('a' | 'b')",
		"iif(birthDate < today() - 3 years, -1.5 * 2 'mg', @2012-01-31T10:00:00.5+02:00 + 1 month)",
		"name.given.aggregate($total & $this.substring(0, 1).upper(), {}) ~ %resource.id",
		"descendants().resolve() is Patient implies 7 div 2 mod 3 = '3'.toInteger()",
		"managingOrganization.resolve().name.replaceMatches('(H)ome', '$1') // all",
		"-1.power(0.5).round(2).toString().toQuantity() !~ `x`.%`vs-a`",
	} {
		f.Add(expr)
	}
	roots := []*Element{pathPatient(), pathObservation()}
	f.Fuzz(func(t *testing.T, expr string) {
		p, err := CompilePath(expr)
		if err != nil {
			wantOutcome(t, err)
			return
		}
		if p.String() != expr {
			t.Errorf("%q became %q", expr, p.String())
		}
		for _, root := range roots {
			first, err := p.Evaluate(Focus{Resource: root, Now: at})
			if err != nil {
				wantOutcome(t, err)
			}
			again, err2 := p.Evaluate(Focus{Resource: root, Now: at})
			if show(first) != show(again) || (err == nil) != (err2 == nil) {
				t.Errorf("%q gave %s (%v), then %s (%v)", expr, show(first), err, show(again), err2)
			}
			for _, e := range first {
				if e == nil {
					t.Fatalf("%q selects nil", expr)
				}
				if e.Name == "" && e.Key != "" {
					t.Errorf("%q computes a value with a key", expr)
				}
			}
		}
		if got := show(roots[0].Children[:1]); got != "p1" {
			t.Fatalf("%q changed the tree", expr)
		}
	})
}

func wantOutcome(t *testing.T, err error) {
	var outcome *Outcome
	if !errors.As(err, &outcome) || len(outcome.Issues) == 0 || outcome.Issues[0].Diagnostics == "" {
		t.Errorf("%v is no outcome with a sentence", err)
	}
}
