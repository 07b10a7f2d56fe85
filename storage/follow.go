package storage

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/hob-fhir/hob/storage/driver"
)

// Follow says where to begin and what to follow.
type Follow struct {
	After driver.Position // "": from the start
	Types []string        // none: every type
	Batch int             // records read per snapshot; 0: 500
}

// poll is how often a follower looks when nothing was written through this Store: another process may write to the same database.
const poll = time.Second

// Follow yields the records of the log that access allows, in commit order, each once, and waits for more until the context ends. A
// follower keeps the Position of the last record it has dealt with, as a private record of its own, and goes on from there: at
// least once. access is asked anew for every batch, so a grant that was revoked stops the flow.
//
// No transaction is open while the consumer works.
func (s *Store) Follow(ctx context.Context, access Access, f Follow) iter.Seq2[driver.Record, error] {
	if f.Batch <= 0 {
		f.Batch = 500
	}
	return func(yield func(driver.Record, error) bool) {
		if access == nil {
			yield(driver.Record{}, errNoAccess)
			return
		}
		for ctx.Err() == nil {
			wake := s.Grown() // taken before the look, so that a change after it is not missed
			batch, end, err := s.batch(ctx, access, f)
			if err != nil {
				if ctx.Err() == nil {
					yield(driver.Record{}, err)
				}
				return
			}
			for _, rec := range batch {
				if !yield(rec, nil) {
					return
				}
			}
			if end != "" {
				f.After = end
				continue
			}
			select {
			case <-wake:
			case <-time.After(poll):
			case <-ctx.Done():
			}
		}
	}
}

// Grown returns a channel that is closed when the log has grown through this Store. Take it before looking at the log, so that no change
// is missed between the two; and look from time to time anyhow, for another process may write to the same database.
func (s *Store) Grown() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wake
}

// batch reads on from f.After: what is to be shown, and the last position seen, "" if there was nothing.
func (s *Store) batch(ctx context.Context, access Access, f Follow) (batch []driver.Record, end driver.Position, err error) {
	err = s.View(ctx, access, func(tx *Tx) error {
		for rec, err := range tx.r.Log(driver.Log{After: f.After, Limit: f.Batch}) {
			if err != nil {
				return err
			}
			end = rec.Position
			if len(f.Types) > 0 && !slices.Contains(f.Types, rec.Type) {
				continue
			}
			ok, err := tx.within(Read, rec)
			if err != nil {
				return err
			}
			if ok {
				batch = append(batch, rec)
			}
		}
		return nil
	})
	return batch, end, err
}
