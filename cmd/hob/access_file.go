package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/hob-fhir/hob/auth"
)

// accessFile is what the FILE of --auth says (docs/access.md).
type accessFile struct {
	Issuers  []issuerEntry `yaml:"issuers"`
	Embedded *embedded     `yaml:"embedded"` // the authorization server of this server itself; absent: there is none
	Policy   auth.Rules    `yaml:"policy"`
	Skew     time.Duration `yaml:"skew"`     // between the clocks of issuers and ours
	Remember time.Duration `yaml:"remember"` // how long a token that was verified is not verified again
}

type issuerEntry struct {
	URL        string   `yaml:"url"`
	Audiences  []string `yaml:"audiences"`  // none: the FHIR base
	Algorithms []string `yaml:"algorithms"` // none: all that are safe
	JWKS       string   `yaml:"jwks"`       // "": by discovery
	Claims     struct {
		Scope     string `yaml:"scope"`
		Patient   string `yaml:"patient"`
		Encounter string `yaml:"encounter"`
		FHIRUser  string `yaml:"fhir-user"`
		Roles     string `yaml:"roles"`
		Client    string `yaml:"client"`
	} `yaml:"claims"`
	Introspection *struct {
		URL        string `yaml:"url"` // "": by discovery
		Client     string `yaml:"client"`
		SecretFile string `yaml:"secret-file"`
	} `yaml:"introspection"`
}

// readAccess reads the FILE of --auth, in YAML or JSON. Keys that are not known are refused, by their line.
func readAccess(path string) (*accessFile, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("auth: %w; off, dev or a FILE is what it takes", err)
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	f := &accessFile{}
	if err := d.Decode(f); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %s", path, inWords(err))
	}
	if len(f.Issuers) == 0 && f.Embedded == nil {
		return nil, fmt.Errorf("%s: it names no issuers, and no embedded one; whose tokens are to be believed?", path)
	}
	return f, nil
}

var unknownKey = regexp.MustCompile(`(?m)^  (line \d+): field (\S+) not found in type \S+$`)

// inWords tells what is wrong with a file without the names of our types.
func inWords(err error) string {
	var bad *yaml.TypeError
	if !errors.As(err, &bad) {
		return strings.TrimPrefix(err.Error(), "yaml: ")
	}
	text := unknownKey.ReplaceAllString("  "+strings.Join(bad.Errors, "\n  "), "  $1: $2 is no key")
	return strings.TrimSpace(strings.ReplaceAll(text, "\n  ", "; "))
}

// issuers are those of the file. base is the audience where none is named.
func (f *accessFile) issuers(base string) ([]auth.Issuer, error) {
	var out []auth.Issuer
	for _, e := range f.Issuers {
		i := auth.Issuer{URL: e.URL, Audiences: e.Audiences, Algorithms: e.Algorithms, JWKS: e.JWKS, Claims: auth.Claims(e.Claims)}
		if len(i.Audiences) == 0 {
			i.Audiences = []string{base}
		}
		if in := e.Introspection; in != nil {
			i.Introspection = &auth.Introspection{URL: in.URL, Client: in.Client}
			if in.SecretFile != "" {
				b, err := os.ReadFile(in.SecretFile)
				if err != nil {
					return nil, err
				}
				i.Introspection.Secret = strings.TrimRight(string(b), "\r\n")
			}
		}
		out = append(out, i)
	}
	return out, nil
}

func (f *accessFile) options(log *slog.Logger) auth.Options {
	return auth.Options{Skew: f.Skew, Remember: f.Remember, Log: log}
}
