// Package noteworthtest is a Noteworth partner API for tests and examples: as unreliable as the real one, but by a script. A Partner answers
// what its Script says, in order, and well when the script is at its end.
package noteworthtest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// Outcome is what one request meets.
type Outcome string

// The outcomes.
const (
	OK            Outcome = "ok"
	Status500     Outcome = "500"
	Status408     Outcome = "408"            // at once
	Hang          Outcome = "hang"           // 408 after Partner.HangFor, unless the client has gone by then
	Reset         Outcome = "reset"          // the connection is closed without an answer
	HalfBody      Outcome = "half body"      // 200 with the first half of the JSON, whole in HTTP's eyes
	BrokenOff     Outcome = "broken off"     // 200 with half of the bytes that Content-Length announced
	Text200       Outcome = "200 text"       // 200 with words
	MissingHeader Outcome = "missing header" // of /auth: 200 without a token
	StaleToken    Outcome = "stale token"    // of /providers: the token is no longer good, 403
	Busy          Outcome = "429"            // with Retry-After: 7
	Elsewhere     Outcome = "elsewhere"      // a redirect to another host
)

// Outcomes lists them all.
var Outcomes = []Outcome{OK, Status500, Status408, Hang, Reset, HalfBody, BrokenOff, Text200, MissingHeader, StaleToken, Busy, Elsewhere}

// Provider is one of the list.
type Provider struct {
	Given  string `json:"name_given"`
	Family string `json:"name_family"`
	Title  string `json:"title,omitempty"`
	Clinic string `json:"clinic"`
}

// Partner is the API, an http.Handler.
type Partner struct {
	Auth      []Outcome     // what is still to be answered at /auth
	Providers []Outcome     // and at /providers
	List      []Provider    // whom /providers tells of
	Pick      int           // so many of List, at random; 0: all, in order
	Rand      *rand.Rand    // for Pick and the tokens; it must be set
	HangFor   time.Duration // 0: 30 s, as the real one
	Hook      func(path string, o Outcome)

	mu     sync.Mutex
	token  string
	tokens []string
	calls  map[string]int
}

// Clinicians are twenty people of one clinic.
func Clinicians() []Provider {
	given := []string{"Ada", "Bo", "Cleo", "Dan", "Eve", "Femi", "Gus", "Hana", "Ivo", "Jun"}
	family := []string{"Okafor", "Lindqvist"}
	title := []string{"Dr.", "PA", "Dr.", "NP", "Dr.", "PA", "Dr.", "PA", "Dr.", "NP"}
	var out []Provider
	for _, f := range family {
		for i, g := range given {
			out = append(out, Provider{Given: g, Family: f, Title: title[i], Clinic: "Harbour Street Clinic"})
		}
	}
	return out
}

// Script sets what is answered next at both endpoints, and forgets the calls so far.
func (p *Partner) Script(auth, providers []Outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Auth, p.Providers, p.calls = auth, providers, nil
}

// Calls counts the requests to a path since the last Script.
func (p *Partner) Calls(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[path]
}

// Tokens lists all tokens that were given.
func (p *Partner) Tokens() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.tokens...)
}

// Restart forgets the token, as a new process does.
func (p *Partner) Restart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.token = ""
}

// next is what a request to a path meets.
func (p *Partner) next(path string) Outcome {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.calls == nil {
		p.calls = map[string]int{}
	}
	p.calls[path]++
	script := &p.Auth
	if path != "/auth" {
		script = &p.Providers
	}
	o := OK
	if len(*script) > 0 {
		o, *script = (*script)[0], (*script)[1:]
	}
	if p.Hook != nil {
		p.Hook(path, o)
	}
	return o
}

// ServeHTTP answers GET /auth and GET /providers.
func (p *Partner) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/auth" && r.URL.Path != "/providers" {
		http.NotFound(w, r)
		return
	}
	o := p.next(r.URL.Path)
	switch o {
	case Status500:
		w.WriteHeader(http.StatusInternalServerError)
	case Status408:
		w.WriteHeader(http.StatusRequestTimeout)
	case Hang:
		wait := p.HangFor
		if wait == 0 {
			wait = 30 * time.Second
		}
		select {
		case <-r.Context().Done():
		case <-time.After(wait):
			w.WriteHeader(http.StatusRequestTimeout)
		}
	case Reset:
		panic(http.ErrAbortHandler)
	case Text200:
		fmt.Fprint(w, "Error: No token created")
	case Busy:
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTooManyRequests)
	case Elsewhere:
		http.Redirect(w, r, "http://elsewhere.invalid/providers", http.StatusFound)
	default:
		if r.URL.Path == "/auth" {
			p.auth(w, o)
		} else {
			p.providers(w, r, o)
		}
	}
}

func (p *Partner) auth(w http.ResponseWriter, o Outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o != MissingHeader {
		b := make([]byte, 8)
		for i := range b {
			b[i] = byte('a' + p.Rand.IntN(26))
		}
		p.token = string(b)
		p.tokens = append(p.tokens, p.token)
		w.Header().Set("Super-Secure-Token", p.token)
	}
	fmt.Fprint(w, "token generated")
}

func (p *Partner) providers(w http.ResponseWriter, r *http.Request, o Outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	given := r.Header.Get("X-Request-Checksum")
	sum := sha256.Sum256([]byte(p.token + "/providers"))
	switch {
	case given == "":
		w.WriteHeader(http.StatusUnauthorized)
		return
	case p.token == "":
		fmt.Fprint(w, "Error: No token created")
		return
	case o == StaleToken || given != hex.EncodeToString(sum[:]):
		w.WriteHeader(http.StatusForbidden)
		return
	}
	list := append([]Provider{}, p.List...)
	if p.Pick > 0 {
		p.Rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		list = list[:min(p.Pick, len(list))]
	}
	body, err := json.Marshal(map[string]any{"providers": list})
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	switch o {
	case HalfBody:
		body = body[:len(body)/2]
	case BrokenOff:
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.Write(body[:len(body)/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8") // which it is not: as the real one
	w.Write(body)
}
