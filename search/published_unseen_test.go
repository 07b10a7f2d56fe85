package search

import (
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
)

// without lists the published pairs that have no rows, and why.
var without = map[string]string{
	"Resource._content":            "published without an expression: words of the whole resource",
	"DomainResource._text":         "published without an expression: words of the narrative",
	"Resource._filter":             "published without an expression: a query language",
	"Resource._query":              "published without an expression: named queries",
	"Patient.age":                  "published without an expression: an extension that R4 does not define",
	"Patient.birthOrderBoolean":    "published without an expression: an extension that R4 does not define",
	"Resource._id (example)":       "published to illustrate SearchParameter",
	"Condition.subject (example)":  "published to illustrate SearchParameter: Condition-subject is the parameter",
	"Patient.part-agree (example)": "published to illustrate SearchParameter: an extension of DocumentReference with base Patient",
}

// textOnly lists the elements that official examples have, a parameter selects, and no row can be made of.
var textOnly = map[string]string{
	"CarePlan.activity-date string":       "scheduledString is free text, no date",
	"Immunization.date string":            "occurrenceString is free text, no date",
	"Consent.source-reference Attachment": "sourceAttachment is content, no reference",
}

// unseen returns resources of ours for the pairs of which no official example of the type has a value: it lacks the element, or
// has a display alone, a code without a code, or another type of a choice. ' stands for ".
func unseen() []string {
	out := strings.Split(strings.TrimSpace(unseenResources), "\n")
	for _, typ := range []string{
		"CapabilityStatement", "ChargeItemDefinition", "CodeSystem", "CompartmentDefinition", "ConceptMap", "EffectEvidenceSynthesis",
		"EventDefinition", "Evidence", "EvidenceVariable", "ExampleScenario", "GraphDefinition", "ImplementationGuide", "Measure",
		"MessageDefinition", "NamingSystem", "OperationDefinition", "Questionnaire", "ResearchDefinition", "ResearchElementDefinition",
		"RiskEvidenceSynthesis", "SearchParameter", "StructureDefinition", "StructureMap", "TerminologyCapabilities", "TestScript",
	} {
		out = append(out, definition(typ))
	}
	return out
}

// definition makes a resource that has every element of a conformance resource that its type has.
func definition(typ string) string {
	var b strings.Builder
	b.WriteString(`{'resourceType':'` + typ + `'`)
	for _, e := range []struct{ name, value string }{
		{"url", `'http://example.org/d'`},
		{"identifier", `[{'system':'urn:ietf:rfc:3986','value':'urn:oid:1.2.3'}]`},
		{"version", `'1.0'`}, {"name", `'Name'`}, {"title", `'Title'`}, {"date", `'2024-01'`}, {"publisher", `'Publisher'`},
		{"description", `'Description'`}, {"effectivePeriod", `{'start':'2024'}`},
		{"jurisdiction", `[{'coding':[{'system':'urn:iso:std:iso:3166','code':'NZ'}]}]`},
		{"topic", `[{'coding':[{'code':'topic'}]}]`},
		{"keyword", `[{'code':'keyword'}]`},
		{"useContext", `[{'code':{'code':'age'},'valueRange':{'low':{'value':3,'unit':'a'}}},{'code':{'code':'task'},'valueCodeableConcept':{'coding':[{'code':'t'}]}}]`},
		{"relatedArtifact", `[{'type':'depends-on','resource':'http://example.org/1'},{'type':'composed-of','resource':'http://example.org/2'},
			{'type':'derived-from','resource':'http://example.org/3'},{'type':'predecessor','resource':'http://example.org/4'},{'type':'successor','resource':'http://example.org/5'}]`},
	} {
		if d, ok := fhirmap.Define(typ, e.name); ok {
			value := e.value
			if !d.Repeats {
				value = strings.TrimSuffix(strings.TrimPrefix(value, "["), "]")
			}
			b.WriteString(`,'` + e.name + `':` + value)
		}
	}
	b.WriteString("}")
	return b.String()
}

