package fhirmap

import (
	"bytes"
	"slices"
)

// Summary is a value of _summary that leaves parts of a resource out (R4 section 3.1.1.5.8). There are two more, which ask nothing of a
// resource: count, and false, which is "" here.
type Summary string

const (
	SummaryTrue Summary = "true" // elements that R4 marks as summary, at every level, mandatory ones and modifiers
	SummaryText Summary = "text" // id, meta, text and mandatory elements
	SummaryData Summary = "data" // all but text
)

// Flags tells what R4 says of an element, which is named as in Define: "Patient.name", "HumanName.family", "Observation.value".
type Flags func(path string) (summary, modifier bool)

// Subsets makes subsets of resources. It may be used by several goroutines at once.
type Subsets struct {
	types map[*typeDef]map[string]keeping
}

// keeping is what R4 says of one JSON member.
type keeping struct {
	name                         string // "value" for valueQuantity and _valueString
	summary, mandatory, modifier bool
	typ                          *typeDef
}

// inSummary is whether SummaryTrue keeps the member. R4 marks most modifiers as summary; the others, modifierExtension of a resource above
// all, would change the meaning of what is kept all the same.
func (k keeping) inSummary() bool { return k.summary || k.mandatory || k.modifier }

// NewSubsets prepares the whole schema, in some 10 ms.
func NewSubsets(flags Flags) *Subsets {
	s := &Subsets{types: map[*typeDef]map[string]keeping{}}
	for _, t := range schema().byPath {
		members := make(map[string]keeping, len(t.members))
		for key, m := range t.members {
			k := keeping{name: m.name, typ: m.typ}
			if m.typ == nil { // resourceType
				k.summary, k.mandatory = true, true
			} else {
				k.summary, k.modifier = flags(t.path + "." + m.name)
				k.mandatory = t.elements[t.byName[m.name]].Required
			}
			if m.name == "id" || t.kind == kindResource && m.name == "meta" {
				k.summary, k.mandatory = true, true
			}
			members[key] = k
		}
		s.types[t] = members
	}
	return s
}

// subsetted is the tag of a resource that is not whole (R4 section 3.1.1.5.8): nobody should write it back.
const subsetted = `{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED","display":"subsetted"}`

// Subset returns a resource with the elements that _summary or _elements asks for, and the tag SUBSETTED in its meta. The body is
// compact JSON as Resource.JSON and Resource.Stamp give it; what is kept is copied to the letter, in one pass.
//
// elements are names of elements of the resource itself, without the type of a choice; what another type of resource has, or none, is
// passed over. Mandatory and modifier elements, id and meta are kept too. If there are elements, summary does not count: they say more
// closely what is wanted. With neither, the body itself is returned.
//
// With SummaryTrue an element that is kept has only those of its own elements that are; what would be left empty is left out, or
// kept whole where it is mandatory. Extensions, whose type R4 gives no flags, and resources in a resource are kept whole or not at all.
//
// The error is an *Outcome: the body is no resource, or the summary is none of the three.
func (s *Subsets) Subset(body []byte, summary Summary, elements []string) ([]byte, error) {
	if summary == "" && len(elements) == 0 {
		return body, nil
	}
	name := typeOfBody(body)
	members := s.types[schema().resources[name]]
	if members == nil {
		return nil, Errorf(CodeException, "", "the stored body is no resource of a type of R4, but begins with %s", quote(string(body[:min(len(body), 40)])))
	}
	w := &subsetWriter{subsets: s, in: body, out: make([]byte, 0, len(body)+len(subsetted)+len(`,"meta":{"tag":[]}`))}
	var keep func(keeping) bool
	switch {
	case len(elements) > 0:
		keep = func(k keeping) bool { return k.mandatory || k.modifier || slices.Contains(elements, k.name) }
	case summary == SummaryTrue:
		w.deep = true
		keep = keeping.inSummary
	case summary == SummaryText:
		keep = func(k keeping) bool { return k.mandatory || k.name == "text" }
	case summary == SummaryData:
		keep = func(k keeping) bool { return k.name != "text" }
	default:
		return nil, Errorf(CodeNotSupported, "", "_summary is %s; it may be true, text, data, count or false", quote(string(summary)))
	}
	w.resource(members, keep)
	return w.out, nil
}

