package search

import (
	"bytes"
	"encoding/hex"
	"math/big"
	"strconv"
	"strings"
	"testing"
)

func TestNumberBytes(t *testing.T) {
	for number, want := range map[string]string{
		"0": "80", "-0": "80", "0.000": "80", "0e7": "80",
		"72.5": "c14933", "0.725": "bf4933", "-72.5": "3eb6ccff",
		"1.5": "c010", "1.50": "c010", "15e-1": "c010", "0.15E+1": "c010", "+1.5": "c010",
		"100": "c20b", "1e2": "c20b", "100.00": "c20b",
		"1e61": "fd0b", "1e62": "fe8000003f0b", "1e-62": "820b", "1e-63": "817fffffc20b",
	} {
		b, err := encodeNumber(number)
		if err != nil || hex.EncodeToString(b) != want {
			t.Errorf("%s: %x, %v; want %s", number, b, err, want)
		}
	}
	for _, s := range []string{"", "-", ".5", "5.", "1e", "1e1.5", "0x1", "1,5", "٣", "1e99999999999", "NaN", "1 ", strings.Repeat("9", 5000)} {
		if b, err := encodeNumber(s); err == nil {
			t.Errorf("%q is taken for a number: %x", s, b)
		}
	}
}

func TestNumberOrder(t *testing.T) {
	ascending := []string{
		"-1e1000000", "-1e62", "-1000.01", "-1000", "-999", "-72.51", "-72.5", "-72.49", "-1", "-0.51", "-0.5", "-0.004", "-0.001", "-1e-62", "-1e-90",
		"0", "1e-1000000", "1e-90", "1e-62", "0.001", "0.004", "0.5", "0.51", "1", "1.01", "1.1", "9", "9.99", "10", "72.49", "72.5", "72.51", "100",
		"123456789012345678901234567890.1", "123456789012345678901234567890.2", "1e61", "1e62", "1.1e62", "1e63", "1e1000000",
	}
	var last []byte
	for i, s := range ascending {
		b, err := encodeNumber(s)
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 && bytes.Compare(last, b) >= 0 {
			t.Errorf("%s (%x) does not sort after %s (%x)", s, b, ascending[i-1], last)
		}
		if i > 0 && bytes.Compare(after(last), b) > 0 {
			t.Errorf("%s sorts before what comes next after %s", s, ascending[i-1])
		}
		last = b
	}
}

func TestPrecision(t *testing.T) {
	for _, c := range []struct{ number, low, high string }{
		{"100", "99.5", "100.5"},
		{"100.00", "99.995", "100.005"},
		{"1e2", "95", "105"},
		{"1.0e2", "95", "105"},
		{"1.23e5", "122500", "123500"},
		{"1e-2", "0.005", "0.015"},
		{"5.4", "5.35", "5.45"},
		{"-5.4", "-5.45", "-5.35"},
		{"0", "-0.5", "0.5"},
	} {
		d, err := parseDecimal(c.number)
		if err != nil {
			t.Fatal(err)
		}
		low, high := d.precision()
		wantLow, _ := encodeNumber(c.low)
		wantHigh, _ := encodeNumber(c.high)
		if !bytes.Equal(low.encode(), wantLow) || !bytes.Equal(high.encode(), wantHigh) {
			t.Errorf("%s: [%s, %s), want [%s, %s)", c.number, shown(low), shown(high), c.low, c.high)
		}
	}
	for _, c := range []struct{ number, low, high string }{
		{"100", "90", "110"}, {"-100", "-110", "-90"}, {"1", "0.5", "1.5"}, {"5.0", "4.5", "5.5"}, {"0.001", "0.0005", "0.0015"},
	} {
		d, _ := parseDecimal(c.number)
		low, high := d.approximate()
		if shown(low) != c.low || shown(high) != c.high {
			t.Errorf("about %s: [%s, %s), want [%s, %s)", c.number, shown(low), shown(high), c.low, c.high)
		}
	}
}

func shown(d decimal) string {
	s, _ := decodeNumber(d.encode())
	return s
}

// FuzzNumberOrder compares the order and equality of the bytes with those of the numbers, as fractions.
func FuzzNumberOrder(f *testing.F) {
	for _, s := range [][2]string{{"1.5", "1.50"}, {"-1.5", "-1.51"}, {"0", "-0.0"}, {"1e62", "1e61"}, {"9.99", "10"}, {"1e-70", "2e-70"}} {
		f.Add(s[0], s[1])
	}
	rat := func(s string) *big.Rat {
		if i := strings.IndexAny(s, "eE"); i >= 0 {
			if n, err := strconv.Atoi(s[i+1:]); err != nil || n > 2000 || n < -2000 {
				return nil // too large to compare as fractions
			}
		}
		r, ok := new(big.Rat).SetString(s)
		if !ok {
			return nil
		}
		return r
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		x, errX := encodeNumber(a)
		y, errY := encodeNumber(b)
		if errX != nil || errY != nil {
			return
		}
		p, q := rat(a), rat(b)
		if p == nil || q == nil {
			return
		}
		if got, want := bytes.Compare(x, y), p.Cmp(q); got != want {
			t.Fatalf("%s %x and %s %x compare as %d, want %d", a, x, b, y, got, want)
		}
		if s, ok := decodeNumber(x); !ok || rat(s) == nil || rat(s).Cmp(p) != 0 {
			t.Fatalf("%s %x decodes as %q", a, x, s)
		}
		d, err := parseDecimal(a)
		if err != nil || !bytes.Equal(d.encode(), x) {
			t.Fatalf("%s: encoded %x as a decimal, %x as text", a, d.encode(), x)
		}
		if low, high := d.precision(); bytes.Compare(low.encode(), x) >= 0 || bytes.Compare(x, high.encode()) >= 0 {
			t.Fatalf("%s is not inside of its precision", a)
		}
		e, _ := parseDecimal(b)
		if sum, ok := d.plus(e); !ok || rat(shown(sum)) != nil && rat(shown(sum)).Cmp(new(big.Rat).Add(p, q)) != 0 {
			t.Fatalf("%s + %s = %s", a, b, shown(sum))
		}
	})
}
