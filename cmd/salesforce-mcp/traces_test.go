package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/salesforce/fakeorg"
)

// spanCollector is a receiver of OTLP/HTTP in JSON.
type spanCollector struct {
	*httptest.Server
	mu     sync.Mutex
	raw    []string
	spans  []span
	header http.Header
	scopes []string
}

// span is one, as OTLP has it.
type span struct {
	TraceID, SpanID, ParentSpanID, Name string
	Kind                                int
	Flags                               int
	StartTimeUnixNano, EndTimeUnixNano  string
	Attributes                          []struct {
		Key   string
		Value struct {
			StringValue *string
			IntValue    string
			BoolValue   *bool
		}
	}
	Status struct{ Code int }
}

// attribute is a value as text, "" when there is none.
func (s span) attribute(key string) string {
	for _, a := range s.Attributes {
		if a.Key == key && a.Value.StringValue != nil {
			return *a.Value.StringValue
		} else if a.Key == key {
			return a.Value.IntValue
		}
	}
	return ""
}

// newSpanCollector answers with the statuses in turn, and then 200.
func newSpanCollector(t *testing.T, statuses ...int) *spanCollector {
	c := &spanCollector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(statuses) > 0 {
			w.WriteHeader(statuses[0])
			statuses = statuses[1:]
			return
		}
		var export struct {
			ResourceSpans []struct {
				Resource   span
				ScopeSpans []struct {
					Scope struct{ Name string }
					Spans []span
				}
			}
		}
		if err := json.Unmarshal(body, &export); err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
		}
		for _, rs := range export.ResourceSpans {
			if rs.Resource.attribute("service.name") != "salesforce-mcp" || rs.Resource.attribute("service.instance.id") == "" {
				t.Errorf("resource %+v", rs.Resource)
			}
			for _, ss := range rs.ScopeSpans {
				c.scopes = append(c.scopes, ss.Scope.Name)
				c.spans = append(c.spans, ss.Spans...)
			}
		}
		c.raw, c.header = append(c.raw, string(body)), r.Header
		if err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, `{"partialSuccess":{}}`)
	}))
	t.Cleanup(c.Close)
	return c
}

// under returns the spans below a span, at any depth, in the order of their start.
func (c *spanCollector) under(id string) (all []span) {
	for _, s := range c.spans {
		if s.ParentSpanID == id {
			all = append(append(all, s), c.under(s.SpanID)...)
		}
	}
	slices.SortStableFunc(all, func(a, b span) int { return strings.Compare(a.StartTimeUnixNano, b.StartTimeUnixNano) })
	return all
}

