// Package subscribe tells others what changes: it reads the log, which is the outbox, and delivers.
//
//	log ─▶ feed of a Subscription ─▶ rest-hook: PUT endpoint/Type/id, or an empty POST     (hook.go)
//	    └▶ feed of a Destination ──▶ another FHIR server: a transaction Bundle of PUTs and DELETEs     (forward.go)
//
// An Outbox runs one feed for each active Subscription (R4 subscription.html) and for each Destination of the configuration. A feed keeps its
// position in a private record and moves it only when the receiver has taken what it was sent, so every change arrives at least once, also
// after a crash. What is sent is the state of the resource now: a version that was replaced before its turn came is not sent, so the order of
// the versions of one resource is kept whatever is sent again. A feed reads a bounded part of the log at a time and waits for nobody but its
// own receiver.
//
// A receiver that cannot be reached, or has trouble, is tried again at growing distances. What a receiver refuses for good becomes a Letter
// in the list of dead letters, and the feed goes on. An AllowList says where a Subscription may send to; it is asked about the address of
// every connection.
package subscribe

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/hob-fhir/hob/auth"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
)

// Config is what an Outbox is made of. Store, Catalog and Access are required.
type Config struct {
	Store   *storage.Store
	Catalog *search.Catalog

	// Access makes anew what the maker of a Subscription may see; nil is the Grant of one who was not asked who he is. An error ends the
	// Subscription and is what it says.
	Access func(context.Context, *auth.Grant) (storage.Access, error)

	Allow        AllowList     // where Subscriptions may send to
	Destinations []Destination // what is forwarded, and where
	Source       string        // the FHIR base by which a forwarded resource is told where it comes from (meta.source); "": it is not

	Patience time.Duration // how long the receiver of a Subscription may fail before its status becomes error; 0: 24 h
	Pause    time.Duration // after the first failure; doubled after each; 0: 500 ms
	MaxPause time.Duration // 0: 5 min
	Timeout  time.Duration // of one delivery; 0: 30 s
	Refusals int           // how often something is sent that a receiver refuses, before it is a dead letter; 0: 3
	Most     int           // Subscriptions that may be active at once; 0: 1000

	Clock func() time.Time // nil: time.Now
	Log   *slog.Logger     // nil: nothing is logged
}

// Outbox delivers what changes. Run does it; Witness must be told of every change.
type Outbox struct {
	Config
	hooks *http.Client // of all Subscriptions

	running  map[string]*running // Subscriptions, by id; of supervise alone
	forwards []*forward
}

// running is a feed of a Subscription that goes on.
type running struct {
	made uint64 // the version of the Subscription that its maker wrote last
	stop func()
}

// New makes an Outbox that does nothing until Run. The error names a Destination that cannot be.
func New(c Config) (*Outbox, error) {
	c.Patience = cmp.Or(c.Patience, 24*time.Hour)
	c.Pause = cmp.Or(c.Pause, 500*time.Millisecond)
	c.MaxPause = cmp.Or(c.MaxPause, 5*time.Minute)
	c.Timeout = cmp.Or(c.Timeout, 30*time.Second)
	c.Refusals = cmp.Or(c.Refusals, 3)
	c.Most = cmp.Or(c.Most, 1000)
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	o := &Outbox{Config: c, hooks: c.Allow.client(c.Timeout), running: map[string]*running{}}
	names := map[string]bool{}
	for _, d := range c.Destinations {
		f, err := newForward(o, d)
		if err != nil {
			return nil, err
		}
		if names[d.Name] {
			return nil, errors.New("destination " + d.Name + " is there twice; each needs a name of its own")
		}
		names[d.Name] = true
		o.forwards = append(o.forwards, f)
	}
	return o, nil
}

// Run delivers until the context ends, and returns when no delivery is under way any more.
func (o *Outbox) Run(ctx context.Context) {
	var feeds sync.WaitGroup
	for _, f := range o.forwards {
		feeds.Go(func() { o.drive(ctx, f.name(), f.Interval, f.step, nil) })
	}
	o.supervise(ctx, &feeds)
	feeds.Wait()
}

// errEnded says that a feed has nothing to do any more.
var errEnded = errors.New("the feed has ended")

// drive takes steps until the context ends or a step is errEnded. A step tells whether it found something to do. After one that failed the
// next comes later and later; lost is told how long it has been so, and ends the feed with true. With an interval the log is looked at once
// in each, else whenever it has grown.
func (o *Outbox) drive(ctx context.Context, name string, interval time.Duration, step func(context.Context) (bool, error), lost func(time.Duration, error) bool) {
	var failing time.Time
	fails := 0
	for ctx.Err() == nil {
		grown := o.Store.Grown()
		busy, err := step(ctx)
		var rest time.Duration
		switch {
		case ctx.Err() != nil || errors.Is(err, errEnded):
			return
		case err != nil:
			if fails == 0 {
				failing = o.Clock()
				o.Log.Warn("a delivery failed and is tried again", "feed", name, "error", err)
			}
			if lost != nil && lost(o.Clock().Sub(failing), err) {
				return
			}
			rest, grown = o.pause(fails, err), nil
			fails++
		case busy:
			if fails > 0 {
				o.Log.Info("deliveries go on", "feed", name, "failed", fails, "for", o.Clock().Sub(failing).Round(time.Millisecond))
			}
			fails = 0
			continue
		case interval > 0:
			fails, rest, grown = 0, interval, nil
		default:
			fails, rest = 0, poll
		}
		wait := time.NewTimer(rest)
		select {
		case <-ctx.Done():
		case <-grown:
		case <-wait.C:
		}
		wait.Stop()
	}
}

// poll is how often a feed looks when nothing was written through this Store: another process may write to the same database.
const poll = time.Second

// pause is how long to wait after so many failures: up to twice as long after each, at random, so that many feeds do not come back at once,
// or what the receiver asked for.
func (o *Outbox) pause(fails int, err error) time.Duration {
	d := o.MaxPause
	if fails < 20 {
		d = min(o.Pause<<fails, o.MaxPause)
	}
	var a *answer
	if errors.As(err, &a) && a.after > 0 {
		return min(a.after, o.MaxPause)
	}
	return d/2 + rand.N(d/2+1)
}
