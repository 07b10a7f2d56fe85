package search

import (
	"bytes"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestUCUM holds units against their canonical form and the factor to it, both worked out by hand.
func TestUCUM(t *testing.T) {
	for _, x := range []struct{ unit, canonical, factor string }{
		{"g", "g", "1"},
		{"kg", "g", "1000"},
		{"mg", "g", "1/1000"},
		{"mg/dL", "g.m-3", "10"},
		{"mg/(kg.d)", "s-1", "1/86400000000"},
		{"mg/kg/d", "s-1", "1/86400000000"},
		{"/min", "s-1", "1/60"},
		{"{beats}/min", "s-1", "1/60"},
		{"1/min", "s-1", "1/60"},
		{"mm[Hg]", "g.m-1.s-2", "133322"},
		{"kPa", "g.m-1.s-2", "1000000"},
		{"m2.kg/s2", "g.m2.s-2", "1000"},
		{"%", "1", "1/100"},
		{"1", "1", "1"},
		{"{score}", "1", "1"},
		{"10*3/uL", "m-3", "1000000000000"},
		{"10*3", "1", "1000"},
		{"10^-3", "1", "1/1000"},
		{"10*", "1", "10"},
		{"mmol/L", "m-3", "602214076000000000000000"},
		{"meq/L", "m-3", "602214076000000000000000"},
		{"m[IU]/mL", "[iU].m-3", "1000"},
		{"k[IU]/L", "[iU].m-3", "1000000"},
		{"[in_i]", "m", "127/5000"},
		{"[lb_av]", "g", "45359237/100000"},
		{"a", "s", "31557600"},
		{"mo", "s", "2629800"},
		{"wk", "s", "604800"},
		{"cm2", "m2", "1/10000"},
		{"cm+2", "m2", "1/10000"},
		{"s-1", "s-1", "1"},
		{"m.m-1", "1", "1"},
		{"dar", "m2", "10"},
		{"cd", "cd", "1"},
		{"KiBy", "1", "8192"},
		{"(m/s)/(m/s)", "1", "1"},
		{"/(m.s)", "m-1.s-1", "1"},
		{"24.h", "s", "86400"},
		{"mg{total}/L{serum}", "g.m-3", "1"},
		{"K", "K", "1"},
		{"Cel", "K", "1"},
		{"Cel{oral}", "K", "1"},
		{"mCel", "K", "1/1000"},
		{"[degF]", "K", "5/9"},
		{"[degRe]", "K", "5/4"},
		{"[pH]", "[pH]", "1"},
		{"dB", "B", "1/10"},
		{"B[10.nV]", "B[10.nV]", "1"},
		{"[m/s2/Hz^(1/2)]", "[m/s2/Hz^(1/2)]", "1"},
		{"[CCID_50]", "[CCID_50]", "1"},
		{"%[slope]", "%[slope]", "1"},
	} {
		u, err := parseUnit(x.unit)
		if err != nil {
			t.Errorf("%s: %v", x.unit, err)
			continue
		}
		if want := rational(x.factor); u.canonical() != x.canonical || u.factor.Cmp(want) != 0 {
			t.Errorf("%s is %s %s, want %s %s", x.unit, u.factor, u.canonical(), want, x.canonical)
		}
	}
	for _, bad := range []string{
		"", "x", "mgg", "mm[Hg", "mmHg", "beats/min", "m/", "/", ".", "m..s", "m.s.", "(m", "m)", "()", "m{", "m}", "{a{b}}", "m{a}{b}", "m--2", "m2-", "2m-",
		"k[in_i]", "kkg", "Cel/min", "Cel2", "2.Cel", "[pH]/L", "m999", "m101", "0", "0.5", "-1", "m s", " m", "10*400000", "°C",
		strings.Repeat("(", 9) + "m" + strings.Repeat(")", 9), strings.Repeat("m.", 150) + "m", strings.Repeat("m.", 17) + "m",
		"[h]100.[h]100", "m100.m100", "10*100.10*100.10*100.10*100.10*100.10*100.10*100.10*100.10*100.10*100.10*100.10*100.10*100.10*100",
	} {
		if u, err := parseUnit(bad); err == nil {
			t.Errorf("%q is taken for %s %s", bad, u.factor, u.canonical())
		}
	}
}

// TestUCUMTable: every unit and every prefix of the table means something, and no name has two readings.
func TestUCUMTable(t *testing.T) {
	if len(ucumAtoms) < 300 || len(ucumPrefixes) < 24 || len(ucumBases) != 7 {
		t.Errorf("%d atoms, %d prefixes, %d bases", len(ucumAtoms), len(ucumPrefixes), len(ucumBases))
	}
	names := map[string]int{}
	for code, atom := range ucumAtoms {
		u, err := parseUnit(code)
		if err != nil || u.factor.Sign() <= 0 {
			t.Errorf("%s: %v, %v", code, u.factor, err)
		}
		names[code]++
		for prefix := range ucumPrefixes {
			if atom.metric {
				names[prefix+code]++
			}
		}
	}
	for _, code := range ucumBases {
		names[code]++
		for prefix := range ucumPrefixes {
			names[prefix+code]++
		}
	}
	// Those of which the table says so itself: the whole name comes before one with a prefix.
	for name, n := range names {
		_, whole := ucumAtoms[name]
		if n > 1 && !whole && name != "cd" {
			scale, code, _ := ucumName(name)
			t.Errorf("%s has two readings, and is read as %s × %s", name, scale.RatString(), code)
		}
	}
	for code := range ucumOffsets {
		if !ucumAtoms[code].special {
			t.Errorf("%s is not special", code)
		}
	}
}

// TestUCUMValues converts numbers, exactly.
func TestUCUMValues(t *testing.T) {
	for _, x := range []struct{ number, unit, want string }{
		{"600", "mg", "0.6"},
		{"0.6", "g", "0.6"},
		{"37", "Cel", "310.15"},
		{"98.6", "[degF]", "310.15"},
		{"-40", "Cel", "233.15"},
		{"-40", "[degF]", "233.15"},
		{"60", "/min", "1"},
		{"61", "/min", "1.01666666666666666666666666666666666"},
		{"-61", "/min", "-1.01666666666666666666666666666666666"},
		{"0", "mg", "0"},
		{"1e-300", "kg", "1e-297"},
		{"123456789012345678901234567890123456789", "g", "123456789012345678901234567890123456000"},
	} {
		u, err := parseUnit(x.unit)
		if err != nil {
			t.Fatal(err)
		}
		d, err := parseDecimal(x.number)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := u.convert(d)
		if want, _ := encodeNumber(x.want); !ok || !bytes.Equal(got, want) {
			shown, _ := decodeNumber(got)
			t.Errorf("%s %s is %s, want %s", x.number, x.unit, shown, x.want)
		}
	}
	u, _ := parseUnit("mg")
	for _, far := range []string{"1e401", "1e-401", "1e1000000000", strings.Repeat("9", 500)} {
		d, _ := parseDecimal(far)
		if _, ok := u.convert(d); ok {
			t.Errorf("%.20s is converted", far)
		}
	}
}

// TestUCUMOrder: numbers in any units of one kind sort as what they measure.
func TestUCUMOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2)) // nothing depends on the numbers drawn
	units := []string{"mg", "g", "kg", "[lb_av]", "[oz_tr]", "[gr]", "t", "u"}
	for range 2000 {
		var value [2]*big.Rat
		var coded [2][]byte
		for i := range 2 {
			u, err := parseUnit(units[r.IntN(len(units))])
			if err != nil {
				t.Fatal(err)
			}
			d := decimal{big.NewInt(r.Int64N(2000) - 1000), r.IntN(6) - 3, false}
			value[i] = rational(d.digits.String() + "e" + big.NewInt(int64(d.exp)).String())
			value[i].Mul(value[i], u.factor)
			coded[i], _ = u.convert(d)
		}
		if got, want := bytes.Compare(coded[0], coded[1]), value[0].Cmp(value[1]); got != want {
			t.Errorf("%s and %s compare as %d, their bytes as %d", value[0], value[1], want, got)
		}
	}
}

