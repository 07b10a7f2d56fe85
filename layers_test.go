package hob_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/hob-fhir/hob"

// layer is what one package, or all packages of a pattern, may import of ours. A name that ends in /... stands for what lies below.
type layer struct {
	pkg     string
	imports []string
}

// layers is the whole table, lowest first. A package that matches no line fails the test: give it one. Of several lines that match, the
// first counts. Only the imports of what is built count: tests may reach for more, such as the driver suite or all backends.
var layers = []layer{
	{"*/gen", nil},
	{"fhirmap", nil},
	{"conformance/r4", nil},
	{"storage/driver", nil},

	{"storage/drivertest", []string{"storage/driver"}},
	{"storage/badger", []string{"storage/driver"}},
	{"storage/postgres", []string{"storage/driver"}},
	{"storage/backends", []string{"storage/driver", "storage/badger", "storage/postgres"}},
	{"storage", []string{"fhirmap", "storage/driver"}},

	{"search", []string{"fhirmap", "conformance/r4", "storage/driver"}},
	{"conformance", []string{"fhirmap", "conformance/r4", "search"}},
	{"client", []string{"fhirmap"}},
	{"auth", []string{"fhirmap", "search", "storage", "storage/driver"}},
	{"auth/smart", []string{"fhirmap", "search", "storage", "storage/driver", "auth"}},
	{"connect", []string{"fhirmap", "search", "storage", "storage/driver"}},
	{"connect/noteworthtest", nil}, // a partner API to test against, which knows nothing of ours
	{"server", []string{"fhirmap", "search", "storage", "storage/driver", "conformance"}},
	{"server/...", []string{"server", "fhirmap", "search", "storage", "storage/driver", "conformance", "auth"}},

	// The tops: anything but each other.
	{"conformance/suite", below},
	{"console", below},
	{"cmd/hob", append([]string{"console", "conformance/suite"}, below...)}, // main starts the pages and the scripts
	{"examples/...", below},
}

// below is everything that is not a top.
var below = []string{
	"fhirmap", "client", "conformance/r4", "conformance", "search", "connect", "connect/noteworthtest", "auth", "auth/smart", "server", "server/...",
	"storage", "storage/driver", "storage/drivertest", "storage/badger", "storage/postgres", "storage/backends",
}

// walls are modules of others that only some packages may import.
var walls = []layer{
	{"github.com/google/fhir/...", []string{"fhirmap"}},
	{"github.com/gin-gonic/...", []string{"server", "server/...", "auth/smart", "console"}},
	{"github.com/gin-contrib/...", []string{"server", "server/...", "auth/smart", "console"}},
	{"github.com/dgraph-io/...", []string{"storage/badger"}},
	{"github.com/jackc/...", []string{"storage/postgres", "connect"}}, // connect reads the databases of others
	{"github.com/coreos/go-oidc/...", []string{"auth"}},
	{"github.com/zitadel/oidc/...", []string{"auth/smart"}},
	{"github.com/alecthomas/kong", []string{"cmd/hob"}},
	{"github.com/golang/geo/...", []string{"search"}},
}

// banned names say nothing about what is in a package.
var banned = []string{"util", "utils", "common", "helper", "helpers", "manager", "service", "base", "impl", "types", "misc", "pkg", "internal", "lib", "core"}

// pkg is what the go command tells of a package.
type pkg struct {
	ImportPath, Dir, Name string
	GoFiles, CgoFiles     []string
	Imports               []string
}

// packages lists the packages of the module that are built, so not those of tests alone.
func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,Name,GoFiles,CgoFiles,Imports", "./...").Output()
	if err != nil {
		var bad *exec.ExitError
		if errors.As(err, &bad) {
			t.Fatalf("go list: %s", bad.Stderr)
		}
		t.Fatal(err)
	}
	var list []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if len(p.GoFiles)+len(p.CgoFiles) > 0 {
			list = append(list, p)
		}
	}
	return list
}

