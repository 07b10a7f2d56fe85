package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/server"
)

// reindex makes the searchable values of stored resources anew.
type reindex struct {
	Store string   `required:"" placeholder:"URL" help:"The store, as badger:./hob-data. No server may have it open; a running one is asked by POST [base]/$$reindex."`
	Type  []string `placeholder:"TYPE,..." help:"Resource types to index anew. Default: all."`
	Zone  string   `default:"UTC" help:"The time zone of the server, as of hob serve."`
	Text  bool     `name:"text-search" help:"Index the words of all text, as of hob serve."`
	Wait  bool     `help:"Index only what waits to be: for SearchParameters that were loaded, or what a broken-off reindex left."`

	LogFormat string     `enum:"auto,text,json" default:"auto" help:"Form of the log: text, json or auto."`
	LogLevel  slog.Level `default:"info" help:"The least level that is logged."`
}

func (reindex) Help() string {
	return `Indexes what is stored by the search parameters of now: those that FHIR publishes, and the SearchParameter resources that the store holds. A server does this by itself, in the background, when SearchParameters come or go, and when it opens a store that was indexed by other rules than its own; so this verb is for doing it at full speed beforehand, or to be sure.

Give the zone and text-search of the server, if it has any: by others the rows are others, and the server would make them anew.

It may be stopped, even by a crash: what was asked for is kept in the store, and whoever opens it next goes on where it was.

Examples:
  hob reindex --store badger:./hob-data
  hob reindex --store badger:./hob-data --type Patient,Observation
  hob reindex --store badger:./hob-data --wait`
}

// Run indexes until nothing waits any more.
func (r *reindex) Run(p *process) (err error) {
	for _, typ := range r.Type {
		if !fhirmap.IsResource(typ) {
			return fmt.Errorf("%s is no resource type of FHIR R4; names begin with a capital letter, as in Patient", typ)
		}
	}
	if len(r.Type) > 0 && r.Wait {
		return errors.New("--wait is about what waits, whatever its type; leave --type or --wait out")
	}
	if dir, ok := strings.CutPrefix(r.Store, "badger:"); ok && !strings.HasPrefix(dir, ":") {
		if _, err := os.Stat(strings.TrimPrefix(dir, "//")); err != nil { // opening would make an empty store
			return fmt.Errorf("store %s: %w", masked(r.Store), err)
		}
	}
	log := logger(p.err, r.LogFormat, r.LogLevel)
	zone, err := time.LoadLocation(r.Zone)
	if err != nil {
		return fmt.Errorf("zone %s: %w", r.Zone, err)
	}
	o, err := defaultStore(r.Store).open(p, log, server.IndexingOptions{Share: 1, Quiet: -1}, search.Options{Zone: zone, Text: r.Text})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	if !r.Wait {
		if err := o.indexing.Ask(p, slices.Compact(slices.Sorted(slices.Values(r.Type)))); err != nil {
			return err
		}
	}
	begun, said := time.Now(), time.Now()
	var bar *progressbar.ProgressBar
	if isTerminal(p.err) {
		bar = progressbar.NewOptions64(-1, progressbar.OptionSetWriter(p.err), progressbar.OptionFullWidth(), progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(), progressbar.OptionSetElapsedTime(false))
	}
	var last server.Progress
	err = o.indexing.Finish(p, func(now server.Progress) {
		last = now
		switch {
		case bar != nil:
			bar.ChangeMax(now.Total)
			bar.Describe(fmt.Sprintf("%d of %d indexed, %.0f/s", now.Done, now.Total, now.Rate))
			bar.Set(now.Done)
		case time.Since(said) > every:
			said = time.Now()
			log.Info("indexing", "done", now.Done, "of", now.Total, "rate", int(now.Rate), "errors", now.Errors)
		}
	})
	if bar != nil {
		bar.Finish()
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("stopped at %d of %d resources; whoever opens the store next goes on there", last.Done, last.Total)
	}
	if err != nil {
		return err
	}
	for _, f := range o.indexing.Faults() {
		fmt.Fprintln(p.out, f)
	}
	fmt.Fprintf(p.out, "%d resources indexed in %s, %d could not be\n", last.Done, time.Since(begun).Round(time.Millisecond), last.Errors)
	if last.Errors > 0 {
		return exit(2)
	}
	return nil
}
