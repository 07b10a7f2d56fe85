package badger

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"

	"github.com/hob-fhir/hob/storage/driver"
)

// specimen is a store with something of every family: T/a in two versions with a claim, T/b deleted, T/c erased, _p/x that expires.
func specimen(t *testing.T) *store {
	t.Helper()
	s := memory(t).(*store)
	at := time.UnixMilli(1000)
	_, err := s.Update(context.Background(), func(tx driver.Tx) error {
		rows := []driver.Row{
			{Field: "f", Value: driver.Point([]byte("a")), Unique: true},
			{Field: "g", Value: driver.Span([]byte("a"), []byte("b"))},
			{Field: "g", Value: driver.Point([]byte("c")), Group: 1},
		}
		put := func(typ, id string, v uint64, deleted bool, rows ...driver.Row) error {
			rec := driver.Record{Key: driver.Key{Type: typ, ID: id}, Version: v, Time: at, Deleted: deleted}
			if !deleted {
				rec.Body = []byte("{}")
			}
			if typ == "_p" {
				rec.Expires = time.UnixMilli(1 << 45)
			}
			return tx.Put(rec, rows)
		}
		for _, err := range []error{
			put("T", "a", 1, false, rows[0]), put("T", "a", 2, false, rows...),
			put("T", "b", 1, false, rows[1]), put("T", "b", 2, true),
			put("T", "c", 1, false, rows[1]), tx.Erase(driver.Key{Type: "T", ID: "c"}, at),
			put("T", "d", 1, false, rows[1]), put("_p", "x", 1, false, rows[1]),
		} {
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sound(t, s)
	return s
}

// rewrite changes keys behind the store's back; a nil value deletes.
func rewrite(t *testing.T, s *store, keys map[string][]byte) {
	t.Helper()
	txn := s.db.NewTransactionAt(s.keep.newest(), true)
	defer txn.Discard()
	for key, value := range keys {
		var err error
		if value == nil {
			err = txn.Delete([]byte(key))
		} else {
			err = txn.SetEntry(badgerdb.NewEntry([]byte(key), value))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	ts := s.keep.newest() + 1
	if err := txn.CommitAt(ts, nil); err != nil {
		t.Fatal(err)
	}
	s.keep.advance(ts)
}

// TestCheckFinds breaks one thing after another and sees that Check names it. Type T has number 1, _p 2; a b c d are 1 to 4; the
// fields f and g of T are 1 and 2, g of _p is 3.
func TestCheckFinds(t *testing.T) {
	set := func(key []byte, value string) map[string][]byte { return map[string][]byte{string(key): []byte(value)} }
	gone := func(key []byte) map[string][]byte { return map[string][]byte{string(key): nil} }
	empty := []byte{}
	for _, c := range []struct {
		name string
		keys map[string][]byte
		want string // the problem, where and what
	}{
		{"a key of no family", map[string][]byte{"Zebra": empty}, `key "Zebra": is of no family`},
		{"a name twice", set(keyTypeName("U"), "\x00\x01"), "has the number of type"},
		{"a field of no type", set(keyFieldName(9, "f"), "\x00\x09"), "is of type number 9"},
		{"the last number of names", set(keyNames(), "\x00\x09\x00\x09"), "the last numbers given out"},
		{"an id missing", gone(keyID(1, "a")), "T/a: is kept under number 1"},
		{"an id of nobody", set(keyID(1, "z"), "\x00\x00\x00\x00\x04"), "T/z: has number 4, which is that of d"},
		{"an id beyond the last", set(keyID(1, "z"), "\x00\x00\x00\x00\x63"), "T/z: has number 99, the last given out is 4"},
		{"a current version missing", gone(keyCurrent(1, 1)), "T/a: has number 1 and no current version"},
		{"the version that is current missing", gone(keyVersion(1, 1, 2)), "T/a: its current version 2 is not there"},
		{"an old version missing", gone(keyVersion(1, 1, 1)), "T/a: its versions begin with 2"},
		{"a version that cannot be read", set(keyVersion(1, 1, 2), ""), "T/a: version 2: "},
		{"a version too many", set(keyVersion(1, 4, 2), string(append([]byte{0}, version{pos: 99, time: 1000, body: []byte("{}")}.encode()...))), "T/d: "},
		{"an old version of a private record", set(keyVersion(2, 1, 7), string(append([]byte{0}, version{}.encode()...))), "_p/x: has version 7"},
		{"an erasure that left a version", map[string][]byte{
			string(keyVersion(1, 3, 1)): append([]byte{0}, version{pos: 99, time: 1000, body: []byte("{}")}.encode()...),
			string(keyLog(1, 99)):       logged{num: 3, version: 1, time: 1000, latest: 1000}.encode(),
		}, "T/c: was erased by version 2 and still has version 1"},
		{"a head with another time", set(keyCurrent(1, 4), string(head{version: 1, pos: 7, time: 2000, id: "d"}.encode())), "T/d: its current version is not what version 1 says"},
		{"a head with another place", set(keyCurrent(1, 4), string(head{version: 1, pos: 6, time: 1000, id: "d"}.encode())), "T/d: its current version is not what version 1 says"},
		{"a head that is deleted", map[string][]byte{
			string(keyCurrent(1, 4)): head{flags: flagDeleted, version: 1, pos: 7, time: 1000, id: "d"}.encode(),
		}, "T/d: its current version is not what version 1 says"},
		{"a part of nothing", set(partKey(keyVersion(1, 1, 2), 1), "x"), "belongs to nothing"},
		{"rows missing", gone(keyRows(1, 1)), "T/a: deleted: false, and has forward rows: false"},
		{"rows of a deleted record", set(keyRows(1, 2), "\x00"), "T/b: deleted: true, and has forward rows: true"},
		{"rows that cannot be read", set(keyRows(1, 1), "\x00\xff"), "T/a: its rows cannot be read"},
		{"a posting missing", gone(keyPosting(1, []byte("a"), 1)), "T/a: row of field f"},
		{"a posting changed", set(keyPosting(1, []byte("a"), 1), ""), "T/a: row of field f"},
		{"a posting leaked", set(keyPosting(1, []byte("a"), 2), "\x00"), `posting of field f, value "a", that number 2 has no row for`},
		{"a high missing", gone(keyHigh(2, []byte("b"), 1)), "T/a: row of field g"},
		{"a high leaked", set(keyHigh(2, []byte("b"), 2), ""), `posting of field g, value "b", that number 2`},
		{"a claim twice", map[string][]byte{
			string(keyPosting(1, []byte("a"), 4)): {1},
			string(keyRows(1, 4)):                 append([]byte{0}, encodeRows([]row{{field: 1, value: driver.Point([]byte("a")), unique: true}})...),
		}, `its unique value "a" of f is held by`},
		{"the log without a version", gone(keyLog(1, 1)), "T/a: version 1 is not in the log at 1"},
		{"the log with something else", set(keyLog(1, 1), string(logged{num: 4, version: 1, time: 1000, latest: 1000}.encode())), "T/a: version 1: the log has something else"},
		{"the log with too much", set(keyLog(1, 50), string(logged{num: 1, version: 1, time: 1000, latest: 1000}.encode())), "log of T: at 50 is version 1 of a"},
		{"an expiry missing", gone(keyExpiry(1<<45, 2, 1)), "_p/x: expires and is not in the list"},
		{"an expiry of nobody", set(keyExpiry(5, 2, 1), ""), "is the expiry of no record"},
		{"a counter wrong", set(keyNumbers(1), string(counter{last: 4, count: 7, pos: 8, latest: 1000}.encode())), "type T: its counter says 7 current records, there are 2"},
		{"a counter missing", gone(keyNumbers(1)), "is of type number 1, which has no counter"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := specimen(t)
			rewrite(t, s, c.keys)
			var found []string
			for p, err := range s.Check(context.Background()) {
				if err != nil {
					t.Fatal(err)
				}
				found = append(found, p.String())
			}
			if !strings.Contains(strings.Join(found, "\n"), c.want) {
				t.Errorf("found %q; want %q", found, c.want)
			}
		})
	}
}

// A bit that turned in a table is found by its checksum.
func TestCheckFindsBitRot(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, small())
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, 0, 100)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	edit(t, one(t, dir, "*.sst"), func(b []byte) []byte { b[len(b)/4] ^= 1; return b })
	s = open(t, dir, small())
	for p, err := range s.Check(context.Background()) {
		if err != nil || p.Where == "table files" {
			return
		}
	}
	t.Error("nothing found")
}

// A bit that turned in a table is noticed without Check, and then nothing is served: Badger itself would answer as if what lies
// behind it were not there.
func TestBitRotIsNoticed(t *testing.T) {
	dir := t.TempDir()
	b, err := Open(dir, small())
	if err != nil {
		t.Fatal(err)
	}
	put(t, b, 0, 1000)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir, small()).(*store)
	if err := s.scrub(0); err != nil {
		t.Fatalf("a sound store: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	edit(t, one(t, dir, "*.sst"), func(b []byte) []byte { b[len(b)/4] ^= 1; return b })
	s = open(t, dir, small()).(*store)
	if err := s.scrub(0); !errors.Is(err, driver.ErrUnavailable) {
		t.Errorf("a table with a turned bit: %v", err)
	}
	err = s.View(context.Background(), func(driver.Reader) error { return nil })
	if !errors.Is(err, driver.ErrUnavailable) || !strings.Contains(err.Error(), ".sst is damaged: block") {
		t.Errorf("view: %v", err)
	}
	if _, err := s.Update(context.Background(), func(driver.Tx) error { return nil }); !errors.Is(err, driver.ErrUnavailable) {
		t.Errorf("update: %v", err)
	}
}
