package fhirmap

import (
	"bytes"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// CarryMeta returns the resource of an update with what its meta keeps of the version before (R4 section 2.26.3.2, tag updates):
// tags and security labels of both are merged, profiles are replaced. An update that names no profile keeps those there are: a
// client that leaves meta out means to change the content only. To take one away is the operation $meta-delete.
//
// A tag or label is the same if system and code are. The old ones follow the new. The result is update itself if nothing is to be
// kept; otherwise its members are in the order of Stamp.
func CarryMeta(old, update *Resource) *Resource {
	before, now := splitObject(old.head.whole), splitObject(update.head.whole)
	changed := false
	for _, name := range []string{"security", "tag"} {
		kept := splitArray(findMember(before, name))
		have := splitArray(findMember(now, name))
		merged := slices.Clone(have)
		for i, label := range slices.Collect(old.Meta().Each(name)) {
			if !slices.ContainsFunc(slices.Collect(update.Meta().Each(name)), label.sameCoding) {
				merged = append(merged, kept[i])
			}
		}
		if len(merged) > len(have) {
			now = setMember(now, name, slices.Concat([]byte("["), bytes.Join(merged, []byte(",")), []byte("]")))
			changed = true
		}
	}
	if findMember(now, "profile") == nil && findMember(now, "_profile") == nil {
		for _, name := range []string{"profile", "_profile"} {
			if value := findMember(before, name); value != nil {
				now = setMember(now, name, value)
				changed = true
			}
		}
	}
	if !changed {
		return update
	}
	b := []byte(`{"resourceType":"` + update.Type() + `"`)
	if id := update.ID(); id != "" {
		b = append(b, `,"id":"`+id+`"`...)
	}
	b = append(b, `,"meta":{`...)
	for i, m := range now {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, m.name...), ':'), m.value...)
	}
	b = append(b, '}')
	for _, run := range update.head.rest {
		b = append(append(b, ','), run...)
	}
	merged, err := Trusted(append(b, '}'))
	if err != nil {
		return update // cannot be: all pieces were read before
	}
	return merged
}

// sameCoding tells whether two Codings mean the same tag.
func (e *Element) sameCoding(other *Element) bool {
	return e.String("system") == other.String("system") && e.String("code") == other.String("code") &&
		(e.String("system")+e.String("code") != "" || e.String("display") == other.String("display"))
}

// A rawMember is a member of an object in compact JSON; the name has its quotes.
type rawMember struct{ name, value []byte }

// splitObject splits an object of compact JSON that was read before.
func splitObject(object []byte) (members []rawMember) {
	for i, v := range splitArray(object) {
		if i%2 == 0 {
			if bytes.IndexByte(v, '\\') >= 0 { // a name of the schema needs no escapes
				v, _ = jsontext.AppendUnquote([]byte(`"`), v)
				v = append(v, '"')
			}
			members = append(members, rawMember{name: v})
		} else {
			members[i/2].value = v
		}
	}
	return members
}

// splitArray returns the items of an array, or names and values of an object.
func splitArray(array []byte) (items [][]byte) {
	if array == nil {
		return nil
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(array))
	for _, err := dec.ReadToken(); err == nil && dec.PeekKind() != ']' && dec.PeekKind() != '}'; {
		var v jsontext.Value
		if v, err = dec.ReadValue(); err == nil {
			items = append(items, bytes.Clone(v))
		}
	}
	return items
}

// findMember returns the value of a member, nil if there is none.
func findMember(members []rawMember, name string) []byte {
	for _, m := range members {
		if string(m.name) == `"`+name+`"` {
			return m.value
		}
	}
	return nil
}

// setMember sets the value of a member in its place, or at the end.
func setMember(members []rawMember, name string, value []byte) []rawMember {
	for i, m := range members {
		if string(m.name) == `"`+name+`"` {
			members[i].value = value
			return members
		}
	}
	return append(members, rawMember{[]byte(`"` + name + `"`), value})
}
