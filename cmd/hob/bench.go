package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/schollz/progressbar/v3"
)

// bench measures a server. The parts:
//
//	bench_data, bench_bodies  the data set, known from its seed, and its resources
//	bench_load                brings it into the server
//	bench_work, bench_reply   the workloads: requests, and what their answers must be
//	bench_drive, bench_proc   the closed loop, and what the server's processes used meanwhile
//	bench_report              medians, as a table and as JSON
type bench struct {
	URL       string        `default:"http://127.0.0.1:8080/fhir" env:"HOB_URL" help:"FHIR base of the server."`
	PID       []int         `name:"pid" placeholder:"N,..." help:"Processes of the server, with its database, whose CPU time and memory are read; what they start counts too. They must run on this machine."`
	Data      string        `default:"S" help:"The data set: S (1,000 patients, 50,000 resources), M (20,000 patients, 1,000,000 resources), or patients and Observations of each, as 200x16."`
	Seed      uint64        `default:"1" help:"What all values follow from."`
	Load      string        `enum:"auto,transaction,rest,none" default:"auto" help:"How to load the set: a transaction for each patient, a PUT for each resource, not at all since it is there, or auto: transactions if the server claims them."`
	Shapes    bool          `help:"Measure some fifty shapes of searches instead of the workloads, one client asking alone: CPU, time and the rows that the server says it reads. --workloads then names shapes, and --duration is of each."`
	Workloads []string      `placeholder:"W1,..." help:"Which to run; all by default. Those that only read come first."`
	Clients   []int         `default:"8" help:"Clients that each send a request, await the answer and send the next; several numbers are measured one after another."`
	Duration  time.Duration `default:"10s" help:"How long a run is, if --requests does not say how many requests."`
	Requests  int           `placeholder:"N" help:"How many requests a run is, instead of how long."`
	Runs      int           `default:"5" help:"How many runs of each; the medians are told."`
	Warmup    bool          `negatable:"" default:"true" help:"Begin with a run that does not count."`
	Token     string        `env:"HOB_TOKEN" help:"Bearer token to send."`
	JSON      string        `name:"json" type:"path" placeholder:"FILE" help:"Write all figures to this file."`
}

func (bench) Help() string {
	return `Loads a data set of patients with measurements, then measures workloads in a closed loop. Every answer is checked against what the set must give, and some of what is written is read and searched for at once. The figure that holds on a shared machine is CPU-ms per request: what the processes of --pid used, over the requests. Start with an empty store: other data make wrong answers of right ones.

Resources are put under ids that follow from the seed, so that loading again makes new versions and no copies. What the workloads write stays.

The exit code is 0 if all was measured and every answer was right, and 1 if not. Ctrl-C ends with what there is.

Examples:
  hob bench --pid $(pgrep -x hob) --json bench.json
  hob bench --url http://127.0.0.1:9000/fhir --workloads W3,W4 --clients 1,8,32 --duration 5s
  hob bench --url http://127.0.0.1:8103/fhir/R4 --pid 812,640 --token $TOKEN --data 200x16 --load rest`
}

// Validate refuses what cannot be measured.
func (b *bench) Validate() error {
	switch u, err := url.Parse(b.URL); {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("url %s: a FHIR base is needed, as http://127.0.0.1:8080/fhir", b.URL)
	case b.Runs < 1 || b.Requests < 0 || b.Duration <= 0:
		return errors.New("runs, requests and duration: at least one run of at least one request is needed")
	}
	for _, n := range b.Clients {
		if n < 1 {
			return errors.New("clients: at least one is needed")
		}
	}
	return nil
}

// benching is one bench under way.
type benching struct {
	*bench
	*wire
	data   *dataset
	server processes
	steps  *steps
	report benchReport
}

// Run loads and measures.
func (b *bench) Run(p *process) error {
	var work []workload
	if !b.Shapes {
		var err error
		if work, err = chosen(b.Workloads); err != nil {
			return err
		}
	}
	data, err := parseDataset(b.Data, b.Seed)
	if err != nil {
		return err
	}
	most := 0
	for _, n := range b.Clients {
		most = max(most, n)
	}
	if most > data.patients {
		return fmt.Errorf("data %s has %d patients; %d clients need one each", b.Data, data.patients, most)
	}
	r := &benching{bench: b, wire: newWire(b.URL, b.Token, most), data: data, server: b.PID}
	if _, err := r.server.read(); err != nil {
		return err
	}
	r.report = newBenchReport(b, data)
	r.steps = newSteps(p, data.patients+len(work)*len(b.Clients)*b.all()+b.shapes())
	stopped := r.run(p, work)
	r.steps.end()
	if ended := p.Err(); ended != nil {
		stopped, r.report.Interrupted = errors.New("interrupted"), true
	}
	if err := r.report.table(p.out); err != nil {
		return err
	}
	if b.JSON != "" {
		if err := r.report.write(b.JSON); err != nil {
			return err
		}
	}
	switch {
	case stopped != nil:
		return fmt.Errorf("bench of %s: %w", masked(b.URL), stopped)
	case r.report.wrong():
		return exit(1) // the table says what
	}
	return nil
}

