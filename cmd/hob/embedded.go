package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"

	"gopkg.in/yaml.v3"

	"github.com/hob-fhir/hob/auth/smart"
)

// embedded is what the FILE of --auth says of the authorization server of this server itself. Its users, and clients beside those of the
// file, are kept in the store: hob user, hob client.
type embedded struct {
	Clients string `yaml:"clients"` // a file with a list of them; "": only those in the store
}

// start starts the authorization server. base is the FHIR base as clients see it, and the issuer.
func (e *embedded) start(ctx context.Context, c smart.Config, base string) (*smart.Server, error) {
	var err error
	if c.Base, err = url.Parse(base); err != nil {
		return nil, fmt.Errorf("base %s: %w", base, err)
	}
	if e.Clients != "" {
		if c.Clients, err = readClients(e.Clients); err != nil {
			return nil, err
		}
	}
	return smart.New(ctx, c)
}

// readClients reads a list of clients in YAML or JSON, whose keys are those of client metadata (RFC 7591 section 2).
func readClients(path string) (list []smart.Client, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var any []map[string]any
	if err := yaml.Unmarshal(b, &any); err != nil {
		return nil, fmt.Errorf("%s: %s", path, inWords(err))
	}
	if b, err = json.Marshal(any); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return list, nil
}
