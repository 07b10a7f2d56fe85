package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/hob-fhir/hob/auth"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/server/subscribe"
	"github.com/hob-fhir/hob/storage"
)

// forwardKeys are about what is sent to others.
type forwardKeys struct {
	Destinations []string      `placeholder:"HOST,..." help:"Hosts and networks that Subscriptions may send to: ehr.example, *.ehr.example, 10.1.0.0/16; a lone * is every host with a public address. Addresses that are not public are never sent to unless a network here holds them. Without it: this machine where auth is off or dev, else none."`
	Forward      string        `placeholder:"FILE" help:"Forward what is stored to other FHIR servers, which the YAML or JSON file names, see docs/forwarding.md."`
	Patience     time.Duration `default:"24h" help:"How long the receiver of a Subscription may fail before the Subscription is given up: its status is error then."`
	Pause        time.Duration `default:"500ms" help:"From the first failure of a receiver to the next try; it is doubled after each, up to five minutes."`
}

// forwardFile is what the FILE of --forward says.
type forwardFile struct {
	Destinations []destinationEntry `yaml:"destinations"`
}

type destinationEntry struct {
	Name      string        `yaml:"name"`
	URL       string        `yaml:"url"`
	Criteria  []string      `yaml:"criteria"`
	Interval  time.Duration `yaml:"interval"`
	TokenFile string        `yaml:"token-file"`
}

// readForward reads the FILE of --forward. Keys that are not known are refused, by their line.
func readForward(path string) ([]subscribe.Destination, error) {
	if path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("forward: %w", err)
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	var f forwardFile
	if err := d.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %s", path, inWords(err))
	}
	if len(f.Destinations) == 0 {
		return nil, fmt.Errorf("%s: it names no destinations", path)
	}
	var out []subscribe.Destination
	for _, e := range f.Destinations {
		out = append(out, subscribe.Destination{Name: e.Name, URL: e.URL, Criteria: e.Criteria, Interval: e.Interval, TokenFile: e.TokenFile})
	}
	return out, nil
}

// outbox makes what delivers.
func (s *serve) outbox(store *storage.Store, catalog *search.Catalog, granted func(context.Context, *auth.Grant) (storage.Access, error), log *slog.Logger) (*subscribe.Outbox, error) {
	k := s.ForwardKeys
	allow, err := subscribe.ParseAllow(k.Destinations)
	if err != nil {
		return nil, fmt.Errorf("destinations: %w", err)
	}
	if len(k.Destinations) == 0 && (s.Auth == "off" || s.Auth == "dev") {
		allow = subscribe.Loopback()
	}
	to, err := readForward(k.Forward)
	if err != nil {
		return nil, err
	}
	o, err := subscribe.New(subscribe.Config{
		Store: store, Catalog: catalog, Access: granted, Allow: allow, Destinations: to, Source: s.Base, Patience: k.Patience, Pause: k.Pause, Log: log,
	})
	if err != nil && k.Forward != "" {
		err = fmt.Errorf("%s: %w", k.Forward, err)
	}
	return o, err
}
