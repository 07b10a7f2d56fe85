package search

import (
	"maps"
	"slices"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// The fields that tell to whom a resource belongs. No parameter reads them; access control does.
const (
	PatientField = "_patient" // a Ref of every Patient in whose compartment a resource lies
	OwnerField   = "_owner"   // of a Binary: a Ref of its securityContext, unless that is a Patient
	BinaryField  = "_binary"  // of a type of Attaching: a Ref of every Binary that is attached to it by its URL
)

// Attaching are the types whose attachments are looked at for Binaries.
var Attaching = []string{"Communication", "CommunicationRequest", "Consent", "DiagnosticReport", "DocumentReference", "Media", "Patient"}

// beyondDefinition are the parameters that put resources into a Patient's compartment and that the definition of R4 leaves out.
var beyondDefinition = map[string][]string{
	"Contract":         {"patient"},
	"Device":           {"patient"},
	"GuidanceResponse": {"patient"},
	"Task":             {"patient"},
}

// PatientTypes lists the types that may have rows of PatientField, sorted: those of the definition, and what is a patient's all the same.
func PatientTypes() []string {
	all := append(Members("Patient"), "Binary")
	all = slices.AppendSeq(all, maps.Keys(beyondDefinition))
	slices.Sort(all)
	return slices.Compact(all)
}

// owner adds the rows of the fields that are not made of parameters.
func (x *indexer) owner(r *fhirmap.Resource) {
	switch {
	case r.Type() == "Binary":
		if e := r.Root().First("securityContext"); e != nil {
			low := x.reference(e.String("reference"), e.String("type"))
			field := OwnerField
			if refersTo(low, "Patient") {
				field = PatientField
			}
			x.rows = append(x.rows, driver.Row{Field: field, Value: driver.Point(low)})
		}
	case slices.Contains(Attaching, r.Type()):
		x.attachments(r.Root())
	}
}

func (x *indexer) attachments(e *fhirmap.Element) {
	if e.Type == "Attachment" {
		if k, ok := x.local(e.String("url")); ok && k.Type == "Binary" {
			x.rows = append(x.rows, driver.Row{Field: BinaryField, Value: driver.Point(k.Ref())})
		}
		return
	}
	for _, child := range e.Children {
		x.attachments(child)
	}
}
