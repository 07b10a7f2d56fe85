package auth

import (
	"context"
	"errors"
	"fmt"
)

// Verifier turns the bearer tokens of its issuers into Grants.
type Verifier struct {
	issuers []Issuer
	options Options
}

// NewVerifier makes a Verifier. It reaches no issuer: one that is down does not keep a server from starting.
func NewVerifier(issuers []Issuer, o Options) (*Verifier, error) {
	seen := map[string]bool{}
	for _, i := range issuers {
		if i.URL == "" || seen[i.URL] {
			return nil, fmt.Errorf("the issuer %q: every issuer has a URL of its own", i.URL)
		}
		seen[i.URL] = true
	}
	return &Verifier{issuers: issuers, options: o}, nil
}

// Verify returns what a token grants. The error is a *Refusal, or says that an issuer cannot be asked.
func (v *Verifier) Verify(_ context.Context, token string) (Grant, error) {
	return Grant{}, errors.New("tokens are not verified yet")
}
