package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/hob-fhir/hob/connect"
)

// tellReport writes a report for people.
func tellReport(w io.Writer, r *connect.Report) {
	would := ""
	if r.DryRun {
		would = " would be"
	}
	took := (time.Duration(r.Millis) * time.Millisecond).String()
	if r.Error != "" {
		fmt.Fprintf(w, "%s: failed after %s: %s\n", r.Source, took, r.Error)
	} else {
		fmt.Fprintf(w, "%s:%s %d created, %d updated, %d unchanged, in %s\n", r.Source, would, r.Created, r.Updated, r.Unchanged, took)
	}
	fmt.Fprintln(w, "\nattempts:")
	t := tabwriter.NewWriter(w, 2, 0, 2, ' ', 0)
	for _, a := range r.Attempts {
		fmt.Fprintln(t, attempted(a))
	}
	t.Flush()
	if len(r.People) > 0 {
		fmt.Fprintln(w, "\npeople:")
	}
	t = tabwriter.NewWriter(w, 2, 0, 2, ' ', 0)
	for _, c := range r.People {
		fmt.Fprintf(t, "  %s\t%s\t%s\n", c.Action, c.Name, c.Reference)
		for _, d := range c.Fields {
			fmt.Fprintf(t, "  \t  %s: %s -> %s\n", d.Field, orNothing(d.Before), orNothing(d.After))
		}
	}
	t.Flush()
	for _, l := range []struct {
		what  string
		lines []string
	}{{"skipped", r.Skipped}, {"collisions", r.Collisions}} {
		if len(l.lines) > 0 {
			fmt.Fprintf(w, "\n%s:\n", l.what)
		}
		for _, line := range l.lines {
			fmt.Fprintf(w, "  %s\n", line)
		}
	}
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// attempted is the line of an attempt.
func attempted(a connect.Attempt) string {
	status := "-"
	if a.Status != 0 {
		status = fmt.Sprint(a.Status)
	}
	return fmt.Sprintf("  %s\t%s\t%d ms\t%s", a.Endpoint, status, a.Millis, a.Outcome)
}

// state is a source and what came of its last run.
type state struct {
	Name  string          `json:"name"`
	Kind  string          `json:"kind"`
	Where string          `json:"where"`
	Every string          `json:"import-every,omitempty"`
	Last  *connect.Report `json:"last,omitempty"`
}

func states(sources connect.Sources, last func(name string) *connect.Report) []state {
	out := make([]state, 0, len(sources))
	for _, s := range sources {
		one := state{Name: s.Name, Kind: s.Kind, Where: s.Where(), Last: last(s.Name)}
		if s.ImportEvery > 0 {
			one.Every = s.ImportEvery.String()
		}
		out = append(out, one)
	}
	return out
}

// listed writes a list of sources.
func listed(w io.Writer, asJSON bool, all []state) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(all)
	}
	t := tabwriter.NewWriter(w, 2, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SOURCE\tKIND\tWHERE\tEVERY\tLAST RUN")
	for _, s := range all {
		last := "never"
		if r := s.Last; r != nil && r.Error != "" {
			last = r.Begun.UTC().Format(time.RFC3339) + " failed: " + r.Error
		} else if r != nil {
			last = fmt.Sprintf("%s %d created, %d updated, %d unchanged", r.Begun.UTC().Format(time.RFC3339), r.Created, r.Updated, r.Unchanged)
		}
		every := s.Every
		if every == "" {
			every = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", s.Name, s.Kind, s.Where, every, last)
	}
	return t.Flush()
}

// parameters is a Parameters resource; parameter one of its parts, with one of the values.
type parameters struct {
	ResourceType string      `json:"resourceType"`
	Parameter    []parameter `json:"parameter,omitempty"`
}

type parameter struct {
	Name      string      `json:"name"`
	String    string      `json:"valueString,omitempty"`
	Code      string      `json:"valueCode,omitempty"`
	Instant   string      `json:"valueInstant,omitempty"`
	Integer   *int        `json:"valueInteger,omitempty"`
	Boolean   *bool       `json:"valueBoolean,omitempty"`
	Reference *reference  `json:"valueReference,omitempty"`
	Part      []parameter `json:"part,omitempty"`
}

type reference struct {
	Reference string `json:"reference"`
}

func whole(name string, n int) parameter { return parameter{Name: name, Integer: &n} }

// texts are those of some values that are not empty.
func texts(pairs ...string) (out []parameter) {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			out = append(out, parameter{Name: pairs[i], String: pairs[i+1]})
		}
	}
	return out
}

