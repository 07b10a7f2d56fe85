package subscribe_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hob-fhir/hob/auth"
	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/server/subscribe"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/backends"
	"github.com/hob-fhir/hob/storage/driver"
)

// instance is a Hob in this process: what is stored outlives its outbox, which can be stopped and started.
type instance struct {
	testing.TB
	*httptest.Server
	catalog *search.Catalog
	backend driver.Backend
	store   *storage.Store
	config  subscribe.Config
	caller  func(*http.Request) (server.Caller, error)
	outbox  *subscribe.Outbox
	log     *buffer
	refuse  string      // an id that is not admitted
	admit   atomic.Bool // it is after all
	end     func()
}

// buffer is a log that many goroutines may write.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// open makes an instance on an empty store; change may be nil.
func open(t testing.TB, change func(*instance)) *instance {
	t.Helper()
	b, err := backends.Open("badger::memory:", backends.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	i := &instance{TB: t, backend: b, log: &buffer{}, caller: server.Everyone}
	if i.catalog, err = search.NewCatalog(r4.SearchParameters, search.Options{}); err != nil {
		t.Fatal(err)
	}
	i.config = subscribe.Config{
		Catalog: i.catalog, Allow: subscribe.Loopback(), Pause: 5 * time.Millisecond, MaxPause: 20 * time.Millisecond, Timeout: 2 * time.Second,
		Access: func(context.Context, *auth.Grant) (storage.Access, error) { return storage.System, nil },
		Log:    slog.New(slog.NewTextHandler(i.log, nil)),
	}
	if change != nil {
		change(i)
	}
	i.start()
	t.Cleanup(i.stop)
	return i
}

// start begins to serve and to deliver, as a process does that opens the store.
func (i *instance) start() {
	i.Helper()
	var err error
	if i.store, err = storage.New(storage.Config{Backend: i.backend, Index: i.catalog.Rows, Admit: func(id string, _ *fhirmap.Resource) error {
		if id == i.refuse && id != "" && !i.admit.Load() {
			return fhirmap.Errorf(fhirmap.CodeBusinessRule, "", "%s: not here", id)
		}
		return nil
	}}); err != nil {
		i.Fatal(err)
	}
	i.config.Store = i.store
	if i.outbox, err = subscribe.New(i.config); err != nil {
		i.Fatal(err)
	}
	h := server.New(server.Config{
		Store: i.store, Catalog: i.catalog, Caller: i.caller, Witness: i.outbox.Witness, Operations: i.outbox.Operations(), Log: slog.New(slog.NewTextHandler(i.log, nil)),
	})
	i.Server = httptest.NewServer(h)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		i.outbox.Run(ctx)
	}()
	i.end = func() {
		cancel()
		<-ended
		i.Close()
	}
}

func (i *instance) stop() {
	if i.end != nil {
		i.end()
		i.end = nil
	}
}

func (i *instance) base() string { return i.URL + "/fhir" }

// do sends a request and wants a status.
func (i *instance) do(want int, method, path, body string, header ...string) map[string]any {
	i.Helper()
	req, err := http.NewRequest(method, i.base()+path, strings.NewReader(body))
	if err != nil {
		i.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/fhir+json")
	}
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		i.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		i.Fatal(err)
	}
	if res.StatusCode != want {
		i.Fatalf("%s %s: %d, want %d: %s", method, path, res.StatusCode, want, text)
	}
	var out map[string]any
	json.Unmarshal(text, &out)
	return out
}

func (i *instance) put(typ, id, rest string) {
	i.Helper()
	body := fmt.Sprintf(`{"resourceType":%q,"id":%q%s}`, typ, id, rest)
	req, _ := http.NewRequest("PUT", i.base()+"/"+typ+"/"+id, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/fhir+json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		i.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		text, _ := io.ReadAll(res.Body)
		i.Fatalf("PUT %s/%s: %d: %s", typ, id, res.StatusCode, text)
	}
}

// report puts a DiagnosticReport of a patient.
func (i *instance) report(id, patient string) {
	i.Helper()
	i.put("DiagnosticReport", id, `,"status":"final","code":{"text":"Full check"},"subject":{"reference":"Patient/`+patient+`"}`)
}

