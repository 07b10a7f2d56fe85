// Package conformance says what a server claims to do: its CapabilityStatement (R4 section 5.2), made from the tables that do it.
package conformance

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
)

// FHIRVersion is the version of FHIR that is spoken.
const FHIRVersion = "4.0.1"

// Server is what a server is told to claim. Nothing is claimed that is not in it or in the Catalog.
type Server struct {
	Version    string    // of the software; "" leaves it out
	Date       time.Time // of the statement
	Base       string    // the FHIR base; "" leaves it out
	Formats    []string  // media types and codes of _format
	Catalog    *search.Catalog
	System     []string // interaction codes of system level: history-system, transaction, ...
	Types      []string // interaction codes of every resource type: read, create, ...
	Operations []Operation

	Compartments []string // types whose compartments are searched
	NoUpdate     bool     // an update does not create

	ConditionalCreate, ConditionalUpdate bool
	ConditionalDelete                    string // a code of conditional-delete-status; "": not-supported

	OAuth map[string]string // URIs of the authorization server by what they are for: authorize, token, ...; nil: none is claimed
}

// Operation is an operation to be claimed.
type Operation struct {
	Name       string // without the $
	Definition string // canonical URL
	System     bool
	On         []string // resource types, nil for none
}

// The elements of a CapabilityStatement that are used, in the order of the specification.
type (
	statement struct {
		ResourceType   string          `json:"resourceType"`
		Status         string          `json:"status"`
		Date           string          `json:"date"`
		Kind           string          `json:"kind"`
		Software       software        `json:"software"`
		Implementation *implementation `json:"implementation,omitempty"`
		FHIRVersion    string          `json:"fhirVersion"`
		Format         []string        `json:"format"`
		Rest           []rest          `json:"rest"`
	}
	software struct {
		Name    string `json:"name"`
		Version string `json:"version,omitempty"`
	}
	implementation struct {
		Description string `json:"description"`
		URL         string `json:"url"`
	}
	rest struct {
		Mode        string        `json:"mode"`
		Security    *security     `json:"security,omitempty"`
		Resource    []resource    `json:"resource"`
		Interaction []interaction `json:"interaction,omitempty"`
		SearchParam []searchParam `json:"searchParam,omitempty"`
		Operation   []operation   `json:"operation,omitempty"`
		Compartment []string      `json:"compartment,omitempty"`
	}
	security struct {
		Extension []extension `json:"extension"`
		Service   []concept   `json:"service"`
	}
	extension struct {
		URL       string      `json:"url"`
		Extension []extension `json:"extension,omitempty"`
		URI       string      `json:"valueUri,omitempty"`
	}
	concept struct {
		Coding []coding `json:"coding"`
	}
	coding struct {
		System string `json:"system"`
		Code   string `json:"code"`
	}
	resource struct {
		Type              string        `json:"type"`
		Profile           string        `json:"profile"`
		Interaction       []interaction `json:"interaction"`
		Versioning        string        `json:"versioning"`
		ReadHistory       bool          `json:"readHistory"`
		UpdateCreate      bool          `json:"updateCreate"`
		ConditionalCreate bool          `json:"conditionalCreate"`
		ConditionalRead   string        `json:"conditionalRead"`
		ConditionalUpdate bool          `json:"conditionalUpdate"`
		ConditionalDelete string        `json:"conditionalDelete"`
		ReferencePolicy   []string      `json:"referencePolicy"`
		SearchInclude     []string      `json:"searchInclude,omitempty"`
		SearchRevInclude  []string      `json:"searchRevInclude,omitempty"`
		SearchParam       []searchParam `json:"searchParam,omitempty"`
		Operation         []operation   `json:"operation,omitempty"`
	}
	interaction struct {
		Code string `json:"code"`
	}
	searchParam struct {
		Name          string `json:"name"`
		Definition    string `json:"definition,omitempty"`
		Type          string `json:"type"`
		Documentation string `json:"documentation,omitempty"`
	}
	operation struct {
		Name       string `json:"name"`
		Definition string `json:"definition"`
	}
)

