package smart

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/hob-fhir/hob/auth"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// Client is an app, or another program, that may ask for tokens. The names are those of client metadata (RFC 7591 section 2).
//
// How it authenticates follows from what is there: with JWKS or JWKSURI by private_key_jwt, with a secret by client_secret_basic or
// client_secret_post, else it is public. What it may do follows too: with RedirectURIs it sends users here; without a user it gets a
// token for those of its scopes that begin with system/ if it authenticates.
type Client struct {
	ID           string              `json:"client_id"`
	Name         string              `json:"client_name,omitempty"`
	Secret       string              `json:"client_secret,omitempty"` // as it is written in a file; a record has SecretDigest
	SecretDigest string              `json:"client_secret_digest,omitempty"`
	RedirectURIs []string            `json:"redirect_uris,omitempty"`
	Scope        string              `json:"scope"` // the most it can be granted
	JWKS         *jose.JSONWebKeySet `json:"jwks,omitempty"`
	JWKSURI      string              `json:"jwks_uri,omitempty"`
	Introspects  bool                `json:"introspects,omitempty"`           // a resource server: it may ask about the tokens of others
	Lifetime     int                 `json:"access_token_lifetime,omitempty"` // seconds; 0: as Lifetimes says
}

// AppScope is what an app of users may be granted at most if nothing else is said.
const AppScope = "openid fhirUser profile launch launch/patient offline_access online_access patient/*.cruds user/*.cruds"

// Scopes of Hob's own interfaces, for confidential clients.
const (
	LaunchScope = "hob/launch" // to create launches, as an EHR does
)

var clients = storage.Private[Client]{Type: "_client"}

var errNoClient = errors.New("there is no such client")

// minSecret is how long a client secret is at least: its digest is no password hash, so it must not be guessable.
const minSecret = 24

// maxLifetime of access tokens, in seconds: one that is taken from its owner must not be of use for long.
const maxLifetime = 24 * 60 * 60

// ready checks a client that was written by hand, and puts its digest in the place of its secret.
func (c *Client) ready() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("client %q: %s", c.ID, fmt.Sprintf(format, args...))
	}
	if c.ID == "" || len(c.ID) > 200 || strings.ContainsFunc(c.ID, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' }) {
		return bad("a client_id has 1 to 200 printable characters of ASCII, no space and no colon")
	}
	if c.Secret != "" {
		if len(c.Secret) < minSecret {
			return bad("a client_secret has at least %d characters", minSecret)
		}
		c.Secret, c.SecretDigest = "", digest(c.Secret)
	}
	keys := c.JWKS != nil || c.JWKSURI != ""
	if keys && c.SecretDigest != "" {
		return bad("it has both a client_secret and keys; a client authenticates in one way")
	}
	if c.JWKS != nil && c.JWKSURI != "" {
		return bad("it has both jwks and jwks_uri")
	}
	if c.JWKS != nil {
		if len(c.JWKS.Keys) == 0 {
			return bad("its jwks has no keys")
		}
		for _, k := range c.JWKS.Keys {
			if !k.Valid() || !k.IsPublic() {
				return bad("its jwks must have public RSA or EC keys only")
			}
		}
	}
	if c.JWKSURI != "" {
		if u, err := url.Parse(c.JWKSURI); err != nil || !fetchable(u) {
			return bad("its jwks_uri must be an https URL")
		}
	}
	for _, r := range c.RedirectURIs {
		if err := checkRedirect(r); err != nil {
			return bad("the redirect_uri %s: %v", r, err)
		}
	}
	for word := range strings.FieldsSeq(c.Scope) {
		if _, err := auth.ParseScope(word); err != nil && word != "*" {
			return bad("%v", err)
		}
	}
	if c.Lifetime < 0 || c.Lifetime > maxLifetime {
		return bad("its access_token_lifetime is %d; 1 to %d seconds are possible", c.Lifetime, maxLifetime)
	}
	if len(c.RedirectURIs) == 0 && c.public() {
		return bad("it has neither redirect_uris nor a secret or keys: there is nothing it could ask for")
	}
	return nil
}

