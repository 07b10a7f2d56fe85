package smart

import (
	"context"
	"errors"
	"net/http"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// UserInfo tells who the user of an access token is (OpenID Connect Core section 5.3).
func (p provider) UserInfo(ctx context.Context, r *op.Request[oidc.UserInfoRequest]) (*op.Response, error) {
	c, err := p.read(ctx, r.Data.AccessToken)
	if errors.Is(err, errToken) {
		return nil, op.NewStatusError(oidc.ErrAccessDenied().WithDescription("%v", errToken), http.StatusUnauthorized)
	}
	if err != nil {
		return nil, p.told(ctx, err)
	}
	g := c.grant(p.base)
	if !g.Scopes.Has("openid") {
		return nil, op.NewStatusError(oidc.ErrAccessDenied().WithDescription("the token needs the scope openid"), http.StatusForbidden)
	}
	body := map[string]any{"sub": c.Subject}
	if g.Scopes.Has("fhirUser") {
		body["fhirUser"] = c.FHIRUser
	}
	return op.NewResponse(body), nil
}
