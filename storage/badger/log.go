package badger

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/hob-fhir/hob/storage/driver"
)

// logged is a record of the log, the value of the family G: number, version, time, latest, flags. latest is the latest time of the
// type's log up to here. Unlike the times themselves, which may step back with the clock, it never falls, so the place from which
// on records can be as new as Log.Since is found by bisection.
type logged struct {
	num     uint64
	version uint64
	time    int64 // ms since 1970
	latest  int64
	flags   byte
}

func (l logged) encode() []byte {
	b := binary.AppendUvarint(make([]byte, 0, 24), l.num)
	b = binary.AppendUvarint(b, l.version)
	b = binary.AppendVarint(b, l.time)
	b = binary.AppendVarint(b, l.latest)
	return append(b, l.flags)
}

func decodeLogged(b []byte) (logged, error) {
	d := decoder{b: b}
	l := logged{num: d.uint(), version: d.uint(), time: d.int(), latest: d.int(), flags: d.byte()}
	return l, d.end()
}

// append gives a record the next place in the log, and updates the counter of its type.
func (t *tx) append(typ typeNo, c *counter, l logged) (uint64, error) {
	all, err := t.counter(0)
	if err != nil {
		return 0, err
	}
	all.pos++
	t.set(keyNumbers(0), all.encode())
	c.latest = max(c.latest, l.time)
	if c.pos == 0 {
		c.latest = l.time
	}
	c.pos = all.pos
	l.latest = c.latest
	t.set(keyLog(typ, all.pos), l.encode())
	t.last = all.pos
	return all.pos, nil
}

// Log implements driver.Reader.
func (r *reader) Log(l driver.Log) iter.Seq2[driver.Record, error] {
	return func(yield func(driver.Record, error) bool) {
		err := r.log(l, yield)
		if err != nil {
			yield(driver.Record{}, err)
		}
	}
}

func (r *reader) log(l driver.Log, yield func(driver.Record, error) bool) error {
	if err := l.Validate(); err != nil {
		return err
	}
	afterPos, err := parsePosition(l.After)
	if err != nil {
		return err
	}
	v, done, err := r.at(l.At)
	if err != nil {
		return err
	}
	defer done()
	walk := logWalk{v: v, Log: l, after: afterPos, hasAfter: l.After != "", since: sinceMilli(l.Since)}
	if v.over == nil {
		return walk.run(r.ctx.Err, yield)
	}
	// In an update the caller may write between two records: first collect.
	var found []driver.Record
	err = walk.run(r.ctx.Err, func(rec driver.Record, err error) bool {
		found = append(found, rec)
		return true
	})
	for _, rec := range found {
		if !yield(rec, nil) {
			return nil
		}
	}
	return err
}

// sinceMilli is the first millisecond that is not before a moment.
func sinceMilli(t time.Time) int64 {
	if t.IsZero() {
		return -1 << 63
	}
	ms := t.UnixMilli()
	if time.UnixMilli(ms).Before(t) {
		ms++
	}
	return ms
}

// logWalk is one reading of the log.
type logWalk struct {
	driver.Log
	v        *view
	after    uint64
	hasAfter bool
	since    int64
}

func (w *logWalk) run(canceled func() error, yield func(driver.Record, error) bool) error {
	if (driver.Key{Type: w.Type}).Private() {
		return nil
	}
	if w.ID != "" {
		return w.versions(canceled, yield)
	}
	sources, err := w.sources()
	if err != nil {
		return err
	}
	defer func() {
		for _, s := range sources {
			s.scan.close()
		}
	}()
	live := sources[:0:0]
	for _, s := range sources {
		ok, err := w.advance(s)
		if err != nil {
			return err
		}
		if ok {
			live = append(live, s)
		}
	}
	// Merge: live is sorted by place in the direction of the walk.
	order := func(a, b *logSource) int {
		if w.Reverse {
			a, b = b, a
		}
		return cmp.Compare(a.pos, b.pos)
	}
	slices.SortFunc(live, order)
	for n := 0; len(live) > 0; {
		if err := canceled(); err != nil {
			return err
		}
		s := live[0]
		rec, err := w.record(s)
		if err != nil {
			return err
		}
		if !yield(rec, nil) {
			return nil
		}
		if n++; n == w.Limit {
			return nil
		}
		ok, err := w.advance(s)
		if err != nil {
			return err
		}
		live = live[1:]
		if ok {
			i, _ := slices.BinarySearchFunc(live, s, order)
			live = slices.Insert(live, i, s)
		}
	}
	return nil
}

// logSource is the log of one type.
type logSource struct {
	t    typeNo
	name string
	scan *scan
	pos  uint64
	logged
}

// sources opens the logs of the types asked for; of all those in which something can lie beyond After.
func (w *logWalk) sources() ([]*logSource, error) {
	types := map[string]typeNo{}
	if w.Type != "" {
		t, ok, err := w.v.typeNo(w.Type)
		if err != nil || !ok {
			return nil, err
		}
		types[w.Type] = t
	} else if err := w.v.publicTypes(types); err != nil {
		return nil, err
	}
	var sources []*logSource
	for name, t := range types {
		c, err := w.v.counter(t)
		if err != nil {
			return nil, err
		}
		if c.pos == 0 || w.hasAfter && !w.Reverse && c.pos <= w.after || c.latest < w.since {
			continue
		}
		s := &logSource{t: t, name: name}
		if err := w.open(s); err != nil {
			return nil, err
		}
		sources = append(sources, s)
	}
	return sources, nil
}

