package connect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// Table is a query of a PostgreSQL database that is read on from where it was read before, in the order of a cursor: a column that grows, as a
// number from a sequence or the time of the last change.
//
// Rows whose transaction commits late are not skipped. A transaction that took the number 7 may commit after another with 8 was read; a
// mark at 8 would lose it. So the mark moves to 8 only when every transaction that was running when 8 was read has ended, which the
// snapshots of the database tell (pg_snapshot_xmin), and until then what lies beyond the mark is read again. A row can thus come several
// times, and whatever takes it must write by its key. Overlap covers what no snapshot tells: a cursor that is older than its transaction,
// as now() minus something, or a clock that was set back.
//
// A row that is deleted is not told of, nor one whose cursor or key is null.
type Table struct {
	URL     string // postgres://user:password@host/database
	Query   string // one SELECT
	Key     string // the column that tells rows apart
	Cursor  string // the column that grows: a whole or decimal number, a date, a timestamp, or a text
	Overlap string // how far before the mark to begin: a number for numbers, as 100; an interval for times, as 10 minutes; "": not
	Limit   int    // rows of one batch; 0: 1000
	Bytes   int64  // of one batch; 0: 64 MiB
}

// Marker is how far a Table was read. The zero Marker is before the first row.
type Marker struct {
	Safe    string  `json:"safe,omitempty"`    // cursor before which nothing can come any more
	Pending []ahead `json:"pending,omitempty"` // what was read beyond it, oldest first
	Sweep   *sweep  `json:"sweep,omitempty"`   // of a reading in several batches: where it is
}

// ahead is a cursor that was reached while transactions were running: it is safe once all below Xmax have ended.
type ahead struct {
	Cursor string `json:"cursor"`
	Xmax   uint64 `json:"xmax"`
}

// sweep is one reading from the safe cursor to the end.
type sweep struct {
	Cursor string `json:"cursor"`
	Key    string `json:"key"`
	Xmin   uint64 `json:"xmin"` // of the first batch: all transactions below it had ended
}

// mostAhead bounds what is remembered of a long time in which some transaction never ended.
const mostAhead = 16

