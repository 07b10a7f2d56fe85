package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// benchReport is what bench writes as JSON. Times are milliseconds; cpuMillis is the CPU time of the server's processes per request,
// 0 if none were named, and ownCPUMillis that of bench, which shares the machine.
type benchReport struct {
	Hob         string          `json:"hob"` // version of the bench
	URL         string          `json:"url"`
	Begun       time.Time       `json:"begun"`
	CPUs        int             `json:"cpus"`
	PIDs        []int           `json:"pids,omitempty"`
	Data        string          `json:"data"`
	Seed        uint64          `json:"seed"`
	Patients    int             `json:"patients"`
	Load        benchLoad       `json:"load"`
	Workloads   []benchWorkload `json:"workloads"`
	Shapes      []benchShape    `json:"shapes,omitempty"`
	Interrupted bool            `json:"interrupted,omitempty"`
}

// benchWorkload is one workload at one number of clients.
type benchWorkload struct {
	ID      string     `json:"id"`
	Title   string     `json:"title"`
	Clients int        `json:"clients"`
	Median  benchRun   `json:"median"` // of each figure by itself; requests, errors and readBack are sums
	Runs    []benchRun `json:"runs"`
	Warmup  *benchRun  `json:"warmup,omitempty"`
	Fault   string     `json:"fault,omitempty"` // why it was not run: what was wrong with its first answer
}

// benchRun is one run. Wrong answers are counted as requests and as errors, and not in the percentiles.
type benchRun struct {
	Requests int      `json:"requests"`
	Errors   int      `json:"errors"`
	ReadBack int      `json:"readBack"` // writes that were read and searched for at once
	Seconds  float64  `json:"seconds"`
	Rate     float64  `json:"perSecond"`
	CPU      float64  `json:"cpuMillis"`
	Own      float64  `json:"ownCPUMillis"`
	P50      float64  `json:"p50"`
	P90      float64  `json:"p90"`
	P99      float64  `json:"p99"`
	Max      float64  `json:"max"`
	Bytes    float64  `json:"bytes"`        // of an answer's body, on average
	Anon     int64    `json:"rssAnonBytes"` // the most that was seen
	Faults   []string `json:"faults,omitempty"`
}

func newBenchReport(b *bench, d *dataset) benchReport {
	v, revision := built()
	return benchReport{Hob: strings.TrimSpace(v + " " + revision), URL: masked(b.URL), Begun: time.Now().UTC(), CPUs: runtime.NumCPU(),
		PIDs: b.PID, Data: d.name, Seed: d.seed, Patients: d.patients, Workloads: []benchWorkload{}}
}

// sum makes the median of the runs, of each figure by itself. A median of an even number is the lower one.
func (w *benchWorkload) sum() {
	if len(w.Runs) == 0 {
		return
	}
	median := func(figure func(benchRun) float64) float64 {
		all := make([]float64, len(w.Runs))
		for i, r := range w.Runs {
			all[i] = figure(r)
		}
		slices.Sort(all)
		return all[(len(all)-1)/2]
	}
	m := &w.Median
	m.Seconds = median(func(r benchRun) float64 { return r.Seconds })
	m.Rate = median(func(r benchRun) float64 { return r.Rate })
	m.CPU = median(func(r benchRun) float64 { return r.CPU })
	m.Own = median(func(r benchRun) float64 { return r.Own })
	m.P50 = median(func(r benchRun) float64 { return r.P50 })
	m.P90 = median(func(r benchRun) float64 { return r.P90 })
	m.P99 = median(func(r benchRun) float64 { return r.P99 })
	m.Max = median(func(r benchRun) float64 { return r.Max })
	m.Bytes = median(func(r benchRun) float64 { return r.Bytes })
	m.Anon = int64(median(func(r benchRun) float64 { return float64(r.Anon) }))
	if w.Warmup != nil {
		m.Errors, m.Faults = w.Warmup.Errors, w.Warmup.Faults // a wrong answer is wrong, whenever it comes
	}
	for _, r := range w.Runs {
		m.Requests += r.Requests
		m.Errors += r.Errors
		m.ReadBack += r.ReadBack
		m.Faults = append(m.Faults, r.Faults[:min(len(r.Faults), faultsKept-min(faultsKept, len(m.Faults)))]...)
	}
}

// wrong reports whether any answer was.
func (r *benchReport) wrong() bool {
	return slices.ContainsFunc(r.Workloads, func(w benchWorkload) bool { return w.Fault != "" || w.Median.Errors > 0 }) ||
		slices.ContainsFunc(r.Shapes, func(s benchShape) bool { return s.Fault != "" })
}

// table writes the medians, and below what was wrong.
func (r *benchReport) table(out io.Writer) error {
	if l := r.Load; l.Resources > 0 {
		fmt.Fprintf(out, "loaded %d resources by %s in %.1f s: %.0f/s, %.2f CPU-ms of the server for each patient with %d, RssAnon then %s\n\n",
			l.Resources, l.By, l.Seconds, l.Rate, l.CPU, l.Resources/r.Patients, size(l.Anon).human())
	}
	if len(r.Shapes) > 0 {
		return r.shapeTable(out)
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tclients\trequests/s\tCPU-ms\tp50 ms\tp90 ms\tp99 ms\tmax ms\tbytes\tRssAnon\town CPU-ms\trequests\terrors\t")
	for _, w := range r.Workloads {
		m := w.Median
		if len(w.Runs) == 0 {
			fmt.Fprintf(t, "%s\t%d\tnot run\t\t\t\t\t\t\t\t\t\t\t\n", w.ID, w.Clients)
			continue
		}
		cpu, anon := "-", "-"
		if len(r.PIDs) > 0 {
			cpu, anon = fmt.Sprintf("%.3f", m.CPU), size(m.Anon).human()
		}
		fmt.Fprintf(t, "%s\t%d\t%.0f\t%s\t%.2f\t%.2f\t%.2f\t%.1f\t%.0f\t%s\t%.3f\t%d\t%d\t\n",
			w.ID, w.Clients, m.Rate, cpu, m.P50, m.P90, m.P99, m.Max, m.Bytes, anon, m.Own, m.Requests, m.Errors)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, w := range r.Workloads {
		if w.Fault != "" {
			fmt.Fprintf(out, "\n%s was not run: %s\n", w.ID, w.Fault)
		}
		for _, f := range w.Median.Faults {
			fmt.Fprintf(out, "\n%s with %d clients: %s\n", w.ID, w.Clients, f)
		}
	}
	if r.Interrupted {
		fmt.Fprintln(out, "\ninterrupted: what is missing was not measured")
	}
	return nil
}

// write writes the report as JSON.
func (r *benchReport) write(path string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
