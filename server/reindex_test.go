package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/hob-fhir/hob/server"
)

func (f *indexed) patients(n int) {
	f.Helper()
	var b strings.Builder
	b.WriteString(`{"resourceType":"Bundle","type":"batch","entry":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"request":{"method":"PUT","url":"Patient/p%d"},"resource":{"resourceType":"Patient","id":"p%d","maritalStatus":{"text":"s%d"},"contact":[{"name":{"family":"F%d"}}]}}`, i, i, i%5, i)
	}
	b.WriteString(`]}`)
	f.must(200, "POST", "/fhir", b.String())
}

// TestIndexingGoesOn closes a server in the middle of a round, again and again, and opens another on the same data: each goes on where the one
// before was, and what was indexed stays so.
func TestIndexingGoesOn(t *testing.T) {
	b := backend(t)
	o := server.IndexingOptions{Quiet: -1, Batch: 50}
	f := openIndexed(t, b, o)
	f.patients(500)
	f.put("done", "done", "Patient", "string", "Patient.maritalStatus.text")
	f.finish()
	f.put("m", "marriage", "Patient", "string", "Patient.contact.name.family")
	f = openIndexed(t, b, o)
	far := 0
	for range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		steps := 0
		err := f.indexing.Finish(ctx, func(p server.Progress) {
			if steps++; steps == 3 {
				cancel()
			}
			if p.Total == 0 {
				return // nothing is under way
			}
			if p.Done < far {
				t.Errorf("the round was at %d and is at %d", far, p.Done)
			}
			far = p.Done
		})
		cancel()
		f = openIndexed(t, b, o) // which knows nothing of the one before
		f.finds("/fhir/Patient?done=s1&_id=p1,p2", "p1")
		if err == nil {
			break
		}
		if far < 500 {
			f.must(http.StatusServiceUnavailable, "GET", "/fhir/Patient?marriage=F1", "")
		}
	}
	if s := f.status("m"); s["status"] != "ready" || far != 500 {
		t.Fatalf("%v after %d", s, far)
	}
	f.finds("/fhir/Patient?marriage:exact=F499", "p499")
	if n := f.rows("Patient", "marriage"); n != 500 {
		t.Errorf("%d have rows, want 500", n)
	}
}

