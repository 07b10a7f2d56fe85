package badger

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"github.com/hob-fhir/hob/storage/driver"
)

// reader is a driver.Reader on one view.
type reader struct {
	view
	ctx  context.Context
	last *answered // the last search whose number of matches is known; of a View only
}

// Now names the snapshot that the view is based on.
func (r *reader) Now() driver.Snapshot { return snapshot(r.ts) }

func snapshot(ts uint64) driver.Snapshot { return driver.Snapshot(strconv.FormatUint(ts, 16)) }

func parseSnapshot(s driver.Snapshot) (uint64, error) {
	ts, err := strconv.ParseUint(string(s), 16, 64)
	if err != nil || snapshot(ts) != s {
		return 0, fmt.Errorf("%q is no snapshot: %w", string(s), driver.ErrExpired)
	}
	return ts, nil
}

// at returns a view of the snapshot asked for, which must be closed.
func (r *reader) at(s driver.Snapshot) (*view, func(), error) {
	if s == "" {
		v := r.view
		v.read = 0
		return &v, func() {}, nil
	}
	ts, err := parseSnapshot(s)
	if err != nil {
		return nil, nil, err
	}
	v, done, err := r.s.open(ts)
	if err != nil || ts == r.s.keep.newest() {
		return v, done, err
	}
	latest, doneLatest, err := r.s.open(newest)
	if err != nil {
		done()
		return nil, nil, err
	}
	v.now = latest.txn
	return v, func() { done(); doneLatest() }, nil
}

func notFound(k driver.Key) error { return fmt.Errorf("%s: %w", k, driver.ErrNotFound) }

func (r *reader) Head(k driver.Key) (driver.Record, error) {
	p, ok, err := r.find(k)
	if err != nil {
		return driver.Record{}, err
	}
	if !ok || p.h.flags&flagErased != 0 {
		return driver.Record{}, notFound(k)
	}
	return p.h.record(k.Type), nil
}

func (r *reader) Get(k driver.Key) (driver.Record, error) {
	p, ok, err := r.find(k)
	if err != nil {
		return driver.Record{}, err
	}
	if !ok || p.h.flags&flagErased != 0 {
		return driver.Record{}, notFound(k)
	}
	return r.full(k.Type, p)
}

// full is the record of a head with its body.
func (v *view) full(typ string, p place) (driver.Record, error) { return v.fullOf(v, typ, p) }

func (v *view) fullOf(g getter, typ string, p place) (driver.Record, error) {
	rec := p.h.record(typ)
	if rec.Deleted {
		return rec, nil
	}
	key := keyVersion(p.t, p.n, p.h.version)
	ver, ok, err := v.versionOf(g, key, false)
	if err == nil && !ok {
		err = damaged(key, fmt.Errorf("%s has no body", rec.Key))
	}
	rec.Body = ver.body
	return rec, err
}

func (r *reader) Version(k driver.Key, number uint64) (driver.Record, error) {
	p, ok, err := r.find(k)
	if err != nil {
		return driver.Record{}, err
	}
	absent := fmt.Errorf("version %d of %s: %w", number, k, driver.ErrNotFound)
	switch {
	case !ok || p.h.flags&flagErased != 0 || number > p.h.version:
		return driver.Record{}, absent
	case number == p.h.version:
		return r.full(k.Type, p)
	}
	ver, ok, err := r.version(p.t, p.n, number, false)
	if err != nil {
		return driver.Record{}, err
	}
	if !ok || ver.flags&flagErased != 0 {
		return driver.Record{}, absent
	}
	return ver.record(k, number), nil
}

func (v version) record(k driver.Key, number uint64) driver.Record {
	h := head{flags: v.flags & (flagDeleted | flagErased), version: number, pos: v.pos, time: v.time, id: k.ID}
	rec := h.record(k.Type)
	rec.Body = v.body
	return rec
}

// open makes a view of a snapshot, which is kept until the view is closed.
func (s *store) open(ts uint64) (*view, func(), error) {
	ts, err := s.keep.open(ts)
	if err != nil {
		return nil, nil, err
	}
	txn := s.db.NewTransactionAt(ts, false)
	return &view{s: s, txn: txn, ts: ts}, func() { txn.Discard(); s.keep.close(ts) }, nil
}

// newest is given to open for the newest snapshot.
const newest = math.MaxUint64
