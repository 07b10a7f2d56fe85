package badger

import (
	"context"
	"expvar"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
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
	return open(b, b.TempDir(), Options{metrics: os.Getenv("HOB_COUNT") != "", Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
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

// visit makes an observation one of patient id/48's, three of each of 16 codes.
func visit(r *rand.Rand, id int) (driver.Record, []driver.Row) {
	rec, rows := observation(r, id)
	patient := driver.Point(driver.Key{Type: "Patient", ID: fmt.Sprint(id / 48)}.Ref())
	code := driver.Point([]byte(fmt.Sprintf("%d-1\x00http://loinc.org", 8000+id%16)))
	for i := range rows {
		switch rows[i].Field {
		case "subject", "_patient":
			rows[i].Value = patient
		case "code", "combo-code":
			rows[i].Value = code
		case "value-quantity", "combo-value-quantity":
			rows[i].Value = driver.Point(fmt.Appendf(nil, "\x80%05d", r.IntN(2000)))
		}
	}
	return rec, rows
}

// person is a record with the rows of a Patient that searches ask for.
func person(r *rand.Rand, id int) (driver.Record, []driver.Row) {
	born := time.Unix(int64(r.IntN(80*365*86400))-int64(40*365*86400), 0).UTC().Truncate(24 * time.Hour)
	family := fmt.Sprintf("family%02d", r.IntN(60))
	p := func(field, v string) driver.Row { return driver.Row{Field: field, Value: driver.Point([]byte(v))} }
	rows := []driver.Row{
		p("family", family), p("family:exact", family), p("name", family), p("given", fmt.Sprintf("given%03d", r.IntN(300))),
		p("gender", []string{"male\x00", "female\x00"}[r.IntN(2)]),
		p("identifier", fmt.Sprintf("%d\x00urn:mrn\x00", id)),
		{Field: "birthdate", Value: driver.Span(driver.Instant(born), driver.Instant(born.Add(24*time.Hour)))},
	}
	rec := driver.Record{Key: driver.Key{Type: "Patient", ID: fmt.Sprint(id)}, Version: 1, Time: time.UnixMilli(1_700_000_000_000),
		Body: fmt.Appendf(nil, `{"resourceType":"Patient","id":"%d","text":%q}`, id, strings.Repeat("a patient of some size ", 60))}
	return rec, rows
}

// BenchmarkSearch measures the searches of a clinic: 1,000 patients with 48 observations each. keys/op is what the search read;
// with HOB_COUNT set, iterators/op and gets/op are what it asked of Badger, its hits included; with HOB_TRACE set plans are logged.
func BenchmarkSearch(b *testing.B) {
	s := benchStore(b)
	r := rand.New(rand.NewPCG(1, 2))
	const patients = 1000
	fill(b, s, patients, func(i int) (driver.Record, []driver.Row) { return person(r, i) })
	fill(b, s, patients*48, func(i int) (driver.Record, []driver.Row) { return visit(r, i) })
	// The same observations, but those of a patient far apart, as they come over years.
	fill(b, s, patients*48, func(i int) (driver.Record, []driver.Row) {
		rec, rows := visit(r, i%patients*48+i/patients)
		rec.Type = "Scattered"
		return rec, rows
	})
	patient := func(i int) driver.Lookup {
		return point("subject", string(driver.Key{Type: "Patient", ID: fmt.Sprint(i * 7919 % patients)}.Ref()))
	}
	code := func(i int) driver.Lookup { return point("code", fmt.Sprintf("%d-1\x00http://loinc.org", 8000+i%16)) }
	anySystem := func(i int) driver.Lookup {
		return driver.Lookup{Field: "code", Op: driver.EQUAL, Values: []driver.Value{driver.Prefix(fmt.Appendf(nil, "%d-1\x00", 8000+i%16))}}
	}
	above := func(i int) driver.Lookup {
		return driver.Lookup{Field: "value-quantity", Op: driver.GT, Values: []driver.Value{driver.Point(fmt.Appendf(nil, "\x80%05d", 500+i%1000))}}
	}
	family := func(i int) driver.Lookup {
		return driver.Lookup{Field: "family", Op: driver.EQUAL, Values: []driver.Value{driver.Prefix(fmt.Appendf(nil, "family%02d", i%60))}}
	}
	y1970 := driver.Instant(time.Unix(0, 0))
	born := driver.Or{
		driver.Lookup{Field: "birthdate", Op: driver.GTE, Values: []driver.Value{driver.Point(driver.Instant(time.Unix(86400, 0)))}},
		driver.Lookup{Field: "birthdate", Op: driver.EQUAL, Values: []driver.Value{driver.Span(y1970, driver.Instant(time.Unix(86400, 0)))}},
	}
	latest := []driver.Order{{Field: "date", Desc: true}}
	for _, c := range []struct {
		name string
		find func(i int) driver.Find
	}{
		{"patient and code", func(i int) driver.Find {
			return driver.Find{Type: "Observation", Where: driver.And{patient(i), code(i)}, Limit: 21}
		}},
		{"code and patient", func(i int) driver.Find {
			return driver.Find{Type: "Observation", Where: driver.And{code(i), patient(i)}, Limit: 21}
		}},
		{"patient and code, scattered", func(i int) driver.Find {
			return driver.Find{Type: "Scattered", Where: driver.And{patient(i), code(i)}, Limit: 21}
		}},
		{"patient and code of any system", func(i int) driver.Find {
			return driver.Find{Type: "Observation", Where: driver.And{patient(i), anySystem(i)}, Limit: 21}
		}},
		{"patient", func(i int) driver.Find { return driver.Find{Type: "Observation", Where: patient(i), Limit: 50} }},
		{"patient, code and value", func(i int) driver.Find {
			return driver.Find{Type: "Observation", Where: driver.And{patient(i), code(i), above(i)}, Limit: 21}
		}},
		{"patient by date", func(i int) driver.Find {
			return driver.Find{Type: "Observation", Where: patient(i), Sort: latest, Limit: 21}
		}},
		{"family and birthdate", func(i int) driver.Find {
			return driver.Find{Type: "Patient", Where: driver.And{family(i), born}, Limit: 21}
		}},
		{"code and value by date", func(i int) driver.Find {
			return driver.Find{Type: "Observation", Where: driver.And{code(i), above(i)}, Sort: latest, Limit: 21}
		}},
		{"code and value", func(i int) driver.Find {
			return driver.Find{Type: "Observation", Where: driver.And{code(i), above(i)}, Limit: 21}
		}},
	} {
		b.Run(strings.ReplaceAll(c.name, " ", "_"), func(b *testing.B) {
			hits, rows := 0, 0
			asked := newAsked()
			b.ReportAllocs()
			start := cpu()
			for i := range b.N {
				f := c.find(i)
				f.Trace = &driver.Trace{}
				err := s.View(context.Background(), func(r driver.Reader) error {
					for _, err := range r.Find(f) {
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
				for _, step := range f.Trace.Steps {
					rows += step.Rows
				}
				if i == 0 && os.Getenv("HOB_TRACE") != "" {
					b.Logf("%+v", f.Trace.Steps)
				}
			}
			n := float64(b.N)
			b.ReportMetric(float64((cpu()-start).Nanoseconds())/1000/n, "cpu-us/op")
			b.ReportMetric(float64(hits)/n, "hits/op")
			b.ReportMetric(float64(rows)/n, "keys/op")
			asked.report(b)
		})
	}
	b.Run("get", func(b *testing.B) {
		asked := newAsked()
		b.ReportAllocs()
		start := cpu()
		for i := range b.N {
			err := s.View(context.Background(), func(r driver.Reader) error {
				_, err := r.Get(driver.Key{Type: "Patient", ID: fmt.Sprint(i * 7919 % patients)})
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64((cpu()-start).Nanoseconds())/1000/float64(b.N), "cpu-us/op")
		asked.report(b)
	})
}

// asked is what Badger's own counters stood at.
type asked struct{ gets, iterators int64 }

func badgerCounter(name string) int64 {
	if v, ok := expvar.Get(name).(*expvar.Int); ok {
		return v.Value()
	}
	return 0
}

func newAsked() asked {
	return asked{badgerCounter("badger_get_num_user"), badgerCounter("badger_iterator_num_user")}
}

func (a asked) report(b *testing.B) {
	now := newAsked()
	b.ReportMetric(float64(now.gets-a.gets)/float64(b.N), "gets/op")
	b.ReportMetric(float64(now.iterators-a.iterators)/float64(b.N), "iterators/op")
}

// filled is a store with so many observations.
func filled(tb testing.TB, s driver.Backend, n int) {
	tb.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	fill(tb, s, n, func(i int) (driver.Record, []driver.Row) { return observation(r, i) })
}

func fill(tb testing.TB, s driver.Backend, n int, record func(i int) (driver.Record, []driver.Row)) {
	tb.Helper()
	for i := 0; i < n; {
		_, err := s.Update(context.Background(), func(tx driver.Tx) error {
			for end := min(n, i+500); i < end; i++ {
				if err := tx.Put(record(i)); err != nil {
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
