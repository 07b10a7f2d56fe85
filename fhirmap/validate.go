package fhirmap

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/google/fhir/go/fhirversion"
	"github.com/google/fhir/go/jsonformat"
	apb "github.com/google/fhir/go/proto/google/fhir/proto/annotations_go_proto"
	rpb "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/resources/bundle_and_contained_resource_go_proto"
	"google.golang.org/protobuf/proto"
)

// unmarshaller of google/fhir, which several goroutines may use at once. The zone is that of dates without one; no answer of ours
// depends on it.
var unmarshaller = sync.OnceValue(func() *jsonformat.Unmarshaller {
	u, err := jsonformat.NewUnmarshaller("UTC", fhirversion.R4)
	if err != nil {
		panic(err) // the version is known and so is the zone
	}
	return u
})

// A respelt is a piece of the compact JSON that R4 allows and google/fhir would refuse, or takes long for, and what it is told instead.
type respelt struct {
	start, end int
	text       string
}

// respell notes how google/fhir reads what was written down last, from start.
func (r *reader) respell(start int, text string) {
	if r.strict {
		r.respelt = append(r.respelt, respelt{start, len(r.out), text})
	}
}

// respellPrimitive notes the primitives that are right but that google/fhir misreads.
func (r *reader) respellPrimitive(e *Element, start int) {
	switch e.Type {
	case "base64Binary":
		// It knows one kind of white space and no escapes. The bytes themselves say nothing about validity.
		if len(e.Text) > 64 || strings.ContainsAny(e.Text, " \t\r\n") || len(e.Text)+2 != len(r.out)-start {
			r.respell(start, `"AAAA"`)
		}
	case "decimal":
		// It reads numbers as floating point before it looks at their digits, and not all that R4 allows.
		if len(e.Text) > 15 || strings.ContainsAny(e.Text, "eE") {
			r.respell(start, "1")
		}
	case "dateTime", "instant", "time":
		if strings.Contains(e.Text, ":60") { // a leap second
			r.respell(start, `"`+strings.Replace(e.Text, ":60", ":59", 1)+`"`)
		}
	}
}

// spelled is the JSON from start to end as google/fhir reads it. What is respelt is in order, the outer before the inner.
func (r *reader) spelled(start, end int) []byte {
	if len(r.respelt) == 0 {
		return r.out[start:end]
	}
	b := make([]byte, 0, end-start+16)
	at := start
	for _, s := range r.respelt {
		if s.start >= at && s.end <= end {
			b = append(append(b, r.out[at:s.start]...), s.text...)
			at = s.end
		}
	}
	return append(b, r.out[at:end]...)
}

// confirm asks google/fhir about a resource in which the reader found nothing wrong: for required elements, types of references and
// uris. What it says of syntax and types should find nothing more; if it does, it is reported too.
func (r *reader) confirm(res *Resource) []Issue {
	slices.SortFunc(r.respelt, func(a, b respelt) int { return cmp.Or(a.start-b.start, b.end-a.end) })
	v := &verdict{at: res.root, prefix: res.Type()}
	v.ask(r.spelled(0, len(r.out)))
	for _, s := range r.nested {
		if s.apart { // google/fhir does not look into them
			v.at, v.prefix = s.element, s.expression
			v.ask(r.spelled(s.start, s.end))
		}
	}
	slices.SortStableFunc(v.issues, func(a, b Issue) int { return comparePlaces(a.Expression, b.Expression) })
	if len(v.issues) > maxIssues {
		v.issues = append(v.issues[:maxIssues], Issue{Code: CodeTooLong, Diagnostics: fmt.Sprintf("there is more; the first %d issues are listed", maxIssues)})
	}
	return v.issues
}

// comparePlaces orders expressions so that item[9] stands before item[10].
func comparePlaces(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	for i > 0 && isDigit(a[i-1]) {
		i--
	}
	a, b = a[i:], b[i:]
	digits := func(s string) int { return len(s) - len(strings.TrimLeft(s, "0123456789")) }
	if m, n := digits(a), digits(b); m > 0 && n > 0 && m != n {
		return m - n
	}
	return strings.Compare(a, b)
}

// verdict gathers what google/fhir reports.
type verdict struct {
	at     *Element // the resource that is being asked about
	prefix string   // its expression
	issues []Issue
}

func (v *verdict) ask(json []byte) {
	if _, err := unmarshaller().UnmarshalWithErrorReporter(json, v); err != nil {
		for _, d := range detailsOf(err) {
			v.issues = append(v.issues, Issue{Code: CodeInvalid, Expression: v.prefix + afterType(d.path), Diagnostics: d.String()})
		}
	}
}

