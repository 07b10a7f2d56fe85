package main

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/server"
)

// load brings resources in. The way of one:
//
//	sources ─▶ splitter ─▶ accept ─▶ worker, by type and id ─▶ target (server or store) ─▶ collect ─▶ report, journal
//	(files)    (items)     (resume)  (so that versions of one      (PUT or POST;            (in the order of the input)
//	                                  resource keep their order)    one transaction for many)
type load struct {
	Paths []string `arg:"" name:"path" help:"Files and directories, and - for standard input."`

	URL   string `env:"HOB_URL" placeholder:"URL" xor:"into" help:"FHIR base of the server to load into. Default: http://127.0.0.1:8080/fhir."`
	Token string `env:"HOB_TOKEN" help:"Bearer token to send to the server, see hob token."`
	Store string `placeholder:"URL" xor:"into" help:"Load straight into a store that no server has open, as badger:./hob-data."`

	Zone string `default:"UTC" help:"With --store: the time zone of the server, as of hob serve."`
	Text bool   `name:"text-search" help:"With --store: index the words of all text, as of hob serve."`

	Format   string `enum:"fhir,medical-records,checkups" default:"fhir" help:"What the files hold: fhir, or medical-records, the store.json of a medical-records application, whose patients are each loaded whole or not at all, or checkups, the reports of an uploader of device reports, of which a file is loaded whole or not at all."`
	Bundles  string `enum:"auto,open,keep" default:"auto" help:"What becomes of a Bundle: open loads its entries, keep loads the Bundle as a resource, auto keeps documents, messages and what is in a package, and opens the rest."`
	Parallel int    `placeholder:"N" help:"How many requests or transactions at once. Default: 16 into a server, one per processor into a store."`
	MaxValue size   `default:"256MiB" help:"Largest resource or Bundle. Memory is bounded by a few of these."`
	Resume   string `placeholder:"FILE" help:"Keep the position in this file, and go on from it if it is there."`
	Report   string `placeholder:"FILE" help:"Write a line of JSON for each resource that is refused, with all its issues."`

	LogFormat string     `enum:"auto,text,json" default:"auto" help:"Form of the log: text, json or auto."`
	LogLevel  slog.Level `default:"info" help:"The least level that is logged."`
}

func (load) Help() string {
	return `Reads JSON resources, Bundles, NDJSON, and FHIR packages and other archives (.tgz, .tar), each of them also in gzip. What a file holds is seen by its content. In directories and archives the files ending in .json, .ndjson and .jsonl are read, and package.json is not.

A resource with an id is put under this id, so that loading it again makes a new version and no copy; one without gets an id from the server. Of a Bundle that is opened the entries are loaded one by one, not as one transaction: references to a urn: become references to the resource, of a history the newest versions are loaded, and entries that delete, patch or ask are skipped.

With --resume a run that was broken off, even by a crash, goes on where it was: nothing is left out and nothing is loaded twice. Resources without an id are given one by the loader then.

The exit code is 0 if everything was loaded, 2 if all was read but some was refused, and 1 if the run could not go on.

Examples:
  hob load --token "$(hob token)" patients.ndjson.gz bundle.json
  hob load --format medical-records store.json
  hob load --format checkups reports.json
  hob load --url https://ehr.example/fhir --resume load.journal --report refused.ndjson ./export
  hob load --store badger:./hob-data hl7.fhir.r4.examples-4.0.1.tgz
  zcat big.ndjson.gz | hob load -`
}

// inFlight bounds the bytes of the items on their way; one item may always go.
const inFlight = 256 << 20

