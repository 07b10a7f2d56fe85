package auth

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage"
)

// Scope is one scope of a token (SMART App Launch 2.2, scopes and launch context). A resource scope has a Context; of any other, as
// openid or launch/patient, only the Name is set, and it lets nobody see anything.
//
//	patient/Observation.rs?category=laboratory
//	Context Type     Actions Params
type Scope struct {
	Name    string  // as it was written; what String answers
	Context Context // "": no resource scope
	Type    string  // a resource type, or * for all
	Actions string  // a part of "cruds", in that order
	Params  string  // of a granular scope: a search on Type, encoded as in a URL; "": no condition
}

// Context says whose resources a resource scope is about.
type Context string

// The contexts.
const (
	PatientContext Context = "patient" // those of the patient of the launch
	UserContext    Context = "user"    // those that the user may see
	SystemContext  Context = "system"  // no user is involved
)

// letters are the actions by the letters of SMART v2. An erasure is in no scope.
var letters = []struct {
	letter byte
	action storage.Action
	verb   string
}{
	{'c', storage.Create, "create"}, {'r', storage.Read, "read"}, {'u', storage.Update, "change"}, {'d', storage.Delete, "delete"},
	{'s', storage.Search, "search"},
}

// v1 are the actions by the words of SMART v1 (SMART App Launch 2.2, scopes, permission-v1).
var v1 = map[string]string{"read": "rs", "write": "cud", "*": "cruds"}

// ParseScope reads one scope. The error says what is wrong with a resource scope; every other word is a scope too.
func ParseScope(word string) (Scope, error) {
	s := Scope{Name: word}
	context, rest, ok := strings.Cut(word, "/")
	if !ok || !slices.Contains([]Context{PatientContext, UserContext, SystemContext}, Context(context)) {
		return s, nil
	}
	rest, params, granular := strings.Cut(rest, "?")
	typ, actions, _ := strings.Cut(rest, ".")
	if typ != "*" && !fhirmap.IsResource(typ) {
		return s, fmt.Errorf("the scope %s: %q is no resource type of FHIR R4, nor *", clip(word), clip(typ))
	}
	old := v1[actions]
	switch {
	case old != "" && granular:
		return s, fmt.Errorf("the scope %s: only scopes of SMART v2, as .rs, take parameters", clip(word))
	case old != "":
		actions = old
	case !ordered(actions):
		return s, fmt.Errorf("the scope %s: %q must be some of the letters cruds in this order, or read, write or *", clip(word), clip(actions))
	}
	if granular {
		if _, err := pairs(params); err != nil || params == "" {
			return s, fmt.Errorf("the scope %s: what follows the ? must be a search, as category=laboratory", clip(word))
		}
	}
	s.Context, s.Type, s.Actions, s.Params = Context(context), typ, actions, params
	return s, nil
}

// ordered reports whether a word is a part of "cruds" that is not empty, each letter once and in order.
func ordered(word string) bool {
	at := -1
	for i := range len(word) {
		n := strings.IndexByte("cruds", word[i])
		if n <= at {
			return false
		}
		at = n
	}
	return word != ""
}

func (s Scope) String() string { return s.Name }

// Allows reports whether the scope is about an action on a type, whatever the conditions.
func (s Scope) Allows(a storage.Action, typ string) bool {
	if s.Context == "" || s.Type != "*" && s.Type != typ {
		return false
	}
	for _, l := range letters {
		if l.action == a {
			return strings.IndexByte(s.Actions, l.letter) >= 0
		}
	}
	return false
}

// Within reports whether all that s lets a caller do, wide lets him do too, as far as their words tell.
func (s Scope) Within(wide Scope) bool {
	if s.Context == "" || wide.Context == "" {
		return s.Name == wide.Name
	}
	if s.Context != wide.Context || wide.Type != "*" && wide.Type != s.Type || !containsAll(wide.Actions, s.Actions) {
		return false
	}
	mine, _ := pairs(s.Params)
	theirs, _ := pairs(wide.Params)
	for _, p := range theirs {
		if !slices.Contains(mine, p) {
			return false
		}
	}
	return true
}

func containsAll(wide, narrow string) bool {
	for i := range len(narrow) {
		if strings.IndexByte(wide, narrow[i]) < 0 {
			return false
		}
	}
	return true
}

// Intersect returns the scope that allows what both allow; ok is false if there is nothing. It keeps the name of s where s lies
// within t already, so that a client gets back the words it knows.
func (s Scope) Intersect(t Scope) (both Scope, ok bool) {
	switch {
	case s.Within(t):
		return s, true
	case t.Within(s):
		return t, true
	case s.Context == "" || s.Context != t.Context || s.Type != t.Type && s.Type != "*" && t.Type != "*":
		return Scope{}, false
	}
	both = Scope{Context: s.Context, Type: s.Type, Params: s.Params}
	if s.Type == "*" {
		both.Type = t.Type
	}
	for _, l := range letters {
		if strings.IndexByte(s.Actions, l.letter) >= 0 && strings.IndexByte(t.Actions, l.letter) >= 0 {
			both.Actions += string(l.letter)
		}
	}
	mine, _ := pairs(s.Params)
	theirs, _ := pairs(t.Params)
	for _, p := range theirs {
		if slices.Contains(mine, p) {
			continue
		}
		if both.Params != "" {
			both.Params += "&"
		}
		both.Params += p
	}
	return both.named(), both.Actions != ""
}

// named writes the name of a resource scope in the form of SMART v2.
func (s Scope) named() Scope {
	s.Name = string(s.Context) + "/" + s.Type + "." + s.Actions
	if s.Params != "" {
		s.Name += "?" + s.Params
	}
	return s
}

