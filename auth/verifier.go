package auth

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/hob-fhir/hob/fhirmap"
)

// Options of a Verifier. The zero value is useful.
type Options struct {
	Clock     func() time.Time  // nil: time.Now
	Skew      time.Duration     // between the clocks of issuers and ours; 0: 30 s
	Remember  time.Duration     // how long a token that was verified is not verified again; 0: 5 min, which is also the most
	Transport http.RoundTripper // by which issuers are asked; nil: http.DefaultTransport
	Log       *slog.Logger      // nil: nothing is logged
}

// maxRemember is how long a token may be taken for good that its issuer may have withdrawn.
const maxRemember = 5 * time.Minute

// Verifier turns the bearer tokens of its issuers into Grants. It may be used from many goroutines.
type Verifier struct {
	issuers []*known
	options Options

	mu       sync.Mutex
	verified map[[sha256.Size]byte]verified // the younger half of what is remembered
	before   map[[sha256.Size]byte]verified
}

// known is an issuer with its keys.
type known struct {
	*Issuer
	keys *keys
	oidc *oidc.IDTokenVerifier
}

// verified is a token that was found good.
type verified struct {
	grant  Grant
	issuer *known
	until  time.Time
}

// maxVerified bounds the tokens of one half of what is remembered.
const maxVerified = 10_000

// NewVerifier makes a Verifier. It reaches no issuer: one that is down does not keep a server from starting.
func NewVerifier(issuers []Issuer, o Options) (*Verifier, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Skew = cmp.Or(o.Skew, 30*time.Second)
	if o.Remember <= 0 || o.Remember > maxRemember {
		o.Remember = maxRemember
	}
	v := &Verifier{options: o, verified: map[[sha256.Size]byte]verified{}}
	client := newClient(o.Transport)
	for n := range issuers {
		i := issuers[n]
		if err := i.check(); err != nil {
			return nil, err
		}
		if v.issuer(i.URL) != nil {
			return nil, fmt.Errorf("the issuer %s is there twice", i.URL)
		}
		if len(i.Algorithms) == 0 {
			i.Algorithms = Algorithms
		}
		k := &keys{issuer: &i, client: client, clock: o.Clock}
		for _, a := range i.Algorithms {
			k.algorithms = append(k.algorithms, jose.SignatureAlgorithm(a))
		}
		v.issuers = append(v.issuers, &known{&i, k, oidc.NewVerifier(i.URL, k, &oidc.Config{
			SupportedSigningAlgs: i.Algorithms, SkipClientIDCheck: true, SkipExpiryCheck: true, // both are checked by accept
		})})
	}
	return v, nil
}

func (v *Verifier) issuer(url string) *known {
	i := slices.IndexFunc(v.issuers, func(k *known) bool { return k.URL == url })
	if i < 0 {
		return nil
	}
	return v.issuers[i]
}

// Verify returns what a token grants. The error is a *Refusal if the token is not good, and an Outcome of code transient if its issuer
// cannot be asked and nothing is known of it yet.
func (v *Verifier) Verify(ctx context.Context, token string) (Grant, error) {
	sum := sha256.Sum256([]byte(token))
	found, ok := v.remembered(sum)
	if !ok {
		var err error
		if found, err = v.verify(ctx, token); err != nil {
			return Grant{}, v.explain(err)
		}
	}
	if err := v.live(ctx, found.issuer, found.grant); err != nil {
		return Grant{}, v.explain(err)
	}
	if !ok {
		v.remember(sum, found)
	}
	return found.grant, nil
}

// Live tells whether a Grant that was kept still stands: an error, as of Verify, if it has expired, was revoked, or its issuer is no
// longer believed.
func (v *Verifier) Live(ctx context.Context, g Grant) error {
	i := v.issuer(g.Issuer)
	if i == nil {
		return v.explain(errStranger)
	}
	return v.explain(v.live(ctx, i, g))
}

func (v *Verifier) live(ctx context.Context, i *known, g Grant) error {
	if !g.Expires.IsZero() && !v.options.Clock().Before(g.Expires.Add(v.options.Skew)) {
		return errExpired
	}
	if i.Revoked == nil {
		return nil
	}
	revoked, err := i.Revoked(ctx, g)
	if err == nil && revoked {
		err = errRevoked
	}
	return err
}

var (
	errStranger = errors.New("its issuer is none that this server believes")
	errExpired  = errors.New("it has expired")
	errRevoked  = errors.New("it was revoked")
)

