package server

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// everything is $everything of a patient, of all patients, or of an encounter (R4 patient-operation-everything.html and
// encounter-operation-everything.html): what lies in the compartment, and after it what that refers to.
//
// It is one walk over a list of steps on one snapshot: the patient or the encounter itself, then the types of the compartment by name, then
// the types referred to by name. Each resource is shown once, on whatever page it comes. A link holds the number of a step and the place in
// it. The first steps follow from the request alone; those of what is referred to are found, where a page reaches them, by reading what the
// steps before them show. That is bounded.
//
// start and end leave out what is dated wholly before or after, by the dates of care in careDates; what has no such date stays. _since
// leaves out what has not been written since, the patient and what is referred to as well.
func everything(c *Config, p *pages) Interaction {
	return func(tx *storage.Tx, r *Request) (*Response, error) {
		w, err := everythingOf(c, tx, r)
		if err != nil {
			return nil, err
		}
		at, err := p.open(w.scope, r.Page)
		if err != nil {
			return nil, err
		}
		if err := w.page(at); err != nil {
			if errors.Is(err, driver.ErrExpired) {
				return nil, w.expired(w.r)
			}
			return nil, err
		}
		total := -1
		if r.Page == "" && w.next == "" {
			total = w.matches
		}
		on := ""
		if w.next != "" {
			if w.at == "" && !r.inside {
				w.at = tx.Now()
			}
			on = p.seal(w.scope, place{at: w.at, after: w.next, total: -1})
		}
		size := 0
		for _, s := range w.shown {
			size += len(s.Body) + 200
		}
		b := newBundle("searchset", c.Clock(), total, w.links(r, "", on), size)
		for _, s := range w.shown {
			b.match(r.Base+"/"+s.Key.String(), s.Body, s.mode)
		}
		return &Response{Status: http.StatusOK, Body: b.bytes()}, nil
	}
}

// careDates are the parameters that date care, by type; of types that are not here it is date. Those with "" have only dates of their record.
var careDates = map[string]string{
	"Account": "period", "AuditEvent": "", "Basic": "", "ChargeItem": "occurrence", "Claim": "created", "ClaimResponse": "created", "Communication": "sent",
	"CommunicationRequest": "occurrence", "Condition": "onset-date", "CoverageEligibilityRequest": "created",
	"CoverageEligibilityResponse": "created", "DetectedIssue": "identified", "DeviceRequest": "event-date", "DocumentManifest": "created",
	"ExplanationOfBenefit": "created", "Goal": "start-date", "ImagingStudy": "started", "Media": "created", "MedicationAdministration": "effective-time",
	"MedicationDispense": "whenhandedover", "MedicationRequest": "authoredon", "MedicationStatement": "effective", "NutritionOrder": "datetime",
	"QuestionnaireResponse": "authored", "RequestGroup": "authored", "ServiceRequest": "occurrence", "Specimen": "collected",
	"VisionPrescription": "datewritten",
}

// step is one search of the walk.
type step struct {
	typ   string
	where driver.Query
	mode  string // match or include
}

// shownHit is a hit with the mode of its entry.
type shownHit struct {
	driver.Hit
	mode string
}

// everythingWalk is one request of $everything.
type everythingWalk struct {
	walk
	c        *Config
	tx       *storage.Tx
	r        *Request
	owner    driver.Key   // no ID at type level
	types    []string     // asked for by _type; nil: all
	since    driver.Query // nil: always
	from, to driver.Value // start and the end of end; without Low: not given
	count    int          // entries of a page
	sources  []step       // what gives the links to others, whatever is asked for
	steps    []step       // what is shown, so far as it is known
	refs     bool         // the steps of what is referred to are among them
	at       driver.Snapshot

	shown   []shownHit
	matches int
	next    string // where the next page begins: step, a blank, cursor
}