// Run loads all paths.
func (l *load) Run(p *process) (err error) {
	log := logger(p.err, l.LogFormat, l.LogLevel)
	in := &sources{in: p.in}
	if err := in.measure(l.Paths); err != nil {
		return err
	}
	t, name, err := l.target(p, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	if read := foreignFormats[l.Format]; read != nil {
		return l.foreign(p, t, in, read)
	}
	r := &loading{target: t, in: in, log: log, split: splitter{max: int64(l.MaxValue), open: l.Bundles}}
	if l.Resume != "" {
		if r.journal, err = openJournal(l.Resume, name, l.Bundles); err != nil {
			return err
		}
		defer r.journal.close()
		r.at = r.journal.from
	}
	if r.report, err = openReport(l.Report, r.at); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.report.close()) }()
	if r.at.Entry > 0 {
		log.Info("resuming", "entry", r.at.Entry, "source", r.at.Source, "index", r.at.Index)
	}
	begun, before := time.Now(), r.at.Entry
	r.progress = newProgress(p.err, in.bytes, log)
	stopped := r.run(p, l.Paths)
	r.progress.end()
	r.report.summary(p.out, time.Since(begun), r.at.Entry-before)
	switch {
	case stopped != nil && r.journal != nil:
		return fmt.Errorf("the load stopped: %w; to go on from entry %d, repeat the command", stopped, r.at.Entry+1)
	case stopped != nil:
		return fmt.Errorf("the load stopped: %w; with --resume FILE a load can be gone on with", stopped)
	case r.report.Refused > 0:
		return exit(2)
	}
	return nil
}

// target opens what is to be loaded into, and names it.
func (l *load) target(ctx context.Context, log *slog.Logger) (target, string, error) {
	if l.Store != "" {
		zone, err := time.LoadLocation(l.Zone)
		if err != nil {
			return nil, "", fmt.Errorf("zone %s: %w", l.Zone, err)
		}
		o, err := defaultStore(l.Store).open(ctx, log, server.IndexingOptions{Share: 1}, search.Options{Zone: zone, Text: l.Text})
		if err != nil {
			return nil, "", err
		}
		return &local{o.Store, atLeast(l.Parallel, runtime.GOMAXPROCS(0)), background(o.indexing.Run)}, masked(l.Store), nil
	}
	if l.URL == "" {
		l.URL = "http://127.0.0.1:8080/fhir"
	}
	t, err := openRemote(ctx, l.URL, l.Token, atLeast(l.Parallel, 16))
	return t, masked(l.URL), err
}

func atLeast(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}

// loading is one run of load.
type loading struct {
	target
	in       *sources
	split    splitter
	journal  *journal // nil: none
	report   *report
	progress *progress
	log      *slog.Logger

	at      mark // everything up to here is settled
	queues  []chan *item
	settled chan *item
	slots   chan struct{} // one for each item beyond the last mark
	bytes   *semaphore.Weighted
	turn    uint64
	seed    maphash.Seed
}

// run loads all paths, and returns why it could not.
func (r *loading) run(parent context.Context, paths []string) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	r.settled = make(chan *item, ahead)
	r.slots = make(chan struct{}, ahead)
	r.bytes = semaphore.NewWeighted(inFlight)
	r.seed = maphash.MakeSeed()
	r.split.emit = func(it *item) error { return r.accept(ctx, it) }
	r.in.each = r.split.stream
	r.in.fault = func(name string, err error) error {
		if r.split.Source != name {
			r.split.Source, r.split.Index = name, 0
		}
		return r.split.refuse(err)
	}

	var working, collecting sync.WaitGroup
	for range r.workers() {
		queue := make(chan *item, max(r.batch(), ahead/r.workers())) // one large resource does not stop the others
		r.queues = append(r.queues, queue)
		working.Go(func() {
			if err := r.work(ctx, queue); err != nil {
				cancel(err)
			}
		})
	}
	collecting.Go(func() {
		if err := r.collect(); err != nil {
			cancel(err)
			for range r.settled { // let the workers end
			}
		}
	})
	resumed := r.at.place
	err := r.in.walk(ctx, paths)
	if err == nil && r.split.Entry < resumed.Entry {
		err = fmt.Errorf("the input ends at entry %d, the journal stands at %d; it is of another input", r.split.Entry, resumed.Entry)
	}
	if err != nil {
		cancel(err)
	}
	for _, q := range r.queues {
		close(q)
	}
	working.Wait()
	close(r.settled)
	collecting.Wait()
	switch cause := context.Cause(ctx); {
	case parent.Err() != nil && (cause == nil || errors.Is(cause, context.Canceled)):
		return errors.New("interrupted")
	case cause != nil:
		return cause
	}
	return r.save(true)
}

