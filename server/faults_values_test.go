package server_test

import (
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // a machine may have no time zones

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage"
)

// murmur3 is the 32-bit hash of that name.
func murmur3(s string) uint32 {
	h := uint32(0)
	mix := func(k uint32) uint32 { k *= 0xcc9e2d51; k = k<<15 | k>>17; return k * 0x1b873593 }
	b := []byte(s)
	for ; len(b) >= 4; b = b[4:] {
		h ^= mix(uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24)
		h = h<<13 | h>>19
		h = h*5 + 0xe6546b64
	}
	var k uint32
	for i := len(b) - 1; i >= 0; i-- {
		k = k<<8 | uint32(b[i])
	}
	h ^= mix(k)
	h ^= uint32(len(s))
	h = (h ^ h>>16) * 0x85ebca6b
	h = (h ^ h>>13) * 0xc2b2ae35
	return h ^ h>>16
}

func collidingHashes(t *testing.T) {
	f := open(t, nil)
	hashes := map[string]func(string) uint32{
		"murmur3": murmur3,
		"fnv1":    func(s string) uint32 { h := fnv.New32(); h.Write([]byte(s)); return h.Sum32() },
		"fnv1a":   func(s string) uint32 { h := fnv.New32a(); h.Write([]byte(s)); return h.Sum32() },
		"crc32":   func(s string) uint32 { return crc32.ChecksumIEEE([]byte(s)) },
	}
	if got := murmur3("hello"); got != 0x248bfa47 { // as published
		t.Fatalf("murmur3 is %x", got)
	}
	for name, hash := range hashes {
		for _, head := range []string{"", "urn:s|"} {
			first := map[uint32]string{}
			for i := 0; ; i++ {
				value := fmt.Sprintf("%x-%s", i*i*7919, name)
				h := hash(head + value)
				other, taken := first[h]
				if !taken || other == value {
					first[h] = value
					if i == 2_000_000 {
						t.Fatalf("no two values have one %s", name)
					}
					continue
				}
				for _, v := range []string{value, other} {
					f.do("POST", "/fhir/Patient", known("", v, "N"+v)).is(201)
				}
				for _, v := range []string{value, other} {
					f.do("GET", "/fhir/Patient?identifier="+v, "").says("N" + v)
					f.has("identifier="+v, 1)
					f.has(by+v, 1)
				}
				break
			}
		}
	}
}

func smallNumbers(t *testing.T) {
	f := open(t, nil)
	values := []string{"0.001", "0.004", "0.0041", "0.00099", "1000000.001", "1000000.004", "0.123456789012345678", "0.123456789012345679"}
	for i, v := range values {
		f.do("PUT", fmt.Sprintf("/fhir/RiskAssessment/r%d", i), fmt.Sprintf(
			`{"resourceType":"RiskAssessment","id":"r%d","status":"final","subject":{"reference":"Patient/1"},"prediction":[{"probabilityDecimal":%s}]}`, i, v)).is(201)
		f.do("PUT", fmt.Sprintf("/fhir/Observation/o%d", i), fmt.Sprintf(
			`{"resourceType":"Observation","id":"o%d","status":"final","code":{"text":"x"},"valueQuantity":{"value":%s}}`, i, v)).is(201)
	}
	for query, want := range map[string]string{
		"0.001": "0 3", "0.0010": "0 3", "0.00100": "0", "0.004": "1 2", "0.0040": "1", "gt0.004": "2 4 5 6 7", "1000000.001": "4", "1000000": "4 5", "lt0.001": "3",
		"0.123456789012345678": "6", "ne0.123456789012345679": "0 1 2 3 4 5 6",
	} {
		want := strings.Fields(want)
		for _, path := range []string{"RiskAssessment?probability=", "Observation?value-quantity="} {
			var got []string
			for _, id := range f.do("GET", "/fhir/"+path+query, "").is(200).set().ids() {
				got = append(got, id[1:])
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("%s%s finds %v, not %v", path, query, got, want)
			}
		}
	}
}

func siteZone(t *testing.T) {
	queries := []string{"date=2024-07-01", "date=2024-06-30", "date=eb2024-07-01T23:00:00Z"}
	for zone, want := range map[string][]string{
		"Europe/Berlin":    {"day moment", "", "day moment"}, // the moment is on the first of July, which is over by 22:00 in UTC
		"UTC":              {"day", "moment", "moment"},
		"America/New_York": {"day", "moment", "moment"},
	} {
		at, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		c, err := search.NewCatalog(r4.SearchParameters, search.Options{Zone: at})
		if err != nil {
			t.Fatal(err)
		}
		f := open(t, func(s *server.Config) {
			if s.Store, err = storage.New(storage.Config{Backend: backend(t), Index: c.Rows}); err != nil {
				t.Fatal(err)
			}
			s.Catalog = c
		})
		for id, date := range map[string]string{"day": "2024-07-01", "moment": "2024-06-30T23:30:00Z"} {
			f.do("PUT", "/fhir/Observation/"+id, `{"resourceType":"Observation","id":"`+id+`","status":"final","code":{"text":"x"},"effectiveDateTime":"`+date+`"}`).is(201)
		}
		for i, query := range queries {
			if got := strings.Join(f.do("GET", "/fhir/Observation?"+query+"&_sort=_id", "").is(200).set().ids(), " "); got != want[i] {
				t.Errorf("%s: %s finds %q, not %q", zone, query, got, want[i])
			}
		}
	}
}
