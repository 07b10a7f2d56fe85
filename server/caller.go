package server

import (
	"net/http"

	"github.com/hob-fhir/hob/storage"
)

// Caller is who is asking.
type Caller struct {
	Access  storage.Access // what he may see and do
	Subject string         // names him among all callers, for what is kept for one alone: page links, jobs; "": nobody was asked
	User    string         // the resource that he is, as Practitioner/1; "" if none is known
	Client  string         // the client that asks on his behalf; "" if none is known

	// Grant is what Access was made from, for operations whose work outlives the request: they keep it and make the Access anew. It is of the
	// type that Config.Caller gives, an auth.Grant; nil: nobody was asked.
	Grant any
}

// Everyone is the Caller where nobody is asked who he is, and everyone may do everything.
func Everyone(*http.Request) (Caller, error) { return Caller{Access: storage.System}, nil }
