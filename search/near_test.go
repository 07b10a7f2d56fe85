package search

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/hob-fhir/hob/storage/driver"
)

// TestNear asks for places around the poles, across the date line, and by every unit.
func TestNear(t *testing.T) {
	c := newCatalog(t)
	place := func(lat, lng string) []driver.Row {
		return rowsOf(t, c, resource(t, `{'resourceType':'Location','position':{'latitude':`+lat+`,'longitude':`+lng+`}}`))
	}
	for _, x := range []struct {
		name, lat, lng string
		found, missed  []string
	}{
		{"Zurich", "47.3769", "8.5417", []string{
			"47.3769|8.5417|0", "47.3769|8.5417|0|km", "47.3769|8.5417", "47.05|8.31|45|km", "47.05|8.31|45", "47.05|8.31|45000|m", "47.05|8.31|28|mi", "47.05|8.31|28|[mi_i]",
			"47.05|8.31|150000|ft", "47.05|8.31|50000|yd", "0|0|1e9|km", "1|1|1|m,47.3769|8.5417|1|m", "-47|-171|20038|km", "47.3769|8.5417|1e-30|m", "47.3769|8.5417||",
		}, []string{
			"47.3769|8.5418|0", "47.05|8.31|40|km", "47.05|8.31|40000|m", "47.05|8.31|25|mi", "46.05|8.31", "-47.3769|8.5417|100|km", "-47|-171|19000|km",
			"1|1|1|m,2|2|1|m",
		}},
		{"the north pole", "90", "0", []string{"90|180|0", "89.9|77|12|km", "89.9|-77|12|km", "90|12.3|1|m"}, []string{"89.9|77|10|km", "-90|0|19000|km"}},
		{"beside the south pole", "-89.999", "10", []string{"-89.999|-170|300|m", "-90|0|120|m"}, []string{"-89.999|-170|200|m", "-90|0|100|m"}},
		{"beside the date line", "-17", "179.99", []string{"-17|-179.99|3|km", "-17|180|1.1|km", "-17|-180|1.1|km"}, []string{"-17|-179.99|2|km", "-17|179|50|km"}},
		{"on the date line", "10", "180", []string{"10|-180|0", "10|180|0"}, []string{"10|179|100|km"}},
	} {
		rows := place(x.lat, x.lng)
		for want, queries := range map[bool][]string{true: x.found, false: x.missed} {
			for _, q := range queries {
				if got := matches(t, c, "Location", rows, "near="+q); got != want {
					t.Errorf("%s by near=%s: %v", x.name, q, got)
				}
			}
		}
	}
	for _, none := range []string{`{'resourceType':'Location'}`, `{'resourceType':'Location','position':{'latitude':91,'longitude':0}}`,
		`{'resourceType':'Location','position':{'latitude':0,'longitude':181}}`, `{'resourceType':'Location','position':{'latitude':1}}`} {
		rows := rowsOf(t, c, resource(t, none))
		if matches(t, c, "Location", rows, "near=0|0|30000|km") || !matches(t, c, "Location", rows, "near:missing=true") {
			t.Errorf("%s is somewhere: %v", none, show(c, "Location", rows))
		}
	}
	for _, bad := range []string{"", "1", "1|2|3|km|5", "x|1", "1|x", "91|0", "0|181", "0|-181|1", "0|0|-1|km", "0|0|x|km", "0|0|1|kg", "0|0|1|parsecs", "0|0||km", "NaN|0", "0x1|0", "0|0|Inf", "0|0|1|m2",
		"0|0,0|0,0|0,0|0,0|0,0|0,0|0,0|0,0|0,0|0,0|0", "0|0,"} {
		if _, err := c.Parse("Location", []Pair{{"near", bad}}, ParseOptions{}); err == nil {
			t.Errorf("near=%s is taken", bad)
		}
	}
}

// TestNearExactly holds what is found against great-circle distances: all within the distance, none beyond the slack.
func TestNearExactly(t *testing.T) {
	seed := uint64(rand.Int64())
	if s := os.Getenv("HOB_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Logf("HOB_SEED=%d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	c := newCatalog(t)
	most := 0
	for range 40 {
		lat, lng := math.Asin(2*r.Float64()-1)*180/math.Pi, r.Float64()*360-180
		metres := math.Pow(10, r.Float64()*6+1) // 10 m to 10,000 km
		s, err := c.Parse("Location", []Pair{{"near", fmt.Sprintf("%.6f|%.6f|%.3f|m", lat, lng, metres)}}, ParseOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if l, ok := s.Where.(driver.Lookup); ok {
			most = max(most, len(l.Values))
		}
		for range 50 {
			// A place in some direction, about as far away as asked.
			far, way := metres*(0.9+0.2*r.Float64())/earthRadius, r.Float64()*2*math.Pi
			a := lat * math.Pi / 180
			b := math.Asin(math.Sin(a)*math.Cos(far) + math.Cos(a)*math.Sin(far)*math.Cos(way))
			l := lng*math.Pi/180 + math.Atan2(math.Sin(way)*math.Sin(far)*math.Cos(a), math.Cos(far)-math.Sin(a)*math.Sin(b))
			blat, blng := b*180/math.Pi, math.Remainder(l*180/math.Pi, 360)
			d := haversine(lat, lng, blat, blng)
			rows := rowsOf(t, c, resource(t, fmt.Sprintf(`{'resourceType':'Location','position':{'latitude':%.8f,'longitude':%.8f}}`, blat, blng)))
			got := driver.Match(driver.Key{Type: "Location", ID: "x"}, rows, s.Where, alone{})
			if d <= metres-0.2 && !got || d > metres+max(metres/100, 1)+0.2 && got { // the texts above are cut to centimetres
				t.Errorf("%.6f|%.6f|%.3f: %.8f %.8f is %.3f m away: found %v", lat, lng, metres, blat, blng, d, got)
			}
		}
	}
	t.Logf("at most %d intervals", most)
}

// haversine is the distance of two places in metres, reckoned otherwise than cover does.
func haversine(lat1, lng1, lat2, lng2 float64) float64 {
	rad := math.Pi / 180
	h := math.Pow(math.Sin((lat2-lat1)*rad/2), 2) + math.Cos(lat1*rad)*math.Cos(lat2*rad)*math.Pow(math.Sin((lng2-lng1)*rad/2), 2)
	return 2 * earthRadius * math.Asin(math.Min(1, math.Sqrt(h)))
}

func BenchmarkNear(b *testing.B) {
	c := newCatalog(b)
	for b.Loop() {
		if _, err := c.Parse("Location", []Pair{{"near", "47.4|8.5|10|km"}}, ParseOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