const unseenResources = `
{'resourceType':'Basic','meta':{'source':'urn:example:source'}}
{'resourceType':'AdverseEvent','location':{'reference':'Location/1'},'resultingCondition':[{'reference':'Condition/1'}],'study':[{'reference':'ResearchStudy/1'}]}
{'resourceType':'AppointmentResponse','actor':{'reference':'Location/1'}}
{'resourceType':'CarePlan','activity':[{'reference':{'reference':'Task/1'}}],'basedOn':[{'reference':'CarePlan/1'}],'instantiatesCanonical':['http://example.org/p'],'partOf':[{'reference':'CarePlan/2'}],'replaces':[{'reference':'CarePlan/3'}]}
{'resourceType':'ClinicalImpression','finding':[{'itemReference':{'reference':'Condition/1'}}],'investigation':[{'item':[{'reference':'Observation/1'}]}],'previous':{'reference':'ClinicalImpression/1'},'problem':[{'reference':'Condition/2'}],'supportingInfo':[{'reference':'Observation/2'}]}
{'resourceType':'Communication','instantiatesCanonical':['http://example.org/p'],'partOf':[{'reference':'Procedure/1'}]}
{'resourceType':'CommunicationRequest','basedOn':[{'reference':'CarePlan/1'}],'replaces':[{'reference':'CommunicationRequest/1'}]}
{'resourceType':'Consent','sourceReference':{'reference':'Contract/1'}}
{'resourceType':'Contract','instantiatesUri':'http://example.org/c','url':'http://example.org/contract'}
{'resourceType':'Device','deviceName':[{'name':'Pump','type':'model-name'}],'location':{'reference':'Location/1'},'manufacturer':'Acme','modelNumber':'M1','owner':{'reference':'Organization/1'},'patient':{'reference':'Patient/1'},'type':{'coding':[{'code':'pump'}]},'udiCarrier':[{'carrierHRF':'(01)1','deviceIdentifier':'1'}],'url':'http://example.org/device','extension':[{'url':'http://hl7.org/fhir/SearchParameter/device-extensions-Device-din','valueIdentifier':{'system':'urn:d','value':'1'}}]}
{'resourceType':'DeviceDefinition','parentDevice':{'reference':'DeviceDefinition/1'},'type':{'coding':[{'code':'pump'}]}}
{'resourceType':'DeviceRequest','basedOn':[{'reference':'CarePlan/1'}],'encounter':{'reference':'Encounter/1'},'instantiatesUri':['http://example.org/i'],'insurance':[{'reference':'Coverage/1'}],'performer':{'reference':'Practitioner/1'},'priorRequest':[{'reference':'DeviceRequest/1'}]}
{'resourceType':'DiagnosticReport','resultsInterpreter':[{'reference':'Practitioner/1'}]}
{'resourceType':'Encounter','reasonReference':[{'reference':'Condition/1'}]}
{'resourceType':'EpisodeOfCare','referralRequest':[{'reference':'ServiceRequest/1'}]}
{'resourceType':'FamilyMemberHistory','instantiatesCanonical':['http://example.org/p']}
{'resourceType':'Group','managingEntity':{'reference':'Organization/1'},'characteristic':[{'code':{'coding':[{'code':'alive'}]},'valueBoolean':true,'exclude':false}]}
{'resourceType':'Immunization','reaction':[{'date':'2024-01-01','detail':{'reference':'Observation/1'}}],'reasonReference':[{'reference':'Condition/1'}]}
{'resourceType':'ImmunizationRecommendation','recommendation':[{'vaccineCode':[{'coding':[{'code':'1'}]}]}]}
{'resourceType':'InsurancePlan','contact':[{'address':{'use':'work','city':'Ghent','state':'Flanders','postalCode':'9000','country':'BE'}}],'administeredBy':{'reference':'Organization/1'},'ownedBy':{'reference':'Organization/2'},'endpoint':[{'reference':'Endpoint/1'}],'identifier':[{'value':'1'}],'status':'active','type':[{'coding':[{'code':'medical'}]}]}
{'resourceType':'Invoice','recipient':{'reference':'Patient/1'},'type':{'coding':[{'code':'i'}]}}
{'resourceType':'Media','device':{'reference':'Device/1'}}
{'resourceType':'Medication','identifier':[{'value':'1'}]}
{'resourceType':'MedicationKnowledge','medicineClassification':[{'type':{'coding':[{'code':'t'}]},'classification':[{'coding':[{'code':'c'}]}]}],'ingredient':[{'itemCodeableConcept':{'coding':[{'code':'i'}]}},{'itemReference':{'reference':'Substance/1'}}],'monitoringProgram':[{'type':{'coding':[{'code':'m'}]},'name':'Program'}],'monograph':[{'type':{'coding':[{'code':'m'}]},'source':{'reference':'DocumentReference/1'}}],'cost':[{'source':'List'}]}
{'resourceType':'MedicinalProductAuthorization','subject':{'reference':'MedicinalProduct/1'}}
{'resourceType':'MedicinalProductContraindication','subject':[{'reference':'Medication/1'}]}
{'resourceType':'MedicinalProductIndication','subject':[{'reference':'Medication/1'}]}
{'resourceType':'MedicinalProductInteraction','subject':[{'reference':'Medication/1'}]}
{'resourceType':'MedicinalProductPackaged','subject':[{'reference':'MedicinalProduct/1'}]}
{'resourceType':'MedicinalProductPharmaceutical','routeOfAdministration':[{'code':{'coding':[{'code':'r'}]},'targetSpecies':[{'code':{'coding':[{'code':'cat'}]}}]}]}
{'resourceType':'MedicinalProductUndesirableEffect','subject':[{'reference':'Medication/1'}]}
{'resourceType':'MessageDefinition','parent':['http://example.org/m']}
{'resourceType':'MolecularSequence','identifier':[{'value':'1'}],'referenceSeq':{'chromosome':{'coding':[{'code':'1'}]}},'variant':[{'start':1,'end':2}]}
{'resourceType':'NutritionOrder','instantiatesCanonical':['http://example.org/p'],'instantiatesUri':['http://example.org/u']}
{'resourceType':'Observation','extension':[{'url':'http://hl7.org/fhir/StructureDefinition/observation-geneticsAminoAcidChangeName','valueString':'p.G12D'},{'url':'http://hl7.org/fhir/StructureDefinition/observation-geneticsDnaVariant','valueString':'c.35G>A'}]}
{'resourceType':'OperationDefinition','inputProfile':'http://example.org/in','outputProfile':'http://example.org/out'}
{'resourceType':'Patient','extension':[{'url':'http://hl7.org/fhir/StructureDefinition/patient-extensions-Patient-mothersMaidenName','valueString':'Lopez'}]}
{'resourceType':'Provenance','target':[{'reference':'Patient/1'}],'occurredDateTime':'2024'}
{'resourceType':'QuestionnaireResponse','item':[{'extension':[{'url':'http://hl7.org/fhir/StructureDefinition/questionnaireresponse-isSubject','valueBoolean':true}],'linkId':'1','answer':[{'valueReference':{'reference':'Patient/1'}}]}]}
{'resourceType':'RequestGroup','code':{'coding':[{'code':'g'}]},'instantiatesUri':['http://example.org/u']}
{'resourceType':'ResearchStudy','category':[{'coding':[{'code':'c'}]}],'period':{'start':'2024'},'focus':[{'coding':[{'code':'f'}]}],'identifier':[{'value':'1'}],'keyword':[{'coding':[{'code':'k'}]}],'location':[{'coding':[{'code':'NZ'}]}],'partOf':[{'reference':'ResearchStudy/1'}],'principalInvestigator':{'reference':'Practitioner/1'},'protocol':[{'reference':'PlanDefinition/1'}],'site':[{'reference':'Location/1'}],'sponsor':{'reference':'Organization/1'},'title':'Study'}
{'resourceType':'ResearchSubject','period':{'start':'2024'}}
{'resourceType':'ServiceRequest','instantiatesCanonical':['http://example.org/p'],'instantiatesUri':['http://example.org/u'],'replaces':[{'reference':'ServiceRequest/1'}]}
{'resourceType':'SpecimenDefinition','identifier':{'value':'1'}}
{'resourceType':'SubstanceSpecification','code':[{'code':{'coding':[{'code':'s'}]}}]}
{'resourceType':'SupplyDelivery','patient':{'reference':'Patient/1'},'receiver':[{'reference':'Practitioner/1'}],'supplier':{'reference':'Organization/1'}}
{'resourceType':'SupplyRequest','requester':{'reference':'Practitioner/1'},'deliverTo':{'reference':'Location/1'},'supplier':[{'reference':'Organization/1'}]}
{'resourceType':'Task','basedOn':[{'reference':'CarePlan/1'}]}
{'resourceType':'VerificationResult','target':[{'reference':'Organization/1'}]}
`
