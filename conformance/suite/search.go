package suite

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
)

// query is a search with what it must find.
type query struct {
	target string
	want   []string // names
	order  bool
	option statuses
}

var searchForm = regexp.MustCompile(`^(\S.*?)\s+->\s+(in order\s+)?(\S.*)$`)

func parseSearch(p *parser, rest string) (step, error) {
	rest, option, err := p.option(rest)
	if err != nil {
		return step{}, err
	}
	m := searchForm.FindStringSubmatch(rest)
	if m == nil {
		return step{}, fmt.Errorf("search %s: write TYPE?QUERY -> names, or -> none", rest)
	}
	q := query{target: m[1], order: m[2] != "", option: option}
	if q.want, err = p.names(m[3]); err != nil {
		return step{}, err
	}
	return step{asks: true, judges: true, do: q.do}, p.uses(q.target)
}

// maxPages is how many pages of one search are read.
const maxPages = 50

// do searches, follows the links to the next pages, and compares. The first page stays the answer that other steps look at.
func (q query) do(v *visit) error {
	target, err := v.fill(q.target, plain)
	if err != nil {
		return err
	}
	var ids []string
	var first *answer
	for range maxPages {
		header := http.Header{"Accept": {mediaType}, "Prefer": {"handling=strict"}}
		if v.last, err = v.exchange(http.MethodGet, target, header, nil); err != nil {
			return err
		}
		if first == nil {
			first = v.last
			if err := q.option.refused(v.last); err != nil {
				return err
			}
		}
		if err := (statuses{{200, 200}}).judge(v); err != nil {
			return err
		}
		some, err := matches(v.last)
		if err != nil {
			return err
		}
		ids = append(ids, some...)
		if target = link(v.last, "next"); target == "" {
			v.last = first
			return v.compare(ids, q.want, q.order)
		}
	}
	return fmt.Errorf("more than %d pages follow each other", maxPages)
}

// link is the URL of a Bundle's link, "" if there is none.
func link(a *answer, relation string) string {
	root, err := a.resource()
	if err != nil {
		return ""
	}
	for l := range root.Each("link") {
		if l.String("relation") == relation {
			return l.String("url")
		}
	}
	return ""
}

// matches lists the type and id of a searchset's matches, in order.
func matches(a *answer) ([]string, error) {
	root, err := a.bundle()
	if err != nil {
		return nil, err
	}
	if kind := root.String("type"); kind != "searchset" {
		return nil, fmt.Errorf("the Bundle.type is %q, and not searchset", kind)
	}
	var out []string
	for e := range root.Each("entry") {
		if mode := e.First("search").String("mode"); mode != "" && mode != "match" {
			continue
		}
		r := e.First("resource")
		if r == nil {
			return nil, errors.New("an entry of the searchset has no resource")
		}
		out = append(out, r.Type+"/"+r.String("id"))
	}
	return out, nil
}
