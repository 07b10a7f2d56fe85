// Package client is for applications that know patients and providers as flat records: it creates, gets, changes, finds and deletes them in
// any FHIR R4 server, over HTTP, and links them with the numbers by which other systems know them.
//
//	c := client.New("http://127.0.0.1:8080/fhir", client.Options{})
//	joe, err := c.Patients.Create(ctx, client.Patient{Name: "Joe", Sex: "M"})
//	ok, err := c.Patients.Link(ctx, joe.ID, "FOO", "BAR")
//	joe, err = c.Patients.From(ctx, "FOO", "BAR")
//	all, err := c.Patients.Filter(ctx, client.Where("name", client.LIKE, "Jo"))
//
// The few types: a Client has Patients and Providers, which are Records; a Lookup is one condition of a Filter, with one of seven
// operators; Fields are the changes of an Update.
package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
)

// Options are what a Client may be told. The zero value is useful.
type Options struct {
	HTTP       *http.Client                          // nil: one with a time-out of 30 s
	Token      func(context.Context) (string, error) // for Authorization: Bearer; nil: none
	SourceBase string                                // what the identifier system begins with of a source that no NamingSystem names; "": urn:x-hob:source:
}

// Client speaks to one server.
type Client struct {
	Patients  *Records[Patient]
	Providers *Records[Provider]
}

// Patient is a patient's record. Created is when it was created; like Updated it is the server's.
type Patient struct {
	fhirmap.Patient
	Created time.Time
}

// Provider is the record of one who gives care.
type Provider struct {
	fhirmap.Provider
	Created time.Time
}

// The errors that a Get may be. ErrNotFound is both of them.
var (
	ErrNotFound             = errors.New("record does not exist")
	ErrPatientDoesNotExist  = fmt.Errorf("patient: %w", ErrNotFound)
	ErrProviderDoesNotExist = fmt.Errorf("provider: %w", ErrNotFound)
)

// New makes a Client of a server by its FHIR base.
func New(base string, o Options) *Client {
	if o.HTTP == nil {
		o.HTTP = &http.Client{Timeout: 30 * time.Second}
	}
	if o.SourceBase == "" {
		o.SourceBase = "urn:x-hob:source:"
	}
	c := &caller{Options: o, base: strings.TrimRight(base, "/")}
	return &Client{Patients: &Records[Patient]{c, patients}, Providers: &Records[Provider]{c, providers}}
}

// Refusal is an answer of the server that says no.
type Refusal struct {
	Status  int
	Outcome string // what the OperationOutcome says, or how the answer begins
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("the server answers %d: %s", r.Status, r.Outcome)
}

// caller sends requests.
type caller struct {
	Options
	base string
}

// answer is what came back: a resource, if the body is one.
type answer struct {
	status int
	etag   string
	res    *fhirmap.Resource
}

// most is how large an answer may be.
const most = 64 << 20

// ask sends a request; path begins with a slash, or is a whole URL below the base. An answer of 400 and more is a *Refusal.
func (c *caller) ask(ctx context.Context, method, path, ifMatch string, body []byte) (answer, error) {
	target := path
	if !strings.HasPrefix(path, c.base+"/") && !strings.HasPrefix(path, c.base+"?") {
		if !strings.HasPrefix(path, "/") && path != "" {
			return answer{}, fmt.Errorf("the link %s leads away from %s", path, c.base)
		}
		target = c.base + path
	}
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Accept", "application/fhir+json")
	if body != nil {
		req.Header.Set("Content-Type", "application/fhir+json")
	}
	if ifMatch != "" {
		req.Header.Set("If-Match", ifMatch)
	}
	if c.Token != nil {
		token, err := c.Token(ctx)
		if err != nil {
			return answer{}, err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, most+1))
	if err != nil {
		return answer{}, err
	}
	if len(data) > most {
		return answer{}, fmt.Errorf("%s %s: the answer has more than %d bytes", method, path, most)
	}
	a := answer{status: res.StatusCode, etag: res.Header.Get("ETag")}
	if len(data) > 0 {
		a.res, err = fhirmap.Trusted(data)
	}
	if res.StatusCode >= 400 {
		return a, &Refusal{res.StatusCode, said(a.res, data)}
	}
	return a, err
}

// said is what an OperationOutcome says.
func said(res *fhirmap.Resource, data []byte) string {
	var out []string
	if res != nil && res.Type() == "OperationOutcome" {
		for issue := range res.Root().Each("issue") {
			if text := issue.String("diagnostics"); text != "" {
				out = append(out, text)
			} else if text := issue.First("details").String("text"); text != "" {
				out = append(out, text)
			}
		}
	}
	if len(out) > 0 {
		return strings.Join(out, "; ")
	}
	return strings.ToValidUTF8(string(data[:min(len(data), 200)]), "")
}

// status is that of a Refusal, else 0.
func status(err error) int {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Status
	}
	return 0
}

// absent reports whether an error says that there is no such resource.
func absent(err error) bool {
	s := status(err)
	return s == http.StatusNotFound || s == http.StatusGone
}

func query(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		b.WriteByte("?&"[min(i, 1)])
		b.WriteString(url.QueryEscape(pairs[i]) + "=" + url.QueryEscape(pairs[i+1]))
	}
	return b.String()
}
