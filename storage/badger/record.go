package badger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/hob-fhir/hob/storage/driver"
)

const (
	flagDeleted = 1 << iota
	flagErased
	flagExpires // head only: an expiry follows
	flagPacked  // version only: the body is compressed
)

// head is the value of the family C: all of the current version but its body.
type head struct {
	flags   byte
	version uint64
	pos     uint64 // 0 for private types
	time    int64  // ms since 1970
	parts   int    // further parts of the body's blob
	expires time.Time
	id      string
}

func (h head) deleted() bool { return h.flags&flagDeleted != 0 }

func (h head) expired() bool {
	return h.flags&flagExpires != 0 && !time.Now().Before(h.expires)
}

func (h head) encode() []byte {
	b := make([]byte, 0, 32+len(h.id))
	b = append(b, h.flags)
	b = binary.AppendUvarint(b, h.version)
	b = binary.AppendUvarint(b, h.pos)
	b = binary.AppendVarint(b, h.time)
	b = binary.AppendUvarint(b, uint64(h.parts))
	if h.flags&flagExpires != 0 {
		b = binary.AppendVarint(b, h.expires.Unix())
		b = binary.AppendUvarint(b, uint64(h.expires.Nanosecond()))
	}
	return append(b, h.id...)
}

func decodeHead(b []byte) (head, error) {
	d := decoder{b: b}
	h := head{flags: d.byte(), version: d.uint(), pos: d.uint(), time: d.int(), parts: int(d.uint())}
	if h.flags&flagExpires != 0 {
		s := d.int()
		h.expires = time.Unix(s, int64(d.uint())).UTC()
	}
	h.id = string(d.b)
	return h, d.err
}

func (h head) record(typ string) driver.Record {
	rec := driver.Record{
		Key:     driver.Key{Type: typ, ID: h.id},
		Version: h.version,
		Time:    time.UnixMilli(h.time).UTC(),
		Deleted: h.flags&flagDeleted != 0,
		Erased:  h.flags&flagErased != 0,
		Expires: h.expires,
	}
	if h.pos != 0 {
		rec.Position = position(h.pos)
	}
	return rec
}

// maxBody is the longest body that Put takes, in bytes before compression. A transaction may hold less.
const maxBody = 64 << 20

// version is a blob of the family V. The body follows its length, compressed by s2 if that made it shorter.
type version struct {
	flags byte
	pos   uint64
	time  int64 // ms since 1970
	body  []byte
}

func (v version) encode() []byte {
	b := make([]byte, 0, 24+s2.MaxEncodedLen(len(v.body)))
	b = append(b, v.flags)
	b = binary.AppendUvarint(b, v.pos)
	b = binary.AppendVarint(b, v.time)
	if v.flags&flagDeleted != 0 {
		return b
	}
	packed := s2.Encode(b[len(b):cap(b)], v.body)
	if len(packed) >= len(v.body) {
		return append(b, v.body...)
	}
	b[0] |= flagPacked
	return append(b, packed...) // packed lies right behind b already
}

// decodeVersion reads a version; the body is decompressed into memory of its own.
func decodeVersion(b []byte, bare bool) (version, error) {
	d := decoder{b: b}
	v := version{flags: d.byte(), pos: d.uint(), time: d.int()}
	if d.err != nil || v.flags&flagDeleted != 0 {
		return v, d.end()
	}
	if bare {
		return v, nil
	}
	if v.flags&flagPacked == 0 {
		v.body = append([]byte{}, d.b...)
		return v, nil
	}
	n, err := s2.DecodedLen(d.b)
	if err == nil && n > maxBody {
		err = errors.New("body claims to be larger than any that is written")
	}
	if err == nil {
		v.body, err = s2.Decode(nil, d.b)
	}
	return v, err
}

// position writes a place in the log so that strings sort as numbers do.
func position(p uint64) driver.Position {
	return driver.Position(fmt.Sprintf("%016x", p))
}

func parsePosition(p driver.Position) (uint64, error) {
	if p == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(string(p), 16, 64)
	if err != nil || len(p) != 16 {
		return 0, fmt.Errorf("%q is no place in the log: %w", string(p), driver.ErrInvalid)
	}
	return n, nil
}

