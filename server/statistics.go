package server

import (
	"encoding/json"
	"math/big"
	"slices"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/search"
)

// Series is what was measured of one kind, in one unit. Numbers are exact.
type Series struct {
	Unit   string // as UCUM codes it, or as it was written
	UCUM   bool
	Total  int // measurements, with those that have no number
	Values []*big.Rat
	places int
}

// Add takes a quantity in, converted to the unit of the first, and returns what it took; nil: it is of another unit. What has no number, or says
// only that it is less or more than one, counts in Total alone, and is nil too.
func (s *Series) Add(q *fhirmap.Element) (n *big.Rat, fits bool) {
	n, places, ok := numberIn(q)
	if !ok {
		s.Total++
		return nil, true
	}
	unit, ucum := unitOf(q)
	if len(s.Values) == 0 {
		s.Unit, s.UCUM = unit, ucum
	}
	if unit != s.Unit || ucum != s.UCUM {
		if !ucum || !s.UCUM {
			return nil, false
		}
		if n, ok = search.Convert(n, unit, s.Unit); !ok {
			return nil, false
		}
		places = max(places, 2)
	}
	s.Take(n, places)
	return n, true
}

// Take takes a number in that has the unit of the series.
func (s *Series) Take(n *big.Rat, places int) {
	s.Values, s.places, s.Total = append(s.Values, n), max(s.places, places), s.Total+1
}

// numberIn is the number of a quantity that says exactly that.
func numberIn(q *fhirmap.Element) (*big.Rat, int, bool) {
	if q == nil || q.Type != "Quantity" || q.String("comparator") != "" {
		return nil, 0, false
	}
	return search.Number(q.String("value"))
}

func unitOf(q *fhirmap.Element) (unit string, ucum bool) {
	if q.String("system") == fhirmap.UCUM && q.String("code") != "" {
		return q.String("code"), true
	}
	return q.String("unit"), false
}

type statistic struct {
	code, display string
	of            func(*Series) *big.Rat
}

// statistics are those that can be asked for, as R4's code system observation-statistics calls them and defines them.
var statistics = []statistic{
	{"average", "Average", (*Series).mean},
	{"maximum", "Maximum", func(s *Series) *big.Rat { return s.sorted()[len(s.Values)-1] }},
	{"minimum", "Minimum", func(s *Series) *big.Rat { return s.sorted()[0] }},
	{"count", "Count", func(s *Series) *big.Rat { return big.NewRat(int64(len(s.Values)), 1) }},
	{"total-count", "Total Count", func(s *Series) *big.Rat { return big.NewRat(int64(s.Total), 1) }},
	{"median", "Median", (*Series).median},
	{"sum", "Sum", (*Series).sum},
	{"variance", "Variance", (*Series).variance},
	{"std-dev", "Standard Deviation", (*Series).deviation},
}

// spellings are other names of statistics: those of the operation's own text.
var spellings = map[string]string{"avg": "average", "mean": "average", "max": "maximum", "min": "minimum"}

// Statistic reckons one of a series, as a decimal with four digits more than what was measured, without zeros at its end; "" if there is none:
// of nothing only the counts are known.
func (s *Series) Statistic(code string) string {
	for _, is := range statistics {
		if is.code != code {
			continue
		}
		if strings.HasSuffix(code, "count") {
			return is.of(s).FloatString(0)
		}
		if len(s.Values) == 0 {
			return ""
		}
		return Decimal(is.of(s), s.places+4)
	}
	return ""
}

// Decimal writes a number with as many digits after its point as it needs, at most places.
func Decimal(n *big.Rat, places int) string {
	text := n.FloatString(places)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	if text == "-0" {
		return "0"
	}
	return text
}

func (s *Series) sorted() []*big.Rat {
	return slices.SortedFunc(slices.Values(s.Values), (*big.Rat).Cmp)
}

