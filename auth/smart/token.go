package smart

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/hob-fhir/hob/auth"
	"github.com/hob-fhir/hob/storage"
)

// backend begins the jti of tokens that no authorization stands behind: those of backend services.
const backend = "client"

// issue is what tokens are made from.
type issue struct {
	authorization
	id      string // of the authorization
	scopes  auth.Scopes
	refresh string // a new refresh token; "": none
	nonce   string // of the request, for the first ID token
	life    time.Duration
}

// tokens makes the answer of the token endpoint (RFC 6749 section 5.1, SMART App Launch 2.2, token response).
func (s *Server) tokens(ctx context.Context, i issue) (*op.Response, error) {
	now := s.Clock()
	expires := now.Add(i.life)
	if i.Expires.Before(expires) {
		expires = i.Expires
	}
	token, err := s.access(ctx, i, now, expires)
	if err != nil {
		return nil, err
	}
	body := map[string]any{
		"access_token": token, "token_type": "Bearer", "expires_in": int64(expires.Sub(now).Round(time.Second).Seconds()), "scope": i.scopes.String(),
	}
	set := func(name, value string) {
		if value != "" {
			body[name] = value
		}
	}
	set("refresh_token", i.refresh)
	set("patient", i.Launch.Patient)
	set("encounter", i.Launch.Encounter)
	set("intent", i.Launch.Intent)
	if len(i.Launch.FHIRContext) > 0 {
		body["fhirContext"] = i.Launch.FHIRContext
	}
	if i.User != "" {
		body["need_patient_banner"] = !i.Launch.NoBanner
		body["smart_style_url"] = s.URL("/auth/smart-style.json")
	}
	if i.scopes.Has("openid") && i.User != "" {
		if body["id_token"], err = s.identity(ctx, i, token, now, expires); err != nil {
			return nil, err
		}
	}
	return &op.Response{Header: http.Header{}, Data: body}, nil
}

// access makes an access token.
func (s *Server) access(ctx context.Context, i issue, now, expires time.Time) (string, error) {
	claims := map[string]any{
		"iss": s.base, "sub": i.Subject, "aud": []string{s.base}, "iat": seconds(now), "nbf": seconds(now), "exp": seconds(expires),
		"jti": i.id + "." + s.secret()[:22], "scope": i.scopes.String(),
	}
	for name, value := range map[string]string{"client_id": i.Client, "patient": i.Launch.Patient, "encounter": i.Launch.Encounter, "fhirUser": s.absolute(i.FHIRUser)} {
		if value != "" {
			claims[name] = value
		}
	}
	return s.sign(ctx, accessToken, claims)
}

// identity makes an ID token (OpenID Connect Core section 2).
func (s *Server) identity(ctx context.Context, i issue, token string, now, expires time.Time) (string, error) {
	hash, err := oidc.ClaimHash(token, jose.RS256)
	if err != nil {
		return "", fmt.Errorf("hash of a token: %w", err)
	}
	claims := map[string]any{
		"iss": s.base, "sub": i.Subject, "aud": i.Client, "iat": seconds(now), "exp": seconds(expires), "auth_time": seconds(i.AuthTime), "at_hash": hash,
	}
	if i.nonce != "" {
		claims["nonce"] = i.nonce
	}
	if i.scopes.Has("fhirUser") {
		claims["fhirUser"] = s.absolute(i.FHIRUser)
	}
	return s.sign(ctx, idToken, claims)
}

func (s *Server) absolute(ref string) string {
	if ref == "" {
		return ""
	}
	return s.URL("/" + ref)
}

// Operator is the subject of tokens that an operator of the store has made.
const Operator = "operator"

// Mint makes an access token without asking anybody, for an operator of this store, or for a client, with which it ends.
func (s *Server) Mint(ctx context.Context, client string, scopes auth.Scopes, life time.Duration) (string, error) {
	if life <= 0 || life > s.Lifetimes.Key {
		return "", fmt.Errorf("a token lives for up to %s", s.Lifetimes.Key)
	}
	now := s.Clock()
	a := authorization{Client: client, Name: client, Subject: cmp.Or(client, Operator), Scopes: scopes, Created: now, Used: now, AuthTime: now, Expires: now.Add(life)}
	id := digest(s.secret())
	err := s.Store.Update(ctx, storage.System, func(tx *storage.Tx) error {
		_, err := authorizations.Save(tx, id, 0, a)
		return err
	})
	if err != nil {
		return "", err
	}
	return s.access(ctx, issue{authorization: a, id: id, scopes: scopes}, now, a.Expires)
}
