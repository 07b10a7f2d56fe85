package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/hob-fhir/hob/fhirmap"
)

// report tells what became of the items: lines in a file, one per item that was refused, and a table by reason at the end.
type report struct {
	tally
	w       *bufio.Writer // nil: no file
	f       *os.File
	size    int64 // bytes in the file
	reasons map[string]*reason
}

// reason is why items were refused, with one of them as example.
type reason struct {
	code, expression string
	count            int64
	source           string
	text             string
}

// openReport begins a report; "" is without a file. A run that is resumed goes on where the mark is.
func openReport(path string, from mark) (*report, error) {
	r := &report{tally: from.tally, reasons: map[string]*reason{}}
	if path == "" {
		return r, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	r.f, r.w, r.size = f, bufio.NewWriter(f), from.Report
	if err := f.Truncate(r.size); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	_, err = f.Seek(r.size, io.SeekStart)
	return r, err
}

// line is one refused item in the file.
type line struct {
	Entry  int64   `json:"entry"`
	Source string  `json:"source"`
	Index  int     `json:"index"`
	Type   string  `json:"type,omitempty"`
	ID     string  `json:"id,omitempty"`
	Issues []issue `json:"issues"`
}

type issue struct {
	Severity    string `json:"severity"`
	Code        string `json:"code"`
	Expression  string `json:"expression,omitempty"`
	Diagnostics string `json:"diagnostics,omitempty"`
}

// settle counts an item, and tells of it if it was refused.
func (r *report) settle(it *item) error {
	r.count(it)
	if it.refused != nil {
		return r.refuse(it)
	}
	return nil
}

// most is how many reasons are told apart; the rest are counted together.
const most = 200

// instance is an index in an expression: it does not make another reason.
var instance = regexp.MustCompile(`\[\d+\]`)

func (r *report) refuse(it *item) error {
	l := line{Entry: it.Entry, Source: it.Source, Index: it.Index, Type: it.typ, ID: it.id}
	for _, is := range it.refused.Issues {
		l.Issues = append(l.Issues, issue{cmp.Or(is.Severity, "error"), string(is.Code), is.Expression, is.Diagnostics})
	}
	if len(l.Issues) > 0 {
		first := l.Issues[0]
		if i := slices.IndexFunc(l.Issues, func(i issue) bool { return i.Severity == "error" || i.Severity == "fatal" }); i >= 0 {
			first = l.Issues[i]
		}
		at := instance.ReplaceAllString(first.Expression, "")
		key := first.Code + " " + at
		if r.reasons[key] == nil {
			if len(r.reasons) >= most {
				key, at = "", ""
				first = issue{Code: "other", Diagnostics: "further reasons, see --report"}
			}
		}
		if r.reasons[key] == nil {
			r.reasons[key] = &reason{first.Code, at, 0, it.Source, first.Diagnostics}
		}
		r.reasons[key].count++
	}
	if r.w == nil {
		return nil
	}
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	n, err := r.w.Write(append(b, '\n'))
	r.size += int64(n)
	return err
}

// flush makes the file as long as what was settled, before a mark says that it is.
func (r *report) flush() error {
	if r.w == nil {
		return nil
	}
	return r.w.Flush()
}

func (r *report) close() error {
	if r.f == nil {
		return nil
	}
	return errors.Join(r.w.Flush(), r.f.Close())
}

// summary writes what became of the items.
func (r *report) summary(w io.Writer, took time.Duration, now int64) {
	fmt.Fprintf(w, "loaded %d, refused %d, skipped %d in %s (%.0f/s)\n",
		r.Loaded, r.Refused, r.Skipped, took.Round(time.Millisecond), float64(now)/max(took.Seconds(), 1e-3))
	list := make([]*reason, 0, len(r.reasons))
	for _, x := range r.reasons {
		list = append(list, x)
	}
	slices.SortFunc(list, func(a, b *reason) int {
		return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.code, b.code), cmp.Compare(a.expression, b.expression))
	})
	if len(list) == 0 {
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nrefused\tcode\tat\tfor example")
	const shown = 25
	for i, x := range list {
		if i == shown {
			fmt.Fprintf(t, "and %d further reasons\t\t\t\n", len(list)-shown)
			break
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s: %s\n", x.count, x.code, clip(x.expression, 40), base(x.source), clip(x.text, 160))
	}
	t.Flush()
}

// base is the last part of the name of a source.
func base(source string) string { return source[strings.LastIndexAny(source, "/!")+1:] }

// clip keeps a text on one line of a terminal.
func clip(s string, n int) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// progress tells how far a load is: a bar on a terminal, else a line in the log now and then.
type progress struct {
	bar   *progressbar.ProgressBar
	log   *slog.Logger
	begun time.Time
	said  time.Time
}

// every is how often the log tells of a load.
const every = 10 * time.Second

func newProgress(w *os.File, total int64, log *slog.Logger) *progress {
	p := &progress{log: log, begun: time.Now(), said: time.Now()}
	if isTerminal(w) {
		p.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(w), progressbar.OptionShowBytes(true),
			progressbar.OptionUseIECUnits(true), progressbar.OptionFullWidth(), progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionSetRenderBlankState(true), progressbar.OptionClearOnFinish(), progressbar.OptionSetElapsedTime(false))
	}
	return p
}

// tell says how much was read and settled.
func (p *progress) tell(read, total int64, t tally, now int64) {
	rate := float64(now) / max(time.Since(p.begun).Seconds(), 1e-3)
	if p.bar != nil {
		p.bar.Describe(fmt.Sprintf("%d loaded, %d refused, %.0f/s", t.Loaded, t.Refused, rate))
		p.bar.Set64(read)
		return
	}
	if time.Since(p.said) < every {
		return
	}
	p.said = time.Now()
	attrs := []any{"loaded", t.Loaded, "refused", t.Refused, "skipped", t.Skipped, "rate", int(rate), "read", size(read).human()}
	if total > 0 {
		attrs = append(attrs, "of", size(total).human())
	}
	p.log.Info("loading", attrs...)
}

func (p *progress) end() {
	if p.bar != nil {
		p.bar.Finish()
	}
}

// outcome reads an OperationOutcome; nil if the text is none.
func outcome(body []byte) *fhirmap.Outcome {
	var in struct {
		ResourceType string `json:"resourceType"`
		Issue        []struct {
			Severity, Code, Diagnostics string
			Details                     struct{ Text string }
			Expression, Location        []string
		} `json:"issue"`
	}
	if json.Unmarshal(body, &in) != nil || in.ResourceType != "OperationOutcome" || len(in.Issue) == 0 {
		return nil
	}
	o := &fhirmap.Outcome{}
	for _, i := range in.Issue {
		o.Issues = append(o.Issues, fhirmap.Issue{
			Severity: i.Severity, Code: fhirmap.Code(i.Code), Diagnostics: cmp.Or(i.Diagnostics, i.Details.Text),
			Expression: strings.Join(append(i.Expression, i.Location...), ", "),
		})
	}
	return o
}
