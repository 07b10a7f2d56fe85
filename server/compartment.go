package server

import (
	"net/http"
	"slices"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// searchCompartment is the search within a compartment (R4 http.html, variant searches; section 2.10): Patient/1/Observation?..., and
// Patient/1/*?... for all types that may lie in it, of which _type may choose. A compartment is what refers to its owner, whether that is
// stored or not, as a search by the reference is: of an owner that does not exist it is empty, and nothing is told of one that the caller
// may not see.
func searchCompartment(c *Config, p *pages) Interaction {
	return func(tx *storage.Tx, r *Request) (*Response, error) {
		members := search.Members(r.Type)
		switch {
		case strings.HasPrefix(r.Member, "$"):
			return nil, c.noOperation(r)
		case members == nil:
			return nil, refuse(http.StatusNotFound, fhirmap.CodeNotSupported, "%s has no compartment, so nothing is at %s/%s; %s have",
				r.Type, r.Key(), clip(r.Member), strings.Join(search.Owners(), ", "))
		case r.Member != "*" && !fhirmap.IsResource(r.Member):
			return nil, refuse(http.StatusNotFound, fhirmap.CodeNotSupported, "%s is no resource type of FHIR R4; a compartment is searched as %s/Observation or %s/*",
				clip(r.Member), r.Key(), r.Key())
		case r.Member != "*" && !slices.Contains(members, r.Member):
			return nil, refuse(http.StatusNotFound, fhirmap.CodeNotSupported, "%s is never in the compartment of a %s; these are: %s",
				r.Member, r.Type, strings.Join(members, ", "))
		}
		w := wide{path: "/" + r.Type + "/" + r.ID + "/" + r.Member, types: []string{r.Member}, query: r.Query}
		w.within = func(typ string) search.Clause {
			q, _ := c.Catalog.Compartment(driver.Key{Type: r.Type, ID: r.ID}, typ)
			return search.Clause{Pair: search.Pair{Name: r.Type + "/" + r.ID}, Query: q}
		}
		if r.Member == "*" {
			w.types, w.query = members, nil
			if err := w.choose(r.Query, "a type in the compartment of a "+r.Type); err != nil {
				return nil, err
			}
		}
		return c.wideSearch(tx, p, r, w)
	}
}

// noOperation is the answer to a GET of what stands where an operation might, and none answers GET.
func (c *Config) noOperation(r *Request) error {
	for _, op := range c.Operations {
		if "$"+op.Name == r.Member && op.On&Instance != 0 && (len(op.Types) == 0 || slices.Contains(op.Types, r.Type)) {
			return refuse(http.StatusMethodNotAllowed, fhirmap.CodeNotSupported, "%s is asked for by POST", r.Member).with("Allow", http.MethodPost)
		}
	}
	return refuse(http.StatusNotFound, fhirmap.CodeNotFound, "%s is no operation of a %s; those that are stand at %s/metadata", clip(r.Member), r.Type, Prefix)
}
