package badger

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/hob-fhir/hob/storage/driver"
)

// spot is where a hit stands in the sequence of a search: its sort keys, and its number to tell equals apart.
type spot struct {
	keys []sortKey
	num  uint64
}

type sortKey struct {
	low     []byte
	present bool
}

// compare says which of two spots comes first, before Find.Reverse.
func (s spot) compare(t spot, order []driver.Order) int {
	for i, o := range order {
		a, b := s.keys[i], t.keys[i]
		if c := driver.CompareSortKeys(o, a.low, a.present, b.low, b.present); c != 0 {
			return c
		}
	}
	switch {
	case s.num < t.num:
		return -1
	case s.num > t.num:
		return 1
	}
	return 0
}

// A cursor is the base64 (URL alphabet, no padding) of: the number of sort keys, for each 0 if the record has none, else 1 and the
// key after its length, then the record's number, all numbers as varints; then four bytes of CRC-32.
func (s spot) cursor() driver.Cursor {
	size := 16
	for _, k := range s.keys {
		size += 6 + len(k.low)
	}
	b := binary.AppendUvarint(make([]byte, 0, size), uint64(len(s.keys)))
	for _, k := range s.keys {
		if !k.present {
			b = append(b, 0)
			continue
		}
		b = appendBytes(append(b, 1), k.low)
	}
	b = binary.AppendUvarint(b, s.num)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return driver.Cursor(base64.RawURLEncoding.EncodeToString(b))
}

func parseCursor(c driver.Cursor, keys int) (spot, error) {
	b, err := base64.RawURLEncoding.DecodeString(string(c))
	if err == nil && len(b) < 4 {
		err = errCut
	}
	if err == nil && crc32.ChecksumIEEE(b[:len(b)-4]) != binary.BigEndian.Uint32(b[len(b)-4:]) {
		err = errors.New("its checksum is wrong")
	}
	var s spot
	if err == nil {
		d := decoder{b: b[:len(b)-4]}
		n := d.uint()
		if n != uint64(keys) {
			err = fmt.Errorf("it is of a search with %d sort keys, not %d", n, keys)
		}
		for range keys {
			var k sortKey
			if k.present = d.byte() == 1; k.present {
				k.low = d.bytes()
			}
			s.keys = append(s.keys, k)
		}
		s.num = d.uint()
		if err == nil {
			err = d.end()
		}
	}
	if err != nil {
		return spot{}, fmt.Errorf("cursor %q is none of this search: %w: %w", string(c), err, driver.ErrInvalid)
	}
	return s, nil
}
