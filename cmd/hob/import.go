package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/hob-fhir/hob/connect"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage"
)

// importVerb brings in clinicians from a source, by a running server or straight into a store.
type importVerb struct {
	Source string `arg:"" optional:"" help:"Name of the source."`
	List   bool   `help:"List the sources and what came of their last runs."`
	DryRun bool   `help:"Fetch, and tell what would be written, but write nothing."`
	JSON   bool   `name:"json" help:"Report as JSON on standard output."`

	URL   string `env:"HOB_URL" placeholder:"URL" xor:"into" help:"FHIR base of the server that is to import, from the sources of its own configuration. Default: http://127.0.0.1:8080/fhir."`
	Token string `env:"HOB_TOKEN" help:"Bearer token for the server."`
	Store string `placeholder:"URL" xor:"into" help:"Import straight into a store that no server has open, as badger:./hob-data."`

	Imports string `placeholder:"FILE" help:"With --store: the sources, a file as of hob serve --imports."`
	Zone    string `default:"UTC" help:"With --store: the time zone of the server, as of hob serve."`
	Text    bool   `name:"text-search" help:"With --store: index the words of all text, as of hob serve."`

	LogFormat string     `enum:"auto,text,json" default:"auto" help:"Form of the log: text, json or auto."`
	LogLevel  slog.Level `default:"warn" help:"The least level that is logged."`
}

func (importVerb) Help() string {
	return `Brings in the clinicians of a source: a partner API, a FHIR server, a CSV file or a database, as the file of hob serve --imports names them (docs/import.md). A running server does it at POST [base]/$import-clinicians, which this verb asks; with --store it is done here.

A run is all or nothing: every request to the source is made a few times at most, and if one keeps failing nothing is written. People who are there already are updated, and those who have not changed get no new version. The report tells of every attempt with its status and how long it took, and of every person.

The exit code is 0 if the run went well, 1 if it failed and nothing was changed, and 80 if there is no such source or the file of sources is wrong.

Examples:
  hob import noteworth
  hob import noteworth --dry-run
  hob import --list
  hob import noteworth --store badger:./hob-data --imports sources.yaml --json`
}

// Run imports once, or lists the sources.
func (i *importVerb) Run(p *process) error {
	switch {
	case (i.Source == "") != i.List:
		fmt.Fprintln(p.err, "hob: either the name of a source is needed, or --list")
		return exit(80)
	case i.Store == "" && i.Imports != "" && !i.List:
		fmt.Fprintln(p.err, "hob: --imports goes with --store; a server has sources of its own")
		return exit(80)
	case i.Store != "" || i.List && i.Imports != "":
		return i.local(p)
	}
	return i.remote(p)
}

// local imports into a store in this process.
func (i *importVerb) local(p *process) (err error) {
	if i.Imports == "" {
		fmt.Fprintln(p.err, "hob: --store needs --imports, the file that names the sources")
		return exit(80)
	}
	sources, err := connect.ReadFile(i.Imports)
	if err != nil {
		fmt.Fprintf(p.err, "hob: %v\n", err)
		return exit(80)
	}
	if !i.List {
		if _, err := sources.Of(i.Source); err != nil {
			fmt.Fprintf(p.err, "hob: %v\n", err)
			return exit(80)
		}
	}
	if i.Store == "" {
		return listed(p.out, i.JSON, states(sources, func(string) *connect.Report { return nil }))
	}
	log := logger(p.err, i.LogFormat, i.LogLevel)
	zone, err := time.LoadLocation(i.Zone)
	if err != nil {
		return fmt.Errorf("zone %s: %w", i.Zone, err)
	}
	o, err := defaultStore(i.Store).open(p, log, server.IndexingOptions{Share: 1}, search.Options{Zone: zone, Text: i.Text})
	if err != nil {
		return err
	}
	stop := background(o.indexing.Run)
	defer func() {
		stop()
		err = errors.Join(err, o.Close())
	}()
	im := &connect.Importer{Store: o.Store, Catalog: o.catalog, Sources: sources, Log: log}
	if i.List {
		var failed error
		all := states(sources, func(name string) *connect.Report {
			last, err := im.Last(p, name)
			failed = errors.Join(failed, err)
			return last
		})
		return errors.Join(failed, listed(p.out, i.JSON, all))
	}
	how := connect.Run{Dry: i.DryRun}
	if isTerminal(p.err) {
		how.Tell = func(a connect.Attempt) { fmt.Fprintln(p.err, attempted(a)) }
	}
	report, err := im.Import(p, storage.System, i.Source, how)
	if report == nil {
		return err
	}
	return i.told(p, report)
}

