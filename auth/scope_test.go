package auth_test

import (
	"encoding/json"
	"testing"

	"github.com/hob-fhir/hob/auth"
	"github.com/hob-fhir/hob/storage"
)

func TestParseScope(t *testing.T) {
	for _, c := range []struct {
		word, context, typ, actions, params string
		bad                                 bool
	}{
		{word: "patient/Observation.rs", context: "patient", typ: "Observation", actions: "rs"},
		{word: "patient/Observation.read", context: "patient", typ: "Observation", actions: "rs"},
		{word: "user/*.write", context: "user", typ: "*", actions: "cud"},
		{word: "system/*.*", context: "system", typ: "*", actions: "cruds"},
		{word: "patient/*.cruds", context: "patient", typ: "*", actions: "cruds"},
		{word: "patient/Condition.s", context: "patient", typ: "Condition", actions: "s"},
		{word: "patient/Observation.rs?category=http://x|laboratory&status=final", context: "patient", typ: "Observation", actions: "rs", params: "category=http://x|laboratory&status=final"},
		{word: "openid"},
		{word: "launch/patient"},
		{word: "https://other.example/scope"},
		{word: "patient/Observation.sr", bad: true},
		{word: "patient/Observation.rr", bad: true},
		{word: "patient/Observation.", bad: true},
		{word: "patient/Observation", bad: true},
		{word: "patient/observation.rs", bad: true},
		{word: "patient/Nothing.rs", bad: true},
		{word: "patient/.rs", bad: true},
		{word: "patient/Observation.Read", bad: true},
		{word: "patient/Observation.read?category=x", bad: true},
		{word: "patient/Observation.rs?", bad: true},
		{word: "patient/Observation.rs?category", bad: true},
		{word: "patient/Observation.rs?category=%zz", bad: true},
		{word: "patient/*/Observation.rs", bad: true},
	} {
		s, err := auth.ParseScope(c.word)
		if (err != nil) != c.bad {
			t.Errorf("%s: error %v", c.word, err)
		}
		if string(s.Context) != c.context || s.Type != c.typ || s.Actions != c.actions || s.Params != c.params || s.String() != c.word {
			t.Errorf("%s is read as %+v", c.word, s)
		}
		if got := auth.ParseScopes(c.word); len(got) != 1 || got.String() != c.word || c.bad && got.Allows(storage.Read, "Observation") {
			t.Errorf("%s as one of several is %+v", c.word, got)
		}
	}
}

func TestScopesWithin(t *testing.T) {
	for _, c := range []struct {
		narrow, wide, both string
		within             bool
	}{
		{"patient/Observation.r", "patient/Observation.rs", "patient/Observation.r", true},
		{"patient/Observation.rs", "patient/Observation.r", "patient/Observation.r", false},
		{"patient/Observation.read", "patient/*.rs", "patient/Observation.read", true},
		{"patient/*.rs", "patient/Observation.read", "patient/Observation.read", false},
		{"patient/*.rs", "patient/Observation.crd", "patient/Observation.r", false},
		{"user/Observation.rs", "patient/Observation.rs", "", false},
		{"patient/Observation.rs?category=a", "patient/Observation.rs", "patient/Observation.rs?category=a", true},
		{"patient/Observation.rs", "patient/Observation.rs?category=a", "patient/Observation.rs?category=a", false},
		{"patient/Observation.rs?category=b", "patient/Observation.rs?category=a", "patient/Observation.rs?category=b&category=a", false},
		{"patient/Observation.r", "patient/Observation.s", "", false},
		{"openid fhirUser", "openid fhirUser offline_access", "openid fhirUser", true},
		{"openid launch", "openid", "openid", false},
		{"", "openid", "", true},
	} {
		narrow, wide := auth.ParseScopes(c.narrow), auth.ParseScopes(c.wide)
		if got := narrow.Within(wide); got != c.within {
			t.Errorf("%q within %q is %v", c.narrow, c.wide, got)
		}
		both := narrow.Intersect(wide)
		if got := both.String(); got != c.both {
			t.Errorf("%q and %q have %q in common, want %q", c.narrow, c.wide, got, c.both)
		}
		if !both.Within(wide) || !both.Within(narrow) {
			t.Errorf("%q is not within %q and %q", both, c.narrow, c.wide)
		}
	}
}

