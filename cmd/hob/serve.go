package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // an image of Hob has no time zones of its own

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/server"
	health "github.com/hob-fhir/hob/server/report"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/backends"
)

// serve is the server and its configuration. Every field is a key, see config.go.
type serve struct {
	Config string `placeholder:"FILE" help:"Read keys from a YAML or JSON file. What the command line or a variable says comes before it."`

	Listen       string         `default:"127.0.0.1:8080" help:"Address and port to listen on. The FHIR base is at /fhir."`
	Base         string         `placeholder:"URL" help:"The FHIR base as clients see it, https://ehr.example/fhir. Without it, it is taken from each request. References below it, or else below the address listened on, are this server's own."`
	Proxies      []netip.Prefix `placeholder:"CIDR,..." help:"Proxies whose X-Forwarded-Proto and X-Forwarded-Host are believed where base is not set, as 10.0.0.0/8."`
	Auth         string         `default:"dev" placeholder:"dev|off|FILE" help:"Who may do what. dev: those with a token of the embedded authorization server, on this machine only, with users, an app and records to try it with. FILE: those with a token of an issuer that the file names, see docs/access.md. off: everyone everything."`
	InsecureOpen bool           `help:"Let everyone who reaches a listen address beyond loopback read and change everything, where auth is off."`

	Audit string `enum:"auto,off,writes,all,reads=sync" default:"auto" help:"Of what an AuditEvent is kept: off, writes, all, or reads=sync, which is all and answers no read before its event is kept. What is refused for want of a login or a right is kept by all of these. auto is off where auth is off, else all."`

	Imports string `placeholder:"FILE" help:"Import clinicians from the sources that this file names, see docs/import.md: on the schedule it gives, and when somebody asks."`

	LogFormat string        `enum:"auto,text,json" default:"auto" help:"Form of the log on standard error: text, json, or auto, which is text on a terminal and json elsewhere."`
	LogLevel  slog.Level    `default:"info" help:"The least level that is logged: debug, info, warn or error. Requests are info."`
	Drain     time.Duration `default:"1s" help:"On SIGTERM and SIGINT /readyz answers 503 for so long before connections are refused, so that a load balancer takes notice."`
	Grace     time.Duration `default:"20s" help:"How long requests under way may go on after that."`

	EdgeKeys    edgeKeys    `embed:"" group:"Between clients and the server"`
	ForwardKeys forwardKeys `embed:"" group:"What is sent to others"`
	StoreKeys   storeKeys   `embed:"" group:"Store"`
	LimitKeys   limitKeys   `embed:"" group:"Limits"`
	PolicyKeys  policyKeys  `embed:"" group:"What FHIR leaves to the server"`

	file *configuration
}

// limitKeys bound what one request may take, and what the process does.
type limitKeys struct {
	MaxBody     size          `default:"64MiB" help:"Largest request body, decompressed."`
	MaxDepth    int           `default:"100" help:"Deepest nesting of JSON."`
	MaxHeader   size          `default:"64KiB" help:"Largest request header."`
	MaxURL      size          `name:"max-url" default:"16KiB" help:"Longest request target. A longer search is sent by POST to _search."`
	PageSize    int           `default:"50" help:"Entries of a page if _count is not given."`
	MaxPageSize int           `default:"1000" help:"Most entries of a page, whatever _count says."`
	MaxRows     int           `default:"50000" help:"Most searchable values of one resource."`
	Deadline    time.Duration `default:"30s" help:"From the end of a request's header to its commit. A change that is not committed by then is not made."`
	RowBudget   int           `default:"5000000" help:"Index rows that one search may read before it is refused as too costly."`
	WriteBudget int           `default:"20000" help:"Index rows that a search inside a change may read: If-None-Exist and the criteria of conditional updates and deletes. Other writers wait meanwhile."`
	MaxCodes    int           `default:"10000" help:"Most codes of a value set, or below a code, that a search by :in, :not-in, :below or :above takes."`
	TotalBudget int           `default:"1000" help:"Index rows that are read for a total that was not asked for with _total."`
	MaxIncluded int           `default:"10000" help:"Resources that come with one page by _include and _revinclude; more are refused, not cut."`
	MaxRounds   int           `default:"16" help:"Steps that _include:iterate and _revinclude:iterate go on for."`
	MaxChain    int           `default:"8" help:"Resources that one search parameter may reach through by chains and _has."`
	MaxCascade  int           `default:"1000" help:"Resources that one DELETE with _cascade=delete or with criteria may delete."`
	MaxEntries  int           `default:"0" help:"Entries of a batch or transaction; 0 is as many as the body and the store take."`
	MaxHold     time.Duration `default:"10s" help:"How long one transaction may keep the writer."`
	Jobs        int           `default:"4" help:"Bundles that are processed in the background at once (Prefer: respond-async)."`
	JobTime     time.Duration `default:"10m" help:"How long each of these may take."`
	MemoryLimit size          `default:"1GiB" help:"Soft limit of the Go heap. The variable GOMEMLIMIT comes before it; 0 is none."`
}

