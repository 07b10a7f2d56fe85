package badger

import (
	"encoding/binary"

	"github.com/hob-fhir/hob/storage/driver"
)

// line of versions of one record, as versions walks it.
type lineage struct {
	t     typeNo
	n     uint64
	known bool
	where string
	head  head
	last  uint64 // the version before, 0 at first
	time  int64
}

// versions checks that each record has all its versions, in order, each with its place in the log and a body that can be read.
func (c *checker) versions() error {
	var l lineage
	err := c.each(famVersion, func(key, value []byte) error {
		t, n, rest, ok := parseTypeKey(key)
		if !ok {
			return c.problem(keyName(key), "is no version")
		}
		number, part, ok := parseCount(rest)
		if !ok || len(part) != 0 && len(part) != 2 {
			return c.problem(keyName(key), "is no version")
		}
		if len(part) == 2 {
			return c.part(keyVersion(t, n, number), part)
		}
		if t != l.t || n != l.n {
			if err := c.endLine(l); err != nil {
				return err
			}
			h, ok, err := c.head(t, n)
			if err != nil || !ok {
				return c.problem(keyName(key), "is a version of number %d, which no record has", n)
			}
			l = lineage{t: t, n: n, known: true, where: c.record(t, h.id), head: h}
		}
		return c.version1(&l, key, value, number)
	})
	if err != nil {
		return err
	}
	return c.endLine(l)
}

// version1 checks one version of a line.
func (c *checker) version1(l *lineage, key, value []byte, number uint64) error {
	data, parts, err := c.blob(key, value)
	if err != nil {
		return c.problem(l.where, "version %d: %v", number, err)
	}
	v, err := decodeVersion(data, false)
	if err != nil {
		return c.problem(l.where, "version %d: %v", number, err)
	}
	private := (driver.Key{Type: c.types[l.t]}).Private()
	switch {
	case private && number != l.head.version:
		err = c.problem(l.where, "has version %d; of a private record only the current one, %d, is kept", number, l.head.version)
	case !private && l.last == 0 && number != 1 && v.flags&flagErased == 0:
		err = c.problem(l.where, "its versions begin with %d; 1, or an erasure, would be right", number)
	case !private && l.last != 0 && number != l.last+1:
		err = c.problem(l.where, "has version %d after %d", number, l.last)
	case v.flags&flagErased != 0 && l.last != 0:
		err = c.problem(l.where, "was erased by version %d and still has version %d", number, l.last)
	case v.time < l.time:
		err = c.problem(l.where, "version %d lies before the one it follows", number)
	}
	if h := l.head; err == nil && number == h.version &&
		(v.pos != h.pos || v.time != h.time || parts != h.parts || (v.flags^h.flags)&(flagDeleted|flagErased) != 0) {
		err = c.problem(l.where, "its current version is not what version %d says: place %d, time %d, %d parts, flags %x; there %d, %d, %d, %x",
			number, h.pos, h.time, h.parts, h.flags, v.pos, v.time, parts, v.flags)
	}
	if err != nil {
		return err
	}
	l.last, l.time = number, v.time
	if private {
		return nil
	}
	count, err := c.tally(l.t, l.where)
	if err != nil {
		return err
	}
	count.versions++
	b, ok, err := c.get(keyLog(l.t, v.pos))
	if err != nil {
		return err
	}
	g, err := decodeLogged(b)
	switch {
	case !ok:
		return c.problem(l.where, "version %d is not in the log at %d", number, v.pos)
	case err != nil || g.num != l.n || g.version != number || g.time != v.time || g.flags != v.flags&^flagPacked:
		return c.problem(l.where, "version %d: the log has something else at %d", number, v.pos)
	}
	return nil
}

// endLine checks that the last version of a line is the current one.
func (c *checker) endLine(l lineage) error {
	if l.known && l.last != l.head.version {
		return c.problem(l.where, "its versions end with %d, %d is current", l.last, l.head.version)
	}
	return nil
}

// log checks the log of each type. versions has seen that every version is in it, so if there are as many there is nothing else.
func (c *checker) log() error {
	entries := map[typeNo]int{}
	latest := map[typeNo]int64{}
	last := map[typeNo]uint64{}
	err := c.each(famLog, func(key, value []byte) error {
		g, err := decodeLogged(value)
		if err != nil || len(key) != 3+8 {
			return c.problem(keyName(key), "is no record of the log")
		}
		t, pos := typeNo(binary.BigEndian.Uint16(key[1:])), binary.BigEndian.Uint64(key[3:])
		if prev, ok := latest[t]; g.latest < g.time || ok && g.latest < prev {
			return c.problem("log of "+c.types[t], "at %d its latest time steps back", pos)
		}
		entries[t]++
		latest[t], last[t] = g.latest, pos
		h, ok, err := c.head(t, g.num)
		if err != nil || !ok {
			return c.problem("log of "+c.types[t], "at %d is number %d, which no record has", pos, g.num)
		}
		v, ok, err := c.version(t, g.num, g.version, true)
		if err != nil || !ok || v.pos != pos {
			return c.problem("log of "+c.types[t], "at %d is version %d of %s, which is not there", pos, g.version, h.id)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for t, n := range entries {
		count, err := c.tally(t, "log of "+c.types[t])
		if err != nil {
			return err
		}
		if count.pos < last[t] || count.latest < latest[t] {
			if err := c.problem("type "+c.types[t], "its counter has the log end at %d, it ends at %d", count.pos, last[t]); err != nil {
				return err
			}
		}
		if n != count.versions {
			if err := c.problem("log of "+c.types[t], "has %d records for %d versions", n, count.versions); err != nil {
				return err
			}
		}
	}
	return nil
}

// order checks that no two records have the same place in the log, by reading it as a whole.
func (c *checker) order() error {
	last := driver.Position("")
	var stop error
	walk := logWalk{v: c.view, Log: driver.Log{Bare: true}, since: -1 << 63}
	err := walk.run(c.ctx.Err, func(rec driver.Record, err error) bool {
		if rec.Position <= last {
			stop = c.problem("log", "has %s at %s, after %s", rec.Key, rec.Position, last)
		}
		last = rec.Position
		return stop == nil
	})
	if stop != nil {
		return stop
	}
	if err != nil && c.ctx.Err() == nil {
		return c.problem("log", "cannot be read as a whole: %v", err)
	}
	return err
}
