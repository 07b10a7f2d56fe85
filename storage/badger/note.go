package badger

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// The note is a small file beside Badger's that says what must be found on opening: the last acknowledged change, the length of the
// manifest, how far old snapshots were discarded, and whether the store was closed. It is one line of fixed length, so that an
// operator can read it and it is overwritten in place:
//
//	hob 1 open durable=00000000000001a4 discard=0000000000000000 manifest=00000000000000f0 inode=0000000000020011 crc=5f1d22c9
//
// It is written after each commit without a sync of its own, which costs a microsecond. So after a crash of the process it is exact;
// after a crash of the machine it may be some commits old, but never ahead of what Badger synced. It is synced on closing, and
// before Badger may discard more.
const noteFile = "HOB"

type lastNote struct {
	known    bool // there was a readable note
	clean    bool // the store was closed
	durable  uint64
	discard  uint64
	manifest int64 // length of the manifest
	inode    uint64
}

func (n lastNote) String() string {
	state := "open"
	if n.clean {
		state = "shut"
	}
	line := fmt.Sprintf("hob %d %s durable=%016x discard=%016x manifest=%016x inode=%016x",
		format, state, n.durable, n.discard, n.manifest, n.inode)
	return fmt.Sprintf("%s crc=%08x\n", line, crc32.ChecksumIEEE([]byte(line)))
}

// readNote reads the note of a directory. One that is missing or torn is not known; one of a newer format is an error.
func readNote(dir string) (lastNote, error) {
	var n lastNote
	b, err := os.ReadFile(filepath.Join(dir, noteFile))
	if errors.Is(err, fs.ErrNotExist) {
		return n, nil
	}
	if err != nil {
		return n, err
	}
	var version int
	var state string
	if _, err := fmt.Sscanf(string(b), "hob %d %s", &version, &state); err == nil && version > format {
		return n, newer(version)
	}
	var crc uint32
	_, err = fmt.Sscanf(string(b), "hob %d %s durable=%x discard=%x manifest=%x inode=%x crc=%x",
		&version, &state, &n.durable, &n.discard, &n.manifest, &n.inode, &crc)
	n.clean = state == "shut"
	if err != nil || n.String() != string(b) {
		return lastNote{}, nil
	}
	n.known = true
	return n, nil
}

func newer(version int) error {
	return fmt.Errorf("it is of format %d and this Hob knows formats up to %d; use the Hob that wrote it, or a newer one", version, format)
}

// note is the open file.
type note struct {
	mu   sync.Mutex
	file *os.File // nil in memory
	now  lastNote
}

func openNote(dir string, inMemory bool) (*note, error) {
	if inMemory {
		return &note{}, nil
	}
	f, err := os.OpenFile(filepath.Join(dir, noteFile), os.O_RDWR|os.O_CREATE, 0o600)
	return &note{file: f}, err
}

// durable notes that a change is on disk.
func (n *note) durable(ts uint64) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.now.durable = ts
	return n.write()
}

func (n *note) write() error {
	if n.file == nil {
		return nil
	}
	_, err := n.file.WriteAt([]byte(n.now.String()), 0)
	return err
}

// sync waits until what was written is on the disk. Commits go on meanwhile.
func (n *note) sync() error {
	if n.file == nil {
		return nil
	}
	return n.file.Sync()
}

// writeNote brings the note up to date. clean says that the store is closed now.
func (s *store) writeNote(clean bool) error {
	n := s.note
	if n.file == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now
	now.clean = clean
	s.keep.mu.Lock()
	now.durable, now.discard = s.keep.durable, s.keep.discard
	s.keep.mu.Unlock()
	st, err := os.Stat(filepath.Join(filepath.Dir(n.file.Name()), "MANIFEST"))
	if err != nil {
		return err
	}
	now.manifest = st.Size()
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		now.inode = sys.Ino
	}
	if now == n.now {
		return nil
	}
	n.now = now
	if err := n.write(); err != nil || !clean {
		return err
	}
	return n.file.Sync()
}

func (n *note) close() error {
	if n.file == nil {
		return nil
	}
	return n.file.Close()
}
