package auth_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/auth"
)

// entries counts what a searchset or history holds.
func entries(t *testing.T, body []byte) int {
	t.Helper()
	var b struct{ Entry []json.RawMessage }
	if err := json.Unmarshal(body, &b); err != nil {
		t.Fatal(err)
	}
	return len(b.Entry)
}

// TestB2 is the access matrix: who may do what with his own patient and with another's (seeds: B2). Each cell is a status, and after a
// slash the number of entries.
func TestB2(t *testing.T) {
	edit := func(id, doctor string) string {
		return `{"resourceType":"Patient","id":"` + id + `","active":true,"name":[{"family":"Edited"}],"generalPractitioner":[{"reference":"Practitioner/` + doctor + `"}]}`
	}
	note := func(of string) string {
		return `{"resourceType":"Observation","status":"final","category":[{"coding":[{"code":"laboratory"}]}],"code":{"text":"new"},"subject":{"reference":"Patient/` + of + `"}}`
	}
	type cell struct {
		name string
		asked
	}
	cells := func(id, doctor string) []cell {
		return []cell{
			{"read", asked{method: "GET", path: "/Patient/" + id}},
			{"read visit", asked{method: "GET", path: "/Encounter/visit-" + id}},
			{"read vital", asked{method: "GET", path: "/Observation/vital-" + id}},
			{"search", asked{method: "GET", path: "/Observation?patient=" + id}},
			{"search patients", asked{method: "GET", path: "/Patient?_id=" + id}},
			{"history", asked{method: "GET", path: "/Patient/" + id + "/_history"}},
			{"history of type", asked{method: "GET", path: "/Condition/_history"}},
			{"update", asked{method: "PUT", path: "/Patient/" + id, body: edit(id, doctor)}},
			{"note", asked{method: "POST", path: "/Observation", body: note(id)}},
			{"visit write", asked{method: "PUT", path: "/Encounter/visit-" + id, body: visit("visit-"+id, id, map[string]string{"ann": "fay", "bob": "hal"}[id])}},
			{"new visit", asked{method: "PUT", path: "/Encounter/new-" + id, body: visit("new-"+id, id, "hal")}},
			{"delete", asked{method: "DELETE", path: "/Condition/problem-" + id}},
		}
	}
	// in the order of cells
	const (
		all      = "200 200 200 200/2 200/1 200/1 200/1 200 201 200 201 204"
		none     = "404 404 404 200/0 200/0 404 200/1 404 403 404 403 204" // of another patient's; their own history of the type is there
		nothing  = "404 404 404 200/0 200/0 404 200/0 404 403 404 403 204"
		refused  = "401 401 401 401 401 401 401 401 401 401 401 401"
		reads    = "200 200 200 200/2 200/1 200/1 200/1 403 403 403 403 403"
		noReads  = "404 404 404 200/0 200/0 404 200/1 404 403 404 403 403"
		allBoth  = "200 200 200 200/2 200/1 200/1 200/2 200 201 200 201 204"
		noScopes = "403 403 403 403 403 403 403 403 403 403 403 403"
	)
	for role, want := range map[string]struct{ ann, bob string }{
		"patient ann":       {all, none},
		"user ann":          {all, none},
		"reader ann":        {reads, noReads},
		"in the app of dan": {reads, noReads},
		"related rita":      {reads, noReads},
		"laboratory ann":    {"200 403 404 200/1 403 200/1 403 403 403 403 403 403", "404 403 404 200/0 403 404 403 404 403 403 403 403"},
		"patient bob":       {none, all},
		"doctor dan":        {all, none},
		"team eve":          {all, none},
		"encounter fay":     {all, none},
		"role gil":          {all, none},
		"as the role gil":   {"200 200 200 200/2 200/1 200/1 200/1 403 201 200 201 204", none},
		"doctor hal":        {none, all},
		"doctor ivy":        {nothing, nothing},
		"nobody":            {"403 403 403 403 403 403 403 403 403 403 403 403", noScopes},
		"system":            {allBoth, allBoth},
		"admin":             {allBoth, allBoth},
		"auditor":           {noScopes, noScopes},
		"openid":            {noScopes, noScopes},
		"anonymous":         {refused, refused},
	} {
		t.Run(role, func(t *testing.T) {
			for id, row := range map[string]string{"ann": want.ann, "bob": want.bob} {
				w := newWorld(t, nil)
				w.put(clinic()...)
				doctor := map[string]string{"ann": "dan", "bob": "hal"}[id]
				if strings.Contains(role, "gil") {
					doctor = "gil"
				}
				var got []string
				var names []string
				for _, c := range cells(id, doctor) {
					out := w.ask(role, c.asked)
					cell := strconv.Itoa(out.Code)
					if out.Code == 200 && c.method == "GET" && strings.Contains(out.Body.String(), `"resourceType":"Bundle"`) {
						cell += "/" + strconv.Itoa(entries(t, out.Body.Bytes()))
					}
					got = append(got, cell)
					names = append(names, c.name)
				}
				wanted := strings.Fields(row)
				for i := range got {
					if got[i] != wanted[i] {
						t.Errorf("%s of %s: %s, want %s", names[i], id, got[i], wanted[i])
					}
				}
			}
		})
	}
}

