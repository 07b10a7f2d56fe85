package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// kept is what one writer knows of one resource.
type kept struct {
	id    string // "" until the server has told it
	acked int    // newest content that was acknowledged; 0: none
	tried int    // newest content that was sent
	post  bool
}

// writers is how many write at once.
const writers = 32

// marker names a content of a resource: it stands in an identifier, so that it can be read and be searched for.
func (k *kept) marker(name string, content int) string { return name + "-" + strconv.Itoa(content) }

// TestKillNine kills the server in the middle of concurrent writes, again and again on the same store. After each restart every
// write that was acknowledged must be there, by read and by search; a write that was not may be there, but then as a whole.
func TestKillNine(t *testing.T) {
	rounds := 5
	if soak() {
		rounds = 50
	}
	seed := rand.Uint64()
	if s := os.Getenv("HOB_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	t.Logf("HOB_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 9))
	store := "badger:" + t.TempDir() + "/store"
	var before []map[string]*kept
	acks := 0
	for round := range rounds {
		s := serving(t, store)
		written := write(s, round, int64(200+random.IntN(800)))
		s = serving(t, store)
		for _, of := range written {
			acks += verify(s, of)
		}
		if len(before) > 0 { // what was there before the crash is there after it
			verify(s, before[random.IntN(len(before))])
		}
		before = append(before, written...)
		s.stop()
		sound(t, store)
	}
	s := serving(t, store)
	for _, of := range before {
		verify(s, of)
	}
	t.Logf("%d rounds, %d acknowledged resources", rounds, acks)
	if acks < rounds*100 {
		t.Errorf("only %d resources were acknowledged in %d rounds: too little to prove anything", acks, rounds)
	}
}

// write lets all writers write until so many writes are acknowledged, then kills the server under them.
func write(s *running, round int, enough int64) []map[string]*kept {
	var done atomic.Int64
	var once sync.Once
	var wg sync.WaitGroup
	all := make([]map[string]*kept, writers)
	for w := range writers {
		mine := map[string]*kept{}
		all[w] = mine
		wg.Go(func() {
			var names []string
			random := rand.New(rand.NewPCG(uint64(round), uint64(w)))
			for n := 0; ; n++ {
				var name string
				if len(names) == 0 || random.IntN(3) > 0 {
					name = fmt.Sprintf("r%dw%dn%d", round, w, n)
					mine[name] = &kept{post: random.IntN(2) == 0}
				} else {
					name = names[random.IntN(len(names))]
				}
				if !mine[name].send(s, name) {
					return // the server is gone
				}
				if mine[name].acked == 1 {
					names = append(names, name)
				}
				if done.Add(1) >= enough {
					once.Do(s.kill)
				}
			}
		})
	}
	wg.Wait()
	return all
}

// send writes the next content of a resource, and reports whether it was acknowledged.
func (k *kept) send(s *running, name string) bool {
	k.tried++
	method, path, id := http.MethodPut, "/Observation/"+name, `"id":"`+name+`",`
	switch {
	case k.post && k.acked == 0:
		method, path, id = http.MethodPost, "/Observation", ""
	case k.post:
		path, id = "/Observation/"+k.id, `"id":"`+k.id+`",`
	}
	status, answer, err := call(method, s.base+path, fmt.Sprintf(`{"resourceType":"Observation",%s"status":"final",
		"identifier":[{"system":"urn:name","value":%q},{"system":"urn:content","value":%q}],
		"code":{"text":"written under fire"},"subject":{"reference":"Patient/%s"}}`, id, name, k.marker(name, k.tried), name))
	if err != nil {
		return false
	}
	var r resource
	if status != http.StatusOK && status != http.StatusCreated || json.Unmarshal(answer, &r) != nil || r.ID == "" {
		s.Errorf("%s %s: %d: %s", method, path, status, answer)
		return false
	}
	k.id, k.acked = r.ID, k.tried
	return true
}

// verify looks for every resource of one writer, and returns how many were acknowledged.
func verify(s *running, of map[string]*kept) (acked int) {
	s.Helper()
	for name, k := range of {
		found := s.find("/Observation?identifier=urn:name%7C" + name)
		if k.acked > 0 {
			acked++
		}
		switch {
		case len(found.Entry) > 1:
			s.Errorf("%s is there %d times", name, len(found.Entry))
			continue
		case len(found.Entry) == 0 && k.acked > 0:
			s.Errorf("%s was acknowledged with content %d and is not found", name, k.acked)
			continue
		case len(found.Entry) == 0:
			if !k.post {
				s.get("/Observation/"+name, http.StatusNotFound)
				s.get("/Observation/"+name+"/_history", http.StatusNotFound)
			}
			continue
		}
		r := found.Entry[0].Resource
		if k.id != "" && r.ID != k.id || k.id == "" && !k.post && r.ID != name {
			s.Errorf("%s was acknowledged as %s and is found as %s", name, k.id, r.ID)
		}
		var read resource
		if err := json.Unmarshal(s.get("/Observation/"+r.ID, http.StatusOK), &read); err != nil {
			s.Fatal(err)
		}
		content, _ := strconv.Atoi(read.Identifier[1].Value[strings.LastIndexByte(read.Identifier[1].Value, '-')+1:])
		if content != k.acked && content != k.tried {
			s.Errorf("%s has content %d; %d was acknowledged and %d was tried", name, content, k.acked, k.tried)
		}
		if version, _ := strconv.Atoi(read.Meta.VersionID); version != content {
			s.Errorf("%s has version %d with content %d: a write was lost or done twice", name, version, content)
		}
		for c := 1; c <= k.tried; c++ { // each content is found if it is the current one, and only then
			n := len(s.find("/Observation?identifier=urn:content%7C" + k.marker(name, c)).Entry)
			if want := map[bool]int{true: 1}[c == content]; n != want {
				s.Errorf("a search finds content %d of %s %d times, want %d", c, name, n, want)
			}
		}
		if n := len(s.find("/Observation?patient=" + name).Entry); n != 1 {
			s.Errorf("%s is found %d times by its patient", name, n)
		}
		if n := len(s.find("/Observation/" + r.ID + "/_history?_count=1000").Entry); n != content {
			s.Errorf("the history of %s has %d versions, want %d", name, n, content)
		}
	}
	return acked
}
