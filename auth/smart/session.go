package smart

import (
	"errors"
	"net/http"
	"time"

	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// session is a user who is signed in, in one browser. Its id is the digest of what the cookie holds.
type session struct {
	User     string    `json:"user"`
	AuthTime time.Time `json:"auth_time"`
	Expires  time.Time `json:"expires"`
}

var sessions = storage.Private[session]{
	Type:    "_session",
	Rows:    func(s session) []driver.Row { return []driver.Row{word("user", s.User)} },
	Expires: func(s session) time.Time { return s.Expires },
}

// The cookies. That of the sign-in form is another than that of the session, which is made anew at each sign-in: nobody can fix it before.
const (
	sessionCookie = "hob_session"
	formCookie    = "hob_form"
)

// signedIn is a user with his session.
type signedIn struct {
	User
	session
	secret string // in the cookie
}

func (u signedIn) id() string { return digest(u.secret) }

// Token is what a form of this user must bring back.
func (u signedIn) Token() string { return seal(u.secret, "form") }

var errSignedOut = errors.New("nobody is signed in")

// whoIs finds the user of a request. errSignedOut if there is none.
func (s *Server) whoIs(r *http.Request) (u signedIn, err error) {
	c, err := r.Cookie(sessionCookie)
	if err != nil || len(c.Value) > 100 {
		return u, errSignedOut
	}
	u.secret = c.Value
	err = s.Store.View(r.Context(), storage.System, func(tx *storage.Tx) error {
		u.session, _, err = sessions.Load(tx, u.id())
		return err
	})
	if errors.Is(err, driver.ErrNotFound) || err == nil && !s.Clock().Before(u.session.Expires) {
		return u, errSignedOut
	}
	if err != nil {
		return u, err
	}
	u.User, err = s.user(r.Context(), u.session.User)
	if errors.Is(err, errNoUser) {
		err = errSignedOut
	}
	return u, err
}

// begin starts a session. Whoever was signed in in this browser is no longer.
func (s *Server) begin(w http.ResponseWriter, r *http.Request, u User) error {
	now := s.Clock()
	n := session{User: u.Name, AuthTime: now, Expires: now.Add(s.Lifetimes.Session)}
	secret := s.secret()
	err := s.Store.Update(r.Context(), storage.System, func(tx *storage.Tx) error {
		if err := s.end(tx, r); err != nil {
			return err
		}
		_, err := sessions.Save(tx, digest(secret), 0, n)
		return err
	})
	if err != nil {
		return err
	}
	s.setCookie(w, sessionCookie, secret, s.Lifetimes.Session)
	s.setCookie(w, formCookie, "", -1)
	return nil
}

// end removes the session of a request.
func (s *Server) end(tx *storage.Tx, r *http.Request) error {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return nil
	}
	err = sessions.Remove(tx, digest(c.Value))
	if errors.Is(err, driver.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return noteEnd(tx)
}

// setCookie sets a cookie for the pages, for so long; less than zero removes it.
func (s *Server) setCookie(w http.ResponseWriter, name, value string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: s.prefix + "/auth", MaxAge: int(life.Seconds()), HttpOnly: true,
		Secure: s.Base.Scheme == "https", SameSite: http.SameSiteLaxMode,
	})
}
