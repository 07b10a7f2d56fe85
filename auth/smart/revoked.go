package smart

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/hob-fhir/hob/auth"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// revokedToken notes an access token that was revoked by itself, until it would have expired.
type revokedToken struct{ Expires time.Time }

var revokedTokens = storage.Private[revokedToken]{Type: "_revoked", Expires: func(r revokedToken) time.Time { return r.Expires }}

// ends counts whatever has ended something: a revocation, a client or user removed, a session over. As long as it stays the same, a token
// that was found good is good; so one small record is all that a request reads, and every process on the store sees an end at once.
var ends = storage.Private[int64]{Type: "_end"}

const endsID = "all"

// noteEnd counts an end, in the transaction that brings it.
func noteEnd(tx *storage.Tx) error {
	n, version, err := ends.Load(tx, endsID)
	if err != nil && !errors.Is(err, driver.ErrNotFound) {
		return err
	}
	_, err = ends.Save(tx, endsID, version, n+1)
	return err
}

// goodTokens are the tokens that were found good since the last end, and until when.
type goodTokens struct {
	ends  int64
	until map[string]time.Time // by jti
}

const maxGood = 100_000 // tokens

// revoked tells whether an access token of ours stands for nothing any more.
func (s *Server) revoked(ctx context.Context, g auth.Grant) (bool, error) {
	now := s.Clock()
	err := s.Store.View(ctx, storage.System, func(tx *storage.Tx) error {
		n, _, err := ends.Load(tx, endsID)
		if err != nil && !errors.Is(err, driver.ErrNotFound) {
			return err
		}
		s.mu.Lock()
		if s.good.ends != n || s.good.until == nil || len(s.good.until) >= maxGood {
			s.good = goodTokens{ends: n, until: map[string]time.Time{}}
		}
		until, ok := s.good.until[g.ID]
		s.mu.Unlock()
		if ok && now.Before(until) {
			return nil
		}
		if until, err = s.goodUntil(tx, g); err != nil {
			return err
		}
		s.mu.Lock()
		if s.good.ends == n {
			s.good.until[g.ID] = until
		}
		s.mu.Unlock()
		return nil
	})
	if errors.Is(err, errEnded) {
		return true, nil
	}
	return err != nil, err
}

// goodUntil reads all that a token stands on. errEnded if something of it is gone.
func (s *Server) goodUntil(tx *storage.Tx, g auth.Grant) (time.Time, error) {
	_, _, err := revokedTokens.Load(tx, digest(g.ID))
	if err == nil {
		return time.Time{}, errEnded
	}
	if !errors.Is(err, driver.ErrNotFound) {
		return time.Time{}, err
	}
	id, _, _ := strings.Cut(g.ID, ".")
	if id != backend {
		a, _, err := s.standing(tx, id)
		return a.Expires, err
	}
	ok, err := s.known(tx, g.Client)
	if err == nil && !ok {
		err = errEnded
	}
	return s.Clock().Add(time.Minute), err
}
