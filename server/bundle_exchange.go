package server

import (
	"context"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hob-fhir/hob/storage"
)

// bundles processes batches and transactions (R4 http.html, batch/transaction).
type bundles struct {
	*Config
	remove Preparation // of one resource
	patch  Preparation
	routes []route // of the whole server: an entry may ask for whatever a request may
}

// exchange takes a Bundle and gives another, with the answer to each entry in its place.
func (b *bundles) exchange(ctx context.Context, a storage.Access, r *Request) (*Response, error) {
	if err := r.known(); err != nil {
		return nil, err
	}
	kind, entries, err := openBundle(r, b.Limits)
	if err != nil {
		return nil, err
	}
	if kind == "batch" {
		r.noted = true // by each of its entries
		return b.batch(ctx, a, r, entries)
	}
	return b.transaction(ctx, r, entries)
}

// batchWidth is how many entries of one batch are under way at once: writes wait for the disk most of the time, and those that wait
// together are committed together.
const batchWidth = 16

// batch performs each entry by itself: one that goes wrong leaves the others alone, and their order does not matter.
func (b *bundles) batch(ctx context.Context, a storage.Access, r *Request, entries []*entry) (*Response, error) {
	bodies := make([][]byte, len(entries))
	each(len(entries), batchWidth, func(i int) {
		e := entries[i]
		err := b.alone(ctx, a, r, e)
		if err == nil {
			bodies[i] = e.answer(r.Base)
			return
		}
		refused, unknown := explain(e.fault(err))
		if unknown {
			b.Log.Error("entry of a batch", "entry", i, "error", err)
		}
		bodies[i] = refused.entry()
	})
	return b.bundle("batch-response", bodies), nil
}

// alone performs an entry as if it had come by itself. A panic is an error of that entry.
func (b *bundles) alone(ctx context.Context, a storage.Access, r *Request, e *entry) (err error) {
	defer func() {
		if p := recover(); p != nil {
			b.Log.Error("panic", "route", "batch", "panic", panicked(p), "stack", string(debug.Stack()))
			err = ownFault()
		}
	}()
	if err := e.route(b.routes, r); err != nil {
		return err
	}
	if err := e.parse(); err != nil {
		return err
	}
	if e.rt.open {
		a = storage.System
	} else if r.renew != nil {
		a, err = r.Renew(ctx)
		e.req.Caller.Access = a
	}
	if err == nil {
		e.res, err = e.rt.perform(ctx, b.Store, a, e.req)
	}
	if lost := b.Audit.tell(ctx, e.req, e.res, err); lost != nil {
		err = lost
	}
	return err
}

// bundle joins the answers.
func (b *bundles) bundle(kind string, bodies [][]byte) *Response {
	size := 0
	for _, body := range bodies {
		size += len(body) + 3
	}
	out := newBundle(kind, b.Clock(), -1, nil, size)
	for _, body := range bodies {
		out.entry()
		out.buf = append(out.buf, body...)
	}
	return &Response{Status: http.StatusOK, Body: out.bytes()}
}

// answer writes what was done for an entry as the members of one of a response Bundle.
func (e *entry) answer(base string) []byte {
	res := e.res
	b := &bundle{buf: make([]byte, 0, len(res.Body)+300)}
	outcome := e.rt.prepare != nil && e.rt.code != "" && preferred(e.req.Header, "return") == "OperationOutcome"
	if len(res.Body) > 0 && !outcome && !e.head {
		if res.Key.ID != "" {
			b.raw(`"fullUrl":`)
			b.text(base + "/" + res.Key.String())
			b.raw(`,`)
		}
		b.raw(`"resource":`)
		b.buf = append(b.buf, res.Body...)
		b.raw(`,`)
	}
	b.status(res.Status)
	if res.Location != "" {
		b.raw(`,"location":`)
		b.text(strings.TrimPrefix(res.Location, base+"/"))
	}
	tag := res.Tag
	if res.Version > 0 {
		tag = etag(res.Version)
	}
	if tag != "" {
		b.raw(`,"etag":`)
		b.text(tag)
	}
	if !res.Modified.IsZero() {
		b.raw(`,"lastModified":"`)
		b.buf = res.Modified.UTC().AppendFormat(b.buf, instant)
		b.raw(`"`)
	}
	if outcome && len(res.Body) > 0 {
		b.raw(`,"outcome":`)
		b.buf = append(b.buf, res.Body...)
	}
	b.raw(`}`)
	return b.buf
}

// entry writes a refusal as the members of an entry of a response Bundle.
func (r *refusal) entry() []byte {
	b := &bundle{}
	b.status(r.status)
	b.raw(`,"outcome":`)
	b.buf = append(b.buf, r.outcome.JSON()...)
	b.raw(`}`)
	return b.buf
}

// status begins the response of an entry.
func (b *bundle) status(status int) {
	b.raw(`"response":{"status":"`)
	b.raw(strings.TrimSpace(strconv.Itoa(status) + " " + http.StatusText(status)))
	b.raw(`"`)
}

// each calls fn for 0 to n-1 from at most width goroutines, and returns when all calls have. A panic of one becomes the caller's.
func each(n, width int, fn func(i int)) {
	var (
		next     atomic.Int64
		wait     sync.WaitGroup
		once     sync.Once
		panicked any
	)
	for range min(n, width) {
		wait.Add(1)
		go func() {
			defer wait.Done()
			defer func() {
				if p := recover(); p != nil {
					once.Do(func() { panicked = p })
				}
			}()
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				fn(i)
			}
		}()
	}
	wait.Wait()
	if panicked != nil {
		panic(panicked)
	}
}

// procs is how many goroutines do what only costs time on a processor.
func procs() int { return runtime.GOMAXPROCS(0) }
