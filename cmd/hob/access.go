package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/hob-fhir/hob/auth"
	"github.com/hob-fhir/hob/auth/smart"
	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage"
)

// access is who is asked who he is, and how.
type access struct {
	caller func(*http.Request) (server.Caller, error)
	server *smart.Server // the embedded authorization server; nil: there is none
	greet  string        // what a person who starts the server is told; "": nothing more

	granted granted
}

// granted makes anew what a Grant that was kept allows; nil is that of one who was not asked who he is.
type granted func(context.Context, *auth.Grant) (storage.Access, error)

// renew is granted as server.Config.Renew.
func (anew granted) renew(ctx context.Context, grant any) (storage.Access, error) {
	if g, ok := grant.(auth.Grant); ok {
		return anew(ctx, &g)
	}
	return nil, errUnknown
}

// access makes what --auth says. base is the FHIR base as clients see it.
func (s *serve) access(ctx context.Context, store *storage.Store, catalog *search.Catalog, base string, log *slog.Logger) (access, error) {
	switch s.Auth {
	case "off":
		return access{caller: server.Everyone, granted: everything}, nil
	case "dev":
		return develop(ctx, store, catalog, base, log)
	}
	file, err := readAccess(s.Auth)
	if err != nil {
		return access{}, err
	}
	issuers, err := file.issuers(base)
	if err != nil {
		return access{}, fmt.Errorf("%s: %w", s.Auth, err)
	}
	policy, err := auth.NewPolicy(catalog, file.Policy)
	if err != nil {
		return access{}, fmt.Errorf("%s: %w", s.Auth, err)
	}
	var a access
	if file.Embedded != nil {
		if a.server, err = file.Embedded.start(ctx, smart.Config{Store: store, Catalog: catalog, Policy: policy, Log: log}, base); err != nil {
			return access{}, fmt.Errorf("%s: %w", s.Auth, err)
		}
		issuers = append(issuers, a.server.Issuer())
	}
	if a.caller, a.granted, err = callers(policy, issuers, file.options(log)); err != nil {
		return access{}, fmt.Errorf("%s: %w", s.Auth, err)
	}
	return a, nil
}

// everything is what any Grant allows where nobody is asked who he is.
func everything(context.Context, *auth.Grant) (storage.Access, error) { return storage.System, nil }

// errUnknown refuses what was asked for by one who is not known.
var errUnknown = &auth.Refusal{Outcome: fhirmap.Errorf(fhirmap.CodeLogin, "", "it was asked for when nobody was asked who he is; ask for it again")}

// callers makes what asks a request who is asking: a bearer token of one of the issuers says so, and the policy what he may do.
func callers(policy *auth.Policy, issuers []auth.Issuer, o auth.Options) (func(*http.Request) (server.Caller, error), granted, error) {
	verifier, err := auth.NewVerifier(issuers, o)
	if err != nil {
		return nil, nil, err
	}
	anew := func(ctx context.Context, g *auth.Grant) (storage.Access, error) {
		if g == nil {
			return nil, errUnknown
		}
		if err := verifier.Live(ctx, *g); err != nil {
			return nil, err
		}
		return policy.Access(*g)
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
	}, anew, nil
}
