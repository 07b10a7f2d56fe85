package drivertest

import (
	"context"
	"iter"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hob-fhir/hob/storage/driver"
)

// TestBroken shows that the suite can fail: it runs it on the model with one fault each, in a process of its own, and requires that
// it fails there, in the tests that are meant for that fault.
func TestBroken(t *testing.T) {
	if name := os.Getenv("HOB_BROKEN"); name != "" {
		fault, ok := faults[name]
		if !ok {
			t.Fatalf("no fault is called %q", name)
		}
		open := func(testing.TB) driver.Backend { return &broken{model: NewModel().(*model), fault: fault} }
		Run(t, open)
		Snapshots(t, open)
		Durable(t, newShelf(fault.forgets).open)
		return
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var parts []string // of the suite: those in which the fault must show
			for _, want := range fault.caught {
				part, _, _ := strings.Cut(want, "/")
				parts = append(parts, "^"+regexp.QuoteMeta(part))
			}
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBroken$/("+strings.Join(parts, "|")+")", "-test.short", "-test.timeout=3m")
			cmd.Env = append(os.Environ(), "HOB_BROKEN="+name, "HOB_SEED=1", "HOB_SOAK=")
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatalf("the suite passes on a backend with this fault")
			}
			for _, want := range fault.caught {
				if !strings.Contains(string(out), "--- FAIL: TestBroken/"+want) {
					t.Errorf("the suite fails (%v), but %q does not:\n%s", err, want, out)
				}
			}
		})
	}
}

// A broken backend is the model with one fault.
type broken struct {
	*model
	fault
}

type fault struct {
	caught []string // the tests that must fail, by how their names begin
	tx     func(driver.Tx) driver.Tx
	reader func(driver.Reader) driver.Reader // in views and in updates
	update func(*broken, context.Context, func(driver.Tx) error) (driver.Position, error)

	forgets int // commits lost in a restart
}

// shelf keeps models by name while they are closed: the model's way to outlive a process.
type shelf struct {
	forgets int
	states  map[string][]*state
}

func newShelf(forgets int) *shelf { return &shelf{forgets, map[string][]*state{}} }

func (s *shelf) open(_ testing.TB, name string) driver.Backend {
	m := NewModel().(*model)
	if kept := s.states[name]; len(kept) > 0 {
		m.states = kept[:max(1, len(kept)-s.forgets)]
	}
	return &shelved{m, func() { s.states[name] = m.states }}
}

type shelved struct {
	*model
	keep func()
}

func (s *shelved) Close() error {
	defer s.keep()
	return s.model.Close()
}

func TestModelDurable(t *testing.T) { Durable(t, newShelf(0).open) }

func (b *broken) View(ctx context.Context, fn func(driver.Reader) error) error {
	return b.model.View(ctx, func(r driver.Reader) error {
		if b.reader != nil {
			r = b.reader(r)
		}
		return fn(r)
	})
}

func (b *broken) Update(ctx context.Context, fn func(driver.Tx) error) (driver.Position, error) {
	run := b.model.Update
	if b.update != nil {
		run = func(ctx context.Context, fn func(driver.Tx) error) (driver.Position, error) {
			return b.update(b, ctx, fn)
		}
	}
	return run(ctx, func(t driver.Tx) error {
		if b.tx != nil {
			t = b.tx(t)
		}
		if b.reader != nil {
			t = struct {
				driver.Reader
				writer
			}{b.reader(t), t}
		}
		return fn(t)
	})
}

// writer is the part of a Tx that is not Reader.
type writer interface {
	Put(driver.Record, []driver.Row) error
	Index(driver.Key, uint64, []driver.Row) error
	Erase(driver.Key, time.Time) error
}

// putter replaces Put.
type putter struct {
	*tx
	put func(*tx, driver.Record, []driver.Row) error
}

func (p putter) Put(rec driver.Record, rows []driver.Row) error { return p.put(p.tx, rec, rows) }

func putting(put func(*tx, driver.Record, []driver.Row) error) func(driver.Tx) driver.Tx {
	return func(t driver.Tx) driver.Tx { return putter{t.(*tx), put} }
}

