// Package storage is the only door to data: every read and write passes an Access.
//
// A Store wraps a driver.Backend. Its transactions are closures, View and Update, over a Tx that narrows whatever is read or
// written to what the caller's Access allows. Resources go in as a Draft (parsed and indexed outside the transaction) and come
// out as driver.Records; what is durable but not FHIR goes through a Private; Follow reads the log as it grows.
//
//	Prepare(resource) ─▶ Draft ─┐ outside, in parallel
//	                            ▼
//	Update(ctx, access, fn) ── Tx.Put ── version, time, body stamped ── narrowing confirmed ──▶ driver.Tx
//	View(ctx, access, fn) ──── Tx.Get · Find · Log ── narrowed ──▶ driver.Reader
package storage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// LastUpdated is the field of the row that the store itself adds to every resource: meta.lastUpdated, a point of driver.Instant.
const LastUpdated = "_lastUpdated"

// Config is what a Store is made of. Backend and Index are required.
type Config struct {
	Backend driver.Backend
	Index   Index

	// Generation counts the changes of what Index makes of the resources of a type. It must be the new one before Index is, and never go
	// back. nil: Index never changes.
	Generation func(typ string) uint64

	// Admit judges a resource that somebody wants to write: what it must be beyond the rules of FHIR, since Hob itself works by it. What is
	// stored is not asked again. nil: everything is admitted.
	Admit func(id string, r *fhirmap.Resource) error

	Clock func() time.Time // nil: time.Now
	Rand  io.Reader        // for ids; nil: crypto/rand
}

// Index returns the rows of a resource under an id, without LastUpdated. It must be pure: an old version is indexed again when
// somebody asks for it.
type Index func(id string, r *fhirmap.Resource) ([]driver.Row, error)

// Store is the door. All methods may be called from many goroutines.
type Store struct {
	backend driver.Backend
	index   Index
	edition func(typ string) uint64
	admit   func(id string, r *fhirmap.Resource) error
	watch   atomic.Pointer[watch]
	views   views
	clock   func() time.Time
	rand    io.Reader
	last    atomic.Int64 // newest time given to a record, in ms since 1970

	mu   sync.Mutex
	wake chan struct{} // closed when the log has grown
}

// New opens the door to a backend. It reads the newest record of the log, so that time never goes backwards even when the
// machine's clock did.
func New(c Config) (*Store, error) {
	if c.Backend == nil || c.Index == nil {
		return nil, errors.New("storage: a backend and an index are required")
	}
	s := &Store{
		backend: c.Backend, index: c.Index, edition: c.Generation, admit: c.Admit, clock: c.Clock, rand: c.Rand, wake: make(chan struct{}),
	}
	s.views.now.Store(&era{})
	if s.edition == nil {
		s.edition = func(string) uint64 { return 0 }
	}
	if s.admit == nil {
		s.admit = func(string, *fhirmap.Resource) error { return nil }
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	if s.rand == nil {
		s.rand = rand.Reader
	}
	err := s.backend.View(context.Background(), func(r driver.Reader) error {
		for rec, err := range r.Log(driver.Log{Reverse: true, Limit: 1, Bare: true}) {
			if err != nil {
				return err
			}
			s.last.Store(rec.Time.UnixMilli())
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the newest log entry: %w", err)
	}
	return s, nil
}

// View runs fn on one snapshot, narrowed to what access allows. A nil access is refused; System is explicit.
func (s *Store) View(ctx context.Context, access Access, fn func(*Tx) error) error {
	if access == nil {
		return errNoAccess
	}
	defer s.views.enter().leave()
	return s.backend.View(ctx, func(r driver.Reader) error {
		return fn(&Tx{store: s, r: r, narrow: narrower{access: access}})
	})
}

// Update runs fn as a change that is all or nothing, serializable and durable once Update has returned nil. fn may be run
// again, so it must be short and have no effect but through its Tx; parsing, indexing and the like belong before it. When fn is
// done, every record it wrote must lie within what access allows for the action it was written by, else ErrForbidden and nothing
// is written. A context that has ended by then writes nothing either.
func (s *Store) Update(ctx context.Context, access Access, fn func(*Tx) error) error {
	if access == nil {
		return errNoAccess
	}
	var touched bool
	watch := s.watch.Load()
	position, err := s.backend.Update(ctx, func(w driver.Tx) error {
		tx := &Tx{store: s, r: w, w: w, narrow: narrower{access: access}, now: s.now(), watch: watch}
		if err := fn(tx); err != nil {
			return err
		}
		if err := tx.confirm(); err != nil {
			return err
		}
		touched = tx.touched
		return ctx.Err()
	})
	if err == nil && position != "" {
		s.mu.Lock()
		close(s.wake)
		s.wake = make(chan struct{})
		s.mu.Unlock()
	}
	if err == nil && touched {
		watch.fn(ctx)
	}
	return err
}

// now is the time of a change that begins: in milliseconds, never before that of a change committed earlier by this Store.
func (s *Store) now() time.Time {
	return time.UnixMilli(max(s.clock().UnixMilli(), s.last.Load())).UTC()
}

// spent notes that a record was given the time t.
func (s *Store) spent(t time.Time) {
	ms := t.UnixMilli()
	for {
		last := s.last.Load()
		if ms <= last || s.last.CompareAndSwap(last, ms) {
			return
		}
	}
}

// Check yields every broken invariant of the store; a sound store yields none.
func (s *Store) Check(ctx context.Context) func(yield func(driver.Problem, error) bool) {
	return s.backend.Check(ctx)
}

// Close closes the backend. It may be called twice.
func (s *Store) Close() error { return s.backend.Close() }
