package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
)

// loading of a set.
type benchLoad struct {
	By        string  `json:"by"` // transaction, rest or none
	Resources int     `json:"resources"`
	Seconds   float64 `json:"seconds"`
	Rate      float64 `json:"resourcesPerSecond"`
	CPU       float64 `json:"cpuMillisPerPatient"` // of the server
	Own       float64 `json:"ownCPUMillisPerPatient"`
	Anon      int64   `json:"rssAnonBytes"` // when all was there
}

// load brings the set in, one patient after another for each client. Anything refused ends it: what follows would measure nothing.
func (r *benching) load(ctx context.Context) error {
	transactions, err := r.claimsTransactions(ctx)
	if err != nil {
		return err
	}
	by := r.Load
	if by == "auto" {
		if by = "rest"; transactions {
			by = "transaction"
		}
	}
	one := map[string]func(context.Context, int) error{"transaction": r.loadTransaction, "rest": r.loadREST}[by]
	if one == nil {
		r.report.Load = benchLoad{By: by}
		r.steps.skip(r.data.patients)
		return nil
	}
	before, err := r.server.read()
	if err != nil {
		return err
	}
	begun, mine := time.Now(), own()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next, done atomic.Int64
	var wg sync.WaitGroup
	for range slices.Max(r.Clients) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= r.data.patients || ctx.Err() != nil {
					return
				}
				if err := one(ctx, i); err != nil {
					cancel(fmt.Errorf("loading patient %d by %s: %w", i, by, err))
					return
				}
				r.steps.loaded(int(done.Add(1)), r.data.patients)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	after, err := r.server.read()
	if err != nil {
		return err
	}
	took, n := time.Since(begun).Seconds(), float64(r.data.patients)
	r.report.Load = benchLoad{by, r.data.resources(), took, float64(r.data.resources()) / took,
		millis(after.cpu-before.cpu) / n, millis(own()-mine) / n, after.anon}
	return nil
}

func (r *benching) loadTransaction(ctx context.Context, i int) error {
	ids := []string{r.data.id('p', i, 0), r.data.id('e', i, 0)}
	for j := range r.data.each {
		ids = append(ids, r.data.id('b', i, j))
	}
	typ := func(n int) string { return [...]string{"Patient", "Encounter", "Observation"}[min(n, 2)] }
	return r.ask(ctx, ask{method: http.MethodPost, body: r.data.transaction(nil, i), check: func(a *reply) error {
		_, err := a.responses(typ, len(ids), ids)
		return err
	}}, false)
}

func (r *benching) loadREST(ctx context.Context, i int) error {
	for _, p := range r.data.puts(i) {
		err := r.ask(ctx, ask{method: http.MethodPut, path: "/" + p.typ + "/" + p.id, body: p.body, check: func(a *reply) error {
			if a.status == http.StatusOK {
				return nil
			}
			return a.is(http.StatusCreated)
		}}, false)
		if err != nil {
			return err
		}
	}
	return nil
}

// claims reports whether a CapabilityStatement claims an interaction of the whole system.
func claims(body []byte, code string) (bool, error) {
	var s struct {
		Type string `json:"resourceType"`
		Rest []struct {
			Interaction []struct {
				Code string `json:"code"`
			} `json:"interaction"`
		} `json:"rest"`
	}
	if err := json.Unmarshal(body, &s); err != nil || s.Type != "CapabilityStatement" {
		return false, fmt.Errorf("/metadata answers no CapabilityStatement; --url must be a FHIR base, as http://127.0.0.1:8080/fhir (%v)", err)
	}
	for _, rest := range s.Rest {
		for _, i := range rest.Interaction {
			if i.Code == code {
				return true, nil
			}
		}
	}
	return false, nil
}
