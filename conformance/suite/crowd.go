package suite

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// maxParallel is how many requests a script may send at once.
const maxParallel = 64

// parseParallel parses a request that is sent several times at once.
func parseParallel(p *parser, rest string) (step, error) {
	count, request, _ := strings.Cut(rest, " ")
	method, target, _ := strings.Cut(strings.TrimSpace(request), " ")
	n, err := strconv.Atoi(count)
	if err != nil || n < 2 || n > maxParallel || !slices.Contains(methods, method) {
		return step{}, fmt.Errorf("parallel %s: write a number of 2 to %d and a request, such as 16 POST Patient", rest, maxParallel)
	}
	p.vars["n"] = true
	defer delete(p.vars, "n")
	r, err := p.request(method, strings.TrimSpace(target))
	return step{asks: true, do: func(v *visit) error { return v.askAtOnce(r, n) }}, err
}

// askAtOnce sends a request n times at once, each with its number as ${n}. The answer that other steps look at is the first of 201,
// else the first of 2xx, else the first.
func (v *visit) askAtOnce(r request, n int) error {
	v.last, v.crowd = nil, make([]*answer, n)
	messages := make([]message, n)
	for i := range messages {
		v.vars["n"] = strconv.Itoa(i + 1)
		var err error
		if messages[i], err = v.compose(r); err != nil {
			return err
		}
	}
	delete(v.vars, "n")
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range messages {
		all.Go(func() { v.crowd[i], errs[i] = v.send(messages[i]) })
	}
	all.Wait()
	best := 0
	rank := func(a *answer) int {
		switch {
		case a.status == http.StatusCreated:
			return 2
		case a.status >= 200 && a.status <= 299:
			return 1
		}
		return 0
	}
	for i, a := range v.crowd {
		if errs[i] != nil {
			return errs[i]
		}
		v.note(messages[i], a)
		if rank(a) > rank(v.crowd[best]) {
			best = i
		}
	}
	v.last = v.crowd[best]
	v.keep(r.as, messages[best], v.last)
	return nil
}

// parseTally parses how many of the parallel requests are answered by some statuses.
func parseTally(p *parser, rest string) (step, error) {
	count, codes, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 {
		return step{}, fmt.Errorf("tally %s: write a number and statuses, such as 1 201", rest)
	}
	want, err := parseStatuses(codes)
	if err == nil && !p.crowded {
		err = fmt.Errorf("tally %s: it follows a parallel request", rest)
	}
	return step{judges: true, do: func(v *visit) error {
		have, seen := 0, map[int]int{}
		for _, a := range v.crowd {
			seen[a.status]++
			if want.has(a.status) {
				have++
			}
		}
		if have == n {
			return nil
		}
		var all []string
		for status, times := range seen {
			all = append(all, fmt.Sprintf("%d: %d times", status, times))
		}
		slices.Sort(all)
		return fmt.Errorf("%d of %d answers are %v; it should be %d (%s)", have, len(v.crowd), want, n, strings.Join(all, ", "))
	}}, err
}

// parseEntries parses names for what the entries of a batch or transaction made.
func parseEntries(p *parser, rest string) (step, error) {
	names := strings.Fields(rest)
	for _, name := range names {
		if name == "-" {
			continue
		}
		if err := p.sets(name, "", ".ref", ".version", ".etag"); err != nil {
			return step{}, err
		}
	}
	if len(names) == 0 {
		return step{}, fmt.Errorf("entries: a name must follow for each entry, or - for one without")
	}
	return step{do: func(v *visit) error { return v.nameEntries(names) }}, nil
}

// nameEntries names what a response Bundle tells of, in order. What was sent for an entry is what kept compares with.
func (v *visit) nameEntries(names []string) error {
	root, err := v.last.bundle()
	if err != nil {
		return err
	}
	if kind := root.String("type"); !strings.HasSuffix(kind, "-response") {
		return fmt.Errorf("the Bundle.type is %q; it should be batch-response or transaction-response", kind)
	}
	var sent struct {
		Entry []struct{ Resource json.RawMessage }
	}
	if len(v.last.sent) > 0 {
		if err := json.Unmarshal(v.last.sent, &sent); err != nil {
			return err
		}
	}
	n := 0
	for e := range root.Each("entry") {
		if n++; n > len(names) {
			continue
		}
		name := names[n-1]
		if name == "-" {
			continue
		}
		res, r := e.First("response"), e.First("resource")
		ref, version := "", ""
		if l := locationForm.FindStringSubmatch(res.String("location")); l != nil {
			ref, version = l[1], l[2]
		} else if r != nil && r.String("id") != "" {
			ref, version = r.Type+"/"+r.String("id"), r.First("meta").String("versionId")
		} else {
			return fmt.Errorf("entry %d has neither a location nor a resource with an id, by which %s could be known", n-1, name)
		}
		tag := res.String("etag")
		if version == "" {
			version = strings.Trim(strings.TrimPrefix(tag, "W/"), `"`)
		}
		v.set(name, ref, version, tag)
		if n <= len(sent.Entry) {
			v.sent[name] = sent.Entry[n-1].Resource
		}
	}
	if n != len(names) {
		return fmt.Errorf("the answer has %d entries; it should have %d", n, len(names))
	}
	return nil
}
