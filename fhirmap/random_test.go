package fhirmap

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// generator writes random resources that R4 allows, from the schema.
type generator struct {
	*rand.Rand
	contained bool
}

// legal are texts of each primitive type, as JSON writes them; those that parsers tend to trip over among them.
var legal = map[string][]string{
	"base64Binary": {`"YQ=="`, `" YWJj\nZGVm "`, `"YWJjZA\u003d="`, `"` + strings.Repeat("YWJj", 30) + `"`, `"+\/\/+"`},
	"boolean":      {`true`, `false`},
	"canonical":    {`"http://example.org/a|1.0"`, `"#a"`, `"urn:oid:1.2.3"`},
	"code":         {`"a"`, `"a b"`, `"ä"`, `"\u0061"`, `"a/b;c=\"d\""`},
	"date":         {`"2020"`, `"0001-01"`, `"2020-02-29"`, `"9999-12-31"`},
	"dateTime":     {`"1900"`, `"2020-12"`, `"2020-02-29"`, `"2020-02-29T00:00:00Z"`, `"2016-12-31T23:59:60.123456789123+14:00"`, `"2020-01-01T01:02:03-00:30"`},
	"decimal":      {`0`, `-0`, `1.50`, `1e2`, `1E-400`, `1e400`, `-12345678901234567890.0123456789012345678`, `0.1`, `1` + strings.Repeat("0", 400)},
	"id":           {`"a"`, `"A-1.b"`, `"` + strings.Repeat("a", 64) + `"`},
	"instant":      {`"2020-02-29T00:00:00Z"`, `"2016-12-31T23:59:60Z"`, `"0001-01-01T00:00:00.1+01:00"`},
	"integer":      {`0`, `-1`, `2147483647`, `-2147483648`},
	"markdown":     {`"*x*\n\n\ty"`, `"😀"`},
	"oid":          {`"urn:oid:2.16.840"`, `"urn:oid:1.0"`},
	"positiveInt":  {`1`, `2147483647`},
	"string":       {`"x"`, `" "`, `"\u00e4\ud83d\ude00\/\"\\"`, `"` + strings.Repeat("ä", 300) + `"`, `"null"`},
	"time":         {`"00:00:00"`, `"23:59:60"`, `"12:30:00.000000001"`},
	"unsignedInt":  {`0`, `2147483647`},
	"uri":          {`"http://example.org/ä?b=c#d"`, `"urn:uuid:c757873d-ec9a-4326-a141-556f43239520"`, `"a"`, `"mailto:a@b"`},
	"url":          {`"http://example.org"`, `"ftp://a/b"`},
	"uuid":         {`"urn:uuid:c757873d-ec9a-4326-a141-556f43239520"`},
	"xhtml":        {`"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"`},
}

func pick[T any](g *generator, from []T) T { return from[g.IntN(len(from))] }

func (g *generator) one(chances int) bool { return g.IntN(chances) == 0 }

func (g *generator) resource(typ string, depth int) string {
	members := g.members(schema().resources[typ], depth)
	members = slices.Insert(members, g.IntN(len(members)+1), `"resourceType":"`+typ+`"`)
	return "{" + strings.Join(members, ",") + "}"
}

func (g *generator) object(t *typeDef, depth int) string {
	for range 20 {
		m := g.members(t, depth)
		if slices.ContainsFunc(m, func(s string) bool { return !strings.HasPrefix(s, `"id":`) }) {
			return "{" + strings.Join(m, ",") + "}"
		}
	}
	return `{"extension":[` + extension + `]}`
}

const extension = `{"url":"http://example.org/x","valueString":"y"}`

func (g *generator) members(t *typeDef, depth int) (members []string) {
	for _, d := range t.elements {
		if !d.Required && !g.one(3+len(t.elements)/(1+max(0, depth))) {
			continue
		}
		if d.Name == "contained" && g.contained || d.Name == "meta" && g.contained {
			continue
		}
		var choices []*member
		for _, key := range slices.Sorted(maps.Keys(t.members)) {
			if m := t.members[key]; m.name == d.Name && !m.beside {
				choices = append(choices, m)
			}
		}
		m := pick(g, choices)
		if !d.Required && depth <= 0 && !m.typ.primitive() {
			continue
		}
		members = append(members, g.member(t, m, depth-1)...)
	}
	g.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return members
}

