package server

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
)

// handle is the way of every request between HTTP and an Interaction.
func handle(c *Config, routes []route) gin.HandlerFunc {
	return func(g *gin.Context) {
		m := media{kind: FHIR}
		r := &Request{}
		res, err := answer(c, routes, g, &m, r)
		if lost := c.Audit.tell(g.Request.Context(), r, res, err); lost != nil {
			err = lost
		}
		if err != nil {
			fail(g, m, err)
			return
		}
		res.write(g, m)
	}
}

// answer takes an HTTP request through its interaction, as r. m becomes what the client wants to be answered in as soon as that is known.
func answer(c *Config, routes []route, g *gin.Context, m *media, r *Request) (*Response, error) {
	*r = Request{
		audit: c.Audit, witness: c.Witness, Method: g.Request.Method, Type: g.Param("type"), ID: g.Param("id"), Version: g.Param("version"), Member: g.Param("member"), Header: g.Request.Header,
		Limits: fhirmap.Limits{Depth: c.Limits.Depth, Bytes: int(c.Limits.Body)},
	}
	if r.Method == http.MethodHead {
		r.Method = http.MethodGet
	}
	query, err := pairs(g.Request.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	if routes[0].search {
		if query, err = r.explaining(query); err != nil {
			return nil, err
		}
	}
	if len(routes[0].formats) > 0 {
		query = r.formed(routes[0].formats, query)
	}
	if err := r.ask(query, m); err != nil {
		return nil, err
	}
	rt, err := on(routes, r.Type)
	if err != nil {
		return nil, err
	}
	if err := r.named(rt.level); err != nil {
		return nil, err
	}
	r.route = rt
	r.Caller.Access = storage.System
	if !rt.open {
		if r.audit != nil {
			r.from = remote(c.Proxies, g.Request).String()
		}
		r.Caller, err = c.Caller(g.Request)
		r.Caller.Access = c.Audit.kept(r.Caller.Access)
		if err != nil {
			return nil, err
		}
	}
	if r.Base, err = base(c, g.Request); err != nil {
		return nil, err
	}
	switch rt.content {
	case resource, document:
		if err := r.take(c, g, rt.content); err != nil {
			return nil, err
		}
	case form:
		body, err := formBody(c, g)
		if err != nil {
			return nil, err
		}
		more, err := pairs(body)
		if err == nil && rt.search {
			more, err = r.explaining(more)
		}
		if err != nil {
			return nil, err
		}
		if err := r.ask(append(r.Query, more...), m); err != nil {
			return nil, err
		}
	}
	res, err := rt.perform(g.Request.Context(), c.Store, r.Caller.Access, r)
	if err == nil && r.Type == "Binary" && (rt.code == "read" || rt.code == "vread") && !m.explicit && !r.shaped() {
		return res, rawBinary(res, m)
	}
	return res, err
}

// ask takes the parameters that are about the answer's form out of the query, and leaves the rest to the interaction.
func (r *Request) ask(query []search.Pair, m *media) error {
	var format, pretty string
	rest, about := query[:0], []search.Pair(nil)
	for _, p := range query {
		switch p.Name {
		case "_format":
			format = p.Value
			about = append(about, p)
		case "_pretty":
			pretty = p.Value
			about = append(about, p)
		case "_page":
			r.Page = p.Value
		default:
			rest = append(rest, p)
		}
	}
	r.Query = rest
	if len(about) == 0 && m.asked {
		r.shapeExplained(m, "")
		return nil
	}
	r.Form = encode(about)
	admitted := format
	if r.explain && format == "text" {
		admitted = ""
	}
	var refused *refusal
	if *m, refused = negotiate(r.Header["Accept"], admitted, pretty, r.Type == "Binary"); refused != nil {
		return refused
	}
	m.asked = true
	r.shapeExplained(m, format)
	return nil
}

// named refuses a type that FHIR does not have and an id that it does not allow.
func (r *Request) named(level Level) error {
	for _, name := range []string{r.Type, r.ID} {
		if strings.HasPrefix(name, "$") {
			return refuse(http.StatusNotFound, fhirmap.CodeNotSupported,
				"%s is no operation here; those that are stand at %s/metadata", clip(name), Prefix)
		}
	}
	if level&(Type|Instance) != 0 && !fhirmap.IsResource(r.Type) {
		return refuse(http.StatusNotFound, fhirmap.CodeNotSupported,
			"%s is no resource type of FHIR R4; names begin with a capital letter, as in Patient", clip(r.Type))
	}
	if level&Instance != 0 && !fhirmap.IsID(r.ID) {
		return fhirmap.Errorf(fhirmap.CodeValue, "", "%s is no id; an id has 1 to 64 of the characters A-Z a-z 0-9 - and .", clip(r.ID))
	}
	return nil
}

// take reads the body as FHIR JSON, or as the content of a Binary.
func (r *Request) take(c *Config, g *gin.Context, accepts content) error {
	kind := g.Request.Header.Get("Content-Type")
	if g.Request.ContentLength == 0 && kind == "" {
		return nil // no body: the interaction says what it would need
	}
	if accepts == document && isJSONPatch(kind) {
		var err error
		r.Patch, err = bodyOf(g, c.Limits.Body)
		return err
	}
	refused := fhirBody(kind)
	if no, ok := refused.(*refusal); ok && accepts == document {
		return no.with("Accept-Patch", patchTypes)
	}
	if refused != nil && r.Type != "Binary" {
		return refused
	}
	body, err := bodyOf(g, c.Limits.Body)
	if err != nil {
		return err
	}
	if refused != nil {
		body, err = asBinary(kind, g.Request.Header.Get("X-Security-Context"), r.ID, body)
		if err != nil {
			return err
		}
	}
	r.Body = body
	return nil
}

// formBody reads the body of a POST _search, which may be empty.
func formBody(c *Config, g *gin.Context) (string, error) {
	kind := g.Request.Header.Get("Content-Type")
	if !isForm(kind) && !(kind == "" && g.Request.ContentLength == 0) {
		return "", refuse(http.StatusUnsupportedMediaType, fhirmap.CodeNotSupported,
			"Content-Type: %s is not taken by _search; application/x-www-form-urlencoded is", clip(kind))
	}
	body, err := bodyOf(g, min(c.Limits.Body, 1<<20))
	return string(body), err
}

// fail answers with an error and notes it for the log if it is our own.
func fail(g *gin.Context, m media, err error) {
	if m.kind == plainType {
		m = media{kind: FHIR}
	}
	r, unknown := explain(err)
	if unknown {
		g.Error(err)
	}
	for _, h := range r.header {
		g.Writer.Header().Set(h[0], h[1])
	}
	send(g, r.status, m, r.outcome.JSON())
}
