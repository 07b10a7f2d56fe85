package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// wish is a $reindex that somebody asked for.
type wish struct {
	Types  []string  // none: all
	Asked  time.Time // when it came
	Round  int       // that grants it; 0: none yet
	Done   time.Time // zero: not yet
	Walked walked    // what came of it
	Total  int
}

var wishes = storage.Private[wish]{Type: "_reindex", Expires: func(w wish) time.Time {
	if w.Done.IsZero() {
		return time.Time{}
	}
	return w.Done.Add(keepResult)
}}

// most faults are told one by one.
const mostFaults = 10

// Progress is how far a round is.
type Progress struct {
	Done, Total, Errors int
	Rate                float64 // resources a second, since this process works at it
	Trouble             string  // why it does not go on at the moment
}

// pace is what is told of the round under way, to whoever asks while it goes on.
type pace struct {
	mu    sync.Mutex
	under bool
	Progress
	first int // resources that were done when this process began to work at it
	begun time.Time
}

func (p *pace) told() (done, total int, under bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.Done, p.Total, p.under
}

func (p *pace) progress() (Progress, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if took := time.Since(p.begun).Seconds(); took > 0 {
		p.Rate = float64(p.Done-p.first) / took
	}
	return p.Progress, p.under
}

// at notes how far the round is; a nil round: there is none.
func (p *pace) at(r *round, w walked) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r == nil {
		p.under = false
		return
	}
	if !p.under {
		p.under, p.first, p.begun = true, w.Done, time.Now()
	}
	p.Progress = Progress{Done: w.Done, Total: max(r.Total, w.Done), Errors: w.Errors}
}

func (p *pace) trouble(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Trouble = ""
	if err != nil {
		refused, _ := explain(err)
		p.Trouble = refused.outcome.Issues[0].Diagnostics
	}
}

// Run takes up what comes and indexes for it, until the context ends.
func (x *Indexing) Run(ctx context.Context) {
	said := ""
	for ctx.Err() == nil {
		begun := time.Now()
		busy, err := x.turn(ctx)
		if ctx.Err() != nil {
			return
		}
		x.pace.trouble(err)
		rest := time.Duration(float64(time.Since(begun)) * (1 - x.Share) / x.Share)
		switch {
		case err != nil:
			if err.Error() != said {
				said = err.Error()
				x.Log.Error("indexing", "error", err)
			}
			rest = time.Second
		case !busy:
			rest = time.Second // somebody else may write to the same database
			if time.Since(x.since()) < x.Quiet {
				rest = x.Quiet
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(rest):
		case <-x.idle(busy || err != nil):
		}
	}
}

// idle is what wakes a Run that has nothing to do.
func (x *Indexing) idle(not bool) <-chan struct{} {
	if not {
		return nil
	}
	return x.poke
}

func (x *Indexing) since() time.Time {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.changed
}

// Finish indexes until nothing waits any more, and tells how far it is after each step.
func (x *Indexing) Finish(ctx context.Context, tell func(Progress)) error {
	for {
		busy, err := x.turn(ctx)
		if err != nil {
			return err
		}
		p, _ := x.pace.progress()
		tell(p)
		if busy {
			continue
		}
		if wait := x.Quiet - time.Since(x.since()); wait > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(wait):
			}
			continue
		}
		return ctx.Err()
	}
}

// Ask notes that the resources of some types, of all if none is named, are to be indexed anew.
func (x *Indexing) Ask(ctx context.Context, types []string) error {
	id, err := x.store.NewID()
	if err != nil {
		return err
	}
	return x.store.Update(ctx, storage.System, func(tx *storage.Tx) error {
		_, err := wishes.Save(tx, id, 0, wish{Types: types, Asked: x.Clock()})
		return err
	})
}

// turn does one step of what there is to do, and reports whether there was something.
func (x *Indexing) turn(ctx context.Context) (busy bool, err error) {
	if err := x.catchUp(ctx); err != nil {
		return false, err
	}
	x.mu.Lock()
	r := x.reg.Round
	x.mu.Unlock()
	if r == nil {
		return x.begin(ctx)
	}
	if x.walk.Round != r.Number {
		if err := x.resume(ctx, r); err != nil {
			return false, err
		}
	}
	x.pace.at(r, x.walk)
	if x.walk.Type == len(r.Types) {
		return true, x.end(ctx, r)
	}
	return true, x.step(ctx, r)
}

// resume finds out how far a round is.
func (x *Indexing) resume(ctx context.Context, r *round) error {
	err := x.store.View(ctx, storage.System, func(tx *storage.Tx) (err error) {
		if x.walk, x.kept, err = walks.Load(tx, one); errors.Is(err, driver.ErrNotFound) {
			err = nil
		}
		return err
	})
	if err == nil && x.walk.Round != r.Number {
		x.walk = walked{Round: r.Number}
	}
	return err
}

