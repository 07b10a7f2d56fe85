package connect

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// Source is one source as it is configured. Zero fields have the defaults that Read fills in.
type Source struct {
	Name string `yaml:"name"`
	Kind string `yaml:"kind"`
	URL  string `yaml:"url"`

	System      string        `yaml:"system"`        // of the identifiers that its people get; "": SystemBase and the name
	ImportEvery time.Duration `yaml:"import-every"`  // 0: only when somebody asks
	MaxAPIRetry *int          `yaml:"max-api-retry"` // attempts at an endpoint after the first; nil: 2
	Timeout     time.Duration `yaml:"timeout"`       // of one attempt, to the end of the body
	Backoff     time.Duration `yaml:"backoff"`       // before the first retry, then doubled, with jitter
	MaxWait     time.Duration `yaml:"max-wait"`      // between two attempts, whatever Retry-After says
	MaxBytes    int64         `yaml:"max-bytes"`     // of one body, decompressed
	MaxRecords  int           `yaml:"max-records"`   // of one transaction

	File      string  `yaml:"file"`
	TokenFile string  `yaml:"token-file"`
	URLFile   string  `yaml:"url-file"`
	MaxPages  int     `yaml:"max-pages"`
	Columns   columns `yaml:"columns"`
	Query     string  `yaml:"query"`
	Key       string  `yaml:"key"`
	Cursor    string  `yaml:"cursor"`
	Overlap   string  `yaml:"overlap"`
	Into      string  `yaml:"into"` // what the rows are: clinicians or checkups; "": clinicians

	kind *kind
	base *url.URL // of HTTP sources
}

// SystemBase is what the identifier system of a source without one begins with: that of a source that $link-identifier is given by name.
const SystemBase = "urn:x-hob:source:"

// keysOfAll are those that every kind takes.
var keysOfAll = []string{"name", "kind", "url", "system", "import-every", "max-api-retry", "timeout", "backoff", "max-wait", "max-bytes", "max-records"}

var sourceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// Sources are those of one file, in its order.
type Sources []*Source

// Of returns a source by its name. The error lists those there are.
func (s Sources) Of(name string) (*Source, error) {
	names := make([]string, len(s))
	for i, src := range s {
		if names[i] = src.Name; src.Name == name {
			return src, nil
		}
	}
	return nil, unknown{fmt.Errorf("no source is named %.100q; known are %s", name, cmp.Or(strings.Join(names, ", "), "none"))}
}

type unknown struct{ error }

// IsUnknown reports whether an error is that of Sources.Of.
func IsUnknown(err error) bool { return errors.As(err, &unknown{}) }

// ReadFile reads the sources of a file. Paths in it are relative to it.
func ReadFile(path string) (Sources, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("sources: %w", err)
	}
	s, err := Read(b, filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("%s:%w", path, err)
	}
	return s, nil
}

// Read reads sources in YAML or JSON: a mapping with the key sources. Files that it names are looked for in dir. Keys that are not known, or
// that a kind does not take, are refused by their line.
func Read(data []byte, dir string) (Sources, error) {
	var file struct {
		Sources []yaml.Node `yaml:"sources"`
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.New(" " + inWords(err))
	}
	var out Sources
	for i := range file.Sources {
		node := &file.Sources[i]
		s, err := readSource(node, dir)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(out, func(o *Source) bool { return o.Name == s.Name }) {
			return nil, fmt.Errorf("%d: there are two sources named %s", node.Line, s.Name)
		}
		if slices.ContainsFunc(out, func(o *Source) bool { return o.System == s.System }) {
			return nil, fmt.Errorf("%d: source %s: another has the system %s; each needs its own, or their people are mixed up", node.Line, s.Name, s.System)
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		return nil, errors.New(" it names no sources")
	}
	return out, nil
}

// readSource reads one entry. Errors begin with the line.
func readSource(n *yaml.Node, dir string) (*Source, error) {
	if n.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%d: a source is a mapping with name, kind and url", n.Line)
	}
	s := &Source{}
	for i := 0; i < len(n.Content); i += 2 {
		if key := n.Content[i]; key.Value == "kind" {
			if s.kind = kindOf(n.Content[i+1].Value); s.kind == nil {
				return nil, fmt.Errorf("%d: %.100q is no kind of source; known are %s", key.Line, n.Content[i+1].Value, strings.Join(kindNames(), ", "))
			}
		}
	}
	if s.kind == nil {
		return nil, fmt.Errorf("%d: a source needs a kind; known are %s", n.Line, strings.Join(kindNames(), ", "))
	}
	known := slices.Concat(keysOfAll, s.kind.keys)
	for i := 0; i < len(n.Content); i += 2 {
		if key := n.Content[i]; !slices.Contains(known, key.Value) {
			return nil, fmt.Errorf("%d: %.100s is no key of a source of kind %s; its keys are %s", key.Line, key.Value, s.kind.name, strings.Join(known, ", "))
		}
	}
	if err := n.Decode(s); err != nil {
		return nil, fmt.Errorf("%d: %s", n.Line, inWords(err))
	}
	if err := s.complete(dir); err != nil {
		return nil, fmt.Errorf("%d: source %s: %w", n.Line, s.Name, err)
	}
	return s, nil
}