// Read reads the next batch in one snapshot, in the order of cursor and key. next is the marker for the batch after it, and more tells whether
// there is one now.
func (t Table) Read(ctx context.Context, m Marker) (rows []Row, next Marker, more bool, err error) {
	limit := t.Limit
	if limit <= 0 {
		limit = 1000
	}
	conn, err := pgx.Connect(ctx, t.URL)
	if err != nil {
		return nil, m, false, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, m, false, err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	if _, err := tx.Exec(ctx, "SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'; SET LOCAL IntervalStyle = 'postgres'"); err != nil {
		return nil, m, false, err
	}
	var low, high string
	if err := tx.QueryRow(ctx, "SELECT pg_snapshot_xmin(s)::text, pg_snapshot_xmax(s)::text FROM pg_current_snapshot() AS s").Scan(&low, &high); err != nil {
		return nil, m, false, err
	}
	xmin, _ := strconv.ParseUint(low, 10, 64)
	xmax, _ := strconv.ParseUint(high, 10, 64)

	rows, last, err := t.batch(ctx, tx, m, limit)
	if err != nil {
		return nil, m, false, err
	}
	more = len(rows) > limit
	if more {
		rows = rows[:limit]
		last = rows[limit-1]
	}
	return rows, m.after(last, t, xmin, xmax, more), more, nil
}

// after is the marker behind a batch whose last row is given, nil if there was none.
func (m Marker) after(last Row, t Table, xmin, xmax uint64, more bool) Marker {
	next := Marker{Safe: m.Safe, Pending: slices.Clone(m.Pending)}
	s := sweep{Xmin: xmin}
	if m.Sweep != nil {
		s = *m.Sweep
	}
	if last != nil {
		s.Cursor, s.Key = last[cursorColumn], last[keyColumn]
	}
	if more {
		next.Sweep = &s
		return next
	}
	if s.Cursor != "" && s.Cursor != next.Safe {
		next.Pending = append(next.Pending, ahead{s.Cursor, xmax})
	}
	for len(next.Pending) > 0 && next.Pending[0].Xmax <= s.Xmin {
		next.Safe = next.Pending[0].Cursor
		next.Pending = next.Pending[1:]
	}
	if n := len(next.Pending); n > mostAhead {
		next.Pending = slices.Delete(next.Pending, n-2, n-1) // to forget one only delays
	}
	return next
}

// cursorColumn and keyColumn are added to what is asked for, as text that the database reads back.
const (
	cursorColumn = "hob cursor"
	keyColumn    = "hob key"
)

// cursorTypes are the types that a cursor may have, and what an Overlap is for them.
var cursorTypes = map[uint32]struct{ name, overlap string }{
	20: {"bigint", "numeric"}, 21: {"smallint", "numeric"}, 23: {"integer", "numeric"}, 1700: {"numeric", "numeric"},
	1082: {"date", "interval"}, 1114: {"timestamp", "interval"}, 1184: {"timestamptz", "interval"}, 25: {"text", ""}, 1043: {"text", ""},
}

// batch asks for one row more than the limit. last is the last row, nil if there is none.
func (t Table) batch(ctx context.Context, tx pgx.Tx, m Marker, limit int) (rows []Row, last Row, err error) {
	query := "(\n" + strings.TrimRight(t.Query, "; \t\r\n") + "\n) AS q"
	shape, err := tx.Prepare(ctx, "hob_shape", "SELECT * FROM "+query)
	if err != nil {
		return nil, nil, fmt.Errorf("query: %w", err)
	}
	of := map[string]uint32{}
	for _, f := range shape.Fields {
		of[f.Name] = f.DataTypeOID
	}
	for what, name := range map[string]string{"key": t.Key, "cursor": t.Cursor} {
		if _, ok := of[name]; !ok {
			return nil, nil, fmt.Errorf("%s: the query has no column %s", what, name)
		}
	}
	typ, ok := cursorTypes[of[t.Cursor]]
	if !ok {
		return nil, nil, fmt.Errorf("cursor: %s is no whole or decimal number, date, timestamp or text", t.Cursor)
	}
	cursor, key := "q."+pgx.Identifier{t.Cursor}.Sanitize(), "q."+pgx.Identifier{t.Key}.Sanitize()
	if typ.name == "text" { // by its bytes, which do not change their order with the language of the database
		cursor = "(" + cursor + ` COLLATE "C")`
	}
	where, args := cursor+" IS NOT NULL AND "+key+" IS NOT NULL", []any{pgx.QueryResultFormats{pgx.TextFormatCode}}
	switch {
	case m.Sweep != nil:
		where += fmt.Sprintf(` AND (%s, %s::text COLLATE "C") > ($1::text::%s, $2::text)`, cursor, key, typ.name)
		args = append(args, m.Sweep.Cursor, m.Sweep.Key)
	case m.Safe != "" && t.Overlap != "" && typ.overlap != "":
		where += fmt.Sprintf(" AND %s >= $1::text::%s - $2::text::%s", cursor, typ.name, typ.overlap)
		args = append(args, m.Safe, t.Overlap)
	case m.Safe != "":
		where += fmt.Sprintf(" AND %s >= $1::text::%s", cursor, typ.name)
		args = append(args, m.Safe)
	}
	found, err := tx.Query(ctx, fmt.Sprintf(`SELECT q.*, %s::text AS "%s", %s::text AS "%s" FROM %s WHERE %s ORDER BY %s, %s::text COLLATE "C" LIMIT %d`,
		cursor, cursorColumn, key, keyColumn, query, where, cursor, key, limit+1), args...)
	if err != nil {
		return nil, nil, fmt.Errorf("query: %w", err)
	}
	defer found.Close()
	most := t.Bytes
	if most <= 0 {
		most = 64 << 20
	}
	for found.Next() {
		row := Row{}
		for i, v := range found.RawValues() {
			if v != nil {
				row[found.FieldDescriptions()[i].Name] = string(v)
				most -= int64(len(v))
			}
		}
		if most < 0 {
			return nil, nil, errors.New("query: a batch of its rows is too large; set a lower limit")
		}
		rows = append(rows, row)
		last = row
	}
	if err := found.Err(); err != nil {
		return nil, nil, fmt.Errorf("query: %w", err)
	}
	return rows, last, nil
}

// where names a database without its password.
func (t Table) where() string {
	c, err := pgx.ParseConfig(t.URL)
	if err != nil {
		return "a database"
	}
	return fmt.Sprintf("postgres://%s:%d/%s", c.Host, c.Port, c.Database)
}

// markers are the Markers of those who read on, by name.
var markers = storage.Private[Marker]{Type: "_marker"}

// mark is a Marker as it was loaded, and what it becomes.
type mark struct {
	id      string
	version uint64
	at      Marker
}

func loadMark(ctx context.Context, s *storage.Store, id string) (*mark, error) {
	m := &mark{id: id}
	err := s.View(ctx, storage.System, func(tx *storage.Tx) (err error) {
		m.at, m.version, err = markers.Load(tx, id)
		return err
	})
	if errors.Is(err, driver.ErrNotFound) {
		err = nil
	}
	return m, err
}

// save writes a mark in the transaction of what was read up to it. A nil mark is none.
func (m *mark) save(tx *storage.Tx) error {
	if m == nil {
		return nil
	}
	_, err := markers.Save(tx, m.id, m.version, m.at)
	return err
}

// Drain reads a Table from where the reader of this name has read to, until there is nothing more at the moment. prepare makes ready what is
// to be written of a batch; what it returns runs in the transaction that moves the marker, so neither is there without the other. It returns
// how many rows were read; with an error, those of the batches that were written.
func (t Table) Drain(ctx context.Context, s *storage.Store, access storage.Access, name string, prepare func([]Row) (func(*storage.Tx) error, error)) (int, error) {
	for n := 0; ; {
		m, err := loadMark(ctx, s, name)
		if err != nil {
			return n, err
		}
		rows, next, more, err := t.Read(ctx, m.at)
		if err != nil {
			return n, err
		}
		put, err := prepare(rows)
		if err != nil {
			return n, err
		}
		m.at = next
		err = s.Update(ctx, access, func(tx *storage.Tx) error {
			if err := put(tx); err != nil {
				return err
			}
			return m.save(tx)
		})
		if err != nil {
			return n, err
		}
		if n += len(rows); !more {
			return n, nil
		}
	}
}

func sqlCheck(s *Source) error {
	if (s.URL == "") == (s.URLFile == "") {
		return errors.New("either url or url-file says which database it is")
	}
	if s.URL != "" {
		if _, err := pgx.ParseConfig(s.URL); err != nil {
			return errors.New("url must be one as postgres://user@host/database; a password is better kept in a url-file")
		}
	}
	return nil
}

// sqlFetch reads one batch of rows, trying again as often as any endpoint.
func sqlFetch(ctx context.Context, v *visit) (b batch, err error) {
	t := Table{URL: v.URL, Query: v.Query, Key: v.Key, Cursor: v.Cursor, Overlap: v.Overlap, Limit: v.MaxRecords, Bytes: v.MaxBytes}
	if v.URLFile != "" {
		if t.URL, err = secret(v.URLFile); err != nil {
			return b, fmt.Errorf("url-file: %w", err)
		}
	}
	last := ""
	for n := 0; n <= *v.MaxAPIRetry; n++ {
		begun := v.clock()
		own, cancel := context.WithTimeoutCause(ctx, v.Timeout, fmt.Errorf("no whole answer within %s", v.Timeout))
		rows, next, more, err := t.Read(own, v.mark.at)
		cause := context.Cause(own)
		cancel()
		a := Attempt{Endpoint: "SELECT " + t.where(), Outcome: "ok", Millis: v.clock().Sub(begun).Milliseconds()}
		if err != nil {
			if a.Outcome = err.Error(); cause != nil {
				a.Outcome = cause.Error()
			}
		}
		v.report.Attempts = append(v.report.Attempts, a)
		v.tell(a)
		if err == nil {
			m := *v.mark
			m.at = next
			text, err := json.Marshal(rows)
			v.report.Read = append(v.report.Read, digested(t.where(), text))
			return batch{rows: rows, more: more, mark: &m}, err
		}
		if ctx.Err() != nil {
			return b, context.Cause(ctx)
		}
		if last = a.Outcome; n < *v.MaxAPIRetry {
			if err := v.wait(ctx, v.pause(n, 0)); err != nil {
				return b, err
			}
		}
	}
	return b, &exhausted{"SELECT " + t.where(), *v.MaxAPIRetry + 1, last}
}
