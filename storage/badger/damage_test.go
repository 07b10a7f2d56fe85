package badger

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	badgerdb "github.com/dgraph-io/badger/v4"

	"github.com/hob-fhir/hob/storage/driver"
)

// copyDir copies a directory as it is on disk, sparse files included: of an open store, what a kill would leave.
func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	files, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(from, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, f.Name()), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// contents is a fingerprint of all files of a directory.
func contents(t *testing.T, dir string) string {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s %d %x\n", f.Name(), len(b), sha256.Sum256(b))
	}
	return out.String()
}

// one returns the only file of a directory that a pattern matches.
func one(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s in %s: %q, %v; want one", pattern, dir, found, err)
	}
	return found[0]
}

func edit(t *testing.T, file string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, change(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, file string) {
	t.Helper()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
}

// used is the length of a log without the zeros that follow its last entry.
func used(b []byte) int {
	n := len(b)
	for n > 0 && b[n-1] == 0 {
		n--
	}
	return n
}

func put(t testing.TB, s driver.Backend, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		rec := driver.Record{Key: driver.Key{Type: "T", ID: fmt.Sprint(i)}, Version: 1, Body: []byte(`{"a":1}`)}
		rec.Time = rec.Time.AddDate(2020, 0, 0)
		row := driver.Row{Field: "f", Value: driver.Point(fmt.Append(nil, i%3))}
		if _, err := s.Update(context.Background(), func(tx driver.Tx) error { return tx.Put(rec, []driver.Row{row}) }); err != nil {
			t.Fatal(err)
		}
	}
}

func count(t testing.TB, s driver.Backend) (n int) {
	t.Helper()
	err := s.View(context.Background(), func(r driver.Reader) (err error) {
		n, err = r.Count(driver.Find{Type: "T", Where: driver.Has("f")})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func sound(t testing.TB, s driver.Backend) {
	t.Helper()
	for p, err := range s.Check(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		t.Errorf("check: %s", p)
	}
}

// TestDamage opens stores that are damaged in one place. Each must be refused in words that name the damage, and left as it was.
func TestDamage(t *testing.T) {
	closed := t.TempDir()
	s, err := Open(closed, small())
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, 0, 50)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// killed has a table of 50 changes and a log of 50 more.
	live := copyDir(t, closed)
	s, err = Open(live, small())
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, 50, 100)
	killed := copyDir(t, live)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	t.Run("none", func(t *testing.T) {
		for dir, want := range map[string]int{closed: 50, killed: 100} {
			s := open(t, copyDir(t, dir), small())
			if n := count(t, s); n != want {
				t.Errorf("%d records, want %d", n, want)
			}
			sound(t, s)
		}
	})
	for _, c := range []struct {
		name, from string
		damage     func(t *testing.T, dir string)
		want       string
	}{
		{"log cut in half", killed, func(t *testing.T, dir string) {
			edit(t, one(t, dir, "*.mem"), func(b []byte) []byte { return b[:used(b)/2] })
		}, "was acknowledged"},
		{"log cut at its last byte", killed, func(t *testing.T, dir string) {
			edit(t, one(t, dir, "*.mem"), func(b []byte) []byte { return b[:used(b)-1] })
		}, "was acknowledged"},
		{"bit turned in the log", killed, func(t *testing.T, dir string) {
			edit(t, one(t, dir, "*.mem"), func(b []byte) []byte { b[used(b)/2] ^= 1; return b })
		}, "was acknowledged"},
		{"log zeroed from its middle on", killed, func(t *testing.T, dir string) {
			edit(t, one(t, dir, "*.mem"), func(b []byte) []byte { clear(b[used(b)/2:]); return b })
		}, "was acknowledged"},
		{"log missing", killed, func(t *testing.T, dir string) { remove(t, one(t, dir, "*.mem")) }, "was acknowledged"},
		{"log empty", killed, func(t *testing.T, dir string) {
			edit(t, one(t, dir, "*.mem"), func([]byte) []byte { return nil })
		}, "was acknowledged"},
		{"manifest missing", closed, func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "MANIFEST")) }, "MANIFEST, is missing"},
		{"manifest empty", closed, func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, "MANIFEST"), func([]byte) []byte { return nil })
		}, "MANIFEST"},
		{"manifest without its last record", closed, func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, "MANIFEST"), func(b []byte) []byte { return b[:8] })
		}, "should have"},
		{"manifest cut by a byte", killed, func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, "MANIFEST"), func(b []byte) []byte { return b[:len(b)-1] })
		}, "half a record"},
		{"bit turned in the manifest", closed, func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, "MANIFEST"), func(b []byte) []byte { b[len(b)-2] ^= 1; return b })
		}, "MANIFEST cannot be read"},
		{"table missing", closed, func(t *testing.T, dir string) { remove(t, one(t, dir, "*.sst")) }, "is missing"},
		{"table cut in half", killed, func(t *testing.T, dir string) {
			edit(t, one(t, dir, "*.sst"), func(b []byte) []byte { return b[:len(b)/2] })
		}, ".sst: its"},
		{"table cut by a byte", closed, func(t *testing.T, dir string) {
			edit(t, one(t, dir, "*.sst"), func(b []byte) []byte { return b[:len(b)-1] })
		}, ".sst: its"},
		{"table empty", closed, func(t *testing.T, dir string) {
			edit(t, one(t, dir, "*.sst"), func(b []byte) []byte { return nil })
		}, ".sst: its end"},
		{"newer manifest", closed, func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, "MANIFEST"), func(b []byte) []byte { binary.BigEndian.PutUint16(b[4:], format+1); return b })
		}, "it is of format 2"},
		{"newer note", closed, func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, noteFile), func([]byte) []byte { return []byte("hob 2 whatever a newer one writes\n") })
		}, "it is of format 2"},
		{"note ahead of the store", closed, func(t *testing.T, dir string) {
			n, err := readNote(dir)
			if err != nil || !n.known || !n.clean {
				t.Fatalf("note %v: %v", n, err)
			}
			n.durable++
			edit(t, filepath.Join(dir, noteFile), func([]byte) []byte { return []byte(n.String()) })
		}, "was acknowledged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := copyDir(t, c.from)
			c.damage(t, dir)
			before := contents(t, dir)
			s, err := Open(dir, small())
			if err == nil {
				n := count(t, s)
				s.Close()
				t.Fatalf("opened, with %d records", n)
			}
			if !errors.Is(err, driver.ErrUnavailable) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("error %q; want one that names the directory and %q", err, c.want)
			}
			if now := contents(t, dir); now != before {
				t.Errorf("the directory was changed:\n%swas\n%s", now, before)
			}
		})
	}
}