// policyKeys choose where FHIR lets servers differ.
type policyKeys struct {
	Referential       string `enum:"free,strict" default:"free" help:"Deleting what others refer to: free lets it happen, strict answers 409."`
	Cascade           bool   `help:"Allow DELETE with _cascade=delete, which deletes what refers to a resource too."`
	ConditionalDelete string `enum:"not-supported,single,multiple" default:"single" help:"What a DELETE with search criteria may delete: nothing, one match, or all matches."`
	ClientIDs         string `name:"client-ids" enum:"allow,refuse" default:"allow" help:"A PUT of an id that is not there: allow creates the resource, refuse answers 405."`
	Handling          string `enum:"strict,lenient" default:"strict" help:"Unknown search parameters: strict answers 400, lenient ignores and names them. A request's Prefer: handling= comes before it."`
	SourceBase        string `placeholder:"URI" help:"What the identifier system begins with of a source that is linked by a name for which there is no NamingSystem. Without it urn:x-hob:source: is."`
	TextSearch        bool   `help:"Index the words of narratives and of all text, for _text and _content. It costs a row for each different word of a resource. What was stored without it must be indexed anew."`
	Zone              string `default:"UTC" help:"Time zone of dates and times in resources and searches that name none, as Europe/Berlin."`
}

func (serve) Help() string {
	return `The keys below are flags, variables and keys of the file alike: --max-body 8MiB, HOB_MAX_BODY=8MiB and max-body: 8MiB say the same. A flag comes before a variable, a variable before the file. Keys and variables that are not known are refused.

Beside the FHIR base the server answers /livez, /readyz and /metrics (Prometheus).

Examples:
  hob serve
  hob serve --listen 127.0.0.1:9000 --store badger:/var/lib/hob
  hob serve --config /etc/hob.yaml --log-format json`
}

// BeforeResolve reads the configuration file when flags and variables are known and defaults are not applied yet.
func (s *serve) BeforeResolve(c *kong.Context) error {
	var names, variables []string
	var path string
	for _, f := range keys(c.Model.Node) {
		if f.Name == "help" {
			continue
		}
		variables = append(variables, f.Envs...)
		if f.Name == "config" {
			path = fmt.Sprint(c.FlagValue(f))
			continue
		}
		names = append(names, f.Name)
	}
	if err := checkVariables(os.Environ(), variables); err != nil {
		return err
	}
	if path == "" {
		return nil
	}
	file, err := readConfiguration(path, names)
	if err != nil {
		return err
	}
	s.file = file
	c.AddResolver(file)
	return nil
}

