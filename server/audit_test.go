package server_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// audited is a server that keeps an audit, whose caller is whom the header Caller names.
func audited(t *testing.T, mode server.Auditing) (*fixture, *server.Audit) {
	return auditedBy(t, mode, func(*server.Config) {})
}

func auditedBy(t *testing.T, mode server.Auditing, change func(*server.Config)) (*fixture, *server.Audit) {
	var a *server.Audit
	f := open(t, func(c *server.Config) {
		a = server.NewAudit(c.Store, mode, c.Key, c.Clock, slog.New(slog.DiscardHandler))
		c.Audit = a
		c.Caller = func(r *http.Request) (server.Caller, error) {
			name := r.Header.Get("Caller")
			who := server.Caller{Subject: "https://issuer.example|" + name, User: "Practitioner/" + name, Client: "app", Access: storage.System}
			switch name {
			case "":
				return server.Caller{}, fhirmap.Errorf(fhirmap.CodeLogin, "", "who?")
			case "eve":
				who.Access = func(a storage.Action, typ string) (driver.Query, error) {
					if a == storage.Delete {
						return nil, fmt.Errorf("no: %w", storage.ErrForbidden)
					}
					return driver.Not{Of: driver.IDs{"hidden"}}, nil
				}
			}
			return who, nil
		}
		change(c)
	})
	t.Cleanup(func() { a.Close(background()) })
	return f, a
}

// events reads what was kept, in the order it came, as short texts: interaction action outcome who: what.
func (f *fixture) events() []string {
	f.Helper()
	var out []string
	if err := f.store.View(background(), storage.System, func(tx *storage.Tx) error {
		for rec, err := range tx.Log(driver.Log{Type: "AuditEvent"}) {
			if err != nil {
				return err
			}
			if _, err := fhirmap.Parse(rec.Body, fhirmap.Limits{}); err != nil {
				f.Errorf("an event is no valid resource: %v: %s", err, rec.Body)
			}
			var e struct {
				Subtype             []struct{ Code string }
				Action, OutcomeDesc string
				Agent               []struct{ Who struct{ Reference string } }
				Entity              []struct {
					What      struct{ Reference string }
					Lifecycle struct{ Code string }
					Query     []byte
				}
			}
			if err := json.Unmarshal(rec.Body, &e); err != nil {
				return err
			}
			text := fmt.Sprint(e.Subtype[0].Code, " ", e.Action, " ", e.OutcomeDesc, " ", strings.TrimPrefix(e.Agent[0].Who.Reference, "Practitioner/"), ":")
			for _, en := range e.Entity {
				text += " "
				if en.What.Reference != "" {
					text += en.What.Reference + " " + en.Lifecycle.Code
				}
				text += string(en.Query)
			}
			out = append(out, text)
		}
		return nil
	}); err != nil {
		f.Fatal(err)
	}
	return out
}

