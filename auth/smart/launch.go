package smart

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/hob-fhir/hob/auth"
	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// launch is what an EHR has prepared for an app that it is about to start (SMART App Launch 2.2, EHR launch). Its id is the digest of
// the launch parameter.
type launch struct {
	launched
	FHIRUser string    `json:"fhirUser,omitempty"` // who must sign in; "": anybody
	Client   string    `json:"client,omitempty"`   // which app may use it; "": any
	Expires  time.Time `json:"expires"`
}

var launches = storage.Private[launch]{Type: "_launch", Expires: func(l launch) time.Time { return l.Expires }}

// launchRequest is the body of POST [base]/auth/launch.
type launchRequest struct {
	Patient     string            `json:"patient"`             // an id, or Patient/id
	Encounter   string            `json:"encounter"`           // likewise; may be absent
	Intent      string            `json:"intent"`              //
	Banner      *bool             `json:"need_patient_banner"` // whether the app must show who the patient is; absent: yes
	FHIRContext []json.RawMessage `json:"fhirContext"`         // objects as SMART App Launch 2.2 has them
	FHIRUser    string            `json:"fhirUser"`            // who must sign in; absent: anybody
	Client      string            `json:"client_id"`           // which app may use it; absent: any
}

const maxLaunch = 16 << 10 // bytes of its body

// createLaunch is POST [base]/auth/launch: an EHR, a client with the scope hob/launch, prepares a launch, and gets the parameter with
// which it opens the launch URL of the app. It must itself be allowed to read what it launches about.
func (s *Server) createLaunch(w http.ResponseWriter, r *http.Request) {
	g, err := s.bearer(r)
	if err != nil {
		s.refuseBearer(w, err)
		return
	}
	if !g.Scopes.Has(LaunchScope) {
		reply(w, http.StatusForbidden, problem{"insufficient_scope", "the token needs the scope " + LaunchScope})
		return
	}
	var q launchRequest
	d := json.NewDecoder(io.LimitReader(r.Body, maxLaunch))
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil {
		reply(w, http.StatusBadRequest, problem{"invalid_request", "the body must be a JSON object with patient and, if need be, encounter, intent, need_patient_banner, fhirContext, fhirUser, client_id"})
		return
	}
	l := launch{FHIRUser: q.FHIRUser, Client: q.Client, Expires: s.Clock().Add(s.Lifetimes.Launch)}
	l.Patient, l.Encounter = strings.TrimPrefix(q.Patient, "Patient/"), strings.TrimPrefix(q.Encounter, "Encounter/")
	l.Intent, l.NoBanner, l.FHIRContext = q.Intent, q.Banner != nil && !*q.Banner, q.FHIRContext
	for _, c := range l.FHIRContext {
		var o map[string]json.RawMessage
		if json.Unmarshal(c, &o) != nil || o["reference"] == nil && o["canonical"] == nil && o["identifier"] == nil {
			reply(w, http.StatusBadRequest, problem{"invalid_request", "each fhirContext must be an object with a reference, a canonical or an identifier"})
			return
		}
	}
	for _, k := range []driver.Key{{Type: "Patient", ID: l.Patient}, {Type: "Encounter", ID: l.Encounter}} {
		if k.ID == "" {
			continue
		}
		seen, err := s.sees(r.Context(), g, k)
		if err != nil {
			s.fault(w, r, err)
			return
		}
		if !seen {
			reply(w, http.StatusBadRequest, problem{"invalid_request", "there is no " + clip(k.String()) + " that this client may read"})
			return
		}
	}
	secret := s.secret()
	err = s.Store.Update(r.Context(), storage.System, func(tx *storage.Tx) error {
		_, err := launches.Save(tx, digest(secret), 0, l)
		return err
	})
	if err != nil {
		s.fault(w, r, err)
		return
	}
	reply(w, http.StatusCreated, map[string]any{"launch": secret, "iss": s.base, "expires_in": int(s.Lifetimes.Launch.Seconds())})
}

// sees reports whether a grant lets its holder read a resource that is there.
func (s *Server) sees(ctx context.Context, g auth.Grant, k driver.Key) (bool, error) {
	if !fhirmap.IsID(k.ID) {
		return false, nil
	}
	access, err := s.Policy.Access(g)
	if errors.Is(err, storage.ErrForbidden) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	err = s.Store.View(ctx, access, func(tx *storage.Tx) error {
		head, err := tx.Head(k)
		if err == nil && head.Deleted {
			err = driver.ErrNotFound
		}
		return err
	})
	if errors.Is(err, driver.ErrNotFound) || errors.Is(err, storage.ErrForbidden) {
		return false, nil
	}
	return err == nil, err
}
