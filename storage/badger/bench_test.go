package badger

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hob-fhir/hob/storage/driver"
)

// observation is a record of the size and shape of a FHIR Observation of 1 KB with 22 rows.
func observation(r *rand.Rand, id int) (driver.Record, []driver.Row) {
	patient := r.IntN(1000)
	code := fmt.Sprintf("%d-%d", 1000+r.IntN(200), r.IntN(10))
	at := time.Unix(1_700_000_000+int64(r.IntN(50_000_000)), 0).UTC()
	value := fmt.Sprintf("%d.%d", r.IntN(200), r.IntN(10))
	status := "final"
	if id%50 == 0 {
		status = "preliminary"
	}
	body := fmt.Sprintf(`{"resourceType":"Observation","id":"%06d","meta":{"versionId":"1","lastUpdated":"%s"},"status":"%s",`+
		`"identifier":[{"system":"urn:oid:1.2.36.146.595.217.0.1","value":"%x"}],`+
		`"category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs","display":"Vital Signs"}]}],`+
		`"code":{"coding":[{"system":"http://loinc.org","code":"%s","display":"Some measured quantity of the body"}],"text":"Some measured quantity"},`+
		`"subject":{"reference":"Patient/%d","display":"Person Number %d"},"encounter":{"reference":"Encounter/%x"},`+
		`"effectiveDateTime":"%s","issued":"%s","performer":[{"reference":"Practitioner/%d","display":"Dr. Number %d"}],`+
		`"valueQuantity":{"value":%s,"unit":"mm[Hg]","system":"http://unitsofmeasure.org","code":"mm[Hg]"},`+
		`"interpretation":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation","code":"N","display":"Normal"}]}]}`,
		id, at.Format(time.RFC3339), status, r.Uint64(), code, patient, patient, r.Uint32(),
		at.Format(time.RFC3339), at.Format(time.RFC3339), r.IntN(50), r.IntN(50), value)
	tok := func(code, system string) []byte { return []byte(code + "\x00" + system) }
	ref := func(id, typ string) []byte { return driver.Key{Type: typ, ID: id}.Ref() }
	pid := fmt.Sprint(patient)
	p := func(field string, v []byte) driver.Row { return driver.Row{Field: field, Value: driver.Point(v)} }
	rows := []driver.Row{
		p("status", tok(status, "http://hl7.org/fhir/observation-status")),
		p("identifier", tok(fmt.Sprintf("%x", r.Uint64()), "urn:oid:1.2.36.146.595.217.0.1")),
		p("category", tok("vital-signs", "http://terminology.hl7.org/CodeSystem/observation-category")),
		p("category:text", []byte("vital signs")),
		p("code", tok(code, "http://loinc.org")),
		p("code:text", []byte("some measured quantity of the body")),
		p("code:text", []byte("some measured quantity")),
		p("combo-code", tok(code, "http://loinc.org")),
		p("subject", ref(pid, "Patient")),
		p("_patient", ref(pid, "Patient")),
		p("encounter", ref(fmt.Sprintf("%x", r.Uint32()), "Encounter")),
		p("date", driver.Instant(at)),
		p("performer", ref(fmt.Sprint(r.IntN(50)), "Practitioner")),
		p("value-quantity", []byte("\x80"+value)),
		p("value-quantity:unit", []byte("mm[hg]\x00http://unitsofmeasure.org\x00\x80"+value)),
		p("value-quantity:ucum", []byte("mm[hg]\x00\x80"+value)),
		p("combo-value-quantity", []byte("\x80"+value)),
		p("combo-value-quantity:unit", []byte("mm[hg]\x00http://unitsofmeasure.org\x00\x80"+value)),
		p("combo-value-quantity:ucum", []byte("mm[hg]\x00\x80"+value)),
		p("interpretation", tok("n", "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation")),
		p("interpretation:text", []byte("normal")),
		p("_lastUpdated", driver.Instant(at.Add(time.Duration(id)*time.Millisecond))),
	}
	rec := driver.Record{Key: driver.Key{Type: "Observation", ID: fmt.Sprintf("%06d", id)}, Version: 1, Time: time.UnixMilli(1_700_000_000_000), Body: []byte(body)}
	return rec, rows
}

