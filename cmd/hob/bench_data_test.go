package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/fhirmap"
)

// TestDataset: the sizes that the workloads are named after, resources that are valid, and values as the answers need them.
func TestDataset(t *testing.T) {
	d, err := parseDataset("S", 7)
	if err != nil {
		t.Fatal(err)
	}
	if d.resources() != 50_000 {
		t.Errorf("S has %d resources", d.resources())
	}
	sizes := map[string][2]int{"Patient": {1750, 1880}, "Encounter": {300, 500}, "Observation": {500, 620}}
	for i := range 50 {
		for _, p := range d.puts(i) {
			r, err := fhirmap.Parse(p.body, fhirmap.Limits{})
			if err != nil {
				t.Fatalf("%s: %v\n%s", p.typ, err, p.body)
			}
			if r.Type() != p.typ || r.ID() != p.id || !fhirmap.IsID(p.id) {
				t.Errorf("%s/%s is %s/%s", p.typ, p.id, r.Type(), r.ID())
			}
			if n := len(p.body); n < sizes[p.typ][0] || n > sizes[p.typ][1] {
				t.Errorf("a %s of %d bytes; %v are right", p.typ, n, sizes[p.typ])
			}
		}
		if n := len(d.transaction(nil, i)); n < 34_000 || n > 42_000 {
			t.Errorf("a transaction of %d bytes; about 38,000 are right", n)
		}
		if _, err := fhirmap.Parse(d.transaction(nil, i), fhirmap.Limits{}); err != nil {
			t.Fatal(err)
		}
	}
	times, ids := map[int64]bool{}, map[string]bool{}
	for k, o := range d.observations {
		if times[o.at] || ids[d.observationID(k)] || o.at < setBegins || o.at >= setBegins+setLasts {
			t.Fatalf("Observation %d has a time or an id of another, or a time outside of the set", k)
		}
		times[o.at], ids[d.observationID(k)] = true, true
	}
	for code, list := range d.newest {
		if len(list) != 3000 {
			t.Errorf("code %s has %d Observations; 3 of each patient are right", codes[code].code, len(list))
		}
		for i := 1; i < len(list); i++ {
			if d.observations[list[i-1]].at <= d.observations[list[i]].at {
				t.Fatalf("the Observations of %s are not the newest first", codes[code].code)
			}
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		code := uint8(r.IntN(len(codes)))
		if o := measured(r, code, true); o.value >= middle(code) || o.at >= setBegins {
			t.Fatalf("what is written while measuring must not be what W8 asks for: %+v", o)
		}
	}
	for _, a := range families() {
		for _, b := range families() {
			if a != b && strings.HasPrefix(a, b) || strings.HasPrefix("Mc"+a, b) {
				t.Errorf("a search for %s finds %s", b, a)
			}
		}
	}
}

// TestDatasetSeed: one seed gives one set, another gives another.
func TestDatasetSeed(t *testing.T) {
	var texts [][]byte
	for _, seed := range []uint64{1, 1, 2} {
		d, err := parseDataset("5x20", seed)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, d.transaction(nil, 3))
	}
	if !bytes.Equal(texts[0], texts[1]) || bytes.Equal(texts[0], texts[2]) {
		t.Error("the set does not follow from its seed")
	}
}

// TestProcesses reads this process: what it burns is seen, and what its children burnt.
func TestProcesses(t *testing.T) {
	me := processes{os.Getpid()}
	before, err := me.read()
	if err != nil {
		t.Fatal(err)
	}
	if before.anon < 1<<20 || before.cpu < 0 {
		t.Errorf("a process of Go cannot use this little: %+v", before)
	}
	for x := uint64(1); ; {
		for range 10_000_000 {
			x = x*2862933555777941757 + 3037000493
		}
		after, err := me.read()
		if err != nil {
			t.Fatal(err)
		}
		if after.cpu >= before.cpu+3*tick && x != 0 {
			break
		}
	}
	child := hob(t, nil, nil, "version")
	if after, err := me.read(); err != nil || child.code != 0 || after.cpu <= before.cpu {
		t.Errorf("%+v %v", after, err)
	}
}
