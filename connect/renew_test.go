package connect

import (
	"context"
	"errors"
	"testing"

	"github.com/hob-fhir/hob/connect/noteworthtest"
	"github.com/hob-fhir/hob/storage"
)

// TestRenew ends a grant while its import is under way: what the partner had told by then is not written.
func TestRenew(t *testing.T) {
	w := newWorld(t, "")
	w.partner.Script(nil, []noteworthtest.Outcome{noteworthtest.Status500})
	ended := errors.New("the grant has ended")
	asked := 0
	r, err := w.im.Import(context.Background(), storage.System, "noteworth", Run{Renew: func(context.Context) (storage.Access, error) {
		if asked++; w.partner.Calls("/providers") < 2 {
			t.Error("the access was asked for before all was fetched")
		}
		return nil, ended
	}})
	if !errors.Is(err, ended) || asked != 1 || r.Created != 0 || r.Error == "" {
		t.Errorf("%+v (%v), asked %d times", r, err, asked)
	}
	if n := len(w.all("Practitioner")) + len(w.all("Organization")); n != 0 {
		t.Errorf("%d resources were written", n)
	}
	r, err = w.im.Import(context.Background(), storage.System, "noteworth", Run{Renew: func(context.Context) (storage.Access, error) { return storage.System, nil }})
	if err != nil || r.Created != 10 {
		t.Errorf("with a grant that goes on: %+v (%v)", r, err)
	}
}
