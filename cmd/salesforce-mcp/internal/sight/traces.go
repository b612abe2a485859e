package sight

import (
	"context"
	"net/http"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// Traces says where traces go.
type Traces struct {
	URL        string            // of the collector, with the path /v1/traces
	Headers    map[string]string // of requests to it
	Sample     float64           // the part of traces that is kept, from 0 to 1
	Attributes map[string]string // of the process, service.name among them
	Log        zerolog.Logger
}

// Start begins to send spans, in the background and in batches: a collector that is
// slow or away costs spans and keeps no call waiting. Stop sends what is left.
func (t Traces) Start() (tracer oteltrace.Tracer, stop func()) {
	var attributes []attribute.KeyValue
	for name, value := range t.Attributes {
		attributes = append(attributes, attribute.String(name, value))
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { t.Log.Warn().Err(err).Msg("traces") })) // the library would write to stderr
	provider := trace.NewTracerProvider(
		// By the trace's ID, so that all of a trace is kept or none, and not by what
		// the caller decided: it does not fill our collector.
		trace.WithSampler(trace.TraceIDRatioBased(t.Sample)),
		trace.WithResource(resource.NewSchemaless(attributes...)),
		trace.WithBatcher(&exporter{url: t.URL, headers: t.Headers, log: t.Log, client: &http.Client{Timeout: 10 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}),
	)
	return provider.Tracer("salesforce-mcp/tools"), func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil {
			t.Log.Warn().Err(err).Msg("the last spans could not be sent")
		}
	}
}