// finder replaces Find, and with it Count.
type finder struct {
	driver.Reader
	find func(driver.Reader, driver.Find) ([]driver.Hit, error)
}

func (f finder) Find(q driver.Find) iter.Seq2[driver.Hit, error] {
	return func(yield func(driver.Hit, error) bool) {
		hits, err := f.find(f.Reader, q)
		for _, h := range hits {
			if !yield(h, nil) {
				return
			}
		}
		if err != nil {
			yield(driver.Hit{}, err)
		}
	}
}

func (f finder) Count(q driver.Find) (int, error) {
	q.Limit, q.After = 0, ""
	hits, err := f.find(f.Reader, q)
	return len(hits), err
}

func finding(find func(driver.Reader, driver.Find) ([]driver.Hit, error)) func(driver.Reader) driver.Reader {
	return func(r driver.Reader) driver.Reader { return finder{r, find} }
}

// asking changes every query before it is asked.
func asking(change func(driver.Query) driver.Query) func(driver.Reader) driver.Reader {
	return finding(func(r driver.Reader, f driver.Find) ([]driver.Hit, error) {
		if f.Validate() == nil {
			f.Where = everywhere(f.Where, change)
		}
		return find(r, f)
	})
}

// everywhere applies change to each lookup and Same of a query.
func everywhere(q driver.Query, change func(driver.Query) driver.Query) driver.Query {
	all := func(parts []driver.Query) []driver.Query {
		parts = slices.Clone(parts)
		for i := range parts {
			parts[i] = everywhere(parts[i], change)
		}
		return parts
	}
	switch q := q.(type) {
	case driver.And:
		return driver.And(all(q))
	case driver.Or:
		return driver.Or(all(q))
	case driver.Not:
		return driver.Not{Of: everywhere(q.Of, change)}
	case driver.Refers:
		q.Where = everywhere(q.Where, change)
		return q
	case driver.Referred:
		q.Where = everywhere(q.Where, change)
		return q
	case driver.Lookup, driver.Same:
		return change(q)
	}
	return q
}

// reading replaces what Get gives.
type reading struct {
	driver.Reader
	get     func(driver.Key) (driver.Record, error)
	version func(driver.Key, uint64) (driver.Record, error)
	log     func(driver.Log) iter.Seq2[driver.Record, error]
}

func (r reading) Get(k driver.Key) (driver.Record, error) {
	if r.get == nil {
		return r.Reader.Get(k)
	}
	return r.get(k)
}

func (r reading) Version(k driver.Key, v uint64) (driver.Record, error) {
	if r.version == nil {
		return r.Reader.Version(k, v)
	}
	return r.version(k, v)
}

func (r reading) Log(l driver.Log) iter.Seq2[driver.Record, error] {
	if r.log == nil {
		return r.Reader.Log(l)
	}
	return r.log(l)
}

// stateOf is the state that a reader of the model reads.
func stateOf(r driver.Reader) *state {
	switch r := r.(type) {
	case *reader:
		return r.s
	case *tx:
		return r.s
	case putter:
		return r.s
	}
	panic("not a reader of the model")
}

// together lets nobody wait for another: each update works on what was newest when it began, and the last one wins.
var together sync.Mutex

func unserialized(b *broken, ctx context.Context, fn func(driver.Tx) error) (driver.Position, error) {
	together.Lock()
	s, err := b.newest()
	if err != nil || ctx.Err() != nil {
		together.Unlock()
		if err == nil {
			err = ctx.Err()
		}
		return "", err
	}
	work := &state{number: s.number + 1, made: s.made, logged: s.logged, entries: *s.entries.Copy(), log: *s.log.Copy()}
	together.Unlock()
	if err := fn(&tx{reader: reader{ctx: ctx, m: b.model, s: work}}); err != nil {
		return "", err
	}
	time.Sleep(time.Millisecond) // so that others begin meanwhile
	b.mu.Lock()
	work.number = b.states[len(b.states)-1].number + 1
	b.mu.Unlock()
	b.publish(work)
	if work.logged == s.logged {
		return "", nil
	}
	return position(work.logged), nil
}
