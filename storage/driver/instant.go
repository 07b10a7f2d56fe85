package driver

import (
	"encoding/binary"
	"time"
)

// epoch is the first second of the year -9999, so that every second FHIR can name is positive and fits five bytes.
const epoch = -377705116800

// Instant encodes a moment in bytes that sort as time does: five bytes of seconds, then the nanoseconds in up to four bytes
// without trailing zero bytes. Worked example: 1970-01-01T00:00:00Z is 57 f0 fa b4 80; half a second later
// 57 f0 fa b4 80 1d cd 65.
func Instant(t time.Time) []byte {
	var b [9]byte
	s := uint64(t.Unix() - epoch)
	b[0] = byte(s >> 32)
	binary.BigEndian.PutUint32(b[1:5], uint32(s))
	binary.BigEndian.PutUint32(b[5:9], uint32(t.Nanosecond()))
	n := 9
	for n > 5 && b[n-1] == 0 {
		n--
	}
	return b[:n:n]
}

// ParseInstant is the reverse of Instant; it reports false for bytes that no Instant is.
func ParseInstant(b []byte) (time.Time, bool) {
	if len(b) < 5 || len(b) > 9 || len(b) > 5 && b[len(b)-1] == 0 {
		return time.Time{}, false
	}
	var full [9]byte
	copy(full[:], b)
	s := uint64(full[0])<<32 | uint64(binary.BigEndian.Uint32(full[1:5]))
	nanos := binary.BigEndian.Uint32(full[5:9])
	if nanos >= 1e9 {
		return time.Time{}, false
	}
	return time.Unix(int64(s)+epoch, int64(nanos)).UTC(), true
}
