package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// indexingOperations are those of a server that indexes: $reindex, and $status of SearchParameters.
func indexingOperations(c *Config) []Operation {
	if c.Indexing == nil {
		return nil
	}
	x := c.Indexing
	return []Operation{
		{Name: "reindex", Definition: ownDefinition + "reindex", On: System | Type, Prepare: x.reindex},
		{Name: "status", Definition: ownDefinition + "SearchParameter-status", On: Type | Instance, Types: []string{"SearchParameter"}, Do: x.status},
	}
}

// indexingRoutes are the places where how a $reindex goes on is told.
func indexingRoutes(c *Config) []route {
	if c.Indexing == nil {
		return nil
	}
	return []route{{level: System, method: "GET", path: "/_reindex/:id", exchange: c.Indexing.progress}}
}

// reindex is $reindex on everything or on a type: the rows of the resources that are stored are made anew, in the background. The answer is a 202,
// and Content-Location is where the progress is told. A parameter that was given up is tried again.
func (x *Indexing) reindex(_ *storage.Tx, r *Request) (Plan, error) {
	if err := r.known(); err != nil {
		return Plan{}, err
	}
	if err := whole(r, storage.Update); err != nil {
		return Plan{}, err
	}
	if len(r.Body) > 0 {
		res, err := r.Resource("Parameters")
		if err != nil {
			return Plan{}, err
		}
		for p := range res.Root().Each("parameter") {
			return Plan{}, unknownPart(p, "none")
		}
	}
	id, err := x.store.NewID()
	if err != nil {
		return Plan{}, err
	}
	w := wish{Asked: x.Clock()}
	if r.Type != "" {
		w.Types = []string{r.Type}
	}
	return Plan{Confirm: func(tx *storage.Tx, r *Request) (*Response, error) {
		if _, err := wishes.Save(tx, id, 0, w); err != nil {
			return nil, err
		}
		x.wake()
		return &Response{Status: http.StatusAccepted, Location: r.Base + "/_reindex/" + id, Body: inform("indexing begins; %s/_reindex/%s tells how it goes on", r.Base, id).JSON()}, nil
	}}, nil
}

// whole refuses a caller who may not do something with every SearchParameter: what all searches rest on is no one patient's.
func whole(r *Request, action storage.Action) error {
	where, err := r.Caller.Access(action, "SearchParameter")
	if _, all := where.(driver.All); err == nil && where != nil && !all {
		err = fmt.Errorf("%s: this needs access to every SearchParameter: %w", action, storage.ErrForbidden)
	}
	return err
}

// progress tells how a $reindex goes on: 202 while it does, 200 when it is done, for a day.
func (x *Indexing) progress(ctx context.Context, _ storage.Access, r *Request) (*Response, error) {
	if err := whole(r, storage.Update); err != nil {
		return nil, err
	}
	var w wish
	err := x.store.View(ctx, storage.System, func(tx *storage.Tx) (err error) {
		w, _, err = wishes.Load(tx, r.ID)
		return err
	})
	if errors.Is(err, driver.ErrNotFound) {
		return nil, refuse(http.StatusNotFound, fhirmap.CodeNotFound, "no indexing was asked for under %s, or it is long done", clip(r.ID))
	}
	if err != nil {
		return nil, err
	}
	res := &Response{Status: http.StatusOK}
	p := Progress{Done: w.Walked.Done, Total: max(w.Total, w.Walked.Done), Errors: w.Walked.Errors}
	state := "done"
	switch {
	case w.Round == 0:
		state = "waiting"
	case w.Done.IsZero():
		state = "indexing"
		p, _ = x.pace.progress()
	}
	if w.Done.IsZero() {
		res.Status = http.StatusAccepted
		res.Header = [][2]string{{"Retry-After", "1"}, {"X-Progress", fmt.Sprintf("%d %%", p.percent())}}
	}
	out := output{{Name: "status", Code: state}}
	out = append(out, p.parts(state == "done")...)
	for _, why := range w.Walked.Why {
		out = append(out, outputPart{Name: "error", String: why})
	}
	res.Body, err = out.body()
	return res, err
}

