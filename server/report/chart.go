package report

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"
)

// The chart in units of its view box.
const (
	chartWidth, chartHeight                   = 600.0, 240.0
	chartLeft, chartRight, chartTop, chartBot = 44.0, 14.0, 24.0, 28.0
)

// mostDots is how many measurements have a dot of their own.
const mostDots = 400

// chart draws signs of one unit over time, as SVG that needs neither script nor inline style. It says in words what it shows.
func chart(title, unit string, signs []*Sign) template.HTML {
	low, high := math.Inf(1), math.Inf(-1)
	var from, to time.Time
	for _, s := range signs {
		for _, p := range s.Points {
			v, _ := p.Value.Float64()
			low, high = min(low, v), max(high, v)
			if from.IsZero() || p.time.Before(from) {
				from = p.time
			}
			if p.time.After(to) {
				to = p.time
			}
		}
	}
	if from.IsZero() {
		return ""
	}
	ticks := ticksOf(low, high)
	low, high = ticks[0], ticks[len(ticks)-1]
	span := to.Sub(from).Seconds()
	x := func(t time.Time) float64 {
		if span == 0 {
			return (chartLeft + chartWidth - chartRight) / 2
		}
		return chartLeft + 8 + t.Sub(from).Seconds()/span*(chartWidth-chartLeft-chartRight-16)
	}
	y := func(v float64) float64 {
		return chartTop + (high-v)/(high-low)*(chartHeight-chartTop-chartBot)
	}
	var b strings.Builder
	id := strings.ReplaceAll(strings.ToLower(title), " ", "-")
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-labelledby="%s-title %s-desc" xmlns="http://www.w3.org/2000/svg"><title id="%s-title">%s over time</title><desc id="%s-desc">%s</desc>`,
		chartWidth, chartHeight, id, id, id, html.EscapeString(title), id, html.EscapeString(described(unit, signs)))
	for _, t := range ticks {
		fmt.Fprintf(&b, `<line class="axis" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/><text class="tick" x="%g" y="%.1f" text-anchor="end">%s</text>`,
			chartLeft, chartWidth-chartRight, y(t), y(t), chartLeft-6, y(t)+4, strconv.FormatFloat(t, 'f', -1, 64))
	}
	day := func(t time.Time, at float64, anchor string) {
		fmt.Fprintf(&b, `<text class="tick" x="%.1f" y="%g" text-anchor="%s">%s</text>`, at, chartHeight-8, anchor, t.Format(time.DateOnly))
	}
	switch {
	case span == 0:
		day(from, x(from), "middle")
	default:
		day(from, chartLeft, "start")
		day(to, chartWidth-chartRight, "end")
	}
	for i, s := range signs {
		class := [2]string{"first", "second"}[i%2]
		if len(signs) > 1 {
			fmt.Fprintf(&b, `<text class="name %s" x="%g" y="13">%s</text>`, class, chartLeft+float64(i)*218, html.EscapeString([2]string{"● ", "○ "}[i%2]+s.Name))
		}
		var line strings.Builder
		for _, p := range s.Points {
			v, _ := p.Value.Float64()
			fmt.Fprintf(&line, "%.1f,%.1f ", x(p.time), y(v))
		}
		fmt.Fprintf(&b, `<polyline class="%s" points="%s"/>`, class, strings.TrimSpace(line.String()))
		if len(s.Points) > mostDots {
			continue
		}
		for _, p := range s.Points {
			v, _ := p.Value.Float64()
			fmt.Fprintf(&b, `<circle class="dot %s" cx="%.1f" cy="%.1f" r="4"><title>%s: %s %s</title></circle>`, class, x(p.time), y(v), html.EscapeString(When(p.At)), p.Told(), html.EscapeString(unit))
		}
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

// described says in words what a chart shows.
func described(unit string, signs []*Sign) string {
	var parts []string
	for _, s := range signs {
		if n := len(s.Points); n > 0 {
			first, last := s.Points[0], s.Points[n-1]
			parts = append(parts, fmt.Sprintf("%s: %d measurements, from %s %s on %s to %s on %s, lowest %s, highest %s.", s.Name, n, first.Told(), unit, When(first.At),
				last.Told(), When(last.At), s.Told("minimum"), s.Told("maximum")))
		}
	}
	return strings.Join(parts, " ")
}

// ticksOf are three to seven round numbers, the first not above low, the last not below high, and above the first.
func ticksOf(low, high float64) []float64 {
	if high-low < 1e-9*max(1, math.Abs(high)) {
		low, high = low-1, high+1
	}
	step := math.Pow(10, math.Floor(math.Log10((high-low)/3)))
	for _, times := range []float64{1, 2, 5, 10} {
		if (high-low)/(step*times) <= 5 {
			step *= times
			break
		}
	}
	var out []float64
	for i := math.Floor(low / step); ; i++ {
		t := math.Round(i*step*1e9) / 1e9
		out = append(out, t)
		if t >= high && len(out) > 1 || len(out) > 20 {
			return out
		}
	}
}