// Run serves until the process is told to stop.
func (s *serve) Run(p *process, c *kong.Context) error {
	address, err := s.address()
	if err != nil {
		return err
	}
	log := logger(p.err, s.LogFormat, s.LogLevel)
	slog.SetDefault(log)
	v, revision := built()
	log.Info("hob", "version", v, "revision", revision, "pid", os.Getpid())
	log.Info("configuration", effective(c, s.file)...)
	if os.Getenv("GOMEMLIMIT") == "" && s.LimitKeys.MemoryLimit > 0 {
		debug.SetMemoryLimit(int64(s.LimitKeys.MemoryLimit))
	}

	// The port first: it costs nothing to give back.
	l, err := net.ListenTCP("tcp", address)
	if err != nil {
		return fmt.Errorf("listen on %s: %w; choose another with --listen", s.Listen, bare(err))
	}
	defer l.Close()
	secure, err := s.EdgeKeys.tls(log)
	if err != nil {
		return err
	}
	base := s.EdgeKeys.scheme() + "://" + l.Addr().String() + server.Prefix
	o, err := s.open(p, log, base)
	if err != nil {
		return err
	}
	defer o.Close()
	config, err := s.config(p, o.Store, o.catalog, log, v)
	if err != nil {
		return err
	}
	config.Indexing, config.Sources = o.indexing, o.sources
	config.Hosts = s.EdgeKeys.hosts(address, s.Base)
	if config.Origins, err = s.EdgeKeys.origins(s.Auth); err != nil {
		return err
	}
	who, err := s.access(p, o.Store, o.catalog, cmp.Or(strings.TrimRight(s.Base, "/"), base), log)
	if err != nil {
		return err
	}
	config.Caller, config.Renew = who.caller, who.granted.renew
	outbox, err := s.outbox(o.Store, o.catalog, who.granted, log)
	if err != nil {
		return err
	}
	config.Witness, config.Operations = outbox.Witness, append(config.Operations, outbox.Operations()...)
	im, err := s.importer(o.Store, o.catalog, log)
	if err != nil {
		return err
	}
	config.Operations = append(config.Operations, importOperations(im)...)
	if config.Audit = s.audit(config); config.Audit != nil {
		defer config.Audit.Close(context.Background()) // before the store
	}
	done := make(chan struct{})
	config.Done = done
	if who.server != nil {
		config.Authorization, config.OAuth = who.server, who.server.URIs()
	}
	h := &http.Server{
		Handler:        server.New(config),
		TLSConfig:      secure,
		ReadTimeout:    s.LimitKeys.Deadline,
		WriteTimeout:   s.LimitKeys.Deadline + slowReader,
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: int(s.LimitKeys.MaxHeader),
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	stopIndexing := background(o.indexing.Run)
	defer stopIndexing()
	stopOutbox := background(outbox.Run)
	defer stopOutbox()
	stopImports := background(im.Schedule)
	defer stopImports()
	failed := make(chan error, 1)
	go func() {
		if secure != nil {
			failed <- h.ServeTLS(l, "", "")
		} else {
			failed <- h.Serve(l)
		}
	}()
	log.Info("listening", "address", l.Addr().String(), "base", base)
	if s.LogFormat != "json" && isTerminal(p.err) || s.LogFormat == "text" {
		fmt.Fprint(p.err, s.welcome(base, who))
	}

	select {
	case err := <-failed:
		return err
	case <-p.Done():
	}
	log.Info("stopping", "drain", s.Drain, "grace", s.Grace)
	close(done)
	time.Sleep(s.Drain) // a second signal ends the process here
	stopIndexing()      // it goes on at the next start
	stopOutbox()        // what is not delivered yet is at the next start
	stopImports()
	return s.stop(h, o.Store, config.Audit, log)
}

// background runs fn until stop is called, which waits for its end and may be called twice.
func background(fn func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		fn(ctx)
	}()
	return func() {
		cancel()
		<-ended
	}
}

// audit begins to keep what --audit says.
func (s *serve) audit(c server.Config) *server.Audit {
	mode := s.Audit
	if mode == "auto" {
		mode = "all"
		if s.Auth == "off" {
			mode = "off"
		}
	}
	if mode == "off" {
		return nil
	}
	return server.NewAudit(c.Store, server.Auditing(mode), c.Key, c.Clock, c.Log)
}

