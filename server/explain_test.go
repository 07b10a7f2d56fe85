package server_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// explained is what is looked at in an explanation.
type explained struct {
	Search     string
	Parameters []struct{ Name, Value, Query string }
	Query      string
	Tree       struct{ Node, Field, Operator string }
	Narrowed   bool
	Plan       []struct {
		For, Step  string
		Rows, Hits int
	}
	Rows, Hits int
	More       bool
	Total      *int
	Stopped    string
}

func (a *answer) explained() (e explained) {
	a.Helper()
	a.is(200).has("Content-Type", "application/json; charset=utf-8")
	if err := json.Unmarshal([]byte(a.body), &e); err != nil {
		a.Fatalf("%s: %v", a.body, err)
	}
	return e
}

func TestExplain(t *testing.T) {
	f := open(t, nil)
	for i := range 5 {
		f.put(fmt.Sprint("s", i), "Smith").is(201)
	}
	f.put("j", "Jones").is(201)
	form := "Content-Type: application/x-www-form-urlencoded"
	for _, a := range []*answer{
		f.do("GET", "/fhir/Patient?family=smith&_sort=-name&_count=2&__explain=true", ""),
		f.do("POST", "/fhir/Patient/_search?__explain=true", "family=smith&_sort=-name&_count=2", form),
		f.do("POST", "/fhir/Patient/_search?family=smith", "_sort=-name&_count=2&__explain=true", form),
	} {
		e := a.explained()
		if len(e.Parameters) != 1 || e.Parameters[0].Name != "family" || e.Parameters[0].Value != "smith" || e.Parameters[0].Query != e.Query {
			t.Errorf("parameters are %+v, the query %s", e.Parameters, e.Query)
		}
		if !strings.Contains(e.Query, `family EQUAL "smith"…`) || e.Tree.Node != "Or" || strings.Contains(e.Search, "__explain") {
			t.Errorf("explanation is %+v", e)
		}
		if e.Hits != 2 || !e.More || *e.Total != 5 || e.Narrowed || e.Stopped != "" {
			t.Errorf("explanation is %+v", e)
		}
		rows := 0
		for _, s := range e.Plan {
			rows += s.Rows
		}
		if len(e.Plan) < 3 || rows != e.Rows || rows == 0 || !strings.HasPrefix(e.Plan[0].Step, "drive by ") || e.Plan[0].For != "page" {
			t.Errorf("plan is %+v, %d rows", e.Plan, e.Rows)
		}
	}
	for query, node := range map[string]string{"": "All", "_id=a,b": "IDs", "gender=male&family=x": "And", "gender:not=male": "Not", "gender=male": "Lookup"} {
		if e := f.do("GET", "/fhir/Patient?__explain=true&"+query, "").explained(); e.Tree.Node != node {
			t.Errorf("%s: the tree begins with %s, want %s", query, e.Tree.Node, node)
		}
	}
	// As text, for a terminal.
	text := f.do("GET", "/fhir/Patient?family=smith&_sort=-name&__explain=true&_format=text", "").is(200)
	text.has("Content-Type", "text/plain; charset=utf-8").says("family=smith").says("rows read").says("drive by").says("5 in total").says("name downward")
	// Without it nothing is explained, and where nothing can be it is a parameter like any unknown one.
	if p := f.do("GET", "/fhir/Patient?family=smith&__explain=false", "").is(200).set(); len(p.Entry) != 5 || strings.Contains(p.link("self"), "explain") {
		t.Errorf("__explain=false gives %+v", p)
	}
	f.do("GET", "/fhir/Patient?__explain=1", "").fails(400, "value", "say true or false")
	f.do("GET", "/fhir/Patient?nmae=x&__explain=true&_format=text", "").fails(400, "not-supported", "nmae")
	f.do("GET", "/fhir/Patient?family=smith&_format=text", "").fails(406, "not-supported", "text")
	f.do("PUT", "/fhir/Patient?identifier=s%7Cx&__explain=true", patient("", "x")).fails(400, "not-supported", "__explain")
	f.do("POST", "/fhir", `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Patient?__explain=true"}}]}`).is(200).says("__explain")
}

func TestExplainTooCostly(t *testing.T) {
	f := open(t, func(c *server.Config) { c.Limits.Rows = 10 })
	for i := range 30 {
		f.put(fmt.Sprint("s", i), "Smith").is(201)
	}
	f.do("GET", "/fhir/Patient?name:contains=zz", "").fails(422, "too-costly", "list name LIKE").says("add a parameter that fewer records match")
	e := f.do("GET", "/fhir/Patient?name:contains=zz&__explain=true", "").explained()
	if !strings.Contains(e.Stopped, "at the step: list name LIKE") || e.Rows < 10 || e.Total != nil {
		t.Errorf("explanation is %+v", e)
	}
}

// TestExplainNarrowed: what a caller may not see shows in no step, no count of rows and no message.
func TestExplainNarrowed(t *testing.T) {
	b := backend(t)
	f := openOn(t, b, nil)
	for i := range 5 {
		f.put(fmt.Sprint("s", i), "Smith").is(201)
	}
	own := func(_ storage.Action, typ string) (driver.Query, error) { return driver.IDs{"s1"}, nil }
	f = openOn(t, b, func(c *server.Config) {
		c.Caller = as(own)
		c.Limits.Rows = 20
	})
	var bodies []string
	for _, id := range []string{"s0", "nobody"} {
		e := f.do("GET", "/fhir/Patient?_id="+id+"&__explain=true", "").explained()
		if !e.Narrowed || e.Plan != nil || e.Rows != 0 || e.Hits != 0 || *e.Total != 0 || strings.Contains(e.Query, "s1") {
			t.Errorf("explanation is %+v", e)
		}
		bodies = append(bodies, strings.ReplaceAll(f.do("GET", "/fhir/Patient?_id="+id+"&__explain=true", "").body, id, ""))
	}
	if bodies[0] != bodies[1] {
		t.Errorf("what is beyond the access is told from what is not there:\n%s\n%s", bodies[0], bodies[1])
	}
	f.do("GET", "/fhir/Patient?family=smith&__explain=true&_format=text", "").is(200).says("Your access narrows this search").says("1 in total")

	own = func(storage.Action, string) (driver.Query, error) {
		return driver.Not{Of: driver.Lookup{Field: "secret", Op: driver.LIKE, Values: []driver.Value{driver.Point([]byte("x"))}}}, nil
	}
	f = openOn(t, b, func(c *server.Config) {
		c.Caller = as(own)
		c.Limits.Rows = 1
	})
	a := f.do("GET", "/fhir/Patient?family:contains=mit", "").fails(422, "too-costly", "add a parameter that fewer records match")
	if strings.Contains(a.body, "step") || strings.Contains(a.body, "secret") {
		t.Errorf("the message tells how the access narrows: %s", a.body)
	}
}
