// Package sight shows operators what the server does: metrics for Prometheus, and
// traces for OpenTelemetry. Neither has a name of a tenant, an agent or a person in
// its metrics' labels, nor anything a caller or an org wrote.
package sight

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"

	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools"
)

// Metrics count what the server does. Its exported fields are set before Handler
// and not changed.
type Metrics struct {
	// Orgs are the states of the orgs that were called.
	Orgs func() []salesforce.OrgState
	// Gauges are counted anew for each scrape.
	Gauges []Gauge
	Log    zerolog.Logger

	registry *prometheus.Registry
	calls    *prometheus.CounterVec
	duration *prometheus.HistogramVec
	tokens   *prometheus.CounterVec
}

// A Gauge is something that is counted when somebody asks.
type Gauge struct {
	Name, Help string
	Labels     prometheus.Labels // from the configuration or the code, never from a call
	Count      func(context.Context) (int64, error)
}

// namespace is what the names of all our metrics begin with.
const namespace = "salesforce_mcp"

// NewMetrics returns metrics in which nothing is counted yet.
func NewMetrics(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "calls_total",
			Help: "Calls that have ended, by row of the table (empty when the call named none), outcome (ok, error, unknown, refused) and class of the error."},
			[]string{"tool", "action", "outcome", "class"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: "call_duration_seconds",
			Help:    "How long calls took, Salesforce's part included.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 120}},
			[]string{"tool", "outcome"}),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "token_requests_total",
			Help: "Requests for access tokens of Salesforce, by result (ok, error)."}, []string{"result"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "build_info", Help: "1, with the version of this program.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()}})
	build.Set(1)
	m.registry.MustRegister(m.calls, m.duration, m.tokens, build, (*states)(m),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, result := range []string{"ok", "error"} { // so that a rate of the first is seen
		m.tokens.WithLabelValues(result)
	}
	return m
}

// Ended counts a call.
func (m *Metrics) Ended(e tools.Ended) {
	m.calls.WithLabelValues(e.Tool, e.Action, string(e.Outcome), e.Class).Inc()
	m.duration.WithLabelValues(e.Tool, string(e.Outcome)).Observe(e.Duration.Seconds())
}

// Minted counts a request for a token.
func (m *Metrics) Minted(err error) {
	result := "ok"
	if err != nil {
		result = "error"
	}
	m.tokens.WithLabelValues(result).Inc()
}

// scrapeTimeout bounds what one scrape asks of the database.
const scrapeTimeout = 5 * time.Second

// Handler serves GET /metrics, and nothing else.
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry, MaxRequestsInFlight: 3, ErrorHandling: promhttp.ContinueOnError}))
	return onlyByItsName(mux)
}

// onlyByItsName refuses requests that reached a loopback address under another
// name: they come from a web page whose name was turned to it (DNS rebinding).
func onlyByItsName(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		if local != nil && isLoopback(local.String()) && !isLoopback(r.Host) {
			http.Error(w, "this address is not called that", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isLoopback reports whether a host, with or without a port, is this machine.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = strings.Trim(address, "[]")
	}
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

// states are the metrics that are found out when somebody asks.
type states Metrics

var (
	orgCount  = prometheus.NewDesc(namespace+"_orgs", "Orgs that were called since the start.", nil, nil)
	callsLeft = prometheus.NewDesc(namespace+"_api_calls_left", "API calls left in 24 hours to the org that has the smallest part of its own left.", nil, nil)
	partLeft  = prometheus.NewDesc(namespace+"_api_calls_left_ratio", "That part, from 0 to 1.", nil, nil)
	breakers  = prometheus.NewDesc(namespace+"_breakers_open", "Orgs that are left alone for some seconds, because calls to them failed.", nil, nil)
)

// Describe sends nothing: what gauges there are is known when they are asked.
func (s *states) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector]. What cannot be counted is left out,
// which a scraper sees, and is in the log.
func (s *states) Collect(out chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, v float64) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v)
	}
	if s.Orgs != nil {
		orgs := s.Orgs()
		open, least, left := 0, 2.0, 0
		for _, o := range orgs {
			if o.LeftAlone {
				open++
			}
			if o.Allowed > 0 && float64(max(0, o.Allowed-o.Used))/float64(o.Allowed) < least {
				left = max(0, o.Allowed-o.Used)
				least = float64(left) / float64(o.Allowed)
			}
		}
		gauge(orgCount, float64(len(orgs)))
		gauge(breakers, float64(open))
		if least <= 1 { // an org has reported
			gauge(callsLeft, float64(left))
			gauge(partLeft, least)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	for _, g := range s.Gauges {
		n, err := g.Count(ctx)
		if err != nil {
			s.Log.Error().Err(err).Str("metric", g.Name).Msg("a metric cannot be counted")
			continue
		}
		gauge(prometheus.NewDesc(namespace+"_"+g.Name, g.Help, nil, g.Labels), float64(n))
	}
}
