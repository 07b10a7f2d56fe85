package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// workload is one sort of request. next makes the next request of a client.
type workload struct {
	id, title string
	writes    bool
	next      func(c *caller) ask
}

// ask is a request and what the answer must be.
type ask struct {
	method, path string
	body         []byte
	check        func(*reply) error
	again        func() []ask // of a write: requests that must see it; called after check
}

// workloads are W1 to W9.
var workloads = []workload{
	{"W1", "POST Patient, 1.8 KB, 3 identifiers, US Core extensions", true, createPatient},
	{"W2", "POST Observation, 0.55 KB, of an existing patient", true, createObservation},
	{"W3", "GET Patient/{id}", false, readPatient},
	{"W4", "GET Observation?patient=&code=&_count=20", false, searchOfPatient},
	{"W5", "POST transaction: Patient, Encounter, Observations, urn:uuid links", true, postTransaction},
	{"W6", "PUT Patient/{id}, new version", true, updatePatient},
	{"W7", "GET Patient?family=&birthdate=ge1970-01-01&_count=20", false, searchPatients},
	{"W8", "GET Observation?code=&value-quantity=gt{x}&_sort=-date&_count=20", false, searchValues},
	{"W9", "GET Observation?patient=&_include=Observation:subject&_count=50", false, searchIncluding},
}

// caller is one client of the closed loop.
type caller struct {
	*dataset
	*rand.Rand
	number, of int // this client, and how many there are
	buf        []byte
}

func createPatient(c *caller) ask {
	p := stranger(c.Rand)
	c.buf = p.patient(c.buf[:0], "")
	var id string
	return ask{http.MethodPost, "/Patient", c.buf, func(r *reply) (err error) {
		if id, err = r.created("Patient"); err != nil || len(r.body) == 0 {
			return err
		}
		return r.patient(id, p.mrn)
	}, func() []ask {
		return []ask{
			get("/Patient/"+id, func(r *reply) error { return r.patient(id, p.mrn) }),
			get("/Patient?_count=50&identifier="+mrnSystem+"%7C"+p.mrn, func(r *reply) error { return r.holds("Patient", id) }),
		}
	}}
}

func createObservation(c *caller) ask {
	to := c.id('p', c.asked()+c.IntN(c.patients-c.asked()), 0)
	o := measured(c.Rand, uint8(c.IntN(len(codes))), true)
	c.buf = observation(c.buf[:0], "", "Patient/"+to, "", o)
	var id string
	return ask{http.MethodPost, "/Observation", c.buf, func(r *reply) (err error) {
		if id, err = r.created("Observation"); err != nil || len(r.body) == 0 {
			return err
		}
		return r.observation(id, to, o.code)
	}, func() []ask {
		return []ask{
			get("/Observation/"+id, func(r *reply) error { return r.observation(id, to, o.code) }),
			get("/Observation?_count=50&patient="+to+"&code="+loinc(o.code)+"&date="+instant(o.at), func(r *reply) error { return r.holds("Observation", id) }),
		}
	}}
}

func readPatient(c *caller) ask {
	i := c.IntN(c.patients)
	id := c.id('p', i, 0)
	return get("/Patient/"+id, func(r *reply) error { return r.patient(id, c.person(i).mrn) })
}

func searchOfPatient(c *caller) ask {
	i, code := c.IntN(c.asked()), uint8(c.IntN(min(len(codes), c.each)))
	of := c.id('p', i, 0)
	return get("/Observation?patient="+of+"&code="+loinc(code)+"&_count=20", func(r *reply) error {
		var want []string
		for j := int(code); j < c.each; j += len(codes) {
			want = append(want, c.dataset.id('b', i, j))
		}
		found, _, err := r.page("Observation", 20, want, false)
		if err != nil {
			return err
		}
		for _, f := range found {
			if err := f.measures(of, code); err != nil {
				return err
			}
		}
		return nil
	})
}

func postTransaction(c *caller) ask {
	p, pid, eid := stranger(c.Rand), "urn:uuid:"+uuid(c.Rand), "urn:uuid:"+uuid(c.Rand)
	at := setBegins - 1 - c.Int64N(365*24*3600)
	t := bundled{b: c.buf[:0]}
	t.add("Patient", "", pid, func(b []byte) []byte { return p.patient(b, "") })
	t.add("Encounter", "", eid, func(b []byte) []byte { return encounter(b, "", pid, at) })
	for j := range c.each {
		o := measured(c.Rand, uint8(j%len(codes)), true)
		t.add("Observation", "", "urn:uuid:"+uuid(c.Rand), func(b []byte) []byte { return observation(b, "", pid, eid, o) })
	}
	c.buf = t.end()
	var ids []string
	return ask{http.MethodPost, "", c.buf, func(r *reply) (err error) {
		ids, err = r.responses(func(n int) string { return [...]string{"Patient", "Encounter", "Observation"}[min(n, 2)] }, 2+c.each, nil)
		return err
	}, func() []ask {
		last := ids[len(ids)-1]
		return []ask{
			get("/Observation/"+last, func(r *reply) error { return r.observation(last, ids[0], uint8((c.each-1)%len(codes))) }),
			get("/Observation?_count=50&patient="+ids[0], func(r *reply) error {
				_, _, err := r.page("Observation", 50, ids[2:], false)
				return err
			}),
		}
	}}
}

