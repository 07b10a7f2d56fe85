package connect

import (
	"context"
	"net/http"
)

// kind is what all sources of a kind have in common: what the backend of the importer of old had to implement, as values.
type kind struct {
	name string
	says string   // what it is, in a few words
	keys []string // of the configuration that it takes beyond those that every source has
	need []string // of all keys, those that it cannot do without

	check        func(*Source) error                                     // of what the keys say together; nil: nothing more
	authenticate func(context.Context, *visit) (token string, err error) // nil: it has no login, a token comes from the configuration
	authorize    func(r *http.Request, token string)                     // makes a request one that bears the token; nil: it needs none
	fetch        func(context.Context, *visit) (batch, error)
	columns      columns // of the rows; those of the configuration come before it
	required     []string
}

// kinds is the table of them.
var kinds = []kind{
	{
		name: "noteworth", says: "the clinicians of a Noteworth partner API: /auth, then /providers",
		need: []string{"url"}, authenticate: noteworthAuthenticate, authorize: noteworthAuthorize, fetch: noteworthFetch,
		columns:  columns{fieldGiven: "name_given", fieldFamily: "name_family", fieldTitle: "title", fieldClinic: "clinic"},
		required: []string{fieldGiven, fieldFamily, fieldTitle, fieldClinic},
	},
	{
		name: "fhir", says: "the Practitioners of any FHIR R4 server",
		keys: []string{"token-file", "max-pages"}, need: []string{"url"}, authorize: bearer, fetch: fhirFetch,
		columns:  columns{fieldID: "id", fieldGiven: "given", fieldFamily: "family", fieldTitle: "title"},
		required: []string{fieldID, fieldFamily},
	},
	{
		name: "csv", says: "a CSV file, or one behind a URL, whose first line names the columns",
		keys: []string{"file", "columns", "token-file"}, check: csvCheck, authorize: bearer, fetch: csvFetch,
		columns:  columns{fieldID: "id", fieldGiven: "given", fieldFamily: "family", fieldTitle: "title", fieldClinic: "clinic"},
		required: []string{fieldFamily},
	},
	{
		name: "sql", says: "a query of a PostgreSQL database, read on from where it was read before",
		keys: []string{"url-file", "query", "key", "cursor", "overlap", "columns", "into"}, need: []string{"query", "key", "cursor"},
		check: sqlCheck, fetch: sqlFetch,
		columns:  columns{fieldID: keyColumn, fieldGiven: "given", fieldFamily: "family", fieldTitle: "title", fieldClinic: "clinic"},
		required: []string{fieldID, fieldFamily},
	},
}

func bearer(r *http.Request, token string) {
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
}
