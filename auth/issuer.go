package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Issuer is one whose tokens are believed.
type Issuer struct {
	URL        string   // the iss of its tokens, and where discovery begins
	Audiences  []string // of the aud of a token one must be among these; none: no token is believed
	Algorithms []string // that its signatures may use; none: all that Algorithms lists
	Claims     Claims   // by what names its tokens say what a Grant holds
	JWKS       string   // URL of its keys; "": as discovery says

	// Keys are the issuer's public keys, asked in-process at every token that is not remembered; nil: those of its JWKS, which are kept.
	Keys func(context.Context) (jose.JSONWebKeySet, error)

	// Revoked tells whether what a token stands for was revoked. It is asked at every use, so it must be cheap; nil: a token is good until
	// it expires, or its introspection says otherwise.
	Revoked func(context.Context, Grant) (bool, error)

	// Introspection asks the issuer about tokens that are no JWT (RFC 7662); nil: they are refused.
	Introspection *Introspection
}

// Algorithms are those that a signature may use. none and those of a shared secret are not among them and cannot be added.
var Algorithms = []string{"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"}

// Introspection is how a resource server asks about a token.
type Introspection struct {
	URL    string // "": as discovery says
	Client string // by which this server is known to the issuer, with HTTP Basic
	Secret string
}

// Claims are the names by which an issuer's tokens say things; a dot reaches into an object, as in realm_access.roles. An empty name
// takes the first of the defaults that is there.
type Claims struct {
	Scope     string // scope, scp
	Patient   string // patient
	Encounter string // encounter
	FHIRUser  string // fhirUser
	Roles     string // roles
	Client    string // client_id, azp
}

// check refuses what no issuer can be.
func (i *Issuer) check() error {
	u, err := url.Parse(i.URL)
	switch {
	case err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("the issuer %q: an issuer is a URL without a query, as https://login.example", i.URL)
	case len(i.Audiences) == 0:
		return fmt.Errorf("the issuer %s: audiences are missing; its tokens must say that they are for this server", i.URL)
	}
	addresses := []string{i.URL, i.JWKS}
	if i.Introspection != nil {
		addresses = append(addresses, i.Introspection.URL)
	}
	if i.Keys == nil {
		for _, a := range addresses {
			if a != "" && !secure(a) {
				return fmt.Errorf("the issuer %s: %s is not https; only an issuer on this machine may do without", i.URL, a)
			}
		}
	}
	for _, a := range i.Algorithms {
		if !slices.Contains(Algorithms, a) {
			return fmt.Errorf("the issuer %s: the algorithm %s is not one of %s", i.URL, a, strings.Join(Algorithms, ", "))
		}
	}
	return nil
}

// secure reports whether a URL is https, or of this machine.
func secure(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// claims are what a token says, as JSON.
type claims map[string]any

// at follows a dotted name, or takes the first of the defaults that is there. A name that is there as it is comes first, since some have
// dots of their own.
func (c claims) at(name string, defaults ...string) any {
	if name == "" {
		for _, d := range defaults {
			if v, ok := c[d]; ok {
				return v
			}
		}
		return nil
	}
	if v, ok := c[name]; ok {
		return v
	}
	var v any = map[string]any(c)
	for part := range strings.SplitSeq(name, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[part]
	}
	return v
}

// text is a claim as a string, "" if it is none.
func (c claims) text(name string, defaults ...string) string {
	s, _ := c.at(name, defaults...).(string)
	return s
}

// list is a claim that is a list of strings, or one.
func (c claims) list(name string, defaults ...string) []string {
	switch v := c.at(name, defaults...).(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, e := range v {
			if s, ok := e.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

// when is a claim that is a time in seconds since 1970 (NumericDate of RFC 7519). ok is false if it is there and is no such time.
func (c claims) when(name string) (t time.Time, ok bool) {
	v, there := c[name]
	if !there {
		return t, true
	}
	n, isNumber := v.(float64)
	if !isNumber || n < 0 || n > 1<<40 {
		return t, false
	}
	return time.UnixMilli(int64(n * 1000)), true
}

func parseClaims(b []byte) (claims, error) {
	var c claims
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, fmt.Errorf("the claims are no JSON object: %w", err)
	}
	return c, nil
}

// grant reads what a token says. Only what this server can hold is taken: a patient or a user of another server is none of ours.
func (i *Issuer) grant(c claims) Grant {
	g := Grant{
		Issuer: i.URL, Subject: c.text("sub"), ID: c.text("jti"), Client: c.text(i.Claims.Client, "client_id", "azp"),
		Roles:  c.list(i.Claims.Roles, "roles"),
		Scopes: ParseScopes(strings.Join(c.list(i.Claims.Scope, "scope", "scp"), " ")),
	}
	g.Patient = id("Patient", i.relative(c.text(i.Claims.Patient, "patient")))
	g.Encounter = id("Encounter", i.relative(c.text(i.Claims.Encounter, "encounter")))
	if user := i.relative(c.text(i.Claims.FHIRUser, "fhirUser")); isUser(user) {
		g.FHIRUser = user
	}
	g.Expires, _ = c.when("exp")
	return g
}

// relative cuts the base off a reference that is absolute: the audiences of an issuer are the bases by which it knows this server.
func (i *Issuer) relative(ref string) string {
	for _, base := range i.Audiences {
		if rest, ok := strings.CutPrefix(ref, strings.TrimSuffix(base, "/")+"/"); ok {
			return rest
		}
	}
	return ref
}