func everythingOf(c *Config, tx *storage.Tx, r *Request) (*everythingWalk, error) {
	if _, err := c.Catalog.Parse(r.Type, nil, search.ParseOptions{}); err != nil { // as while all is being indexed anew
		return nil, err
	}
	simple, parts, err := input(r)
	if err != nil {
		return nil, err
	}
	known := []string{"start", "end", "_since", "_type", "_count"}
	if r.Type == "Encounter" {
		known = known[2:]
	}
	if len(parts) > 0 {
		return nil, unknownPart(parts[0], strings.Join(known, ", "))
	}
	asked := *r
	asked.Query = simple
	if err := asked.known(known...); err != nil {
		return nil, err
	}
	path := "/" + r.Type + "/$everything"
	if r.ID != "" {
		path = "/" + r.Key().String() + "/$everything"
	}
	w := &everythingWalk{walk: newWalk(r, path, encode(simple)), c: c, tx: tx, r: r, owner: r.Key()}
	if w.count, err = asked.count(c.Limits.Count, c.Limits.MaxCount); err == nil && w.count == 0 {
		err = fhirmap.Errorf(fhirmap.CodeValue, "", "_count=0 asks for nothing; give the entries of a page, from 1")
	}
	if err == nil {
		err = w.period(&asked)
	}
	if err == nil {
		err = w.only(simple)
	}
	if err != nil {
		return nil, err
	}
	if r.ID != "" && r.Page == "" { // a walk that has begun goes on, whatever happens to the patient
		rec, err := tx.Head(r.Key())
		if err != nil {
			return nil, err
		}
		if rec.Deleted {
			return nil, gone(rec)
		}
	}
	w.plan()
	if r.ID == "" && r.Page == "" {
		return w, w.affordable()
	}
	return w, nil
}

// period reads start, end and _since.
func (w *everythingWalk) period(asked *Request) error {
	for _, p := range []struct {
		name string
		take func(from, to time.Time)
	}{
		{"start", func(from, _ time.Time) { w.from = driver.Point(driver.Instant(from)) }},
		{"end", func(_, to time.Time) { w.to = driver.Point(driver.Instant(to)) }},
		{"_since", func(from, _ time.Time) {
			w.since = driver.Lookup{Field: "_lastUpdated", Op: driver.GTE, Values: []driver.Value{driver.Point(driver.Instant(from))}}
		}},
	} {
		value, err := asked.one(p.name)
		if err != nil {
			return err
		}
		if value == "" {
			continue
		}
		from, to, err := moment(p.name, value, w.c.Clock().Location())
		if err != nil {
			return err
		}
		p.take(from, to)
	}
	return nil
}

// only reads _type, which may be given more than once, with commas too.
func (w *everythingWalk) only(simple []search.Pair) error {
	for _, p := range simple {
		if p.Name != "_type" {
			continue
		}
		for typ := range strings.SplitSeq(p.Value, ",") {
			if typ = strings.TrimSpace(typ); !fhirmap.IsResource(typ) {
				return fhirmap.Errorf(fhirmap.CodeValue, "", "_type=%s: %q is no resource type of FHIR R4", clip(p.Value), clip(typ))
			}
			w.types = append(w.types, typ)
		}
	}
	return nil
}

func (w *everythingWalk) wants(typ string) bool {
	return w.types == nil || slices.Contains(w.types, typ)
}

// members asks for what of a type lies in the compartment, at type level in any; false for a type of which nothing does. To a patient
// belongs more than R4's definition has: devices and tasks too.
func (w *everythingWalk) members(typ string) (driver.Query, bool) {
	if w.owner.Type != "Patient" {
		return w.c.Catalog.Compartment(w.owner, typ)
	}
	if !slices.Contains(search.PatientTypes(), typ) {
		return nil, false
	}
	if w.owner.ID == "" {
		return driver.Has(search.PatientField), true
	}
	return driver.Lookup{Field: search.PatientField, Op: driver.EQUAL, Values: []driver.Value{driver.Point(w.owner.Ref())}}, true
}

