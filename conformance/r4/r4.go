// Package r4 holds the published facts of FHIR R4 (4.0.1) that Hob is built on, as generated tables: SearchParameters, Compartments,
// Elements and Systems.
package r4

//go:generate go run ./gen hl7.fhir.r4.examples-4.0.1.tgz

// SearchParameter is a published SearchParameter. All slices are shared and must not be changed.
type SearchParameter struct {
	URL         string      // canonical, unique
	Name        string      // for code generation; not unique
	Code        string      // what a search URL says; unique within a type of Base, but for the examples
	Type        string      // number, date, string, token, reference, composite, quantity, uri, special
	Expression  string      // FHIRPath; "" for those that no element answers (_text, _content, _query, _filter, extensions not in R4)
	Base        []string    // resource types, Resource and DomainResource among them; empty for some extensions
	Target      []string    // of a reference: resource types, sorted
	Comparators []string    // empty: published without a word, so all that the type has
	Modifiers   []string    // empty: as above
	MultipleOr  bool        // several values with commas: false only where published so
	MultipleAnd bool        // the parameter several times: false only where published so
	Components  []Component // of a composite
	Example     bool        // published to illustrate SearchParameter: it repeats another or points nowhere, and is no part of search
}

// Component is a part of a composite SearchParameter: a parameter, by its URL, over the values that the expression selects from
// each element that the composite's expression selects.
type Component struct{ Definition, Expression string }

// Compartment says by which search parameters a resource belongs to a compartment (R4 section 2.10). A type that is never in it has
// no entry. "{def}" is the published word for the type of the compartment itself.
type Compartment struct {
	Code      string              // Patient, Encounter, RelatedPerson, Practitioner, Device
	Resources map[string][]string // resource type to codes of its search parameters
}

// Flags are what R4 says of an element besides its type and cardinality, which fhirmap knows.
type Flags uint8

const (
	Summary  Flags = 1 << iota // it is part of a summary (ElementDefinition.isSummary)
	Modifier                   // it may change the meaning of what it stands in (ElementDefinition.isModifier)
)

// FlagsOf returns the flags of an element by its path, as in Patient.contact.name or Observation.value, in the form that
// fhirmap.NewSubsets takes.
func FlagsOf(path string) (summary, modifier bool) {
	f := Elements[path]
	return f&Summary != 0, f&Modifier != 0
}

// System is a code system that gives the codes of an element their meaning.
type System struct {
	URL   string
	Codes []string // those of it that the element may have, where the element has codes of other systems too; nil: all of the element's
}
