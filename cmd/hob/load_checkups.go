package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
)

// checkupColumns are what a checkup may have, as the uploader of device reports names it.
var checkupColumns = []string{"id", "checkup_type", "checkup_report", "checkup_for", "username", "machine", "taken_by", "disease", "created_on", "updated_on"}

// checkupsFile reads a list of checkups, or one. The whole file is one transaction: Patient and Device of each, which are left alone if they
// are there, its result and its DiagnosticReport. The ids are digests: of the machine and the number of the checkup if it has one, else of
// all that it says and, of several that say the same, of which it is.
func checkupsFile(data []byte) ([][]*fhirmap.Resource, error) {
	rows, err := checkupRows(data)
	if err != nil {
		return nil, err
	}
	var group []*fhirmap.Resource
	seen := map[string]int{}
	for i, row := range rows {
		more, err := checkupResources(row, seen)
		if err != nil {
			return nil, fmt.Errorf("checkup %d: %w", i+1, err)
		}
		group = append(group, more...)
	}
	if len(group) == 0 {
		return nil, nil
	}
	return [][]*fhirmap.Resource{group}, nil
}

// checkupRows reads the JSON, numbers as they are written.
func checkupRows(data []byte) ([]map[string]string, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var all any
	if err := d.Decode(&all); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if d.More() {
		return nil, errors.New("there is more than one value; a file of checkups is a list of them, or one")
	}
	list, ok := all.([]any)
	if !ok {
		list = []any{all}
	}
	rows := make([]map[string]string, len(list))
	for i, v := range list {
		o, ok := v.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("checkup %d is no object; a file of checkups is a list of them, or one", i+1)
		}
		rows[i] = map[string]string{}
		for k, v := range o {
			if !slices.Contains(checkupColumns, k) {
				return nil, fmt.Errorf("checkup %d: %s is no field of a checkup; the nearest is %s", i+1, k, nearest(k, checkupColumns))
			}
			switch v := v.(type) {
			case nil:
			case string:
				rows[i][k] = strings.TrimSpace(v)
			case json.Number:
				rows[i][k] = v.String()
			default:
				return nil, fmt.Errorf("checkup %d: %s is neither text nor a number", i+1, k)
			}
		}
	}
	return rows, nil
}

// checkupResources makes the resources of one checkup. Those that one before it made already are left out.
func checkupResources(row map[string]string, seen map[string]int) ([]*fhirmap.Resource, error) {
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
	return fhirmap.Parse(withID(r.JSON(), id), fhirmap.Limits{})
}

func digestOf(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// zoned is a time as FHIR wants it, of what databases write without a zone: they mean UTC.
func zoned(text string) string {
	for _, layout := range []string{"2006-01-02T15:04:05.999999", "2006-01-02 15:04:05.999999"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.Format("2006-01-02T15:04:05.999999Z")
		}
	}
	return text
}