// TestTakeover has those who try to become somebody's doctor (seeds: B3).
func TestTakeover(t *testing.T) {
	mine := `{"resourceType":"Patient","id":"bob","generalPractitioner":[{"reference":"Practitioner/dan"}]}`
	team := `{"resourceType":"CareTeam","status":"active","subject":{"reference":"Patient/bob"},"participant":[{"member":{"reference":"Practitioner/dan"}}]}`
	entry := func(method, url, body string) string {
		return `{"resource":` + body + `,"request":{"method":"` + method + `","url":"` + url + `"}}`
	}
	bundle := func(entries ...string) string {
		return `{"resourceType":"Bundle","type":"transaction","entry":[` + strings.Join(entries, ",") + `]}`
	}
	for name, c := range map[string]struct {
		role string
		asked
		want int
	}{
		"a copy that names himself":     {"doctor dan", asked{method: "PUT", path: "/Patient/bob", body: mine}, 404},
		"the patient of another":        {"patient ann", asked{method: "PUT", path: "/Patient/bob", body: mine}, 404},
		"a patch":                       {"doctor dan", asked{method: "PATCH", path: "/Patient/bob", body: `[{"op":"add","path":"/generalPractitioner/-","value":{"reference":"Practitioner/dan"}}]`, header: []string{"Content-Type: application/json-patch+json"}}, 404},
		"by a care team":                {"doctor dan", asked{method: "POST", path: "/CareTeam", body: team}, 403},
		"by an encounter":               {"doctor dan", asked{method: "POST", path: "/Encounter", body: visit("x", "bob", "dan")}, 403},
		"moving an encounter":           {"encounter fay", asked{method: "PUT", path: "/Encounter/visit-ann", body: visit("visit-ann", "bob", "fay")}, 403},
		"a care team and the record":    {"doctor dan", asked{method: "POST", body: bundle(entry("POST", "CareTeam", team), entry("PUT", "Patient/bob", mine))}, 403},
		"a care team and a note":        {"doctor dan", asked{method: "POST", body: bundle(entry("POST", "CareTeam", team), entry("POST", "Observation", `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/bob"}}`))}, 403},
		"with a patient of his as well": {"doctor dan", asked{method: "POST", path: "/CareTeam", body: strings.Replace(team, `"participant":[`, `"participant":[{"member":{"reference":"Patient/ann"}},`, 1)}, 403},
		"a care team of one to come":    {"doctor dan", asked{method: "POST", path: "/CareTeam", body: strings.NewReplacer(`Patient/bob`, `Patient/later`, `"participant":[`, `"participant":[{"member":{"reference":"Patient/ann"}},`).Replace(team)}, 403},
		"a care team of one deleted":    {"doctor dan", asked{method: "POST", path: "/CareTeam", body: strings.NewReplacer(`Patient/bob`, `Patient/gone`, `"participant":[`, `"participant":[{"member":{"reference":"Patient/ann"}},`).Replace(team)}, 403},
		"a role that is his":            {"doctor hal", asked{method: "PUT", path: "/PractitionerRole/gilrole", body: `{"resourceType":"PractitionerRole","id":"gilrole","practitioner":{"reference":"Practitioner/hal"}}`}, 403},
		"a new role":                    {"doctor hal", asked{method: "POST", path: "/PractitionerRole", body: `{"resourceType":"PractitionerRole","practitioner":{"reference":"Practitioner/hal"}}`}, 403},
		"a relation":                    {"patient bob", asked{method: "POST", path: "/RelatedPerson", body: `{"resourceType":"RelatedPerson","patient":{"reference":"Patient/ann"}}`}, 403},
		"a relation that is there":      {"patient bob", asked{method: "PUT", path: "/RelatedPerson/rita", body: `{"resourceType":"RelatedPerson","id":"rita","patient":{"reference":"Patient/bob"}}`}, 404},
		"by the id of one deleted":      {"doctor dan", asked{method: "PUT", path: "/Patient/gone", body: `{"resourceType":"Patient","id":"gone","generalPractitioner":[{"reference":"Practitioner/dan"}]}`}, 404},
		"a conditional update":          {"doctor dan", asked{method: "PUT", path: "/Patient?family=Bob", body: `{"resourceType":"Patient","id":"bob","name":[{"family":"Bob"}],"generalPractitioner":[{"reference":"Practitioner/dan"}]}`}, 404},
		"a Binary of another":           {"patient ann", asked{method: "POST", path: "/DocumentReference", body: `{"resourceType":"DocumentReference","status":"current","subject":{"reference":"Patient/ann"},"content":[{"attachment":{"url":"Binary/scan"}}]}`}, 403},
		"a Provenance of another":       {"patient ann", asked{method: "POST", path: "/Provenance", body: `{"resourceType":"Provenance","recorded":"2026-01-01T00:00:00Z","target":[{"reference":"Patient/ann"},{"reference":"Patient/bob"}],"agent":[{"who":{"display":"x"}}]}`}, 403},
		// What is right.
		"a new patient of his":          {"doctor dan", asked{method: "POST", path: "/Patient", body: `{"resourceType":"Patient","generalPractitioner":[{"reference":"Practitioner/dan"}]}`}, 201},
		"a new patient and a note":      {"doctor dan", asked{method: "POST", body: bundle(entry("PUT", "Observation/n", `{"resourceType":"Observation","id":"n","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/new"}}`), entry("PUT", "Patient/new", `{"resourceType":"Patient","id":"new","generalPractitioner":[{"reference":"Practitioner/dan"}]}`))}, 200},
		"a new patient by an encounter": {"doctor ivy", asked{method: "POST", body: bundle(entry("PUT", "Patient/new", `{"resourceType":"Patient","id":"new"}`), entry("PUT", "Encounter/n", visit("n", "new", "ivy")))}, 200},
		"a new patient of nobody":       {"doctor dan", asked{method: "POST", path: "/Patient", body: `{"resourceType":"Patient"}`}, 403},
		"a new patient of another":      {"doctor dan", asked{method: "POST", path: "/Patient", body: `{"resourceType":"Patient","generalPractitioner":[{"reference":"Practitioner/hal"}]}`}, 403},
		"his own doctor":                {"patient bob", asked{method: "PUT", path: "/Patient/bob", body: mine}, 200},
		"a colleague":                   {"doctor dan", asked{method: "PUT", path: "/CareTeam/team", body: `{"resourceType":"CareTeam","id":"team","status":"active","subject":{"reference":"Patient/ann"},"participant":[{"member":{"reference":"Practitioner/ivy"}}]}`}, 200},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.put(clinic()...)
			w.put(`{"resourceType":"Patient","id":"gone","generalPractitioner":[{"reference":"Practitioner/hal"}]}`,
				`{"resourceType":"Observation","id":"of-gone","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/gone"}}`,
				`{"resourceType":"Binary","id":"scan","contentType":"text/plain","data":"eA=="}`,
				`{"resourceType":"DocumentReference","id":"scanned","status":"current","subject":{"reference":"Patient/bob"},"content":[{"attachment":{"url":"Binary/scan"}}]}`)
			if out := w.ask("", asked{method: "DELETE", path: "/Patient/gone"}); out.Code != 204 {
				t.Fatal(out.Code)
			}
			before := w.ask("", asked{method: "GET", path: "/Patient/bob"}).Body.String()
			if out := w.ask(c.role, c.asked); out.Code != c.want {
				t.Errorf("%d, want %d: %s", out.Code, c.want, out.Body)
			}
			if after := w.ask("", asked{method: "GET", path: "/Patient/bob"}).Body.String(); c.want >= 400 && after != before {
				t.Errorf("refused, and yet bob is %s", after)
			}
			for role, path := range map[string]string{"doctor dan": "/Observation/of-gone", "patient ann": "/Binary/scan"} {
				if out := w.ask(role, asked{method: "GET", path: path}); out.Code != 404 {
					t.Errorf("%s sees %s: %d", role, path, out.Code)
				}
			}
		})
	}
}

