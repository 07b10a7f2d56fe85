package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// explanation is what a search answers to __explain=true instead of its hits: how its parameters were translated into lookups, and what
// was done to answer them. The search runs for real, under the same limits as without.
//
// Of a caller whose access is narrowed only the translation is told. Which part drove, whether anything was left to be asked and how
// many rows were read follow from records beyond the access as much as from those within.
type explanation struct {
	Search     string            `json:"search"` // as understood
	Type       string            `json:"type"`
	Parameters []explainedClause `json:"parameters"`
	Query      string            `json:"query"`
	Tree       search.Node       `json:"tree"`
	Sort       []explainedOrder  `json:"sort,omitempty"`
	Count      int               `json:"count"`
	Narrowed   bool              `json:"narrowed"`          // the caller's access was added to the query; the plan is not told
	Plan       []explainedStep   `json:"plan,omitempty"`    // in the order taken; steps do not overlap
	Rows       int               `json:"rows,omitempty"`    // read in all steps
	Micros     float64           `json:"micros,omitempty"`  // in all steps
	Hits       int               `json:"hits"`              // of the first page
	More       bool              `json:"more"`              // there are further pages
	Total      *int              `json:"total,omitempty"`   // as a search would tell it
	Stopped    string            `json:"stopped,omitempty"` // why the search did not come to its end
}

// explainedClause is one parameter as written, and what it asks for.
type explainedClause struct {
	Name  string      `json:"name"`
	Value string      `json:"value"`
	Query string      `json:"query"`
	Tree  search.Node `json:"tree"`
}

type explainedOrder struct {
	Field      string `json:"field"`
	Descending bool   `json:"descending,omitempty"`
}

type explainedStep struct {
	For    string  `json:"for"` // page or total
	Step   string  `json:"step"`
	Rows   int     `json:"rows"` // read
	Hits   int     `json:"hits"` // records left after it
	Micros float64 `json:"micros"`
}

// explaining takes __explain out of a query.
func (r *Request) explaining(query []search.Pair) ([]search.Pair, error) {
	rest := query[:0]
	for _, p := range query {
		if p.Name != "__explain" {
			rest = append(rest, p)
			continue
		}
		if p.Value != "true" && p.Value != "false" {
			return nil, fhirmap.Errorf(fhirmap.CodeValue, "http.__explain", "__explain=%s is no boolean; say true or false", clip(p.Value))
		}
		r.explain = p.Value == "true"
	}
	return rest, nil
}

// shapeExplained chooses the media type of an explanation, which is no FHIR.
func (r *Request) shapeExplained(m *media, format string) {
	switch {
	case !r.explain:
	case format == "text":
		m.kind, r.asText = plainType, true
	case m.kind != plainType:
		m.kind = "application/json"
	}
}

// explained runs a search and tells how.
func explained(c *Config, tx *storage.Tx, r *Request, s *search.Search, find driver.Find, at place, is verdict) (*Response, error) {
	e, err := explanationOf(c, tx, s, find, at, is)
	if err != nil {
		return nil, err
	}
	body := e.text()
	if !r.asText {
		body, err = encoded(e)
	}
	return &Response{Status: http.StatusOK, Body: body}, err
}

// explainedEach does so for a search over several types: what each of them costs by itself. Types that the caller may not search are left
// out, as the search does.
func explainedEach(c *Config, tx *storage.Tx, r *Request, searches []*search.Search, find func(*search.Search) driver.Find) (*Response, error) {
	var each struct {
		Types []*explanation `json:"types"`
	}
	var text []byte
	for _, s := range searches {
		one := find(s)
		one.Limit = s.Count + 1
		e, err := explanationOf(c, tx, s, one, start, nil)
		if errors.Is(err, storage.ErrForbidden) {
			continue
		}
		if err != nil {
			return nil, err
		}
		each.Types = append(each.Types, e)
		text = append(append(text, e.text()...), '\n')
	}
	body, err := text, error(nil)
	if !r.asText {
		body, err = encoded(each)
	}
	return &Response{Status: http.StatusOK, Body: body}, err
}

func encoded(v any) ([]byte, error) {
	var b bytes.Buffer
	j := json.NewEncoder(&b)
	j.SetEscapeHTML(false)
	err := j.Encode(v)
	return b.Bytes(), err
}

