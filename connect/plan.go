package connect

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// owned are the elements that an import sets, beside identifiers and meta.source. Whatever else others have added to a resource stays.
var owned = map[string][]string{
	"Practitioner":     {"name", "qualification"},
	"Organization":     {"name"},
	"PractitionerRole": {"practitioner", "organization", "code"},
}

// plan is what a batch of people makes of a store: prepared on a snapshot, confirmed in the writer.
type plan struct {
	writes  []write
	changes []Change
	found   map[string][]string // by type, the keys that were looked up
	stamp   string              // what was found by them, see lookup
}

// write is one version to be written.
type write struct {
	draft storage.Draft
	base  uint64
}

// known is a resource as it is stored, or the place where it will be.
type known struct {
	key    driver.Key
	base   uint64
	stored *fhirmap.Resource // nil: none is
}

// planner makes a plan for one source.
type planner struct {
	store   *storage.Store
	catalog *search.Catalog
	source  *Source
	plan    plan
	stamps  []string
}

// prepare plans to write people. Nobody else's work is undone: what is stored is found by identifier, and of it only what is owned is set.
func (p *planner) prepare(tx *storage.Tx, who []person, read []body, now time.Time) (*plan, error) {
	clinics := map[string]*person{}
	keys := make([]string, len(who))
	for i := range who {
		keys[i] = who[i].key
		if name := folded(who[i].Clinic); name != "" && clinics[name] == nil {
			clinics[name] = &who[i]
		}
	}
	p.plan.found = map[string][]string{"Practitioner": keys, "PractitionerRole": keys, "Organization": slices.Sorted(maps.Keys(clinics))}
	stored := map[string]map[string]known{}
	for _, typ := range []string{"Organization", "Practitioner", "PractitionerRole"} {
		var err error
		if stored[typ], err = p.find(tx, typ); err != nil {
			return nil, err
		}
	}
	slices.Sort(p.stamps)
	p.plan.stamp = strings.Join(p.stamps, " ")

	for _, name := range p.plan.found["Organization"] {
		res, err := clinics[name].Organization(fhirmap.Identifier{System: p.source.System, Value: name})
		if err != nil {
			return nil, err
		}
		if _, _, err := p.put(stored["Organization"][name], res); err != nil {
			return nil, err
		}
	}
	for i := range who {
		c, err := p.person(&who[i], stored)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", who[i].name(), err)
		}
		p.plan.changes = append(p.plan.changes, c)
	}
	if len(p.plan.writes) > 0 {
		if err := p.provenance(read, now); err != nil {
			return nil, err
		}
	}
	return &p.plan, nil
}

// person plans the Practitioner and, where he has a clinic, the PractitionerRole.
func (p *planner) person(who *person, stored map[string]map[string]known) (Change, error) {
	at := stored["Practitioner"][who.key]
	change := Change{Name: who.name(), Reference: at.key.String(), Action: Unchanged}
	res, err := who.Resource()
	if err != nil {
		return change, err
	}
	var more []Difference
	if change.Action, change.Fields, err = p.put(at, res); err != nil || who.Clinic == "" {
		return change, err
	}
	clinic := stored["Organization"][folded(who.Clinic)]
	role, err := who.Role(fhirmap.Identifier{System: p.source.System, Value: who.key}, at.key.String(), clinic.key.String())
	if err != nil {
		return change, err
	}
	action, more, err := p.put(stored["PractitionerRole"][who.key], role)
	if change.Action == Unchanged && action != Unchanged {
		change.Action = Updated
	}
	change.Fields = append(change.Fields, more...)
	return change, err
}

