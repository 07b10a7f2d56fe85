package server

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// Audit keeps an AuditEvent of every interaction (R4 auditevent.html): who, what, when, with what outcome. That of a change is written in
// the commit of the change. Those of reads, and of what was refused or went wrong, are written together within a second; when they
// cannot be, requests wait. Audit is on as soon as a Config has one.
//
// No AuditEvent is changed or deleted by REST then, whatever the caller may otherwise do.
type Audit struct {
	store *storage.Store
	mode  Auditing
	key   []byte
	clock func() time.Time
	log   *slog.Logger

	queue   chan event
	closing chan struct{}
	closed  sync.Once
	done    chan struct{}
	strange *rate.Limiter // events of callers who were not let in

	left  prometheus.Counter // events of these that were left out
	since atomic.Int64       // those since the last that was kept, which tells of them
}

// Auditing is which interactions are kept.
type Auditing string

// What may be kept. What was refused for want of a login or of a right is kept by all.
const (
	AuditWrites Auditing = "writes"     // changes, tried or done
	AuditAll    Auditing = "all"        // reads too
	AuditSync   Auditing = "reads=sync" // reads too, and no read is answered before it is kept
)

const (
	auditQueue = 4096                   // events that wait
	auditBatch = 256                    // events of one commit
	auditDelay = 200 * time.Millisecond // that the first of them waits for more
	auditRate  = 20                     // events a second of callers who were not let in; more are counted and left out, else they could fill the store
)

// NewAudit begins to keep events in a store. key makes the digests of what was searched for; see PageKey. Close ends it.
func NewAudit(s *storage.Store, mode Auditing, key []byte, clock func() time.Time, log *slog.Logger) *Audit {
	if clock == nil {
		clock = time.Now
	}
	a := &Audit{
		store: s, mode: mode, key: derived(key, "audit: digests of values"), clock: clock, log: log,
		queue: make(chan event, auditQueue), closing: make(chan struct{}), done: make(chan struct{}), strange: rate.NewLimiter(auditRate, 10*auditRate),
		left: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hob_audit_left_out_total", Help: "Refusals of callers who were not let in, of which no event was kept because there were too many.",
		}),
	}
	go a.keep()
	return a
}

// Close writes what waits. It is called when no request is under way any more, and before the store is closed. It may be called twice.
func (a *Audit) Close(ctx context.Context) error {
	a.closed.Do(func() { close(a.closing) })
	select {
	case <-a.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("events of the audit were not written: %w", ctx.Err())
	}
}

// event is what is known of one interaction.
type event struct {
	at       time.Time
	code     string // as of the CodeSystem restful-interaction
	write    bool
	status   int
	issue    fhirmap.Code // why it was refused
	left     int64        // events like it that were left out before it
	caller   Caller
	address  string
	entities []entity
}

// entity is one thing that an interaction was about.
type entity struct {
	key     driver.Key
	version uint64
	deed    storage.Action
	query   string // of a search or a history, its values digested
	more    int    // stands for so many others
}

// auditEntities is how many things one event lists; of more it says how many there are. A Bundle may be as large as the store takes, and its event
// must not be what makes it too large.
const auditEntities = 2000

// listed leaves those that an event lists.
func listed(all []entity) []entity {
	if len(all) <= auditEntities {
		return all
	}
	return append(all[:auditEntities:auditEntities], entity{more: len(all) - auditEntities})
}

// kept narrows an access so that no AuditEvent is changed.
func (a *Audit) kept(access storage.Access) storage.Access {
	if a == nil || access == nil {
		return access
	}
	return func(action storage.Action, typ string) (driver.Query, error) {
		if typ == "AuditEvent" && (action == storage.Update || action == storage.Delete) {
			return nil, fmt.Errorf("an AuditEvent is never changed or deleted: %w", storage.ErrForbidden)
		}
		return access(action, typ)
	}
}