func benchStore(b *testing.B) driver.Backend {
	return open(b, b.TempDir(), Options{Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
}

// cpu is what the process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkPut measures durable creates: cpu-us/op is what the process used for each, compactions included.
func BenchmarkPut(b *testing.B) {
	for _, writers := range []int{1, 32} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := benchStore(b)
			r := rand.New(rand.NewPCG(1, 2))
			recs, rows := make([]driver.Record, b.N), make([][]driver.Row, b.N)
			for i := range b.N {
				recs[i], rows[i] = observation(r, i)
			}
			runtime.GC()
			b.ReportAllocs()
			b.ResetTimer()
			start := cpu()
			var next atomic.Int64
			var wg sync.WaitGroup
			for range writers {
				wg.Go(func() {
					for i := int(next.Add(1)) - 1; i < b.N; i = int(next.Add(1)) - 1 {
						_, err := s.Update(context.Background(), func(tx driver.Tx) error { return tx.Put(recs[i], rows[i]) })
						if err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64((cpu()-start).Microseconds())/float64(b.N), "cpu-us/op")
		})
	}
}

// filled is a store with so many observations.
func filled(tb testing.TB, s driver.Backend, n int) {
	tb.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	for i := 0; i < n; {
		_, err := s.Update(context.Background(), func(tx driver.Tx) error {
			for end := min(n, i+500); i < end; i++ {
				if err := tx.Put(observation(r, i)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
}

func point(field, v string) driver.Lookup {
	return driver.Lookup{Field: field, Op: driver.EQUAL, Values: []driver.Value{driver.Point([]byte(v))}}
}

func BenchmarkRead(b *testing.B) {
	const n = 50_000
	s := benchStore(b)
	filled(b, s, n)
	code := driver.Lookup{Field: "code", Op: driver.EQUAL, Values: []driver.Value{driver.Prefix([]byte("1007-"))}}
	final := point("status", "final\x00http://hl7.org/fhir/observation-status")
	patient := point("subject", "7\x00Patient")
	late := driver.Lookup{Field: "date", Op: driver.GTE, Values: []driver.Value{driver.Point(driver.Instant(time.Unix(1_725_000_000, 0)))}}
	b.Run("get", func(b *testing.B) {
		for i := range b.N {
			err := s.View(context.Background(), func(r driver.Reader) error {
				_, err := r.Get(driver.Key{Type: "Observation", ID: fmt.Sprintf("%06d", i*7919%n)})
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, c := range []struct {
		name string
		f    driver.Find
	}{
		{"patient", driver.Find{Where: patient}},
		{"patient and code", driver.Find{Where: driver.And{patient, code}}},
		{"code and date, page of 50", driver.Find{Where: driver.And{code, late}, Limit: 50}},
		{"status, page of 50", driver.Find{Where: final, Limit: 50}},
		{"status and date, page of 50", driver.Find{Where: driver.And{final, late}, Limit: 50}},
		{"patient by date descending", driver.Find{Where: patient, Sort: []driver.Order{{Field: "date", Desc: true}}}},
		{"status by date descending, page of 50", driver.Find{Where: final, Sort: []driver.Order{{Field: "date", Desc: true}}, Limit: 50}},
		{"all by lastUpdated descending, page of 50", driver.Find{Sort: []driver.Order{{Field: "_lastUpdated", Desc: true}}, Limit: 50}},
		{"not status", driver.Find{Where: driver.Not{Of: final}, Limit: 50}},
		{"text contains", driver.Find{Where: driver.Lookup{Field: "code:text", Op: driver.LIKE, Values: []driver.Value{driver.Point([]byte("nowhere"))}}}},
	} {
		c.f.Type = "Observation"
		for _, bare := range []bool{false, true} {
			c.f.Bare = bare
			name := strings.ReplaceAll(c.name, " ", "_")
			if bare {
				name += "/bare"
			}
			b.Run("find/"+name, func(b *testing.B) {
				hits := 0
				for range b.N {
					err := s.View(context.Background(), func(r driver.Reader) error {
						for _, err := range r.Find(c.f) {
							if err != nil {
								return err
							}
							hits++
						}
						return nil
					})
					if err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(hits)/float64(b.N), "hits")
			})
		}
	}
	b.Run("count/status_and_date", func(b *testing.B) {
		for range b.N {
			err := s.View(context.Background(), func(r driver.Reader) error {
				_, err := r.Count(driver.Find{Type: "Observation", Where: driver.And{final, late}})
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
