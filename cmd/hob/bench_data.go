package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// dataset is what bench loads: for each patient one Patient, one Encounter and some Observations, spread evenly over the codes. Every
// value follows from the seed and the number of the patient, so that what a search must find is known without asking a server.
//
// What the workloads write while they are measured is made so that it changes no answer of those that read: new Patients have
// family names that are none of the set's, new Observations have values in the lower half of a code's range, where W8 does not ask,
// and refer to patients that W4 and W9 do not ask about. Every run thus has one right answer, whatever ran before it.
type dataset struct {
	name           string
	patients, each int // each: Observations of one patient
	seed           uint64

	observations []observed          // patient i has those from i*each
	newest       [len(codes)][]int32 // of each code, the newest first
	adults       map[string][]string // ids of Patients by family name, of those born since 1970
	step, turn   uint64              // of the order of the Observations in time
}

// observed is one measurement. No two of a set have the same time, so that sorting by it has one result.
type observed struct {
	code  uint8
	value int32 // in tenths
	at    int64 // seconds of Unix
}

// codes are what is measured: LOINC codes with their UCUM unit and the range of the values, in tenths.
var codes = [...]struct {
	code, display, unit string
	low, high           int32
}{
	{"8867-4", "Heart rate", "/min", 450, 1200},
	{"9279-1", "Respiratory rate", "/min", 100, 280},
	{"8310-5", "Body temperature", "Cel", 355, 395},
	{"29463-7", "Body weight", "kg", 450, 1200},
	{"8302-2", "Body height", "cm", 1400, 2000},
	{"39156-5", "Body mass index", "kg/m2", 170, 420},
	{"8480-6", "Systolic blood pressure", "mm[Hg]", 900, 1800},
	{"8462-4", "Diastolic blood pressure", "mm[Hg]", 550, 1100},
	{"2708-6", "Oxygen saturation", "%", 880, 1000},
	{"2339-0", "Glucose", "mg/dL", 600, 2400},
	{"718-7", "Hemoglobin", "g/dL", 90, 180},
	{"2160-0", "Creatinine", "mg/dL", 4, 22},
	{"2823-3", "Potassium", "mmol/L", 30, 60},
	{"2951-2", "Sodium", "mmol/L", 1280, 1500},
	{"4548-4", "Hemoglobin A1c", "%", 45, 110},
	{"2093-3", "Cholesterol", "mg/dL", 1200, 3000},
}

// middle divides the range of a code: W8 asks above it, what is written while measuring lies below.
func middle(code uint8) int32 { return (codes[code].low + codes[code].high) / 2 }

// The times of the set are spread over five years, those of what is written later lie in the year before.
var (
	setBegins = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	setLasts  = int64(5 * 365 * 24 * 3600)
)

// parseDataset reads S, M, or the numbers of patients and of Observations of each, as 200x16.
func parseDataset(name string, seed uint64) (*dataset, error) {
	d := &dataset{name: name, seed: seed}
	switch name {
	case "S":
		d.patients, d.each = 1000, 48
	case "M":
		d.patients, d.each = 20000, 48
	default:
		n, m, _ := strings.Cut(name, "x")
		var err, err2 error
		d.patients, err = strconv.Atoi(n)
		d.each, err2 = strconv.Atoi(m)
		if err != nil || err2 != nil || d.patients < 2 || d.each < 1 || d.patients*d.each > 100_000_000 {
			return nil, fmt.Errorf("data %q: write S, M, or patients and Observations of each, as 200x16; two patients are the least", name)
		}
	}
	d.fill()
	return d, nil
}

