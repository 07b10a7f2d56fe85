package subscribe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

const (
	forwardBatch = 500     // log records that are looked at together
	forwardMost  = 200     // entries of one transaction, about
	forwardBytes = 4 << 20 // of it, about
	mostTargets  = 1000    // that are sent with one resource
)

// gather reads on in the log until there are so many entries, or as many as one transaction should hold, and returns what is to be sent and up
// to where in the log; end is "" if there is nothing there.
func (f *forward) gather(ctx context.Context, most int) (units []unit, end driver.Position, err error) {
	err = f.Store.View(ctx, storage.System, func(tx *storage.Tx) error {
		units, end = nil, ""
		seen := map[driver.Key]bool{} // that are sent by this transaction
		entries, size := 0, 0
		for rec, err := range tx.Log(driver.Log{After: f.state.Position, Limit: forwardBatch, Bare: true}) {
			if err != nil {
				return err
			}
			if !seen[rec.Key] {
				u, err := f.judge(tx, rec.Key, rec.Version, seen)
				if err != nil {
					return err
				}
				if len(u.entries) > 0 {
					units = append(units, u)
					entries += len(u.entries)
					for _, e := range u.entries {
						size += len(e.body)
					}
				}
			}
			end = rec.Position
			if entries >= most || size >= forwardBytes {
				return nil
			}
		}
		return nil
	})
	return units, end, err
}

// judge makes of a record of the log what is to be sent: of the current version of a resource, nothing else. version 0 stands for whatever is
// current, and for sending it even if it was sent before.
func (f *forward) judge(tx *storage.Tx, k driver.Key, version uint64, seen map[driver.Key]bool) (unit, error) {
	u, anew := unit{key: k}, version == 0
	was, there, err := forwardeds.Load(tx, f.forwardedID(k))
	if err != nil && !errors.Is(err, driver.ErrNotFound) {
		return u, err
	}
	held := there > 0 && !was.Gone
	head, err := tx.Head(k)
	gone := errors.Is(err, driver.ErrNotFound) // erased
	switch {
	case err != nil && !gone:
		return u, err
	case !gone && version > 0 && head.Version != version:
		return u, nil // a later record is about it
	}
	wanted := false
	if err == nil {
		version = head.Version
	}
	if err == nil && !head.Deleted {
		if wanted, err = f.wants(tx, k); err != nil {
			return u, err
		}
		wanted = wanted || held && was.Target
	}
	err = nil
	switch {
	case wanted && held && was.Version >= version && !anew:
	case wanted:
		u.entries, err = f.with(tx, k, nil, seen, false)
	case held:
		seen[k] = true
		u.entries = []entry{{key: k, version: version}}
	}
	return u, err
}

// wants tells whether some of the criteria hold for the current version of a resource.
func (f *forward) wants(tx *storage.Tx, k driver.Key) (bool, error) {
	for _, c := range f.what {
		if c.typ != k.Type {
			continue
		}
		where, err := c.query(f.Catalog)
		if err != nil {
			return false, err
		}
		if n, err := tx.Count(driver.Find{Type: k.Type, Where: of(driver.IDs{k.ID}, where)}); err != nil || n > 0 {
			return n > 0, err
		}
	}
	return false, nil
}

// with appends a resource, and before it what it refers to and the destination has not.
func (f *forward) with(tx *storage.Tx, k driver.Key, to []entry, seen map[driver.Key]bool, target bool) ([]entry, error) {
	seen[k] = true
	rec, err := tx.Get(k)
	if errors.Is(err, driver.ErrNotFound) || err == nil && rec.Deleted {
		return to, nil // a reference to nothing stays one
	}
	if err != nil {
		return to, err
	}
	r, err := fhirmap.Trusted(rec.Body)
	if err != nil {
		return to, err
	}
	for _, text := range fhirmap.References(r) {
		t, local := f.Catalog.Local(text)
		if !local || seen[t] || len(to) >= mostTargets {
			continue
		}
		was, there, err := forwardeds.Load(tx, f.forwardedID(t))
		if err != nil && !errors.Is(err, driver.ErrNotFound) {
			return to, err
		}
		if there > 0 && !was.Gone {
			continue
		}
		if to, err = f.with(tx, t, to, seen, true); err != nil {
			return to, err
		}
	}
	return append(to, entry{k, rec.Version, f.sourced(r, k), target}), nil
}

// sourced is a body that tells where it comes from. What tells so already is left alone: it comes from further away.
func (f *forward) sourced(r *fhirmap.Resource, k driver.Key) []byte {
	if f.Source == "" || r.Meta().String("source") != "" {
		return r.JSON()
	}
	patch, err := json.Marshal([]map[string]string{{"op": "add", "path": "/meta/source", "value": f.Source + "/" + k.String()}})
	if err != nil {
		return r.JSON()
	}
	told, err := fhirmap.JSONPatch(r, patch, fhirmap.Limits{})
	if err != nil {
		return r.JSON()
	}
	return told.JSON()
}

// bundle is the transaction of some units:
//
//	{"resourceType":"Bundle","type":"transaction","entry":[
//	 {"resource":{"resourceType":"Patient","id":"1",...},"request":{"method":"PUT","url":"Patient/1"}},
//	 {"request":{"method":"DELETE","url":"Observation/2"}}]}
func (f *forward) bundle(units []unit) []byte {
	var b bytes.Buffer
	b.WriteString(`{"resourceType":"Bundle","type":"transaction","entry":[`)
	comma := false
	for _, u := range units {
		for _, e := range u.entries {
			if comma {
				b.WriteByte(',')
			}
			comma = true
			method := "DELETE"
			b.WriteByte('{')
			if e.body != nil {
				method = "PUT"
				b.WriteString(`"resource":`)
				b.Write(e.body)
				b.WriteByte(',')
			}
			b.WriteString(`"request":{"method":"` + method + `","url":` + strconv.Quote(e.key.String()) + `}}`)
		}
	}
	b.WriteString(`]}`)
	return b.Bytes()
}
