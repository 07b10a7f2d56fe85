package server

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
)

// FHIR is the media type of FHIR resources in JSON.
const FHIR = "application/fhir+json"

// jsonTypes are the media types under which FHIR JSON is taken and given.
var jsonTypes = []string{FHIR, "application/json", "text/json"}

// plainType and pageType are the media types of what is no FHIR: the explanation of a search for a terminal, and the forms that an Operation has.
const (
	plainType = "text/plain"
	pageType  = "text/html"
)

// formatNames are the short codes of _format for the Formats of an Operation.
var formatNames = map[string]string{plainType: "text", pageType: "html"}

// formed takes a form that an operation has beside FHIR JSON out of the query, or finds it in Accept, where it must be liked better than JSON.
func (r *Request) formed(formats []string, query []search.Pair) []search.Pair {
	for i, p := range query {
		if p.Name != "_format" {
			continue
		}
		for _, f := range formats {
			if p.Value == f || p.Value == formatNames[f] {
				r.Media = f
				return slices.Delete(query, i, i+1)
			}
		}
		return query
	}
	best := 0.0
	for part := range strings.SplitSeq(strings.Join(r.Header["Accept"], ","), ",") {
		name, params, _ := strings.Cut(part, ";")
		name, q := strings.ToLower(strings.TrimSpace(name)), 1.0
		for p := range strings.SplitSeq(params, ";") {
			if v, ok := strings.CutPrefix(strings.TrimSpace(p), "q="); ok {
				q, _ = strconv.ParseFloat(v, 64) // 0 if it is none
			}
		}
		switch is := slices.Contains(formats, name); {
		case q <= best:
		case is:
			r.Media, best = name, q
		case known(name) != "" || name == "*/*" || name == "application/*":
			r.Media, best = "", q
		}
	}
	if r.Media != "" {
		r.Header = r.Header.Clone()
		r.Header.Del("Accept") // it has been answered
	}
	return query
}

// formats are the short codes of _format (R4 http.html, content types and encodings).
var formats = map[string]string{"json": FHIR}

// media is what a client wants the answer to look like.
type media struct {
	kind     string // one of jsonTypes, or plainType
	raw      string // the media type of what is no FHIR JSON at all, "" else
	pretty   bool
	asked    bool // negotiation is done
	explicit bool // FHIR JSON was named, not merely admitted: a Binary is then a resource and not its content
}

var (
	fhirHeader = []string{FHIR + "; charset=utf-8"}
	jsonHeader = []string{"application/json; charset=utf-8"}
	textHeader = []string{"text/json; charset=utf-8"}

	plainHeader = []string{plainType + "; charset=utf-8"}
	pageHeader  = []string{pageType + "; charset=utf-8"}
)

func (m media) header() []string {
	if m.raw != "" {
		return []string{m.raw}
	}
	switch m.kind {
	case "application/json":
		return jsonHeader
	case "text/json":
		return textHeader
	case plainType:
		return plainHeader
	case pageType:
		return pageHeader
	}
	return fhirHeader
}

// negotiate chooses the form of the answer by _format, else by Accept. A nil refusal and any kind come together; with a refusal
// the media is still fit to write it in. raw admits any Accept, for what has a media type of its own.
func negotiate(accept []string, format, pretty string, raw bool) (media, *refusal) {
	m := media{kind: FHIR, pretty: pretty == "true"}
	if pretty != "" && pretty != "true" && pretty != "false" {
		return m, refuse(http.StatusBadRequest, fhirmap.CodeValue, "_pretty=%s is no boolean; say true or false", clip(pretty))
	}
	if format != "" {
		kind := formats[format]
		if kind == "" {
			kind = known(strings.ReplaceAll(format, " ", "+")) // a + in a query is a space
		}
		if kind == "" {
			return m, refuse(http.StatusNotAcceptable, fhirmap.CodeNotSupported,
				"_format=%s is not given here; json and %s are", clip(format), strings.Join(jsonTypes, ", "))
		}
		m.kind, m.explicit = kind, true
		return m, nil
	}
	if len(accept) == 0 || len(accept) == 1 && (accept[0] == "*/*" || accept[0] == "") {
		return m, nil
	}
	best := -1.0
	for _, header := range accept {
		for part := range strings.SplitSeq(header, ",") {
			kind, q, wild := offered(part)
			if kind == "" || q <= 0 || q < best || q == best && (wild || m.explicit) {
				continue
			}
			m.kind, m.explicit, best = kind, !wild, q
		}
	}
	if best < 0 && !raw {
		return m, refuse(http.StatusNotAcceptable, fhirmap.CodeNotSupported,
			"Accept: %s admits nothing that is given here; %s are", clip(strings.Join(accept, ", ")), strings.Join(jsonTypes, ", "))
	}
	return m, nil
}

