package main

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/hob-fhir/hob/auth"
	"github.com/hob-fhir/hob/auth/smart"
	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// demo are a few records of two patients and a practitioner, one a line.
//
//go:embed demo.ndjson
var demo []byte

// demoRedirects are where the app for development sends users back to: one on the same machine, as examples/smart-app.
var demoRedirects = []string{"http://127.0.0.1:8081/", "http://localhost:8081/"}

// The token that is ready: for all there is, and for the audit, which no * is about.
const (
	demoScope = "system/*.cruds system/AuditEvent.rs"
	readyFor  = 24 * time.Hour
)

// develop is --auth dev: the embedded authorization server with people and an app to try it with, and a token that is ready. None of
// these is stored, and the password is another at each start: nobody gets in by them when the store is used in earnest. The records are put
// into an empty store only.
func develop(ctx context.Context, store *storage.Store, catalog *search.Catalog, base string, log *slog.Logger) (access, error) {
	policy, err := auth.NewPolicy(catalog, auth.Rules{})
	if err != nil {
		return access{}, err
	}
	u, err := url.Parse(base)
	if err != nil {
		return access{}, fmt.Errorf("base %s: %w", base, err)
	}
	if err := seed(ctx, store); err != nil {
		return access{}, fmt.Errorf("records to begin with: %w", err)
	}
	password := strings.ToLower(rand.Text()[:12])
	a := access{}
	a.server, err = smart.New(ctx, smart.Config{
		Store: store, Catalog: catalog, Base: u, Policy: policy, Log: log, Cost: 10,
		Clients: []smart.Client{
			{ID: "demo-app", Name: "Demo app", RedirectURIs: demoRedirects, Scope: smart.AppScope},
			{ID: "demo-token", Secret: rand.Text(), Scope: demoScope}, // of the token that is ready: it ends with this client
		},
		Users: []smart.User{
			{Name: "ada", Display: "Ada Lovelace", FHIRUser: "Patient/demo-ada", Password: password},
			{Name: "grace", Display: "Dr. Grace Hopper", FHIRUser: "Practitioner/demo-grace", Password: password},
		},
	})
	if err != nil {
		return access{}, err
	}
	if a.caller, a.granted, err = callers(policy, []auth.Issuer{a.server.Issuer()}, auth.Options{Log: log}); err != nil {
		return access{}, err
	}
	d := ready{Base: base, Expires: time.Now().Add(readyFor), Password: password}
	if d.Token, err = a.server.Mint(ctx, "demo-token", auth.ParseScopes(demoScope), readyFor); err != nil {
		return access{}, err
	}
	if err := d.write(); err != nil {
		log.Warn("hob token will not find the token of this server", "error", err)
	}
	a.greet = fmt.Sprintf(`
  Try:   curl -H 'Authorization: Bearer %s' '%s/Patient?_pretty=true'

  hob token prints this token again; hob load, check and bench take it by --token.
  People sign in to apps as ada, a patient, or grace, a clinician; their password is %s until this server stops.
  The app that may ask them is demo-app, a public one, answered at %s.
`, d.Token, base, password, strings.Join(demoRedirects, " or "))
	return a, nil
}

// seed puts the records of demo into a store that has none.
func seed(ctx context.Context, store *storage.Store) error {
	empty := true
	err := store.View(ctx, storage.System, func(tx *storage.Tx) error {
		for _, err := range tx.Log(driver.Log{Limit: 1, Bare: true}) {
			empty = false
			return err
		}
		return nil
	})
	if err != nil || !empty {
		return err
	}
	var drafts []storage.Draft
	for body := range bytes.Lines(demo) {
		r, err := fhirmap.Parse(bytes.TrimSpace(body), fhirmap.Limits{})
		if err != nil {
			return err
		}
		d, err := store.Prepare(r.ID(), r)
		if err != nil {
			return err
		}
		drafts = append(drafts, d)
	}
	return store.Update(ctx, storage.System, func(tx *storage.Tx) error {
		for _, d := range drafts {
			if _, err := tx.Put(d, 0); err != nil {
				return err
			}
		}
		return nil
	})
}