// member writes an element, as one member or as two.
func (g *generator) member(t *typeDef, m *member, depth int) []string {
	key := m.key
	n := 1
	if m.repeats {
		n += g.IntN(3)
	}
	var values, besides []string
	for range n {
		switch {
		case m.typ.kind == kindResource:
			was := g.contained
			g.contained = g.contained || key == "contained"
			values = append(values, g.resource(pick(g, []string{"Patient", "Observation", "Binary", "Medication", "Bundle", "Parameters"}), depth))
			g.contained = was
		case !m.typ.primitive():
			values = append(values, g.object(m.typ, depth))
		default:
			value, beside := g.primitive(m.typ), "null"
			if t.name != "Extension" && m.typ.name != "xhtml" && key != "id" && g.one(4) {
				beside = `{"extension":[` + extension + `]}`
				if g.one(2) {
					value = "null"
				} else if g.one(2) {
					beside = `{"id":"x"}`
				}
			}
			values, besides = append(values, value), append(besides, beside)
		}
	}
	var members []string
	add := func(key string, items []string) {
		if slices.ContainsFunc(items, func(s string) bool { return s != "null" }) {
			if m.repeats {
				members = append(members, fmt.Sprintf(`%q:[%s]`, key, strings.Join(items, ",")))
			} else {
				members = append(members, fmt.Sprintf(`%q:%s`, key, items[0]))
			}
		}
	}
	add(key, values)
	add("_"+key, besides)
	return members
}

func (g *generator) primitive(t *typeDef) string {
	if t.codes != nil {
		return fmt.Sprintf("%q", pick(g, slices.Sorted(maps.Keys(t.codes))))
	}
	return pick(g, legal[t.name])
}

// checkRandom generates a resource from a seed: Parse must take it and keep it to the letter. Then one byte or piece of it is
// changed: Parse must not panic, and refuse with a reason of its own, or take it and keep it again.
func checkRandom(t *testing.T, seed uint64) {
	t.Helper()
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0))}
	body := g.resource(pick(g, ResourceTypes()), 4)
	r, err := Parse([]byte(body), Limits{})
	if err != nil {
		t.Errorf("seed %d: legal content is refused: %v\n%s", seed, err, body)
		return
	}
	if string(r.JSON()) != body {
		t.Errorf("seed %d: changed\n got %s\nwant %s", seed, r.JSON(), body)
	}
	trusted, err := Trusted(r.JSON())
	if err != nil || !reflect.DeepEqual(trusted.Root(), r.Root()) {
		t.Errorf("seed %d: Trusted reads another tree (%v)\n%s", seed, err, body)
	}
	checkStamped(t, body, string(r.Stamp("7", 1, time.Unix(1e9, 0))))

	changed := []byte(body)
	for range 1 + g.IntN(3) {
		at := g.IntN(len(changed))
		switch g.IntN(3) {
		case 0:
			changed[at] = pick(g, []byte(`{}[]",:0a_n\ -1T`))
		case 1:
			changed = slices.Delete(changed, at, min(len(changed), at+1+g.IntN(8)))
		default:
			changed = slices.Insert(changed, at, []byte(pick(g, []string{`null,`, `"",`, `[]`, `{}`, `"_`, `00`, `\u0000`, `"id":"a",`, ` `}))...)
		}
	}
	r, err = Parse(changed, Limits{})
	if err != nil {
		for _, is := range err.(*Outcome).Issues {
			if is.Code == CodeInvalid {
				t.Errorf("seed %d: only google/fhir finds this: %+v\n%s", seed, is, changed)
			}
		}
		return
	}
	if again, err := Parse(r.JSON(), Limits{}); err != nil || !reflect.DeepEqual(again.Root(), r.Root()) {
		t.Errorf("seed %d: not read again as it was (%v)\n%s", seed, err, changed)
	}
}

// TestRandom runs 300 seeds, or five minutes of them if HOB_SOAK is 1. FuzzRandom runs one seed again.
func TestRandom(t *testing.T) {
	first := rand.Uint64()
	until := time.Now()
	if os.Getenv("HOB_SOAK") == "1" {
		until = until.Add(5 * time.Minute)
	}
	for n := uint64(0); n < 300 || time.Now().Before(until); n++ {
		if checkRandom(t, first+n); t.Failed() {
			break
		}
	}
}

func FuzzRandom(f *testing.F) {
	for seed := range uint64(10) {
		f.Add(seed)
	}
	f.Fuzz(checkRandom)
}