// receiver notes what it is sent. Its answers follow a script; when that is used up, all is well.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	script []int
	always int // answers after the script; 0: 200
	got    []received
	tries  int
}

type received struct {
	method, path, auth, kind, body string
}

func newReceiver(t testing.TB, script ...int) *receiver {
	r := &receiver{script: script}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Server.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, _ := io.ReadAll(q.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tries++
	status := max(r.always, http.StatusOK)
	if len(r.script) > 0 {
		status, r.script = r.script[0], r.script[1:]
	}
	if status/100 == 2 {
		r.got = append(r.got, received{q.Method, q.URL.Path, q.Header.Get("Authorization"), q.Header.Get("Content-Type"), string(body)})
	} else if status/100 == 3 {
		w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
	}
	w.WriteHeader(status)
}

func (r *receiver) taken() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

func (r *receiver) tried() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tries
}

func (r *receiver) answers(always int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.always = always
}

// paths are what was taken, as METHOD path.
func (r *receiver) paths() (out []string) {
	for _, g := range r.taken() {
		out = append(out, g.method+" "+g.path)
	}
	return out
}

// eventually waits until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came to be that %s", what)
		}
	}
}

// hook makes a Subscription and waits for its status.
func (i *instance) hook(id, criteria, endpoint, payload, status string) map[string]any {
	i.Helper()
	rest := `,"status":"requested","reason":"test","criteria":"` + criteria + `","channel":{"type":"rest-hook","endpoint":"` + endpoint + `","header":["Authorization: Bearer secret-of-hook"]`
	if payload != "" {
		rest += `,"payload":"` + payload + `"`
	}
	i.put("Subscription", id, rest+`}`)
	return i.status(id, status)
}

// status waits until a Subscription has a status.
func (i *instance) status(id, status string) (last map[string]any) {
	i.Helper()
	eventually(i, "Subscription/"+id+" is "+status, func() bool {
		last = i.do(200, "GET", "/Subscription/"+id, "")
		return last["status"] == status
	})
	return last
}

const fhirJSON = "application/fhir+json"

func TestHook(t *testing.T) {
	i := open(t, nil)
	full, bare, other := newReceiver(t), newReceiver(t), newReceiver(t)
	i.hook("full", "DiagnosticReport?status=final", full.URL+"/hook", fhirJSON, "active")
	i.hook("bare", "DiagnosticReport?", bare.URL+"/hook", "", "active")
	i.hook("other", "DiagnosticReport?subject=Patient/bob", other.URL, fhirJSON, "active")
	i.report("r1", "ann")
	eventually(t, "r1 is told", func() bool { return len(full.taken()) == 1 && len(bare.taken()) == 1 })
	got := full.taken()[0]
	if got.method != "PUT" || got.path != "/hook/DiagnosticReport/r1" || got.auth != "Bearer secret-of-hook" || got.kind != fhirJSON || !strings.Contains(got.body, `"versionId":"1"`) {
		t.Errorf("told with a payload: %+v", got)
	}
	if got := bare.taken()[0]; got.method != "POST" || got.path != "/hook" || got.body != "" {
		t.Errorf("told without a payload: %+v", got)
	}
	i.report("r2", "bob")
	eventually(t, "r2 is told of", func() bool { return slices.Equal(other.paths(), []string{"PUT /DiagnosticReport/r2"}) })
	i.put("DiagnosticReport", "r3", `,"status":"preliminary","code":{"text":"x"}`)
	i.do(204, "DELETE", "/DiagnosticReport/r1", "")
	i.put("DiagnosticReport", "r3", `,"status":"final","code":{"text":"x"}`)
	eventually(t, "r3 is final", func() bool {
		return slices.Equal(full.paths(), []string{"PUT /hook/DiagnosticReport/r1", "PUT /hook/DiagnosticReport/r2", "PUT /hook/DiagnosticReport/r3"})
	})

	// An update restarts it; off and a deletion end it.
	i.hook("full", "DiagnosticReport?status=amended", full.URL+"/second", fhirJSON, "active")
	i.put("DiagnosticReport", "r4", `,"status":"amended","code":{"text":"x"}`)
	eventually(t, "the second is told", func() bool { return slices.Contains(full.paths(), "PUT /second/DiagnosticReport/r4") })
	i.put("Subscription", "full", `,"status":"off","reason":"x","criteria":"DiagnosticReport?","channel":{"type":"rest-hook","endpoint":"`+full.URL+`"}`)
	i.do(204, "DELETE", "/Subscription/bare", "")
	time.Sleep(50 * time.Millisecond)
	n := len(bare.taken())
	i.put("DiagnosticReport", "r5", `,"status":"amended","code":{"text":"x"},"subject":{"reference":"Patient/bob"}`)
	eventually(t, "the other is told", func() bool { return slices.Contains(other.paths(), "PUT /DiagnosticReport/r5") })
	if len(full.taken()) != 4 || len(bare.taken()) != n {
		t.Errorf("after their ends: %q, and %d without payload, want %d", full.paths(), len(bare.taken()), n)
	}
	if strings.Contains(i.log.String(), "secret-of-hook") {
		t.Error("the log tells a password")
	}
}

