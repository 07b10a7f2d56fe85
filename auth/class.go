package auth

import (
	"slices"
	"strings"
)

// class says by what a resource belongs to somebody, and so who may see it but for scopes of system/.
type class string

// The classes. A type that is in none of the lists is administrative.
const (
	compartment    class = "compartment"    // seen by those who may see one of the patients that it belongs to
	shared         class = "shared"         // about nobody: read by every caller with the scope
	owned          class = "by owner"       // seen by those who may see what it belongs to
	administrative class = "administrative" // of the house itself
)

// classes is the table. The patients of a compartment resource are its _patient rows: R4's definition of the patient compartment, and
// what it leaves out (search/index.go).
var classes = map[class]string{
	compartment: `Account AdverseEvent AllergyIntolerance Appointment AppointmentResponse BodyStructure CarePlan CareTeam ChargeItem Claim
		ClaimResponse ClinicalImpression Communication CommunicationRequest Composition Condition Consent Contract Coverage
		CoverageEligibilityRequest CoverageEligibilityResponse DetectedIssue Device DeviceRequest DeviceUseStatement DiagnosticReport
		DocumentManifest DocumentReference Encounter EnrollmentRequest EpisodeOfCare ExplanationOfBenefit FamilyMemberHistory Flag Goal
		Group GuidanceResponse ImagingStudy Immunization ImmunizationEvaluation ImmunizationRecommendation Invoice List MeasureReport Media
		MedicationAdministration MedicationDispense MedicationRequest MedicationStatement MolecularSequence NutritionOrder Observation
		Patient Person Procedure Provenance QuestionnaireResponse RelatedPerson RequestGroup ResearchSubject RiskAssessment Schedule
		ServiceRequest Specimen SupplyDelivery SupplyRequest Task VisionPrescription`,
	shared: `ActivityDefinition CapabilityStatement CatalogEntry ChargeItemDefinition CodeSystem CompartmentDefinition ConceptMap
		DeviceDefinition EffectEvidenceSynthesis Endpoint EventDefinition Evidence EvidenceVariable ExampleScenario GraphDefinition
		HealthcareService ImplementationGuide InsurancePlan Library Location Measure Medication MedicationKnowledge MedicinalProduct
		MedicinalProductAuthorization MedicinalProductContraindication MedicinalProductIndication MedicinalProductIngredient
		MedicinalProductInteraction MedicinalProductManufactured MedicinalProductPackaged MedicinalProductPharmaceutical
		MedicinalProductUndesirableEffect MessageDefinition NamingSystem ObservationDefinition OperationDefinition Organization
		OrganizationAffiliation PlanDefinition Practitioner PractitionerRole Questionnaire ResearchDefinition ResearchElementDefinition
		ResearchStudy RiskEvidenceSynthesis SearchParameter Slot SpecimenDefinition StructureDefinition StructureMap Substance
		SubstanceNucleicAcid SubstancePolymer SubstanceProtein SubstanceReferenceInformation SubstanceSourceMaterial
		SubstanceSpecification TerminologyCapabilities TestScript ValueSet`,
	owned: `Basic Binary Bundle Linkage MessageHeader`,
	administrative: `AuditEvent BiologicallyDerivedProduct DeviceMetric EnrollmentResponse OperationOutcome Parameters PaymentNotice
		PaymentReconciliation Subscription TestReport VerificationResult`,
}

// membersOnly are compartment types of which a resource names many patients: it is seen by those who may see all of them, for it
// would tell the ones about the others.
var membersOnly = []string{"Group"}

// byType is the table by type.
type byType map[string]class

func newClasses() byType {
	out := byType{}
	for c, names := range classes {
		for typ := range strings.FieldsSeq(names) {
			out[typ] = c
		}
	}
	return out
}

// of is the class of a type.
func (b byType) of(typ string) class {
	if c := b[typ]; c != "" {
		return c
	}
	return administrative
}

// list is the types of a class, by name.
func (b byType) list(c class) []string {
	var out []string
	for typ, of := range b {
		if of == c {
			out = append(out, typ)
		}
	}
	slices.Sort(out)
	return out
}