// note writes the event of a change into the change itself. It is called last in the writer.
func (a *Audit) note(tx *storage.Tx, r *Request, res *Response, entries []*entry) error {
	wrote := tx.Wrote()
	if a == nil || len(wrote) == 0 {
		return nil
	}
	e := a.begin(r)
	e.write, e.status = true, http.StatusOK
	if res != nil {
		e.status = res.Status
	}
	for _, w := range wrote {
		e.entities = append(e.entities, entity{key: w.Key, version: w.Version, deed: w.Action})
	}
	for _, en := range entries {
		if en.rt.prepare == nil {
			e.entities = append(e.entities, a.about(en.req, en.res))
		}
	}
	e.entities = listed(e.entities)
	d, err := a.draft(e)
	if err != nil {
		return err
	}
	if err := tx.Note(d); err != nil {
		return err
	}
	r.noted = true // if the commit fails, so does the request, and tell is asked to say so
	return nil
}

// tell keeps the event of a Request that is answered. The error is what its client is to be told instead.
func (a *Audit) tell(ctx context.Context, r *Request, res *Response, err error) error {
	if a == nil || r.route == nil || r.route.open || r.noted && err == nil {
		return nil
	}
	e := a.begin(r)
	e.write = r.route.prepare != nil || r.route.exchange != nil && r.Method != http.MethodGet
	e.status = http.StatusOK
	if res != nil {
		e.status = res.Status
	}
	if err != nil {
		res = nil // what it would have been
		refused, _ := explain(err)
		e.status = refused.status
		if len(refused.outcome.Issues) > 0 {
			e.issue = refused.outcome.Issues[0].Code
		}
	}
	denied := e.status == http.StatusUnauthorized || e.status == http.StatusForbidden
	switch {
	case a.mode == AuditWrites && !e.write && !denied, e.status == http.StatusTooManyRequests:
		return nil
	case e.caller.Subject == "" && denied:
		if !a.strange.AllowN(a.clock(), 1) {
			a.left.Inc()
			a.since.Add(1)
			return nil
		}
		if e.left = a.since.Swap(0); e.left > 0 {
			a.log.Warn("events of callers who were not let in were left out of the audit", "events", e.left)
		}
	}
	if r.parts == nil {
		e.entities = []entity{a.about(r, res)}
	}
	for _, en := range r.parts {
		if en.req != nil {
			e.entities = append(e.entities, a.about(en.req, nil))
		}
	}
	e.entities = listed(e.entities)
	if a.mode == AuditSync && err == nil && !e.write {
		return a.write(ctx, []event{e})
	}
	select {
	case a.queue <- e:
		return nil
	case <-ctx.Done():
		return fhirmap.Errorf(fhirmap.CodeTransient, "", "the audit of this server cannot be kept at the moment; try again")
	}
}

// begin is what an event is known to be by its Request.
func (a *Audit) begin(r *Request) event {
	e := event{at: a.clock(), code: "operation", caller: r.Caller, address: r.from}
	if r.route != nil && r.route.code != "" {
		e.code = r.route.code
	}
	return e
}

// about is what a Request asks for: a resource, or by what query.
func (a *Audit) about(r *Request, res *Response) entity {
	e := entity{key: r.Key(), deed: storage.Read}
	if r.route != nil && actions[r.route.code] != "" {
		e.deed = actions[r.route.code]
	}
	if res != nil && res.Key.ID != "" && r.ID == "" {
		e.key = res.Key
	}
	if r.ID == "" || len(r.Query) > 0 {
		e.query = a.query(r)
	}
	if res != nil {
		e.version = res.Version
	}
	return e
}

// plainValues are the parameters whose values shape an answer and name nobody.
var plainValues = map[string]bool{
	"_count": true, "_sort": true, "_total": true, "_summary": true, "_elements": true, "_include": true, "_revinclude": true, "_include:iterate": true,
	"_revinclude:iterate": true, "_type": true, "_since": true, "_at": true, "_lastUpdated": true, "_cascade": true, "mode": true, "max": true,
}

