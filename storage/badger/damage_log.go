package badger

import (
	"bufio"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"
)

// The log of a memtable, as Badger 4 writes it: a header of 20 bytes, then entries until one with an empty key or the end. An entry
// is meta (1 byte), user meta (1 byte), length of key, length of value and expiry as varints, key (its last eight bytes the
// version, complemented), value, and the CRC-32C of all that. A transaction is its entries, marked, and one with its version.
const (
	logHeader = 20
	bitTxn    = 1 << 6
	bitFin    = 1 << 7
)

// inspectLogs reads the logs in order and returns the last change in them, or that of the tables if they are empty. Every commit
// of ours has the number after the one before, so a gap shows that the end of a log is missing.
func inspectLogs(dir string, names []string, tables uint64) (uint64, error) {
	last := uint64(0)
	for _, name := range names {
		first, end, err := inspectLog(filepath.Join(dir, name))
		if err != nil {
			return 0, err
		}
		if first == 0 {
			continue
		}
		if last != 0 && first != last+1 {
			return 0, broken("log %s begins with change %d, the one before it ends with %d", name, first, last)
		}
		if last == 0 && first > tables+1 {
			return 0, broken("log %s begins with change %d, the tables end with %d", name, first, tables)
		}
		last = end
	}
	return max(last, tables), nil
}

// inspectLog returns the first and the last whole transaction of a log, 0 if there is none.
func inspectLog(file string) (first, last uint64, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	if _, err := r.Discard(logHeader); err != nil {
		return 0, 0, nil // made, and nothing written yet
	}
	l := logReader{r: r}
	open := uint64(0) // the transaction whose end has not come
	for {
		meta, key, value, err := l.entry()
		if errors.Is(err, errLogEnd) {
			return first, last, nil
		}
		if err != nil {
			return first, last, err
		}
		version := uint64(0)
		if len(key) >= 8 {
			version = ^binary.BigEndian.Uint64(key[len(key)-8:])
		}
		switch {
		case meta&bitTxn != 0 && (open == 0 || open == version):
			open = version
		case meta&bitFin != 0:
			n, err := strconv.ParseUint(string(value), 10, 64)
			if err != nil || n != open || last != 0 && n != last+1 {
				return first, last, nil
			}
			if first == 0 {
				first = n
			}
			last, open = n, 0
		default:
			return first, last, nil
		}
	}
}

// errLogEnd says that what follows is no whole entry.
var errLogEnd = errors.New("end of the log")

type logReader struct {
	r   *bufio.Reader
	sum uint32
	buf []byte
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ReadByte lets varints be read and summed.
func (l *logReader) ReadByte() (byte, error) {
	c, err := l.r.ReadByte()
	if err == nil {
		l.sum = crc32.Update(l.sum, castagnoli, []byte{c})
	}
	return c, err
}

// entry reads the next entry; key and value are valid until the one after.
func (l *logReader) entry() (meta byte, key, value []byte, err error) {
	l.sum = 0
	var lengths [3]uint64 // of key and value, and the expiry
	if meta, err = l.ReadByte(); err == nil {
		_, err = l.ReadByte()
	}
	for i := range lengths {
		if err == nil {
			lengths[i], err = binary.ReadUvarint(l)
		}
	}
	if err != nil || lengths[0] == 0 || lengths[0] > 1<<16 || lengths[1] > 2*partSize {
		return 0, nil, nil, l.end(err)
	}
	n := int(lengths[0] + lengths[1])
	if n > cap(l.buf) {
		l.buf = make([]byte, n, 2*n)
	}
	b := l.buf[:n]
	var crc [4]byte
	if _, err = io.ReadFull(l.r, b); err == nil {
		_, err = io.ReadFull(l.r, crc[:])
	}
	if err != nil || crc32.Update(l.sum, castagnoli, b) != binary.BigEndian.Uint32(crc[:]) {
		return 0, nil, nil, l.end(err)
	}
	return meta, b[:lengths[0]], b[lengths[0]:], nil
}

// end tells the end of the log from a disk that cannot be read.
func (l *logReader) end(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return err
	}
	return errLogEnd
}
