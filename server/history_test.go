package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hob-fhir/hob/server"
)

func TestHistory(t *testing.T) {
	f := open(t, nil)
	f.do("GET", "/fhir/Patient/a/_history", "").fails(404, "not-found", "Patient/a")
	made := f.do("POST", "/fhir/Patient", patient("", "Zoe")).created()
	f.put("a", "One").is(201)
	f.put("a", "Two").is(200)
	f.do("DELETE", "/fhir/Patient/a", "").is(204)
	f.put("a", "Four").is(201)
	f.do("PUT", "/fhir/Observation/o", observation("o", "a")).is(201)

	h := f.do("GET", "/fhir/Patient/a/_history", "").is(200).set()
	want := []string{`PUT Patient/a 200 W/"4"`, `DELETE Patient/a 204 W/"3"`, `PUT Patient/a 200 W/"2"`, `PUT Patient/a 201 W/"1"`}
	if got := h.versions(); !slices.Equal(got, want) {
		t.Errorf("history of a resource\n%q, want\n%q", got, want)
	}
	if h.Type != "history" || *h.Total != 4 || h.link("next") != "" || h.link("previous") != "" {
		t.Errorf("history is %+v", h)
	}
	for i, e := range h.Entry {
		if (e.Resource == nil) != (i == 1) || e.FullURL != "http://hob.test/fhir/Patient/a" || e.Search.Mode != "" {
			t.Errorf("entry %d is %+v", i, e)
		}
		if e.Resource != nil && e.Resource.Meta.LastUpdated != e.Response.LastModified {
			t.Errorf("entry %d: lastModified %s, lastUpdated %s", i, e.Response.LastModified, e.Resource.Meta.LastUpdated)
		}
	}
	h = f.do("GET", "/fhir/Patient/_history", "").is(200).set()
	if got := h.versions(); len(got) != 5 || got[4] != `POST Patient 201 W/"1"` || h.Entry[4].Resource.ID != made {
		t.Errorf("history of a type: %q", got)
	}
	h = f.do("GET", "/fhir/_history", "").is(200).set()
	if got := h.versions(); len(got) != 6 || got[0] != `PUT Observation/o 201 W/"1"` {
		t.Errorf("history of all: %q", got)
	}
	f.do("HEAD", "/fhir/_history", "").is(200)
	if h = f.do("GET", "/fhir/_history?_count=0", "").is(200).set(); len(h.Entry) != 0 {
		t.Error("_count=0 gives entries")
	}
	for query, saying := range map[string]string{
		"_since=yesterday": "is no date", "_at=x": "is no date", "_count=-1": "is no page size", "_count=x": "is no page size",
		"_count=1&_count=2": "2 times", "name=x": "known are _count, _since, _at", "_page=AAAA": "_page",
	} {
		a := f.do("GET", "/fhir/Patient/_history?"+query, "")
		if a.status != 400 || !strings.Contains(a.body, saying) {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
	f.do("GET", "/fhir/Nothing/_history", "").is(404)
}

func TestHistoryInTime(t *testing.T) {
	f := open(t, nil)
	written := map[string]string{} // by name of the version
	step := func(name string, a *answer) {
		f.clock.forward(time.Hour)
		m, err := http.ParseTime(a.header.Get("Last-Modified"))
		if err != nil {
			t.Fatal(err)
		}
		written[name] = m.Add(time.Minute).UTC().Format(time.RFC3339) // a minute after it
	}
	step("a1", f.put("a", "One"))
	step("b1", f.put("b", "One"))
	step("a2", f.put("a", "Two"))
	step("a3", f.do("DELETE", "/fhir/Patient/a", ""))
	step("a4", f.put("a", "Four"))
	for _, c := range []struct {
		query string
		want  string // versions, newest first
	}{
		{"_since=" + written["a2"], "a4 a3"},
		{"_since=2026-11-21", "a4 a3 a2 b1 a1"},
		{"_since=2026-11-22", ""},
		{"_since=" + strings.ReplaceAll(written["a3"], "Z", "+00:00"), "a4"},
		{"_at=" + written["a1"], "a1"},
		{"_at=" + written["b1"], "b1 a1"},
		{"_at=" + written["a2"], "a2 b1"},
		{"_at=" + written["a3"], "b1"},
		{"_at=" + written["a4"], "a4 b1"},
		{"_at=2026-11-21", "a4 a3 a2 b1 a1"},
		{"_at=2026", "a4 a3 a2 b1 a1"},
		{"_at=2027-01", "a4 b1"},
		{"_at=2025", ""},
		{"_at=2027&_since=" + written["a3"], "a4"},
	} {
		var got []string
		for _, e := range f.do("GET", "/fhir/Patient/_history?"+c.query, "").is(200).set().Entry {
			got = append(got, e.FullURL[len(e.FullURL)-1:]+strings.Trim(e.Response.Etag, `W/"`))
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s gives %q, want %q", c.query, s, c.want)
		}
	}
}

func TestHistoryTooCostly(t *testing.T) {
	f := open(t, func(c *server.Config) { c.Limits.Rows = 3 })
	for i := range 5 {
		f.put("a", fmt.Sprint(i))
	}
	f.do("GET", "/fhir/_history?_at=2020", "").fails(422, "too-costly", "more than the 3 versions")
	f.do("GET", "/fhir/_history?_at=2026&_count=1", "").is(200)
}

func TestHistoryPages(t *testing.T) {
	f := open(t, nil)
	for i := range 13 {
		f.put("a", fmt.Sprint(i))
	}
	for _, path := range []string{"/fhir/Patient/a/_history", "/fhir/Patient/_history", "/fhir/_history"} {
		p := f.do("GET", path+"?_count=5", "").is(200).set()
		var forward, back []string
		for {
			forward = append(forward, p.versions()...)
			if p.link("next") == "" {
				break
			}
			f.put("b", "later")
			p = f.do("GET", p.link("next"), "").is(200).set()
		}
		for {
			back = append(p.versions(), back...)
			if p.link("previous") == "" {
				break
			}
			p = f.do("GET", p.link("previous"), "").is(200).set()
			if len(back) >= len(forward) {
				break // what was written meanwhile comes next
			}
		}
		if !slices.Equal(forward, back[len(back)-len(forward):]) {
			t.Errorf("%s: there\n%v\nand back\n%v", path, forward, back)
		}
		if want := 13; path == "/fhir/Patient/a/_history" && len(forward) != want {
			t.Errorf("%d versions, want %d", len(forward), want)
		}
	}
}
