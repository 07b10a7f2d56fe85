package search

import (
	"slices"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// several translates a search over several types: one Search for each, which differ only in the fields that their parameters read.
func (c *edition) several(types []string, pairs []Pair, o ParseOptions) ([]*Search, error) {
	o.peers, o.cost = types, &cost{}
	var ignored []string
	out := make([]*Search, 0, len(types))
	for i := 0; i < len(types); i++ {
		s, err := c.parse(types[i], pairs, o)
		if err != nil {
			return nil, err
		}
		more := len(ignored)
		for _, name := range s.Ignored {
			if !slices.Contains(ignored, name) {
				ignored = append(ignored, name)
			}
		}
		if len(ignored) > more && i > 0 { // what one type does not know counts for none
			out, i, o.cost = out[:0], -1, &cost{}
			pairs = slices.DeleteFunc(slices.Clone(pairs), func(p Pair) bool { return slices.Contains(ignored, p.Name) })
			continue
		}
		out = append(out, s)
	}
	for _, s := range out {
		s.Ignored = ignored
	}
	return out, nil
}

// common lists the parameters that all types searched together have, and for which something holds.
func (a *ask) common(is func(*parameter) bool) []string {
	return slices.DeleteFunc(slices.Clone(a.schema.codes), func(code string) bool {
		return !a.everywhere(code, is)
	})
}

func known(*parameter) bool { return true }

// everywhere reports whether all types searched together have a parameter for which something holds.
func (a *ask) everywhere(code string, is func(*parameter) bool) bool {
	for _, typ := range a.peers {
		if p := a.types[typ].params[code]; p == nil || !is(p) {
			return false
		}
	}
	return true
}

// Place is where a record stands in the order of a search: the bytes it is sorted by, one for each of Search.Sort.
type Place []sortKey

type sortKey struct {
	low []byte
	has bool
}

// placed makes what reads off a hit where it stands.
func (c *edition) placed(s *Search) (place func(driver.Hit) (Place, error), bodies bool) {
	var fields []string
	for _, o := range s.Sort {
		if o.Field != "" && o.Field != lastUpdatedField {
			fields = append(fields, o.Field)
		}
	}
	wanted := func(field string) bool { return slices.Contains(fields, field) }
	read := fhirmap.Trusted
	if elements, some := c.types[s.Type].elements(wanted); some {
		read = func(body []byte) (*fhirmap.Resource, error) { return fhirmap.TrustedPart(body, elements) }
	}
	return func(hit driver.Hit) (Place, error) {
		x := &indexer{edition: c}
		if len(fields) > 0 {
			res, err := read(hit.Body)
			if err != nil {
				return nil, err
			}
			if err := x.only(res, wanted); err != nil {
				return nil, err
			}
		}
		rows := append(x.rows, driver.Row{Field: lastUpdatedField, Value: driver.Point(driver.Instant(hit.Time))})
		out := make(Place, len(s.Sort))
		for i, o := range s.Sort {
			out[i].low, out[i].has = driver.SortKey(hit.Key, rows, o)
		}
		return out, nil
	}, len(fields) > 0
}

// Compare orders two places in searches that were translated together: negative if p comes before q, 0 if they are sorted alike.
func (s *Search) Compare(p, q Place) int {
	for i, o := range s.Sort {
		if d := driver.CompareSortKeys(o, p[i].low, p[i].has, q[i].low, q[i].has); d != 0 {
			return d
		}
	}
	return 0
}
