package fhirmap

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/conformance/r4"
)

func TestCompilePathErrors(t *testing.T) {
	for _, test := range []struct{ expr, want string }{
		{"", `at 1: found end of expression, want an element`},
		{"name[", `at 6: found end of expression, want an element`},
		{"name[0", `at 7: found end of expression, want ]`},
		{"name.", `at 6: found end of expression, want the name of an element or function`},
		{"name given", `at 6: found "given", want an operator, a dot or the end`},
		{"name.where(", `at 12: found end of expression, want an element`},
		{"name.where()", `at 6: where() has 0 arguments, want 1`},
		{"name.substring(1, 2, 3)", `at 6: substring() has 3 arguments, want 1 to 2`},
		{"name.bogus()", `at 6: found "bogus", want a function: one of abs, aggregate, all`},
		{"name is Bogus", `at 9: found "Bogus", want a type of FHIR R4 or of FHIRPath`},
		{"name is System.Patient", `found "Patient", want a type`},
		{"Bogus.name", `at 1: found "Bogus", want an element, or a FHIR type, to begin with`},
		{"%bogus", `found %bogus, want one of %context, %loinc`},
		{"$bogus", `found $bogus, want one of $index, $this, $total`},
		{"'abc", `at 1: found text without its closing quote, want '`},
		{`'a\x'`, `at 3: found an escape that is none`},
		{"@2012-13", `at 1: found @2012-13, want a date such as`},
		{"@2012-02-30", `found @2012-02-30`},
		{"name and", `at 9: found end of expression`},
		{"and name", `at 1: found "and", want a term before this operator`},
		{"name /* x", `found a comment without its end`},
		{"a # b", `at 3: found '#', which begins nothing in FHIRPath`},
		{"'a'.matches('(')", `at 5: error parsing regexp`},
		{"'a'.matches('(abcdefghij){900}')", `at 5: the regular expression takes some`},
		{"{1}", `at 2: found "1", want }`},
		{"a\xff", "not UTF-8"},
		{strings.Repeat("(", 300), "nested more than 200 deep"},
		{strings.Repeat("-", 300), "nested more than 200 deep"},
		{strings.Repeat("a", maxPathBytes+1), "too long"},
	} {
		_, err := CompilePath(test.expr)
		var outcome *Outcome
		if !errors.As(err, &outcome) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.40s: got %v, want an outcome with %s", test.expr, err, test.want)
		}
	}
}

// TestPathLimits runs expressions that would take for ever or fill the memory.
func TestPathLimits(t *testing.T) {
	wide := part("Patient", "Patient")
	for i := range 2000 {
		wide.Children = append(wide.Children, part("name", "HumanName", value("given", "string", fmt.Sprint(i)), value("given", "string", "x")))
	}
	for _, expr := range []string{
		"descendants().select(%resource.descendants())",
		"name.select(%resource.name.select(%resource.name))",
		"1.repeat($this + 1)",
		"name.aggregate($total & $total & 'xxxxxxxxxx', 'x')",
		"name.where(%resource.name.given contains 'nobody')",
		"name.given.where(%resource.name.given.join().matches('(x?){300}(1?){300}$'))",
		"name.given.join().toChars().select(%resource.name.given.join().split('1'))",
		strings.Repeat("name.select(%resource.", 100) + "name" + strings.Repeat(")", 100),
	} {
		p, err := CompilePath(expr)
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Select(wide)
		var outcome *Outcome
		if !errors.As(err, &outcome) || outcome.Issues[0].Code != CodeTooCostly {
			t.Errorf("%.40s: got %v, want too-costly", expr, err)
		}
	}
	if got := evaluate(t, "name.given.distinct().count()", wide); got != "2001" {
		t.Errorf("distinct of many: %s, want 2001", got)
	}
}

func TestCompilePublishedPaths(t *testing.T) {
	n := 0
	for _, p := range r4.SearchParameters {
		exprs := []string{p.Expression}
		for _, c := range p.Components {
			exprs = append(exprs, c.Expression)
		}
		for _, expr := range exprs {
			if expr == "" {
				continue
			}
			n++
			path, err := CompilePath(expr)
			if err != nil {
				t.Errorf("%s: %v", p.URL, err)
				continue
			}
			for _, root := range []*Element{pathPatient(), pathObservation()} {
				if _, err := path.Select(root); err != nil {
					t.Errorf("%s: %v", p.URL, err)
				}
			}
		}
	}
	if n != 1384+96 {
		t.Errorf("%d expressions, want 1384 of parameters and 96 of components", n)
	}
}

// TestPathExamples evaluates every published expression on the official examples of its types.
func TestPathExamples(t *testing.T) {
	paths := map[string][]*Path{}
	for _, p := range r4.SearchParameters {
		if p.Expression == "" {
			continue
		}
		path, err := CompilePath(p.Expression)
		if err != nil {
			t.Fatal(err)
		}
		for _, typ := range p.Base {
			paths[typ] = append(paths[typ], path)
		}
	}
	evaluations, found := 0, 0
	for name, data := range examples(t) {
		r, err := Trusted(data)
		if err != nil {
			continue // the tests of Parse say which
		}
		for _, path := range append(slices.Clone(paths[r.Type()]), paths["Resource"]...) {
			items, err := path.Select(r.Root())
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			evaluations++
			if len(items) > 0 {
				found++
			}
		}
	}
	if found < 50_000 {
		t.Errorf("%d of %d evaluations found something, want most of 50,000 and more", found, evaluations)
	}
	t.Logf("%d of %d evaluations found something", found, evaluations)
}

func BenchmarkPath(b *testing.B) {
	observation, patient := pathObservation(), pathPatient()
	for _, test := range []struct {
		expr string
		root *Element
	}{
		{"Observation.status", observation},
		{"Observation.subject.where(resolve() is Patient)", observation},
		{"(Observation.component.value as Quantity) | (Observation.component.value as SampledData)", observation},
		{"Patient.deceased.exists() and Patient.deceased != false", patient},
		{"Patient.name.where(use = 'official').given", patient},
	} {
		p, err := CompilePath(test.expr)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(test.expr, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if items, err := p.Select(test.root); err != nil || len(items) == 0 {
					b.Fatal(items, err)
				}
			}
		})
	}
}

func BenchmarkCompilePath(b *testing.B) {
	for b.Loop() {
		for _, p := range r4.SearchParameters {
			if p.Expression != "" {
				if _, err := CompilePath(p.Expression); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1384, "us/path")
}
