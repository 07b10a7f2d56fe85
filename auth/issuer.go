package auth

import (
	"context"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Issuer is one whose tokens are believed.
type Issuer struct {
	URL       string   // the iss of its tokens, and where discovery begins, unless Keys or Introspection says otherwise
	Audiences []string // of the aud of a token one must be among these; none: no token is believed
	Claims    Claims   // by what names its tokens say what a Grant holds

	// Keys are the issuer's public keys, asked in-process; nil: those of its JWKS, kept and fetched anew when they change.
	Keys func(context.Context) (jose.JSONWebKeySet, error)

	// Revoked tells whether what a token stands for was revoked. It is asked at every use, so it must be cheap; nil: until they expire
	// tokens are good, but for those whose introspection says otherwise.
	Revoked func(context.Context, Grant) (bool, error)
}

// Claims are the names by which an issuer's tokens say things. An empty name takes the first of the defaults that is there.
type Claims struct {
	Scope     string // scope, scp
	Patient   string // patient
	Encounter string // encounter
	FHIRUser  string // fhirUser
	Roles     string // roles
	Client    string // client_id, azp
}

// Options of a Verifier. The zero value is useful.
type Options struct {
	Clock    func() time.Time // nil: time.Now
	Skew     time.Duration    // between the clocks of issuers and ours; 0: 30 s
	Remember time.Duration    // how long a token that was verified is not verified again; 0: 5 min, which is also the most
}
