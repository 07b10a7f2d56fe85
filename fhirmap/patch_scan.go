package fhirmap

import "bytes"

// Functions over compact JSON: valid, without white space between tokens, as a Resource has it and the store keeps it. They find where
// things end without looking into them. Of what is no such JSON they say that it ends where the bytes do.

// byteAt returns a byte, 0 beyond the end.
func byteAt(json []byte, at int) byte {
	if at < len(json) {
		return json[at]
	}
	return 0
}

// endOfString returns what follows the string that begins at a place.
func endOfString(json []byte, at int) int {
	for at++; ; at++ {
		quote := bytes.IndexByte(json[min(at, len(json)):], '"')
		if quote < 0 {
			return len(json)
		}
		at += quote
		escapes := 0
		for json[at-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return at + 1
		}
	}
}

// endOfValue returns what follows the value that begins at a place.
func endOfValue(json []byte, at int) int {
	switch byteAt(json, at) {
	case '"':
		return endOfString(json, at)
	case '{', '[':
		for depth := 0; at < len(json); {
			switch json[at] {
			case '"':
				at = endOfString(json, at)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return at + 1
				}
			}
			at++
		}
		return len(json)
	}
	if end := bytes.IndexAny(json[min(at, len(json)):], ",]}"); end >= 0 {
		return at + end
	}
	return len(json)
}

// jsonDepth returns how deep objects and arrays are nested.
func jsonDepth(json []byte) int {
	depth, most := 0, 0
	for at := 0; at < len(json); at++ {
		switch json[at] {
		case '"':
			at = endOfString(json, at) - 1
		case '{', '[':
			depth++
			most = max(most, depth)
		case '}', ']':
			depth--
		}
	}
	return most
}

// A jsonMember is a member of an object, or an item of an array without key, as places in compact JSON: the key with its quotes is
// json[key:keyEnd], the value json[value:end].
type jsonMember struct{ key, keyEnd, value, end int }

// eachMember yields the members of the object, or the items of the array, that begins at a place.
func eachMember(json []byte, at int) func(yield func(jsonMember) bool) {
	return func(yield func(jsonMember) bool) {
		object := byteAt(json, at) == '{'
		for at++; at < len(json) && json[at] != '}' && json[at] != ']'; {
			m := jsonMember{key: at, keyEnd: at, value: at}
			if object {
				m.keyEnd = endOfString(json, at)
				m.value = m.keyEnd + 1
			}
			m.end = endOfValue(json, m.value)
			if m.end <= at || !yield(m) {
				return
			}
			if at = m.end; byteAt(json, at) == ',' {
				at++
			}
		}
	}
}
