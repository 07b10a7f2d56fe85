package auth

import (
	"fmt"

	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
)

// Policy turns Grants into what their callers may see and do.
type Policy struct {
	Catalog *search.Catalog // translates granular scopes
}

// Access is what a Grant allows. An error says that it allows nothing at all.
func (p *Policy) Access(g Grant) (storage.Access, error) {
	return nil, fmt.Errorf("%s: no policy yet: %w", g.Caller(), storage.ErrForbidden)
}
