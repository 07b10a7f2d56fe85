package smart

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/hob-fhir/hob/auth"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// consentView is what the page shows on which the user says what an app may do.
type consentView struct {
	Client  Client
	Host    string // where the app is answered
	Query   string
	Token   string
	User    User
	Patient *person
	Chosen  string // id of the patient, if the user chose him
	Fixed   []line // what comes with the rest
	Choices []choice
	Offline bool // offline_access is asked for
	Writes  bool
}

// line is one scope in words.
type line struct{ Scope, Text string }

// choice is a scope that the user can leave out, or narrow to some of its parts.
type choice struct {
	line
	Writes bool
	Parts  []line
}

// showConsent shows what an app asks for.
func (s *Server) showConsent(w http.ResponseWriter, a *ask, u signedIn, l launched) {
	v := consentView{Client: a.client, Host: hostOf(a.redirect), Query: a.query, Token: u.Token(), User: u.User, Offline: a.scopes.Has("offline_access")}
	if l.Patient != "" {
		p := s.shown(l.Patient)
		v.Patient = &p
		if strings.HasPrefix(u.FHIRUser, "Practitioner/") && a.launch == nil {
			v.Chosen = l.Patient
		}
	}
	for _, scope := range a.scopes {
		switch {
		case scope.Context != "":
			for _, part := range scope.Split() {
				v.Choices = append(v.Choices, choiceOf(part))
			}
		case scope.Name == "launch/patient":
			v.Fixed = append(v.Fixed, line{scope.Name, "know which patient this is about"})
		case scope.Name != "offline_access":
			v.Fixed = append(v.Fixed, line{scope.Name, scope.Display()})
		}
	}
	for _, c := range v.Choices {
		v.Writes = v.Writes || c.Writes
	}
	s.show(w, http.StatusOK, "consent", view{Title: "Allow " + a.client.title() + "?", Data: v, To: a.redirect, User: u, Query: a.query})
}

func (c Client) title() string {
	if c.Name != "" {
		return c.Name
	}
	return c.ID
}

// Title is what the client is called on pages.
func (c Client) Title() string { return c.title() }

// hostOf says where an app is answered, as a person can judge it.
func hostOf(u *url.URL) string {
	if u.Host == "" {
		return "an app on your device (" + u.Scheme + ")"
	}
	return u.Host
}

// shown reads a patient whom the user was found to see.
func (s *Server) shown(id string) person {
	p := person{ID: id, Name: "Patient " + id}
	_ = s.Store.View(context.Background(), storage.System, func(tx *storage.Tx) error {
		rec, err := tx.Get(driver.Key{Type: "Patient", ID: id})
		if err == nil && !rec.Deleted {
			p = personOf(id, rec.Body)
		}
		return err
	})
	return p
}

// choiceOf offers a scope and the parts that it can be narrowed to: one type of all, or one category of a type that has many.
func choiceOf(s auth.Scope) choice {
	c := choice{line: line{s.Name, sentence(s)}, Writes: strings.ContainsAny(s.Actions, "cud")}
	if s.Params != "" {
		return c
	}
	if s.Type == "*" {
		for _, part := range s.Split(partTypes...) {
			c.Parts = append(c.Parts, line{part.Name, kinds[part.Type]})
		}
		return c
	}
	for _, category := range categories[s.Type] {
		name := string(s.Context) + "/" + s.Type + "." + s.Actions + "?category=" + category.system + "|" + category.code
		c.Parts = append(c.Parts, line{name, category.text})
	}
	return c
}

