package server

import (
	"context"
	"errors"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// job is a Bundle that is processed while its client does something else (Prefer: respond-async), or an operation whose work takes long
// (Operation.Later): what is kept of it, under an id that cannot be guessed.
type job struct {
	Subject string    // who asked; nobody else is told of it
	Client  string    // by which he asked: another that acts for him may have been allowed less
	Lease   time.Time // it is under way as long as this lies ahead
	Until   time.Time // when its result is forgotten
	Status  int       // of the answer; 0: there is none yet
	Body    []byte
}

var jobs = storage.Private[job]{Type: "_async", Expires: func(j job) time.Time { return j.Until }}

const (
	lease      = 30 * time.Second // renewed at a third of it
	keepResult = 24 * time.Hour
)

// async runs jobs.
type async struct {
	*bundles
	slots chan struct{} // one for each job that may run at once

	mu      sync.Mutex
	cancels map[string]context.CancelFunc // of those that run here
}

func newAsync(b *bundles) *async {
	return &async{bundles: b, slots: make(chan struct{}, b.Limits.Jobs), cancels: map[string]context.CancelFunc{}}
}

// exchange answers a Bundle at once, or with the place where its answer will be.
func (x *async) exchange(ctx context.Context, a storage.Access, r *Request) (*Response, error) {
	if !prefers(r.Header, "respond-async") {
		return x.bundles.exchange(ctx, a, r)
	}
	mine := *r
	mine.renew = x.Renew
	mine.Header = r.Header.Clone()
	mine.Header.Del("Prefer")
	for _, p := range []string{"return", "handling"} {
		if v := preferred(r.Header, p); v != "" {
			mine.Header.Add("Prefer", p+"="+v)
		}
	}
	return x.begin(ctx, &mine, func(ctx context.Context) (*Response, error) { return x.bundles.exchange(ctx, a, &mine) })
}

// later makes an exchange of an operation's Later.
func (x *async) later(op func(context.Context, storage.Access, *Request) (Work, error)) func(context.Context, storage.Access, *Request) (*Response, error) {
	return func(ctx context.Context, a storage.Access, r *Request) (*Response, error) {
		r.renew = x.Renew
		work, err := op(ctx, a, r)
		if err != nil {
			return nil, err
		}
		mine := *r
		return x.begin(ctx, &mine, work)
	}
}

// begin sets work going and answers where its answer will be.
func (x *async) begin(ctx context.Context, r *Request, work Work) (*Response, error) {
	select {
	case x.slots <- struct{}{}:
	default:
		return nil, fhirmap.Errorf(fhirmap.CodeThrottled, "", "%d requests are processed in the background, which are all that may; try again", cap(x.slots))
	}
	id, err := x.start(ctx, r, work)
	if err != nil {
		<-x.slots
		return nil, err
	}
	return &Response{Status: http.StatusAccepted, Location: r.Base + "/_async/" + id}, nil
}

// start notes a job and sets it going.
func (x *async) start(ctx context.Context, r *Request, work Work) (string, error) {
	id, err := x.Store.NewID()
	if err != nil {
		return "", err
	}
	now := x.Clock()
	j := job{Subject: r.Caller.Subject, Client: r.Caller.Client, Lease: now.Add(lease), Until: now.Add(keepResult)}
	var version uint64
	save := func(ctx context.Context) error {
		return x.Store.Update(ctx, storage.System, func(tx *storage.Tx) (err error) {
			version, err = jobs.Save(tx, id, version, j)
			return err
		})
	}
	if err := save(ctx); err != nil {
		return "", err
	}
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), x.Limits.Background)
	x.mu.Lock()
	x.cancels[id] = cancel
	x.mu.Unlock()
	go func() {
		defer func() {
			cancel()
			x.mu.Lock()
			delete(x.cancels, id)
			x.mu.Unlock()
			<-x.slots
		}()
		done := make(chan *Response, 1)
		go func() { done <- x.process(own, r, work) }()
		renew := time.NewTicker(lease / 3)
		defer renew.Stop()
		stop := x.Done
		for {
			select {
			case res := <-done:
				j.Status, j.Body, j.Until = res.Status, res.Body, x.Clock().Add(keepResult)
				x.keep(context.WithoutCancel(own), &j, save)
				return
			case <-renew.C:
				j.Lease = x.Clock().Add(lease)
				if err := save(own); errors.Is(err, driver.ErrConflict) { // deleted, by whatever server was asked
					cancel()
				}
			case <-stop:
				stop = nil
				cancel()
			}
		}
	}()
	return id, nil
}

