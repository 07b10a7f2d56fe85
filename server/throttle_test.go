package server

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// TestThrottleForgets keeps as many buckets as there may be and adds more.
func TestThrottleForgets(t *testing.T) {
	now := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	th := newThrottle(1, 1, func() time.Time { return now })
	for i := range mostBuckets {
		if err := th.admit(fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(time.Second)
	if err := th.admit("spent"); err != nil || len(th.buckets) != 1 {
		t.Errorf("with one more there are %d buckets, want 1 (%v)", len(th.buckets), err)
	}
	var no *refusal
	if err := th.admit("spent"); !errors.As(err, &no) {
		t.Error("its own bucket was forgotten too")
	}
}
