package backends

import (
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/storage/badger"
	"github.com/hob-fhir/hob/storage/driver"
)

func TestOpen(t *testing.T) {
	o := Options{Badger: badger.Options{MinFree: 1, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}}
	dir := filepath.Join(t.TempDir(), "new")
	for _, url := range []string{"badger::memory:", "badger:" + dir, "badger://" + dir} {
		b, err := Open(url, o)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if err := b.Close(); err != nil {
			t.Errorf("%s: close: %v", url, err)
		}
	}
	for url, want := range map[string]string{
		"./hob-data": "must begin with one of badger:",
		"paper:./x":  "must begin with one of badger:",
		"":           "must begin with one of badger:",
		"badger:":    "a directory must follow",
	} {
		if _, err := Open(url, o); !errors.Is(err, driver.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", url, err, want)
		}
	}
}
