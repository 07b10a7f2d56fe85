package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// Indexing keeps a Catalog what the stored SearchParameters say, and the stored resources indexed by it.
//
//	SearchParameter written ──▶ log ──▶ taken up: next edition of the catalog, ──▶ round: every resource ──▶ ready: searches
//	                                    every new write has its rows               of its types indexed      are answered
//
// What was taken up stands in a private record, and so does how far the round under way is: whoever opens the store next goes on there. A
// round indexes for all parameters that wait when it begins; those that come later wait for the next. It begins when the change of the
// catalog is behind a committed Update, so that a resource is either seen by it or was written with the new rows (storage.ErrStale).
//
// One that goes, or changes, is unknown, or being indexed, from then on; a round takes its rows away.
type Indexing struct {
	store   *storage.Store
	catalog *search.Catalog
	IndexingOptions

	mu        sync.Mutex // what is below changes under it
	reg       registry
	version   uint64 // of the registry's record
	defs      map[string]search.Custom
	standings []search.Standing // of reg.Taken
	changed   time.Time         // when something came that a round is needed for
	torn      bool              // the catalog is ahead of the registry, which could not be kept

	walk walked // how far the round is; only Run and Finish use it
	kept uint64 // version of its record
	pace pace
	poke chan struct{}
}

// IndexingOptions say how. The zero value is that of a server beside other work.
type IndexingOptions struct {
	Rules string        // the version of the rules by which resources become rows: a store indexed by others is indexed anew
	Batch int           // resources that one transaction indexes; 0: 200
	Share float64       // of the time that a round may work, the rest is left to others; 0: a half
	Quiet time.Duration // how long nothing more must have come before a round begins; 0: 200 ms; negative: not at all
	Log   *slog.Logger  // nil: nothing is logged
	Clock func() time.Time
}

// registry is what is kept of the parameters.
type registry struct {
	Rules string          // by which the whole store is indexed
	Log   driver.Position // of the last SearchParameter that was looked at
	Taken []taken         // the active SearchParameters, in the order in which they came
	Stale []string        // types that have rows of parameters that are gone or have changed
	Last  int             // number of the last round
	Round *round          // under way
}

// taken is a SearchParameter that was taken up.
type taken struct {
	ID      string
	Version uint64
	Digest  string   // of its definition
	Indexed string   // the mark by which all resources are indexed
	Failed  string   // why it is given up
	Types   []string // that may have rows of it
}

// round is one walk over the resources of some types.
type round struct {
	Number int
	Types  []string          // in the order of the walk
	Marks  map[string]string // what is indexed when it is done, by SearchParameter
	Rules  string            // not "": it makes all rows anew
	Total  int               // resources there were when it began
	Begun  time.Time
}

// walked is how far a round is, and how it went.
type walked struct {
	Round  int
	Type   int           // of round.Types
	After  driver.Cursor // the last resource of the type that is done
	Done   int
	Errors int
	Why    []string // the first few of them
}

var (
	registries = storage.Private[registry]{Type: "_index"}
	walks      = storage.Private[walked]{Type: "_walk"}
)

// one is the id of the only record of a private type.
const one = "1"

// OpenIndexing takes up what the store says, before anything else uses the catalog. Then Run must run.
func OpenIndexing(ctx context.Context, s *storage.Store, c *search.Catalog, o IndexingOptions) (*Indexing, error) {
	fill(&o.Batch, 200)
	fill(&o.Share, 0.5)
	fill(&o.Quiet, 200*time.Millisecond)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	x := &Indexing{store: s, catalog: c, IndexingOptions: o, poke: make(chan struct{}, 1)}
	if err := x.load(ctx); err != nil {
		return nil, fmt.Errorf("search parameters of the store: %w", err)
	}
	s.Watch("SearchParameter", func(ctx context.Context) {
		// What was written is done, whatever becomes of its author.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if err := x.catchUp(ctx); err != nil {
			x.Log.Warn("a search parameter is taken up later", "error", err) // by Run
		}
	})
	return x, nil
}

// load reads the registry and makes the catalog after it.
func (x *Indexing) load(ctx context.Context) error {
	x.mu.Lock()
	err := x.read(ctx)
	x.mu.Unlock()
	if err != nil {
		return err
	}
	return x.catchUp(ctx)
}

