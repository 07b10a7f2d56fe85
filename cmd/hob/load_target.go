package main

import (
	"bytes"
	"context"
	"encoding/json"
	"reflect"
)

// target takes resources in: a server or a store.
type target interface {
	// load takes items in their order and notes in each that is refused why. An error means that the run cannot go on; the items are
	// in doubt then.
	load(ctx context.Context, items []*item) error
	// whole takes items all or none, in one transaction. Those that are there already, equal, are left as they are; written counts the others.
	whole(ctx context.Context, items []*item) (written int, err error)
	batch() int // how many items at once
	workers() int
	close() error
}

// same reports whether a stored resource is the one that was to be loaded: equal but for what a store stamps on it.
func same(stored, given []byte) bool {
	a, b := unstamped(stored), unstamped(given)
	return a != nil && reflect.DeepEqual(a, b)
}

func unstamped(data []byte) map[string]any {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var r map[string]any
	if d.Decode(&r) != nil {
		return nil
	}
	if meta, ok := r["meta"].(map[string]any); ok {
		delete(meta, "versionId")
		delete(meta, "lastUpdated")
		if len(meta) == 0 {
			delete(r, "meta")
		}
	}
	return r
}
