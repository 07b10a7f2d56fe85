package server

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage"
)

// Level is where an interaction or an operation is asked for; an operation may stand on several.
type Level uint8

// The levels: /fhir, /fhir/Patient, /fhir/Patient/1.
const (
	System Level = 1 << iota
	Type
	Instance
)

// Operation is an interaction with a name, asked for as $name (R4 section 3.2). Exactly one of Do, Prepare and Later is set: one that
// only reads may be asked for by GET too, one that writes by POST only.
type Operation struct {
	Name       string // without the $
	Definition string // canonical URL of its OperationDefinition
	On         Level
	Types      []string // that have it at type and instance level; none: every type
	Formats    []string // media types that it answers in beside FHIR JSON, of formatNames; Request.Media says which was asked for
	Do         Interaction
	Prepare    Preparation

	// Later is of what takes long: it checks the request, on its own transactions, and returns the work. The answer is a 202 then; the place in
	// Content-Location tells how it stands, as of a Bundle with Prefer: respond-async, and a DELETE of it ends the context of the work.
	// The work asks Request.Renew for the Access of each of its transactions: the one given here is of the checks alone.
	Later func(context.Context, storage.Access, *Request) (Work, error)
}

// Work is done in the background. What it returns is what its place answers from then on.
type Work func(context.Context) (*Response, error)

// content says what the body of a request is.
type content uint8

const (
	nothing  content = iota // a body is not looked at
	resource                // FHIR JSON
	document                // a patch document: JSON Patch, or FHIR JSON
	form                    // more of the query
)

// route is one row of the table of interactions. Of do, prepare and exchange one is set.
type route struct {
	code    string // as the CapabilityStatement calls it, "" if it lists no such thing
	level   Level
	method  string // GET answers HEAD too
	path    string // below the base, as Gin writes it
	content content
	types   []string // that have it; none: every type
	search  bool     // it answers __explain
	formats []string // that it answers in beside FHIR JSON
	open    bool     // for everyone: nobody is asked who he is
	do      Interaction
	prepare Preparation

	exchange func(context.Context, storage.Access, *Request) (*Response, error) // opens the transactions it needs itself
}

// table lists every interaction of the server.
func table(c *Config, p *pages) []route {
	from := referrers(c.Catalog)
	s, h, d, pt := searchType(c, p), history(c, p), remove(c, from), patch(c)
	system, compartment := searchSystem(c, p), searchCompartment(c, p)
	c.Operations = slices.Concat(standard(c, p, from), indexingOperations(c), c.Operations)
	b := &bundles{Config: c, remove: d, patch: pt}
	x := newAsync(b)
	rest := []route{
		// One place for both: Bundle.type tells which it is.
		{code: "transaction", level: System, method: "POST", path: "", content: resource, exchange: x.exchange},
		{code: "batch", level: System, method: "POST", path: "", content: resource, exchange: x.exchange},
		{level: System, method: "GET", path: "/_async/:id", exchange: x.status},
		{level: System, method: "DELETE", path: "/_async/:id", exchange: x.cancel},
		{code: "search-system", level: System, method: "GET", path: "", search: true, do: system},
		{code: "search-system", level: System, method: "POST", path: "/_search", content: form, search: true, do: system},
		{code: "history-system", level: System, method: "GET", path: "/_history", do: h},

		{code: "search-type", level: Type, method: "GET", path: "/:type", search: true, do: s},
		{code: "search-type", level: Type, method: "POST", path: "/:type/_search", content: form, search: true, do: s},
		{code: "create", level: Type, method: "POST", path: "/:type", content: resource, prepare: create(c)},
		{code: "update", level: Type, method: "PUT", path: "/:type", content: resource, prepare: updateWhere(c)},
		{code: "patch", level: Type, method: "PATCH", path: "/:type", content: document, prepare: patchWhere(c, pt)},
		{code: "delete", level: Type, method: "DELETE", path: "/:type", prepare: removeWhere(c, d)},
		{code: "history-type", level: Type, method: "GET", path: "/:type/_history", do: h},

		{code: "read", level: Instance, method: "GET", path: "/:type/:id", do: get},
		{code: "vread", level: Instance, method: "GET", path: "/:type/:id/_history/:version", do: vread},
		{code: "update", level: Instance, method: "PUT", path: "/:type/:id", content: resource, prepare: update(c)},
		{code: "patch", level: Instance, method: "PATCH", path: "/:type/:id", content: document, prepare: pt},
		{code: "delete", level: Instance, method: "DELETE", path: "/:type/:id", prepare: d},
		{code: "history-instance", level: Instance, method: "GET", path: "/:type/:id/_history", do: h},
		{level: Instance, method: "GET", path: "/:type/:id/:member", search: true, do: compartment},
		{level: Instance, method: "POST", path: "/:type/:id/:member/_search", content: form, search: true, do: compartment},
	}
	all := append(rest, route{level: System, method: "GET", path: "/metadata", open: true, do: capabilities(c, rest)})
	all = append(all, indexingRoutes(c)...)
	all = append(all, operations(c.Operations, x)...)
	b.routes = all
	return all
}

