package main

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// step is one instruction of a Dockerfile.
type step struct{ do, what string }

// dockerfile reads the instructions of the stages.
func dockerfile(t *testing.T) (stages [][]step) {
	t.Helper()
	b, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(b), "\\\n", " ")
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		do, what, _ := strings.Cut(line, " ")
		if do == "FROM" {
			stages = append(stages, nil)
		}
		stages[len(stages)-1] = append(stages[len(stages)-1], step{do, strings.TrimSpace(what)})
	}
	return stages
}

// words is an instruction in its JSON form.
func words(t *testing.T, s step) (out []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(s.what), &out); err != nil {
		t.Fatalf("%s %s: the JSON form is wanted, since the image has no shell: %v", s.do, s.what, err)
	}
	return out
}

// TestDockerfile runs what the Dockerfile runs: the commands of its build stage, here, into an empty directory, and its entry point
// there, with the directory as root and as its user. What Docker itself would do is not tested by this.
func TestDockerfile(t *testing.T) {
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("only root can change the root directory, and CI must run this test")
		}
		t.Skip("NOT TESTED: the Dockerfile, because only root can change the root directory")
	}
	stages := dockerfile(t)
	if len(stages) != 2 || stages[1][0].what != "scratch" {
		t.Fatal("the Dockerfile does not have a stage that builds and one from scratch")
	}

	out := t.TempDir()
	for dir := out; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil { // of another user
			t.Fatal(err)
		}
	}
	env := os.Environ()
	for _, s := range stages[0] {
		switch s.do {
		case "ENV", "ARG":
			env = append(env, strings.Fields(s.what)...)
			env = append(env, "OUT="+out)
		case "RUN":
			c := exec.Command("sh", "-euc", s.what)
			c.Dir, c.Env = "../..", env
			if answer, err := c.CombinedOutput(); err != nil {
				t.Fatalf("RUN %s: %v\n%s", s.what, err, answer)
			}
		}
	}

	c := &exec.Cmd{Dir: "/", SysProcAttr: &syscall.SysProcAttr{Chroot: out}}
	var health []string
	for _, s := range stages[1] {
		switch s.do {
		case "COPY":
			if s.what != "--from=build /out/ /" {
				t.Errorf("COPY %s: the image is not what the build stage made", s.what)
			}
		case "USER":
			user, group, _ := strings.Cut(s.what, ":")
			c.SysProcAttr.Credential = &syscall.Credential{Uid: number(t, user), Gid: number(t, group)}
		case "ENV":
			c.Env = append(c.Env, strings.Fields(s.what)...)
		case "ENTRYPOINT", "CMD":
			c.Args = append(c.Args, words(t, s)...)
		case "HEALTHCHECK":
			health = words(t, step{s.do, s.what[strings.Index(s.what, "["):]})
		}
	}
	if c.SysProcAttr.Credential == nil || c.SysProcAttr.Credential.Uid == 0 {
		t.Fatal("the image runs as root")
	}
	c.Path = c.Args[0]

	// As it is, the image listens for all and must not start while nobody is asked who he is.
	open := *c
	if r := runs(t, &open, nil); r.code != 1 || !strings.Contains(r.err, "--insecure-open") {
		t.Errorf("the image as it is: exit code %d, want 1 and a word on --insecure-open: %s", r.code, r.err)
	}

	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	c.Env = append(c.Env, "HOB_LISTEN="+address, "HOB_AUTH=off", "HOB_MIN_FREE=1MiB", "HOB_ZONE=Europe/Berlin")
	s := started(t, c)
	status, answer, err := call(http.MethodGet, s.root+"/readyz", "")
	if err != nil || status != http.StatusOK {
		t.Errorf("/readyz: %d (%v): %s", status, err, answer)
	}
	status, answer, err = call(http.MethodPut, s.base+"/Patient/p", patient("p"))
	if err != nil || status != http.StatusCreated {
		t.Errorf("PUT: %d (%v): %s", status, err, answer)
	}
	if len(health) == 0 {
		t.Fatal("the image has no HEALTHCHECK")
	}
	health[len(health)-1] = s.root + "/readyz"
	check := &exec.Cmd{Path: health[0], Args: health, Dir: "/", SysProcAttr: c.SysProcAttr}
	if r := runs(t, check, nil); r.code != 0 {
		t.Errorf("the health check: exit code %d: %s%s", r.code, r.out, r.err)
	}
	s.stop()
	if files, err := os.ReadDir(filepath.Join(out, "data")); err != nil || len(files) == 0 {
		t.Errorf("nothing is in the volume (%v)", err)
	}
}

func number(t *testing.T, s string) uint32 {
	t.Helper()
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		t.Fatalf("USER: numbers are wanted, since the image has no /etc/passwd: %v", err)
	}
	return uint32(n)
}
