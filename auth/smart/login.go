package smart

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/hob-fhir/hob/storage"
)

// loginView is what the sign-in page shows.
type loginView struct {
	Client  Client
	Query   string // of the authorization request that goes on after it; "": to the page of grants
	Name    string
	Problem string
	Token   string
}

// showLogin shows the sign-in page. Its form is tied to a cookie, so that nobody is signed in by another site.
func (s *Server) showLogin(w http.ResponseWriter, r *http.Request, status int, v loginView, to *url.URL) {
	secret := ""
	if c, err := r.Cookie(formCookie); err == nil && len(c.Value) == 43 {
		secret = c.Value
	} else {
		secret = s.secret()
		s.setCookie(w, formCookie, secret, time.Hour)
	}
	v.Token = seal(secret, "login")
	s.show(w, status, "login", view{Title: "Sign in", Data: v, To: to})
}

// login is POST [base]/auth/login.
func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		s.show(w, http.StatusBadRequest, "error", view{Title: "Sign in", Text: "The form cannot be read."})
		return
	}
	v := loginView{Query: r.PostForm.Get("query"), Name: r.PostForm.Get("name")}
	var to *url.URL
	if v.Query != "" {
		a, err := s.asked(r.Context(), v.Query)
		if err != nil {
			s.deny(w, r, a, err)
			return
		}
		v.Client, to = a.client, a.redirect
	}
	c, err := r.Cookie(formCookie)
	if err != nil || !same(r.PostForm.Get("token"), seal(c.Value, "login")) {
		v.Problem = "The form was open for too long, or your browser keeps no cookies. Please try again."
		s.showLogin(w, r, http.StatusForbidden, v, to)
		return
	}
	u, err := s.signIn(r.Context(), v.Name, r.PostForm.Get("password"))
	var wait locked
	switch {
	case errors.As(err, &wait):
		v.Problem = "There were too many attempts with this name. Please wait " + plainly(time.Duration(wait)) + "."
		s.showLogin(w, r, http.StatusTooManyRequests, v, to)
		return
	case errors.Is(err, errPassword):
		v.Problem = "The name or the password is wrong."
		s.showLogin(w, r, http.StatusUnauthorized, v, to)
		return
	case err != nil:
		s.broken(w, r, err)
		return
	}
	if err := s.begin(w, r, u); err != nil {
		s.broken(w, r, err)
		return
	}
	next := s.prefix + "/auth/grants"
	if v.Query != "" {
		next = s.prefix + "/auth/authorize?" + signedInQuery(v.Query)
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// plainly says a wait as people do.
func plainly(d time.Duration) string {
	switch s := int(d.Round(time.Second).Seconds()); {
	case s <= 60:
		return "a minute"
	default:
		return "a quarter of an hour"
	}
}

// logout is POST [base]/auth/logout: what was granted for as long as the user is signed in (online_access) ends. With the query of an
// authorization request it goes on with that, so that another can sign in.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	u, err := s.whoIs(r)
	if err == nil && !same(r.PostFormValue("token"), u.Token()) {
		s.forged(w)
		return
	}
	if err == nil {
		err = s.Store.Update(r.Context(), storage.System, func(tx *storage.Tx) error {
			if err := removeAuthorizations(tx, "session", u.id()); err != nil {
				return err
			}
			return s.end(tx, r)
		})
	}
	if err != nil && !errors.Is(err, errSignedOut) {
		s.broken(w, r, err)
		return
	}
	s.setCookie(w, sessionCookie, "", -1)
	if query := r.PostFormValue("query"); query != "" {
		http.Redirect(w, r, s.prefix+"/auth/authorize?"+query, http.StatusSeeOther)
		return
	}
	s.show(w, http.StatusOK, "error", view{Title: "Signed out", Text: "You are signed out. Apps that you let go on without you still may; see them when you sign in again."})
}
