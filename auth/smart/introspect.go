package smart

import (
	"context"
	"errors"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/hob-fhir/hob/storage"
)

// Introspect tells an authenticated client about a token (RFC 7662, SMART App Launch 2.2, token introspection): of its own tokens, and
// a resource server of all. Of any other it learns as much as of one that is not good: {"active":false}.
func (p provider) Introspect(ctx context.Context, r *op.Request[op.IntrospectionRequest]) (*op.Response, error) {
	found, err := p.VerifyClient(ctx, &op.Request[op.ClientCredentials]{Method: r.Method, URL: r.URL, Header: r.Header, Form: r.Form, Data: r.Data.ClientCredentials})
	if err != nil {
		return nil, err
	}
	client := found.(registered)
	if client.public() {
		return nil, badClient("a public client cannot ask about tokens")
	}
	body, owner, err := p.about(ctx, r.Data.Token)
	if err != nil {
		return nil, p.told(ctx, err)
	}
	if body == nil || owner != client.ID && !client.Introspects {
		body = map[string]any{"active": false}
	}
	return op.NewResponse(body), nil
}

// about is what there is to know of a token that is good, and whose it is; nil of any other.
func (s *Server) about(ctx context.Context, token string) (map[string]any, string, error) {
	if family, secret, ok := strings.Cut(token, "."); ok && !strings.Contains(secret, ".") {
		return s.aboutRefresh(ctx, family, secret)
	}
	c, err := s.read(ctx, token)
	if errors.Is(err, errToken) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	body := map[string]any{
		"active": true, "token_type": "Bearer", "iss": c.Issuer, "sub": c.Subject, "aud": c.Audience, "jti": c.ID, "scope": c.Scope,
		"exp": c.Expiry, "iat": c.IssuedAt, "nbf": c.NotBefore,
	}
	for name, value := range map[string]string{"client_id": c.Client, "patient": c.Patient, "encounter": c.Encounter, "fhirUser": c.FHIRUser} {
		if value != "" {
			body[name] = value
		}
	}
	return body, c.Client, nil
}

func (s *Server) aboutRefresh(ctx context.Context, family, secret string) (map[string]any, string, error) {
	var a authorization
	err := s.Store.View(ctx, storage.System, func(tx *storage.Tx) (err error) {
		a, _, err = s.standing(tx, digest(family))
		return err
	})
	if errors.Is(err, errEnded) || err == nil && (a.Refresh == "" || !same(digest(secret), a.Refresh)) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	body := map[string]any{
		"active": true, "iss": s.base, "sub": a.Subject, "client_id": a.Client, "scope": a.Scopes.String(),
		"exp": seconds(a.Expires), "iat": seconds(a.Used),
	}
	for name, value := range map[string]string{"patient": a.Launch.Patient, "encounter": a.Launch.Encounter, "fhirUser": s.absolute(a.FHIRUser)} {
		if value != "" {
			body[name] = value
		}
	}
	return body, a.Client, nil
}
