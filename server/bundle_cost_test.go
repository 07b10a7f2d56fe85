package server_test

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"testing"

	"github.com/hob-fhir/hob/storage/driver"
)

// tally is a backend that counts what is asked of the one below it: an Update is one fsync if nobody else writes.
type tally struct {
	driver.Backend
	views, updates, puts, rows, reads, finds int
	inside                                   int // reads and finds in an Update
}

var tallying sync.Mutex

func (t *tally) add(n *int, by int) {
	tallying.Lock()
	defer tallying.Unlock()
	*n += by
}

type talliedReader struct {
	driver.Reader
	t *tally
}

type talliedTx struct {
	driver.Tx
	t *tally
}

func (t *tally) View(ctx context.Context, fn func(driver.Reader) error) error {
	return t.Backend.View(ctx, func(r driver.Reader) error {
		t.add(&t.views, 1)
		return fn(talliedReader{r, t})
	})
}

func (t *tally) Update(ctx context.Context, fn func(driver.Tx) error) (driver.Position, error) {
	return t.Backend.Update(ctx, func(tx driver.Tx) error {
		t.add(&t.updates, 1)
		return fn(talliedTx{tx, t})
	})
}

func (r talliedReader) Get(k driver.Key) (driver.Record, error) {
	r.t.add(&r.t.reads, 1)
	return r.Reader.Get(k)
}
func (r talliedReader) Head(k driver.Key) (driver.Record, error) {
	r.t.add(&r.t.reads, 1)
	return r.Reader.Head(k)
}
func (r talliedReader) Find(f driver.Find) iter.Seq2[driver.Hit, error] {
	r.t.add(&r.t.finds, 1)
	return r.Reader.Find(f)
}

func (x talliedTx) Get(k driver.Key) (driver.Record, error) {
	x.t.add(&x.t.inside, 1)
	return x.Tx.Get(k)
}

func (x talliedTx) Head(k driver.Key) (driver.Record, error) {
	x.t.add(&x.t.inside, 1)
	return x.Tx.Head(k)
}

func (x talliedTx) Find(f driver.Find) iter.Seq2[driver.Hit, error] {
	x.t.add(&x.t.inside, 1)
	return x.Tx.Find(f)
}

func (x talliedTx) Put(rec driver.Record, rows []driver.Row) error {
	x.t.add(&x.t.puts, 1)
	x.t.add(&x.t.rows, len(rows))
	return x.Tx.Put(rec, rows)
}

// TestBundleCost counts what a transaction of 50 entries asks of the store. More than this is a step back.
func TestBundleCost(t *testing.T) {
	count := func(name string, want tally, entry func(i int) string) {
		t.Run(name, func(t *testing.T) {
			counted := &tally{Backend: backend(t)}
			f := openOn(t, counted, nil)
			for i := range 50 {
				f.put(fmt.Sprint("p", i), "x").is(201)
			}
			*counted = tally{Backend: counted.Backend}
			entries := make([]string, 50)
			for i := range entries {
				entries[i] = entry(i)
			}
			f.do("POST", "/fhir", transaction(entries...)).response("transaction-response")
			got := *counted
			t.Logf("%d updates, %d puts of %d rows, %d reads inside; %d views, %d reads and %d searches outside",
				got.updates, got.puts, got.rows, got.inside, got.views, got.reads, got.finds)
			if got.updates != want.updates || got.puts != want.puts || got.inside > want.inside || got.reads > want.reads || got.finds > want.finds {
				t.Errorf("want at most %d updates, %d puts, %d reads inside, %d reads and %d searches outside",
					want.updates, want.puts, want.inside, want.reads, want.finds)
			}
		})
	}
	count("create", tally{updates: 1, puts: 50, inside: 50}, func(i int) string { return post("", patient("", fmt.Sprint("F", i))) })
	count("update", tally{updates: 1, puts: 50, inside: 100, reads: 100}, func(i int) string { return put(patient(fmt.Sprint("p", i), "y")) })
	count("conditional create", tally{updates: 1, puts: 50, inside: 100, finds: 50}, func(i int) string {
		return post("", known("", fmt.Sprint(i), "x"), fmt.Sprintf(`"ifNoneExist":"%s%d"`, by, i))
	})
	count("read", tally{reads: 100}, func(i int) string { return ask("", "", "GET", fmt.Sprint("Patient/p", i)) })
}
