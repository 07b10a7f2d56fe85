package badger

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/hob-fhir/hob/storage/driver"
)

// TestKeysGolden fixes the bytes of the layout: a change here is a new format.
func TestKeysGolden(t *testing.T) {
	long := bytes.Repeat([]byte("x"), maxPlain+1)
	for _, c := range []struct {
		name string
		key  []byte
		want string
	}{
		{"type name", keyTypeName("Patient"), "4d74 50617469656e74"},
		{"field name", keyFieldName(2, "code"), "4d66 0002 636f6465"},
		{"names", keyNames(), "4d6e"},
		{"numbers", keyNumbers(2), "4e 0002"},
		{"id", keyID(2, "p1"), "44 0002 7031"},
		{"current", keyCurrent(2, 300), "43 0002 000000012c"},
		{"version 1", keyVersion(2, 300, 1), "56 0002 000000012c 0101"},
		{"version 1000", keyVersion(2, 300, 1000), "56 0002 000000012c 0203e8"},
		{"part 1 of a version", partKey(keyVersion(2, 300, 1), 1), "56 0002 000000012c 0101 0001"},
		{"rows", keyRows(2, 300), "46 0002 000000012c"},
		{"posting", keyPosting(18, []byte("8867-4\x00loinc"), 300), "52 0012 383836372d34 00ff 6c6f696e63 0000 000000012c"},
		{"posting of a long value", keyPosting(18, long, 1),
			"52 0012 " + strings.Repeat("78", maxPlain) + " 0001 c6d8e9905300876046729949cc95c2385221270d389176f7234fe7ac00c4e430 0000000001"},
		{"high", keyHigh(18, []byte("b\x00"), 300), "48 0012 01 62 00ff 0000 000000012c"},
		{"open high", keyHigh(18, nil, 300), "48 0012 02 000000012c"},
		{"log", keyLog(2, 420), "47 0002 00000000000001a4"},
		{"expiry", keyExpiry(1000, 2, 300), "58 80000000000003e8 0002 000000012c"},
	} {
		if got, want := hex.EncodeToString(c.key), strings.ReplaceAll(c.want, " ", ""); got != want {
			t.Errorf("%s: %s, want %s", c.name, got, want)
		}
	}
}

// TestValuesGolden fixes the bytes of the values.
func TestValuesGolden(t *testing.T) {
	rows := []row{
		{field: 3, value: driver.Point([]byte("a"))},
		{field: 3, group: 2, value: driver.Span([]byte("a"), []byte("b"))},
		{field: 5, value: driver.Point([]byte("u")), unique: true},
	}
	h := head{version: 3, pos: 7, time: 1_700_000_000_000, id: "p1"}
	e := head{flags: flagExpires, version: 1, time: 1, expires: time.Unix(5, 6), id: "p1"}
	v := version{pos: 7, time: 1_700_000_000_000, body: []byte("{}")}
	for _, c := range []struct {
		name  string
		value []byte
		want  string
	}{
		{"rows", encodeRows(rows), "03 00 01 61  00 0a 01 61 01 62  02 01 01 75"},
		{"posting of two rows", postings(rows, 1)[1].value, "00 0a 01 62"},
		{"posting of a claim", postings(rows, 1)[2].value, "01"},
		{"posting of a plain point", postings(rows[:1], 1)[0].value, ""},
		{"head", h.encode(), "00 03 07 80a0abfef962 00 7031"},
		{"head that expires", e.encode(), "04 01 00 02 00 0a 06 7031"},
		{"version", v.encode(), "00 07 80a0abfef962 7b7d"},
		{"counter", counter{last: 5, count: 4, pos: 7, latest: 1}.encode(), "05 04 07 02"},
		{"logged", logged{num: 5, version: 4, time: 1, latest: 2, flags: flagDeleted}.encode(), "05 04 02 04 01"},
	} {
		if got, want := hex.EncodeToString(c.value), strings.ReplaceAll(c.want, " ", ""); got != want {
			t.Errorf("%s: %s, want %s", c.name, got, want)
		}
	}
	if got, err := decodeHead(e.encode()); err != nil || !got.expires.Equal(e.expires) || got.id != "p1" {
		t.Errorf("head comes back as %+v, %v", got, err)
	}
}

