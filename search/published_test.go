package search

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// examples calls fn with each resource of the npm package hl7.fhir.r4.examples 4.0.1, which HOB_R4_EXAMPLES names: its .tgz,
// or the folder it was unpacked to.
func examples(t testing.TB, each func(name string, data []byte)) {
	t.Helper()
	fn := func(name string, data []byte) {
		if typ, _, _ := strings.Cut(name, "-"); fhirmap.IsResource(typ) { // a package holds its own description too
			each(name, data)
		}
	}
	at := os.Getenv("HOB_R4_EXAMPLES")
	if at == "" {
		if os.Getenv("HOB_REQUIRE_EXAMPLES") == "1" {
			t.Fatal("HOB_R4_EXAMPLES is not set; it names the package hl7.fhir.r4.examples 4.0.1, as .tgz or unpacked")
		}
		t.Skip("set HOB_R4_EXAMPLES to the package hl7.fhir.r4.examples 4.0.1, as .tgz or unpacked")
	}
	info, err := os.Stat(at)
	if err != nil {
		t.Fatal(err)
	}
	if info.IsDir() {
		files, err := filepath.Glob(filepath.Join(at, "*.json"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s holds no .json files", at)
		}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			fn(filepath.Base(f), data)
		}
		return
	}
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
		if filepath.Ext(h.Name) == ".json" {
			data, err := io.ReadAll(tr)
			if err != nil {
				t.Fatal(err)
			}
			fn(filepath.Base(h.Name), data)
		}
	}
}

// seen collects which parameters have a value in some resource.
type seen struct {
	c     *Catalog
	alive map[string]bool // "Type.code"
	rows  map[string]int  // of a type
	count map[string]int  // resources of a type
}

// add indexes a resource and those in it, if it is a Bundle.
func (s *seen) add(t *testing.T, name string, data []byte) {
	r, err := fhirmap.Trusted(data)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	rows, err := s.c.Rows(r.ID(), r)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if err := driver.ValidateRows(driver.Key{Type: r.Type(), ID: "x"}, rows); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	s.unread(t, r)
	s.count[r.Type()]++
	s.rows[r.Type()] += len(rows)
	if r.Type() == "Bundle" {
		var bundle struct {
			Entry []struct{ Resource json.RawMessage }
		}
		if err := json.Unmarshal(data, &bundle); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, e := range bundle.Entry {
			if len(e.Resource) > 0 {
				s.add(t, name, e.Resource)
			}
		}
	}
	for code, p := range s.c.now().types[r.Type()].params {
		if key := r.Type() + "." + code; !s.alive[key] && hasValue(p, r, rows) {
			s.alive[key] = true
		}
	}
}

// unread complains of elements that a parameter selects but has no extractor for.
func (s *seen) unread(t *testing.T, r *fhirmap.Resource) {
	schema := s.c.now().types[r.Type()]
	for _, selectors := range append(slices.Collect(maps.Values(schema.byElement)), schema.always) {
		for _, sel := range selectors {
			elements, err := sel.path.Select(r.Root())
			if err != nil {
				t.Errorf("%s.%s: %v", r.Type(), sel.param.code, err)
			}
			for _, e := range elements {
				key := r.Type() + "." + sel.param.code + " " + e.Type
				known := sel.param.kind.rows[e.Type] != nil || sel.param.kind.rows[anyResource] != nil && fhirmap.IsResource(e.Type)
				if !known && e.Type != "Extension" && !s.alive[key] {
					s.alive[key] = true // once is enough
					if textOnly[key] != "" {
						continue
					}
					t.Errorf("%s selects a %s, of which a %s parameter makes no row", key, e.Type, sel.param.kind.name)
				}
			}
		}
	}
}

// hasValue reports whether a search for a parameter could find a resource of these rows.
func hasValue(p *parameter, r *fhirmap.Resource, rows []driver.Row) bool {
	switch p.code {
	case "_id":
		return r.ID() != ""
	case "_lastUpdated":
		return true // storage adds the row
	}
	if p.kind != composites {
		return slices.ContainsFunc(rows, func(row driver.Row) bool {
			return slices.ContainsFunc(p.kind.present, func(suffix string) bool { return readBy(p.sources, suffix, row) })
		})
	}
	for _, j := range p.joins {
		groups := map[uint32]int{}
		want := 0
		for _, c := range j {
			in := map[uint32]bool{}
			for _, row := range rows {
				if readBy(c.sources, "", row) {
					in[row.Group] = true
				}
			}
			if c.outside {
				if len(in) == 0 {
					want = -1
					break
				}
				continue
			}
			want++
			for g := range in {
				groups[g]++
			}
		}
		if slices.Contains(slices.Collect(maps.Values(groups)), want) {
			return true
		}
	}
	return false
}

func readBy(sources []source, suffix string, row driver.Row) bool {
	return slices.ContainsFunc(sources, func(s source) bool {
		return s.field+suffix == row.Field && (s.only == "" || refersTo(row.Value.Low, s.only))
	})
}

// TestPublishedParameters: for each published pair of a type and a code some official example of the type, or if none has the
// element a small resource of ours, has an index row; what is left is listed below with the reason.
func TestPublishedParameters(t *testing.T) {
	s := &seen{newCatalog(t), map[string]bool{}, map[string]int{}, map[string]int{}}
	examples(t, func(name string, data []byte) { s.add(t, name, data) })
	official := maps.Clone(s.alive)
	for _, typ := range []string{"Patient", "Observation", "Encounter"} {
		t.Logf("%s: %.1f rows each of %d examples", typ, float64(s.rows[typ])/float64(s.count[typ]), s.count[typ])
	}
	for _, r := range unseen() {
		s.add(t, r, []byte(strings.ReplaceAll(r, "'", `"`)))
	}
	pairs, byOfficial := 0, 0
	listed := maps.Clone(without)
	var dead []string
	for _, def := range r4.SearchParameters {
		for _, base := range def.Base {
			pairs++
			key := base + "." + def.Code
			if def.Example {
				key += " (example)"
			}
			reason := listed[key]
			alive := !def.Example && anyAlive(s.alive, base, def.Code)
			switch {
			case alive && reason != "":
				t.Errorf("%s is listed as %q, but has rows", key, reason)
			case !alive && reason == "":
				dead = append(dead, key+"\t"+def.Type+"\t"+def.Expression)
			}
			if !def.Example && anyAlive(official, base, def.Code) {
				byOfficial++
			}
			delete(listed, key)
		}
	}
	slices.Sort(dead)
	for _, d := range dead {
		t.Errorf("no row for %s", d)
	}
	for key := range textOnly {
		if !s.alive[key] {
			t.Errorf("%s is listed, but no example has it", key)
		}
	}
	for key := range listed {
		t.Errorf("%s is listed but not published", key)
	}
	if pairs != 1721 {
		t.Errorf("%d pairs, want 1721", pairs)
	}
	t.Logf("%d pairs: %d have rows of official examples, %d more of ours, %d are listed with a reason",
		pairs, byOfficial, pairs-byOfficial-len(without)-len(dead), len(without))
}

func anyAlive(alive map[string]bool, base, code string) bool {
	if base != "Resource" && base != "DomainResource" {
		return alive[base+"."+code]
	}
	return slices.ContainsFunc(fhirmap.ResourceTypes(), func(typ string) bool { return alive[fmt.Sprintf("%s.%s", typ, code)] })
}
