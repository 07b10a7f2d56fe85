package subscribe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/hob-fhir/hob/auth"
	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// standing is what is kept of a Subscription beside it, under its id.
type standing struct {
	Grant    *auth.Grant     `json:",omitempty"` // of who wrote it last; nil: he was not asked who he is
	Made     uint64          // the version that he wrote
	Position driver.Position // everything up to here was delivered; "": begin behind the version that he wrote
}

var standings = storage.Private[standing]{Type: "_subscription"}

const subscriptionType = "Subscription"

// Witness notes who makes a Subscription, in the change that makes it. It is the Witness of a server.Config.
func (o *Outbox) Witness(tx *storage.Tx, caller server.Caller) error {
	for _, w := range tx.Wrote() {
		if w.Key.Type != subscriptionType {
			continue
		}
		if w.Action == storage.Delete {
			if err := standings.Remove(tx, w.Key.ID); err != nil && !errors.Is(err, driver.ErrNotFound) {
				return err
			}
			continue
		}
		s, version, err := standings.Load(tx, w.Key.ID)
		if err != nil && !errors.Is(err, driver.ErrNotFound) {
			return err
		}
		s.Made, s.Grant = w.Version, nil
		if g, ok := caller.Grant.(auth.Grant); ok {
			s.Grant = &g
		}
		if _, err := standings.Save(tx, w.Key.ID, version, s); err != nil {
			return err
		}
	}
	return nil
}

// subscription is what a Subscription asks for.
type subscription struct {
	status   string
	criteria string
	end      time.Time // zero: never
	channel  string
	endpoint string
	payload  string
	header   []string
}

func subscriptionOf(r *fhirmap.Resource) subscription {
	root := r.Root()
	ch := root.First("channel")
	s := subscription{
		status: root.String("status"), criteria: root.String("criteria"),
		channel: ch.String("type"), endpoint: ch.String("endpoint"), payload: ch.String("payload"),
	}
	s.end, _ = time.Parse(time.RFC3339, root.String("end"))
	for h := range ch.Each("header") {
		s.header = append(s.header, h.Text)
	}
	return s
}

// payloads are those that there are; none is an empty notification.
var payloads = []string{"", "application/fhir+json", "application/json"}

// ownHeaders are not the subscriber's to say.
var ownHeaders = []string{"Host", "Content-Length", "Content-Type", "Transfer-Encoding", "Connection", "Trailer", "Te", "Upgrade", "Keep-Alive", "Proxy-Authorization"}

// headers reads Subscription.channel.header. The error never holds a value: it may be a password.
func (s subscription) headers() (http.Header, error) {
	h := http.Header{}
	for i, line := range s.header {
		name, value, ok := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		if !ok || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return nil, fmt.Errorf("channel.header[%d] is no header as Authorization: Bearer abc", i)
		}
		if slices.Contains(ownHeaders, http.CanonicalHeaderKey(name)) {
			return nil, fmt.Errorf("channel.header[%d] is %s, which the server says itself", i, http.CanonicalHeaderKey(name))
		}
		h.Add(name, value)
	}
	return h, nil
}

// supervise starts and stops the feeds of Subscriptions as these come, change and go.
func (o *Outbox) supervise(ctx context.Context, feeds *sync.WaitGroup) {
	defer func() {
		for id := range o.running {
			o.stop(id)
		}
	}()
	var after driver.Position
	begun := false
	o.drive(ctx, "Subscriptions", 0, func(ctx context.Context) (bool, error) {
		var ids []string
		next := after
		err := o.Store.View(ctx, storage.System, func(tx *storage.Tx) error {
			if !begun {
				for rec, err := range tx.Log(driver.Log{Reverse: true, Limit: 1, Bare: true}) {
					if err != nil {
						return err
					}
					next = rec.Position
				}
				for hit, err := range tx.Find(driver.Find{Type: subscriptionType, Bare: true}) {
					if err != nil {
						return err
					}
					ids = append(ids, hit.ID)
				}
				return nil
			}
			for rec, err := range tx.Log(driver.Log{After: after, Limit: 1000, Bare: true}) {
				if err != nil {
					return err
				}
				if next = rec.Position; rec.Type == subscriptionType && !slices.Contains(ids, rec.ID) {
					ids = append(ids, rec.ID)
				}
			}
			return nil
		})
		if err != nil {
			return false, err
		}
		for _, id := range ids {
			if err := o.consider(ctx, feeds, id); err != nil {
				return false, err
			}
		}
		busy := next != after
		after, begun = next, true
		return busy, nil
	}, nil)
}

