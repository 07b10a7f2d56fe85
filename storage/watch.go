package storage

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hob-fhir/hob/storage/driver"
)

// watch is what is done when resources of one type have changed.
type watch struct {
	typ string
	fn  func(context.Context)
}

// Watch has fn called after each change to resources of a type that is made through this Store: when it is durable, and before Update
// returns to whoever made it. So the change has had its effect by the time that its author is told of it. Changes that others make to the
// same database are not seen: read the log for those. There is one watch; a second takes the place of the first.
func (s *Store) Watch(typ string, fn func(context.Context)) { s.watch.Store(&watch{typ, fn}) }

func (tx *Tx) touch(k driver.Key) {
	if tx.watch != nil && tx.watch.typ == k.Type {
		tx.touched = true
	}
}

// views knows which Views are under way: those of one era began before those of the next.
type views struct {
	mu   sync.Mutex
	now  atomic.Pointer[era]
	past []*era // that were not seen to end
}

type era struct{ running atomic.Int64 }

func (v *views) enter() *era {
	for {
		e := v.now.Load()
		e.running.Add(1)
		if v.now.Load() == e {
			return e
		}
		e.running.Add(-1) // it ended before this View counted as one of it
	}
}

func (e *era) leave() { e.running.Add(-1) }

// Settle waits until every View that was under way has ended. What is told to readers after that is told to none that reads a snapshot from
// before. It must not be called from within a View.
func (s *Store) Settle(ctx context.Context) error {
	v := &s.views
	v.mu.Lock()
	defer v.mu.Unlock()
	v.past = append(v.past, v.now.Swap(&era{}))
	for {
		v.past = slices.DeleteFunc(v.past, func(e *era) bool { return e.running.Load() == 0 })
		if len(v.past) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}
