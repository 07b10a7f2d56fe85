package subscribe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// Destination is another FHIR server that is given what is stored here: a read side. The resources keep their ids.
type Destination struct {
	Name      string
	URL       string        // FHIR base of the other server
	Criteria  []string      // what is forwarded, as Observation?status=final, or DiagnosticReport for all of a type
	Interval  time.Duration // the log is looked at once in each; 0: whenever something changes
	TokenFile string        // holds a bearer token and is read for each request; "": none is sent
}

// forwarding is how far a Destination has come, under its name and URL.
type forwarding struct {
	Position driver.Position
	Criteria []string
	Sent     int       // resources put or deleted
	At       time.Time // of the last delivery
}

var forwardings = storage.Private[forwarding]{Type: "_forward"}

// forwarded is what a Destination has of a resource, under the id of the feed and the key.
type forwarded struct {
	Version uint64
	Target  bool // it was sent because another refers to it, whatever the criteria say
	Gone    bool // it was deleted there
}

var forwardeds = storage.Private[forwarded]{Type: "_forwarded"}

// forward is the feed of a Destination. It sends transactions of PUTs and DELETEs: what may be sent again without harm. What a resource
// refers to is sent with it or before it, and followed from then on.
type forward struct {
	*Outbox
	Destination
	id     string
	what   []criterion
	to     string
	client *http.Client

	state forwarding
	kept  uint64
	ready bool // state was loaded

	refused int // how often the next unit was
	last    atomic.Pointer[string]
}

var destinationName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

// newForward makes the feed of a Destination. Its host is allowed by being configured, wherever in the house it stands; what is link-local
// must be listed.
func newForward(o *Outbox, d Destination) (*forward, error) {
	if !destinationName.MatchString(d.Name) {
		return nil, fmt.Errorf("destination %q: a name has letters, digits, and - . _", clip(d.Name))
	}
	u, err := url.Parse(d.URL)
	if err != nil || u.Hostname() == "" {
		return nil, fmt.Errorf("destination %s: the URL of a FHIR base is needed, as https://reports.example/fhir", d.Name)
	}
	host := AllowList{Names: []string{strings.ToLower(u.Hostname())}, Networks: house}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
		host.Networks = append(slices.Clip(host.Networks), netip.PrefixFrom(ip, ip.BitLen()))
	}
	allow := o.Allow.And(host)
	if u, err = allow.check(d.URL); err != nil {
		return nil, fmt.Errorf("destination %s: %w", d.Name, err)
	}
	if len(d.Criteria) == 0 {
		return nil, fmt.Errorf("destination %s: it has no criteria; say what is forwarded, as DiagnosticReport", d.Name)
	}
	f := &forward{Outbox: o, Destination: d, to: strings.TrimRight(u.String(), "/"), client: allow.client(o.Timeout)}
	f.id = d.Name + " " + f.to
	for _, text := range d.Criteria {
		c, err := parseCriterion(text)
		if err == nil {
			_, err = c.query(o.Catalog)
		}
		if err != nil {
			return nil, fmt.Errorf("destination %s: %w", d.Name, err)
		}
		f.what = append(f.what, c)
	}
	return f, nil
}

// house are the networks in which a server of the same house stands.
var house = []netip.Prefix{
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("100.64.0.0/10"),
}

func (f *forward) name() string { return "forward/" + f.Name }

// unit is what one record of the log makes to be sent: the resource, and before it what it refers to.
type unit struct {
	key     driver.Key // the resource that the unit is for
	entries []entry
}

// entry is a resource as it is sent; without a body it is deleted.
type entry struct {
	key     driver.Key
	version uint64
	body    []byte
	target  bool
}

// step forwards the next part of the log.
func (f *forward) step(ctx context.Context) (busy bool, err error) {
	defer func() {
		text := ""
		if err != nil && ctx.Err() == nil {
			text = err.Error()
		}
		f.last.Store(&text)
	}()
	if !f.ready {
		if err := f.load(ctx); err != nil {
			return false, err
		}
	}
	if err := f.replay(ctx); err != nil {
		return false, err
	}
	units, end, err := f.gather(ctx, forwardMost)
	if err != nil || end == "" {
		return false, err
	}
	if len(units) > 0 {
		err = f.send(ctx, units)
	}
	if err == nil {
		f.refused = 0
		return true, f.save(ctx, end, units, nil)
	}
	if _, no := refuses(err); !no {
		return false, err
	}
	return true, f.alone(ctx, end)
}

