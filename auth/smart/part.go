package smart

import (
	"maps"
	"slices"
)

// kinds are the types that a user can tell apart on the consent page, in words.
var kinds = map[string]string{
	"AllergyIntolerance": "Allergies", "CarePlan": "Care plans", "CareTeam": "Care teams", "Condition": "Conditions", "Coverage": "Insurance",
	"Device": "Devices and implants", "DiagnosticReport": "Reports", "DocumentReference": "Documents", "Encounter": "Visits", "Goal": "Goals",
	"Immunization": "Vaccinations", "MedicationDispense": "Medications handed out", "MedicationRequest": "Prescriptions",
	"MedicationStatement": "Medications taken", "Observation": "Measurements and results", "Patient": "Name, address and birth date",
	"Procedure": "Procedures", "QuestionnaireResponse": "Answered questionnaires", "RelatedPerson": "Relatives", "ServiceRequest": "Orders and referrals",
	"Specimen": "Samples", "Practitioner": "Practitioners", "Organization": "Organizations", "Appointment": "Appointments",
}

var partTypes = slices.Sorted(maps.Keys(kinds))

type category struct{ system, code, text string }

const (
	observationCategory = "http://terminology.hl7.org/CodeSystem/observation-category"
	conditionCategory   = "http://terminology.hl7.org/CodeSystem/condition-category"
	usCoreCondition     = "http://hl7.org/fhir/us/core/CodeSystem/condition-category"
	usCoreCategory      = "http://hl7.org/fhir/us/core/CodeSystem/us-core-category"
)

// categories are those of R4 and US Core by which granular scopes divide a type.
var categories = map[string][]category{
	"Condition": {
		{conditionCategory, "encounter-diagnosis", "Diagnoses made at a visit"}, {usCoreCondition, "health-concern", "Health concerns"},
		{conditionCategory, "problem-list-item", "The problem list"},
	},
	"Observation": {
		{observationCategory, "laboratory", "Laboratory results"}, {observationCategory, "social-history", "Social history"},
		{observationCategory, "survey", "Questionnaires and scores"}, {observationCategory, "vital-signs", "Vital signs"},
		{observationCategory, "imaging", "Imaging"}, {observationCategory, "procedure", "Results of procedures"},
		{usCoreCategory, "sdoh", "Social circumstances"},
	},
}
