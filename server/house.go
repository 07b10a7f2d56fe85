package server

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/klauspost/compress/gzhttp"

	"github.com/hob-fhir/hob/fhirmap"
)

// house is what every request passes, whatever its route: a request id, a deadline, the headers that keep browsers from harm, a
// line in the log, the metrics, and an answer even after a panic.
//
// The log line holds the route and the names of the parameters, never a path, a value, a token or a body: those are about people.
func house(c *Config, m *metrics) gin.HandlerFunc {
	return func(g *gin.Context) {
		begun := time.Now()
		m.inFlight.Inc()
		id := requestID(g.Request.Header["X-Request-Id"])
		h := g.Writer.Header()
		h["X-Request-Id"] = []string{id}
		h["X-Content-Type-Options"] = nosniff
		h["Content-Security-Policy"] = sandbox
		h["Referrer-Policy"] = noReferrer
		h["Cache-Control"] = noStore

		ctx, cancel := context.WithTimeout(g.Request.Context(), c.Limits.Deadline)
		g.Request = g.Request.WithContext(ctx)
		defer func() {
			if p := recover(); p != nil {
				c.Log.Error("panic", "id", id, "route", pattern(g), "panic", panicked(p), "stack", string(debug.Stack()))
				if !g.Writer.Written() {
					fail(g, media{kind: FHIR}, refuse(http.StatusInternalServerError, fhirmap.CodeException,
						"the server met an error of its own; tell its operator the request id %s", id))
				}
			}
			cancel()
			took := time.Since(begun)
			m.inFlight.Dec()
			m.observe(g, took)
			line(c.Log, g, id, took)
		}()
		if no := addressed(c.Hosts, g.Request); no != nil && !probe(g) {
			fail(g, media{kind: FHIR}, no)
			g.Abort()
			return
		}
		if len(g.Request.RequestURI) > c.Limits.URL {
			fail(g, media{kind: FHIR}, refuse(http.StatusRequestURITooLong, fhirmap.CodeTooLong,
				"the URL is longer than %d bytes; a search may be sent by POST to _search", c.Limits.URL))
			g.Abort()
			return
		}
		g.Next()
	}
}

// probe reports whether a request only asks how the server is. Such are sent to addresses, not to names.
func probe(g *gin.Context) bool { return g.FullPath() == "/livez" || g.FullPath() == "/readyz" }

// panicked says what happened without the values that happened to be at hand, unless the run time made the text.
func panicked(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", p)
}

var (
	nosniff    = []string{"nosniff"}
	sandbox    = []string{"default-src 'none'; frame-ancestors 'none'; sandbox"}
	noReferrer = []string{"no-referrer"}
	noStore    = []string{"no-store"}
)

// requestID takes the id that a client or proxy gave, if it is one that may stand in a log, and makes one otherwise.
func requestID(lines []string) string {
	if len(lines) == 1 && plain(lines[0], "-_.") {
		return lines[0]
	}
	var b [8]byte
	for i, n := 0, rand.Uint64(); i < len(b); i, n = i+1, n>>8 {
		b[i] = byte(n)
	}
	return hex.EncodeToString(b[:])
}

// plain reports whether a word has 1 to 64 letters, digits and others of a set.
func plain(s, others string) bool {
	for i := range len(s) {
		b := s[i]
		if !('a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || strings.IndexByte(others, b) >= 0) {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// line writes the one line that a request leaves in the log.
func line(log *slog.Logger, g *gin.Context, id string, took time.Duration) {
	level := slog.LevelInfo
	if g.Writer.Status() >= 500 {
		level = slog.LevelError
	}
	ctx := context.Background()
	if !log.Enabled(ctx, level) {
		return
	}
	attrs := append(make([]slog.Attr, 0, 8),
		slog.String("id", id), slog.String("method", method(g.Request.Method)), slog.String("route", pattern(g)),
		slog.Int("status", g.Writer.Status()), slog.Int("bytes", max(g.Writer.Size(), 0)), slog.Duration("took", took))
	if names := parameters(g.Request.URL.RawQuery); names != "" {
		attrs = append(attrs, slog.String("parameters", names))
	}
	if len(g.Errors) > 0 {
		attrs = append(attrs, slog.String("error", g.Errors.Last().Error()))
	}
	log.LogAttrs(ctx, level, "request", attrs...)
}

// pattern is the route that answered, as the table writes it.
func pattern(g *gin.Context) string {
	if p := g.FullPath(); p != "" {
		return p
	}
	return "none"
}

// method is one of those that HTTP knows, so that a client cannot write words of its own into logs and metrics.
func method(m string) string {
	if slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"}, m) {
		return m
	}
	return "other"
}

// parameters lists the names in a query, at most twenty; what does not look like the name of a parameter is told as "?".
func parameters(raw string) string {
	if raw == "" {
		return ""
	}
	var b strings.Builder
	n := 0
	for part := range strings.SplitSeq(raw, "&") {
		if n++; n > 20 {
			b.WriteString(" …")
			break
		}
		if n > 1 {
			b.WriteByte(' ')
		}
		name, _, _ := strings.Cut(part, "=")
		if !plain(name, "-_:.$") {
			name = "?"
		}
		b.WriteString(name)
	}
	return b.String()
}

// compressed lets clients that ask for it have answers in gzip, from a size on below which it costs more than it saves.
func compressed(h http.Handler) http.Handler {
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(2048), gzhttp.CompressionLevel(1), gzhttp.EnableZstd(false))
	if err != nil {
		panic(err) // the options are constants
	}
	return wrap(h)
}