// open sets a source before its first record.
func (w *logWalk) open(s *logSource) error {
	var from []byte
	switch {
	case w.hasAfter && w.Reverse && w.after == 0:
		from = keyLog(s.t, 0) // nothing lies before the first place
	case w.hasAfter && w.Reverse:
		from = keyLog(s.t, w.after-1)
	case w.hasAfter:
		from = keyLog(s.t, w.after+1)
	}
	s.scan = w.v.scan(keyLogs(s.t), from, w.Reverse)
	if w.since == -1<<63 || w.Reverse {
		return nil
	}
	// Bisect for the first place whose latest is not before since. Places of one type have gaps, so probe for the next one.
	c, err := w.v.counter(s.t)
	if err != nil {
		return err
	}
	low, high := w.after+1, c.pos
	for high > low+64 {
		mid := low + (high-low)/2
		s.scan.seek(keyLog(s.t, mid))
		if !s.scan.next() {
			high = mid
			continue
		}
		if err := s.read(); err != nil {
			return err
		}
		if s.latest < w.since {
			low = s.pos + 1
		} else {
			high = mid
		}
	}
	s.scan.seek(keyLog(s.t, low))
	return nil
}

func (s *logSource) read() error {
	key := s.scan.key()
	if len(key) != 3+8 {
		return damaged(key, errCut)
	}
	s.pos = binary.BigEndian.Uint64(key[3:])
	b, err := s.scan.value()
	if err != nil {
		return err
	}
	if s.logged, err = decodeLogged(b); err != nil {
		return damaged(key, err)
	}
	return nil
}

// advance moves a source to its next record within Since.
func (w *logWalk) advance(s *logSource) (bool, error) {
	for s.scan.next() {
		if err := s.read(); err != nil {
			return false, err
		}
		if w.Reverse && s.latest < w.since {
			return false, nil // and so is all before it
		}
		if s.time < w.since {
			continue
		}
		if erased, err := w.v.erasedSince(s.t, s.num, s.version); err != nil || !erased {
			return err == nil, err
		}
	}
	return false, nil
}

// record makes the record a source stands on.
func (w *logWalk) record(s *logSource) (driver.Record, error) {
	h, ok, err := w.v.head(s.t, s.num)
	if err == nil && !ok {
		err = damaged(keyLog(s.t, s.pos), fmt.Errorf("no record has its number %d", s.num))
	}
	if err != nil {
		return driver.Record{}, err
	}
	v := version{flags: s.flags, pos: s.pos, time: s.time}
	if !w.Bare && v.flags&flagDeleted == 0 {
		var ok bool
		v, ok, err = w.v.version(s.t, s.num, s.version, false)
		if err == nil && !ok {
			err = damaged(keyVersion(s.t, s.num, s.version), fmt.Errorf("the log has a version that is not there"))
		}
		if err != nil {
			return driver.Record{}, err
		}
	}
	return v.record(driver.Key{Type: s.name, ID: h.id}, s.version), nil
}

// versions is the log of one key, read off its versions.
func (w *logWalk) versions(canceled func() error, yield func(driver.Record, error) bool) error {
	t, ok, err := w.v.typeNo(w.Type)
	if err != nil || !ok {
		return err
	}
	n, ok, err := w.v.number(t, w.ID)
	if err != nil || !ok {
		return err
	}
	prefix := keyVersions(t, n)
	s := w.v.scan(prefix, nil, w.Reverse)
	defer s.close()
	for found := 0; s.next(); {
		if err := canceled(); err != nil {
			return err
		}
		key := s.key()
		number, rest, ok := parseCount(key[len(prefix):])
		if !ok {
			return damaged(key, errCut)
		}
		if len(rest) > 0 {
			continue // a further part of a body
		}
		first, err := s.value()
		if err != nil {
			return err
		}
		v, err := decodePlace(first)
		if err != nil {
			return damaged(key, err)
		}
		beyond := !w.hasAfter || (v.pos > w.after) != w.Reverse && v.pos != w.after
		if !beyond || v.time < w.since {
			continue
		}
		if erased, err := w.v.erasedSince(t, n, number); err != nil {
			return err
		} else if erased {
			continue
		}
		if !w.Bare {
			if v, _, err = w.v.decodeVersion(append([]byte{}, key...), first, false); err != nil {
				return err
			}
		}
		if !yield(v.record(driver.Key{Type: w.Type, ID: w.ID}, number), nil) {
			return nil
		}
		if found++; found == w.Limit {
			return nil
		}
	}
	return nil
}

// decodePlace reads all but the body off the first part of a version.
func decodePlace(first []byte) (version, error) {
	d := decoder{b: first}
	d.uint() // the number of further parts
	v := version{flags: d.byte(), pos: d.uint(), time: d.int()}
	return v, d.err
}
