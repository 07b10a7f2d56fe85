package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// indexed is a fixture whose server indexes.
type indexed struct {
	*fixture
	catalog  *search.Catalog
	indexing *server.Indexing
}

// openIndexed makes a server that takes up SearchParameters. Nothing is indexed until run or finish is called.
func openIndexed(t testing.TB, b driver.Backend, o server.IndexingOptions) *indexed {
	t.Helper()
	c, err := search.NewCatalog(r4.SearchParameters, search.Options{Zone: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	f := &indexed{catalog: c}
	f.fixture = openOn(t, b, func(config *server.Config) {
		s, err := storage.New(storage.Config{Backend: b, Index: c.Rows, Generation: c.Generation, Admit: c.Admit})
		if err != nil {
			t.Fatal(err)
		}
		o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
		if o.Rules == "" {
			o.Rules = "1"
		}
		if f.indexing, err = server.OpenIndexing(t.Context(), s, c, o); err != nil {
			t.Fatal(err)
		}
		config.Store, config.Catalog, config.Indexing = s, c, f.indexing
	})
	return f
}

// run indexes in the background until the test ends.
func (f *indexed) run(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.indexing.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

// finish indexes until nothing waits.
func (f *indexed) finish() {
	f.Helper()
	if err := f.indexing.Finish(context.Background(), func(server.Progress) {}); err != nil {
		f.Fatal(err)
	}
}

// must wants a status.
func (f *indexed) must(want int, method, path, body string, headers ...string) *answer {
	f.Helper()
	a := f.do(method, path, strings.ReplaceAll(body, "'", `"`), headers...)
	if a.status != want {
		f.Fatalf("%s %s: %d, want %d: %s", method, path, a.status, want, a.body)
	}
	return a
}

// finds wants a search to find these ids.
func (f *indexed) finds(path string, ids ...string) {
	f.Helper()
	var set struct {
		Entry []struct{ Resource struct{ ID string } }
	}
	if err := json.Unmarshal([]byte(f.must(http.StatusOK, "GET", path, "").body), &set); err != nil {
		f.Fatal(err)
	}
	found := map[string]bool{}
	for _, e := range set.Entry {
		found[e.Resource.ID] = true
	}
	ok := len(found) == len(ids)
	for _, id := range ids {
		ok = ok && found[id]
	}
	if !ok {
		f.Errorf("GET %s finds %v, want %v", path, found, ids)
	}
}

func parameterResource(id, code, base, typ, expression string) string {
	bases, _ := json.Marshal(strings.Fields(base))
	text, _ := json.Marshal(expression)
	return fmt.Sprintf(`{"resourceType":"SearchParameter","id":%q,"url":"https://hob.example/SearchParameter/%s","name":"N","status":"active","description":"d","code":%q,"base":%s,"type":%q,"expression":%s}`,
		id, id, code, bases, typ, text)
}

func (f *indexed) put(id, code, base, typ, expression string) *answer {
	f.Helper()
	return f.do("PUT", "/fhir/SearchParameter/"+id, parameterResource(id, code, base, typ, expression))
}

func (f *indexed) status(id string) map[string]string {
	f.Helper()
	var p struct {
		Parameter []struct {
			Name, ValueCode, ValueString, ValueUri string
			ValueInteger                           *int
		}
	}
	if err := json.Unmarshal([]byte(f.must(http.StatusOK, "GET", "/fhir/SearchParameter/"+id+"/$status", "").body), &p); err != nil {
		f.Fatal(err)
	}
	out := map[string]string{}
	for _, x := range p.Parameter {
		out[x.Name] = x.ValueCode + x.ValueString + x.ValueUri
		if x.ValueInteger != nil {
			out[x.Name] = fmt.Sprint(*x.ValueInteger)
		}
	}
	return out
}

// rows counts the resources of a type that have a row of a field, past any search.
func (f *indexed) rows(typ, field string) (n int) {
	f.Helper()
	if err := f.backend.View(f.Context(), func(r driver.Reader) (err error) {
		n, err = r.Count(driver.Find{Type: typ, Where: driver.Has(field)})
		return err
	}); err != nil {
		f.Fatal(err)
	}
	return n
}

// TestParameterLife takes one parameter through its life: stored, refused while it is indexed, answered, changed, gone.
func TestParameterLife(t *testing.T) {
	f := openIndexed(t, backend(t), server.IndexingOptions{Quiet: -1})
	for i := range 500 {
		f.must(http.StatusCreated, "PUT", fmt.Sprintf("/fhir/Patient/p%d", i),
			fmt.Sprintf(`{'resourceType':'Patient','id':'p%d','maritalStatus':{'text':'s%d'},'photo':[{'title':'t%d'}]}`, i, i%5, i%7))
	}
	if a := f.do("GET", "/fhir/Patient?marriage=s1", ""); a.status != 400 {
		t.Fatalf("%d: %s", a.status, a.body)
	}
	metadata := f.must(200, "GET", "/fhir/metadata", "")
	if a := f.put("m", "marriage", "Patient", "string", "Patient.maritalStatus.text"); a.status != 201 {
		t.Fatalf("%d: %s", a.status, a.body)
	}
	for _, headers := range [][]string{nil, {"Prefer: handling=lenient"}} {
		a := f.do("GET", "/fhir/Patient?marriage=s1", "", headers...)
		if a.status != http.StatusServiceUnavailable || !strings.Contains(a.body, "is being indexed") || !strings.Contains(a.body, "SearchParameter/m/$status") {
			t.Fatalf("%d: %s", a.status, a.body)
		}
	}
	if s := f.status("m"); s["status"] != "indexing" {
		t.Errorf("%v", s)
	}
	f.must(http.StatusCreated, "PUT", "/fhir/Patient/new", `{'resourceType':'Patient','id':'new','maritalStatus':{'text':'s1'}}`)
	if n := f.rows("Patient", "marriage"); n != 1 {
		t.Errorf("%d rows of what was written meanwhile, want 1", n)
	}
	f.finish()
	if s := f.status("m"); s["status"] != "ready" {
		t.Errorf("%v", s)
	}
	if a := f.must(200, "GET", "/fhir/Patient?marriage=s1&_summary=count", ""); !strings.Contains(a.body, `"total":101`) {
		t.Errorf("%s", a.body)
	}
	f.finds("/fhir/Patient?marriage:exact=s1&_sort=marriage,_id&_count=1000&_id=new,p1,p2", "new", "p1")
	again := f.must(200, "GET", "/fhir/metadata", "")
	if !strings.Contains(again.body, "https://hob.example/SearchParameter/m") || again.header.Get("ETag") == metadata.header.Get("ETag") {
		t.Error("the CapabilityStatement does not tell of it")
	}

	// The same definition again changes nothing; another one is indexed anew, and does not mix with what was there.
	if a := f.put("m", "marriage", "Patient", "string", "Patient.maritalStatus.text"); a.status != 200 || f.status("m")["status"] != "ready" {
		t.Fatalf("%d: %s, %v", a.status, a.body, f.status("m"))
	}
	if a := f.put("m", "marriage", "Patient", "string", "Patient.photo.title"); a.status != 200 || f.status("m")["status"] != "indexing" {
		t.Fatalf("%d: %s, %v", a.status, a.body, f.status("m"))
	}
	f.must(http.StatusServiceUnavailable, "GET", "/fhir/Patient?marriage=s1", "")
	f.finish()
	f.finds("/fhir/Patient?marriage=s1")
	f.finds("/fhir/Patient?marriage=t6&_id=p6,p13,p14", "p6", "p13")

	// What is retired is unknown at once, and its rows go.
	retired := strings.Replace(parameterResource("m", "marriage", "Patient", "string", "Patient.photo.title"), `"active"`, `"retired"`, 1)
	f.must(200, "PUT", "/fhir/SearchParameter/m", retired)
	if a := f.do("GET", "/fhir/Patient?marriage=t1", ""); a.status != 400 || !strings.Contains(a.body, "has no search parameter") {
		t.Errorf("%d: %s", a.status, a.body)
	}
	if s := f.status("m"); s["status"] != "stored" || !strings.Contains(s["reason"], "retired") {
		t.Errorf("%v", s)
	}
	f.finish()
	for _, field := range []string{"marriage", "marriage:exact"} {
		if n := f.rows("Patient", field); n != 0 {
			t.Errorf("%d resources still have rows of %s", n, field)
		}
	}

	// It comes back, and is deleted.
	f.put("m", "marriage", "Patient", "string", "Patient.photo.title")
	f.finish()
	f.finds("/fhir/Patient?marriage=t6&_id=p6,p13,p14", "p6", "p13")
	f.must(204, "DELETE", "/fhir/SearchParameter/m", "")
	f.must(400, "GET", "/fhir/Patient?marriage=t1", "")
	f.finish()
	if n := f.rows("Patient", "marriage"); n != 0 {
		t.Errorf("%d resources still have rows of what was deleted", n)
	}
	f.must(410, "GET", "/fhir/SearchParameter/m", "")
	sound(t, f.backend)
}

func sound(t *testing.T, b driver.Backend) {
	t.Helper()
	for p, err := range b.Check(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		t.Error(p)
	}
}

// TestIndexingUnderWriters adds and removes parameters while writers write. Whenever a parameter is answered, it finds every resource that has
// the value, however it came to be there.
func TestIndexingUnderWriters(t *testing.T) {
	f := openIndexed(t, backend(t), server.IndexingOptions{Quiet: -1, Batch: 20})
	f.run(t)
	const writers, each = 3, 60
	ctx, cancel := context.WithCancel(t.Context())
	var wrote atomic.Int64
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				id := fmt.Sprintf("w%dn%d", w, n%each)
				a := f.do("PUT", "/fhir/Patient/"+id, fmt.Sprintf(`{"resourceType":"Patient","id":%q,"maritalStatus":{"text":"v%d"}}`, id, n))
				if a.status != 200 && a.status != 201 {
					t.Errorf("PUT %s: %d: %s", id, a.status, a.body)
					return
				}
				wrote.Add(1)
			}
		})
	}
	for round := range 6 {
		id := fmt.Sprintf("m%d", round%3)
		if a := f.put(id, "code-"+id, "Patient", "string", fmt.Sprintf("Patient.maritalStatus.text.where(length() > %d)", round%2)); a.status != 200 && a.status != 201 {
			t.Fatalf("%d: %s", a.status, a.body)
		}
		// Every resource has the value, so none may ever be missing once it is answered.
		deadline := time.Now().Add(time.Minute)
		for {
			a := f.do("GET", "/fhir/Patient?code-"+id+":missing=true&_summary=count", "")
			if a.status == 503 && time.Now().Before(deadline) {
				time.Sleep(time.Millisecond)
				continue
			}
			if a.status != 200 || !strings.Contains(a.body, `"total":0`) {
				t.Fatalf("round %d: %d: %s", round, a.status, a.body)
			}
			break
		}
		if round%3 == 2 {
			if a := f.do("DELETE", "/fhir/SearchParameter/"+id, ""); a.status != 204 {
				t.Fatalf("%d: %s", a.status, a.body)
			}
		}
	}
	cancel()
	writing.Wait()
	f.settled(t)
	if n := f.rows("Patient", "code-m2"); n != 0 {
		t.Errorf("%d resources have rows of a parameter that is gone", n)
	}
	t.Logf("%d writes", wrote.Load())
	sound(t, f.backend)
}

// settled waits until a Run elsewhere has nothing to do any more.
func (f *indexed) settled(t *testing.T) {
	t.Helper()
	f.do("POST", "/fhir/$reindex", "")
	a := f.do("POST", "/fhir/$reindex", "")
	if a.status != 202 {
		t.Fatalf("%d: %s", a.status, a.body)
	}
	at := a.header.Get("Content-Location")
	at = at[strings.Index(at, "/fhir/"):]
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		a := f.do("GET", at, "")
		if a.status == 200 {
			return
		}
		if a.status != 202 || a.header.Get("X-Progress") == "" || time.Now().After(deadline) {
			t.Fatalf("%d: %s", a.status, a.body)
		}
	}
}
