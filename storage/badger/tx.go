package badger

import (
	"errors"
	"fmt"
	"time"

	"github.com/hob-fhir/hob/storage/driver"
)

// tx is the driver.Tx of one closure.
type tx struct {
	reader
	over     *overlay
	maxBytes int64
	maxKeys  int64
	overflow bool   // something did not fit into the transaction
	last     uint64 // place in the log of the last public record put
	ended    bool
}

func (t *tx) set(key, value []byte) { t.over.set(string(key), pending{value: value}) }

func (t *tx) delete(key []byte) { t.over.set(string(key), pending{gone: true}) }

// whole makes a write happen as a whole or not at all.
func (t *tx) whole(k driver.Key, write func() error) error {
	if t.ended {
		return errors.New("transaction is used after its closure has returned")
	}
	mark := t.over.mark()
	last := t.last
	err := write()
	if err == nil && (t.over.size > t.maxBytes || int64(t.over.keys.Len()) > t.maxKeys) {
		t.overflow = true
		err = fmt.Errorf("%s does not fit: one transaction holds at most %d bytes (compressed) and %d keys; make it smaller, or allow larger memtables: %w",
			k, t.maxBytes, t.maxKeys, driver.ErrTooLarge)
	}
	if err != nil {
		t.over.undoTo(mark)
		t.last = last
	}
	return err
}

// Put implements driver.Tx.
func (t *tx) Put(rec driver.Record, rows []driver.Row) error {
	if err := driver.ValidatePut(rec, rows); err != nil {
		return err
	}
	if len(rec.ID) > maxID {
		return fmt.Errorf("%s: id of %d bytes, at most %d are allowed: %w", rec.Type, len(rec.ID), maxID, driver.ErrTooLarge)
	}
	if len(rec.Body) > maxBody {
		return fmt.Errorf("%s: body of %d bytes, at most %d are allowed: %w", rec.Key, len(rec.Body), maxBody, driver.ErrTooLarge)
	}
	return t.whole(rec.Key, func() error { return t.put(rec, rows) })
}

func (t *tx) put(rec driver.Record, rows []driver.Row) error {
	p, known, err := t.find(rec.Key)
	if err != nil {
		return err
	}
	if !known && p.n != 0 { // private and expired: as if it had never been
		if err := t.forget(p); err != nil {
			return err
		}
	}
	if next := p.h.version + 1; known && rec.Version != next || !known && rec.Version != 1 {
		if !known {
			next = 1
		}
		return fmt.Errorf("%s: version %d cannot be written, %d is next: %w", rec.Key, rec.Version, next, driver.ErrConflict)
	}
	ms := rec.Time.UnixMilli()
	if known && ms < p.h.time {
		return earlier(rec.Key, p.h.version)
	}
	if p.t, err = t.makeTypeNo(rec.Type); err != nil {
		return err
	}
	now, err := t.claimed(rec.Key, p, rows)
	if err != nil {
		return err
	}
	c, err := t.counter(p.t) // after what claimed may have cleared away
	if err != nil {
		return err
	}
	was := p.h
	if !known {
		if c.last == maxNum {
			return fmt.Errorf("%s: a type holds at most %d records: %w", rec.Type, uint64(maxNum), driver.ErrTooLarge)
		}
		c.last++
		p.n = c.last
		t.set(keyID(p.t, rec.ID), appendNum(make([]byte, 0, numLen), p.n))
		was = head{flags: flagDeleted}
	}
	if err := t.replaceRows(rec.Key, p, !was.deleted(), now, !rec.Deleted); err != nil {
		return err
	}
	h := head{version: rec.Version, time: ms, expires: rec.Expires, id: rec.ID}
	v := version{time: ms, body: rec.Body}
	if rec.Deleted {
		h.flags |= flagDeleted
		v.flags |= flagDeleted
	}
	if !rec.Expires.IsZero() {
		h.flags |= flagExpires
		t.set(keyExpiry(rec.Expires.UnixMilli(), p.t, p.n), nil)
	}
	if known && was.flags&flagExpires != 0 && (h.flags&flagExpires == 0 || was.expires.UnixMilli() != h.expires.UnixMilli()) {
		t.delete(keyExpiry(was.expires.UnixMilli(), p.t, p.n))
	}
	switch {
	case rec.Deleted && !was.deleted():
		c.count--
	case !rec.Deleted && was.deleted():
		c.count++
	}
	if rec.Private() {
		if known {
			t.deleteBlob(keyVersion(p.t, p.n, was.version), was.parts)
		}
	} else {
		if h.pos, err = t.append(p.t, &c, logged{num: p.n, version: rec.Version, time: ms, flags: v.flags}); err != nil {
			return err
		}
		v.pos = h.pos
	}
	data := v.encode()
	if len(data) > partSize {
		h.parts = (len(data) - 1) / partSize
	}
	if err := t.setBlob(keyVersion(p.t, p.n, rec.Version), data, 0); err != nil {
		return err
	}
	t.set(keyCurrent(p.t, p.n), h.encode())
	t.set(keyNumbers(p.t), c.encode())
	return nil
}

func earlier(k driver.Key, version uint64) error {
	return fmt.Errorf("%s: the time lies before that of version %d: %w", k, version, driver.ErrInvalid)
}

// claimed numbers the rows of a record and sees to it that their unique values are free.
func (t *tx) claimed(k driver.Key, p place, rows []driver.Row) ([]row, error) {
	now, err := t.rowsOf(p.t, rows)
	if err != nil {
		return nil, err
	}
	return now, t.claim(k, p.t, p.n, now)
}

