package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// shapeSize is the page size of the shapes.
const shapeSize = 20

// benchShape is what was measured of one shape. Times are milliseconds of one client that asks alone.
type benchShape struct {
	Name     string   `json:"name"`
	Query    string   `json:"query"` // of the first variant
	Matches  int      `json:"matches"`
	Hits     int      `json:"hits"` // on the page
	Requests int      `json:"requests"`
	CPU      float64  `json:"cpuMillis"` // of the server, per request
	P50      float64  `json:"p50"`
	Max      float64  `json:"max"`
	Rows     int      `json:"rows"` // index rows read, as the server tells; -1 if it does not
	Plan     []string `json:"plan,omitempty"`
	Fault    string   `json:"fault,omitempty"` // what was wrong with an answer
}

// shaped measures every shape: the server explains each variant once, then answers them in turn for --duration.
func (r *benching) shaped(ctx context.Context) error {
	people := make([]person, r.data.patients)
	for i := range people {
		people[i] = r.data.person(i)
	}
	for _, s := range shapes {
		if !r.wanted(s.name) {
			continue
		}
		r.steps.next(s.name)
		m := benchShape{Name: s.name, Rows: -1}
		if err := r.shape(ctx, s, people, &m); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			m.Fault = err.Error()
		}
		r.report.Shapes = append(r.report.Shapes, m)
	}
	return nil
}

// wanted reports whether --workloads names a shape, or none.
func (b *bench) wanted(name string) bool {
	return len(b.Workloads) == 0 || slices.ContainsFunc(b.Workloads, func(w string) bool { return strings.EqualFold(w, name) })
}

func (r *benching) shape(ctx context.Context, s shape, people []person, m *benchShape) error {
	var asks [variants]ask
	for n := range asks {
		v := &variant{dataset: r.data, people: people, n: n}
		sought := s.ask(v)
		typ, nums, id := sought.matches(r.data)
		a, want, err := r.turned(ctx, sought, len(nums))
		if err != nil {
			return err
		}
		ids := make([]string, 0, len(nums))
		for _, i := range nums {
			ids = append(ids, id(i))
		}
		skip := 0
		if want.from > 0 && sought.order != nil {
			skip = want.from
		}
		known := map[string]bool{}
		for _, one := range ids {
			known[one] = true
		}
		a.check = func(a *reply) error {
			return a.part(typ, want.hits, ids[skip:], known, sought.order != nil)
		}
		asks[n] = a
		if n > 0 {
			continue
		}
		m.Query, m.Matches, m.Hits = sought.String(), len(ids), want.hits
		if err := r.ask(ctx, a, false); err != nil {
			return err
		}
		if err := r.explained(ctx, a, m); err != nil {
			return err
		}
	}
	for _, a := range asks { // a warm-up
		if err := r.ask(ctx, a, false); err != nil {
			return err
		}
	}
	before, err := r.server.read()
	if err != nil {
		return err
	}
	var took []time.Duration
	for begun := time.Now(); len(took) < variants || time.Since(begun) < r.Duration; {
		a := asks[len(took)%variants]
		sent := time.Now()
		answer, err := r.send(ctx, a)
		if err != nil {
			return err
		}
		took = append(took, time.Since(sent))
		if len(took) <= variants {
			if err := a.check(answer); err != nil {
				return fmt.Errorf("%s: %w", answer.asked, err)
			}
		}
	}
	after, err := r.server.read()
	if err != nil {
		return err
	}
	slices.Sort(took)
	m.Requests, m.CPU = len(took), millis(after.cpu-before.cpu)/float64(len(took))
	m.P50, m.Max = millis(took[len(took)/2]), millis(took[len(took)-1])
	return nil
}

// turned is the request of a search, after its pages were turned as far as it wants; and which of the matches it must then show.
func (r *benching) turned(ctx context.Context, s sought, matches int) (a ask, want struct{ from, hits int }, err error) {
	path := "/" + s.query
	switch {
	case s.form != "":
		a = ask{method: http.MethodPost, path: path, body: []byte(s.form)}
	case s.count:
		a = get(path, nil)
	default:
		a = get(path+fmt.Sprint("&_count=", shapeSize), nil)
	}
	want.hits = min(shapeSize, matches)
	if s.count {
		want.hits = 0
	}
	for turned := 0; s.page < 0 || turned < s.page; turned++ {
		answer, err := r.send(ctx, a)
		if err != nil {
			return a, want, err
		}
		f, err := answer.resource()
		if err != nil {
			return a, want, err
		}
		next := f.link("next")
		if next == "" {
			if s.page < 0 || matches <= (turned+1)*shapeSize {
				break
			}
			return a, want, fmt.Errorf("page %d has no next; there are %d matches", turned+1, matches)
		}
		at, err := url.Parse(next)
		if err != nil {
			return a, want, err
		}
		own, _ := url.Parse(r.base)
		a = get(strings.TrimPrefix(at.RequestURI(), own.Path), nil)
		want.from += shapeSize
		want.hits = min(shapeSize, matches-want.from)
	}
	return a, want, nil
}

// explained asks how a search is answered. A server that does not tell is measured all the same.
func (r *benching) explained(ctx context.Context, a ask, m *benchShape) error {
	mark := "?"
	if strings.Contains(a.path, "?") {
		mark = "&"
	}
	a.path += mark + "__explain=true"
	answer, err := r.send(ctx, a)
	if err != nil || answer.status != http.StatusOK {
		return err
	}
	var e struct {
		Plan []struct {
			Step       string
			Rows, Hits int
			Micros     float64
		}
		Rows int
	}
	if json.Unmarshal(answer.body, &e) != nil || len(e.Plan) == 0 {
		return nil
	}
	m.Rows = e.Rows
	for _, s := range e.Plan {
		m.Plan = append(m.Plan, fmt.Sprintf("%s: %d rows, %d hits, %.2f ms", s.Step, s.Rows, s.Hits, s.Micros/1000))
	}
	return nil
}

// shapeTable writes what was measured.
func (r *benchReport) shapeTable(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "matches\trows read\tCPU-ms\tp50 ms\tmax ms\trequests\t  shape")
	for _, s := range r.Shapes {
		rows, cpu := "-", "-"
		if s.Rows >= 0 {
			rows = fmt.Sprint(s.Rows)
		}
		if len(r.PIDs) > 0 {
			cpu = fmt.Sprintf("%.2f", s.CPU)
		}
		if s.Fault != "" {
			fmt.Fprintf(t, "%d\t%s\twrong\t\t\t\t  %s\n", s.Matches, rows, s.Name)
			continue
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%.2f\t%.2f\t%d\t  %s\n", s.Matches, rows, cpu, s.P50, s.Max, s.Requests, s.Name)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, s := range r.Shapes {
		if s.Fault != "" {
			fmt.Fprintf(out, "\n%s: %s: %s\n", s.Name, s.Query, s.Fault)
		}
	}
	return nil
}