// TestChangesInARound changes and removes parameters while a round is under way: it counts only for those that were in it from its begin.
func TestChangesInARound(t *testing.T) {
	b := backend(t)
	f := openIndexed(t, b, server.IndexingOptions{Quiet: -1, Batch: 10})
	f.patients(100)
	f.put("a", "a", "Patient", "string", "Patient.maritalStatus.text")
	f.put("b", "b", "Patient", "string", "Patient.maritalStatus.text")
	steps := 0
	err := f.indexing.Finish(t.Context(), func(server.Progress) {
		switch steps++; steps {
		case 4: // it goes, and comes back as it was: half of the resources have lost its rows meanwhile
			f.must(204, "DELETE", "/fhir/SearchParameter/a", "")
		case 6:
			f.put("a", "a", "Patient", "string", "Patient.maritalStatus.text")
		case 7:
			f.put("c", "c", "Patient", "string", "Patient.contact.name.family")
		case 8, 9, 10, 11, 12, 13, 14, 15, 16:
			if a := f.do("GET", "/fhir/Patient?a:missing=true&_summary=count", ""); a.status == 200 && !strings.Contains(a.body, `"total":0`) {
				t.Errorf("step %d: %s", steps, a.body)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{"a", "b", "c"} {
		if n := f.rows("Patient", code); n != 100 {
			t.Errorf("%d have rows of %s, want 100", n, code)
		}
		if a := f.must(200, "GET", "/fhir/Patient?"+code+":missing=true&_summary=count", ""); !strings.Contains(a.body, `"total":0`) {
			t.Errorf("%s: %s", code, a.body)
		}
	}
}

// TestParameterIsGivenUp: a parameter by which a stored resource cannot be indexed fails and says which; others in the same round do not.
func TestParameterIsGivenUp(t *testing.T) {
	f := openIndexed(t, backend(t), server.IndexingOptions{Quiet: -1, Batch: 10})
	f.patients(50)
	f.must(201, "PUT", "/fhir/Patient/two", `{'resourceType':'Patient','id':'two','contact':[{'name':{'family':'A'}},{'name':{'family':'B'}}]}`)
	f.put("bad", "bad", "Patient", "string", "Patient.contact.single().name.family")
	f.put("good", "good", "Patient", "string", "Patient.contact.name.family")
	if a := f.do("PUT", "/fhir/Patient/three", `{"resourceType":"Patient","id":"three","contact":[{"name":{"family":"A"}},{"name":{"family":"B"}}]}`); a.status != 422 || !strings.Contains(a.body, "search parameter bad") {
		t.Errorf("a write that the parameter cannot take: %d: %s", a.status, a.body)
	}
	f.finish()
	if s := f.status("bad"); s["status"] != "failed" || !strings.Contains(s["reason"], "Patient/two") {
		t.Errorf("%v", s)
	}
	if s := f.status("good"); s["status"] != "ready" {
		t.Errorf("%v", s)
	}
	f.finds("/fhir/Patient?good=B", "two")
	if a := f.do("GET", "/fhir/Patient?bad=A", ""); a.status != 400 || !strings.Contains(a.body, "Patient/two") {
		t.Errorf("%d: %s", a.status, a.body)
	}
	f.must(201, "PUT", "/fhir/Patient/three", `{'resourceType':'Patient','id':'three','contact':[{'name':{'family':'A'}},{'name':{'family':'B'}}]}`)
	if n := f.rows("Patient", "bad"); n != 0 {
		t.Errorf("%d have rows of what was given up", n)
	}
	f.must(204, "DELETE", "/fhir/Patient/two", "")
	f.must(204, "DELETE", "/fhir/Patient/three", "")
	f.must(202, "POST", "/fhir/Patient/$reindex", "")
	f.finish()
	if s := f.status("bad"); s["status"] != "ready" {
		t.Errorf("$reindex tries again, and nothing is in its way: %v", s)
	}
	f.finds("/fhir/Patient?bad=F1&_id=p1", "p1")
}

// TestSlowParameter: an expression that takes too many steps on a resource is given up too, and does not hold the writer.
func TestSlowParameter(t *testing.T) {
	f := openIndexed(t, backend(t), server.IndexingOptions{Quiet: -1})
	var names strings.Builder
	for i := range 600 {
		fmt.Fprintf(&names, `,{"family":"n%d"}`, i)
	}
	f.must(201, "PUT", "/fhir/Patient/large", `{"resourceType":"Patient","id":"large","name":[`+names.String()[1:]+`]}`)
	f.put("slow", "slow", "Patient", "string", "Patient.name.where(%resource.descendants().where($this = %context.name.family.first()).exists()).family")
	f.finish()
	if s := f.status("slow"); s["status"] != "failed" || !strings.Contains(s["reason"], "steps on this resource") {
		t.Errorf("%v", s)
	}
}

// TestRefusedParameters: what cannot work is refused where it is active, in Bundles too, and kept where it is not.
func TestRefusedParameters(t *testing.T) {
	f := openIndexed(t, backend(t), server.IndexingOptions{Quiet: -1})
	refused := parameterResource("x", "_count", "Patient", "number", "Patient.multipleBirth.as(integer)")
	for _, a := range []*answer{
		f.do("PUT", "/fhir/SearchParameter/x", refused),
		f.do("POST", "/fhir/SearchParameter", refused),
		f.do("POST", "/fhir", `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"PUT","url":"SearchParameter/x"},"resource":`+refused+`}]}`),
	} {
		if a.status != 422 || !strings.Contains(a.body, "SearchParameter.code") && !strings.Contains(a.body, "resource.code") || !strings.Contains(a.body, "_count") {
			t.Errorf("%d: %s", a.status, a.body)
		}
	}
	f.must(404, "GET", "/fhir/SearchParameter/x", "")
	f.must(201, "PUT", "/fhir/SearchParameter/x", strings.Replace(refused, `"active"`, `"draft"`, 1))
	if a := f.do("PATCH", "/fhir/SearchParameter/x", `[{"op":"replace","path":"/status","value":"active"}]`, "Content-Type: application/json-patch+json"); a.status != 422 {
		t.Errorf("a patch makes it active: %d: %s", a.status, a.body)
	}
	if s := f.status("x"); s["status"] != "stored" {
		t.Errorf("%v", s)
	}
	f.must(404, "GET", "/fhir/SearchParameter/y/$status", "")
	f.must(400, "POST", "/fhir/$reindex?x=1", "")
	f.must(404, "GET", "/fhir/_reindex/none", "")
	f.must(400, "POST", "/fhir/$reindex", `{'resourceType':'Parameters','parameter':[{'name':'x','valueString':'y'}]}`)

	// A published one changes nothing, however often it is stored.
	metadata := f.must(200, "GET", "/fhir/metadata", "").body
	published := strings.Replace(parameterResource("individual-family", "family", "Patient", "string", "Patient.name.family"),
		"https://hob.example/SearchParameter/individual-family", "http://hl7.org/fhir/SearchParameter/individual-family", 1)
	f.must(201, "PUT", "/fhir/SearchParameter/individual-family", published)
	f.must(200, "PUT", "/fhir/SearchParameter/individual-family", published)
	f.must(204, "DELETE", "/fhir/SearchParameter/individual-family", "")
	if after := f.must(200, "GET", "/fhir/metadata", "").body; after != metadata {
		t.Error("the CapabilityStatement has changed")
	}
	f.must(200, "GET", "/fhir/Patient?family=x", "")
}

// TestManyParameters takes up a hundred at once, under writers, from many clients. No write fails, and there are few rounds.
func TestManyParameters(t *testing.T) {
	f := openIndexed(t, backend(t), server.IndexingOptions{})
	f.run(t)
	f.patients(200)
	ctx, stop := context.WithCancel(t.Context())
	var writing, posting sync.WaitGroup
	for w := range 2 {
		writing.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if a := f.do("PUT", fmt.Sprintf("/fhir/Patient/w%d", w), fmt.Sprintf(`{"resourceType":"Patient","id":"w%d","photo":[{"title":"t%d"}]}`, w, n)); a.status > 201 {
					t.Errorf("%d: %s", a.status, a.body)
					return
				}
			}
		})
	}
	for c := range 4 {
		posting.Go(func() {
			for n := range 25 {
				id := fmt.Sprintf("c%dn%d", c, n)
				base, expression := "Patient", fmt.Sprintf("Patient.photo.title.where(length() > %d)", n%3)
				if n%10 == 0 {
					base, expression = "Resource", "Resource.language.where(length() > 1)"
				}
				if a := f.put(id, id, base, "string", expression); a.status != 201 {
					t.Errorf("%d: %s", a.status, a.body)
				}
			}
		})
	}
	posting.Wait()
	f.settled(t)
	stop()
	writing.Wait()
	var all struct {
		Parameter []struct {
			Part []struct{ Name, ValueCode, ValueString string }
		}
	}
	if err := json.Unmarshal([]byte(f.must(200, "GET", "/fhir/SearchParameter/$status", "").body), &all); err != nil {
		t.Fatal(err)
	}
	ready := 0
	for _, p := range all.Parameter {
		for _, part := range p.Part {
			if part.Name == "status" && part.ValueCode == "ready" {
				ready++
			}
		}
	}
	if ready != 100 {
		t.Errorf("%d are ready, want 100", ready)
	}
	f.must(200, "GET", "/fhir/Patient?"+func() string {
		var q []string
		for c := range 4 {
			for n := range 25 {
				q = append(q, fmt.Sprintf("c%dn%d:missing=true", c, n))
			}
		}
		return strings.Join(q, "&")
	}(), "")
	if n := f.rows("Patient", "c1n1"); n != 2 {
		t.Errorf("%d have rows of c1n1, want the 2 that are written", n)
	}
}

// TestOtherRules opens a store that was indexed by other rules: no search is answered before everything is indexed anew.
func TestOtherRules(t *testing.T) {
	b := backend(t)
	f := openIndexed(t, b, server.IndexingOptions{Quiet: -1})
	f.patients(30)
	f.put("m", "marriage", "Patient", "string", "Patient.maritalStatus.text")
	f.finish()
	f = openIndexed(t, b, server.IndexingOptions{Quiet: -1, Rules: "2"})
	for _, path := range []string{"/fhir/Patient", "/fhir/Patient?family=x", "/fhir/Patient?marriage=s1", "/fhir/Observation?code=x"} {
		if a := f.do("GET", path, "", "Prefer: handling=lenient"); a.status != 503 || !strings.Contains(a.body, "indexed anew") || a.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d: %s", path, a.status, a.body)
		}
	}
	f.must(200, "GET", "/fhir/Patient/p1", "")
	f.must(200, "PUT", "/fhir/Patient/p1", `{'resourceType':'Patient','id':'p1','maritalStatus':{'text':'s1'}}`)
	f.finish()
	f.finds("/fhir/Patient?marriage=s1&_id=p1,p2,p6", "p1", "p6")
	f = openIndexed(t, b, server.IndexingOptions{Quiet: -1, Rules: "2"})
	f.finds("/fhir/Patient?marriage=s1&_id=p1,p2,p6", "p1", "p6")
}