// TestOwners is about what belongs to somebody by something else.
func TestOwners(t *testing.T) {
	w := newWorld(t, nil)
	w.put(clinic()...)
	for _, id := range []string{"ann", "bob"} {
		w.put(`{"resourceType":"Binary","id":"context-`+id+`","contentType":"text/plain","securityContext":{"reference":"Patient/`+id+`"},"data":"eA=="}`,
			`{"resourceType":"Binary","id":"by-`+id+`","contentType":"text/plain","securityContext":{"reference":"Observation/lab-`+id+`"},"data":"eA=="}`,
			`{"resourceType":"Binary","id":"attached-`+id+`","contentType":"text/plain","data":"eA=="}`,
			`{"resourceType":"DocumentReference","id":"doc-`+id+`","status":"current","subject":{"reference":"Patient/`+id+`"},"content":[{"attachment":{"url":"Binary/attached-`+id+`"}}]}`,
			`{"resourceType":"Provenance","id":"of-`+id+`","recorded":"2026-01-01T00:00:00Z","target":[{"reference":"Observation/lab-`+id+`"}],"agent":[{"who":{"display":"x"}}]}`,
			`{"resourceType":"Provenance","id":"ofpatient-`+id+`","recorded":"2026-01-01T00:00:00Z","target":[{"reference":"Patient/`+id+`"}],"agent":[{"who":{"display":"x"}}]}`,
			`{"resourceType":"Device","id":"pump-`+id+`","patient":{"reference":"Patient/`+id+`"}}`,
			`{"resourceType":"Task","id":"task-`+id+`","status":"draft","intent":"order","for":{"reference":"Patient/`+id+`"}}`,
			`{"resourceType":"GuidanceResponse","id":"guide-`+id+`","status":"success","moduleUri":"http://x.example","subject":{"reference":"Patient/`+id+`"}}`,
			`{"resourceType":"Contract","id":"contract-`+id+`","subject":[{"reference":"Patient/`+id+`"}]}`,
			`{"resourceType":"Group","id":"group-`+id+`","type":"person","actual":true,"member":[{"entity":{"reference":"Patient/`+id+`"}}]}`,
			`{"resourceType":"Basic","id":"basic-`+id+`","code":{"text":"x"},"subject":{"reference":"Patient/`+id+`"}}`,
		)
	}
	w.put(`{"resourceType":"Provenance","id":"both","recorded":"2026-01-01T00:00:00Z","target":[{"reference":"Observation/lab-ann"},{"reference":"Observation/lab-bob"}],"agent":[{"who":{"display":"x"}}]}`,
		`{"resourceType":"Group","id":"both","type":"person","actual":true,"member":[{"entity":{"reference":"Patient/ann"}},{"entity":{"reference":"Patient/bob"}}]}`,
		`{"resourceType":"Device","id":"pump","manufacturer":"x"}`,
		`{"resourceType":"Binary","id":"loose","contentType":"text/plain","data":"eA=="}`,
		`{"resourceType":"Bundle","id":"kept","type":"collection"}`,
		`{"resourceType":"Medication","id":"m","code":{"text":"x"}}`,
		`{"resourceType":"Subscription","id":"s","status":"off","reason":"x","criteria":"Observation?","channel":{"type":"rest-hook"}}`,
		`{"resourceType":"AuditEvent","id":"a","type":{"code":"rest"},"recorded":"2026-01-01T00:00:00Z","agent":[{"requestor":true}],"source":{"observer":{"display":"x"}},"entity":[{"what":{"reference":"Patient/ann"}}]}`,
	)
	own := []string{"Binary/context-", "Binary/by-", "Binary/attached-", "Provenance/of-", "Provenance/ofpatient-", "Device/pump-", "Task/task-",
		"GuidanceResponse/guide-", "Contract/contract-", "Group/group-", "Basic/basic-"}
	for _, role := range []string{"patient ann", "user ann", "doctor dan", "team eve", "related rita", "role gil"} {
		for _, path := range own {
			for id, want := range map[string]int{"ann": 200, "bob": 404} {
				if out := w.ask(role, asked{method: "GET", path: "/" + path + id}); out.Code != want {
					t.Errorf("%s reads %s%s: %d, want %d", role, path, id, out.Code, want)
				}
			}
			typ, _, _ := strings.Cut(path, "/")
			out := w.ask(role, asked{method: "GET", path: "/" + typ})
			n := 0
			for _, p := range own {
				if strings.HasPrefix(p, typ+"/") {
					n++
				}
			}
			if got := entries(t, out.Body.Bytes()); got != n {
				t.Errorf("%s finds %d %s, want %d", role, got, typ, n)
			}
		}
		for path, want := range map[string]int{"Provenance/both": 404, "Group/both": 404, "Device/pump": 404, "Binary/loose": 404, "Bundle/kept": 403,
			"Medication/m": 200, "Practitioner/hal": 200, "Subscription/s": 403, "AuditEvent/a": 403} {
			if out := w.ask(role, asked{method: "GET", path: "/" + path}); out.Code != want {
				t.Errorf("%s reads %s: %d, want %d", role, path, out.Code, want)
			}
		}
	}
	for role, want := range map[string]int{"system": 403, "auditor": 200, "admin": 403} {
		if out := w.ask(role, asked{method: "GET", path: "/AuditEvent/a"}); out.Code != want {
			t.Errorf("%s reads an AuditEvent: %d, want %d", role, out.Code, want)
		}
	}
	for role, want := range map[string]int{"doctor dan": 403, "patient ann": 403, "curator": 201, "admin": 201, "system": 201} {
		if out := w.ask(role, asked{method: "POST", path: "/Medication", body: `{"resourceType":"Medication","code":{"text":"x"}}`}); out.Code != want {
			t.Errorf("%s creates a Medication: %d, want %d", role, out.Code, want)
		}
	}
}

