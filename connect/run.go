package connect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// Importer runs sources into a store. Store, Catalog and Sources are required; it must not be copied once it is used.
type Importer struct {
	Store   *storage.Store
	Catalog *search.Catalog
	Sources Sources

	Log       *slog.Logger                               // nil: nothing is logged
	Clock     func() time.Time                           // nil: time.Now
	Random    func() float64                             // in [0, 1), for jitter; nil: math/rand
	Wait      func(context.Context, time.Duration) error // until that long has passed; nil: by the clock of the machine
	Transport http.RoundTripper                          // nil: http.DefaultTransport

	mu      sync.Mutex
	running map[string]bool
}

// Run is how one run is to be made.
type Run struct {
	Dry  bool          // nothing is written, but a new token
	Tell func(Attempt) // as each is made; nil: nobody is told

	// Renew makes the access anew before each transaction, for a run that outlives the request that asked for it: fetching takes as long as the
	// partner likes, and a grant may end meanwhile. An error ends the run. nil: the access stays what it was.
	Renew func(context.Context) (storage.Access, error)
}

// ErrRunning says that the source is being imported at the moment.
var ErrRunning = errors.New("it is being imported already; wait until that is done")

// Import runs a source once, as one who may do what access allows. It is all or nothing: with an error nothing was written, but for a source of
// several transactions (kind sql, more than max-records) those before. The Report is there in any case, unless the error is of Sources.Of or
// ErrRunning.
func (im *Importer) Import(ctx context.Context, access storage.Access, name string, how Run) (*Report, error) {
	s, err := im.Sources.Of(name)
	if err != nil {
		return nil, err
	}
	if !im.begin(name) {
		return nil, fmt.Errorf("source %s: %w", name, ErrRunning)
	}
	defer im.end(name)
	report := &Report{Source: s.Name, Kind: s.kind.name, DryRun: how.Dry, Begun: im.now(), Attempts: []Attempt{}}
	err = im.run(ctx, access, s, how, report)
	report.Millis = im.now().Sub(report.Begun).Milliseconds()
	log := im.logger().With("source", name, "created", report.Created, "updated", report.Updated, "unchanged", report.Unchanged,
		"attempts", len(report.Attempts), "took", time.Duration(report.Millis)*time.Millisecond)
	if err != nil {
		report.Error = err.Error()
		log.Warn("import", "error", err)
	} else {
		log.Info("import")
	}
	if !how.Dry {
		if kept := im.keepLast(context.WithoutCancel(ctx), *report); kept != nil {
			log.Error("what came of an import is not kept", "error", kept)
		}
	}
	return report, err
}

func (im *Importer) run(ctx context.Context, access storage.Access, s *Source, how Run, report *Report) (err error) {
	transport := im.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	v := &visit{Source: s, client: client(transport), tokens: tokenKeeper{im.Store}, report: report, clock: im.now, tell: how.Tell}
	v.random, v.wait = im.jitter()
	if v.tell == nil {
		v.tell = func(Attempt) {}
	}
	if s.kind.authenticate != nil {
		if v.token, err = v.tokens.last(ctx, s); err != nil {
			return err
		}
		v.reused = v.token != ""
	}
	if s.kind.name == "sql" {
		if v.mark, err = loadMark(ctx, im.Store, s.Name); err != nil {
			return err
		}
	}
	for more := true; more; {
		report.Read = nil
		b, err := s.kind.fetch(ctx, v)
		if err != nil {
			return err
		}
		if len(b.rows) > s.MaxRecords {
			return fmt.Errorf("more than max-records, %d, came; raise it if the source is to be believed; nothing was changed", s.MaxRecords)
		}
		if how.Renew != nil {
			if access, err = how.Renew(ctx); err != nil {
				return err
			}
		}
		var changes []Change
		if s.Into == "checkups" {
			changes, err = im.reports(ctx, access, s, b.rows, b.mark, report)
		} else {
			changes, err = im.store(ctx, access, s, people(s, b.rows, s.from(), report), report.Read, b.mark, how.Dry)
		}
		if err != nil {
			return err
		}
		report.count(changes)
		more, v.mark = b.more, b.mark
	}
	return nil
}

// from is what meta.source says of what came from a source.
func (s *Source) from() string {
	switch {
	case s.kind.name == "noteworth":
		return s.base.JoinPath("providers").String()
	case s.base != nil:
		return s.base.String()
	}
	return SystemBase + s.Name
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// jitter is the randomness and the waiting of an Importer.
func (im *Importer) jitter() (func() float64, func(context.Context, time.Duration) error) {
	random, wait := im.Random, im.Wait
	if random == nil {
		random = rand.Float64
	}
	if wait == nil {
		wait = sleep
	}
	return random, wait
}

func (im *Importer) now() time.Time {
	if im.Clock != nil {
		return im.Clock()
	}
	return time.Now()
}

func (im *Importer) logger() *slog.Logger {
	if im.Log != nil {
		return im.Log
	}
	return slog.New(slog.DiscardHandler)
}

func (im *Importer) begin(name string) bool {
	im.mu.Lock()
	defer im.mu.Unlock()
	if im.running[name] {
		return false
	}
	if im.running == nil {
		im.running = map[string]bool{}
	}
	im.running[name] = true
	return true
}

func (im *Importer) end(name string) {
	im.mu.Lock()
	defer im.mu.Unlock()
	delete(im.running, name)
}

// Running reports whether a source is being imported at the moment, by this Importer.
func (im *Importer) Running(name string) bool {
	im.mu.Lock()
	defer im.mu.Unlock()
	return im.running[name]
}

// keepLast keeps a report, without the people, who are in the store.
func (im *Importer) keepLast(ctx context.Context, r Report) error {
	r.People = nil
	const most = 20
	r.Attempts = r.Attempts[max(0, len(r.Attempts)-most):]
	r.Skipped, r.Collisions = r.Skipped[:min(len(r.Skipped), most)], r.Collisions[:min(len(r.Collisions), most)]
	return im.Store.Update(ctx, storage.System, func(tx *storage.Tx) error {
		_, version, err := lasts.Load(tx, r.Source)
		if err != nil && !errors.Is(err, driver.ErrNotFound) {
			return err
		}
		_, err = lasts.Save(tx, r.Source, version, r)
		return err
	})
}

// Last is the report of the last run of a source, without the people, or nil if there was none.
func (im *Importer) Last(ctx context.Context, name string) (*Report, error) {
	var r Report
	err := im.Store.View(ctx, storage.System, func(tx *storage.Tx) (err error) {
		r, _, err = lasts.Load(tx, name)
		return err
	})
	if errors.Is(err, driver.ErrNotFound) {
		return nil, nil
	}
	return &r, err
}