// query tells what was asked by the names of its parameters. Of their values, which may name people, there are digests: who knows a value
// and has the key of the store can tell whether it was searched for.
func (a *Audit) query(r *Request) string {
	var b strings.Builder
	b.WriteString(r.Type)
	if r.ID != "" {
		b.WriteString("/" + r.ID)
	}
	if r.route != nil && strings.Contains(r.route.path, "/_history") {
		b.WriteString("/_history")
	} else if r.route != nil {
		if i := strings.LastIndex(r.route.path, "/$"); i >= 0 {
			b.WriteString(r.route.path[i:])
		}
	}
	for i, p := range r.Query {
		if i == 20 {
			b.WriteString("&...")
			break
		}
		b.WriteByte("?&"[min(i, 1)])
		name := p.Name
		if !plain(name, "-_:.$") {
			name = "?"
		}
		b.WriteString(name + "=")
		if plainValues[name] && len(p.Value) < 200 {
			b.WriteString(queryEscape(p.Value))
			continue
		}
		h := hmac.New(sha256.New, a.key)
		h.Write([]byte(name + "=" + p.Value))
		b.WriteString("~" + base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:9]))
	}
	return b.String()
}

// draft makes an AuditEvent ready to be written.
func (a *Audit) draft(e event) (storage.Draft, error) {
	res, err := fhirmap.Trusted(e.resource())
	if err != nil {
		return storage.Draft{}, err
	}
	id, err := a.store.NewID()
	if err != nil {
		return storage.Draft{}, err
	}
	return a.store.Prepare(id, res)
}

// write puts events into the store, together.
func (a *Audit) write(ctx context.Context, events []event) error {
	drafts := make([]storage.Draft, len(events))
	return again(func() error {
		for i, e := range events {
			var err error
			if drafts[i], err = a.draft(e); err != nil {
				return err
			}
		}
		return a.store.Update(ctx, storage.System, func(tx *storage.Tx) error {
			for _, d := range drafts {
				if err := tx.Note(d); err != nil {
					return err
				}
			}
			return nil
		})
	}, "the audit")
}

// keep writes what waits in the queue, until Close.
func (a *Audit) keep() {
	defer close(a.done)
	for {
		var events []event
		select {
		case e := <-a.queue:
			events = append(events, e)
		case <-a.closing:
			if events = a.more(nil, nil); len(events) == 0 {
				return
			}
		}
		wait := time.NewTimer(auditDelay)
		events = a.more(events, wait.C)
		wait.Stop()
		a.insist(events)
	}
}

// more takes events out of the queue, until there are enough, or until nothing comes before the time is up; nil: what is there.
func (a *Audit) more(events []event, until <-chan time.Time) []event {
	for len(events) < auditBatch {
		select {
		case e := <-a.queue:
			events = append(events, e)
			continue
		default:
		}
		if until == nil {
			break
		}
		select {
		case e := <-a.queue:
			events = append(events, e)
		case <-until:
			until = nil
		case <-a.closing:
			until = nil
		}
	}
	return events
}

// insist writes events however often it takes. After Close it tries a few times more.
func (a *Audit) insist(events []event) {
	for n, pause := 0, 100*time.Millisecond; ; n++ {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		err := a.write(ctx, events)
		cancel()
		if err == nil {
			return
		}
		if errors.Is(err, driver.ErrTooLarge) && len(events) > 1 {
			a.insist(events[:len(events)/2])
			events = events[len(events)/2:]
			continue
		}
		a.log.Error("the audit cannot be written", "events", len(events), "tries", n+1, "error", err)
		select {
		case <-a.closing:
			if n >= 3 {
				a.log.Error("events of the audit are lost", "events", len(events))
				return
			}
			time.Sleep(pause)
		case <-time.After(pause):
			pause = min(2*pause, 5*time.Second)
		}
	}
}
