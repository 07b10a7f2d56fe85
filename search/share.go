package search

import (
	"slices"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
)

// share decides which fields each parameter reads. A parameter reads its own field unless others of its type select the same
// elements already:
//
//   - one other with the same expression (phonetic and name): its field;
//   - one or more others whose expressions together are the same (combo-code; code and component-code): their fields;
//   - those, without a closing where(resolve() is T) of its own (patient; subject): their references to T, and a field of its
//     own for the few references of which the bytes do not tell the type.
//
// An earlier definition never comes to read a later one with an equal expression. A custom parameter is settled after all published ones, and
// they never come to read it: so one that is added at run time moves no rows of those that were there.
func share(params []*parameter) {
	byWidth := slices.Clone(params)
	slices.SortStableFunc(byWidth, func(a, b *parameter) int { return len(a.atoms) - len(b.atoms) })
	for i, p := range byWidth {
		p.sources = []source{{field: p.code}}
		if _, only := p.restriction(); only == "" {
			p.cover(byWidth[:i])
		} else {
			p.cover(byWidth)
		}
	}
	settle(byWidth)
}

// cover has p read the fields of others, if some of them together select what it does. Those must not come to read p.
func (p *parameter) cover(others []*parameter) {
	bases, only := p.restriction()
	if p.kind.rows == nil || only != "" && ambiguousSuffix(only) {
		return
	}
	var candidates []*parameter
	for _, q := range others {
		if q == p || q.kind != p.kind {
			continue
		}
		if _, o := q.restriction(); o != "" {
			continue
		}
		if len(q.atoms) <= len(bases) && !slices.ContainsFunc(q.atoms, func(a atom) bool { return !slices.Contains(bases, a.text) }) {
			candidates = append(candidates, q)
		}
	}
	cover := coverOf(bases, candidates)
	if cover == nil {
		return
	}
	p.sources = nil
	for _, q := range cover {
		p.sources = append(p.sources, source{field: q.code, only: only})
	}
	if only != "" {
		p.sources = append(p.sources, source{field: p.code, rest: true})
	}
}

// mixed stands for a parameter of which some atoms are restricted and others are not, or differently.
const mixed = "*"

// restriction returns the atoms without their type filter, and the filter that all of them have.
func (p *parameter) restriction() (bases []string, only string) {
	for i, a := range p.atoms {
		if i > 0 && a.only != only {
			only = mixed
		} else if i == 0 {
			only = a.only
		}
		bases = append(bases, a.base)
	}
	if only == mixed {
		bases = nil
		for _, a := range p.atoms {
			bases = append(bases, a.text)
		}
	}
	return bases, only
}

// ambiguousSuffix reports whether the bytes 00 and this type may also begin another type's name, as with Practitioner and
// PractitionerRole: then LIKE cannot tell the two apart.
func ambiguousSuffix(typ string) bool {
	return typ == mixed || slices.ContainsFunc(fhirmap.ResourceTypes(), func(t string) bool {
		return t != typ && strings.HasPrefix(t, typ)
	})
}

// coverOf picks parameters that together select just these atoms: one if one is enough, else the widest first.
func coverOf(bases []string, candidates []*parameter) []*parameter {
	left := slices.Clone(bases)
	slices.Sort(left)
	left = slices.Compact(left)
	candidates = slices.Clone(candidates)
	slices.SortStableFunc(candidates, func(a, b *parameter) int { return len(b.atoms) - len(a.atoms) })
	var cover []*parameter
	for _, q := range candidates {
		before := len(left)
		left = slices.DeleteFunc(left, func(b string) bool {
			return slices.ContainsFunc(q.atoms, func(a atom) bool { return a.text == b })
		})
		if len(left) < before {
			cover = append(cover, q)
		}
	}
	if len(left) > 0 {
		return nil
	}
	return cover
}

// settle replaces a source that is itself a reader of others by what it reads.
func settle(params []*parameter) {
	byCode := map[string]*parameter{}
	for _, p := range params {
		byCode[p.code] = p
	}
	var settled func(*parameter) []source
	settled = func(p *parameter) []source {
		var out []source
		for _, s := range p.sources {
			if q := byCode[s.field]; s.field != p.code && q != nil {
				for _, t := range settled(q) {
					out = append(out, source{field: t.field, only: s.only})
				}
				continue
			}
			out = append(out, s)
		}
		return out
	}
	for _, p := range params {
		p.sources = settled(p)
	}
}
