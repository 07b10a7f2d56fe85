package server_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/hob-fhir/hob/storage/backends"
	"github.com/hob-fhir/hob/storage/badger"
)

// circle is a transaction of n entries, each of which refers to the one before it and to the one after.
func circle(n int, change func(i int, resource string) string) string {
	entries := make([]string, n)
	for i := range n {
		resource := fmt.Sprintf(`{"resourceType":"Patient","name":[{"family":"F%d"}],"link":[{"other":{"reference":"urn:uuid:%d"},"type":"seealso"},{"other":{"reference":"urn:uuid:%d"},"type":"seealso"}]}`,
			i, (i+1)%n, (i+n-1)%n)
		if change != nil {
			resource = change(i, resource)
		}
		entries[i] = ask(fmt.Sprint("urn:uuid:", i), resource, "POST", "Patient")
	}
	return transaction(entries...)
}

func TestLargeTransaction(t *testing.T) {
	const n = 2000
	f := open(t, nil)
	f.do("POST", "/fhir", circle(n, func(i int, resource string) string {
		if i == n-1 {
			return strings.Replace(resource, "seealso", "nonsense", 1)
		}
		return resource
	})).blames(400, "value", "Bundle.entry[1999].resource.link[0].type", "")
	f.empty()
	f.do("POST", "/fhir", circle(n, func(i int, resource string) string {
		if i == n-1 {
			return strings.Replace(resource, "urn:uuid:0", "urn:uuid:nowhere", 1)
		}
		return resource
	})).blames(404, "not-found", "Bundle.entry[1999].resource.link[0].other.reference", "urn:uuid:nowhere")
	f.empty()

	begun := time.Now()
	r := f.do("POST", "/fhir", circle(n, nil)).response("transaction-response")
	t.Logf("%d entries took %v", n, time.Since(begun))
	if len(r.Entry) != n {
		t.Fatalf("%d entries are answered", len(r.Entry))
	}
	f.has("", n)
	for _, i := range []int{0, 1, 999, n - 1} {
		next, before := r.id((i+1)%n), r.id((i+n-1)%n)
		f.do("GET", "/fhir/Patient/"+r.id(i), "").is(200).says(fmt.Sprintf(`"family":"F%d"`, i)).
			says(`[{"other":{"reference":"Patient/` + next + `"},"type":"seealso"},{"other":{"reference":"Patient/` + before + `"},"type":"seealso"}]`)
		if p := f.do("GET", "/fhir/Patient?link=Patient/"+r.id(i), "").is(200).set(); *p.Total != 2 {
			t.Errorf("%d Patients link to entry %d, want 2", *p.Total, i)
		}
	}
}

