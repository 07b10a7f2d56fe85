package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// oneIn is how many writes there are for one that is read back at once. The reading costs the server too, so that it must be rare; it
// is not counted among the requests.
const oneIn = 64

// callers are the clients of a run; what they ask follows from the seed of the set and the run.
func (r *benching) callers(w workload, clients, run int) []*caller {
	out := make([]*caller, clients)
	for i := range out {
		seed := rand.NewPCG(r.data.seed, uint64(w.id[1])<<48|uint64(clients)<<32|uint64(run+1)<<16|uint64(i))
		out[i] = &caller{dataset: r.data, Rand: rand.New(seed), number: i, of: clients}
	}
	return out
}

// ask sends one request and checks the answer; with again also what must be seen of it afterwards.
func (r *benching) ask(ctx context.Context, a ask, again bool) error {
	answer, err := r.send(ctx, a)
	if err != nil {
		return fmt.Errorf("%s %s: %w", a.method, a.path, err)
	}
	if err := a.check(answer); err != nil {
		return fmt.Errorf("%s: %w", answer.asked, err)
	}
	if again {
		return r.readBack(ctx, a)
	}
	return nil
}

func (r *benching) readBack(ctx context.Context, a ask) error {
	if a.again == nil {
		return nil
	}
	for _, next := range a.again() {
		if err := r.ask(ctx, next, false); err != nil {
			return fmt.Errorf("after %s %s: %w", a.method, a.path, err)
		}
	}
	return nil
}

// drive makes one run: each caller sends a request, awaits and checks the answer, and sends the next. A context that ends, or
// processes that do, are an error; wrong answers are counted.
func (r *benching) drive(ctx context.Context, w workload, callers []*caller) (benchRun, error) {
	before, err := r.server.read()
	if err != nil {
		return benchRun{}, err
	}
	begun, mine := time.Now(), own()
	until := begun.Add(r.Duration)
	var left atomic.Int64
	left.Store(int64(r.Requests))
	tallies := make([]loop, len(callers))
	var wg sync.WaitGroup
	for i, c := range callers {
		l := &tallies[i]
		wg.Go(func() {
			for ctx.Err() == nil && (r.Requests > 0 && left.Add(-1) >= 0 || r.Requests == 0 && time.Now().Before(until)) {
				r.turn(ctx, w, c, l)
			}
		})
	}
	over := make(chan struct{})
	var peak int64
	var watching sync.WaitGroup
	watching.Go(func() { peak = r.watch(over) })
	wg.Wait()
	took := time.Since(begun)
	close(over)
	watching.Wait()
	if ctx.Err() != nil {
		return benchRun{}, ctx.Err()
	}
	after, err := r.server.read()
	if err != nil {
		return benchRun{}, err
	}
	all := loop{}
	for _, l := range tallies {
		all.add(l)
	}
	return all.run(took, after.cpu-before.cpu, own()-mine, max(peak, after.anon)), nil
}

// watch reads the memory of the server now and then, and gives the most.
func (r *benching) watch(over <-chan struct{}) (most int64) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-over:
			return most
		case <-tick.C:
			if u, err := r.server.read(); err == nil {
				most = max(most, u.anon)
			}
		}
	}
}

// loop is what one caller counts.
type loop struct {
	took   []time.Duration // of each right answer
	sent   int
	again  int // writes that were read back
	bytes  int64
	errors int
	faults []string
}

// turn is one time around.
func (r *benching) turn(ctx context.Context, w workload, c *caller, l *loop) {
	a := w.next(c)
	begun := time.Now()
	answer, err := r.send(ctx, a)
	took := time.Since(begun)
	if err == nil {
		l.bytes += int64(len(answer.body))
		err = a.check(answer)
	}
	if ctx.Err() != nil {
		return
	}
	l.sent++
	if err != nil {
		l.fault(fmt.Errorf("%s %s: %w", a.method, a.path, err))
		return
	}
	l.took = append(l.took, took)
	if a.again != nil && l.sent%oneIn == 1 {
		l.again++
		if err := r.readBack(ctx, a); err != nil && ctx.Err() == nil {
			l.fault(err)
		}
	}
}

// faultsKept is how many errors are told in full.
const faultsKept = 3

func (l *loop) fault(err error) {
	l.errors++
	if len(l.faults) < faultsKept {
		l.faults = append(l.faults, strings.ToValidUTF8(err.Error(), "?"))
	}
}

func (l *loop) add(other loop) {
	l.took = append(l.took, other.took...)
	l.sent += other.sent
	l.again += other.again
	l.bytes += other.bytes
	l.errors += other.errors
	l.faults = append(l.faults, other.faults[:min(len(other.faults), faultsKept-min(faultsKept, len(l.faults)))]...)
}

// run sums up. Percentiles are of the exact times, nearest rank.
func (l *loop) run(took, server, own time.Duration, anon int64) benchRun {
	slices.Sort(l.took)
	at := func(p float64) float64 {
		if len(l.took) == 0 {
			return 0
		}
		return millis(l.took[min(int(p*float64(len(l.took))), len(l.took)-1)])
	}
	n := float64(max(l.sent, 1))
	return benchRun{
		Requests: l.sent, Errors: l.errors, ReadBack: l.again, Seconds: took.Seconds(), Rate: float64(l.sent) / took.Seconds(),
		CPU: millis(server) / n, Own: millis(own) / n, P50: at(.5), P90: at(.9), P99: at(.99), Max: at(1),
		Bytes: float64(l.bytes) / n, Anon: anon, Faults: l.faults,
	}
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