// Split returns the scopes into which a user may divide a resource scope by types and by actions: reading (rs) apart from writing
// (cud), and * by the types given. The scope itself, if there is nothing to divide.
func (s Scope) Split(types ...string) []Scope {
	if s.Context == "" {
		return []Scope{s}
	}
	if s.Type != "*" || len(types) == 0 {
		types = []string{s.Type}
	}
	var out []Scope
	for _, typ := range types {
		for _, part := range []string{"rs", "cud"} {
			p := Scope{Context: s.Context, Type: typ, Params: s.Params}
			for i := range len(part) {
				if strings.IndexByte(s.Actions, part[i]) >= 0 {
					p.Actions += string(part[i])
				}
			}
			if p.Actions != "" {
				out = append(out, p.named())
			}
		}
	}
	if len(out) == 1 && out[0].Type == s.Type {
		return []Scope{s} // by the name it came with
	}
	return out
}

// Display says in English what a scope allows: "read and search Observation where category is laboratory".
func (s Scope) Display() string {
	if s.Context == "" {
		if say := plain[s.Name]; say != "" {
			return say
		}
		return s.Name
	}
	var verbs []string
	for _, l := range letters {
		if strings.IndexByte(s.Actions, l.letter) >= 0 {
			verbs = append(verbs, l.verb)
		}
	}
	text := strings.Join(verbs, ", ")
	if n := len(verbs); n > 1 {
		text = strings.Join(verbs[:n-1], ", ") + " and " + verbs[n-1]
	}
	if s.Type == "*" {
		text += " records of every kind"
	} else {
		text += " " + s.Type
	}
	ps, _ := pairs(s.Params)
	for i, p := range ps {
		name, value, _ := strings.Cut(p, "=")
		value, _ = url.QueryUnescape(value)
		if system, code, ok := strings.Cut(value, "|"); ok && code != "" && !strings.Contains(system, ",") {
			value = code
		}
		text += []string{" where ", " and "}[min(i, 1)] + name + " is " + value
	}
	return text
}

// plain says what the scopes mean that are about no resources.
var plain = map[string]string{
	"openid":           "know who you are",
	"fhirUser":         "know which record is your own",
	"profile":          "know your name",
	"launch":           "know what you had open when you started it",
	"launch/patient":   "know which patient you choose",
	"launch/encounter": "know which encounter you choose",
	"offline_access":   "go on when you are not there, until you revoke it",
	"online_access":    "go on as long as you are signed in",
}

// Scopes are those of one token: what any of them allows is allowed. Its text, in JSON too, is that of the OAuth scope parameter.
type Scopes []Scope

// ParseScopes reads the words of a scope parameter (RFC 6749 section 3.3). A resource scope that is malformed allows nothing, and
// is kept by its name alone.
func ParseScopes(text string) Scopes {
	var out Scopes
	for word := range strings.FieldsSeq(text) {
		s, err := ParseScope(word)
		if err != nil {
			s = Scope{Name: word}
		}
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func (ss Scopes) String() string {
	names := make([]string, len(ss))
	for i, s := range ss {
		names[i] = s.Name
	}
	return strings.Join(names, " ")
}

// MarshalText writes the scope parameter.
func (ss Scopes) MarshalText() ([]byte, error) { return []byte(ss.String()), nil }

// UnmarshalText reads a scope parameter.
func (ss *Scopes) UnmarshalText(b []byte) error {
	*ss = ParseScopes(string(b))
	return nil
}

// Has reports whether a scope of this name is there: openid, offline_access.
func (ss Scopes) Has(name string) bool {
	return slices.ContainsFunc(ss, func(s Scope) bool { return s.Name == name })
}

// Allows reports whether some scope is about an action on a type, whatever its conditions.
func (ss Scopes) Allows(a storage.Action, typ string) bool {
	return slices.ContainsFunc(ss, func(s Scope) bool { return s.Allows(a, typ) })
}

// Within reports whether every scope lies within one of wide: what a refresh may ask for (RFC 6749 section 6).
func (ss Scopes) Within(wide Scopes) bool {
	for _, s := range ss {
		if !slices.ContainsFunc(wide, s.Within) {
			return false
		}
	}
	return true
}

// Intersect returns what of the scopes asked for is granted by wide: a scope that lies within one of wide as it is, of others the
// parts that do.
func (ss Scopes) Intersect(wide Scopes) Scopes {
	var out Scopes
	for _, s := range ss {
		if slices.ContainsFunc(wide, s.Within) {
			out = append(out, s)
			continue
		}
		for _, w := range wide {
			if both, ok := s.Intersect(w); ok {
				out = append(out, both)
			}
		}
	}
	return compact(out)
}

func compact(ss Scopes) Scopes {
	var out Scopes
	for _, s := range ss {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

var errPair = errors.New("a pair of a name and a value is needed")

// pairs divides the parameters of a granular scope, each as it was written.
func pairs(params string) ([]string, error) {
	if params == "" {
		return nil, nil
	}
	out := strings.Split(params, "&")
	for _, p := range out {
		name, value, ok := strings.Cut(p, "=")
		if !ok || name == "" || value == "" {
			return nil, errPair
		}
		for _, part := range []string{name, value} {
			if _, err := url.QueryUnescape(part); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// clip shortens what a client sent before it is told back.
func clip(s string) string {
	if len(s) > 100 {
		s = s[:100] + "…"
	}
	return strings.ToValidUTF8(s, "�")
}
