package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/server"
	health "github.com/hob-fhir/hob/server/report"
	"github.com/hob-fhir/hob/storage"
)

// healthReport prints the health summary of a patient.
type healthReport struct {
	Patient string `arg:"" help:"Id of the patient, with Patient/ before it or without."`

	From   string `placeholder:"DATE" help:"First day, month, year or moment of the report. Default: the beginning of the record."`
	To     string `placeholder:"DATE" help:"The last one, which belongs to the report whole. Default: the end of the record."`
	Format string `enum:"text,html,json" default:"text" help:"text for a terminal, html with charts, or json, a FHIR document."`
	Output string `short:"o" placeholder:"FILE" help:"Write to a file. Default: standard output."`

	URL   string `env:"HOB_URL" placeholder:"URL" xor:"from" help:"FHIR base of the server to ask. Default: http://127.0.0.1:8080/fhir."`
	Token string `env:"HOB_TOKEN" placeholder:"TOKEN" help:"Bearer token to send to the server, see hob token."`
	Store string `placeholder:"URL" xor:"from" help:"Read straight from a store that no server has open, as badger:./hob-data."`
	Zone  string `default:"UTC" help:"With --store: the time zone of the server, as of hob serve."`
	Text  bool   `name:"text-search" help:"With --store: the words of all text are indexed, as of hob serve."`
}

func (healthReport) Help() string {
	return `Prints blood pressure, heart rate, body mass index and weight of a range of dates with their mean, median, least, greatest and count, problems, allergies, medications, and the visits of the range. Both ends belong to the range.

Examples:
  hob report 1c9a4e70-6b1d-4a58-8c2f-52d0e7a9b311 --from 2022-01-01 --to 2022-12-31
  hob report Patient/1 --format html -o summary.html`
}

// Run asks a server, or reads a store.
func (c *healthReport) Run(p *process) error {
	id := strings.TrimPrefix(c.Patient, "Patient/")
	if !fhirmap.IsID(id) {
		return fmt.Errorf("%s is no id of a patient", c.Patient)
	}
	body, err := c.read(p, id)
	if err != nil {
		return err
	}
	if c.Output != "" {
		return os.WriteFile(c.Output, body, 0o600) // it is about a person
	}
	_, err = p.out.Write(body)
	return err
}

func (c *healthReport) read(ctx context.Context, id string) ([]byte, error) {
	var query []search.Pair
	for _, p := range []search.Pair{{Name: "start", Value: c.From}, {Name: "end", Value: c.To}} {
		if p.Value != "" {
			query = append(query, p)
		}
	}
	if c.Store != "" {
		return c.local(ctx, id, query)
	}
	values := url.Values{"_format": {c.Format}}
	for _, p := range query {
		values.Set(p.Name, p.Value)
	}
	base := strings.TrimRight(cmp.Or(c.URL, "http://127.0.0.1:8080/fhir"), "/")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/Patient/"+id+"/$health-summary?"+values.Encode(), nil)
	if err != nil {
		return nil, err
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	res, err := (&http.Client{Timeout: 2 * time.Minute}).Do(req)
	if err != nil {
		return nil, fmt.Errorf("no server answers: %w; start one with hob serve, or name another with --url", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 256<<20))
	switch {
	case err != nil:
		return nil, err
	case res.StatusCode == http.StatusUnauthorized:
		return nil, fmt.Errorf("the server wants to know who is asking, give it a --token: %w", answered(res.StatusCode, body))
	case res.StatusCode != http.StatusOK:
		return nil, answered(res.StatusCode, body)
	}
	return body, nil
}

// local reads the summary from a store, as the system.
func (c *healthReport) local(ctx context.Context, id string, query []search.Pair) (body []byte, err error) {
	zone, err := time.LoadLocation(c.Zone)
	if err != nil {
		return nil, fmt.Errorf("zone %s: %w", c.Zone, err)
	}
	o, err := defaultStore(c.Store).open(ctx, slog.New(slog.DiscardHandler), server.IndexingOptions{Share: 1}, search.Options{Zone: zone, Text: c.Text})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, o.Store.Close()) }()
	summary := health.HealthSummary(health.Options{Catalog: o.catalog, Clock: func() time.Time { return time.Now().In(zone) }})
	media := map[string]string{"text": "text/plain", "html": "text/html"}
	err = o.Store.View(ctx, storage.System, func(tx *storage.Tx) error {
		res, err := summary(tx, &server.Request{Method: http.MethodGet, Type: "Patient", ID: id, Query: query, Base: "http://localhost/fhir", Media: media[c.Format]})
		if err == nil {
			body = res.Body
		}
		return err
	})
	return body, err
}
