package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"net"

	"github.com/prometheus/client_golang/prometheus"

	"salesforce-mcp/cmd/salesforce-mcp/internal/sight"
)

// measure counts what the app does, when somebody may ask.
func (a *app) measure(sinks []place) {
	if a.config.MetricsListen == "" {
		return
	}
	m := sight.NewMetrics(version())
	m.Orgs, m.Log = a.orgs.client.Orgs, a.log
	m.Gauges = []sight.Gauge{
		{Name: "audit_unsigned_entries", Help: "Audit entries that no signed checkpoint covers yet.", Count: a.store.Unsigned},
		{Name: "approvals_waiting", Help: "Calls that wait for a person to approve them.", Count: a.waiting},
		{Name: "returns_waiting", Help: "Returns that wait for a person, or for their time.", Count: func(ctx context.Context) (int64, error) {
			waiting, _, err := a.store.CountRuns(ctx)
			return waiting, err
		}},
		{Name: "returns_escalated", Help: "Returns that have called for a person.", Count: func(ctx context.Context) (int64, error) {
			_, escalated, err := a.store.CountRuns(ctx)
			return escalated, err
		}},
	}
	workspaces := map[string][]string{} // of a sink
	for _, p := range sinks {
		workspaces[p.sink.Name] = append(workspaces[p.sink.Name], p.sink.Workspace)
	}
	for sink, names := range workspaces {
		m.Gauges = append(m.Gauges, a.behind(sink, names))
	}
	a.server.Ended, a.orgs.resolver.Minted, a.metrics = m.Ended, m.Minted, m
}

// trace sends traces of what the app does, when somebody collects them. Stop sends
// the last ones.
func (a *app) trace() (stop func()) {
	t := a.config.Tracing
	if t.URL == "" {
		return func() {}
	}
	attributes := map[string]string{"service.name": "salesforce-mcp", "service.version": version(), "service.instance.id": rand.Text()}
	maps.Copy(attributes, t.Attributes)
	sample := 1.0
	if t.Sample != nil {
		sample = *t.Sample
	}
	a.server.Tracer, stop = sight.Traces{URL: t.URL, Headers: t.Headers, Sample: sample, Attributes: attributes, Log: a.log}.Start()
	return stop
}

// waiting counts the calls that wait for a person, in all workspaces: a label would
// name them.
func (a *app) waiting(ctx context.Context) (calls int64, err error) {
	counts, err := a.store.WaitingApprovals(ctx)
	for _, n := range counts {
		calls += n
	}
	return calls, err
}

// behind is how far a sink of the audit trail is behind, in all of its workspaces.
func (a *app) behind(sink string, workspaces []string) sight.Gauge {
	return sight.Gauge{Name: "audit_sink_behind_entries", Help: "Audit entries that a sink has not written yet.", Labels: prometheus.Labels{"sink": sink},
		Count: func(ctx context.Context) (entries int64, err error) {
			for _, workspace := range workspaces {
				n, err := a.store.Unexported(ctx, sink, workspace)
				if err != nil {
					return 0, err
				}
				entries += n
			}
			return entries, nil
		}}
}

// serveMetrics serves metrics on a listener of their own, if they are wanted, until
// ctx ends. Stop waits for that.
func (a *app) serveMetrics(ctx context.Context) (stop func() error, err error) {
	if a.metrics == nil {
		return func() error { return nil }, nil
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", a.config.MetricsListen)
	if err != nil {
		return nil, fmt.Errorf("metricsListen: %w", err)
	}
	a.log.Info().Str("listen", l.Addr().String()).Msg("serving metrics")
	ctx, cancel := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- serveUntil(ctx, l, a.metrics.Handler(), a.log) }()
	return func() error { cancel(); return <-served }, nil
}
