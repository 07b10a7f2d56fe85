package oracle

import "strings"

// link is what a Reference or canonical points to.
type link struct {
	typ, id    string // of a resource of this server
	url        string // of anything else
	canonical  string // the whole of it, if it is one, which may be the address of a resource here
	version    string // of a canonical
	identifier []token
}

func linkOf(n node, base string) (link, bool) {
	if n.has("url") {
		return linkOf(n.child("value"), base)
	}
	if n.has("resourceType") { // a resource within a Bundle stands for itself
		return link{typ: n.member("resourceType"), id: n.member("id")}, n.has("id")
	}
	s := n.text()
	l := link{canonical: s}
	if s != "" {
		s, l.version, _ = strings.Cut(s, "|")
	} else {
		s = n.member("reference")
		if n.has("identifier") {
			l.identifier, _ = tokens(n.child("identifier"))
		}
	}
	s, _, _ = strings.Cut(s, "/_history/")
	if typ, id, ok := strings.Cut(strings.TrimPrefix(s, base+"/"), "/"); ok && !strings.ContainsAny(id, "/:") && !strings.Contains(typ, ":") {
		l.typ, l.id = typ, id
		return l, true
	}
	if l.url = s; l.canonical != "" {
		l.url = l.canonical
	}
	return l, s != "" || len(l.identifier) > 0
}

// is tells whether id, Type/id or a URL names it (R4 3.1.1.4.12); typ is the modifier, if any.
func (l link) is(value, typ, base string) bool {
	v := plain(value)
	if typ != "" && l.typ != typ {
		return false
	}
	v, _, _ = strings.Cut(strings.TrimPrefix(v, base+"/"), "/_history/")
	if l.id != "" {
		v, version, _ := strings.Cut(v, "|")
		return (v == l.id || v == l.typ+"/"+l.id) && (version == "" || version == l.version)
	}
	return l.url != "" && sameURL(l.url, v)
}

// uriIs compares a URI, with one modifier those that begin with the value, with the other those with which it begins (R4 3.1.1.4.13). Of a
// canonical with a version it is the number of the version that begins so.
func uriIs(have, modifier, want string) bool {
	switch {
	case modifier == "below" && strings.Contains(want, "|"):
		return have == want || strings.HasPrefix(have, want+".")
	case modifier == "below":
		return strings.HasPrefix(have, want)
	case modifier == "above":
		rest, begins := strings.CutPrefix(want, have)
		return begins && strings.Contains(have, "://") && have != "http://" &&
			(rest == "" || strings.HasSuffix(have, "/") || strings.ContainsAny(rest[:1], "/?#|"))
	}
	return sameURL(have, want)
}

// sameURL compares canonicals too: one asked for without a version is found with any.
func sameURL(have, want string) bool {
	url, _, _ := strings.Cut(have, "|")
	return have == want || url == want
}