// begin begins a round if something waits for one.
func (x *Indexing) begin(ctx context.Context) (bool, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	asked := map[string]storage.Saved[wish]{}
	total := map[string]int{}
	kept := x.version
	if err := x.store.View(ctx, storage.System, func(tx *storage.Tx) error {
		for saved, err := range wishes.Find(tx, nil) {
			if err != nil {
				return err
			}
			if saved.Value.Round == 0 {
				asked[saved.ID] = saved
			}
		}
		for _, typ := range fhirmap.ResourceTypes() {
			n, err := tx.Count(driver.Find{Type: typ})
			if err != nil {
				return err
			}
			total[typ] = n
		}
		var err error
		if _, kept, err = registries.Load(tx, one); errors.Is(err, driver.ErrNotFound) {
			kept, err = 0, nil
		}
		return err
	}); err != nil {
		return false, err
	}
	if kept != x.version { // another process keeps it too
		return true, x.read(ctx)
	}
	reg := x.reg.clone()
	r := &round{Number: reg.Last + 1, Types: reg.Stale, Marks: map[string]string{}, Begun: x.Clock()}
	if reg.Rules != x.Rules {
		r.Rules = x.Rules
		r.Types = fhirmap.ResourceTypes()
	}
	for _, w := range asked {
		r.Types = append(r.Types, w.Value.Types...)
		if len(w.Value.Types) == 0 {
			r.Types = append(r.Types, fhirmap.ResourceTypes()...)
		}
	}
	if len(asked) > 0 && slices.ContainsFunc(reg.Taken, func(t taken) bool { return t.Failed != "" }) {
		for i := range reg.Taken { // who failed may try again
			reg.Taken[i].Failed = ""
		}
		return true, x.adopt(ctx, reg, x.defs, nil)
	}
	for i, t := range reg.Taken {
		if s := x.standings[i]; s.Mark != "" && t.Indexed != s.Mark {
			r.Marks[t.ID] = s.Mark
			r.Types = append(r.Types, t.Types...)
		}
	}
	if len(r.Types) == 0 || len(asked) == 0 && time.Since(x.changed) < x.Quiet {
		return false, nil
	}
	slices.Sort(r.Types)
	r.Types = slices.Compact(r.Types)
	for _, typ := range r.Types {
		r.Total += total[typ]
	}
	reg.Last, reg.Round, reg.Stale = r.Number, r, nil
	x.Log.Info("indexing begins", "round", r.Number, "parameters", len(r.Marks), "types", len(r.Types), "resources", r.Total)
	return true, x.adopt(ctx, reg, x.defs, func(tx *storage.Tx) error {
		for id, w := range asked {
			w.Value.Round, w.Value.Total = r.Number, r.Total
			if _, err := wishes.Save(tx, id, w.Version, w.Value); err != nil {
				return err
			}
		}
		return nil
	})
}

// largest is how many bytes of bodies are indexed by one transaction, about.
const largest = 4 << 20

// step indexes the next resources of the round. What changes meanwhile is written with rows of its own and passed by.
func (x *Indexing) step(ctx context.Context, r *round) error {
	typ := r.Types[x.walk.Type]
	next := x.walk
	var hits []driver.Hit
	size := 0
	if err := x.store.View(ctx, storage.System, func(tx *storage.Tx) error {
		for hit, err := range tx.Find(driver.Find{Type: typ, After: next.After, Limit: x.Batch}) {
			if err != nil {
				return err
			}
			hits = append(hits, hit)
			if size += len(hit.Body); size > largest {
				break
			}
		}
		return nil
	}); err != nil {
		return err
	}
	if len(hits) == 0 {
		x.walk.Type++
		x.walk.After = ""
		return nil
	}
	for n := len(hits); ; n /= 2 {
		next, err := x.index(ctx, hits[:n], next)
		switch {
		case errors.Is(err, storage.ErrStale):
			return nil // the catalog has changed: once more, with what it says now
		case errors.Is(err, driver.ErrTooLarge) && n > 1:
			continue
		case errors.Is(err, driver.ErrConflict): // another process walks too
			x.walk = walked{}
			return err
		case err != nil:
			return err
		}
		x.walk = next
		x.pace.at(r, x.walk)
		return nil
	}
}

