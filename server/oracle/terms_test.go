package oracle

import (
	"slices"
	"strings"
)

// concept is a code of a system; without a code every code of it.
type concept struct{ system, code string }

func (f *facts) anyConcept(found []token, set []concept) bool {
	return slices.ContainsFunc(found, func(t token) bool {
		return slices.ContainsFunc(set, func(c concept) bool {
			return t.system == c.system && (c.code == "" || t.code != "" && sameCode(t.code, c.code, c.system))
		})
	})
}

// canonical finds a resource by its url, with |version or without, or as Type/id.
func (f *facts) canonical(typ, name string) map[string]any {
	if r := f.resources[name]; r != nil {
		return r
	}
	url, version, _ := strings.Cut(name, "|")
	for _, r := range f.of(typ) {
		if r["url"] == url && (version == "" || r["version"] == version) {
			return r
		}
	}
	return nil
}

// expansion is what a value set is composed of (R4 4.9).
func (f *facts) expansion(name string) []concept {
	compose := node{value: f.canonical("ValueSet", name)}.child("compose")
	var all []concept
	for _, include := range children([]node{compose}, "include") {
		all = append(all, f.part(include)...)
	}
	for _, exclude := range children([]node{compose}, "exclude") {
		out := f.part(exclude)
		all = slices.DeleteFunc(all, func(c concept) bool { return slices.Contains(out, c) })
	}
	return all
}

// part is one include: what is in its system by all filters, and in all of its value sets.
func (f *facts) part(n node) []concept {
	var sets [][]concept
	system := n.member("system")
	if listed := children([]node{n}, "concept"); len(listed) > 0 {
		var of []concept
		for _, c := range listed {
			of = append(of, concept{system, c.member("code")})
		}
		sets = append(sets, of)
	} else if system != "" && !n.has("filter") {
		sets = append(sets, []concept{{system, ""}})
	}
	for _, filter := range children([]node{n}, "filter") { // is-a alone
		sets = append(sets, f.below(system+"|"+filter.member("value")))
	}
	for _, other := range children([]node{n}, "valueSet") {
		sets = append(sets, f.expansion(other.text()))
	}
	all := sets[0]
	for _, other := range sets[1:] {
		all = slices.DeleteFunc(slices.Clone(all), func(c concept) bool { return !slices.Contains(other, c) })
	}
	return all
}

// below is a code and all that stands below it in its code system; above is what it stands below, and itself.
func (f *facts) below(value string) []concept {
	return f.related(value, func(path []string, code string) bool { return slices.Contains(path, code) })
}

func (f *facts) above(value string) []concept {
	var all []concept
	f.walk(value, func(system string, path []string, code string) {
		if path[len(path)-1] == code {
			for _, c := range path {
				all = append(all, concept{system, c})
			}
		}
	})
	return all
}

func (f *facts) related(value string, is func(path []string, code string) bool) (all []concept) {
	f.walk(value, func(system string, path []string, code string) {
		if is(path, code) {
			all = append(all, concept{system, path[len(path)-1]})
		}
	})
	return all
}

// walk visits the concepts of the code system of system|code, each with the codes that it stands below.
func (f *facts) walk(value string, visit func(system string, path []string, code string)) {
	parts := split(value, '|')
	system, code := plain(parts[0]), plain(parts[1])
	var down func(n node, path []string)
	down = func(n node, path []string) {
		for _, c := range children([]node{n}, "concept") {
			path := append(slices.Clone(path), c.member("code"))
			visit(system, path, code)
			down(c, path)
		}
	}
	down(node{value: f.canonical("CodeSystem", system)}, nil)
}

// terminology is what :in, :not-in, :below and :above of the queries are about.
var terminology = []string{
	`{"resourceType":"CodeSystem","id":"tree","url":"http://snomed.info/sct","status":"active","content":"complete","hierarchyMeaning":"is-a","concept":[
		{"code":"a","concept":[{"code":"b","concept":[{"code":"ab"}]},{"code":"8867-4"}]},{"code":"true","concept":[{"code":"mg"}]}]}`,
	`{"resourceType":"ValueSet","id":"vs-listed","url":"http://oracle.test/listed","version":"1","status":"active","compose":{"include":[
		{"system":"http://loinc.org","concept":[{"code":"a"},{"code":"mg"}]},{"system":"urn:oid:1.2.3","concept":[{"code":"8867-4"}]}]}}`,
	`{"resourceType":"ValueSet","id":"vs-below","url":"http://oracle.test/below","status":"active","compose":{"include":[
		{"system":"http://snomed.info/sct","filter":[{"property":"concept","op":"is-a","value":"a"}]}],"exclude":[{"system":"http://snomed.info/sct","concept":[{"code":"b"}]}]}}`,
	`{"resourceType":"ValueSet","id":"vs-all","url":"http://oracle.test/all","status":"active","compose":{"include":[{"system":"urn:oid:1.2.3"}]}}`,
	`{"resourceType":"ValueSet","id":"vs-both","url":"http://oracle.test/both","status":"active","compose":{"include":[
		{"valueSet":["http://oracle.test/below"]},{"valueSet":["http://oracle.test/listed|1"]}]}}`,
}
