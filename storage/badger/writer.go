package badger

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	badgerdb "github.com/dgraph-io/badger/v4"

	"github.com/hob-fhir/hob/storage/driver"
)

// writer lets one closure run at a time and commits them in groups: while a commit syncs, the next closures queue, and are then
// run one after another and committed together. The closures run in the goroutines of their callers, who pass the turn on; whoever
// finds nobody waiting, or the group full, commits it for all. There is no timer: a lone writer commits at once.
//
// Badger has no savepoints and is slow to iterate over a transaction with many writes, so a group's writes are kept in an overlay
// (see overlay.go) and written as one Badger transaction when the group closes.
type writer struct {
	s       *store
	turn    chan struct{} // holds one token; who has taken it may use what follows
	waiting atomic.Int32

	group    *group // nil until a closure runs
	maxBytes int64  // what one Badger transaction holds
	maxKeys  int64
	broken   error // of a commit: nothing is written any more

	mu     sync.Mutex
	closed bool
}

// group is what will be committed together.
type group struct {
	view
	over overlay
	done func()        // releases the snapshot
	end  chan struct{} // closed when the group is committed, or could not be
	err  error         // why not; to be read after end
}

var errClosed = fmt.Errorf("store is closed: %w", driver.ErrUnavailable)

func newWriter(s *store) *writer {
	w := &writer{s: s, turn: make(chan struct{}, 1), maxBytes: s.db.MaxBatchSize(), maxKeys: s.db.MaxBatchCount()}
	w.turn <- struct{}{}
	return w
}

// Update implements driver.Backend.
func (s *store) Update(ctx context.Context, fn func(driver.Tx) error) (driver.Position, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if err := s.sound(); err != nil {
		return "", err
	}
	if err := s.space.check(); err != nil {
		return "", err
	}
	g, pos, err := s.writer.run(ctx, fn)
	if g != nil {
		<-g.end // also after an error: what the closure saw may have been earlier writes of the group
		err = errors.Join(err, g.err)
	}
	if err != nil {
		return "", err
	}
	return pos, nil
}

// run runs fn in its turn. It returns the group whose commit must be waited for, nil if there is nothing to wait for.
func (w *writer) run(ctx context.Context, fn func(driver.Tx) error) (g *group, pos driver.Position, err error) {
	w.waiting.Add(1)
	<-w.turn
	w.waiting.Add(-1)
	defer w.pass() // also when fn panics
	for {
		if err := w.refuse(ctx); err != nil {
			return nil, "", err
		}
		if w.group == nil {
			if w.group, err = w.begin(); err != nil {
				return nil, "", err
			}
		}
		first := w.group.over.mark() == 0
		pos, overflow, err := w.try(ctx, fn)
		if overflow && !first {
			w.commit() // fn gets a transaction of its own
			continue
		}
		if w.group.over.mark() == 0 {
			return nil, pos, err // nothing written, and nothing of others seen
		}
		return w.group, pos, err
	}
}

func (w *writer) refuse(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return errClosed
	}
	if w.broken != nil {
		return w.broken
	}
	return ctx.Err()
}

// try runs fn once, on top of what the group holds. If it errs, panics or does not fit, the group is left as it was.
func (w *writer) try(ctx context.Context, fn func(driver.Tx) error) (pos driver.Position, overflow bool, err error) {
	g := w.group
	start := g.over.mark()
	t := &tx{
		reader:   reader{view: g.view, ctx: ctx},
		over:     &g.over,
		maxBytes: w.maxBytes - txnOverhead,
		maxKeys:  w.maxKeys - txnOverhead,
	}
	kept := false
	defer func() {
		t.ended = true
		if !kept {
			g.over.undoTo(start)
		}
	}()
	err = fn(t)
	if err == nil {
		err = ctx.Err()
	}
	kept = err == nil && (!t.overflow || start == 0)
	if t.last > 0 {
		pos = position(t.last)
	}
	return pos, t.overflow, err
}

// txnOverhead is room that Badger needs for its own end mark, in bytes and in keys.
const txnOverhead = 64

func (w *writer) begin() (*group, error) {
	v, done, err := w.s.open(newest)
	if err != nil {
		return nil, err
	}
	g := &group{view: *v, done: done, end: make(chan struct{})}
	g.view.over = &g.over
	return g, nil
}

// pass gives the turn to the next, or commits if there is none.
func (w *writer) pass() {
	if w.group != nil && (w.waiting.Load() == 0 || w.full()) {
		w.commit()
	}
	w.turn <- struct{}{}
}

// full reports whether the group has reached 60 % of what a transaction holds.
func (w *writer) full() bool {
	o := &w.group.over
	return o.size*10 > w.maxBytes*6 || int64(o.keys.Len())*10 > w.maxKeys*6
}

// commit writes the group as one transaction and waits until it is durable.
func (w *writer) commit() {
	g := w.group
	w.group = nil
	defer close(g.end)
	defer g.done()
	if g.over.keys.Len() == 0 {
		return
	}
	if err := w.write(g); err != nil {
		// Badger may or may not have written it, and an fsync that failed cannot be repeated: what the disk holds is unknown.
		g.err = fmt.Errorf("commit: %w; nothing more is written until the store is opened again: %w", err, driver.ErrUnavailable)
		w.mu.Lock()
		w.broken = g.err
		w.mu.Unlock()
	}
}

func (w *writer) write(g *group) error {
	s := w.s
	ts := g.ts + 1
	txn := s.db.NewTransactionAt(g.ts, true)
	defer txn.Discard()
	var err error
	g.over.keys.Scan(func(key string, p pending) bool {
		if p.gone {
			err = txn.Delete([]byte(key))
		} else {
			err = txn.SetEntry(badgerdb.NewEntry([]byte(key), p.value))
		}
		return err == nil
	})
	if err != nil {
		return err
	}
	if err := txn.CommitAt(ts, nil); err != nil {
		return err
	}
	s.space.wrote(g.over.size)
	from := string([]byte{famNames})
	g.over.keys.Ascend(from, func(key string, p pending) bool {
		if key[0] != famNames {
			return false
		}
		err = s.names.learn([]byte(key), p.value)
		return err == nil
	})
	if err != nil {
		return err
	}
	s.keep.advance(ts)
	if err := s.note.durable(ts); err != nil { // the change is durable all the same
		s.opts.Log.Error("note of the last change cannot be written", "error", err)
	}
	return nil
}

// shut refuses new closures and waits for the running one and its group.
func (w *writer) shut() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.waiting.Add(1)
	<-w.turn
	w.waiting.Add(-1)
	w.pass()
}