// typeOfBody finds the resourceType.
func typeOfBody(body []byte) string {
	for m := range eachMember(body, 0) {
		if string(body[m.key:m.keyEnd]) == `"resourceType"` {
			return unquoted(body[m.value:m.end])
		}
	}
	return ""
}

// subsetWriter copies what is kept.
type subsetWriter struct {
	subsets *Subsets
	in, out []byte
	deep    bool // choose within elements too
}

// resource writes the resource, with the tag.
func (w *subsetWriter) resource(members map[string]keeping, keep func(keeping) bool) {
	w.out = append(w.out, '{')
	tagged := false
	afterID := 1 // where a meta may stand that the resource has not
	for m := range eachMember(w.in, 0) {
		k := members[keyOf(w.in, m)]
		switch {
		case k.name == "meta":
			w.key(m)
			w.tag(w.in[m.value:m.end])
			tagged = true
		case !keep(k):
		case w.deep:
			w.deepMember(m, k)
		default:
			w.key(m)
			w.out = append(w.out, w.in[m.value:m.end]...)
		}
		if k.name == "id" || k.typ == nil {
			afterID = len(w.out)
		}
	}
	if !tagged {
		meta := `"meta":{"tag":[` + subsetted + `]}`
		if afterID > 1 {
			meta = "," + meta
		} else if len(w.out) > 1 {
			meta += ","
		}
		w.out = slices.Insert(w.out, afterID, []byte(meta)...)
	}
	w.out = append(w.out, '}')
}

// keyOf returns the name of a member, which in a resource has no escapes unless somebody wanted them.
func keyOf(json []byte, m jsonMember) string { return unquoted(json[m.key:m.keyEnd]) }

// key begins a member.
func (w *subsetWriter) key(m jsonMember) {
	w.comma()
	w.out = append(append(w.out, w.in[m.key:m.keyEnd]...), ':')
}

func (w *subsetWriter) comma() {
	if last := w.out[len(w.out)-1]; last != '{' && last != '[' {
		w.out = append(w.out, ',')
	}
}

// tag writes a meta with the tag, once.
func (w *subsetWriter) tag(meta []byte) {
	end := len(meta) - 1
	for m := range eachMember(meta, 0) {
		if keyOf(meta, m) != "tag" {
			continue
		}
		for item := range eachMember(meta, m.value) {
			if bytes.Contains(meta[item.value:item.end], []byte(`"SUBSETTED"`)) {
				w.out = append(w.out, meta...)
				return
			}
		}
		end = m.end - 1
		w.out = append(append(w.out, meta[:end]...), ","+subsetted...)
		w.out = append(w.out, meta[end:]...)
		return
	}
	w.out = append(w.out, meta[:end]...)
	w.comma()
	w.out = append(append(w.out, `"tag":[`+subsetted+`]`...), meta[end:]...)
}

// deepMember writes a member with what is summary within.
func (w *subsetWriter) deepMember(m jsonMember, k keeping) {
	start := len(w.out)
	w.key(m)
	value := len(w.out)
	if !w.isDeep(k) {
		w.out = append(w.out, w.in[m.value:m.end]...)
		return
	}
	if w.in[m.value] == '[' {
		w.out = append(w.out, '[')
		for item := range eachMember(w.in, m.value) {
			at := len(w.out)
			w.comma()
			if !w.object(item, k) {
				w.out = w.out[:at]
			}
		}
		if w.out = append(w.out, ']'); len(w.out) > value+2 {
			return
		}
	} else if w.object(m, k) {
		return
	}
	w.out = w.out[:start]
	if k.mandatory {
		w.key(m)
		w.out = append(w.out, w.in[m.value:m.end]...)
	}
}

// isDeep tells whether an element is an object from which some may be left out.
func (w *subsetWriter) isDeep(k keeping) bool {
	return k.typ != nil && k.typ.kind == kindObject && k.typ.name != "Extension"
}

// object writes the value of a member or item, and reports whether anything but an id is in it.
func (w *subsetWriter) object(m jsonMember, k keeping) bool {
	members := w.subsets.types[k.typ]
	some := false
	w.out = append(w.out, '{')
	for inner := range eachMember(w.in, m.value) {
		ik := members[keyOf(w.in, inner)]
		if !ik.inSummary() {
			continue
		}
		before := len(w.out)
		w.deepMember(inner, ik)
		some = some || len(w.out) > before && ik.name != "id"
	}
	w.out = append(w.out, '}')
	return some
}
