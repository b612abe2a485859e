package salesforce

import (
	"context"
	"net/url"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// startSpan begins the span of an exchange, in the provider of the call's span.
// Its names are those of the semantic conventions for HTTP clients, without the
// URL, which they require: paths and queries hold IDs and statements. No trace
// context is sent to the org.
func startSpan(ctx context.Context, r *Request, origin *url.URL) (context.Context, trace.Span) {
	ctx, span := trace.SpanFromContext(ctx).TracerProvider().Tracer("salesforce-mcp/salesforce").Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindClient))
	if span.IsRecording() {
		span.SetAttributes(attribute.String("http.request.method", r.Method), attribute.String("server.address", origin.Hostname()))
	}
	return ctx, span
}

// describe tells the span what came of the exchange.
func describe(span trace.Span, response *Response, e *Error) {
	if !span.IsRecording() {
		return
	}
	status, requestID, failure := 0, "", ""
	if e == nil {
		status, requestID = response.Status, response.RequestID
	} else {
		status, requestID, failure = e.Status, e.RequestID, string(e.Class)
	}
	if status != 0 {
		span.SetAttributes(attribute.Int("http.response.status_code", status))
		if failure != "" {
			failure = strconv.Itoa(status) // the convention's error.type of an answer
		}
	}
	if requestID != "" {
		span.SetAttributes(attribute.String("salesforce.request_id", requestID))
	}
	if failure != "" {
		span.SetAttributes(attribute.String("error.type", failure))
		span.SetStatus(codes.Error, "")
	}
}