func (d *dataset) fill() {
	n := uint64(d.patients * d.each)
	d.turn = d.seed % n
	for d.step = n*618/1000 + 1; gcd(d.step, n) != 1; d.step++ {
	}
	d.observations = make([]observed, 0, n)
	d.adults = map[string][]string{}
	for i := range d.patients {
		r := d.random('o', i, 0)
		for j := range d.each {
			o := measured(r, uint8(j%len(codes)), false)
			k := uint64(len(d.observations))
			o.at = setBegins + int64((k*d.step+d.turn)%n)*setLasts/int64(n)
			d.newest[o.code] = append(d.newest[o.code], int32(k))
			d.observations = append(d.observations, o)
		}
		if p := d.person(i); p.born >= "1970" {
			d.adults[p.family] = append(d.adults[p.family], d.id('p', i, 0))
		}
	}
	for _, list := range d.newest {
		slices.SortFunc(list, func(a, b int32) int { return int(d.observations[b].at - d.observations[a].at) })
	}
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// measured makes a value. One that is written while measuring has a time of its own too, before the set.
func measured(r *rand.Rand, code uint8, written bool) observed {
	o := observed{code: code, value: codes[code].low + r.Int32N(codes[code].high-codes[code].low+1)}
	if written {
		o.value = codes[code].low + r.Int32N(middle(code)-codes[code].low)
		o.at = setBegins - 1 - r.Int64N(365*24*3600)
	}
	return o
}

// asked is the number of patients that W4 and W9 ask about: nine tenths. W2 refers to the others.
func (d *dataset) asked() int { return d.patients - max(1, d.patients/10) }

func (d *dataset) resources() int { return d.patients * (2 + d.each) }

// random is what the values of a kind and number are drawn from.
func (d *dataset) random(kind byte, i, j int) *rand.Rand {
	return rand.New(rand.NewPCG(d.seed, uint64(kind)<<56|uint64(i)<<24|uint64(j)))
}

// id is the id of patient i ('p'), of its Encounter ('e') or of its Observation j ('b'): a UUID.
func (d *dataset) id(kind byte, i, j int) string { return uuid(d.random(kind, i, j)) }

func (d *dataset) observationID(k int) string { return d.id('b', k/d.each, k%d.each) }

// uuid makes a random UUID (RFC 9562, version 4).
func uuid(r *rand.Rand) string {
	a, b := r.Uint64(), r.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>48&0x3fff|0x8000, b&0xffffffffffff)
}

// person is what is told of a patient.
type person struct {
	family, given, middle string
	male                  bool
	born                  string
	mrn, ssn, license     string // values of the three identifiers
	phone, street, zip    string
	town, race            int
	hispanic              bool
}

// Family names are made of a beginning and an end. None begins with another, since that is how family= searches.
var (
	nameBegins = [...]string{"Ald", "Bren", "Corv", "Dell", "Fenn", "Garl", "Hast", "Kold"}
	nameEnds   = [...]string{"aker", "berg", "dorn", "field", "gate", "inger", "mont", "wick"}
	givenNames = [...]string{"Ada", "Bela", "Cleo", "Dora", "Edin", "Fina", "Gero", "Hedy", "Ivo", "Juna", "Kaya", "Lino", "Mara", "Nils", "Orla", "Pia"}
	towns      = [...]struct{ city, state string }{{"Alder Creek", "OH"}, {"Brookhaven", "TX"}, {"Cedar Falls", "IA"}, {"Dunmore", "PA"}, {"Elmwood", "IL"}, {"Fairhope", "AL"}}
	races      = [...]struct{ code, display string }{{"2106-3", "White"}, {"2054-5", "Black or African American"}, {"2028-9", "Asian"}, {"1002-5", "American Indian or Alaska Native"}}
)

// families are all family names of a set.
func families() (all []string) {
	for _, b := range nameBegins {
		for _, e := range nameEnds {
			all = append(all, b+e)
		}
	}
	return all
}

// person is patient i.
func (d *dataset) person(i int) person { return anyone(d.random('n', i, 0), "") }

// stranger is a patient that is in no set.
func stranger(r *rand.Rand) person { return anyone(r, "Mc") }

func anyone(r *rand.Rand, before string) person {
	return person{
		family: before + nameBegins[r.IntN(len(nameBegins))] + nameEnds[r.IntN(len(nameEnds))],
		given:  givenNames[r.IntN(len(givenNames))], middle: givenNames[r.IntN(len(givenNames))],
		male: r.IntN(2) == 0,
		born: fmt.Sprintf("%d-%02d-%02d", 1940+r.IntN(80), 1+r.IntN(12), 1+r.IntN(28)),
		mrn:  fmt.Sprintf("H%016d", r.Uint64N(1e16)), ssn: fmt.Sprintf("999-%02d-%04d", r.IntN(100), r.IntN(1e4)), license: fmt.Sprintf("S%08d", r.IntN(1e8)),
		phone: phone(r), street: strconv.Itoa(1+r.IntN(999)) + " " + nameBegins[r.IntN(len(nameBegins))] + " Street", zip: fmt.Sprintf("%05d", r.IntN(1e5)),
		town: r.IntN(len(towns)), race: r.IntN(len(races)), hispanic: r.IntN(5) == 0,
	}
}

func phone(r *rand.Rand) string { return fmt.Sprintf("555-%03d-%04d", r.IntN(1000), r.IntN(10000)) }
