// Package fhirmap is FHIR R4's shapes in Go: the only importer of google/fhir.
//
// Parse turns bytes into a Resource: immutable, validated, its JSON kept to the letter. A Resource is a tree of Elements that a
// Path (FHIRPath) selects from. What is wrong with an input is an Outcome, the one error type of Hob.
//
// What the reader knows of FHIR (Define, ResourceTypes) is compiled from google/fhir's descriptors; the reader checks syntax, shapes and
// values, google/fhir confirms. Trusted reads what is in the store, without values and without google/fhir.
//
//	bytes ── Parse ──▶ Resource ── Root ──▶ Element ◀── Path.Select
//	            │          └── Stamp ──▶ the body that is stored and served
//	            └── Outcome (issues with code, expression, sentence)
package fhirmap
