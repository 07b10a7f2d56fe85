package badger

import (
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/hob-fhir/hob/storage/driver"
)

// space refuses writes when the disk is nearly full. Badger writes through memory maps of sparse files: once the disk cannot give a
// page the process dies by SIGBUS. So enough must stay free for all that is already promised: the rest of the memtables' logs, the
// tables they become, and a compaction.
type space struct {
	dir      string
	minFree  int64
	inMemory bool
	free     atomic.Int64 // when last measured, in bytes
	since    atomic.Int64 // written since, in bytes
}

// amplification is how many bytes of disk a written byte may take for a while: the log, the table, and the table that a compaction
// makes of it.
const amplification = 3

// measure asks the file system how much is free. Where it cannot be asked, nothing is refused.
func (s *space) measure() {
	if s.inMemory {
		return
	}
	var st unix.Statfs_t
	if err := unix.Statfs(s.dir, &st); err != nil {
		s.free.Store(1 << 62)
		return
	}
	s.since.Store(0)
	s.free.Store(int64(st.Bavail) * int64(st.Bsize))
}

func (s *space) wrote(bytes int64) { s.since.Add(bytes * amplification) }

func (s *space) check() error {
	if s.inMemory {
		return nil
	}
	free := s.free.Load() - s.since.Load()
	if free >= s.minFree {
		return nil
	}
	return fmt.Errorf("%d MiB are free on the disk of %s and %d MiB must stay free: writes are refused and reads go on; "+
		"free some space, or on a small disk lower the least free space (option MinFree, at least four memtables): %w",
		max(0, free)>>20, s.dir, s.minFree>>20, driver.ErrFull)
}
