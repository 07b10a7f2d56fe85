package server_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage"
)

// settled asks for a job until it is no longer under way.
func (f *fixture) settled(place string, headers ...string) *answer {
	f.Helper()
	for range 2000 {
		a := f.do("GET", place, "", headers...)
		if a.status != 202 {
			return a
		}
		a.has("Retry-After", "1")
		time.Sleep(5 * time.Millisecond)
	}
	f.Fatalf("%s is under way for ever", place)
	return nil
}

// place is where the answer of a Bundle will be.
func (a *answer) place() string {
	a.Helper()
	return strings.TrimPrefix(a.is(202).header.Get("Content-Location"), "http://hob.test")
}

func TestAsync(t *testing.T) {
	f := open(t, func(c *server.Config) {
		c.Clock = time.Now // the store forgets by the clock of the machine
		c.Caller = func(r *http.Request) (server.Caller, error) {
			return server.Caller{Access: storage.System, Subject: r.Header.Get("Caller"), Client: r.Header.Get("Client")}, nil
		}
	})
	const later = "Prefer: respond-async, return=representation"
	at := f.do("POST", "/fhir", transaction(post("", patient("", "Ann"))), later, "Caller: ann").place()
	r := f.settled(at, "Caller: ann").response("transaction-response")
	if r.statuses() != "201" || !strings.Contains(string(r.Entry[0].Resource), "Ann") {
		t.Errorf("the answer is %+v", r)
	}
	f.has("family=ann", 1)
	f.do("GET", at, "", "Caller: bob").fails(404, "not-found", "")
	f.do("DELETE", at, "", "Caller: bob").is(404)
	f.do("GET", at, "", "Caller: ann", "Client: another").fails(404, "not-found", "")
	f.do("GET", at, "", "Caller: ann").is(200)
	f.do("DELETE", at, "", "Caller: ann").is(202)
	f.do("GET", at, "", "Caller: ann").fails(404, "not-found", "no longer kept")
	f.do("DELETE", at, "", "Caller: ann").is(404)

	at = f.do("POST", "/fhir", transaction(post("", `{"resourceType":"Patient","gender":"x"}`)), "Prefer: respond-async").place()
	f.settled(at).blames(400, "value", "Bundle.entry[0].resource.gender", "")
	at = f.do("POST", "/fhir", batch(ask("", "", "GET", "Patient/x")), "Prefer: respond-async").place()
	if r := f.settled(at).response("batch-response"); r.statuses() != "404" {
		t.Errorf("the answer is %+v", r)
	}
	f.do("GET", "/fhir/_async/nothing", "").is(404)
	f.do("POST", "/fhir", batch(ask("", "", "GET", strings.TrimPrefix(at, "/fhir/")))).response("batch-response")
}

