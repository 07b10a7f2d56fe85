package server

// standard lists the operations that every server has. Config.Operations come after them.
func standard(c *Config, from references) []Operation {
	return []Operation{
		{Name: "validate", Definition: definition + "Resource-validate", On: Type | Instance, Do: validate(c, from)},
		{Name: "meta", Definition: definition + "Resource-meta", On: Instance, Do: metaOf},
		{Name: "meta-add", Definition: definition + "Resource-meta-add", On: Instance, Prepare: metaAdd(c)},
		{Name: "meta-delete", Definition: definition + "Resource-meta-delete", On: Instance, Prepare: metaDelete(c)},
	}
}

// definition is what the canonical URLs of R4's operations begin with.
const definition = "http://hl7.org/fhir/OperationDefinition/"
