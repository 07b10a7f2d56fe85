package fhirmap

import (
	"fmt"
	"maps"
	"slices"
)

// A patchValue is the part of a FHIRPath Patch that gives a value: by value[x], by a resource, or by parts, each of which is named
// after an element and gives its value in turn.
type patchValue struct {
	part *Element
	json *node // the same part
}

// element says how the value is written as the element of a name of a type: under which member, and both halves of it, of which
// either may be nil.
func (v patchValue) element(t *typeDef, name string) (m *member, json, beside *node, err error) {
	var among []*member
	for _, key := range slices.Sorted(maps.Keys(t.members)) {
		if m := t.members[key]; m.typ != nil && m.name == name && !m.beside {
			among = append(among, m)
		}
	}
	if len(among) == 0 {
		return nil, nil, nil, Errorf(CodeStructure, "", "%s is not an element of %s; a choice is named without its type, as value", quote(name), t.path)
	}
	value, parts := v.part.First("value"), slices.Collect(v.part.Each("part"))
	switch {
	case value != nil:
		if m = fitting(among, value.Type); m == nil {
			return nil, nil, nil, Errorf(CodeValue, "", "the value is a %s; %s of %s may be %s", value.Type, name, t.path, typesOf(among))
		}
		return m, v.json.get(value.Key), v.json.get("_" + value.Key), nil
	case v.part.First("resource") != nil:
		if m = among[0]; m.typ.kind != kindResource {
			return nil, nil, nil, Errorf(CodeValue, "", "the value is a resource; %s of %s may be %s", name, t.path, typesOf(among))
		}
		return m, v.json.get("resource"), nil, nil
	case len(parts) == 0:
		return nil, nil, nil, Errorf(CodeStructure, "", "the value for %s is empty; it must have a value[x], a resource or parts", name)
	case len(among) > 1 || among[0].typ.kind != kindObject:
		return nil, nil, nil, Errorf(CodeValue, "", "the value for %s has parts; it must be a value[x] with one of the types %s", name, typesOf(among))
	}
	m = among[0]
	json = newObject()
	for i, part := range parts {
		inner := patchValue{part, v.json.get("part").open()[i].value}
		im, ijson, ibeside, err := inner.element(m.typ, part.String("name"))
		if err == nil {
			err = json.add(m.typ, im, ijson, ibeside)
		}
		if err != nil {
			return nil, nil, nil, within(name, err)
		}
	}
	return m, json, nil, nil
}

// within says in an error which element of a value it is about.
func within(name string, err error) error {
	if o, ok := err.(*Outcome); ok {
		return Errorf(o.Issues[0].Code, "", "in the value for %s, %s", name, o.Issues[0].Diagnostics)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// fitting returns the member for a value of a type: the very type, or else one that it specializes. A string may be XHTML, which
// Parameters have no other form for.
func fitting(among []*member, typ string) *member {
	for ; typ != "" && typ != "Element" && typ != "BackboneElement"; typ = typeParents[typ] {
		for _, m := range among {
			if m.typ.name == typ || m.typ.name == "xhtml" && typ == "string" {
				return m
			}
		}
	}
	return nil
}

func typesOf(among []*member) string {
	names := make([]string, len(among))
	for i, m := range among {
		names[i] = m.typ.name
	}
	return list(slices.Compact(names), 8)
}
