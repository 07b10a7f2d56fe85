package badger

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hob-fhir/hob/storage/driver"
)

// childDir names the store that this process, started by TestKill, writes to until it is killed.
const childDir = "HOB_KILL_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		writeUntilKilled(dir)
	}
	os.Exit(m.Run())
}

// writeUntilKilled runs 32 writers. Each update puts a pair of records, and its id is printed once it is acknowledged.
func writeUntilKilled(dir string) {
	o := small()
	o.MemTable = 4 << 20 // so that tables are written and compacted too
	s, err := Open(dir, o)
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range 32 {
		wg.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%d.%d.%d", os.Getpid(), w, i)
				_, err := s.Update(context.Background(), func(tx driver.Tx) error { return putPair(tx, id) })
				mu.Lock()
				if err != nil {
					fmt.Println("error", err)
					os.Exit(1)
				}
				fmt.Println("wrote", id)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// putPair puts two records that are there together or not at all, the second in two versions.
func putPair(tx driver.Tx, id string) error {
	at := time.UnixMilli(1_700_000_000_000)
	body := []byte(strings.Repeat(id+" ", 50))
	row := driver.Row{Field: "pair", Value: driver.Point([]byte(id)), Unique: true}
	if err := tx.Put(driver.Record{Key: driver.Key{Type: "Left", ID: id}, Version: 1, Time: at, Body: body}, []driver.Row{row}); err != nil {
		return err
	}
	for v := uint64(1); v <= 2; v++ {
		right := driver.Record{Key: driver.Key{Type: "Right", ID: id}, Version: v, Time: at, Body: body}
		span := driver.Row{Field: "during", Value: driver.Span([]byte(id), nil)}
		if err := tx.Put(right, []driver.Row{row, span}); err != nil {
			return err
		}
	}
	return nil
}

// TestKill kills a process with 32 writers again and again. After each kill all that it acknowledged is there, by id and by search,
// nothing is half there, and every invariant of the layout holds. HOB_SOAK=1 kills 50 times.
func TestKill(t *testing.T) {
	rounds := 5
	if os.Getenv("HOB_SOAK") != "" {
		rounds = 50
	}
	dir := t.TempDir()
	var acked []string
	for round := range rounds {
		acked = append(acked, killed(t, dir, 300+round*37)...)
		s, err := Open(dir, small())
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		verifyPairs(t, s, acked)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
	t.Logf("%d updates acknowledged over %d kills", len(acked), rounds)
}

// killed starts the child, kills it after so many acknowledgements, and returns these.
func killed(t *testing.T, dir string, after int) (acked []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		id, ok := strings.CutPrefix(lines.Text(), "wrote ")
		if !ok {
			t.Errorf("child says %q", lines.Text())
			break
		}
		acked = append(acked, id)
		if len(acked) == after {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // it was killed
	if len(acked) < after {
		t.Fatalf("child ended after %d acknowledgements", len(acked))
	}
	return acked
}

func verifyPairs(t *testing.T, s driver.Backend, acked []string) {
	t.Helper()
	err := s.View(context.Background(), func(r driver.Reader) error {
		for _, id := range acked {
			for typ, version := range map[string]uint64{"Left": 1, "Right": 2} {
				rec, err := r.Get(driver.Key{Type: typ, ID: id})
				if err != nil {
					return fmt.Errorf("acknowledged: %w", err)
				}
				if rec.Version != version || !strings.HasPrefix(string(rec.Body), id+" ") {
					t.Errorf("%s has version %d and body %.20q", rec.Key, rec.Version, rec.Body)
				}
				n, err := r.Count(driver.Find{Type: typ, Where: point("pair", id)})
				if err != nil || n != 1 {
					t.Errorf("%s is found %d times, %v", rec.Key, n, err)
				}
			}
		}
		left, err := r.Count(driver.Find{Type: "Left"})
		if err != nil {
			return err
		}
		right, err := r.Count(driver.Find{Type: "Right", Where: driver.Has("during")})
		if err != nil {
			return err
		}
		if left != right || left < len(acked) {
			t.Errorf("%d left and %d right of %d acknowledged", left, right, len(acked))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	sound(t, s)
}
