package conformance

import (
	"sync"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/fhirmap"
)

// Subsets is what _summary and _elements leave of a resource, by what R4 says of each element. It is made at the first call.
var Subsets = sync.OnceValue(func() *fhirmap.Subsets { return fhirmap.NewSubsets(r4.FlagsOf) })
