package smart

import (
	"errors"
	"net/http"
	"net/url"
)

// authorize is GET [base]/auth/authorize: where an app sends its user. He signs in unless he has, then chooses a patient if need be,
// then says what the app may do.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	a, err := s.asked(r.Context(), r.URL.RawQuery)
	if err != nil {
		s.deny(w, r, a, err)
		return
	}
	u, err := s.whoIs(r)
	out := errors.Is(err, errSignedOut)
	if err != nil && !out {
		s.broken(w, r, err)
		return
	}
	out = out || a.login || a.maxAge != nil && s.Clock().Sub(u.AuthTime) > *a.maxAge
	switch {
	case out && a.silent:
		s.deny(w, r, a, &denied{code: "login_required", text: "the user has to sign in"})
	case a.silent:
		s.deny(w, r, a, &denied{code: "consent_required", text: "the user has to say what the app may do"})
	case out:
		s.showLogin(w, r, http.StatusOK, loginView{Query: a.query, Client: a.client, Name: a.hint}, a.redirect)
	default:
		s.proceed(w, r, a, u, "")
	}
}

// postAuthorize is the same by POST (authorize-post). It goes on by GET: the cookie of the session does not come with a POST of
// another site.
func (s *Server) postAuthorize(w http.ResponseWriter, r *http.Request) {
	err := r.ParseForm()
	if err != nil || r.URL.RawQuery != "" {
		s.deny(w, r, nil, shown("The request of the app cannot be read."))
		return
	}
	query := r.PostForm.Encode()
	if len(query) > maxQuery {
		s.deny(w, r, nil, shown("The request of the app is too long."))
		return
	}
	http.Redirect(w, r, s.prefix+"/auth/authorize?"+query, http.StatusSeeOther)
}

// signedInQuery is the query with which authorize goes on when the user has just signed in, as prompt=login wanted.
func signedInQuery(query string) string {
	q, err := url.ParseQuery(query)
	if err != nil || !q.Has("prompt") {
		return query
	}
	q.Del("prompt")
	return q.Encode()
}
