package search

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/fhirmap"
)

// own makes a custom parameter whose resource has its code as id.
func own(typ, code, base, expression string) Custom {
	return Custom{ID: code, SearchParameter: r4.SearchParameter{
		URL: "https://hob.example/SearchParameter/" + code, Code: code, Type: typ, Base: strings.Fields(base), Expression: expression,
	}}
}

// ready replaces the custom parameters of a catalog, and takes them all for indexed.
func ready(t testing.TB, c *Catalog, customs ...Custom) []Standing {
	t.Helper()
	for i, s := range c.Replace(customs) {
		customs[i].Indexed = s.Mark
	}
	return c.Replace(customs)
}

func role(s Standing, typ string) string {
	for _, u := range s.Uses {
		if u.Type == typ {
			return strings.TrimSpace(string(u.As) + " " + strings.TrimPrefix(u.Of, "http://hl7.org/fhir/SearchParameter/"))
		}
	}
	return ""
}

func TestCustomRoles(t *testing.T) {
	base := "https://hob.example/SearchParameter/"
	composite := own("composite", "code-and-reason", "Observation", "Observation")
	composite.Components = []r4.Component{{Definition: "http://hl7.org/fhir/SearchParameter/clinical-code", Expression: "code"}, {Definition: base + "reason", Expression: "dataAbsentReason"}}
	component := own("composite", "component-reason", "Observation", "Observation.component")
	component.Components = []r4.Component{
		{Definition: "http://hl7.org/fhir/SearchParameter/Observation-component-code", Expression: "code"},
		{Definition: base + "interpretation", Expression: "interpretation"},
	}
	lost := own("composite", "lost", "Observation", "Observation")
	lost.Components = []r4.Component{{Definition: base + "nowhere", Expression: "code"}}
	bent := own("composite", "bent", "Observation", "Observation")
	bent.Components = []r4.Component{{Definition: "http://hl7.org/fhir/SearchParameter/clinical-code", Expression: "status"}}
	apart := own("composite", "apart", "Observation", "Observation.component")
	apart.Components = []r4.Component{{Definition: "http://hl7.org/fhir/SearchParameter/clinical-code", Expression: "%resource.code"}, {Definition: base + "interpretation", Expression: "interpretation"}}
	twice := own("token", "twice", "Patient", "Patient.photo.contentType")
	twice.URL = base + "race"
	c := newCatalog(t)
	for _, x := range []struct {
		custom    Custom
		typ, want string
	}{
		{own("token", "race", "Patient", "Patient.extension.where(url = 'urn:race').value"), "Patient", "own"},
		{own("string", "name", "Patient", "Patient.name"), "Patient", "alias Patient-name"},
		{own("date", "onset-date", "Condition", "Condition.onset.as(dateTime)"), "Condition", "alias Condition-onset-date"}, // narrower
		{own("token", "_id", "Patient Encounter", "Patient.id | Encounter.id"), "Encounter", "alias Resource-id"},
		{own("string", "family", "Patient", "Patient.contact.name.family"), "Patient", "refused individual-family"},
		{own("token", "near", "Location", "Location.status"), "Location", "refused Location-near"},
		{own("string", "called", "Patient Practitioner", "Patient.name | Practitioner.name"), "Practitioner", "shared Practitioner-name"},
		{own("reference", "of", "Observation", "Observation.subject.where(resolve() is Patient)"), "Observation", "own"}, // the rest that subject cannot tell
		{own("reference", "about", "Observation", "Observation.subject"), "Observation", "shared Observation-subject"},
		{own("token", "reason", "Observation", "Observation.dataAbsentReason"), "Observation", "shared Observation-data-absent-reason"},
		{own("token", "interpretation", "Observation", "Observation.component.interpretation"), "Observation", "own"},
		{composite, "Observation", "joined"},
		{component, "Observation", "refused " + base + "interpretation"}, // of which a component may have several
		{lost, "Observation", "waiting " + base + "nowhere"},
		{bent, "Observation", "refused clinical-code"},
		{apart, "Observation", "refused " + base + "interpretation"},
		{twice, "Patient", "refused"},
		{own("string", "author-words", "Resource", "Resource.language"), "Goal", "own"},
		{own("token", "everywhere", "Resource", "Patient.gender"), "Goal", ""}, // and shared for Patient
		{own("token", "everywhere-too", "DomainResource", "DomainResource.language"), "Bundle", ""},
	} {
		customs := []Custom{}
		for _, before := range []Custom{
			own("token", "race", "Patient", "Patient.extension.where(url = 'urn:race').value"),
			own("token", "reason", "Observation", "Observation.dataAbsentReason"),
			own("token", "interpretation", "Observation", "Observation.component.interpretation"),
		} {
			if before.ID != x.custom.ID {
				customs = append(customs, before)
			}
		}
		customs = append(customs, x.custom)
		standings := ready(t, c, customs...)
		if got := role(standings[len(standings)-1], x.typ); got != x.want {
			t.Errorf("%s of %s (%s) is %q, want %q", x.custom.Code, x.typ, x.custom.Expression, got, x.want)
		}
	}
}

