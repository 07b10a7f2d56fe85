package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/hob-fhir/hob/auth"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage"
)

// access is who is asked who he is, and how.
type access struct {
	caller func(*http.Request) (server.Caller, error)
	front  func(http.Handler) http.Handler // what answers before the FHIR API; nil: nothing does
}

// access makes what --auth says. base is the FHIR base as clients see it.
func (s *serve) access(ctx context.Context, store *storage.Store, catalog *search.Catalog, base string, log *slog.Logger) (access, error) {
	switch s.Auth {
	case "off", "dev": // dev is the embedded authorization server, which is not built yet
		return access{caller: server.Everyone}, nil
	}
	file, err := readAccess(s.Auth)
	if err != nil {
		return access{}, err
	}
	issuers, err := file.issuers(base)
	if err != nil {
		return access{}, fmt.Errorf("%s: %w", s.Auth, err)
	}
	caller, err := callers(catalog, issuers, file.Policy, file.options(log))
	if err != nil {
		return access{}, fmt.Errorf("%s: %w", s.Auth, err)
	}
	return access{caller: caller}, nil
}

// callers makes what asks a request who is asking: a bearer token of one of the issuers says so, and the policy what he may do.
func callers(catalog *search.Catalog, issuers []auth.Issuer, rules auth.Rules, o auth.Options) (func(*http.Request) (server.Caller, error), error) {
	verifier, err := auth.NewVerifier(issuers, o)
	if err != nil {
		return nil, err
	}
	policy, err := auth.NewPolicy(catalog, rules)
	if err != nil {
		return nil, err
	}
	return func(r *http.Request) (server.Caller, error) {
		token, err := auth.Bearer(r)
		if err != nil {
			return server.Caller{}, err
		}
		g, err := verifier.Verify(r.Context(), token)
		if err != nil {
			return server.Caller{}, err
		}
		// Who it was is told with a refusal too, for the audit.
		c := server.Caller{Subject: g.Caller(), User: g.FHIRUser, Client: g.Client, Grant: g}
		c.Access, err = policy.Access(g)
		return c, err
	}, nil
}
