package badger

import (
	"io"
	"log/slog"
	"testing"

	"github.com/hob-fhir/hob/storage/driver"
	"github.com/hob-fhir/hob/storage/drivertest"
)

// small are options for tests: little memory, and a disk may be nearly full.
func small() Options {
	return Options{BlockCache: 8 << 20, IndexCache: 8 << 20, MinFree: 1, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
}

func memory(t testing.TB) driver.Backend {
	o := small()
	o.InMemory = true
	return open(t, "", o)
}

func disk(t testing.TB) driver.Backend { return open(t, t.TempDir(), small()) }

func open(t testing.TB, dir string, o Options) driver.Backend {
	t.Helper()
	b, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

func TestSuiteInMemory(t *testing.T) { drivertest.Run(t, memory) }

func TestSuiteOnDisk(t *testing.T) { drivertest.Run(t, disk) }

func TestSnapshotsInMemory(t *testing.T) { drivertest.Snapshots(t, memory) }

func TestSnapshotsOnDisk(t *testing.T) { drivertest.Snapshots(t, disk) }

func TestDurable(t *testing.T) {
	drivertest.Durable(t, func(tb testing.TB, dir string) driver.Backend { return open(tb, dir, small()) })
}