// afterType cuts the resource type off a path.
func afterType(path string) string {
	if i := strings.IndexByte(path, '.'); i >= 0 {
		return path[i:]
	}
	return ""
}

// ReportValidationWarning implements errorreporter.ErrorReporter. There are none today.
func (v *verdict) ReportValidationWarning(string, error) error { return nil }

// ReportValidationError implements errorreporter.ErrorReporter.
func (v *verdict) ReportValidationError(path string, err error) error {
	at := v.locate(path)
	for _, d := range detailsOf(err) {
		is := Issue{Code: CodeValue, Expression: at.expression, Diagnostics: d.String()}
		if name, ok := strings.CutPrefix(d.text, "missing required field "); ok {
			if name, err := strconv.Unquote(name); err == nil {
				is = at.missing(name)
			}
		} else if reference, ok := strings.CutPrefix(d.text, "invalid reference to a "); ok {
			if typ, want, ok := strings.Cut(reference, " resource, want "); ok {
				is.Diagnostics = fmt.Sprintf("%s refers to %s; it may refer to %s", at.name, typ, want)
			}
		} else if at.element != nil && !at.element.Value && len(at.element.Children) > 0 {
			continue // it judges the value of a primitive that has none
		} else if at.element != nil {
			is.Diagnostics = fmt.Sprintf("%s %s is not a valid %s", at.name, quote(at.element.Text), at.element.Type)
		}
		v.issues = append(v.issues, is)
	}
	return nil
}

// A site is where a path of google/fhir leads.
type site struct {
	expression string // as FHIRPath
	name       string // of the last step
	typ        *typeDef
	element    *Element
}

func (p site) missing(name string) Issue {
	is := Issue{Code: CodeRequired, Expression: p.expression + "." + name, Diagnostics: name + " is missing; it is required"}
	if p.typ == nil {
		return is
	}
	var keys []string
	for key, m := range p.typ.members {
		if m.name == name && !m.beside {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	is.Diagnostics = fmt.Sprintf("%s is missing; %s must have %s", name, p.typ.path, list(keys, 8))
	return is
}

// locate follows a path such as Bundle.entry[0].resource.patient.contact[1].value.quantity, which names the fields of messages, in the
// descriptors, the schema and the tree at once.
func (v *verdict) locate(path string) site {
	p := site{expression: v.prefix, name: v.at.Name, typ: schema().resources[v.at.Type], element: v.at}
	steps := strings.Split(path, ".")
	d := (&rpb.ContainedResource{}).ProtoReflect().Descriptor()
	if f := d.Fields().ByJSONName(lowerFirst(steps[0])); f != nil {
		d = f.Message()
	}
	for _, s := range steps[1:] {
		name, index := s, 0
		if open := strings.IndexByte(s, '['); open > 0 {
			name = s[:open]
			index, _ = strconv.Atoi(s[open+1 : len(s)-1])
		}
		f := d.Fields().ByJSONName(name)
		if f == nil || f.Message() == nil {
			return p
		}
		container := d.Name() == "ContainedResource"
		choice := proto.HasExtension(d.Options(), apb.E_IsChoiceType)
		d = f.Message()
		switch {
		case container:
			p.typ = schema().resources[string(d.Name())]
		case choice:
			// the type, which the expression leaves out
		default:
			p.name = name
			p.expression += "." + s
			p.element = nth(p.element, name, index)
		}
		if !container {
			p.typ = schema().types[d.FullName()]
		}
	}
	return p
}

// nth returns a child by name and place, nil if there is none.
func nth(e *Element, name string, index int) *Element {
	for c := range e.Each(name) {
		if index == 0 {
			return c
		}
		index--
	}
	return nil
}

// A detail is one error of google/fhir. Its types are internal, but their fields can be read.
type detail struct{ path, text, diagnostics string }

func (d detail) String() string {
	if d.diagnostics != "" {
		return lowerFirst(d.text) + ": " + clip(d.diagnostics)
	}
	return lowerFirst(d.text)
}

func detailsOf(err error) []detail {
	v := reflect.ValueOf(err)
	if v.Kind() == reflect.Slice {
		var all []detail
		for i := range v.Len() {
			if e, ok := v.Index(i).Interface().(error); ok {
				all = append(all, detailsOf(e)...)
			}
		}
		return all
	}
	field := func(name string) string {
		if v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct {
			if f := v.Elem().FieldByName(name); f.IsValid() && f.Kind() == reflect.String {
				return f.String()
			}
		}
		return ""
	}
	if text := field("Details"); text != "" {
		return []detail{{field("Path"), text, field("Diagnostics")}}
	}
	return []detail{{text: err.Error()}}
}
