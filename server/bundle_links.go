package server

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hob-fhir/hob/fhirmap"
)

// rewritten is the resource of an entry with its links as they will be: those to the fullUrl of another entry lead to the resource that
// this entry creates, finds or updates, and conditional references to what they mean.
func (res *resolution) rewritten(e *entry) (*fhirmap.Resource, error) {
	r := e.parsed
	if r == nil {
		return nil, nil
	}
	if e.req.Patch != nil {
		e.one.Patch = patchedLinks(e.req.Patch, res.links)
		return r, nil
	}
	root := rootOf(e.fullURL, e.req.Base)
	link := func(s string) (string, bool) {
		if cr := res.asked[s]; cr != nil {
			return cr.found[0].String(), true
		}
		front, fragment, anchored := strings.Cut(s, "#")
		to, ok := res.links[front]
		if !ok && relative(front) {
			to, ok = res.links[root+"/"+front]
		}
		if ok && anchored {
			to += "#" + fragment
		}
		return to, ok
	}
	if t := r.Type(); t != "Bundle" && t != "Parameters" { // which may hold what their own links lead to
		for expression, ref := range fhirmap.References(r) {
			if strings.HasPrefix(ref, "urn:uuid:") {
				if _, ok := link(ref); !ok {
					return nil, fhirmap.Errorf(fhirmap.CodeNotFound, expression,
						"no entry of the transaction has the fullUrl %s; a reference to a urn:uuid means one that has", clip(ref))
				}
			}
		}
	}
	if len(res.links) == 0 && len(res.asked) == 0 {
		return r, nil
	}
	return fhirmap.Rewrite(r, link), nil
}

// patchedLinks rewrites a JSON Patch, whose values have no types: the texts that are a urn by which an entry is called are taken for links.
func patchedLinks(patch []byte, links map[string]string) []byte {
	var out []byte
	from := 0
	dec := jsontext.NewDecoder(bytes.NewBuffer(patch))
	for {
		if dec.PeekKind() != '"' {
			if _, err := dec.ReadToken(); err != nil { // the end, or what JSONPatch will refuse
				return append(out, patch[from:]...)
			}
			continue
		}
		raw, err := dec.ReadValue()
		if err != nil {
			return append(out, patch[from:]...)
		}
		text, _ := jsontext.AppendUnquote(nil, raw)
		if to, ok := links[string(text)]; ok && strings.HasPrefix(string(text), "urn:") {
			end := int(dec.InputOffset())
			out = append(out, patch[from:end-len(raw)]...)
			out, _ = jsontext.AppendQuote(out, to)
			from = end
		}
	}
}

// rootOf is where the relative references of an entry begin (R4 bundle.html, resolving references in Bundles): the root of its fullUrl
// if that is one of a RESTful server, else this server.
func rootOf(fullURL, base string) string {
	rest, id, ok := cutLast(fullURL, '/')
	if !ok || !fhirmap.IsID(id) {
		return base
	}
	root, typ, ok := cutLast(rest, '/')
	if !ok || !fhirmap.IsResource(typ) {
		return base
	}
	return root
}

// relative reports whether a link is of the form Patient/1.
func relative(link string) bool {
	typ, id, ok := strings.Cut(link, "/")
	return ok && fhirmap.IsResource(typ) && fhirmap.IsID(id)
}

func cutLast(s string, sep byte) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}
