package server_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// seedOf gives a random test its seed.
func seedOf(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("HOB_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("HOB_SEED=%d repeats this run", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// crowd is many Patients, what is known of them, and writers who change, delete and create them.
type crowd struct {
	*fixture
	all     sync.RWMutex // held to read by whoever writes one, so that one who holds it whole knows them all
	mu      sync.Mutex
	version map[string]int // of those that are there
	gone    map[string]int // the last version of those that are not
	busy    map[string]bool
	next    int
}

func member(rnd *rand.Rand, id string) string {
	born := ""
	if rnd.IntN(10) > 0 {
		born = fmt.Sprintf(`"birthDate":"%d-%02d-%02d",`, 1950+rnd.IntN(60), 1+rnd.IntN(12), 1+rnd.IntN(28))
	}
	names := []string{"Adams", "Baker", "Clark", "Davis", "Evans", "Ford", "Green", "Hill"}
	return fmt.Sprintf(`{"resourceType":"Patient","id":"%s",%s"gender":"%s","name":[{"family":"%s-%d"}]}`,
		id, born, []string{"male", "female", "other"}[rnd.IntN(3)], names[rnd.IntN(len(names))], rnd.IntN(50))
}

// settle stores the first n.
func (c *crowd) settle(rnd *rand.Rand, n int) {
	for c.next < n {
		var entries []string
		for range min(500, n-c.next) {
			id := "p" + strconv.Itoa(c.next)
			c.next++
			c.version[id] = 1
			entries = append(entries, ask("", member(rnd, id), "PUT", "Patient/"+id))
		}
		c.do("POST", "/fhir", transaction(entries...)).is(200)
	}
}

// take chooses one that nobody else is writing, or a new one.
func (c *crowd) take(rnd *rand.Rand) (id string, version int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range 10 {
		id = "p" + strconv.Itoa(rnd.IntN(c.next))
		if !c.busy[id] {
			c.busy[id] = true
			return id, c.version[id]
		}
	}
	id = "p" + strconv.Itoa(c.next)
	c.next++
	c.busy[id] = true
	return id, 0
}

// write makes one change.
func (c *crowd) write(rnd *rand.Rand) {
	c.all.RLock()
	defer c.all.RUnlock()
	id, version := c.take(rnd)
	deleted := version > 0 && rnd.IntN(3) == 0
	if deleted {
		c.do("DELETE", "/fhir/Patient/"+id, "").is(204)
	} else if a := c.do("PUT", "/fhir/Patient/"+id, member(rnd, id)); a.status != 200 && a.status != 201 {
		c.Errorf("a change is answered %d: %s", a.status, a.body)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if version += 1 + c.gone[id]; deleted {
		delete(c.version, id)
		c.gone[id] = version
	} else {
		c.version[id] = version
		delete(c.gone, id)
	}
	delete(c.busy, id)
}

// seen is an entry: what tells it apart, and what it is sorted by.
type seen struct {
	ID        string
	Gender    string
	BirthDate string
	Name      []struct{ Family string }
	Meta      struct{ VersionID, LastUpdated string }
}

func (c *crowd) read(path string) (entries []seen, next, previous string) {
	c.Helper()
	a := c.do("GET", path, "").is(200)
	var p struct {
		Link  []struct{ Relation, URL string }
		Entry []struct{ Resource seen }
	}
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		c.Fatal(err)
	}
	for _, e := range p.Entry {
		entries = append(entries, e.Resource)
	}
	set := a.set()
	return entries, set.link("next"), set.link("previous")
}

// TestPagesAmongWriters walks through thousands of resources by small pages, there and back, in several orders, while eight writers change
// them, delete them and create others: each resource of the moment of the first page is shown once, as it was then, in order, and the way
// back shows the same in reverse. HOB_SOAK=1 takes ten thousand.
func TestPagesAmongWriters(t *testing.T) {
	n, page := 800, 23
	if os.Getenv("HOB_SOAK") != "" {
		n, page = 10_000, 37
	}
	rnd := seedOf(t)
	c := &crowd{fixture: open(t, nil), version: map[string]int{}, gone: map[string]int{}, busy: map[string]bool{}}
	c.settle(rnd, n)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		own := rand.New(rand.NewPCG(rnd.Uint64(), 1))
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond): // so that the reader comes forward too
					c.write(own)
				}
			}
		})
	}
	defer wg.Wait()
	defer close(stop)
	last := func(s string) string { return cmp.Or(s, "9999") } // what has no value comes last, either way
	for sort, less := range map[string]func(a, b seen) int{
		"":                    func(a, b seen) int { return 0 },
		"&_sort=_lastUpdated": func(a, b seen) int { return cmp.Compare(a.Meta.LastUpdated, b.Meta.LastUpdated) },
		"&_sort=birthdate":    func(a, b seen) int { return cmp.Compare(last(a.BirthDate), last(b.BirthDate)) },
		"&_sort=-name":        func(a, b seen) int { return cmp.Compare(sortName(b), sortName(a)) },
		"&_sort=gender,-birthdate": func(a, b seen) int {
			return cmp.Or(cmp.Compare(a.Gender, b.Gender), cmp.Compare(b.BirthDate, a.BirthDate))
		},
	} {
		c.all.Lock() // the moment of the first page
		want := maps.Clone(c.version)
		entries, next, previous := c.read(fmt.Sprintf("/fhir/Patient?_count=%d%s", page, sort))
		c.all.Unlock()
		if previous != "" {
			t.Errorf("%s: the first page has a previous one", sort)
		}
		there := slices.Clone(entries)
		pages := [][]seen{entries}
		for next != "" {
			entries, next, previous = c.read(next)
			there = append(there, entries...)
			pages = append(pages, entries)
		}
		var back []seen
		for range pages[1:] {
			entries, _, previous = c.read(previous)
			slices.Reverse(entries)
			back = append(back, entries...)
		}
		if previous != "" {
			t.Errorf("%s: the way back goes on beyond the first page", sort)
		}
		shown := map[string]int{}
		for i, e := range there {
			if shown[e.ID] > 0 {
				t.Errorf("%s: %s is shown twice", sort, e.ID)
			}
			shown[e.ID], _ = strconv.Atoi(e.Meta.VersionID)
			if i > 0 && less(there[i-1], e) > 0 {
				t.Errorf("%s: %+v stands before %+v", sort, there[i-1], e)
			}
		}
		for id, version := range want {
			if shown[id] != version {
				t.Errorf("%s: of %s version %d is shown, not %d (0: none)", sort, id, shown[id], version)
			}
			delete(shown, id)
		}
		if len(shown) > 0 {
			t.Errorf("%s: what is not of the first page's moment: %v", sort, shown)
		}
		slices.Reverse(back)
		front := there[:len(there)-len(pages[len(pages)-1])]
		if !slices.EqualFunc(front, back, func(a, b seen) bool { return a.ID == b.ID && a.Meta == b.Meta }) {
			t.Errorf("%s: the way back is not the way there", sort)
		}
		t.Logf("%d on %d pages%s", len(there), len(pages), sort)
	}
}

func sortName(s seen) string { return strings.ReplaceAll(strings.ToLower(s.Name[0].Family), "-", " ") }
