package smart

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// grantsView is what the page of grants shows.
type grantsView struct {
	User   User
	Token  string
	Done   bool // one was just revoked
	Grants []grantLine
}

type grantLine struct {
	ID, Name               string
	Patient                *person
	Scopes                 []line
	Created, Used, Expires string
	Offline                bool
}

// grants is GET [base]/auth/grants: what the user has let apps do.
func (s *Server) grants(w http.ResponseWriter, r *http.Request) {
	u, err := s.whoIs(r)
	if errors.Is(err, errSignedOut) {
		s.showLogin(w, r, http.StatusOK, loginView{}, nil)
		return
	}
	if err != nil {
		s.broken(w, r, err)
		return
	}
	s.showGrants(w, r, u, false)
}

func (s *Server) showGrants(w http.ResponseWriter, r *http.Request, u signedIn, done bool) {
	v := grantsView{User: u.User, Token: u.Token(), Done: done}
	var found []storage.Saved[authorization]
	err := s.Store.View(r.Context(), storage.System, func(tx *storage.Tx) error {
		for a, err := range authorizations.Find(tx, is("subject", u.Subject)) {
			if err != nil {
				return err
			}
			found = append(found, a)
		}
		return nil
	})
	if err != nil {
		s.broken(w, r, err)
		return
	}
	slices.SortFunc(found, func(a, b storage.Saved[authorization]) int { return b.Value.Created.Compare(a.Value.Created) })
	for _, f := range found {
		a := f.Value
		g := grantLine{ID: f.ID, Name: a.Name, Created: day(a.Created), Used: day(a.Used), Expires: day(a.Expires), Offline: a.Scopes.Has("offline_access")}
		if a.Launch.Patient != "" {
			p := s.shown(a.Launch.Patient)
			g.Patient = &p
		}
		for _, scope := range a.Scopes {
			if scope.Context != "" {
				g.Scopes = append(g.Scopes, line{scope.Name, sentence(scope)})
			}
		}
		v.Grants = append(v.Grants, g)
	}
	s.show(w, http.StatusOK, "grants", view{Title: "Apps with access", Data: v, User: u})
}

func day(t time.Time) string { return t.UTC().Format("2 January 2006") }

// revokeGrant is POST [base]/auth/grants: the user takes back what he granted.
func (s *Server) revokeGrant(w http.ResponseWriter, r *http.Request) {
	u, err := s.whoIs(r)
	if err != nil && !errors.Is(err, errSignedOut) {
		s.broken(w, r, err)
		return
	}
	if err != nil || !same(r.PostFormValue("token"), u.Token()) {
		s.forged(w)
		return
	}
	id := r.PostFormValue("grant")
	err = s.Store.Update(r.Context(), storage.System, func(tx *storage.Tx) error {
		a, _, err := authorizations.Load(tx, id)
		if id == "" || errors.Is(err, driver.ErrNotFound) || err == nil && a.Subject != u.Subject {
			return nil // of others' nothing is told
		}
		if err != nil {
			return err
		}
		return endAuthorization(tx, id)
	})
	if err != nil {
		s.broken(w, r, err)
		return
	}
	s.showGrants(w, r, u, true)
}
