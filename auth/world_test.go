package auth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hob-fhir/hob/auth"
	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/backends"
)

const base = "http://hob.test/fhir"

var catalog = sync.OnceValue(func() *search.Catalog {
	c, err := search.NewCatalog(r4.SearchParameters, search.Options{Base: base})
	if err != nil {
		panic(err)
	}
	return c
})

// roles are the callers of the tests. Patient/ann is treated by Practitioner/dan, by Practitioner/eve through a CareTeam, by
// Practitioner/fay in an Encounter, and by Practitioner/gil as a PractitionerRole; RelatedPerson/rita relates to her. Patient/bob is
// treated by Practitioner/hal, who never meets ann.
var roles = map[string]auth.Grant{
	"patient ann":       {Scopes: auth.ParseScopes("patient/*.cruds"), Patient: "ann", FHIRUser: "Patient/ann"},
	"user ann":          {Scopes: auth.ParseScopes("user/*.cruds"), FHIRUser: "Patient/ann"},
	"reader ann":        {Scopes: auth.ParseScopes("launch/patient patient/*.read"), Patient: "ann"},
	"laboratory ann":    {Scopes: auth.ParseScopes("patient/Observation.rs?category=laboratory patient/Patient.r"), Patient: "ann"},
	"patient bob":       {Scopes: auth.ParseScopes("patient/*.cruds"), Patient: "bob", FHIRUser: "Patient/bob"},
	"doctor dan":        {Scopes: auth.ParseScopes("user/*.cruds"), FHIRUser: "Practitioner/dan"},
	"team eve":          {Scopes: auth.ParseScopes("user/*.cruds"), FHIRUser: "Practitioner/eve"},
	"encounter fay":     {Scopes: auth.ParseScopes("user/*.cruds"), FHIRUser: "Practitioner/fay"},
	"role gil":          {Scopes: auth.ParseScopes("user/*.cruds"), FHIRUser: "Practitioner/gil"},
	"as the role gil":   {Scopes: auth.ParseScopes("user/*.cruds"), FHIRUser: "PractitionerRole/gilrole"},
	"related rita":      {Scopes: auth.ParseScopes("user/*.rs"), FHIRUser: "RelatedPerson/rita"},
	"doctor hal":        {Scopes: auth.ParseScopes("user/*.cruds"), FHIRUser: "Practitioner/hal"},
	"doctor ivy":        {Scopes: auth.ParseScopes("user/*.cruds"), FHIRUser: "Practitioner/ivy"}, // of nobody
	"nobody":            {Scopes: auth.ParseScopes("user/*.cruds")},
	"in the app of dan": {Scopes: auth.ParseScopes("patient/*.rs"), Patient: "ann", FHIRUser: "Practitioner/dan"},
	"system":            {Scopes: auth.ParseScopes("system/*.cruds")},
	"auditor":           {Scopes: auth.ParseScopes("system/AuditEvent.rs")},
	"admin":             {Scopes: auth.ParseScopes("user/*.cruds"), FHIRUser: "Practitioner/ivy", Roles: []string{"admin"}},
	"curator":           {Scopes: auth.ParseScopes("user/*.cruds"), FHIRUser: "Practitioner/ivy", Roles: []string{"curator"}},
	"openid":            {Scopes: auth.ParseScopes("openid fhirUser"), FHIRUser: "Patient/ann"},
}

// world is a server with data on which nobody has a token: who asks says so by the name of a role.
type world struct {
	testing.TB
	store   *storage.Store
	handler http.Handler
	policy  *auth.Policy
	access  func(role string) (storage.Access, error)
	at      time.Time // its time
}

// clocked is when a world begins.
var clocked = time.Date(2026, 11, 21, 7, 55, 0, 0, time.UTC)

