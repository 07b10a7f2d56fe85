package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"
)

// forward tells how deliveries go, and has dead letters sent again.
type forward struct {
	URL    string `env:"HOB_URL" default:"http://127.0.0.1:8080/fhir" placeholder:"URL" help:"FHIR base of the server that forwards."`
	Token  string `env:"HOB_TOKEN" placeholder:"TOKEN" help:"Bearer token to ask with."`
	Replay bool   `help:"Send dead letters again, as their resources are now."`
	Feed   string `placeholder:"NAME" help:"With --replay: those of one feed alone, as Subscription/1 or forward/reports."`
	JSON   bool   `name:"json" help:"Print what the server answers."`
}

func (forward) Help() string {
	return `Shows how far the destinations of hob serve --forward are, and lists the dead letters: resources that a receiver, of a destination or of a Subscription, has refused for good. The exit code is 2 if there are any.

Examples:
  hob forward
  hob forward --replay --feed forward/reports
  hob forward --url https://ehr.example/fhir --json`
}

// told is a part of a Parameters resource.
type told struct {
	Name         string
	ValueString  string
	ValueURI     string `json:"valueUri"`
	ValueInteger int
	ValueInstant string
	ValueBoolean bool
	Part         []told
}

func (t told) of(name string) (out told) {
	for _, p := range t.Part {
		if p.Name == name {
			return p
		}
	}
	return out
}

// Run asks the server.
func (f *forward) Run(p *process) error {
	if f.Feed != "" && !f.Replay {
		return errors.New("--feed says whose letters are sent again; it goes with --replay")
	}
	method, path, body := http.MethodGet, "/$forwarding", []byte(nil)
	if f.Replay {
		method, path = http.MethodPost, "/$forwarding-replay"
		if f.Feed != "" {
			body, _ = json.Marshal(map[string]any{"resourceType": "Parameters", "parameter": []map[string]string{{"name": "feed", "valueString": f.Feed}}})
		}
	}
	answer, err := f.ask(p, method, path, body)
	if err != nil {
		return err
	}
	if f.JSON {
		_, err := p.out.Write(append(answer, '\n'))
		return err
	}
	var all struct{ Parameter []told }
	if err := json.Unmarshal(answer, &all); err != nil {
		return fmt.Errorf("%s answers what is no Parameters resource", f.URL)
	}
	if f.Replay {
		for _, t := range all.Parameter {
			fmt.Fprintf(p.out, "%d dead letters are sent again\n", t.ValueInteger)
		}
		return nil
	}
	return list(p.out, all.Parameter)
}

// list prints destinations and letters as tables.
func list(out io.Writer, all []told) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	letters, head := 0, ""
	for _, t := range all {
		switch t.Name {
		case "destination":
			if head != t.Name {
				head = t.Name
				fmt.Fprintln(w, "DESTINATION\tURL\tSENT\tBEHIND\tTROUBLE")
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\n", t.of("name").ValueString, t.of("url").ValueURI, t.of("sent").ValueInteger, t.of("behind").ValueInteger, t.of("trouble").ValueString)
		case "letter":
			if head != t.Name {
				head = t.Name
				fmt.Fprintln(w, "FEED\tRESOURCE\tVERSION\tSINCE\tREASON")
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", t.of("feed").ValueString, t.of("resource").ValueString, t.of("version").ValueString, t.of("at").ValueInstant, t.of("reason").ValueString)
		case "letters":
			letters = t.ValueInteger
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d dead letters\n", letters)
	if letters > 0 {
		return exit(2)
	}
	return nil
}

func (f *forward) ask(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	u, err := url.Parse(f.URL)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("url %s: a FHIR base is needed, as http://127.0.0.1:8080/fhir", f.URL)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(f.URL, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/fhir+json")
	if body != nil {
		req.Header.Set("Content-Type", "application/fhir+json")
	}
	if f.Token != "" {
		req.Header.Set("Authorization", "Bearer "+f.Token)
	}
	res, err := (&http.Client{Timeout: time.Minute}).Do(req)
	if err != nil {
		return nil, fmt.Errorf("no server answers: %w", lost(ctx, err))
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s%s: %w", masked(f.URL), path, answered(res.StatusCode, answer))
	}
	return answer, err
}
