package fhirmap

// Patches (R4 section 3.1.0.7): JSONPatch and FHIRPathPatch take a resource and give the next. Both work on nodes, JSON that is copied
// to the letter wherever the patch does not reach, and both end in Parse: a patched resource is as valid as one that a client sent.
//
//	Resource ── node ── operations ── node ── Parse ──▶ Resource

// CodeBusinessRule is the issue code of a test operation that does not hold, and of nothing else that this package refuses: the
// resource is not as the client thought.
const CodeBusinessRule Code = "business-rule"

// Limits of a patch besides those of its result.
const (
	maxOperations = 10_000
	maxPatchSteps = 20_000_000 // of one patch: members and elements looked at, bytes copied by sixteens
)

// effort counts what a patch costs, so that a short one cannot keep a processor busy for long.
type effort struct{ steps int }

func (f *effort) spend(steps int) error {
	if f.steps += steps; f.steps > maxPatchSteps {
		return Errorf(CodeTooCostly, "", "the patch takes more than %d steps on this resource; write fewer or shorter operations", maxPatchSteps)
	}
	return nil
}

// patched validates the outcome of a patch of r.
func patched(r *Resource, json []byte, l Limits) (*Resource, error) {
	res, err := Parse(json, l)
	if err != nil {
		return nil, err
	}
	if res.Type() != r.Type() {
		return nil, Errorf(CodeProcessing, "", "the patch changes the resourceType from %s to %s; it must stay", r.Type(), res.Type())
	}
	if res.ID() != r.ID() {
		return nil, Errorf(CodeProcessing, r.Type()+".id", "the patch changes the id from %s to %s; it must stay", quote(r.ID()), quote(res.ID()))
	}
	return res, nil
}
