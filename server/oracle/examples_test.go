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
	seed := rand.Uint64()
	if s := os.Getenv("HOB_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Logf("HOB_SEED=%d", seed)
	queries := 500
	if os.Getenv("HOB_SOAK") == "1" {
		queries = 5000
	}
	r := newTrial(t, seed, fhirmap.ResourceTypes())
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
	r.wanted = slices.DeleteFunc(r.wanted, func(w string) bool {
		typ, _, pair := strings.Cut(w, ".")
		return pair && len(r.of(typ)) == 0
	})
	t.Logf("%d examples of %d types; %d are not valid, or have no id of their own", len(r.resources), len(r.types), refused)
	for r.asked < queries {
		if r.round(); r.wrong > 4 {
			t.Fatal("enough")
		}
	}
	t.Logf("%d queries; %d of what can be asked has no hit and miss yet", r.asked, len(r.unseen()))
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
