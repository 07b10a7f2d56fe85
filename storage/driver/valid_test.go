package driver

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	one := []Value{point("1")}
	interval := []Value{span("1", "2")}
	good := Lookup{Field: "f", Op: EQUAL, Values: one}
	bad := Lookup{Field: "f", Op: "NE", Values: one}
	for name, q := range map[string]Query{
		"nil": nil, "all": All{}, "ids": IDs{}, "and": And{}, "or": Or{good, nil}, "not": Not{}, "same": Same{}, "lookup": good,
		"interval":        Lookup{Field: "f", Op: EQUAL, Values: interval},
		"upside down":     Lookup{Field: "f", Op: EQUAL, Values: []Value{span("2", "1")}},
		"open":            Has("f"),
		"in nothing":      Lookup{Field: "f", Op: IN},
		"in of mixed":     Lookup{Field: "f", Op: IN, Values: []Value{point("1"), span("1", "")}},
		"refers to any":   Refers{Field: "f", Type: "T"},
		"referred by any": Referred{Field: "f", Type: "T"},
	} {
		if err := Validate(q); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, q := range map[string]Query{
		"operator": bad, "no operator": Lookup{Field: "f", Values: one}, "no field": Lookup{Op: EQUAL, Values: one},
		"zero byte":     Lookup{Field: "f\x00", Op: EQUAL, Values: one},
		"no value":      Lookup{Field: "f", Op: LT},
		"two values":    Lookup{Field: "f", Op: LIKE, Values: []Value{point("1"), point("2")}},
		"LT interval":   Lookup{Field: "f", Op: LT, Values: interval},
		"LTE interval":  Lookup{Field: "f", Op: LTE, Values: interval},
		"GT interval":   Lookup{Field: "f", Op: GT, Values: interval},
		"GTE interval":  Lookup{Field: "f", Op: GTE, Values: interval},
		"LIKE interval": Lookup{Field: "f", Op: LIKE, Values: interval},
		"empty point":   Lookup{Field: "f", Op: EQUAL, Values: []Value{{}}},
		"empty in list": Lookup{Field: "f", Op: IN, Values: []Value{point("1"), {}}},
		"half interval": Lookup{Field: "f", Op: EQUAL, Values: []Value{{Low: []byte("1"), High: []byte("2")}}},
		"in and":        And{good, bad}, "in or": Or{bad}, "in not": Not{bad}, "in same": Same{good, bad},
		"in refers":         Refers{Field: "f", Type: "T", Where: bad},
		"in referred":       Referred{Field: "f", Type: "T", Where: bad},
		"refers, no field":  Refers{Type: "T"},
		"referred, no type": Referred{Field: "f"},
		"a stranger":        struct{ Query }{All{}},
	} {
		if err := Validate(q); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v; want %v", name, err, ErrInvalid)
		}
	}
	for name, err := range map[string]error{
		"find without type": Find{}.Validate(), "limit": Find{Type: "T", Limit: -1}.Validate(), "budget": Find{Type: "T", Budget: -1}.Validate(),
		"where": Find{Type: "T", Where: bad}.Validate(), "log of an id": Log{ID: "a"}.Validate(), "log limit": Log{Limit: -1}.Validate(),
		"key without type": Key{ID: "a"}.Validate(), "key without id": Key{Type: "T"}.Validate(), "zero byte in type": Key{"T\x00", "a"}.Validate(),
	} {
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v; want %v", name, err, ErrInvalid)
		}
	}
	for name, err := range map[string]error{
		"find": Find{Type: "T", Where: good}.Validate(), "log": Log{}.Validate(), "log of a key": Log{Type: "T", ID: "a"}.Validate(),
		"key": Key{"T", "\x00\xff"}.Validate(),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestValidatePut(t *testing.T) {
	k := Key{"T", "a"}
	long := bytes.Repeat([]byte{'x'}, MaxValue+1)
	row := func(v Value) []Row { return []Row{{Field: "f", Value: point("1")}, {Field: "f", Value: v}} }
	for name, c := range map[string]struct {
		rec  Record
		rows []Row
		want error
	}{
		"plain":                {Record{Key: k, Version: 1, Body: []byte("{}")}, row(span("1", "2")), nil},
		"open ends":            {Record{Key: k, Version: 1}, row(span("", "")), nil},
		"the longest value":    {Record{Key: k, Version: 1}, row(Point(long[1:])), nil},
		"unique point":         {Record{Key: k, Version: 1}, []Row{{Field: "f", Value: point("1"), Unique: true}}, nil},
		"deleted":              {Record{Key: k, Version: 2, Deleted: true}, nil, nil},
		"private and expiring": {Record{Key: Key{"_t", "a"}, Version: 1, Expires: time.Unix(1, 0)}, nil, nil},
		"no id":                {Record{Key: Key{Type: "T"}, Version: 1}, nil, ErrInvalid},
		"version 0":            {Record{Key: k}, nil, ErrInvalid},
		"erased":               {Record{Key: k, Version: 1, Deleted: true, Erased: true}, nil, ErrInvalid},
		"deleted with a body":  {Record{Key: k, Version: 1, Deleted: true, Body: []byte("{}")}, nil, ErrInvalid},
		"deleted with rows":    {Record{Key: k, Version: 1, Deleted: true}, row(point("1")), ErrInvalid},
		"public and expiring":  {Record{Key: k, Version: 1, Expires: time.Unix(1, 0)}, nil, ErrInvalid},
		"no field":             {Record{Key: k, Version: 1}, []Row{{Value: point("1")}}, ErrInvalid},
		"empty point":          {Record{Key: k, Version: 1}, row(Value{}), ErrInvalid},
		"point with a high":    {Record{Key: k, Version: 1}, row(Value{Low: []byte("1"), High: []byte("2")}), ErrInvalid},
		"interval of nothing":  {Record{Key: k, Version: 1}, row(span("1", "1")), ErrInvalid},
		"unique interval":      {Record{Key: k, Version: 1}, []Row{{Field: "f", Value: span("1", "2"), Unique: true}}, ErrInvalid},
		"long low":             {Record{Key: k, Version: 1}, row(Point(long)), ErrTooLarge},
		"long high":            {Record{Key: k, Version: 1}, row(Span(nil, long)), ErrTooLarge},
	} {
		if err := ValidatePut(c.rec, c.rows); !errors.Is(err, c.want) {
			t.Errorf("%s: %v; want %v", name, err, c.want)
		}
	}
}
