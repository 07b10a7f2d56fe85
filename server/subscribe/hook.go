package subscribe

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/hob-fhir/hob/auth"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// hook is the feed of a Subscription whose channel is a rest-hook.
//
// With a payload a resource is sent as PUT [endpoint]/[type]/[id], as in an update; without one a POST with nothing in it says that
// something has changed. Deletions are not told: R4 knows no notification of them.
type hook struct {
	*Outbox
	id string
	subscription
	standing
	kept uint64 // version of the standing
	what criterion
	to   string
	head http.Header

	refused int // how often the next was
	dead    int // letters in a row
	unsaved int // log records since the position was saved
}

const (
	hookBatch = 100  // log records that are looked at together
	hookSave  = 1000 // log records that are passed by before the position is saved
	hookDead  = 100  // dead letters in a row after which a Subscription is given up
)

func (h *hook) name() string { return subscriptionType + "/" + h.id }

// lost gives the Subscription up when its receiver has failed for too long.
func (h *hook) lost(since time.Duration, err error) bool {
	if since < h.Patience {
		return false
	}
	return h.finish(context.Background(), h.id, h.Made, "error", err.Error()) == nil
}

// ends writes the last status; the feed goes on trying to if it cannot.
func (h *hook) ends(ctx context.Context, status string, why error) error {
	text := ""
	if why != nil {
		text = why.Error()
	}
	if err := h.finish(ctx, h.id, h.Made, status, text); err != nil {
		return err
	}
	return errEnded
}

// step looks at the next records of the log and delivers those that the maker of the Subscription may see by now, and that it is about.
func (h *hook) step(ctx context.Context) (bool, error) {
	if !h.end.IsZero() && !h.Clock().Before(h.end) {
		return false, h.ends(ctx, "off", nil)
	}
	where, err := h.what.query(h.Catalog)
	if err != nil {
		return false, err // a search parameter that is being indexed, or that went: it is in error after some time
	}
	access, err := h.Access(ctx, h.Grant)
	if err != nil {
		var refusal *auth.Refusal
		if errors.As(err, &refusal) {
			return false, h.ends(ctx, "error", err)
		}
		return false, err
	}
	if err := h.replay(ctx, access, where); err != nil {
		return false, err
	}
	var log []driver.Record
	if err := h.Store.View(ctx, storage.System, func(tx *storage.Tx) error {
		for rec, err := range tx.Log(driver.Log{After: h.Position, Limit: hookBatch, Bare: true}) {
			if err != nil {
				return err
			}
			log = append(log, rec)
		}
		return nil
	}); err != nil || len(log) == 0 {
		return false, err
	}
	var ids driver.IDs
	for _, rec := range log {
		if rec.Type == h.what.typ && !rec.Deleted {
			ids = append(ids, rec.ID)
		}
	}
	found, err := h.find(ctx, access, ids, where)
	if errors.Is(err, storage.ErrForbidden) {
		return false, h.ends(ctx, "error", err)
	}
	if err != nil {
		return false, err
	}
	for _, rec := range log {
		hit, ok := found[rec.ID]
		if ok && rec.Type == h.what.typ && hit.Version == rec.Version {
			if err := h.next(ctx, hit, rec.Position); err != nil {
				return false, err
			}
			continue
		}
		h.Position = rec.Position
		h.unsaved++
	}
	if h.unsaved >= hookSave {
		return true, h.save(ctx, nil)
	}
	return true, nil
}

// find returns those of some resources that the criteria and the access let through, by id, as they are now.
func (h *hook) find(ctx context.Context, access storage.Access, ids driver.IDs, where driver.Query) (map[string]driver.Record, error) {
	found := map[string]driver.Record{}
	if len(ids) == 0 {
		return found, nil
	}
	err := h.Store.View(ctx, access, func(tx *storage.Tx) error {
		for hit, err := range tx.Find(driver.Find{Type: h.what.typ, Where: of(ids, where), Bare: h.payload == ""}) {
			if err != nil {
				return err
			}
			found[hit.ID] = hit.Record
		}
		return nil
	})
	return found, err
}

// next delivers one resource and moves the position behind it. After so many refusals it is a dead letter.
func (h *hook) next(ctx context.Context, rec driver.Record, at driver.Position) error {
	err := h.deliver(ctx, rec)
	a, no := refuses(err)
	if err != nil && !no {
		return err
	}
	if no {
		if h.refused++; h.refused < h.Refusals {
			return err
		}
		h.dead++
	} else {
		h.dead = 0
	}
	h.refused, h.Position = 0, at
	err = h.save(ctx, func(tx *storage.Tx) error {
		if a != nil {
			return h.bury(tx, h.name(), rec.Key, rec.Version, a)
		}
		return unbury(tx, h.name(), rec.Key)
	})
	if err == nil && h.dead >= hookDead {
		return h.ends(ctx, "error", a)
	}
	return err
}

// deliver sends one notification.
func (h *hook) deliver(ctx context.Context, rec driver.Record) error {
	method, to, body := http.MethodPost, h.to, []byte(nil)
	head := h.head.Clone()
	if h.payload != "" {
		method, to, body = http.MethodPut, h.to+"/"+rec.Type+"/"+rec.ID, rec.Body
		head.Set("Content-Type", h.payload)
	}
	return send(ctx, h.hooks, method, to, head, body)
}

// save moves the position. What was written to the Subscription meanwhile ends the feed; another takes its place.
func (h *hook) save(ctx context.Context, more func(*storage.Tx) error) error {
	kept := h.kept
	err := h.Store.Update(context.WithoutCancel(ctx), storage.System, func(tx *storage.Tx) (err error) {
		if more != nil {
			if err := more(tx); err != nil {
				return err
			}
		}
		h.kept, err = standings.Save(tx, h.id, kept, h.standing)
		return err
	})
	if errors.Is(err, driver.ErrConflict) {
		return errEnded
	}
	h.unsaved = 0
	return err
}

// replay sends the dead letters that somebody wants to be sent again, as the resources are now.
func (h *hook) replay(ctx context.Context, access storage.Access, where driver.Query) error {
	letters, err := h.marked(ctx, h.name())
	if err != nil {
		return err
	}
	for _, l := range letters {
		found, err := h.find(ctx, access, driver.IDs{l.ID}, where)
		if err != nil {
			return err
		}
		var a *answer
		if rec, ok := found[l.ID]; ok && l.Type == h.what.typ {
			err := h.deliver(ctx, rec)
			var no bool
			if a, no = refuses(err); err != nil && !no {
				return err
			}
			l.Version = rec.Version
		}
		if err := h.answered(ctx, h.name(), l, a); err != nil {
			return err
		}
	}
	return nil
}
