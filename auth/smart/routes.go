package smart

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/rs/cors"
	"github.com/zitadel/oidc/v3/pkg/op"
)

const maxForm = 64 << 10 // bytes of what a form, or an app, may send

// routes mounts the endpoints. Those that apps call answer every origin: they look at no cookie. Those that people see are shown to
// their own origin only.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	apps := cors.New(cors.Options{AllowedOrigins: []string{"*"}, AllowedMethods: []string{"GET", "POST"}, AllowedHeaders: []string{"Authorization", "Content-Type", "Accept"}, MaxAge: 3600})
	library := op.RegisterServer(provider{Server: s}, op.Endpoints{
		Token: op.NewEndpoint("auth/token"), Introspection: op.NewEndpoint("auth/introspect"), Revocation: op.NewEndpoint("auth/revoke"),
		Userinfo: op.NewEndpoint("auth/userinfo"), JwksURI: op.NewEndpoint("auth/jwks"),
	}, op.WithServerCORSOptions(nil))
	library = http.StripPrefix(s.prefix, library)
	page := func(h http.HandlerFunc) http.Handler { return s.paged(h) }
	form := func(h http.HandlerFunc) http.Handler {
		return s.paged(http.NewCrossOriginProtection().Handler(h).ServeHTTP)
	}
	for pattern, h := range map[string]http.Handler{
		"GET /.well-known/smart-configuration":  http.HandlerFunc(s.smartConfiguration),
		"GET /.well-known/openid-configuration": library,
		"GET /auth/jwks":                        library,
		"GET /auth/smart-style.json":            http.HandlerFunc(s.smartStyle),
		"POST /auth/token":                      posted(s.identified(library)),
		"POST /auth/introspect":                 posted(library),
		"POST /auth/revoke":                     posted(library),
		"GET /auth/userinfo":                    unstored(library),
		"POST /auth/userinfo":                   unstored(library),
		"POST /auth/launch":                     unstored(http.HandlerFunc(s.createLaunch)),
	} {
		method, path, _ := strings.Cut(pattern, " ")
		mux.Handle(method+" "+s.prefix+path, apps.Handler(h))
	}
	mux.Handle("OPTIONS "+s.prefix+"/", apps.Handler(http.NotFoundHandler())) // before a request of those; what it answers a page sends no CORS
	for pattern, h := range map[string]http.Handler{
		"GET /auth/authorize":  page(s.authorize),
		"POST /auth/authorize": page(s.postAuthorize), // from the sites of apps
		"POST /auth/login":     form(s.login),
		"POST /auth/logout":    form(s.logout),
		"POST /auth/patient":   form(s.choosePatient),
		"POST /auth/consent":   form(s.consent),
		"GET /auth/grants":     page(s.grants),
		"POST /auth/grants":    form(s.revokeGrant),
		"GET /auth/style.css":  http.HandlerFunc(style),
	} {
		method, path, _ := strings.Cut(pattern, " ")
		mux.Handle(method+" "+s.prefix+path, h)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		mux.ServeHTTP(w, r)
	})
}

// posted lets a form through whose parameters are all in its body: what is in a URL is in logs too (RFC 6749 section 2.3.1).
func posted(h http.Handler) http.Handler {
	return unstored(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
		switch {
		case r.URL.RawQuery != "":
			reply(w, http.StatusBadRequest, problem{"invalid_request", "the parameters belong in the body, not in the URL"})
			return
		case !strings.EqualFold(strings.TrimSpace(kind), "application/x-www-form-urlencoded"):
			reply(w, http.StatusBadRequest, problem{"invalid_request", "the body must be application/x-www-form-urlencoded"})
			return
		}
		if err := r.ParseForm(); err != nil {
			reply(w, http.StatusBadRequest, problem{"invalid_request", "the body is no form, or is longer than 64 KiB"})
			return
		}
		for name, values := range r.PostForm {
			if len(values) > 1 {
				reply(w, http.StatusBadRequest, problem{"invalid_request", "the parameter " + clip(name) + " is there more than once"})
				return
			}
		}
		h.ServeHTTP(w, r)
	}))
}

// unstored keeps answers with tokens out of caches, and names the way to authenticate where that is missing.
func unstored(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Pragma", "no-cache")
		h.ServeHTTP(challenging{w, r}, r)
	})
}

// challenging adds WWW-Authenticate to a 401, in the scheme that was tried.
type challenging struct {
	http.ResponseWriter
	r *http.Request
}

func (c challenging) WriteHeader(status int) {
	if h := c.Header(); status == http.StatusUnauthorized && h.Get("WWW-Authenticate") == "" {
		scheme := `Basic realm="Hob"`
		if strings.HasSuffix(c.r.URL.Path, "/userinfo") || strings.HasSuffix(c.r.URL.Path, "/launch") {
			scheme = `Bearer realm="Hob", error="invalid_token"`
		}
		h.Set("WWW-Authenticate", scheme)
	}
	c.ResponseWriter.WriteHeader(status)
}

// problem is an error as OAuth has it.
type problem struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// reply answers with JSON.
func reply(w http.ResponseWriter, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(b)
}

// refuseBearer answers one whose token is not good.
func (s *Server) refuseBearer(w http.ResponseWriter, err error) {
	if err == errToken {
		reply(w, http.StatusUnauthorized, problem{"invalid_token", err.Error()})
		return
	}
	s.Log.Error("authorization server", "error", err)
	reply(w, http.StatusInternalServerError, problem{"server_error", "the server is at fault; try again later"})
}

// fault answers a program with an error of our own.
func (s *Server) fault(w http.ResponseWriter, r *http.Request, err error) {
	s.Log.ErrorContext(r.Context(), "authorization server", "error", err)
	reply(w, http.StatusInternalServerError, problem{"server_error", "the server is at fault; try again later"})
}

// clip shortens what a client sent before it is told back.
func clip(s string) string {
	if len(s) > 100 {
		s = s[:100] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