func (x *Indexing) read(ctx context.Context) error {
	var empty bool
	err := x.store.View(ctx, storage.System, func(tx *storage.Tx) (err error) {
		if x.reg, x.version, err = registries.Load(tx, one); errors.Is(err, driver.ErrNotFound) {
			x.reg, x.version, empty, err = registry{}, 0, true, nil
			for _, err := range tx.Log(driver.Log{Limit: 1, Bare: true}) {
				if err != nil {
					return err
				}
				empty = false
			}
		}
		if err != nil {
			return err
		}
		x.defs = map[string]search.Custom{}
		for _, t := range x.reg.Taken {
			rec, err := tx.Version(driver.Key{Type: "SearchParameter", ID: t.ID}, t.Version)
			if errors.Is(err, driver.ErrNotFound) || err == nil && rec.Deleted {
				continue // erased: the log tells of it
			}
			if err != nil {
				return err
			}
			r, err := fhirmap.Trusted(rec.Body)
			if err != nil {
				return fmt.Errorf("%s: %w", rec.Key, err)
			}
			x.defs[t.ID], _ = search.Definition(t.ID, r)
		}
		return nil
	})
	if err != nil {
		return err
	}
	reg := x.reg.clone()
	switch {
	case empty:
		reg.Rules = x.Rules
	case reg.Rules != x.Rules && (reg.Round == nil || reg.Round.Rules != x.Rules):
		x.Log.Info("the store was indexed by other rules, and is indexed anew", "by", reg.Rules, "now", x.Rules)
		reg.Round = nil
		for i := range reg.Taken {
			reg.Taken[i].Indexed, reg.Taken[i].Failed = "", ""
		}
	}
	return x.adopt(ctx, reg, x.defs, nil)
}

func (r registry) clone() registry {
	r.Taken, r.Stale = slices.Clone(r.Taken), slices.Clone(r.Stale)
	if r.Round != nil {
		own := *r.Round
		own.Marks = maps.Clone(own.Marks)
		r.Round = &own
	}
	return r
}

