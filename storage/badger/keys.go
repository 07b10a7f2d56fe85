package badger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// The layout. A key begins with the letter of its family; numbers are big-endian. t is the number of a type and f that of a field
// of a type (two bytes each, see names.go), n the number of a record within its type (five bytes, from 1, in order of creation,
// never used again), v a version (see appendCount), p a place in the log (eight bytes). A value too large for one key goes on under
// the same key followed by 00 01, 00 02 and so on (see blob.go).
//
//	family      key                          value
//	M names     M 't' name                   t
//	            M 'f' t name                 f
//	            M 's' f                      what is true of all rows of the field (see facts.go)
//	            M 'n'                        the last t and the last f given out
//	N numbers   N t                          last n, current records, last p, latest time (see counter)
//	            N 00 00                      last p of all types
//	D ids       D t id                       n
//	C current   C t n                        version, p, time, flags, expiry, id (see head)
//	V versions  V t n v                      p, time, flags, body (see version)
//	F rows      F t n                        all rows of a current, undeleted record (see rows.go)
//	R postings  R f low n                    the rows with this Low: groups, Highs, uniqueness (see rows.go)
//	H highs     H f high n                   nothing; intervals only
//	G log       G t p                        n, version, time, latest time so far, flags (see log.go)
//	X expiry    X time t n                   nothing; private records that expire
//
// Low is escaped so that keys sort as values do and a number can follow: 00 becomes 00 FF, the end is 00 00. Of a value over 1 KiB
// the first KiB is kept, then 00 01 and the SHA-256 of the whole: it sorts among the values that begin alike, but not within them,
// and what is found by it is verified on the forward rows. A High is 01 and the escaped bytes, or 02 if open, so that open ends
// sort last.
//
// There is no family for unique claims: a claim is a bit in the posting, and whether another record holds it is answered by the
// postings of that one value, which are few exactly when values are meant to be unique.
//
// The log is kept by type, one key for each write. The log of a record is read off its versions; the log of the whole store is
// a merge of the types', which costs a seek for each type written since (N tells which).
//
// Worked example: the row code = "8867-4" 00 "loinc" of the record with number 300 of its type, if the field has number 18:
//
//	52 00 12 38 38 36 37 2d 34 00 ff 6c 6f 69 6e 63 00 00 00 00 00 01 2c
//	R  f     8  8  6  7  -  4  00    l  o  i  n  c  end   n
const (
	famNames   = 'M'
	famNumbers = 'N'
	famIDs     = 'D'
	famCurrent = 'C'
	famVersion = 'V'
	famRows    = 'F'
	famPosting = 'R'
	famHigh    = 'H'
	famLog     = 'G'
	famExpiry  = 'X'
)

const (
	maxPlain = 1 << 10    // longest Low or High that a key holds in full, in bytes
	maxNum   = 1<<40 - 1  // highest number of a record within its type
	numLen   = 5          // bytes of a number in a key
	endMark  = "\x00\x00" // after an escaped value
	longMark = "\x00\x01" // after the first KiB of a long value, before its SHA-256
	highOpen = byte(0x02) // an open High
	highEnd  = byte(0x01) // a High with an end
	maxID    = 16 << 10   // longest id, in bytes; a key of Badger's ends at 65,000
)

type (
	typeNo  uint16
	fieldNo uint16
)

