package server_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/server"
)

// measured stores an Observation of a patient; its code is given as codings system|code or as a text.
func (f *fixture) measured(id, patient, effective, status string, codes ...string) {
	f.Helper()
	var codings []string
	text := ""
	for _, c := range codes {
		system, code, coded := strings.Cut(c, "|")
		if !coded {
			text = `"text":"` + c + `"`
			continue
		}
		if system != "" {
			system = `"system":"http://` + system + `",`
		}
		codings = append(codings, `{`+system+`"code":"`+code+`"}`)
	}
	code := text
	if len(codings) > 0 {
		if code = `"coding":[` + strings.Join(codings, ",") + `]`; text != "" {
			code += "," + text
		}
	}
	if effective != "" {
		effective = `"effectiveDateTime":"` + effective + `",`
	}
	f.do("PUT", "/fhir/Observation/"+id, `{"resourceType":"Observation","id":"`+id+`","status":"`+status+`","category":[{"coding":[{"code":"vital-signs"}]}],`+effective+
		`"subject":{"reference":"Patient/`+patient+`"},"code":{`+code+`}}`).is(201)
}

func TestLastn(t *testing.T) {
	f := open(t, nil)
	f.put("a", "Smith").is(201)
	f.measured("w1", "a", "2024-01-01", "final", "loinc|29463-7")
	f.measured("w2", "a", "2024-01-03", "final", "loinc|29463-7")
	f.measured("w3", "a", "2024-01-02", "final", "loinc|29463-7")
	f.measured("w4", "a", "2024-01-04", "final", "snomed|27113001", "loinc|29463-7") // the same by a translation
	f.measured("w5", "a", "2023-12-31", "final", "snomed|27113001")                  // and by way of w4
	f.measured("p1", "a", "2024-01-01T10:00:00Z", "entered-in-error", "loinc|8867-4")
	f.measured("p2", "a", "2024-01-01T09:00:00Z", "final", "loinc|8867-4", "Pulse")
	f.measured("t1", "a", "2024-01-01", "final", "Pulse") // text alone is not what the codings say
	f.measured("t2", "a", "2024-01-02", "final", "Pulse")
	f.measured("u1", "a", "", "final", "loinc|1-1")
	f.measured("u2", "a", "1999", "final", "loinc|1-1")
	f.measured("s1", "a", "2024", "final", "|29463-7") // no system is none of loinc
	f.measured("x1", "b", "2025", "final", "loinc|29463-7")
	for _, c := range []struct{ query, want string }{
		{"patient=a", "u2 w4 p1 s1 t2"},
		{"patient=a&max=2", "u2 u1 w4 w2 p1 p2 s1 t2 t1"},
		{"patient=a&max=3", "u2 u1 w4 w2 w3 p1 p2 s1 t2 t1"},
		{"patient=a&max=100", "u2 u1 w4 w2 w3 w1 w5 p1 p2 s1 t2 t1"},
		{"subject=Patient/a&category=vital-signs&code=http://loinc.org/|x", ""},
		{"patient=Patient/a&code=http://loinc|8867-4&max=5", "p1 p2"},
		{"patient=a&code=8867-4&status=final", "p2"},
		{"patient=a&date=lt2024-01-03&code=29463-7", "w3 s1"},
		{"patient=nobody", ""},
		{"patient:Patient=b", "x1"},
	} {
		p := f.do("GET", "/fhir/Observation/$lastn?"+c.query, "").is(200).set()
		got := strings.Join(p.ids(), " ")
		// Sorts come by their least coding; "" before http.
		if !sameWords(got, c.want) {
			t.Errorf("%s gives %s, want %s", c.query, got, c.want)
		}
		if p.Total == nil || *p.Total != len(p.Entry) || p.link("next") != "" {
			t.Errorf("%s: %+v", c.query, p)
		}
		var paged []string
		for path := "/fhir/Observation/$lastn?_count=2&" + c.query; path != ""; {
			q := f.do("GET", path, "").is(200).set()
			paged = append(paged, q.ids()...)
			path = q.link("next")
		}
		if strings.Join(paged, " ") != got {
			t.Errorf("%s by pages gives %v, whole %s", c.query, paged, got)
		}
	}
	// Each sort newest first, whatever the order of sorts.
	got := f.do("GET", "/fhir/Observation/$lastn?patient=a&max=9", "").set().ids()
	if i := slices.Index(got, "w4"); !slices.Equal(got[i:i+5], []string{"w4", "w2", "w3", "w1", "w5"}) {
		t.Errorf("the weights stand as %v", got)
	}
	p := f.do("POST", "/fhir/Observation/$lastn", lookups(`{"name":"patient","valueString":"a"}`, `{"name":"max","valuePositiveInt":1}`, `{"name":"_include","valueString":"Observation:patient"}`, `{"name":"code","valueString":"8867-4"}`)).is(200).set()
	if !slices.Equal(p.ids(), []string{"p1", "a"}) || p.Entry[1].Search.Mode != "include" {
		t.Errorf("by POST: %+v", p)
	}
	if p := f.do("GET", "/fhir/Observation/$lastn?patient=a&_summary=count", "").is(200).set(); *p.Total != 5 || len(p.Entry) != 0 {
		t.Errorf("the count is %+v", p)
	}
	second := f.do("GET", f.do("GET", "/fhir/Observation/$lastn?patient=a&_count=2", "").set().link("next"), "").is(200).set()
	if back := f.do("GET", second.link("previous"), "").is(200).set(); !slices.Equal(back.ids(), f.do("GET", "/fhir/Observation/$lastn?patient=a", "").set().ids()[:2]) {
		t.Errorf("back is %v", back.ids())
	}
}

