package suite

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
)

// claims is what a CapabilityStatement says that a server does. A nil one claims everything.
type claims map[need]bool

// has reports whether something is claimed.
func (c *claims) has(n need) bool { return c == nil || (*c)[n] }

// claimed reads the CapabilityStatement; nil if the server gives none. A server that cannot be reached is an error.
func (t *target) claimed(ctx context.Context) (*claims, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.base+"/metadata", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", mediaType)
	a, err := t.send(req)
	if err != nil {
		return nil, fmt.Errorf("base %s: %w", t.base, err)
	}
	root, err := a.resource()
	if err != nil || a.status != http.StatusOK || root.Type != "CapabilityStatement" {
		return nil, nil
	}
	return newClaims(root), nil
}

// newClaims reads a CapabilityStatement (R4 section 5.2). A search parameter or an operation of the system counts for each type.
func newClaims(statement *fhirmap.Element) *claims {
	c := claims{}
	for rest := range statement.Each("rest") {
		if mode := rest.String("mode"); mode != "" && mode != "server" {
			continue
		}
		for i := range rest.Each("interaction") {
			c[need{code: i.String("code")}] = true
		}
		for r := range rest.Each("resource") {
			typ := r.String("type")
			for i := range r.Each("interaction") {
				c[need{code: i.String("code"), typ: typ}] = true
			}
			for _, flag := range []string{"updateCreate", "conditionalCreate", "conditionalUpdate"} {
				if r.String(flag) == "true" {
					c[need{code: flag, typ: typ}] = true
				}
			}
			if many := r.String("conditionalDelete"); many == "single" || many == "multiple" {
				c[need{code: "conditionalDelete", typ: typ}], c[need{"conditionalDelete", typ, many}] = true, true
			}
			for _, from := range []*fhirmap.Element{rest, r} {
				for p := range from.Each("searchParam") {
					c[need{"search", typ, p.String("name")}] = true
				}
				for op := range from.Each("operation") {
					c[need{"operation", typ, strings.TrimPrefix(op.String("name"), "$")}] = true
				}
			}
		}
	}
	return &c
}
