package subscribe_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hob-fhir/hob/server/subscribe"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// forwarding makes an instance that forwards.
func forwarding(t testing.TB, to ...subscribe.Destination) *instance {
	t.Helper()
	return open(t, func(i *instance) { i.config.Destinations, i.config.Source = to, "https://a.example/fhir" })
}

func reports(url string) subscribe.Destination {
	return subscribe.Destination{Name: "reports", URL: url, Criteria: []string{"DiagnosticReport"}}
}

// has tells whether an instance has a resource, whoever is asking.
func (i *instance) has(typ, id string) bool {
	found := false
	i.store.View(i.Context(), storage.System, func(tx *storage.Tx) error {
		rec, err := tx.Get(driver.Key{Type: typ, ID: id})
		found = err == nil && !rec.Deleted
		return nil
	})
	return found
}

// version is that of a resource, 0 if there is none.
func (i *instance) version(typ, id string) (v uint64) {
	i.store.View(i.Context(), storage.System, func(tx *storage.Tx) error {
		rec, err := tx.Get(driver.Key{Type: typ, ID: id})
		if err == nil && !rec.Deleted {
			v = rec.Version
		}
		return nil
	})
	return v
}

// sent lists the entries of the Bundles that a receiver took, as METHOD Type/id.
func (r *receiver) sent() (out []string) {
	for _, g := range r.taken() {
		var b struct {
			Entry []struct{ Request struct{ Method, URL string } }
		}
		json.Unmarshal([]byte(g.body), &b)
		for _, e := range b.Entry {
			out = append(out, e.Request.Method+" "+e.Request.URL)
		}
	}
	return out
}

// letters are the dead ones, as $forwarding lists them.
func (i *instance) letters() (out []string) {
	i.Helper()
	all, _ := i.do(200, "GET", "/$forwarding", "")["parameter"].([]any)
	for _, p := range all {
		p := p.(map[string]any)
		if p["name"] != "letter" {
			continue
		}
		line := ""
		for _, q := range p["part"].([]any) {
			q := q.(map[string]any)
			for _, v := range []string{"valueString", "valueInteger"} {
				if q[v] != nil {
					line += fmt.Sprint(q[v]) + " "
				}
			}
		}
		out = append(out, line)
	}
	return out
}

// TestD4: a receiver that answers 500, 500, 200 gets each report, once. One that is down while the server is restarted gets them too. The
// position does not move on failure.
func TestD4(t *testing.T) {
	t.Run("Subscription", func(t *testing.T) {
		r := newReceiver(t, 500, 500)
		i := open(t, nil)
		i.hook("s", "DiagnosticReport?", r.URL, fhirJSON, "active")
		i.report("r1", "ann")
		i.report("r2", "ann")
		eventually(t, "both are told", func() bool { return len(r.taken()) >= 2 })
		r.answers(503)
		i.report("r3", "ann")
		tried := r.tried()
		eventually(t, "it is tried again", func() bool { return r.tried() > tried+2 })
		i.stop()
		i.start()
		i.report("r4", "ann")
		tried = r.tried()
		eventually(t, "it is tried after the restart", func() bool { return r.tried() > tried+1 })
		r.answers(200)
		eventually(t, "all are told", func() bool { return len(r.taken()) >= 4 })
		time.Sleep(20 * time.Millisecond)
		if got, want := r.paths(), []string{"PUT /DiagnosticReport/r1", "PUT /DiagnosticReport/r2", "PUT /DiagnosticReport/r3", "PUT /DiagnosticReport/r4"}; !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
	})
	t.Run("forward", func(t *testing.T) {
		r := newReceiver(t, 500, 500)
		i := forwarding(t, reports(r.URL))
		i.put("Patient", "ann", "")
		i.report("r1", "ann")
		i.report("r2", "ann")
		eventually(t, "both are there", func() bool { return len(r.sent()) >= 3 })
		r.answers(503)
		i.report("r3", "ann")
		tried := r.tried()
		eventually(t, "it is tried again", func() bool { return r.tried() > tried+2 })
		i.stop()
		i.start()
		r.answers(200)
		eventually(t, "all are there", func() bool { return len(r.sent()) >= 4 })
		time.Sleep(20 * time.Millisecond)
		got := r.sent()
		slices.Sort(got)
		if want := []string{"PUT DiagnosticReport/r1", "PUT DiagnosticReport/r2", "PUT DiagnosticReport/r3", "PUT Patient/ann"}; !slices.Equal(got, want) {
			t.Errorf("sent %q, want %q", got, want)
		}
	})
}

