package server

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// history is the history interaction on a resource, a type or everything (R4 http.html, history): the log, newest first.
//
// Its pages need no snapshot: a place in the log never moves, so a link holds for ever, and a walk back shows what the walk there
// showed. The total is told where one page holds all.
func history(c *Config, p *pages) Interaction {
	return func(tx *storage.Tx, r *Request) (*Response, error) {
		if err := r.known("_count", "_since", "_at", "_summary", "_elements"); err != nil {
			return nil, err
		}
		count, err := r.count(c.Limits.Count, c.Limits.MaxCount)
		if err != nil {
			return nil, err
		}
		part, err := r.subset()
		if err != nil {
			return nil, err
		}
		span, err := spanOf(r, c.Clock().Location())
		if err != nil {
			return nil, err
		}
		walk := walkOf(r)
		at, err := p.open(walk.scope, r.Page)
		if err != nil {
			return nil, err
		}
		if r.ID != "" {
			if _, err := tx.Head(r.Key()); err != nil {
				return nil, err
			}
		}
		recs, err := span.records(tx, driver.Log{
			Type: r.Type, ID: r.ID, After: driver.Position(at.after), Since: span.since, Reverse: !at.reverse,
		}, count+1, c.Limits.rows(r))
		if err != nil {
			return nil, err
		}
		recs, before, after := cut(recs, count, at)
		total := -1
		if !before && !after {
			total = len(recs)
		}
		var back, on string
		if len(recs) > 0 {
			if before {
				back = p.seal(walk.scope, place{after: string(recs[0].Position), reverse: true, total: -1})
			}
			if after {
				on = p.seal(walk.scope, place{after: string(recs[len(recs)-1].Position), total: -1})
			}
		}
		size := 0
		for _, rec := range recs {
			size += len(rec.Body) + 400
		}
		b := newBundle("history", c.Clock(), total, walk.links(r, back, on), size)
		for _, rec := range recs {
			if rec.Body, err = part.of(rec.Body); err != nil {
				return nil, err
			}
			b.version(r.Base, rec)
		}
		return &Response{Status: http.StatusOK, Body: b.bytes()}, nil
	}
}

// version appends an entry of a history. A deletion has a request and a response, and no resource.
func (b *bundle) version(base string, rec driver.Record) {
	key := rec.Key.String()
	method, url, status := http.MethodPut, key, "200"
	switch {
	case rec.Deleted:
		method, status = http.MethodDelete, "204"
	case rec.Version == 1:
		status = "201"
		if madeHere(rec.ID) {
			method, url = http.MethodPost, rec.Type
		}
	}
	b.entry()
	b.raw(`"fullUrl":`)
	b.text(base + "/" + key)
	if !rec.Deleted {
		b.raw(`,"resource":`)
		b.buf = append(b.buf, rec.Body...)
	}
	b.raw(`,"request":{"method":"` + method + `","url":"` + url + `"},"response":{"status":"` + status + `","etag":"W/\"`)
	b.buf = strconv.AppendUint(b.buf, rec.Version, 10)
	b.raw(`\"","lastModified":"`)
	b.buf = rec.Time.UTC().AppendFormat(b.buf, instant)
	b.raw(`"}`)
}

// madeHere reports whether an id looks like one that storage.NewID made: the version 1 of such a resource came by POST, that of
// others by PUT.
func madeHere(id string) bool {
	return len(id) == 24 && strings.Trim(id, "0123456789abcdefghjkmnpqrstvwxyz") == ""
}

// span is what of a history is asked for: the versions written since a moment, and of these the ones that were current at some
// moment of [from, to).
type span struct {
	since    time.Time
	from, to time.Time // zero: all
}

func spanOf(r *Request, zone *time.Location) (span, error) {
	var s span
	since, err := r.one("_since")
	if err == nil && since != "" {
		s.since, _, err = moment("_since", since, zone)
	}
	if err != nil {
		return s, err
	}
	at, err := r.one("_at")
	if err == nil && at != "" {
		s.from, s.to, err = moment("_at", at, zone)
	}
	return s, err
}