// slowReader is how long a client may take to read an answer.
const slowReader = 5 * time.Minute

// welcome is what a person who starts the server is told.
func (s *serve) welcome(base string, who access) string {
	try := who.greet
	if try == "" {
		try = fmt.Sprintf("  Try:   curl '%s/metadata?_pretty=true'\n  Load:  hob load --url %s FILE...\n", base, base)
	}
	return fmt.Sprintf("\n  Hob is ready at %s (store %s, auth %s).\n%s  Stop:  Ctrl-C\n\n", base, s.StoreKeys.Store, s.Auth, try)
}

// stop ends what is under way, at the latest after the grace, and closes the store.
func (s *serve) stop(h *http.Server, store *storage.Store, audit *server.Audit, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.Grace)
	defer cancel()
	err := h.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		log.Warn("requests were still under way after the grace and were cut off", "grace", s.Grace)
		err = h.Close()
	}
	if audit != nil { // when nobody asks any more
		err = errors.Join(err, audit.Close(ctx))
	}
	if err := errors.Join(err, store.Close()); err != nil {
		return err
	}
	log.Info("stopped")
	return nil
}

// address resolves the listen address, and refuses one beyond loopback where nobody is asked who he is.
func (s *serve) address() (*net.TCPAddr, error) {
	a, err := net.ResolveTCPAddr("tcp", s.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w; an address and a port are needed, as 127.0.0.1:8080", s.Listen, bare(err))
	}
	if s.Auth == "dev" && !a.IP.IsLoopback() {
		return nil, fmt.Errorf("auth is dev, which is for this machine alone, and %s can be reached from others; name a FILE by --auth, "+
			"or say --auth off --insecure-open if everyone there may read and change everything", s.Listen)
	}
	if s.Auth == "off" && !a.IP.IsLoopback() && !s.InsecureOpen {
		return nil, fmt.Errorf("auth is %s and %s can be reached from other machines: everyone there could read and change everything; "+
			"listen on 127.0.0.1, or say --insecure-open if that is meant", s.Auth, s.Listen)
	}
	return a, nil
}

// open opens the store with its catalog. here is the base by the address that is listened on: absolute references below it are this
// server's own unless another base is configured.
func (s *serve) open(ctx context.Context, log *slog.Logger, here string) (*opened, error) {
	zone, err := time.LoadLocation(s.PolicyKeys.Zone)
	if err != nil {
		return nil, fmt.Errorf("zone %s: %w", s.PolicyKeys.Zone, err)
	}
	return s.StoreKeys.open(ctx, log, server.IndexingOptions{}, search.Options{
		Zone: zone, Text: s.PolicyKeys.TextSearch, Base: cmp.Or(s.Base, here),
		DefaultCount: s.LimitKeys.PageSize, MaxCount: s.LimitKeys.MaxPageSize, MaxRows: s.LimitKeys.MaxRows,
		MaxChain: s.LimitKeys.MaxChain,
	})
}

