package report

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"strings"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
)

type coding struct {
	System  string `json:"system,omitempty"`
	Code    string `json:"code,omitempty"`
	Display string `json:"display,omitempty"`
}

type concept struct {
	Coding []coding `json:"coding,omitempty"`
	Text   string   `json:"text,omitempty"`
}

type reference struct {
	Reference string `json:"reference,omitempty"`
	Display   string `json:"display,omitempty"`
}

type narrative struct {
	Status string `json:"status"`
	Div    string `json:"div"`
}

type section struct {
	Title string      `json:"title"`
	Code  *concept    `json:"code,omitempty"`
	Text  narrative   `json:"text"`
	Entry []reference `json:"entry,omitempty"`
	Empty *concept    `json:"emptyReason,omitempty"`
}

type entry struct {
	FullURL  string          `json:"fullUrl"`
	Resource json.RawMessage `json:"resource"`
}

// statistics are told of each sign.
var statistics = []string{"average", "median", "minimum", "maximum", "count"}

// document writes the Summary as a document (R4 section 3.3): the Composition, and all that it refers to.
func (s *Summary) document(base string) ([]byte, error) {
	id := s.id()
	subject := "Patient/" + s.Patient.ID
	var rest []entry
	for _, x := range s.bodies {
		rest = append(rest, entry{base + "/" + x.Type() + "/" + x.ID(), x.JSON()})
	}
	var measured []reference
	for _, sign := range s.Signs {
		code, err := json.Marshal(concept{Coding: []coding{{fhirmap.LOINC, sign.Code, sign.Name}}, Text: sign.Name})
		if err != nil {
			return nil, err
		}
		of := "statistics-" + sign.Code
		o, err := sign.Series.Observation(of, subject, code, s.Start, s.End, statistics)
		if err != nil {
			return nil, err
		}
		rest = append(rest, entry{base + "/Observation/" + of, o})
		measured = append(measured, reference{Reference: "Observation/" + of})
	}
	type event struct {
		Period struct {
			Start string `json:"start,omitempty"`
			End   string `json:"end,omitempty"`
		} `json:"period"`
	}
	var of []event
	if s.Start != "" || s.End != "" {
		of = make([]event, 1)
		of[0].Period.Start, of[0].Period.End = s.Start, s.End
	}
	composition, err := json.Marshal(struct {
		Type    string      `json:"resourceType"`
		ID      string      `json:"id"`
		Text    narrative   `json:"text"`
		Status  string      `json:"status"`
		Kind    concept     `json:"type"`
		Subject reference   `json:"subject"`
		Date    string      `json:"date"`
		Author  []reference `json:"author"`
		Title   string      `json:"title"`
		Event   []event     `json:"event,omitempty"`
		Section []section   `json:"section"`
	}{
		"Composition", id, narrated(s.person()), "final", concept{Coding: []coding{{fhirmap.LOINC, "11503-0", "Medical records"}}, Text: "Health summary"},
		reference{Reference: subject, Display: s.Patient.Name}, s.Made.Format(time.RFC3339), []reference{{Display: "Hob"}}, "Health summary of " + s.name(), of,
		[]section{
			s.section("Vital signs", "8716-3", vitals, s.table(), measured),
			s.section("Problems", "11450-4", problems, items(s.Patient.Preconditions), nil),
			s.section("Allergies", "48765-2", allergies, items(s.Patient.Allergies), nil),
			s.section("Medications", "10160-0", medications, items(s.Patient.Medications), nil),
			s.section("Visits", "46240-8", visits, s.visited(), nil),
		},
	})
	if err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		Type       string            `json:"resourceType"`
		Identifier map[string]string `json:"identifier"`
		Kind       string            `json:"type"`
		Timestamp  string            `json:"timestamp"`
		Entry      []entry           `json:"entry"`
	}{
		"Bundle", map[string]string{"system": "urn:ietf:rfc:3986", "value": "urn:uuid:" + id}, "document", s.Made.Format(time.RFC3339Nano),
		append([]entry{{base + "/Composition/" + id, composition}}, rest...),
	})
}

// id is a uuid (version 8 of RFC 9562) of the patient, the range and the time: no two documents have one.
func (s *Summary) id() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{s.Patient.ID, s.Start, s.End, s.Made.Format(time.RFC3339Nano)}, "\x00")))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// section is one of the Composition: its narrative, and the resources that it is about.
func (s *Summary) section(title, code, list, text string, first []reference) section {
	out := section{Title: title, Code: &concept{Coding: []coding{{System: fhirmap.LOINC, Code: code}}}, Entry: first}
	for _, x := range s.list[list] {
		out.Entry = append(out.Entry, reference{Reference: x.Type() + "/" + x.ID()})
	}
	if len(s.list[list]) == 0 {
		text = "<p>Nothing is recorded.</p>"
	}
	if len(out.Entry) == 0 {
		out.Empty = &concept{Coding: []coding{{"http://terminology.hl7.org/CodeSystem/list-empty-reason", "unavailable", "Unavailable"}}}
	}
	out.Text = narrated(text)
	return out
}

func narrated(text string) narrative {
	return narrative{"generated", `<div xmlns="http://www.w3.org/1999/xhtml">` + text + `</div>`}
}

func items(texts []string) string {
	var b strings.Builder
	b.WriteString("<ul>")
	for _, t := range texts {
		b.WriteString("<li>" + escaped(t) + "</li>")
	}
	return b.String() + "</ul>"
}

// escaped is text for XHTML; what XML cannot hold is dropped.
func escaped(s string) string {
	return html.EscapeString(strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0xfffe || r == 0xffff {
			return -1
		}
		return r
	}, s))
}

func (s *Summary) person() string {
	var b strings.Builder
	fmt.Fprintf(&b, "<p>%s</p>", escaped(s.name()))
	for _, f := range s.facts() {
		fmt.Fprintf(&b, "<p>%s: %s</p>", f[0], escaped(f[1]))
	}
	return b.String()
}

func (s *Summary) table() string {
	var b strings.Builder
	b.WriteString("<table><thead><tr><th>Vital sign</th><th>Mean</th><th>Median</th><th>Minimum</th><th>Maximum</th><th>Count</th></tr></thead><tbody>")
	for _, x := range s.Signs {
		fmt.Fprintf(&b, "<tr><td>%s, %s</td>", x.Name, x.Unit)
		for _, is := range statistics {
			fmt.Fprintf(&b, "<td>%s</td>", x.Told(is))
		}
		b.WriteString("</tr>")
	}
	return b.String() + "</tbody></table>"
}

func (s *Summary) visited() string {
	var b strings.Builder
	b.WriteString("<table><thead><tr><th>Date</th><th>Measures</th><th>Diagnosis</th><th>Treatment</th><th>Notes</th></tr></thead><tbody>")
	for _, v := range s.Visits {
		fmt.Fprintf(&b, "<tr><td>%s</td><td>", escaped(When(v.At)))
		for i, m := range Measures(v) {
			if i > 0 {
				b.WriteString("<br/>")
			}
			b.WriteString(escaped(m[0] + " " + m[1]))
		}
		fmt.Fprintf(&b, "</td><td>%s</td><td>%s</td><td>%s</td></tr>", escaped(v.Diagnosis), escaped(v.Treatment), escaped(v.Notes))
	}
	return b.String() + "</tbody></table>"
}
