package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/hob-fhir/hob/fhirmap"
)

// Op is an operator of a Lookup. There are seven.
type Op string

// The operators. All compare by the letter, and a field without a value stands in no relation to anything.
const (
	EQUAL Op = "EQUAL" // the field is the value
	LIKE  Op = "LIKE"  // the field contains the value
	IN    Op = "IN"    // the field is one of the values
	LT    Op = "LT"
	LTE   Op = "LTE"
	GT    Op = "GT"
	GTE   Op = "GTE"
)

// Lookup is one condition of a Filter.
type Lookup struct {
	Field  string
	Op     Op
	Values []string // one; of IN any number from one
}

// Where makes a Lookup.
func Where(field string, op Op, values ...string) Lookup { return Lookup{field, op, values} }

// Filter returns the records for which all lookups hold; without lookups all records. Where the server offers $filter it is asked that;
// elsewhere a search that FHIR has is, and what the two differ in is looked at here.
func (r *Records[T]) Filter(ctx context.Context, lookups ...Lookup) ([]T, error) {
	for _, l := range lookups {
		f, known := r.fields[l.Field]
		switch {
		case !known:
			return nil, fmt.Errorf("%s has no field %q; its fields are %s", r.typ, l.Field, strings.Join(r.names(false), ", "))
		case !slices.Contains([]Op{EQUAL, LIKE, IN, LT, LTE, GT, GTE}, l.Op):
			return nil, fmt.Errorf("%q is none of the operators EQUAL, LIKE, IN, LT, LTE, GT, GTE", l.Op)
		case len(l.Values) == 0 || len(l.Values) > 1 && l.Op != IN:
			return nil, fmt.Errorf("%s %s takes one value, not %d", l.Field, l.Op, len(l.Values))
		case f.values != nil && l.Op != EQUAL && l.Op != IN:
			return nil, fmt.Errorf("%s is a code, and takes EQUAL and IN", l.Field)
		}
	}
	out, err := r.filtered(ctx, lookups)
	if unoffered(err) {
		var why error
		if out, why = r.searched(ctx, lookups); why != nil {
			return nil, errors.Join(why, err)
		}
		err = nil
	}
	return out, err
}

// filtered asks $filter.
func (r *Records[T]) filtered(ctx context.Context, lookups []Lookup) ([]T, error) {
	var parameters []any
	for _, l := range lookups {
		f := r.fields[l.Field]
		part := []any{
			map[string]any{"name": "field", "valueString": f.param}, map[string]any{"name": "operator", "valueCode": string(l.Op)},
		}
		for _, v := range l.Values {
			part = append(part, map[string]any{"name": "value", "valueString": f.stored(v)})
		}
		parameters = append(parameters, map[string]any{"name": "lookup", "part": part})
	}
	in := map[string]any{"resourceType": "Parameters"}
	if len(parameters) > 0 {
		in["parameter"] = parameters
	}
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	return r.collect(ctx, func(yield func(*fhirmap.Resource, error) bool) {
		r.pages(ctx, http.MethodPost, "/"+r.typ+"/$filter", body, yield)
	})
}

// stored is a value as it stands in FHIR. One that is none of the field's is of no record.
func (f field[T]) stored(v string) string {
	if f.values == nil {
		return v
	}
	if s := f.values[v]; s != "" {
		return s
	}
	return "none-" + v
}

func (r *Records[T]) collect(ctx context.Context, matches func(func(*fhirmap.Resource, error) bool)) ([]T, error) {
	out := []T{}
	var found []*fhirmap.Resource
	flush := func() error {
		if len(found) == 0 {
			return nil
		}
		some, err := r.records(ctx, found)
		out, found = append(out, some...), nil
		return err
	}
	var failed error
	matches(func(res *fhirmap.Resource, err error) bool {
		if err == nil {
			if found = append(found, res); len(found) == 100 {
				err = flush()
			}
		}
		failed = err
		return err == nil
	})
	if failed == nil {
		failed = flush()
	}
	if failed != nil {
		return nil, failed
	}
	return out, nil
}

// searched asks a search that finds all for which the lookups hold, and looks at each.
func (r *Records[T]) searched(ctx context.Context, lookups []Lookup) ([]T, error) {
	pairs := []string{}
	for _, l := range lookups {
		pairs = append(pairs, r.fields[l.Field].search(l)...)
	}
	all, err := r.collect(ctx, r.search(ctx, "/"+r.typ+query(pairs...)))
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(v T) bool {
		return slices.ContainsFunc(lookups, func(l Lookup) bool { return !r.fields[l.Field].holds(v, l) })
	}), nil
}

// search is the parameter of a search that finds at least what a lookup does, none if FHIR has none.
func (f field[T]) search(l Lookup) []string {
	var values []string
	for _, v := range l.Values {
		values = append(values, escape(f.stored(v)))
	}
	list := strings.Join(values, ",")
	equal := l.Op == EQUAL || l.Op == IN
	switch {
	case f.param == "_created" || f.param == "place":
		return nil
	case f.kind == text && equal:
		return []string{f.param + ":exact", list}
	case f.kind == text && l.Op == LIKE && strings.ContainsFunc(l.Values[0], searchable):
		return []string{f.param + ":contains", list}
	case (f.kind == code || f.kind == number) && equal:
		return []string{f.param, list}
	case f.kind == moment && equal:
		return []string{f.param, list}
	case f.kind == moment && l.Op != LIKE:
		return []string{f.param, map[Op]string{LT: "lt", LTE: "le", GT: "gt", GTE: "ge"}[l.Op] + list}
	}
	return nil
}

// searchable reports whether a search of FHIR looks at a character: punctuation and marks may be nothing to it.
func searchable(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// holds says of a record what a lookup means.
func (f field[T]) holds(v T, l Lookup) bool {
	have := f.get(v)
	if have == "" {
		return false
	}
	want := l.Values[0]
	switch l.Op {
	case EQUAL, IN:
		return slices.Contains(l.Values, have)
	case LIKE:
		return strings.Contains(have, want)
	case LT:
		return have < want
	case LTE:
		return have <= want
	case GT:
		return have > want
	}
	return have >= want
}
