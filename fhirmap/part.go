package fhirmap

import "slices"

// TrustedPart is Trusted of some elements of the resource itself, by name and without the type of a choice; the others are passed over,
// which costs a small part of reading them. The body is compact JSON as Resource.JSON and Resource.Stamp give it. Element.Group counts
// what was read, so it tells instances apart but is not that of the whole.
func TrustedPart(body []byte, elements []string) (*Resource, error) {
	name := typeOfBody(body)
	t := schema().resources[name]
	if t == nil {
		return Trusted(body) // which says what is wrong
	}
	part := append(make([]byte, 0, 256), `{"resourceType":"`...)
	part = append(append(part, name...), '"')
	for m := range eachMember(body, 0) {
		if def := t.members[string(body[m.key+1:m.keyEnd-1])]; def != nil && def.typ != nil && slices.Contains(elements, def.name) {
			part = append(part, ',')
			part = append(part, body[m.key:m.end]...)
		}
	}
	return Trusted(append(part, '}'))
}