// keep saves the answer of a job, unless the job was deleted.
func (x *async) keep(ctx context.Context, j *job, save func(context.Context) error) {
	err := save(ctx)
	if errors.Is(err, driver.ErrTooLarge) {
		refused, _ := explain(fhirmap.Errorf(fhirmap.CodeTooLong, "", "the request was processed, but its answer of %d bytes is too long to be kept", len(j.Body)))
		j.Status, j.Body = refused.status, refused.outcome.JSON()
		err = save(ctx)
	}
	if err != nil && !errors.Is(err, driver.ErrConflict) {
		x.Log.Error("the answer of a background request is lost", "error", err)
	}
}

// process answers a request, whatever happens.
func (x *async) process(ctx context.Context, r *Request, work Work) (res *Response) {
	defer func() {
		if p := recover(); p != nil {
			x.Log.Error("panic", "route", "_async", "panic", panicked(p), "stack", string(debug.Stack()))
			res = &Response{Status: http.StatusInternalServerError, Body: ownFault().outcome.JSON()}
		}
	}()
	res, err := work(ctx)
	x.Audit.tell(ctx, r, res, err) // nobody waits for the answer, so none can be held back
	if err == nil {
		return res
	}
	refused, unknown := explain(err)
	if unknown {
		x.Log.Error("background request", "error", err)
	}
	return &Response{Status: refused.status, Body: refused.outcome.JSON()}
}

// load reads a job of the one who asks.
func (x *async) load(tx *storage.Tx, r *Request) (job, error) {
	j, _, err := jobs.Load(tx, r.ID)
	if err == nil && (j.Subject != r.Caller.Subject || j.Client != r.Caller.Client) {
		err = driver.ErrNotFound
	}
	if errors.Is(err, driver.ErrNotFound) {
		err = refuse(http.StatusNotFound, fhirmap.CodeNotFound, "no request is processed under %s, or its answer is no longer kept", clip(r.ID))
	}
	return j, err
}

// status tells how a job stands: 202, or what its client would have been answered.
func (x *async) status(ctx context.Context, _ storage.Access, r *Request) (*Response, error) {
	var j job
	err := x.Store.View(ctx, storage.System, func(tx *storage.Tx) (err error) {
		j, err = x.load(tx, r)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case j.Status != 0:
		return &Response{Status: j.Status, Body: j.Body}, nil
	case j.Lease.Before(x.Clock()):
		return nil, refuse(http.StatusInternalServerError, fhirmap.CodeException,
			"the server stopped while it processed the request; of a transaction all was done or nothing: look before you send it again")
	}
	return &Response{Status: http.StatusAccepted, Header: [][2]string{{"Retry-After", "1"}, {"X-Progress", "under way"}}}, nil
}

// cancel forgets a job, and stops it if it runs. What a batch has done by then is done; a transaction is done or not.
func (x *async) cancel(ctx context.Context, _ storage.Access, r *Request) (*Response, error) {
	err := x.Store.Update(ctx, storage.System, func(tx *storage.Tx) error {
		if _, err := x.load(tx, r); err != nil {
			return err
		}
		return jobs.Remove(tx, r.ID)
	})
	if err != nil {
		return nil, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if stop := x.cancels[r.ID]; stop != nil {
		stop()
	}
	return &Response{Status: http.StatusAccepted}, nil
}
