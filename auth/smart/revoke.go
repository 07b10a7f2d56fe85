package smart

import (
	"context"
	"errors"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// Revocation ends a token of the client that asks (RFC 7009). With a refresh token all that was granted with it ends; an access token
// ends alone. A token that is not good is none any more, so that is no error.
func (p provider) Revocation(ctx context.Context, r *op.ClientRequest[oidc.RevocationRequest]) (*op.Response, error) {
	token, client := r.Data.Token, r.Client.(registered)
	if family, secret, ok := strings.Cut(token, "."); ok && !strings.Contains(secret, ".") {
		id := digest(family)
		err := p.Store.Update(ctx, storage.System, func(tx *storage.Tx) error {
			a, _, err := authorizations.Load(tx, id)
			if errors.Is(err, driver.ErrNotFound) || err == nil && a.Client != client.ID {
				return nil
			}
			if err != nil {
				return err
			}
			return endAuthorization(tx, id)
		})
		return op.NewResponse(nil), p.told(ctx, err)
	}
	c, err := p.read(ctx, token)
	if errors.Is(err, errToken) || err == nil && c.Client != client.ID {
		return op.NewResponse(nil), nil
	}
	if err != nil {
		return nil, p.told(ctx, err)
	}
	err = p.Store.Update(ctx, storage.System, func(tx *storage.Tx) error {
		_, err := revokedTokens.Save(tx, digest(c.ID), 0, revokedToken{c.Expiry.Time()})
		if errors.Is(err, driver.ErrConflict) {
			return nil // it was revoked before
		}
		if err != nil {
			return err
		}
		return noteEnd(tx)
	})
	return op.NewResponse(nil), p.told(ctx, err)
}