// moments are the forms of a FHIR dateTime, with the next one of each.
var moments = []struct {
	form string
	next func(time.Time) time.Time
}{
	{time.RFC3339Nano, func(t time.Time) time.Time { return t.Add(time.Millisecond) }},
	{"2006-01-02T15:04Z07:00", func(t time.Time) time.Time { return t.Add(time.Minute) }},
	{"2006-01-02", func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }},
	{"2006-01", func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }},
	{"2006", func(t time.Time) time.Time { return t.AddDate(1, 0, 0) }},
}

// moment reads a dateTime as the time it covers; one without a zone is in the server's.
func moment(name, s string, zone *time.Location) (from, to time.Time, err error) {
	s = strings.ReplaceAll(s, " ", "+") // a + that was not escaped in the query
	for _, m := range moments {
		if t, err := time.ParseInLocation(m.form, s, zone); err == nil {
			return t, m.next(t), nil
		}
	}
	return from, to, fhirmap.Errorf(fhirmap.CodeValue, "",
		"%s=%s is no date or time; write it like 2026-11-21T07:55:00Z or 2026-11-21", name, clip(s))
}

// records reads a history: at most limit records, looking at no more than budget.
func (s span) records(tx *storage.Tx, l driver.Log, limit, budget int) ([]driver.Record, error) {
	if s.from.IsZero() {
		l.Limit = limit
	}
	var out []driver.Record
	read := 0
	for rec, err := range tx.Log(l) {
		if err != nil {
			return nil, err
		}
		ok, err := s.covers(tx, rec)
		if err != nil {
			return nil, err
		}
		if ok {
			if out = append(out, rec); len(out) == limit {
				break
			}
		}
		if read++; read >= budget {
			return nil, fhirmap.Errorf(fhirmap.CodeTooCostly, "",
				"_at looks at more than the %d versions that one request may; ask for a type or a resource, or add _since", budget)
		}
	}
	return out, nil
}

// covers reports whether a version was current in the time asked for: written before its end, and not replaced before its begin. A
// deletion is of that time if it was made in it.
func (s span) covers(tx *storage.Tx, rec driver.Record) (bool, error) {
	switch {
	case s.from.IsZero():
		return true, nil
	case !rec.Time.Before(s.to):
		return false, nil
	case !rec.Time.Before(s.from):
		return true, nil
	case rec.Deleted:
		return false, nil
	}
	next, err := tx.Version(rec.Key, rec.Version+1)
	if errors.Is(err, driver.ErrNotFound) {
		return true, nil
	}
	return err == nil && next.Time.After(s.from), err
}

// walk is what page links lead through: a path below the base and a query.
type walk struct {
	path  string
	query string
	scope string // what a link of this walk is sealed for, and for whom
}

// newWalk is a walk of the one who asks: the links that he is given open for nobody else.
func newWalk(r *Request, path string, query string) walk {
	return walk{path: path, query: query, scope: path + "?" + query + "\x00" + r.Caller.Subject}
}

func walkOf(r *Request) walk {
	path := "/_history"
	switch {
	case r.ID != "":
		path = "/" + r.Type + "/" + r.ID + path
	case r.Type != "":
		path = "/" + r.Type + path
	}
	return newWalk(r, path, encode(r.Query))
}

// url is the address of a page of the walk.
func (w walk) url(r *Request, page string) string {
	url := r.Base + w.path
	sep := "?"
	for _, part := range []string{w.query, r.Form, page} {
		if part != "" {
			url += sep + part
			sep = "&"
		}
	}
	return url
}

// links are those of a page: to itself, to the first, and to its neighbours where their sealed places are given.
func (w walk) links(r *Request, back, on string) []link {
	page := func(sealed string) string {
		if sealed == "" {
			return ""
		}
		return "_page=" + sealed
	}
	out := []link{{"self", w.url(r, page(r.Page))}, {"first", w.url(r, "")}}
	if back != "" {
		out = append(out, link{"previous", w.url(r, page(back))})
	}
	if on != "" {
		out = append(out, link{"next", w.url(r, page(on))})
	}
	return out
}

// cut makes a page of what was read, which is one more than the page holds if there is more, and in reverse on the way back. It
// tells whether there is something before and after it.
func cut[T any](read []T, count int, at place) (page []T, before, after bool) {
	more := len(read) > count
	if more {
		read = read[:count]
	}
	if at.reverse {
		slices.Reverse(read)
		return read, more, true
	}
	return read, at.after != "", more
}
