package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of the README anew")

const (
	tableBegin = "<!-- configuration: written by go test ./cmd/hob -run TestReadme -update -->\n"
	tableEnd   = "<!-- end of configuration -->\n"
)

// table is the configuration table of the README, from the same grammar that reads the configuration.
func table(t *testing.T) string {
	t.Helper()
	k, err := parser(&verbs{}, &process{t.Context(), os.Stdin, os.Stdout, os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("| key | default | meaning |\n| --- | --- | --- |\n")
	for _, f := range keys(k.Model.Node) {
		if f.Name == "help" {
			continue
		}
		value := f.Default
		switch {
		case f.IsBool():
			value = "false"
		case value == "":
			value = "–"
		}
		help := f.Help
		if f.Enum != "" {
			help += " One of " + strings.ReplaceAll(f.Enum, ",", ", ") + "."
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.Name, value, strings.ReplaceAll(help, "|", `\|`))
	}
	return b.String()
}

// TestReadme compares the README with what it is about: the keys, and the scripts of the first tour.
func TestReadme(t *testing.T) {
	const path = "../../README.md"
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	before, rest, ok := strings.Cut(text, tableBegin)
	old, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		t.Fatalf("the README has no place for the table of keys: %s%s", tableBegin, tableEnd)
	}
	if want := table(t); old != want {
		if !*update {
			t.Errorf("the table of keys in the README is not that of hob serve; write it anew with -update")
		} else if err := os.WriteFile(path, []byte(before+tableBegin+want+tableEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	scripts, err := filepath.Glob(filepath.Join(quickstart, "*.sh"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range scripts {
		b, err := os.ReadFile(s)
		if err != nil {
			t.Fatal(err)
		}
		_, body, _ := strings.Cut(string(b), "fhir}\n\n")
		if !strings.Contains(text, "```sh\n"+body+"```") {
			t.Errorf("the tour of the README does not show %s as it is", s)
		}
	}
	for _, link := range []string{"CONTRIBUTING.md", "docs/decisions", "examples/quickstart", "Dockerfile"} {
		if _, err := os.Stat(filepath.Join("../..", link)); err != nil || !strings.Contains(text, link) {
			t.Errorf("the README does not lead to %s (%v)", link, err)
		}
	}
}
