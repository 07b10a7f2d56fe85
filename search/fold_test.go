package search

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNormalise(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "",
		"Peter":                  "peter",
		"  van   der\tBerg ":     "van der berg",
		"O'Brien-Smith, Jr.":     "o brien smith jr",
		"Ærøskøbing":             "ærøskøbing",
		"Müller":                 "muller",
		"MU\u0308LLER":           "muller",
		"Straße":                 "strasse",
		"ﬁne Ⅷ":                  "fine viii",
		"Ἀθῆναι":                 "αθηναι",
		"İstanbul":               "istanbul",
		"—«quoted»…":             "quoted",
		"a+b=c":                  "a+b=c",
		"名前　太郎":                  "名前 太郎",
		"\u0301":                 "",
		"line\u0000one\u0085two": "line one two",
	} {
		if got := normalise(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	long := strings.Repeat("ab ", 5000)
	if got := normalise(long); len(got) < maxString-4 || len(got) > maxString || !strings.HasPrefix(long, got) {
		t.Errorf("of %d bytes %d are left, want about %d", len(long), len(got), maxString)
	}
}

func FuzzNormalise(f *testing.F) {
	f.Add("Müller-Lüdenscheidt")
	f.Add("ﬁne Ⅷ İ ΰ")
	f.Fuzz(func(t *testing.T, s string) {
		n := normalise(s)
		if normalise(n) != n {
			t.Errorf("%q: %q, which is normalised to %q", s, n, normalise(n))
		}
		if len(n) > maxString || utf8.ValidString(s) && !utf8.ValidString(n) || strings.HasPrefix(n, " ") || strings.HasSuffix(n, " ") || strings.Contains(n, "  ") {
			t.Errorf("%q: %q", s, n)
		}
	})
}
