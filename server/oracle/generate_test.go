package oracle

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/fhirmap"
)

// types are those of which the resources are.
var types = []string{
	"AllergyIntolerance", "CarePlan", "ChargeItem", "Condition", "DiagnosticReport", "DocumentReference", "Encounter", "Group", "Invoice",
	"Location", "MedicationRequest", "MolecularSequence", "Observation", "Organization", "Patient", "Practitioner", "Procedure",
	"Questionnaire", "RiskAssessment", "ServiceRequest", "Substance", "ValueSet",
}

// generator writes random resources of few different values, which have most of what search parameters select.
type generator struct {
	*rand.Rand
	wanted map[string]bool     // paths of elements
	extras map[string][]object // extensions that parameters select, by type
	asked  map[string][]string // the types of choices that parameters name
	codes  map[string][]string // the codes that a path may have, as the server's refusals tell them
}

type object = map[string]any

var (
	casts     = regexp.MustCompile(`\.(as|ofType|where|extension)\(.*?\)+| as \w+|[()]|\[\d+\]`)
	choice    = regexp.MustCompile(`(\w+(?:\.\w+)+)(?: as |\.as\()(\w+)`)
	extension = regexp.MustCompile(`^(\w+)\.extension\('([^']+)'\)`)
)

func newGenerator(r *rand.Rand) *generator {
	g := &generator{r, map[string]bool{}, map[string][]object{}, map[string][]string{}, map[string][]string{}}
	for _, p := range r4.SearchParameters {
		if p.Example {
			continue
		}
		for _, e := range strings.Split(p.Expression, "|") {
			e = strings.TrimSpace(e)
			if m := extension.FindStringSubmatch(e); m != nil {
				g.extras[m[1]] = append(g.extras[m[1]], object{"url": m[2], "type": p.Type})
			}
			if m := choice.FindStringSubmatch(e); m != nil {
				g.asked[m[1]] = append(g.asked[m[1]], m[2])
			}
			path := ""
			for i, s := range strings.Split(casts.ReplaceAllString(e, ""), ".") {
				if i > 0 {
					path += "."
				}
				path += strings.TrimSpace(s)
				g.wanted[path] = true
			}
		}
	}
	return g
}

func pick[T any](g *generator, from []T) T { return from[g.IntN(len(from))] }

func (g *generator) one(chances int) bool { return g.IntN(chances) == 0 }

// resource makes one that the server takes.
func (g *generator) resource(typ, id string) []byte {
	refused := ""
	for range 100 {
		r := g.backbone(typ)
		r["resourceType"], r["id"] = typ, id
		meta := object{}
		if g.one(2) {
			meta["profile"] = g.some(func() any { return pick(g, urls) })
		}
		if g.one(2) {
			meta["tag"] = g.some(func() any { return g.coding() })
		}
		if g.one(3) {
			meta["security"] = g.some(func() any { return g.coding() })
		}
		if g.one(3) {
			meta["source"] = pick(g, urls)
		}
		if len(meta) > 0 {
			r["meta"] = meta
		}
		var extensions []any
		for _, x := range g.extras[typ] {
			if g.one(2) {
				continue
			}
			switch x["type"] {
			case "string":
				extensions = append(extensions, object{"url": x["url"], "valueString": pick(g, texts)})
			case "token":
				extensions = append(extensions, object{"url": x["url"], "valueCodeableConcept": g.concept()})
			case "reference":
				extensions = append(extensions, object{"url": x["url"], "valueReference": g.reference([]string{"Condition"})})
			}
		}
		if extensions != nil {
			r["extension"] = extensions
		}
		if strings.Contains(fmt.Sprint(r), "#p") {
			r["contained"] = []any{object{"resourceType": "Patient", "id": "p"}}
		}
		body, err := json.Marshal(r)
		if err != nil {
			panic(err)
		}
		if _, err = fhirmap.Parse(body, fhirmap.Limits{}); err == nil {
			return body
		}
		g.learn(err)
		refused = fmt.Sprintf("%v: %s", err, body)
	}
	panic(refused)
}

var (
	notACode = regexp.MustCompile(`is not a code of \S+; it may be (.*?)( and \d+ more)?$`)
	index    = regexp.MustCompile(`\[\d+\]`)
)

// learn takes from a refusal which codes an element may have.
func (g *generator) learn(err error) {
	for _, is := range err.(*fhirmap.Outcome).Issues {
		if m := notACode.FindStringSubmatch(is.Diagnostics); m != nil {
			g.codes[index.ReplaceAllString(is.Expression, "")] = strings.Split(m[1], ", ")
		}
	}
}

func (g *generator) some(of func() any) []any {
	var all []any
	for range 1 + g.IntN(3)*g.IntN(2) {
		all = append(all, of())
	}
	return all
}

// backbone makes an element of which the path is in the schema, with what parameters select in it.
func (g *generator) backbone(path string) object {
	m := object{}
	for _, d := range fhirmap.Elements(path) {
		full := path + "." + d.Name
		if slices.Contains([]string{"id", "meta", "contained", "extension", "modifierExtension", "text"}, d.Name) ||
			!d.Required && (!g.wanted[full] || g.one(3)) {
			continue
		}
		typ := pick(g, d.Types)
		if asked := g.asked[full]; asked != nil && !g.one(4) {
			typ = pick(g, asked)
		}
		make := g.maker(typ, d, full)
		if make == nil {
			continue
		}
		name := d.Name
		if len(d.Types) > 1 {
			name += strings.ToUpper(typ[:1]) + typ[1:]
		}
		if d.Repeats {
			m[name] = g.some(make)
		} else {
			m[name] = make()
		}
	}
	return m
}

// maker returns what makes values of a type, nil if nothing does.
func (g *generator) maker(typ string, d fhirmap.ElementDef, path string) func() any {
	from := func(values []string) func() any { return func() any { return pick(g, values) } }
	switch typ {
	case "BackboneElement", "Element":
		return func() any {
			for range 20 {
				if m := g.backbone(d.Path); len(m) > 0 {
					return m
				}
			}
			return object{"extension": []any{object{"url": "http://example.org/x", "valueString": "y"}}}
		}
	case "string", "markdown":
		return from(texts)
	case "code":
		return func() any {
			if c := g.codes[path]; c != nil {
				return pick(g, c[:min(len(c), 4)])
			}
			return pick(g, []string{"text/plain", "application/pdf"})
		}
	case "uri", "url", "canonical":
		return from(urls)
	case "boolean":
		return func() any { return g.one(2) }
	case "integer", "positiveInt", "unsignedInt":
		return func() any { return 1 + g.IntN(12) }
	case "decimal":
		return func() any { return json.Number(pick(g, numbers)) }
	case "date":
		return from(dates)
	case "dateTime":
		return from(slices.Concat(dates, times))
	case "instant":
		return from(times)
	case "Coding":
		return func() any { return g.coding() }
	case "CodeableConcept":
		return func() any { return g.concept() }
	case "Reference":
		return func() any { return g.reference(d.Targets) }
	}
	return g.complex(typ)
}
