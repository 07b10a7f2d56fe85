package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// Sources are the identifier systems whose values are unique: no two Patients have one of them, nor two Practitioners. Which they are stands
// in private records, and for every write in the Catalog, whose rows of them are unique.
type Sources struct {
	store   *storage.Store
	catalog *search.Catalog
	mu      sync.Mutex // one system is added at a time
}

// DefaultSourceBase makes a URN of the name of a source.
const DefaultSourceBase = "urn:x-hob:source:"

// source is the record of a system.
type source struct {
	System string
	Ready  bool // all that is stored has its rows, and there are no two of one value
}

var sourceRecords = storage.Private[source]{Type: "_source"}

func sourceID(system string) string {
	sum := sha256.Sum256([]byte(system))
	return hex.EncodeToString(sum[:16])
}

// OpenSources tells a Catalog the sources of a store, and adds the systems given. It must be called before anything else writes. The error
// names values that two have.
func OpenSources(ctx context.Context, s *storage.Store, c *search.Catalog, systems []string) (*Sources, error) {
	k := &Sources{store: s, catalog: c}
	err := s.View(ctx, storage.System, func(tx *storage.Tx) error {
		for saved, err := range sourceRecords.Find(tx, nil) {
			if err != nil {
				return err
			}
			if c.AddSource(saved.Value.System); !saved.Value.Ready {
				systems = append(systems, saved.Value.System) // it was being added when the process ended
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, system := range systems {
		if err := k.add(ctx, system); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// ready reports whether a system is a source on whose uniqueness one can rely.
func (k *Sources) ready(tx *storage.Tx, system string) (bool, error) {
	rec, _, err := sourceRecords.Load(tx, sourceID(system))
	if errors.Is(err, driver.ErrNotFound) {
		return false, nil
	}
	return rec.Ready && k.catalog.IsSource(system), err
}

// add makes a system a source. New writes have its rows at once; then what is stored is indexed again. If two have one value, nothing is
// changed and a refusal names them.
func (k *Sources) add(ctx context.Context, system string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	done := false
	if err := k.store.View(ctx, storage.System, func(tx *storage.Tx) (err error) {
		done, err = k.ready(tx, system)
		return err
	}); err != nil || done {
		return err
	}
	k.catalog.AddSource(system)
	// Behind this Update every write has the rows (storage.ErrStale).
	if err := k.keep(ctx, source{System: system}); err != nil {
		k.catalog.DropSource(system)
		return err
	}
	twice, err := k.index(ctx, system)
	if err == nil && len(twice) == 0 {
		return k.keep(ctx, source{System: system, Ready: true})
	}
	k.catalog.DropSource(system)
	undone := k.store.Update(ctx, storage.System, func(tx *storage.Tx) error { return sourceRecords.Remove(tx, sourceID(system)) })
	if undone == nil {
		_, undone = k.index(ctx, system)
	}
	if err == nil {
		names := make([]string, 0, 5)
		for _, key := range twice[:min(len(twice), 5)] {
			names = append(names, key.String())
		}
		err = refuse(http.StatusConflict, fhirmap.CodeDuplicate,
			"%s cannot be a source: identifiers of it are held twice; resolve those of %s", clip(system), strings.Join(names, ", "))
	}
	return errors.Join(err, undone)
}

func (k *Sources) keep(ctx context.Context, to source) error {
	return k.store.Update(ctx, storage.System, func(tx *storage.Tx) error {
		id := sourceID(to.System)
		_, version, err := sourceRecords.Load(tx, id)
		if err != nil && !errors.Is(err, driver.ErrNotFound) {
			return err
		}
		_, err = sourceRecords.Save(tx, id, version, to)
		return err
	})
}

// index makes the rows anew of all that has an identifier of a system, and returns the keys whose value another has.
func (k *Sources) index(ctx context.Context, system string) (twice []driver.Key, err error) {
	for _, typ := range search.Sourced {
		var keys []driver.Key
		err := k.store.View(ctx, storage.System, func(tx *storage.Tx) error {
			for hit, err := range tx.Find(driver.Find{Type: typ, Where: search.OfSystem(system), Bare: true}) {
				if err != nil {
					return err
				}
				keys = append(keys, hit.Key)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			switch err := k.again(ctx, key); {
			case errors.Is(err, driver.ErrTaken):
				twice = append(twice, key)
			case err != nil && !errors.Is(err, driver.ErrNotFound):
				return nil, err
			}
		}
	}
	return twice, nil
}

// again indexes the current version of a record, whichever that is by then.
func (k *Sources) again(ctx context.Context, key driver.Key) error {
	for {
		var rec driver.Record
		err := k.store.View(ctx, storage.System, func(tx *storage.Tx) (err error) {
			rec, err = tx.Get(key)
			return err
		})
		if err != nil || rec.Deleted {
			return err
		}
		draft, err := k.store.Stored(rec)
		if err != nil {
			return err
		}
		err = k.store.Update(ctx, storage.System, func(tx *storage.Tx) error { return tx.Index(draft, rec.Version) })
		if !errors.Is(err, driver.ErrConflict) {
			return err
		}
	}
}

// uri is how a URI begins.
var uri = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:.`)

// systemOf is the identifier system of a source by its name: the name itself if it is a URI, that of the NamingSystem of this name, else one
// below the base for sources.
func (c *Config) systemOf(tx *storage.Tx, name string) (string, error) {
	if uri.MatchString(name) {
		return name, nil
	}
	s, err := c.Catalog.Parse("NamingSystem", []search.Pair{{Name: "name:exact", Value: search.Escape(name)}}, search.ParseOptions{})
	if err != nil {
		return "", err
	}
	var systems []string
	for hit, err := range tx.Find(driver.Find{Type: "NamingSystem", Where: s.Where, Limit: 10, Budget: c.Limits.Within}) {
		if errors.Is(err, storage.ErrForbidden) {
			break
		}
		if err != nil {
			return "", err
		}
		res, err := fhirmap.Trusted(hit.Body)
		if err != nil {
			return "", err
		}
		if system := uriOf(res.Root()); system != "" && !slices.Contains(systems, system) {
			systems = append(systems, system)
		}
	}
	switch len(systems) {
	case 0:
		return c.SourceBase + queryEscape(name), nil
	case 1:
		return systems[0], nil
	}
	return "", fhirmap.Errorf(fhirmap.CodeMultiple, "Parameters.parameter", "several NamingSystems are named %s; give the URI of one: %s",
		clip(name), strings.Join(systems, ", "))
}

// uriOf is the URI of a NamingSystem that is not retired, the preferred one first; "" if it has none.
func uriOf(naming *fhirmap.Element) string {
	if naming.String("status") == "retired" {
		return ""
	}
	system := ""
	for id := range naming.Each("uniqueId") {
		if id.String("type") == "uri" && (system == "" || id.String("preferred") == "true") {
			system = id.String("value")
		}
	}
	return system
}