// TestCustomIsAwaited: until it is indexed a custom parameter has rows, and every way of asking for it says that it is being indexed, leniently
// too. From then on it is answered, and when it has gone it is unknown.
func TestCustomIsAwaited(t *testing.T) {
	c := newCatalog(t)
	friend := own("reference", "friend", "Patient", "Patient.extension.where(url='urn:friend').valueReference")
	friend.Target = []string{"Patient", "Practitioner"}
	friend.Progress = func() string { return "43 % done" }
	customs := []Custom{friend}
	generation, observations := c.Generation("Patient"), c.Generation("Observation")
	standings := c.Replace(customs)
	if s := standings[0]; s.Ready || s.Mark == "" {
		t.Fatalf("%+v", s)
	}
	if c.Generation("Patient") == generation || c.Generation("Observation") != observations {
		t.Error("the generation must change for Patient, and for it alone")
	}
	r := resource(t, `{'resourceType':'Patient','extension':[{'url':'urn:friend','valueReference':{'reference':'Patient/b'}}]}`)
	if got := show(c, "Patient", rowsOf(t, c, r)); !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "friend ") }) {
		t.Errorf("no row: %q", got)
	}
	questions := []struct{ typ, query string }{
		{"Patient", "friend=Patient/b"}, {"Patient", "friend:missing=true"}, {"Patient", "_sort=friend"}, {"Patient", "_sort=-friend,_id"},
		{"Patient", "_include=Patient:friend"}, {"Patient", "friend.name=x"}, {"Patient", "friend:Patient.name=x"},
		{"Patient", "_has:Patient:friend:name=x"}, {"Observation", "subject:Patient.friend=b"}, {"Observation", "subject.friend=b"},
		{"Observation", "patient.friend.name=b"},
	}
	for _, q := range questions {
		for _, lenient := range []bool{false, true} {
			_, err := c.Parse(q.typ, query(q.query), ParseOptions{Lenient: lenient})
			var o *fhirmap.Outcome
			if !errors.As(err, &o) || o.Issues[0].Code != fhirmap.CodeTransient || !strings.Contains(o.Issues[0].Diagnostics, "43 % done") {
				t.Errorf("%s?%s (lenient %t): %v", q.typ, q.query, lenient, err)
			}
		}
	}
	for _, p := range c.For("Patient") {
		if p.Code == "friend" {
			t.Error("it is claimed before it is answered")
		}
	}
	generation = c.Generation("Patient")
	customs[0].Indexed = standings[0].Mark
	if s := c.Replace(customs)[0]; !s.Ready {
		t.Fatalf("%+v", s)
	}
	if c.Generation("Patient") != generation {
		t.Error("that it is ready changes no rows")
	}
	for _, q := range questions {
		if _, err := c.Parse(q.typ, query(q.query), ParseOptions{}); err != nil {
			t.Errorf("%s?%s: %v", q.typ, q.query, err)
		}
	}
	if !slices.ContainsFunc(c.For("Patient"), func(p Parameter) bool { return p.Code == "friend" && p.Definition == friend.URL && p.Sortable }) {
		t.Error("it is not claimed")
	}
	if !matches(t, c, "Patient", rowsOf(t, c, r), "friend=Patient/b") || matches(t, c, "Patient", rowsOf(t, c, r), "friend=Patient/c") {
		t.Error("a wrong answer")
	}
	c.Replace(nil)
	if _, err := c.Parse("Patient", query("friend=Patient/b"), ParseOptions{}); err == nil || !strings.Contains(err.Error(), "has no search parameter") {
		t.Errorf("it is gone, and asking for it gives %v", err)
	}
	if c.Generation("Patient") == generation {
		t.Error("that it is gone changes rows")
	}
	c.Rebuild(func() string { return "7 % done" })
	if _, err := c.Parse("Patient", query("name=x"), ParseOptions{}); err == nil || !strings.Contains(err.Error(), "7 % done") {
		t.Errorf("everything is being indexed, and asking gives %v", err)
	}
	c.Rebuild(nil)
	if _, err := c.Parse("Patient", query("name=x"), ParseOptions{}); err != nil {
		t.Error(err)
	}
}