// TestTooLargeTransaction sends more than the store takes at once.
func TestTooLargeTransaction(t *testing.T) {
	b, err := backends.Open("badger::memory:", backends.Options{Badger: badger.Options{MemTable: 4 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	f := openOn(t, b, nil)
	names := make([]string, 100)
	entries := make([]string, 100)
	for i := range entries {
		for j := range names {
			names[j] = fmt.Sprintf(`{"family":"F%dx%d","given":["G%dx%d"]}`, i, j, j, i)
		}
		entries[i] = post("", `{"resourceType":"Patient","name":[`+strings.Join(names, ",")+`]}`)
	}
	f.do("POST", "/fhir", transaction(entries...)).fails(413, "too-long", "one transaction holds at most")
	f.empty()
}

// TestConcurrentTransactions moves one name through three resources: each transaction reads nothing and writes all three, so that
// whatever the order they must agree whenever they are read together. Some leave a fourth that counts.
func TestConcurrentTransactions(t *testing.T) {
	f := open(t, nil)
	write := func(i int) string {
		name := fmt.Sprint("W", i)
		return transaction(put(patient("a", name)), put(patient("b", name)), put(patient("c", name)), post("", patient("", "Counted")),
			ask("", "", "GET", "Patient/a"), ask("", "", "GET", "Patient/c"))
	}
	seen := make([]response, 32)
	got := f.storm(32, func(i int) *answer {
		a := f.do("POST", "/fhir", write(i))
		if a.status == 200 {
			seen[i] = a.response("transaction-response")
		}
		return a
	})
	if got[200] == 0 || got[200]+got[409] != 32 {
		t.Errorf("the answers are %v", got)
	}
	t.Logf("32 transactions on the same resources are answered by %v", got)
	for i, r := range seen {
		if r.Entry == nil {
			continue
		}
		for _, at := range []int{4, 5} {
			if want := fmt.Sprintf(`"W%d"`, i); !strings.Contains(string(r.Entry[at].Resource), want) {
				t.Errorf("transaction %d reads %s, want its own %s", i, r.Entry[at].Resource, want)
			}
		}
		if a, c := r.Entry[0].Response.Etag, r.Entry[2].Response.Etag; a != c {
			t.Errorf("transaction %d wrote versions %s and %s: another came between", i, a, c)
		}
	}
	f.has("family=counted", got[200])
	versions := func(id string) (names []string) {
		p := f.do("GET", "/fhir/Patient/"+id+"/_history?_count=1000", "").is(200).body
		for part := range strings.SplitSeq(p, `"family":"`) {
			names = append(names, part[:min(4, len(part))])
		}
		return names[1:]
	}
	if a, c := versions("a"), versions("c"); strings.Join(a, " ") != strings.Join(c, " ") || len(a) != got[200] {
		t.Errorf("the versions of one are %v, and of the other %v", a, c)
	}
}

// TestSerializable has transactions each of which writes only where the other has not: without isolation both would.
func TestSerializable(t *testing.T) {
	for round := range 20 {
		f := open(t, nil)
		body := func(mine, other string) string { // creates mine, if other is not there
			return transaction(post("", known("", mine, "x"), `"ifNoneExist":"`+by+mine+","+"http://s%7C"+other+`"`))
		}
		f.storm(8, func(i int) *answer {
			if i%2 == 0 {
				return f.do("POST", "/fhir", body("left", "right"))
			}
			return f.do("POST", "/fhir", body("right", "left"))
		})
		if p := f.do("GET", "/fhir/Patient", "").is(200).set(); *p.Total != 1 {
			t.Fatalf("round %d: %d Patients were created, want one", round, *p.Total)
		}
	}
}

// TestLinearizable lets clients read, update, delete and patch one resource at once, and asks porcupine whether their answers can be
// put into one order that fits a register with versions.
func TestLinearizable(t *testing.T) {
	type input struct {
		op      string // read, put, match, delete
		value   string
		version string // of If-Match
	}
	type output struct {
		status  int
		value   string
		version string
	}
	type state struct {
		value   string // "" is not there
		version int
	}
	model := porcupine.Model{
		Init: func() any { return state{} },
		Step: func(s, in, out any) (bool, any) {
			was, i, o := s.(state), in.(input), out.(output)
			is := fmt.Sprintf(`W/"%d"`, was.version)
			next := state{i.value, was.version + 1}
			switch {
			case o.status == 409: // given up, nothing done
				return i.op != "read", was
			case i.op == "read" && was.value == "":
				return o.status == 404 && was.version == 0 || o.status == 410 && was.version > 0, was
			case i.op == "read":
				return o.status == 200 && o.value == was.value && o.version == is, was
			case i.op == "match" && (was.value == "" || is != i.version):
				return o.status == 412, was
			case i.op == "delete" && was.value == "":
				return o.status == 204, was
			case i.op == "delete":
				return o.status == 204 && o.version == fmt.Sprintf(`W/"%d"`, was.version+1), state{"", was.version + 1}
			case was.value == "":
				return o.status == 201 && o.version == fmt.Sprintf(`W/"%d"`, next.version), next
			}
			return o.status == 200 && o.version == fmt.Sprintf(`W/"%d"`, next.version), next
		},
	}
	f := open(t, nil)
	const clients, each = 8, 40
	histories := make([][]porcupine.Operation, clients)
	begun := time.Now()
	f.storm(clients, func(c int) *answer {
		var a *answer
		version := `W/"1"`
		for n := range each {
			in := input{op: []string{"read", "put", "match", "read", "put", "match", "delete"}[(n*3+c)%7], value: fmt.Sprintf("V%dx%d", c, n), version: version}
			call := time.Since(begun).Nanoseconds()
			within := n%5 == 4 && (in.op == "put" || in.op == "delete") // some by a transaction
			switch {
			case in.op == "read":
				a = f.do("GET", "/fhir/Patient/a", "")
			case within && in.op == "put":
				a = f.do("POST", "/fhir", transaction(put(patient("a", in.value))))
			case within:
				a = f.do("POST", "/fhir", transaction(ask("", "", "DELETE", "Patient/a")))
			case in.op == "put":
				a = f.do("PUT", "/fhir/Patient/a", patient("a", in.value))
			case in.op == "match":
				a = f.do("PUT", "/fhir/Patient/a", patient("a", in.value), "If-Match: "+in.version)
			default:
				a = f.do("DELETE", "/fhir/Patient/a", "")
			}
			out := output{status: a.status, version: a.header.Get("ETag")}
			if within && a.status == 200 {
				r := a.response("transaction-response")
				fmt.Sscan(r.statuses(), &out.status)
				out.version = r.Entry[0].Response.Etag
			}
			if _, rest, ok := strings.Cut(a.body, `"family":"`); ok {
				out.value, _, _ = strings.Cut(rest, `"`)
			}
			if out.version != "" {
				version = out.version
			}
			histories[c] = append(histories[c], porcupine.Operation{ClientId: c, Input: in, Call: call, Output: out, Return: time.Since(begun).Nanoseconds()})
		}
		return a
	})
	var all []porcupine.Operation
	for _, h := range histories {
		all = append(all, h...)
	}
	if got := porcupine.CheckOperationsTimeout(model, all, time.Minute); got != porcupine.Ok {
		t.Errorf("the history of %d operations is not linearizable: %v", len(all), got)
	}
	// The check must be able to fail: a read of what was never there.
	all = append(all, porcupine.Operation{ClientId: clients, Input: input{op: "read"}, Output: output{200, "never", `W/"1"`},
		Call: time.Since(begun).Nanoseconds(), Return: time.Since(begun).Nanoseconds()})
	if got := porcupine.CheckOperationsTimeout(model, all, time.Minute); got != porcupine.Illegal {
		t.Errorf("a lie passes as %v", got)
	}
}

// TestManyConditionalReferences has each of many entries found by criteria, some among what is there and some within the transaction.
func TestManyConditionalReferences(t *testing.T) {
	f := open(t, nil)
	var there, entries []string
	const n = 200
	for i := range n {
		p := post("", known("", fmt.Sprint(i), "x"), fmt.Sprintf(`"ifNoneExist":"%s%d"`, by, i))
		if i%2 == 0 {
			there = append(there, p)
		}
		entries = append(entries, p, post("", observed(fmt.Sprintf("Patient?%s%d", by, (i+1)%n))))
	}
	f.do("POST", "/fhir", transaction(there...)).response("transaction-response")
	r := f.do("POST", "/fhir", transaction(entries...)).response("transaction-response")
	f.has("", n)
	for i := range n {
		next := r.id(2 * ((i + 1) % n))
		f.do("GET", "/fhir/Observation/"+r.id(2*i+1), "").is(200).says(`"reference":"Patient/` + next + `"`)
	}
}