func newWorld(t testing.TB, change func(*server.Config)) *world {
	t.Helper()
	b, err := backends.Open("badger::memory:", backends.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	w := &world{TB: t, at: clocked}
	clock := func() time.Time { return w.at }
	ids := rand.NewChaCha8([32]byte{1}) // the same ids in every world
	w.store, err = storage.New(storage.Config{Backend: b, Index: catalog().Rows, Clock: clock, Rand: ids})
	if err != nil {
		t.Fatal(err)
	}
	w.policy, err = auth.NewPolicy(catalog(), auth.Rules{Everything: []string{"admin"}, Curators: []string{"curator"}})
	if err != nil {
		t.Fatal(err)
	}
	w.access = func(role string) (storage.Access, error) {
		if role == "" {
			return storage.System, nil
		}
		g, ok := roles[role]
		if !ok {
			return nil, &auth.Refusal{Outcome: fhirmap.Errorf(fhirmap.CodeLogin, "", "a token is needed")}
		}
		return w.policy.Access(g)
	}
	c := server.Config{
		Store: w.store, Catalog: catalog(), Clock: clock, Key: bytes.Repeat([]byte{1}, 32),
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Policy: server.Policy{Cascade: true, ConditionalDelete: server.DeleteMultiple},
		Caller: func(r *http.Request) (server.Caller, error) {
			role := r.Header.Get("Role")
			a, err := w.access(role)
			return server.Caller{Access: a, Subject: role, User: roles[role].FHIRUser}, err
		},
	}
	if change != nil {
		change(&c)
	}
	w.handler = server.New(c)
	return w
}

// asked is a request of the tests.
type asked struct {
	method, path, body string
	header             []string // Name: value
}

func (a asked) String() string { return fmt.Sprint(a.method, " ", a.path, " ", a.header, " ", a.body) }

func (w *world) ask(role string, a asked) *httptest.ResponseRecorder {
	w.Helper()
	path := a.path
	if !strings.HasPrefix(path, "http") {
		path = base + path
	}
	path = strings.ReplaceAll(strings.ReplaceAll(path, " ", "%20"), `"`, "%22")
	r := httptest.NewRequestWithContext(context.Background(), a.method, path, strings.NewReader(a.body))
	r.Header.Set("Role", role)
	if a.body != "" {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	for _, h := range a.header {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	out := httptest.NewRecorder()
	w.handler.ServeHTTP(out, r)
	return out
}

// put stores what a test begins with.
func (w *world) put(bodies ...string) {
	w.Helper()
	for _, b := range bodies {
		var r struct{ ResourceType, ID string }
		if err := json.Unmarshal([]byte(b), &r); err != nil {
			w.Fatalf("%s: %v", b, err)
		}
		if out := w.ask("", asked{method: "PUT", path: "/" + r.ResourceType + "/" + r.ID, body: b}); out.Code != 201 {
			w.Fatalf("%s is not taken: %d %s", b, out.Code, out.Body)
		}
	}
}

// clinic is what the matrix is about.
func clinic() []string {
	var out []string
	for _, id := range []string{"dan", "eve", "fay", "gil", "hal", "ivy"} {
		out = append(out, `{"resourceType":"Practitioner","id":"`+id+`","name":[{"family":"`+id+`"}]}`)
	}
	out = append(out,
		`{"resourceType":"PractitionerRole","id":"gilrole","practitioner":{"reference":"Practitioner/gil"}}`,
		`{"resourceType":"Patient","id":"ann","active":true,"name":[{"family":"Ann"}],"generalPractitioner":[{"reference":"Practitioner/dan"},{"reference":"PractitionerRole/gilrole"}]}`,
		`{"resourceType":"Patient","id":"bob","active":true,"name":[{"family":"Bob"}],"generalPractitioner":[{"reference":"Practitioner/hal"}]}`,
		`{"resourceType":"RelatedPerson","id":"rita","active":true,"patient":{"reference":"Patient/ann"}}`,
		`{"resourceType":"CareTeam","id":"team","status":"active","subject":{"reference":"Patient/ann"},"participant":[{"member":{"reference":"Practitioner/eve"}}]}`,
		`{"resourceType":"CareTeam","id":"oldteam","status":"inactive","subject":{"reference":"Patient/ann"},"participant":[{"member":{"reference":"Practitioner/ivy"}}]}`,
	)
	for id, doctor := range map[string]string{"ann": "fay", "bob": "hal"} {
		out = append(out,
			visit("visit-"+id, id, doctor),
			`{"resourceType":"Observation","id":"lab-`+id+`","status":"final","category":[{"coding":[{"code":"laboratory"}]}],"code":{"text":"x"},"subject":{"reference":"Patient/`+id+`"}}`,
			`{"resourceType":"Observation","id":"vital-`+id+`","status":"final","category":[{"coding":[{"code":"vital-signs"}]}],"code":{"text":"x"},"subject":{"reference":"Patient/`+id+`"},"encounter":{"reference":"Encounter/visit-`+id+`"}}`,
			`{"resourceType":"Condition","id":"problem-`+id+`","subject":{"reference":"Patient/`+id+`"},"code":{"text":"x"}}`,
		)
	}
	return out
}

func visit(id, patient, doctor string) string {
	return `{"resourceType":"Encounter","id":"` + id + `","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/` + patient +
		`"},"participant":[{"individual":{"reference":"Practitioner/` + doctor + `"}}]}`
}

// is is the world as one caller sees it, whatever role is named.
func (w *world) is(a storage.Access, subject string) *world {
	as := *w
	as.handler = server.New(server.Config{
		Store: w.store, Catalog: catalog(), Clock: func() time.Time { return clocked }, Key: bytes.Repeat([]byte{1}, 32),
		Log:    slog.New(slog.NewTextHandler(io.Discard, nil)),
		Caller: func(*http.Request) (server.Caller, error) { return server.Caller{Access: a, Subject: subject}, nil },
	})
	return &as
}
