package suite

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
)

// statuses are ranges of HTTP statuses, both ends in.
type statuses [][2]int

func parseStatuses(text string) (statuses, error) {
	var out statuses
	for _, f := range strings.Fields(text) {
		if len(f) == 3 && strings.HasSuffix(f, "xx") && f[0] >= '1' && f[0] <= '5' {
			n := int(f[0]-'0') * 100
			out = append(out, [2]int{n, n + 99})
			continue
		}
		n, err := strconv.Atoi(f)
		if err != nil || n < 100 || n > 599 {
			return nil, fmt.Errorf("%q is no HTTP status, such as 404 or 4xx", f)
		}
		out = append(out, [2]int{n, n})
	}
	if len(out) == 0 {
		return nil, errors.New("an HTTP status must follow, such as 404 or 4xx")
	}
	return out, nil
}

func (s statuses) has(status int) bool {
	return slices.ContainsFunc(s, func(r [2]int) bool { return r[0] <= status && status <= r[1] })
}

func (s statuses) String() string {
	var out []string
	for _, r := range s {
		if r[0] == r[1] {
			out = append(out, strconv.Itoa(r[0]))
		} else {
			out = append(out, strconv.Itoa(r[0]/100)+"xx")
		}
	}
	return strings.Join(out, " or ")
}

// judge compares the status of the last answer.
func (s statuses) judge(v *visit) error {
	if !s.has(v.last.status) {
		return fmt.Errorf("the status is %d; it should be %v", v.last.status, s)
	}
	return nil
}

// refused is a refusal if an answer is one by which an option is not offered.
func (s statuses) refused(a *answer) error {
	if s.has(a.status) {
		return refusal(fmt.Sprintf("%s answered %d", a.request, a.status))
	}
	return nil
}

// option cuts "or not offered CODE…" off a line.
func (p *parser) option(rest string) (string, statuses, error) {
	rest, codes, ok := strings.Cut(rest, " or not offered ")
	if !ok {
		return rest, nil, nil
	}
	p.optOut = true
	s, err := parseStatuses(codes)
	return rest, s, err
}

func parseStatus(p *parser, rest string) (step, error) {
	rest, option, err := p.option(rest)
	if err != nil {
		return step{}, err
	}
	want, err := parseStatuses(rest)
	return step{judges: true, do: func(v *visit) error {
		if err := option.refused(v.last); err != nil {
			return err
		}
		return want.judge(v)
	}}, err
}

func parseRefused(p *parser, rest string) (step, error) {
	rest, option, err := p.option(rest)
	if err != nil {
		return step{}, err
	}
	want, err := parseStatuses(rest)
	return step{judges: true, do: func(v *visit) error {
		if err := option.refused(v.last); err != nil {
			return err
		}
		if err := want.judge(v); err != nil {
			return err
		}
		return v.last.complains()
	}}, err
}

// complains tells whether an answer, if it has a body, is an OperationOutcome that says what is wrong. An outcome is recommended, not
// required; scripts of that level ask whether there is one.
func (a *answer) complains() error {
	if len(a.body) == 0 {
		return nil
	}
	root, err := a.resource()
	if err != nil {
		return err
	}
	if root.Type != "OperationOutcome" {
		return fmt.Errorf("the answer is a %s; an error should be explained by an OperationOutcome", root.Type)
	}
	for is := range root.Each("issue") {
		if s := is.String("severity"); (s == "error" || s == "fatal") && is.String("code") != "" {
			return nil
		}
	}
	return errors.New("the OperationOutcome has no issue of severity error or fatal with a code")
}

var conditionForm = regexp.MustCompile(`^(\S+)(?:\s+(=|~|absent)(?:\s+(.*))?)?$`)

func parseHeader(p *parser, rest string) (step, error) {
	m := conditionForm.FindStringSubmatch(rest)
	if m == nil || (m[2] == "=" || m[2] == "~") && m[3] == "" || m[2] == "absent" && m[3] != "" {
		return step{}, fmt.Errorf("header %s: write a name, and = value, ~ expression or absent", rest)
	}
	name, op, want := m[1], m[2], m[3]
	if op == "~" {
		if err := p.matchable(want); err != nil {
			return step{}, err
		}
	}
	return step{do: func(v *visit) error {
		have := strings.Join(v.last.header.Values(name), ", ")
		switch op {
		case "":
			if have == "" {
				return fmt.Errorf("the answer has no header %s", name)
			}
			return nil
		case "absent":
			if have != "" {
				return fmt.Errorf("the answer has the header %s: %s", name, have)
			}
			return nil
		case "~":
			return v.matching("the header "+name, have, want, true)
		}
		value, err := v.fill(want, plain)
		if err == nil && have != value {
			err = fmt.Errorf("the header %s is %q; it should be %q", name, have, value)
		}
		return err
	}}, p.uses(want)
}