func (s *Series) sum() *big.Rat {
	sum := new(big.Rat)
	for _, v := range s.Values {
		sum.Add(sum, v)
	}
	return sum
}

func (s *Series) mean() *big.Rat {
	sum := s.sum()
	return sum.Quo(sum, big.NewRat(int64(len(s.Values)), 1))
}

// median is the middle one, or the mean of the two in the middle.
func (s *Series) median() *big.Rat {
	sorted, half := s.sorted(), len(s.Values)/2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	sum := new(big.Rat).Add(sorted[half-1], sorted[half])
	return sum.Quo(sum, big.NewRat(2, 1))
}

// variance is that of all that was measured, not of a sample of more: what was measured in the time asked for is all there is.
func (s *Series) variance() *big.Rat {
	mean, sum := s.mean(), new(big.Rat)
	for _, v := range s.Values {
		d := new(big.Rat).Sub(v, mean)
		sum.Add(sum, d.Mul(d, d))
	}
	return sum.Quo(sum, big.NewRat(int64(len(s.Values)), 1))
}

func (s *Series) deviation() *big.Rat {
	root := new(big.Float).SetPrec(200).SetRat(s.variance())
	out, _ := root.Sqrt(root).Rat(nil)
	return out
}

type statCoding struct {
	System  string `json:"system,omitempty"`
	Code    string `json:"code,omitempty"`
	Display string `json:"display,omitempty"`
}

type statConcept struct {
	Coding []statCoding `json:"coding"`
}

type statQuantity struct {
	Value  json.RawMessage `json:"value"`
	Unit   string          `json:"unit,omitempty"`
	System string          `json:"system,omitempty"`
	Code   string          `json:"code,omitempty"`
}

type statComponent struct {
	Code   statConcept   `json:"code"`
	Value  *statQuantity `json:"valueQuantity,omitempty"`
	Absent *statConcept  `json:"dataAbsentReason,omitempty"`
}

// Observation is the Observation of some statistics of a series: a component for each (R4 observation-operation-stats.html). code is that of what was
// measured, as JSON. A statistic of nothing has a dataAbsentReason.
func (s *Series) Observation(id, subject string, code json.RawMessage, start, end string, which []string) ([]byte, error) {
	type period struct {
		Start string `json:"start,omitempty"`
		End   string `json:"end,omitempty"`
	}
	type reference struct {
		Reference string `json:"reference"`
	}
	o := struct {
		Type      string          `json:"resourceType"`
		ID        string          `json:"id,omitempty"`
		Status    string          `json:"status"`
		Code      json.RawMessage `json:"code"`
		Subject   reference       `json:"subject"`
		Effective *period         `json:"effectivePeriod,omitempty"`
		Component []statComponent `json:"component"`
	}{Type: "Observation", ID: id, Status: "final", Code: code, Subject: reference{subject}}
	if start != "" || end != "" {
		o.Effective = &period{start, end}
	}
	for _, name := range which {
		i := slices.IndexFunc(statistics, func(x statistic) bool { return x.code == name })
		c := statComponent{Code: statConcept{[]statCoding{{"http://terminology.hl7.org/CodeSystem/observation-statistics", name, statistics[i].display}}}}
		value := s.Statistic(name)
		switch {
		case value == "":
			c.Absent = &statConcept{[]statCoding{{"http://terminology.hl7.org/CodeSystem/data-absent-reason", "not-applicable", ""}}}
		case strings.HasSuffix(name, "count"):
			c.Value = &statQuantity{json.RawMessage(value), "1", fhirmap.UCUM, "1"}
		default:
			unit := s.Unit
			if name == "variance" && unit != "" {
				unit = "(" + unit + ")2"
			}
			c.Value = &statQuantity{Value: json.RawMessage(value), Unit: unit}
			if s.UCUM {
				c.Value.System, c.Value.Code = fhirmap.UCUM, unit
			}
		}
		o.Component = append(o.Component, c)
	}
	return json.Marshal(o)
}