// find looks up the resources of a type by the keys that were planned for. Those that are not there get the id that they will have: made of
// system and key, so that two runs at once cannot make two of one.
func (p *planner) find(tx *storage.Tx, typ string) (map[string]known, error) {
	out := map[string]known{}
	for rec, err := range lookup(tx, p.catalog, typ, p.source.System, p.plan.found[typ], false) {
		if err != nil {
			return nil, err
		}
		p.stamps = append(p.stamps, stamp(rec))
		res, err := fhirmap.Trusted(rec.Body)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", rec.Key, err)
		}
		for id := range res.Root().Each("identifier") {
			value := id.String("value")
			if id.String("system") != p.source.System || !slices.Contains(p.plan.found[typ], value) {
				continue
			}
			if other, twice := out[value]; twice && other.key != rec.Key {
				return nil, fmt.Errorf("%s and %s both have the identifier %s of %s; take it from one of them", other.key, rec.Key, value, p.source.System)
			}
			out[value] = known{rec.Key, rec.Version, res}
		}
	}
	for _, value := range p.plan.found[typ] {
		if _, ok := out[value]; ok {
			continue
		}
		sum := sha256.Sum256([]byte(p.source.System + "\x00" + value))
		k := driver.Key{Type: typ, ID: hex.EncodeToString(sum[:16])}
		rec, err := tx.Head(k)
		if err != nil && !errors.Is(err, driver.ErrNotFound) {
			return nil, err
		}
		if err == nil && !rec.Deleted {
			return nil, fmt.Errorf("%s has lost its identifier %s of %s; give it back, or delete it", k, value, p.source.System)
		}
		out[value] = known{key: k, base: rec.Version}
	}
	return out, nil
}

// put plans one resource, unless it is stored as it should be.
func (p *planner) put(at known, want *fhirmap.Resource) (string, []Difference, error) {
	action := Created
	var fields []Difference
	if at.stored != nil {
		var err error
		if want, fields, err = merged(at.stored, want); err != nil {
			return "", nil, err
		}
		if len(fields) == 0 {
			return Unchanged, nil, nil
		}
		action = Updated
	}
	draft, err := p.store.Prepare(at.key.ID, want)
	if err != nil {
		return "", nil, err
	}
	p.plan.writes = append(p.plan.writes, write{draft, at.base})
	return action, fields, nil
}

// merged is what is stored with what the import owns set as it wants it.
func merged(stored, want *fhirmap.Resource) (*fhirmap.Resource, []Difference, error) {
	var before, after map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(stored.JSON(), &before), json.Unmarshal(want.JSON(), &after)); err != nil {
		return nil, nil, err
	}
	var diffs []Difference
	differ := func(name string, a, b json.RawMessage) bool {
		if same(a, b) {
			return false
		}
		diffs = append(diffs, Difference{stored.Type() + "." + name, string(a), string(b)})
		return true
	}
	for _, name := range owned[want.Type()] {
		if !differ(name, before[name], after[name]) {
			continue
		}
		if before[name] = after[name]; after[name] == nil {
			delete(before, name)
		}
	}
	meta := map[string]json.RawMessage{}
	if before["meta"] != nil {
		if err := json.Unmarshal(before["meta"], &meta); err != nil {
			return nil, nil, err
		}
	}
	source, err := json.Marshal(want.Meta().String("source"))
	if err != nil {
		return nil, nil, err
	}
	if differ("meta.source", meta["source"], source) {
		meta["source"] = source
		if before["meta"], err = json.Marshal(meta); err != nil {
			return nil, nil, err
		}
	}
	if len(diffs) == 0 {
		return stored, nil, nil
	}
	text, err := json.Marshal(before)
	if err != nil {
		return nil, nil, err
	}
	res, err := fhirmap.Parse(text, fhirmap.Limits{})
	return res, diffs, err
}

