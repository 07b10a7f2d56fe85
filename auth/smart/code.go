package smart

import (
	"context"
	"errors"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// code is an authorization code. Its id is the digest of what the app was given.
type code struct {
	Authorization authorization `json:"authorization"`
	Redirect      string        `json:"redirect_uri"`
	Challenge     string        `json:"code_challenge"` // S256
	Nonce         string        `json:"nonce,omitempty"`
	Until         time.Time     `json:"until"`          // when it is no longer taken
	Made          string        `json:"made,omitempty"` // the authorization that was made from it: it was used
	Expires       time.Time     `json:"expires"`
}

var codes = storage.Private[code]{Type: "_code", Expires: func(c code) time.Time { return c.Expires }}

// rememberCode is how long a code that was used is known, so that its second use is noticed.
const rememberCode = 10 * time.Minute

// CodeExchange gives tokens for a code (RFC 6749 section 4.1.3, RFC 7636 section 4.6). One that is used twice has been stolen, whoever
// came first: what was made from it is revoked.
func (p provider) CodeExchange(ctx context.Context, r *op.ClientRequest[oidc.AccessTokenRequest]) (*op.Response, error) {
	q, client := r.Data, r.Client.(registered)
	var refused error // is told, though the transaction is committed
	var i issue
	err := p.Store.Update(ctx, storage.System, func(tx *storage.Tx) error {
		refused, i = nil, issue{}
		c, version, err := codes.Load(tx, digest(q.Code))
		if errors.Is(err, driver.ErrNotFound) || err == nil && c.Authorization.Client != client.ID {
			refused = refusal(oidc.ErrInvalidGrant(), "the code is not known, was not given to this client, or has expired")
			return nil
		}
		if err != nil {
			return err
		}
		now := p.Clock()
		switch {
		case c.Made != "":
			refused = refusal(oidc.ErrInvalidGrant(), "the code was used before; all that was granted by it is revoked")
			return endAuthorization(tx, c.Made)
		case !now.Before(c.Until):
			refused = refusal(oidc.ErrInvalidGrant(), "the code is not known, was not given to this client, or has expired")
		case q.RedirectURI != c.Redirect:
			refused = refusal(oidc.ErrInvalidGrant(), "the redirect_uri is not the one that the code was sent to")
		case !verified(q.CodeVerifier, c.Challenge):
			refused = refusal(oidc.ErrInvalidGrant(), "the code_verifier is missing, or does not fit the code_challenge")
		}
		if refused != nil {
			return nil
		}
		a := c.Authorization
		family := p.secret()
		i = issue{id: digest(family), scopes: a.Scopes, nonce: c.Nonce, life: p.life(client.Client)}
		a.Created, a.Used = now, now
		switch {
		case a.Scopes.Has("offline_access"):
			a.Session, a.Expires = "", now.Add(p.Lifetimes.Offline)
			i.refresh = p.refresher(family, &a)
		case a.Scopes.Has("online_access"):
			i.refresh = p.refresher(family, &a) // Expires is that of the session
		default:
			a.Session, a.Expires = "", now.Add(i.life)
		}
		i.authorization = a
		if _, err := authorizations.Save(tx, i.id, 0, a); err != nil {
			return err
		}
		c.Made, c.Authorization, c.Expires = i.id, authorization{Client: client.ID}, now.Add(rememberCode)
		_, err = codes.Save(tx, digest(q.Code), version, c)
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

// verified reports whether a code_verifier fits a challenge (RFC 7636 section 4.1: 43 to 128 characters).
func verified(verifier, challenge string) bool {
	if n := len(verifier); n < 43 || n > 128 {
		return false
	}
	return same(oidc.NewSHACodeChallenge(verifier), challenge)
}

// refresher puts a new refresh token in the place of the last.
func (s *Server) refresher(family string, a *authorization) string {
	secret := s.secret()
	a.Refresh = digest(secret)
	return family + "." + secret
}

// life is how long an access token of a client lives.
func (s *Server) life(c Client) time.Duration {
	if c.Lifetime > 0 {
		return time.Duration(c.Lifetime) * time.Second
	}
	return s.Lifetimes.Access
}
