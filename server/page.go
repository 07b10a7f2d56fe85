package server

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// place is where in a walk a page begins: what the _page parameter of a link holds. The server keeps nothing of it.
//
// Sealed form, in base64 of the URL alphabet: nonce (12) · AES-256-GCM of the plain form, whose associated data are the scope.
// Plain form: flags (1: bit 0 reverse) · total + 1 (uvarint, 0 unknown) · length of the snapshot (uvarint) · snapshot · cursor.
// The nonce is the first twelve bytes of HMAC-SHA-256 over scope and plain form, so it repeats only where all else does and no
// counter need be kept.
type place struct {
	at      driver.Snapshot
	after   string // a driver.Cursor or a driver.Position
	reverse bool
	total   int // negative: not known
}

// start is the place of a first page.
var start = place{total: -1}

// pages seals and opens places.
type pages struct {
	aead cipher.AEAD
	mac  []byte
}

// newPages derives its two keys from one of 32 bytes.
func newPages(key []byte) (*pages, error) {
	block, err := aes.NewCipher(derived(key, "page links: encryption"))
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	return &pages{aead: aead, mac: derived(key, "page links: nonce")}, err
}

func derived(key []byte, purpose string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(purpose))
	return h.Sum(nil)
}

// seal writes a place that opens only with the same scope: what is walked, by its path and query, and who walks.
func (p *pages) seal(scope string, at place) string {
	plain := make([]byte, 0, 64)
	var flags byte
	if at.reverse {
		flags |= 1
	}
	plain = append(plain, flags)
	plain = binary.AppendUvarint(plain, uint64(max(at.total, -1)+1))
	plain = binary.AppendUvarint(plain, uint64(len(at.at)))
	plain = append(plain, at.at...)
	plain = append(plain, at.after...)

	h := hmac.New(sha256.New, p.mac)
	h.Write([]byte(scope))
	h.Write([]byte{0})
	h.Write(plain)
	nonce := h.Sum(nil)[:p.aead.NonceSize()]
	return base64.RawURLEncoding.EncodeToString(p.aead.Seal(nonce, nonce, plain, []byte(scope)))
}

// open reads a place; "" is the start.
func (p *pages) open(scope, token string) (place, error) {
	if token == "" {
		return start, nil
	}
	bad := fhirmap.Errorf(fhirmap.CodeValue, "", "_page is not of a link that this server gave for this request; begin again without it")
	sealed, err := base64.RawURLEncoding.DecodeString(token)
	n := p.aead.NonceSize()
	if err != nil || len(sealed) < n {
		return start, bad
	}
	plain, err := p.aead.Open(nil, sealed[:n], sealed[n:], []byte(scope))
	if err != nil || len(plain) < 3 {
		return start, bad
	}
	at := place{reverse: plain[0]&1 != 0}
	total, n := binary.Uvarint(plain[1:])
	rest := plain[1+n:]
	size, n := binary.Uvarint(rest)
	rest = rest[n:]
	if size > uint64(len(rest)) {
		return start, bad
	}
	at.total = int(total) - 1
	at.at = driver.Snapshot(rest[:size])
	at.after = string(rest[size:])
	return at, nil
}

// keys is the private record in which a server keeps what it seals with.
var keys = storage.Private[[]byte]{Type: "_key"}

// PageKey returns the key of this store's page links, made at the first call: links outlive a restart, and all servers of one store
// open each other's.
func PageKey(ctx context.Context, s *storage.Store) (key []byte, err error) {
	err = s.Update(ctx, storage.System, func(tx *storage.Tx) error {
		key, _, err = keys.Load(tx, "page")
		if !errors.Is(err, driver.ErrNotFound) {
			return err
		}
		key = make([]byte, 32)
		rand.Read(key)
		_, err = keys.Save(tx, "page", 0, key)
		return err
	})
	return key, err
}
