package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"gopkg.in/yaml.v3"
)

// The configuration of a server has one set of keys: the flags of serve. The key max-body is --max-body on the command line,
// HOB_MAX_BODY in the environment and max-body in the file of --config. The first of these that names it counts, then the default.

// prefix begins the names of all variables.
const prefix = "HOB_"

// otherVariables begin with the prefix but are no keys: those of other verbs, of the tests, of the quickstart, and those that Kubernetes sets in
// every container for a service named hob. A * stands for the rest of a name.
var otherVariables = []string{
	"HOB_URL", "HOB_TOKEN", "HOB_SEED", "HOB_SOAK", "HOB_R4_EXAMPLES", "HOB_US_CORE", "HOB_REQUIRE_*", "HOB_TEST_*", "HOB_BROKEN", "HOB_KILL_DIR", "HOB_SUITE_*",
	"HOB_SERVICE_HOST", "HOB_SERVICE_PORT", "HOB_SERVICE_PORT_*", "HOB_PORT", "HOB_PORT_*",
}

// variable is the name of a key in the environment.
func variable(key string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
}

// bindVariables gives every key of serve its variable.
func bindVariables(k *kong.Kong) error {
	for _, f := range keys(k.Model.Node) {
		f.Envs = []string{variable(f.Name)}
		f.Tag.Envs = f.Envs
	}
	return nil
}

// keys lists the flags of serve in the order of help.
func keys(root *kong.Node) []*kong.Flag {
	i := slices.IndexFunc(root.Children, func(n *kong.Node) bool { return n.Name == "serve" })
	return root.Children[i].Flags
}

// configuration is what a config file says. It is a kong.Resolver.
type configuration struct {
	path   string
	values map[string]string
}

// readConfiguration reads a file of keys in YAML or in JSON, which is YAML too. Every key must be one of known.
func readConfiguration(path string, known []string) (*configuration, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var doc yaml.Node
	switch err := yaml.NewDecoder(f).Decode(&doc); {
	case errors.Is(err, io.EOF):
		return &configuration{path: path}, nil
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	c := &configuration{path: path, values: map[string]string{}}
	top := doc.Content[0]
	if top.Kind == yaml.ScalarNode && top.Tag == "!!null" {
		return c, nil
	}
	if top.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:%d: a configuration is a mapping of keys to values", path, top.Line)
	}
	for i := 0; i < len(top.Content); i += 2 {
		key, node := top.Content[i], top.Content[i+1]
		at := fmt.Sprintf("%s:%d", path, key.Line)
		if !slices.Contains(known, key.Value) {
			return nil, fmt.Errorf("%s: %s is no key; the nearest is %s", at, key.Value, nearest(key.Value, known))
		}
		if _, twice := c.values[key.Value]; twice {
			return nil, fmt.Errorf("%s: %s is there twice", at, key.Value)
		}
		value, err := scalar(node)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", at, key.Value, err)
		}
		c.values[key.Value] = value
	}
	return c, nil
}

// scalar is a value as it would stand on the command line; a list is joined by commas.
func scalar(n *yaml.Node) (string, error) {
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return "", errors.New("a value is missing; leave the key out for its default")
		}
		return n.Value, nil
	case yaml.SequenceNode:
		var items []string
		for _, item := range n.Content {
			if item.Kind != yaml.ScalarNode {
				return "", errors.New("a list holds plain values")
			}
			items = append(items, item.Value)
		}
		return strings.Join(items, ","), nil
	}
	return "", errors.New("a value is a word, a number or a list of these")
}

func (c *configuration) Validate(*kong.Application) error { return nil }

// Resolve is asked for flags that are not on the command line. The environment comes before the file.
func (c *configuration) Resolve(_ *kong.Context, _ *kong.Path, f *kong.Flag) (any, error) {
	value, ok := c.values[f.Name]
	if !ok || f.Name == "config" || inEnvironment(f) {
		return nil, nil
	}
	return value, nil
}

func inEnvironment(f *kong.Flag) bool {
	return slices.ContainsFunc(f.Envs, func(name string) bool { _, ok := os.LookupEnv(name); return ok })
}

// checkVariables refuses variables that look as if they were meant for Hob and are not.
func checkVariables(environ []string, known []string) error {
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, prefix) || slices.Contains(known, name) || slices.ContainsFunc(otherVariables, matches(name)) {
			continue
		}
		return fmt.Errorf("the variable %s is no key; the nearest is %s", name, nearest(name, known))
	}
	return nil
}

func matches(name string) func(pattern string) bool {
	return func(pattern string) bool {
		begin, open := strings.CutSuffix(pattern, "*")
		return name == pattern || open && strings.HasPrefix(name, begin)
	}
}

// nearest returns the word with the fewest letters to change, add or drop (Levenshtein).
func nearest(word string, among []string) string {
	best, least := "", 1<<30
	for _, w := range among {
		if d := distance(strings.ToLower(word), strings.ToLower(w)); d < least {
			best, least = w, d
		}
	}
	return best
}

func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

// effective lists the values that are in force, by where they come from. Values that are secret are told as ***.
func effective(c *kong.Context, file *configuration) []any {
	from := map[string][]any{}
	for _, f := range keys(c.Model.Node) {
		if f.Name == "help" {
			continue
		}
		source := "default"
		switch {
		case slices.ContainsFunc(c.Path, func(p *kong.Path) bool { return p.Flag == f && !p.Resolved }):
			source = "flag"
		case inEnvironment(f):
			source = "environment"
		case file != nil && file.has(f.Name):
			source = "file"
		}
		value := fmt.Sprint(f.Target.Interface())
		if f.Tag.Has("secret") && value != "" {
			value = "***"
		}
		from[source] = append(from[source], slog.String(f.Name, masked(value)))
	}
	var groups []any
	for _, source := range []string{"flag", "environment", "file", "default"} {
		if len(from[source]) > 0 {
			groups = append(groups, slog.Group(source, from[source]...))
		}
	}
	return groups
}

func (c *configuration) has(key string) bool { _, ok := c.values[key]; return ok }

// masked hides the password of a URL, and what a query calls a password.
func masked(value string) string {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" {
		return value
	}
	if q := u.Query(); q.Has("password") {
		q.Set("password", "xxxxx")
		u.RawQuery = q.Encode()
	}
	return u.Redacted()
}