// catchUp takes up the SearchParameters that were written since. When it returns nil the catalog knows of all that were committed before.
func (x *Indexing) catchUp(ctx context.Context) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.torn {
		if err := x.read(ctx); err != nil {
			return err
		}
	}
	reg, defs := x.reg.clone(), maps.Clone(x.defs)
	err := x.store.View(ctx, storage.System, func(tx *storage.Tx) error {
		for rec, err := range tx.Log(driver.Log{Type: "SearchParameter", After: reg.Log}) {
			if err != nil {
				return err
			}
			reg.Log = rec.Position
			if err := x.takeUp(&reg, defs, rec); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || reg.Log == x.reg.Log {
		return err
	}
	return x.adopt(ctx, reg, defs, nil)
}

// takeUp does to the registry what one version of a SearchParameter says. Each is looked at, in its turn, so that a crash between the change of
// the catalog and its record cannot hide that rows were written by a definition in between.
func (x *Indexing) takeUp(reg *registry, defs map[string]search.Custom, rec driver.Record) error {
	var def search.Custom
	var digest string
	if !rec.Deleted {
		r, err := fhirmap.Trusted(rec.Body)
		if err != nil {
			return fmt.Errorf("%s version %d: %w", rec.Key, rec.Version, err)
		}
		var status string
		if def, status = search.Definition(rec.ID, r); status == "active" && !x.catalog.Published(def.URL) {
			text, err := json.Marshal(def.SearchParameter)
			if err != nil {
				return err
			}
			sum := sha256.Sum256(text)
			digest = hex.EncodeToString(sum[:12])
		}
	}
	i := slices.IndexFunc(reg.Taken, func(t taken) bool { return t.ID == rec.ID })
	if i >= 0 && reg.Taken[i].Digest == digest {
		reg.Taken[i].Version = rec.Version
		return nil
	}
	if i >= 0 {
		reg.outdate(reg.Taken[i].Types)
		reg.Taken = slices.Delete(reg.Taken, i, i+1)
		reg.drop(rec.ID)
		delete(defs, rec.ID)
	}
	if digest != "" { // one that has changed is as new: whoever has its new code already keeps it
		reg.Taken = append(reg.Taken, taken{ID: rec.ID, Version: rec.Version, Digest: digest})
		defs[rec.ID] = def
	}
	return nil
}

// outdate notes that types have rows that nobody writes any more.
func (r *registry) outdate(types []string) {
	r.Stale = append(r.Stale, types...)
	slices.Sort(r.Stale)
	r.Stale = slices.Compact(r.Stale)
}

// drop takes a parameter out of the round: what it has indexed so far was by another definition.
func (r *registry) drop(id string) {
	if r.Round != nil {
		delete(r.Round.Marks, id)
	}
}

// adopt makes the next edition of the catalog and keeps the registry. The Update that does so is the barrier between the resources that were
// prepared by the edition before, and a round that begins afterwards. also, if it is not nil, keeps something else in it.
func (x *Indexing) adopt(ctx context.Context, reg registry, defs map[string]search.Custom, also func(*storage.Tx) error) error {
	x.torn = true
	standings := x.replace(&reg, defs)
	for i := range reg.Taken {
		t, s := &reg.Taken[i], standings[i]
		var types []string
		for _, u := range s.Uses {
			if u.As == search.Own {
				types = append(types, u.Type)
			}
		}
		reg.outdate(slices.DeleteFunc(slices.Clone(t.Types), func(typ string) bool { return slices.Contains(types, typ) }))
		t.Types = types
		if t.Indexed != s.Mark {
			t.Indexed = ""
		}
		if reg.Round != nil && reg.Round.Marks[t.ID] != s.Mark {
			reg.drop(t.ID)
		}
	}
	if reg.Rules != x.Rules {
		x.catalog.Rebuild(x.sentence)
	} else {
		x.catalog.Rebuild(nil)
	}
	version := x.version
	if err := x.store.Update(ctx, storage.System, func(tx *storage.Tx) (err error) {
		if version, err = registries.Save(tx, one, x.version, reg); err == nil && also != nil {
			err = also(tx)
		}
		return err
	}); err != nil {
		return err
	}
	x.reg, x.version, x.defs, x.standings, x.changed, x.torn = reg, version, defs, standings, time.Now(), false
	x.wake()
	return nil
}

// replace gives the catalog what the registry says.
func (x *Indexing) replace(reg *registry, defs map[string]search.Custom) []search.Standing {
	customs := make([]search.Custom, len(reg.Taken))
	for i, t := range reg.Taken {
		customs[i] = defs[t.ID]
		c := &customs[i]
		c.ID, c.Indexed, c.Failed = t.ID, t.Indexed, t.Failed
		c.Progress = func() string { return x.sentence() + "; SearchParameter/" + t.ID + "/$status tells more" }
	}
	return x.catalog.Replace(customs)
}

func (x *Indexing) wake() {
	select {
	case x.poke <- struct{}{}:
	default:
	}
}

// sentence tells how far the round is. It is asked by searches, and must not wait for who changes the registry.
func (x *Indexing) sentence() string {
	done, total, under := x.pace.told()
	switch {
	case !under:
		return "it begins in a moment"
	case done >= total:
		return "100 % done"
	}
	return fmt.Sprintf("%d %% done", done*100/total)
}

// standing tells how a parameter stands, in one word and a sentence.
func standing(t taken, s search.Standing) (status, why string) {
	refused, some := 0, false
	var reasons []string
	for _, u := range s.Uses {
		some = true
		if u.As == search.Refused || u.As == search.Waiting {
			refused++
			if !slices.Contains(reasons, u.Why) {
				reasons = append(reasons, u.Why)
			}
		}
	}
	why = strings.Join(reasons, "; ")
	switch {
	case t.Failed != "":
		return "failed", t.Failed
	case some && refused == len(s.Uses) && slices.ContainsFunc(s.Uses, func(u search.Use) bool { return u.As == search.Waiting }):
		return "waiting", why
	case refused == len(s.Uses):
		return "refused", why
	case !s.Ready:
		return "indexing", why
	}
	return "ready", why
}
