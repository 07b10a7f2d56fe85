package fhirmap

import (
	"bytes"
	"strconv"
	"time"
)

// Resource is an immutable, valid FHIR resource. Parse and Trusted make it; it may be used by several goroutines at once.
type Resource struct {
	root   *Element
	json   []byte
	nested []span
	head   head
}

// Type returns the resource type: "Patient".
func (r *Resource) Type() string { return r.root.Type }

// ID returns the logical id, "" if there is none.
func (r *Resource) ID() string { return r.root.String("id") }

// Root returns the tree. It must not be changed.
func (r *Resource) Root() *Element { return r.root }

// JSON returns the resource without white space between tokens, all else to the letter. It must not be changed.
func (r *Resource) JSON() []byte { return r.json }

// Meta returns the meta element, nil if there is none.
func (r *Resource) Meta() *Element { return r.root.First("meta") }

// Inner returns a resource within this one, as a resource of its own: e is its element in the tree, such as Bundle.entry.resource or
// an item of contained. It returns nil if e is no such element.
func (r *Resource) Inner(e *Element) *Resource {
	for _, s := range r.nested {
		if s.element == e {
			inner, err := Trusted(r.json[s.start:s.end])
			if err != nil {
				return nil
			}
			return inner
		}
	}
	return nil
}

// A cut is a member of the compact JSON that Stamp replaces: its name begins at start, its value at value.
type cut struct {
	name              string
	start, value, end int
}

// A head is what Stamp needs: the runs of members that it keeps, without the commas around them.
type head struct {
	whole []byte   // the value of meta; nil if there is none
	meta  [][]byte // of meta, without versionId and lastUpdated
	rest  [][]byte // of the resource, without resourceType, id and meta
}

func newHead(json []byte, cuts []cut) head {
	var h head
	from := 1
	var inner []cut
	for _, c := range cuts { // in the order in which they end: those within meta before meta
		switch c.name {
		case "versionId", "lastUpdated":
			inner = append(inner, c)
			continue
		case "meta":
			h.whole = json[c.value:c.end]
			at := c.value + 1
			for _, i := range inner {
				h.meta = appendRun(h.meta, json[at:i.start])
				at = i.end
			}
			h.meta = appendRun(h.meta, json[at:c.end-1])
		}
		h.rest = appendRun(h.rest, json[from:c.start])
		from = c.end
	}
	h.rest = appendRun(h.rest, json[from:len(json)-1])
	return h
}

func appendRun(runs [][]byte, members []byte) [][]byte {
	if members = bytes.Trim(members, ","); len(members) > 0 {
		return append(runs, members)
	}
	return runs
}

// Stamp returns the resource as version of id, which is the exact body that is stored and served:
//
//	{"resourceType":"Patient","id":"1","meta":{"versionId":"3","lastUpdated":"2026-11-21T07:55:00.123Z",...},...}
//
// All other members, and those of meta, follow in their order and to the letter. An id, versionId or lastUpdated that the
// resource had is gone; lastUpdated is in UTC with three decimals. The time is cut to milliseconds.
func (r *Resource) Stamp(id string, version uint64, at time.Time) []byte {
	b := make([]byte, 0, len(r.json)+len(id)+len(`"id":"","meta":{"versionId":"18446744073709551615","lastUpdated":"2026-11-21T07:55:00.123Z"},,,,`))
	b = append(b, `{"resourceType":"`...)
	b = append(b, r.root.Type...)
	b = append(b, `","id":"`...)
	b = append(b, id...)
	b = append(b, `","meta":{"versionId":"`...)
	b = strconv.AppendUint(b, version, 10)
	b = append(b, `","lastUpdated":"`...)
	b = at.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	b = append(b, '"')
	for _, run := range r.head.meta {
		b = append(append(b, ','), run...)
	}
	b = append(b, '}')
	for _, run := range r.head.rest {
		b = append(append(b, ','), run...)
	}
	return append(b, '}')
}