// CapabilityStatement writes the statement of a server as a resource in JSON.
func CapabilityStatement(s Server) ([]byte, error) {
	out := statement{
		ResourceType: "CapabilityStatement", Status: "active", Date: s.Date.UTC().Format(time.RFC3339), Kind: "instance",
		Software: software{"Hob", s.Version}, FHIRVersion: FHIRVersion, Format: s.Formats,
	}
	if s.Base != "" {
		out.Implementation = &implementation{"Hob, a FHIR R4 server", s.Base}
	}
	r := rest{Mode: "server", Interaction: codes(s.System), Security: smartSecurity(s.OAuth)}
	for _, p := range search.Everywhere() {
		r.SearchParam = append(r.SearchParam, searchParam{p.Code, p.Definition, p.Type, said(p)})
	}
	for _, op := range s.Operations {
		if op.System {
			r.Operation = append(r.Operation, operation{op.Name, op.Definition})
		}
	}
	for _, typ := range s.Compartments { // whose definitions are named as relatedPerson
		r.Compartment = append(r.Compartment, "http://hl7.org/fhir/CompartmentDefinition/"+strings.ToLower(typ[:1])+typ[1:])
	}
	for _, typ := range fhirmap.ResourceTypes() {
		r.Resource = append(r.Resource, s.resource(typ))
	}
	out.Rest = []rest{r}
	return json.Marshal(out)
}

// smartSecurity is what apps of SMART 1.0 look for, who know no .well-known/smart-configuration.
func smartSecurity(uris map[string]string) *security {
	if len(uris) == 0 {
		return nil
	}
	all := extension{URL: "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"}
	for _, name := range slices.Sorted(maps.Keys(uris)) {
		all.Extension = append(all.Extension, extension{URL: name, URI: uris[name]})
	}
	service := coding{"http://terminology.hl7.org/CodeSystem/restful-security-service", "SMART-on-FHIR"}
	return &security{Extension: []extension{all}, Service: []concept{{[]coding{service}}}}
}

func (s Server) resource(typ string) resource {
	r := resource{
		Type: typ, Profile: "http://hl7.org/fhir/StructureDefinition/" + typ, Interaction: codes(s.Types),
		Versioning: "versioned", ReadHistory: true, UpdateCreate: !s.NoUpdate,
		ConditionalRead: "full-support", ConditionalCreate: s.ConditionalCreate, ConditionalUpdate: s.ConditionalUpdate,
		ConditionalDelete: cmp.Or(s.ConditionalDelete, "not-supported"), ReferencePolicy: []string{"literal", "logical"},
	}
	for _, p := range s.Catalog.For(typ) {
		r.SearchParam = append(r.SearchParam, searchParam{p.Code, p.Definition, p.Type, said(p)})
	}
	r.SearchInclude = append([]string{"*"}, s.Catalog.Includes(typ)...)
	r.SearchRevInclude = append([]string{"*"}, s.Catalog.Referrers(typ)...)
	for _, op := range s.Operations {
		if slices.Contains(op.On, typ) {
			r.Operation = append(r.Operation, operation{op.Name, op.Definition})
		}
	}
	return r
}

// said is what has no element of its own in R4: the prefixes and modifiers of a parameter, and what it finds if nothing defines it.
func said(p search.Parameter) string {
	var parts []string
	if p.Finds != "" {
		parts = append(parts, p.Finds)
	}
	if len(p.Comparators) > 0 {
		parts = append(parts, "prefixes "+strings.Join(p.Comparators, " "))
	}
	if len(p.Modifiers) > 0 {
		parts = append(parts, "modifiers :"+strings.Join(p.Modifiers, " :"))
	}
	return strings.Join(parts, "; ")
}

func codes(names []string) []interaction {
	var out []interaction
	for _, n := range names {
		out = append(out, interaction{n})
	}
	return out
}
