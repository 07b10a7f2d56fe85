package connect

import (
	"time"

	"github.com/hob-fhir/hob/storage"
)

// Report is what came of a run.
type Report struct {
	Source     string    `json:"source"`
	Kind       string    `json:"kind"`
	DryRun     bool      `json:"dry-run,omitempty"`
	Begun      time.Time `json:"begun"`
	Millis     int64     `json:"took-ms"`
	Error      string    `json:"error,omitempty"` // why nothing, or of a source of several transactions not all, was written
	Created    int       `json:"created"`
	Updated    int       `json:"updated"`
	Unchanged  int       `json:"unchanged"`
	Attempts   []Attempt `json:"attempts"`
	People     []Change  `json:"people,omitempty"`
	Skipped    []string  `json:"skipped,omitempty"`
	Collisions []string  `json:"collisions,omitempty"`
	Read       []body    `json:"-"` // the bodies of attempts that went well
}

// What became of a person.
const (
	Created   = "created"
	Updated   = "updated"
	Unchanged = "unchanged"
)

// Change is what became of one person.
type Change struct {
	Name      string       `json:"name"`
	Reference string       `json:"reference"` // Practitioner/1
	Action    string       `json:"action"`
	Fields    []Difference `json:"fields,omitempty"` // of an update
}

// Difference is an element that changed, as JSON before and after; "" where it is absent.
type Difference struct {
	Field  string `json:"field"` // Practitioner.name
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// count adds what became of people.
func (r *Report) count(changes []Change) {
	r.People = append(r.People, changes...)
	for _, c := range changes {
		switch c.Action {
		case Created:
			r.Created++
		case Updated:
			r.Updated++
		default:
			r.Unchanged++
		}
	}
}

// lasts are the reports of the last run of each source, without the people.
var lasts = storage.Private[Report]{Type: "_import"}
