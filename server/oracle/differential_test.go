// Package oracle compares searches over HTTP with a plain evaluator that reads the JSON of every resource: the oracle. The two share no
// code: what stands in the files of the oracle imports nothing of Hob but the published facts of R4, see TestIndependent.
//
//	path_test.go      the expressions of SearchParameters over JSON
//	value_test.go     what elements are to a token, string, date, number or quantity parameter, and when they match
//	link_test.go      the same of references and URLs
//	interval_test.go  prefixes, on numbers and on time
//	normal_test.go    texts without accents, case and punctuation, and the escapes of values
//	clause_test.go    one parameter and its modifiers, composites
//	reach_test.go     chains, _has, and what begins each clause
//	terms_test.go     value sets and code systems
//	order_test.go     _sort
//
// generate_test.go and pools_test.go write the resources, ask_test.go the values of queries; trial_test.go holds the server that is asked.
package oracle

import (
	"fmt"
	"go/parser"
	gotoken "go/token"
	"math/rand/v2"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/search"
)

func TestIndependent(t *testing.T) {
	for _, file := range []string{"path_test.go", "value_test.go", "link_test.go", "interval_test.go", "normal_test.go", "clause_test.go", "reach_test.go", "terms_test.go", "order_test.go"} {
		f, err := parser.ParseFile(gotoken.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if path := strings.Trim(i.Path.Value, `"`); strings.Contains(path, "hob-fhir") && !strings.HasSuffix(path, "/conformance/r4") {
				t.Errorf("%s imports %s; the oracle must not share code with what it judges", file, path)
			}
		}
	}
}

// TestDifferential asks a thousand random queries, or ten thousand if HOB_SOAK is 1, and some more if not all was seen by then.
func TestDifferential(t *testing.T) {
	seed := rand.Uint64()
	if s := os.Getenv("HOB_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Logf("HOB_SEED=%d", seed)
	queries := 1000
	if os.Getenv("HOB_SOAK") == "1" {
		queries = 10_000
	}
	r := newTrial(t, seed, types)
	for _, typ := range types {
		for n := range map[string]int{"Observation": 60}[typ] + 24 {
			r.write(typ, fmt.Sprintf("%s-%d", typ[:1], n))
		}
		for _, id := range ids {
			r.write(typ, id)
		}
	}
	for _, body := range terminology {
		m := decoded(t, []byte(body))
		r.put(m["resourceType"].(string), m["id"].(string), []byte(body))
	}
	for r.asked < queries || r.asked < 3*queries && len(r.unseen()) > 0 {
		if r.round(); r.wrong > 20 {
			t.Fatal("enough")
		}
		if r.asked%5 == 0 {
			r.write(pick(r.generator, types), pick(r.generator, ids))
		}
	}
	t.Logf("%d queries", r.asked)
	for _, u := range r.unseen() {
		t.Errorf("never asked with both a hit and a miss: %s", u)
	}
}

// unseen lists what was not yet asked with a hit and a miss.
func (r *trial) unseen() []string {
	r.wanted = slices.DeleteFunc(r.wanted, func(w string) bool { return r.seen[w] })
	return r.wanted
}

// reaches are the steps of chains (>) and of _has (<) that are asked.
var reaches = []string{">", "<", ">>", "><", "<>", "<<", ">>>"}

// next chooses a parameter, often of what was not yet seen, and writes a value for it. about names what is seen by it.
func (r *trial) next() (typ string, c clause, about []string) {
	want, modifier := "", ""
	if unseen := r.unseen(); len(unseen) > 0 && !r.one(3) {
		want = pick(r.generator, unseen)
	}
	if slices.Contains(reaches, want) || r.one(8) {
		if !slices.Contains(reaches, want) {
			want = pick(r.generator, reaches)
		}
		typ = pick(r.generator, r.types)
		if c, ok := r.reaching(typ, want); ok {
			return typ, c, []string{want}
		}
		want = ""
	}
	way, prefix, prefixed := strings.Cut(want, " ")
	kind, modifier, modified := strings.Cut(way, ":")
	var offered search.Parameter
	for {
		typ = pick(r.generator, r.types)
		if t, code, ok := strings.Cut(want, "."); ok {
			typ, offered = t, r.offered[t][slices.IndexFunc(r.offered[t], func(p search.Parameter) bool { return p.Code == code })]
			break
		}
		offered = pick(r.generator, r.offered[typ])
		if want == "" || r.param(typ, offered.Code).Type == kind && (!modified || slices.Contains(offered.Modifiers, modifier)) {
			break
		}
	}
	if !modified && !prefixed && len(offered.Modifiers) > 0 && r.one(2) {
		modifier = pick(r.generator, offered.Modifiers)
	}
	p := r.param(typ, offered.Code)
	about = []string{typ + "." + p.Code, p.Type + ":" + modifier}
	r.wish = prefix
	c = r.clause(p, typ, modifier)
	r.wish = ""
	if slices.Contains([]string{"date", "number", "quantity"}, p.Type) && modifier == "" && !strings.Contains(c.value, ",") {
		prefix, _ := prefixOf(c.value)
		about = append(about, p.Type+" "+prefix)
	}
	return typ, c, about
}

// round asks one random query and compares.
func (r *trial) round() {
	typ, c, about := r.next()
	clauses := []clause{c}
	for r.one(4) {
		if t, more, _ := r.next(); t == typ {
			clauses = append(clauses, more)
		}
	}
	var sort []string
	for r.one(3) {
		p := pick(r.generator, r.offered[typ])
		if p.Sortable && !slices.Contains(sort, p.Code) && !slices.Contains(sort, "-"+p.Code) {
			sort = append(sort, []string{"", "-"}[r.IntN(2)]+p.Code)
		}
	}
	if len(clauses) > 1 {
		about = nil
	}
	query := url.Values{}
	path := "/fhir/" + typ
	var want []string
	all := r.of(typ)
	switch owner := pick(r.generator, ids); {
	case r.one(12): // of one type among all
		path = "/fhir"
		query.Set("_type", typ)
	case r.one(12): // within a compartment
		of := pick(r.generator, []string{"Patient", "Encounter", "Practitioner"})
		if members := r.compartment(typ, of, owner); members != nil {
			path, all, about = "/fhir/"+of+"/"+owner+"/"+typ, members, nil
		}
	}
	for _, resource := range all {
		if !slices.ContainsFunc(clauses, func(c clause) bool { return !r.holds(resource, c.name, c.value) }) {
			want = append(want, resource["id"].(string))
		}
	}
	if len(want) > 0 && len(want) < len(all) {
		for _, a := range about {
			r.seen[a] = true
		}
	}
	for _, c := range clauses {
		query.Add(c.name, c.value)
	}
	if sort != nil {
		query.Set("_sort", strings.Join(sort, ","))
	}
	r.asked++
	r.compare(path, typ, query, sort, want)
}
