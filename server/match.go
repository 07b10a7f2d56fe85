package server

import (
	"net/http"
	"slices"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
)

// lookup finds the routes of a method and of a path below the base, as Gin does for requests by HTTP: of several patterns that fit, the
// one with more fixed segments counts. It fills in what the path names.
func lookup(routes []route, method, path string, r *Request) ([]route, error) {
	parts := strings.Split(path, "/")
	best, fixed := "", -1
	var allow []string
	for i := range routes {
		n := fits(routes[i].path, parts)
		if n < 0 {
			continue
		}
		if m := routes[i].method; !slices.Contains(allow, m) {
			allow = append(allow, m)
		}
		if routes[i].method == method && n > fixed {
			best, fixed = routes[i].path, n
		}
	}
	switch {
	case len(allow) == 0:
		return nil, refuse(http.StatusNotFound, fhirmap.CodeNotFound, "nothing is at %s below the FHIR base", clip(path))
	case fixed < 0:
		return nil, refuse(http.StatusMethodNotAllowed, fhirmap.CodeNotSupported,
			"%s is not answered at %s; %s are", clip(method), clip(path), strings.Join(allow, ", "))
	}
	for i, name := range strings.Split(best, "/") {
		switch name {
		case ":type":
			r.Type = parts[i]
		case ":id":
			r.ID = parts[i]
		case ":version":
			r.Version = parts[i]
		case ":member":
			r.Member = parts[i]
		}
	}
	var found []route
	for _, rt := range routes {
		if rt.method == method && rt.path == best {
			found = append(found, rt)
		}
	}
	return found, nil
}

// fits counts the fixed segments of a pattern that a path fits, -1 if it does not.
func fits(pattern string, parts []string) int {
	fixed, n := 0, 0
	for name := range strings.SplitSeq(pattern, "/") {
		switch {
		case n == len(parts):
			return -1
		case strings.HasPrefix(name, ":"):
			if parts[n] == "" || name == ":member" && strings.HasPrefix(parts[n], "$") {
				return -1
			}
		case name == parts[n]:
			fixed++
		default:
			return -1
		}
		n++
	}
	if n < len(parts) {
		return -1
	}
	return fixed
}
