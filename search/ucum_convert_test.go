package search

import "testing"

func TestConvert(t *testing.T) {
	for _, c := range []struct{ n, from, to, want string }{
		{"1", "[in_i]", "cm", "2.54"},
		{"100", "[lb_av]", "kg", "45.359237"},
		{"37.0", "Cel", "[degF]", "98.6"},
		{"1.5", "x y", "x y", "1.5"},
		{"120", "mm[Hg]", "kPa", "15.99864"},
		{"-4e1", "Cel", "[degF]", "-40"},
		{"1", "kg", "m", ""},
		{"1", "kg", "pound", ""},
		{"1", "", "kg", ""},
		{"1e99999", "kg", "kg", ""},
		{"x", "kg", "kg", ""},
	} {
		n, _, ok := Number(c.n)
		if ok {
			n, ok = Convert(n, c.from, c.to)
		}
		want, _, is := Number(c.want)
		if ok != is || ok && n.Cmp(want) != 0 {
			t.Errorf("%s %s is %v %s (%t), want %q", c.n, c.from, n, c.to, ok, c.want)
		}
	}
}
