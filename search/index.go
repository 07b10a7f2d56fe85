package search

import (
	"iter"
	"slices"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// extractor writes the rows that an element of one FHIR type gives to a parameter of one kind.
type extractor func(x *indexer, e *fhirmap.Element)

// indexer collects the rows of one resource.
type indexer struct {
	*edition
	param *parameter
	group uint32
	raw   bool // codes as they are written
	rows  []driver.Row
	first int // where the rows of the current parameter begin
	err   *fhirmap.Outcome
}

// patientField holds a Ref of every Patient in whose compartment a resource lies.
const patientField = PatientField

// index is Catalog.Rows.
func (c *edition) index(id string, r *fhirmap.Resource) ([]driver.Row, error) {
	return c.indexed(id, r, func(*parameter) bool { return true })
}

// indexed makes the rows of some parameters.
func (c *edition) indexed(id string, r *fhirmap.Resource, of func(*parameter) bool) ([]driver.Row, error) {
	s := c.types[r.Type()]
	if s == nil {
		return nil, fhirmap.Errorf(fhirmap.CodeNotSupported, "", "%s is no resource type of FHIR R4", r.Type())
	}
	x := &indexer{edition: c, rows: make([]driver.Row, 0, 32)}
	for sel := range s.selectors(r.Root()) {
		if !of(sel.param) {
			continue
		}
		if err := x.add(sel, r.Root()); err != nil {
			return nil, err
		}
	}
	if c.options.Text {
		if err := x.words(r); err != nil {
			return nil, err
		}
	}
	x.compartment(s, driver.Key{Type: r.Type(), ID: id})
	x.owner(r)
	x.sourced(r)
	return x.rows, nil
}

// only writes the rows of some fields.
func (x *indexer) only(r *fhirmap.Resource, wanted func(field string) bool) error {
	for sel := range x.types[r.Type()].selectors(r.Root()) {
		if !wanted(sel.param.field("")) {
			continue
		}
		if err := x.add(sel, r.Root()); err != nil {
			return err
		}
	}
	return nil
}

// selectors yields those that may find something in a resource, each once for an element that it begins with.
func (s *schema) selectors(root *fhirmap.Element) iter.Seq[selector] {
	return func(yield func(selector) bool) {
		last := ""
		for i, e := range root.Children {
			if e.Name == last || i > 0 && named(root.Children[:i], e.Name) {
				continue // a later instance of a repeating element: the path selects them all
			}
			last = e.Name
			for _, sel := range s.byElement[e.Name] {
				if !yield(sel) {
					return
				}
			}
		}
		for _, sel := range s.always {
			if !yield(sel) {
				return
			}
		}
	}
}

func named(elements []*fhirmap.Element, name string) bool {
	return slices.ContainsFunc(elements, func(e *fhirmap.Element) bool { return e.Name == name })
}

// add writes the rows of one path.
func (x *indexer) add(sel selector, root *fhirmap.Element) error {
	elements, err := sel.path.Select(root)
	if err != nil {
		return fhirmap.Errorf(fhirmap.CodeProcessing, root.Name, "search parameter %s: %v", sel.param.code, err)
	}
	x.param, x.first = sel.param, len(x.rows)
	for _, e := range elements {
		x.group = e.Group
		x.element(e)
	}
	if x.err != nil {
		return x.err
	}
	if len(x.rows) > x.options.MaxRows {
		return fhirmap.Errorf(fhirmap.CodeTooLong, root.Name, "the resource has more than %d searchable values; split it, or raise the limit", x.options.MaxRows)
	}
	return nil
}

// element writes the rows of an element. An extension counts as its value.
func (x *indexer) element(e *fhirmap.Element) {
	if e.Type == "Extension" {
		if v := e.First("value"); v != nil {
			x.element(v)
		}
		return
	}
	if extract := x.param.kind.rows[e.Type]; extract != nil {
		extract(x, e)
	} else if extract := x.param.kind.rows[anyResource]; extract != nil && fhirmap.IsResource(e.Type) {
		extract(x, e)
	}
}

// anyResource stands, in a table of extractors, for every resource type.
const anyResource = "Resource"

// value adds a row unless the same row is there.
func (x *indexer) value(suffix string, v driver.Value) {
	row := driver.Row{Field: x.param.field(suffix), Group: x.group, Value: v}
	if x.param.residual() && suffix == "" && refersTo(v.Low, x.param.atoms[0].only) {
		return
	}
	// Values of one element repeat at most nearby; what is further away the backend takes as one row too.
	from := max(x.first, len(x.rows)-64)
	for _, r := range x.rows[from:] {
		if r.Group == row.Group && r.Field == row.Field && r.Value.Equal(v) {
			return
		}
	}
	x.rows = append(x.rows, row)
}

// point adds a row that is one value.
func (x *indexer) point(suffix string, b []byte) { x.value(suffix, driver.Point(b)) }

// compartment adds the patients of the rows so far, and a Patient to its own compartment (R4 CompartmentDefinition patient).
func (x *indexer) compartment(s *schema, k driver.Key) {
	seen := map[string]bool{}
	if k.Type == "Patient" {
		seen[string(k.Ref())] = true
		x.rows = append(x.rows, driver.Row{Field: patientField, Value: driver.Point(k.Ref())})
	}
	for _, r := range x.rows {
		if low := r.Value.Low; s.patients[r.Field] && refersTo(low, "Patient") && !seen[string(low)] {
			seen[string(low)] = true
			x.rows = append(x.rows, driver.Row{Field: patientField, Value: driver.Point(low)})
		}
	}
}

// refersTo reports whether the value of a reference row names a resource of a type.
func refersTo(low []byte, typ string) bool {
	at := len(low) - len(typ)
	return at > 1 && low[at-1] == 0 && string(low[at:]) == typ
}
