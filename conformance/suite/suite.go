package suite

import (
	"context"
	"crypto/rand"
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
	"time"
)

// Level says how binding what a script tests is.
type Level string

// The levels, as the specification writes them.
const (
	Shall  Level = "SHALL"
	Should Level = "SHOULD"
	May    Level = "MAY"
)

// Verdict is what came of a script.
type Verdict string

// The verdicts. NotOffered is of an option that the server does not claim, or refuses as a script says it may.
const (
	Pass       Verdict = "pass"
	Fail       Verdict = "fail"
	NotOffered Verdict = "not offered"
)

// Result is the run of one script.
type Result struct {
	Script  string // file and name: create/ignores-id
	Title   string
	Section string // of the specification: http.html#create
	Level   Level
	Verdict Verdict
	Detail  string        // of a failure: file and line, what was asked, answered and expected; of an option how it was refused
	Time    time.Duration // that the script took
}

// Config says what to test. Base is required.
type Config struct {
	Base   string       // the FHIR base, https://ehr.example/fhir
	Client *http.Client // nil: one with a timeout of 30 seconds per request
	Header http.Header  // sent with every request to the host of Base: Authorization
	Match  string       // a regular expression of the scripts to run, on file and name; "": all
	Run    string       // 1 to 16 small letters and digits that no other run has; "": random ones
}

//go:embed testdata/*.test
var embedded embed.FS

// Run runs the scripts one after another, in the order of their files. A server that cannot be reached is an error, and so is a
// context that ends: the results are then those so far.
func Run(ctx context.Context, c Config) ([]Result, error) {
	scripts, err := load(embedded, "testdata")
	if err != nil {
		return nil, err
	}
	match, err := regexp.Compile(c.Match)
	if err != nil {
		return nil, fmt.Errorf("the expression of the scripts to run: %w", err)
	}
	t, err := newTarget(ctx, c)
	if err != nil {
		return nil, err
	}
	var results []Result
	for i := range scripts {
		if !match.MatchString(scripts[i].name) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return results, err
		}
		results = append(results, t.run(ctx, &scripts[i]))
	}
	if results == nil {
		return nil, fmt.Errorf("no script has a name that matches %q; %s is one", c.Match, scripts[0].name)
	}
	return results, ctx.Err()
}

// load reads every script of a folder.
func load(files fs.FS, dir string) ([]script, error) {
	names, err := fs.Glob(files, path.Join(dir, "*.test"))
	if err != nil {
		return nil, err
	}
	var all []script
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		scripts, err := parse(path.Base(name), string(text))
		if err != nil {
			return nil, err
		}
		all = append(all, scripts...)
	}
	return all, nil
}

// target is the server under test.
type target struct {
	base    string
	host    string
	client  *http.Client
	header  http.Header
	name    string // of this run
	scripts int    // run so far
	claims  *claims
}

func newTarget(ctx context.Context, c Config) (*target, error) {
	u, err := url.Parse(c.Base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("base %q: write a URL such as https://ehr.example/fhir", c.Base)
	}
	t := &target{base: strings.TrimRight(c.Base, "/"), host: u.Host, client: c.Client, header: c.Header, name: c.Run}
	if t.client == nil {
		t.client = &http.Client{Timeout: 30 * time.Second}
	}
	if t.name == "" {
		t.name = strings.ToLower(rand.Text()[:10])
	}
	if !regexp.MustCompile(`^[a-z0-9]{1,16}$`).MatchString(t.name) {
		return nil, fmt.Errorf("run %q: write 1 to 16 small letters and digits", t.name)
	}
	if t.claims, err = t.claimed(ctx); err != nil {
		return nil, err
	}
	return t, nil
}

// run runs one script and deletes what it made.
func (t *target) run(ctx context.Context, s *script) Result {
	t.scripts++
	res := Result{Script: s.name, Title: s.title, Section: s.section, Level: s.level, Verdict: Pass}
	begun := time.Now()
	for _, n := range s.needs {
		if !t.claims.has(n) {
			res.Verdict, res.Detail = NotOffered, "the CapabilityStatement does not claim "+n.String()
			return res
		}
	}
	v := newVisit(ctx, t, s)
	if err := v.play(); err != nil {
		res.Verdict, res.Detail = Fail, err.Error()
		if r, ok := err.(refusal); ok {
			res.Verdict, res.Detail = NotOffered, string(r)
		}
	}
	v.clean()
	res.Time = time.Since(begun)
	return res
}