func parseBody(p *parser, rest string) (step, error) {
	op, want, _ := strings.Cut(rest, " ")
	if rest == "empty" {
		return step{do: func(v *visit) error {
			if len(v.last.body) > 0 {
				return fmt.Errorf("the answer has a body of %d bytes", len(v.last.body))
			}
			return nil
		}}, nil
	}
	if op != "~" && op != "!~" {
		return step{}, fmt.Errorf("body %s: write empty, ~ expression or !~ expression", rest)
	}
	if err := p.matchable(want); err != nil {
		return step{}, err
	}
	return step{do: func(v *visit) error {
		return v.matching("the body", string(v.last.body), want, op == "~")
	}}, p.uses(want)
}

// matchable checks a regular expression with variables.
func (p *parser) matchable(expr string) error {
	if expr == "" {
		return errors.New("an expression must follow")
	}
	_, err := regexp.Compile(variable.ReplaceAllString(expr, "x"))
	return err
}

func (v *visit) matching(what, have, expr string, want bool) error {
	filled, err := v.fill(expr, regexp.QuoteMeta)
	if err != nil {
		return err
	}
	re, err := regexp.Compile(filled)
	if err != nil {
		return err
	}
	switch {
	case re.MatchString(have) == want:
		return nil
	case want:
		return fmt.Errorf("%s is %q, and has no match of %s", what, clip(have, 200), filled)
	}
	return fmt.Errorf("%s has a match of %s: %q", what, filled, re.FindString(have))
}

// names reads names of what was made, or none.
func (p *parser) names(text string) ([]string, error) {
	if text == "none" {
		return nil, nil
	}
	names := strings.Fields(text)
	for _, n := range names {
		if !p.vars[n+".ref"] {
			return nil, fmt.Errorf("%q is the name of nothing that a request above keeps by as", n)
		}
	}
	if len(names) == 0 {
		return nil, errors.New("names must follow, or none")
	}
	return names, nil
}

func parseIDs(order bool) func(*parser, string) (step, error) {
	return func(p *parser, rest string) (step, error) {
		want, err := p.names(rest)
		return step{do: func(v *visit) error {
			have, err := matches(v.last)
			if err != nil {
				return err
			}
			return v.compare(have, want, order)
		}}, err
	}
}

// compare compares what was found, as type/id, with what should be, by name.
func (v *visit) compare(have, names []string, order bool) error {
	named := map[string]string{}
	for name := range v.sent {
		named[v.vars[name+".ref"]] = name
	}
	for _, name := range names {
		ref, ok := v.vars[name+".ref"]
		if !ok {
			return fmt.Errorf("%s has no id: the request that would give it one was not answered so", name)
		}
		named[ref] = name
	}
	found := make([]string, len(have))
	for i, ref := range have {
		if found[i] = named[ref]; found[i] == "" {
			found[i] = ref
		}
	}
	want := slices.Clone(names)
	if !order {
		slices.Sort(found)
		slices.Sort(want)
	}
	if slices.Equal(found, want) {
		return nil
	}
	return fmt.Errorf("found are %s; they should be %s", listed(found), listed(want))
}

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, " ")
}

func parseValid(_ *parser, rest string) (step, error) {
	if rest != "" {
		return step{}, fmt.Errorf("valid %s: nothing may follow", rest)
	}
	return step{do: func(v *visit) error {
		if _, err := fhirmap.Parse(v.last.body, fhirmap.Limits{}); err != nil {
			return fmt.Errorf("the answer is no valid resource: %w", err)
		}
		return nil
	}}, nil
}

func parsePause(_ *parser, rest string) (step, error) {
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || d > 10*time.Second {
		return step{}, fmt.Errorf("pause %s: write a time up to 10s, such as 20ms", rest)
	}
	return step{do: func(v *visit) error {
		select {
		case <-time.After(d):
			return nil
		case <-v.ctx.Done():
			return v.ctx.Err()
		}
	}}, nil
}

var letForm = regexp.MustCompile(`^(\S+)\s+=\s+(\S.*)$`)

func parseLet(p *parser, rest string) (step, error) {
	m := letForm.FindStringSubmatch(rest)
	if m == nil {
		return step{}, fmt.Errorf("let %s: write a name, =, and a path or header NAME", rest)
	}
	name, from := m[1], m[2]
	header, isHeader := strings.CutPrefix(from, "header ")
	err := p.uses(from)
	if err == nil && !isHeader {
		err = compilable(from)
	}
	if err == nil {
		err = p.sets(name, "")
	}
	return step{do: func(v *visit) error {
		if isHeader {
			value := v.last.header.Get(strings.TrimSpace(header))
			if value == "" {
				return fmt.Errorf("the answer has no header %s", header)
			}
			v.vars[name] = value
			return nil
		}
		items, err := v.path(from)
		if err != nil {
			return err
		}
		if len(items) != 1 || !items[0].Value {
			return fmt.Errorf("the path gives %s; it should give one value", shown(items))
		}
		v.vars[name] = items[0].Text
		return nil
	}}, err
}