// TestHookRefused: what cannot be is in error, and says why.
func TestHookRefused(t *testing.T) {
	i := open(t, nil)
	for n, c := range []struct{ criteria, endpoint, payload, say string }{
		{"DiagnosticReport?", "http://169.254.169.254/latest", "", "169.254.169.254 is no destination"},
		{"DiagnosticReport?", "http://10.0.0.8/hook", "", "10.0.0.8 is no destination"},
		{"DiagnosticReport?", "https://ehr.example/hook", "", "ehr.example is no destination"},
		{"DiagnosticReport?", "http://user:pw@127.0.0.1/hook", "", "password"},
		{"DiagnosticReport?", "ftp://127.0.0.1/hook", "", "https://"},
		{"DiagnosticReport?", "http://127.0.0.1/hook", "application/fhir+xml", "channel.payload"},
		{"DiagnosticReport?nosuch=1", "http://127.0.0.1/hook", "", "nosuch"},
		{"DiagnosticReport?_count=1", "http://127.0.0.1/hook", "", "criteria"},
		{"Nothing?x=1", "http://127.0.0.1/hook", "", "resource type"},
	} {
		got := i.hook(fmt.Sprint("s", n), c.criteria, c.endpoint, c.payload, "error")
		if say := fmt.Sprint(got["error"]); !strings.Contains(say, c.say) || strings.Contains(say, "pw@") {
			t.Errorf("%s to %s: %s, want %q", c.criteria, c.endpoint, say, c.say)
		}
	}
	i.put("Subscription", "ws", `,"status":"requested","reason":"x","criteria":"Patient?","channel":{"type":"websocket"}`)
	if got := i.status("ws", "error"); !strings.Contains(fmt.Sprint(got["error"]), "rest-hook") {
		t.Errorf("websocket: %v", got["error"])
	}
	i.put("Subscription", "past", `,"status":"requested","reason":"x","end":"2020-01-01T00:00:00Z","criteria":"Patient?","channel":{"type":"rest-hook","endpoint":"http://127.0.0.1/"}`)
	i.status("past", "off")
}

// TestHookErrors: a receiver that fails for too long puts its Subscription into error; asked for again, it goes on where it was. One that
// redirects is not followed. Others are not kept waiting.
func TestHookErrors(t *testing.T) {
	i := open(t, func(i *instance) { i.config.Patience = 100 * time.Millisecond })
	down, well := newReceiver(t), newReceiver(t)
	down.answers(302)
	i.hook("down", "DiagnosticReport?", down.URL, fhirJSON, "active")
	i.hook("well", "DiagnosticReport?", well.URL, fhirJSON, "active")
	i.report("r1", "ann")
	got := i.status("down", "error")
	if say := fmt.Sprint(got["error"]); !strings.Contains(say, "302") || !strings.Contains(say, "redirects are not followed") {
		t.Errorf("the error is %q", say)
	}
	i.report("r2", "ann")
	eventually(t, "the other has both", func() bool { return len(well.taken()) == 2 })
	down.answers(200)
	i.hook("down", "DiagnosticReport?", down.URL, fhirJSON, "active")
	eventually(t, "it has both too", func() bool { return len(down.taken()) == 2 })
	if last := i.do(200, "GET", "/Subscription/down", ""); last["error"] != nil {
		t.Errorf("active with the error %v", last["error"])
	}
}