// offered reads one range of an Accept header: the type we would answer with, "" if none.
func offered(part string) (kind string, q float64, wild bool) {
	name, params, _ := strings.Cut(part, ";")
	name = strings.ToLower(strings.TrimSpace(name))
	switch name {
	case "*/*", "application/*":
		kind, wild = FHIR, true
	case "text/*":
		kind, wild = "text/json", true
	default:
		kind = known(name)
	}
	q = 1
	for params != "" {
		var p string
		p, params, _ = strings.Cut(params, ";")
		key, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		switch strings.ToLower(key) {
		case "q":
			var err error
			if q, err = strconv.ParseFloat(value, 64); err != nil {
				q = 0
			}
		case "fhirversion":
			if !isR4(value) {
				return "", 0, false
			}
		}
	}
	return kind, q, wild
}

func known(kind string) string {
	for _, k := range jsonTypes {
		if strings.EqualFold(k, kind) {
			return k
		}
	}
	return ""
}

func isR4(version string) bool {
	v := strings.Trim(version, `"`)
	return v == "4.0" || strings.HasPrefix(v, "4.0.")
}

// isForm reports whether a Content-Type is that of an HTML form, which POST _search sends.
func isForm(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(kind), "application/x-www-form-urlencoded")
}

// fhirBody refuses a Content-Type that is not FHIR JSON in UTF-8. A body without a Content-Type is refused too: a page of another
// site may make a browser send such a request without asking the server first, and one of these types it may not.
func fhirBody(contentType string) error {
	if contentType == FHIR {
		return nil
	}
	if contentType == "" {
		return refuse(http.StatusUnsupportedMediaType, fhirmap.CodeNotSupported, "the body has no Content-Type; say %s", FHIR)
	}
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || known(kind) == "" {
		return refuse(http.StatusUnsupportedMediaType, fhirmap.CodeNotSupported,
			"Content-Type: %s is not taken here; %s are", clip(contentType), strings.Join(jsonTypes, ", "))
	}
	if cs := params["charset"]; cs != "" && !strings.EqualFold(cs, "utf-8") && !strings.EqualFold(cs, "utf8") {
		return refuse(http.StatusUnsupportedMediaType, fhirmap.CodeNotSupported,
			"the charset %s is not taken here; FHIR JSON is UTF-8", clip(cs))
	}
	if v := params["fhirversion"]; v != "" && !isR4(v) {
		return refuse(http.StatusUnsupportedMediaType, fhirmap.CodeNotSupported,
			"fhirVersion=%s is not taken here; this is FHIR 4.0", clip(v))
	}
	return nil
}

// prefers reports whether a preference without a value is stated in the Prefer header.
func prefers(h http.Header, name string) bool {
	for _, line := range h["Prefer"] {
		for part := range strings.FieldsFuncSeq(line, func(r rune) bool { return r == ',' || r == ';' }) {
			if strings.EqualFold(strings.TrimSpace(part), name) {
				return true
			}
		}
	}
	return false
}

// preferred returns the value of one preference of the Prefer header (RFC 7240), "" if it is not stated.
func preferred(h http.Header, name string) string {
	for _, line := range h["Prefer"] {
		for part := range strings.FieldsFuncSeq(line, func(r rune) bool { return r == ',' || r == ';' }) {
			key, value, _ := strings.Cut(part, "=")
			if strings.EqualFold(strings.TrimSpace(key), name) {
				return strings.Trim(strings.TrimSpace(value), `"`)
			}
		}
	}
	return ""
}