// config makes the server's own configuration.
func (s *serve) config(ctx context.Context, store *storage.Store, catalog *search.Catalog, log *slog.Logger, v string) (server.Config, error) {
	key, err := server.PageKey(ctx, store)
	if err != nil {
		return server.Config{}, fmt.Errorf("key of page links: %w", err)
	}
	l := s.LimitKeys
	c := server.Config{
		Store: store, Catalog: catalog, Operations: health.Operations(health.Options{Catalog: catalog}), Proxies: s.Proxies, Key: key, Version: v, Log: log, SourceBase: s.PolicyKeys.SourceBase,
		Policy: server.Policy{
			Referential: s.PolicyKeys.Referential == "strict", Cascade: s.PolicyKeys.Cascade,
			NoClientIDs: s.PolicyKeys.ClientIDs == "refuse", Lenient: s.PolicyKeys.Handling == "lenient",
			ConditionalDelete: server.ConditionalDelete(s.PolicyKeys.ConditionalDelete),
		},
		Limits: server.Limits{
			Body: int64(l.MaxBody), Depth: l.MaxDepth, URL: int(l.MaxURL), Count: l.PageSize, MaxCount: l.MaxPageSize,
			Rows: l.RowBudget, Total: l.TotalBudget, Within: l.WriteBudget, Codes: l.MaxCodes, Cascade: l.MaxCascade,
			Included: l.MaxIncluded, Rounds: l.MaxRounds,
			Entries: l.MaxEntries, Deadline: l.Deadline, Hold: l.MaxHold, Jobs: l.Jobs, Background: l.JobTime,
			Rate: s.EdgeKeys.Rate, Burst: s.EdgeKeys.Burst,
		},
	}
	if s.Base != "" {
		u, err := url.Parse(s.Base)
		if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https"}, u.Scheme) || u.RawQuery != "" || u.Fragment != "" {
			return c, fmt.Errorf("base %s: a base is a URL as https://ehr.example/fhir", s.Base)
		}
		c.Base = u
	}
	return c, nil
}

// storeKeys say where the data are and how much they may take. load and check have them too.
type storeKeys struct {
	Store         string        `default:"badger:./hob-data" placeholder:"URL" help:"Where the data are: badger:DIR, or badger::memory: for data that end with the process."`
	MinFree       size          `default:"1GiB" help:"Disk space that must stay free; writes are refused with 507 before it is used."`
	Memtable      size          `default:"64MiB" help:"Memory table of Badger, of which there are two. A transaction holds about 15 % of it."`
	BlockCache    size          `default:"64MiB" help:"Cache of decompressed blocks of Badger."`
	IndexCache    size          `default:"32MiB" help:"Cache of table indexes of Badger."`
	Sources       []string      `placeholder:"URI,..." help:"Identifier systems whose values are unique among Patients and among Practitioners. $link-identifier adds those that it is used with."`
	KeepSnapshots time.Duration `default:"10m" help:"How long the state that a page link reads is kept."`
}

// defaultStore is a store with the defaults of the keys.
func defaultStore(url string) storeKeys { return storeKeys{Store: url} }

// opened is a store and what knows its searchable values.
type opened struct {
	*storage.Store
	catalog  *search.Catalog
	indexing *server.Indexing
	sources  *server.Sources
}

// open opens the store. Its searchable values are those of the published parameters and of the SearchParameters that it holds.
func (k storeKeys) open(ctx context.Context, log *slog.Logger, how server.IndexingOptions, o search.Options) (*opened, error) {
	catalog, err := search.NewCatalog(r4.SearchParameters, o)
	if err != nil {
		return nil, fmt.Errorf("search parameters: %w", err)
	}
	var b backends.Options
	b.Badger.MinFree, b.Badger.MemTable = int64(k.MinFree), int64(k.Memtable)
	b.Badger.BlockCache, b.Badger.IndexCache = int64(k.BlockCache), int64(k.IndexCache)
	b.Badger.KeepSnapshots, b.Badger.Log = k.KeepSnapshots, log
	backend, err := backends.Open(k.Store, b)
	if err != nil {
		return nil, err
	}
	store, err := storage.New(storage.Config{Backend: backend, Index: catalog.Rows, Generation: catalog.Generation, Admit: catalog.Admit})
	if err != nil {
		return nil, errors.Join(err, backend.Close())
	}
	how.Rules, how.Log = catalog.Rules(), log
	indexing, err := server.OpenIndexing(ctx, store, catalog, how)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	sources, err := server.OpenSources(ctx, store, catalog, k.Sources)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return &opened{store, catalog, indexing, sources}, nil
}

// logger writes to w in a format of --log-format.
func logger(w *os.File, format string, level slog.Level) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if format == "text" || format == "auto" && isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// bare is what the system said, without the addresses that the message names already.
func bare(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var call *os.SyscallError
	if errors.As(err, &call) {
		err = call.Err
	}
	return err
}
