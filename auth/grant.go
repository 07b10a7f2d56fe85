package auth

import (
	"time"
)

// Grant is what an issuer has granted to a client on behalf of a subject: plain data. What outlives a request keeps the Grant and
// makes the Access anew at each use, so that one that was revoked or has expired ends subscriptions, jobs and exports too.
type Grant struct {
	Issuer  string `json:"iss"`
	Subject string `json:"sub"`
	Client  string `json:"client_id,omitempty"`
	ID      string `json:"jti,omitempty"` // of the token, by which it is revoked

	Scopes    Scopes    `json:"scope"`
	Patient   string    `json:"patient,omitempty"`   // id of the Patient of the launch
	Encounter string    `json:"encounter,omitempty"` // id of the Encounter of the launch
	FHIRUser  string    `json:"fhirUser,omitempty"`  // Patient/1, Practitioner/1, RelatedPerson/1 or Person/1: never absolute
	Roles     []string  `json:"roles,omitempty"`     // names that a Policy may widen what user/ scopes allow by
	Expires   time.Time `json:"exp,omitzero"`        // zero: never
}

// Caller names who is asking, as issuer and subject: the key of what is kept for one caller alone. A subject is unique within its
// issuer only.
func (g Grant) Caller() string { return g.Issuer + "|" + g.Subject }
