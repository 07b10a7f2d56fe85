package connect

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// CheckupColumns are what a checkup may have, as the uploader of device reports names it.
var CheckupColumns = []string{"id", "checkup_type", "checkup_report", "checkup_for", "username", "machine", "taken_by", "disease", "created_on", "updated_on"}

// Checkups makes resources of checkups: Patient and Device of each, its result and its DiagnosticReport, each once. The ids are digests: of the
// machine and the number of the checkup if it has one, else of all that it says and, of several that say the same, of which it is. So what is
// loaded again is under the ids that it had.
func Checkups(rows []Row) ([]*fhirmap.Resource, error) {
	var all []*fhirmap.Resource
	seen := map[string]int{}
	for i, row := range rows {
		more, err := checkupResources(row, seen)
		if err != nil {
			return nil, fmt.Errorf("checkup %d: %w", i+1, err)
		}
		all = append(all, more...)
	}
	return all, nil
}

// checkupResources makes the resources of one checkup. Those that one before it made already are left out.
func checkupResources(row Row, seen map[string]int) ([]*fhirmap.Resource, error) {
	row["created_on"] = zoned(row["created_on"])
	c := fhirmap.CheckupOfRow(row)
	key := digestOf("checkup", c.Machine, c.ID)
	if c.ID == "" {
		key = digestOf("checkup", c.Type, c.Report, c.For, c.Machine, c.TakenBy, c.Disease, c.Time)
		if seen[key]++; seen[key] > 1 {
			key = digestOf(key, fmt.Sprint(seen[key]))
		}
	}
	to := fhirmap.CheckupLinks{Patient: "Patient/" + digestOf("user", c.For), Result: "Observation/" + key}
	if c.Machine != "" {
		to.Device = "Device/" + digestOf("machine", c.Machine)
	}
	report, err := c.Resource(to)
	if err != nil {
		return nil, err
	}
	made := []func() (*fhirmap.Resource, error){c.Patient, c.Device, func() (*fhirmap.Resource, error) { return c.Observation(to) }}
	ids := []string{to.Patient, to.Device, to.Result}
	var out []*fhirmap.Resource
	for i, make := range made {
		r, err := make()
		if err != nil {
			return nil, err
		}
		if r == nil || seen[ids[i]] > 0 {
			continue
		}
		seen[ids[i]]++
		if r, err = identified(r, ids[i]); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	name := "DiagnosticReport/" + key
	if seen[name]++; seen[name] > 1 {
		return nil, fmt.Errorf("another of the same file has the id %s on the same machine", c.ID)
	}
	if report, err = identified(report, name); err != nil {
		return nil, err
	}
	return append(out, report), nil
}

// identified is a resource with the id of a reference.
func identified(r *fhirmap.Resource, reference string) (*fhirmap.Resource, error) {
	_, id, _ := strings.Cut(reference, "/")
	return fhirmap.Trusted(r.Stamp(id, 1, time.Time{}))
}

func digestOf(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// zoned is a time as FHIR wants it, of what databases write without a zone: they mean UTC, and PostgreSQL writes of a zone only the hours.
func zoned(text string) string {
	for _, layout := range []string{"2006-01-02T15:04:05.999999", "2006-01-02 15:04:05.999999", "2006-01-02 15:04:05.999999-07"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC().Format("2006-01-02T15:04:05.999999Z")
		}
	}
	return text
}

// reports writes the checkups of a batch of rows, and the mark where the next begins: all of it or nothing. Patients and Devices that are
// there are left as they are, and so is what says the same already. A row that is no checkup is skipped, and the report tells why. A dry run
// writes nothing.
func (im *Importer) reports(ctx context.Context, access storage.Access, s *Source, rows []Row, m *mark, report *Report) ([]Change, error) {
	var resources []*fhirmap.Resource
	seen := map[string]int{}
	for i, row := range rows {
		named := Row{}
		for _, field := range CheckupColumns {
			if v := strings.TrimSpace(row[s.column(field)]); v != "" {
				named[field] = v
			}
		}
		more, err := checkupResources(named, seen)
		if err != nil {
			report.Skipped = append(report.Skipped, fmt.Sprintf("record %d: %v", i+1, err))
			continue
		}
		resources = append(resources, more...)
	}
	for try := 0; ; try++ {
		var changes []Change
		var writes []write
		err := im.Store.View(ctx, access, func(tx *storage.Tx) error {
			changes, writes = nil, nil
			for _, res := range resources {
				change, w, err := im.planned(tx, res)
				if err != nil {
					return err
				}
				if w != nil {
					writes = append(writes, *w)
				}
				changes = append(changes, change)
			}
			return nil
		})
		if err != nil || report.DryRun {
			return changes, err
		}
		err = im.Store.Update(ctx, access, func(tx *storage.Tx) error {
			for _, w := range writes {
				if _, err := tx.Put(w.draft, w.base); err != nil {
					return err
				}
			}
			return m.save(tx)
		})
		if err == nil && m != nil {
			m.version++
		}
		if !errors.Is(err, driver.ErrConflict) || try == attempts {
			return changes, err
		}
	}
}

// planned plans one resource; the write is nil if it stays as it is.
func (im *Importer) planned(tx *storage.Tx, res *fhirmap.Resource) (Change, *write, error) {
	k := driver.Key{Type: res.Type(), ID: res.ID()}
	change := Change{Name: res.Type(), Reference: k.String(), Action: Created}
	rec, err := tx.Get(k)
	if err != nil && !errors.Is(err, driver.ErrNotFound) {
		return change, nil, err
	}
	if err == nil && !rec.Deleted {
		change.Action = Updated
		if k.Type == "Patient" || k.Type == "Device" || alike(rec.Body, res.JSON()) {
			change.Action = Unchanged
			return change, nil, nil
		}
	}
	draft, err := im.Store.Prepare(k.ID, res)
	return change, &write{draft, rec.Version}, err
}

// alike compares two resources by what they say, but for meta.
func alike(a, b []byte) bool {
	var x, y map[string]json.RawMessage
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	delete(x, "meta")
	delete(y, "meta")
	if len(x) != len(y) {
		return false
	}
	for name := range x {
		if !same(x[name], y[name]) {
			return false
		}
	}
	return true
}
