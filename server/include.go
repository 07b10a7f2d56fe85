package server

import (
	"errors"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// included finds what the hits of a page refer to by _include (R4 search.html, included resources): on the page's own snapshot, one
// search for each type, each resource once, and none that is a hit itself. What the caller may not search is left out, as is what
// does not exist.
func included(tx *storage.Tx, c *search.Catalog, includes []search.Include, hits []driver.Hit, at driver.Snapshot, budget int) ([]driver.Hit, error) {
	if len(includes) == 0 {
		return nil, nil
	}
	seen := map[driver.Key]bool{}
	for _, hit := range hits {
		seen[hit.Key] = true
	}
	wanted := map[string]driver.IDs{}
	var types []string
	for _, hit := range hits {
		res, err := fhirmap.Trusted(hit.Body)
		if err != nil {
			return nil, err
		}
		keys, err := c.Included(res, includes)
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			if seen[k] {
				continue
			}
			seen[k] = true
			if wanted[k.Type] == nil {
				types = append(types, k.Type)
			}
			wanted[k.Type] = append(wanted[k.Type], k.ID)
		}
	}
	var out []driver.Hit
	for _, typ := range types {
		for hit, err := range tx.Find(driver.Find{Type: typ, Where: wanted[typ], At: at, Budget: budget}) {
			if errors.Is(err, storage.ErrForbidden) {
				break
			}
			if err != nil {
				return nil, err
			}
			out = append(out, hit)
		}
	}
	return out, nil
}
