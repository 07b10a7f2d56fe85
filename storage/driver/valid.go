package driver

import (
	"bytes"
	"fmt"
	"strings"
)

// Validate reports what is malformed in a query, as ErrInvalid: an unknown operator, a field or type without a name, a wrong
// number of values, a value of the wrong shape. A nil query is All. An interval that holds nothing (Low not below High) is
// well-formed; no row lies within it.
func Validate(q Query) error {
	switch q := q.(type) {
	case nil, All, IDs:
		return nil
	case And:
		return validateAll(q)
	case Or:
		return validateAll(q)
	case Not:
		return Validate(q.Of)
	case Lookup:
		return validateLookup(q)
	case Same:
		for _, l := range q {
			if err := validateLookup(l); err != nil {
				return err
			}
		}
		return nil
	case Refers:
		return validateJoin("refers", q.Field, q.Type, q.Where)
	case Referred:
		return validateJoin("referred", q.Field, q.Type, q.Where)
	}
	return fmt.Errorf("%w: query node %T is not of this package", ErrInvalid, q)
}

func validateAll(parts []Query) error {
	for _, part := range parts {
		if err := Validate(part); err != nil {
			return err
		}
	}
	return nil
}

func validateJoin(node, field, typ string, where Query) error {
	if err := validateName("field of "+node, field); err != nil {
		return err
	}
	if err := validateName("type of "+node, typ); err != nil {
		return err
	}
	return Validate(where)
}

func validateLookup(l Lookup) error {
	if err := validateName("field of a lookup", l.Field); err != nil {
		return err
	}
	switch l.Op {
	case EQUAL, LIKE, LT, LTE, GT, GTE:
		if len(l.Values) != 1 {
			return fmt.Errorf("%w: %s %s takes one value, not %d", ErrInvalid, l.Field, l.Op, len(l.Values))
		}
	case IN:
	default:
		return fmt.Errorf("%w: operator %q of %s is none of EQUAL, LIKE, IN, LT, LTE, GT, GTE", ErrInvalid, l.Op, l.Field)
	}
	for _, v := range l.Values {
		switch {
		case v.Interval && (l.Op == EQUAL || l.Op == IN):
		case v.Interval:
			return fmt.Errorf("%w: %s %s takes a point, not an interval", ErrInvalid, l.Field, l.Op)
		case len(v.Low) == 0:
			return fmt.Errorf("%w: %s %s has an empty point; a point has at least one byte", ErrInvalid, l.Field, l.Op)
		case len(v.High) != 0:
			return fmt.Errorf("%w: %s %s has a point with a High; make values with Point, Span or Prefix", ErrInvalid, l.Field, l.Op)
		}
	}
	return nil
}

// validateName: types and fields are not empty and hold no zero byte, which backends and Ref use to end them.
func validateName(what, s string) error {
	if s == "" || strings.IndexByte(s, 0) >= 0 {
		return fmt.Errorf("%w: %s is %q; it must not be empty nor hold a zero byte", ErrInvalid, what, s)
	}
	return nil
}

// Validate reports what is malformed in a search, as ErrInvalid.
func (f Find) Validate() error {
	if err := validateName("type of a search", f.Type); err != nil {
		return err
	}
	if f.Limit < 0 || f.Budget < 0 {
		return fmt.Errorf("%w: limit %d and budget %d of a search must not be negative", ErrInvalid, f.Limit, f.Budget)
	}
	return Validate(f.Where)
}

// Validate reports what is malformed in a reading of the log, as ErrInvalid.
func (l Log) Validate() error {
	if l.ID != "" && l.Type == "" {
		return fmt.Errorf("%w: log of id %q needs its type too", ErrInvalid, l.ID)
	}
	if l.Limit < 0 {
		return fmt.Errorf("%w: limit %d of a log must not be negative", ErrInvalid, l.Limit)
	}
	return nil
}

// Validate reports what is malformed in a key, as ErrInvalid. An ID may hold any bytes, but not none.
func (k Key) Validate() error {
	if err := validateName("type of a key", k.Type); err != nil {
		return err
	}
	if k.ID == "" {
		return fmt.Errorf("%w: key of type %s has an empty id", ErrInvalid, k.Type)
	}
	return nil
}

// ValidatePut reports whether Put must refuse a record and its rows whatever is stored: ErrInvalid if one is malformed,
// ErrTooLarge if a row is longer than MaxValue.
func ValidatePut(rec Record, rows []Row) error {
	if err := rec.Key.Validate(); err != nil {
		return err
	}
	switch {
	case rec.Version == 0:
		return fmt.Errorf("%w: %s has version 0; versions begin with 1", ErrInvalid, rec.Key)
	case rec.Erased:
		return fmt.Errorf("%w: %s is put as erased; only Erase makes such a record", ErrInvalid, rec.Key)
	case rec.Deleted && (len(rec.Body) > 0 || len(rows) > 0):
		return fmt.Errorf("%w: %s is put as deleted with a body or rows; a deleted record has neither", ErrInvalid, rec.Key)
	case !rec.Expires.IsZero() && !rec.Private():
		return fmt.Errorf("%w: %s has an expiry; only private types, whose name begins with _, expire", ErrInvalid, rec.Key)
	}
	return ValidateRows(rec.Key, rows)
}

// ValidateRows reports whether Put and Index must refuse rows of k: ErrInvalid if one is malformed (no field; an empty point; a
// point with a High; an interval whose Low is not below its High; Unique on an interval), ErrTooLarge if one is longer than
// MaxValue.
func ValidateRows(k Key, rows []Row) error {
	for _, r := range rows {
		if err := validateName("field of a row of "+k.String(), r.Field); err != nil {
			return err
		}
		v := r.Value
		switch {
		case len(v.Low) > MaxValue || len(v.High) > MaxValue:
			return fmt.Errorf("%w: row %s of %s has a value of %d bytes; at most %d are allowed",
				ErrTooLarge, r.Field, k, max(len(v.Low), len(v.High)), MaxValue)
		case !v.Interval && (len(v.Low) == 0 || len(v.High) != 0):
			return fmt.Errorf("%w: row %s of %s is an empty point or a point with a High", ErrInvalid, r.Field, k)
		case v.Interval && len(v.High) != 0 && bytes.Compare(v.Low, v.High) >= 0:
			return fmt.Errorf("%w: row %s of %s is an interval whose Low is not below its High", ErrInvalid, r.Field, k)
		case v.Interval && r.Unique:
			return fmt.Errorf("%w: row %s of %s is unique and an interval; only points can be unique", ErrInvalid, r.Field, k)
		}
	}
	return nil
}