// told reports, and makes the exit code.
func (i *importVerb) told(p *process, r *connect.Report) error {
	if i.JSON {
		e := json.NewEncoder(p.out)
		e.SetIndent("", "  ")
		if err := e.Encode(r); err != nil {
			return err
		}
	} else {
		tellReport(p.out, r)
	}
	if r.Error != "" {
		return exit(1)
	}
	return nil
}

// remote asks a server to import, and waits until it has.
func (i *importVerb) remote(p *process) error {
	if i.URL == "" {
		i.URL = "http://127.0.0.1:8080/fhir"
	}
	base, err := url.Parse(strings.TrimRight(i.URL, "/"))
	if err != nil || base.Host == "" {
		return fmt.Errorf("url %s: a FHIR base is needed, as http://127.0.0.1:8080/fhir", i.URL)
	}
	if i.List {
		status, _, body, err := i.ask(p, http.MethodGet, base.String()+"/$import-sources", nil)
		if err != nil || status != http.StatusOK {
			return errors.Join(err, unasked(status, body))
		}
		all, err := statesOf(body)
		if err != nil {
			return err
		}
		return listed(p.out, i.JSON, all)
	}
	asked, err := json.Marshal(parameters{"Parameters", []parameter{{Name: "source", String: i.Source}, {Name: "dryRun", Boolean: &i.DryRun}}})
	if err != nil {
		return err
	}
	status, place, body, err := i.ask(p, http.MethodPost, base.String()+"/$import-clinicians", asked)
	switch {
	case err != nil:
		return err
	case status == http.StatusBadRequest:
		fmt.Fprintf(p.err, "hob: %v\n", answered(status, body))
		return exit(80)
	case status != http.StatusAccepted:
		return unasked(status, body)
	}
	at, err := base.Parse(place)
	if err != nil || at.Host != base.Host { // the token is for nobody else
		return fmt.Errorf("the server tells a place that is not its own: %s", clip(place, 200))
	}
	if status, body, err = i.await(p, at.String()); err != nil {
		return err
	}
	if status != http.StatusOK {
		return unasked(status, body)
	}
	report, err := reportOf(body)
	if err != nil {
		return err
	}
	return i.told(p, report)
}

// await asks for the answer until it is there. If the process is told to stop meanwhile, so is the server.
func (i *importVerb) await(p *process, at string) (status int, body []byte, err error) {
	var bar *progressbar.ProgressBar
	if isTerminal(p.err) {
		bar = progressbar.NewOptions64(-1, progressbar.OptionSetWriter(p.err), progressbar.OptionSetDescription("importing "+i.Source), progressbar.OptionClearOnFinish())
		defer bar.Finish()
	}
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		if status, _, body, err = i.ask(p, http.MethodGet, at, nil); err == nil && status != http.StatusAccepted {
			return status, body, nil
		}
		if err == nil {
			err = sleep(p, pause)
		}
		if err != nil {
			if p.Err() != nil {
				ctx, cancel := context.WithTimeout(context.WithoutCancel(p), 5*time.Second)
				defer cancel()
				i.ask(ctx, http.MethodDelete, at, nil)
				return 0, nil, errors.New("interrupted; the server was asked to stop the import too")
			}
			return 0, nil, err
		}
		if bar != nil {
			bar.Add(1)
		}
	}
}

func (i *importVerb) ask(ctx context.Context, method, at string, data []byte) (status int, place string, body []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, method, at, bytes.NewReader(data))
	if err != nil {
		return 0, "", nil, err
	}
	r.Header.Set("Accept", "application/fhir+json")
	if data != nil {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	if i.Token != "" {
		r.Header.Set("Authorization", "Bearer "+i.Token)
	}
	res, err := (&http.Client{Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(r)
	if err != nil {
		return 0, "", nil, fmt.Errorf("%w; start a server with hob serve --imports FILE, or name another with --url", lost(ctx, err))
	}
	defer res.Body.Close()
	body, err = io.ReadAll(io.LimitReader(res.Body, 64<<20))
	return res.StatusCode, res.Header.Get("Content-Location"), body, err
}

// unasked is the answer of a server that does not do what it was asked.
func unasked(status int, body []byte) error {
	if status == 0 {
		return nil
	}
	if status == http.StatusNotFound {
		return fmt.Errorf("the server imports nothing: it was started without --imports (%w)", answered(status, body))
	}
	return answered(status, body)
}
