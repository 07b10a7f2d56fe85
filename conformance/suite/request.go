package suite

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// mediaType is that of FHIR resources in JSON.
const mediaType = "application/fhir+json"

// maxAnswer is how much of an answer is read, in bytes.
const maxAnswer = 64 << 20

// request is a request as a script writes it; its texts may have variables.
type request struct {
	method, target string
	as             string
	header         [][2]string
	body           string
}

var (
	targetForm = regexp.MustCompile(`^(.*\S)\s+as\s+(\S+)$`)
	varForm    = regexp.MustCompile(`^[a-z][a-zA-Z0-9]*$`)
	headerForm = regexp.MustCompile(`^([A-Z][A-Za-z-]*):(?:\s+(.*))?$`)
)

// requestOf parses a request of one method and the lines below it.
func requestOf(method string) func(*parser, string) (step, error) {
	return func(p *parser, rest string) (step, error) {
		r, err := p.request(method, rest)
		return step{asks: true, do: func(v *visit) error { return v.ask(r) }}, err
	}
}

// request reads the target, the name that follows it, and the headers and body below.
func (p *parser) request(method, rest string) (request, error) {
	r := request{method: method, target: rest}
	if m := targetForm.FindStringSubmatch(rest); m != nil {
		r.target, r.as = m[1], m[2]
	}
	if r.target == "" {
		return r, fmt.Errorf("%s: a target must follow, such as Patient/${p}", method)
	}
	lines := p.indented()
	for len(lines) > 0 {
		m := headerForm.FindStringSubmatch(strings.TrimSpace(lines[0]))
		if m == nil {
			break
		}
		r.header = append(r.header, [2]string{m[1], m[2]})
		lines = lines[1:]
	}
	for len(lines) > 0 && lines[0] == "" {
		lines = lines[1:]
	}
	if len(lines) > 0 {
		margin := lines[0][:len(lines[0])-len(strings.TrimLeft(lines[0], " \t"))]
		for i := range lines {
			lines[i] = strings.TrimPrefix(lines[i], margin)
		}
		r.body = strings.Join(lines, "\n")
	}
	if err := p.uses(r.target, r.body); err != nil {
		return r, err
	}
	for _, h := range r.header {
		if err := p.uses(h[1]); err != nil {
			return r, err
		}
	}
	if r.as == "" {
		return r, nil
	}
	return r, p.sets(r.as, "", ".ref", ".version", ".etag")
}

// sets notes a variable and what is kept with it.
func (p *parser) sets(name string, suffixes ...string) error {
	if !varForm.MatchString(name) {
		return fmt.Errorf("%q is no name of a variable; it begins with a small letter, and letters and digits follow", name)
	}
	for _, s := range suffixes {
		p.vars[name+s] = true
	}
	return nil
}

// message is a request with the values of its variables.
type message struct {
	method, target string
	header         http.Header
	body           []byte // as written; the header says whether it is compressed
}

// compose fills in the variables of a request.
func (v *visit) compose(r request) (m message, err error) {
	m.method, m.header = r.method, http.Header{"Accept": {mediaType}}
	if m.target, err = v.fill(r.target, plain); err != nil {
		return m, err
	}
	body, err := v.fill(r.body, plain)
	if err != nil {
		return m, err
	}
	m.body = []byte(body)
	if body != "" {
		m.header.Set("Content-Type", mediaType)
	}
	for _, h := range r.header {
		value, err := v.fill(h[1], plain)
		if err != nil {
			return m, err
		}
		m.header.Del(h[0])
		if value != "" {
			m.header.Set(h[0], value)
		}
	}
	return m, nil
}

// send sends a message.
func (v *visit) send(m message) (*answer, error) {
	content := m.body
	if m.header.Get("Content-Encoding") == "gzip" {
		content = zipped(content)
	}
	a, err := v.exchange(m.method, m.target, m.header, content)
	if err == nil {
		a.sent = m.body
	}
	return a, err
}

// ask sends a request and keeps the answer.
func (v *visit) ask(r request) error {
	v.last = nil
	m, err := v.compose(r)
	if err != nil {
		return err
	}
	if v.last, err = v.send(m); err != nil {
		return err
	}
	v.note(m, v.last)
	v.keep(r.as, m, v.last)
	return nil
}

// await is how long an answer is waited for that a server prepares in the background, and how often it is asked for.
const (
	awaitMost  = 30 * time.Second
	awaitEvery = 50 * time.Millisecond
)

// parseAwait parses a GET that is repeated while it is answered by 202, or by 503: not yet.
func parseAwait(p *parser, rest string) (step, error) {
	r, err := p.request(http.MethodGet, rest)
	return step{asks: true, do: func(v *visit) error {
		for end := time.Now().Add(awaitMost); ; {
			if err := v.ask(r); err != nil || v.last.status != http.StatusAccepted && v.last.status != http.StatusServiceUnavailable {
				return err
			}
			if time.Now().After(end) {
				return fmt.Errorf("after %v the answer is still not there", awaitMost)
			}
			select {
			case <-time.After(awaitEvery):
			case <-v.ctx.Done():
				return v.ctx.Err()
			}
		}
	}}, err
}

