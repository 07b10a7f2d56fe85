// Package driver is the contract between Hob and a database, and the meaning of that contract in plain Go.
//
// A backend stores Records and their Rows, answers Queries over the rows, and keeps the Log. It knows nothing of FHIR: bodies
// are bytes, rows are bytes that sort as their values do. The few types are Backend, Reader, Tx; Key, Record, Row, Value;
// Query and its leaf Lookup; Find, Hit, Log. The functions Holds and Match say what a query means; the suite in
// storage/drivertest compares every backend with them.
//
//	      Update(fn)                        View(fn)
//	          │ one at a time, in effect        │ one snapshot
//	        Tx.Put(record, rows)            Reader.Get · Version · Find · Count · Log
//	          │                                 │
//	┌─────────┴──────────┬───────────────┬──────┴──────┐
//	records, versions    rows            log
package driver

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"strings"
	"time"
)

// Backend is a database. All methods may be called from many goroutines.
type Backend interface {
	// View runs fn on one snapshot: everything fn reads is as it was at one moment, whatever is written meanwhile. A View never
	// waits for a writer. It returns fn's error, ErrUnavailable, or the context's. The Reader must not be used after fn has
	// returned.
	View(ctx context.Context, fn func(Reader) error) error

	// Update runs fn so that the outcome is as if all updates had run one after another (serializable). When it returns nil, all
	// that fn put is durable and visible to every later View; when it returns an error, nothing of it is, now or after a restart.
	// fn may be run again and must have no effect but through its Tx; it must be short, and after a panic in it nothing is
	// written and the panic goes on. The Position is that of the change's last public record, "" if there was none.
	//
	// Errors: fn's own; ErrTooLarge, from Put or from Update itself, if the change is more than one transaction can hold; ErrFull; ErrUnavailable; the context's.
	Update(ctx context.Context, fn func(Tx) error) (Position, error)

	// Check reads the whole store and yields every broken invariant of its layout. A sound store yields nothing.
	Check(ctx context.Context) iter.Seq2[Problem, error]

	// Close waits for what is under way and releases the store. It may be called twice; every other call after it fails with
	// ErrUnavailable.
	Close() error
}

// Reader reads one snapshot. What it returns belongs to the caller: changing it does not change the store.
type Reader interface {
	// Now names this snapshot, to be read again later with Find.At and Log.At. In an update it names what was committed when the
	// update began, without its own writes.
	Now() Snapshot

	// Get returns the current version, a deleted one too (Deleted, no Body). ErrNotFound if the key was never put, was erased, or
	// is private and has expired.
	Get(Key) (Record, error)

	// Head is Get without the body.
	Head(Key) (Record, error)

	// Version returns one version, a deleted one too. ErrNotFound if there is none of that number, if it was erased (so is the
	// last record that Erase writes), or if the type is private and the number is not the current one.
	Version(Key, uint64) (Record, error)

	// Find yields the current, undeleted records of a type for which the query holds, in the order asked for; each once.
	// ErrExpired if Find.At is no longer kept, ErrTooCostly if Find.Budget is used up before the walk ends.
	Find(Find) iter.Seq2[Hit, error]

	// Count counts what Find would yield without Limit and After.
	Count(Find) (int, error)

	// Log yields records in commit order. Private types are never in it.
	Log(Log) iter.Seq2[Record, error]
}

// Tx is a Reader that sees its own writes, and writes.
type Tx interface {
	Reader

	// Put stores a version and replaces the rows of its key. rec.Version must be the current version plus one (1 for a new key;
	// the numbering goes on over deletions and erasures), else ErrConflict. A deleted record has no body and no rows. A row that
	// is Unique and whose (type, field, value) another key holds as Unique is refused with ErrTaken. Of a private type only the
	// newest version is kept, and once expired it is as if it had never been: the next version is 1, its unique values are free.
	// rec.Position is ignored. The time of a version must not lie before that of the version it follows, deletions and erasures
	// too, else ErrInvalid; ErrInvalid and ErrTooLarge also for what ValidatePut refuses.
	// After an error from Put the transaction may go on; nothing of the refused Put has happened.
	Put(rec Record, rows []Row) error

	// Index replaces the rows of the current version without making a version or a log entry: ErrConflict unless version is the
	// current one, ErrNotFound if the key has no current, undeleted version; ErrTaken and what ValidateRows refuses as for Put.
	Index(k Key, version uint64, rows []Row) error

	// Erase removes every version, a deleted one too, and all rows; the log forgets them. The key stays in the log as one last
	// record, Deleted and Erased, with the next version number and the time given, so that those who follow the log erase too. Of
	// a private key nothing is left, not even its number. ErrNotFound if there is nothing to erase; ErrInvalid if at lies before
	// the time of the current version.
	Erase(k Key, at time.Time) error
}

// Key names a record. Types that begin with "_" are private: absent from the log, kept as one version, free to expire.
type Key struct{ Type, ID string }

// Private reports whether the key's type is private.
func (k Key) Private() bool { return strings.HasPrefix(k.Type, "_") }

func (k Key) String() string { return k.Type + "/" + k.ID }

// Ref is what a row holds that refers to this key: ID 00 Type. Refers and Referred join on it. The ID comes first so that a
// reference of known id and unknown type is a range.
func (k Key) Ref() []byte {
	b := make([]byte, 0, len(k.ID)+1+len(k.Type))
	b = append(b, k.ID...)
	b = append(b, 0)
	return append(b, k.Type...)
}