// updatePatient gives a patient another phone number. Each client has patients of its own, so that it knows what it must read after.
func updatePatient(c *caller) ask {
	i := c.number + c.of*c.IntN((c.patients-c.number+c.of-1)/c.of)
	p, id := c.person(i), c.id('p', i, 0)
	p.phone = phone(c.Rand)
	c.buf = p.patient(c.buf[:0], id)
	check := func(r *reply) error {
		if err := r.patient(id, p.mrn); err != nil {
			return err
		}
		f, err := r.resource()
		if err == nil && (len(f.Telecom) != 1 || f.Telecom[0].Value != p.phone) {
			err = fmt.Errorf("the telecom of Patient/%s is %v; %s was put", id, f.Telecom, p.phone)
		}
		return err
	}
	return ask{http.MethodPut, "/Patient/" + id, c.buf, func(r *reply) error {
		if err := r.is(http.StatusOK); err != nil || len(r.body) == 0 {
			return err
		}
		return check(r)
	}, func() []ask {
		return []ask{get("/Patient/"+id, check)}
	}}
}

func searchPatients(c *caller) ask {
	family := nameBegins[c.IntN(len(nameBegins))] + nameEnds[c.IntN(len(nameEnds))]
	return get("/Patient?family="+family+"&birthdate=ge1970-01-01&_count=20", func(r *reply) error {
		_, _, err := r.page("Patient", 20, c.adults[family], false)
		return err
	})
}

func searchValues(c *caller) ask {
	code := uint8(c.IntN(min(len(codes), c.each)))
	// Between two values, so that precision plays no part; not so near the end that nothing is found.
	over := middle(code) + c.Int32N(max(1, (codes[code].high-middle(code))*9/10))
	x := decimal(over) + "5"
	return get("/Observation?code="+loinc(code)+"&value-quantity=gt"+x+"&_sort=-date&_count=20", func(r *reply) error {
		var want []string
		n := 0
		for _, k := range c.newest[code] {
			if c.observations[k].value <= over {
				continue
			}
			if n++; len(want) < 20 {
				want = append(want, c.observationID(int(k)))
			}
		}
		_, total, err := r.page("Observation", 20, want, true)
		if err == nil && total >= 0 && total != n {
			err = fmt.Errorf("the total is %d; %d match", total, n)
		}
		return err
	})
}

func searchIncluding(c *caller) ask {
	i := c.IntN(c.asked())
	of := c.id('p', i, 0)
	return get("/Observation?patient="+of+"&_include=Observation:subject&_count=50", func(r *reply) error {
		var want []string
		for j := range c.each {
			want = append(want, c.dataset.id('b', i, j))
		}
		if _, _, err := r.page("Observation", 50, want, false); err != nil {
			return err
		}
		var included []string
		f, err := r.resource()
		if err != nil {
			return err
		}
		for _, e := range f.Entry {
			if e.Search.Mode == "include" && e.Resource != nil {
				included = append(included, e.Resource.Type+"/"+e.Resource.ID)
			}
		}
		if !slices.Equal(included, []string{"Patient/" + of}) {
			return fmt.Errorf("included are %q; Patient/%s should be, once", included, of)
		}
		return nil
	})
}

func get(path string, check func(*reply) error) ask {
	return ask{method: http.MethodGet, path: path, check: check}
}

// loinc is a code as a search names it, fit for a URL.
func loinc(code uint8) string { return "http://loinc.org%7C" + codes[code].code }

// chosen picks workloads by name, all for none; those that read come first, so that they are measured on the set as it was loaded.
func chosen(names []string) ([]workload, error) {
	var out []workload
	for _, name := range names {
		i := slices.IndexFunc(workloads, func(w workload) bool { return strings.EqualFold(w.id, name) })
		if i < 0 {
			return nil, fmt.Errorf("workload %q: there are W1 to W%s", name, strconv.Itoa(len(workloads)))
		}
		if !slices.ContainsFunc(out, func(w workload) bool { return w.id == workloads[i].id }) {
			out = append(out, workloads[i])
		}
	}
	if len(names) == 0 {
		out = slices.Clone(workloads)
	}
	slices.SortStableFunc(out, func(a, b workload) int { return cmp.Compare(rank(a), rank(b)) })
	return out, nil
}

func rank(w workload) int {
	if w.writes {
		return 1
	}
	return 0
}