// exchange sends a request to a place below the base, or to a URL from an answer.
func (v *visit) exchange(method, target string, header http.Header, content []byte) (*answer, error) {
	req, err := http.NewRequestWithContext(v.ctx, method, v.target.address(target), nil)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, target, err)
	}
	if len(content) > 0 {
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(content)), int64(len(content))
	}
	req.Header = header
	return v.target.send(req)
}

// send sends a request and reads the whole answer. The headers of the Config go to the server under test alone.
func (t *target) send(req *http.Request) (*answer, error) {
	if req.URL.Host == t.host {
		for name, values := range t.header {
			if len(req.Header.Values(name)) == 0 {
				req.Header[name] = values
			}
		}
	}
	if req.Header.Get("Accept-Encoding") == "" {
		req.Header.Set("Accept-Encoding", "identity") // else the client hides what the server did
	}
	res, err := t.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("%s %s: the answer broke off: %w", req.Method, req.URL, err)
	}
	if res.Header.Get("Content-Encoding") == "gzip" && len(body) > 0 {
		if body, err = unzipped(body); err != nil {
			return nil, fmt.Errorf("%s %s: the answer is not gzip, as its Content-Encoding says: %w", req.Method, req.URL, err)
		}
	}
	return &answer{request: req.Method + " " + req.URL.String(), status: res.StatusCode, header: res.Header, body: body}, nil
}

func zipped(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b) // to memory, which takes all
	w.Close()
	return out.Bytes()
}

func unzipped(b []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, maxAnswer))
}

// address makes a URL of a target. A whole URL stays as it is.
func (t *target) address(target string) string {
	if strings.HasPrefix(target, "http://") || strings.HasPrefix(target, "https://") {
		return target
	}
	var b strings.Builder
	b.WriteString(t.base)
	if !strings.HasPrefix(target, "?") && target != "" {
		b.WriteByte('/')
	}
	for i := range len(target) {
		c := target[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~!$&'()*,;:@/?=%", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// locationForm finds type, id and version in a Location.
var locationForm = regexp.MustCompile(`([A-Za-z]+/[A-Za-z0-9.-]+)(?:/_history/([^/?]+))?/?$`)

// about is the type and id of the resource that a request and its answer are about, "" if they do not tell.
func about(m message, a *answer) string {
	direct, _, conditional := strings.Cut(m.target, "?")
	if m.method == http.MethodPut && !conditional {
		return direct
	}
	if l := locationForm.FindStringSubmatch(a.header.Get("Location")); l != nil {
		return l[1]
	}
	// A PUT that created should tell where, but need not: its body has the id (R4 section 3.1.0.4).
	if root, err := a.resource(); err == nil && conditional && a.status == http.StatusCreated && root.Type == direct {
		return direct + "/" + root.String("id")
	}
	return ""
}

// note remembers what a request created, alone or by the entries of a Bundle.
func (v *visit) note(m message, a *answer) {
	if ref := about(m, a); a.status == http.StatusCreated && strings.Count(ref, "/") == 1 {
		v.made = append(v.made, ref)
	}
	if a.status != http.StatusOK || !bytes.Contains(a.body, []byte("-response")) {
		return
	}
	root, err := a.bundle()
	if err != nil || !strings.HasSuffix(root.String("type"), "-response") {
		return
	}
	for e := range root.Each("entry") {
		res := e.First("response")
		l := locationForm.FindStringSubmatch(res.String("location"))
		if l != nil && strings.HasPrefix(res.String("status"), "201") {
			v.made = append(v.made, l[1])
		}
	}
}

// keep sets the variables of what a request read, created or changed, under the name that its script gives.
func (v *visit) keep(as string, m message, a *answer) {
	switch {
	case as == "" || a.status < 200 || a.status > 299 || m.method == http.MethodDelete:
	case m.method == http.MethodGet:
		if a.status == http.StatusOK {
			v.name(as, m.target, a)
		}
	default:
		v.name(as, about(m, a), a)
		v.sent[as] = a.sent
	}
}

// name sets the variables of a resource that an answer is about.
func (v *visit) name(as, ref string, a *answer) {
	tag := a.header.Get("ETag")
	version := strings.Trim(strings.TrimPrefix(tag, "W/"), `"`)
	if m := locationForm.FindStringSubmatch(a.header.Get("Location")); m != nil && m[2] != "" {
		version = m[2]
	} else if root, err := a.resource(); err == nil && root.First("meta").String("versionId") != "" {
		version = root.First("meta").String("versionId")
	}
	v.set(as, ref, version, tag)
}

// set sets the variables of a resource; version and tag may be empty.
func (v *visit) set(as, ref, version, tag string) {
	_, id, ok := strings.Cut(ref, "/")
	if !ok {
		return
	}
	v.vars[as], v.vars[as+".ref"] = id, ref
	if tag == "" && version != "" {
		tag = `W/"` + version + `"`
	}
	delete(v.vars, as+".version")
	delete(v.vars, as+".etag")
	if version != "" {
		v.vars[as+".version"], v.vars[as+".etag"] = version, tag
	}
}
