package badger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/fb"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/badger/v4/y"
	"github.com/klauspost/compress/s2" // reads Snappy, in which Badger packs blocks
	"google.golang.org/protobuf/proto"

	"github.com/hob-fhir/hob/storage/driver"
)

// Where a block of a table has rotted Badger's iterators behave as if the rest of the table were empty, and no error comes through:
// a search would miss records, a claim would seem free. So after opening, and once a day, every block is compared with its checksum
// in the background. A store with a damaged table serves nothing any more, rather than answers that may lack something. What is
// damaged between two such readings is noticed at the next.
const (
	scrubEvery = 24 * time.Hour
	scrubIdle  = 3 // times as long as reading a table took is paused after it
)

// sound returns why nothing is served, if that is so.
func (s *store) sound() error {
	if err := s.rot.Load(); err != nil {
		return *err
	}
	return nil
}

func (s *store) scrubDaily() {
	for {
		if err := s.scrub(scrubIdle); err != nil {
			s.opts.Log.Error("store is damaged; nothing is read or written any more", "error", err)
			return
		}
		if !s.pause(scrubEvery) {
			return
		}
	}
}

// pause reports false if the store closes meanwhile.
func (s *store) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-s.stop:
		return false
	case <-timer.C:
		return true
	}
}

// scrub reads all tables. If one is damaged, that is the error, and what everybody gets from now on.
func (s *store) scrub(idle time.Duration) error {
	if s.opts.InMemory {
		return nil
	}
	for _, t := range s.db.Tables() {
		start := time.Now()
		err := scrubTable(table.NewFilename(t.ID, s.space.dir))
		if err != nil && slices.ContainsFunc(s.db.Tables(), func(now badgerdb.TableInfo) bool { return now.ID == t.ID }) {
			// Else it was merged into another meanwhile, and deleted.
			err = fmt.Errorf("table %s is damaged: %w; stop the server and restore a backup: %w", table.NewFilename(t.ID, ""), err, driver.ErrUnavailable)
			s.rot.Store(&err)
			return err
		}
		if !s.pause(idle * time.Since(start)) {
			return nil
		}
	}
	return nil
}

// scrubTable compares every block of a table with its checksum.
func scrubTable(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	index, err := tableIndex(f)
	if err != nil {
		return err
	}
	var block fb.BlockOffset
	var packed, plain []byte
	for i := range index.OffsetsLength() {
		if !index.Offsets(&block, i) {
			return fmt.Errorf("block %d is not in its index", i)
		}
		packed = slices.Grow(packed[:0], int(block.Len()))[:block.Len()]
		if _, err := f.ReadAt(packed, int64(block.Offset())); err != nil {
			return fmt.Errorf("block %d: %w", i, err)
		}
		if plain, err = s2.Decode(plain[:cap(plain)], packed); err == nil {
			err = verifyBlock(plain)
		}
		if err != nil {
			return fmt.Errorf("block %d: %w", i, err)
		}
	}
	return nil
}

// verifyBlock checks a block, which ends with a checksum of what is before that, and the length of the checksum.
func verifyBlock(b []byte) error {
	errEnd := errors.New("its end is not there")
	if len(b) < 4 {
		return errEnd
	}
	end := len(b) - 4
	n := int(binary.BigEndian.Uint32(b[end:]))
	if n > end {
		return errEnd
	}
	var sum pb.Checksum
	if err := proto.Unmarshal(b[end-n:end], &sum); err != nil {
		return errEnd
	}
	return y.VerifyChecksum(b[:end-n], &sum)
}