// TestTraces: a call and all it does are one trace, which goes on that of the
// caller; nothing of what was asked, answered or proven is in it.
func TestTraces(t *testing.T) {
	c := newSpanCollector(t, http.StatusServiceUnavailable)
	w := newWorld(t, func(cfg *config.Config) {
		cfg.Tracing = config.Tracing{URL: c.URL + "/v1/traces", Headers: map[string]string{"Api-Key": "collector-secret"}}
	})
	const soql = "SELECT Id, Name FROM Account WHERE Name = 'Telltale' LIMIT 3"
	const trace1, trace2, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "0af7651916cd43dd8448eb211c80319c", "00f067aa0ba902b7"
	w.org.org.Inject(fakeorg.Fault{Path: "/services/data/", Status: 503, HTML: "<html>Telltale</html>"})
	r := w.request(call(1, "query", map[string]any{"action": "soql", "q": soql}))
	r.Header.Set("traceparent", "00-"+trace1+"-"+parent+"-00") // the caller's decision not to keep it is not ours
	r.Header.Set("tracestate", "vendor=Telltale")
	r.Header.Set("baggage", "secret=Telltale")
	if _, answer := w.do(r); !strings.Contains(answer, "totalSize") {
		t.Fatal(answer)
	}
	r = w.request(strings.Replace(query(2, 1), `"params":{`, `"params":{"_meta":{"traceparent":"00-`+trace2+`-`+parent+`-01"},`, 1))
	r.Header.Set("traceparent", "00-"+trace1+"-"+parent+"-01") // that of the HTTP request; the message has its own
	w.do(r)
	for _, wrong := range []string{"Telltale", "00-" + strings.Repeat("0", 32) + "-" + parent + "-01", "ff-" + trace1 + "-" + parent + "-01"} {
		r = w.request(call(3, "Telltale", map[string]any{"action": "Telltale"}))
		r.Header.Set("traceparent", wrong)
		w.do(r)
	}
	if got := w.instruction("getRecord", `{"sObjectName":"Account","recordId":"001000000000000AAA"}`); got.status != http.StatusNotFound {
		t.Fatalf("%+v", got)
	}
	w.app.traced()

	c.mu.Lock()
	defer c.mu.Unlock()
	if c.header.Get("Api-Key") != "collector-secret" {
		t.Error("the collector was not told who sends")
	}
	var calls []span
	for _, s := range c.spans {
		if s.Kind == 2 {
			calls = append(calls, s)
		}
	}
	slices.SortFunc(calls, func(a, b span) int { return strings.Compare(a.StartTimeUnixNano, b.StartTimeUnixNano) })
	if len(calls) != 6 {
		t.Fatalf("%d calls: %+v", len(calls), calls)
	}
	var children []string
	for _, s := range c.under(calls[0].SpanID) {
		children = append(children, fmt.Sprintf("%s %d %s", s.Name, s.Kind, s.attribute("http.response.status_code")))
		if s.TraceID != trace1 {
			t.Errorf("%s is in another trace", s.Name)
		}
	}
	if want := []string{"gate 1 ", "record intent 1 ", "credentials 1 ", "GET 3 503", "GET 3 200", "record outcome 1 "}; !slices.Equal(children, want) {
		t.Errorf("the call has the spans %q, want %q", children, want)
	}
	for i, want := range []struct{ name, trace, parent, outcome, kind string }{
		{"tools/call query", trace1, parent, "ok", ""},
		{"tools/call query", trace2, parent, "ok", ""},
		{"tools/call", "", "", "refused", "tool_error"}, {"tools/call", "", "", "refused", "tool_error"}, {"tools/call", "", "", "refused", "tool_error"},
		{"instructions records", "", "", "error", "notFound"},
	} {
		s := calls[i]
		if s.Name != want.name || want.trace != "" && s.TraceID != want.trace || s.ParentSpanID != want.parent || s.attribute("salesforce_mcp.outcome") != want.outcome || s.attribute("error.type") != want.kind ||
			(s.Status.Code == 2) != (want.kind != "") || s.Flags&0x301 != 0x101|len(want.parent)/16*0x200 {
			t.Errorf("call %d: %+v, want %+v", i, s, want)
		}
		if id := s.attribute("salesforce_mcp.call"); !slices.ContainsFunc(w.entries("a"), func(e audit.Entry) bool { return e.ID == id }) {
			t.Errorf("call %d is not in the audit trail: %q", i, id)
		}
	}
	if got := calls[0]; got.attribute("mcp.method.name") != "tools/call" || got.attribute("gen_ai.tool.name") != "query" || got.attribute("gen_ai.operation.name") != "execute_tool" || got.attribute("network.transport") != "tcp" {
		t.Errorf("attributes %+v", got.Attributes)
	}
	text := strings.Join(c.raw, "\n")
	for _, secret := range []string{"Telltale", "SELECT", "token-a", w.org.ready.OrgToken, "collector-secret", "001000000000000AAA", demoAgent, "vendor", "/services/data"} {
		if strings.Contains(text, secret) {
			t.Errorf("traces hold %q", secret)
		}
	}
	for _, r := range w.org.org.Requests() {
		if strings.Contains(fmt.Sprint(r), trace1) {
			t.Error("the org was told of the trace")
		}
	}
}

// TestTracesAway: a collector that does not answer keeps no call waiting, and what
// is wrong with it is said once.
func TestTracesAway(t *testing.T) {
	hangs := make(chan struct{})
	away := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hangs }))
	t.Cleanup(away.Close)
	w := newWorld(t, func(cfg *config.Config) { cfg.Tracing = config.Tracing{URL: away.URL + "/v1/traces"} })
	for i := range 100 { // more spans than a batch has
		if _, answer := w.post(query(i, 1)); !strings.Contains(answer, "totalSize") {
			t.Fatal(answer)
		}
	}
	close(hangs)
}
