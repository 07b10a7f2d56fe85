package badger

import (
	"bytes"
	"errors"
	"fmt"

	badgerdb "github.com/dgraph-io/badger/v4"
	"github.com/tidwall/btree"

	"github.com/hob-fhir/hob/storage/driver"
)

// view reads keys as they are at one moment: a snapshot of Badger's, and over it what the writer's group has not yet committed.
// It is used by one goroutine.
type view struct {
	s    *store
	txn  *badgerdb.Txn
	over *overlay // nil outside of Update
	ts   uint64
	read int           // keys read so far
	now  *badgerdb.Txn // of an old snapshot: the newest one, to leave out what was erased since; else nil
}

// erasedSince reports whether a version that the snapshot has was erased after it. What was erased is not shown any more. (Versions
// of private records go with every update; their absence says nothing.)
func (v *view) erasedSince(t typeNo, n, number uint64) (bool, error) {
	if v.now == nil {
		return false, nil
	}
	key := keyVersion(t, n, number)
	_, err := v.now.Get(key)
	if errors.Is(err, badgerdb.ErrKeyNotFound) {
		return true, nil
	}
	if err != nil {
		return false, unreadable(key, err)
	}
	return false, nil
}

// get returns the value of a key. It must not be changed.
func (v *view) get(key []byte) (value []byte, ok bool, err error) {
	v.read++
	if v.over != nil {
		if p, ok := v.over.get(string(key)); ok {
			return p.value, !p.gone, nil
		}
	}
	item, err := v.txn.Get(key)
	if errors.Is(err, badgerdb.ErrKeyNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, unreadable(key, err)
	}
	err = item.Value(func(b []byte) error { value = b; return nil }) // the item is ours alone, and so is its value
	if err != nil {
		return nil, false, unreadable(key, err)
	}
	return value, true, nil
}

func unreadable(key []byte, err error) error {
	return fmt.Errorf("key %q cannot be read; the store may be damaged, see hob check: %w: %w", key, err, driver.ErrUnavailable)
}

// scan walks the keys that begin with a prefix, upward, or downward if reverse. next must be called before the first key; close
// when done. In a transaction nothing may be written while a scan is open.
type scan struct {
	v       *view
	prefix  []byte
	reverse bool
	base    *badgerdb.Iterator
	started bool

	over    btree.MapIter[string, pending]
	hasOver bool // over stands on a key of the prefix
	onOver  bool // the present key is over's
	both    bool // and base stands on the same key
}

// scan begins at from, which is itself included; nil begins at the end of the prefix that the direction starts from.
func (v *view) scan(prefix, from []byte, reverse bool) *scan {
	s := &scan{v: v, prefix: prefix, reverse: reverse}
	opts := badgerdb.IteratorOptions{Reverse: reverse, PrefetchSize: 1}
	if !reverse {
		opts.Prefix = prefix
	}
	s.base = v.txn.NewIterator(opts)
	s.seek(from)
	return s
}

// seek begins anew at from.
func (s *scan) seek(from []byte) {
	s.started = false
	switch {
	case from == nil && !s.reverse:
		from = s.prefix
	case from == nil:
		from = after(s.prefix)
	}
	s.base.Seek(from)
	if s.reverse && s.base.Valid() && bytes.Equal(s.base.Item().Key(), from) && !bytes.HasPrefix(from, s.prefix) {
		s.base.Next() // the first key after the prefix
	}
	if s.v.over == nil {
		return
	}
	s.over = s.v.over.keys.Iter()
	if !s.reverse {
		s.hasOver = s.over.Seek(string(from))
	} else {
		s.hasOver = s.over.Seek(string(from))
		switch {
		case !s.hasOver:
			s.hasOver = s.over.Last()
		case s.over.Key() != string(from) || !bytes.HasPrefix(from, s.prefix):
			s.hasOver = s.over.Prev()
		}
	}
	s.bound()
}

func (s *scan) bound() {
	if s.hasOver && !hasPrefix(s.over.Key(), s.prefix) {
		s.hasOver = false
	}
}

func hasPrefix(key string, prefix []byte) bool {
	return len(key) >= len(prefix) && key[:len(prefix)] == string(prefix)
}

// next moves to the next key and reports whether there is one.
func (s *scan) next() bool {
	for {
		if s.started {
			s.advance()
		}
		s.started = true
		base := s.base.Valid() && (!s.reverse || bytes.HasPrefix(s.base.Item().Key(), s.prefix))
		if !s.hasOver {
			s.onOver, s.both = false, false
			if base {
				s.v.read++
			}
			return base
		}
		s.v.read++
		c := 1
		if base {
			c = compare(s.base.Item().Key(), s.over.Key())
			if s.reverse {
				c = -c
			}
		}
		if base && c < 0 {
			s.onOver, s.both = false, false
			return true
		}
		s.onOver, s.both = true, base && c == 0
		if s.over.Value().gone {
			continue
		}
		return true
	}
}

func compare(a []byte, b string) int {
	switch {
	case string(a) < b:
		return -1
	case string(a) > b:
		return 1
	}
	return 0
}

func (s *scan) advance() {
	if !s.onOver || s.both {
		s.base.Next()
	}
	if s.onOver {
		if s.reverse {
			s.hasOver = s.over.Prev()
		} else {
			s.hasOver = s.over.Next()
		}
		s.bound()
	}
}

// key is the present key, valid until next.
func (s *scan) key() []byte {
	if s.onOver {
		return []byte(s.over.Key())
	}
	return s.base.Item().Key()
}

// value is the present value. It must not be changed, and is valid until next.
func (s *scan) value() (value []byte, err error) {
	if s.onOver {
		return s.over.Value().value, nil
	}
	item := s.base.Item()
	if item.ValueSize() == 0 {
		return nil, nil
	}
	err = item.Value(func(b []byte) error { value = b; return nil })
	if err != nil {
		return nil, unreadable(item.Key(), err)
	}
	return value, nil
}

func (s *scan) close() { s.base.Close() }
