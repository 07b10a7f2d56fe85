package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// introspect asks an issuer about a token (RFC 7662). claims is nil if the token is not active.
func (k *keys) introspect(ctx context.Context, token string) (claims, error) {
	in := k.issuer.Introspection
	at := in.URL
	if at == "" {
		d, err := k.discover(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %w", k.issuer.URL, errDown, err)
		}
		if at = d.Introspect; at == "" {
			return nil, fmt.Errorf("%s: %w: its discovery document names no introspection_endpoint", k.issuer.URL, errDown)
		}
	}
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, at, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	if in.Client != "" {
		r.SetBasicAuth(url.QueryEscape(in.Client), url.QueryEscape(in.Secret)) // RFC 6749 section 2.3.1
	}
	res, err := k.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", k.issuer.URL, errDown, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %w: introspection answers %s", k.issuer.URL, errDown, res.Status)
	}
	var c claims
	if err := json.NewDecoder(res.Body).Decode(&c); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", k.issuer.URL, errDown, err)
	}
	if active, _ := c["active"].(bool); !active {
		return nil, nil
	}
	if iss := c.text("iss"); iss != "" && iss != k.issuer.URL {
		return nil, errors.New("it is of another issuer")
	}
	return c, nil
}