// operations turns the table of operations into routes.
func operations(ops []Operation, x *async) []route {
	var out []route
	for _, op := range ops {
		for _, l := range []struct {
			level Level
			path  string
		}{{System, "/$"}, {Type, "/:type/$"}, {Instance, "/:type/:id/$"}} {
			if op.On&l.level == 0 {
				continue
			}
			r := route{
				level: l.level, method: "POST", path: l.path + op.Name, content: resource, types: op.Types, formats: op.Formats, do: op.Do, prepare: op.Prepare,
			}
			if op.Later != nil {
				r.exchange = x.later(op.Later)
			}
			out = append(out, r)
			if op.Do != nil {
				r.method, r.content = "GET", nothing
				out = append(out, r)
			}
		}
	}
	return out
}

// mount gives Gin the routes. Those of one method and path, operations of one name, are told apart by type.
func mount(g *gin.RouterGroup, c *Config, routes []route) {
	type place struct{ method, path string }
	at := map[place][]route{}
	var order []place
	for _, r := range routes {
		p := place{r.method, r.path}
		if at[p] == nil {
			order = append(order, p)
		}
		at[p] = append(at[p], r)
	}
	for _, p := range order {
		h := handle(c, at[p])
		g.Handle(p.method, p.path, h)
		if p.method == http.MethodGet {
			g.Handle(http.MethodHead, p.path, h)
		}
	}
}

// on chooses the route for a type.
func on(routes []route, typ string) (*route, error) {
	for i := range routes {
		if r := &routes[i]; r.level == System || len(r.types) == 0 || slices.Contains(r.types, typ) {
			return r, nil
		}
	}
	path := routes[0].path
	return nil, refuse(http.StatusNotFound, fhirmap.CodeNotSupported, "%s has no %s", typ, path[strings.LastIndexByte(path, '/')+1:])
}

func noRoute(c *gin.Context) {
	fail(c, media{kind: FHIR}, refuse(http.StatusNotFound, fhirmap.CodeNotFound,
		"nothing is at this path; the FHIR base is %s, its interactions are listed at %s/metadata", Prefix, Prefix))
}

// noMethod answers 405; Gin has set Allow.
func noMethod(c *gin.Context) {
	allow := c.Writer.Header().Get("Allow")
	if strings.Contains(c.Request.URL.Path, "/$") && !strings.Contains(allow, http.MethodPost) { // every operation that exists takes POST
		c.Writer.Header().Del("Allow")
		noRoute(c)
		return
	}
	fail(c, media{kind: FHIR}, refuse(http.StatusMethodNotAllowed, fhirmap.CodeNotSupported,
		"%s is not answered at this path; %s are", clip(c.Request.Method), allow))
}
