package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/salesforce/fakeorg"
	"salesforce-mcp/tools"
)

// get fetches a page without any proof of who asks.
func get(t *testing.T, method, url, host string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// TestMetrics (attack 42): metrics are on a listener of their own, count what
// happened, and have nothing in their labels but words of ours, however many names a
// caller invents. Health tells nobody more than that.
func TestMetrics(t *testing.T) {
	w := newWorld(t, func(c *config.Config) {
		c.MetricsListen = "127.0.0.1:0"
		c.Audit.File = t.TempDir() + "/entries.jsonl"
	})
	scraped := httptest.NewServer(w.app.metrics.Handler())
	t.Cleanup(scraped.Close)

	w.post(query(1, 3))
	w.post(query(2, 4))
	w.post(call(3, "records", map[string]any{"action": "get", "sObjectName": "Account", "recordId": "001000000000000AAA"}))
	reader := w.request(call(4, "records", map[string]any{"action": "delete", "sObjectName": "Account", "recordId": "001000000000000AAA"}))
	reader.Header.Set("Agent-Id", demoReader)
	w.do(reader)
	w.org.org.Inject(fakeorg.Fault{Path: "/services/data/", Status: 503, HTML: "<html>", Times: 1})
	w.post(query(5, 5))
	for i := range 50 {
		w.post(call(6, fmt.Sprintf("invented-%d", i), map[string]any{"action": fmt.Sprintf("made-up-%d", i)}))
		w.post(call(6, "records", map[string]any{"action": fmt.Sprintf("made-up-%d", i)}))
	}
	eventually(t, "a signed audit trail", func() bool {
		_, text := get(t, http.MethodGet, scraped.URL+"/metrics", "")
		return strings.Contains(text, "\nsalesforce_mcp_audit_unsigned_entries 0\n") && strings.Contains(text, `salesforce_mcp_audit_sink_behind_entries{sink="file"} 0`)
	})
	status, text := get(t, http.MethodGet, scraped.URL+"/metrics", "")
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	for _, want := range []string{
		`salesforce_mcp_calls_total{action="soql",class="",outcome="ok",tool="query"} 3`,
		`salesforce_mcp_calls_total{action="get",class="notFound",outcome="error",tool="records"} 1`,
		`salesforce_mcp_calls_total{action="delete",class="agent_not_authorized",outcome="refused",tool="records"} 1`,
		`salesforce_mcp_calls_total{action="",class="unknown_tool",outcome="refused",tool=""} 50`,
		`salesforce_mcp_calls_total{action="",class="unknown_action",outcome="refused",tool=""} 50`,
		`salesforce_mcp_call_duration_seconds_count{outcome="ok",tool="query"} 3`,
		`salesforce_mcp_token_requests_total{result="ok"} 1`,
		`salesforce_mcp_token_requests_total{result="error"} 0`,
		`salesforce_mcp_orgs 1`, `salesforce_mcp_approvals_waiting 0`, `salesforce_mcp_returns_waiting 0`, `salesforce_mcp_returns_escalated 0`, `salesforce_mcp_breakers_open 0`, `salesforce_mcp_api_calls_left `, `salesforce_mcp_api_calls_left_ratio 0.9`,
		`salesforce_mcp_build_info{`, `go_goroutines `, `process_open_fds `,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}

	// Whatever stands in a label is ours.
	values := map[string][]string{"outcome": {"ok", "error", "unknown", "refused"}, "result": {"ok", "error"}, "sink": {"file"}, "tool": {""}, "action": {""}}
	for _, tool := range tools.All {
		values["tool"] = append(values["tool"], tool.Name)
		for _, op := range tool.Ops {
			values["action"] = append(values["action"], op.Action)
		}
	}
	label := regexp.MustCompile(`(\w+)="((?:[^"\\]|\\.)*)"`)
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, namespaceOfMetrics) {
			continue
		}
		for _, pair := range label.FindAllStringSubmatch(line, -1) {
			allowed, known := values[pair[1]]
			if known && !slices.Contains(allowed, pair[2]) || !known && !slices.Contains([]string{"le", "class", "version", "goversion"}, pair[1]) {
				t.Errorf("label %s", pair[0])
			}
		}
	}
	for _, secret := range []string{"invented", "made-up", demoAgent, demoReader, "agent-factory", strings.TrimPrefix(w.org.ready.Org, "http://"), w.org.ready.Username} {
		if strings.Contains(text, secret) {
			t.Errorf("metrics hold %q", secret)
		}
	}

	for _, tt := range []struct {
		method, url, host string
		status            int
		body              string // "" is any
	}{
		{http.MethodGet, scraped.URL + "/metrics", "evil.example", http.StatusForbidden, ""},
		{http.MethodGet, scraped.URL + "/metrics", "localhost:1", http.StatusOK, ""},
		{http.MethodPost, scraped.URL + "/metrics", "", http.StatusMethodNotAllowed, ""},
		{http.MethodGet, scraped.URL + "/debug/pprof/", "", http.StatusNotFound, ""},
		{http.MethodGet, scraped.URL + "/w/a/openapi.json", "", http.StatusNotFound, ""},
		{http.MethodGet, w.origin + "/metrics", "", http.StatusNotFound, ""},
		{http.MethodGet, w.origin + "/debug/pprof/", "", http.StatusNotFound, ""},
		{http.MethodGet, w.origin + "/debug/vars", "", http.StatusNotFound, ""},
		{http.MethodGet, w.origin + "/healthz", "", http.StatusOK, "ok\n"},
		{http.MethodGet, w.origin + "/readyz", "", http.StatusOK, "ready\n"},
	} {
		if status, body := get(t, tt.method, tt.url, tt.host); status != tt.status || tt.body != "" && body != tt.body {
			t.Errorf("%s %s as %q: %d %s", tt.method, tt.url, tt.host, status, body)
		}
	}
	if newLog := w.log.String(); strings.Contains(newLog, "cannot be counted") {
		t.Error(newLog)
	}
}

// namespaceOfMetrics is how the names of our metrics begin.
const namespaceOfMetrics = "salesforce_mcp_"

// TestNoMetrics: without an address there are none, and nothing is counted.
func TestNoMetrics(t *testing.T) {
	w := startWorld(t, orgReady{Org: "http://127.0.0.1:1", ClientID: "id", Username: "u@x"})
	if w.app.metrics != nil || w.app.server.Ended != nil {
		t.Error("metrics nobody asked for")
	}
}
