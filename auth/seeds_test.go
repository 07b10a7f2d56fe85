package auth_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// The checks of the seeds on access stand under their names: TestB2, the matrix, is in policy_test.go.

// TestB3: a doctor or a patient who sends a copy of a record that names himself as its doctor is refused, the stored copy is unchanged, and an
// AuditEvent tells of it.
func TestB3(t *testing.T) {
	for role, self := range map[string]string{
		"doctor dan":  `"generalPractitioner":[{"reference":"Practitioner/dan"}]`,
		"doctor ivy":  `"generalPractitioner":[{"reference":"Practitioner/ivy"}]`,
		"patient ann": `"link":[{"other":{"reference":"Patient/ann"},"type":"seealso"}]`, // a patient is nobody's doctor
	} {
		t.Run(role, func(t *testing.T) {
			var a *server.Audit
			w := newWorld(t, func(c *server.Config) {
				a = server.NewAudit(c.Store, server.AuditAll, c.Key, c.Clock, slog.New(slog.DiscardHandler))
				c.Audit = a
			})
			t.Cleanup(func() { a.Close(t.Context()) })
			w.put(clinic()...)
			before := w.ask("", asked{method: "GET", path: "/Patient/bob"}).Body.String()
			copied := strings.Replace(before, `"generalPractitioner":[{"reference":"Practitioner/hal"}]`, self, 1)
			if copied == before {
				t.Fatal("the copy names nobody else")
			}
			for _, header := range [][]string{nil, {`If-Match: W/"1"`}} {
				if out := w.ask(role, asked{"PUT", "/Patient/bob", copied, header}); out.Code != 403 && out.Code != 404 && out.Code != 412 {
					t.Errorf("the copy is answered %d %s", out.Code, out.Body)
				}
			}
			if after := w.ask("", asked{method: "GET", path: "/Patient/bob"}).Body.String(); after != before {
				t.Errorf("the stored record was\n%s\nand is\n%s", before, after)
			}
			if err := a.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			told := 0
			err := w.store.View(t.Context(), storage.System, func(tx *storage.Tx) error {
				for rec, err := range tx.Log(driver.Log{Type: "AuditEvent"}) {
					if err != nil {
						return err
					}
					var e struct {
						Action, Outcome string
						Agent           []struct {
							Who struct{ Identifier struct{ Value string } }
						}
						Entity []struct{ What struct{ Reference string } }
					}
					if err := json.Unmarshal(rec.Body, &e); err != nil {
						return err
					}
					if e.Action == "U" && e.Outcome == "4" && e.Agent[0].Who.Identifier.Value == role && strings.HasPrefix(e.Entity[0].What.Reference, "Patient/bob") {
						told++
					}
				}
				return nil
			})
			if err != nil || told != 2 {
				t.Errorf("%d events tell of the two that were refused: %v", told, err)
			}
		})
	}
}

// TestB4: of two writers of one version the second is refused, and of two patients of one name both are found.
func TestB4(t *testing.T) {
	w := newWorld(t, nil)
	w.put(clinic()...)
	edit := func(name string) int {
		body := `{"resourceType":"Patient","id":"bob","active":true,"name":[{"family":"` + name + `"}],"generalPractitioner":[{"reference":"Practitioner/hal"}]}`
		return w.ask("doctor hal", asked{"PUT", "/Patient/bob", body, []string{`If-Match: W/"1"`}}).Code
	}
	if first, second := edit("First"), edit("Second"); first != 200 || second != 412 {
		t.Errorf("two writers are answered %d and %d, want 200 and 412", first, second)
	}
	if out := w.ask("doctor hal", asked{method: "GET", path: "/Patient/bob"}); !strings.Contains(out.Body.String(), "First") {
		t.Errorf("the record is %s", out.Body)
	}
	for _, id := range []string{"twin1", "twin2"} {
		w.put(`{"resourceType":"Patient","id":"` + id + `","name":[{"family":"Twin","given":["Tom"]}],"birthDate":"1980-01-01","generalPractitioner":[{"reference":"Practitioner/hal"}]}`)
	}
	if out := w.ask("doctor hal", asked{method: "GET", path: "/Patient?family=Twin&given=Tom"}); entries(t, out.Body.Bytes()) != 2 {
		t.Errorf("two patients of one name are found as %s", out.Body)
	}
}
