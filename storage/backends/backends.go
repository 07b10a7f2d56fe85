// Package backends opens a store by its URL. It is the one place that knows all of them: a map from URL scheme to Open.
package backends

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hob-fhir/hob/storage/badger"
	"github.com/hob-fhir/hob/storage/driver"
)

// Options are the settings of the backends, each under the name of its scheme.
type Options struct {
	Badger badger.Options
}

// schemes are the databases that Hob can use. The function is given what follows the colon.
var schemes = map[string]func(rest string, o Options) (driver.Backend, error){
	"badger": openBadger,
}

// Schemes returns the URL schemes that Open knows, sorted.
func Schemes() []string { return slices.Sorted(maps.Keys(schemes)) }

// Open opens the store that a URL names, such as badger:./hob-data, or badger::memory: for one that is gone when it is closed. A URL
// that names none is driver.ErrInvalid.
func Open(url string, o Options) (driver.Backend, error) {
	scheme, rest, ok := strings.Cut(url, ":")
	open, known := schemes[scheme]
	if !ok || !known {
		return nil, fmt.Errorf("store %q: its URL must begin with one of %s:, as in badger:./hob-data: %w",
			url, strings.Join(Schemes(), ":, "), driver.ErrInvalid)
	}
	return open(rest, o)
}

// openBadger opens badger:DIR, badger://DIR and badger::memory:.
func openBadger(rest string, o Options) (driver.Backend, error) {
	if rest == ":memory:" {
		o.Badger.InMemory = true
		return badger.Open("", o.Badger)
	}
	dir := strings.TrimPrefix(rest, "//")
	if dir == "" {
		return nil, fmt.Errorf("store badger:%s: a directory must follow, as in badger:./hob-data, or badger::memory:: %w", rest, driver.ErrInvalid)
	}
	return badger.Open(dir, o.Badger)
}
