package badger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	badgerdb "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/fb"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/badger/v4/y"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"
)

func line(format string, args []any) string { return strings.TrimSpace(fmt.Sprintf(format, args...)) }

// explain puts Badger's reasons into words that say what to do.
func explain(err error) error {
	if strings.Contains(err.Error(), "directory lock") {
		return errInUse
	}
	return fmt.Errorf("badger: %w", err)
}

var errInUse = errors.New("another process has it open; stop that one first, or give this one a directory of its own")

// broken is the error for a directory that Badger must not touch.
func broken(format string, args ...any) error {
	return fmt.Errorf("it is damaged: "+format+"; nothing was changed; restore a backup", args...)
}

// inspect looks at a directory before Badger may open it, and changes nothing. Badger itself would go on after most damage: it cuts
// its log at the first bad record, cuts its manifest likewise, deletes the tables that the manifest then does not name, and crashes
// on a table without its end. What is compared is the manifest with the tables that are there, each table's index with its
// checksum, the log's changes with one another (they are numbered without gaps), and the last of all with the note.
func inspect(dir string) (lastNote, error) {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return lastNote{}, nil
	}
	if err != nil {
		return lastNote{}, err
	}
	if err := lockable(dir); err != nil {
		return lastNote{}, err
	}
	note, err := readNote(dir)
	if err != nil {
		return note, err
	}
	var tables []uint64
	var logs []string
	var strange string
	hasManifest := false
	for _, f := range files {
		name := f.Name()
		id, isTable := table.ParseFileID(name)
		switch {
		case name == badgerdb.ManifestFilename:
			hasManifest = true
		case isTable:
			tables = append(tables, id)
		case strings.HasSuffix(name, ".mem"):
			logs = append(logs, name)
		case name == noteFile, name == "LOCK", name == "lost+found", name == "KEYREGISTRY", name == "DISCARD",
			name == "MANIFEST-REWRITE", strings.HasSuffix(name, ".vlog"):
		default:
			strange = name
		}
	}
	if !hasManifest {
		switch {
		case note.known || len(tables) > 0 || len(logs) > 0:
			return note, broken("its table list, the file %s, is missing", badgerdb.ManifestFilename)
		case strange != "":
			return note, fmt.Errorf("it is no store and not empty: it holds %s; give the store a directory of its own", strange)
		}
		return note, nil
	}
	last, err := inspectTables(dir, tables, note)
	if err != nil {
		return note, err
	}
	slices.Sort(logs)
	if last, err = inspectLogs(dir, logs, last); err != nil {
		return note, err
	}
	if last < note.durable {
		return note, broken("change %d was acknowledged, and the last one found is %d", note.durable, last)
	}
	return note, nil
}

// lockable reports whether the directory is free; Badger locks it the same way when it opens it.
func lockable(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close() // releases the lock too
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return errInUse
	}
	return nil // where directories cannot be locked Badger will say so
}

// inspectTables reads the manifest and the index of each table it names, and returns the last change in them.
func inspectTables(dir string, have []uint64, note lastNote) (last uint64, err error) {
	f, err := os.Open(filepath.Join(dir, badgerdb.ManifestFilename))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	var head [8]byte // "Bdgr", our format, Badger's
	if _, err := f.ReadAt(head[:], 0); err != nil || string(head[:4]) != "Bdgr" {
		return 0, broken("the beginning of %s is not there", badgerdb.ManifestFilename)
	}
	switch version := binary.BigEndian.Uint16(head[4:6]); {
	case version > format:
		return 0, newer(int(version))
	case version != format:
		return 0, errors.New("it is a Badger store, but not one of Hob's; give Hob a directory of its own")
	}
	manifest, end, err := badgerdb.ReplayManifestFile(f, format, badgerdb.DefaultOptions(dir).WithLogger(nil))
	if err != nil {
		return 0, broken("%s cannot be read: %v", badgerdb.ManifestFilename, err)
	}
	inode := uint64(0)
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		inode = sys.Ino
	}
	same := note.known && inode == note.inode
	switch {
	case same && st.Size() < note.manifest, note.clean && st.Size() != note.manifest:
		return 0, broken("%s has %d bytes and should have %d", badgerdb.ManifestFilename, st.Size(), note.manifest)
	case !same && end < st.Size():
		return 0, broken("%s ends in half a record", badgerdb.ManifestFilename)
	}
	for id := range manifest.Tables {
		name := table.NewFilename(id, "")
		if !slices.Contains(have, id) {
			return 0, broken("table %s is missing", name)
		}
		version, err := inspectTable(table.NewFilename(id, dir))
		if err != nil {
			return 0, broken("table %s: %v", name, err)
		}
		last = max(last, version)
	}
	if note.clean && len(have) > len(manifest.Tables) {
		return 0, broken("there are %d tables and %s names %d", len(have), badgerdb.ManifestFilename, len(manifest.Tables))
	}
	return last, nil
}

// inspectTable checks a table's index and returns its highest version.
func inspectTable(file string) (version uint64, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	index, err := tableIndex(f)
	if err != nil {
		return 0, err
	}
	return index.MaxVersion(), nil
}

// tableIndex reads the index of a table. A table ends with its index, the length of that, a checksum of it, and the length of that.
func tableIndex(f *os.File) (*fb.TableIndex, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	end := st.Size()
	errEnd := errors.New("its end is not there")
	before := func(n int64) ([]byte, error) { // reads n bytes backwards
		if n < 0 || n > end {
			return nil, errEnd
		}
		end -= n
		b := make([]byte, n)
		_, err := f.ReadAt(b, end)
		return b, err
	}
	size := func() (int64, error) {
		b, err := before(4)
		if err != nil {
			return 0, err
		}
		return int64(binary.BigEndian.Uint32(b)), nil
	}
	n, err := size()
	if err != nil {
		return nil, err
	}
	b, err := before(n)
	if err != nil {
		return nil, err
	}
	var sum pb.Checksum
	if err := proto.Unmarshal(b, &sum); err != nil {
		return nil, errEnd
	}
	if n, err = size(); err != nil {
		return nil, err
	}
	if b, err = before(n); err != nil {
		return nil, err
	}
	if len(b) < 8 || y.VerifyChecksum(b, &sum) != nil {
		return nil, errors.New("its index does not have the checksum it should")
	}
	return fb.GetRootAsTableIndex(b, 0), nil
}