func explanationOf(c *Config, tx *storage.Tx, s *search.Search, find driver.Find, at place, is verdict) (*explanation, error) {
	e := &explanation{
		Search: s.Type + "?" + encode(s.Self), Type: s.Type, Parameters: []explainedClause{},
		Query: c.Catalog.Explain(s.Type, s.Where), Tree: c.Catalog.Tree(s.Type, s.Where), Count: s.Count,
	}
	for _, p := range s.Clauses {
		e.Parameters = append(e.Parameters, explainedClause{p.Name, p.Value, c.Catalog.Explain(s.Type, p.Query), c.Catalog.Tree(s.Type, p.Query)})
	}
	for _, o := range s.Sort {
		e.Sort = append(e.Sort, explainedOrder{o.Field, o.Desc})
	}
	var err error
	if e.Narrowed, err = tx.Narrowed(find); err != nil {
		return nil, err
	}
	page, total := &driver.Trace{}, &driver.Trace{}
	err = e.run(c, tx, s, find, at, is, page, total)
	if errors.Is(err, driver.ErrTooCostly) {
		e.Stopped, err = err.Error(), nil
	}
	if err != nil {
		return nil, err
	}
	e.add("page", page)
	e.add("total", total)
	return e, nil
}

// run does what the search would, without keeping the hits.
func (e *explanation) run(c *Config, tx *storage.Tx, s *search.Search, find driver.Find, at place, is verdict, page, total *driver.Trace) error {
	find.Trace = page
	if s.Count > 0 {
		for _, err := range is.find(tx, find) {
			if err != nil {
				return err
			}
			e.Hits++
		}
	}
	if e.More = e.Hits > s.Count; e.More {
		e.Hits = s.Count
	}
	find.Trace = total
	n, err := totalOf(tx, c, s, find, at, e.Hits, s.Count > 0 && !e.More && at.after == "", is)
	if err == nil && n >= 0 {
		e.Total = &n
	}
	return err
}

// add takes over the steps of a trace; those of a narrowed search were never told.
func (e *explanation) add(purpose string, t *driver.Trace) {
	for _, s := range t.Steps {
		e.Plan = append(e.Plan, explainedStep{purpose, s.Do, s.Rows, s.Hits, micros(s.Time)})
		e.Rows += s.Rows
		e.Micros += micros(s.Time)
	}
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()/100) / 10 }

// text is the explanation for a terminal.
func (e *explanation) text() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n\n", e.Search)
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, p := range e.Parameters {
		fmt.Fprintf(t, "%s=%s\t%s\n", p.Name, oneLine(p.Value), p.Query)
	}
	t.Flush()
	fmt.Fprintf(&b, "\nquery  %s\n", e.Query)
	if len(e.Sort) > 0 {
		keys := make([]string, len(e.Sort))
		for i, o := range e.Sort {
			keys[i] = o.Field
			if o.Field == "" {
				keys[i] = "id"
			}
			if o.Descending {
				keys[i] += " downward"
			}
		}
		fmt.Fprintf(&b, "sort   %s\n", strings.Join(keys, ", "))
	}
	b.WriteByte('\n')
	if e.Narrowed {
		b.WriteString("Your access narrows this search. The plan is not told, as it depends on what you may not see.\n")
	} else {
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(t, "rows read\thits\tms\t for\t  step")
		for _, s := range e.Plan {
			fmt.Fprintf(t, "%d\t%d\t%.3f\t %s\t  %s\n", s.Rows, s.Hits, s.Micros/1000, s.For, s.Step)
		}
		fmt.Fprintf(t, "%d\t%d\t%.3f\t\t  all\n", e.Rows, e.Hits, e.Micros/1000)
		t.Flush()
	}
	fmt.Fprintf(&b, "\n%d on this page", e.Hits)
	if e.More {
		b.WriteString(", and there are more")
	}
	if e.Total != nil {
		fmt.Fprintf(&b, "; %d in total", *e.Total)
	}
	b.WriteByte('\n')
	if e.Stopped != "" {
		fmt.Fprintf(&b, "stopped: %s\n", e.Stopped)
	}
	return b.Bytes()
}

// oneLine keeps what a client wrote from breaking the table.
func oneLine(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return '?'
		}
		return c
	}, s)
}