// parts tells a report as what an operation answers.
func parts(r *connect.Report) []parameter {
	result := "succeeded"
	if r.Error != "" {
		result = "failed"
	}
	out := append(texts("source", r.Source, "kind", r.Kind),
		parameter{Name: "result", Code: result}, parameter{Name: "dryRun", Boolean: &r.DryRun},
		parameter{Name: "begun", Instant: r.Begun.UTC().Format("2006-01-02T15:04:05.000Z")}, whole("tookMs", int(r.Millis)))
	out = append(out, texts("error", r.Error)...)
	out = append(out, whole("created", r.Created), whole("updated", r.Updated), whole("unchanged", r.Unchanged))
	for _, a := range r.Attempts {
		part := append(texts("endpoint", a.Endpoint, "outcome", a.Outcome), whole("status", a.Status), whole("tookMs", int(a.Millis)))
		out = append(out, parameter{Name: "attempt", Part: part})
	}
	for _, c := range r.People {
		part := append(texts("name", c.Name), parameter{Name: "action", Code: c.Action}, parameter{Name: "reference", Reference: &reference{c.Reference}})
		for _, d := range c.Fields {
			part = append(part, parameter{Name: "field", Part: texts("element", d.Field, "before", d.Before, "after", d.After)})
		}
		out = append(out, parameter{Name: "person", Part: part})
	}
	for name, lines := range map[string][]string{"skipped": r.Skipped, "collision": r.Collisions} {
		for _, line := range lines {
			out = append(out, texts(name, line)...)
		}
	}
	return out
}

// reportOf reads what parts tells.
func reportOf(body []byte) (*connect.Report, error) {
	var p parameters
	if err := json.Unmarshal(body, &p); err != nil || p.ResourceType != "Parameters" {
		return nil, errors.New("the server answers something else than what came of the import")
	}
	return ofParts(p.Parameter), nil
}

func ofParts(ps []parameter) *connect.Report {
	r := &connect.Report{Attempts: []connect.Attempt{}}
	for _, p := range ps {
		n := 0
		if p.Integer != nil {
			n = *p.Integer
		}
		switch p.Name {
		case "source":
			r.Source = p.String
		case "kind":
			r.Kind = p.String
		case "dryRun":
			r.DryRun = p.Boolean != nil && *p.Boolean
		case "begun":
			r.Begun, _ = time.Parse(time.RFC3339, p.Instant)
		case "tookMs":
			r.Millis = int64(n)
		case "error":
			r.Error = p.String
		case "created":
			r.Created = n
		case "updated":
			r.Updated = n
		case "unchanged":
			r.Unchanged = n
		case "skipped":
			r.Skipped = append(r.Skipped, p.String)
		case "collision":
			r.Collisions = append(r.Collisions, p.String)
		case "attempt":
			r.Attempts = append(r.Attempts, attemptOf(p.Part))
		case "person":
			r.People = append(r.People, changeOf(p.Part))
		}
	}
	return r
}

func attemptOf(ps []parameter) (a connect.Attempt) {
	for _, p := range ps {
		switch {
		case p.Name == "endpoint":
			a.Endpoint = p.String
		case p.Name == "outcome":
			a.Outcome = p.String
		case p.Name == "status" && p.Integer != nil:
			a.Status = *p.Integer
		case p.Name == "tookMs" && p.Integer != nil:
			a.Millis = int64(*p.Integer)
		}
	}
	return a
}

func changeOf(ps []parameter) (c connect.Change) {
	for _, p := range ps {
		switch {
		case p.Name == "name":
			c.Name = p.String
		case p.Name == "action":
			c.Action = p.Code
		case p.Name == "reference" && p.Reference != nil:
			c.Reference = p.Reference.Reference
		case p.Name == "field":
			var d connect.Difference
			for _, x := range p.Part {
				switch x.Name {
				case "element":
					d.Field = x.String
				case "before":
					d.Before = x.String
				case "after":
					d.After = x.String
				}
			}
			c.Fields = append(c.Fields, d)
		}
	}
	return c
}

// statesOf reads what $import-sources answers.
func statesOf(body []byte) ([]state, error) {
	var p parameters
	if err := json.Unmarshal(body, &p); err != nil || p.ResourceType != "Parameters" {
		return nil, errors.New("the server answers something else than its sources")
	}
	out := []state{}
	for _, source := range p.Parameter {
		var s state
		for _, x := range source.Part {
			switch x.Name {
			case "name":
				s.Name = x.String
			case "kind":
				s.Kind = x.String
			case "where":
				s.Where = x.String
			case "every":
				s.Every = x.String
			case "last":
				s.Last = ofParts(x.Part)
			}
		}
		out = append(out, s)
	}
	return out, nil
}