// FuzzPosting: keys of postings keep the order of values and, within a value, of numbers, and can be read back.
func FuzzPosting(f *testing.F) {
	f.Add([]byte("a"), uint64(1), []byte("a\x00"), uint64(2))
	f.Add([]byte("a\x00\xff"), uint64(1), []byte("a\x00"), uint64(1))
	f.Add(bytes.Repeat([]byte("a"), maxPlain), uint64(1), bytes.Repeat([]byte("a"), maxPlain+1), uint64(1))
	f.Add([]byte{0, 1}, uint64(1<<40-1), []byte{0, 0xff, 1}, uint64(0))
	f.Fuzz(func(t *testing.T, a []byte, n uint64, b []byte, m uint64) {
		n, m = n&maxNum, m&maxNum
		for _, key := range []func([]byte, uint64) []byte{
			func(v []byte, n uint64) []byte { return keyPosting(7, v, n) },
			func(v []byte, n uint64) []byte { return keyHigh(7, v, n) },
		} {
			ka, kb := key(a, n), key(b, m)
			want := bytes.Compare(a, b)
			if ka[0] == famHigh && want != 0 && (len(a) == 0 || len(b) == 0) {
				want = -want // an open High sorts last
			}
			if want == 0 {
				want = compareUint(n, m)
			}
			alike := len(a) > maxPlain && len(b) > maxPlain && bytes.Equal(a[:maxPlain], b[:maxPlain]) && !bytes.Equal(a, b)
			if got := bytes.Compare(ka, kb); got != want && !alike {
				t.Errorf("%q %d against %q %d: %d, want %d", a, n, b, m, got, want)
			}
			p, err := parsePosting(ka)
			if err != nil {
				t.Fatal(err)
			}
			if p.field != 7 || p.num != n || p.long != (len(a) > maxPlain) || !bytes.Equal(p.value, a[:min(len(a), maxPlain)]) {
				t.Errorf("%q %d comes back as %+v", a, n, p)
			}
		}
	})
}

func compareUint(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// FuzzCount: counts keep their order and can be read back.
func FuzzCount(f *testing.F) {
	f.Add(uint64(0), uint64(1), []byte{1, 0})
	f.Add(uint64(255), uint64(256), []byte{9})
	f.Fuzz(func(t *testing.T, a, b uint64, junk []byte) {
		ka, kb := appendCount(nil, a), appendCount(nil, b)
		if got := bytes.Compare(ka, kb); got != compareUint(a, b) {
			t.Errorf("%d against %d: %d", a, b, got)
		}
		if v, rest, ok := parseCount(append(ka, 9)); v != a || len(rest) != 1 || !ok {
			t.Errorf("%d comes back as %d, %x, %v", a, v, rest, ok)
		}
		if v, rest, ok := parseCount(junk); ok && !bytes.Equal(append(appendCount(nil, v), rest...), junk) {
			t.Errorf("%x is read as %d", junk, v)
		}
	})
}

// FuzzJunk: no bytes make a decoder panic, and what decodes encodes to the same.
func FuzzJunk(f *testing.F) {
	f.Add([]byte{})
	f.Add(keyPosting(7, []byte("a\x00b"), 5))
	f.Add(encodeRows([]row{{field: 1, value: driver.Span([]byte("a"), nil)}}))
	f.Add([]byte(spot{keys: []sortKey{{[]byte("a"), true}}, num: 5}.cursor()))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := decodeRows(nil, b); err == nil {
			rows, _ := decodeRows(nil, b)
			if again, err := decodeRows(nil, encodeRows(rows)); err != nil || len(again) != len(rows) {
				t.Errorf("%x: rows do not come back: %v", b, err)
			}
		}
		if p, err := parsePosting(b); err == nil && !p.long && b[0] == famPosting {
			if again := keyPosting(p.field, p.value, p.num); len(p.value) <= maxPlain && !bytes.Equal(again, b) {
				t.Errorf("%x is written as %x", b, again)
			}
		}
		_, _ = decodeHead(b)
		_, _ = decodeVersion(b, false)
		_, _ = decodeEntries(b)
		_, _ = decodeLogged(b)
		_, _ = decodeCounter(b)
		_, _, _, _ = parseExpiry(b)
		for keys := range 3 {
			if s, err := parseCursor(driver.Cursor(b), keys); err == nil && string(s.cursor()) != string(b) {
				t.Errorf("cursor %q comes back as %q", b, s.cursor())
			}
		}
	})
}