func (o *Outbox) stop(id string) {
	if r := o.running[id]; r != nil {
		r.stop()
		delete(o.running, id)
	}
}

// consider brings the feed of a Subscription into line with it.
func (o *Outbox) consider(ctx context.Context, feeds *sync.WaitGroup, id string) error {
	k := driver.Key{Type: subscriptionType, ID: id}
	var rec driver.Record
	var st standing
	var kept uint64
	err := o.Store.View(ctx, storage.System, func(tx *storage.Tx) (err error) {
		if rec, err = tx.Get(k); errors.Is(err, driver.ErrNotFound) {
			rec, err = driver.Record{Key: k, Deleted: true}, nil
		}
		if err != nil {
			return err
		}
		if st, kept, err = standings.Load(tx, id); errors.Is(err, driver.ErrNotFound) {
			st, err = standing{Made: rec.Version}, nil // it came by another way than REST
		}
		if err == nil && st.Position == "" && !rec.Deleted {
			var made driver.Record
			if made, err = tx.Version(k, st.Made); err == nil {
				st.Position = made.Position
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	if rec.Deleted {
		o.stop(id)
		return o.forget(ctx, id)
	}
	r, err := fhirmap.Trusted(rec.Body)
	if err != nil {
		return err
	}
	sub := subscriptionOf(r)
	switch sub.status {
	case "off":
		o.stop(id) // what happens until it is asked for again is not told
		return o.forget(ctx, id)
	case "error":
		o.stop(id)
		return nil
	}
	if now := o.running[id]; now != nil && now.made == st.Made {
		return nil
	}
	o.stop(id)
	h, why := o.open(ctx, id, sub, st)
	if len(o.running) >= o.Most {
		h, why = nil, fmt.Errorf("%d Subscriptions are active, which are all that may be", o.Most)
	}
	if errors.Is(why, errOver) {
		return o.mark(ctx, rec, "off", "")
	}
	var refusal *auth.Refusal
	if why != nil && (h == nil || errors.As(why, &refusal) || errors.Is(why, storage.ErrForbidden)) {
		return o.mark(ctx, rec, "error", why.Error())
	} // else its feed will ask again
	err = o.Store.Update(ctx, storage.System, func(tx *storage.Tx) (err error) {
		h.kept, err = standings.Save(tx, id, kept, st)
		return err
	})
	if errors.Is(err, driver.ErrConflict) {
		return nil // it is written at this moment, and the log will tell
	}
	if err != nil {
		return err
	}
	if sub.status == "requested" {
		if err := o.mark(ctx, rec, "active", ""); err != nil {
			return err
		}
	}
	own, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	o.running[id] = &running{made: st.Made, stop: func() {
		cancel()
		<-ended
	}}
	feeds.Go(func() {
		defer close(ended)
		defer cancel()
		o.drive(own, h.name(), 0, h.step, h.lost)
	})
	return nil
}

// forget drops what is kept of a Subscription that is over.
func (o *Outbox) forget(ctx context.Context, id string) error {
	return o.Store.Update(ctx, storage.System, func(tx *storage.Tx) error {
		s, version, err := standings.Load(tx, id)
		switch {
		case errors.Is(err, driver.ErrNotFound):
			return nil
		case err != nil:
			return err
		}
		if _, err := tx.Head(driver.Key{Type: subscriptionType, ID: id}); errors.Is(err, driver.ErrNotFound) {
			return standings.Remove(tx, id)
		}
		if s.Position == "" {
			return nil
		}
		s.Position = ""
		_, err = standings.Save(tx, id, version, s)
		return err
	})
}

// errOver says that the end of a Subscription has come.
var errOver = errors.New("its end has come")

// open makes the feed of a Subscription, or says why there can be none. A feed with an error is one that can only not be had now.
func (o *Outbox) open(ctx context.Context, id string, sub subscription, st standing) (*hook, error) {
	h := &hook{Outbox: o, id: id, subscription: sub, standing: st}
	if !sub.end.IsZero() && !o.Clock().Before(sub.end) {
		return nil, errOver
	}
	if sub.channel != "rest-hook" {
		return nil, fmt.Errorf("channel.type is %s; rest-hook is what there is", clip(sub.channel))
	}
	if !slices.Contains(payloads, sub.payload) {
		return nil, fmt.Errorf("channel.payload is %s; application/fhir+json is what there is, or none for an empty notification", clip(sub.payload))
	}
	u, err := o.Allow.check(sub.endpoint)
	if err != nil {
		return nil, fmt.Errorf("channel.endpoint: %w", err)
	}
	h.to = strings.TrimRight(u.String(), "/")
	if h.head, err = sub.headers(); err != nil {
		return nil, err
	}
	if h.what, err = parseCriterion(sub.criteria); err != nil {
		return nil, err
	}
	if _, err := h.what.query(o.Catalog); err != nil {
		return nil, fmt.Errorf("criteria: %w", err)
	}
	access, err := o.Access(ctx, st.Grant)
	if err == nil {
		_, err = access(storage.Search, h.what.typ)
	}
	return h, err
}

// mark writes a status into a Subscription, on top of the version that was looked at. If that is not the current one any more, its writer has
// asked for something new.
func (o *Outbox) mark(ctx context.Context, rec driver.Record, status, why string) error {
	r, err := fhirmap.Trusted(rec.Body)
	if err != nil {
		return err
	}
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value string `json:"value,omitempty"`
	}
	ops := []operation{{"replace", "/status", status}}
	switch {
	case why != "":
		ops = append(ops, operation{"add", "/error", clip(why)})
	case r.Root().First("error") != nil:
		ops = append(ops, operation{"remove", "/error", ""})
	}
	patch, err := json.Marshal(ops)
	if err != nil {
		return err
	}
	if r, err = fhirmap.JSONPatch(r, patch, fhirmap.Limits{}); err != nil {
		return err
	}
	for {
		d, err := o.Store.Prepare(rec.ID, r)
		if err != nil {
			return err
		}
		err = o.Store.Update(ctx, storage.System, func(tx *storage.Tx) error {
			_, err := tx.Put(d, rec.Version)
			return err
		})
		switch {
		case errors.Is(err, storage.ErrStale):
			continue
		case errors.Is(err, driver.ErrConflict):
			return nil
		case err == nil && status == "error":
			o.Log.Warn("a Subscription is given up", "subscription", rec.ID, "reason", why)
		case err == nil:
			o.Log.Info("a Subscription", "subscription", rec.ID, "status", status)
		}
		return err
	}
}

// finish writes the last status of a feed into its Subscription, unless that was changed meanwhile.
func (o *Outbox) finish(ctx context.Context, id string, made uint64, status, why string) error {
	var rec driver.Record
	err := o.Store.View(ctx, storage.System, func(tx *storage.Tx) error {
		s, _, err := standings.Load(tx, id)
		if err != nil || s.Made != made {
			return err
		}
		rec, err = tx.Get(driver.Key{Type: subscriptionType, ID: id})
		return err
	})
	if errors.Is(err, driver.ErrNotFound) || err == nil && (rec.Version == 0 || rec.Deleted) {
		return nil
	}
	if err != nil {
		return err
	}
	return o.mark(ctx, rec, status, why)
}
