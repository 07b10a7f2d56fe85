// Package connect brings in what other systems hold: clinicians from the APIs of partners, from FHIR servers, files and databases, and rows of
// relational tables in general.
//
// A Source is an entry of the configuration. What it can do is said by its kind, one row in the table of kinds.go: how to authenticate, how
// to authorise a request, how to fetch, and what its fields are called. Whatever it fetches is Rows, plain names and values; a mapping makes
// resources of them (fhirmap.Clinician). An Importer runs a source and writes all of it or nothing:
//
//	Source ─▶ visit: attempts, each bounded ─▶ Rows ─▶ people: keys, collisions ─▶ plan, on a snapshot ─▶ one Update
//	(YAML)    (retries, tokens, digests)                                          (created, updated, unchanged)
//
// What came of a run is a Report, of every attempt and every person. A Table is a query of a relational database that is read from where the
// last read ended; it feeds sources of the kind sql, and other loaders.
package connect

// Row is what a source tells of one thing, by the names of its columns. A column without a value is absent.
type Row map[string]string

// A clinician's fields, as a kind or a configuration maps columns to them.
const (
	fieldID     = "id" // of the upstream; without it the key is made of the others, see keyOf
	fieldGiven  = "given"
	fieldFamily = "family"
	fieldTitle  = "title"
	fieldClinic = "clinic"
)

var fields = []string{fieldID, fieldGiven, fieldFamily, fieldTitle, fieldClinic}

// batch is what one fetch brings.
type batch struct {
	rows []Row
	more bool  // there is another batch
	mark *mark // where the next fetch goes on once this one is stored; nil: always from the start
}

// body is one answer that rows were read from.
type body struct {
	URL    string
	Digest string // SHA-256 of its bytes, in hex
	Bytes  int
}

// columns maps fields to the columns that hold them.
type columns map[string]string
