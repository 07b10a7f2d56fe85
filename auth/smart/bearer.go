package smart

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/hob-fhir/hob/auth"
)

// claims are those of our access tokens (RFC 9068 section 2.2, and the launch context).
type claims struct {
	jwt.Claims
	Client    string `json:"client_id,omitempty"`
	Scope     string `json:"scope"`
	Patient   string `json:"patient,omitempty"`
	Encounter string `json:"encounter,omitempty"`
	FHIRUser  string `json:"fhirUser,omitempty"`
	Name      string `json:"name,omitempty"`
}

func (c claims) grant(base string) auth.Grant {
	g := auth.Grant{
		Issuer: c.Issuer, Subject: c.Subject, Client: c.Client, ID: c.ID, Scopes: auth.ParseScopes(c.Scope),
		Patient: c.Patient, Encounter: c.Encounter, FHIRUser: strings.TrimPrefix(c.FHIRUser, base+"/"),
	}
	if c.Expiry != nil {
		g.Expires = c.Expiry.Time()
	}
	return g
}

// accessToken is the typ of our access tokens. ID tokens have another, so that none passes for the other.
const (
	accessToken = "at+jwt"
	idToken     = "JWT"
)

const maxToken = 8 << 10 // bytes

// errToken says that a token is none of ours, or no longer good.
var errToken = errors.New("the token is not valid: it was not issued here, has expired, or was revoked")

// read verifies an access token of ours. errToken if it is not good.
func (s *Server) read(ctx context.Context, token string) (c claims, err error) {
	if len(token) > maxToken {
		return c, errToken
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil || len(parsed.Headers) != 1 || parsed.Headers[0].ExtraHeaders[jose.HeaderType] != accessToken {
		return c, errToken
	}
	set, err := s.published(ctx)
	if err != nil {
		return c, err
	}
	keys := set.Key(parsed.Headers[0].KeyID)
	if len(keys) != 1 || parsed.Claims(keys[0], &c) != nil {
		return c, errToken
	}
	expected := jwt.Expected{Issuer: s.base, AnyAudience: jwt.Audience{s.base}, Time: s.Clock()}
	if c.Expiry == nil || c.ID == "" || c.ValidateWithLeeway(expected, 0) != nil {
		return c, errToken
	}
	gone, err := s.revoked(ctx, c.grant(s.base))
	if err == nil && gone {
		err = errToken
	}
	return c, err
}

// bearer is what the token of a request grants.
func (s *Server) bearer(r *http.Request) (auth.Grant, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return auth.Grant{}, errToken
	}
	c, err := s.read(r.Context(), strings.TrimSpace(token))
	return c.grant(s.base), err
}

// seconds is a time as JWTs have it.
func seconds(t time.Time) int64 { return t.Unix() }
