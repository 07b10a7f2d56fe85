package smart

import (
	"context"
	"errors"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// used notes the jti of an assertion, so that it is taken once.
type used struct{ Expires time.Time }

var assertions = storage.Private[used]{Type: "_assertion", Expires: func(u used) time.Time { return u.Expires }}

// What an assertion of a client may be (SMART App Launch 2.2, client authentication: asymmetric).
const (
	assertionLife = 5 * time.Minute // from now to its exp, at most
	clockSkew     = 30 * time.Second
	maxJTI        = 256
)

// assertionAlgorithms are those that clients may sign assertions with.
var assertionAlgorithms = []jose.SignatureAlgorithm{jose.RS384, jose.ES384}

// asserted returns the client that an assertion proves (RFC 7523 section 3). id is the client_id beside it, which may be absent.
func (s *Server) asserted(ctx context.Context, assertion, id string) (c Client, err error) {
	if len(assertion) > maxToken {
		return c, badClient("the client_assertion is longer than %d bytes", maxToken)
	}
	parsed, err := jwt.ParseSigned(assertion, assertionAlgorithms)
	if err != nil || len(parsed.Headers) != 1 {
		return c, badClient("the client_assertion must be a JWT signed by RS384 or ES384")
	}
	var claims jwt.Claims
	if err := parsed.UnsafeClaimsWithoutVerification(&claims); err != nil {
		return c, badClient("the claims of the client_assertion cannot be read")
	}
	if claims.Issuer == "" || claims.Issuer != claims.Subject || id != "" && id != claims.Issuer {
		return c, badClient("iss and sub of the client_assertion must both be the client_id")
	}
	c, err = s.client(ctx, claims.Issuer)
	if err != nil && !errors.Is(err, errNoClient) {
		return c, err
	}
	if err != nil || c.JWKS == nil && c.JWKSURI == "" {
		return c, badClient("there is no such client, or it does not authenticate as it should")
	}
	keys, err := s.clientKeys(ctx, c, parsed.Headers[0].KeyID)
	if err != nil {
		s.Log.WarnContext(ctx, "keys of a client", "client", c.ID, "error", err)
		return c, badClient("the keys of the client cannot be fetched")
	}
	if parsed.Headers[0].KeyID == "" {
		return c, badClient("the client_assertion must have a kid")
	}
	verified := false
	for _, k := range keys {
		// The key says by its type which algorithm it is for; jose refuses any other.
		if verified = parsed.Claims(k, &claims) == nil; verified {
			break
		}
	}
	if !verified {
		return c, badClient("no key of the client with this kid verifies the client_assertion")
	}
	now := s.Clock()
	switch {
	case !claims.Audience.Contains(s.URL("/auth/token")):
		return c, badClient("the aud of the client_assertion must be %s", s.URL("/auth/token"))
	case claims.Expiry == nil || claims.Expiry.Time().After(now.Add(assertionLife+clockSkew)):
		return c, badClient("the client_assertion must have an exp not more than five minutes ahead")
	case claims.ValidateWithLeeway(jwt.Expected{Time: now}, clockSkew) != nil:
		return c, badClient("the client_assertion has expired, or is not valid yet")
	case claims.ID == "" || len(claims.ID) > maxJTI:
		return c, badClient("the client_assertion must have a jti of up to %d characters", maxJTI)
	}
	err = s.Store.Update(ctx, storage.System, func(tx *storage.Tx) error {
		_, err := assertions.Save(tx, digest(c.ID+" "+claims.ID), 0, used{claims.Expiry.Time().Add(clockSkew)})
		return err
	})
	if errors.Is(err, driver.ErrConflict) {
		return c, badClient("the client_assertion was used before: each needs a jti of its own")
	}
	return c, err
}
