package drivertest

import (
	"reflect"

	"github.com/hob-fhir/hob/storage/driver"
)

// The 27 cases by which those systems tested a storage, under their own names.
var seedCases = []test{
	{"test_create_patient", func(s *store) { create(newClinic(s, "Patient")) }},
	{"test_get_patient", func(s *store) { get(newClinic(s, "Patient")) }},
	{"test_update_patient", func(s *store) { change(newClinic(s, "Patient")) }},
	{"test_get_missing_patient", func(s *store) { getMissing(newClinic(s, "Patient")) }},
	{"test_update_missing_patient", func(s *store) { changeMissing(newClinic(s, "Patient")) }},
	{"test_delete_patient", func(s *store) { discard(newClinic(s, "Patient")) }},
	{"test_delete_missing_patient", func(s *store) { discardMissing(newClinic(s, "Patient")) }},
	{"test_create_provider", func(s *store) { create(newClinic(s, "Practitioner")) }},
	{"test_get_provider", func(s *store) { get(newClinic(s, "Practitioner")) }},
	{"test_update_provider", func(s *store) { change(newClinic(s, "Practitioner")) }},
	{"test_get_missing_provider", func(s *store) { getMissing(newClinic(s, "Practitioner")) }},
	{"test_update_missing_provider", func(s *store) { changeMissing(newClinic(s, "Practitioner")) }},
	{"test_delete_provider", func(s *store) { discard(newClinic(s, "Practitioner")) }},
	{"test_delete_missing_provider", func(s *store) { discardMissing(newClinic(s, "Practitioner")) }},
	{"test_all_patients", func(s *store) { all(newClinic(s, "Patient")) }},
	{"test_filter_patients_by_name", func(s *store) { filterByName(newClinic(s, "Patient")) }},
	{"test_filter_patients_by_birth_date", filterByBirthDate},
	{"test_all_providers", func(s *store) { all(newClinic(s, "Practitioner")) }},
	{"test_filter_providers_by_name", func(s *store) { filterByName(newClinic(s, "Practitioner")) }},
	{"test_link_patient_identifier", func(s *store) {
		c := newClinic(s, "Patient")
		s.is(c.link(c.create(person{Name: "Joe"}).ID, "FOO", "BAR"), true, "link")
	}},
	{"test_link_missing_patient", func(s *store) {
		s.is(newClinic(s, "Patient").link("XXXX", "FOO", "BAR"), false, "link of a missing patient")
	}},
	{"test_link_duplicate_id", func(s *store) {
		c := newClinic(s, "Patient")
		joe, jane := c.create(person{Name: "Joe"}), c.create(person{Name: "Jane"})
		s.is(c.link(joe.ID, "FOO", "BAR"), true, "link of Joe")
		s.is(c.link(jane.ID, "FOO", "BAR"), false, "link of Jane to what is Joe's")
	}},
	{"test_unlink_patient_identifier", func(s *store) {
		c := newClinic(s, "Patient")
		joe := c.create(person{Name: "Joe"})
		s.is(c.link(joe.ID, "FOO", "BAR"), true, "link")
		s.is(c.unlink(joe.ID, "FOO", "BAR"), true, "unlink")
	}},
	{"test_unlink_missing_patient", func(s *store) {
		s.is(newClinic(s, "Patient").unlink("1234", "XXXX", "YYYYY"), false, "unlink of a missing patient")
	}},
	{"test_unlink_missing_id", func(s *store) {
		c := newClinic(s, "Patient")
		joe := c.create(person{Name: "Joe"})
		s.is(c.link(joe.ID, "FOO", "BAR"), true, "link")
		s.is(c.unlink(joe.ID, "XXXX", "BAR"), false, "unlink of an identifier that Joe has not")
	}},
	{"test_get_by_source", func(s *store) {
		c := newClinic(s, "Patient")
		joe := c.create(person{Name: "Joe"})
		s.is(c.link(joe.ID, "FOO", "BAR"), true, "link")
		if got, ok := c.bySource("FOO", "BAR"); !ok || got.ID != joe.ID {
			s.Errorf("by source: %q, %t; want %q", got.ID, ok, joe.ID)
		}
	}},
	{"test_get_missing_by_source", func(s *store) {
		c := newClinic(s, "Patient")
		c.create(person{Name: "Joe"})
		_, ok := c.bySource("FOO", "BAR")
		s.is(ok, false, "by a source never linked")
	}},
}

