package auth

import (
	"slices"
	"strings"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
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

// userTypes are the types of resources that a user can be (SMART App Launch 2.2, fhirUser claim).
var userTypes = []string{"Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Person"}

// isUser reports whether a text is a relative reference to a user.
func isUser(ref string) bool {
	typ, id, ok := strings.Cut(ref, "/")
	return ok && slices.Contains(userTypes, typ) && fhirmap.IsID(id)
}

// id is the id that a text gives, with the type before it or without; "" if it gives none.
func id(typ, ref string) string {
	ref = strings.TrimPrefix(ref, typ+"/")
	if !fhirmap.IsID(ref) {
		return ""
	}
	return ref
}