// index makes the rows of resources anew, and returns how far the walk is behind them.
func (x *Indexing) index(ctx context.Context, hits []driver.Hit, w walked) (walked, error) {
	drafts, errs := make([]storage.Draft, len(hits)), make([]error, len(hits))
	each(len(hits), max(1, procs()/2), func(i int) { drafts[i], errs[i] = x.store.Stored(hits[i].Record) })
	for i, err := range errs {
		if err == nil {
			continue
		}
		fault := fmt.Sprintf("%s: %v", hits[i].Key, err)
		if failed, err := x.fail(ctx, hits[i].Record, fault); failed || err != nil {
			return w, errors.Join(err, storage.ErrStale)
		}
		if w.Errors++; len(w.Why) < mostFaults {
			w.Why = append(slices.Clone(w.Why), fault)
		}
	}
	w.Done += len(hits)
	w.After = hits[len(hits)-1].Cursor
	version := x.kept
	alone := func(tx *storage.Tx) error {
		for i, d := range drafts {
			if errs[i] != nil {
				continue
			}
			err := tx.Index(d, hits[i].Version)
			switch {
			case errors.Is(err, storage.ErrStale):
				return err
			case errors.Is(err, driver.ErrConflict), errors.Is(err, driver.ErrNotFound): // written or deleted meanwhile
			case err != nil:
				return err
			}
		}
		var err error
		version, err = walks.Save(tx, one, x.kept, w)
		return err
	}
	err := x.store.Update(ctx, storage.System, alone)
	if errors.Is(err, driver.ErrTooLarge) && len(hits) == 1 {
		fault := fmt.Sprintf("%s: %v", hits[0].Key, err)
		if failed, err := x.fail(ctx, hits[0].Record, fault); failed || err != nil {
			return w, errors.Join(err, storage.ErrStale)
		}
		w.Errors++
		if len(w.Why) < mostFaults {
			w.Why = append(slices.Clone(w.Why), fault)
		}
		drafts = nil
		err = x.store.Update(ctx, storage.System, alone)
	}
	if err == nil {
		x.kept = version
	}
	return w, err
}

// fail gives up the parameters by which a stored resource cannot be indexed: searches by them would be without it. It reports whether there
// are such.
func (x *Indexing) fail(ctx context.Context, rec driver.Record, why string) (bool, error) {
	res, err := fhirmap.Trusted(rec.Body)
	if err != nil {
		return false, fmt.Errorf("%s version %d: %w", rec.Key, rec.Version, err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	blamed := x.catalog.Blame(rec.ID, res)
	if blamed == nil { // it is the transaction that does not take the rows of all
		for i, t := range x.reg.Taken {
			if !x.standings[i].Ready && slices.Contains(t.Types, rec.Type) {
				blamed = append(blamed, t.ID)
			}
		}
	}
	if len(blamed) == 0 {
		return false, nil
	}
	reg := x.reg.clone()
	for i := range reg.Taken {
		if t := &reg.Taken[i]; slices.Contains(blamed, t.ID) {
			x.Log.Warn("a search parameter is given up", "parameter", t.ID, "reason", why)
			t.Failed = why
			reg.drop(t.ID)
		}
	}
	return true, x.adopt(ctx, reg, x.defs, nil)
}

// end closes a round: what it was for is ready. Reads that began before its last commit have ended by then, so none is told that a parameter
// is ready and reads a snapshot in which it is not.
func (x *Indexing) end(ctx context.Context, r *round) error {
	if err := x.store.Settle(ctx); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.torn || x.reg.Round == nil || x.reg.Round.Number != r.Number {
		return nil // first catch up
	}
	reg := x.reg.clone()
	for i := range reg.Taken {
		if mark, ok := reg.Round.Marks[reg.Taken[i].ID]; ok {
			reg.Taken[i].Indexed = mark
		}
	}
	if r.Rules != "" {
		reg.Rules = r.Rules
	}
	reg.Round = nil
	done := x.walk
	done.After = ""
	err := x.adopt(ctx, reg, x.defs, func(tx *storage.Tx) error {
		for saved, err := range wishes.Find(tx, nil) {
			if err != nil {
				return err
			}
			if w := saved.Value; w.Round == r.Number && w.Done.IsZero() {
				w.Done, w.Walked = x.Clock(), done
				if _, err := wishes.Save(tx, saved.ID, saved.Version, w); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	x.pace.at(nil, done)
	x.Log.Info("indexing is done", "round", r.Number, "resources", done.Done, "errors", done.Errors, "took", x.Clock().Sub(r.Begun).Round(time.Millisecond))
	return nil
}

// found is how one SearchParameter stands.
type found struct {
	taken
	search.Standing
	url, code string
}

// Faults tells what kept resources from being indexed in the last round, the first few, and which search parameters were given up.
func (x *Indexing) Faults() []string {
	out := slices.Clone(x.walk.Why)
	for _, f := range x.all() {
		if state, why := standing(f.taken, f.Standing); state == "failed" {
			out = append(out, "SearchParameter/"+f.ID+" is given up: "+why)
		}
	}
	return out
}

// all lists how the SearchParameters stand that were taken up.
func (x *Indexing) all() []found {
	x.mu.Lock()
	defer x.mu.Unlock()
	out := make([]found, len(x.reg.Taken))
	for i, t := range x.reg.Taken {
		out[i] = found{t, x.standings[i], x.defs[t.ID].URL, x.defs[t.ID].Code}
	}
	return out
}
