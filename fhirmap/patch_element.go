package fhirmap

import (
	"slices"
)

// How elements stand in JSON (R4 section 2.6.2): an object is a member, a primitive is one or two, its value and, under the name with an
// underscore, its id and extensions; lists of primitives are two lists then, of equal length, with null where one has nothing.

// isPrimitive tells whether an element has its children in a member of their own.
func (e *Element) isPrimitive() bool { return primitives[e.Type].kind != kindObject }

// object returns the JSON object with the members of the last element of a trail; for a primitive that has none, a new one.
func (p *pathPatch) object(trail []*Element) *node {
	n := p.root
	for _, e := range trail[1:] {
		key := e.Key
		if e.isPrimitive() {
			key = "_" + key
		}
		n = n.slot(e.Key, key, e.Index)
	}
	return n
}

// slot returns the object that a member is, or that stands in a list at an index if that is not negative. What is missing is made,
// behind the member that is named after, if that is there.
func (n *node) slot(after, key string, index int) *node {
	if index < 0 {
		if n.get(key) == nil {
			n.putAfter(after, key, newObject())
		}
		return n.get(key)
	}
	if n.get(key) == nil {
		n.putAfter(after, key, newArray())
	}
	list := n.get(key)
	list.pad(index + 1)
	if list.members[index].value.isNull() {
		list.members[index].value = newObject()
	}
	if values := n.get(after); values != nil {
		list.pad(len(values.open()))
	}
	return list.members[index].value
}

// putAfter puts a member behind another, or at the end.
func (n *node) putAfter(after, key string, v *node) {
	at := n.find(after) + 1
	if at == 0 {
		at = len(n.members)
	}
	n.insert(at, newMember(key, v))
}

// pad fills a list with null up to a length.
func (n *node) pad(length int) {
	for len(n.open()) < length {
		n.insert(len(n.members), nodeMember{value: newNull()})
	}
}

// add is the operation, under the object n, which is of a type. json and beside are the two halves of the value; either may be nil.
func (n *node) add(t *typeDef, m *member, json, beside *node) error {
	if m.repeats {
		n.insertItem(m, -1, json, beside)
		return nil
	}
	for _, other := range n.open() {
		if there := t.members[other.name]; there != nil && there.name == m.name {
			return Errorf(CodeProcessing, "", "%s is there already and does not repeat; replace it", there.key)
		}
	}
	n.putHalves(len(n.members), m.key, json, beside)
	return nil
}

// putHalves inserts the members of an element that does not repeat.
func (n *node) putHalves(at int, key string, json, beside *node) {
	if beside != nil {
		n.insert(at, newMember("_"+key, beside))
	}
	if json != nil {
		n.insert(at, newMember(key, json))
	}
}

// halves returns both lists of a repeating element, of one length. One that is not there is nil, or made if there is something to put in.
func (n *node) halves(key string, json, beside *node) (values, besides *node) {
	values, besides = n.get(key), n.get("_"+key)
	if values == nil && json != nil {
		at := n.find("_" + key)
		if at < 0 {
			at = len(n.members)
		}
		values = newArray()
		n.insert(at, newMember(key, values))
	}
	if besides == nil && beside != nil {
		besides = newArray()
		n.putAfter(key, "_"+key, besides)
	}
	if values != nil && besides != nil {
		length := max(len(values.open()), len(besides.open()))
		values.pad(length)
		besides.pad(length)
	}
	return values, besides
}

// insertItem puts a value into a list, both halves of it; at -1 it comes last.
func (n *node) insertItem(m *member, at int, json, beside *node) {
	values, besides := n.halves(m.key, json, beside)
	if at < 0 {
		for _, list := range []*node{values, besides} {
			if list != nil {
				at = len(list.open())
			}
		}
	}
	for _, half := range []struct{ list, item *node }{{values, json}, {besides, beside}} {
		if half.list == nil {
			continue
		}
		if half.item == nil {
			half.item = newNull()
		}
		half.list.insert(at, nodeMember{value: half.item})
	}
}

// moveItem moves an item of a list, both halves of it.
func (n *node) moveItem(key string, from, to int) {
	for _, key := range []string{key, "_" + key} {
		if list := n.get(key); list != nil {
			item := list.open()[from]
			list.remove(from)
			list.insert(to, item)
		}
	}
}

// replace puts a value in the place of the element e, a child of the object n. m may be another type of a choice.
func (n *node) replace(e *Element, m *member, json, beside *node) {
	if e.Index < 0 {
		at := n.find(e.Key)
		if at < 0 {
			at = n.find("_" + e.Key)
		} else if b := n.find("_" + e.Key); b >= 0 && b < at {
			at = b
		}
		n.drop(e.Key)
		n.drop("_" + e.Key)
		n.putHalves(at, m.key, json, beside)
		return
	}
	values, besides := n.halves(e.Key, json, beside)
	for _, half := range []struct{ list, item *node }{{values, json}, {besides, beside}} {
		if half.list == nil {
			continue
		}
		if half.item == nil {
			half.item = newNull()
		}
		half.list.open()[e.Index].value = half.item
	}
	n.dropNulls("_" + e.Key)
}

// dropNulls removes a list of nulls only.
func (n *node) dropNulls(key string) {
	if list := n.get(key); list != nil && !slices.ContainsFunc(list.open(), func(m nodeMember) bool { return !m.value.isNull() }) {
		n.drop(key)
	}
}

// delete takes the last element of a trail away, and each object around it that is left without members.
func (p *pathPatch) delete(trail []*Element) {
	for last := len(trail) - 1; last > 0; last-- {
		e, n := trail[last], p.object(trail[:last])
		if e.Index < 0 {
			n.drop(e.Key)
			n.drop("_" + e.Key)
		} else {
			for _, key := range []string{e.Key, "_" + e.Key} {
				if list := n.get(key); list != nil {
					list.open()
					list.remove(e.Index)
					if len(list.members) == 0 {
						n.drop(key)
					}
				}
			}
			n.dropNulls("_" + e.Key)
		}
		if len(n.open()) > 0 {
			return
		}
		if owner := trail[last-1]; last > 1 && owner.isPrimitive() && owner.Value {
			p.dropBeside(trail[:last])
			return
		}
	}
}

// dropBeside takes away the id and extensions of a primitive that has a value, once none is left.
func (p *pathPatch) dropBeside(trail []*Element) {
	last := len(trail) - 1
	e, n := trail[last], p.object(trail[:last])
	if e.Index < 0 {
		n.drop("_" + e.Key)
		return
	}
	n.get("_" + e.Key).open()[e.Index].value = newNull()
	n.dropNulls("_" + e.Key)
}
