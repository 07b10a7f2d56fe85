package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage"
)

// seeded is a fixture whose resources are named.
type seeded struct {
	*fixture
	name map[string]string // by id
}

func (s *seeded) make(name, resource string) {
	s.Helper()
	typ := typeOf(resource)
	s.name[s.do("POST", "/fhir/"+typ, resource).created()] = name
}

func typeOf(resource string) string {
	var r struct{ ResourceType string }
	json.Unmarshal([]byte(resource), &r)
	return r.ResourceType
}

// lookup writes one parameter of $filter.
func lookup(field, op string, values ...string) string {
	var parts []string
	for _, p := range slices.Concat([]string{`"name":"field","valueString":` + quoted(field), `"name":"operator","valueCode":` + quoted(op)}, eachValue(values)) {
		parts = append(parts, "{"+p+"}")
	}
	return `{"name":"lookup","part":[` + strings.Join(parts, ",") + `]}`
}

func eachValue(values []string) (out []string) {
	for _, v := range values {
		out = append(out, `"name":"value","valueString":`+quoted(v))
	}
	return out
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func lookups(all ...string) string {
	if len(all) == 0 {
		return `{"resourceType":"Parameters"}`
	}
	return `{"resourceType":"Parameters","parameter":[` + strings.Join(all, ",") + `]}`
}

// filter asks $filter page by page, and by the GET of the self link too, and returns the names found, sorted.
func (s *seeded) filter(typ string, all ...string) string {
	s.Helper()
	first := s.do("POST", "/fhir/"+typ+"/$filter?_count=2&_total=accurate", lookups(all...)).is(200).set()
	var names []string
	for _, p := range []page{first, s.do("GET", first.link("self"), "").is(200).set()} {
		names = nil
		for {
			if p.Type != "searchset" {
				s.Errorf("the answer is a %s", p.Type)
			}
			for _, id := range p.ids() {
				names = append(names, s.name[id])
			}
			next := p.link("next")
			if next == "" {
				break
			}
			p = s.do("GET", next, "").is(200).set()
		}
		if *first.Total != len(names) {
			s.Errorf("%v: the total is %d, and %d are on the pages", all, *first.Total, len(names))
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// people are the two of the seeds, as Patients or Practitioners; Jane was born a week before Joe.
func people(t *testing.T, typ string) *seeded {
	s := &seeded{open(t, nil), map[string]string{}}
	for _, p := range []struct{ name, gender, born string }{{"Joe", "male", "2026-11-21"}, {"Jane", "female", "2026-11-14"}} {
		s.make(p.name, `{"resourceType":"`+typ+`","name":[{"text":"`+p.name+`"}],"gender":"`+p.gender+`","birthDate":"`+p.born+`","active":true}`)
	}
	return s
}

// TestA3 are the cases of the seeds' suite that filter.
func TestA3(t *testing.T) {
	for _, typ := range []string{"Patient", "Practitioner"} {
		name := map[string]string{"Patient": "patients", "Practitioner": "providers"}[typ]
		t.Run("all_"+name, func(t *testing.T) { // 15 and 18
			if got := people(t, typ).filter(typ); got != "Jane Joe" {
				t.Errorf("no lookups find %q", got)
			}
		})
		t.Run("filter_"+name+"_by_name", func(t *testing.T) { // 16 and 19
			s := people(t, typ)
			for _, c := range []struct{ lookup, want string }{
				{lookup("name", "EQUAL", "Joe"), "Joe"},
				{lookup("name", "LIKE", "Jo"), "Joe"},
				{lookup("name", "LIKE", "J"), "Jane Joe"},
				{lookup("name", "IN", "Joe"), "Joe"},
				{lookup("name", "IN", "Joe", "Jane"), "Jane Joe"},
			} {
				if got := s.filter(typ, c.lookup); got != c.want {
					t.Errorf("%s finds %q, want %q", c.lookup, got, c.want)
				}
			}
		})
	}
	t.Run("filter_patients_by_birth_date", func(t *testing.T) { // 17
		s := people(t, "Patient")
		const today, lastWeek = "2026-11-21", "2026-11-14"
		for _, c := range []struct{ op, value, want string }{
			{"LT", today, "Jane"},
			{"LTE", today, "Jane Joe"},
			{"GT", today, ""},
			{"GTE", today, "Joe"},
			{"EQUAL", lastWeek, "Jane"},
		} {
			if got := s.filter("Patient", lookup("birthdate", c.op, c.value)); got != c.want {
				t.Errorf("birthdate %s %s finds %q, want %q", c.op, c.value, got, c.want)
			}
		}
	})
	t.Run("search", func(t *testing.T) { // A3: the same sets by the parameters of a search
		s := people(t, "Patient")
		for _, c := range []struct{ query, want string }{
			{"name:contains=Jo", "Joe"}, {"name:exact=Joe,Jane", "Jane Joe"}, {"birthdate=lt2026-11-21", "Jane"},
			{"birthdate=le2026-11-21", "Jane Joe"}, {"birthdate=gt2026-11-21", ""}, {"birthdate=ge2026-11-21", "Joe"}, {"birthdate=2026-11-14", "Jane"},
		} {
			var names []string
			for _, id := range s.do("GET", "/fhir/Patient?"+c.query, "").is(200).set().ids() {
				names = append(names, s.name[id])
			}
			slices.Sort(names)
			if got := strings.Join(names, " "); got != c.want {
				t.Errorf("%s finds %q, want %q", c.query, got, c.want)
			}
		}
	})
}

// TestFilterFields has every operator on every field that the seeds document: X4 to X16.
func TestFilterFields(t *testing.T) {
	s := &seeded{open(t, nil), map[string]string{}}
	s.make("a", `{"resourceType":"Patient","active":true,"name":[{"text":"Ann Öst"}],"gender":"male","birthDate":"1980-05-01","deceasedDateTime":"2020-02-03T10:00:00+02:00",
		"identifier":[{"system":"http://s/1","value":"A-b"},{"value":"x,y\\z"}],"generalPractitioner":[{"reference":"Practitioner/7"}]}`)
	s.make("b", `{"resourceType":"Patient","active":false,"name":[{"text":"ann öst"},{"text":"50%_off"}],"gender":"female","birthDate":"1985","deceasedDateTime":"2020-02-03",
		"identifier":[{"system":"http://s/1","value":"A-B"},{"system":"http://s","value":"1|A-B"}],"generalPractitioner":[{"reference":"Practitioner/8"},{"reference":"http://other/Practitioner/7"}]}`)
	s.make("c", `{"resourceType":"Patient"}`)
	s.make("d", `{"resourceType":"Patient","active":true,"name":[{"text":"Zoë, the 'third'"}],"gender":"other","birthDate":"1990-12","telecom":[{"system":"email","value":"Zoe@x"}]}`)
	for _, c := range []struct{ field, op, values, want string }{
		{"name", "EQUAL", "Ann Öst", "a"},
		{"name", "EQUAL", "Ann", ""},
		{"name", "EQUAL", "ann öst", "b"},
		{"name", "LIKE", "nn Ös", "a"},
		{"name", "LIKE", "öst", "b"},
		{"name", "LIKE", "%", "b"}, // nothing is a wildcard
		{"name", "LIKE", "_", "b"},
		{"name", "LIKE", ",", "d"},
		{"name", "LIKE", "ë", "d"},
		{"name", "LIKE", "e", "d"},
		{"name", "LIKE", "'third'", "d"},
		{"name", "IN", "Ann Öst;50%_off;nobody", "a b"},
		{"name", "LT", "Ann Öst", "b"}, // 50%_off
		{"name", "LTE", "Ann Öst", "a b"},
		{"name", "GT", "Ann Öst", "b d"},
		{"name", "GTE", "Zoë, the 'third'", "b d"},
		{"gender", "EQUAL", "male", "a"},
		{"gender", "EQUAL", "Male", ""},
		{"gender", "LIKE", "male", "a b"},
		{"gender", "LIKE", "ALE", ""},
		{"gender", "IN", "male;other", "a d"},
		{"gender", "LT", "male", "b"},
		{"gender", "LTE", "male", "a b"},
		{"gender", "GT", "male", "d"},
		{"gender", "GTE", "male", "a d"},
		{"birthdate", "EQUAL", "1980-05-01", "a"},
		{"birthdate", "EQUAL", "1985", "b"},
		{"birthdate", "LIKE", "-05", "a"},
		{"birthdate", "LIKE", "19", "a b d"},
		{"birthdate", "IN", "1985;1990-12", "b d"},
		{"birthdate", "LT", "1985", "a"},
		{"birthdate", "LTE", "1985", "a b"},
		{"birthdate", "GT", "1985", "d"},
		{"birthdate", "GTE", "1985", "b d"},
		{"death-date", "EQUAL", "2020-02-03", "a b"}, // X17: a day holds the moments in it
		{"death-date", "EQUAL", "2020-02-03T08:00:00Z", "a"},
		{"death-date", "EQUAL", "2020-02-03T03:00:00-05:00", "a"},
		{"death-date", "LT", "2020-02-03T08:00:00Z", "b"},
		{"death-date", "LTE", "2020-02-03T08:00:00Z", "a b"},
		{"death-date", "GT", "2020-02-03T08:00:00Z", "b"}, // some of the day is later
		{"death-date", "GT", "2020-02-03", ""},
		{"death-date", "GTE", "2020-02-03T10:00:00+02:00", "a b"},
		{"death-date", "LIKE", "T10:00", "a"},
		{"death-date", "IN", "2019;2020", "a b"},
		{"active", "EQUAL", "true", "a d"},
		{"active", "EQUAL", "TRUE", ""},
		{"active", "LIKE", "al", "b"},
		{"active", "IN", "true;false", "a b d"},
		{"active", "LT", "true", "b"},
		{"active", "LTE", "false", "b"},
		{"active", "GT", "false", "a d"},
		{"active", "GTE", "true", "a d"},
		{"identifier", "EQUAL", "A-b", "a"},
		{"identifier", "EQUAL", "A-B", "b"},
		{"identifier", "EQUAL", "http://s/1|A-b", "a"}, // X4: the bars of both readings
		{"identifier", "EQUAL", "http://s/1|A-B", "b"},
		{"identifier", "EQUAL", "1|A-B", "b"},
		{"identifier", "EQUAL", "http://S/1|A-b", ""},
		{"identifier", "EQUAL", `x,y\z`, "a"},
		{"identifier", "LIKE", `,y\`, "a"},
		{"identifier", "LIKE", "|", "b"},
		{"identifier", "LIKE", "http", ""}, // the system is not the value
		{"identifier", "IN", `A-b;1|A-B`, "a b"},
		{"identifier", "GT", "A-b", "a"},
		{"identifier", "GTE", "A-b", "a"},
		{"identifier", "LT", "A", "b"},
		{"identifier", "LTE", "A-B", "b"},
		{"general-practitioner", "EQUAL", "Practitioner/7", "a"},
		{"general-practitioner", "EQUAL", "http://other/Practitioner/7", "b"},
		{"general-practitioner", "EQUAL", "7", ""},
		{"general-practitioner", "LIKE", "Practitioner/", "a b"},
		{"general-practitioner", "LIKE", "other", "b"},
		{"general-practitioner", "IN", "Practitioner/7;Practitioner/8", "a b"},
		{"general-practitioner", "LT", "Practitioner/8", "a"},
		{"general-practitioner", "LTE", "Practitioner/8", "a b"},
		{"general-practitioner", "GT", "Practitioner/7", "b"},
		{"general-practitioner", "GTE", "Practitioner/7", "a b"},
		{"telecom", "EQUAL", "Zoe@x", "d"},
		{"telecom", "EQUAL", "zoe@x", ""},
		{"_lastUpdated", "GTE", "2026", "a b c d"},
		{"_lastUpdated", "LIKE", "2026-11-21T", "a b c d"},
		{"_lastUpdated", "LT", "2026-11-21", ""},
		{"_created", "LTE", "2026-11-21", "a b c d"},
		{"_created", "GT", "2026-11-21", ""},
	} {
		if got := s.filter("Patient", lookup(c.field, c.op, strings.Split(c.values, ";")...)); got != c.want {
			t.Errorf("%s %s %s finds %q, want %q", c.field, c.op, c.values, got, c.want)
		}
	}
	// X7: all of them must hold.
	if got := s.filter("Patient", lookup("gender", "LIKE", "male"), lookup("birthdate", "GT", "1982"), lookup("active", "EQUAL", "false")); got != "b" {
		t.Errorf("three lookups find %q", got)
	}
	// Ids, and the parameters of a search beside lookups.
	var a string
	for id, name := range s.name {
		if name == "a" {
			a = id
		}
	}
	for op, holds := range map[string]func(id string) bool{
		"EQUAL": func(id string) bool { return id == a }, "IN": func(id string) bool { return id == a }, "LIKE": func(id string) bool { return strings.Contains(id, a) },
		"LT": func(id string) bool { return id < a }, "LTE": func(id string) bool { return id <= a },
		"GT": func(id string) bool { return id > a }, "GTE": func(id string) bool { return id >= a },
	} {
		var want []string
		for id, name := range s.name {
			if holds(id) {
				want = append(want, name)
			}
		}
		slices.Sort(want)
		if got := s.filter("Patient", lookup("_id", op, a)); got != strings.Join(want, " ") {
			t.Errorf("_id %s finds %q, want %q", op, got, want)
		}
	}
	p := s.do("POST", "/fhir/Patient/$filter?_sort=-birthdate&_elements=gender&name=ann", lookups(lookup("birthdate", "GT", "1970"), `{"name":"_count","valueInteger":5}`)).is(200).set()
	if len(p.Entry) != 2 || s.name[p.Entry[0].Resource.ID] != "b" || !strings.Contains(p.link("self"), "_count=5") {
		t.Errorf("with the parameters of a search: %+v", p)
	}
	if p := s.do("POST", "/fhir/Patient/$filter?_count=0", lookups(lookup("gender", "EQUAL", "male"))).is(200).set(); *p.Total != 1 || len(p.Entry) != 0 {
		t.Errorf("only the total: %+v", p)
	}
	// A lookup walks back as it walks there.
	p = s.do("POST", "/fhir/Patient/$filter?_count=1", lookups(lookup("gender", "LIKE", "e"))).is(200).set()
	second := s.do("GET", p.link("next"), "").is(200).set()
	if again := s.do("GET", second.link("previous"), "").is(200).set(); !slices.Equal(again.ids(), p.ids()) || len(again.ids()) != 1 {
		t.Errorf("back is %v, there was %v", again.ids(), p.ids())
	}
}

func TestFilterKinds(t *testing.T) {
	s := &seeded{open(t, nil), map[string]string{}}
	for i, value := range []string{`"valueQuantity":{"value":5.40,"unit":"mg","system":"http://unitsofmeasure.org","code":"mg"}`, `"valueQuantity":{"value":5.4,"unit":"kg"}`, `"valueQuantity":{"value":6,"unit":"mg","system":"http://unitsofmeasure.org","code":"mg"}`} {
		s.make(string(rune('a'+i)), `{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-`+fmt.Sprint(i)+`"}],"text":"x"},`+
			`"effectivePeriod":{"start":"2024-01-0`+fmt.Sprint(i+1)+`","end":"2024-02-01"},`+value+`}`)
	}
	for _, c := range []struct{ field, op, value, want string }{
		{"value-quantity", "EQUAL", "5.4", "a b"},
		{"value-quantity", "EQUAL", "5.400", "a b"},
		{"value-quantity", "EQUAL", "5.4|http://unitsofmeasure.org|mg", "a"},
		{"value-quantity", "EQUAL", "5.4||kg", "b"},
		{"value-quantity", "GT", "5.4", "c"},
		{"value-quantity", "GTE", "5.4||mg", "a c"},
		{"value-quantity", "LT", "6", "a b"},
		{"value-quantity", "LTE", "6||mg", "a c"},
		{"value-quantity", "LIKE", "5.40", "a"},
		{"code", "EQUAL", "http://loinc.org|8867-1", "b"},
		{"code", "GTE", "8867-1", "b c"},
		{"code", "LIKE", "8867", "a b c"},
		{"date", "LIKE", "2024-01-02", "b"},
		{"date", "LT", "2024-01-02", "a"},
		{"date", "GTE", "2024-01-15", "a b c"},
		{"date", "GT", "2024-02-01", ""},
	} {
		if got := s.filter("Observation", lookup(c.field, c.op, c.value)); got != c.want {
			t.Errorf("%s %s %s finds %q, want %q", c.field, c.op, c.value, got, c.want)
		}
	}
	s.make("v", `{"resourceType":"ValueSet","status":"active","url":"http://x/V|1"}`)
	s.make("w", `{"resourceType":"ValueSet","status":"active","url":"http://x/v"}`)
	for _, c := range []struct{ op, value, want string }{
		{"EQUAL", "http://x/V", ""}, {"EQUAL", "http://x/V|1", "v"}, {"LIKE", "x/v", "w"}, {"LT", "http://x/a", "v"}, {"GTE", "http://x/v", "w"}, {"IN", "http://x/v", "w"},
	} {
		if got := s.filter("ValueSet", lookup("url", c.op, c.value)); got != c.want {
			t.Errorf("url %s %s finds %q, want %q", c.op, c.value, got, c.want)
		}
	}
	s.make("r", `{"resourceType":"RiskAssessment","status":"final","subject":{"reference":"Patient/1"},"prediction":[{"probabilityDecimal":0.10}]}`)
	for _, c := range []struct{ op, value, want string }{
		{"EQUAL", "0.1", "r"}, {"EQUAL", "1e-1", "r"}, {"LIKE", "0.10", "r"}, {"LIKE", "e", ""}, {"LT", "0.1", ""}, {"LTE", "0.1", "r"}, {"GT", "0.09", "r"}, {"IN", "1", ""},
	} {
		if got := s.filter("RiskAssessment", lookup("probability", c.op, c.value)); got != c.want {
			t.Errorf("probability %s %s finds %q, want %q", c.op, c.value, got, c.want)
		}
	}
}

// TestFilterTimes is X16: created and updated.
func TestFilterTimes(t *testing.T) {
	s := &seeded{open(t, nil), map[string]string{}}
	s.do("PUT", "/fhir/Patient/old", patient("old", "Old")).is(201)
	s.name["old"] = "old"
	s.clock.forward(48 * time.Hour)
	s.do("PUT", "/fhir/Patient/old", patient("old", "Older")).is(200)
	s.make("new", patient("", "New"))
	for _, c := range []struct{ field, op, value, want string }{
		{"_created", "LT", "2026-11-22", "old"},
		{"_created", "EQUAL", "2026-11-21", "old"},
		{"_created", "IN", "2026-11-21", "old"},
		{"_created", "GT", "2026-11-22", "new"},
		{"_created", "GTE", "2026-11-21T07:55:00Z", "new old"},
		{"_created", "LTE", "2026-11-23", "new old"},
		{"_created", "LIKE", "-11-21T", "old"},
		{"_lastUpdated", "LT", "2026-11-23", ""},
		{"_lastUpdated", "EQUAL", "2026-11-23", "new old"},
	} {
		if got := s.filter("Patient", lookup(c.field, c.op, c.value)); got != c.want {
			t.Errorf("%s %s %s finds %q, want %q", c.field, c.op, c.value, got, c.want)
		}
	}
}

// TestFilterRefused is X8, and what else is wrong.
func TestFilterRefused(t *testing.T) {
	f := open(t, func(c *server.Config) { c.Limits.URL = 2000 })
	for _, id := range []string{"a", "b", "c"} {
		f.put(id, "Smith").is(201)
	}
	for _, c := range []struct{ body, code, text string }{
		{lookups(lookup("nmae", "EQUAL", "x")), "not-supported", "known are _created, _id, _lastUpdated, _profile"},
		{lookups(lookup("name", "==", "x")), "not-supported", "known are EQUAL, LIKE, IN, LT, LTE, GT, GTE"},
		{lookups(`{"name":"lookup","part":[{"name":"field","valueString":"name"},{"name":"value","valueString":"x"}]}`), "not-supported", "known are EQUAL"},
		{lookups(lookup("name", "EQUAL")), "value", "no value"},
		{lookups(lookup("name", "EQUAL", "x", "y")), "value", "IN takes several"},
		{lookups(lookup("birthdate", "LT", "yesterday")), "value", "is no date"},
		{lookups(lookup("_created", "LT", "yesterday")), "value", "is no date"},
		{lookups(`{"name":"lookup","part":[{"name":"fild","valueString":"x"}]}`), "not-supported", "its parts are field, operator and value"},
		{lookups(`{"name":"lookup","part":[{"name":"field","valueString":"x"},{"name":"field","valueString":"y"}]}`), "value", "two parts named field"},
		{lookups(`{"name":"lookup","part":[{"name":"field","valueReference":{"reference":"Patient/1"}}]}`), "value", "no simple value"},
		{lookups(`{"name":"look","part":[{"name":"field","valueString":"x"}]}`), "not-supported", "known are lookup"},
		{lookups(`{"name":"lookup","valueString":"x"}`), "value", "is not field|operator|value"},
		{lookups(lookup("name", "IN", strings.Split(strings.Repeat("Smith ", 400)+"x", " ")...)), "too-long", "give a larger _count"},
		{`{"resourceType":"Patient"}`, "invalid", "must be Parameters"},
	} {
		a := f.do("POST", "/fhir/Patient/$filter?_count=1", c.body)
		if c.code == "too-long" {
			a.fails(413, c.code, c.text)
			continue
		}
		a.fails(400, c.code, c.text)
	}
	f.do("GET", "/fhir/Patient/$filter?lookup=name", "").fails(400, "value", "lookup=name|IN|Joe,Jane")
	f.do("GET", "/fhir/Patient/$filter?lookup=name|EQUAL|", "").fails(400, "value", "an empty value")
	f.do("GET", "/fhir/Patient/$filter?lookup=name|EQUAL|Smith&_count=1&_page=AAAA", "").fails(400, "value", "_page")
	f.do("POST", "/fhir/Patient/$filter?nmae=x", lookups()).fails(400, "not-supported", "nmae")
	f.do("POST", "/fhir/Patient/a/$filter", lookups()).is(404)
}

// TestFilterLong: long values are looked for like others, and too long ones and names are told of in short.
func TestFilterLong(t *testing.T) {
	f := open(t, nil)
	long := strings.Repeat("Xy", 2500)
	f.do("POST", "/fhir/Patient", `{"resourceType":"Patient","name":[{"text":"`+long+`"}],"identifier":[{"value":"`+long+`"}]}`).is(201)
	for _, field := range []string{"name", "identifier"} {
		for op, value := range map[string]string{"EQUAL": long, "LIKE": long[:3000], "LTE": long, "GTE": long, "IN": long} {
			if p := f.do("POST", "/fhir/Patient/$filter", lookups(lookup(field, op, value))).is(200).set(); len(p.Entry) != 1 {
				t.Errorf("%s %s of a long value finds %d", field, op, len(p.Entry))
			}
		}
		for _, op := range []string{"EQUAL", "LIKE", "LT", "IN"} {
			f.do("POST", "/fhir/Patient/$filter", lookups(lookup(field, op, strings.Repeat("a", 40_000)))).is(200)
		}
	}
	f.do("POST", "/fhir/Patient/$filter", lookups(lookup("name", "EQUAL", strings.Repeat("a", 70_000)))).fails(413, "too-long", "70000 bytes")
	for _, l := range []string{lookup(long, "EQUAL", "x"), lookup("name", "E"+long, "x")} {
		if a := f.do("POST", "/fhir/Patient/$filter", lookups(l)); a.status != 400 || len(a.body) > 3000 {
			t.Errorf("status %d with %d bytes", a.status, len(a.body))
		}
	}
}

// TestFilterBudget: what is looked at and is no hit counts too.
func TestFilterBudget(t *testing.T) {
	f := open(t, func(c *server.Config) { c.Limits.Rows = 20 })
	for i := range 30 {
		f.put(fmt.Sprintf("p%02d", i), "Smith").is(201)
	}
	f.do("POST", "/fhir/Patient/$filter", lookups(lookup("_created", "LT", "2000"))).fails(422, "too-costly", "too costly")
}

// TestLinkOfAnother: a page link opens for the one it was given to.
func TestLinkOfAnother(t *testing.T) {
	f := open(t, func(c *server.Config) {
		c.Caller = func(r *http.Request) (server.Caller, error) {
			return server.Caller{Access: storage.System, Subject: r.Header.Get("Caller")}, nil
		}
	})
	for _, id := range []string{"a", "b"} {
		f.put(id, "Smith").is(201)
	}
	for _, path := range []string{"Patient?_count=1", "Patient/_history?_count=1", "Patient/$filter?_count=1&lookup=name|LIKE|S"} {
		next := f.do("GET", "/fhir/"+path, "", "Caller: ann").is(200).set().link("next")
		f.do("GET", next, "", "Caller: ann").is(200)
		f.do("GET", next, "", "Caller: bob").fails(400, "value", "begin again without it")
		f.do("GET", next, "").is(400)
	}
}

// TestFilterRandom compares lookups with what the operators of the language say of the same texts, by POST and by the link.
func TestFilterRandom(t *testing.T) {
	rnd := seedOf(t)
	letters := []rune(`aAbB|,\%_öÖßKkİiσς`)
	text := func(most int) string {
		var b strings.Builder
		for range 1 + rnd.IntN(most) {
			b.WriteRune(letters[rnd.IntN(len(letters))])
		}
		return b.String()
	}
	s := &seeded{open(t, nil), map[string]string{}}
	type person struct {
		name        string
		texts, keys []string
	}
	var all []person
	for i := range 40 {
		p := person{name: fmt.Sprintf("p%02d", i)}
		var names, identifiers []string
		for range rnd.IntN(3) {
			x := text(4)
			p.texts = append(p.texts, x)
			names = append(names, `{"text":`+quoted(x)+`}`)
		}
		for range rnd.IntN(3) {
			x := text(3)
			p.keys = append(p.keys, x)
			system := ""
			if rnd.IntN(2) == 0 {
				system = `"system":"http://unitsofmeasure.org",` // where case counts, the rows are as written
			}
			identifiers = append(identifiers, `{`+system+`"value":`+quoted(x)+`}`)
		}
		body := `{"resourceType":"Patient","active":true`
		if names != nil {
			body += `,"name":[` + strings.Join(names, ",") + `]`
		}
		if identifiers != nil {
			body += `,"identifier":[` + strings.Join(identifiers, ",") + `]`
		}
		s.make(p.name, body+"}")
		all = append(all, p)
	}
	holds := map[string]func(x string, v []string) bool{
		"EQUAL": func(x string, v []string) bool { return x == v[0] }, "IN": func(x string, v []string) bool { return slices.Contains(v, x) },
		"LIKE": func(x string, v []string) bool { return strings.Contains(x, v[0]) },
		"LT":   func(x string, v []string) bool { return x < v[0] }, "LTE": func(x string, v []string) bool { return x <= v[0] },
		"GT": func(x string, v []string) bool { return x > v[0] }, "GTE": func(x string, v []string) bool { return x >= v[0] },
	}
	ops := []string{"EQUAL", "LIKE", "IN", "LT", "LTE", "GT", "GTE"}
	for range 200 {
		op := ops[rnd.IntN(len(ops))]
		field := []string{"name", "identifier"}[rnd.IntN(2)]
		var values []string
		for range 3 {
			v := text(2)
			if p := all[rnd.IntN(len(all))]; len(p.texts) > 0 && field == "name" {
				v = p.texts[0]
			} else if len(p.keys) > 0 && field == "identifier" {
				v = p.keys[0]
			}
			if r := []rune(v); op == "LIKE" {
				v = string(r[rnd.IntN(len(r)):])
			}
			values = append(values, v)
		}
		if op != "IN" {
			values = values[:1]
		}
		var want []string
		for _, p := range all {
			have := p.texts
			if field == "identifier" {
				have = p.keys
			}
			if slices.ContainsFunc(have, func(x string) bool { return holds[op](x, values) }) {
				want = append(want, p.name)
			}
		}
		if got := s.filter("Patient", lookup(field, op, values...)); got != strings.Join(want, " ") {
			t.Errorf("%s %s %q finds %q, want %q", field, op, values, got, strings.Join(want, " "))
		}
	}
}
