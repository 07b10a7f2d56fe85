package smart

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/hob-fhir/hob/auth"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// authorization is what a user has let a client do, and the family of all tokens that were made from it. Its id is the digest of the
// first half of its refresh tokens, so whoever has one of them, and nobody else, can name it:
//
//	refresh token  family.secret              id = digest(family), Refresh = digest(secret) of the newest
//	access token   jti = id.word
//
// It is removed when it is revoked, and with it all its tokens are.
type authorization struct {
	Client   string      `json:"client,omitempty"` // "": an operator made the token himself
	Name     string      `json:"name,omitempty"`   // of the client when it asked
	User     string      `json:"user,omitempty"`   // the name he signs in by; "": no user is involved
	Subject  string      `json:"subject"`
	FHIRUser string      `json:"fhirUser,omitempty"`
	Scopes   auth.Scopes `json:"scope"`
	Launch   launched    `json:"launch"`
	Session  string      `json:"session,omitempty"` // id of the session it ends with (online_access)
	Refresh  string      `json:"refresh,omitempty"`
	AuthTime time.Time   `json:"auth_time"`
	Created  time.Time   `json:"created"`
	Used     time.Time   `json:"used"` // when tokens were last made
	Expires  time.Time   `json:"expires"`
}

// launched is the context of a launch: what an app was started about.
type launched struct {
	Patient     string            `json:"patient,omitempty"`
	Encounter   string            `json:"encounter,omitempty"`
	Intent      string            `json:"intent,omitempty"`
	NoBanner    bool              `json:"no_banner,omitempty"` // the EHR shows who the patient is
	FHIRContext []json.RawMessage `json:"fhirContext,omitempty"`
}

var authorizations = storage.Private[authorization]{
	Type: "_grant",
	Rows: func(a authorization) []driver.Row {
		rows := []driver.Row{word("subject", a.Subject)}
		if a.Client != "" {
			rows = append(rows, word("client", a.Client))
		}
		if a.Session != "" {
			rows = append(rows, word("session", a.Session))
		}
		return rows
	},
	Expires: func(a authorization) time.Time { return a.Expires },
}

// removeAuthorizations revokes those with a word in a field.
func removeAuthorizations(tx *storage.Tx, field, word string) error {
	for found, err := range authorizations.Find(tx, is(field, word)) {
		if err != nil {
			return err
		}
		if err := endAuthorization(tx, found.ID); err != nil {
			return err
		}
	}
	return nil
}

// endAuthorization revokes one, with all its tokens. One that is not there has ended.
func endAuthorization(tx *storage.Tx, id string) error {
	err := authorizations.Remove(tx, id)
	if errors.Is(err, driver.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return noteEnd(tx)
}

// errEnded says that a token stands for nothing any more.
var errEnded = errors.New("it was revoked, or has expired")

// standing reads an authorization whose client, user and session are still there. errEnded if they are not.
func (s *Server) standing(tx *storage.Tx, id string) (authorization, uint64, error) {
	a, version, err := authorizations.Load(tx, id)
	if errors.Is(err, driver.ErrNotFound) || err == nil && !s.Clock().Before(a.Expires) {
		return a, 0, errEnded
	}
	if err != nil {
		return a, 0, err
	}
	ok, err := s.known(tx, a.Client)
	if err == nil && ok && a.User != "" && s.users[digest(a.User)].Name == "" {
		_, _, err = users.Load(tx, digest(a.User))
	}
	if err == nil && ok && a.Session != "" {
		_, _, err = sessions.Load(tx, a.Session)
	}
	if errors.Is(err, driver.ErrNotFound) || err == nil && !ok {
		err = errEnded
	}
	return a, version, err
}

// known reports whether a client is registered; "" is an operator.
func (s *Server) known(tx *storage.Tx, client string) (bool, error) {
	if _, ok := s.clients[client]; ok || client == "" {
		return true, nil
	}
	_, _, err := clients.Load(tx, digest(client))
	if errors.Is(err, driver.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
