package suite

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
)

// visit is one run of a script on a server.
type visit struct {
	ctx    context.Context
	target *target
	script *script
	vars   map[string]string
	sent   map[string][]byte // the last body under a name
	made   []string          // type/id of all that was created, in order
	last   *answer
	crowd  []*answer // to the last parallel requests
}

// refusal is the error of an option that is not offered: how it was refused.
type refusal string

func (r refusal) Error() string { return string(r) }

func newVisit(ctx context.Context, t *target, s *script) *visit {
	run := fmt.Sprintf("%sx%03d", t.name, t.scripts)
	const system = "http://example.org/fhir-suite"
	return &visit{ctx: ctx, target: t, script: s, sent: map[string][]byte{}, vars: map[string]string{
		"run":    run,
		"tag":    system + "|" + run,
		"meta":   `{"tag":[{"system":"` + system + `","code":"` + run + `"}]}`,
		"system": system + "/" + run,
		"base":   t.base,
	}}
}

// play runs the steps until one fails. The error names its file and line.
func (v *visit) play() error {
	for _, st := range v.script.steps {
		err := st.do(v)
		if r, ok := err.(refusal); ok {
			return refusal(fmt.Sprintf("%v: %s", st.place, string(r)))
		}
		if err != nil {
			about := ""
			if v.last != nil {
				about = "\n\t" + v.last.String()
			}
			return fmt.Errorf("%v: %s\n\t%w%s", st.place, st.line, err, about)
		}
	}
	return nil
}

// clean deletes what was made, the last first, since it may refer to what came before. A server that does not delete keeps it.
func (v *visit) clean() {
	ctx := context.WithoutCancel(v.ctx)
	for _, ref := range slices.Backward(v.made) {
		req, err := http.NewRequestWithContext(ctx, http.MethodDelete, v.target.base+"/"+ref, nil)
		if err == nil {
			// An error here says nothing about what the script tests.
			_, _ = v.target.send(req)
		}
	}
}

// answer is what came back for a request.
type answer struct {
	request string // method and URL
	status  int
	header  http.Header
	body    []byte
	sent    []byte // the body of the request

	tree *fhirmap.Element // of the body, made at the first use
}

// resource reads the body as a resource.
func (a *answer) resource() (*fhirmap.Element, error) {
	if a.tree == nil {
		r, err := fhirmap.Trusted(a.body)
		if err != nil {
			return nil, fmt.Errorf("the answer is no FHIR resource in JSON: %w", err)
		}
		a.tree = r.Root()
	}
	return a.tree, nil
}

// bundle reads the body as a Bundle.
func (a *answer) bundle() (*fhirmap.Element, error) {
	root, err := a.resource()
	if err == nil && root.Type != "Bundle" {
		err = fmt.Errorf("the answer is a %s, and no Bundle", root.Type)
	}
	return root, err
}

// String tells a failure's reader what was asked and answered.
func (a *answer) String() string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s answered %d %s", a.request, a.status, http.StatusText(a.status))
	if len(a.body) > 0 {
		b.WriteString(": " + clip(string(a.body), 600))
	}
	return b.String()
}

// clip shortens what is too long for a message.
func clip(s string, most int) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

var variable = regexp.MustCompile(`\$\{([^}]*)\}`)

// fill puts the values of variables into a text, each written as the place wants it.
func (v *visit) fill(text string, write func(string) string) (string, error) {
	var missing string
	out := variable.ReplaceAllStringFunc(text, func(m string) string {
		value, ok := v.vars[m[2:len(m)-1]]
		if !ok {
			missing = m
		}
		return write(value)
	})
	if missing != "" {
		return "", fmt.Errorf("%s has no value: the request above that would give it one was not answered so", missing)
	}
	return out, nil
}

func plain(s string) string { return s }

// quoted writes a value between the quotes of a FHIRPath string.
func quoted(s string) string { return strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) }

// uses checks when a script is parsed that its variables have been set above.
func (p *parser) uses(texts ...string) error {
	for _, text := range texts {
		for _, m := range variable.FindAllStringSubmatch(text, -1) {
			if !p.vars[m[1]] {
				return fmt.Errorf("${%s} is set nowhere above", m[1])
			}
		}
	}
	return nil
}
