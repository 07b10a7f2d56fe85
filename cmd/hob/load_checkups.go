package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hob-fhir/hob/connect"
	"github.com/hob-fhir/hob/fhirmap"
)

// checkupsFile reads a list of checkups, or one. The whole file is one transaction, see connect.Checkups.
func checkupsFile(data []byte) ([][]*fhirmap.Resource, error) {
	rows, err := checkupRows(data)
	if err != nil {
		return nil, err
	}
	group, err := connect.Checkups(rows)
	if err != nil {
		return nil, err
	}
	if len(group) == 0 {
		return nil, nil
	}
	return [][]*fhirmap.Resource{group}, nil
}

// checkupRows reads the JSON, numbers as they are written.
func checkupRows(data []byte) ([]connect.Row, error) {
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
	rows := make([]connect.Row, len(list))
	for i, v := range list {
		o, ok := v.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("checkup %d is no object; a file of checkups is a list of them, or one", i+1)
		}
		rows[i] = connect.Row{}
		for k, v := range o {
			if !slices.Contains(connect.CheckupColumns, k) {
				return nil, fmt.Errorf("checkup %d: %s is no field of a checkup; the nearest is %s", i+1, k, nearest(k, connect.CheckupColumns))
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
