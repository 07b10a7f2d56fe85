package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
)

// Records are those of one type.
type Records[T any] struct {
	*caller
	mapping[T]
}

// mapping is what Records need to know of their type.
type mapping[T any] struct {
	typ      string
	missing  error
	of       func(*fhirmap.Resource) (T, error)
	resource func(T) (*fhirmap.Resource, error)
	created  func(*T) *time.Time
	id       func(T) string
	fields   map[string]field[T]
}

// Create stores a new record, whose id the server chooses, and returns it as it was stored.
func (r *Records[T]) Create(ctx context.Context, v T) (T, error) {
	var zero T
	res, err := r.resource(v)
	if err != nil {
		return zero, err
	}
	a, err := r.ask(ctx, http.MethodPost, "/"+r.typ, "", res.JSON())
	if err != nil {
		return zero, err
	}
	return r.read(ctx, a.res)
}

// Get returns a record. The error is ErrPatientDoesNotExist or ErrProviderDoesNotExist, both ErrNotFound, if there is none.
func (r *Records[T]) Get(ctx context.Context, id string) (T, error) {
	var zero T
	if !fhirmap.IsID(id) {
		return zero, r.missing
	}
	a, err := r.ask(ctx, http.MethodGet, "/"+r.typ+"/"+id, "", nil)
	if absent(err) {
		return zero, r.missing
	}
	if err != nil {
		return zero, err
	}
	return r.read(ctx, a.res)
}

// From returns the record that a source knows by a value: see Link.
func (r *Records[T]) From(ctx context.Context, sourceID, sourceName string) (T, error) {
	var zero T
	system, err := r.system(ctx, sourceName)
	if err != nil {
		return zero, err
	}
	for res, err := range r.search(ctx, "/"+r.typ+query("identifier", escape(system)+"|"+escape(sourceID))) {
		if err != nil {
			return zero, err
		}
		if slices.Contains(identifiers(res), fhirmap.Identifier{System: system, Value: sourceID}) { // searches fold case
			return r.read(ctx, res)
		}
	}
	return zero, r.missing
}

// Delete deletes a record, and reports whether there was one.
func (r *Records[T]) Delete(ctx context.Context, id string) (bool, error) {
	a, err := r.held(ctx, id)
	if a.res == nil || err != nil {
		return false, err
	}
	_, err = r.ask(ctx, http.MethodDelete, "/"+r.typ+"/"+id, "", nil)
	if absent(err) {
		return false, nil
	}
	return err == nil, err
}

// held reads a record; without a resource if there is none.
func (r *Records[T]) held(ctx context.Context, id string) (answer, error) {
	if !fhirmap.IsID(id) {
		return answer{}, nil
	}
	a, err := r.ask(ctx, http.MethodGet, "/"+r.typ+"/"+id, "", nil)
	if absent(err) {
		return answer{}, nil
	}
	return a, err
}

// Fields are the changes of a record: its fields by name, with what they are to be; "" is to have no value.
type Fields map[string]string

// Update changes fields of a record and leaves all else as it is, whatever others change at the same time. It reports whether there is such a
// record. The error names a field that is unknown or that is the server's: id, created_date, updated_date.
func (r *Records[T]) Update(ctx context.Context, id string, changes Fields) (bool, error) {
	for name := range changes {
		if f, ok := r.fields[name]; !ok || f.set == nil {
			return false, fmt.Errorf("%s has no field %q that can be changed; these can: %s", r.typ, name, strings.Join(r.names(true), ", "))
		}
	}
	return r.change(ctx, id, func(body map[string]any) (bool, error) {
		for name, value := range changes {
			if err := r.fields[name].set(body, value); err != nil {
				return false, err
			}
		}
		return true, nil
	})
}

// attempts is how often a change is made that others get in the way of.
const attempts = 10

