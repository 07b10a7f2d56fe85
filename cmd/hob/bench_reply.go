package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// wire sends the requests of one bench over as many connections as there are clients.
type wire struct {
	base, token string
	client      *http.Client
}

func newWire(base, token string, clients int) *wire {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost, t.MaxConnsPerHost = clients, clients
	t.DisableCompression = true // what is measured is the server, and not gzip
	return &wire{strings.TrimRight(base, "/"), token, &http.Client{Transport: t, Timeout: time.Minute}}
}

// reply is an answer.
type reply struct {
	asked  string
	status int
	header http.Header
	body   []byte
	parsed *found
}

func (w *wire) send(ctx context.Context, a ask) (*reply, error) {
	req, err := http.NewRequestWithContext(ctx, a.method, w.base+a.path, bytes.NewReader(a.body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/fhir+json")
	switch {
	case strings.Contains(a.path, "/_search"):
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	case a.body != nil:
		req.Header.Set("Content-Type", "application/fhir+json")
	}
	if w.token != "" {
		req.Header.Set("Authorization", "Bearer "+w.token)
	}
	res, err := w.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return &reply{asked: a.method + " " + a.path, status: res.StatusCode, header: res.Header, body: body}, err
}

// found is what is looked at in a resource.
type found struct {
	Type       string `json:"resourceType"`
	ID         string `json:"id"`
	Identifier []struct {
		System string `json:"system"`
		Value  string `json:"value"`
	} `json:"identifier"`
	Telecom []struct {
		Value string `json:"value"`
	} `json:"telecom"`
	Subject struct {
		Reference string `json:"reference"`
	} `json:"subject"`
	Code struct {
		Coding []struct {
			Code string `json:"code"`
		} `json:"coding"`
	} `json:"code"`
	Kind  string `json:"type"` // of a Bundle
	Total *int   `json:"total"`
	Link  []struct {
		Relation string `json:"relation"`
		URL      string `json:"url"`
	} `json:"link"`
	Entry []struct {
		Resource *found `json:"resource"`
		Search   struct {
			Mode string `json:"mode"`
		} `json:"search"`
	} `json:"entry"`
}

func (r *reply) is(status int) error {
	if r.status == status {
		return nil
	}
	return fmt.Errorf("answered %d and not %d: %s", r.status, status, clip(string(r.body), 300))
}

func (r *reply) resource() (*found, error) {
	if r.parsed == nil {
		r.parsed = &found{}
		if err := json.Unmarshal(r.body, r.parsed); err != nil {
			return nil, fmt.Errorf("the answer is no resource in JSON: %w", err)
		}
	}
	return r.parsed, nil
}

// ok reads a resource of a type from an answer of a status 2xx; the caller looks for another one.
func (r *reply) ok(typ, id string) (*found, error) {
	if r.status != http.StatusOK && r.status != http.StatusCreated {
		return nil, r.is(http.StatusOK)
	}
	f, err := r.resource()
	if err == nil && (f.Type != typ || f.ID != id) {
		err = fmt.Errorf("the answer is %s/%s and not %s/%s", f.Type, f.ID, typ, id)
	}
	return f, err
}

// patient wants a Patient with an id, and the identifiers that it was made with.
func (r *reply) patient(id, mrn string) error {
	f, err := r.ok("Patient", id)
	if err == nil && (len(f.Identifier) != 3 || f.Identifier[0].System != mrnSystem || f.Identifier[0].Value != mrn) {
		err = fmt.Errorf("the identifiers of Patient/%s are %v; three, the first %s, are right", id, f.Identifier, mrn)
	}
	return err
}

// observation wants an Observation with an id, of a patient and a code.
func (r *reply) observation(id, of string, code uint8) error {
	f, err := r.ok("Observation", id)
	if err != nil {
		return err
	}
	return f.measures(of, code)
}

func (f *found) measures(of string, code uint8) error {
	if !strings.HasSuffix(f.Subject.Reference, "Patient/"+of) {
		return fmt.Errorf("%s/%s is of %s and not of Patient/%s", f.Type, f.ID, f.Subject.Reference, of)
	}
	if len(f.Code.Coding) != 1 || f.Code.Coding[0].Code != codes[code].code {
		return fmt.Errorf("%s/%s has the codes %v; %s is right", f.Type, f.ID, f.Code.Coding, codes[code].code)
	}
	return nil
}

// created wants 201 and gives the id that Location tells.
func (r *reply) created(typ string) (string, error) {
	if err := r.is(http.StatusCreated); err != nil {
		return "", err
	}
	return located(r.header.Get("Location"), typ)
}

func located(location, typ string) (string, error) {
	parts := strings.Split(location, "/")
	if i := slices.Index(parts, typ); i >= 0 && i+1 < len(parts) && parts[i+1] != "" {
		return parts[i+1], nil
	}
	return "", fmt.Errorf("the location %q names no %s", location, typ)
}

// page wants a page of search results of a type: the first count of the ids in this order, or count of them, all if there are no
// more, each once. Where the total is told it must be the number of ids, unless they are in order: they may be the first of many then,
// and the caller gets the total to compare, -1 if none is told.
func (r *reply) page(typ string, count int, ids []string, ordered bool) (matches []*found, total int, err error) {
	if err := r.is(http.StatusOK); err != nil {
		return nil, 0, err
	}
	f, err := r.resource()
	if err != nil {
		return nil, 0, err
	}
	if f.Type != "Bundle" || f.Kind != "searchset" {
		return nil, 0, fmt.Errorf("the answer is a %s of type %q and not a Bundle of type searchset", f.Type, f.Kind)
	}
	var have []string
	for _, e := range f.Entry {
		if e.Resource == nil || e.Search.Mode != "" && e.Search.Mode != "match" {
			continue
		}
		if e.Resource.Type != typ {
			return nil, 0, fmt.Errorf("found is %s/%s, which is no %s", e.Resource.Type, e.Resource.ID, typ)
		}
		matches = append(matches, e.Resource)
		have = append(have, e.Resource.ID)
	}
	want := min(count, len(ids))
	if len(have) != want {
		return nil, 0, fmt.Errorf("found are %d; %d are right", len(have), want)
	}
	if ordered && !slices.Equal(have, ids[:want]) {
		return nil, 0, fmt.Errorf("found are %q in this order; %q is right", have, ids[:want])
	}
	slices.Sort(have)
	for i, id := range have {
		if i > 0 && have[i-1] == id {
			return nil, 0, fmt.Errorf("%s/%s is found twice", typ, id)
		}
		if !slices.Contains(ids, id) {
			return nil, 0, fmt.Errorf("%s/%s is found and does not match", typ, id)
		}
	}
	if f.Total == nil {
		return matches, -1, nil
	}
	if !ordered && *f.Total != len(ids) {
		return nil, 0, fmt.Errorf("the total is %d; %d match", *f.Total, len(ids))
	}
	return matches, *f.Total, nil
}

// link is the URL of a relation, "" if there is none.
func (f *found) link(relation string) string {
	for _, l := range f.Link {
		if l.Relation == relation {
			return l.URL
		}
	}
	return ""
}

// part wants so many hits of a type: if ordered these ids in this order, else any of those that match, each once. A total, where it is
// told or hits are none, must be that of all matches.
func (r *reply) part(typ string, hits int, ids []string, match map[string]bool, ordered bool) error {
	if err := r.is(http.StatusOK); err != nil {
		return err
	}
	f, err := r.resource()
	if err != nil {
		return err
	}
	n := 0
	seen := map[string]bool{}
	for _, e := range f.Entry {
		if e.Resource == nil || e.Search.Mode != "" && e.Search.Mode != "match" {
			continue
		}
		switch id := e.Resource.ID; {
		case e.Resource.Type != typ || !match[id]:
			return fmt.Errorf("%s/%s is found and does not match", e.Resource.Type, id)
		case seen[id]:
			return fmt.Errorf("%s/%s is found twice", typ, id)
		case ordered && (n >= len(ids) || ids[n] != id):
			return fmt.Errorf("%s/%s is found in place %d, where it does not belong", typ, id, n+1)
		default:
			seen[id] = true
			n++
		}
	}
	switch {
	case n != hits:
		return fmt.Errorf("found are %d; %d are right", n, hits)
	case f.Total == nil && hits == 0 && len(match) > 0:
		return errors.New("the total is not told")
	case f.Total != nil && *f.Total != len(match):
		return fmt.Errorf("the total is %d; %d match", *f.Total, len(match))
	}
	return nil
}

// holds wants one resource among the results of a search.
func (r *reply) holds(typ, id string) error {
	if err := r.is(http.StatusOK); err != nil {
		return err
	}
	f, err := r.resource()
	if err != nil {
		return err
	}
	for _, e := range f.Entry {
		if e.Resource != nil && e.Resource.Type == typ && e.Resource.ID == id {
			return nil
		}
	}
	return fmt.Errorf("%s/%s was written and is not among the %d found", typ, id, len(f.Entry))
}

// responses wants the answer to a transaction of n entries, each created or, where ids are given, created or updated under its id. It
// gives the ids.
func (r *reply) responses(typ func(n int) string, n int, ids []string) ([]string, error) {
	if err := r.is(http.StatusOK); err != nil {
		return nil, err
	}
	var b struct {
		Type  string `json:"type"`
		Entry []struct {
			Response struct {
				Status   string `json:"status"`
				Location string `json:"location"`
			} `json:"response"`
		} `json:"entry"`
	}
	if err := json.Unmarshal(r.body, &b); err != nil {
		return nil, fmt.Errorf("the answer is no Bundle in JSON: %w", err)
	}
	if b.Type != "transaction-response" || len(b.Entry) != n {
		return nil, fmt.Errorf("the answer is of type %q with %d entries; transaction-response with %d is right", b.Type, len(b.Entry), n)
	}
	var have []string
	for i, e := range b.Entry {
		if !strings.HasPrefix(e.Response.Status, "201") && (ids == nil || !strings.HasPrefix(e.Response.Status, "200")) {
			return nil, fmt.Errorf("entry %d was answered %s", i, e.Response.Status)
		}
		if ids != nil && e.Response.Location == "" {
			have = append(have, ids[i]) // of an update none is needed
			continue
		}
		id, err := located(e.Response.Location, typ(i))
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
		if ids != nil && id != ids[i] {
			return nil, fmt.Errorf("entry %d is %s and not %s", i, id, ids[i])
		}
		have = append(have, id)
	}
	return have, nil
}