// TestAsyncCancelled deletes a job while it runs: the transaction is done or not, and the job is gone.
func TestAsyncCancelled(t *testing.T) {
	f := open(t, func(c *server.Config) { c.Limits.Jobs, c.Clock = 1, time.Now })
	at := f.do("POST", "/fhir", circle(1000, nil), "Prefer: respond-async").place()
	second := f.do("POST", "/fhir", circle(1000, nil), "Prefer: respond-async")
	if second.status != 202 && second.status != 429 {
		t.Errorf("a second job is answered by %d %s", second.status, second.body)
	}
	f.do("DELETE", at, "").is(202)
	f.do("GET", at, "").is(404)
	for range 2000 { // until the slot is free again
		if a := f.do("POST", "/fhir", batch(), "Prefer: respond-async"); a.status == 202 {
			f.settled(a.place()).response("batch-response")
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if n := *f.do("GET", "/fhir/Patient?_summary=count", "").is(200).set().Total; n%1000 != 0 {
		t.Errorf("a cancelled transaction left %d of its 1000 resources", n)
	}
}

// TestLater asks for an operation whose work takes long.
func TestLater(t *testing.T) {
	stopped := make(chan struct{})
	f := open(t, func(c *server.Config) {
		c.Clock = time.Now
		c.Operations = []server.Operation{{Name: "slow", Definition: "urn:x:slow", On: server.System, Later: func(_ context.Context, _ storage.Access, r *server.Request) (server.Work, error) {
			if len(r.Body) == 0 {
				return nil, fhirmap.Errorf(fhirmap.CodeRequired, "", "the body is missing")
			}
			what := string(r.Body)
			return func(ctx context.Context) (*server.Response, error) {
				switch {
				case strings.Contains(what, "for ever"):
					<-ctx.Done()
					close(stopped)
					return nil, ctx.Err()
				case strings.Contains(what, "badly"):
					return nil, fhirmap.Errorf(fhirmap.CodeBusinessRule, "", "it went badly")
				case strings.Contains(what, "panic"):
					panic("as asked")
				}
				return &server.Response{Status: 200, Body: r.Body}, nil
			}, nil
		}}}
	})
	ask := func(how string) *answer {
		return f.do("POST", "/fhir/$slow", `{"resourceType":"Parameters","id":"`+how+`"}`)
	}
	f.do("POST", "/fhir/$slow", "").fails(400, "required", "the body is missing")
	if a := f.settled(ask("well").place()).is(200); !strings.Contains(a.body, "well") {
		t.Errorf("the answer is %s", a.body)
	}
	f.settled(ask("badly").place()).fails(422, "business-rule", "it went badly")
	f.settled(ask("panic").place()).is(500)
	at := ask("for ever").place()
	f.do("GET", at, "").is(202)
	f.do("DELETE", at, "").is(202)
	<-stopped
	f.do("GET", at, "").is(404)
}

// TestAsyncRevoked ends the grant of a caller while what he asked for is done in the background: the rest of it is refused.
func TestAsyncRevoked(t *testing.T) {
	var left atomic.Int64 // transactions until the grant is revoked
	f := open(t, func(c *server.Config) {
		c.Clock = time.Now
		c.Caller = func(*http.Request) (server.Caller, error) {
			return server.Caller{Access: storage.System, Subject: "ann", Grant: "of ann"}, nil
		}
		c.Renew = func(_ context.Context, grant any) (storage.Access, error) {
			if grant != "of ann" || left.Add(-1) < 0 {
				return nil, fmt.Errorf("revoked: %w", storage.ErrForbidden)
			}
			return storage.System, nil
		}
		c.Operations = []server.Operation{{Name: "slow", Definition: "urn:x:slow", On: server.System, Later: func(_ context.Context, _ storage.Access, r *server.Request) (server.Work, error) {
			return func(ctx context.Context) (*server.Response, error) {
				_, err := r.Renew(ctx)
				return &server.Response{Status: 200}, err
			}, nil
		}}}
	})
	var entries []string
	for i := range 50 {
		entries = append(entries, put(patient(fmt.Sprint("p", i), "Revoked")))
	}
	left.Store(20)
	at := f.do("POST", "/fhir", batch(entries...), "Prefer: respond-async").place()
	statuses := f.settled(at).response("batch-response").statuses()
	if done, refused := strings.Count(statuses, "201"), strings.Count(statuses, "403"); done != 20 || refused != 30 {
		t.Errorf("%d entries were done and %d refused, want 20 and 30: %s", done, refused, statuses)
	}
	f.has("family=Revoked", 20)

	left.Store(1) // it is revoked between the preparation of a transaction and its commit
	at = f.do("POST", "/fhir", transaction(post("", patient("", "Late"))), "Prefer: respond-async").place()
	f.settled(at).is(403)
	f.has("family=Late", 0)

	left.Store(0)
	f.settled(f.do("POST", "/fhir/$slow", "").place()).is(403)
	f.do("POST", "/fhir", batch(put(patient("waits", "x")))).response("batch-response") // while the client waits, nothing is asked again
	f.do("GET", "/fhir/Patient/waits", "").is(200)
}
