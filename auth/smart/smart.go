// Package smart is an authorization server for SMART App Launch 2.2 and OpenID Connect, embedded in the FHIR server whose tokens it
// issues: no second product is needed.
//
//	app ─▶ authorize ─▶ login ─▶ patient ─▶ consent ─▶ code ─▶ token ─▶ FHIR API (auth.Verifier asks Issuer in-process)
//	                    (pages, carried by the query of authorize itself)   ├─▶ refresh, rotated
//	EHR ─▶ launch ─────────────────────────┘                                └─▶ introspect · revoke · userinfo
//
// The few types: a Client is an app that may ask; a User is a person who signs in; an authorization is what a user has let a client do,
// and the family of the tokens made from it. All of them are private records that expire by themselves. The issuer is the FHIR base, so
// that discovery by either, [base]/.well-known/smart-configuration and [iss]/.well-known/openid-configuration, leads to the same place.
//
// Parsing of requests, client credentials and errors of the endpoints that apps call is that of zitadel/oidc; what must be decided in
// order (a code is used once, a refresh token is rotated once) is decided in one storage.Update.
package smart

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/hob-fhir/hob/auth"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
)

// Config is what a Server is made of. Store, Catalog, Base and Policy are required.
type Config struct {
	Store   *storage.Store
	Catalog *search.Catalog
	Base    *url.URL // the FHIR base as clients see it, and the issuer; its path is also where the Server is mounted

	// Policy says what a grant lets its holder see: of patients to choose from, of those that an EHR may launch for.
	Policy *auth.Policy

	// Clients and Users come before those in the store, and are not kept in it: those of a configuration file, and those of a
	// server for development.
	Clients []Client
	Users   []User

	Lifetimes Lifetimes
	Cost      int              // of password hashes, as bcrypt counts it; 0: 12
	Fetch     *http.Client     // of the keys of clients; nil: one with a timeout
	Log       *slog.Logger     // nil: nothing is logged
	Clock     func() time.Time // nil: time.Now
	Rand      io.Reader        // nil: crypto/rand
}

// Lifetimes bound how long things are good for. Zero fields take the value of lifetimes.
type Lifetimes struct {
	Code    time.Duration // of an authorization code
	Access  time.Duration // of access and ID tokens given to apps of users
	Backend time.Duration // of access tokens of backend services
	Launch  time.Duration // from an EHR's launch until the app asks for authorization
	Session time.Duration // of a user who signed in
	Offline time.Duration // of an authorization with offline_access, however often it is refreshed
	Key     time.Duration // until a new signing key is made; the old one stays published as long as its tokens may live
}

var lifetimes = Lifetimes{
	Code: time.Minute, Access: time.Hour, Backend: 5 * time.Minute, Launch: 5 * time.Minute, Session: 8 * time.Hour,
	Offline: 90 * 24 * time.Hour, Key: 90 * 24 * time.Hour,
}

func (l Lifetimes) filled() Lifetimes {
	return Lifetimes{
		Code: cmp.Or(l.Code, lifetimes.Code), Access: cmp.Or(l.Access, lifetimes.Access), Backend: cmp.Or(l.Backend, lifetimes.Backend),
		Launch: cmp.Or(l.Launch, lifetimes.Launch), Session: cmp.Or(l.Session, lifetimes.Session),
		Offline: cmp.Or(l.Offline, lifetimes.Offline), Key: cmp.Or(l.Key, lifetimes.Key),
	}
}

// Server is the authorization server. It serves what Handles says.
type Server struct {
	Config
	base    string // the FHIR base and the issuer, without a slash at the end
	prefix  string // the path of it
	clients map[string]Client
	users   map[string]User // by digest of their names
	nobody  []byte          // the hash that a password is compared with when there is no such user

	passwords chan struct{} // one for each password that may be hashed at once
	handler   http.Handler

	mu      sync.Mutex
	keys    keyring
	fetched map[string]fetched // JWKS of clients
	good    goodTokens
}

// New makes a Server. The first one of a store makes its signing key.
func New(ctx context.Context, c Config) (*Server, error) {
	if c.Store == nil || c.Catalog == nil || c.Base == nil || c.Policy == nil {
		return nil, errors.New("smart: a store, a catalog, a base and a policy are required")
	}
	c.Lifetimes = c.Lifetimes.filled()
	c.Cost = cmp.Or(c.Cost, 12)
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Fetch == nil {
		c.Fetch = &http.Client{Timeout: 5 * time.Second}
	}
	s := &Server{
		Config: c, base: strings.TrimRight(c.Base.String(), "/"), prefix: strings.TrimRight(c.Base.Path, "/"),
		clients: map[string]Client{}, users: map[string]User{}, passwords: make(chan struct{}, 4), fetched: map[string]fetched{},
	}
	for _, client := range c.Clients {
		if err := client.ready(); err != nil {
			return nil, err
		}
		s.clients[client.ID] = client
	}
	for _, u := range c.Users {
		if err := u.ready(c.Cost); err != nil {
			return nil, err
		}
		s.users[digest(u.Name)] = u
	}
	var err error
	if s.nobody, err = bcrypt.GenerateFromPassword([]byte(s.secret()), c.Cost); err != nil {
		return nil, fmt.Errorf("hash of a password: %w", err)
	}
	if _, err := s.signing(ctx); err != nil {
		return nil, err
	}
	s.handler = s.routes()
	return s, nil
}

// Handles reports whether a request path is one of the Server's.
func (s *Server) Handles(path string) bool {
	rest, ok := strings.CutPrefix(path, s.prefix+"/")
	return ok && (strings.HasPrefix(rest, "auth/") || strings.HasPrefix(rest, ".well-known/"))
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// URL is the address of one of the Server's endpoints: URL("/auth/token").
func (s *Server) URL(path string) string { return s.base + path }

// Issuer is the Server as one whose tokens a Verifier believes: keys and revocations are asked in-process.
func (s *Server) Issuer() auth.Issuer {
	return auth.Issuer{URL: s.base, Audiences: []string{s.base}, Keys: s.published, Revoked: s.revoked}
}
