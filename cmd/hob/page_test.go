package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var shell = regexp.MustCompile("(?s)```sh\n(.*?)```")

// tried runs the shell commands of a page as they are written, all in one shell and in the root of the repository, and returns what they print.
func tried(t *testing.T, page string, env ...string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	script := "set -eu\n"
	for _, m := range shell.FindAllStringSubmatch(string(text), -1) {
		script += m[1]
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("bash", "-c", script)
	c.Dir, c.Env = root, append(os.Environ(), env...)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", page, err, out)
	}
	return string(out)
}

// TestStorageAPIPage does what examples/storage-api says.
func TestStorageAPIPage(t *testing.T) {
	s := serving(t, "badger::memory:", "--auth=off")
	out := tried(t, "../../examples/storage-api/README.md", "HOB_URL="+s.base)
	for _, want := range []string{
		"created Joe and Jane\nborn before 1990: Jane\nlinked with the clinic's number: true\nlinked with the clinic's number: false\nthe clinic's number is that of Joe\nis Joe active? false\nand gone: patient: record does not exist",
		`"name":[{"text":"Ada Example"}]`, "an unknown field is answered 400", `"valueBoolean":true}]}{"resourceType":"Parameters","parameter":[{"name":"result","valueBoolean":false}]}`,
		`"system":"urn:x-hob:source:clinic","value":"4711"`, "the fault was found",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the page does not print %q: %s", want, out)
		}
	}
	s.stop()
}
