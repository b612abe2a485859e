package sight

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// An exporter sends spans to a collector as OTLP/HTTP in JSON, which every collector
// takes where it takes protobuf (https://opentelemetry.io/docs/specs/otlp/, "JSON
// Protobuf Encoding"). The exporter of the OpenTelemetry project speaks protobuf
// alone, and makes the program 5 MB larger than these lines do.
type exporter struct {
	url     string
	headers map[string]string // some of them are secrets
	client  *http.Client
	log     zerolog.Logger
	problem string // the last one, which is said once; only ExportSpans uses it
}

// exportTries is how often spans are sent that the collector does not take now.
const exportTries = 4

// ExportSpans implements [trace.SpanExporter]; the SDK calls it from one goroutine.
// Spans that the collector does not take are lost: the audit trail is what counts.
func (e *exporter) ExportSpans(ctx context.Context, spans []trace.ReadOnlySpan) error {
	body, err := json.Marshal(encodeSpans(spans))
	if err != nil {
		return err
	}
	for n := range exportTries {
		var again bool
		var wait time.Duration
		if again, wait, err = e.send(ctx, body); err == nil || !again || n == exportTries-1 {
			break
		}
		select {
		case <-time.After(max(wait, rand.N(time.Second<<n))):
			continue
		case <-ctx.Done():
		}
		break
	}
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	switch {
	case problem == e.problem:
	case err != nil:
		e.log.Warn().Err(err).Msg("traces cannot be sent; spans are lost until they can")
	default:
		e.log.Info().Msg("traces can be sent again")
	}
	e.problem = problem
	return nil // it has been said
}

// send sends spans once, and tells whether and when another try may help.
func (e *exporter) send(ctx context.Context, body []byte) (again bool, wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return false, 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	for name, value := range e.headers {
		req.Header.Set(name, value)
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return ctx.Err() == nil, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection is used again
	if resp.StatusCode/100 == 2 {
		return false, 0, nil
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout: // OTLP, "Retryable Response Codes"
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		again, wait = true, time.Duration(min(max(seconds, 0), 60))*time.Second
	}
	return again, wait, fmt.Errorf("the collector %s answers %s", e.url, resp.Status)
}

// Shutdown implements [trace.SpanExporter].
func (e *exporter) Shutdown(context.Context) error {
	e.client.CloseIdleConnections()
	return nil
}

// The messages of OTLP, as far as they are sent. 64-bit integers are strings, IDs
// are hexadecimal, and enumerations are numbers.
type (
	otlpExport struct {
		ResourceSpans []otlpResource `json:"resourceSpans"`
	}
	otlpResource struct {
		Resource struct {
			Attributes []otlpAttribute `json:"attributes,omitempty"`
		} `json:"resource"`
		ScopeSpans []otlpScope `json:"scopeSpans"`
	}
	otlpScope struct {
		Scope struct {
			Name string `json:"name"`
		} `json:"scope"`
		Spans []otlpSpan `json:"spans"`
	}
	otlpSpan struct {
		TraceID      string          `json:"traceId"`
		SpanID       string          `json:"spanId"`
		ParentSpanID string          `json:"parentSpanId,omitempty"`
		Flags        uint32          `json:"flags"`
		Name         string          `json:"name"`
		Kind         int             `json:"kind"`
		Start        string          `json:"startTimeUnixNano"`
		End          string          `json:"endTimeUnixNano"`
		Attributes   []otlpAttribute `json:"attributes,omitempty"`
		Status       otlpStatus      `json:"status"`
	}
	otlpStatus struct {
		Message string `json:"message,omitempty"`
		Code    int    `json:"code,omitempty"`
	}
	otlpAttribute struct {
		Key   string    `json:"key"`
		Value otlpValue `json:"value"`
	}
	otlpValue struct {
		String *string `json:"stringValue,omitempty"`
		Bool   *bool   `json:"boolValue,omitempty"`
		Int    string  `json:"intValue,omitempty"`
	}
)

// Flags of a span that say whether its parent is in another process (OTLP,
// SpanFlags).
const (
	hasRemoteFlag = 0x100
	isRemoteFlag  = 0x200
)

// encodeSpans arranges spans, which all are of one process, by their scopes.
func encodeSpans(spans []trace.ReadOnlySpan) otlpExport {
	var r otlpResource
	at := map[string]int{}
	for _, s := range spans {
		if len(r.ScopeSpans) == 0 && s.Resource() != nil {
			r.Resource.Attributes = encodeAttributes(s.Resource().Attributes())
		}
		scope := s.InstrumentationScope().Name
		i, known := at[scope]
		if !known {
			i = len(r.ScopeSpans)
			at[scope] = i
			r.ScopeSpans = append(r.ScopeSpans, otlpScope{})
			r.ScopeSpans[i].Scope.Name = scope
		}
		r.ScopeSpans[i].Spans = append(r.ScopeSpans[i].Spans, encodeSpan(s))
	}
	return otlpExport{[]otlpResource{r}}
}

func encodeSpan(s trace.ReadOnlySpan) otlpSpan {
	// The SDK's numbers of kinds are those of OTLP; those of a status are not.
	status := map[codes.Code]int{codes.Ok: 1, codes.Error: 2}[s.Status().Code]
	out := otlpSpan{
		TraceID: s.SpanContext().TraceID().String(), SpanID: s.SpanContext().SpanID().String(),
		Flags: uint32(s.SpanContext().TraceFlags()) | hasRemoteFlag, Name: s.Name(), Kind: int(cmp.Or(s.SpanKind(), oteltrace.SpanKindInternal)),
		Start: strconv.FormatInt(s.StartTime().UnixNano(), 10), End: strconv.FormatInt(s.EndTime().UnixNano(), 10),
		Attributes: encodeAttributes(s.Attributes()), Status: otlpStatus{s.Status().Description, status},
	}
	if parent := s.Parent(); parent.HasSpanID() {
		out.ParentSpanID = parent.SpanID().String()
		if parent.IsRemote() {
			out.Flags |= isRemoteFlag
		}
	}
	return out
}

func encodeAttributes(attributes []attribute.KeyValue) []otlpAttribute {
	out := make([]otlpAttribute, 0, len(attributes))
	for _, a := range attributes {
		var v otlpValue
		switch a.Value.Type() {
		case attribute.BOOL:
			b := a.Value.AsBool()
			v.Bool = &b
		case attribute.INT64:
			v.Int = strconv.FormatInt(a.Value.AsInt64(), 10)
		default:
			text := a.Value.String()
			v.String = &text
		}
		out = append(out, otlpAttribute{string(a.Key), v})
	}
	return out
}
