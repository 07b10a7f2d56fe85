package server

import "github.com/hob-fhir/hob/search"

// standard lists the operations that every server has. Config.Operations come after them.
func standard(c *Config, p *pages, from references) []Operation {
	return []Operation{
		{Name: "validate", Definition: definition + "Resource-validate", On: Type | Instance, Do: validate(c, from)},
		{Name: "meta", Definition: definition + "Resource-meta", On: Instance, Do: metaOf},
		{Name: "meta-add", Definition: definition + "Resource-meta-add", On: Instance, Prepare: metaAdd(c)},
		{Name: "meta-delete", Definition: definition + "Resource-meta-delete", On: Instance, Prepare: metaDelete(c)},
		{Name: "link-identifier", Definition: ownDefinition + "link-identifier", On: Instance, Types: search.Sourced, Prepare: linkIdentifier(c)},
		{Name: "unlink-identifier", Definition: ownDefinition + "unlink-identifier", On: Instance, Types: search.Sourced, Prepare: unlinkIdentifier(c)},
		{Name: "filter", Definition: ownDefinition + "filter", On: Type, Do: filter(c, p)},
		{Name: "everything", Definition: definition + "Patient-everything", On: Type | Instance, Types: []string{"Patient"}, Do: everything(c, p)},
		{Name: "everything", Definition: definition + "Encounter-everything", On: Instance, Types: []string{"Encounter"}, Do: everything(c, p)},
		{Name: "lastn", Definition: definition + "Observation-lastn", On: Type, Types: []string{"Observation"}, Do: lastn(c, p)},
		{Name: "stats", Definition: definition + "Observation-stats", On: Type, Types: []string{"Observation"}, Do: stats(c)},
	}
}

// definition is what the canonical URLs of R4's operations begin with.
const definition = "http://hl7.org/fhir/OperationDefinition/"

// ownDefinition is what the canonical URLs of Hob's own operations begin with.
const ownDefinition = "urn:hob:operation:"
