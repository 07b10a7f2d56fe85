package server_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/server"
)

// quiet throws an answer away.
type quiet struct {
	header http.Header
	status int
	bytes  int
}

func (q *quiet) Header() http.Header         { return q.header }
func (q *quiet) WriteHeader(status int)      { q.status = status }
func (q *quiet) Write(b []byte) (int, error) { q.bytes += len(b); return len(b), nil }

// bench asks for what request makes, from several goroutines, without a network.
func bench(b *testing.B, f *fixture, status int, request func(i int) *http.Request) {
	b.Helper()
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		for i := 0; p.Next(); i++ {
			w := &quiet{header: http.Header{}}
			f.handler.ServeHTTP(w, request(i))
			if w.status != status {
				b.Fatalf("status %d", w.status)
			}
		}
	})
}

// pulse is an Observation of about 1 KB.
func pulse(subject string, i int) string {
	return fmt.Sprintf(`{"resourceType":"Observation","status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs","display":"Vital Signs"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"8867-%d","display":"Heart rate"}],"text":"Heart rate"},"subject":{"reference":"Patient/%s"},"encounter":{"reference":"Encounter/e%d"},"effectiveDateTime":"2024-03-%02dT09:30:00Z","issued":"2024-03-01T09:30:10.000Z","performer":[{"reference":"Practitioner/p1","display":"Dr. Jane Doe"}],"valueQuantity":{"value":%d.5,"unit":"beats/minute","system":"http://unitsofmeasure.org","code":"/min"},"note":[{"text":%q}]}`,
		i%16, subject, i%50, i%28+1, 50+i%60, strings.Repeat("steady pulse, ", 18))
}

func benchFixture(b *testing.B) *fixture {
	return open(b, func(c *server.Config) { c.Log = slog.New(slog.NewTextHandler(io.Discard, nil)) })
}

func request(method, path, body string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	return r
}

func BenchmarkRead(b *testing.B) {
	f := benchFixture(b)
	id := f.do("POST", "/fhir/Observation", pulse("a", 1)).created()
	bench(b, f, 200, func(int) *http.Request { return request("GET", "/fhir/Observation/"+id, "") })
}

func BenchmarkCreate(b *testing.B) {
	f := benchFixture(b)
	body := pulse("a", 1)
	bench(b, f, 201, func(int) *http.Request { return request("POST", "/fhir/Observation", body) })
}

func BenchmarkUpdate(b *testing.B) {
	f := benchFixture(b)
	body := strings.Replace(pulse("a", 1), `"status"`, `"id":"%s","status"`, 1)
	var ids []string
	for range 64 {
		ids = append(ids, f.do("POST", "/fhir/Observation", pulse("a", 1)).created())
	}
	b.SetParallelism(1)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		w, id := &quiet{header: http.Header{}}, ids[i%len(ids)]
		f.handler.ServeHTTP(w, request("PUT", "/fhir/Observation/"+id, strings.Replace(body, "%s", id, 1)))
		if w.status != 200 {
			b.Fatalf("status %d", w.status)
		}
	}
}

func BenchmarkSearch(b *testing.B) {
	f := benchFixture(b)
	for i := range 480 {
		f.do("POST", "/fhir/Observation", pulse(fmt.Sprint("a", i%10), i)).is(201)
	}
	bench(b, f, 200, func(i int) *http.Request {
		return request("GET", fmt.Sprintf("/fhir/Observation?patient=a%d&code=http://loinc.org%%7C8867-%d&_count=20", i%10, i%10), "")
	})
}

// BenchmarkTransaction sends transactions of 50 entries, a Patient and 49 Observations of his.
func BenchmarkTransaction(b *testing.B) {
	f := benchFixture(b)
	bench(b, f, 200, func(int) *http.Request { return request("POST", "/fhir", fifty(transaction)) })
}

// BenchmarkBatch sends the same as a batch.
func BenchmarkBatch(b *testing.B) {
	f := benchFixture(b)
	bench(b, f, 200, func(int) *http.Request { return request("POST", "/fhir", fifty(batch)) })
}

func fifty(kind func(...string) string) string {
	entries := []string{post("urn:uuid:p", patient("", "Ann"))}
	for i := range 49 {
		entries = append(entries, post("", strings.Replace(pulse("a", i), "Patient/a", "urn:uuid:p", 1)))
	}
	return kind(entries...)
}

// BenchmarkDeleteStrict deletes where it must first be known that nothing refers to the resource.
func BenchmarkDeleteStrict(b *testing.B) {
	f := open(b, func(c *server.Config) {
		c.Log, c.Policy.Referential = slog.New(slog.NewTextHandler(io.Discard, nil)), true
	})
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		id := fmt.Sprint("p", i)
		f.put(id, "x").is(201)
		b.StartTimer()
		f.do("DELETE", "/fhir/Patient/"+id, "").is(204)
	}
}