// ParseRef is the reverse of Ref. It reports false for bytes that name no key.
func ParseRef(b []byte) (Key, bool) {
	i := bytes.LastIndexByte(b, 0)
	if i < 1 || i == len(b)-1 {
		return Key{}, false
	}
	return Key{Type: string(b[i+1:]), ID: string(b[:i])}, true
}

// Position is a place in the log: opaque, ordered as strings, "" before the first record.
type Position string

// Snapshot names the state of the store at one moment: opaque, "" the newest.
type Snapshot string

// Cursor is the place of a hit in a walk: opaque, to be given back as Find.After with the same Type, Where, Sort and At.
type Cursor string

// Record is one stored version.
type Record struct {
	Key
	Version  uint64    // from 1, without gaps
	Position Position  // place in the log, set by the backend; "" for private types
	Time     time.Time // when it was written, UTC, milliseconds
	Deleted  bool
	Erased   bool      // Deleted, and all that was before is gone too
	Expires  time.Time // private types only: after this moment the record is absent; zero: never
	Body     []byte    // exact JSON, nil when Deleted
}

// Value is a point, or an interval Low <= x < High. An empty end of an interval is open. A point is not empty.
type Value struct {
	Low, High []byte
	Interval  bool
}

// Point makes the value that is just b.
func Point(b []byte) Value { return Value{Low: b} }

// Span makes the interval [low, high); an empty end is open.
func Span(low, high []byte) Value { return Value{Low: low, High: high, Interval: true} }

// Prefix makes the interval of all byte strings that begin with b.
func Prefix(b []byte) Value {
	end := bytes.Clone(b)
	for len(end) > 0 {
		if end[len(end)-1]++; end[len(end)-1] != 0 {
			break
		}
		end = end[:len(end)-1]
	}
	return Span(b, end)
}

// Equal reports whether two values are the same.
func (v Value) Equal(w Value) bool {
	return v.Interval == w.Interval && bytes.Equal(v.Low, w.Low) && bytes.Equal(v.High, w.High)
}

// MaxValue is the longest Low or High that a row may hold, in bytes. Put refuses longer ones with ErrTooLarge.
const MaxValue = 16 << 10

// Row is one searchable value of a current record. Rows of one record that are equal in Field, Group and Value are one row.
type Row struct {
	Field  string
	Group  uint32 // which instance of a repeating element the value sits in; 0 none. Same joins rows of equal Group
	Value  Value
	Unique bool // no two keys of a type may hold this (field, value) as Unique
}

// Find is a search for the current records of one type. A malformed one (see Validate) is refused with ErrInvalid.
//
// The paging promise of every backend: a walk by At and After shows once every record that matched at its snapshot and has not
// changed since, none twice, none that came later. A backend may promise more: the old snapshot itself.
type Find struct {
	Type    string
	Where   Query    // nil: All
	Sort    []Order  // then by the backend's own order, which never changes for a key
	At      Snapshot // "": the reader's own
	After   Cursor   // only what lies beyond it in the direction of the walk; "": all
	Reverse bool     // walk the very same sequence backwards
	Limit   int      // at most so many hits; 0: all
	Bare    bool     // hits without bodies
	Budget  int      // read at most about so many rows, then ErrTooCostly; 0: no limit
	Trace   *Trace   // if not nil, is told what was done
}

// Order sorts by the smallest Low of a field's rows, or by the largest if Desc. Records without a row of the field come last in
// both directions. An empty Field sorts by id, bytewise.
type Order struct {
	Field string
	Desc  bool
}

// Hit is one record found.
type Hit struct {
	Record
	Cursor Cursor
}

// Log asks for records in commit order.
type Log struct {
	Type    string    // "": every public type
	ID      string    // with Type: the versions of one key
	After   Position  // only what lies beyond it in the direction of the walk; "": all
	Since   time.Time // only records not before it
	Reverse bool      // newest first
	Limit   int       // 0: all
	At      Snapshot  // "": the reader's own
	Bare    bool      // without bodies
}

// Problem is a broken invariant that Check found.
type Problem struct {
	Where string // which key, in words an operator can use
	What  string // what is wrong, and what would be right
}

func (p Problem) String() string { return p.Where + ": " + p.What }

// Trace collects the steps of a search, in the order they were taken.
type Trace struct{ Steps []Step }

// Step is one part of a search plan.
type Step struct {
	Do   string        // what was done, e.g. "drive code EQUAL", "probe status"
	Rows int           // rows read
	Hits int           // candidates left
	Time time.Duration // time taken
}

// Add appends a step; a nil Trace takes nothing.
func (t *Trace) Add(s Step) {
	if t != nil {
		t.Steps = append(t.Steps, s)
	}
}

// The errors of a backend. They come wrapped in a sentence that names the thing; test with errors.Is.
var (
	ErrInvalid     = errors.New("invalid") // the caller's mistake: see Validate, ValidatePut, ValidateRows
	ErrNotFound    = errors.New("not found")
	ErrConflict    = errors.New("version conflict")
	ErrTaken       = errors.New("unique value taken")
	ErrExpired     = errors.New("snapshot expired")
	ErrTooLarge    = errors.New("too large")
	ErrTooCostly   = errors.New("too costly")
	ErrFull        = errors.New("storage full")
	ErrUnavailable = errors.New("storage unavailable")
)
