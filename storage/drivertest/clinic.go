package drivertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hob-fhir/hob/storage/driver"
)

// person is a patient or provider as the first systems kept them: a few fields, all of them open to the seven lookups, and
// identifiers given by other systems.
type person struct {
	ID, Name, Sex, Birth, Location, Status string
	Created, Updated                       time.Time
	Links                                  []link `json:",omitempty"`
}

// link is an identifier in another system: Patient/UID is known to Source.
type link struct{ UID, Source string }

// clinic stores people of one type as records with rows: one record each, one row per field that is set, one unique row per link.
type clinic struct {
	*store
	typ  string
	made *atomic.Int64
}

func newClinic(s *store, typ string) clinic {
	return clinic{store: s, typ: typ, made: new(atomic.Int64)}
}

var errMissing = errors.New("no such person")

func (p person) rows() []driver.Row {
	rows := []driver.Row{
		{Field: "created_date", Value: driver.Point(driver.Instant(p.Created))},
		{Field: "updated_date", Value: driver.Point(driver.Instant(p.Updated))},
		row("status", p.Status),
	}
	for field, value := range map[string]string{"name": p.Name, "sex": p.Sex, "location": p.Location, "birth_date": p.Birth} {
		if value != "" {
			rows = append(rows, row(field, value))
		}
	}
	for _, l := range p.Links {
		rows = append(rows, unique(row("identifier", l.row())))
	}
	return rows
}

// row ends the first part with a zero byte, so that A-B of C is not A of B-C.
func (l link) row() string { return l.UID + "\x00" + l.Source }

// load returns the person, or errMissing: never created, or deleted.
func (c clinic) load(r driver.Reader, id string) (person, driver.Record, error) {
	rec, err := r.Get(key(c.typ, id))
	if errors.Is(err, driver.ErrNotFound) || err == nil && rec.Deleted {
		return person{}, rec, fmt.Errorf("%s %s: %w", c.typ, id, errMissing)
	}
	if err != nil {
		return person{}, rec, err
	}
	var p person
	err = json.Unmarshal(rec.Body, &p)
	return p, rec, err
}

func (c clinic) write(tx driver.Tx, p person, version uint64) error {
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return tx.Put(driver.Record{Key: key(c.typ, p.ID), Version: version, Time: p.Updated, Body: body}, p.rows())
}

func (c clinic) create(p person) person {
	c.Helper()
	p.ID = fmt.Sprintf("%s-%d", strings.ToLower(c.typ), c.made.Add(1))
	p.Created = c.clock.next()
	p.Updated = p.Created
	if p.Status == "" {
		p.Status = "A"
	}
	c.update(func(tx driver.Tx) error { return c.write(tx, p, 1) })
	return p
}

// get returns the person and whether there is one.
func (c clinic) get(id string) (person, bool) {
	c.Helper()
	var p person
	var err error
	c.view(func(r driver.Reader) { p, _, err = c.load(r, id) })
	if err != nil && !errors.Is(err, errMissing) {
		c.Fatalf("get: %v", err)
	}
	return p, err == nil
}

// change lets fn change a person and stores the next version. It reports false if there is no such person, if fn says so, or if an
// identifier is taken; id and creation stay as they are whatever fn does.
func (c clinic) change(id string, fn func(*person) bool) bool {
	c.Helper()
	_, err := c.Update(c.Context(), func(tx driver.Tx) error {
		p, rec, err := c.load(tx, id)
		if err != nil {
			return err
		}
		created := p.Created
		if !fn(&p) {
			return errMissing
		}
		p.ID, p.Created, p.Updated = id, created, c.clock.next()
		return c.write(tx, p, rec.Version+1)
	})
	if err != nil && !errors.Is(err, errMissing) && !errors.Is(err, driver.ErrTaken) {
		c.Errorf("change of %s: %v", id, err)
	}
	return err == nil
}

// discard deletes a person; false if there is none.
func (c clinic) discard(id string) bool {
	c.Helper()
	_, err := c.Update(c.Context(), func(tx driver.Tx) error {
		_, rec, err := c.load(tx, id)
		if err != nil {
			return err
		}
		return tx.Put(driver.Record{Key: rec.Key, Version: rec.Version + 1, Time: c.clock.next(), Deleted: true}, nil)
	})
	if err != nil && !errors.Is(err, errMissing) {
		c.Errorf("delete of %s: %v", id, err)
	}
	return err == nil
}

// link adds an identifier: true only if it is new, on this person and on all others.
func (c clinic) link(id, uid, source string) bool {
	c.Helper()
	return c.change(id, func(p *person) bool {
		if slices.Contains(p.Links, link{uid, source}) {
			return false
		}
		p.Links = append(p.Links, link{uid, source})
		return true
	})
}

// unlink takes an identifier away: true only if this person had it.
func (c clinic) unlink(id, uid, source string) bool {
	c.Helper()
	return c.change(id, func(p *person) bool {
		i := slices.Index(p.Links, link{uid, source})
		if i < 0 {
			return false
		}
		p.Links = slices.Delete(p.Links, i, i+1)
		return true
	})
}

// bySource returns the person whom another system knows by uid.
func (c clinic) bySource(uid, source string) (person, bool) {
	c.Helper()
	found := c.filter(look("identifier", driver.EQUAL, link{uid, source}.row()))
	if len(found) != 1 {
		return person{}, false
	}
	return found[0], true
}

// filter returns the people for whom all lookups hold.
func (c clinic) filter(lookups ...driver.Query) []person {
	c.Helper()
	var people []person
	for _, hit := range c.hits(driver.Find{Type: c.typ, Where: driver.And(lookups)}) {
		var p person
		if err := json.Unmarshal(hit.Body, &p); err != nil {
			c.Fatalf("body of %s: %v", hit.Key, err)
		}
		people = append(people, p)
	}
	return people
}

// names requires that a filter yields just these names, in any order.
func (c clinic) names(want string, lookups ...driver.Query) {
	c.Helper()
	var got []string
	for _, p := range c.filter(lookups...) {
		got = append(got, p.Name)
	}
	slices.Sort(got)
	if !slices.Equal(got, strings.Fields(want)) {
		c.Errorf("filter %v: %q; want %q", lookups, got, strings.Fields(want))
	}
}

// is requires a truth.
func (s *store) is(got, want bool, format string, args ...any) {
	s.Helper()
	if got != want {
		s.Errorf("%s: %t; want %t", fmt.Sprintf(format, args...), got, want)
	}
}