// TestRelatedInactive has a relation that is over.
func TestRelatedInactive(t *testing.T) {
	w := newWorld(t, nil)
	w.put(clinic()...)
	const rita = `{"resourceType":"RelatedPerson","id":"rita","active":false,"patient":{"reference":"Patient/ann"}}`
	if out := w.ask("", asked{method: "PUT", path: "/RelatedPerson/rita", body: rita}); out.Code != 200 {
		t.Fatal(out.Body)
	}
	if out := w.ask("related rita", asked{method: "GET", path: "/Patient/ann"}); out.Code != 404 {
		t.Errorf("one who relates no more reads the patient: %d", out.Code)
	}
}

func TestPolicyRules(t *testing.T) {
	for name, c := range map[string]struct {
		paths []auth.Path
		say   string
	}{
		"none":          {nil, ""},
		"one":           {[]auth.Path{{Type: "Patient", Names: "general-practitioner"}}, ""},
		"no parameter":  {[]auth.Path{{Type: "Patient", Names: "doctor"}}, `"doctor" is no search parameter`},
		"no reference":  {[]auth.Path{{Type: "Patient", Names: "family"}}, "is no search parameter of it that is a reference"},
		"no patient":    {[]auth.Path{{Type: "Encounter", Names: "participant"}}, "is no search parameter"},
		"no type":       {[]auth.Path{{Type: "Visit", Names: "participant", Patient: "patient"}}, "is no search parameter"},
		"a bad search":  {[]auth.Path{{Type: "Encounter", Names: "participant", Patient: "patient", Where: "colour=red"}}, "colour"},
		"a search only": {[]auth.Path{{Type: "Encounter", Names: "participant", Patient: "patient", Where: "_count=1"}}, "asks for nothing"},
	} {
		_, err := auth.NewPolicy(catalog(), auth.Rules{Treats: c.paths})
		if (err == nil) != (c.say == "") || err != nil && !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v, want %q", name, err, c.say)
		}
	}
	p, err := auth.NewPolicy(catalog(), auth.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	for word, ok := range map[string]bool{
		"patient/Observation.rs?category=laboratory": true, "patient/Observation.rs": true, "openid": true,
		"patient/Observation.rs?colour=red": false, "patient/*.rs?category=laboratory": false, "patient/Observation.rs?_count=3": false,
	} {
		if err := p.Check(auth.ParseScopes(word)[0]); (err == nil) != ok {
			t.Errorf("%s: %v", word, err)
		}
	}
}
