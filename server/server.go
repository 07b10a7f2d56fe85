// Package server is the FHIR REST API (R4 section 3.1) over HTTP, on Gin.
//
// An Interaction is a function from a transaction and a Request to a Response; an Operation is one with a name. A read runs in a
// View. A write is a Preparation: on a snapshot, outside the writer, it does all that need not be decided in order, and returns
// the Plan that is confirmed inside the Update. Nothing of HTTP is in either, so an entry of a Bundle is a Request like any
// other: a transaction prepares all of its entries and confirms them in one closure.
//
//	HTTP ─▶ house ─▶ route ─▶ who is asking ─▶ Request ─▶ Interaction ───────────────▶ Response ─▶ HTTP
//	       (id, log,  (the                       │            in store.View             ▲
//	        metrics,   table in                  └─▶ Preparation ─▶ Plan.Confirm ───────┘
//	        deadline)  routes.go)                     in store.View     in store.Update
//
// A Request may be conditional: its criteria name the resource. They are looked up on the snapshot and again inside the writer, so that
// no two clients can both find that nothing matches.
//
// Errors of every kind become an OperationOutcome and a status in errors.go, in one table.
package server

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
)

// Prefix is the path of the FHIR base.
const Prefix = "/fhir"

// Config is what a server is made of. Store and Catalog are required.
type Config struct {
	Store   *storage.Store
	Catalog *search.Catalog

	// Caller tells who is asking, from a request whose body has not been read. An error is what the caller is told; one with a method
	// Challenge() string puts that into WWW-Authenticate. nil lets nobody in: a server that forgets to ask must not answer.
	Caller func(*http.Request) (Caller, error)

	// Renew makes the Access of a Caller anew from his Grant, for what outlives his request. An error says that the grant has ended. nil: what
	// a request began with, it may finish.
	Renew func(ctx context.Context, grant any) (storage.Access, error)

	// Indexing takes up the SearchParameters that are stored. Whoever opens it runs it. nil: they are stored, and that is all.
	Indexing *Indexing

	// Witness is called last inside the writer of every change, with its caller and a transaction that Wrote: what must be kept of who made a
	// change is kept if and only if the change is made. An error refuses the change. nil: nobody is told.
	Witness func(*storage.Tx, Caller) error

	Audit *Audit // keeps an event of every interaction; nil: none is kept. Whoever made it closes it

	// Sources are the identifier systems whose values are unique; nil: none is, and $link-identifier makes the first. SourceBase is what the
	// system of a source begins with that has no NamingSystem; "": DefaultSourceBase.
	Sources    *Sources
	SourceBase string

	// Authorization answers what lies below [base]/auth/ and [base]/.well-known/: an embedded authorization server, which says itself
	// whose pages may read its answers. nil: nothing does.
	Authorization http.Handler
	OAuth         map[string]string // the URIs of an authorization server that /metadata names: authorize, token, ...; nil: none

	Operations []Operation
	Hosts      []string       // names and addresses that requests may be sent to, without ports; none: any
	Origins    []string       // whose pages may read answers in a browser, as https://app.example or http://127.0.0.1:*; none: no other's; "*": all
	Base       *url.URL       // the FHIR base as clients see it, https://ehr.example/fhir; nil: taken from each request
	Proxies    []netip.Prefix // whose X-Forwarded-Proto and X-Forwarded-Host are believed where Base is nil
	Policy     Policy
	Limits     Limits
	Key        []byte           // seals page links, 32 bytes, see PageKey; nil: one of this process, so links end with it
	Version    string           // of the software
	Built      time.Time        // the date of the CapabilityStatement; zero: when the server was made
	Log        *slog.Logger     // nil: nothing is logged
	Clock      func() time.Time // nil: time.Now
	Done       <-chan struct{}  // closed when shutting down begins: /readyz answers 503 from then on
}

// Policy is what FHIR leaves to the server. The zero value is the default.
type Policy struct {
	Referential bool // a resource to which others refer is not deleted: 409
	Cascade     bool // DELETE with _cascade=delete deletes what refers to the resource too
	NoClientIDs bool // PUT of an id that is not there is a 405 instead of a creation
	Lenient     bool // unknown search parameters are ignored, and named in the answer, unless a client asks for handling=strict

	ConditionalDelete ConditionalDelete // "": DeleteSingle
}

// ConditionalDelete is what a DELETE with criteria may delete, as the CapabilityStatement calls it.
type ConditionalDelete string

// What a conditional delete may be.
const (
	DeleteNone     ConditionalDelete = "not-supported"
	DeleteSingle   ConditionalDelete = "single"
	DeleteMultiple ConditionalDelete = "multiple"
)

