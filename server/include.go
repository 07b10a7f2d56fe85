package server

import (
	"errors"
	"maps"
	"slices"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// included finds what goes with the hits of a page by _include and _revinclude (R4 section 3.1.1.5.3): on the page's own snapshot, each
// resource once, and none that is a hit itself. It goes in rounds, the first from the hits, each later one by the includes that iterate
// from what the round before it found, until one finds nothing new. A round is one search for each type. What the caller may not search
// is left out, as is what does not exist; what is too much is an error, for nobody could tell that a part is missing. All of it has one budget.
//
// They come round by round, in each by type, and of a type in the order of the store.
func (c *Config) included(tx *storage.Tx, includes []search.Include, hits []driver.Hit, at driver.Snapshot, budget int) ([]driver.Hit, error) {
	in := &including{Config: c, tx: tx, at: at, seen: map[driver.Key]bool{}, of: map[string]int{}}
	in.see(hits)
	err := tx.Within(budget, func() error { return in.all(includes, hits) })
	return in.found, err
}

// all goes round by round.
func (in *including) all(includes []search.Include, hits []driver.Hit) error {
	for round := 0; len(includes) > 0 && len(hits) > 0; round++ {
		var err error
		if hits, err = in.round(includes, hits); err != nil {
			return err
		}
		if len(hits) > 0 && round > in.Limits.Rounds {
			return fhirmap.Errorf(fhirmap.CodeTooCostly, "http._include",
				"what is included leads on for more than %d rounds; ask for less by :iterate, or follow the rest from there by a search of its own", in.Limits.Rounds)
		}
		in.found = append(in.found, hits...)
		if round == 0 {
			includes = slices.DeleteFunc(slices.Clone(includes), func(i search.Include) bool { return !i.Iterate })
		}
	}
	return nil
}

// including is the work of included.
type including struct {
	*Config
	tx    *storage.Tx
	at    driver.Snapshot
	seen  map[driver.Key]bool // hits and what was found
	of    map[string]int      // how many of them, by type
	found []driver.Hit
}

func (in *including) see(hits []driver.Hit) {
	for _, hit := range hits {
		in.seen[hit.Key] = true
		in.of[hit.Type]++
	}
}

// round finds what the includes lead to from some records.
func (in *including) round(includes []search.Include, from []driver.Hit) ([]driver.Hit, error) {
	where, err := in.onward(includes, from)
	if err != nil {
		return nil, err
	}
	if types := in.Catalog.BackFrom(includes); len(types) > 0 {
		keys := make([]driver.Key, len(from))
		for i, hit := range from {
			keys[i] = hit.Key
		}
		for _, typ := range types {
			if q := in.Catalog.Back(typ, includes, keys); q != nil {
				where[typ] = append(where[typ], q)
			}
		}
	}
	var out []driver.Hit
	for _, typ := range slices.Sorted(maps.Keys(where)) {
		q := driver.Query(where[typ])
		if len(where[typ]) == 1 {
			q = where[typ][0]
		}
		room := in.Limits.Included - len(in.found) - len(out)
		find := driver.Find{Type: typ, Where: q, At: in.at, Limit: room + in.of[typ] + 1}
		for hit, err := range in.tx.Find(find) {
			if errors.Is(err, storage.ErrForbidden) {
				break
			}
			if err != nil {
				return nil, err
			}
			if in.seen[hit.Key] {
				continue
			}
			if room--; room < 0 {
				return nil, fhirmap.Errorf(fhirmap.CodeTooCostly, "http._include",
					"more than %d resources would be included; ask for smaller pages by _count, for fewer includes, or name a target type", in.Limits.Included)
			}
			out = append(out, hit)
		}
	}
	in.see(out)
	return out, nil
}

// onward reads off some records what they refer to, and makes the queries for it by type.
func (in *including) onward(includes []search.Include, from []driver.Hit) (map[string]driver.Or, error) {
	ids := map[string]driver.IDs{}
	asked := map[driver.Key]bool{}
	ways := map[string]search.Onward{}
	for _, hit := range from {
		onward, made := ways[hit.Type]
		if !made {
			onward = in.Catalog.Onward(hit.Type, includes)
			ways[hit.Type] = onward
		}
		if onward == nil {
			continue
		}
		keys, err := onward(hit.Body)
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			if !in.seen[k] && !asked[k] {
				asked[k] = true
				ids[k.Type] = append(ids[k.Type], k.ID)
			}
		}
	}
	where := map[string]driver.Or{}
	for typ, of := range ids {
		where[typ] = driver.Or{of}
	}
	return where, nil
}
