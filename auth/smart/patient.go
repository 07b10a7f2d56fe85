package smart

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/hob-fhir/hob/auth"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// patientView is what the page shows on which a patient is chosen.
type patientView struct {
	Client Client
	Query  string
	Token  string
	Search string
	Asked  bool // a search was made
	Found  []person
	More   bool
	User   User
}

// person is a patient as people tell them apart.
type person struct {
	ID, Name, Gender, Birth, Identifier string
}

const patientsShown = 20

// grantOf is what a user may see himself, to read and search the patients he may let an app see.
func (s *Server) grantOf(u User) auth.Grant {
	return auth.Grant{
		Issuer: s.base, Subject: u.Subject, FHIRUser: u.FHIRUser, Scopes: auth.ParseScopes("user/Patient.rs user/RelatedPerson.rs user/Encounter.rs"),
		Expires: s.Clock().Add(s.Lifetimes.Session),
	}
}

// proceed goes on with a request of a user who is signed in: to the choice of a patient, or to his consent. chosen is the id of a
// patient that he chose; "": none yet.
func (s *Server) proceed(w http.ResponseWriter, r *http.Request, a *ask, u signedIn, chosen string) {
	l, choose, err := s.subject(r.Context(), a, u, chosen)
	switch {
	case err != nil:
		s.deny(w, r, a, err)
	case choose:
		s.showPatients(w, r, a, u, "")
	default:
		s.showConsent(w, a, u, l)
	}
}

// subject says what a launch is about. choose: the user has to choose a patient first.
func (s *Server) subject(ctx context.Context, a *ask, u signedIn, chosen string) (l launched, choose bool, err error) {
	g := s.grantOf(u.User)
	if a.launch != nil {
		l = a.launch.launched
		if a.launch.FHIRUser != "" && a.launch.FHIRUser != u.FHIRUser {
			return l, false, &denied{code: "access_denied", text: "the launch is for another user than the one who is signed in"}
		}
		for _, k := range []driver.Key{{Type: "Patient", ID: l.Patient}, {Type: "Encounter", ID: l.Encounter}} {
			if seen, err := s.sees(ctx, g, k); k.ID != "" && (err != nil || !seen) {
				return l, false, firstOf(err, &denied{code: "access_denied", text: "the user may not see what the launch is about"})
			}
		}
		return l, false, nil
	}
	if !aboutPatient(a.scopes) {
		return l, false, nil
	}
	typ, id, _ := strings.Cut(u.FHIRUser, "/")
	switch typ {
	case "Patient":
		l.Patient = id
	case "RelatedPerson":
		l.Patient, err = s.patientOf(ctx, id)
	default:
		l.Patient = chosen
		choose = chosen == ""
	}
	if err != nil || choose {
		return l, choose, err
	}
	seen, err := s.sees(ctx, g, driver.Key{Type: "Patient", ID: l.Patient})
	if err == nil && !seen {
		err = &denied{code: "access_denied", text: "there is no such patient that the user may see"}
	}
	return l, false, err
}

func firstOf(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// patientOf is the patient to whom a RelatedPerson is related.
func (s *Server) patientOf(ctx context.Context, id string) (string, error) {
	var body struct {
		Patient struct{ Reference string }
	}
	err := s.Store.View(ctx, storage.System, func(tx *storage.Tx) error {
		rec, err := tx.Get(driver.Key{Type: "RelatedPerson", ID: id})
		if err != nil {
			return err
		}
		return json.Unmarshal(rec.Body, &body)
	})
	if errors.Is(err, driver.ErrNotFound) {
		return "", &denied{code: "access_denied", text: "the record of the user himself is missing"}
	}
	return strings.TrimPrefix(strings.TrimPrefix(body.Patient.Reference, s.base+"/"), "Patient/"), err
}

// choosePatient is POST [base]/auth/patient: a search among the patients that the user may see, or his choice.
func (s *Server) choosePatient(w http.ResponseWriter, r *http.Request) {
	a, u, ok := s.returned(w, r)
	if !ok {
		return
	}
	if chosen := r.PostForm.Get("patient"); chosen != "" {
		s.proceed(w, r, a, u, chosen)
		return
	}
	s.showPatients(w, r, a, u, r.PostForm.Get("search"))
}

// showPatients shows the search, and what it finds; before any, the first of all.
func (s *Server) showPatients(w http.ResponseWriter, r *http.Request, a *ask, u signedIn, text string) {
	text = strings.TrimSpace(text)
	v := patientView{Client: a.client, Query: a.query, Token: u.Token(), Search: text, Asked: text != "", User: u.User}
	found, err := s.patients(r.Context(), u.User, text)
	if err != nil {
		s.broken(w, r, err)
		return
	}
	if v.More = len(found) > patientsShown; v.More {
		found = found[:patientsShown]
	}
	v.Found = found
	s.show(w, http.StatusOK, "patient", view{Title: "Choose a patient", Data: v, To: a.redirect, User: u, Query: a.query})
}

// patients finds patients by name, among those that a user may see: one more than are shown.
func (s *Server) patients(ctx context.Context, u User, text string) ([]person, error) {
	pairs := []search.Pair{{Name: "_sort", Value: "family"}}
	for part := range strings.FieldsSeq(text) {
		pairs = append(pairs, search.Pair{Name: "name", Value: escape.Replace(part)})
	}
	if len(pairs) > 6 {
		pairs = pairs[:6]
	}
	q, err := s.Catalog.Parse("Patient", pairs, search.ParseOptions{})
	if err != nil {
		return nil, nil // of what a person types nothing is an error
	}
	access, err := s.Policy.Access(s.grantOf(u))
	if errors.Is(err, storage.ErrForbidden) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var found []person
	err = s.Store.View(ctx, access, func(tx *storage.Tx) error {
		for hit, err := range tx.Find(driver.Find{Type: "Patient", Where: q.Where, Sort: q.Sort, Limit: patientsShown + 1, Budget: patientBudget}) {
			if err != nil {
				return err
			}
			found = append(found, personOf(hit.ID, hit.Body))
		}
		return nil
	})
	if errors.Is(err, storage.ErrForbidden) || errors.Is(err, driver.ErrTooCostly) {
		return nil, nil
	}
	return found, err
}

const patientBudget = 1_000_000 // rows that one search may read

var escape = strings.NewReplacer(`\`, `\\`, `,`, `\,`, `$`, `\$`, `|`, `\|`)

// personOf reads a Patient as far as it is shown.
func personOf(id string, body []byte) person {
	var p struct {
		Name []struct {
			Text, Family string
			Given        []string
		}
		Gender, BirthDate string
		Identifier        []struct{ Value string }
	}
	_ = json.Unmarshal(body, &p) // what is missing is not shown
	v := person{ID: id, Gender: p.Gender, Birth: p.BirthDate, Name: "Patient " + id}
	if len(p.Name) > 0 {
		n := p.Name[0]
		if full := strings.TrimSpace(strings.Join(n.Given, " ") + " " + n.Family); full != "" {
			v.Name = full
		} else if n.Text != "" {
			v.Name = n.Text
		}
	}
	if len(p.Identifier) > 0 {
		v.Identifier = p.Identifier[0].Value
	}
	return v
}
