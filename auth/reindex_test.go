package auth_test

import (
	"testing"

	"github.com/hob-fhir/hob/server"
)

// TestReindexIsOfTheHouse asks how an indexing goes on, which tells how much there is in the store.
func TestReindexIsOfTheHouse(t *testing.T) {
	w := newWorld(t, func(c *server.Config) {
		x, err := server.OpenIndexing(t.Context(), c.Store, c.Catalog, server.IndexingOptions{})
		if err != nil {
			t.Fatal(err)
		}
		c.Indexing = x
	})
	for role, want := range map[string]int{"patient ann": 403, "doctor dan": 403, "reader ann": 403, "anonymous": 401, "system": 404, "curator": 404} {
		if out := w.ask(role, asked{method: "GET", path: "/_reindex/none"}); out.Code != want {
			t.Errorf("%s is answered %d, want %d: %s", role, out.Code, want, out.Body)
		}
	}
}
