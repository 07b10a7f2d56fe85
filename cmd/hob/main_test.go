package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program is hob, built once for all tests.
var program string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "hob-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	cache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	os.Setenv("GOCACHE", strings.TrimSpace(string(cache)))   // which would move with the next
	os.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache")) // where servers for development leave their tokens
	program = filepath.Join(dir, "hob")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// soak reports whether the long forms of the tests were asked for.
func soak() bool { return os.Getenv("HOB_SOAK") == "1" }

// command is hob with an environment that has no HOB_ variables but those given.
func command(t testing.TB, env []string, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command(program, args...)
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, prefix) {
			c.Env = append(c.Env, e)
		}
	}
	c.Env = append(c.Env, env...)
	c.Dir = t.TempDir()
	return c
}

// ran is what a command that ended left behind.
type ran struct {
	code     int
	out, err string
}

func hob(t testing.TB, stdin io.Reader, env []string, args ...string) ran {
	t.Helper()
	c := command(t, env, args...)
	return runs(t, c, stdin)
}

func runs(t testing.TB, c *exec.Cmd, stdin io.Reader) ran {
	t.Helper()
	var out, stderr bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = stdin, &out, &stderr
	err := c.Run()
	var bad *exec.ExitError
	if err != nil && !errors.As(err, &bad) {
		t.Fatal(err)
	}
	return ran{c.ProcessState.ExitCode(), out.String(), stderr.String()}
}

// running is a server in a process of its own.
type running struct {
	testing.TB
	*exec.Cmd
	base string // the FHIR base
	root string // above it
	mu   sync.Mutex
	log  strings.Builder
	read chan struct{} // closed when the log has ended
	over bool
}

// serving starts a server on a port of its own and waits until it listens.
func serving(t testing.TB, store string, args ...string) *running {
	t.Helper()
	c := command(t, nil, append([]string{"serve", "--listen", "127.0.0.1:0", "--store", store, "--log-format", "json", "--min-free", "1MiB", "--auth", "off"}, args...)...)
	return started(t, c)
}

func started(t testing.TB, c *exec.Cmd) *running {
	t.Helper()
	stderr, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	s := &running{TB: t, Cmd: c, read: make(chan struct{})}
	t.Cleanup(func() {
		if !s.over {
			s.kill()
		}
	})
	listening := make(chan string, 1)
	go func() {
		defer close(s.read)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			s.mu.Lock()
			s.log.WriteString(lines.Text() + "\n")
			s.mu.Unlock()
			var l struct{ Msg, Base string }
			if json.Unmarshal(lines.Bytes(), &l) == nil && l.Msg == "listening" {
				listening <- l.Base
			}
		}
	}()
	select {
	case s.base = <-listening:
	case <-s.read:
		t.Fatalf("the server ended: %s", s.logged())
	case <-time.After(time.Minute):
		t.Fatalf("the server does not listen: %s", s.logged())
	}
	s.root = strings.TrimSuffix(s.base, "/fhir")
	return s
}

func (s *running) logged() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// kill ends the server as a crash would.
func (s *running) kill() {
	s.Helper()
	s.over = true
	if err := s.Process.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.Fatal(err)
	}
	<-s.read
	s.Wait()
}

// stop ends the server as an operator would, and wants it to end well.
func (s *running) stop() {
	s.Helper()
	if err := s.Process.Signal(syscall.SIGTERM); err != nil {
		s.Fatal(err)
	}
	s.ended()
}

func (s *running) ended() {
	s.Helper()
	s.over = true
	<-s.read
	if err := s.Wait(); err != nil {
		s.Fatalf("the server ended with %v: %s", err, s.logged())
	}
}

// client has room for many connections to one server.
var client = &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// call sends a request; body may be "".
func call(method, url, body string) (status int, answer []byte, err error) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/fhir+json")
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(res.Body)
	return res.StatusCode, answer, err
}

// get wants an answer of a status.
func (s *running) get(path string, want int) []byte {
	s.Helper()
	status, answer, err := call(http.MethodGet, s.base+path, "")
	if err != nil {
		s.Fatal(err)
	}
	if status != want {
		s.Fatalf("GET %s: %d, want %d: %s", path, status, want, answer)
	}
	return answer
}

// bundle is what the tests look at in a Bundle.
type bundle struct {
	Total *int
	Entry []struct {
		Resource resource
	}
}

// resource is what the tests look at in a resource.
type resource struct {
	ResourceType, ID string
	Meta             struct{ VersionID string }
	Identifier       []struct{ System, Value string }
	Subject          struct{ Reference string }
	Family           string
}

func (s *running) find(path string) bundle {
	s.Helper()
	var b bundle
	if err := json.Unmarshal(s.get(path, http.StatusOK), &b); err != nil {
		s.Fatal(err)
	}
	return b
}

// sound wants hob check to find nothing.
func sound(t testing.TB, store string) {
	t.Helper()
	if r := hob(t, nil, nil, "check", "--store", store); r.code != 0 || !strings.Contains(r.out, "is sound") {
		t.Fatalf("hob check: exit code %d\n%s%s", r.code, r.out, r.err)
	}
}