// change reads, changes and writes a record, unless fn says that there is nothing to change. It reports whether it was written.
func (r *Records[T]) change(ctx context.Context, id string, fn func(map[string]any) (bool, error)) (bool, error) {
	for n := 1; ; n++ {
		a, err := r.held(ctx, id)
		if a.res == nil || err != nil {
			return false, err
		}
		var body map[string]any
		d := json.NewDecoder(bytes.NewReader(a.res.JSON()))
		d.UseNumber()
		if err := d.Decode(&body); err != nil {
			return false, err
		}
		if do, err := fn(body); err != nil || !do {
			return false, err
		}
		data, err := json.Marshal(body)
		if err != nil {
			return false, err
		}
		switch _, err = r.ask(ctx, http.MethodPut, "/"+r.typ+"/"+id, a.etag, data); {
		case status(err) == http.StatusPreconditionFailed && n < attempts:
			continue
		case absent(err):
			return false, nil
		}
		return err == nil, err
	}
}

// Link makes a record known by a source under a value. It reports whether the association was made: false if there is no such record, or the
// pair is associated already. On a server without $link-identifier the identifier is added to the record, and only what the server itself
// holds unique is unique.
func (r *Records[T]) Link(ctx context.Context, id, sourceID, sourceName string) (bool, error) {
	return r.link(ctx, "link", id, sourceID, sourceName, func(body map[string]any, system string) bool {
		list, _ := body["identifier"].([]any)
		body["identifier"] = append(list, map[string]any{"system": system, "value": sourceID})
		return true
	})
}

// Unlink takes an association back, and reports whether there was this one of this record.
func (r *Records[T]) Unlink(ctx context.Context, id, sourceID, sourceName string) (bool, error) {
	return r.link(ctx, "unlink", id, sourceID, sourceName, func(body map[string]any, system string) bool {
		list, _ := body["identifier"].([]any)
		left := slices.DeleteFunc(list, func(v any) bool {
			m, _ := v.(map[string]any)
			return m["system"] == system && m["value"] == sourceID
		})
		if body["identifier"] = left; len(left) == 0 {
			delete(body, "identifier")
		}
		return len(left) < len(list)
	})
}

func (r *Records[T]) link(ctx context.Context, op, id, sourceID, sourceName string, change func(map[string]any, string) bool) (bool, error) {
	if !fhirmap.IsID(id) {
		return false, nil
	}
	body, err := json.Marshal(map[string]any{"resourceType": "Parameters", "parameter": []any{
		map[string]any{"name": "source", "valueString": sourceName}, map[string]any{"name": "value", "valueString": sourceID},
	}})
	if err != nil {
		return false, err
	}
	a, err := r.ask(ctx, http.MethodPost, "/"+r.typ+"/"+id+"/$"+op+"-identifier", "", body)
	switch {
	case err == nil:
		for p := range a.res.Root().Each("parameter") {
			if p.String("name") == "result" {
				return p.String("value") == "true", nil
			}
		}
		return false, fmt.Errorf("$%s-identifier answers no result", op)
	case status(err) == http.StatusGone:
		return false, nil
	case !unoffered(err):
		return false, err
	}
	if held, err := r.held(ctx, id); held.res == nil || err != nil {
		return false, err
	}
	system, err := r.system(ctx, sourceName)
	if err != nil {
		return false, err
	}
	if op == "link" {
		if _, err := r.From(ctx, sourceID, sourceName); err == nil {
			return false, nil
		}
	}
	return r.change(ctx, id, func(body map[string]any) (bool, error) { return change(body, system), nil })
}

// unoffered reports whether a server may not have an operation at all.
func unoffered(err error) bool {
	return slices.Contains([]int{http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented}, status(err))
}

