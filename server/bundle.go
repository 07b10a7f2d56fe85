package server

import (
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// instant is how FHIR writes a moment, as meta.lastUpdated has it.
const instant = "2006-01-02T15:04:05.000Z"

// bundle writes a Bundle around bodies that are copied as they are.
type bundle struct {
	buf     []byte
	entries int
}

// link is one Bundle.link.
type link struct{ relation, url string }

// newBundle begins a Bundle. A negative total is left out; size is about how many bytes will come.
func newBundle(kind string, at time.Time, total int, links []link, size int) *bundle {
	b := &bundle{buf: make([]byte, 0, size+512)}
	b.raw(`{"resourceType":"Bundle","meta":{"lastUpdated":"`)
	b.buf = at.UTC().AppendFormat(b.buf, instant)
	b.raw(`"},"type":"`)
	b.raw(kind)
	b.raw(`"`)
	if total >= 0 {
		b.raw(`,"total":`)
		b.buf = strconv.AppendInt(b.buf, int64(total), 10)
	}
	for i, l := range links {
		if i == 0 {
			b.raw(`,"link":[`)
		} else {
			b.raw(`,`)
		}
		b.raw(`{"relation":"`)
		b.raw(l.relation)
		b.raw(`","url":`)
		b.text(l.url)
		b.raw(`}`)
	}
	if len(links) > 0 {
		b.raw(`]`)
	}
	return b
}

// raw appends what is JSON already.
func (b *bundle) raw(s string) { b.buf = append(b.buf, s...) }

// text appends a JSON string.
func (b *bundle) text(s string) {
	b.buf, _ = jsontext.AppendQuote(b.buf, strings.ToValidUTF8(s, "\uFFFD")) // the one error is of a text that is no UTF-8
}

// entry begins an entry.
func (b *bundle) entry() {
	if b.entries == 0 {
		b.raw(`,"entry":[{`)
	} else {
		b.raw(`},{`)
	}
	b.entries++
}

// match appends an entry of a searchset. mode is match, include or outcome; url may be empty.
func (b *bundle) match(url string, body []byte, mode string) {
	b.entry()
	if url != "" {
		b.raw(`"fullUrl":`)
		b.text(url)
		b.raw(`,`)
	}
	b.raw(`"resource":`)
	b.buf = append(b.buf, body...)
	b.raw(`,"search":{"mode":"`)
	b.raw(mode)
	b.raw(`"}`)
}

// bytes ends the Bundle. It has no entry member if there is none: FHIR has no empty arrays.
func (b *bundle) bytes() []byte {
	if b.entries > 0 {
		b.raw(`}]`)
	}
	b.raw(`}`)
	return b.buf
}
