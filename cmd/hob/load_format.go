package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// foreignFormats are what load takes beside FHIR: each reads a file and makes resources of it, in groups that are loaded each by one transaction, in
// their order. All have ids, which are the same whenever the file is read.
var foreignFormats = map[string]func(data []byte) ([][]*fhirmap.Resource, error){
	"medical-records": recordsFile,
	"checkups":        checkupsFile,
}

// leftAlone are types of which a format only knows a name: one that is there under its id stays as it is, whatever else is known of it by then.
var leftAlone = map[string][]string{"checkups": {"Patient", "Device"}}

// foreign loads files of another format. A file that cannot be read whole is not loaded at all.
func (l *load) foreign(p *process, t target, in *sources, read func([]byte) ([][]*fhirmap.Resource, error)) error {
	if l.Resume != "" || l.Report != "" {
		return fmt.Errorf("--resume and --report are for FHIR; a file of %s may be loaded again, what is there already stays as it is", l.Format)
	}
	in.fault = func(name string, err error) error { return fmt.Errorf("%s: %w", name, err) }
	in.each = func(s stream) error {
		data, err := io.ReadAll(&limited{r: s.text, max: int64(l.MaxValue)})
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		groups, err := read(data)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		written, all := 0, 0
		counts := map[string]int{}
		for _, g := range groups {
			items := make([]*item, len(g))
			for i, r := range g {
				items[i] = &item{data: r.JSON(), typ: r.Type(), id: r.ID(), doubt: true, keep: slices.Contains(leftAlone[l.Format], r.Type())}
				counts[r.Type()]++
			}
			n, err := t.whole(p, items)
			if err != nil {
				return fmt.Errorf("%s: %s/%s and what belongs to it: %w", s.name, g[0].Type(), g[0].ID(), err)
			}
			written, all = written+n, all+len(g)
		}
		fmt.Fprintf(p.out, "%s: %d resources, %d written, %d already there\n", s.name, all, written, all-written)
		for _, typ := range sorted(counts) {
			fmt.Fprintf(p.out, "  %-20s %d\n", typ, counts[typ])
		}
		return nil
	}
	return in.walk(p, l.Paths)
}

func (l *local) whole(ctx context.Context, items []*item) (int, error) {
	parsed := make([]*fhirmap.Resource, len(items))
	for i, it := range items {
		var err error
		if parsed[i], err = fhirmap.Parse(it.data, fhirmap.Limits{}); err != nil {
			return 0, err
		}
	}
	for try := 1; ; try++ {
		drafts, err := l.prepare(ctx, items, parsed)
		for _, it := range items {
			if err == nil && it.refused != nil {
				err = it.refused
			}
		}
		if err != nil {
			return 0, err
		}
		err = l.store.Update(ctx, storage.System, func(tx *storage.Tx) error {
			for _, d := range drafts {
				if _, err := tx.Put(d.Draft, d.base); err != nil {
					return err
				}
			}
			return nil
		})
		if !errors.Is(err, driver.ErrConflict) || try == attempts {
			return len(drafts), err
		}
	}
}

func (r *remote) whole(ctx context.Context, items []*item) (int, error) {
	type request struct {
		Method string `json:"method"`
		URL    string `json:"url"`
	}
	type entry struct {
		Resource json.RawMessage `json:"resource"`
		Request  request         `json:"request"`
	}
	var b struct {
		Type    string  `json:"resourceType"`
		Kind    string  `json:"type"`
		Entries []entry `json:"entry"`
	}
	b.Type, b.Kind = "Bundle", "transaction"
	for _, it := range items {
		path := it.typ + "/" + it.id
		status, _, body, err := r.send(ctx, http.MethodGet, "/"+path, nil)
		if err != nil {
			return 0, err
		}
		if status == http.StatusOK && (it.keep || same(body, it.data)) {
			continue
		}
		b.Entries = append(b.Entries, entry{it.data, request{http.MethodPut, path}})
	}
	if len(b.Entries) == 0 {
		return 0, nil
	}
	data, err := json.Marshal(b)
	if err != nil {
		return 0, err
	}
	whole := &item{data: data}
	if err := r.post(ctx, whole, http.MethodPost, ""); err != nil {
		return 0, err
	}
	if whole.refused != nil {
		return 0, errors.Join(whole.refused)
	}
	return len(b.Entries), nil
}