// A note that is missing or torn says nothing; the store opens.
func TestNoteMissing(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, small())
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, 0, 5)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	edit(t, filepath.Join(dir, noteFile), func(b []byte) []byte { return b[:len(b)/2] })
	s = open(t, dir, small())
	if n := count(t, s); n != 5 {
		t.Errorf("%d records, want 5", n)
	}
	if err := s.View(context.Background(), func(r driver.Reader) error {
		for _, err := range r.Find(driver.Find{Type: "T", At: snapshot(2)}) {
			return err
		}
		return nil
	}); !errors.Is(err, driver.ErrExpired) {
		t.Errorf("a snapshot from before: %v; want ErrExpired, since what was discarded is unknown", err)
	}
}

func TestOpenedTwice(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, small())
	if _, err := Open(dir, small()); !errors.Is(err, driver.ErrUnavailable) || !strings.Contains(err.Error(), "another process has it open") {
		t.Errorf("opened twice: %v", err)
	}
}

func TestNotAStore(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "letter.txt"), []byte("dear"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := contents(t, dir)
	if _, err := Open(dir, small()); err == nil || !strings.Contains(err.Error(), "letter.txt") {
		t.Errorf("a directory with a letter: %v", err)
	}
	if contents(t, dir) != before {
		t.Error("it was changed")
	}
	other := t.TempDir()
	db, err := badgerdb.Open(badgerdb.DefaultOptions(other).WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(other, small()); err == nil || !strings.Contains(err.Error(), "not one of Hob's") {
		t.Errorf("a Badger store of somebody else: %v", err)
	}
}