// TestD6: a report on A is readable on B under the right patient, within the interval. The patient came first, and so did what it refers to.
func TestD6(t *testing.T) {
	for name, interval := range map[string]time.Duration{"event": 0, "interval": 50 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			b := open(t, nil)
			d := reports(b.base())
			d.Interval = interval
			a := forwarding(t, d)
			a.put("Organization", "clinic", `,"name":"Clinic"`)
			a.put("Patient", "ann", `,"name":[{"family":"Ann"}],"managingOrganization":{"reference":"Organization/clinic"}`)
			a.put("Patient", "bob", `,"name":[{"family":"Bob"}]`)
			a.put("Observation", "o1", `,"status":"final","code":{"text":"x"},"subject":{"reference":"Patient/ann"}`)
			a.put("Observation", "loose", `,"status":"final","code":{"text":"x"},"subject":{"reference":"Patient/bob"}`)
			a.put("DiagnosticReport", "r1", `,"status":"final","code":{"text":"x"},"subject":{"reference":"Patient/ann"},"result":[{"reference":"Observation/o1"}]`)
			eventually(t, "the report is on B", func() bool { return b.has("DiagnosticReport", "r1") })
			found := b.do(200, "GET", "/DiagnosticReport?patient=ann&_include=DiagnosticReport:result&_include=DiagnosticReport:subject", "")
			if n := len(found["entry"].([]any)); n != 3 {
				t.Errorf("B finds %d resources under the patient, want 3: %v", n, found)
			}
			if !b.has("Organization", "clinic") || b.has("Patient", "bob") || b.has("Observation", "loose") {
				t.Error("B has not just what the report refers to")
			}
			r := b.do(200, "GET", "/DiagnosticReport/r1", "")
			if meta := r["meta"].(map[string]any); meta["source"] != "https://a.example/fhir/DiagnosticReport/r1" || meta["versionId"] != "1" {
				t.Errorf("the meta on B is %v", meta)
			}

			// Updates, of what is referred to as well, and deletions.
			a.put("Patient", "ann", `,"name":[{"family":"Married"}]`)
			eventually(t, "the name is on B", func() bool {
				return strings.Contains(fmt.Sprint(b.do(200, "GET", "/Patient/ann", "")["name"]), "Married")
			})
			a.do(204, "DELETE", "/DiagnosticReport/r1", "")
			eventually(t, "the report is deleted on B", func() bool { return !b.has("DiagnosticReport", "r1") })
			if err := a.store.Update(t.Context(), storage.System, func(tx *storage.Tx) error {
				return tx.Erase(driver.Key{Type: "Observation", ID: "o1"})
			}); err != nil {
				t.Fatal(err)
			}
			eventually(t, "what was erased is deleted on B", func() bool { return !b.has("Observation", "o1") })
		})
	}
}

// TestForwardCriteria: what does not match any more is deleted there; other criteria are heeded after a restart.
func TestForwardCriteria(t *testing.T) {
	b := open(t, nil)
	a := forwarding(t, subscribe.Destination{Name: "final", URL: b.base(), Criteria: []string{"DiagnosticReport?status=final"}})
	a.report("r1", "ann")
	a.put("DiagnosticReport", "p", `,"status":"preliminary","code":{"text":"x"}`)
	eventually(t, "r1 is there", func() bool { return b.has("DiagnosticReport", "r1") })
	a.put("DiagnosticReport", "r1", `,"status":"preliminary","code":{"text":"x"}`)
	eventually(t, "r1 is gone", func() bool { return !b.has("DiagnosticReport", "r1") })
	a.report("r2", "ann")
	eventually(t, "r2 is there", func() bool { return b.has("DiagnosticReport", "r2") })
	a.stop()
	a.config.Destinations[0].Criteria = []string{"DiagnosticReport?status=preliminary"}
	a.start()
	eventually(t, "the others are there", func() bool {
		return b.has("DiagnosticReport", "r1") && b.has("DiagnosticReport", "p") && !b.has("DiagnosticReport", "r2")
	})
	n := b.version("DiagnosticReport", "p")
	a.stop()
	a.start()
	a.put("DiagnosticReport", "q", `,"status":"preliminary","code":{"text":"x"}`)
	eventually(t, "it goes on", func() bool { return b.has("DiagnosticReport", "q") })
	if now := b.version("DiagnosticReport", "p"); now != n {
		t.Errorf("p was sent again: version %d, want %d", now, n)
	}
}

// TestForwardMany: more than one transaction holds, while another destination is down.
func TestForwardMany(t *testing.T) {
	b, down := open(t, nil), newReceiver(t)
	down.answers(503)
	a := forwarding(t, reports(b.base()), subscribe.Destination{Name: "down", URL: down.URL, Criteria: []string{"DiagnosticReport"}})
	a.put("Patient", "ann", "")
	for n := range 450 {
		a.report(fmt.Sprint("r", n), "ann")
	}
	eventually(t, "all are there", func() bool {
		total := b.do(200, "GET", "/DiagnosticReport?patient=ann&_summary=count", "")["total"]
		return total == float64(450)
	})
	if v := b.version("Patient", "ann"); v != 1 {
		t.Errorf("the patient was sent %d times", v)
	}
}

