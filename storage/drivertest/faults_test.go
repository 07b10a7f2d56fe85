package drivertest

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/hob-fhir/hob/storage/driver"
)

// faults are the ways in which backends go wrong, and the tests that must see it.
var faults = map[string]fault{
	"rows leak after an update": {
		caught: []string{"records/an_update_replaces_all_rows", "random"},
		tx: putting(func(t *tx, rec driver.Record, rows []driver.Row) error {
			old := t.s.get(rec.Key)
			err := t.Put(rec, rows)
			if err == nil && old != nil && !rec.Deleted {
				leak(t, rec.Key, old.rows)
			}
			return err
		}),
	},
	"rows leak after a deletion": {
		caught: []string{"records/a_deleted_record_put_again_has_only_its_new_rows", "random"},
		tx: putting(func(t *tx, rec driver.Record, rows []driver.Row) error {
			old := t.s.get(rec.Key)
			err := t.Put(rec, rows)
			if err == nil && old != nil && (rec.Deleted || old.current.Deleted) {
				leak(t, rec.Key, old.rows)
			}
			return err
		}),
	},
	"the log loses a record": {
		caught: []string{"log/under_many_writers", "log/records_of_one_update", "random"},
		tx: putting(func(t *tx, rec driver.Record, rows []driver.Row) error {
			err := t.Put(rec, rows)
			if err == nil && t.s.logged%4 == 0 {
				t.s.log.Delete(position(t.s.logged))
			}
			return err
		}),
	},
	"records of one update stand in the wrong order": {
		caught: []string{"log/records_of_one_update", "random"},
		tx: putting(func(t *tx, rec driver.Record, rows []driver.Row) error {
			err := t.Put(rec, rows)
			last, ok := t.s.log.Get(position(t.s.logged))
			before, also := t.s.log.Get(position(t.s.logged - 1))
			if err == nil && ok && also && last.Key != before.Key && last.Time.Sub(before.Time) < 2*time.Millisecond {
				last.Position, before.Position = before.Position, last.Position
				t.s.log.Set(last.Position, last)
				t.s.log.Set(before.Position, before)
			}
			return err
		}),
	},
	"followers miss what is committed in between": {
		caught: []string{"log/under_many_writers"},
		reader: func(r driver.Reader) driver.Reader {
			return reading{Reader: r, log: func(l driver.Log) iter.Seq2[driver.Record, error] {
				s := stateOf(r)
				if l.After == "" || l.Reverse || l.Type != "" || s.logged < 100 || s.logged > 300 {
					return r.Log(l)
				}
				return func(yield func(driver.Record, error) bool) { // the newest only, as if its position had been seen first
					if rec, ok := s.log.Get(position(s.logged)); ok && rec.Position > l.After {
						yield(rec, nil)
					}
				}
			}}
		},
	},
	"a taken value is not refused": {
		caught: []string{"seeds/test_link_duplicate_id", "extra/X1", "unique", "random"},
		tx: putting(func(t *tx, rec driver.Record, rows []driver.Row) error {
			rows = slices.Clone(rows)
			for i := range rows {
				rows[i].Unique = false
			}
			return t.Put(rec, rows)
		}),
	},
	"a deletion does not free the value": {
		caught: []string{"extra/X3", "unique/a_deletion_frees", "random"},
		tx: putting(func(t *tx, rec driver.Record, rows []driver.Row) error {
			for _, r := range rows {
				for _, e := range t.versionsOf(rec.Type) {
					if e.Key != rec.Key && r.Unique && bytes.Contains(e.Body, claim(r)) {
						return driver.ErrTaken
					}
				}
			}
			if rec.Deleted { // what was claimed is remembered in the body of a private note
				if old := t.s.get(rec.Key); old != nil {
					for _, r := range old.rows {
						if r.Unique {
							note := driver.Record{Key: key("__claims", rec.String()+string(claim(r))), Version: 1, Body: claim(r)}
							if err := t.Put(note, nil); err != nil && !errors.Is(err, driver.ErrConflict) {
								return err
							}
						}
					}
				}
			}
			return t.Put(rec, rows)
		}),
	},
	"LT includes its value": {
		caught: []string{"seeds/test_filter_patients_by_birth_date", "lookups/every_operator", "random"},
		reader: asking(func(q driver.Query) driver.Query { return swapOp(q, driver.LT, driver.LTE) }),
	},
	"GTE leaves out its value": {
		caught: []string{"seeds/test_filter_patients_by_birth_date", "lookups/every_operator", "random"},
		reader: asking(func(q driver.Query) driver.Query { return swapOp(q, driver.GTE, driver.GT) }),
	},
	"LIKE takes % for anything": {
		caught: []string{"extra/X11", "lookups/like"},
		reader: asking(func(q driver.Query) driver.Query {
			if l, ok := q.(driver.Lookup); ok && l.Op == driver.LIKE && bytes.Contains(l.Values[0].Low, []byte("%")) {
				if low := bytes.ReplaceAll(l.Values[0].Low, []byte("%"), nil); len(low) > 0 {
					return lookIn(l.Field, driver.LIKE, driver.Point(low))
				}
				return driver.Has(l.Field)
			}
			return q
		}),
	},
	"Same ignores groups": {
		caught: []string{"nodes/same_joins", "nodes/group_0", "random"},
		tx: putting(func(t *tx, rec driver.Record, rows []driver.Row) error {
			rows = slices.Clone(rows)
			for i := range rows {
				rows[i].Group = 0
			}
			return t.Put(rec, rows)
		}),
	},
	"Same takes group 0 for no group": {
		caught: []string{"nodes/group_0", "random"},
		reader: asking(func(q driver.Query) driver.Query {
			if lookups, ok := q.(driver.Same); ok && len(lookups) > 1 {
				return driver.And{lookups, driver.Not{Of: driver.And{lookups[0], driver.IDs{"both", "a0", "a1"}}}}
			}
			return q
		}),
	},
	"Same takes two rows of one field": {
		caught: []string{"nodes/same_asks_lookups_of_one_field", "random"},
		reader: asking(func(q driver.Query) driver.Query {
			lookups, ok := q.(driver.Same)
			if !ok || len(lookups) < 2 || lookups[0].Field != lookups[1].Field {
				return q
			}
			return driver.And{append(driver.Same{lookups[0]}, lookups[2:]...), driver.Same(lookups[1:])}
		}),
	},
	"a page begins with the last hit of the page before": {
		caught: []string{"extra/X6", "paging/pages_of_every_size", "random"},
		reader: finding(func(r driver.Reader, f driver.Find) ([]driver.Hit, error) {
			after, limit := f.After, f.Limit
			f.After, f.Limit = "", 0
			hits, err := find(r, f)
			if i := slices.IndexFunc(hits, func(h driver.Hit) bool { return h.Cursor == after }); i > 0 {
				hits = hits[i:]
				if len(hits) > 1 && limit == 1 {
					hits = hits[1:] // or the walk would never end
				}
			} else if i == 0 {
				hits = hits[1:]
			}
			if limit > 0 && len(hits) > limit {
				hits = hits[:limit]
			}
			return hits, err
		}),
	},
	"an old snapshot shows new data": {
		caught: []string{"paging/a_walk_over_a_changing_store", "random"},
		reader: finding(func(r driver.Reader, f driver.Find) ([]driver.Hit, error) {
			if f.At != "not a snapshot" {
				f.At = ""
			}
			return find(r, f)
		}),
	},
	"an old snapshot shows old records as they are now": {
		caught: []string{"snapshots/an_old_snapshot_reads_as_it_did", "snapshots/random"},
		reader: finding(func(r driver.Reader, f driver.Find) ([]driver.Hit, error) {
			was := map[string]bool{}
			old, err := find(r, driver.Find{Type: f.Type, At: f.At, Bare: true})
			if err != nil || f.At == "" || f.At == r.Now() {
				return find(r, f)
			}
			for _, h := range old {
				was[h.ID] = true
			}
			limit := f.Limit
			f.At, f.Limit = "", 0
			hits, err := find(r, f)
			hits = slices.DeleteFunc(hits, func(h driver.Hit) bool { return !was[h.ID] })
			if limit > 0 && len(hits) > limit {
				hits = hits[:limit]
			}
			return hits, err
		}),
	},
	"a restart loses the last update": {
		caught:  []string{"X12", "closing_among_writers", "random_changes_with_restarts"},
		forgets: 1,
	},
	"records without a value come first when descending": {
		caught: []string{"order/what_has_no_row", "random"},
		reader: finding(func(r driver.Reader, f driver.Find) ([]driver.Hit, error) {
			hits, err := find(r, f)
			if len(f.Sort) == 0 || !f.Sort[0].Desc || f.Sort[0].Field == "" || f.Limit > 0 || f.After != "" {
				return hits, err
			}
			s := stateOf(r)
			slices.SortStableFunc(hits, func(a, b driver.Hit) int {
				_, aok := driver.SortKey(a.Key, rowsOf(s, a.Key), f.Sort[0])
				_, bok := driver.SortKey(b.Key, rowsOf(s, b.Key), f.Sort[0])
				switch {
				case aok == bok:
					return 0
				case bok != f.Reverse:
					return -1
				}
				return 1
			})
			return hits, err
		}),
	},
	"a failed update is applied by halves": {
		caught: []string{"updates/an_error_from_fn", "random"},
		update: func(b *broken, ctx context.Context, fn func(driver.Tx) error) (driver.Position, error) {
			var failed error
			pos, err := b.model.Update(ctx, func(t driver.Tx) error { failed = fn(t); return nil })
			if failed != nil {
				return "", failed
			}
			return pos, err
		},
	},
	"a panic applies what was written before": {
		caught: []string{"updates/a_panic_in_fn", "random"},
		update: func(b *broken, ctx context.Context, fn func(driver.Tx) error) (driver.Position, error) {
			var r any
			pos, err := b.model.Update(ctx, func(t driver.Tx) error {
				defer func() { r = recover() }()
				return fn(t)
			})
			if r != nil {
				panic(r)
			}
			return pos, err
		},
	},
	"updates do not wait for one another": {
		caught: []string{"updates/updates_run_as_if", "log/under_many_writers", "unique/of_many"},
		update: unserialized,
	},
	"private records are in the log": {
		caught: []string{"private/private_types_are_not_in_the_log", "random"},
		tx: putting(func(t *tx, rec driver.Record, rows []driver.Row) error {
			err := t.Put(rec, rows)
			if err == nil && rec.Private() {
				t.append(rec)
			}
			return err
		}),
	},
	"numbering restarts after a deletion": {
		caught: []string{"records/numbering_goes_on_after_a_deletion", "random"},
		tx: putting(func(t *tx, rec driver.Record, rows []driver.Row) error {
			if old := t.s.get(rec.Key); old != nil && old.current.Deleted {
				t.s.entries.Delete(index(rec.Key))
			}
			return t.Put(rec, rows)
		}),
	},
	"any version is taken for the next": {
		caught: []string{"records/put_refuses_every_version_but_the_next", "private/put_checks", "random"},
		tx: putting(func(t *tx, rec driver.Record, rows []driver.Row) error {
			if v, err := next(t, rec.Key); err == nil && rec.Version > 0 {
				rec.Version = v
			}
			return t.Put(rec, rows)
		}),
	},
	"what is returned is the store's own": {
		caught: []string{"extra/X9"},
		reader: func(r driver.Reader) driver.Reader {
			return reading{Reader: r, get: func(k driver.Key) (driver.Record, error) {
				rec, err := r.Get(k)
				if err == nil {
					rec.Body = stateOf(r).get(k).current.Body
				}
				return rec, err
			}}
		},
	},
	"erased versions can still be read": {
		caught: []string{"records/an_erased_record_is_gone", "random"},
		reader: func(r driver.Reader) driver.Reader {
			return reading{Reader: r, version: func(k driver.Key, v uint64) (driver.Record, error) {
				rec, err := r.Version(k, v)
				if e := stateOf(r).get(k); err != nil && e != nil && e.current.Erased && v == e.current.Version {
					return clone(e.current), nil
				}
				return rec, err
			}}
		},
	},
	"a backward walk leaves ties in forward order": {
		caught: []string{"paging/backwards", "random"},
		reader: finding(func(r driver.Reader, f driver.Find) ([]driver.Hit, error) {
			hits, err := find(r, f)
			if f.Reverse && len(f.Sort) == 0 {
				slices.Reverse(hits)
			}
			return hits, err
		}),
	},
	"count stops at the limit": {
		caught: []string{"order/count_counts", "random"},
		reader: func(r driver.Reader) driver.Reader { return limited{r} },
	},
	"chains lead to deleted records": {
		caught: []string{"nodes/references_to_what_is_missing", "random"},
		reader: finding(func(r driver.Reader, f driver.Find) ([]driver.Hit, error) {
			if q, ok := f.Where.(driver.Refers); ok && q.Where == nil {
				f.Where = driver.And{driver.Has(q.Field)}
			}
			return find(r, f)
		}),
	},
}

