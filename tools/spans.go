package tools

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	oteltrace "go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"salesforce-mcp/audit"
)

// tracerName is the scope of the spans of this package.
const tracerName = "salesforce-mcp/tools"

// traceparentKey is where a caller says of which trace its request is a part
// (W3C Trace Context), as a header or, in MCP, in params._meta (SEP-414).
const traceparentKey = "traceparent"

// InTrace returns the context of a request that its sender says is a part of a
// trace. Only the IDs are taken: whether spans are kept is ours to decide, and
// what else the sender would have carried on (tracestate, baggage) is not. A value
// that is no traceparent changes nothing.
func InTrace(ctx context.Context, traceparent string) context.Context {
	from := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{traceparentKey: traceparent})
	if sender := oteltrace.SpanContextFromContext(from); sender.IsValid() {
		return oteltrace.ContextWithRemoteSpanContext(ctx, sender)
	}
	return ctx
}

// InTraceOf is InTrace with the header of a request that gives it once.
func InTraceOf(r *http.Request) context.Context {
	if values := r.Header.Values(traceparentKey); len(values) == 1 {
		return InTrace(r.Context(), values[0])
	}
	return r.Context()
}

// span begins the span of a call. Its names are those of the semantic conventions
// for MCP (open-telemetry/semantic-conventions-genai, docs/gen-ai/mcp.md, in
// development); no argument and no result is in it.
func (s *Server) span(ctx context.Context, c Call) (context.Context, oteltrace.Span) {
	if s.Tracer == nil {
		return ctx, noop.Span{}
	}
	transport := "tcp"
	if c.Surface == stdioSurface {
		transport = "pipe"
	}
	attributes := []attribute.KeyValue{attribute.String("network.transport", transport), attribute.String("salesforce_mcp.surface", c.Surface)}
	name := c.Surface
	switch {
	case c.paged:
		name = "resources/read"
	case c.Surface == "mcp", c.Surface == stdioSurface:
		name = "tools/call"
	}
	if name != c.Surface {
		attributes = append(attributes, attribute.String("mcp.method.name", name))
	}
	return s.Tracer.Start(ctx, name, oteltrace.WithSpanKind(oteltrace.SpanKindServer), oteltrace.WithAttributes(attributes...))
}

// step begins the span of a step of a call.
func step(ctx context.Context, name string) (context.Context, oteltrace.Span) {
	return oteltrace.SpanFromContext(ctx).TracerProvider().Tracer(tracerName).Start(ctx, name)
}

// stepped ends the span of a step that may have failed.
func stepped(span oteltrace.Span, err error) {
	if err != nil {
		span.SetAttributes(attribute.String("error.type", AsError(err).class()))
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// say tells the span of a call what came of it: as the log does, by the ID of its
// audit entry, if it has one.
func say(span oteltrace.Span, id string, e audit.Entry, err error) {
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(attribute.String("salesforce_mcp.call", id), attribute.String("salesforce_mcp.workspace", e.Workspace),
		attribute.String("salesforce_mcp.outcome", string(e.Outcome)))
	if e.Effect != "" { // the row was found: before, the names are the caller's
		if named, ok := span.(interface{ Name() string }); ok {
			span.SetName(named.Name() + " " + e.Tool)
		}
		span.SetAttributes(attribute.String("gen_ai.operation.name", "execute_tool"), attribute.String("gen_ai.tool.name", e.Tool),
			attribute.String("salesforce_mcp.action", e.Action), attribute.String("salesforce_mcp.effect", e.Effect))
	}
	if e.Outcome == audit.OK && err == nil {
		return
	}
	kind := "tool_error" // the convention's word for a result with isError, and ours for a failure without a class
	if err != nil {
		class := AsError(err).class()
		span.SetAttributes(attribute.String("salesforce_mcp.error.class", class))
		if e.Surface != "mcp" && e.Surface != stdioSurface {
			kind = class
		}
	}
	span.SetAttributes(attribute.String("error.type", kind))
	span.SetStatus(codes.Error, "")
}
