package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// labels are the members of a meta that $meta-add and $meta-delete change, each as it came.
type labels struct {
	Profile  []json.RawMessage `json:"profile"`
	Security []json.RawMessage `json:"security"`
	Tag      []json.RawMessage `json:"tag"`
}

func (l labels) lists() []list {
	return []list{{"profile", l.Profile}, {"security", l.Security}, {"tag", l.Tag}}
}

type list struct {
	name  string
	items []json.RawMessage
}

// metaOf is $meta (R4 resource-operation-meta.html) on a resource.
func metaOf(tx *storage.Tx, r *Request) (*Response, error) {
	if err := r.known(); err != nil {
		return nil, err
	}
	rec, err := tx.Get(r.Key())
	if err != nil {
		return nil, err
	}
	if rec.Deleted {
		return nil, gone(rec)
	}
	return metaAnswer(rec, r)
}

// metaAnswer gives the meta of a version in Parameters.
func metaAnswer(rec driver.Record, _ *Request) (*Response, error) {
	var body struct {
		Meta json.RawMessage `json:"meta"`
	}
	if err := json.Unmarshal(rec.Body, &body); err != nil {
		return nil, err
	}
	b := &bundle{}
	b.raw(`{"resourceType":"Parameters","parameter":[{"name":"return","valueMeta":`)
	b.buf = append(b.buf, body.Meta...)
	b.raw(`}]}`)
	return &Response{Status: http.StatusOK, Version: rec.Version, Modified: rec.Time, Body: b.buf}, nil
}

// metaAdd is $meta-add: profiles, security labels and tags are added to those there are, in a new version. If all are there, nothing
// is written.
func metaAdd(c *Config) Preparation {
	return metaChange(c, func(have, given labels) (patch []patchOperation) {
		old := have.lists()
		for i, l := range given.lists() {
			var more []json.RawMessage
			for _, item := range l.items {
				if !holds(old[i].items, item) && !holds(more, item) {
					more = append(more, item)
				}
			}
			switch {
			case len(more) > 0 && len(old[i].items) == 0:
				value, _ := json.Marshal(more) // of values that were read before
				patch = append(patch, patchOperation{"add", "/meta/" + l.name, value})
			default:
				for _, item := range more {
					patch = append(patch, patchOperation{"add", "/meta/" + l.name + "/-", item})
				}
			}
		}
		return patch
	})
}

// metaDelete is $meta-delete: profiles, security labels and tags are taken away, in a new version. Those that are not there are passed
// over.
func metaDelete(c *Config) Preparation {
	return metaChange(c, func(have, given labels) (patch []patchOperation) {
		doomed := given.lists()
		for i, l := range have.lists() {
			n := len(l.items)
			for at, item := range slices.Backward(l.items) {
				if holds(doomed[i].items, item) {
					patch = append(patch, patchOperation{Op: "remove", Path: "/meta/" + l.name + "/" + strconv.Itoa(at)})
					n--
				}
			}
			if gone := len(l.items) - n; gone > 0 && n == 0 { // FHIR has no empty lists
				patch = append(patch[:len(patch)-gone], patchOperation{Op: "remove", Path: "/meta/" + l.name})
			}
		}
		return patch
	})
}

// patchOperation is one of a JSON Patch.
type patchOperation struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value,omitempty"`
}

// metaChange makes an operation of a function that writes a patch, from the labels there are and those given.
func metaChange(c *Config, change func(have, given labels) []patchOperation) Preparation {
	return edit(c, func(r *Request, before *fhirmap.Resource) (*fhirmap.Resource, error) {
		given, err := givenMeta(r)
		if err != nil {
			return nil, err
		}
		var have struct {
			Meta labels `json:"meta"`
		}
		if err := json.Unmarshal(before.JSON(), &have); err != nil {
			return nil, err
		}
		patch := change(have.Meta, given)
		if len(patch) == 0 {
			return before, nil
		}
		document, err := json.Marshal(patch)
		if err != nil {
			return nil, err
		}
		return fhirmap.JSONPatch(before, document, r.Limits)
	}, metaAnswer)
}

// givenMeta reads the one parameter of both operations.
func givenMeta(r *Request) (labels, error) {
	parameters, err := r.Resource("Parameters")
	if err != nil {
		return labels{}, err
	}
	var in struct {
		Parameter []struct {
			Name string  `json:"name"`
			Meta *labels `json:"valueMeta"`
		} `json:"parameter"`
	}
	if err := json.Unmarshal(parameters.JSON(), &in); err != nil {
		return labels{}, err
	}
	if len(in.Parameter) != 1 || in.Parameter[0].Name != "meta" || in.Parameter[0].Meta == nil {
		return labels{}, fhirmap.Errorf(fhirmap.CodeRequired, "Parameters.parameter",
			"the Parameters must have one parameter, named meta, with a valueMeta")
	}
	return *in.Parameter[0].Meta, nil
}

// holds reports whether a list has an item: a profile of the same text, a label of the same system and code.
func holds(items []json.RawMessage, item json.RawMessage) bool {
	return slices.ContainsFunc(items, func(other json.RawMessage) bool { return sameLabel(other, item) })
}

func sameLabel(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var texts [2]string
	if json.Unmarshal(a, &texts[0]) == nil && json.Unmarshal(b, &texts[1]) == nil {
		return texts[0] == texts[1]
	}
	var codings [2]struct{ System, Code string }
	return json.Unmarshal(a, &codings[0]) == nil && json.Unmarshal(b, &codings[1]) == nil &&
		codings[0] == codings[1] && codings[0].Code != ""
}