// TestCustomMovesNoRows adds parameters that select just what parts of published ones do, and wider ones, and holds that each published
// parameter reads and writes what it did before.
func TestCustomMovesNoRows(t *testing.T) {
	c := newCatalog(t)
	var customs []Custom
	n := 0
	for _, typ := range fhirmap.ResourceTypes() {
		for _, p := range c.now().types[typ].params {
			if p.kind.rows == nil || p.kind == positions { // whose meaning no parameter of one's own has
				continue
			}
			for _, a := range p.atoms {
				n++
				customs = append(customs, own(p.kind.name, fmt.Sprintf("zz%d", n), typ, a.text))
				if a.only != "" {
					n++
					customs = append(customs, own(p.kind.name, fmt.Sprintf("zz%d", n), typ, a.base))
				}
			}
		}
	}
	var before [][]string
	var resources []*fhirmap.Resource
	for _, json := range unseen() {
		r := resource(t, json)
		resources = append(resources, r)
		before = append(before, show(c, r.Type(), rowsOf(t, c, r)))
	}
	sources := func() map[string]string {
		out := map[string]string{}
		for typ, s := range c.now().types {
			for code, p := range s.params {
				if p.custom == nil {
					out[typ+"."+code] = fmt.Sprint(p.sources, p.fields)
				}
			}
		}
		return out
	}
	was := sources()
	standings := ready(t, c, customs...)
	roles := map[string]int{}
	for i, s := range standings {
		for _, u := range s.Uses {
			roles[string(u.As)]++
			if u.As == Refused {
				t.Errorf("%s (%s): %s", customs[i].Code, customs[i].Expression, u.Why)
			}
		}
	}
	t.Logf("%d custom parameters: %v", len(customs), roles)
	if roles["own"] < 100 || roles["shared"] < 1000 {
		t.Errorf("%v: too little to prove anything", roles)
	}
	for key, s := range sources() {
		if was[key] != s {
			t.Errorf("%s read %s and reads %s", key, was[key], s)
		}
	}
	for i, r := range resources {
		after := slices.DeleteFunc(show(c, r.Type(), rowsOf(t, c, r)), func(s string) bool { return strings.HasPrefix(s, "zz") })
		if !slices.Equal(after, before[i]) {
			t.Errorf("%s had the rows %q and has %q", r.Type(), before[i], after)
		}
	}
}

