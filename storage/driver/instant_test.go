package driver

import (
	"bytes"
	"encoding/hex"
	"testing"
	"time"
)

func TestInstant(t *testing.T) {
	for moment, want := range map[string]string{
		"1970-01-01T00:00:00Z":           "57f0fab480",
		"1970-01-01T00:00:00.5Z":         "57f0fab4801dcd65",
		"1970-01-01T02:00:00+02:00":      "57f0fab480",
		"1970-01-01T00:00:01Z":           "57f0fab481",
		"1969-12-31T23:59:59.999999999Z": "57f0fab47f3b9ac9ff",
		"1970-01-01T00:00:00.000000256Z": "57f0fab480000001",
	} {
		at, err := time.Parse(time.RFC3339Nano, moment)
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(Instant(at)); got != want {
			t.Errorf("instant of %s: %s; want %s", moment, got, want)
		}
	}
}

// FHIR's dates have years 0001 to 9999; search intervals reach a little beyond.
func TestInstantRange(t *testing.T) {
	var last []byte
	for _, year := range []int{-9999, -1, 0, 1, 1582, 1899, 1970, 2026, 9999, 10000, 20000} {
		at := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		b := Instant(at)
		if len(b) != 5 || bytes.Compare(last, b) >= 0 {
			t.Errorf("instant of the year %d is %x, after %x", year, b, last)
		}
		if back, ok := ParseInstant(b); !ok || !back.Equal(at) {
			t.Errorf("%x comes back as %v, %t; want %v", b, back, ok, at)
		}
		last = b
	}
}

func TestParseInstantRefuses(t *testing.T) {
	for _, bad := range []string{
		"", "57", "57f0fab4", // too short
		"57f0fab4801dcd650000", // too long
		"57f0fab48000",         // a trailing zero byte
		"57f0fab4801dcd6500",
		"57f0fab4803b9aca", // 1,000,000,000 nanoseconds would begin so, and 999,999,488 is 3b9ac8
		"57f0fab480ffffffff",
	} {
		b, err := hex.DecodeString(bad)
		if err != nil {
			t.Fatal(err)
		}
		if at, ok := ParseInstant(b); ok {
			t.Errorf("%s is taken for %v; no instant is so written", bad, at)
		}
	}
}

func FuzzInstant(f *testing.F) {
	f.Add(int64(0), int64(0), int64(0), int64(1))
	f.Add(int64(-1), int64(999999999), int64(0), int64(0))
	f.Add(int64(1<<33), int64(256), int64(1<<33), int64(65536))
	f.Fuzz(func(t *testing.T, s1, n1, s2, n2 int64) {
		const first, last = epoch, epoch + 1<<40 - 1
		moment := func(s, n int64) (time.Time, bool) {
			return time.Unix(s, n%1e9).UTC(), s >= first && s <= last && n >= 0
		}
		a, aok := moment(s1, n1)
		b, bok := moment(s2, n2)
		if !aok || !bok {
			return
		}
		if got, want := bytes.Compare(Instant(a), Instant(b)), a.Compare(b); got != want {
			t.Errorf("%v and %v compare as %d; their instants as %d", a, b, want, got)
		}
		if back, ok := ParseInstant(Instant(a)); !ok || !back.Equal(a) {
			t.Errorf("%v comes back as %v, %t", a, back, ok)
		}
	})
}

func FuzzParseInstant(f *testing.F) {
	f.Add([]byte{0x57, 0xf0, 0xfa, 0xb4, 0x80})
	f.Add([]byte{0x57, 0xf0, 0xfa, 0xb4, 0x80, 0x1d})
	f.Fuzz(func(t *testing.T, b []byte) {
		if at, ok := ParseInstant(b); ok && !bytes.Equal(Instant(at), b) {
			t.Errorf("%x is taken for %v, whose instant is %x", b, at, Instant(at))
		}
	})
}