func appendNum(b []byte, n uint64) []byte {
	return append(b, byte(n>>32), byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

func parseNum(b []byte) uint64 {
	return uint64(b[0])<<32 | uint64(binary.BigEndian.Uint32(b[1:numLen]))
}

// lastNum returns the number a key ends with.
func lastNum(key []byte) uint64 { return parseNum(key[len(key)-numLen:]) }

// appendCount writes an integer so that the bytes sort as the integers do: how many bytes follow, then those bytes.
func appendCount(b []byte, v uint64) []byte {
	var full [8]byte
	binary.BigEndian.PutUint64(full[:], v)
	i := 0
	for i < 8 && full[i] == 0 {
		i++
	}
	b = append(b, byte(8-i))
	return append(b, full[i:]...)
}

// parseCount is the reverse of appendCount; rest is what follows. It reports false for bytes that appendCount does not write.
func parseCount(b []byte) (v uint64, rest []byte, ok bool) {
	if len(b) == 0 || b[0] > 8 || len(b) < 1+int(b[0]) {
		return 0, nil, false
	}
	end := 1 + int(b[0])
	for _, c := range b[1:end] {
		v = v<<8 | uint64(c)
	}
	return v, b[end:], end == 1 || b[1] != 0
}

// appendEscaped writes bytes so that what follows does not disturb their order. Long ones are cut, see the layout.
func appendEscaped(b, value []byte) []byte {
	if len(value) > maxPlain {
		sum := sha256.Sum256(value)
		b = appendPlain(b, value[:maxPlain])
		b = append(b, longMark...)
		return append(b, sum[:]...)
	}
	return append(appendPlain(b, value), endMark...)
}

// appendPlain escapes without an end: the beginning of every escaped value that begins with these bytes.
func appendPlain(b, value []byte) []byte {
	for {
		i := bytes.IndexByte(value, 0)
		if i < 0 {
			return append(b, value...)
		}
		b = append(b, value[:i]...)
		b = append(b, 0, 0xff)
		value = value[i+1:]
	}
}

// parseEscaped reads an escaped value off the front of b. Of a long value it returns the first KiB, and long.
func parseEscaped(b []byte) (value, rest []byte, long bool, err error) {
	i := bytes.IndexByte(b, 0)
	if i >= 0 && i+1 < len(b) && b[i+1] == 0 {
		return b[:i:i], b[i+2:], false, nil // nothing escaped: no copy
	}
	for at := 0; ; {
		i := bytes.IndexByte(b[at:], 0)
		if i < 0 || at+i+1 >= len(b) {
			return nil, nil, false, fmt.Errorf("value % x has no end", b)
		}
		value = append(value, b[at:at+i]...)
		mark := b[at+i+1]
		at += i + 2
		switch mark {
		case 0x00:
			return value, b[at:], false, nil
		case 0xff:
			value = append(value, 0)
		case 0x01:
			if len(b) < at+sha256.Size {
				return nil, nil, false, fmt.Errorf("value % x has a cut hash", b)
			}
			return value, b[at+sha256.Size:], true, nil
		default:
			return nil, nil, false, fmt.Errorf("value % x holds 00 %02x, which means nothing", b, mark)
		}
	}
}

func typeKey(family byte, t typeNo, room int) []byte {
	b := make([]byte, 3, 3+room)
	b[0], b[1], b[2] = family, byte(t>>8), byte(t)
	return b
}

func keyTypeName(name string) []byte { return append([]byte{famNames, 't'}, name...) }

func keyFieldName(t typeNo, name string) []byte {
	return append([]byte{famNames, 'f', byte(t >> 8), byte(t)}, name...)
}

func keyNames() []byte { return []byte{famNames, 'n'} }

func keyNumbers(t typeNo) []byte { return typeKey(famNumbers, t, 0) }

func keyID(t typeNo, id string) []byte { return append(typeKey(famIDs, t, len(id)), id...) }

func keyCurrent(t typeNo, n uint64) []byte { return appendNum(typeKey(famCurrent, t, numLen), n) }

func keyVersions(t typeNo, n uint64) []byte { return appendNum(typeKey(famVersion, t, numLen+9), n) }

func keyVersion(t typeNo, n, v uint64) []byte { return appendCount(keyVersions(t, n), v) }

func keyRows(t typeNo, n uint64) []byte { return appendNum(typeKey(famRows, t, numLen), n) }

func keyField(family byte, f fieldNo) []byte { return typeKey(family, typeNo(f), 0) }

// keyValue is the beginning of the postings of one Low.
func keyValue(f fieldNo, low []byte) []byte {
	return appendEscaped(typeKey(famPosting, typeNo(f), len(low)+2+numLen), low)
}

func keyPosting(f fieldNo, low []byte, n uint64) []byte { return appendNum(keyValue(f, low), n) }

// keyHighValue is the beginning of the keys of one High.
func keyHighValue(f fieldNo, high []byte) []byte {
	b := typeKey(famHigh, typeNo(f), len(high)+3+numLen)
	if len(high) == 0 {
		return append(b, highOpen)
	}
	return appendEscaped(append(b, highEnd), high)
}

func keyHigh(f fieldNo, high []byte, n uint64) []byte { return appendNum(keyHighValue(f, high), n) }

func keyLogs(t typeNo) []byte { return typeKey(famLog, t, 8) }

func keyLog(t typeNo, p uint64) []byte { return binary.BigEndian.AppendUint64(keyLogs(t), p) }

// keyExpiry sorts by time: milliseconds since 1970, with the sign bit turned so that earlier years sort first.
func keyExpiry(ms int64, t typeNo, n uint64) []byte {
	b := binary.BigEndian.AppendUint64([]byte{famExpiry}, uint64(ms)^1<<63)
	b = append(b, byte(t>>8), byte(t))
	return appendNum(b, n)
}

func parseExpiry(key []byte) (ms int64, t typeNo, n uint64, ok bool) {
	if len(key) != 1+8+2+numLen {
		return 0, 0, 0, false
	}
	return int64(binary.BigEndian.Uint64(key[1:]) ^ 1<<63), typeNo(binary.BigEndian.Uint16(key[9:])), parseNum(key[11:]), true
}

// parseTypeKey splits a key of a family led by type and number.
func parseTypeKey(key []byte) (t typeNo, n uint64, rest []byte, ok bool) {
	if len(key) < 3+numLen {
		return 0, 0, nil, false
	}
	return typeNo(binary.BigEndian.Uint16(key[1:])), parseNum(key[3:]), key[3+numLen:], true
}

// posting is a parsed key of the families R and H.
type posting struct {
	field fieldNo
	value []byte // the Low or High, its first KiB if long; empty for an open High
	long  bool
	num   uint64
}

func parsePosting(key []byte) (posting, error) {
	if len(key) < 3 {
		return posting{}, fmt.Errorf("key % x is too short for a posting", key)
	}
	p := posting{field: fieldNo(binary.BigEndian.Uint16(key[1:]))}
	rest := key[3:]
	if key[0] == famHigh {
		if len(rest) == 0 || rest[0] != highOpen && rest[0] != highEnd {
			return posting{}, fmt.Errorf("key % x has neither an open nor a closed High", key)
		}
		open := rest[0] == highOpen
		rest = rest[1:]
		if open {
			if len(rest) != numLen {
				return posting{}, fmt.Errorf("key % x does not end in a number", key)
			}
			p.num = parseNum(rest)
			return p, nil
		}
	}
	var err error
	if p.value, rest, p.long, err = parseEscaped(rest); err != nil {
		return posting{}, err
	}
	if len(rest) != numLen {
		return posting{}, fmt.Errorf("key % x does not end in a number", key)
	}
	p.num = parseNum(rest)
	return p, nil
}

// after is the first key beyond all that begin with a prefix; nil if there is none.
func after(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}
