package smart

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// keyring are the keys that tokens are signed with (RS256), the newest last. A key signs for Lifetimes.Key, and is published for as
// long again: no token lives longer.
type keyring struct {
	Keys []signingKey `json:"keys"`
	read time.Time
}

type signingKey struct {
	Made time.Time       `json:"made"`
	Key  jose.JSONWebKey `json:"key"` // private
}

var keyrings = storage.Private[keyring]{Type: "_signing"}

const (
	keyringID = "keys"
	reread    = time.Minute // another process on the same store may have made a key
	keyBits   = 2048
)

// signing returns the keyring with a key that may sign now.
func (s *Server) signing(ctx context.Context) (keyring, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Clock()
	if fresh := now.Sub(s.keys.read); fresh >= 0 && fresh < reread && !s.keys.due(now, s.Lifetimes.Key) {
		return s.keys, nil
	}
	load := func(tx *storage.Tx) (ring keyring, version uint64, err error) {
		ring, version, err = keyrings.Load(tx, keyringID)
		if errors.Is(err, driver.ErrNotFound) {
			err = nil
		}
		return ring, version, err
	}
	var ring keyring
	err := s.Store.View(ctx, storage.System, func(tx *storage.Tx) (err error) {
		ring, _, err = load(tx)
		return err
	})
	if err == nil && ring.due(now, s.Lifetimes.Key) {
		var made signingKey
		if made, err = s.makeKey(now); err != nil {
			return keyring{}, err
		}
		err = s.Store.Update(ctx, storage.System, func(tx *storage.Tx) error {
			current, version, err := load(tx)
			if err != nil {
				return err
			}
			if ring = current; !ring.due(now, s.Lifetimes.Key) {
				return nil
			}
			for len(ring.Keys) > 1 && now.Sub(ring.Keys[0].Made) > 2*s.Lifetimes.Key {
				ring.Keys = ring.Keys[1:]
			}
			ring.Keys = append(ring.Keys[:len(ring.Keys):len(ring.Keys)], made)
			_, err = keyrings.Save(tx, keyringID, version, ring)
			return err
		})
	}
	if err != nil {
		return keyring{}, fmt.Errorf("signing keys: %w", err)
	}
	ring.read = now
	s.keys = ring
	return ring, nil
}

// due reports whether a new key must be made.
func (k keyring) due(now time.Time, life time.Duration) bool {
	return len(k.Keys) == 0 || now.Sub(k.newest().Made) >= life
}

func (k keyring) newest() signingKey { return k.Keys[len(k.Keys)-1] }

func (s *Server) makeKey(now time.Time) (signingKey, error) {
	private, err := rsa.GenerateKey(s.Rand, keyBits)
	if err != nil {
		return signingKey{}, fmt.Errorf("make a signing key: %w", err)
	}
	return signingKey{Made: now, Key: jose.JSONWebKey{Key: private, KeyID: s.secret()[:16], Algorithm: string(jose.RS256), Use: "sig"}}, nil
}

// published are the public keys.
func (s *Server) published(ctx context.Context) (jose.JSONWebKeySet, error) {
	ring, err := s.signing(ctx)
	if err != nil {
		return jose.JSONWebKeySet{}, err
	}
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range ring.Keys {
		set.Keys = append(set.Keys, k.Key.Public())
	}
	return set, nil
}

// sign makes a JWT of a type, as at+jwt.
func (s *Server) sign(ctx context.Context, typ jose.ContentType, claims map[string]any) (string, error) {
	ring, err := s.signing(ctx)
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: ring.newest().Key}, (&jose.SignerOptions{}).WithType(typ))
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return jwt.Signed(signer).Claims(claims).Serialize()
}
