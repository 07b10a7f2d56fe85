package badger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hob-fhir/hob/storage/driver"
)

// TestFullDisk fills a small disk. Writes are refused in time, with words that say what to do; reads go on; all that was acknowledged
// is there, and after opening again too.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=160m"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("a small file system cannot be mounted: %v", err)
		}
		t.Skipf("NOT TESTED: a small file system cannot be mounted (are you root?): %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	o := small()
	o.MemTable = 8 << 20
	o.MinFree = 32 << 20
	s, err := Open(dir+"/store", o)
	if err != nil {
		t.Fatal(err)
	}
	body := make([]byte, 200<<10) // does not compress
	var full error
	written := 0
	for ; written < 2000; written++ {
		if _, err := rand.Read(body); err != nil {
			t.Fatal(err)
		}
		rec := driver.Record{Key: driver.Key{Type: "T", ID: fmt.Sprint(written)}, Version: 1, Body: body}
		rec.Time = rec.Time.AddDate(2020, 0, 0)
		row := []driver.Row{{Field: "f", Value: driver.Point([]byte("x"))}}
		if _, full = s.Update(context.Background(), func(tx driver.Tx) error { return tx.Put(rec, row) }); full != nil {
			break
		}
	}
	if !errors.Is(full, driver.ErrFull) || !strings.Contains(full.Error(), "MinFree") || written == 0 {
		t.Fatalf("after %d records: %v; want ErrFull", written, full)
	}
	t.Logf("refused after %d records: %v", written, full)
	if n := count(t, s); n != written {
		t.Errorf("%d records found, %d acknowledged", n, written)
	}
	sound(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir+"/store", o)
	if n := count(t, s); n != written {
		t.Errorf("%d records found after opening again, %d acknowledged", n, written)
	}
	sound(t, s)
}