// same compares two pieces of JSON by what they say.
func same(a, b json.RawMessage) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// provenance plans the record of where all of it came from.
func (p *planner) provenance(read []body, now time.Time) error {
	id, err := p.store.NewID()
	if err != nil {
		return err
	}
	type reference map[string]any
	var targets, entities []any
	for _, w := range p.plan.writes {
		targets = append(targets, reference{"reference": w.draft.Key.String() + "/_history/" + strconv.FormatUint(w.base+1, 10)})
	}
	for _, b := range read {
		entities = append(entities, map[string]any{"role": "source", "what": reference{
			"identifier": map[string]any{"system": "urn:ietf:rfc:3986", "value": b.URL},
			"display":    fmt.Sprintf("%d bytes, SHA-256 %s", b.Bytes, b.Digest),
		}})
	}
	prov := map[string]any{
		"resourceType": "Provenance", "target": targets, "recorded": now.UTC().Format("2006-01-02T15:04:05.000Z"),
		"agent": []any{map[string]any{"who": reference{
			"type": "Organization", "display": p.source.Name, "identifier": map[string]any{"system": SystemBase, "value": p.source.Name},
		}}},
	}
	if len(entities) > 0 {
		prov["entity"] = entities
	}
	text, err := json.Marshal(prov)
	if err != nil {
		return err
	}
	res, err := fhirmap.Parse(text, fhirmap.Limits{})
	if err != nil {
		return err
	}
	draft, err := p.store.Prepare(id, res)
	p.plan.writes = append(p.plan.writes, write{draft, 0})
	return err
}

// confirm writes a plan, if what it was made from is still so.
func (p *plan) confirm(tx *storage.Tx, catalog *search.Catalog, system string) error {
	var stamps []string
	for typ, keys := range p.found {
		for rec, err := range lookup(tx, catalog, typ, system, keys, true) {
			if err != nil {
				return err
			}
			stamps = append(stamps, stamp(rec))
		}
	}
	slices.Sort(stamps)
	if strings.Join(stamps, " ") != p.stamp {
		return fmt.Errorf("others changed clinicians of %s meanwhile: %w", system, driver.ErrConflict)
	}
	for _, w := range p.writes {
		if _, err := tx.Put(w.draft, w.base); err != nil {
			return err
		}
	}
	return nil
}

func stamp(rec driver.Record) string {
	return rec.Key.String() + "/" + strconv.FormatUint(rec.Version, 10)
}

// lookupAtOnce is how many keys one search asks for.
const lookupAtOnce = 200

// lookup yields the resources of a type that have one of some identifiers. One that has several may come more than once.
func lookup(tx *storage.Tx, c *search.Catalog, typ, system string, keys []string, bare bool) func(func(driver.Record, error) bool) {
	return func(yield func(driver.Record, error) bool) {
		for some := range slices.Chunk(keys, lookupAtOnce) {
			tokens := make([]string, len(some))
			for i, key := range some {
				tokens[i] = search.Escape(system) + "|" + search.Escape(key)
			}
			s, err := c.Parse(typ, []search.Pair{{Name: "identifier", Value: strings.Join(tokens, ",")}}, search.ParseOptions{})
			if err != nil {
				yield(driver.Record{}, err)
				return
			}
			for hit, err := range tx.Find(driver.Find{Type: typ, Where: s.Where, Bare: bare}) {
				if !yield(hit.Record, err) || err != nil {
					return
				}
			}
		}
	}
}

// attempts is how often a plan is made, if others change what it is about.
const attempts = 4

// store writes a batch of people, and the mark where the next begins: all of it or nothing. A dry run writes nothing.
func (im *Importer) store(ctx context.Context, access storage.Access, s *Source, who []person, read []body, m *mark, dry bool) ([]Change, error) {
	for try := 0; ; {
		p := &planner{store: im.Store, catalog: im.Catalog, source: s}
		var made *plan
		err := im.Store.View(ctx, access, func(tx *storage.Tx) (err error) {
			made, err = p.prepare(tx, who, read, im.now())
			return err
		})
		if err != nil {
			return nil, err
		}
		if dry || len(made.writes) == 0 && m == nil {
			return made.changes, nil
		}
		err = im.Store.Update(ctx, access, func(tx *storage.Tx) error {
			if err := made.confirm(tx, im.Catalog, s.System); err != nil {
				return err
			}
			return m.save(tx)
		})
		switch {
		case err == nil:
			if m != nil {
				m.version++
			}
			return made.changes, nil
		case errors.Is(err, storage.ErrStale):
		case errors.Is(err, driver.ErrConflict) && try < attempts:
			try++
		default:
			return nil, err
		}
	}
}
