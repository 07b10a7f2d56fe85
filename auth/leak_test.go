package auth_test

import (
	"fmt"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hob-fhir/hob/auth"
)

// strangers are the callers to whom bob is nobody. None of them may see, count or infer anything of his.
var strangers = []string{
	"patient ann", "user ann", "reader ann", "laboratory ann", "doctor dan", "team eve", "encounter fay", "role gil", "as the role gil", "related rita", "doctor ivy",
	"in the app of dan", "nobody", "openid", "anonymous", "curator",
}

// TestLeaks asks in every way for what is bob's, as everyone to whom he is nobody, in three worlds that differ in his records alone: in one
// he has none, in another he has others of the same ids. No answer may hold what is his, nor tell the worlds apart: what is the same for
// all that bob might be says nothing about him.
func TestLeaks(t *testing.T) {
	all := ways()
	for _, role := range strangers {
		t.Run(role, func(t *testing.T) {
			var worlds []*world
			for _, salt := range []int{2, 0, -1} {
				w := newWorld(t, nil)
				w.leakWorld(salt)
				worlds = append(worlds, w)
			}
			asked := 0
			for _, way := range all {
				for _, a := range way.asks {
					asked++
					var said []string
					for i, w := range worlds {
						if i == 2 && way.claims {
							continue
						}
						said = append(said, w.overhear(t, role, way.name, a))
					}
					for i, s := range said[1:] {
						if s != said[0] {
							t.Errorf("%s: %s tells the worlds apart:\n%s\nand in the world with %s\n%s", way.name, a, brief(said[0], s), []string{"other records", "none"}[i], brief(s, said[0]))
						}
					}
				}
			}
			if len(all) < 40 || asked < 300 {
				t.Errorf("only %d ways and %d requests were tried", len(all), asked)
			}
		})
	}
}

// overhear asks, follows the links of the answer to further pages, and returns all that was said. A header Steal: role asks for a page as
// that role first, and then for its next page as the caller.
func (w *world) overhear(t *testing.T, role, way string, a asked) string {
	t.Helper()
	var said strings.Builder
	for n := 0; n < 20; n++ {
		w.at = w.at.Add(time.Second)
		asker := role
		if len(a.header) == 1 && strings.HasPrefix(a.header[0], "Steal: ") {
			asker = strings.TrimPrefix(a.header[0], "Steal: ")
			next := nextLink(w.ask(asker, asked{method: a.method, path: a.path}).Body.String())
			if next == "" {
				return "" // bob has nothing in this world, or only one page
			}
			a, asker = asked{method: "GET", path: next}, role
		}
		out := w.ask(asker, a)
		text := normalised(out)
		if i := strings.Index(text, secret("bob")); i >= 0 && !strings.Contains(a.String(), secret("bob")) {
			t.Errorf("%s: %s shows what is bob's: …%s…", way, a, text[max(0, i-200):min(len(text), i+100)])
		}
		if out.Code >= 500 {
			t.Errorf("%s: %s is answered %d: %s", way, a, out.Code, out.Body)
		}
		said.WriteString(text)
		if a.method != "GET" {
			break
		}
		next := nextLink(out.Body.String())
		if next == "" {
			break
		}
		a = asked{method: "GET", path: next}
	}
	return said.String()
}

var nextRelation = regexp.MustCompile(`"relation":"next","url":"([^"]*)"`)

func nextLink(body string) string {
	if m := nextRelation.FindStringSubmatch(body); m != nil {
		return strings.ReplaceAll(m[1], `\u0026`, "&")
	}
	return ""
}

// unlike are the parts of an answer that differ from one time to the next, whatever is stored: seals, times taken.
var unlike = regexp.MustCompile(`_page=[A-Za-z0-9_-]+|"micros":[0-9.]+`)