// complete fills in defaults and checks what is said.
func (s *Source) complete(dir string) error {
	if !sourceName.MatchString(s.Name) {
		return errors.New("a name is 1 to 64 letters, digits, dots, dashes and underscores, as partner-1")
	}
	given := map[string]bool{"url": s.URL != "", "query": s.Query != "", "key": s.Key != "", "cursor": s.Cursor != ""}
	for _, key := range s.kind.need {
		if !given[key] {
			return fmt.Errorf("%s is missing; kind %s needs it", key, s.kind.name)
		}
	}
	known := fields
	switch s.Into {
	case "", "clinicians":
		s.Into = "clinicians"
	case "checkups":
		known = CheckupColumns
	default:
		return fmt.Errorf("into: rows become clinicians or checkups, not %.100q", s.Into)
	}
	for field := range s.Columns {
		if !slices.Contains(known, field) {
			return fmt.Errorf("columns: %.100s is no field of %s; those are %s", field, s.Into, strings.Join(known, ", "))
		}
	}
	for name, v := range map[string]int64{
		"import-every": int64(s.ImportEvery), "timeout": int64(s.Timeout), "backoff": int64(s.Backoff), "max-wait": int64(s.MaxWait),
		"max-bytes": s.MaxBytes, "max-records": int64(s.MaxRecords), "max-pages": int64(s.MaxPages),
	} {
		if v < 0 {
			return fmt.Errorf("%s must not be negative", name)
		}
	}
	if s.MaxAPIRetry == nil {
		s.MaxAPIRetry = new(int)
		*s.MaxAPIRetry = 2
	}
	if *s.MaxAPIRetry < 0 || *s.MaxAPIRetry > 20 {
		return fmt.Errorf("max-api-retry is %d; 0 to 20 are possible", *s.MaxAPIRetry)
	}
	if s.ImportEvery > 0 && s.ImportEvery < time.Second {
		return errors.New("import-every must be at least 1s")
	}
	s.System = cmp.Or(s.System, SystemBase+s.Name)
	s.Timeout = cmp.Or(s.Timeout, 10*time.Second)
	s.Backoff = cmp.Or(s.Backoff, 500*time.Millisecond)
	s.MaxWait = cmp.Or(s.MaxWait, time.Minute)
	s.MaxBytes = cmp.Or(s.MaxBytes, 16<<20)
	if s.Into == "checkups" {
		s.MaxRecords = cmp.Or(s.MaxRecords, 500) // each is up to four resources
	}
	s.MaxRecords = cmp.Or(s.MaxRecords, 2000)
	s.MaxPages = cmp.Or(s.MaxPages, 100)
	for _, path := range []*string{&s.File, &s.TokenFile, &s.URLFile} {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(dir, *path)
		}
	}
	if s.URL != "" && s.kind.name != "sql" {
		u, err := url.Parse(s.URL)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return errors.New("url must be one as https://partner.example/api, without a login, a query or a fragment")
		}
		if s.base = u; u.Path == "" {
			u.Path = "/"
		}
	}
	if s.kind.check != nil {
		return s.kind.check(s)
	}
	return nil
}

func kindOf(name string) *kind {
	for i := range kinds {
		if kinds[i].name == name {
			return &kinds[i]
		}
	}
	return nil
}

func kindNames() (names []string) {
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

// Where is what a source reads, without what is secret.
func (s *Source) Where() string {
	switch {
	case s.File != "":
		return s.File
	case s.kind.name == "sql":
		return Table{URL: s.URL}.where()
	}
	return s.URL
}

// secret reads a file that holds one.
func secret(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(b)), nil
}

var unknownKey = regexp.MustCompile(`(line \d+): field (\S+) not found in type \S+`)

// inWords tells what is wrong with a file without the names of our types.
func inWords(err error) string {
	var bad *yaml.TypeError
	if !errors.As(err, &bad) {
		return strings.TrimPrefix(err.Error(), "yaml: ")
	}
	return unknownKey.ReplaceAllString(strings.Join(bad.Errors, "; "), "$1: $2 is no key")
}
