package server

import (
	"slices"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage/driver"
)

// parts finds what is below a resource by the references of its type to its own kind, or with up what is above it, itself first, one
// level after the other.
func (t *terms) parts(k driver.Key, up bool) ([]driver.Key, error) {
	code, field := t.Catalog.PartOf(k.Type)
	if code == "" {
		return nil, fhirmap.Errorf(fhirmap.CodeNotSupported, "", "no %s is a part of another, so nothing is above or below it", k.Type)
	}
	found, seen := []driver.Key{k}, map[driver.Key]bool{k: true}
	level := []string{k.ID}
	for len(level) > 0 {
		where, err := t.partsOf(k.Type, code, field, level, up)
		if err != nil {
			return nil, err
		}
		level = nil
		for hit, err := range t.tx.Find(driver.Find{Type: k.Type, Where: where, At: t.at, Budget: t.Limits.Rows, Bare: true}) {
			switch {
			case err != nil:
				return nil, err
			case seen[hit.Key]: // a circle
				continue
			case len(found) == t.Limits.Codes:
				return nil, fhirmap.Errorf(fhirmap.CodeValue, "", "more than %d resources are above or below %s; use one with fewer", t.Limits.Codes, k)
			}
			seen[hit.Key] = true
			found = append(found, hit.Key)
			level = append(level, hit.ID)
		}
	}
	return found, nil
}

// partsOf asks for the resources just below some, or just above.
func (t *terms) partsOf(typ, code, field string, ids []string, up bool) (driver.Query, error) {
	if up {
		return driver.Referred{Type: typ, Field: field, Where: driver.IDs(ids)}, nil
	}
	var or driver.Or
	for some := range slices.Chunk(ids, 500) {
		s, err := t.Catalog.Parse(typ, []search.Pair{{Name: code, Value: typ + "/" + strings.Join(some, ","+typ+"/")}}, search.ParseOptions{})
		if err != nil {
			return nil, err
		}
		or = append(or, s.Where)
	}
	return or, nil
}
