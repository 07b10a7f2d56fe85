package connect

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// siteToken is a token of a site. It is in no log, no report and no answer.
type siteToken struct {
	Site  string
	Token string
}

// siteTokens has one record for each site: the kind and the URL of a source, for the site knows one token however many sources read it.
var siteTokens = storage.Private[siteToken]{Type: "_sitetoken"}

func siteID(s *Source) string {
	sum := sha256.Sum256([]byte(s.kind.name + "\x00" + s.URL))
	return hex.EncodeToString(sum[:16])
}

// tokenKeeper keeps tokens in a store.
type tokenKeeper struct{ *storage.Store }

// last is the token of the last run, "" if there is none.
func (k tokenKeeper) last(ctx context.Context, s *Source) (string, error) {
	var t siteToken
	err := k.View(ctx, storage.System, func(tx *storage.Tx) (err error) {
		t, _, err = siteTokens.Load(tx, siteID(s))
		return err
	})
	if errors.Is(err, driver.ErrNotFound) {
		err = nil
	}
	return t.Token, err
}

func (k tokenKeeper) keep(ctx context.Context, s *Source, token string) error {
	return k.Update(ctx, storage.System, func(tx *storage.Tx) error {
		_, version, err := siteTokens.Load(tx, siteID(s))
		if err != nil && !errors.Is(err, driver.ErrNotFound) {
			return err
		}
		_, err = siteTokens.Save(tx, siteID(s), version, siteToken{Site: s.URL, Token: token})
		return err
	})
}

// forget drops a token that was refused, unless another run has got a new one meanwhile.
func (k tokenKeeper) forget(ctx context.Context, s *Source, token string) error {
	return k.Update(ctx, storage.System, func(tx *storage.Tx) error {
		t, _, err := siteTokens.Load(tx, siteID(s))
		if errors.Is(err, driver.ErrNotFound) || err == nil && t.Token != token {
			return nil
		}
		if err != nil {
			return err
		}
		return siteTokens.Remove(tx, siteID(s))
	})
}
