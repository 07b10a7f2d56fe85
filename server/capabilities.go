package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/hob-fhir/hob/conformance"
	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
)

// capabilities is the interaction of /metadata (R4 http.html, capabilities): the CapabilityStatement, made from the tables of routes and
// operations and from the Catalog, at the first request and when the Catalog says something else.
func capabilities(c *Config, routes []route) Interaction {
	var (
		mu      sync.Mutex
		last    *Response
		edition uint64
	)
	made := func() (*Response, error) {
		mu.Lock()
		defer mu.Unlock()
		now := c.Catalog.Edition() // before the catalog is read: a change meanwhile has it made once more
		if last != nil && edition == now {
			return last, nil
		}
		body, err := conformance.CapabilityStatement(claims(c, routes))
		if err != nil {
			return nil, err
		}
		if last == nil || !bytes.Equal(body, last.Body) {
			modified := c.Built
			if last != nil {
				modified = c.Clock()
			}
			sum := sha256.Sum256(body)
			last = &Response{Status: http.StatusOK, Modified: modified, Tag: `W/"` + hex.EncodeToString(sum[:8]) + `"`, Body: body}
		}
		edition = now
		return last, nil
	}
	return func(_ *storage.Tx, r *Request) (*Response, error) {
		if err := r.known("mode"); err != nil {
			return nil, err
		}
		switch mode, err := r.one("mode"); {
		case err != nil:
			return nil, err
		case mode == "terminology":
			return nil, refuse(http.StatusNotFound, fhirmap.CodeNotSupported, "no TerminologyCapabilities are given here; ask without mode")
		case mode != "" && mode != "full" && mode != "normative":
			return nil, fhirmap.Errorf(fhirmap.CodeValue, "", "mode=%s is not known; full and normative are", clip(mode))
		}
		m, err := made()
		if err != nil {
			return nil, err
		}
		res := *m
		if unchanged(r.Header, res.Tag, res.Modified) {
			res.Status, res.Body = http.StatusNotModified, nil
		}
		return &res, nil
	}
}

// claims reads the tables.
func claims(c *Config, routes []route) conformance.Server {
	s := conformance.Server{
		Version: c.Version, Date: c.Built, Catalog: c.Catalog, Formats: slices.Clone(jsonTypes), NoUpdate: c.Policy.NoClientIDs,
		ConditionalDelete: string(c.Policy.ConditionalDelete), Compartments: search.Owners(), OAuth: c.OAuth,
	}
	if c.Base != nil {
		s.Base = strings.TrimRight(c.Base.String(), "/")
	}
	for code := range formats {
		s.Formats = append(s.Formats, code)
	}
	slices.Sort(s.Formats)
	for _, r := range routes {
		list := &s.Types
		if r.level == System {
			list = &s.System
		}
		if r.code != "" && !slices.Contains(*list, r.code) {
			*list = append(*list, r.code)
		}
		switch {
		case r.code == "create":
			s.ConditionalCreate = true
		case r.code == "update" && r.level == Type:
			s.ConditionalUpdate = true
		}
	}
	for _, op := range c.Operations {
		claim := conformance.Operation{Name: op.Name, Definition: op.Definition, System: op.On&System != 0}
		if op.On&(Type|Instance) != 0 {
			if claim.On = op.Types; len(claim.On) == 0 {
				claim.On = fhirmap.ResourceTypes()
			}
		}
		s.Operations = append(s.Operations, claim)
	}
	return s
}