// sentence says a scope on the page.
func sentence(s auth.Scope) string {
	text := s.Display()
	if kind := kinds[s.Type]; kind != "" {
		text = strings.Replace(text, " "+s.Type, " "+strings.ToLower(kind), 1)
	}
	if s.Context == auth.UserContext {
		text += ", of everyone whose records you may see"
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// granted is what the user left of the scopes that were asked for. A part counts only where it is one that was offered.
func granted(asked auth.Scopes, chosen []string) auth.Scopes {
	var out auth.Scopes
	add := func(s auth.Scope) {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	for _, scope := range asked {
		if scope.Context == "" {
			if scope.Name != "offline_access" || slices.Contains(chosen, scope.Name) {
				add(scope)
			}
			continue
		}
		halves := scope.Split()
		kept, narrowed := []auth.Scope{}, false
		for _, half := range halves {
			parts := slices.DeleteFunc(choiceOf(half).Parts, func(l line) bool { return !slices.Contains(chosen, l.Scope) })
			switch {
			case len(parts) > 0:
				narrowed = true
				for _, p := range parts {
					if s, err := auth.ParseScope(p.Scope); err == nil {
						kept = append(kept, s)
					}
				}
			case slices.Contains(chosen, half.Name):
				kept = append(kept, half)
			}
		}
		if !narrowed && len(kept) == len(halves) {
			kept = []auth.Scope{scope} // by the name that the app knows
		}
		for _, s := range kept {
			add(s)
		}
	}
	return out
}

// returned reads a form of a user who is signed in, with the request that it is about. It answers where that is no good.
func (s *Server) returned(w http.ResponseWriter, r *http.Request) (*ask, signedIn, bool) {
	if err := r.ParseForm(); err != nil {
		s.show(w, http.StatusBadRequest, "error", view{Title: "Something went wrong", Text: "The form cannot be read."})
		return nil, signedIn{}, false
	}
	u, err := s.whoIs(r)
	if err != nil && !errors.Is(err, errSignedOut) {
		s.broken(w, r, err)
		return nil, u, false
	}
	if err != nil || !same(r.PostForm.Get("token"), u.Token()) {
		s.forged(w)
		return nil, u, false
	}
	a, err := s.asked(r.Context(), r.PostForm.Get("query"))
	if err != nil {
		s.deny(w, r, a, err)
		return nil, u, false
	}
	return a, u, true
}

// consent is POST [base]/auth/consent: the user's answer.
func (s *Server) consent(w http.ResponseWriter, r *http.Request) {
	a, u, ok := s.returned(w, r)
	if !ok {
		return
	}
	if r.PostForm.Get("decision") != "allow" {
		s.answer(w, r, a, url.Values{"error": {"access_denied"}, "error_description": {"the user said no"}})
		return
	}
	l, choose, err := s.subject(r.Context(), a, u, r.PostForm.Get("patient"))
	if err == nil && choose {
		err = shown("No patient was chosen.")
	}
	scopes := granted(a.scopes, r.PostForm["scope"])
	if err == nil && len(scopes) == 0 {
		err = &denied{code: "access_denied", text: "the user allowed nothing"}
	}
	if err != nil {
		s.deny(w, r, a, err)
		return
	}
	now := s.Clock()
	secret := s.secret()
	c := code{
		Authorization: authorization{
			Client: a.client.ID, Name: a.client.title(), User: u.User.Name, Subject: u.Subject, FHIRUser: u.FHIRUser, Scopes: scopes,
			Launch: l, Session: u.id(), AuthTime: u.AuthTime, Expires: u.session.Expires,
		},
		Redirect: a.redirect.String(), Challenge: a.pkce, Nonce: a.nonce, Until: now.Add(s.Lifetimes.Code), Expires: now.Add(s.Lifetimes.Code),
	}
	err = s.Store.Update(r.Context(), storage.System, func(tx *storage.Tx) error {
		if a.launch != nil { // once
			if err := launches.Remove(tx, a.launchID); err != nil {
				return err
			}
		}
		_, err := codes.Save(tx, digest(secret), 0, c)
		return err
	})
	if errors.Is(err, driver.ErrNotFound) {
		err = &denied{code: "invalid_request", text: "the launch was used before: start the app again"}
	}
	if err != nil {
		s.deny(w, r, a, err)
		return
	}
	s.answer(w, r, a, url.Values{"code": {secret}})
}
