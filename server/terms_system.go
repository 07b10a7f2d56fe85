package server

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
)

// read lists the concepts and what stands above each: where the concepts are nested, and by the properties parent and child, which
// code systems of several parents use (R4 section 4.8.8). A hierarchy that is not of kinds (part-of, grouped-by, classified-with) is
// not read as one.
func (s *codeSystem) read(list []codeSystemConcept, parent string) {
	for i := range list {
		c := &list[i]
		if s.byCode[c.Code] == nil {
			s.byCode[c.Code] = c
			s.all = append(s.all, c)
		}
		if s.HierarchyMeaning == "" || s.HierarchyMeaning == "is-a" {
			if parent != "" {
				s.link(c.Code, parent)
			}
			for _, p := range c.Property {
				switch value := propertyValue(p); p["code"] {
				case "parent", "subsumedBy":
					s.link(c.Code, value)
				case "child":
					s.link(value, c.Code)
				}
			}
		}
		s.read(c.Concept, c.Code)
	}
}

// whole refuses to tell by a part of a code system what is above or below a code of it.
func (s *codeSystem) whole() error {
	if s.Content == "complete" {
		return nil
	}
	return fhirmap.Errorf(fhirmap.CodeValue, "", "the code system %s is stored here, but not the whole of it (content is %s), so what is above or below a code of it is not known",
		clip(s.URL), s.Content)
}

func (s *codeSystem) link(code, parent string) {
	if code == "" || parent == "" || slices.Contains(s.parents[code], parent) {
		return
	}
	s.parents[code] = append(s.parents[code], parent)
	s.kinds[parent] = append(s.kinds[parent], code)
}

// propertyValue is the value of a concept's property as text, whatever its type; of a Coding the code.
func propertyValue(p map[string]any) string {
	for name, v := range p {
		if !strings.HasPrefix(name, "value") {
			continue
		}
		switch v := v.(type) {
		case string:
			return v
		case bool:
			return strconv.FormatBool(v)
		case float64:
			return strconv.FormatFloat(v, 'f', -1, 64)
		case map[string]any:
			code, _ := v["code"].(string)
			return code
		}
	}
	return ""
}

func (s *codeSystem) codes() []string {
	out := make([]string, len(s.all))
	for i, c := range s.all {
		out[i] = c.Code
	}
	return out
}

// below and above return a code and all that is below or above it, each once, whatever circles the parents make.
func (s *codeSystem) below(code string) []string { return reach(code, s.kinds) }

func (s *codeSystem) above(code string) []string { return reach(code, s.parents) }

func reach(from string, next map[string][]string) []string {
	out := []string{from}
	seen := map[string]bool{from: true}
	for i := 0; i < len(out); i++ {
		for _, c := range next[out[i]] {
			if !seen[c] {
				seen[c] = true
				out = append(out, c)
			}
		}
	}
	return out
}

// filter makes the test of one filter of a value set (R4 section 4.9.5, ValueSet.compose.include.filter).
func (s *codeSystem) filter(f valueSetFilter) (func(code string) bool, error) {
	if f.Property == "concept" || f.Property == "code" {
		var in []string
		switch f.Op {
		case "is-a", "is-not-a":
			in = s.below(f.Value)
		case "descendent-of":
			in = s.below(f.Value)[1:]
		case "generalizes":
			in = s.above(f.Value)
		case "=":
			in = []string{f.Value}
		case "in", "not-in":
			in = split(f.Value)
		default:
			return nil, fmt.Errorf("the operator %q of codes", clip(f.Op))
		}
		set := make(map[string]bool, len(in))
		for _, c := range in {
			set[c] = true
		}
		not := f.Op == "is-not-a" || f.Op == "not-in"
		return func(code string) bool { return set[code] != not }, nil
	}
	values := func(code string) (out []string) {
		c := s.byCode[code]
		if f.Property == "display" {
			return []string{c.Display}
		}
		for _, p := range c.Property {
			if p["code"] == f.Property {
				out = append(out, propertyValue(p))
			}
		}
		return out
	}
	switch f.Op {
	case "=":
		return func(code string) bool { return slices.Contains(values(code), f.Value) }, nil
	case "in", "not-in":
		list := split(f.Value)
		return func(code string) bool {
			return slices.ContainsFunc(values(code), func(v string) bool { return slices.Contains(list, v) }) == (f.Op == "in")
		}, nil
	case "exists":
		return func(code string) bool { return len(values(code)) > 0 == (f.Value == "true") }, nil
	}
	return nil, fmt.Errorf("the operator %q of the property %q", clip(f.Op), clip(f.Property))
}

func split(list string) []string {
	var out []string
	for s := range strings.SplitSeq(list, ",") {
		out = append(out, strings.TrimSpace(s))
	}
	return out
}
