package server_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestRandomBundles sends Bundles made of pieces that may or may not fit together. A transaction that is refused leaves nothing, one
// that is taken leaves as many versions as it says, and so do the entries of a batch; afterwards the store is sound.
func TestRandomBundles(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("HOB_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("HOB_SEED=%d repeats this run", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	pick := func(from ...string) string { return from[rnd.IntN(len(from))] }
	f := open(t, nil)
	id := func() string { return pick("a", "b", "c", "d", "") }
	subject := func() string {
		return pick("urn:uuid:1", "urn:uuid:2", "urn:uuid:9", "Patient/a", "Patient?"+by+"1", "Patient?"+by+"2", "Patient?", "http://x/Patient/1")
	}
	entry := func(i int) string {
		full := pick("", "", fmt.Sprint("urn:uuid:", i), "urn:uuid:1", "http://x/Patient/"+strconv.Itoa(i))
		value := pick("1", "2", "3")
		criteria := pick(by+value, by+value, "family=one", "x=1", "")
		condition := pick(`"ifMatch":"W/\"1\""`, `"ifNoneMatch":"*"`, `"ifNoneExist":"`+by+value+`"`, `"ifNoneExist":"`+criteria+`x"`)
		var more []string
		if rnd.IntN(4) == 0 {
			more = append(more, condition)
		}
		switch rnd.IntN(10) {
		case 0, 1:
			return ask(full, known(id(), value, pick("One", "Two")), "POST", "Patient", more...)
		case 2:
			return ask(full, observed(subject()), "POST", "Observation", more...)
		case 3:
			k := pick("a", "b", "c", "d")
			return ask(full, known(k, value, pick("One", "Two")), "PUT", "Patient/"+k, more...)
		case 4:
			return ask(full, known(id(), value, "One"), "PUT", "Patient?"+criteria, more...)
		case 5:
			return ask("", "", "DELETE", pick("Patient/"+id(), "Patient?"+criteria, "Observation?subject="+subject()), more...)
		case 6:
			return ask("", pick(binary(replaceFamily("x")), fhirPatch("replace", "Patient.name[0].family", "y"), patient("a", "x")), "PATCH", pick("Patient/"+id(), "Patient?"+criteria), more...)
		case 7:
			return ask("", parameters("meta", `"valueMeta":{"tag":[{"code":"`+value+`"}]}`), "POST", "Patient/"+pick("a", "b", "c")+"/$meta-"+pick("add", "delete"), more...)
		case 8:
			return ask("", "", pick("GET", "HEAD"), pick("Patient/a", "Patient?"+criteria, "Patient/b/_history", "metadata", "Observation?subject="+subject()), more...)
		}
		return ask(full, pick(patient(id(), "x"), `{"resourceType":"Patient","x":1}`, ""), pick("POST", "PUT", "DELETE", "PATCH", "GET"), pick("Patient", "Group", "", "http://x/Patient/1", "Patient/a/b"), more...)
	}
	written := func() int {
		return strings.Count(f.do("GET", "/fhir/_history?_count=1000", "").is(200).body, `"lastModified"`)
	}
	taken := 0
	for round := range 400 {
		entries := make([]string, 1+rnd.IntN(5))
		for i := range entries {
			entries[i] = entry(i)
		}
		kind := pick("transaction", "transaction", "batch")
		body := ofType(kind, entries...)
		before := written()
		a := f.do("POST", "/fhir", body)
		if a.status >= 500 {
			t.Fatalf("%s is answered by %d %s", body, a.status, a.body)
		}
		said := 0
		if a.status == 200 {
			taken++
			r := a.response(kind + "-response")
			if len(r.Entry) != len(entries) {
				t.Fatalf("%s has %d answers", body, len(r.Entry))
			}
			for i, e := range r.Entry {
				status := e.Response.Status[:3]
				method := strings.Contains(entries[i], `"method":"GET"`) || strings.Contains(entries[i], `"method":"HEAD"`)
				switch {
				case status[0] == '5':
					t.Fatalf("%s is answered by %s", body, a.body)
				case kind == "transaction" && status[0] == '4':
					t.Fatalf("a transaction was taken in spite of %s: %s", status, body)
				case method || status[0] == '4':
				case strings.Contains(entries[i], "$meta"):
					said = -1 << 20 // does not say whether it wrote
				case strings.Contains(entries[i], `"method":"POST"`) && status == "200": // was there
				case strings.Contains(entries[i], `"method":"DELETE"`) && !strings.Contains(string(a.body), `"status":"204 No Content","etag"`):
				case strings.Contains(entries[i], `"method":"DELETE"`):
					said = -1 << 20 // may have been deleted before
				default:
					said++
				}
			}
		}
		if n := written() - before; said >= 0 && n != said {
			t.Fatalf("round %d: %s wrote %d versions and says it wrote %d: %s", round, body, n, said, a.body)
		}
		if written() > 900 {
			f = open(t, nil)
		}
	}
	if taken < 40 {
		t.Errorf("only %d of 400 Bundles were taken: the pieces do not fit", taken)
	}
	for p, err := range f.store.Check(background()) {
		t.Errorf("the store is not sound: %v %v", p, err)
	}
}
