package main

import (
	"bytes"
	"errors"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hob-fhir/hob/fhirmap"
)

// head is what a look at the top level of a resource tells.
type head struct {
	typ, id string
	noID    bool     // there is no id at all
	bundle  string   // Bundle.type
	entries [][]byte // Bundle.entry, parts of the value that was looked at
}

var errNoResource = errors.New("no FHIR resource: resourceType is missing")

// look reads the top level of a value.
func look(data []byte) (h head, err error) {
	h.noID = true
	err = members(data, func(name string, value jsontext.Value) error {
		switch name {
		case "resourceType":
			h.typ = text(value)
		case "id":
			h.id, h.noID = text(value), false
		case "type":
			h.bundle = text(value)
		case "entry":
			if value.Kind() == '[' {
				h.entries, err = elements(value)
			}
		}
		return err
	})
	if err == nil && h.typ == "" {
		err = errNoResource
	}
	return h, err
}

// members calls fn for each member of an object. The value is a part of data.
func members(data []byte, fn func(name string, value jsontext.Value) error) error {
	d := jsontext.NewDecoder(bytes.NewBuffer(data), lenient...)
	if d.PeekKind() != '{' {
		return errNoResource
	}
	if _, err := d.ReadToken(); err != nil {
		return syntax(err)
	}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return syntax(err)
		}
		key := name.String()
		v, err := d.ReadValue()
		if err != nil {
			return syntax(err)
		}
		end := d.InputOffset()
		if err := fn(key, data[end-int64(len(v)):end]); err != nil {
			return err
		}
	}
	return nil
}

// elements cuts an array into its values, which are parts of data.
func elements(data []byte) (out [][]byte, err error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(data), lenient...)
	d.ReadToken()
	for d.PeekKind() != ']' {
		v, err := d.ReadValue()
		if err != nil {
			return nil, syntax(err)
		}
		end := d.InputOffset()
		out = append(out, data[end-int64(len(v)):end])
	}
	return out, nil
}

// text is the value of a JSON string, "" of anything else.
func text(v jsontext.Value) string {
	if v.Kind() != '"' {
		return ""
	}
	b, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return ""
	}
	return string(b)
}

// entry is one entry of a Bundle.
type entry struct {
	fullURL  string
	method   string // of its request
	mode     string // of its search
	resource []byte
	head
}

// bundle emits the entries of a Bundle as resources, in their order:
//
//   - Where a fullUrl is a urn:, the references to it become references to the resource as it is loaded. A resource without an id takes
//     the one in a urn:uuid or urn:oid, so that loading a Bundle twice makes no second copy.
//   - Of a history, the newest version of each resource is loaded, unless it was deleted.
//   - Entries that would delete, patch or only ask, and the messages about a search, are skipped.
func (s *splitter) bundle(data []byte, h head) error {
	entries := make([]entry, len(h.entries))
	known := map[string]string{} // fullUrl to relative reference
	for i, raw := range h.entries {
		e, err := readEntry(raw)
		if err != nil {
			return s.refuse(err)
		}
		if urn := strings.HasPrefix(e.fullURL, "urn:"); urn && e.typ != "" {
			if e.noID {
				if e.id = idOf(e.fullURL); e.id != "" {
					e.resource, e.noID = withID(e.resource, e.id), false
				}
			}
			if e.id != "" {
				known[e.fullURL] = e.typ + "/" + e.id
			}
		}
		entries[i] = e
	}
	seen := map[string]bool{}
	for _, e := range entries {
		if h.bundle == "history" {
			key := e.fullURL
			if e.typ != "" {
				key = e.typ + "/" + e.id
			} else if i := strings.LastIndexByte(strings.TrimSuffix(key, "/"), '/'); i > 0 {
				key = key[strings.LastIndexByte(key[:i], '/')+1:]
			}
			if seen[key] {
				if err := s.skip("a newer version of it is in the same history"); err != nil {
					return err
				}
				continue
			}
			seen[key] = true
		}
		if err := s.entry(e, known); err != nil {
			return err
		}
	}
	return nil
}

func (s *splitter) entry(e entry, known map[string]string) error {
	switch {
	case e.method == "DELETE" || e.method == "PATCH" || e.method == "GET" || e.method == "HEAD":
		return s.skip("its entry of the Bundle is a " + e.method)
	case e.resource == nil:
		return s.skip("its entry of the Bundle holds no resource")
	case e.mode == "outcome":
		return s.skip("it is a message about a search")
	case e.typ == "":
		return s.refuse(errNoResource)
	}
	return s.item(&item{data: relinked(e.resource, known), typ: e.typ, id: e.id, noID: e.noID})
}

func readEntry(raw []byte) (e entry, err error) {
	err = members(raw, func(name string, value jsontext.Value) (err error) {
		switch name {
		case "fullUrl":
			e.fullURL = text(value)
		case "resource":
			if value.Kind() == '{' {
				e.resource = value
			}
		case "request":
			e.method, err = memberText(value, "method")
		case "search":
			e.mode, err = memberText(value, "mode")
		}
		return err
	})
	if err != nil {
		return e, errors.New("an entry of the Bundle is no object")
	}
	if e.resource != nil {
		e.head, _ = look(e.resource)
	}
	return e, nil
}

// memberText is the text of one member of an object.
func memberText(data jsontext.Value, name string) (out string, err error) {
	if data.Kind() != '{' {
		return "", nil
	}
	err = members(data, func(n string, value jsontext.Value) error {
		if n == name {
			out = text(value)
		}
		return nil
	})
	return out, err
}

// idOf takes an id from a urn:uuid or urn:oid; "" if what follows is none.
func idOf(urn string) string {
	id := strings.TrimPrefix(strings.TrimPrefix(urn, "urn:uuid:"), "urn:oid:")
	if id == urn || !fhirmap.IsID(id) {
		return ""
	}
	return id
}

// withID puts an id before the other members of an object that has none.
func withID(data []byte, id string) []byte {
	at := bytes.IndexByte(data, '{') + 1
	out := make([]byte, 0, len(data)+len(id)+8)
	out = append(out, data[:at]...)
	out = append(append(append(out, `"id":"`...), id...), `",`...)
	return append(out, data[at:]...)
}

// relinked replaces the references, and urls of attachments, that name a fullUrl. Everything else stays to the letter.
func relinked(data []byte, known map[string]string) []byte {
	if len(known) == 0 || !bytes.Contains(data, []byte(`"urn:`)) {
		return data
	}
	var out []byte
	done := 0
	d := jsontext.NewDecoder(bytes.NewBuffer(data), lenient...)
	name := ""
	for {
		t, err := d.ReadToken()
		if err != nil {
			break
		}
		if t.Kind() != '"' {
			continue
		}
		value := t.String()
		if kind, n := d.StackIndex(d.StackDepth()); kind == '{' && n%2 == 1 {
			name = value
			continue
		}
		to, ok := known[value]
		if !ok || name != "reference" && name != "url" {
			continue
		}
		end := int(d.InputOffset())
		begin := bytes.LastIndexByte(data[:end-1], '"')
		out = append(append(out, data[done:begin+1]...), to...)
		done = end - 1
	}
	if out == nil {
		return data
	}
	return append(out, data[done:]...)
}
