package main

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/go-jose/go-jose/v4"

	"github.com/hob-fhir/hob/auth/smart"
)

// clients keeps the apps that may ask the embedded authorization server for tokens.
type clients struct {
	Add    clientAdd    `cmd:"" help:"Register an app, or replace its registration."`
	List   clientList   `cmd:"" help:"List the apps."`
	Remove clientRemove `cmd:"" help:"Remove an app and all that it was granted."`
}

func (clients) Help() string {
	return `Apps, and services without users, get tokens from the embedded authorization server. One with --redirect-uri sends users there; one with --jwks or --secret authenticates, and may have system/ scopes; one with neither is public. They are kept in the store, which no server may have open meanwhile.

Examples:
  hob client add growth-chart --redirect-uri https://growth.example/callback
  hob client add warehouse --jwks https://warehouse.example/jwks.json --scope 'system/*.rs'
  hob client add mpi --secret --scope 'system/Patient.cruds'
  hob client list
  hob client remove growth-chart`
}

type clientAdd struct {
	closedStore `embed:""`
	ID          string   `arg:"" help:"The client_id."`
	Name        string   `help:"What the app is called on pages."`
	RedirectURI []string `placeholder:"URI" help:"Where users come back to; exactly so. May be given more than once." sep:"none"`
	Scope       string   `help:"The most that it may be granted. Without it: what apps of users need, or system/*.rs for a service."`
	JWKS        string   `placeholder:"FILE|URL" help:"Its public keys, RS384 or ES384, by which it authenticates (private_key_jwt)."`
	Secret      bool     `help:"Make a secret by which it authenticates, and print it. It is not kept and cannot be shown again."`
	Introspects bool     `help:"It is a resource server: it may ask about the tokens of others."`
}

func (c clientAdd) Run(p *process) error {
	n := smart.Client{ID: c.ID, Name: c.Name, RedirectURIs: c.RedirectURI, Introspects: c.Introspects, Scope: c.Scope}
	if n.Scope == "" {
		n.Scope = cmp.Or(map[bool]string{true: smart.AppScope}[len(c.RedirectURI) > 0], "system/*.rs")
	}
	switch {
	case strings.HasPrefix(c.JWKS, "http://"), strings.HasPrefix(c.JWKS, "https://"):
		n.JWKSURI = c.JWKS
	case c.JWKS != "":
		b, err := os.ReadFile(c.JWKS)
		if err != nil {
			return err
		}
		n.JWKS = new(jose.JSONWebKeySet)
		if err := json.Unmarshal(b, n.JWKS); err != nil {
			return fmt.Errorf("%s is no JWKS: %w", c.JWKS, err)
		}
	}
	if c.Secret {
		n.Secret = rand.Text() + rand.Text()
	}
	return c.with(p, true, func(o *opened) error {
		if err := smart.SaveClient(p, o.Store, n); err != nil {
			return err
		}
		fmt.Fprintf(p.out, "client_id      %s\n", n.ID)
		if n.Secret != "" {
			fmt.Fprintf(p.out, "client_secret  %s\n", n.Secret)
		}
		fmt.Fprintf(p.out, "scope          %s\n", n.Scope)
		return nil
	})
}

type clientList struct {
	closedStore `embed:""`
}

func (c clientList) Run(p *process) error {
	return c.with(p, false, func(o *opened) error {
		list, err := smart.Clients(p, o.Store)
		t := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
		for _, c := range list {
			kind := "public"
			switch {
			case c.SecretDigest != "":
				kind = "secret"
			case c.JWKS != nil || c.JWKSURI != "":
				kind = "keys"
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", c.ID, kind, c.Scope, strings.Join(c.RedirectURIs, " "))
		}
		return errors.Join(err, t.Flush())
	})
}

type clientRemove struct {
	closedStore `embed:""`
	ID          string `arg:"" help:"The client_id."`
}

func (c clientRemove) Run(p *process) error {
	return c.with(p, false, func(o *opened) error { return smart.RemoveClient(p, o.Store, c.ID) })
}
