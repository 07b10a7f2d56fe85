package search

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"github.com/golang/geo/s2"

	"github.com/hob-fhir/hob/conformance/r4"
	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// positions is Location.near (R4 location.html#search): where a place is, as the id of the smallest S2 cell it lies in, eight bytes. The
// cells of a sphere are numbered along a curve that fills it, so a round area is some hundred intervals of numbers. What is found lies
// within the distance, or beyond it by no more than a hundredth of it, or a metre; all that lies within it is found. Distances are those
// on a sphere of the Earth's mean radius; decision 0014 has the reasons.
var positions = &kind{
	name: "special",
	rows: map[string]extractor{
		"BackboneElement": func(x *indexer, e *fhirmap.Element) { // Location.position
			lat, okLat := degrees(e.String("latitude"), 90)
			lng, okLng := degrees(e.String("longitude"), 180)
			if okLat && okLng {
				x.point("", binary.BigEndian.AppendUint64(nil, uint64(s2.CellIDFromLatLng(s2.LatLngFromDegrees(lat, lng)))))
			}
		},
	},
	suffixes: []string{""},
	present:  []string{""},
	read:     nearIs,
	modifiers: []modifier{
		{finds: "latitude|longitude|distance|unit in degrees: places no farther away; km if there is no unit, 50 km if there is no distance",
			example: "47.4|8.5|10|km", query: nearAny},
		missing,
	},
	show: func(_ string, b []byte) string {
		if len(b) != 8 {
			return showText(b)
		}
		ll := s2.CellID(binary.BigEndian.Uint64(b)).LatLng()
		return fmt.Sprintf("%.5f|%.5f", ll.Lat.Degrees(), ll.Lng.Degrees())
	},
}

// isNear reports whether a definition is that of Location.near.
func isNear(def *r4.SearchParameter) bool { return def.Type == "special" && def.Code == "near" }

const (
	earthRadius = 6_371_008.8 // metres
	nearby      = 50_000      // metres, if no distance is given
	maxNear     = 10          // positions in one list
)

// nearUnits are the units of length that are written so outside of UCUM.
var nearUnits = map[string]string{"": "km", "mi": "[mi_i]", "ft": "[ft_i]", "yd": "[yd_i]", "in": "[in_i]", "nmi": "[nmi_i]"}

// degrees reads an angle within ± most.
func degrees(s string, most float64) (float64, bool) {
	if _, err := scan(s); err != nil { // no hexadecimal, no infinity
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil && math.Abs(v) <= most
}

func nearAny(a *ask, value string) (driver.Query, *fhirmap.Outcome) {
	if n := len(splitEscaped(value, ',')); n > maxNear {
		return nil, a.fail(fhirmap.CodeTooLong, "%d positions are more than the %d that one list may have", n, maxNear)
	}
	return each(nearIs)(a, value)
}

// nearIs reads latitude|longitude, and a distance and its unit if they are given.
func nearIs(a *ask, src source, value string) (anyOf, *fhirmap.Outcome) {
	parts := splitEscaped(value, '|')
	if len(parts) < 2 || len(parts) > 4 {
		return nil, a.bad("%q is not latitude|longitude|distance|unit, as 47.4|8.5|10|km", value)
	}
	lat, ok := degrees(parts[0], 90)
	if !ok {
		return nil, a.bad("%q is no latitude; write degrees from -90 to 90", parts[0])
	}
	lng, ok := degrees(parts[1], 180)
	if !ok {
		return nil, a.bad("%q is no longitude; write degrees from -180 to 180", parts[1])
	}
	metres := float64(nearby)
	if len(parts) > 2 && parts[2] != "" {
		unit := ""
		if len(parts) == 4 {
			unit = unescape(parts[3])
		}
		if metres, ok = a.metres(parts[2], unit); !ok {
			return nil, a.bad("%q is no distance; write a number that is not negative and a unit of length, as 10|km", value)
		}
	} else if len(parts) == 4 && parts[3] != "" {
		return nil, a.bad("%q has a unit but no distance", value)
	}
	if metres >= math.Pi*earthRadius {
		return anyOf{driver.Same{driver.Has(src.field)}}, nil
	}
	var some anyOf
	for _, area := range cover(s2.PointFromLatLng(s2.LatLngFromDegrees(lat, lng)), metres) {
		low := binary.BigEndian.AppendUint64(nil, area.first)
		high := binary.BigEndian.AppendUint64(nil, area.last+1)
		some = append(some, one(src.field, driver.EQUAL, driver.Span(low, high)))
	}
	return some, nil
}

// metres reads a distance.
func (e *edition) metres(distance, code string) (float64, bool) {
	if _, err := scan(distance); err != nil {
		return 0, false
	}
	n, err := strconv.ParseFloat(distance, 64)
	if err != nil || n < 0 {
		return 0, false
	}
	if known, ok := nearUnits[code]; ok {
		code = known
	}
	u := e.options.units.unit(code)
	if u == nil || u.canonical() != "m" {
		return 0, false
	}
	factor, _ := u.factor.Float64()
	return n * factor, true
}

// area is a run of cells, by the ids of the smallest at its ends.
type area struct{ first, last uint64 }

// cover finds the cells that make up a round area: all that touch it, taken apart until each lies within the slack around it.
func cover(center s2.Point, metres float64) []area {
	radius := metres / earthRadius
	within := radius + max(metres/100, 1)/earthRadius
	var out []area
	var add func(c s2.Cell)
	add = func(c s2.Cell) {
		if float64(c.Distance(center).Angle()) > radius+1e-13 { // what the reckoning itself may be off by
			return
		}
		children, split := c.Children()
		if split && float64(c.MaxDistance(center).Angle()) > within {
			for _, child := range children {
				add(child)
			}
			return
		}
		first, last := uint64(c.ID().RangeMin()), uint64(c.ID().RangeMax())
		if n := len(out); n > 0 && out[n-1].last+2 == first { // the smallest cells have odd ids
			out[n-1].last = last
			return
		}
		out = append(out, area{first, last})
	}
	for face := range 6 {
		add(s2.CellFromCellID(s2.CellIDFromFace(face)))
	}
	return out
}
