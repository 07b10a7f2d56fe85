package subscribe

import (
	"context"
	"errors"
	"time"

	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// Letter is a dead one: what a receiver refused for good. There is one at most for each resource and feed; it goes when a newer version is
// taken, or when it is sent again and taken then.
type Letter struct {
	Feed    string // Subscription/1 or forward/reports
	Type    string // of the resource
	ID      string
	Version uint64
	Status  int // of the answer
	Why     string
	At      time.Time
	Again   bool // it is to be sent again
}

var letters = storage.Private[Letter]{Type: "_dead", Rows: func(l Letter) []driver.Row {
	rows := []driver.Row{{Field: "feed", Value: driver.Point([]byte(l.Feed))}}
	if l.Again {
		rows = append(rows, driver.Row{Field: "again", Value: driver.Point([]byte(l.Feed))})
	}
	return rows
}}

func letterID(feed string, k driver.Key) string { return feed + "|" + k.String() }

// bury keeps a dead letter.
func (o *Outbox) bury(tx *storage.Tx, feed string, k driver.Key, version uint64, a *answer) error {
	id := letterID(feed, k)
	_, kept, err := letters.Load(tx, id)
	if err != nil && !errors.Is(err, driver.ErrNotFound) {
		return err
	}
	o.Log.Warn("a receiver refuses a resource; it is a dead letter", "feed", feed, "resource", k.String(), "status", a.status)
	_, err = letters.Save(tx, id, kept, Letter{Feed: feed, Type: k.Type, ID: k.ID, Version: version, Status: a.status, Why: a.Error(), At: o.Clock().UTC()})
	return err
}

// unbury forgets the letter of a resource that was taken.
func unbury(tx *storage.Tx, feed string, k driver.Key) error {
	err := letters.Remove(tx, letterID(feed, k))
	if errors.Is(err, driver.ErrNotFound) {
		return nil
	}
	return err
}

// marked lists the letters of a feed that are to be sent again.
func (o *Outbox) marked(ctx context.Context, feed string) (out []Letter, err error) {
	where := driver.Lookup{Field: "again", Op: driver.EQUAL, Values: []driver.Value{driver.Point([]byte(feed))}}
	err = o.Store.View(ctx, storage.System, func(tx *storage.Tx) error {
		for s, err := range letters.Find(tx, where) {
			if err != nil {
				return err
			}
			if out = append(out, s.Value); len(out) == 1000 {
				return nil
			}
		}
		return nil
	})
	return out, err
}

// answered settles a letter that was sent again: a is why it was refused once more, nil if it was not.
func (o *Outbox) answered(ctx context.Context, feed string, l Letter, a *answer) error {
	k := driver.Key{Type: l.Type, ID: l.ID}
	return o.Store.Update(context.WithoutCancel(ctx), storage.System, func(tx *storage.Tx) error {
		if a != nil {
			return o.bury(tx, feed, k, l.Version, a)
		}
		return unbury(tx, feed, k)
	})
}