// alone forwards unit by unit what was refused together, up to the end: one of them is at fault, and the others need not wait for it. Each is
// gathered anew, since it may have come with one that is refused.
func (f *forward) alone(ctx context.Context, end driver.Position) error {
	for f.state.Position < end {
		one, at, err := f.gather(ctx, 1)
		if err != nil || at == "" {
			return err
		}
		if len(one) > 0 {
			err = f.send(ctx, one)
		}
		a, no := refuses(err)
		if err != nil && !no {
			return err
		}
		if no {
			if f.refused++; f.refused < f.Refusals {
				return err
			}
		}
		f.refused = 0
		if err := f.save(ctx, at, one, a); err != nil {
			return err
		}
	}
	return nil
}

// load reads how far it is. Other criteria than before are a walk from the beginning: what is there already is passed by, and what is not
// asked for any more is deleted there.
func (f *forward) load(ctx context.Context) error {
	err := f.Store.View(ctx, storage.System, func(tx *storage.Tx) (err error) {
		f.state, f.kept, err = forwardings.Load(tx, f.id)
		if errors.Is(err, driver.ErrNotFound) {
			f.state, f.kept, err = forwarding{}, 0, nil
		}
		return err
	})
	if err != nil {
		return err
	}
	if !slices.Equal(f.state.Criteria, f.Criteria) {
		f.state.Criteria, f.state.Position = f.Criteria, ""
	}
	f.ready = true
	return nil
}

// save moves the position behind what was taken, or refused for good.
func (f *forward) save(ctx context.Context, at driver.Position, units []unit, a *answer) error {
	next := f.state
	next.Position, next.At = at, f.Clock().UTC()
	var kept uint64
	err := f.Store.Update(context.WithoutCancel(ctx), storage.System, func(tx *storage.Tx) (err error) {
		next.Sent = f.state.Sent
		for _, u := range units {
			if a != nil {
				if err := f.bury(tx, f.name(), u.key, u.entries[len(u.entries)-1].version, a); err != nil {
					return err
				}
				continue
			}
			n, err := f.note(tx, u)
			if err != nil {
				return err
			}
			next.Sent += n
		}
		kept, err = forwardings.Save(tx, f.id, f.kept, next)
		return err
	})
	if err != nil {
		f.ready = false // another process forwards too, or the store has trouble
		return err
	}
	f.state, f.kept = next, kept
	return nil
}

// note keeps what the destination has by now, and returns how many resources that were.
func (f *forward) note(tx *storage.Tx, u unit) (int, error) {
	for _, e := range u.entries {
		id := f.forwardedID(e.key)
		was, version, err := forwardeds.Load(tx, id)
		if err != nil && !errors.Is(err, driver.ErrNotFound) {
			return 0, err
		}
		now := forwarded{Version: e.version, Target: (was.Target || e.target) && e.body != nil, Gone: e.body == nil}
		if _, err := forwardeds.Save(tx, id, version, now); err != nil {
			return 0, err
		}
		if err := unbury(tx, f.name(), e.key); err != nil {
			return 0, err
		}
	}
	return len(u.entries), nil
}

func (f *forward) forwardedID(k driver.Key) string { return f.id + " " + k.String() }

// send sends units in one transaction.
func (f *forward) send(ctx context.Context, units []unit) error {
	body := f.bundle(units)
	h := http.Header{"Content-Type": {"application/fhir+json"}, "Accept": {"application/fhir+json"}, "Prefer": {"return=minimal"}}
	if f.TokenFile != "" {
		token, err := os.ReadFile(f.TokenFile)
		if err != nil {
			return err
		}
		h.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	return send(ctx, f.client, http.MethodPost, f.to, h, body)
}

// replay sends the dead letters that somebody wants to be sent again, as the resources are now.
func (f *forward) replay(ctx context.Context) error {
	marked, err := f.marked(ctx, f.name())
	if err != nil {
		return err
	}
	for _, l := range marked {
		k := driver.Key{Type: l.Type, ID: l.ID}
		var u unit
		err := f.Store.View(ctx, storage.System, func(tx *storage.Tx) (err error) {
			u, err = f.judge(tx, k, 0, map[driver.Key]bool{})
			return err
		})
		if err != nil {
			return err
		}
		var a *answer
		if len(u.entries) > 0 {
			err := f.send(ctx, []unit{u})
			var no bool
			if a, no = refuses(err); err != nil && !no {
				return err
			}
			l.Version = u.entries[len(u.entries)-1].version
		}
		if err := f.Store.Update(context.WithoutCancel(ctx), storage.System, func(tx *storage.Tx) error {
			if a == nil {
				_, err := f.note(tx, u)
				return err
			}
			return nil
		}); err != nil {
			return err
		}
		if err := f.answered(ctx, f.name(), l, a); err != nil {
			return err
		}
	}
	return nil
}
