package suite

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/backends"
)

// stores are the URLs of empty stores for the tests, by scheme. A scheme of storage/backends that is not here fails.
var stores = map[string]string{
	"badger": "badger::memory:",
}

// undone are the scripts of what is recommended or optional that Hob does not do, and why. What is required cannot stand here.
var undone = map[string]string{
	"conditional-delete/several-matches-multiple": "an operator must allow it; TestPolicy does",
	"narrative/empty":                    "R4's own examples have narratives without content",
	"transaction-links/version-specific": "a reference to a version of what is created is stored as it came",
	"validate/invariant":                 "the structure is validated, not the invariants of the definitions",
}

// serve starts a server on an empty store and returns its FHIR base.
func serve(t testing.TB, store string) string {
	t.Helper()
	return serveUnder(t, store, server.Policy{})
}

// serveUnder is serve with what an operator may choose.
func serveUnder(t testing.TB, store string, policy server.Policy) string {
	t.Helper()
	b, err := backends.Open(store, backends.Options{})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(nil)
	base := &url.URL{Scheme: "http", Host: web.Listener.Addr().String(), Path: server.Prefix}
	catalog, err := search.NewCatalog(r4.SearchParameters, search.Options{Zone: time.UTC, Base: base.String(), Text: true})
	if err != nil {
		t.Fatal(err)
	}
	s, err := storage.New(storage.Config{Backend: b, Index: catalog.Rows, Generation: catalog.Generation, Admit: catalog.Admit})
	if err != nil {
		t.Fatal(err)
	}
	indexing, err := server.OpenIndexing(t.Context(), s, catalog, server.IndexingOptions{Rules: catalog.Rules(), Quiet: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	go func() {
		indexing.Run(ctx)
		close(stopped)
	}()
	web.Config.Handler = server.New(server.Config{
		Store: s, Catalog: catalog, Version: "test", Base: base, Policy: policy,
		Caller: server.Everyone, Indexing: indexing,
	})
	web.Start()
	t.Cleanup(func() {
		web.Close()
		stop()
		<-stopped
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return base.String()
}

// TestScripts runs every script on every backend.
func TestScripts(t *testing.T) {
	scripts, err := load(embedded, "testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, scheme := range backends.Schemes() {
		t.Run(scheme, func(t *testing.T) {
			if stores[scheme] == "" {
				t.Fatalf("no store to test %s with; name one in stores", scheme)
			}
			target, err := newTarget(t.Context(), Config{Base: serve(t, stores[scheme])})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("run %s", target.name)
			for i := range scripts {
				t.Run(scripts[i].name, func(t *testing.T) {
					r := target.run(t.Context(), &scripts[i])
					switch why := undone[r.Script]; {
					case why == "" && r.Verdict != Pass:
						t.Errorf("%s, %s: %s\n%s", r.Section, r.Title, r.Verdict, r.Detail)
					case why != "" && r.Level == Shall:
						t.Errorf("%s is required; it cannot be undone because %s", r.Script, why)
					case why != "" && r.Verdict == Pass:
						t.Error("passes; it stands in undone no longer")
					}
				})
			}
		})
	}
}

// TestPolicy: what an operator may choose is claimed, and done as claimed.
func TestPolicy(t *testing.T) {
	for _, x := range []struct {
		policy             server.Policy
		script             string
		passed, notOffered int
	}{
		{server.Policy{ConditionalDelete: server.DeleteMultiple}, "several-matches-multiple", 1, 0},
		{server.Policy{ConditionalDelete: server.DeleteMultiple}, "several-matches-single", 0, 1},
		{server.Policy{ConditionalDelete: server.DeleteNone}, "(one|several)-match.*", 0, 3},
	} {
		results, err := Run(t.Context(), Config{Base: serveUnder(t, "badger::memory:", x.policy), Match: "^conditional-delete/" + x.script + "$"})
		if err != nil {
			t.Fatal(err)
		}
		if s := Summarize(results); s.Passed != x.passed || s.NotOffered != x.notOffered || s.Failed+s.Advised > 0 {
			t.Errorf("%+v, %s: %v", x.policy, x.script, results)
		}
	}
}

// TestNumber: the suite is no smaller than it says.
func TestNumber(t *testing.T) {
	scripts, err := load(embedded, "testdata")
	if err != nil {
		t.Fatal(err)
	}
	steps := 0
	for _, s := range scripts {
		steps += len(s.steps)
	}
	if t.Logf("%d scripts, %d steps", len(scripts), steps); len(scripts) < 690 {
		t.Errorf("there are %d scripts; at least 690 were there once", len(scripts))
	}
}

// TestRunTwice runs the suite on a server that holds what an earlier run left: its histories. Nothing of a run is found afterwards.
func TestRunTwice(t *testing.T) {
	base := serve(t, "badger::memory:")
	for range 2 {
		results, err := Run(t.Context(), Config{Base: base})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			if r.Verdict != Pass && undone[r.Script] == "" {
				t.Errorf("%s: %s\n%s", r.Script, r.Verdict, r.Detail)
			}
		}
		for _, typ := range []string{"Patient", "Observation", "Binary", "Organization"} {
			res, err := http.Get(base + "/" + typ + "?_count=0")
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || !strings.Contains(string(body), `"total":0`) {
				t.Errorf("a run left resources of type %s: %s (%v)", typ, body, err)
			}
		}
	}
}

// TestServer runs the suite on the server that HOB_SUITE_URL names.
func TestServer(t *testing.T) {
	base := os.Getenv("HOB_SUITE_URL")
	if base == "" {
		t.Skip("HOB_SUITE_URL names no FHIR base")
	}
	results, err := Run(t.Context(), Config{Base: base})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := Table(&b, results); err != nil {
		t.Fatal(err)
	}
	t.Log(b.String())
	if Summarize(results).Failed > 0 {
		t.Error("the server failed")
	}
}
