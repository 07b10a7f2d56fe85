package badger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hob-fhir/hob/storage/driver"
)

func record(typ, id string, body []byte) driver.Record {
	return driver.Record{Key: driver.Key{Type: typ, ID: id}, Version: 1, Time: time.UnixMilli(1000), Body: body}
}

func noise(t testing.TB, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}

// A closure that does not fit beside the others of its group gets a transaction of its own; one that fits into none is refused, and
// says what the limit is.
func TestGroupsAndLimit(t *testing.T) {
	o := small()
	o.MemTable = 8 << 20 // a transaction holds 1.2 MB
	s := open(t, t.TempDir(), o)
	var wg sync.WaitGroup
	for i := range 24 {
		body := noise(t, 200<<10)
		wg.Go(func() {
			_, err := s.Update(context.Background(), func(tx driver.Tx) error {
				for j := range 5 { // 1.0 MB: two do not fit together
					if err := tx.Put(record("T", fmt.Sprint(i, j), body), []driver.Row{{Field: "f", Value: driver.Point([]byte("x"))}}); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := count(t, s); n != 120 {
		t.Errorf("%d records, want 120", n)
	}
	body := noise(t, 200<<10)
	_, err := s.Update(context.Background(), func(tx driver.Tx) error {
		for j := range 7 {
			if err := tx.Put(record("T", fmt.Sprint("large", j), body), nil); err != nil {
				return err
			}
		}
		return nil
	})
	if !errors.Is(err, driver.ErrTooLarge) || !strings.Contains(err.Error(), "at most 1258") {
		t.Errorf("a change of 1.4 MB: %v; want ErrTooLarge that names the limit", err)
	}
	if n := count(t, s); n != 120 {
		t.Errorf("%d records after a refused change, want 120", n)
	}
	sound(t, s)
}

// A goroutine that ends within a closure, as a failing test does, leaves the store usable and nothing written.
func TestGoexitInClosure(t *testing.T) {
	s := memory(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = s.Update(context.Background(), func(tx driver.Tx) error {
			if err := tx.Put(record("T", "lost", nil), nil); err != nil {
				t.Error(err)
			}
			runtime.Goexit()
			return nil
		})
	}()
	<-done
	put(t, s, 0, 3)
	if n := count(t, s); n != 3 {
		t.Errorf("%d records, want 3", n)
	}
	sound(t, s)
}

// A closure whose context ends while it runs is not committed; the others of its group are.
func TestDeadlineBeforeCommit(t *testing.T) {
	s := memory(t)
	ctx, cancel := context.WithCancel(context.Background())
	_, err := s.Update(ctx, func(tx driver.Tx) error {
		cancel()
		return tx.Put(record("T", "late", nil), nil)
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	put(t, s, 0, 1)
	if n := count(t, s); n != 1 {
		t.Errorf("%d records, want 1", n)
	}
}

// After a commit that went wrong nothing is written any more, and reads go on.
func TestBrokenCommit(t *testing.T) {
	s := memory(t).(*store)
	put(t, s, 0, 2)
	s.writer.broken = fmt.Errorf("disk says no: %w", driver.ErrUnavailable)
	if _, err := s.Update(context.Background(), func(driver.Tx) error { return nil }); !errors.Is(err, driver.ErrUnavailable) {
		t.Errorf("update after a broken commit: %v", err)
	}
	if n := count(t, s); n != 2 {
		t.Errorf("%d records, want 2", n)
	}
}

func TestClosed(t *testing.T) {
	s := memory(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.View(context.Background(), func(driver.Reader) error { return nil }); !errors.Is(err, driver.ErrUnavailable) {
		t.Errorf("view of a closed store: %v", err)
	}
	if _, err := s.Update(context.Background(), func(driver.Tx) error { return nil }); !errors.Is(err, driver.ErrUnavailable) {
		t.Errorf("update of a closed store: %v", err)
	}
}

// Expired private records are removed, with all that was kept of them.
func TestSweep(t *testing.T) {
	s := memory(t).(*store)
	soon := time.Now().Add(10 * time.Millisecond)
	_, err := s.Update(context.Background(), func(tx driver.Tx) error {
		for i := range sweepMost + 20 {
			rec := record("_token", fmt.Sprint(i), []byte("{}"))
			rec.Expires = soon
			if i%2 == 0 {
				rec.Expires = soon.Add(time.Hour)
			}
			if err := tx.Put(rec, []driver.Row{{Field: "f", Value: driver.Point([]byte("x"))}}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(soon) + time.Millisecond)
	if err := s.sweep(); err != nil {
		t.Fatal(err)
	}
	sound(t, s)
	v, done, err := s.open(newest)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	for family, want := range map[byte]int{famIDs: 260, famCurrent: 260, famVersion: 260, famRows: 260, famPosting: 260, famExpiry: 260} {
		n := 0
		scan := v.scan([]byte{family}, nil, false)
		for scan.next() {
			n++
		}
		scan.close()
		if n != want {
			t.Errorf("%d keys of family %c, want %d", n, family, want)
		}
	}
}

// The keeper lets snapshots go when they are old enough and nobody reads them.
func TestKeeper(t *testing.T) {
	k := newKeeper(10*time.Minute, 5, 0)
	now := time.Unix(1000, 0)
	minute := func(n int) time.Time { return now.Add(time.Duration(n) * time.Minute) }
	if d := k.tick(minute(0)); d != 0 {
		t.Errorf("discards up to %d at once", d)
	}
	k.advance(6)
	k.tick(minute(1))
	k.advance(7)
	if d := k.tick(minute(9)); d != 0 {
		t.Errorf("discards up to %d after nine minutes", d)
	}
	if d := k.tick(minute(10)); d != 5 { // 5 was the newest at minute 0
		t.Errorf("discards up to %d after ten minutes, want 5", d)
	}
	if d := k.tick(minute(12)); d != 6 {
		t.Errorf("discards up to %d after twelve minutes, want 6", d)
	}
	if _, err := k.open(5); !errors.Is(err, driver.ErrExpired) {
		t.Errorf("snapshot 5: %v, want ErrExpired", err)
	}
	if _, err := k.open(8); !errors.Is(err, driver.ErrExpired) {
		t.Errorf("a snapshot that is not yet: %v, want ErrExpired", err)
	}
	if ts, err := k.open(6); err != nil || ts != 6 {
		t.Errorf("snapshot 6: %d, %v", ts, err)
	}
	if d := k.tick(minute(60)); d != 6 {
		t.Errorf("discards up to %d while 6 is read", d)
	}
	k.close(6)
	if d := k.tick(minute(60)); d != 7 {
		t.Errorf("discards up to %d, want 7", d)
	}
}

// A sweep of more keys than one transaction holds is made in several.
func TestSweepOfManyKeys(t *testing.T) {
	o := small()
	o.InMemory, o.MemTable = true, 4<<20 // a transaction holds 6,553 keys
	s := open(t, "", o).(*store)
	soon := time.Now().Add(10 * time.Millisecond)
	for i := range 300 {
		_, err := s.Update(context.Background(), func(tx driver.Tx) error {
			rec := record("_job", fmt.Sprint(i), []byte("{}"))
			rec.Expires = soon
			var rows []driver.Row
			for j := range 40 {
				rows = append(rows, driver.Row{Field: "f", Value: driver.Point(fmt.Append(nil, j))})
			}
			return tx.Put(rec, rows)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(time.Until(soon) + time.Millisecond)
	if err := s.sweep(); err != nil {
		t.Fatal(err)
	}
	put(t, s, 0, 1) // and the store still takes writes
	sound(t, s)
	v, done, err := s.open(newest)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	scan := v.scan([]byte{famExpiry}, nil, false)
	defer scan.close()
	if scan.next() {
		t.Error("an expired record is left")
	}
}

// A store that is closed says so, rather than that its tables are damaged.
func TestCheckOfClosed(t *testing.T) {
	s, err := Open(t.TempDir(), small())
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, 0, 10)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for p, err := range s.Check(context.Background()) {
		if !errors.Is(err, driver.ErrUnavailable) {
			t.Errorf("problem %v, error %v; want ErrUnavailable", p, err)
		}
	}
}
