package smart

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"net/url"
)

//go:embed pages
var pageFiles embed.FS

// pages are the templates by name, each within the layout.
var pages = parsePages("login", "patient", "consent", "grants", "error")

func parsePages(names ...string) map[string]*template.Template {
	out := map[string]*template.Template{}
	for _, name := range names {
		out[name] = template.Must(template.ParseFS(pageFiles, "pages/layout.html", "pages/"+name+".html"))
	}
	return out
}

// view is what a page is made from.
type view struct {
	Title string
	Text  string   // of the page error
	Data  any      // of each other
	To    *url.URL // where a form of the page may lead in the end, beside the server itself
	User  signedIn // of the line at the top
	Query string   // of the authorization request that goes on when another signs in
	Path  string   // of the Server's pages, set by show
}

// show answers with a page.
func (s *Server) show(w http.ResponseWriter, status int, name string, v view) {
	v.Path = s.prefix + "/auth"
	var b bytes.Buffer
	if err := pages[name].ExecuteTemplate(&b, "layout.html", v); err != nil {
		s.Log.Error("page", "name", name, "error", err)
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy(v.To))
	w.WriteHeader(status)
	w.Write(b.Bytes())
}

// policy admits our stylesheet and nothing else. Browsers hold form-action against the redirect that answers a form too, so the origin
// of the app is in it.
func policy(to *url.URL) string {
	forms := "'self'"
	if to != nil && to.Host != "" {
		forms += " " + to.Scheme + "://" + to.Host
	} else if to != nil {
		forms += " " + to.Scheme + ":"
	}
	return "default-src 'none'; style-src 'self'; img-src 'self'; form-action " + forms + "; frame-ancestors 'none'; base-uri 'none'"
}

// paged sets what every page, and every redirect of one, is answered with.
func (s *Server) paged(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Pragma", "no-cache")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Content-Security-Policy", policy(nil))
		h.Set("Referrer-Policy", "same-origin")
		if s.Base.Scheme == "https" {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next(w, r)
	})
}

// forged answers a form that is not the user's own.
func (s *Server) forged(w http.ResponseWriter) {
	s.show(w, http.StatusForbidden, "error", view{Title: "Please start again", Text: "You are no longer signed in, or this form was not sent from this site. Go back to the app and start again."})
}

// broken answers a person with an error of our own.
func (s *Server) broken(w http.ResponseWriter, r *http.Request, err error) {
	s.Log.ErrorContext(r.Context(), "authorization server", "error", err)
	s.show(w, http.StatusInternalServerError, "error", view{Title: "Something went wrong", Text: "The server is at fault. Please try again later."})
}

// style is the stylesheet.
func style(w http.ResponseWriter, r *http.Request) {
	b, err := pageFiles.ReadFile("pages/style.css")
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	w.Write(b)
}