// all is how many runs there are of each workload.
func (b *bench) all() int {
	if b.Warmup {
		return b.Runs + 1
	}
	return b.Runs
}

// shapes is how many shapes there are to measure.
func (b *bench) shapes() (n int) {
	for _, s := range shapes {
		if b.Shapes && b.wanted(s.name) {
			n++
		}
	}
	return n
}

// run loads and measures until the context ends.
func (r *benching) run(ctx context.Context, work []workload) error {
	if err := r.load(ctx); err != nil {
		return err
	}
	if r.Shapes {
		return r.shaped(ctx)
	}
	for _, w := range work {
		for _, clients := range r.Clients {
			m := benchWorkload{ID: w.id, Title: w.title, Clients: clients}
			err := r.measure(ctx, w, &m)
			m.sum()
			if len(m.Runs) > 0 || m.Fault != "" {
				r.report.Workloads = append(r.report.Workloads, m)
			}
			if err != nil {
				return err
			}
			if m.Fault != "" && len(m.Runs) == 0 {
				break // as it is with other numbers of clients
			}
		}
	}
	return nil
}

// measure makes all runs of a workload. One whose first answer is wrong is not run.
func (r *benching) measure(ctx context.Context, w workload, m *benchWorkload) error {
	probe := r.callers(w, m.Clients, -1)[0]
	if err := r.ask(ctx, w.next(probe), true); err != nil {
		if ctx.Err() == nil {
			m.Fault = err.Error()
			r.steps.skip(len(r.Clients) * r.all())
		}
		return ctx.Err()
	}
	for i := range r.all() {
		warmup := r.Warmup && i == 0
		what := fmt.Sprintf("run %d of %d", len(m.Runs)+1, r.Runs)
		if warmup {
			what = "warm-up"
		}
		r.steps.next(fmt.Sprintf("%s, %d clients, %s", w.id, m.Clients, what))
		run, err := r.drive(ctx, w, r.callers(w, m.Clients, i))
		switch {
		case err != nil:
			return err
		case warmup:
			m.Warmup = &run
		default:
			m.Runs = append(m.Runs, run)
		}
	}
	return nil
}

// steps tell how far a bench is: a bar on a terminal, else lines in the log.
type steps struct {
	bar *progressbar.ProgressBar
	log *slog.Logger
}

func newSteps(p *process, n int) *steps {
	s := &steps{log: logger(p.err, "auto", slog.LevelInfo)}
	if isTerminal(p.err) {
		s.bar = progressbar.NewOptions(n, progressbar.OptionSetWriter(p.err), progressbar.OptionFullWidth(), progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionSetRenderBlankState(true), progressbar.OptionClearOnFinish(), progressbar.OptionShowCount())
	}
	return s
}

// next begins a step.
func (s *steps) next(what string) {
	if s.bar == nil {
		s.log.Info(what)
		return
	}
	s.bar.Describe(what)
	s.bar.Add(1)
}

// loaded says that so many patients of all are there.
func (s *steps) loaded(n, of int) {
	switch {
	case s.bar != nil:
		s.bar.Describe("loading")
		s.bar.Add(1)
	case n == of || n%(max(of/10, 1)) == 0:
		s.log.Info("loading", "patients", n, "of", of)
	}
}

func (s *steps) skip(n int) {
	if s.bar != nil {
		s.bar.Add(n)
	}
}

func (s *steps) end() {
	if s.bar != nil {
		s.bar.Finish()
	}
}

// claimsTransactions asks the CapabilityStatement.
func (r *benching) claimsTransactions(ctx context.Context) (bool, error) {
	a, err := r.send(ctx, get("/metadata", nil))
	if err != nil {
		return false, fmt.Errorf("no server answers: %w", cmp.Or(ctx.Err(), err))
	}
	if a.status != http.StatusOK {
		return false, fmt.Errorf("/metadata: %w", a.is(http.StatusOK))
	}
	return claims(a.body, "transaction")
}