// replaceRows makes the rows of a record those given: of one that was current if had, and is if keep.
func (t *tx) replaceRows(k driver.Key, p place, had bool, now []row, keep bool) error {
	if !had {
		if !keep {
			return nil
		}
		return t.reindex(p.t, p.n, nil, nil, 0, now, true)
	}
	was, data, more, ok, err := t.rows(p.t, p.n)
	if err != nil {
		return err
	}
	if !ok {
		return damaged(keyRows(p.t, p.n), fmt.Errorf("%s is current and has no rows", k))
	}
	return t.reindex(p.t, p.n, was, data, more, now, keep)
}

// claim refuses rows with a unique value that another record holds as unique. An expired holder is cleared away.
func (t *tx) claim(k driver.Key, typ typeNo, n uint64, rows []row) error {
	for _, r := range rows {
		if !r.unique {
			continue
		}
		holder, err := t.holder(typ, n, r)
		if err != nil {
			return err
		}
		if holder.n == 0 {
			continue
		}
		if !holder.h.expired() {
			return fmt.Errorf("%s: its value %q is held by %s/%s: %w", k, r.value.Low, k.Type, holder.h.id, driver.ErrTaken)
		}
		if err := t.forget(holder); err != nil {
			return err
		}
	}
	return nil
}

// holder finds the record other than n that holds a value as unique.
func (t *tx) holder(typ typeNo, n uint64, r row) (place, error) {
	s := t.scan(keyValue(r.field, r.value.Low), nil, false)
	defer s.close()
	for s.next() {
		other := lastNum(s.key())
		if other == n {
			continue
		}
		b, err := s.value()
		if err != nil {
			return place{}, err
		}
		entries, err := decodeEntries(b)
		if err != nil {
			return place{}, damaged(s.key(), err)
		}
		for _, e := range entries {
			if e.unique {
				h, _, err := t.head(typ, other)
				return place{typ, other, h}, err
			}
		}
	}
	return place{}, nil
}

// Index implements driver.Tx.
func (t *tx) Index(k driver.Key, version uint64, rows []driver.Row) error {
	if err := driver.ValidateRows(k, rows); err != nil {
		return err
	}
	return t.whole(k, func() error {
		p, ok, err := t.find(k)
		switch {
		case err != nil:
			return err
		case !ok || p.h.deleted():
			return notFound(k)
		case p.h.version != version:
			return fmt.Errorf("%s: version %d cannot be indexed, %d is current: %w", k, version, p.h.version, driver.ErrConflict)
		}
		now, err := t.claimed(k, p, rows)
		if err != nil {
			return err
		}
		return t.replaceRows(k, p, true, now, true)
	})
}

// Erase implements driver.Tx.
func (t *tx) Erase(k driver.Key, at time.Time) error {
	return t.whole(k, func() error {
		p, ok, err := t.find(k)
		switch {
		case err != nil:
			return err
		case !ok || p.h.flags&flagErased != 0:
			return notFound(k)
		case k.Private():
			return t.forget(p)
		case at.UnixMilli() < p.h.time:
			return earlier(k, p.h.version)
		}
		if err := t.clear(p); err != nil {
			return err
		}
		c, err := t.counter(p.t)
		if err != nil {
			return err
		}
		if !p.h.deleted() {
			c.count--
		}
		h := head{flags: flagDeleted | flagErased, version: p.h.version + 1, time: at.UnixMilli(), id: k.ID}
		h.pos, err = t.append(p.t, &c, logged{num: p.n, version: h.version, time: h.time, flags: h.flags})
		if err != nil {
			return err
		}
		v := version{flags: h.flags, pos: h.pos, time: h.time}
		if err := t.setBlob(keyVersion(p.t, p.n, h.version), v.encode(), 0); err != nil {
			return err
		}
		t.set(keyCurrent(p.t, p.n), h.encode())
		t.set(keyNumbers(p.t), c.encode())
		return nil
	})
}

// clear deletes the rows and versions of a record, and what the log says of them.
func (t *tx) clear(p place) error {
	if !p.h.deleted() {
		was, _, more, ok, err := t.rows(p.t, p.n)
		if err != nil {
			return err
		}
		if ok {
			if err := t.reindex(p.t, p.n, was, nil, more, nil, false); err != nil {
				return err
			}
		}
	}
	prefix := keyVersions(p.t, p.n)
	s := t.scan(prefix, nil, false)
	defer s.close()
	var gone [][]byte
	for s.next() {
		key := append([]byte{}, s.key()...)
		_, part, ok := parseCount(key[len(prefix):])
		if !ok || len(part) != 0 {
			gone = append(gone, key)
			continue
		}
		first, err := s.value()
		if err != nil {
			return err
		}
		d := decoder{b: first}
		d.uint() // the number of parts
		v := version{flags: d.byte(), pos: d.uint()}
		if d.err != nil {
			return damaged(key, d.err)
		}
		gone = append(gone, key)
		if v.pos != 0 {
			gone = append(gone, keyLog(p.t, v.pos))
		}
	}
	for _, key := range gone {
		t.delete(key)
	}
	return nil
}

// forget removes a private record, its number too.
func (t *tx) forget(p place) error {
	if err := t.clear(p); err != nil {
		return err
	}
	if p.h.flags&flagExpires != 0 {
		t.delete(keyExpiry(p.h.expires.UnixMilli(), p.t, p.n))
	}
	t.delete(keyCurrent(p.t, p.n))
	t.delete(keyID(p.t, p.h.id))
	c, err := t.counter(p.t)
	if err != nil {
		return err
	}
	if !p.h.deleted() {
		c.count--
	}
	t.set(keyNumbers(p.t), c.encode())
	return nil
}
