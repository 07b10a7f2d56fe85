package connect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/connect/noteworthtest"
	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/backends"
	"github.com/hob-fhir/hob/storage/driver"
)

// world is a store, an importer of sources into it, and the partner API that the source noteworth reads.
type world struct {
	t       *testing.T
	store   *storage.Store
	partner *noteworthtest.Partner
	url     string
	im      *Importer
	waits   []time.Duration // that were asked for
	log     syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func seed(t *testing.T) *rand.Rand {
	n := uint64(time.Now().UnixNano())
	if s := os.Getenv("HOB_SEED"); s != "" {
		var err error
		if n, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("HOB_SEED=%d", n)
	return rand.New(rand.NewPCG(n, 1))
}

// newWorld has the source noteworth, with more of its keys, and other sources.
func newWorld(t *testing.T, more string, others ...string) *world {
	t.Helper()
	w := &world{t: t, partner: &noteworthtest.Partner{List: noteworthtest.Clinicians()[:10], Rand: seed(t)}}
	s := httptest.NewServer(w.partner)
	t.Cleanup(s.Close)
	w.url = s.URL
	catalog, err := search.NewCatalog(r4.SearchParameters, search.Options{})
	if err != nil {
		t.Fatal(err)
	}
	backend, err := backends.Open("badger::memory:", backends.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if w.store, err = storage.New(storage.Config{Backend: backend, Index: catalog.Rows}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.store.Close() })
	w.im = &Importer{
		Store: w.store, Catalog: catalog, Sources: w.sources("- {name: noteworth, kind: noteworth, url: '"+s.URL+"'"+more+"}", others...),
		Log: slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Wait: func(ctx context.Context, d time.Duration) error {
			w.waits = append(w.waits, d)
			return ctx.Err()
		},
	}
	return w
}

func (w *world) sources(first string, others ...string) Sources {
	w.t.Helper()
	s, err := Read([]byte("sources:\n"+strings.Join(append([]string{first}, others...), "\n")), w.t.TempDir())
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) run(name string) (*Report, error) {
	return w.im.Import(context.Background(), storage.System, name, Run{})
}

// good runs a source that must go well.
func (w *world) good(name string) *Report {
	w.t.Helper()
	r, err := w.run(name)
	if err != nil {
		w.t.Fatalf("%s: %v; %+v", name, err, r)
	}
	return r
}

// bad runs the partner's source, which must fail, say something, and leave the store as it is.
func (w *world) bad(says string) *Report {
	w.t.Helper()
	before := w.position()
	r, err := w.run("noteworth")
	if err == nil || !strings.Contains(err.Error(), says) || r.Error != err.Error() {
		w.t.Fatalf("got %v, want an error with %q; %+v", err, says, r)
	}
	if now := w.position(); now != before {
		w.t.Error("a run that failed changed the store")
	}
	return r
}

// position is the end of the log.
func (w *world) position() (end driver.Position) {
	w.view(func(tx *storage.Tx) {
		for rec, err := range tx.Log(driver.Log{Reverse: true, Limit: 1}) {
			if err != nil {
				w.t.Fatal(err)
			}
			end = rec.Position
		}
	})
	return end
}

func (w *world) view(fn func(*storage.Tx)) {
	w.t.Helper()
	if err := w.store.View(context.Background(), storage.System, func(tx *storage.Tx) error { fn(tx); return nil }); err != nil {
		w.t.Fatal(err)
	}
}

// all are the current resources of a type.
func (w *world) all(typ string) (out []driver.Hit) {
	w.t.Helper()
	w.view(func(tx *storage.Tx) {
		for hit, err := range tx.Find(driver.Find{Type: typ}) {
			if err != nil {
				w.t.Fatal(err)
			}
			out = append(out, hit)
		}
	})
	return out
}

func (w *world) put(id, body string) {
	w.t.Helper()
	r, err := fhirmap.Parse([]byte(body), fhirmap.Limits{})
	if err != nil {
		w.t.Fatal(err)
	}
	d, err := w.store.Prepare(id, r)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.store.Update(context.Background(), storage.System, func(tx *storage.Tx) error {
		head, err := tx.Head(d.Key)
		if err != nil && !errors.Is(err, driver.ErrNotFound) {
			return err
		}
		_, err = tx.Put(d, head.Version)
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
}

// statuses are those of the attempts at an endpoint.
func statuses(r *Report, endpoint string) (out []string) {
	for _, a := range r.Attempts {
		if a.Endpoint == endpoint {
			out = append(out, a.Outcome)
		}
	}
	return out
}

const (
	auth      = "GET /auth"
	providers = "GET /providers"
)

func TestC1Checksum(t *testing.T) {
	if got, want := Checksum("12345", "/providers"), "bf6fa075e6d928d530fd4516e1671526ff1fe7f953209f0941553927bf16e9f8"; got != want {
		t.Errorf("the checksum of 12345/providers is %s, want %s", got, want)
	}
	w := newWorld(t, "")
	if r := w.good("noteworth"); r.Created != 10 {
		t.Errorf("%+v", r)
	}
}

func TestC2Scripted(t *testing.T) {
	type script = []noteworthtest.Outcome
	says := map[noteworthtest.Outcome]string{
		noteworthtest.Status500: "status 500", noteworthtest.Status408: "status 408", noteworthtest.Busy: "status 429",
		noteworthtest.Reset: "closed without an answer", noteworthtest.HalfBody: "broken JSON", noteworthtest.BrokenOff: "broke off",
		noteworthtest.MissingHeader: "Super-Secure-Token is missing", noteworthtest.Elsewhere: "elsewhere.invalid", noteworthtest.Text200: "a text, not JSON",
	}
	atAuth := []noteworthtest.Outcome{noteworthtest.Status500, noteworthtest.Status408, noteworthtest.Busy, noteworthtest.Reset, noteworthtest.MissingHeader, noteworthtest.Elsewhere}
	atProviders := []noteworthtest.Outcome{noteworthtest.Status500, noteworthtest.Status408, noteworthtest.Busy, noteworthtest.Reset, noteworthtest.HalfBody, noteworthtest.BrokenOff, noteworthtest.Text200, noteworthtest.Elsewhere}
	for endpoint, faults := range map[string][]noteworthtest.Outcome{"/auth": atAuth, "/providers": atProviders} {
		for _, fault := range faults {
			t.Run(endpoint[1:]+" "+string(fault), func(t *testing.T) {
				w := newWorld(t, "")
				play := func(s script) {
					if endpoint == "/auth" {
						w.partner.Script(s, nil)
					} else {
						w.partner.Script(nil, s)
					}
				}
				play(script{fault, fault, fault})
				r := w.bad(endpoint + " failed 3 times")
				if n := w.partner.Calls(endpoint); n != 3 {
					t.Errorf("%d calls, want 3", n)
				}
				got := statuses(r, "GET "+endpoint)
				if len(got) != 3 || slices.ContainsFunc(got, func(s string) bool { return !strings.Contains(s, says[fault]) }) {
					t.Errorf("the report tells of %q, want %q three times", got, says[fault])
				}
				if endpoint == "/auth" && w.partner.Calls("/providers") != 0 {
					t.Error("it went on without a token")
				}
				play(script{fault, fault, noteworthtest.OK})
				if endpoint == "/auth" {
					play(script{fault, fault, noteworthtest.OK})
				}
				r = w.good("noteworth")
				if n := w.partner.Calls(endpoint); n != 3 || r.Created != 10 {
					t.Errorf("%d calls, want 3; %+v", n, r)
				}
			})
		}
	}
	t.Run("other budgets", func(t *testing.T) {
		for retries, want := range []int{1, 2} {
			w := newWorld(t, fmt.Sprintf(", max-api-retry: %d", retries))
			w.partner.Script(script{noteworthtest.Status500, noteworthtest.Status500}, nil)
			w.bad(fmt.Sprintf("failed %d times", want))
			if n := w.partner.Calls("/auth"); n != want {
				t.Errorf("%d calls, want %d", n, want)
			}
		}
	})
}

func TestC3Patience(t *testing.T) {
	type script = []noteworthtest.Outcome
	w := newWorld(t, ", timeout: 50ms")
	hung := script{noteworthtest.Hang, noteworthtest.Hang, noteworthtest.Hang} // of 30 s each
	w.partner.Script(hung, nil)
	begun := time.Now()
	r := w.bad("no whole answer within 50ms")
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("it waited %s", took)
	}
	if got := statuses(r, auth); len(got) != 3 {
		t.Errorf("%q", got)
	}
	w.partner.Script(nil, hung[:2])
	if r := w.good("noteworth"); len(statuses(r, providers)) != 3 {
		t.Errorf("%+v", r.Attempts)
	}

	w = newWorld(t, "")
	w.partner.Script(script{noteworthtest.MissingHeader}, script{noteworthtest.HalfBody, noteworthtest.Text200})
	r = w.good("noteworth")
	if a, p := statuses(r, auth), statuses(r, providers); len(a) != 2 || len(p) != 3 || a[1] != "ok" || p[2] != "ok" {
		t.Errorf("attempts %q, %q", a, p)
	}

	// What is whole JSON but has not every field is a failed attempt too.
	for _, list := range [][]noteworthtest.Provider{{{Given: "A", Family: "B", Clinic: "C"}}, {{Given: "A", Title: "Dr.", Clinic: "C"}}} {
		w = newWorld(t, "")
		w.partner.List = list
		w.bad("providers[0]: ")
	}
}

func TestBackoff(t *testing.T) {
	w := newWorld(t, ", max-wait: 5s, backoff: 1s, max-api-retry: 4")
	w.im.Random = func() float64 { return 0.5 }
	five := slices.Repeat([]noteworthtest.Outcome{noteworthtest.Status500}, 5)
	w.partner.Script(five, nil)
	w.bad("failed 5 times")
	want := []time.Duration{750 * time.Millisecond, 1500 * time.Millisecond, 3 * time.Second, 3750 * time.Millisecond}
	if !slices.Equal(w.waits, want) {
		t.Errorf("it waited %v, want %v", w.waits, want)
	}
	w.waits = nil
	w.partner.Script([]noteworthtest.Outcome{noteworthtest.Busy}, nil) // Retry-After: 7
	if w.good("noteworth"); !slices.Equal(w.waits, []time.Duration{5 * time.Second}) {
		t.Errorf("asked to wait 7 s with max-wait 5s it waited %v", w.waits)
	}
}

func TestC4StaleToken(t *testing.T) {
	type script = []noteworthtest.Outcome
	w := newWorld(t, "")
	var mu sync.Mutex
	told := ""
	run := func() *Report {
		r, err := w.im.Import(context.Background(), storage.System, "noteworth", Run{Tell: func(a Attempt) {
			mu.Lock()
			defer mu.Unlock()
			told += a.Outcome + a.Endpoint
		}})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	reports, _ := json.Marshal(run())
	w.partner.Script(nil, nil)
	if r := run(); len(r.Attempts) != 1 || w.partner.Calls("/auth") != 0 {
		t.Errorf("a token that is good was not used again: %+v", r.Attempts)
	}
	w.partner.Script(nil, script{noteworthtest.StaleToken})
	r := run()
	if w.partner.Calls("/auth") != 1 || w.partner.Calls("/providers") != 2 || r.Attempts[0].Status != 403 {
		t.Errorf("after a stale token: %+v", r.Attempts)
	}
	more, _ := json.Marshal(r)
	reports = append(reports, more...)

	// Refused again and again: one new token, three attempts.
	w.partner.Script(nil, script{noteworthtest.StaleToken, noteworthtest.StaleToken, noteworthtest.StaleToken})
	w.bad("/providers failed 3 times, the last time: status 403")
	if w.partner.Calls("/auth") != 1 || w.partner.Calls("/providers") != 3 {
		t.Errorf("%d logins and %d calls, want 1 and 3", w.partner.Calls("/auth"), w.partner.Calls("/providers"))
	}

	// A partner that was started anew says so by 200 and words.
	w.good("noteworth")
	w.partner.Restart()
	w.partner.Script(nil, nil)
	if w.good("noteworth"); w.partner.Calls("/auth") != 1 || w.partner.Calls("/providers") != 2 {
		t.Errorf("after a restart: %d logins and %d calls, want 1 and 2", w.partner.Calls("/auth"), w.partner.Calls("/providers"))
	}

	last, err := w.im.Last(context.Background(), "noteworth")
	if err != nil || last == nil {
		t.Fatal(err)
	}
	kept, _ := json.Marshal(last)
	tokens := w.partner.Tokens()
	if len(tokens) < 4 {
		t.Fatalf("only %d tokens were given", len(tokens))
	}
	for _, token := range tokens {
		for what, text := range map[string]string{"log": w.log.String(), "report": string(reports), "last report": string(kept), "progress": told} {
			if strings.Contains(text, token) || strings.Contains(text, Checksum(token, "/providers")) {
				t.Errorf("the %s tells the token: %s", what, text)
			}
		}
		w.view(func(tx *storage.Tx) {
			for rec, err := range tx.Log(driver.Log{}) {
				if err != nil || bytes.Contains(rec.Body, []byte(token)) {
					t.Errorf("the log of the store tells the token: %s (%v)", rec.Body, err)
				}
			}
		})
	}
}

func TestC5Converges(t *testing.T) {
	w := newWorld(t, "")
	if r := w.good("noteworth"); r.Created != 10 {
		t.Fatalf("%+v", r)
	}
	at := w.position()
	if r := w.good("noteworth"); r.Unchanged != 10 || r.Created+r.Updated > 0 || w.position() != at {
		t.Errorf("the same list again: %+v", r)
	}
	before := w.all("Practitioner")
	w.partner.List[3].Title = "Dr." // who was a NP
	w.partner.List[4].Given = " eVE "
	r := w.good("noteworth")
	if r.Updated != 2 || r.Unchanged != 8 || r.Created != 0 {
		t.Errorf("a new title and another spelling: %+v", r)
	}
	after := w.all("Practitioner")
	if len(after) != 10 || !slices.EqualFunc(before, after, func(a, b driver.Hit) bool { return a.Key == b.Key }) {
		t.Error("they are not the same people any more")
	}
	var promoted *Change
	for i := range r.People {
		if strings.Contains(r.People[i].Name, "Dan Okafor") {
			promoted = &r.People[i]
		}
	}
	if promoted == nil || promoted.Action != Updated || len(promoted.Fields) != 3 {
		t.Errorf("the report of the promotion is %+v", promoted)
	}

	w.partner.List, w.partner.Pick = noteworthtest.Clinicians(), 10
	for n := 0; len(w.all("Practitioner")) < 20; n++ {
		if n == 500 {
			t.Fatalf("after %d runs there are %d", n, len(w.all("Practitioner")))
		}
		w.good("noteworth")
	}
	for range 5 {
		w.good("noteworth")
	}
	if p, o, roles := len(w.all("Practitioner")), len(w.all("Organization")), len(w.all("PractitionerRole")); p != 20 || o != 1 || roles != 20 {
		t.Errorf("%d Practitioners, %d Organizations and %d PractitionerRoles; want 20, 1 and 20", p, o, roles)
	}
}

func TestC6Provenance(t *testing.T) {
	w := newWorld(t, "")
	r := w.good("noteworth")
	all := w.all("Provenance")
	if len(all) != 1 {
		t.Fatalf("there are %d Provenances, want 1", len(all))
	}
	text := string(all[0].Body)
	for _, p := range append(append(w.all("Practitioner"), w.all("PractitionerRole")...), w.all("Organization")...) {
		if !strings.Contains(text, fmt.Sprintf(`"reference":"%s/_history/%d"`, p.Key, p.Version)) {
			t.Errorf("the Provenance does not target %s: %s", p.Key, text)
		}
		if !bytes.Contains(p.Body, []byte(`"source":"`+w.url+`/providers"`)) {
			t.Errorf("meta.source is missing in %s", p.Body)
		}
	}
	body, err := json.Marshal(map[string]any{"providers": w.partner.List})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{w.url + "/providers", digested("", body).Digest, `"display":"noteworth"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the Provenance lacks %s: %s", want, text)
		}
	}
	// It is found by what it is about.
	s, err := w.im.Catalog.Parse("Provenance", []search.Pair{{Name: "target", Value: r.People[0].Reference}}, search.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.view(func(tx *storage.Tx) {
		if n, err := tx.Count(driver.Find{Type: "Provenance", Where: s.Where}); err != nil || n != 1 {
			t.Errorf("Provenance?target=%s finds %d (%v)", r.People[0].Reference, n, err)
		}
	})

	if _, err := w.run("notworth"); !IsUnknown(err) || !strings.Contains(err.Error(), `"notworth"; known are noteworth`) {
		t.Errorf("an unknown source: %v", err)
	}
}

// TestOthers has others work at the same resources.
func TestOthers(t *testing.T) {
	w := newWorld(t, "")
	key := keyOf("Ada", "Okafor", "Harbour Street Clinic")
	// Somebody has entered her before, with a telephone, a tag and a number that no float holds, and inactive.
	w.put("ada", `{"resourceType":"Practitioner","id":"ada","meta":{"tag":[{"code":"x"}]},"active":false,"telecom":[{"system":"phone","value":"1"}],
		"extension":[{"url":"urn:x","valueDecimal":1.10000000000000000001}],
		"identifier":[{"system":"urn:other","value":"1"},{"system":"urn:x-hob:source:noteworth","value":"`+key+`"}],"name":[{"family":"Okafor"}]}`)
	r := w.good("noteworth")
	if r.Created != 9 || r.Updated != 1 {
		t.Errorf("%+v", r)
	}
	w.view(func(tx *storage.Tx) {
		rec, err := tx.Get(driver.Key{Type: "Practitioner", ID: "ada"})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`"active":false`, `"telecom"`, `1.10000000000000000001`, `"code":"x"`, `"urn:other"`, `"given":["Ada"]`} {
			if !bytes.Contains(rec.Body, []byte(want)) {
				t.Errorf("after the import %s is missing: %s", want, rec.Body)
			}
		}
	})
	// Two have one identifier: nothing is written.
	w.put("twin", `{"resourceType":"Practitioner","id":"twin","identifier":[{"system":"urn:x-hob:source:noteworth","value":"`+key+`"}]}`)
	w.bad("take it from one of them")

	// One was deleted: it comes back under its id.
	w = newWorld(t, "")
	r = w.good("noteworth")
	typ, id, _ := strings.Cut(r.People[0].Reference, "/")
	if err := w.store.Update(context.Background(), storage.System, func(tx *storage.Tx) error {
		_, err := tx.Delete(driver.Key{Type: typ, ID: id}, 1)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if again := w.good("noteworth"); again.Created != 1 || again.People[0].Reference != r.People[0].Reference {
		t.Errorf("%+v", again)
	}

	// Whoever may not write gets nothing in, not even a part.
	w = newWorld(t, "")
	at := w.position()
	_, err := w.im.Import(context.Background(), func(a storage.Action, typ string) (driver.Query, error) {
		if typ == "PractitionerRole" && a == storage.Create {
			return nil, storage.ErrForbidden
		}
		return nil, nil
	}, "noteworth", Run{})
	if !errors.Is(err, storage.ErrForbidden) || w.position() != at {
		t.Errorf("one who may not write roles: %v", err)
	}
}

func TestDryRun(t *testing.T) {
	w := newWorld(t, "")
	r, err := w.im.Import(context.Background(), storage.System, "noteworth", Run{Dry: true})
	if err != nil || r.Created != 10 || len(w.all("Practitioner")) != 0 {
		t.Errorf("%+v (%v)", r, err)
	}
	w.good("noteworth")
	w.partner.List[1].Title = "Prof. Dr."
	at := w.position()
	r, err = w.im.Import(context.Background(), storage.System, "noteworth", Run{Dry: true})
	if err != nil || r.Updated != 1 || r.Unchanged != 9 || w.position() != at {
		t.Errorf("%+v (%v)", r, err)
	}
	c := r.People[slices.IndexFunc(r.People, func(c Change) bool { return c.Action == Updated })]
	if len(c.Fields) != 3 || c.Fields[0].Field != "Practitioner.name" || !strings.Contains(c.Fields[0].After, "Prof. Dr.") || c.Fields[1].After != "" {
		t.Errorf("the difference is %+v", c)
	}
}

func TestCollisions(t *testing.T) {
	w := newWorld(t, "")
	w.partner.List = append(w.partner.List, noteworthtest.Provider{Given: "ADA", Family: "Okafor", Title: "NP", Clinic: "Harbour  Street clinic"})
	if r := w.good("noteworth"); len(r.Collisions) != 1 || r.Created != 10 || !strings.Contains(r.Collisions[0], "NP ADA Okafor") {
		t.Errorf("%+v", r)
	}
}

// TestTwoAtOnce asks for one source from two sides: the second is told so. A second process, which does not know, makes no second of anybody.
func TestTwoAtOnce(t *testing.T) {
	w := newWorld(t, "")
	other := &Importer{Store: w.store, Catalog: w.im.Catalog, Sources: w.im.Sources}
	both := map[string]bool{}
	w.partner.Hook = func(path string, _ noteworthtest.Outcome) {
		if path == "/providers" && !both["done"] {
			both["done"] = true
			if _, err := w.run("noteworth"); !errors.Is(err, ErrRunning) {
				t.Errorf("while it runs another run gives %v", err)
			}
		}
	}
	w.good("noteworth")
	w.partner.Hook = nil
	w.partner.List = noteworthtest.Clinicians()
	var all sync.WaitGroup
	for _, im := range []*Importer{w.im, other} {
		all.Go(func() {
			for range 5 {
				im.Import(context.Background(), storage.System, "noteworth", Run{}) // of which some fail: each new token ends the other's
			}
		})
	}
	all.Wait()
	w.good("noteworth")
	if p, o := len(w.all("Practitioner")), len(w.all("Organization")); p != 20 || o != 1 {
		t.Errorf("%d Practitioners and %d Organizations, want 20 and 1", p, o)
	}
}

func TestCancelled(t *testing.T) {
	w := newWorld(t, "")
	ctx, cancel := context.WithCancel(context.Background())
	w.partner.Script(nil, []noteworthtest.Outcome{noteworthtest.Hang})
	w.partner.Hook = func(path string, o noteworthtest.Outcome) {
		if o == noteworthtest.Hang {
			cancel()
		}
	}
	at := w.position()
	if _, err := w.im.Import(ctx, storage.System, "noteworth", Run{}); !errors.Is(err, context.Canceled) || w.position() != at {
		t.Errorf("a run that was cancelled: %v", err)
	}
	if w.partner.Calls("/providers") != 1 {
		t.Errorf("%d calls after the run was cancelled", w.partner.Calls("/providers"))
	}
}

func TestSchedule(t *testing.T) {
	w := newWorld(t, ", import-every: 1h")
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w.im.Clock = func() time.Time { return now }
	w.im.Random = func() float64 { return 0.75 }
	w.im.Wait = func(ctx context.Context, d time.Duration) error {
		w.waits = append(w.waits, d)
		if now = now.Add(d); len(w.waits) == 4 {
			cancel()
		}
		return ctx.Err()
	}
	w.im.Schedule(ctx)
	// At once, within a minute at most; then each hour, here with half of the jitter of a tenth.
	if want := []time.Duration{45 * time.Second, 63 * time.Minute, 63 * time.Minute, 63 * time.Minute}; !slices.Equal(w.waits, want) {
		t.Errorf("it waited %v, want %v", w.waits, want)
	}
	last, err := w.im.Last(context.Background(), "noteworth")
	if err != nil || last == nil || last.Unchanged != 10 {
		t.Errorf("the last run is %+v (%v)", last, err)
	}
	// After a restart it goes on at the time that was due.
	w.waits = nil
	ctx, stop := context.WithCancel(context.Background())
	w.im.Wait = func(ctx context.Context, d time.Duration) error {
		w.waits = append(w.waits, d)
		stop()
		return ctx.Err()
	}
	now = last.Begun.Add(20 * time.Minute)
	if w.im.Schedule(ctx); !slices.Equal(w.waits, []time.Duration{40 * time.Minute}) {
		t.Errorf("after a restart it waited %v, want 40m", w.waits)
	}
}