// accept takes an item from the splitter and gives it to the worker of its resource.
func (r *loading) accept(ctx context.Context, it *item) error {
	if r.journal != nil {
		before := r.journal.from.place
		if it.Entry == before.Entry && it.place != before {
			return fmt.Errorf("entry %d of the input is not what the journal was written about (%s, entry %d of it); begin another journal",
				it.Entry, before.Source, before.Index)
		}
		if it.Entry <= before.Entry {
			return ctx.Err()
		}
		it.doubt = r.journal.begun && it.Entry <= before.Entry+ahead
		if it.noID && it.typ != "" {
			it.id = r.journal.id(it.place)
			it.data, it.noID = withID(it.data, it.id), false
		}
	}
	if err := r.bytes.Acquire(ctx, weight(it)); err != nil {
		return err
	}
	select {
	case r.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	to := r.settled
	if it.refused == nil && it.skipped == "" {
		r.turn++
		n := r.turn
		if it.id != "" {
			n = maphash.String(r.seed, it.typ+"/"+it.id)
		}
		to = r.queues[n%uint64(len(r.queues))]
	}
	select {
	case to <- it:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func weight(it *item) int64 { return int64(min(len(it.data)+1, inFlight)) }

// work loads what is in a queue, as many at once as are there.
func (r *loading) work(ctx context.Context, queue <-chan *item) error {
	for it := range queue {
		batch := append(make([]*item, 0, r.batch()), it)
	more:
		for len(batch) < r.batch() {
			select {
			case it, ok := <-queue:
				if !ok {
					break more
				}
				batch = append(batch, it)
			default:
				break more
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		if err := r.load(ctx, batch); err != nil {
			return err
		}
		for _, it := range batch {
			r.settled <- it
		}
	}
	return nil
}

// saveEvery and saveAfter say when the journal is written: after so many items, or so much time.
const (
	saveEvery = ahead / 8
	saveAfter = 250 * time.Millisecond
)

// collect puts settled items back into the order of the input, counts and reports them, and moves the mark.
func (r *loading) collect() error {
	waiting := map[int64]*item{}
	done := r.report.tally // beyond the mark too
	unsaved := 0
	save := func() error {
		if unsaved == 0 {
			return nil
		}
		if err := r.save(false); err != nil {
			return err
		}
		for range unsaved {
			<-r.slots
		}
		unsaved = 0
		return nil
	}
	before := done.all()
	tick := time.NewTicker(saveAfter)
	defer tick.Stop()
	for {
		select {
		case it, ok := <-r.settled:
			if !ok {
				return save()
			}
			r.bytes.Release(weight(it))
			it.data = nil
			done.count(it)
			waiting[it.Entry] = it
			for next := waiting[r.at.Entry+1]; next != nil; next = waiting[r.at.Entry+1] {
				delete(waiting, next.Entry)
				if err := r.report.settle(next); err != nil {
					return fmt.Errorf("report: %w", err)
				}
				r.at.place, r.at.tally = next.place, r.report.tally
				unsaved++
			}
			if unsaved >= saveEvery {
				if err := save(); err != nil {
					return err
				}
			}
		case <-tick.C:
			if err := save(); err != nil {
				return err
			}
			r.progress.tell(r.in.read.Load(), r.in.bytes, done, done.all()-before)
		}
	}
}

// save writes the mark, if there is a journal.
func (r *loading) save(done bool) error {
	if r.journal == nil {
		return nil
	}
	if err := r.report.flush(); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	r.at.Report, r.at.Done = r.report.size, done
	if err := r.journal.mark(r.at); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}
