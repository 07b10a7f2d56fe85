package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
	"github.com/hob-fhir/hob/storage/drivertest"
)

// index gives the few rows these tests ask for: subject and _patient references, generalPractitioner, status.
func index(id string, r *fhirmap.Resource) ([]driver.Row, error) {
	var rows []driver.Row
	add := func(field string, v []byte) { rows = append(rows, driver.Row{Field: field, Value: driver.Point(v)}) }
	ref := func(s string) []byte {
		typ, id, _ := strings.Cut(s, "/")
		return driver.Key{Type: typ, ID: id}.Ref()
	}
	if s := r.Root().First("subject").String("reference"); s != "" {
		add("subject", ref(s))
		add("_patient", ref(s))
	}
	if r.Type() == "Patient" {
		add("_patient", driver.Key{Type: "Patient", ID: id}.Ref())
		if s := r.Root().First("generalPractitioner").String("reference"); s != "" {
			add("general-practitioner", ref(s))
		}
	}
	if s := r.Root().String("status"); s != "" {
		add("status", []byte(s))
	}
	return rows, nil
}

type fixture struct {
	t     *testing.T
	store *storage.Store
	clock *time.Time
}

func open(t *testing.T) fixture {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s, err := storage.New(storage.Config{Backend: drivertest.NewModel(), Index: index, Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return fixture{t, s, &now}
}

func (f fixture) draft(id, json string) storage.Draft {
	f.t.Helper()
	r, err := fhirmap.Parse([]byte(json), fhirmap.Limits{})
	if err != nil {
		f.t.Fatal(err)
	}
	d, err := f.store.Prepare(id, r)
	if err != nil {
		f.t.Fatal(err)
	}
	return d
}

func (f fixture) put(a storage.Access, id string, base uint64, json string) error {
	f.t.Helper()
	d := f.draft(id, json)
	return f.store.Update(context.Background(), a, func(tx *storage.Tx) error {
		_, err := tx.Put(d, base)
		return err
	})
}

func (f fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f fixture) view(a storage.Access, fn func(*storage.Tx) error) {
	f.t.Helper()
	f.must(f.store.View(context.Background(), a, fn))
}

func (f fixture) is(err, want error) {
	f.t.Helper()
	if !errors.Is(err, want) {
		f.t.Fatalf("got error %v, want %v", err, want)
	}
}

func patient(id, gp string) string {
	if gp != "" {
		gp = `,"generalPractitioner":[{"reference":"` + gp + `"}]`
	}
	return `{"resourceType":"Patient","id":"` + id + `"` + gp + `}`
}

func observation(subject, status string) string {
	return `{"resourceType":"Observation","status":"` + status + `","code":{"text":"weight"},"subject":{"reference":"` + subject + `"}}`
}

// only is the access of one patient to his own.
func only(id string) storage.Access {
	mine := driver.Lookup{Field: "_patient", Op: driver.EQUAL, Values: []driver.Value{driver.Point(driver.Key{Type: "Patient", ID: id}.Ref())}}
	return func(a storage.Action, typ string) (driver.Query, error) {
		if typ != "Patient" && typ != "Observation" {
			return nil, fmt.Errorf("type %s: %w", typ, storage.ErrForbidden)
		}
		return mine, nil
	}
}

func find(tx *storage.Tx, typ string, where driver.Query) (ids []string, err error) {
	for h, err := range tx.Find(driver.Find{Type: typ, Where: where, Sort: []driver.Order{{}}}) {
		if err != nil {
			return nil, err
		}
		ids = append(ids, h.ID)
	}
	return ids, nil
}

func TestAccessIsRequired(t *testing.T) {
	f := open(t)
	nothing := func(*storage.Tx) error { return nil }
	if f.store.View(context.Background(), nil, nothing) == nil || f.store.Update(context.Background(), nil, nothing) == nil {
		t.Fatal("a nil access was let in")
	}
	for _, err := range f.store.Follow(context.Background(), nil, storage.Follow{}) {
		if err == nil {
			t.Fatal("a nil access was let in")
		}
		return
	}
	t.Fatal("Follow said nothing of a nil access")
}

func TestPutStampsVersionAndTime(t *testing.T) {
	f := open(t)
	f.must(f.put(storage.System, "a", 0, patient("x", "")))
	f.must(f.put(storage.System, "a", 1, patient("x", "")))
	f.is(f.put(storage.System, "a", 1, patient("x", "")), driver.ErrConflict)
	f.is(f.put(storage.System, "b", 1, patient("x", "")), driver.ErrConflict)
	k := driver.Key{Type: "Patient", ID: "a"}
	f.view(storage.System, func(tx *storage.Tx) error {
		one, err := tx.Version(k, 1)
		f.must(err)
		two, err := tx.Get(k)
		f.must(err)
		if want := `{"resourceType":"Patient","id":"a","meta":{"versionId":"1","lastUpdated":"2026-03-01T12:00:00.000Z"}}`; string(one.Body) != want {
			t.Errorf("version 1 is %s, want %s", one.Body, want)
		}
		if want := `{"resourceType":"Patient","id":"a","meta":{"versionId":"2","lastUpdated":"2026-03-01T12:00:00.001Z"}}`; string(two.Body) != want {
			t.Errorf("version 2 is %s, want %s: the clock stood still, lastUpdated must not", two.Body, want)
		}
		return nil
	})
}

func TestTimeNeverGoesBack(t *testing.T) {
	backend := drivertest.NewModel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	s, err := storage.New(storage.Config{Backend: backend, Index: index, Clock: clock})
	f := fixture{t, s, &now}
	f.must(err)
	f.must(f.put(storage.System, "a", 0, patient("a", "")))
	now = now.Add(-time.Hour)
	f.must(f.put(storage.System, "b", 0, patient("b", "")))
	f.store, err = storage.New(storage.Config{Backend: backend, Index: index, Clock: clock}) // as after a restart
	f.must(err)
	f.must(f.put(storage.System, "c", 0, patient("c", "")))
	var last time.Time
	f.view(storage.System, func(tx *storage.Tx) error {
		for rec, err := range tx.Log(driver.Log{}) {
			f.must(err)
			if rec.Time.Before(last) {
				t.Errorf("%s has time %s, before %s of the record before it", rec.Key, rec.Time, last)
			}
			last = rec.Time
		}
		return nil
	})
}

func TestDeleteAndComeBack(t *testing.T) {
	f := open(t)
	k := driver.Key{Type: "Patient", ID: "a"}
	del := func(base uint64) error {
		return f.store.Update(context.Background(), storage.System, func(tx *storage.Tx) error {
			_, err := tx.Delete(k, base)
			return err
		})
	}
	f.is(del(0), driver.ErrNotFound)
	f.must(f.put(storage.System, "a", 0, patient("a", "")))
	f.is(del(7), driver.ErrConflict)
	f.must(del(1))
	f.is(del(2), driver.ErrNotFound)
	f.view(storage.System, func(tx *storage.Tx) error {
		rec, err := tx.Get(k)
		f.must(err)
		if !rec.Deleted || rec.Version != 2 {
			t.Errorf("after a delete there is %+v", rec)
		}
		return nil
	})
	f.must(f.put(storage.System, "a", 2, patient("a", "")))
}

func TestNarrowedReads(t *testing.T) {
	f := open(t)
	f.must(f.put(storage.System, "ann", 0, patient("ann", "")))
	f.must(f.put(storage.System, "bob", 0, patient("bob", "")))
	f.must(f.put(storage.System, "a1", 0, observation("Patient/ann", "final")))
	f.must(f.put(storage.System, "b1", 0, observation("Patient/bob", "final")))
	f.must(f.put(storage.System, "moved", 0, observation("Patient/ann", "final")))
	f.must(f.put(storage.System, "moved", 1, observation("Patient/bob", "final")))
	obs := func(id string) driver.Key { return driver.Key{Type: "Observation", ID: id} }

	f.view(only("ann"), func(tx *storage.Tx) error {
		_, err := tx.Get(obs("a1"))
		f.must(err)
		_, err = tx.Get(obs("b1"))
		f.is(err, driver.ErrNotFound)
		_, err = tx.Head(obs("b1"))
		f.is(err, driver.ErrNotFound)
		_, err = tx.Version(obs("moved"), 1) // it was hers then
		f.must(err)
		_, err = tx.Version(obs("moved"), 2)
		f.is(err, driver.ErrNotFound)
		_, err = tx.Get(driver.Key{Type: "Device", ID: "x"})
		f.is(err, storage.ErrForbidden)
		ids, err := find(tx, "Observation", nil)
		f.must(err)
		if len(ids) != 1 || ids[0] != "a1" {
			t.Errorf("a search shows %v, want a1 alone", ids)
		}
		n, err := tx.Count(driver.Find{Type: "Observation", Where: driver.Not{Of: driver.IDs{"a1"}}})
		f.must(err)
		if n != 0 {
			t.Errorf("%d others are counted", n)
		}
		var seen []string
		for rec, err := range tx.Log(driver.Log{}) {
			f.must(err)
			seen = append(seen, fmt.Sprintf("%s/%d", rec.Key, rec.Version))
		}
		if got, want := strings.Join(seen, " "), "Patient/ann/1 Observation/a1/1 Observation/moved/1"; got != want {
			t.Errorf("the log shows %s, want %s", got, want)
		}
		return nil
	})
}

func TestNarrowedJoins(t *testing.T) {
	f := open(t)
	f.must(f.put(storage.System, "ann", 0, patient("ann", "")))
	f.must(f.put(storage.System, "bob", 0, patient("bob", "")))
	f.must(f.put(storage.System, "b1", 0, observation("Patient/bob", "final")))
	final := driver.Lookup{Field: "status", Op: driver.EQUAL, Values: []driver.Value{driver.Point([]byte("final"))}}
	// Ann may see every Patient, but no Observation of Bob's.
	wide := func(a storage.Action, typ string) (driver.Query, error) {
		if typ == "Patient" {
			return nil, nil
		}
		return only("ann")(a, typ)
	}
	for name, q := range map[string]driver.Query{
		"has":      driver.Referred{Type: "Observation", Field: "subject", Where: final},
		"in and":   driver.And{driver.Referred{Type: "Observation", Field: "subject"}},
		"in or":    driver.Or{driver.Referred{Type: "Observation", Field: "subject"}},
		"not not":  driver.Not{Of: driver.Not{Of: driver.Referred{Type: "Observation", Field: "subject"}}},
		"no type":  driver.Referred{Type: "Device", Field: "patient"},
		"deep has": driver.Referred{Type: "Observation", Field: "subject", Where: driver.Refers{Field: "subject", Type: "Patient", Where: driver.IDs{"bob"}}},
	} {
		t.Run(name, func(t *testing.T) {
			f.view(wide, func(tx *storage.Tx) error {
				ids, err := find(tx, "Patient", q)
				f.must(err)
				if len(ids) != 0 {
					t.Errorf("the join tells of %v through what the caller may not see", ids)
				}
				return nil
			})
		})
	}
	f.view(storage.System, func(tx *storage.Tx) error {
		ids, err := find(tx, "Patient", driver.Referred{Type: "Observation", Field: "subject", Where: final})
		f.must(err)
		if len(ids) != 1 || ids[0] != "bob" {
			t.Errorf("the system finds %v, want bob", ids)
		}
		return nil
	})
}

func TestNarrowedWrites(t *testing.T) {
	f := open(t)
	f.must(f.put(storage.System, "ann", 0, patient("ann", "")))
	f.must(f.put(storage.System, "b1", 0, observation("Patient/bob", "final")))
	ann := only("ann")
	f.must(f.put(ann, "a1", 0, observation("Patient/ann", "final")))
	f.is(f.put(ann, "a2", 0, observation("Patient/bob", "final")), storage.ErrForbidden) // creates for another
	f.is(f.put(ann, "a1", 1, observation("Patient/bob", "final")), storage.ErrForbidden) // gives away
	f.is(f.put(ann, "b1", 1, observation("Patient/ann", "final")), driver.ErrNotFound)   // takes over
	f.is(f.put(ann, "d", 0, `{"resourceType":"Device","id":"d"}`), storage.ErrForbidden) // a type she has nothing to do with
	err := f.store.Update(context.Background(), ann, func(tx *storage.Tx) error {
		_, err := tx.Delete(driver.Key{Type: "Observation", ID: "b1"}, 1)
		return err
	})
	f.is(err, driver.ErrNotFound)
	f.view(storage.System, func(tx *storage.Tx) error {
		ids, err := find(tx, "Observation", nil)
		f.must(err)
		if strings.Join(ids, " ") != "a1 b1" {
			t.Errorf("after refused writes there are %v", ids)
		}
		rec, err := tx.Get(driver.Key{Type: "Observation", ID: "a1"})
		f.must(err)
		if rec.Version != 1 || !bytes.Contains(rec.Body, []byte("Patient/ann")) {
			t.Errorf("a refused update left %s", rec.Body)
		}
		return nil
	})
}

// A doctor may write what belongs to patients who name him; the patient may come in the same transaction, after it.
func TestConfirmedAtTheEnd(t *testing.T) {
	f := open(t)
	me := driver.Lookup{Field: "general-practitioner", Op: driver.EQUAL, Values: []driver.Value{driver.Point(driver.Key{Type: "Practitioner", ID: "me"}.Ref())}}
	doctor := func(a storage.Action, typ string) (driver.Query, error) {
		if typ == "Patient" {
			return me, nil
		}
		return driver.Refers{Field: "_patient", Type: "Patient", Where: me}, nil
	}
	o := f.draft("o", observation("Patient/new", "final"))
	mine, other := f.draft("new", patient("new", "Practitioner/me")), f.draft("new", patient("new", "Practitioner/you"))
	both := func(p storage.Draft) error {
		return f.store.Update(context.Background(), doctor, func(tx *storage.Tx) error {
			if _, err := tx.Put(o, 0); err != nil {
				return err
			}
			_, err := tx.Put(p, 0)
			return err
		})
	}
	f.is(both(other), storage.ErrForbidden)
	f.must(both(mine))
}

func TestEndedContextWritesNothing(t *testing.T) {
	f := open(t)
	ctx, cancel := context.WithCancel(context.Background())
	d := f.draft("a", patient("a", ""))
	err := f.store.Update(ctx, storage.System, func(tx *storage.Tx) error {
		_, err := tx.Put(d, 0)
		cancel()
		return err
	})
	f.is(err, context.Canceled)
	f.view(storage.System, func(tx *storage.Tx) error {
		_, err := tx.Get(driver.Key{Type: "Patient", ID: "a"})
		f.is(err, driver.ErrNotFound)
		return nil
	})
}

type job struct {
	Owner string
	Until time.Time
}

var jobs = storage.Private[job]{
	Type: "_job",
	Rows: func(j job) []driver.Row {
		return []driver.Row{{Field: "owner", Value: driver.Point([]byte(j.Owner))}}
	},
	Expires: func(j job) time.Time { return j.Until },
}

func TestPrivate(t *testing.T) {
	f := open(t)
	save := func(id string, version uint64, j job) error {
		return f.store.Update(context.Background(), storage.System, func(tx *storage.Tx) error {
			_, err := jobs.Save(tx, id, version, j)
			return err
		})
	}
	f.must(save("1", 0, job{Owner: "ann"}))
	f.must(save("2", 0, job{Owner: "bob"}))
	f.is(save("1", 0, job{Owner: "eve"}), driver.ErrConflict)
	f.must(save("1", 1, job{Owner: "cat"}))
	f.view(storage.System, func(tx *storage.Tx) error {
		j, v, err := jobs.Load(tx, "1")
		f.must(err)
		if j.Owner != "cat" || v != 2 {
			t.Errorf("loaded %+v version %d", j, v)
		}
		var ids []string
		for s, err := range jobs.Find(tx, driver.Lookup{Field: "owner", Op: driver.EQUAL, Values: []driver.Value{driver.Point([]byte("bob"))}}) {
			f.must(err)
			ids = append(ids, s.ID+s.Value.Owner)
		}
		if len(ids) != 1 || ids[0] != "2bob" {
			t.Errorf("found %v, want job 2", ids)
		}
		// The doors for resources do not open to private types.
		_, err = tx.Get(driver.Key{Type: "_job", ID: "1"})
		f.is(err, driver.ErrNotFound)
		_, err = find(tx, "_job", nil)
		f.is(err, driver.ErrNotFound)
		for rec := range tx.Log(driver.Log{}) {
			t.Errorf("the log shows %s", rec.Key)
		}
		return nil
	})
	f.must(f.store.Update(context.Background(), storage.System, func(tx *storage.Tx) error { return jobs.Remove(tx, "2") }))
	f.view(storage.System, func(tx *storage.Tx) error {
		_, _, err := jobs.Load(tx, "2")
		f.is(err, driver.ErrNotFound)
		return nil
	})
	f.must(save("3", 0, job{Owner: "dan", Until: time.Now().Add(-time.Second)}))
	f.view(storage.System, func(tx *storage.Tx) error {
		_, _, err := jobs.Load(tx, "3")
		f.is(err, driver.ErrNotFound)
		return nil
	})
	f.must(save("3", 0, job{Owner: "again"}))
}

func TestFollow(t *testing.T) {
	f := open(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	f.must(f.put(storage.System, "ann", 0, patient("ann", "")))
	f.must(f.put(storage.System, "b0", 0, observation("Patient/bob", "final")))
	seen := make(chan driver.Record)
	go func() {
		defer close(seen)
		for rec, err := range f.store.Follow(ctx, only("ann"), storage.Follow{Types: []string{"Observation"}, Batch: 2}) {
			if err != nil {
				t.Error(err)
				return
			}
			seen <- rec
		}
	}()
	for i := range 5 { // before, and while it waits
		f.must(f.put(storage.System, fmt.Sprintf("a%d", i), 0, observation("Patient/ann", "final")))
		f.must(f.put(storage.System, fmt.Sprintf("c%d", i), 0, observation("Patient/bob", "final")))
		if got, want := (<-seen).ID, fmt.Sprintf("a%d", i); got != want {
			t.Fatalf("followed %s, want %s", got, want)
		}
	}
	cancel()
	if _, more := <-seen; more {
		t.Error("followed more than there was")
	}
}

func TestErase(t *testing.T) {
	f := open(t)
	f.must(f.put(storage.System, "ann", 0, patient("ann", "")))
	k := driver.Key{Type: "Patient", ID: "ann"}
	erase := func(a storage.Access) error {
		return f.store.Update(context.Background(), a, func(tx *storage.Tx) error { return tx.Erase(k) })
	}
	f.is(erase(only("ann")), storage.ErrForbidden)
	f.must(erase(storage.System))
	f.view(storage.System, func(tx *storage.Tx) error {
		_, err := tx.Version(k, 1)
		f.is(err, driver.ErrNotFound)
		return nil
	})
	f.view(only("ann"), func(tx *storage.Tx) error {
		for rec := range tx.Log(driver.Log{}) {
			t.Errorf("an erased record shows as %s", rec.Key)
		}
		return nil
	})
}

func TestNewID(t *testing.T) {
	at := time.UnixMilli(0x0123456789 << 4)
	s, err := storage.New(storage.Config{Backend: drivertest.NewModel(), Index: index,
		Clock: func() time.Time { return at }, Rand: bytes.NewReader(make([]byte, 10))})
	if err != nil {
		t.Fatal(err)
	}
	id, err := s.NewID()
	if want := "04hmasw9" + strings.Repeat("0", 16); err != nil || id != want {
		t.Errorf("the id is %s (%v), want %s", id, err, want)
	}
	if _, err := s.NewID(); err == nil {
		t.Error("an id was made without randomness")
	}
}
