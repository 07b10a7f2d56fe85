package smart

import (
	"context"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/hob-fhir/hob/auth"
)

// ClientCredentialsExchange gives a backend service a token of its own (SMART App Launch 2.2, backend services). No user is asked: the
// scopes are those that it was registered for.
func (p provider) ClientCredentialsExchange(ctx context.Context, r *op.ClientRequest[oidc.ClientCredentialsRequest]) (*op.Response, error) {
	client := r.Client.(registered)
	scopes := p.offered(r.Form.Get("scope"), client.Client).forService()
	if len(scopes) == 0 {
		return nil, refusal(oidc.ErrInvalidScope(), "none of the scopes may be granted to this client without a user")
	}
	now := p.Clock()
	life := p.Lifetimes.Backend
	if client.Lifetime > 0 {
		life = time.Duration(client.Lifetime) * time.Second
	}
	a := authorization{Client: client.ID, Subject: client.ID, Scopes: auth.Scopes(scopes), AuthTime: now, Created: now, Expires: now.Add(life)}
	res, err := p.tokens(ctx, issue{authorization: a, id: backend, scopes: a.Scopes, life: life})
	return res, p.told(ctx, err)
}