func TestAudit(t *testing.T) {
	f, a := audited(t, server.AuditSync)
	dan := "Caller: dan"
	f.do("PUT", "/fhir/Patient/ann", patient("ann", "Ann"), dan).is(201)
	f.do("PUT", "/fhir/Patient/ann", patient("ann", "Anna"), dan).is(200)
	f.do("GET", "/fhir/Patient/ann", "", dan).is(200)
	f.do("GET", "/fhir/Patient/ann/_history/1", "", dan).is(200)
	f.do("GET", "/fhir/Patient/ann/_history?_count=3", "", dan).is(200)
	f.do("GET", "/fhir/Patient?family=Anna&_count=5", "", dan).is(200)
	f.do("GET", "/fhir/Patient?name=Anna&_summary=count", "", dan).is(200)
	f.do("GET", "/fhir/metadata", "", dan).is(200)
	f.do("POST", "/fhir", transaction(put(patient("bob", "Bob")), `{"request":{"method":"GET","url":"Patient/ann"}}`), dan).is(200)
	f.do("POST", "/fhir", `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Patient/bob"}},{"request":{"method":"DELETE","url":"Patient/bob"}}]}`, dan).is(200)
	f.do("DELETE", "/fhir/Patient/ann", "", dan).is(204)
	if err := a.Close(background()); err != nil {
		t.Fatal(err)
	}
	got := f.events()
	for i, e := range got { // the value that was searched for has a digest
		if j := strings.Index(e, "~"); j >= 0 {
			digest, _, _ := strings.Cut(e[j+1:], "&")
			if _, err := base64.RawURLEncoding.DecodeString(digest); err != nil || len(digest) != 12 {
				t.Errorf("the digest is %q", digest)
			}
			got[i] = strings.Replace(e, digest, "digest", 1)
		}
		if strings.Contains(e, "Anna") {
			t.Errorf("an event tells a name: %s", e)
		}
	}
	want := map[string]bool{
		"create C 201 dan: Patient/ann/_history/1 1": true, "update U 200 dan: Patient/ann/_history/2 3": true, "read R 200 dan: Patient/ann/_history/2 6": true,
		"vread R 200 dan: Patient/ann/_history/1 6": true, "history-instance R 200 dan: Patient/ann 6Patient/ann/_history?_count=3": true,
		"search-type E 200 dan: Patient?family=~digest&_count=5": true, "search-type E 200 dan: Patient?name=~digest&_summary=count": true,
		"transaction E 200 dan: Patient/bob/_history/1 1 Patient/ann/_history/2 6": true, "read R 200 dan: Patient/bob/_history/1 6": true,
		"delete D 204 dan: Patient/bob/_history/2 14": true, "delete D 204 dan: Patient/ann/_history/3 14": true,
	}
	// An update that creates is told as what it did.
	want["update U 201 dan: Patient/ann/_history/1 1"] = true
	delete(want, "create C 201 dan: Patient/ann/_history/1 1")
	for _, e := range got {
		if !want[e] {
			t.Errorf("unexpected: %s", e)
		}
		delete(want, e)
	}
	for e := range want {
		t.Errorf("lacking: %s", e)
	}
}

func TestAuditRefused(t *testing.T) {
	f, a := audited(t, server.AuditWrites)
	f.do("GET", "/fhir/Patient/ann", "").is(401)
	f.do("PUT", "/fhir/Patient/ann", patient("ann", "Ann"), "Caller: dan").is(201)
	f.do("PUT", "/fhir/Patient/hidden", patient("hidden", "Eve"), "Caller: eve").is(403)
	f.do("DELETE", "/fhir/Patient/ann", "", "Caller: eve").is(403)
	f.do("GET", "/fhir/Patient/ann", "", "Caller: dan").is(200) // reads are not kept
	f.do("PUT", "/fhir/Patient/ann", patient("ann", "Ann2"), "Caller: dan", `If-Match: W/"7"`).is(412)
	f.do("POST", "/fhir", transaction(put(patient("bob", "Bob")), put(patient("hidden", "Eve"))), "Caller: eve").is(403)
	if err := a.Close(background()); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"read R 401 login :  Patient/ann 6", "update U 201 dan: Patient/ann/_history/1 1", "update U 403 forbidden eve: Patient/hidden 3", "delete D 403 forbidden eve: Patient/ann 14",
		"update U 412 conflict dan: Patient/ann 3", "transaction E 403 forbidden eve: Patient/bob 3 Patient/hidden 3",
	}
	got := strings.Join(f.events(), "\n")
	for _, w := range want {
		if !strings.Contains(got, strings.ReplaceAll(w, ":  ", ": ")) {
			t.Errorf("lacking %q in\n%s", w, got)
		}
	}
	if n := len(f.events()); n != len(want) {
		t.Errorf("%d events, want %d:\n%s", n, len(want), got)
	}
}