// keysOf counts the keys that an update writes, by family.
func keysOf(t *testing.T, s driver.Backend, fn func(tx driver.Tx) error) (total int, families string) {
	t.Helper()
	counts := map[byte]int{}
	_, err := s.Update(context.Background(), func(dt driver.Tx) error {
		if err := fn(dt); err != nil {
			return err
		}
		dt.(*tx).over.keys.Scan(func(key string, p pending) bool {
			counts[key[0]]++
			total++
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []byte("MNDCVFRHGX") {
		if counts[f] > 0 {
			families += fmt.Sprintf("%c%d ", f, counts[f])
		}
	}
	return total, strings.TrimSpace(families)
}

// TestKeysWritten holds the cost of writes: a resource writes one key for each row of its own and seven more, an update what changed.
func TestKeysWritten(t *testing.T) {
	s := memory(t)
	r := rand.New(rand.NewPCG(1, 2))
	rec, rows := observation(r, 1)
	other, otherRows := observation(r, 2)
	expect := func(what, want string, fn func(tx driver.Tx) error) {
		t.Helper()
		total, got := keysOf(t, s, fn)
		if got != want {
			t.Errorf("%s writes %d keys: %s; want %s", what, total, got, want)
		}
	}
	next := func(deleted bool) driver.Record {
		rec.Version++
		rec.Deleted = deleted
		if deleted {
			rec.Body = nil
		}
		return rec
	}
	expect("the first of a type", "M44 N2 D1 C1 V1 F1 R22 G1", func(tx driver.Tx) error { return tx.Put(rec, rows) })
	expect("a create", "N2 D1 C1 V1 F1 R22 G1", func(tx driver.Tx) error { return tx.Put(other, otherRows) })
	rows[0].Value = driver.Point([]byte("amended\x00x"))
	rows[21].Value = driver.Point(driver.Instant(time.Unix(1_800_000_000, 0)))
	expect("an update of two rows", "N2 C1 V1 F1 R4 G1", func(tx driver.Tx) error { return tx.Put(next(false), rows) })
	expect("an update of no row", "N2 C1 V1 G1", func(tx driver.Tx) error { return tx.Put(next(false), rows) })
	expect("a reindex that changes nothing", "", func(tx driver.Tx) error { return tx.Index(rec.Key, rec.Version, rows) })
	expect("a deletion", "N2 C1 V1 F1 R22 G1", func(tx driver.Tx) error { return tx.Put(next(true), nil) })
	span := []driver.Row{{Field: "period", Value: driver.Span([]byte("a"), []byte("b"))}, {Field: "period", Value: driver.Span([]byte("a"), nil)}}
	job := driver.Record{Key: driver.Key{Type: "_job", ID: "1"}, Version: 1, Time: rec.Time, Expires: time.Now().Add(time.Hour), Body: []byte("{}")}
	expect("the first private record", "M4 N1 D1 C1 V1 F1 R1 H2 X1", func(tx driver.Tx) error { return tx.Put(job, span) })
	job.Version++
	expect("its next version", "N1 C1 V2 X1", func(tx driver.Tx) error { return tx.Put(job, span) })
}

// TestTransactionOf50 holds the cost of a transaction of 50 resources, as a Bundle makes: one commit, which Badger syncs once in its
// log and once in its (unused) value log, and per resource one key for each row and six more, after one look for what is there.
func TestTransactionOf50(t *testing.T) {
	b := memory(t)
	s := b.(*store)
	r := rand.New(rand.NewPCG(1, 2))
	fifty := func(from int) func(driver.Tx) error {
		return func(dt driver.Tx) error {
			for i := range 50 {
				rec, rows := observation(r, from+i)
				if err := dt.Put(rec, rows); err != nil {
					return err
				}
			}
			return nil
		}
	}
	keysOf(t, b, fifty(0)) // names the fields
	commits := s.keep.durable
	read := 0
	total, families := keysOf(t, b, func(dt driver.Tx) error {
		before := dt.(*tx).read
		err := fifty(1000)(dt)
		read = dt.(*tx).read - before
		return err
	})
	if commits = s.keep.durable - commits; commits != 1 {
		t.Errorf("%d commits, want 1", commits)
	}
	if want := "N2 D50 C50 V50 F50 R1100 G50"; families != want {
		t.Errorf("%d keys: %s; want %s", total, families, want)
	}
	t.Logf("%d keys written, %d read", total, read)
	if read > 4*50 {
		t.Errorf("%d keys were read, want at most four for each resource", read)
	}
}
