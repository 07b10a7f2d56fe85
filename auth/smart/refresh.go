package smart

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/hob-fhir/hob/auth"
	"github.com/hob-fhir/hob/storage"
)

// RefreshToken gives new tokens for a refresh token, which is thereby used up (RFC 6749 section 6, RFC 9700 section 4.14). An old one
// that comes again has been stolen, by whoever it is: the whole family is revoked.
func (p provider) RefreshToken(ctx context.Context, r *op.ClientRequest[oidc.RefreshTokenRequest]) (*op.Response, error) {
	q, client := r.Data, r.Client.(registered)
	family, secret, _ := strings.Cut(q.RefreshToken, ".")
	id := digest(family)
	var refused error
	var i issue
	err := p.Store.Update(ctx, storage.System, func(tx *storage.Tx) error {
		refused, i = nil, issue{}
		a, version, err := p.standing(tx, id)
		if errors.Is(err, errEnded) || err == nil && (a.Client != client.ID || a.Refresh == "") {
			refused = refusal(oidc.ErrInvalidGrant(), "the refresh_token is not known, was not given to this client, was revoked, or has expired")
			return nil
		}
		if err != nil {
			return err
		}
		if !same(digest(secret), a.Refresh) {
			refused = refusal(oidc.ErrInvalidGrant(), "the refresh_token was used before; all that was granted with it is revoked")
			return endAuthorization(tx, id)
		}
		scopes := a.Scopes
		if len(q.Scopes) > 0 {
			if scopes = auth.ParseScopes(q.Scopes.String()); !scopes.Within(a.Scopes) {
				refused = refusal(oidc.ErrInvalidScope(), "a refresh gives no scope that was not granted: %s", a.Scopes)
				return nil
			}
		}
		a.Used = p.Clock()
		i = issue{id: id, scopes: scopes, refresh: p.refresher(family, &a), life: p.life(client.Client)}
		i.authorization = a
		_, err = authorizations.Save(tx, id, version, a)
		return err
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		return nil, p.told(ctx, err)
	}
	res, err := p.tokens(ctx, i)
	return res, p.told(ctx, err)
}

// identified names the client of a refresh that names none, where it is a public one: RFC 6749 section 6 does not ask for a client_id, and
// widely used libraries for apps send none. The refresh token was given to that client alone.
func (s *Server) identified(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.Form
		if q.Get("grant_type") == string(oidc.GrantTypeRefreshToken) && !q.Has("client_id") && !q.Has("client_assertion") && r.Header.Get("Authorization") == "" {
			family, _, _ := strings.Cut(q.Get("refresh_token"), ".")
			err := s.Store.View(r.Context(), storage.System, func(tx *storage.Tx) error {
				a, _, err := s.standing(tx, digest(family))
				if err == nil {
					q.Set("client_id", a.Client) // one that is not public still has to authenticate
				}
				return err
			})
			if err != nil && !errors.Is(err, errEnded) {
				s.fault(w, r, err)
				return
			}
			if err != nil {
				reply(w, http.StatusBadRequest, problem{"invalid_grant", "the refresh_token is not known, was revoked, or has expired"})
				return
			}
		}
		h.ServeHTTP(w, r)
	})
}
