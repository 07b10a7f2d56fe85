package fhirmap

// typeTest is a type specifier. An unqualified name is a FHIR type if there is one, else one of FHIRPath's own. Those are met by FHIR
// primitives of their kind too, unless written System.: R4 itself writes value.as(DateTime) in Observation's code-value-date.
type typeTest struct {
	name   string
	leaf   bool // no type derives from it
	system bool // one of FHIRPath's own types
	strict bool // System. or FHIR. was written
}

// typeParents are R4's data types and abstract types, and what each specializes (R4 section 2.24). Resource types are not listed.
var typeParents = map[string]string{
	"Resource": "", "DomainResource": "Resource", "Element": "", "BackboneElement": "Element",

	"base64Binary": "Element", "boolean": "Element", "date": "Element", "dateTime": "Element", "decimal": "Element",
	"instant": "Element", "integer": "Element", "string": "Element", "time": "Element", "uri": "Element", "xhtml": "Element",
	"code": "string", "id": "string", "markdown": "string",
	"canonical": "uri", "oid": "uri", "url": "uri", "uuid": "uri",
	"positiveInt": "integer", "unsignedInt": "integer",

	"Address": "Element", "Annotation": "Element", "Attachment": "Element", "CodeableConcept": "Element", "Coding": "Element",
	"ContactDetail": "Element", "ContactPoint": "Element", "Contributor": "Element", "DataRequirement": "Element",
	"Expression": "Element", "Extension": "Element", "HumanName": "Element", "Identifier": "Element", "Meta": "Element",
	"Money": "Element", "Narrative": "Element", "ParameterDefinition": "Element", "Period": "Element", "Quantity": "Element",
	"Range": "Element", "Ratio": "Element", "Reference": "Element", "RelatedArtifact": "Element", "SampledData": "Element",
	"Signature": "Element", "TriggerDefinition": "Element", "UsageContext": "Element",
	"Age": "Quantity", "Count": "Quantity", "Distance": "Quantity", "Duration": "Quantity", "MoneyQuantity": "Quantity",
	"SimpleQuantity": "Quantity",
	"Dosage":         "BackboneElement", "ElementDefinition": "BackboneElement", "MarketingStatus": "BackboneElement",
	"Population": "BackboneElement", "ProdCharacteristic": "BackboneElement", "ProductShelfLife": "BackboneElement",
	"SubstanceAmount": "BackboneElement", "Timing": "BackboneElement",
}

// systemTypes are FHIRPath's own types and the kinds that meet them.
var systemTypes = map[string]pathKind{
	"Any": pathObject, "Boolean": pathBoolean, "String": pathText, "Integer": pathInteger, "Decimal": pathDecimal,
	"Date": pathDate, "DateTime": pathDateTime, "Time": pathTime, "Quantity": pathQuantity,
}

// withChildren are the types that others specialize.
var withChildren = func() map[string]bool {
	m := map[string]bool{"DomainResource": true}
	for _, parent := range typeParents {
		m[parent] = true
	}
	return m
}()

// testFor makes the test for a name; namespace is FHIR, System or "". It reports whether there is such a type.
func testFor(namespace, name string) (typeTest, bool) {
	_, data := typeParents[name]
	if namespace != "System" && (data || IsResource(name)) {
		return typeTest{name: name, leaf: !withChildren[name], strict: namespace != ""}, true
	}
	_, system := systemTypes[name]
	return typeTest{name: name, system: true, strict: namespace != ""}, system && namespace != "FHIR"
}

// holds reports whether an element is of the type or of one that specializes it.
func (t typeTest) holds(e *Element) bool {
	if t.system {
		if t.strict && e.Name != "" {
			return false
		}
		return t.name == "Any" || kindOf(e.Type) == systemTypes[t.name]
	}
	if e.Type == t.name {
		return true
	}
	if t.leaf {
		return false
	}
	for typ := parentOf(e.Type); typ != ""; typ = parentOf(typ) {
		if typ == t.name {
			return true
		}
	}
	return false
}

// parentOf returns what a type specializes, "" for none.
func parentOf(typ string) string {
	if parent, ok := typeParents[typ]; ok {
		return parent
	}
	switch {
	case !IsResource(typ):
		return "BackboneElement" // a nested type with a name of its own
	case typ == "Bundle" || typ == "Binary" || typ == "Parameters":
		return "Resource"
	}
	return "DomainResource"
}
