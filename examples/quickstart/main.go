// Command quickstart is a small client of a FHIR server in Go, with the standard library alone: it creates a patient, finds her by her
// identifier, and pages through the patients.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"time"
)

// Patient holds what this client reads and writes of a patient; FHIR has more.
type Patient struct {
	ResourceType string       `json:"resourceType"`
	ID           string       `json:"id,omitempty"`
	Identifier   []Identifier `json:"identifier,omitempty"`
	Name         []Name       `json:"name,omitempty"`
	BirthDate    string       `json:"birthDate,omitempty"`
}

// Identifier is a name given by a system.
type Identifier struct {
	System string `json:"system"`
	Value  string `json:"value"`
}

// Name is a name of a person.
type Name struct {
	Family string   `json:"family,omitempty"`
	Given  []string `json:"given,omitempty"`
}

// Bundle is a page of a search.
type Bundle struct {
	Total int `json:"total"`
	Entry []struct {
		Resource Patient `json:"resource"`
	} `json:"entry"`
	Link []struct {
		Relation string `json:"relation"`
		URL      string `json:"url"`
	} `json:"link"`
}

var client = &http.Client{Timeout: time.Minute}

func main() {
	log.SetFlags(0)
	base := os.Getenv("HOB_URL")
	if base == "" {
		base = "http://127.0.0.1:8080/fhir"
	}
	if err := tour(base); err != nil {
		log.Fatal(err)
	}
}

func tour(base string) error {
	var made Patient
	err := call(http.MethodPost, base+"/Patient", Patient{
		ResourceType: "Patient",
		Identifier:   []Identifier{{"https://hob.example/mrn", "2002"}},
		Name:         []Name{{"Client", []string{"Grace"}}},
		BirthDate:    "1906-12-09",
	}, &made)
	if err != nil {
		return err
	}
	fmt.Println("created Patient/" + made.ID)

	var found Bundle
	query := url.Values{"identifier": {"https://hob.example/mrn|2002"}, "_total": {"accurate"}}
	if err := call(http.MethodGet, base+"/Patient?"+query.Encode(), nil, &found); err != nil {
		return err
	}
	fmt.Println("found", found.Total, "with her identifier")

	n := 0
	for next := base + "/Patient?_count=10"; next != ""; {
		var page Bundle
		if err := call(http.MethodGet, next, nil, &page); err != nil {
			return err
		}
		n += len(page.Entry)
		next = ""
		for _, l := range page.Link {
			if l.Relation == "next" {
				next = l.URL
			}
		}
	}
	fmt.Println("paged through", n, "patients")
	return nil
}

// call sends a resource, if there is one, and reads the answer into out. An answer that is no success is an error with its
// OperationOutcome.
func call(method, url string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/fhir+json")
	req.Header.Set("Authorization", "Bearer "+os.Getenv("HOB_TOKEN")) // what hob token prints
	if in != nil {
		req.Header.Set("Content-Type", "application/fhir+json")
		req.Header.Set("Prefer", "return=representation")
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, url, res.Status, answer)
	}
	return json.Unmarshal(answer, out)
}