// fetchable admits https, and http on this machine.
func fetchable(u *url.URL) bool {
	return u.Host != "" && u.User == nil && (u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()))
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// checkRedirect admits https, http on the user's own machine, and schemes that an app on a device has to itself (RFC 8252 section 7).
func checkRedirect(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme == "" || len(text) > 2000:
		return errors.New("it is no absolute URL")
	case u.Fragment != "" || strings.Contains(text, "#"):
		return errors.New("it must have no fragment")
	case u.User != nil:
		return errors.New("it must name no user")
	case strings.ContainsAny(text, "*\\ "):
		return errors.New("it must be whole: there are no wildcards")
	case slices.Contains(strings.Split(u.Path, "/"), ".."):
		return errors.New("its path must not go up")
	case fetchable(u):
		return nil
	case u.Scheme == "http":
		return errors.New("http is for an app on the user's own machine; use https")
	case u.Scheme != "https" && strings.Contains(u.Scheme, "."):
		return nil
	}
	return errors.New("it must begin with https, or with a scheme that is a domain name turned round, as org.example.app:/callback")
}

func (c *Client) public() bool { return c.SecretDigest == "" && c.JWKS == nil && c.JWKSURI == "" }

// client finds a client by its id. errNoClient if there is none.
func (s *Server) client(ctx context.Context, id string) (c Client, err error) {
	if c, ok := s.clients[id]; ok {
		return c, nil
	}
	if id == "" {
		return c, errNoClient
	}
	err = s.Store.View(ctx, storage.System, func(tx *storage.Tx) error {
		c, _, err = clients.Load(tx, digest(id))
		return err
	})
	if errors.Is(err, driver.ErrNotFound) {
		err = errNoClient
	}
	return c, err
}

// SaveClient registers a client, or replaces it.
func SaveClient(ctx context.Context, store *storage.Store, c Client) error {
	if err := c.ready(); err != nil {
		return err
	}
	return store.Update(ctx, storage.System, func(tx *storage.Tx) error {
		_, version, err := clients.Load(tx, digest(c.ID))
		if err != nil && !errors.Is(err, driver.ErrNotFound) {
			return err
		}
		_, err = clients.Save(tx, digest(c.ID), version, c)
		return err
	})
}

// Clients lists the registered clients by id.
func Clients(ctx context.Context, store *storage.Store) (list []Client, err error) {
	err = store.View(ctx, storage.System, func(tx *storage.Tx) error {
		for c, err := range clients.Find(tx, nil) {
			if err != nil {
				return err
			}
			list = append(list, c.Value)
		}
		return nil
	})
	slices.SortFunc(list, func(a, b Client) int { return strings.Compare(a.ID, b.ID) })
	return list, err
}

// RemoveClient forgets a client and all that it was granted. driver.ErrNotFound if there is none.
func RemoveClient(ctx context.Context, store *storage.Store, id string) error {
	return store.Update(ctx, storage.System, func(tx *storage.Tx) error {
		if err := clients.Remove(tx, digest(id)); err != nil {
			return err
		}
		if err := noteEnd(tx); err != nil {
			return err
		}
		return removeAuthorizations(tx, "client", id)
	})
}

// registered is a Client as the library sees it.
type registered struct{ Client }

var _ op.Client = registered{}

func (c registered) GetID() string                    { return c.ID }
func (c registered) RedirectURIs() []string           { return c.Client.RedirectURIs }
func (c registered) PostLogoutRedirectURIs() []string { return nil }
func (c registered) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}
func (c registered) LoginURL(string) string                                       { return "" }
func (c registered) AccessTokenType() op.AccessTokenType                          { return op.AccessTokenTypeJWT }
func (c registered) IDTokenLifetime() time.Duration                               { return 0 }
func (c registered) DevMode() bool                                                { return false }
func (c registered) RestrictAdditionalIdTokenScopes() func([]string) []string     { return nil }
func (c registered) RestrictAdditionalAccessTokenScopes() func([]string) []string { return nil }
func (c registered) IsScopeAllowed(string) bool                                   { return true } // see offered
func (c registered) IDTokenUserinfoClaimsAssertion() bool                         { return false }
func (c registered) ClockSkew() time.Duration                                     { return 0 }

func (c registered) ApplicationType() op.ApplicationType {
	if c.public() {
		return op.ApplicationTypeUserAgent
	}
	return op.ApplicationTypeWeb
}

func (c registered) AuthMethod() oidc.AuthMethod {
	switch {
	case c.public():
		return oidc.AuthMethodNone
	case c.SecretDigest != "":
		return oidc.AuthMethodBasic
	}
	return oidc.AuthMethodPrivateKeyJWT
}

func (c registered) GrantTypes() []oidc.GrantType {
	var types []oidc.GrantType
	if len(c.Client.RedirectURIs) > 0 {
		types = append(types, oidc.GrantTypeCode, oidc.GrantTypeRefreshToken)
	}
	if !c.public() {
		types = append(types, oidc.GrantTypeClientCredentials)
	}
	return types
}
