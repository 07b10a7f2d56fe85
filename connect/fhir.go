package connect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// fhirFetch reads all Practitioners of a FHIR server: a search, page by page along its next links. Where they work is told by other
// resources, in ways that differ from server to server; it is left out.
func fhirFetch(ctx context.Context, v *visit) (b batch, err error) {
	if v.token, err = secret(v.TokenFile); err != nil {
		return b, fmt.Errorf("token-file: %w", err)
	}
	at := v.base.JoinPath("Practitioner")
	at.RawQuery = "_count=100"
	for page := 1; at != nil; page++ {
		if page > v.MaxPages {
			return b, fmt.Errorf("there are more than max-pages, %d; nothing was changed", v.MaxPages)
		}
		var rows []Row
		var next string
		if _, err := v.get(ctx, at, true, func(_ http.Header, body []byte) (err error) {
			rows, next, err = fhirRows(body)
			return err
		}); err != nil {
			return b, err
		}
		if b.rows = append(b.rows, rows...); len(b.rows) > v.MaxRecords {
			break // which the importer refuses
		}
		if next == "" {
			break
		}
		link, err := url.Parse(next)
		if err != nil {
			return b, errors.New("a next link is no URL; nothing was changed")
		}
		at = at.ResolveReference(link)
	}
	return b, nil
}

// fhirRows reads a page of a search, leniently: what it says beyond a name is another server's business.
func fhirRows(body []byte) (rows []Row, next string, err error) {
	var page struct {
		ResourceType string `json:"resourceType"`
		Type         string `json:"type"`
		Link         []struct {
			Relation string `json:"relation"`
			URL      string `json:"url"`
		} `json:"link"`
		Entry []struct {
			Resource struct {
				ResourceType string `json:"resourceType"`
				ID           string `json:"id"`
				Name         []struct {
					Use    string   `json:"use"`
					Text   string   `json:"text"`
					Family string   `json:"family"`
					Given  []string `json:"given"`
					Prefix []string `json:"prefix"`
				} `json:"name"`
				Qualification []struct {
					Code struct {
						Text   string `json:"text"`
						Coding []struct {
							Code string `json:"code"`
						} `json:"coding"`
					} `json:"code"`
				} `json:"qualification"`
			} `json:"resource"`
		} `json:"entry"`
	}
	if isText(body) {
		return nil, "", &shape{says: "a text, not JSON", text: true}
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return nil, "", &shape{says: "the body is broken JSON, or of another shape"}
	}
	if page.ResourceType != "Bundle" || page.Type != "searchset" {
		return nil, "", &shape{says: "no Bundle of type searchset"}
	}
	for _, l := range page.Link {
		if l.Relation == "next" {
			next = l.URL
		}
	}
	for _, e := range page.Entry {
		p := e.Resource
		if p.ResourceType != "Practitioner" { // an OperationOutcome, or what is included
			continue
		}
		row := Row{}
		set := func(name, value string) {
			if value != "" {
				row[name] = value
			}
		}
		set("id", p.ID)
		for i, n := range p.Name {
			if i > 0 && n.Use != "official" {
				continue
			}
			clear(row)
			set("id", p.ID)
			set("family", n.Family)
			set("given", strings.Join(n.Given, " "))
			set("title", strings.Join(n.Prefix, " "))
			if n.Family == "" && len(n.Given) == 0 {
				set("family", n.Text)
			}
		}
		if len(p.Qualification) > 0 && row["title"] == "" {
			q := p.Qualification[0].Code
			if set("title", q.Text); q.Text == "" && len(q.Coding) > 0 {
				set("title", q.Coding[0].Code)
			}
		}
		rows = append(rows, row)
	}
	return rows, next, nil
}
