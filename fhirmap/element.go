package fhirmap

// Element is a node of a resource's tree: an object or a primitive. An array is as many Elements of one Name, in order. The
// members that JSON writes beside a primitive (`_birthDate`) are the children of that primitive.
type Element struct {
	Name     string // as in FHIRPath, without the type of a choice: "value"; a root has its resource type
	Key      string // as in JSON: "valueQuantity"
	Type     string // the FHIR type: "Quantity", "code", "BackboneElement", "Observation"
	Index    int    // place in a repeating element, from 0; -1 if the element does not repeat
	Group    uint32 // the innermost repeating instance that this element is or lies in, numbered from 1 in document order; 0 none
	Text     string // a primitive's value: a string decoded, a number as written, true or false; "" for an object
	Value    bool   // a primitive with a value (it may have only extensions)
	Children []*Element
}

// Each yields the children of a name in order; the name is without the type of a choice.
func (e *Element) Each(name string) func(yield func(*Element) bool) {
	return func(yield func(*Element) bool) {
		if e == nil {
			return
		}
		for _, c := range e.Children {
			if c.Name == name && !yield(c) {
				return
			}
		}
	}
}

// First returns the first child of a name, or nil. It may be called on nil.
func (e *Element) First(name string) *Element {
	for c := range e.Each(name) {
		return c
	}
	return nil
}

// String returns the text of the first child of a name, or "". It may be called on nil.
func (e *Element) String(name string) string {
	if c := e.First(name); c != nil {
		return c.Text
	}
	return ""
}