// normalised is all of an answer that a caller can look at.
func normalised(out *httptest.ResponseRecorder) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d", out.Code)
	for _, name := range []string{"Content-Type", "Location", "Content-Location", "Etag", "Last-Modified", "Allow", "Www-Authenticate", "Accept-Patch", "Vary"} {
		fmt.Fprintf(&b, " %s=%q", name, out.Header().Values(name))
	}
	fmt.Fprintf(&b, "\n%s\n", unlike.ReplaceAllString(out.Body.String(), "…"))
	return b.String()
}

// brief is where a text begins to differ from another.
func brief(s, other string) string {
	i := 0
	for i < len(s) && i < len(other) && s[i] == other[i] {
		i++
	}
	return "…" + s[max(0, i-150):min(len(s), i+250)] + "…"
}

// TestLeaksAreSeen lets the tests of TestLeaks ask as those who may see bob, and as one whose access is not narrowed where it joins: a suite
// that finds nothing there would find nothing anywhere.
func TestLeaksAreSeen(t *testing.T) {
	for _, role := range []string{"patient bob", "doctor hal", "system", "admin"} {
		var worlds []*world
		for _, salt := range []int{0, 2} {
			w := newWorld(t, nil)
			w.leakWorld(salt)
			worlds = append(worlds, w)
		}
		told := 0
		for _, way := range ways() {
			if way.name == "conditional create" {
				break // the writes begin here
			}
			for _, a := range way.asks {
				if len(a.header) > 0 && strings.HasPrefix(a.header[0], "Steal") {
					continue
				}
				if normalised(worlds[0].ask(role, a)) != normalised(worlds[1].ask(role, a)) {
					told++
				}
			}
		}
		if told < 100 {
			t.Errorf("%s sees bob, but only %d requests tell the worlds apart", role, told)
		}
	}
}

// TestLeaksOfThousands counts as many callers in a store of many patients: each sees his own and no other.
func TestLeaksOfThousands(t *testing.T) {
	patients := 30
	if os.Getenv("HOB_SOAK") != "" {
		patients = 1000
	}
	w := newWorld(t, nil)
	for i := range 7 {
		w.put(fmt.Sprintf(`{"resourceType":"Practitioner","id":"doc%d"}`, i))
	}
	for i := range patients {
		id := fmt.Sprintf("p%d", i)
		var entries []string
		for _, r := range patientFile(id, fmt.Sprintf("doc%d", i%7), i%3) {
			if r.deed == "" {
				entries = append(entries, entryOf("PUT", pathOf(r.body)[1:], r.body))
			}
		}
		if out := w.ask("", bundleOf("transaction", entries...)); out.Code != 200 {
			t.Fatalf("%s is not taken: %d %s", id, out.Code, out.Body)
		}
	}
	foreign := regexp.MustCompile(`secretp([0-9]+)`)
	for i := range patients {
		id := fmt.Sprintf("p%d", i)
		a, err := w.policy.Access(auth.Grant{Scopes: auth.ParseScopes("patient/*.rs"), Patient: id, FHIRUser: "Patient/" + id})
		if err != nil {
			t.Fatal(err)
		}
		as := w.is(a, id)
		for _, path := range []string{"/Observation", "/Patient", "/Observation?_include=*&_revinclude=*", "/Patient/" + id + "/$everything", "/_history", "/Practitioner?_revinclude=*",
			"/Observation?subject.name=secret", "/Patient?_has:Observation:patient:code=1-8", "/Observation/$lastn?patient=" + id, "/Encounter?_sort=-date"} {
			seen := 0
			for next := path; next != ""; {
				out := as.ask("", asked{method: "GET", path: next})
				if out.Code != 200 {
					t.Fatalf("%s as %s: %d %s", next, id, out.Code, out.Body)
				}
				for _, m := range foreign.FindAllStringSubmatch(out.Body.String(), -1) {
					seen++
					if m[1] != fmt.Sprint(i) {
						t.Fatalf("%s shows %s what is of p%s", next, id, m[1])
					}
				}
				next = nextLink(out.Body.String())
			}
			if seen == 0 {
				t.Errorf("%s shows %s nothing of his own", path, id)
			}
		}
	}
}
