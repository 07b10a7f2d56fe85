package server

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// criteria are the search by which a conditional interaction, or a reference in a transaction, names a resource (R4 http.html,
// conditional create, update and delete). They are looked up on a snapshot when the write is prepared, and once more inside the
// writer, where the answer is as good as the write itself: nobody else can write between the two.
type criteria struct {
	typ    string
	query  string // as understood, for messages and to tell equal ones
	where  driver.Query
	budget int          // rows of one lookup
	found  []driver.Key // on the snapshot
}

// criteriaOf reads criteria. Those that name nothing, or that only say what an answer should look like, would match everything and
// are refused.
func (c *Config) criteriaOf(tx *storage.Tx, typ string, query []search.Pair) (*criteria, error) {
	for _, p := range query {
		if code, _, _ := strings.Cut(p.Name, ":"); slices.Contains(shapes, code) {
			return nil, fhirmap.Errorf(fhirmap.CodeNotSupported, "http."+p.Name,
				"%s is no criterion: it shapes the answer of a search; leave it out", clip(p.Name))
		}
	}
	s, _, err := c.parse(tx, typ, query, false, "")
	if err != nil {
		return nil, err
	}
	if s.Where == nil {
		return nil, refuse(http.StatusPreconditionFailed, fhirmap.CodeRequired,
			"no criteria are given, so every %s would match; give some, as in identifier=http://system|value, or an id in the URL", typ)
	}
	return &criteria{typ: typ, query: encode(s.Self), where: s.Where, budget: c.Limits.Within}, nil
}

// shapes are the parameters of a search that choose nothing.
var shapes = []string{"_count", "_sort", "_total", "_summary", "_elements", "_include", "_revinclude", "_contained", "_containedType"}

// ifNoneExist reads the header of a conditional create: a query string, which some clients write with its type before it.
func (c *Config) ifNoneExist(tx *storage.Tx, r *Request) (*criteria, error) {
	lines := r.Header["If-None-Exist"]
	if len(lines) == 0 {
		return nil, nil
	}
	if len(lines) > 1 {
		return nil, fhirmap.Errorf(fhirmap.CodeInvalid, "", "If-None-Exist is given %d times; give it once", len(lines))
	}
	query := strings.TrimPrefix(strings.TrimPrefix(lines[0], r.Base+"/"), r.Type)
	query = strings.TrimPrefix(query, "?")
	ps, err := pairs(query)
	if err != nil {
		return nil, err
	}
	return c.criteriaOf(tx, r.Type, ps)
}

// find looks up the matches, at most so many, that the caller may see. Those of without do not count.
func (cr *criteria) find(tx *storage.Tx, most int, without map[driver.Key]int) ([]driver.Key, error) {
	var keys []driver.Key
	for hit, err := range tx.Find(driver.Find{Type: cr.typ, Where: cr.where, Limit: most + len(without), Budget: cr.budget, Bare: true}) {
		if err != nil {
			return nil, err
		}
		if _, not := without[hit.Key]; not {
			continue
		}
		if keys = append(keys, hit.Key); len(keys) == most {
			break
		}
	}
	return keys, nil
}

// one looks up the only match, the zero Key if there is none, and notes it for still. Several are refused.
func (cr *criteria) one(tx *storage.Tx, without map[driver.Key]int) (driver.Key, error) {
	var err error
	if cr.found, err = cr.find(tx, 2, without); err != nil || len(cr.found) == 0 {
		return driver.Key{}, err
	}
	if len(cr.found) > 1 {
		return driver.Key{}, cr.several()
	}
	return cr.found[0], nil
}

func (cr *criteria) several() error {
	return refuse(http.StatusPreconditionFailed, fhirmap.CodeMultiple,
		"several %s match %s; one may: use criteria that name one, such as an identifier", cr.typ, clip(cr.query))
}

// still looks up inside the writer what was found before.
func (cr *criteria) still(tx *storage.Tx) error {
	now, err := cr.find(tx, len(cr.found)+1, nil)
	if err != nil {
		return err
	}
	same := len(now) == len(cr.found)
	for _, k := range now {
		same = same && slices.Contains(cr.found, k)
	}
	if same {
		return nil
	}
	return &moved{cr, now}
}

// guard makes a plan confirm its criteria first.
func (cr *criteria) guard(p Plan) Plan {
	confirm := p.Confirm
	p.Confirm = func(tx *storage.Tx, r *Request) (*Response, error) {
		if err := cr.still(tx); err != nil {
			return nil, err
		}
		return confirm(tx, r)
	}
	return p
}

// moved says that criteria match something else by now. It is a driver.ErrConflict.
type moved struct {
	*criteria
	now []driver.Key
}

func (m *moved) Error() string {
	return fmt.Sprintf("%s?%s matched %v when the change was prepared, and now %v", m.typ, m.query, m.found, m.now)
}

func (m *moved) Unwrap() error { return driver.ErrConflict }