func create(c clinic) {
	c.create(person{Name: "Joe", Sex: "M"})
	people := c.filter()
	if len(people) != 1 {
		c.Fatalf("%d people after one was created", len(people))
	}
	p := people[0]
	if p.ID == "" || p.Created.IsZero() || !p.Created.Equal(p.Updated) {
		c.Errorf("created %+v; it must have an id, and be updated when created", p)
	}
}

func get(c clinic) {
	joe := c.create(person{Name: "Joe", Sex: "M", Birth: "1980-02-29", Location: "registry-17"})
	if got, ok := c.get(joe.ID); !ok || !reflect.DeepEqual(got, joe) {
		c.Errorf("get: %+v, %t; want %+v", got, ok, joe)
	}
}

func change(c clinic) {
	joe := c.create(person{Name: "Joe", Sex: "M"})
	c.is(c.change(joe.ID, func(p *person) bool { p.Name = "Jane"; return true }), true, "update")
	if got, ok := c.get(joe.ID); !ok || got.Name != "Jane" || !got.Updated.After(joe.Updated) {
		c.Errorf("get after update: %+v, %t; want Jane, updated after %v", got, ok, joe.Updated)
	}
}

func getMissing(c clinic) {
	_, ok := c.get("XXX")
	c.is(ok, false, "get of who is missing")
	c.absent(key(c.typ, "XXX"))
}

func changeMissing(c clinic) {
	c.is(c.change("XXX", func(p *person) bool { p.Name = "Joe"; return true }), false, "update of who is missing")
	c.absent(key(c.typ, "XXX"))
}

func discard(c clinic) {
	joe := c.create(person{Name: "Joe", Sex: "M"})
	c.is(c.discard(joe.ID), true, "delete")
	_, ok := c.get(joe.ID)
	c.is(ok, false, "get after delete")
	c.names("")
}

func discardMissing(c clinic) {
	c.is(c.discard("XXX"), false, "delete of who is missing")
	c.absent(key(c.typ, "XXX"))
}

func all(c clinic) {
	c.create(person{Name: "Joe", Sex: "M"})
	c.create(person{Name: "Jane", Sex: "F"})
	c.names("Jane Joe")
}

func filterByName(c clinic) {
	c.create(person{Name: "Joe", Sex: "M"})
	c.create(person{Name: "Jane", Sex: "F"})
	c.names("Joe", look("name", driver.EQUAL, "Joe"))
	c.names("Joe", look("name", driver.LIKE, "Jo"))
	c.names("Jane Joe", look("name", driver.LIKE, "J"))
	c.names("Joe", look("name", driver.IN, "Joe"))
	c.names("Jane Joe", look("name", driver.IN, "Joe", "Jane"))
}

func filterByBirthDate(s *store) {
	const today, lastWeek = "2026-03-08", "2026-03-01"
	c := newClinic(s, "Patient")
	c.create(person{Name: "Joe", Birth: today})
	c.create(person{Name: "Jane", Birth: lastWeek})
	c.names("Jane", look("birth_date", driver.LT, today))
	c.names("Jane Joe", look("birth_date", driver.LTE, today))
	c.names("", look("birth_date", driver.GT, today))
	c.names("Joe", look("birth_date", driver.GTE, today))
	c.names("Jane", look("birth_date", driver.EQUAL, lastWeek))
}