// uri is how a URI begins.
var uri = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:.`)

// system is the identifier system of a source: see $link-identifier of the server.
func (r *Records[T]) system(ctx context.Context, name string) (string, error) {
	if uri.MatchString(name) {
		return name, nil
	}
	for res, err := range r.search(ctx, "/NamingSystem"+query("name:exact", escape(name))) {
		if status(err) > 0 {
			break // it keeps none
		}
		if err != nil {
			return "", err
		}
		system := ""
		for id := range res.Root().Each("uniqueId") {
			if id.String("type") == "uri" && (system == "" || id.String("preferred") == "true") {
				system = id.String("value")
			}
		}
		if system != "" && res.Root().String("status") != "retired" {
			return system, nil
		}
	}
	return r.SourceBase + strings.TrimPrefix(query("", name), "?="), nil
}

func identifiers(res *fhirmap.Resource) (out []fhirmap.Identifier) {
	for i := range res.Root().Each("identifier") {
		out = append(out, fhirmap.Identifier{System: i.String("system"), Value: i.String("value")})
	}
	return out
}

// read makes a record of a resource: of one that has older versions, the first says when it was created.
func (r *Records[T]) read(ctx context.Context, res *fhirmap.Resource) (T, error) {
	all, err := r.records(ctx, []*fhirmap.Resource{res})
	if err != nil {
		var zero T
		return zero, err
	}
	return all[0], nil
}

// records makes records of resources, and asks for the first versions of all that have older ones at once.
func (r *Records[T]) records(ctx context.Context, resources []*fhirmap.Resource) ([]T, error) {
	out := make([]T, len(resources))
	var later []int
	var entries []any
	for i, res := range resources {
		var err error
		if out[i], err = r.of(res); err != nil {
			return nil, err
		}
		if version := res.Meta().String("versionId"); version != "1" {
			later = append(later, i)
			entries = append(entries, map[string]any{"request": map[string]any{"method": "GET", "url": r.typ + "/" + res.ID() + "/_history/1"}})
			continue
		}
		*r.created(&out[i]) = updated(res)
	}
	if len(later) == 0 {
		return out, nil
	}
	body, err := json.Marshal(map[string]any{"resourceType": "Bundle", "type": "batch", "entry": entries})
	if err != nil {
		return nil, err
	}
	a, err := r.ask(ctx, http.MethodPost, "", "", body)
	if err != nil {
		return nil, err
	}
	n := 0
	for entry := range a.res.Root().Each("entry") {
		if n == len(later) {
			break
		}
		if e := entry.First("resource"); e != nil && e.Type == r.typ {
			t, _ := time.Parse(time.RFC3339, e.First("meta").String("lastUpdated"))
			*r.created(&out[later[n]]) = t
		}
		n++
	}
	return out, nil
}

func updated(res *fhirmap.Resource) time.Time {
	t, _ := time.Parse(time.RFC3339, res.Meta().String("lastUpdated"))
	return t
}

// search yields the matches of a search over all of its pages.
func (c *caller) search(ctx context.Context, path string) func(func(*fhirmap.Resource, error) bool) {
	return func(yield func(*fhirmap.Resource, error) bool) {
		c.pages(ctx, http.MethodGet, path, nil, yield)
	}
}

// pages yields the matches of a searchset and of those that its next links lead to.
func (c *caller) pages(ctx context.Context, method, path string, body []byte, yield func(*fhirmap.Resource, error) bool) {
	for seen := map[string]bool{}; path != ""; method, body = http.MethodGet, nil {
		if seen[path] {
			yield(nil, fmt.Errorf("the pages of %s lead round in a circle", path))
			return
		}
		seen[path] = true
		a, err := c.ask(ctx, method, path, "", body)
		if err == nil && (a.res == nil || a.res.Type() != "Bundle") {
			err = fmt.Errorf("%s %s: the answer is no Bundle", method, path)
		}
		if err != nil {
			yield(nil, err)
			return
		}
		for entry := range a.res.Root().Each("entry") {
			if mode := entry.First("search").String("mode"); mode != "" && mode != "match" {
				continue
			}
			e := entry.First("resource")
			if e == nil {
				continue
			}
			if !yield(a.res.Inner(e), nil) {
				return
			}
		}
		path = ""
		for link := range a.res.Root().Each("link") {
			if link.String("relation") == "next" {
				path = link.String("url")
			}
		}
	}
}

// escape writes a text as the value of a search parameter.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `,`, `\,`, `$`, `\$`, `|`, `\|`).Replace(s)
}

// names lists the fields, or those that can be changed.
func (m mapping[T]) names(changeable bool) []string {
	var out []string
	for name, f := range m.fields {
		if !changeable || f.set != nil {
			out = append(out, strconv.Quote(name))
		}
	}
	slices.Sort(out)
	return out
}