// counter is the value of the family N of one type.
type counter struct {
	last   uint64 // the last number given out
	count  uint64 // current, undeleted records, expired ones too
	pos    uint64 // the last place in the log
	latest int64  // the latest time in the log, ms since 1970
}

func (c counter) encode() []byte {
	b := binary.AppendUvarint(make([]byte, 0, 24), c.last)
	b = binary.AppendUvarint(b, c.count)
	b = binary.AppendUvarint(b, c.pos)
	return binary.AppendVarint(b, c.latest)
}

func (v *view) counter(t typeNo) (counter, error) {
	key := keyNumbers(t)
	b, ok, err := v.get(key)
	if err != nil || !ok {
		return counter{}, err
	}
	c, err := decodeCounter(b)
	if err != nil {
		return c, damaged(key, err)
	}
	return c, nil
}

func decodeCounter(b []byte) (counter, error) {
	d := decoder{b: b}
	c := counter{last: d.uint(), count: d.uint(), pos: d.uint(), latest: d.int()}
	return c, d.end()
}

// number returns the number of a key; false if it was never put, or is private and was erased.
func (v *view) number(t typeNo, id string) (uint64, bool, error) {
	if len(id) > maxID {
		return 0, false, nil
	}
	key := keyID(t, id)
	b, ok, err := v.get(key)
	if err != nil || !ok {
		return 0, false, err
	}
	if len(b) != numLen {
		return 0, false, damaged(key, errCut)
	}
	return parseNum(b), true, nil
}

func (v *view) head(t typeNo, n uint64) (head, bool, error) { return headOf(v, keyCurrent(t, n)) }

// getter is a view, or a stride of one.
type getter interface {
	get(key []byte) (value []byte, ok bool, err error)
}

func headOf(g getter, key []byte) (head, bool, error) {
	b, ok, err := g.get(key)
	if err != nil || !ok {
		return head{}, false, err
	}
	h, err := decodeHead(b)
	if err != nil {
		return h, false, damaged(key, err)
	}
	return h, true, nil
}

func (v *view) version(t typeNo, n, number uint64, bare bool) (version, bool, error) {
	return v.versionOf(v, keyVersion(t, n, number), bare)
}

func (v *view) versionOf(g getter, key []byte, bare bool) (version, bool, error) {
	first, ok, err := g.get(key)
	if err != nil || !ok {
		return version{}, false, err
	}
	return v.decodeVersion(key, first, bare)
}

func (v *view) decodeVersion(key, first []byte, bare bool) (version, bool, error) {
	data, _, err := v.blob(key, first)
	if err != nil {
		return version{}, false, err
	}
	ver, err := decodeVersion(data, bare)
	if err != nil {
		return version{}, false, damaged(key, err)
	}
	return ver, true, nil
}

// place is where a key's records are kept.
type place struct {
	t typeNo
	n uint64
	h head
}

// find returns the place of a key that has a current version, be it deleted or erased; false if there is none, or it has expired.
func (v *view) find(k driver.Key) (place, bool, error) {
	t, ok, err := v.typeNo(k.Type)
	if err != nil || !ok {
		return place{}, false, err
	}
	n, ok, err := v.number(t, k.ID)
	if err != nil || !ok {
		return place{t: t}, false, err
	}
	h, ok, err := v.head(t, n)
	if err == nil && !ok {
		err = damaged(keyID(t, k.ID), fmt.Errorf("no current version under number %d", n))
	}
	if err != nil || h.expired() {
		return place{t, n, h}, false, err
	}
	return place{t, n, h}, true, nil
}

// rows returns the forward rows of a record; false if it is not current.
func (v *view) rows(t typeNo, n uint64) (rows []row, data []byte, more int, ok bool, err error) {
	key := keyRows(t, n)
	first, ok, err := v.get(key)
	if err != nil || !ok {
		return nil, nil, 0, false, err
	}
	data, more, err = v.blob(key, first)
	if err != nil {
		return nil, nil, 0, false, err
	}
	rows, err = decodeRows(nil, data)
	if err != nil {
		return nil, nil, 0, false, damaged(key, err)
	}
	return rows, data, more, true, nil
}
