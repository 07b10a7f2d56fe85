package badger

import (
	"fmt"
	"sync"
	"time"

	"github.com/hob-fhir/hob/storage/driver"
)

// keeper knows which snapshots can be read. Badger drops what was overwritten or deleted at or before the discard time; that is
// moved on so that it stays behind every open view and behind what was the newest snapshot KeepSnapshots ago.
type keeper struct {
	keep time.Duration

	mu      sync.Mutex
	durable uint64         // the newest snapshot
	discard uint64         // older ones may be gone
	views   map[uint64]int // open views by snapshot
	past    []sample       // what was the newest when, oldest first
	closed  bool
	idle    sync.Cond // signalled when the last view closes
}

type sample struct {
	at time.Time
	ts uint64
}

func newKeeper(keep time.Duration, durable, discard uint64) *keeper {
	k := &keeper{keep: keep, durable: durable, discard: discard, views: map[uint64]int{}}
	k.idle.L = &k.mu
	return k
}

func (k *keeper) open(ts uint64) (uint64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.closed:
		return 0, errClosed
	case ts == newest:
		ts = k.durable
	case ts < k.discard || ts > k.durable:
		return 0, fmt.Errorf("snapshot %s is no longer kept; start anew from the newest: %w", snapshot(ts), driver.ErrExpired)
	}
	k.views[ts]++
	return ts, nil
}

func (k *keeper) close(ts uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.views[ts]--; k.views[ts] == 0 {
		delete(k.views, ts)
	}
	if len(k.views) == 0 {
		k.idle.Broadcast()
	}
}

// advance makes a committed snapshot the newest.
func (k *keeper) advance(ts uint64) {
	k.mu.Lock()
	k.durable = ts
	k.mu.Unlock()
}

func (k *keeper) newest() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.durable
}

// discarded is up to where snapshots may be gone.
func (k *keeper) discarded() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.discard
}

// tick notes the time and returns up to where Badger may discard.
func (k *keeper) tick(now time.Time) (discard uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if n := len(k.past); n == 0 || k.past[n-1].ts != k.durable {
		k.past = append(k.past, sample{now, k.durable})
	}
	old := k.discard
	for len(k.past) > 1 && now.Sub(k.past[1].at) >= k.keep {
		k.past = k.past[1:] // was the newest until another came, at least keep ago
	}
	if now.Sub(k.past[0].at) >= k.keep {
		old = max(old, k.past[0].ts)
	}
	for ts := range k.views {
		old = min(old, ts)
	}
	k.discard = max(k.discard, old)
	return k.discard
}

// shut refuses new views and waits for the open ones.
func (k *keeper) shut() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	for len(k.views) > 0 {
		k.idle.Wait()
	}
}
