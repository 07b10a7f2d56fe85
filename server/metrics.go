package server

import (
	"net/http"
	"runtime"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are what /metrics tells, in a registry of their own.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	inFlight prometheus.Gauge
}

func newMetrics(version string) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hob_http_requests_total", Help: "Requests answered, by route, method and class of status.",
		}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "hob_http_request_duration_seconds", Help: "Time from the first byte of a request to the last of its answer.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"route", "method"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "hob_http_requests_in_flight", Help: "Requests being answered now.",
		}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "hob_build_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": version, "go": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(m.requests, m.seconds, m.inFlight, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// observe counts an answered request.
func (m *metrics) observe(g *gin.Context, took time.Duration) {
	route, method := pattern(g), method(g.Request.Method)
	class := "other"
	if c := g.Writer.Status() / 100; c >= 1 && c <= 5 {
		class = [...]string{"1xx", "2xx", "3xx", "4xx", "5xx"}[c-1]
	}
	m.requests.WithLabelValues(route, method, class).Inc()
	m.seconds.WithLabelValues(route, method).Observe(took.Seconds())
}

// measured lets those read the metrics who ask from this machine, and those who could ask for anything else.
func measured(c *Config) gin.HandlerFunc {
	return func(g *gin.Context) {
		if remote(c.Proxies, g.Request).IsLoopback() {
			return
		}
		if _, err := c.Caller(g.Request); err != nil {
			fail(g, media{kind: FHIR}, err)
			g.Abort()
		}
	}
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
