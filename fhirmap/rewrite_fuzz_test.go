package fhirmap

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzRewrite moves every link of a resource and back again: the tree is the same then, and what has no link is not touched.
func FuzzRewrite(f *testing.F) {
	for _, body := range patchTargets {
		f.Add(body, "x")
	}
	f.Add(`{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">\ud83d\ude00<a href='urn:uuid:1'>\u0061<\/a><img src=\"&amp;\" alt=''/><!-- <a href=\"1\"> --></div>"}}`, `<"&'`)
	f.Add(`{"resourceType":"Patient","_language":{"extension":[{"url":"u","valueUuid":"`+linkU+`","_valueUuid":{"extension":[{"url":"v","valueOid":"`+linkO+`"}]}}]}}`, "\n\\")
	f.Fuzz(func(t *testing.T, body, mark string) {
		r, err := Parse([]byte(body), Limits{})
		if err != nil || strings.ContainsFunc(mark, func(c rune) bool { return !isXMLCharacter(c) || c == utf8.RuneError }) {
			return
		}
		mark = "urn:x:" + mark
		away := Rewrite(r, func(s string) (string, bool) { return mark + s, !strings.HasPrefix(s, mark) })
		back := Rewrite(away, func(s string) (string, bool) { return strings.CutPrefix(s, mark) })
		if !strings.Contains(body, mark) && !sameTexts(back.root, r.root) {
			t.Errorf("%s went to %s and came back as %s", r.JSON(), away.JSON(), back.JSON())
		}
		if same := Rewrite(r, func(string) (string, bool) { return "", false }); same != r {
			t.Errorf("%s was rewritten without a link", r.JSON())
		}
	})
}

// sameTexts compares two trees without keys and types, which change where a uuid becomes a uri. Narratives may be spelled otherwise.
func sameTexts(a, b *Element) bool {
	return a.Name == b.Name && a.Index == b.Index && (a.Text == b.Text || a.Type == "xhtml") && slices.EqualFunc(a.Children, b.Children, sameTexts)
}
