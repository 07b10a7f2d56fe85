package smart

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// fetched are the keys of a client as they were at its jwks_uri.
type fetched struct {
	set jose.JSONWebKeySet
	at  time.Time
}

const (
	keepKeys  = 5 * time.Minute  // until they are fetched again
	fetchGap  = 10 * time.Second // at least, however many unknown kids there are
	maxKeys   = 256 << 10        // bytes of a JWKS
	maxCached = 1000             // clients
)

// clientKeys are the keys of a client with an id. A kid that is not known has the set fetched anew.
func (s *Server) clientKeys(ctx context.Context, c Client, kid string) ([]jose.JSONWebKey, error) {
	if c.JWKS != nil {
		return c.JWKS.Key(kid), nil
	}
	now := s.Clock()
	s.mu.Lock()
	f := s.fetched[c.JWKSURI]
	s.mu.Unlock()
	age := now.Sub(f.at)
	if keys := f.set.Key(kid); age < fetchGap || age < keepKeys && len(keys) > 0 {
		return keys, nil
	}
	set, err := s.fetchKeys(ctx, c.JWKSURI)
	if err != nil {
		if keys := f.set.Key(kid); len(keys) > 0 {
			return keys, nil // its server is down; what was known goes on
		}
		return nil, err
	}
	s.mu.Lock()
	if len(s.fetched) >= maxCached {
		clear(s.fetched)
	}
	s.fetched[c.JWKSURI] = fetched{set, now}
	s.mu.Unlock()
	return set.Key(kid), nil
}

func (s *Server) fetchKeys(ctx context.Context, url string) (set jose.JSONWebKeySet, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return set, err
	}
	r.Header.Set("Accept", "application/json")
	res, err := s.Fetch.Do(r)
	if err != nil {
		return set, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return set, fmt.Errorf("%s answers %d", url, res.StatusCode)
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxKeys)).Decode(&set); err != nil {
		return set, fmt.Errorf("%s: %w", url, err)
	}
	return set, nil
}
