// Package badger keeps Hob's records in Badger, an embedded store of sorted keys: in a directory of one machine, or in memory.
//
// One closure writes at a time and many are committed together (writer.go); readers read snapshots and wait for nobody (view.go).
// keys.go is the layout, find.go how a search is answered, check.go what must hold between the keys. Facts about Badger that the
// package is built around:
//
//   - Each commit of Badger's syncs on its own, so commits are grouped. In managed mode, where we give out the timestamps, a reader
//     never waits for a commit under way.
//   - The value log is not used: no value reaches its threshold. With it go its garbage collection and a second sync per commit.
//   - Badger writes through memory maps, so a full disk kills the process. Writes are refused before that (space.go).
//   - On opening, Badger cuts a damaged log at the first bad record and deletes tables its manifest does not name. So a directory is
//     looked at before Badger may open it (damage.go).
//   - Its iterators and its compactions end silently at a block that cannot be read. So blocks are read for their checksums (scrub.go).
package badger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"github.com/hob-fhir/hob/storage/driver"
)

// Options are the settings of a store. The zero value is what a server should use.
type Options struct {
	InMemory      bool          // keep nothing on disk; the directory must be empty
	MemTable      int64         // bytes of a memtable; 15 % of it bounds a transaction; 0: 64 MiB
	BlockCache    int64         // bytes of decompressed blocks kept; 0: 64 MiB
	IndexCache    int64         // bytes of table indexes kept; 0: 32 MiB
	MinFree       int64         // bytes of disk that must stay free for writes to be taken; 0: 1 GiB, or 4 memtables if that is more
	KeepSnapshots time.Duration // how long an old snapshot can be read; 0: ten minutes
	Log           *slog.Logger  // nil: slog.Default

	metrics bool // Badger counts what it is asked, which costs it a tenth of a read
}

