package search

import (
	"maps"
	"slices"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// SourceField holds, of a Patient or a Practitioner, each identifier whose system is a source: value · 00 · system, by the letter. These
// rows are unique: two of one type never hold the same.
const SourceField = "_sourced"

// Sourced are the types whose identifiers of sources are unique.
var Sourced = []string{"Patient", "Practitioner"}

// SourceValue is what a row of SourceField holds.
func SourceValue(system, value string) []byte {
	return append(append([]byte(exact(value)), 0), exact(system)...)
}

// AddSource makes an identifier system a source in the next edition, and reports whether it was none. Resources that are stored already have
// to be indexed again.
func (c *Catalog) AddSource(system string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.now()
	if was.sources[system] {
		return false
	}
	c.source(system, true)
	return true
}

// DropSource takes back what AddSource did.
func (c *Catalog) DropSource(system string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.source(system, false)
}

// IsSource reports whether a system is a source.
func (c *Catalog) IsSource(system string) bool { return c.now().sources[system] }

// source makes the next edition, in which a system is a source or is not.
func (c *Catalog) source(system string, is bool) {
	e := *c.now()
	e.number++
	e.sources = maps.Clone(e.sources)
	if e.sources == nil {
		e.sources = map[string]bool{}
	}
	if is {
		e.sources[system] = true
	} else {
		delete(e.sources, system)
	}
	e.generations = maps.Clone(e.generations)
	for _, typ := range Sourced {
		e.generations[typ] = e.number
	}
	c.edition.Store(&e)
}

// sourced adds the rows of SourceField.
func (x *indexer) sourced(r *fhirmap.Resource) {
	if len(x.sources) == 0 || !slices.Contains(Sourced, r.Type()) {
		return
	}
	for i := range r.Root().Each("identifier") {
		if system, value := i.String("system"), i.String("value"); value != "" && x.sources[system] {
			x.rows = append(x.rows, driver.Row{Field: SourceField, Value: driver.Point(SourceValue(system, value)), Unique: true})
		}
	}
}

// OfSystem asks for what has an identifier of a system, of a type that has the parameter identifier.
func OfSystem(system string) driver.Query {
	return driver.Lookup{Field: "identifier", Op: driver.LIKE, Values: []driver.Value{driver.Point([]byte("\x00" + exact(system) + "\x00"))}}
}
