package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/hob-fhir/hob/auth"
	"github.com/hob-fhir/hob/auth/smart"
)

// token prints an access token: that of a server for development, one that a client gets, or one made on a store.
type token struct {
	URL    string        `default:"http://127.0.0.1:8080/fhir" help:"FHIR base of the server that the token is for."`
	Client string        `placeholder:"ID" help:"The client_id of a service. Its secret is the variable HOB_CLIENT_SECRET, or it has a --key."`
	Key    string        `placeholder:"FILE" help:"Private key of the client, a JWK with kid and alg RS384 or ES384."`
	Store  string        `placeholder:"URL" help:"Make a token on this store, as badger:DIR, for the operator. No server may have it open."`
	Scope  string        `default:"system/*.cruds" help:"What the token allows."`
	Life   time.Duration `default:"1h" help:"How long a token lives that is made on a --store."`
}

func (token) Help() string {
	return `Without a --client or --store it prints the token that hob serve --auth dev has ready on this machine. The token is for the header Authorization: Bearer, and for --token, or the variable HOB_TOKEN, of load, bench and check.

Examples:
  curl -H "Authorization: Bearer $(hob token)" http://127.0.0.1:8080/fhir/Patient
  HOB_CLIENT_SECRET=... hob token --url https://ehr.example/fhir --client mpi --scope 'system/Patient.rs'
  hob token --url https://ehr.example/fhir --client warehouse --key private.jwk
  hob token --url https://ehr.example/fhir --store badger:/var/lib/hob --life 30m`
}

func (c token) Run(p *process) (err error) {
	base := strings.TrimRight(c.URL, "/")
	var text string
	switch {
	case c.Store != "" && c.Client != "":
		return errors.New("a token is made on a --store or got by a --client, not both")
	case c.Store != "":
		text, err = c.mint(p, base)
	case c.Client != "":
		text, err = c.ask(p, base)
	default:
		var d ready
		d, err = readReady(base)
		text = d.Token
	}
	if err == nil {
		fmt.Fprintln(p.out, text)
	}
	return err
}

// mint makes a token on a store.
func (c token) mint(ctx context.Context, base string) (text string, err error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("url %s: a FHIR base is needed, as https://ehr.example/fhir", base)
	}
	err = closedStore{c.Store}.with(ctx, false, func(o *opened) error {
		policy, err := auth.NewPolicy(o.catalog, auth.Rules{})
		if err != nil {
			return err
		}
		server, err := smart.New(ctx, smart.Config{Store: o.Store, Catalog: o.catalog, Base: u, Policy: policy})
		if err != nil {
			return err
		}
		text, err = server.Mint(ctx, "", auth.ParseScopes(c.Scope), c.Life)
		return err
	})
	return text, err
}

// ask gets a token as a service does (client_credentials), from whatever authorization server the FHIR base names.
func (c token) ask(ctx context.Context, base string) (string, error) {
	client := &http.Client{Timeout: 30 * time.Second}
	do := func(r *http.Request, err error) (m map[string]any, status int, _ error) {
		if err != nil {
			return nil, 0, err
		}
		r.Header.Set("Accept", "application/json")
		res, err := client.Do(r)
		if err != nil {
			return nil, 0, err
		}
		defer res.Body.Close()
		b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
		if err == nil && json.Unmarshal(b, &m) != nil {
			m = nil
		}
		return m, res.StatusCode, err
	}
	m, status, err := do(http.NewRequestWithContext(ctx, http.MethodGet, base+"/.well-known/smart-configuration", nil))
	if err != nil {
		return "", err
	}
	endpoint, _ := m["token_endpoint"].(string)
	if endpoint == "" {
		return "", fmt.Errorf("%s/.well-known/smart-configuration answers %d and names no token_endpoint", base, status)
	}
	q := url.Values{"grant_type": {"client_credentials"}, "scope": {c.Scope}}
	secret := os.Getenv("HOB_CLIENT_SECRET")
	switch {
	case c.Key != "":
		assertion, err := c.assert(endpoint)
		if err != nil {
			return "", err
		}
		q.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		q.Set("client_assertion", assertion)
	case secret == "":
		return "", errors.New("the client has no --key, and no secret in the variable HOB_CLIENT_SECRET")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(q.Encode()))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if c.Key == "" {
		r.SetBasicAuth(url.QueryEscape(c.Client), url.QueryEscape(secret))
	}
	m, status, err = do(r, nil)
	if err != nil {
		return "", err
	}
	text, _ := m["access_token"].(string)
	if text == "" {
		return "", fmt.Errorf("%s answers %d: %v %v", endpoint, status, m["error"], m["error_description"])
	}
	return text, nil
}

// assert signs what authenticates the client.
func (c token) assert(endpoint string) (string, error) {
	b, err := os.ReadFile(c.Key)
	if err != nil {
		return "", err
	}
	var key jose.JSONWebKey
	if err := json.Unmarshal(b, &key); err != nil || key.IsPublic() {
		return "", fmt.Errorf("%s is no private JWK", c.Key)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("%s: %w; its alg must be RS384 or ES384", c.Key, err)
	}
	return jwt.Signed(s).Claims(jwt.Claims{
		Issuer: c.Client, Subject: c.Client, Audience: jwt.Audience{endpoint}, ID: rand.Text(), Expiry: jwt.NewNumericDate(time.Now().Add(4 * time.Minute)),
	}).Serialize()
}
