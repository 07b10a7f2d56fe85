package smart

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
)

// secret makes a random word of 256 bits, as codes, refresh tokens, launches and sessions are. Of each only the digest is stored: who
// reads the store cannot use them.
func (s *Server) secret() string {
	var b [32]byte
	if _, err := io.ReadFull(s.Rand, b[:]); err != nil {
		panic(fmt.Sprintf("no randomness: %v", err)) // nothing secret can be made any more
	}
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// digest is the id of a record whose key is a secret, or a word that is no id.
func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// same compares two words in a time that tells nothing of them.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// seal derives a word for one purpose from a secret that a cookie holds. A form brings it back, which another site cannot make it do.
func seal(secret, purpose string) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(purpose))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}