// status is $status of a SearchParameter, or of all that were taken up: whether searches by it are answered, and if not yet, how far it is.
func (x *Indexing) status(tx *storage.Tx, r *Request) (*Response, error) {
	if err := r.known(); err != nil {
		return nil, err
	}
	var out output
	if r.ID == "" {
		if err := whole(r, storage.Read); err != nil {
			return nil, err
		}
		for _, f := range x.all() {
			out = append(out, outputPart{Name: "searchParameter", Part: x.told(f, false)})
		}
	} else {
		rec, err := tx.Get(r.Key())
		if err != nil {
			return nil, err
		}
		all := x.all()
		if i := slices.IndexFunc(all, func(f found) bool { return f.ID == r.ID }); i >= 0 {
			out = x.told(all[i], true)
		} else if out, err = x.merely(rec); err != nil {
			return nil, err
		}
	}
	body, err := out.body()
	return &Response{Status: http.StatusOK, Body: body}, err
}

// merely tells of a SearchParameter that is only stored.
func (x *Indexing) merely(rec driver.Record) (output, error) {
	if rec.Deleted {
		return nil, fmt.Errorf("%s: %w", rec.Key, driver.ErrNotFound)
	}
	r, err := fhirmap.Trusted(rec.Body)
	if err != nil {
		return nil, err
	}
	def, status := search.Definition(rec.ID, r)
	why := "it is " + status + ", and only an active one is taken up"
	if x.catalog.Published(def.URL) {
		why = "FHIR R4 defines it: it is there without this resource, which changes nothing"
	} else if status == "active" {
		why = "it is taken up in a moment"
	}
	return output{{Name: "url", URI: def.URL}, {Name: "code", String: def.Code}, {Name: "status", Code: "stored"}, {Name: "reason", String: why}}, nil
}

// told tells how a SearchParameter stands.
func (x *Indexing) told(f found, closely bool) output {
	state, why := standing(f.taken, f.Standing)
	out := output{
		{Name: "resource", String: "SearchParameter/" + f.ID}, {Name: "url", URI: f.url}, {Name: "code", String: f.code}, {Name: "status", Code: state},
	}
	if why != "" {
		out = append(out, outputPart{Name: "reason", String: why})
	}
	if state == "indexing" {
		p, _ := x.pace.progress()
		out = append(out, p.parts(false)...)
	}
	if !closely {
		return out
	}
	for _, u := range f.Uses {
		part := output{{Name: "type", Code: u.Type}, {Name: "as", Code: string(u.As)}}
		if u.Of != "" {
			part = append(part, outputPart{Name: "of", URI: u.Of})
		}
		if u.Why != "" {
			part = append(part, outputPart{Name: "reason", String: u.Why})
		}
		out = append(out, outputPart{Name: "use", Part: part})
	}
	return out
}

func (p Progress) percent() int {
	if p.Total == 0 {
		return 0
	}
	return p.Done * 100 / p.Total
}

func (p Progress) parts(done bool) output {
	percent := p.percent()
	if done {
		percent = 100
	}
	out := output{number("percent", percent), number("done", p.Done), number("total", p.Total), number("errors", p.Errors)}
	if p.Rate > 0 && !done {
		out = append(out, outputPart{Name: "rate", Decimal: json.Number(strconv.FormatFloat(math.Round(p.Rate*10)/10, 'f', -1, 64))})
	}
	if p.Trouble != "" {
		out = append(out, outputPart{Name: "trouble", String: p.Trouble})
	}
	return out
}

// output is the content of a Parameters resource.
type output []outputPart

type outputPart struct {
	Name    string      `json:"name"`
	Code    string      `json:"valueCode,omitempty"`
	String  string      `json:"valueString,omitempty"`
	URI     string      `json:"valueUri,omitempty"`
	Integer *int        `json:"valueInteger,omitempty"`
	Decimal json.Number `json:"valueDecimal,omitempty"`
	Part    output      `json:"part,omitempty"`
}

func number(name string, n int) outputPart { return outputPart{Name: name, Integer: &n} }

func (p output) body() ([]byte, error) {
	return json.Marshal(struct {
		ResourceType string `json:"resourceType"`
		Parameter    output `json:"parameter,omitempty"`
	}{"Parameters", p})
}
