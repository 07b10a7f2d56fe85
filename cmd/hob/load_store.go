package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// local is a target that is a store, open in this process. Several resources are written by one transaction.
type local struct {
	store *storage.Store
	n     int
	stop  func() // indexing for the search parameters that are loaded; who opens the store next goes on with it
}

func (l *local) batch() int   { return 64 }
func (l *local) workers() int { return l.n }

func (l *local) close() error {
	l.stop()
	return l.store.Close()
}

// draft is an item made ready to be written.
type draft struct {
	*item
	storage.Draft
	key  driver.Key
	base uint64 // the version it replaces
}

func (l *local) load(ctx context.Context, items []*item) error {
	for len(items) > 0 {
		n := distinct(items)
		if err := l.write(ctx, items[:n]); err != nil {
			return err
		}
		items = items[n:]
	}
	return nil
}

// distinct is how many items at the front are of different resources: two versions of one are written one after the other.
func distinct(items []*item) int {
	seen := make(map[driver.Key]bool, len(items))
	for i, it := range items {
		k := driver.Key{Type: it.typ, ID: it.id}
		if it.id != "" && seen[k] {
			return i
		}
		seen[k] = true
	}
	return len(items)
}

// attempts is how often a change is made ready anew when another process writes to the same database.
const attempts = 5

func (l *local) write(ctx context.Context, items []*item) error {
	parsed := make([]*fhirmap.Resource, len(items))
	for i, it := range items {
		r, err := fhirmap.Parse(it.data, fhirmap.Limits{})
		if err := it.judge(err); err != nil {
			return err
		}
		parsed[i] = r
	}
	for try := 1; ; try++ {
		drafts, err := l.prepare(ctx, items, parsed)
		if err != nil {
			return err
		}
		err = l.store.Update(ctx, storage.System, func(tx *storage.Tx) error { return put(tx, drafts) })
		switch {
		case err == nil:
			return nil
		case errors.Is(err, storage.ErrStale):
			try--
		case errors.Is(err, driver.ErrConflict) && try < attempts:
		case errors.Is(err, driver.ErrTooLarge) && len(items) > 1:
			half := len(items) / 2
			if err := l.write(ctx, items[:half]); err != nil {
				return err
			}
			return l.write(ctx, items[half:])
		case errors.Is(err, driver.ErrTooLarge):
			return items[0].judge(err)
		default:
			return err
		}
	}
}

// prepare makes drafts of what is not refused yet and not there yet.
func (l *local) prepare(ctx context.Context, items []*item, parsed []*fhirmap.Resource) ([]*draft, error) {
	drafts := make([]*draft, 0, len(items))
	err := l.store.View(ctx, storage.System, func(tx *storage.Tx) error {
		for i, it := range items {
			if it.refused != nil {
				continue
			}
			d := &draft{item: it, key: driver.Key{Type: parsed[i].Type(), ID: parsed[i].ID()}}
			r := parsed[i]
			if d.key.ID == "" {
				id, err := l.store.NewID()
				if err != nil {
					return err
				}
				d.key.ID = id
			} else {
				before, err := tx.Get(d.key)
				if err != nil && !errors.Is(err, driver.ErrNotFound) {
					return err
				}
				if before.Body != nil {
					if it.keep || it.doubt && same(before.Body, it.data) {
						continue
					}
					old, err := fhirmap.Trusted(before.Body)
					if err != nil {
						return fmt.Errorf("%s as it is stored: %w", d.key, err)
					}
					r = fhirmap.CarryMeta(old, r)
				}
				d.base = before.Version
			}
			var err error
			d.Draft, err = l.store.Prepare(d.key.ID, r)
			if err := it.judge(err); err != nil {
				return err
			}
			if it.refused == nil {
				drafts = append(drafts, d)
			}
		}
		return nil
	})
	return drafts, err
}

// put writes drafts. One that is refused does not stop the others.
func put(tx *storage.Tx, drafts []*draft) error {
	refused := map[*draft]error{}
	for _, d := range drafts {
		d.refused = nil // of an attempt before
		_, err := tx.Put(d.Draft, d.base)
		switch {
		case err == nil:
		case errors.Is(err, driver.ErrTaken), errors.Is(err, driver.ErrInvalid):
			refused[d] = err
		default:
			return err
		}
	}
	for d, err := range refused {
		if err := d.judge(err); err != nil {
			return err
		}
	}
	return nil
}

// judge notes an error that is about the item; any other is given back.
func (it *item) judge(err error) error {
	var o *fhirmap.Outcome
	switch {
	case err == nil:
	case errors.As(err, &o):
		it.refused = o
	case errors.Is(err, driver.ErrTaken):
		it.refused = fhirmap.Errorf(fhirmap.CodeDuplicate, "", "%v", err)
	case errors.Is(err, driver.ErrTooLarge):
		it.refused = fhirmap.Errorf(fhirmap.CodeTooLong, "", "%v", err)
	case errors.Is(err, driver.ErrInvalid):
		it.refused = fhirmap.Errorf(fhirmap.CodeInvalid, "", "%v", err)
	default:
		return err
	}
	return nil
}
