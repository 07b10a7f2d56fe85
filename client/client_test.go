package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hob-fhir/hob/client"
	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/backends"
)

// handler is a server on a store, whole but for the access control.
func handler(t *testing.T, store string) http.Handler {
	t.Helper()
	b, err := backends.Open(store, backends.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := search.NewCatalog(r4.SearchParameters, search.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := storage.New(storage.Config{Backend: b, Index: c.Rows, Generation: c.Generation, Admit: c.Admit})
	if err != nil {
		t.Fatal(err)
	}
	indexing, err := server.OpenIndexing(t.Context(), s, c, server.IndexingOptions{Quiet: -1, Share: 1})
	if err != nil {
		t.Fatal(err)
	}
	sources, err := server.OpenSources(t.Context(), s, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { indexing.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
		s.Close()
	})
	return server.New(server.Config{Store: s, Catalog: c, Indexing: indexing, Sources: sources, Caller: server.Everyone})
}

// inProcess sends requests to a handler without a network.
type inProcess struct{ http.Handler }

func (h inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	r.RequestURI = r.URL.RequestURI()
	if r.Host == "" {
		r.Host = r.URL.Host
	}
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

// plain is a server that has none of Hob's own operations.
type plain struct{ http.Handler }

func (h plain) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.URL.Path, "/$") {
		http.Error(w, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"not-supported"}]}`, http.StatusNotFound)
		return
	}
	h.Handler.ServeHTTP(w, r)
}

// stores are the ways to a store that the cases are run on: each with an empty one.
var stores = map[string]func(*testing.T) *client.Client{
	"memory": func(t *testing.T) *client.Client {
		return client.New("http://hob.test/fhir", client.Options{HTTP: &http.Client{Transport: inProcess{handler(t, "badger::memory:")}}})
	},
	"disk": func(t *testing.T) *client.Client {
		return client.New("http://hob.test/fhir", client.Options{HTTP: &http.Client{Transport: inProcess{handler(t, "badger:"+t.TempDir()+"/store")}}})
	},
	"memory by HTTP": func(t *testing.T) *client.Client { return overHTTP(t, handler(t, "badger::memory:")) },
	"disk by HTTP":   func(t *testing.T) *client.Client { return overHTTP(t, handler(t, "badger:"+t.TempDir()+"/store")) },
	"any server":     func(t *testing.T) *client.Client { return overHTTP(t, plain{handler(t, "badger::memory:")}) },
}

func overHTTP(t *testing.T, h http.Handler) *client.Client {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return client.New(s.URL+"/fhir", client.Options{})
}

// world is one case under way.
type world struct {
	*testing.T
	*client.Client
}

func (w *world) patient(p fhirmap.Patient) client.Patient {
	w.Helper()
	p.Active = true
	made, err := w.Patients.Create(w.Context(), client.Patient{Patient: p})
	if err != nil {
		w.Fatal(err)
	}
	return made
}

func (w *world) provider(name string) client.Provider {
	w.Helper()
	made, err := w.Providers.Create(w.Context(), client.Provider{Provider: fhirmap.Provider{Name: name, Active: true}})
	if err != nil {
		w.Fatal(err)
	}
	return made
}

// is wants a boolean answer.
func (w *world) is(want bool, got bool, err error) {
	w.Helper()
	if err != nil || got != want {
		w.Errorf("answered %v (%v), want %v", got, err, want)
	}
}

// finds wants a filter to find patients by name, in any order.
func (w *world) finds(want string, lookups ...client.Lookup) {
	w.Helper()
	got, err := w.Patients.Filter(w.Context(), lookups...)
	if err != nil {
		w.Errorf("%v: %v", lookups, err)
		return
	}
	var names []string
	for _, p := range got {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	if strings.Join(names, " ") != want {
		w.Errorf("%v finds %v, want %s", lookups, names, want)
	}
}

func (w *world) findsProviders(want string, lookups ...client.Lookup) {
	w.Helper()
	got, err := w.Providers.Filter(w.Context(), lookups...)
	var names []string
	for _, p := range got {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	if err != nil || strings.Join(names, " ") != want {
		w.Errorf("%v finds %v (%v), want %s", lookups, names, err, want)
	}
}

// TestA1 runs the cases of the storage API's own suite, by their names there, and those it lacked, on every way to a store.
func TestA1(t *testing.T) {
	for name, open := range stores {
		if testing.Short() && strings.HasPrefix(name, "disk") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			for _, c := range cases {
				if name == "any server" && strings.Contains(c.name, "(Hob)") {
					continue
				}
				t.Run(c.name, func(t *testing.T) { c.run(&world{T: t, Client: open(t)}) })
			}
		})
	}
	if n := len(cases); n < 27+17 {
		t.Errorf("there are %d cases", n)
	}
}

const (
	today    = "2026-11-25"
	lastWeek = "2026-11-18"
)

var cases = []struct {
	name string
	run  func(*world)
}{
	{"test_create_patient", func(w *world) {
		p := w.patient(fhirmap.Patient{Name: "Joe", Sex: "M"})
		if p.ID == "" || time.Since(p.Created) > time.Minute || !p.Updated.Equal(p.Created) || p.Name != "Joe" || p.Sex != "M" {
			w.Errorf("created as %+v", p)
		}
	}},
	{"test_get_patient", func(w *world) {
		p := w.patient(fhirmap.Patient{Name: "Joe", Sex: "M", BirthDate: today, Location: "Ward 7"})
		if got, err := w.Patients.Get(w.Context(), p.ID); err != nil || !reflect.DeepEqual(got, p) {
			w.Errorf("got %+v (%v), want %+v", got, err, p)
		}
	}},
	{"test_update_patient", func(w *world) {
		p := w.patient(fhirmap.Patient{Name: "Joe", Sex: "M"})
		ok, err := w.Patients.Update(w.Context(), p.ID, client.Fields{"name": "Jane"})
		w.is(true, ok, err)
		got, err := w.Patients.Get(w.Context(), p.ID)
		if err != nil || got.Name != "Jane" || got.Sex != "M" || !got.Updated.After(p.Updated) || !got.Created.Equal(p.Created) {
			w.Errorf("updated to %+v (%v), from %+v", got, err, p)
		}
	}},
	{"test_get_missing_patient", func(w *world) {
		if _, err := w.Patients.Get(w.Context(), "XXX"); !errors.Is(err, client.ErrPatientDoesNotExist) {
			w.Error(err)
		}
	}},
	{"test_update_missing_patient", func(w *world) {
		ok, err := w.Patients.Update(w.Context(), "XXX", client.Fields{"name": "Jane"})
		w.is(false, ok, err)
	}},
	{"test_delete_patient", func(w *world) {
		p := w.patient(fhirmap.Patient{Name: "Joe"})
		ok, err := w.Patients.Delete(w.Context(), p.ID)
		w.is(true, ok, err)
		if _, err := w.Patients.Get(w.Context(), p.ID); !errors.Is(err, client.ErrPatientDoesNotExist) {
			w.Error(err)
		}
		ok, err = w.Patients.Delete(w.Context(), p.ID)
		w.is(false, ok, err)
	}},
	{"test_delete_missing_patient", func(w *world) {
		ok, err := w.Patients.Delete(w.Context(), "XXX")
		w.is(false, ok, err)
	}},
	{"test_create_provider", func(w *world) {
		if p := w.provider("Joe"); p.ID == "" || time.Since(p.Created) > time.Minute || !p.Updated.Equal(p.Created) {
			w.Errorf("created as %+v", p)
		}
	}},
	{"test_get_provider", func(w *world) {
		p := w.provider("Joe")
		if got, err := w.Providers.Get(w.Context(), p.ID); err != nil || !reflect.DeepEqual(got, p) {
			w.Errorf("got %+v (%v), want %+v", got, err, p)
		}
	}},
	{"test_update_provider", func(w *world) {
		p := w.provider("Joe")
		ok, err := w.Providers.Update(w.Context(), p.ID, client.Fields{"name": "Jane", "location": "Ward 7"})
		w.is(true, ok, err)
		if got, err := w.Providers.Get(w.Context(), p.ID); err != nil || got.Name != "Jane" || got.Location != "Ward 7" || !got.Updated.After(p.Updated) {
			w.Errorf("updated to %+v (%v)", got, err)
		}
	}},
	{"test_get_missing_provider", func(w *world) {
		if _, err := w.Providers.Get(w.Context(), "XXX"); !errors.Is(err, client.ErrProviderDoesNotExist) || !errors.Is(err, client.ErrNotFound) {
			w.Error(err)
		}
	}},
	{"test_update_missing_provider", func(w *world) {
		ok, err := w.Providers.Update(w.Context(), "XXX", client.Fields{"name": "Jane"})
		w.is(false, ok, err)
	}},
	{"test_delete_provider", func(w *world) {
		ok, err := w.Providers.Delete(w.Context(), w.provider("Joe").ID)
		w.is(true, ok, err)
	}},
	{"test_delete_missing_provider", func(w *world) {
		ok, err := w.Providers.Delete(w.Context(), "XXX")
		w.is(false, ok, err)
	}},
	{"test_all_patients", func(w *world) {
		w.patient(fhirmap.Patient{Name: "Joe", Sex: "M"})
		w.patient(fhirmap.Patient{Name: "Jane", Sex: "F"})
		w.finds("Jane Joe")
	}},
	{"test_filter_patients_by_name", func(w *world) {
		w.patient(fhirmap.Patient{Name: "Joe", Sex: "M"})
		w.patient(fhirmap.Patient{Name: "Jane", Sex: "F"})
		w.finds("Joe", client.Where("name", client.EQUAL, "Joe"))
		w.finds("Joe", client.Where("name", client.LIKE, "Jo"))
		w.finds("Jane Joe", client.Where("name", client.LIKE, "J"))
		w.finds("Joe", client.Where("name", client.IN, "Joe"))
		w.finds("Jane Joe", client.Where("name", client.IN, "Joe", "Jane"))
	}},
	{"test_filter_patients_by_birth_date", func(w *world) {
		w.patient(fhirmap.Patient{Name: "Joe", BirthDate: today})
		w.patient(fhirmap.Patient{Name: "Jane", BirthDate: lastWeek})
		w.finds("Jane", client.Where("birth_date", client.LT, today))
		w.finds("Jane Joe", client.Where("birth_date", client.LTE, today))
		w.finds("", client.Where("birth_date", client.GT, today))
		w.finds("Joe", client.Where("birth_date", client.GTE, today))
		w.finds("Jane", client.Where("birth_date", client.EQUAL, lastWeek))
	}},
	{"test_all_providers", func(w *world) {
		w.provider("Joe")
		w.provider("Jane")
		w.findsProviders("Jane Joe")
	}},
	{"test_filter_providers_by_name", func(w *world) {
		w.provider("Joe")
		w.provider("Jane")
		w.findsProviders("Joe", client.Where("name", client.EQUAL, "Joe"))
		w.findsProviders("Joe", client.Where("name", client.LIKE, "Jo"))
		w.findsProviders("Jane Joe", client.Where("name", client.LIKE, "J"))
		w.findsProviders("Jane Joe", client.Where("name", client.IN, "Joe", "Jane"))
	}},
	{"test_link_patient_identifier", func(w *world) {
		ok, err := w.Patients.Link(w.Context(), w.patient(fhirmap.Patient{Name: "Joe"}).ID, "FOO", "BAR")
		w.is(true, ok, err)
	}},
	{"test_link_missing_patient", func(w *world) {
		ok, err := w.Patients.Link(w.Context(), "XXXX", "FOO", "BAR")
		w.is(false, ok, err)
	}},
	{"test_link_duplicate_id", func(w *world) {
		ok, err := w.Patients.Link(w.Context(), w.patient(fhirmap.Patient{Name: "Joe"}).ID, "FOO", "BAR")
		w.is(true, ok, err)
		ok, err = w.Patients.Link(w.Context(), w.patient(fhirmap.Patient{Name: "Jane"}).ID, "FOO", "BAR")
		w.is(false, ok, err)
	}},
	{"test_unlink_patient_identifier", func(w *world) {
		joe := w.patient(fhirmap.Patient{Name: "Joe"}).ID
		ok, err := w.Patients.Link(w.Context(), joe, "FOO", "BAR")
		w.is(true, ok, err)
		ok, err = w.Patients.Unlink(w.Context(), joe, "FOO", "BAR")
		w.is(true, ok, err)
	}},
	{"test_unlink_missing_patient", func(w *world) {
		ok, err := w.Patients.Unlink(w.Context(), "1234", "XXXX", "YYYYY")
		w.is(false, ok, err)
	}},
	{"test_unlink_missing_id", func(w *world) {
		joe := w.patient(fhirmap.Patient{Name: "Joe"}).ID
		ok, err := w.Patients.Link(w.Context(), joe, "FOO", "BAR")
		w.is(true, ok, err)
		ok, err = w.Patients.Unlink(w.Context(), joe, "XXXX", "BAR")
		w.is(false, ok, err)
	}},
	{"test_get_by_source", func(w *world) {
		joe := w.patient(fhirmap.Patient{Name: "Joe"}).ID
		ok, err := w.Patients.Link(w.Context(), joe, "FOO", "BAR")
		w.is(true, ok, err)
		if got, err := w.Patients.From(w.Context(), "FOO", "BAR"); err != nil || got.ID != joe {
			w.Errorf("%+v (%v)", got, err)
		}
	}},
	{"test_get_missing_by_source", func(w *world) {
		w.patient(fhirmap.Patient{Name: "Joe"})
		if _, err := w.Patients.From(w.Context(), "FOO", "BAR"); !errors.Is(err, client.ErrPatientDoesNotExist) {
			w.Error(err)
		}
	}},

	{"X1 one of many concurrent links wins (Hob)", func(w *world) {
		const n = 20
		var all sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for range n {
			id := w.patient(fhirmap.Patient{Name: "Joe"}).ID
			all.Go(func() {
				ok, err := w.Patients.Link(w.Context(), id, "FOO", "BAR")
				if err != nil {
					w.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if ok {
					won++
				}
			})
		}
		all.Wait()
		if won != 1 {
			w.Errorf("%d won", won)
		}
	}},
	{"X2 unlink by the wrong patient", func(w *world) {
		joe, jane := w.patient(fhirmap.Patient{Name: "Joe"}).ID, w.patient(fhirmap.Patient{Name: "Jane"}).ID
		ok, err := w.Patients.Link(w.Context(), joe, "FOO", "BAR")
		w.is(true, ok, err)
		ok, err = w.Patients.Unlink(w.Context(), jane, "FOO", "BAR")
		w.is(false, ok, err)
		if got, err := w.Patients.From(w.Context(), "FOO", "BAR"); err != nil || got.ID != joe {
			w.Errorf("%+v (%v)", got, err)
		}
	}},
	{"X3 a deletion frees the pair", func(w *world) {
		joe := w.patient(fhirmap.Patient{Name: "Joe"}).ID
		ok, err := w.Patients.Link(w.Context(), joe, "FOO", "BAR")
		w.is(true, ok, err)
		ok, err = w.Patients.Delete(w.Context(), joe)
		w.is(true, ok, err)
		ok, err = w.Patients.Link(w.Context(), w.patient(fhirmap.Patient{Name: "Jane"}).ID, "FOO", "BAR")
		w.is(true, ok, err)
	}},
	{"X4 pairs do not run together", func(w *world) {
		joe, jane := w.patient(fhirmap.Patient{Name: "Joe"}).ID, w.patient(fhirmap.Patient{Name: "Jane"}).ID
		ok, err := w.Patients.Link(w.Context(), joe, "A-B", "C")
		w.is(true, ok, err)
		ok, err = w.Patients.Link(w.Context(), jane, "A", "B-C")
		w.is(true, ok, err)
	}},
	{"X5 a field without a value matches nothing", func(w *world) {
		w.patient(fhirmap.Patient{Name: "Joe"})
		for _, op := range []client.Op{client.EQUAL, client.LIKE, client.IN, client.LT, client.LTE, client.GT, client.GTE} {
			w.finds("", client.Where("birth_date", op, today))
			w.finds("", client.Where("death_date", op, today))
		}
		w.finds("", client.Where("sex", client.EQUAL, "M"))
		w.finds("", client.Where("sex", client.IN, "M", "F", ""))
	}},
	{"X6 no lookups are all, over pages", func(w *world) {
		for i := range 120 {
			w.patient(fhirmap.Patient{Name: fmt.Sprint("p", i)})
		}
		if got, err := w.Patients.Filter(w.Context()); err != nil || len(got) != 120 {
			w.Errorf("%d (%v)", len(got), err)
		}
	}},
	{"X7 lookups are joined by and", func(w *world) {
		w.patient(fhirmap.Patient{Name: "Joe", Sex: "M", BirthDate: today})
		w.patient(fhirmap.Patient{Name: "Joe 2", Sex: "M", BirthDate: lastWeek})
		w.finds("Joe", client.Where("name", client.LIKE, "Joe"), client.Where("sex", client.EQUAL, "M"), client.Where("birth_date", client.GTE, today))
		w.finds("", client.Where("name", client.LIKE, "Joe"), client.Where("sex", client.EQUAL, "F"))
	}},
	{"X8 what is unknown is an error", func(w *world) {
		for _, l := range []client.Lookup{client.Where("nome", client.EQUAL, "Joe"), client.Where("name", "LOOKS", "Joe"), client.Where("name", client.EQUAL), client.Where("name", client.LT, "a", "b")} {
			if got, err := w.Patients.Filter(w.Context(), l); err == nil {
				w.Errorf("%v finds %v", l, got)
			}
		}
	}},
	{"X9 what is returned is a copy", func(w *world) {
		p := w.patient(fhirmap.Patient{Name: "Joe"})
		p.Name = "changed"
		if got, err := w.Patients.Get(w.Context(), p.ID); err != nil || got.Name != "Joe" {
			w.Errorf("%+v (%v)", got, err)
		}
	}},
	{"X10 the id and the dates of a record are the server's", func(w *world) {
		p := w.patient(fhirmap.Patient{Name: "Joe"})
		for _, name := range []string{"id", "created_date", "updated_date", "nome"} {
			if ok, err := w.Patients.Update(w.Context(), p.ID, client.Fields{name: "x"}); err == nil || ok {
				w.Errorf("%s was changed", name)
			}
		}
	}},
	{"X11 nothing in a value is special", func(w *world) {
		for _, name := range []string{`100%`, `100_`, `a,b`, `a\b`, `a$b`, `a|b`, "Zoë 名"} {
			w.patient(fhirmap.Patient{Name: name})
		}
		for _, name := range []string{`100%`, `100_`, `a,b`, `a\b`, `a$b`, `a|b`} {
			w.finds(name, client.Where("name", client.EQUAL, name))
			w.finds(name, client.Where("name", client.IN, name, "none"))
		}
		w.finds(`100%`, client.Where("name", client.LIKE, "%"))
		w.finds(`100_`, client.Where("name", client.LIKE, "_"))
		w.finds(`a\b`, client.Where("name", client.LIKE, `\`))
		w.finds("Zoë 名", client.Where("name", client.LIKE, "ë 名"))
		w.finds("", client.Where("name", client.LIKE, "zoë"))
		w.finds("", client.Where("name", client.EQUAL, "zoë 名"))
	}},
	{"X13 two quick updates", func(w *world) {
		p := w.patient(fhirmap.Patient{Name: "Joe"})
		last := p.Updated
		for i := range 5 {
			ok, err := w.Patients.Update(w.Context(), p.ID, client.Fields{"name": fmt.Sprint("Joe ", i)})
			w.is(true, ok, err)
			got, err := w.Patients.Get(w.Context(), p.ID)
			if err != nil || !got.Updated.After(last) {
				w.Errorf("%v after %v (%v)", got.Updated, last, err)
			}
			last = got.Updated
		}
	}},
	{"X14 status", func(w *world) {
		joe := w.patient(fhirmap.Patient{Name: "Joe"})
		w.patient(fhirmap.Patient{Name: "Jane"})
		ok, err := w.Patients.Update(w.Context(), joe.ID, client.Fields{"status": "I"})
		w.is(true, ok, err)
		w.finds("Joe", client.Where("status", client.EQUAL, "I"))
		w.finds("Jane", client.Where("status", client.EQUAL, "A"))
		w.finds("Jane Joe", client.Where("status", client.IN, "A", "I"))
	}},
	{"X15 two sources", func(w *world) {
		joe := w.patient(fhirmap.Patient{Name: "Joe"}).ID
		for _, source := range []string{"one", "two"} {
			ok, err := w.Patients.Link(w.Context(), joe, "FOO", source)
			w.is(true, ok, err)
		}
		for _, source := range []string{"one", "two"} {
			if got, err := w.Patients.From(w.Context(), "FOO", source); err != nil || got.ID != joe {
				w.Errorf("%+v (%v)", got, err)
			}
		}
	}},
	{"X16 created and updated", func(w *world) {
		joe := w.patient(fhirmap.Patient{Name: "Joe"})
		time.Sleep(5 * time.Millisecond)
		w.patient(fhirmap.Patient{Name: "Jane"})
		time.Sleep(5 * time.Millisecond)
		between := joe.Created.Add(2 * time.Millisecond).UTC().Format("2006-01-02T15:04:05.000Z")
		w.finds("Joe", client.Where("created_date", client.LT, between))
		w.finds("Jane", client.Where("created_date", client.GT, between))
		ok, err := w.Patients.Update(w.Context(), joe.ID, client.Fields{"sex": "M"})
		w.is(true, ok, err)
		w.finds("Joe", client.Where("created_date", client.LT, between))
		w.finds("Jane Joe", client.Where("updated_date", client.GT, between))
	}},
	{"X17 times across zones (Hob)", func(w *world) {
		joe := w.patient(fhirmap.Patient{Name: "Joe"})
		there := joe.Updated.In(time.FixedZone("", 5*3600)).Format("2006-01-02T15:04:05.000-07:00")
		w.finds("Joe", client.Where("updated_date", client.EQUAL, there))
		w.finds("", client.Where("updated_date", client.LT, there))
		w.finds("Joe", client.Where("updated_date", client.LTE, there))
	}},
	{"many updates at once lose none", func(w *world) {
		joe := w.patient(fhirmap.Patient{Name: "Joe"})
		changes := []client.Fields{{"sex": "M"}, {"birth_date": today}, {"location": "Ward 7"}, {"death_date": today}}
		var all sync.WaitGroup
		for _, c := range changes {
			all.Go(func() {
				if ok, err := w.Patients.Update(w.Context(), joe.ID, c); err != nil || !ok {
					w.Errorf("%v: %v, %v", c, ok, err)
				}
			})
		}
		all.Wait()
		if got, err := w.Patients.Get(w.Context(), joe.ID); err != nil || got.Sex != "M" || got.BirthDate != today || got.Location != "Ward 7" || got.DeathDate != today {
			w.Errorf("%+v (%v)", got, err)
		}
	}},
	{"what a record has beyond its fields stays", func(w *world) {
		joe := w.patient(fhirmap.Patient{Name: "Joe", Identifiers: []fhirmap.Identifier{{System: "urn:s", Value: "1"}}})
		ok, err := w.Patients.Update(w.Context(), joe.ID, client.Fields{"name": "Jane"})
		w.is(true, ok, err)
		if got, err := w.Patients.Get(w.Context(), joe.ID); err != nil || len(got.Identifiers) != 1 {
			w.Errorf("%+v (%v)", got, err)
		}
	}},
	{"bad values are refused", func(w *world) {
		joe := w.patient(fhirmap.Patient{Name: "Joe"})
		for _, c := range []client.Fields{{"sex": "X"}, {"status": ""}, {"name": ""}, {"birth_date": "yesterday"}} {
			if ok, err := w.Patients.Update(w.Context(), joe.ID, c); err == nil || ok {
				w.Errorf("%v was taken", c)
			}
		}
	}},
}

// TestX12 closes a store and opens it again.
func TestX12(t *testing.T) {
	dir := t.TempDir()
	var joe client.Patient
	t.Run("before", func(t *testing.T) {
		w := &world{T: t, Client: overHTTP(t, handler(t, "badger:"+dir+"/store"))}
		joe = w.patient(fhirmap.Patient{Name: "Joe"})
		ok, err := w.Patients.Link(t.Context(), joe.ID, "FOO", "BAR")
		w.is(true, ok, err)
	})
	w := &world{T: t, Client: overHTTP(t, handler(t, "badger:"+dir+"/store"))}
	if got, err := w.Patients.From(t.Context(), "FOO", "BAR"); err != nil || got.ID != joe.ID || !got.Created.Equal(joe.Created) {
		t.Errorf("%+v (%v)", got, err)
	}
	ok, err := w.Patients.Link(t.Context(), w.patient(fhirmap.Patient{Name: "Jane"}).ID, "FOO", "BAR")
	w.is(false, ok, err)
}

// TestLocation makes the place of a record a search parameter, as the example page does.
func TestLocation(t *testing.T) {
	body, err := os.ReadFile("../examples/storage-api/search-parameters.json")
	if err != nil {
		t.Fatal(err)
	}
	h := handler(t, "badger::memory:")
	s := httptest.NewServer(h)
	defer s.Close()
	w := &world{T: t, Client: client.New(s.URL+"/fhir", client.Options{})}
	w.patient(fhirmap.Patient{Name: "Joe", Location: "Ward 7"})
	w.patient(fhirmap.Patient{Name: "Jane", Location: "North-77"})
	w.patient(fhirmap.Patient{Name: "Nobody"})
	res, err := http.Post(s.URL+"/fhir", "application/fhir+json", strings.NewReader(string(body)))
	if err != nil || res.StatusCode != 200 {
		t.Fatal(res, err)
	}
	res.Body.Close()
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if _, err := w.Patients.Filter(t.Context(), client.Where("location", client.EQUAL, "x")); err == nil {
			break
		} else if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	w.finds("Joe", client.Where("location", client.EQUAL, "Ward 7"))
	w.finds("Joe", client.Where("location", client.LIKE, "ard"))
	w.finds("", client.Where("location", client.LIKE, "ward"))
	w.finds("Jane Joe", client.Where("location", client.IN, "Ward 7", "North-77"))
	w.finds("Jane", client.Where("location", client.LT, "O"))
}

// TestTroubles asks servers that do not answer as they should.
func TestTroubles(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		say    string
	}{
		"an error":        {500, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"exception","diagnostics":"it broke"}]}`, "500: it broke"},
		"an error page":   {502, `<html>bad gateway</html>`, "502: <html>bad gateway"},
		"no JSON":         {200, `hello`, ""},
		"another type":    {200, `{"resourceType":"Group","id":"1"}`, "must be Patient"},
		"nobody let in":   {401, ``, "401"},
		"a half resource": {200, `{"resourceType":"Patient"`, ""},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(c.status)
			w.Write([]byte(c.body))
		}))
		_, err := client.New(s.URL, client.Options{}).Patients.Get(t.Context(), "1")
		if err == nil || errors.Is(err, client.ErrNotFound) || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v, want %q", name, err, c.say)
		}
		s.Close()
	}
	var asked []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("Authorization"))
		w.Write([]byte(`{"resourceType":"Bundle","type":"searchset","link":[{"relation":"next","url":"http://elsewhere.example/fhir?page=2"}]}`))
	}))
	defer s.Close()
	c := client.New(s.URL, client.Options{Token: func(context.Context) (string, error) { return "secret", nil }})
	if _, err := c.Patients.Filter(t.Context()); err == nil || !strings.Contains(err.Error(), "leads away") {
		t.Errorf("a link to elsewhere: %v", err)
	}
	if !slices.Equal(asked, []string{"Bearer secret"}) {
		t.Errorf("asked with %q", asked)
	}
}