func TestScopeSplitAndDisplay(t *testing.T) {
	for _, c := range []struct {
		word  string
		types []string
		parts []string
		say   string
	}{
		{"patient/Observation.rs", nil, []string{"patient/Observation.rs"}, "read and search Observation"},
		{"patient/Observation.read", nil, []string{"patient/Observation.read"}, "read and search Observation"},
		{"patient/Observation.cruds", nil, []string{"patient/Observation.rs", "patient/Observation.cud"}, "create, read, change, delete and search Observation"},
		{"patient/*.read", []string{"Patient", "Goal"}, []string{"patient/Patient.rs", "patient/Goal.rs"}, "read and search records of every kind"},
		{"patient/Observation.rs?category=http%3A%2F%2Fx%7Claboratory&status=final", nil,
			[]string{"patient/Observation.rs?category=http%3A%2F%2Fx%7Claboratory&status=final"}, "read and search Observation where category is laboratory and status is final"},
		{"openid", []string{"Patient"}, []string{"openid"}, "know who you are"},
		{"strange", nil, []string{"strange"}, "strange"},
	} {
		s, err := auth.ParseScope(c.word)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Display(); got != c.say {
			t.Errorf("%s says %q, want %q", c.word, got, c.say)
		}
		var got []string
		for _, p := range s.Split(c.types...) {
			if !p.Within(s) {
				t.Errorf("%s, a part of %s, is not within it", p, s)
			}
			got = append(got, p.String())
		}
		if len(got) != len(c.parts) {
			t.Fatalf("%s splits into %q, want %q", c.word, got, c.parts)
		}
		for i := range got {
			if got[i] != c.parts[i] {
				t.Errorf("%s splits into %q, want %q", c.word, got, c.parts)
			}
		}
	}
}

func TestGrantJSON(t *testing.T) {
	g := auth.Grant{Issuer: "https://issuer.example", Subject: "7", Scopes: auth.ParseScopes("openid patient/*.read"), Patient: "ann"}
	b, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"iss":"https://issuer.example","sub":"7","scope":"openid patient/*.read","patient":"ann"}`
	if string(b) != want {
		t.Errorf("written as %s, want %s", b, want)
	}
	var back auth.Grant
	if err := json.Unmarshal(b, &back); err != nil || !back.Scopes.Allows(storage.Search, "Goal") || back.Scopes.Allows(storage.Create, "Goal") {
		t.Errorf("read back as %+v (%v)", back, err)
	}
}

func FuzzParseScope(f *testing.F) {
	for _, word := range []string{"patient/Observation.rs?category=a&b=c", "user/*.*", "system/Patient.cruds", "openid", "patient/", "patient/*.rs?%zz"} {
		f.Add(word, "patient/*.rs")
	}
	f.Fuzz(func(t *testing.T, one, other string) {
		a, b := auth.ParseScopes(one), auth.ParseScopes(other)
		if again := auth.ParseScopes(a.String()); again.String() != a.String() {
			t.Errorf("%q is read again as %q", a, again)
		}
		if !a.Within(a) {
			t.Errorf("%q is not within itself", a)
		}
		both := a.Intersect(b)
		if !both.Within(a) || !both.Within(b) {
			t.Errorf("%q, of %q and %q, is not within both", both, a, b)
		}
		for _, s := range a {
			s.Display()
			for _, part := range s.Split("Patient", "Goal") {
				if !part.Within(s) {
					t.Errorf("%q, a part of %q, is not within it", part, s)
				}
			}
		}
	})
}
