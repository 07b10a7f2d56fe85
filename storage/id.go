package storage

import (
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"io"
)

// ids are written in lower case base32 without the letters that are read as digits.
var ids = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewID makes a resource id of 24 characters: 5 bytes of time and 10 of randomness. Ids of one time are neighbours in the store, which
// makes them cheap to write; the random part cannot be guessed.
//
// Worked example: the time 0x0123456789 (in units of 16 ms since 1970) begins the id with "04hmasw9".
func (s *Store) NewID() (string, error) {
	var b [15]byte
	var t [8]byte
	binary.BigEndian.PutUint64(t[:], uint64(s.clock().UnixMilli())>>4)
	copy(b[:5], t[3:])
	if _, err := io.ReadFull(s.rand, b[5:]); err != nil {
		return "", fmt.Errorf("randomness for an id: %w", err)
	}
	return ids.EncodeToString(b[:]), nil
}