// TestParameterOfEveryKindOfUse uses custom parameters in all places where a code may stand.
func TestParameterOfEveryKindOfUse(t *testing.T) {
	f := openIndexed(t, backend(t), server.IndexingOptions{Quiet: -1})
	f.must(201, "PUT", "/fhir/Practitioner/d", `{'resourceType':'Practitioner','id':'d','name':[{'family':'Dee'}]}`)
	for i, id := range []string{"b", "a", "c"} {
		f.must(201, "PUT", "/fhir/Patient/"+id, fmt.Sprintf(`{'resourceType':'Patient','id':%q,'extension':[
			{'url':'urn:rank','valueInteger':%d},{'url':'urn:friend','valueReference':{'reference':'Practitioner/d'}}]}`, id, i))
	}
	f.put("rank", "rank", "Patient", "number", "Patient.extension.where(url='urn:rank').value")
	friend := strings.Replace(parameterResource("friend", "friend", "Patient", "reference", "Patient.extension.where(url='urn:friend').value"),
		`"base"`, `"target":["Practitioner"],"base"`, 1)
	if a := f.do("PUT", "/fhir/SearchParameter/friend", friend); a.status != 201 {
		t.Fatalf("%d: %s", a.status, a.body)
	}
	f.finish()
	f.finds("/fhir/Patient?rank=ge1", "a", "c")
	f.finds("/fhir/Patient?friend.name=dee&rank=0", "b")
	f.finds("/fhir/Practitioner?_has:Patient:friend:rank=2", "d")
	f.finds("/fhir/Patient?rank=0&_include=Patient:friend", "b", "d")
	f.finds("/fhir/Practitioner?_revinclude=Patient:friend", "d", "a", "b", "c")
	if a := f.must(200, "GET", "/fhir/Patient?_sort=-rank&_elements=id", ""); strings.Index(a.body, `"id":"c"`) > strings.Index(a.body, `"id":"a"`) || strings.Index(a.body, `"id":"a"`) > strings.Index(a.body, `"id":"b"`) {
		t.Errorf("%s", a.body)
	}
	// Conditional writes take them as criteria.
	f.must(200, "POST", "/fhir/Patient", `{'resourceType':'Patient'}`, "If-None-Exist: rank=1")
	f.must(204, "DELETE", "/fhir/Patient?rank=2", "")
	f.finds("/fhir/Patient?rank=ge1", "a")
}
