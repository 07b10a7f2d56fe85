package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/hob-fhir/hob/storage/backends"
)

// check reads a whole store, or tests a server: see check_server.go.
type check struct {
	URL   string `arg:"" optional:"" help:"FHIR base of the server to test, as https://ehr.example/fhir."`
	Store string `placeholder:"URL" help:"The store to verify, as badger:DIR. No server may have it open."`

	Match string `placeholder:"REGEXP" help:"Run only the scripts whose name matches, as ^search-."`
	Token string `env:"HOB_TOKEN" help:"Bearer token to send to the server."`
}

func (check) Help() string {
	return `With --store it reads the whole store and prints every broken invariant of its layout: records without their rows, rows without their record, gaps in the log, counters that do not agree. Nothing is changed. The exit code is 0 if the store is sound and 1 if not.

With the base of a FHIR R4 server, of Hob or any other, it runs scripts against it over HTTP and prints a table of what passed, what failed and what is not offered, with the section of the specification each is about. The scripts write resources of their own, search only among these, and delete them. The exit code is 0 if nothing failed that is required, or offered, and 1 otherwise.

Examples:
  hob check --store badger:./hob-data
  hob check http://127.0.0.1:8080/fhir
  hob check https://ehr.example/fhir --match '^(create|search-date)/'`
}

// Validate wants one of the two forms.
func (c check) Validate() error {
	switch {
	case c.URL == "" && c.Store == "":
		return errors.New("what to check is missing: a FHIR base such as http://127.0.0.1:8080/fhir, or --store badger:DIR")
	case c.URL != "" && c.Store != "":
		return errors.New("check a server or a --store, not both at once")
	case c.Store != "" && c.Match != "":
		return errors.New("--match is of scripts for a server; a store is checked as a whole")
	}
	return nil
}

func (c check) Run(p *process) error {
	if c.URL != "" {
		return c.server(p)
	}
	return c.store(p)
}

// store verifies every invariant of a store.
func (c check) store(p *process) error {
	if dir, ok := strings.CutPrefix(c.Store, "badger:"); ok {
		if _, err := os.Stat(strings.TrimPrefix(dir, "//")); err != nil { // opening would make an empty store
			return fmt.Errorf("store %s: %w", masked(c.Store), err)
		}
	}
	var o backends.Options
	o.Badger.Log = logger(p.err, "auto", slog.LevelWarn)
	b, err := backends.Open(c.Store, o)
	if err != nil {
		return err
	}
	defer b.Close()
	n := 0
	for problem, err := range b.Check(p) {
		if err != nil {
			return fmt.Errorf("check of %s: %w", masked(c.Store), err)
		}
		n++
		fmt.Fprintln(p.out, problem)
	}
	if n > 0 {
		fmt.Fprintf(p.err, "hob: %s has %d broken invariants; restore it from a backup, or export what can be read\n", masked(c.Store), n)
		return exit(1)
	}
	fmt.Fprintf(p.out, "%s is sound\n", masked(c.Store))
	return nil
}
