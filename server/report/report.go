// Package report answers $health-summary: what a patient's record says of a range of dates, as a document, a page with charts, or text.
//
// A Summary is read in one transaction, so on one snapshot and through the caller's Access: what he may not see is not in it. From it each form
// is written by one file: document.go (FHIR), page.go and chart.go (HTML with SVG), text.go (for a terminal).
package report

import (
	"errors"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// Options say how reports are made. Catalog is required.
type Options struct {
	Catalog *search.Catalog
	Clock   func() time.Time // nil: time.Now; its zone is that of dates without one
	Most    int              // resources that one report may read; 0: 5000
}

// Operations are those of this package.
func Operations(o Options) []server.Operation {
	return []server.Operation{{
		Name: "health-summary", Definition: "urn:hob:operation:health-summary", On: server.Instance, Types: []string{"Patient"},
		Formats: []string{"text/html", "text/plain"}, Do: HealthSummary(o),
	}}
}

// HealthSummary is Patient/[id]/$health-summary?start&end: both ends belong to the range, and each may be left out.
func HealthSummary(o Options) server.Interaction {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Most == 0 {
		o.Most = 5000
	}
	return func(tx *storage.Tx, r *server.Request) (*server.Response, error) {
		start, end, err := rangeOf(r)
		if err != nil {
			return nil, err
		}
		s, err := read(tx, o, r.Key(), start, end)
		if err != nil {
			return nil, err
		}
		res := &server.Response{Status: http.StatusOK, Media: r.Media}
		switch r.Media {
		case "text/html":
			res.Body, err = s.page()
			res.Header = [][2]string{{"Content-Security-Policy", pagePolicy()}}
		case "text/plain":
			res.Body = s.text()
		default:
			res.Body, err = s.document(r.Base)
		}
		return res, err
	}
}

// rangeOf reads the parameters, by GET or as Parameters.
func rangeOf(r *server.Request) (start, end string, err error) {
	given := slices.Clone(r.Query)
	if len(r.Body) > 0 {
		res, err := r.Resource("Parameters")
		if err != nil {
			return "", "", err
		}
		for p := range res.Root().Each("parameter") {
			given = append(given, search.Pair{Name: p.String("name"), Value: p.String("value")})
		}
	}
	at := map[string]*string{"start": &start, "end": &end}
	for _, p := range given {
		to := at[p.Name]
		switch {
		case to == nil:
			return "", "", fhirmap.Errorf(fhirmap.CodeNotSupported, "http", "the parameter %q is not known here; known are start and end", short(p.Name))
		case *to != "" || p.Value == "":
			return "", "", fhirmap.Errorf(fhirmap.CodeValue, "http."+p.Name, "give %s once, as a date or a time", p.Name)
		}
		*to = strings.ReplaceAll(p.Value, " ", "+")
	}
	return start, end, nil
}

func short(s string) string { return strings.ToValidUTF8(s[:min(len(s), 60)], "") }

// Summary is what a record says of a patient and a range of dates.
type Summary struct {
	Patient    fhirmap.Chart
	Doctor     fhirmap.Doctor // zero: none, or not to be seen
	Start, End string         // as asked for; "": open
	Made       time.Time
	Signs      []*Sign
	Visits     []fhirmap.Visit

	list   map[string][]*fhirmap.Resource // by section
	bodies []*fhirmap.Resource            // all of the document, the patient first
}

// Sign is a vital sign in the range: the series, by time, and its statistics.
type Sign struct {
	Name, Short string
	Code        string // of LOINC
	Unit        string // as people write it
	Points      []Point
	Series      server.Series
}

// Point is one measurement.
type Point struct {
	At    string
	Value *big.Rat
	time  time.Time
}

// signs are those of a summary, with the unit in which they are told.
func signs() []*Sign {
	return []*Sign{
		{Name: "Systolic blood pressure", Short: "Systolic", Code: fhirmap.Systolic, Unit: "mmHg", Series: server.Series{Unit: "mm[Hg]", UCUM: true}},
		{Name: "Diastolic blood pressure", Short: "Diastolic", Code: fhirmap.Diastolic, Unit: "mmHg", Series: server.Series{Unit: "mm[Hg]", UCUM: true}},
		{Name: "Heart rate", Short: "Heart rate", Code: fhirmap.HeartRate, Unit: "/min", Series: server.Series{Unit: "/min", UCUM: true}},
		{Name: "Body mass index", Short: "BMI", Code: fhirmap.BodyMassIndex, Unit: "kg/m²", Series: server.Series{Unit: "kg/m2", UCUM: true}},
		{Name: "Body weight", Short: "Weight", Code: fhirmap.BodyWeight, Unit: "lb", Series: server.Series{Unit: "[lb_av]", UCUM: true}},
	}
}

// The sections that list what is no measure.
const (
	problems    = "problems"
	allergies   = "allergies"
	medications = "medications"
	visits      = "visits"
	vitals      = "vitals"
)

// reading is a Summary on its way.
type reading struct {
	*Summary
	Options
	tx       *storage.Tx
	from, to time.Time
	left     int // resources that may be read
	seen     map[driver.Key]bool
}

func read(tx *storage.Tx, o Options, patient driver.Key, start, end string) (*Summary, error) {
	s := &Summary{Start: start, End: end, Made: o.Clock(), Signs: signs(), list: map[string][]*fhirmap.Resource{}}
	r := &reading{Summary: s, Options: o, tx: tx, left: o.Most, seen: map[driver.Key]bool{}}
	var err error
	if r.from, r.to, err = server.Range("start", start, "end", end, s.Made.Location()); err != nil {
		return nil, err
	}
	rec, err := tx.Get(patient) // of one who may not be seen it says the same as of one who is not there
	if err == nil && rec.Deleted {
		err = fhirmap.Errorf(fhirmap.CodeDeleted, "", "%s was deleted", patient)
	}
	if err != nil {
		return nil, err
	}
	who, err := fhirmap.Trusted(rec.Body)
	if err != nil {
		return nil, err
	}
	r.note(who)
	const codes = fhirmap.LOINC + "|" + fhirmap.BloodPressure + "," + fhirmap.LOINC + "|" + fhirmap.HeartRate + "," + fhirmap.LOINC + "|" + fhirmap.BodyMassIndex + "," +
		fhirmap.LOINC + "|" + fhirmap.BodyWeight + "," + fhirmap.LOINC + "|" + fhirmap.BodyHeight
	found := map[string][]*fhirmap.Resource{}
	for _, q := range []struct {
		typ, date string // date: the parameter that must lie in the range
		more      []search.Pair
	}{
		{"Observation", "date", []search.Pair{{Name: "code", Value: codes}, {Name: "_sort", Value: "date"}}},
		{"Encounter", "date", []search.Pair{{Name: "_sort", Value: "date"}}},
		{"Condition", "", nil}, {"AllergyIntolerance", "", nil}, {"MedicationStatement", "", nil}, {"MedicationRequest", "", nil},
		{"CarePlan", "", nil}, {"DocumentReference", "", nil},
	} {
		pairs := append([]search.Pair{{Name: "patient", Value: patient.String()}}, q.more...)
		if q.date != "" {
			pairs = append(pairs, server.Dated(q.date, r.from, r.to)...)
		}
		if found[q.typ], err = r.find(q.typ, pairs); err != nil {
			return nil, err
		}
	}
	var of []*fhirmap.Resource
	for _, typ := range []string{"Observation", "Condition", "CarePlan", "MedicationRequest", "DocumentReference"} {
		of = append(of, found[typ]...)
	}
	used := map[*fhirmap.Resource]bool{}
	for _, e := range found["Encounter"] {
		v, err := fhirmap.VisitOf(e, of)
		if err != nil {
			return nil, err
		}
		s.Visits = append(s.Visits, v)
		s.list[visits] = append(s.list[visits], e)
		r.note(e)
		for _, x := range of { // what belongs to the visit comes with it
			if refersTo(x, "Encounter/"+e.ID()) && !used[x] {
				used[x] = true
				r.note(x)
			}
		}
	}
	r.measured(found["Observation"])
	r.stated(problems, found["Condition"], func(e *fhirmap.Element) bool {
		return !coded(e, "category", "encounter-diagnosis") && !ended(e)
	})
	r.stated(allergies, found["AllergyIntolerance"], func(e *fhirmap.Element) bool { return !ended(e) })
	r.stated(medications, found["MedicationStatement"], func(e *fhirmap.Element) bool {
		return !slices.Contains([]string{"completed", "stopped", "not-taken"}, e.String("status"))
	})
	if s.Patient, err = fhirmap.ChartOf(who, slices.Concat(s.list[problems], s.list[allergies], s.list[medications])); err != nil {
		return nil, err
	}
	for _, c := range s.list[problems] {
		if !coded(c.Root(), "category", "problem-list-item") {
			s.Patient.Preconditions = append(s.Patient.Preconditions, fhirmap.TextOf(c.Root().First("code")))
		}
	}
	return s, r.referred()
}

// find reads what a search finds and what counts of it. Of a type that the caller may not search there is nothing.
func (r *reading) find(typ string, pairs []search.Pair) (out []*fhirmap.Resource, err error) {
	s, err := r.Catalog.Parse(typ, pairs, search.ParseOptions{})
	if err != nil {
		return nil, err
	}
	for hit, err := range r.tx.Find(driver.Find{Type: typ, Where: s.Where, Sort: s.Sort, Budget: 100 * r.Most}) {
		if errors.Is(err, storage.ErrForbidden) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if r.left--; r.left < 0 {
			return nil, fhirmap.Errorf(fhirmap.CodeTooCostly, "", "the range holds more than the %d resources that one report may read; ask for a shorter one by start and end", r.Most)
		}
		res, err := fhirmap.Trusted(hit.Body)
		if err != nil {
			return nil, err
		}
		root := res.Root()
		if !slices.Contains([]string{"entered-in-error", "cancelled"}, root.String("status")) && !coded(root, "verificationStatus", "entered-in-error") &&
			!coded(root, "verificationStatus", "refuted") {
			out = append(out, res)
		}
	}
	return out, nil
}

// measured takes the vital signs into the series. A visit with a height and a weight but no body mass index has the one that follows from them.
func (r *reading) measured(list []*fhirmap.Resource) {
	type body struct{ height, weight, index *big.Rat }
	at := map[string]*body{} // by encounter
	var order []fhirmap.Vital
	for _, o := range list {
		v, err := fhirmap.VitalOf(o)
		if err != nil {
			continue
		}
		r.list[vitals] = append(r.list[vitals], o)
		r.note(o)
		for _, s := range r.Signs {
			switch m := v.Part(s.Code); {
			case s.Code == v.Code:
				s.take(v.At, v.Measure)
			case m.Value != "":
				s.take(v.At, m)
			}
		}
		if v.Encounter == "" {
			continue
		}
		b := at[v.Encounter]
		if b == nil {
			b = &body{}
			at[v.Encounter] = b
		}
		switch v.Code {
		case fhirmap.BodyHeight:
			b.height = converted(v.Measure, "m")
		case fhirmap.BodyWeight:
			b.weight = converted(v.Measure, "kg")
			order = append(order, v)
		case fhirmap.BodyMassIndex:
			b.index = converted(v.Measure, "kg/m2")
		}
	}
	for _, v := range order {
		b := at[v.Encounter]
		index := fhirmap.MassIndex(b.weight, b.height)
		if b.index != nil || index == "" {
			continue
		}
		m := fhirmap.Measure{Value: index, Unit: "kg/m2"}
		for _, s := range r.Signs {
			if s.Code == fhirmap.BodyMassIndex {
				s.take(v.At, m)
			}
		}
		for i := range r.Visits {
			if r.Visits[i].ID == v.Encounter {
				r.Visits[i].MassIndex = m
			}
		}
	}
	for _, s := range r.Signs {
		slices.SortStableFunc(s.Points, func(a, b Point) int { return a.time.Compare(b.time) })
	}
}

func converted(m fhirmap.Measure, unit string) *big.Rat {
	n, _, ok := search.Number(m.Value)
	if ok {
		n, ok = search.Convert(n, m.Unit, unit)
	}
	if !ok {
		return nil
	}
	return n
}

// take takes a measure in, in the unit of the sign; one of another kind of unit is left out.
func (s *Sign) take(at string, m fhirmap.Measure) {
	n, places, ok := search.Number(m.Value)
	if !ok {
		return
	}
	if m.Unit != s.Series.Unit {
		if n, ok = search.Convert(n, m.Unit, s.Series.Unit); !ok {
			return
		}
		places = max(places, 1)
	}
	s.Series.Take(n, places)
	s.Points = append(s.Points, Point{at, n, timeOf(at)})
}

// timeOf is the beginning of a dateTime, zero if it has none.
func timeOf(at string) time.Time {
	from, _, err := server.Range("", at, "", "", time.UTC)
	if err != nil {
		return time.Time{}
	}
	return from
}

// stated notes what of a list is to be told in a section.
func (r *reading) stated(section string, list []*fhirmap.Resource, tell func(*fhirmap.Element) bool) {
	for _, x := range list {
		if tell(x.Root()) {
			r.list[section] = append(r.list[section], x)
			r.note(x)
		}
	}
}

// ended reports whether a condition or an allergy is over.
func ended(e *fhirmap.Element) bool {
	return coded(e, "clinicalStatus", "resolved") || coded(e, "clinicalStatus", "inactive") || coded(e, "clinicalStatus", "remission")
}

// coded reports whether an element's concept has a code.
func coded(e *fhirmap.Element, name, code string) bool {
	for c := range e.Each(name) {
		for k := range c.Each("coding") {
			if k.String("code") == code {
				return true
			}
		}
	}
	return false
}

// note makes a resource part of the document, once.
func (r *reading) note(x *fhirmap.Resource) {
	k := driver.Key{Type: x.Type(), ID: x.ID()}
	if !r.seen[k] {
		r.seen[k] = true
		r.bodies = append(r.bodies, x)
	}
}

// referred adds what the resources of the document refer to, and the doctor. What is of another patient stays out.
func (r *reading) referred() error {
	for i := 0; i < len(r.bodies); i++ {
		var err error
		links(r.bodies[i].Root(), func(link string) {
			k, local := r.Catalog.Local(link)
			if !local || err != nil || r.seen[k] || k.Type == "Patient" {
				return
			}
			r.seen[k] = true // asked for once, whether it is there or not
			if r.left--; r.left < 0 {
				err = fhirmap.Errorf(fhirmap.CodeTooCostly, "", "the report refers to more than the %d resources that it may read; ask for a shorter range by start and end", r.Most)
				return
			}
			rec, gone := r.tx.Get(k)
			if gone != nil || rec.Deleted {
				if gone != nil && !errors.Is(gone, driver.ErrNotFound) && !errors.Is(gone, storage.ErrForbidden) {
					err = gone
				}
				return
			}
			x, bad := fhirmap.Trusted(rec.Body)
			if bad != nil {
				err = bad
				return
			}
			if d, bad := fhirmap.DoctorOf(x); bad == nil && x.ID() == r.Patient.Doctor {
				r.Doctor = d
			}
			r.bodies = append(r.bodies, x)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// links calls back with the references in an element.
func links(e *fhirmap.Element, link func(string)) {
	if e.Type == "Reference" {
		link(e.String("reference"))
	}
	for _, c := range e.Children {
		links(c, link)
	}
}

func refersTo(x *fhirmap.Resource, to string) (does bool) {
	links(x.Root(), func(link string) { does = does || link == to || strings.HasSuffix(link, "/"+to) })
	return does
}
