package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// file writes a file for one test.
func file(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRefused starts servers that must not start. Each says why in one line.
func TestRefused(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	used := taken.Addr().String()
	for _, c := range []struct {
		name string
		env  []string
		args []string
		file string // content of --config; its name ends in .json if it begins with {
		code int
		say  []string
	}{
		{name: "flag", args: []string{"--lisen=x"}, code: 80, say: []string{"--lisen", `did you mean "--listen"`}},
		{name: "variable", env: []string{"HOB_LISEN=x"}, code: 80, say: []string{"HOB_LISEN is no key", "HOB_LISTEN"}},
		{name: "variable without meaning", env: []string{"HOB_X=1"}, code: 80, say: []string{"HOB_X is no key"}},
		{name: "key", file: "listn: 127.0.0.1:0\n", code: 80, say: []string{":1: listn is no key", "nearest is listen"}},
		{name: "key in JSON", file: "{\n\t\"listen\": \"127.0.0.1:0\",\n\t\"maxbody\": 1\n}", code: 80, say: []string{":3: maxbody is no key", "nearest is max-body"}},
		{name: "config in a file", file: "config: other.yaml\n", code: 80, say: []string{"config is no key"}},
		{name: "key twice", file: "listen: a\nlisten: b\n", code: 80, say: []string{"listen"}},
		{name: "nested", file: "listen: {port: 8080}\n", code: 80, say: []string{":1: listen: a value is a word"}},
		{name: "no mapping", file: "- listen\n", code: 80, say: []string{"a mapping of keys to values"}},
		{name: "no value", file: "listen:\n", code: 80, say: []string{"a value is missing"}},
		{name: "broken file", file: "listen: [\n", code: 80, say: []string{"config.yaml", "yaml"}},
		{name: "no file", args: []string{"--config=absent.yaml"}, code: 80, say: []string{"absent.yaml", "no such file"}},
		{name: "size", args: []string{"--max-body=much"}, code: 80, say: []string{"--max-body", `"much" is no size; 65536`}},
		{name: "size in a variable", env: []string{"HOB_MAX_BODY=-1"}, code: 80, say: []string{"HOB_MAX_BODY", "is no size"}},
		{name: "number in a file", file: "max-depth: deep\n", code: 80, say: []string{"max-depth"}},
		{name: "word", args: []string{"--referential=loose"}, code: 80, say: []string{"--referential", "free", "strict"}},
		{name: "proxies", args: []string{"--proxies=10.0.0.0/8,nets"}, code: 80, say: []string{"--proxies"}},
		{name: "auth file", args: []string{"--auth=users.json"}, code: 1, say: []string{"users.json", "no such file", "off, dev or a FILE"}},
		{name: "open to all", args: []string{"--listen=0.0.0.0:0", "--auth=off"}, code: 1, say: []string{"auth is off", "--insecure-open"}},
		{name: "open to all by name", args: []string{"--listen=:0"}, code: 1, say: []string{"auth is dev", "--insecure-open"}},
		{name: "development is for one machine", args: []string{"--listen=:0", "--auth=dev", "--insecure-open"}, code: 1, say: []string{"this machine alone", "--auth off"}},
		{name: "no port", args: []string{"--listen=127.0.0.1"}, code: 1, say: []string{"listen on 127.0.0.1", "a port"}},
		{name: "port in use", args: []string{"--listen=" + used}, code: 1, say: []string{"listen on " + used, "already in use", "--listen"}},
		{name: "scheme", args: []string{"--store=mysql:x"}, code: 1, say: []string{"mysql:x", "badger:"}},
		{name: "base", args: []string{"--base=ehr.example"}, code: 1, say: []string{"base ehr.example", "https://ehr.example/fhir"}},
		{name: "zone", args: []string{"--zone=Mars/Base"}, code: 1, say: []string{"zone Mars/Base"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := []string{"serve", "--log-format=json", "--log-level=error"}
			if !strings.Contains(strings.Join(c.args, " "), "--listen") {
				if !strings.Contains(c.file, "listen") {
					args = append(args, "--listen=127.0.0.1:0")
				}
			}
			if !strings.Contains(strings.Join(c.args, " "), "--store") {
				args = append(args, "--store=badger::memory:")
			}
			if c.file != "" {
				name := "config.yaml"
				if strings.HasPrefix(c.file, "{") {
					name = "config.json"
				}
				args = append(args, "--config="+file(t, name, c.file))
			}
			r := hob(t, nil, c.env, append(args, c.args...)...)
			if r.code != c.code {
				t.Errorf("exit code %d, want %d", r.code, c.code)
			}
			for _, say := range c.say {
				if !strings.Contains(r.err, say) {
					t.Errorf("the message lacks %q: %s", say, r.err)
				}
			}
			if n := strings.Count(strings.TrimSpace(r.err), "\n"); n > 0 || !strings.HasPrefix(r.err, "hob: ") {
				t.Errorf("the message is not one line: %s", r.err)
			}
		})
	}
}

// TestStoreRefused opens stores that cannot be opened.
func TestStoreRefused(t *testing.T) {
	dir := t.TempDir()
	open := filepath.Join(dir, "open")
	s := serving(t, "badger:"+open)
	plain := file(t, "plain", "not a directory")
	for _, c := range []struct{ store, say string }{
		{"badger:" + open, "another process has it open"},
		{"badger:" + plain, plain},
	} {
		for _, verb := range [][]string{{"serve", "--listen=127.0.0.1:0", "--log-level=error"}, {"check"}, {"load", file(t, "p.json", `{"resourceType":"Patient"}`)}} {
			r := hob(t, nil, nil, append(verb, "--store="+c.store)...)
			if r.code != 1 || !strings.Contains(r.err, c.say) || strings.Contains(r.err, "goroutine") || strings.Count(r.err, "\n") > 1 {
				t.Errorf("hob %s --store %s: exit code %d, want 1 and one line with %q: %s", verb[0], c.store, r.code, c.say, r.err)
			}
		}
	}
	s.stop()
	r := hob(t, nil, nil, "check", "--store=badger:"+filepath.Join(dir, "absent"))
	if _, err := os.Stat(filepath.Join(dir, "absent")); r.code != 1 || err == nil {
		t.Errorf("checking a store that is not there: exit code %d, want 1 and nothing made: %s", r.code, r.err)
	}
}

// TestPrecedence says one key at all four places.
func TestPrecedence(t *testing.T) {
	config := file(t, "hob.yaml", "page-size: 7\nmax-page-size: 70\nmax-body: 7MiB\nproxies: [10.0.0.0/8, 192.168.0.0/16]\nhandling: lenient\n")
	c := command(t, []string{"HOB_PAGE_SIZE=6", "HOB_MAX_PAGE_SIZE=60", "HOB_SEED=1", "HOB_PORT_8080_TCP=tcp://10.0.0.1:8080"},
		"serve", "--listen=127.0.0.1:0", "--store=badger::memory:", "--page-size=5", "--config="+config, "--log-format=json", "--auth=off")
	s := started(t, c)
	log := s.logged()
	for _, want := range []string{
		`"flag":{`, `"page-size":"5"`, `"environment":{`, `"max-page-size":"60"`, `"file":{`, `"max-body":"7MiB"`,
		`"proxies":"[10.0.0.0/8 192.168.0.0/16]"`, `"handling":"lenient"`, `"default":{`, `"deadline":"30s"`,
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not tell %s: %s", want, log)
		}
	}
	s.get("/Patient?unknown-parameter=1", http.StatusOK) // lenient, as the file says
	s.stop()
}

