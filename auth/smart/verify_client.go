package smart

import (
	"context"
	"errors"

	"github.com/zitadel/oidc/v3/pkg/op"
)

// VerifyClient authenticates a client by its secret or an assertion. One that has neither must be public.
func (p provider) VerifyClient(ctx context.Context, r *op.Request[op.ClientCredentials]) (op.Client, error) {
	cc := r.Data
	if cc.ClientAssertion != "" {
		c, err := p.asserted(ctx, cc.ClientAssertion, cc.ClientID)
		return registered{c}, p.told(ctx, err)
	}
	c, err := p.client(ctx, cc.ClientID)
	if errors.Is(err, errNoClient) {
		return nil, badClient("there is no such client, or it does not authenticate as it should")
	}
	if err != nil {
		return nil, p.told(ctx, err)
	}
	switch {
	case c.SecretDigest != "" && same(digest(cc.ClientSecret), c.SecretDigest):
	case c.public() && cc.ClientSecret == "":
	default:
		return nil, badClient("there is no such client, or it does not authenticate as it should")
	}
	return registered{c}, nil
}