// matches reports whether a path is named by a pattern of the tables.
func matches(pattern, name string) bool {
	if parent, ok := strings.CutSuffix(pattern, "/..."); ok {
		return strings.HasPrefix(name, parent+"/")
	}
	if last, ok := strings.CutPrefix(pattern, "*/"); ok {
		return strings.HasSuffix(name, "/"+last)
	}
	return pattern == name
}

func allowed(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, name) })
}

// misplaced lists what is wrong with the imports of a package, named without the module.
func misplaced(name string, imports []string) (wrong []string) {
	i := slices.IndexFunc(layers, func(l layer) bool { return matches(l.pkg, name) })
	if i < 0 {
		return []string{name + " is in no layer; add it to the table of layers_test.go"}
	}
	for _, path := range imports {
		if ours, ok := strings.CutPrefix(path, module+"/"); ok && !allowed(layers[i].imports, ours) {
			wrong = append(wrong, name+" may not import "+ours)
		}
		for _, w := range walls {
			if (matches(w.pkg, path) || matches(strings.TrimSuffix(w.pkg, "/..."), path)) && !allowed(w.imports, name) {
				wrong = append(wrong, name+" may not import "+path+"; "+strings.Join(w.imports, ", ")+" may")
			}
		}
	}
	return wrong
}

func TestImports(t *testing.T) {
	for _, p := range packages(t) {
		for _, wrong := range misplaced(strings.TrimPrefix(p.ImportPath, module+"/"), p.Imports) {
			t.Error(wrong)
		}
	}
}

// TestTable asks the table about imports that must and must not pass, so that a mistake in matches does not let everything through.
func TestTable(t *testing.T) {
	for _, c := range []struct {
		name, imports string
		ok            bool
	}{
		{"fhirmap", "github.com/google/fhir/go/jsonformat", true},
		{"server", "github.com/google/fhir/go/jsonformat", false},
		{"fhirmap", module + "/search", false},
		{"search", module + "/storage", false},
		{"search", module + "/storage/driver", true},
		{"server", module + "/storage/badger", false},
		{"server", module + "/server/bulk", false},
		{"server/bulk", module + "/server", true},
		{"server/bulk", "github.com/gin-gonic/gin", true},
		{"storage", "github.com/dgraph-io/badger/v4", false},
		{"storage/badger", "github.com/dgraph-io/badger/v4", true},
		{"storage/badger", module + "/storage", false},
		{"conformance/r4/gen", module + "/conformance/r4", false},
		{"cmd/hob", module + "/storage/backends", true},
		{"cmd/hob", module + "/conformance/suite", true},
		{"cmd/hob", "github.com/alecthomas/kong", true},
		{"examples/quickstart", module + "/examples/app", false},
		{"stray", "fmt", false},
	} {
		if wrong := misplaced(c.name, []string{c.imports}); (len(wrong) == 0) != c.ok {
			t.Errorf("%s importing %s: %q", c.name, c.imports, wrong)
		}
	}
}

// TestPackageComments wants one package comment, in the file that bears the package's name, main.go of a command, or doc.go.
func TestPackageComments(t *testing.T) {
	for _, p := range packages(t) {
		var at []string
		for _, file := range append(p.GoFiles, p.CgoFiles...) {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.ParseComments|parser.PackageClauseOnly)
			if err != nil {
				t.Fatal(err)
			}
			if f.Doc != nil && said(f.Doc) {
				at = append(at, file)
			}
		}
		if len(at) != 1 || !slices.Contains([]string{p.Name + ".go", path.Base(p.ImportPath) + ".go", "doc.go"}, at[0]) {
			t.Errorf("%s has its package comment in %q; it must be in %s.go or doc.go, once", p.ImportPath, at, p.Name)
		}
	}
}

// said reports whether a comment says anything but directives.
func said(c *ast.CommentGroup) bool { return strings.TrimSpace(c.Text()) != "" }

func TestPackageNames(t *testing.T) {
	for _, p := range packages(t) {
		for part := range strings.SplitSeq(strings.TrimPrefix(p.ImportPath, module+"/"), "/") {
			if slices.Contains(banned, part) || slices.Contains(banned, p.Name) {
				t.Errorf("%s: %s says nothing; name the package after what it holds", p.ImportPath, part)
			}
		}
	}
}