// memberTypes are those of which something may lie in the compartment.
func (w *everythingWalk) memberTypes() []string {
	if w.owner.Type == "Patient" {
		return search.PatientTypes()
	}
	return search.Members(w.owner.Type)
}

// plan makes the steps that follow from the request alone.
func (w *everythingWalk) plan() {
	var self driver.Query = driver.All{}
	if w.owner.ID != "" {
		self = driver.IDs{w.owner.ID}
	}
	w.source(w.owner.Type, self)
	for _, typ := range w.memberTypes() {
		q, ok := w.members(typ)
		if !ok || typ == w.owner.Type && w.owner.ID == "" {
			continue
		}
		if typ == w.owner.Type { // others that refer to it
			q = driver.And{q, driver.Not{Of: self}}
		}
		if in := w.dated(typ); in != nil {
			q = driver.And{q, in}
		}
		w.source(typ, q)
	}
}

// source adds a search that gives what is to be shown, and what it refers to.
func (w *everythingWalk) source(typ string, where driver.Query) {
	w.sources = append(w.sources, step{typ, where, ""})
	w.show(typ, where, "match")
}

// show adds a step if its type is asked for.
func (w *everythingWalk) show(typ string, where driver.Query, mode string) {
	if !w.wants(typ) {
		return
	}
	if w.since != nil {
		where = driver.And{where, w.since}
	}
	w.steps = append(w.steps, step{typ, where, mode})
}

// dated asks for what of a type is of the time from start to end or has no date; nil: for all.
func (w *everythingWalk) dated(typ string) driver.Query {
	code, listed := careDates[typ]
	if !listed {
		code = "date"
	}
	all := w.c.Catalog.For(typ)
	i := slices.IndexFunc(all, func(p search.Parameter) bool { return p.Code == code && p.Type == "date" })
	if i < 0 || w.from.Low == nil && w.to.Low == nil {
		return nil
	}
	var some, none driver.Or
	for _, field := range all[i].Fields {
		var in driver.Same
		if w.from.Low != nil {
			in = append(in, driver.Lookup{Field: field, Op: driver.GTE, Values: []driver.Value{w.from}})
		}
		if w.to.Low != nil {
			in = append(in, driver.Lookup{Field: field, Op: driver.LT, Values: []driver.Value{w.to}})
		}
		some, none = append(some, in), append(none, driver.Has(field))
	}
	return append(some, driver.Not{Of: none})
}

// page reads the entries of a page from a place on.
func (w *everythingWalk) page(at place) error {
	w.at = at.at
	n, after := 0, ""
	if at.after != "" {
		if _, err := fmt.Sscanf(at.after, "%d ", &n); err != nil {
			return err
		}
		_, after, _ = strings.Cut(at.after, " ")
	}
	for ; ; n++ {
		if n >= len(w.steps) && !w.refs {
			if err := w.refer(); err != nil {
				return err
			}
		}
		if n >= len(w.steps) {
			return nil
		}
		s := w.steps[n]
		for hit, err := range w.find(s, driver.Find{After: driver.Cursor(after), Limit: w.count + 1 - len(w.shown)}) {
			if err != nil {
				return err
			}
			if len(w.shown) == w.count { // there is more
				if w.next == "" {
					w.next = fmt.Sprintf("%d ", n) + after
				}
				return nil
			}
			w.shown = append(w.shown, shownHit{hit, s.mode})
			if s.mode == "match" {
				w.matches++
			}
			after = string(hit.Cursor)
		}
		after = ""
	}
}

