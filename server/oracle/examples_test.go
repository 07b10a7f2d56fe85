package oracle

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
)

// TestExamples asks about the official examples of R4, as the npm package hl7.fhir.r4.examples 4.0.1 has them, which HOB_R4_EXAMPLES names:
// five hundred queries, or five thousand if HOB_SOAK is 1, of values that the examples have.
func TestExamples(t *testing.T) {
	at := os.Getenv("HOB_R4_EXAMPLES")
	if at == "" {
		if os.Getenv("HOB_REQUIRE_EXAMPLES") == "1" {
			t.Fatal("HOB_R4_EXAMPLES is not set; it names the package hl7.fhir.r4.examples 4.0.1")
		}
		t.Skip("set HOB_R4_EXAMPLES to the package hl7.fhir.r4.examples 4.0.1")
	}
	seed := uint64(3) // the examples are the same each time; what is random is asked of them in the long form
	if os.Getenv("HOB_SOAK") == "1" {
		seed = rand.Uint64()
	}
	if s := os.Getenv("HOB_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Logf("HOB_SEED=%d", seed)
	queries := 500
	if os.Getenv("HOB_SOAK") == "1" {
		queries = 5000
	}
	r := newTrial(t, seed, fhirmap.ResourceTypes())
	for _, pair := range unjudged {
		typ, code, _ := strings.Cut(pair, ".")
		r.offered[typ] = slices.DeleteFunc(r.offered[typ], func(p search.Parameter) bool { return p.Code == code })
		r.wanted = slices.DeleteFunc(r.wanted, func(w string) bool { return w == pair })
	}
	for typ, all := range r.offered { // the code systems of the examples are fragments
		for i := range all {
			all[i].Modifiers = slices.DeleteFunc(all[i].Modifiers, func(m string) bool {
				return slices.Contains([]string{"in", "not-in", "below", "above"}, m) && r.param(typ, all[i].Code).Type == "token"
			})
		}
	}
	refused := 0
	examples(t, at, func(name string, body []byte) {
		m := decoded(t, body)
		typ, _ := m["resourceType"].(string)
		id, _ := m["id"].(string)
		if id == "" || r.resources[typ+"/"+id] != nil || !r.put(typ, id, body) {
			refused++
		}
	})
	r.types = slices.DeleteFunc(slices.Clone(r.types), func(typ string) bool { return len(r.of(typ)) == 0 })
	r.wanted = slices.DeleteFunc(r.wanted, func(w string) bool { // what no type of the examples offers cannot be asked
		if typ, _, pair := strings.Cut(w, "."); pair {
			return len(r.of(typ)) == 0
		}
		return !slices.Contains(reaches, w) && !r.offers(w)
	})
	t.Logf("%d examples of %d types; %d are not valid, or have no id of their own", len(r.resources), len(r.types), refused)
	for r.asked < queries {
		if r.round(); r.wrong > 4 {
			t.Fatal("enough")
		}
	}
	t.Logf("%d queries; %d of what can be asked has no hit and miss yet", r.asked, len(r.unseen()))
}

// unjudged are pairs that the evaluator, which sees JSON and no types, reads in another way: a date that is text (scheduledString), and
// canonicals, which FHIRPath takes for uris too.
var unjudged = []string{"CarePlan.activity-date", "ConceptMap.source-uri", "ConceptMap.target-uri"}

// offers reports whether some type has a parameter that can be asked in a way, written as in wanted.
func (r *trial) offers(way string) bool {
	way, _, _ = strings.Cut(way, " ")
	kind, modifier, modified := strings.Cut(way, ":")
	return slices.ContainsFunc(r.types, func(typ string) bool {
		return slices.ContainsFunc(r.offered[typ], func(p search.Parameter) bool {
			return r.param(typ, p.Code).Type == kind && (!modified || modifier == "" || slices.Contains(p.Modifiers, modifier))
		})
	})
}

func examples(t *testing.T, at string, each func(name string, body []byte)) {
	f, err := os.Open(at)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for tr := tar.NewReader(unzipped); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		name := path.Base(h.Name)
		if typ, _, _ := strings.Cut(name, "-"); path.Ext(name) != ".json" || !fhirmap.IsResource(typ) {
			continue
		}
		body, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		each(name, body)
	}
}
