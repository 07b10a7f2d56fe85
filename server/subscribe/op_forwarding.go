package subscribe

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/server"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// Operations are those of a server that delivers: $forwarding tells how it goes and lists the dead letters, $forwarding-replay has these sent
// again. Both are for callers who may read, or change, every Subscription.
func (o *Outbox) Operations() []server.Operation {
	return []server.Operation{
		{Name: "forwarding", Definition: "urn:hob:operation:forwarding", On: server.System, Do: o.tell},
		{Name: "forwarding-replay", Definition: "urn:hob:operation:forwarding-replay", On: server.System, Prepare: o.sendAgain},
	}
}

// mostLetters are told at once.
const mostLetters = 1000

// part is one of a Parameters resource.
type part struct {
	Name    string `json:"name"`
	String  string `json:"valueString,omitempty"`
	URI     string `json:"valueUri,omitempty"`
	Integer *int   `json:"valueInteger,omitempty"`
	Instant string `json:"valueInstant,omitempty"`
	Boolean *bool  `json:"valueBoolean,omitempty"`
	Part    []part `json:"part,omitempty"`
}

func parameters(parts []part) ([]byte, error) {
	return json.Marshal(struct {
		ResourceType string `json:"resourceType"`
		Parameter    []part `json:"parameter,omitempty"`
	}{"Parameters", parts})
}

func number(name string, n int) part { return part{Name: name, Integer: &n} }

func instant(name string, t time.Time) part {
	return part{Name: name, Instant: t.UTC().Format("2006-01-02T15:04:05.000Z")}
}

// whole refuses a caller who may not do something with every Subscription.
func whole(r *server.Request, action storage.Action) error {
	where, err := r.Caller.Access(action, subscriptionType)
	if _, all := where.(driver.All); err == nil && where != nil && !all {
		err = fmt.Errorf("%s: this needs access to every Subscription: %w", action, storage.ErrForbidden)
	}
	return err
}

// tell is $forwarding.
func (o *Outbox) tell(tx *storage.Tx, r *server.Request) (*server.Response, error) {
	if err := whole(r, storage.Read); err != nil {
		return nil, err
	}
	var out []part
	for _, f := range o.forwards {
		s, _, err := forwardings.Load(tx, f.id)
		if err != nil && !errors.Is(err, driver.ErrNotFound) {
			return nil, err
		}
		behind := 0
		for _, err := range tx.Log(driver.Log{After: s.Position, Limit: 10_000, Bare: true}) {
			if errors.Is(err, storage.ErrForbidden) {
				break
			}
			if err != nil {
				return nil, err
			}
			behind++
		}
		p := part{Name: "destination", Part: []part{
			{Name: "name", String: f.Name}, {Name: "url", URI: f.to}, number("sent", s.Sent), number("behind", behind),
		}}
		if !s.At.IsZero() {
			p.Part = append(p.Part, instant("at", s.At))
		}
		if last := f.last.Load(); last != nil && *last != "" {
			p.Part = append(p.Part, part{Name: "trouble", String: *last})
		}
		out = append(out, p)
	}
	n := 0
	for l, err := range letters.Find(tx, nil) {
		if err != nil {
			return nil, err
		}
		if n++; n > mostLetters {
			continue
		}
		v := l.Value
		out = append(out, part{Name: "letter", Part: []part{
			{Name: "feed", String: v.Feed}, {Name: "resource", String: v.Type + "/" + v.ID}, {Name: "version", String: strconv.FormatUint(v.Version, 10)},
			number("status", v.Status), {Name: "reason", String: v.Why}, instant("at", v.At), {Name: "again", Boolean: &v.Again},
		}})
	}
	out = append(out, number("letters", n))
	body, err := parameters(out)
	return &server.Response{Status: http.StatusOK, Body: body}, err
}

// sendAgain is $forwarding-replay: the dead letters of a feed, of all if none is named, are sent again, as their resources are by then.
func (o *Outbox) sendAgain(_ *storage.Tx, r *server.Request) (server.Plan, error) {
	if err := whole(r, storage.Update); err != nil {
		return server.Plan{}, err
	}
	feed := ""
	if len(r.Body) > 0 {
		res, err := r.Resource("Parameters")
		if err != nil {
			return server.Plan{}, err
		}
		for p := range res.Root().Each("parameter") {
			if name := p.String("name"); name != "feed" {
				return server.Plan{}, fhirmap.Errorf(fhirmap.CodeNotSupported, "Parameters.parameter", "the parameter %q is not known here; known is feed", clip(name))
			}
			feed = p.String("value")
		}
	}
	var where driver.Query
	if feed != "" {
		where = driver.Lookup{Field: "feed", Op: driver.EQUAL, Values: []driver.Value{driver.Point([]byte(feed))}}
	}
	return server.Plan{Confirm: func(tx *storage.Tx, _ *server.Request) (*server.Response, error) {
		n := 0
		var found []storage.Saved[Letter]
		for l, err := range letters.Find(tx, where) {
			if err != nil {
				return nil, err
			}
			if found = append(found, l); len(found) == mostLetters {
				break
			}
		}
		for _, l := range found {
			l.Value.Again = true
			if _, err := letters.Save(tx, l.ID, l.Version, l.Value); err != nil {
				return nil, err
			}
			n++
		}
		body, err := parameters([]part{number("letters", n)})
		return &server.Response{Status: http.StatusOK, Body: body}, err
	}}, nil
}
