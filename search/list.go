package search

import (
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// listIs is _list: the resources that an entry of a stored List refers to (R4 3.1.1.5.6). What an entry says beside its item does not count:
// only in a list of changes may it be deleted (R4 List, lst-2), and what was taken away is a part of what such a list tells.
func listIs(a *ask, value string) (driver.Query, *fhirmap.Outcome) {
	values, err := a.list(value)
	if err != nil {
		return nil, err
	}
	lists := make(driver.IDs, 0, len(values))
	for _, v := range values {
		id := strings.TrimPrefix(unescape(v), "List/")
		switch {
		case strings.HasPrefix(id, "$"):
			return nil, a.fail(fhirmap.CodeNotSupported, "%q: no functional lists are kept here; give the id of a List that is stored", v)
		case !fhirmap.IsID(id):
			return nil, a.bad("%q is no id of a List", v)
		}
		lists = append(lists, id)
	}
	var out driver.Or
	for _, field := range a.types["List"].params["item"].refersBy(a.schema.typ) {
		out = append(out, driver.Referred{Type: "List", Field: field, Where: lists})
	}
	if len(out) == 1 {
		return out[0], nil
	}
	return out, nil
}