// Limits bound what one request may take. Zero fields take the value of defaults.
type Limits struct {
	Body       int64         // bytes of a request body, decompressed
	Depth      int           // nesting of JSON
	URL        int           // bytes of a request target
	Count      int           // entries of a history page if _count is absent
	MaxCount   int           // entries of a history page at most
	Rows       int           // rows read by one search, or log entries by one history page
	Total      int           // rows read for a total that _total did not ask for
	Within     int           // rows read by one search inside the writer, which keeps others waiting
	Codes      int           // of a value set that a search asks for
	Cascade    int           // resources deleted by one _cascade=delete, or by one conditional delete
	Included   int           // resources that come with a page by _include and _revinclude at most
	Rounds     int           // of :iterate, each from what the one before included
	Entries    int           // of a batch or transaction; 0: as many as the body and the store take
	Hold       time.Duration // from the begin to the end of one transaction inside the writer
	Jobs       int           // Bundles processed in the background at once
	Background time.Duration // for each of them
	Deadline   time.Duration // from the end of a request's header to its commit
	Rate       float64       // requests a second of one caller, in the long run; 0: as many as he likes
	Burst      int           // of one caller's at once, where there is a Rate; 0: what the rate gives in ten seconds
}

// defaults are the Limits of a server that was told nothing.
var defaults = Limits{
	Body: 64 << 20, Depth: 100, URL: 16 << 10, Count: 50, MaxCount: 1000,
	Rows: 5_000_000, Total: 1_000, Within: 20_000, Codes: 10_000, Cascade: 1_000, Included: 10_000, Rounds: 16, Hold: 10 * time.Second, Jobs: 4, Background: 10 * time.Minute, Deadline: 30 * time.Second,
}

func (l Limits) filled() Limits {
	fill(&l.Body, defaults.Body)
	fill(&l.Depth, defaults.Depth)
	fill(&l.URL, defaults.URL)
	fill(&l.Count, defaults.Count)
	fill(&l.MaxCount, defaults.MaxCount)
	fill(&l.Rows, defaults.Rows)
	fill(&l.Total, defaults.Total)
	fill(&l.Within, defaults.Within)
	fill(&l.Codes, defaults.Codes)
	fill(&l.Cascade, defaults.Cascade)
	fill(&l.Included, defaults.Included)
	fill(&l.Rounds, defaults.Rounds)
	fill(&l.Hold, defaults.Hold)
	fill(&l.Jobs, defaults.Jobs)
	fill(&l.Background, defaults.Background)
	fill(&l.Deadline, defaults.Deadline)
	fill(&l.Burst, max(1, int(10*l.Rate)))
	return l
}

// rows is how many one search may read for a Request.
func (l Limits) rows(r *Request) int {
	if r.inside {
		return l.Within
	}
	return l.Rows
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// New makes the handler of a whole server: the FHIR base at Prefix, and /livez, /readyz and /metrics beside it.
func New(c Config) http.Handler {
	c.Limits = c.Limits.filled()
	fill(&c.Policy.ConditionalDelete, DeleteSingle)
	fill(&c.SourceBase, DefaultSourceBase)
	if c.Sources == nil {
		c.Sources = &Sources{store: c.Store, catalog: c.Catalog}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Built.IsZero() {
		c.Built = c.Clock()
	}
	if c.Caller == nil {
		c.Caller = func(*http.Request) (Caller, error) { return Caller{}, errNobody }
	}
	c.Caller = throttled(c)
	if renew := c.Renew; renew != nil {
		c.Renew = func(ctx context.Context, grant any) (storage.Access, error) {
			a, err := renew(ctx, grant)
			return c.Audit.kept(a), err
		}
	}
	if len(c.Key) == 0 {
		c.Key = make([]byte, 32)
		rand.Read(c.Key)
	}

	p, err := newPages(c.Key)
	if err != nil {
		panic(err) // AES takes every key of the size that was derived
	}

	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	g.HandleMethodNotAllowed = true
	g.RedirectTrailingSlash = false
	m := newMetrics(c.Version)
	if c.Audit != nil {
		m.registry.MustRegister(c.Audit.left)
	}
	g.Use(house(&c, m))
	g.NoRoute(noRoute)
	g.NoMethod(noMethod)
	g.GET("/livez", live)
	g.GET("/readyz", ready(c.Store, c.Done))
	g.GET("/metrics", measured(&c), gin.WrapH(m.handler()))
	base := g.Group(Prefix)
	mount(base, &c, table(&c, p))
	inner := compressed(trimmed(g))
	outer := crossOrigin(c.Origins, inner)
	if c.Authorization == nil {
		return outer
	}
	for _, below := range authorizationPaths {
		base.Any(below+"*path", gin.WrapH(c.Authorization))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, below := range authorizationPaths {
			if strings.HasPrefix(r.URL.Path, Prefix+below) {
				inner.ServeHTTP(w, r)
				return
			}
		}
		outer.ServeHTTP(w, r)
	})
}

// authorizationPaths are where Config.Authorization is mounted, below the base.
var authorizationPaths = []string{"/auth/", "/.well-known/"}

// trimmed drops a slash at the end of the path: many clients write the base with one.
func trimmed(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := r.URL.Path; len(p) > 1 && p[len(p)-1] == '/' {
			r.URL.Path = strings.TrimRight(p, "/")
			r.URL.RawPath = ""
		}
		h.ServeHTTP(w, r)
	})
}