// FuzzUCUM: no text makes the parser panic, and a unit that is read is a positive number of base units.
func FuzzUCUM(f *testing.F) {
	for _, s := range []string{"mg/(kg.d)", "10*3/uL", "Cel", "{a}", "/min", "m[Hg]-2", "B[10.nV]", "((m))", "10*-100", "[h]99", "%[slope]{x}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := parseUnit(s)
		if err != nil {
			return
		}
		if u.factor.Sign() <= 0 {
			t.Errorf("%q has the factor %s", s, u.factor)
		}
		if strings.IndexByte(u.canonical(), 0) >= 0 || len(u.canonical()) > 4*maxUnit {
			t.Errorf("%q is %q", s, u.canonical())
		}
		if b, ok := u.convert(decimal{big.NewInt(12), -1, false}); !ok || len(b) > 30 {
			t.Errorf("1.2 %s is % x", s, b)
		}
	})
}

func BenchmarkUCUM(b *testing.B) {
	d, _ := parseDecimal("120.5")
	for _, s := range []string{"kg", "mm[Hg]", "mg/dL", "/min"} {
		b.Run(strings.ReplaceAll(s, "/", "per"), func(b *testing.B) {
			for b.Loop() {
				u, err := parseUnit(s)
				if err != nil {
					b.Fatal(err)
				}
				u.convert(d)
			}
		})
	}
}