type limited struct{ driver.Reader }

func (l limited) Count(f driver.Find) (int, error) {
	n, err := l.Reader.Count(f)
	if f.Limit > 0 {
		n = min(n, f.Limit)
	}
	return n, err
}

// leak adds rows to those that a key has.
func leak(t *tx, k driver.Key, rows []driver.Row) {
	e := *t.s.get(k)
	e.rows = append(slices.Clone(e.rows), rows...)
	t.s.entries.Set(index(k), &e)
}

func rowsOf(s *state, k driver.Key) []driver.Row {
	if e := s.get(k); e != nil {
		return e.rows
	}
	return nil
}

// claim is how a unique row is remembered after the deletion of its key.
func claim(r driver.Row) []byte { return []byte(r.Field + "\x00" + string(r.Value.Low)) }

// versionsOf gives what is remembered of deleted keys of a type.
func (t *tx) versionsOf(typ string) []driver.Record {
	var recs []driver.Record
	for _, e := range t.s.of("__claims") {
		recs = append(recs, e.current)
	}
	return recs
}

func swapOp(q driver.Query, from, to driver.Op) driver.Query {
	switch q := q.(type) {
	case driver.Lookup:
		if q.Op == from {
			q.Op = to
		}
		return q
	case driver.Same:
		q = slices.Clone(q)
		for i := range q {
			if q[i].Op == from {
				q[i].Op = to
			}
		}
		return q
	}
	return q
}