// TestMasked keeps secrets out of the log.
func TestMasked(t *testing.T) {
	for in, want := range map[string]string{
		"badger:./hob-data":                          "badger:./hob-data",
		"badger::memory:":                            "badger::memory:",
		"postgres://hob:secret@db:5432/hob":          "postgres://hob:xxxxx@db:5432/hob",
		"postgres://db/hob?user=hob&password=geheim": "postgres://db/hob?password=xxxxx&user=hob",
		"127.0.0.1:8080":                             "127.0.0.1:8080",
	} {
		if got := masked(in); got != want {
			t.Errorf("%s is logged as %s, want %s", in, got, want)
		}
	}
}

// slow is a request whose body is still on its way.
type slow struct {
	*io.PipeWriter
	status chan int
}

// begin sends the first half of a PUT and waits until the server is busy with it.
func begin(s *running, id string) slow {
	s.Helper()
	body, send := io.Pipe()
	req, err := http.NewRequest(http.MethodPut, s.base+"/Patient/"+id, body)
	if err != nil {
		s.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/fhir+json")
	status := make(chan int, 1)
	go func() {
		res, err := client.Do(req)
		if err != nil {
			status <- 0 // cut off
			return
		}
		res.Body.Close()
		status <- res.StatusCode
	}()
	if _, err := io.WriteString(send, `{"resourceType":"Patient",`); err != nil {
		s.Fatal(err)
	}
	s.until("the server is busy with the request", func() bool {
		_, answer, err := call(http.MethodGet, s.root+"/metrics", "")
		return err == nil && strings.Contains(string(answer), "in_flight 2")
	})
	return slow{send, status}
}

// end sends the second half, and wants the resource to be created.
func (r slow) end(s *running, id string) {
	s.Helper()
	if _, err := io.WriteString(r, `"id":"`+id+`"}`); err != nil {
		s.Fatal(err)
	}
	r.Close()
	if status := <-r.status; status != http.StatusCreated {
		s.Errorf("the request under way is answered %d, want 201", status)
	}
}

// until waits for what must come.
func (s *running) until(what string, done func() bool) {
	s.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			s.Fatalf("it does not come to this: %s", what)
		}
	}
}

