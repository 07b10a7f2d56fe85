package badger

import (
	"context"
	"errors"
	"time"

	"github.com/hob-fhir/hob/storage/driver"
)

const (
	sweepEvery = 30  // seconds between looks for expired private records
	sweepMost  = 500 // records removed in one transaction
)

// sweep removes private records that have expired. They are absent to readers already; this gives back the room.
func (s *store) sweep() error {
	for more := true; more; {
		_, err := s.Update(context.Background(), func(dt driver.Tx) (err error) {
			more, err = dt.(*tx).sweep(sweepMost)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sweep removes as many expired records as are asked for and fit into the transaction, and reports whether there may be more.
func (t *tx) sweep(most int) (bool, error) {
	gone, err := t.expiredRecords(most)
	if err != nil {
		return false, err
	}
	for i, p := range gone {
		err := t.whole(driver.Key{Type: "expired", ID: p.h.id}, func() error { return t.forget(p) })
		if errors.Is(err, driver.ErrTooLarge) && i > 0 {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
	return len(gone) == most, nil
}

func (t *tx) expiredRecords(most int) ([]place, error) {
	scan := t.scan([]byte{famExpiry}, nil, false)
	defer scan.close()
	now := time.Now().UnixMilli()
	var out []place
	for len(out) < most && scan.next() {
		ms, typ, n, ok := parseExpiry(scan.key())
		if !ok {
			return nil, damaged(scan.key(), errCut)
		}
		if ms > now {
			break
		}
		h, ok, err := t.head(typ, n)
		if err != nil {
			return nil, err
		}
		if ok && h.expired() {
			out = append(out, place{typ, n, h})
		}
	}
	return out, nil
}
