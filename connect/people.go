package connect

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/hob-fhir/hob/fhirmap"
)

// person is a clinician under the key by which the source knows him.
type person struct {
	key string
	fhirmap.Clinician
}

// maxField bounds a field of a clinician, in bytes.
const maxField = 1000

// column is the column of a field. Those of a checkup are called as the fields are, but for the id, which is the key.
func (s *Source) column(field string) string {
	if s.Into == "checkups" && field != fieldID {
		return cmp.Or(s.Columns[field], field)
	}
	return cmp.Or(s.Columns[field], s.kind.columns[field])
}

// people makes clinicians of rows. A row that lacks what is required is skipped, and one whose key another has is a collision: the first
// counts. The report tells of both.
func people(s *Source, rows []Row, from string, report *Report) []person {
	var out []person
	seen := map[string]int{}
	for i, row := range rows {
		values := map[string]string{}
		why := ""
		for _, field := range fields {
			v := strings.Join(strings.Fields(row[s.column(field)]), " ")
			if len(v) > maxField {
				why = fmt.Sprintf("%s is longer than %d bytes", field, maxField)
			}
			values[field] = v
		}
		for _, field := range s.kind.required {
			if values[field] == "" {
				why = field + " is missing"
			}
		}
		if why != "" {
			report.Skipped = append(report.Skipped, fmt.Sprintf("record %d: %s", i+1, why))
			continue
		}
		p := person{key: cmp.Or(values[fieldID], keyOf(values[fieldGiven], values[fieldFamily], values[fieldClinic])), Clinician: fhirmap.Clinician{
			Given: values[fieldGiven], Family: values[fieldFamily], Title: values[fieldTitle], Clinic: values[fieldClinic], Active: true, Source: from,
		}}
		p.Identifiers = []fhirmap.Identifier{{System: s.System, Value: p.key}}
		if first, twice := seen[p.key]; twice {
			report.Collisions = append(report.Collisions, fmt.Sprintf("%s is taken for the same person as %s; the first counts", p.name(), out[first].name()))
			continue
		}
		seen[p.key] = len(out)
		out = append(out, p)
	}
	return out
}

func (p *person) name() string {
	return strings.Join(strings.Fields(p.Title+" "+p.Given+" "+p.Family), " ") + in(p.Clinic)
}

func in(clinic string) string {
	if clinic == "" {
		return ""
	}
	return " (" + clinic + ")"
}

// keyOf is the key of a clinician whom the upstream gives no id: of his names and his clinic, however they are written. The title is no part of
// it, so that one who is promoted stays who he is.
func keyOf(given, family, clinic string) string {
	sum := sha256.Sum256([]byte(folded(given) + "\x00" + folded(family) + "\x00" + folded(clinic)))
	return hex.EncodeToString(sum[:16])
}

// folded is a text without differences of case, of width and of white space.
func folded(s string) string {
	return strings.Join(strings.Fields(norm.NFKC.String(cases.Fold().String(norm.NFKC.String(s)))), " ")
}