func TestAdmit(t *testing.T) {
	c := newCatalog(t)
	ready(t, c, own("token", "race", "Patient", "Patient.extension.where(url = 'urn:race').value"))
	sp := func(more string) *fhirmap.Resource {
		return resource(t, `{'resourceType':'SearchParameter','url':'https://hob.example/x','name':'X','status':'active','description':'x',`+more+`}`)
	}
	for _, x := range []struct{ id, more, want string }{
		{"x", `'code':'x','base':['Patient'],'type':'token','expression':'Patient.maritalStatus'`, ""},
		{"x", `'code':'x','base':['Resource'],'type':'token','expression':'Resource.meta.tag'`, ""},
		{"x", `'code':'x','base':['Patient'],'type':'string','expression':'Patient.contact.name.given.first() | name.text'`, ""},
		{"x", `'code':'x','base':['Patient'],'type':'token','expression':'Patient.contact.where(gender=\'male\').exists()'`, ""},
		{"x", `'code':'name','base':['Patient'],'type':'string','expression':'Patient.name'`, ""},
		{"x", `'code':'_id','base':['Patient'],'type':'token','expression':'Patient.id'`, ""},
		{"x", `'code':'_count','base':['Patient'],'type':'number','expression':'Patient.multipleBirth.as(integer)'`, "SearchParameter.code"},
		{"x", `'code':'a:b','base':['Patient'],'type':'token','expression':'Patient.maritalStatus'`, "SearchParameter.code"},
		{"x", `'code':'a.b','base':['Patient'],'type':'token','expression':'Patient.maritalStatus'`, "SearchParameter.code"},
		{"x", `'code':'x','base':['Pacient'],'type':'token','expression':'Patient.maritalStatus'`, "SearchParameter.base[0]"},
		{"x", `'code':'x','base':['Patient'],'type':'special','expression':'Patient.maritalStatus'`, "SearchParameter.type"},
		{"x", `'code':'x','base':['Patient'],'type':'token'`, "SearchParameter.expression"},
		{"x", `'code':'x','base':['Patient'],'type':'token','expression':'Patient.maritalStatus.('`, "SearchParameter.expression"},
		{"x", `'code':'x','base':['Patient'],'type':'token','expression':'Patient.maritalState'`, "SearchParameter.expression"},
		{"x", `'code':'x','base':['Patient'],'type':'date','expression':'Patient.name.given'`, "SearchParameter.expression"},
		{"x", `'code':'x','base':['Patient'],'type':'date','expression':'Patient.deceased.as(boolean)'`, "SearchParameter.expression"},
		{"x", `'code':'x','base':['Patient'],'type':'date','expression':'Patient.deceased.as(Quantity)'`, "SearchParameter.expression"},
		{"x", `'code':'x','base':['Patient','Group'],'type':'token','expression':'Patient.maritalStatus'`, "SearchParameter.expression"},
		{"x", `'code':'x','base':['Patient'],'type':'token','expression':'Observation.code'`, "SearchParameter.expression"},
		{"x", `'code':'x','base':['Patient'],'type':'token','expression':'` + strings.Repeat("Patient.maritalStatus|", 1000) + `Patient.gender'`, "SearchParameter.expression"},
		{"x", `'code':'x','base':['Patient'],'type':'composite','expression':'Patient'`, "SearchParameter.component"},
		{"x", `'code':'family','base':['Patient'],'type':'string','expression':'Patient.contact.name.family'`, "SearchParameter.code"},
		{"x", `'code':'race','base':['Patient'],'type':'token','expression':'Patient.maritalStatus'`, "SearchParameter.code"},
		{"race", `'code':'race','base':['Patient'],'type':'token','expression':'Patient.maritalStatus'`, ""}, // an update of it
	} {
		err := c.Admit(x.id, sp(x.more))
		var o *fhirmap.Outcome
		switch {
		case x.want == "" && err == nil:
		case x.want != "" && errors.As(err, &o) && o.Issues[0].Expression == x.want:
			t.Log(err)
		default:
			t.Errorf("%s: %v; want %q", x.more, err, x.want)
		}
	}
	draft := strings.Replace(string(sp(`'code':'a:b','base':['Patient'],'type':'token'`).JSON()), `"active"`, `"draft"`, 1)
	if err := c.Admit("x", resource(t, draft)); err != nil {
		t.Errorf("a draft need not work: %v", err)
	}
	published := strings.Replace(string(sp(`'code':'near','base':['Location'],'type':'special'`).JSON()), "https://hob.example/x", "http://hl7.org/fhir/SearchParameter/Location-near", 1)
	if err := c.Admit("x", resource(t, published)); err != nil {
		t.Errorf("a published one is only kept: %v", err)
	}
	other := own("token", "race", "Patient", "Patient.extension.where(url = 'urn:race').value").URL
	again := strings.Replace(string(sp(`'code':'y','base':['Patient'],'type':'token','expression':'Patient.maritalStatus'`).JSON()), "https://hob.example/x", other, 1)
	if err := c.Admit("x", resource(t, again)); err == nil || !strings.Contains(err.Error(), "SearchParameter/race defines") {
		t.Errorf("a second definition of one URL: %v", err)
	}
}