// TestAuditAppendOnly sees that nobody changes an event by REST.
func TestAuditAppendOnly(t *testing.T) {
	f, _ := audited(t, server.AuditWrites)
	f.do("PUT", "/fhir/Patient/ann", patient("ann", "Ann"), "Caller: dan").is(201)
	var id string
	if err := f.store.View(background(), storage.System, func(tx *storage.Tx) error {
		for rec := range tx.Log(driver.Log{Type: "AuditEvent"}) {
			id = rec.ID
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if id == "" {
		t.Fatal("the event is not in the commit of the change")
	}
	event := f.do("GET", "/fhir/AuditEvent/"+id, "", "Caller: dan").is(200).body
	f.do("PUT", "/fhir/AuditEvent/"+id, strings.Replace(event, `"0"`, `"8"`, 1), "Caller: dan").fails(403, "forbidden", "never changed")
	f.do("DELETE", "/fhir/AuditEvent/"+id, "", "Caller: dan").fails(403, "forbidden", "never changed")
	f.do("PATCH", "/fhir/AuditEvent/"+id, `[{"op":"replace","path":"/outcome","value":"8"}]`, "Caller: dan", "Content-Type: application/json-patch+json").fails(403, "forbidden", "")
	f.do("POST", "/fhir", `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"AuditEvent/`+id+`"}}]}`, "Caller: dan").fails(403, "forbidden", "")
	f.do("GET", "/fhir/AuditEvent/"+id, "", "Caller: dan").is(200).has("ETag", `W/"1"`)
}

// TestAuditFailing has a store that takes no events: a read that must be kept is not answered.
func TestAuditFailing(t *testing.T) {
	f, a := audited(t, server.AuditSync)
	f.do("PUT", "/fhir/Patient/ann", patient("ann", "Ann"), "Caller: dan").is(201)
	ctx, cancel := context.WithCancel(background())
	cancel()
	if err := a.Close(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	if out := f.do("GET", "/fhir/Patient/ann", "", "Caller: dan"); out.status < 500 || strings.Contains(out.body, "Ann") {
		t.Errorf("%d %s", out.status, out.body)
	}
}

// TestAuditOfMany has a transaction of more than an event lists.
func TestAuditOfMany(t *testing.T) {
	f, _ := audited(t, server.AuditWrites)
	var entries []string
	for i := range 2003 {
		entries = append(entries, put(patient(fmt.Sprintf("p%d", i), "x")))
	}
	f.do("POST", "/fhir", transaction(entries...), "Caller: dan").is(200)
	got := f.events()
	if len(got) != 1 || strings.Count(got[0], "Patient/") != 2000 {
		t.Errorf("%d events, of which the first lists %d", len(got), strings.Count(got[0], "Patient/"))
	}
	f.do("GET", "/fhir/AuditEvent", "", "Caller: dan").is(200).says("and 3 more")
}

// TestAuditLeftOut sends more requests without a login than the audit keeps events of: it tells how many it has left out.
func TestAuditLeftOut(t *testing.T) {
	f, a := audited(t, server.AuditAll)
	const asked = 400
	for range asked {
		f.do("GET", "/fhir/Patient/ann", "").is(401)
	}
	counted := regexp.MustCompile(`(?m)^hob_audit_left_out_total (\d+)$`).FindStringSubmatch(f.do("GET", "/metrics", "", "Caller: dan").is(200).body)
	if counted == nil {
		t.Fatal("the metrics do not count what was left out")
	}
	f.clock.forward(time.Second)
	f.do("GET", "/fhir/Patient/ann", "").is(401)
	if err := a.Close(background()); err != nil {
		t.Fatal(err)
	}
	events, told := f.events(), 0
	for _, e := range events {
		if m := regexp.MustCompile(`401 login; (\d+) before it were left out`).FindStringSubmatch(e); m != nil {
			n, _ := strconv.Atoi(m[1])
			told += n
		}
	}
	if left, _ := strconv.Atoi(counted[1]); left == 0 || left != told || len(events)+left != asked+1 {
		t.Errorf("%d events; %d were left out, and the events tell of %d", len(events), left, told)
	}
}
