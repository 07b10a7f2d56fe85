package suite

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
)

var dateVariable = regexp.MustCompile(`@\$\{[^}]*\}`)

// compilable checks a path with variables, for each of which a value that may stand there is put.
func compilable(expr string) error {
	expr = dateVariable.ReplaceAllLiteralString(expr, "@2000-01-01T00:00:00Z")
	_, err := fhirmap.CompilePath(variable.ReplaceAllLiteralString(expr, "x"))
	return err
}

// path evaluates a FHIRPath on the last answer.
func (v *visit) path(expr string) ([]*fhirmap.Element, error) {
	filled, err := v.fill(expr, quoted)
	if err != nil {
		return nil, err
	}
	p, err := fhirmap.CompilePath(filled)
	if err != nil {
		return nil, err
	}
	root, err := v.last.resource()
	if err != nil {
		return nil, err
	}
	return p.Select(root)
}

func parseAssert(p *parser, rest string) (step, error) {
	if err := p.uses(rest); err != nil {
		return step{}, err
	}
	return step{do: func(v *visit) error {
		items, err := v.path(rest)
		if err != nil {
			return err
		}
		if len(items) == 1 && items[0].Type == "boolean" && items[0].Text == "true" {
			return nil
		}
		why := fmt.Sprintf("the path gives %s; it should give true", shown(items))
		for _, side := range sides(rest) {
			if items, err := v.path(side); err == nil {
				why += fmt.Sprintf("; %s is %s", side, shown(items))
			}
		}
		return errors.New(why)
	}}, compilable(rest)
}

var literalForm = regexp.MustCompile(`^('([^'\\]|\\.)*'|@\S+|[0-9.]+|true|false)$`)

// sides splits a comparison, so that a failure can tell what was compared, without literals; none if the path is no plain comparison.
func sides(expr string) []string {
	depth, text := 0, false
	for i := 0; i < len(expr); i++ {
		switch c := expr[i]; {
		case text && c == '\\':
			i++
		case c == '\'':
			text = !text
		case text:
		case c == '(' || c == '[':
			depth++
		case c == ')' || c == ']':
			depth--
		case depth == 0 && strings.HasPrefix(expr[i:], " and "), depth == 0 && strings.HasPrefix(expr[i:], " or "):
			return nil
		case depth == 0 && c == ' ':
			for _, op := range []string{" = ", " != ", " >= ", " <= ", " > ", " < "} {
				if strings.HasPrefix(expr[i:], op) {
					return slices.DeleteFunc([]string{expr[:i], expr[i+len(op):]}, literalForm.MatchString)
				}
			}
		}
	}
	return nil
}

// shown writes a collection for a message.
func shown(items []*fhirmap.Element) string {
	if len(items) == 0 {
		return "nothing"
	}
	var out []string
	for _, e := range items {
		switch {
		case e.Value && (e.Type == "boolean" || e.Type == "integer" || e.Type == "decimal"):
			out = append(out, e.Text)
		case e.Value:
			out = append(out, strconv.Quote(e.Text))
		default:
			out = append(out, "a "+e.Type)
		}
	}
	return clip(strings.Join(out, ", "), 300)
}

var jsonForm = regexp.MustCompile(`^(\S+)\s+(?:=\s+(\S.*)|(absent))$`)

func parseJSON(p *parser, rest string) (step, error) {
	m := jsonForm.FindStringSubmatch(rest)
	if m == nil {
		return step{}, fmt.Errorf("json %s: write a path and = value, or absent", rest)
	}
	at, err := parseRoute(m[1])
	if err != nil {
		return step{}, err
	}
	want, absent := m[2], m[3] != ""
	if err := p.uses(want); err != nil {
		return step{}, err
	}
	if !absent {
		if _, err := decode([]byte(variable.ReplaceAllString(want, "1"))); err != nil {
			return step{}, fmt.Errorf("json %s: %s is no JSON: %w", m[1], want, err)
		}
	}
	return step{do: func(v *visit) error {
		root, err := decode(v.last.body)
		if err != nil {
			return fmt.Errorf("the answer is no JSON: %w", err)
		}
		have, ok := at.of(root)
		switch {
		case absent && ok:
			return fmt.Errorf("%s is %s; it should be absent", m[1], encoded(have))
		case absent:
			return nil
		case !ok:
			return fmt.Errorf("%s is absent; it should be %s", m[1], want)
		}
		filled, err := v.fill(want, plain)
		if err != nil {
			return err
		}
		value, err := decode([]byte(filled))
		if err != nil {
			return err
		}
		if !reflect.DeepEqual(have, value) {
			return fmt.Errorf("%s is %s; it should be %s", m[1], encoded(have), filled)
		}
		return nil
	}}, nil
}

// decode reads JSON with its numbers to the letter.
func decode(b []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var out any
	if err := d.Decode(&out); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows the value")
	}
	return out, nil
}

func encoded(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return clip(string(b), 300)
}

// route is a path into JSON: names and places.
type route []any

var routeForm = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]*)((?:\[[0-9]+\])*)$`)

// parseRoute reads name[0].family; a dot alone is the whole.
func parseRoute(text string) (route, error) {
	var out route
	if text == "." {
		return out, nil
	}
	for part := range strings.SplitSeq(text, ".") {
		m := routeForm.FindStringSubmatch(part)
		if m == nil {
			return nil, fmt.Errorf("%q is no path into JSON, such as name[0].family", text)
		}
		out = append(out, m[1])
		for n := range strings.FieldsFuncSeq(m[2], func(r rune) bool { return r == '[' || r == ']' }) {
			i, err := strconv.Atoi(n)
			if err != nil {
				return nil, err
			}
			out = append(out, i)
		}
	}
	return out, nil
}

func (r route) of(v any) (any, bool) {
	for _, part := range r {
		switch part := part.(type) {
		case string:
			object, _ := v.(map[string]any)
			next, ok := object[part]
			if !ok {
				return nil, false
			}
			v = next
		case int:
			array, _ := v.([]any)
			if part >= len(array) {
				return nil, false
			}
			v = array[part]
		}
	}
	return v, true
}

func parseKept(p *parser, rest string) (step, error) {
	if !p.vars[rest+".ref"] {
		return step{}, fmt.Errorf("kept %s: a name must follow that a request above keeps by as", rest)
	}
	return step{do: func(v *visit) error {
		sent, err := decode(v.sent[rest])
		if err != nil {
			return fmt.Errorf("what was sent as %s is no JSON: %w", rest, err)
		}
		have, err := decode(v.last.body)
		if err != nil {
			return fmt.Errorf("the answer is no JSON: %w", err)
		}
		before, _ := sent.(map[string]any)
		now, ok := have.(map[string]any)
		if !ok {
			return errors.New("the answer is no object")
		}
		names := map[string]bool{}
		for name := range before {
			names[name] = true
		}
		for name := range now {
			names[name] = true
		}
		var wrong []string
		for name := range names {
			was, sent := before[name]
			is, kept := now[name]
			switch {
			case name == "id" || name == "meta" || name == "text" && !sent:
			case !kept:
				wrong = append(wrong, name+" is gone")
			case !sent:
				wrong = append(wrong, fmt.Sprintf("%s is new: %s", name, encoded(is)))
			case !reflect.DeepEqual(was, is):
				wrong = append(wrong, fmt.Sprintf("%s is %s; it was sent as %s", name, encoded(is), encoded(was)))
			}
		}
		if len(wrong) > 0 {
			slices.Sort(wrong)
			return errors.New(strings.Join(wrong, "; "))
		}
		return nil
	}}, nil
}