// TestCustomSearch asks what custom parameters of each sort find.
func TestCustomSearch(t *testing.T) {
	c := newCatalog(t)
	composite := own("composite", "code-and-origin", "Observation", "Observation.component")
	composite.Components = []r4.Component{
		{Definition: "http://hl7.org/fhir/SearchParameter/Observation-component-code", Expression: "code"},
		{Definition: "https://hob.example/SearchParameter/component-reading", Expression: "dataAbsentReason.where(text.exists().not())"},
	}
	ready(t, c,
		composite, // before its component: it is taken up after it
		own("token", "component-reading", "Observation", "Observation.component.dataAbsentReason.where(text.exists().not())"),
		own("token", "ethnicity", "Patient", "Patient.extension.where(url = 'urn:ethnicity').extension.value.code"),
		own("date", "asserted", "Condition", "Condition.extension.where(url = 'urn:asserted').valueDateTime"),
		own("string", "kin", "Patient", "Patient.contact.name"),
		own("number", "born-as", "Patient", "(Patient.multipleBirth as integer)"),
		own("quantity", "rate", "MedicationRequest", "MedicationRequest.dispenseRequest.quantity"),
		own("uri", "made-of", "Patient", "Patient.meta.source"),
		own("token", "tongue", "Resource", "Resource.language"),
		own("reference", "of", "Observation", "Observation.subject.where(resolve() is Patient)"),
	)
	for _, x := range []struct{ json, yes, no string }{
		{
			`{'resourceType':'Observation','component':[{'code':{'coding':[{'code':'a'}]},'dataAbsentReason':{'coding':[{'code':'H'}]}},{'code':{'coding':[{'code':'b'}]},'dataAbsentReason':{'coding':[{'code':'L'}]}}]}`,
			"code-and-origin=a$H code-and-origin=b$L component-reading=H", "code-and-origin=a$L",
		},
		{
			`{'resourceType':'Patient','language':'de','multipleBirthInteger':2,'contact':[{'name':{'family':'Moore','given':['Ann Mary']}}],'extension':[{'url':'urn:ethnicity','extension':[{'url':'ombCategory','valueCoding':{'system':'urn:s','code':'2135-2'}}]}]}`,
			"ethnicity=2135-2 kin=moo kin=mary kin:exact=Moore born-as=2 born-as=gt1 tongue=de", "ethnicity=x kin=xx born-as=lt2 tongue=fr ethnicity:missing=true",
		},
		{`{'resourceType':'Condition','extension':[{'url':'urn:asserted','valueDateTime':'2020-05-06'}]}`, "asserted=2020-05 asserted=ge2020", "asserted=2021"},
		{`{'resourceType':'MedicationRequest','dispenseRequest':{'quantity':{'value':5,'unit':'mg'}}}`, "rate=5 rate=5||mg", "rate=6"},
		{`{'resourceType':'Patient','meta':{'source':'urn:m'}}`, "made-of=urn:m", "made-of=urn:n"},
		{`{'resourceType':'Observation','subject':{'reference':'Patient/a'}}`, "of=Patient/a of=a", "of=b"},
		{`{'resourceType':'Observation','subject':{'reference':'Group/a'}}`, "of:missing=true", "of=a"},
	} {
		r := resource(t, x.json)
		rows := rowsOf(t, c, r)
		for q := range strings.FieldsSeq(x.yes) {
			if !matches(t, c, r.Type(), rows, q) {
				t.Errorf("%s does not find %s: %q", q, x.json, show(c, r.Type(), rows))
			}
		}
		for q := range strings.FieldsSeq(x.no) {
			if matches(t, c, r.Type(), rows, q) {
				t.Errorf("%s finds %s", q, x.json)
			}
		}
	}
}