// TestLetters: what is refused for good is a dead letter, the rest arrives; sent again it may be taken.
func TestLetters(t *testing.T) {
	r := newReceiver(t, 422)
	i := open(t, nil)
	i.hook("s", "DiagnosticReport?", r.URL, fhirJSON, "active")
	r.answers(422)
	i.report("r1", "ann")
	eventually(t, "r1 is a letter", func() bool { return len(i.letters()) == 1 })
	r.answers(200)
	i.report("r2", "ann")
	eventually(t, "r2 is told", func() bool { return len(r.taken()) == 1 })
	if l := i.letters(); len(l) != 1 || !strings.HasPrefix(l[0], "Subscription/s DiagnosticReport/r1 1 422 the receiver answers 422") {
		t.Errorf("the letters are %q", l)
	}
	i.do(400, "POST", "/$forwarding-replay", `{"resourceType":"Parameters","parameter":[{"name":"fed","valueString":"x"}]}`)
	i.do(200, "POST", "/$forwarding-replay", `{"resourceType":"Parameters","parameter":[{"name":"feed","valueString":"Subscription/s"}]}`)
	eventually(t, "r1 is told", func() bool { return len(r.taken()) == 2 && len(i.letters()) == 0 })
}

// TestForwardLetter: a transaction of many is refused for one of them.
func TestForwardLetter(t *testing.T) {
	b := open(t, func(i *instance) { i.refuse = "poison" })
	a := forwarding(t, reports(b.base()))
	a.put("Patient", "ann", "")
	for _, id := range []string{"r1", "poison", "r3"} {
		a.report(id, "ann")
	}
	eventually(t, "the others are there", func() bool { return b.has("DiagnosticReport", "r1") && b.has("DiagnosticReport", "r3") })
	eventually(t, "one is a letter", func() bool { return len(a.letters()) == 1 })
	if l := a.letters(); !strings.Contains(l[0], "forward/reports DiagnosticReport/poison 1 422") || !strings.Contains(l[0], "not here") {
		t.Errorf("the letters are %q", l)
	}
	a.report("poison", "ann") // a newer version is another try, and is refused as well
	eventually(t, "the letter is of the newer version", func() bool { l := a.letters(); return len(l) == 1 && strings.Contains(l[0], "poison 2 422") })
	b.admit.Store(true)
	a.do(200, "POST", "/$forwarding-replay", "")
	eventually(t, "it is there after all", func() bool { return b.has("DiagnosticReport", "poison") && len(a.letters()) == 0 })
}

// TestForwardAlone: what was to come with a resource that is refused comes by itself, if it is asked for.
func TestForwardAlone(t *testing.T) {
	b := open(t, func(i *instance) { i.refuse = "poison" })
	a := open(t, nil)
	a.put("DiagnosticReport", "poison", `,"status":"final","code":{"text":"x"},"result":[{"reference":"Observation/o1"}]`)
	a.put("Observation", "o1", `,"status":"final","code":{"text":"x"}`)
	a.put("Observation", "o2", `,"status":"final","code":{"text":"x"}`)
	a.stop()
	a.config.Destinations = []subscribe.Destination{{Name: "b", URL: b.base(), Criteria: []string{"DiagnosticReport", "Observation"}}}
	a.start()
	eventually(t, "one is a letter", func() bool { return len(a.letters()) == 1 })
	eventually(t, "the results are there", func() bool { return b.has("Observation", "o1") && b.has("Observation", "o2") })
}

// TestDestinations that cannot be.
func TestDestinations(t *testing.T) {
	for _, c := range []struct {
		d   subscribe.Destination
		say string
	}{
		{subscribe.Destination{Name: "a b", URL: "http://127.0.0.1/fhir", Criteria: []string{"Patient"}}, "a name has letters"},
		{subscribe.Destination{Name: "a", URL: "127.0.0.1/fhir", Criteria: []string{"Patient"}}, "URL of a FHIR base"},
		{subscribe.Destination{Name: "a", URL: "ftp://127.0.0.1/fhir", Criteria: []string{"Patient"}}, "https://"},
		{subscribe.Destination{Name: "a", URL: "http://127.0.0.1/fhir"}, "no criteria"},
		{subscribe.Destination{Name: "a", URL: "http://127.0.0.1/fhir", Criteria: []string{"Patients"}}, "no resource type"},
		{subscribe.Destination{Name: "a", URL: "http://127.0.0.1/fhir", Criteria: []string{"Patient?nosuch=1"}}, "nosuch"},
	} {
		i := open(t, nil)
		config := i.config
		config.Destinations = []subscribe.Destination{c.d}
		if _, err := subscribe.New(config); err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%+v: %v, want %q", c.d, err, c.say)
		}
	}
}