// find walks a step; of a type that the caller may not search there is nothing.
func (w *everythingWalk) find(s step, f driver.Find) func(func(driver.Hit, error) bool) {
	f.Type, f.Where, f.At, f.Budget = s.typ, s.where, w.at, w.c.Limits.rows(w.r)
	return func(yield func(driver.Hit, error) bool) {
		for hit, err := range w.tx.Find(f) {
			if errors.Is(err, storage.ErrForbidden) || !yield(hit, err) {
				return
			}
		}
	}
}

// bodyCost is how many index rows the reading of one body counts for.
const bodyCost = 50

// refer adds the steps of what the others refer to. What they are is read again, unless all of it is on this page.
func (w *everythingWalk) refer() error {
	w.refs = true
	ids := map[string]map[string]bool{}
	seen := map[driver.Key]bool{}
	note := func(hit driver.Hit) error {
		seen[hit.Key] = true
		res, err := fhirmap.Trusted(hit.Body)
		if err != nil {
			return err
		}
		linksIn(res.Root(), func(link string) {
			k, local := w.c.Catalog.Local(link)
			if !local || !w.wants(k.Type) {
				return
			}
			if ids[k.Type] == nil {
				ids[k.Type] = map[string]bool{}
			}
			ids[k.Type][k.ID] = true
		})
		return nil
	}
	if w.r.Page == "" && w.types == nil && w.since == nil {
		for _, s := range w.shown {
			if err := note(s.Hit); err != nil {
				return err
			}
		}
	} else if err := w.read(note); err != nil {
		return err
	}
	for _, typ := range slices.Sorted(maps.Keys(ids)) {
		var wanted driver.IDs
		for _, id := range slices.Sorted(maps.Keys(ids[typ])) {
			if !seen[driver.Key{Type: typ, ID: id}] {
				wanted = append(wanted, id)
			}
		}
		if len(wanted) == 0 {
			continue
		}
		w.show(typ, w.outside(typ, wanted), "include")
	}
	return nil
}

// outside asks for those of a type that are not of the compartment: what is of it was shown, or is of another time. Nor does the record of
// another patient belong to that of this one because something refers to it.
func (w *everythingWalk) outside(typ string, wanted driver.IDs) driver.Query {
	if w.owner.Type == "Patient" {
		return driver.And{wanted, driver.Not{Of: driver.Has(search.PatientField)}}
	}
	if q, ok := w.members(typ); ok {
		return driver.And{wanted, driver.Not{Of: q}}
	}
	return wanted
}

// read reads all sources, within bounds.
func (w *everythingWalk) read(note func(driver.Hit) error) error {
	n := 0
	for _, s := range w.sources {
		for hit, err := range w.find(s, driver.Find{}) {
			if err == nil {
				err = note(hit)
			}
			if n++; err == nil && n > w.most() {
				err = w.tooMuch()
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// most is how many bodies may be read to tell what they refer to.
func (w *everythingWalk) most() int { return w.c.Limits.rows(w.r) / bodyCost }

func (w *everythingWalk) tooMuch() error {
	return fhirmap.Errorf(fhirmap.CodeTooCostly, "", "to tell what %s refers to takes more than the %d resources that one request may read; ask for less by start and end",
		strings.TrimPrefix(w.path, "/"), w.most())
}

// affordable tells at once, not on the last page, that the last page would be too costly.
func (w *everythingWalk) affordable() error {
	n := 0
	for _, s := range w.sources {
		some, err := w.tx.Count(driver.Find{Type: s.typ, Where: s.where, Budget: w.c.Limits.rows(w.r)})
		if err != nil && !errors.Is(err, storage.ErrForbidden) {
			return err
		}
		if n += some; n > w.most() {
			return w.tooMuch()
		}
	}
	return nil
}

// linksIn calls back with the links of an element and of what lies in it: references, and the addresses of attachments.
func linksIn(e *fhirmap.Element, link func(string)) {
	switch e.Type {
	case "Reference":
		link(e.String("reference"))
	case "Attachment":
		link(e.String("url"))
	}
	for _, child := range e.Children {
		linksIn(child, link)
	}
}