// TestHookGrant: a Subscription sees what its maker may see at each delivery, and ends with his right.
func TestHookGrant(t *testing.T) {
	var mu sync.Mutex
	revoked := false
	catalog, err := search.NewCatalog(r4.SearchParameters, search.Options{})
	if err != nil {
		t.Fatal(err)
	}
	policy, err := auth.NewPolicy(catalog, auth.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	g := auth.Grant{Issuer: "i", Subject: "s", Scopes: auth.ParseScopes("system/Subscription.cruds system/DiagnosticReport.cruds?status=final")}
	i := open(t, func(i *instance) {
		i.caller = func(r *http.Request) (server.Caller, error) {
			if r.Header.Get("Authorization") == "" {
				return server.Everyone(r)
			}
			a, err := policy.Access(g)
			return server.Caller{Access: a, Subject: g.Caller(), Grant: g}, err
		}
		i.config.Access = func(_ context.Context, kept *auth.Grant) (storage.Access, error) {
			mu.Lock()
			defer mu.Unlock()
			if kept == nil {
				return nil, &auth.Refusal{Outcome: fhirmap.Errorf(fhirmap.CodeLogin, "", "nobody is known to have asked for it")}
			}
			if revoked {
				return nil, &auth.Refusal{Outcome: fhirmap.Errorf(fhirmap.CodeLogin, "", "it was revoked")}
			}
			return policy.Access(*kept)
		}
	})
	r := newReceiver(t)
	body := `{"resourceType":"Subscription","id":"mine","status":"requested","reason":"x","criteria":"%s?","channel":{"type":"rest-hook","endpoint":"` + r.URL + `","payload":"application/json"}}`
	i.do(201, "PUT", "/Subscription/mine", fmt.Sprintf(body, "DiagnosticReport"), "Authorization: x")
	i.status("mine", "active")
	i.put("DiagnosticReport", "hidden", `,"status":"preliminary","code":{"text":"x"}`)
	i.put("DiagnosticReport", "shown", `,"status":"final","code":{"text":"x"}`)
	eventually(t, "one is told", func() bool { return len(r.taken()) > 0 })
	if got := r.paths(); !slices.Equal(got, []string{"PUT /DiagnosticReport/shown"}) {
		t.Errorf("told of %q", got)
	}
	mu.Lock()
	revoked = true
	mu.Unlock()
	i.put("DiagnosticReport", "later", `,"status":"final","code":{"text":"x"}`)
	if got := i.status("mine", "error"); !strings.Contains(fmt.Sprint(got["error"]), "revoked") {
		t.Errorf("the error is %v", got["error"])
	}
	if len(r.taken()) != 1 {
		t.Errorf("told of %q after the right was gone", r.paths())
	}
	mu.Lock()
	revoked = false
	mu.Unlock()
	i.do(200, "PUT", "/Subscription/mine", fmt.Sprintf(body, "Patient"), "Authorization: x")
	i.status("mine", "error") // he may not search Patients
	i.do(201, "PUT", "/Subscription/yours", strings.Replace(fmt.Sprintf(body, "Patient"), "mine", "yours", 1))
	i.status("yours", "error") // nobody is known to have made it
}

// TestReach asks about hosts and addresses: by name, as an address, and as what a name resolves to.
func TestReach(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	i := open(t, func(i *instance) {
		// The name is listed and resolves to an address that is not.
		i.config.Allow = subscribe.AllowList{Names: []string{"localhost"}}
		i.config.Patience = 50 * time.Millisecond
	})
	i.hook("rebound", "DiagnosticReport?", "http://localhost:"+port+"/", fhirJSON, "active")
	i.report("r", "ann")
	if got := i.status("rebound", "error"); !strings.Contains(fmt.Sprint(got["error"]), "is not public") {
		t.Errorf("the error is %v", got["error"])
	}
	for _, bad := range []string{"http://x", "a b", "x*", "10.0.0.0/99", ""} {
		if _, err := subscribe.ParseAllow([]string{bad}); err == nil {
			t.Errorf("%q is taken for a destination", bad)
		}
	}
}