func (o Options) withDefaults() Options {
	if o.MemTable == 0 {
		o.MemTable = 64 << 20
	}
	if o.BlockCache == 0 {
		o.BlockCache = 64 << 20
	}
	if o.IndexCache == 0 {
		o.IndexCache = 32 << 20
	}
	if o.MinFree == 0 {
		o.MinFree = max(1<<30, 4*o.MemTable)
	}
	if o.KeepSnapshots == 0 {
		o.KeepSnapshots = 10 * time.Minute
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

// format is the version of the layout. It stands in the header of Badger's manifest, so that Badger too refuses another.
const format = 1

// store is the driver.Backend.
type store struct {
	db     *badgerdb.DB
	opts   Options
	names  *names
	keep   *keeper
	writer *writer
	space  *space
	note   *note
	rot    atomic.Pointer[error] // why nothing is served any more: a table is damaged

	stop    chan struct{} // ends the background work
	stopped sync.WaitGroup
	once    sync.Once
	closed  error
}

// Open opens the store in a directory, or makes one if the directory is empty or absent. In memory the directory must be "".
//
// A directory that another process has open, that holds something else, that was written by a newer Hob or is damaged is refused
// with driver.ErrUnavailable, and left as it is.
func Open(dir string, o Options) (driver.Backend, error) {
	o = o.withDefaults()
	opts := badgerdb.DefaultOptions(dir).
		WithInMemory(o.InMemory).
		WithSyncWrites(!o.InMemory).
		WithDetectConflicts(false). // one writer
		WithNumVersionsToKeep(1).   // older ones live until the discard time passes them
		WithMemTableSize(o.MemTable).
		WithNumMemtables(2).
		WithValueThreshold(min(1<<20, o.MemTable*15/100)).
		WithValueLogFileSize(1 << 20). // never written; its map is the smallest allowed
		WithBlockCacheSize(o.BlockCache).
		WithIndexCacheSize(o.IndexCache).
		WithNumCompactors(2).
		WithChecksumVerificationMode(options.OnBlockRead).
		WithExternalMagic(format).
		WithMetricsEnabled(o.metrics).
		WithLogger(logger{o.Log})
	if o.InMemory && dir != "" {
		return nil, fmt.Errorf("a store in memory has no directory, not %q: %w", dir, driver.ErrInvalid)
	}
	if o.MemTable < 4<<20 {
		return nil, fmt.Errorf("a memtable of %d bytes is too small; 4 MiB is the least: %w", o.MemTable, driver.ErrInvalid)
	}
	last := lastNote{}
	if !o.InMemory {
		if dir == "" {
			return nil, fmt.Errorf("a store needs a directory: %w", driver.ErrInvalid)
		}
		var err error
		if last, err = inspect(dir); err != nil {
			return nil, refused(dir, err)
		}
	}
	db, err := badgerdb.OpenManaged(opts)
	if err != nil {
		return nil, refused(dir, explain(err))
	}
	s := &store{db: db, opts: o, names: newNames(), stop: make(chan struct{})}
	if err := s.start(dir, last); err != nil {
		return nil, errors.Join(refused(dir, err), db.Close())
	}
	return s, nil
}

func refused(dir string, err error) error {
	return fmt.Errorf("store %s is not opened: %w: %w", dir, err, driver.ErrUnavailable)
}

// start readies a store whose Badger is open.
func (s *store) start(dir string, last lastNote) error {
	durable := s.db.MaxVersion()
	if durable < last.durable {
		return fmt.Errorf("its newest changes are lost: change %d was acknowledged, the last one there is %d; "+
			"restore a backup, or remove %s to go on without them", last.durable, durable, noteFile)
	}
	discard := last.discard
	if !last.known && durable > 0 {
		discard = durable // what was discarded is unknown
		s.opts.Log.Warn("store has no note of its last change; whether its newest changes are there cannot be told", "file", noteFile)
	}
	s.keep = newKeeper(s.opts.KeepSnapshots, durable, discard)
	s.space = &space{dir: dir, minFree: s.opts.MinFree, inMemory: s.opts.InMemory}
	var err error
	if s.note, err = openNote(dir, s.opts.InMemory); err != nil {
		return err
	}
	if err := s.learnNames(); err != nil {
		return err
	}
	s.writer = newWriter(s)
	s.space.measure()
	if err := s.writeNote(false); err != nil {
		return err
	}
	s.stopped.Go(s.watch)
	s.stopped.Go(s.scrubDaily)
	return nil
}

// learnNames reads the names of types and fields: the only keys read on opening.
func (s *store) learnNames() error {
	v, done, err := s.open(newest)
	if err != nil {
		return err
	}
	defer done()
	scan := v.scan([]byte{famNames}, nil, false)
	defer scan.close()
	for scan.next() {
		b, err := scan.value()
		if err != nil {
			return err
		}
		if err := s.names.learn(scan.key(), b); err != nil {
			return err
		}
	}
	return nil
}

// View implements driver.Backend.
func (s *store) View(ctx context.Context, fn func(driver.Reader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.sound(); err != nil {
		return err
	}
	v, done, err := s.open(newest)
	if err != nil {
		return err
	}
	defer done()
	return fn(&reader{view: *v, ctx: ctx})
}

// watch does every second what must be done from time to time.
func (s *store) watch() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-s.stop:
			return
		case <-tick.C:
		}
		s.space.measure()
		if err := s.discard(time.Now()); err != nil {
			s.opts.Log.Error("note of the last change cannot be written", "error", err)
		}
		if n%sweepEvery == 0 {
			if err := s.sweep(); err != nil && !errors.Is(err, driver.ErrUnavailable) && !errors.Is(err, driver.ErrFull) {
				s.opts.Log.Error("expired records cannot be removed", "error", err)
			}
		}
	}
}

// discard lets Badger drop what no snapshot needs that is still kept. The note says so first, on the disk: after a crash a snapshot
// of which something is gone must not be taken for whole.
func (s *store) discard(now time.Time) error {
	was := s.keep.discarded()
	ts := s.keep.tick(now)
	if err := s.writeNote(false); err != nil {
		return err
	}
	if ts != was {
		if err := s.note.sync(); err != nil {
			return err
		}
	}
	s.db.SetDiscardTs(ts)
	return nil
}

// Close implements driver.Backend.
func (s *store) Close() error {
	s.once.Do(func() {
		s.writer.shut()
		close(s.stop)
		s.stopped.Wait()
		s.keep.shut()
		s.closed = s.db.Close()
		if s.closed == nil {
			s.closed = s.writeNote(true)
		}
		s.closed = errors.Join(s.closed, s.note.close())
	})
	return s.closed
}

// logger gives Badger's warnings and errors to slog; the rest is about its own housekeeping.
type logger struct{ log *slog.Logger }

func (l logger) Errorf(format string, args ...any)   { l.log.Error("badger: " + line(format, args)) }
func (l logger) Warningf(format string, args ...any) { l.log.Warn("badger: " + line(format, args)) }
func (l logger) Infof(format string, args ...any)    {}
func (l logger) Debugf(format string, args ...any)   {}