func sameWords(a, b string) bool {
	return slices.Equal(slices.Sorted(slices.Values(strings.Fields(a))), slices.Sorted(slices.Values(strings.Fields(b))))
}

func TestLastnRefused(t *testing.T) {
	f := open(t, func(c *server.Config) { c.Limits.Rows = 50 * 3 })
	for _, c := range []struct{ query, code, text string }{
		{"code=x", "required", "patient=[id]"}, {"patient=a&max=0", "value", "from 1"}, {"patient=a&max=x", "value", "from 1"}, {"patient=a&max=1&max=2", "value", "once"},
		{"patient=a&_sort=date", "not-supported", "order of its own"}, {"patient=a&bogus=1", "not-supported", "bogus"}, {"patient=a&_page=AAAA", "value", "_page"},
	} {
		f.do("GET", "/fhir/Observation/$lastn?"+c.query, "").fails(400, c.code, c.text)
	}
	f.do("POST", "/fhir/Observation/$lastn", lookups(`{"name":"max","part":[{"name":"x","valueCode":"y"}]}`)).fails(400, "not-supported", "max")
	f.do("GET", "/fhir/Patient/$lastn?patient=a", "").is(404)
	for i := range 4 {
		f.measured("o"+strconv.Itoa(i), "a", "2024", "final", "loinc|1-1")
	}
	f.do("GET", "/fhir/Observation/$lastn?patient=a", "").fails(422, "too-costly", "more than the 3 observations")
	p := f.do("GET", "/fhir/Observation/$lastn?patient=b&_count=1", "").is(200).set()
	if len(p.Entry) != 0 {
		t.Errorf("nobody has %+v", p)
	}
}

// TestLastnRandom compares with a plain count over codings that are linked at random.
func TestLastnRandom(t *testing.T) {
	rnd := seedOf(t)
	for range 20 {
		f := open(t, nil)
		const n = 12
		codes, when := make([][]string, n), rnd.Perm(n)
		for i := range n {
			for _, c := range rnd.Perm(8)[:1+rnd.IntN(2)] {
				codes[i] = append(codes[i], "s|"+strconv.Itoa(c))
			}
			f.measured("o"+strconv.Itoa(i), "a", fmt.Sprintf("2024-01-%02d", when[i]+1), "final", codes[i]...)
		}
		// Of one sort: joined until nothing changes.
		sort := make([]int, n)
		for i := range sort {
			sort[i] = i
		}
		for changed := true; changed; {
			changed = false
			for i := range n {
				for j := range n {
					if sort[i] > sort[j] && slices.ContainsFunc(codes[i], func(c string) bool { return slices.Contains(codes[j], c) }) {
						sort[i], changed = sort[j], true
					}
				}
			}
		}
		max := 1 + rnd.IntN(3)
		var want []string
		for i := range n {
			newer := 0
			for j := range n {
				if sort[i] == sort[j] && when[j] > when[i] {
					newer++
				}
			}
			if newer < max {
				want = append(want, "o"+strconv.Itoa(i))
			}
		}
		got := f.do("GET", fmt.Sprintf("/fhir/Observation/$lastn?patient=a&max=%d", max), "").is(200).set().ids()
		if !sameWords(strings.Join(got, " "), strings.Join(want, " ")) {
			t.Errorf("max=%d of %v at %v gives %v, want %v", max, codes, when, got, want)
		}
	}
}
