package oracle

import (
	"encoding/json"
	"strings"
)

// Few values of each sort, chosen to collide: by case, accent, beginning, precision, zone and unit.
var (
	ids     = []string{"a", "A", "b", "ab", "a-1", "a.1", "1", "10", "b2"}
	texts   = []string{"Smith", "smith", "Smithers", "SMÍTH", "van der Berg", "Berg", "O'Neil", "oneil", "Müller", "Mueller", "Straße", "strasse", "a,b", "a$b", `a\b`, "a|b", "Łódź", "ὈΔΥΣΣΕΎΣ", "Jean-Luc", "jean luc", "-", "x < y", "ﬁne", "İstanbul"}
	codes   = []string{"a", "A", "b", "ab", "8867-4", "true", "mg", "MG", "x|y", "ä", "Ä"}
	systems = []string{"", "", "http://loinc.org", "http://snomed.info/sct", "http://snomed.info/sct2", "urn:oid:1.2.3", ucum}
	urls    = []string{"http://example.org/a", "http://example.org/a|1.0", "http://example.org/a|2.0", "http://example.org/ab", "http://example.org/A", "http://example.org/a/b", base + "/PlanDefinition/a", "PlanDefinition/b|1.0", "urn:uuid:c757873d-ec9a-4326-a141-556f43239520", "urn:oid:1.2.3"}
	dates   = []string{"2023", "2024", "2023-12", "2024-01", "2024-02", "2023-12-31", "2024-01-01", "2024-02-29", "2024-03-01", "1950-06-15"}
	times   = []string{"2023-12-31T23:59:59Z", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00+02:00", "2024-01-01T00:00:00-05:00", "2024-01-01T10:00:00Z", "2024-01-01T10:00:00.5Z", "2024-01-01T10:00:00.500+00:00", "2024-01-01T23:45:00+13:45", "2024-01-01T10:00:30Z", "2024-02-29T10:00:00Z", "2024-02-29T12:00:00+02:00"}
	numbers = []string{"0.001", "0.004", "0", "-1", "1", "5.4", "5.40", "5.35", "5.45", "5", "10", "99.5", "100", "100.5", "1e2", "0.95", "5400", "5.4e3", "-5.4", "12345678901234567890.5"}
)

func (g *generator) coding() object {
	m := object{}
	if s := pick(g, systems); s != "" {
		m["system"] = s
	}
	if !g.one(8) {
		m["code"] = pick(g, codes)
	}
	if g.one(2) || len(m) == 0 {
		m["display"] = pick(g, texts)
	}
	return m
}

func (g *generator) concept() object {
	m := object{}
	if !g.one(6) {
		m["coding"] = g.some(func() any { return g.coding() })
	}
	if g.one(3) || len(m) == 0 {
		m["text"] = pick(g, texts)
	}
	return m
}

func (g *generator) identifier() object {
	m := object{}
	if s := pick(g, systems); s != "" {
		m["system"] = s
	}
	if !g.one(8) || len(m) == 0 {
		m["value"] = pick(g, codes)
	}
	if g.one(2) {
		m["type"] = g.concept()
	}
	return m
}

const base = "http://hob.test/fhir"

// reference points to one of the targets, in one of the ways that there are.
func (g *generator) reference(targets []string) object {
	if len(targets) == 0 {
		targets = []string{"Resource"}
	}
	var here []string
	for _, t := range targets {
		for _, typ := range types {
			if t == typ || t == "Resource" {
				here = append(here, typ)
			}
		}
	}
	typ := pick(g, targets)
	if len(here) > 0 && !g.one(10) {
		typ = pick(g, here)
	}
	if typ == "Resource" {
		typ = "Basic"
	}
	ref := typ + "/" + pick(g, ids)
	switch g.IntN(12) {
	case 0:
		return object{"reference": base + "/" + ref}
	case 1:
		return object{"reference": ref + "/_history/2"}
	case 2:
		return object{"reference": "http://other.test/fhir/" + ref}
	case 3:
		return object{"identifier": g.identifier(), "type": typ}
	case 4:
		return object{"identifier": g.identifier(), "reference": ref, "display": pick(g, texts)}
	case 5:
		if typ == "Patient" {
			return object{"reference": "#p"}
		}
	}
	return object{"reference": ref}
}

func (g *generator) quantity() object {
	m := object{}
	if !g.one(10) {
		m["value"] = json.Number(pick(g, numbers))
	}
	switch g.IntN(7) {
	case 0:
		m["unit"] = "mg"
	case 1, 2:
		m["unit"], m["system"], m["code"] = "milligram", "http://unitsofmeasure.org", "mg"
	case 3:
		m["system"], m["code"] = "http://unitsofmeasure.org", "g"
	case 4:
		m["unit"], m["system"], m["code"] = "g", "http://unitsofmeasure.org", pick(g, []string{"g", "kg", "[lb_av]", "cm", "s"})
	case 5:
		m["system"], m["code"] = "http://example.org/units", "mg"
	}
	if m["value"] != nil && g.one(5) {
		m["comparator"] = pick(g, []string{"<", "<=", ">=", ">"})
	}
	if len(m) == 0 {
		m["unit"] = "mg"
	}
	return m
}

func (g *generator) simple(unit object) object {
	m := object{"value": json.Number(pick(g, numbers))}
	for k, v := range unit {
		m[k] = v
	}
	return m
}

func (g *generator) period() object {
	m := object{}
	if !g.one(3) {
		m["start"] = g.moment()
	}
	if !g.one(3) || len(m) == 0 {
		m["end"] = g.moment()
	}
	return m
}

func (g *generator) moment() string {
	if g.one(2) {
		return pick(g, dates)
	}
	return pick(g, times)
}

// complex returns what makes values of a data type, nil if nothing does.
func (g *generator) complex(typ string) func() any {
	mg := object{"unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
	makers := map[string]func() object{
		"Identifier":     g.identifier,
		"Quantity":       g.quantity,
		"SimpleQuantity": func() object { return g.simple(mg) },
		"MoneyQuantity":  func() object { return g.simple(nil) },
		"Age": func() object {
			return g.simple(object{"unit": "years", "system": "http://unitsofmeasure.org", "code": "a"})
		},
		"Duration": func() object {
			return g.simple(object{"unit": "min", "system": "http://unitsofmeasure.org", "code": "min"})
		},
		"Period": g.period,
		"Range": func() object {
			m := object{}
			if !g.one(3) {
				m["low"] = g.simple(mg)
			}
			if !g.one(3) || len(m) == 0 {
				m["high"] = g.simple(mg)
			}
			return m
		},
		"Money": func() object {
			return object{"value": json.Number(pick(g, numbers)), "currency": pick(g, []string{"EUR", "USD"})}
		},
		"SampledData": func() object {
			m := object{"origin": g.simple(mg), "period": 1, "dimensions": 1, "data": pick(g, []string{"1 2 3", "E 5 L", "E", "-1 U 10", "0"})}
			if g.one(2) {
				m["factor"] = json.Number(pick(g, numbers))
			}
			return m
		},
		"Timing": func() object {
			m := object{}
			if !g.one(3) {
				m["event"] = g.some(func() any { return g.moment() })
			}
			if g.one(2) || len(m) == 0 {
				m["repeat"] = object{"boundsPeriod": g.period()}
			}
			return m
		},
		"HumanName": func() object {
			m := object{"family": pick(g, texts)}
			if g.one(2) {
				m["given"] = g.some(func() any { return pick(g, texts) })
			}
			if g.one(3) {
				m["text"] = pick(g, texts) + " " + pick(g, texts)
			}
			if g.one(4) {
				m["prefix"] = []any{"Dr."}
			}
			return m
		},
		"Address": func() object {
			m := object{"use": pick(g, []string{"home", "work"})}
			for _, part := range []string{"city", "district", "state", "postalCode", "country", "text"} {
				if g.one(2) {
					m[part] = pick(g, texts)
				}
			}
			if g.one(2) {
				m["line"] = g.some(func() any { return pick(g, texts) })
			}
			return m
		},
		"ContactPoint": func() object {
			return object{"system": pick(g, []string{"phone", "email"}), "value": pick(g, codes)}
		},
		"Attachment": func() object {
			return object{"contentType": pick(g, []string{"text/plain", "text/html"}), "language": pick(g, []string{"en", "de"}), "url": strings.Split(pick(g, urls), "|")[0]}
		},
		"UsageContext": func() object {
			m := object{"code": g.coding()}
			switch g.IntN(3) {
			case 0:
				m["valueCodeableConcept"] = g.concept()
			case 1:
				m["valueQuantity"] = g.quantity()
			default:
				m["valueRange"] = object{"low": g.simple(mg)}
			}
			return m
		},
		"Dosage": func() object {
			return object{"timing": object{"event": g.some(func() any { return g.moment() })}}
		},
	}
	if make := makers[typ]; make != nil {
		return func() any { return make() }
	}
	return nil
}