// explain makes the answer to a caller of what is wrong with his token.
func (v *Verifier) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errDown):
		v.options.Log.Warn("issuer", "error", err)
		return fhirmap.Errorf(fhirmap.CodeTransient, "", "the issuer of the token cannot be asked at the moment; try again")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, errExpired):
		return refuse("invalid_token", fhirmap.CodeExpired, "the token is not good: it has expired; get a new one")
	}
	return refuse("invalid_token", fhirmap.CodeLogin, "the token is not good: %v", err)
}

// verify finds out about a token that is not remembered.
func (v *Verifier) verify(ctx context.Context, token string) (verified, error) {
	iss, isJWT := issuerOf(token)
	if isJWT {
		i := v.issuer(iss)
		if i == nil {
			return verified{}, errStranger
		}
		if _, err := i.keys.current(ctx); err != nil { // which go-oidc would tell by its text alone
			return verified{}, err
		}
		t, err := i.oidc.Verify(ctx, token)
		if err != nil {
			return verified{}, plainly(err)
		}
		var raw json.RawMessage
		if err := t.Claims(&raw); err != nil {
			return verified{}, err
		}
		c, err := parseClaims(raw)
		if err != nil {
			return verified{}, err
		}
		return v.accept(i, c, true)
	}
	var trouble error
	for _, i := range v.issuers { // nothing in the token says whose it is
		if i.Introspection == nil {
			continue
		}
		c, err := i.keys.introspect(ctx, token)
		if err != nil {
			trouble = err
			continue
		}
		if c != nil {
			return v.accept(i, c, false)
		}
	}
	if trouble != nil {
		return verified{}, trouble
	}
	return verified{}, errors.New("no issuer that this server believes knows it")
}

// plainly tells what go-oidc found in words that name no values of the token.
func plainly(err error) error {
	switch text := err.Error(); {
	case strings.Contains(text, "unexpected signature algorithm"), strings.Contains(text, "malformed jwt"):
		return fmt.Errorf("it is no JWT signed once by one of %s", strings.Join(Algorithms, ", "))
	case strings.Contains(text, "different provider"):
		return errStranger
	case strings.Contains(text, "failed to verify signature"):
		return errors.New("no key of its issuer has signed it")
	}
	return errors.New("it cannot be read")
}

// issuerOf reads the iss that a token claims, without believing it. ok is false if it is no JWT.
func issuerOf(token string) (iss string, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", false
	}
	header, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil || !json.Valid(header) {
		return "", false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", false
	}
	var c struct {
		Issuer string `json:"iss"`
	}
	err = json.Unmarshal(payload, &c)
	return c.Issuer, err == nil
}

// accept judges the claims of a token whose signature, or whose issuer's word, is good.
func (v *Verifier) accept(i *known, c claims, signed bool) (verified, error) {
	now := v.options.Clock()
	expires, ok := c.when("exp")
	begins, okToo := c.when("nbf")
	issued, okThree := c.when("iat")
	switch {
	case !ok || !okToo || !okThree:
		return verified{}, errors.New("a time in it is no time")
	case signed && expires.IsZero():
		return verified{}, errors.New("it does not say when it expires")
	case begins.After(now.Add(v.options.Skew)), issued.After(now.Add(v.options.Skew)):
		return verified{}, errors.New("it is not valid yet")
	}
	audience := c.list("", "aud")
	if (signed || len(audience) > 0) && !slices.ContainsFunc(audience, func(a string) bool { return slices.Contains(i.Audiences, a) }) {
		return verified{}, errors.New("it is for another server: none of its audiences is this one's")
	}
	if _, event := c["events"]; event {
		return verified{}, errors.New("it is no access token") // but a logout or another security event token (RFC 8417)
	}
	g := i.grant(c)
	if g.Subject == "" && g.Client == "" {
		return verified{}, errors.New("it does not say of whom it is")
	}
	g.Subject = cmp.Or(g.Subject, g.Client)
	until := now.Add(v.options.Remember)
	if !expires.IsZero() && expires.Before(until) {
		until = expires
	}
	return verified{g, i, until}, nil
}

// remembered looks a token up by its hash.
func (v *Verifier) remembered(sum [sha256.Size]byte) (verified, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	found, ok := v.verified[sum]
	if !ok {
		found, ok = v.before[sum]
	}
	return found, ok && v.options.Clock().Before(found.until)
}

// remember keeps a token that was found good, and forgets the older half when there are too many.
func (v *Verifier) remember(sum [sha256.Size]byte, found verified) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.verified) >= maxVerified {
		v.before, v.verified = v.verified, map[[sha256.Size]byte]verified{}
	}
	v.verified[sum] = found
}