func (s *running) terminate() {
	s.Helper()
	if err := s.Process.Signal(syscall.SIGTERM); err != nil {
		s.Fatal(err)
	}
}

// TestDrain stops a server that goes on serving for a time, so that others take notice.
func TestDrain(t *testing.T) {
	store := "badger:" + t.TempDir() + "/store"
	s := serving(t, store, "--drain=1h")
	if r := hob(t, nil, nil, "ping", s.root+"/readyz"); r.code != 0 || r.out != "ok\n" {
		t.Errorf("hob ping: exit code %d: %s%s", r.code, r.out, r.err)
	}
	late := begin(s, "late")
	s.terminate()
	s.until("/readyz answers 503", func() bool {
		status, _, err := call(http.MethodGet, s.root+"/readyz", "")
		return err == nil && status == http.StatusServiceUnavailable
	})
	if r := hob(t, nil, nil, "ping", s.root+"/readyz"); r.code != 1 || !strings.Contains(r.err, "503") {
		t.Errorf("hob ping while stopping: exit code %d: %s%s", r.code, r.out, r.err)
	}
	s.get("/metadata", http.StatusOK)
	late.end(s, "late")
	s.terminate() // a second time: it does not wait any more
	s.over = true
	<-s.read
	s.Wait()
	s = serving(t, store)
	s.get("/Patient/late", http.StatusOK)
	s.stop()
}

// TestGracefulStop stops a server under a request: connections are refused, the request is finished, the store is closed.
func TestGracefulStop(t *testing.T) {
	store := "badger:" + t.TempDir() + "/store"
	s := serving(t, store, "--drain=0s")
	late := begin(s, "late")
	s.terminate()
	s.until("connections are refused", func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.root, "http://"))
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	late.end(s, "late")
	s.ended()
	if !strings.Contains(s.logged(), `"msg":"stopped"`) {
		t.Errorf("the log does not end with stopped: %s", s.logged())
	}
	sound(t, store)
	s = serving(t, store)
	s.get("/Patient/late", http.StatusOK)
	s.stop()
}

// TestGraceEnds cuts off what is still under way when the grace is over.
func TestGraceEnds(t *testing.T) {
	s := serving(t, "badger::memory:", "--drain=0s", "--grace=1ms")
	stuck := begin(s, "stuck")
	s.terminate()
	<-s.read
	stuck.Close()
	if status := <-stuck.status; status != 0 {
		t.Errorf("the request that cannot end is answered %d", status)
	}
	if !strings.Contains(s.logged(), "cut off") {
		t.Errorf("the log does not tell of the request that was cut off: %s", s.logged())
	}
}

// TestHelp wants an example in the help of every verb.
func TestHelp(t *testing.T) {
	for _, verb := range []string{"serve", "load", "check", "user", "client", "token", "ping", "version"} {
		r := hob(t, nil, nil, verb, "--help")
		if r.code != 0 || !strings.Contains(r.out, "hob "+verb) || !strings.Contains(r.out, "Example") {
			t.Errorf("hob %s --help: exit code %d, without an example: %s", verb, r.code, r.out)
		}
	}
	if r := hob(t, nil, nil, "version"); r.code != 0 || !strings.HasPrefix(r.out, "hob ") || !strings.Contains(r.out, "R4") {
		t.Errorf("hob version: exit code %d: %s", r.code, r.out)
	}
}

func TestSize(t *testing.T) {
	for in, want := range map[string]size{"0": 0, "17": 17, "64KiB": 65536, "1.5MiB": 3 << 19, "2GB": 2e9, "1 KiB": 1024, "3B": 3} {
		var s size
		if err := s.UnmarshalText([]byte(in)); err != nil || s != want {
			t.Errorf("%s is %d (%v), want %d", in, s, err, want)
		}
		var again size
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s {
			t.Errorf("%d is written %s and read as %d (%v)", s, s, again, err)
		}
	}
	for _, in := range []string{"", "MiB", "-1", "1e30", "12XB", "NaN"} {
		var s size
		if err := s.UnmarshalText([]byte(in)); err == nil {
			t.Errorf("%q was taken as %d", in, s)
		}
	}
}

func TestNearest(t *testing.T) {
	keys := []string{"listen", "max-body", "max-depth", "store"}
	for in, want := range map[string]string{"listne": "listen", "maxbody": "max-body", "depth": "max-depth", "STORE": "store"} {
		if got := nearest(in, keys); got != want {
			t.Errorf("nearest to %s is %s, want %s", in, got, want)
		}
	}
}
