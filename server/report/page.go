package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"sync"

	"github.com/hob-fhir/hob/fhirmap"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

// page is the template, read once.
var page = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page").Funcs(template.FuncMap{"when": When, "measures": Measures}).Parse(pageText))
})

// pagePolicy lets the page have its own style and nothing else: no script, no image, nothing from elsewhere (CSP level 3).
func pagePolicy() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
}

// page writes the Summary as HTML.
func (s *Summary) page() ([]byte, error) {
	type fact struct{ Name, Text string }
	type graph struct {
		Title  string
		Chart  template.HTML // of chart, which escapes
		Signs  []*Sign
		Points int
	}
	data := struct {
		*Summary
		Style  template.CSS
		Name   string
		Facts  []fact
		Made   string
		Graphs []graph
		Lists  []struct {
			Title string
			Texts []string
		}
	}{Summary: s, Style: template.CSS(pageStyle), Name: s.name(), Made: s.Made.Format("2006-01-02 15:04 MST")}
	for _, f := range s.facts() {
		data.Facts = append(data.Facts, fact{f[0], f[1]})
	}
	for _, g := range []struct {
		title, unit string
		codes       []string
	}{
		{"Blood pressure", "mmHg", []string{fhirmap.Systolic, fhirmap.Diastolic}},
		{"Heart rate", "beats per minute", []string{fhirmap.HeartRate}},
		{"Body mass index", "kg/m²", []string{fhirmap.BodyMassIndex}},
		{"Body weight", "lb", []string{fhirmap.BodyWeight}},
	} {
		var of []*Sign
		for _, code := range g.codes {
			for _, x := range s.Signs {
				if x.Code == code {
					of = append(of, x)
				}
			}
		}
		data.Graphs = append(data.Graphs, graph{g.title + ", " + g.unit, chart(g.title, g.unit, of), of, len(of[0].Points)})
	}
	for _, l := range []struct {
		title string
		texts []string
	}{{"Problems", s.Patient.Preconditions}, {"Allergies", s.Patient.Allergies}, {"Medications", s.Patient.Medications}} {
		data.Lists = append(data.Lists, struct {
			Title string
			Texts []string
		}{l.title, l.texts})
	}
	var b bytes.Buffer
	err := page().Execute(&b, data)
	return b.Bytes(), err
}
