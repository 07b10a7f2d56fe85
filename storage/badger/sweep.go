package badger

import (
	"context"
	"time"

	"github.com/hob-fhir/hob/storage/driver"
)

const (
	sweepEvery = 30  // seconds between looks for expired private records
	sweepMost  = 500 // records removed in one transaction
)

// sweep removes private records that have expired. They are absent to readers already; this gives back the room.
func (s *store) sweep() error {
	for {
		n := 0
		_, err := s.Update(context.Background(), func(dt driver.Tx) error {
			t := dt.(*tx)
			gone, err := t.expiredRecords(sweepMost)
			if err != nil {
				return err
			}
			n = len(gone)
			for _, p := range gone {
				if err := t.forget(p); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || n < sweepMost {
			return err
		}
	}
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
